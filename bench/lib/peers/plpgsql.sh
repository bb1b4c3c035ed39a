# What people write themselves: a row-level trigger in PL/pgSQL that puts the row
# into an audit table as jsonb.

plpgsql_available()
{
	return 0
}

# Usage: plpgsql_capture SERVER DATABASE TABLE ...
plpgsql_capture()
{
	local server=$1
	local database=$2
	local table

	shift 2
	quietly "$server" "$database" <<-'SQL'
		CREATE TABLE audit (no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, relation oid, op text,
		  old jsonb, new jsonb, xid xid8, at timestamptz);
		CREATE FUNCTION to_audit() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
		  INSERT INTO audit (relation, op, old, new, xid, at)
		  VALUES (TG_RELID, TG_OP,
		    CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
		    CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END,
		    pg_current_xact_id(), now());
		  RETURN NULL;
		END $$;
	SQL
	for table in "$@"; do
		quietly "$server" "$database" <<-SQL
			CREATE TRIGGER to_audit AFTER INSERT OR UPDATE OR DELETE ON public.$table
			  FOR EACH ROW EXECUTE FUNCTION to_audit();
		SQL
	done
}

plpgsql_captured()
{
	value "$1" "$2" "SELECT count(*) FROM audit"
}

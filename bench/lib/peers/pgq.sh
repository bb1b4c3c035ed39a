# PgQ's capture: its C trigger logutriga, one row at a time, into an event queue.
# No ticker and no consumer.

pgq_available()
{
	[ -e "$("$pg_config" --sharedir)/extension/pgq.control" ]
}

# Usage: pgq_capture SERVER DATABASE TABLE ...
pgq_capture()
{
	local server=$1
	local database=$2
	local table

	shift 2
	quietly "$server" "$database" <<-SQL
		CREATE EXTENSION pgq;
		SELECT pgq.create_queue('q');
	SQL
	for table in "$@"; do
		quietly "$server" "$database" <<-SQL
			CREATE TRIGGER to_queue AFTER INSERT OR UPDATE OR DELETE ON public.$table
			  FOR EACH ROW EXECUTE FUNCTION pgq.logutriga('q');
		SQL
	done
}

pgq_captured()
{
	value "$1" "$2" "SELECT count(*) FROM pgq.event_template"
}

# Slony-I's capture: its C trigger, one row at a time, into sl_log_1.
#
# "init cluster" makes the schema _bench with everything a provider has; the
# trigger is then attached with the statement that Slony-I's own "set add table"
# runs.  No slon daemon: nothing is consumed.

slony_available()
{
	command -v slonik >/dev/null &&
		ls "$("$pg_config" --pkglibdir)"/slony1_funcs.*.so >/dev/null 2>&1
}

# Usage: slony_capture SERVER DATABASE TABLE ...
slony_capture()
{
	local server=$1
	local database=$2
	local table
	local number=0

	shift 2
	as_server slonik >"$work/slonik.log" 2>&1 <<-SLONIK || { cat "$work/slonik.log"; die "slonik failed"; }
		cluster name = bench;
		node 1 admin conninfo = '$(conninfo "$server" "$database")';
		init cluster (id = 1, comment = 'bench');
	SLONIK
	for table in "$@"; do
		number=$((number + 1))
		quietly "$server" "$database" <<-SQL
			DO \$\$
			BEGIN
			  EXECUTE format('CREATE TRIGGER _bench_logtrigger AFTER INSERT OR UPDATE OR DELETE ON public.$table
			    FOR EACH ROW EXECUTE PROCEDURE _bench.logTrigger(''_bench'', ''$number'', %L)',
			    _bench.determineAttKindUnique('public.$table', '${table}_pkey'));
			END \$\$;
		SQL
	done
}

# Did its trigger write?  Asked after the first run.
slony_captured()
{
	value "$1" "$2" "SELECT count(*) FROM _bench.sl_log_1"
}

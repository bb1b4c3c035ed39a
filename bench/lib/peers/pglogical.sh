# pglogical, with its defaults.  Its servers preload it.

pglogical_available()
{
	[ -e "$("$pg_config" --sharedir)/extension/pglogical.control" ]
}

# Usage: pglogical_subscribe copy|nocopy TABLE ...
pglogical_subscribe()
{
	local copy=false
	local table

	[ "$1" != copy ] || copy=true
	shift
	quietly pglogical_source bench <<-SQL
		CREATE EXTENSION IF NOT EXISTS pglogical;
		SELECT pglogical.create_node('source', '$(conninfo pglogical_source bench)');
	SQL
	for table in "$@"; do
		quietly pglogical_source bench <<<"SELECT pglogical.replication_set_add_table('default', 'public.$table');"
	done
	quietly pglogical_target bench <<-SQL
		CREATE EXTENSION IF NOT EXISTS pglogical;
		SELECT pglogical.create_node('target', '$(conninfo pglogical_target bench)');
		SELECT pglogical.create_subscription('s', '$(conninfo pglogical_source bench "${wire:-}")',
		  ARRAY['default'], false, $copy);
	SQL
	poll 120 pglogical_is_replicating || die "pglogical does not replicate: $(
		value pglogical_target bench "SELECT status FROM pglogical.show_subscription_status()")"
}

pglogical_is_replicating()
{
	[ "$(value pglogical_target bench "SELECT status FROM pglogical.show_subscription_status()")" = replicating ]
}

pglogical_pause()
{
	quietly pglogical_target bench <<<"SELECT pglogical.alter_subscription_disable('s', true);"
	poll 60 slots_are_idle pglogical_source || die "pglogical does not stop"
}

# Its enabling without "immediate" waits for the next look at the catalog.
pglogical_resume()
{
	quietly pglogical_target bench <<<"SELECT pglogical.alter_subscription_enable('s', true);"
}

pglogical_mark()
{
	mark=$(value pglogical_source bench "SELECT pg_current_wal_insert_lsn()")
}

pglogical_wait()
{
	wait_for_replay pglogical_source
}

pglogical_unsubscribe()
{
	quietly pglogical_target bench <<-SQL
		SELECT pglogical.drop_subscription('s');
		SELECT pglogical.drop_node('target');
	SQL
	quietly pglogical_source bench <<<"SELECT pglogical.drop_node('source');"
}

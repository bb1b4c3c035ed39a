# PostgreSQL's own logical replication, with its defaults.

native_available()
{
	return 0
}

# Usage: native_subscribe copy|nocopy TABLE ...
native_subscribe()
{
	local copy=false

	[ "$1" != copy ] || copy=true
	shift
	quietly native_source bench <<<"CREATE PUBLICATION p FOR TABLE $(printf '%s\n' "$@" | paste -sd,);"
	quietly native_target bench <<<"CREATE SUBSCRIPTION s CONNECTION '$(conninfo native_source bench "${wire:-}")'
		PUBLICATION p WITH (copy_data = $copy);"
	native_wait_live
}

native_wait_live()
{
	quietly native_target bench <<-SQL || die "native replication: tables do not become ready"
		DO \$\$
		DECLARE
		  until timestamptz := clock_timestamp() + interval '15 min';
		BEGIN
		  WHILE EXISTS (SELECT FROM pg_subscription_rel WHERE srsubstate <> 'r') LOOP
		    IF clock_timestamp() > until THEN
		      RAISE 'not ready';
		    END IF;
		    COMMIT;
		    PERFORM pg_sleep(0.01);
		  END LOOP;
		END \$\$;
	SQL
}

# Usage: slots_are_idle SERVER.  Also for pglogical.
slots_are_idle()
{
	[ "$(value "$1" bench "SELECT count(*) FROM pg_replication_slots WHERE active")" = 0 ]
}

native_pause()
{
	quietly native_target bench <<<"ALTER SUBSCRIPTION s DISABLE;"
	poll 60 slots_are_idle native_source || die "native replication does not stop"
}

native_resume()
{
	quietly native_target bench <<<"ALTER SUBSCRIPTION s ENABLE;"
}

# Where the source's WAL ends now: what native_wait waits for.
native_mark()
{
	mark=$(value native_source bench "SELECT pg_current_wal_insert_lsn()")
}

native_wait()
{
	wait_for_replay native_source
}

# Usage: wait_for_replay SERVER.  Until its receiver has applied what was there
# at the mark.  One session that looks every 10 ms: a psql for each look would
# take its share of the processor.  Also for pglogical.
wait_for_replay()
{
	quietly "$1" bench <<-SQL || die "$1: the target did not catch up"
		DO \$\$
		DECLARE
		  until timestamptz := clock_timestamp() + interval '15 min';
		BEGIN
		  WHILE NOT EXISTS (SELECT FROM pg_stat_replication WHERE replay_lsn >= '$mark') LOOP
		    IF clock_timestamp() > until THEN
		      RAISE 'not there';
		    END IF;
		    COMMIT;
		    PERFORM pg_sleep(0.01);
		  END LOOP;
		END \$\$;
	SQL
}

# Rows (unknown: -), bytes of WAL and seconds behind.
native_lag()
{
	value native_source bench "SELECT '-', coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), 0),
		round(coalesce(extract(epoch FROM max(replay_lag)), 0), 3) FROM pg_stat_replication"
}

native_unsubscribe()
{
	quietly native_target bench <<<"DROP SUBSCRIPTION s;"
	quietly native_source bench <<<"DROP PUBLICATION p;"
}

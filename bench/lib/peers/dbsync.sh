# dbsync: as a source of captured changes only, and as a whole.

dbsync_available()
{
	return 0
}

# 'public.a', 'public.b', ...
dbsync_table_list()
{
	printf "'public.%s'\n" "$@" | paste -sd,
}

# Usage: dbsync_capture SERVER DATABASE TABLE ...  Capture with nobody consuming:
# a subscription to a second database of the same server that has been started,
# has installed its triggers, and was stopped again.  They stay.
dbsync_capture()
{
	local server=$1
	local database=$2
	local sink=${database}_sink
	local missing
	local table

	shift 2
	fresh_database "$server" "$sink"
	copy_definitions "$server" "$database" "$server" "$sink"
	quietly "$server" "$database" <<-SQL
		CREATE EXTENSION dbsync;
		SELECT dbsync.create_target('sink', '$(uri "$server" "$sink")');
		SELECT dbsync.create_subscription('s', 'sink', copy_data => false,
		  tables => ARRAY[$(dbsync_table_list "$@")]);
		SELECT dbsync.start_subscription('s');
		SELECT dbsync.wait_for('s', timeout => '60 s');
	SQL
	dbsync_wait_live "$server" "$database"
	quietly "$server" "$database" <<<"SELECT dbsync.stop_subscription('s');"
	for table in "$@"; do
		missing=$(value "$server" "$database" "SELECT count(*) = 0 FROM pg_trigger
			WHERE tgrelid = 'public.$table'::regclass AND NOT tgisinternal AND tgenabled <> 'D'")
		[ "$missing" = f ] || die "dbsync does not capture $table"
	done
}

# Usage: dbsync_wait_live SERVER DATABASE.  Captured, and copied if it was to be.
dbsync_wait_live()
{
	quietly "$1" "$2" <<-SQL || die "dbsync: tables do not become live: $(value "$1" "$2" "SELECT state, last_error FROM dbsync.status")"
		DO \$\$
		DECLARE
		  until timestamptz := clock_timestamp() + interval '15 min';
		  asked timestamptz := clock_timestamp();
		BEGIN
		  WHILE EXISTS (SELECT FROM dbsync.table_status WHERE state <> 'live') LOOP
		    IF clock_timestamp() > until THEN
		      RAISE 'not live';
		    END IF;
		    COMMIT;
		    -- of ten thousand tables the question takes long, and a processor is wanted for the answer
		    PERFORM pg_sleep(least(greatest(0.01, 10 * extract(epoch FROM clock_timestamp() - asked)), 2));
		    asked := clock_timestamp();
		  END LOOP;
		END \$\$;
	SQL
}

# Usage: dbsync_subscribe copy|nocopy TABLE ...  From dbsync_source to
# dbsync_target, database bench in both.
dbsync_subscribe()
{
	local copy=false

	[ "$1" != copy ] || copy=true
	shift
	quietly dbsync_source bench <<-SQL
		CREATE EXTENSION IF NOT EXISTS dbsync;
		SELECT dbsync.create_target('target', '$(uri dbsync_target bench "${wire:-}")');
		SELECT dbsync.create_subscription('s', 'target', copy_data => $copy,
		  tables => ARRAY[$(dbsync_table_list "$@")]);
		SELECT dbsync.start_subscription('s');
	SQL
	dbsync_wait_live dbsync_source bench
}

dbsync_pause()
{
	quietly dbsync_source bench <<<"SELECT dbsync.stop_subscription('s');"
}

dbsync_resume()
{
	quietly dbsync_source bench <<<"SELECT dbsync.start_subscription('s');"
}

# dbsync knows by itself what is to be waited for.
dbsync_mark()
{
	:
}

dbsync_wait()
{
	[ "$(value dbsync_source bench "SELECT dbsync.wait_for('s', timeout => '15 min')")" = t ] ||
		die "dbsync did not catch up: $(value dbsync_source bench "SELECT state, last_error, last_error_detail FROM dbsync.status")"
}

# Rows, bytes and seconds behind.
dbsync_lag()
{
	value dbsync_source bench "SELECT coalesce(lag_rows, 0), coalesce(lag_bytes, 0),
		round(coalesce(lag_seconds, 0)::numeric, 3) FROM dbsync.status"
}

dbsync_unsubscribe()
{
	quietly dbsync_source bench <<-SQL
		SELECT dbsync.stop_subscription('s');
		SELECT dbsync.drop_subscription('s');
		SELECT dbsync.drop_target('target');
	SQL
}

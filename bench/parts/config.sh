# config: a configuration of many tables that is loaded when there is nothing to do.
#
# Work: a subscription of BENCH_CONFIG_TABLES tables, each with a name of its own at the target, is
# written to a file by dump_config(), and the file is loaded: nothing is planned.  Then one
# that differs in one table, as a dry run.

# Usage: config_timed ROWS CALL.  Seconds of it; it must return so many rows.
config_timed()
{
	local start

	start=$(now)
	[ "$(value dbsync_source bench "SELECT count(*) FROM $2")" = "$1" ] || die "dbsync: $2 is not $1 rows"
	since "$start"
}

run_config()
{
	local file=$work/config.ini

	server_up dbsync_source "shared_preload_libraries = 'dbsync'" "fsync = off"
	fresh_database dbsync_source bench
	idle_tables dbsync_source "$bench_config_tables"
	quietly dbsync_source bench <<-SQL
		CREATE EXTENSION dbsync;
		SELECT dbsync.create_target('target', 'postgresql://host.invalid/bench');
		SELECT dbsync.create_subscription('s', 'target', schemas => '{public}');
		-- as if each had been added by its name
		UPDATE dbsync.subscription_table SET by_rule = false, target_given = true, target_schema = 'far';
		SELECT dbsync.alter_subscription('s', schemas => '{}');
		SELECT dbsync.dump_config(file => '$file');
	SQL
	for ((round = 1; round <= bench_rounds; round++)); do
		record "load, nothing to do" dbsync "$(config_timed 0 "dbsync.load_config(file => '$file')")" s
		record "dry run, one table changed" dbsync \
			"$(config_timed 2 "dbsync.load_config(replace(dbsync.dump_config(), 'far.t1' || chr(10), 'far.t_1' || chr(10)), dry_run => true)")" s
		record "dump" dbsync "$(config_timed 1 "dbsync.dump_config()")" s
	done
	server_down dbsync_source
}

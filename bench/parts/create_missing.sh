# create_missing: whether it pays to make indexes behind the first copy.
#
# Work: a narrow table of BENCH_ROWS rows with two further indexes.  Timed from the start of the
# subscription until the target has all of it and the table is live, its indexes included:
# into a table that dbsync makes, and into one that was made with its indexes first.  One
# connection; all servers have fsync off.

create_missing_indexes="CREATE INDEX t_a ON t (a); CREATE INDEX t_b ON t (b);"

# Usage: create_missing_turn made|"indexes first"
create_missing_turn()
{
	local start

	fresh_database dbsync_target bench
	if [ "$1" = "indexes first" ]; then
		narrow_table dbsync_target bench
		quietly dbsync_target bench <<<"$create_missing_indexes"
	fi
	quietly dbsync_source bench <<-SQL
		CREATE EXTENSION dbsync;
		SELECT dbsync.create_target('target', '$(uri dbsync_target bench)');
		SELECT dbsync.create_subscription('s', 'target', tables => ARRAY['public.t'], create_missing => true);
	SQL
	checkpoint dbsync_source dbsync_target
	start=$(now)
	dbsync_resume
	dbsync_wait_live dbsync_source bench
	record "copy with two indexes" "$1" "$(since "$start")" s
	must_agree dbsync bench t
	[ "$(value dbsync_target bench "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indisvalid")" = 3 ] ||
		die "dbsync: t lacks indexes"
	dbsync_unsubscribe
	quietly dbsync_source bench <<<"SELECT dbsync.uninstall(); DROP EXTENSION dbsync;"
}

run_create_missing()
{
	local side

	for side in source target; do
		server_up "dbsync_$side" "shared_preload_libraries = 'dbsync'" "fsync = off" "synchronous_commit = off"
	done
	fresh_database dbsync_source bench
	narrow_table dbsync_source bench
	fill_table dbsync_source bench narrow "$bench_rows"
	quietly dbsync_source bench <<<"$create_missing_indexes"
	tidy bench dbsync_source
	for ((round = 1; round <= bench_rounds; round++)); do
		# shellcheck disable=SC2046
		if ((round % 2)); then
			create_missing_turn made
			create_missing_turn "indexes first"
		else
			create_missing_turn "indexes first"
			create_missing_turn made
		fi
	done
	server_down dbsync_source
	server_down dbsync_target
}

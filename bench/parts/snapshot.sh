# snapshot: what it costs to keep a table equal by comparisons, with capture => 'snapshot'.
#
# Work: a table of BENCH_ROWS narrow rows, idle at both ends; none, 100 and a tenth of its rows are changed at the target.
# Timed from the call of wait_for(), which has the table compared, until it says that what differs is there.  Beside it, in the same
# round: count and hash of all rows, by SQL, at both ends at once, until the later of the two has answered.  All servers have fsync off.

snapshot_hash="SELECT count(*), sum(hashtextextended(ROW(t.*)::text, 1)) FROM t"

snapshot_plain()
{
	local start

	start=$(now)
	value dbsync_target bench "$snapshot_hash" >/dev/null &
	value dbsync_source bench "$snapshot_hash" >/dev/null
	wait $!
	record "count and hash at both ends" dbsync "$(since "$start")" s
}

# Usage: snapshot_turn NAME
snapshot_turn()
{
	local start

	start=$(now)
	[ "$(value dbsync_source bench "SELECT dbsync.wait_for('s', timeout => '10 min')")" = t ] || die "the comparison did not end"
	record "$1" dbsync "$(since "$start")" s
	must_agree dbsync bench t
}

# Usage: snapshot_falsify ROWS
snapshot_falsify()
{
	quietly dbsync_target bench <<<"UPDATE t SET a = a + 1 WHERE id IN (SELECT (n * (SELECT max(id) FROM t) / $1)::bigint FROM generate_series(1, $1) n);"
}

run_snapshot()
{
	local side

	pair_up dbsync "fsync = off" "synchronous_commit = off"
	for side in source target; do
		fresh_database "dbsync_$side" bench
		narrow_table "dbsync_$side" bench
	done
	fill_table dbsync_source bench narrow "$bench_rows"
	quietly dbsync_source bench <<-SQL
		CREATE EXTENSION dbsync;
		SELECT dbsync.create_target('target', '$(uri dbsync_target bench)');
		SELECT dbsync.create_subscription('s', 'target');
		SELECT dbsync.add_table('s', 't', capture => 'snapshot', options => '{"scan": "interval 1 day"}');
		SELECT dbsync.start_subscription('s');
	SQL
	dbsync_wait_live dbsync_source bench
	quietly dbsync_source bench <<<"SELECT dbsync.wait_for('s', timeout => '10 min');"
	for side in source target; do
		quietly "dbsync_$side" bench <<<"VACUUM ANALYZE t;"
	done
	for ((round = 1; round <= bench_rounds; round++)); do
		snapshot_plain
		snapshot_turn "nothing differs"
		snapshot_falsify 100
		snapshot_turn "100 rows differ"
		snapshot_falsify $((bench_rows / 10))
		snapshot_turn "a tenth of the rows differs"
	done
	quietly dbsync_source bench <<<"SELECT dbsync.stop_subscription('s');"
	pair_down dbsync
}

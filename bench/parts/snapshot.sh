# snapshot: what it costs to keep a table equal by comparisons, with capture => 'snapshot'.
#
# Work: a table of BENCH_ROWS narrow rows, idle at both ends; none, 100 and a tenth of its rows are changed at the target.
# Timed from the call of wait_for(), which has the table compared, until it says that what differs is there.  Beside it, in the same
# round: count and hash of all rows, by SQL, at both ends at once, until the later of the two has answered.  All servers have fsync off.

# Usage: snapshot_turn NAME
snapshot_turn()
{
	local start

	start=$(now)
	[ "$(value dbsync_source bench "SELECT dbsync.wait_for('s', timeout => '10 min')")" = t ] || die "the comparison did not end"
	record "$1" dbsync "$(since "$start")" s
	must_agree dbsync bench t
}

run_snapshot()
{
	pair_of_comparisons snapshot "interval 1 day"
	for ((round = 1; round <= bench_rounds; round++)); do
		plain_hash "count and hash at both ends" "$row_hash"
		snapshot_turn "nothing differs"
		change_rows dbsync_target 100
		snapshot_turn "100 rows differ"
		change_rows dbsync_target $((bench_rows / 10))
		snapshot_turn "a tenth of the rows differs"
	done
	quietly dbsync_source bench <<<"SELECT dbsync.stop_subscription('s');"
	pair_down dbsync
}

# shadow: what it costs to compare a table with its shadow.
#
# Work: a table of BENCH_ROWS rows that is captured with a shadow, of which 100 rows have been updated, then 1 000.
# Timed: the comparison, as the worker calls it, in which the differences are captured; as psql
# times it.  Beside it, in the same round and before: the bare FULL JOIN of the two, that counts the differences
# column by column.  WAL: what the comparison wrote.  All servers have fsync off; the worker sleeps, as its clock is an hour.

# Usage: shadow_wal.  Bytes of WAL since the mark in $mark.
shadow_wal()
{
	value dbsync_source bench "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$mark')::bigint"
}

# Usage: shadow_turn DIFFERENCES
shadow_turn()
{
	local shadow
	local found
	local mark
	local time

	shadow=$(value dbsync_source bench "SELECT id FROM dbsync.captured_table WHERE relid = 't'::regclass")
	tidy bench dbsync_source dbsync_target
	change_rows dbsync_source "$1"
	time=$(timed_sql dbsync_source bench "SELECT count(*) FROM t FULL JOIN dbsync_internal.shadow_$shadow s ON s.c1 = t.id
		WHERE t.id IS DISTINCT FROM s.c1 OR t.a IS DISTINCT FROM s.c2 OR t.b IS DISTINCT FROM s.c3 OR t.c IS DISTINCT FROM s.c4 OR t.d IS DISTINCT FROM s.c5")
	record "FULL JOIN that finds $1" dbsync "$time" s
	mark=$(value dbsync_source bench "SELECT pg_current_wal_insert_lsn()")
	time=$(timed_sql dbsync_source bench "SELECT dbsync_internal.compare_shadow($shadow, 10::oid)")
	record "comparison that finds $1" dbsync "$time" s
	record "comparison that finds $1, WAL" dbsync "$(shadow_wal)" bytes
	found=$(value dbsync_source bench "SELECT rows FROM dbsync_internal.header_1 ORDER BY closing DESC LIMIT 1")
	[ "$found" = "$1" ] || die "the comparison found $found rows, not $1"
	[ "$(value dbsync_source bench "SELECT dbsync.wait_for('s', timeout => '10 min')")" = t ] || die "the differences did not arrive"
}

run_shadow()
{
	pair_of_comparisons shadow "interval 1 hour"
	for ((round = 1; round <= bench_rounds; round++)); do
		shadow_turn 100
		shadow_turn 1000
		must_agree dbsync bench t
	done
	quietly dbsync_source bench <<<"SELECT dbsync.stop_subscription('s');"
	pair_down dbsync
}

# timestamp: what a scan costs that finds few rows in a large table.
#
# Work: a table of BENCH_COPY_ROWS rows with an index on the column by which it is scanned; 1 000 rows are
# updated; before that, none.  Timed from the call of wait_for(), which has a scan made, until it says
# that all is there; and the CPU time of the source's processes meanwhile, that of the call included.  All
# servers have fsync off.

timestamp_scan()
{
	local start
	local cpu

	cpu=$(cpu_seconds dbsync_source)
	start=$(now)
	[ "$(value dbsync_source bench "SELECT dbsync.wait_for('scans', timeout => '10 min')")" = t ] || die "the scan did not end"
	record "$1, until it is there" dbsync "$(calc "$(since "$start") * 1000")" ms
	record "$1, CPU of the source" dbsync "$(calc "($(cpu_seconds dbsync_source) - $cpu) * 1000")" ms
}

run_timestamp()
{
	local rows=$bench_copy_rows
	local side

	pair_up dbsync "fsync = off" "synchronous_commit = off"
	for side in source target; do
		fresh_database "dbsync_$side" bench
		quietly "dbsync_$side" bench <<<"CREATE TABLE scanned (id bigint PRIMARY KEY, a int, b text, at timestamptz NOT NULL);"
	done
	quietly dbsync_source bench <<-SQL
		INSERT INTO scanned SELECT i, i, 'row ' || i, '2020-01-01'::timestamptz + i * interval '1 ms' FROM generate_series(1, $rows) i;
		CREATE INDEX ON scanned (at);
		VACUUM ANALYZE scanned;
		CREATE EXTENSION dbsync;
		SELECT dbsync.create_target('target', '$(uri dbsync_target bench)');
		SELECT dbsync.create_subscription('scans', 'target');
		SELECT dbsync.add_table('scans', 'scanned', capture => 'timestamp', options => '{"column": "at", "overlap": "0", "scan": "interval 1 hour"}');
		SELECT dbsync.start_subscription('scans');
	SQL
	dbsync_wait_live dbsync_source bench
	quietly dbsync_source bench <<<"SELECT dbsync.wait_for('scans', timeout => '10 min');"
	for ((round = 1; round <= bench_rounds; round++)); do
		tidy bench dbsync_source dbsync_target
		timestamp_scan "scan that finds nothing"
		quietly dbsync_source bench <<<"UPDATE scanned SET a = a + 1, at = clock_timestamp() WHERE id IN (SELECT 1 + (random() * ($rows - 1))::bigint FROM generate_series(1, 1000));"
		timestamp_scan "scan of 1 000 new rows"
		[ "$(fingerprint dbsync_source bench scanned)" = "$(fingerprint dbsync_target bench scanned)" ] || die "dbsync: scanned differs"
	done
	quietly dbsync_source bench <<<"SELECT dbsync.stop_subscription('scans');"
	pair_down dbsync
}

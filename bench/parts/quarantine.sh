# quarantine: what a row costs that the target refuses, and what parked keys cost later.
#
# Work: UPDATE of a tenth of BENCH_ROWS narrow rows while the subscription is stopped; timed from its start until
# the target has them, as in drain: with no row that the target's CHECK refuses, and with three.  Then the same of
# two tables, of one of which a hundred other keys are parked.  All servers have fsync off.

# Usage: quarantine_drain NAME TABLE BAD.  BAD: a condition of rows that are refused.
quarantine_drain()
{
	local start

	dbsync_pause
	quietly dbsync_source bench <<<"UPDATE $2 SET a = CASE WHEN $3 THEN -1 ELSE a + 1 END, c = now() WHERE id BETWEEN 1 AND $((bench_rows / 10));"
	dbsync_mark
	checkpoint dbsync_source dbsync_target
	start=$(now)
	dbsync_resume
	dbsync_wait
	record "drain of updates, $1" dbsync "$(since "$start")" s
	quietly dbsync_source bench <<<"UPDATE $2 SET a = 1 WHERE id BETWEEN 1 AND $((bench_rows / 10)) AND a < 0;"
	dbsync_mark
	dbsync_wait
	[ "$(fingerprint dbsync_source bench "(SELECT * FROM $2 WHERE a >= 0)")" = "$(fingerprint dbsync_target bench "(SELECT * FROM $2 WHERE id >= 0)")" ] ||
		die "dbsync: $2 differs, and not by what was refused"
	tidy bench dbsync_source dbsync_target
}

run_quarantine()
{
	local what

	pair_up dbsync "fsync = off" "synchronous_commit = off"
	for what in source target; do
		fresh_database "dbsync_$what" bench
		quietly "dbsync_$what" bench <<<"CREATE TABLE plain (id bigint PRIMARY KEY, a int, b text, c timestamptz, d numeric);
			CREATE TABLE parked (LIKE plain, PRIMARY KEY (id));"
	done
	quietly dbsync_source bench <<<"INSERT INTO plain $(row_source narrow "$bench_rows"); INSERT INTO parked TABLE plain;
		UPDATE plain SET a = abs(a); UPDATE parked SET a = abs(a);"
	quietly dbsync_target bench <<<"ALTER TABLE plain ADD CHECK (a >= 0); ALTER TABLE parked ADD CHECK (a >= 0);"
	dbsync_subscribe copy plain
	quietly dbsync_source bench <<<"SELECT dbsync.add_table(name, 'parked'), dbsync.alter_subscription(name, on_error => 'quarantine') FROM dbsync.subscription;"
	dbsync_wait_live dbsync_source bench
	quietly dbsync_source bench <<<"INSERT INTO parked SELECT -i, -1 FROM generate_series(1, 100) i;"
	dbsync_mark
	dbsync_wait
	for ((round = 1; round <= bench_rounds; round++)); do
		# shellcheck disable=SC2046
		for what in $(in_turn good bad parked); do
			case $what in
				good) quarantine_drain "none refused" plain false ;;
				bad) quarantine_drain "three refused" plain "id IN (10, $((bench_rows / 20)), $((bench_rows / 11)))" ;;
				parked) quarantine_drain "a hundred parked" parked false ;;
			esac
		done
	done
	dbsync_unsubscribe
	pair_down dbsync
}

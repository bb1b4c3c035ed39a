# selection: what it costs to choose what is sent.
#
# Work: UPDATE of BENCH_ROWS narrow rows while the subscription is stopped; timed from its start until the
# target has them, as in drain.  Three tables of the same rows: all columns of all rows; one column left
# out and two renamed; a filter that keeps nine rows of ten, and one expression.  All servers have
# fsync off.

selection_columns="ARRAY['id', 'a AS number', 'b AS words', 'd']"
selection_computed="ARRAY['id', 'a', 'upper(b) AS b', 'c', 'd']"

# Usage: selection_fingerprint_here TABLE.  What the target must have of it.
selection_fingerprint_here()
{
	case $1 in
		plain) fingerprint dbsync_source bench plain ;;
		columns) fingerprint dbsync_source bench "(SELECT id, a AS number, b AS words, d FROM columns)" ;;
		filtered) fingerprint dbsync_source bench "(SELECT id, a, upper(b) AS b, c, d FROM filtered WHERE id % 10 <> 0)" ;;
	esac
}

# Usage: selection_drain TABLE NAME
selection_drain()
{
	local start

	dbsync_pause
	quietly dbsync_source bench <<<"UPDATE $1 SET a = a + 1, c = now(); "
	dbsync_mark
	checkpoint dbsync_source dbsync_target
	start=$(now)
	dbsync_resume
	dbsync_wait
	record "drain of updates, $2" dbsync "$(since "$start")" s
	[ "$(selection_fingerprint_here "$1")" = "$(fingerprint dbsync_target bench "$1")" ] ||
		die "dbsync: $1 differs from what was chosen of it"
	tidy bench dbsync_source dbsync_target
}

run_selection()
{
	local table

	pair_up dbsync "fsync = off" "synchronous_commit = off"
	for table in source target; do
		fresh_database "dbsync_$table" bench
		quietly "dbsync_$table" bench <<<"CREATE TABLE plain (id bigint PRIMARY KEY, a int, b text, c timestamptz, d numeric);
			CREATE TABLE filtered (LIKE plain, PRIMARY KEY (id));"
	done
	quietly dbsync_source bench <<<"CREATE TABLE columns (LIKE plain, PRIMARY KEY (id));
		INSERT INTO plain $(row_source narrow "$bench_rows"); INSERT INTO columns TABLE plain; INSERT INTO filtered TABLE plain;"
	quietly dbsync_target bench <<<"CREATE TABLE columns (id bigint PRIMARY KEY, number int, words text, d numeric);"
	dbsync_subscribe copy plain
	quietly dbsync_source bench <<<"SELECT dbsync.add_table(name, 'columns', columns => $selection_columns),
		dbsync.add_table(name, 'filtered', columns => $selection_computed, filter => 'id % 10 <> 0') FROM dbsync.subscription;"
	dbsync_wait_live dbsync_source bench
	for ((round = 1; round <= bench_rounds; round++)); do
		# shellcheck disable=SC2046
		for table in $(in_turn plain columns filtered); do
			case $table in
				plain) selection_drain plain "everything" ;;
				columns) selection_drain columns "columns chosen" ;;
				filtered) selection_drain filtered "filter and expression" ;;
			esac
		done
	done
	dbsync_unsubscribe
	pair_down dbsync
}

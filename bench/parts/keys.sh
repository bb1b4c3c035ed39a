# keys: what it saves to capture keys alone.
#
# Work: UPDATE of all of BENCH_ROWS rows of about 1 kB, of which the subscription gets the keys, or whole rows;
# subscription stopped.  Timed: the statement, as psql times it.  Measured beside it: the bytes
# that it captured, as its header says; and the backlog's way to the target, from the start of the subscription
# until all is there, in which keys are looked up again.  Source and target are two servers with
# fsync off; each round has fresh databases for each way to capture.

# Usage: keys_turn CAPTURE
keys_turn()
{
	local capture=$1
	local what="whole rows"
	local side
	local start

	[ "$capture" = trigger ] || what=$capture
	for side in source target; do
		fresh_database "dbsync_$side" bench
		wide_table "dbsync_$side" bench
		quietly "dbsync_$side" bench <<<"CREATE TABLE other (id int PRIMARY KEY);"
	done
	# it needs one to begin with
	dbsync_subscribe nocopy other
	quietly dbsync_source bench <<<"SELECT dbsync.add_table('s', 't', capture => '$capture');"
	dbsync_wait_live dbsync_source bench
	fill_table dbsync_source bench wide "$bench_rows"
	dbsync_mark
	dbsync_wait
	dbsync_pause
	tidy bench dbsync_source dbsync_target
	record "update, $what" dbsync "$(timed_sql dbsync_source bench "UPDATE t SET a = a + 1, c = now()")" s
	record "captured bytes, $what" dbsync \
		"$(value dbsync_source bench "SELECT max(bytes) FROM dbsync_internal.header_1 WHERE rows = $bench_rows")" bytes
	dbsync_mark
	checkpoint dbsync_source dbsync_target
	start=$(now)
	dbsync_resume
	dbsync_wait
	record "drain, $what" dbsync "$(since "$start")" s
	must_agree dbsync bench t
	dbsync_unsubscribe
}

run_keys()
{
	local capture

	pair_up dbsync "fsync = off" "synchronous_commit = off"
	for ((round = 1; round <= bench_rounds; round++)); do
		# shellcheck disable=SC2046
		for capture in $(in_turn trigger keys); do
			keys_turn "$capture"
		done
	done
	pair_down dbsync
}

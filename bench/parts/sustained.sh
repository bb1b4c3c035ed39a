# sustained: does the target keep up with a load that does not stop?
#
# Work: pgbench's TPC-B-like transaction at scale 20, 4 clients, at full speed for
# three times BENCH_SECONDS, with the subscription running to a second server on
# the same machine; and in the same round the same, as long, on a server with no
# subscription: a new table is slower for as long as its pages are full.  fsync and
# synchronous_commit off.  Measured: transactions per second; how far behind the
# target is (rows, bytes, seconds; dbsync.status, and pg_stat_replication for native
# replication, which knows no rows) each twelfth of the run; and how long the target
# needs after the end.
# On a machine with few cores the load, the worker and the target share them, so
# some of the loss is the price of applying at the same place.

systems_of_sustained="uncaptured dbsync native"

# Usage: sustained_watch SYSTEM PID STEP.  Follows the lag while the load runs.
sustained_watch()
{
	local system=$1
	local step=$3
	local start=$SECONDS
	local at=0
	local lag

	while kill -0 "$2" 2>/dev/null; do
		sleep 0.2
		[ $((SECONDS - start)) -ge $((at + step)) ] || continue
		at=$((at + step))
		kill -0 "$2" 2>/dev/null || break
		read -r -a lag <<<"$("${system}_lag")"
		[ "${lag[0]}" = - ] || record "lag rows at $at s" "$system" "${lag[0]}" rows
		record "lag bytes at $at s" "$system" "${lag[1]}" bytes
		record "lag seconds at $at s" "$system" "${lag[2]}" s
	done
}

sustained_turn()
{
	local system=$1
	local source=${system}_source
	local seconds=$((bench_seconds * 3))
	local load
	local start

	fresh_database "$source" bench
	pgbench_tables "$source" bench "$bench_scale"
	if [ "$system" = uncaptured ]; then
		tidy bench "$source"
		run_pgbench "$source" bench -M prepared -c 4 -j "$(threads 4)" -T "$seconds"
		record tps "$system" "$(pgbench_tps)" tps
		return
	fi
	fresh_database "${system}_target" bench
	copy_definitions "$source" bench "${system}_target" bench
	# shellcheck disable=SC2086
	"${system}_subscribe" copy $pgbench_table_names
	tidy bench "$source" "${system}_target"
	# a process group of its own, for stop_jobs
	set -m
	run_pgbench "$source" bench -M prepared -c 4 -j "$(threads 4)" -T "$seconds" &
	load=$!
	set +m
	sustained_watch "$system" "$load" $(((seconds + 11) / 12))
	wait "$load" || die "the load failed"
	start=$(now)
	"${system}_mark"
	"${system}_wait"
	record "drained after" "$system" "$(since "$start")" s
	record tps "$system" "$(pgbench_tps)" tps
	# shellcheck disable=SC2086
	must_agree "$system" bench $pgbench_table_names
	"${system}_unsubscribe"
}

run_sustained()
{
	local system

	server_up uncaptured_source "fsync = off" "synchronous_commit = off"
	for system in dbsync native; do
		pair_up "$system" "fsync = off" "synchronous_commit = off"
	done
	for ((round = 1; round <= bench_rounds; round++)); do
		# shellcheck disable=SC2046,SC2086
		for system in $(in_turn $systems_of_sustained); do
			sustained_turn "$system"
		done
	done
	server_down uncaptured_source
	pair_down dbsync
	pair_down native
}

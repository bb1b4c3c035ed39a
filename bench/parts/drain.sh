# drain: how fast a backlog reaches the target.
#
# Work: BENCH_ROWS narrow rows inserted, then updated, then deleted, each in one
# transaction, and a fifth as many one-row UPDATE transactions with random keys
# (pgbench, 4 clients), while the subscription is stopped.  Timed: from starting
# the subscription until the target has it all: dbsync.wait_for() for dbsync, the
# replayed position for the others (looked at every 10 ms).  Each system has a
# source and a target server of its own; all have fsync off.  VACUUM and
# CHECKPOINT before each backlog, CHECKPOINT before the clock starts.  After each
# run both tables are compared; a difference ends the benchmark.
# Also: CPU time of the two servers during the drain.

systems_of_drain="dbsync native pglogical"

# Usage: drain_backlog SYSTEM WORK
drain_backlog()
{
	local source=$1_source

	case $2 in
		inserts) fill_table "$source" bench narrow "$bench_rows" ;;
		updates) quietly "$source" bench <<<"UPDATE t SET a = a + 1, c = now();" ;;
		"one-row updates")
			run_pgbench "$source" bench -M prepared -c 4 -j "$(threads 4)" -t $((bench_rows / 20)) -f "$(one_row_updates "$bench_rows")"
			;;
		deletes) quietly "$source" bench <<<"DELETE FROM t;" ;;
	esac
}

# Usage: drain_work SYSTEM WORK
drain_work()
{
	local system=$1
	local start
	local before

	"${system}_pause"
	tidy bench "${system}_source" "${system}_target"
	drain_backlog "$system" "$2"
	"${system}_mark"
	checkpoint "${system}_source" "${system}_target"
	before=$(cpu_seconds "${system}_source" "${system}_target")
	start=$(now)
	"${system}_resume"
	"${system}_wait"
	record "$2" "$system" "$(since "$start")" s
	record "cpu of $2" "$system" \
		"$(calc "$(cpu_seconds "${system}_source" "${system}_target") - $before")" s
	must_agree "$system" bench t
}

drain_turn()
{
	local system=$1
	local side
	local work_name

	for side in source target; do
		narrow_table "${system}_$side" bench
	done
	"${system}_subscribe" nocopy t
	for work_name in inserts updates "one-row updates" deletes; do
		drain_work "$system" "$work_name"
	done
	"${system}_unsubscribe"
	# not the database: pglogical's supervisor does not answer the signal that DROP
	# DATABASE waits for, and it would wait for ever
	for side in source target; do
		quietly "${system}_$side" bench <<<"DROP TABLE t;"
	done
}

run_drain()
{
	local system
	local side
	local systems

	# shellcheck disable=SC2086
	systems=$(available $systems_of_drain)
	for system in $systems; do
		pair_up "$system" "fsync = off" "synchronous_commit = off"
		for side in source target; do
			fresh_database "${system}_$side" bench
		done
	done
	for ((round = 1; round <= bench_rounds; round++)); do
		# shellcheck disable=SC2046,SC2086
		for system in $(in_turn $systems); do
			drain_turn "$system"
		done
	done
	for system in $systems; do
		pair_down "$system"
	done
}

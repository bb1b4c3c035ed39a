# capture_oltp: what capturing costs short transactions.
#
# Work: pgbench's TPC-B-like transaction (three UPDATEs, a SELECT, an INSERT) at
# scale 20 with prepared statements, 1 and 4 clients, all four tables captured;
# pgbench_history has a key for all systems.  Measured: transactions per second;
# and with one client the server's CPU time per transaction (all its processes),
# which other work on the machine disturbs less.  One server, a database for each
# system, turns of half BENCH_SECONDS each.  One client and its backend are held on
# one core (see on_cores).
# Two settings: fsync and synchronous_commit off; and both on, where the disk is most
# of it, with only the cheapest of the peers.

systems_of_capture_oltp="uncaptured dbsync slony pgq plpgsql"
systems_with_sync="uncaptured dbsync slony"

# Usage: capture_oltp_turn SYSTEM CLIENTS SETTING SECONDS
capture_oltp_turn()
{
	local system=$1
	local clients=$2
	local setting=$3
	local before
	local after
	local place=
	local who="$clients clients"

	tidy "bench_$system" oltp
	before=$(cpu_seconds oltp)
	if [ "$clients" = 1 ]; then
		place="on_cores 0 oltp"
		who="1 client"
	fi
	# shellcheck disable=SC2086
	$place run_pgbench oltp "bench_$system" -M prepared -c "$clients" -j "$(threads "$clients")" -T "$4"
	after=$(cpu_seconds oltp)
	record "tps, $who, $setting" "$system" "$(pgbench_tps)" tps
	if [ "$clients" = 1 ]; then
		record "cpu, $who, $setting" "$system" \
			"$(calc "($after - $before) * 1e6 / $(pgbench_transactions)")" "us/tx"
	fi
}

run_capture_oltp()
{
	local seconds=$(((bench_seconds + 1) / 2))
	local systems
	local system
	local clients
	local sync

	# shellcheck disable=SC2086
	systems=$(available $systems_of_capture_oltp)
	server_up oltp "fsync = off" "synchronous_commit = off"
	set_server oltp "shared_buffers = '$bench_oltp_buffers'"
	server_stop oltp
	server_start oltp
	for system in $systems; do
		say "preparing $system"
		fresh_database oltp "bench_$system"
		pgbench_tables oltp "bench_$system" "$bench_scale"
		# shellcheck disable=SC2086
		"${system}_capture" oltp "bench_$system" $pgbench_table_names
	done
	for ((round = 1; round <= bench_rounds; round++)); do
		# shellcheck disable=SC2086
		systems=$(available $systems_of_capture_oltp)
		for sync in off on; do
			set_server oltp "fsync = $sync" "synchronous_commit = $sync"
			# shellcheck disable=SC2086
			[ "$sync" = off ] || systems=$(available $systems_with_sync)
			for clients in 1 4; do
				# shellcheck disable=SC2046,SC2086
				for system in $(in_turn $systems); do
					capture_oltp_turn "$system" "$clients" "sync $sync" "$seconds"
				done
			done
		done
	done
	server_down oltp
}

# capture_oltp: what capturing costs short transactions.
#
# Work: pgbench's TPC-B-like transaction (three UPDATEs, a SELECT, an INSERT) at
# scale 20 with prepared statements, 1 and 4 clients, all four tables captured;
# pgbench_history has a key for all systems.  Measured: transactions per second;
# and with one client the server's CPU time per transaction (all its processes),
# which other work on the machine disturbs less.  One server, a database for each
# system; half of BENCH_SECONDS each, in five slices (see take_turns).
# Two settings: fsync and synchronous_commit off; and both on, where the disk is most
# of it, with only the cheapest of the peers.

systems_of_capture_oltp="uncaptured dbsync slony pgq plpgsql"
systems_with_sync="uncaptured dbsync slony"

run_capture_oltp()
{
	local seconds=$(((bench_seconds + 1) / 2))
	local systems
	local system
	local clients
	local sync

	# shellcheck disable=SC2086
	systems=$(available $systems_of_capture_oltp)
	server_up oltp "fsync = off" "synchronous_commit = off" "shared_buffers = $bench_oltp_buffers"
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
			for clients in "1 client" "4 clients"; do
				take_turns oltp "${clients% *}" "$seconds" "$systems"
				for system in $systems; do
					record "tps, $clients, sync $sync" "$system" "${tps_of[$system]}" tps
					[ "$clients" != "1 client" ] ||
						record "cpu, $clients, sync $sync" "$system" "${cpu_of[$system]}" "us/tx"
				done
			done
		done
	done
	server_down oltp
}

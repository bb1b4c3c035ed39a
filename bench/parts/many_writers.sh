# many_writers: does capture hold writers up when there are many?
#
# Work: transactions that update one row with a random key of a table of a tenth
# of BENCH_ROWS rows, prepared, with 4, 32 and 64 clients; synchronous_commit and
# fsync off.  Measured: transactions per second, uncaptured and captured by dbsync
# with nobody consuming.  One server, a database each; twice BENCH_SECONDS each, in
# five slices (see take_turns): 64 sessions that have just begun spend much of a
# second on their first statements.

run_many_writers()
{
	local seconds=$((bench_seconds * 2))
	local rows=$((bench_rows / 10))
	local system
	local clients
	local file

	server_up writers "fsync = off" "synchronous_commit = off"
	file=$(one_row_updates "$rows")
	for system in uncaptured dbsync; do
		fresh_database writers "bench_$system"
		narrow_table writers "bench_$system"
		fill_table writers "bench_$system" narrow "$rows"
		"${system}_capture" writers "bench_$system" t
	done
	for ((round = 1; round <= bench_rounds; round++)); do
		for clients in 4 32 64; do
			take_turns writers "$clients" "$seconds" "uncaptured dbsync" -f "$file"
			for system in uncaptured dbsync; do
				record "$clients clients" "$system" "${tps_of[$system]}" tps
			done
		done
	done
	server_down writers
}

# capture_bulk: what capturing costs statements that write many rows.
#
# Work: a table of BENCH_ROWS narrow rows (five columns, about 70 bytes), and one
# of a fifth as many rows of about 1 kB: INSERT ... SELECT into the empty table,
# UPDATE of all rows, INSERT ... ON CONFLICT DO UPDATE of all rows, DELETE of all.
# Timed: each statement, as psql times it.  One server; in each round each system
# has a fresh database with a table of its own and what it captures into; VACUUM
# and CHECKPOINT between the statements.  Nothing consumes what is captured.
# fsync is off: this is about work, not about the disk.  The wide rows go without the
# slower peers, which would take most of the time; BENCH_SLOW_ROUNDS can spare rounds
# of theirs with the narrow ones, too.

systems_of_capture_bulk="uncaptured dbsync slony pgq plpgsql"
systems_of_capture_fewer="uncaptured dbsync slony"

capture_bulk_statement()
{
	local shape=$1
	local rows=$2

	case $3 in
		insert) echo "INSERT INTO t $(row_source "$shape" "$rows")" ;;
		update) echo "UPDATE t SET a = a + 1, c = now()" ;;
		upsert) echo "INSERT INTO t $(row_source "$shape" "$rows")
			ON CONFLICT (id) DO UPDATE SET a = t.a + 1, c = excluded.c" ;;
		delete) echo "DELETE FROM t" ;;
	esac
}

# A trigger that does not write would be fast.
check_captured()
{
	local system=$1
	local want=$2
	local got

	case $system in
		uncaptured) return 0 ;;
		dbsync) got=$(value capture bench "SELECT count(*) FROM dbsync.changes('t')") ;;
		*) got=$("${system}_captured" capture bench) ;;
	esac
	[ "$got" = "$want" ] || die "$system captured $got of $want rows"
}

capture_bulk_turn()
{
	local system=$1
	local shape=$2
	local rows=$3
	local work_name

	fresh_database capture bench
	"${shape}_table" capture bench
	"${system}_capture" capture bench t
	for work_name in insert update upsert delete; do
		tidy bench capture
		record "$shape $work_name" "$system" \
			"$(timed_sql capture bench "$(capture_bulk_statement "$shape" "$rows" "$work_name")")" s
		if [ "$work_name" = insert ] && [ "$round" = 1 ]; then
			check_captured "$system" "$rows"
		fi
	done
	drop_database capture bench
}

run_capture_bulk()
{
	local shape
	local rows
	local systems
	local system

	server_up capture "fsync = off"
	for ((round = 1; round <= bench_rounds; round++)); do
		for shape in narrow wide; do
			rows=$bench_rows
			systems=$systems_of_capture_bulk
			if [ "$shape" = wide ]; then
				rows=$((bench_rows / 5))
			fi
			if [ "$shape" = wide ] || [ "$round" -gt "${BENCH_SLOW_ROUNDS:-$bench_rounds}" ]; then
				systems=$systems_of_capture_fewer
			fi
			# shellcheck disable=SC2046,SC2086
			for system in $(in_turn $(available $systems)); do
				capture_bulk_turn "$system" "$shape" "$rows"
			done
		done
	done
	server_down capture
}

# first_copy: how fast an existing table reaches the target.
#
# Work: a narrow table of BENCH_COPY_ROWS rows.  Timed until the target has all of
# it and its primary key: COPY TO STDOUT piped into COPY FROM STDIN, as text and as
# binary (what bare PostgreSQL can do); dbsync from start_subscription() until
# wait_for() returns; native replication from CREATE SUBSCRIPTION until the
# table's state is 'r'; pgcopydb clone with one table job and one index job.
# All but pgcopydb fill an existing table with its primary key; pgcopydb clone
# makes the table itself and builds the primary key after the rows, which is less
# work than keeping it up, and the way it is meant to be used.
# One connection each, as is dbsync's default; dbsync also with two.  One source and
# one target server for all; fsync off.

# The source and the target have the names of a pair, which dbsync's and native
# replication's functions expect; both names are the same two servers.
first_copy_servers()
{
	local system
	local side

	for side in source target; do
		server_up "dbsync_$side" "shared_preload_libraries = 'dbsync'" "fsync = off" "synchronous_commit = off"
	done
	for system in native bare; do
		for side in source target; do
			port[${system}_$side]=${port[dbsync_$side]}
		done
	done
}

bare_pipe()
{
	sql bare_source bench -c "COPY t TO STDOUT (FORMAT $1)" |
		sql bare_target bench -c "COPY t FROM STDIN (FORMAT $1)"
}

# Usage: first_copy_by SYSTEM.  What is timed.
first_copy_by()
{
	case $1 in
		"bare text") bare_pipe text ;;
		"bare binary") bare_pipe binary ;;
		dbsync*)
			dbsync_resume
			dbsync_wait
			;;
		native) native_subscribe copy t ;;
		pgcopydb) pgcopydb_clone dbsync_source dbsync_target bench ;;
	esac
}

# Usage: first_copy_turn SYSTEM
first_copy_turn()
{
	local system=$1
	local start

	fresh_database dbsync_target bench
	case $system in
		pgcopydb) ;;
		*) narrow_table dbsync_target bench ;;
	esac
	case $system in
		dbsync*)
			quietly dbsync_source bench <<-SQL
				CREATE EXTENSION dbsync;
				SELECT dbsync.create_target('target', '$(uri dbsync_target bench)');
				SELECT dbsync.create_subscription('s', 'target', tables => ARRAY['public.t']);
			SQL
			;;
	esac
	case $system in
		dbsync) set_server dbsync_source "dbsync.copy_connections = 1" ;;
		"dbsync, 2 connections") set_server dbsync_source "dbsync.copy_connections = 2" ;;
	esac
	checkpoint dbsync_source dbsync_target
	start=$(now)
	first_copy_by "$system"
	record "1 connection" "$system" "$(since "$start")" s
	must_agree bare bench t
	case $system in
		dbsync*)
			dbsync_unsubscribe
			quietly dbsync_source bench <<<"SELECT dbsync.uninstall(); DROP EXTENSION dbsync;"
			;;
		native) native_unsubscribe ;;
	esac
}

run_first_copy()
{
	local systems=("bare text" "bare binary" dbsync "dbsync, 2 connections" native)
	local i

	first_copy_servers
	fresh_database dbsync_source bench
	narrow_table dbsync_source bench
	fill_table dbsync_source bench narrow "$bench_copy_rows"
	tidy bench dbsync_source
	if pgcopydb_available; then
		systems+=(pgcopydb)
	fi
	for ((round = 1; round <= bench_copy_rounds; round++)); do
		for ((i = 0; i < ${#systems[@]}; i++)); do
			first_copy_turn "${systems[$(((i + round - 1) % ${#systems[@]}))]}"
		done
	done
	server_down dbsync_source
	server_down dbsync_target
}

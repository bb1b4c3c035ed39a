# tables: what it costs that tables change while they are captured.
#
# Work: (1) ALTER TABLE … ADD COLUMN with a constant default, 50 times, of an empty table and
# so many columns; uncaptured, and captured by dbsync with nobody consuming: ms each.
# (2) CREATE TABLE and DROP TABLE of a table that nobody captures, by one pgbench client, in a
# database with 1000 captured tables; with the event triggers of dbsync and, in turns, without
# them.  (3) BENCH_ROWS narrow rows inserted while the subscription is stopped, with a column
# added and dropped again 50 times between them, so that they are of 101 shapes; against as many
# inserts, each of as many rows, of one shape.  ddl => 'apply'; timed as in drain.  All servers
# have fsync off.

tables_alters=50

# Usage: tables_add SYSTEM
tables_add()
{
	local i

	for ((i = 1; i <= tables_alters; i++)); do
		echo "ALTER TABLE t ADD COLUMN added_${round}_$i int DEFAULT $i;"
	done >"$work/alters.sql"
	quietly tables "bench_$1" <<<"CHECKPOINT;"
	local start
	start=$(now)
	quietly tables "bench_$1" <"$work/alters.sql"
	record "ADD COLUMN" "$1" "$(calc "$(since "$start") / $tables_alters * 1000")" ms
}

# Usage: tables_ddl SYSTEM.  dbsync: as it is; without: its event triggers are off.
tables_ddl()
{
	local switch="ENABLE ALWAYS"
	local file

	[ "$1" = dbsync ] || switch=DISABLE
	quietly tables bench_many <<-SQL
		SELECT format('ALTER EVENT TRIGGER %I $switch', evtname) FROM pg_event_trigger
		WHERE evtname LIKE 'dbsync%' \gexec
	SQL
	file=$(
		script create_drop <<-SQL
			CREATE TABLE nobodys (id int);
			DROP TABLE nobodys;
		SQL
	)
	run_pgbench tables bench_many -n -c 1 -T "$bench_seconds" -f "$file"
	record "CREATE and DROP" "$1" "$(calc "1000 / $(pgbench_tps)")" ms
}

# Usage: tables_backlog SHAPES
tables_backlog()
{
	local pieces=$((tables_alters * 2 + 1))
	local rows=$((bench_rows / pieces))
	local i

	for ((i = 0; i < pieces; i++)); do
		if [ "$1" -gt 1 ] && [ "$i" -gt 0 ]; then
			[ $((i % 2)) -eq 1 ] && echo "ALTER TABLE t ADD COLUMN more int DEFAULT $i;" ||
				echo "ALTER TABLE t DROP COLUMN more;"
		fi
		echo "INSERT INTO t (id, a, b, c, d) SELECT $i * $rows + id, a, b, c, d
			FROM ($(row_source narrow "$rows")) r (id, a, b, c, d);"
	done | quietly dbsync_source bench
}

# Usage: tables_drain SHAPES NAME
tables_drain()
{
	local start

	dbsync_pause
	quietly dbsync_source bench <<<"DELETE FROM t WHERE false; TRUNCATE t;"
	dbsync_resume
	dbsync_mark
	dbsync_wait
	dbsync_pause
	tidy bench dbsync_source dbsync_target
	tables_backlog "$1"
	dbsync_mark
	checkpoint dbsync_source dbsync_target
	start=$(now)
	dbsync_resume
	dbsync_wait
	record "drain of $2" dbsync "$(since "$start")" s
	must_agree dbsync bench t
}

run_tables()
{
	local many=1000
	local system
	local side

	[ -z "$bench_quick" ] || many=50
	server_up tables "fsync = off" "synchronous_commit = off" "max_locks_per_transaction = 1000"
	for system in uncaptured dbsync; do
		fresh_database tables "bench_$system"
		narrow_table tables "bench_$system"
		"${system}_capture" tables "bench_$system" t
	done
	fresh_database tables bench_many
	quietly tables bench_many <<-SQL
		SELECT format('CREATE TABLE t%s (id int PRIMARY KEY, a int)', i) FROM generate_series(1, $many) i \gexec
	SQL
	# shellcheck disable=SC2046
	dbsync_capture tables bench_many $(seq -f 't%g' 1 "$many")
	for ((round = 1; round <= bench_rounds; round++)); do
		# shellcheck disable=SC2046
		for system in $(in_turn uncaptured dbsync); do
			tables_add "$system"
		done
		for system in $(in_turn dbsync without); do
			tables_ddl "$system"
		done
	done
	server_down tables

	pair_up dbsync "fsync = off" "synchronous_commit = off"
	for side in source target; do
		fresh_database "dbsync_$side" bench
		narrow_table "dbsync_$side" bench
	done
	dbsync_subscribe nocopy t
	quietly dbsync_source bench <<<"SELECT dbsync.alter_subscription(name, ddl => 'apply') FROM dbsync.subscription;"
	for ((round = 1; round <= bench_rounds; round++)); do
		# shellcheck disable=SC2046
		for side in $(in_turn one many); do
			[ "$side" = one ] && tables_drain 1 "one shape" || tables_drain 101 "101 shapes"
		done
	done
	dbsync_unsubscribe
	pair_down dbsync
}

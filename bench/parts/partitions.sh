# partitions: what capture costs partitioned tables, and how fast what was captured arrives.
#
# Work: (1) BENCH_ROWS narrow rows through the root of a table with 10 partitions by list:
# INSERT ... SELECT, UPDATE of all rows, UPDATE that moves all rows to the next partition, DELETE of
# all; COPY through the root, and of a tenth of the rows into one partition; uncaptured, and
# captured by dbsync with nobody consuming.  (2) One-row INSERTs through the root of 1000
# partitions, prepared, 4 clients.  (3) ATTACH of a partition of BENCH_ROWS rows, which has the
# root's key, against COPY of these rows into an uncaptured table; DETACH and DROP of it, captured and
# not.  (4) Drain of BENCH_ROWS inserts and as many updates that came through a root of 10
# partitions, against those of a plain table; the target's table is plain.  All servers have
# fsync off.

# Usage: parts_table SERVER DATABASE PARTITIONS
parts_table()
{
	quietly "$1" "$2" <<-SQL
		CREATE TABLE t (id bigint, a int, b text, c timestamptz, d numeric, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
		SELECT format('CREATE TABLE t%s PARTITION OF t FOR VALUES IN (%s)', i, i) FROM generate_series(0, $3 - 1) i \gexec
	SQL
}

parts_rows()
{
	echo "SELECT r.*, (id % 10)::int FROM ($(row_source narrow "$1")) r (id, a, b, c, d)"
}

# Usage: parts_bulk SYSTEM
parts_bulk()
{
	local system=$1
	local work_name
	local statement

	fresh_database parts bench
	parts_table parts bench 10
	"${system}_capture" parts bench t
	for work_name in insert update move delete "COPY into the root" "COPY into a leaf"; do
		case $work_name in
			insert) statement="INSERT INTO t $(parts_rows "$bench_rows")" ;;
			update) statement="UPDATE t SET a = a + 1, c = now()" ;;
			move) statement="UPDATE t SET k = (k + 1) % 10" ;;
			delete) statement="DELETE FROM t" ;;
			*root) statement="COPY t FROM '$work/rows'" ;;
			*leaf) statement="COPY t3 FROM '$work/leaf'" ;;
		esac
		tidy bench parts
		record "$work_name" "$system" "$(timed_sql parts bench "$statement")" s
		case $work_name in
			delete | *root) quietly parts bench <<<"TRUNCATE t;" ;;
		esac
	done
	drop_database parts bench
}

# Usage: parts_single SYSTEM
parts_single()
{
	local file

	file=$(
		script one_row_in_parts <<-SQL
			\\set k random(0, $parts_many - 1)
			INSERT INTO t (id, a, b, k) VALUES (nextval('ids'), 1, 'a row', :k);
		SQL
	)
	tidy "bench_$1" parts
	run_pgbench parts "bench_$1" -M prepared -c 4 -j "$(threads 4)" -T "$bench_seconds" -f "$file"
	record "one-row inserts, $parts_many partitions" "$1" "$(pgbench_tps)" tps
}

# Usage: parts_come_and_go SYSTEM
parts_come_and_go()
{
	local system=$1
	local captured

	fresh_database parts bench
	parts_table parts bench 10
	"${system}_capture" parts bench t
	quietly parts bench <<-SQL
		CREATE TABLE bare (id bigint, a int, b text, c timestamptz, d numeric, k int);
		CREATE TABLE more (LIKE t INCLUDING ALL, CHECK (k IS NOT NULL AND k = 77));
		INSERT INTO more SELECT id, a, b, c, d, 77 FROM ($(row_source narrow "$bench_rows")) r (id, a, b, c, d);
	SQL
	tidy bench parts
	record "COPY, bare" "$system" "$(timed_sql parts bench "COPY bare FROM '$work/rows'")" s
	tidy bench parts
	record "ATTACH" "$system" "$(timed_sql parts bench "ALTER TABLE t ATTACH PARTITION more FOR VALUES IN (77)")" s
	record "DETACH" "$system" "$(timed_sql parts bench "ALTER TABLE t DETACH PARTITION more")" s
	quietly parts bench <<<"ALTER TABLE t ATTACH PARTITION more FOR VALUES IN (77);"
	captured=$(parts_captured "$system")
	record "DROP" "$system" "$(timed_sql parts bench "DROP TABLE more")" s
	[ "$(parts_captured "$system")" = "$captured" ] || die "rows were captured as a partition was dropped"
	drop_database parts bench
}

# How many rows are captured so far, whoever has them.
parts_captured()
{
	[ "$1" = dbsync ] || { echo 0; return; }
	value parts bench "SELECT coalesce(sum(h.rows), 0) FROM dbsync_internal.header_1 h"
}

# Usage: parts_drain KIND.  plain or partitioned
parts_drain()
{
	local work_name
	local start

	for work_name in inserts updates; do
		dbsync_pause
		tidy bench dbsync_source dbsync_target
		if [ "$work_name" = inserts ]; then
			quietly dbsync_source bench <<<"INSERT INTO $1 $(parts_rows "$bench_rows");"
		else
			quietly dbsync_source bench <<<"UPDATE $1 SET a = a + 1, c = now();"
		fi
		checkpoint dbsync_source dbsync_target
		start=$(now)
		dbsync_resume
		dbsync_wait
		record "drain of $work_name, $1" dbsync "$(since "$start")" s
		must_agree dbsync bench "$1"
	done
	quietly dbsync_source bench <<<"TRUNCATE $1;"
	dbsync_wait
}

run_partitions()
{
	local system
	local side
	local kind

	parts_many=1000
	[ -z "$bench_quick" ] || parts_many=20
	server_up parts "fsync = off" "synchronous_commit = off" "max_locks_per_transaction = 5000"
	fresh_database parts bench
	parts_table parts bench 10
	quietly parts bench <<-SQL
		COPY ($(parts_rows "$bench_rows")) TO '$work/rows';
		COPY (SELECT id, a, b, c, d, 3 FROM ($(row_source narrow $((bench_rows / 10)))) r (id, a, b, c, d)) TO '$work/leaf';
	SQL
	drop_database parts bench
	for system in uncaptured dbsync; do
		fresh_database parts "bench_$system"
		parts_table parts "bench_$system" "$parts_many"
		quietly parts "bench_$system" <<<"CREATE SEQUENCE ids CACHE 100;"
		"${system}_capture" parts "bench_$system" t
	done
	for ((round = 1; round <= bench_rounds; round++)); do
		# shellcheck disable=SC2046
		for system in $(in_turn uncaptured dbsync); do
			parts_bulk "$system"
			parts_single "$system"
			parts_come_and_go "$system"
		done
	done
	server_down parts

	pair_up dbsync "fsync = off" "synchronous_commit = off"
	fresh_database dbsync_source bench
	fresh_database dbsync_target bench
	parts_table dbsync_source bench 10
	quietly dbsync_source bench <<<"ALTER TABLE t RENAME TO partitioned;"
	quietly dbsync_source bench <<<"CREATE TABLE plain (id bigint, a int, b text, c timestamptz, d numeric, k int, PRIMARY KEY (id, k));"
	for kind in plain partitioned; do
		quietly dbsync_target bench <<<"CREATE TABLE $kind (id bigint, a int, b text, c timestamptz, d numeric, k int, PRIMARY KEY (id, k));"
	done
	dbsync_subscribe nocopy plain partitioned
	for ((round = 1; round <= bench_rounds; round++)); do
		# shellcheck disable=SC2046
		for kind in $(in_turn plain partitioned); do
			parts_drain "$kind"
		done
	done
	dbsync_unsubscribe
	pair_down dbsync
}

# growth: what gets slower, or larger, as something else grows.
#
# Batch time: one row is inserted and committed, then dbsync.wait_for(); the time
# of both together, the median of 1000 ((d): of 300), by pgbench's log; in (a) with all
# processes that take part on one core.
# (a) with 0, a tenth of, and all of BENCH_GROW_ROWS rows that were captured and
#     consumed and lie in segments that are not emptied (dbsync.retention_interval
#     at its longest); and beside an open transaction that is older than a fifth of
#     BENCH_ROWS transactions which others have committed meanwhile (about as many
#     as a quiet server commits in two hours).
# (b) time of draining a hundredth of, a tenth of, and all of BENCH_GROW_ROWS rows,
#     inserted in one transaction while the subscription was stopped.
# (c) the worker's own memory (RssAnon) during (b), the most seen in looks each
#     0.2 s, above what it had when idle.
# (d) 1, 10 and 40 subscriptions on one table (at most 48 run at a time): time for a
#     one-row commit to reach all; transactions per second of 4 clients meanwhile.
# (e) 10, 100 and 1000 tables in one subscription: batch time of a transaction that
#     inserts into one of them, and into ten.
# One pair of servers, fsync and synchronous_commit off; (a) to (c) are repeated in
# each round with fresh databases, (d) and (e) are measured BENCH_ROUNDS times.

# Usage: median_latency SCRIPT TIMES.  Milliseconds per transaction.
median_latency()
{
	rm -f "$work/growth_log".*
	run_pgbench dbsync_source bench -c 1 -t "$2" -l --log-prefix="$work/growth_log" -f "$1"
	cat "$work/growth_log".* | perl -ne '
		push @t, (split)[2] / 1000;
		END { @t = sort { $a <=> $b } @t; printf "%.3f", ($t[$#t / 2] + $t[@t / 2]) / 2; }'
}

# All that take part are held on one core (see on_cores).
batch_time()
{
	on_cores "$(our_cores | sed -n 1p)" \
		"$(postmaster_of dbsync_source) $(worker_pid) $(session_of_worker)" median_latency "$(
		script batch <<-'SQL'
			INSERT INTO t VALUES (nextval('n'), 1, 'one more row', now(), 1.1);
			SELECT dbsync.wait_for('s');
		SQL
	)" 1000
}

growth_databases()
{
	local side

	for side in source target; do
		fresh_database "dbsync_$side" bench
	done
	quietly dbsync_source bench <<<"CREATE EXTENSION dbsync; CREATE SEQUENCE n;"
}

rss_of()
{
	awk '/^RssAnon/ { print $2 }' "/proc/$1/status" 2>/dev/null || true
}

worker_pid()
{
	value dbsync_source bench "SELECT pid FROM dbsync.status WHERE pid IS NOT NULL"
}

# Its session on the target.
session_of_worker()
{
	value dbsync_target bench "SELECT pid FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND application_name LIKE 'dbsync%'"
}

# Of the worker that has just been started, until it is told to end.
watch_memory()
{
	local pid=

	while [ -z "$pid" ]; do
		pid=$(worker_pid)
	done
	while [ -n "$(rss_of "$pid")" ]; do
		rss_of "$pid"
		sleep 0.2
	done
}

# Usage: growth_drain ROWS IDLE_KB
growth_drain()
{
	local rows=$1
	local start
	local watcher
	local seconds

	dbsync_pause
	quietly dbsync_source bench <<<"INSERT INTO t SELECT nextval('n'), (i % 1000)::int,
		'row number ' || lpad(i::text, 9, '0'), now(), i * 1.1 FROM generate_series(1, $rows) i;"
	checkpoint dbsync_source dbsync_target
	start=$(now)
	dbsync_resume
	# a process group of its own, for stop_jobs
	set -m
	watch_memory >"$work/rss" &
	watcher=$!
	set +m
	dbsync_wait
	seconds=$(since "$start")
	kill -TERM -- "-$watcher" 2>/dev/null || true
	wait "$watcher" 2>/dev/null || true
	record "drain of $rows rows" dbsync "$seconds" s
	record "memory while draining $rows rows" dbsync "$(sort -n "$work/rss" | tail -n 1 |
		perl -ne "printf '%.1f', (\$_ - $2) / 1024")" MB
	must_agree dbsync bench t
}

old_transaction_is_open()
{
	[ "$(value dbsync_source bench "SELECT count(*) FROM pg_stat_activity
		WHERE application_name = 'old' AND backend_xid IS NOT NULL")" = 1 ]
}

# An open transaction that has an xid, and many that commit beside it.
growth_beside_old_transaction()
{
	local count=$((bench_rows / 5))
	local old

	# a process group of its own, for stop_jobs
	set -m
	quietly dbsync_source bench <<<"BEGIN; SELECT pg_current_xact_id(), set_config('application_name', 'old', false);
		SELECT pg_sleep(3600);" >/dev/null 2>&1 &
	old=$!
	set +m
	poll 10 old_transaction_is_open || die "the old transaction did not begin"
	run_pgbench dbsync_source bench -M prepared -c 4 -j "$(threads 4)" -t $((count / 4)) -f "$(
		script old_beside <<<"INSERT INTO t VALUES (nextval('n'), 1, 'one more row', now(), 1.1);"
	)"
	dbsync_wait
	record "batch beside a transaction older than $count others" dbsync "$(batch_time)" ms
	quietly dbsync_source bench <<<"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'old';"
	wait "$old" 2>/dev/null || true
}

growth_in_rows()
{
	local idle

	growth_databases
	narrow_table dbsync_source bench
	narrow_table dbsync_target bench
	dbsync_subscribe nocopy t
	batch_time >/dev/null
	record "batch after 0 consumed rows" dbsync "$(batch_time)" ms
	# like the workers that drain: one that has just started
	dbsync_pause
	dbsync_resume
	dbsync_wait
	idle=$(rss_of "$(worker_pid)")
	growth_drain $((bench_grow_rows / 100)) "$idle"
	growth_drain $((bench_grow_rows / 10)) "$idle"
	record "batch after $((bench_grow_rows / 10)) consumed rows" dbsync "$(batch_time)" ms
	growth_drain "$bench_grow_rows" "$idle"
	record "batch after $bench_grow_rows consumed rows" dbsync "$(batch_time)" ms
	growth_beside_old_transaction
	dbsync_unsubscribe
}

# Usage: growth_in_subscriptions COUNT
growth_in_subscriptions()
{
	local count=$1

	growth_databases
	narrow_table dbsync_source bench
	quietly dbsync_target bench <<-SQL
		SELECT format('CREATE TABLE t%s (id bigint PRIMARY KEY, a int, b text, c timestamptz, d numeric)', i)
		FROM generate_series(1, $count) i \gexec
	SQL
	quietly dbsync_source bench <<-SQL
		SELECT dbsync.create_target('target', '$(uri dbsync_target bench)');
		SELECT dbsync.create_subscription('s' || i, 'target') FROM generate_series(1, $count) i;
		SELECT dbsync.add_table('s' || i, 'public.t', target_table => 'public.t' || i, copy_data => false)
		FROM generate_series(1, $count) i;
		SELECT dbsync.start_subscription('s' || i) FROM generate_series(1, $count) i;
	SQL
	dbsync_wait_live dbsync_source bench
	for ((round = 1; round <= bench_rounds; round++)); do
		record "one row to $count subscriptions" dbsync "$(median_latency "$(
			script to_all <<-SQL
				INSERT INTO t VALUES (nextval('n'), 1, 'one more row', now(), 1.1);
				SELECT dbsync.wait_for('s' || i) FROM generate_series(1, $count) i;
			SQL
		)" 300)" ms
		run_pgbench dbsync_source bench -M prepared -c 4 -j "$(threads 4)" -T $(((bench_seconds + 3) / 4)) -f "$(
			script one_row <<<"INSERT INTO t VALUES (nextval('n'), 1, 'one more row', now(), 1.1);"
		)"
		record "tps with $count subscriptions" dbsync "$(pgbench_tps)" tps
		quietly dbsync_source bench <<<"SELECT dbsync.wait_for('s' || i, timeout => '10 min') FROM generate_series(1, $count) i;"
	done
	quietly dbsync_source bench <<<"SELECT dbsync.stop_subscription('s' || i) FROM generate_series(1, $count) i;"
}

# Usage: growth_in_tables COUNT
growth_in_tables()
{
	local count=$1
	local one
	local ten
	local tables

	growth_databases
	idle_tables dbsync_source "$count"
	idle_tables dbsync_target "$count"
	mapfile -t tables < <(seq -f 't%.0f' 1 "$count")
	dbsync_subscribe nocopy "${tables[@]}"
	one=$(
		script one_table <<-SQL
			\\set i random(1, $count)
			INSERT INTO t:i VALUES (nextval('n'), 1, 'one more row');
			SELECT dbsync.wait_for('s');
		SQL
	)
	ten=$(
		{
			echo "BEGIN;"
			for table in "${tables[@]:0:10}"; do
				echo "INSERT INTO $table VALUES (nextval('n'), 1, 'one more row');"
			done
			echo "COMMIT;"
			echo "SELECT dbsync.wait_for('s');"
		} | script ten_tables
	)
	median_latency "$one" $((count * 3)) >/dev/null
	for ((round = 1; round <= bench_rounds; round++)); do
		record "batch in 1 of $count tables" dbsync "$(median_latency "$one" 1000)" ms
		record "batch in 10 of $count tables" dbsync "$(median_latency "$ten" 1000)" ms
	done
	dbsync_unsubscribe
}

run_growth()
{
	local count

	pair_up dbsync "fsync = off" "synchronous_commit = off" "dbsync.retention_interval = '24h'"
	for ((round = 1; round <= bench_rounds; round++)); do
		growth_in_rows
	done
	# each of these goes through the rounds itself
	for count in 1 10 40; do
		growth_in_subscriptions "$count"
	done
	for count in 10 100 $([ -n "$bench_quick" ] || echo 1000); do
		growth_in_tables "$count"
	done
	pair_down dbsync
}

# many_tables: ten thousand tables in one subscription.
#
# Work: BENCH_MANY_TABLES empty tables, and a tenth of them, each from a source of its own to a target
# of its own: create_subscription() of all; start, until all are live; what the worker has of memory
# then, beyond that of one with 10 tables; its CPU time for a change of the configuration
# (alter_subscription(), and add_table() of a table that is taken out again); a hundred one-row commits,
# each waited for (the median, with the worker's wait_for() in it); and CPU time of all of the source's
# processes while nothing happens.  max_locks_per_transaction is 64, the server's default.  A table that
# is not captured is created and dropped beside them.

# Usage: many_pair NUMBER.  Servers, tables, and a target.
many_pair()
{
	local side

	pair_up dbsync "fsync = off" "max_locks_per_transaction = 64"
	for side in source target; do
		fresh_database "dbsync_$side" bench
		idle_tables "dbsync_$side" "$1"
	done
	quietly dbsync_source bench <<-SQL
		CREATE EXTENSION dbsync;
		SELECT dbsync.create_target('target', '$(uri dbsync_target bench)');
	SQL
}

many_worker()
{
	value dbsync_source bench "SELECT pid FROM dbsync.status"
}

# Memory that is the process's own, in kB; pages of shared_buffers are not.
many_memory()
{
	awk '/^RssAnon/ { print $2 }' "/proc/$1/status"
}

# CPU time of a process in ms.
many_cpu()
{
	awk '{ printf "%.3f", $1 / 1e6 }' "/proc/$1/schedstat"
}

# Usage: many_changes WORKER STATEMENT.  CPU time of the worker for each of ten.
many_changes()
{
	local before
	local i

	quietly dbsync_source bench <<<"$2; SELECT dbsync.wait_for('s');"
	before=$(many_cpu "$1")
	for i in 1 2 3 4 5 6 7 8 9 10; do
		quietly dbsync_source bench <<<"$2; SELECT dbsync.wait_for('s');"
	done
	calc "($(many_cpu "$1") - $before) / 10"
}

# Milliseconds of a one-row commit and of the wait until it is at the target: the median.
many_latency()
{
	local i

	# what the worker and sessions need for these tables is there
	for i in $(seq 100); do
		echo "INSERT INTO t$((i % 10 + 1)) VALUES (nextval('many'), 1, 'a row');"
		echo "SELECT dbsync.wait_for('s');"
	done | quietly dbsync_source bench
	{
		echo '\timing on'
		for i in $(seq 100); do
			echo "WITH n AS (INSERT INTO t$((i % 10 + 1)) VALUES (nextval('many'), 1, 'a row')) SELECT 1;"
			echo "SELECT dbsync.wait_for('s');"
		done
	} | sql dbsync_source bench | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' |
		perl -e 'my @t = <STDIN>; my @both; push @both, $t[2 * $_] + $t[2 * $_ + 1] for 0 .. @t / 2 - 1;
			@both = sort { $a <=> $b } @both; printf "%.3f", $both[@both / 2];'
}

# Usage: many_run NUMBER NAME
many_run()
{
	local name=$2
	local start
	local worker
	local cpu
	local seconds=$((bench_seconds > 10 ? 20 : bench_seconds))

	many_pair "$1"
	quietly dbsync_source bench <<<"CREATE SEQUENCE many;"
	start=$(now)
	quietly dbsync_source bench <<-SQL
		SELECT dbsync.create_subscription('s', 'target', tables => ARRAY(
		    SELECT format('public.t%s', i) FROM generate_series(1, $1) i));
	SQL
	record "create, a table" "$name" "$(calc "$(since "$start") * 1000 / $1")" ms
	start=$(now)
	quietly dbsync_source bench <<<"SELECT dbsync.start_subscription('s');"
	dbsync_wait_live dbsync_source bench
	record "until all are live, a table" "$name" "$(calc "$(since "$start") * 1000 / $1")" ms
	quietly dbsync_source bench <<<"SELECT dbsync.wait_for('s', timeout => '10 min');"
	worker=$(many_worker)
	record "memory of the worker" "$name" "$(many_memory "$worker")" kB
	# what has been set off by that is over
	sleep 15
	record "change of the subscription, cpu" "$name" \
		"$(many_changes "$worker" "SELECT dbsync.alter_subscription('s', policy => 'immediate')")" ms
	quietly dbsync_source bench <<<"CREATE TABLE one_more (id int PRIMARY KEY);"
	quietly dbsync_target bench <<<"CREATE TABLE one_more (id int PRIMARY KEY);"
	record "table added and removed, cpu" "$name" \
		"$(many_changes "$worker" "SELECT dbsync.add_table('s', 'one_more'); SELECT dbsync.wait_for('s'); SELECT dbsync.remove_table('s', 'one_more')")" ms
	record "one-row commit and wait, p50" "$name" "$(many_latency)" ms
	record "CREATE and DROP of another table" "$name" \
		"$(calc "1000 * $(timed_many "CREATE TABLE other (i int); DROP TABLE other")")" ms
	sleep 15
	cpu=$(cpu_seconds dbsync_source)
	sleep "$seconds"
	record "idle cpu" "$name" "$(calc "($(cpu_seconds dbsync_source) - $cpu) / $seconds * 100")" "% of a core"
	start=$(now)
	as_server "$bindir/pg_ctl" -D "$work/dbsync_source" -m fast -w -t 120 restart >/dev/null 2>&1
	poll 120 many_runs || die "the worker does not come back"
	record "restart until it runs" "$name" "$(since "$start")" s
	worker=$(many_worker)
	record "memory of the worker, restarted" "$name" "$(many_memory "$worker")" kB
	pair_down dbsync
}

many_runs()
{
	[ "$(value dbsync_source bench "SELECT dbsync.wait_for('s', timeout => '1 s') AND count(*) = 1 FROM dbsync.status WHERE state = 'running'" 2>/dev/null)" = t ]
}

# Usage: timed_many STATEMENTS.  Seconds of a hundred times all of them, by one session, for one time.
timed_many()
{
	local start
	local i

	start=$(now)
	for i in $(seq 100); do
		echo "$1;"
	done | quietly dbsync_source bench
	calc "$(since "$start") / 100"
}

run_many_tables()
{
	for ((round = 1; round <= bench_many_rounds; round++)); do
		many_run 10 "10 tables"
		many_run $((bench_many_tables / 10)) "a tenth"
		many_run "$bench_many_tables" "all tables"
	done
}

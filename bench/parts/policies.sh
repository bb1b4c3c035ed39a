# policies: what it costs, and saves, that changes do not travel at once.
#
# Work: three things, in servers of their own, fsync and synchronous_commit off.
#
#  idle	ten subscriptions with a policy each of "rows 100000 or age 1 h", then ten of "cron 0 3 1 1 *",
#	one table each, live, and nobody writes for three times BENCH_SECONDS.  Measured: CPU time of a
#	worker (schedstat, the mean of the ten), in percent of a core; bytes of WAL.
#
#  writers	transactions that update one row with a random key, 8 clients, prepared, in two databases of
#	one server in turn: with one immediate subscription of the table, and with ten of "rows 100000",
#	the table in one of them.  Twice BENCH_SECONDS each, in five slices (see take_turns).  Measured:
#	transactions per second.
#
#  pgbench	TPC-B-like at BENCH_SCALE, 4 clients, at full speed for twice BENCH_SECONDS, as sustained
#	does it, with policy immediate and with "interval 1 s", in turn.  Measured: transactions per second,
#	and the greatest lag that dbsync.status showed, asked about four times a second.

# Usage: policies_subscribe DATABASE POLICY NUMBER TABLE.  The first subscription has the table, the
# others one of their own that nobody writes to.
policies_subscribe()
{
	quietly dbsync_source "$1" <<-SQL
		SELECT format('CREATE TABLE spare%s (id int PRIMARY KEY)', i) FROM generate_series(2, $3) i \gexec
	SQL
	fresh_database dbsync_target "$1"
	copy_definitions dbsync_source "$1" dbsync_target "$1"
	quietly dbsync_source "$1" <<-SQL
		CREATE EXTENSION dbsync;
		SELECT dbsync.create_target('target', '$(uri dbsync_target "$1")');
		SELECT dbsync.create_subscription('s' || i, 'target', policy => '$2',
		    tables => ARRAY[CASE i WHEN 1 THEN '$4' ELSE 'public.spare' || i END]) FROM generate_series(1, $3) i;
		SELECT dbsync.start_subscription('s' || i) FROM generate_series(1, $3) i;
	SQL
	quietly dbsync_source "$1" <<<"SELECT dbsync.wait_for('s' || i, timeout => '10 min') FROM generate_series(1, $3) i;"
}

policies_unsubscribe()
{
	quietly dbsync_source "$1" <<-SQL
		SELECT dbsync.stop_subscription(subscription) FROM dbsync.status;
		SELECT dbsync.drop_subscription(subscription) FROM dbsync.status;
	SQL
}

# Usage: policies_cpu PID ...  CPU time of all of them, in ms.
policies_cpu()
{
	local pid
	local sum=0

	for pid in "$@"; do
		sum=$(calc "$sum + $(many_cpu "$pid")")
	done
	echo "$sum"
}

# Usage: policies_idle NAME POLICY
policies_idle()
{
	local seconds=$((bench_seconds * 3))
	local workers
	local cpu
	local wal

	fresh_database dbsync_source bench
	narrow_table dbsync_source bench
	policies_subscribe bench "$2" 10 public.t
	# asked now: whoever reads catalogs behind a checkpoint may write to the WAL
	workers=$(value dbsync_source bench "SELECT string_agg(pid::text, ' ') FROM dbsync.status")
	checkpoint dbsync_source
	# see idle_watch; and the first looks at segments are over
	sleep 20
	wal=$(wal_position dbsync_source)
	# shellcheck disable=SC2086
	cpu=$(policies_cpu $workers)
	sleep "$seconds"
	# shellcheck disable=SC2086
	record "idle worker" "$1" "$(calc "($(policies_cpu $workers) - $cpu) / 10 / ($seconds * 1000) * 100")" "% of a core"
	record "idle WAL" "$1" "$(($(wal_position dbsync_source) - wal))" bytes
	policies_unsubscribe bench
}

policies_writers()
{
	local rows=$((bench_rows / 10))
	local file
	local system

	file=$(one_row_updates "$rows")
	for system in immediate thresholds; do
		fresh_database dbsync_source "bench_$system"
		narrow_table dbsync_source "bench_$system"
		fill_table dbsync_source "bench_$system" narrow "$rows"
	done
	policies_subscribe bench_immediate immediate 1 public.t
	policies_subscribe bench_thresholds "rows 100000" 10 public.t
	for ((round = 1; round <= bench_rounds; round++)); do
		take_turns dbsync_source 8 $((bench_seconds * 2)) "immediate thresholds" -f "$file"
		for system in immediate thresholds; do
			record "8 writers" "$system" "${tps_of[$system]}" tps
		done
	done
	policies_unsubscribe bench_immediate
	policies_unsubscribe bench_thresholds
}

# Usage: policies_watch PID.  The greatest lag while the load runs, in seconds.
policies_watch()
{
	local greatest=0
	local lag

	while kill -0 "$1" 2>/dev/null; do
		sleep 0.25
		lag=$(value dbsync_source bench "SELECT round(coalesce(max(lag_seconds), 0)::numeric, 3) FROM dbsync.status")
		greatest=$(calc "$lag > $greatest ? $lag : $greatest")
	done
	echo "$greatest"
}

# Usage: policies_pgbench NAME POLICY
policies_pgbench()
{
	local load
	local lag

	fresh_database dbsync_source bench
	pgbench_tables dbsync_source bench "$bench_scale"
	fresh_database dbsync_target bench
	copy_definitions dbsync_source bench dbsync_target bench
	# shellcheck disable=SC2086
	dbsync_subscribe copy $pgbench_table_names
	quietly dbsync_source bench <<<"SELECT dbsync.alter_subscription('s', policy => '$2');"
	tidy bench dbsync_source dbsync_target
	# a process group of its own, for stop_jobs
	set -m
	run_pgbench dbsync_source bench -M prepared -c 4 -j "$(threads 4)" -T $((bench_seconds * 2)) &
	load=$!
	set +m
	lag=$(policies_watch "$load")
	wait "$load" || die "the load failed"
	record "pgbench" "$1" "$(pgbench_tps)" tps
	record "greatest lag" "$1" "$lag" s
	dbsync_wait
	# shellcheck disable=SC2086
	must_agree dbsync bench $pgbench_table_names
	dbsync_unsubscribe
}

run_policies()
{
	local system

	pair_up dbsync "fsync = off" "synchronous_commit = off"
	for ((round = 1; round <= bench_rounds; round++)); do
		policies_idle thresholds "rows 100000 or age 1 h"
		policies_idle cron "cron 0 3 1 1 *"
	done
	policies_writers
	for ((round = 1; round <= bench_rounds; round++)); do
		for system in $(in_turn immediate interval); do
			case $system in
				immediate) policies_pgbench immediate immediate ;;
				interval) policies_pgbench interval "interval 1 s" ;;
			esac
		done
	done
	pair_down dbsync
}

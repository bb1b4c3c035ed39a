# latency: how long after its commit a row can be seen on the target.
#
# Work: transactions that insert one row, 100 a second (pgbench --rate=100), for
# half BENCH_SECONDS.  Measured: from the moment at which pgbench has the answer to
# COMMIT (its -l log) until a session on the target sees the row.  That session is
# another pgbench, which asks for new rows every 0.2 ms and writes down when it
# first saw each: what it says is late by that much at most, for all systems
# alike.  (Commit timestamps would not do: the native apply worker hands on the
# source's, and they are taken before the commit is flushed and visible.)  A row
# may be seen before the client of the source has its answer: negative.
# Both servers on one machine, so there is one clock.  fsync is on;
# synchronous_commit on, then off, at both ends.

systems_of_latency="dbsync native pglogical"

# The observer: what is there above the highest id seen, and when.
latency_observer()
{
	script observer <<-'SQL'
		SELECT coalesce(max(id), 0) AS m, extract(epoch FROM clock_timestamp()) AS w FROM l \gset
		\if :m > :seen
		SET synchronous_commit = off;
		INSERT INTO seen VALUES (:seen + 1, :m, :w);
		\set seen :m
		\endif
		\sleep 200 us
	SQL
}

# Usage: latency_percentiles LOG SEEN.  LOG: when the client had the nth commit;
# SEEN: which rows were seen when.  Prints p50 p95 p99 in ms.
latency_percentiles()
{
	perl -e '
		my (%done, @late);
		open(my $log, "<", $ARGV[0]) or die;
		while (<$log>) { my @f = split; $done{ $f[1] } = $f[4] + $f[5] / 1e6; }
		open(my $seen, "<", $ARGV[1]) or die;
		while (<$seen>)
		{
			my ($from, $to, $when) = split;
			push @late, ($when - $done{$_}) * 1000 foreach grep { $done{$_} } $from .. $to;
		}
		@late = sort { $a <=> $b } @late;
		die "only " . @late . " of " . keys(%done) . " rows were seen\n" if @late < keys %done;
		printf "%.3f %.3f %.3f\n", map { $late[int($_ * $#late)] } 0.5, 0.95, 0.99;' "$1" "$2"
}

# Usage: latency_turn SYSTEM SETTING
latency_turn()
{
	local system=$1
	local setting=$2
	local seconds=$(((bench_seconds + 1) / 2))
	local log=$work/latency_log
	local observer
	local figures

	quietly "${system}_source" bench <<<"TRUNCATE l RESTART IDENTITY;"
	"${system}_mark"
	"${system}_wait"
	quietly "${system}_target" bench <<<"TRUNCATE seen;"
	checkpoint "${system}_source" "${system}_target"
	rm -f "$log".*
	# a process group of its own, for stop_jobs
	set -m
	as_server "$bindir/pgbench" -n -h "$work" -p "${port[${system}_target]}" -U postgres -M prepared -D seen=0 \
		-T $((seconds + 4)) -f "$(latency_observer)" bench >"$work/observer.log" 2>&1 </dev/null &
	observer=$!
	set +m
	sleep 1
	run_pgbench "${system}_source" bench -M prepared -c 1 -T "$seconds" --rate=100 \
		-l --log-prefix="$log" -f "$(script insert_one <<<"INSERT INTO l (a) VALUES (1);")"
	wait "$observer" || { cat "$work/observer.log"; die "the observer failed"; }
	must_agree "$system" bench l
	value "${system}_target" bench "SELECT * FROM seen ORDER BY 1" >"$work/seen"
	cat "$log".* >"$work/done"
	read -r -a figures <<<"$(latency_percentiles "$work/done" "$work/seen")"
	[ "${#figures[@]}" = 3 ] || die "no latencies"
	record "p50, $setting" "$system" "${figures[0]}" ms
	record "p95, $setting" "$system" "${figures[1]}" ms
	record "p99, $setting" "$system" "${figures[2]}" ms
}

run_latency()
{
	local system
	local systems
	local side
	local sync

	# shellcheck disable=SC2086
	systems=$(available $systems_of_latency)
	for system in $systems; do
		pair_up "$system" "fsync = on"
		for side in source target; do
			fresh_database "${system}_$side" bench
			quietly "${system}_$side" bench <<<"CREATE TABLE l (id bigserial PRIMARY KEY, a int);"
		done
		quietly "${system}_target" bench <<<"CREATE UNLOGGED TABLE seen (first bigint, last bigint, at numeric);"
		"${system}_subscribe" nocopy l
	done
	for ((round = 1; round <= bench_rounds; round++)); do
		for sync in on off; do
			# shellcheck disable=SC2046,SC2086
			for system in $(in_turn $systems); do
				for side in source target; do
					set_server "${system}_$side" "synchronous_commit = $sync"
				done
				latency_turn "$system" "sync $sync"
			done
		done
	done
	for system in $systems; do
		pair_down "$system"
	done
}

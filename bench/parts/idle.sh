# idle: what dbsync costs when nothing happens.
#
# Work: none.  1000 captured tables in 20 subscriptions of 50 tables each, to a
# second server, all live, and nobody writes for three times BENCH_SECONDS.
# Measured, for each server: CPU time of all its processes per second, in percent
# of a core; and bytes of WAL (pg_current_wal_insert_lsn before and after).  The
# servers have the settings of all parts, so the records that an idle server writes
# by itself are in it; "uncaptured" is the same two servers' worth of nothing: a
# server with the same 1000 tables and no dbsync.

idle_tables()
{
	quietly "$1" bench <<-SQL
		SELECT format('CREATE TABLE t%s (id bigint PRIMARY KEY, a int, b text)', i)
		FROM generate_series(1, $2) i \gexec
	SQL
}

# Usage: idle_subscribe SUBSCRIPTIONS TABLES_EACH
idle_subscribe()
{
	quietly dbsync_source bench <<-SQL
		CREATE EXTENSION dbsync;
		SELECT dbsync.create_target('target', '$(uri dbsync_target bench)');
		SELECT dbsync.create_subscription('s' || s, 'target', copy_data => false, tables => ARRAY(
		    SELECT format('public.t%s', i) FROM generate_series(s * $2 - $2 + 1, s * $2) i))
		  FROM generate_series(1, $1) s;
		SELECT dbsync.start_subscription('s' || s) FROM generate_series(1, $1) s;
	SQL
	dbsync_wait_live dbsync_source bench
	quietly dbsync_source bench <<<"SELECT dbsync.wait_for('s' || s, timeout => '10 min') FROM generate_series(1, $1) s;"
}

# Usage: idle_watch SERVER ...  All at once: each one's processes are counted apart.
idle_watch()
{
	local seconds=$((bench_seconds * 3))
	local server
	local -A cpu
	local -A wal

	checkpoint "$@"
	# what the checkpoint has set off is over: a server writes a record about what is
	# running up to 15 s after the last time that there was something to say
	sleep $((${#bench_quick} > 0 ? 5 : 20))
	for server in "$@"; do
		wal[$server]=$(wal_position "$server")
	done
	for server in "$@"; do
		cpu[$server]=$(cpu_seconds "$server")
	done
	sleep "$seconds"
	for server in "$@"; do
		record "cpu of the ${server#*_}" "${server%_*}" \
			"$(calc "($(cpu_seconds "$server") - ${cpu[$server]}) / $seconds * 100")" "% of a core"
	done
	for server in "$@"; do
		record "WAL of the ${server#*_}" "${server%_*}" "$(($(wal_position "$server") - ${wal[$server]}))" bytes
	done
}

run_idle()
{
	local subscriptions=20
	local each=50
	local server

	[ -z "$bench_quick" ] || each=5
	server_up uncaptured_source
	pair_up dbsync
	for server in uncaptured_source dbsync_source dbsync_target; do
		fresh_database "$server" bench
		idle_tables "$server" $((subscriptions * each))
	done
	say "installing capture on $((subscriptions * each)) tables"
	idle_subscribe "$subscriptions" "$each"
	for ((round = 1; round <= bench_rounds; round++)); do
		idle_watch uncaptured_source dbsync_source dbsync_target
	done
	pair_down dbsync
	server_down uncaptured_source
}

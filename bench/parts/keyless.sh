# keyless: what a table without a key costs.
#
# Work: (1) UPDATE of BENCH_ROWS narrow rows of a table without any index, in one statement;
# uncaptured, and captured by dbsync with nobody consuming.  (2) 10 000 updates, in one statement,
# of a table of BENCH_ROWS rows, while the subscription is stopped; timed from its start until the
# target has them; without a key and without an index there, against the same with a primary key at
# both ends.  (3) 200 updates likewise, against PostgreSQL's logical replication with
# REPLICA IDENTITY FULL and no index there.  All servers have fsync off.

keyless_capture_turn()
{
	fresh_database keyless bench
	keyless_table keyless bench t
	fill_table keyless bench narrow "$bench_rows"
	"$1_capture" keyless bench t
	tidy bench keyless
	record "update of all" "$1" "$(timed_sql keyless bench "UPDATE t SET a = a + 1, c = now()")" s
	drop_database keyless bench
}

# Usage: keyless_table SERVER DATABASE NAME
keyless_table()
{
	quietly "$1" "$2" <<<"CREATE TABLE $3 (id bigint, a int, b text, c timestamptz, d numeric);"
}

# Usage: keyless_updates SYSTEM TABLE ROWS
keyless_updates()
{
	local start

	"$1_pause"
	checkpoint "$1_source" "$1_target"
	quietly "$1_source" bench <<<"UPDATE $2 SET a = a + 1 WHERE id % ($bench_rows / $3) = 0;"
	"$1_mark"
	start=$(now)
	"$1_resume"
	"$1_wait"
	record "$3 updates, $2" "$1" "$(since "$start")" s
	must_agree "$1" bench "$2"
}

run_keyless()
{
	local system
	local side
	local some=$((bench_rows / 100))
	local few=$((bench_rows / 5000))

	server_up keyless "fsync = off" "synchronous_commit = off"
	for ((round = 1; round <= bench_rounds; round++)); do
		# shellcheck disable=SC2046
		for system in $(in_turn uncaptured dbsync); do
			keyless_capture_turn "$system"
		done
	done
	server_down keyless

	for system in dbsync native; do
		pair_up "$system" "fsync = off" "synchronous_commit = off"
		for side in source target; do
			fresh_database "${system}_$side" bench
			keyless_table "${system}_$side" bench keyless
			quietly "${system}_$side" bench <<<"CREATE TABLE keyed (LIKE keyless); ALTER TABLE keyed ADD PRIMARY KEY (id);
				ALTER TABLE keyless REPLICA IDENTITY FULL;"
		done
		quietly "${system}_source" bench <<<"INSERT INTO keyless $(row_source narrow "$bench_rows"); INSERT INTO keyed TABLE keyless;"
		"${system}_subscribe" copy keyless keyed
	done
	for ((round = 1; round <= bench_rounds; round++)); do
		# shellcheck disable=SC2046
		for side in $(in_turn keyless keyed); do
			keyless_updates dbsync "$side" "$some"
		done
		# shellcheck disable=SC2046
		for system in $(in_turn dbsync native); do
			keyless_updates "$system" keyless "$few"
		done
	done
	for system in dbsync native; do
		"${system}_unsubscribe"
		pair_down "$system"
	done
}

# ordered: what it costs that the target checks its foreign keys.
#
# Work: a tenth of BENCH_ROWS parents, and four children each, with a foreign key at both ends; while the
# subscription is stopped all are inserted; all children move to another parent; half of the parents go, with
# their children.  Timed from its start until the target has them, as in drain.  dbsync's role at the
# target is the same: with the right to set session_replication_role (replica), and without it (ordered).
# By hand: what the same server needs for the same rows in statements of its own, under replica role and under
# its default, which is what the checks alone cost.  All servers have fsync off.

# Usage: ordered_drain MODE WORK STATEMENTS
ordered_drain()
{
	local start
	local table

	dbsync_pause
	case $1 in
		replica) quietly dbsync_target bench <<<"GRANT SET ON PARAMETER session_replication_role TO plain;" ;;
		ordered) quietly dbsync_target bench <<<"REVOKE SET ON PARAMETER session_replication_role FROM plain;" ;;
	esac
	quietly dbsync_source bench <<<"$3"
	dbsync_mark
	checkpoint dbsync_source dbsync_target
	start=$(now)
	dbsync_resume
	dbsync_wait
	record "$2, $1" dbsync "$(since "$start")" s
	[ "$(value dbsync_source bench "SELECT foreign_keys FROM dbsync.status")" = "$1" ] ||
		die "dbsync: foreign keys are not as they should be"
	for table in parent child; do
		[ "$(fingerprint dbsync_source bench $table)" = "$(fingerprint dbsync_target bench $table)" ] ||
			die "dbsync: $table differs"
	done
	tidy bench dbsync_source dbsync_target
}

ordered_turn()
{
	local parents=$((bench_rows / 10))

	ordered_drain "$1" inserts "INSERT INTO parent SELECT i, 'name ' || i FROM generate_series(1, $parents) i;
		INSERT INTO child SELECT i, 1 + i % $parents, 'note ' || i FROM generate_series(1, $parents * 4) i;"
	ordered_drain "$1" moves "UPDATE child SET parent = 1 + (parent + 7) % $parents;"
	ordered_drain "$1" deletes "DELETE FROM child WHERE parent % 2 = 0; DELETE FROM parent WHERE id % 2 = 0;"
	quietly dbsync_source bench <<<"TRUNCATE parent, child;"
	dbsync_wait
}

# Usage: ordered_by_hand_timed MODE WORK STATEMENTS
ordered_by_hand_timed()
{
	local start

	checkpoint dbsync_target
	start=$(now)
	quietly dbsync_target hand <<<"$3"
	record "$2 by hand, $1" dbsync "$(since "$start")" s
	tidy hand dbsync_target
}

# Usage: ordered_by_hand MODE.  In a database without dbsync.
ordered_by_hand()
{
	local parents=$((bench_rows / 10))
	local role=origin

	[ "$1" = ordered ] || role=replica
	fresh_database dbsync_target hand
	quietly dbsync_target hand <<<"CREATE TABLE parent (id bigint PRIMARY KEY, name text);
		CREATE TABLE child (id bigint PRIMARY KEY, parent bigint NOT NULL REFERENCES parent, note text);
		CREATE INDEX ON child (parent); ALTER DATABASE hand SET session_replication_role = $role;"
	ordered_by_hand_timed "$1" inserts "INSERT INTO parent SELECT i, 'name ' || i FROM generate_series(1, $parents) i;
		INSERT INTO child SELECT i, 1 + i % $parents, 'note ' || i FROM generate_series(1, $parents * 4) i;"
	ordered_by_hand_timed "$1" deletes "DELETE FROM child WHERE parent % 2 = 0; DELETE FROM parent WHERE id % 2 = 0;"
	drop_database dbsync_target hand
}

run_ordered()
{
	local side

	pair_up dbsync "fsync = off" "synchronous_commit = off"
	quietly dbsync_target postgres <<<"CREATE ROLE plain;"
	for side in source target; do
		fresh_database "dbsync_$side" bench
		quietly "dbsync_$side" bench <<<"CREATE TABLE parent (id bigint PRIMARY KEY, name text);
			CREATE TABLE child (id bigint PRIMARY KEY, parent bigint NOT NULL REFERENCES parent, note text);
			CREATE INDEX ON child (parent);"
	done
	quietly dbsync_target bench <<<"ALTER DATABASE bench OWNER TO plain; ALTER TABLE parent OWNER TO plain; ALTER TABLE child OWNER TO plain;"
	quietly dbsync_source bench <<-SQL
		CREATE EXTENSION dbsync;
		SELECT dbsync.create_target('target', '$(uri dbsync_target bench)&options=-c%20role%3Dplain');
		SELECT dbsync.create_subscription('s', 'target', tables => '{public.child, public.parent}');
		SELECT dbsync.start_subscription('s');
	SQL
	dbsync_wait_live dbsync_source bench
	for ((round = 1; round <= bench_rounds; round++)); do
		# shellcheck disable=SC2046
		for side in $(in_turn replica ordered); do
			ordered_turn "$side"
			ordered_by_hand "$side"
		done
	done
	dbsync_unsubscribe
	pair_down dbsync
}

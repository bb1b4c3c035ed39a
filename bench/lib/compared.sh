# Tables that are compared: a pair with one of BENCH_ROWS narrow rows, rows of it that are others, and what a comparison is beside.

# count and hash of all rows of a table of that kind
row_hash="SELECT count(*), sum(hashtextextended(ROW(t.*)::text, 1)) FROM t"

# Usage: plain_hash NAME SQL.  Both ends at once, until the later of the two has answered.
plain_hash()
{
	local start
	local there

	start=$(now)
	value dbsync_target bench "$2" >/dev/null &
	there=$!
	value dbsync_source bench "$2" >/dev/null
	wait "$there"
	record "$1" dbsync "$(since "$start")" s
}

# Usage: change_rows SERVER ROWS.  So many, here and there.
change_rows()
{
	quietly "$1" bench <<<"UPDATE t SET a = a + 1 WHERE id IN (SELECT (n * (SELECT max(id) FROM t) / $2)::bigint FROM generate_series(1, $2) n);"
}

# Table t, which has its rows at the source.
filled_pair()
{
	local side

	pair_up dbsync "fsync = off" "synchronous_commit = off"
	for side in source target; do
		fresh_database "dbsync_$side" bench
		narrow_table "dbsync_$side" bench
	done
	fill_table dbsync_source bench narrow "$bench_rows"
}

# When the target has them, too.
analyze_pair()
{
	local side

	for side in source target; do
		quietly "dbsync_$side" bench <<<"VACUUM ANALYZE t;"
	done
}

# Usage: pair_of_comparisons CAPTURE SCHEDULE.  Subscription s keeps table t of both servers equal.
pair_of_comparisons()
{
	filled_pair
	quietly dbsync_source bench <<-SQL
		CREATE EXTENSION dbsync;
		SELECT dbsync.create_target('target', '$(uri dbsync_target bench)');
		SELECT dbsync.create_subscription('s', 'target');
		SELECT dbsync.add_table('s', 't', capture => '$1', options => '{"scan": "$2"}');
		SELECT dbsync.start_subscription('s');
	SQL
	dbsync_wait_live dbsync_source bench
	quietly dbsync_source bench <<<"SELECT dbsync.wait_for('s', timeout => '10 min');"
	analyze_pair
}

# verify: what it costs to prove that both ends are equal, to name what is not, and to mend it.
#
# Work: a table of BENCH_ROWS narrow rows, live and idle.  Timed, as psql times it: verify() of an honest target; of
# one in which 100 rows are others; a hundredth of it; repair of 1 000 rows.  Beside it, in the same round: count and
# hash of all rows, by SQL, at both ends at once, until the later of the two has answered.  All servers have fsync off.

verify_hash="SELECT count(*), sum(hashtextextended(ROW(t.*)::text, 1)) FROM t"

# Both ends at once.
verify_plain()
{
	local start

	start=$(now)
	value dbsync_target bench "$verify_hash" >/dev/null &
	value dbsync_source bench "$verify_hash" >/dev/null
	wait $!
	record "count and hash at both ends" dbsync "$(since "$start")" s
}

# Usage: verify_turn NAME ARGUMENTS VERDICT
verify_turn()
{
	local start
	local verdict

	start=$(now)
	verdict=$(value dbsync_source bench "SELECT verdict FROM dbsync.verify('s', $2)")
	record "$1" dbsync "$(since "$start")" s
	[ "$verdict" = "$3" ] || die "verify says $verdict, not $3 ($1)"
}

# Usage: verify_falsify ROWS
verify_falsify()
{
	quietly dbsync_target bench <<<"UPDATE t SET a = a + 1 WHERE id IN (SELECT (n * (SELECT max(id) FROM t) / $1)::bigint FROM generate_series(1, $1) n);"
}

run_verify()
{
	local side

	pair_up dbsync "fsync = off" "synchronous_commit = off"
	for side in source target; do
		fresh_database "dbsync_$side" bench
		narrow_table "dbsync_$side" bench
	done
	fill_table dbsync_source bench narrow "$bench_rows"
	dbsync_subscribe copy t
	dbsync_wait
	for side in source target; do
		quietly "dbsync_$side" bench <<<"VACUUM ANALYZE t;"
	done
	for ((round = 1; round <= bench_rounds; round++)); do
		verify_plain
		verify_turn "an honest target" "'t'" equal
		verify_turn "a hundredth of it" "'t', sample => 0.01" equal
		verify_falsify 100
		verify_turn "100 rows differ" "'t'" different
		verify_turn "100 rows repaired" "'t', repair => true" repaired
		verify_falsify 1000
		verify_turn "1 000 rows differ" "'t'" different
		verify_turn "1 000 rows repaired" "'t', repair => true" repaired
		must_agree dbsync bench t
	done
	dbsync_unsubscribe
	pair_down dbsync
}

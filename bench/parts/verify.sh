# verify: what it costs to prove that both ends are equal, to name what is not, and to mend it.
#
# Work: a table of BENCH_ROWS narrow rows, live and idle.  Timed, as psql times it: verify() of an honest target; of
# one in which 100 rows are others; a hundredth of it; repair of 1 000 rows.  Beside it, in the same round: count and
# hash of all rows, by SQL, at both ends at once, until the later of the two has answered, and the same as pgcopydb's
# compare data asks for it (count, and the sum of hashtext() of the row's text).
# Then, at BENCH_ROWS rows: the 99th percentile of commits of one row, 200 a second by four clients, half of BENCH_SECONDS
# without verify(), half with one behind the other, and half beside the plain count and hash of the target, one behind the other
# while the source's runs, too: what reading all rows at full speed costs on this machine, whoever asks for it.  Then a table of BENCH_VERIFY_ROWS rows: verify() of all of it,
# pgcopydb compare data of the same (where the installed pgcopydb has it), and the most memory of its own that the process has had,
# above one that compares a table of one row.  All servers have fsync off.

verify_hashtext="SELECT count(1), encode(sha256(format('%s-%s', sum(hashtext((id, a, b, c, d)::text)::bigint), count(1))::bytea), 'hex') FROM ONLY t"

# of the server that is asked
verify_hashes_under_way="SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%sum(hashtextextended%' AND state = 'active' AND pid <> pg_backend_pid()"

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

# One verify() behind the other, until it is stopped.
verify_on_and_on()
{
	while :; do
		value dbsync_source bench "SELECT verdict FROM dbsync.verify('s', 't')" >>"$work/verdicts"
	done
}

# The plain count and hash of both ends, one behind the other, until it is stopped.
verify_plain_on_and_on()
{
	local there

	while :; do
		value dbsync_target bench "$row_hash" >/dev/null &
		there=$!
		value dbsync_source bench "$row_hash" >/dev/null
		wait "$there"
	done
}

# Usage: verify_load NAME.  Commits of one row, and the 99th percentile of their times.
verify_load()
{
	rm -f "$work"/commits.*
	run_pgbench dbsync_source bench -f "$work/one_row.sql" -c 4 -j 1 -R 200 -T "$(((bench_seconds + 1) / 2))" -l --log-prefix="$work/commits"
	record "$1, p99" dbsync "$(cat "$work"/commits.* | awk '{print $3 / 1000}' | sort -n | awk '{a[NR] = $1} END {print a[int(NR * 0.99) + 1]}')" ms
}

verify_under_load()
{
	local runs

	as_server tee "$work/one_row.sql" >/dev/null <<<"\\set id random(1, $bench_rows)
UPDATE t SET a = a + 1 WHERE id = :id;"
	verify_load "commits without verify"
	verify_plain_on_and_on &
	runs=$!
	verify_load "commits beside count and hash"
	kill "$runs"
	wait "$runs" 2>/dev/null || true
	# what was under way
	until [ "$(value dbsync_source bench "$verify_hashes_under_way")$(value dbsync_target bench "$verify_hashes_under_way")" = 00 ]; do sleep 0.1; done
	: >"$work/verdicts"
	verify_on_and_on &
	runs=$!
	verify_load "commits beside verify"
	kill "$runs"
	wait "$runs" 2>/dev/null || true
	# the call that was under way
	while [ "$(value dbsync_source bench "SELECT count(*) FROM dbsync.verify_status")" != 0 ]; do sleep 0.1; done
	! grep -qv '^equal$' "$work/verdicts" || die "verify beside writers says $(sort "$work/verdicts" | uniq -c | tr '\n' ' ')"
	dbsync_mark
	dbsync_wait
}

# Usage: verify_memory TABLE.  Sets most, in kB, and took, in seconds.
verify_memory()
{
	local pid=
	local asking
	local watcher
	local start

	start=$(now)
	value dbsync_source bench "SELECT verdict FROM dbsync.verify('s', '$1')" >"$work/verdict" &
	asking=$!
	while [ -z "$pid" ] && kill -0 "$asking" 2>/dev/null; do
		pid=$(value dbsync_source bench "SELECT pid FROM dbsync.verify_status WHERE pid > 0 LIMIT 1")
	done
	perl "$bench/lib/rss.pl" "${pid:-0}" >"$work/most" </dev/null &
	watcher=$!
	wait "$asking" || die "verify of $1 failed"
	took=$(since "$start")
	kill "$watcher" 2>/dev/null || true
	wait "$watcher" 2>/dev/null || true
	most=$(cat "$work/most")
}

# pgcopydb has it since 0.13.
verify_pgcopydb_compares()
{
	pgcopydb_available && pgcopydb compare data --help >"$work/compare.log" 2>&1 && ! grep -q "unknown command" "$work/compare.log"
}

verify_many_rows()
{
	local idle
	local side
	local start
	local most
	local took

	for side in source target; do
		quietly "dbsync_$side" bench <<<"CREATE TABLE many (id bigint PRIMARY KEY, a int, b text, c timestamptz, d numeric);
			CREATE TABLE one (id int PRIMARY KEY);"
	done
	quietly dbsync_source bench <<<"INSERT INTO many $(row_source narrow "$bench_verify_rows"); INSERT INTO one VALUES (1);
		SELECT dbsync.add_table('s', 'many'), dbsync.add_table('s', 'one');"
	dbsync_wait_live dbsync_source bench
	for side in source target; do
		quietly "dbsync_$side" bench <<<"VACUUM ANALYZE many;"
	done
	verify_memory one
	idle=$most
	verify_memory many
	[ "$(cat "$work/verdict")" = equal ] || die "verify says $(cat "$work/verdict") of many rows"
	record "many rows" dbsync "$took" s
	record "many rows, memory above idle" dbsync "$(awk "BEGIN {print ($most - $idle) / 1024}")" MB
	if verify_pgcopydb_compares; then
		start=$(now)
		as_server env TMPDIR="$work" pgcopydb compare data --source "$(uri dbsync_source bench)" --target "$(uri dbsync_target bench)" >"$work/compare.log" 2>&1 ||
			die "pgcopydb compare data failed: $(tail -n 5 "$work/compare.log")"
		record "many rows" pgcopydb "$(since "$start")" s
	else
		say "this pgcopydb has no compare data"
	fi
}

run_verify()
{
	filled_pair
	dbsync_subscribe copy t
	dbsync_wait
	analyze_pair
	for ((round = 1; round <= bench_rounds; round++)); do
		plain_hash "count and hash at both ends" "$row_hash"
		plain_hash "count and hashtext at both ends" "$verify_hashtext"
		verify_turn "an honest target" "'t'" equal
		verify_turn "a hundredth of it" "'t', sample => 0.01" equal
		change_rows dbsync_target 100
		verify_turn "100 rows differ" "'t'" different
		verify_turn "100 rows repaired" "'t', repair => true" repaired
		change_rows dbsync_target 1000
		verify_turn "1 000 rows differ" "'t'" different
		verify_turn "1 000 rows repaired" "'t', repair => true" repaired
		must_agree dbsync bench t
		verify_under_load
	done
	round=1
	verify_many_rows
	dbsync_unsubscribe
	pair_down dbsync
}

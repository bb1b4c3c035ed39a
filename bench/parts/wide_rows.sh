# wide_rows: does a large column that a statement does not change cost anything?
#
# Work: a table of BENCH_WIDE_ROWS rows with a document of 100 kB each, stored out
# of line and not compressed; UPDATE of another column in all rows, and DELETE of
# all rows; and the same with a table that has no document.  Measured: the source's
# WAL while the statement runs, subscription stopped; and the bytes on the wire
# between both servers, both ways together, from starting the subscription until
# the target has it all (a relay counts them).
# Deleting a row deletes the pieces of its document one by one, which PostgreSQL
# itself writes to the WAL; so capture's WAL is what dbsync's source writes more
# than native's, which adds nothing to the statement.  full_page_writes is off, so
# that images of pages that were not written since the checkpoint are not counted;
# fsync off.

# Usage: wide_relay SERVER.  Sets wire, the folder of the socket that counts.
wide_relay()
{
	wire=$work/wire_$1
	mkdir -p "$wire"
	chmod 777 "$wire"
	# a process group of its own, for stop_jobs
	set -m
	as_server perl "$tree/bench/lib/relay.pl" "$wire/.s.PGSQL.${port[$1]}" "$work/.s.PGSQL.${port[$1]}" \
		"$wire/count" </dev/null >"$wire/log" 2>&1 &
	set +m
	poll 10 test -s "$wire/count" || { cat "$wire/log"; die "no relay"; }
}

# Usage: wide_fill SERVER ROWS TABLE.  Documents that do not compress.
wide_fill()
{
	local document=

	[ "$3" != with_doc ] || document=", (SELECT string_agg(encode(sha512((i * 1000 + k)::text::bytea), 'hex'), '')
		FROM generate_series(1, 800) k)"
	quietly "$1" bench <<<"INSERT INTO $3 SELECT i, 0$document FROM generate_series(1, $2) i;"
}

# Usage: wide_statement SYSTEM TABLE update|delete
wide_statement()
{
	local system=$1
	local source=${system}_source
	local statement="UPDATE $2 SET n = n + 1"
	local before

	[ "$3" = update ] || statement="DELETE FROM $2"
	"${system}_pause"
	tidy bench "$source" "${system}_target"
	before=$(wal_position "$source")
	quietly "$source" bench <<<"$statement;"
	record "WAL of $3, ${2%_doc} document" "$system" "$(($(wal_position "$source") - before))" bytes
	"${system}_mark"
	checkpoint "$source"
	before=$(cat "$wire/count")
	"${system}_resume"
	"${system}_wait"
	record "wire of $3, ${2%_doc} document" "$system" "$((10#$(cat "$wire/count") - 10#$before))" bytes
	must_agree "$system" bench "$2"
}

wide_turn()
{
	local system=$1
	local side
	local table
	local statement

	for side in source target; do
		fresh_database "${system}_$side" bench
		quietly "${system}_$side" bench <<-SQL
			CREATE TABLE without_doc (id bigint PRIMARY KEY, n int);
			CREATE TABLE with_doc (id bigint PRIMARY KEY, n int, doc text);
			ALTER TABLE with_doc ALTER doc SET STORAGE EXTERNAL;
		SQL
	done
	case $system in
		dbsync) wide_relay dbsync_target ;;
		native) wide_relay native_source ;;
	esac
	"${system}_subscribe" nocopy with_doc without_doc
	for table in without_doc with_doc; do
		wide_fill "${system}_source" "$bench_wide_rows" "$table"
		"${system}_mark"
		"${system}_wait"
		for statement in update delete; do
			wide_statement "$system" "$table" "$statement"
		done
	done
	"${system}_unsubscribe"
	wire=
}

run_wide_rows()
{
	local system

	for system in dbsync native; do
		pair_up "$system" "fsync = off" "synchronous_commit = off" "full_page_writes = off"
	done
	for ((round = 1; round <= bench_rounds; round++)); do
		for system in $(in_turn dbsync native); do
			wide_turn "$system"
		done
	done
	pair_down dbsync
	pair_down native
}

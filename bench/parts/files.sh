# files: bundles, written and received, beside what does the same without them.
#
# Work, all with fsync on, source and target on one machine, an outbox and an inbox beside them:
#
#  first copy	a narrow table of BENCH_COPY_ROWS rows into bundles, from start_subscription() until wait_for()
#	returns; beside it COPY TO a file by the server, binary, which nobody flushes.  And the bytes of the bundles,
#	beside those of that file through zstd -1.
#
#  proving	the same table in bundles that are not zipped: check_bundle() over all of them, beside openssl dgst
#	-sha256.  Both read them from memory.
#
#  cpu	of the source's server while it writes those, not encrypted and encrypted to two P-256 recipients, and of the
#	target's while it receives them; in seconds for 10^9 bytes of bundles.
#
#  backlog	BENCH_ROWS rows inserted, then updated, then deleted, a transaction each, while the subscription is stopped
#	(as drain): from starting it until wait_for() returns, into bundles and on the live road to the target.  Those
#	bundles, then, received: receive_once(), by a receiver that has nothing in its cache folder, of files that lie in
#	its inbox; gateways take no time here.  Rows that were inserted are read by psql as well: zstd -dc into \copy,
#	binary, into an empty table with its key.
#
#  one-row commit	100 a second (pgbench), policy immediate, for half BENCH_SECONDS: from the moment at which the
#	client has its COMMIT until the bundle is in out.  Who looks for it does so each 0.1 ms.  Beside it a file of the
#	same size, as often: fsync, rename, fsync of the folder.
#
#  memory	the worker's own (RssAnon, looked at each 10 ms), the most above what one has that was just started and has
#	nothing to do, sender and receiver: one transaction of three times BENCH_ROWS rows; BENCH_ROWS rows of 1 kB in a
#	hundred transactions; a hundredth of BENCH_ROWS one-row commits, a bundle each, which the receiver finds all at
#	once; BENCH_MANY_TABLES tables in one subscription (BENCH_MANY_ROUNDS times): a transaction that writes to each,
#	for the sender, and all that there ever was, for the receiver.  What the sender has for so many tables when it is
#	idle is written down as "whole worker"; it has it on the live road, too (many_tables).
#
#  pgbench	what sustained does, with a live subscription (fsync on, synchronous_commit off), alone and beside a file
#	subscription of another table (a hundred rows a second, "interval 1 s") and a receiver that plays them to the
#	same target.

files_outbox=
files_inbox=

# Nothing of an earlier run is left.
files_fresh()
{
	local side

	as_server rm -rf "${files_outbox:?}" "${files_inbox:?}"
	as_server mkdir -p "$files_inbox/in"
	for side in "$@"; do
		fresh_database "dbsync_$side" bench
	done
}

# Usage: files_subscribe copy|nocopy OPTIONS TABLE ...  As dbsync_subscribe, into bundles, and not started yet.
files_subscribe()
{
	local copy=false
	local options=$2

	[ "$1" != copy ] || copy=true
	shift 2
	quietly dbsync_source bench <<-SQL
		CREATE EXTENSION IF NOT EXISTS dbsync;
		SELECT dbsync.create_target('target', 'file://$files_outbox$options');
		SELECT dbsync.create_subscription('s', 'target', copy_data => $copy,
		  tables => ARRAY[$(dbsync_table_list "$@")]);
	SQL
}

# Usage: files_receiver SUBSCRIPTION TARGET OPTIONS.  Plays that subscription's bundles to the target's own server.
files_receiver()
{
	quietly dbsync_target bench <<-SQL
		CREATE EXTENSION dbsync;
		SELECT dbsync.create_target('here', '$(uri dbsync_target bench)');
		SELECT dbsync.create_receiver('in', 'file://$files_inbox', 'here',
		  ARRAY['$(files_public_key "$2")'],
		  subscription => '$(value dbsync_source bench "SELECT uid FROM dbsync.subscription WHERE name = '$1'")',
		  options => '$3');
	SQL
}

files_drop_receiver()
{
	quietly dbsync_target bench <<<"SELECT dbsync.drop_receiver('in', force => true);"
}

# The gateway.
files_carry()
{
	as_server find "$files_outbox/out" -name '*.tar' -exec mv -t "$files_inbox/in" {} +
}

# One round of a receiver that is stopped.
files_receive()
{
	quietly dbsync_target bench <<<"SELECT dbsync.receive_once('in', timeout => '15 min');"
}

files_bytes()
{
	as_server find "$files_outbox/out" -name '*.tar' -printf '%s\n' | awk '{ n += $1 } END { printf "%d", n }'
}

# The name of the newest bundle in out, without its suffix: behind its last hyphen is the number, before that the chain.
files_newest()
{
	as_server find "$files_outbox/out" -name '*.tar' -printf '%f\n' | sort | tail -n 1 | sed 's/\.tar$//'
}

files_public_key()
{
	value dbsync_source bench "SELECT dbsync.public_key('$1')"
}

# Usage: files_verdict PUBLIC_KEY.  What check_bundle() says of all in out: how many are good, and their rows.
files_verdict()
{
	value dbsync_source bench "SELECT count(*) FILTER (WHERE b.verdict = 'good'), coalesce(sum(b.rows), 0)
		FROM pg_ls_dir('$files_outbox/out') f, dbsync.check_bundle('$files_outbox/out/' || f, ARRAY['$1']) b"
}

# --- first copies

# Gone again are subscription, extension, bundles; the table stays.
files_copy_end()
{
	dbsync_unsubscribe
	quietly dbsync_source bench <<<"SELECT dbsync.uninstall(); DROP EXTENSION dbsync;"
	files_fresh
}

# Usage: files_copy_turn "bare COPY TO"|dbsync
files_copy_turn()
{
	local file=$work/bare.copy
	local start

	if [ "$1" = dbsync ]; then
		files_subscribe copy "" t
	fi
	checkpoint dbsync_source
	start=$(now)
	if [ "$1" = dbsync ]; then
		dbsync_resume
		dbsync_wait
		record "first copy" "$1" "$(since "$start")" s
		record "bytes of the first copy" dbsync "$(files_bytes)" bytes
		[ "$(files_verdict "$(files_public_key target)" | cut -d' ' -f2)" = "$bench_copy_rows" ] || die "dbsync: bundles are not good, or lack rows"
		files_copy_end
	else
		quietly dbsync_source bench <<<"COPY t TO '$file' (FORMAT binary);"
		record "first copy" "$1" "$(since "$start")" s
		record "bytes of the first copy" "zstd -1" "$(zstd -1 -q -c "$file" | wc -c)" bytes
		# not to be written to the disk in somebody else's turn
		as_server sync "$file"
		as_server rm -f "$file"
	fi
}

# Usage: files_prove dbsync|openssl
files_prove()
{
	local count
	local key
	local start

	key=$(files_public_key target)
	count=$(as_server find "$files_outbox/out" -name '*.tar' | wc -l)
	as_server find "$files_outbox/out" -name '*.tar' -exec cat {} + >/dev/null
	start=$(now)
	case $1 in
		dbsync) [ "$(files_verdict "$key" | cut -d' ' -f1)" = "$count" ] || die "dbsync: bundles are not good" ;;
		openssl) as_server find "$files_outbox/out" -name '*.tar' -exec openssl dgst -sha256 {} + >/dev/null ;;
	esac
	record "proving" "$1" "$(since "$start")" s
}

# Keys of two recipients; $work/recipients.pem has their certificates, $work/identity.pem what the first one opens with.
files_recipients()
{
	local name

	for name in one two; do
		as_server openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 10 -subj "/CN=$name" \
			-keyout "$work/$name.key" -out "$work/$name.crt" 2>/dev/null || die "openssl makes no certificate"
	done
	# shellcheck disable=SC2016
	as_server sh -c 'umask 077; cat "$0/one.crt" "$0/two.crt" >"$0/recipients.pem"; cat "$0/one.key" "$0/one.crt" >"$0/identity.pem"' "$work"
}

# Usage: files_cpu_turn plain|encrypted.  Not zipped: there is as much to be encrypted as there are rows.
files_cpu_turn()
{
	local options="?compression=none"
	local identity="{}"
	local before
	local gigabytes
	local system

	if [ "$1" = encrypted ]; then
		options="$options&recipients=$work/recipients.pem"
		identity="{\"identity_file\": \"$work/identity.pem\"}"
	fi
	files_fresh target
	narrow_table dbsync_target bench
	files_subscribe copy "$options" t
	files_receiver s target "$identity"
	checkpoint dbsync_source dbsync_target
	before=$(cpu_seconds dbsync_source)
	dbsync_resume
	dbsync_wait
	gigabytes=$(calc "$(files_bytes) / 1e9")
	record "cpu of writing, a GB" "$1" "$(calc "($(cpu_seconds dbsync_source) - $before) / $gigabytes")" s
	if [ "$1" = plain ]; then
		for system in $(in_turn dbsync openssl); do
			files_prove "$system"
		done
	fi
	files_carry
	checkpoint dbsync_target
	before=$(cpu_seconds dbsync_target)
	files_receive
	record "cpu of receiving, a GB" "$1" "$(calc "($(cpu_seconds dbsync_target) - $before) / $gigabytes")" s
	must_agree dbsync bench t
	files_drop_receiver
	files_copy_end
}

files_copies()
{
	local system

	files_fresh source
	narrow_table dbsync_source bench
	fill_table dbsync_source bench narrow "$bench_copy_rows"
	tidy bench dbsync_source
	for ((round = 1; round <= bench_copy_rounds; round++)); do
		while read -r system; do
			files_copy_turn "$system" </dev/null
		done < <(in_turn "bare COPY TO" dbsync)
		for system in $(in_turn plain encrypted); do
			files_cpu_turn "$system"
		done
	done
}

# --- backlogs

# The rows of the source's table, zipped, into an empty table of the target's server.
files_by_psql()
{
	local start

	sql dbsync_source bench -c "COPY t TO STDOUT (FORMAT binary)" | zstd -1 -q -c >"$work/rows.zst"
	fresh_database dbsync_target bare
	narrow_table dbsync_target bare
	checkpoint dbsync_target
	start=$(now)
	zstd -dc "$work/rows.zst" | sql dbsync_target bare -c "\\copy t FROM pstdin (FORMAT binary)"
	record "inserts" "zstd and psql" "$(since "$start")" s
	[ "$(fingerprint dbsync_source bench t)" = "$(fingerprint dbsync_target bare t)" ] || die "psql: t differs"
	drop_database dbsync_target bare
	rm -f "$work/rows.zst"
}

# Usage: files_received WORK.  What lies in the outbox.
files_received()
{
	local start

	files_carry
	checkpoint dbsync_target
	start=$(now)
	files_receive
	record "$1" received "$(since "$start")" s
	must_agree dbsync bench t
}

# Usage: files_backlog live|"into bundles" WORK
files_backlog()
{
	local start

	dbsync_pause
	tidy bench dbsync_source dbsync_target
	drain_backlog dbsync "$2"
	checkpoint dbsync_source dbsync_target
	start=$(now)
	dbsync_resume
	dbsync_wait
	record "$2" "$1" "$(since "$start")" s
	if [ "$1" = live ]; then
		must_agree dbsync bench t
	elif [ "$2" != inserts ]; then
		files_received "$2"
	elif ((round % 2)); then
		files_received "$2"
		files_by_psql
	else
		files_by_psql
		files_received "$2"
	fi
}

# Usage: files_backlog_turn live|"into bundles"
files_backlog_turn()
{
	local work_name
	local side

	files_fresh source target
	for side in source target; do
		narrow_table "dbsync_$side" bench
	done
	if [ "$1" = live ]; then
		dbsync_subscribe nocopy t
	else
		files_subscribe nocopy "" t
		files_receiver s target "{}"
		dbsync_resume
		dbsync_wait_live dbsync_source bench
	fi
	# a worker, a chain, a ledger have begun
	quietly dbsync_source bench <<<"INSERT INTO t (id) VALUES (-1); DELETE FROM t;"
	dbsync_wait
	if [ "$1" != live ]; then
		files_carry
		files_receive
	fi
	for work_name in inserts updates deletes; do
		files_backlog "$1" "$work_name"
	done
	if [ "$1" != live ]; then
		files_drop_receiver
	fi
	dbsync_unsubscribe
}

# --- one-row commits

# Usage: files_lateness LOG APPEARED ROWS.  LOG: when the client had each commit; APPEARED: when each bundle was there; ROWS: how
# many rows each has.  Prints p50 p95 p99 in ms.
files_lateness()
{
	perl -e '
		my (@done, %there, @late);
		open(my $log, "<", $ARGV[0]) or die;
		while (<$log>) { my @f = split; push @done, [ $f[1], $f[4] + $f[5] / 1e6 ]; }
		@done = map { $_->[1] } sort { $a->[0] <=> $b->[0] } @done;
		open(my $appeared, "<", $ARGV[1]) or die;
		while (<$appeared>) { my ($number, $when) = split; $there{$number} = $when; }
		open(my $rows, "<", $ARGV[2]) or die;
		while (<$rows>)
		{
			my ($number, $n) = split;
			die "bundle $number was not seen\n" if $n > 0 && !$there{$number};
			push @late, ($there{$number} - $done[@late]) * 1000 foreach 1 .. $n;
		}
		die @late . " rows are in bundles, and " . @done . " were committed\n" if @late != @done;
		@late = sort { $a <=> $b } @late;
		printf "%.3f %.3f %.3f\n", map { $late[int($_ * $#late)] } 0.5, 0.95, 0.99;' "$1" "$2" "$3"
}

# Usage: files_durable BYTES
files_durable()
{
	local count=$(((bench_seconds + 1) / 2 * 100))
	local figures

	# by whoever calls this script: the server's account may not be able to read the clone
	mkdir "$work/durable"
	read -r -a figures <<<"$(perl "$bench/lib/durable.pl" "$work/durable" "$1" "$count" 100)"
	[ "${#figures[@]}" = 2 ] || die "no times of fsync"
	record "one-row commit, p50" "fsync and rename" "${figures[0]}" ms
	record "one-row commit, p99" "fsync and rename" "${figures[1]}" ms
	rm -rf "$work/durable"
}

# Usage: files_commits NEWEST.  NEWEST: the bundle that is the last one before.
files_commits()
{
	local seconds=$(((bench_seconds + 1) / 2))
	local log=$work/files_log
	local number=$((10#${1##*-}))
	local observer
	local figures

	rm -f "$log".*
	# a process group of its own, for stop_jobs
	set -m
	perl "$bench/lib/appear.pl" "$files_outbox/out/${1%-*}-" $((number + 1)) >"$work/appeared" </dev/null &
	observer=$!
	set +m
	run_pgbench dbsync_source bench -M prepared -c 1 -T "$seconds" --rate=100 \
		-l --log-prefix="$log" -f "$(script one_row_commit <<<"INSERT INTO l VALUES (nextval('n'), 1);")"
	dbsync_wait
	sleep 0.1
	kill -TERM -- "-$observer"
	wait "$observer" 2>/dev/null || true
	cat "$log".* >"$work/done"
	value dbsync_source bench "SELECT number, rows FROM dbsync.bundles('s') WHERE number > $number ORDER BY number" >"$work/rows_of"
	read -r -a figures <<<"$(files_lateness "$work/done" "$work/appeared" "$work/rows_of")"
	[ "${#figures[@]}" = 3 ] || die "no latencies"
	record "one-row commit, p50" "into bundles" "${figures[0]}" ms
	record "one-row commit, p95" "into bundles" "${figures[1]}" ms
	record "one-row commit, p99" "into bundles" "${figures[2]}" ms
}

files_latency()
{
	local newest
	local bytes

	files_fresh source
	quietly dbsync_source bench <<<"CREATE TABLE l (id bigint PRIMARY KEY, a int); CREATE SEQUENCE n;"
	files_subscribe nocopy "" l
	dbsync_resume
	dbsync_wait_live dbsync_source bench
	quietly dbsync_source bench <<<"INSERT INTO l VALUES (nextval('n'), 1);"
	dbsync_wait
	newest=$(files_newest)
	bytes=$(as_server stat -c %s "$files_outbox/out/$newest.tar")
	checkpoint dbsync_source
	if ((round % 2)); then
		files_commits "$newest"
		files_durable "$bytes"
	else
		files_durable "$bytes"
		files_commits "$newest"
	fi
	dbsync_unsubscribe
}

# --- memory

# Usage: files_watch PID.  What it has most from now on goes to $work/most, until files_watched.
files_watch()
{
	[ -n "$1" ] || die "there is no worker"
	# a process group of its own, for stop_jobs
	set -m
	perl "$bench/lib/rss.pl" "$1" >"$work/most" </dev/null &
	watcher=$!
	set +m
}

# Usage: files_watched WORK sender|receiver IDLE_KB
files_watched()
{
	kill -TERM -- "-$watcher" 2>/dev/null || true
	wait "$watcher" 2>/dev/null || true
	record "$1" "$2" "$(perl -e 'printf "%.1f", ($ARGV[0] - $ARGV[1]) / 1024' "$(cat "$work/most")" "$3")" MB
}

# Usage: files_pid VALUE_ARGUMENTS ...  As soon as there is one.
files_pid()
{
	local pid=
	local until=$((SECONDS + 60))

	while [ -z "$pid" ]; do
		[ "$SECONDS" -lt "$until" ] || return 1
		pid=$(value "$1" bench "$2")
	done
	echo "$pid"
}

files_sender()
{
	files_pid dbsync_source "SELECT pid FROM dbsync.status WHERE pid IS NOT NULL"
}

files_start_receiver()
{
	quietly dbsync_target bench <<<"SELECT dbsync.start_receiver('in');"
	files_pid dbsync_target "SELECT pid FROM dbsync.receivers WHERE pid IS NOT NULL"
}

files_stop_receiver()
{
	quietly dbsync_target bench <<<"SELECT dbsync.stop_receiver('in');"
}

files_receiver_is_idle()
{
	[ "$(value dbsync_target bench "SELECT state FROM dbsync.receivers")" = idle ]
}

# Usage: files_has_played BUNDLE
files_has_played()
{
	local place=${1%-*}

	[ "$(value dbsync_target bench "SELECT chain, number FROM dbsync.receivers")" = "${place##*-} $((10#${1##*-}))" ]
}

# Usage: files_wait_played BUNDLE
files_wait_played()
{
	poll 900 files_has_played "$1" ||
		die "the receiver does not come to $1: $(value dbsync_target bench "SELECT chain, number, state, last_error, last_error_detail FROM dbsync.receivers")"
}

# What a receiver has that was just started, in kB.
files_receiver_at_rest()
{
	local pid

	pid=$(files_start_receiver)
	poll 60 files_receiver_is_idle || die "the receiver is not idle"
	rss_of "$pid"
	files_stop_receiver
}

# Usage: files_memory_of WORK SENDER_IDLE RECEIVER_IDLE COMMAND ...  The backlog is there already; COMMAND is run while the
# sender works.
files_memory_of()
{
	local name=$1
	local sender=$2
	local receiver=$3
	local newest
	local watcher

	shift 3
	checkpoint dbsync_source dbsync_target
	dbsync_resume
	files_watch "$(files_sender)"
	"$@"
	dbsync_wait
	files_watched "$name" sender "$sender"
	newest=$(files_newest)
	files_carry
	files_watch "$(files_start_receiver)"
	files_wait_played "$newest"
	files_watched "$name" receiver "$receiver"
	files_stop_receiver
	dbsync_pause
}

# A bundle each.
files_one_by_one()
{
	local count=$((bench_rows / 100))

	run_pgbench dbsync_source bench -c 1 -t "$count" -f "$(
		script one_by_one <<-'SQL'
			INSERT INTO t VALUES (nextval('n'), 1, 'one more row', now(), 1.1);
			SELECT dbsync.wait_for('s');
		SQL
	)"
	[ "$(as_server find "$files_outbox/out" -name '*.tar' | wc -l)" -ge "$count" ] || die "fewer bundles than commits"
}

# A hundred transactions.
files_wide_backlog()
{
	local rows=$((bench_rows / 100))

	quietly dbsync_source bench <<-SQL
		DO \$\$ BEGIN
		  FOR n IN 0 .. 99 LOOP
		    INSERT INTO w SELECT n * $rows + i, i, 'row number ' || lpad(i::text, 9, '0'), now(), i * 1.1, repeat(md5((n * $rows + i)::text), 28)
		    FROM generate_series(1, $rows) i;
		    COMMIT;
		  END LOOP;
		END \$\$;
	SQL
}

files_memory()
{
	local side
	local sender
	local receiver

	files_fresh source target
	for side in source target; do
		narrow_table "dbsync_$side" bench
		quietly "dbsync_$side" bench <<<"CREATE TABLE w (id bigint PRIMARY KEY, a int, b text, c timestamptz, d numeric, e text);"
	done
	quietly dbsync_source bench <<<"CREATE SEQUENCE n START 1000000000;"
	files_subscribe nocopy "" t w
	files_receiver s target "{}"
	dbsync_resume
	dbsync_wait_live dbsync_source bench
	# like those that work: ones that have just started
	dbsync_pause
	dbsync_resume
	dbsync_wait
	sender=$(rss_of "$(files_sender)")
	dbsync_pause
	receiver=$(files_receiver_at_rest)
	fill_table dbsync_source bench narrow $((bench_rows * 3))
	files_memory_of "memory, $((bench_rows * 3)) rows at once" "$sender" "$receiver" true
	must_agree dbsync bench t
	files_wide_backlog
	files_memory_of "memory, $bench_rows rows of 1 kB" "$sender" "$receiver" true
	must_agree dbsync bench w
	files_memory_of "memory, inbox of $((bench_rows / 100)) files" "$sender" "$receiver" files_one_by_one
	must_agree dbsync bench t
	files_drop_receiver
	# it wants to be stopped, and is
	quietly dbsync_source bench <<<"SELECT dbsync.drop_subscription('s'); SELECT dbsync.drop_target('target');"
}

# A row in each, in one transaction.
files_write_to_all()
{
	quietly dbsync_source bench <<-SQL
		DO \$\$ BEGIN
		  FOR n IN 1 .. $bench_many_tables LOOP
		    EXECUTE format('INSERT INTO t%s VALUES (1, 1, ''a row'')', n);
		  END LOOP;
		END \$\$;
	SQL
}

files_many_tables()
{
	local name="memory, $bench_many_tables tables"
	local side
	local sender
	local receiver
	local tables

	files_fresh source target
	for side in source target; do
		idle_tables "dbsync_$side" "$bench_many_tables"
	done
	mapfile -t tables < <(seq -f 't%.0f' 1 "$bench_many_tables")
	files_subscribe copy "" "${tables[@]}"
	files_receiver s target "{}"
	dbsync_resume
	dbsync_wait_live dbsync_source bench
	dbsync_wait
	record "whole worker, $bench_many_tables tables" sender "$(calc "$(rss_of "$(files_sender)") / 1024")" MB
	dbsync_pause
	dbsync_resume
	dbsync_wait
	sender=$(rss_of "$(files_sender)")
	record "whole worker, $bench_many_tables tables, restarted" sender "$(calc "$sender / 1024")" MB
	dbsync_pause
	receiver=$(files_receiver_at_rest)
	files_write_to_all
	files_memory_of "$name" "$sender" "$receiver" true
	must_agree dbsync bench t1 "t$bench_many_tables"
	files_drop_receiver
	quietly dbsync_source bench <<<"SELECT dbsync.drop_subscription('s'); SELECT dbsync.drop_target('target');"
}

# --- a live subscription beside files

# Rows, and a gateway, until told to end.
files_traffic()
{
	while [ -e "$work/traffic" ]; do
		quietly dbsync_source bench <<<"INSERT INTO beside SELECT nextval('n'), 1, 'a row' FROM generate_series(1, 100);"
		files_carry
		sleep 1
	done
}

# A second subscription, "f".
files_beside_begin()
{
	quietly dbsync_source bench <<-SQL
		SELECT dbsync.create_target('gate', 'file://$files_outbox');
		SELECT dbsync.create_subscription('f', 'gate', tables => '{public.beside}', policy => 'interval 1 s');
		SELECT dbsync.start_subscription('f');
	SQL
	dbsync_wait_live dbsync_source bench
	files_receiver f gate "{}"
	files_start_receiver >/dev/null
}

files_beside_end()
{
	local newest

	quietly dbsync_source bench <<<"INSERT INTO beside VALUES (nextval('n'), 1, 'the last row'); SELECT dbsync.wait_for('f', timeout => '1 min');"
	newest=$(files_newest)
	files_carry
	files_wait_played "$newest"
	must_agree dbsync bench beside
	files_stop_receiver
	files_drop_receiver
	quietly dbsync_source bench <<<"SELECT dbsync.stop_subscription('f'); SELECT dbsync.drop_subscription('f'); SELECT dbsync.drop_target('gate');"
}

# Usage: files_pgbench_turn alone|"beside files"
files_pgbench_turn()
{
	local traffic

	files_fresh source target
	pgbench_tables dbsync_source bench "$bench_scale"
	quietly dbsync_source bench <<<"CREATE TABLE beside (id bigint PRIMARY KEY, a int, b text); CREATE SEQUENCE n;"
	copy_definitions dbsync_source bench dbsync_target bench
	# shellcheck disable=SC2086
	dbsync_subscribe copy $pgbench_table_names
	if [ "$1" != alone ]; then
		files_beside_begin
	fi
	tidy bench dbsync_source dbsync_target
	if [ "$1" != alone ]; then
		touch "$work/traffic"
		# a process group of its own, for stop_jobs
		set -m
		files_traffic &
		traffic=$!
		set +m
	fi
	run_pgbench dbsync_source bench -M prepared -c 4 -j "$(threads 4)" -T $((bench_seconds * 3))
	record "pgbench" "$1" "$(pgbench_tps)" tps
	dbsync_wait
	# shellcheck disable=SC2086
	must_agree dbsync bench $pgbench_table_names
	if [ "$1" != alone ]; then
		rm "$work/traffic"
		wait "$traffic" || die "nothing was written beside"
		files_beside_end
	fi
	dbsync_unsubscribe
}

run_files()
{
	local system
	local side

	files_outbox=$work/outbox
	files_inbox=$work/inbox
	note "openssl, zstd" "$(openssl version), $(zstd --version | sed 's/[* ]*$//; s/^[* ]*//')"
	pair_up dbsync "fsync = on"
	files_recipients
	files_copies
	for ((round = 1; round <= bench_rounds; round++)); do
		while read -r system; do
			files_backlog_turn "$system" </dev/null
		done < <(in_turn live "into bundles")
		files_latency
		files_memory
		for side in source target; do
			set_server "dbsync_$side" "synchronous_commit = off"
		done
		while read -r system; do
			files_pgbench_turn "$system" </dev/null
		done < <(in_turn alone "beside files")
		for side in source target; do
			set_server "dbsync_$side" "synchronous_commit = on"
		done
	done
	for ((round = 1; round <= bench_many_rounds; round++)); do
		files_many_tables
	done
	pair_down dbsync
	as_server rm -rf "${files_outbox:?}" "${files_inbox:?}"
}

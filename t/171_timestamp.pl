# capture => 'timestamp' under writers: transactions that stay open over scans, savepoints, prepared ones,
# now() and clock_timestamp(), beside the first copy and scans, while workers and targets are killed.  At rest both ends
# are equal.  What others do cannot be seen for a while, the clock is set back: nothing is lost either.
# Hazards 58 to 60; issue "Tests that must be among them".
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until random_below);
use DbsyncTest::Bank;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 2;
my $pair = DbsyncTest->new(source_conf => "dbsync.copy_chunk_rows = 500\n");
my $source = $pair->source;
my $folder = PostgreSQL::Test::Utils::tempdir();
my @loads;

$pair->both('CREATE TABLE public.note (id int PRIMARY KEY, n int, at timestamptz NOT NULL);'
	  . 'CREATE TABLE public.plain (id int PRIMARY KEY, at timestamptz);'
	  . 'CREATE TABLE public.captured (id int PRIMARY KEY, v text)');
$pair->sql("CREATE INDEX ON public.note (at); INSERT INTO public.note SELECT i, 0, '2020-01-01' FROM generate_series(1, 5000) i");

my %writers = (
	short => <<'SQL',
\set id random(1, 8000)
INSERT INTO public.note AS n VALUES (:id, 1, now()) ON CONFLICT (id) DO UPDATE SET n = n.n + 1, at = now();
SQL
	open => <<'SQL',
\set id random(1, 8000)
\set other random(1, 8000)
\set ms random(1, 400)
BEGIN;
INSERT INTO public.note AS n VALUES (:id, 1, now()) ON CONFLICT (id) DO UPDATE SET n = n.n + 1, at = now();
\sleep :ms ms
INSERT INTO public.note AS n VALUES (:other, 1, clock_timestamp()) ON CONFLICT (id) DO UPDATE SET n = n.n + 1, at = clock_timestamp();
INSERT INTO public.plain VALUES (:id, now()) ON CONFLICT (id) DO UPDATE SET at = now();
COMMIT;
SQL
	savepoint => <<'SQL',
\set id random(1, 8000)
\set ms random(1, 100)
BEGIN;
SAVEPOINT a;
UPDATE public.note SET n = n + 1, at = now() WHERE id = :id;
ROLLBACK TO a;
SAVEPOINT b;
UPDATE public.note SET n = n + 1, at = now() WHERE id = :id + 1;
\sleep :ms ms
RELEASE b;
COMMIT;
SQL
	prepared => <<'SQL');
\set id random(1, 8000)
\set gid random(1, 1000000000)
\set ms random(1, 150)
BEGIN;
INSERT INTO public.note AS n VALUES (:id, 1, now()) ON CONFLICT (id) DO UPDATE SET n = n.n + 1, at = now();
PREPARE TRANSACTION 'writer_:gid';
\sleep :ms ms
COMMIT PREPARED 'writer_:gid';
SQL

foreach my $name (sort keys %writers)
{
	open(my $file, '>', "$folder/$name.sql") or die "cannot write: $!";
	print $file $writers{$name};
	close($file);
}

sub start_load
{
	my @command = ('pgbench', '-n', '-h', $source->host, '-p', $source->port, '-c', 8, '-R', 200, '-T', 20, '--max-tries=1000',
		map { ('-f', "$folder/$_.sql" . ($_ eq 'short' ? '@6' : '@2')) } sort keys %writers);
	push @loads, DbsyncTest::Bank::start_process(sub { system(@command, 'postgres'); });
	return;
}

# What is left prepared by writers that were killed is committed: by now it is late.
sub stop_load
{
	DbsyncTest::Bank::end_process($_) foreach splice(@loads);
	ask($source, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgbench'");
	becomes_true($source, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgbench'");
	$pair->sql("COMMIT PREPARED '$_'") foreach split /\n/, $pair->sql('SELECT gid FROM pg_prepared_xacts');
	return;
}

sub is_moving
{
	my ($what) = @_;
	my $before = ask($pair->target, 'SELECT sum(n) FROM public.note') // 0;

	ok(poll_until(sub { (ask($pair->target, 'SELECT sum(n) FROM public.note') // 0) > $before }, 'new rows at the target'), $what)
	  or $pair->describe_state($what);
	return;
}

sub scan
{
	my ($table, $overlap) = @_;
	my $options = qq({"column": "at", "overlap": "$overlap", "scan": "interval 100 ms"});

	$pair->sql("SELECT dbsync.add_table('scans', '$table', capture => 'timestamp', options => '$options')");
	return;
}

my @tables = ('public.note', 'public.plain', 'public.captured');

$pair->subscribe('scans', ['public.captured']);
scan('public.note', '1 s');
scan('public.plain', '1 s');

# --- writers beside the first copy and scans, and accidents

my @accidents = (
	[ 'kill -9 of the worker' => sub {
			my $pid = $pair->wait_for_worker('scans') or return;
			kill('KILL', $pid);
			poll_until(sub { !kill(0, $pid) }, 'end of the worker');
			DbsyncTest::wait_until_up($source);
		} ],
	[ 'kill -9 of a backend of the target' => sub {
			my @pids;
			poll_until(sub { @pids = $pair->applying_pids }, 'a backend of the worker') or return;
			kill('KILL', $pids[0]);
			poll_until(sub { !kill(0, $pids[0]) }, 'end of the backend');
			DbsyncTest::wait_until_up($pair->target);
		} ],
	[ 'kill -9 of the target' => sub { DbsyncTest::crash_and_restart($pair->target); } ]);

start_load();
$pair->start_subscription('scans');
is_moving('rows arrive while writers write');
foreach my $round (1 .. $rounds)
{
	foreach my $accident (@accidents)
	{
		$accident->[1]->();
		is_moving("scans go on after $accident->[0], round $round");
	}
}
stop_load();
$pair->arrives('scans');
$pair->same_at_both_ends(@tables);

# --- wait_for() has a scan made, and does not say that all is there before

my $tables = $pair->sql("SELECT string_agg(s.note, ' ') FROM dbsync.table_status s WHERE state <> 'live'");
is($tables, '', 'all tables are live');
my $missing = 0;
foreach my $i (1 .. 20)
{
	$pair->sql("INSERT INTO public.note VALUES (10000 + $i, 0, now())");
	$pair->sql("SELECT dbsync.wait_for('scans')") eq 't' or $missing++;
	$missing += 1 - $pair->target_sql("SELECT count(*) FROM public.note WHERE id = 10000 + $i");
}
is($missing, 0, 'wait_for() answers when the row is there');

# --- a session that does not say since when its transaction is open

my $writer = $source->background_psql('postgres');
$writer->query_safe('SET track_activities = off');
$writer->query_safe('BEGIN; INSERT INTO public.note VALUES (20000, 0, now())');
foreach my $i (1 .. 2)
{
	$pair->sql("INSERT INTO public.note VALUES (20000 + $i, 0, clock_timestamp() + '1 min')");
	$pair->arrives('scans', "scans go on beside it, $i");
}
# longer than the overlap would help
$pair->sql('SELECT pg_sleep(1.5)');
$pair->sql('INSERT INTO public.note VALUES (20003, 0, now())');
$pair->arrives('scans', 'and once more');
ok(becomes_true($source, "SELECT bool_and(note ~ 'does not tell since when') FROM dbsync.table_status WHERE \"table\" = 'public.note'::regclass"),
	'table_status names it');
$writer->query_safe('COMMIT');
$writer->query_safe('RESET track_activities');
$pair->arrives('scans');
is($pair->target_sql('SELECT count(*) FROM public.note WHERE id = 20000'), '1', 'what it commits late is not lost');

# --- a writer that ends between the look at open transactions and the snapshot

$pair->sql(<<'SQL');
ALTER FUNCTION dbsync_internal.scan_mark(oid) RENAME TO scan_mark_real;
CREATE FUNCTION dbsync_internal.scan_mark(owner oid, OUT seen timestamptz, OUT low timestamptz, OUT unsure text) LANGUAGE plpgsql AS $$
BEGIN
    SELECT m.seen, m.low, m.unsure INTO seen, low, unsure FROM dbsync_internal.scan_mark_real(owner) m;
    PERFORM pg_catalog.pg_advisory_xact_lock(171);
END $$;
SQL
my $holder = $source->background_psql('postgres');
foreach my $how ('COMMIT', "PREPARE TRANSACTION 'between'")
{
	my $id = $how eq 'COMMIT' ? 30001 : 30002;

	$holder->query_safe('SELECT pg_advisory_lock(171)');
	ok(becomes_true($source, "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"), 'the worker waits before S');
	$holder->query_safe('SELECT pg_advisory_unlock(171)');
	$writer->query_safe("BEGIN; INSERT INTO public.note VALUES ($id, 0, now())");
	$holder->query_safe('SELECT pg_advisory_lock(171)');
	ok(becomes_true($source, "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"),
		'the worker has looked while the writer was at it');
	$writer->query_safe($how);
	$holder->query_safe('SELECT pg_advisory_unlock(171)');
	$pair->arrives('scans', "$how beside the scan");
	$pair->sql("COMMIT PREPARED 'between'") if $how ne 'COMMIT';
	$pair->arrives('scans') if $how ne 'COMMIT';
	is($pair->target_sql("SELECT count(*) FROM public.note WHERE id = $id"), '1', "$how between the look and the snapshot loses nothing");
}

# --- the clock is set back by an hour, and forward again

$pair->sql(<<'SQL');
CREATE OR REPLACE FUNCTION dbsync_internal.scan_mark(owner oid, OUT seen timestamptz, OUT low timestamptz, OUT unsure text) LANGUAGE sql AS $$
    SELECT m.seen - '1 hour'::interval, m.low - '1 hour'::interval, m.unsure FROM dbsync_internal.scan_mark_real(owner) m
$$;
INSERT INTO public.note VALUES (40001, 0, now() - '1 hour'::interval);
SQL
$pair->arrives('scans');
is($pair->target_sql('SELECT count(*) FROM public.note WHERE id = 40001'), '1', 'what was written by a clock that was set back arrives');
ok($source->log_contains(qr/the clock has been set back since table public\.note was scanned last/), 'and the log says so');
$pair->sql("INSERT INTO public.note VALUES (40002, 0, now() - '1 hour'::interval)");
$pair->arrives('scans');
is($pair->target_sql('SELECT count(*) FROM public.note WHERE id = 40002'), '1', 'scans go on by that clock');
$pair->sql('DROP FUNCTION dbsync_internal.scan_mark(oid); ALTER FUNCTION dbsync_internal.scan_mark_real(oid) RENAME TO scan_mark');
$pair->sql('INSERT INTO public.note VALUES (40003, 0, now())');
$pair->arrives('scans');
is($pair->target_sql('SELECT count(*) FROM public.note WHERE id = 40003'), '1', 'and by the right one');

# --- what others do cannot be seen for a while: scans wait, others go on, nothing is lost

sub is_blind
{
	my ($what, $id, $blind, $sight, $error) = @_;

	$writer->query_safe("BEGIN; INSERT INTO public.note VALUES ($id, 0, now())");
	$pair->sql($_) foreach @$blind;
	$pair->status_becomes('scans', "last_error ~ '$error' AND next_action IS NOT NULL", "$what: status says so, and what to do");
	$pair->sql("INSERT INTO public.captured VALUES ($id, 'goes on')");
	ok(becomes_true($pair->target, "SELECT EXISTS (SELECT FROM public.captured WHERE id = $id)"), "$what: captured tables go on");
	$pair->sql("INSERT INTO public.note VALUES ($id + 1, 0, now())");
	is($pair->sql("SELECT dbsync.wait_for('scans', timeout => '300 ms')"), 'f', "$what: wait_for() does not say that all is there");
	$pair->sql($_) foreach @$sight;
	$writer->query_safe('COMMIT');
	$pair->arrives('scans', "$what: it is over");
	is($pair->target_sql("SELECT count(*) FROM public.note WHERE id IN ($id, $id + 1)"), '2', "$what: nothing is lost");
	$pair->status_becomes('scans', 'last_error IS NULL', "$what: status is well again");
	return;
}

is_blind('track_activities off', 50000,
	[ 'ALTER SYSTEM SET track_activities = off', 'SELECT pg_reload_conf()' ],
	[ 'ALTER SYSTEM RESET track_activities', 'SELECT pg_reload_conf()' ],
	'needs "track_activities"');

my $user = getpwuid($<);
$pair->sql(<<"SQL");
CREATE ROLE scanner;
GRANT pg_read_all_stats TO scanner;
GRANT SELECT ON public.note, public.plain TO scanner;
GRANT SELECT, TRIGGER ON public.captured TO scanner;
GRANT USAGE ON FOREIGN SERVER far TO scanner;
CREATE USER MAPPING FOR scanner SERVER far OPTIONS (user '$user', password_required 'false');
DO \$\$ BEGIN EXECUTE format('ALTER FUNCTION dbsync_internal.subscription_%s() OWNER TO scanner', (SELECT id FROM dbsync.subscription)); END \$\$;
SQL
$pair->arrives('scans', 'another owner, who may only SELECT what is scanned');
is_blind('the right to see is lost', 60000,
	[ 'REVOKE pg_read_all_stats FROM scanner' ], [ 'GRANT pg_read_all_stats TO scanner' ],
	'pg_read_all_stats');

# --- who holds scans up is named

$writer->query_safe('BEGIN; SELECT 1');
ok(becomes_true($source, "SELECT bool_and(note ~ 'as the transaction of process [0-9]+ .* has been open since') FROM dbsync.table_status WHERE \"table\" = 'public.note'::regclass"),
	'table_status names the transaction that holds scans up');
$writer->query_safe('COMMIT');

# --- so is who has the table to himself, prepared or not

foreach my $how ('COMMIT', "PREPARE TRANSACTION 'alone'")
{
	my $id = $how eq 'COMMIT' ? 80001 : 80002;

	$pair->sql("INSERT INTO public.note VALUES ($id, 0, now() + '1 min')");
	$writer->query_safe('BEGIN; LOCK TABLE public.note');
	$writer->query_safe($how) if $how ne 'COMMIT';
	my $who = $how eq 'COMMIT' ? 'process [0-9]+' : 'prepared transaction "alone"';
	$pair->status_becomes('scans', "next_action ~ 'Table public\\.note is locked by $who, so it is not scanned\\.'", "$how: status names who has the table locked");
	is($pair->sql("SELECT dbsync.wait_for('scans', timeout => '300 ms')"), 'f', "$how: wait_for() does not say that all is there");
	$writer->query_safe($how eq 'COMMIT' ? $how : "ROLLBACK PREPARED 'alone'");
	$pair->arrives('scans', "$how: scans go on");
	is($pair->target_sql("SELECT count(*) FROM public.note WHERE id = $id"), '1', "$how: it is there");
	$pair->status_becomes('scans', 'next_action IS NULL', "$how: nobody is in the way any more");
}

# --- without anybody who calls: by the interval alone

$pair->sql('INSERT INTO public.note VALUES (70000, 0, now())');
ok(becomes_true($pair->target, 'SELECT EXISTS (SELECT FROM public.note WHERE id = 70000)'), 'the interval has it scanned');
$pair->same_at_both_ends(@tables);

$writer->quit;
$holder->quit;
$pair->stop_subscription('scans');
done_testing();

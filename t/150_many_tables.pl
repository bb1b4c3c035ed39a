# Very many tables in one subscription: they are added in one transaction under the default
# max_locks_per_transaction, triggers go on while fifty of them are written to, the worker is killed
# in the midst, the server restarted, and more tables are written to than the worker keeps looked up.
# Nobody ends in a deadlock, and no writer waits for us longer than install_lock_timeout.
use strict;
use warnings;

use IPC::Run ();
use lib 't';
use DbsyncTest qw(becomes_true poll_until);
use PostgreSQL::Test::Utils;
use Test::More;

# beyond a thousand tables their locks are given back
my $many = $ENV{DBSYNC_TEST_ROUNDS} ? 10_000 : 1_100;
my $written = 50;

my $pair = DbsyncTest->new(source_conf => <<'CONF', target_conf => 'log_lock_waits = on');
dbsync.target_tables = 20
dbsync.retention_interval = '200ms'
dbsync.install_lock_timeout = '1s'
deadlock_timeout = '2s'
log_lock_waits = on
autovacuum = off
fsync = off
CONF
my $source = $pair->source;
my $target = $pair->target;

foreach my $node ($source, $target)
{
	# a few hundred in each transaction, as each takes locks
	foreach my $hundred (0 .. $many / 100 - 1)
	{
		$node->safe_psql('postgres', join '', map { "CREATE TABLE public.t$_ (id int PRIMARY KEY, n int);\n" }
			map { $hundred * 100 + $_ } 1 .. 100);
	}
}
$pair->sql(join '', map { "INSERT INTO public.t$_ SELECT i, $_ FROM generate_series(1, $_ % 7) i;\n" } 1 .. $many);

# What is in each table, line by line.
sub contents
{
	my ($node) = @_;
	return [ split /\n/, $node->safe_psql('postgres', <<'SQL') ];
SELECT c.relname, query_to_xml(format('SELECT count(*) AS n, sum(hashtextextended(t::text, 0)) AS h FROM public.%I t', c.relname), true, true, '')
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^t\d+$' ORDER BY c.oid
SQL
}

sub same_everywhere
{
	my ($test) = @_;
	is_deeply(contents($source), contents($target), $test);
	return;
}

# --- traffic

my $script = $source->basedir . '/traffic.sql';
PostgreSQL::Test::Utils::append_to_file($script, <<"SQL");
\\set t random(1, $written)
\\set id random(1, 20)
\\set n random(1, 1000000)
INSERT INTO public.t:t VALUES (:id, :n) ON CONFLICT (id) DO UPDATE SET n = excluded.n;
SQL
my $traffic;

sub traffic_begins
{
	my $output;
	$traffic = IPC::Run::start(
		[ 'pgbench', '-n', '-c', 4, '-T', 3600, '--rate=200', '-f', $script,
			'-h', $source->host, '-p', $source->port, 'postgres' ], '>&', \$output);
	return;
}

sub traffic_ends
{
	$traffic->kill_kill;
	return;
}

# How many tables are as far, or further.
sub so_many
{
	my ($number, $what, $condition) = @_;
	ok(becomes_true($source, <<"SQL"), "$number tables are $what")
SELECT count(*) >= $number FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id WHERE $condition
SQL
	  or $pair->describe_state("fewer than $number tables are $what");
	return;
}

# --- all of them in one transaction; what is dropped behind the lock's back is left out

my $creator = $source->background_psql('postgres');
$creator->query_safe('SET client_min_messages = warning');
$creator->query_safe('BEGIN');
$creator->query_safe("SELECT dbsync.create_subscription('many', 'far', tables => ARRAY(SELECT format('public.t%s', i) FROM generate_series(1, $many) i))");
$pair->sql("DROP TABLE public.t$many");
$pair->target_sql("DROP TABLE public.t$many");
$creator->query_safe('COMMIT');
$creator->quit;

# --- triggers go on while there is traffic; the worker is killed, and the server restarted

traffic_begins();
$pair->start_subscription('many');
so_many(int($many / 10), 'captured', "c.state = 'active'");
my ($kill) = map { $_->[1] } grep { $_->[0] eq 'the worker' } $pair->victims('many');
$kill->();
traffic_ends();
traffic_begins();
so_many(int($many / 3), 'captured', "c.state = 'active'");
traffic_ends();
$source->restart;
traffic_begins();
so_many(int($many / 2), 'live', "a.state = 'live'");
traffic_ends();
$source->restart;
traffic_begins();
so_many($many - 1, 'live', "a.state = 'live'");
is($pair->sql("SELECT count(*) FROM dbsync.table_status WHERE state <> 'live' OR \"table\"::text !~ 't\\d+\$'"), 0,
	'all are live, and the one that was dropped is in it no more');
is($pair->sql("SELECT count(*) FROM dbsync.captured_table WHERE state <> 'active'"), 0, 'nothing is left of that one');
traffic_ends();
$pair->arrives('many');
same_everywhere('all tables are the same at both ends');

# --- one is taken out, one altered, one added again: the others stay as they are

$pair->both("ALTER TABLE public.t77 ADD COLUMN more text DEFAULT 'so'");
$pair->sql("SELECT dbsync.remove_table('many', 'public.t7')");
$pair->sql("SELECT dbsync.add_table('many', 'public.t7', existing_rows => 'truncate')");
is($pair->sql("SELECT string_agg(\"table\"::text, ', ') FROM dbsync.table_status WHERE state NOT IN ('live', 'held')"), 't7',
	'one table is copied anew, and no other');

# --- a batch with more tables than are kept looked up, and each of them again, by prepared statements

foreach my $n (1 .. 3)
{
	$pair->sql(join ' ', 'BEGIN;', (map { "INSERT INTO public.t$_ (id, n) VALUES (100 + $n, $n); UPDATE public.t$_ SET n = n + 1 WHERE id = 100;" } 1 .. 60), 'COMMIT;');
	$pair->sql(join ' ', map { "INSERT INTO public.t$_ (id, n) VALUES (200 + $n, $n);" } 50 .. 90);
	$pair->arrives('many', "transaction over 60 tables, the ${n}th time");
}
$pair->sql(join ' ', 'BEGIN;', (map { "UPDATE public.t$_ SET n = -n;" } 1 .. 60), 'COMMIT;');
$pair->sql("UPDATE public.t77 SET more = 'otherwise'");
$pair->arrives('many', 'and changes of all their rows');
same_everywhere('all tables are the same again');
is($target->safe_psql('postgres', "SELECT count(*) FROM public.t7"), $pair->sql('SELECT count(*) FROM public.t7'), 'so is the one that was added again');

# --- what is looked up for one table is not looked for among all of them

# Rows of catalogs that are read one after the other, which are more than there are tables as soon as
# one of our queries goes through a catalog that has a row for each.
my @catalogs = qw(pg_class pg_type pg_constraint pg_trigger pg_depend pg_index pg_attribute);
my ($read) = map { "SELECT $_" } join ' + ', map { "pg_stat_get_xact_tuples_returned('pg_catalog.$_'::regclass)" } @catalogs;

$pair->both(join '', map { "CREATE TABLE public.extra$_ (id int PRIMARY KEY, n int);" } 1 .. 8);
cmp_ok($pair->sql("BEGIN; DO 'BEGIN PERFORM dbsync.add_table(''many'', ''public.extra1''); END'; $read; COMMIT"), '<', $many,
	'add_table() does not read a catalog from end to end');
$pair->arrives('many');

cmp_ok($pair->sql("BEGIN; DO 'BEGIN PERFORM FROM dbsync.table_status; PERFORM FROM dbsync.status; PERFORM FROM dbsync.progress; END';"
	  . " SELECT pg_stat_get_xact_tuples_returned('dbsync.subscription_table'::regclass); COMMIT"), '<', 30 * $many, 'views do not go through all tables for each of them');

# Of sessions at the target, which have told all when they have ended: with the look-up of so many
# further tables, and without.
sub read_at_target
{
	my (@further) = @_;
	my $sum = join ' + ', map { "pg_stat_get_tuples_returned('pg_catalog.$_'::regclass)" } @catalogs;

	$target->safe_psql('postgres', 'SELECT pg_stat_reset()');
	$pair->sql("SELECT dbsync.add_table('many', 'public.extra$_')") foreach @further;
	$pair->start_subscription('many');
	$pair->arrives('many');
	stop_and_wait();
	return $target->safe_psql('postgres', "SELECT $sum");
}

sub stop_and_wait
{
	$pair->stop_subscription('many');
	becomes_true($target, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'dbsync%')");
	return;
}

stop_and_wait();
my $without = read_at_target();
cmp_ok(read_at_target(2 .. 8) - $without, '<', 7 * $many, 'nor does the look-up of a target table');
$pair->start_subscription('many');

# --- what the logs say

my $log = PostgreSQL::Test::Utils::slurp_file($source->logfile);
unlike($log, qr/deadlock detected/, 'no deadlock at the source');
unlike(PostgreSQL::Test::Utils::slurp_file($target->logfile), qr/deadlock detected/, 'nor at the target');
unlike($log, qr/still waiting for \w+ on relation/, 'no writer has waited for a table longer than triggers may take');
unlike($log, qr/out of shared memory/, 'there was room for all locks');

# --- it goes as it came

$pair->stop_subscription('many');
$pair->sql("SELECT dbsync.drop_subscription('many')") ;
$pair->finish;

# Segments are emptied while others are about (hazards 21 to 24): long readers,
# locks of pg_dump, long writers, prepared transactions, stopped subscriptions.
# Nobody waits for the emptier, nothing is lost, and what piles up is seen.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until);
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.segment_size = '64kB'
dbsync.retention_interval = '50ms'
CONF
my $source = $pair->source;

$pair->both('CREATE TABLE public.item (id int PRIMARY KEY, t text)');
$pair->subscribe('item', ['public.item']);
$pair->start_subscription('item');
$pair->arrives('item', 'nothing arrives first');

my $next = 1;

# A few hundred kB of changes, in many transactions.
sub write_some
{
	my ($many) = @_;
	foreach (1 .. $many // 10)
	{
		$pair->sql("INSERT INTO public.item SELECT i, repeat('x', 500) FROM generate_series($next, $next + 49) i");
		$next += 50;
	}
	return;
}

sub log_bytes
{
	return $pair->status('item')->{log_bytes};
}

# Tests that the log becomes small while something happens.
sub is_emptied
{
	my ($test) = @_;
	# an empty segment keeps a page of its TOAST index; how many segments there are depends on
	# how fast writers are
	return $pair->status_becomes('item',
		'log_bytes < 150000 + 8192 * (SELECT count(*) FROM dbsync.segment)', $test);
}

# --- in ordinary running the log stays small

my $highest = 0;
foreach (1 .. 20)
{
	write_some(5);
	my $bytes = log_bytes();
	$highest = $bytes if $bytes > $highest;
}
$pair->arrives('item', 'all arrives');
is_emptied('segments are emptied');
$pair->same_at_both_ends('public.item');
ok($pair->sql('SELECT count(*) FROM dbsync.segment WHERE captured_id <> 0') <= 8,
	'segments take turns, they do not become more and more');

# --- a reader in an old snapshot: it is not waited for by anybody

my $reader = $source->background_psql('postgres');
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM public.item');
write_some(20);
$pair->arrives('item', 'all arrives beside a reader in an old snapshot');
is_emptied('segments are emptied beside a reader in an old snapshot');
$reader->quit;

# --- a session that has locked all that there is in ACCESS SHARE, as pg_dump

$reader = $source->background_psql('postgres');
$reader->query_safe(<<'SQL');
BEGIN ISOLATION LEVEL REPEATABLE READ;
DO $$ DECLARE r regclass; BEGIN
  FOR r IN SELECT c.oid::regclass FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname LIKE 'dbsync%' AND c.relkind = 'r'
  LOOP EXECUTE 'LOCK TABLE ' || r || ' IN ACCESS SHARE MODE'; END LOOP;
END $$;
SQL
write_some(20);
$pair->arrives('item', 'all arrives beside locks like those of pg_dump');
$reader->quit;
write_some(20);
$pair->arrives('item', 'all arrives after them');
is_emptied('segments are emptied after them');

# --- a writer that stays open: what it wrote is kept, others go on

my $writer = $source->background_psql('postgres');
$writer->query_safe("BEGIN; INSERT INTO public.item VALUES (-1, 'late')");
write_some(40);
$pair->arrives('item', 'all that is committed arrives beside a long writer');
is_emptied('segments are emptied beside a long writer');
is($pair->target_sql('SELECT count(*) FROM public.item WHERE id = -1'), '0',
	'what is not committed does not arrive');
$writer->query_safe('COMMIT');
$pair->arrives('item', 'the late commit arrives');
is($pair->target_sql('SELECT count(*) FROM public.item WHERE id = -1'), '1',
	'with its row');
$writer->query_safe("BEGIN; INSERT INTO public.item VALUES (-2, 'never')");
write_some(40);
$writer->quit;
$pair->sql("BEGIN; INSERT INTO public.item VALUES (-3, 'prepared'); PREPARE TRANSACTION 'p'");
write_some(40);
$pair->arrives('item', 'all arrives beside a prepared transaction');
$source->restart;
write_some(20);
$pair->sql("COMMIT PREPARED 'p'");
$pair->arrives('item', 'the prepared transaction arrives, after a restart');
$pair->same_at_both_ends('public.item');

# --- a stopped subscription keeps what it has not got, and another one of the
#     same table does not suffer

$source->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$source->safe_psql('elsewhere', 'CREATE TABLE public.item (id int PRIMARY KEY, t text)');
$pair->create_target('near', DbsyncTest::uri_of($source, database => 'elsewhere'));
$pair->subscribe('second', ['public.item'], target => 'near');
$pair->start_subscription('second');
$pair->arrives('second', 'a second subscription of the same table is copied');
$pair->stop_subscription('item');
write_some(60);
$pair->sql('UPDATE public.item SET t = left(t, 100) WHERE id % 3 = 0');
$pair->arrives('second', 'it goes on while the first is stopped');
$pair->status_becomes('item', 'log_bytes > 400000 AND lag_rows IS DISTINCT FROM 0', 'what piles up is seen');
is($source->safe_psql('elsewhere', 'SELECT count(*) FROM public.item'),
	$pair->sql('SELECT count(*) FROM public.item'), 'the second has all');
$pair->start_subscription('item');
$pair->arrives('item', 'the first gets what was kept');
$pair->same_at_both_ends('public.item');
is_emptied('and then it is emptied');

# --- VACUUM FULL of everything moves rows from where headers say they are

$pair->stop_subscription('item');
write_some(5);
$pair->sql('VACUUM FULL');
$pair->start_subscription('item');
$pair->arrives('item', 'all arrives after VACUUM FULL');
$pair->same_at_both_ends('public.item');

# --- a subscription that is dropped no longer holds anything

$pair->stop_subscription('second');
write_some(40);
$pair->sql("SELECT dbsync.drop_subscription('second')");
$pair->arrives('item', 'all arrives');
is_emptied('a dropped subscription holds nothing');

DbsyncTest::finish();

# Hazards 35 and 53: a standby that lacks the last commits is promoted, ids and
# LSNs are used again, and the target knows things that never were.  That is
# refused, for as long as it lasts; an honest synchronous failover is not.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask poll_until);
use PostgreSQL::Test::Cluster;
use Test::More;

my $table = 'CREATE TABLE public.item (id int PRIMARY KEY, t text)';

sub new_pair_with_standby
{
	my ($prefix) = @_;
	my $pair = DbsyncTest->new(prefix => $prefix, streaming => 1);
	my $standby = PostgreSQL::Test::Cluster->new("${prefix}standby");

	$pair->both($table);
	$pair->subscribe('item', ['public.item']);
	$pair->start_subscription('item');
	$pair->sql("INSERT INTO public.item SELECT i, 'before' FROM generate_series(1, 20) i");
	$pair->arrives('item', "$prefix: first rows arrive");
	$pair->source->backup('base');
	$standby->init_from_backup($pair->source, 'base', has_streaming => 1);
	$standby->start;
	$pair->source->wait_for_catchup($standby, 'replay', $pair->source->lsn('insert'));
	return ($pair, $standby);
}

sub write_after_promotion
{
	my ($pair) = @_;

	foreach my $i (101 .. 140)
	{
		$pair->sql("INSERT INTO public.item VALUES ($i, 'new')");
	}
	return;
}

sub is_refused
{
	my ($pair, $test) = @_;
	return $pair->status_becomes('item', "last_error ILIKE '%ahead%' AND next_action IS NOT NULL", $test);
}

# --- the standby lacks commits that the target has

my ($pair, $standby) = new_pair_with_standby('async');
$standby->stop;
foreach my $i (21 .. 40)
{
	$pair->sql("INSERT INTO public.item VALUES ($i, 'lost')");
}
$pair->arrives('item', 'rows arrive that the standby has not seen');
$pair->source->kill9;
$standby->start;
$standby->promote;
$pair->{source} = $standby;
my $before = DbsyncTest::fingerprint($pair->target, 'public.item');

# the ids of the lost transactions are used again, and more
write_after_promotion($pair);
is_refused($pair, 'a target that is ahead of its promoted source is noticed, with what to do');
$pair->sql("INSERT INTO public.item VALUES (141, 'new')");
my $failures = $pair->status('item')->{failures};
$pair->status_becomes('item', "failures > $failures + 2 OR state IN ('stopped', 'failed', 'refused')",
	'it stays refused');
is(DbsyncTest::fingerprint($pair->target, 'public.item'), $before,
	'nothing was written to the target');
is($pair->sql("SELECT dbsync.wait_for('item', timeout => '1 s')"), 'f',
	'wait_for does not claim that the new rows are there');
$pair->source->stop;
$pair->target->stop;

# --- a synchronous standby has all that the target has

($pair, $standby) = new_pair_with_standby('sync');
$pair->sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
$pair->source->reload;
$pair->source->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
foreach my $i (21 .. 40)
{
	$pair->sql("INSERT INTO public.item VALUES ($i, 'kept')");
}
$pair->arrives('item', 'rows arrive that are on the synchronous standby too');
$pair->source->kill9;
$standby->promote;
$standby->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_standby_names');
$standby->reload;
$pair->{source} = $standby;
write_after_promotion($pair);
$pair->arrives('item', 'an honest failover goes on by itself');
$pair->same_at_both_ends('public.item');
$pair->source->stop;
$pair->target->stop;

# --- the standby has the transaction that closed last, but not all that the target's
#     position rests on; the source was writing when the batch was applied, so that
#     not all of its WAL was on disk

sub lose_behind_last
{
	my ($prefix, $before, $behind) = @_;
	my ($pair, $standby) = new_pair_with_standby($prefix);

	$pair->sql('CREATE TABLE public.other (id int)');
	$before->($pair);

	# the batch is held up, so that it begins when all is as it should be
	my $lock = $pair->target->background_psql('postgres');
	$lock->query_safe('BEGIN; LOCK public.item IN EXCLUSIVE MODE');
	$pair->sql("INSERT INTO public.item VALUES (31, 'waits')");
	ok($pair->target->poll_query_until('postgres', 'SELECT count(*) > 0 FROM pg_locks WHERE NOT granted'),
		"$prefix: a batch waits");
	$pair->sql("INSERT INTO public.item VALUES (32, 'closes last')");
	$pair->source->wait_for_catchup($standby, 'replay', $pair->source->lsn('insert'));
	$standby->stop;
	$behind->($pair);
	my $wal_writer = DbsyncTest::freeze_wal_writer($pair->source);
	my $writer = $pair->source->background_psql('postgres');
	$writer->query_safe('BEGIN');
	DbsyncTest::leave_wal_unflushed($pair->source, $writer, 'INSERT INTO public.other VALUES (0)',
		"$prefix: somebody is writing");
	$lock->query_safe('COMMIT');
	$lock->quit;
	ok(poll_until(
			sub { (ask($pair->target, 'SELECT count(*) FROM public.item WHERE id = 32') // '') eq '1' },
			'the batch'),
		"$prefix: the batch arrives");

	$pair->source->kill9;
	kill('KILL', $wal_writer);
	$writer->{run}->kill_kill;
	$standby->start;
	$standby->promote;
	$pair->{source} = $standby;
	return $pair;
}

# ids of others that the position calls finished are handed out again
$pair = lose_behind_last('ids', sub { },
	sub {
		my ($source) = @_;
		$source->sql("INSERT INTO public.other VALUES ($_)") foreach 1 .. 20;
	});
write_after_promotion($pair);
is_refused($pair, 'ids that would be passed over are noticed');
$pair->source->stop;
$pair->target->stop;

# what closed before the last one was committed after it
$pair = lose_behind_last('prepared',
	sub { $_[0]->sql("BEGIN; INSERT INTO public.item VALUES (30, 'prepared'); PREPARE TRANSACTION 'p'"); },
	sub { $_[0]->sql("COMMIT PREPARED 'p'"); });
$pair->sql("ROLLBACK PREPARED 'p'");
write_after_promotion($pair);
is_refused($pair, 'a commit that the promoted standby does not have is noticed');

DbsyncTest::finish();

# What the target has, the source still has after a crash, and no transaction
# afterwards is mistaken for one from before; though what others are writing is not
# waited for.  The batch is held up at the target by a lock, so that the source is in
# a known state when its snapshot is taken; and the WAL writer is frozen, so that
# nothing reaches the source's disk but by a flush that somebody waits for.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask poll_until);
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
autovacuum = off
dbsync.retention_interval = '1h'
CONF
my $next = 1;
my $wal_writer;

$pair->both('CREATE TABLE public.t (id int PRIMARY KEY); CREATE TABLE public.other (id int)');
$pair->subscribe('s', ['public.t']);
$pair->start_subscription('s');
$pair->arrives('s', 'the subscription runs');

sub has
{
	my ($id) = @_;
	return sub { (ask($pair->target, "SELECT count(*) FROM public.t WHERE id = $id") // '') eq '1' };
}

# Transactions that end without anybody's waiting for the disk, one after the other.
sub end_without_flush
{
	my ($end) = @_;

	$pair->sql("SET synchronous_commit = off; BEGIN; INSERT INTO public.other VALUES (1); $end")
	  foreach 1 .. 5;
	return;
}

sub insert
{
	my ($synchronous) = @_;
	my $id = $next++;

	$pair->sql("SET synchronous_commit = $synchronous; INSERT INTO public.t VALUES ($id)");
	return $id;
}

# Have the next batch begin when $do has been done at the source.  What it returns
# is the row to wait for.
sub behind_lock
{
	my ($do) = @_;
	my $session = $pair->target->background_psql('postgres');

	$session->query_safe('BEGIN; LOCK public.t IN EXCLUSIVE MODE');
	insert('on');
	ok(poll_until(
			sub {
				(ask($pair->target, "SELECT count(*) FROM pg_locks WHERE NOT granted") // '') ne '0';
			},
			'the batch waits for the lock'),
		'a batch waits');
	$wal_writer = DbsyncTest::freeze_wal_writer($pair->source);
	my $id = $do->();
	is(DbsyncTest::has_unflushed_wal($pair->source), 't', 'not all of the source is on its disk');
	$session->query_safe('COMMIT');
	$session->quit;
	ok(poll_until(has($id), "row $id"), "row $id arrives");
	return;
}

sub crash_and_go_on
{
	my ($what) = @_;

	# frozen as it is, it would not see that the postmaster has gone
	$pair->source->kill9;
	kill('KILL', $wal_writer);
	# no worker looks around before the next transactions have their ids
	$pair->target->stop;
	DbsyncTest::crash_and_restart($pair->source);
	insert('on') foreach 1 .. 3;
	$pair->target->start;
	$pair->arrives('s', "$what: what follows the crash arrives");
	$pair->same_at_both_ends('public.t');
	return;
}

# --- somebody else's WAL is not waited for, and lost by the crash

my $other = $pair->source->background_psql('postgres');

$other->query_safe('BEGIN; INSERT INTO public.other VALUES (1)');
behind_lock(sub {
	my $id = insert('on');
	$other->query_safe('INSERT INTO public.other VALUES (2)');
	return $id;
});
is(DbsyncTest::has_unflushed_wal($pair->source), 't',
	'a batch does not wait for what an open transaction has written');
$other->{run}->kill_kill;
crash_and_go_on('open transaction');

# --- a transaction that is not on the source's disk is brought there first

behind_lock(sub { insert('off') });
crash_and_go_on('asynchronous commit');

# --- the newest ids that the position calls finished are of transactions that were
#     rolled back: they must not be handed out again

behind_lock(sub {
	my $id = insert('on');
	end_without_flush('ROLLBACK');
	return $id;
});
crash_and_go_on('rolled back transactions');

# --- the newest ones have committed, but nothing of them is on disk

behind_lock(sub {
	my $id = insert('on');
	end_without_flush('COMMIT');
	return $id;
});
crash_and_go_on('asynchronous commits of no interest');

DbsyncTest::finish();

# A6's kind: a worker that crashes each time it begins takes all sessions of the server
# along.  After the second crash in a row its subscription is left stopped, and status
# says why until somebody starts it again.  Crashes of others do not count, nor do those
# of a worker that has got something done in between.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask poll_until);
use Test::More;

my $pair = DbsyncTest->new;
my $source = $pair->source;
my $target = $pair->target;

$pair->both('CREATE TABLE public.item (id int PRIMARY KEY)');
$pair->sql('INSERT INTO public.item VALUES (1)');
$pair->subscribe('item', ['public.item']);
$pair->start_subscription('item');
$pair->arrives('item', 'a subscription runs');

# The worker that is there now, killed; returns when the server is up again.
sub crash_worker
{
	my $pid = $pair->wait_for_worker('item') or return;

	kill('KILL', $pid);
	poll_until(sub { !kill(0, $pid) }, 'end of the worker');
	DbsyncTest::wait_until_up($source);
	return;
}

# --- crashes with something done in between

foreach my $i (2 .. 5)
{
	crash_worker();
	$pair->sql("INSERT INTO public.item VALUES ($i)");
	$pair->arrives('item', "crash with work done before: goes on ($i)");
}

# --- the target's ledger is locked: no worker gets as far as a batch

sub lock_ledger
{
	my $locker = $target->background_psql('postgres');
	$locker->query_safe('BEGIN; LOCK TABLE dbsync_ledger.position');
	return $locker;
}

sub unlock
{
	my ($locker) = @_;
	$locker->query_safe('COMMIT');
	$locker->quit;
	return;
}

sub wait_for_attach
{
	ok(poll_until(
			sub {
				my $pid = $pair->worker_pid('item');
				return defined $pid && ask($target, "SELECT count(*) FROM pg_locks WHERE NOT granted") ne '0';
			}, 'a worker that waits'), 'a worker waits for the ledger');
	return;
}

my $locker = lock_ledger();
crash_worker();
wait_for_attach();
my $backend = ask($source, 'SELECT pid FROM pg_stat_activity WHERE backend_type = \'autovacuum launcher\'');
kill('KILL', $backend);
poll_until(sub { !kill(0, $backend) }, 'end of another process');
DbsyncTest::wait_until_up($source);
wait_for_attach();
# (which of them depends on how long it has waited)
like($pair->status('item')->{state}, qr/^(starting|waiting for target)$/, 'the crash of another process does not count');
unlock($locker);
$pair->arrives('item', 'and it goes on');

$locker = lock_ledger();
crash_worker();
wait_for_attach();
crash_worker();
$pair->status_becomes('item', "state = 'stopped' AND pid IS NULL"
	  . " AND last_error ~ 'crashed twice in a row' AND next_action ~ 'log.*start_subscription'",
	'A6: a worker that has crashed twice in a row is left stopped, and status says what to do');
unlock($locker);
$source->restart;
$pair->status_becomes('item', "state = 'stopped' AND last_error ~ 'crashed twice in a row'",
	'and after a restart, too');
is($pair->sql("SELECT dbsync.wait_for('item', '1 hour')"), 'f', 'nobody waits for it');
$pair->sql('INSERT INTO public.item VALUES (100)');
$pair->start_subscription('item');
$pair->arrives('item', 'started by hand it goes on');
$pair->same_at_both_ends('public.item');
$pair->status_becomes('item', "state = 'running' AND last_error IS NULL AND next_action IS NULL",
	'and nothing is said any more');
$pair->stop_subscription('item');
is(join(' ', glob($source->data_dir . '/pg_stat_tmp/dbsync*')), '', 'no file stays behind');

# --- intervals that no timestamp can follow

$pair->start_subscription('item');
foreach my $interval ('300000 years', '178000000 years', '2147483647 days', '9223372036854775807 microseconds')
{
	$pair->sql("INSERT INTO public.item SELECT max(id) + 1 FROM public.item");
	is($pair->sql("SELECT dbsync.wait_for('item', '$interval')"), 't', "A25: waits for $interval");
}
$pair->stop_subscription('item');
$locker = lock_ledger();
$pair->start_subscription('item');
is($pair->sql("SELECT dbsync.wait_for('item', '$_')"), 'f', "A25: $_ is over at once")
  foreach '0', '-300000 years', '-1 second';
unlock($locker);
$pair->arrives('item', 'all arrives');

DbsyncTest::finish();

# Exactly once, whatever dies: under a load of bank transfers, workers, backends
# and postmasters are killed and connections are cut, some at the very moment
# between a COMMIT and its answer, with synchronous_commit on and off.  At no
# time does a reader of the target see half a transaction, and at the end both
# ends are equal.  Design D7; issue "Tests that must be among them".
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask poll_until random_below uri_of);
use DbsyncTest::Bank;
use DbsyncTest::Proxy;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 3;
my $proxy;
my $pair = DbsyncTest->new(
	source_conf => "dbsync.segment_size = '512kB'\ndbsync.retention_interval = '200ms'",
	uri => sub {
		$proxy = DbsyncTest::Proxy->new($_[0]->target);
		return uri_of($_[0]->target, tcp_port => $proxy->port);
	});
my $bank = DbsyncTest::Bank->open_bank($pair);

$pair->subscribe('bank', \@DbsyncTest::Bank::tables);
$pair->start_subscription('bank');
$pair->arrives('bank', 'the first copy arrives');
$bank->start_reader;
$bank->start_load(synchronous_commit => 'on', rate => 100);
$bank->start_load(synchronous_commit => 'off', rate => 100);

sub failures
{
	return ask($pair->source, 'SELECT failures FROM dbsync.status') || 0;
}

# Each accident returns when it has happened; that things go on afterwards is
# tested for all of them alike.
my %accidents = (
	'kill -9 of the worker' => sub {
		my $pid = $pair->wait_for_worker('bank') or return;
		kill('KILL', $pid);
		poll_until(sub { !kill(0, $pid) }, 'end of the worker');
		DbsyncTest::wait_until_up($pair->source);
	},
	'termination of the worker' => sub {
		my $pid = $pair->wait_for_worker('bank') or return;
		ask($pair->source, "SELECT pg_terminate_backend($pid)");
	},
	'kill -9 of a backend of the target' => sub {
		my @pids;
		poll_until(sub { @pids = $pair->applying_pids }, 'a backend of the worker') or return;
		kill('KILL', $pids[0]);
		poll_until(sub { !kill(0, $pids[0]) }, 'end of the backend');
		DbsyncTest::wait_until_up($pair->target);
	},
	'kill -9 of the source' => sub { DbsyncTest::crash_and_restart($pair->source); },
	'kill -9 of the target' => sub { DbsyncTest::crash_and_restart($pair->target); },
	'kill -9 of both' => sub {
		$pair->target->kill9;
		DbsyncTest::crash_and_restart($pair->source);
		DbsyncTest::crash_and_restart($pair->target);
	},
	'loss of answers to COMMIT' => sub {
		my $before = $proxy->cuts;
		my $times = 1 + random_below(4);
		$proxy->lose_answers($times);
		poll_until(sub { $proxy->cuts >= $before + $times }, 'lost answers')
		  or $pair->describe_state('no answer was lost');
		$proxy->pass;
	},
	'loss of an answer, and kill -9 of the worker' => sub {
		my $before = $proxy->cuts;
		$proxy->lose_answers(1);
		poll_until(sub { $proxy->cuts > $before }, 'lost answer');
		my $pid = $pair->worker_pid('bank');
		kill('KILL', $pid) if $pid;
		DbsyncTest::wait_until_up($pair->source);
		$proxy->pass;
	},
	'cuts anywhere' => sub {
		my $before = $proxy->cuts;
		$proxy->cut_anywhere(15);
		poll_until(sub { $proxy->cuts >= $before + 8 }, 'cuts')
		  or $pair->describe_state('no connection was cut');
		$proxy->pass;
	},
	'a network that is away' => sub {
		my $failures = failures();
		$proxy->refuse;
		poll_until(sub { failures() > $failures + 2 }, 'failures');
		$proxy->pass;
	});

ROUND:
foreach my $round (1 .. $rounds)
{
	foreach my $accident (sort { rand() <=> 0.5 } sort keys %accidents)
	{
		$accidents{$accident}->();
		# if it stands still once, it stands still
		ok($bank->make_progress(60), "round $round: goes on after $accident") or last ROUND;
	}
}

$bank->stop_load;
$bank->balances('bank');
$bank->stop_reader;

DbsyncTest::finish();

# Hazard 25, from the other side: the worker itself is frozen in the middle of
# its work and wakes up when somebody else has taken over.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until random_below);
use DbsyncTest::Bank;
use PostgreSQL::Test::Cluster;
use Test::More;

my $pair = DbsyncTest->new;
my $bank = DbsyncTest::Bank->open_bank($pair);

$pair->subscribe('bank', \@DbsyncTest::Bank::tables);
$pair->start_subscription('bank');
$pair->arrives('bank', 'the first copy arrives');
$bank->start_reader;
$bank->start_load(rate => 150);

# --- a frozen worker is still the only one

foreach my $round (1 .. 3)
{
	my $worker = $pair->wait_for_worker('bank');

	kill('STOP', $worker);
	$bank->newest_moves($pair->source, random_below(60));
	my ($status, $rows, $error) = $pair->source->psql('postgres',
		"SELECT dbsync.run_once('bank')");
	isnt($status, 0, "round $round: run_once is refused while a frozen worker has the subscription");
	like($error, qr/bank/, "round $round: and says why");
	kill('CONT', $worker);
	ok($bank->make_progress(40), "round $round: the worker goes on when it wakes up");
	is($pair->worker_pid('bank'), $worker, "round $round: and is the same one");
}

# --- frozen past its successor's start: its postmaster is killed, the files go
#     on under another one, as when a storage fails over to another machine

foreach my $round (1 .. 2)
{
	my $old = $pair->source;
	my $worker = $pair->wait_for_worker('bank');

	$bank->newest_moves($old, random_below(60));
	kill('STOP', $worker);
	$old->kill9;
	$bank->stop_clients;
	$old->backup_fs_cold('frozen');
	my $successor = PostgreSQL::Test::Cluster->new("successor$round");
	$successor->init_from_backup($old, 'frozen');
	$successor->start;
	$pair->{source} = $successor;
	isnt($pair->wait_for_worker('bank'), $worker, "round $round: a successor starts");
	$bank->start_load(rate => 150);
	ok($bank->make_progress(40), "round $round: the successor goes on");
	kill('CONT', $worker);
	ok(poll_until(sub { !kill(0, $worker) }, 'end of the frozen worker'),
		"round $round: the frozen worker ends when it wakes up");
	ok($bank->make_progress(40), "round $round: the successor is not disturbed");
}

$bank->stop_load;
$bank->balances('bank');
$bank->stop_reader;

DbsyncTest::finish();

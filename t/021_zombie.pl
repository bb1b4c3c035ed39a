# Hazard 25: the batch of a killed worker lies in the socket of a target backend
# that is slow to read it, while the successor goes on.  When that backend wakes
# up, the batch must not be applied, neither a second time nor over newer rows.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until random_below socket_holds_input uri_of);
use DbsyncTest::Bank;
use Test::More;

my $pair = DbsyncTest->new(
	target_conf => "listen_addresses = '127.0.0.1'",
	uri => sub { uri_of($_[0]->target, tcp_port => $_[0]->target->port) });

sub kill_worker
{
	my ($name) = @_;
	my $pid = $pair->wait_for_worker($name);
	kill('KILL', $pid);
	poll_until(sub { !kill(0, $pid) }, 'end of the worker');
	DbsyncTest::wait_until_up($pair->source);
	return;
}

sub wait_for_backend
{
	my @pids;
	poll_until(sub { @pids = $pair->applying_pids }, 'a backend of the worker')
	  or BAIL_OUT('no worker is connected to the target');
	return $pids[0];
}

sub wait_for_end_of
{
	my ($pid) = @_;
	return poll_until(
		sub {
			$pair->target_sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") eq '0';
		},
		'end of the backend');
}

# --- a whole batch waits in the socket; applied values are noted by a trigger
#     that fires for replicas too

$pair->both('CREATE TABLE public.hot (id int PRIMARY KEY, v int)');
$pair->target_sql(<<'SQL');
CREATE TABLE public.applied (no bigserial, v int);
CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO public.applied (v) VALUES (NEW.v); RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON public.hot
	FOR EACH ROW EXECUTE FUNCTION public.note();
ALTER TABLE public.hot ENABLE ALWAYS TRIGGER note;
SQL
$pair->sql('INSERT INTO public.hot VALUES (1, 0)');
$pair->subscribe('hot', ['public.hot']);
$pair->start_subscription('hot');
$pair->arrives('hot', 'the first copy arrives');

foreach my $round (1 .. 4)
{
	my ($old, $new, $last) = map { 10 * $round + $_ } 1 .. 3;

	# prepared statements and small batches are warm
	$pair->sql("UPDATE public.hot SET v = 10 * $round");
	$pair->arrives('hot', "round $round: an ordinary batch arrives");
	my $zombie = wait_for_backend();
	kill('STOP', $zombie);
	$pair->sql("UPDATE public.hot SET v = $old");
	ok(poll_until(sub { socket_holds_input($pair->target->port) }, 'a batch in the socket'),
		"round $round: a batch waits in the socket of a backend that is stopped");
	kill_worker('hot');
	$pair->sql("UPDATE public.hot SET v = $new");
	$pair->arrives('hot', "round $round: the successor goes on");
	is($pair->target_sql('SELECT v FROM public.hot'), $new, "round $round: its row is there");
	my $batch = $pair->target_sql('SELECT max(batch) FROM dbsync_ledger.position');
	kill('CONT', $zombie);
	ok(wait_for_end_of($zombie), "round $round: the old backend ends");
	is($pair->target_sql('SELECT v FROM public.hot'), $new,
		"round $round: the old batch is not applied");
	ok($pair->target_sql('SELECT max(batch) FROM dbsync_ledger.position') >= $batch,
		"round $round: the ledger does not go back");
	$pair->sql("UPDATE public.hot SET v = $last");
	$pair->arrives('hot', "round $round: what follows arrives");
	is($pair->target_sql('SELECT v FROM public.hot'), $last, "round $round: the last row is there");
}
is($pair->target_sql(<<'SQL'), '0', 'no value was applied twice or after a later one');
SELECT count(*) FROM public.applied a
WHERE EXISTS (SELECT FROM public.applied b WHERE b.no > a.no AND b.v <= a.v)
SQL

# --- the backend is stopped anywhere, perhaps inside a transaction that holds
#     the ledger's row: then the successor waits for it

my $bank = DbsyncTest::Bank->open_bank($pair);
$pair->subscribe('bank', \@DbsyncTest::Bank::tables);
$pair->stop_subscription('hot');
$pair->start_subscription('bank');
$pair->arrives('bank', 'the first copy of the bank arrives');
$bank->start_reader;
$bank->start_load(rate => 150, synchronous_commit => 'off');
foreach my $round (1 .. 6)
{
	my $zombie = wait_for_backend();

	kill('STOP', $zombie);
	# it is stopped; the worker goes as far as it can without it
	$bank->newest_moves($pair->source, random_below(60));
	kill_worker('bank');
	poll_until(sub { grep { $_ != $zombie } $pair->applying_pids }, 'the successor')
	  or $pair->describe_state('no successor');
	$bank->newest_moves($pair->source, random_below(60));
	kill('CONT', $zombie);
	ok($bank->make_progress(40), "round $round: goes on after a stopped backend woke up");
}
$bank->stop_load;
$bank->balances('bank');
$bank->stop_reader;

DbsyncTest::finish();

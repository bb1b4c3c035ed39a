# The first copy, while writers write: it survives the death of either side,
# does not copy again what it has copied, and ends equal.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until random_below uri_of);
use DbsyncTest::Bank;
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.copy_chunk_rows = 2000
dbsync.segment_size = '512kB'
dbsync.retention_interval = '200ms'
CONF
my $bank = DbsyncTest::Bank->open_bank($pair);

# a table of some size, with a key that is not in the order of the file, and
# changes that move rows across the boundary of what is copied
my $rows = 120_000;
$pair->both('CREATE TABLE public.wide (a text, b int, v int, PRIMARY KEY (b, a))');
$pair->sql("INSERT INTO public.wide SELECT md5(i::text), i % 1000, 0 FROM generate_series(1, $rows) i");

my @tables = (@DbsyncTest::Bank::tables, 'public.wide');
$pair->subscribe('bank', \@tables);

# what the ledger says of copied rows, whole and by table
sub copied
{
	return ask($pair->target, 'SELECT coalesce(sum(rows), 0) FROM dbsync_ledger.position');
}

sub all_live
{
	my $live = ask($pair->source, "SELECT bool_and(state = 'live') FROM dbsync.table_status");
	return ($live // '') eq 't';
}

$bank->start_load(rate => 100);
$bank->start_load(rate => 50, synchronous_commit => 'off');
my $mover = DbsyncTest::Bank::start_process(
	sub {
		my $command = <<'SQL';
UPDATE public.wide SET b = 999 - b, v = v + 1 WHERE a LIKE substr(md5(random()::text), 1, 2) || '%';
DELETE FROM public.wide WHERE a LIKE substr(md5(random()::text), 1, 4) || '%';
INSERT INTO public.wide SELECT md5(random()::text), i, 1 FROM generate_series(1, 900, 100) i
  ON CONFLICT DO NOTHING;
SQL
		my @psql = ('psql', '-Xq', '-h', $pair->source->host, '-p', $pair->source->port, 'postgres');
		$ENV{PGAPPNAME} = 'bank';
		open(my $in, '|-', @psql) or return;
		print $in $command x 20;
		close($in);
	});
push @{ $bank->{loads} }, $mover;

$pair->start_subscription('bank');

# --- kill something each time the copy has moved on

my @accidents = (
	[ 'the worker' => sub {
			my $pid = $pair->worker_pid('bank') or return;
			kill('KILL', $pid);
			poll_until(sub { !kill(0, $pid) }, 'end of the worker');
			DbsyncTest::wait_until_up($pair->source);
		} ],
	[ 'a backend of the target' => sub {
			my ($pid) = $pair->applying_pids or return;
			kill('KILL', $pid);
			poll_until(sub { !kill(0, $pid) }, 'end of the backend');
			DbsyncTest::wait_until_up($pair->target);
		} ],
	[ 'the source' => sub { DbsyncTest::crash_and_restart($pair->source) } ],
	[ 'the target' => sub { DbsyncTest::crash_and_restart($pair->target) } ]);

my $copied = 0;
foreach my $i (0 .. 7)
{
	last if all_live();
	my ($name, $accident) = @{ $accidents[ $i % @accidents ] };
	my $goal = $copied + 1 + random_below(8000);
	poll_until(sub { (copied() // 0) >= $goal || all_live() }, "$goal copied rows")
	  or $pair->describe_state('the copy does not move on');
	my $before = copied() // $copied;
	$accident->();
	my $after;
	poll_until(sub { defined($after = copied()) }, 'the ledger');
	ok($after >= $before, "killing $name: nothing that is copied is copied again")
	  or diag("copied rows went from $before to $after");
	$copied = $after;
}
ok(poll_until(\&all_live, 'end of the copy'), 'the copy ends under load')
  or $pair->describe_state('still copying');

$bank->start_reader;
ok($bank->make_progress(100), 'changes flow after the copy');
$bank->stop_load;
$bank->balances('bank');
$pair->same_at_both_ends('public.wide');
$bank->stop_reader;

# --- a table that joins later, and one that is copied anew

$pair->both('CREATE TABLE public.late (id int PRIMARY KEY, t text)');
$pair->sql("INSERT INTO public.late SELECT i, 'x' FROM generate_series(1, 10000) i");
$pair->sql("SELECT dbsync.add_table('bank', 'public.late')");
$pair->arrives('bank', 'a table that joins later is copied');
$pair->same_at_both_ends('public.late');
$pair->target_sql('DELETE FROM public.late WHERE id % 2 = 0');
$pair->sql("SELECT dbsync.copy_table('bank', 'public.late')");
$pair->sql("UPDATE public.late SET t = 'y' WHERE id < 100");
$pair->arrives('bank', 'copy_table copies anew');
$pair->same_at_both_ends('public.late');

# --- a worker that ends between the target's commit and its note of it: the next
#     one makes up for the note, though nothing is left to copy

$pair->both('CREATE TABLE public.noted (id int PRIMARY KEY)');
$pair->sql('INSERT INTO public.noted SELECT generate_series(1, 5000)');
$pair->stop_subscription('bank');
$pair->sql("SELECT dbsync.add_table('bank', 'public.noted')");
my $locker = $pair->source->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE dbsync.subscription_table IN SHARE MODE');
$pair->start_subscription('bank');
ok(becomes_true($pair->target, 'SELECT count(*) = 5000 FROM public.noted'), 'all of a table is copied');
my $worker = $pair->wait_for_worker('bank');
$pair->sql("SELECT pg_terminate_backend($worker)");
poll_until(sub { my $pid = $pair->worker_pid('bank'); $pid && $pid != $worker }, 'the next worker');
$locker->query_safe('COMMIT');
$locker->quit;
ok(poll_until(\&all_live, 'the note'), 'the next worker notes that it is live')
  or $pair->describe_state('no note');

DbsyncTest::finish();

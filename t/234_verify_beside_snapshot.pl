# verify() beside tables with capture => 'snapshot': run_once() compares them whoever else has the subscription verified, and verify() has
# none of them compared anew, by itself or in the round that it has begin.  And what is written down of errors shows no values of rows
# to who only watches (pg_monitor).
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until);
use DbsyncTest::Verifying qw(finish_psql start_and_stop start_psql verify);
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(source_conf => "dbsync.poll_interval = '100ms'\ndbsync.retry_max = '500ms'");
my $source = $pair->source;
my $target = $pair->target;
my @tables = ('public.large', 'public.compared');

$pair->both('CREATE TABLE public.large (id int PRIMARY KEY, v text); CREATE TABLE public.compared (id int PRIMARY KEY, v text)');
$pair->sql("INSERT INTO public.large SELECT i, repeat('v', 20) FROM generate_series(1, 150000) i;"
	  . " INSERT INTO public.compared SELECT i, 'v' || i FROM generate_series(1, 100) i");
$pair->subscribe('sub', ['public.large']);
$pair->sql(q(SELECT dbsync.add_table('sub', 'public.compared', capture => 'snapshot', options => '{"scan": "interval 1 day"}')));
$pair->sql("SELECT dbsync.run_once('sub')");
$pair->same_at_both_ends(@tables);

# --- run_once() compares, also where a process of verify()'s is about

$pair->target_sql("UPDATE public.compared SET v = 'theirs' WHERE id < 10");
my ($verifying, $process) = start_and_stop($pair, 'verdict');
ok($process, 'a verify() of a stopped subscription is stopped in the middle');
my $first = $pair->worker_pid('sub');
ask($source, "SELECT pg_terminate_backend($first)") if $first;
ok(poll_until(sub { ($pair->worker_pid('sub') // '') eq '' }, 'end of the worker that was there for it'), 'the worker that was there for it has ended');
my $run = start_psql($source, "SELECT dbsync.run_once('sub') > 0");
ok(poll_until(sub { ($pair->worker_pid('sub') // '') ne '' }, 'a worker of run_once()'), 'run_once() has another one');
ok(becomes_true($target, "SELECT count(*) = 0 FROM public.compared WHERE v = 'theirs'"), 'which compares');
kill('CONT', $process);
finish_psql($verifying);
finish_psql($run);
is($run->{out}, "t\n", 'run_once() has sent what differed') or diag($run->{err});
$pair->same_at_both_ends(@tables);

# the other way round: a worker that is there for verify() compares nothing by itself
$pair->target_sql("UPDATE public.compared SET v = 'theirs' WHERE id < 10");
is_deeply(verify($pair, "'sub', 'public.compared'")->{compared}[0], 'different', 'verify() of a stopped subscription says what differs');
is($pair->target_sql("SELECT count(*) FROM public.compared WHERE v = 'theirs'"), 9, 'and has nothing sent');

# --- verify() has nothing compared anew

my $last_run = 'SELECT s.run FROM dbsync_internal.scan s';

sub nothing_compared
{
	my ($id, $what) = @_;
	my $before = $pair->sql($last_run);

	$pair->sql("INSERT INTO public.large VALUES ($id, 'new')");
	my $verdicts = verify($pair, "'sub'");
	is($verdicts->{large}[0], 'equal', "$what: what is captured is sent, and equal");
	is($verdicts->{compared}[0], 'equal', "$what: what is compared is looked at");
	# whatever the worker was to begin it has begun before it sends this
	$pair->sql("UPDATE public.large SET v = 'newer' WHERE id = $id");
	is(verify($pair, "'sub', 'public.large'")->{large}[0], 'equal', "$what: once more");
	is($pair->sql("SELECT ($last_run) = '$before' AND NOT EXISTS (SELECT FROM dbsync.verify_status)"), 't', "$what: and not compared anew");
	return;
}

$pair->start_subscription('sub');
$pair->arrives('sub');
nothing_compared(200001, 'at once');
$pair->sql("SELECT dbsync.alter_subscription('sub', policy => 'interval 1 day')");
$pair->arrives('sub');
nothing_compared(200002, 'in rounds');
$pair->sql("INSERT INTO public.large VALUES (200003, 'x'); UPDATE public.compared SET v = 'mine' WHERE id = 5");
$pair->arrives('sub', 'who waits has them compared');
$pair->same_at_both_ends(@tables);

DbsyncTest::finish();

# The worker's memory does not grow with what it moves, nor with how often it
# fails: one transaction of millions of rows, many small ones on many tables, and
# a thousand failing batches and more.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until rss_of);
use Test::More;

# scripts/check has memory filled as it is allocated and freed: a block that a context
# has reserved would count as used at once
delete $ENV{MALLOC_PERTURB_};

# README says the same number
my $limit_kb = 64 * 1024;
my $long = $ENV{DBSYNC_TEST_ROUNDS};
my $rows = $ENV{DBSYNC_TEST_ROWS} // ($long ? 3_000_000 : 1_000_000);
my $failing = $ENV{DBSYNC_TEST_FAILURES} // ($long ? 2000 : 700);

my $pair = DbsyncTest->new(source_conf => "dbsync.retry_max = '10ms'");
$pair->both('CREATE TABLE public.big (id int PRIMARY KEY, t text)');
$pair->subscribe('big', ['public.big']);
$pair->start_subscription('big');
$pair->arrives('big', 'nothing arrives first');

# Highest size of the worker, in kB, seen while waiting for a state of the target.
sub highest_until
{
	my ($condition, $what) = @_;
	my $highest = 0;

	ok(poll_until(
			sub {
				my $size = rss_of($pair->worker_pid('big') // 0) // 0;
				$highest = $size if $size > $highest;
				return $condition->();
			},
			$what), $what);
	return $highest;
}

# Wait for a state of the target, that $what describes; what the worker does for it,
# $name, needs no more memory than it may.
sub stays_bounded
{
	my ($name, $what, $condition) = @_;
	my $highest = highest_until($condition, $what);

	note("worker's anonymous memory during $name: $highest kB");
	ok($highest < $limit_kb, "$name: memory stays below $limit_kb kB")
	  or diag("highest: $highest kB");
}

# --- one transaction of each kind; what the update and the delete leave is
#     compared row by row

my $third = int($rows / 3);
foreach my $step (
	[ 'insert', "INSERT INTO public.big SELECT i, md5(i::text) FROM generate_series(1, $rows) i" ],
	[ 'update', "UPDATE public.big SET t = 'changed ' || t WHERE id <= $third" ],
	[ 'delete', "DELETE FROM public.big WHERE id > 1000 AND id % 30 <> 0" ])
{
	my ($name, $statement) = @$step;

	$pair->sql($statement);
	$pair->sql("INSERT INTO public.big VALUES (-1, '$name') ON CONFLICT (id) DO UPDATE SET t = EXCLUDED.t");
	stays_bounded($name, "$name of many rows arrives",
		sub { $pair->target_sql("SELECT count(*) FROM public.big WHERE id = -1 AND t = '$name'") eq '1' });
}
$pair->same_at_both_ends('public.big');

# --- small transactions, whose rows come with their headers: 100 MB of them, of
#     twenty tables, which all are in one cut

my @many = map { "public.m$_" } 1 .. 20;
$pair->both("CREATE TABLE $_ (id int PRIMARY KEY, t text)") foreach @many;
$pair->sql("SELECT dbsync.add_table('big', '$_')") foreach @many;
$pair->arrives('big', 'twenty tables are added');
$pair->sql("SELECT dbsync.stop_subscription('big')");
$pair->sql(<<'SQL');
SET synchronous_commit = off;
DO $$
BEGIN
	FOR i IN 1..80000 LOOP
		EXECUTE format('INSERT INTO public.m%s VALUES (%s, %L)', 1 + i % 20, i, repeat(md5(i::text), 39));
		IF i % 40 > 30 THEN
			EXECUTE format('UPDATE public.m%s SET id = -id WHERE id = %s', 1 + i % 20, i);
		END IF;
		COMMIT;
	END LOOP;
END $$;
SQL
$pair->start_subscription('big');
stays_bounded('small transactions', 'small transactions arrive',
	sub { $pair->target_sql('SELECT count(*) FROM public.m1') eq '4000' });
$pair->arrives('big', 'all of them');
$pair->same_at_both_ends(@many);

# --- failing batches: after the first few hundred, one more leaves nothing
#     behind (a quarter of a kB for each would be noticed)

$pair->target_sql("ALTER TABLE public.big ADD CONSTRAINT never CHECK (id > -10)");
$pair->sql("INSERT INTO public.big SELECT -i, repeat('x', 200) FROM generate_series(2, 20) i");
$pair->fails_often('big', 300, 'batches fail');
my $worker = $pair->wait_for_worker('big');
my $early = rss_of($worker);
$pair->fails_often('big', $failing, 'batches have failed');
my $late = rss_of($pair->wait_for_worker('big'));
note("worker's anonymous memory after 300 failures: $early kB, after $failing: $late kB");
is($pair->worker_pid('big'), $worker, 'it is the same worker');
ok($late < $early + ($failing - 300) / 4, 'failures leave nothing behind')
  or diag("after 300 failures $early kB, after $failing $late kB");
$pair->target_sql('ALTER TABLE public.big DROP CONSTRAINT never');
$pair->arrives('big', 'and it recovers');
$pair->same_at_both_ends('public.big');

DbsyncTest::finish();

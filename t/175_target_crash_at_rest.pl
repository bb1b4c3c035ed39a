# A target that crashes loses what it has committed last: batches commit there without waiting for its disk, and the
# ledger goes with them. Nobody writes at the source any more, so nothing calls the worker; it finds out by itself,
# and brings again what a round had brought, whatever the policy says of the next one.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until);
use Test::More;

my @policies = ('immediate', 'manual', 'rows 1000000', 'cron 0 0 29 2 *');
my @tables = map { "public.t$_" } 1 .. @policies;

# the target's own WAL writer would have it on disk too soon
my $pair = DbsyncTest->new(
	source_conf => "dbsync.retention_interval = '5s'\ndbsync.retry_max = '500ms'",
	target_conf => "wal_writer_delay = '10s'\nwal_writer_flush_after = '1GB'");
my $lost = 0;

$pair->both("CREATE TABLE $_ (id int PRIMARY KEY, v text)") foreach @tables;
foreach my $n (1 .. @policies)
{
	$pair->subscribe("s$n", ["public.t$n"], policy => DbsyncTest::quoted($policies[ $n - 1 ]));
	$pair->start_subscription("s$n");
	$pair->arrives("s$n", "$policies[$n - 1]: the first copy arrives");
}

sub everything_is_there
{
	my ($test) = @_;

	ok(poll_until(sub { $pair->target_sql(join(' UNION ALL ', map { "SELECT count(*) FROM $_" } @tables)) eq
				$pair->sql(join(' UNION ALL ', map { "SELECT count(*) FROM $_" } @tables)) }, $test), $test)
	  or $pair->describe_state($test);
	return $pair->same_at_both_ends(@tables);
}

foreach my $round (1 .. 3)
{
	$pair->sql("INSERT INTO public.t$_ SELECT $round * 1000 + i, 'round $round' FROM generate_series(1, 50) i") foreach 1 .. @policies;
	$pair->arrives("s$_", "round $round: $policies[$_ - 1] arrives") foreach 1 .. @policies;
	$pair->same_at_both_ends(@tables);
	$pair->target->stop('immediate');
	$pair->target->start;
	$lost += $pair->target_sql("SELECT count(*) FROM public.t$_") < 50 * $round foreach 1 .. @policies;
	everything_is_there("round $round: what the crash has taken is brought again");
}
note("tables that had lost rows, as seen after the restarts: $lost");

# whoever had it run once is told that all is there, and no worker is left that would look
$pair->stop_subscription('s1');
foreach my $round (1 .. 3)
{
	$pair->sql("UPDATE public.t1 SET v = 'run $round'");
	$pair->sql("SELECT dbsync.run_once('s1')");
	$pair->target->stop('immediate');
	$pair->target->start;
	$pair->same_at_both_ends('public.t1');
}

$pair->finish;

# Neither who writes bundles nor who receives them needs memory that grows with what goes: transactions of a million rows, in files of a size that makes
# many of them.  Hazard 25 of files.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask poll_until rss_of);
use DbsyncTest::Receiving;
use Test::More;

# as in t/050: a block that a context has reserved would count as used at once
delete $ENV{MALLOC_PERTURB_};

my $limit_kb = 64 * 1024;
my $rows = $ENV{DBSYNC_TEST_ROWS} // ($ENV{DBSYNC_TEST_ROUNDS} ? 3_000_000 : 1_000_000);
my $pair = DbsyncTest::Receiving->new(gate => 'part_size=1MB');

$pair->both('CREATE TABLE public.big (id int PRIMARY KEY, t text)');
$pair->subscribe('big', ['public.big'], target => 'gate');
$pair->start_subscription('big');
$pair->start_receiver;
$pair->travels('big', 'nothing goes first');

my $third = int($rows / 3);
foreach my $step (
	[ 'insert', "INSERT INTO public.big SELECT i, md5(i::text) FROM generate_series(1, $rows) i" ],
	[ 'update', "UPDATE public.big SET t = 'changed ' || t WHERE id <= $third" ],
	[ 'delete', 'DELETE FROM public.big WHERE id > 1000 AND id % 30 <> 0' ])
{
	my ($name, $statement) = @$step;
	my %highest = (sender => 0, receiver => 0);

	$pair->sql($statement);
	$pair->sql("INSERT INTO public.big VALUES (-1, '$name') ON CONFLICT (id) DO UPDATE SET t = EXCLUDED.t");
	ok(poll_until(
			sub {
				my %pid = (sender => $pair->worker_pid('big'), receiver => $pair->receiver->{pid});
				foreach my $who (keys %pid)
				{
					my $size = rss_of($pid{$who} // 0) // 0;
					$highest{$who} = $size if $size > $highest{$who};
				}
				$pair->carry;
				return (ask($pair->target, "SELECT count(*) FROM public.big WHERE id = -1 AND t = '$name'") // '') eq '1';
			},
			"$name of many rows"), "$name of many rows goes over");
	foreach my $who (sort keys %highest)
	{
		note("anonymous memory of the $who during $name: $highest{$who} kB");
		cmp_ok($highest{$who}, '>', 0, "$name: the $who was looked at");
		cmp_ok($highest{$who}, '<', $limit_kb, "$name: memory of the $who stays below $limit_kb kB");
	}
}
cmp_ok($pair->sql("SELECT max(part) FROM dbsync.bundles('big')"), '>', 10, 'a batch goes over many files');
$pair->same_at_both_ends('public.big');

$pair->finish;

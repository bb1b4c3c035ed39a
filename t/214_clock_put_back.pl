# A clock that went ahead, and was put back, at the sending side: times that have not come are in names, marks and files of the outbox. What is missing is sent again
# all the same, also to a receiver that says nothing; what is repeated goes again; another chain is begun by the clock. A receiver says that the source's clock is ahead.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted);
use DbsyncTest::Io;
use DbsyncTest::Outbox;
use DbsyncTest::Receiving;
use File::Copy ();
use PostgreSQL::Test::Utils;
use Test::More;

my $io = DbsyncTest::Io->new;
my $pair = $io->around(sub {
	DbsyncTest::Receiving->new(gate => 'receivers=in&resend_after=500ms', receiver => { options => "'{\"gap_after\": \"1ms\", \"expect_every\": \"1 day\"}'" });
});
my $ahead = 400 * 86400;
my $n = 0;

$pair->both('CREATE TABLE public.t (id int PRIMARY KEY, v text)');
$pair->subscribe('s', ['public.t'], target => 'gate');
$pair->start_subscription('s');
$pair->start_receiver;
$pair->travels('s', 'the first copy');
my $uid = $pair->sql("SELECT uid FROM dbsync.subscription WHERE name = 's'");
my $keep = "$pair->{out_root}/keep/$uid";

sub one_more
{
	$n++;
	$pair->sql("INSERT INTO public.t VALUES ($n, 'v')");
	$pair->arrives('s', "row $n is out");
	return;
}

sub newest
{
	my @files = sort glob("$keep/*.tar");
	return $files[-1];
}

# Receipts go back, and what is out goes over, until the receiver has all.
sub comes_through
{
	my ($test) = @_;
	my $there = poll_until(
		sub {
			foreach my $receipt (glob("$pair->{in_root}/receipts/*.receipt"))
			{
				File::Copy::copy($receipt, "$pair->{out_root}/receipts/.r");
				rename("$pair->{out_root}/receipts/.r", "$pair->{out_root}/receipts/r" . int(rand(1e9)));
			}
			$pair->carry;
			return (ask($pair->target, 'SELECT count(*) FROM public.t') // '') eq "$n";
		},
		$test);
	ok($there, $test) or diag(ask($pair->source, 'SELECT to_json(s) FROM dbsync.status s'));
	return;
}

# --- what was lost was sent again at a time that has not come
one_more();
unlink $pair->outgoing;
one_more();
comes_through('a gap is filled');
one_more();
unlink $pair->outgoing;
one_more();
my ($lost) = (newest() =~ /(\d+)-0*(\d+)\.tar/) ? "resent $1 " . ($2 - 1) . ' 1 ' . int((time() - 946684800 + $ahead) * 1e6) : '';
$pair->stop_subscription('s');
my $receipts = DbsyncTest::Outbox::slurp("$keep/receipts") =~ s/^resent.*\n//gmr =~ s/^receipt \d+ /'receipt ' . int((time() - 946684800 + $ahead) * 1e6) . ' '/egmr;
open(my $out, '>', "$keep/receipts") or die $!;
print $out "$receipts$lost\n";
close($out);
$pair->start_subscription('s');
comes_through('a gap is filled that was seen to at a time that has not come');

# --- a receiver that says nothing, and a bundle of a time that has not come, on a file server whose clock is still ahead
$pair->stop_receiver;
$io->rules('utimensat keep/ 0');
one_more();
utime(time() + $ahead, time() + $ahead, newest());
unlink $pair->outgoing;
ok(poll_until(sub { scalar($pair->outgoing) }, 'out'), 'what nobody has acknowledged goes out again');
cmp_ok((stat newest())[9], '<=', time(), 'and is of now');
$io->no_rules;
$pair->start_receiver;
comes_through('it comes through');

# --- another chain by the clock, where the last one has the name of a time that has not come
$pair->sql("SELECT dbsync.alter_target('gate', options => '{\"receivers\": null, \"full_every\": \"2 s\", \"repeats\": 1}')");
my $chain = time() + $ahead;
$pair->sql("SELECT dbsync.restart_chain('s', $chain)");
ok(becomes_true($pair->source, "SELECT max(chain) > $chain FROM dbsync.bundles('s')"), 'another chain is begun');
$pair->sql("SELECT dbsync.alter_target('gate', options => '{\"full_every\": null}')");
$pair->stop_subscription('s');
$pair->start_subscription('s');
$pair->arrives('s', 'it is out');

# --- repeats
comes_through('all that is out');
$pair->stop_subscription('s');
open($out, '>', "$keep/repeated") or die $!;
print $out int((time() - 946684800 + $ahead) * 1e6);
close($out);
utime(time() - 5, time() - 5, newest());
$pair->start_subscription('s');
ok(poll_until(sub { scalar($pair->outgoing) }, 'out'), 'what is to be repeated goes out again');

# --- the receiver goes by the source's clock
$pair->stop_receiver;
$pair->target_sql("UPDATE dbsync.receiver SET \"time\" = clock_timestamp() + interval '400 days'");
$pair->start_receiver;
$pair->receiver_becomes("next_action ~ 'The source''s clock is ahead'", 'a receiver says that the source\'s clock is ahead');
$pair->same_at_both_ends('public.t');

$pair->finish;

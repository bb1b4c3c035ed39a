# Transfers between accounts travel in files through a gateway that drops, doubles, reorders, delays and tears them, and changes bits of some, while receiver,
# sender and both servers are killed. The target's sum is right at every look, and both ends are equal in the end. With receipts that go back; and without a way
# back, where each bundle is published again (repeats), and another chain begins by the clock (full_every).
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted random_below);
use DbsyncTest::Receiving;
use DbsyncTest::Server qw(crash_and_restart wait_until_up);
use File::Copy qw(copy);
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 12;
my $accounts = 50;
my $pair = DbsyncTest::Receiving->new(
	gate => 'receivers=in&resend_after=1%20s&heartbeat=1%20s&part_size=64%20kB',
	receiver => { options => q('{"gap_after": "100 ms", "receipt_every": "1 s", "settle_after": "0"}') });

$pair->both('CREATE TABLE public.account (id int PRIMARY KEY, balance bigint, note text); CREATE TABLE public.log (id bigint PRIMARY KEY, a int, b int, amount int, filler text)');
$pair->sql("INSERT INTO public.account SELECT i, 1000, repeat('n', 3000) FROM generate_series(1, $accounts) i");
$pair->subscribe('s', [qw(public.account public.log)], target => 'gate');
$pair->start_subscription('s');
$pair->start_receiver;
$pair->travels('s', 'the first copy');
$pair->same_at_both_ends(qw(public.account public.log));

my $id = 0;

sub transfer
{
	my ($n) = @_;
	my $sql = '';

	for (1 .. $n)
	{
		my ($a, $b, $amount) = (1 + random_below($accounts), 1 + random_below($accounts), random_below(100));
		my $filler = random_below(3000);
		$id++;
		$sql .= "BEGIN; UPDATE public.account SET balance = balance - $amount WHERE id = $a; UPDATE public.account SET balance = balance + $amount WHERE id = $b;"
		  . " INSERT INTO public.log VALUES ($id, $a, $b, $amount, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, $filler / 32) i)); COMMIT;\n";
	}
	$pair->source->psql('postgres', $sql);
	return;
}

# What a bad gateway does: each file goes, is lost, goes twice, later, or torn or changed before it goes, or in its place.
my @later;
my $way_back = 1;
my $flipped = 0;

sub flip
{
	my ($file) = @_;
	open(my $in, '<:raw', $file) or return;
	my $bytes = do { local $/; <$in> };
	substr($bytes, random_below(length $bytes), 1) ^= chr(1 << random_below(8));
	open(my $out, '>:raw', $pair->inbox . '/.flipped') or die $!;
	print $out $bytes;
	close $out;
	rename($pair->inbox . '/.flipped', $pair->inbox . '/flipped-' . ++$flipped) or die $!;
	return;
}

sub gateway
{
	foreach my $file (@later, $pair->outgoing)
	{
		my $what = random_below(10);
		next unless -e $file;
		if ($what == 0) { unlink $file; next; }
		if ($what == 1) { push @later, $file; next; }
		if ($what == 2)
		{
			open(my $in, '<:raw', $file) or next;
			read($in, my $bytes, 1 + random_below(-s $in));
			open(my $out, '>:raw', $pair->inbox . '/torn-' . random_below(1000)) or die $!;
			print $out $bytes;
			close $out;
		}
		if ($what == 5) { flip($file); next if random_below(2); }
		if ($what == 3) { $pair->put($file, 'twin-' . random_below(100000)); }
		$pair->put($file, $what == 4 ? 'other-' . random_below(100000) : undef);
		unlink $file;
	}
	@later = grep { -e $_ } @later;
	return unless $way_back;
	foreach my $receipt (DbsyncTest::Receiving::files_of("$pair->{in_root}/receipts"))
	{
		copy($receipt, "$pair->{out_root}/receipts/.tmp") && rename("$pair->{out_root}/receipts/.tmp", "$pair->{out_root}/receipts/r") if random_below(3) > 0;
	}
	return;
}

sub kill_pid { my ($pid) = @_; kill('KILL', $pid) if defined $pid && $pid =~ /^\d+$/; return; }

my %kill = (
	receiver => sub { kill_pid($pair->receiver->{pid}); wait_until_up($pair->target) },
	sender => sub { kill_pid($pair->worker_pid('s')); wait_until_up($pair->source) },
	target => sub { crash_and_restart($pair->target) },
	source => sub { crash_and_restart($pair->source) },
	backend => sub { my @pids = $pair->applying_pids; kill_pid($pids[0]); wait_until_up($pair->target) });
my @victims = sort keys %kill;
my $wrong = 0;

sub storm
{
	my ($round) = @_;
	my $victim = $victims[ ($round - 1) % @victims ];

	for (1 .. 4)
	{
		transfer(1 + random_below(15));
		gateway();
		my $sum = ask($pair->target, 'SELECT sum(balance) FROM public.account');
		$wrong++ if defined $sum && $sum ne '' && $sum != 1000 * $accounts;
	}
	note("round $round: $victim is killed");
	$kill{$victim}->();
	return;
}
storm($_) foreach 1 .. $rounds;
is($wrong, 0, 'the sum was right at every look');

# the gateway comes to its senses
my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
$pair->arrives('s', 'all is out');
my $reached = 0;
until ($reached || time() > $deadline)
{
	$pair->carry;
	$pair->put($_), unlink($_) foreach grep { -e $_ } @later;
	foreach my $receipt (DbsyncTest::Receiving::files_of("$pair->{in_root}/receipts"))
	{
		copy($receipt, "$pair->{out_root}/receipts/.tmp") && rename("$pair->{out_root}/receipts/.tmp", "$pair->{out_root}/receipts/r");
	}
	$reached = (ask($pair->target, 'SELECT count(*) FROM public.log') // '') eq $pair->sql('SELECT count(*) FROM public.log');
	select(undef, undef, undef, 0.2);
}
ok($reached, 'what was lost was asked for, and came') or diag(ask($pair->target, 'SELECT to_json(r) FROM dbsync.receivers r') // '');
$pair->same_at_both_ends(qw(public.account public.log));
like($pair->receiver->{state}, qr/^(idle|receiving|waiting for number)/, 'the receiver is well');

# --- with no way back: what is lost for good is healed by the clock
$way_back = 0;
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"receivers": null, "repeats": "2", "resend_after": "1 s", "full_every": "8 s"}')});
storm($_) foreach 1 .. int(($rounds + 1) / 2);
is($wrong, 0, 'the sum was right at every look, with no way back');
my $chain = $pair->sql("SELECT chain FROM dbsync.subscription WHERE name = 's'");
unlink @later;
ok(poll_until(sub { $pair->sql("SELECT chain > $chain FROM dbsync.subscription WHERE name = 's'") eq 't' }, 'another chain'), 'another chain begins by the clock');
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"full_every": null}')});
$pair->travels('s', 'which has all, as the gateway has come to its senses');
$pair->same_at_both_ends(qw(public.account public.log));
my @refused = grep { !/\.txt$/ } DbsyncTest::Receiving::files_of("$pair->{in_root}/rejected");
cmp_ok(scalar(@refused), '>', 0, "$flipped files were changed, and refused") if $flipped > 5;

$pair->finish;

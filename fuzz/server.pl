# Fuzz a throwaway server; called by scripts/fuzz.
#
# usage: server.pl option=value ... SCENARIO
#
# psql, host, port, log, reports, wire (folder for a socket), save (folder for what was found),
# seconds, seed, rounds (0: until time is up).  Last line: "SCENARIO: N runs, M crashes".
use strict;
use warnings;

use Cwd ();
use File::Basename ();
use lib Cwd::abs_path(File::Basename::dirname(__FILE__));

use DbsyncFuzz::Pair;
use DbsyncFuzz::Scenarios;
use DbsyncFuzz::Wire;

my %option = map { /^(\w+)=(.*)$/ ? ($1 => $2) : () } @ARGV;
my $name = $ARGV[-1];
my $scenario = $DbsyncFuzz::Scenarios::scenarios{$name} or die "no such scenario: $name\n";
my $end = time() + $option{seconds};
my $rounds = $option{rounds} || 0;
my $enough = 5;
my $crashes = 0;
my $pair;
my $wire;

$| = 1;
chdir('/');

# The target is reached through a wire, where its answers are to be changed.
sub address
{
	my $host = $option{host};

	if ($name eq 'answers')
	{
		$wire = DbsyncFuzz::Wire->new(listen => "$option{wire}/.s.PGSQL.$option{port}",
			server => "$host/.s.PGSQL.$option{port}", log => "$option{wire}/lies");
		$host = $option{wire};
	}
	return "postgresql://postgres@/target?host=$host&port=$option{port}";
}

sub save
{
	my ($seed, $what, $trouble) = @_;
	my $file = "$option{save}/$name-$seed";

	open(my $out, '>', $file) or die "cannot write $file: $!\n";
	print $out "-- $what-- FUZZ_SEED=$seed scripts/fuzz 1 $name\n";
	print $out map { "-- $_\n" } split /\n/, $trouble // '';
	print $out @{ $pair->{history} };
	if ($wire && open(my $lies, '<', "$option{wire}/lies"))
	{
		print $out map { "-- wire: $_" } grep { /^seed $seed\d,/ } <$lies>;
	}
	close($out);
	return;
}

# Once more with a server that has been through something, and may be about to go down only now.
sub recover
{
	foreach my $try (1 .. 10)
	{
		return if eval {
			$pair->revive() or die "the server does not come back\n";
			$wire->lie(0) if $wire;
			$pair->build();
			$scenario->{begin}->($pair);
			$pair->skip_log();
			1;
		};
		sleep(1);
	}
	die "the server does not come back: $@";
}

sub round
{
	my ($seed) = @_;
	my $what = '';
	my $trouble;

	srand($seed);
	$pair->{history} = [];
	eval { $scenario->{round}->($pair, $seed); 1 } or $what = $@;
	$trouble = $pair->trouble();
	return if $what eq '' && !defined $trouble;
	$crashes++;
	print "$name, seed $seed: $what", $trouble // '', "\n";
	save($seed, $what || "see the server's log\n", $trouble);
	recover();
	return;
}

$pair = DbsyncFuzz::Pair->new(%option, uri => address());
$pair->{wire} = $wire;
$scenario->{begin}->($pair);
for (my $n = 0; $rounds > 0 ? $n < $rounds : time() < $end; $n++)
{
	round($option{seed} + $n);
	if ($crashes >= $enough)
	{
		print "$name: $enough crashes are enough\n";
		last;
	}
}
$pair->close();
$wire->close() if $wire;
print "$name: $pair->{runs} runs, $crashes crashes\n";

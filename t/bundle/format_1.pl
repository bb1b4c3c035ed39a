# Makes t/data/bundles anew: bundles of format 1 that t/200_bundles_format.pl must always be able to read. Run by hand only (docs/testing.md says
# when); a release's bundles stay as they were written.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask);
use DbsyncTest::Bundle qw(run_tool slurp spew);
use DbsyncTest::Kept;
use File::Copy qw(copy);
use PostgreSQL::Test::Utils;
use Test::More;

my $kept = 't/data/bundles';
my $work = PostgreSQL::Test::Utils::tempdir_short();
my $pair = DbsyncTest->new(source_only => 1, source_conf => 'dbsync.copy_chunk_rows = 3');

mkdir $_ foreach 't/data', $kept, "$kept/plain", "$kept/sealed";
unlink glob("$kept/*/*.tar");
my ($made, $said) = run_tool($work, qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=test -keyout key.pem -out certificate.pem));
die $said unless $made;
spew("$kept/identity.pem", slurp("$work/key.pem") . slurp("$work/certificate.pem"));
$pair->create_target('plain', "file://$work/plain");
$pair->create_target('sealed', "file://$work/sealed?recipients=$work/certificate.pem");

$pair->sql($DbsyncTest::Kept::tables);
$pair->sql($DbsyncTest::Kept::first_rows);
$pair->subscribe('plain', [qw(public.kinds public.seat public.entry)], target => 'plain', ddl => "'apply'");
$pair->subscribe('sealed', ['public.seat'], target => 'sealed');
$pair->start_subscription($_) foreach 'plain', 'sealed';
foreach my $change (undef, @DbsyncTest::Kept::changes)
{
	$pair->sql($change) if $change;
	$pair->arrives($_) foreach 'plain', 'sealed';
}
foreach my $target ('plain', 'sealed')
{
	spew("$kept/$target.pub", ask($pair->source, "SELECT dbsync.public_key('$target')") . "\n");
	my $n = 0;
	copy($_, sprintf('%s/%s/%03d.tar', $kept, $target, ++$n)) or die $! foreach sort glob("$work/$target/out/*.tar");
}
spew("$kept/$_.txt", DbsyncTest::Kept::text_of($pair->source, $_)) foreach qw(kinds seat entry);
$pair->finish;

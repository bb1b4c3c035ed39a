# The root or the inbox of a receiver is moved away as it works: it makes them anew, says so until something good comes, and goes on; also when the old one is
# put back.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask poll_until);
use DbsyncTest::Receiving;
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest::Receiving->new;
my $n = 0;

$pair->both('CREATE TABLE public.t (id int PRIMARY KEY)');
$pair->subscribe('s', ['public.t'], target => 'gate');
$pair->start_subscription('s');
$pair->start_receiver;
$pair->travels('s', 'the first copy');
$pair->receiver_becomes("state = 'idle' AND next_action IS NULL", 'all is well');

foreach my $folder ($pair->inbox, $pair->{in_root})
{
	rename($folder, "$folder.away") or die $!;
	$pair->receiver_becomes("next_action ~ 'The inbox was not there, and was made anew'", "$folder has gone: it says so");
	ok(poll_until(sub { -d $pair->inbox }, 'inbox'), 'and has made another one');
	$n++;
	$pair->sql("INSERT INTO public.t VALUES ($n)");
	$pair->travels('s', 'what comes then');
	$pair->receiver_becomes("state = 'idle' AND next_action IS NULL", 'and all is well');
	# it may make another one in between
	ok(poll_until(sub { system('rm', '-rf', $folder); rename("$folder.away", $folder) }, 'the old one'), 'the old one is put back');
	$n++;
	$pair->sql("INSERT INTO public.t VALUES ($n)");
	$pair->travels('s', 'when it is put back');
	$pair->same_at_both_ends('public.t');
}
like(PostgreSQL::Test::Utils::slurp_file($pair->target->logfile), qr/WARNING:  the inbox of receiver "in" was not there, and is made anew/, 'the log has it, too');
$pair->stop_receiver;
$pair->finish;

#!/usr/bin/perl
# The most memory of its own that a process has had: rss.pl PID
#
# Looks each 10 ms at RssAnon, which leaves out pages of shared_buffers, until the
# process ends or this one is told to (TERM).  Prints kB.
use strict;
use warnings;
use Time::HiRes qw(usleep);

my ($pid) = @ARGV;
my $most = 0;
my $told = 0;

$SIG{TERM} = sub { $told = 1 };
until ($told)
{
	# it may have ended meanwhile
	open(my $file, '<', "/proc/$pid/status") or last;
	while (my $line = <$file>)
	{
		$most = $1 if $line =~ /^RssAnon:\s*(\d+)/ && $1 > $most;
	}
	close($file);
	usleep(10_000);
}
print "$most\n";

#!/usr/bin/perl
# CPU seconds that servers have used since they started: cpu.pl DATADIR ...
#
# A server is its postmaster and the postmaster's children.  The postmaster's own
# line in /proc has the time of the children that have ended and were waited for;
# those that live are added.
use strict;
use warnings;
use POSIX ();

my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());
my %postmaster;
my $sum = 0;

foreach my $folder (@ARGV)
{
	open(my $file, '<', "$folder/postmaster.pid") or die "$folder: $!\n";
	chomp(my $pid = <$file>);
	$postmaster{$pid} = 1;
}

foreach my $path (glob '/proc/[0-9]*/stat')
{
	# it may have ended meanwhile
	open(my $file, '<', $path) or next;
	my $line = <$file> // next;
	# the name in parentheses may have spaces
	my ($pid, $rest) = $line =~ /^(\d+) \(.*\) (.*)$/ or next;
	# of state, ppid, ...: utime stime cutime cstime are fields 14 to 17
	my @field = split / /, $rest;

	if ($postmaster{$pid})
	{
		$sum += $field[11] + $field[12] + $field[13] + $field[14];
	}
	elsif ($postmaster{ $field[1] })
	{
		$sum += $field[11] + $field[12];
	}
}
printf "%.2f\n", $sum / $ticks;

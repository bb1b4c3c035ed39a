#!/usr/bin/perl
# When files get their names: appear.pl PREFIX NUMBER
#
# They are called PREFIX, a number in twelve digits, .tar, and come in the order of
# their numbers, from NUMBER on.  Prints each number and the time at which it was
# there; looks each 0.1 ms, until told to end (TERM).
use strict;
use warnings;
use Time::HiRes qw(time usleep);

my ($prefix, $number) = @ARGV;
my $told = 0;

$SIG{TERM} = sub { $told = 1 };
until ($told)
{
	if (-e sprintf('%s%012d.tar', $prefix, $number))
	{
		printf "%d %.6f\n", $number, time;
		$number++;
	}
	else
	{
		usleep(100);
	}
}

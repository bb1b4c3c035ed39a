#!/usr/bin/perl
# What growth.gp draws: growth.pl GROWTH_TSV OUTPUT
#
# Three blocks (batch time after consumed rows, drain time, memory), each with
# lines of: size median least most.
use strict;
use warnings;
use FindBin;
use File::Basename qw(dirname);
use lib "$FindBin::Bin/lib";
use Measurements;

my ($tsv, $output) = @ARGV;
my $data = Measurements->new(dirname($tsv));

open(my $out, '>', $output) or die "$output: $!\n";
foreach my $pattern (qr/^batch after (\d+) consumed rows$/, qr/^drain of (\d+) rows$/,
	qr/^memory while draining (\d+) rows$/)
{
	my %work = map { /$pattern/ ? ($1 => $_) : () } $data->works('growth');
	foreach my $size (sort { $a <=> $b } keys %work)
	{
		my @values = $data->values('growth', $work{$size}, 'dbsync');
		printf $out "%s %s %s %s\n", $size, Measurements::median(@values),
			Measurements::least(@values), Measurements::most(@values);
	}
	# two empty lines end a block
	print $out "\n\n";
}
close($out) or die "$output: $!\n";

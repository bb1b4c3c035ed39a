#!/usr/bin/env perl
# Draws the house: a box for each room of docs/arrows.txt, and an arrow for each pair that may
# be included, but for those that a longer way says already.
#
# usage: perl docs/house.pl > docs/house.svg
use strict;
use warnings;

use File::Basename qw(dirname);

# what a room is for, in the words of docs/design.md
my %purpose = (
	'extension' => 'the ground: settings, catalog, shared memory',
	'extension/log' => 'what captured things look like on disk',
	'extension/capture' => 'from a statement to the log',
	'extension/ddl' => 'judging DDL',
	'extension/selection' => 'columns and filters that were chosen',
	'worker/types' => 'what values are at other databases',
	'worker/driver' => 'the contract',
	'worker/driver/postgres' => 'one driver',
	'worker/driver/file' => 'the driver that records',
	'worker/driver/module' => 'source that modules share',
	'worker/driver/sqlite' => 'a driver that is a module',
	'worker/bundle' => 'batches as files that prove themselves',
	'worker/receive' => 'playing them to a target',
	'worker/verify' => 'comparing both ends, while they work',
	'worker' => 'what its rooms share',
	'worker/source' => 'what changed, and reading it',
	'worker/copy' => 'first copies',
	'worker/batch' => 'the life of a batch',
	'worker/upkeep' => 'installing capture, emptying segments',
	'worker/run' => 'the process',
	'worker/control' => 'what users\' sessions ask of workers');

my ($width, $height, $gap_x, $gap_y, $margin) = (250, 46, 40, 34, 20);

sub read_rooms
{
	my %rooms;
	open my $fh, '<', dirname(__FILE__) . '/arrows.txt' or die "arrows.txt: $!\n";
	while (my $line = <$fh>)
	{
		next if $line !~ /^([^#\s]\S*):\s*(.*)$/;
		$rooms{$1} = { map { $_ => 1 } split ' ', $2 };
	}
	close $fh;
	return %rooms;
}

my %rooms = read_rooms();

# How many arrows there are, at most, from a room down to one that includes nothing.
sub depth
{
	my ($room) = @_;
	my $deepest = -1;
	foreach my $below (keys %{ $rooms{$room} })
	{
		my $depth = depth($below);
		$deepest = $depth if $depth > $deepest;
	}
	return $deepest + 1;
}

# Is it also reached by way of another room?
sub is_detour
{
	my ($from, $to) = @_;
	return scalar grep { $_ ne $to && $rooms{$_}{$to} } keys %{ $rooms{$from} };
}

sub escape
{
	my ($text) = @_;
	$text =~ s/&/&amp;/g;
	$text =~ s/</&lt;/g;
	return $text;
}

# What runs in users' sessions alone on the left, drivers and files on the right, modules behind them, all else between.
sub column
{
	my ($room) = @_;
	return $room =~ m{^extension/(capture|ddl|selection)} ? 0 : $room =~ m{/driver/(module|sqlite)$} ? 4 : $room =~ m{/(bundle|receive|file|types)$} ? 3 : $room =~ m{/(driver|verify)} ? 2 : 1;
}

my (%place, %row);
push @{ $row{ depth($_) } }, $_ foreach sort keys %rooms;
my ($top) = sort { $b <=> $a } keys %row;
foreach my $depth (keys %row)
{
	my %taken;
	foreach my $room (@{ $row{$depth} })
	{
		my $column = column($room);
		die "two rooms in one place: $room\n" if $taken{$column}++;
		$place{$room} = [ $margin + $column * ($width + $gap_x), $margin + ($top - $depth) * ($height + $gap_y) ];
	}
}

my $total_x = 2 * $margin + 5 * ($width + $gap_x) - $gap_x;
my $total_y = 2 * $margin + ($top + 1) * ($height + $gap_y) - $gap_y;

print <<"SVG";
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $total_x $total_y" font-family="sans-serif" font-size="13">
<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#557"/></marker></defs>
<rect width="$total_x" height="$total_y" fill="#ffffff"/>
SVG
foreach my $from (sort keys %rooms)
{
	foreach my $to (sort keys %{ $rooms{$from} })
	{
		next if is_detour($from, $to);
		# an arrow to another column leaves on that side, so that it passes between boxes
		my $side = (column($to) <=> column($from)) * 0.4;
		my ($x1, $y1) = ($place{$from}[0] + $width * (0.5 + $side), $place{$from}[1] + $height);
		my ($x2, $y2) = ($place{$to}[0] + $width * (0.5 - $side), $place{$to}[1]);
		print qq{<line x1="$x1" y1="$y1" x2="$x2" y2="$y2" stroke="#557" stroke-width="1.2" marker-end="url(#tip)"/>\n};
	}
}
foreach my $room (sort keys %rooms)
{
	my ($x, $y) = @{ $place{$room} };
	my $fill = $room =~ /driver/ ? '#fdf0d8' : $room =~ /^worker/ ? '#e3edf9' : '#e6f3e6';
	my $middle = $x + $width / 2;
	my $first = $y + 19;
	my $second = $y + 36;
	print qq{<rect x="$x" y="$y" width="$width" height="$height" rx="5" fill="$fill" stroke="#557"/>\n};
	print qq{<text x="$middle" y="$first" text-anchor="middle" font-weight="bold">$room/</text>\n};
	print qq{<text x="$middle" y="$second" text-anchor="middle" font-size="11">}, escape($purpose{$room} // die "what is $room for?\n"), "</text>\n";
}
print "</svg>\n";

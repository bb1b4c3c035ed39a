#!/usr/bin/perl
# From raw measurements to tables: report.pl RESULTS_FOLDER RESULTS_MD [SHEET README]
#
# Reads all *.tsv and machine.txt of the folder and writes the tables of
# results.md; and puts one line per piece of work between <!-- bench:begin --> and
# <!-- bench:end --> of the sheet (docs/bench.md), and some of them, with their
# ranges, into the README.  Everything is computed from the measurements, also
# whether what must be reached was reached: ratios are taken within a round, where
# both sides had the same machine, and their median counts.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/lib";
use Measurements;
use Requirements;

my ($folder, $file, $sheet, $readme) = @ARGV;
die "usage: report.pl RESULTS_FOLDER RESULTS_MD [SHEET README]\n"
	unless defined $file && defined $sheet == defined $readme;
my $data = Measurements->new($folder);

my %system_name = (
	dbsync => 'dbsync', native => 'native', slony => 'Slony-I', pgq => 'PgQ',
	pglogical => 'pglogical', plpgsql => 'PL/pgSQL', uncaptured => 'uncaptured',
	without => 'without event triggers',
	'bare text' => 'bare COPY, text', 'bare binary' => 'bare COPY, binary');
my @system_order = (
	'10 tables', 'a tenth', 'all tables',
	'uncaptured', 'bare text', 'bare binary', 'dbsync', 'without', 'dbsync, 2 connections',
	'native', 'slony', 'pgq', 'pglogical', 'plpgsql', 'pgcopydb',
	'bare COPY TO', 'zstd -1', 'live', 'into bundles', 'received', 'zstd and psql', 'fsync and rename', 'openssl',
	'plain', 'encrypted', 'sender', 'receiver', 'alone', 'beside files');

sub name_of { return $system_name{ $_[0] } // $_[0]; }

# Three digits that count, and thousands kept together.
sub number
{
	my ($x) = @_;

	# no "-0.000"
	$x = 0 if abs($x) < 0.0005;
	my $digits = abs($x) >= 100 ? 0 : abs($x) >= 10 ? 1 : abs($x) >= 1 ? 2 : 3;
	my $text = sprintf("%.*f", $digits, $x);

	1 while $text =~ s/^(-?\d+)(\d{3})/$1 $2/;
	return $text;
}

# median (min…max) unit
sub cell
{
	my ($part, $work, $system, $short) = @_;
	my @values = $data->values($part, $work, $system) or return '';
	my $unit = $data->unit($part, $work);
	my $text = number(Measurements::median(@values));

	$text .= sprintf(" (%s…%s)", number(Measurements::least(@values)), number(Measurements::most(@values)))
		unless $short || @values < 2;
	return "$text $unit";
}

sub row
{
	return '| ' . join(' | ', @_) . " |\n";
}

sub header
{
	return row(@_) . '|' . '---|' x @_ . "\n";
}

# One word for a requirement's outcome.
sub reached
{
	my ($check) = @_;
	return $check->{ok} ? 'yes' : '**no**';
}

sub ratio_text
{
	my ($check) = @_;
	return "$check->{what}: " . number($check->{value}) . ($check->{unit} // '');
}

sub limit_text
{
	my ($check) = @_;
	return ($check->{at_least} ? '≥ ' : '≤ ') . number($check->{limit}) . ($check->{unit} // '');
}

sub part_table
{
	my ($part) = @_;
	my %there = map { $_ => 1 } $data->systems($part);
	my @systems = grep { $there{$_} } @system_order;
	my $text = header('work', map { name_of($_) } @systems);

	foreach my $work ($data->works($part))
	{
		my @cells = map { cell($part, $work, $_) } @systems;
		$text .= row($work, @cells);
	}
	return $text;
}

sub requirements_table
{
	my ($part, @checks) = @_;
	my $text = header('work', 'measured', 'range', 'must reach', 'reached');

	foreach my $check (@checks)
	{
		my $range = $check->{values} && @{ $check->{values} } > 1
			? number(Measurements::least(@{ $check->{values} })) . '…' . number(Measurements::most(@{ $check->{values} }))
			: '';
		$text .= row($check->{work}, ratio_text($check), $range, limit_text($check), reached($check));
	}
	return $text;
}

sub results
{
	my $text = <<'TEXT';
# Results

Written by `scripts/bench`; `docs/bench.md` says what is measured and how to read it. Each cell is the median of the rounds
and, in parentheses, the least and the most. Ratios are taken within each round; the range is that of the rounds.

TEXT
	my %all = map { $_ => 1 } $data->parts;

	$text .= "## Machine\n\n" . header('what', 'value');
	$text .= row(@$_) foreach $data->machine;
	foreach my $part (grep { $all{$_} } Requirements::parts())
	{
		my @checks = Requirements::of($data, $part);
		my @missing = grep { my $s = $_; !grep { $_ eq $s } $data->systems($part) } Requirements::peers($part);

		$text .= "\n## $part\n\n" . Requirements::title($part) . "\n\n" . part_table($part);
		$text .= "\nNot available in this run: " . join(', ', map { name_of($_) } @missing) . ".\n" if @missing;
		$text .= "\n" . requirements_table($part, @checks) if @checks;
	}
	$text .= "\n![growth](growth.svg)\n" if $all{growth};
	return $text;
}

# Columns of the sheet that are not one of these go to the last one, with names.
my @summary_columns = ([ 'uncaptured', 'bare text' ], ['dbsync'], ['native'], ['slony'], ['pgq'], ['pglogical']);

sub summary_row
{
	my ($part, $work, @checks) = @_;
	my $shown = $checks[0]{shown} // $work;
	my %used = map { $_ => 1 } map { @$_ } @summary_columns;
	my @cells;

	foreach my $column (@summary_columns)
	{
		my ($text) = grep { $_ ne '' } map { cell($part, $shown, $_, 1) } @$column;
		push @cells, $text // '';
	}
	push @cells, join(', ', map { name_of($_) . ' ' . cell($part, $shown, $_, 1) }
		grep { !$used{$_} && cell($part, $shown, $_, 1) ne '' } @system_order);
	return row("$part: $work", @cells, join('<br>', map { ratio_text($_) } @checks),
		join('<br>', map { limit_text($_) } @checks), join('<br>', map { reached($_) } @checks));
}

sub summary
{
	my $text = header('work', 'uncaptured / bare', 'dbsync', 'native', 'Slony-I', 'PgQ', 'pglogical', 'others',
		'measured', 'must reach', 'reached');
	my %all = map { $_ => 1 } $data->parts;

	foreach my $part (grep { $all{$_} } Requirements::parts())
	{
		my %checks;
		my @works;
		foreach my $check (Requirements::of($data, $part))
		{
			push @works, $check->{work} unless $checks{ $check->{work} };
			push @{ $checks{ $check->{work} } }, $check;
		}
		$text .= summary_row($part, $_, @{ $checks{$_} }) foreach @works;
	}
	return "$text\nMedians of " . circumstances() . ". " . outcome()
		. "\nRanges and all the rest: `bench/results.md`.\n";
}

sub outcome
{
	my %all = map { $_ => 1 } $data->parts;
	my @checks = map { Requirements::of($data, $_) } grep { $all{$_} } Requirements::parts();

	return sprintf("Of %d goals %d were reached.", scalar(@checks), scalar(grep { $_->{ok} } @checks));
}

sub circumstances
{
	my %machine = map { @$_ } $data->machine;
	my ($fewest, $most) = $data->rounds;
	my $rounds = $fewest == $most ? $most : "$fewest to $most";

	return sprintf("%s rounds on %s, %s cores, %s, %s", $rounds, $machine{CPU} // '?',
		$machine{cores} // '?', $machine{memory} // '?', $machine{date} // '?');
}

# What the README has of it: part, work, what it is called there, and the others.
my @speed = (
	[ 'capture_bulk', 'narrow insert', 'INSERT of a million rows', 'slony', 'plpgsql' ],
	[ 'capture_oltp', 'tps, 4 clients, sync off', 'pgbench, 4 clients, capture alone', 'slony', 'plpgsql' ],
	[ 'sustained', 'tps', 'pgbench, 4 clients, and a target on the same two cores that follows' ],
	[ 'drain', 'updates', 'a backlog of a million updated rows', 'pglogical' ],
	[ 'latency', 'p50, sync on', 'from COMMIT to the row being seen on the target', 'pglogical' ],
	[ 'first_copy', '1 connection', 'first copy of ten million rows', 'bare text', 'pgcopydb' ]);

sub speed
{
	my $text = header('work', 'uncaptured', 'dbsync', 'native replication', 'others');

	foreach my $line (@speed)
	{
		my ($part, $work, $name, @others) = @$line;

		$text .= row($name, (map { cell($part, $work, $_) } 'uncaptured', 'dbsync', 'native'),
			join(', ', map { name_of($_) . ' ' . cell($part, $work, $_) } grep { cell($part, $work, $_) ne '' } @others));
	}
	return "$text\nMedians and, in parentheses, the least and the most of " . circumstances() . ".\n"
		. outcome() . "\n";
}

sub slurp
{
	open(my $in, '<:encoding(UTF-8)', $_[0]) or die "$_[0]: $!\n";
	local $/;
	return <$in>;
}

sub spew
{
	my ($path, $text) = @_;
	open(my $out, '>:encoding(UTF-8)', $path) or die "$path: $!\n";
	print $out $text;
	close($out) or die "$path: $!\n";
	return;
}

# Usage: put(FILE, NAME, TEXT): between the comments NAME:begin and NAME:end.
sub put
{
	my ($path, $name, $block) = @_;
	my $text = slurp($path);

	$text =~ s/(<!-- $name:begin -->\n).*?(<!-- $name:end -->)/$1\n$block\n$2/s
		or die "$path has no place for $name\n";
	spew($path, $text);
	return;
}

spew($file, results());
if (defined $sheet)
{
	put($sheet, 'bench', summary());
	put($readme, 'speed', speed());
}

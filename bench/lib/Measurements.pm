# The raw measurements of a folder: one *.tsv per part, and machine.txt.
package Measurements;

use strict;
use warnings;

sub new
{
	my ($class, $folder) = @_;
	my $self = bless { rounds => 0, machine => [] }, $class;

	$self->read_part($_) foreach sort glob "$folder/*.tsv";
	if (open(my $in, '<:encoding(UTF-8)', "$folder/machine.txt"))
	{
		while (my $line = <$in>)
		{
			chomp $line;
			push @{ $self->{machine} }, [ split /\t/, $line, 2 ];
		}
	}
	return $self;
}

sub read_part
{
	my ($self, $path) = @_;

	open(my $in, '<:encoding(UTF-8)', $path) or die "$path: $!\n";
	while (my $line = <$in>)
	{
		chomp $line;
		my ($part, $work, $system, $round, $value, $unit) = split /\t/, $line;
		next if $part eq 'part';
		$self->add($part, $work, $system, $round, $value, $unit);
	}
	return;
}

# Works and systems keep the order in which they were measured first.
sub add
{
	my ($self, $part, $work, $system, $round, $value, $unit) = @_;
	my $of = $self->{part}{$part} //= { works => [], systems => [], unit => {}, value => {} };

	push @{ $of->{works} }, $work unless exists $of->{unit}{$work};
	push @{ $of->{systems} }, $system unless grep { $_ eq $system } @{ $of->{systems} };
	$of->{unit}{$work} = $unit;
	$of->{value}{$work}{$system}{$round} = $value;
	$self->{rounds} = $round if $round > $self->{rounds};
	return;
}

sub parts { return sort keys %{ $_[0]{part} }; }
sub machine { return @{ $_[0]{machine} }; }
sub works { return @{ $_[0]{part}{ $_[1] }{works} // [] }; }
sub systems { return @{ $_[0]{part}{ $_[1] }{systems} // [] }; }
sub unit { return $_[0]{part}{ $_[1] }{unit}{ $_[2] }; }

# One measurement; undef if there is none.
sub at
{
	my ($self, $part, $work, $system, $round) = @_;
	my $of = $self->{part}{$part} or return;
	return unless $of->{value}{$work} && $of->{value}{$work}{$system};
	return $of->{value}{$work}{$system}{$round};
}

# The fewest that anything was measured in, and the most.
sub rounds
{
	my $self = shift;
	my @counts = map { scalar keys %$_ } map { values %$_ } map { values %{ $_->{value} } } values %{ $self->{part} };
	return (least(@counts), $self->{rounds});
}

# Of all rounds.
sub values
{
	my ($self, $part, $work, $system) = @_;
	return grep { defined } map { scalar $self->at($part, $work, $system, $_) } 1 .. $self->{rounds};
}

# Usage: each_round(sub { ... $_[0] is the round ... }).  What it returns in the
# rounds in which everything it looks at is there.
sub each_round
{
	my ($self, $function) = @_;
	return grep { defined } map { scalar $function->($_) } 1 .. $self->{rounds};
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}

sub least { my @sorted = sort { $a <=> $b } @_; return $sorted[0]; }
sub most { my @sorted = sort { $a <=> $b } @_; return $sorted[-1]; }

1;

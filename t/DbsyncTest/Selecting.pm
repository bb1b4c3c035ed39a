# Selections by chance, of the tables that t/148_selections_kinds.pl has: what each looks like now, what is
# chosen of it, and how that is said here and at the target.  Columns are known by the names that they had
# at first, in braces: what they are called changes.
package DbsyncTest::Selecting;

use strict;
use warnings;

use DbsyncTest qw(random_below);
use DbsyncTest::Changing qw(chance one_of);
use Exporter 'import';
use Test::More;

our @EXPORT_OK = qw(%columns %name %must arguments arrive_all as_named choose definition has_large now_has reads texts);

# What a table looks like now.

our %columns = (
	plain => [qw(id k v w u t)],
	parted => [qw(id k v w)],
	keyless => [qw(k v u)],
	parent => [qw(id k v)],
	child => [qw(id k v more)],
	archive => [qw(id k)]);
our %name;
foreach my $table (keys %columns)
{
	$name{$table}{$_} = $_ foreach @{ $columns{$table} };
}

# "{v} < 'x'" by the names of now
sub as_named
{
	my ($table, $text) = @_;
	return $text =~ s/\{(\w+)\}/$name{$table}{$1}/gr;
}

my @look_ups = ('{k} IN (SELECT p.place FROM storm.place p)', '(SELECT p.label FROM storm.place p WHERE p.place = {k}) <> {v}');
my %filters = (
	plain => [ '{k} % 3 <> 0', "{v} < 'v5'", 'length({w}) > 100', "left({w}, 1) < 'a'", '{u} IS NOT NULL', '{t} > 3', '{id} % 4 <> 1', @look_ups ],
	parted => [ '{k} <> 3', "{v} < 'v5'", 'length({w}) > 100', '{id} % 4 <> 1', "{v} <> 'came 2'", @look_ups ],
	keyless => [ '{k} % 3 <> 0', "{v} < 'v5'", '{u} IS NOT NULL', 'length({v}) = 2' ],
	parent => [ '{k} % 3 <> 0', "{v} < 'v5'", '{id} % 4 <> 1', @look_ups ],
	child => [ '{more} % 3 <> 0', "{v} < 'v5'", '{id} % 4 <> 1', @look_ups ]);
my %expressions = (
	plain => [ '{k} + {t}', 'storm.mask({w})', "coalesce({u}, {v} || '.')", '(SELECT p.label FROM storm.place p WHERE p.place = {k})', 'md5({w} || {v})' ],
	parted => [ '{id} * {k}', 'storm.mask({w})', 'storm.mask({v})', '(SELECT p.label FROM storm.place p WHERE p.place = {id} % 9)' ],
	keyless => [ '{k} + 1', 'storm.mask({v})', "coalesce({u}, '-') || {v}" ],
	parent => [ '{k} + 1', 'storm.mask({v})', '(SELECT p.label FROM storm.place p WHERE p.place = {k})' ],
	child => [ '{more} - {k}', 'storm.mask({v})' ]);
our %must = (plain => ['id'], parted => [ 'id', 'k' ], parent => ['id'], child => ['id'], keyless => []);

# Columns, by their names at first.
sub now_has { my ($table) = @_; return @{ $columns{$table} }; }

# Those that a text goes by.
sub reads { my ($text) = @_; return ($text // '') =~ /\{(\w+)\}/g; }

sub can_have
{
	my ($table, $text) = @_;
	my %there = map { $_ => 1 } now_has($table);
	return !grep { !$there{$_} } reads($text);
}

# Something of the table: a hash of columns (undef: all) and filter (undef: all rows).
sub choose
{
	my ($table) = @_;
	my @filters = grep { can_have($table, $_) } @{ $filters{$table} };
	my @expressions = grep { can_have($table, $_) } @{ $expressions{$table} };
	my $filter = join(one_of(' AND ', ' OR '), map { one_of(@filters) } 1 .. 1 + random_below(2));
	my %must = map { $_ => 1 } @{ $must{$table} };

	return { filter => $filter } if chance(30);
	my @columns = map { "{$_}" } grep { $must{$_} || chance(60) } now_has($table);
	push @columns, map { one_of(@expressions) } 1 .. random_below(3) if @expressions;
	push @columns, '{v}' unless @columns;
	return { columns => \@columns, filter => chance(70) ? $filter : undef };
}

# What the target calls its columns.
sub there
{
	my ($table, $chosen) = @_;
	return map { $name{$table}{$_} } now_has($table) unless $chosen->{columns};
	return map { $chosen->{columns}[$_] =~ /^\{(k|id)\}$/ && $table eq 'parted' ? $1 : "c$_" } 0 .. $#{ $chosen->{columns} };
}

# All of its columns, or those that were chosen.
sub texts { my ($table, $chosen) = @_; return @{ $chosen->{columns} // [ map { "{$_}" } now_has($table) ] }; }

# Is something worked out, of a row of which large values are sent or read?
sub has_large
{
	my ($table, $chosen) = @_;
	my @texts = ($chosen->{filter} // '', texts($table, $chosen));
	my $runs = $chosen->{filter} || grep { !/^\{\w+\}$/ } @{ $chosen->{columns} // [] };
	return $runs && grep { /\{w\}/ } @texts;
}

# How the target's table is to be made.
sub definition
{
	my ($table, $chosen) = @_;
	my @there = there($table, $chosen);
	my @texts = texts($table, $chosen);
	my %key = map { $_ => 1 } map { "{$_}" } @{ $must{$table} };
	my @key;
	my @definitions;

	foreach my $i (0 .. $#there)
	{
		my $is_key = delete $key{ $texts[$i] };
		push @key, $there[$i] if $is_key;
		push @definitions, "$there[$i] " . ($is_key ? 'int' : 'text');
	}
	push @definitions, 'PRIMARY KEY (' . join(', ', @key) . ')' if @key;
	return '(' . join(', ', @definitions) . ')';
}

# For add_table() and alter_table().
sub arguments
{
	my ($table, $chosen) = @_;
	my @there = there($table, $chosen);
	my $columns = $chosen->{columns};

	return ', columns => '
	  . ($columns ? 'ARRAY[' . join(', ', map { '$c$' . as_named($table, $columns->[$_]) . " AS $there[$_]\$c\$" } 0 .. $#there) . ']' : "'{}'")
	  . ', filter => ' . ($chosen->{filter} ? '$f$' . as_named($table, $chosen->{filter}) . '$f$' : "''");
}

# All that is committed goes to the targets of these subscriptions, which run or are run once; of each is asked
# then whether it is right: is_right(subscription).  True: all are.
sub arrive_all
{
	my ($pair, $running, $is_right, @names) = @_;
	my $right = 1;

	foreach my $name (@names)
	{
		if ($running)
		{
			$pair->arrives($name, "$name: all arrives") or return 0;
		}
		else
		{
			my $rows = one_of(1, 20, 1000);
			my (undef, undef, $error) = $pair->source->psql('postgres', "SET dbsync.batch_rows = $rows; SELECT dbsync.run_once('$name')");

			return is($error, '', "$name: run_once") if $error ne '';
		}
		$right &&= $is_right->($name);
	}
	return $right;
}

1;

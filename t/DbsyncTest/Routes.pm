# A model of databases that feed each other, without a server: who has what,
# which headers keep which marks of the way that a change has come, and what a window
# passes over by them.  Each key is written in one database only, so that nothing is in
# conflict, and when nothing is sent any more all must have the same.
#
# Windows are cut where the marks change, and a cut is folded, as in
# dbsync_window_next(); which link works when, and how much it takes, is left to chance.
package DbsyncTest::Routes;

use strict;
use warnings;

use DbsyncTest qw(random_below);

# What a header keeps of where it came from, and which targets it does not go to.
# "pass" says what the receiver's header has; "over" whether the target is passed over.
my %rules = (
	# the database that made it
	origin => {
		pass => sub { my ($mark, $sender) = @_; return $mark eq '' ? $sender : $mark; },
		over => sub { my ($mark, $target) = @_; return $mark eq $target; },
	},
	# that, and the one that sent it
	'via and origin' => {
		pass => sub {
			my ($mark, $sender) = @_;
			my ($origin) = split ' ', $mark;
			return ($origin // $sender) . " $sender";
		},
		over => sub { my ($mark, $target) = @_; return 0 < grep { $_ eq $target } split ' ', $mark; },
	},
	# all of them
	route => {
		pass => sub { my ($mark, $sender) = @_; return $mark eq '' ? $sender : "$mark $sender"; },
		over => sub { my ($mark, $target) = @_; return 0 < grep { $_ eq $target } split ' ', $mark; },
	},
	# nothing goes on (forward => 'local')
	'local' => {
		pass => sub { my ($mark, $sender) = @_; return $sender; },
		over => sub { my ($mark) = @_; return $mark ne ''; },
	});

# Graphs are lists of links, from one database to another; n names databases.
sub two_way { return map { ($_, [ reverse @$_ ]) } @_; }
sub chain { my ($n) = @_; return map { [ $_, $_ + 1 ] } 0 .. $n - 2; }
sub ring { my ($n) = @_; return map { [ $_, ($_ + 1) % $n ] } 0 .. $n - 1; }

# a ring, and a database before it
sub ring_with_tail { my ($n) = @_; return ([ $n, 0 ], ring($n)); }

sub tree
{
	my ($n) = @_;
	return map { [ random_below($_), $_ ] } 1 .. $n - 1;
}

sub mesh
{
	my ($n) = @_;
	my @links;

	foreach my $from (0 .. $n - 1)
	{
		push @links, map { [ $from, $_ ] } grep { $_ != $from } 0 .. $n - 1;
	}
	return @links;
}

# Connected, with ways round; links lead one way or both.
sub random_graph
{
	my ($n) = @_;
	my %links = map { ("$_->[0] $_->[1]" => $_) }
	  map { random_below(2) ? $_ : two_way($_) } tree($n);

	foreach (1 .. $n)
	{
		my ($from, $to) = (random_below($n), random_below($n));
		$links{"$from $to"} = [ $from, $to ] if $from != $to;
	}
	return map { $links{$_} } sort keys %links;
}

# Databases that changes of this one can come to, itself among them.
sub reached_from
{
	my ($start, @links) = @_;
	my %reached = ($start => 1);
	my $before = 0;

	while ($before < keys %reached)
	{
		$before = keys %reached;
		$reached{ $_->[1] } = 1 foreach grep { $reached{ $_->[0] } } @links;
	}
	return sort { $a <=> $b } keys %reached;
}

# In how many ways a change can come from one database to another, passing none twice.
sub ways
{
	my ($from, $to, $links, %passed) = @_;
	my $count = 0;

	return 1 if $from == $to;
	$passed{$from} = 1;
	$count += ways($_, $to, $links, %passed)
	  foreach grep { !$passed{$_} } map { $_->[1] } grep { $_->[0] == $from } @$links;
	return $count;
}

# Is there a pair of databases between which changes come in more than one way?
sub has_two_ways
{
	my (@links) = @_;
	my %numbers = map { $_ => 1 } map { @$_ } @links;

	foreach my $from (keys %numbers)
	{
		return 1 if grep { ways($from, $_, \@links) > 1 } keys %numbers;
	}
	return 0;
}

# One cut of a link: its rows, folded; empty if there was nothing for the target.
sub cut
{
	my ($log, $link, $rule) = @_;
	my %fold;
	my $mark;
	my $size = 1 + random_below(6);

	while ($link->{at} < @$log)
	{
		my $row = $log->[ $link->{at} ];
		if (!$rule->{over}->($row->{mark}, $link->{to}))
		{
			last if defined $mark && ($mark ne $row->{mark} || $size-- == 0);
			$mark = $row->{mark};
			$fold{ $row->{key} } = $row->{value};
		}
		$link->{at}++;
	}
	return ($mark, \%fold);
}

# The link works once; how many rows it has sent.
sub work
{
	my ($nodes, $link, $rule) = @_;
	my ($mark, $fold) = cut($nodes->[ $link->{from} ]{log}, $link, $rule);
	my $target = $nodes->[ $link->{to} ];
	my $passed = defined $mark ? $rule->{pass}->($mark, $link->{from}) : undef;

	foreach my $key (sort keys %$fold)
	{
		$target->{rows}{$key} = $fold->{$key};
		push @{ $target->{log} }, { key => $key, value => $fold->{$key}, mark => $passed };
	}
	return scalar keys %$fold;
}

sub write_row
{
	my ($nodes, $number, $value) = @_;
	my $key = "$number." . random_below(3);

	$nodes->[$number]{rows}{$key} = $value;
	push @{ $nodes->[$number]{log} }, { key => $key, value => $value, mark => '' };
	return;
}

# One history: writes while links work, then no more writes.  Returns whether it came
# to rest within the rows that it may send, and, if so, how many keys are not the same
# where they should be.
sub history
{
	my ($rule_name, @graph) = @_;
	my $rule = $rules{$rule_name};
	my @links = map { { from => $_->[0], to => $_->[1], at => 0 } } @graph;
	my ($last) = sort { $b <=> $a } map { @$_ } @graph;
	my @nodes = map { { rows => {}, log => [] } } 0 .. $last;
	my $left = 3000;
	my $wrong = 0;

	foreach my $value (1 .. 8 + random_below(8))
	{
		write_row(\@nodes, random_below($last + 1), $value);
		work(\@nodes, $links[ random_below(scalar @links) ], $rule) foreach 1 .. random_below(4);
	}
	while ($left > 0)
	{
		my $sent = 0;

		foreach my $link (@links)
		{
			$sent += work(\@nodes, $link, $rule) while $link->{at} < @{ $nodes[ $link->{from} ]{log} } && $sent <= $left;
		}
		$left -= $sent;
		last if $sent == 0;
	}
	return (0, 0) if $left <= 0;
	foreach my $number (0 .. $last)
	{
		my @to = $rule_name eq 'local'
		  ? map { $_->[1] } grep { $_->[0] == $number } @graph
		  : reached_from($number, @graph);

		foreach my $key (grep { /^$number\./ } keys %{ $nodes[$number]{rows} })
		{
			$wrong += grep { ($nodes[$_]{rows}{$key} // '') ne $nodes[$number]{rows}{$key} } @to;
		}
	}
	return (1, $wrong);
}

# So many histories of a graph, which is a function that makes one: how many did not
# come to rest, and how many of the others ended with databases that differ.
sub count
{
	my ($rule_name, $histories, $make_graph) = @_;
	my ($restless, $unequal) = (0, 0);

	foreach (1 .. $histories)
	{
		my ($rests, $wrong) = history($rule_name, $make_graph->());
		$restless++ unless $rests;
		$unequal++ if $rests && $wrong > 0;
	}
	return ($restless, $unequal);
}

1;

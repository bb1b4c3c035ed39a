# No loops, in any graph: what a header has to keep of the way that a change has come.
# A model, without a server, shows that the origin is too little, that the origin and
# the last sender are too little, and that the route is enough.  Hazards 82 and 109.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(random_below);
use DbsyncTest::Routes;
use Test::More;

my $histories = 40;

# name, graph, and what is known of each rule: 0: always rests; 1: does not
my @graphs = (
	[ 'pair', sub { DbsyncTest::Routes::two_way([ 0, 1 ]) }, 0, 0 ],
	[ 'chain of three', sub { DbsyncTest::Routes::two_way(DbsyncTest::Routes::chain(3)) }, 1, 0 ],
	[ 'tree of five', sub { DbsyncTest::Routes::two_way(DbsyncTest::Routes::tree(5)) }, 1, 0 ],
	[ 'ring, one way', sub { DbsyncTest::Routes::ring(4) }, 0, 0 ],
	[ 'ring, two ways', sub { DbsyncTest::Routes::two_way(DbsyncTest::Routes::ring(4)) }, 1, undef ],
	[ 'mesh of three', sub { DbsyncTest::Routes::mesh(3) }, 1, undef ],
	[ 'mesh of four', sub { DbsyncTest::Routes::mesh(4) }, 1, 1 ],
	[ 'ring with a tail, one way', sub { DbsyncTest::Routes::ring_with_tail(3) }, 1, 1 ],
	[ 'ring with a tail, two ways',
		sub { DbsyncTest::Routes::two_way(DbsyncTest::Routes::ring_with_tail(3)) }, 1, 1 ],
	[ 'random graph', sub { DbsyncTest::Routes::random_graph(4 + random_below(3)) }, 1, 1 ]);

foreach my $case (@graphs)
{
	my ($name, $graph, @known) = @$case;

	foreach my $rule ('origin', 'via and origin')
	{
		my $restless = shift @known;
		my ($count) = DbsyncTest::Routes::count($rule, $histories, $graph);

		note("$name, $rule: $count of $histories histories never rest");
		ok(($count > 0) == $restless, "$name: by $rule it " . ($restless ? 'loops' : 'rests'))
		  if defined $restless;
	}
	my ($count, $unequal) = DbsyncTest::Routes::count('route', $histories, $graph);
	is($count, 0, "$name: by route all histories rest");
	is($unequal, 0, "$name: and all databases have the same");
}

my ($count, $unequal) = DbsyncTest::Routes::count('local', $histories, sub { DbsyncTest::Routes::mesh(5) });
is($count, 0, "mesh of five: with forward => 'local' all histories rest");
is($unequal, 0, "mesh of five: and all databases have the same");

DbsyncTest::finish();

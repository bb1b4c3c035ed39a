# No loops, in any graph (hazards 82 and 109): databases of one server that feed each
# other, until nothing is sent any more.  Then all that a change can come to have it,
# whole tables compared.  Each key is written in one database only; and once only where
# changes come by more than one way, on the slower of which an old state can come behind a
# newer one (a DELETE that finds nothing any more is not passed on).
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(random_below uri_of);
use DbsyncTest::Routes;
use Test::More;

my $n = 5;
my $written = 0;
my $node = DbsyncTest::new_node('ring', preload => 1);

sub sql
{
	my ($number, $sql) = @_;
	return $node->safe_psql("n$number", $sql);
}

foreach my $number (0 .. $n - 1)
{
	$node->safe_psql('postgres', "CREATE DATABASE n$number");
	sql($number, join ';', 'CREATE EXTENSION dbsync',
		'CREATE TABLE public.item (key text PRIMARY KEY, value int, note text)',
		map { "SELECT dbsync.create_target('n$_', '" . uri_of($node, database => "n$_") . "')" }
		  grep { $_ != $number } 0 .. $n - 1);
}

# The same for each link, in the database that it leads from.
sub at_sources
{
	my ($make_sql, @links) = @_;
	my @answers;

	foreach my $number (0 .. $n - 1)
	{
		my @mine = grep { $_->[0] == $number } @links;
		push @answers, split /\n/, sql($number, join ';', map { $make_sql->($_) } @mine) if @mine;
	}
	return @answers;
}

# Each link works once; how many rows they have sent.
sub run_round
{
	my (@links) = @_;
	my $sent = 0;

	$sent += $_ foreach at_sources(sub { "SELECT dbsync.run_once('to_$_[0][1]')" }, @links);
	return $sent;
}

# Subscriptions for the links of a graph, which capture when this returns.
sub connect_all
{
	my ($forward, @links) = @_;

	at_sources(
		sub {
			"SELECT dbsync.create_subscription('to_$_[0][1]', 'n$_[0][1]', ARRAY['public.item'], "
			  . "copy_data => false, forward => '$forward')";
		},
		@links);
	run_round(@links);
	return;
}

sub disconnect_all
{
	my (@links) = @_;

	at_sources(sub { "SELECT dbsync.drop_subscription('to_$_[0][1]')" }, @links);
	sql($_, 'TRUNCATE public.item') foreach 0 .. $n - 1;
	return;
}

# One statement on keys of this database's own; new ones, if each is to be written once.
sub write_something
{
	my ($number, $once) = @_;

	if ($once)
	{
		$written++;
		sql($number, "INSERT INTO public.item SELECT '$number.$written.' || k, $written, repeat('x', $written) "
			  . 'FROM generate_series(1, 3) k');
		return;
	}
	my $keys = join ', ', map { "'$number." . random_below(6) . "'" } 1 .. 3;
	my $value = random_below(1_000_000);

	sql($number, (
			"INSERT INTO public.item SELECT k, $value, repeat('x', $value % 700) FROM unnest(ARRAY[$keys]) k "
			  . 'GROUP BY k ON CONFLICT (key) DO UPDATE SET value = excluded.value',
			"UPDATE public.item SET value = $value, note = note || 'y' WHERE key IN ($keys)",
			"DELETE FROM public.item WHERE key IN ($keys)")[ random_below(3) ]);
	return;
}

# Tests that nothing is sent any more after so many rounds at most.
sub comes_to_rest
{
	my ($name, $rounds, @links) = @_;
	my $sent;

	foreach my $round (1 .. $rounds)
	{
		$sent = run_round(@links);
		last if $sent == 0;
	}
	return is($sent, 0, "$name: comes to rest");
}

# Tests that rows are where they should be, and nowhere else.
sub all_have_it
{
	my ($name, $forward, @links) = @_;
	my @rows = map { [ split /\n/, sql($_, 'SELECT i::text FROM public.item i ORDER BY key COLLATE "C"') ] } 0 .. $n - 1;

	# those made in one database, as another has them
	my $made_at = sub {
		my ($where, $number) = @_;
		return join "\n", grep { /^\($where\./ } @{ $rows[$number] };
	};

	foreach my $number (0 .. $n - 1)
	{
		my $at_home = $made_at->($number, $number);
		my %reached = map { $_ => 1 } $forward eq 'local'
		  ? ($number, map { $_->[1] } grep { $_->[0] == $number } @links)
		  : DbsyncTest::Routes::reached_from($number, @links);
		my @wrong = grep { $made_at->($number, $_) ne ($reached{$_} ? $at_home : '') } 0 .. $n - 1;

		is("@wrong", '', "$name: all that rows of n$number can come to have them as they are there");
	}
	return;
}

sub try_graph
{
	my ($name, $forward, @links) = @_;
	my %taking_part = map { $_ => 1 } map { @$_ } @links;
	my @numbers = sort keys %taking_part;
	my $once = $forward eq 'all' && DbsyncTest::Routes::has_two_ways(@links);

	connect_all($forward, @links);
	foreach (1 .. 4)
	{
		write_something($numbers[ random_below(scalar @numbers) ], $once) foreach 1 .. 2;
		run_round(map { $links[ random_below(scalar @links) ] } 1 .. 2);
	}
	note("$name: " . join ', ', map { "$_->[0] to $_->[1]" } @links);
	comes_to_rest($name, 12, @links);
	all_have_it($name, $forward, @links);
	disconnect_all(@links);
	return;
}

# --- three in a chain: one row goes there, and that is all

my @chain = DbsyncTest::Routes::two_way(DbsyncTest::Routes::chain(3));
connect_all('all', @chain);
sql(0, "INSERT INTO public.item VALUES ('0.1', 1)");
is(run_round(@chain), 2, 'n0 = n1 = n2: a row is sent over both links');
is(run_round(@chain), 0, 'and from the second round on nothing is');
is(sql(2, "SELECT origin = (SELECT system_identifier || '/' || oid FROM pg_control_system(), pg_database "
			. "WHERE datname = 'n0') FROM dbsync.changes('public.item')"), 't',
	'changes() says where it was first made');
all_have_it('chain', 'all', @chain);

# --- a route has an end

my $long = join ' ', map { "4711/$_" } 1 .. 32;
sql(0, "BEGIN; SET LOCAL dbsync.origin = '$long'; INSERT INTO public.item VALUES ('0.2', 2); COMMIT");
my (undef, undef, $error) = $node->psql('n0', "SELECT dbsync.run_once('to_1')");
like($error, qr/through more than 32 databases.*HINT/s, 'a route of more than 32 databases is an error that says so');
disconnect_all(@chain);

# --- any graph

my @tail = DbsyncTest::Routes::ring_with_tail(3);
try_graph('tree', 'all', DbsyncTest::Routes::two_way(DbsyncTest::Routes::tree($n)));
try_graph('ring with a tail, one way', 'all', @tail);
try_graph('ring with a tail, two ways', 'all', DbsyncTest::Routes::two_way(@tail));
try_graph('mesh of four', 'all', DbsyncTest::Routes::mesh(4));
try_graph('mesh of three, local', 'local', DbsyncTest::Routes::mesh(3));
try_graph("random graph $_", 'all', DbsyncTest::Routes::random_graph($n)) foreach 1 .. $ENV{DBSYNC_TEST_ROUNDS} // 1;

# --- forward can be changed later

connect_all('all', @chain);
sql(1, "SELECT dbsync.alter_subscription('to_2', forward => 'local')");
is(sql(1, "SELECT forward FROM dbsync.status WHERE subscription = 'to_2'"), 'local', 'status shows forward');
sql(0, "INSERT INTO public.item VALUES ('0.1', 1)");
sql(1, "INSERT INTO public.item VALUES ('1.1', 1)");
comes_to_rest('chain, local', 4, @chain);
is(sql(2, 'SELECT string_agg(key, $$ $$) FROM public.item'), '1.1',
	'n1 sends to n2 what was made there, and nothing else');

DbsyncTest::finish();

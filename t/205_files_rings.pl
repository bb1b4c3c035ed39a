# Three databases that feed each other by files, and by files and live links: in a line, and in a ring.  What one of them does comes to each other
# one, is done there once, and comes to rest; at the end all have the same, whole tables compared.  First copies go all the way.  What comes back late
# takes nothing along that was done since.  Then at random, by hand and by workers, through a gateway that brings files late and twice.
#
# Each change leaves a value, or takes a key, that no other one does; a trigger writes down what is done in each database, whoever does it.  So what
# is done twice is there twice.  Each key is written in one database alone.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask poll_until random_below);
use DbsyncTest::Changing qw(chance one_of);
use DbsyncTest::Links;
use DbsyncTest::Server qw(fingerprint new_node);
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 1;
# where each kind of change is made in each graph: in all of them, if there is time
sub writers { return $rounds > 1 ? @_ : one_of(@_); }
my @databases = qw(one two three);
my $node = new_node('ring', preload => 1);
my $all = DbsyncTest::Links->new($node, <<'SQL', @databases);
CREATE TABLE public.item (id int PRIMARY KEY, v text, big text);
ALTER TABLE public.item ALTER big SET STORAGE EXTERNAL;
CREATE TABLE public.done (what text, id int, v text);
CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		INSERT INTO public.done VALUES ('emptied');
		RETURN NULL;
	END IF;
	INSERT INTO public.done SELECT 'gone', old.id WHERE TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND old.id <> new.id);
	INSERT INTO public.done SELECT 'is', new.id, new.v WHERE TG_OP <> 'DELETE';
	RETURN NULL;
END $$;
CREATE TRIGGER see_rows AFTER INSERT OR UPDATE OR DELETE ON public.item FOR EACH ROW EXECUTE FUNCTION public.see();
CREATE TRIGGER see_all AFTER TRUNCATE ON public.item FOR EACH STATEMENT EXECUTE FUNCTION public.see();
ALTER TABLE public.item ENABLE ALWAYS TRIGGER see_rows, ENABLE ALWAYS TRIGGER see_all;
SQL

# numbers that were never used
my $last = 0;
sub another { return ++$last; }

sub same_in_all
{
	my ($test) = @_;
	my %is = map { fingerprint($node, 'public.item', $_) => 1 } @databases;

	return is(scalar(keys %is), 1, "$test: all have the same") || !diag(join "\n", map { "$_: " . fingerprint($node, 'public.item', $_) } @databases);
}

# Nothing was done twice anywhere.
sub nothing_twice
{
	my ($test) = @_;
	my @twice = map { my $database = $_; map { "$database: $_" } split /\n/, $all->sql($database,
		"SELECT concat_ws(' ', what, id, v, count(*)) FROM public.done WHERE what <> 'emptied' GROUP BY what, id, v HAVING count(*) > 1") } @databases;

	return is(join("\n", @twice), '', "$test: nothing is done twice");
}

# The same was done everywhere since it was forgotten, as often.
sub same_was_done
{
	my ($test) = @_;
	my %is = map { $all->sql($_, "SELECT string_agg(d::text, ' ' ORDER BY d::text COLLATE \"C\") FROM public.done d") => 1 } @databases;

	return is(scalar(keys %is), 1, "$test: it is done once in each") || !diag(join "\n", sort keys %is);
}

sub forget { $all->sql($_, 'TRUNCATE public.done') foreach @databases; return; }

# Each kind of change in each database; how many rows the links send of one that was made there.
sub each_kind
{
	my ($graph, %sent) = @_;

	foreach my $where (writers(@databases))
	{
		my ($first, $n) = (another(), another());
		another() foreach 1 .. 20;
		my ($from, $to) = ($first, $first + 9);
		my @kinds = (
			[ 'INSERT', 10, "INSERT INTO public.item SELECT i, 'new ' || i, repeat(md5(i::text), 200) FROM generate_series($from, $to) i" ],
			[ 'UPDATE', 10, "UPDATE public.item SET v = 'set $n ' || id, big = 'small' || id WHERE id BETWEEN $from AND $to - 5;"
				  . "UPDATE public.item SET v = 'set $n ' || id WHERE id BETWEEN $to - 4 AND $to" ],
			[ 'of large values that nobody touches', 3, "UPDATE public.item SET v = 'touched ' || id WHERE id BETWEEN $to - 2 AND $to" ],
			[ 'of a key', 2, "UPDATE public.item SET id = $to + 5, v = 'moved $to' WHERE id = $to" ],
			[ 'DELETE', 4, "DELETE FROM public.item WHERE id BETWEEN $from AND $from + 3" ],
			[ 'TRUNCATE', undef, 'TRUNCATE public.item' ]);

		foreach my $kind (@kinds)
		{
			my ($name, $rows, $sql) = @$kind;
			my $test = "$graph, $name in $where";

			forget();
			$all->sql($where, $sql);
			my $sent = $all->comes_to_rest($test);
			is($sent, $rows * $sent{$where}, "$test: each link that must sends it, once") if defined $rows;
			same_in_all($test);
			same_was_done($test);
			nothing_twice($test);
		}
	}
	return;
}

# What is done in a database while what it did before goes round, and comes back.
sub what_comes_back_is_old
{
	my ($graph) = @_;
	my $goes = sub { my ($where) = @_; $all->go($all->from($where)); return; };

	foreach my $where (writers(@databases))
	{
		my $id = another();
		my @others = grep { $_ ne $where } @databases;
		my $test = "$graph, from $where";

		$all->sql($where, "INSERT INTO public.item VALUES ($id, 'first of $id')");
		$goes->($where);
		$all->sql($where, "UPDATE public.item SET v = 'second of $id' WHERE id = $id");
		$goes->($_) foreach @others, @others;
		is($all->sql($where, "SELECT v FROM public.item WHERE id = $id"), "second of $id", "$test: an old row that comes back does not take the place of a newer one");
		$all->comes_to_rest($test);
		$all->sql($where, "DELETE FROM public.item WHERE id = $id");
		$goes->($where);
		$all->sql($where, "INSERT INTO public.item VALUES ($id, 'third of $id')");
		$goes->($_) foreach @others, @others;
		is($all->sql($where, "SELECT v FROM public.item WHERE id = $id"), "third of $id", "$test: nor does a DELETE take it");
		$all->sql($where, 'TRUNCATE public.item');
		$goes->($where);
		$all->sql($where, "INSERT INTO public.item VALUES ($id, 'fourth of $id')");
		$goes->($_) foreach @others, @others;
		is($all->sql($where, 'SELECT string_agg(v, $$,$$) FROM public.item'), "fourth of $id", "$test: nor a TRUNCATE");
		$all->comes_to_rest($test);
		is($all->sql($_, 'SELECT string_agg(v, $$,$$) FROM public.item'), "fourth of $id", "$test: which is so in $_") foreach @others;
	}
	same_in_all("$graph, what comes back");
	return;
}

# --- at random

# one's keys are 3, 6, 9 …
sub own { my ($where) = @_; my %place = (one => 0, two => 1, three => 2); return 3 * another() + $place{$where}; }

sub write_something
{
	my ($where, $keys) = @_;
	my $n = another();
	my $mine = $keys->{$where} //= [];
	my @some = @$mine ? map { one_of(@$mine) } 1 .. 4 : ();

	if (!@some || chance(40))
	{
		my @new = map { own($where) } 1 .. 1 + random_below(5);
		push @$mine, @new;
		return $all->sql($where, 'INSERT INTO public.item VALUES ' . join(', ', map { "($_, 'new $_', repeat('b', " . random_below(6000) . '))' } @new));
	}
	my $some = join ', ', @some;
	return $all->sql($where, "UPDATE public.item SET v = 'set $n ' || id WHERE id IN ($some)") if chance(60);
	return $all->sql($where, "UPDATE public.item SET v = 'large $n ' || id, big = repeat('c', 4000) WHERE id IN ($some)") if chance(50);
	# keys that go do not come back
	my ($goes) = @some;
	@$mine = grep { $_ != $goes } @$mine;
	return $all->sql($where, "DELETE FROM public.item WHERE id = $goes") if chance(50);
	my $comes = own($where);
	push @$mine, $comes;
	return $all->sql($where, "UPDATE public.item SET id = $comes, v = 'moved $comes' WHERE id = $goes");
}

sub storm
{
	my ($graph) = @_;
	my %keys;

	$all->sql('one', 'TRUNCATE public.item');
	$all->comes_to_rest("$graph, emptied");
	forget();
	foreach (1 .. 10 * $rounds)
	{
		write_something(one_of(@databases), \%keys);
		foreach my $link (grep { chance(30) } $all->links)
		{
			$all->send_over($link) if chance(80);
			$all->carry($link, chance(30)) if chance(60);
			$all->play($link) if chance(80);
		}
	}
	$all->comes_to_rest("$graph, at random");
	same_in_all("$graph, at random");
	nothing_twice("$graph, at random");
	return;
}

# by workers, while it is written everywhere
sub running
{
	my ($graph) = @_;
	my %keys;

	$all->sql('one', 'TRUNCATE public.item');
	$all->comes_to_rest("$graph, emptied");
	forget();
	$all->start_all;
	foreach (1 .. 15 * $rounds)
	{
		write_something(one_of(@databases), \%keys);
		$all->carry($_, chance(20)) foreach grep { chance(50) } $all->links;
	}
	ok($all->falls_silent(sub { ask($node, 'SELECT count(*) FROM public.done', $_[0]) // '' }), "$graph, by workers: it comes to rest")
	  or diag(map { my $database = $_; map { "$database: " . (ask($node, "SELECT to_json(s) FROM dbsync.$_ s", $database) // '') . "\n" } qw(status receivers) } @databases);
	same_in_all("$graph, by workers");
	nothing_twice("$graph, by workers");
	cmp_ok($all->sql('three', 'SELECT count(*) FROM public.item'), '>', 0, "$graph, by workers: there are rows");
	$all->stop_all;
	is($all->comes_to_rest("$graph, stopped"), 0, "$graph, by workers: and nothing is left to send");
	return;
}

sub link_of { my ($from, $by, $to, $copy) = @_; return { from => $from, to => $to, by => $by, copy => $copy }; }

sub try_graph
{
	my ($graph, $copies, $sent, @links) = @_;

	note($graph);
	$all->sql($_, 'TRUNCATE public.item') foreach @databases;
	$all->sql('one', "INSERT INTO public.item SELECT i, 'copied ' || i, repeat(md5(i::text), 200) FROM generate_series($last + 1, $last + 300) i") if $copies;
	$last += 300;
	forget();
	$all->connect_all(@links);
	if ($copies)
	{
		$all->comes_to_rest("$graph, first copies");
		same_in_all("$graph, first copies");
		nothing_twice("$graph, first copies");
		is($all->sql('one', 'SELECT count(*) FROM public.done'), 0, "$graph, first copies: nothing comes back");
		is($all->sql($_, 'SELECT count(*) FROM public.done'), 300, "$graph, first copies: all comes to $_") foreach qw(two three);
	}
	each_kind($graph, %$sent);
	what_comes_back_is_old($graph);
	storm($graph);
	running($graph);
	$all->disconnect_all;
	return;
}

# A line and a ring, one by files alone and one with a live link, if there is no time for all.
my $turn = $rounds > 1 ? 2 : random_below(2);

# A folder does not say who is behind it, so by files each goes back to where it came from, too, where it is known again; live it does not.
try_graph('line by files', 1, { one => 4, two => 4, three => 4 },
	link_of('one', 'files', 'two', 1), link_of('two', 'files', 'three', 1), link_of('two', 'files', 'one'), link_of('three', 'files', 'two'))
  if $turn != 1;
try_graph('line of a live link and files', 0, { one => 3, two => 3, three => 3 },
	link_of('one', 'live', 'two'), link_of('two', 'live', 'one'), link_of('two', 'files', 'three'), link_of('three', 'files', 'two'))
  if $turn != 0;
# the copy comes last, and what it brings goes on as what was written does
try_graph('ring by files', 1, { one => 3, two => 3, three => 3 },
	link_of('two', 'files', 'three'), link_of('three', 'files', 'one'), link_of('one', 'files', 'two', 1))
  if $turn != 0;
try_graph('ring of a live link and files', 0, { one => 3, two => 2, three => 3 },
	link_of('one', 'live', 'two'), link_of('two', 'files', 'three'), link_of('three', 'files', 'one'))
  if $turn != 1;

DbsyncTest::finish();

# Two databases that feed each other, both with ddl => 'apply': a change of a table that was
# made at one end is made at the other, and does not come back, stop, or bend rows of either
# end that lie beside it in one window.  Hazards 36, 46; review A5, A7 of the design of tables.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(uri_of);
use Test::More;

my $node = DbsyncTest::new_node('ring', preload => 1);
my %other = (n1 => 'n2', n2 => 'n1');

sub sql
{
	my ($name, $sql) = @_;
	return $node->safe_psql($name, $sql);
}

foreach my $name (sort keys %other)
{
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	sql($name, 'CREATE EXTENSION dbsync; CREATE TABLE public.item (id int PRIMARY KEY, v text, big text)');
}
foreach my $name (sort keys %other)
{
	sql($name, "SELECT dbsync.create_target('there', '" . uri_of($node, database => $other{$name}) . "');"
		  . "SELECT dbsync.create_subscription('to_$other{$name}', 'there', ARRAY['public.item'], copy_data => false, ddl => 'apply')");
}

sub run_once
{
	my ($name) = @_;
	my ($status, $rows, $error) = $node->psql($name, "SELECT dbsync.run_once('to_$other{$name}')");

	is($error, '', "$name to $other{$name}: nothing is in the way") if $error ne '';
	return $rows;
}

# What a table is: columns in the order of their names, and rows.
sub state_of
{
	my ($name) = @_;
	my $columns = sql($name, <<'SQL');
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute
WHERE attrelid = 'public.item'::regclass AND attnum > 0 AND NOT attisdropped
SQL
	return join "\n", sql($name, <<'SQL'), sql($name, "SET TimeZone = 'UTC'; SELECT $columns FROM public.item ORDER BY id");
SELECT concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid))
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = 'public.item'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname
SQL
}

# Both ends work until nothing is sent any more, beginning with one of them, and are alike then.
sub comes_to_rest
{
	my ($first, $test) = @_;
	my $sent;

	foreach my $round (1 .. 4)
	{
		$sent = run_once($first) + run_once($other{$first});
		last if $sent eq '0';
	}
	is($sent, 0, "$test: it comes to rest");
	return is(state_of('n2'), state_of('n1'), "$test: both ends are alike");
}

# from now on both are captured
run_once($_) foreach sort keys %other;
sql('n1', "INSERT INTO public.item SELECT i, 'one', repeat('x', 30) FROM generate_series(1, 5) i");
sql('n2', "INSERT INTO public.item SELECT i, 'two' FROM generate_series(101, 105) i");
comes_to_rest('n1', 'rows alone');

# --- a column that comes at one end, with rows of both ends in the window behind it

foreach my $where ('n1', 'n2')
{
	my $low = $where eq 'n1' ? 0 : 100;
	my $there = $other{$where};
	my $high = 100 - $low;
	my $new = $where eq 'n1' ? 10 : 20;

	sql($where, "UPDATE public.item SET v = 'before' WHERE id = $low + 1");
	sql($there, "UPDATE public.item SET v = 'before' WHERE id = $high + 1");
	sql($where, "ALTER TABLE public.item ADD COLUMN added_$where timestamptz NOT NULL DEFAULT now()");
	sql($where, "UPDATE public.item SET added_$where = '2001-01-01 UTC' WHERE id = $low + 2");
	# it has not heard of it yet, so its own rows are of the old shape
	sql($there, "UPDATE public.item SET v = 'beside' WHERE id = $high + 2");
	run_once($where);
	# and now of the new one, in one window with the old ones, and what came from the other between
	sql($there, "UPDATE public.item SET v = 'behind', added_$where = '2002-02-02 UTC' WHERE id = $high + 3");
	sql($there, "INSERT INTO public.item (id, v) VALUES ($high + $new, 'new')");
	sql($where, "INSERT INTO public.item (id, v) VALUES ($low + $new, 'new')");
	comes_to_rest($there, "ADD COLUMN at $where");
}

# --- both ends make the same change before they hear of the other's

sql('n1', 'ALTER TABLE public.item ADD COLUMN same int DEFAULT 1; UPDATE public.item SET same = 2 WHERE id = 1');
sql('n2', 'ALTER TABLE public.item ADD COLUMN same int DEFAULT 1; UPDATE public.item SET same = 3 WHERE id = 101');
comes_to_rest('n1', 'the same ADD COLUMN at both ends');

# --- renames, drops and types, there and back, when the other end has sent all that it had
#     written before it hears of them

sql('n1', 'ALTER TABLE public.item RENAME COLUMN v TO w');
sql('n1', "UPDATE public.item SET w = 'renamed' WHERE id = 3");
comes_to_rest('n1', 'RENAME COLUMN at n1');
sql('n2', "UPDATE public.item SET w = 'renamed' WHERE id = 103");
sql('n2', "BEGIN; UPDATE public.item SET w = 'x' WHERE id = 104; ALTER TABLE public.item ALTER same TYPE bigint;"
	  . 'UPDATE public.item SET same = 5000000000 WHERE id = 105; COMMIT');
# a narrower row goes into a wider column
sql('n1', 'UPDATE public.item SET same = 7 WHERE id = 2');
comes_to_rest('n1', 'another type at n2');
sql('n2', 'ALTER TABLE public.item RENAME COLUMN w TO aside; ALTER TABLE public.item RENAME COLUMN big TO w;'
	  . 'ALTER TABLE public.item RENAME COLUMN aside TO big');
sql('n2', "UPDATE public.item SET big = 'was w' WHERE id = 101");
comes_to_rest('n2', 'names that change places at n2');
sql('n1', "UPDATE public.item SET big = 'was w', w = 'was big' WHERE id = 1");
sql('n2', "UPDATE public.item SET big = 'was w', w = 'was big' WHERE id = 102");
comes_to_rest('n1', 'rows behind that');
sql('n1', 'ALTER TABLE public.item DROP COLUMN same');
comes_to_rest('n1', 'DROP COLUMN at n1');
sql('n2', 'ALTER TABLE public.item DROP CONSTRAINT item_pkey, ADD PRIMARY KEY (id, added_n1)');
sql('n2', 'UPDATE public.item SET id = id + 1000 WHERE id = 20');
comes_to_rest('n2', 'another key at n2');
sql('n1', "UPDATE public.item SET big = 'end' WHERE id < 4; DELETE FROM public.item WHERE id = 4");
sql('n2', "UPDATE public.item SET big = 'end' WHERE id IN (103, 104); DELETE FROM public.item WHERE id = 105");
comes_to_rest('n2', 'rows alone, at last');
is(sql($_, "SELECT string_agg(held_for, ', ') FROM dbsync.table_status"), '', "$_: nothing is held") foreach sort keys %other;

DbsyncTest::finish();

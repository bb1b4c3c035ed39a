# Copies of tables that foreign keys of the target tie to one another: one that cannot be emptied there, because of
# rows that reference it, is put off, and the others go on.  So it is where the target's keys would take rows along of
# which nobody has said that they may go.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw();
use Test::More;

my $pair = DbsyncTest->new(
	source_conf => "dbsync.retry_max = '1s'",
	uri => \&DbsyncTest::uri_that_checks_keys);
my @tables = map { "public.$_" } qw(land town street free);
my $ddl = <<'SQL';
CREATE TABLE land (id int PRIMARY KEY, v text);
CREATE TABLE town (id int PRIMARY KEY, land int NOT NULL REFERENCES land);
CREATE TABLE street (id int PRIMARY KEY, town int NOT NULL REFERENCES town);
CREATE TABLE free (id int PRIMARY KEY, v text);
SQL

sub free_goes_on
{
	my ($id, $test) = @_;

	$pair->sql("INSERT INTO free VALUES ($id, 'goes on')");
	return ok(DbsyncTest::becomes_true($pair->target, "SELECT count(*) = 1 FROM free WHERE id = $id"), $test);
}

$pair->sql($ddl);
$pair->target_sql("SET ROLE plain; $ddl");
$pair->sql(<<'SQL');
INSERT INTO land SELECT i FROM generate_series(1, 20) i;
INSERT INTO town SELECT i, i FROM generate_series(1, 20) i;
INSERT INTO street SELECT i, i FROM generate_series(1, 20) i;
SQL
$pair->subscribe('keys', \@tables);
$pair->start_subscription('keys');
$pair->arrives('keys', 'the first copy arrives');

# the one in the middle waits for its parent, and its own children are live
$pair->sql("SELECT dbsync.copy_table('keys', '$_', existing_rows => 'truncate') FROM (VALUES (1)) v") for qw(public.land public.town);
$pair->status_becomes('keys', "last_error LIKE '%cannot be emptied, as rows of table public.street reference it%' AND state <> 'waiting to retry'",
	'a table whose children are not copied anew is put off');
free_goes_on(1, 'tables that are not tied to it go on');
$pair->sql("SELECT dbsync.copy_table('keys', 'public.street', existing_rows => 'truncate')");
$pair->arrives('keys', 'all is copied anew');
$pair->same_at_both_ends(@tables);

# rows of a table that is none of the subscription's
$pair->target_sql('SET ROLE plain; CREATE TABLE own (street int REFERENCES street); INSERT INTO own VALUES (1)');
$pair->sql(<<'SQL');
SELECT dbsync.copy_table('keys', t, existing_rows => 'truncate') FROM unnest('{public.land,public.town,public.street}'::regclass[]) t;
SQL
$pair->status_becomes('keys', "last_error LIKE '%own_street_fkey%' AND state <> 'waiting to retry'",
	'a table that the target does not let be emptied is put off');
free_goes_on(2, 'tables that are not tied to it go on');
$pair->target_sql('DELETE FROM own');
$pair->arrives('keys', 'all is copied anew when nothing is in the way');
$pair->same_at_both_ends(@tables);
$pair->stop_subscription('keys');
$pair->sql("SELECT dbsync.drop_subscription('keys')");

# rows of the target's own that are to stay, or that nobody has spoken of
$ddl = <<'SQL';
CREATE TABLE tree (id int PRIMARY KEY);
CREATE TABLE leaf (id int PRIMARY KEY, tree int REFERENCES tree ON DELETE CASCADE);
CREATE TABLE bird (id int PRIMARY KEY, tree int REFERENCES tree ON DELETE SET NULL);
CREATE TABLE worm (id int PRIMARY KEY, leaf int REFERENCES leaf ON DELETE CASCADE);
SQL
my $fill = join ' ', map { "INSERT INTO $_ SELECT i, i FROM generate_series(1, 20) i;" } qw(leaf bird worm);
$pair->sql("$ddl INSERT INTO tree SELECT i FROM generate_series(1, 20) i; $fill");
foreach my $options ("existing_rows => 'keep'", 'existing_rows => NULL', 'copy_data => false')
{
	my $other = $options =~ /keep/ ? 'bird' : $options =~ /NULL/ ? 'leaf' : 'worm';
	my $before;

	$pair->target_sql('DROP TABLE IF EXISTS tree, leaf, bird, worm');
	$pair->target_sql("SET ROLE plain; $ddl INSERT INTO tree SELECT i FROM generate_series(1, 40) i; " . $fill =~ s/20/40/gr);
	$before = $pair->target_sql("SELECT array_agg(t ORDER BY id) FROM $other t");
	$pair->subscribe('wood', [ map { "public.$_" } grep { $_ ne $other } qw(worm leaf bird tree) ], existing_rows => "'truncate'");
	$pair->sql("SELECT dbsync.add_table('wood', 'public.$other', $options)");
	$pair->start_subscription('wood');
	$pair->status_becomes('wood', "last_error LIKE '%cannot be emptied, as rows of table public.$other reference it%'",
		"$options: a table is not emptied of which rows lead to it that may have to stay");
	is($pair->target_sql("SELECT array_agg(t ORDER BY id) FROM $other t"), $before, "$options: these rows are as they were");
	$pair->sql("SELECT dbsync.copy_table('wood', 'public.$other', existing_rows => 'truncate')");
	$pair->arrives('wood', "$options: all is copied when they may go");
	$pair->same_at_both_ends(map { "public.$_" } qw(tree leaf bird worm));
	$pair->stop_subscription('wood');
	$pair->sql("SELECT dbsync.drop_subscription('wood')");
}

# a circle, one of which has no copy: it begins by itself, and takes no copy of the other along that nobody has looked at
$ddl = 'CREATE TABLE hen (id int PRIMARY KEY); CREATE TABLE egg (id int PRIMARY KEY, hen int REFERENCES hen ON DELETE CASCADE);'
  . 'ALTER TABLE hen ADD egg int REFERENCES egg ON DELETE CASCADE;';
my @nest = ('public.hen', 'public.egg');
sub rows_of_nest
{
	my ($n) = @_;
	return "INSERT INTO hen SELECT i FROM generate_series(1, $n) i; INSERT INTO egg SELECT i, i FROM generate_series(1, $n) i; UPDATE hen SET egg = id;";
}
sub nest_there { return $pair->target_sql('SELECT (SELECT array_agg(h ORDER BY id) FROM hen h), (SELECT array_agg(e ORDER BY id) FROM egg e)'); }

$pair->sql($ddl . rows_of_nest(20));
$pair->target_sql("SET ROLE plain; $ddl" . rows_of_nest(40));
my $nest = nest_there();
$pair->subscribe('nest', ['public.egg'], existing_rows => "'truncate'");
$pair->sql(q{SELECT dbsync.add_table('nest', 'public.hen', copy_data => false)});
$pair->start_subscription('nest');
$pair->status_becomes('nest', "last_error LIKE '%cannot be emptied, as rows of table public.hen reference it%'",
	'one of a circle is not emptied of which rows lead to it that nobody has spoken of');
is(nest_there(), $nest, 'all rows of the circle are as they were');
$pair->sql(q{SELECT dbsync.copy_table('nest', 'public.hen', existing_rows => 'truncate')});
$pair->arrives('nest', 'both are copied when they may go');
$pair->same_at_both_ends(@nest);
$pair->finish;

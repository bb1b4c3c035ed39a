# Two databases that feed each other are told apart by their identities: a copied data
# directory is refused, a target that was loaded anew is still known, and of two ends
# only one copies.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(uri_of);
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = DbsyncTest::new_node('one', preload => 1, streaming => 1);

sub sql { my ($name, $sql) = @_; return $node->safe_psql($name, $sql); }

sub run_once
{
	my ($name, $subscription) = @_;
	my (undef, $out, $error) = $node->psql($name, "SELECT dbsync.run_once('$subscription')");
	return "$out$error";
}

sub identity_of
{
	my ($name) = @_;
	return sql('a', "SELECT system_identifier || '/' || oid FROM pg_control_system(), pg_database WHERE datname = '$name'");
}

foreach my $name ('a', 'b')
{
	my $other = $name eq 'a' ? 'b' : 'a';

	sql('postgres', "CREATE DATABASE $name");
	sql($name, 'CREATE EXTENSION dbsync; CREATE TABLE public.item (id int PRIMARY KEY, v text);'
		  . 'CREATE TABLE public.other (id int PRIMARY KEY, v text);'
		  . "SELECT dbsync.create_target('other', '" . uri_of($node, database => $other) . "')");
}

# --- B2: copies in both directions

sql('a', "INSERT INTO public.item SELECT i, 'a' FROM generate_series(1, 5) i;"
	  . "SELECT dbsync.create_subscription('forth', 'other', ARRAY['public.item'])");
sql('b', "INSERT INTO public.other VALUES (1, 'b');"
	  . "SELECT dbsync.create_subscription('back', 'other', ARRAY['public.other'])");
is(run_once('a', 'forth'), '5', 'one end copies a table to the other');
is(run_once('b', 'back'), '1', 'the other end copies another table');

sql('b', "SELECT dbsync.add_table('back', 'public.item', existing_rows => 'keep')");
my $said = run_once('b', 'back');
like($said, qr/table public.item is copied from target "other".*copies in both directions.*copy_data => false/si,
	'B2: a copy back of the same table is refused, with what to do');
sql('b', "SELECT dbsync.remove_table('back', 'public.item');"
	  . "SELECT dbsync.add_table('back', 'public.item', copy_data => false)");
is(run_once('b', 'back'), '0', 'B2: without a copy it is taken');
sql('b', "UPDATE public.item SET v = 'b' WHERE id = 1");
sql('a', "UPDATE public.item SET v = 'a again' WHERE id = 2");
run_once('b', 'back');
run_once('a', 'forth');
my $rows = "SELECT string_agg(i::text, ' ' ORDER BY id) FROM public.item i";
is(sql('b', $rows), sql('a', $rows), 'and both ends are the same');
sql('a', "SELECT dbsync.copy_table('forth', 'public.item')");
is(run_once('a', 'forth'), '5', 'B2: the end that copied may copy again');
is(sql('b', 'SELECT count(*) FROM dbsync_ledger.position WHERE relation IS NOT NULL'), '1',
	'what the ledger had of the copy before is gone');
sql('b', "SELECT dbsync.copy_table('back', 'public.item', existing_rows => 'keep')");
like(run_once('b', 'back'), qr/is copied from target "other"/, 'B2: the other end may not');
sql('b', "SELECT dbsync.drop_subscription('back');"
	  . "SELECT dbsync.create_subscription('back', 'other', ARRAY['public.item'], copy_data => false)");
is(run_once('b', 'back'), '0', 'both follow again');

# --- B3: a target under another identity

sql('b', "UPDATE public.item SET v = 'old, from b' WHERE id = 3");
is(run_once('b', 'back'), '1', 'a change made at b is under way at a');
my $b = identity_of('b');
is(sql('b', 'SELECT identities FROM dbsync_ledger.position WHERE id = subscription'), $b,
	'the ledger says who the target is');
sql('postgres', 'CREATE DATABASE c TEMPLATE b');
sql('c', 'SELECT dbsync.adopt()');
sql('c', "UPDATE public.item SET v = 'new, from c' WHERE id = 3");
sql('a', "SELECT dbsync.alter_target('other', '" . uri_of($node, database => 'c') . "')");
sql('a', "UPDATE public.item SET v = 'from a' WHERE id = 4");
is(run_once('a', 'forth'), '1', 'B3: what b made does not come back to the database that took its place');
is(sql('c', 'SELECT v FROM public.item WHERE id = 3'), 'new, from c', 'B3: no older row over a newer one');
is(sql('c', 'SELECT v FROM public.item WHERE id = 4'), 'from a', 'other changes do come');
is(sql('c', 'SELECT identities FROM dbsync_ledger.position WHERE id = subscription'), $b . ' ' . identity_of('c'),
	'B3: the ledger keeps all that it was');

# --- a database that feeds itself is no copy

sql('a', "CREATE TABLE public.twin (id int PRIMARY KEY, v text);"
	  . "SELECT dbsync.create_target('self', '" . uri_of($node, database => 'a') . "');"
	  . "SELECT dbsync.create_subscription('inside', 'self');"
	  . "SELECT dbsync.add_table('inside', 'public.other', target_table => 'public.twin')");
is(run_once('a', 'inside'), '1', 'a table can feed another one of the same database');

# --- B3: two databases with one identity

$node->backup('copy');
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($node, 'copy');
$copy->start;
sql('a', "SELECT dbsync.create_target('copy', '" . uri_of($copy, database => 'a') . "');"
	  . "SELECT dbsync.create_subscription('to_copy', 'copy', ARRAY['public.other'], existing_rows => 'keep')");
like(run_once('a', 'to_copy'), qr/target "copy" is a physical copy of this database.*pg_dump/s,
	'B3: a copy of the data directory that lives on its own is refused, with what to do');
is($copy->safe_psql('a', "SELECT count(*) FROM dbsync_ledger.position WHERE name = 'to_copy'"), '0',
	'and nothing is written there');

DbsyncTest::finish();

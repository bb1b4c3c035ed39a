# Whatever is in the database beside dbsync: casts that make operators ambiguous,
# event triggers that change each new table, tables and functions named like ours,
# search_paths, default privileges.  Capture installs right, or refuses with words;
# a user's INSERT does not fail for it later (P7, P9).
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(uri_of);
use Test::More;

my $source = DbsyncTest::new_node('source', preload => 1, conf => <<'CONF');
dbsync.segment_size = '64kB'
dbsync.retention_interval = '50ms'
CONF
my $target = DbsyncTest::new_node('target');
my $timeout = $PostgreSQL::Test::Utils::timeout_default;

# Databases of the same name at both ends; "before" is run at the source before
# CREATE EXTENSION.
sub new_pair
{
	my ($name, $before) = @_;

	$source->safe_psql('postgres', "CREATE DATABASE $name");
	$target->safe_psql('postgres', "CREATE DATABASE $name");
	$source->safe_psql($name, $before);
	$source->safe_psql($name, 'CREATE EXTENSION dbsync');
	$source->safe_psql($name, sprintf("SELECT dbsync.create_target('far', %s)",
			DbsyncTest::quoted(uri_of($target, database => $name))));
	return;
}

sub both
{
	my ($name, $sql) = @_;
	$_->safe_psql($name, $sql) foreach $source, $target;
	return;
}

sub arrives
{
	my ($name, $test) = @_;
	my ($status, $answer, $error) =
	  $source->psql($name, "SELECT dbsync.wait_for('sub', timeout => '$timeout s')");
	my $arrived = ok($status == 0 && $answer eq 't', $test);

	diag(DbsyncTest::ask($source, 'SELECT to_json(s) FROM dbsync.status s', $name) // '', $error) unless $arrived;
	return $arrived;
}

sub same
{
	my ($name, $table, $test) = @_;
	my @rows = map { DbsyncTest::ask($_, "SELECT string_agg(t::text, ';' ORDER BY t::text) FROM $table t", $name) // 'error' } $source, $target;

	is($rows[1], $rows[0], $test);
	return;
}

# Tests that a statement fails with words that match.
sub refused
{
	my ($name, $sql, $words, $test) = @_;
	my ($status, $answer, $error) = $source->psql($name, $sql);

	isnt($status, 0, $test);
	like($error, $words, "$test: in words");
	return;
}

# Every function of the surface, and all that workers and guards do.
sub whole_road
{
	my ($name, $what) = @_;

	both($name, <<'SQL');
CREATE TABLE public.item (id int PRIMARY KEY, v text, n numeric, d date, b bool, o oid, r regclass, a text[], j jsonb);
CREATE TABLE public.two (a int, b text COLLATE "C", v text, PRIMARY KEY (b, a));
SQL
	$source->safe_psql($name, $_) foreach (
		"INSERT INTO public.item SELECT i, 'v' || i::text FROM generate_series(1, 300) i",
		"SELECT dbsync.create_subscription('sub', 'far', tables => ARRAY['public.item'])",
		"SELECT dbsync.add_table('sub', 'public.two', target_table => 'public.two')",
		"SELECT * FROM dbsync.test_target('far')",
		"SELECT dbsync.alter_subscription('sub', policy => 'immediate')",
		"SELECT dbsync.start_subscription('sub')");
	arrives($name, "$what: first copies");
	foreach my $carry (0, 1500)
	{
		$source->safe_psql($name, <<"SQL");
SET dbsync.carry_bytes = $carry;
INSERT INTO public.item VALUES (1000 + $carry, 'x', 1.50, '2026-01-01', true, 5, '5', '{a,b}', '{"a": 1}');
UPDATE public.item SET v = 'y', id = id + 5000 WHERE id < 10;
UPDATE public.item SET v = 'z' WHERE id BETWEEN 20 AND 200;
DELETE FROM public.item WHERE id BETWEEN 100 AND 150;
INSERT INTO public.two SELECT i + $carry, (i % 3)::text, 'v' FROM generate_series(1, 100) i;
TRUNCATE public.two;
INSERT INTO public.two SELECT i + $carry, (i % 3)::text, repeat('v', 3000) FROM generate_series(1, 100) i;
UPDATE public.two SET a = a + 1;
SQL
		arrives($name, "$what: changes arrive ($carry)");
	}
	same($name, 'public.item', "$what: the same at both ends");
	same($name, 'public.two', "$what: two key columns too");
	ok($source->poll_query_until($name,
			"SELECT count(*) > 0 AND bool_and(pg_relation_size(relid) = 0) FROM dbsync.segment WHERE NOT active"),
		"$what: segments take turns and are emptied");
	$source->safe_psql($name, $_) foreach (
		'SELECT * FROM dbsync.status', 'SELECT * FROM dbsync.table_status',
		"SELECT * FROM dbsync.changes('public.item')",
		"SELECT dbsync.suspend_table('public.two')",
		"ALTER TABLE public.two ALTER v TYPE text USING v",
		"SELECT dbsync.copy_table('sub', 'public.two')");
	arrives($name, "$what: copied anew");
	refused($name, 'ALTER TABLE public.item ADD c int', qr/cannot change columns/, "$what: the guard is awake");
	refused($name, 'DROP TABLE public.item', qr/cannot drop captured table/, "$what: and when tables are dropped");
	refused($name, 'DROP INDEX CONCURRENTLY public.item_pkey', qr/cannot drop index/, "$what: and before commands");
	refused($name, 'CREATE TABLE public.c () INHERITS (public.item)', qr/inheritance/, "$what: and for children");
	$source->safe_psql($name, $_) foreach (
		"SELECT dbsync.stop_subscription('sub')",
		"INSERT INTO public.item VALUES (-1, 'once')",
		"SELECT dbsync.run_once('sub')",
		"SELECT dbsync.alter_target('far', password => 'x')",
		"ALTER TABLE public.two RENAME TO three",
		"SELECT * FROM dbsync.table_status",
		"SELECT dbsync.remove_table('sub', 'public.three')");
	same($name, 'public.item', "$what: once more");
	$source->safe_psql($name, $_) foreach (
		"SELECT dbsync.drop_subscription('sub')", "SELECT dbsync.drop_target('far')", 'SELECT dbsync.uninstall()',
		'DROP EXTENSION dbsync');
	return;
}

# --- P9: implicit casts, as guides for those who come from elsewhere have them

my $into_text = join('', map { "CREATE CAST ($_ AS text) WITH INOUT AS IMPLICIT;\n" }
	  qw(int2 int4 int8 numeric float8 date timestamp timestamptz oid regclass regproc xid8 jsonb pg_lsn interval uuid));
new_pair('casts', $into_text);
whole_road('casts', 'P9, casts into text');
new_pair('casts_back', join('', map { "CREATE CAST (text AS $_) WITH INOUT AS IMPLICIT;\n" } qw(int4 int8 numeric bool date oid xid8 pg_lsn jsonb)));
whole_road('casts_back', 'P9, casts from text');
new_pair('casts_later', '');
$source->safe_psql('casts_later', $into_text);
whole_road('casts_later', 'P9, casts that come later');

# --- operators and functions of the user's, in a schema that comes first

new_pair('operators', <<'SQL');
CREATE FUNCTION public.never(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION public.never(int, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION public.never(oid, regclass) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.never);
CREATE OPERATOR public.> (LEFTARG = text, RIGHTARG = text, FUNCTION = public.never);
CREATE OPERATOR public.= (LEFTARG = int, RIGHTARG = bigint, FUNCTION = public.never);
CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = regclass, FUNCTION = public.never);
CREATE FUNCTION public.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS $$ SELECT 'no' $$;
CREATE FUNCTION public.format_type(oid, int) RETURNS text LANGUAGE sql AS $$ SELECT 'no' $$;
CREATE FUNCTION public.unnest(int[]) RETURNS SETOF int LANGUAGE sql AS $$ SELECT 1 $$;
CREATE TABLE public.pg_class (oid oid);
CREATE TABLE public.pg_index (indexrelid oid);
ALTER DATABASE operators SET search_path = public, pg_catalog;
SQL
whole_road('operators', 'operators and functions in public');

DbsyncTest::finish();

# Whatever is in the database beside dbsync: casts that make operators ambiguous,
# tables, columns and functions named like ours, search_paths, default privileges,
# odd settings.  Capture installs right, or refuses with words; a user's INSERT does
# not fail for it later (P7, P9).  Event triggers: see event_triggers.pl.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask);
use DbsyncTest::Pairs qw(arrives both ends new_pair refused runs same source steps target);
use Test::More;

ends();

# Every function of the surface, and all that workers and guards do.
sub whole_road
{
	my ($name, $what) = @_;

	both($name, <<'SQL');
CREATE TABLE public.item (id int PRIMARY KEY, v text, n numeric, d date, b bool, o oid, r regclass, a text[], j jsonb);
CREATE TABLE public.two (a int, b text COLLATE "C", v text, PRIMARY KEY (b, a));
SQL
	steps($name,
		"INSERT INTO public.item SELECT i, 'v' || i::text FROM generate_series(1, 300) i",
		"SELECT dbsync.create_subscription('sub', 'far', tables => ARRAY['public.item'])",
		"SELECT dbsync.add_table('sub', 'public.two', target_table => 'public.two')",
		"SELECT * FROM dbsync.test_target('far')",
		"SELECT dbsync.alter_subscription('sub', policy => 'immediate')",
		"SELECT dbsync.start_subscription('sub')");
	arrives($name, "$what: first copies");
	foreach my $carry (0, 1500)
	{
		steps($name, <<"SQL");
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
	ok(source()->poll_query_until($name,
			"SELECT count(*) > 0 AND bool_and(pg_relation_size(relid) = 0) FROM dbsync.segment WHERE NOT active"),
		"$what: segments take turns and are emptied");
	steps($name,
		'SELECT * FROM dbsync.status', 'SELECT * FROM dbsync.table_status',
		"SELECT * FROM dbsync.changes('public.item')",
		"SELECT dbsync.suspend_table('public.two')",
		"ALTER TABLE public.two ALTER v TYPE text USING v",
		"SELECT dbsync.copy_table('sub', 'public.two')");
	arrives($name, "$what: copied anew");
	refused($name, 'ALTER TABLE public.item SET UNLOGGED', qr/is unlogged/, "$what: the guard is awake");
	like(source()->safe_psql($name, 'BEGIN; DROP TABLE public.item; SELECT state FROM dbsync.table_status; ROLLBACK'),
		qr/^dropped$/m, "$what: and when tables are dropped");
	refused($name, 'DROP INDEX CONCURRENTLY public.item_pkey', qr/cannot drop index/, "$what: and before commands");
	is(source()->safe_psql($name, 'CREATE TABLE public.c () INHERITS (public.item); '
			. 'SELECT pg_catalog.count(*) FROM dbsync.captured_table WHERE by_row; DROP TABLE public.c; '
			. 'SELECT pg_catalog.count(*) FROM dbsync.captured_table WHERE by_row'),
		"1\n0", "$what: and for children");
	steps($name,
		"SELECT dbsync.stop_subscription('sub')",
		"INSERT INTO public.item VALUES (-1, 'once')",
		"SELECT dbsync.run_once('sub')",
		"SELECT dbsync.alter_target('far', password => 'x')",
		"ALTER TABLE public.two RENAME TO three",
		"SELECT * FROM dbsync.table_status",
		"SELECT dbsync.remove_table('sub', 'public.three')");
	same($name, 'public.item', "$what: once more");
	steps($name,
		"SELECT dbsync.drop_subscription('sub')", "SELECT dbsync.drop_target('far')", 'SELECT dbsync.uninstall()',
		'DROP EXTENSION dbsync');
	return;
}

# --- P9: implicit casts, as guides for those who come from elsewhere have them

my $into_text = join('', map { "CREATE CAST ($_ AS text) WITH INOUT AS IMPLICIT;\n" }
	  qw(int2 int4 int8 numeric float8 date timestamp timestamptz oid regclass regproc xid8 jsonb pg_lsn interval uuid));
new_pair('casts', before => $into_text);
whole_road('casts', 'P9, casts into text');
new_pair('casts_back', before => join('', map { "CREATE CAST (text AS $_) WITH INOUT AS IMPLICIT;\n" } qw(int4 int8 numeric bool date oid xid8 pg_lsn jsonb)));
whole_road('casts_back', 'P9, casts from text');
new_pair('casts_later');
steps('casts_later', $into_text);
whole_road('casts_later', 'P9, casts that come later');

# --- P7: operators and functions of the user's, in a schema that comes first

my $first = <<'SQL';
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
SQL
foreach my $when ('before', 'later')
{
	my $name = "operators_$when";
	my $all = $first . "ALTER DATABASE $name SET search_path = public, pg_catalog";

	new_pair($name, $when eq 'before' ? (before => $all) : ());
	steps($name, $all) if $when eq 'later';
	whole_road($name, "P7, operators and functions in public ($when)");
}

# --- P7: default privileges, and settings that databases and roles have

# What a fresh session has, whatever it is of use for.
my %odd = (
	default_transaction_isolation => 'serializable',
	default_transaction_deferrable => 'on',
	default_toast_compression => 'pglz',
	default_table_access_method => 'other_heap',
	DateStyle => '"SQL, DMY"',
	IntervalStyle => 'sql_standard',
	TimeZone => '"Asia/Kathmandu"',
	bytea_output => 'escape',
	extra_float_digits => '-5',
	xmloption => 'document',
	array_nulls => 'off',
	quote_all_identifiers => 'on',
	search_path => "''",
	row_security => 'off',
	check_function_bodies => 'off',
	standard_conforming_strings => 'off',
	backslash_quote => 'off',
	transform_null_equals => 'on',
	'plpgsql.extra_errors' => '"all"',
	'plpgsql.variable_conflict' => 'use_column');

# SQL that makes them the defaults of a database or a role.
sub set_odd
{
	my ($whose) = @_;
	return "CREATE ACCESS METHOD other_heap TYPE TABLE HANDLER heap_tableam_handler; LOAD 'plpgsql';\n"
	  . join('', map { "$whose SET $_ = $odd{$_};\n" } sort keys %odd);
}

my $grants = join '', map { "ALTER DEFAULT PRIVILEGES GRANT ALL ON $_ TO other;\n" } qw(TABLES FUNCTIONS SEQUENCES SCHEMAS TYPES);

# What that role has been given of ours.
my $given = <<'SQL';
SELECT string_agg(what, ', ' ORDER BY what) FROM (
    SELECT n.nspname::text, n.nspname, n.nspacl FROM pg_namespace n
    UNION ALL SELECT p.proname::text, n.nspname, p.proacl FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    UNION ALL SELECT t.typname::text, n.nspname, t.typacl FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    UNION ALL SELECT c.relname::text, n.nspname, c.relacl FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace) o (what, schema, acl)
WHERE o.schema LIKE 'dbsync%' AND EXISTS (SELECT FROM aclexplode(o.acl) a WHERE a.grantee = 'other'::regrole)
SQL

$_->safe_psql('postgres', 'CREATE ROLE other') foreach source(), target();
new_pair('defaults', before => $grants . set_odd('ALTER DATABASE defaults'), there => $grants);
whole_road('defaults', 'P7, defaults of the database');

new_pair('odd_target', there => set_odd('ALTER DATABASE odd_target'));
whole_road('odd_target', 'P7, defaults of the target');

# values of all types that have a taste; and rights
my $me = getpwuid($<);
new_pair('odd_role', before => $grants . set_odd("ALTER ROLE $me IN DATABASE odd_role"), there => $grants);
both('odd_role', <<'SQL');
CREATE TABLE public.taste (id int PRIMARY KEY, at timestamptz, d date, i interval, b bytea, f float8, f4 float4, m money, a text[], r regclass);
ALTER TABLE public.taste ENABLE ROW LEVEL SECURITY;
CREATE TABLE public.by_date (d date, i interval, f float8, v text, PRIMARY KEY (d, i, f));
SQL
my $rows = <<'SQL';
INSERT INTO public.taste SELECT i, '2026-02-03 04:05:06.789+01', '2026-02-03', '-400 days -03:04:05.6',
    decode('00ff5c27', 'hex'), i / 3.0, 1.0 / 7, 12.34, array['a', null, 'null', chr(92), chr(39)], 1259 FROM generate_series(%1$s) i;
INSERT INTO public.by_date SELECT date '2026-01-01' + i, interval '1 mon' * i, i / 3.0, chr(92) || chr(39) FROM generate_series(%1$s) i;
SQL
steps('odd_role', sprintf($rows, '1, 200'),
	"SELECT dbsync.create_subscription('sub', 'far', tables => '{public.taste,public.by_date}')",
	"SELECT dbsync.run_once('sub')");
is(ask(source(), $given, 'odd_role'), '', 'P7: default privileges give nothing of dbsync away');
is(ask(target(), $given, 'odd_role'), '', 'P7: nor of the ledger');
steps('odd_role', "SELECT dbsync.start_subscription('sub')");
foreach my $ids ('1000, 1000', '2000, 2600')
{
	steps('odd_role', sprintf($rows, $ids), <<'SQL');
UPDATE public.taste SET f = f + 0.1, at = at + interval '1 day' WHERE id % 3 = 0;
UPDATE public.by_date SET d = d + 4000, f = f + 1e-9 WHERE f < 50;
DELETE FROM public.by_date WHERE f > 800;
SQL
	arrives('odd_role', "P7, values of all tastes arrive ($ids)");
}
same('odd_role', "public.$_", "P7, tastes of a role: $_ is the same at both ends") foreach qw(taste by_date);

# --- P7: run_once() whatever the isolation level, and where transactions are read-only

new_pair('read_only');
both('read_only', <<'SQL');
CREATE TABLE public.item (id int PRIMARY KEY);
ALTER DATABASE read_only SET default_transaction_read_only = on;
ALTER DATABASE read_only SET default_transaction_isolation = 'repeatable read';
SQL
{
	local $ENV{PGOPTIONS} = '-c default_transaction_read_only=off';
	steps('read_only', 'INSERT INTO public.item SELECT generate_series(1, 100)',
		"SELECT dbsync.create_subscription('sub', 'far', tables => '{public.item}')");
}
runs('read_only', "SELECT dbsync.run_once('sub')", 'P7: run_once() writes nothing where it is called');
same('read_only', 'public.item', 'P7: read-only by default: the same at both ends');
refused('read_only', "SELECT dbsync.start_subscription('sub')", qr/read-only transaction/, 'P7: what writes is refused');
{
	local $ENV{PGOPTIONS} = '-c default_transaction_read_only=off';
	steps('read_only', 'DELETE FROM public.item WHERE id > 90',
		"BEGIN; SELECT count(*) FROM public.item; SELECT dbsync.run_once('sub'); COMMIT");
	same('read_only', 'public.item', 'P7: run_once() in a block that has read');
	refused('read_only', "BEGIN; DELETE FROM public.item WHERE id = 1; SELECT dbsync.run_once('sub')",
		qr/in a transaction that has written/, 'P7: run_once() in one that has written');
	steps('read_only', "SELECT dbsync.start_subscription('sub')", 'DELETE FROM public.item WHERE id > 50');
}
arrives('read_only', 'P7: read-only by default, live');
same('read_only', 'public.item', 'P7: read-only by default, live: the same at both ends');

{
	local $ENV{PGOPTIONS} = '-c default_transaction_read_only=off';
	my $old = source()->background_psql('read_only', on_error_stop => 0);

	$old->query_safe('BEGIN; SELECT count(*) FROM pg_class');
	steps('read_only', "SELECT dbsync.suspend_table('public.item')");
	like($old->query("SELECT dbsync.wait_for('sub', timeout => '10 s')"), qr/^f$/m,
		'P7: a table suspended since the snapshot of a REPEATABLE READ transaction is known to wait_for()');
	$old->quit;
}

# --- P7, P10: tables and columns named like what our queries call theirs, at either end

my @names = (
	# aliases, and what WITH and pseudo tables are called
	qw(a am at b base c col d e f g gone h i k key l m moved n o on p part patched r s st t u w x y
	  dbsync_new dbsync_old excluded new old problem shows within only),
	# relations of ours, variables, and words of theirs
	qw(added captured captured_id changes dbsync dbsync_keys_1 dbsync_patch_1 dbsync_stage_1 header name
	  node notes position rel rows segment stage state subscription tables target text trigger wanted),
	'EXCLUDED', 'order', 'user', 'we"ird', "ap'os", '%I', '%s', '$1', 'back\\slash');

sub identifier
{
	my ($name) = @_;
	$name =~ s/"/""/g;
	return qq{"$name"};
}

my @tables = map { 'public.' . identifier($_) } @names;

# One statement for each of the tables; %s stands for it.
sub each_table
{
	my ($statement) = @_;
	return join '', map { my $table = $_; my $sql = $statement; $sql =~ s/TABLE_/$table/g; "$sql;\n" } @tables;
}

new_pair('aliases');
both('aliases', each_table('CREATE TABLE TABLE_ (dbsync_op int, dbsync_xid text, dbsync_no int, dbsync_same text, dbsync_op_ text, "old" text, excluded text, t text, s int PRIMARY KEY)')
	  . 'CREATE TABLE public.many (' . join(', ', map { identifier($_) . ($_ eq 's' ? ' int PRIMARY KEY' : ' text') } @names) . ');'
	  . 'CREATE TABLE public.keyed (t text, s int, excluded text, k text, PRIMARY KEY (t, s, excluded))');
push @tables, 'public.many';
steps('aliases', each_table("INSERT INTO TABLE_ (s, t) SELECT i + 100000, 'first' FROM generate_series(1, 20) i"),
	<<'SQL', "SELECT dbsync.start_subscription('sub')");
SELECT dbsync.create_subscription('sub', 'far',
    tables => (SELECT array_agg(c.oid::regclass::text) FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'))
SQL
arrives('aliases', 'P7: tables with our names are copied');
foreach my $n (1, 400)
{
	my $from = 1000 * $n;

	steps('aliases', each_table("INSERT INTO TABLE_ (s, t, excluded) SELECT i + $from, 'x', repeat(md5(i::text), 20) FROM generate_series(1, $n) i"),
		"INSERT INTO public.keyed SELECT 'k', i + $from, 'e', 'x' FROM generate_series(1, $n) i");
	arrives('aliases', "P7: inserts ($n)");
	# the first two leave a large value untouched
	steps('aliases', each_table("UPDATE TABLE_ SET t = 'z', \"old\" = 'w' WHERE s = $from + 1"),
		each_table("UPDATE TABLE_ SET t = 'z'"), each_table("UPDATE TABLE_ SET \"old\" = 'y', excluded = 'e' WHERE s % 5 = 0"),
		each_table('UPDATE TABLE_ SET s = s + 1000000 WHERE s % 3 = 0'), each_table('DELETE FROM TABLE_ WHERE s % 7 = 0'),
		'UPDATE public.many SET ' . join(', ', map { identifier($_) . ($_ eq 's' ? ' = s + 5000000' : " = 'v'") } @names) . ' WHERE s % 2 = 0',
		"UPDATE public.keyed SET k = 'u'; UPDATE public.keyed SET s = -s, excluded = 'f' WHERE s % 2 = 0; DELETE FROM public.keyed WHERE s % 7 = 0");
	arrives('aliases', "P7: updates and deletes ($n)");
}
same('aliases', $_, "P7: $_: the same at both ends") foreach @tables, 'public.keyed';
steps('aliases', each_table('TRUNCATE TABLE_; INSERT INTO TABLE_ (s) VALUES (1)'), 'TRUNCATE public.keyed');
runs('aliases', join('', map { 'SELECT count(*) FROM dbsync.changes(' . DbsyncTest::quoted($_) . ");\n" } @tables),
	'P7: changes() of tables with our names');
arrives('aliases', 'P7: truncated');
same('aliases', $_, "P7: $_, truncated: the same at both ends") foreach @tables, 'public.keyed';
steps('aliases', "SELECT dbsync.stop_subscription('sub'); SELECT dbsync.drop_subscription('sub')");

DbsyncTest::finish();

# The road from end to end: one row, many rows, and every built-in type under
# settings, at both ends, that would change its text (hazard 34).
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(uri_of);
use DbsyncTest::Types;
use PostgreSQL::Test::Utils;
use Test::More;

# Types whose input function refuses everything cannot be in a column's values.
my $unwritable = join ', ', map { "'$_'" } qw(
  pg_node_tree pg_ndistinct pg_dependencies pg_mcv_list
  pg_brin_bloom_summary pg_brin_minmax_multi_summary gtsvector);

my $pair = DbsyncTest->new(
	uri => sub { uri_of($_[0]->target, user => 'applier') },
	target_conf => "max_locks_per_transaction = 128");
$pair->target_sql('CREATE ROLE applier SUPERUSER LOGIN');
$pair->both($DbsyncTest::Types::own);

# --- no built-in type is forgotten

is($pair->sql(<<"SQL"), '', 'every built-in type is tested');
SELECT string_agg(t, ', ' ORDER BY t) FROM (
  SELECT pg_catalog.format_type(oid, NULL), typname::text FROM pg_catalog.pg_type
  WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm')
    AND typelem = 0 AND typname NOT IN ($unwritable)
    AND NOT typname = ANY (ARRAY[@{[ join ', ', map { (my $n = $_) =~ s/"//g; "'$n'" } keys %values ]}]))
  AS missing (full_name, t)
SQL

# --- one row, many rows

$pair->both('CREATE TABLE public.simple (id int PRIMARY KEY, t text)');
my $major = $pair->source->pg_version->major;
foreach my $table (sort keys %types)
{
	$pair->both(table_of_types($table, $major));
}

# hostile to whoever writes, and to the worker at its own end
$pair->sql($_) foreach (
	'CREATE SCHEMA evil',
	# shadows of what a careless query would use
	'CREATE FUNCTION evil.int4eq(int, int) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$',
	'CREATE OPERATOR evil.= (FUNCTION = evil.int4eq, LEFTARG = int, RIGHTARG = int)',
	'CREATE TABLE evil.simple (id int PRIMARY KEY, t text)',
	'CREATE ROLE writer LOGIN',
	'GRANT ALL ON ALL TABLES IN SCHEMA public TO writer',
	"ALTER ROLE writer SET DateStyle = 'German'",
	"ALTER ROLE writer SET IntervalStyle = 'iso_8601'",
	"ALTER ROLE writer SET extra_float_digits = -15",
	"ALTER ROLE writer SET default_transaction_isolation = 'serializable'",
	"ALTER DATABASE postgres SET search_path = evil, pg_catalog, public",
	map { "ALTER DATABASE postgres SET $_" } (
		"DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'",
		"TimeZone = 'Asia/Kolkata'", "extra_float_digits = -15",
		"bytea_output = 'escape'", "array_nulls = off",
		"xmloption = 'document'", "standard_conforming_strings = off",
		"client_encoding = 'LATIN1'",
		"default_transaction_isolation = 'repeatable read'",
		"default_transaction_read_only = off"));
$pair->target_sql($_) foreach (
	'CREATE SCHEMA evil',
	'CREATE TABLE evil.simple (id int PRIMARY KEY, t text)',
	map { "ALTER ROLE applier SET $_" } (
		"DateStyle = 'Postgres, MDY'", "IntervalStyle = 'postgres_verbose'",
		"TimeZone = 'America/St_Johns'", "extra_float_digits = -15",
		"bytea_output = 'escape'", "array_nulls = off",
		"xmloption = 'document'", "standard_conforming_strings = off",
		"client_encoding = 'SQL_ASCII'", "search_path = evil, pg_catalog, public",
		"default_transaction_isolation = 'serializable'",
		"default_transaction_read_only = on", "row_security = on",
		"lock_timeout = '50ms'", "statement_timeout = '200ms'",
		"idle_in_transaction_session_timeout = '200ms'",
		"check_function_bodies = on"));

# The statements, run as the writer unless said otherwise, and with all that is
# needed to say what is meant.
sub write_row
{
	my ($table, $id, $n) = @_;
	my ($columns, $row) = row_of_values($table, $n, $major);
	return "INSERT INTO $table (id, $columns) SELECT $id, $row";
}

my $sane = join '', map { "SET $_;\n" } (
	'standard_conforming_strings = on', "client_encoding = 'UTF8'",
	"xmloption = 'content'", 'search_path = pg_catalog');

sub as_writer
{
	my (@statements) = @_;
	# values are read under sane settings, what is captured runs under the
	# writer's own
	my $text = join '', map { "$_;\n" } @statements;
	$pair->source->safe_psql('postgres', $sane . $text
		  , connstr => $pair->source->connstr('postgres') . ' user=writer');
	return;
}

foreach my $table (sort keys %types)
{
	as_writer(map { write_row($table, $_, $_) } 1 .. 5);
}
$pair->target_sql("ALTER ROLE applier SET log_statement = 'all'");
$pair->subscribe('road', [ 'public.simple', sort keys %types ]);
$pair->start_subscription('road');
$pair->arrives('road', 'the first copy arrives');
$pair->same_at_both_ends($_) foreach sort keys %types;

as_writer("INSERT INTO public.simple VALUES (1, 'one')");
$pair->arrives('road', 'one row arrives');
$pair->same_at_both_ends('public.simple');
is($pair->target_sql('SELECT count(*) FROM evil.simple'), '0',
	'nothing goes to a table that stands earlier in the search path');

foreach my $table (sort keys %types)
{
	as_writer(map { write_row($table, $_, $_) } 6 .. 10);
	as_writer(
		(map { my ($c, $r) = row_of_values($table, $_ + 1, $major);
			"UPDATE $table SET ($c) = ROW($r) WHERE id = $_" } 6 .. 8),
		"DELETE FROM $table WHERE id = 9",
		"UPDATE $table SET id = 11 WHERE id = 10");
	$pair->arrives('road', "every type of $table arrives by the road of small batches");
	$pair->same_at_both_ends($table);

	my ($all, $row) = row_of_values($table, 0, $major);
	as_writer("INSERT INTO $table (id, $all) SELECT g.i, $row FROM generate_series(1000, 2200) g(i)");
	$pair->arrives('road', "every type of $table arrives by the road of insert-only batches");
	as_writer("UPDATE $table SET c_text = c_text || 'x', c_int4 = 5 WHERE id >= 1000",
		"DELETE FROM $table WHERE id % 3 = 0 AND id >= 1000");
	$pair->arrives('road', "every type of $table arrives by the road of large batches");
	$pair->same_at_both_ends($table);
}
my $log = slurp_file($pair->target->logfile);
like($log, qr/COPY public\."?binary"? .*FORMAT binary/, 'what can travel in binary form does');
like($log, qr/COPY public\.types .*FROM STDIN$/m, 'what cannot does not');
as_writer("INSERT INTO public.simple SELECT g.i, 'row ' || g.i FROM generate_series(2, 300000) g(i)",
	"UPDATE public.simple SET t = t || '!' WHERE id % 2 = 0",
	"DELETE FROM public.simple WHERE id % 5 = 0");
$pair->arrives('road', 'many rows arrive, longer than any timeout of the role');
$pair->same_at_both_ends('public.simple');

# --- large updates: deletes and inserts, unless somebody could tell

my $by_keys = qr/DELETE FROM ONLY public\.simple AS t USING pg_temp\.dbsync_keys/;
my $from = -s $pair->target->logfile;
as_writer("UPDATE public.simple SET t = t || '?'");
$pair->arrives('road', 'a large update arrives');
$pair->same_at_both_ends('public.simple');
like(slurp_file($pair->target->logfile, $from), $by_keys, 'by the keys of its rows');
$pair->target_sql(
	"CREATE PUBLICATION halves FOR TABLE public.simple WITH (publish = 'insert, update')");
$from = -s $pair->target->logfile;
as_writer("UPDATE public.simple SET t = t || '.'");
$pair->arrives('road', 'one to a table that is published in part arrives');
$pair->same_at_both_ends('public.simple');
unlike(slurp_file($pair->target->logfile, $from), $by_keys, 'as an update');
$pair->target_sql('DROP PUBLICATION halves');

# runs of keys, in whatever order they come
$pair->both('CREATE TABLE public.runs (id int8 PRIMARY KEY, v int)');
$pair->sql("SELECT dbsync.add_table('road', 'public.runs')");
$pair->sql("INSERT INTO public.runs SELECT g.i, 0 FROM generate_series(-20000, 20000) g(i)");
$pair->sql("INSERT INTO public.runs VALUES (9223372036854775806, 0), (9223372036854775807, 0), (-9223372036854775808, 0), (-9223372036854775807, 0)");
$pair->arrives('road', 'keys of all sizes arrive');
$from = -s $pair->target->logfile;
$pair->sql("DO \$\$ DECLARE r record; BEGIN
  FOR r IN SELECT id FROM public.runs WHERE id NOT BETWEEN 5000 AND 6000 ORDER BY id % 7, id DESC LOOP
    DELETE FROM public.runs WHERE id = r.id;
  END LOOP; END \$\$");
$pair->arrives('road', 'deletes in any order arrive');
$pair->same_at_both_ends('public.runs');
like(slurp_file($pair->target->logfile, $from), qr/DELETE FROM ONLY public\.runs WHERE id OPERATOR/, 'as ranges');
$pair->sql("INSERT INTO public.runs SELECT g.i, 1 FROM generate_series(100000, 140000) g(i) WHERE g.i % 3 > 0");
$pair->arrives('road', 'rows with gaps between their keys arrive');
$pair->target_sql("INSERT INTO public.runs SELECT g.i, 2 FROM generate_series(100000, 140000) g(i) WHERE g.i % 3 = 0");
$pair->sql("DELETE FROM public.runs WHERE id >= 100000");
$pair->arrives('road', 'so do their deletes');
is($pair->target_sql('SELECT count(*), min(v) FROM public.runs WHERE id >= 100000'), '13333|2',
	'and nothing between the keys is touched');

# --- DDL on the target while connected

$pair->target_sql('ALTER TABLE public.binary ALTER c_int8 TYPE float8');
my ($some, $values) = row_of_values('public.binary', 0, $major);
as_writer("INSERT INTO public.binary (id, $some) SELECT g.i, $values FROM generate_series(5000, 6000) g(i)");
$pair->arrives('road', 'rows arrive in a column that has another type now');
is($pair->target_sql('SELECT DISTINCT c_int8 FROM public.binary WHERE id >= 5000'),
	'9.223372036854776e+18', 'with their values');
$pair->target_sql("ALTER TABLE public.simple ADD COLUMN note text");
$pair->target_sql("UPDATE public.simple SET note = 'ours'");
as_writer("UPDATE public.simple SET t = t || ','");
$pair->arrives('road', 'a large update arrives in a table that has got a column of its own');
is($pair->target_sql('SELECT DISTINCT note FROM public.simple'), 'ours', 'which keeps its values');
$pair->target_sql('ALTER TABLE public.simple DROP COLUMN note');

as_writer("BEGIN", "TRUNCATE public.simple", "INSERT INTO public.simple VALUES (7, 'after')", "COMMIT")
  if $pair->sql("SELECT pg_catalog.has_table_privilege('writer', 'public.simple', 'TRUNCATE')") eq 't';
$pair->arrives('road', 'a TRUNCATE arrives');
$pair->same_at_both_ends('public.simple');

DbsyncTest::finish();

# Tables without a key: random rows, many of them equal, in random transactions; at each
# batch's end both ends have as many of each.  First copies that are killed, targets that
# lack a row, and a copy by key that loses its key half-way.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask poll_until random_below);
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.copy_chunk_rows = 500
dbsync.retention_interval = '200ms'
CONF

my @tables = ('public.plain', 'public.indexed', 'public.odd');
$pair->both(<<'SQL');
CREATE TABLE public.plain (a int, b text, c numeric, f float8);
CREATE TABLE public.indexed (a int, b text, c numeric, f float8);
CREATE TABLE public.odd (a int, b text, c numeric, f float8, j json, p point, x bytea);
CREATE INDEX ON public.indexed (a, b);
CREATE INDEX ON public.indexed USING hash (b);
SQL

# the same as multisets?
sub same_all
{
	my ($test) = @_;
	my @differ = grep {
		DbsyncTest::Server::fingerprint($pair->source, $_) ne DbsyncTest::Server::fingerprint($pair->target, $_)
	} @tables;

	return ok(!@differ, $test) || !diag("different: @differ");
}

# few values each, so that rows are often equal; nulls, two zeros, scales, large texts
sub value_for
{
	my ($column) = @_;

	return 'NULL' unless random_below(6);
	return random_below(5) if $column eq 'a';
	return ("'x'", "''", "'long ' || repeat('y', 300)", "repeat('large', 1000 + " . random_below(3) . ')')[ random_below(4) ] if $column eq 'b';
	return ('1.0', '1.00', '1', '-0.5')[ random_below(4) ] if $column eq 'c';
	return ("'-0'", '0', "'NaN'", '1.5')[ random_below(4) ] if $column eq 'f';
	return (q('{"a": 1}'), q('{"a":1}'))[ random_below(2) ] if $column eq 'j';
	return "'(1,2)'" if $column eq 'p';
	return "'\\x00'";
}

sub columns_of
{
	my ($table) = @_;
	return $table eq 'public.odd' ? qw(a b c f j p x) : qw(a b c f);
}

# some of the table's rows, equal ones among them
sub some
{
	my ($table) = @_;
	return "ctid IN (SELECT ctid FROM $table ORDER BY random() LIMIT " . random_below(7) . ')' if random_below(2);
	return 'a = ' . random_below(5);
}

sub statement
{
	my ($table) = @_;
	my @columns = columns_of($table);
	my $kind = random_below(100);

	return "TRUNCATE $table" if $kind < 2;
	return "DELETE FROM $table WHERE " . some($table) if $kind < 25;
	if ($kind < 55)
	{
		my $column = $columns[ random_below(scalar @columns) ];
		return "UPDATE $table SET $column = " . value_for($column) . ' WHERE ' . some($table);
	}
	my $values = join(', ', map { value_for($_) } @columns);
	my $row = "($values)";
	return "INSERT INTO $table VALUES $row" . (random_below(2) ? ", $row" : '') if $kind < 90;
	return "INSERT INTO $table SELECT $values FROM generate_series(1, " . random_below(400) . ')' if $kind < 95 && $table ne 'public.odd';
	return "INSERT INTO $table SELECT * FROM $table ORDER BY random() LIMIT 50";
}

sub transaction
{
	my @statements = map { statement($tables[ random_below(3) ]) } 0 .. random_below(6);

	if (!random_below(4))
	{
		splice @statements, random_below(scalar @statements), 0, 'SAVEPOINT s';
		push @statements, 'ROLLBACK TO s', statement($tables[ random_below(3) ]);
	}
	return join(";\n", 'BEGIN', @statements, 'COMMIT') . ";\n";
}

# --- random, batch by batch

$pair->sql('INSERT INTO public.plain SELECT i % 7, NULL, 1.0, 0 FROM generate_series(1, 2000) i');
$pair->subscribe('keyless', \@tables);
$pair->sql("SELECT dbsync.run_once('keyless')");
same_all('copied');
foreach my $round (1 .. 40)
{
	$pair->sql(join '', map { transaction() } 0 .. random_below(5));
	$pair->sql("SELECT dbsync.run_once('keyless')");
	same_all("round $round") or last;
}
is($pair->sql('SELECT sum(missing_rows) FROM dbsync.table_status'), '0', 'no row was missing');

# --- while it runs, and whoever is killed

$pair->start_subscription('keyless');
foreach my $victim ($pair->victims('keyless'))
{
	my ($name, $kill) = @$victim;

	$pair->sql(join '', map { transaction() } 0 .. 9);
	$kill->();
	$pair->sql(join '', map { transaction() } 0 .. 9);
	$pair->arrives('keyless', "all arrives when $name has been killed");
	same_all("the same when $name has been killed");
}
is($pair->sql('SELECT sum(missing_rows) FROM dbsync.table_status'), '0', 'no row was missing');

# --- the target has one row less: it is counted, and nobody loops

$pair->sql(q(INSERT INTO public.plain SELECT 99, 'known', i % 2, 0 FROM generate_series(1, 600) i));
$pair->arrives('keyless');
$pair->target_sql("DELETE FROM public.plain WHERE ctid IN (SELECT ctid FROM public.plain WHERE a = 99 AND c = 1 LIMIT 3)");
$pair->sql('DELETE FROM public.plain WHERE a = 99');
$pair->arrives('keyless');
poll_until(sub { ($pair->sql(q(SELECT missing_rows FROM dbsync.table_status WHERE "table" = 'public.plain'::regclass)) // '') eq '3' }, 'three missing rows');
same_all('the same again, by luck');
$pair->sql(q(INSERT INTO public.plain SELECT 98, 'there', 0, 0));
$pair->arrives('keyless');
$pair->target_sql("DELETE FROM public.plain WHERE a = 98");
ok(DbsyncTest::Server::fingerprint($pair->source, 'public.plain') ne DbsyncTest::Server::fingerprint($pair->target, 'public.plain'), 'a row is missing');
$pair->sql("SELECT dbsync.copy_table('keyless', 'public.plain')");
$pair->arrives('keyless');
same_all('mended by a new copy');
is($pair->sql(q(SELECT missing_rows FROM dbsync.table_status WHERE "table" = 'public.plain'::regclass)), '0', 'the count begins anew');

# --- the first copy is one transaction: who dies in it leaves nothing

$pair->stop_subscription('keyless');
$pair->both('CREATE TABLE public.big (a int, b text)');
$pair->sql("INSERT INTO public.big SELECT i % 1000, 'v' || i % 3 FROM generate_series(1, 400000) i");
push @tables, 'public.big';
$pair->sql("SELECT dbsync.add_table('keyless', 'public.big')");
$pair->start_subscription('keyless');
foreach my $victim ($pair->victims('keyless'))
{
	my ($name, $kill) = @$victim;
	my $done = $pair->sql("SELECT state FROM dbsync.table_status WHERE \"table\" = 'public.big'::regclass") eq 'live';

	$pair->sql("SELECT dbsync.copy_table('keyless', 'public.big')") if $done;
	# rows on their way: the table grows there
	poll_until(sub { (ask($pair->target, "SELECT pg_relation_size('public.big') > 1000000") // '') eq 't' }, 'some rows');
	$kill->();
	is(ask($pair->target, "SELECT count(*) IN (0, 400000) FROM public.big"), 't', "all or nothing when $name was killed");
}
$pair->sql("DELETE FROM public.big WHERE ctid IN (SELECT min(ctid) FROM public.big GROUP BY a)");
$pair->arrives('keyless', 'the copy comes to its end');
same_all('the same, rows deleted during the copy included');

# --- a copy by key that loses its key half-way begins anew

$pair->both('CREATE TABLE public.loses (id int PRIMARY KEY, v int)');
$pair->sql('INSERT INTO public.loses SELECT i, i % 5 FROM generate_series(1, 100000) i');
$pair->stop_subscription('keyless');
$pair->sql("SELECT dbsync.alter_subscription('keyless', ddl => 'apply')");
$pair->sql("SELECT dbsync.add_table('keyless', 'public.loses')");
push @tables, 'public.loses';
$pair->start_subscription('keyless');
poll_until(sub { (ask($pair->target, 'SELECT max(rows) > 1000 FROM dbsync_ledger.position WHERE NOT live') // '') eq 't' }, 'a copy half done');
$pair->sql(<<'SQL');
BEGIN;
ALTER TABLE public.loses DROP CONSTRAINT loses_pkey;
INSERT INTO public.loses SELECT * FROM public.loses WHERE id % 100 = 0;
UPDATE public.loses SET v = v + 1 WHERE id % 300 = 0;
COMMIT;
SQL
$pair->arrives('keyless', 'the copy comes to its end without the key');
same_all('the same');
$pair->sql('DELETE FROM public.loses WHERE ctid IN (SELECT min(ctid) FROM public.loses GROUP BY id HAVING count(*) > 1)');
$pair->arrives('keyless');
same_all('the same, duplicates deleted');

$pair->finish;

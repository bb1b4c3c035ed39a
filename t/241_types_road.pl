# Targets that speak other SQL than PostgreSQL's, by drivers of the tests' own (t/driver) that write what they are handed into a
# file: columns are declared and values arrive as the table of types says, through first copies, changes and deletes by key; what
# has no counterpart is refused when it is added, and a value that does not fit by its row.
use strict;
use warnings;

use File::Spec;

use lib 't';
use DbsyncTest qw(ask poll_until quoted);
use DbsyncTest::Ends;
use DbsyncTest::TypeForms qw(types_functions);
use PostgreSQL::Test::Utils;
use Test::More;

my $library = `pg_config --pkglibdir` =~ s/\n//r . '/dbsync_file_test.so';
if (!ok(-e $library, 'the driver is installed (make -C t/driver install)'))
{
	done_testing();
	exit 1;
}

my $pair = DbsyncTest->new(
	source_conf => <<'CONF');
dbsync.copy_chunk_rows = 100
CONF
my $source = $pair->source;
types_functions($source, 'postgres');

$pair->sql(q{CREATE FUNCTION public.file_test_validator(text[], oid) RETURNS void LANGUAGE c AS 'dbsync_file_test', 'dbsync_file_test_validator'});

my %folder;
foreach my $dialect (qw(mysql sqlite))
{
	$folder{$dialect} = File::Spec->rel2abs(PostgreSQL::Test::Utils::tempdir($dialect));
	$pair->sql("CREATE FOREIGN DATA WRAPPER dbsync_${dialect}_test VALIDATOR public.file_test_validator; CREATE SERVER $dialect FOREIGN DATA WRAPPER dbsync_${dialect}_test OPTIONS (folder "
		  . quoted($folder{$dialect}) . "); CREATE USER MAPPING FOR CURRENT_USER SERVER $dialect");
}

# Lines of the file's table that begin with such a word, without it.
sub records
{
	my ($dialect, $table, $word) = @_;
	my $inside = 0;
	my @found;

	foreach my $line (-e "$folder{$dialect}/target" ? split /\n/, slurp_file("$folder{$dialect}/target") : ())
	{
		my ($is, @fields) = split /\t/, $line, -1;
		$inside = "$fields[0].$fields[1]" eq $table if $is eq 'table';
		push @found, join("\t", @fields) if $is eq $word && $inside;
	}
	return @found;
}

# Rows; before them stands their key, as one field.
sub there
{
	my ($dialect, $table) = @_;
	return [ sort map { s/^[^\t]*\t//r } records($dialect, $table, 'row') ];
}

my %by_value = map { $_ => 1 } qw(boolean smallint integer bigint oid real float8 bytea);

# What the file's rows are to be, of columns "name => [type, typmod]".
sub here
{
	my ($dialect, $table, @columns) = @_;
	my @written;

	while (my ($name, $type) = splice @columns, 0, 2)
	{
		my $bytes = "types_test.written($name, '$dialect')";
		push @written, ($dialect eq 'sqlite' && $by_value{$type} ? "encode($bytes, 'hex')" : "convert_from($bytes, 'UTF8')") . " AS $name";
	}
	return DbsyncTest::Ends::lines_of($source, '(SELECT ' . join(', ', @written) . " FROM $table) x");
}

my @columns = (id => 'bigint', b => 'boolean', s => 'smallint', i => 'integer', o => 'oid', n => 'numeric', d => 'numeric', r => 'real', f => 'float8',
	c => 'char', v => 'varchar', t => 'text', name => 'name', m => 'mood', by => 'bytea', day => 'date', at => 'time', ts => 'timestamp', tz => 'timestamptz',
	span => 'interval', u => 'uuid', j => 'json', jb => 'jsonb', bits => 'varbit', a => 'array', ta => 'array', ip => 'inet', rg => 'int4range', p => 'numeric');
$pair->sql(<<'SQL');
CREATE TYPE mood AS ENUM ('sad', 'so "so", ok');
CREATE DOMAIN cash AS numeric(20,2) CHECK (VALUE >= 0);
CREATE TABLE public.all_of_them (id bigint, b boolean, s smallint, i integer, o oid, n numeric, d numeric(12,3), r real, f float8, c char(5), v varchar(300), t text,
	name name, m mood, by bytea, day date, at time, ts timestamp, tz timestamptz, span interval, u uuid, j json, jb jsonb, bits varbit, a int[], ta text[], ip inet, rg int4range, p cash,
	PRIMARY KEY (id, c));
CREATE FUNCTION fill(first int, last int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO public.all_of_them SELECT x, x % 2 = 0, x - 300, -x, x, x / 7.0, x / 3.0, x / 7.0, x / 3.0, 'k' || x % 9, repeat('v', x % 300), E'tab\t' || chr(127 + x * 20) || E'\n\\',
		'n' || x, 'so "so", ok', decode(md5(x::text), 'hex'), '2000-02-28'::date + x, '23:59:59.999999', '1999-12-31 23:59:59'::timestamp + x * interval '1.5 hours',
		'2024-03-31 00:30+00'::timestamptz + x * interval '1 hour', x * interval '1 day 1.25 s', md5(x::text)::uuid, '{"x":  1}', '{"x":  [1, 2.50]}', x::bit(9)::varbit,
		ARRAY[x, NULL], ARRAY[x::text, '"'], '10.0.0.1', int4range(x, x + 5), x
	FROM generate_series(first, last) x
$$;
SELECT fill(1, 250);
INSERT INTO public.all_of_them VALUES (0, false, -32768, -2147483648, 4294967295, 12345678901234567890.5, -999999999.999, '-3.4028235e38', '-1.7976931348623157e308', '', '', '', '', 'sad', '',
	'0001-01-01', '24:00:00', '9999-12-31 23:59:59.999999', '0001-01-01 00:00:00+00', 'PT0S', '00000000-0000-0000-0000-000000000000', 'null', '""', '', '{}', '{{a,b},{c,d}}', '::/0', 'empty', 0);
SQL

sub same
{
	my ($test) = @_;
	foreach my $dialect (qw(mysql sqlite))
	{
		is_deeply(there($dialect, 'public.all_of_them'), here($dialect, 'public.all_of_them', @columns), "$dialect: $test");
	}
	return;
}

# --- the road

foreach my $dialect (qw(mysql sqlite))
{
	$pair->subscribe($dialect, ['public.all_of_them'], target => $dialect);
	$pair->start_subscription($dialect);
	$pair->arrives($dialect, "$dialect: the first copy arrives");
}
same('it is copied');
my ($declared) = records('mysql', 'public.all_of_them', 'table');
is($declared, join("\t", qw(public all_of_them), map { @$_ } [qw(id BIGINT)], [qw(b TINYINT(1))], [qw(s SMALLINT)], [qw(i INT)], [qw(o BIGINT)], [ 'n', 'DECIMAL(65,30)' ], [ 'd', 'DECIMAL(12,3)' ],
		[qw(r DOUBLE)], [qw(f DOUBLE)], [qw(c VARCHAR(5))], [qw(v LONGTEXT)], [qw(t LONGTEXT)], [qw(name VARCHAR(63))], [qw(m VARCHAR(63))], [qw(by LONGBLOB)], [qw(day DATE)], [qw(at TIME(6))],
		[qw(ts DATETIME(6))], [qw(tz DATETIME(6))], [qw(span VARCHAR(64))], [ 'u', 'CHAR(36) CHARACTER SET ascii COLLATE ascii_bin' ], [qw(j LONGTEXT)], [qw(jb LONGTEXT)],
		[ 'bits', 'LONGTEXT CHARACTER SET ascii COLLATE ascii_bin' ], [qw(a LONGTEXT)], [qw(ta LONGTEXT)], [qw(ip VARCHAR(49))], [qw(rg LONGTEXT)], [ 'p', 'DECIMAL(20,2)' ]),
	'columns are declared as the table of types says');
my %changes = (
	'inserts' => 'SELECT fill(1000, 1100)',
	'updates' => q{UPDATE all_of_them SET n = -n, t = t || 'x', tz = NULL, by = by || '\x00' WHERE id > 200},
	'large values left as they are' => q{UPDATE all_of_them SET t = repeat(md5(id::text), 90) WHERE id < 5; UPDATE all_of_them SET s = s + 1 WHERE id < 5},
	'deletes' => 'DELETE FROM all_of_them WHERE id % 3 = 0',
	'new keys' => q{UPDATE all_of_them SET c = 'z', id = -1000 - id WHERE id % 3 = 1},
	'one row' => 'UPDATE all_of_them SET f = 0.1 WHERE id = 2');
foreach my $what (sort keys %changes)
{
	$pair->sql($changes{$what});
	$pair->arrives($_, "$_: $what arrive") foreach qw(mysql sqlite);
	same($what);
}
$pair->sql('TRUNCATE all_of_them; SELECT fill(1, 20)');
$pair->arrives($_, "$_: all anew") foreach qw(mysql sqlite);
same('all anew');

# --- columns that are refused

sub error_of
{
	my ($sql) = @_;
	my (undef, undef, $error) = $source->psql('postgres', $sql);
	return $error;
}

$pair->sql('CREATE TABLE public.item (id int PRIMARY KEY, price money, ref xid, note text)');
my $money = qr/column "price" of table public.item has type money, which MariaDB has no counterpart for\n(?:.*\n)*?HINT:  Send it as another type: columns => ARRAY\['id', 'price::numeric\(20,2\) AS price', 'ref::text AS ref', 'note'\]\./;
like(error_of(q{SELECT dbsync.add_table('mysql', 'public.item')}), $money, 'add_table() refuses a column');
like(error_of(q{SELECT dbsync.create_subscription('other', 'mysql', '{public.item}')}), $money, 'so does create_subscription()');
like(error_of(q{SELECT dbsync.add_table('mysql', 'public.item', columns => '{id,note,ref}')}), qr/column "ref" of table public.item has type xid, which MariaDB/, 'of those that are chosen');
is($pair->sql(q{SELECT count(*) FROM dbsync.table_status WHERE "table" = 'item'::regclass}), '0', 'nothing of it is there');
$pair->sql(q{INSERT INTO item VALUES (1, 12.5, '7', 'x'), (2, NULL, NULL, NULL)});
$pair->sql(q{SELECT dbsync.add_table('mysql', 'public.item', columns => ARRAY['id', 'price::numeric(20,2) AS price', 'ref::text AS ref', 'note'])});
$pair->arrives('mysql', 'the columns of the hint are taken');
is_deeply(there('mysql', 'public.item'), [ "1\t12.50\t7\tx", "2\t\\N\t\\N\t\\N" ], 'and arrive');
like(error_of(q{SELECT dbsync.alter_table('mysql', 'public.item', columns => '{*}')}), $money, 'alter_table() refuses it, too');
$pair->sql('CREATE TABLE public.spans (span interval PRIMARY KEY)');
like(error_of(q{SELECT dbsync.add_table('sqlite', 'public.spans')}), qr/column "span" of table public.spans has type interval, which cannot be in a key at SQLite\n/, 'what cannot be in a key');
$pair->sql(q{SELECT dbsync.remove_table('mysql', 'public.item')});

# --- values that are refused

$pair->sql('CREATE TABLE public.price (id int PRIMARY KEY, price numeric, "the note" date); CREATE TABLE public.calm (id int PRIMARY KEY)');
$pair->sql(q{SELECT dbsync.add_table('mysql', t) FROM unnest('{public.price,public.calm}'::regclass[]) t});
$pair->arrives('mysql', 'two tables come');
$pair->sql(q{INSERT INTO price VALUES (1, 1, NULL); INSERT INTO calm VALUES (1)});
$pair->arrives('mysql', 'rows come');
my $before = there('mysql', 'public.price');

sub refused_value
{
	my ($sql, $error, $action, $mend) = @_;

	$pair->sql("$sql; INSERT INTO calm SELECT max(id) + 1 FROM calm");
	ok(poll_until(sub { ($pair->sql(q{SELECT coalesce(last_error, '') || ' ' || coalesce(next_action, '') FROM dbsync.status WHERE subscription = 'mysql'})) =~ $error }, 'a refusal'),
		"$sql: status says so");
	like($pair->sql(q{SELECT next_action FROM dbsync.status WHERE subscription = 'mysql'}), $action, "$sql: and what to do");
	ok(poll_until(sub { join(' ', @{ there('mysql', 'public.calm') }) eq $pair->sql(q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM calm}) }, 'the other table'),
		"$sql: the other table goes on");
	is($pair->sql(q{SELECT state FROM dbsync.table_status WHERE "table" = 'price'::regclass}), 'held', "$sql: its own is held");
	is_deeply(there('mysql', 'public.price'), $before, "$sql: nothing of it arrives");
	$pair->sql($mend);
	$pair->arrives('mysql', "$sql: it goes on when it is mended");
	$before = there('mysql', 'public.price');
	return;
}

refused_value(q{INSERT INTO price VALUES (5, 'NaN', NULL)}, qr/column "price" of table public.price has a value for which the target has no room/,
	qr/send another one: dbsync\.alter_table\(\.\.\., columns => ARRAY\[\.\.\., 'nullif\(price, ''NaN''\) AS price'\]\)/, 'UPDATE price SET price = 5 WHERE id = 5');
refused_value(q{UPDATE price SET "the note" = 'infinity' WHERE id = 1}, qr/column "the note" of table public.price has a value for which the target has no room/,
	qr/Change the value, or alter the target's column/, 'UPDATE price SET "the note" = NULL');
like(slurp_file($source->logfile), qr/In the row with key \(5\) it is NaN\..*In the row with key \(1\) it is infinite\./s, 'the log says which row it was');
is_deeply($before, [ "1\t1\t\\N", "5\t5\t\\N" ], 'and the mended ones are there');

# a first copy
$pair->sql(q{CREATE TABLE public.late (id int PRIMARY KEY, d date); INSERT INTO late VALUES (1, '2026-01-01'), (2, '0044-03-15 BC')});
$pair->sql(q{SELECT dbsync.add_table('sqlite', 'public.late')});
$pair->status_becomes('sqlite', q{last_error LIKE 'column "d" of table public.late has a value for which the target has no room%'}, 'a first copy with such a value says so');
is_deeply(there('sqlite', 'public.late'), [], 'and brings nothing');
$pair->sql('SELECT fill(2000, 2010)');
ok(poll_until(sub { grep { /^d007/ } @{ there('sqlite', 'public.all_of_them') } }, 'a row'), 'the others go on');
$pair->sql('DELETE FROM late WHERE id = 2');
$pair->arrives('sqlite', 'it goes on when the value is gone');
is_deeply(there('sqlite', 'public.late'), [ "0100000000000000\t2026-01-01" ], 'and brings the rest');
same('at the end');

DbsyncTest::finish();

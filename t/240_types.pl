# The table of types (worker/types): what a column is called elsewhere, and its values there, byte by byte, with every edge that
# a type has; what is refused, and in which words; whatever the session's settings, from databases of UTF8 and LATIN1.
use strict;
use warnings;

use lib 't';
use DbsyncTest::Server qw(ask new_node);
use DbsyncTest::TypeForms qw(types_functions);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('here');
$node->safe_psql('postgres', q{CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'});
$node->safe_psql('postgres', q{CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'});
types_functions($node, qw(postgres latin ascii));
$node->safe_psql('postgres', 'CREATE EXTENSION dbsync');

sub quoted
{
	my ($text) = @_;
	return "'" . ($text =~ s/'/''/gr) . "'";
}

# --- values

my ($N22, $D22, $L22) = qw(22003 22008 22001);

# A double, and an int64, as this machine has them.
sub real { return pack('d', $_[0]); }
sub int64 { return pack('q', $_[0]); }

# What an expression is in MariaDB's form and SQLite's: bytes, or \"sqlstate: words".  Behind them what is given to written().
my $day = "2024-02-29'";
my $longest = '9' x 35 . '.' . '9' x 30;
my @values = (
	[ 'NULL::int', undef, undef ],
	[ 'true', '1', int64(1) ], [ 'false', '0', int64(0) ],
	[ "'-32768'::int2", '-32768', int64(-32768) ], [ '32767::int2', '32767', int64(32767) ],
	[ "'-2147483648'::int", '-2147483648', int64(-2147483648) ], [ '2147483647', '2147483647', int64(2147483647) ],
	[ "'-9223372036854775808'::int8", '-9223372036854775808', pack('q', -9223372036854775807 - 1) ],
	[ '9223372036854775807', '9223372036854775807', int64(9223372036854775807) ],
	[ '4294967295::oid', '4294967295', int64(4294967295) ], [ '0::oid', '0', int64(0) ],
	# numeric
	[ '0::numeric', '0', '0' ], [ '-0.0::numeric', '0.0', '0.0' ], [ '0.10', '0.10', '0.10' ], [ '-12345678901234567.10', '-12345678901234567.10', '-12345678901234567.10' ],
	[ "'$longest'::numeric", $longest, $longest ], [ "'-$longest'::numeric", "-$longest", "-$longest" ],
	[ "'1e-30'::numeric", '0.' . '0' x 29 . '1', '0.' . '0' x 29 . '1' ],
	[ "'1e-31'::numeric", \"$N22: it has 31 digits behind the point, the column 30", '0.' . '0' x 30 . '1' ],
	[ "'1e35'::numeric", \"$N22: it has 36 digits before the point, the column 35", '1' . '0' x 35 ],
	[ "'NaN'::numeric", \"$N22: it is NaN", 'NaN' ],
	[ "'Infinity'::numeric", \"$N22: it is infinite", 'Infinity' ], [ "'-Infinity'::numeric", \"$N22: it is infinite", '-Infinity' ],
	# into columns that are there: decimal(6,2)
	[ '1234.56', '1234.56', '1234.56', ', -1, 6, 2' ], [ '1234.500', '1234.50', '1234.50', ', -1, 6, 2' ], [ '1234.000', '1234.00', '1234.00', ', -1, 6, 2' ],
	[ '7.00', '7', '7', ', -1, 6, 0' ], [ '100::numeric', '100', '100', ', -1, 3, 0' ], [ '0.25', '0.25', '0.25', ', -1, 2, 2' ],
	map({ [ $_->[0], (\"$N22: $_->[1]") x 2, ", -1, $_->[2]" ] }
		[ '1.239', 'it has 3 digits behind the point, the column 2', '6, 2' ],
		[ '12345.6', 'it has 5 digits before the point, the column 4', '6, 2' ],
		[ '1.25', 'it has 1 digits before the point, the column 0', '2, 2' ]),
	# floats
	[ "'NaN'::float8", \"$N22: it is NaN", \"$N22: it is NaN" ], [ "'NaN'::real", \"$N22: it is NaN", \"$N22: it is NaN" ],
	[ "'Infinity'::float8", \"$N22: it is infinite", real(9**9**9) ], [ "'-Infinity'::real", \"$N22: it is infinite", real(-9**9**9) ],
	[ "'-0'::float8", '-0', real(-0.0) ], [ "'0'::float8", '0', real(0) ], [ '0.1::float8', '0.1', real(0.1) ],
	[ "'1.7976931348623157e308'::float8", '1.7976931348623157e+308', real(1.7976931348623157e308) ],
	[ "'5e-324'::float8", '5e-324', real(5e-324) ], [ "'1e23'::float8", '9.999999999999999e+22', real(1e23) ],
	[ "'16777217'::real", '1.6777216e+07', real(16777216) ], [ "'0.1'::real", '0.1', real(unpack('f', pack('f', 0.1))) ],
	[ "'3.4028235e38'::real", '3.4028235e+38', real(unpack('f', pack('f', 3.4028234663852886e38))) ],
	[ "'1e-45'::real", '1e-45', real(unpack('f', pack('f', 1e-45))) ],
	# text
	[ "''::text", '', '' ], map({ [ $_ ->[0], $_->[1], $_->[1] ] }
		[ q{E'\\\\'::text}, '\\' ], [ q{E'a\tb\nc\rd\x01'::text}, "a\tb\nc\rd\x01" ], [ q{''''::text}, "'" ], [ q{'"'::text}, '"' ], [ q{'\N'::text}, '\N' ],
		[ q{'NULL'::text}, 'NULL' ], [ q{E'\x1a%'::varchar}, "\x1a%" ], [ q{'a '::text}, 'a ' ]),
	[ "'a  '::char(5)", 'a', 'a', ', 9' ], [ "'   '::char(3)", '', '', ', 7' ], [ "' a '::bpchar", ' a', ' a' ],
	[ "'12345'::varchar(5)", '12345', '12345', ', 9' ],
	[ "'12345'::text", (\"$L22: it has 5 characters, the column 4") x 2, ', -1, NULL, NULL, 4' ],
	[ "'1234  '::text", (\"$L22: it has 6 characters, the column 5") x 2, ', -1, NULL, NULL, 5' ],
	[ "'1234  '::bpchar", '1234', '1234', ', -1, NULL, NULL, 4' ],
	[ "'name'::name", 'name', 'name' ], [ "'sad'::mood", 'sad', 'sad' ], [ "'sad'::moods", 'sad', 'sad' ],
	[ "'<?xml version=\"1.0\" encoding=\"LATIN1\"?><a>b</a>'::xml", '<a>b</a>', '<a>b</a>' ],
	# bytes
	[ "''::bytea", '', '' ], [ "'\\x00'::bytea", '00', "\0" ], [ "'\\x00ff5c27000a'::bytea", '00ff5c27000a', "\0\xff\\'\0\n" ],
	[ "'\\x0102'::bytea", (\"$L22: it has 2 bytes, the column 1") x 2, ', -1, NULL, NULL, 1' ],
	# dates and times
	map({ [ "'$_->[0]'::date", $_->[1], $_->[2] ] } [ ('2024-02-29') x 3 ], [ ('0001-01-01') x 3 ], [ ('0099-12-31') x 3 ], [ ('9999-12-31') x 3 ],
		[ '10000-01-01', \"$D22: it is after the year 9999", '10000-01-01' ], [ '5874897-12-31', \"$D22: it is after the year 9999", '5874897-12-31' ],
		[ '0001-12-31 BC', (\"$D22: it is before the year 1") x 2 ], [ '4714-11-24 BC', (\"$D22: it is before the year 1") x 2 ],
		[ 'infinity', (\"$D22: it is infinite") x 2 ], [ '-infinity', (\"$D22: it is infinite") x 2 ]),
	map({ [ "'$_'::time", $_, $_ ] } '00:00:00', '24:00:00', '23:59:59.999999', '23:59:59.25', '00:00:00.000001', '07:08:09'),
	map({ [ "'2026-11-28 $_'::timestamp", "2026-11-28 $_", "2026-11-28 $_" ] } '00:00:00', '23:59:59.999999', '01:02:03.25'),
	[ "'2026-11-28 01:02:03.25+05:30'::timestamptz", ('2026-11-27 19:32:03.25') x 2 ],
	[ "'9999-12-31 23:59:59.999999'::timestamp", ('9999-12-31 23:59:59.999999') x 2 ],
	[ "'9999-12-31 23:59:59-01'::timestamptz", \"$D22: it is after the year 9999", '10000-01-01 00:59:59' ],
	[ "'294276-12-31 23:59:59.999999'::timestamp", \"$D22: it is after the year 9999", '294276-12-31 23:59:59.999999' ],
	map({ [ "'$_->[0]'::$_->[2]", (\"$D22: $_->[1]") x 2 ] } map({ my $type = $_; map { [ @$_, $type ] }
			[ '0001-12-31 00:00 BC', 'it is before the year 1' ], [ 'infinity', 'it is infinite' ], [ '-infinity', 'it is infinite' ] } qw(timestamp timestamptz))),
	# fewer digits than there are
	[ "'12:00:00.25'::time", ('12:00:00.25') x 2, ', -1, NULL, 2' ], [ "'12:00:00'::time", ('12:00:00') x 2, ', -1, NULL, 0' ],
	[ "'12:00:00.250'::time(3)", ('12:00:00.25') x 2, ', 3' ],
	[ "'12:00:00.7'::time", (\"$D22: it has more than the 0 digits of a second that the column has") x 2, ', -1, NULL, 0' ],
	[ "'2026-01-01 12:00:00.123456'::timestamptz", (\"$D22: it has more than the 3 digits of a second that the column has") x 2, ', -1, NULL, 3' ],
	map({ [ "'$_->[0]'::interval", $_->[1], $_->[1] ] } [ '1 year 2 months -3 days 04:05:06.5', 'P1Y2M-3DT4H5M6.5S' ], [ '0', 'PT0S' ],
		[ '-0.000001 s', 'PT-0.000001S' ],
		[ '-178956970 years -8 mons -2147483648 days -2562047788:00:54.775807', 'P-178956970Y-8M-2147483648DT-2562047788H-54.775807S' ]),
	# others
	[ "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11') x 2 ],
	[ q{'{"b":1,  "a":[]}'::json}, (q({"b":1,  "a":[]})) x 2 ], [ q{'{"b":1,  "a":[]}'::jsonb}, (q({"a": [], "b": 1})) x 2 ], [ "'null'::jsonb", ('null') x 2 ],
	[ q~'[[["[{\"]"]]]'::jsonb~, (q([[["[{\"]"]]])) x 2, ', -1, NULL, NULL, NULL, 3' ],
	[ q{'[[{"a":"\\\\\\\\"}]]'::json}, (\'22032: it is more than 2 levels deep') x 2, ', -1, NULL, NULL, NULL, 2' ],
	[ "B'0101'", ('0101') x 2, ', 4' ], [ "''::varbit", ('') x 2 ], [ "'192.168.0.1/24'::inet", ('192.168.0.1/24') x 2 ], [ "'::ffff:1.2.3.0/120'::cidr", ('::ffff:1.2.3.0/120') x 2 ],
	[ "'08:00:2b:01:02:03'::macaddr", ('08:00:2b:01:02:03') x 2 ], [ "'08:00:2b:01:02:03:04:05'::macaddr8", ('08:00:2b:01:02:03:04:05') x 2 ],
	[ "'[1,5)'::int4range", ('[1,5)') x 2 ], [ "'{[1,2),[5,6)}'::int4multirange", ('{[1,2),[5,6)}') x 2 ], [ "'empty'::daterange", ('empty') x 2 ],
	# arrays
	[ "'{}'::int[]", ('[]') x 2 ], [ "'{1,NULL,3}'::int[]", ('[1,null,3]') x 2 ], [ "'{{1,2},{3,4}}'::int[]", ('[[1,2],[3,4]]') x 2 ],
	[ q{ARRAY['', 'null', E'"\\\\', NULL]}, (q(["","null","\"\\\\",null])) x 2 ], [ "'{happy,NULL}'::mood[]", ('["happy",null]') x 2 ], [ "ARRAY['sad'::moods]", ('["sad"]') x 2 ],
	[ "ARRAY['NaN'::float8, '0.1']", ('["NaN",0.1]') x 2 ], [ "ARRAY[9223372036854775807]", ('[9223372036854775807]') x 2 ],
	[ q{ARRAY['\x00ff'::bytea]}, (q(["\\\\x00ff"])) x 2 ], [ "ARRAY['2026-11-28 01:02:03+00'::timestamptz]", ('["2026-11-28T01:02:03+00:00"]') x 2 ],
	[ "'[0:1]={1,2}'::int[]", (\'2202E: it does not count from 1, which JSON cannot say') x 2 ],
	[ "'[1:1][2:2]={{1}}'::int[]", (\'2202E: it does not count from 1, which JSON cannot say') x 2 ]);
# characters of each plane, and the last of each length
push @values, map { my $bytes = chr($_); utf8::encode($bytes); [ "chr($_)", $bytes, $bytes ] }
	0x7f, 0x80, 0x7ff, 0x800, 0xe9, 0x5d0, 0x20ac, 0xd7ff, 0xe000, 0xfffd, 0xffff, 0x10000, 0x1f600, map({ $_ * 0x10000 + 0x42 } 2 .. 16), 0x10ffff;

my $setup = q{CREATE TYPE public.mood AS ENUM ('sad', 'happy'); CREATE DOMAIN public.moods AS public.mood};
$node->safe_psql($_, $setup) foreach qw(postgres latin);

# As it is seen by people: bytes if they are printable.
sub seen { return $_[0] =~ /^[\x20-\x7e]*\z/ ? $_[0] : unpack('H*', $_[0]); }

sub written_as
{
	my ($database, $settings, $test) = @_;
	my @calls;

	foreach my $value (@values)
	{
		my ($expression, undef, undef, $more) = @$value;
		next if $database ne 'postgres' && $expression =~ /^chr\((\d+)/ && $1 > 0x7f;
		push @calls, map { "SELECT types_test.tried(" . quoted($expression) . ", '$_', " . quoted($more // '') . ")" } qw(mysql sqlite);
	}
	my @lines = split /\n/, $node->safe_psql($database, join(";\n", $settings // (), @calls)), -1;
	my @wrong;
	foreach my $value (@values)
	{
		my ($expression, @expected) = @$value[ 0 .. 2 ];
		next if $database ne 'postgres' && $expression =~ /^chr\((\d+)/ && $1 > 0x7f;
		foreach my $dialect (0, 1)
		{
			my $line = shift @lines;
			my $wanted = !defined $expected[$dialect] ? 'null' : ref $expected[$dialect] ? ${ $expected[$dialect] } : unpack('H*', $expected[$dialect]);
			push @wrong, "$expression" . ($value->[3] // '') . ' ' . (qw(mysql sqlite))[$dialect] . ": $wanted expected, $line found: " .
			  ($line =~ /^(?:[0-9a-f]{2})*\z/ ? seen(pack('H*', $line)) : $line)
			  if $line ne $wanted;
		}
	}
	ok(!@wrong, $test);
	diag($_) foreach @wrong;
	return;
}

my $pins = q{SET timezone = 'UTC'; SET bytea_output = 'hex'; SET extra_float_digits = 3; SET datestyle = 'ISO, YMD'};
written_as('postgres', $pins, 'every value is written as it is to be, or refused');
# arrays are made under the worker's settings
my $turned = q{SET datestyle = 'German, DMY'; SET intervalstyle = 'sql_standard'; SET extra_float_digits = -5; SET lc_monetary = 'C'};
@values = grep { $_->[0] !~ /ARRAY|float8, / } @values;
written_as('postgres', "$turned; SET timezone = 'Asia/Kathmandu'; SET bytea_output = 'escape'", 'whatever the settings are');
written_as('latin', $pins, 'also from a database of another encoding');
is(ask($node, q{SELECT types_test.tried('chr(233) || chr(255)', 'mysql')}, 'latin'), 'c3a9c3bf', 'whose characters become UTF-8');
is(ask($node, q{SELECT types_test.tried('repeat(chr(233), 3)', 'mysql', ', -1, NULL, NULL, 3')}, 'latin'), 'c3a9' x 3, 'and are counted as characters');
is(ask($node, q{SELECT types_test.tried('repeat(chr(128512), 4)', 'mysql', ', -1, NULL, NULL, 3')}), '22001: it has 4 characters, the column 3', 'so are the longest');
is(ask($node, q{SELECT types_test.tried('42', 'mysql')}, 'ascii'), unpack('H*', '42'), 'numbers need no encoding');
like(ask($node, q{SELECT types_test.tried('''a''::text', 'mysql')}, 'ascii'), qr/^0A000: .* cannot be sent to MariaDB from a database without an encoding/, 'text does');
is(ask($node, q{SELECT length(types_test.written(repeat('ä', 20000000), 'mysql'))}), 40_000_000, '40 MB of text');
is(ask($node, q{SELECT types_test.written(repeat('ä', 20000000), 'mysql') = convert_to(repeat('ä', 20000000), 'UTF8')}), 't', 'whole');

# --- at random: what is written reads back as the value that it was

my %random = (
	int2 => '(random() * 65535 - 32768)::int2', int4 => '(random() * 4294967295 - 2147483648)::int4', int8 => '((random() - 0.5) * 1.8e19)::int8',
	oid => '(random() * 4294967295)::int8::oid',
	numeric => 'round(((random() - 0.5) * 10 ^ (random() * 30))::numeric, (random() * 25)::int)',
	real => '((random() - 0.5) * 10 ^ (random() * 76 - 38))::real', float8 => '((random() - 0.5) * 10 ^ (random() * 614 - 306))::float8',
	text => q{(SELECT coalesce(string_agg(chr(CASE WHEN random() < 0.3 THEN 1 + (random() * 126)::int WHEN random() < 0.5 THEN 128 + (random() * 50000)::int
		ELSE 65536 + (random() * 1048575)::int END), ''), '') FROM generate_series(1, n % 20))},
	date => q{'0001-01-01'::date + (random() * 3652058)::int}, time => q{'00:00'::time + random() * interval '1 day'},
	timestamp => q{'0001-01-01'::timestamp + random() * interval '3652058 days'}, timestamptz => q{'0001-01-02 00:00+00'::timestamptz + random() * interval '3652050 days'},
	interval => q{make_interval((random() * 2000 - 1000)::int, (random() * 2000 - 1000)::int, 0, (random() * 2000 - 1000)::int, (random() * 2000 - 1000)::int, 0, random() * 2000 - 1000)},
	uuid => 'gen_random_uuid()', inet => q{('10.' || n % 256 || '.1.' || n % 199 || '/' || n % 33)::inet}, varbit => q{((random() * 4294967295)::int8::bit(40)::varbit)},
	bytea => q{substr(decode(md5(n::text) || md5(random()::text), 'hex'), 1, n % 33)});
my @random = sort keys %random;
foreach my $type (@random)
{
	my $made = "CREATE TABLE made AS SELECT n, ($random{$type})::$type AS v FROM generate_series(1, 3000) n";
	my $back = $type eq 'bytea' ? q{decode(convert_from(types_test.written(v, 'mysql'), 'UTF8'), 'hex')}
	  : "convert_from(types_test.written(v, 'mysql'), 'UTF8')" . ($type eq 'real' ? '::float8' : '') . "::$type";
	my $here = $type =~ /^(int\d|oid)$/ ? q{types_test.sent(types_test.written(v, 'sqlite')) = int8send(v::int8)}
	  : $type =~ /^(real|float8)$/ ? q{types_test.sent(types_test.written(v, 'sqlite')) = float8send(v)}
	  : $type eq 'bytea' ? q{types_test.written(v, 'sqlite') = v} : q{types_test.written(v, 'sqlite') = types_test.written(v, 'mysql')};
	my $out = $node->safe_psql('postgres', "$pins; $made; SELECT count(*), count(*) FILTER (WHERE ($back)::text IS DISTINCT FROM v::text), count(*) FILTER (WHERE NOT $here) FROM made;"
		  . "SELECT v FROM made WHERE ($back)::text IS DISTINCT FROM v::text OR NOT $here LIMIT 3; DROP TABLE made");
	is($out, '3000|0|0', "3000 of $type read back as what they are");
}

# --- declarations

$node->safe_psql('postgres', <<'SQL');
CREATE DOMAIN price AS numeric(20,2);
CREATE DOMAIN prices AS price[];
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE wide (id bigint, c char(4), v varchar(255), w varchar(256), t text, p price, ps prices, n numeric, m numeric(3,-2), k numeric(2,5), b bit, vb varbit(300),
	at timestamptz(3), at6 timestamp, h time(0), f real, u uuid, j jsonb, r int4range, by bytea, e mood);
CREATE TABLE bad (id bigint, "the price" money, at timetz, v text, l numeric(70,35), c text COLLATE loose, i interval, a int[], x xid, n numeric, am money[], f float8);
SQL
is(ask($node, "SELECT * FROM types_test.resolved('wide', 'mysql', '{id}')"), <<'ROWS' =~ s/\n\z//r, 'a table in MariaDB');
id|BIGINT|-1|-1|-1
c|VARCHAR(4)|-1|-1|4
v|VARCHAR(255)|-1|-1|255
w|LONGTEXT|-1|-1|-1
t|LONGTEXT|-1|-1|-1
p|DECIMAL(20,2)|20|2|-1
ps|LONGTEXT|-1|-1|-1
n|DECIMAL(65,30)|65|30|-1
m|DECIMAL(5,0)|5|0|-1
k|DECIMAL(5,5)|5|5|-1
b|VARCHAR(1) CHARACTER SET ascii COLLATE ascii_bin|-1|-1|1
vb|LONGTEXT CHARACTER SET ascii COLLATE ascii_bin|-1|-1|-1
at|DATETIME(3)|-1|3|-1
at6|DATETIME(6)|-1|6|-1
h|TIME(0)|-1|0|-1
f|DOUBLE|-1|-1|-1
u|CHAR(36) CHARACTER SET ascii COLLATE ascii_bin|-1|-1|-1
j|LONGTEXT|-1|-1|-1
r|LONGTEXT|-1|-1|-1
by|LONGBLOB|-1|-1|-1
e|VARCHAR(63)|-1|-1|63
ROWS
is(ask($node, "SELECT string_agg(name || ' ' || declaration, ', ') FROM types_test.resolved('wide', 'sqlite', '{id}') WHERE \"precision\" = -1 AND scale = -1 AND length = -1"),
	'id INTEGER, c TEXT, v TEXT, w TEXT, t TEXT, p TEXT, ps TEXT, n TEXT, m TEXT, k TEXT, b TEXT, vb TEXT, at TEXT, at6 TEXT, h TEXT, f REAL, u TEXT, j TEXT, r TEXT, by BLOB, e TEXT',
	'in SQLite');
is(ask($node, "SELECT string_agg(name || ' ' || declaration, ', ') FROM types_test.resolved('bad', 'postgres', '{id}')"),
	'id bigint, the price money, at time with time zone, v text, l numeric(70,35), c text, i interval, a integer[], x xid, n numeric, am money[], f double precision',
	'PostgreSQL takes them all as they are');

# strings in the key share what the others leave
sub in_key
{
	my ($key) = @_;
	return ask($node, "SELECT string_agg(declaration, ', ' ORDER BY array_position('{$key}', name)) FROM types_test.resolved('wide', 'mysql', '{$key}') WHERE name = ANY ('{$key}')");
}
is(in_key('t'), 'VARCHAR(768)', 'text is all of the key');
is(in_key('id,t'), 'BIGINT, VARCHAR(766)', 'what a bigint leaves of it');
is(in_key('id,t,w'), 'BIGINT, VARCHAR(510), VARCHAR(256)', 'and a short one');
is(in_key('t,c,v,w'), 'VARCHAR(254), VARCHAR(4), VARCHAR(254), VARCHAR(254)', 'and several');
is(in_key('by,t'), 'VARBINARY(767), VARCHAR(576)', 'and bytes');
is(in_key('n,p,u,at'), 'DECIMAL(65,30), DECIMAL(20,2), CHAR(36) CHARACTER SET ascii COLLATE ascii_bin, DATETIME(3)', 'what is no string stays as it is');

# --- refusals

sub refusal
{
	my ($columns, $dialect, $key) = @_;
	my $error;

	$node->safe_psql('postgres', "DROP TABLE IF EXISTS item; CREATE TABLE item AS SELECT $columns FROM bad");
	$node->psql('postgres', "SELECT * FROM types_test.resolved('item', '$dialect', '{" . ($key // 'id') . "}')", stderr => \$error, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $error =~ s/^psql:<stdin>:\d+: //r =~ s/^LOCATION:.*\n?//mr =~ s/\n\z//r;
}

is(refusal('id, "the price", v', 'mysql'), <<'TEXT' =~ s/\n\z//r, 'a type without a counterpart');
ERROR:  0A000: column "the price" of table item has type money, which MariaDB has no counterpart for
HINT:  Send it as another type: columns => ARRAY['id', '"the price"::numeric(20,2) AS "the price"', 'v'].
TEXT
is(refusal('id, at, x, am', 'sqlite'), <<'TEXT' =~ s/\n\z//r, 'the hint has all that are not taken');
ERROR:  0A000: column "at" of table item has type time with time zone, which SQLite has no counterpart for
HINT:  Send it as another type: columns => ARRAY['id', 'at::text AS at', 'x::text AS x', 'am::text AS am'].
TEXT
is(refusal('id, am', 'sqlite'), <<'TEXT' =~ s/\n\z//r, 'an array of such');
ERROR:  0A000: column "am" of table item has type money[], which SQLite has no counterpart for
DETAIL:  Nor does it have one for its elements' type.
HINT:  Send it as another type: columns => ARRAY['id', 'am::text AS am'].
TEXT
is(refusal('id, l', 'mysql'), <<'TEXT' =~ s/\n\z//r, 'too many digits');
ERROR:  0A000: column "l" of table item has type numeric(70,35), which MariaDB has no counterpart for
DETAIL:  There are 65 digits at most, 30 of them behind the point.
HINT:  Send it as another type: columns => ARRAY['id', 'l::numeric(65,30) AS l'].
TEXT
is(refusal('id, l, n, f', 'sqlite', 'l'), '', 'which SQLite has room for, also in the key');
is(refusal('id, n, f', 'mysql', 'id,n,f'), '', 'MariaDB compares numbers');
foreach my $column (qw(n i a c))
{
	like(refusal("id, $column", 'sqlite', "id,$column"),
		qr/^ERROR:  0A000: column "$column" of table item has type \S+, which cannot be in a key at SQLite\nDETAIL:  .*would be several keys.*\nHINT:  Name another key: dbsync\.add_table\(\.\.\., key => '\{\.\.\.\}'\)\.\z/,
		"what equal values of column $column would be in a key");
}
like(refusal('id, x', 'sqlite', 'id,x'), qr/^ERROR:  0A000: column "x" .* which SQLite has no counterpart for\nHINT:  Name another key/, 'a key is sent as it is');
$node->safe_psql('postgres', 'CREATE TABLE keys AS SELECT ' . join(', ', map { "''::bytea AS b$_" } 1 .. 5));
my $said;
$node->psql('postgres', "SELECT * FROM types_test.resolved('keys', 'mysql', '{b1,b2,b3,b4,b5}')", stderr => \$said);
like($said,
	qr/the key of table keys is too long for MariaDB\nDETAIL:  All of its columns together have 3072 bytes at most there/, 'a key that is too long');

# --- columns that are there

my $numeric = '((20 << 16) | 2) + 4';
foreach my $case (
	# the source's type, then the target's with its numbers; what it has room for, or why not
	[ 'int4', -1, 'int', '', '-1 -1 -1' ], [ 'int4', -1, 'bigint', '', '-1 -1 -1' ], [ 'int4', -1, 'decimal', '10, 0', '10 0 -1' ],
	[ 'int4', -1, 'decimal', '10, 1', 'it has 9 digits before the point, 10 are needed' ],
	[ 'int8', -1, 'decimal', '20, 1', '20 1 -1' ], [ 'bool', -1, 'tinyint', '', '-1 -1 -1' ],
	[ 'numeric', -1, 'decimal', '6, 2', '6 2 -1' ], [ 'numeric', $numeric, 'decimal', '20, 2', '20 2 -1' ], [ 'numeric', $numeric, 'decimal', '30, 9', '30 9 -1' ],
	[ 'numeric', $numeric, 'decimal', '6, 2', 'it has 4 digits before the point, 18 are needed' ],
	[ 'numeric', $numeric, 'decimal', '20, 1', 'it has 1 digits behind the point, 2 are needed' ],
	[ 'text', -1, 'varchar', '-1, -1, 40', '-1 -1 40' ], [ 'text', -1, 'longtext', '', '-1 -1 -1' ], [ 'bpchar', 8, 'char', '-1, -1, 4', '-1 -1 4' ],
	[ 'bytea', -1, 'varbinary', '-1, -1, 40', '-1 -1 40' ], [ 'uuid', -1, 'char', '-1, -1, 36', '-1 -1 36' ], [ 'uuid', -1, 'uuid', '', '-1 -1 -1' ],
	[ 'uuid', -1, 'char', '-1, -1, 32', 'it has 32 characters, 36 are needed' ],
	[ 'timestamptz', -1, 'datetime', '-1, 6', '-1 6 -1' ], [ 'timestamptz', 0, 'datetime', '-1, 3', '-1 3 -1' ],
	[ 'timestamptz', -1, 'datetime', '-1, 0', 'it has 0 digits of a second, 6 are needed' ], [ 'time', 3, 'time', '-1, 2', 'it has 2 digits of a second, 3 are needed' ])
{
	my ($type, $typmod, $there, $numbers, $expected) = @$case;
	is(ask($node, "SELECT types_test.fit('$type', $typmod, 'mysql', '$there'" . ($numbers eq '' ? ')' : ", $numbers)")), $expected,
		"$type" . ($typmod eq '-1' ? '' : " ($typmod)") . " into $there $numbers");
}
# what would bend values is in no list, nor what nobody has thought of
my @left_out = (
	map({ [ 'mysql', @$_ ] } [ float8 => 'float' ], [ float4 => 'float' ], [ timestamptz => 'timestamp' ], [ date => 'year' ], [ text => 'enum' ], [ text => 'set' ], [ bit => 'bit' ], [ bool => 'bit' ],
		[ bytea => 'binary' ], [ text => 'char' ], [ varchar => 'char' ], [ int8 => 'int' ], [ int4 => 'mediumint' ], [ int4 => 'int unsigned' ], [ int8 => 'bigint unsigned' ],
		[ int4 => 'double' ], [ numeric => 'double' ], [ float8 => 'decimal' ], [ timestamp => 'date' ], [ json => 'json' ], [ text => 'in' ], [ int4 => 'in' ], [ int4 => '' ], [ int4 => 'bigint decimal' ]),
	map({ [ 'sqlite', @$_ ] } [ numeric => 'numeric' ], [ numeric => 'real' ], [ numeric => 'integer' ], [ text => 'integer' ], [ text => 'numeric' ], [ int8 => 'real' ], [ int8 => 'text' ],
		[ float8 => 'integer' ], [ float8 => 'text' ], [ bytea => 'text' ]));
is(ask($node, 'SELECT ' . join(" || ', ' || ", map { "(types_test.fit('$_->[1]', -1, '$_->[0]', '$_->[2]', 65, 30) ~ ' does not hold all values of it as they are')" } @left_out)),
	join(', ', ('true') x @left_out), 'types that bend are refused');
is(ask($node, q{SELECT string_agg(types_test.fit(t, -1, 'sqlite', a, 3, 1, 2), ', ') FROM (VALUES ('int8'::regtype, 'integer'), ('int8', 'numeric'), ('numeric', 'text'), ('date', 'numeric'), ('text', 'blob'),
	('bytea', 'blob'), ('float4', 'real')) v (t, a)}), join(', ', ('-1 -1 -1') x 7), 'SQLite has no limits');

# --- docs/types.md is what the view says

# Rows of the table that begins with such a header.
sub documented
{
	my ($header) = @_;
	my ($table) = slurp_file('docs/types.md') =~ /^\Q$header\E\n\|(?:---\|)+\n((?:\|.*\n)+)/m;
	return split /\n/, $table // '';
}

sub same_table
{
	my ($header, $columns, $where) = @_;
	my @there = split /\n/, ask($node, "SELECT '| ' || concat_ws(' | ', $columns) || ' |' FROM dbsync.types m JOIN dbsync.types s USING (type)
		WHERE m.dialect = 'mysql' AND s.dialect = 'sqlite' AND ($where)");
	is_deeply([ documented($header) ], \@there, "docs/types.md: $header");
	return;
}

sub key_of
{
	my ($dialect) = @_;
	return "CASE WHEN $dialect.key_declaration IS NULL THEN 'refused' ELSE coalesce(nullif($dialect.key_declaration, $dialect.declaration), 'the same') END";
}

same_table('| PostgreSQL | standard | written as | MariaDB, MySQL | in a key | SQLite | in a key |',
	join(', ', qw(type m.standard m.form m.declaration), key_of('m'), 's.declaration', key_of('s')), 'm.declaration IS NOT NULL');
same_table('| PostgreSQL | MariaDB, MySQL | SQLite |', q{type, coalesce(m.refuses, '–'), coalesce(s.refuses, '–')}, 'm.refuses IS NOT NULL OR s.refuses IS NOT NULL');
same_table('| PostgreSQL | send it as |', 'type, m.send_as', 'm.send_as IS NOT NULL');
is(ask($node, "SELECT count(*) FROM dbsync.types WHERE dialect = 'postgres' AND declaration <> type OR (standard IS NULL) <> (send_as IS NOT NULL) AND dialect <> 'postgres'"), '0',
	'PostgreSQL has all types, and of the others what is refused has another type to be sent as');

done_testing();

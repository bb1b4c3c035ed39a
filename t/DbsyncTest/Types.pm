# Every built-in type, and values of each: what 010_road and targets/ send.
package DbsyncTest::Types;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(%values %types column_of row_of_values table_of_types);

# one value or more of each built-in type; what is easily damaged comes first
our %values = (
	bool => [ 'true', 'false' ],
	bytea => [ q('\x00ff5c27'), q('') ],
	'"char"' => [q('x')],
	name => [q('a"b c')],
	int8 => ['9223372036854775807'],
	int2 => ['-32768'],
	int4 => ['-2147483648'],
	regproc => [q('pg_catalog.now')],
	text => [
		q(E'tab\tnew\nline back\\\\slash \\\\N \\\\. quote" ''single'''),
		q('žluťoučký 数据 🐘'), q(''), q('NULL') ],
	oid => ['4294967295'],
	tid => [q('(1,2)')],
	xid => [q('4294967295')],
	cid => [q('7')],
	xid8 => [q('18446744073709551615')],
	oidvector => [q('1 2 3')],
	int2vector => [q('1 2 3')],
	json => [q('{"a" :  1, "a":2}')],
	jsonb => [q('{"a": [1.10, null, "\u00e9"]}')],
	jsonpath => [q('$.a[*] ? (@ > 1)')],
	xml => [ q('<a>b</a>'), q('text <b/> and more') ],
	point => [q('(0.1,1e-300)')],
	lseg => [q('[(0.1,0.2),(0.3,0.4)]')],
	path => [ q('[(0.1,0.2),(3,4)]'), q('((0.1,0.2),(3,4))') ],
	box => [q('(3,4),(0.1,0.2)')],
	polygon => [q('((0.1,0.2),(3,4),(5,6))')],
	line => [q('{0.1,2,3}')],
	circle => [q('<(0.1,0.2),3>')],
	float4 => [ '1.1754944e-38', q('NaN'), '0.1' ],
	float8 => [
		'0.30000000000000004', '1.7976931348623157e308', q('-Infinity'),
		q('-0'), '5e-324' ],
	money => [ q('-12345.67'), q('0.01') ],
	macaddr => [q('08:00:2b:01:02:03')],
	macaddr8 => [q('08:00:2b:01:02:03:04:05')],
	inet => [ q('192.168.0.1/24'), q('::ffff:1.2.3.4') ],
	cidr => [q('192.168.0.0/16')],
	aclitem => ["makeaclitem(10, 10, 'SELECT', true)"],
	bpchar => [q('ab ')],
	varchar => [q('ab ')],
	date => [ q('2024-02-03'), q('0044-03-15 BC'), q('infinity') ],
	time => [q('24:00:00')],
	timestamp => [ q('2024-02-03 04:05:06.123456'), q('-infinity') ],
	timestamptz => [
		q('2024-02-03 04:05:06.123456+00'),
		q('2024-10-27 01:30:00 Europe/Prague') ],
	interval => [
		q('-1 days +02:03:04'), q('1 year -2 mons'),
		q('-1 mons -1 days -00:00:00.000001') ],
	timetz => [q('04:05:06.789-07')],
	bit => ["'1'"],
	varbit => ["'10110'"],
	numeric => [ '1.00', q('NaN'), q('-Infinity'), '1e-200', '12345678901234567890.5' ],
	refcursor => [q('c')],
	regprocedure => [q('pg_catalog.now()')],
	regoper => [q('pg_catalog.||/')],
	regoperator => [q('pg_catalog.+(integer,integer)')],
	regclass => [q('pg_catalog.pg_class')],
	regcollation => [q('pg_catalog."C"')],
	regtype => [q('pg_catalog.int4')],
	regrole => [q('pg_monitor')],
	regnamespace => [q('pg_catalog')],
	regconfig => [q('pg_catalog.simple')],
	regdictionary => [q('pg_catalog.simple')],
	uuid => [q('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')],
	pg_lsn => [q('FFFFFFFF/FFFFFFFF')],
	txid_snapshot => [q('10:20:10,14')],
	pg_snapshot => [q('10:20:10,14')],
	tsvector => [q('''a b'':1A ''c'':2')],
	tsquery => [q('''a b'' & !c:*')],
	int4range => [ q{'[1,5)'}, q{'empty'} ],
	int8range => [q{'(,5)'}],
	numrange => [q{'[1.00,2.50]'}],
	tsrange => [q{'[2024-02-03 04:05:06,)'}],
	tstzrange => [q{'[2024-02-03 04:05:06+00,infinity]'}],
	daterange => [q{'[2024-02-03,2024-03-02)'}],
	int4multirange => [q{'{[1,3),[5,7)}'}],
	int8multirange => [q{'{}'}],
	nummultirange => [q{'{[1.00,2.0]}'}],
	tsmultirange => [q{'{[2024-02-03 04:05:06,)}'}],
	tstzmultirange => [q{'{[2024-02-03 04:05:06+00,)}'}],
	datemultirange => [q{'{[2024-02-03,2024-03-02)}'}],
	# made here
	'public.mood' => [q('so "so", ok')],
	'public.positive' => ['7'],
	'public.short' => [q('ab')],
	'public.pair' => [q(ROW(0.1, '2024-02-03', '-1 days +02:03:04', 'a,"b'))],
	'public.floats' => [q{'[0.1,0.30000000000000004]'}]);

# which major brought what the oldest target has not; there a column is text, and a value is left out
my %since = (
	xid8 => 13, regcollation => 13, pg_snapshot => 13,
	map { $_ => 14 } qw(int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange));
my %value_since = (q(numeric '-Infinity') => 14);

our $own = <<'SQL';
CREATE TYPE public.mood AS ENUM ('so "so", ok', 'sad');
CREATE DOMAIN public.positive AS int CHECK (VALUE > 0);
CREATE DOMAIN public.short AS varchar(3) NOT NULL DEFAULT 'x';
CREATE TYPE public.pair AS (f float8, d date, i interval, t text);
CREATE TYPE public.floats AS RANGE (subtype = float8);
SQL

# All types in one table travel as text; those of the second have a binary form
# that is the same everywhere.
our %types = (
	'public.types' => [ grep { $_ ne 'public.short' } sort keys %values ],
	'public.binary' => [
		qw(bool bytea "char" name int8 int2 int4 text oid json jsonb float4 float8
		  macaddr macaddr8 inet cidr bpchar varchar date time timestamp timestamptz
		  interval timetz bit varbit numeric uuid)
	]);

sub column_of
{
	my ($type) = @_;
	(my $column = "c_$type") =~ s/\W/_/g;
	return $column;
}

# One of these tables, for a server of this major: two columns for each type.
sub table_of_types
{
	my ($table, $major) = @_;
	my $last = $table eq 'public.types' ? 'public.short' : 'text';
	my @columns;

	foreach my $type (@{ $types{$table} })
	{
		my $column = column_of($type);
		my $there = ($since{$type} // 0) <= $major ? $type : 'text';

		push @columns, "$column $there", "a$column $there\[]";
	}
	return "CREATE TABLE $table (id int PRIMARY KEY,\n" . join(",\n", @columns, "c_short $last") . ')';
}

# A row of values: the n-th of each type, and an array that has a NULL and, where
# text allows it, the word.  All of them a server of this major can say.
sub row_of_values
{
	my ($table, $n, $major) = @_;
	my (@columns, @row);

	foreach my $type (@{ $types{$table} })
	{
		my @known = grep { ($value_since{"$type $_"} // 0) <= $major } @{ $values{$type} };
		my $value = $known[ $n % @known ];

		push @columns, column_of($type), 'a' . column_of($type);
		push @row, "CAST($value AS $type)", "ARRAY[CAST($value AS $type), NULL]";
	}
	return (join(', ', @columns), join(', ', @row));
}

1;

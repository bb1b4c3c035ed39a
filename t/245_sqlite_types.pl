# Values in SQLite files: of each type that has a counterpart every edge, through first copies, inserts, updates and deletes by that
# key, from databases of UTF8 and LATIN1, into each kind of column that is to keep it.  What arrives is read by SQLite's own client, doubles by
# their bits, and held against what the source's own functions say of it.  All else is refused: columns when they are added, values by
# their row, whose table is held while the others go on.
use strict;
use warnings;

use Digest::MD5;
use File::Basename qw(dirname);

use lib 't';
use DbsyncTest qw(poll_until quoted);
use DbsyncTest::Sqlite;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the driver for SQLite was not built, or there is no sqlite3' unless DbsyncTest::Sqlite::is_there();

my $pair = DbsyncTest->new(source_only => 1);
my $source = $pair->source;
my $file = DbsyncTest::Sqlite->new;
my $pins = q{SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; SET extra_float_digits = 3; SET bytea_output = 'hex';};

# What a session says that calls this: SQLSTATE first.
sub said
{
	my ($sql) = @_;
	my (undef, $answer, $error) = $source->psql('postgres', "\\set VERBOSITY verbose\n$sql");

	return $error =~ /ERROR/ ? $error =~ s/^psql:<stdin>:\d+: //r : $answer;
}

# --- types and edges

# What the source's functions make of a value, as type of SQLite's and bytes in hexadecimal.
sub as_text { return "'text:' || encode(convert_to($_[0], 'UTF8'), 'hex')"; }
my %becomes = (
	integer => sub { return "'integer:' || encode(convert_to($_[0]::bigint::text, 'UTF8'), 'hex')"; },
	boolean => sub { return "'integer:' || encode(convert_to($_[0]::int::text, 'UTF8'), 'hex')"; },
	real => sub { return "'real:' || encode(float8send($_[0]::float8), 'hex')"; },
	# a column of affinity REAL has one zero
	unsigned => sub { return "'real:' || encode(float8send($_[0]::float8 + 0), 'hex')"; },
	blob => sub { return "'blob:' || encode($_[0], 'hex')"; },
	text => sub { return as_text("format('%s', $_[0])"); },
	char => sub { return as_text("rtrim($_[0]::text, ' ')"); },
	instant => sub { return as_text("left(format('%s', $_[0]), -3)"); },
	array => sub { return as_text("array_to_json($_[0])::text"); });

my $unicode = q{U&'\00e9\00df\00ff', U&'e\0301', chr(x'20ac'::int), chr(x'feff'::int) || 'x', chr(x'fffe'::int), chr(x'ffff'::int), chr(x'd7ff'::int), chr(x'e000'::int), chr(x'80'::int), chr(x'7ff'::int), chr(x'800'::int), }
  . join(', ', map { "chr($_ * 65536 + 66)" } 1 .. 16) . q{, chr(x'10ffff'::int), 'x' || chr(128512) || 'y'};
my $latin = q{U&'\00e9\00df\00ff', U&'\00a0\0080'};
my $plain = q{'', ' ', 'a ', '  a', E'a\tb\nc\r\nd', E'\\\\', '\N', '\\\\x', 'it''s', '"', E'\x01\x1a\x7f', 'NULL', '1', '1.0', '0x10', '1e5', 'Infinity', '-0', '2026-11-28', '%s$1?1:x@y', repeat('z', 2000)};

# name => type, what it becomes, columns that keep it, whether it may be a key, edges; TEXTS are those above
my @types = (
	[ bo => 'boolean', 'boolean', [ 'INTEGER', 'BOOLEAN', '' ], 1, 'true, false' ],
	[ i2 => 'smallint', 'integer', [ 'INTEGER', 'NUMERIC', '' ], 1, "'-32768', 32767, 0, -1, 1" ],
	[ i4 => 'integer', 'integer', [ 'INTEGER', 'INT', '' ], 1, "'-2147483648', 2147483647, 0, -1, 1, 2" ],
	[ i8 => 'bigint', 'integer', [ 'INTEGER', 'DECIMAL(19,0)', 'BLOB' ], 1, "'-9223372036854775808', 9223372036854775807, 0, -1, 9007199254740993, '-9007199254740993', 4611686018427387905" ],
	[ oi => 'oid', 'integer', [ 'INTEGER', 'BIGINT', '' ], 1, '0, 4294967295, 2147483648' ],
	[ nu => 'numeric', 'text', [ 'TEXT', 'VARCHAR', '' ], 0, "0, '-0.0', 0.10, 1.0, 1.00, '12345678901234567.10', repeat('9', 65)::numeric, ('-' || repeat('9', 35) || '.' || repeat('1', 30))::numeric, '1e500', '1e-500', 'NaN', 'Infinity', '-Infinity'" ],
	[ np => 'numeric(20,5)', 'text', [ 'TEXT', 'CLOB', '' ], 1, "0, '-0.00001', 999999999999999.99999, '-999999999999999.99999', 12345678901234.1, 'NaN', 1, 100" ],
	[ ns => 'numeric(3,-2)', 'text', [ 'TEXT' ], 1, "0, 99900, '-99900', 100" ],
	[ f4 => 'real', 'unsigned', [ 'REAL', 'FLOAT', '' ], 1, "'-0', 1, 0.1, 16777217, '3.4028235e38', '-3.4028235e38', '1e-45', '1.1754944e-38', 'Infinity', '-Infinity'" ],
	[ f8 => 'float8', 'unsigned', [ 'REAL', 'DOUBLE PRECISION', 'BLOB' ], 1, "'-0', 1, '-1', 0.1, '5e-324', '2.2250738585072014e-308', '2.225073858507201e-308', '1.7976931348623157e308', '-1.7976931348623157e308', 1e23, 9007199254740993, 9223372036854775807, '-9223372036854775808', 123456789012345680, 4503599627370497.5, 1e15, 'Infinity', '-Infinity', 0.30000000000000004" ],
	[ ch => 'character(5)', 'char', [ 'TEXT', 'CHAR(5)', '' ], 1, "'', 'a', ' a', '12345', E'\\t', U&'\\00e9'" ],
	[ bp => 'bpchar', 'char', [ 'TEXT' ], 1, "'', 'a  ', '  b', E'c\\n '" ],
	[ vc => 'varchar(2000)', 'text', [ 'TEXT', 'VARCHAR(10)', '' ], 1, 'TEXTS' ],
	[ vu => 'varchar', 'text', [ 'TEXT', 'NVARCHAR', '' ], 1, 'TEXTS' ],
	[ tx => 'text', 'text', [ 'TEXT', 'CLOB', '' ], 1, 'TEXTS' ],
	[ na => 'name', 'text', [ 'TEXT', 'CHARACTER(1)', '' ], 1, "'', 'n', repeat('x', 63), 'it''s'" ],
	[ en => 'mood', 'text', [ 'TEXT', 'TEXT', '' ], 1, "'sad', '', 'so \"so\", ok', '1', U&'\\00e9'" ],
	[ xm => 'xml', 'text', [ 'TEXT', 'CLOB', '' ], 0, "'<a>b &amp; c</a>', '', '<?xml version=\"1.0\"?><x/>', U&'<a>\\00e9</a>'" ],
	[ by => 'bytea', 'blob', [ 'BLOB', '' ], 1, q{'', '\x00', '\x00ff5c270a00', '\x31', '\xc3a9', decode(repeat('ab', 1000), 'hex'), (SELECT decode(string_agg(lpad(to_hex(x), 2, '0'), '' ORDER BY x), 'hex') FROM generate_series(0, 255) x)} ],
	[ da => 'date', 'text', [ 'TEXT', 'DATE', '' ], 1, "'0001-01-01', '2024-02-29', '1900-02-28', '9999-12-31', '10000-01-01', '5874897-12-31'" ],
	[ ti => 'time', 'text', [ 'TEXT', 'TIME', '' ], 1, "'00:00', '24:00', '23:59:59.999999', '00:00:00.000001', '01:02:03.25'" ],
	[ t3 => 'time(3)', 'text', [ 'TEXT' ], 1, "'00:00', '24:00', '23:59:59.999'" ],
	[ ts => 'timestamp', 'text', [ 'TEXT', 'TIMESTAMP', '' ], 1, "'0001-01-01', '2024-02-29 23:59:59.999999', '9999-12-31 23:59:59.999999', '10000-01-01 00:00:00.5', '294276-12-31 23:59:59.999999'" ],
	[ tz => 'timestamptz', 'instant', [ 'TEXT', 'DATETIME', '' ], 1, "'0001-01-01+00', '2024-02-29 23:59:59.000001+05:30', '9999-12-31 23:59:59-01', '2024-03-31 02:30+01', '294276-12-31 23:59:59.999999+00'" ],
	[ sp => 'interval', 'text', [ 'TEXT', 'VARCHAR', '' ], 0, "'0', '1 day', '24 hours', '1 year 2 months -3 days 04:05:06.5', '-0.000001 s', '-178956970 years -8 mons -2147483648 days -2562047788:00:54.775807'" ],
	[ uu => 'uuid', 'text', [ 'TEXT', 'UUID', '' ], 1, "'00000000-0000-0000-0000-000000000000', 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF', '12345678-9012-3456-7890-123456789012', '1e345678-0000-0000-0000-000000000000'" ],
	[ js => 'json', 'text', [ 'TEXT', 'CLOB', '' ], 0, q{'{"b":1,  "a":[] , "a":2}', 'null', '""', E'[1,\n\t2]', '"\u0000"', (repeat('[', 500) || repeat(']', 500))::json, '12345678901234567890.10'} ],
	[ jb => 'jsonb', 'text', [ 'TEXT', 'VARCHAR', '' ], 0, q{'{"b":1,  "a":[]}', 'null', '""', '1.00', '"\u00e9\n"', '12345678901234567890.10', '[]'} ],
	[ bi => 'bit(4)', 'text', [ 'TEXT', 'VARCHAR', '' ], 1, "B'0000', B'1111', B'0101'" ],
	[ vb => 'varbit', 'text', [ 'TEXT', 'VARCHAR', '' ], 1, "'', B'0', B'00', B'1', repeat('01', 400)::varbit" ],
	[ ip => 'inet', 'text', [ 'TEXT', 'VARCHAR', '' ], 1, "'10.0.0.1', '10.0.0.1/8', '::1', '::ffff:1.2.3.4/120', '0.0.0.0/0'" ],
	[ ci => 'cidr', 'text', [ 'TEXT', 'VARCHAR', '' ], 1, "'10.0.0.0/8', '::/0', '192.168.0.1/32'" ],
	[ ma => 'macaddr', 'text', [ 'TEXT', 'VARCHAR', '' ], 1, "'08:00:2b:01:02:03', 'ffffff-ffffff'" ],
	[ m8 => 'macaddr8', 'text', [ 'TEXT', 'VARCHAR', '' ], 1, "'08:00:2b:01:02:03:04:05', '08:00:2b:01:02:03'" ],
	[ ra => 'int4range', 'text', [ 'TEXT', 'CLOB', '' ], 0, "'empty', '(,)', '[1,5)', '[,3]'" ],
	[ rt => 'tstzrange', 'text', [ 'TEXT' ], 0, "'empty', '[2024-02-29 12:00+05,infinity)', '(,2026-01-01 00:00:00.25+00]'" ],
	[ mu => 'int8multirange', 'text', [ 'TEXT' ], 0, "'{}', '{[1,2),[5,9)}'" ],
	[ ai => 'integer[]', 'array', [ 'TEXT', 'JSON_TEXT', '' ], 0, "'{}', '{1,NULL,3}', '{{1,2},{3,4}}', '{{{-2147483648}}}'" ],
	[ at => 'text[]', 'array', [ 'TEXT' ], 0, q{'{}', ARRAY['', 'null', E'"\\\\\t\n', NULL], ARRAY[[U&'\00e9', 'b'], ['c,', '{}']]} ],
	[ az => 'timestamptz[]', 'array', [ 'TEXT' ], 0, q{ARRAY['2024-02-29 12:00:00.5+05:30'::timestamptz, 'infinity', NULL]} ],
	[ af => 'float8[]', 'array', [ 'TEXT' ], 0, q{'{NaN,0.1,-0,Infinity,5e-324}'} ],
	[ ab => 'bytea[]', 'array', [ 'TEXT' ], 0, q{ARRAY['\x00ff'::bytea, '']} ],
	[ ae => 'mood[]', 'array', [ 'TEXT' ], 0, q{ARRAY['so "so", ok', 'sad', NULL]::mood[]} ],
	[ dm => 'cash', 'text', [ 'TEXT', 'CLOB', '' ], 1, "0, 999999999999999999.99, 0.1" ],
	[ de => 'moods', 'text', [ 'TEXT' ], 1, "'sad', '1'" ]);

my $setup = <<'SQL';
CREATE TYPE public.mood AS ENUM ('sad', 'so "so", ok', '', '1', U&'\00e9');
CREATE DOMAIN public.cash AS numeric(20,2) CHECK (VALUE >= 0);
CREATE DOMAIN public.moods AS public.mood;
SQL

# Types, settings and the edges of a database, in statements that make and fill tables: v_... with a column of each kind that keeps the
# type; k_... and q_..., of which it is the key.
sub tables_of
{
	my ($texts) = @_;
	my (@here, @there, @fill, @tables);

	foreach my $type (@types)
	{
		my ($name, $is, $becomes, $kinds, $is_key, $edges) = @$type;
		my $n = @$kinds;
		my $columns = join ', ', map { "v$_ $is" } 1 .. $n;
		my $list = $edges eq 'TEXTS' ? "$plain, $texts" : $edges;

		push @here, "CREATE TABLE public.v_$name (id int PRIMARY KEY, $columns)",
		  "CREATE TABLE public.edges_$name AS SELECT (row_number() OVER ())::int AS id, v FROM unnest(ARRAY[$list]::" . ($is =~ /\[\]$/ ? 'text[]' : "${is}[]") . ') v'
		  if $is !~ /\[\]$/;
		# an array of arrays would be one array
		push @here, "CREATE TABLE public.v_$name (id int PRIMARY KEY, $columns)", "CREATE TABLE public.edges_$name (id int, v $is)",
		  map({ "INSERT INTO public.edges_$name SELECT count(*) + 1, $_ FROM public.edges_$name" } split /, (?=ARRAY|')(?![^\[]*\])/, $list)
		  if $is =~ /\[\]$/;
		push @there, "CREATE TABLE v_$name (id INTEGER PRIMARY KEY, " . join(', ', map { "v$_ $kinds->[$_ - 1]" } 1 .. $n) . ')';
		push @fill, "INSERT INTO v_$name SELECT id" . ', v' x $n . " FROM edges_$name";
		push @tables, "v_$name";
		next unless $is_key;
		foreach my $key ([ k => $kinds->[0], '' ], [ q => $kinds->[-1], ' WITHOUT ROWID' ])
		{
			my ($table, $kind, $options) = ("$key->[0]_$name", @$key[ 1, 2 ]);
			push @here, "CREATE TABLE public.$table (k $is PRIMARY KEY, n int)";
			push @there, "CREATE TABLE $table (k $kind NOT NULL PRIMARY KEY, n INTEGER)$options";
			push @fill, "INSERT INTO $table SELECT v, id FROM edges_$name";
			push @tables, $table;
		}
	}
	return (\@here, \@there, \@fill, \@tables);
}

my %type_of = map { $_->[0] => $_ } @types;

# One line a row, of both ends; NULL is NULL.
sub here
{
	my ($database, @tables) = @_;
	my @queries;

	foreach my $table (@tables)
	{
		my ($kind, $name) = split /_/, $table;
		my (undef, undef, $becomes, $kinds) = @{ $type_of{$name} };
		my @values = map {
			my $is = $becomes eq 'unsigned' && $kinds->[ $kind eq 'q' ? -1 : $_ - 1 ] =~ /^(BLOB)?$/ ? 'real' : $becomes;
			my $column = $kind ne 'v' ? 'k' : "v$_";
			"CASE WHEN $column IS NULL THEN 'null:' ELSE " . $becomes{$is}->($column) . ' END';
		} $kind ne 'v' ? 1 : 1 .. @$kinds;
		push @queries, "SELECT '$table ' || " . ($kind ne 'v' ? "coalesce(n::text, '')" : 'id') . ' || ' . join(' || ', map { "' ' || $_" } @values) . " FROM $table";
	}
	return [ sort split /\n/, $source->safe_psql($database, "$pins " . join(' UNION ALL ', @queries)) ];
}

sub there
{
	my ($end, @tables) = @_;
	my @queries;

	foreach my $table (@tables)
	{
		my ($kind, $name) = split /_/, $table;
		my @columns = $kind ne 'v' ? 'k' : map { "v$_" } 1 .. @{ $type_of{$name}[3] };
		my @values = map { "typeof($_) || ':' || CASE typeof($_) WHEN 'real' THEN hex(ieee754_to_blob($_)) ELSE coalesce(hex($_), '') END" } @columns;
		push @queries, "SELECT '$table ' || " . ($kind ne 'v' ? "coalesce(n, '')" : 'id') . ' || ' . join(' || ', map { "' ' || $_" } @values) . " FROM $table";
	}
	return [ sort map { my ($front, @rest) = split / (?=\w+:)/; join ' ', $front, map { lc } @rest } map { split /\n/, $end->run($_) } @queries ];
}

sub same
{
	my ($database, $end, $test, @tables) = @_;
	my ($here, $there) = (here($database, @tables), there($end, @tables));
	my %there = map { $_ => 1 } @$there;
	my %here = map { $_ => 1 } @$here;
	my @wrong = ((map { "missing: $_" } grep { !$there{$_} } @$here), (map { "too much: $_" } grep { !$here{$_} } @$there));

	ok(@$here == @$there && !@wrong, "$database: $test: " . @$here . ' rows');
	diag(substr($_, 0, 300)) foreach @wrong[ 0 .. ($#wrong > 19 ? 19 : $#wrong) ];
	return;
}

# --- the road, from each database

$pair->sql(q{CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0});
my $latin_file = DbsyncTest::Sqlite->new;

foreach my $way ([ 'postgres', $unicode, $file ], [ 'latin', $latin, $latin_file ])
{
	my ($database, $texts, $end) = @$way;
	my ($here, $there, $fill, $tables) = tables_of($texts);
	my $sql = sub { return $source->safe_psql($database, $_[0]); };
	my $step = sub {
		my ($test, @statements) = @_;
		$sql->(join(";\n", 'BEGIN', @statements, 'COMMIT'));
		$sql->(q{SELECT dbsync.run_once('types')});
		same($database, $end, $test, @$tables);
	};
	my @v = grep { /^v/ } @$tables;
	my @k = grep { /^[kq]/ } @$tables;

	$end->run(join ";\n", @$there);
	$sql->($setup . join ";\n", 'CREATE EXTENSION IF NOT EXISTS dbsync', 'CREATE EXTENSION dbsync_sqlite', @$here, @$fill);
	$sql->("SELECT dbsync.create_target('lite', " . quoted($end->uri) . '); SELECT dbsync.create_subscription(' . "'types', 'lite', tables => '{" . join(',', map { "public.$_" } @$tables) . "}')");
	$step->('first copies');
	$step->('deletes by key', (map { "DELETE FROM $_ WHERE id % 2 = 0" } @v), (map { "DELETE FROM $_ WHERE n % 2 = 0" } @k));
	$step->('inserts', map { my ($kind, $name) = split /_/; $kind eq 'v'
			? "INSERT INTO $_ SELECT id" . ', v' x @{ $type_of{$name}[3] } . " FROM edges_$name WHERE id % 2 = 0" : "INSERT INTO $_ SELECT v, id FROM edges_$name WHERE id % 2 = 0" } @$tables);
	$step->('updates', (map { my $name = s/^v_//r; my $n = @{ $type_of{$name}[3] };
				"UPDATE $_ t SET " . join(', ', map { "v$_ = e.v" } 1 .. $n) . " FROM edges_$name e WHERE e.id = t.id % (SELECT count(*) FROM edges_$name) + 1" } @v),
		(map { "UPDATE $_ SET n = n + 1000" } @k));
	$step->('one column of several', map { "UPDATE $_ SET v1 = NULL WHERE id % 3 = 0" } @v);
	$step->('keys that move on', map { "CREATE TEMP TABLE moved AS SELECT * FROM $_ ORDER BY n LIMIT 1; DELETE FROM $_ WHERE n = (SELECT n FROM moved);"
			  . " UPDATE $_ SET k = (SELECT k FROM moved) WHERE n = (SELECT max(n) FROM $_); DROP TABLE moved" } @k);
	$step->('nulls', (map { my $n = @{ $type_of{ s/^v_//r }[3] }; "UPDATE $_ SET " . join(', ', map { "v$_ = NULL" } 1 .. $n) } @v), map { "UPDATE $_ SET n = NULL WHERE n % 2 = 0" } @k);
	$step->('deletes of all', map { "DELETE FROM $_" } @$tables);
	$step->('all anew', @$fill);
	$step->('without a change', map { my ($kind) = /^(.)/; "UPDATE $_ SET " . ($kind eq 'v' ? 'id = id' : 'n = n') } @$tables);
	$step->('keys updated with their rows', map { "UPDATE $_ SET id = -id" } @v);
}

# --- 40 MB

foreach my $way ([ 'postgres', $file, 'x' ], [ 'latin', $latin_file, q{U&'\00e9'} ])
{
	my ($database, $end, $text) = @$way;
	my $is = $database eq 'latin' ? "repeat($text, 20000000)" : "repeat(chr(233) || E'\\\\\\n', 10000000)";
	my $path = dirname($end->path) . '/huge';

	$source->safe_psql($database, "CREATE TABLE public.huge (id int PRIMARY KEY, t text, n int); INSERT INTO huge VALUES (1, $is, 1)");
	$end->run('CREATE TABLE huge (id INTEGER PRIMARY KEY, t TEXT, n INTEGER)');
	$source->safe_psql($database, q{SELECT dbsync.add_table('types', 'public.huge'); SELECT dbsync.run_once('types')});
	my $check = sub {
		my ($test) = @_;
		my $there = $end->run("SELECT id, length(CAST(t AS BLOB)), n, writefile('$path', t) > 0 FROM huge ORDER BY id") =~ s/\|1$//mgr;
		is($there, $source->safe_psql($database, q{SELECT id, octet_length(convert_to(t, 'UTF8')), n FROM huge ORDER BY id}) . "\n", "$database: 40 MB of text: $test");
		open(my $in, '<:raw', $path) or die "$path: $!";
		is(Digest::MD5->new->addfile($in)->hexdigest, $source->safe_psql($database, q{SELECT md5(convert_to(t, 'UTF8')) FROM huge ORDER BY id DESC LIMIT 1}), "$database: whole");
	};
	$check->('first copy');
	$source->safe_psql($database, $_) foreach "INSERT INTO huge VALUES (2, $is || 'y', 2); UPDATE huge SET n = 7", q{SELECT dbsync.run_once('types')};
	$check->('changes');
}

# --- from a database without an encoding: what is no text, and names that are UTF-8

$pair->sql(q{CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0});
$source->safe_psql('ascii', $_) foreach 'CREATE EXTENSION dbsync', 'CREATE EXTENSION dbsync_sqlite',
  qq{CREATE TABLE public."n\303\274chtern" (id int PRIMARY KEY, f float8, b bytea, d date, u uuid); INSERT INTO "n\303\274chtern" VALUES (1, 0.5, '\\xff', '2026-11-28', '00000000-0000-0000-0000-000000000001')},
  'CREATE TABLE public.words (id int PRIMARY KEY, t text)', "SELECT dbsync.create_target('lite', " . quoted($file->uri) . ')',
  qq{SELECT dbsync.create_subscription('ascii', 'lite', tables => '{n\303\274chtern}')};
$file->run(qq{CREATE TABLE "n\303\274chtern" (id INTEGER PRIMARY KEY, f REAL, b BLOB, d TEXT, u TEXT)});
$source->safe_psql('ascii', q{SELECT dbsync.run_once('ascii')});
is($file->run(qq{SELECT id, f, hex(b), d, u FROM "n\303\274chtern"}), "1|0.5|FF|2026-11-28|00000000-0000-0000-0000-000000000001\n", 'what is no text flows from SQL_ASCII');
my (undef, undef, $wordless) = $source->psql('ascii', q{SELECT dbsync.add_table('ascii', 'public.words')});
like($wordless, qr/column "t" of table public\.words has type text, which cannot be sent to SQLite from a database without an encoding/, 'text does not');
$source->safe_psql('ascii', qq{UPDATE "n\303\274chtern" SET f = 'NaN'});
my (undef, undef, $nan) = $source->psql('ascii', q{SELECT dbsync.run_once('ascii')});
like($nan, qr/ERROR:  table public\."n..chtern" of subscription "ascii" is held\nDETAIL:.*column "f" of table public\."n..chtern" has a value for which the target has no room \(SQLSTATE 22003\): In the row with key \(1\) it is NaN\./s, 'a value that is refused names its row');
$source->safe_psql('ascii', q{SELECT dbsync.drop_subscription('ascii')});

# --- a STRICT table

SKIP:
{
	skip 'SQLite before 3.37', 8 if $file->run('SELECT sqlite_version()') =~ /^3\.(\d+)/ && $1 < 37;
	$pair->sql(q{CREATE TABLE public.strict (id int PRIMARY KEY, r float8, t numeric, b bytea, a date, i boolean); INSERT INTO strict VALUES (1, 3, 1.0, '\x', '2026-11-28', true), (2, '-0', 'NaN', '\x3100', NULL, false)});
	$file->run('CREATE TABLE strict (id INT PRIMARY KEY, r REAL, t TEXT, b BLOB, a ANY, i INTEGER) STRICT');
	$pair->sql(q{SELECT dbsync.add_table('types', 'public.strict'); SELECT dbsync.run_once('types')});
	is($file->run(q{SELECT id, typeof(r) || r, typeof(t) || t, typeof(b) || hex(b), typeof(a) || a, typeof(i) || i FROM strict ORDER BY id}),
		"1|real3.0|text1.0|blob|text2026-11-28|integer1\n2|real0.0|textNaN|blob3100||integer0\n", 'a STRICT table takes what goes into one');
	foreach my $case ([ 'v text', 'v BLOB', ') STRICT', 'BLOB' ], [ 'v text', 'v ANY', ') without rowid , Strict' ], [ 'v numeric', 'v ANY', ")\tSTRICT,WITHOUT ROWID" ], [ 'v bytea', 'v ANY', ')STRICT' ],
		[ 'v text', 'v ANY', ') /* STRICT */ WITHOUT ROWID', 'ANY' ], [ 'v text', 'v ANY', ')', 'ANY' ])
	{
		my ($here, $there, $end, $error) = @$case;
		$pair->sql("CREATE TABLE public.odd (id int PRIMARY KEY, $here)");
		$file->run("DROP TABLE IF EXISTS odd; CREATE TABLE odd (id INTEGER PRIMARY KEY, $there$end");
		$pair->sql(q{SELECT dbsync.add_table('types', 'public.odd')});
		my $said = said(q{SELECT dbsync.run_once('types')});
		my $error_of = $pair->sql(q{SELECT coalesce(last_error || ' ' || last_error_detail, '') FROM dbsync.status WHERE subscription = 'types'});
		defined $error ? like("$said $error_of", qr/column "v" of target table "main\.odd" is declared $error/, "$here does not go into $there$end") : like($said, qr/^\d+$/, "$here goes into $there$end");
		like("$said $error_of", qr/At the source it is text; in a STRICT table a BLOB takes nothing but bytes/, 'and the detail says why') if ($error // '') eq 'BLOB';
		$pair->sql(q{SELECT dbsync.remove_table('types', 'public.odd'); DROP TABLE public.odd});
	}
}

# --- columns that are refused: nobody asks the file

$pair->sql(<<'SQL');
CREATE TYPE public.pair AS (a int, b int);
CREATE COLLATION public.folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE public.refused (id int PRIMARY KEY, ok text);
SQL
chmod(0000, $file->path);
my %casts = ('money' => 'numeric(20,2)', map { $_ => 'text' } 'time with time zone', '"char"', 'tsvector', 'tsquery', 'pg_lsn', 'public.pair', 'xid', 'regclass', 'point', 'public.pair[]', 'money[]', 'int2vector', 'txid_snapshot');
foreach my $type (sort keys %casts)
{
	$pair->sql("ALTER TABLE refused ADD COLUMN bad $type");
	my $error = qr/^ERROR:  0A000: column "bad" of table public\.refused has type \Q$type\E, which SQLite has no counterpart for\n(?:DETAIL:.*\n)?HINT:  Send it as another type: columns => ARRAY\['id', 'ok', 'bad::\Q$casts{$type}\E AS bad'\]\./;
	like(said(q{SELECT dbsync.add_table('types', 'public.refused')}), $error, "add_table() refuses $type");
	like(said(q{SELECT dbsync.create_subscription('other', 'lite', tables => '{public.refused}')}), $error, 'so does create_subscription()');
	$pair->sql('ALTER TABLE refused DROP COLUMN bad');
}
foreach my $type ('numeric', 'interval', 'jsonb', 'int[]', 'int4range', 'int4multirange')
{
	$pair->sql("CREATE TABLE public.bad_key (bad $type PRIMARY KEY)");
	like(said(q{SELECT dbsync.add_table('types', 'public.bad_key')}), qr/^ERROR:  0A000: column "bad" of table public\.bad_key has type \w+(\[\])?, which cannot be in a key at SQLite\n/, "$type in a key");
	$pair->sql('DROP TABLE public.bad_key');
}
$pair->sql('CREATE TABLE public.bad_key (bad text COLLATE folded PRIMARY KEY)');
like(said(q{SELECT dbsync.add_table('types', 'public.bad_key', key => '{bad}')}), qr/^ERROR:  /, 'text that is equal and differs');
$pair->sql('DROP TABLE public.bad_key');
chmod(0644, $file->path);
is($pair->sql(q{SELECT count(*) FROM dbsync.table_status WHERE "table" = 'refused'::regclass}), '0', 'nothing of it is there');
is($pair->sql(q{SELECT count(*) FROM dbsync.subscription WHERE name = 'other'}), '0', 'nor a subscription');

# --- columns of the file's that would keep something else

my @odd = (
	[ text => 'NUMERIC', 'INTEGER', 'REAL', 'DATE', 'STRING' ], [ 'numeric(20,2)' => 'DECIMAL(20,2)', 'NUMERIC', 'REAL', 'INTEGER' ], [ int => 'TEXT', 'REAL', 'FLOAT' ], [ bool => 'TEXT', 'REAL' ],
	[ float8 => 'TEXT', 'NUMERIC', 'INTEGER', 'FLOATING POINT' ], [ real => 'INTEGER', 'VARCHAR' ], [ bytea => 'TEXT', 'BYTEA' ], [ date => 'INTEGER', 'REAL' ], [ uuid => 'INT', 'DOUBLE' ], [ jsonb => 'JSON', 'JSONB' ],
	[ 'int[]' => 'INT[]' ], [ interval => 'INTERVAL' ]);
$pair->sql('CREATE TABLE public.odd (id int PRIMARY KEY)');
$pair->start_subscription('types');
foreach my $case (map { my ($type, @there) = @$_; map { [ $type, $_ ] } @there } @odd)
{
	my ($type, $there) = @$case;
	$pair->sql("ALTER TABLE odd ADD COLUMN v $type");
	$file->run("DROP TABLE IF EXISTS odd; CREATE TABLE odd (id INTEGER PRIMARY KEY, v $there)");
	$pair->sql(q{SELECT dbsync.add_table('types', 'public.odd')});
	ok(poll_until(sub { ($pair->status('types')->{last_error} // '') =~ /column "v" of target table "main\.odd" is declared \Q$there\E/ }, 'a refusal'), "$type does not go into $there");
	like($pair->status('types')->{last_error_detail} // '', qr/^At the source it is .*; affinity (text|real|integer|numeric) does not hold all values of it as they are\./, 'and the detail says why');
	$pair->sql(q{SELECT dbsync.remove_table('types', 'public.odd'); ALTER TABLE odd DROP COLUMN v});
	$pair->arrives('types', 'without it');
}

# --- values that are refused: by their row, and the others go on

$pair->sql(q{CREATE TABLE public.bad (id int PRIMARY KEY, f8 float8, f4 real, d date, ts timestamp, tz timestamptz, a int[], da date[], t text); CREATE TABLE public.calm (id int PRIMARY KEY); INSERT INTO calm VALUES (0)});
$file->run('CREATE TABLE bad (id INTEGER PRIMARY KEY, f8 REAL, f4 REAL, d TEXT, ts TEXT, tz TEXT, a TEXT, da TEXT, t TEXT); CREATE TABLE calm (id INTEGER PRIMARY KEY)');
$pair->sql(q{SELECT dbsync.add_table('types', t) FROM unnest('{public.bad,public.calm}'::regclass[]) t; INSERT INTO bad (id) VALUES (1)});
$pair->arrives('types', 'a table for values that are refused');
my @bad = (
	[ f8 => q{'NaN'}, 'NaN', '22003' ], [ f4 => q{'NaN'}, 'NaN', '22003' ],
	(map { ([ $_ => q{'infinity'}, 'infinite', '22008' ], [ $_ => q{'-infinity'}, 'infinite', '22008' ], [ $_ => q{'0044-03-15 BC'}, 'before the year 1', '22008' ]) } qw(d ts tz)),
	[ d => q{'4713-01-01 BC'}, 'before the year 1', '22008' ],
	[ a => q{'[0:1]={1,2}'}, 'it does not count from 1, which JSON cannot say', '2202E' ]);
my $key = 10;
foreach my $case (@bad)
{
	my ($column, $value, $words, $state) = @$case;
	my $test = "$column $value";
	my $how = ++$key % 3;
	my $at = $how == 0 ? 1 : $key;

	$pair->sql(($how == 0 ? "UPDATE bad SET $column = $value WHERE id = 1" : "INSERT INTO bad (id, $column) VALUES ($key, $value)") . "; INSERT INTO calm VALUES ($key)");
	ok(poll_until(sub { $pair->sql(q{SELECT state FROM dbsync.table_status WHERE "table" = 'bad'::regclass}) eq 'held' }, 'a held table'), "$test: its table is held");
	like(slurp_file($source->logfile), qr/is held: column "$column" of table public\.bad has a value for which the target has no room \(SQLSTATE $state\): In the row with key \($at\) .*\Q$words\E/, "$test: the log says which row it was");
	ok(poll_until(sub { $file->run("SELECT count(*) FROM calm WHERE id = $key") eq "1\n" }, 'the other table'), "$test: the others go on");
	is($file->run('SELECT id, f8, f4, d, ts, tz, a FROM bad ORDER BY id'), "1||||||\n", "$test: nothing of it arrives");
	$pair->sql($how == 0 ? "UPDATE bad SET $column = NULL WHERE id = 1" : "DELETE FROM bad WHERE id = $key");
	$pair->arrives('types', "$test: it goes on without it");
}
$pair->sql(q{SELECT dbsync.alter_table('types', 'public.bad', columns => ARRAY['id', 'nullif(f8, ''NaN'') AS f8', 'f4', 'd', 'ts', 'tz', 'a', 'da', 't'])});
$pair->sql(q{INSERT INTO bad (id, f8) VALUES (100, 'NaN'), (101, 1)});
$pair->arrives('types', 'what the hint says is taken');
is($file->run('SELECT id, f8 FROM bad WHERE id >= 100 ORDER BY id'), "100|\n101|1.0\n", 'and arrives so');

# a first copy
$pair->sql(q{CREATE TABLE public.late (id int PRIMARY KEY, d date); INSERT INTO late VALUES (1, '2026-01-01'), (2, '0044-03-15 BC')});
$file->run('CREATE TABLE late (id INTEGER PRIMARY KEY, d TEXT)');
$pair->sql(q{SELECT dbsync.add_table('types', 'public.late')});
$pair->status_becomes('types', q{last_error LIKE 'column "d" of table public.late has a value for which the target has no room%'}, 'a first copy with such a value says so');
$pair->sql('INSERT INTO calm VALUES (1000)');
ok(poll_until(sub { $file->run('SELECT count(*) FROM calm WHERE id = 1000') eq "1\n" }, 'the other table'), 'the others go on');
is($file->run('SELECT count(*) FROM late'), "0\n", 'and nothing of it is there');
$pair->sql('DELETE FROM late WHERE id = 2');
$pair->arrives('types', 'it goes on when the value is gone');
is($file->run('SELECT * FROM late'), "1|2026-01-01\n", 'and brings the rest');

# --- columns that come to have such a type while the table flows, and tables that a rule takes in

$pair->sql('CREATE TABLE public.turns (id int PRIMARY KEY, v int); INSERT INTO turns VALUES (1, 1)');
$file->run('CREATE TABLE turns (id INTEGER PRIMARY KEY, v INTEGER)');
$pair->sql(q{SELECT dbsync.add_table('types', 'public.turns')});
$pair->arrives('types', 'a table whose type will change');
$pair->sql(q{ALTER TABLE turns ALTER v TYPE money; INSERT INTO turns VALUES (2, 2); INSERT INTO calm VALUES (1001)});
ok(poll_until(sub { $pair->sql(q{SELECT state FROM dbsync.table_status WHERE "table" = 'turns'::regclass}) eq 'held' }, 'a held table'), 'a column that gets a type without a counterpart: its table is held');
ok(poll_until(sub { $file->run('SELECT count(*) FROM calm WHERE id = 1001') eq "1\n" }, 'the other table'), 'the others go on');
$pair->sql(q{SELECT dbsync.copy_table('types', 'public.turns', existing_rows => 'truncate')});
$pair->status_becomes('types', q{last_error LIKE 'column "v" of table public.turns has type money, which SQLite has no counterpart for%'}, 'a copy anew says so');
$pair->sql('INSERT INTO calm VALUES (1002)');
ok(poll_until(sub { $file->run('SELECT count(*) FROM calm WHERE id = 1002') eq "1\n" }, 'the other table'), 'also when it is to be copied anew');
is($file->run('SELECT id, v FROM turns'), "1|1\n", 'nothing of it arrives');
$pair->sql(q{ALTER TABLE turns ALTER v TYPE int USING v::numeric::int});
$pair->sql(q{SELECT dbsync.copy_table('types', 'public.turns', existing_rows => 'truncate')});
$pair->arrives('types', 'it goes on when the type is another one');
is($file->run('SELECT id, v FROM turns ORDER BY id'), "1|1\n2|2\n", 'and all of it is there');
$pair->sql(q{CREATE SCHEMA rules; CREATE TABLE rules.good (id int PRIMARY KEY); CREATE TABLE rules.bad (id int PRIMARY KEY, m money); INSERT INTO rules.good VALUES (1)});
$file->run('CREATE TABLE good (id INTEGER PRIMARY KEY)');
$pair->sql(q{SELECT dbsync.create_subscription('rules', 'lite', schemas => '{rules}')});
is($pair->sql(q{SELECT "table", reason LIKE 'column "m" of table rules.bad has type money, which SQLite has no counterpart for%' FROM dbsync.refused WHERE subscription = 'rules'}), 'rules.bad|t',
	'a rule takes in no table with such a column, and says why');
$pair->sql(q{SELECT dbsync.run_once('rules')});
is($file->run('SELECT id FROM good'), "1\n", 'and takes in the others');
$pair->sql(q{SELECT dbsync.drop_subscription('rules')});
$pair->stop_subscription('types');

# a file of UTF-16 makes another character of two that there are
my $utf16 = DbsyncTest::Sqlite->new;
$utf16->run(q{PRAGMA encoding = 'UTF-16le'; CREATE TABLE calm (id INTEGER PRIMARY KEY)});
like(said(q{SELECT dbsync.create_target('utf16', } . quoted($utf16->uri) . ')'), qr/^ERROR:  0A000: file ".*" has text of encoding UTF-16le\n/, 'a file of another encoding is refused');

DbsyncTest::finish();

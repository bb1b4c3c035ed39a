# Rows of every kind through bundles, as text and in binary form, in databases of several encodings; and contents.
use strict;
use warnings;
use utf8;

use lib 't';
use DbsyncTest::Bundle qw(bundle_functions contents_text head_text make_bundle members_of quoted run_tool slurp);
use DbsyncTest::Server qw(ask new_node);
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('here', preload => 1);
my $folder = PostgreSQL::Test::Utils::tempdir();

$node->safe_psql('postgres', 'CREATE EXTENSION dbsync');
bundle_functions($node);
my $public = $node->safe_psql('postgres', "SELECT bundle_test.make_key('$folder/key')");
my $key = quoted($public);
my $files = 0;

sub contents_of
{
	my ($form, $n) = @_;
	return contents_text([ [ 't', map { "c$_ text" } 1 .. $n ] ],
		{ do => 'append', table => 1, form => $form, file => '1.copy', rows => 0, bytes => 0 });
}

# Tests that the rows of a query, of n columns, come out as they went in, by our reader and by COPY.
sub comes_through
{
	my ($test, $query, $n, %options) = @_;
	my $columns = join ', ', map { "c$_" } 1 .. $n;
	foreach my $form ('text', 'binary')
	{
		my $path = "$folder/" . ++$files . '.tar';
		make_bundle($node, $path, "$folder/key", head_text(), contents_of($form, $n), [$query], %options);
		my ($member) = grep { $_->{name} =~ m{/1\.copy} } members_of(slurp($path));
		DbsyncTest::Bundle::spew("$folder/rows" . ($member->{name} =~ /zst/ ? '.zst' : ''), $member->{content});
		run_tool($folder, 'zstd', '-qdf', 'rows.zst') if $member->{name} =~ /zst/;
		$node->safe_psql('postgres', <<"SQL");
DROP TABLE IF EXISTS before, after;
CREATE TABLE before AS SELECT * FROM ($query) x ($columns);
CREATE TABLE after (LIKE before);
COPY after FROM '$folder/rows' (FORMAT $form, ENCODING 'UTF8');
SQL
		is(ask($node, 'SELECT count(*) FROM (SELECT b::text FROM before b EXCEPT ALL SELECT a::text FROM after a) x'), 0, "$test, $form: COPY takes it");
		my $digest = $form eq 'text' ? join(' || ', map { "CASE WHEN c$_ IS NULL THEN '-' ELSE '+' || format('%s', c$_) END" } 1 .. $n) : undef;
		is(ask($node, "SELECT bundle_test.bundle_digest('$path', $key, 1, $n)"),
			ask($node, "SELECT count(*) || ' ' || encode(sha256(convert_to(coalesce(string_agg($digest, '' ORDER BY o), ''), 'UTF8')), 'hex') FROM (SELECT *, row_number() OVER () AS o FROM before) x"),
			"$test, $form: our reader takes it") if $digest;
		is(ask($node, "SELECT split_part(bundle_test.bundle_digest('$path', $key, 1, $n), ' ', 1)"), ask($node, 'SELECT count(*) FROM before'), "$test, $form: all of them");
	}
	return;
}

comes_through('no row', 'SELECT 1, 2 WHERE false', 2);
comes_through('nulls and empty texts', q{SELECT NULL::text, ''::text, ' '::text, NULL::int UNION ALL SELECT '', NULL, E'\t', 1}, 4);
comes_through('one column, null or empty', q{VALUES (NULL::text), (''), ('\N'), ('\.'), (E'\\\\N'), (E'\n')}, 1);
comes_through('what COPY escapes', q{SELECT E'\\\\' || c, c || E'\\\\.', '\.' || c || '\.', c || E'\r\n' || c FROM (VALUES (E'\b'), (E'\f'), (E'\n'), (E'\r'), (E'\t'), (E'\v'), ('\\'), ('\N'), ('\.'), ('\x41'), ('\101'), (E'\x7f'), (E'\x01')) x (c)}, 4);
comes_through('all ASCII', q{SELECT chr(i), repeat(chr(i), 3) FROM generate_series(1, 127) i}, 2);
comes_through('all characters', q{SELECT i, (SELECT string_agg(chr(j), '') FROM generate_series(i, i + 255) j WHERE j NOT BETWEEN 55296 AND 57343 AND j > 0) FROM generate_series(0, 65536, 256) i}, 2);
comes_through('large values', q{SELECT i, repeat('ab\' || chr(i), 2500000), repeat(md5(i::text), 300000) FROM generate_series(9, 10) i}, 3);
comes_through('values about the size of buffers', q{SELECT i, repeat('x', 65536 - i), repeat(E'\n', 131072 - i), repeat('y', i) FROM generate_series(0, 40) i}, 4);
comes_through('kinds of types', q{SELECT 1::smallint, 2::bigint, 1.5::numeric, 'NaN'::float8, '-0'::float4, true, decode('00ff0a5c', 'hex'), '2026-01-01'::date, 'infinity'::timestamptz, '\x00'::bytea, ARRAY[1, NULL], ARRAY['a,b', NULL, '"', '\'], '{"a": 1}'::jsonb, '[1,2)'::int4range, '00000000-0000-0000-0000-000000000001'::uuid, B'101', '10.0.0.1'::inet}, 17);
comes_through('many rows', q{SELECT i, md5(i::text), CASE WHEN i % 3 = 0 THEN NULL ELSE i END FROM generate_series(1, 30000) i}, 3);
comes_through('not zipped', q{SELECT i, md5(i::text) FROM generate_series(1, 1000) i}, 2, level => 0);
comes_through("level $_", q{SELECT i, md5(i::text) FROM generate_series(1, 1000) i}, 2, level => $_) foreach -5, 3, 22;
comes_through('1 600 columns', 'SELECT ' . join(', ', map { $_ % 7 ? $_ : 'NULL::int' } 1 .. 1600), 1600);

# --- encodings: in the file it is UTF-8, also what people have called things

foreach my $encoding ('LATIN1', 'SQL_ASCII', 'EUC_JP')
{
	my $database = lc $encoding;
	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($database, 'CREATE EXTENSION dbsync');
	bundle_functions($node, $database);
	my $name = $encoding eq 'EUC_JP' ? "\x{65e5}\x{672c}" : 'Grüße';
	my $value = "$name \\ \t $name";
	my $contents = contents_of('text', 1) =~ s/"c1"/"$name"/r;
	my $head = head_text(subscription => { id => '5f1c0000-1111-4222-8333-444455556666', name => $name });
	foreach ($contents, $head, $value, $name) { utf8::encode($_) if utf8::is_utf8($_); }
	my $file = "$folder/$database.tar";
	my $sql = 'SELECT bundle_test.make_bundle(' . join(', ', map { quoted($_) } $file, "$folder/key", $head, $contents) .
		', ARRAY[' . quoted('SELECT ' . quoted($value)) . '])';
	my ($status, undef, $error) = $node->psql($database, "SET client_encoding = 'UTF8'; $sql");
	is($status, 0, "$encoding: made") or diag($error);
	my %member = map { $_->{name} =~ m{/(.*)} ? ($1 => $_->{content}) : () } members_of(slurp($file));
	is(JSON::PP->new->utf8(0)->decode($member{'contents.json'})->{tables}[0]{columns}[0]{name}, $name, "$encoding: UTF-8 in contents.json");
	DbsyncTest::Bundle::spew("$folder/rows.zst", $member{'1.copy.zst'});
	run_tool($folder, 'zstd', '-qdf', 'rows.zst');
	is(slurp("$folder/rows"), ($value =~ s/\\/\\\\/r =~ s/\t/\\t/r) . "\n", "$encoding: and in its rows");
	like((members_of(slurp($file)))[0]{name}, qr/^(__|Gr____e|______)-/, "$encoding: its folder has neither");
	foreach my $reader ('postgres', $database)
	{
		# what is read of a text of no encoding is what was written
		my $rows = $node->safe_psql($reader, "SET client_encoding = 'UTF8'; SELECT r[1] = " . quoted($value) . " FROM bundle_test.bundle_rows('$file', $key, 1, 1)");
		is($rows, 't', "$encoding: read in $reader");
		is($node->safe_psql($reader, "SET client_encoding = 'UTF8'; SELECT subscription FROM dbsync.check_bundle('$file', ARRAY[$key])"), $name, "$encoding: its name in $reader");
	}
}
my ($status, undef, $error) = $node->psql('sql_ascii', "SELECT bundle_test.make_bundle('$folder/x.tar', '$folder/key', " .
	join(', ', map { quoted($_) } head_text(), contents_of('text', 1)) . q{, ARRAY['SELECT chr(200)'])});
like($error, qr/invalid byte sequence for encoding "UTF8"/, 'SQL_ASCII: what is no UTF-8 is refused');
($status, undef, $error) = $node->psql('latin1', "SELECT * FROM dbsync.check_bundle('$folder/euc_jp.tar', ARRAY[$key])");
like($error, qr/has no equivalent in encoding "LATIN1"/, 'what the reader\'s encoding lacks is an error');

# --- contents: all that a step may say

my $all = JSON::PP::decode_json(contents_text([ [ "a\"b\n\\", "id \"odd \n type\"", 'v text' ], [ 'u', 'id integer' ] ],
		{ do => 'truncate', tables => [ 1, 2 ] },
		{ do => 'merge', table => 1, form => 'text', file => '1.copy', rows => 0, bytes => 0, continues => JSON::PP::true },
		{ do => 'patch', table => 1, form => 'binary', file => '2.copy', rows => 0, bytes => 0 },
		{ do => 'append', table => 2, form => 'text', file => '3.copy', rows => 0, bytes => 0, first => JSON::PP::true },
		{ do => 'delete', table => 2, form => 'text', file => '4.copy', rows => 0, bytes => 0 },
		{ do => 'count', table => 2, form => 'text', file => '5.copy', rows => 0, bytes => 0 },
		{ do => 'clear', table => 1, form => 'text', file => '6.copy', rows => 0, bytes => 0, sets => [ [ 1, 2 ], [2] ] },
		{ do => 'delete_where', table => 1, condition => "v = 'x\\y'" },
		{ do => 'change', table => 1, before => 2, how => [ 'taken', 'empty', 'shared', 'fill' ], changes => [
			{ kind => 'add', column => 'n', new_name => undef, type => 'numeric(10,2)', oid => 1700, typmod => 655366, collation => 100, old_oid => 0, old_typmod => -1,
				not_null => JSON::PP::true, value => '1', missing => '1.00', key => [], identity => '' },
			{ kind => 'key', column => undef, new_name => undef, type => undef, oid => 0, typmod => -1, collation => 0, old_oid => 0, old_typmod => -1,
				not_null => JSON::PP::false, value => undef, missing => undef, key => [ 'id', 'v' ], identity => undef,
				index => { name => 'i', unique => JSON::PP::true, definition => 'USING btree (id)' } } ] },
		{ do => 'types', enums => [ { type => 'public.mood', labels => [ { name => 'sad', former => [ 'blue', 'low' ] }, { name => 'ok', former => [] } ] } ],
			row_types => [ { type => 'public.pair', attributes => [ { name => 'x', former => ['w'], type => 'integer', oid => 23, typmod => -1, collation => 0 },
				{ name => undef, former => ['gone'], type => undef, oid => 0, typmod => -1, collation => 0 } ], unchanged => JSON::PP::true,
				places => [ { schema => 'o"ther', table => "a\n", column => 'c', path => [] }, { schema => 'public', table => 't', column => 'v', path => [ 3, 1600 ] } ] } ] },
		{ do => 'sequences', sequences => [ { schema => 'public', relation => 't', column => 'id', here => 5, goal => '-9223372036854775808' + 0, min => 1, max => 9223372036854775807,
			descending => JSON::PP::false, cycles => JSON::PP::true } ] }));
$all->{parts} = [ { id => '00000000-0000-4000-8000-000000000001', live => JSON::PP::false, boundary => [ '1', "a\\\n" ], rows => 5, after => '1:1:', upto => undef,
	closing => 'FFFFFFFF/FFFFFFFF', closing_xid => 12345678901, checksum => -1, relation => 'public.t' } ];
my $json = JSON::PP->new->canonical;
make_bundle($node, "$folder/all.tar", "$folder/key", head_text(), $json->encode($all), [ ('SELECT 1') x 6 ]);
my $read = JSON::PP::decode_json(ask($node, "SELECT bundle_test.bundle_contents('$folder/all.tar', $key)"));
is(scalar(grep { delete $_->{rows} } @{ $read->{steps} }), 6, 'each step with rows says how many');
delete @$_{qw(rows bytes)} foreach @{ $read->{steps} }, @{ $all->{steps} };
is($json->encode($read), $json->encode($all), 'contents come back as they were written');
my $head = JSON::PP::decode_json(ask($node, "SELECT bundle_test.bundle_head('$folder/all.tar', $key)"));
is_deeply($head->{requires}, [qw(count clear delete_where change types sequences)], 'a reader must know the later steps');
my $wanted = JSON::PP::decode_json(head_text(rows => 6, bytes => $head->{bytes}, requires => $head->{requires}));
is($json->encode($head), $json->encode($wanted), 'and so does the head');

done_testing();

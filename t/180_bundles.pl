# Bundles as files: what is written can be proved and read again, by us and by tools of others.
use strict;
use warnings;

use lib 't';
use DbsyncTest::Bundle qw(bundle_functions check_bundle contents_text head_text make_bundle quoted run_tool spew);
use DbsyncTest::Server qw(ask new_node);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('here', preload => 1);
my $folder = PostgreSQL::Test::Utils::tempdir();

$node->safe_psql('postgres', 'CREATE EXTENSION dbsync');
bundle_functions($node);
my $public = $node->safe_psql('postgres', "SELECT bundle_test.make_key('$folder/key')");
like($public, qr/^-----BEGIN PUBLIC KEY-----\n/, 'a key is made');
is((stat "$folder/key")[2] & 07777, 0600, 'nobody else can read it');

my $columns = [ 'crm', 'id integer', 'name text', 'at timestamptz', 'raw bytea' ];
my $query = q{SELECT i, 'name ' || i || E' \\\\ \t\n\\\\N', '2026-11-30'::timestamptz, decode('00ff5c', 'hex') FROM generate_series(1, 1000) i};
my $sums = make_bundle($node, "$folder/one.tar", "$folder/key", head_text(),
	contents_text([$columns],
		{ do => 'append', table => 1, form => 'binary', file => '1.copy', rows => 0, bytes => 0 },
		{ do => 'append', table => 1, form => 'text', file => '1.copy', rows => 0, bytes => 0 }),
	[ $query, $query ]);
is_deeply([ check_bundle($node, "$folder/one.tar", $public) ], [ 'good', '' ], 'a bundle is good');
is(ask($node, 'SELECT subscription, chain, number, batch, part, last, rows, sha256 FROM dbsync.check_bundle(' .
		quoted("$folder/one.tar") . ', ARRAY[' . quoted($public) . '])'),
	"orders|1764291234|1|17|1|t|2000|$sums", 'and says who it is');

# --- by tools of others

my ($ok, $said) = run_tool($folder, 'tar', '-tf', 'one.tar');
my $name = 'orders-5f1c0000-1764291234-000000000001';
is($said, join('', map { "$name/$_\n" } qw(FORMAT 1.copy.zst 2.copy.zst contents.json bundle.json SHA256SUMS SHA256SUMS.sig)), 'tar lists it');
run_tool($folder, 'tar', '-xf', 'one.tar');
($ok, $said) = run_tool("$folder/$name", 'sha256sum', '--quiet', '-c', 'SHA256SUMS');
ok($ok, 'sha256sum agrees') or diag($said);
spew("$folder/public", $public);
($ok, $said) = run_tool("$folder/$name", 'openssl', 'pkeyutl', '-verify', '-rawin', '-pubin', '-inkey', '../public', '-sigfile', 'SHA256SUMS.sig', '-in', 'SHA256SUMS');
ok($ok, 'openssl agrees') or diag($said);
($ok, $said) = run_tool("$folder/$name", 'sha256sum', 'SHA256SUMS');
is($said, "$sums  SHA256SUMS\n", 'the sums are what the next one will name');
foreach my $n (1, 2)
{
	($ok, $said) = run_tool("$folder/$name", 'zstd', '-qd', "$n.copy.zst");
	ok($ok, "zstd unzips member $n") or diag($said);
}
$node->safe_psql('postgres', <<SQL);
CREATE TABLE said AS $query;
CREATE TABLE binary_rows (LIKE said);
CREATE TABLE text_rows (LIKE said);
COPY binary_rows FROM '$folder/$name/1.copy' (FORMAT binary);
COPY text_rows FROM '$folder/$name/2.copy';
SQL
is(ask($node, "SELECT count(*) FROM (TABLE said EXCEPT TABLE $_) x"), 0, "COPY takes $_") foreach 'binary_rows', 'text_rows';

# --- by our own reader
foreach my $step ([ 1, 'binary_rows' ], [ 2, 'text_rows' ])
{
	my ($n, $table) = @$step;
	is(ask($node, "SELECT count(*) FROM bundle_test.bundle_rows('$folder/one.tar', " . quoted($public) . ", $n, 4)"), 1000, "our reader finds the rows of step $n");
}
my $row = ask($node, "SELECT r FROM bundle_test.bundle_rows('$folder/one.tar', " . quoted($public) . ", 2, 4) LIMIT 1");
is($row, ask($node, "SELECT ARRAY[a::text, b, c::text, d::text] FROM ($query) x (a, b, c, d) LIMIT 1"), 'as they were');
is(ask($node, "SELECT r FROM bundle_test.bundle_rows('$folder/one.tar', " . quoted($public) . ", 1, 4) LIMIT 1"),
	ask($node, "SELECT ARRAY[encode(int4send(a), 'hex'), encode(textsend(b), 'hex'), encode(timestamptz_send(c), 'hex'), encode(d, 'hex')] FROM ($query) x (a, b, c, d) LIMIT 1"),
	'binary, too');

done_testing();

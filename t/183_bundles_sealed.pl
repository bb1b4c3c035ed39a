# Keys, and bundles that are encrypted: openssl opens them, with one key or the other; what is no key is refused.
use strict;
use warnings;

use lib 't';
use DbsyncTest::Bundle qw(bundle_functions check_bundle contents_text head_text make_bundle members_of quoted run_tool sign_again slurp spew tar_of);
use DbsyncTest::Server qw(ask new_node);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('here', preload => 1);
my $folder = PostgreSQL::Test::Utils::tempdir();

$node->safe_psql('postgres', 'CREATE EXTENSION dbsync');
bundle_functions($node);
my $public = $node->safe_psql('postgres', "SELECT bundle_test.make_key('$folder/key')");
my $key = quoted($public);

sub openssl
{
	my (@command) = @_;
	my ($ok, $said) = run_tool($folder, 'openssl', @command);
	die "openssl @command: $said" if !$ok;
	return $said;
}

# A key with its certificate: NAME.key, NAME.crt, and both in NAME.id.
sub make_identity
{
	my ($name, @kind) = @_;
	openssl('genpkey', @kind, '-out', "$name.key");
	openssl('req', '-x509', '-new', '-key', "$name.key", '-subj', "/CN=$name", '-days', '10', '-out', "$name.crt");
	spew("$folder/$name.id", slurp("$folder/$name.key") . slurp("$folder/$name.crt"));
	chmod 0600, "$folder/$name.id";
	return;
}

my @p256 = ('-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256');
make_identity('one', @p256);
make_identity('two', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048');
make_identity('other', @p256);
spew("$folder/both", slurp("$folder/one.crt") . slurp("$folder/two.crt"));

# --- sealed to two

my $query = q{SELECT i, repeat(md5(i::text) || E'\n', 3) FROM generate_series(1, 60000) i};
my $contents = contents_text([ [ 't', 'id integer', 'v text' ] ],
	{ do => 'append', table => 1, form => 'text', file => '1.copy', rows => 0, bytes => 0 },
	{ do => 'append', table => 1, form => 'binary', file => '2.copy', rows => 0, bytes => 0 });
make_bundle($node, "$folder/plain.tar", "$folder/key", head_text(), $contents, [ $query, $query ]);
make_bundle($node, "$folder/sealed.tar", "$folder/key", head_text(), $contents, [ $query, $query ], recipients => "$folder/both", load_sql => "-- load\n");
is_deeply([ check_bundle($node, "$folder/sealed.tar", $public) ], [ 'good', '' ], 'it proves itself without a secret');
my ($directory) = (members_of(slurp("$folder/sealed.tar")))[0]{name} =~ m{(.*)/};
is_deeply([ map { $_->{name} =~ m{/(.*)} } members_of(slurp("$folder/sealed.tar")) ],
	[qw(FORMAT 1.copy.zst.cms 2.copy.zst.cms load.sql.cms contents.json.cms bundle.json SHA256SUMS SHA256SUMS.sig)], 'all but who it is is encrypted');
like(ask($node, "SELECT bundle_test.bundle_head('$folder/sealed.tar', $key)"), qr/"requires": \["cms"\]/, 'and says so');
foreach my $step (1, 2)
{
	my $digest = ask($node, "SELECT bundle_test.bundle_digest('$folder/plain.tar', $key, $step, 2)");
	is(ask($node, "SELECT bundle_test.bundle_digest('$folder/sealed.tar', $key, $step, 2, '$folder/$_.id')"), $digest, "recipient $_ reads step $step") foreach 'one', 'two';
}
is(ask($node, "SELECT bundle_test.bundle_contents('$folder/sealed.tar', $key, '$folder/one.id')"), ask($node, "SELECT bundle_test.bundle_contents('$folder/plain.tar', $key)"), 'and what is in it');
my (undef, undef, $error) = $node->psql('postgres', "SELECT bundle_test.bundle_contents('$folder/sealed.tar', $key)");
like($error, qr/is encrypted, and there is no key to open it/, 'without a key');
(undef, undef, $error) = $node->psql('postgres', "SELECT bundle_test.bundle_contents('$folder/sealed.tar', $key, '$folder/other.id')");
like($error, qr/an encrypted member cannot be opened/, 'with another\'s');
unlike(slurp("$folder/sealed.tar"), qr/public\.t/, 'names of tables are not to be seen');

# --- openssl opens it
run_tool($folder, 'tar', '-xf', 'sealed.tar');
foreach my $who ('one', 'two')
{
	my ($ok, $said) = run_tool("$folder/$directory", 'sh', '-c',
		"for m in *.cms; do while openssl cms -decrypt -inform DER -binary -inkey ../$who.key -recip ../$who.crt 2>/dev/null; do :; done <\$m >\${m%.cms}; done; zstd -qdf 1.copy.zst 2.copy.zst");
	$node->safe_psql('postgres', <<"SQL");
DROP TABLE IF EXISTS t;
CREATE TABLE t (id int, v text);
COPY t FROM '$folder/$directory/1.copy';
COPY t FROM '$folder/$directory/2.copy' (FORMAT binary);
SQL
	is(ask($node, "SELECT count(*) FROM (SELECT id, v, count(*) FROM t GROUP BY 1, 2 HAVING count(*) = 2 INTERSECT SELECT *, 2 FROM ($query) x) y"), 60000, "openssl opens what $who gets");
	is(slurp("$folder/$directory/load.sql"), "-- load\n", 'the script, too');
}

# --- what the signer has made wrong: messages cut, exchanged, changed
my @members = members_of(slurp("$folder/sealed.tar"));

sub reading_says
{
	my ($reason, $change, $test) = @_;
	my @wrong = map { +{ %$_, content => $_->{name} =~ /1\.copy/ ? $change->($_->{content}) : $_->{content} } } @members;
	spew("$folder/wrong.tar", tar_of(sign_again($folder, "$folder/key", @wrong)));
	is((check_bundle($node, "$folder/wrong.tar", $public))[0], 'good', "$test: it is signed");
	my (undef, undef, $said) = $node->psql('postgres', "SELECT bundle_test.bundle_digest('$folder/wrong.tar', $key, 1, 2, '$folder/one.id')");
	like($said, qr/ERROR:  .*$reason/, $test);
	return;
}

# Bytes of the first message of a member, by the length in its header.
sub first_message
{
	my ($content) = @_;
	my $digits = ord(substr($content, 1, 1)) & 0x7f;
	return 2 + $digits + hex(unpack('H*', substr($content, 2, $digits)));
}

my ($rows) = map { $_->{content} } grep { $_->{name} =~ /1\.copy/ } @members;
cmp_ok(length($rows), '>', first_message($rows), 'a member has several messages');
reading_says(qr/message is not complete/, sub { substr($_[0], 0, -1) }, 'the last tag cut off');
reading_says(qr/not complete/, sub { substr($_[0], 0, first_message($_[0])) }, 'cut between messages');
reading_says(qr/./, sub { my $n = first_message($_[0]); substr($_[0], $n) . substr($_[0], 0, $n) }, 'messages exchanged');
reading_says(qr/cannot be opened/, sub { my $n = first_message($_[0]); substr($_[0], $n - 1, 1) ^= "\1"; $_[0] }, 'a tag changed');
reading_says(qr/cannot be opened/, sub { my $n = first_message($_[0]); substr($_[0], $n - 1000, 1) ^= "\1"; $_[0] }, 'a byte changed');
reading_says(qr/no row of CMS messages/, sub { "\x30\x80" . substr($_[0], 2) }, 'no length');
reading_says(qr/no row of CMS messages/, sub { "\x30\x84\x7f\xff\xff\xff" . substr($_[0], 5) }, 'a length beyond all');
reading_says(qr/no row of CMS messages/, sub { 'x' . $_[0] }, 'no message');
spew("$folder/big", "\0" x 1_100_000);
foreach my $other ([ 'larger than 1 MB', 'big', '-aes-256-gcm' ], [ 'cannot be opened', 'key', '-aes-256-cbc' ])
{
	my ($reason, $file, $cipher) = @$other;
	openssl('cms', '-encrypt', '-binary', '-outform', 'DER', $cipher, '-in', $file, '-out', 'message', 'one.crt');
	reading_says(qr/$reason|no row of CMS messages/, sub { slurp("$folder/message") }, "a message of $file, $cipher");
}

# --- files with keys

sub is_refused
{
	my ($reason, $call, $test) = @_;
	my (undef, undef, $said) = $node->psql('postgres', "SELECT bundle_test.$call");
	like($said, qr/ERROR:  .*$reason/, $test);
	unlike($said, qr/BEGIN|MC4CAQ|MIG|MII/, "$test: nothing of the file is said");
	return;
}

sub signs_with
{
	my ($file) = @_;
	return "make_bundle('$folder/x.tar', '$folder/$file', " . join(', ', map { quoted($_) } head_text(), contents_text([])) . ')';
}

sub seals_to
{
	my ($file) = @_;
	return "make_bundle('$folder/x.tar', '$folder/key', " . join(', ', map { quoted($_) } head_text(), contents_text([])) . ", recipients => '$folder/$file')";
}

is_refused(qr/file ".*key" is there already/, "make_key('$folder/key')", 'a key is never written over');
spew("$folder/empty", '');
spew("$folder/text", "no key\n");
spew("$folder/public", $public);
openssl('genpkey', '-algorithm', 'ED25519', '-aes-256-cbc', '-pass', 'pass:x', '-out', 'locked');
chmod 0600, map { "$folder/$_" } qw(empty text public locked one.key two.key one.crt);
is_refused(qr/signing key ".*" has no private key/, signs_with($_), "to sign with: $_") foreach qw(empty text public locked one.crt);
is_refused(qr/signing key ".*" has no Ed25519 key/, signs_with($_), "to sign with: $_") foreach qw(one.key two.key);
spew("$folder/open", slurp("$folder/key"));
foreach my $mode (0640, 0604, 0620)
{
	chmod $mode, "$folder/open";
	is_refused(qr/can be read by others/, signs_with('open'), sprintf('a key of mode %04o', $mode));
}
is_refused(qr/no ordinary file/, signs_with('.'), 'a folder');
is_refused(qr/could not open/, signs_with('none'), 'no file');
spew("$folder/mixed", slurp("$folder/one.crt") . slurp("$folder/two.id") =~ s/-----BEGIN CERT.*//sr . "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n");
is_refused(qr/has no certificate at position 1/, seals_to($_), "to seal to: $_") foreach qw(empty text public key);
is_refused(qr/has no certificate at position 2/, seals_to('mixed'), 'to seal to: a second that is none');

# one that CMS cannot use, behind one that it can
openssl('genpkey', '-algorithm', 'X25519', '-out', 'x.key');
openssl('pkey', '-in', 'x.key', '-pubout', '-out', 'x.pub');
openssl('req', '-new', '-key', 'one.key', '-subj', '/CN=x', '-out', 'x.csr');
openssl('x509', '-req', '-in', 'x.csr', '-CA', 'one.crt', '-CAkey', 'one.key', '-set_serial', '7', '-force_pubkey', 'x.pub', '-out', 'x.crt');
spew("$folder/second", slurp("$folder/one.crt") . slurp("$folder/x.crt"));
is_refused(qr/certificate at position 2 that cannot be encrypted to/, seals_to('second'), 'X25519');
spew("$folder/wrong.id", slurp("$folder/one.key") . slurp("$folder/two.crt"));
chmod 0600, "$folder/wrong.id";
my $opens = "bundle_contents('$folder/sealed.tar', $key, '$folder/";
is_refused(qr/has a certificate for another key/, "${opens}wrong.id')", 'an identity of two');
is_refused(qr/has no certificate/, "${opens}one.key')", 'an identity without certificate');
is_refused(qr/has no private key/, "${opens}one.crt')", 'an identity without key');
chmod 0644, "$folder/two.id";
is_refused(qr/can be read by others/, "${opens}two.id')", 'an identity for all to read');

# --- what errors leave behind: nothing; the first time, files of the server are opened, too
my $tries = <<"SQL";
SELECT count(bundle_test.try(format('SELECT bundle_test.make_bundle(''$folder/try-%s.tar'', ''$folder/key'', %L, %L, ARRAY[''SELECT repeat(md5(id::text), 10), 1 / (id - 3000)::float8 FROM generate_series(1, 4000) id''], 1, ''$folder/both'')',
	gen_random_uuid(), @{[ quoted(head_text()) ]}, @{[ quoted($contents) ]}))) FROM generate_series(1, 40) i;
SELECT count(bundle_test.try(\$\$SELECT bundle_test.bundle_digest('$folder/wrong.tar', $key, 1, 2, '$folder/one.id')\$\$)) FROM generate_series(1, 40) i;
SELECT count(bundle_test.try(\$\$SELECT bundle_test.bundle_digest('$folder/plain.tar', $key, 1, 3)\$\$)) FROM generate_series(1, 40) i;
SQL
my $fds = ask($node, <<"SQL");
CREATE FUNCTION bundle_test.try(call text) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN EXECUTE call; EXCEPTION WHEN OTHERS THEN NULL; END \$\$;
CREATE FUNCTION bundle_test.descriptors() RETURNS bigint LANGUAGE sql AS \$\$ SELECT count(*) FROM pg_ls_dir('/proc/self/fd') \$\$;
CREATE FUNCTION bundle_test.kilobytes() RETURNS bigint LANGUAGE sql AS \$\$ SELECT substring(pg_read_file('/proc/self/status') FROM 'VmData:\\s+(\\d+)')::bigint \$\$;
$tries
CREATE TEMP TABLE n AS SELECT bundle_test.descriptors() AS n, bundle_test.kilobytes() AS k;
$tries
SELECT bundle_test.descriptors() - n FROM n;
SELECT bundle_test.kilobytes() - k FROM n;
SQL
my @left = split /\n/, $fds;
cmp_ok($left[-2], '<', 10, 'descriptors of 120 bundles that came to nothing are closed');
# a context of zstd has more than a megabyte
cmp_ok($left[-1], '<', 20_000, 'and what libraries had for them is freed');

done_testing();

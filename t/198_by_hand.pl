# Bundles loaded by hand: just the lines that docs/bundles.md says, with tar, openssl, sha256sum, zstd and psql,
# into a server that has no dbsync.  One table has a name that would be a command for somebody's shell; and
# whoever changes a byte of a bundle is found out before anything is unpacked.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask);
use DbsyncTest::Bundle qw(slurp spew);
use DbsyncTest::Server qw(same_rows);
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $work = PostgreSQL::Test::Utils::tempdir_short();
my $spool = "$work/spool";
my $pair = DbsyncTest->new(uri => "file://$spool?part_size=64kB");
my ($source, $hand) = ($pair->source, $pair->target);
my $key = spew("$work/public.pem", ask($source, "SELECT dbsync.public_key('far')") . "\n");

# --- what the page says

# The lines between ```sh and ``` of a section.
sub lines_of
{
	my ($section) = @_;
	my ($text) = slurp('docs/bundles.md') =~ /^## \Q$section\E\n(.*?)(?=^## |\z)/ms or die "no section \"$section\"";
	return join '', $text =~ /^```sh\n(.*?)^```$/msg;
}

my $lines = lines_of('By hand');
like($lines, qr/openssl pkeyutl -verify.*sha256sum -c.*psql -X -f load\.sql/s, 'the page says how');

# Stops at the first line that fails, as it says.
sub load_by_hand
{
	my ($bundle, %other) = @_;
	my $said = '';
	local %ENV = (%ENV, bundle => $bundle, key => $key, TMPDIR => $work,
		PGHOST => $hand->host, PGPORT => $hand->port, PGDATABASE => 'postgres', %other);
	my $ok = IPC::Run::run([ 'sh', '-e', '-c', $lines ], '<', \'', '>&', \$said);
	return ($ok, $said);
}

my @loaded;

# Bundles that have come since, in their order.
sub new_bundles
{
	my %known = map { $_ => 1 } @loaded;
	return grep { !$known{$_} } sort glob("$spool/out/*.tar");
}

sub load_all
{
	my ($what) = @_;
	my $good = 1;

	foreach my $bundle (new_bundles())
	{
		my ($ok, $said) = load_by_hand($bundle);
		$good &&= ok($ok, "$what: $bundle is loaded");
		diag($said) if !$ok;
		push @loaded, $bundle;
	}
	return $good;
}

# --- tables of all kinds

my $marker = "$work/hacked";
my $evil = qq{"a\n\\! touch $marker\n\\echo :x 'it''s' \$\$ ""b"""};
my $evil_column = qq{"c\n\\! touch $marker\n; -- "};
my @tables = ("public.$evil", 'public.plain', 'public.documents', 'public.keyless', 'crm."Mixed Case"', 'public.moods');
$pair->sql(<<SQL);
CREATE SCHEMA crm;
CREATE TYPE public.mood AS ENUM ('sad', E'ha\\nppy\\\\!');
CREATE TABLE public.$evil (id int PRIMARY KEY, $evil_column text, "dbsync_op" text DEFAULT 'mine');
CREATE TABLE public.plain (a bigint, b text COLLATE "C", c numeric(20, 4) NOT NULL DEFAULT 1.50, d timestamptz, e interval, f bytea, g text[], h jsonb, i float8, PRIMARY KEY (b, a));
CREATE TABLE public.documents (id int PRIMARY KEY, n int, body text, more text);
ALTER TABLE public.documents ALTER body SET STORAGE EXTERNAL, ALTER more SET STORAGE EXTERNAL;
CREATE TABLE public.keyless (a int, b text);
CREATE TABLE crm."Mixed Case" (id int, also int, PRIMARY KEY (id, also));
CREATE TABLE public.moods (m public.mood PRIMARY KEY, ms public.mood[]);
INSERT INTO public.$evil SELECT i, E'x\\n\\\\.\\ny\\t' || i FROM generate_series(1, 100) i;
INSERT INTO public.plain SELECT i, E'k\\\\' || i % 7, i / 3.0, timestamptz '2026-11-30 01:02:03.456789+00' + i * interval '1 day',
  make_interval(months => i, secs => i / 7.0), decode(lpad(to_hex(i), 8, '0'), 'hex'), ARRAY['a', NULL, i::text], jsonb_build_object('i', i), i / 3.0 FROM generate_series(1, 500) i;
INSERT INTO public.documents SELECT i, 0, repeat(md5(i::text), 100), repeat(md5((-i)::text), 100) FROM generate_series(1, 300) i;
INSERT INTO public.keyless SELECT i % 3, NULLIF('b' || i % 5, 'b0') FROM generate_series(1, 60) i;
INSERT INTO crm."Mixed Case" SELECT i, -i FROM generate_series(1, 50) i;
INSERT INTO public.moods VALUES ('sad', '{sad,sad}'), (E'ha\\nppy\\\\!', NULL);
SQL
$pair->subscribe('s', \@tables);
$pair->start_subscription('s');
$pair->arrives('s', 'the copy is on disk');
load_all('copy');
same_rows($source, $hand, $_, "copy: $_") foreach @tables;

# --- changes of each kind
$pair->sql(<<SQL);
UPDATE public.$evil SET $evil_column = NULL WHERE id % 10 = 0;
DELETE FROM public.$evil WHERE id % 7 = 0;
INSERT INTO public.$evil VALUES (1001, E'\\\\! touch $marker');
UPDATE public.plain SET c = c + 1, d = NULL WHERE a % 3 = 0;
UPDATE public.plain SET b = b || 'moved' WHERE a % 50 = 0;
UPDATE public.documents SET n = n + 1 WHERE id % 2 = 0;
UPDATE public.documents SET body = 'short' WHERE id % 50 = 0;
DELETE FROM public.documents WHERE id = 33;
INSERT INTO public.documents VALUES (2001, 1, 'b', NULL);
DELETE FROM public.keyless WHERE a = 1 AND b IS NULL;
UPDATE public.keyless SET b = 'changed' WHERE ctid IN (SELECT min(ctid) FROM public.keyless GROUP BY a);
INSERT INTO public.keyless VALUES (9, NULL), (9, NULL), (NULL, '');
DELETE FROM crm."Mixed Case" WHERE id < 10;
UPDATE crm."Mixed Case" SET also = also - 100 WHERE id = 20;
UPDATE public.moods SET ms = NULL;
SQL
$pair->arrives('s', 'changes are on disk');
load_all('changes');
same_rows($source, $hand, $_, "changes: $_") foreach @tables;

$pair->sql(<<SQL);
TRUNCATE public.plain, crm."Mixed Case";
INSERT INTO public.plain (a, b) VALUES (1, 'again');
ALTER TABLE public.documents ADD extra int NOT NULL DEFAULT 7;
ALTER TABLE public.documents DROP COLUMN more;
UPDATE public.documents SET extra = 8 WHERE id < 5;
SQL
$pair->arrives('s', 'and a TRUNCATE, and DDL');
load_all('TRUNCATE, DDL');
same_rows($source, $hand, $_, "TRUNCATE, DDL: $_") foreach @tables;
ok(!-e $marker, 'no name was run as a command');
cmp_ok(scalar(@loaded), '>', 5, scalar(@loaded) . ' bundles');

# --- the second time, and what was forged
{
	my ($ok, $said) = load_by_hand($loaded[0]);
	ok(!$ok && $said =~ /already exists|duplicate key/, 'what has been loaded is not loaded once more') or diag($said);
	my $bytes = slurp($loaded[-1]);
	my $other = "$work/other.pem";

	IPC::Run::run([ 'openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$work/other" ], '&>', \my $ignored);
	IPC::Run::run([ 'openssl', 'pkey', '-in', "$work/other", '-pubout', '-out', $other ], '&>', \$ignored);
	($ok, $said) = load_by_hand($loaded[-1], key => $other);
	ok(!$ok && $said =~ /Signature Verification Failure/ && $said !~ /: OK/, 'signed by somebody else: nothing is unpacked') or diag($said);

	my $at = index($bytes, 'BEGIN;');
	substr($bytes, $at, 6, 'BEGIN ');
	spew("$work/a:b.tar", $bytes);
	($ok, $said) = load_by_hand("$work/a:b.tar");
	ok(!$ok && $said =~ /load\.sql: FAILED/, 'a byte that was changed, in a file that is called like a host') or diag($said);
}

# --- encrypted, to somebody whose key is at hand
{
	my ($ignored, $good) = ('', 1);
	my $sealed = "$work/sealed";

	IPC::Run::run([ qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=hand -keyout), "$work/key.pem", '-out', "$work/certificate.pem" ], '&>', \$ignored)
	  or die $ignored;
	my $identity = spew("$work/identity.pem", slurp("$work/key.pem") . slurp("$work/certificate.pem"));
	$pair->create_target('sealed', "file://$sealed?recipients=$work/certificate.pem");
	my $sealed_key = spew("$work/sealed.pem", ask($source, "SELECT dbsync.public_key('sealed')") . "\n");
	# more than a message of 1 MB can have
	$pair->sql("CREATE TABLE public.secret (id int PRIMARY KEY, words text); INSERT INTO public.secret SELECT i, 'classified ' || (SELECT string_agg(md5((i * j)::text), '') FROM generate_series(1, 100) j) FROM generate_series(1, 1500) i");
	$pair->subscribe('t', ['public.secret'], target => 'sealed');
	$pair->start_subscription('t');
	$pair->arrives('t', 'encrypted bundles are on disk');
	foreach my $bundle (sort glob("$sealed/out/*.tar"))
	{
		my ($ok, $said) = load_by_hand($bundle, key => $sealed_key, identity => $identity);
		$good &&= ok($ok, "encrypted: $bundle is loaded");
		diag($said) if !$ok;
		unlike(slurp($bundle), qr/public|secret|classified/, 'nobody else can read it');
	}
	same_rows($source, $hand, 'public.secret', 'encrypted: public.secret');
}
$pair->finish;

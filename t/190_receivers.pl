# A receiver plays what a source has written into files: first copies, all kinds of changes, large and odd values, TRUNCATE, several
# tables in one transaction; started and by receive_once(); it comes back after a restart of its server.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted uri_of);
use DbsyncTest::Receiving;
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest::Receiving->new;
my @tables = (qw(public.plain public.typed public.two_keys), 'public."odd ""name"""');

$pair->both(<<'SQL');
CREATE TABLE public.plain (id int PRIMARY KEY, v text, n numeric);
CREATE TABLE public.typed (id bigint PRIMARY KEY, b boolean, t timestamptz, d date, i interval, j jsonb, a int[], ta text[],
  by bytea, u uuid, f float8, c "char", na name, r int4range, inet inet, big text);
CREATE TABLE public.two_keys (a int, b text, v text, PRIMARY KEY (b, a));
CREATE TABLE public."odd ""name""" ("the id" int PRIMARY KEY, "v%s" text);
SQL
$pair->sql(<<'SQL');
INSERT INTO public.plain SELECT i, 'row ' || i, i / 7.0 FROM generate_series(1, 5000) i;
INSERT INTO public.typed SELECT i, i % 2 = 0, timestamptz 'epoch' + i * interval '1 day', date '2000-01-01' + i, i * interval '1 hour',
  jsonb_build_object('a', i), ARRAY[i, NULL, i + 1], ARRAY['x"y', E'tab\t', NULL], decode('00ff5c', 'hex'), md5(i::text)::uuid, i / 3.0,
  chr(60 + i % 20)::"char", 'n' || i, int4range(i, i + 5), '10.0.0.1', repeat('large ', 2000) FROM generate_series(1, 50) i;
INSERT INTO public.two_keys SELECT i, 'k' || i % 3, E'line\nbreak\\ and \\N' FROM generate_series(1, 100) i;
INSERT INTO public."odd ""name""" SELECT i, E'a\tb\nc' FROM generate_series(1, 10) i;
SQL
$pair->subscribe('s', \@tables, target => 'gate');
$pair->start_subscription('s');
$pair->arrives('s', 'first copies are out');
is($pair->carry > 0, 1, 'there are bundles');

# one round by hand
my ($batches, $error) = $pair->receive;
cmp_ok($batches, '>', 0, "receive_once() says how many batches it has played: $error");
$pair->same_at_both_ends(@tables);
is_deeply([ DbsyncTest::Receiving::files_of($pair->inbox) ], [], 'the inbox is empty');
is($pair->receive, 0, 'nothing more has come');
is($pair->receiver->{state}, 'stopped', 'it is stopped');

$pair->start_receiver;
$pair->sql(<<'SQL');
BEGIN;
UPDATE public.plain SET v = v || '!' WHERE id % 3 = 0;
DELETE FROM public.plain WHERE id % 5 = 0;
INSERT INTO public.plain SELECT i, 'new', NULL FROM generate_series(6000, 6100) i;
UPDATE public.plain SET id = id + 100000 WHERE id < 10;
UPDATE public.typed SET b = NOT b;
UPDATE public.two_keys SET a = a + 1000 WHERE a % 2 = 0;
DELETE FROM public."odd ""name""" WHERE "the id" > 5;
COMMIT;
SQL
$pair->travels('s', 'changes of all kinds, untouched large values among them');
$pair->same_at_both_ends(@tables);

$pair->sql('BEGIN; TRUNCATE public.plain, public.two_keys; INSERT INTO public.plain VALUES (1, NULL, 3.50); COMMIT');
$pair->travels('s', 'TRUNCATE');
$pair->same_at_both_ends(@tables);

# single small transactions
foreach my $i (1 .. 20)
{
	$pair->sql("INSERT INTO public.plain VALUES (100 + $i, 'single', $i)");
}
$pair->travels('s', 'many small bundles');
$pair->same_at_both_ends(@tables);
$pair->receiver_becomes("state = 'idle' AND last_error IS NULL AND next_action IS NULL AND missing IS NULL AND time IS NOT NULL", 'all is well');

# the ledger says which bundle was the last
is($pair->target_sql("SELECT count(*) FROM dbsync_ledger.position WHERE id = subscription AND chain > 0 AND note ~ '^chain [0-9]+ number [0-9]+ sha256 [0-9a-f]{64}\$'"), 1,
	'the ledger of the target names the bundle');

# after a restart of the server it is there again
$pair->target->restart;
$pair->sql("UPDATE public.plain SET v = 'after the restart'");
$pair->travels('s', 'after a restart of its server');
$pair->same_at_both_ends(@tables);

# the receipt goes back
my $receipt = $pair->target_sql("SELECT dbsync.receipt('in')");
like($receipt, qr/^dbsync-receipt 1 [-0-9a-f]{36} [-0-9a-f]{36} in \d+ \S+ chain=\d+ applied=\d+ batch=\d+ sha256=[0-9a-f]{16} missing=- refused=- target=\d+\/\d+$/,
	'a receipt is one line');

$pair->stop_receiver;
is($pair->receiver->{state}, 'stopped', 'it stops');
$pair->target_sql("SELECT dbsync.drop_receiver('in')");
is($pair->target_sql('SELECT count(*) FROM dbsync_ledger.position'), 0, 'nothing is left in the ledger');
is($pair->target_sql('SELECT count(*) FROM dbsync.receivers'), 0, 'and none in the catalog');

$pair->finish;

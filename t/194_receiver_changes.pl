# What is more than rows goes through files, too: changes of tables, made by the receiver or waited for, labels of enums, attributes of
# composite types, tables without a key, sequences, tables added and copied anew, another chain.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted);
use DbsyncTest::Receiving;
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest::Receiving->new(receiver => { options => q('{"ddl": "apply"}') });

$pair->both(<<'SQL');
CREATE TYPE public.mood AS ENUM ('sad', 'glad');
CREATE TYPE public.pair AS (x int, y text);
CREATE TABLE public.t (id int PRIMARY KEY, v text, m public.mood, p public.pair);
CREATE TABLE public.keyless (a int, b text);
CREATE TABLE public.numbered (id bigserial PRIMARY KEY, v text);
CREATE TABLE public.later (id int PRIMARY KEY, v text);
SQL
$pair->sql(<<'SQL');
INSERT INTO public.t SELECT i, 'v' || i, 'sad', (i, 'y')::public.pair FROM generate_series(1, 100) i;
INSERT INTO public.keyless SELECT i % 5, 'b' FROM generate_series(1, 20) i;
INSERT INTO public.numbered (v) SELECT 'n' FROM generate_series(1, 30);
INSERT INTO public.later SELECT i, 'l' FROM generate_series(1, 10) i;
SQL
my @tables = qw(public.t public.keyless public.numbered);
$pair->subscribe('s', \@tables, target => 'gate', ddl => "'apply'");
$pair->start_subscription('s');
$pair->start_receiver;
$pair->travels('s', 'first copies');
$pair->same_at_both_ends(@tables);
cmp_ok($pair->target_sql("SELECT nextval('public.numbered_id_seq')"), '>', 30, 'the sequence is ahead');

$pair->sql(<<'SQL');
DELETE FROM public.keyless WHERE a = 3;
UPDATE public.keyless SET b = 'c' WHERE a = 1;
INSERT INTO public.keyless VALUES (9, NULL), (9, NULL);
SQL
$pair->travels('s', 'rows of a table without a key');
$pair->same_at_both_ends(@tables);

$pair->sql(<<'SQL');
BEGIN;
INSERT INTO public.t VALUES (200, 'before', 'glad', NULL);
ALTER TABLE public.t ADD COLUMN n int DEFAULT 7;
ALTER TABLE public.t RENAME COLUMN v TO w;
UPDATE public.t SET n = id WHERE id < 50;
INSERT INTO public.t VALUES (201, 'behind', 'sad', (NULL, 'b'), 8);
COMMIT;
SQL
$pair->travels('s', 'columns that are added and renamed');
$pair->same_at_both_ends(@tables);
$pair->sql("ALTER TYPE public.mood ADD VALUE 'angry' BEFORE 'glad'");
$pair->sql("UPDATE public.t SET m = 'angry' WHERE id % 7 = 0; ALTER TABLE public.t ALTER n TYPE bigint");
$pair->travels('s', 'a label, and another type');
$pair->same_at_both_ends(@tables);
$pair->sql('ALTER TABLE public.t DROP COLUMN n');
$pair->sql("INSERT INTO public.t VALUES (300, 'last', 'glad')");
$pair->travels('s', 'a column goes');
$pair->same_at_both_ends(@tables);

# as many attributes as before, so that nothing would be refused if one were taken for another
$pair->sql("UPDATE public.t SET p = (id, 'then')::public.pair WHERE id < 10");
$pair->sql('ALTER TYPE public.pair ADD ATTRIBUTE z text');
$pair->sql("UPDATE public.t SET p.z = 'z' WHERE id % 2 = 0");
$pair->travels('s', 'an attribute more');
$pair->same_at_both_ends(@tables);
$pair->sql('ALTER TYPE public.pair DROP ATTRIBUTE y, ADD ATTRIBUTE q text');
$pair->sql("UPDATE public.t SET p.q = 'q' || id WHERE id % 3 = 0; ALTER TYPE public.pair RENAME ATTRIBUTE z TO zz");
$pair->sql('UPDATE public.t SET p.zz = (p).q WHERE id % 5 = 0');
$pair->travels('s', 'one goes, another comes, and one is renamed');
$pair->same_at_both_ends(@tables);
is($pair->target_sql("SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'public.pair'::regclass AND NOT attisdropped"),
	'x zz q', 'as at the source');

# the receiver waits for somebody
$pair->stop_receiver;
$pair->target_sql(q{SELECT dbsync.alter_receiver('in', options => '{"ddl": "wait"}')});
$pair->start_receiver;
$pair->sql('ALTER TABLE public.t ADD COLUMN x text');
$pair->sql("UPDATE public.t SET x = 'x' || id");
$pair->arrives('s', 'it is out');
$pair->carry;
$pair->receiver_becomes("last_error IS NOT NULL AND next_action LIKE '%ADD COLUMN%'", 'it says what is to be made at the target');
$pair->target_sql('ALTER TABLE public.t ADD COLUMN x text');
$pair->reaches_newest('s', 'and goes on when it is made');
$pair->same_at_both_ends(@tables);

# tables come and go, and are copied anew
$pair->sql("SELECT dbsync.add_table('s', 'public.later')");
$pair->travels('s', 'a table more');
$pair->same_at_both_ends(@tables, 'public.later');
$pair->target_sql('DELETE FROM public.later WHERE id < 5');
$pair->sql("SELECT dbsync.copy_table('s', 'public.later', existing_rows => 'truncate')");
$pair->travels('s', 'copied anew');
$pair->same_at_both_ends(@tables, 'public.later');

# another chain
my $chain = $pair->receiver->{chain};
$pair->target_sql('DELETE FROM public.t');
$pair->stop_subscription('s');
$pair->sql("SELECT dbsync.restart_chain('s')");
$pair->start_subscription('s');
$pair->sql("UPDATE public.t SET w = 'chained'");
$pair->travels('s', 'another chain');
cmp_ok($pair->receiver->{chain}, '>', $chain, 'it is a higher one');
$pair->same_at_both_ends(@tables, 'public.later');

# its tables are other ones to the receiver, and the same to the target: where it gives up those that are too many, each goes once
$pair->target_sql('ALTER SYSTEM SET dbsync.target_tables = 4');
$pair->target_sql('SELECT pg_reload_conf()');
$pair->stop_subscription('s');
$pair->sql("SELECT dbsync.restart_chain('s')");
$pair->start_subscription('s');
$pair->both('ALTER TABLE public.later ADD COLUMN more text');
$pair->sql("UPDATE public.later SET more = 'more'");
$pair->travels('s', 'and another, with few tables looked up at a time');
$pair->same_at_both_ends(@tables, 'public.later');

$pair->finish;

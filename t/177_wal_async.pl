# Rows that are read again for keys from the WAL show what was committed since these were read, asynchronously too: then
# the target waits until it is on the source's disk. Else it would keep, after a crash of the source, what that has lost,
# and nobody would ever tell of it. The slot passes so much that it is saved, so the same keys are not told again.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until);
use Test::More;

# the source's own WAL writer would have it on disk too soon
my $pair = DbsyncTest->new(source_conf => <<'CONF');
wal_level = logical
wal_writer_delay = '10s'
autovacuum = off
dbsync.retention_interval = '60s'
CONF

$pair->both('CREATE TABLE public.t (id int PRIMARY KEY, v text)');
$pair->sql(<<'SQL');
CREATE TABLE public.plain (v text);
INSERT INTO t SELECT g, 'first' FROM generate_series(1, 10) g;
SELECT dbsync.create_subscription('s', 'far');
SELECT dbsync.add_table('s', 't', capture => 'wal');
SQL
$pair->start_subscription('s');
$pair->arrives('s', 'the copy');
$pair->sql(<<'SQL');
ALTER FUNCTION dbsync_internal.advance_wal() RENAME TO advance_wal_really;
CREATE FUNCTION dbsync_internal.advance_wal() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock_shared(4711);
	PERFORM dbsync_internal.advance_wal_really();
END $$;
SQL
my $holder = $pair->source->background_psql('postgres');
my $writer = $pair->source->background_psql('postgres');
$writer->query_safe(q{SET synchronous_commit = off; BEGIN; SELECT pg_current_xact_id()});
# the server knows only of some ids together how far the WAL of their ends is to be flushed
$pair->sql('DO $$ BEGIN FOR i IN 1 .. 100 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$');
$pair->arrives('s', 'newer ids');

$holder->query_safe('SELECT pg_advisory_lock(4711)');
$pair->sql(q{BEGIN; INSERT INTO plain SELECT repeat(md5(g::text), 60) FROM generate_series(1, 6000) g; UPDATE t SET v = 'told' WHERE id = 5; COMMIT});
ok(becomes_true($pair->source, q{SELECT bool_or(query = 'passing WAL that was read' AND wait_event = 'advisory') FROM pg_stat_activity}), 'the key was read');
$writer->query_safe(q{UPDATE t SET v = 'not on disk' WHERE id = 5; COMMIT});
$holder->query_safe('SELECT pg_advisory_unlock(4711)');
poll_until(sub { $pair->target_sql('SELECT v FROM t WHERE id = 5') eq 'not on disk' }, 'the row as it was later');
$pair->source->stop('immediate');
is($pair->target_sql('SELECT v FROM t WHERE id = 5'), 'not on disk', 'the row came as it was later');
$pair->source->start;
poll_until(sub { defined ask($pair->source, 'SELECT 1') }, 'server up');
$pair->arrives('s', 'all, after a crash');
DbsyncTest::Server::same_rows($pair->source, $pair->target, 'public.t', 'both ends are equal');

$pair->finish;

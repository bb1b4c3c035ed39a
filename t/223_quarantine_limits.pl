# Where parking ends: more keys than may be parked, a table of which a first copy is under way, a target that was put back,
# two subscriptions that park at one target, and targets that cannot park.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until);
use File::Path qw(rmtree);
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(source_conf => "dbsync.segment_size = '1GB'\ndbsync.copy_chunk_rows = 3000\ndbsync.copy_connections = 3");
my ($source, $target) = ($pair->source, $pair->target);

$pair->sql('CREATE TABLE many (id int PRIMARY KEY, v text); CREATE TABLE other (id int PRIMARY KEY, v text); CREATE TABLE large (id int PRIMARY KEY, v text)');
$pair->target_sql("CREATE TABLE many (id int PRIMARY KEY, v text CHECK (v <> 'bad')); CREATE TABLE other (id int PRIMARY KEY, v text CHECK (v <> 'bad'));"
	  . " CREATE TABLE large (id int PRIMARY KEY, v text CHECK (v <> 'bad'))");
$pair->sql("INSERT INTO large SELECT i, CASE i % 5000 WHEN 7 THEN 'bad' ELSE 'good' END FROM generate_series(1, 20000) i");
$pair->subscribe('q', [ 'many', 'other', 'large' ], on_error => "'quarantine'");
$pair->start_subscription('q');
$pair->arrives('q', 'a first copy in chunks arrives, over several connections, but for rows that are refused');
is($pair->target_sql('SELECT count(*) FROM large'), '19996', 'of which there are four');
is($pair->sql(q{SELECT string_agg(key ->> 'id', ' ' ORDER BY (key ->> 'id')::int) FROM dbsync.quarantine}), '7 5007 10007 15007', 'which are parked');

# --- more than may be parked

$pair->sql("BEGIN; INSERT INTO many SELECT i, 'bad' FROM generate_series(1, 10001) i; INSERT INTO other VALUES (1, 'good'), (2, 'bad'); COMMIT");
ok(becomes_true($source, q{SELECT coalesce(bool_and(state = 'held' AND held_for LIKE '%refuses more than 10000 rows%'), false) FROM dbsync.table_status WHERE "table" = 'many'::regclass}),
	'a table of which more keys would be parked is held') or $pair->describe_state('not held');
like($pair->sql(q{SELECT next_action FROM dbsync.table_status WHERE "table" = 'many'::regclass}), qr/Mend the cause on the target: then the table goes on by itself/, 'and what to do is said');
like($pair->sql(q{SELECT next_action FROM dbsync.status WHERE subscription = 'q'}), qr/Table public\.many has been held/, 'of the subscription, too');
ok(becomes_true($target, q{SELECT count(*) = 1 FROM other}), 'the others go on');
is($target->safe_psql('postgres', q{SELECT string_agg(relation, ' ' ORDER BY relation) FROM (SELECT DISTINCT relation FROM dbsync_ledger.quarantine) r}), 'public.large public.other',
	'nothing of it is parked');
$pair->target_sql('ALTER TABLE many DROP CONSTRAINT many_v_check');
$pair->sql(q{SELECT dbsync.resume_table('q', 'many')});
$pair->arrives('q', 'it goes on when the cause is mended');
# an attempt that was under way then has parked some of them
$pair->sql(q{SELECT dbsync.retry('q', 'many')});
$pair->arrives('q', 'with all that it has parked by then');
$pair->same_at_both_ends('public.many');

# --- another subscription of the same table to the same target

$pair->target_sql("CREATE TABLE twin (id int PRIMARY KEY, v text CHECK (v <> 'bad'))");
$pair->sql(q{SELECT dbsync.create_subscription('twin', 'far', on_error => 'quarantine')});
$pair->sql(q{SELECT dbsync.add_table('twin', 'other', target_table => 'twin')});
$pair->start_subscription('twin');
$pair->arrives('twin', 'another subscription has keys of its own');
is($pair->sql(q{SELECT string_agg(subscription || ' ' || target_table || ' ' || (key ->> 'id'), ', ' ORDER BY subscription) FROM dbsync.quarantine WHERE "table" = 'other'::regclass}),
	'q public.other 2, twin public.twin 2', 'one of each');
$pair->stop_subscription('twin');
$pair->sql(q{SELECT dbsync.drop_subscription('twin')});
is($target->safe_psql('postgres', q{SELECT string_agg(DISTINCT relation, ' ') FROM dbsync_ledger.quarantine WHERE relation <> 'public.large'}), 'public.other', 'which go with it alone');

# --- a target that comes back as it was before

$pair->sql("INSERT INTO other VALUES (3, 'bad')");
$pair->arrives('q', 'one more is parked');
$target->stop;
$target->backup_fs_cold('old');
$target->start;
$pair->sql("UPDATE other SET v = 'good' WHERE id = 3; INSERT INTO other VALUES (4, 'bad')");
$pair->arrives('q', 'one is free, and another is parked');
is($pair->sql(q{SELECT string_agg(key ->> 'id', ' ' ORDER BY key ->> 'id') FROM dbsync.quarantine WHERE "table" = 'other'::regclass}), '2 4', 'as it is noted');
$target->stop;
rmtree($target->data_dir);
PostgreSQL::Test::RecursiveCopy::copypath($target->backup_dir . '/old', $target->data_dir);
chmod(0700, $target->data_dir);
$target->start;
$pair->sql("INSERT INTO other VALUES (5, 'good')");
$pair->arrives('q', 'a target that was put back gets what it lacks');
is($pair->sql(q{SELECT string_agg(key ->> 'id', ' ' ORDER BY key ->> 'id') FROM dbsync.quarantine WHERE "table" = 'other'::regclass}), '2 4', 'and parks the same keys');
is($pair->target_sql('SELECT string_agg(id::text, $$ $$ ORDER BY id) FROM other'), '1 3 5', 'and has the same rows');

# --- a key is free, or asked for, while the worker is away

$pair->stop_subscription('q');
$pair->sql("UPDATE other SET v = 'good' WHERE id = 4; SELECT dbsync.retry('q', 'other'); SELECT dbsync.skip('q', 'large', '{\"id\": 7}')");
is($pair->sql('SELECT count(*) FROM dbsync.quarantine WHERE asked IS NOT NULL'), '3', 'what is asked of a stopped subscription waits');
$pair->target_sql('ALTER TABLE other DROP CONSTRAINT other_v_check');
$pair->start_subscription('q');
$pair->arrives('q', 'and is done as it starts');
$pair->same_at_both_ends('public.other');
is($pair->sql(q{SELECT string_agg(key ->> 'id', ' ' ORDER BY (key ->> 'id')::int) FROM dbsync.quarantine}), '5007 10007 15007', 'what was passed over is parked no more');
is($pair->target_sql('SELECT count(*) FROM large WHERE id = 7'), '0', 'nor is it there');

# --- a table that somebody has locked is read when the lock is gone

my $session = $source->background_psql('postgres');
$session->query_safe('BEGIN; LOCK TABLE large IN ACCESS EXCLUSIVE MODE');
$pair->target_sql('ALTER TABLE large DROP CONSTRAINT large_v_check');
$pair->sql(q{SELECT dbsync.retry('q', 'large')});
$pair->sql(q{INSERT INTO other VALUES (6, 'good')});
ok(becomes_true($target, 'SELECT EXISTS (SELECT FROM other WHERE id = 6)'), 'others go on while a table that is to be read is locked');
is($pair->sql('SELECT count(*) FROM dbsync.quarantine'), '3', 'whose keys are parked still');
$session->query_safe('ROLLBACK');
$session->quit;
$pair->arrives('q', 'until the lock is gone');
is($pair->sql('SELECT count(*) FROM dbsync.quarantine'), '0', 'then they are sent');
is($pair->target_sql("SELECT count(*) FROM large WHERE v = 'bad'"), '3', 'and are there');

# --- who cannot park

my $root = PostgreSQL::Test::Utils::tempdir() . '/outbox';

$pair->create_target('gate', "file://$root");
my (undef, undef, $error) = $source->psql('postgres', q{SELECT dbsync.create_subscription('files', 'gate', tables => '{other}', on_error => 'quarantine')});
like($error, qr/on_error cannot be "quarantine" for target "gate"\nDETAIL:  Its driver lacks the feature QUARANTINE/, 'a folder cannot');
$pair->subscribe('files', ['other'], target => 'gate');
(undef, undef, $error) = $source->psql('postgres', q{SELECT dbsync.alter_subscription('files', on_error => 'quarantine')});
like($error, qr/on_error cannot be "quarantine" for target "gate"/, 'neither later');

DbsyncTest::finish();

-- backlog_limit: what is taken, what is refused, and what keeps captured tables as they were asked for.  No target
-- is behind the address, and no worker runs.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA backlog;
SET search_path = backlog, public;
CREATE TABLE orders (id int PRIMARY KEY, t text);
CREATE TABLE keyless (a int);
SELECT dbsync.create_target('backlog_target', 'postgresql://host.invalid/db');
SHOW dbsync.segment_size;

-- what is no size, or has no room for some segments
SELECT dbsync.create_subscription('s', 'backlog_target', backlog_limit => 'ten');
SELECT dbsync.create_subscription('s', 'backlog_target', backlog_limit => '10 GiB');
SELECT dbsync.create_subscription('s', 'backlog_target', backlog_limit => '1e100 TB');
SELECT dbsync.create_subscription('s', 'backlog_target', backlog_limit => '-10 GB');
SELECT dbsync.create_subscription('s', 'backlog_target', backlog_limit => '0');
SELECT dbsync.create_subscription('s', 'backlog_target', backlog_limit => '511 MB');
SELECT dbsync.create_subscription('s', 'backlog_target', backlog_limit => ' ');
SELECT count(*) FROM dbsync.subscription;
SELECT dbsync.create_subscription('none', 'backlog_target', backlog_limit => '');
SELECT dbsync.create_subscription('s', 'backlog_target', '{orders,keyless}', backlog_limit => '10 GB');
SELECT name, backlog_limit, begins_anew FROM dbsync.subscription ORDER BY name;

-- changed, left as it is, taken away
SELECT dbsync.alter_subscription('s', backlog_limit => '1 MB');
SELECT dbsync.alter_subscription('s', backlog_limit => '0.5TB');
SELECT dbsync.alter_subscription('s', policy => 'manual');
SELECT backlog_limit FROM dbsync.subscription WHERE name = 's';
SELECT next_action FROM dbsync.status WHERE subscription = 's';
SELECT dbsync.alter_subscription('s', backlog_limit => '');
SELECT backlog_limit FROM dbsync.subscription WHERE name = 's';
SELECT next_action FROM dbsync.status WHERE subscription = 's';

-- an INI file has it as it was given
SELECT dbsync.alter_subscription('s', backlog_limit => '10 GB');
SELECT line FROM regexp_split_to_table(dbsync.dump_config(), '\n') line WHERE line LIKE 'backlog_limit%';
SELECT action, object, statement FROM dbsync.load_config(replace(dbsync.dump_config(), '10 GB', '11 GB'), dry_run => true);
SELECT action, object, statement FROM dbsync.load_config(replace(dbsync.dump_config(), 'backlog_limit = 10 GB', ''), dry_run => true);
SELECT action, object, statement FROM dbsync.load_config(replace(dbsync.dump_config(), '10 GB', '10'));

-- what is captured by keys for now was asked for with whole rows
UPDATE dbsync.captured_table SET capture = 'keys', reduced = true WHERE relid = 'orders'::regclass;
SELECT * FROM dbsync.load_config(dbsync.dump_config());
SELECT note FROM dbsync.table_status WHERE "table" = 'orders'::regclass;
SELECT next_action FROM dbsync.status WHERE subscription = 's';
SELECT dbsync.add_table('none', 'orders', operations => '{insert,delete}');
SELECT dbsync.alter_table('s', 'orders', operations => '{insert}');
SELECT dbsync.add_table('none', 'orders', capture => 'api');
SELECT dbsync.add_table('none', 'orders', capture => 'trigger', operations => '{insert,update}');
SELECT capture, reduced FROM dbsync.captured_table WHERE relid = 'orders'::regclass;
SELECT dbsync.remove_table('none', 'orders');

-- given up, as a worker would do it; nothing is kept, nothing is restored before it is copied anew
UPDATE dbsync.captured_table SET state = 'active' WHERE relid = 'orders'::regclass;
SELECT dbsync_internal.give_up_table(s, a, c, 6000000000, 11000000000)
FROM dbsync.subscription s JOIN dbsync.subscription_table a ON a.subscription_id = s.id JOIN dbsync.captured_table c ON c.id = a.captured_id
WHERE c.relid = 'orders'::regclass;
SELECT state, note FROM dbsync.table_status WHERE "table" = 'orders'::regclass;
SELECT next_action FROM dbsync.status WHERE subscription = 's';
SELECT dbsync_internal.keep_backlogs_low();
SELECT capture, reduced FROM dbsync.captured_table WHERE relid = 'orders'::regclass;
SELECT dbsync_internal.copy_after_backlog(a.uid) FROM dbsync.subscription_table a WHERE a.backlog_at IS NOT NULL;
SELECT state, backlog_at, note, existing_rows FROM dbsync.subscription_table a WHERE a.captured_id = (SELECT c.id FROM dbsync.captured_table c WHERE c.relid = 'orders'::regclass);
SELECT dbsync_internal.keep_backlogs_low();
SELECT capture, reduced FROM dbsync.captured_table WHERE relid = 'orders'::regclass;

-- one that cannot be copied any more says why
SELECT dbsync_internal.give_up_table(s, a, c, 6000000000, 11000000000)
FROM dbsync.subscription s JOIN dbsync.subscription_table a ON a.subscription_id = s.id JOIN dbsync.captured_table c ON c.id = a.captured_id
WHERE c.relid = 'orders'::regclass;
BEGIN;
DO $$ BEGIN EXECUTE format('ALTER FUNCTION dbsync_internal.subscription_%s() OWNER TO pg_monitor', (SELECT id FROM dbsync.subscription WHERE name = 's')); END $$;
SELECT dbsync_internal.copy_after_backlog(a.uid) FROM dbsync.subscription_table a WHERE a.backlog_at IS NOT NULL;
SELECT a.state, a.backlog_at IS NULL AS left_alone, a.note FROM dbsync.subscription_table a WHERE a.captured_id = (SELECT c.id FROM dbsync.captured_table c WHERE c.relid = 'orders'::regclass);
SELECT next_action FROM dbsync.status WHERE subscription = 's';
ROLLBACK;
SELECT dbsync_internal.copy_after_backlog(a.uid) FROM dbsync.subscription_table a WHERE a.backlog_at IS NOT NULL;

-- one that somebody suspends is not copied anew by itself
SELECT dbsync_internal.give_up_table(s, a, c, 6000000000, 11000000000)
FROM dbsync.subscription s JOIN dbsync.subscription_table a ON a.subscription_id = s.id JOIN dbsync.captured_table c ON c.id = a.captured_id
WHERE c.relid = 'orders'::regclass;
SELECT dbsync_internal.awaits_copy(a, c) FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id WHERE c.relid = 'orders'::regclass;
SELECT dbsync_internal.suspend_attachment(a.uid, 'somebody says so') FROM dbsync.subscription_table a WHERE a.backlog_at IS NOT NULL;
SELECT dbsync_internal.awaits_copy(a, c) FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id WHERE c.relid = 'orders'::regclass;
SELECT state, note FROM dbsync.table_status WHERE "table" = 'orders'::regclass;

-- which snapshots show all that others do
SELECT wide, narrow, dbsync_internal.snapshot_covers(wide::pg_snapshot, narrow::pg_snapshot)
FROM (VALUES ('10:20:12', '10:20:12'), ('10:20:', '10:20:12'), ('10:20:12', '10:20:'), ('10:20:12', '12:12:'), ('30:30:', '10:20:12'), ('10:15:', '10:20:')) s (wide, narrow);

SELECT dbsync.drop_subscription('s');
SELECT dbsync.drop_subscription('none');
SELECT dbsync.drop_target('backlog_target');
DROP SCHEMA backlog CASCADE;

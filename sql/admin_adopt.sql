-- A copy of a database is dormant until adopt(): nothing is set up in it, the
-- guard stands back, and adopt() makes all of it new.
\set SHOW_CONTEXT never
CREATE SCHEMA admin_adopt;
SET search_path = admin_adopt, public;
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE u (id int PRIMARY KEY, v text);
SELECT dbsync.create_target('admin_adopt', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('admin_adopt', 'admin_adopt', ARRAY['t', 'u'], existing_rows => 'keep');
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;

-- no copy, nothing to adopt
SELECT dbsync.adopt();

-- as after CREATE DATABASE ... TEMPLATE: all is there, the identity is another's
UPDATE dbsync.subscription SET position = '10:20:', enabled = true;
UPDATE dbsync.subscription_table SET state = 'live', rows_copied = 7, copy_data = false;
INSERT INTO t VALUES (1, 'captured by the other');
UPDATE dbsync.node SET database_oid = 1;
CREATE TEMP TABLE before AS SELECT s.uid FROM dbsync.subscription s UNION ALL SELECT a.uid FROM dbsync.subscription_table a;
SELECT state, next_action FROM dbsync.status;
INSERT INTO t VALUES (2, 'not captured');
SELECT c.relid::regclass FROM dbsync.skipped k JOIN dbsync.captured_table c ON c.id = k.captured_id;
SELECT dbsync.create_subscription('another', 'admin_adopt');
SELECT dbsync.add_table('admin_adopt', 't');
SELECT dbsync.copy_table('admin_adopt', 't');
-- dropped here, it does not touch the other's ledger: the target cannot be reached
BEGIN;
UPDATE dbsync.subscription SET enabled = false;
SELECT dbsync.drop_subscription('admin_adopt');
ROLLBACK;
-- the guard lets pass
ALTER TABLE t ADD added int;
DROP TABLE u;

-- a table that is gone with its row: what is left of it is taken away
DELETE FROM dbsync.subscription_table a USING dbsync.captured_table c
WHERE c.id = a.captured_id AND NOT EXISTS (SELECT FROM pg_class r WHERE r.oid = c.relid);
UPDATE dbsync.subscription_table SET held = '10:20:', held_since = now(), held_for = 'the other''s target refuses it', held_done = true;
SELECT dbsync.adopt(existing_rows => 'merge');
SELECT dbsync.adopt(existing_rows => 'truncate');
SELECT s.name, s.enabled, s.position, a.state, a.copy_data, a.existing_rows, a.rows_copied,
    num_nonnulls(a.held, a.held_since, a.held_for) AS held, a.held_done
FROM dbsync.subscription s JOIN dbsync.subscription_table a ON a.subscription_id = s.id;
SELECT count(*) AS same FROM before WHERE uid IN (SELECT s.uid FROM dbsync.subscription s UNION ALL SELECT a.uid FROM dbsync.subscription_table a);
SELECT state, since, shape, count(*) FROM dbsync.captured_table GROUP BY 1, 2, 3 ORDER BY 1;
SELECT count(*) AS segments FROM dbsync.segment WHERE captured_id <> 0;
SELECT count(*) AS skipped FROM dbsync.skipped;
-- old triggers do nothing until the table is installed
INSERT INTO t VALUES (3, 'not captured');
SELECT dbsync_internal.retry_removals(10);
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
INSERT INTO t VALUES (4, 'captured');
SELECT op, "row" FROM dbsync.changes('t');
SELECT state FROM dbsync.status;

-- as after the restore of a dump: one row comes upon the other in node, settings
-- have ids that the sequences do not know, segments are missing
CREATE TEMP TABLE node AS TABLE dbsync.node;
INSERT INTO dbsync.node SELECT * FROM node;
SELECT count(*), count(*) FILTER (WHERE database_oid = 0) AS restored FROM dbsync.node;
SELECT state FROM dbsync.status;
SELECT dbsync_internal.drop_segment(id) FROM dbsync.segment WHERE captured_id <> 0;
UPDATE dbsync.segment SET captured_id = captured_id;
SELECT setval(pg_get_serial_sequence('dbsync.captured_table', 'id'), 1, false) + setval(pg_get_serial_sequence('dbsync.subscription', 'id'), 1, false);
INSERT INTO t VALUES (5, 'not captured');
SELECT dbsync.adopt();
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
INSERT INTO t VALUES (6, 'captured');
SELECT op, "row" FROM dbsync.changes('t');
CREATE TABLE u (id int PRIMARY KEY);
SELECT dbsync.add_table('admin_adopt', 'u');
SELECT dbsync.create_subscription('another', 'admin_adopt', ARRAY['u']);

SELECT dbsync.drop_subscription('another');
SELECT dbsync.drop_subscription('admin_adopt');
SELECT dbsync.drop_target('admin_adopt');
SELECT count(*) FROM dbsync.captured_table;
DROP TABLE t, u;
DROP SCHEMA admin_adopt;

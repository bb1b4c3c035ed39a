-- Odd names: quotes, spaces, %, backslashes, 63 bytes, and columns called like
-- ours, in tables, columns, subscriptions, targets.
\set SHOW_CONTEXT never
CREATE SCHEMA "admin 'names' %s\";
SET search_path = "admin 'names' %s\";
CREATE DOMAIN "odd domain" AS "char";
CREATE TYPE "odd ""type""" AS ENUM ('it''s', '%');
CREATE TABLE "odd ""table"" %I\'" (
    "Id %L" int, "it's" text COLLATE "C", "back\slash" "odd domain", "q""q" "odd ""type""",
    "select" numeric(10, 2), PRIMARY KEY ("it's", "Id %L"));
SELECT dbsync.create_target('odd "target" %I\''', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('odd "sub" %s\''', 'odd "target" %I\''', ARRAY['"odd ""table"" %I\''"']);
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
SELECT subscription, target, state FROM dbsync.status;
SELECT subscription, "table", target_table, state FROM dbsync.table_status;
INSERT INTO "odd ""table"" %I\'" VALUES (1, 'one', '\', 'it''s', 1.5);
UPDATE "odd ""table"" %I\'" SET "select" = 2;
UPDATE "odd ""table"" %I\'" SET "it's" = 'two';
SELECT op, key, "row" FROM dbsync.changes('"odd ""table"" %I\''"');
SELECT dbsync.suspend_table('"odd ""table"" %I\''"');
SELECT dbsync.copy_table('odd "sub" %s\''', '"odd ""table"" %I\''"');
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;

-- refusals and guard speak of them by their proper names
ALTER TABLE "odd ""table"" %I\'" DISABLE TRIGGER ALL;
BEGIN;
DROP TABLE "odd ""table"" %I\'";
ROLLBACK;
SET client_min_messages = warning;
DROP SERVER "odd ""target"" %I\'" CASCADE;
RESET client_min_messages;
CREATE TABLE "100%" ("%" int);
SELECT dbsync.add_table('odd "sub" %s\''', '"100%"', key => '{%}');
SELECT dbsync.remove_table('odd "sub" %s\''', '"odd ""table"" %I\''"');

-- columns called like ours
CREATE TABLE ours (dbsync_xid int PRIMARY KEY, dbsync_no text, dbsync_no_ text, dbsync_op int);
SELECT dbsync.add_table('odd "sub" %s\''', 'ours', target_table => '"odd ""schema""".ours');
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a JOIN dbsync.segment s ON s.relid = a.attrelid
WHERE s.captured_id <> 0 AND a.attnum > 0 ORDER BY a.attnum;
INSERT INTO ours VALUES (1, 'a', 'b', 2);
DELETE FROM ours;
SELECT op, key, "row" FROM dbsync.changes('ours');
SELECT target_table FROM dbsync.table_status;
SELECT dbsync.remove_table('odd "sub" %s\''', 'ours');

-- 63 bytes
SELECT repeat('n', 63) AS n63 \gset
CREATE TABLE :n63 (:n63 int PRIMARY KEY);
SELECT dbsync.create_target(:'n63', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription(:'n63', :'n63', ARRAY[:'n63']);
SELECT dbsync.add_table('odd "sub" %s\''', :'n63', target_table => :'n63');
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
INSERT INTO :n63 VALUES (1);
SELECT op, "row" FROM dbsync.changes(:'n63');
SELECT dbsync.drop_subscription(:'n63');
SELECT dbsync.drop_target(:'n63');

SELECT dbsync.drop_subscription('odd "sub" %s\''');
SELECT dbsync.drop_target('odd "target" %I\''');
SET client_min_messages = warning;
DROP SCHEMA "admin 'names' %s\" CASCADE;

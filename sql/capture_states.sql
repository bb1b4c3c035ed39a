-- When capture lets a write pass, and when it refuses one.
\set ECHO none
\i sql/include/capture.sql
\set ECHO all
\pset format unaligned
\pset tuples_only on

CREATE TABLE s (id int PRIMARY KEY, v int, p numeric(10,2));
SELECT capture_test.begin('s');
INSERT INTO s VALUES (1, 1);

-- Suspended, being removed, being installed: writes pass; every state is heard
-- of at once, also in the middle of a transaction
UPDATE dbsync.captured_table SET state = 'suspended' WHERE relid = 's'::regclass;
INSERT INTO s VALUES (2, 2), (3, 3);
BEGIN;
UPDATE dbsync.captured_table SET state = 'active' WHERE relid = 's'::regclass;
INSERT INTO s VALUES (4, 4);
SAVEPOINT a;
UPDATE dbsync.captured_table SET state = 'removing' WHERE relid = 's'::regclass;
INSERT INTO s VALUES (5, 5);
ROLLBACK TO a;
INSERT INTO s VALUES (6, 6);
COMMIT;
UPDATE dbsync.captured_table SET state = 'installing' WHERE relid = 's'::regclass;
TRUNCATE s;
UPDATE dbsync.captured_table SET state = 'active' WHERE relid = 's'::regclass;
INSERT INTO s VALUES (7, 7);
SELECT op, key FROM capture_test.rows('s') ORDER BY place, no;

-- The state changes while a statement is open.  Taken off: it passes.
CREATE FUNCTION change_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE dbsync.captured_table SET state = TG_ARGV[0] WHERE relid = 's'::regclass;
    RETURN NULL;
END $$;
CREATE TRIGGER off AFTER INSERT ON s FOR EACH ROW EXECUTE FUNCTION change_state('suspended');
INSERT INTO s VALUES (8, 8);
DROP TRIGGER off ON s;
-- Put on: what it wrote is captured, and doubted
CREATE TRIGGER "on" AFTER INSERT ON s FOR EACH ROW EXECUTE FUNCTION change_state('active');
INSERT INTO s VALUES (9, 9);
DROP TRIGGER "on" ON s;
INSERT INTO s VALUES (10, 10);
SELECT op, key FROM capture_test.rows('s') WHERE (key ->> 0)::int > 7 ORDER BY place, no;

-- Replica role: the statement triggers still fire, and the per-row trigger
-- leaves the rows to them
SET session_replication_role = replica;
INSERT INTO s VALUES (20, 20), (21, 21);
UPDATE s SET v = v + 1 WHERE id >= 20;
UPDATE s SET id = 30 WHERE id = 20;
DELETE FROM s WHERE id = 21;
TRUNCATE s;
INSERT INTO s VALUES (31, 31);
RESET session_replication_role;
SELECT op, count(*) FROM capture_test.rows('s') WHERE (key ->> 0)::int >= 20 OR op = 'T' GROUP BY op ORDER BY op;
SELECT capture_test.verdict('s');

-- A copy of the database is dormant: nothing is captured, even without
-- segments, and one note per table is left, whatever is rolled back
CREATE TEMP TABLE identity AS SELECT * FROM dbsync.node;
UPDATE dbsync.node SET database_oid = 0;
BEGIN; INSERT INTO s VALUES (40, 40); ROLLBACK;
SELECT count(*) FROM dbsync.skipped;
BEGIN; SAVEPOINT a; INSERT INTO s VALUES (41, 41); ROLLBACK TO a; COMMIT;
SELECT count(*) FROM dbsync.skipped;
INSERT INTO s VALUES (42, 42);
UPDATE s SET v = 0 WHERE id = 42;
TRUNCATE s;
INSERT INTO s VALUES (43, 43);
SELECT count(*), bool_and(captured_id = (SELECT id FROM dbsync.captured_table WHERE relid = 's'::regclass)) FROM dbsync.skipped;
-- adopted again
UPDATE dbsync.node n SET database_oid = i.database_oid FROM identity i;
DELETE FROM dbsync.skipped;
INSERT INTO s VALUES (44, 44);
SELECT count(*) FROM dbsync.skipped;
SELECT op, key FROM capture_test.rows('s') WHERE (key ->> 0)::int >= 40;

-- No active segment: the write is refused, not lost
UPDATE dbsync.segment SET active = false WHERE captured_id = (SELECT id FROM dbsync.captured_table WHERE relid = 's'::regclass);
\set VERBOSITY terse
\set SHOW_CONTEXT never
DO $$
BEGIN
    INSERT INTO s VALUES (50, 50);
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RAISE NOTICE '%', regexp_replace(SQLERRM, '\d+', 'N');
END $$;
UPDATE dbsync.segment SET active = true WHERE captured_id = (SELECT id FROM dbsync.captured_table WHERE relid = 's'::regclass);

-- A statement whose AFTER trigger does not fire (here: switched off behind the
-- guard's back) fails at COMMIT instead of being lost
SET allow_system_table_mods = on;
UPDATE pg_trigger SET tgenabled = 'D' WHERE tgrelid = 's'::regclass AND tgname LIKE 'dbsync_%_insert';
\c -
SET search_path = capture_test, public;
\set VERBOSITY default
INSERT INTO s VALUES (60, 60);
BEGIN;
SAVEPOINT a;
INSERT INTO s VALUES (61, 61);
ROLLBACK TO a;
UPDATE s SET v = 1;
COMMIT;
SET allow_system_table_mods = on;
UPDATE pg_trigger SET tgenabled = 'A' WHERE tgrelid = 's'::regclass AND tgname LIKE 'dbsync_%_insert';
\c -
SET search_path = capture_test, public;
INSERT INTO s VALUES (62, 62);
SELECT id FROM s WHERE id >= 50;

-- A segment that does not fit its table, as it was altered while the guard was off, is noticed
BEGIN;
ALTER EVENT TRIGGER dbsync_guard_command DISABLE;
ALTER EVENT TRIGGER dbsync_guard_rewrite DISABLE;
SELECT format('ALTER TABLE %s ALTER COLUMN v TYPE text', relid::regclass) AS command FROM dbsync.segment
WHERE captured_id = (SELECT id FROM dbsync.captured_table WHERE relid = 's'::regclass) \gset
:command;
UPDATE dbsync.segment SET active = active;
DO $$
BEGIN
    INSERT INTO s VALUES (70, 70);
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RAISE NOTICE '%', regexp_replace(SQLERRM, '\d+', 'N');
END $$;
ROLLBACK;
INSERT INTO s VALUES (71, 71);

-- So is a table that was altered then: also where it looks as it did, as another column has
-- the place of one that was captured, and where values have only got another precision
CREATE FUNCTION write_after(command text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    INSERT INTO s VALUES (72, 72);
    RAISE NOTICE 'written after %', command;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RAISE NOTICE '% after %', regexp_replace(SQLERRM, '\d+', 'N'), command;
END $$;
ALTER EVENT TRIGGER dbsync_guard_command DISABLE;
ALTER EVENT TRIGGER dbsync_guard_drop DISABLE;
SELECT write_after('ALTER TABLE s DROP COLUMN v, ADD COLUMN v int');
SELECT write_after('ALTER TABLE s ADD COLUMN more int');
SELECT write_after('ALTER TABLE s ALTER COLUMN v TYPE bigint');
ALTER EVENT TRIGGER dbsync_guard_rewrite DISABLE;
SELECT write_after('ALTER TABLE s ALTER COLUMN v TYPE text');
SELECT write_after('ALTER TABLE s ALTER COLUMN p TYPE numeric(12,4)');
SELECT write_after('ALTER TABLE s ALTER COLUMN v SET DEFAULT 3');
ALTER EVENT TRIGGER dbsync_guard_command ENABLE ALWAYS;
ALTER EVENT TRIGGER dbsync_guard_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER dbsync_guard_rewrite ENABLE ALWAYS;

-- REINDEX CONCURRENTLY puts another index in the key's place
CREATE FUNCTION s_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE s SET v = v + 100 WHERE id = NEW.id + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER s_again AFTER INSERT ON s FOR EACH ROW EXECUTE FUNCTION s_again();
TRUNCATE s;
REINDEX INDEX CONCURRENTLY s_pkey;
INSERT INTO s VALUES (80, 1), (81, 2);
SELECT capture_test.verdict('s');

-- The functions are triggers and nothing else
CREATE FUNCTION plain() RETURNS int LANGUAGE c AS '$libdir/dbsync', 'dbsync_capture';
SELECT plain();
CREATE FUNCTION plain2() RETURNS int LANGUAGE c AS '$libdir/dbsync', 'dbsync_config_changed';
SELECT plain2();

-- Not captured at all: a table that has our trigger but is not known passes
CREATE TABLE stray (id int PRIMARY KEY);
CREATE TRIGGER stray BEFORE INSERT ON stray FOR EACH STATEMENT EXECUTE FUNCTION dbsync_internal.capture();
CREATE TRIGGER stray2 AFTER INSERT ON stray REFERENCING NEW TABLE AS x FOR EACH STATEMENT EXECUTE FUNCTION dbsync_internal.capture();
INSERT INTO stray VALUES (1);

SET client_min_messages = error;
SELECT capture_test.end('s');
DROP SCHEMA capture_test CASCADE;

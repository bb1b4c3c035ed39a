-- DDL among data: what is in doubt is settled before a table changes, names change places,
-- few rows and many, in transactions that are prepared; and in sessions whose settings
-- would have text read otherwise.  Hazards 1, 3, 8, 45.
\set SHOW_CONTEXT never
CREATE SCHEMA data;
SET search_path = data, public;
\i sql/include/follow.psql
CREATE DOMAIN extra AS int;
CREATE TABLE t (id int PRIMARY KEY, a text, b text);
CREATE TABLE u (id int PRIMARY KEY, x extra, v int);
SELECT dbsync.create_target('data', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('data', 'data', ARRAY['t', 'u']);
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table ORDER BY id;

-- a trigger writes to rows of the very statement: the last word on them stands before the turn
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE data.t SET b = 'again' WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER again AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION again();
SET dbsync.direct_capture = off;
BEGIN;
INSERT INTO t VALUES (1, 'one'), (2, 'two');
ALTER TABLE t ADD c int;
UPDATE t SET c = 1 WHERE id = 1;
INSERT INTO t VALUES (3, 'three');
COMMIT;
SELECT no, shape, op, "row", kind FROM captured_log('t');
-- it is settled once
BEGIN;
INSERT INTO t VALUES (4, 'four');
CREATE TABLE other (id int);
SAVEPOINT s;
UPDATE t SET a = 'first' WHERE id = 4;
ALTER TABLE t ADD d int;
ROLLBACK TO s;
DROP TABLE other;
COMMIT;
SELECT no, shape, op, "row", kind FROM captured_log('t') WHERE tx = 2;
-- taken back with what it settles, it is settled again
BEGIN;
INSERT INTO t VALUES (5, 'five');
SAVEPOINT s;
ALTER TABLE t DROP c;
ROLLBACK TO s;
UPDATE t SET c = 5 WHERE id = 5;
ALTER TABLE t DROP c;
COMMIT;
SELECT no, shape, op, "row", kind FROM captured_log('t') WHERE tx = 3;
-- TRUNCATE
CREATE FUNCTION refill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO data.t (id, a) VALUES (6, 'six');
    RETURN NULL;
END $$;
CREATE TRIGGER a_refill AFTER TRUNCATE ON t EXECUTE FUNCTION refill();
BEGIN;
TRUNCATE t;
ALTER TABLE t RENAME a TO aa;
COMMIT;
SELECT no, shape, op, "row", kind FROM captured_log('t') WHERE tx = 4;
DROP TRIGGER again ON t;
RESET dbsync.direct_capture;

-- a column cannot go in the middle of a statement, by whatever road
CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL client_min_messages = warning;
    DROP DOMAIN data.extra CASCADE;
    RETURN NEW;
END $$;
CREATE TRIGGER drop_it BEFORE INSERT ON u FOR EACH ROW EXECUTE FUNCTION drop_it();
INSERT INTO u VALUES (1, 1);
DROP TRIGGER drop_it ON u;
CREATE TRIGGER drop_it AFTER INSERT ON u FOR EACH STATEMENT EXECUTE FUNCTION drop_it();
INSERT INTO u VALUES (1, 1);
DROP TRIGGER drop_it ON u;

-- names that change places
ALTER TABLE t RENAME aa TO x;
INSERT INTO t VALUES (10, 'in x', 'in b');
BEGIN;
ALTER TABLE t RENAME b TO aa;
ALTER TABLE t RENAME x TO b;
INSERT INTO t VALUES (11, 'in b', 'in aa');
COMMIT;
ALTER TABLE t RENAME b TO x;
ALTER TABLE t RENAME aa TO b;
ALTER TABLE t RENAME x TO aa;
INSERT INTO t VALUES (12, 'in aa', 'in b');
SELECT no, shape, op, "row", kind FROM captured_log('t') WHERE tx > 4;
SELECT * FROM shapes('t') WHERE turn > 2;

-- prepared
BEGIN;
INSERT INTO t VALUES (13, 'before', 'it');
ALTER TABLE t ADD p int;
INSERT INTO t VALUES (14, 'after', 'it', 1);
PREPARE TRANSACTION 'ddl_data';
COMMIT PREPARED 'ddl_data';
BEGIN;
ALTER TABLE t ADD q int;
INSERT INTO t VALUES (15, 'none of', 'it', 1, 2);
PREPARE TRANSACTION 'ddl_data';
ROLLBACK PREPARED 'ddl_data';
ALTER TABLE t DROP p;
SELECT no, shape, op, "row", kind FROM captured_log('t') WHERE tx > (SELECT max(tx) - 2 FROM captured_log('t'));

-- more rows than a header takes along, and none that it does not
BEGIN;
INSERT INTO t SELECT i, repeat('wide', 300), 'b' FROM generate_series(100, 300) i;
ALTER TABLE t ADD e int DEFAULT 7;
INSERT INTO t VALUES (301, 'few', 'b');
ALTER TABLE t ADD f int;
INSERT INTO t SELECT i, repeat('wide', 300), 'b' FROM generate_series(302, 400) i;
COMMIT;
SELECT min(no), max(no), shape, op, count(*), kind, min("row"->>'e') AS e FROM captured_log('t')
WHERE tx = (SELECT max(tx) FROM captured_log('t')) GROUP BY shape, op, kind ORDER BY 1;
SELECT count(*) AS segments, count(*) FILTER (WHERE s.active) AS active, count(*) FILTER (WHERE pg_relation_size(s.relid) = 0) AS empty
FROM dbsync.segment s JOIN dbsync.captured_table c ON c.id = s.captured_id WHERE c.relid = 't'::regclass;
SELECT * FROM miscounted('t');

-- all that can be asked for, by the key of its time
SELECT op, key, "row" FROM dbsync.changes('t') WHERE (key->>'id')::int BETWEEN 1 AND 12;

-- text is written down as the apply session reads it
SET DateStyle = 'SQL, DMY';
SET TimeZone = 'Asia/Tokyo';
SET bytea_output = 'escape';
SET extra_float_digits = -5;
SET IntervalStyle = 'sql_standard';
SET standard_conforming_strings = off;
SET quote_all_identifiers = on;
ALTER TABLE u ADD d date DEFAULT '01/02/2024', ADD ts timestamptz DEFAULT '2024-02-01 12:00 CET', ADD i interval DEFAULT '-1 day 2:03',
    ADD f float8 DEFAULT 0.1::float8 + 0.2, ADD by bytea DEFAULT '\\xdeadbeef', ADD s text DEFAULT '\\', ADD arr int[] DEFAULT '{1,NULL}',
    ADD "n l" text DEFAULT E'{"a, b"}\n', ADD none int DEFAULT NULL;
ALTER TABLE u ADD more numeric(6,2) DEFAULT 1.5;
\c -
SET search_path = data, public;
SELECT kind, missing FROM captured_log('u') WHERE kind IS NOT NULL;
SELECT c.name, c."default" FROM dbsync.shape s JOIN dbsync.captured_table t ON t.id = s.captured_id, dbsync_internal.shape_columns(s.columns) c
WHERE t.relid = 'u'::regclass AND c."default" IS NOT NULL AND s.id = (SELECT max(h.id) FROM dbsync.shape h) ORDER BY c.num;
-- and is no other in another session
SET DateStyle = 'German';
SET TimeZone = 'Asia/Tokyo';
COMMENT ON TABLE u IS 'looked at';
ALTER TABLE u ALTER v SET STATISTICS 7;
RESET DateStyle;
RESET TimeZone;
SELECT count(*) FROM captured_log('u') WHERE kind IS NOT NULL;

SELECT dbsync.drop_subscription('data');
SELECT dbsync.drop_target('data');
SET client_min_messages = warning;
DROP SCHEMA data CASCADE;

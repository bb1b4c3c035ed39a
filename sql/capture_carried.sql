-- Rows of small transactions go with their header; what has no room there goes to
-- the segment.
\set ECHO none
\i sql/include/capture.sql
\set ECHO all
\pset format unaligned
\pset tuples_only on
CREATE TABLE c (id int PRIMARY KEY, v text, w numeric, x text);
SELECT capture_test.begin('c');
-- what was captured since we last looked, and where it lies
CREATE TABLE looked (place bigint);
CREATE FUNCTION look() RETURNS TABLE (place text, op "char", data text) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT CASE WHEN r.tid IS NULL THEN 'carried' ELSE 'segment' END, r.op,
        CASE WHEN r.op = 'D' THEN r.key::text ELSE left(jsonb_strip_nulls(r.data)::text, 60) END
    FROM capture_test.rows('c') r WHERE r.place > coalesce((SELECT max(l.place) FROM looked l), 0)
    ORDER BY r.place, r.no;
    INSERT INTO looked SELECT max(r.place) FROM capture_test.rows('c') r;
END $$;

-- All kinds of change, nulls and values of all lengths; no segment is locked.
BEGIN;
INSERT INTO c VALUES (1, 'one', 1.50, NULL), (2, NULL, NULL, repeat('x', 200));
UPDATE c SET v = 'uno' WHERE id = 1;
UPDATE c SET id = 3 WHERE id = 2;
DELETE FROM c WHERE id = 3;
INSERT INTO c (id) VALUES (4);
INSERT INTO c VALUES (1, 'again') ON CONFLICT (id) DO UPDATE SET v = excluded.v;
SELECT count(*) FROM pg_locks l JOIN dbsync.segment s ON s.relid = l.relation AND s.captured_id <> 0;
SELECT count(*) FROM pg_locks l JOIN dbsync.segment s ON s.relid = l.relation AND s.captured_id = 0 WHERE l.mode = 'RowExclusiveLock';
COMMIT;
SELECT * FROM look();
TRUNCATE c;
SELECT * FROM look();

-- What is rolled back is cut off, and only that.
BEGIN;
INSERT INTO c VALUES (1, 'kept');
SAVEPOINT a;
INSERT INTO c VALUES (2, 'gone');
SAVEPOINT b;
INSERT INTO c VALUES (3, 'gone');
ROLLBACK TO a;
INSERT INTO c VALUES (4, 'kept');
RELEASE a;
COMMIT;
SELECT * FROM look();

-- A header that is full, and what a savepoint frees again.
BEGIN;
INSERT INTO c VALUES (10, 'first');
SAVEPOINT a;
INSERT INTO c VALUES (11, 'gone', NULL, repeat('y', 1300));
INSERT INTO c VALUES (12, 'gone', NULL, repeat('y', 1300));
ROLLBACK TO a;
INSERT INTO c VALUES (13, 'fits', NULL, repeat('z', 1300));
INSERT INTO c VALUES (14, 'does not', NULL, repeat('z', 1300));
INSERT INTO c VALUES (15, 'fits');
COMMIT;
SELECT * FROM look();

-- Statements of many rows go to the segment from the fourth row on; rows out of
-- line go there.
INSERT INTO c SELECT i, 'many' FROM generate_series(20, 25) i;
SELECT * FROM look();
ALTER TABLE c ALTER x SET STORAGE EXTERNAL;
INSERT INTO c VALUES (30, 'large', NULL, repeat('w', 9000));
UPDATE c SET v = 'larger' WHERE id = 30;
SELECT * FROM look();
SELECT capture_test.verdict('c');

-- An order in doubt is settled among carried rows too.
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE c SET v = v || '!' WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER again AFTER INSERT ON c FOR EACH ROW EXECUTE FUNCTION again();
SET dbsync.direct_capture = off;
INSERT INTO c VALUES (40, 'in doubt');
RESET dbsync.direct_capture;
SELECT * FROM look();
SELECT capture_test.verdict('c');
DROP TRIGGER again ON c;

-- A setting says how much a header carries.
SET dbsync.carry_bytes = 60;
BEGIN;
INSERT INTO c VALUES (50, 'fits');
INSERT INTO c VALUES (51, 'does not', 12345.678, 'any more');
COMMIT;
SELECT * FROM look();
SET dbsync.carry_bytes = 0;
INSERT INTO c VALUES (52, 'nothing fits');
SELECT * FROM look();
RESET dbsync.carry_bytes;
-- (majors word it differently)
\set VERBOSITY sqlstate
SET dbsync.carry_bytes = 1501;
\set VERBOSITY default

-- People see both in one.
SELECT op, key, row->>'v' FROM dbsync.changes('c') WHERE (key->>'id')::int >= 50;
SELECT capture_test.verdict('c');

-- Only rows of a segment can be carried.
SELECT * FROM dbsync_internal.carried(NULL::looked);
SELECT * FROM dbsync_internal.carried(1);

SET client_min_messages = warning;
SELECT capture_test.end('c');
DROP TABLE c, looked;
DROP FUNCTION look, again;
DROP SCHEMA capture_test CASCADE;

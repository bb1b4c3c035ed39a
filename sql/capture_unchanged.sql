-- Large values that an UPDATE leaves untouched are not captured again; all others
-- are, and what is captured folds to what is in the table.
\set ECHO none
\i sql/include/capture.sql
\set ECHO all
\pset format unaligned
\pset tuples_only on

CREATE TABLE doc (id int PRIMARY KEY, n int, a text, b text);
ALTER TABLE doc ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL;
SELECT capture_test.begin('doc');
CREATE FUNCTION long(seed text) RETURNS text LANGUAGE sql AS $$ SELECT repeat(seed, 10000) $$;
-- rows since the last look
CREATE TABLE looked (place bigint);
CREATE FUNCTION look() RETURNS TABLE (tx bigint, op "char", data text, same text) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT dense_rank() OVER (ORDER BY r.place), r.op,
        (SELECT string_agg(e.key || '=' || left(e.value, 4), ' ' ORDER BY e.key) FROM jsonb_each_text(r.data) e WHERE r.op <> 'D'),
        array_to_string(r.same, ',')
    FROM capture_test.rows('doc') r WHERE r.place > coalesce((SELECT max(l.place) FROM looked l), 0)
    ORDER BY r.place, r.no;
    INSERT INTO looked SELECT max(place) FROM capture_test.rows('doc');
END $$;

-- an INSERT has no mark; an UPDATE marks what it leaves, outside of the row only
INSERT INTO doc VALUES (1, 1, long('a'), long('b')), (2, 2, long('c'), 'in the row'), (3, 3, NULL, NULL);
UPDATE doc SET n = n + 1;
SELECT * FROM look();
-- assigning it to itself leaves it; assigning what is equal does not
UPDATE doc SET a = a, b = long('b') WHERE id = 1;
UPDATE doc SET a = long('x') WHERE id = 1;
UPDATE doc SET a = NULL WHERE id = 1;
UPDATE doc SET a = 'short' WHERE id = 1;
UPDATE doc SET n = 0 WHERE id = 1;
UPDATE doc SET id = 10 WHERE id = 1;
SELECT * FROM look();
SELECT capture_test.verdict('doc');

-- several in one transaction, a savepoint between them
BEGIN;
UPDATE doc SET a = long('y') WHERE id = 2;
UPDATE doc SET n = 5 WHERE id = 2;
SAVEPOINT s;
UPDATE doc SET a = long('z') WHERE id = 2;
ROLLBACK TO s;
UPDATE doc SET n = 6 WHERE id = 2;
DELETE FROM doc WHERE id = 3;
INSERT INTO doc VALUES (3, 3, long('n'), NULL);
UPDATE doc SET n = 7 WHERE id = 3;
COMMIT;
SELECT * FROM look();
SELECT capture_test.verdict('doc');

-- upsert and MERGE
INSERT INTO doc VALUES (2, 8, '', ''), (4, 8, long('u'), '') ON CONFLICT (id) DO UPDATE SET n = EXCLUDED.n;
MERGE INTO doc USING (VALUES (2), (4)) v (id) ON doc.id = v.id WHEN MATCHED THEN UPDATE SET n = 9;
SELECT * FROM look();

-- a trigger that writes to the same rows: what follows at commit is whole
CREATE FUNCTION nest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.n < 100 THEN
        UPDATE doc SET n = 100, b = long('t') WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER nest AFTER UPDATE ON doc FOR EACH ROW EXECUTE FUNCTION nest();
UPDATE doc SET n = 10 WHERE id = 2;
SELECT * FROM look();
DROP TRIGGER nest ON doc;
SELECT capture_test.verdict('doc');

-- rows as logical replication applies them
SET session_replication_role = replica;
UPDATE doc SET n = 11 WHERE id = 2;
RESET session_replication_role;
SELECT * FROM look();

-- many rows; a table rewritten, a column added before capture, dropped and generated ones
UPDATE doc SET n = -n;
VACUUM FULL doc;
UPDATE doc SET n = -n;
INSERT INTO doc SELECT i, i, long(i::text), CASE WHEN i % 2 = 0 THEN long(i::text) END FROM generate_series(1000, 1100) i;
UPDATE doc SET n = n + 1 WHERE id >= 1000;
UPDATE doc SET n = n + 1, a = CASE WHEN id % 3 = 0 THEN a || '' ELSE a END WHERE id >= 1000;
SELECT op, same, count(*) FROM capture_test.rows('doc') WHERE (data ->> 'id')::int >= 1000 GROUP BY 1, 2 ORDER BY 1, 2;
SELECT capture_test.verdict('doc');
SELECT op, key, "row" ? 'a' AS has_a, "row" ? 'b' AS has_b, "row" ->> 'n' AS n
FROM dbsync.changes('doc') WHERE key = '{"id": 2}' ORDER BY closing, no LIMIT 3;

CREATE TABLE shape (gone text, a text, g text GENERATED ALWAYS AS (left(a, 1)) STORED, id text PRIMARY KEY, dbsync_same text, v int);
ALTER TABLE shape ALTER a SET STORAGE EXTERNAL, ALTER dbsync_same SET STORAGE EXTERNAL, ALTER id SET STORAGE EXTERNAL;
ALTER TABLE shape DROP gone;
SELECT capture_test.begin('shape');
INSERT INTO shape (a, id, dbsync_same, v) VALUES (long('a'), repeat('i', 2200), long('s'), 1), (long('b'), 'i', NULL, 1);
UPDATE shape SET v = 2;
UPDATE shape SET a = 'a';
SELECT op, left(key ->> 0, 3), same FROM capture_test.rows('shape') ORDER BY place, no;
SELECT capture_test.verdict('shape');

-- no segment has a TOAST table for the sake of marks
CREATE TABLE narrow (id int PRIMARY KEY, v int);
SELECT capture_test.begin('narrow');
SELECT c.reltoastrelid FROM dbsync.segment s JOIN dbsync.captured_table t ON t.id = s.captured_id JOIN pg_class c ON c.oid = s.relid
WHERE t.relid = 'narrow'::regclass;

-- what it is all for: WAL and segment as if the documents were not there
INSERT INTO narrow SELECT i, 1 FROM generate_series(1, 1000) i;
CREATE TABLE wide (id int PRIMARY KEY, v int, doc text);
ALTER TABLE wide ALTER doc SET STORAGE EXTERNAL;
INSERT INTO wide SELECT i, 1, repeat('d', 10000) FROM generate_series(1, 1000) i;
SELECT capture_test.begin('wide');
CHECKPOINT;
CREATE FUNCTION wal_of(command text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before pg_lsn := pg_current_wal_insert_lsn();
BEGIN
    EXECUTE command;
    RETURN pg_current_wal_insert_lsn() - before;
END $$;
-- the first changes after a checkpoint log whole pages
UPDATE narrow SET v = 2;
UPDATE wide SET v = 2;
SELECT wal_of('UPDATE wide SET v = 3') <= 2 * wal_of('UPDATE narrow SET v = 3') + 16384 AS small;
SELECT (SELECT max(bytes) FROM capture_test.headers() WHERE xid IN (SELECT xid FROM capture_test.rows('wide')))
    <= 2 * (SELECT max(bytes) FROM capture_test.headers() WHERE xid IN (SELECT xid FROM capture_test.rows('narrow') WHERE op = 'U')) AS small;

SELECT capture_test.end(rel) FROM unnest('{doc,shape,narrow,wide}'::regclass[]) rel;
SET client_min_messages = warning;
DROP SCHEMA capture_test CASCADE;

-- What each kind of statement leaves in the tracking table.
\set ECHO none
\i sql/include/capture.sql
\set ECHO all
\pset format unaligned
\pset tuples_only on

CREATE TABLE t (id int PRIMARY KEY, v int, x text);
SELECT capture_test.begin('t');

-- one row, several rows, none
INSERT INTO t VALUES (1, 1, 'a');
INSERT INTO t SELECT i, i, 'b' FROM generate_series(2, 6) i;
INSERT INTO t SELECT 7, 7, 'c' WHERE false;
UPDATE t SET v = 10 WHERE id = 1;
UPDATE t SET v = v + 1 WHERE id > 3;
UPDATE t SET v = 0 WHERE id = 999;
DELETE FROM t WHERE id = 2;
DELETE FROM t WHERE id IN (3, 4);
DELETE FROM t WHERE id = 999;
-- a changed key is a delete and an insert; one that is set but not changed is not
UPDATE t SET id = 50, v = 5 WHERE id = 5;
UPDATE t SET id = id, v = 6 WHERE id = 6;
UPDATE t SET id = id + 1;
COPY t (id, x) FROM stdin;
101	from copy
102	from copy
\.
TRUNCATE t;
INSERT INTO t VALUES (1, 2, NULL);
SELECT * FROM capture_test.log('t');
SELECT capture_test.verdict('t');

-- Numbers count the rows of the whole transaction, over all its tables.
CREATE TABLE t2 (LIKE t INCLUDING ALL);
SELECT capture_test.begin('t2');
BEGIN;
INSERT INTO t VALUES (11), (12);
INSERT INTO t2 VALUES (11), (12), (13), (14), (15);
INSERT INTO t VALUES (13);
COMMIT;
SELECT no, op, key FROM capture_test.rows('t') WHERE key IN ('[11]', '[12]', '[13]')
UNION ALL SELECT no, op, key FROM capture_test.rows('t2') ORDER BY no;

-- upsert and MERGE
INSERT INTO t VALUES (11, 1), (12, 2), (21, 3), (22, 4) ON CONFLICT (id) DO UPDATE SET v = excluded.v;
INSERT INTO t VALUES (11, 1), (23, 3) ON CONFLICT DO NOTHING;
MERGE INTO t USING (VALUES (11), (12), (31)) s (id) ON t.id = s.id
    WHEN MATCHED AND t.id = 11 THEN DELETE
    WHEN MATCHED THEN UPDATE SET x = 'merged'
    WHEN NOT MATCHED THEN INSERT VALUES (s.id, 0, 'merged');
SELECT capture_test.verdict('t');

-- A large statement: many batches, every block named in the header.  Rows of
-- mixed size land on pages with room, not in order.
INSERT INTO t SELECT i, i, repeat('x', i % 3000) FROM generate_series(1000, 5000) i;
UPDATE t SET x = x || 'y', v = v + 1 WHERE id >= 1000;
DELETE FROM t WHERE id % 7 = 0;
INSERT INTO t SELECT i, i, 'z' FROM generate_series(20000, 40000) i;
SELECT capture_test.verdict('t');
-- aborted rows leave room in the middle, which VACUUM makes known
BEGIN;
INSERT INTO t2 SELECT i, i, repeat('x', 2000 + i % 1000) FROM generate_series(1000, 3000) i;
ROLLBACK;
DO $$ BEGIN
    FOR i IN 1..200 LOOP
        INSERT INTO t2 VALUES (100000 + i, 0, repeat('x', 500 * (i % 12)));
        BEGIN
            INSERT INTO t2 VALUES (200000 + i, 0, repeat('x', 3000));
            RAISE division_by_zero;
        EXCEPTION WHEN division_by_zero THEN
        END;
    END LOOP;
END $$;
\set ECHO none
SELECT format('VACUUM %s', relid::regclass) FROM dbsync.segment s
WHERE captured_id = (SELECT id FROM dbsync.captured_table WHERE relid = 't2'::regclass) \gexec
\set ECHO all
INSERT INTO t2 SELECT i, i, repeat('x', i % 3000) FROM generate_series(1000, 3000) i;
SELECT capture_test.verdict('t2');

-- Large values: out of line, compressed, untouched by an update, as key
CREATE TABLE big (k text PRIMARY KEY, a text, b text, c bytea);
ALTER TABLE big ALTER a SET STORAGE EXTERNAL;
SELECT capture_test.begin('big');
INSERT INTO big VALUES ('one', repeat('abc', 100000), repeat('d', 1000000), NULL);
INSERT INTO big SELECT repeat('k', 3000) || i, repeat('e', 5000), NULL, decode(repeat('00ff', 9000), 'hex') FROM generate_series(1, 10) i;
UPDATE big SET b = 'small';
UPDATE big SET k = k WHERE k = 'one';
-- the same key stored another way is the same key
UPDATE big SET k = substr(k || 'x', 1, length(k));
SELECT op, count(*) FROM capture_test.rows('big') GROUP BY op ORDER BY op;
UPDATE big SET k = k || '!' WHERE k LIKE 'kk%';
SELECT capture_test.verdict('big');
-- the header's estimate knows of values out of line, where they are captured
UPDATE big SET c = 'x' WHERE k = 'one';
SELECT bytes < 1000 AS estimate FROM capture_test.headers() ORDER BY closing DESC LIMIT 1;
UPDATE big SET k = 'two' WHERE k = 'one';
SELECT bytes BETWEEN 300000 AND 400000 AS estimate FROM capture_test.headers() ORDER BY closing DESC LIMIT 1;

-- Types: domains are stored as their base, composites, arrays, ranges and enums
-- as they are; generated columns are left out; identity is an ordinary column
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE DOMAIN posint2 AS posint;
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE pair AS (a posint, b text);
CREATE TABLE types (
    id int GENERATED ALWAYS AS IDENTITY, d2 posint2 DEFAULT 7,
    d posint, n numeric(20, 5), f float8, ts timestamptz, iv interval, u uuid, j jsonb, m mood, p pair,
    ar int[], pa pair[], r int4range, mr nummultirange, g int GENERATED ALWAYS AS (d * 2) STORED, bi bit(5), c char(5), tail text,
    PRIMARY KEY (id, m));
SELECT capture_test.begin('types');
INSERT INTO types (d, n, f, ts, iv, u, j, m, p, ar, pa, r, mr, bi, c, tail) VALUES
    (1, 1.10, 'NaN', 'infinity', '1 mon -3 days', '00000000-0000-0000-0000-000000000001', '{"a": [1, null]}', 'sad',
     (1, 'x'), '[0:1]={1,NULL}', ARRAY[(2, NULL)::pair], '[1,5)', '{[1,2],[5,6)}', '10101', 'ab', 'end'),
    (2, NULL, '-0', '-infinity', NULL, NULL, '"s"', 'glad', (NULL, NULL), '{}', NULL, 'empty', '{}', NULL, NULL, NULL);
UPDATE types SET d = d + 1, m = 'sad' WHERE m = 'glad';
SELECT * FROM capture_test.log('types');
SELECT capture_test.verdict('types');

-- A column that was dropped, and one that was added with a default that old rows
-- do not hold themselves
CREATE TABLE altered (a int, id int PRIMARY KEY, gone text);
INSERT INTO altered VALUES (1, 1, 'x'), (2, 2, 'y');
ALTER TABLE altered DROP COLUMN gone;
ALTER TABLE altered ADD COLUMN fast text DEFAULT 'default', ADD COLUMN fast2 int DEFAULT 42;
SELECT capture_test.begin('altered');
UPDATE altered SET a = a + 10;
UPDATE altered SET id = 3 WHERE id = 2;
SELECT * FROM capture_test.log('altered');

-- Names: quotes, spaces, per cent, backslash, 63 bytes, and ours
CREATE TABLE "odd "" % \ 'name" (
    "dbsync_xid" int, "dbsync_no" text, dbsync_op int, dbsync_op_ int,
    "a "" b" int, "c%s\" text, "é€" int,
    "x23456789012345678901234567890123456789012345678901234567890123" int,
    PRIMARY KEY ("é€", dbsync_op));
SELECT capture_test.begin('"odd "" % \ ''name"');
INSERT INTO "odd "" % \ 'name" VALUES (1, 'n', 3, 4, 5, 'six', 7, 8), (10, 'nn', 3, 4, 5, 'six', 8, 8);
UPDATE "odd "" % \ 'name" SET dbsync_op = 33 WHERE "é€" = 7;
DELETE FROM "odd "" % \ 'name" WHERE "é€" = 8;
SELECT * FROM capture_test.log('"odd "" % \ ''name"');
SELECT capture_test.verdict('"odd "" % \ ''name"');

-- Composite key, not in column order, with values that change partly
CREATE TABLE comp (v int, b int, c text, a int, PRIMARY KEY (a, c, b));
SELECT capture_test.begin('comp');
INSERT INTO comp SELECT i, i % 3, 'c' || i % 2, i FROM generate_series(1, 20) i;
UPDATE comp SET b = b + 1 WHERE a % 2 = 0;
UPDATE comp SET v = -v;
DELETE FROM comp WHERE b = 2;
SELECT capture_test.verdict('comp');

-- A chosen unique index instead of a primary key
CREATE TABLE chosen (a int, code text NOT NULL, v int);
CREATE UNIQUE INDEX chosen_code ON chosen (code) INCLUDE (v);
SELECT capture_test.begin('chosen', 'chosen_code');
INSERT INTO chosen VALUES (1, 'a', 1), (2, 'b', 2);
UPDATE chosen SET code = 'c' WHERE a = 1;
DELETE FROM chosen WHERE a = 2;
SELECT * FROM capture_test.log('chosen');

-- nothing but the key
CREATE TABLE keyonly (id int PRIMARY KEY);
SELECT capture_test.begin('keyonly');
INSERT INTO keyonly SELECT generate_series(1, 10);
UPDATE keyonly SET id = id - 20;
DELETE FROM keyonly WHERE id = -15;
SELECT capture_test.verdict('keyonly');

SET client_min_messages = error;
SELECT capture_test.end(relid::regclass) FROM dbsync.captured_table
WHERE relid IN (SELECT oid FROM pg_class WHERE relnamespace = 'capture_test'::regnamespace);
DROP SCHEMA capture_test CASCADE;

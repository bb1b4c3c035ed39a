-- The truth about a key: whatever order triggers, foreign-key actions and
-- functions make statements end in, what is captured folds to what is there
-- (hazards 2 to 5, 52).
\set ECHO none
\i sql/include/capture.sql
\set ECHO all
\pset format unaligned
\pset tuples_only on

-- An AFTER ROW trigger changes a row that the same statement inserted: I(2) is
-- captured last, with the older image.
CREATE TABLE n (id int PRIMARY KEY, v int);
CREATE FUNCTION add_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE n SET v = v + 100 WHERE id = NEW.id + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER add_next AFTER INSERT ON n FOR EACH ROW EXECUTE FUNCTION add_next();
SELECT capture_test.begin('n');
INSERT INTO n VALUES (1, 1), (2, 2);
SELECT * FROM n ORDER BY id;
SELECT * FROM capture_test.log('n');
SELECT capture_test.verdict('n');

-- a statement of its own needs no such reading
INSERT INTO n VALUES (10, 10);
UPDATE n SET v = 0 WHERE id = 10;
SELECT * FROM capture_test.log('n') WHERE tx > 1;
DROP TRIGGER add_next ON n;
SELECT capture_test.verdict('n');

-- BEFORE INSERT deletes the row with that key
CREATE FUNCTION make_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM n WHERE id = NEW.id;
    RETURN NEW;
END $$;
CREATE TRIGGER make_room BEFORE INSERT ON n FOR EACH ROW EXECUTE FUNCTION make_room();
INSERT INTO n VALUES (1, 1000), (2, 2000), (3, 3000);
SELECT capture_test.verdict('n');
DROP TRIGGER make_room ON n;

-- a trigger deletes what was just inserted: the key is gone at the end
CREATE FUNCTION undo_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM n WHERE id = NEW.id AND NEW.v < 0;
    RETURN NULL;
END $$;
CREATE TRIGGER undo_insert AFTER INSERT ON n FOR EACH ROW EXECUTE FUNCTION undo_insert();
INSERT INTO n VALUES (21, -1), (22, 22);
SELECT capture_test.verdict('n');
DROP TRIGGER undo_insert ON n;

-- through another captured table and back, three deep
CREATE TABLE m (id int PRIMARY KEY, v int);
SELECT capture_test.begin('m');
CREATE FUNCTION to_m() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO m VALUES (NEW.id, NEW.v) ON CONFLICT (id) DO UPDATE SET v = excluded.v;
    RETURN NULL;
END $$;
CREATE FUNCTION to_n() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.v < 3 THEN
        UPDATE n SET v = v + 1 WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER to_m AFTER INSERT OR UPDATE ON n FOR EACH ROW EXECUTE FUNCTION to_m();
CREATE TRIGGER to_n AFTER INSERT OR UPDATE ON m FOR EACH ROW EXECUTE FUNCTION to_n();
INSERT INTO n SELECT i, 0 FROM generate_series(31, 35) i;
UPDATE n SET v = 1 WHERE id > 33;
SELECT count(*), min(v), max(v) FROM n WHERE id > 30;
SELECT capture_test.verdict('n'), capture_test.verdict('m');
DROP TRIGGER to_m ON n;
DROP TRIGGER to_n ON m;

-- an AFTER STATEMENT trigger that writes again
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        UPDATE n SET v = -v;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER again AFTER UPDATE ON n FOR EACH STATEMENT EXECUTE FUNCTION again();
UPDATE n SET v = v + 7;
SELECT capture_test.verdict('n');
DROP TRIGGER again ON n;

-- a function called by the statement itself changes its table
CREATE FUNCTION bump(int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    UPDATE n SET v = v + 100 WHERE id = $1;
    RETURN $1;
END $$;
INSERT INTO n SELECT 41, 41 UNION ALL SELECT 42, bump(41);
SELECT capture_test.verdict('n');
-- the same events as an upsert would make, and an upsert that does it as well
INSERT INTO n SELECT 43, 43 UNION ALL SELECT 44, bump(43) ON CONFLICT (id) DO UPDATE SET v = 0;
SELECT capture_test.verdict('n');

-- Sibling CTEs.  The DELETE meets 61 first, then evaluates the CTE, which inserts
-- 61 again; I(61) is captured before D(61).  And the same with a changed key.
INSERT INTO n VALUES (61, 1), (62, 2);
WITH i AS (INSERT INTO n VALUES (61, 77) RETURNING id)
DELETE FROM n WHERE id = 61 OR (id = 62 AND (SELECT count(*) FROM i) > 5);
SELECT * FROM n WHERE id IN (61, 62) ORDER BY id;
SELECT capture_test.verdict('n');
INSERT INTO n VALUES (63, 1), (64, 2);
WITH i AS (INSERT INTO n VALUES (63, 78) RETURNING id)
UPDATE n SET id = 69 WHERE id = 63 OR (id = 64 AND (SELECT count(*) FROM i) > 5);
SELECT * FROM n WHERE id BETWEEN 63 AND 69 ORDER BY id;
SELECT capture_test.verdict('n');
INSERT INTO n VALUES (51, 1), (52, 2);
WITH i AS (INSERT INTO n SELECT 53, 0 RETURNING id),
     d AS (DELETE FROM n WHERE id = 51 RETURNING id)
UPDATE n SET v = v + (SELECT count(*) FROM i) WHERE id = 52;
SELECT capture_test.verdict('n');
WITH i AS (INSERT INTO n VALUES (54, 1) RETURNING id)
DELETE FROM n WHERE id = 52 AND (SELECT count(*) FROM i) > 0;
SELECT capture_test.verdict('n');

-- ON CONFLICT and MERGE alone are not doubted: no R in their transactions
INSERT INTO n SELECT i, i FROM generate_series(40, 60) i ON CONFLICT (id) DO UPDATE SET v = excluded.v * 2;
MERGE INTO n USING generate_series(50, 70) g (id) ON n.id = g.id
    WHEN MATCHED AND n.id % 3 = 0 THEN DELETE
    WHEN MATCHED THEN UPDATE SET v = -1
    WHEN NOT MATCHED THEN INSERT VALUES (g.id, 5);
MERGE INTO n USING generate_series(50, 52) g (id) ON n.id = g.id
    WHEN MATCHED THEN UPDATE SET id = n.id + 1000
    WHEN NOT MATCHED THEN INSERT VALUES (g.id, 6);
SELECT count(*) FROM capture_test.rows('n') WHERE op = 'R'
    AND xid IN (SELECT xid FROM capture_test.headers() ORDER BY closing DESC LIMIT 3);
SELECT capture_test.verdict('n');
-- a trigger below one of them is
CREATE TRIGGER add_next AFTER INSERT OR UPDATE ON n FOR EACH ROW WHEN (pg_trigger_depth() < 3) EXECUTE FUNCTION add_next();
INSERT INTO n SELECT i, i FROM generate_series(40, 60) i ON CONFLICT (id) DO UPDATE SET v = excluded.v * 3;
SELECT capture_test.verdict('n');
MERGE INTO n USING generate_series(55, 75) g (id) ON n.id = g.id
    WHEN MATCHED AND n.id % 5 = 0 THEN DELETE
    WHEN MATCHED THEN UPDATE SET v = -1
    WHEN NOT MATCHED THEN INSERT VALUES (g.id, 5);
SELECT capture_test.verdict('n');
-- COPY with it
COPY n FROM stdin;
101	1
102	2
103	3
\.
SELECT capture_test.verdict('n');
DROP TRIGGER add_next ON n;

-- deferred triggers run before the reading
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON n DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION add_next();
BEGIN;
INSERT INTO n VALUES (201, 1), (202, 2), (203, 3);
UPDATE n SET v = 9 WHERE id = 203;
COMMIT;
SELECT capture_test.verdict('n');
DROP TRIGGER late ON n;

-- Foreign keys: cascades, between tables and within one
CREATE TABLE p (id int PRIMARY KEY, v int);
CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE, v int);
SELECT capture_test.begin('p'), capture_test.begin('c');
INSERT INTO p SELECT i, i FROM generate_series(1, 5) i;
INSERT INTO c SELECT i, i % 5 + 1, i FROM generate_series(1, 20) i;
UPDATE p SET id = id + 100 WHERE id < 3;
DELETE FROM p WHERE id > 3;
SELECT capture_test.verdict('p'), capture_test.verdict('c');

-- Two actions on one row are captured together: the header must not promise that
-- no key comes twice.
CREATE TABLE two (id int PRIMARY KEY, a int REFERENCES p ON DELETE SET NULL, b int REFERENCES p ON DELETE SET NULL);
SELECT capture_test.begin('two');
INSERT INTO p VALUES (11, 0), (12, 0);
INSERT INTO two VALUES (1, 11, 11), (2, 11, 12);
DELETE FROM p WHERE id IN (11, 12);
SELECT * FROM capture_test.log('two') WHERE tx > 1;
SELECT capture_test.verdict('two');

CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE SET NULL ON UPDATE CASCADE, v int DEFAULT 0);
SELECT capture_test.begin('tree');
CREATE FUNCTION touch_tree() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        UPDATE tree SET v = 99;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER touch_tree AFTER DELETE ON tree FOR EACH STATEMENT EXECUTE FUNCTION touch_tree();
INSERT INTO tree SELECT i, nullif(i / 2, 0) FROM generate_series(1, 15) i;
DELETE FROM tree WHERE id = 2;
SELECT capture_test.verdict('tree');
UPDATE tree SET id = id + 100 WHERE id IN (1, 3, 7);
SELECT capture_test.verdict('tree');
DELETE FROM tree WHERE id = 101 OR id > 12;
SELECT capture_test.verdict('tree');
-- a user's AFTER ROW trigger with a transition table splits the cascade
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM count(*) FROM gone;
    RETURN NULL;
END $$;
CREATE TRIGGER a_look AFTER DELETE ON tree REFERENCING OLD TABLE AS gone FOR EACH ROW EXECUTE FUNCTION look();
DELETE FROM tree WHERE id = 103;
SELECT capture_test.verdict('tree');
-- An upsert is not a plain one when a cascade of its own adds to its rows: here
-- it updates 300 to 400, which cascades to 301, and inserts another 300.
INSERT INTO tree VALUES (300, NULL), (301, 300);
INSERT INTO tree VALUES (300, NULL), (300, 301) ON CONFLICT (id) DO UPDATE SET id = 400;
SELECT id, up FROM tree WHERE id >= 300 ORDER BY id;
SELECT capture_test.verdict('tree');
DROP TRIGGER touch_tree ON tree;
-- ON DELETE CASCADE into itself
CREATE TABLE tree2 (id int PRIMARY KEY, up int REFERENCES tree2 ON DELETE CASCADE);
SELECT capture_test.begin('tree2');
INSERT INTO tree2 SELECT i, nullif(i / 2, 0) FROM generate_series(1, 31) i;
DELETE FROM tree2 WHERE id IN (2, 6);
SELECT capture_test.verdict('tree2');

-- Savepoints: what was rolled back inside a busy period leaves no trace
CREATE FUNCTION try_and_fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        UPDATE n SET v = -999;
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN
        UPDATE n SET v = v + 1 WHERE id = NEW.id + 1;
    END;
    RETURN NULL;
END $$;
CREATE TRIGGER try_and_fail AFTER INSERT ON n FOR EACH ROW EXECUTE FUNCTION try_and_fail();
INSERT INTO n VALUES (501, 1), (502, 2), (503, 3);
SELECT capture_test.verdict('n');
BEGIN;
INSERT INTO n VALUES (511, 1), (512, 2);
SAVEPOINT s;
INSERT INTO n VALUES (513, 1), (514, 2);
DELETE FROM n WHERE id = 511;
ROLLBACK TO s;
INSERT INTO n VALUES (514, 3), (513, 4);
RELEASE s;
COMMIT;
SELECT capture_test.verdict('n');

-- More busy periods than are kept apart
DO $$
BEGIN
    FOR i IN 1..30 LOOP
        INSERT INTO n VALUES (3000 + 3 * i, 0), (3001 + 3 * i, 0);
        UPDATE n SET v = 5 WHERE id = 3000 + 3 * i;
        UPDATE m SET v = v + 1;
    END LOOP;
END $$;
SELECT capture_test.verdict('n'), capture_test.verdict('m');
DROP TRIGGER try_and_fail ON n;

-- Many suspects, sorted on disk
CREATE TRIGGER add_next AFTER INSERT ON n FOR EACH ROW EXECUTE FUNCTION add_next();
SET work_mem = '64kB';
INSERT INTO n SELECT i, 0 FROM generate_series(10000, 14000) i;
RESET work_mem;
SELECT count(*) FROM capture_test.rows('n') WHERE op = 'R' AND (key ->> 0)::int >= 10000;
SELECT capture_test.verdict('n');
DROP TRIGGER add_next ON n;

-- The reading is not the user's: neither rights nor row security get in its way
CREATE ROLE regress_capture_writer;
CREATE TABLE r (id int PRIMARY KEY, v int);
SELECT capture_test.begin('r');
GRANT INSERT ON r TO regress_capture_writer;
CREATE FUNCTION raise_next() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE capture_test.r SET v = v + 100 WHERE id = NEW.id + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER raise_next AFTER INSERT ON r FOR EACH ROW EXECUTE FUNCTION raise_next();
ALTER TABLE r ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON r FOR INSERT WITH CHECK (true);
GRANT USAGE ON SCHEMA capture_test TO regress_capture_writer;
SET ROLE regress_capture_writer;
INSERT INTO r VALUES (1, 1), (2, 2), (3, 3);
RESET ROLE;
SELECT capture_test.verdict('r');

-- Keys that are equal but not identical; composite, out of column order
CREATE TABLE k (b numeric, x text, a text COLLATE "C", PRIMARY KEY (a, b));
SELECT capture_test.begin('k');
CREATE FUNCTION k_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE k SET b = b + 0.00, x = x || '!' WHERE a = NEW.a AND pg_trigger_depth() = 1;
    RETURN NULL;
END $$;
CREATE TRIGGER k_again AFTER INSERT ON k FOR EACH ROW EXECUTE FUNCTION k_again();
INSERT INTO k VALUES (1, 'one', 'a'), (1.0, 'two', 'b'), (2, 'three', 'a');
UPDATE k SET b = 1.000 WHERE a = 'b';
SELECT * FROM capture_test.log('k') WHERE tx > 1;
SELECT capture_test.verdict('k');

-- The table is dropped in the transaction that left suspects
BEGIN;
INSERT INTO r VALUES (11, 1), (12, 2);
SELECT capture_test.end('r');
DROP TABLE r;
COMMIT;

SELECT capture_test.end(relid::regclass) FROM dbsync.captured_table WHERE relid::regclass::text = ANY ('{n,m,p,c,two,tree,tree2,k}');
SET client_min_messages = warning;
DROP SCHEMA capture_test CASCADE;
DROP ROLE regress_capture_writer;

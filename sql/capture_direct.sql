-- Plain statements are captured row by row as the executor writes them, without
-- our triggers: in the order of truth, whatever changes or rejects rows on the way.
\set ECHO none
\i sql/include/capture.sql
\set ECHO all
\pset format unaligned
\pset tuples_only on
SET dbsync.direct_capture = on;

CREATE TABLE d (id int PRIMARY KEY, v int, x text);
SELECT capture_test.begin('d');
-- the first statement of a session may be one that loads the library
INSERT INTO d VALUES (0, 0);
CREATE TABLE looked (place bigint);
CREATE FUNCTION look() RETURNS TABLE (op "char", data text) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT r.op, CASE WHEN r.op = 'D' THEN r.key::text ELSE jsonb_strip_nulls(r.data)::text END
    FROM capture_test.rows('d') r WHERE r.place > coalesce((SELECT max(l.place) FROM looked l), 0)
    ORDER BY r.place, r.no;
    INSERT INTO looked SELECT max(place) FROM capture_test.rows('d');
END $$;
SELECT * FROM look();

-- A function in the statement changes other rows of the table: each change is
-- where it was made, and nothing is in doubt.
CREATE FUNCTION bump(i int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    UPDATE d SET v = v + 100 WHERE id = i + 10;
    RETURN i;
END $$;
INSERT INTO d SELECT i, 0 FROM generate_series(1, 2) i UNION ALL SELECT i + 10, 0 FROM generate_series(1, 2) i;
SELECT * FROM look();
UPDATE d SET v = bump(id) WHERE id IN (1, 2);
SELECT * FROM look();
SELECT capture_test.verdict('d');

-- RETURNING says what it says, for columns, expressions and rows
INSERT INTO d VALUES (20, 1, 'a'), (21, 2, 'b') RETURNING id, v * 10 AS ten, d;
UPDATE d SET id = id + 100, v = 5 WHERE id = 20 RETURNING *;
DELETE FROM d WHERE id = 21 RETURNING x;
INSERT INTO d VALUES (120, 0, 'c'), (22, 0, 'd') ON CONFLICT (id) DO UPDATE SET x = excluded.x RETURNING id, v, x;
WITH gone AS (SELECT 120 AS id) DELETE FROM d USING gone WHERE d.id = gone.id RETURNING d.id;
SELECT * FROM look();
-- a function in RETURNING that changes the row that is returned
CREATE FUNCTION touch(i int) RETURNS int LANGUAGE sql AS $$ UPDATE d SET v = v + 1 WHERE id = i RETURNING v $$;
INSERT INTO d VALUES (23, 0) RETURNING touch(id);
SELECT * FROM look();
SELECT capture_test.verdict('d');

-- in functions, by cursors and in a plan that is kept
DO $$
DECLARE
    r record;
    n int;
BEGIN
    FOR i IN 30..37 LOOP
        INSERT INTO d VALUES (i, i) RETURNING v INTO n;
        UPDATE d SET v = n + 1 WHERE id = i;
    END LOOP;
    FOR r IN UPDATE d SET v = 0 WHERE id BETWEEN 30 AND 37 RETURNING id LOOP
        DELETE FROM d WHERE id = r.id AND id % 2 = 1;
    END LOOP;
    FOR r IN SELECT id FROM d WHERE id >= 30 LOOP
        UPDATE d SET v = -1 WHERE id = r.id;
        EXIT WHEN r.id >= 32;
    END LOOP;
END $$;
SELECT op, count(*) FROM look() GROUP BY op ORDER BY op;
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM d WHERE id >= 30 ORDER BY id FOR UPDATE;
MOVE 1 IN c;
UPDATE d SET x = 'here' WHERE CURRENT OF c;
COMMIT;
SELECT * FROM look();
SELECT capture_test.verdict('d');

-- BEFORE ROW triggers change the row, its key too, and skip rows
CREATE FUNCTION change_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RETURN CASE WHEN OLD.x = 'keep' THEN NULL ELSE OLD END;
    END IF;
    IF NEW.x = 'skip' THEN
        RETURN NULL;
    END IF;
    NEW.v = NEW.v * 2;
    IF NEW.x = 'move' THEN
        NEW.id = NEW.id + 1000;
        NEW.x = 'moved';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER change_row BEFORE INSERT OR UPDATE OR DELETE ON d FOR EACH ROW EXECUTE FUNCTION change_row();
INSERT INTO d VALUES (40, 1, 'a'), (41, 1, 'skip'), (42, 1, 'move'), (43, 1, 'keep');
UPDATE d SET v = 3, x = CASE id WHEN 40 THEN 'move' ELSE x END WHERE id IN (40, 43);
INSERT INTO d VALUES (43, 1, 'keep'), (44, 1, 'a') ON CONFLICT (id) DO UPDATE SET v = d.v + 1;
DELETE FROM d WHERE id >= 40;
SELECT * FROM look();
SELECT capture_test.verdict('d');
DROP TRIGGER change_row ON d;
TRUNCATE d;
SELECT * FROM look();

-- other triggers fire as ever, with their own transition tables too
CREATE TABLE fired (what text);
CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fired VALUES (concat_ws(' ', TG_NAME, TG_OP, TG_WHEN, TG_LEVEL));
    RETURN NULL;
END $$;
CREATE TRIGGER s1 BEFORE INSERT OR UPDATE OR DELETE ON d FOR EACH STATEMENT EXECUTE FUNCTION say();
CREATE TRIGGER s2 AFTER INSERT OR UPDATE OR DELETE ON d FOR EACH STATEMENT EXECUTE FUNCTION say();
CREATE TRIGGER r2 AFTER INSERT OR UPDATE OR DELETE ON d FOR EACH ROW EXECUTE FUNCTION say();
INSERT INTO d VALUES (1, 1), (2, 2);
UPDATE d SET v = 0 WHERE id = 1;
INSERT INTO d VALUES (2, 3), (3, 3) ON CONFLICT (id) DO UPDATE SET v = 0;
DELETE FROM d WHERE id = 2;
SELECT what, count(*) FROM fired GROUP BY what ORDER BY what COLLATE "C";
SELECT * FROM look();
CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fired SELECT 'transition table: ' || count(*) FROM newtable;
    RETURN NULL;
END $$;
CREATE TRIGGER t2 AFTER UPDATE ON d REFERENCING NEW TABLE AS newtable FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
UPDATE d SET v = v + 1;
SELECT * FROM fired WHERE what LIKE 'tr%';
SELECT * FROM look();
DROP TRIGGER t2 ON d;
DROP TRIGGER s1 ON d;
DROP TRIGGER s2 ON d;
DROP TRIGGER r2 ON d;

-- errors half-way, inside a block that goes on
ALTER TABLE d ADD CHECK (v < 1000);
DO $$
BEGIN
    INSERT INTO d VALUES (50, 0);
    BEGIN
        INSERT INTO d SELECT 50 + i, 995 + i FROM generate_series(1, 20) i;
    EXCEPTION WHEN check_violation THEN
        INSERT INTO d VALUES (51, 51);
    END;
    BEGIN
        INSERT INTO d SELECT 60 + i, 0 FROM generate_series(1, 9) i;
        UPDATE d SET v = 1000 / (v - 51);
    EXCEPTION WHEN division_by_zero THEN
        UPDATE d SET v = 52 WHERE id = 51;
    END;
END $$;
SELECT * FROM look();
SELECT capture_test.verdict('d');

-- many rows, of one statement and with others in between; rows larger than a batch
INSERT INTO d SELECT i, i % 9 FROM generate_series(1001, 6000) i;
UPDATE d SET v = v % 7 WHERE id > 1000;
UPDATE d SET id = id + 10000 WHERE id > 5000;
DELETE FROM d WHERE id BETWEEN 2001 AND 4000;
INSERT INTO d SELECT i, 0, repeat('long ', 30000) FROM generate_series(7001, 7009) i;
SELECT op, count(*) FROM look() GROUP BY op ORDER BY op;
UPDATE d SET v = bump(1000) WHERE id BETWEEN 1002 AND 1009;
SELECT capture_test.verdict('d');

-- through a view with a check, and a rule
CREATE VIEW w AS SELECT * FROM d WHERE id < 100 WITH CHECK OPTION;
SELECT count(*) >= 0 FROM look();
INSERT INTO w VALUES (70, 0);
\set VERBOSITY terse
INSERT INTO w VALUES (700, 0);
UPDATE w SET v = 7 WHERE id = 70;
DELETE FROM w WHERE id = 70;
CREATE RULE also AS ON INSERT TO looked DO ALSO UPDATE d SET v = v + 1 WHERE id = 1;
SELECT * FROM look();
DROP RULE also ON looked;
SELECT capture_test.verdict('d');

-- EXPLAIN ANALYZE counts the plan's rows, so it is left to the triggers
SELECT count(*) >= 0 FROM look();
CREATE FUNCTION explain(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || statement LOOP
        -- from PostgreSQL 18 on it says more, and rows with decimals
        CONTINUE WHEN line ~ 'Buffers:|Index Searches:';
        RETURN NEXT regexp_replace(regexp_replace(line, 'dbsync_\d+', 'dbsync_N'), '(rows=\d+)\.00', '\1');
    END LOOP;
END $$;
SELECT explain('UPDATE d SET v = 0 WHERE id = 1');
SELECT * FROM look();
-- turned off within a transaction, between statements on the same rows
BEGIN;
UPDATE d SET v = 1 WHERE id = 1;
SET LOCAL dbsync.direct_capture = off;
UPDATE d SET v = 2 WHERE id = 1;
SET LOCAL dbsync.direct_capture = on;
UPDATE d SET v = 3 WHERE id = 1;
COMMIT;
SELECT * FROM look();

-- What others capture at their end takes direct rows of its own table into doubt:
-- MERGE is captured after what a trigger of its rows did.
CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE d SET v = v + 100 WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER again AFTER INSERT ON d FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION again();
MERGE INTO d USING (VALUES (80), (81)) n (id) ON d.id = n.id WHEN NOT MATCHED THEN INSERT VALUES (n.id, 1);
SELECT * FROM look();
SELECT capture_test.verdict('d');
DROP TRIGGER again ON d;

-- untouched values inside the row, from 256 bytes on: last, in the middle, several
CREATE TABLE inside (id int PRIMARY KEY, a text, v int, b text, n numeric, c text);
SELECT capture_test.begin('inside');
CREATE FUNCTION value(i int) RETURNS text LANGUAGE sql AS $$ SELECT left(string_agg(md5(i::text || j), ''), 300) FROM generate_series(1, 10) j $$;
INSERT INTO inside SELECT i, CASE i % 3 WHEN 0 THEN value(i) WHEN 1 THEN 'short' END, i, CASE WHEN i % 2 = 0 THEN value(i) END,
    i, CASE i % 5 WHEN 0 THEN 'short' ELSE value(i + 1) END FROM generate_series(1, 60) i;
UPDATE inside SET v = v + 1;
UPDATE inside SET n = n + 1, c = value(id) WHERE id % 7 = 0;
UPDATE inside SET a = a, b = b, c = CASE id % 2 WHEN 0 THEN c ELSE upper(c) END WHERE id % 4 = 0;
UPDATE inside SET n = NULL, a = b WHERE id % 6 = 0;
INSERT INTO inside SELECT id, 'x' FROM inside WHERE id % 9 = 0 ON CONFLICT (id) DO UPDATE SET a = excluded.a;
SELECT op, same, count(*) FROM capture_test.rows('inside') GROUP BY 1, 2 ORDER BY 1, 2;
SELECT capture_test.verdict('inside');

-- What is known of the table is looked up anew in the middle of a statement: by a
-- nested one after ANALYZE, also into another segment, also in vain.
CREATE TABLE m (id int PRIMARY KEY, gone int, v int, x text);
ALTER TABLE m DROP COLUMN gone;
SELECT capture_test.begin('m');
INSERT INTO m SELECT i, 0, repeat('x', 100) FROM generate_series(1, 9) i;
CREATE FUNCTION rotate() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    spare int = dbsync_internal.create_segment(id) FROM dbsync.captured_table WHERE relid = 'm'::regclass;
BEGIN
    UPDATE dbsync.segment SET active = false WHERE captured_id = (SELECT s.captured_id FROM dbsync.segment s WHERE s.id = spare);
    UPDATE dbsync.segment SET active = true WHERE id = spare;
END $$;
CREATE FUNCTION refill(i int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF i = 2 THEN
        ANALYZE m;
        UPDATE m SET v = v WHERE id = -1;
    ELSIF i = 6 THEN
        PERFORM rotate();
        UPDATE m SET v = v + 1 WHERE id = 1;
    ELSIF i = 8 THEN
        UPDATE dbsync.segment SET active = false WHERE captured_id = (SELECT id FROM dbsync.captured_table WHERE relid = 'm'::regclass);
        BEGIN
            INSERT INTO m VALUES (100);
        EXCEPTION WHEN OTHERS THEN
            UPDATE dbsync.segment SET active = true WHERE id = (SELECT max(id) FROM dbsync.segment);
        END;
    END IF;
    RETURN i;
END $$;
UPDATE m SET v = refill(id);
SELECT capture_test.verdict('m');

-- user code between a row and its capture: WHEN of an AFTER ROW trigger, and a view's
-- check; what it does to the row is settled at commit
CREATE FUNCTION meddle(i int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE d SET v = v + 100 WHERE id = i AND v < 100;
    RETURN true;
END $$;
CREATE FUNCTION revive(i int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO d VALUES (i, 555);
    RETURN false;
END $$;
SELECT count(*) >= 0 FROM look();
CREATE TRIGGER w1 AFTER INSERT ON d FOR EACH ROW WHEN (meddle(NEW.id)) EXECUTE FUNCTION say();
INSERT INTO d VALUES (91, 1), (92, 2);
SELECT * FROM look();
DROP TRIGGER w1 ON d;
CREATE TRIGGER w2 AFTER DELETE ON d FOR EACH ROW WHEN (revive(OLD.id)) EXECUTE FUNCTION say();
DELETE FROM d WHERE id IN (91, 92);
SELECT * FROM look();
DROP TRIGGER w2 ON d;
CREATE VIEW meddled AS SELECT * FROM d WHERE meddle(id) WITH CHECK OPTION;
INSERT INTO meddled VALUES (95, 5);
SELECT * FROM look();
SELECT capture_test.verdict('d');

-- a short row of another table, taken over as it is: it has this table's default
CREATE TABLE short (id int);
INSERT INTO short VALUES (1), (2);
ALTER TABLE short ADD COLUMN b int;
CREATE TABLE late (id int PRIMARY KEY);
ALTER TABLE late ADD COLUMN b int DEFAULT 7;
SELECT capture_test.begin('late');
INSERT INTO late SELECT * FROM short;
INSERT INTO late SELECT id + 10, b FROM short;
SELECT * FROM late ORDER BY id;
SELECT capture_test.verdict('late');

-- values of a table that is gone before the statement ends
CREATE FUNCTION staged(i int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    value text;
BEGIN
    SET LOCAL client_min_messages = warning;
    DROP TABLE IF EXISTS stage;
    CREATE TEMP TABLE stage (x text);
    ALTER TABLE stage ALTER x SET STORAGE EXTERNAL;
    INSERT INTO stage VALUES (repeat(i::text, 5000));
    SELECT x INTO value FROM stage;
    RETURN value;
END $$;
INSERT INTO inside SELECT 100 + i, staged(i) FROM generate_series(1, 9) i;
SELECT capture_test.verdict('inside');

-- Another module asks for rows to be counted after we have looked at the plan: it was
-- started without triggers and transition tables, and is left to them.
\c -
SET client_min_messages = warning;
LOAD 'auto_explain';
SET auto_explain.log_min_duration = 0;
SET search_path = capture_test, public;
UPDATE d SET v = v WHERE id = -1;
SELECT count(*) >= 0 FROM look();
SET auto_explain.log_analyze = on;
INSERT INTO d VALUES (90500, 1), (90501, 1) ON CONFLICT (id) DO UPDATE SET v = d.v + 1;
UPDATE d SET v = v + 1 WHERE id >= 90500;
DELETE FROM d WHERE id = 90500;
SET auto_explain.log_analyze = off;
UPDATE d SET v = v + 1 WHERE id >= 90500;
SELECT * FROM look();
SELECT capture_test.verdict('d');

SELECT capture_test.end('d'), capture_test.end('inside'), capture_test.end('m'), capture_test.end('late');

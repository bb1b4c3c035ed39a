-- Statements through a partitioned table: whether the executor's rows are captured or the
-- triggers', the same is captured, whatever its partitions look like.
\set ECHO none
\i sql/include/capture.sql
\set ECHO all
\pset format unaligned
\pset tuples_only on

-- p is captured directly, t by the triggers
CREATE FUNCTION make(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE replace($sql$
        CREATE TABLE %1 (id int, gone text, k int, v text, w text, g int GENERATED ALWAYS AS (id * 2) STORED, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
        ALTER TABLE %1 DROP gone;
        CREATE TABLE %1_same PARTITION OF %1 FOR VALUES IN (1);
        CREATE TABLE %1_other (w text, x int, v text, g int GENERATED ALWAYS AS (id * 2) STORED, k int NOT NULL, id int NOT NULL);
        ALTER TABLE %1_other DROP x;
        ALTER TABLE %1 ATTACH PARTITION %1_other FOR VALUES IN (2);
        CREATE TABLE %1_plain PARTITION OF %1 FOR VALUES IN (3);
        ALTER TABLE %1_plain ALTER v SET STORAGE PLAIN;
        CREATE TABLE %1_below PARTITION OF %1 FOR VALUES IN (4, 5) PARTITION BY RANGE (id);
        CREATE TABLE %1_low PARTITION OF %1_below FOR VALUES FROM (MINVALUE) TO (50);
        CREATE TABLE %1_high PARTITION OF %1_below DEFAULT;
    $sql$, '%1', name);
END $$;
SELECT make('p'), make('t');
CREATE TABLE staging (id int, gone text, k int, v text);
INSERT INTO staging VALUES (70, NULL, 1, 'staged');
ALTER TABLE staging ADD w text DEFAULT 'later';
SELECT capture_test.begin('p'), capture_test.begin('t');

CREATE TABLE captured (name text, step int, op "char", data text);
CREATE TABLE seen (name text PRIMARY KEY, place bigint);
-- what one statement has captured, as the table's own
CREATE FUNCTION note(name text, step int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO captured SELECT note.name, note.step, r.op, CASE WHEN r.op = 'D' THEN r.key::text ELSE r.data::text END
    FROM capture_test.rows(note.name) r WHERE r.place > coalesce((SELECT s.place FROM seen s WHERE s.name = note.name), 0);
    INSERT INTO seen SELECT note.name, max(r.place) FROM capture_test.rows(note.name) r
    ON CONFLICT ON CONSTRAINT seen_pkey DO UPDATE SET place = excluded.place;
END $$;

CREATE PROCEDURE on_both(step int, statement text) LANGUAGE plpgsql AS $$
BEGIN
    SET dbsync.direct_capture = on;
    EXECUTE replace(statement, '%1', 'p');
    COMMIT;
    PERFORM note('p', step);
    SET dbsync.direct_capture = off;
    EXECUTE replace(statement, '%1', 't');
    COMMIT;
    PERFORM note('t', step);
    COMMIT;
END $$;
CALL on_both(1, $$INSERT INTO %1 (id, k, v, w) SELECT i, 1 + i % 5, 'v' || i, repeat('w', 300) FROM generate_series(1, 60) i$$);
CALL on_both(2, $$INSERT INTO %1 (id, k, v, w) VALUES (61, 2, 'one', NULL)$$);
CALL on_both(3, $$INSERT INTO %1 (id, k, v, w) SELECT id, k, v, w FROM staging$$);
CALL on_both(4, $$INSERT INTO %1 (id, k, v, w) SELECT id, k, v, w FROM staging UNION ALL SELECT 71, 3, 'b', repeat('x', 3000) ON CONFLICT DO NOTHING$$);
CALL on_both(5, $$UPDATE %1 SET v = v || 'x' WHERE id % 7 < 3$$);
CALL on_both(6, $$UPDATE %1 SET v = v || 'y', w = repeat('z', 400) WHERE k IN (2, 3)$$);
CALL on_both(7, $$UPDATE %1 SET id = id + 1000 WHERE k = 2$$);
CALL on_both(8, $$UPDATE %1 SET k = 6 - k WHERE id < 20$$);
CALL on_both(9, $$DELETE FROM %1 WHERE id % 5 = 3$$);
CALL on_both(10, $$UPDATE %1_below SET v = 'below' WHERE k = 5 AND id < 55$$);
CALL on_both(11, $$DELETE FROM %1_below WHERE id > 50$$);
CALL on_both(12, $$INSERT INTO %1_below (id, k, v) SELECT i, 4, 'b' FROM generate_series(200, 203) i$$);
CALL on_both(13, $$UPDATE %1 SET v = NULL WHERE false$$);
CALL on_both(14, $$INSERT INTO %1 (id, k, v) VALUES (61, 2, 'up'), (300, 2, 'new') ON CONFLICT (id, k) DO UPDATE SET v = excluded.v$$);
CALL on_both(15, $$WITH one AS (INSERT INTO %1 (id, k, v) VALUES (301, 1, 'r'), (302, 2, 'r') RETURNING id) SELECT count(*) FROM one$$);
CALL on_both(16, $$DELETE FROM %1 USING staging s WHERE %1.id = s.id$$);
SELECT name, step, count(*) FROM captured GROUP BY name, step ORDER BY step, name;
(SELECT 'p', step, op, data FROM captured WHERE name = 'p' EXCEPT ALL SELECT 'p', step, op, data FROM captured WHERE name = 't')
UNION ALL
(SELECT 't', step, op, data FROM captured WHERE name = 't' EXCEPT ALL SELECT 't', step, op, data FROM captured WHERE name = 'p');
SELECT capture_test.verdict('p'), capture_test.verdict('t');
SET dbsync.direct_capture = on;

-- in the order of truth, and nothing is in doubt: these are captured directly
CREATE FUNCTION bump(i int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    UPDATE p SET v = v || '!' WHERE id = i + 1000;
    RETURN i;
END $$;
INSERT INTO p (id, k, v) SELECT i, 1 + i % 2, 'a' FROM unnest(ARRAY[401, 402, 1401, 1402]) i;
SELECT note('p', 20);
UPDATE p SET v = bump(id)::text WHERE id IN (401, 402);
SELECT note('p', 21);
DELETE FROM p WHERE id = 401 AND bump(id) = 401;
SELECT note('p', 22);
SELECT step, op, count(*) FROM captured WHERE name = 'p' AND step >= 20 GROUP BY step, op ORDER BY step, op;
-- RETURNING says what it says
UPDATE p SET v = 'r' WHERE id IN (402, 1401) RETURNING id, k, v, tableoid::regclass;
DELETE FROM p WHERE id IN (402, 1401) RETURNING id, k, v, tableoid::regclass;
INSERT INTO p (id, k, v) VALUES (402, 1, 'i'), (403, 2, 'i') RETURNING id, k, v, tableoid::regclass;

-- triggers of others: rows are changed, and left out, before they are written; moved, too
CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op = 'UPDATE' AND new.v = 'move' THEN new.k := 3; END IF;
    IF new.v = 'skip' THEN RETURN NULL; END IF;
    new.w := tg_table_name;
    RETURN new;
END $$;
CREATE TRIGGER changes BEFORE INSERT OR UPDATE ON p FOR EACH ROW EXECUTE FUNCTION change();
INSERT INTO p (id, k, v) SELECT i, 1 + i % 3, CASE WHEN i = 505 THEN 'skip' ELSE 'c' END FROM generate_series(501, 509) i;
UPDATE p SET v = CASE id WHEN 501 THEN 'move' WHEN 502 THEN 'skip' ELSE 'u' END WHERE id BETWEEN 500 AND 600;
SELECT capture_test.verdict('p');
DROP TRIGGER changes ON p;

-- in replica role, and in one that begins in the middle
SET session_replication_role = replica;
INSERT INTO p (id, k, v) VALUES (600, 1, 'r'), (601, 2, 'r');
UPDATE p SET v = 's' WHERE id IN (600, 601);
DELETE FROM p WHERE id = 600;
RESET session_replication_role;
SELECT capture_test.verdict('p');
INSERT INTO p (id, k, v) SELECT i, 1 + i % 3, set_config('session_replication_role', CASE WHEN i < 703 THEN 'origin' ELSE 'replica' END, false)
FROM generate_series(700, 705) i;
RESET session_replication_role;
UPDATE p SET v = set_config('session_replication_role', CASE WHEN id < 703 THEN 'origin' ELSE 'replica' END, false) WHERE id >= 700 AND id < 710;
RESET session_replication_role;
SELECT capture_test.verdict('p');

-- savepoints, and an error in the middle
BEGIN;
INSERT INTO p (id, k, v) VALUES (800, 1, 's');
SAVEPOINT a;
INSERT INTO p (id, k, v) SELECT i, 1 + i % 3, 's' FROM generate_series(801, 810) i;
ROLLBACK TO a;
INSERT INTO p (id, k, v) VALUES (811, 2, 's'), (800, 1, 'twice');
ROLLBACK TO a;
UPDATE p SET v = 't' WHERE id = 800;
COMMIT;
SELECT capture_test.verdict('p');

-- without a key
CREATE TABLE n (k int, v text, w text) PARTITION BY LIST (k);
CREATE TABLE n1 PARTITION OF n FOR VALUES IN (1);
CREATE TABLE n2 (w text, v text, k int);
ALTER TABLE n ATTACH PARTITION n2 FOR VALUES IN (2);
SELECT capture_test.begin('n');
INSERT INTO n SELECT 1 + i % 2, 'v' || i % 3, NULL FROM generate_series(1, 12) i;
UPDATE n SET w = 'w' WHERE v = 'v1';
UPDATE n SET w = w WHERE v = 'v1';
DELETE FROM n WHERE v = 'v2';
SELECT op, count(*) FROM capture_test.rows('n') GROUP BY op ORDER BY op;
SELECT capture_test.end('p'), capture_test.end('t'), capture_test.end('n');
SET client_min_messages = warning;
DROP SCHEMA capture_test CASCADE;

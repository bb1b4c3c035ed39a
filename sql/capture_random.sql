-- Chance against the truth about a key: statements of every kind on two tables
-- whose triggers, cascades and functions run more of them at random, within
-- savepoints that are rolled back at random.  Whatever happens, what is captured
-- folds to what is there.
\set ECHO none
\i sql/include/capture.sql
\set ECHO all
\pset format unaligned
\pset tuples_only on

CREATE TABLE n (id int PRIMARY KEY, v int, up int REFERENCES n ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE m (id int PRIMARY KEY, n int REFERENCES n ON DELETE CASCADE ON UPDATE CASCADE, v int);

-- one statement; it may fail, or be made to
CREATE FUNCTION act(depth int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    k int := 1 + (random() * 12)::int;
    l int := 1 + (random() * 12)::int;
BEGIN
    IF depth > 3 THEN
        RETURN depth;
    END IF;
    BEGIN
        CASE (random() * 13)::int
            WHEN 0 THEN INSERT INTO n VALUES (k, depth);
            WHEN 1 THEN INSERT INTO n SELECT i, depth FROM generate_series(k, k + 2) i
                ON CONFLICT (id) DO UPDATE SET v = n.v + 1;
            WHEN 2 THEN UPDATE n SET v = v + 10 WHERE id BETWEEN k AND l;
            WHEN 3 THEN UPDATE n SET id = l + 20 WHERE id = k;
            WHEN 4 THEN DELETE FROM n WHERE id = k;
            WHEN 5 THEN DELETE FROM n WHERE id BETWEEN k AND k + 3;
            WHEN 6 THEN UPDATE n SET up = l WHERE id = k;
            WHEN 7 THEN INSERT INTO m VALUES (k, l, depth)
                ON CONFLICT (id) DO UPDATE SET n = excluded.n, v = m.v + 1;
            WHEN 8 THEN UPDATE m SET v = v + 1 WHERE id BETWEEN k AND l;
            WHEN 9 THEN MERGE INTO n USING generate_series(k, k + 4) g (id) ON n.id = g.id
                WHEN MATCHED AND g.id % 3 = 0 THEN DELETE
                WHEN MATCHED AND g.id % 3 = 1 THEN UPDATE SET id = n.id + 40
                WHEN MATCHED THEN UPDATE SET v = -depth
                WHEN NOT MATCHED THEN INSERT VALUES (g.id, depth);
            WHEN 10 THEN WITH i AS (INSERT INTO n VALUES (k, 77) RETURNING id)
                DELETE FROM n WHERE id = k OR (id = l AND (SELECT count(*) FROM i) > 5);
            WHEN 11 THEN WITH i AS (INSERT INTO m VALUES (k, NULL, 77) RETURNING id)
                UPDATE m SET id = l WHERE id = k OR (id = l AND (SELECT count(*) FROM i) > 5);
            WHEN 12 THEN UPDATE n SET id = id - 20 WHERE id > 20;
            ELSE INSERT INTO n (id, v) SELECT k, depth UNION ALL SELECT l, act(depth + 1)
                ON CONFLICT (id) DO UPDATE SET v = excluded.v, id = n.id + 60;
        END CASE;
        IF random() < 0.15 THEN
            RAISE division_by_zero;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        IF random() < 0.3 THEN
            PERFORM act(depth + 1);
        END IF;
    END;
    RETURN depth;
END $$;

CREATE FUNCTION act_below() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF random() < 0.35 THEN
        PERFORM act(pg_trigger_depth());
    END IF;
    RETURN NULL;
END $$;

-- names that sort before ours and after
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{n,m}'::text[] LOOP
        EXECUTE format('CREATE TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION act_below()', t);
        EXECUTE format('CREATE TRIGGER z AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION act_below()', t);
        EXECUTE format('CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON %s DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION act_below()', t);
    END LOOP;
END $$;
SELECT capture_test.begin('n'), capture_test.begin('m');

CREATE PROCEDURE run(transactions int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..transactions LOOP
        -- rows with the header, in segments, and both
        PERFORM set_config('dbsync.carry_bytes', (ARRAY[0, 100, 300, 1500])[1 + i % 4]::text, true);
        BEGIN
            FOR j IN 1..(1 + random() * 4)::int LOOP
                PERFORM act(0);
            END LOOP;
            -- the rest fires at COMMIT, where an error would end the test
            SET CONSTRAINTS ALL IMMEDIATE;
            SET CONSTRAINTS ALL DEFERRED;
        EXCEPTION WHEN OTHERS THEN
        END;
        IF random() < 0.1 THEN ROLLBACK; ELSE COMMIT; END IF;
    END LOOP;
END $$;

SELECT setseed(0.1);
CALL run(150);
SELECT capture_test.verdict('n'), capture_test.verdict('m');
SELECT setseed(0.2);
CALL run(150);
SELECT capture_test.verdict('n'), capture_test.verdict('m');
-- there was something to doubt
SELECT count(*) > 100 FROM capture_test.rows('n') WHERE op = 'R';
SELECT count(*) FILTER (WHERE tid IS NULL) > 100 AS carried, count(tid) > 100 AS in_segments FROM capture_test.rows('n');

SET client_min_messages = warning;
SELECT capture_test.end('n'), capture_test.end('m');
DROP SCHEMA capture_test CASCADE;

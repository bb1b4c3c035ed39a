-- Tables without a key: what is captured of them are rows that come and rows that go.
\set ECHO none
\i sql/include/capture.sql
\set ECHO all
SET extra_float_digits = 1;
CREATE TABLE plain (a int, b text, c numeric);
SELECT capture_test.begin('plain');
SELECT key_index, key_columns, (SELECT key FROM dbsync.shape h WHERE h.captured_id = c.id) FROM dbsync.captured_table c WHERE relid = 'plain'::regclass;

INSERT INTO plain VALUES (1, 'one', 1.0), (1, 'one', 1.0), (1, 'one', 1.0), (2, NULL, 1.00), (NULL, NULL, NULL);
-- one of three equal ones
DELETE FROM plain WHERE ctid = (SELECT min(ctid) FROM plain WHERE a = 1);
UPDATE plain SET b = 'two' WHERE ctid = (SELECT min(ctid) FROM plain WHERE a = 1);
-- nothing changes, byte for byte: nothing is captured; another scale is another value
UPDATE plain SET a = a, b = b;
UPDATE plain SET c = 1.00 WHERE c = 1.0 AND a = 1;
UPDATE plain SET a = 7 WHERE a IS NULL;
SELECT * FROM capture_test.log('plain');
SELECT capture_test.verdict('plain');

-- all at once, many
INSERT INTO plain SELECT i % 10, 'v' || i % 3, i % 2 FROM generate_series(1, 5000) i;
UPDATE plain SET c = c + 1 WHERE a < 5;
DELETE FROM plain WHERE a = 3;
SELECT capture_test.verdict('plain');
-- the other road: a plan that our triggers capture
WITH gone AS (DELETE FROM plain WHERE a = 4 RETURNING *) INSERT INTO plain SELECT a + 100, b, c FROM gone;
WITH moved AS (UPDATE plain SET a = a + 1 WHERE a = 5 RETURNING *) SELECT count(*) FROM moved;
MERGE INTO plain p USING (VALUES (6), (4711)) v (a) ON p.a = v.a WHEN MATCHED THEN UPDATE SET b = p.b WHEN NOT MATCHED THEN INSERT VALUES (v.a, 'merged', 0);
MERGE INTO plain p USING (VALUES (7), (4712)) v (a) ON p.a = v.a WHEN MATCHED THEN UPDATE SET b = p.b || '!' WHEN NOT MATCHED THEN INSERT VALUES (v.a, 'merged', 0);
SELECT capture_test.verdict('plain');
-- savepoints take back what they took
BEGIN;
DELETE FROM plain WHERE a = 1;
SAVEPOINT s;
UPDATE plain SET b = NULL;
ROLLBACK TO s;
UPDATE plain SET b = 'kept' WHERE a = 2;
COMMIT;
SELECT capture_test.verdict('plain');
-- a changed and a changed back row is two rows that go and two that come
BEGIN;
UPDATE plain SET b = 'x' WHERE a = 4712;
UPDATE plain SET b = 'merged' WHERE a = 4712;
COMMIT;
SELECT op, data FROM capture_test.log('plain') ORDER BY tx DESC, data, op LIMIT 4;
SELECT capture_test.verdict('plain');

-- TRUNCATE, with rows on both sides of it
BEGIN;
INSERT INTO plain VALUES (1, 'before', 0);
TRUNCATE plain;
INSERT INTO plain VALUES (1, 'behind', 0), (1, 'behind', 0);
DELETE FROM plain WHERE ctid = (SELECT min(ctid) FROM plain);
COMMIT;
SELECT capture_test.verdict('plain');
SELECT * FROM plain ORDER BY a;

-- rows that triggers of others write in the middle of a TRUNCATE: nobody can tell on which side
CREATE FUNCTION capture_test.meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO capture_test.plain VALUES (8, tg_when, 0), (8, tg_when, 0);
    DELETE FROM capture_test.plain WHERE b = 'behind';
    RETURN NULL;
END $$;
CREATE TRIGGER aaa BEFORE TRUNCATE ON plain EXECUTE FUNCTION capture_test.meddle();
CREATE TRIGGER zzz BEFORE TRUNCATE ON plain EXECUTE FUNCTION capture_test.meddle();
CREATE TRIGGER aab AFTER TRUNCATE ON plain EXECUTE FUNCTION capture_test.meddle();
CREATE TRIGGER zzy AFTER TRUNCATE ON plain EXECUTE FUNCTION capture_test.meddle();
TRUNCATE plain;
SELECT * FROM plain ORDER BY a;
SELECT capture_test.verdict('plain');
BEGIN;
TRUNCATE plain;
INSERT INTO plain VALUES (9, 'later', 0);
DELETE FROM plain WHERE ctid = (SELECT min(ctid) FROM plain);
COMMIT;
SELECT capture_test.verdict('plain');
DROP TRIGGER aaa ON plain;
DROP TRIGGER zzz ON plain;
DROP TRIGGER aab ON plain;
DROP TRIGGER zzy ON plain;

-- row triggers that write to the very table, before and behind
CREATE FUNCTION capture_test.echo() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.a < 3 AND pg_trigger_depth() < 3 THEN
        INSERT INTO capture_test.plain VALUES (new.a + 1, 'echo', new.c);
        UPDATE capture_test.plain SET c = c + 1 WHERE b = 'echo';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER echo AFTER INSERT OR UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION capture_test.echo();
INSERT INTO plain VALUES (1, 'sound', 0), (1, 'sound', 0), (2, NULL, NULL);
UPDATE plain SET b = b || '.' WHERE a = 1;
WITH w AS (UPDATE plain SET b = b || '.' WHERE a = 1 RETURNING 1) SELECT count(*) FROM w;
SELECT capture_test.verdict('plain');
DROP TRIGGER echo ON plain;
CREATE FUNCTION capture_test.alter_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.b := new.b || ' altered';
    RETURN CASE WHEN new.a = 2 THEN NULL ELSE new END;
END $$;
CREATE TRIGGER alter_row BEFORE INSERT OR UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION capture_test.alter_row();
INSERT INTO plain VALUES (1, 'new', 0), (2, 'new', 0);
UPDATE plain SET c = 5;
SELECT capture_test.verdict('plain');
DROP TRIGGER alter_row ON plain;

-- in a session like those that apply replicated rows
SET session_replication_role = replica;
INSERT INTO plain VALUES (1, 'r', 1), (1, 'r', 1);
UPDATE plain SET b = 's' WHERE ctid = (SELECT min(ctid) FROM plain WHERE b = 'r');
DELETE FROM plain WHERE a = 1;
RESET session_replication_role;
SELECT capture_test.verdict('plain');
COPY plain FROM STDIN;
1	copied	1.00
1	copied	1.00
\N	\N	\N
\.
SELECT capture_test.verdict('plain');

-- values that are large, or that no operator compares
CREATE TABLE odd (j json, p point, f float8, x bytea, t text, g int GENERATED ALWAYS AS (length(t)) STORED);
ALTER TABLE odd ALTER t SET STORAGE EXTERNAL, ADD dropped int, ADD late text;
ALTER TABLE odd DROP dropped;
SELECT capture_test.begin('odd');
INSERT INTO odd (j, p, f, x, t) SELECT '{"a":  1}', '(1,2)', -0.0::float8, '\x00ff', repeat('large', 3000 + i % 2) FROM generate_series(1, 5) i;
UPDATE odd SET f = 0;
UPDATE odd SET f = f, t = t;
UPDATE odd SET late = 'x' WHERE length(t) > 15000;
UPDATE odd SET t = 'small' WHERE ctid = (SELECT min(ctid) FROM odd);
DELETE FROM odd WHERE ctid = (SELECT max(ctid) FROM odd);
SELECT op, length(data) FROM capture_test.log('odd') ORDER BY 2, 1;
SELECT capture_test.verdict('odd');
SELECT op, key, length("row"::text) FROM dbsync.changes('odd') ORDER BY 3, 1;
-- of what is deleted there is no key
SELECT DISTINCT key, "row" ->> 'j' AS j FROM dbsync.changes('odd') WHERE op = 'D';

-- a key that is deferrable is none
CREATE TABLE later (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v int);
SELECT capture_test.begin('later');
INSERT INTO later VALUES (1, 1), (2, 2);
BEGIN;
UPDATE later SET id = 3 - id;
UPDATE later SET v = 9 WHERE id = 1;
COMMIT;
SELECT * FROM capture_test.log('later');
SELECT capture_test.verdict('later');
SELECT capture_test.end('later'), capture_test.end('odd'), capture_test.end('plain');
SET client_min_messages = error;
DROP SCHEMA capture_test CASCADE;

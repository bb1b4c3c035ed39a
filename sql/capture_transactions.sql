-- Headers, savepoints, and what capture must not disturb in the user's
-- transaction (hazards 47 to 50).
\set ECHO none
\i sql/include/capture.sql
\set ECHO all
\pset format unaligned
\pset tuples_only on

CREATE TABLE t (id serial PRIMARY KEY, v int);
SELECT capture_test.begin('t');

-- One header per transaction, with who and why
CREATE ROLE regress_capture_role;
GRANT USAGE ON SCHEMA capture_test TO regress_capture_role;
GRANT INSERT ON t TO regress_capture_role;
GRANT USAGE ON SEQUENCE t_id_seq TO regress_capture_role;
SET application_name = 'capture test';
BEGIN;
SET LOCAL dbsync.tag = 'why';
SET LOCAL dbsync.origin = '123/456';
INSERT INTO t (v) VALUES (1);
INSERT INTO t (v) VALUES (2);
COMMIT;
SET ROLE regress_capture_role;
INSERT INTO t (v) VALUES (3);
RESET ROLE;
-- a security definer function does not sign for the transaction
CREATE FUNCTION definer() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO capture_test.t (v) VALUES (4)';
ALTER FUNCTION definer() OWNER TO regress_capture_role;
SELECT definer();
SET application_name = '';
SELECT h.rows, h.role = current_user::regrole, h.role::regrole, h.application, h.tag, h.route,
       h.time BETWEEN now() - interval '1 min' AND now() AS time, h.server_start = pg_postmaster_start_time(),
       h.closing < pg_current_wal_insert_lsn() AS closing
FROM capture_test.headers() h WHERE xid IN (SELECT xid FROM capture_test.rows('t')) ORDER BY h.closing;
SELECT count(DISTINCT xid), count(*) FROM capture_test.rows('t');
SELECT capture_test.verdict('t');

-- lastval() is the user's
INSERT INTO t (v) VALUES (5);
SELECT lastval() = currval('t_id_seq'), lastval() = max(id) FROM t;

-- Savepoints: what is rolled back is not counted; nothing left, no header
CREATE TEMP TABLE headers_before AS SELECT xid FROM capture_test.headers();
BEGIN;
SAVEPOINT a;
INSERT INTO t (v) VALUES (100);
ROLLBACK TO a;
COMMIT;
BEGIN;
SAVEPOINT a;
INSERT INTO t (v) VALUES (101);
SAVEPOINT b;
UPDATE t SET v = v + 1 WHERE v > 100;
RELEASE b;
ROLLBACK TO a;
COMMIT;
SELECT count(*) FROM capture_test.headers() WHERE xid NOT IN (SELECT xid FROM headers_before);
BEGIN;
INSERT INTO t (v) VALUES (110);
SAVEPOINT a;
INSERT INTO t (v) VALUES (111), (112), (113), (114), (115);
SAVEPOINT b;
DELETE FROM t WHERE v > 113;
ROLLBACK TO b;
UPDATE t SET v = v + 1000 WHERE v = 112;
RELEASE a;
SAVEPOINT c;
DELETE FROM t;
ROLLBACK TO c;
COMMIT;
SELECT (dbsync_internal.header_parts(parts))[3:8] FROM capture_test.headers() WHERE xid NOT IN (SELECT xid FROM headers_before);
SELECT capture_test.verdict('t');
-- a loop of exception blocks
DO $$
BEGIN
    FOR i IN 1..100 LOOP
        BEGIN
            INSERT INTO t (v) VALUES (1000 + i);
            IF i % 3 = 0 THEN
                RAISE division_by_zero;
            END IF;
            BEGIN
                UPDATE t SET v = v + 1 WHERE v = 1000 + i;
                IF i % 2 = 0 THEN
                    RAISE division_by_zero;
                END IF;
            EXCEPTION WHEN division_by_zero THEN
            END;
        EXCEPTION WHEN division_by_zero THEN
        END;
    END LOOP;
END $$;
SELECT capture_test.verdict('t');
-- procedures that commit half-way
DO $$
BEGIN
    FOR i IN 1..5 LOOP
        INSERT INTO t (v) VALUES (2000 + i);
        IF i = 3 THEN ROLLBACK; ELSE COMMIT; END IF;
    END LOOP;
END $$;
BEGIN; INSERT INTO t (v) VALUES (3000); COMMIT AND CHAIN; INSERT INTO t (v) VALUES (3001); COMMIT;
SELECT capture_test.verdict('t');

-- A transaction that becomes read only still closes what it captured
BEGIN;
INSERT INTO t (v) VALUES (4000);
SET TRANSACTION READ ONLY;
COMMIT;
SELECT capture_test.verdict('t');

-- Every isolation level
BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO t (v) VALUES (5001); UPDATE t SET v = 5002 WHERE v = 5001; COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO t (v) VALUES (5003); DELETE FROM t WHERE v = 5002; COMMIT;
SELECT capture_test.verdict('t');

-- Many tables in one transaction: a header that is stored out of line
CREATE SCHEMA capture_many;
SET client_min_messages = warning;
DO $$
BEGIN
    FOR i IN 1..100 LOOP
        EXECUTE format('CREATE TABLE capture_many.t%s (id int PRIMARY KEY)', i);
        PERFORM capture_test.begin(format('capture_many.t%s', i)::regclass);
        COMMIT;
    END LOOP;
END $$;
RESET client_min_messages;
DO $$
BEGIN
    FOR i IN 1..100 LOOP
        EXECUTE format('INSERT INTO capture_many.t%s VALUES (1), (2), (3)', i);
    END LOOP;
END $$;
SELECT rows, carried IS NOT NULL, length(parts) > 1000 FROM capture_test.headers() WHERE rows = 300;
SELECT capture_test.verdict('capture_many.t1'), capture_test.verdict('capture_many.t100');
SET client_min_messages = error;
DO $$
BEGIN
    FOR i IN 1..100 LOOP
        PERFORM capture_test.end(format('capture_many.t%s', i)::regclass);
        COMMIT;
    END LOOP;
END $$;
DROP SCHEMA capture_many CASCADE;
RESET client_min_messages;

-- Rotation inside a transaction: rows go where they belong, both are named
BEGIN;
INSERT INTO t (v) VALUES (6001);
SELECT dbsync_internal.create_segment(id) IS NOT NULL FROM dbsync.captured_table WHERE relid = 't'::regclass;
UPDATE dbsync.segment SET active = false WHERE captured_id = (SELECT id FROM dbsync.captured_table WHERE relid = 't'::regclass) AND active;
UPDATE dbsync.segment SET active = true WHERE id = (SELECT max(id) FROM dbsync.segment);
INSERT INTO t (v) VALUES (6002);
COMMIT;
SELECT count(DISTINCT segment) FROM capture_test.rows('t') WHERE data ->> 'v' IN ('6001', '6002');
SELECT capture_test.verdict('t');

-- Nothing is written about what is not captured, nor in a plain rollback
DELETE FROM headers_before;
INSERT INTO headers_before SELECT xid FROM capture_test.headers();
CREATE TABLE free (id int);
INSERT INTO free VALUES (1);
BEGIN; INSERT INTO t (v) VALUES (7000); ROLLBACK;
SELECT count(*) FROM capture_test.headers() WHERE xid NOT IN (SELECT xid FROM headers_before);

SET client_min_messages = error;
SELECT capture_test.end('t');
DROP SCHEMA capture_test CASCADE;
DROP TABLE headers_before;
DROP ROLE regress_capture_role;

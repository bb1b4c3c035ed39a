-- What PostgreSQL 17 brought: MERGE with RETURNING, by source and into views, expressions of generated
-- columns that change, COPY that passes over bad rows, event triggers that are switched off, MAINTAIN.
-- Older majors have none of it.
\set ECHO none
\i sql/include/capture.sql
SELECT current_setting('server_version_num')::int < 170000 AS older \gset
\if :older
\quit
\endif
\pset format unaligned
\pset tuples_only on
SET dbsync.direct_capture = on;
\set ECHO all

-- MERGE of each kind, with RETURNING; its triggers capture it
CREATE TABLE m (id int PRIMARY KEY, v int, x text, g int GENERATED ALWAYS AS (v * 2) STORED);
SELECT capture_test.begin('m');
INSERT INTO m SELECT i, i, 'old' FROM generate_series(1, 6) i;
MERGE INTO m USING (VALUES (1, 10), (2, 20), (8, 80)) n (id, v) ON m.id = n.id
    WHEN MATCHED AND n.v > 10 THEN UPDATE SET v = n.v
    WHEN MATCHED THEN DELETE
    WHEN NOT MATCHED BY SOURCE AND m.id > 5 THEN DELETE
    WHEN NOT MATCHED BY SOURCE THEN UPDATE SET x = 'unknown'
    WHEN NOT MATCHED BY TARGET THEN INSERT (id, v) VALUES (n.id, n.v)
    RETURNING merge_action(), m.id, m.v, m.g;
SELECT op, data FROM capture_test.log('m') WHERE tx = (SELECT max(tx) FROM capture_test.log('m'));
SELECT capture_test.verdict('m');
-- the key changes, and one row takes the place of another
MERGE INTO m USING (VALUES (2, 102)) n (id, other) ON m.id = n.id
    WHEN MATCHED THEN UPDATE SET id = n.other RETURNING merge_action(), m.*;
-- as a source of other statements, and of COPY
CREATE TABLE journal (no int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text, id int);
SELECT capture_test.begin('journal');
WITH merged AS (
    MERGE INTO m USING generate_series(100, 104) n ON m.id = n
        WHEN MATCHED THEN DELETE
        WHEN NOT MATCHED THEN INSERT (id, v) VALUES (n, n) RETURNING merge_action() AS what, m.id)
INSERT INTO journal (what, id) SELECT what, id FROM merged ORDER BY id RETURNING no, what, id;
COPY (MERGE INTO m USING (VALUES (100)) n (id) ON m.id = n.id WHEN MATCHED THEN UPDATE SET v = 0 RETURNING m.id, m.v) TO STDOUT;
SELECT capture_test.verdict('m');
SELECT capture_test.verdict('journal');
-- into a view, with a check that rejects; and rows that triggers change in between
CREATE VIEW small AS SELECT id, v FROM m WHERE v < 1000 WITH CHECK OPTION;
MERGE INTO small s USING (VALUES (100, 5), (200, 6)) n (id, v) ON s.id = n.id
    WHEN MATCHED THEN UPDATE SET v = n.v WHEN NOT MATCHED THEN INSERT VALUES (n.id, n.v) RETURNING merge_action(), s.id, s.v;
MERGE INTO small s USING (VALUES (100, 5000)) n (id, v) ON s.id = n.id WHEN MATCHED THEN UPDATE SET v = n.v;
CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE m SET x = 'seen ' || NEW.id WHERE id = NEW.id + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER meddle AFTER INSERT OR UPDATE OF v ON m FOR EACH ROW EXECUTE FUNCTION meddle();
MERGE INTO m USING generate_series(98, 105) n ON m.id = n
    WHEN MATCHED THEN UPDATE SET v = m.v + 1 WHEN NOT MATCHED THEN INSERT (id, v) VALUES (n, 0);
SELECT capture_test.verdict('m');
DROP TRIGGER meddle ON m;

-- an expression that changes rewrites the table; nothing that is captured has changed, but the target has another one
ALTER TABLE m ALTER COLUMN g SET EXPRESSION AS (v * 3);
UPDATE m SET v = v + 1 WHERE id = 100 RETURNING v, g;
SELECT capture_test.verdict('m');

-- rows that COPY passes over were never written
COPY m (id, v) FROM STDIN (ON_ERROR ignore, LOG_VERBOSITY default);
300	1
301	one
302	3
\.
SELECT capture_test.verdict('m');
SELECT op, data FROM capture_test.log('m') WHERE data LIKE '%"id": 30%';

-- who may maintain a table may rebuild it, and learns nothing else
CREATE ROLE regress_dbsync_maintainer;
GRANT MAINTAIN ON m TO regress_dbsync_maintainer;
GRANT USAGE ON SCHEMA capture_test TO regress_dbsync_maintainer;
SET ROLE regress_dbsync_maintainer;
CLUSTER capture_test.m USING m_pkey;
REINDEX TABLE capture_test.m;
REINDEX TABLE CONCURRENTLY capture_test.m;
VACUUM (FULL, ANALYZE) capture_test.m;
BEGIN;
LOCK TABLE capture_test.m;
COMMIT;
DELETE FROM capture_test.m;
RESET ROLE;
UPDATE m SET v = v + 1;
SELECT capture_test.verdict('m');
SELECT dbsync_internal.tidy_captures();
SELECT key_index::regclass, key_index = 'm_pkey'::regclass FROM dbsync.captured_table WHERE relid = 'm'::regclass;

-- where event triggers are off, the guard is: no change is lost in silence, and the next look finds it out
SET event_triggers = off;
ALTER TABLE m ADD COLUMN w int;
\set VERBOSITY sqlstate
INSERT INTO m VALUES (400, 4, 'four', DEFAULT, 4);
\set VERBOSITY default
ALTER TABLE m DROP COLUMN w;
INSERT INTO m VALUES (401, 4, 'four');
SELECT capture_test.verdict('m');
ALTER TABLE journal DROP CONSTRAINT journal_pkey;
INSERT INTO journal (what) VALUES ('without a key');
RESET event_triggers;
SELECT dbsync_internal.tidy_captures();
SELECT relid::regclass, state, note FROM dbsync.captured_table WHERE relid IN ('m'::regclass, 'journal'::regclass) ORDER BY 1;
INSERT INTO journal (what) VALUES ('nobody looks');
SET event_triggers = off;
DROP TABLE journal;
DROP VIEW small;
DROP TABLE m;
RESET event_triggers;
SELECT dbsync_internal.tidy_captures();
SELECT state, note FROM dbsync.captured_table WHERE relid NOT IN (SELECT oid FROM pg_class) ORDER BY note COLLATE "C";

-- (without the guard, capture of what is gone is taken away by hand)
SELECT dbsync_internal.remove_capture(id) FROM dbsync.captured_table WHERE relid NOT IN (SELECT oid FROM pg_class);

\set ECHO none
SET client_min_messages = error;
DROP OWNED BY regress_dbsync_maintainer;
DROP ROLE regress_dbsync_maintainer;

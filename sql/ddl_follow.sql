-- Capture follows DDL: rows from there on are of another shape and in another segment, and
-- a turn stands between them, counted in the transaction's header like a row.
\set SHOW_CONTEXT never
CREATE SCHEMA follow;
SET search_path = follow, public;
\i sql/include/follow.psql
CREATE TABLE t (id int PRIMARY KEY, v text, n int);
SELECT dbsync.create_target('follow', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('follow', 'follow', ARRAY['t']);
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table ORDER BY id;
INSERT INTO t VALUES (1, 'one', 1);

-- a column comes, is renamed, and goes
ALTER TABLE t ADD c date DEFAULT '2024-02-01';
INSERT INTO t VALUES (2, 'two', 2, '2024-03-01');
ALTER TABLE t RENAME c TO d;
UPDATE t SET d = '2024-04-01' WHERE id = 1;
ALTER TABLE t DROP d;
DELETE FROM t WHERE id = 2;
SELECT * FROM captured_log('t');
SELECT * FROM shapes('t');

-- what is not sent makes no turn
ALTER TABLE t ADD CHECK (n > 0), ALTER v SET STORAGE external, ALTER n SET STATISTICS 5, REPLICA IDENTITY FULL, SET (fillfactor = 70);
CREATE INDEX t_v ON t (v);
DROP INDEX t_v;
COMMENT ON TABLE t IS 'still captured';
ALTER TABLE t ADD UNIQUE (id, n);
REINDEX TABLE CONCURRENTLY t;
VACUUM FULL t;
SELECT count(*) FROM captured_log('t') WHERE kind IS NOT NULL;

-- NOT NULL and defaults are sent
ALTER TABLE t ALTER n SET NOT NULL;
ALTER TABLE t ALTER n SET DEFAULT 3;
CREATE SEQUENCE s;
ALTER TABLE t ALTER n SET DEFAULT nextval('s');
ALTER TABLE t ALTER n SET DEFAULT nextval('s') + 1;
ALTER TABLE t ALTER n DROP NOT NULL, ALTER n DROP DEFAULT, ALTER v SET DEFAULT 'it''s \' || current_date;
SELECT * FROM shapes('t') WHERE turn > 3;

-- beside data, in one transaction, with savepoints
BEGIN;
INSERT INTO t VALUES (10, 'before', 10);
ALTER TABLE t ADD e int DEFAULT 5;
UPDATE t SET e = 6 WHERE id = 10;
SAVEPOINT a;
ALTER TABLE t ADD gone int;
INSERT INTO t VALUES (11, 'gone', 11, 11, 11);
ROLLBACK TO a;
INSERT INTO t VALUES (12, 'between', 12);
SAVEPOINT b;
ALTER TABLE t RENAME e TO f;
RELEASE b;
UPDATE t SET f = 7 WHERE id = 10;
COMMIT;
SELECT * FROM captured_log('t') WHERE tx = (SELECT max(tx) FROM captured_log('t'));

-- all of it is taken back
SELECT max(h.id) AS last FROM dbsync.shape h \gset
BEGIN;
ALTER TABLE t ADD gone int;
INSERT INTO t VALUES (13, 'gone', 13, 13, 13);
ROLLBACK;
BEGIN;
SAVEPOINT a;
ALTER TABLE t ADD gone int;
ROLLBACK TO a;
COMMIT;
SELECT max(h.id) = :last AS unchanged, (SELECT count(*) FROM dbsync.turn x WHERE x.shape_id > :last) FROM dbsync.shape h;
INSERT INTO t VALUES (13, 'still', 13, 13);
-- two with nothing between, and nothing else
BEGIN;
ALTER TABLE t ADD g int;
ALTER TABLE t DROP g;
COMMIT;
-- with nothing but a turn
ALTER TABLE t DROP f;
SELECT * FROM captured_log('t') WHERE tx > (SELECT max(tx) - 3 FROM captured_log('t'));

-- in functions
DO $$ BEGIN
    FOR i IN 1..3 LOOP
        EXECUTE format('ALTER TABLE follow.t ADD c%s int DEFAULT %s', i, i);
        EXECUTE format('INSERT INTO follow.t VALUES (%s, ''loop'')', 20 + i);
    END LOOP;
END $$;
CREATE FUNCTION shrink() RETURNS void LANGUAGE sql AS 'ALTER TABLE follow.t DROP c1; ALTER TABLE follow.t DROP c2, DROP c3';
SELECT shrink();
SELECT * FROM captured_log('t') WHERE tx > (SELECT max(tx) - 2 FROM captured_log('t'));

SELECT * FROM miscounted('t');

SELECT dbsync.drop_subscription('follow');
SELECT dbsync.drop_target('follow');
SELECT count(*) FROM dbsync.shape UNION ALL SELECT count(*) FROM dbsync.turn UNION ALL SELECT count(*) FROM dbsync_internal.rewritten;
SET client_min_messages = warning;
DROP SCHEMA follow CASCADE;

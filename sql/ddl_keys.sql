-- The key of a captured table: it may change for another that will do, and is kept as long
-- as it will.  What was captured goes by the key of its time.
\set SHOW_CONTEXT never
CREATE SCHEMA keys;
SET search_path = keys, public;
\i sql/include/follow.psql
CREATE TABLE t (id int PRIMARY KEY, other int NOT NULL, v text);
CREATE TABLE by_index (id int NOT NULL, v int);
CREATE UNIQUE INDEX by_index_id ON by_index (id);
SELECT dbsync.create_target('keys', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('keys', 'keys', ARRAY['t', 'by_index']);
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table ORDER BY id;
INSERT INTO t VALUES (1, 10, 'one'), (2, 20, 'two');

-- another primary key in one command
ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (other);
DELETE FROM t WHERE id = 1;
UPDATE t SET other = 21 WHERE id = 2;
-- one after the other: there is always one that will do
ALTER TABLE t ADD UNIQUE (id);
ALTER TABLE t DROP CONSTRAINT t_pkey;
INSERT INTO t VALUES (3, 30, 'three');
DELETE FROM t WHERE id = 2;
-- a better one is no reason, nor is a twin; REINDEX is none either
ALTER TABLE t ADD PRIMARY KEY (other, id);
CREATE UNIQUE INDEX twin ON t (id);
REINDEX TABLE CONCURRENTLY t;
SELECT dbsync_internal.refresh_keys();
SELECT count(*) FROM captured_log('t') WHERE kind IS NOT NULL;
ALTER TABLE t DROP CONSTRAINT t_id_key;
DELETE FROM t WHERE id = 3;
SELECT count(*) FROM captured_log('t') WHERE kind IS NOT NULL;
REINDEX INDEX CONCURRENTLY twin;
-- the last one over these columns: another stands in
DROP INDEX twin;
INSERT INTO t VALUES (5, 50, 'five');
-- none that will do any more: rows are known by all that is in them (ddl_keyless)
ALTER TABLE t DROP CONSTRAINT t_pkey;
UPDATE t SET v = 'cinque' WHERE id = 5;
-- a column of it goes, and another key stands in
ALTER TABLE t ALTER v SET NOT NULL, ADD UNIQUE (v);
ALTER TABLE t DROP other;
INSERT INTO t VALUES (4, 'four');
-- types and collations of its columns
ALTER TABLE t ALTER v TYPE varchar(20) COLLATE "C";
ALTER TABLE t RENAME v TO w;
DELETE FROM t WHERE w = 'four';
SELECT * FROM captured_log('t');
SELECT * FROM shapes('t');
SELECT op, key FROM dbsync.changes('t');
SELECT * FROM miscounted('t');

-- a key that stops being one: nulls
BEGIN;
ALTER TABLE by_index ALTER id DROP NOT NULL;
ROLLBACK;
ALTER TABLE by_index ADD PRIMARY KEY (id);
INSERT INTO by_index VALUES (1, 1);
DROP INDEX by_index_id;
INSERT INTO by_index VALUES (2, 2);
DELETE FROM by_index WHERE id = 1;
SELECT * FROM captured_log('by_index');
REINDEX TABLE CONCURRENTLY by_index;
-- majors refuse it at different moments
\set VERBOSITY sqlstate
ALTER TABLE by_index DROP CONSTRAINT by_index_pkey;
\set VERBOSITY default

SELECT dbsync.drop_subscription('keys');
SELECT dbsync.drop_target('keys');
SET client_min_messages = warning;
DROP SCHEMA keys CASCADE;

-- Somebody has a publication of all tables: dbsync's own are in it, and one without a replica identity could not be updated.
\set QUIET on
\i sql/include/target.psql
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SET client_min_messages = error;
CREATE PUBLICATION everything FOR ALL TABLES;
RESET client_min_messages;

\echo tables of dbsync that have none, but for those whose rows are never altered
SELECT c.oid::regclass FROM pg_class c
WHERE c.relnamespace IN ('dbsync'::regnamespace, 'dbsync_internal'::regnamespace) AND c.relkind = 'r' AND c.relreplident <> 'f'
  AND c.relname !~ '^(header|segment)_[0-9]+$'
  AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary);

CREATE SCHEMA lots;
CREATE TABLE lots.a (id int PRIMARY KEY, v text);
INSERT INTO lots.a VALUES (1, 'first');
\c :target
CREATE SCHEMA lots;
CREATE TABLE lots.a (id int PRIMARY KEY, v text);
\c :source
\pset format unaligned
\pset tuples_only on
SELECT dbsync.create_target('published_target', :'uri');
SELECT dbsync.create_subscription('published', 'published_target', schemas => '{lots}', ddl => 'apply');
SELECT dbsync.run_once('published');
ALTER TABLE lots.a ADD w int DEFAULT 7;
UPDATE lots.a SET v = 'second';
SELECT dbsync.run_once('published');
\c :target
SELECT * FROM lots.a;
\c :source
SELECT dbsync.alter_subscription('published', except_tables => '{lots.a}');
SELECT dbsync.drop_subscription('published');
SELECT dbsync.drop_target('published_target');
DROP PUBLICATION everything;
DROP TABLE lots.a;
DROP SCHEMA lots;
DROP DATABASE :target;

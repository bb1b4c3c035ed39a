-- Keys on their road: rows are read again, and both ends are equal.
\set QUIET on
\i sql/include/target.psql
\set VERBOSITY terse
\set subscription feed
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE TABLE public.k (id int PRIMARY KEY, u int UNIQUE, v text, large text);
ALTER TABLE public.k ALTER large SET STORAGE EXTERNAL;
CREATE TABLE public.only_key (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE public.parted (id int, k int, v text, PRIMARY KEY (k, id)) PARTITION BY LIST (k);
CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES IN (1);
CREATE TABLE public.parted_2 (v text, k int NOT NULL, id int NOT NULL);
ALTER TABLE public.parted ATTACH PARTITION public.parted_2 FOR VALUES IN (2);
CREATE TABLE public.app (id numeric PRIMARY KEY, v text);
INSERT INTO public.k SELECT i, i, 'v' || i, repeat('x', 3000) FROM generate_series(1, 100) i;
INSERT INTO public.parted SELECT i, 1 + i % 2, 'v' || i FROM generate_series(1, 50) i;
INSERT INTO public.app SELECT i, 'v' || i FROM generate_series(1, 50) i;
\c :target
CREATE TABLE public.k (id int PRIMARY KEY, u int UNIQUE, v text, large text);
CREATE TABLE public.only_key (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE public.parted (id int, k int, v text, PRIMARY KEY (k, id));
CREATE TABLE public.app (id numeric PRIMARY KEY, v text);
CREATE SCHEMA chosen;
CREATE TABLE chosen.k (id int PRIMARY KEY, upper text);
CREATE TABLE chosen.kept (id int PRIMARY KEY, v text);
\c :source
SET client_min_messages = warning;
SELECT dbsync.create_target('feed_target', :'uri');
SELECT dbsync.create_subscription('feed', 'feed_target', ddl => 'apply');
SELECT dbsync.add_table('feed', t, capture => 'keys') FROM unnest('{k,only_key,parted}'::regclass[]) t;
SELECT dbsync.add_table('feed', 'app', capture => 'api');
SELECT dbsync.create_subscription('chosen', 'feed_target');
SELECT dbsync.add_table('chosen', 'k', 'chosen.k', columns => '{id,"upper(v || left(large, 1)) AS upper"}', filter => 'id % 2 = 0 AND v <> ''hidden''', capture => 'keys');
SELECT dbsync.create_subscription('kept', 'feed_target');
SELECT dbsync.add_table('kept', 'k', 'chosen.kept', columns => '{id,v}', operations => '{insert,update}', capture => 'keys');
SET dbsync.call_timeout = '20s';
SELECT dbsync.run_once('kept');
\set tab public.k
\i sql/include/same_table.psql
\set subscription chosen
\i sql/include/same_selection.psql

\echo inserts, updates, deletes, keys that change, what is rolled back
INSERT INTO k SELECT i, i, 'v' || i, repeat('y', 3000) FROM generate_series(101, 400) i;
UPDATE k SET v = v || '!' WHERE id % 3 = 0;
UPDATE k SET id = id + 1000, u = u + 1000 WHERE id % 10 = 0;
DELETE FROM k WHERE id % 7 = 0;
BEGIN;
UPDATE k SET v = 'stays' WHERE id = 1;
SAVEPOINT s;
UPDATE k SET v = 'goes';
DELETE FROM k WHERE id < 50;
ROLLBACK TO s;
INSERT INTO k VALUES (3000, 3000, 'in', NULL), (3001, 3001, 'out', NULL);
DELETE FROM k WHERE id = 3001;
COMMIT;
UPDATE k SET v = 'hidden' WHERE id IN (2, 4, 6);
UPDATE k SET v = 'seen' WHERE id = 4;
INSERT INTO only_key VALUES (1, 1), (2, 2), (3, 3);
UPDATE only_key SET b = 4 WHERE a = 1;
DELETE FROM only_key WHERE a = 2;
\i sql/include/same_selection.psql
\set subscription feed
\i sql/include/same_table.psql
\set tab public.only_key
\i sql/include/same_table.psql
SELECT dbsync.run_once('kept') > 0;
\c :target
-- deletes are not sent: those of rows that were read again are not, either
SELECT count(*) > 300, bool_and(v IS NOT NULL), count(*) FILTER (WHERE id = 3001) FROM chosen.kept;
\c :source
SET client_min_messages = warning;

\echo what swaps a unique value, and what is truncated in between
UPDATE k SET u = CASE id WHEN 1 THEN -2 ELSE -1 END WHERE id IN (1, 3);
UPDATE k SET u = CASE id WHEN 1 THEN -1 ELSE -2 END + 0 WHERE id IN (1, 3) AND false;
UPDATE k SET u = NULL WHERE id = 1;
UPDATE k SET u = -2 WHERE id = 3 AND u <> -2;
\set tab public.k
\i sql/include/same_table.psql
BEGIN;
UPDATE k SET u = NULL WHERE id = 5;
UPDATE k SET u = 5 WHERE id = 8;
UPDATE k SET u = 8 WHERE id = 5;
COMMIT;
\i sql/include/same_table.psql
UPDATE k SET v = 'before';
TRUNCATE k;
INSERT INTO k VALUES (1, 1, 'behind', repeat('z', 3000));
\i sql/include/same_table.psql

\echo whole rows and keys of one key in one window, whichever comes last
INSERT INTO k SELECT i, i, 'start', repeat('s', 3000) FROM generate_series(2, 9) i;
\i sql/include/same_table.psql
-- K behind U: read again, large value too; U behind K: whole, but what it left untouched is read
UPDATE dbsync.captured_table SET capture = 'trigger' WHERE relid = 'k'::regclass;
UPDATE k SET v = 'whole' WHERE id IN (2, 3);
UPDATE dbsync.captured_table SET capture = 'keys' WHERE relid = 'k'::regclass;
UPDATE k SET v = 'key', large = repeat('k', 3000) WHERE id IN (3, 4, 5, 6);
DELETE FROM k WHERE id = 6;
INSERT INTO k VALUES (10, 10, 'key', repeat('i', 3000));
UPDATE dbsync.captured_table SET capture = 'trigger' WHERE relid = 'k'::regclass;
UPDATE k SET v = 'whole again' WHERE id IN (4, 10);
UPDATE k SET large = repeat('w', 3000) WHERE id = 5;
DELETE FROM k WHERE id = 7;
\i sql/include/same_table.psql
\set subscription chosen
\i sql/include/same_selection.psql
\set subscription feed
UPDATE dbsync.captured_table SET capture = 'keys' WHERE relid = 'k'::regclass;

\echo partitions
INSERT INTO parted SELECT i, 1 + i % 2, 'w' || i FROM generate_series(51, 90) i;
UPDATE parted SET k = 3 - k WHERE id % 5 = 0;
DELETE FROM parted_2 WHERE id % 4 = 0;
CREATE TABLE parted_3 (v text, id int NOT NULL, k int NOT NULL);
INSERT INTO parted_3 SELECT 'came', i, 3 FROM generate_series(1, 10) i;
ALTER TABLE parted ATTACH PARTITION parted_3 FOR VALUES IN (3);
UPDATE parted SET v = v || '?' WHERE k = 3 AND id < 5;
\set tab public.parted
\i sql/include/same_table.psql
UPDATE parted SET v = v || '!';
TRUNCATE parted_1;
INSERT INTO parted VALUES (1, 1, 'anew');
\i sql/include/same_table.psql
-- the target keeps its rows, as they were sent last, and not those that were deleted before
UPDATE parted SET v = 'detached' WHERE k = 3 AND id > 2;
DELETE FROM parted WHERE k = 3 AND id > 7;
ALTER TABLE parted DETACH PARTITION parted_3;
SELECT dbsync.run_once('feed') >= 0;
\c :target
SELECT k, v, count(*) FROM parted WHERE k = 3 GROUP BY k, v ORDER BY v;
\c :source
SET client_min_messages = warning;

\echo the application: rows that came, changed, went; its own spelling of a key; and what it does not say
UPDATE app SET v = 'new' WHERE id <= 10;
DELETE FROM app WHERE id > 45;
INSERT INTO app VALUES (100, 'in'), (101.0, 'in');
SELECT dbsync.record_changes('app', ARRAY(SELECT jsonb_build_object('id', i) FROM generate_series(1, 50) i));
SELECT dbsync.record_changes('app', '{"{\"id\": 100.00}","{\"id\": \"101\"}","{\"id\": 4711}"}');
\set tab public.app
\i sql/include/same_table.psql
UPDATE app SET v = 'not said' WHERE id = 1;
SELECT dbsync.run_once('feed');
\i sql/include/same_table.psql
SELECT dbsync.record_change('app', '{"id": 1}');
\i sql/include/same_table.psql

\echo tables that change
\set tab public.k
ALTER TABLE k ADD COLUMN w int DEFAULT 7;
UPDATE k SET w = id;
ALTER TABLE k DROP COLUMN large;
UPDATE k SET v = 'shape' WHERE id < 5;
ALTER TABLE k RENAME COLUMN w TO x;
UPDATE k SET x = 1 WHERE id = 2;
\i sql/include/same_table.psql
-- a type that changes behind keys that were captured before it
UPDATE k SET x = 2 WHERE id = 3;
ALTER TABLE k ALTER x TYPE bigint;
UPDATE k SET x = 3 WHERE id = 4;
\i sql/include/same_table.psql
-- what the old one could not have had is for a copy
UPDATE k SET x = 2 WHERE id = 3;
ALTER TABLE k ALTER x TYPE text;
UPDATE k SET x = 'text' WHERE id = 3;
\i sql/include/same_table.psql
SELECT state, held_for, next_action FROM dbsync.table_status WHERE subscription = 'feed' AND "table" = 'k'::regclass;

\echo copied anew, into a table that was altered by hand
\c :target
ALTER TABLE k ALTER x TYPE text;
\c :source
SET client_min_messages = warning;
SET dbsync.call_timeout = '20s';
SELECT dbsync.copy_table('feed', 'public.k');
UPDATE k SET v = 'copied' WHERE id = 8;
\i sql/include/same_table.psql
SELECT state, note FROM dbsync.table_status WHERE subscription = 'feed' ORDER BY "table"::text;

\echo dropped before it was read
INSERT INTO only_key VALUES (9, 9);
DROP TABLE only_key;
SELECT dbsync.run_once('feed');
SELECT state, held_for, regexp_replace(next_action, '\d+', 'N') FROM dbsync.table_status WHERE subscription = 'feed' AND target_table = 'public.only_key';
SELECT dbsync.remove_table('feed', t.relid) FROM dbsync.captured_table t WHERE t.name = 'public.only_key';
SELECT dbsync.run_once('feed');
\c :target
SELECT a, b FROM only_key ORDER BY a;
\c :source
SET client_min_messages = warning;

SELECT dbsync.drop_subscription(s, force => true) FROM unnest('{feed,chosen,kept}'::text[]) s;
SELECT dbsync.drop_target('feed_target');
DROP TABLE k, parted, parted_3, app CASCADE;

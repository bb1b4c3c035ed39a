-- A unique value that has moved to a key of the cut from one behind it, as rows are read again as of a later moment.
\set QUIET on
\i sql/include/target.psql
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE TABLE public.moved (id int PRIMARY KEY, u int UNIQUE, a text, b int, v text, UNIQUE (a, b));
CREATE TABLE public.kept (id int PRIMARY KEY, u int UNIQUE);
INSERT INTO public.moved SELECT i, i, 'a', i, 'v' FROM generate_series(1, 9) i;
INSERT INTO public.kept VALUES (1, 1), (2, 2);
\c :target
CREATE TABLE public.moved (v text, b int, id int PRIMARY KEY, u int UNIQUE, a text, UNIQUE (b, a));
CREATE TABLE public.kept (id int PRIMARY KEY, u int UNIQUE);
\c :source
SET client_min_messages = warning;
SET dbsync.call_timeout = '20s';
SELECT dbsync.create_target('feed_target', :'uri');
SELECT dbsync.create_subscription('feed', 'feed_target');
SELECT dbsync.add_table('feed', 'moved', capture => 'keys');
SELECT dbsync.run_once('feed');
ALTER DATABASE :source SET dbsync.batch_rows = 1;
-- 1 gets the value of 2, which gets another one behind it; and so on, in a chain and by two columns
UPDATE moved SET v = 'w' WHERE id = 1;
UPDATE moved SET u = 102 WHERE id = 2;
UPDATE moved SET u = 2 WHERE id = 1;
UPDATE moved SET b = 103 WHERE id = 3;
UPDATE moved SET b = 3 WHERE id = 2;
UPDATE moved SET u = 103 WHERE id = 3;
UPDATE moved SET u = 3 WHERE id = 4;
DELETE FROM moved WHERE id = 5;
UPDATE moved SET u = 5, v = 'of 5' WHERE id = 6;
INSERT INTO moved VALUES (7000, 7000, 'a', 7000);
UPDATE moved SET id = 8000, u = 8000 WHERE id = 8;
UPDATE moved SET u = 8 WHERE id = 9;
-- the first batch has 1 alone, as it is now
\set tab public.moved
\set subscription feed
\i sql/include/same_table.psql
-- back to whole rows in the middle: those are older than what is there, and find it in their way, too
UPDATE moved SET v = 'x' WHERE id = 1;
UPDATE dbsync.captured_table SET capture = 'trigger' WHERE relid = 'moved'::regclass;
UPDATE moved SET v = 'x' WHERE id = 2;
UPDATE moved SET u = 202 WHERE id = 2;
UPDATE moved SET u = 102 WHERE id = 1;
\i sql/include/same_table.psql

-- a value that is unique at the target alone is nobody's to give away
UPDATE dbsync.captured_table SET capture = 'keys' WHERE relid = 'moved'::regclass;
\c :target
CREATE UNIQUE INDEX there ON moved (v) WHERE v LIKE 'only%';
CREATE UNIQUE INDEX there_too ON moved ((v || '')) WHERE v LIKE 'only%';
\c :source
SET client_min_messages = warning;
SET dbsync.call_timeout = '20s';
UPDATE moved SET v = 'only one' WHERE id IN (3, 4);
SELECT dbsync.run_once('feed');
\c :target
SELECT count(*) FROM moved;
DROP INDEX there, there_too;
\c :source
SET client_min_messages = warning;
SET dbsync.call_timeout = '20s';
\i sql/include/same_table.psql

-- where others' rows are kept none is deleted for that: there all of it is one batch
\c :target
INSERT INTO kept VALUES (1, 1), (1000, 1000);
\c :source
SET client_min_messages = warning;
SET dbsync.call_timeout = '20s';
SELECT dbsync.create_subscription('keeps', 'feed_target');
SELECT dbsync.add_table('keeps', 'kept', capture => 'keys', existing_rows => 'keep');
SELECT dbsync.run_once('keeps');
UPDATE kept SET u = 0 WHERE id = 1;
UPDATE kept SET u = 1 WHERE id = 2;
UPDATE kept SET u = 2 WHERE id = 1;
INSERT INTO kept VALUES (3, 3);
DELETE FROM kept WHERE id = 3;
INSERT INTO kept VALUES (4, 3);
SELECT dbsync.run_once('keeps') > 0;
\c :target
SELECT id, u FROM kept ORDER BY id;
\c :source
SET client_min_messages = warning;
SET dbsync.call_timeout = '20s';
ALTER DATABASE :source RESET dbsync.batch_rows;
SELECT dbsync.drop_subscription('keeps');
SELECT dbsync.drop_subscription('feed');
SELECT dbsync.drop_target('feed_target');
DROP TABLE moved, kept;

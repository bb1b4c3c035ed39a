-- A column whose type is dropped, and the column with it, before a batch comes to the change that added it.
\set QUIET on
\i sql/include/target.psql
\set SHOW_CONTEXT never

SELECT dbsync.create_target('type_target', :'uri');
CREATE SCHEMA typed;
CREATE TYPE typed.mood AS ENUM ('calm', 'loud');
CREATE TYPE typed.pair AS (a int, b int);
CREATE TYPE typed.unknown_there AS ENUM ('x');
CREATE TABLE typed.a (id int PRIMARY KEY, v text);
CREATE TABLE typed.b (id int PRIMARY KEY, v text);
CREATE TABLE typed.c (id int PRIMARY KEY, v text, kept typed.pair);
\c :target
CREATE SCHEMA typed;
CREATE TYPE typed.mood AS ENUM ('calm', 'loud');
CREATE TYPE typed.pair AS (a int, b int);
CREATE TABLE typed.a (id int PRIMARY KEY, v text);
CREATE TABLE typed.b (id int PRIMARY KEY, v text);
CREATE TABLE typed.c (id int PRIMARY KEY, v text, kept typed.pair);
\c :source
INSERT INTO typed.a SELECT i, 'a' || i FROM generate_series(1, 3) i;
INSERT INTO typed.c SELECT i, 'c' || i, CAST(ROW(i, i) AS typed.pair) FROM generate_series(1, 3) i;
SELECT dbsync.create_subscription('typed', 'type_target', tables => ARRAY['typed.a', 'typed.b', 'typed.c'], ddl => 'apply');
SELECT dbsync.run_once('typed') > 0 AS sent;

-- nothing was written while the column was there; another had been altered with it, and is still there
ALTER TABLE typed.a ADD COLUMN m typed.mood DEFAULT 'calm', ADD COLUMN n int DEFAULT 7;
ALTER TABLE typed.b ADD COLUMN u typed.unknown_there;
-- their notices name segments
SET client_min_messages = warning;
DROP TYPE typed.mood CASCADE;
DROP TYPE typed.unknown_there CASCADE;
INSERT INTO typed.a VALUES (4, 'four', 8);
INSERT INTO typed.b VALUES (4, 'four');
-- a column changes to it and away from it
CREATE TYPE typed.other AS (a int, b int);
ALTER TABLE typed.c ALTER COLUMN kept TYPE typed.other USING NULL;
ALTER TABLE typed.c ALTER COLUMN kept TYPE text USING 'now text';
DROP TYPE typed.other CASCADE;
INSERT INTO typed.c VALUES (4, 'four', 'text');
SELECT dbsync.run_once('typed') > 0 AS sent;
SELECT "table", state, note, held_for, next_action FROM dbsync.table_status ORDER BY 1;
SELECT last_error FROM dbsync.status WHERE subscription = 'typed';
\c :target
SELECT * FROM typed.a ORDER BY id;
SELECT * FROM typed.b ORDER BY id;
SELECT * FROM typed.c ORDER BY id;
\c :source
INSERT INTO typed.a VALUES (5, 'five', 9);
SELECT dbsync.run_once('typed') > 0 AS sent;
\c :target
SELECT * FROM typed.a ORDER BY id;
\c :source
SELECT dbsync.drop_subscription('typed');
\set VERBOSITY terse
DROP SCHEMA typed CASCADE;
SELECT dbsync.drop_target('type_target');

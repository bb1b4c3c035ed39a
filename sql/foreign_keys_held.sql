-- Foreign keys that the target checks: a table that stands still takes along what is tied to it; and first copies.
\set QUIET on
\i sql/include/foreign_keys.psql
\set ddl 'CREATE TABLE public.land (id int PRIMARY KEY, v text); CREATE TABLE public.town (id int PRIMARY KEY, land int NOT NULL REFERENCES public.land, v text); CREATE TABLE public.street (id int PRIMARY KEY, town int NOT NULL REFERENCES public.town); CREATE TABLE public.free (id int PRIMARY KEY, v text);'
:ddl
\c :target regress_dbsync_keys
:ddl
\c :source :me
INSERT INTO public.land SELECT i FROM generate_series(1, 50) i;
INSERT INTO public.town SELECT i, 51 - i FROM generate_series(1, 50) i;
INSERT INTO public.street SELECT i, 1 + i % 50 FROM generate_series(1, 100) i;
ALTER SYSTEM SET dbsync.copy_chunk_rows = 10;
SELECT pg_reload_conf();
SELECT dbsync.create_target('keys_target', :'uri');
-- children are named first, and are copied last, however many chunks that takes
SELECT dbsync.create_subscription('keys', 'keys_target', tables => ARRAY['public.street', 'public.town', 'public.land', 'public.free']);
\set subscription keys
\i sql/include/same_tree.psql

-- the target refuses the one in the middle
\c :target regress_dbsync_keys
ALTER TABLE public.town DROP v;
\c :source :me
INSERT INTO public.land VALUES (51);
INSERT INTO public.town VALUES (51, 51, 'x');
INSERT INTO public.street VALUES (101, 51);
UPDATE public.town SET land = 51 WHERE land = 1;
DELETE FROM public.land WHERE id = 1;
INSERT INTO public.free VALUES (1, 'goes on');
SELECT dbsync.run_once('keys');
SELECT "table", state, held_for, next_action FROM dbsync.table_status WHERE subscription = 'keys' ORDER BY 1;
INSERT INTO public.land VALUES (52);
INSERT INTO public.town VALUES (52, 52, 'x');
DELETE FROM public.street WHERE id = 1;
INSERT INTO public.free VALUES (2, 'goes on');
SELECT dbsync.run_once('keys');
\c :target regress_dbsync_keys
SELECT count(*) AS free FROM public.free;
SELECT min(id), max(id) FROM public.land;
-- mended: they catch up together
ALTER TABLE public.town ADD v text;
\c :source :me
\i sql/include/same_tree.psql
SELECT "table", state, held_for, next_action FROM dbsync.table_status WHERE subscription = 'keys' ORDER BY 1;

-- one is suspended
SELECT dbsync.suspend_table('public.street');
DELETE FROM public.street WHERE town = 2;
DELETE FROM public.town WHERE id = 2;
INSERT INTO public.free VALUES (3, 'goes on');
\set VERBOSITY default
SELECT dbsync.run_once('keys');
SELECT "table", state, held_for, next_action FROM dbsync.table_status WHERE subscription = 'keys' ORDER BY 1;
SELECT dbsync.copy_table('keys', 'public.street', existing_rows => 'truncate');
\i sql/include/same_tree.psql
SELECT "table", state, held_for FROM dbsync.table_status WHERE subscription = 'keys' ORDER BY 1;

-- a parent is copied anew: its children have to be, too
SELECT dbsync.copy_table('keys', 'public.land', existing_rows => 'truncate');
INSERT INTO public.land VALUES (60);
INSERT INTO public.town VALUES (60, 60, 'y');
\set VERBOSITY default
SELECT dbsync.run_once('keys');
SELECT "table", state, held_for, next_action FROM dbsync.table_status WHERE subscription = 'keys' ORDER BY 1;
SELECT dbsync.copy_table('keys', 'public.town', existing_rows => 'truncate');
SELECT dbsync.run_once('keys');
SELECT dbsync.copy_table('keys', 'public.street', existing_rows => 'truncate');
\i sql/include/same_tree.psql
SELECT "table", state, held_for FROM dbsync.table_status WHERE subscription = 'keys' ORDER BY 1;

-- what is there stays, and is put right
SELECT dbsync.copy_table('keys', 'public.land', existing_rows => 'keep');
SELECT dbsync.copy_table('keys', 'public.town', existing_rows => 'keep');
SELECT dbsync.copy_table('keys', 'public.street', existing_rows => 'keep');
\c :target regress_dbsync_keys
UPDATE public.town SET v = 'wrong';
\c :source :me
\i sql/include/same_tree.psql

-- one that is added later, and one whose parent is suspended
\set ddl 'CREATE TABLE public.house (id int PRIMARY KEY, street int NOT NULL REFERENCES public.street);'
:ddl
\c :target regress_dbsync_keys
:ddl
\c :source :me
INSERT INTO public.house SELECT i, i FROM generate_series(2, 40) i WHERE i IN (SELECT id FROM public.street);
SELECT dbsync.suspend_table('public.street');
SELECT dbsync.add_table('keys', 'public.house');
\set VERBOSITY default
SELECT dbsync.run_once('keys');
SELECT "table", state, held_for FROM dbsync.table_status WHERE subscription = 'keys' ORDER BY 1;
SELECT dbsync.copy_table('keys', 'public.street', existing_rows => 'truncate');
\i sql/include/same_tree.psql

-- the rows of a table that is emptied are referenced from a table that is none of these
\c :target regress_dbsync_keys
CREATE TABLE public.own (street int REFERENCES public.street);
INSERT INTO public.own SELECT min(id) FROM public.street;
\c :source :me
TRUNCATE public.street CASCADE;
\set VERBOSITY default
SELECT dbsync.run_once('keys');
\c :target regress_dbsync_keys
DELETE FROM public.own;
\c :source :me
\i sql/include/same_tree.psql

ALTER SYSTEM RESET dbsync.copy_chunk_rows;
SELECT pg_reload_conf();
SELECT dbsync.drop_subscription('keys');
SELECT dbsync.drop_target('keys_target');
DROP TABLE public.house, public.street, public.town, public.land, public.free;
DROP DATABASE :target;
DROP ROLE regress_dbsync_keys;

-- Where the target is altered by somebody else: a table goes on without a stop where it has
-- what the new rows need, and is held where it has not, with the statement to run there.
\set QUIET on
\i sql/include/target.psql
\set subscription ddl
\set tab public.changing

CREATE TABLE public.changing (id int PRIMARY KEY, name varchar(10), gone int NOT NULL DEFAULT 1, big text);
CREATE TABLE public.quiet (id int PRIMARY KEY, n int);
\c :target
CREATE TABLE public.changing (gone int NOT NULL DEFAULT 1, id int PRIMARY KEY, name varchar(10), big text);
CREATE TABLE public.quiet (id int PRIMARY KEY, n int);
\c :source
SELECT dbsync.create_target('ddl_target', :'uri');
SELECT dbsync.create_subscription('ddl', 'ddl_target', tables => ARRAY['public.changing', 'public.quiet']);
SELECT ddl FROM dbsync.status;
INSERT INTO public.changing SELECT i, 'n' || i, i FROM generate_series(1, 5) i;
SELECT dbsync.run_once('ddl');

-- target first: never a stop
\c :target
ALTER TABLE public.changing ADD COLUMN added int DEFAULT 7, ALTER COLUMN name TYPE varchar(30), ALTER COLUMN gone DROP NOT NULL;
\c :source
ALTER TABLE public.changing ADD COLUMN added int DEFAULT 7;
UPDATE public.changing SET added = id WHERE id = 1;
ALTER TABLE public.changing ALTER COLUMN name TYPE varchar(30), DROP COLUMN gone;
UPDATE public.changing SET name = 'longer than it was' WHERE id = 2;
ALTER TABLE public.changing ALTER COLUMN added SET NOT NULL, ALTER COLUMN added SET DEFAULT 8;
INSERT INTO public.changing (id) VALUES (6);
SELECT dbsync.run_once('ddl');
\c :target
SELECT id, name, gone, big, added FROM public.changing ORDER BY id;
ALTER TABLE public.changing DROP COLUMN gone, ALTER COLUMN added SET NOT NULL, ALTER COLUMN added SET DEFAULT 8;
\c :source
\i sql/include/same_table.psql

-- source first: held, and the other table goes on
BEGIN;
UPDATE public.changing SET name = 'before' WHERE id = 1;
ALTER TABLE public.changing ADD COLUMN more text NOT NULL DEFAULT 'x''y';
UPDATE public.changing SET more = 'behind' WHERE id = 1;
COMMIT;
INSERT INTO public.quiet VALUES (1, 1);
SELECT dbsync.run_once('ddl');
INSERT INTO public.quiet VALUES (2, 2);
ALTER TABLE public.changing DROP COLUMN big;
DELETE FROM public.changing WHERE id = 2;
SELECT dbsync.run_once('ddl');
SELECT "table", state, held_for, next_action FROM dbsync.table_status ORDER BY 1;
\c :target
SELECT * FROM public.quiet ORDER BY id;
SELECT id, name FROM public.changing WHERE id < 3 ORDER BY id;
\c :source
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\c :target
:next_action
\c :source
SELECT dbsync.resume_table('ddl', 'public.changing');
SELECT dbsync.run_once('ddl');
SELECT "table", state, held_for, next_action FROM dbsync.table_status ORDER BY 1;
\c :target
ALTER TABLE public.changing DROP COLUMN big;
\c :source
\i sql/include/same_table.psql

-- the column is there, with other values in it
\c :target
ALTER TABLE public.changing ADD COLUMN other int;
\c :source
ALTER TABLE public.changing ADD COLUMN other int DEFAULT 5;
UPDATE public.changing SET other = 6 WHERE id = 1;
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
ALTER TABLE public.changing ALTER COLUMN other SET DEFAULT 5;
\c :source
SELECT dbsync.resume_table('ddl', 'public.changing');
\i sql/include/same_table.psql

-- names that have changed places: looking cannot tell
BEGIN;
ALTER TABLE public.changing RENAME COLUMN more TO x;
ALTER TABLE public.changing RENAME COLUMN name TO more;
ALTER TABLE public.changing RENAME COLUMN x TO name;
COMMIT;
UPDATE public.changing SET name = 'is more' WHERE id = 3;
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
SELECT dbsync.resume_table('ddl', 'public.changing');
SELECT dbsync.run_once('ddl');
SELECT state FROM dbsync.table_status WHERE "table" = 'public.changing'::regclass;
\c :target
BEGIN;
ALTER TABLE public.changing RENAME COLUMN more TO x;
ALTER TABLE public.changing RENAME COLUMN name TO more;
ALTER TABLE public.changing RENAME COLUMN x TO name;
COMMIT;
\c :source
SELECT dbsync.resume_table('ddl', 'public.changing', done => true);
\i sql/include/same_table.psql

-- a rename done there before, or behind; a key
\c :target
ALTER TABLE public.changing RENAME COLUMN other TO another;
\c :source
ALTER TABLE public.changing RENAME COLUMN other TO another;
UPDATE public.changing SET another = 9 WHERE id = 3;
\i sql/include/same_table.psql
ALTER TABLE public.changing RENAME COLUMN another TO other;
UPDATE public.changing SET other = 10 WHERE id = 3;
SELECT dbsync.run_once('ddl');
SELECT held_for, next_action FROM dbsync.table_status WHERE state = 'held';
\c :target
ALTER TABLE public.changing RENAME COLUMN another TO other;
\c :source
SELECT dbsync.resume_table('ddl', 'public.changing');
\i sql/include/same_table.psql
UPDATE public.changing SET added = id;
ALTER TABLE public.changing ADD UNIQUE (added);
ALTER TABLE public.changing DROP CONSTRAINT changing_pkey;
UPDATE public.changing SET id = 100 WHERE added = 8;
SELECT dbsync.run_once('ddl');
SELECT held_for, next_action FROM dbsync.table_status WHERE state = 'held';
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\c :target
:next_action
\c :source
SELECT dbsync.resume_table('ddl', 'public.changing');
\c :target
ALTER TABLE public.changing DROP CONSTRAINT changing_pkey, ALTER COLUMN id DROP NOT NULL;
\c :source
ALTER TABLE public.changing ALTER COLUMN id DROP NOT NULL;
\i sql/include/same_table.psql
SELECT dbsync.drop_subscription('ddl');
SELECT dbsync.drop_target('ddl_target');
DROP TABLE public.changing, public.quiet;

-- Rows that lack large values which an UPDATE left untouched, and that the target has lost:
-- they are completed from the table, which has other columns by then.
\set QUIET on
\i sql/include/target.psql
\set subscription completed

CREATE TABLE public.completed (id int PRIMARY KEY, v int, a text, n int NOT NULL DEFAULT 0, b text);
ALTER TABLE public.completed ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL;
INSERT INTO public.completed SELECT i, i, repeat('a', 3000), i, repeat('b', 3000) FROM generate_series(1, 20) i;
\c :target
CREATE TABLE public.completed (b text, id int PRIMARY KEY, n int NOT NULL DEFAULT 0, v int, a text);
\c :source
SELECT dbsync.create_target('completed_target', :'uri');
SELECT dbsync.create_subscription('completed', 'completed_target', tables => ARRAY['public.completed'], ddl => 'apply');
\set tab public.completed
\i sql/include/same_table.psql

-- other columns are dropped, added, renamed and retyped, and so is the large one
\c :target
DELETE FROM public.completed WHERE id IN (1, 2, 3);
\c :source
UPDATE public.completed SET v = -1 WHERE id = 1;
ALTER TABLE public.completed DROP COLUMN v, ADD COLUMN w int DEFAULT 5;
UPDATE public.completed SET w = -1 WHERE id = 2;
ALTER TABLE public.completed RENAME COLUMN a TO z;
ALTER TABLE public.completed RENAME COLUMN b TO a;
ALTER TABLE public.completed ALTER COLUMN n TYPE bigint;
UPDATE public.completed SET n = 5000000000 WHERE id = 3;
ALTER TABLE public.completed ADD COLUMN t text DEFAULT 'of all';
\i sql/include/same_table.psql

-- in one transaction with the change
\c :target
DELETE FROM public.completed WHERE id IN (4, 5);
\c :source
BEGIN;
UPDATE public.completed SET n = -4 WHERE id = 4;
ALTER TABLE public.completed DROP COLUMN w;
UPDATE public.completed SET n = -5 WHERE id = 5;
ALTER TABLE public.completed ADD COLUMN b int;
UPDATE public.completed SET b = 1 WHERE id IN (4, 5);
COMMIT;
\i sql/include/same_table.psql

-- the large value has gone itself, with its column
\c :target
DELETE FROM public.completed WHERE id = 6;
\c :source
UPDATE public.completed SET n = -6 WHERE id = 6;
ALTER TABLE public.completed DROP COLUMN z;
\i sql/include/same_table.psql

-- its column is of another type, which says the same
\c :target
DELETE FROM public.completed WHERE id = 7;
\c :source
UPDATE public.completed SET n = -7 WHERE id = 7;
ALTER TABLE public.completed ALTER COLUMN a TYPE varchar(5000);
\i sql/include/same_table.psql

-- the key is of another type
ALTER TABLE public.completed ALTER a SET STORAGE EXTERNAL;
UPDATE public.completed SET a = a || 'c';
SELECT dbsync.run_once('completed') > 0 AS sent;
\c :target
DELETE FROM public.completed WHERE id = 8;
\c :source
UPDATE public.completed SET n = -8 WHERE id = 8;
ALTER TABLE public.completed ALTER COLUMN id TYPE bigint;
\i sql/include/same_table.psql

-- the row has gone since
\c :target
DELETE FROM public.completed WHERE id = 9;
\c :source
UPDATE public.completed SET t = 'x' WHERE id = 9;
ALTER TABLE public.completed DROP COLUMN t;
DELETE FROM public.completed WHERE id = 9;
\i sql/include/same_table.psql

-- what can never be had again holds the table: a value that must not be null, a row by
-- a key that is none any more
CREATE TABLE public.other (id int PRIMARY KEY);
\c :target
CREATE TABLE public.other (id int PRIMARY KEY);
\c :source
SELECT dbsync.add_table('completed', 'public.other');
ALTER TABLE public.completed ADD COLUMN must text NOT NULL DEFAULT repeat('m', 3000);
ALTER TABLE public.completed ALTER must SET STORAGE EXTERNAL;
UPDATE public.completed SET must = must || 'n';
\i sql/include/same_table.psql
\c :target
DELETE FROM public.completed WHERE id = 10;
\c :source
UPDATE public.completed SET n = -10 WHERE id = 10;
ALTER TABLE public.completed DROP COLUMN must;
INSERT INTO public.other VALUES (1);
SELECT dbsync.run_once('completed');
SELECT "table", held_for, next_action FROM dbsync.table_status WHERE held_for IS NOT NULL;
SELECT dbsync.copy_table('completed', 'public.completed', existing_rows => 'truncate');
\c :target
SELECT * FROM public.other ORDER BY id;
ALTER TABLE public.completed DROP COLUMN must;
\c :source
\i sql/include/same_table.psql

\c :target
DELETE FROM public.completed WHERE id = 11;
\c :source
UPDATE public.completed SET n = -11 WHERE id = 11;
ALTER TABLE public.completed DROP CONSTRAINT completed_pkey, ADD PRIMARY KEY (n, id);
INSERT INTO public.other VALUES (2);
SELECT dbsync.run_once('completed');
SELECT "table", held_for, next_action FROM dbsync.table_status WHERE held_for IS NOT NULL;
\c :target
SELECT * FROM public.other ORDER BY id;
\c :source
SELECT dbsync.remove_table('completed', 'public.completed');

SELECT dbsync.drop_subscription('completed');
SELECT dbsync.drop_target('completed_target');
DROP TABLE public.completed, public.other;

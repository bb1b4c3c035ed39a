-- Columns that one side lacks are left out, where the subscription says so.
\set QUIET on
\i sql/include/target.psql

SELECT dbsync.create_target('ddl_target', :'uri');
SELECT dbsync.create_subscription('ddl', 'ddl_target', ddl => 'sometimes');
SELECT dbsync.create_subscription('ddl', 'ddl_target', ddl => NULL);
CREATE TABLE public.changing (id int PRIMARY KEY, name text, big text);
\c :target
CREATE TABLE public.changing (own text DEFAULT 'of the target', name text, id int PRIMARY KEY);
\c :source
ALTER TABLE public.changing ALTER COLUMN big SET STORAGE EXTERNAL;
INSERT INTO public.changing SELECT i, 'n' || i, repeat('x', 5000) FROM generate_series(1, 5) i;
SELECT dbsync.create_subscription('ddl', 'ddl_target', tables => ARRAY['public.changing'], ddl => 'ignore');
SELECT ddl FROM dbsync.status;
SELECT dbsync.run_once('ddl');
\c :target
SELECT * FROM public.changing ORDER BY id;
\c :source

BEGIN;
UPDATE public.changing SET name = 'before' WHERE id = 1;
ALTER TABLE public.changing ADD COLUMN more int DEFAULT 7;
UPDATE public.changing SET more = 8, name = 'added' WHERE id = 2;
ALTER TABLE public.changing RENAME COLUMN name TO title;
UPDATE public.changing SET title = 'not seen' WHERE id = 3;
DELETE FROM public.changing WHERE id = 4;
INSERT INTO public.changing (id, title) VALUES (6, 'new');
ALTER TABLE public.changing RENAME COLUMN title TO name;
UPDATE public.changing SET name = 'seen' WHERE id = 5;
COMMIT;
SELECT dbsync.run_once('ddl');
\c :target
SELECT * FROM public.changing ORDER BY id;
-- a column that comes later has holes; a row that is missing is completed from what is sent
ALTER TABLE public.changing ADD COLUMN big text;
DELETE FROM public.changing WHERE id = 1;
\c :source
UPDATE public.changing SET name = name || '!' WHERE id IN (1, 2);
SELECT dbsync.run_once('ddl');
SELECT dbsync.alter_subscription('ddl', ddl => 'wait');
SELECT dbsync.alter_subscription('ddl', ddl => 'ignore');
UPDATE public.changing SET name = name || '!' WHERE id IN (1, 2);
SELECT dbsync.run_once('ddl');
\c :target
SELECT own, name, id, length(big) FROM public.changing ORDER BY id;
\c :source
-- a key column cannot be left out
ALTER TABLE public.changing DROP CONSTRAINT changing_pkey, ADD PRIMARY KEY (id, more);
UPDATE public.changing SET name = 'last' WHERE id = 1;
SELECT dbsync.run_once('ddl');
\c :target
ALTER TABLE public.changing ADD COLUMN more int NOT NULL DEFAULT 7;
ALTER TABLE public.changing ADD UNIQUE (more, id);
\c :source
SELECT dbsync.run_once('ddl');
\c :target
SELECT own, name, id, length(big), more FROM public.changing ORDER BY id;
\c :source
SELECT dbsync.drop_subscription('ddl');
SELECT dbsync.drop_target('ddl_target');
DROP TABLE public.changing;

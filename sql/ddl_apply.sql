-- Changes of tables are made at the target, too, where the subscription says so: in the
-- order of all changes, in the transaction of the rows.
\set QUIET on
\i sql/include/target.psql
\set subscription ddl

CREATE TABLE public.changing (id int PRIMARY KEY, name varchar(10), gone int DEFAULT 1, big text);
CREATE TABLE public.quiet (id int PRIMARY KEY, n int);
\c :target
CREATE TABLE public.changing (gone int, id int PRIMARY KEY, name varchar(10), big text, more text DEFAULT 'of the target');
CREATE TABLE public.quiet (id int PRIMARY KEY, n int);
\c :source
SELECT dbsync.create_target('ddl_target', :'uri');
SELECT dbsync.create_subscription('ddl', 'ddl_target', tables => ARRAY['public.changing', 'public.quiet'], ddl => 'apply');
INSERT INTO public.changing SELECT i, 'n' || i, i FROM generate_series(1, 5) i;
SELECT dbsync.run_once('ddl');

-- beside rows, in one transaction and out of it, with savepoints
INSERT INTO public.changing VALUES (6, 'six', 6);
BEGIN;
UPDATE public.changing SET name = 'before' WHERE id = 1;
INSERT INTO public.quiet VALUES (1, 1);
ALTER TABLE public.changing ADD COLUMN added timestamptz NOT NULL DEFAULT '2001-02-03 04:05:06 UTC';
UPDATE public.changing SET added = '2002-01-01 UTC' WHERE id = 2;
SAVEPOINT s;
ALTER TABLE public.changing DROP COLUMN name;
INSERT INTO public.changing (id) VALUES (100);
ROLLBACK TO s;
ALTER TABLE public.changing RENAME COLUMN name TO title;
INSERT INTO public.changing (id, title) VALUES (7, 'seven');
ALTER TABLE public.changing DROP COLUMN gone;
ALTER TABLE public.changing ALTER COLUMN title TYPE text;
INSERT INTO public.changing (id, title) VALUES (8, 'longer than it could be');
DELETE FROM public.changing WHERE id = 3;
COMMIT;
INSERT INTO public.changing (id, title) VALUES (9, 'nine');
SELECT dbsync.run_once('ddl');
SELECT id, title, big, added AT TIME ZONE 'UTC' AS added FROM public.changing ORDER BY id;
\c :target
SELECT id, title, big, added AT TIME ZONE 'UTC' AS added, more FROM public.changing ORDER BY id;
ALTER TABLE public.changing DROP COLUMN more;
SELECT * FROM public.quiet;
\c :source
\set tab public.changing
\i sql/include/same_table.psql

-- names that change places; one that is left and taken
BEGIN;
ALTER TABLE public.changing RENAME COLUMN title TO x;
ALTER TABLE public.changing RENAME COLUMN big TO title;
ALTER TABLE public.changing RENAME COLUMN x TO big;
INSERT INTO public.changing (id, title, big) VALUES (10, 'is the big one', 'is the title');
COMMIT;
\i sql/include/same_table.psql
ALTER TABLE public.changing ADD COLUMN title_new int DEFAULT 5;
UPDATE public.changing SET title_new = id;
ALTER TABLE public.changing DROP COLUMN title;
ALTER TABLE public.changing RENAME COLUMN title_new TO title;
UPDATE public.changing SET title = -id WHERE id < 4;
\i sql/include/same_table.psql
-- a ring of three, and one that goes out of it
ALTER TABLE public.changing ADD COLUMN a int DEFAULT 1, ADD COLUMN b int DEFAULT 2, ADD COLUMN c int DEFAULT 3, ADD COLUMN d int DEFAULT 4;
\i sql/include/same_table.psql
BEGIN;
ALTER TABLE public.changing RENAME COLUMN d TO e;
ALTER TABLE public.changing RENAME COLUMN a TO d;
ALTER TABLE public.changing RENAME COLUMN b TO a;
ALTER TABLE public.changing RENAME COLUMN c TO b;
ALTER TABLE public.changing RENAME COLUMN d TO c;
ALTER TABLE public.changing RENAME COLUMN e TO d;
ALTER TABLE public.changing ADD COLUMN e int;
COMMIT;
UPDATE public.changing SET e = a WHERE id = 5;
\i sql/include/same_table.psql

-- nulls and defaults; a default that says nothing elsewhere is left here
CREATE SEQUENCE public.numbers;
ALTER TABLE public.changing ALTER COLUMN a DROP DEFAULT, ALTER COLUMN b SET DEFAULT 77, ALTER COLUMN c SET NOT NULL,
    ALTER COLUMN added DROP NOT NULL;
INSERT INTO public.changing (id, added) VALUES (11, NULL);
\i sql/include/same_table.psql
ALTER TABLE public.changing ALTER COLUMN b SET DEFAULT nextval('public.numbers');
INSERT INTO public.changing (id, added) VALUES (12, NULL);
SELECT dbsync.run_once('ddl');
\c :target
INSERT INTO public.changing (id, c) VALUES (1000, 1) RETURNING a, b, added;
DELETE FROM public.changing WHERE id = 1000;
\c :source
ALTER TABLE public.changing ALTER COLUMN b DROP DEFAULT;
\i sql/include/same_table.psql

-- types, and TRUNCATE between
BEGIN;
TRUNCATE public.changing;
INSERT INTO public.changing (id, a) SELECT i, i FROM generate_series(1, 50) i;
ALTER TABLE public.changing ALTER COLUMN id TYPE bigint, ALTER COLUMN a TYPE bigint;
INSERT INTO public.changing (id, a) VALUES (5000000000, 6000000000);
TRUNCATE public.changing;
INSERT INTO public.changing (id, a) VALUES (6000000000, 7000000000), (1, 1), (2, 2);
COMMIT;
\i sql/include/same_table.psql

-- the key: another column, then two
ALTER TABLE public.changing ADD COLUMN other int NOT NULL DEFAULT 0;
UPDATE public.changing SET other = id % 100 + 1;
BEGIN;
ALTER TABLE public.changing DROP CONSTRAINT changing_pkey, ADD PRIMARY KEY (other, id);
INSERT INTO public.changing (id, other) VALUES (1, 1);
COMMIT;
UPDATE public.changing SET a = 9 WHERE other = 1;
\i sql/include/same_table.psql
DELETE FROM public.changing WHERE id = 1 AND other = 1;
\i sql/include/same_table.psql
\c :target
SELECT indexdef FROM pg_indexes WHERE tablename = 'changing';
\c :source

BEGIN;
ALTER TABLE public.changing DROP CONSTRAINT changing_pkey;
ROLLBACK;
CREATE UNIQUE INDEX by_id ON public.changing (id);
ALTER TABLE public.changing DROP CONSTRAINT changing_pkey, ALTER COLUMN other DROP NOT NULL;
UPDATE public.changing SET other = NULL WHERE id = 2;
\i sql/include/same_table.psql
\c :target
SELECT indexdef FROM pg_indexes WHERE tablename = 'changing';
\c :source

-- what the target has already is not made again, if it says the same
\c :target
ALTER TABLE public.changing ADD COLUMN there int DEFAULT 3;
ALTER TABLE public.changing ADD COLUMN other_there int DEFAULT 4;
\c :source
ALTER TABLE public.changing ADD COLUMN there int DEFAULT 3, ADD COLUMN other_there int DEFAULT 5;
\i sql/include/same_table.psql

-- large values that were left untouched, where the row is missing and the table has changed since
ALTER TABLE public.changing ALTER COLUMN big SET STORAGE EXTERNAL, ADD COLUMN bigger text;
ALTER TABLE public.changing ALTER COLUMN bigger SET STORAGE EXTERNAL;
UPDATE public.changing SET big = repeat('x', 5000), bigger = repeat('y', 5000);
SELECT dbsync.run_once('ddl');
\c :target
DELETE FROM public.changing WHERE id = 1;
\c :source
UPDATE public.changing SET c = 50;
ALTER TABLE public.changing DROP COLUMN bigger, ADD COLUMN later int DEFAULT 1;
UPDATE public.changing SET c = 51, later = 2;
\i sql/include/same_table.psql

-- and what it refuses changes nothing
\c :target
CREATE VIEW public.in_the_way AS SELECT a FROM public.changing;
\c :source
BEGIN;
UPDATE public.changing SET b = 100;
ALTER TABLE public.changing DROP COLUMN a;
UPDATE public.changing SET b = 101;
COMMIT;
SELECT dbsync.run_once('ddl');
\c :target
SELECT count(*) FILTER (WHERE b IN (100, 101)) AS changed, count(a) > 0 AS there FROM public.changing;
DROP VIEW public.in_the_way;
\c :source
\i sql/include/same_table.psql

-- a key of the same columns in another order: the target's index serves it, and stays
ALTER TABLE public.quiet ALTER n SET NOT NULL, DROP CONSTRAINT quiet_pkey, ADD PRIMARY KEY (n, id);
SELECT dbsync.run_once('ddl') >= 0 AS sent;
ALTER TABLE public.quiet DROP CONSTRAINT quiet_pkey, ADD PRIMARY KEY (id, n);
INSERT INTO public.quiet VALUES (4711, 1), (4711, 2);
UPDATE public.quiet SET n = 3 WHERE n = 2 AND id = 4711;
\set tab public.quiet
\i sql/include/same_table.psql
\c :target
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'public.quiet'::regclass;
\c :source

SELECT dbsync.drop_subscription('ddl');
SELECT dbsync.drop_target('ddl_target');
DROP TABLE public.changing, public.quiet;
DROP SEQUENCE public.numbers;

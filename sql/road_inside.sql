-- Long values inside the row that an UPDATE left untouched are not captured: both ends
-- are the same, in one row and in many, last in the row and in the middle of it.
\set QUIET on
\i sql/include/target.psql
\pset format unaligned
\pset tuples_only on

CREATE FUNCTION public.words(seed text) RETURNS text LANGUAGE sql AS $$ SELECT repeat(md5(seed), 10) $$;
CREATE TABLE public.inside (id int PRIMARY KEY, a text, n int, b text, m numeric, c text);
CREATE VIEW public.short AS SELECT * FROM public.inside;
\c :target
CREATE TABLE public.inside (c text, b text, n int, id int PRIMARY KEY, m numeric, a text);
CREATE VIEW public.short AS SELECT id, a, n, b, m, c FROM public.inside;
\c :source
INSERT INTO public.inside SELECT i, CASE i % 3 WHEN 0 THEN words('a' || i) WHEN 1 THEN 'short' END, i,
    CASE WHEN i % 2 = 0 THEN words('b' || i) END, i, CASE i % 5 WHEN 0 THEN 'short' ELSE words('c' || i) END
FROM generate_series(1, 9000) i;
SELECT dbsync.create_target('road_target', :'uri') \g /dev/null
SELECT dbsync.create_subscription('road', 'road_target', tables => ARRAY['public.inside']) \g /dev/null
\i sql/include/same.psql

-- one row; what it left is not there to be read
UPDATE public.inside SET n = -1 WHERE id = 6;
SELECT op, "row" ? 'a' AS a, "row" ? 'b' AS b, "row" ? 'c' AS c, "row" ->> 'n' AS n FROM dbsync.changes('public.inside');
\i sql/include/same.psql
UPDATE public.inside SET n = n + 1;
\i sql/include/same.psql
UPDATE public.inside SET a = b, m = NULL WHERE id % 4 = 0;
UPDATE public.inside SET c = upper(c) WHERE id % 7 = 0;
UPDATE public.inside SET id = id + 10000 WHERE id % 11 = 0;
DELETE FROM public.inside WHERE id % 13 = 0;
INSERT INTO public.inside SELECT id, 'new' FROM generate_series(1, 200) id ON CONFLICT (id) DO UPDATE SET n = -2;
\i sql/include/same.psql
BEGIN;
UPDATE public.inside SET b = words('x'), n = 1 WHERE id < 100;
UPDATE public.inside SET n = 2 WHERE id < 50;
SAVEPOINT s;
UPDATE public.inside SET c = words('y') WHERE id < 70;
ROLLBACK TO s;
UPDATE public.inside SET m = 3 WHERE id < 70;
COMMIT;
\i sql/include/same.psql
-- a row that is missing at the target is made whole again
\c :target
DELETE FROM public.inside WHERE id IN (6, 8);
\c :source
UPDATE public.inside SET n = 7 WHERE id IN (6, 8);
\i sql/include/same.psql

SELECT dbsync.drop_subscription('road');
SELECT dbsync.drop_target('road_target');
DROP VIEW public.short;
DROP TABLE public.inside;
DROP FUNCTION public.words(text);
DROP DATABASE :target;

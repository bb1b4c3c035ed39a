-- Verify: keys that are there twice, that are written otherwise, or that only the target's types can have.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.doubled (id int PRIMARY KEY, v text);
CREATE TABLE public.as_text (id int PRIMARY KEY, v text);
CREATE TABLE public.as_numeric (id int PRIMARY KEY, v text);
CREATE TABLE public.as_bigint (id int PRIMARY KEY, v text);
CREATE TABLE public.fraction (a numeric, b text, v text, PRIMARY KEY (a, b));
CREATE TABLE public.moment (id timestamptz PRIMARY KEY, v text);
INSERT INTO public.doubled SELECT i, 'row ' || i FROM generate_series(1, 50) i;
INSERT INTO public.as_text SELECT i, 'row ' || i FROM generate_series(-5, 50) i;
INSERT INTO public.as_numeric SELECT i, 'row ' || i FROM generate_series(-5, 50) i;
INSERT INTO public.as_bigint SELECT i, 'row ' || i FROM generate_series(-5, 50) i;
INSERT INTO public.fraction SELECT i + 0.50, 'b' || i % 3, 'row ' || i FROM generate_series(1, 50) i;
INSERT INTO public.moment SELECT '2026-01-01'::timestamptz + i * interval '1 h', 'row ' || i FROM generate_series(1, 50) i;
\c :target
CREATE TABLE public.doubled (id int, v text);
CREATE INDEX ON public.doubled (id);
CREATE TABLE public.as_text (id text PRIMARY KEY, v text);
CREATE TABLE public.as_numeric (id numeric(20,3) PRIMARY KEY, v text);
CREATE TABLE public.as_bigint (id bigint PRIMARY KEY, v text);
CREATE TABLE public.fraction (b varchar, v text, a text, PRIMARY KEY (a, b));
CREATE TABLE public.moment (id text PRIMARY KEY, v text);
\c :source
SELECT dbsync.create_target('keys_target', :'uri');
SELECT dbsync.create_subscription('keys', 'keys_target', tables => ARRAY['public.doubled', 'public.as_text', 'public.as_numeric', 'public.as_bigint', 'public.fraction', 'public.moment']);
SELECT dbsync.run_once('keys');
-- an honest target
SELECT "table", verdict, rows_here, rows_there, note FROM dbsync.verify('keys');

\c :target
-- the same row twice; another row of the same key; both of these; a key that is null
INSERT INTO public.doubled SELECT * FROM public.doubled WHERE id = 7;
INSERT INTO public.doubled VALUES (8, 'other');
UPDATE public.doubled SET v = 'changed' WHERE id = 9;
INSERT INTO public.doubled SELECT i, 'changed' FROM generate_series(10, 10) i, generate_series(1, 2);
INSERT INTO public.doubled VALUES (NULL, 'of none'), (99, 'extra'), (99, 'extra');
-- missing, different, extra; extra as the source could never have it; a key that is written otherwise
DELETE FROM public.as_text WHERE id = '1';
UPDATE public.as_text SET v = 'changed' WHERE id = '2';
INSERT INTO public.as_text VALUES ('900', 'extra'), ('abc', 'extra');
UPDATE public.as_text SET id = '007' WHERE id = '7';
INSERT INTO public.as_text VALUES ('+8', 'extra');
DELETE FROM public.as_numeric WHERE id = 1;
UPDATE public.as_numeric SET v = 'changed' WHERE id = 2;
INSERT INTO public.as_numeric VALUES (900, 'extra'), (7.5, 'extra');
DELETE FROM public.as_bigint WHERE id = 1;
UPDATE public.as_bigint SET v = 'changed' WHERE id = 2;
INSERT INTO public.as_bigint VALUES (900, 'extra'), (7000000000000, 'extra');
UPDATE public.fraction SET a = '7.5' WHERE a = '7.50';
UPDATE public.fraction SET v = 'changed' WHERE a = '8.50';
INSERT INTO public.fraction VALUES ('b', 'extra', '900'), ('b', 'extra', 'abc');
UPDATE public.moment SET v = 'changed' WHERE id = (SELECT min(id) FROM public.moment);
UPDATE public.moment SET id = '2026-01-03' WHERE id = (SELECT max(id) FROM public.moment);
\c :source
SELECT "table", verdict, missing, extra, different, note FROM dbsync.verify('keys');
SELECT "table", kind, key, here, there, count FROM dbsync.difference WHERE subscription = 'keys' ORDER BY "table", kind, key::text COLLATE "C", there::text;
-- all that the source can name is mended, and what it cannot is said
SELECT "table", verdict, missing, extra, different, note FROM dbsync.verify('keys', repair => true);
SELECT "table", verdict, missing, extra, different FROM dbsync.verify('keys');
SELECT "table", kind, key, here, there, count FROM dbsync.difference WHERE subscription = 'keys' ORDER BY "table", kind, key::text COLLATE "C";
\c :target
DELETE FROM public.doubled WHERE id IS NULL;
DELETE FROM public.as_text WHERE id IN ('007', '+8', 'abc');
DELETE FROM public.as_numeric WHERE id = 7.5;
DELETE FROM public.as_bigint WHERE id = 7000000000000;
DELETE FROM public.fraction WHERE a IN ('7.5', 'abc');
DELETE FROM public.moment WHERE id = '2026-01-03';
\c :source
SELECT "table", verdict, note FROM dbsync.verify('keys');
SELECT count(*) FROM dbsync_internal.repair_key;

SELECT dbsync.drop_subscription('keys');
SELECT dbsync.drop_target('keys_target');
DROP TABLE public.doubled, public.as_text, public.as_numeric, public.as_bigint, public.fraction, public.moment;
DROP DATABASE :target;

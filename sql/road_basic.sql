-- The whole road: what is captured here arrives there, whatever was done to it.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.road (a int, b text, v text, PRIMARY KEY (b, a));
CREATE TABLE public.other (id int PRIMARY KEY, v numeric);
INSERT INTO public.road VALUES (1, 'x', 'one'), (2, 'x', NULL), (3, 'y', '');
\c :target
CREATE TABLE public.road (v text, a int, b text, PRIMARY KEY (a, b));
CREATE TABLE public.other (id int PRIMARY KEY, v numeric);
\c :source
SELECT dbsync.create_target('road_target', :'uri');
SELECT dbsync.create_subscription('road', 'road_target', tables => ARRAY['public.road', 'public.other']);

-- first copy: three rows
SELECT dbsync.run_once('road');
-- nothing is left
SELECT dbsync.run_once('road');
\c :target
SELECT a, b, v FROM public.road ORDER BY a;
\c :source

-- one row, by all three statements
INSERT INTO public.road VALUES (4, 'z', E'tab\there, back\\slash, line\nbreak');
UPDATE public.road SET v = 'uno' WHERE a = 1;
DELETE FROM public.road WHERE a = 2;
SELECT dbsync.run_once('road');
\c :target
SELECT a, b, v FROM public.road ORDER BY a;
\c :source

-- many changes of one key in one transaction and over several: the last counts
BEGIN;
UPDATE public.road SET v = 'first' WHERE a = 1;
UPDATE public.road SET v = 'second' WHERE a = 1;
DELETE FROM public.road WHERE a = 1;
INSERT INTO public.road VALUES (1, 'x', 'third');
COMMIT;
UPDATE public.road SET v = 'fourth' WHERE a = 1;
-- keys that change, and change back
UPDATE public.road SET a = a + 10;
UPDATE public.road SET a = a - 10 WHERE a = 11;
-- savepoints: what was rolled back does not travel
BEGIN;
INSERT INTO public.road VALUES (50, 'q', 'stays');
SAVEPOINT s;
INSERT INTO public.road VALUES (51, 'q', 'goes');
UPDATE public.road SET v = 'goes' WHERE a = 50;
ROLLBACK TO s;
COMMIT;
BEGIN;
INSERT INTO public.road VALUES (52, 'q', 'goes');
ROLLBACK;
-- upserts and MERGE
INSERT INTO public.other VALUES (1, 1.0), (2, 2.50);
INSERT INTO public.other VALUES (2, 3), (3, 'NaN') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v + 1;
MERGE INTO public.other o USING (VALUES (1), (3), (4)) s (id) ON o.id = s.id
  WHEN MATCHED AND o.id = 1 THEN DELETE
  WHEN MATCHED THEN UPDATE SET v = 0.00
  WHEN NOT MATCHED THEN INSERT VALUES (s.id, 4);
SELECT dbsync.run_once('road') > 0 AS applied;
SELECT a, b, v FROM public.road ORDER BY a;
SELECT * FROM public.other ORDER BY id;
\c :target
SELECT a, b, v FROM public.road ORDER BY a;
SELECT * FROM public.other ORDER BY id;
\c :source

-- TRUNCATE of both in one command, between rows
INSERT INTO public.other VALUES (8, 8);
TRUNCATE public.road, public.other;
INSERT INTO public.other VALUES (9, 9);
SELECT dbsync.run_once('road') > 0 AS applied;
\c :target
SELECT a, b, v FROM public.road ORDER BY a;
SELECT * FROM public.other ORDER BY id;
\c :source

-- COPY, and a number of rows that does not go by the small road
COPY public.other FROM stdin;
100	1
101	\N
\.
INSERT INTO public.road SELECT g, 'k' || g % 7, repeat('v', g % 50) FROM generate_series(1, 3000) g;
SELECT dbsync.run_once('road');
UPDATE public.road SET v = v || '+' WHERE a % 2 = 0;
DELETE FROM public.road WHERE a % 3 = 0;
INSERT INTO public.road SELECT g, 'k' || g % 7, NULL FROM generate_series(2900, 3100) g ON CONFLICT DO NOTHING;
SELECT dbsync.run_once('road') > 0 AS applied;
SELECT count(*), count(v), sum(a), md5(string_agg(a || b || coalesce(v, '-'), ',' ORDER BY a, b)) FROM public.road;
SELECT * FROM public.other ORDER BY id;
\c :target
SELECT count(*), count(v), sum(a), md5(string_agg(a || b || coalesce(v, '-'), ',' ORDER BY a, b)) FROM public.road;
SELECT * FROM public.other ORDER BY id;
\c :source

-- what is captured can be looked at
SET dbsync.tag = 'ticket 4711';
UPDATE public.other SET v = 10 WHERE id = 9;
RESET dbsync.tag;
SELECT tag, op, key, row FROM dbsync.changes('public.other') WHERE tag IS NOT NULL;

SELECT dbsync.drop_subscription('road');
SELECT dbsync.drop_target('road_target');
DROP TABLE public.road, public.other;
\c :target
-- the ledger has forgotten it
SELECT count(*) FROM dbsync_ledger.position;
\c :source
DROP DATABASE :target;

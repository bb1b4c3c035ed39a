-- Composite types that the target has by another name, where their columns get other names, other types, or each other's
-- names in the same batch in which the types have other attributes: they are looked for by the names that the
-- target's columns have before the batch.
\set QUIET on
\i sql/include/target.psql
\set SHOW_CONTEXT never

CREATE TYPE public.one AS (a int, b int);
CREATE TYPE public.two AS (c int, d int);
CREATE TYPE public.three AS (c int, d int);
CREATE TABLE public.renamed (id int PRIMARY KEY, was public.one);
CREATE TABLE public.swapped (id int PRIMARY KEY, p public.one, q public.two);
CREATE TABLE public.taken (id int PRIMARY KEY, r public.one, s public.two);
CREATE TABLE public.retyped (id int PRIMARY KEY, t public.three);
\c :target
CREATE TYPE public.ours_one AS (a int, b int);
CREATE TYPE public.ours_two AS (c int, d int);
CREATE TYPE public.three AS (c int, d int);
CREATE TYPE public.two AS (c int, d int);
CREATE TABLE public.renamed (id int PRIMARY KEY, was public.ours_one);
CREATE TABLE public.swapped (id int PRIMARY KEY, p public.ours_one, q public.ours_two);
CREATE TABLE public.taken (id int PRIMARY KEY, r public.ours_one, s public.ours_two);
CREATE TABLE public.retyped (id int PRIMARY KEY, t public.three);
\c :source
SELECT dbsync.create_target('rename_target', :'uri');
SELECT dbsync.create_subscription('renames', 'rename_target', ddl => 'apply', tables => '{public.renamed, public.swapped, public.taken, public.retyped}');
INSERT INTO public.renamed VALUES (1, (1, 2));
INSERT INTO public.swapped VALUES (1, (1, 2), (3, 4));
INSERT INTO public.taken VALUES (1, (1, 2), (3, 4));
INSERT INTO public.retyped VALUES (1, (1, 2));
SELECT dbsync.run_once('renames') >= 0 AS sent;

-- a column that gets another name: rows of before and behind it
ALTER TYPE public.one DROP ATTRIBUTE a, ADD ATTRIBUTE z int;
INSERT INTO public.renamed VALUES (2, (5, 6));
ALTER TABLE public.renamed RENAME was TO "is";
INSERT INTO public.renamed VALUES (3, (7, 8));
SELECT dbsync.run_once('renames') >= 0 AS sent;
ALTER TABLE public.renamed RENAME "is" TO again;
ALTER TYPE public.one DROP ATTRIBUTE b, ADD ATTRIBUTE y int;
INSERT INTO public.renamed VALUES (4, (9, 10));
SELECT dbsync.run_once('renames') >= 0 AS sent;
SELECT * FROM public.renamed ORDER BY id;
\c :target
SELECT * FROM public.renamed ORDER BY id;
\c :source

-- columns whose names change places
ALTER TYPE public.two DROP ATTRIBUTE c, ADD ATTRIBUTE x int;
BEGIN;
ALTER TABLE public.swapped RENAME p TO other;
ALTER TABLE public.swapped RENAME q TO p;
ALTER TABLE public.swapped RENAME other TO q;
INSERT INTO public.swapped (id, q, p) VALUES (2, (11, 12), (13, 14));
COMMIT;
SELECT dbsync.run_once('renames') >= 0 AS sent;
SELECT id, p, q FROM public.swapped ORDER BY id;
\c :target
SELECT id, p, q FROM public.swapped ORDER BY id;
\c :source

-- a column that goes, and another one of its name; and one of another type: those that they were are left alone
ALTER TYPE public.two ADD ATTRIBUTE w int;
BEGIN;
ALTER TABLE public.taken DROP r;
ALTER TABLE public.taken ADD r public.two;
INSERT INTO public.taken (id, r, s) VALUES (2, (15, 16, 17), (18, 19, 20));
COMMIT;
ALTER TABLE public.retyped ALTER t TYPE public.two USING NULL;
INSERT INTO public.retyped VALUES (2, (21, 22, 23));
SELECT dbsync.run_once('renames') >= 0 AS sent;
SELECT "table", state, held_for FROM dbsync.table_status ORDER BY 1;
SELECT id, r, s FROM public.taken ORDER BY id;
SELECT * FROM public.retyped ORDER BY id;
\c :target
SELECT id, r, s FROM public.taken ORDER BY id;
SELECT * FROM public.retyped ORDER BY id;
SELECT t.typname, string_agg(a.attname, ' ' ORDER BY a.attnum) FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
WHERE a.attnum > 0 AND NOT a.attisdropped AND t.typname ~ '^(ours_)?(one|two|three)$' GROUP BY 1 ORDER BY 1;
\c :source

-- by hand, before the column is renamed at the target, and behind it
SELECT dbsync.alter_subscription('renames', ddl => 'wait');
SELECT dbsync.run_once('renames') >= 0 AS sent;
ALTER TYPE public.one DROP ATTRIBUTE z, ADD ATTRIBUTE v int;
ALTER TABLE public.renamed RENAME again TO and_again;
INSERT INTO public.renamed VALUES (5, (24, 25));
\set VERBOSITY terse
SELECT dbsync.run_once('renames');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
\c :source
SELECT dbsync.resume_table('renames', 'public.renamed');
SELECT dbsync.run_once('renames');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
\c :source
SELECT dbsync.resume_table('renames', 'public.renamed');
SELECT dbsync.run_once('renames') >= 0 AS sent;
ALTER TABLE public.renamed RENAME and_again TO "last";
ALTER TYPE public.one DROP ATTRIBUTE y, ADD ATTRIBUTE u int;
INSERT INTO public.renamed VALUES (6, (26, 27));
\c :target
ALTER TABLE public.renamed RENAME and_again TO "last";
\c :source
SELECT dbsync.run_once('renames');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
\c :source
SELECT dbsync.resume_table('renames', 'public.renamed');
SELECT dbsync.run_once('renames') >= 0 AS sent;
SELECT * FROM public.renamed ORDER BY id;
\c :target
SELECT * FROM public.renamed ORDER BY id;
\c :source

SET client_min_messages = warning;
SELECT dbsync.drop_subscription('renames');
SELECT dbsync.drop_target('rename_target');
DROP TABLE public.renamed, public.swapped, public.taken, public.retyped;
DROP TYPE public.one, public.two, public.three;
DROP DATABASE :target;

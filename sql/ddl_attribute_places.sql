-- Attributes of composite types that the target has by another name or in another schema, as the type or the
-- table was renamed, and those of types that have none left, follow like others; and the same attributes
-- in another order are refused, as values would be read as each other's.
\set QUIET on
\i sql/include/target.psql
\set SHOW_CONTEXT never

CREATE TYPE public.renamed AS (a int, b int);
CREATE TYPE public.emptied AS (a int);
CREATE TYPE public.moved AS (a int, b int);
CREATE TYPE public.around AS (n int, m public.moved[]);
CREATE DOMAIN public.moved_domain AS public.moved;
CREATE TYPE public.shuffled AS (a int, b int);
CREATE TABLE public.of_renamed (id int PRIMARY KEY, r public.renamed);
CREATE TABLE public.of_emptied (id int PRIMARY KEY, e public.emptied);
CREATE TABLE public.of_moved (id int PRIMARY KEY, m public.moved_domain[], w public.around, t public.moved);
CREATE TABLE public.of_shuffled (id int PRIMARY KEY, s public.shuffled);
\c :target
CREATE SCHEMA "Other 'one'";
CREATE TYPE public.renamed AS (a int, b int);
CREATE TYPE public.emptied AS (a int);
CREATE TYPE "Other 'one'"."%moved" AS (a int, b int);
CREATE TYPE "Other 'one'".around AS (n int, m "Other 'one'"."%moved"[]);
CREATE TYPE public.shuffled AS (b int, a int);
CREATE TABLE public.of_renamed (id int PRIMARY KEY, r public.renamed);
CREATE TABLE public.of_emptied (id int PRIMARY KEY, e public.emptied);
CREATE TABLE "Other 'one'".of_moved (id int PRIMARY KEY, m "Other 'one'"."%moved"[], w "Other 'one'".around, t text);
CREATE TABLE public.of_shuffled (id int PRIMARY KEY, s public.shuffled);
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.create_target('place_target', :'uri');
SELECT dbsync.create_subscription('places', 'place_target', ddl => 'apply', tables => '{public.of_renamed, public.of_emptied, public.of_shuffled}');
SELECT dbsync.add_table('places', 'public.of_moved', target_table => $$"Other 'one'".of_moved$$);
INSERT INTO public.of_renamed VALUES (1, (1, 2));
INSERT INTO public.of_emptied VALUES (1, ROW(1));
INSERT INTO public.of_moved VALUES (1, ARRAY[ROW(1, 2)::public.moved], ROW(1, ARRAY[ROW(3, 4)::public.moved]), (5, 6));
INSERT INTO public.of_shuffled VALUES (1, (1, 2));
SELECT dbsync.run_once('places');
SELECT held_for, next_action FROM dbsync.table_status WHERE state = 'held' OR note IS NOT NULL;
\c :target
DROP TABLE public.of_shuffled;
DROP TYPE public.shuffled;
CREATE TYPE public.shuffled AS (a int, b int);
CREATE TABLE public.of_shuffled (id int PRIMARY KEY, s public.shuffled);
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.resume_table('places', 'public.of_shuffled');
SELECT dbsync.run_once('places') >= 0 AS sent;

-- the type is renamed, and then altered; one loses all attributes, and gets another one
ALTER TYPE public.renamed RENAME TO "re""named";
ALTER TYPE public."re""named" DROP ATTRIBUTE a, ADD ATTRIBUTE c int;
INSERT INTO public.of_renamed VALUES (2, (3, 4));
ALTER TYPE public.emptied DROP ATTRIBUTE a;
INSERT INTO public.of_emptied VALUES (2, ROW());
ALTER TYPE public.moved DROP ATTRIBUTE a, ADD ATTRIBUTE c int;
INSERT INTO public.of_moved VALUES (2, ARRAY[ROW(7, 8)::public.moved], ROW(2, ARRAY[ROW(9, 10)::public.moved]), (11, 12));
SELECT dbsync.run_once('places') >= 0 AS sent;
ALTER TYPE public.emptied ADD ATTRIBUTE z int;
INSERT INTO public.of_emptied VALUES (3, ROW(7));
SELECT dbsync.run_once('places') >= 0 AS sent;
SELECT "table", state FROM dbsync.table_status ORDER BY 1;
SELECT id, (r).* FROM public.of_renamed ORDER BY id;
SELECT id, (e).* FROM public.of_emptied ORDER BY id;
SELECT * FROM public.of_moved ORDER BY id;
\c :target
SELECT id, (r).* FROM public.of_renamed ORDER BY id;
SELECT id, (e).* FROM public.of_emptied ORDER BY id;
SELECT * FROM "Other 'one'".of_moved ORDER BY id;
\c :source
\set SHOW_CONTEXT never
-- by hand: the statement has the name that it has there
SELECT dbsync.alter_subscription('places', ddl => 'wait');
ALTER TYPE public.moved DROP ATTRIBUTE b, ADD ATTRIBUTE d int;
INSERT INTO public.of_moved VALUES (3, ARRAY[ROW(13, 14)::public.moved], NULL, NULL);
\set VERBOSITY terse
SELECT dbsync.run_once('places');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.resume_table('places', 'public.of_moved');
SELECT dbsync.run_once('places') >= 0 AS sent;
SELECT id, m, w FROM public.of_moved ORDER BY id;
\c :target
SELECT id, m, w FROM "Other 'one'".of_moved ORDER BY id;
\c :source

SET client_min_messages = warning;
SELECT dbsync.drop_subscription('places');
SELECT dbsync.drop_target('place_target');
DROP TABLE public.of_renamed, public.of_emptied, public.of_moved, public.of_shuffled;
DROP TYPE public.around;
DROP DOMAIN public.moved_domain;
DROP TYPE public."re""named", public.emptied, public.moved, public.shuffled;
DROP DATABASE :target;

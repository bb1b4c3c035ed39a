-- Attributes of composite types in captured columns come, go and are renamed: rows that wait are written
-- out with those of today, so the target's type gets them ahead of the rows, by the worker or by
-- somebody who is told the statement; never is one attribute taken for another.  Review of tables, B5;
-- hazard 55.
\set QUIET on
\i sql/include/target.psql
\set SHOW_CONTEXT never

CREATE TYPE public.pair AS (x int, y text);
CREATE DOMAIN public.pairing AS public.pair;
CREATE TYPE public.outer_one AS (n int, p public.pair, ps public.pair[]);
CREATE TABLE public.waits (id int PRIMARY KEY, p public.pair, ps public.pair[]);
CREATE TABLE public.deep (id int PRIMARY KEY, o public.outer_one, d public.pairing);
CREATE TABLE public.keyless (p public.pair, n int);
CREATE TABLE public.quiet (id int PRIMARY KEY, n int);
\c :target
CREATE TYPE public.pair AS (x int, y text);
CREATE DOMAIN public.pairing AS public.pair;
CREATE TYPE public.outer_one AS (n int, p public.pair, ps public.pair[]);
CREATE TABLE public.waits (id int PRIMARY KEY, p public.pair, ps public.pair[]);
CREATE TABLE public.deep (id int PRIMARY KEY, o public.outer_one, d public.pairing);
CREATE TABLE public.keyless (p public.pair, n int);
CREATE TABLE public.quiet (id int PRIMARY KEY, n int);
\c :source
SELECT dbsync.create_target('attribute_target', :'uri');
SELECT dbsync.create_subscription('attributes', 'attribute_target', tables => ARRAY['public.waits', 'public.quiet']);
INSERT INTO public.waits VALUES (1, (1, 'a'), '{"(2,b)"}'), (2, (3, NULL), NULL), (3, NULL, '{NULL,"(4,d)"}');
SELECT dbsync.run_once('attributes');
\set subscription attributes
\set tab public.waits

-- with wait, the table stands still before the first of its rows, whichever it is; others go on
UPDATE public.waits SET p = (10, 'before') WHERE id = 1;
BEGIN;
ALTER TYPE public.pair ADD ATTRIBUTE never int;
ROLLBACK;
ALTER TYPE public.pair ADD ATTRIBUTE z int;
INSERT INTO public.waits VALUES (4, (5, 'e', 6), NULL);
INSERT INTO public.quiet VALUES (1, 1);
SELECT dbsync.run_once('attributes');
SELECT "table", state, held_for, next_action FROM dbsync.table_status ORDER BY 1;
\c :target
SELECT * FROM public.waits ORDER BY id;
SELECT * FROM public.quiet;
ALTER TYPE public.pair ADD ATTRIBUTE z int;
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.resume_table('attributes', 'public.waits');
\i sql/include/same_table.psql
-- target first: nothing stands still.  Names are nothing that rows have.
\c :target
ALTER TYPE public.pair DROP ATTRIBUTE y;
\c :source
\set SHOW_CONTEXT never
ALTER TYPE public.pair DROP ATTRIBUTE y;
ALTER TYPE public.pair RENAME ATTRIBUTE z TO zz;
UPDATE public.waits SET p = (7, 8) WHERE id = 2;
\i sql/include/same_table.psql
-- as many as before, and others: never is what is one read into the other
ALTER TYPE public.pair DROP ATTRIBUTE x, ADD ATTRIBUTE w int;
INSERT INTO public.waits VALUES (5, (9, 10), NULL);
SELECT dbsync.run_once('attributes');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
SELECT count(*) FROM public.waits WHERE id = 5;
:next_action
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.resume_table('attributes', 'public.waits');
\i sql/include/same_table.psql

-- with apply: renamed, too, deep inside of columns, without a key, beside changes of the table, several at once
SELECT dbsync.alter_subscription('attributes', ddl => 'apply');
SELECT dbsync.add_table('attributes', 'public.deep'), dbsync.add_table('attributes', 'public.keyless');
INSERT INTO public.deep VALUES (1, ROW(1, ROW(1, 2), ARRAY[ROW(3, 4)::public.pair]), ROW(5, 6)), (2, NULL, NULL);
INSERT INTO public.keyless VALUES (ROW(1, 2), 1), (ROW(1, 2), 1), (ROW(3, NULL), 2);
SELECT dbsync.run_once('attributes') > 0 AS sent;
UPDATE public.deep SET d = ROW(7, 8) WHERE id = 2;
DELETE FROM public.keyless WHERE ctid = (SELECT min(ctid) FROM public.keyless WHERE n = 1);
ALTER TYPE public.pair ADD ATTRIBUTE c text COLLATE "C", ADD ATTRIBUTE v varchar(5);
ALTER TYPE public.pair DROP ATTRIBUTE w;
ALTER TABLE public.deep ADD COLUMN more int DEFAULT 7;
UPDATE public.deep SET o.p.c = 'c', o.p.v = 'v' WHERE id = 1;
UPDATE public.keyless SET p.v = 'keyed' WHERE n = 2;
INSERT INTO public.waits VALUES (6, (1, 'c', 'v'), ARRAY[ROW(2, 'd', 'w')::public.pair]);
ALTER TYPE public.pair RENAME ATTRIBUTE c TO "C c";
ALTER TYPE public.outer_one DROP ATTRIBUTE n, ADD ATTRIBUTE later int;
INSERT INTO public.deep VALUES (3, ROW(ROW(1, 'x', 'y'), NULL, 4), NULL, 8);
\i sql/include/same_table.psql
\set tab public.deep
\i sql/include/same_table.psql
\set tab public.keyless
\i sql/include/same_table.psql
\c :target
SELECT attrelid::regclass, string_agg(format('%s %s %s', attname, format_type(atttypid, atttypmod), attcollation::regcollation), ', ' ORDER BY attnum)
FROM pg_attribute WHERE attrelid IN ('public.pair'::regclass, 'public.outer_one'::regclass) AND NOT attisdropped GROUP BY 1 ORDER BY 1;
\c :source
\set SHOW_CONTEXT never
SELECT "table", state FROM dbsync.table_status ORDER BY 1;
-- back to the name that it had is a rename like any other
ALTER TYPE public.pair RENAME ATTRIBUTE "C c" TO c;
DELETE FROM public.deep WHERE id = 2;
\i sql/include/same_table.psql

-- what looking cannot tell: names that another one has, or had
ALTER TYPE public.pair ADD ATTRIBUTE y int;
ALTER TYPE public.pair DROP ATTRIBUTE v, ADD ATTRIBUTE v int;
ALTER TYPE public.pair RENAME ATTRIBUTE v TO w;
SELECT count(*) FROM dbsync.former_attribute WHERE type = 'public.pair'::regtype;
-- nor what the target has of its own, or in another order
\c :target
ALTER TYPE public.pair ADD ATTRIBUTE own int;
\c :source
\set SHOW_CONTEXT never
INSERT INTO public.keyless VALUES (NULL, 3);
ALTER TYPE public.pair ADD ATTRIBUTE q int;
SELECT dbsync.run_once('attributes');
SELECT held_for, next_action FROM dbsync.table_status WHERE state = 'held';
\c :target
ALTER TYPE public.pair DROP ATTRIBUTE own;
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.resume_table('attributes', 'public.keyless');
\set tab public.keyless
\i sql/include/same_table.psql

-- a key, a value that is written down, and what may look into the type
CREATE TYPE public.keyed AS (a int, b int);
CREATE TABLE public.key_of (k public.keyed PRIMARY KEY, p public.pair);
CREATE TABLE public.chosen (id int PRIMARY KEY, k public.keyed);
\c :target
CREATE TYPE public.keyed AS (a int, b int);
CREATE TABLE public.key_of (k public.keyed PRIMARY KEY, p public.pair);
CREATE TABLE public.chosen (id int PRIMARY KEY, k public.keyed);
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.add_table('attributes', 'public.key_of');
SELECT dbsync.run_once('attributes') >= 0 AS sent;
ALTER TYPE public.keyed ADD ATTRIBUTE c int;
-- the name alone is no text
ALTER TYPE public.keyed RENAME ATTRIBUTE b TO bb;
INSERT INTO public.key_of VALUES ((1, 2), NULL);
\set tab public.key_of
\i sql/include/same_table.psql
SELECT dbsync.remove_table('attributes', 'public.key_of');
SELECT count(*) FROM dbsync.former_attribute WHERE type = 'public.keyed'::regtype;
SELECT dbsync.add_table('attributes', 'public.chosen', filter => '(k).a > 0');
SELECT dbsync.run_once('attributes') >= 0 AS sent;
ALTER TYPE public.keyed ADD ATTRIBUTE c int;
SELECT dbsync.remove_table('attributes', 'public.chosen');
ALTER TYPE public.keyed ADD ATTRIBUTE c int;
ALTER TABLE public.quiet ADD COLUMN k public.keyed DEFAULT '(1,2,3)';
ALTER TYPE public.keyed ADD ATTRIBUTE d int;
\c :target
ALTER TYPE public.keyed ADD ATTRIBUTE c int;
\c :source
\set SHOW_CONTEXT never
\set tab public.quiet
SELECT dbsync.run_once('attributes') >= 0 AS sent;
\c :target
SELECT * FROM public.quiet ORDER BY id;
\c :source
\set SHOW_CONTEXT never
-- where all that have it are suspended, and copied anew, everything can be done
SELECT dbsync.suspend_table('public.quiet');
ALTER TYPE public.keyed DROP ATTRIBUTE c, ADD ATTRIBUTE d int;
\c :target
ALTER TYPE public.keyed DROP ATTRIBUTE c, ADD ATTRIBUTE d int;
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.copy_table('attributes', 'public.quiet', existing_rows => 'truncate');
SELECT dbsync.run_once('attributes') > 0 AS sent;
SELECT * FROM public.quiet ORDER BY id;
\c :target
SELECT * FROM public.quiet ORDER BY id;
\c :source
\set SHOW_CONTEXT never

-- what the target refuses holds the table, with the statement
\c :target
CREATE TABLE public.typed OF public.pair;
\c :source
\set SHOW_CONTEXT never
INSERT INTO public.waits VALUES (7, NULL, NULL);
ALTER TYPE public.pair ADD ATTRIBUTE r int;
\set VERBOSITY terse
SELECT dbsync.run_once('attributes');
\set VERBOSITY default
SELECT "table", held_for, next_action FROM dbsync.table_status WHERE state = 'held';
\c :target
DROP TABLE public.typed;
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.resume_table('attributes', 'public.waits');
\set tab public.waits
\i sql/include/same_table.psql

-- of tables that nobody has any more nothing is remembered
SET client_min_messages = warning;
SELECT dbsync.drop_subscription('attributes');
SELECT count(*) FROM dbsync.former_attribute;
ALTER TYPE public.pair ADD ATTRIBUTE y int;
SELECT count(*) FROM dbsync.former_attribute;
SELECT dbsync.drop_target('attribute_target');
DROP TABLE public.waits, public.deep, public.keyless, public.quiet, public.key_of, public.chosen;
DROP TYPE public.outer_one, public.keyed;
DROP DOMAIN public.pairing;
DROP TYPE public.pair;
DROP DATABASE :target;

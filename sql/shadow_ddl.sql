-- capture => 'shadow': commands that alter the table.  The shadow follows, or the table is suspended (hazard 72).
\set QUIET on
\i sql/include/target.psql
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
CREATE TABLE public.tab (id int PRIMARY KEY, v text, n numeric(6,2));
CREATE TABLE public.other (id int PRIMARY KEY, v text);
INSERT INTO public.tab SELECT i, 'first', i FROM generate_series(1, 5) i;
INSERT INTO public.other VALUES (1, 'one');
\c :target
CREATE TABLE public.tab (id int PRIMARY KEY, v text, n numeric(6,2));
CREATE TABLE public.other (id int PRIMARY KEY, v text);
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SELECT dbsync.create_target('ddl_target', :'uri');
SELECT dbsync.create_subscription('ddl', 'ddl_target', ddl => 'apply');
SET client_min_messages = warning;
SELECT dbsync.add_table('ddl', 'public.tab', capture => 'shadow', options => '{"scan": "interval 1 hour"}');
SELECT dbsync.add_table('ddl', 'public.other', capture => 'shadow', options => '{"scan": "interval 1 hour"}');
RESET client_min_messages;
SELECT dbsync.run_once('ddl');
\set subscription ddl
\set tab public.tab

\echo what says nothing of values
UPDATE public.tab SET v = 'before' WHERE id = 1;
ALTER TABLE public.tab RENAME COLUMN v TO w;
ALTER TABLE public.tab ALTER COLUMN w SET DEFAULT 'd', ALTER COLUMN w SET NOT NULL;
CREATE INDEX tab_w ON public.tab (w);
COMMENT ON TABLE public.tab IS 'nothing';
UPDATE public.tab SET w = 'behind' WHERE id = 2;
\i sql/include/same_table.psql

\echo columns that come and go
UPDATE public.tab SET w = 'before' WHERE id = 3;
ALTER TABLE public.tab ADD COLUMN plain int, ADD COLUMN filled timestamptz NOT NULL DEFAULT '2020-01-02 03:04:05+00';
DELETE FROM public.tab WHERE id = 4;
\i sql/include/same_table.psql
UPDATE public.tab SET plain = 1 WHERE id = 5;
ALTER TABLE public.tab DROP COLUMN n, ADD COLUMN short varchar(5) DEFAULT 'short';
UPDATE public.tab SET short = 'other' WHERE id = 1;
\i sql/include/same_table.psql
-- nothing but what was written was found
SELECT op, count(*) FROM dbsync.changes('public.tab') GROUP BY op ORDER BY op;
ALTER TABLE public.tab ADD COLUMN late int NOT NULL DEFAULT 7;
\i sql/include/same_table.psql

\echo a length that changes, and values that are written anew
ALTER TABLE public.tab ALTER COLUMN short TYPE varchar(3) USING left(short, 3);
\i sql/include/same_table.psql
\i sql/include/same_table.psql

\echo a column that goes with its type; another index in the place of that of the key
CREATE TYPE public.mood AS ENUM ('good', 'bad');
ALTER TABLE public.tab ADD COLUMN m public.mood;
\c :target
CREATE TYPE public.mood AS ENUM ('good', 'bad');
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
\i sql/include/same_table.psql
SET client_min_messages = warning;
DROP TYPE public.mood CASCADE;
RESET client_min_messages;
REINDEX TABLE CONCURRENTLY public.tab;
UPDATE public.tab SET w = 'by another index' WHERE id = 1;
\i sql/include/same_table.psql

\echo TRUNCATE
TRUNCATE public.tab;
INSERT INTO public.tab (id, filled, short) VALUES (9, now(), 's');
\i sql/include/same_table.psql

\echo what suspends it: another type, another key, values that nobody can tell
ALTER TABLE public.tab ALTER COLUMN plain TYPE bigint;
UPDATE public.tab SET plain = 5000000000;
SELECT "table", state, note FROM dbsync.table_status ORDER BY "table"::text;
UPDATE public.other SET v = 'goes on';
SELECT dbsync.run_once('ddl');
\c :target
SELECT * FROM public.other;
SELECT id, plain FROM public.tab;
ALTER TABLE public.tab ALTER COLUMN plain TYPE bigint;
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SELECT dbsync.copy_table('ddl', 'public.tab');
\i sql/include/same_table.psql
ALTER TABLE public.tab DROP CONSTRAINT tab_pkey, ADD PRIMARY KEY (w, id);
SELECT dbsync.copy_table('ddl', 'public.tab');
INSERT INTO public.tab (id, filled, short) VALUES (10, now(), 's');
\c :target
ALTER TABLE public.tab DROP CONSTRAINT tab_pkey, ADD PRIMARY KEY (w, id);
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
\i sql/include/same_table.psql
ALTER TABLE public.tab ADD COLUMN drawn float8 DEFAULT random();
ALTER TABLE public.tab DROP CONSTRAINT tab_pkey;
SELECT dbsync.copy_table('ddl', 'public.tab');
ALTER TABLE public.tab ADD PRIMARY KEY (id);
\c :target
ALTER TABLE public.tab DROP CONSTRAINT tab_pkey, ADD PRIMARY KEY (id), ADD COLUMN drawn float8 DEFAULT random();
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SELECT dbsync.copy_table('ddl', 'public.tab');
UPDATE public.tab SET drawn = 1.5 WHERE id = 9;
\i sql/include/same_table.psql
ALTER TABLE public.tab ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED;

\echo suspended and copied anew; rolled back
SELECT dbsync.copy_table('ddl', 'public.tab');
SELECT dbsync.run_once('ddl');
BEGIN;
ALTER TABLE public.tab DROP COLUMN drawn;
UPDATE public.tab SET w = 'rolled back';
ROLLBACK;
UPDATE public.tab SET w = 'after all' WHERE id = 9;
SELECT dbsync.run_once('ddl');
\c :target
SELECT id, w FROM public.tab ORDER BY id;
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SELECT dbsync.suspend_table('public.tab');
UPDATE public.tab SET w = 'while suspended' WHERE id = 9;
SELECT dbsync.copy_table('ddl', 'public.tab');
SELECT dbsync.run_once('ddl');
\c :target
SELECT id, w FROM public.tab ORDER BY id;
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never

\echo what it may not become
ALTER TABLE public.tab SET UNLOGGED;
CREATE TABLE public.parent (LIKE public.tab INCLUDING GENERATED) PARTITION BY LIST (id);
ALTER TABLE public.parent ATTACH PARTITION public.tab FOR VALUES IN (9, 10);

\echo a dropped table leaves with its shadow; of what was not compared nobody knows
UPDATE public.other SET v = 'unseen';
DROP TABLE public.other;
SELECT count(*) FROM pg_class WHERE relnamespace = 'dbsync_internal'::regnamespace AND relkind = 'r' AND relname LIKE 'shadow%';
SELECT dbsync.run_once('ddl');
SELECT "table", state FROM dbsync.table_status;
\c :target
SELECT * FROM public.other;
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SELECT dbsync.drop_subscription('ddl');
SELECT dbsync.drop_target('ddl_target');
SELECT count(*) FROM pg_class WHERE relnamespace = 'dbsync_internal'::regnamespace AND relname LIKE 'shadow%';
DROP TABLE public.tab, public.parent;

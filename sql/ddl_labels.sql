-- Labels of enums that get other names: rows that wait are written out by today's, so the target's
-- label is renamed ahead of them, by the worker or by somebody who is told the statement; never is it
-- taken for one that is new.  Review of tables, B5.
\set QUIET on
\i sql/include/target.psql
\set SHOW_CONTEXT never

CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN public.feeling AS public.mood;
CREATE TYPE public.both AS (a public.mood, n int);
CREATE TABLE public.waits (id int PRIMARY KEY, m public.mood, list public.mood[]);
CREATE TABLE public.applies (id int PRIMARY KEY, m public.feeling, pair public.both);
CREATE TABLE public.keyed (m public.mood PRIMARY KEY, n int);
CREATE TABLE public.quiet (id int PRIMARY KEY, n int);
\c :target
CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'happy', 'own');
CREATE TYPE public.both AS (a public.mood, n int);
CREATE TABLE public.waits (id int PRIMARY KEY, m public.mood, list public.mood[]);
CREATE TABLE public.applies (id int PRIMARY KEY, m public.mood, pair public.both);
CREATE TABLE public.keyed (m public.mood PRIMARY KEY, n int);
CREATE TABLE public.quiet (id int PRIMARY KEY, n int);
\c :source
SELECT dbsync.create_target('label_target', :'uri');
SELECT dbsync.create_subscription('labels', 'label_target', tables => ARRAY['public.waits', 'public.keyed', 'public.quiet']);
INSERT INTO public.waits VALUES (1, 'sad', '{ok}'), (2, 'ok', NULL), (3, 'happy', '{sad,ok}');
INSERT INTO public.keyed VALUES ('ok', 1), ('sad', 2);
-- a key that is about to be copied is not given other names
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
ALTER TYPE public.mood RENAME VALUE 'ok' TO 'fine';
SELECT dbsync.run_once('labels');

-- with wait, the table stands still before the first of its rows, whatever they are; others go on
UPDATE public.waits SET m = 'sad' WHERE id = 3;
BEGIN;
ALTER TYPE public.mood RENAME VALUE 'ok' TO 'never';
ROLLBACK;
ALTER TYPE public.mood RENAME VALUE 'ok' TO 'it''s fine';
UPDATE public.waits SET list = '{"it''s fine"}' WHERE id = 1;
INSERT INTO public.quiet VALUES (1, 1);
SELECT dbsync.run_once('labels');
SELECT "table", state, held_for, next_action FROM dbsync.table_status ORDER BY 1;
UPDATE public.keyed SET n = n + 1;
SELECT dbsync.resume_table('labels', 'public.waits');
\set VERBOSITY terse
SELECT dbsync.run_once('labels');
\set VERBOSITY default
SELECT "table", state, next_action FROM dbsync.table_status ORDER BY 1;
\c :target
SELECT * FROM public.waits ORDER BY id;
SELECT * FROM public.quiet;
ALTER TYPE public.mood RENAME VALUE 'ok' TO 'it''s fine';
\c :source
SELECT dbsync.resume_table('labels', "table") FROM dbsync.table_status WHERE state = 'held';
SELECT dbsync.run_once('labels');
\c :target
SELECT * FROM public.waits ORDER BY id;
SELECT * FROM public.keyed ORDER BY m;
\c :source
SELECT "table", state FROM dbsync.table_status ORDER BY 1;
-- target first: nothing stands still
\c :target
ALTER TYPE public.mood RENAME VALUE 'sad' TO 'blue';
\c :source
ALTER TYPE public.mood RENAME VALUE 'sad' TO 'blue';
UPDATE public.waits SET m = 'blue' WHERE id = 2;
SELECT dbsync.run_once('labels');

-- with apply, twice, deep inside of columns, together with one that is new, before and behind
-- another change of the table, and in a column that was added with it
SELECT dbsync.alter_subscription('labels', ddl => 'apply');
SELECT dbsync.add_table('labels', 'public.applies');
INSERT INTO public.applies VALUES (1, 'blue', ('it''s fine', 1)), (2, 'happy', ('blue', 2));
SELECT dbsync.run_once('labels');
UPDATE public.applies SET pair = ('happy', 3) WHERE id = 1;
ALTER TABLE public.applies ADD COLUMN more public.mood DEFAULT 'happy';
UPDATE public.applies SET more = 'blue' WHERE id = 2;
ALTER TYPE public.mood RENAME VALUE 'happy' TO 'glad';
ALTER TYPE public.mood RENAME VALUE 'glad' TO 'merry';
ALTER TYPE public.mood ADD VALUE 'new' BEFORE 'merry';
INSERT INTO public.applies VALUES (3, 'new', ('merry', 1), 'merry');
SELECT dbsync.run_once('labels');
\c :target
SELECT * FROM public.applies ORDER BY id;
SELECT enum_range(NULL::public.mood);
\c :source
SELECT * FROM public.applies ORDER BY id;
SELECT "table", state FROM dbsync.table_status ORDER BY 1;
-- back to the name that it had is a rename like any other
ALTER TYPE public.mood RENAME VALUE 'merry' TO 'happy';
UPDATE public.applies SET m = 'happy' WHERE id = 1;
SELECT dbsync.run_once('labels');
\c :target
SELECT * FROM public.applies ORDER BY id;
SELECT enum_range(NULL::public.mood);
\c :source

-- in a session that reads backslashes in all texts
BEGIN;
SET LOCAL escape_string_warning = off;
SET LOCAL standard_conforming_strings = off;
ALTER TYPE public.mood RENAME VALUE 'happy' TO 'cheerful';
ROLLBACK;

-- what looking cannot tell: a name that another label had
ALTER TYPE public.mood RENAME VALUE 'new' TO 'sad';
ALTER TYPE public.mood ADD VALUE 'sad';
ALTER TYPE public.mood ADD VALUE IF NOT EXISTS 'glad';
BEGIN;
ALTER TYPE public.mood RENAME VALUE 'new' TO 'aside';
ALTER TYPE public.mood RENAME VALUE 'blue' TO 'new';
ROLLBACK;
-- nor what is inside of a value that is written down
ALTER TABLE public.applies ADD COLUMN inside public.both DEFAULT '(blue,1)';
ALTER TYPE public.mood RENAME VALUE 'blue' TO 'grey';
SELECT dbsync.run_once('labels');
-- also where it is quoted there
CREATE TYPE public.odd AS ENUM ('a"b', 'new', 'done');
CREATE TYPE public.odds AS (o public.odd[], n int);
CREATE TABLE public.quoted (id int PRIMARY KEY, o public.odd);
INSERT INTO public.quoted VALUES (1, 'new');
\c :target
CREATE TYPE public.odd AS ENUM ('a"b', 'new', 'open', 'done');
CREATE TYPE public.odds AS (o public.odd[], n int);
CREATE TABLE public.quoted (id int PRIMARY KEY, o public.odd);
\c :source
SELECT dbsync.add_table('labels', 'public.quoted');
SELECT dbsync.run_once('labels');
ALTER TABLE public.quoted ADD COLUMN inside public.odds DEFAULT ROW('{"a\"b"}', 1)::public.odds;
ALTER TYPE public.odd RENAME VALUE 'a"b' TO 'ab';
SELECT dbsync.run_once('labels');

-- a name that another label has at the target, where rows would keep the old one
ALTER TYPE public.odd RENAME VALUE 'new' TO 'open';
INSERT INTO public.quoted VALUES (2, 'open');
\set VERBOSITY terse
SELECT dbsync.run_once('labels');
\set VERBOSITY default
SELECT held_for, next_action FROM dbsync.table_status WHERE state = 'held';
\c :target
UPDATE public.quoted SET o = 'open' WHERE o = 'new';
ALTER TYPE public.odd RENAME VALUE 'new' TO 'not used';
\c :source
SELECT dbsync.resume_table('labels', 'public.quoted');
SELECT dbsync.run_once('labels');
\c :target
SELECT * FROM public.quoted ORDER BY id;
\c :source
SELECT * FROM public.quoted ORDER BY id;
SELECT dbsync.remove_table('labels', 'public.quoted');

-- where all that have it are suspended, and copied anew, names are free
SELECT dbsync.suspend_table('public.waits'), dbsync.suspend_table('public.applies'), dbsync.suspend_table('public.keyed');
ALTER TYPE public.mood RENAME VALUE 'new' TO 'sad';
ALTER TYPE public.mood RENAME VALUE 'blue' TO 'new';
SELECT dbsync.copy_table('labels', t) FROM unnest('{public.waits,public.applies,public.keyed}'::regclass[]) t;
-- the target's labels have the same names, and others' places
\c :target
ALTER TYPE public.mood RENAME VALUE 'new' TO 'aside';
ALTER TYPE public.mood RENAME VALUE 'blue' TO 'new';
ALTER TYPE public.mood RENAME VALUE 'aside' TO 'sad';
\c :source
SELECT dbsync.run_once('labels') > 0 AS sent;
SELECT * FROM public.applies ORDER BY id;
\c :target
SELECT * FROM public.applies ORDER BY id;
\c :source
-- of tables that nobody has any more nothing is remembered
SELECT count(*) > 0 AS some FROM dbsync.former_label;
SET client_min_messages = warning;
SELECT dbsync.drop_subscription('labels');
SELECT count(*) FROM dbsync.former_label;
ALTER TYPE public.mood RENAME VALUE 'new' TO 'blue';
SELECT count(*) FROM dbsync.former_label;
SELECT dbsync.drop_target('label_target');
DROP TABLE public.waits, public.applies, public.keyed, public.quiet, public.quoted;
DROP TYPE public.odds, public.odd;
DROP TYPE public.both, public.feeling, public.mood CASCADE;
DROP DATABASE :target;

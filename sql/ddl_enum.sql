-- Labels that an enum gets at the source: with ddl => 'apply' the target gets them too, else
-- the tables that use them are held, and no other.
\set QUIET on
\i sql/include/target.psql
\set subscription ddl
\set tab public.changing

CREATE TYPE public.mood AS ENUM ('sad', 'ok');
CREATE TABLE public.changing (id int PRIMARY KEY, m public.mood, list public.mood[]);
CREATE TABLE public.quiet (id int PRIMARY KEY, n int);
\c :target
CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'own');
CREATE TABLE public.changing (id int PRIMARY KEY, m public.mood, list public.mood[]);
CREATE TABLE public.quiet (id int PRIMARY KEY, n int);
\c :source
SELECT dbsync.create_target('ddl_target', :'uri');
SELECT dbsync.create_subscription('ddl', 'ddl_target', tables => ARRAY['public.changing', 'public.quiet']);
INSERT INTO public.changing VALUES (1, 'sad', '{ok}');
SELECT dbsync.run_once('ddl');

ALTER TYPE public.mood ADD VALUE 'happy';
ALTER TYPE public.mood ADD VALUE 'it''s "so"' BEFORE 'ok';
ALTER TYPE public.mood ADD VALUE 'first' BEFORE 'sad';
INSERT INTO public.changing VALUES (2, 'happy', '{first}');
INSERT INTO public.quiet VALUES (1, 1);
SELECT dbsync.run_once('ddl');
SELECT "table", state, held_for, next_action FROM dbsync.table_status ORDER BY 1;
\c :target
SELECT id FROM public.changing;
SELECT * FROM public.quiet;
\c :source
SELECT dbsync.alter_subscription('ddl', ddl => 'apply');
\i sql/include/same_table.psql
UPDATE public.changing SET m = 'it''s "so"', list = '{first,happy}';
\i sql/include/same_table.psql
\c :target
SELECT enum_range(NULL::public.mood);
\c :source
SELECT "table", state FROM dbsync.table_status ORDER BY 1;
-- while it runs, and the table is known
ALTER TYPE public.mood ADD VALUE 'last';
UPDATE public.changing SET m = 'last';
\i sql/include/same_table.psql
SELECT dbsync.drop_subscription('ddl');
SELECT dbsync.drop_target('ddl_target');
DROP TABLE public.changing, public.quiet;
DROP TYPE public.mood;

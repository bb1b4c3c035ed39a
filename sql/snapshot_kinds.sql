-- capture => 'snapshot': kinds of relations, keys and selections.
\set QUIET on
\set VERBOSITY default
\i sql/include/target.psql
SET client_min_messages = warning;

CREATE SCHEMA "snap ""shot";
CREATE TYPE "snap ""shot".mood AS ENUM ('glad', 'sad');
CREATE DOMAIN "snap ""shot".small AS int CHECK (VALUE < 1000);
CREATE TYPE "snap ""shot".pair AS (a int, b text);
CREATE TABLE "snap ""shot"."odd "" name" ("select" text COLLATE "C", "n ""1" numeric, u uuid, m "snap ""shot".mood, d "snap ""shot".small, c char(5), p "snap ""shot".pair,
    r int4range, "long" text, g int GENERATED ALWAYS AS (1) STORED);
INSERT INTO "snap ""shot"."odd "" name" SELECT 'key "' || i, i / 3.0, md5(i::text)::uuid, (CASE WHEN i % 2 = 0 THEN 'glad' ELSE 'sad' END)::"snap ""shot".mood, i, 'c' || i, ROW(i, 'b,"' || i)::"snap ""shot".pair,
    int4range(i, i + 1), repeat('x', i * 50) FROM generate_series(1, 300) i;
CREATE UNLOGGED TABLE public.unlogged (id int PRIMARY KEY, v text);
INSERT INTO public.unlogged VALUES (1, 'one'), (2, 'two');
CREATE TABLE public.parent (id int PRIMARY KEY, v text);
CREATE TABLE public.child (more int) INHERITS (public.parent);
INSERT INTO public.parent VALUES (1, 'parent');
INSERT INTO public.child VALUES (2, 'child', 3);
CREATE TABLE public.far_away (id int PRIMARY KEY, v text);
INSERT INTO public.far_away SELECT i, 'far ' || i FROM generate_series(1, 20) i;
CREATE EXTENSION postgres_fdw;
\set ECHO none
SELECT format('CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)',
    split_part(current_setting('unix_socket_directories'), ', ', 1), current_setting('port'), current_database()) \gexec
\set ECHO all
CREATE USER MAPPING FOR CURRENT_USER SERVER loop;
CREATE FOREIGN TABLE public.reached (id int, v text) SERVER loop OPTIONS (schema_name 'public', table_name 'far_away');
CREATE MATERIALIZED VIEW public.later AS SELECT id, v FROM public.far_away WITH NO DATA;
CREATE VIEW public.chosen AS SELECT id, v, id % 3 AS third FROM public.far_away;
CREATE SEQUENCE public.taken;
CREATE VIEW public.writes AS SELECT id, nextval('public.taken') AS n FROM public.far_away;
CREATE TABLE public.kept (id int PRIMARY KEY, v text);
INSERT INTO public.kept VALUES (1, 'source'), (2, 'source');
CREATE TABLE public.added (id int PRIMARY KEY, v text);
INSERT INTO public.added VALUES (1, 'source'), (2, 'source');
CREATE VIEW public.none AS SELECT 1 AS id, 'x' AS v WHERE false;
\c :target
SET client_min_messages = warning;
CREATE SCHEMA "snap ""shot";
CREATE TABLE "snap ""shot"."odd "" name" ("select" text, "n ""1" numeric, u uuid, m text, d int, c char(5), p text, r int4range, "long" text, PRIMARY KEY ("select", "n ""1"));
CREATE TABLE public.unlogged (id int PRIMARY KEY, v text);
CREATE TABLE public.parent (id int PRIMARY KEY, v text);
CREATE TABLE public.reached (id int PRIMARY KEY, v text);
CREATE TABLE public.later (id int PRIMARY KEY, v text);
CREATE TABLE public.selected (ident int PRIMARY KEY, upper text);
CREATE TABLE public.writes (id int PRIMARY KEY, n bigint);
CREATE TABLE public.kept (id int PRIMARY KEY, v text);
INSERT INTO public.kept VALUES (2, 'target'), (3, 'target');
CREATE TABLE public.added (id int PRIMARY KEY, v text);
CREATE TABLE public.none (id int PRIMARY KEY, v text);
\c :source
SET client_min_messages = warning;
SELECT dbsync.create_target('kinds', :'uri');
SELECT dbsync.create_subscription('kinds', 'kinds');
CREATE FUNCTION pg_temp.add(rel regclass, key name[] DEFAULT NULL, existing_rows text DEFAULT NULL, operations text[] DEFAULT NULL) RETURNS void LANGUAGE sql
    AS $$ SELECT dbsync.add_table('kinds', rel, key => key, capture => 'snapshot', existing_rows => existing_rows, operations => operations) $$;
SELECT pg_temp.add('"snap ""shot"."odd "" name"', '{select,"n \"1"}');
SELECT pg_temp.add('public.unlogged');
SELECT pg_temp.add('public.parent');
SELECT pg_temp.add('public.reached', '{id}');
SELECT pg_temp.add('public.kept', existing_rows => 'keep');
SELECT pg_temp.add('public.added', operations => '{insert,update}');
SELECT pg_temp.add('public.none', '{id}');
SELECT dbsync.add_table('kinds', 'public.chosen', target_table => 'selected', key => '{id}', columns => '{id AS ident,upper(v) AS upper}', filter => 'third <> 0', capture => 'snapshot');
SELECT dbsync.run_once('kinds') > 0 AS sent;
SELECT "table", verdict, rows_here, rows_there, missing, extra, different, kept, note FROM dbsync.verify('kinds');

UPDATE "snap ""shot"."odd "" name" SET m = 'glad', p = ROW(0, NULL)::"snap ""shot".pair, "long" = "long" || 'y' WHERE d % 10 = 0;
UPDATE "snap ""shot"."odd "" name" SET "n ""1" = 1000 + "n ""1" WHERE d % 10 = 1;
DELETE FROM "snap ""shot"."odd "" name" WHERE d % 10 = 2;
UPDATE public.parent SET v = v || '!';
UPDATE public.far_away SET v = 'new ' || id WHERE id < 5;
DELETE FROM public.far_away WHERE id = 10;
DELETE FROM public.added WHERE id = 1;
DELETE FROM public.kept WHERE id = 1;
\c :target
UPDATE public.kept SET v = 'theirs';
DELETE FROM public.unlogged WHERE id = 1;
\c :source
SET client_min_messages = warning;
SELECT dbsync.run_once('kinds') AS sent;
SELECT "table", verdict, rows_here, rows_there, missing, extra, different, kept, note FROM dbsync.verify('kinds');
SELECT verdict, note FROM dbsync.verify('kinds', 'public.kept', repair => true);
\c :target
SELECT * FROM public.kept ORDER BY id;
SELECT * FROM public.added ORDER BY id;
SELECT * FROM public.selected ORDER BY ident LIMIT 4;
SELECT * FROM public.parent ORDER BY id;
UPDATE public.kept SET v = 'theirs' WHERE id = 2;
UPDATE public.selected SET upper = 'x' WHERE ident = 2;
\c :source
SET client_min_messages = warning;
SELECT verdict, different, note FROM dbsync.verify('kinds', 'public.chosen', repair => true);
SELECT dbsync.run_once('kinds') AS sent;

-- what shows other keys each time
CREATE VIEW public.shuffled AS SELECT gen_random_uuid() AS id, i AS v FROM generate_series(1, 20) i;
\c :target
CREATE TABLE public.shuffled (id uuid PRIMARY KEY, v int);
\c :source
SET client_min_messages = warning;
SELECT dbsync.add_table('kinds', 'public.shuffled', key => '{id}', capture => 'snapshot');
SELECT dbsync.run_once('kinds') > 0 AS sent;
SELECT "table", substring(note from '[0-9]+ of the.*') FROM dbsync.table_status WHERE subscription = 'kinds' AND note ~ 'gone';
SELECT dbsync.remove_table('kinds', 'public.shuffled');
DROP VIEW public.shuffled;

-- what cannot be read, for now or at all
CREATE FUNCTION pg_temp.add(rel regclass, key name[] DEFAULT NULL) RETURNS void LANGUAGE sql
    AS $$ SELECT dbsync.add_table('kinds', rel, key => key, capture => 'snapshot') $$;
SELECT pg_temp.add('public.later', '{id}');
SELECT dbsync.run_once('kinds');
REFRESH MATERIALIZED VIEW public.later;
SELECT dbsync.run_once('kinds') AS sent;
SELECT pg_temp.add('public.writes', '{id}');
SELECT dbsync.run_once('kinds');
SELECT dbsync.remove_table('kinds', 'public.writes');
SELECT is_called FROM public.taken;

-- in a configuration: what is there is what it says; another option is another way to have the table
SELECT * FROM dbsync.load_config(dbsync.dump_config(), dry_run => true);
SELECT action, statement FROM dbsync.load_config(replace(dbsync.dump_config(), E'public.unlogged]\ncapture = snapshot\n', E'public.unlogged]\ncapture = snapshot\noptions.scan = interval 1 hour\n'), dry_run => true);
SELECT * FROM dbsync.load_config(replace(dbsync.dump_config(), E'public.unlogged]\ncapture = snapshot\n', E'public.unlogged]\ncapture = snapshot\noptions.colour = red\n'), dry_run => true);

SELECT dbsync.drop_subscription('kinds');
SELECT dbsync.drop_target('kinds');
DROP EXTENSION postgres_fdw CASCADE;
DROP SCHEMA "snap ""shot" CASCADE;
DROP VIEW public.chosen, public.writes, public.none;
DROP MATERIALIZED VIEW public.later;
DROP TABLE public.child, public.parent, public.unlogged, public.far_away, public.kept, public.added;
DROP SEQUENCE public.taken;

-- The owner of a subscription, no superuser, tries to get more than his rights through what he chooses of somebody's table; and
-- row security, of the table that is sent and of those that are looked into.
\set QUIET on
\i sql/include/target.psql
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_dbsync_has, regress_dbsync_sends, regress_dbsync_passes;
CREATE ROLE regress_dbsync_has;
CREATE ROLE regress_dbsync_sends;
CREATE ROLE regress_dbsync_passes BYPASSRLS;
GRANT USAGE ON SCHEMA dbsync TO regress_dbsync_sends, regress_dbsync_has;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO regress_dbsync_sends, regress_dbsync_has;
GRANT SELECT ON dbsync.selections, dbsync.table_status TO regress_dbsync_sends, regress_dbsync_has;
GRANT CREATE ON SCHEMA public TO regress_dbsync_has, regress_dbsync_sends;
CREATE SCHEMA sends AUTHORIZATION regress_dbsync_sends;
CREATE TABLE public.secret (v text);
INSERT INTO public.secret VALUES ('secret');
CREATE TABLE public.tried (as_role name, place text, what text, came_of text);
GRANT INSERT ON public.tried TO public;
-- everything that is tried is written down, as whoever it is, and whether in the session or in the worker
CREATE FUNCTION public.try(what text, command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    came_of text := 'it was done';
BEGIN
    BEGIN
        EXECUTE command;
    EXCEPTION WHEN OTHERS THEN
        came_of := SQLSTATE;
    END;
    INSERT INTO public.tried
    SELECT current_user, CASE WHEN current_setting('application_name') LIKE 'pg_regress%' THEN 'session' ELSE 'worker' END, what, came_of;
    RETURN what;
END $$;
SET ROLE regress_dbsync_has;
CREATE TABLE public.had (id int PRIMARY KEY, v varchar(20), large text);
ALTER TABLE public.had ALTER large SET STORAGE EXTERNAL;
INSERT INTO public.had SELECT i, 'v' || i, repeat('l', 3000) FROM generate_series(1, 4) i;
CREATE TABLE public.private (id int, v text);
INSERT INTO public.private SELECT i, 'private ' || i FROM generate_series(1, 9) i;
GRANT SELECT, TRIGGER ON public.had TO regress_dbsync_sends;
SET ROLE regress_dbsync_sends;
CREATE TABLE public.own (id int, v text);
INSERT INTO public.own SELECT i, 'own ' || i FROM generate_series(1, 9) i;
-- he says that it is immutable
CREATE FUNCTION sends.attack() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM public.try('superuser', 'ALTER ROLE regress_dbsync_sends SUPERUSER'),
        public.try('membership', 'GRANT regress_dbsync_has TO regress_dbsync_sends'),
        public.try('secret', 'SELECT v FROM public.secret'),
        public.try('table owner''s', 'SELECT v FROM public.private'),
        public.try('write table', 'UPDATE public.had SET v = ''written'''),
        public.try('own table', 'UPDATE public.own SET v = v'),
        public.try('segment', 'SELECT FROM dbsync.segment'),
        public.try('rows of a segment', 'SELECT FROM dbsync_internal.segment_2'),
        public.try('write header', 'DELETE FROM dbsync_internal.header_1'),
        public.try('internal function', 'SELECT dbsync_internal.lock_by_oid(0, '''', '''')'),
        public.try('catalog', 'UPDATE dbsync.captured_table SET state = ''suspended'''),
        public.try('selection', 'UPDATE dbsync.subscription_table SET selection = NULL'),
        public.try('anchor', (SELECT format('ALTER FUNCTION %s OWNER TO regress_dbsync_has', p.oid::regprocedure) FROM pg_proc p
            WHERE p.proname LIKE 'subscription\_%' AND p.pronamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'dbsync_internal') LIMIT 1)),
        public.try('mapping', 'SELECT umoptions FROM pg_user_mapping'),
        public.try('set role to table owner', 'SET ROLE regress_dbsync_has'),
        public.try('set role to session', 'SET ROLE ' || quote_ident(session_user)),
        public.try('set_config role', 'SELECT set_config(''role'', ' || quote_literal(session_user) || ', true)'),
        public.try('reset role', 'RESET ROLE'),
        public.try('reset all', 'RESET ALL'),
        public.try('set session', 'SET SESSION AUTHORIZATION ' || quote_ident(session_user)),
        public.try('temporary table', 'CREATE TEMP TABLE dbsync_row (id int)'),
        public.try('temporary view', 'CREATE TEMP VIEW pg_class AS SELECT 1 AS a'),
        public.try('temporary function', 'CREATE FUNCTION pg_temp.lower(text) RETURNS text LANGUAGE sql AS ''SELECT $1'''),
        public.try('temporary type', 'CREATE TYPE pg_temp.int4 AS ENUM (''a'')'),
        public.try('into pg_catalog', 'CREATE FUNCTION pg_catalog.planted() RETURNS int LANGUAGE sql AS ''SELECT 1'''),
        public.try('into dbsync', 'CREATE FUNCTION dbsync.planted() RETURNS int LANGUAGE sql AS ''SELECT 1'''),
        public.try('prepare', 'PREPARE planted AS SELECT 1'),
        public.try('listen', 'LISTEN planted'),
        public.try('cursor', 'DECLARE planted CURSOR WITH HOLD FOR SELECT 1'),
        public.try('deferred trigger', 'SET CONSTRAINTS ALL IMMEDIATE'),
        public.try('session replication role', 'SET session_replication_role = replica'),
        public.try('origin', 'SET dbsync.origin = ''1:1'''),
        public.try('program', 'COPY (SELECT 1) TO PROGRAM ''true'''),
        public.try('file', 'SELECT pg_read_file(''PG_VERSION'')'),
        public.try('end of the process', 'SELECT pg_terminate_backend(pg_backend_pid())'),
        public.try('path', 'SET search_path = sends, public, pg_catalog'),
        public.try('row security', 'SET row_security = on'),
        public.try('style', 'SET DateStyle = ''SQL, DMY''');
    RETURN current_user || ' ' || current_setting('search_path') || ' ' || current_setting('is_superuser');
END $$;
CREATE FUNCTION sends.mild(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
-- a better match than the system's, where somebody's path may lead
CREATE FUNCTION public.upper(varchar) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN current_user; END$$;
RESET ROLE;
\c :target
CREATE TABLE public.had (id int PRIMARY KEY, v text, large text, who text, upper text, own text);
\c :source
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SELECT dbsync.create_target('owner_target', :'uri');
SELECT dbsync.create_subscription('owned', 'owner_target');
SELECT format('dbsync_internal.subscription_%s()', id)::regprocedure AS anchor FROM dbsync.subscription WHERE name = 'owned' \gset
GRANT USAGE ON FOREIGN SERVER owner_target TO regress_dbsync_sends;
DO $$ BEGIN EXECUTE format('CREATE USER MAPPING FOR regress_dbsync_sends SERVER owner_target OPTIONS (user %L, password_required %L)', current_user, 'false'); END $$;
ALTER FUNCTION :anchor OWNER TO regress_dbsync_sends;
-- what he cannot read himself he cannot have sent
SET ROLE regress_dbsync_sends;
SELECT dbsync.add_table('owned', 'public.had', columns => '{id,"(SELECT max(s.v) FROM public.secret s) AS who"}');
SELECT dbsync.add_table('owned', 'public.had', columns => '{id}', filter => 'id IN (SELECT p.id FROM public.private p)');
SELECT dbsync.add_table('owned', 'public.had', columns => '{id}', filter => 'EXISTS (SELECT FROM dbsync_internal.segment_2)');
SELECT dbsync.add_table('owned', 'public.had', columns => '{id,"(SELECT max(m.umoptions::text) FROM pg_user_mapping m) AS who"}');
SELECT dbsync.add_table('owned', 'public.had', columns => '{id,"pg_read_file(''PG_VERSION'') AS who"}');
-- the table is found by his right to it, not by its name alone
SELECT dbsync.add_table('owned', 'public.private', columns => '{id}');
SELECT dbsync.add_table('owned', 'public.had', columns => '{id,"sends.mild(v) AS v","sends.attack() AS who","upper(v) AS upper","(SELECT o.v FROM own o WHERE o.id = had.id) AS own"}',
    filter => $$sends.attack() <> '' AND length(large) > 0$$);
SELECT runs_as FROM dbsync.selections;
-- code that runs as it is defined does not say where the next entry's names lead
CREATE FUNCTION sends.leads() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN set_config('search_path', 'sends', false); END$$;
CREATE FUNCTION sends.led(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION public.led(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
SELECT dbsync.remove_table('owned', 'public.had');
SELECT dbsync.add_table('owned', 'public.had', columns => '{id,"sends.leads() AS who","led(v) AS upper"}', filter => $$led(sends.leads()) IS NOT NULL$$);
SELECT columns, filter FROM dbsync.selections;
SELECT dbsync.alter_table('owned', 'public.had', columns => '{id,"sends.mild(v) AS v","sends.attack() AS who","upper(v) AS upper","(SELECT o.v FROM own o WHERE o.id = had.id) AS own"}',
    filter => $$sends.attack() <> '' AND length(large) > 0$$);
RESET ROLE;
RESET client_min_messages;
SELECT dbsync.run_once('owned');
-- a function that was mild, and another right
SET ROLE regress_dbsync_sends;
CREATE OR REPLACE FUNCTION sends.mild(text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM sends.attack(), set_config('search_path', 'sends', false), set_config('DateStyle', 'SQL, DMY', false);
    RETURN $1;
END $$;
SET ROLE regress_dbsync_has;
UPDATE public.had SET v = 'changed' WHERE id < 3;
INSERT INTO public.had VALUES (5, 'five', 'l');
DELETE FROM public.had WHERE id = 4;
RESET ROLE;
SELECT dbsync.run_once('owned') > 0 AS sent;
-- what is SET is undone behind each row; a function in pg_temp is found by no name that does not say so
-- (some majors let him make a type of his own there, which nothing that was chosen finds)
SELECT as_role, place, what, came_of FROM public.tried WHERE what <> 'temporary type' GROUP BY 1, 2, 3, 4 ORDER BY what COLLATE "C", place, 4;
SELECT rolname FROM pg_roles WHERE rolname LIKE 'regress_dbsync%' AND (rolsuper OR pg_has_role(oid, 'regress_dbsync_has', 'MEMBER')) ORDER BY 1;
SELECT DISTINCT v FROM public.had ORDER BY 1;
\c :target
SELECT id, v, length(large) AS large, who, upper, own FROM public.had ORDER BY id;
\c :source
\set SHOW_CONTEXT never
-- who may act as the table's owner by now is the table's owner, in what he chooses
GRANT regress_dbsync_has TO regress_dbsync_sends;
SELECT runs_as FROM dbsync.selections;
SET ROLE regress_dbsync_sends;
SELECT dbsync.alter_table('owned', 'public.had', columns => '{id,"(SELECT p.v FROM private p WHERE p.id = had.id) AS own"}', filter => '');
RESET ROLE;
SELECT dbsync.run_once('owned');
REVOKE regress_dbsync_has FROM regress_dbsync_sends;
UPDATE public.had SET v = v WHERE id = 1;
SELECT dbsync.run_once('owned');
SELECT state, held_for FROM dbsync.table_status;
SELECT runs_as FROM dbsync.selections;
-- with the right of his own it goes on
SET client_min_messages = warning;
GRANT SELECT ON public.private TO regress_dbsync_sends;
SELECT dbsync.resume_table('owned', 'public.had');
SELECT dbsync.run_once('owned');
\c :target
SELECT id, who, own FROM public.had ORDER BY id;
\c :source
\set SHOW_CONTEXT never
SET client_min_messages = warning;

-- row security of the table itself: it is not sent in part, and not as if there were none
ALTER TABLE public.had ENABLE ROW LEVEL SECURITY;
CREATE POLICY half ON public.had USING (id < 3);
UPDATE public.had SET v = 'policy' WHERE id IN (1, 3);
SELECT dbsync.run_once('owned');
SELECT state, note FROM dbsync.table_status;
SET ROLE regress_dbsync_sends;
SELECT dbsync.alter_table('owned', 'public.had', columns => '{id,v}');
RESET ROLE;
ALTER TABLE public.had DISABLE ROW LEVEL SECURITY;
SELECT dbsync.copy_table('owned', 'public.had', existing_rows => 'truncate');
SELECT dbsync.run_once('owned');
SELECT dbsync.drop_subscription('owned');
-- of the subscription of one who may pass it by, run as the owner, whom it is forced upon: rows are given, not read
SELECT dbsync.create_subscription('owned', 'owner_target');
ALTER TABLE public.had ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT dbsync.add_table('owned', 'public.had', columns => '{id,v,large}', filter => $$left(large, 1) = 'l' AND id <> 2$$, existing_rows => 'truncate');
SELECT runs_as FROM dbsync.selections;
SELECT dbsync.run_once('owned');
UPDATE public.had SET v = 'forced';
SELECT dbsync.run_once('owned');
\c :target
SELECT id, v FROM public.had ORDER BY id;
\c :source
\set SHOW_CONTEXT never
SET client_min_messages = warning;
-- looked into, it is a table like others: by its owner, upon whom it is forced; by name, and by a view of his, or of one who passes it by
SELECT dbsync.alter_table('owned', 'public.had', columns => '{id,"(SELECT count(h.id) FROM had h) AS who"}', filter => '');
ALTER TABLE public.had NO FORCE ROW LEVEL SECURITY;
SELECT dbsync.alter_table('owned', 'public.had', columns => '{id,"(SELECT count(h.id) FROM had h) AS who"}', filter => '');
SELECT dbsync.run_once('owned');
ALTER TABLE public.had FORCE ROW LEVEL SECURITY;
UPDATE public.had SET v = 'held' WHERE id = 1;
SELECT dbsync.run_once('owned');
SELECT state, held_for FROM dbsync.table_status;
CREATE VIEW public.of_owner AS SELECT id FROM public.had;
ALTER VIEW public.of_owner OWNER TO regress_dbsync_has;
CREATE VIEW public.of_passes AS SELECT id FROM public.had;
ALTER VIEW public.of_passes OWNER TO regress_dbsync_passes;
GRANT SELECT ON public.had TO regress_dbsync_passes;
GRANT SELECT ON public.of_passes TO regress_dbsync_has;
SELECT dbsync.alter_table('owned', 'public.had', columns => '{id,"(SELECT count(h.id) FROM of_owner h) AS who"}');
SELECT dbsync.alter_table('owned', 'public.had', columns => '{id,"(SELECT count(h.id) FROM of_passes h) AS who"}');
SELECT dbsync.run_once('owned');
-- the session's own word for it does not count
SET row_security = off;
SELECT dbsync.alter_table('owned', 'public.had', columns => '{id,"(SELECT count(h.id) FROM had h) AS who"}');
SET row_security = on;
\c :target
SELECT id, who FROM public.had ORDER BY id;
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.drop_subscription('owned');
SELECT dbsync.drop_target('owner_target');
SET client_min_messages = warning;
DROP VIEW public.of_owner, public.of_passes;
DROP OWNED BY regress_dbsync_has, regress_dbsync_sends, regress_dbsync_passes CASCADE;
DROP TABLE public.tried, public.secret;
DROP FUNCTION public.try;
DROP ROLE regress_dbsync_has, regress_dbsync_sends, regress_dbsync_passes;
DROP DATABASE :target;

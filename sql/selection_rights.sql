-- As whom expressions and filters of a selection run, and what they cannot do.  A hostile owner has his table sent by a
-- superuser; a user sends a table that is not his.
\set QUIET on
\i sql/include/target.psql
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_dbsync_hostile, regress_dbsync_user, regress_dbsync_both;
CREATE ROLE regress_dbsync_hostile;
CREATE ROLE regress_dbsync_user;
CREATE ROLE regress_dbsync_both IN ROLE regress_dbsync_hostile;
GRANT USAGE ON SCHEMA dbsync TO regress_dbsync_user, regress_dbsync_both;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO regress_dbsync_user, regress_dbsync_both;
GRANT SELECT ON dbsync.selections, dbsync.table_status TO regress_dbsync_user, regress_dbsync_both;
CREATE SCHEMA hostile AUTHORIZATION regress_dbsync_hostile;
GRANT CREATE ON SCHEMA public TO regress_dbsync_hostile;
CREATE TABLE public.secret (v text);
INSERT INTO public.secret VALUES ('secret');
-- everything that is tried is written down, as whoever it is
CREATE TABLE public.tried (as_role name, what text, came_of text);
GRANT INSERT ON public.tried TO public;
CREATE FUNCTION public.try(what text, command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    came_of text := 'it was done';
BEGIN
    BEGIN
        EXECUTE command;
    EXCEPTION WHEN OTHERS THEN
        came_of := SQLSTATE;
    END;
    INSERT INTO public.tried VALUES (current_user, what, came_of);
    RETURN what;
END $$;
SET ROLE regress_dbsync_hostile;
-- he says that it is immutable
CREATE FUNCTION hostile.attack() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM public.try('superuser', 'ALTER ROLE regress_dbsync_hostile SUPERUSER'),
        public.try('secret', 'SELECT v FROM public.secret'),
        public.try('segment', 'SELECT FROM dbsync.segment'),
        public.try('header', 'SELECT FROM dbsync_internal.header_1'),
        public.try('set role', 'SET ROLE ' || quote_ident(session_user)),
        public.try('reset role', 'RESET ROLE'),
        public.try('set session', 'SET SESSION AUTHORIZATION ' || quote_ident(session_user)),
        public.try('temporary table', 'CREATE TEMP TABLE planted (a int)'),
        public.try('temporary function', 'CREATE FUNCTION pg_temp.text_ops(text) RETURNS text LANGUAGE sql AS ''SELECT $1'''),
        public.try('prepare', 'PREPARE planted AS SELECT 1'),
        public.try('listen', 'LISTEN planted'),
        public.try('cursor', 'DECLARE planted CURSOR WITH HOLD FOR SELECT 1'),
        public.try('session replication role', 'SET session_replication_role = replica'),
        public.try('position', 'UPDATE dbsync.subscription_table SET state = ''live'''),
        public.try('path', 'SET search_path = hostile, public, pg_catalog'),
        public.try('style', 'SET DateStyle = ''SQL, DMY''');
    RETURN current_user || ' ' || current_setting('search_path') || ' ' || current_setting('is_superuser');
END $$;
CREATE FUNCTION hostile.eq(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM hostile.attack(); RETURN true; END$$;
CREATE OPERATOR hostile.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.eq);
CREATE DOMAIN hostile.dom AS text CHECK (hostile.attack() IS NOT NULL);
CREATE FUNCTION hostile.to_kind(text) RETURNS hostile.dom LANGUAGE sql IMMUTABLE AS 'SELECT $1::hostile.dom';
CREATE TABLE public.his (id int PRIMARY KEY, v text, born date);
INSERT INTO public.his VALUES (1, 'one', '2020-02-01');
-- a name that somebody else may mean
CREATE FUNCTION hostile.lower(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM hostile.attack(); RETURN 'caught'; END$$;
RESET ROLE;
\c :target
CREATE TABLE public.his (id int PRIMARY KEY, v text, who text, born text);
\c :source
SET client_min_messages = warning;
SELECT dbsync.create_target('rights_target', :'uri');
SELECT dbsync.create_subscription('rights', 'rights_target');
-- already as it is defined code runs, and not as the superuser who calls
SELECT dbsync.add_table('rights', 'public.his', columns => '{id,"hostile.to_kind(v) AS v","hostile.attack() AS who",born}',
    filter => $$v OPERATOR(hostile.===) 'x' AND 'constant'::hostile.dom <> ''$$);
SELECT runs_as FROM dbsync.selections;
RESET client_min_messages;
SELECT dbsync.run_once('rights');
SET ROLE regress_dbsync_hostile;
INSERT INTO public.his VALUES (2, 'two', '2020-02-02');
UPDATE public.his SET v = 'zwei' WHERE id = 2;
RESET ROLE;
SELECT dbsync.run_once('rights');
SELECT as_role, what, came_of FROM public.tried GROUP BY 1, 2, 3 ORDER BY what COLLATE "C", 1, 3;
SELECT rolsuper FROM pg_roles WHERE rolname = 'regress_dbsync_hostile';
\c :target
SELECT * FROM public.his ORDER BY id;
\c :source

-- functions that are replaced later by others that do not say so
TRUNCATE public.tried;
SET ROLE regress_dbsync_hostile;
CREATE OR REPLACE FUNCTION hostile.to_kind(text) RETURNS hostile.dom LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM set_config('search_path', 'hostile', false), set_config('DateStyle', 'SQL, DMY', false);
    INSERT INTO public.tried VALUES (current_user, 'volatile', '');
    RETURN $1;
END $$;
INSERT INTO public.his VALUES (3, 'three', '2020-02-03');
RESET ROLE;
SELECT dbsync.run_once('rights');
SELECT state, held_for FROM dbsync.table_status;
SELECT DISTINCT as_role, what FROM public.tried WHERE what = 'volatile';
\c :target
SELECT id, v, born FROM public.his ORDER BY id;
\c :source
\set SHOW_CONTEXT never
-- rights that are taken away hold the table
SET client_min_messages = warning;
CREATE FUNCTION public.who(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN current_user; END$$;
REVOKE EXECUTE ON FUNCTION public.who(text) FROM public;
CREATE TABLE public.allowed (id int, v text);
INSERT INTO public.allowed VALUES (1), (2), (3), (4), (5);
RESET client_min_messages;
SELECT dbsync.alter_table('rights', 'public.his', columns => '{id,"public.who(v) AS who"}', filter => '');
SELECT dbsync.alter_table('rights', 'public.his', columns => '{id,v}', filter => 'id IN (SELECT id FROM allowed)');
GRANT EXECUTE ON FUNCTION public.who(text) TO regress_dbsync_hostile;
GRANT SELECT ON public.allowed TO regress_dbsync_hostile;
SELECT dbsync.alter_table('rights', 'public.his', columns => '{id,"public.who(v) AS who"}', filter => 'id IN (SELECT id FROM allowed)');
SELECT dbsync.run_once('rights');
REVOKE SELECT ON public.allowed FROM regress_dbsync_hostile;
INSERT INTO public.his VALUES (4, 'four');
SELECT dbsync.run_once('rights');
SELECT state, held_for, next_action FROM dbsync.table_status;
GRANT SELECT ON public.allowed TO regress_dbsync_hostile;
REVOKE EXECUTE ON FUNCTION public.who(text) FROM regress_dbsync_hostile;
SELECT dbsync.resume_table('rights', 'public.his');
SELECT dbsync.run_once('rights');
SELECT state, held_for FROM dbsync.table_status;
GRANT EXECUTE ON FUNCTION public.who(text) TO regress_dbsync_hostile;
SELECT dbsync.resume_table('rights', 'public.his');
SELECT dbsync.run_once('rights');
-- row security is neither passed by nor obeyed in silence
ALTER TABLE public.allowed ENABLE ROW LEVEL SECURITY;
CREATE POLICY half ON public.allowed USING (id < 2);
INSERT INTO public.his VALUES (5, 'five');
SELECT dbsync.run_once('rights');
SELECT state, held_for FROM dbsync.table_status;
-- nor is it taken for what it shows when something is chosen
SELECT dbsync.alter_table('rights', 'public.his', columns => '{id}', filter => 'id IN (SELECT id FROM allowed)');
SELECT dbsync.alter_table('rights', 'public.his', columns => '{id,"(SELECT max(a.v) FROM allowed a) AS who"}');
ALTER TABLE public.allowed DISABLE ROW LEVEL SECURITY;
SELECT dbsync.resume_table('rights', 'public.his');
SELECT dbsync.run_once('rights');
\c :target
SELECT id, who FROM public.his ORDER BY id;
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.drop_subscription('rights');

-- the subscription of one who may not act as the owner: as himself, with his rights
SET client_min_messages = warning;
SET ROLE regress_dbsync_hostile;
GRANT SELECT ON public.his TO regress_dbsync_user;
GRANT USAGE ON SCHEMA hostile TO regress_dbsync_user;
CREATE TABLE public.looked (id int, v text);
INSERT INTO public.looked VALUES (1, 'one'), (2, 'two'), (3, 'three');
GRANT SELECT ON public.looked TO regress_dbsync_user;
RESET ROLE;
GRANT EXECUTE ON FUNCTION public.who(text) TO regress_dbsync_user;
SELECT dbsync.create_subscription('rights', 'rights_target');
RESET client_min_messages;
-- whoever owns the subscription, not who calls
SELECT format('dbsync_internal.subscription_%s()', id)::regprocedure AS anchor FROM dbsync.subscription WHERE name = 'rights' \gset
GRANT USAGE ON FOREIGN SERVER rights_target TO regress_dbsync_user;
CREATE USER MAPPING FOR regress_dbsync_user SERVER rights_target OPTIONS (user 'nobody', password 'x');
GRANT SELECT, TRIGGER ON public.his TO regress_dbsync_user;
GRANT USAGE ON SCHEMA public TO regress_dbsync_user;
ALTER FUNCTION :anchor OWNER TO regress_dbsync_user;
SET ROLE regress_dbsync_user;
SELECT dbsync.add_table('rights', 'public.his', columns => '{id,v,"(SELECT max(s.v) FROM public.secret s) AS who"}');
SELECT dbsync.add_table('rights', 'public.his', columns => '{id,v,"public.who(v) AS who"}', filter => 'id IN (SELECT id FROM looked)');
SELECT filter, runs_as FROM dbsync.selections;
RESET ROLE;
REVOKE SELECT ON public.looked FROM regress_dbsync_user;
REVOKE EXECUTE ON FUNCTION public.who(text) FROM regress_dbsync_user;
SET ROLE regress_dbsync_user;
SELECT dbsync.alter_table('rights', 'public.his', filter => 'id IN (SELECT id FROM looked) AND id > 0');
SELECT dbsync.alter_table('rights', 'public.his', columns => '{id,v}');
SELECT dbsync.alter_table('rights', 'public.his', filter => '', columns => '{id,"public.who(v) AS who"}');
SELECT dbsync.alter_table('rights', 'public.his', filter => $$hostile.attack() <> ''$$, columns => '{id,v}');
RESET ROLE;
-- he has asked for it himself, and has it with his own rights
SELECT as_role, what, came_of FROM public.tried WHERE as_role <> 'regress_dbsync_hostile' AND what IN ('superuser', 'secret', 'set role') GROUP BY 1, 2, 3 ORDER BY what COLLATE "C", 1, 3;
-- only who may act as the owner changes it
SET ROLE regress_dbsync_both;
SELECT dbsync.alter_table('rights', 'public.his', columns => '{id,v}');
RESET ROLE;
-- by whom the table belongs to by now
SELECT runs_as FROM dbsync.selections;
GRANT regress_dbsync_hostile TO regress_dbsync_user;
SELECT runs_as FROM dbsync.selections;
SELECT rolname FROM pg_roles WHERE rolname LIKE 'regress_dbsync%' AND rolsuper;

SELECT dbsync.drop_subscription('rights', force => true);
SELECT dbsync.drop_target('rights_target');
SET client_min_messages = warning;
DROP OWNED BY regress_dbsync_hostile, regress_dbsync_user, regress_dbsync_both CASCADE;
DROP TABLE public.tried, public.secret, public.allowed;
DROP FUNCTION public.try, public.who;
DROP ROLE regress_dbsync_hostile, regress_dbsync_user, regress_dbsync_both;
DROP DATABASE :target;

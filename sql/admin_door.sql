-- An error of the SQL surface says what is wrong, and nothing of the functions and
-- queries behind it: neither their names nor what they were doing.
\set SHOW_CONTEXT always
SELECT dbsync.remove_table('nobody', 'pg_class');
SELECT dbsync.create_target('t', 'mysql://nowhere');
SELECT dbsync.create_subscription('t', 'nowhere', tables => ARRAY['pg_class']);
SELECT * FROM dbsync.changes('pg_class');
-- the caller's own context stays
DO $$ BEGIN PERFORM dbsync.drop_target('nowhere'); END $$;

\set SHOW_CONTEXT errors
-- Each function there is, called with nonsense; what it does is undone.
CREATE TYPE pg_temp.answer AS (name text, error text, context text);
CREATE FUNCTION pg_temp.calls() RETURNS SETOF pg_temp.answer LANGUAGE plpgsql AS $$
DECLARE
    call record;
    answer pg_temp.answer;
BEGIN
    FOR call IN
        SELECT p.proname AS name, format('SELECT * FROM dbsync.%I(%s)', p.proname,
            (SELECT string_agg(CASE t.type WHEN 'regclass'::regtype THEN '''pg_class'''
                    WHEN 'boolean'::regtype THEN 'true' WHEN 'interval'::regtype THEN '''1 s'''
                    WHEN 'jsonb'::regtype THEN '''{"no_such_option": "x"}'''
                    WHEN 'text[]'::regtype THEN '''{pg_class}''' WHEN 'regclass[]'::regtype THEN '''{pg_class}'''
                    ELSE '''nonsense''' END || '::' || t.type::regtype::text, ', ' ORDER BY t.n)
             FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY t (type, n))) AS query
        FROM pg_proc p WHERE p.pronamespace = 'dbsync'::regnamespace AND p.prokind = 'f'
        ORDER BY p.oid
    LOOP
        answer := (call.name, NULL, NULL);
        BEGIN
            EXECUTE call.query;
            RAISE EXCEPTION USING ERRCODE = 'UNDON';
        EXCEPTION WHEN OTHERS THEN
            IF sqlstate <> 'UNDON' THEN
                GET STACKED DIAGNOSTICS answer.context = PG_EXCEPTION_CONTEXT;
                answer.error := sqlerrm;
            END IF;
        END;
        RETURN NEXT answer;
    END LOOP;
END $$;
SELECT count(error) > 10 AS most_refuse, count(*) FILTER (WHERE error ~ 'dbsync_internal') AS named_in_errors,
    count(*) FILTER (WHERE context ~ 'dbsync_internal') AS named_in_context
FROM pg_temp.calls();

-- Null is an error that names the argument, wherever it says nothing.
CREATE FUNCTION pg_temp.nulls() RETURNS TABLE (function text, argument text, answer text) LANGUAGE plpgsql AS $$
DECLARE
    call record;
BEGIN
    FOR call IN
        SELECT p.proname, p.proargnames[1] AS name, format('SELECT * FROM dbsync.%I(%s)', p.proname,
            (SELECT string_agg('NULL::' || p.proargtypes[b.n - 1]::regtype::text, ', ' ORDER BY b.n)
             FROM generate_series(1, p.pronargs) b (n))) AS query
        FROM pg_proc p
        WHERE p.pronamespace = 'dbsync'::regnamespace AND p.pronargs > 0
    LOOP
        function := call.proname;
        argument := call.name;
        BEGIN
            EXECUTE call.query;
            answer := 'accepted';
        EXCEPTION WHEN OTHERS THEN
            answer := sqlstate || ' ' || sqlerrm;
        END;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT * FROM pg_temp.nulls() ORDER BY 1, 2;
SELECT dbsync.create_subscription('s', 'nowhere', NULL);
SELECT dbsync.create_subscription('s', 'nowhere', policy => NULL);
SELECT dbsync.copy_table('s', 'pg_class', existing_rows => NULL);
SELECT dbsync.wait_for('s', NULL);

-- The guard of captured tables speaks as the server does.
CREATE SCHEMA door;
CREATE TYPE door.mood AS ENUM ('sad', 'ok');
CREATE TABLE door.t (id int PRIMARY KEY, m door.mood);
CREATE TABLE door.u (id int PRIMARY KEY);
SELECT dbsync.create_target('door', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('door', 'door', tables => ARRAY['door.t', 'door.u']);
SELECT count(dbsync_internal.install_capture(id)) FROM dbsync.captured_table;
\set SHOW_CONTEXT always
ALTER TABLE door.t SET UNLOGGED;
ALTER TYPE door.mood RENAME VALUE 'ok' TO 'fine';
ALTER TYPE door.mood ADD VALUE 'ok';
ALTER TABLE door.u DROP CONSTRAINT u_pkey;
DROP SERVER door CASCADE;
\set SHOW_CONTEXT errors
SELECT dbsync.drop_subscription('door');
SELECT dbsync.drop_target('door');
SET client_min_messages = warning;
DROP SCHEMA door CASCADE;

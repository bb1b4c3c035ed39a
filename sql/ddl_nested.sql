-- Following makes DDL of its own, within the user's command: his event triggers see it, and
-- may forbid it; and it belongs to dbsync, whoever's script it is made in.  Hazard 38.
\set SHOW_CONTEXT never
CREATE SCHEMA nested;
SET search_path = nested, public;
\i sql/include/follow.psql
CREATE TABLE t (id int PRIMARY KEY, v text);
SELECT dbsync.create_target('nested', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('nested', 'nested', ARRAY['t']);
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table ORDER BY id;

-- the script of another extension alters the table
CREATE FUNCTION alter_it() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    ALTER TABLE nested.t ADD COLUMN IF NOT EXISTS from_script int DEFAULT 1;
END $$;
CREATE EVENT TRIGGER alter_it ON ddl_command_end WHEN TAG IN ('CREATE TYPE') EXECUTE FUNCTION alter_it();
CREATE SCHEMA ext;
SET client_min_messages = warning;
CREATE EXTENSION citext SCHEMA ext;
RESET client_min_messages;
DROP EVENT TRIGGER alter_it;
INSERT INTO t VALUES (1, 'one');
SELECT * FROM captured_log('t');
SELECT e.extname, count(*) FROM dbsync.segment s JOIN dbsync.captured_table c ON c.id = s.captured_id
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.relid AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
JOIN pg_extension e ON e.oid = d.refobjid WHERE c.relid = 't'::regclass GROUP BY 1;
SET client_min_messages = warning;
DROP EXTENSION citext;
RESET client_min_messages;
INSERT INTO t VALUES (2, 'two');

-- an event trigger that looks on
CREATE TABLE seen (n int GENERATED ALWAYS AS IDENTITY, tag text, kind text);
CREATE FUNCTION look_on() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO nested.seen (tag, kind) SELECT e.command_tag, e.object_type FROM pg_event_trigger_ddl_commands() e WHERE e.schema_name IS DISTINCT FROM 'pg_temp';
END $$;
CREATE EVENT TRIGGER look_on ON ddl_command_end EXECUTE FUNCTION look_on();
ALTER TABLE t RENAME v TO w;
DROP EVENT TRIGGER look_on;
SELECT tag, kind FROM seen ORDER BY n;

-- one that writes to the table in the middle of its change
CREATE FUNCTION write_to_it() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO nested.t SELECT max(id) + 1 FROM nested.t;
END $$;
CREATE EVENT TRIGGER a_first ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION write_to_it();
\set VERBOSITY sqlstate
ALTER TABLE t ADD x int;
ALTER TABLE t ALTER w SET NOT NULL;
\set VERBOSITY default
ALTER TABLE t ALTER w SET DEFAULT 'w';
DROP EVENT TRIGGER a_first;
CREATE EVENT TRIGGER z_last ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION write_to_it();
ALTER TABLE t ADD x int;
DROP EVENT TRIGGER z_last;
SELECT * FROM captured_log('t') WHERE tx > 4;

-- one that forbids tables, and one that gives each a column
CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no tables today'; END $$;
CREATE EVENT TRIGGER forbid ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION forbid();
ALTER TABLE t ADD y int;
DROP EVENT TRIGGER forbid;
CREATE FUNCTION audit() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
    e record;
BEGIN
    FOR e IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' LOOP
        EXECUTE format('ALTER TABLE %s ADD audited_at timestamptz', e.objid::regclass);
    END LOOP;
END $$;
CREATE EVENT TRIGGER audit ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION audit();
\set VERBOSITY sqlstate
ALTER TABLE t ADD y int;
\set VERBOSITY default
DROP EVENT TRIGGER audit;
ALTER TABLE t ADD y int;
INSERT INTO t (id, y) VALUES (20, 20);
SELECT * FROM captured_log('t') WHERE tx > (SELECT max(tx) FROM captured_log('t')) - 2;
SELECT * FROM miscounted('t');

SELECT dbsync.drop_subscription('nested');
SELECT dbsync.drop_target('nested');
SET client_min_messages = warning;
DROP SCHEMA nested, ext CASCADE;

-- Who may do what: nothing is PUBLIC's; a role needs the functions, a target, and
-- SELECT and TRIGGER on its tables; and sees what is its own.
\set SHOW_CONTEXT never
CREATE ROLE regress_dbsync_alice;
CREATE ROLE regress_dbsync_bob;
CREATE ROLE regress_dbsync_watcher IN ROLE pg_monitor;
CREATE SCHEMA admin_rights;
GRANT USAGE, CREATE ON SCHEMA admin_rights TO regress_dbsync_alice, regress_dbsync_bob;
CREATE TABLE admin_rights.t (id int PRIMARY KEY, v text);
CREATE TABLE admin_rights.other (id int PRIMARY KEY, v text);
CREATE TABLE admin_rights.secret (id int PRIMARY KEY, v text);
ALTER TABLE admin_rights.t OWNER TO regress_dbsync_bob;

-- nothing for PUBLIC, in any of the ways
SET ROLE regress_dbsync_alice;
SELECT dbsync.create_target('alice', 'postgresql://a@host.invalid/db');
SELECT * FROM dbsync.status;
RESET ROLE;
SELECT p.oid::regprocedure FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
WHERE p.pronamespace IN ('dbsync'::regnamespace, 'dbsync_internal'::regnamespace) AND a.grantee = 0;
SELECT c.oid::regclass, a.grantee::regrole FROM pg_class c, aclexplode(c.relacl) a
WHERE c.relnamespace IN ('dbsync'::regnamespace, 'dbsync_internal'::regnamespace)
  AND a.grantee <> c.relowner ORDER BY 1;

-- all that is public in schema dbsync has a comment
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace IN ('dbsync'::regnamespace, 'dbsync_internal'::regnamespace)
  AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT c.oid::regclass FROM pg_class c
WHERE c.relnamespace IN ('dbsync'::regnamespace, 'dbsync_internal'::regnamespace) AND c.relkind IN ('r', 'v')
  AND obj_description(c.oid, 'pg_class') IS NULL;
SELECT a.attrelid::regclass, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'dbsync'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
  AND col_description(a.attrelid, a.attnum) IS NULL;
-- each has its twin, and the body is there to be read
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace = 'dbsync'::regnamespace AND p.prosrc = 'dbsync_as_owner'
  AND NOT EXISTS (SELECT FROM pg_proc i JOIN pg_language l ON l.oid = i.prolang
                  WHERE i.pronamespace = 'dbsync_internal'::regnamespace AND i.proname = p.proname
                    AND i.pronargs = p.pronargs + 1 AND l.lanname = 'plpgsql');

-- the grants of the manual
GRANT USAGE ON SCHEMA dbsync TO regress_dbsync_alice, regress_dbsync_bob;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO regress_dbsync_alice, regress_dbsync_bob;
GRANT SELECT ON dbsync.status, dbsync.table_status TO regress_dbsync_alice, regress_dbsync_bob;
SET ROLE regress_dbsync_alice;
SELECT dbsync.create_target('alice', 'postgresql://a@host.invalid/db');
RESET ROLE;
GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_postgres TO regress_dbsync_alice;
SET ROLE regress_dbsync_alice;
SELECT dbsync.create_target('alice', 'postgresql://a@host.invalid/db', password => 'x');
SELECT s.srvname, s.srvowner::regrole, m.umuser::regrole
FROM pg_foreign_server s JOIN pg_user_mappings m ON m.srvid = s.oid;

-- a subscription is the caller's; its tables need SELECT and TRIGGER
SELECT dbsync.create_subscription('alice', 'alice', ARRAY['admin_rights.t']);
RESET ROLE;
GRANT SELECT (id) ON admin_rights.t TO regress_dbsync_alice;
SET ROLE regress_dbsync_alice;
SELECT dbsync.create_subscription('alice', 'alice', ARRAY['admin_rights.t']);
RESET ROLE;
GRANT SELECT ON admin_rights.t TO regress_dbsync_alice;
SET ROLE regress_dbsync_alice;
SELECT dbsync.create_subscription('alice', 'alice', ARRAY['admin_rights.t']);
RESET ROLE;
GRANT TRIGGER ON admin_rights.t TO regress_dbsync_alice;
SET ROLE regress_dbsync_alice;
SELECT dbsync.create_subscription('alice', 'alice', ARRAY['admin_rights.t']);
SELECT subscription, owner FROM dbsync.status;
-- there is no way around the functions
SELECT * FROM dbsync.subscription;
SELECT dbsync_internal.add_table(10, 'alice', 'admin_rights.secret', NULL, NULL, NULL, true, NULL);
CREATE FUNCTION admin_rights.evil() RETURNS void LANGUAGE c AS '$libdir/dbsync', 'dbsync_as_owner';
-- an inner transaction's user is put back, also by an error
DO $$
BEGIN
    PERFORM dbsync.create_subscription('alice', 'alice');
EXCEPTION WHEN duplicate_object THEN
    RAISE NOTICE '%', current_user;
END $$;
SELECT dbsync.adopt();
SELECT dbsync.uninstall();
RESET ROLE;

-- somebody else's target, subscription and changes
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
SET ROLE regress_dbsync_bob;
SELECT dbsync.create_subscription('bob', 'alice');
SELECT dbsync.alter_target('alice', password => 'y');
SELECT dbsync.drop_target('alice');
SELECT dbsync.test_target('alice');
SELECT dbsync.add_table('alice', 'admin_rights.t');
SELECT dbsync.alter_subscription('alice', new_name => 'bob');
SELECT dbsync.copy_table('alice', 'admin_rights.t');
SELECT dbsync.drop_subscription('alice');
SELECT subscription FROM dbsync.status;
SELECT subscription FROM dbsync.table_status;
-- but his table is his (A20)
BEGIN;
SELECT dbsync.remove_table('alice', 'admin_rights.t');
ALTER TABLE admin_rights.t ADD COLUMN w int, DROP COLUMN v;
ROLLBACK;
RESET ROLE;
REVOKE SELECT ON admin_rights.t FROM regress_dbsync_alice;
GRANT SELECT (id) ON admin_rights.t TO regress_dbsync_alice;
SET ROLE regress_dbsync_alice;
SELECT * FROM dbsync.changes('admin_rights.t');
SELECT dbsync.copy_table('alice', 'admin_rights.t');
SELECT dbsync.changes('admin_rights.other');
RESET ROLE;

-- the target's owner can let others use it; they need a user mapping of their own
SET ROLE regress_dbsync_alice;
GRANT USAGE ON FOREIGN SERVER alice TO regress_dbsync_bob;
SET ROLE regress_dbsync_bob;
SELECT dbsync.create_subscription('bob', 'alice', ARRAY['admin_rights.t']);
CREATE USER MAPPING FOR regress_dbsync_bob SERVER alice OPTIONS (user 'b', password 'x');
SELECT dbsync.create_subscription('bob', 'alice', ARRAY['admin_rights.t']);
SELECT subscription, owner FROM dbsync.status ORDER BY 1;

-- the owner of a captured table can suspend it, though the subscription is not his
SET ROLE regress_dbsync_alice;
SELECT dbsync.suspend_table('admin_rights.secret');
SET ROLE regress_dbsync_bob;
SELECT dbsync.remove_table('bob', 'admin_rights.t');
SELECT dbsync.suspend_table('admin_rights.t');
RESET ROLE;
SELECT note FROM dbsync.table_status;

-- row security: a role from which it hides rows cannot have the table
SELECT dbsync.drop_subscription('alice');
GRANT SELECT ON admin_rights.t TO regress_dbsync_alice;
ALTER TABLE admin_rights.t ENABLE ROW LEVEL SECURITY;
SET ROLE regress_dbsync_alice;
SELECT dbsync.create_subscription('alice', 'alice', ARRAY['admin_rights.t']);
SET ROLE regress_dbsync_bob;
SELECT dbsync.add_table('bob', 'admin_rights.t');
SELECT dbsync.remove_table('bob', 'admin_rights.t');
ALTER TABLE admin_rights.t FORCE ROW LEVEL SECURITY;
SELECT dbsync.add_table('bob', 'admin_rights.t');
RESET ROLE;

-- a superuser may act for the owner; the owner's rights count
SELECT dbsync.add_table('bob', 'admin_rights.secret');
ALTER TABLE admin_rights.t NO FORCE ROW LEVEL SECURITY;
SELECT dbsync.add_table('bob', 'admin_rights.t');
SELECT dbsync.alter_target('alice', password => 'by superuser');
SELECT m.umuser::regrole, m.umoptions FROM pg_user_mappings m ORDER BY 1;

-- members of a role act for it; who monitors sees all
GRANT regress_dbsync_bob TO regress_dbsync_alice;
SET ROLE regress_dbsync_alice;
SELECT subscription FROM dbsync.status;
SELECT dbsync.alter_subscription('bob', new_name => 'bobs');
SET ROLE regress_dbsync_watcher;
SELECT subscription, state FROM dbsync.status;
SELECT subscription, "table", state FROM dbsync.table_status;
SELECT dbsync.drop_subscription('bobs');
RESET ROLE;

-- what is turned to jsonb runs as who asks, not as the owner of dbsync
GRANT CREATE ON DATABASE :"DBNAME" TO regress_dbsync_bob;
SET ROLE regress_dbsync_bob;
CREATE TYPE admin_rights.trap AS ENUM ('x');
CREATE FUNCTION admin_rights.trap(admin_rights.trap) RETURNS json
    LANGUAGE plpgsql AS $$ BEGIN RETURN to_json(current_user); END $$;
CREATE CAST (admin_rights.trap AS json) WITH FUNCTION admin_rights.trap(admin_rights.trap);
CREATE TABLE admin_rights.trapped (id int PRIMARY KEY, v admin_rights.trap);
SELECT dbsync.add_table('bobs', 'admin_rights.trapped');
RESET ROLE;
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
SET ROLE regress_dbsync_bob;
INSERT INTO admin_rights.trapped VALUES (1, 'x');
SELECT role, op, key, "row" FROM dbsync.changes('admin_rights.trapped');
RESET ROLE;

-- default privileges open no segment
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_dbsync_alice, PUBLIC;
SELECT dbsync_internal.create_segment(0) > 0 AS created;
SELECT dbsync.remove_table('bobs', 'admin_rights.t');
SELECT dbsync.add_table('bobs', 'admin_rights.t');
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table WHERE state = 'installing';
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM regress_dbsync_alice, PUBLIC;
SELECT count(*) FROM dbsync.segment s, pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
WHERE c.oid = s.relid AND a.grantee <> c.relowner;
SELECT dbsync_internal.drop_segment(max(id)) FROM dbsync.segment WHERE captured_id = 0 AND NOT active;

SELECT dbsync.drop_subscription('bobs');
SELECT dbsync.drop_target('alice');
SET client_min_messages = warning;
DROP SCHEMA admin_rights CASCADE;
DROP OWNED BY regress_dbsync_alice, regress_dbsync_bob, regress_dbsync_watcher;
DROP ROLE regress_dbsync_alice, regress_dbsync_bob, regress_dbsync_watcher;

-- A caller's search_path leads nowhere: with operators of his own in front, the
-- functions that run as the owner of the extension still mean PostgreSQL's.
CREATE SCHEMA regress_evil;
CREATE FUNCTION regress_evil.never(int, int) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION regress_evil.never(name, name) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR regress_evil.= (FUNCTION = regress_evil.never, LEFTARG = int, RIGHTARG = int);
CREATE OPERATOR regress_evil.= (FUNCTION = regress_evil.never, LEFTARG = name, RIGHTARG = name);
SELECT dbsync.create_target('regress_evil_target', 'postgresql:///nowhere');
SET search_path = regress_evil, pg_catalog;
SELECT dbsync.create_subscription('regress_evil', 'regress_evil_target');
SELECT dbsync.stop_subscription('regress_evil');
SELECT dbsync.wait_for('regress_evil');
SELECT dbsync.drop_subscription('regress_evil');
SELECT dbsync.drop_target('regress_evil_target');
RESET search_path;
DROP SCHEMA regress_evil CASCADE;

-- Options that make the server read files are for superusers, also by this way.
CREATE ROLE regress_dbsync_plain;
GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_postgres TO regress_dbsync_plain;
GRANT USAGE ON SCHEMA dbsync TO regress_dbsync_plain;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO regress_dbsync_plain;
CREATE SCHEMA regress_closed;
CREATE TABLE regress_closed.t (id int PRIMARY KEY);
GRANT SELECT, TRIGGER ON regress_closed.t TO regress_dbsync_plain;
SET ROLE regress_dbsync_plain;
SELECT dbsync.create_target('regress_plain', 'postgresql://h/db?sslcert=/x', password => 'p');
SELECT dbsync.create_target('regress_plain', 'postgresql://h/db?passfile=/x', password => 'p');
SELECT dbsync.create_target('regress_plain', 'postgresql://h/db', password => 'p');
SELECT dbsync.alter_target('regress_plain', uri => 'postgresql://h/db?service=x');
-- a schema that its owner may not enter
SELECT dbsync.create_subscription('regress_plain', 'regress_plain', tables => ARRAY['regress_closed.t']);
RESET ROLE;
SELECT dbsync.drop_target('regress_plain');
DROP SCHEMA regress_closed CASCADE;
REVOKE USAGE ON FOREIGN DATA WRAPPER dbsync_postgres FROM regress_dbsync_plain;
REVOKE ALL ON SCHEMA dbsync FROM regress_dbsync_plain;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA dbsync FROM regress_dbsync_plain;
DROP ROLE regress_dbsync_plain;

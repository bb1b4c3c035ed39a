-- Installing capture: what is put on a table, and that it comes off without a
-- trace; DDL while a table is suspended; DROP EXTENSION after uninstall().
\set SHOW_CONTEXT never
CREATE SCHEMA admin_install;
SET search_path = admin_install, public;
CREATE DOMAIN base AS varchar(10) COLLATE "C" CHECK (length(value) > 1);
CREATE DOMAIN upon AS base CHECK (length(value) > 2);
CREATE TABLE t (id int PRIMARY KEY, gone int, d upon, b base, n numeric(10, 2), c char(3), bits bit(3), "char" "char",
    g int GENERATED ALWAYS AS (id * 2) STORED, i int GENERATED ALWAYS AS IDENTITY, a text[], ts timestamptz(3) DEFAULT now());
ALTER TABLE t DROP gone;
SELECT dbsync.create_target('admin_install', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('admin_install', 'admin_install', ARRAY['t']);

-- nothing is on the table before it is installed
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass;

-- the session's defaults are not the segment's
CREATE ACCESS METHOD admin_install_am TYPE TABLE HANDLER heap_tableam_handler;
SET default_table_access_method = admin_install_am;
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_dbsync_space LOCATION '';
SET default_tablespace = regress_dbsync_space;
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
-- once more does nothing
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
RESET default_table_access_method;
RESET default_tablespace;
DROP TABLESPACE regress_dbsync_space;
DROP ACCESS METHOD admin_install_am;

SELECT c.state, c.key_index::regclass, c.shape IS NOT NULL AS shape, c.since IS NOT NULL AS since FROM dbsync.captured_table c;
SELECT replace(t.tgname, 'dbsync_' || c.id, 'dbsync_N') AS name, t.tgenabled,
    substring(pg_get_triggerdef(t.oid) FROM '((?:BEFORE|AFTER).*) ON ') AS events,
    substring(pg_get_triggerdef(t.oid) FROM '(?:REFERENCING .*)?FOR EACH.*') AS definition
FROM pg_trigger t, dbsync.captured_table c WHERE t.tgrelid = 't'::regclass AND c.relid = t.tgrelid ORDER BY 1;

-- domains as what is below them, no generated column, nothing enforced, heap
SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation, a.attnotnull, a.atthasdef, a.attidentity
FROM pg_attribute a JOIN dbsync.segment s ON s.relid = a.attrelid WHERE s.captured_id <> 0 AND a.attnum > 0 ORDER BY a.attnum;
SELECT am.amname, c.reloptions, c.relhasindex, c.reltablespace, n.nspname,
    EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS member
FROM pg_class c JOIN dbsync.segment s ON s.relid = c.oid JOIN pg_am am ON am.oid = c.relam
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE s.captured_id <> 0;

-- further segments are spares; so are those of the headers, with their index
SELECT dbsync_internal.create_segment(id) > 0 AS created FROM dbsync.captured_table;
SELECT dbsync_internal.create_segment(0) > 0 AS created;
SELECT captured_id <> 0 AS of_table, active, sealed IS NOT NULL AS sealed, count(*)
FROM dbsync.segment GROUP BY 1, 2, 3 ORDER BY 1, 2;
SELECT i.indisunique, pg_get_indexdef(i.indexrelid, 1, true) FROM pg_index i JOIN dbsync.segment s ON s.relid = i.indrelid
WHERE s.captured_id = 0 AND NOT s.active;
SELECT dbsync_internal.drop_segment(id) FROM dbsync.segment WHERE captured_id = 0 AND NOT active;

-- suspended, altered, copied anew: segments get the new shape
SELECT dbsync.suspend_table('t');
ALTER TABLE t ADD new text, DROP a, DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id, n);
SELECT dbsync.copy_table('admin_install', 't');
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
SELECT count(*) AS segments FROM dbsync.segment WHERE captured_id <> 0;
SELECT string_agg(a.attname, ',' ORDER BY a.attnum)
FROM pg_attribute a JOIN dbsync.segment s ON s.relid = a.attrelid WHERE s.captured_id <> 0 AND a.attnum > 0;

-- what became impossible meanwhile is refused by copy_table(), and by the worker
SELECT dbsync.suspend_table('t');
ALTER TABLE t SET UNLOGGED;
SELECT dbsync.copy_table('admin_install', 't');
UPDATE dbsync.captured_table SET state = 'installing';
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
ALTER TABLE t SET LOGGED;

-- REINDEX CONCURRENTLY replaces the key's index without an event
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
REINDEX TABLE CONCURRENTLY t;
SELECT dbsync_internal.current_key('t')::regclass;
SELECT dbsync_internal.refresh_keys();
SELECT c.key_index::regclass FROM dbsync.captured_table c;
ALTER TABLE t ALTER ts DROP DEFAULT;

-- uninstall() leaves nothing that DROP EXTENSION would trip over
SELECT dbsync.uninstall();
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass;
DROP EXTENSION dbsync;
SELECT nspname FROM pg_namespace WHERE nspname = 'dbsync_internal';
CREATE EXTENSION dbsync;
DROP DOMAIN upon CASCADE;
SET client_min_messages = warning;
DROP SCHEMA admin_install CASCADE;

-- in a database of another encoding, in which not all is a character that is one in ours
\set here :DBNAME
CREATE DATABASE regress_dbsync_euc TEMPLATE template0 ENCODING 'EUC_JP' LC_COLLATE 'C' LC_CTYPE 'C';
\c regress_dbsync_euc
CREATE EXTENSION dbsync;
SELECT * FROM dbsync.load_config('[target');
\c :here
DROP DATABASE regress_dbsync_euc;

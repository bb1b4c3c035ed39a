-- The guard: what captured rows and subscriptions need is not dropped, by any
-- road; what nobody needs any more goes without a word.  Hazard 16.
\set SHOW_CONTEXT never
CREATE SCHEMA guard_drop;
CREATE SCHEMA guard_types;
SET search_path = guard_drop, public;
CREATE TYPE guard_types.mood AS ENUM ('good', 'bad');
CREATE TYPE guard_types.pair AS (x int, y guard_types.mood);
CREATE DOMAIN guard_types.positive AS int CHECK (value > 0);
CREATE TABLE t (id int PRIMARY KEY, m guard_types.mood, p guard_types.pair, d guard_types.positive);
CREATE TABLE u (id int PRIMARY KEY, v text);
CREATE ROLE regress_dbsync_owner;
GRANT ALL ON SCHEMA guard_drop TO regress_dbsync_owner;
ALTER TABLE u OWNER TO regress_dbsync_owner;
SELECT dbsync.create_target('guard_drop', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('guard_drop', 'guard_drop', ARRAY['t', 'u']);
-- not installed yet: there is nothing that would have to be sent
BEGIN;
DROP TABLE t;
ROLLBACK;
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table ORDER BY id;
INSERT INTO t VALUES (1, 'good', (1, 'bad'), 1);

-- tables themselves may go, by whatever road
CREATE VIEW is_dropped AS SELECT target_table, state FROM dbsync.table_status;
BEGIN;
DROP TABLE t;
SELECT * FROM is_dropped ORDER BY 1;
ROLLBACK;
SET client_min_messages = warning;
BEGIN;
DROP TABLE u, t;
SELECT * FROM is_dropped ORDER BY 1;
ROLLBACK;
BEGIN;
DROP SCHEMA guard_drop CASCADE;
SELECT target_table, state FROM dbsync.table_status ORDER BY 1;
ROLLBACK;
BEGIN;
DROP OWNED BY regress_dbsync_owner;
SELECT * FROM is_dropped ORDER BY 1;
ROLLBACK;
DROP VIEW is_dropped;
DROP TYPE guard_types.mood CASCADE;
DROP SERVER guard_drop CASCADE;
DROP FOREIGN DATA WRAPPER dbsync_postgres CASCADE;
RESET client_min_messages;

-- a new constraint on a domain is not held up by images of rows
ALTER DOMAIN guard_types.positive ADD CHECK (value < 100);

-- the column is gone from the table, but what is captured still has its type
SELECT dbsync.suspend_table('t');
ALTER TABLE t DROP m, DROP p;
SET client_min_messages = warning;
DROP TYPE guard_types.pair CASCADE;
RESET client_min_messages;
SELECT dbsync.remove_table('guard_drop', 't');
DROP TYPE guard_types.pair;

-- a subscription that has lost its owner while the guard was off is in nobody's way
CREATE FUNCTION guard_types.other() RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT dbsync.create_subscription('guard_orphan', 'guard_drop');
SELECT id AS orphan FROM dbsync.subscription WHERE name = 'guard_orphan' \gset
SELECT format('DROP FUNCTION dbsync_internal.subscription_%s()', :orphan) AS drop_anchor \gset
SELECT format('ALTER FUNCTION dbsync_internal.subscription_%s() RENAME TO anchor', :orphan) AS rename_anchor \gset
:drop_anchor;
:rename_anchor;
-- in a session that reads backslashes in all texts, too
\c
SET search_path = guard_drop, public;
BEGIN;
SET LOCAL standard_conforming_strings = off;
:drop_anchor;
ROLLBACK;
ALTER EVENT TRIGGER dbsync_guard_drop DISABLE;
:drop_anchor;
ALTER EVENT TRIGGER dbsync_guard_drop ENABLE ALWAYS;
ALTER FUNCTION guard_types.other() COST 2;
DROP FUNCTION guard_types.other();
SET client_min_messages = warning;
SELECT dbsync.drop_subscription('guard_orphan');
RESET client_min_messages;

-- a table with the name of a captured one, and other temporary things, are nobody's
CREATE TEMP TABLE u (id int);
DROP TABLE pg_temp.u;

-- a table that is on its way out takes everything along
SELECT id FROM dbsync.captured_table WHERE relid = 'u'::regclass \gset
DELETE FROM dbsync.subscription_table;
UPDATE dbsync.captured_table SET state = 'removing';
DROP TABLE u;
SELECT count(*) FROM dbsync.captured_table;
SELECT count(*) FROM dbsync.segment WHERE captured_id = :id;

-- our own doings, and DROP EXTENSION, pass
CREATE TABLE t2 (id int PRIMARY KEY);
SELECT dbsync.add_table('guard_drop', 't2');
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
\set VERBOSITY terse
DROP EXTENSION dbsync;
\set VERBOSITY default
SET client_min_messages = warning;
DROP EXTENSION dbsync CASCADE;
RESET client_min_messages;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't2'::regclass;
SELECT count(*) FROM pg_event_trigger WHERE evtname LIKE 'dbsync%';
CREATE EXTENSION dbsync;

SET client_min_messages = warning;
DROP SCHEMA guard_drop, guard_types CASCADE;
DROP OWNED BY regress_dbsync_owner;
DROP ROLE regress_dbsync_owner;

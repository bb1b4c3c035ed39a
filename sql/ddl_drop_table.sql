-- DROP TABLE of captured tables: what was captured before is still applied, then the table leaves
-- its subscriptions, and the target's table stays.  Design of tables, D9.
\set QUIET on
\i sql/include/target.psql
\set SHOW_CONTEXT never

SELECT dbsync.create_target('drop_target', :'uri');
CREATE SCHEMA IF NOT EXISTS gone;
CREATE TABLE gone.a (id int PRIMARY KEY, v text);
CREATE TABLE gone.b (id int PRIMARY KEY, v text);
CREATE TABLE gone.c (id int PRIMARY KEY, v text);
CREATE TABLE gone.stays (id int PRIMARY KEY, v text);
\c :target
CREATE SCHEMA gone;
CREATE TABLE gone.a (id int PRIMARY KEY, v text);
CREATE TABLE gone.b (id int PRIMARY KEY, v text);
CREATE TABLE gone.c (id int PRIMARY KEY, v text);
CREATE TABLE gone.stays (id int PRIMARY KEY, v text);
\c :source
INSERT INTO gone.a SELECT i, 'a' || i FROM generate_series(1, 3) i;
INSERT INTO gone.b SELECT i, 'b' || i FROM generate_series(1, 3) i;
SELECT dbsync.create_subscription('waits', 'drop_target', tables => ARRAY['gone.a', 'gone.b', 'gone.c', 'gone.stays']);
SELECT dbsync.run_once('waits') > 0 AS sent;

-- not for good: the table goes on as if nothing had been
BEGIN;
INSERT INTO gone.a VALUES (4, 'kept');
SAVEPOINT s;
DROP TABLE gone.a;
SELECT "table"::oid::regclass::text ~ '^\d+$' AS by_oid, target_table, state FROM dbsync.table_status WHERE state = 'dropped';
ROLLBACK TO s;
INSERT INTO gone.a VALUES (5, 'kept, too');
COMMIT;
SELECT "table", state FROM dbsync.table_status ORDER BY 1;
SELECT dbsync.run_once('waits');
BEGIN;
DROP TABLE gone.a;
ROLLBACK;
INSERT INTO gone.a VALUES (6, 'still captured');
SELECT dbsync.run_once('waits');

-- rows before it, in transactions before it and in its own; rows that change; a new table of its name
UPDATE gone.a SET v = 'changed' WHERE id = 1;
BEGIN;
DELETE FROM gone.a WHERE id = 2;
ALTER TABLE gone.a ADD COLUMN more int DEFAULT 7;
ALTER TABLE gone.a DROP COLUMN more;
INSERT INTO gone.a VALUES (7, 'last');
INSERT INTO gone.stays VALUES (1, 'beside');
DROP TABLE gone.a;
CREATE TABLE gone.a (id int PRIMARY KEY, v text);
INSERT INTO gone.a VALUES (100, 'of another table');
COMMIT;
SELECT regexp_replace("table"::text, '^\d+$', 'an oid') AS "table", target_table, state, note FROM dbsync.table_status ORDER BY target_table;
-- it is not captured, and cannot take the dropped one's place before that has left
SELECT dbsync.copy_table('waits', 'gone.a');
SELECT c.relid::oid AS dropped FROM dbsync.captured_table c WHERE state = 'dropped' \gset
\set VERBOSITY sqlstate
SELECT dbsync.suspend_table(:dropped);
\set VERBOSITY terse
SELECT dbsync.copy_table('waits', :dropped);
SELECT dbsync.add_table('waits', 'gone.a');
\set VERBOSITY default
SELECT dbsync.run_once('waits');
\c :target
SELECT * FROM gone.a ORDER BY id;
SELECT * FROM gone.stays ORDER BY id;
\c :source
SELECT "table", state, note FROM dbsync.table_status ORDER BY 1;
-- nothing is left of it
SELECT count(*) FROM dbsync.captured_table WHERE state = 'dropped';
SELECT count(*) FROM dbsync.segment s WHERE s.captured_id <> 0 AND NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE c.id = s.captured_id);
SELECT count(*) FROM dbsync.shape s WHERE NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE c.id = s.captured_id);
SELECT count(*) FROM dbsync.turn s WHERE NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE c.id = s.captured_id);
SELECT count(*) FROM pg_class WHERE relnamespace = 'dbsync_internal'::regnamespace AND relkind = 'r' AND relname LIKE 'segment%'
    AND oid NOT IN (SELECT relid FROM dbsync.segment);
SELECT dbsync.add_table('waits', 'gone.a', existing_rows => 'truncate');
SELECT dbsync.run_once('waits');
\c :target
SELECT * FROM gone.a ORDER BY id;
\c :source

-- two subscriptions, one of which was stopped through changes of the table, and its drop; both policies
SELECT dbsync.create_subscription('late', 'drop_target', ddl => 'apply');
\c :target
CREATE TABLE gone.late (id int PRIMARY KEY, v text);
\c :source
SELECT dbsync.add_table('late', 'gone.b', target_table => 'gone.late');
SELECT dbsync.run_once('late');
UPDATE gone.b SET v = repeat('x', 3000) || id;
ALTER TABLE gone.b ADD COLUMN more int NOT NULL DEFAULT 5;
ALTER TABLE gone.b RENAME v TO w;
UPDATE gone.b SET more = id;
SET client_min_messages = warning;
DROP TABLE gone.b, gone.c;
RESET client_min_messages;
-- one of them is held at a change that its target lacks, and is there until somebody has made it, and the next
SELECT dbsync.run_once('waits');
SELECT regexp_replace("table"::text, '^\d+$', 'an oid') AS "table", state, next_action, note FROM dbsync.table_status
WHERE subscription = 'waits' ORDER BY target_table;
SELECT last_error FROM dbsync.status WHERE subscription = 'waits';
SELECT dbsync.run_once('late');
SELECT count(*) AS left FROM dbsync.table_status WHERE subscription = 'late';
\c :target
SELECT id, left(w, 1) || length(w) AS w, more FROM gone.late ORDER BY id;
ALTER TABLE gone.b ADD COLUMN more int NOT NULL DEFAULT 5;
\c :source
SELECT dbsync.resume_table('waits', "table") FROM dbsync.table_status WHERE target_table = 'gone.b';
SELECT dbsync.run_once('waits');
\c :target
SELECT id, left(v, 1) || length(v) AS v, more FROM gone.b ORDER BY id;
ALTER TABLE gone.b RENAME v TO w;
\c :source
SELECT dbsync.resume_table('waits', "table") FROM dbsync.table_status WHERE target_table = 'gone.b';
SELECT dbsync.run_once('waits');
\c :target
SELECT id, left(w, 1) || length(w) AS w, more FROM gone.b ORDER BY id;
\c :source
SELECT "table", state, note FROM dbsync.table_status ORDER BY 1;
SELECT count(*) FROM dbsync.captured_table WHERE state = 'dropped';

-- first copies: not to be begun, as the target has no such table; not captured yet; without a copy, captured
-- and with a start; begun, and in the middle, by a row that the target refuses
CREATE TABLE gone.no_target (id int PRIMARY KEY, v text);
CREATE TABLE gone.not_captured (id int PRIMARY KEY, v text);
CREATE TABLE gone.uncopied (id int PRIMARY KEY, v text);
CREATE TABLE gone.half (id int PRIMARY KEY, v text);
INSERT INTO gone.uncopied VALUES (1, 'before');
INSERT INTO gone.half SELECT i, CASE i WHEN 250 THEN 'refused' ELSE 'h' END FROM generate_series(1, 300) i;
\c :target
CREATE TABLE gone.uncopied (id int PRIMARY KEY, v text);
CREATE TABLE gone.half (id int PRIMARY KEY, v text CHECK (v <> 'refused'));
\c :source
ALTER DATABASE :"source" SET dbsync.copy_chunk_rows = 100;
SELECT dbsync.add_table('waits', 'gone.half');
SELECT dbsync.run_once('waits');
SELECT rows_copied > 0 AND rows_copied < 300 AS half, state FROM dbsync.table_status WHERE target_table = 'gone.half';
UPDATE gone.half SET v = 'changed' WHERE id IN (1, 299);
SET client_min_messages = warning;
SELECT dbsync.add_table('waits', 'gone.uncopied', copy_data => false);
RESET client_min_messages;
SELECT dbsync.add_table('waits', 'gone.no_target');
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
INSERT INTO gone.no_target VALUES (1, 'captured');
DROP TABLE gone.half;
SELECT dbsync.run_once('waits');
INSERT INTO gone.uncopied VALUES (2, 'captured');
SELECT dbsync.add_table('waits', 'gone.not_captured');
DROP TABLE gone.not_captured;
DROP TABLE gone.no_target;
DROP TABLE gone.uncopied;
SELECT dbsync.run_once('waits') >= 0 AS through;
SELECT "table", state, note FROM dbsync.table_status ORDER BY 1;
\c :target
SELECT * FROM gone.uncopied ORDER BY id;
SELECT id, v FROM gone.half WHERE v <> 'h' ORDER BY id;
SELECT count(*) > 0 AND count(*) < 300 AS half FROM gone.half;
\c :source
ALTER DATABASE :"source" RESET dbsync.copy_chunk_rows;

-- values that no trigger saw, and nobody can copy any more: the target keeps what it has, until somebody lets it be
CREATE TABLE gone.odd (id int PRIMARY KEY, v text, big text);
ALTER TABLE gone.odd ALTER big SET STORAGE EXTERNAL;
INSERT INTO gone.odd VALUES (1, '1', repeat('x', 5000)), (2, '2', repeat('y', 5000));
\c :target
CREATE TABLE gone.odd (id int PRIMARY KEY, v text, big text);
\c :source
SELECT dbsync.add_table('late', 'gone.odd');
SELECT dbsync.run_once('late');
ALTER TABLE gone.odd ALTER v TYPE int USING v::int + 1;
SET client_min_messages = warning;
DROP TABLE gone.odd;
RESET client_min_messages;
\set VERBOSITY terse
SELECT dbsync.run_once('late');
\set VERBOSITY default
SELECT state, held_for, regexp_replace(next_action, '\d{5,}', 'OID') AS next_action FROM dbsync.table_status WHERE subscription = 'late';
SELECT dbsync.remove_table('late', "table") FROM dbsync.table_status WHERE subscription = 'late';
SELECT dbsync.run_once('late') >= 0 AS through;
\c :target
SELECT id, v, length(big) FROM gone.odd ORDER BY id;
\c :source
SELECT count(*) FROM dbsync.captured_table WHERE state = 'dropped';

-- what an UPDATE left untouched, of a row that the target lacks: nobody has it any more
CREATE TABLE gone.odd (id int PRIMARY KEY, v text, big text);
ALTER TABLE gone.odd ALTER big SET STORAGE EXTERNAL;
INSERT INTO gone.odd VALUES (1, '1', repeat('x', 5000)), (2, '2', repeat('y', 5000));
SELECT dbsync.add_table('late', 'gone.odd', existing_rows => 'truncate');
SELECT dbsync.run_once('late');
UPDATE gone.odd SET v = 'changed';
SET client_min_messages = warning;
DROP TABLE gone.odd;
RESET client_min_messages;
\c :target
DELETE FROM gone.odd WHERE id = 2;
\c :source
\set VERBOSITY terse
SELECT dbsync.run_once('late');
\set VERBOSITY default
SELECT state, held_for, regexp_replace(next_action, '\d{4,}', 'an oid') AS next_action FROM dbsync.table_status WHERE subscription = 'late';
-- as soon as it has the row it goes on by itself
\c :target
INSERT INTO gone.odd VALUES (2, '2', repeat('y', 5000));
\c :source
SELECT dbsync.resume_table('late', "table") FROM dbsync.table_status WHERE subscription = 'late';
SELECT dbsync.run_once('late') >= 0 AS through;
\c :target
SELECT id, v, length(big) FROM gone.odd ORDER BY id;
\c :source

-- a schema with all that is in it: what rows that wait still need stays, by whatever road it is dropped
CREATE ROLE regress_dbsync_drops;
CREATE SCHEMA going AUTHORIZATION regress_dbsync_drops;
CREATE TYPE going.mood AS ENUM ('good', 'bad');
CREATE TABLE going.moods (id int PRIMARY KEY, m going.mood);
CREATE TABLE going.plain (id int PRIMARY KEY, v text);
ALTER TABLE going.plain OWNER TO regress_dbsync_drops;
\c :target
CREATE SCHEMA going;
CREATE TYPE going.mood AS ENUM ('good', 'bad');
CREATE TABLE going.moods (id int PRIMARY KEY, m going.mood);
CREATE TABLE going.plain (id int PRIMARY KEY, v text);
\c :source
SELECT dbsync.add_table('late', 'going.moods');
SELECT dbsync.add_table('late', 'going.plain');
SELECT dbsync.run_once('late');
INSERT INTO going.moods VALUES (1, 'good');
INSERT INTO going.plain VALUES (1, 'last');
SET client_min_messages = warning;
DROP SCHEMA going CASCADE;
SELECT "table", state FROM dbsync.table_status WHERE subscription = 'late' ORDER BY 1;
DROP TABLE going.moods;
DROP TYPE going.mood CASCADE;
DROP OWNED BY regress_dbsync_drops CASCADE;
RESET client_min_messages;
-- what its rows are made of stays as it is, until they have been sent; the same of a dropped column
CREATE TYPE gone.pair AS (x text, y text);
CREATE TYPE gone.lone AS (x text, y text);
CREATE TABLE gone.pairs (id int PRIMARY KEY, p gone.pair);
CREATE TABLE gone.unpaired (id int PRIMARY KEY, p gone.lone);
\c :target
CREATE TYPE gone.pair AS (x text, y text);
CREATE TYPE gone.lone AS (x text, y text);
CREATE TABLE gone.pairs (id int PRIMARY KEY, p gone.pair);
CREATE TABLE gone.unpaired (id int PRIMARY KEY, p gone.lone);
\c :source
SELECT dbsync.add_table('waits', 'gone.pairs');
SELECT dbsync.add_table('waits', 'gone.unpaired');
SELECT dbsync.run_once('waits');
INSERT INTO gone.pairs VALUES (1, ('x', 'y'));
INSERT INTO gone.unpaired VALUES (1, ('x', 'y'));
ALTER TABLE gone.unpaired DROP COLUMN p;
ALTER TYPE gone.lone DROP ATTRIBUTE y, ADD ATTRIBUTE z text;
SET client_min_messages = warning;
DROP TABLE gone.pairs, gone.unpaired;
RESET client_min_messages;
ALTER TYPE gone.pair DROP ATTRIBUTE y, ADD ATTRIBUTE z text;
SELECT dbsync.run_once('waits');
\c :target
SELECT * FROM gone.pairs;
SELECT * FROM gone.unpaired;
\c :source
ALTER TYPE gone.pair DROP ATTRIBUTE y, ADD ATTRIBUTE z text;
ALTER TYPE gone.lone DROP ATTRIBUTE y, ADD ATTRIBUTE z text;

-- who owned it may take it out
CREATE SCHEMA theirs AUTHORIZATION regress_dbsync_drops;
CREATE TABLE theirs.t (id int PRIMARY KEY);
ALTER TABLE theirs.t OWNER TO regress_dbsync_drops;
SELECT target_table, state FROM dbsync.table_status WHERE subscription = 'late' ORDER BY 1;
-- when all of it has been sent
SELECT dbsync.run_once('late');
SELECT count(*) FROM dbsync.table_status WHERE subscription = 'late';
\c :target
SELECT * FROM going.moods;
SELECT * FROM going.plain;
\c :source
SELECT dbsync.add_table('late', 'theirs.t');
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
SET client_min_messages = warning;
GRANT USAGE ON SCHEMA dbsync TO regress_dbsync_drops;
GRANT EXECUTE ON FUNCTION dbsync.remove_table(text, regclass) TO regress_dbsync_drops;
SET ROLE regress_dbsync_drops;
DROP TABLE theirs.t;
RESET ROLE;
SELECT c.relid::oid AS dropped FROM dbsync.captured_table c WHERE state = 'dropped' \gset
SET ROLE regress_dbsync_drops;
SELECT dbsync.remove_table('late', :dropped);
RESET ROLE;
SELECT count(*) FROM dbsync.captured_table WHERE state = 'dropped';

-- rights: what was captured after they were lost is not sent because nobody can ask any more
CREATE TABLE theirs.secret (id int PRIMARY KEY, v text);
ALTER TABLE theirs.secret OWNER TO regress_dbsync_drops;
CREATE ROLE regress_dbsync_gets;
GRANT USAGE ON SCHEMA theirs TO regress_dbsync_gets;
GRANT SELECT, TRIGGER ON theirs.secret TO regress_dbsync_gets;
GRANT USAGE ON FOREIGN SERVER drop_target TO regress_dbsync_gets;
CREATE USER MAPPING FOR regress_dbsync_gets SERVER drop_target OPTIONS (user 'nobody', password 'x');
SELECT dbsync.create_subscription('gets', 'drop_target', tables => ARRAY['theirs.secret']);
SELECT format('ALTER FUNCTION dbsync_internal.subscription_%s() OWNER TO regress_dbsync_gets', id) AS give FROM dbsync.subscription WHERE name = 'gets' \gset
:give;
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
BEGIN;
DROP TABLE theirs.secret;
SELECT target_table, state FROM dbsync.table_status WHERE subscription = 'gets';
ROLLBACK;
BEGIN;
REVOKE SELECT ON theirs.secret FROM regress_dbsync_gets;
DROP TABLE theirs.secret;
SELECT target_table, state FROM dbsync.table_status WHERE subscription = 'gets';
ROLLBACK;
BEGIN;
REVOKE USAGE ON SCHEMA theirs FROM regress_dbsync_gets;
DROP TABLE theirs.secret;
SELECT target_table, state FROM dbsync.table_status WHERE subscription = 'gets';
ROLLBACK;
BEGIN;
REVOKE USAGE ON SCHEMA theirs FROM regress_dbsync_gets;
DROP SCHEMA theirs CASCADE;
SELECT target_table, state FROM dbsync.table_status WHERE subscription = 'gets';
ROLLBACK;
ALTER TABLE theirs.secret ENABLE ROW LEVEL SECURITY;
RESET client_min_messages;
DROP TABLE theirs.secret;
SELECT target_table, state FROM dbsync.table_status WHERE subscription = 'gets';
SELECT count(*) FROM dbsync.captured_table WHERE state = 'dropped';

-- with all that is waiting: dropping a subscription, taking all away
SET client_min_messages = warning;
CREATE TABLE theirs.last (id int PRIMARY KEY);
SELECT dbsync.add_table('late', 'theirs.last', target_table => 'gone.stays');
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
DROP TABLE theirs.last;
SELECT dbsync.drop_subscription('late');
SELECT dbsync.drop_subscription('gets', force => true);
SELECT count(*) FROM dbsync.captured_table WHERE state IN ('dropped', 'removing');
DROP TABLE gone.stays;
SELECT dbsync.uninstall();
SELECT count(*) FROM dbsync.captured_table;
DROP SCHEMA gone, going, theirs CASCADE;
DROP OWNED BY regress_dbsync_drops, regress_dbsync_gets;
DROP ROLE regress_dbsync_drops, regress_dbsync_gets;
DROP DATABASE :target;

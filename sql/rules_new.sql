-- Tables that come into a schema of a rule are in its subscription from their first row, in their
-- creator's transaction.  What cannot be is told, and never in the creator's way.
\set QUIET on
\i sql/include/target.psql
\set SHOW_CONTEXT never
SELECT dbsync.create_target('rules_new', :'uri');
CREATE SCHEMA coming;
CREATE VIEW public.seen AS
    SELECT c.relid::regclass::text AS "table", format('%I.%I', a.target_schema, a.target_table) AS target, a.state, c.state AS captured,
        (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = c.relid AND t.tgfoid = 'dbsync_internal.capture'::regproc) AS triggers, c.key_index <> 0 AS key
    FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id;
CREATE VIEW public.not_in AS SELECT "table", reason, hint FROM dbsync.refused;
SELECT dbsync.create_subscription('road', 'rules_new', schemas => '{coming}', except_tables => '{coming.scratch}', existing_rows => 'truncate', ddl => 'apply');
\c :target
CREATE SCHEMA coming;
CREATE TABLE coming.plain (id int PRIMARY KEY, v text);
CREATE TABLE coming.keyless (v text);
CREATE TABLE coming.filled (a int, b text);
CREATE TABLE coming.selected (a int);
CREATE TABLE coming.by_function (id int PRIMARY KEY);
CREATE TABLE coming.moved (id int PRIMARY KEY);
CREATE TABLE coming.root (id int PRIMARY KEY, v text);
CREATE TABLE coming.leaf_1 (id int PRIMARY KEY, v text);
CREATE TABLE coming.leaf_2 (id int PRIMARY KEY, v text);
CREATE TABLE coming.heir (id int PRIMARY KEY, w int);
\c :source

-- each way in which a table comes
CREATE TABLE coming.plain (id int PRIMARY KEY, v text);
INSERT INTO coming.plain VALUES (1, 'first');
BEGIN;
CREATE TABLE coming.keyless (v text);
INSERT INTO coming.keyless VALUES ('same transaction'), ('same transaction');
COMMIT;
CREATE TABLE coming.filled AS SELECT 1 AS a, 'with it'::text AS b;
INSERT INTO coming.filled VALUES (2, 'behind it');
SELECT 3 AS a INTO coming.selected;
CREATE FUNCTION coming.make() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CREATE TABLE coming.by_function (id int PRIMARY KEY);
    INSERT INTO coming.by_function VALUES (4);
END $$;
SELECT coming.make();
CREATE TABLE public.moved (id int PRIMARY KEY);
INSERT INTO public.moved VALUES (5);
ALTER TABLE public.moved SET SCHEMA coming;
CREATE TABLE coming.root (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE coming.leaf_1 PARTITION OF coming.root FOR VALUES FROM (0) TO (10);
INSERT INTO coming.root VALUES (6, 'root');
CREATE TABLE coming.heir (id int PRIMARY KEY, w int) INHERITS (coming.plain);
INSERT INTO coming.heir (id, w) VALUES (7, 8);
CREATE TEMP TABLE scratchy (id int);
CREATE TABLE coming.scratch (id int);
CREATE UNLOGGED TABLE coming.unlogged (id int PRIMARY KEY);
CREATE SCHEMA elsewhere CREATE TABLE out_of_it (id int);
SELECT * FROM seen ORDER BY 1;
SELECT * FROM not_in ORDER BY 1;

\c :target
ALTER TABLE coming.heir ADD COLUMN v text;
\c :source
SELECT dbsync.run_once('road') > 0 AS sent;
SELECT state, count(*) FROM seen GROUP BY 1;
\c :target
TABLE coming.plain; TABLE coming.keyless; TABLE coming.filled ORDER BY a; TABLE coming.selected; TABLE coming.by_function; TABLE coming.moved; TABLE coming.root;
SELECT id, w, v FROM coming.heir;
\c :source

-- as the reason goes, so does the refusal
ALTER TABLE coming.unlogged SET LOGGED;
SELECT * FROM not_in;
SELECT "table", state, captured, triggers FROM seen WHERE "table" = 'coming.unlogged';

-- and comes, where nobody has asked for the table by its name
ALTER TABLE coming.unlogged SET UNLOGGED;
SELECT * FROM not_in;
SELECT count(*) FROM seen WHERE "table" = 'coming.unlogged';
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'coming.unlogged'::regclass;
ALTER TABLE coming.unlogged SET LOGGED;
CREATE FOREIGN DATA WRAPPER rules_fdw;
CREATE SERVER rules_server FOREIGN DATA WRAPPER rules_fdw;
CREATE TABLE coming.half (id int) PARTITION BY RANGE (id);
CREATE TABLE coming.here PARTITION OF coming.half FOR VALUES FROM (0) TO (10);
CREATE FOREIGN TABLE coming.far PARTITION OF coming.half FOR VALUES FROM (10) TO (20) SERVER rules_server;
SELECT * FROM not_in;
INSERT INTO coming.half VALUES (1);
ALTER TABLE coming.half DETACH PARTITION coming.far;
SELECT "table", captured FROM seen WHERE "table" IN ('coming.half', 'coming.unlogged') ORDER BY 1;
SELECT * FROM not_in;
DROP TABLE coming.half;
SET client_min_messages = warning;
DROP FOREIGN DATA WRAPPER rules_fdw CASCADE;
RESET client_min_messages;
-- one that was added by its name is not
SELECT dbsync.remove_table('road', 'coming.unlogged');
SELECT dbsync.add_table('road', 'coming.unlogged');
SELECT count(dbsync_internal.install_capture(id)) FROM dbsync.captured_table WHERE relid = 'coming.unlogged'::regclass;
ALTER TABLE coming.unlogged SET UNLOGGED;

-- a key that comes later
ALTER TABLE coming.keyless ADD COLUMN id int;
UPDATE coming.keyless SET id = (ctid::text::point)[1];
ALTER TABLE coming.keyless ADD PRIMARY KEY (id);
SELECT "table", key FROM seen WHERE "table" = 'coming.keyless';

-- taken back as the transaction is
BEGIN;
CREATE TABLE coming.taken_back (id int);
INSERT INTO coming.taken_back VALUES (1);
SAVEPOINT s;
CREATE TABLE coming.taken_back_too (id int);
ROLLBACK TO s;
SELECT "table" FROM seen WHERE "table" ~ 'taken';
ROLLBACK;
SELECT "table" FROM seen WHERE "table" ~ 'taken';
-- made and dropped at once: nothing is left, and nobody is told
BEGIN;
CREATE TABLE coming.gone (id int);
INSERT INTO coming.gone VALUES (1);
DROP TABLE coming.gone;
CREATE TABLE coming.gone (id int, v text);
INSERT INTO coming.gone VALUES (2, 'again');
DROP TABLE coming.gone;
COMMIT;
SELECT count(*) FROM dbsync.captured_table WHERE state = 'dropped';

-- partitions: one that is detached is a table of its own, one that is attached is none any more
ALTER TABLE coming.root DETACH PARTITION coming.leaf_1;
INSERT INTO coming.leaf_1 VALUES (8, 'on its own');
CREATE TABLE coming.leaf_2 (LIKE coming.root INCLUDING ALL);
INSERT INTO coming.leaf_2 VALUES (11, 'before');
ALTER TABLE coming.root ATTACH PARTITION coming.leaf_2 FOR VALUES FROM (10) TO (20);
BEGIN;
CREATE TABLE coming.leaf_3 (LIKE coming.root INCLUDING ALL);
INSERT INTO coming.leaf_3 VALUES (21, 'in one transaction');
ALTER TABLE coming.root ATTACH PARTITION coming.leaf_3 FOR VALUES FROM (20) TO (30);
INSERT INTO coming.root VALUES (22, 'in one transaction');
COMMIT;
SET search_path = coming;
ALTER TABLE root DETACH PARTITION leaf_3 CONCURRENTLY;
RESET search_path;
SELECT "table", captured, triggers FROM seen WHERE "table" ~ 'leaf|root' ORDER BY 1;
-- also where the root is in no subscription
SELECT dbsync.remove_table('road', 'coming.root');
CREATE TABLE coming.leaf_4 (LIKE coming.root INCLUDING ALL);
INSERT INTO coming.leaf_4 VALUES (31, 'nobody''s');
ALTER TABLE coming.root ATTACH PARTITION coming.leaf_4 FOR VALUES FROM (30) TO (40);
SELECT "table", captured, triggers FROM seen WHERE "table" ~ 'leaf|root' ORDER BY 1;
-- one that was added by its name is not let go
CREATE TABLE elsewhere.by_name (LIKE coming.root INCLUDING ALL);
SELECT dbsync.add_table('road', 'elsewhere.by_name');
SELECT dbsync.add_table('road', 'coming.root');
SELECT count(dbsync_internal.install_capture(id)) FROM dbsync.captured_table WHERE state = 'installing';
ALTER TABLE coming.root ATTACH PARTITION elsewhere.by_name FOR VALUES FROM (50) TO (60);
SELECT dbsync.remove_table('road', 'elsewhere.by_name');

-- a table that leaves the schema stays in, and goes where it went
ALTER TABLE coming.moved SET SCHEMA elsewhere;
INSERT INTO elsewhere.moved VALUES (9);
SELECT "table", target FROM seen WHERE "table" ~ 'moved';
-- another one takes its name, but not its place
CREATE TABLE coming.moved (id int PRIMARY KEY);
SELECT * FROM not_in;

-- a schema that is renamed keeps its rule; one that is made anew has it again
ALTER SCHEMA coming RENAME TO came;
CREATE TABLE came.renamed (id int);
SELECT "table", target FROM seen WHERE "table" ~ 'renamed';
SELECT kind, schema, name FROM dbsync.subscription_rule ORDER BY 1, 3;
SET client_min_messages = warning;
DROP SCHEMA came CASCADE;
RESET client_min_messages;
SELECT next_action FROM dbsync.status;
CREATE SCHEMA came CREATE TABLE scratch (id int) CREATE TABLE anew (id int);
SELECT "table", target, state FROM seen WHERE "table" ~ 'came' ORDER BY 1;
SELECT next_action FROM dbsync.status;

-- event triggers were off
SET client_min_messages = warning;
ALTER EVENT TRIGGER dbsync_guard_command DISABLE;
CREATE TABLE came.unseen (id int);
ALTER EVENT TRIGGER dbsync_guard_command ENABLE ALWAYS;
RESET client_min_messages;
SELECT dbsync_internal.retry_rules();
SELECT "table", captured FROM seen WHERE "table" = 'came.unseen';

SET client_min_messages = warning;
SELECT dbsync.drop_subscription('road', force => true);
SELECT dbsync.drop_target('rules_new');
DROP VIEW seen, not_in;
DROP SCHEMA came, elsewhere CASCADE;
\c postgres
DROP DATABASE :target;

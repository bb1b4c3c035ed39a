-- The guard: DDL on captured tables that capture cannot follow is refused, and
-- what does not matter passes.  Hazards 8, 9, 14, 16.
\set SHOW_CONTEXT never
CREATE SCHEMA guard;
SET search_path = guard, public;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TYPE row_type AS (id int, v text);
CREATE TABLE t (id int PRIMARY KEY, v text, n int, m mood, alt int NOT NULL DEFAULT 0);
CREATE TABLE by_index (id int NOT NULL, v int);
CREATE UNIQUE INDEX by_index_id ON by_index (id);
CREATE TABLE typed OF row_type (PRIMARY KEY (id));
CREATE TABLE free (LIKE t INCLUDING ALL);
SELECT dbsync.create_target('guard', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('guard', 'guard', ARRAY['t', 'by_index', 'typed']);

-- a table that is not captured yet is its owner's
ALTER TABLE t ADD early int;
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table ORDER BY id;

-- columns
ALTER TABLE t ADD COLUMN z pg_mcv_list;
ALTER TYPE row_type ADD ATTRIBUTE z gtsvector CASCADE;
DO $$ BEGIN EXECUTE (SELECT 'ALTER TABLE t ' || string_agg('ADD x' || i || ' int', ', ') FROM generate_series(1, 1592) i); END $$;
DO $$ BEGIN EXECUTE (SELECT 'ALTER TABLE t ' || string_agg('ADD x' || i || ' bigint NOT NULL', ', ') FROM generate_series(1, 1100) i); END $$;
-- what the table is
ALTER TABLE t SET UNLOGGED;
CREATE TABLE child (LIKE t INCLUDING ALL) PARTITION BY RANGE (id);
ALTER TABLE child ATTACH PARTITION t DEFAULT;
DROP TABLE child;
CREATE TABLE root (id int, v int) PARTITION BY RANGE (id);
ALTER TABLE root ATTACH PARTITION by_index FOR VALUES FROM (0) TO (10);
-- several in one command, and within a function
ALTER TABLE t ADD z int, ADD y pg_mcv_list;
DO $$ BEGIN EXECUTE 'ALTER TABLE t SET UNLOGGED'; END $$;

-- inheritance is followed: see sql/inheritance_ddl.sql
BEGIN;
CREATE TABLE child () INHERITS (t);
CREATE SCHEMA guard_other CREATE TABLE child () INHERITS (guard.t);
CREATE FOREIGN TABLE far_child () INHERITS (t) SERVER guard;
ROLLBACK;
CREATE TABLE child (LIKE t INCLUDING ALL);
BEGIN;
ALTER TABLE child INHERIT t;
ROLLBACK;
BEGIN;
ALTER TABLE t INHERIT child;
ROLLBACK;
DROP TABLE child;

-- what passes
ALTER TABLE t ALTER v SET DEFAULT 'x', ALTER n SET NOT NULL, ADD CHECK (n > 0), ALTER v SET STORAGE external,
    ALTER n SET STATISTICS 5, REPLICA IDENTITY FULL, SET (fillfactor = 70);
ALTER TABLE t ALTER n DROP NOT NULL;
CREATE INDEX t_v ON t (v);
DROP INDEX t_v;
CREATE UNIQUE INDEX t_alt ON t (alt, id);
ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES by_index (id);
ALTER TYPE mood ADD VALUE 'so so';
ALTER TYPE mood RENAME VALUE 'bad' TO 'worse';
ALTER TYPE mood RENAME TO temper;
COMMENT ON TABLE t IS 'still captured';
GRANT SELECT ON t TO PUBLIC;
CREATE VIEW a_view AS SELECT * FROM t;
CREATE RULE r AS ON INSERT TO a_view DO INSTEAD NOTHING;
CREATE POLICY p ON t;
CREATE TABLE likewise (LIKE t INCLUDING ALL);
ANALYZE t;
TRUNCATE t;
REINDEX TABLE t;
CLUSTER t USING t_pkey;
VACUUM FULL t;
ALTER TABLE t RENAME TO renamed;
ALTER TABLE renamed SET SCHEMA public;
ALTER TABLE public.renamed SET SCHEMA guard;
ALTER TABLE renamed RENAME TO t;
ALTER INDEX t_pkey RENAME TO t_key;
ALTER SCHEMA guard RENAME TO guarded;
ALTER SCHEMA guarded RENAME TO guard;
INSERT INTO by_index VALUES (1, 1);
INSERT INTO t (id, v, n) VALUES (1, 'x', 1);
SELECT op, "row" FROM dbsync.changes('t') WHERE op <> 'T';
ALTER TABLE free ADD z int, DROP v;

-- whoever gives the command, whatever the search_path
CREATE ROLE regress_dbsync_owner;
GRANT USAGE, CREATE ON SCHEMA guard TO regress_dbsync_owner;
ALTER TABLE t OWNER TO regress_dbsync_owner;
SET ROLE regress_dbsync_owner;
CREATE FUNCTION guard.quote_ident(name) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
CREATE FUNCTION guard.array_agg(oid) RETURNS oid[] LANGUAGE sql AS 'SELECT NULL::oid[]';
CREATE TABLE guard.pg_class (oid oid);
SET search_path = guard, pg_catalog;
ALTER TABLE t ADD y int DEFAULT 1;
ALTER TABLE t SET UNLOGGED;
BEGIN;
DROP TABLE t CASCADE;
ROLLBACK;
RESET ROLE;
SET session_replication_role = replica;
ALTER TABLE t ADD yy int DEFAULT 2;
ALTER TABLE t SET UNLOGGED;
RESET session_replication_role;
SET search_path = guard, public;
SELECT t.kind, t.missing FROM dbsync.turn t JOIN dbsync.captured_table c ON c.id = t.captured_id WHERE c.relid = 't'::regclass ORDER BY t.shape_id;

-- the way: out, change, in again
SELECT dbsync.remove_table('guard', 't');
ALTER TABLE t ADD z int;
SELECT dbsync.add_table('guard', 't');
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table WHERE state = 'installing';
-- or suspended, change, copy
SELECT dbsync.suspend_table('t');
ALTER TABLE t ADD zz int;
SELECT dbsync.copy_table('guard', 't');
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table WHERE state = 'installing';
ALTER TABLE t SET UNLOGGED;

SELECT dbsync.drop_subscription('guard');
SELECT dbsync.drop_target('guard');
ALTER TABLE t SET UNLOGGED;
SET client_min_messages = warning;
DROP SCHEMA guard CASCADE;
DROP OWNED BY regress_dbsync_owner;
DROP ROLE regress_dbsync_owner;

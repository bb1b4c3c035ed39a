-- The guard: what changes values behind the triggers' backs is noticed, by whichever
-- command (P2), or refused (P6); so is DROP INDEX CONCURRENTLY of the key, before anything is
-- committed (B2); and who takes a table's name away is told (P5).
\set SHOW_CONTEXT never
CREATE SCHEMA guard_val;
SET search_path = guard_val, public;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE other AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (x int, m mood);
CREATE TYPE lone AS (x int, y text);
CREATE DOMAIN moods AS mood[];
CREATE TYPE mood_range AS RANGE (subtype = mood);
CREATE TABLE rowed (id int, m mood);
CREATE DOMAIN part AS int;
CREATE TYPE whole AS (x int, y part);
CREATE TABLE parent (id int, v int);
CREATE TABLE child () INHERITS (parent);
CREATE TABLE parted (id int, v int) PARTITION BY RANGE (id);
CREATE TABLE a_part PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TYPE form AS (id int, v int);
CREATE TABLE typed OF form;
CREATE TABLE i (id int PRIMARY KEY, w whole, c child[], p a_part, f typed);
CREATE TABLE t (id int PRIMARY KEY, n int, v text, at timestamp, b int, g int GENERATED ALWAYS AS (b + 1) STORED);
CREATE TABLE e (id int PRIMARY KEY, ms moods);
CREATE TABLE f (id int PRIMARY KEY, p pair[], r rowed);
CREATE TABLE h (id int PRIMARY KEY, r mood_range);
CREATE TABLE free (id int PRIMARY KEY, n int, o other, l lone);
SELECT dbsync.create_target('guard_val', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('guard_val', 'guard_val', ARRAY['t', 'e', 'f', 'h', 'i']);
SELECT count(dbsync_internal.install_capture(id)) FROM dbsync.captured_table;
INSERT INTO t SELECT i, i, 'v' || i, timestamp '2026-01-01 12:00' FROM generate_series(1, 3) i;

-- P2: ALTER COLUMN ... TYPE ... USING
ALTER TABLE t ALTER n TYPE int USING n * 10;
ALTER TABLE t ALTER at TYPE timestamp USING at + interval '5 hours';
ALTER TABLE t ALTER v TYPE text USING upper(v);
ALTER TABLE t ALTER id TYPE int USING id + 100;
ALTER TABLE t ALTER n SET DEFAULT 5, ALTER n TYPE int USING 7;
DO $$ BEGIN EXECUTE 'ALTER TABLE t ALTER n TYPE int USING n * 10'; END $$;
SET session_replication_role = replica;
ALTER TABLE t ALTER n TYPE int USING n * 10;
RESET session_replication_role;
ALTER TABLE t ALTER n TYPE bigint USING n * 10;
ALTER TABLE t ADD c timestamptz DEFAULT clock_timestamp();
CREATE VIEW turns AS SELECT t.kind, t.reason, t.shape_id FROM dbsync.turn t JOIN dbsync.captured_table c ON c.id = t.captured_id
    WHERE c.relid = 't'::regclass;
SELECT kind, reason FROM turns ORDER BY shape_id;
SELECT id, n, v, at FROM t ORDER BY id;
-- what leaves values as they are
ALTER TABLE t ALTER n TYPE bigint USING n;
ALTER TABLE t ALTER n TYPE bigint;
ALTER TABLE t SET TABLESPACE pg_default;
ALTER TABLE t SET ACCESS METHOD heap;
CLUSTER t USING t_pkey;
VACUUM FULL t;
ALTER TABLE free ALTER n TYPE int USING n * 10;
SELECT count(*) FROM turns;
INSERT INTO t (id) VALUES (4);
-- nobody asks while it is suspended
SELECT dbsync.suspend_table('t');
ALTER TABLE t ALTER n TYPE int USING n * 10;
SELECT dbsync.copy_table('guard_val', 't');
SELECT count(dbsync_internal.install_capture(id)) FROM dbsync.captured_table;
SELECT count(*) FROM turns;
ALTER TABLE t ALTER n TYPE int USING n / 10;
SELECT kind, reason FROM turns;

-- P6: labels of enums, however deep inside: what they were called is known as long as somebody has them
CREATE VIEW labels AS SELECT f.type::regtype, f.name AS was, e.enumlabel AS "is"
FROM dbsync.former_label f JOIN pg_enum e ON e.oid = f.label;
ALTER TYPE mood RENAME VALUE 'ok' TO 'fine';
SELECT * FROM labels;
SELECT dbsync.remove_table('guard_val', 'e');
ALTER TYPE mood RENAME VALUE 'fine' TO 'good';
SELECT * FROM labels ORDER BY was;
SELECT dbsync.remove_table('guard_val', 'f');
ALTER TYPE guard_val.mood RENAME VALUE 'good' TO 'ok';
ALTER TYPE mood ADD VALUE 'great';
ALTER TYPE mood ADD VALUE IF NOT EXISTS 'great' BEFORE 'sad';
ALTER TYPE mood RENAME TO temper;
ALTER TYPE temper RENAME VALUE 'great' TO 'fine';
ALTER TYPE temper RENAME VALUE 'none' TO 'fine';
ALTER TYPE other RENAME VALUE 'ok' TO 'fine';
ALTER TYPE missing RENAME VALUE 'ok' TO 'fine';
SELECT * FROM labels ORDER BY was;
SELECT dbsync.suspend_table('h');
ALTER TYPE temper RENAME VALUE 'great' TO 'fine';
SELECT * FROM labels ORDER BY was;
DROP VIEW labels;
SELECT dbsync.add_table('guard_val', 'f');
SELECT count(dbsync_internal.install_capture(id)) FROM dbsync.captured_table;
-- P17: attributes of composites are followed, those of tables whose rows are values are not
CREATE VIEW attributes AS SELECT f.type::regtype, f.name, f.num FROM dbsync.former_attribute f;
ALTER TYPE pair ADD ATTRIBUTE y int;
ALTER TYPE pair DROP ATTRIBUTE x;
ALTER TYPE pair ADD ATTRIBUTE x int;
ALTER TYPE pair DROP ATTRIBUTE y, ADD ATTRIBUTE y text;
ALTER TYPE pair RENAME ATTRIBUTE y TO x;
SELECT * FROM attributes ORDER BY num, name;
-- but for what cannot travel
ALTER TYPE pair ADD ATTRIBUTE bad pg_mcv_list;
ALTER TABLE rowed ADD y int;
ALTER TABLE rowed DROP m;
ALTER TYPE pair RENAME ATTRIBUTE y TO z;
SELECT * FROM attributes ORDER BY num, name;
DROP VIEW attributes;
ALTER TABLE rowed RENAME id TO key;
ALTER TABLE rowed ALTER m SET DEFAULT 'sad';
ALTER TYPE lone ADD ATTRIBUTE z int;
ALTER TABLE missing ADD y int;
-- nor by way of what hands its attributes on, or loses one with what it is made of
ALTER TABLE parent ADD w int;
ALTER TABLE parent DROP v;
ALTER TABLE ONLY parent DROP v;
ALTER TABLE parted ADD w int;
ALTER TYPE form ADD ATTRIBUTE w int CASCADE;
ALTER TYPE form DROP ATTRIBUTE v CASCADE;
DROP DOMAIN part CASCADE;
DROP DOMAIN part;
ALTER TABLE parent ADD CHECK (id > 0);
ALTER TABLE parent RENAME id TO key;
SELECT dbsync.suspend_table('i');
ALTER TABLE parent ADD w int;
ALTER TYPE form ADD ATTRIBUTE w int CASCADE;
-- who may not give the command is told that, and not who uses what by us
CREATE ROLE regress_dbsync_stranger;
GRANT USAGE ON SCHEMA guard_val TO regress_dbsync_stranger;
SET ROLE regress_dbsync_stranger;
ALTER TYPE temper RENAME VALUE 'ok' TO 'fine';
ALTER TYPE pair ADD ATTRIBUTE y int;
ALTER TABLE t RENAME TO s;
ALTER TABLE t SET SCHEMA public;
ALTER SCHEMA guard_val RENAME TO guard_other;
ALTER SERVER guard_val RENAME TO guard_other;
DROP INDEX CONCURRENTLY t_pkey;
RESET ROLE;
DROP OWNED BY regress_dbsync_stranger;
DROP ROLE regress_dbsync_stranger;

-- B2: the key goes without a lock, in several transactions
CREATE TABLE by_index (id int NOT NULL, v int);
CREATE UNIQUE INDEX by_index_id ON by_index (id);
CREATE INDEX by_index_v ON by_index (v);
SELECT dbsync.add_table('guard_val', 'by_index', key => '{id}');
SELECT count(dbsync_internal.install_capture(id)) FROM dbsync.captured_table;
DROP INDEX CONCURRENTLY by_index_id;
DROP INDEX CONCURRENTLY IF EXISTS guard_val.by_index_id;
DROP INDEX by_index_id;
INSERT INTO by_index VALUES (1, 1);
SELECT indisvalid, indisready, indislive FROM pg_index WHERE indexrelid = 'by_index_id'::regclass;
DROP INDEX CONCURRENTLY by_index_v;
DROP INDEX CONCURRENTLY missing;
DROP INDEX CONCURRENTLY IF EXISTS missing;
REINDEX INDEX CONCURRENTLY by_index_id;
DROP INDEX CONCURRENTLY by_index_id;
INSERT INTO by_index VALUES (2, 1);
REINDEX TABLE CONCURRENTLY by_index;
UPDATE by_index SET v = 2;
DROP INDEX CONCURRENTLY by_index_id;
-- whoever gives the command
CREATE ROLE regress_dbsync_owner;
GRANT USAGE, CREATE ON SCHEMA guard_val TO regress_dbsync_owner;
ALTER TABLE by_index OWNER TO regress_dbsync_owner;
SET ROLE regress_dbsync_owner;
DROP INDEX CONCURRENTLY by_index_id;
ALTER TABLE by_index ALTER v TYPE int USING v + 1;
RESET ROLE;
-- where the guard was off, the next look finds it out, and writers go on
ALTER EVENT TRIGGER dbsync_guard_start DISABLE;
ALTER EVENT TRIGGER dbsync_guard_drop DISABLE;
DROP INDEX CONCURRENTLY by_index_id;
ALTER EVENT TRIGGER dbsync_guard_start ENABLE ALWAYS;
ALTER EVENT TRIGGER dbsync_guard_drop ENABLE ALWAYS;
INSERT INTO by_index VALUES (3, 1);
SELECT dbsync_internal.tidy_captures();
INSERT INTO by_index VALUES (3, 1);
SELECT "table", state, note FROM dbsync.table_status WHERE "table" = 'by_index'::regclass;
SELECT dbsync.remove_table('guard_val', 'by_index');

-- P5: a rebuilt table takes the other one's name
CREATE TABLE item (id int PRIMARY KEY, v text);
CREATE TABLE given (id int PRIMARY KEY);
SELECT dbsync.add_table('guard_val', 'item');
SELECT dbsync.add_table('guard_val', 'given', target_table => 'guard_val.given');
SELECT count(dbsync_internal.install_capture(id)) FROM dbsync.captured_table;
CREATE VIEW notes AS SELECT "table", target_table, note FROM dbsync.table_status
    WHERE "table" IN (SELECT oid FROM pg_class WHERE relname ~ 'item|given');
CREATE TABLE item_new (LIKE item INCLUDING ALL);
BEGIN;
ALTER TABLE item RENAME TO item_old;
SELECT * FROM notes ORDER BY "table"::text COLLATE "C";
ALTER TABLE item_new RENAME TO item;
COMMIT;
SELECT * FROM notes ORDER BY "table"::text COLLATE "C";
ALTER TABLE item_old RENAME TO item_older;
CREATE SCHEMA guard_val2;
ALTER TABLE item SET SCHEMA guard_val2;
ALTER TABLE item_older SET SCHEMA guard_val2;
SELECT * FROM notes ORDER BY "table"::text COLLATE "C";
ALTER TABLE guard_val2.item_older SET SCHEMA guard_val;
ALTER TABLE item_older RENAME TO item;
SELECT * FROM notes ORDER BY "table"::text COLLATE "C";
ALTER SCHEMA guard_val RENAME TO guard_val3;
SET search_path = guard_val3, public;
SELECT * FROM notes ORDER BY "table"::text COLLATE "C";
ALTER SCHEMA guard_val3 RENAME TO guard_val;
SET search_path = guard_val, public;
-- a name that was given is nobody's business
ALTER TABLE given RENAME TO given2;
SELECT * FROM notes ORDER BY "table"::text COLLATE "C";

-- P7: tracking tables are none of a script's that alters all tables
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE format(command, (SELECT s.relid::regclass FROM dbsync.segment s JOIN dbsync.captured_table c ON c.id = s.captured_id
                             WHERE c.relid = 't'::regclass AND s.active));
    RETURN 'done';
EXCEPTION WHEN feature_not_supported THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' / ', regexp_replace(sqlerrm, '\d+', 'N'), detail);
END $$;
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
SELECT try('ALTER TABLE %s ADD audited_at timestamptz');
SELECT try('ALTER TABLE %s DROP COLUMN v');
SELECT try('ALTER TABLE %s ALTER COLUMN v TYPE varchar');
SELECT try('ALTER TABLE %s ALTER COLUMN n TYPE int USING n + 1');
SELECT try('ALTER TABLE %s OWNER TO regress_dbsync_owner');
SELECT try('CREATE TRIGGER theirs AFTER INSERT ON %s EXECUTE FUNCTION nothing()');
SELECT try('CREATE RULE theirs AS ON INSERT TO %s DO INSTEAD NOTHING');
SELECT try('CREATE INDEX ON %s (id)');
SELECT try('ALTER TABLE %s ENABLE ROW LEVEL SECURITY');
SELECT try('ALTER TABLE %s SET SCHEMA public');
SELECT try('ALTER TABLE dbsync_internal.header_1 ADD audited_at timestamptz');
SELECT try('COMMENT ON TABLE %s IS ''mine''');
SELECT try('ALTER TABLE %s SET (autovacuum_enabled = off)');
INSERT INTO t SELECT i, i FROM generate_series(200, 210) i;

-- what others have made of a type does not take it away from its owner: their table is suspended
CREATE ROLE regress_dbsync_maker;
GRANT USAGE, CREATE ON SCHEMA guard_val TO regress_dbsync_maker;
CREATE VIEW noted AS SELECT "table"::text, state, note FROM dbsync.table_status WHERE "table"::text = 'made';
SET ROLE regress_dbsync_maker;
CREATE TYPE guard_val.theirs AS (a int);
CREATE DOMAIN guard_val.their_int AS int;
RESET ROLE;
CREATE TABLE made (id int, v theirs, d their_int, PRIMARY KEY (id, v));
SELECT dbsync.add_table('guard_val', 'made');
SELECT count(dbsync_internal.install_capture(id)) FROM dbsync.captured_table WHERE state = 'installing';
INSERT INTO made VALUES (1, ROW(1), 1);
-- his own owner, and a superuser, is told
ALTER TYPE theirs ADD ATTRIBUTE b int;
SET ROLE regress_dbsync_maker;
ALTER TYPE guard_val.theirs ADD ATTRIBUTE b int;
RESET ROLE;
SELECT * FROM noted;
INSERT INTO made VALUES (2, ROW(2, 2), 2);
SELECT dbsync.copy_table('guard_val', 'made');
SELECT count(dbsync_internal.install_capture(id)) FROM dbsync.captured_table WHERE state = 'installing';
INSERT INTO made VALUES (3, ROW(3, 3), 3);
SET ROLE regress_dbsync_maker;
SET client_min_messages = warning;
DROP DOMAIN guard_val.their_int CASCADE;
RESET client_min_messages;
RESET ROLE;
SELECT * FROM noted;
INSERT INTO made VALUES (4, ROW(4, 4));
SELECT dbsync.copy_table('guard_val', 'made');
SELECT count(dbsync_internal.install_capture(id)) FROM dbsync.captured_table WHERE state = 'installing';
INSERT INTO made VALUES (5, ROW(5, 5));
SELECT op, "row" FROM dbsync.changes('made') WHERE key->>'id' = '5';

SELECT dbsync.drop_subscription('guard_val');
SELECT dbsync.drop_target('guard_val');
SET client_min_messages = warning;
DROP SCHEMA guard_val, guard_val2 CASCADE;
DROP ROLE regress_dbsync_owner, regress_dbsync_maker;

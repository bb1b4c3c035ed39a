-- What cannot be captured is refused when it is added, with what to do.
\set SHOW_CONTEXT never
CREATE SCHEMA admin_ref;
SET search_path = admin_ref, public;
SELECT dbsync.create_target('admin_ref', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('admin_ref', 'admin_ref');

-- kinds of relations
CREATE TABLE part (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (10);
CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY);
CREATE TEMP TABLE temporary (id int PRIMARY KEY);
CREATE VIEW a_view AS SELECT 1 AS id;
CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS id;
CREATE SEQUENCE a_sequence;
CREATE TYPE a_type AS (id int);
CREATE FOREIGN TABLE foreign_table (id int) SERVER admin_ref;
SELECT dbsync.add_table('admin_ref', 'part');
SELECT dbsync.add_table('admin_ref', 'part_1');
SELECT dbsync.add_table('admin_ref', 'unlogged');
SELECT dbsync.add_table('admin_ref', 'foreign_table');
SELECT dbsync.add_table('admin_ref', 'a_view');
SELECT dbsync.add_table('admin_ref', 'a_matview');
SELECT dbsync.add_table('admin_ref', 'a_sequence');
SELECT dbsync.add_table('admin_ref', 'a_type');
SELECT dbsync.add_table('admin_ref', 'part_1_pkey');
SELECT dbsync.add_table('admin_ref', 'pg_class');
SELECT dbsync.add_table('admin_ref', 'information_schema.sql_features');
SELECT dbsync.add_table('admin_ref', 'dbsync.node');
\set VERBOSITY sqlstate
SELECT dbsync.add_table('admin_ref', 'temporary');
\set VERBOSITY default
-- within create_subscription too, and nothing is left of it
SELECT dbsync.create_subscription('admin_ref_2', 'admin_ref', ARRAY['unlogged']);
SELECT name FROM dbsync.subscription;

-- keys
CREATE TABLE no_key (id int);
CREATE TABLE nullable_key (id int UNIQUE);
CREATE TABLE deferrable_key (id int PRIMARY KEY DEFERRABLE);
CREATE TABLE partial_key (id int NOT NULL);
CREATE UNIQUE INDEX partial_key_id ON partial_key (id) WHERE id > 0;
CREATE TABLE expression_key (id text NOT NULL);
CREATE UNIQUE INDEX expression_key_id ON expression_key (lower(id));
CREATE TABLE generated_key (id int, g int GENERATED ALWAYS AS (id + 1) STORED PRIMARY KEY);
CREATE TABLE collated_key (id text COLLATE "C" NOT NULL);
CREATE UNIQUE INDEX collated_key_id ON collated_key (id COLLATE "POSIX");
CREATE TABLE opclass_key (id text NOT NULL);
CREATE UNIQUE INDEX opclass_key_id ON opclass_key (id text_pattern_ops);
CREATE TABLE exclusion_key (id int NOT NULL, r int4range, EXCLUDE USING gist (r WITH &&));
SELECT dbsync.add_table('admin_ref', 'no_key');
SELECT dbsync.add_table('admin_ref', 'nullable_key');
SELECT dbsync.add_table('admin_ref', 'deferrable_key');
SELECT dbsync.add_table('admin_ref', 'partial_key');
SELECT dbsync.add_table('admin_ref', 'expression_key');
SELECT dbsync.add_table('admin_ref', 'generated_key');
SELECT dbsync.add_table('admin_ref', 'collated_key');
SELECT dbsync.add_table('admin_ref', 'opclass_key');
SELECT dbsync.add_table('admin_ref', 'exclusion_key');

-- of several keys: the primary key, else the replica identity, else the oldest;
-- one that will not do is passed over
CREATE TABLE keys (a int NOT NULL, b int NOT NULL, c int NOT NULL, d int);
CREATE UNIQUE INDEX keys_d ON keys (d);
CREATE UNIQUE INDEX keys_c ON keys (c);
CREATE UNIQUE INDEX keys_b ON keys (b) INCLUDE (a);
SELECT dbsync_internal.choose_key('keys')::regclass;
ALTER TABLE keys REPLICA IDENTITY USING INDEX keys_b;
SELECT dbsync_internal.choose_key('keys')::regclass;
ALTER TABLE keys ADD CONSTRAINT keys_a PRIMARY KEY (a);
SELECT dbsync_internal.choose_key('keys')::regclass;
ALTER TABLE keys DROP CONSTRAINT keys_a, ADD CONSTRAINT keys_a PRIMARY KEY (a) DEFERRABLE;
SELECT dbsync_internal.choose_key('keys')::regclass;

-- types without a way back from text, also deep within
CREATE DOMAIN hidden AS pg_node_tree;
CREATE TYPE holder AS (x int, y hidden[]);
CREATE TABLE types_1 (id int PRIMARY KEY, v pg_mcv_list);
CREATE TABLE types_2 (id int PRIMARY KEY, v holder);
SELECT dbsync.add_table('admin_ref', 'types_1');
SELECT dbsync.add_table('admin_ref', 'types_2');
-- a generated column is not captured
CREATE TABLE types_3 (id int PRIMARY KEY, v text, g text GENERATED ALWAYS AS (upper(v)) STORED);
SELECT dbsync.add_table('admin_ref', 'types_3');
SELECT c.name FROM dbsync_internal.segment_columns('types_3') c;

-- too many columns, too wide a row: refused now, not when the user writes
CREATE FUNCTION admin_ref.run(command text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; END $$;
SELECT run(format('CREATE TABLE many (id int PRIMARY KEY, %s)', string_agg('c' || i || ' bool', ', ')))
FROM generate_series(1, 1596) i;
SELECT dbsync.add_table('admin_ref', 'many');
ALTER TABLE many DROP c1;
SELECT dbsync.add_table('admin_ref', 'many');
-- what no row of the table leaves room for; rows that leave none now and then are no
-- reason (capture_wide)
SELECT run(format('CREATE TABLE wide (id bigint PRIMARY KEY, %s)', string_agg('c' || i || ' bigint NOT NULL', ', ')))
FROM generate_series(1, 1016) i;
\set VERBOSITY terse
SELECT dbsync.add_table('admin_ref', 'wide');
\set VERBOSITY default
ALTER TABLE wide ALTER c1 DROP NOT NULL, ALTER c2 DROP NOT NULL, ALTER c3 DROP NOT NULL;
\set VERBOSITY terse
SELECT dbsync.add_table('admin_ref', 'wide');
\set VERBOSITY default
SELECT run(format('ALTER TABLE wide %s', string_agg('ALTER c' || i || ' DROP NOT NULL', ', '))) FROM generate_series(4, 50) i;
SELECT dbsync.add_table('admin_ref', 'wide');

SELECT dbsync.drop_subscription('admin_ref');
DROP FOREIGN TABLE foreign_table;
SELECT dbsync.drop_target('admin_ref');
SET client_min_messages = warning;
DROP SCHEMA admin_ref CASCADE;

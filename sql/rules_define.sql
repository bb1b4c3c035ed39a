-- Rules of subscriptions: how they are written down, what they have, what is refused, how they are
-- changed.  Nothing runs here: there is no target behind the address.
\set SHOW_CONTEXT never
CREATE SCHEMA rules;
CREATE SCHEMA "Rules Two";
SET search_path = rules, public;
CREATE TABLE orders (id int PRIMARY KEY, v text);
CREATE TABLE log (id int);
CREATE TABLE "Rules Two".t (id int PRIMARY KEY);
CREATE UNLOGGED TABLE quick (id int PRIMARY KEY);
CREATE TEMP TABLE temporary (id int);
CREATE VIEW a_view AS TABLE orders;
CREATE MATERIALIZED VIEW a_matview AS TABLE orders;
CREATE SEQUENCE a_sequence;
CREATE FOREIGN DATA WRAPPER rules_fdw;
CREATE SERVER rules_server FOREIGN DATA WRAPPER rules_fdw;
CREATE FOREIGN TABLE far (id int) SERVER rules_server;
CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE half_far (id int) PARTITION BY RANGE (id);
CREATE FOREIGN TABLE half_far_1 PARTITION OF half_far FOR VALUES FROM (0) TO (10) SERVER rules_server;
CREATE VIEW public.rule AS
    SELECT s.name AS subscription, r.kind, r.schema, r.name, n.nspname AS schema_is, r.relid::regclass AS table_is
    FROM dbsync.subscription_rule r JOIN dbsync.subscription s ON s.id = r.subscription_id
    LEFT JOIN pg_namespace n ON n.oid = r.schema_oid;
CREATE VIEW public.seen AS
    SELECT s.name AS subscription, c.relid::regclass::text AS "table", a.by_rule, a.copy_data, a.existing_rows, c.state
    FROM dbsync.subscription_table a JOIN dbsync.subscription s ON s.id = a.subscription_id JOIN dbsync.captured_table c ON c.id = a.captured_id;
CREATE VIEW public.not_in AS SELECT subscription, "table", reason, hint FROM dbsync.refused;
SELECT dbsync.create_target('rules', 'postgresql://sync@host.invalid/db');

-- what makes no sense
SELECT dbsync.create_subscription('s', 'rules', schemas => '{rules,nowhere}');
SELECT dbsync.create_subscription('s', 'rules', schemas => '{rules,NULL}');
SELECT dbsync.create_subscription('s', 'rules', schemas => '{pg_catalog}');
SELECT dbsync.create_subscription('s', 'rules', schemas => '{dbsync}');
SELECT dbsync.create_subscription('s', 'rules', schemas => '{"rules two"}');
SELECT dbsync.create_subscription('s', 'rules', all_tables => NULL);
SELECT dbsync.create_subscription('s', 'rules', except_tables => '{rules.log}');
SELECT dbsync.create_subscription('s', 'rules', schemas => '{rules}', except_tables => '{NULL}');
SELECT dbsync.create_subscription('s', 'rules', schemas => '{rules}', except_tables => '{a.b.c}');
SELECT dbsync.create_subscription('s', 'rules', schemas => '{rules}', except_tables => '{"a b"}');
SELECT dbsync.create_subscription('s', 'rules', schemas => '{rules}', except_tables => '{rules.*}');
SELECT count(*) FROM dbsync.subscription_rule;

-- all tables of a schema: not partitions, whose root is in; and not what has no rows of its own here.
-- Exceptions are found by the caller's path.
SELECT dbsync.create_subscription('s', 'rules', tables => '{orders}', schemas => '{rules,"Rules Two",rules}',
    except_tables => '{log,rules.later,part_1,public.elsewhere}');
SELECT * FROM rule ORDER BY kind, schema, name;
SELECT * FROM seen ORDER BY "table";
SELECT * FROM not_in ORDER BY "table"::text COLLATE "C";
SELECT subscription, refused, next_action FROM dbsync.status;
SELECT subscription, "table", target_table, state FROM dbsync.table_status ORDER BY "table"::text;

-- by its name it is in already; an exception that is added is none any more
SELECT dbsync.add_table('s', 'parted');
SELECT dbsync.add_table('s', 'quick');
SELECT dbsync.add_table('s', 'log');
SELECT * FROM rule WHERE kind = 'except' ORDER BY name;

-- who takes a table out means it
SELECT dbsync.remove_table('s', '"Rules Two".t');
SELECT dbsync.refresh_subscription('s');
SELECT * FROM seen ORDER BY "table";
SELECT * FROM rule WHERE kind = 'except' ORDER BY name;

-- other rules: what came by one and is of none any more leaves; what was added stays
SELECT dbsync.alter_subscription('s', except_tables => '{rules.parted}');
SELECT * FROM seen ORDER BY "table";
SELECT dbsync.alter_subscription('s', schemas => '{}');
SELECT dbsync.alter_subscription('s', schemas => '{}', except_tables => '{}');
SELECT * FROM seen ORDER BY "table";
SELECT * FROM not_in;
SELECT refused, next_action FROM dbsync.status;
SELECT dbsync.refresh_subscription('s');
SELECT dbsync.refresh_subscription('nobody');
SELECT dbsync.alter_subscription('s', except_tables => '{rules.log}');

-- all tables, but for those of the system and of dbsync, on whichever side of it
SET client_min_messages = warning;
SELECT dbsync.alter_subscription('s', all_tables => true);
RESET client_min_messages;
SELECT "table" FROM seen WHERE "table" IN (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'Rules Two');
SELECT s."table" FROM seen s JOIN pg_class c ON c.oid = s."table"::regclass JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname ~ '^(pg_|dbsync|information_schema)';
SELECT dbsync.alter_subscription('s', all_tables => false);
SELECT * FROM seen ORDER BY "table";

-- without a copy: of what is there; what comes later has rows that no copy would bring
SELECT dbsync.create_subscription('uncopied', 'rules', schemas => '{"Rules Two"}', copy_data => false);
CREATE TABLE "Rules Two".later (id int PRIMARY KEY);
SELECT * FROM seen WHERE subscription = 'uncopied' ORDER BY "table";
-- rows that are there would be there twice
SELECT dbsync.create_subscription('keeps', 'rules', schemas => '{rules}', existing_rows => 'keep');
CREATE TABLE no_key (a int);
SELECT * FROM seen WHERE subscription = 'keeps' ORDER BY "table";
SELECT * FROM not_in WHERE subscription = 'keeps' ORDER BY "table"::text COLLATE "C";

-- nothing is left of them
SELECT dbsync.drop_subscription(name) FROM unnest('{s,uncopied,keeps}'::text[]) name;
SELECT count(*) FROM dbsync.subscription_rule;
SELECT count(*) FROM dbsync_internal.refused_table;
SELECT count(*) FROM dbsync.captured_table;
SELECT count(*) FROM pg_trigger WHERE tgfoid = 'dbsync_internal.capture'::regproc;
SELECT dbsync.drop_target('rules');
SET client_min_messages = warning;
DROP VIEW public.rule, public.seen, public.not_in;
DROP SCHEMA rules, "Rules Two" CASCADE;
DROP FOREIGN DATA WRAPPER rules_fdw CASCADE;

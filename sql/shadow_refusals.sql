-- capture => 'shadow': what is refused, what is said, and who may look at what is kept.
\set QUIET on
\i sql/include/target.psql
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
CREATE TABLE public.a (id int PRIMARY KEY, v text);
CREATE TABLE public.keyless (id int NOT NULL, v text);
CREATE TABLE public.parted (id int PRIMARY KEY) PARTITION BY LIST (id);
CREATE UNLOGGED TABLE public.unlogged (id int PRIMARY KEY);
CREATE TEMP TABLE temporary (id int PRIMARY KEY);
SELECT dbsync.create_target('shadow_target', :'uri');
SELECT dbsync.create_subscription('one', 'shadow_target');
SELECT dbsync.create_subscription('two', 'shadow_target');

\echo options
SELECT dbsync.add_table('one', 'a', capture => 'shadow', options => '[]');
SELECT dbsync.add_table('one', 'a', capture => 'shadow', options => '{"colour": "red"}');
SELECT dbsync.add_table('one', 'a', capture => 'shadow', options => '{"scan": 5}');
SELECT dbsync.add_table('one', 'a', capture => 'shadow', options => '{"scan": "daily"}');
SELECT dbsync.add_table('one', 'a', capture => 'shadow', options => '{"scan": "interval 1 ms"}');
SELECT dbsync.add_table('one', 'a', capture => 'shadow', options => '{"exact": "yes"}');
SELECT dbsync.add_table('one', 'a', capture => 'shadows');

\echo the table
SELECT dbsync.add_table('one', 'keyless', capture => 'shadow');
SELECT dbsync.add_table('one', 'parted', capture => 'shadow');
SELECT dbsync.add_table('one', 'unlogged', capture => 'shadow');
SELECT dbsync.add_table('one', 'temporary', capture => 'shadow');

\echo what it does not see is said, and kept
SELECT dbsync.add_table('one', 'a', capture => 'shadow', options => '{"scan": "interval 1 hour", "exact": true}');
SELECT note FROM dbsync.table_status WHERE "table" = 'a'::regclass;
SELECT capture, capture_options FROM dbsync.captured_table;

\echo others of the same table have the same shadow
SELECT dbsync.add_table('two', 'a', 'x.a');
SELECT dbsync.add_table('two', 'a', 'x.a', capture => 'keys');
SELECT dbsync.add_table('two', 'a', 'x.a', capture => 'shadow');
SELECT dbsync.add_table('two', 'a', 'x.a', capture => 'shadow', options => '{"scan": "interval 2 hours", "exact": true}');
SELECT dbsync.add_table('two', 'a', 'x.a', capture => 'shadow', options => '{"scan": "interval 60 min", "exact": true}');
SELECT dbsync.remove_table('two', 'a');
SELECT dbsync.remove_table('one', 'a');
SELECT dbsync.add_table('two', 'a');
SELECT dbsync.add_table('one', 'a', 'x.a', capture => 'shadow');
SELECT dbsync.remove_table('two', 'a');

\echo rows that come from elsewhere
CREATE SCHEMA dbsync_ledger;
CREATE TABLE dbsync_ledger.position (id uuid, subscription uuid, system_identifier bigint, database_oid oid, live boolean, rows bigint, relation text);
INSERT INTO dbsync_ledger.position VALUES (gen_random_uuid(), gen_random_uuid(), 1, 1, true, 0, 'public.a');
SELECT dbsync.add_table('one', 'a', capture => 'shadow');
DELETE FROM dbsync_ledger.position;
SELECT dbsync.add_table('one', 'a', capture => 'shadow', options => '{"scan": "interval 1 hour"}');
\c :target
CREATE TABLE public.a (id int PRIMARY KEY, v text);
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SELECT dbsync.run_once('one');
INSERT INTO public.a VALUES (1, 'one');
-- another subscription begins to apply into it later
INSERT INTO dbsync_ledger.position VALUES (gen_random_uuid(), gen_random_uuid(), 1, 1, true, 0, 'public.a');
SELECT dbsync.run_once('one');
SELECT count(*) FROM dbsync.changes('a');
DROP SCHEMA dbsync_ledger CASCADE;
SELECT dbsync.run_once('one');
SELECT op, key FROM dbsync.changes('a');

\echo nobody looks into the shadow, and nobody alters it
CREATE ROLE regress_dbsync_reader;
GRANT SELECT ON public.a TO regress_dbsync_reader;
SELECT format('dbsync_internal.shadow_%s', id) AS shadow FROM dbsync.captured_table WHERE relid = 'a'::regclass \gset
SELECT count(*) FROM :shadow;
SELECT relacl IS NULL OR cardinality(relacl) = 1, relrowsecurity FROM pg_class WHERE oid = :'shadow'::regclass;
GRANT USAGE ON SCHEMA dbsync_internal TO regress_dbsync_reader;
SET ROLE regress_dbsync_reader;
\set VERBOSITY sqlstate
SELECT count(*) FROM :shadow;
SELECT dbsync_internal.compare_shadow(1, 10::oid);
\set VERBOSITY default
RESET ROLE;
REVOKE USAGE ON SCHEMA dbsync_internal FROM regress_dbsync_reader;
\set VERBOSITY sqlstate
DROP TABLE :shadow;
\set VERBOSITY default
-- a superuser can alter it; that is noticed
CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER loses BEFORE INSERT ON :shadow FOR EACH ROW EXECUTE FUNCTION public.nothing();
INSERT INTO public.a VALUES (2, 'two');
\set VERBOSITY terse
SELECT dbsync.run_once('one');
\set VERBOSITY default
DROP TRIGGER loses ON :shadow;
SELECT dbsync.run_once('one');

\echo SELECT on the table is enough, and is needed at each comparison
GRANT USAGE ON SCHEMA dbsync TO regress_dbsync_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO regress_dbsync_reader;
GRANT SELECT ON dbsync.table_status TO regress_dbsync_reader;
GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_postgres TO regress_dbsync_reader;
SELECT dbsync.remove_table('one', 'a');
SET ROLE regress_dbsync_reader;
SELECT dbsync.create_target('reader', 'postgresql://regress@localhost:1/nowhere', password => 'secret');
SELECT dbsync.create_subscription('reader', 'reader');
SELECT dbsync.add_table('reader', 'a');
SELECT dbsync.add_table('reader', 'a', capture => 'shadow');
RESET ROLE;
SELECT id AS captured_id FROM dbsync.captured_table WHERE relid = 'a'::regclass \gset
SELECT dbsync_internal.install_capture(:captured_id, 'regress_dbsync_reader'::regrole);
SELECT dbsync_internal.compare_shadow(:captured_id, 'regress_dbsync_reader'::regrole);
INSERT INTO public.a VALUES (3, 'three');
SELECT dbsync_internal.compare_shadow(:captured_id, 'regress_dbsync_reader'::regrole);
-- row security, now
CREATE POLICY p ON public.a USING (id > 2);
ALTER TABLE public.a ENABLE ROW LEVEL SECURITY;
SELECT dbsync_internal.compare_shadow(:captured_id, 'regress_dbsync_reader'::regrole);
ALTER TABLE public.a DISABLE ROW LEVEL SECURITY;
REVOKE SELECT ON public.a FROM regress_dbsync_reader;
SELECT dbsync_internal.compare_shadow(:captured_id, 'regress_dbsync_reader'::regrole);

\echo all goes with the subscription
SELECT dbsync.drop_subscription('reader');
SELECT count(*) FROM pg_class WHERE relnamespace = 'dbsync_internal'::regnamespace AND relname LIKE 'shadow%';
SELECT dbsync.drop_target('reader');
SELECT dbsync.drop_subscription('one');
SELECT dbsync.drop_subscription('two');
SELECT dbsync.drop_target('shadow_target');
DROP OWNED BY regress_dbsync_reader;
DROP ROLE regress_dbsync_reader;
DROP TABLE public.a, public.keyless, public.parted, public.unlogged;
DROP FUNCTION public.nothing();

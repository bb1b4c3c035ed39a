-- capture => 'timestamp': what is refused, what is said, and what table_status keeps of it.
\set QUIET on
\set VERBOSITY default
\i sql/include/target.psql

CREATE TABLE public.log (id int PRIMARY KEY, at timestamptz NOT NULL, wall timestamp, day date, said text, n int,
    generated timestamptz GENERATED ALWAYS AS (at) STORED);
CREATE INDEX log_at ON public.log (at);
CREATE TABLE public.keyless (at timestamptz NOT NULL);
CREATE TABLE public.parted (id int PRIMARY KEY, at timestamptz NOT NULL) PARTITION BY RANGE (id);
SELECT dbsync.create_target('refusals', :'uri');
SELECT dbsync.create_subscription('refusals', 'refusals');
CREATE FUNCTION pg_temp.add(options jsonb, rel regclass DEFAULT 'public.log') RETURNS void LANGUAGE sql
    AS $$ SELECT dbsync.add_table('refusals', rel, capture => 'timestamp', options => options) $$;

-- options
SELECT pg_temp.add(NULL);
SELECT pg_temp.add('[]');
SELECT pg_temp.add('{}');
SELECT pg_temp.add('{"column": "at", "colour": "red"}');
SELECT pg_temp.add('{"column": 7}');
SELECT pg_temp.add('{"column": "at", "overlap": "soon"}');
SELECT pg_temp.add('{"column": "at", "overlap": "-1 s"}');
SELECT pg_temp.add('{"column": "at", "scan": "5 min"}');
SELECT pg_temp.add('{"column": "at", "scan": "interval"}');
SELECT pg_temp.add('{"column": "at", "scan": "interval 1 fortnight or so"}');
SELECT pg_temp.add('{"column": "at", "scan": "interval 1 ms"}');
SELECT pg_temp.add('{"column": "wall", "time_zone": "Middle/Earth"}');
SELECT dbsync.add_table('refusals', 'public.log', capture => 'trigger', options => '{"column": "at"}');
SELECT dbsync.add_table('refusals', 'public.log', capture => 'guess');

-- the column
SELECT pg_temp.add('{"column": "nowhere"}');
SELECT pg_temp.add('{"column": "said"}');
SELECT pg_temp.add('{"column": "day"}');
SELECT pg_temp.add('{"column": "n"}');
SELECT pg_temp.add('{"column": "generated"}');
SELECT pg_temp.add('{"column": "wall"}');
SELECT pg_temp.add('{"column": "at", "time_zone": "UTC"}');

-- the table
SELECT pg_temp.add('{"column": "at"}', 'public.keyless');
SELECT pg_temp.add('{"column": "at"}', 'public.parted');
SELECT dbsync.add_table('refusals', 'public.log', copy_data => false, capture => 'timestamp', options => '{"column": "at"}');
SELECT dbsync.add_table('refusals', 'public.log', operations => '{insert,update}', capture => 'timestamp', options => '{"column": "at"}');

-- what others do cannot be seen
SET track_activities = off;
SELECT pg_temp.add('{"column": "at"}');
RESET track_activities;
CREATE ROLE regress_dbsync_scanner;
GRANT USAGE ON SCHEMA dbsync TO regress_dbsync_scanner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO regress_dbsync_scanner;
GRANT SELECT ON dbsync.table_status TO regress_dbsync_scanner;
GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_postgres TO regress_dbsync_scanner;
GRANT SELECT ON public.log TO regress_dbsync_scanner;
SET ROLE regress_dbsync_scanner;
SELECT dbsync.create_target('scanner', 'postgresql://regress@localhost:1/nowhere', password => 'secret');
SELECT dbsync.create_subscription('scanner', 'scanner');
SELECT dbsync.add_table('scanner', 'public.log', capture => 'timestamp', options => '{"column": "at"}');
RESET ROLE;
GRANT pg_read_all_stats TO regress_dbsync_scanner;
SET ROLE regress_dbsync_scanner;
-- SELECT is enough where no trigger is put on the table
SELECT dbsync.add_table('scanner', 'public.log');
SELECT dbsync.add_table('scanner', 'public.log', capture => 'timestamp', options => '{"column": "at"}');
SELECT dbsync.drop_subscription('scanner');
SELECT dbsync.drop_target('scanner');
RESET ROLE;

-- whose open transactions keep scans from moving on: of those that write
SELECT t AS backend_type, dbsync_internal.may_write(0, t)
FROM unnest('{client backend,background worker,logical replication worker,logical replication apply worker,walsender,autovacuum worker,parallel worker,dbsync worker}'::text[]) t
ORDER BY t COLLATE "C";

-- rows that come from elsewhere
SET client_min_messages = error;
CREATE SUBSCRIPTION regress_dbsync_native CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE);
INSERT INTO pg_subscription_rel VALUES ((SELECT oid FROM pg_subscription WHERE subname = 'regress_dbsync_native'), 'public.log'::regclass, 'r', NULL);
RESET client_min_messages;
SELECT pg_temp.add('{"column": "at"}');
SELECT pg_temp.add('{"column": "at", "overlap": "1 hour"}');
SELECT dbsync.remove_table('refusals', 'public.log');
SET client_min_messages = warning;
DROP SUBSCRIPTION regress_dbsync_native;
RESET client_min_messages;

-- notes that stay; a WARNING for the index
SELECT pg_temp.add('{"column": "wall", "time_zone": "Europe/Berlin"}');
SELECT note FROM dbsync.table_status WHERE subscription = 'refusals';
CREATE INDEX ON public.log (wall);
ALTER TABLE public.log ALTER wall SET NOT NULL;
SELECT note FROM dbsync.table_status WHERE subscription = 'refusals';
SELECT * FROM dbsync.changes('public.log');

SELECT dbsync.drop_subscription('refusals');
SELECT dbsync.drop_target('refusals');
DROP OWNED BY regress_dbsync_scanner;
DROP ROLE regress_dbsync_scanner;
DROP FUNCTION pg_temp.add(jsonb, regclass);
DROP TABLE public.log, public.keyless, public.parted;

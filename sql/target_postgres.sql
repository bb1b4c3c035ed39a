-- The PostgreSQL driver: what it takes as an option, what it refuses and how it
-- says so, and rows that take the small road, the large road, or change roads.
\set QUIET on
\i sql/include/target.psql
\set SHOW_CONTEXT never

-- any libpq connection string is understood
SELECT * FROM dbsync_internal.parse_uri('dbsync_postgres', 'postgresql://sync@[::1]:5433/reporting?sslmode=require');
SELECT * FROM dbsync_internal.parse_uri('dbsync_postgres', 'postgresql:///reporting?host=/var/run/postgresql');
SELECT * FROM dbsync_internal.parse_uri('dbsync_postgres', 'host=a,b port=1,2 dbname=''with space''');
-- what is wrong with it is said, unless it could hold a password
SELECT * FROM dbsync_internal.parse_uri('dbsync_postgres', 'postgresql://host/db?sslmod=require');
SELECT * FROM dbsync_internal.parse_uri('dbsync_postgres', 'hostname');
SELECT * FROM dbsync_internal.parse_uri('dbsync_postgres', 'password=secret words');
SELECT * FROM dbsync_internal.parse_uri('dbsync_postgres', 'postgresql://me:secret@[host/db');
SELECT * FROM dbsync_internal.parse_uri('dbsync_postgres', 'postgresql:///db?p%61ssword=hunter2%zz');

-- options: the valid ones are listed (which they are is libpq's affair)
CREATE FUNCTION pg_temp.hint_of(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE hint text;
BEGIN
    EXECUTE command;
    RETURN 'no error';
EXCEPTION WHEN fdw_invalid_option_name THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' ', sqlerrm,
        CASE WHEN hint ~ '\mhost\M' THEN 'host' END,
        CASE WHEN hint ~ '\msslmode\M' THEN 'sslmode' END,
        CASE WHEN hint ~ '\muser\M' THEN 'user' END,
        CASE WHEN hint ~ '\mpassword\M' THEN 'password' END,
        CASE WHEN hint ~ '\mclient_encoding\M' THEN 'client_encoding' END);
END $$;
SELECT pg_temp.hint_of('CREATE SERVER target_postgres_s FOREIGN DATA WRAPPER dbsync_postgres OPTIONS (hots ''x'')');
SELECT pg_temp.hint_of('CREATE SERVER target_postgres_s FOREIGN DATA WRAPPER dbsync_postgres OPTIONS (password ''x'')');
SELECT pg_temp.hint_of('CREATE SERVER target_postgres_s FOREIGN DATA WRAPPER dbsync_postgres OPTIONS (client_encoding ''x'')');
CREATE SERVER target_postgres_s FOREIGN DATA WRAPPER dbsync_postgres OPTIONS (host '/nonexistent', connect_timeout '3');
SELECT pg_temp.hint_of('CREATE USER MAPPING FOR CURRENT_USER SERVER target_postgres_s OPTIONS (host ''x'')');
-- no handler: nobody reads through it
CREATE FOREIGN TABLE public.target_postgres_f (i int) SERVER target_postgres_s;
SELECT * FROM public.target_postgres_f;
DROP FOREIGN TABLE public.target_postgres_f;

-- what makes the server read its own files, or waives the password, is for superusers
CREATE ROLE regress_dbsync_writer;
GRANT USAGE ON FOREIGN SERVER target_postgres_s TO regress_dbsync_writer;
SET ROLE regress_dbsync_writer;
CREATE USER MAPPING FOR regress_dbsync_writer SERVER target_postgres_s OPTIONS (user 'x', password_required 'false');
CREATE USER MAPPING FOR regress_dbsync_writer SERVER target_postgres_s OPTIONS (user 'x', sslkey '/etc/ssl/private/key');
CREATE USER MAPPING FOR regress_dbsync_writer SERVER target_postgres_s OPTIONS (user 'x');
RESET ROLE;
ALTER SERVER target_postgres_s OWNER TO regress_dbsync_writer;
-- (a superuser's grant of the wrapper would be needed to own a server at all)
GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_postgres TO regress_dbsync_writer;
ALTER SERVER target_postgres_s OWNER TO regress_dbsync_writer;
SET ROLE regress_dbsync_writer;
ALTER SERVER target_postgres_s OPTIONS (ADD service 'production');
ALTER SERVER target_postgres_s OPTIONS (ADD passfile '/var/lib/postgresql/.pgpass');
RESET ROLE;
-- and without a password there is not even an attempt (hazard 44)
SELECT * FROM dbsync_internal.probe_target('target_postgres_s', 'regress_dbsync_writer'::regrole);
DROP SERVER target_postgres_s CASCADE;
REVOKE USAGE ON FOREIGN DATA WRAPPER dbsync_postgres FROM regress_dbsync_writer;
SELECT * FROM dbsync_internal.probe_target('target_postgres_s', 'regress_dbsync_writer'::regrole);

-- who answers, tried with the rights of an ordinary role on the target
-- (by SET ROLE: whom the server lets in without a password is not our affair)
SELECT dbsync.create_target('driver_target', :'uri' || '&options=-c%20role%3Dregress_dbsync_writer');
SELECT version / 10000 = current_setting('server_version_num')::int / 10000 AS version, "user", database,
       system_identifier = (SELECT system_identifier FROM pg_control_system()) AS same_cluster,
       database_oid = (SELECT oid FROM pg_database WHERE datname = :'target') AS same_database,
       in_recovery, replica_role
FROM dbsync_internal.probe_target('driver_target', (SELECT oid FROM pg_roles WHERE rolname = current_user));

-- rights are missing one after the other; each refusal says what to grant
CREATE TABLE public.driver (id int PRIMARY KEY, v text);
INSERT INTO public.driver VALUES (1, 'one');
SELECT dbsync.create_subscription('driver', 'driver_target', tables => ARRAY['public.driver']);
SELECT dbsync.run_once('driver');
\c :target
\i docs/ledger.sql
\c :source
SELECT dbsync.run_once('driver');
\c :target
GRANT USAGE ON SCHEMA dbsync_ledger TO regress_dbsync_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbsync_ledger.position TO regress_dbsync_writer;
CREATE SCHEMA far;
CREATE TABLE public.driver (id int PRIMARY KEY, v text);
REVOKE TEMP ON DATABASE :target FROM PUBLIC;
\c :source
SELECT dbsync.run_once('driver');
\c :target
GRANT SELECT, INSERT ON public.driver TO regress_dbsync_writer;
\c :source
SELECT dbsync.run_once('driver');
\c :target
GRANT UPDATE, DELETE ON public.driver TO regress_dbsync_writer;
\c :source
SELECT dbsync.run_once('driver');
\c :target
GRANT TEMP ON DATABASE :target TO regress_dbsync_writer;
CREATE TABLE public.child (id int PRIMARY KEY REFERENCES public.driver);
CREATE RULE quiet AS ON UPDATE TO public.driver DO ALSO NOTHING;
ALTER TABLE public.driver DISABLE RULE quiet;
\c :source
-- foreign keys, no right to the replica role (hazard 28), and rows that would have to be replaced
SELECT dbsync.run_once('driver');
\c :target
DROP TABLE public.child;
DROP RULE quiet ON public.driver;
ALTER TABLE public.driver ENABLE ROW LEVEL SECURITY;
\c :source
-- row security would hide rows from us (hazard 31)
SELECT dbsync.run_once('driver');
\c :target
ALTER TABLE public.driver DISABLE ROW LEVEL SECURITY;
ALTER TABLE public.driver DROP COLUMN v, ADD COLUMN v text GENERATED ALWAYS AS ('x') STORED;
\c :source
SELECT dbsync.run_once('driver');
\c :target
-- a crash would empty it, and not the ledger
ALTER TABLE public.driver SET UNLOGGED;
\c :source
SELECT dbsync.run_once('driver');
\c :target
DROP TABLE public.driver;
CREATE VIEW public.driver AS SELECT 1 AS id, 'x' AS v;
\c :source
SELECT dbsync.run_once('driver');
\c :target
DROP VIEW public.driver;
CREATE TABLE public.driver (id int PRIMARY KEY, v text, dbsync_op int DEFAULT 7);
GRANT SELECT, INSERT, UPDATE, DELETE ON public.driver TO regress_dbsync_writer;
\c :source
SELECT dbsync.run_once('driver');

-- a TRUNCATE that we have no right to becomes a DELETE
TRUNCATE public.driver;
INSERT INTO public.driver SELECT g, 'v' || g FROM generate_series(1, 20) g;
SELECT dbsync.run_once('driver') > 0 AS applied;
-- one row, small road
UPDATE public.driver SET v = E'tab\t, new\nline, back\\slash, \\N, \\., end' WHERE id = 1;
SELECT dbsync.run_once('driver') > 0 AS applied;
-- the large road: updates, deletes and inserts, values that need escaping, NULLs
INSERT INTO public.driver SELECT g, NULLIF('v' || g % 7, 'v3') FROM generate_series(21, 1000) g;
UPDATE public.driver SET v = E'\\' || id || E'\t\r\n' WHERE id % 3 = 0;
DELETE FROM public.driver WHERE id % 5 = 0;
SELECT dbsync.run_once('driver') > 0 AS applied;
UPDATE public.driver SET v = v || E'\\N' WHERE id % 2 = 0;
DELETE FROM public.driver WHERE id % 11 = 0;
SELECT dbsync.run_once('driver') > 0 AS applied;
-- few rows, but too large to wait for each other
UPDATE public.driver SET v = repeat(id::text || E'\t\\', 100000) WHERE id IN (1, 2, 3);
SELECT dbsync.run_once('driver') > 0 AS applied;
SELECT count(*), count(v), md5(string_agg(id || ':' || coalesce(v, '~'), ',' ORDER BY id)) FROM public.driver;
\c :target
SELECT count(*), count(v), md5(string_agg(id || ':' || coalesce(v, '~'), ',' ORDER BY id)) FROM public.driver;
SELECT DISTINCT dbsync_op FROM public.driver;
-- types of all kinds as keys and otherwise, deletes of rows whose domain forbids
-- the NULLs that a delete brings, by both roads
CREATE TYPE public.mood AS ENUM ('sad', 'glad');
CREATE DOMAIN public.given AS varchar(5) NOT NULL CHECK (VALUE <> '');
CREATE TYPE public.pair AS (a int, b text);
CREATE TABLE public.kinds (m public.mood, n numeric(10, 2), c char(4), g public.given, p public.pair, a int[],
    "char" "char", "dbsync_op" text, "we ird""q" interval, PRIMARY KEY (c, m, n));
\c :source
CREATE TYPE public.mood AS ENUM ('sad', 'glad');
CREATE DOMAIN public.given AS varchar(5) NOT NULL CHECK (VALUE <> '');
CREATE TYPE public.pair AS (a int, b text);
CREATE TABLE public.kinds (m public.mood, n numeric(10, 2), c char(4), g public.given, p public.pair, a int[],
    "char" "char", "dbsync_op" text, "we ird""q" interval, PRIMARY KEY (m, n, c));
\c :target
GRANT SELECT, INSERT, UPDATE, DELETE ON public.kinds TO regress_dbsync_writer;
\c :source
SELECT dbsync.add_table('driver', 'public.kinds');
INSERT INTO public.kinds
    SELECT CASE WHEN g % 2 = 0 THEN 'sad' ELSE 'glad' END::public.mood, g / 7.0, 'c' || g % 10, 'g' || g,
        (g, E'tab\t"q"\\')::public.pair, ARRAY[g, NULL], 'x', 'op' || g, g * interval '1 day 1 second'
    FROM generate_series(1, 400) g;
SELECT dbsync.run_once('driver') > 0 AS applied;
UPDATE public.kinds SET p = NULL, "char" = NULL WHERE n < 1;
DELETE FROM public.kinds WHERE n BETWEEN 2 AND 4;
SELECT dbsync.run_once('driver') > 0 AS applied;
UPDATE public.kinds SET n = n + 1000 WHERE c = 'c3';
UPDATE public.kinds SET g = 'new', a = '{}' WHERE c <> 'c3';
DELETE FROM public.kinds WHERE c = 'c9';
SELECT dbsync.run_once('driver') > 0 AS applied;
SELECT count(*), md5(string_agg(k::text, ',' ORDER BY m, n, c COLLATE "C")) FROM public.kinds k;
\c :target
SELECT count(*), md5(string_agg(k::text, ',' ORDER BY m, n, c COLLATE "C")) FROM public.kinds k;
-- the settings of the target database do not matter (hazards 34, 55)
ALTER DATABASE :target SET DateStyle = 'SQL, DMY';
ALTER DATABASE :target SET default_transaction_isolation = 'serializable';
ALTER DATABASE :target SET default_transaction_read_only = on;
ALTER DATABASE :target SET standard_conforming_strings = off;
ALTER DATABASE :target SET array_nulls = off;
ALTER DATABASE :target SET search_path = far;
\c :source
UPDATE public.driver SET v = 'last' WHERE id < 900;
SELECT dbsync.run_once('driver') > 0 AS applied;
\c :target
SELECT count(*) FROM public.driver WHERE v = 'last';
\c :source
-- nor in a batch that goes without BEGIN
UPDATE public.driver SET v = 'very last' WHERE id < 10;
SELECT dbsync.run_once('driver') > 0 AS applied;
\c :target
SELECT count(*) FROM public.driver WHERE v = 'very last';
\c :source

-- the ledger of a subscription that is dropped goes
SELECT dbsync.drop_subscription('driver');
\c :target
SELECT count(*) FROM dbsync_ledger.position;
\c :source
SELECT dbsync.drop_target('driver_target');
DROP TABLE public.driver, public.kinds;
DROP TYPE public.mood, public.pair;
DROP DOMAIN public.given;
DROP DATABASE :target;
DROP ROLE regress_dbsync_writer;

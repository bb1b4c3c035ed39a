-- Configuration files: what changes, and by which statements; a dry run shows just these; what
-- the file does not name stays, or goes with "prune".
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA config;
CREATE TABLE config.a (id int PRIMARY KEY, v text, w text);
CREATE TABLE config.b (id int PRIMARY KEY, v text);
CREATE TABLE config.d (id int PRIMARY KEY, v text);
CREATE TABLE config.c (x int NOT NULL, y int NOT NULL);
CREATE INDEX ON config.c (x);
CREATE INDEX ON config.c (y);
CREATE SEQUENCE config.s;
-- what a dry run says is what is done then; and a second time there is nothing to do
CREATE PROCEDURE config.load(lines text, prune boolean DEFAULT false) LANGUAGE plpgsql AS $$
DECLARE
    config text := E'[dbsync]\nversion = 1\n' || lines;
    said text[] := ARRAY(SELECT l::text FROM dbsync.load_config(config, dry_run => true, prune => load.prune) l);
    done text[] := ARRAY(SELECT l::text FROM dbsync.load_config(config, prune => load.prune) l);
    again text[] := ARRAY(SELECT l::text FROM dbsync.load_config(config, prune => load.prune) l);
    step text;
BEGIN
    FOREACH step IN ARRAY done LOOP
        RAISE WARNING '%', step;
    END LOOP;
    IF done = '{}' THEN
        RAISE WARNING 'nothing to do';
    END IF;
    IF said <> done OR again <> '{}' THEN
        RAISE 'dry run: %, second time: %', said, again;
    END IF;
END $$;
\set VERBOSITY terse

CALL config.load('[target t]
host = host.invalid
user = me
password = secret
[subscription one]
target = t
[table one / config.a]
[table one / config.b]
target_table = far.b
[sequence one / config.s]');

-- what is there no more is as it was before
CALL config.load('[subscription one]
target = t
policy = interval 1 min
time_zone = Europe/Berlin
on_error = quarantine
verify_policy = interval 1 day during Sat-Sun 00:00-06:00');
-- the same, otherwise written
CALL config.load('[subscription one]
target = t
policy = interval 1 min
time_zone = Europe/Berlin
on_error = quarantine
verify_policy = INTERVAL  1 day   during sat-sun  00:00-06:00');
SELECT on_error, verify_policy FROM dbsync.subscription;
CALL config.load('[subscription one]
target = t');
SELECT policy, time_zone, on_error, verify_policy FROM dbsync.subscription;

-- what alter_… can change; what is not named stays; passwords too
CALL config.load('[target t]
host = host2.invalid
port = 5433
sslpassword = hush
[subscription one]
ddl = apply
create_missing = yes
[table one / config.a]
columns = id, upper(v) AS v
filter = id>3 and v IS NOT NULL');
SELECT srvoptions, umoptions FROM pg_foreign_server s JOIN pg_user_mapping m ON m.umserver = s.oid;
-- as it was written down, or otherwise written: the same
CALL config.load('[target t]
port = 5433
host = host2.invalid
password = secret
[subscription one]
ddl = apply
create_missing = on
target = T
[table one / config.a]
columns =
  id ,
  UPPER( v )   AS v   -- the same
filter = |(id > 3) AND (v IS NOT NULL)');
CALL config.load('[target t]
user = you
password = other
host = host2.invalid
[subscription one]
ddl = apply
[table one / config.a]
filter = id > 4
existing_rows = keep');
SELECT srvoptions, umoptions FROM pg_foreign_server s JOIN pg_user_mapping m ON m.umserver = s.oid;

-- what it cannot: taken out and put in again
CALL config.load('[table one / config.b]
[sequence one / config.s]
target_sequence = far.s
[table one / config.a]
target_table = a2
filter = id > 4');
-- a name without a schema, of what is not there yet
SELECT action, object, statement FROM dbsync.load_config('[dbsync]
version = 1
[subscription new]
target = t
[table new / config.a]
target_table = a2
[sequence new / config.s]
target_sequence = s2', dry_run => true);
-- tables swap their places
CALL config.load('[table one / config.a]
target_table = config.b
[table one / config.b]
target_table = config.a');
CALL config.load('[table one / config.a]
[table one / config.b]
[table one / config.c]
key = x');
CALL config.load('[table one / config.c]
key = y');
-- another subscription has it: the key is that of both
CALL config.load('[subscription two]
target = t
[table two / config.c]');
-- a table is captured once: who asks for keys is served by whole rows, and for the same in other words
CALL config.load('[subscription three]
target = t
[table three / config.a]
target_table = x.a
capture = keys');
CALL config.load('[table three / config.a]
target_table = x.a');
CALL config.load('[subscription four]
target = t
[table four / config.d]
capture = shadow
options.scan = interval 1 hour
[table three / config.d]
capture = shadow
target_table = x.d
options.scan = interval 60 min');
-- both of them at once
CALL config.load('[table three / config.d]
target_table = x.d
capture = keys
[table four / config.d]
capture = keys');
SELECT relid, capture, capture_options FROM dbsync.captured_table WHERE relid = 'config.d'::regclass;
SELECT dbsync.drop_subscription(s) FROM unnest('{three,four}'::text[]) s;
DROP TABLE config.d;
-- a rule beside it
CALL config.load('[subscription two]
schemas = config
except_tables = config.a
existing_rows = keep');
-- a table that its rule has gets options of its own
CALL config.load('[subscription two]
schemas = config
except_tables = config.a
[table two / config.b]
target_table = other.b');
-- by a rule, or not: two.b has no section any more, and the rule has it; two.c has a key that the rule does not say
CALL config.load('[subscription two]
schemas = config
except_tables = config.a
[subscription one]
[table one / config.a]
[table one / config.b]
[table one / config.c]
key = y', prune => true);
SELECT s.name, c.relid, a.target_schema, a.by_rule FROM dbsync.subscription_table a JOIN dbsync.subscription s ON s.id = a.subscription_id
JOIN dbsync.captured_table c ON c.id = a.captured_id ORDER BY 1, 2;
-- how something came in is no matter once it is there, and it is said that this has no effect
SET client_min_messages = notice;
SELECT * FROM dbsync.load_config(E'[dbsync]\nversion = 1\n[subscription two]\nschemas = config\nexcept_tables = config.a\nexisting_rows = truncate\n[table one / config.a]\nexisting_rows = keep');
SET client_min_messages = warning;

-- another target: all of it anew, what the file does not name among it
CALL config.load('[target other]
[subscription two]
target = other
schemas = config
except_tables = config.a
existing_rows = keep
[subscription one]
target = other');
SELECT s.name, s.target, c.relid, a.by_rule, a.existing_rows FROM dbsync.subscription_table a JOIN dbsync.subscription s ON s.id = a.subscription_id
JOIN dbsync.captured_table c ON c.id = a.captured_id ORDER BY 1, 3;
CALL config.load('[subscription one]
target = other
[table one / config.b]', prune => true);
-- in one transaction
DO $$
BEGIN
    PERFORM dbsync.load_config(E'[dbsync]\nversion = 1\n[subscription three]\ntarget = other\n[table three / config.a]\n[table three / config.b]\nfilter = nothing');
EXCEPTION WHEN undefined_column THEN
    RAISE WARNING '%', sqlerrm;
END $$;
SELECT name FROM dbsync.subscription;
CALL config.load('', prune => true);
SELECT count(*) FROM pg_user_mapping;
SELECT count(*) FROM dbsync.captured_table;
DROP SCHEMA config CASCADE;

-- Configuration files: every option goes there and back, whatever is in it, and whatever things
-- are called; what is there already is not done again.  No target is behind the address.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA config;
CREATE SCHEMA "con;fig = [x] ""q"" ";
SET search_path = config, public;
SELECT repeat('n', 63) AS n63 \gset
CREATE TABLE orders (id int PRIMARY KEY, name text, region text, data jsonb);
CREATE TABLE customer (id int PRIMARY KEY, name text);
CREATE TABLE log (id int NOT NULL, at timestamptz, UNIQUE (id, at));
CREATE TABLE keyless (a int NOT NULL, "B, c" int NOT NULL);
CREATE INDEX ON keyless ("B, c", a);
CREATE TABLE "con;fig = [x] ""q"" "."t;=[x] ]
/ .""e" (id int PRIMARY KEY, "a ;b" text);
CREATE TABLE :n63 (:n63 int PRIMARY KEY);
CREATE TABLE wide (id int PRIMARY KEY, document text);
CREATE TABLE stamped (id int PRIMARY KEY, at timestamptz NOT NULL);
CREATE INDEX ON stamped (at);
CREATE TABLE told (id int PRIMARY KEY);
CREATE TABLE compared (id int PRIMARY KEY, n numeric);
CREATE SEQUENCE numbers;
CREATE SEQUENCE "con;fig = [x] ""q"" "."s ; #
]";

SELECT dbsync.create_target('one', 'postgresql://me@host.invalid:5433/db?sslmode=require', password => 'secret', options => '{"connect_timeout": "3", "before_triggers": "true"}');
SELECT dbsync.create_target('Odd ; # "T"=]', 'postgresql://', options => E'{"application_name": " two\\nlines ; here ", "host": "|x"}');
SELECT dbsync.create_subscription('plain', 'one');
SELECT dbsync.create_subscription('all options', 'Odd ; # "T"=]', forward => 'local', ddl => 'apply', on_partition_drop => 'delete',
    policy => 'rows 10000 or age 1 min during Mon-Fri 20:00-06:00', time_zone => 'Europe/Berlin', backlog_limit => '1.5 TB',
    on_error => 'quarantine', verify_policy => 'cron 0 3 * * Sun', copy_data => false, create_missing => true, schemas => ARRAY['con;fig = [x] "q" '], except_tables => '{config.customer,"config.\"Not There\""}');
SELECT dbsync.create_subscription('keeps', 'one', existing_rows => 'keep', schemas => '{config}',
    except_tables => ARRAY(SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                           WHERE c.relkind = 'r' AND n.nspname LIKE '%con%fig%' AND c.relname <> 'orders'));
SELECT dbsync.create_subscription(E'line\nand ]', 'one');
SELECT dbsync.add_table('plain', 'orders', target_table => '"Ord;ers ]".";#"', columns => '{id,name,"left(name, 1) AS \"a;= ,b\"","data #>> ''{a,b}'' AS d"}',
    filter => E'region <> '' ;#[\n ]'' AND name <> E''two\\\\nlines'' AND name <> ''| x'' ');
SELECT dbsync.add_table('plain', 'customer', copy_data => false, capture => 'trigger', operations => '{update,insert}');
SELECT dbsync.add_table('plain', 'wide', capture => 'keys');
SELECT dbsync.add_table('plain', 'stamped', capture => 'timestamp', options => '{"column": "at", "overlap": "7 s"}');
SELECT dbsync.add_table('plain', 'told', capture => 'api');
SELECT dbsync.add_table('plain', 'compared', capture => 'shadow', options => '{"scan": "interval 7 min", "exact": true}');
-- not written: where the file is loaded next it would empty what is there
SELECT dbsync.add_table('plain', 'log', existing_rows => 'truncate', target_table => 'log');
SELECT dbsync.add_table('plain', 'keyless', key => '{"B, c",a}', filter => 'a > 0');
SELECT dbsync.add_table(E'line\nand ]', :'n63', target_table => :'n63');
SELECT dbsync.add_table(E'line\nand ]', 'keyless', key => '{"B, c",a}');
SELECT dbsync.add_sequence('plain', 'numbers', target_sequence => '"Other".numbers');
SELECT dbsync.add_sequence('plain', '"con;fig = [x] ""q"" "."s ; #
]"');
-- of a table that came by a rule, too
SELECT dbsync.alter_table('keeps', 'orders', filter => 'id > 0', existing_rows => 'keep');
RESET client_min_messages;
-- whatever a function takes has a value that is there, so that it can be written and compared
SELECT a.kind, a.key FROM dbsync_internal.config_arguments() a
WHERE a.kind <> 'target' AND NOT EXISTS (SELECT FROM dbsync_internal.config_present() p WHERE p.kind = a.kind AND p."values" ? a.key);
\pset format unaligned
SELECT dbsync.dump_config() AS first \gset
\echo :first
\pset format aligned
SELECT * FROM dbsync.load_config(:'first');
SELECT * FROM dbsync.load_config(:'first', prune => true);

-- and from nothing
SET client_min_messages = warning;
SELECT dbsync.drop_subscription(s.name) FROM dbsync.subscription s ORDER BY s.name;
SELECT dbsync.drop_target(n) FROM unnest(ARRAY['one', 'Odd ; # "T"=]']) n;
SELECT line, action, object FROM dbsync.load_config(:'first');
SELECT dbsync.dump_config() AS second \gset
SELECT :'first' = :'second' AS same;
SELECT * FROM dbsync.load_config(:'second');
-- with what Windows makes of it
SELECT * FROM dbsync.load_config(convert_from('\xefbbbf', current_setting('server_encoding'))
    || replace(regexp_replace(:'second', '^([a-z_]+) = ([^|])', E'\\1\t=  \\2', 'gn'), E'\n', E'\r\n'));
-- what a line cannot have
BEGIN;
SELECT dbsync.alter_table('keeps', 'orders', filter => E'name <> ''two\r\nlines''', existing_rows => 'keep');
SELECT dbsync.dump_config();
ROLLBACK;
-- passwords were in no file, and are where there is none to read
SELECT m.srvname, m.umoptions FROM pg_user_mappings m ORDER BY m.srvname COLLATE "C";

SET quote_all_identifiers = on;
SELECT * FROM dbsync.load_config(:'second');
SELECT :'second' = dbsync.dump_config() AS same;
RESET quote_all_identifiers;
-- in a session that reads backslashes in all texts: a new one, where nothing of ours has been read yet
\c
SET client_min_messages = warning;
SET search_path = config, public;
SET escape_string_warning = off;
SET standard_conforming_strings = off;
SELECT * FROM dbsync.load_config(:'second');
SELECT :'second' = dbsync.dump_config() AS same;
SHOW standard_conforming_strings;
RESET standard_conforming_strings;
RESET escape_string_warning;

-- all tables; members of an option that is JSON
SELECT line, action, object FROM dbsync.load_config(replace(:'second', E'[subscription plain]\ntarget = one', E'[subscription plain]\ntarget = one\nall_tables = yes'));
SELECT p."values" -> 'all_tables' AS all_tables FROM dbsync_internal.config_present() p WHERE p.kind = 'subscription' AND p.subscription = 'plain';
SELECT * FROM dbsync.load_config(dbsync.dump_config());
SELECT dbsync_internal.config_option_text(('table', 'options', 1, 'jsonb'::regtype, NULL, true, false), o.o) AS written,
    (SELECT jsonb_object_agg(k.member, dbsync_internal.config_json(k.line, CASE WHEN k.exact THEN k.value ELSE replace(k.value, E'\n', ' ') END))
     FROM dbsync_internal.config_split(E'[table a / b.c]\n' || dbsync_internal.config_option_text(('table', 'options', 1, 'jsonb'::regtype, NULL, true, false), o.o),
        jsonb_build_object('table.options', 'jsonb'::regtype::oid)) k) = o.o AS same
FROM (VALUES ('{"column": "optime", "overlap": "5 s", "n": 5, "s": "5", "b": true, "t": "true", "x": null, "e": "", "Ab": [1, {"a": "b"}], "q": "\"q", "a.b = \"c\" ]": "; #",
    "br": "{no", "l": " two\nlines | ;", "num": "-7e", "zero": 0.10}'::jsonb)) o (o);

-- all of it away
SELECT line, action, object, statement FROM dbsync.load_config(E'[dbsync]\nversion = 1\n', prune => true);
SELECT dbsync.dump_config() = E'# Written by dbsync.dump_config(): comments of the file that was loaded are not kept,\n# and passwords are not written.\n\n[dbsync]\nversion = 1\n' AS nothing;
DROP SCHEMA config, "con;fig = [x] ""q"" " CASCADE;

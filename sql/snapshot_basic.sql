-- capture => 'snapshot': both ends are compared on a schedule, and what differs is sent; tables, views and the like.
\set QUIET on
\set VERBOSITY default
\i sql/include/target.psql

CREATE TABLE public.plain (id int PRIMARY KEY, v text, n numeric(10,2));
CREATE TABLE public.customer (id int PRIMARY KEY, name text);
CREATE TABLE public.purchase (id int, customer int, at timestamptz, amount float8, tags text[], doc jsonb);
CREATE VIEW public.bought AS
    SELECT p.id AS purchase, c.name COLLATE "C" AS customer, p.at, p.amount, p.tags, p.doc FROM public.purchase p JOIN public.customer c ON c.id = p.customer;
CREATE MATERIALIZED VIEW public.totals AS SELECT customer, count(*) AS purchases, sum(amount) AS amount FROM public.purchase GROUP BY customer;
CREATE TABLE public.parted (id int, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE public.parted_a PARTITION OF public.parted FOR VALUES IN ('a');
CREATE TABLE public.parted_b (v text, region text NOT NULL, id int NOT NULL);
ALTER TABLE public.parted ATTACH PARTITION public.parted_b FOR VALUES IN ('b');
CREATE TABLE public.keyless (id int, v text);
INSERT INTO public.plain SELECT i, 'value ' || i, i FROM generate_series(1, 3000) i;
INSERT INTO public.customer SELECT i, 'customer ' || i FROM generate_series(1, 10) i;
INSERT INTO public.purchase SELECT i, i % 10 + 1, '2024-01-01 12:00+00'::timestamptz + i * interval '1 hour', i / 7.0, ARRAY['a', 'b' || i], jsonb_build_object('i', i)
    FROM generate_series(1, 500) i;
REFRESH MATERIALIZED VIEW public.totals;
INSERT INTO public.parted SELECT i, CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b' END, 'v' || i FROM generate_series(1, 100) i;
INSERT INTO public.keyless SELECT i, 'k' || i FROM generate_series(1, 10) i;
\c :target
CREATE TABLE public.plain (id int PRIMARY KEY, v text, n numeric(10,2));
CREATE TABLE public.bought (purchase int PRIMARY KEY, customer text, at timestamptz, amount float8, tags text[], doc jsonb);
CREATE TABLE public.totals (customer int PRIMARY KEY, purchases bigint, amount float8);
CREATE TABLE public.parted (id int, region text, v text, PRIMARY KEY (id, region));
CREATE TABLE public.keyless (id int PRIMARY KEY, v text);
\c :source

SELECT dbsync.create_target('snapshot', :'uri');
SELECT dbsync.create_subscription('snapshot', 'snapshot');
CREATE FUNCTION pg_temp.add(rel regclass, key name[] DEFAULT NULL, options jsonb DEFAULT NULL) RETURNS void LANGUAGE sql
    AS $$ SELECT dbsync.add_table('snapshot', rel, key => key, capture => 'snapshot', options => options) $$;

-- options
SELECT pg_temp.add('public.plain', options => '[]');
SELECT pg_temp.add('public.plain', options => '{"colour": "red"}');
SELECT pg_temp.add('public.plain', options => '{"scan": 7}');
SELECT pg_temp.add('public.plain', options => '{"scan": "cron"}');
SELECT pg_temp.add('public.plain', options => '{"empty": "maybe"}');
SELECT dbsync.add_table('snapshot', 'public.plain', copy_data => false, capture => 'snapshot');

-- keys, and what can be compared
SELECT pg_temp.add('public.bought');
SELECT pg_temp.add('public.keyless');
SELECT pg_temp.add('public.bought', '{nowhere}');
SELECT pg_temp.add('public.bought', '{}');
SELECT pg_temp.add('public.bought', '{purchase,purchase}');
CREATE VIEW public.unordered AS SELECT '1'::xid AS x, point(1, 2) AS p;
SELECT pg_temp.add('public.unordered', '{p}');
SELECT pg_temp.add('public.parted_a');
CREATE SEQUENCE public.numbers;
SELECT pg_temp.add('public.numbers');
CREATE TEMP VIEW passing AS SELECT 1 AS id;
SELECT pg_temp.add('passing', '{id}');
SELECT pg_temp.add('pg_catalog.pg_class', '{oid}');
SELECT dbsync.add_table('snapshot', 'public.bought', key => '{purchase}');

-- one captured table, one way
SELECT dbsync.add_table('snapshot', 'public.plain');
SELECT dbsync.create_subscription('other', 'snapshot');
SELECT dbsync.add_table('other', 'public.plain', target_table => 'elsewhere', capture => 'snapshot');
SELECT dbsync.remove_table('snapshot', 'public.plain');
SELECT pg_temp.add('public.plain');
SELECT dbsync.add_table('other', 'public.plain', target_table => 'elsewhere');
SELECT dbsync.add_table('other', 'public.plain', target_table => 'elsewhere', capture => 'snapshot', options => '{"empty": "allow"}');
SELECT dbsync.drop_subscription('other');

-- an empty target is copied
SELECT pg_temp.add('public.bought', '{purchase}');
SELECT pg_temp.add('public.totals', '{customer}');
SELECT pg_temp.add('public.parted');
SELECT pg_temp.add('public.keyless', '{id}');
SET client_min_messages = warning;
SELECT dbsync.run_once('snapshot') > 0 AS sent;
SELECT "table", state, rows_copied, note FROM dbsync.table_status ORDER BY "table"::text COLLATE "C";
SELECT "table", verdict, rows_here, rows_there, note FROM dbsync.verify('snapshot');
SELECT count(*) FROM dbsync.segment WHERE captured_id <> 0;
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'dbsync%';

-- changes at both ends
UPDATE public.plain SET v = 'other' WHERE id % 100 = 0;
DELETE FROM public.plain WHERE id % 101 = 0;
INSERT INTO public.plain VALUES (5001, 'new', 1), (5002, NULL, NULL);
UPDATE public.customer SET name = 'renamed' WHERE id = 3;
DELETE FROM public.purchase WHERE id < 10;
UPDATE public.parted SET region = 'b' WHERE id = 10;
DELETE FROM public.parted WHERE id = 11;
UPDATE public.keyless SET v = v || '!' WHERE id > 5;
REFRESH MATERIALIZED VIEW public.totals;
\c :target
DELETE FROM public.plain WHERE id BETWEEN 10 AND 20;
UPDATE public.bought SET amount = 0, tags = NULL WHERE purchase = 77;
INSERT INTO public.totals VALUES (99, 1, 1);
\c :source
SET client_min_messages = warning;
SELECT dbsync.run_once('snapshot') AS sent;
SELECT "table", verdict, rows_here, rows_there, note FROM dbsync.verify('snapshot');
SELECT v, missing, extra, different, repaired FROM (
    SELECT verdict AS v, missing, extra, different, repaired, (SELECT c.relid::text FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
        WHERE a.uid = s.attachment) AS t FROM dbsync_internal.scan s) x ORDER BY t COLLATE "C";
SELECT count(*) FROM dbsync_internal.repair_key;
-- nothing to do
SELECT dbsync.run_once('snapshot') AS sent;

-- a started subscription, by its schedule and for who waits
SELECT dbsync.start_subscription('snapshot');
UPDATE public.plain SET n = n + 1 WHERE id < 50;
SELECT dbsync.wait_for('snapshot');
\c :target
SELECT sum(n) FROM public.plain WHERE id < 50;
\c :source
SET client_min_messages = warning;
SELECT sum(n) FROM public.plain WHERE id < 50;
SELECT dbsync.stop_subscription('snapshot');

-- a null, and two rows, where the key is
INSERT INTO public.keyless VALUES (NULL, 'none');
SELECT dbsync.run_once('snapshot');
DELETE FROM public.keyless WHERE id IS NULL;
INSERT INTO public.keyless VALUES (3, 'again');
SELECT dbsync.run_once('snapshot');
DELETE FROM public.keyless WHERE v = 'again';

-- a source that has lost most of its rows takes nothing along
CREATE TABLE public.kept AS SELECT * FROM public.plain;
DELETE FROM public.plain WHERE id > 1000;
SELECT dbsync.run_once('snapshot');
SELECT note FROM dbsync.table_status WHERE "table" = 'public.plain'::regclass;
\c :target
SELECT count(*) FROM public.plain;
\c :source
SET client_min_messages = warning;
SELECT dbsync.remove_table('snapshot', 'public.plain');
SELECT dbsync.add_table('snapshot', 'public.plain', capture => 'snapshot', options => '{"empty": "allow"}');
SELECT dbsync.run_once('snapshot') AS sent;
\c :target
SELECT count(*) FROM public.plain;
UPDATE public.plain SET n = n + 0.5;
\c :source
SET client_min_messages = warning;
-- nearly all rows differ as they are compared first
SELECT dbsync.remove_table('snapshot', 'public.plain');
SELECT dbsync.add_table('snapshot', 'public.plain', capture => 'snapshot');
SELECT dbsync.run_once('snapshot');
SELECT note FROM dbsync.table_status WHERE "table" = 'public.plain'::regclass;
-- who watches is told of it, and shown no values of rows
CREATE ROLE regress_dbsync_watcher IN ROLE pg_monitor;
GRANT USAGE ON SCHEMA dbsync TO regress_dbsync_watcher;
GRANT EXECUTE ON FUNCTION dbsync.subscription_table_status() TO regress_dbsync_watcher;
GRANT SELECT ON dbsync.table_status TO regress_dbsync_watcher;
SET ROLE regress_dbsync_watcher;
SELECT note FROM dbsync.table_status WHERE "table" = 'public.plain'::regclass;
RESET ROLE;
DROP OWNED BY regress_dbsync_watcher;
DROP ROLE regress_dbsync_watcher;
SELECT dbsync.copy_table('snapshot', 'public.plain');
SELECT dbsync.run_once('snapshot') AS sent;
SELECT verdict FROM dbsync.verify('snapshot', 'public.plain');

-- what is altered
CREATE OR REPLACE VIEW public.bought AS
    SELECT p.id AS purchase, c.name COLLATE "C" AS customer, p.at, p.amount, p.tags, p.doc, 1 AS more FROM public.purchase p JOIN public.customer c ON c.id = p.customer;
SELECT dbsync.run_once('snapshot');
\c :target
ALTER TABLE public.bought ADD more int;
\c :source
SET client_min_messages = warning;
SELECT dbsync.run_once('snapshot') AS sent;
SELECT verdict FROM dbsync.verify('snapshot', 'public.bought');
DROP VIEW public.bought;
SELECT "table" FROM dbsync.table_status ORDER BY "table"::text COLLATE "C";

SELECT dbsync.drop_subscription('snapshot');
SELECT dbsync.drop_target('snapshot');
SELECT count(*) FROM dbsync.captured_table;
SET client_min_messages = warning;
DROP VIEW public.unordered;
DROP MATERIALIZED VIEW public.totals;
DROP TABLE public.plain, public.kept, public.customer, public.purchase, public.parted, public.keyless;
DROP SEQUENCE public.numbers;

-- A table that one subscription has captured by its keys, or by the application, and another one scans: the way
-- to capture is the captured table's, the scan the subscription's own, in whatever order they come and go.
\set QUIET on
\i sql/include/target.psql
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE TABLE public.k (id int PRIMARY KEY, v text, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX ON public.k (at);
INSERT INTO public.k SELECT i, 'v' || i FROM generate_series(1, 20) i;
\c :target
CREATE TABLE public.k (id int PRIMARY KEY, v text, at timestamptz NOT NULL);
CREATE TABLE public.scanned (id int PRIMARY KEY, v text, at timestamptz NOT NULL);
\c :source
SET client_min_messages = warning;
SELECT dbsync.create_target('beside_target', :'uri');
SELECT dbsync.create_subscription(s, 'beside_target') FROM unnest('{keys,scan,whole}'::text[]) s;
CREATE VIEW public.ways AS
    SELECT s.name, c.capture AS captured, a.capture AS attached, a.state, t.note,
        (SELECT count(*) FROM pg_trigger g WHERE g.tgrelid = 'public.k'::regclass AND NOT g.tgisinternal) > 0 AS triggers
    FROM dbsync.subscription s JOIN dbsync.subscription_table a ON a.subscription_id = s.id JOIN dbsync.captured_table c ON c.id = a.captured_id
    JOIN dbsync.table_status t ON t.subscription = s.name
    ORDER BY s.name;

-- scanned first, then captured by its keys: both notes, each where it belongs
SELECT dbsync.add_table('scan', 'k', 'scanned', capture => 'timestamp', options => '{"column": "at", "overlap": "100 ms"}');
SELECT dbsync.run_once('scan') > 0;
SELECT * FROM ways;
SELECT dbsync.add_table('keys', 'k', capture => 'keys');
SELECT dbsync.run_once('keys') > 0;
SELECT * FROM ways;
-- who wants whole rows is told who is in the way, which is not who scans
SELECT dbsync.add_table('whole', 'k', 'whole');
UPDATE public.k SET v = v || ' changed', at = clock_timestamp() WHERE id % 2 = 0;
INSERT INTO public.k VALUES (100, 'new');
DELETE FROM public.k WHERE id = 1;
SELECT dbsync.run_once(s) > 0 FROM unnest('{keys,scan}'::text[]) s;
SELECT md5(string_agg(k::text, ',' ORDER BY id)) AS sum, md5(string_agg(k::text, ',' ORDER BY id) FILTER (WHERE id <> 1)) AS "left" FROM public.k \gset
\c :target
SELECT md5(string_agg(k::text, ',' ORDER BY id)) = :'sum' AS keys FROM public.k;
-- a scan sees no delete
SELECT count(*) FILTER (WHERE id = 1), md5(string_agg(k::text, ',' ORDER BY id) FILTER (WHERE id <> 1)) = :'left' AS scan FROM public.scanned k;
\c :source
SET client_min_messages = warning;
-- who captures it leaves, and comes back by another way
SELECT dbsync.remove_table('keys', 'k');
SELECT dbsync.run_once('scan') >= 0;
SELECT * FROM ways;
SELECT dbsync.add_table('keys', 'k', capture => 'api', existing_rows => 'truncate');
SELECT dbsync.run_once('keys') > 0;
SELECT * FROM ways;
UPDATE public.k SET v = 'told' WHERE id = 2;
UPDATE public.k SET v = 'untold' WHERE id = 4;
SELECT dbsync.record_change('public.k', '{"id": 2}');
SELECT dbsync.run_once('keys');
\c :target
SELECT id, v FROM public.k WHERE id IN (2, 4) ORDER BY id;
\c :source
SET client_min_messages = warning;
SELECT dbsync.drop_subscription(s, force => true) FROM unnest('{keys,scan,whole}'::text[]) s;
SELECT dbsync.drop_target('beside_target');
DROP TABLE public.k CASCADE;
DROP DATABASE :target;

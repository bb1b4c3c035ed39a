-- capture => 'timestamp': what stops scans after the table was added, and only them; nothing is lost, and they go on
-- when it is mended.
\set QUIET on
\i sql/include/foreign_keys.psql
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE TABLE public.doc (id int PRIMARY KEY, v text, at timestamptz NOT NULL DEFAULT clock_timestamp(), wall timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'Asia/Tokyo'));
CREATE INDEX ON public.doc (at);
CREATE INDEX ON public.doc (wall);
INSERT INTO public.doc VALUES (1, 'first');
\c :target regress_dbsync_keys
CREATE TABLE public.doc (id int PRIMARY KEY, v text, at timestamptz, wall timestamp);
CREATE TABLE public.walled (LIKE public.doc INCLUDING ALL);
\c :source :me
SET client_min_messages = warning;
SET dbsync.call_timeout = '20s';
SELECT dbsync.create_target('later_target', :'uri');
SELECT dbsync.create_subscription(s, 'later_target') FROM unnest('{scans,walls}'::text[]) s;
SELECT dbsync.add_table('scans', 'public.doc', capture => 'timestamp', options => '{"column": "at", "scan": "interval 1 hour"}');
SELECT dbsync.add_table('walls', 'public.doc', 'walled', capture => 'timestamp', options => '{"column": "wall", "time_zone": "Asia/Tokyo", "scan": "interval 1 hour"}');
SELECT dbsync.run_once(s) FROM unnest('{scans,walls}'::text[]) s;

\echo its column: gone, or of another type, as can be where event triggers were off; a time zone that the server has no more
INSERT INTO public.doc VALUES (2, 'meanwhile');
CREATE PROCEDURE public.scan_with(options jsonb, subscription name) LANGUAGE sql AS $$
    UPDATE dbsync.subscription_table a SET capture_options = a.capture_options || options
    FROM dbsync.subscription s WHERE s.id = a.subscription_id AND s.name = subscription
$$;
CALL public.scan_with('{"column": "nowhere"}', 'scans');
SELECT dbsync.run_once('scans');
CALL public.scan_with('{"column": "v"}', 'scans');
SELECT dbsync.run_once('scans');
CALL public.scan_with('{"column": "at"}', 'scans');
SELECT dbsync.run_once('scans') > 0;
CALL public.scan_with('{"time_zone": "Middle/Earth"}', 'walls');
SELECT dbsync.run_once('walls');
SELECT subscription, state FROM dbsync.table_status ORDER BY subscription;
CALL public.scan_with('{"time_zone": "Asia/Tokyo"}', 'walls');
SELECT dbsync.run_once('walls') > 0;

\echo a configuration that cannot be read at all is an error, and nobody else notices
CALL public.scan_with('{"colour": "red"}', 'walls');
SELECT dbsync.run_once('walls');
UPDATE dbsync.subscription_table SET capture_options = capture_options - 'colour';
SELECT dbsync.run_once('walls') >= 0;

\echo a target that begins to check foreign keys of it
\c :target regress_dbsync_keys
SELECT id, v FROM public.doc ORDER BY id;
SELECT id, v FROM public.walled ORDER BY id;
CREATE TABLE public.page (doc int REFERENCES public.doc);
\c :source :me
SET client_min_messages = warning;
SET dbsync.call_timeout = '20s';
INSERT INTO public.doc VALUES (3, 'with pages');
SELECT dbsync.run_once('scans');
\c :target regress_dbsync_keys
SELECT id, v FROM public.doc ORDER BY id;
DROP TABLE public.page;
\c :source :me
SET client_min_messages = warning;
SET dbsync.call_timeout = '20s';
SELECT dbsync.run_once('scans') > 0;
\c :target regress_dbsync_keys
SELECT id, v FROM public.doc ORDER BY id;
\c :source :me
SET client_min_messages = warning;
SELECT dbsync.drop_subscription(s) FROM unnest('{scans,walls}'::text[]) s;
SELECT dbsync.drop_target('later_target');
DROP TABLE public.doc;
DROP PROCEDURE public.scan_with;
DROP DATABASE regress_dbsync_target;
DROP ROLE regress_dbsync_keys;

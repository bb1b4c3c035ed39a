-- capture => 'timestamp': rows are found by the time that they carry, and nothing is left at the source.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.reading (id int PRIMARY KEY, v text, changed_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX reading_changed ON public.reading (changed_at);
CREATE TABLE public.local (id int PRIMARY KEY, v text, changed_at timestamp DEFAULT (now() AT TIME ZONE 'Europe/Berlin'));
INSERT INTO public.reading SELECT i, 'first ' || i, '2020-01-01' FROM generate_series(1, 5) i;
INSERT INTO public.local VALUES (1, 'one', '2020-01-01'), (2, 'never', NULL);
\c :target
CREATE TABLE public.reading (id int PRIMARY KEY, v text, changed_at timestamptz NOT NULL);
CREATE TABLE public.local (id int PRIMARY KEY, v text, changed_at timestamp);
\c :source
SELECT dbsync.create_target('road_target', :'uri');
SELECT dbsync.create_subscription('road', 'road_target');
SELECT dbsync.add_table('road', 'public.reading', capture => 'timestamp', options => '{"column": "changed_at", "overlap": "0", "scan": "interval 1 hour"}');
SELECT dbsync.add_table('road', 'public.local', capture => 'timestamp',
    options => '{"column": "changed_at", "overlap": "0", "scan": "interval 1 hour", "time_zone": "Europe/Berlin"}');

-- the first copy, and the first scan behind it
SELECT dbsync.run_once('road');
SELECT dbsync.run_once('road');
-- no trigger, no segment
SELECT count(*) FROM pg_trigger t WHERE t.tgrelid IN ('public.reading'::regclass, 'public.local'::regclass);
SELECT count(*) FROM dbsync.segment s WHERE s.captured_id <> 0;
SELECT c.relid, c.capture, c.state, a.capture, a.state FROM dbsync.captured_table c JOIN dbsync.subscription_table a ON a.captured_id = c.id ORDER BY 1;

-- new and changed rows; one whose column stays as it was is not seen, nor is a delete
INSERT INTO public.reading VALUES (6, 'new');
UPDATE public.reading SET v = 'changed', changed_at = now() WHERE id = 1;
UPDATE public.reading SET v = 'unseen' WHERE id = 2;
DELETE FROM public.reading WHERE id = 3;
INSERT INTO public.local VALUES (3, 'new');
UPDATE public.local SET v = 'null' WHERE id = 2;
SELECT dbsync.run_once('road');
SELECT dbsync.run_once('road');
\c :target
SELECT id, v FROM public.reading ORDER BY id;
SELECT id, v FROM public.local ORDER BY id;
\c :source

-- more rows than the small road takes
INSERT INTO public.reading SELECT i, 'many' FROM generate_series(100, 4099) i;
SELECT dbsync.run_once('road');
\c :target
SELECT count(*), min(id), max(id) FROM public.reading;
\c :source
SELECT dbsync.drop_subscription('road');
SELECT dbsync.drop_target('road_target');

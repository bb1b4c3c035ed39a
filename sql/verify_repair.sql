-- Repair: what differs is sent anew, as it is by then.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.mended (id int PRIMARY KEY, u int UNIQUE, v text);
CREATE TABLE public.numbers (n numeric PRIMARY KEY, v text);
INSERT INTO public.mended SELECT i, i, 'value ' || i FROM generate_series(1, 2000) i;
INSERT INTO public.numbers VALUES (1.0, 'one'), (2.00, 'two'), (3, 'three');
\c :target
CREATE TABLE public.mended (id int PRIMARY KEY, u int UNIQUE, v text);
CREATE TABLE public.numbers (n numeric PRIMARY KEY, v text);
\c :source
SELECT dbsync.create_target('repair_target', :'uri');
SELECT dbsync.create_subscription('repair', 'repair_target', tables => ARRAY['public.mended', 'public.numbers']);
SELECT dbsync.run_once('repair');

-- nothing to repair
SELECT "table", verdict, repaired, note FROM dbsync.verify('repair', repair => true);

-- missing, extra, different; unique values that have changed places; keys that are written otherwise
\c :target
DELETE FROM public.mended WHERE id BETWEEN 10 AND 19;
INSERT INTO public.mended VALUES (5000, 5000, 'extra'), (5001, 5001, 'extra'), (5002, 10, 'has one''s value');
UPDATE public.mended SET v = 'different' WHERE id IN (100, 200);
UPDATE public.mended SET u = -u WHERE id IN (300, 301);
UPDATE public.mended SET u = 601 - -u WHERE id IN (300, 301);
UPDATE public.numbers SET n = 1.00 WHERE n = 1;
UPDATE public.numbers SET v = 'zwei' WHERE n = 2;
\c :source
SELECT "table", verdict, missing, extra, different, repaired FROM dbsync.verify('repair', repair => true);
SELECT "table", key, kind, here, there FROM dbsync.difference WHERE "table" LIKE '%numbers' ORDER BY key;
SELECT "table", verdict, missing, extra, different, note FROM dbsync.verify('repair');
SELECT count(*) FROM dbsync_internal.repair_key;

-- what has changed since is not taken back, and nothing beside it is touched
SELECT dbsync.start_subscription('repair');
\c :target
DELETE FROM public.mended WHERE id % 2 = 0;
\c :source
UPDATE public.mended SET v = 'later' WHERE id % 5 = 0;
DELETE FROM public.mended WHERE id % 7 = 0;
SELECT "table", verdict FROM dbsync.verify('repair', 'public.mended', repair => true);
SELECT "table", verdict FROM dbsync.verify('repair', 'public.mended');

-- a source that has less than half is not taken for the truth, unless the table is named
SELECT dbsync.suspend_table('repair', 'public.mended');
SELECT dbsync.remove_table('repair', 'public.mended');
SELECT dbsync.wait_for('repair');
DELETE FROM public.mended WHERE id > 100;
SELECT dbsync.add_table('repair', 'public.mended', copy_data => false);
SELECT dbsync.wait_for('repair');
SELECT "table", verdict, extra, repaired, note FROM dbsync.verify('repair', repair => true);
SELECT "table", verdict, repaired, note FROM dbsync.verify('repair', 'public.mended', repair => true);
SELECT "table", verdict FROM dbsync.verify('repair');

-- nearly all rows are written otherwise there: a row is shown in both forms, and nothing is done
UPDATE public.mended SET v = 'all ' || id;
INSERT INTO public.mended SELECT i, i, 'all ' || i FROM generate_series(10001, 10200) i;
SELECT dbsync.wait_for('repair');
\c :target
UPDATE public.mended SET v = upper(v);
\c :source
SELECT "table", verdict, different > 200 AS many, repaired, note FROM dbsync.verify('repair', repair => true);
SELECT kind, count(*) FROM dbsync.difference GROUP BY 1;
SELECT "table", verdict, repaired > 200 AS many FROM dbsync.verify('repair', 'public.mended', repair => true);
SELECT "table", verdict FROM dbsync.verify('repair');

-- the target refuses what is sent
UPDATE public.mended SET v = 'refused' WHERE id = 1;
SELECT dbsync.wait_for('repair');
SELECT dbsync.stop_subscription('repair');
\c :target
DELETE FROM public.mended WHERE id = 1;
ALTER TABLE public.mended ADD CONSTRAINT mended_check CHECK (v <> 'refused');
\c :source
SELECT dbsync.start_subscription('repair');
SELECT "table", verdict, missing, repaired, note FROM dbsync.verify('repair', 'public.mended', repair => true);
-- the others go on
INSERT INTO public.mended VALUES (20000, 20000, 'after it');
SELECT dbsync.wait_for('repair');
SELECT dbsync.stop_subscription('repair');

SELECT dbsync.drop_subscription('repair');
SELECT dbsync.drop_target('repair_target');
DROP TABLE public.mended, public.numbers;
DROP DATABASE :target;

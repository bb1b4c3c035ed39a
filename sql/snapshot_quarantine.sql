-- capture => 'snapshot' and rows that the target refuses: they stop the table, or are parked.
\set QUIET on
\set VERBOSITY default
\i sql/include/target.psql
SET client_min_messages = warning;
CREATE TABLE public.base (id int, v int);
INSERT INTO public.base SELECT i, i FROM generate_series(1, 300) i;
CREATE VIEW public.doubted AS SELECT id, v FROM public.base;
\c :target
CREATE TABLE public.doubted (id int PRIMARY KEY, v int CHECK (v > 0));
\c :source
SET client_min_messages = warning;
SELECT dbsync.create_target('doubt', :'uri');
SELECT dbsync.create_subscription('doubt', 'doubt');
SELECT dbsync.add_table('doubt', 'public.doubted', key => '{id}', capture => 'snapshot');
SELECT dbsync.run_once('doubt') > 0 AS sent;

UPDATE public.base SET v = -v WHERE id IN (7, 8);
UPDATE public.base SET v = 1000 WHERE id > 290;
SELECT dbsync.run_once('doubt');
SELECT dbsync.alter_subscription('doubt', on_error => 'quarantine');
SELECT dbsync.run_once('doubt') > 0 AS sent;
SELECT "table", key, "row", sqlstate FROM dbsync.quarantine ORDER BY key;
SELECT note FROM dbsync.table_status;
\c :target
SELECT count(*) FILTER (WHERE v = 1000), count(*) FILTER (WHERE id IN (7, 8)), count(*) FROM public.doubted;
\c :source
SET client_min_messages = warning;
-- each comparison tries them again; one goes, one is mended
DELETE FROM public.base WHERE id = 8 OR id = 20;
SELECT dbsync.run_once('doubt') > 0 AS sent;
SELECT "table", key, "row", sqlstate FROM dbsync.quarantine ORDER BY key;
UPDATE public.base SET v = 70 WHERE id = 7;
SELECT dbsync.run_once('doubt') > 0 AS sent;
SELECT count(*) FROM dbsync.quarantine;
SELECT verdict FROM dbsync.verify('doubt');

SELECT dbsync.drop_subscription('doubt');
SELECT dbsync.drop_target('doubt');
DROP VIEW public.doubted;
DROP TABLE public.base;

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

-- a value that the target's type does not hold, beside unique values that have moved round, and one that another row has
CREATE TABLE public.moving (id int PRIMARY KEY, u int, v text);
CREATE TABLE public.short (id int PRIMARY KEY, v text);
INSERT INTO public.moving SELECT i, i, 'v' || i FROM generate_series(1, 300) i;
INSERT INTO public.short SELECT i, 'v' || i FROM generate_series(1, 10) i;
\c :target
CREATE TABLE public.moving (id int PRIMARY KEY, u int UNIQUE, v varchar(5));
CREATE TABLE public.short (id int PRIMARY KEY, v varchar(5));
\c :source
SET client_min_messages = warning;
SELECT dbsync.add_table('doubt', 'public.moving', capture => 'snapshot');
SELECT dbsync.add_table('doubt', 'public.short', capture => 'snapshot');
SELECT dbsync.run_once('doubt') > 0 AS sent;
UPDATE public.short SET v = CASE WHEN id < 3 THEN 'far too long' ELSE 'new' || id END WHERE id < 6;
UPDATE public.moving SET u = u % 300 + 1;
UPDATE public.moving SET v = 'far too long' WHERE id IN (4, 250);
INSERT INTO public.moving VALUES (1000, 100, 'twice');
SELECT dbsync.run_once('doubt') > 0 AS sent;
SELECT "table", sqlstate, count(*) FROM dbsync.quarantine GROUP BY 1, 2 ORDER BY "table"::text, 2;
SELECT "table", verdict, missing, extra, different, parked, note FROM dbsync.verify('doubt');
UPDATE public.moving SET v = 'fits', u = CASE id WHEN 1000 THEN 1000 ELSE u END WHERE id IN (4, 250, 1000);
UPDATE public.short SET v = 'fits' WHERE id < 3;
SELECT dbsync.run_once('doubt') > 0 AS sent;
SELECT count(*) FROM dbsync.quarantine;
SELECT "table", verdict, missing, extra, different, parked, note FROM dbsync.verify('doubt');

-- rows of triggers' tables that are sent anew by repair
CREATE TABLE public.told (id int PRIMARY KEY, u int, v text);
INSERT INTO public.told SELECT i, i, 'v' || i FROM generate_series(1, 300) i;
\c :target
CREATE TABLE public.told (id int PRIMARY KEY, u int UNIQUE, v text);
\c :source
SET client_min_messages = warning;
SELECT dbsync.add_table('doubt', 'public.told');
UPDATE public.told SET v = 'long enough' WHERE id = 7;
SELECT dbsync.run_once('doubt') > 0 AS sent;
\c :target
UPDATE public.told SET v = 'w' WHERE id = 7;
ALTER TABLE public.told ALTER v TYPE varchar(5);
UPDATE public.told SET u = u + 1000 WHERE id < 10;
UPDATE public.told SET u = CASE id WHEN 20 THEN 5000 ELSE 20 END WHERE id IN (20, 21);
\c :source
SET client_min_messages = warning;
SELECT verdict, different, repaired, note FROM dbsync.verify('doubt', 'public.told', repair => true);
SELECT "table", key, sqlstate FROM dbsync.quarantine;
SELECT verdict, different, parked, note FROM dbsync.verify('doubt', 'public.told');

SELECT dbsync.drop_subscription('doubt');
SELECT dbsync.drop_target('doubt');
DROP VIEW public.doubted;
DROP TABLE public.base, public.moving, public.short, public.told;

-- A long window goes in one batch of several cuts, each on top of the one before:
-- what one of them changed, deleted or emptied, the next changes again.
\set QUIET on
\i sql/include/target.psql
\pset format unaligned
\pset tuples_only on
CREATE TABLE public.sliced (id int PRIMARY KEY, n int, a text);
ALTER TABLE public.sliced ALTER a SET STORAGE EXTERNAL;
CREATE TABLE public.emptied (id int PRIMARY KEY, n int);
CREATE TABLE public.later (id int PRIMARY KEY, n int);
CREATE TABLE public.unseen (id int PRIMARY KEY, n int);
\c :target
-- a column of its own: rows are merged, whatever the statistics say
CREATE TABLE public.sliced (id int PRIMARY KEY, n int, a text, own int DEFAULT 1);
ALTER TABLE public.sliced ALTER a SET STORAGE EXTERNAL;
CREATE TABLE public.emptied (id int PRIMARY KEY, n int);
CREATE TABLE public.later (id int PRIMARY KEY, n int);
CREATE TABLE public.unseen (id int PRIMARY KEY, n int);
CREATE VIEW public.state AS
    SELECT 'sliced', count(*), sum(n), md5(string_agg(id || ' ' || n || left(a, 9) || length(a), ',' ORDER BY id)) FROM public.sliced
    UNION ALL SELECT 'emptied', count(*), sum(n), md5(string_agg(id || ' ' || n, ',' ORDER BY id)) FROM public.emptied
    UNION ALL SELECT 'later', count(*), sum(n), md5(string_agg(id || ' ' || n, ',' ORDER BY id)) FROM public.later
    UNION ALL SELECT 'unseen', count(*), sum(n), md5(string_agg(id || ' ' || n, ',' ORDER BY id)) FROM public.unseen;
\c :source
CREATE VIEW public.state AS
    SELECT 'sliced', count(*), sum(n), md5(string_agg(id || ' ' || n || left(a, 9) || length(a), ',' ORDER BY id)) FROM public.sliced
    UNION ALL SELECT 'emptied', count(*), sum(n), md5(string_agg(id || ' ' || n, ',' ORDER BY id)) FROM public.emptied
    UNION ALL SELECT 'later', count(*), sum(n), md5(string_agg(id || ' ' || n, ',' ORDER BY id)) FROM public.later
    UNION ALL SELECT 'unseen', count(*), sum(n), md5(string_agg(id || ' ' || n, ',' ORDER BY id)) FROM public.unseen;
SELECT dbsync.create_target('slices_target', :'uri') \g /dev/null
SELECT dbsync.create_subscription('slices', 'slices_target',
    tables => ARRAY['public.sliced', 'public.emptied', 'public.later', 'public.unseen']) \g /dev/null
INSERT INTO public.sliced SELECT i, 0, CASE WHEN i % 100 = 0 THEN repeat(md5(i::text), 300) END FROM generate_series(1, 3000) i;
INSERT INTO public.emptied SELECT i, 0 FROM generate_series(1, 50) i;
INSERT INTO public.later SELECT i, 0 FROM generate_series(1, 100) i;
SELECT dbsync.run_once('slices') \g /dev/null
\c :target
ANALYZE public.sliced;
\c :source

-- a first cut of 1000 rows, a second of 4000
ALTER DATABASE :source SET dbsync.batch_rows = 20000;
-- what fills the first
BEGIN;
UPDATE public.sliced SET n = n + 1 WHERE id <= 500;
DELETE FROM public.sliced WHERE id BETWEEN 1001 AND 1010;
UPDATE public.emptied SET n = 1 WHERE id <= 10;
COMMIT;
UPDATE public.sliced SET n = n + 1 WHERE id BETWEEN 501 AND 1000;
-- the second: rows of the first once more, rows that are not there, a TRUNCATE, and
-- rows whose document is not sent
BEGIN;
UPDATE public.sliced SET n = n + 10 WHERE id BETWEEN 251 AND 1250;
INSERT INTO public.sliced SELECT i, 7, 'again' FROM generate_series(1001, 1005) i;
INSERT INTO public.sliced SELECT i, 8, 'new' FROM generate_series(7001, 7100) i;
TRUNCATE public.emptied;
INSERT INTO public.emptied VALUES (1, 3), (2000, 4);
COMMIT;
UPDATE public.sliced SET n = n + 100 WHERE id BETWEEN 1501 AND 3000;
UPDATE public.sliced SET n = n + 100 WHERE id BETWEEN 1501 AND 3000;
-- the third has a table that the worker has not looked up yet: it goes in another batch
UPDATE public.sliced SET n = -1 WHERE id BETWEEN 7001 AND 7050;
DELETE FROM public.sliced WHERE id BETWEEN 7051 AND 7060 OR id = 1001;
UPDATE public.later SET n = 2;
INSERT INTO public.unseen VALUES (1, 1);
SELECT dbsync.run_once('slices') > 0 AS applied;
SELECT * FROM public.state;
\c :target
SELECT * FROM public.state;
-- rows of the first two were written in one transaction, of the third in another
SELECT count(DISTINCT xmin::text) FROM public.sliced WHERE id IN (1, 2000);
SELECT count(DISTINCT xmin::text) FROM public.sliced WHERE id IN (1, 2000, 7001);
\c :source
-- the ledger has come to the end: nothing is sent again
SELECT dbsync.run_once('slices');

-- a cut of which folding leaves little is the last but one: the rest is folded in one
DO $$ BEGIN
    FOR i IN 1..6 LOOP
        UPDATE public.sliced SET n = n + 1 WHERE id BETWEEN 1501 AND 2100;
        COMMIT;
    END LOOP;
END $$;
SELECT dbsync.run_once('slices');
SELECT * FROM public.state;
\c :target
SELECT * FROM public.state;
\c :source

ALTER DATABASE :source RESET dbsync.batch_rows;
SELECT dbsync.drop_subscription('slices') \g /dev/null
SELECT dbsync.drop_target('slices_target') \g /dev/null
DROP VIEW public.state;
DROP TABLE public.sliced, public.emptied, public.later, public.unseen;
DROP DATABASE :target;

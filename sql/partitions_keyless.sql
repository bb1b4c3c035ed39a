-- Partitioned tables without a key, and with a key that is named: rows are known by all that is in
-- them, whichever partition has them.
\set QUIET on
\i sql/include/target.psql
CREATE TABLE public.p (k int, v text, big text) PARTITION BY RANGE (k);
ALTER TABLE public.p ALTER big SET STORAGE EXTERNAL;
CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (10);
CREATE TABLE public.p2 (big text, gone int, v text, k int);
ALTER TABLE public.p2 DROP gone;
ALTER TABLE public.p ATTACH PARTITION public.p2 FOR VALUES FROM (10) TO (20);
CREATE TABLE public.p3 PARTITION OF public.p DEFAULT PARTITION BY HASH (v);
CREATE TABLE public.p3a PARTITION OF public.p3 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.p3b PARTITION OF public.p3 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO public.p SELECT g % 25, 'row', repeat('x', 3000) FROM generate_series(1, 75) g;
INSERT INTO public.p SELECT NULL, v, NULL FROM (VALUES ('a'), ('a'), (NULL), (NULL)) w (v);
\c :target
CREATE TABLE public.p (v text, k int, big text) PARTITION BY LIST (v);
CREATE TABLE public.rows PARTITION OF public.p FOR VALUES IN ('row');
CREATE TABLE public.others PARTITION OF public.p DEFAULT;
CREATE TABLE public.kept (k int, v text, big text);
CREATE TABLE public.named (id int, k int, v text);
CREATE INDEX named_id ON public.named (id);
\c :source
SELECT dbsync.create_target('parts_target', :'uri');
SELECT dbsync.create_subscription('parts', 'parts_target', tables => '{public.p}');
\set subscription parts
\set tab public.p
\i sql/include/same_table.psql
-- one of equal ones, through the root and a leaf; rows that move
DELETE FROM public.p WHERE ctid = (SELECT min(ctid) FROM public.p WHERE k = 5) AND k = 5 AND tableoid = 'public.p1'::regclass;
UPDATE public.p SET v = 'x' WHERE k IN (3, 15) AND v = 'row';
UPDATE public.p2 SET v = 'leaf' WHERE k = 12;
UPDATE public.p SET k = k + 10 WHERE k < 3;
UPDATE public.p SET k = 30 - k WHERE k IS NOT NULL AND k % 7 = 0;
DELETE FROM public.p3 WHERE v IS NULL;
MERGE INTO public.p USING (VALUES (13), (14)) s (k) ON p.k = s.k WHEN MATCHED THEN UPDATE SET k = s.k + 10;
UPDATE public.p SET v = v;
\i sql/include/same_table.psql
-- emptied: by its bound, or row by row where that is a hash
BEGIN;
INSERT INTO public.p VALUES (1, 'before', NULL), (25, 'before', NULL), (26, 'before too', NULL);
TRUNCATE public.p1, public.p3a;
INSERT INTO public.p VALUES (1, 'behind', NULL), (25, 'before', NULL), (26, 'before too', NULL);
COMMIT;
\i sql/include/same_table.psql
BEGIN;
INSERT INTO public.p VALUES (1, 'before', NULL), (25, 'before', NULL);
TRUNCATE public.p;
INSERT INTO public.p VALUES (1, 'behind', NULL), (1, 'behind', NULL), (15, 'behind', NULL), (25, 'behind', NULL);
COMMIT;
\i sql/include/same_table.psql
-- one that has partitions by hash below it, and a bound of its own; with one of these
BEGIN;
INSERT INTO public.p SELECT 20 + g % 4, 'hashed ' || g, NULL FROM generate_series(1, 20) g;
INSERT INTO public.p VALUES (NULL, NULL, NULL), (NULL, 'a', NULL);
COMMIT;
\i sql/include/same_table.psql
BEGIN;
INSERT INTO public.p VALUES (22, 'before', NULL);
TRUNCATE public.p3b, public.p3;
INSERT INTO public.p VALUES (22, 'behind', NULL), (NULL, 'behind', NULL);
COMMIT;
\i sql/include/same_table.psql
-- written to in the middle of a TRUNCATE
CREATE FUNCTION public.writes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.p VALUES (2, tg_when || ' ' || tg_table_name, NULL), (16, tg_when || ' ' || tg_table_name, NULL);
    RETURN NULL;
END $$;
CREATE TRIGGER a_before BEFORE TRUNCATE ON public.p1 FOR EACH STATEMENT EXECUTE FUNCTION public.writes();
CREATE TRIGGER a_after AFTER TRUNCATE ON public.p1 FOR EACH STATEMENT EXECUTE FUNCTION public.writes();
CREATE TRIGGER z_before BEFORE TRUNCATE ON public.p1 FOR EACH STATEMENT EXECUTE FUNCTION public.writes();
CREATE TRIGGER z_after AFTER TRUNCATE ON public.p1 FOR EACH STATEMENT EXECUTE FUNCTION public.writes();
TRUNCATE public.p1;
\i sql/include/same_table.psql
TRUNCATE public.p;
\i sql/include/same_table.psql
DROP TRIGGER a_before ON public.p1;
DROP TRIGGER a_after ON public.p1;
DROP TRIGGER z_before ON public.p1;
DROP TRIGGER z_after ON public.p1;
CREATE TRIGGER z_before BEFORE TRUNCATE ON public.p3a FOR EACH STATEMENT EXECUTE FUNCTION public.writes();
TRUNCATE public.p3a;
DROP TRIGGER z_before ON public.p3a;
-- a partition that was kept cannot come back, or its rows would be there twice
INSERT INTO public.p VALUES (17, 'kept', NULL);
ALTER TABLE public.p DETACH PARTITION public.p2;
SELECT dbsync.run_once('parts') >= 0;
ALTER TABLE public.p ATTACH PARTITION public.p2 FOR VALUES FROM (10) TO (20);
SELECT dbsync.copy_table('parts', 'public.p');
ALTER TABLE public.p ATTACH PARTITION public.p2 FOR VALUES FROM (10) TO (20);
\i sql/include/same_table.psql
-- a key comes, and goes
DELETE FROM public.p;
INSERT INTO public.p VALUES (1, 'one', 'x'), (11, 'two', 'x'), (21, 'three', 'x');
\i sql/include/same_table.psql
SELECT dbsync.drop_subscription('parts');
DROP TABLE public.p;

-- foreign tables, which a table with a unique index cannot have
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE TABLE public.q (id int NOT NULL, k int NOT NULL, v text) PARTITION BY LIST (k);
CREATE FOREIGN TABLE public.far PARTITION OF public.q FOR VALUES IN (7) SERVER nowhere;
SELECT dbsync.create_subscription('named', 'parts_target');
SELECT dbsync.add_table('named', 'public.q', target_table => 'named');
ALTER TABLE public.q DETACH PARTITION public.far;
-- a key that is named: its index is the partitioned table's
CREATE TABLE public.q1 PARTITION OF public.q FOR VALUES IN (1);
CREATE TABLE public.q2 PARTITION OF public.q FOR VALUES IN (2);
SELECT dbsync.add_table('named', 'public.q', target_table => 'named', key => '{id}');
CREATE INDEX q_id ON public.q (id);
SELECT dbsync.add_table('named', 'public.q', target_table => 'named', key => '{id}');
INSERT INTO public.q SELECT g, 1 + g % 2, 'first' FROM generate_series(1, 50) g;
SELECT dbsync.run_once('named');
ALTER TABLE public.q ATTACH PARTITION public.far FOR VALUES IN (7);
UPDATE public.q SET k = 3 - k, v = 'moved' WHERE id % 3 = 0;
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE public.q SET v = v || '!' WHERE id = new.id;
    RETURN NULL;
END $$;
CREATE TRIGGER again AFTER UPDATE ON public.q FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION public.touch();
UPDATE public.q SET v = 'again' WHERE id % 5 = 0;
UPDATE public.q2 SET v = 'leaf' WHERE id % 7 = 0;
SELECT dbsync.run_once('named') > 0;
SELECT string_agg(concat_ws(',', id, k, v), ' ' ORDER BY id) AS here FROM public.q \gset
\c :target
SELECT CASE WHEN string_agg(concat_ws(',', id, k, v), ' ' ORDER BY id) = :'here' THEN 'the same' ELSE 'different' END FROM public.named;
\c :source
SELECT dbsync.drop_subscription('named');
SELECT dbsync.drop_target('parts_target');
DROP TABLE public.q;
DROP FOREIGN TABLE public.far;
DROP FUNCTION public.writes, public.touch;
DROP SERVER nowhere;
DROP FOREIGN DATA WRAPPER nothing;
DROP DATABASE :"target";

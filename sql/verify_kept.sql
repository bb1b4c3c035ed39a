-- Verify and repair beside what is meant to be kept, and what other sources have put there.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.archive (id int PRIMARY KEY, v text);
CREATE TABLE public.parted (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES FROM (0) TO (100);
CREATE TABLE public.parted_2 PARTITION OF public.parted FOR VALUES FROM (100) TO (200);
CREATE TABLE public.parted_3 PARTITION OF public.parted FOR VALUES FROM (200) TO (300);
CREATE TABLE public.shard (id int PRIMARY KEY, v text);
CREATE TABLE public.only_new (id int PRIMARY KEY, v text);
INSERT INTO public.archive SELECT i, 'row ' || i FROM generate_series(1, 30) i;
INSERT INTO public.parted SELECT i, 'row ' || i FROM generate_series(0, 299) i;
INSERT INTO public.shard SELECT i, 'ours' FROM generate_series(1, 20) i;
INSERT INTO public.only_new SELECT i, 'row ' || i FROM generate_series(1, 20) i;
\c :target
CREATE TABLE public.archive (id int PRIMARY KEY, v text);
CREATE TABLE public.parted (id int PRIMARY KEY, v text);
CREATE TABLE public.shard (id int PRIMARY KEY, v text);
CREATE TABLE public.only_new (id int PRIMARY KEY, v text);
INSERT INTO public.shard SELECT i, 'another source''s' FROM generate_series(1001, 1060) i;
\c :source
SELECT dbsync.create_target('kept_target', :'uri');
SELECT dbsync.create_subscription('kept', 'kept_target', on_partition_drop => 'keep', ddl => 'apply');
SELECT dbsync.add_table('kept', 'public.archive', operations => '{insert,update}');
SELECT dbsync.add_table('kept', 'public.parted');
SELECT dbsync.add_table('kept', 'public.shard', existing_rows => 'keep');
SELECT dbsync.add_table('kept', 'public.only_new', operations => '{insert}');
SELECT dbsync.run_once('kept');

-- review of tables, A12: leaves that have gone, rows that are not deleted; hazard 51
DELETE FROM public.archive WHERE id <= 10;
ALTER TABLE public.parted DETACH PARTITION public.parted_1;
DROP TABLE public.parted_2;
UPDATE public.only_new SET v = 'changed' WHERE id <= 5;
DELETE FROM public.only_new WHERE id > 15;
SELECT dbsync.run_once('kept') IS NOT NULL AS done;
SELECT "table", verdict, rows_here, rows_there, missing, extra, different, kept, note FROM dbsync.verify('kept', repair => true);
-- A21: rows of other sources, beside falsified ones of ours
\c :target
DELETE FROM public.shard WHERE id = 5;
UPDATE public.shard SET v = 'changed' WHERE id IN (6, 1006);
DELETE FROM public.archive WHERE id = 20;
UPDATE public.archive SET v = 'changed' WHERE id IN (5, 21);
DELETE FROM public.parted WHERE id IN (50, 250);
UPDATE public.parted SET v = 'changed' WHERE id IN (60, 260);
UPDATE public.only_new SET v = 'other' WHERE id = 10;
DELETE FROM public.only_new WHERE id = 11;
\c :source
SELECT "table", verdict, missing, extra, different, kept FROM dbsync.verify('kept');
SELECT "table", kind, key, here, there FROM dbsync.difference WHERE subscription = 'kept' ORDER BY "table", kind, key::text COLLATE "C";
SELECT "table", verdict, missing, extra, different, kept, note FROM dbsync.verify('kept', repair => true);
SELECT "table", verdict, missing, extra, different, kept FROM dbsync.verify('kept');
\c :target
SELECT count(*) AS archived FROM public.archive WHERE id <= 10;
SELECT count(*) AS of_leaves_that_have_gone FROM public.parted WHERE id < 200;
SELECT count(*), count(*) FILTER (WHERE v = 'changed') AS changed FROM public.shard WHERE id > 1000;
SELECT count(*) FROM public.only_new WHERE id > 15;
\c :source
-- named, it is the same
SELECT "table", verdict, kept FROM dbsync.verify('kept', 'public.shard', repair => true);
SELECT "table", verdict, kept FROM dbsync.verify('kept', 'public.archive', repair => true);
SELECT "table", verdict, kept FROM dbsync.verify('kept', 'public.parted', repair => true);
\c :target
SELECT count(*) AS archived FROM public.archive WHERE id <= 10;
SELECT count(*) AS of_leaves_that_have_gone FROM public.parted WHERE id < 200;
SELECT count(*) FROM public.shard WHERE id > 1000;
\c :source
SELECT dbsync.drop_subscription('kept');

-- an empty source takes nothing along, unless the table is named
TRUNCATE public.only_new;
CREATE TABLE public.none (id int PRIMARY KEY);
CREATE TABLE public.half (id int PRIMARY KEY);
INSERT INTO public.half SELECT generate_series(1, 49);
\c :target
CREATE TABLE public.none (id int PRIMARY KEY);
CREATE TABLE public.half (id int PRIMARY KEY);
INSERT INTO public.none VALUES (1);
INSERT INTO public.half SELECT generate_series(1, 99);
\c :source
SELECT dbsync.create_subscription('kept', 'kept_target', tables => ARRAY['public.none', 'public.half'], copy_data => false);
SELECT dbsync.run_once('kept');
SELECT "table", verdict, rows_here, rows_there, extra, repaired, note FROM dbsync.verify('kept', repair => true);
INSERT INTO public.half VALUES (99);
SELECT "table", verdict, rows_here, rows_there, extra, repaired, note FROM dbsync.verify('kept', repair => true);
SELECT "table", verdict, rows_here, rows_there, extra, repaired, note FROM dbsync.verify('kept', 'public.none', repair => true);
SELECT "table", verdict FROM dbsync.verify('kept');
SELECT dbsync.drop_subscription('kept');
SELECT dbsync.drop_target('kept_target');
DROP TABLE public.archive, public.parted, public.parted_1, public.shard, public.only_new, public.none, public.half;
DROP DATABASE :target;

-- Rows of partitions that have gone and that the target keeps: both ends differ by what was asked for,
-- and table_status says so until that is over.
\set QUIET on
\i sql/include/target.psql
CREATE TABLE public.log (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE public.log_1 PARTITION OF public.log FOR VALUES IN (1);
CREATE TABLE public."log 2" PARTITION OF public.log FOR VALUES IN (2);
CREATE TABLE public.log_3 PARTITION OF public.log FOR VALUES IN (3, 4, 5) PARTITION BY LIST (k);
CREATE TABLE public.log_3_3 PARTITION OF public.log_3 FOR VALUES IN (3);
CREATE TABLE public.log_3_4 PARTITION OF public.log_3 FOR VALUES IN (4);
CREATE TABLE public.log_3_5 PARTITION OF public.log_3 FOR VALUES IN (5);
INSERT INTO public.log SELECT g, 1 + g % 5, 'first' FROM generate_series(1, 50) g;
\c :target
CREATE TABLE public.log (id int, k int, v text, PRIMARY KEY (id, k));
\c :source
SELECT dbsync.create_target('kept_target', :'uri');
SELECT dbsync.create_subscription('kept', 'kept_target', tables => '{public.log}');
-- before it has begun with the table there is nothing to keep
ALTER TABLE public.log DETACH PARTITION public.log_1;
ALTER TABLE public.log ATTACH PARTITION public.log_1 FOR VALUES IN (1);
SELECT dbsync.run_once('kept');
SELECT state, note FROM dbsync.table_status;
-- detached, changed, and attached again: with a key its rows are put right, and those that it lost meanwhile stay
ALTER TABLE public.log DETACH PARTITION public.log_1;
SELECT state, note FROM dbsync.table_status;
DELETE FROM public.log_1 WHERE id < 20;
UPDATE public.log_1 SET v = 'second';
ALTER TABLE public.log ATTACH PARTITION public.log_1 FOR VALUES IN (1);
SELECT dbsync.run_once('kept');
SELECT state, note FROM dbsync.table_status;
SELECT count(*) FROM public.log;
\c :target
SELECT v, count(*) FROM public.log GROUP BY v ORDER BY v;
\c :source
DROP TABLE public."log 2";
ALTER TABLE public.log DETACH PARTITION public.log_3;
SELECT state, note FROM dbsync.table_status;
SELECT dbsync.run_once('kept');
SELECT name, relid IS NULL AS dropped, kept FROM dbsync.kept_partition ORDER BY name;
-- what is to be deleted, and then kept after all
CREATE TABLE public.log_6 PARTITION OF public.log FOR VALUES IN (6);
INSERT INTO public.log VALUES (6, 6, 'x'), (7, 1, 'x');
SELECT dbsync.alter_subscription('kept', on_partition_drop => 'delete');
SELECT dbsync.run_once('kept');
DROP TABLE public.log_6;
SELECT name FROM dbsync.kept_partition WHERE NOT kept;
SELECT dbsync.alter_subscription('kept', on_partition_drop => 'keep');
SELECT note FROM dbsync.table_status;
SELECT dbsync.run_once('kept');
\c :target
SELECT id FROM public.log WHERE k = 6;
\c :source
-- TRUNCATE takes along what is kept within the bound of what it empties
CREATE TABLE public.log_6 PARTITION OF public.log FOR VALUES IN (6);
TRUNCATE public.log_6;
SELECT dbsync.run_once('kept') >= 0;
\c :target
SELECT id FROM public.log WHERE k = 6;
\c :source
-- a copy anew makes an end of it: asked for, or after DDL that no trigger saw
SELECT dbsync.copy_table('kept', 'public.log');
SELECT note FROM dbsync.table_status;
SELECT dbsync.run_once('kept');
\set subscription kept
\set tab public.log
\i sql/include/same_table.psql
CREATE TABLE public.log_8 PARTITION OF public.log FOR VALUES IN (8);
INSERT INTO public.log VALUES (8, 8, 'x');
SELECT dbsync.run_once('kept') >= 0;
DROP TABLE public.log_8;
SELECT note FROM dbsync.table_status;
SELECT dbsync.alter_subscription('kept', ddl => 'apply');
ALTER TABLE public.log ALTER v TYPE varchar USING upper(v);
SELECT dbsync.run_once('kept') >= 0;
SELECT state, note FROM dbsync.table_status;
\i sql/include/same_table.psql
SELECT dbsync.drop_subscription('kept');
SELECT dbsync.drop_target('kept_target');
SELECT count(*) FROM dbsync.kept_partition;
DROP TABLE public.log, public.log_3;
DROP DATABASE :"target";

-- Partitioned tables: the whole of them at the target, however that is partitioned, whichever
-- partition is written to, and what comes and goes.
\set QUIET on
\i sql/include/target.psql
-- One table by a list and a range, with a partition of another layout; the target's by hash.
CREATE TABLE public.p (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES IN (1);
CREATE TABLE public.p2 (v text, junk int, k int NOT NULL, id int NOT NULL);
ALTER TABLE public.p2 DROP junk;
ALTER TABLE public.p ATTACH PARTITION public.p2 FOR VALUES IN (2);
CREATE TABLE public.p3 PARTITION OF public.p FOR VALUES IN (3, 4) PARTITION BY RANGE (id);
CREATE TABLE public.p3a PARTITION OF public.p3 FOR VALUES FROM (0) TO (100);
CREATE TABLE public.p3b PARTITION OF public.p3 DEFAULT;
INSERT INTO public.p SELECT g, 1 + g % 4, 'row ' || g FROM generate_series(1, 400) g;
\c :target
CREATE TABLE public.p (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k)) PARTITION BY HASH (id);
CREATE TABLE public.h0 PARTITION OF public.p FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.h1 PARTITION OF public.p FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE public.plain (v text, k int, id int, PRIMARY KEY (k, id));
\c :source
SELECT dbsync.create_target('parts_target', :'uri');
SELECT dbsync.create_subscription('parts', 'parts_target', tables => '{public.p}', on_partition_drop => 'delete');
SELECT dbsync.create_subscription('kept', 'parts_target');
SELECT dbsync.add_table('kept', 'public.p', target_table => 'plain');
\set subscription parts
\set tab public.p

-- the first copy, in chunks
ALTER DATABASE :"source" SET dbsync.copy_chunk_rows = 100;
\c :source
\i sql/include/same_table.psql
SELECT dbsync.run_once('kept');

-- through the root, a middle and leaves; rows that move
INSERT INTO public.p SELECT g, 1 + g % 4, 'row ' || g FROM generate_series(401, 800) g;
INSERT INTO public.p2 (id, k, v) VALUES (1001, 2, 'leaf');
INSERT INTO public.p3 VALUES (1002, 3, 'middle');
UPDATE public.p SET k = 1 + (k + 1) % 4 WHERE id % 3 = 0;
UPDATE public.p3 SET id = id + 5000 WHERE id < 50;
UPDATE public.p2 SET v = v || '!' WHERE id % 2 = 0;
DELETE FROM public.p WHERE id % 7 = 0;
DELETE FROM public.p3b WHERE id % 5 = 0;
MERGE INTO public.p USING (SELECT id, k FROM public.p WHERE id % 11 = 0) s ON p.id = s.id AND p.k = s.k
    WHEN MATCHED THEN UPDATE SET k = 1 + (p.k + 1) % 4, v = 'moved by MERGE';
\i sql/include/same_table.psql

-- a partition is emptied between changes of its rows, and others with it
BEGIN;
UPDATE public.p SET v = 'before' WHERE k = 2;
TRUNCATE public.p2;
INSERT INTO public.p VALUES (9001, 2, 'behind');
TRUNCATE public.p3a;
INSERT INTO public.p VALUES (9002, 2, 'behind'), (60, 3, 'behind');
SAVEPOINT a;
TRUNCATE public.p1;
ROLLBACK TO a;
COMMIT;
\i sql/include/same_table.psql
BEGIN;
INSERT INTO public.p VALUES (9003, 2, 'before the whole is emptied');
TRUNCATE public.p1;
TRUNCATE public.p;
INSERT INTO public.p VALUES (1, 1, 'alone'), (2, 2, 'alone'), (3, 3, 'alone'), (300, 4, 'alone');
COMMIT;
\i sql/include/same_table.psql
TRUNCATE public.p3;
\i sql/include/same_table.psql

-- partitions come, with rows, as well in the middle of a transaction
CREATE TABLE public.p5 PARTITION OF public.p FOR VALUES IN (5);
INSERT INTO public.p VALUES (6, 5, 'new');
CREATE TABLE public.p6 (v text, k int NOT NULL, id int NOT NULL);
INSERT INTO public.p6 SELECT 'old ' || g, 6, g FROM generate_series(1, 50) g;
BEGIN;
INSERT INTO public.p6 VALUES ('before', 6, 51);
ALTER TABLE public.p ATTACH PARTITION public.p6 FOR VALUES IN (6);
INSERT INTO public.p VALUES (52, 6, 'behind');
UPDATE public.p6 SET v = 'behind' WHERE id = 1;
COMMIT;
\i sql/include/same_table.psql
-- and go: rows of one that is detached or dropped are deleted, or kept
BEGIN;
INSERT INTO public.p VALUES (53, 6, 'goes with it');
ALTER TABLE public.p DETACH PARTITION public.p6;
INSERT INTO public.p6 VALUES ('not captured', 6, 54);
COMMIT;
INSERT INTO public.p6 VALUES ('not captured', 6, 55);
DROP TABLE public.p5;
\i sql/include/same_table.psql
SELECT dbsync.run_once('kept') >= 0;
SELECT count(*) FROM public.p;
\c :target
SELECT k, count(*) FROM public.plain GROUP BY k ORDER BY k;
\c :source
-- comes again, and what was kept is put right
UPDATE public.p6 SET v = 'changed meanwhile';
ALTER TABLE public.p ATTACH PARTITION public.p6 FOR VALUES IN (6);
DROP TABLE public.p3;
\i sql/include/same_table.psql
SELECT dbsync.run_once('kept') >= 0;
\c :target
SELECT k, v, count(*) FROM public.plain GROUP BY k, v ORDER BY k, v COLLATE "C";
\c :source
-- attached, detached, attached, emptied in one transaction
BEGIN;
ALTER TABLE public.p DETACH PARTITION public.p6;
DELETE FROM public.p6 WHERE id > 20;
ALTER TABLE public.p ATTACH PARTITION public.p6 FOR VALUES IN (6);
INSERT INTO public.p VALUES (100, 6, 'x');
TRUNCATE public.p1;
COMMIT;
\i sql/include/same_table.psql

-- a default partition; its bound changes as others come
CREATE TABLE public.pd PARTITION OF public.p DEFAULT;
INSERT INTO public.p SELECT g, 50 + g % 3, 'default' FROM generate_series(1, 30) g;
BEGIN;
WITH gone AS (DELETE FROM public.pd WHERE k = 50 RETURNING *) SELECT count(*) FROM gone;
CREATE TABLE public.p50 PARTITION OF public.p FOR VALUES IN (50);
INSERT INTO public.p SELECT g, 50, 'not default' FROM generate_series(3, 30, 3) g;
TRUNCATE public.pd;
COMMIT;
\i sql/include/same_table.psql

-- below a default partition bounds change, too
DROP TABLE public.pd;
CREATE TABLE public.pd PARTITION OF public.p DEFAULT PARTITION BY RANGE (id);
CREATE TABLE public.pda PARTITION OF public.pd FOR VALUES FROM (0) TO (100);
CREATE TABLE public.pdb PARTITION OF public.pd DEFAULT;
INSERT INTO public.pdb VALUES (200, 60, 'below the default');
CREATE TABLE public.p61 PARTITION OF public.p FOR VALUES IN (61);
INSERT INTO public.p VALUES (201, 61, 'not in the default'), (2, 61, 'not in the default');
TRUNCATE public.pdb;
\i sql/include/same_table.psql

-- columns change, in all partitions
ALTER DATABASE :"source" SET "DateStyle" = 'SQL, DMY';
\c :source
ALTER TABLE public.p ADD d date DEFAULT '2024-02-01';
\c :target
ALTER TABLE public.p ADD d date DEFAULT '2024-02-01';
\c :source
UPDATE public.p SET d = '2024-03-01' WHERE id = 4;
\i sql/include/same_table.psql
ALTER TABLE public.p RENAME v TO w;
\c :target
ALTER TABLE public.p RENAME v TO w;
\c :source
\i sql/include/same_table.psql
ALTER DATABASE :"source" RESET "DateStyle";
SELECT dbsync.drop_subscription('kept');
SELECT dbsync.drop_subscription('parts');
SELECT count(*) FROM dbsync.partition;
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'dbsync%';
ALTER DATABASE :"source" RESET dbsync.copy_chunk_rows;
SELECT dbsync.drop_target('parts_target');
DROP TABLE public.p;
DROP DATABASE :"target";

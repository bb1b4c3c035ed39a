-- Foreign keys that the target checks, and tables that change, are partitioned, have no key, or are chosen from.
\set QUIET on
\i sql/include/foreign_keys.psql
\set ddl 'CREATE TABLE public.root (id int PRIMARY KEY, v text); CREATE TABLE public.part (id int, root int NOT NULL REFERENCES public.root ON DELETE CASCADE, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k); CREATE TABLE public.part1 PARTITION OF public.part FOR VALUES IN (1); CREATE TABLE public.part2 PARTITION OF public.part FOR VALUES IN (2); CREATE TABLE public.leaf (id int PRIMARY KEY, part int, k int, v text, FOREIGN KEY (part, k) REFERENCES public.part); CREATE TABLE public.log (root int REFERENCES public.root, v text); CREATE TABLE public.few (id int PRIMARY KEY, root int REFERENCES public.root, shown boolean);'
:ddl
\c :target regress_dbsync_keys
:ddl
\c :source :me
INSERT INTO public.root SELECT i FROM generate_series(1, 20) i;
INSERT INTO public.part SELECT i, 1 + i % 20, 1 + i % 2 FROM generate_series(1, 40) i;
INSERT INTO public.leaf SELECT i, 1 + i % 40, 1 + (1 + i % 40) % 2 FROM generate_series(1, 60) i;
INSERT INTO public.log SELECT 1 + i % 20, 'v' FROM generate_series(1, 30) i;
INSERT INTO public.few SELECT i, 1 + i % 20, i % 2 = 0 FROM generate_series(1, 30) i;
SELECT dbsync.create_target('keys_target', :'uri');
SELECT dbsync.create_subscription('keys', 'keys_target', tables => ARRAY['public.leaf', 'public.part', 'public.log', 'public.root'], ddl => 'apply');
SELECT dbsync.add_table('keys', 'public.few', filter => 'shown');
\set subscription keys
\set compare 'SELECT ''root'' AS tab, count(*), md5(string_agg(r::text, '','' ORDER BY r::text COLLATE "C")) FROM public.root r UNION ALL SELECT ''part'', count(*), md5(string_agg(r::text, '','' ORDER BY r::text COLLATE "C")) FROM public.part r UNION ALL SELECT ''leaf'', count(*), md5(string_agg(r::text, '','' ORDER BY r::text COLLATE "C")) FROM public.leaf r UNION ALL SELECT ''log'', count(*), md5(string_agg(r::text, '','' ORDER BY r::text COLLATE "C")) FROM public.log r UNION ALL SELECT ''few'', count(*), md5(string_agg(r::text, '','' ORDER BY r::text COLLATE "C")) FROM public.few r WHERE shown'
SELECT dbsync.run_once('keys') >= 0 AS sent;
SELECT array_agg(c ORDER BY c)::text AS here FROM (:compare) c \gset
\c :target regress_dbsync_keys
SELECT array_agg(c ORDER BY c)::text = :'here' AS same FROM (:compare) c;
\c :source :me

-- tables that change in the middle of a transaction that has rows of them
BEGIN;
INSERT INTO public.root VALUES (21, 'before');
INSERT INTO public.part VALUES (41, 21, 1);
ALTER TABLE public.leaf ADD w int DEFAULT 7;
INSERT INTO public.leaf VALUES (61, 41, 1, 'new', 1);
UPDATE public.leaf SET v = 'all';
ALTER TABLE public.root ADD x text;
INSERT INTO public.root VALUES (22, 'behind', 'x');
INSERT INTO public.log VALUES (22, 'new');
DELETE FROM public.log WHERE root = 3;
COMMIT;
SELECT dbsync.run_once('keys') >= 0 AS sent;
SELECT array_agg(c ORDER BY c)::text AS here FROM (:compare) c \gset
\c :target regress_dbsync_keys
SELECT array_agg(c ORDER BY c)::text = :'here' AS same FROM (:compare) c;
\c :source :me

-- rows that move to another partition, and one that is emptied
BEGIN;
UPDATE public.leaf SET part = 41, k = 1 WHERE part = 2;
UPDATE public.part SET k = 2 WHERE id = 2;
UPDATE public.leaf SET part = 41, k = 1 WHERE k = 2;
COMMIT;
SELECT dbsync.run_once('keys') >= 0 AS sent;
SELECT array_agg(c ORDER BY c)::text AS here FROM (:compare) c \gset
\c :target regress_dbsync_keys
SELECT array_agg(c ORDER BY c)::text = :'here' AS same FROM (:compare) c;
\c :source :me
DELETE FROM public.leaf WHERE part <> 41;
TRUNCATE public.leaf, public.part2;
INSERT INTO public.leaf SELECT 100 + id, id, k, 'again', 0 FROM public.part;
SELECT dbsync.run_once('keys') >= 0 AS sent;
SELECT array_agg(c ORDER BY c)::text AS here FROM (:compare) c \gset
\c :target regress_dbsync_keys
SELECT array_agg(c ORDER BY c)::text = :'here' AS same FROM (:compare) c;
\c :source :me

-- rows without a key leave a parent that goes, and the unique value of another is taken, in one batch
\set ddl 'CREATE UNIQUE INDEX ON public.root (v);'
:ddl
\c :target regress_dbsync_keys
:ddl
\c :source :me
UPDATE public.root SET v = 'value ' || id;
BEGIN;
UPDATE public.log SET root = 21 WHERE root = 4;
UPDATE public.few SET root = 21, shown = NOT shown WHERE root = 4;
DELETE FROM public.leaf WHERE (part, k) IN (SELECT id, k FROM public.part WHERE root = 4);
DELETE FROM public.root WHERE id = 4;
INSERT INTO public.root VALUES (40, 'value 4');
INSERT INTO public.log VALUES (40, 'new');
COMMIT;
SELECT dbsync.run_once('keys') >= 0 AS sent;
SELECT array_agg(c ORDER BY c)::text AS here FROM (:compare) c \gset
\c :target regress_dbsync_keys
SELECT array_agg(c ORDER BY c)::text = :'here' AS same FROM (:compare) c;
SELECT count(*) AS not_shown FROM public.few WHERE NOT shown;
\c :source :me

SELECT dbsync.drop_subscription('keys');
SELECT dbsync.drop_target('keys_target');
DROP TABLE public.leaf, public.part, public.log, public.few, public.root;
DROP DATABASE :target;
DROP ROLE regress_dbsync_keys;

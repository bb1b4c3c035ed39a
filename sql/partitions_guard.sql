-- What cannot be a partition of a captured table, and what else is refused of partitions.
\set QUIET on
\i sql/include/target.psql
CREATE TABLE public.root (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE public.leaf PARTITION OF public.root FOR VALUES IN (1);
CREATE TABLE public.middle PARTITION OF public.root FOR VALUES IN (2) PARTITION BY HASH (id);
CREATE TABLE public.hashed PARTITION OF public.middle FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE public.other (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k));
CREATE TABLE public.another (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
\c :target
CREATE TABLE public.root (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k));
CREATE TABLE public.other (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k));
\c :source
SELECT dbsync.create_target('guard_target', :'uri');
SELECT dbsync.create_subscription('guard', 'guard_target', tables => '{public.other}');

-- what is added
SELECT dbsync.add_table('guard', 'public.leaf');
SELECT dbsync.add_table('guard', 'public.middle');
ALTER TABLE public.hashed SET UNLOGGED;
SELECT dbsync.add_table('guard', 'public.root');
ALTER TABLE public.hashed SET LOGGED;
SELECT dbsync.add_table('guard', 'public.another');
SELECT dbsync.create_subscription('deletes', 'guard_target', tables => '{public.root}', on_partition_drop => 'delete');
SELECT dbsync.create_subscription('deletes', 'guard_target', on_partition_drop => 'forget');
SELECT dbsync.alter_subscription('guard', on_partition_drop => 'delete');
SELECT dbsync.add_table('guard', 'public.root');
SELECT dbsync.alter_subscription('guard', on_partition_drop => 'keep');
SELECT dbsync.add_table('guard', 'public.root');
SELECT dbsync.alter_subscription('guard', on_partition_drop => 'delete');
SELECT dbsync.run_once('guard');
SELECT dbsync.add_table('guard', 'public.leaf');

-- what comes
CREATE UNLOGGED TABLE public.unlogged PARTITION OF public.root FOR VALUES IN (9);
ALTER TABLE public.root ATTACH PARTITION public.other FOR VALUES IN (10);
CREATE UNLOGGED TABLE public.was_unlogged (id int NOT NULL, k int NOT NULL, v text);
ALTER TABLE public.root ATTACH PARTITION public.was_unlogged FOR VALUES IN (9);
DROP TABLE public.was_unlogged;
ALTER TABLE public.leaf SET UNLOGGED;
ALTER TABLE public.hashed SET UNLOGGED;
-- (temporary ones PostgreSQL refuses itself)
CREATE TEMP TABLE short PARTITION OF public.root FOR VALUES IN (9);
ALTER TABLE public.another ATTACH PARTITION public.root FOR VALUES IN (1, 2);
CREATE TABLE public.subtree (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
ALTER TABLE public.subtree ATTACH PARTITION public.other FOR VALUES IN (10);
CREATE TABLE public.plain (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k));
ALTER TABLE public.subtree ATTACH PARTITION public.plain FOR VALUES IN (11);
ALTER TABLE public.root ATTACH PARTITION public.subtree FOR VALUES IN (10, 11);
SELECT p.relid::regclass, p.parent::regclass, p.leaf, p.bound IS NOT NULL AS travels FROM dbsync.partition p ORDER BY 1;
DROP TABLE public.subtree;
-- a root above one that is captured, which came to it unseen
SELECT dbsync.remove_table('guard', 'public.another');
ALTER EVENT TRIGGER dbsync_guard_command DISABLE;
ALTER TABLE public.another ATTACH PARTITION public.other FOR VALUES IN (5);
ALTER EVENT TRIGGER dbsync_guard_command ENABLE ALWAYS;
SELECT dbsync.add_table('guard', 'public.another');
ALTER TABLE public.another DETACH PARTITION public.other;
-- a subscription that deletes needs bounds that can be told
SELECT dbsync.drop_subscription('guard');
CREATE TABLE public.ranged (id int NOT NULL, k text NOT NULL, PRIMARY KEY (id, k)) PARTITION BY LIST (id);
CREATE TABLE public.ranged_1 PARTITION OF public.ranged FOR VALUES IN (1);
SELECT dbsync.create_subscription('deletes', 'guard_target', tables => '{public.ranged}', on_partition_drop => 'delete');
SELECT state FROM dbsync.table_status;
SET ROLE NONE;
SELECT c.id AS captured FROM dbsync.captured_table c WHERE c.relid = 'public.ranged'::regclass \gset
SELECT dbsync_internal.install_capture(:captured);
CREATE TABLE public.ranged_2 PARTITION OF public.ranged FOR VALUES IN (2) PARTITION BY HASH (k);
CREATE TABLE public.ranged_3 PARTITION OF public.ranged_2 FOR VALUES WITH (MODULUS 1, REMAINDER 0);
-- ranges of text: in the order of bytes only
CREATE TABLE public.words (w text NOT NULL PRIMARY KEY) PARTITION BY RANGE (w);
CREATE TABLE public.words_1 PARTITION OF public.words FOR VALUES FROM ('a') TO ('b');
SELECT dbsync_internal.bound_of('public.words_1'::regclass);
CREATE TABLE public.bytes (w text COLLATE "C" NOT NULL PRIMARY KEY) PARTITION BY RANGE (w);
CREATE TABLE public.bytes_1 PARTITION OF public.bytes FOR VALUES FROM ('a') TO ('b''c');
SELECT dbsync_internal.bound_of('public.bytes_1'::regclass);
-- of types whose order is the database's own
CREATE TABLE public.documents (j jsonb NOT NULL PRIMARY KEY) PARTITION BY RANGE (j);
CREATE TABLE public.documents_1 PARTITION OF public.documents FOR VALUES FROM ('"a"') TO ('"b"');
SELECT dbsync_internal.bound_of('public.documents_1'::regclass);
CREATE TABLE public.objects (o regclass[] NOT NULL PRIMARY KEY) PARTITION BY RANGE (o);
CREATE TABLE public.objects_1 PARTITION OF public.objects FOR VALUES FROM (MINVALUE) TO ('{pg_class}');
SELECT dbsync_internal.bound_of('public.objects_1'::regclass);
CREATE TABLE public.listed (j jsonb NOT NULL PRIMARY KEY) PARTITION BY LIST (j);
CREATE TABLE public.listed_1 PARTITION OF public.listed FOR VALUES IN ('"a"');
SELECT dbsync_internal.bound_of('public.listed_1'::regclass);
DROP TABLE public.documents, public.objects, public.listed;
CREATE TYPE public.mood AS ENUM ('low', 'high');
CREATE TABLE public.moods (m public.mood NOT NULL PRIMARY KEY) PARTITION BY LIST (m);
CREATE TABLE public.moods_1 PARTITION OF public.moods FOR VALUES IN ('low');
SELECT dbsync_internal.bound_of('public.moods_1'::regclass);
CREATE TABLE public.computed (a int, b int) PARTITION BY RANGE ((a + b));
CREATE TABLE public.computed_1 PARTITION OF public.computed FOR VALUES FROM (1) TO (2);
SELECT dbsync_internal.bound_of('public.computed_1'::regclass);
SET "DateStyle" = 'SQL, DMY'; SET "TimeZone" = 'Europe/Berlin';
CREATE TABLE public.times (t timestamptz NOT NULL PRIMARY KEY, d date) PARTITION BY RANGE (t);
CREATE TABLE public.times_1 PARTITION OF public.times FOR VALUES FROM ('01/02/2024 00:00') TO ('01/03/2024 00:00');
SELECT dbsync_internal.bound_of('public.times_1'::regclass);
SELECT dbsync.drop_subscription('deletes');
SELECT dbsync.drop_target('guard_target');
DROP TABLE public.root, public.another, public.other, public.ranged, public.bytes, public.moods, public.computed, public.times;
DROP TABLE public.words;
DROP TYPE public.mood;
DROP DATABASE :"target";

-- Plain inheritance: each member of a tree is a table of its own at both ends, whichever of
-- them a statement names.
\set QUIET on
\i sql/include/target.psql
-- A tree of three levels, with two parents; children with columns of their own in another
-- order, and with keys or without.  The target's tables inherit likewise, one excepted.
\set tree 'CREATE TABLE public.a (id int PRIMARY KEY, v text, n int NOT NULL DEFAULT 0); CREATE TABLE public.other (junk int, stamp text); ALTER TABLE public.other DROP junk; CREATE TABLE public.b (extra text, v text, id int NOT NULL PRIMARY KEY, n int NOT NULL DEFAULT 0) ; CREATE TABLE public.c (more int) INHERITS (public.a, public.other); CREATE TABLE public.d (PRIMARY KEY (deep), deep int) INHERITS (public.c);'
:tree
ALTER TABLE public.b INHERIT public.a;
CREATE TABLE public.alone (id int PRIMARY KEY, v text);
INSERT INTO public.a VALUES (1, 'a1'), (2, 'a2');
INSERT INTO public.b (id, v, extra) VALUES (1, 'b1', 'e'), (2, 'b2', 'e');
INSERT INTO public.c (id, v, more, stamp) VALUES (1, 'c1', 7, 's'), (1, 'c1', 7, 's'), (3, 'c3', NULL, NULL);
INSERT INTO public.d (id, v, deep) VALUES (1, 'd1', 1), (1, 'd1', 2), (4, 'd4', 3);
INSERT INTO public.other VALUES ('o');
\c :target
:tree
CREATE TABLE public.alone (id int PRIMARY KEY, v text);
CREATE TABLE public.theirs () INHERITS (public.a);
INSERT INTO public.theirs VALUES (1, 'is none of ours'), (2, 'is none of ours');
\c :source
\set VERBOSITY terse
SELECT dbsync.create_target('tree_target', :'uri');
SELECT dbsync.create_subscription('tree', 'tree_target', tables => '{public.b,public.d,public.a,public.other,public.alone}', ddl => 'apply');
SELECT dbsync.add_table('tree', 'public.c');
\set subscription tree

-- the first copy, in chunks
ALTER DATABASE :"source" SET dbsync.copy_chunk_rows = 2;
\c :source
\i sql/include/same_tree.psql
ALTER DATABASE :"source" RESET dbsync.copy_chunk_rows;
\c :source
SELECT c.relid::regclass, c.by_row, array_agg(regexp_replace(g.tgname, '\d+_', '') || ' ' || g.tgenabled::text ORDER BY g.tgname) AS triggers
FROM dbsync.captured_table c JOIN pg_trigger g ON g.tgrelid = c.relid WHERE g.tgname LIKE 'dbsync%' GROUP BY 1, 2 ORDER BY 1;

-- through parents: each row is its own table's
UPDATE public.a SET v = v || '!';
UPDATE public.other SET stamp = 'through the second parent' WHERE stamp IS NULL;
UPDATE ONLY public.a SET v = v || ' only' WHERE id = 1;
DELETE FROM public.a WHERE id = 2;
\i sql/include/same_tree.psql
UPDATE public.a SET id = id + 100 WHERE id IN (1, 4);
DELETE FROM public.c WHERE more = 7 AND ctid = (SELECT min(ctid) FROM ONLY public.c WHERE more = 7);
UPDATE public.c SET n = n + 1, more = coalesce(more, 0);
\i sql/include/same_tree.psql
-- of their own
INSERT INTO public.a SELECT g, 'row ' || g FROM generate_series(10, 40) g;
INSERT INTO public.b (id, v, extra) SELECT g, 'row ' || g, repeat('x', 3000) FROM generate_series(10, 40) g;
INSERT INTO public.d (id, v, deep, stamp) SELECT g % 5, 'row', g, 'd' FROM generate_series(10, 40) g;
INSERT INTO public.c (id, v) SELECT g % 3, 'dup' FROM generate_series(1, 9) g;
INSERT INTO public.b (id, v) VALUES (10, 'conflict'), (50, 'none') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v;
INSERT INTO public.a (id, v) VALUES (10, 'conflict'), (60, 'none') ON CONFLICT DO NOTHING;
COPY public.a (id, v) FROM stdin;
70	copied
71	copied
\.
COPY public.d (deep, id, v) FROM stdin;
70	7	copied
\.
\i sql/include/same_tree.psql
MERGE INTO public.b USING (VALUES (10), (11), (80)) s (id) ON b.id = s.id
    WHEN MATCHED AND s.id = 10 THEN DELETE WHEN MATCHED THEN UPDATE SET v = 'merged' WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, 'merged');
MERGE INTO public.a USING (VALUES (12), (81)) s (id) ON a.id = s.id
    WHEN MATCHED THEN UPDATE SET v = 'merged', n = a.n + 1 WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, 'merged');
WITH gone AS (DELETE FROM public.a WHERE id = 13 RETURNING id), come AS (INSERT INTO public.b (id, v) VALUES (90, 'with') RETURNING id)
UPDATE public.d SET v = 'with' WHERE deep = 14;
BEGIN;
SELECT id, v FROM public.a WHERE id = 12 FOR UPDATE;
DECLARE cur CURSOR FOR SELECT * FROM public.a WHERE id = 15 FOR UPDATE;
MOVE NEXT FROM cur;
UPDATE public.a SET v = 'current' WHERE CURRENT OF cur;
MOVE NEXT FROM cur;
DELETE FROM public.a WHERE CURRENT OF cur;
COMMIT;
\i sql/include/same_tree.psql

-- the same keys over and over, in savepoints
BEGIN;
UPDATE public.a SET n = n + 1;
SAVEPOINT s;
UPDATE public.a SET id = -id;
DELETE FROM public.b WHERE id % 2 = 0;
ROLLBACK TO s;
UPDATE public.a SET n = n + 1 WHERE id < 30;
DELETE FROM public.d WHERE deep = 20;
INSERT INTO public.d (id, deep) VALUES (1, 20);
UPDATE public.a SET v = 'twice' WHERE id = 1;
COMMIT;
\i sql/include/same_tree.psql
-- triggers that write to the table they are on, and before ours
CREATE FUNCTION public.again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF pg_trigger_depth() = 1 THEN EXECUTE format('UPDATE public.a SET n = n + 10, v = v || %L WHERE id = $1', tg_when) USING new.id; END IF; RETURN new; END $$;
CREATE TRIGGER again_before BEFORE INSERT ON public.a FOR EACH ROW EXECUTE FUNCTION public.again();
CREATE TRIGGER aaa_after AFTER INSERT OR UPDATE ON public.b FOR EACH ROW EXECUTE FUNCTION public.again();
CREATE TRIGGER aaa_after AFTER INSERT OR UPDATE ON public.d FOR EACH ROW EXECUTE FUNCTION public.again();
UPDATE public.a SET v = 'set' WHERE id IN (20, 3);
INSERT INTO public.b (id, v) VALUES (200, 'twice');
INSERT INTO public.a (id, v) VALUES (200, 'once');
\i sql/include/same_tree.psql
DROP TRIGGER again_before ON public.a;
DROP TRIGGER aaa_after ON public.b;
DROP TRIGGER aaa_after ON public.d;
-- foreign keys
CREATE TABLE public.one (id int PRIMARY KEY);
INSERT INTO public.one VALUES (11), (12);
ALTER TABLE public.b ADD owner int REFERENCES public.one ON DELETE CASCADE ON UPDATE SET NULL;
UPDATE public.b SET owner = id WHERE id IN (11, 12);
DELETE FROM public.one WHERE id = 11;
UPDATE public.one SET id = 13 WHERE id = 12;
\i sql/include/same_tree.psql
-- in replica role, and switched on and off
SET session_replication_role = replica;
UPDATE public.a SET n = n + 1 WHERE id = 16;
RESET session_replication_role;
ALTER TABLE public.b DISABLE TRIGGER ALL;
UPDATE public.a SET n = n + 1 WHERE id = 17;
ALTER TABLE public.b ENABLE TRIGGER ALL;
UPDATE public.a SET n = n + 1 WHERE id = 18;
\i sql/include/same_tree.psql

-- TRUNCATE of all below, and of one
BEGIN;
UPDATE public.a SET v = 'before';
TRUNCATE public.c;
INSERT INTO public.c (id, v) VALUES (1, 'behind'), (1, 'behind');
INSERT INTO public.d (id, deep) VALUES (1, 1);
COMMIT;
\i sql/include/same_tree.psql
TRUNCATE ONLY public.a;
\i sql/include/same_tree.psql
BEGIN;
TRUNCATE public.a;
INSERT INTO public.a VALUES (1, 'behind'), (2, 'behind');
INSERT INTO public.b (id, v) VALUES (1, 'behind');
COMMIT;
\i sql/include/same_tree.psql
SELECT dbsync.copy_table('tree', 'public.a', existing_rows => 'truncate');
SELECT dbsync.copy_table('tree', 'public.c', existing_rows => 'truncate');
\i sql/include/same_tree.psql
\c :target
SELECT * FROM public.theirs ORDER BY id;
\c :source

SELECT dbsync.drop_subscription('tree');
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'dbsync%';
SELECT dbsync.drop_target('tree_target');
DROP TABLE public.a, public.b, public.c, public.d, public.other, public.alone, public.one;
DROP FUNCTION public.again();
DROP DATABASE :"target";

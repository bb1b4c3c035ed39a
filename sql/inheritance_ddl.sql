-- Inheritance that comes and goes: capture follows in the command that does it, and columns are
-- handed on to all below.
\set QUIET on
\i sql/include/target.psql
\set tree 'CREATE TABLE public.a (id int PRIMARY KEY, v text); CREATE TABLE public.b (v text, id int PRIMARY KEY); CREATE TABLE public.c (id int PRIMARY KEY, v text, own int); CREATE TABLE public.d (own int, id int PRIMARY KEY, v text);'
:tree
\c :target
:tree
ALTER TABLE public.b INHERIT public.a;
ALTER TABLE public.c INHERIT public.b;
\c :source
CREATE FUNCTION public.triggers() RETURNS TABLE (relid regclass, by_row boolean, triggers text) LANGUAGE sql AS $$
    SELECT c.relid::regclass, c.by_row, string_agg(regexp_replace(g.tgname, '^dbsync_\d+_', '') || ' ' || g.tgenabled::text, ', ' ORDER BY g.tgname)
    FROM dbsync.captured_table c JOIN pg_trigger g ON g.tgrelid = c.relid WHERE g.tgname LIKE 'dbsync%' GROUP BY 1, 2 ORDER BY 1 $$;
SELECT dbsync.create_target('tree_target', :'uri');
-- children before parents
SELECT dbsync.create_subscription('tree', 'tree_target', tables => '{public.d,public.c,public.b,public.a}', ddl => 'apply');
\set subscription tree
INSERT INTO public.a VALUES (1, 'a'), (2, 'a');
INSERT INTO public.b (id, v) VALUES (1, 'b'), (2, 'b');
INSERT INTO public.c (id, v) VALUES (1, 'c'), (2, 'c');
INSERT INTO public.d (id, v) VALUES (1, 'd'), (2, 'd');
\i sql/include/same_tree.psql
SELECT * FROM public.triggers();

-- INHERIT in the middle of a transaction that has written, and taken back
BEGIN;
UPDATE public.a SET v = 'before';
UPDATE public.b SET v = 'before', id = id + 10;
ALTER TABLE public.b INHERIT public.a;
UPDATE public.a SET v = v || ' behind' WHERE id <> 2;
SAVEPOINT s;
ALTER TABLE public.c INHERIT public.b;
UPDATE public.a SET v = 'taken back';
ROLLBACK TO s;
UPDATE public.c SET v = 'alone';
COMMIT;
SELECT * FROM public.triggers();
\i sql/include/same_tree.psql
ALTER TABLE public.c INHERIT public.b;
CREATE TABLE public.parent (own int);
ALTER TABLE public.d INHERIT public.parent;
SELECT * FROM public.triggers();
UPDATE public.a SET v = 'through the top';
UPDATE public.parent SET own = 5;
\i sql/include/same_tree.psql
-- a new one is not captured
CREATE TABLE public.e (mine text) INHERITS (public.b);
CREATE TEMP TABLE short () INHERITS (public.b);
INSERT INTO public.e VALUES ('not captured', 77);
UPDATE public.a SET v = 'with an uncaptured one';
\i sql/include/same_tree.psql

-- columns, of all below and of one; of those far below one that is not captured
CREATE TABLE public.grandparent ();
ALTER TABLE public.parent INHERIT public.grandparent;
BEGIN;
UPDATE public.d SET own = 6;
ALTER TABLE public.grandparent ADD far int DEFAULT 3;
UPDATE public.d SET far = 4 WHERE id = 1;
ALTER TABLE public.grandparent ALTER far TYPE text USING 'row ' || far;
COMMIT;
SELECT count(*) FROM dbsync_internal.rewritten;
\i sql/include/same_tree.psql
-- what the target's children have is theirs
BEGIN;
ALTER TABLE public.a ADD early int DEFAULT 1;
UPDATE public.b SET early = 2;
UPDATE public.c SET early = 3 WHERE id = 1;
COMMIT;
ALTER TABLE ONLY public.a ALTER early SET DEFAULT 9;
\i sql/include/same_tree.psql
\c :target
SELECT d.adrelid::regclass, pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE a.attname = 'early' ORDER BY 1;
\c :source
ALTER TABLE public.a ADD n int DEFAULT 7;
\i sql/include/same_tree.psql
ALTER TABLE public.b ADD m text;
UPDATE public.a SET n = 8 WHERE id = 1;
\i sql/include/same_tree.psql
ALTER TABLE public.a RENAME v TO w;
BEGIN;
UPDATE public.a SET w = 'before', n = 1;
ALTER TABLE public.a ALTER n TYPE bigint;
UPDATE public.a SET w = 'behind', n = 1 + (1::bigint << 40) WHERE id = 1;
COMMIT;
\i sql/include/same_tree.psql
ALTER TABLE public.a ALTER n SET NOT NULL, ALTER n SET DEFAULT 3;
-- in place, and anew
ALTER TABLE public.a ADD at timestamptz DEFAULT '2024-01-01', ADD u uuid DEFAULT gen_random_uuid();
\i sql/include/same_tree.psql
SELECT c.relid::regclass, t.kind, t.reason FROM dbsync.turn t JOIN dbsync.captured_table c ON c.id = t.captured_id WHERE t.kind <> 'shape' ORDER BY 1, t.xid, t.no;
ALTER TABLE public.a DROP n, DROP at;
UPDATE public.a SET w = 'dropped' WHERE id = 2;
\i sql/include/same_tree.psql
-- in the child alone
ALTER TABLE public.c ALTER own TYPE bigint;
ALTER TABLE public.c DROP CONSTRAINT c_pkey;
UPDATE public.a SET w = 'no key' WHERE id = 1;
\i sql/include/same_tree.psql
ALTER TABLE public.c ADD PRIMARY KEY (id);

-- triggers are guarded
SELECT format('DROP TRIGGER dbsync_%s_row ON public.b', c.id) AS drop_row, format('ALTER TABLE public.b ENABLE REPLICA TRIGGER dbsync_%s_row', c.id) AS enable
FROM dbsync.captured_table c WHERE c.relid = 'public.b'::regclass \gset
\set VERBOSITY sqlstate
:drop_row;
\set VERBOSITY terse
:enable;
ALTER TABLE public.a DISABLE TRIGGER USER;
ALTER TABLE public.a ENABLE TRIGGER ALL;
SELECT * FROM public.triggers();

-- what waits until commit is in the way
CREATE TABLE public.one (id int PRIMARY KEY);
CREATE TABLE public.f (id int PRIMARY KEY, one int REFERENCES public.one DEFERRABLE INITIALLY DEFERRED);
\c :target
CREATE TABLE public.f (id int PRIMARY KEY, one int);
\c :source
SELECT dbsync.add_table('tree', 'public.f');
\i sql/include/same_tree.psql
INSERT INTO public.one VALUES (1);
BEGIN;
INSERT INTO public.f VALUES (1, 1);
SAVEPOINT s;
\set VERBOSITY default
CREATE TABLE public.g () INHERITS (public.f);
\set VERBOSITY terse
ROLLBACK TO s;
SET CONSTRAINTS ALL IMMEDIATE;
CREATE TABLE public.g () INHERITS (public.f);
INSERT INTO public.f VALUES (2, 1);
COMMIT;
SELECT * FROM public.triggers() WHERE relid = 'public.f'::regclass;
\i sql/include/same_tree.psql

-- alone again: by DROP TABLE, of one that is captured or not, and by NO INHERIT
BEGIN;
UPDATE public.f SET one = NULL;
DROP TABLE public.g;
UPDATE public.f SET one = 1 WHERE id = 1;
COMMIT;
SELECT * FROM public.triggers() WHERE relid = 'public.f'::regclass;
DROP TABLE public.e;
ALTER TABLE public.c NO INHERIT public.b;
UPDATE public.c SET w = 'alone';
UPDATE public.a SET w = 'two';
-- of a parent that it has lost others may not know yet: workers do it
SELECT * FROM public.triggers();
SELECT dbsync_internal.tidy_captures();
SELECT * FROM public.triggers();
\i sql/include/same_tree.psql
ALTER TABLE public.b NO INHERIT public.a;
ALTER TABLE public.d NO INHERIT public.parent;
UPDATE public.b SET w = 'alone';
UPDATE public.a SET w = 'alone';
SELECT dbsync_internal.tidy_captures();
SELECT * FROM public.triggers();
\i sql/include/same_tree.psql
-- in and out, in one transaction
BEGIN;
INSERT INTO public.a (id) VALUES (50);
CREATE TABLE public.h () INHERITS (public.a);
UPDATE public.a SET w = 'in' WHERE id = 50;
DROP TABLE public.h;
UPDATE public.a SET w = w || ' and out' WHERE id = 50;
COMMIT;
SELECT * FROM public.triggers() WHERE relid = 'public.a'::regclass;
\i sql/include/same_tree.psql
-- a captured child is dropped
ALTER TABLE public.b INHERIT public.a;
UPDATE public.a SET w = 'last' WHERE id IN (1, 11);
DROP TABLE public.b;
SELECT * FROM public.triggers();
\i sql/include/same_tree.psql
\c :target
SELECT id, w FROM ONLY public.b ORDER BY id;
\c :source

-- suspended, and again; while event triggers are off, workers notice
CREATE TABLE public.h () INHERITS (public.a);
SELECT dbsync.suspend_table('public.a');
DROP TABLE public.h;
SELECT dbsync.copy_table('tree', 'public.a', existing_rows => 'truncate');
\i sql/include/same_tree.psql
SELECT * FROM public.triggers();
ALTER EVENT TRIGGER dbsync_guard_command DISABLE;
CREATE TABLE public.h () INHERITS (public.a);
ALTER EVENT TRIGGER dbsync_guard_command ENABLE ALWAYS;
SELECT dbsync_internal.tidy_captures();
SELECT c.relid::regclass, c.state, c.note FROM dbsync.captured_table c WHERE c.relid = 'public.a'::regclass;
SELECT dbsync.copy_table('tree', 'public.a', existing_rows => 'truncate');
\i sql/include/same_tree.psql
SELECT * FROM public.triggers() WHERE relid = 'public.a'::regclass;
ALTER EVENT TRIGGER dbsync_guard_drop DISABLE;
DROP TABLE public.h;
ALTER EVENT TRIGGER dbsync_guard_drop ENABLE ALWAYS;
SELECT dbsync_internal.tidy_captures();
SELECT * FROM public.triggers() WHERE relid = 'public.a'::regclass;
SELECT dbsync.drop_subscription('tree');
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'dbsync%';
SELECT dbsync.drop_target('tree_target');
DROP TABLE public.a, public.c, public.d, public.f, public.parent, public.grandparent, public.one;
DROP FUNCTION public.triggers();
DROP DATABASE :"target";

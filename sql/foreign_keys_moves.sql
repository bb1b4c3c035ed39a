-- Foreign keys that the target checks, and that lead to other columns than the key: a value goes from one row to another, and
-- what the target does then is done to nothing that leads to it.
\set QUIET on
\i sql/include/foreign_keys.psql
\set ddl 'CREATE TABLE public.top (id int PRIMARY KEY, code int UNIQUE, note text); CREATE TABLE public.nulls (id int PRIMARY KEY, code int REFERENCES public.top (code) ON DELETE SET NULL ON UPDATE SET NULL, note text); CREATE TABLE public.defaults (id int PRIMARY KEY, code int DEFAULT 101 REFERENCES public.top (code) ON DELETE SET DEFAULT ON UPDATE SET DEFAULT); CREATE TABLE public.falls (id int PRIMARY KEY, code int REFERENCES public.top (code) ON DELETE CASCADE); CREATE TABLE public.deeper (id int PRIMARY KEY, falls int NOT NULL REFERENCES public.falls ON DELETE CASCADE); CREATE TABLE public.kept (id int PRIMARY KEY, code int UNIQUE); CREATE TABLE public.strict (id int PRIMARY KEY, code int REFERENCES public.kept (code) ON DELETE RESTRICT ON UPDATE RESTRICT); CREATE TABLE public.follows (id int PRIMARY KEY, code int UNIQUE REFERENCES public.top (code) ON UPDATE CASCADE, note text); CREATE TABLE public.must (id int PRIMARY KEY, code int NOT NULL REFERENCES public.top (code) ON DELETE CASCADE ON UPDATE CASCADE, note text); CREATE TABLE public.tree (id int PRIMARY KEY, code int UNIQUE, above int REFERENCES public.tree (code) ON DELETE CASCADE ON UPDATE CASCADE, note text); CREATE TABLE public.pair (id int PRIMARY KEY, a int, b text, UNIQUE (a, b)); CREATE TABLE public.full_pair (id int PRIMARY KEY, a int, b text, FOREIGN KEY (a, b) REFERENCES public.pair (a, b) MATCH FULL ON DELETE CASCADE); CREATE TABLE public.half_pair (id int PRIMARY KEY, a int NOT NULL, b text, FOREIGN KEY (a, b) REFERENCES public.pair (a, b) ON DELETE CASCADE); CREATE TABLE public.region (id int, a int, code int, PRIMARY KEY (id, a), UNIQUE (a, code)) PARTITION BY LIST (a); CREATE TABLE public.region1 PARTITION OF public.region FOR VALUES IN (1); CREATE TABLE public.region2 PARTITION OF public.region FOR VALUES IN (2); CREATE TABLE public.in_region (id int PRIMARY KEY, a int NOT NULL, code int NOT NULL, FOREIGN KEY (a, code) REFERENCES public.region (a, code) ON DELETE CASCADE); CREATE TABLE public.near_region (id int, a int, code int, PRIMARY KEY (id, a), FOREIGN KEY (a, code) REFERENCES public.region (a, code) ON DELETE CASCADE) PARTITION BY LIST (a); CREATE TABLE public.near_region1 PARTITION OF public.near_region FOR VALUES IN (1); CREATE TABLE public.near_region2 PARTITION OF public.near_region FOR VALUES IN (2);'
:ddl
\c :target regress_dbsync_keys
:ddl
-- of the target's own
CREATE TABLE public.theirs (id int PRIMARY KEY, code int REFERENCES public.top (code) ON DELETE CASCADE ON UPDATE CASCADE);
-- which rows of a child were ever deleted there, by whomever
CREATE TABLE public.gone (tab text, id int);
CREATE FUNCTION public.note_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.gone VALUES (TG_TABLE_NAME, OLD.id);
    RETURN NULL;
END $$;
CREATE TRIGGER note_gone AFTER DELETE ON public.falls FOR EACH ROW EXECUTE FUNCTION public.note_gone();
CREATE TRIGGER note_gone AFTER DELETE ON public.deeper FOR EACH ROW EXECUTE FUNCTION public.note_gone();
CREATE TRIGGER note_gone AFTER DELETE ON public.must FOR EACH ROW EXECUTE FUNCTION public.note_gone();
CREATE TRIGGER note_gone AFTER DELETE ON public.tree FOR EACH ROW WHEN (OLD.id > 10) EXECUTE FUNCTION public.note_gone();
CREATE TRIGGER note_gone AFTER DELETE ON public.full_pair FOR EACH ROW EXECUTE FUNCTION public.note_gone();
CREATE TRIGGER note_gone AFTER DELETE ON public.half_pair FOR EACH ROW EXECUTE FUNCTION public.note_gone();
CREATE TRIGGER note_gone AFTER DELETE ON public.theirs FOR EACH ROW EXECUTE FUNCTION public.note_gone();
\c :source :me
INSERT INTO public.top SELECT i, 100 + i FROM generate_series(1, 60) i;
INSERT INTO public.nulls SELECT i, 101 + i FROM generate_series(1, 30) i;
INSERT INTO public.defaults SELECT i, 101 + i FROM generate_series(1, 30) i;
INSERT INTO public.falls SELECT i, 101 + i FROM generate_series(1, 30) i;
INSERT INTO public.deeper SELECT i, 1 + i % 30 FROM generate_series(1, 60) i;
INSERT INTO public.kept SELECT i, 100 + i FROM generate_series(1, 60) i;
INSERT INTO public.strict SELECT i, 101 + i FROM generate_series(1, 30) i;
INSERT INTO public.follows SELECT i, 101 + i FROM generate_series(1, 30) i;
INSERT INTO public.must SELECT i, 101 + i FROM generate_series(1, 9) i;
INSERT INTO public.tree SELECT i, 100 + i, nullif(100 + i / 2, 100) FROM generate_series(1, 40) i;
INSERT INTO public.pair SELECT i, i, 'b' || i FROM generate_series(1, 10) i;
INSERT INTO public.full_pair SELECT i, i, 'b' || i FROM generate_series(1, 10) i;
INSERT INTO public.half_pair SELECT i, i, 'b' || i FROM generate_series(1, 10) i;
INSERT INTO public.region SELECT i, 1 + i % 2, i FROM generate_series(1, 20) i;
INSERT INTO public.in_region SELECT i, 1 + i % 2, i FROM generate_series(1, 4) i;
INSERT INTO public.near_region SELECT i, 1 + i % 2, i FROM generate_series(1, 10) i;
SELECT dbsync.create_target('keys_target', :'uri');
SELECT dbsync.create_subscription('keys', 'keys_target',
    tables => ARRAY['public.deeper', 'public.falls', 'public.nulls', 'public.defaults', 'public.strict', 'public.follows', 'public.must', 'public.tree', 'public.pair', 'public.full_pair', 'public.half_pair', 'public.region', 'public.in_region', 'public.near_region', 'public.top', 'public.kept'], ddl => 'apply');
\set subscription keys
\i sql/include/same_tree.psql
\c :target regress_dbsync_keys
INSERT INTO public.theirs SELECT i, 101 + i FROM generate_series(1, 30) i;
\c :source :me

-- a row gets another key: its children are in no batch, but for one
UPDATE public.top SET id = 1002, note = 'other key' WHERE id = 2;
UPDATE public.must SET note = 'beside' WHERE code = 102;
\i sql/include/same_tree.psql
UPDATE public.top SET id = id + 1000 WHERE id BETWEEN 3 AND 6;
UPDATE public.tree SET id = id + 1000 WHERE id IN (1, 2, 3);
UPDATE public.pair SET id = id + 1000 WHERE id IN (1, 2);
\i sql/include/same_tree.psql

-- the key of a row that goes, so one that the target has takes the value
BEGIN;
DELETE FROM public.top WHERE id IN (51, 52);
UPDATE public.top SET id = 51 WHERE id = 15;
UPDATE public.top SET id = 52 WHERE id = 16;
UPDATE public.falls SET code = 117 WHERE id = 1;
UPDATE public.nulls SET note = 'in the batch' WHERE code = 115;
INSERT INTO public.nulls VALUES (115, 115), (116, 116);
COMMIT;
\i sql/include/same_tree.psql
BEGIN;
DELETE FROM public.tree WHERE id IN (31, 33);
UPDATE public.tree SET id = 31, above = 108 WHERE id = 5;
UPDATE public.tree SET id = 33 WHERE id = 4;
UPDATE public.tree SET note = 'in the batch' WHERE above = 105;
DELETE FROM public.half_pair WHERE id = 9;
DELETE FROM public.full_pair WHERE id = 9;
DELETE FROM public.pair WHERE id = 9;
UPDATE public.pair SET id = 9 WHERE id = 3;
COMMIT;
\i sql/include/same_tree.psql

-- the value of a row that stays: its children lead to the one that has it now, but for those that followed
BEGIN;
UPDATE public.top SET id = 1020 WHERE id = 20;
INSERT INTO public.top VALUES (20, 2020);
INSERT INTO public.follows VALUES (2020, 2020);
COMMIT;
\i sql/include/same_tree.psql
INSERT INTO public.follows VALUES (35, 135), (36, 136);
INSERT INTO public.must VALUES (35, 135), (36, 136);
\i sql/include/same_tree.psql
BEGIN;
UPDATE public.top SET code = 2035 WHERE id = 35;
INSERT INTO public.top VALUES (2535, 135);
INSERT INTO public.follows VALUES (2135, 135);
INSERT INTO public.must VALUES (2135, 135), (2136, 2035);
UPDATE public.must SET note = 'in the batch' WHERE id = 35;
COMMIT;
\i sql/include/same_tree.psql
BEGIN;
UPDATE public.top SET id = 1036 WHERE id = 36;
INSERT INTO public.top VALUES (36, 2036);
INSERT INTO public.must VALUES (3136, 136);
COMMIT;
\i sql/include/same_tree.psql

-- with no row in the way
BEGIN;
UPDATE public.top SET id = 3000 WHERE id = 26;
DELETE FROM public.top WHERE id = 56;
UPDATE public.top SET id = 56 WHERE id = 3000;
INSERT INTO public.top VALUES (26, 2026);
COMMIT;
\i sql/include/same_tree.psql
\c :target regress_dbsync_keys
SELECT * FROM public.gone ORDER BY 1, 2;
SELECT count(*), sum(code) FROM public.theirs;
\c :source :me

-- one row after the other takes what the last one has left, in either direction
BEGIN;
UPDATE public.top SET code = 9041 WHERE id = 41;
UPDATE public.top SET code = id + 99 WHERE id = 42;
UPDATE public.top SET code = id + 99 WHERE id = 43;
UPDATE public.top SET code = id + 99 WHERE id = 44;
UPDATE public.top SET code = 9050 WHERE id = 50;
UPDATE public.top SET code = id + 101 WHERE id = 49;
UPDATE public.top SET code = id + 101 WHERE id = 48;
UPDATE public.top SET code = id + 101 WHERE id = 47;
INSERT INTO public.nulls VALUES (141, 141), (143, 143), (149, 149);
COMMIT;
\i sql/include/same_tree.psql

-- partitioned, at both ends of the key
UPDATE public.region SET id = id + 1000 WHERE id IN (1, 2, 5);
BEGIN;
DELETE FROM public.region WHERE id IN (16, 17);
UPDATE public.region SET id = 16 WHERE id = 6;
UPDATE public.region SET id = 17 WHERE id = 7;
UPDATE public.near_region SET id = 107 WHERE id = 7;
INSERT INTO public.near_region VALUES (106, 1, 6);
COMMIT;
\i sql/include/same_tree.psql
\c :target regress_dbsync_keys
SELECT tableoid::regclass::text COLLATE "C" AS partition, count(*), sum(code) FROM public.region GROUP BY 1 ORDER BY 1;
SELECT tableoid::regclass::text COLLATE "C" AS partition, count(*), sum(code) FROM public.near_region GROUP BY 1 ORDER BY 1;
\c :source :me
SELECT tableoid::regclass::text COLLATE "C" AS partition, count(*), sum(code) FROM public.region GROUP BY 1 ORDER BY 1;
SELECT tableoid::regclass::text COLLATE "C" AS partition, count(*), sum(code) FROM public.near_region GROUP BY 1 ORDER BY 1;

-- RESTRICT does nothing, and refuses what it would have to do
UPDATE public.kept SET id = 1002 WHERE id = 2;
BEGIN;
UPDATE public.kept SET id = 1003 WHERE id = 3;
INSERT INTO public.kept VALUES (3, 2003);
DELETE FROM public.kept WHERE id = 50;
UPDATE public.kept SET id = 50 WHERE id = 4;
INSERT INTO public.strict VALUES (51, 104);
COMMIT;
\i sql/include/same_tree.psql

-- in a batch in which the table changes
BEGIN;
UPDATE public.top SET id = 1008, note = repeat('long', 10) WHERE id = 8;
UPDATE public.top SET note = 'other' WHERE id = 9;
ALTER TABLE public.top ADD later int;
UPDATE public.top SET later = 1 WHERE id = 1008;
UPDATE public.top SET id = 1009 WHERE id = 9;
COMMIT;
\i sql/include/same_tree.psql

-- what may not be null cannot be set aside, and nothing is lost
BEGIN;
DELETE FROM public.top WHERE id = 57;
UPDATE public.top SET id = 57 WHERE id = 7;
COMMIT;
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT dbsync.run_once('keys') >= 0 AS sent;
\c :target regress_dbsync_keys
SELECT id, code FROM public.top WHERE id IN (7, 57) ORDER BY 1;
SELECT * FROM public.must WHERE code = 107;
ALTER TABLE public.must DROP CONSTRAINT must_code_fkey, ADD FOREIGN KEY (code) REFERENCES public.top (code);
-- nor may what dbsync cannot write there
CREATE TABLE public.foreign_rows (code int REFERENCES public.top (code) ON DELETE CASCADE);
INSERT INTO public.foreign_rows VALUES (107);
\c :source :me
SELECT dbsync.run_once('keys') >= 0 AS sent;
\c :target :me
ALTER TABLE public.foreign_rows ADD PRIMARY KEY (code);
ALTER TABLE public.foreign_rows OWNER TO :me;
\c :source :me
SELECT dbsync.run_once('keys') >= 0 AS sent;
\c :target :me
DROP TABLE public.foreign_rows;
\c :source :me
\i sql/include/same_tree.psql
\c :target regress_dbsync_keys
SELECT * FROM public.gone ORDER BY 1, 2;
SELECT count(*), sum(code) FROM public.theirs;
\c :source :me

SELECT dbsync.drop_subscription('keys');
SELECT dbsync.drop_target('keys_target');
DROP TABLE public.nulls, public.defaults, public.deeper, public.falls, public.strict, public.follows, public.must, public.tree, public.full_pair, public.half_pair, public.pair, public.in_region, public.near_region, public.region, public.top, public.kept;
DROP DATABASE :target;
DROP ROLE regress_dbsync_keys;

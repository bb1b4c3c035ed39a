-- Foreign keys that the target checks, and what they do there: the same as at the source, or nothing.
\set QUIET on
\i sql/include/foreign_keys.psql
\set ddl 'CREATE TABLE public.top (id int PRIMARY KEY, code int UNIQUE, note text); CREATE TABLE public.falls (id int PRIMARY KEY, top int NOT NULL REFERENCES public.top ON DELETE CASCADE ON UPDATE CASCADE, note text); CREATE TABLE public.deeper (id int PRIMARY KEY, falls int REFERENCES public.falls ON DELETE CASCADE); CREATE TABLE public.stays (id int PRIMARY KEY, top int REFERENCES public.top ON DELETE SET NULL, note text); CREATE TABLE public.backs (id int PRIMARY KEY, top int DEFAULT 1 REFERENCES public.top ON DELETE SET DEFAULT); CREATE TABLE public.coded (id int PRIMARY KEY, code int REFERENCES public.top (code) ON UPDATE CASCADE); CREATE TABLE public.strict (id int PRIMARY KEY, code int REFERENCES public.top (code) ON UPDATE RESTRICT ON DELETE RESTRICT);'
:ddl
\c :target regress_dbsync_keys
:ddl
-- how often a row of a child was deleted there, by whomever
CREATE TABLE public.gone (tab text, id int);
CREATE FUNCTION public.note_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.gone VALUES (TG_TABLE_NAME, OLD.id);
    RETURN NULL;
END $$;
CREATE TRIGGER note_gone AFTER DELETE ON public.falls FOR EACH ROW EXECUTE FUNCTION public.note_gone();
CREATE TRIGGER note_gone AFTER DELETE ON public.stays FOR EACH ROW EXECUTE FUNCTION public.note_gone();
\c :source :me
INSERT INTO public.top SELECT i, 100 + i FROM generate_series(1, 20) i;
INSERT INTO public.falls SELECT i, 1 + i % 20 FROM generate_series(1, 40) i;
INSERT INTO public.deeper SELECT i, 1 + i % 40 FROM generate_series(1, 80) i;
INSERT INTO public.stays SELECT i, 1 + i % 20 FROM generate_series(1, 40) i;
INSERT INTO public.backs SELECT i, 1 + i % 20 FROM generate_series(1, 40) i;
INSERT INTO public.coded SELECT i, 101 + i % 20 FROM generate_series(1, 40) i;
INSERT INTO public.strict SELECT i, 116 + i % 3 FROM generate_series(1, 6) i;
SELECT dbsync.create_target('keys_target', :'uri');
SELECT dbsync.create_subscription('keys', 'keys_target',
    tables => ARRAY['public.deeper', 'public.falls', 'public.stays', 'public.backs', 'public.coded', 'public.strict', 'public.top']);
\set subscription keys
\i sql/include/same_tree.psql

-- what the source's keys do is captured, and done before the target's could
UPDATE public.coded SET code = NULL WHERE code IN (103, 104);
DELETE FROM public.top WHERE id IN (3, 4);
\i sql/include/same_tree.psql
\c :target regress_dbsync_keys
SELECT tab, count(*) FROM public.gone GROUP BY 1 ORDER BY 1;
TRUNCATE public.gone;
\c :source :me

-- a child that has left its parent before that goes stays what it is
BEGIN;
UPDATE public.falls SET top = 6 WHERE top = 5;
UPDATE public.stays SET top = 6, note = 'moved' WHERE top = 5;
UPDATE public.coded SET code = 106 WHERE code = 105;
DELETE FROM public.top WHERE id = 5;
UPDATE public.stays SET top = 7 WHERE top IS NULL;
COMMIT;
\i sql/include/same_tree.psql
\c :target regress_dbsync_keys
SELECT * FROM public.gone;
\c :source :me

-- and one that comes back under the same key was never gone
BEGIN;
DELETE FROM public.falls WHERE top = 6;
UPDATE public.stays SET top = NULL WHERE top = 6;
UPDATE public.backs SET top = 2 WHERE top = 6;
UPDATE public.coded SET code = NULL WHERE code = 106;
DELETE FROM public.top WHERE id = 6;
INSERT INTO public.top VALUES (6, 106, 'again');
INSERT INTO public.falls SELECT i, 6 FROM generate_series(4, 5) i;
UPDATE public.stays SET top = 6 WHERE top IS NULL;
COMMIT;
\i sql/include/same_tree.psql
\c :target regress_dbsync_keys
SELECT * FROM public.gone WHERE (tab, id) IN (VALUES ('falls', 4), ('falls', 5)) OR tab = 'stays';
\c :source :me

-- keys that change: with what follows them, and where nothing does
UPDATE public.stays SET top = 9 WHERE top = 7;
UPDATE public.backs SET top = 9 WHERE top = 7;
UPDATE public.top SET id = 200 WHERE id = 7;
UPDATE public.top SET code = 208 WHERE id = 8;
BEGIN;
UPDATE public.strict SET code = NULL WHERE code = 116;
UPDATE public.coded SET code = NULL WHERE code = 116;
UPDATE public.top SET code = 216 WHERE code = 116;
UPDATE public.strict SET code = 216 WHERE id IN (3, 6);
UPDATE public.coded SET code = 216 WHERE id = 15;
COMMIT;
\i sql/include/same_tree.psql

-- many at once
UPDATE public.top SET code = code + 1000 WHERE id BETWEEN 9 AND 14;
UPDATE public.coded SET code = NULL WHERE code NOT BETWEEN 116 AND 120 AND code < 1000;
DELETE FROM public.top WHERE id IN (2, 200, 8);
\i sql/include/same_tree.psql

SELECT dbsync.drop_subscription('keys');
SELECT dbsync.drop_target('keys_target');
DROP TABLE public.deeper, public.falls, public.stays, public.backs, public.coded, public.strict, public.top;
DROP DATABASE :target;
DROP ROLE regress_dbsync_keys;

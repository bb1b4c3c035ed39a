-- Rows whose large values were not captured, because an UPDATE left them untouched:
-- whatever was done to them, both ends are the same.
\set QUIET on
\i sql/include/target.psql
\pset format unaligned
\pset tuples_only on

CREATE TABLE public.doc (id int PRIMARY KEY, n int, a text, u int UNIQUE, b text);
CREATE TABLE public.texty (id text PRIMARY KEY, n money, d xml, e text);
-- out of line, and not made small
ALTER TABLE public.doc ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL;
ALTER TABLE public.texty ALTER d SET STORAGE EXTERNAL, ALTER e SET STORAGE EXTERNAL, ALTER id SET STORAGE EXTERNAL;
CREATE FUNCTION public.long(seed text) RETURNS text LANGUAGE sql AS $$ SELECT repeat(md5(seed), 300) $$;
\c :target
CREATE DOMAIN public.words AS text CHECK (VALUE <> 'never');
CREATE TABLE public.doc (b text, u int UNIQUE, n int, id int PRIMARY KEY, a public.words);
CREATE TABLE public.texty (id text PRIMARY KEY, n money, d xml, e text);
ALTER TABLE public.doc ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL;
CREATE VIEW public.short AS SELECT id, n, u, left(md5(a), 6) AS a, length(a), left(md5(b), 6) AS b FROM public.doc;
\c :source
CREATE VIEW public.short AS SELECT id, n, u, left(md5(a), 6) AS a, length(a), left(md5(b), 6) AS b FROM public.doc;
INSERT INTO public.doc SELECT i, i, long('a' || i), i, CASE WHEN i % 2 = 0 THEN long('b' || i) END FROM generate_series(1, 6) i;
SELECT dbsync.create_target('road_target', :'uri') \g /dev/null
SELECT dbsync.create_subscription('road', 'road_target', tables => ARRAY['public.doc', 'public.texty']) \g /dev/null
SELECT dbsync.run_once('road');


-- one row and many; neither the segments nor the target write a document
UPDATE public.doc SET n = n + 1 WHERE id = 1;
\i sql/include/same.psql
UPDATE public.doc SET n = n + 1;
\i sql/include/same.psql
INSERT INTO public.doc SELECT i, i, long('a' || i), i, CASE WHEN i % 2 = 0 THEN long('b' || i) END FROM generate_series(1000, 1999) i;
\i sql/include/same.psql
\c :target
SELECT pg_relation_size(reltoastrelid) AS before FROM pg_class WHERE oid = 'public.doc'::regclass \gset
\c :source
SELECT sum(pg_relation_size(c.reltoastrelid)) AS captured FROM pg_class c
WHERE c.oid IN (SELECT s.relid FROM dbsync.segment s JOIN dbsync.captured_table t ON t.id = s.captured_id WHERE t.relid = 'public.doc'::regclass) \gset
UPDATE public.doc SET n = n + 1;
\i sql/include/same.psql
DO $$ BEGIN
    FOR i IN 1000..1100 LOOP
        UPDATE public.doc SET n = -n WHERE id = i;
        COMMIT;
    END LOOP;
END $$;
\i sql/include/same.psql
\c :target
SELECT pg_relation_size(reltoastrelid) - :before AS written FROM pg_class WHERE oid = 'public.doc'::regclass;
\c :source
SELECT sum(pg_relation_size(c.reltoastrelid)) - :captured AS captured FROM pg_class c
WHERE c.oid IN (SELECT s.relid FROM dbsync.segment s JOIN dbsync.captured_table t ON t.id = s.captured_id WHERE t.relid = 'public.doc'::regclass);

-- what was written last in a window counts, column by column
UPDATE public.doc SET a = long('new') WHERE id = 1;
UPDATE public.doc SET n = 50 WHERE id = 1;
UPDATE public.doc SET n = 60 WHERE id = 2;
UPDATE public.doc SET a = long('other') WHERE id = 2;
BEGIN;
UPDATE public.doc SET b = NULL WHERE id = 4;
UPDATE public.doc SET n = 61 WHERE id = 4;
UPDATE public.doc SET a = 'short' WHERE id = 3;
UPDATE public.doc SET n = 62 WHERE id = 3;
SAVEPOINT s;
UPDATE public.doc SET a = long('gone') WHERE id = 5;
ROLLBACK TO s;
UPDATE public.doc SET n = 63 WHERE id = 5;
COMMIT;
\i sql/include/same.psql
-- deleted and inserted again; a key that changes takes its documents along
DELETE FROM public.doc WHERE id = 1;
INSERT INTO public.doc VALUES (1, 1, long('again'), 1, long('b'));
UPDATE public.doc SET n = 70 WHERE id = 1;
UPDATE public.doc SET n = 71 WHERE id = 2;
DELETE FROM public.doc WHERE id = 2;
UPDATE public.doc SET n = 72 WHERE id = 4;
UPDATE public.doc SET id = 40 WHERE id = 4;
UPDATE public.doc SET n = 73 WHERE id = 40;
INSERT INTO public.doc VALUES (5, 74, '', 0, ''), (7, 7, long('seven'), 7, NULL) ON CONFLICT (id) DO UPDATE SET n = EXCLUDED.n;
UPDATE public.doc SET n = 75 WHERE id IN (5, 7);
\i sql/include/same.psql
-- the same with many rows, so that they go through a stage
UPDATE public.doc SET n = n + 1;
UPDATE public.doc SET a = a || '!' WHERE id % 5 = 0;
UPDATE public.doc SET b = NULL, n = 0 WHERE id % 7 = 0;
DELETE FROM public.doc WHERE id % 11 = 0;
INSERT INTO public.doc SELECT i, 0, long('c' || i), i, NULL FROM generate_series(1001, 1999, 11) i ON CONFLICT (id) DO UPDATE SET n = 1;
UPDATE public.doc SET n = n + 1 WHERE id % 2 = 0;
\i sql/include/same.psql
-- a trigger that writes to the same rows
CREATE FUNCTION public.nest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.n < 1000 THEN
        UPDATE public.doc SET n = 1000, b = long('t') WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER nest AFTER UPDATE ON public.doc FOR EACH ROW EXECUTE FUNCTION public.nest();
UPDATE public.doc SET n = 10 WHERE id < 10;
DROP TRIGGER nest ON public.doc;
\i sql/include/same.psql

-- rows that are not there, one and many: they are sent whole
\c :target
DELETE FROM public.doc WHERE id = 1;
\c :source
UPDATE public.doc SET n = 80 WHERE id IN (1, 3);
\i sql/include/same.psql
\c :target
DELETE FROM public.doc WHERE id % 3 = 0;
\c :source
UPDATE public.doc SET n = n + 1;
UPDATE public.doc SET n = n + 1 WHERE id > 1000;
\i sql/include/same.psql
-- gone there, and here as well before it is sent: one cut is of one origin
\c :target
DELETE FROM public.doc WHERE id IN (5, 6);
\c :source
UPDATE public.doc SET n = 81 WHERE id = 5;
SET dbsync.origin = '4711/1';
DELETE FROM public.doc WHERE id = 5;
UPDATE public.doc SET a = long('later') WHERE id = 6;
RESET dbsync.origin;
UPDATE public.doc SET n = 82 WHERE id = 6;
\i sql/include/same.psql
-- two rows swap what is unique: deleted first, so they must be whole
UPDATE public.doc SET u = -u WHERE id IN (1, 3);
UPDATE public.doc SET u = 3 WHERE id = 1;
UPDATE public.doc SET u = 1 WHERE id = 3;
\i sql/include/same.psql
UPDATE public.doc SET u = -u;
UPDATE public.doc SET u = 3000 + u;
\i sql/include/same.psql
BEGIN;
UPDATE public.doc SET n = 1 WHERE id = 1;
TRUNCATE public.doc;
INSERT INTO public.doc VALUES (1, 1, long('t'), 1, long('t'));
UPDATE public.doc SET n = 2;
COMMIT;
\i sql/include/same.psql

-- anything, in any order, a few times over; in the end there are fifty rows
CREATE PROCEDURE public.shake(rounds int) LANGUAGE plpgsql AS $$
DECLARE
    docs text[] := '{NULL,short,long(random()::text),a,b}';
    doc text;
    rows text;
BEGIN
    FOR i IN 1..rounds LOOP
        doc := docs[1 + floor(random() * 5)];
        doc := coalesce(CASE doc WHEN 'short' THEN '''short''' ELSE doc END, 'NULL');
        rows := CASE WHEN random() < 0.1 THEN 'id > 0' ELSE format('id = %s', 1 + floor(random() * 50)) END;
        EXECUTE CASE floor(random() * 8)
            WHEN 0 THEN 'DELETE FROM public.doc WHERE ' || rows
            WHEN 1 THEN format('UPDATE public.doc SET a = %s WHERE %s', doc, rows)
            WHEN 2 THEN format('UPDATE public.doc SET b = %s, n = -n WHERE %s', doc, rows)
            WHEN 3 THEN format('UPDATE public.doc SET id = id + %s WHERE %s', 1000 * i, rows)
            WHEN 4 THEN 'UPDATE public.doc SET id = id % 1000 WHERE id = (SELECT max(d.id) FROM public.doc d WHERE d.id % 1000 NOT IN (SELECT e.id FROM public.doc e))'
            WHEN 5 THEN 'INSERT INTO public.doc SELECT i, 0, long(i::text), NULL, long(random()::text) FROM generate_series(1, 50) i ON CONFLICT (id) DO UPDATE SET n = doc.n + 1'
            ELSE 'UPDATE public.doc SET n = n + 1 WHERE ' || rows END;
        IF random() < 0.1 THEN ROLLBACK; ELSIF random() < 0.5 THEN COMMIT; END IF;
    END LOOP;
    DELETE FROM public.doc WHERE id > 50;
    INSERT INTO public.doc SELECT i, 0, NULL, NULL, NULL FROM generate_series(1, 50) i ON CONFLICT (id) DO UPDATE SET n = 0;
END $$;
SELECT setseed(0.27) \g /dev/null
CALL public.shake(100);
\i sql/include/same.psql
SELECT setseed(0.72) \g /dev/null
CALL public.shake(20);
\i sql/include/same.psql
SELECT setseed(-0.5) \g /dev/null
CALL public.shake(300);
\c :target
DELETE FROM public.doc WHERE id % 3 = 0;
\c :source
\i sql/include/same.psql

-- a target that takes no upsert gets whole rows at once
INSERT INTO public.doc SELECT i, i, long('a' || i), i, long('b' || i) FROM generate_series(100, 500) i;
\i sql/include/same.psql
\c :target
ALTER TABLE public.doc DROP CONSTRAINT doc_pkey, ADD PRIMARY KEY (id) DEFERRABLE;
\c :source
UPDATE public.doc SET n = -1 WHERE id < 103;
\i sql/include/same.psql
UPDATE public.doc SET n = -2;
UPDATE public.doc SET n = -3 WHERE id < 105;
\i sql/include/same.psql
-- text, not binary; keys as large as they can be; values that need care
DROP VIEW public.short;
CREATE VIEW public.short AS SELECT id, n, md5(d::text) AS d, md5(e) AS e FROM public.texty;
\c :target
DROP VIEW public.short;
CREATE VIEW public.short AS SELECT id, n, md5(d::text) AS d, md5(e) AS e FROM public.texty;
\c :source
INSERT INTO public.texty SELECT repeat('k', 2100) || i, i, ('<a>' || long('x') || '</a>')::xml, long(E'\t\\' || i) || E'\n' FROM generate_series(1, 300) i;
\i sql/include/same.psql
UPDATE public.texty SET n = n + 1::money;
\i sql/include/same.psql
UPDATE public.texty SET n = 0::money, d = NULL WHERE id LIKE '%7';
UPDATE public.texty SET e = E'\t' WHERE id LIKE '%7';
UPDATE public.texty SET n = 5::money WHERE id LIKE '%7' OR id LIKE '%8';
\i sql/include/same.psql
-- nothing but the documents are not in the key, and none is touched
UPDATE public.texty SET e = e, d = d WHERE id LIKE '%6';
\i sql/include/same.psql

-- more sets of columns than there are prepared statements for
CREATE TABLE public.many (id int PRIMARY KEY, n int, a text, b text, c text, d text, e text, f text);
DO $$ BEGIN
    FOR i IN 0..5 LOOP
        EXECUTE format('ALTER TABLE public.many ALTER %I SET STORAGE EXTERNAL', chr(97 + i));
    END LOOP;
END $$;
\c :target
CREATE TABLE public.many (id int PRIMARY KEY, n int, a text, b text, c text, d text, e text, f text);
DROP VIEW public.short;
CREATE VIEW public.short AS SELECT id, n, md5(m::text) AS m FROM public.many m;
\c :source
DROP VIEW public.short;
CREATE VIEW public.short AS SELECT id, n, md5(m::text) AS m FROM public.many m;
SELECT dbsync.add_table('road', 'public.many') \g /dev/null
INSERT INTO public.many SELECT i, i, long('a'), long('b'), long('c'), long('d'), long('e'), long('f') FROM generate_series(0, 63) i;
\i sql/include/same.psql
UPDATE public.many SET n = -1, a = CASE WHEN id & 1 = 0 THEN a END, b = CASE WHEN id & 2 = 0 THEN b ELSE 'b' END,
    c = CASE WHEN id & 4 = 0 THEN c ELSE long('C') END, d = CASE WHEN id & 8 = 0 THEN d ELSE 'd' END,
    e = CASE WHEN id & 16 = 0 THEN e ELSE 'e' END, f = CASE WHEN id & 32 = 0 THEN f ELSE 'f' END;
\i sql/include/same.psql
UPDATE public.many SET n = -2;
\i sql/include/same.psql

-- a table that is not copied: the target has none of its rows
\c :target
DROP VIEW public.short;
CREATE VIEW public.short AS SELECT id, n, md5(m::text) AS m FROM public.many m WHERE id < 32;
\c :source
DROP VIEW public.short;
CREATE VIEW public.short AS SELECT id, n, md5(m::text) AS m FROM public.many m WHERE id < 32;
SELECT dbsync.remove_table('road', 'public.many') \g /dev/null
\c :target
TRUNCATE public.many;
\c :source
SELECT dbsync.add_table('road', 'public.many', copy_data => false) \g /dev/null
SELECT dbsync.run_once('road') >= 0 AS went;
UPDATE public.many SET n = -3 WHERE id < 32;
\i sql/include/same.psql
SELECT DISTINCT op, "row" ? 'n' AS n, "row" ? 'c' AS c FROM dbsync.changes('public.many');

SELECT dbsync.drop_subscription('road');
SELECT dbsync.drop_target('road_target');
DROP VIEW public.short;
DROP TABLE public.doc, public.texty, public.many;
DROP PROCEDURE public.shake(int);
DROP FUNCTION public.nest(), public.long(text);
DROP DATABASE :target;

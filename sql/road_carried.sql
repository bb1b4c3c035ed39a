-- Many short transactions whose rows lie with their headers, in segments, or some
-- here and some there, on few keys: folded, they arrive as they are.
\set QUIET on
\i sql/include/target.psql
\pset format unaligned
\pset tuples_only on
\set subscription carried
CREATE TABLE public.pair (v int, name text, no int, PRIMARY KEY (no, name));
CREATE TABLE public.number (k numeric PRIMARY KEY, v text);
CREATE TABLE public.doc (id int PRIMARY KEY, n int, body text);
ALTER TABLE public.doc ALTER body SET STORAGE EXTERNAL;
CREATE VIEW public.state AS
    SELECT 'pair', count(*), md5(string_agg(p::text, ',' ORDER BY p::text)) FROM public.pair p
    UNION ALL SELECT 'number', count(*), md5(string_agg(n::text, ',' ORDER BY n::text)) FROM public.number n
    UNION ALL SELECT 'doc', count(*), md5(string_agg(d::text, ',' ORDER BY d::text)) FROM public.doc d;
\c :target
CREATE TABLE public.pair (v int, name text, no int, PRIMARY KEY (no, name));
CREATE TABLE public.number (k numeric PRIMARY KEY, v text);
CREATE TABLE public.doc (id int PRIMARY KEY, n int, body text);
CREATE VIEW public.state AS
    SELECT 'pair', count(*), md5(string_agg(p::text, ',' ORDER BY p::text)) FROM public.pair p
    UNION ALL SELECT 'number', count(*), md5(string_agg(n::text, ',' ORDER BY n::text)) FROM public.number n
    UNION ALL SELECT 'doc', count(*), md5(string_agg(d::text, ',' ORDER BY d::text)) FROM public.doc d;
\c :source
SELECT dbsync.create_target('carried_target', :'uri') \g /dev/null
SELECT dbsync.create_subscription('carried', 'carried_target', tables => ARRAY['public.pair', 'public.number', 'public.doc']) \g /dev/null
SELECT dbsync.run_once('carried') \g /dev/null

-- one change, of a key that is taken or free
CREATE PROCEDURE public.change(kinds int) LANGUAGE plpgsql AS $$
DECLARE
    a_key int := 1 + floor(random() * 9);
    a_name text := (ARRAY['a', 'B', 'b', 'Ä', 'z z', ''])[1 + floor(random() * 6)];
    a_number numeric := (ARRAY[1, 1.0, 2.50, 2.5, 1e20, -3])[1 + floor(random() * 6)];
BEGIN
    CASE floor(random() * kinds)
        WHEN 0 THEN INSERT INTO public.pair VALUES (a_key, a_name, a_key % 3) ON CONFLICT (no, name) DO UPDATE SET v = pair.v + 1;
        WHEN 1 THEN UPDATE public.pair SET v = v + 10 WHERE pair.name = a_name;
        WHEN 2 THEN DELETE FROM public.pair WHERE pair.name = a_name AND no = a_key % 3;
        WHEN 3 THEN UPDATE public.pair SET no = no + 3 WHERE pair.name = a_name AND no = a_key % 3
                    AND NOT EXISTS (SELECT FROM public.pair p WHERE p.name = a_name AND p.no = a_key % 3 + 3);
        WHEN 4 THEN INSERT INTO public.number VALUES (a_number, a_key) ON CONFLICT (k) DO UPDATE SET k = excluded.k, v = excluded.v || number.v;
        WHEN 5 THEN DELETE FROM public.number n WHERE n.k = a_number AND a_key < 4;
        WHEN 6 THEN INSERT INTO public.doc VALUES (a_key, 1, CASE WHEN a_key > 2 THEN repeat(md5(random()::text), 100) END) ON CONFLICT (id) DO UPDATE SET n = doc.n + 1;
        WHEN 7 THEN DELETE FROM public.doc WHERE id = a_key;
        WHEN 8 THEN UPDATE public.doc SET body = body || 'x', n = n + 1 WHERE id < a_key;
        ELSE IF random() < 0.2 THEN TRUNCATE public.number; ELSE UPDATE public.number SET v = left(v || '!', 20); END IF;
    END CASE;
END $$;
CREATE PROCEDURE public.change_much(transactions int, carry int[], kinds int) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..transactions LOOP
        PERFORM set_config('dbsync.carry_bytes', carry[1 + i % cardinality(carry)]::text, false);
        CALL public.change(kinds);
        IF random() < 0.3 THEN
            CALL public.change(kinds);
        END IF;
        COMMIT;
    END LOOP;
END $$;
SELECT setseed(0.3);

-- with the headers
CALL public.change_much(500, '{1500}', 6);
\i sql/include/same_state.psql
SELECT setseed(0.4);

-- in segments
CALL public.change_much(500, '{0}', 6);
\i sql/include/same_state.psql
SELECT setseed(0.5);

-- both, with documents that are left untouched, and TRUNCATE
CALL public.change_much(500, '{1500, 0, 60, 1500}', 10);
\i sql/include/same_state.psql
SELECT setseed(0.6);

-- with the headers, all of it
CALL public.change_much(500, '{1500}', 10);
\i sql/include/same_state.psql
SELECT setseed(0.7);

-- in several cuts of 1000 rows and more
ALTER DATABASE :source SET dbsync.batch_rows = 20000;
CALL public.change_much(3000, '{1500, 300}', 10);
\i sql/include/same_state.psql
SELECT setseed(0.8);
-- a table that nobody wants any more: its rows are passed over
CALL public.change_much(100, '{1500, 0}', 10);
SELECT dbsync.remove_table('carried', 'public.number') \g /dev/null
CALL public.change_much(100, '{1500, 0}', 10);
CREATE OR REPLACE VIEW public.state AS SELECT 'pair', count(*), md5(string_agg(p::text, ',' ORDER BY p::text)) FROM public.pair p
    UNION ALL SELECT 'doc', count(*), md5(string_agg(d::text, ',' ORDER BY d::text)) FROM public.doc d;
\c :target
CREATE OR REPLACE VIEW public.state AS SELECT 'pair', count(*), md5(string_agg(p::text, ',' ORDER BY p::text)) FROM public.pair p
    UNION ALL SELECT 'doc', count(*), md5(string_agg(d::text, ',' ORDER BY d::text)) FROM public.doc d;
\c :source
\i sql/include/same_state.psql
SELECT setseed(0.9);
-- and one that is added again
SELECT dbsync.add_table('carried', 'public.number', existing_rows => 'truncate') \g /dev/null
CALL public.change_much(100, '{1500, 0}', 10);
\i sql/include/same_state.psql
SELECT count(*) > 0 FROM public.number;

ALTER DATABASE :source RESET dbsync.batch_rows;
SELECT dbsync.drop_subscription('carried') \g /dev/null
SELECT dbsync.drop_target('carried_target') \g /dev/null
DROP PROCEDURE public.change, public.change_much;
DROP VIEW public.state;
DROP TABLE public.pair, public.number, public.doc;
DROP DATABASE :target;

-- Rows are copied into the segment in one piece where that is possible, and
-- value by value where it is not: every shape of table, one row and many rows.
\set ECHO none
\i sql/include/capture.sql
\set ECHO all
\pset format unaligned
\pset tuples_only on

-- Writes single rows and many rows of every kind, then compares.
CREATE FUNCTION exercise(rel regclass, make text, change text, part text DEFAULT 'true')
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM capture_test.begin(rel);
    FOR i IN 1..5 LOOP
        EXECUTE format('INSERT INTO %s %s', rel, replace(make, '$', format('generate_series(%s, %s)', i, i)));
        EXECUTE format('UPDATE %s SET %s WHERE %s', rel, change, part);
    END LOOP;
    EXECUTE format('INSERT INTO %s %s', rel, replace(make, '$', 'generate_series(100, 400)'));
    EXECUTE format('UPDATE %s SET %s', rel, change);
    EXECUTE format('DELETE FROM %s t WHERE ctid = (SELECT min(ctid) FROM %1$s)', rel);
    EXECUTE format('DELETE FROM %s t WHERE hashtext(t::text) %% 3 = 0', rel);
END $$;

-- fixed widths, every alignment first
CREATE TABLE f_bool (b bool, id int PRIMARY KEY, c "char", s smallint, l bigint, d double precision);
SELECT exercise('f_bool', 'SELECT i % 2 = 0, i, ''x'', i, i, i FROM $ i', 'l = l + 1');
CREATE TABLE f_char (c "char", id bigint PRIMARY KEY, u uuid, n name, cid cid, t tid);
SELECT exercise('f_char', 'SELECT ''a'', i, gen_random_uuid(), ''n'' || i, ''7'', ''(1,2)'' FROM $ i', 'n = n || ''!''');
CREATE TABLE f_bpchar (c char(1), k char(3) PRIMARY KEY, v varchar(5));
SELECT exercise('f_bpchar', 'SELECT ''x'', i, i FROM $ i', 'c = ''y''');
CREATE TABLE f_small (s smallint PRIMARY KEY, b bool);
SELECT exercise('f_small', 'SELECT i, i % 5 = 0 FROM $ i', 'b = NOT b');

-- the key first and in front, in any order; partly behind; of any width
CREATE TABLE f_keys (a smallint, b bigint, c "char", v text, PRIMARY KEY (c, a, b));
SELECT exercise('f_keys', 'SELECT i, i, chr(60 + i % 10), repeat(''v'', i) FROM $ i', 'v = v || ''w''');
SELECT bool_and(data ->> 'v' IS NULL AND data ->> 'b' IS NOT NULL) FROM capture_test.rows('f_keys') WHERE op = 'D';
UPDATE f_keys SET b = b + 1000 WHERE a % 2 = 0;
UPDATE f_keys SET a = -a, b = b WHERE a = (SELECT min(a) FROM f_keys);
CREATE TABLE f_gap (a int, v int, b int, PRIMARY KEY (a, b));
SELECT exercise('f_gap', 'SELECT i, nullif(i % 3, 0), i FROM $ i', 'v = 1');
CREATE TABLE f_text (k text PRIMARY KEY, v int);
SELECT exercise('f_text', 'SELECT repeat(i::text, i % 50 + 1), i FROM $ i', 'v = v + 1');
CREATE TABLE f_numeric (k numeric PRIMARY KEY, v int);
SELECT exercise('f_numeric', 'SELECT i / 10.0, i FROM $ i', 'k = k * 1.000');
CREATE TABLE f_only (a int, b int, PRIMARY KEY (b, a));
SELECT exercise('f_only', 'SELECT i, -i FROM $ i', 'a = a + 1');
-- a key of more columns than a byte has bits
CREATE TABLE f_nine (a int, b int, c int, d int, e int, f int, g int, h int, i int, v text, PRIMARY KEY (a, b, c, d, e, f, g, h, i));
SELECT exercise('f_nine', 'SELECT i, i, i, i, i, i, i, i, i, i FROM $ i', 'v = v || 1');

-- nulls in every place, also where they cross a byte
CREATE FUNCTION nulls(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    types text[] := '{text,bool,bigint,numeric,"\"char\"",int}';
    columns text;
    vals text;
BEGIN
    SELECT string_agg(format('c%s %s', c, types[c % 6 + 1]), ', '),
        string_agg(format('CASE WHEN i %% %s <> %s THEN %s END', n, c % n,
            CASE c % 6 WHEN 0 THEN $s$repeat('t', i % 9)$s$ WHEN 1 THEN 'i % 2 = 0' WHEN 4 THEN $s$'c'::"char"$s$ ELSE 'i' END), ', ')
    INTO columns, vals FROM generate_series(2, n) c;
    EXECUTE format('CREATE TABLE f_nulls%s (id int PRIMARY KEY, %s)', n, columns);
    PERFORM exercise(('f_nulls' || n)::regclass, 'SELECT i, ' || vals || ' FROM $ i',
                     format('c%s = CASE WHEN id %% 2 = 0 THEN c%1$s END', n));
END $$;
SELECT nulls(n) FROM unnest('{2,5,6,8,13,14,64,70}'::int[]) n;
-- nothing but nulls before a key that is last
CREATE TABLE f_late (a text, b int, c bool, d text, e text, id int PRIMARY KEY);
SELECT exercise('f_late', 'SELECT NULL, NULL, NULL, NULL, NULL, i FROM $ i', 'c = NOT coalesce(c, true)');

-- columns dropped and generated; rows older than a column
CREATE TABLE f_dropped (id int PRIMARY KEY, gone text, v int, gone2 bigint);
ALTER TABLE f_dropped DROP gone, DROP gone2;
SELECT exercise('f_dropped', 'SELECT i, i FROM $ i', 'v = v + 1');
CREATE TABLE f_generated (id int PRIMARY KEY, v int, g int GENERATED ALWAYS AS (v * 2) STORED, w text);
SELECT exercise('f_generated', '(id, v, w) SELECT i, i, ''w'' FROM $ i', 'v = v + 1');
CREATE TABLE f_fast (id int PRIMARY KEY, v int);
INSERT INTO f_fast SELECT -i, i FROM generate_series(1, 50) i;
ALTER TABLE f_fast ADD a text DEFAULT 'fast', ADD b int, ADD c bool DEFAULT true;
SELECT exercise('f_fast', 'SELECT i, i FROM $ i', 'v = v + 1');

-- domains, arrays, composites, enums
CREATE DOMAIN word AS text CHECK (VALUE <> '');
CREATE DOMAIN words AS word[];
CREATE TYPE item AS (n int, w word, at timestamptz);
CREATE TYPE colour AS ENUM ('red', 'blue');
CREATE TABLE f_types (w word, id int PRIMARY KEY, ws words, i item, ia item[], c colour, r int4range, m int[]);
SELECT exercise('f_types', 'SELECT ''w'' || i, i, ARRAY[''a'', ''b'' || i]::word[], (i, ''x'', now())::item,
    ARRAY[(i, NULL, NULL)::item], ''blue'', int4range(i, i + 2), array_fill(i, ARRAY[i % 20]) FROM $ i', 'c = ''red''');

-- short headers, compressed, out of line, and never packed
CREATE TABLE f_long (id int PRIMARY KEY, small text, medium text, large text, plain text, outside text, j jsonb);
ALTER TABLE f_long ALTER plain SET STORAGE PLAIN, ALTER outside SET STORAGE EXTERNAL, ALTER medium SET STORAGE MAIN;
SELECT exercise('f_long', 'SELECT i, i, repeat(i::text, 300), (SELECT string_agg(md5((i * g)::text), '''') FROM generate_series(1, i % 7 * 100) g),
    i, repeat(''o'', i * 20), jsonb_build_object(''k'', repeat(''j'', i * 10)) FROM $ i', 'small = small || 1');
UPDATE f_long SET outside = outside || 'x' WHERE id % 2 = 0;
UPDATE f_long SET id = -id;
-- rows larger than a batch, still in memory when they are captured
CREATE TABLE f_huge (id int PRIMARY KEY, v text);
SELECT exercise('f_huge', 'SELECT i, CASE WHEN i % 50 = 0 THEN repeat(''huge'', 50000) ELSE repeat(''v'', i * 5) END FROM $ i', 'v = v || ''!''');

SELECT relid::regclass, capture_test.verdict(relid) FROM dbsync.captured_table
WHERE relid IN (SELECT oid FROM pg_class WHERE relnamespace = 'capture_test'::regnamespace) ORDER BY id;
SET client_min_messages = error;
DO $$
DECLARE
    rel regclass;
BEGIN
    FOR rel IN SELECT relid FROM dbsync.captured_table
               WHERE relid IN (SELECT oid FROM pg_class WHERE relnamespace = 'capture_test'::regnamespace) LOOP
        PERFORM capture_test.end(rel);
        COMMIT;
    END LOOP;
END $$;
DROP SCHEMA capture_test CASCADE;

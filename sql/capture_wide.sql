-- Wide tables (P12): hundreds of columns that are mostly null; rows that fit on a
-- page of the table and, with our columns, not on one of the segment.  No statement
-- of the user's fails, and both ends are the same.
\set QUIET on
\i sql/include/target.psql
\set subscription wide
SELECT format('CREATE TABLE public.w (id int PRIMARY KEY, %s)', string_agg(format('c%s text', i), ', ')) AS create_wide
FROM generate_series(1, 600) i \gset
SELECT format('CREATE TABLE public.n (id int PRIMARY KEY, doc text, %s)', string_agg(format('c%s bigint', i), ', ')) AS create_numbers
FROM generate_series(1, 1010) i \gset
:create_wide;
:create_numbers;
CREATE VIEW public.state AS
    SELECT (SELECT string_agg(md5(w::text), ',' ORDER BY id) FROM public.w) AS w, (SELECT string_agg(md5(n::text), ',' ORDER BY id) FROM public.n) AS n;
\c :target
:create_wide;
:create_numbers;
CREATE VIEW public.state AS
    SELECT (SELECT string_agg(md5(w::text), ',' ORDER BY id) FROM public.w) AS w, (SELECT string_agg(md5(n::text), ',' ORDER BY id) FROM public.n) AS n;
\c :source
SELECT dbsync.create_target('wide', :'uri');
SELECT dbsync.create_subscription('wide', 'wide', tables => ARRAY['public.w', 'public.n']);
INSERT INTO public.w (id, c1, c600) SELECT g, 'a', 'b' FROM generate_series(1, 50) g;
\i sql/include/same_state.psql
UPDATE public.w SET c300 = 'x';
INSERT INTO public.w (id, c1, c600) SELECT g, 'a', 'b' FROM generate_series(51, 52) g;
DELETE FROM public.w WHERE id = 7;
\i sql/include/same_state.psql

-- all that fits in the table: 13 bytes in each column, and a little more in the first
-- ones, up to the last byte of a page
CREATE FUNCTION public.fill(id int, extra int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO public.w SELECT %s, %s', id,
        (SELECT string_agg(quote_literal(repeat('x', 12 + CASE WHEN i <= extra THEN 1 ELSE 0 END)), ', ' ORDER BY i) FROM generate_series(1, 600) i));
END $$;
-- how much that is, is found out by trying
CREATE FUNCTION public.most() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    n int;
BEGIN
    FOR extra IN 235 .. 600 LOOP
        PERFORM public.fill(-1, extra);
        DELETE FROM public.w WHERE w.id = -1;
        n := extra;
    END LOOP;
EXCEPTION WHEN program_limit_exceeded THEN
    RETURN n;
END $$;
SET client_min_messages = warning;
CREATE TABLE public.uncaptured (LIKE public.w INCLUDING ALL);
ALTER TABLE public.w RENAME TO aside;
ALTER TABLE public.uncaptured RENAME TO w;
SELECT most() AS most, most() > 0 AS found \gset
\echo :found
ALTER TABLE public.w RENAME TO uncaptured;
ALTER TABLE public.aside RENAME TO w;
RESET client_min_messages;
SELECT count(public.fill(1000 + i, :most - i)) FROM generate_series(0, 40) i;
\i sql/include/same_state.psql
-- several at once, over tables, batches and savepoints; updates and deletes of them
DROP TABLE public.uncaptured;
BEGIN;
CREATE TEMP TABLE rows ON COMMIT DROP AS SELECT * FROM public.w WHERE id >= 1000;
UPDATE rows SET id = id + 1000;
INSERT INTO public.w SELECT * FROM rows;
SAVEPOINT s;
UPDATE rows SET id = id + 1000;
INSERT INTO public.w SELECT * FROM rows;
ROLLBACK TO s;
UPDATE public.w SET c599 = 'y' WHERE id BETWEEN 1000 AND 1100;
DELETE FROM public.w WHERE id = 1001;
UPDATE public.w SET id = id + 5000 WHERE id = 1002;
COMMIT;
\i sql/include/same_state.psql
SET dbsync.direct_capture = off;
UPDATE public.w SET c598 = 'z' WHERE id > 1000;
RESET dbsync.direct_capture;
\i sql/include/same_state.psql

-- no value can go out of line, but for one that is there already, or that is marked
CREATE FUNCTION public.numbers(id int, doc text, n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO public.n (id, doc, %s) VALUES (%s, %L, %s)',
        (SELECT string_agg(format('c%s', i), ', ' ORDER BY i) FROM generate_series(1, n) i), id, doc,
        (SELECT string_agg(i::text, ', ' ORDER BY i) FROM generate_series(1, n) i));
END $$;
SELECT count(public.numbers(i, 'x', 991 + i)) FROM generate_series(1, 9) i;
SELECT count(public.numbers(10 + i, (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 300) g), 988 + i)) FROM generate_series(1, 10) i;
\i sql/include/same_state.psql
UPDATE public.n SET c1 = 5;
UPDATE public.n SET doc = doc || 'y' WHERE id % 2 = 0;
\i sql/include/same_state.psql
-- so many in one transaction have no place
CREATE TEMP TABLE many AS SELECT n.* FROM public.n, generate_series(1, 2500) i WHERE n.id = 9;
CREATE TEMP SEQUENCE ids START 1000;
UPDATE many SET id = nextval('ids');
\set VERBOSITY terse
INSERT INTO public.n TABLE many;
\set VERBOSITY default
DELETE FROM public.n WHERE id > 5;
\i sql/include/same_state.psql

SELECT dbsync.drop_subscription('wide');
SELECT dbsync.drop_target('wide');
DROP VIEW public.state;
DROP TABLE public.w, public.n;
DROP FUNCTION public.fill, public.most, public.numbers;
DROP DATABASE :target;

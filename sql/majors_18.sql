-- What PostgreSQL 18 brought: virtual generated columns (the default), RETURNING old and new, NOT NULL that
-- is not valid, keys without overlaps, constraints that are not enforced.  Older majors have none of it.
\set ECHO none
\i sql/include/capture.sql
SELECT current_setting('server_version_num')::int < 180000 AS older \gset
\if :older
\quit
\endif
\pset format unaligned
\pset tuples_only on
SET dbsync.direct_capture = on;
\set ECHO all

-- Virtual columns are nowhere, and so not in segments; all others are what they are
CREATE TABLE v (first int GENERATED ALWAYS AS (a + 1), id int PRIMARY KEY, a int, g text GENERATED ALWAYS AS (upper(x)) VIRTUAL,
    x text, s int GENERATED ALWAYS AS (a * 2) STORED, z text);
SELECT capture_test.begin('v');
SELECT definition FROM dbsync_internal.segment_columns('v') ORDER BY num;
INSERT INTO v (id, a, x) VALUES (1, 1, 'one'), (2, 2, 'two') RETURNING *;
INSERT INTO v (id, a, x, z) SELECT i, i, 'x' || i, repeat('z', 1000) FROM generate_series(3, 20) i;
UPDATE v SET a = a + 10 WHERE id < 3 RETURNING first, g, s;
UPDATE v SET a = 0 WHERE first = 4 RETURNING first, id, a, g, x, s;
UPDATE v SET id = id + 100 WHERE g = 'X5';
DELETE FROM v WHERE first = 7 RETURNING id, g;
INSERT INTO v (id, a, x) VALUES (1, 100, 'uno'), (30, 30, 'thirty') ON CONFLICT (id) DO UPDATE SET x = excluded.g || v.g RETURNING id, x, g;
MERGE INTO v USING (VALUES (1), (40)) n (id) ON v.id = n.id
    WHEN MATCHED AND v.first > 1 THEN UPDATE SET a = v.first WHEN NOT MATCHED THEN INSERT (id, x) VALUES (n.id, 'merged') RETURNING v.*;
COPY v (id, a, x) FROM STDIN;
50	5	fifty
\.
SELECT op, data FROM capture_test.log('v') WHERE data !~ 'zzz' OR op = 'D';
SELECT capture_test.verdict('v');
-- by the triggers, and with a BEFORE trigger
SET dbsync.direct_capture = off;
UPDATE v SET a = a + 1, x = g WHERE id <> 3;
SET dbsync.direct_capture = on;
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.x := NEW.x || '!'; RETURN NEW; END $$;
CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON v FOR EACH ROW EXECUTE FUNCTION shout();
UPDATE v SET a = a + 1 WHERE id < 10 RETURNING id, g, first;
SELECT capture_test.verdict('v');
-- columns that come and go, and expressions that change
ALTER TABLE v ALTER COLUMN g SET EXPRESSION AS (lower(x));
UPDATE v SET x = 'ABC' WHERE id = 1 RETURNING g;
ALTER TABLE v ADD COLUMN h int GENERATED ALWAYS AS (a + 5);
ALTER TABLE v DROP COLUMN first;
ALTER TABLE v ALTER COLUMN g DROP EXPRESSION;
SELECT capture_test.verdict('v');

-- RETURNING old and new: where there is no such row, it is null as ever
CREATE TABLE r (id int PRIMARY KEY, a int, x text DEFAULT 'x');
SELECT capture_test.begin('r');
INSERT INTO r VALUES (1, 1), (2, 2) RETURNING old.id, new.id, old, new, old IS NULL, new.a - coalesce(old.a, 0);
UPDATE r SET a = a * 10 RETURNING old.a, new.a, a, old, new;
UPDATE r SET id = id + 10 WHERE id = 2 RETURNING WITH (OLD AS o, NEW AS n) o.id, n.id, o, n, n.id - o.id;
INSERT INTO r VALUES (1, 7), (3, 3) ON CONFLICT (id) DO UPDATE SET a = excluded.a RETURNING old.a, new.a, old IS NULL, (SELECT old.x);
INSERT INTO r VALUES (1, 8), (4, 4) ON CONFLICT (id) DO NOTHING RETURNING old, new;
DELETE FROM r WHERE id IN (3, 4) RETURNING old.*, new.*, new IS NULL, r;
MERGE INTO r USING (VALUES (1), (12), (5)) n (id) ON r.id = n.id
    WHEN MATCHED AND n.id = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET a = 0 WHEN NOT MATCHED THEN INSERT VALUES (n.id, 5)
    RETURNING merge_action(), old, new;
-- in functions, in CTEs, and by a plan that is kept
WITH changed AS (UPDATE r SET a = a + 1 RETURNING old.id, old.a AS was, new.a AS becomes)
INSERT INTO r SELECT id + 1000, was FROM changed WHERE becomes > was RETURNING old, new;
PREPARE again(int) AS UPDATE r SET a = $1 WHERE id = 12 RETURNING old.a, new.a;
EXECUTE again(1);
EXECUTE again(2);
-- a function that changes the row of which it is told
CREATE FUNCTION touch(i int) RETURNS int LANGUAGE sql AS $$ UPDATE r SET a = a + 100 WHERE id = i RETURNING new.a $$;
INSERT INTO r VALUES (60, 0) RETURNING touch(new.id), old;
UPDATE r SET x = 'y' WHERE id = 60 RETURNING touch(new.id + 0), old.a, new.a;
SELECT op, data FROM capture_test.log('r');
SELECT capture_test.verdict('r');
-- views, whose rows are computed
CREATE VIEW rv AS SELECT id, a AS aa, x FROM r WHERE a < 500 WITH CHECK OPTION;
UPDATE rv SET aa = aa + 1 WHERE id = 5 RETURNING old.aa, new.aa;
DELETE FROM rv WHERE id = 5 RETURNING old, new;
SELECT capture_test.verdict('r');

-- a column that may have nulls from before is no part of a key
CREATE TABLE n (id int, v int);
INSERT INTO n VALUES (NULL, 1), (NULL, 2);
ALTER TABLE n ADD CONSTRAINT n_id NOT NULL id NOT VALID;
CREATE UNIQUE INDEX n_key ON n (id);
SELECT dbsync_internal.choose_key('n');
UPDATE n SET id = v;
ALTER TABLE n VALIDATE CONSTRAINT n_id;
SELECT capture_test.begin('n');
UPDATE n SET v = 0;
SELECT capture_test.verdict('n');
ALTER TABLE n ALTER COLUMN id DROP NOT NULL;
SELECT key_index FROM dbsync.captured_table WHERE relid = 'n'::regclass;

-- nor are keys that are unique by not overlapping
CREATE TABLE o (id int4range, during daterange, v int, PRIMARY KEY (id, during WITHOUT OVERLAPS));
SELECT dbsync_internal.choose_key('o');
ALTER TABLE o ADD COLUMN no int NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE;
SELECT capture_test.begin('o');
INSERT INTO o VALUES ('[1,2)', '[2026-01-01,2027-01-01)', 1);
UPDATE o SET v = 2;
SELECT op, key FROM capture_test.rows('o') ORDER BY place, no;

-- foreign keys and checks that are not enforced change nothing
CREATE TABLE f (id int PRIMARY KEY, r int REFERENCES r ON DELETE CASCADE NOT ENFORCED, CHECK (id > 0) NOT ENFORCED);
SELECT capture_test.begin('f');
INSERT INTO f VALUES (-1, 4711), (1, 12);
DELETE FROM r WHERE id = 12;
ALTER TABLE f ALTER CONSTRAINT f_r_fkey NOT ENFORCED;
SELECT capture_test.verdict('f');

-- All the way: virtual at both ends, virtual here and stored there; an ordinary column there would stay empty
SELECT capture_test.end(t) FROM unnest(ARRAY['v', 'r', 'n', 'o', 'f']::regclass[]) t;
\set ECHO none
\i sql/include/target.psql
\set ECHO all
CREATE TABLE public.made (id int PRIMARY KEY, v int, twice int GENERATED ALWAYS AS (v * 2), thrice int GENERATED ALWAYS AS (v * 3), w text);
\c :target
CREATE TABLE public.made (id int PRIMARY KEY, v int, twice int GENERATED ALWAYS AS (v * 2), thrice int GENERATED ALWAYS AS (v * 3) STORED, w text);
\c :source
SELECT dbsync.create_target('majors_target', :'uri');
SELECT dbsync.create_subscription('made', 'majors_target', tables => ARRAY['public.made']);
INSERT INTO public.made (id, v) SELECT i, i FROM generate_series(1, 2000) i;
SELECT dbsync.run_once('made');
UPDATE public.made SET v = -v WHERE twice > 100;
DELETE FROM public.made WHERE thrice = 3;
INSERT INTO public.made (id, v, w) VALUES (3000, 1, repeat('w', 5000));
SELECT dbsync.run_once('made') > 0 AS applied;
UPDATE public.made SET v = 2 WHERE id = 3000;
SELECT dbsync.run_once('made') > 0 AS applied;
SELECT count(*), sum(twice), sum(thrice), md5(string_agg(m::text, ',' ORDER BY id)) FROM public.made m;
\c :target
\pset format unaligned
SELECT count(*), sum(twice), sum(thrice), md5(string_agg(m::text, ',' ORDER BY id)) FROM public.made m;
CREATE TABLE public.plain (id int PRIMARY KEY, v int, twice int);
\c :source
CREATE TABLE public.plain (id int PRIMARY KEY, v int, twice int GENERATED ALWAYS AS (v * 2));
SELECT dbsync.add_table('made', 'public.plain');
SELECT dbsync.run_once('made');

\set ECHO none
SET client_min_messages = error;
SELECT dbsync.drop_subscription('made');
SELECT dbsync.drop_target('majors_target');
DROP TABLE public.made, public.plain;
DROP DATABASE :target;

-- Tables without a key, there and back: the target has as many of each row as the source.
\set QUIET on
\i sql/include/target.psql
\set VERBOSITY terse

CREATE TABLE public.plain (a int, b text, c numeric);
CREATE TABLE public.odd (j json, p point, x xml, f float8, y bytea, t text, n numeric(10, 3), late int);
CREATE TABLE public.none (id int PRIMARY KEY DEFERRABLE, v text);
CREATE TABLE public.wide_there (n numeric, t text);
CREATE TABLE public.keyed (id int PRIMARY KEY, v text);
CREATE EXTENSION citext;
CREATE TABLE public.folded (c citext, n numeric);
INSERT INTO public.folded SELECT CASE g % 3 WHEN 0 THEN 'Same' ELSE 'same' END, CASE WHEN g % 2 = 0 THEN 1.0 ELSE 1.00 END FROM generate_series(1, 12) g;
INSERT INTO public.plain VALUES (1, 'one', 1.0), (1, 'one', 1.0), (1, 'one', 1.0), (1, 'one', 1.00), (NULL, NULL, NULL), (NULL, NULL, NULL);
INSERT INTO public.odd (j, p, x, f, y, t) VALUES ('{"a":  1}', '(1,2)', '<a/>', -0.0::float8, '\x00ff', repeat('large', 5000)),
  ('{"a": 1}', '(1,2)', '<a/>', 0, '\x00ff', repeat('large', 5000));
\c :target
CREATE TABLE public.plain (a int, b text, c numeric);
CREATE TABLE public.odd (j json, p point, x xml, f float8, y bytea, t text, n numeric(10, 2), late int);
CREATE TABLE public.none (id int, v text);
CREATE INDEX ON public.none (id);
-- values are others there: what is deleted is known by what they have become
CREATE TABLE public.wide_there (n numeric(10, 1), t varchar(10), own int DEFAULT 5) PARTITION BY LIST (t);
CREATE TABLE public.wide_1 PARTITION OF public.wide_there FOR VALUES IN ('x', 'y');
CREATE TABLE public.wide_2 PARTITION OF public.wide_there DEFAULT;
CREATE TABLE public.keyed (id int PRIMARY KEY, v text);
CREATE EXTENSION citext;
CREATE TABLE public.folded (c citext, n numeric);
CREATE INDEX ON public.folded (c, n);
\c :source
SELECT dbsync.create_target('keyless_target', :'uri');
\set VERBOSITY default
SELECT dbsync.create_subscription('road', 'keyless_target', tables => ARRAY['public.none']);
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT dbsync.add_table('road', 'public.plain');
SELECT dbsync.add_table('road', 'public.odd');
SELECT dbsync.add_table('road', 'public.wide_there');
SELECT dbsync.add_table('road', 'public.keyed');
SELECT dbsync.add_table('road', 'public.folded');
\set subscription road
SELECT dbsync.run_once('road');
\set tab public.plain
\i sql/include/same_table.psql
SELECT "table", state, rows_copied, missing_rows FROM dbsync.table_status ORDER BY 1;

-- few rows: each a statement
DELETE FROM public.plain WHERE ctid = (SELECT min(ctid) FROM public.plain WHERE c::text = '1.0');
UPDATE public.plain SET b = 'two' WHERE ctid = (SELECT max(ctid) FROM public.plain WHERE c::text = '1.0');
UPDATE public.plain SET a = 0 WHERE ctid = (SELECT max(ctid) FROM public.plain WHERE a IS NULL);
INSERT INTO public.plain VALUES (5, 'five', 5), (5, 'five', 5), (5, 'five', 5);
DELETE FROM public.plain WHERE ctid = (SELECT max(ctid) FROM public.plain WHERE a = 5);
\i sql/include/same_table.psql
-- what comes to nothing is not sent
BEGIN;
UPDATE public.plain SET a = a + 1;
UPDATE public.plain SET a = a - 1;
COMMIT;
SELECT dbsync.run_once('road');
-- many: all at once
INSERT INTO public.plain SELECT i % 100, CASE WHEN i % 7 > 0 THEN 'v' || i % 3 END, i % 2 FROM generate_series(1, 5000) i;
\i sql/include/same_table.psql
UPDATE public.plain SET c = c + 1 WHERE a < 50;
DELETE FROM public.plain WHERE a % 10 = 3;
DELETE FROM public.plain WHERE ctid IN (SELECT max(ctid) FROM public.plain GROUP BY a, b, c);
\i sql/include/same_table.psql
-- TRUNCATE between
BEGIN;
INSERT INTO public.plain VALUES (1, 'gone', 1);
TRUNCATE public.plain;
INSERT INTO public.plain VALUES (1, 'stays', 1), (1, 'stays', 1), (2, 'goes', 2);
DELETE FROM public.plain WHERE a = 2;
COMMIT;
\i sql/include/same_table.psql
TRUNCATE public.plain;
INSERT INTO public.plain VALUES (1, 'stays', 1), (1, 'stays', 1);
\i sql/include/same_table.psql

-- types that have no "=", large values, zeros of both signs
UPDATE public.odd SET f = 0 WHERE f::text = '-0';
UPDATE public.odd SET f = '-0' WHERE ctid = (SELECT max(ctid) FROM public.odd);
UPDATE public.odd SET t = t || 'r' WHERE j::text = '{"a": 1}';
UPDATE public.odd SET j = '{"a" : 1}' WHERE j::text = '{"a": 1}';
INSERT INTO public.odd (t, n) SELECT repeat('x', 3000 + i % 3), 1.115 FROM generate_series(1, 9) i;
SELECT dbsync.run_once('road') > 0 AS sent;
DELETE FROM public.odd WHERE ctid IN (SELECT min(ctid) FROM public.odd WHERE n IS NOT NULL GROUP BY t);
UPDATE public.odd SET late = 1 WHERE n IS NOT NULL AND length(t) = 3000;
SELECT dbsync.run_once('road') > 0 AS sent;
SELECT j::text, p::text, x::text, f, y, length(t), md5(t), n, late, count(*) FROM public.odd GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 ORDER BY 1, 6, 9;
\c :target
SELECT j::text, p::text, x::text, f, y, length(t), md5(t), n, late, count(*) FROM public.odd GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 ORDER BY 1, 6, 9;
\c :source
SET client_min_messages = warning;
\set VERBOSITY terse

-- rows whose values are equal, and not the same: one of them goes, few and many
DELETE FROM public.folded WHERE ctid = (SELECT min(ctid) FROM public.folded WHERE c::text = 'Same' AND n::text = '1.0');
UPDATE public.folded SET c = 'SAME' WHERE ctid = (SELECT max(ctid) FROM public.folded WHERE c::text = 'same' AND n::text = '1.00');
UPDATE public.folded SET n = 1.000 WHERE ctid = (SELECT min(ctid) FROM public.folded WHERE c::text = 'same' AND n::text = '1.00');
\set tab public.folded
\i sql/include/same_table.psql
SET client_min_messages = warning;
\set VERBOSITY terse
INSERT INTO public.folded SELECT CASE g % 3 WHEN 0 THEN 'Same' ELSE 'same' END, CASE WHEN g % 2 = 0 THEN 1.0 ELSE 1.00 END FROM generate_series(1, 3000) g;
UPDATE public.folded SET c = upper(c::text) WHERE ctid IN (SELECT ctid FROM public.folded WHERE c::text = 'Same' AND n::text = '1.0' LIMIT 200);
DELETE FROM public.folded WHERE ctid IN (SELECT ctid FROM public.folded WHERE c::text = 'same' AND n::text = '1.00' LIMIT 400);
\i sql/include/same_table.psql
SET client_min_messages = warning;
\set VERBOSITY terse

-- a target whose values are coarser, and which is partitioned: rows of several parts have one ctid
INSERT INTO public.wide_there SELECT 1.11, t FROM unnest('{x,y,z,z,x}'::text[]) t;
INSERT INTO public.wide_there SELECT 1.12, t FROM unnest('{x,z}'::text[]) t;
SELECT dbsync.run_once('road') > 0 AS sent;
DELETE FROM public.wide_there WHERE ctid = (SELECT min(ctid) FROM public.wide_there WHERE t = 'x');
DELETE FROM public.wide_there WHERE ctid = (SELECT max(ctid) FROM public.wide_there WHERE t = 'z' AND n = 1.12);
SELECT dbsync.run_once('road') > 0 AS sent;
SELECT round(n, 1) AS n, t, count(*) FROM public.wide_there GROUP BY 1, 2 ORDER BY 2;
\c :target
SELECT n, t, count(*), min(own) AS own FROM public.wide_there GROUP BY 1, 2 ORDER BY 2;
\c :source
SET client_min_messages = warning;
\set VERBOSITY terse
INSERT INTO public.wide_there SELECT 1.1 + i % 3 / 100.0, chr(120 + i % 4) FROM generate_series(1, 1200) i;
SELECT dbsync.run_once('road') > 0 AS sent;
DELETE FROM public.wide_there WHERE ctid IN (SELECT ctid FROM public.wide_there ORDER BY t, n LIMIT 500);
SELECT dbsync.run_once('road') > 0 AS sent;
SELECT round(n, 1) AS n, t, count(*) FROM public.wide_there GROUP BY 1, 2 ORDER BY 2;
\c :target
SELECT n, t, count(*) FROM public.wide_there GROUP BY 1, 2 ORDER BY 2;
\c :source
SET client_min_messages = warning;
\set VERBOSITY terse

-- keys that are deferrable: order cannot tell, images can
INSERT INTO public.none VALUES (1, 'a'), (2, 'b'), (3, NULL);
SELECT dbsync.run_once('road') > 0 AS sent;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
UPDATE public.none SET id = 3 - id WHERE id < 3;
UPDATE public.none SET v = v || v WHERE id = 1;
DELETE FROM public.none WHERE id = 3;
COMMIT;
\set tab public.none
SELECT dbsync.run_once('road') > 0 AS sent;
\c :target
SELECT * FROM public.none ORDER BY id;
-- rows are missing there: counted, and that is all
DELETE FROM public.none WHERE id = 1;
DELETE FROM public.plain WHERE ctid = (SELECT min(ctid) FROM public.plain);
\c :source
SET client_min_messages = warning;
\set VERBOSITY terse
UPDATE public.none SET v = 'new' WHERE id = 1;
DELETE FROM public.plain;
INSERT INTO public.keyed VALUES (1, 'flows');
SELECT dbsync.run_once('road') > 0 AS sent;
SELECT "table", state, missing_rows FROM dbsync.table_status ORDER BY 1;
INSERT INTO public.plain SELECT 1, 'one', i FROM generate_series(1, 600) i;
SELECT dbsync.run_once('road') > 0 AS sent;
\c :target
DELETE FROM public.plain WHERE c <= 50;
\c :source
SET client_min_messages = warning;
\set VERBOSITY terse
UPDATE public.plain SET b = 'two';
SELECT dbsync.run_once('road') > 0 AS sent;
SELECT dbsync.run_once('road') > 0 AS again;
SELECT "table", state, missing_rows, note FROM dbsync.table_status WHERE "table" = 'public.plain'::regclass;
\set tab public.plain
\i sql/include/same_table.psql
-- a unique index there that the source does not have: other tables of the batch are sent as usual
\c :target
CREATE UNIQUE INDEX plain_c ON public.plain (b, c);
\c :source
SET client_min_messages = warning;
\set VERBOSITY terse
INSERT INTO public.plain VALUES (1, 'two', 1);
UPDATE public.keyed SET v = 'waits';
SELECT dbsync.run_once('road');
\c :target
SELECT * FROM public.keyed;
DROP INDEX public.plain_c;
\c :source
SET client_min_messages = warning;
\set VERBOSITY terse
SELECT dbsync.run_once('road') > 0 AS sent;

-- rows that are there cannot be told from others
\set VERBOSITY default
SELECT dbsync.copy_table('road', 'public.plain', existing_rows => 'keep');
SELECT dbsync.remove_table('road', 'public.plain');
SELECT dbsync.add_table('road', 'public.plain', existing_rows => 'keep');
SELECT dbsync.add_table('road', 'public.plain');
\set VERBOSITY terse
SELECT dbsync.run_once('road');
SELECT dbsync.copy_table('road', 'public.plain');
\i sql/include/same_table.psql
SELECT "table", state, rows_copied, missing_rows FROM dbsync.table_status WHERE "table" = 'public.plain'::regclass;
SELECT dbsync.drop_subscription('road');
SELECT dbsync.drop_target('keyless_target');
DROP TABLE public.plain, public.odd, public.none, public.wide_there, public.keyed, public.folded;
DROP EXTENSION citext;
DROP DATABASE :target;

-- Verify: tables of all kinds, without a key, partitioned at one end, with selections, of other types there.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.keyless (a int, b text, j json);
CREATE TABLE public.parted (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES FROM (0) TO (1000);
CREATE TABLE public.parted_2 PARTITION OF public.parted FOR VALUES FROM (1000) TO (9000);
CREATE TABLE public.plain (id int PRIMARY KEY, v text);
CREATE TABLE public.chosen (id int PRIMARY KEY, email text, secret text, region text);
CREATE TYPE public.mood AS ENUM ('sad', 'ok');
CREATE TYPE public.pair AS (x int, y text);
CREATE TABLE public.typed (id int PRIMARY KEY, n int, f float8, t timestamptz, d date, i interval, b bytea, a text[], c char(5), m public.mood, p public.pair, j jsonb, u numeric, o bool, q "char");
INSERT INTO public.keyless SELECT i % 3, 'x', '{"a":  1}' FROM generate_series(1, 10) i;
INSERT INTO public.keyless VALUES (NULL, NULL, NULL), (NULL, '', NULL);
INSERT INTO public.parted SELECT i, 'row ' || i FROM generate_series(1, 2500) i;
INSERT INTO public.plain SELECT i, 'row ' || i FROM generate_series(1, 2500) i;
INSERT INTO public.chosen SELECT i, 'user' || i || '@example.com', 'secret', CASE i % 2 WHEN 0 THEN 'EU' ELSE 'US' END FROM generate_series(1, 500) i;
INSERT INTO public.typed VALUES
  (1, 7, 0.1, '2026-01-01 12:00+02', '2026-02-03', '1 mon 2 days 03:04:05.6', '\x00ff', '{a,"b c",NULL,"q\"\\"}', 'ab', 'ok', '(1,"a,b")', '{"k": [1, 2]}', 1.50, true, 'z'),
  (2, NULL, 'NaN', 'infinity', '-infinity', '-1 day', '', '{}', '', 'sad', '(,)', 'null', 'NaN', false, ''),
  (3, -1, '-0', '0044-03-15 BC', '0001-01-01', '0', '\x5c', '{{1,2},{3,4}}', ' x', NULL, NULL, NULL, 1e-30, NULL, NULL);
\c :target
CREATE TABLE public.keyless (b varchar(20), j json, a bigint);
CREATE TABLE public.parted (id int PRIMARY KEY, v text);
CREATE TABLE public.plain (v text, id int PRIMARY KEY) PARTITION BY HASH (id);
CREATE TABLE public.plain_0 PARTITION OF public.plain FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.plain_1 PARTITION OF public.plain FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE public.client (id bigint PRIMARY KEY, mail text, initial text);
CREATE TYPE public.mood AS ENUM ('sad', 'ok');
CREATE TYPE public.pair AS (x int, y text);
CREATE TABLE public.typed (id bigint PRIMARY KEY, n numeric(10,2), f float8, t timestamptz, d timestamp, i interval, b bytea, a text[], c text, m public.mood, p public.pair, j json, u numeric(40,35), o text, q text);
\c :source
SELECT dbsync.create_target('kinds_target', :'uri');
SET client_min_messages = warning;
SELECT dbsync.create_subscription('kinds', 'kinds_target', tables => ARRAY['public.keyless', 'public.parted', 'public.plain', 'public.typed']);
SELECT dbsync.add_table('kinds', 'public.chosen', target_table => 'public.client',
    columns => ARRAY['id', 'email AS mail', 'left(email, 5) AS initial'], filter => $$region = 'EU'$$);
RESET client_min_messages;
SELECT dbsync.run_once('kinds');
SELECT "table", verdict, rows_here, rows_there, note FROM dbsync.verify('kinds');

-- without a key: one of three equal rows less, another one more, null and empty
\c :target
DELETE FROM public.keyless WHERE ctid = (SELECT min(ctid) FROM public.keyless WHERE a = 1);
INSERT INTO public.keyless VALUES ('x', '{"a":  1}', 2), ('x', '{"a": 1}', 2);
UPDATE public.keyless SET b = '' WHERE a IS NULL AND b IS NULL;
-- in partitions
UPDATE public.parted SET v = 'other' WHERE id = 2400;
DELETE FROM public.plain WHERE id = 1;
INSERT INTO public.plain VALUES ('extra', 9000);
-- of what was chosen
UPDATE public.client SET initial = 'USER' WHERE id = 2;
INSERT INTO public.client VALUES (3, 'user3@example.com', 'user3');
-- of types
UPDATE public.typed SET n = 7.01, f = 0.1 + 1e-17, a = '{{1,2,3,4}}' WHERE id = 1;
UPDATE public.typed SET f = 0 WHERE id = 3;
\c :source
SELECT "table", verdict, missing, extra, different, note FROM dbsync.verify('kinds');
SELECT "table", kind, key, here, there, count FROM dbsync.difference WHERE subscription = 'kinds' ORDER BY "table", kind, key, here::text, there::text;
SELECT "table", verdict, note FROM dbsync.verify('kinds', repair => true);
SELECT dbsync.run_once('kinds') IS NOT NULL AS done;
SELECT "table", verdict, note FROM dbsync.verify('kinds');

-- tables that cannot be compared are named
SELECT dbsync.suspend_table('public.plain');
SELECT "table", verdict, note FROM dbsync.verify('kinds') WHERE "table" LIKE '%plain';
SELECT dbsync.copy_table('kinds', 'public.plain');

-- what is meant to be kept is no difference, and no repair takes it away
SELECT dbsync.alter_table('kinds', 'public.plain', operations => '{insert,update}', existing_rows => 'keep');
SELECT dbsync.run_once('kinds') > 0;
DELETE FROM public.plain WHERE id <= 10;
SELECT dbsync.run_once('kinds');
\c :target
UPDATE public.plain SET v = 'wrong' WHERE id = 20;
\c :source
SELECT "table", verdict, missing, extra, different, kept, repaired FROM dbsync.verify('kinds', 'public.plain', repair => true);
SELECT "table", verdict, kept FROM dbsync.verify('kinds', 'public.plain');
\c :target
SELECT count(*) FROM public.plain WHERE id <= 10;
\c :source

-- a part of the rows
INSERT INTO public.parted SELECT i, 'row ' || i FROM generate_series(2501, 8900) i;
ANALYZE public.parted;
SELECT "table", verdict, rows_here BETWEEN 100 AND 4000 AS some, rows_here = rows_there AS as_many FROM dbsync.verify('kinds', 'public.parted', sample => 0.2);
SELECT buckets, buckets_compared FROM dbsync.verification WHERE subscription = 'kinds' ORDER BY begun DESC LIMIT 1;

SELECT dbsync.drop_subscription('kinds');
SELECT dbsync.drop_target('kinds_target');
DROP TABLE public.keyless, public.parted, public.plain, public.chosen, public.typed;
DROP TYPE public.mood, public.pair;
DROP DATABASE :target;

-- Partitions that go from one captured table to another, and others that come, go, come back and take each other's place
-- within a transaction: each row is captured once, as the table's whose partition has it.  What commands say of
-- bounds is what it is, whatever the session's settings are.  Hazards 12 to 14, 45 and 49 of tables.
\set QUIET on
\i sql/include/target.psql
CREATE TABLE public.one (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE public.one_1 PARTITION OF public.one FOR VALUES IN (1);
CREATE TABLE public.one_3 PARTITION OF public.one FOR VALUES IN (3);
CREATE TABLE public.two (k int NOT NULL, v text, id int NOT NULL, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE public.bag (v text, k int, id int) PARTITION BY LIST (k);
CREATE TABLE public.goes (v text, gone int, id int NOT NULL, k int NOT NULL);
ALTER TABLE public.goes DROP gone;
ALTER TABLE public.one ATTACH PARTITION public.goes FOR VALUES IN (2);
CREATE TABLE public.named (id int NOT NULL, k int, v text) PARTITION BY LIST (k);
CREATE TABLE public.named_1 PARTITION OF public.named FOR VALUES IN (1);
CREATE TABLE public.named_2 PARTITION OF public.named FOR VALUES IN (2);
CREATE INDEX ON public.named (id);
INSERT INTO public.one SELECT g, 1 + g % 3, 'first' FROM generate_series(1, 30) g;
INSERT INTO public.named SELECT g, 1 + g % 2, 'first' FROM generate_series(1, 30) g;
\c :target
CREATE TABLE public.one (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k));
CREATE TABLE public.two (k int NOT NULL, v text, id int NOT NULL, PRIMARY KEY (id, k));
CREATE TABLE public.bag (v text, k int, id int);
CREATE TABLE public.named (id int NOT NULL, k int, v text);
CREATE INDEX ON public.named (id);
\c :source
SET client_min_messages = warning;
SELECT dbsync.create_target('moved_target', :'uri');
SELECT dbsync.create_subscription('moved', 'moved_target', tables => '{public.one,public.two,public.bag}', on_partition_drop => 'delete');
SELECT dbsync.add_table('moved', 'public.named', key => '{id}');
SELECT dbsync.run_once('moved') > 0 AS copied;
\set subscription moved
CREATE VIEW public.captured_as AS
    SELECT t.tgrelid::regclass AS partition, c.relid::regclass AS as_part_of, count(*) AS triggers FROM dbsync.captured_table c
    JOIN pg_trigger t ON t.tgname LIKE format('dbsync\_%s\_%%', c.id) GROUP BY 1, 2;

-- to another table, in the middle of a transaction that writes to all of them
BEGIN;
UPDATE public.one SET v = 'before' WHERE id % 2 = 0;
ALTER TABLE public.one DETACH PARTITION public.goes;
INSERT INTO public.goes VALUES ('between', 50, 2);
ALTER TABLE public.two ATTACH PARTITION public.goes FOR VALUES IN (2);
COPY public.two (id, k, v) FROM stdin;
51	2	through the other root
\.
COPY public.goes (id, k, v) FROM stdin;
52	2	into itself
\.
UPDATE public.two SET v = v || '!' WHERE id % 5 = 0;
DELETE FROM public.goes WHERE id = 13;
COMMIT;
SELECT * FROM public.captured_as WHERE partition = 'public.goes'::regclass;
\set tab public.one
\i sql/include/same_table.psql
\set tab public.two
\i sql/include/same_table.psql
COPY public.two (id, k, v) FROM stdin;
53	2	in a transaction of its own
\.
\i sql/include/same_table.psql
-- to one without a key, where a row that is captured twice is there twice; back, and taken back
ALTER TABLE public.two DETACH PARTITION public.goes;
ALTER TABLE public.bag ATTACH PARTITION public.goes FOR VALUES IN (2);
COPY public.bag (id, k, v) FROM stdin;
54	2	once
55	2	once
\.
UPDATE public.goes SET v = 'once more' WHERE id = 54;
SELECT * FROM public.captured_as WHERE partition = 'public.goes'::regclass;
\i sql/include/same_table.psql
\set tab public.bag
\i sql/include/same_table.psql
BEGIN;
ALTER TABLE public.bag DETACH PARTITION public.goes;
SAVEPOINT s;
ALTER TABLE public.one ATTACH PARTITION public.goes FOR VALUES IN (2);
INSERT INTO public.one VALUES (56, 2, 'taken back');
ROLLBACK TO s;
INSERT INTO public.goes VALUES ('between', 57, 2);
ALTER TABLE public.bag ATTACH PARTITION public.goes FOR VALUES IN (2);
INSERT INTO public.bag VALUES ('behind', 2, 58);
COMMIT;
\i sql/include/same_table.psql
ALTER TABLE public.bag DETACH PARTITION public.goes;
ALTER TABLE public.one ATTACH PARTITION public.goes FOR VALUES IN (2);
\i sql/include/same_table.psql
\set tab public.one
\i sql/include/same_table.psql

-- another partition in the place of one, and rows on both sides of it
BEGIN;
INSERT INTO public.one VALUES (60, 3, 'old'), (61, 3, 'old');
UPDATE public.one SET v = 'old' WHERE k = 3;
DROP TABLE public.one_3;
CREATE TABLE public.one_3 PARTITION OF public.one FOR VALUES IN (3);
INSERT INTO public.one VALUES (60, 3, 'new'), (62, 3, 'new');
ALTER TABLE public.one DETACH PARTITION public.one_3;
CREATE TABLE public.one_3_again PARTITION OF public.one FOR VALUES IN (3) PARTITION BY RANGE (id);
CREATE TABLE public.one_3_low PARTITION OF public.one_3_again FOR VALUES FROM (0) TO (61);
CREATE TABLE public.one_3_high (k int NOT NULL, id int NOT NULL, v text);
INSERT INTO public.one_3_high VALUES (3, 62, 'came'), (3, 63, 'came');
SAVEPOINT s;
DROP TABLE public.one_3_again;
INSERT INTO public.one VALUES (60, 1, 'taken back');
ROLLBACK TO s;
ALTER TABLE public.one_3_again ATTACH PARTITION public.one_3_high FOR VALUES FROM (61) TO (100);
INSERT INTO public.one VALUES (60, 3, 'newest'), (64, 3, 'newest');
DELETE FROM public.one WHERE id = 63;
COMMIT;
DROP TABLE public.one_3;
SELECT id, v FROM public.one WHERE k = 3 ORDER BY id;
\i sql/include/same_table.psql

-- MERGE moves rows whose key is not what the partitions go by
\set tab public.named
MERGE INTO public.named USING (SELECT generate_series(1, 40, 3) AS id) s ON named.id = s.id
    WHEN MATCHED AND s.id % 2 = 0 THEN UPDATE SET k = 3 - k, v = 'moved' WHEN MATCHED THEN UPDATE SET v = 'stays'
    WHEN NOT MATCHED THEN INSERT VALUES (s.id, 1 + s.id % 2, 'new');
\i sql/include/same_table.psql
BEGIN;
MERGE INTO public.named USING (VALUES (4), (7)) s (id) ON named.id = s.id WHEN MATCHED THEN UPDATE SET k = 3 - k;
MERGE INTO public.named USING (VALUES (4), (10)) s (id) ON named.id = s.id WHEN MATCHED AND s.id = 10 THEN DELETE WHEN MATCHED THEN UPDATE SET k = 3 - k, id = 104;
UPDATE public.named SET k = 3 - k WHERE id = 7;
COMMIT;
\i sql/include/same_table.psql

-- columns that rows of a partition do not have on disk, as it comes and behind that
\set tab public.one
ALTER TABLE public.one ADD w text DEFAULT 'of the root', ADD n numeric DEFAULT 1.50;
\c :target
ALTER TABLE public.one ADD w text DEFAULT 'of the root', ADD n numeric DEFAULT 1.50;
\c :source
SET client_min_messages = warning;
CREATE TABLE public.fast (n numeric, v text, k int NOT NULL, id int NOT NULL);
INSERT INTO public.fast SELECT 1, 'fast', 7, g FROM generate_series(1, 20) g;
ALTER TABLE public.fast ADD gone int DEFAULT 3, ADD w text DEFAULT 'of its own';
ALTER TABLE public.fast DROP gone, DROP n, ADD n numeric DEFAULT 2.50;
INSERT INTO public.fast (v, k, id) VALUES ('whole', 7, 21);
ALTER TABLE public.one ATTACH PARTITION public.fast FOR VALUES IN (7);
\i sql/include/same_table.psql
UPDATE public.one SET v = 'changed' WHERE id < 5;
UPDATE public.fast SET w = w || '!' WHERE id % 6 = 0;
UPDATE public.one SET k = 2 WHERE k = 7 AND id > 19;
DELETE FROM public.one WHERE id IN (7, 27);
\i sql/include/same_table.psql
SELECT dbsync.copy_table('moved', 'public.one');
\i sql/include/same_table.psql

-- what a session's settings make of values and bounds
CREATE TABLE public.times (t timestamptz NOT NULL, f float8 NOT NULL, b bytea NOT NULL, i interval, PRIMARY KEY (t, f, b)) PARTITION BY RANGE (t);
\c :target
CREATE TABLE public.times (t timestamptz NOT NULL, f float8 NOT NULL, b bytea NOT NULL, i interval, PRIMARY KEY (t, f, b));
\c :source
SET client_min_messages = warning;
SET "DateStyle" = 'SQL, DMY'; SET "TimeZone" = 'America/New_York'; SET "IntervalStyle" = 'sql_standard'; SET bytea_output = 'escape'; SET extra_float_digits = -10;
CREATE TABLE public.january PARTITION OF public.times FOR VALUES FROM ('01/01/2024') TO ('01/02/2024');
CREATE TABLE public.february PARTITION OF public.times FOR VALUES FROM ('01/02/2024') TO ('01/03/2024') PARTITION BY LIST (b);
CREATE TABLE public.february_odd PARTITION OF public.february FOR VALUES IN ('\x00ff5c');
CREATE TABLE public.february_even PARTITION OF public.february DEFAULT;
CREATE TABLE public.later PARTITION OF public.times FOR VALUES FROM ('01/04/2024') TO (MAXVALUE);
SELECT dbsync.add_table('moved', 'public.times');
INSERT INTO public.times SELECT '31/01/2024 20:00'::timestamptz + g * interval '2 hours', 0.1 + 0.2 * g, CASE g % 2 WHEN 0 THEN '\x00' ELSE '\x00ff5c' END::bytea,
    make_interval(days => -g, secs => 1.5) FROM generate_series(-300, 300) g;
CREATE TABLE public.march (LIKE public.times);
INSERT INTO public.march SELECT '01/03/2024'::timestamptz + g * interval '3 hours', 1.1 * g, '\x5c00', NULL FROM generate_series(0, 50) g;
RESET "DateStyle"; RESET "TimeZone"; RESET "IntervalStyle"; RESET bytea_output; RESET extra_float_digits;
\set tab public.times
\i sql/include/same_table.psql
SET "DateStyle" = 'SQL, DMY'; SET "TimeZone" = 'America/New_York'; SET "IntervalStyle" = 'sql_standard'; SET bytea_output = 'escape'; SET extra_float_digits = -10;
ALTER TABLE public.times ATTACH PARTITION public.march FOR VALUES FROM ('01/03/2024') TO ('01/04/2024');
TRUNCATE public.february_odd;
INSERT INTO public.times VALUES ('02/02/2024 00:30', 1.0 / 3, '\x00ff5c', '-1 2:03:04');
DROP TABLE public.january;
RESET "DateStyle"; RESET "TimeZone"; RESET "IntervalStyle"; RESET bytea_output; RESET extra_float_digits;
SELECT tableoid::regclass AS partition, count(*) FROM public.times GROUP BY 1 ORDER BY 1;
\i sql/include/same_table.psql
SET "DateStyle" = 'German'; SET "TimeZone" = 'Asia/Tokyo';
TRUNCATE public.february_even, public.march;
RESET "DateStyle"; RESET "TimeZone";
\i sql/include/same_table.psql
SELECT state, note FROM dbsync.table_status WHERE state <> 'live' OR note IS NOT NULL;
SELECT dbsync.drop_subscription('moved');
SELECT count(*) FROM public.captured_as;
SELECT dbsync.drop_target('moved_target');
DROP VIEW public.captured_as;
DROP TABLE public.one, public.two, public.bag, public.named, public.times;
DROP DATABASE :"target";

-- What is chosen of tables, on its road: at the target is what its own query gives over the source.
\set QUIET on
\i sql/include/target.psql
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE TYPE public.mood AS ENUM ('low', 'even', 'high');
CREATE TABLE public.country (code text PRIMARY KEY, name text);
INSERT INTO public.country VALUES ('EU', 'Europe'), ('US', 'States'), ('JP', 'Japan');
CREATE TABLE public.customer (id int PRIMARY KEY, junk int, name text NOT NULL, email text, region text, feeling mood, large text, other text,
    twice int GENERATED ALWAYS AS (id * 2) STORED);
ALTER TABLE public.customer DROP COLUMN junk, ALTER large SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL;
INSERT INTO public.customer SELECT i, 'n' || i, i || '@x', (ARRAY['EU', 'US', 'JP', NULL])[1 + i % 4], (enum_range(NULL::mood))[1 + i % 3],
    repeat(md5(i::text), 100), repeat(md5('o' || i), 100) FROM generate_series(1, 400) i;
CREATE TABLE public.parted (id int NOT NULL, k int NOT NULL, v text, w text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES IN (1);
CREATE TABLE public.parted_2 (w text, k int NOT NULL, id int NOT NULL, v text);
ALTER TABLE public.parted ATTACH PARTITION public.parted_2 FOR VALUES IN (2);
CREATE TABLE public.parted_3 PARTITION OF public.parted DEFAULT;
INSERT INTO public.parted SELECT i, 1 + i % 4, 'v' || i, 'w' || i FROM generate_series(1, 300) i;
CREATE TABLE public.keyless (a int, b text, c text);
INSERT INTO public.keyless SELECT i % 7, 'b' || i % 3, repeat('c', i % 5) FROM generate_series(1, 100) i;
CREATE TABLE public.named (a int NOT NULL, b text, c int);
CREATE INDEX ON public.named (a);
INSERT INTO public.named SELECT i, 'b' || i, i FROM generate_series(1, 50) i;
CREATE TABLE public.parent (id int PRIMARY KEY, v text);
CREATE TABLE public.child (more int, PRIMARY KEY (id)) INHERITS (public.parent);
INSERT INTO public.parent SELECT i, 'v' || i FROM generate_series(1, 20) i;
INSERT INTO public.child SELECT i, 'v' || i, i FROM generate_series(21, 40) i;
CREATE TABLE public.archive (id int PRIMARY KEY, v text);
INSERT INTO public.archive SELECT i, 'v' || i FROM generate_series(1, 10) i;
CREATE TABLE public.serial (id serial PRIMARY KEY, v text);
INSERT INTO public.serial (v) SELECT 'v' FROM generate_series(1, 10);
CREATE FUNCTION public.mask(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT left($1, 1) || '***'$$;
CREATE FUNCTION public.long(text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$BEGIN RETURN length($1) > 3; END$$;
\c :target
SET client_min_messages = warning;
CREATE TYPE public.mood AS ENUM ('low', 'even', 'high');
CREATE SCHEMA crm;
CREATE TABLE crm.client (email text, full_name text, id int PRIMARY KEY, country text, feeling mood, mood text, size int, there text DEFAULT 'there');
CREATE TABLE crm.eu (other text, id int PRIMARY KEY, name text, email text, region text, feeling mood, large text,
    twice text GENERATED ALWAYS AS (name || email) STORED);
CREATE TABLE crm.small (id int PRIMARY KEY, name text, tail text);
CREATE TABLE public.parted (k int NOT NULL, upper text, number int NOT NULL, PRIMARY KEY (number, k));
CREATE TABLE public.keyless (b text, a int, masked text);
CREATE TABLE public.named (key int NOT NULL, b text);
CREATE INDEX ON public.named (key);
CREATE TABLE public.parent (id int PRIMARY KEY, v text, w text);
CREATE TABLE public.child (number int PRIMARY KEY, more int);
CREATE TABLE public.archive (id int PRIMARY KEY, v text);
CREATE TABLE public.inserted (id int PRIMARY KEY, v text);
CREATE TABLE public.undeleted (id int PRIMARY KEY, v text);
CREATE TABLE public.serial (number serial PRIMARY KEY, v text);
\c :source
SET client_min_messages = warning;
SELECT dbsync.create_target('chosen_target', :'uri');
SELECT dbsync.create_subscription('client', 'chosen_target');
SELECT dbsync.create_subscription('eu', 'chosen_target', on_partition_drop => 'delete');
SELECT dbsync.create_subscription('rest', 'chosen_target');
SELECT dbsync.add_table('client', 'public.customer', 'crm.client', columns => ARRAY['id', 'name AS full_name', 'mask(email) AS email', 'feeling',
    'feeling::text AS mood', 'length(large) AS size', '(SELECT c.name FROM country c WHERE c.code = region) AS country']);
SELECT dbsync.add_table('eu', 'public.customer', 'crm.eu', filter => $$region = 'EU'$$);
SELECT dbsync.add_table('rest', 'public.customer', 'crm.small', columns => '{id,name,"right(large, 3) AS tail"}',
    filter => $$long(email) AND right(large, 1) < 'c' AND feeling < 'high' AND region IN (SELECT code FROM country)$$);
SELECT dbsync.add_table('eu', 'public.parted', columns => '{"id AS number",k,"upper(v) AS upper"}', filter => $$v <> 'v7' AND right(v, 1) <> '3'$$);
SELECT dbsync.add_table('rest', 'public.keyless', columns => '{a,b,"mask(c) AS masked"}', filter => 'a <> 3');
SELECT dbsync.add_table('rest', 'public.named', columns => '{"a AS key",b}', filter => 'c > 5', key => '{a}');
SELECT dbsync.add_table('rest', 'public.parent', columns => '{id,"v AS w","v || id AS v"}', filter => 'id % 3 <> 0');
SELECT dbsync.add_table('rest', 'public.child', columns => '{"id AS number",more}', filter => 'more <> 30');
SELECT dbsync.add_table('rest', 'public.archive', operations => '{insert,update}');
SELECT dbsync.add_table('client', 'public.archive', 'public.inserted', operations => '{insert,truncate}');
SELECT dbsync.add_table('eu', 'public.archive', 'public.undeleted', operations => '{update,delete}');
SELECT dbsync.add_table('rest', 'public.serial', columns => '{"id AS number",v}');
RESET client_min_messages;
ALTER DATABASE :"source" SET dbsync.copy_chunk_rows = 64;
\c :source

-- first copies, in chunks
\set tab public.customer
\set subscription client
\i sql/include/same_selection.psql
\set subscription eu
\i sql/include/same_selection.psql
\set subscription rest
\i sql/include/same_selection.psql
\set tab public.parted
\set subscription eu
\i sql/include/same_selection.psql
\set subscription rest
\set tab public.keyless
\i sql/include/same_selection.psql
\set tab public.named
\i sql/include/same_selection.psql
\set tab public.parent
\i sql/include/same_selection.psql
\set tab public.child
\i sql/include/same_selection.psql
SELECT "table", rows_copied FROM dbsync.table_status WHERE subscription = 'eu' ORDER BY "table"::text;
\c :target
SELECT nextval('public.serial_number_seq') > 10 AS ahead;
SELECT DISTINCT there FROM crm.client;
SELECT count(DISTINCT twice) FROM crm.eu;
\c :source

-- rows come and leave by any column, large ones untouched, keys change
\set tab public.customer
UPDATE public.customer SET region = 'EU' WHERE id % 10 = 2;
UPDATE public.customer SET region = NULL WHERE id % 10 = 4;
UPDATE public.customer SET email = 'x' WHERE id % 10 = 1;
UPDATE public.customer SET email = 'longer than it was' WHERE id % 20 = 1;
UPDATE public.customer SET feeling = 'high' WHERE id % 10 = 5;
UPDATE public.customer SET large = 'b' WHERE id % 10 = 6;
UPDATE public.customer SET other = 'nobody reads it' WHERE id % 10 = 7;
UPDATE public.customer SET id = id + 1000, region = 'EU' WHERE id % 10 = 8;
UPDATE public.customer SET id = id + 1000 WHERE id % 10 = 9;
DELETE FROM public.customer WHERE id % 17 = 0;
INSERT INTO public.customer SELECT i, 'new', i || '@new', 'EU', 'low', repeat('a', 3000), repeat('o', 3000) FROM generate_series(2001, 2020) i;
\set subscription client
\i sql/include/same_selection.psql
\set subscription eu
\i sql/include/same_selection.psql
\set subscription rest
\i sql/include/same_selection.psql
-- one at a time, each a batch of its own
UPDATE public.customer SET region = 'EU' WHERE id = 3;
\set subscription eu
\i sql/include/same_selection.psql
UPDATE public.customer SET name = 'in' WHERE id = 3;
\i sql/include/same_selection.psql
UPDATE public.customer SET region = 'US' WHERE id = 3;
\i sql/include/same_selection.psql
UPDATE public.customer SET name = 'out' WHERE id = 3;
\i sql/include/same_selection.psql
UPDATE public.customer SET region = 'EU', id = 33333 WHERE id = 3;
\i sql/include/same_selection.psql
UPDATE public.customer SET region = NULL WHERE id = 33333;
\i sql/include/same_selection.psql
-- in and out, and back, within one batch
BEGIN;
UPDATE public.customer SET region = 'EU' WHERE id = 33333;
UPDATE public.customer SET region = 'US' WHERE id = 33333;
UPDATE public.customer SET region = 'EU' WHERE id = 33333;
SAVEPOINT a;
UPDATE public.customer SET region = 'US' WHERE id = 33333;
ROLLBACK TO a;
DELETE FROM public.customer WHERE id = 2001;
INSERT INTO public.customer VALUES (2001, 'again', 'a@b', 'US', 'even', 'l', 'o');
DELETE FROM public.customer WHERE id = 2002;
INSERT INTO public.customer VALUES (2002, 'again', 'a@b', 'EU', 'even', 'l', 'o');
COMMIT;
\i sql/include/same_selection.psql
\set subscription client
\i sql/include/same_selection.psql
\set subscription rest
\i sql/include/same_selection.psql
-- values of an enumeration that is renamed
ALTER TYPE public.mood RENAME VALUE 'low' TO 'lowest';
ALTER TYPE public.mood ADD VALUE 'top';
\c :target
ALTER TYPE public.mood RENAME VALUE 'low' TO 'lowest';
ALTER TYPE public.mood ADD VALUE 'top';
\c :source
UPDATE public.customer SET feeling = 'lowest' WHERE id % 4 = 1 OR feeling = 'lowest';
UPDATE public.customer SET feeling = 'top' WHERE id % 4 = 2;
\set subscription rest
\i sql/include/same_selection.psql
\set subscription client
\i sql/include/same_selection.psql
-- another row looked up: nothing is sent again, until the row itself changes
UPDATE public.country SET name = 'The States' WHERE code = 'US';
\i sql/include/same_selection.psql
UPDATE public.customer SET name = name WHERE region = 'US';
\i sql/include/same_selection.psql
TRUNCATE public.customer;
INSERT INTO public.customer VALUES (1, 'n', 'long enough', 'EU', 'even', 'a', 'o'), (2, 'n', 'long enough', 'US', 'even', 'a', 'o');
\i sql/include/same_selection.psql
\set subscription eu
\i sql/include/same_selection.psql
\set subscription rest
\i sql/include/same_selection.psql

-- partitions
\set tab public.parted
\set subscription eu
UPDATE public.parted SET k = 1 + k % 4 WHERE id % 3 = 0;
UPDATE public.parted SET v = 'v7' WHERE id % 5 = 0;
UPDATE public.parted_2 SET v = 'back' WHERE v = 'v7';
DELETE FROM public.parted_3 WHERE id % 7 = 0;
\i sql/include/same_selection.psql
BEGIN;
UPDATE public.parted SET v = 'before' WHERE id % 2 = 0;
TRUNCATE public.parted_1;
INSERT INTO public.parted VALUES (5000, 1, 'behind'), (5001, 1, 'v7');
COMMIT;
\i sql/include/same_selection.psql
TRUNCATE public.parted_3;
\i sql/include/same_selection.psql
ALTER TABLE public.parted DETACH PARTITION public.parted_1;
\i sql/include/same_selection.psql
CREATE TABLE public.parted_5 PARTITION OF public.parted FOR VALUES IN (5);
INSERT INTO public.parted VALUES (6000, 5, 'new'), (6001, 5, 'v7');
\i sql/include/same_selection.psql
DROP TABLE public.parted_5;
\i sql/include/same_selection.psql
TRUNCATE public.parted;
\i sql/include/same_selection.psql

-- without a key; with one that somebody has named; members of an inheritance tree
\set subscription rest
\set tab public.keyless
UPDATE public.keyless SET a = 3 WHERE a = 1;
UPDATE public.keyless SET a = 4, c = NULL WHERE a = 2;
UPDATE public.keyless SET a = 5 WHERE a = 3 AND b = 'b1';
DELETE FROM public.keyless WHERE ctid IN (SELECT ctid FROM public.keyless WHERE a = 5 LIMIT 3);
INSERT INTO public.keyless SELECT 6, 'b0', 'c' FROM generate_series(1, 4);
\i sql/include/same_selection.psql
TRUNCATE public.keyless;
INSERT INTO public.keyless VALUES (3, 'b', 'c'), (4, 'b', 'c'), (4, 'b', 'c');
\i sql/include/same_selection.psql
SELECT missing_rows FROM dbsync.table_status WHERE subscription = 'rest' AND "table" = 'public.keyless'::regclass;
-- what is there cannot be told from what comes
SELECT dbsync.alter_table('rest', 'public.keyless', filter => 'a <> 4', existing_rows => 'keep');
SELECT dbsync.alter_table('rest', 'public.keyless', filter => 'a <> 4');
\i sql/include/same_selection.psql
\set tab public.named
UPDATE public.named SET c = 0 WHERE a % 5 = 0;
UPDATE public.named SET c = 9 WHERE a < 3;
UPDATE public.named SET a = a + 100 WHERE a % 7 = 0;
DELETE FROM public.named WHERE a % 11 = 0;
\i sql/include/same_selection.psql
\set tab public.parent
UPDATE public.parent SET v = v || '!' WHERE id % 2 = 0;
UPDATE public.parent SET id = id + 100 WHERE id % 5 = 0;
DELETE FROM public.parent WHERE id % 7 = 0;
\i sql/include/same_selection.psql
\set tab public.child
UPDATE public.child SET more = 30 WHERE id % 4 = 1;
\i sql/include/same_selection.psql

-- operations: what was sent of a row stays if its end is not
INSERT INTO public.archive VALUES (11, 'v'), (12, 'v');
UPDATE public.archive SET v = 'changed' WHERE id < 4;
DELETE FROM public.archive WHERE id > 8;
-- within one batch, and over several
BEGIN;
INSERT INTO public.archive VALUES (20, 'short-lived');
DELETE FROM public.archive WHERE id = 20;
INSERT INTO public.archive VALUES (21, 'first');
DELETE FROM public.archive WHERE id = 21;
INSERT INTO public.archive VALUES (21, 'second');
UPDATE public.archive SET id = 22 WHERE id = 1;
UPDATE public.archive SET v = 'later' WHERE id = 22;
INSERT INTO public.archive VALUES (23, 'inserted');
UPDATE public.archive SET v = 'updated' WHERE id = 23;
COMMIT;
SELECT dbsync.run_once('client') >= 0 AND dbsync.run_once('eu') >= 0 AND dbsync.run_once('rest') >= 0 AS sent;
\c :target
SELECT coalesce(a.id, i.id, u.id) AS id, a.v AS archive, i.v AS inserted, u.v AS undeleted
FROM public.archive a FULL JOIN public.inserted i ON i.id = a.id FULL JOIN public.undeleted u ON u.id = coalesce(a.id, i.id) ORDER BY 1;
\c :source
BEGIN;
INSERT INTO public.archive VALUES (30, 'before');
TRUNCATE public.archive;
INSERT INTO public.archive VALUES (31, 'behind');
COMMIT;
SELECT dbsync.run_once('client') >= 0 AND dbsync.run_once('eu') >= 0 AND dbsync.run_once('rest') >= 0 AS sent;
INSERT INTO public.archive VALUES (32, 'one');
SELECT dbsync.run_once('client') >= 0 AND dbsync.run_once('eu') >= 0 AND dbsync.run_once('rest') >= 0 AS sent;
DELETE FROM public.archive WHERE id = 32;
SELECT dbsync.run_once('client') >= 0 AND dbsync.run_once('eu') >= 0 AND dbsync.run_once('rest') >= 0 AS sent;
INSERT INTO public.archive VALUES (32, 'two');
SELECT dbsync.run_once('client') >= 0 AND dbsync.run_once('eu') >= 0 AND dbsync.run_once('rest') >= 0 AS sent;
UPDATE public.archive SET v = 'three' WHERE id = 32;
SELECT dbsync.run_once('client') >= 0 AND dbsync.run_once('eu') >= 0 AND dbsync.run_once('rest') >= 0 AS sent;
\c :target
SELECT coalesce(a.id, i.id, u.id) AS id, a.v AS archive, i.v AS inserted, u.v AS undeleted
FROM public.archive a FULL JOIN public.inserted i ON i.id = a.id FULL JOIN public.undeleted u ON u.id = coalesce(a.id, i.id) ORDER BY 1;
\c :source

-- a row that leaves the filter goes, whatever the operations are; one that is deleted stays
CREATE TABLE public.kept (id int PRIMARY KEY, v int);
INSERT INTO public.kept VALUES (1, 1), (2, 1), (3, 0);
\c :target
CREATE TABLE public.kept (id int PRIMARY KEY, v int);
\c :source
SELECT dbsync.add_table('client', 'public.kept', operations => '{insert,update}', filter => 'v <> 0');
SELECT dbsync.run_once('client') >= 0 AS sent;
UPDATE public.kept SET v = 0 WHERE id = 1;
UPDATE public.kept SET v = 1 WHERE id = 3;
DELETE FROM public.kept WHERE id = 2;
SELECT dbsync.run_once('client') >= 0 AS sent;
\c :target
SELECT * FROM public.kept ORDER BY id;
\c :source
\set SHOW_CONTEXT never

-- alter_table() copies anew, and what was there before goes
\set tab public.customer
\set subscription client
SELECT dbsync.alter_table('client', 'public.customer', columns => '{id,"email AS full_name"}', filter => $$region = 'US'$$);
\i sql/include/same_selection.psql
SELECT dbsync.alter_table('client', 'public.customer', columns => '{id,"name AS full_name"}', filter => '', existing_rows => 'keep');
\i sql/include/same_selection.psql
UPDATE public.customer SET name = 'once more';
\i sql/include/same_selection.psql

-- a row of which nothing can be made holds its table, and no other
SELECT dbsync.alter_table('client', 'public.customer', columns => '{id,"name AS full_name","10 / (length(email) - 3) AS size"}', filter => 'id > 0');
\i sql/include/same_selection.psql
UPDATE public.customer SET email = 'abc' WHERE id = 1;
INSERT INTO public.archive VALUES (40, 'goes on');
SELECT dbsync.run_once('client');
SELECT state, held_for, next_action FROM dbsync.table_status WHERE subscription = 'client' AND "table" = 'public.customer'::regclass;
\c :target
SELECT id, v FROM public.inserted WHERE id = 40;
\c :source
UPDATE public.customer SET email = 'abcd' WHERE id = 1;
SELECT dbsync.resume_table('client', 'public.customer');
SELECT dbsync.run_once('client');
SELECT dbsync.alter_table('client', 'public.customer', columns => '{id,"name AS full_name","10 / nullif(length(email) - 3, 0) AS size"}');
\i sql/include/same_selection.psql
SELECT state, held_for FROM dbsync.table_status WHERE subscription = 'client' AND "table" = 'public.customer'::regclass;

SELECT dbsync.drop_subscription(s.name) FROM dbsync.subscription s;
SELECT dbsync.drop_target('chosen_target');
ALTER DATABASE :"source" RESET dbsync.copy_chunk_rows;
SET client_min_messages = warning;
DROP TABLE public.country, public.kept, public.customer, public.parted, public.parted_1, public.keyless, public.named, public.parent, public.child, public.archive, public.serial;
DROP FUNCTION public.mask, public.long;
DROP TYPE public.mood;
DROP DATABASE :target;

-- Tables of which something was chosen are altered at the source.
\set QUIET on
\i sql/include/target.psql
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE TABLE public.chosen (id int PRIMARY KEY, gone int, a text, b text, n int, big text);
ALTER TABLE public.chosen DROP COLUMN gone, ALTER big SET STORAGE EXTERNAL;
INSERT INTO public.chosen SELECT i, 'a' || i, 'b' || i, i, repeat('x', 3000) FROM generate_series(1, 20) i;
CREATE TABLE public.filtered (LIKE public.chosen, PRIMARY KEY (id));
INSERT INTO public.filtered SELECT * FROM public.chosen;
CREATE TABLE public.quiet (id int PRIMARY KEY);
CREATE TABLE public.place (code int, name text);
INSERT INTO public.place SELECT i, 'place ' || i FROM generate_series(1, 100) i;
CREATE FUNCTION public.mask(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT left($1, 1) || '***'$$;
\c :target
SET client_min_messages = warning;
CREATE SCHEMA w;
CREATE SCHEMA a;
CREATE SCHEMA i;
CREATE TABLE w.chosen (number int PRIMARY KEY, a text, masked text, n int);
CREATE TABLE a.chosen (LIKE w.chosen, PRIMARY KEY (number));
CREATE TABLE i.chosen (LIKE w.chosen, PRIMARY KEY (number));
CREATE TABLE w.filtered (id int PRIMARY KEY, a text, b text, n int, big text);
CREATE TABLE a.filtered (LIKE w.filtered, PRIMARY KEY (id));
CREATE TABLE i.filtered (LIKE w.filtered, PRIMARY KEY (id));
CREATE TABLE w.quiet (id int PRIMARY KEY);
\c :source
SET client_min_messages = warning;
SELECT dbsync.create_target('ddl_target', :'uri');
SELECT dbsync.create_subscription(left(ddl, 1), 'ddl_target', ddl => ddl) FROM unnest('{wait,apply,ignore}'::text[]) ddl;
SELECT dbsync.add_table(s, 'public.chosen', s || '.chosen', columns => '{"id AS number",a,"mask(b) AS masked",n}', filter => 'id % 5 <> 0 AND id <> 102')
FROM unnest('{w,a,i}'::name[]) s;
SELECT dbsync.add_table(s, 'public.filtered', s || '.filtered', filter => $$n % 5 <> 0 AND left(big, 1) = 'x'$$) FROM unnest('{w,a,i}'::name[]) s;
SELECT dbsync.add_table('w', 'public.quiet', 'w.quiet');
-- what is held of which subscription, and why; sends what is pending
CREATE FUNCTION public.send(name) RETURNS text LANGUAGE plpgsql AS $$BEGIN
    RETURN CASE WHEN dbsync.run_once($1) >= 0 THEN 'sent' END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;
RESET client_min_messages;
\set ECHO none
\o /dev/null
SELECT dbsync.run_once(s) FROM unnest('{w,a,i}'::name[]) s;
\o
\set ECHO all

-- columns come and are renamed; what was chosen goes on, under the names that it has there
ALTER TABLE public.chosen ADD COLUMN more int DEFAULT 7;
ALTER TABLE public.chosen RENAME COLUMN a TO aa;
ALTER TABLE public.chosen RENAME COLUMN b TO bb;
ALTER TABLE public.chosen RENAME COLUMN id TO key;
ALTER TABLE public.chosen DROP COLUMN big;
ALTER TABLE public.chosen ALTER COLUMN aa SET DEFAULT 'new', ALTER COLUMN more SET NOT NULL;
UPDATE public.chosen SET aa = 'renamed', bb = 'changed' WHERE key < 4;
INSERT INTO public.chosen VALUES (101, 'a', 'b', 1), (102, 'a', 'b', 5);
SELECT s, send(s) FROM unnest('{w,a,i}'::name[]) s;
SELECT subscription, "table", held_for, next_action FROM dbsync.table_status WHERE state = 'held' ORDER BY 1, "table"::text;
\c :target
SELECT * FROM w.chosen WHERE number IN (1, 2, 3, 4, 101, 102) ORDER BY 1;
ALTER TABLE w.chosen ALTER COLUMN a SET DEFAULT 'new';
SELECT 'a differs' FROM ((SELECT * FROM w.chosen EXCEPT SELECT * FROM a.chosen) UNION ALL (SELECT * FROM a.chosen EXCEPT SELECT * FROM w.chosen)) d LIMIT 1;
SELECT 'i differs' FROM ((SELECT * FROM w.chosen EXCEPT SELECT * FROM i.chosen) UNION ALL (SELECT * FROM i.chosen EXCEPT SELECT * FROM w.chosen)) d LIMIT 1;
SELECT table_schema, column_name, data_type, column_default, is_nullable FROM information_schema.columns WHERE table_name = 'chosen' AND table_schema <> 'i' ORDER BY 1, ordinal_position;
\c :source
-- names that are swapped are the same columns
ALTER TABLE public.chosen RENAME COLUMN aa TO x;
ALTER TABLE public.chosen RENAME COLUMN bb TO aa;
ALTER TABLE public.chosen RENAME COLUMN x TO bb;
UPDATE public.chosen SET bb = 'sent as a', aa = 'Masked' WHERE key < 3;
-- types and more of what was chosen
ALTER TABLE public.chosen ALTER COLUMN n TYPE bigint, ALTER COLUMN bb SET NOT NULL;
UPDATE public.chosen SET n = 5000000001 WHERE key = 4;
SELECT s, send(s) FROM unnest('{w,a,i}'::name[]) s;
SELECT subscription, "table", held_for, next_action FROM dbsync.table_status WHERE state = 'held' ORDER BY 1, "table"::text;
SELECT next_action FROM dbsync.table_status WHERE state = 'held' AND subscription = 'w' \gset
\c :target
:next_action
:next_action
ALTER TABLE i.chosen ALTER COLUMN n TYPE bigint;
\c :source
SELECT dbsync.resume_table(t.subscription, t."table") FROM dbsync.table_status t WHERE state = 'held';
SELECT s, send(s) FROM unnest('{w,a,i}'::name[]) s;
\set tab public.chosen
\c :target
SELECT * FROM w.chosen WHERE number IN (1, 2, 3, 4, 101, 102) ORDER BY 1;
SELECT 'a differs' FROM ((SELECT * FROM w.chosen EXCEPT SELECT * FROM a.chosen) UNION ALL (SELECT * FROM a.chosen EXCEPT SELECT * FROM w.chosen)) d LIMIT 1;
SELECT 'i differs' FROM ((SELECT * FROM w.chosen EXCEPT SELECT * FROM i.chosen) UNION ALL (SELECT * FROM i.chosen EXCEPT SELECT * FROM w.chosen)) d LIMIT 1;
\c :source

-- with a filter only, columns go on as without
BEGIN;
ALTER TABLE public.filtered ADD COLUMN more int DEFAULT 7;
ALTER TABLE public.filtered RENAME COLUMN n TO nn;
ALTER TABLE public.filtered RENAME COLUMN a TO aa;
ALTER TABLE public.filtered DROP COLUMN b;
COMMIT;
UPDATE public.filtered SET more = 8, nn = nn + 1 WHERE id < 8;
SELECT s, send(s) FROM unnest('{w,a,i}'::name[]) s;
SELECT subscription, "table", held_for, next_action FROM dbsync.table_status WHERE state = 'held' ORDER BY 1, "table"::text;
\c :target
SELECT id, aa, length(big) AS big, more, nn FROM a.filtered WHERE id < 9 ORDER BY 1;
SELECT id, a, b, n, length(big) AS big FROM i.filtered WHERE id < 9 ORDER BY 1;
ALTER TABLE w.filtered ADD COLUMN more int DEFAULT 7;
ALTER TABLE w.filtered RENAME COLUMN n TO nn;
ALTER TABLE w.filtered RENAME COLUMN a TO aa;
ALTER TABLE w.filtered DROP COLUMN b;
\c :source
SELECT dbsync.resume_table('w', 'public.filtered');
SELECT send('w');
\set subscription w
\set tab public.filtered
SELECT "table", held_for, next_action FROM dbsync.table_status WHERE state = 'held' ORDER BY "table"::text;
SELECT filter FROM dbsync.selections WHERE "table" = 'public.filtered'::regclass AND subscription = 'w';
\c :target
SELECT 'a differs' FROM ((SELECT id, aa, nn, more, big FROM w.filtered EXCEPT SELECT id, aa, nn, more, big FROM a.filtered) UNION ALL (SELECT id, aa, nn, more, big FROM a.filtered EXCEPT SELECT id, aa, nn, more, big FROM w.filtered)) d LIMIT 1;
\c :source

-- a column that was chosen, or is needed, goes: held from there on, and nothing else is
INSERT INTO public.quiet VALUES (1);
UPDATE public.chosen SET bb = 'before' WHERE key = 6;
ALTER TABLE public.chosen DROP COLUMN aa;
UPDATE public.chosen SET bb = 'behind' WHERE key = 7;
UPDATE public.filtered SET aa = 'before' WHERE id = 6;
ALTER TABLE public.filtered DROP COLUMN big;
UPDATE public.filtered SET aa = 'behind' WHERE id = 7;
INSERT INTO public.quiet VALUES (2);
SELECT s, send(s) FROM unnest('{w,a,i}'::name[]) s;
SELECT subscription, "table", held_for, next_action FROM dbsync.table_status WHERE state = 'held' ORDER BY 1, "table"::text;
\c :target
SELECT number, a FROM w.chosen WHERE number IN (6, 7) ORDER BY 1;
SELECT * FROM w.quiet ORDER BY 1;
\c :source
SELECT dbsync.alter_table(s, 'public.chosen', columns => '{"key AS number","bb AS a",n}', filter => 'n % 5 <> 0') FROM unnest('{w,a,i}'::name[]) s;
SELECT dbsync.alter_table(s, 'public.filtered', filter => 'nn % 5 <> 0') FROM unnest('{w,a,i}'::name[]) s;
SELECT s, send(s) FROM unnest('{w,a,i}'::name[]) s;
SELECT subscription, "table", held_for, next_action FROM dbsync.table_status WHERE state <> 'live' ORDER BY 1, "table"::text;
\c :target
ALTER TABLE w.filtered DROP COLUMN big;
\c :source
\set subscription w
\set tab public.chosen
\i sql/include/same_selection.psql
\set tab public.filtered
\i sql/include/same_selection.psql
\set subscription a
\i sql/include/same_selection.psql

-- columns of the key that were not chosen
ALTER TABLE public.chosen DROP CONSTRAINT chosen_pkey, ADD PRIMARY KEY (key, more);
UPDATE public.chosen SET bb = 'another key' WHERE key = 8;
SELECT s, send(s) FROM unnest('{w,a,i}'::name[]) s;
SELECT subscription, "table", held_for, next_action FROM dbsync.table_status WHERE state = 'held' ORDER BY 1, "table"::text;
SELECT dbsync.alter_table('w', 'public.chosen', columns => '{"key AS number","bb AS a"}');
SELECT dbsync.alter_table(s, 'public.chosen', columns => '{"key AS number","more AS n","bb AS a"}') FROM unnest('{w,a,i}'::name[]) s;
SELECT s, send(s) FROM unnest('{w,a,i}'::name[]) s;
\c :target
ALTER TABLE w.chosen DROP CONSTRAINT chosen_pkey, ADD PRIMARY KEY (number, n);
ALTER TABLE a.chosen DROP CONSTRAINT chosen_pkey, ADD PRIMARY KEY (number, n);
ALTER TABLE i.chosen DROP CONSTRAINT chosen_pkey, ADD PRIMARY KEY (number, n);
\c :source
SELECT s, send(s) FROM unnest('{w,a,i}'::name[]) s;
\set tab public.chosen
\i sql/include/same_selection.psql

-- what expressions and filter need is dropped, renamed, made another
SELECT dbsync.drop_subscription(s) FROM unnest('{a,i}'::name[]) s;
SELECT dbsync.alter_table('w', 'public.chosen', columns => '{"key AS number","more AS n","bb AS a","mask(bb) AS masked"}',
    filter => 'key IN (SELECT code FROM place)');
\set subscription w
\i sql/include/same_selection.psql
DROP FUNCTION public.mask(text);
UPDATE public.chosen SET bb = 'no function' WHERE key = 9;
INSERT INTO public.quiet VALUES (3);
SELECT send('w');
SELECT "table", held_for, next_action FROM dbsync.table_status WHERE state = 'held' ORDER BY "table"::text;
CREATE FUNCTION public.mask(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT left($1, 1) || '+++'$$;
-- another one of this name is another one
SELECT send('w');
SELECT dbsync.alter_table('w', 'public.chosen', columns => '{"key AS number","more AS n","bb AS a","mask(bb) AS masked"}',
    filter => 'key IN (SELECT code FROM place)');
\i sql/include/same_selection.psql
-- what is renamed is what it was
ALTER TABLE public.place RENAME TO places;
ALTER TABLE public.places RENAME COLUMN code TO number;
UPDATE public.chosen SET bb = 'renamed there' WHERE key < 15;
SELECT send('w');
ALTER TABLE public.places RENAME COLUMN number TO code;
ALTER TABLE public.places RENAME TO place;
\i sql/include/same_selection.psql
-- a table that is looked into loses a column that is not read, one that is, and goes
ALTER TABLE public.place ADD more text, ADD open boolean DEFAULT true;
SELECT dbsync.alter_table('w', 'public.chosen', columns => '{"key AS number","more AS n","bb AS a","mask(bb) AS masked"}',
    filter => '(SELECT p.open FROM place p WHERE p.code = key)');
\i sql/include/same_selection.psql
ALTER TABLE public.place DROP COLUMN more;
UPDATE public.chosen SET bb = 'not read there' WHERE key = 9;
\i sql/include/same_selection.psql
ALTER TABLE public.place ALTER COLUMN open TYPE text;
UPDATE public.chosen SET bb = 'retyped there' WHERE key = 9;
SELECT send('w');
SELECT held_for, next_action FROM dbsync.table_status WHERE state = 'held';
ALTER TABLE public.place DROP COLUMN open;
SELECT send('w');
SELECT held_for, next_action FROM dbsync.table_status WHERE state = 'held';
SELECT dbsync.alter_table('w', 'public.chosen', filter => 'key IN (SELECT code FROM place)');
\i sql/include/same_selection.psql
ALTER TABLE public.place RENAME TO place_before;
CREATE TABLE public.place AS TABLE public.place_before;
DROP TABLE public.place_before;
UPDATE public.chosen SET bb = 'dropped there' WHERE key = 9;
INSERT INTO public.quiet VALUES (4);
SELECT send('w');
SELECT "table", held_for, next_action FROM dbsync.table_status WHERE state = 'held';
\c :target
TABLE w.quiet ORDER BY 1;
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.alter_table('w', 'public.chosen', filter => 'key IN (SELECT code FROM place)');
\i sql/include/same_selection.psql
CREATE OR REPLACE FUNCTION public.mask(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 1 / 0 || $1$$;
UPDATE public.chosen SET bb = 'fails' WHERE key = 9;
SELECT send('w');
SELECT "table", held_for, next_action FROM dbsync.table_status WHERE state = 'held' ORDER BY "table"::text;
\c :target
SELECT * FROM w.quiet ORDER BY 1;
\c :source
SELECT dbsync.alter_table('w', 'public.chosen', columns => '{"key AS number","more AS n","bb AS a"}');
\i sql/include/same_selection.psql
-- a table that goes
UPDATE public.chosen SET bb = 'last';
DROP TABLE public.chosen;
SELECT send('w');
\c :target
SELECT DISTINCT a FROM w.chosen WHERE n IS NOT NULL;
\c :source
SELECT "table", state FROM dbsync.table_status ORDER BY "table"::text;
-- and one whose rows wait: the filter needs values that an UPDATE has left, and they have gone with it
\c :target
CREATE TABLE w.large (id int PRIMARY KEY, v text, big text);
CREATE TABLE w.small (id int PRIMARY KEY, v text, big text);
CREATE TABLE w.other (id int PRIMARY KEY, v text);
\c :source
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE TABLE public.large (id int PRIMARY KEY, v text, big text);
ALTER TABLE public.large ALTER big SET STORAGE EXTERNAL;
CREATE TABLE public.small (LIKE public.large INCLUDING ALL);
INSERT INTO public.large SELECT i, 'v', repeat('x', 3000) FROM generate_series(1, 6) i;
INSERT INTO public.small TABLE public.large;
CREATE TABLE public.other (LIKE public.large INCLUDING ALL);
INSERT INTO public.other TABLE public.large;
SELECT dbsync.add_table('w', 'public.large', 'w.large', filter => $$left(big, 1) = 'x'$$);
SELECT dbsync.add_table('w', 'public.small', 'w.small', filter => $$left(big, 1) = 'x'$$);
SELECT dbsync.add_table('w', 'public.other', 'w.other', columns => '{id,v}', filter => $$v <> 'gone'$$);
SELECT send('w');
UPDATE public.large SET v = 'sent' WHERE id = 1;
SELECT send('w');
DELETE FROM public.large WHERE id = 2;
UPDATE public.large SET v = 'left' WHERE id = 3;
-- of this one nothing is missing: what an UPDATE left goes, or comes
UPDATE public.small SET v = 'left' WHERE id < 3;
DELETE FROM public.small WHERE id = 1;
UPDATE public.small SET big = 'x comes' WHERE id = 2;
UPDATE public.small SET v = 'whole', big = 'leaves' WHERE id = 4;
-- nor of this one, of which it is not needed
UPDATE public.other SET v = 'left' WHERE id < 3;
UPDATE public.other SET v = 'gone' WHERE id = 4;
INSERT INTO public.quiet VALUES (5);
DROP TABLE public.large, public.small, public.other;
SELECT regexp_replace(send('w'), '\d{4,}', 'an oid', 'g');
SELECT target_table, state, regexp_replace("table"::text, '\d{4,}', 'an oid') AS "table", held_for, regexp_replace(next_action, '\d{4,}', 'an oid') AS next_action
FROM dbsync.table_status WHERE state <> 'live';
\c :target
SELECT id, v, length(big) FROM w.large ORDER BY id;
SELECT id, v, length(big) FROM w.small ORDER BY id;
TABLE w.other ORDER BY id;
TABLE w.quiet ORDER BY 1;
\c :source
\set SHOW_CONTEXT never
SELECT replace(next_action, '...', quote_literal('w')) AS remove FROM dbsync.table_status WHERE state = 'held' \gset
SELECT rtrim(substring(:'remove', 'SELECT.*$'), '.') AS remove \gset
:remove;
SELECT send('w');
SELECT "table", state FROM dbsync.table_status ORDER BY "table"::text;

-- a table that gets a large column, and whose rows go without a word: what an UPDATE did to one that is gone is missed
\c :target
CREATE SCHEMA IF NOT EXISTS k;
CREATE TABLE k.keeps (id int PRIMARY KEY, n int);
CREATE TABLE k.chosen (id int PRIMARY KEY, n int);
CREATE TABLE k.quiet (id int PRIMARY KEY);
\c :source
\set SHOW_CONTEXT never
CREATE TABLE public.keeps (id int PRIMARY KEY, n int);
INSERT INTO public.keeps SELECT i, i FROM generate_series(1, 4) i;
SELECT dbsync.create_subscription('k', 'ddl_target', ddl => 'apply');
SELECT dbsync.create_subscription('c', 'ddl_target', ddl => 'apply');
SELECT dbsync.add_table('k', 'public.keeps', 'k.keeps', operations => '{insert,update}', filter => 'n > 0');
SELECT dbsync.add_table('k', 'public.quiet', 'k.quiet');
SELECT dbsync.add_table('c', 'public.keeps', 'k.chosen', operations => '{insert,update}', columns => '{id,n}', filter => 'n > 0');
SELECT send(s) FROM unnest('{k,c}'::name[]) s;
ALTER TABLE public.keeps ADD COLUMN big text;
ALTER TABLE public.keeps ALTER big SET STORAGE EXTERNAL;
UPDATE public.keeps SET big = repeat('x', 3000);
SELECT send(s) FROM unnest('{k,c}'::name[]) s;
UPDATE public.keeps SET n = n + 10 WHERE id < 3;
SELECT send(s) FROM unnest('{k,c}'::name[]) s;
UPDATE public.keeps SET n = n + 100 WHERE id < 3;
DELETE FROM public.keeps WHERE id = 2;
INSERT INTO public.quiet VALUES (6);
SELECT send(s) FROM unnest('{k,c}'::name[]) s;
SELECT held_for, next_action FROM dbsync.table_status WHERE state = 'held';
SELECT dbsync.alter_table('k', 'public.keeps', columns => '{id,n}');
SELECT send('k');
\c :target
SELECT id, n, length(big) FROM k.keeps ORDER BY id;
-- of this one no large value is needed: it has what the row was last
TABLE k.chosen ORDER BY id;
SELECT max(id) FROM k.quiet;
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.drop_subscription(s) FROM unnest('{k,c}'::name[]) s;
SELECT dbsync.drop_subscription('w');
SELECT dbsync.drop_target('ddl_target');
SET client_min_messages = warning;
DROP TABLE public.keeps;
SET client_min_messages = warning;
DROP TABLE public.filtered, public.quiet, public.place;
DROP FUNCTION public.mask, public.send;
DROP DATABASE :target;

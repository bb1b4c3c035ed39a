-- Values that rows get in new columns, as text that means the same at the target: not a part
-- of the statement, and not of another type than it was written as.
\set QUIET on
\i sql/include/target.psql
\set subscription ddl

CREATE TABLE public.texts (id int PRIMARY KEY, n int DEFAULT 5);
CREATE TABLE public.zoned (id int PRIMARY KEY, at timestamp);
CREATE TABLE public.counted (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int);
\c :target
CREATE TABLE public.texts (id int PRIMARY KEY, n int DEFAULT 5);
CREATE TABLE public.zoned (id int PRIMARY KEY, at timestamp);
CREATE TABLE public.counted (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int);
CREATE TABLE public.called (by text);
CREATE FUNCTION public.called() RETURNS boolean LANGUAGE sql AS 'INSERT INTO public.called VALUES (current_user) RETURNING false';
\c :source
SELECT dbsync.create_target('ddl_target', :'uri');
SELECT dbsync.create_subscription('ddl', 'ddl_target', tables => ARRAY['public.texts', 'public.counted'], ddl => 'apply');
SELECT dbsync.create_subscription('zones', 'ddl_target', tables => ARRAY['public.zoned'], ddl => 'wait');
INSERT INTO public.texts SELECT i FROM generate_series(1, 3) i;
INSERT INTO public.counted (n) SELECT i FROM generate_series(1, 3) i;
INSERT INTO public.zoned SELECT i, '2001-01-01' FROM generate_series(1, 3) i;
SELECT dbsync.run_once('ddl'), dbsync.run_once('zones');

-- what looks like SQL is a value, where the target has the column already
\c :target
ALTER TABLE public.texts ADD COLUMN w text DEFAULT ' WHERE public.called()) --', ADD COLUMN " WHERE " text DEFAULT 'a WHERE b';
\c :source
ALTER TABLE public.texts ADD COLUMN w text DEFAULT ' WHERE public.called()) --', ADD COLUMN " WHERE " text DEFAULT 'a WHERE b';
\set tab public.texts
\i sql/include/same_table.psql
\c :target
SELECT * FROM public.called;
\c :source

-- a column that is of another type before anybody has written to it: conversion, not the old text
BEGIN;
ALTER TABLE public.texts ADD COLUMN f boolean DEFAULT true, ADD COLUMN c char(5) DEFAULT 'a', ADD COLUMN fl float8 DEFAULT 1.5;
ALTER TABLE public.texts ADD COLUMN other int DEFAULT 3;
ALTER TABLE public.texts ALTER COLUMN f TYPE text, ALTER COLUMN c TYPE text, ALTER COLUMN fl TYPE int;
COMMIT;
SELECT * FROM public.texts ORDER BY id LIMIT 1;
\i sql/include/same_table.psql

-- elements that are parted by something else than commas; arrays, and what they would quote
ALTER TABLE public.texts ADD COLUMN b box DEFAULT '(1,1),(0,0)', ADD COLUMN bs box[] DEFAULT '{(1,1),(0,0);(2,2),(0,0)}',
    ADD COLUMN a int[] DEFAULT '{{1,2},{3,4}}', ADD COLUMN q text DEFAULT E'"{\\', ADD COLUMN e text DEFAULT '', ADD COLUMN nul text DEFAULT 'NULL';
\i sql/include/same_table.psql

-- a default survives a table that is copied anew
ALTER TABLE public.texts ALTER COLUMN n TYPE bigint USING n * 2;
\i sql/include/same_table.psql

-- nor is one sent that would do something as whoever inserts there
ALTER TABLE public.texts ALTER COLUMN w SET DEFAULT query_to_xml('SELECT public.called()', false, false, '')::text;
SELECT dbsync.run_once('ddl');
\c :target
INSERT INTO public.texts (id) VALUES (1000) RETURNING w;
DELETE FROM public.texts WHERE id = 1000;
SELECT * FROM public.called;
\c :source
ALTER TABLE public.texts ALTER COLUMN w SET DEFAULT gen_random_uuid()::text;
\i sql/include/same_table.psql
-- an identity that is copied anew as another type
\set tab public.counted
ALTER TABLE public.counted ALTER COLUMN id TYPE int USING id + 100;
\i sql/include/same_table.psql

-- timestamp becomes timestamptz without being written anew where it is UTC; it is not everywhere
SET "TimeZone" = 'UTC';
ALTER TABLE public.zoned ALTER COLUMN at TYPE timestamptz;
SELECT dbsync.run_once('zones');
\c :target
SET "TimeZone" = 'America/New_York';
ALTER TABLE public.zoned ALTER COLUMN at TYPE timestamptz;
\c :source
SELECT dbsync.resume_table('zones', 'public.zoned');
\set subscription zones
\set tab public.zoned
\i sql/include/same_table.psql

SELECT dbsync.drop_subscription('ddl'), dbsync.drop_subscription('zones');
SELECT dbsync.drop_target('ddl_target');
DROP TABLE public.texts, public.zoned, public.counted;

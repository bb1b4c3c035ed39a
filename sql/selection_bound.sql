-- What was chosen means what it meant when it was given, whatever has its names later; and where that cannot be, the
-- table waits.
\set QUIET on
\i sql/include/target.psql
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE TABLE public.worked (id int PRIMARY KEY, v text);
INSERT INTO public.worked VALUES (1, 'one'), (2, 'two'), (3, 'three');
CREATE TABLE public.looked_up (v text, name text, alt text);
INSERT INTO public.looked_up VALUES ('one', 'eins', 'uno'), ('two', 'zwei', 'due');
CREATE FUNCTION public.mask(anyelement) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'masked ' || $1$$;
CREATE FUNCTION public.plus(int, int DEFAULT 1) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
CREATE TABLE public.typed (id int PRIMARY KEY, n numeric(10,2));
INSERT INTO public.typed SELECT i, i * 0.3 FROM generate_series(1, 20) i;
CREATE TABLE public.parted (id int NOT NULL, k int NOT NULL, w int, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES FROM (0) TO (10);
CREATE TABLE public.parted_2 PARTITION OF public.parted FOR VALUES FROM (10) TO (20);
INSERT INTO public.parted SELECT i, i % 20, (i * 7) % 20 FROM generate_series(1, 100) i;
\c :target
SET client_min_messages = warning;
CREATE TABLE public.worked (id int PRIMARY KEY, m text, p int, name text);
CREATE TABLE public.typed (id int PRIMARY KEY);
CREATE TABLE public.parted (id int, k int, w int, PRIMARY KEY (id, k));
\c :source
SET client_min_messages = warning;
SELECT dbsync.create_target('bound_target', :'uri');
SELECT dbsync.create_subscription('bound', 'bound_target', on_partition_drop => 'delete');
SELECT dbsync.add_table('bound', 'public.worked', columns => ARRAY['id', 'mask(v) AS m', 'plus(id) AS p',
    '(SELECT l.name FROM looked_up l WHERE l.v = worked.v) AS name'], filter => 'v IN (SELECT l.v FROM looked_up l)');
SELECT dbsync.run_once('bound') >= 0;

-- better matches, other tables and columns under the names; what was meant goes on
CREATE FUNCTION public.mask(text) RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN 'another function'; END$$;
CREATE FUNCTION public.plus(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT -1';
ALTER TABLE public.looked_up RENAME COLUMN name TO x;
ALTER TABLE public.looked_up RENAME COLUMN alt TO name;
ALTER TABLE public.looked_up RENAME TO was_looked_up;
CREATE TABLE public.looked_up (v text, name text, alt text);
UPDATE public.worked SET v = 'two' WHERE id = 3;
UPDATE public.worked SET v = v;
SELECT dbsync.run_once('bound') >= 0;
\c :target
TABLE public.worked ORDER BY id;
\c :source
-- one that goes is missed; what is there by its name is another one
ALTER FUNCTION public.mask(anyelement) RENAME TO was_mask;
UPDATE public.worked SET v = v;
SELECT dbsync.run_once('bound') >= 0;
DROP FUNCTION public.was_mask;
UPDATE public.worked SET v = v;
SELECT dbsync.run_once('bound');
SELECT state, next_action FROM dbsync.table_status WHERE "table" = 'public.worked'::regclass;
SELECT dbsync.alter_table('bound', 'public.worked', columns => ARRAY['id', 'mask(v) AS m'], filter => 'true');
SELECT dbsync.alter_table('bound', 'public.worked', columns => ARRAY['id', 'lower(v) AS m'], filter => 'true');
SELECT dbsync.run_once('bound') >= 0;

-- a column that the filter reads becomes another: what it says of rows that are there may be, too
SELECT dbsync.add_table('bound', 'public.typed', columns => '{id}', filter => 'n = 3');
SELECT dbsync.run_once('bound') >= 0;
ALTER TABLE public.typed ALTER n TYPE numeric(10,0);
UPDATE public.typed SET n = n WHERE id = 1;
SELECT dbsync.run_once('bound');
SELECT state, held_for FROM dbsync.table_status WHERE "table" = 'public.typed'::regclass;
SELECT dbsync.alter_table('bound', 'public.typed', filter => 'n = 3');
SELECT dbsync.run_once('bound') >= 0;
\c :target
TABLE public.typed ORDER BY id;
\c :source

-- a partition's bound goes by the names of the source
SELECT dbsync.add_table('bound', 'public.parted', columns => '{id,k,w}');
SELECT dbsync.run_once('bound') >= 0;
ALTER TABLE public.parted RENAME k TO x;
ALTER TABLE public.parted RENAME w TO k;
ALTER TABLE public.parted RENAME x TO w;
SELECT dbsync.run_once('bound') >= 0;
TRUNCATE public.parted_1;
SELECT dbsync.run_once('bound');
SELECT state, next_action FROM dbsync.table_status WHERE "table" = 'public.parted'::regclass;
\c :target
ALTER TABLE public.parted RENAME k TO x;
ALTER TABLE public.parted RENAME w TO k;
ALTER TABLE public.parted RENAME x TO w;
\c :source
SELECT dbsync.alter_table('bound', 'public.parted', columns => '{id,k,w}');
SELECT dbsync.run_once('bound') >= 0;
DROP TABLE public.parted_2;
INSERT INTO public.parted VALUES (1, 5, 5);
SELECT dbsync.run_once('bound') >= 0;
TABLE public.parted ORDER BY id;
\c :target
TABLE public.parted ORDER BY id;
\c :source
SELECT dbsync.drop_subscription('bound');
SELECT dbsync.drop_target('bound_target');
DROP TABLE public.worked, public.typed, public.parted, public.looked_up, public.was_looked_up;
DROP FUNCTION public.mask(text), public.plus(int, int), public.plus(int);
DROP DATABASE :"target";

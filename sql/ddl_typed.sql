-- Tables of a composite type, whose columns come and go with it: what the target needs is a
-- change of the type there, which somebody else has to make.
\set QUIET on
\i sql/include/target.psql
\set subscription ddl
\set tab public.typed

CREATE TYPE public.row_type AS (id int, v text);
CREATE TABLE public.typed OF public.row_type (PRIMARY KEY (id));
\c :target
CREATE TYPE public.row_type AS (id int, v text);
CREATE TABLE public.typed OF public.row_type (PRIMARY KEY (id));
\c :source
SELECT dbsync.create_target('ddl_target', :'uri');
SELECT dbsync.create_subscription('ddl', 'ddl_target', tables => ARRAY['public.typed']);
INSERT INTO public.typed VALUES (1, 'one');
SELECT dbsync.run_once('ddl');
ALTER TYPE public.row_type ADD ATTRIBUTE w int CASCADE, ALTER ATTRIBUTE id TYPE bigint CASCADE;
INSERT INTO public.typed VALUES (5000000000, 'two', 2);
ALTER TYPE public.row_type RENAME ATTRIBUTE v TO label CASCADE;
INSERT INTO public.typed VALUES (3, 'three', 3);
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
\c :source
SELECT dbsync.resume_table('ddl', 'public.typed');
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
\c :source
SELECT dbsync.resume_table('ddl', 'public.typed');
\i sql/include/same_table.psql

-- with apply, too; what is the table's alone is made
SELECT dbsync.alter_subscription('ddl', ddl => 'apply');
ALTER TABLE public.typed ALTER w SET DEFAULT 4, ALTER label SET NOT NULL;
INSERT INTO public.typed (id, label) VALUES (4, 'four');
\i sql/include/same_table.psql
ALTER TYPE public.row_type DROP ATTRIBUTE w CASCADE;
INSERT INTO public.typed VALUES (5, 'five');
ALTER TYPE public.row_type ADD ATTRIBUTE x text CASCADE;
INSERT INTO public.typed VALUES (6, 'six', 'x');
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
ALTER TYPE public.row_type DROP ATTRIBUTE IF EXISTS w CASCADE;
\c :source
SELECT dbsync.resume_table('ddl', 'public.typed');
\i sql/include/same_table.psql

-- where the type is in columns of other tables, too, the statement takes its tables along; nobody renames for them
CREATE TABLE public.whole (id int PRIMARY KEY, r public.row_type, l public.row_type[]);
\c :target
CREATE TABLE public.whole (id int PRIMARY KEY, r public.row_type, l public.row_type[]);
\c :source
SELECT dbsync.add_table('ddl', 'public.whole');
SELECT dbsync.remove_table('ddl', 'public.typed');
INSERT INTO public.whole VALUES (1, (1, 'a', 'b'));
SELECT dbsync.run_once('ddl') >= 0 AS sent;
ALTER TYPE public.row_type RENAME ATTRIBUTE x TO y CASCADE;
ALTER TYPE public.row_type DROP ATTRIBUTE label CASCADE, ADD ATTRIBUTE z int CASCADE;
INSERT INTO public.whole VALUES (2, (2, 'c', 3));
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
\c :source
SELECT dbsync.resume_table('ddl', 'public.whole');
SELECT dbsync.run_once('ddl') >= 0 AS sent;
SELECT * FROM public.whole ORDER BY id;
\c :target
SELECT * FROM public.whole ORDER BY id;
\c :source
SELECT dbsync.drop_subscription('ddl');
SELECT dbsync.drop_target('ddl_target');
DROP TABLE public.typed, public.whole;
DROP TYPE public.row_type;

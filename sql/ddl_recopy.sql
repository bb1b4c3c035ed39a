-- Where a table's rows have got values that no trigger saw, it is copied anew, and says so;
-- and a first copy goes on, or begins anew, where its table changes in the middle of it.
\set QUIET on
\i sql/include/target.psql
\set subscription ddl
\set tab public.changing

CREATE TABLE public.changing (id int PRIMARY KEY, name text, at timestamp);
CREATE TABLE public.quiet (id int PRIMARY KEY, n int);
\c :target
CREATE TABLE public.changing (id int PRIMARY KEY, name text, at timestamp);
CREATE TABLE public.quiet (id int PRIMARY KEY, n int);
\c :source
SELECT dbsync.create_target('ddl_target', :'uri');
SELECT dbsync.create_subscription('ddl', 'ddl_target', tables => ARRAY['public.changing', 'public.quiet'], ddl => 'apply');
INSERT INTO public.changing SELECT i, i, '2001-01-01' FROM generate_series(1, 5) i;
SELECT dbsync.run_once('ddl');

-- USING, a cast that depends on settings, a volatile default; rows before and behind
BEGIN;
UPDATE public.changing SET name = 100 WHERE id = 1;
ALTER TABLE public.changing ALTER COLUMN name TYPE int USING name::int + 1;
INSERT INTO public.changing VALUES (6, 6, '2001-01-06');
INSERT INTO public.quiet VALUES (1, 1);
COMMIT;
UPDATE public.changing SET name = 200 WHERE id = 2;
\i sql/include/same_table.psql
ALTER TABLE public.changing ALTER COLUMN name TYPE int USING name * 2;
\i sql/include/same_table.psql
SET timezone = 'Asia/Tokyo';
ALTER TABLE public.changing ALTER COLUMN at TYPE timestamptz;
RESET timezone;
\i sql/include/same_table.psql
ALTER TABLE public.changing ADD COLUMN chance float8 NOT NULL DEFAULT random();
INSERT INTO public.changing (id) VALUES (7);
\i sql/include/same_table.psql
-- one command that adds and rewrites
ALTER TABLE public.changing ADD COLUMN made int NOT NULL DEFAULT 3, ALTER COLUMN name TYPE bigint;
ALTER TABLE public.changing ADD COLUMN later int NOT NULL DEFAULT 4;
\i sql/include/same_table.psql
SELECT "table", state, note FROM dbsync.table_status ORDER BY 1;
SELECT * FROM public.quiet;

-- by somebody else: held, then copied anew
SELECT dbsync.alter_subscription('ddl', ddl => 'wait');
ALTER TABLE public.changing ALTER COLUMN name TYPE text USING 'no ' || name;
UPDATE public.changing SET name = 'changed' WHERE id = 1;
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
\c :source
\i sql/include/same_table.psql

-- without a copy of its own there is none to begin anew
SELECT dbsync.remove_table('ddl', 'public.changing');
SELECT dbsync.add_table('ddl', 'public.changing', copy_data => false);
SELECT dbsync.run_once('ddl');
ALTER TABLE public.changing ALTER COLUMN made TYPE int USING made + 1;
SELECT dbsync.run_once('ddl');
SELECT held_for, next_action FROM dbsync.table_status WHERE state = 'held';
SELECT dbsync.copy_table('ddl', 'public.changing', existing_rows => 'truncate');
\i sql/include/same_table.psql

SELECT dbsync.drop_subscription('ddl');
SELECT dbsync.drop_target('ddl_target');
DROP TABLE public.changing, public.quiet;

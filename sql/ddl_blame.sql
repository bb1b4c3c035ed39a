-- What the target refuses of one table's rows comes to light as it is told of another one's change, which goes
-- behind them: it is not that one which is held.
\set QUIET on
\i sql/include/target.psql
\set subscription ddl
\set SHOW_CONTEXT never

CREATE TABLE public.ahead (id int PRIMARY KEY, v int);
CREATE TABLE public.changing (id int PRIMARY KEY, v int);
\c :target
CREATE TABLE public.ahead (id int PRIMARY KEY, v int CONSTRAINT small CHECK (v < 100));
CREATE TABLE public.changing (id int PRIMARY KEY, v int);
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.create_target('ddl_target', :'uri');
SELECT dbsync.create_subscription('ddl', 'ddl_target', tables => ARRAY['public.ahead', 'public.changing'], ddl => 'apply');
SELECT dbsync.run_once('ddl');
BEGIN;
INSERT INTO public.ahead VALUES (1, 1), (2, 200);
INSERT INTO public.changing VALUES (1, 1);
ALTER TABLE public.changing ADD COLUMN more int DEFAULT 5;
INSERT INTO public.changing VALUES (2, 2, 2);
COMMIT;
SELECT dbsync.run_once('ddl');
SELECT "table", state, held_for FROM dbsync.table_status ORDER BY "table"::text;
\c :target
SELECT count(*) FROM public.changing;
ALTER TABLE public.ahead DROP CONSTRAINT small;
\c :source
\set SHOW_CONTEXT never
\set tab public.ahead
\i sql/include/same_table.psql
\set tab public.changing
\i sql/include/same_table.psql
SELECT "table", state, held_for FROM dbsync.table_status ORDER BY "table"::text;
SELECT dbsync.drop_subscription('ddl');
SELECT dbsync.drop_target('ddl_target');
DROP TABLE public.ahead, public.changing;

-- Shapes that a table has no more are dropped, with their segments and turns, when all who
-- want its rows have passed them: never before, though nothing was ever written there (A1).
\set QUIET on
\i sql/include/target.psql
\set subscription one
SELECT format('ALTER DATABASE %I SET dbsync.retention_interval = ''10ms''', :'source') AS often \gset
:often;
\c -
CREATE TABLE public.old (id int PRIMARY KEY, v text);
CREATE TABLE public.other (id int PRIMARY KEY, v text);
\c :target
CREATE TABLE public.old (id int PRIMARY KEY, v text);
CREATE TABLE public.old2 (id int PRIMARY KEY, v text);
CREATE TABLE public.other (id int PRIMARY KEY, v text);
\c :source
SELECT dbsync.create_target('retention_target', :'uri');
SELECT dbsync.create_subscription('one', 'retention_target', tables => ARRAY['public.old', 'public.other'], ddl => 'apply');
SELECT dbsync.create_subscription('two', 'retention_target', ddl => 'apply');
SELECT dbsync.add_table('two', 'public.old', target_table => 'public.old2');
SELECT dbsync.run_once('one'), dbsync.run_once('two');
CREATE VIEW kept AS
    SELECT (SELECT count(*) FROM dbsync.shape h WHERE h.captured_id = c.id) AS shapes,
        (SELECT count(*) FROM dbsync.segment s WHERE s.captured_id = c.id) AS segments,
        (SELECT count(*) FROM dbsync.turn t WHERE t.captured_id = c.id) AS turns
    FROM dbsync.captured_table c WHERE c.relid = 'public.old'::regclass;
-- few rows, which headers take along, and none at all
INSERT INTO public.old VALUES (1, 'first shape');
ALTER TABLE public.old ADD COLUMN a int DEFAULT 1;
ALTER TABLE public.old ADD COLUMN b int DEFAULT 2;
INSERT INTO public.old VALUES (2, 'third shape');
SELECT * FROM kept;
SELECT dbsync.run_once('one');
INSERT INTO public.other VALUES (1);
SELECT dbsync.run_once('one');
INSERT INTO public.other VALUES (2);
SELECT dbsync.run_once('one');
-- the other one has yet to come past them
SELECT * FROM kept;
SELECT dbsync.run_once('two');
INSERT INTO public.other VALUES (3);
SELECT dbsync.run_once('two');
INSERT INTO public.other VALUES (4);
SELECT dbsync.run_once('two') FROM generate_series(1, 3);
INSERT INTO public.other VALUES (5);
SELECT dbsync.run_once('one') FROM generate_series(1, 3);
SELECT * FROM kept;
SELECT * FROM public.old ORDER BY id;
\c :target
SELECT * FROM public.old ORDER BY id;
SELECT * FROM public.old2 ORDER BY id;
\c :source
-- a table that nobody has emptied goes with its shape, and what it had can be had no more
SELECT c.discarded IS NOT NULL AS noted FROM dbsync.captured_table c WHERE c.relid = 'public.old'::regclass;
-- segments that are gone before their time are missed, and nothing is passed over
INSERT INTO public.old VALUES (3, 'lost');
ALTER TABLE public.old DROP COLUMN a;
SELECT dbsync_internal.drop_shape(min(h.id)) FROM dbsync.shape h JOIN dbsync.captured_table c ON c.id = h.captured_id WHERE c.relid = 'public.old'::regclass;
\set VERBOSITY sqlstate
SELECT dbsync.run_once('one');
\set VERBOSITY default
SELECT regexp_replace(dbsync.copy_table('one', 'public.old')::text, '.', '');
SELECT regexp_replace(dbsync.copy_table('two', 'public.old')::text, '.', '');
SELECT dbsync.run_once('one') > 0, dbsync.run_once('two') > 0;
SELECT * FROM public.old ORDER BY id;
\c :target
SELECT * FROM public.old ORDER BY id;
SELECT * FROM public.old2 ORDER BY id;
\c :source
SELECT dbsync.drop_subscription('one');
SELECT dbsync.drop_subscription('two');
SELECT dbsync.drop_target('retention_target');
SELECT format('ALTER DATABASE %I RESET dbsync.retention_interval', :'source') AS usual \gset
:usual;
SET client_min_messages = warning;
DROP VIEW kept;
DROP TABLE public.old, public.other;
\c postgres
DROP DATABASE :target;

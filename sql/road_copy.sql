-- First copies: rows that are there already, chunks, tables added later, copies made anew.
\set QUIET on
\i sql/include/target.psql

-- chunks of three rows (workers read their database's settings)
ALTER DATABASE :"source" SET dbsync.copy_chunk_rows = 3;
CREATE TABLE public.chunky (a text, b int, v text, PRIMARY KEY (b, a));
INSERT INTO public.chunky SELECT chr(64 + g % 5), g / 3, 'v' || g FROM generate_series(1, 20) g;
CREATE TABLE public.late (id int PRIMARY KEY, v text);
INSERT INTO public.late VALUES (1, 'early'), (2, 'bird');
\c :target
CREATE TABLE public.chunky (a text, b int, v text, PRIMARY KEY (b, a));
CREATE TABLE public.late (id int PRIMARY KEY, v text);
INSERT INTO public.late VALUES (2, 'stale'), (9, 'extra');
\c :source
SELECT dbsync.create_target('copy_target', :'uri');
SELECT dbsync.create_subscription('copies', 'copy_target', tables => ARRAY['public.chunky']);
SELECT dbsync.run_once('copies');
SELECT state, progress, rows_copied FROM dbsync.table_status WHERE subscription = 'copies';
SELECT md5(string_agg(a || b || v, ',' ORDER BY a, b)) FROM public.chunky;
\c :target
SELECT count(*), md5(string_agg(a || b || v, ',' ORDER BY a, b)) FROM public.chunky;
\c :source

-- a table with rows at the target is refused ...
SELECT dbsync.add_table('copies', 'public.late');
SELECT dbsync.run_once('copies');
-- ... which does not undo anything: the other table goes on as soon as it is settled
INSERT INTO public.chunky VALUES ('new', 100, 'row');
-- ... unless one says what to do: keep
SELECT dbsync.copy_table('copies', 'public.late', existing_rows => 'keep');
SELECT dbsync.run_once('copies');
\c :target
SELECT * FROM public.late ORDER BY id;
SELECT count(*) FROM public.chunky;
\c :source
-- or truncate
SELECT dbsync.copy_table('copies', 'public.late', existing_rows => 'truncate');
INSERT INTO public.late VALUES (3, 'third');
SELECT dbsync.run_once('copies');
\c :target
SELECT * FROM public.late ORDER BY id;
\c :source

-- without a copy: what comes after
SELECT dbsync.remove_table('copies', 'public.late');
INSERT INTO public.late VALUES (4, 'in between');
SELECT dbsync.add_table('copies', 'public.late', copy_data => false);
SELECT note FROM dbsync.table_status WHERE "table" = 'public.late'::regclass;
SELECT dbsync.run_once('copies');
SELECT note FROM dbsync.table_status WHERE "table" = 'public.late'::regclass;
INSERT INTO public.late VALUES (5, 'after');
DELETE FROM public.late WHERE id = 1;
SELECT dbsync.run_once('copies');
\c :target
SELECT * FROM public.late ORDER BY id;
\c :source

-- suspended: capture is off, nothing flows; copied anew, it is whole again
SELECT dbsync.suspend_table('public.late');
INSERT INTO public.late VALUES (6, 'unseen');
SELECT dbsync.run_once('copies');
SELECT state FROM dbsync.table_status WHERE "table" = 'public.late'::regclass;
SELECT dbsync.copy_table('copies', 'public.late');
SELECT dbsync.run_once('copies') > 0 AS applied;
TABLE public.late ORDER BY id;
\c :target
TABLE public.late ORDER BY id;
\c :source

-- an empty table is copied too
CREATE TABLE public.nothing (id int PRIMARY KEY);
SELECT dbsync.add_table('copies', 'public.nothing', target_table => 'public.void');
\c :target
CREATE TABLE public.void (id int PRIMARY KEY);
\c :source
SELECT dbsync.run_once('copies');
INSERT INTO public.nothing VALUES (1);
SELECT dbsync.run_once('copies');
\c :target
TABLE public.void;
\c :source
SELECT "table", target_table, state FROM dbsync.table_status WHERE subscription = 'copies' ORDER BY 1;

ALTER DATABASE :"source" RESET dbsync.copy_chunk_rows;
SELECT dbsync.drop_subscription('copies');
SELECT dbsync.drop_target('copy_target');
DROP TABLE public.chunky, public.late, public.nothing;
DROP DATABASE :target;

-- Two databases that feed each other: a table that would have to be copied anew is held, as the
-- copy would write over what was written at the other end and is still on its way.
\set QUIET on
\i sql/include/target.psql
SELECT replace(:'uri', 'regress_dbsync_target', current_database()) AS back \gset
CREATE TABLE public.both (id int PRIMARY KEY, n int);
INSERT INTO public.both SELECT i, i FROM generate_series(1, 3) i;
\c :target
CREATE EXTENSION dbsync;
CREATE TABLE public.both (id int PRIMARY KEY, n int);
\c :source
SELECT dbsync.create_target('there', :'uri');
SELECT dbsync.create_subscription('there', 'there', tables => '{public.both}', ddl => 'apply');
SELECT dbsync.run_once('there');
\c :target
SELECT dbsync.create_target('back', :'back');
SELECT dbsync.create_subscription('back', 'back', tables => '{public.both}', copy_data => false, ddl => 'apply');
SELECT dbsync.run_once('back');
INSERT INTO public.both VALUES (100, 100);
SELECT dbsync.run_once('back');
INSERT INTO public.both VALUES (2000, 2000);
UPDATE public.both SET n = 77 WHERE id = 1;
\c :source
ALTER TABLE public.both ALTER n TYPE bigint USING n + 1;
SELECT dbsync.run_once('there');
SELECT state, held_for IS NOT NULL AS why FROM dbsync.table_status;
\c :target
SELECT dbsync.run_once('back');
ALTER TABLE public.both ALTER n TYPE bigint;
\c :source
SELECT dbsync.copy_table('there', 'public.both', existing_rows => 'truncate');
SELECT dbsync.run_once('there') > 0 AS copied;
SELECT * FROM public.both ORDER BY id;
\c :target
SELECT * FROM public.both ORDER BY id;
SELECT dbsync.drop_subscription('back');
SELECT dbsync.drop_target('back');
SELECT dbsync.uninstall();
DROP EXTENSION dbsync;
\c :source
SELECT dbsync.drop_subscription('there');
SELECT dbsync.drop_target('there');
DROP TABLE public.both;

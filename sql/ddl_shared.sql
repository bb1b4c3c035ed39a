-- Tables that must be copied anew where the target table has rows of others, too: it is not emptied, and what
-- goes here meanwhile could not be told from theirs.  So the table is held.  Review of tables, A21; hazard 60.
\set QUIET on
\i sql/include/target.psql
\set subscription here

CREATE TABLE public.shard (id int PRIMARY KEY, n int);
\c :target
CREATE TABLE public.shard (id int PRIMARY KEY, n int);
INSERT INTO public.shard SELECT i, -i FROM generate_series(101, 105) i;
\c :source
SELECT dbsync.create_target('shared', :'uri');
SELECT dbsync.create_subscription('here', 'shared', tables => ARRAY['public.shard'], existing_rows => 'keep', ddl => 'apply');
INSERT INTO public.shard SELECT i, i FROM generate_series(1, 5) i;
SELECT dbsync.run_once('here') > 0 AS copied;
BEGIN;
UPDATE public.shard SET n = 10 WHERE id = 1;
ALTER TABLE public.shard ALTER COLUMN n TYPE bigint USING n + 1000;
DELETE FROM public.shard WHERE id = 2;
COMMIT;
INSERT INTO public.shard VALUES (6, 6);
SELECT dbsync.run_once('here');
SELECT state, held_for, next_action FROM dbsync.table_status;
\c :target
SELECT * FROM public.shard ORDER BY id;
ALTER TABLE public.shard ALTER COLUMN n TYPE bigint;
\c :source
SELECT dbsync.copy_table('here', 'public.shard', existing_rows => 'keep');
SELECT dbsync.run_once('here') > 0 AS copied;
SELECT * FROM public.shard ORDER BY id;
\c :target
SELECT * FROM public.shard ORDER BY id;
DELETE FROM public.shard WHERE id = 2;
\c :source
-- what needs no copy goes on by itself: rows of others get what a column was added with
ALTER TABLE public.shard ADD COLUMN k int NOT NULL DEFAULT 1;
UPDATE public.shard SET k = 2 WHERE id = 1;
ALTER TABLE public.shard DROP CONSTRAINT shard_pkey, ADD PRIMARY KEY (k, id);
DELETE FROM public.shard WHERE id = 3;
SELECT dbsync.run_once('here') > 0 AS sent;
SELECT state, held_for, next_action FROM dbsync.table_status;
\c :target
SELECT * FROM public.shard ORDER BY id;
SELECT indexdef FROM pg_indexes WHERE tablename = 'shard';
\c :source
SELECT dbsync.drop_subscription('here', force => true);
SELECT dbsync.drop_target('shared');
DROP TABLE public.shard;

-- A table whose target refuses it stands still by itself: the others go on, and it catches up.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.bent (id int PRIMARY KEY, v text, w int);
CREATE TABLE public.free (id int PRIMARY KEY, v text);
\c :target
CREATE TABLE public.bent (id int PRIMARY KEY, v text, w int);
CREATE TABLE public.free (id int PRIMARY KEY, v text);
\c :source
INSERT INTO public.bent SELECT i, 'old ' || i, i FROM generate_series(1, 20) i;
INSERT INTO public.free SELECT i, 'old ' || i FROM generate_series(1, 20) i;
SELECT dbsync.create_target('held_target', :'uri');
SELECT dbsync.create_subscription('held', 'held_target', tables => ARRAY['public.bent', 'public.free']);
SELECT dbsync.run_once('held');

-- nothing is held
SELECT dbsync.resume_table('held', 'public.bent');
SELECT "table", state, held_since, held_for, next_action FROM dbsync.table_status WHERE subscription = 'held' ORDER BY 1;

-- a column is dropped on the target
\c :target
ALTER TABLE public.bent DROP w;
\c :source
INSERT INTO public.free VALUES (21, 'before');
INSERT INTO public.bent VALUES (21, 'held', 21);
INSERT INTO public.free VALUES (22, 'behind');
UPDATE public.bent SET w = 0 WHERE id <= 5;
SELECT dbsync.run_once('held');
SELECT "table", state, held_since IS NOT NULL AS since, held_for, next_action, note FROM dbsync.table_status WHERE subscription = 'held' ORDER BY 1;
SELECT last_error, next_action ~ '^SELECT dbsync.start_subscription.*Table public.bent has been held since .* with .* of its changes: Add them' AS says
FROM dbsync.status WHERE subscription = 'held';
\c :target
SELECT count(*) AS bent FROM public.bent;
SELECT count(*) AS free FROM public.free;
SELECT id = subscription AS whole, "after" IS NOT NULL AS has_position FROM dbsync_ledger.position WHERE "after" IS NOT NULL OR relation LIKE '%bent' ORDER BY 1;
\c :source

-- whatever happens to it waits, in order; the others go on
INSERT INTO public.bent VALUES (30, 'before the truncate', 30);
INSERT INTO public.free VALUES (23, 'while held');
TRUNCATE public.bent;
INSERT INTO public.bent SELECT i, 'new ' || i, i FROM generate_series(1, 10) i;
DELETE FROM public.bent WHERE id = 3;
UPDATE public.bent SET v = 'changed' WHERE id = 4;
SELECT dbsync.run_once('held');
\c :target
SELECT count(*) AS bent FROM public.bent;
SELECT count(*) AS free FROM public.free;
\c :source

-- asking does not help, nor is somebody's word taken for what can be seen
SELECT dbsync.resume_table('held', 'public.bent', done => true);
SELECT dbsync.run_once('held');

-- it is there again, of another type; then the key is gone
\c :target
ALTER TABLE public.bent ADD w int[];
\c :source
SELECT dbsync.run_once('held');
\c :target
ALTER TABLE public.bent ALTER w TYPE int USING NULL, DROP CONSTRAINT bent_pkey;
\c :source
SELECT dbsync.run_once('held');
SELECT "table", state, held_for FROM dbsync.table_status WHERE subscription = 'held' ORDER BY 1;

-- mended: it catches up by itself, and is let go
\c :target
ALTER TABLE public.bent ADD PRIMARY KEY (id);
\c :source
SELECT dbsync.run_once('held') > 0 AS rows;
SELECT "table", state, held_since, held_for, next_action FROM dbsync.table_status WHERE subscription = 'held' ORDER BY 1;
SELECT last_error, next_action FROM dbsync.status WHERE subscription = 'held';
SELECT held, held_mark, held_since, held_for, held_action, held_done FROM dbsync.subscription_table WHERE held_asked IS NOT NULL;
TABLE public.bent ORDER BY id;
\c :target
TABLE public.bent ORDER BY id;
SELECT count(*) AS free FROM public.free;
SELECT id = subscription AS whole, "after" IS NOT NULL AS has_position FROM dbsync_ledger.position WHERE "after" IS NOT NULL OR relation LIKE '%bent' ORDER BY 1;
\c :source
INSERT INTO public.bent VALUES (11, 'after', 11);
SELECT dbsync.run_once('held');
SELECT dbsync.run_once('held');

-- the table is away; what it does in the end is refused: still only it stands
\c :target
ALTER TABLE public.bent RENAME TO away;
\c :source
INSERT INTO public.bent VALUES (12, 'bad', 12);
INSERT INTO public.free VALUES (24, 'beside');
SELECT dbsync.run_once('held');
\c :target
ALTER TABLE public.away RENAME TO bent;
ALTER TABLE public.bent ADD CONSTRAINT never_bad CHECK (v <> 'bad');
\c :source
\set VERBOSITY terse
SELECT dbsync.run_once('held');
\set VERBOSITY default
SELECT "table", state, held_for FROM dbsync.table_status WHERE subscription = 'held' ORDER BY 1;
\c :target
ALTER TABLE public.bent DROP CONSTRAINT never_bad;
\c :source
SELECT dbsync.run_once('held');

-- two of them; one is copied anew, one is taken out, and what was kept for them goes
\c :target
ALTER TABLE public.bent DROP v;
ALTER TABLE public.free DROP v;
\c :source
INSERT INTO public.bent VALUES (13, 'x', 13);
INSERT INTO public.free VALUES (25, 'x');
SELECT dbsync.run_once('held');
SELECT "table", state, held_for FROM dbsync.table_status WHERE subscription = 'held' ORDER BY 1;
SELECT dbsync.copy_table('held', 'public.bent');
SELECT dbsync.remove_table('held', 'public.free');
SELECT "table", state, held_for FROM dbsync.table_status WHERE subscription = 'held' ORDER BY 1;
SELECT count(*) FROM dbsync.segment s WHERE s.captured_id <> 0 AND NOT EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = s.captured_id);
\c :target
ALTER TABLE public.bent ADD v text;
\c :source
SELECT dbsync.run_once('held');
SELECT count(*) FROM public.bent;
\c :target
SELECT count(*) FROM public.bent;
SELECT count(*) AS held FROM dbsync_ledger.position WHERE id <> subscription AND "after" IS NOT NULL;
\c :source

-- without rights to the subscription
CREATE ROLE regress_held;
GRANT USAGE ON SCHEMA dbsync TO regress_held;
GRANT EXECUTE ON FUNCTION dbsync.resume_table(text, regclass, boolean) TO regress_held;
SET ROLE regress_held;
SELECT dbsync.resume_table('held', 'public.bent');
RESET ROLE;
SELECT dbsync.resume_table('held', 'public.free');
SELECT dbsync.resume_table('nobody', 'public.bent');

DROP OWNED BY regress_held;
DROP ROLE regress_held;
SELECT dbsync.drop_subscription('held');
SELECT dbsync.drop_target('held_target');
DROP TABLE public.bent, public.free;
DROP DATABASE :target;

-- What ends takes what was parked of it along, here and at the target; who sees what is parked; and what is said while something is.
\set QUIET on
\i sql/include/target.psql
\set VERBOSITY terse

CREATE ROLE regress_dbsync_owner;
CREATE ROLE regress_dbsync_other;
CREATE ROLE regress_dbsync_watcher IN ROLE pg_monitor;
GRANT USAGE ON SCHEMA dbsync TO regress_dbsync_owner, regress_dbsync_other, regress_dbsync_watcher;
GRANT SELECT ON dbsync.quarantine, dbsync.table_status, dbsync.status, dbsync.progress TO regress_dbsync_owner, regress_dbsync_other, regress_dbsync_watcher;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO regress_dbsync_owner, regress_dbsync_other, regress_dbsync_watcher;
GRANT CREATE ON SCHEMA public TO regress_dbsync_owner;
CREATE TABLE public.one (id int PRIMARY KEY, v text);
CREATE TABLE public.two (id int PRIMARY KEY, v text);
\c :target
CREATE TABLE public.one (id int PRIMARY KEY, v text CHECK (v NOT LIKE 'secret%'));
CREATE TABLE public.two (id int PRIMARY KEY, v text CHECK (v NOT LIKE 'secret%'));
\c :source
SELECT dbsync.create_target('ended_target', :'uri');
GRANT USAGE ON FOREIGN SERVER ended_target TO regress_dbsync_owner;
DO $$ BEGIN EXECUTE format('CREATE USER MAPPING FOR regress_dbsync_owner SERVER ended_target OPTIONS (user %L, password_required %L)', current_user, 'false'); END $$;
GRANT SELECT, TRIGGER ON public.one, public.two TO regress_dbsync_owner;
SET ROLE regress_dbsync_owner;
SELECT dbsync.create_subscription('ended', 'ended_target', tables => ARRAY['public.one', 'public.two'], on_error => 'quarantine');
RESET ROLE;
\set both 'SELECT t."table", t.quarantined, (SELECT count(*) FROM dbsync.quarantine q WHERE q."table" = t."table") AS parked FROM dbsync.table_status t ORDER BY t."table"::text'
\set there 'SELECT relation, count(*), count(DISTINCT attachment) AS attachments FROM dbsync_ledger.quarantine GROUP BY relation ORDER BY relation'

-- a first copy tells people how much is there, and not how much there is to be
INSERT INTO public.one SELECT i, CASE WHEN i % 10 = 0 THEN 'secret ' || i ELSE 'row' END FROM generate_series(1, 50) i;
INSERT INTO public.two VALUES (1, 'secret'), (2, 'row');
SELECT dbsync.run_once('ended');
SELECT "table", phase, tuples_done, tuples_excluded, percent FROM dbsync.progress WHERE subscription = 'ended' ORDER BY "table"::text;
SELECT state, last_error, next_action FROM dbsync.status WHERE subscription = 'ended';
:both;
\c :target
SELECT (SELECT count(*) FROM public.one) AS one, (SELECT count(*) FROM public.two) AS two;
:there;
\c :source

-- a stopped subscription: a table is copied anew, another taken out.  Here it is said at once; there it goes with the next batch
SELECT dbsync.copy_table('ended', 'public.one', existing_rows => 'truncate');
SELECT dbsync.remove_table('ended', 'public.two');
:both;
UPDATE public.one SET v = 'row' WHERE id <> 10;
SELECT dbsync.run_once('ended');
:both;
\c :target
:there;
\c :source
-- the same where what is refused stops all by then
UPDATE public.one SET v = 'row';
SELECT dbsync.alter_subscription('ended', on_error => 'stop');
SELECT dbsync.copy_table('ended', 'public.one', existing_rows => 'truncate');
SELECT dbsync.run_once('ended');
\c :target
:there;
SELECT count(*) FROM public.one;
\c :source
-- other columns are another copy
SELECT dbsync.alter_subscription('ended', on_error => 'quarantine');
UPDATE public.one SET v = 'secret' WHERE id IN (3, 4);
SELECT dbsync.run_once('ended');
SELECT dbsync.alter_table('ended', 'public.one', filter => 'id <> 4');
:both;
SELECT dbsync.run_once('ended');
:both;
\c :target
:there;
\c :source

-- who sees it: whoever may act for the subscription; pg_monitor sees how many, and not which
SET ROLE regress_dbsync_watcher;
SELECT * FROM dbsync.quarantine;
SELECT "table", quarantined FROM dbsync.table_status;
SELECT next_action FROM dbsync.status;
SELECT dbsync.retry('ended', 'public.one');
RESET ROLE;
SET ROLE regress_dbsync_other;
SELECT * FROM dbsync.quarantine;
SELECT * FROM dbsync.table_status;
SELECT dbsync.skip('ended', 'public.one', '{"id": 3}');
SELECT * FROM dbsync_internal.parked_row;
RESET ROLE;
SET ROLE regress_dbsync_owner;
SELECT key, "row" FROM dbsync.quarantine;
SELECT dbsync.retry('ended', 'public.one', '{"id": 4}'), dbsync.retry('ended', 'public.one', '{"id": 3}');
SELECT key, asked FROM dbsync.quarantine;
RESET ROLE;
SET ROLE regress_dbsync_other;
SELECT * FROM dbsync.quarantine;
RESET ROLE;

-- a subscription that is dropped leaves nothing
SELECT dbsync.drop_subscription('ended');
SELECT count(*) FROM dbsync_internal.parked_row;
\c :target
:there;
\c :source
-- nor does one whose target is dropped first, which cannot be
SELECT dbsync.create_subscription('again', 'ended_target', tables => ARRAY['public.two'], existing_rows => 'truncate', on_error => 'quarantine');
SELECT dbsync.run_once('again');
SELECT dbsync.drop_target('ended_target');
:both;
SELECT dbsync.drop_subscription('again');
\c :target
:there;
\c :source
SELECT dbsync.drop_target('ended_target');
DROP TABLE public.one, public.two;
DROP OWNED BY regress_dbsync_owner, regress_dbsync_other, regress_dbsync_watcher;
DROP ROLE regress_dbsync_owner, regress_dbsync_other, regress_dbsync_watcher;
DROP DATABASE :target;

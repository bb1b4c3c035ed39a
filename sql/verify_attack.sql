-- Verify and repair: keys that the target has twice, as NULL, or written otherwise; tables that the target ties by foreign
-- keys; rows that are parked; who may see rows.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.doubled (id int PRIMARY KEY, v text);
CREATE TABLE public.nulled (id int PRIMARY KEY, v text);
CREATE TABLE public.scaled (id int PRIMARY KEY, v text);
CREATE TABLE public.spelled (id int PRIMARY KEY, v text);
CREATE TABLE public.wider (id int PRIMARY KEY, v text);
CREATE TABLE public.macs (id macaddr PRIMARY KEY, v text);
CREATE TABLE public.blanks (id int PRIMARY KEY, v text);
CREATE TABLE public.parent (id int PRIMARY KEY, u int UNIQUE, v text);
CREATE TABLE public.child (id int PRIMARY KEY, parent int REFERENCES public.parent ON DELETE CASCADE);
INSERT INTO public.doubled SELECT i, 'v' || i FROM generate_series(1, 5) i;
INSERT INTO public.nulled SELECT i, 'v' || i FROM generate_series(1, 5) i;
INSERT INTO public.scaled SELECT i, 'v' || i FROM generate_series(1, 5) i;
INSERT INTO public.spelled SELECT i, 'v' || i FROM generate_series(1, 5) i;
INSERT INTO public.wider SELECT i, 'v' || i FROM generate_series(1, 5) i;
INSERT INTO public.macs VALUES ('08:00:2b:01:02:03', 'x'), ('08:00:2b:01:02:04', 'y');
INSERT INTO public.blanks VALUES (1, 'abcde   ');
INSERT INTO public.parent SELECT i, i, 'v' || i FROM generate_series(1, 10) i;
INSERT INTO public.child SELECT i, i FROM generate_series(1, 10) i;
CREATE ROLE regress_dbsync_checked LOGIN;
ALTER DATABASE :target OWNER TO regress_dbsync_checked;
\c :target
CREATE TABLE public.doubled (id int, v text);
CREATE INDEX ON public.doubled (id);
CREATE TABLE public.nulled (id int UNIQUE, v text);
CREATE TABLE public.scaled (id numeric(10,2) PRIMARY KEY, v text);
CREATE TABLE public.spelled (id text PRIMARY KEY, v text);
CREATE TABLE public.wider (id bigint PRIMARY KEY, v text);
CREATE TABLE public.macs (id macaddr8 PRIMARY KEY, v text);
CREATE TABLE public.blanks (id int PRIMARY KEY, v varchar(5));
CREATE TABLE public.parent (id int PRIMARY KEY, u int UNIQUE, v text, own text DEFAULT 'default');
CREATE TABLE public.child (id int PRIMARY KEY, parent int REFERENCES public.parent ON DELETE CASCADE);
GRANT ALL ON ALL TABLES IN SCHEMA public TO regress_dbsync_checked;
\c :source
SELECT dbsync.create_target('keys_target', :'uri');
-- by a role that cannot keep the target from checking its foreign keys
SELECT dbsync.create_target('checked_target', replace(:'uri', 'user=' || current_user, 'user=regress_dbsync_checked'));
SET client_min_messages = warning;
SELECT dbsync.create_subscription('keys', 'keys_target', tables => ARRAY['public.doubled', 'public.nulled', 'public.scaled', 'public.spelled', 'public.wider', 'public.macs', 'public.blanks']);
SELECT dbsync.create_subscription('tied', 'checked_target', tables => ARRAY['public.parent', 'public.child']);
RESET client_min_messages;
-- the ledger is his
SELECT dbsync.run_once('tied');
SELECT dbsync.run_once('keys');
SELECT "table", verdict, note FROM dbsync.verify('keys');

\c :target
INSERT INTO public.doubled VALUES (1, 'v1'), (2, 'v2');
INSERT INTO public.nulled VALUES (NULL, 'no key'), (NULL, 'no key'), (9, 'extra');
UPDATE public.scaled SET v = 'wrong' WHERE id = 1;
DELETE FROM public.scaled WHERE id = 2;
INSERT INTO public.scaled VALUES (7, 'extra'), (7.5, 'extra');
UPDATE public.spelled SET v = 'wrong' WHERE id = '1';
INSERT INTO public.spelled VALUES ('03', 'extra');
INSERT INTO public.wider VALUES (3000000000, 'extra');
UPDATE public.macs SET v = 'wrong';
\c :source
SELECT "table", verdict, missing, extra, different, note FROM dbsync.verify('keys');
SELECT "table", kind, key, here, there FROM dbsync.difference WHERE subscription = 'keys' ORDER BY "table", kind, key, there::text;
-- what cannot be sent is said
SELECT "table", verdict, repaired, note FROM dbsync.verify('keys', repair => true);
SELECT "table", verdict, missing, extra, different FROM dbsync.verify('keys');
SELECT "table", kind, key FROM dbsync.difference WHERE subscription = 'keys' ORDER BY "table", kind, key;

-- unique values that have changed places, and what hangs on these rows
\c :target
UPDATE public.parent SET own = 'kept';
UPDATE public.parent SET u = -u WHERE id IN (3, 4);
UPDATE public.parent SET u = 7 + u WHERE id IN (3, 4);
\c :source
SELECT "table", verdict, different, repaired, note FROM dbsync.verify('tied', 'public.parent', repair => true);
SELECT "table", verdict FROM dbsync.verify('tied');
\c :target
SELECT id, u, own FROM public.parent WHERE id IN (3, 4) ORDER BY id;
SELECT count(*) FROM public.child;

\c :source
-- rows that the target's types cannot hold, and which are parked: they hide nothing else, and the others are repaired
CREATE TABLE public.dated (id bigint PRIMARY KEY, v text);
\c :target
CREATE TABLE public.dated (id int PRIMARY KEY, v date);
\c :source
SELECT dbsync.create_subscription('parking', 'keys_target', tables => ARRAY['public.dated']);
SELECT dbsync.alter_subscription('parking', on_error => 'quarantine');
SELECT dbsync.run_once('parking');
INSERT INTO public.dated VALUES (1, '2026-01-01'), (2, '2026-99-01'), (3000000000, '2026-01-03'), (4, '2026-01-04');
SELECT dbsync.run_once('parking');
\c :target
UPDATE public.dated SET v = v + 1;
\c :source
SELECT verdict, missing, extra, different, parked, note FROM dbsync.verify('parking');
SELECT kind, key, here, there FROM dbsync.difference WHERE subscription = 'parking' ORDER BY key;
SELECT verdict, note FROM dbsync.verify('parking', repair => true);
SELECT key FROM dbsync.quarantine ORDER BY key;
\c :target
SELECT * FROM public.dated ORDER BY id;
ALTER TABLE public.dated ALTER id TYPE bigint, ALTER v TYPE text;
\c :source
-- parked keys are retry()'s
SELECT verdict, missing, different, parked, repaired FROM dbsync.verify('parking', repair => true);
SELECT dbsync.retry('parking', 'public.dated');
SELECT dbsync.run_once('parking');
SELECT count(*) FROM dbsync.quarantine;
SELECT verdict, note FROM dbsync.verify('parking', repair => true);
SELECT verdict, note FROM dbsync.verify('parking');
\c :target
SELECT * FROM public.dated ORDER BY id;
\c :source
SELECT dbsync.drop_subscription('parking');

-- values of rows are for their owner
CREATE ROLE regress_dbsync_monitor IN ROLE pg_monitor;
GRANT USAGE ON SCHEMA dbsync TO regress_dbsync_monitor;
GRANT EXECUTE ON FUNCTION dbsync.subscription_verifications(), dbsync.subscription_differences() TO regress_dbsync_monitor;
GRANT SELECT ON dbsync.verification, dbsync.difference TO regress_dbsync_monitor;
SET ROLE regress_dbsync_monitor;
SELECT count(*) > 0 AS sees FROM dbsync.verification;
SELECT count(*) FROM dbsync.difference;
RESET ROLE;
DROP OWNED BY regress_dbsync_monitor;
DROP ROLE regress_dbsync_monitor;

SELECT dbsync.drop_subscription('keys');
SELECT dbsync.drop_subscription('tied');
SELECT dbsync.drop_target('keys_target');
SELECT dbsync.drop_target('checked_target');
DROP TABLE public.dated, public.doubled, public.nulled, public.scaled, public.spelled, public.wider, public.macs, public.blanks, public.child, public.parent;
DROP DATABASE :target;
DROP ROLE regress_dbsync_checked;

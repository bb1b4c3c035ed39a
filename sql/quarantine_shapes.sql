-- Parked keys beside all else that happens to tables: DDL, partitions, selections, other ways to find changes.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.shaped (id int PRIMARY KEY, v text, big text);
ALTER TABLE public.shaped ALTER big SET STORAGE EXTERNAL;
CREATE TABLE public.parted (k int, id int, v text, PRIMARY KEY (k, id)) PARTITION BY LIST (k);
CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES IN (1);
CREATE TABLE public.parted_2 PARTITION OF public.parted FOR VALUES IN (2);
CREATE TABLE public.chosen (id int PRIMARY KEY, name text, region text);
CREATE TABLE public.keyed (id int PRIMARY KEY, v text);
CREATE TABLE public.stamped (id int PRIMARY KEY, v text, at timestamptz NOT NULL DEFAULT now());
\c :target
CREATE TABLE public.shaped (id int PRIMARY KEY, v text CHECK (v <> 'bad'), big text);
CREATE TABLE public.parted (id int, k int, v text CHECK (v <> 'bad'), PRIMARY KEY (k, id));
CREATE TABLE public.client (full_name text CHECK (full_name <> 'BAD'), id int PRIMARY KEY);
CREATE TABLE public.keyed (id int PRIMARY KEY, v text CHECK (v <> 'bad'));
CREATE TABLE public.stamped (id int PRIMARY KEY, v text CHECK (v <> 'bad'), at timestamptz);
\c :source
SELECT dbsync.create_target('shapes_target', :'uri');
SELECT dbsync.create_subscription('shapes', 'shapes_target', tables => ARRAY['public.shaped', 'public.parted'], ddl => 'apply', on_error => 'quarantine');
SELECT dbsync.add_table('shapes', 'public.chosen', target_table => 'public.client', columns => ARRAY['upper(name) AS full_name', 'id'], filter => $$region = 'EU'$$);
SELECT dbsync.add_table('shapes', 'public.keyed', capture => 'keys');
SELECT dbsync.add_table('shapes', 'public.stamped', capture => 'timestamp', options => '{"column": "at", "scan": "interval 1 hour"}');
INSERT INTO public.shaped SELECT i, 'good', repeat('x', 3000) FROM generate_series(1, 5) i;
SELECT dbsync.run_once('shapes');
\set parked 'SELECT "table", key, op, regexp_replace(regexp_replace("row", $$[xy]{20,}$$, $$xx$$), $$, "at".*$$, $$$$) AS "row", sqlstate, CASE WHEN "table" <> $$public.stamped$$::regclass THEN changes END AS changes FROM dbsync.quarantine ORDER BY "table"::text, key::text'

-- a large value that the change left as it was is with the row that is parked; and the row is whole when it fits
BEGIN;
INSERT INTO public.shaped VALUES (6, 'bad', repeat('y', 3000));
UPDATE public.shaped SET v = 'bad' WHERE id IN (1, 2, 3);
INSERT INTO public.parted VALUES (1, 1, 'bad'), (1, 2, 'good'), (2, 1, 'bad'), (2, 2, 'good');
INSERT INTO public.chosen VALUES (1, 'bad', 'EU'), (2, 'bad', 'US'), (3, 'good', 'EU');
INSERT INTO public.keyed VALUES (1, 'bad'), (2, 'good');
INSERT INTO public.stamped VALUES (1, 'bad'), (2, 'good');
COMMIT;
SELECT dbsync.run_once('shapes') >= 0;
:parked;
\c :target
SELECT id, v, length(big) FROM public.shaped ORDER BY id;
TABLE public.parted ORDER BY k, id;
TABLE public.client ORDER BY id;
TABLE public.keyed ORDER BY id;
SELECT id, v FROM public.stamped ORDER BY id;
DELETE FROM public.shaped WHERE id = 2;
\c :source
-- the target lacks one of them by now
UPDATE public.shaped SET v = 'again' WHERE id IN (1, 2);
SELECT dbsync.run_once('shapes') >= 0;
\c :target
SELECT id, v, length(big) FROM public.shaped ORDER BY id;
\c :source

-- columns come, go and get other names; the key gets another type
ALTER TABLE public.shaped RENAME v TO w;
ALTER TABLE public.shaped ADD n int DEFAULT 7, DROP big;
ALTER TABLE public.shaped ALTER id TYPE bigint;
UPDATE public.shaped SET n = 8 WHERE id = 3;
SELECT dbsync.run_once('shapes') >= 0;
:parked;
UPDATE public.shaped SET w = 'good' WHERE id = 3;
SELECT dbsync.run_once('shapes') >= 0;
\c :target
TABLE public.shaped ORDER BY id;
ALTER TABLE public.shaped DROP CONSTRAINT shaped_v_check;
\c :source

-- a partition is emptied: what is parked of it is gone here, and retry finds that (review: A15)
TRUNCATE public.parted_1;
SELECT dbsync.run_once('shapes') >= 0;
SELECT key FROM dbsync.quarantine WHERE "table" = 'public.parted'::regclass ORDER BY 1;
\c :target
ALTER TABLE public.parted DROP CONSTRAINT parted_v_check;
\c :source
SELECT dbsync.retry('shapes', 'public.parted'), dbsync.retry('shapes', 'public.shaped');
SELECT dbsync.run_once('shapes') >= 0;
\c :target
TABLE public.parted ORDER BY k, id;
TABLE public.shaped ORDER BY id;
\c :source

-- what the filter leaves out frees a key; what it takes in is judged
UPDATE public.chosen SET region = CASE region WHEN 'EU' THEN 'US' ELSE 'EU' END;
SELECT dbsync.run_once('shapes') >= 0;
:parked;
\c :target
TABLE public.client ORDER BY id;
ALTER TABLE public.client DROP CONSTRAINT client_full_name_check;
ALTER TABLE public.keyed DROP CONSTRAINT keyed_v_check;
ALTER TABLE public.stamped DROP CONSTRAINT stamped_v_check;
\c :source
SELECT dbsync.retry('shapes', 'public.chosen'), dbsync.retry('shapes', 'public.keyed'), dbsync.retry('shapes', 'public.stamped');
SELECT dbsync.run_once('shapes') >= 0;
:parked;
\c :target
TABLE public.client ORDER BY id;
TABLE public.keyed ORDER BY id;
SELECT id, v FROM public.stamped ORDER BY id;
\c :source

-- a note that says something else than the ledger is put right
\c :target
ALTER TABLE public.keyed ADD CHECK (v <> 'worse');
\c :source
UPDATE public.keyed SET v = 'worse' WHERE id = 2;
SELECT dbsync.run_once('shapes') >= 0;
UPDATE dbsync_internal.parked_row SET message = 'nothing';
INSERT INTO dbsync_internal.parked_row (attachment, key, deletes, sqlstate, message, changes)
SELECT a.uid, '{77}', false, '00000', 'nobody', 1 FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id WHERE c.relid = 'public.keyed'::regclass;
SELECT dbsync.run_once('shapes') >= 0;
SELECT key, message FROM dbsync.quarantine;
SELECT dbsync.drop_subscription('shapes');
SELECT count(*) FROM dbsync_internal.parked_row;
\c :target
SELECT count(*) FROM dbsync_ledger.quarantine;

-- what is not dbsync's is not written to
ALTER TABLE dbsync_ledger.quarantine ADD CHECK (message <> '');
\c :source
SELECT dbsync.create_subscription('shapes', 'shapes_target', tables => ARRAY['public.keyed'], existing_rows => 'truncate', on_error => 'quarantine');
SELECT dbsync.run_once('shapes');
\c :target
DROP TABLE dbsync_ledger.quarantine;
CREATE TABLE dbsync_ledger.quarantine (id int);
\c :source
SELECT dbsync.run_once('shapes');
SELECT dbsync.alter_subscription('shapes', on_error => 'stop');
TRUNCATE public.keyed;
SELECT dbsync.run_once('shapes');
SELECT dbsync.drop_subscription('shapes', force => true);
SELECT dbsync.drop_target('shapes_target');
DROP TABLE public.shaped, public.parted, public.chosen, public.keyed, public.stamped;
DROP DATABASE :target;

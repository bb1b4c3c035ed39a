-- capture => 'timestamp': what becomes of a scanned table beside others who have it, when it is altered,
-- dropped, or fed from elsewhere; selections, and rows that clash.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.doc (id int PRIMARY KEY, v text, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX doc_at ON public.doc (at);
INSERT INTO public.doc SELECT i, 'v' || i, '2020-01-01' FROM generate_series(1, 4) i;
\c :target
CREATE TABLE public.doc (id int PRIMARY KEY, v text, at timestamptz);
CREATE TABLE public.whole (LIKE public.doc INCLUDING ALL);
CREATE TABLE public.chosen (id int PRIMARY KEY, name text UNIQUE);
\c :source
SELECT dbsync.create_target('tables_target', :'uri');
SELECT dbsync.create_subscription('scans', 'tables_target');
SELECT dbsync.create_subscription('whole', 'tables_target');
\set options '{"column": "at", "overlap": "0", "scan": "interval 1 hour"}'
SET client_min_messages = warning;
SELECT dbsync.add_table('scans', 'public.doc', capture => 'timestamp', options => :'options');
RESET client_min_messages;
CREATE VIEW public.captured AS SELECT c.capture, c.state,
    (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = 'public.doc'::regclass) AS triggers,
    (SELECT count(*) FROM dbsync.segment s WHERE s.captured_id = c.id) AS segments
FROM dbsync.captured_table c WHERE c.relid = 'public.doc'::regclass;
CREATE VIEW public.attached AS SELECT s.name, a.capture, a.state, a.note FROM dbsync.subscription_table a JOIN dbsync.subscription s ON s.id = a.subscription_id WHERE s.name = 'scans';
SELECT dbsync.run_once('scans');
SELECT * FROM public.captured;

-- another subscription captures it: the row is shared, and the scan goes on
SELECT dbsync.add_table('whole', 'public.doc', target_table => 'whole');
SELECT dbsync.run_once('whole');
SELECT * FROM public.captured;
INSERT INTO public.doc VALUES (5, 'both');
UPDATE public.doc SET v = 'captured only' WHERE id = 1;
SELECT dbsync.run_once('scans');
SELECT dbsync.run_once('whole');
\c :target
SELECT id, d.v, w.v FROM public.doc d FULL JOIN public.whole w USING (id) ORDER BY id;
\c :source
-- it leaves: triggers and segments go, with the next round of who is left
SELECT dbsync.remove_table('whole', 'public.doc');
INSERT INTO public.doc VALUES (6, 'between');
SELECT dbsync.run_once('scans');
SELECT * FROM public.captured;
-- the other way round: captured first, then scanned, too
SELECT dbsync.remove_table('scans', 'public.doc');
SELECT count(*) FROM public.captured;
SELECT dbsync.add_table('whole', 'public.doc', target_table => 'whole', existing_rows => 'truncate');
SELECT dbsync.run_once('whole');
SET client_min_messages = warning;
SELECT dbsync.add_table('scans', 'public.doc', existing_rows => 'keep', capture => 'timestamp', options => :'options');
RESET client_min_messages;
SELECT dbsync.run_once('scans');
SELECT * FROM public.captured;
SELECT dbsync.remove_table('whole', 'public.doc');
SELECT dbsync.run_once('scans');
SELECT * FROM public.captured;

-- what says nothing of the rows passes
ALTER TABLE public.doc ALTER v SET DEFAULT 'x', ALTER v SET NOT NULL;
CREATE INDEX ON public.doc (v);
SELECT * FROM public.attached;
INSERT INTO public.doc VALUES (7, 'seven');
SELECT dbsync.run_once('scans');
-- what does suspends it: DDL has no place among rows that are not captured
ALTER TABLE public.doc ADD extra int;
SELECT * FROM public.attached;
SELECT * FROM public.captured;
\c :target
ALTER TABLE public.doc ADD extra int;
\c :source
UPDATE public.doc SET extra = 1, at = clock_timestamp() WHERE id = 7;
SELECT dbsync.copy_table('scans', 'public.doc');
SELECT dbsync.run_once('scans');
\c :target
SELECT id, v, extra FROM public.doc ORDER BY id;
\c :source
ALTER TABLE public.doc DROP extra;
SELECT state FROM public.attached;
\c :target
ALTER TABLE public.doc DROP extra;
\c :source
SELECT dbsync.copy_table('scans', 'public.doc');
SELECT dbsync.run_once('scans');
-- the owner of the table takes it away from all
SELECT dbsync.suspend_table('public.doc');
SELECT * FROM public.captured;
SELECT dbsync.copy_table('scans', 'public.doc');
SELECT dbsync.run_once('scans');

-- dropped: there is nothing left to send, so it leaves at once
DROP VIEW public.captured;
DROP TABLE public.doc;
SELECT count(*) FROM public.attached;
SELECT dbsync.run_once('scans');

-- a selection: a row that does not pass any more goes; and two that swap a unique value
CREATE TABLE public.item (id int PRIMARY KEY, name text UNIQUE, kept boolean DEFAULT true, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX item_at ON public.item (at);
INSERT INTO public.item VALUES (1, 'a', true), (2, 'b', true), (3, 'c', false);
SET client_min_messages = warning;
SELECT dbsync.add_table('scans', 'public.item', target_table => 'chosen', columns => '{id,name}', filter => 'kept', capture => 'timestamp', options => :'options');
RESET client_min_messages;
SELECT dbsync.run_once('scans');
\c :target
SELECT * FROM public.chosen ORDER BY id;
\c :source
UPDATE public.item SET kept = NOT kept, at = clock_timestamp() WHERE id IN (2, 3);
SELECT dbsync.run_once('scans') > 0 AS sent;
\c :target
SELECT * FROM public.chosen ORDER BY id;
\c :source
UPDATE public.item SET name = 'x', at = clock_timestamp() WHERE id = 1;
UPDATE public.item SET name = 'a', at = clock_timestamp() WHERE id = 3;
UPDATE public.item SET name = 'c', at = clock_timestamp() WHERE id = 1;
SELECT dbsync.run_once('scans') > 0 AS sent;
\c :target
SELECT * FROM public.chosen ORDER BY id;
\c :source

-- a subscription begins to apply into it later: what it brings is not sent back, and nothing is lost
CREATE SCHEMA dbsync_ledger;
CREATE TABLE dbsync_ledger.position (id uuid, subscription uuid, system_identifier bigint, database_oid oid, live boolean, rows bigint, relation text);
INSERT INTO dbsync_ledger.position VALUES (gen_random_uuid(), gen_random_uuid(), 1, 1, true, 0, 'public.item');
UPDATE public.item SET name = 'applied', at = clock_timestamp() WHERE id = 1;
SELECT dbsync.run_once('scans');
\c :target
SELECT * FROM public.chosen ORDER BY id;
\c :source
DROP SCHEMA dbsync_ledger CASCADE;
SELECT dbsync.run_once('scans') > 0 AS sent;
\c :target
SELECT * FROM public.chosen ORDER BY id;
\c :source

-- another choice copies it anew; operations cannot be chosen
SELECT dbsync.alter_table('scans', 'public.item', operations => '{insert}');
SELECT dbsync.alter_table('scans', 'public.item', filter => '');
SELECT dbsync.run_once('scans');
UPDATE public.item SET at = clock_timestamp();
SELECT dbsync.run_once('scans');
\c :target
SELECT * FROM public.chosen ORDER BY id;
\c :source

-- a target that is made by dbsync
SELECT dbsync.create_subscription('makes', 'tables_target', create_missing => true);
SET client_min_messages = warning;
CREATE TABLE public.made (id int PRIMARY KEY, v text, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX made_at ON public.made (at);
INSERT INTO public.made VALUES (1, 'one');
SELECT dbsync.add_table('makes', 'public.made', capture => 'timestamp', options => :'options');
RESET client_min_messages;
SELECT dbsync.run_once('makes') > 0 AS copied;
INSERT INTO public.made VALUES (2, 'two');
SELECT dbsync.run_once('makes');
\c :target
SELECT id, v FROM public.made ORDER BY id;
SELECT indexname FROM pg_indexes WHERE tablename = 'made' ORDER BY 1;
\c :source

-- who holds scans up is named
BEGIN;
CREATE TABLE public.unrelated (id int);
PREPARE TRANSACTION 'regress_dbsync_holder';
SELECT regexp_replace(note, 'since .*', 'since ...') AS note FROM dbsync.table_status WHERE subscription = 'scans';
ROLLBACK PREPARED 'regress_dbsync_holder';
SELECT note FROM dbsync.table_status WHERE subscription = 'scans';

-- a table into which dbsync applies is not scanned
\c :target
CREATE EXTENSION dbsync;
SELECT dbsync.create_target('back', 'postgresql://regress@localhost:1/nowhere', password => 'secret');
SELECT dbsync.create_subscription('back', 'back');
ALTER TABLE public.chosen ADD at timestamptz NOT NULL DEFAULT now();
SELECT dbsync.add_table('back', 'public.chosen', capture => 'timestamp', options => '{"column": "at"}');
SELECT dbsync.drop_subscription('back');
SELECT dbsync.uninstall();
DROP EXTENSION dbsync;
\c :source
SELECT dbsync.drop_subscription(name) FROM (VALUES ('makes'), ('scans'), ('whole')) s (name);
SELECT dbsync.drop_target('tables_target');

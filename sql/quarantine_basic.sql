-- A row that the target refuses is parked there, and all else goes on; mended, it is sent as it is by then.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.item (id int PRIMARY KEY, price numeric, note text);
CREATE TABLE public.other (id int PRIMARY KEY, v text);
\c :target
CREATE TABLE public.item (id int PRIMARY KEY, price numeric CHECK (price > 0), note text);
CREATE TABLE public.other (id int PRIMARY KEY, v text);
-- what is parked can be freed also where all tables are published
SET client_min_messages = error;
CREATE PUBLICATION everything FOR ALL TABLES;
\c :source
INSERT INTO public.item SELECT i, i, 'old ' || i FROM generate_series(1, 2000) i;
SELECT dbsync.create_target('quarantine_target', :'uri');
SELECT dbsync.create_subscription('q', 'quarantine_target', tables => ARRAY['public.item', 'public.other'], on_error => 'quarantine');
SELECT dbsync.run_once('q');
SELECT * FROM dbsync.quarantine;
SELECT "table", state, quarantined FROM dbsync.table_status WHERE subscription = 'q' ORDER BY 1;

-- one row of three thousand
BEGIN;
UPDATE public.item SET note = 'new ' || id;
UPDATE public.item SET price = -price WHERE id = 1234;
INSERT INTO public.item SELECT i, i, 'more ' || i FROM generate_series(2001, 3000) i;
INSERT INTO public.other VALUES (1, 'one');
COMMIT;
SELECT dbsync.run_once('q');
SELECT subscription, "table", target_table, key, op, "row", sqlstate, message, detail, hint, since IS NOT NULL AS since, changes, asked FROM dbsync.quarantine;
SELECT "table", state, quarantined FROM dbsync.table_status WHERE subscription = 'q' ORDER BY 1;
SELECT on_error, next_action FROM dbsync.status WHERE subscription = 'q';
\c :target
SELECT count(*), count(*) FILTER (WHERE note ~ '^new'), count(*) FILTER (WHERE note ~ '^more') FROM public.item;
SELECT * FROM public.item WHERE id BETWEEN 1233 AND 1235 ORDER BY id;
TABLE public.other;
SELECT relation, key, op, "row", sqlstate, message, detail, hint, changes FROM dbsync_ledger.quarantine;
\c :source

-- others go on as ever; a change of the key that does not fit takes its place
UPDATE public.item SET note = 'again' WHERE id IN (1233, 1234, 1235);
SELECT dbsync.run_once('q');
SELECT key, "row", changes FROM dbsync.quarantine;
\c :target
SELECT * FROM public.item WHERE id BETWEEN 1233 AND 1235 ORDER BY id;
\c :source

-- retry before the cause is mended, of another key, of all, of none
SELECT dbsync.retry('q', 'public.item', key => '{"id": 1}');
SELECT dbsync.retry('q', 'public.item', key => '{"ID": 1234}');
SELECT dbsync.retry('q', 'public.other');
SELECT dbsync.retry('q', 'public.item', key => '{"id": 1234}');
SELECT key, asked FROM dbsync.quarantine;
SELECT dbsync.run_once('q');
SELECT key, "row", changes, asked FROM dbsync.quarantine;

-- the row changes and is mended there
\c :target
ALTER TABLE public.item DROP CONSTRAINT item_price_check;
\c :source
SELECT dbsync.retry('q', 'public.item');
SELECT dbsync.run_once('q');
SELECT count(*) FROM dbsync.quarantine;
SELECT quarantined FROM dbsync.table_status WHERE "table" = 'public.item'::regclass;
SELECT md5(string_agg(i::text, '' ORDER BY id)) AS here FROM public.item i \gset
\c :target
SELECT count(*) FROM dbsync_ledger.quarantine;
SELECT md5(string_agg(i::text, '' ORDER BY id)) = :'here' AS equal FROM public.item i;
\c :source

SELECT dbsync.drop_subscription('q');
SELECT dbsync.drop_target('quarantine_target');
DROP TABLE public.item, public.other;
DROP DATABASE :target;

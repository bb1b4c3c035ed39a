-- Characters that the target's encoding lacks: rows that have them are parked, by triggers and by comparisons.
SELECT getdatabaseencoding() <> 'UTF8' AS other_encoding \gset
\if :other_encoding
\quit
\endif
\set QUIET on
\set VERBOSITY default
\i sql/include/target.psql
SET client_min_messages = warning;
DROP DATABASE :target;
CREATE DATABASE :target ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
CREATE TABLE public.told (id int PRIMARY KEY, v text);
CREATE TABLE public.compared (id int PRIMARY KEY, v text);
INSERT INTO public.told VALUES (1, 'plain');
INSERT INTO public.compared VALUES (1, 'plain');
\c :target
CREATE TABLE public.told (id int PRIMARY KEY, v text);
CREATE TABLE public.compared (id int PRIMARY KEY, v text);
\c :source
SET client_min_messages = warning;
SELECT dbsync.create_target('encoded', :'uri');
SELECT dbsync.create_subscription('encoded', 'encoded', tables => '{public.told}', on_error => 'quarantine');
SELECT dbsync.add_table('encoded', 'public.compared', capture => 'snapshot');
SELECT dbsync.run_once('encoded') > 0 AS sent;
INSERT INTO public.told VALUES (2, U&'\20AC'), (3, U&'\00FC'), (4, U&'a\+01F600b');
INSERT INTO public.compared TABLE public.told ON CONFLICT DO NOTHING;
SELECT dbsync.run_once('encoded') > 0 AS sent;
SELECT "table", key, "row", sqlstate FROM dbsync.quarantine ORDER BY "table"::text COLLATE "C", key;
SELECT "table", verdict, missing, parked, note FROM dbsync.verify('encoded');
\c :target
SELECT id, length(v) FROM public.told ORDER BY id;
SELECT id, length(v) FROM public.compared ORDER BY id;
SELECT relation, key, "row" FROM dbsync_ledger.quarantine ORDER BY relation, key;
\c :source
SET client_min_messages = warning;
UPDATE public.told SET v = 'mended' WHERE id IN (2, 4);
UPDATE public.compared SET v = 'mended' WHERE id IN (2, 4);
SELECT dbsync.run_once('encoded') > 0 AS sent;
SELECT count(*) FROM dbsync.quarantine;
SELECT "table", verdict, missing, parked, note FROM dbsync.verify('encoded');
SELECT dbsync.drop_subscription('encoded');
SELECT dbsync.drop_target('encoded');
DROP TABLE public.told, public.compared;
DROP DATABASE :target;

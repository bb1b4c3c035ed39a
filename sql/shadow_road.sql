-- capture => 'shadow': a table is compared with a copy that is kept beside it.
\set QUIET on
\i sql/include/target.psql
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
CREATE DOMAIN public.short AS varchar(5) CHECK (value <> 'never');
CREATE TYPE public.pair AS (a int, b text);
CREATE COLLATION public.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
-- numbers of columns are not what they seem; and some columns have no equality
CREATE TABLE public.kinds (gone int, k2 numeric, id int, v text, gone_too text, n numeric, s public.short, c public.pair, j json, p point, f float8,
    e text COLLATE public.any_case, doubled int GENERATED ALWAYS AS (id * 2) STORED, big text, PRIMARY KEY (id, k2));
ALTER TABLE public.kinds DROP COLUMN gone, DROP COLUMN gone_too, ALTER COLUMN big SET STORAGE EXTERNAL;
INSERT INTO public.kinds (k2, id, v, n, s, c, j, p, f, e, big)
SELECT 1.0, i, 'v', i, 'short', (i, 'b')::public.pair, '{}', '(1,2)', 0, 'a', CASE i WHEN 3 THEN repeat('x', 20000) END FROM generate_series(1, 12) i;
CREATE TABLE public.named (a int NOT NULL, b text NOT NULL, v text);
CREATE INDEX named_a ON public.named (b DESC, a DESC, v DESC);
INSERT INTO public.named VALUES (1, 'x', 'one'), (2, 'y', 'two');
\c :target
CREATE TABLE public.kinds (v text, id int, k2 numeric, n numeric, s varchar(5), c text, j text, p text, f float8, e text, big text, PRIMARY KEY (id, k2));
CREATE TABLE public.exact (v text, id int, k2 numeric, n numeric, s varchar(5), c text, j text, p text, f float8, e text, big text, PRIMARY KEY (id, k2));
CREATE TABLE public.named (a int NOT NULL, b text NOT NULL, v text, PRIMARY KEY (a, b));
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SELECT dbsync.create_target('road_target', :'uri');
SELECT dbsync.create_subscription('road', 'road_target');
SELECT dbsync.add_table('road', 'public.kinds', capture => 'shadow', options => '{"scan": "interval 1 hour"}',
    columns => '{v,id,k2,n,s,c::text AS c,j::text AS j,p::text AS p,f,e,big}');
SELECT dbsync.add_table('road', 'public.named', capture => 'shadow', key => '{b,a}');

\echo what comes between the shadow and the first copy, and goes before they are compared
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table ORDER BY id;
INSERT INTO public.named VALUES (3, 'z', 'came and went');
UPDATE public.named SET v = 'for a while' WHERE a = 1;
-- nothing is compared while another subscription applies into it
CREATE SCHEMA dbsync_ledger;
CREATE TABLE dbsync_ledger.position (id uuid, subscription uuid, system_identifier bigint, database_oid oid, live boolean, rows bigint, relation text);
INSERT INTO dbsync_ledger.position VALUES (gen_random_uuid(), gen_random_uuid(), 1, 1, true, 0, 'public.named');
\set VERBOSITY sqlstate
SELECT dbsync.run_once('road');
\set VERBOSITY default
SELECT "table", state FROM dbsync.table_status ORDER BY 1;
\c :target
SELECT * FROM public.named ORDER BY a;
\c :source
DELETE FROM public.named WHERE a = 3;
UPDATE public.named SET v = 'one' WHERE a = 1;
DROP SCHEMA dbsync_ledger CASCADE;
SELECT dbsync.run_once('road');
\c :target
SELECT * FROM public.named ORDER BY a;
SELECT v, id, k2, n, s, c, j, p, f, e, length(big) AS length FROM public.kinds ORDER BY id;
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never

\echo no trigger; nothing is captured of what has not changed
SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('public.kinds'::regclass, 'public.named'::regclass);
SELECT count(*) FROM dbsync.changes('public.kinds');
UPDATE public.kinds SET v = v;
SELECT dbsync.run_once('road');
SELECT count(*) FROM dbsync.changes('public.kinds');

\echo changes of all kinds, each found by its own column; equal values are none
UPDATE public.kinds SET v = NULL WHERE id = 1;
UPDATE public.kinds SET c = (2, 'c') WHERE id = 2;
UPDATE public.kinds SET big = big || 'y' WHERE id = 3;
UPDATE public.kinds SET j = '[]' WHERE id = 4;
UPDATE public.kinds SET p = '(1,3)' WHERE id = 5;
UPDATE public.kinds SET f = 'NaN' WHERE id = 6;
UPDATE public.kinds SET n = 7.00, e = 'A', f = '-0' WHERE id = 7;
UPDATE public.kinds SET id = 18 WHERE id = 8;
UPDATE public.kinds SET k2 = 1.00 WHERE id = 9;
UPDATE public.kinds SET k2 = 1.00, v = 'key written otherwise' WHERE id = 10;
DELETE FROM public.kinds WHERE id = 11;
INSERT INTO public.kinds (k2, id, v) VALUES (2, 11, 'new'), (1, 13, 'new');
BEGIN;
INSERT INTO public.kinds (k2, id, v) VALUES (1, 14, 'rolled back');
SAVEPOINT s;
DELETE FROM public.kinds;
ROLLBACK TO s;
DELETE FROM public.kinds WHERE id = 14;
COMMIT;
UPDATE public.named SET b = 'yy' WHERE a = 2;
SELECT dbsync.run_once('road');
SELECT op, key FROM dbsync.changes('public.kinds') ORDER BY key->>'id', key->>'k2', op;
SELECT op, key FROM dbsync.changes('public.named') ORDER BY key->>'a', op;
SELECT dbsync.run_once('road');
\c :target
SELECT v, id, k2, n, s, c, j, p, f, e, length(big) AS length FROM public.kinds ORDER BY id, k2;
SELECT * FROM public.named ORDER BY a;
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never

\echo another subscription of the same table; what its worker finds goes to both
SELECT dbsync.create_subscription('second', 'road_target');
SELECT dbsync.add_table('second', 'public.named', 'public.named_too', capture => 'shadow', key => '{b,a}');
\c :target
CREATE TABLE public.named_too (a int NOT NULL, b text NOT NULL, v text, PRIMARY KEY (a, b));
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
INSERT INTO public.named VALUES (4, 'w', 'four');
SELECT dbsync.run_once('second');
SELECT op, key FROM dbsync.changes('public.named') WHERE key->>'a' = '4';
UPDATE public.named SET v = 'by the first' WHERE a = 1;
SELECT dbsync.run_once('road');
SELECT dbsync.run_once('second');
TRUNCATE public.named;
SELECT dbsync.run_once('second');
SELECT dbsync.run_once('road');
\c :target
SELECT count(*) FROM public.named;
SELECT count(*) FROM public.named_too;
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never

\echo a key that was named, and is none
INSERT INTO public.named VALUES (5, 'v', 'five'), (6, 'v', 'six');
SELECT dbsync.run_once('road');
INSERT INTO public.named VALUES (5, 'v', 'five, too');
SELECT dbsync.run_once('road');
SELECT count(*) FROM dbsync.changes('public.named') WHERE key->>'a' = '5';
DELETE FROM public.named WHERE v = 'five';
SELECT dbsync.run_once('road');
SELECT op, key FROM dbsync.changes('public.named') WHERE key->>'a' = '5';
SELECT dbsync.drop_subscription('second');

\echo exactly
SELECT dbsync.remove_table('road', 'public.kinds');
SELECT dbsync.add_table('road', 'public.kinds', 'public.exact', capture => 'shadow', options => '{"exact": true}',
    columns => '{v,id,k2,n,s,c::text AS c,j::text AS j,p::text AS p,f,e,big}');
SELECT dbsync.run_once('road');
UPDATE public.kinds SET n = 1.00 WHERE id = 1;
UPDATE public.kinds SET e = 'A' WHERE id = 2;
UPDATE public.kinds SET f = '-0' WHERE id = 4;
UPDATE public.kinds SET k2 = 1.000 WHERE id = 5;
SELECT dbsync.run_once('road');
SELECT op, key FROM dbsync.changes('public.kinds') ORDER BY key->>'id', op;
SELECT dbsync.run_once('road');
\c :target
SELECT id, k2, n, f, e FROM public.exact WHERE id < 6 ORDER BY id;
\c :source
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never

\echo more rows than are written at a time
INSERT INTO public.named SELECT i, md5(i::text), repeat('v', 100) FROM generate_series(10, 5009) i;
SELECT dbsync.run_once('road');
DELETE FROM public.named WHERE a % 2 = 0;
UPDATE public.named SET v = 'w' WHERE a % 5 = 0;
SELECT count(*) AS here, md5(string_agg(n::text, ',' ORDER BY a, b COLLATE "C")) AS sum FROM public.named n \gset
SELECT dbsync.run_once('road');
\c :target
SELECT count(*) = :here, md5(string_agg(n::text, ',' ORDER BY a, b COLLATE "C")) = :'sum' FROM public.named n;
\c :source
\echo a large table whose rows do not lie in the order of its key
CREATE TABLE public.drawn (id uuid PRIMARY KEY, v text, w text);
INSERT INTO public.drawn SELECT md5(i::text)::uuid, repeat('x', 50), CASE i % 10000 WHEN 0 THEN (SELECT string_agg(md5(j::text), '') FROM generate_series(1, 300) j) END
FROM generate_series(1, 110000) i;
ANALYZE public.drawn;
SELECT dbsync.add_table('road', 'public.drawn', capture => 'shadow');
SELECT id AS captured_id FROM dbsync.captured_table WHERE relid = 'public.drawn'::regclass \gset
SELECT dbsync_internal.install_capture(:captured_id);
SELECT dbsync_internal.compare_shadow(:captured_id, 10::oid);
UPDATE public.drawn SET v = 'y' WHERE id < '01000000-0000-0000-0000-000000000000';
UPDATE public.drawn SET w = w || 'z' WHERE w IS NOT NULL;
DELETE FROM public.drawn WHERE id > 'ff000000-0000-0000-0000-000000000000';
INSERT INTO public.drawn SELECT md5('new ' || i)::uuid, i FROM generate_series(1, 100) i;
SELECT dbsync_internal.compare_shadow(:captured_id, 10::oid);
SELECT op, count(*) FROM dbsync.changes('public.drawn') GROUP BY op ORDER BY op;
SELECT dbsync_internal.compare_shadow(:captured_id, 10::oid);
SELECT format('dbsync_internal.shadow_%s', :captured_id) AS shadow \gset
SELECT count(*) FROM (TABLE public.drawn EXCEPT TABLE :shadow) x;
SELECT count(*) FROM (TABLE :shadow EXCEPT TABLE public.drawn) x;
SELECT dbsync.drop_subscription('road');
SELECT dbsync.drop_target('road_target');
SELECT count(*) FROM pg_class WHERE relnamespace = 'dbsync_internal'::regnamespace AND relname LIKE 'shadow%';
DROP TABLE public.kinds, public.named, public.drawn;
DROP TYPE public.pair;
DROP DOMAIN public.short;
DROP COLLATION public.any_case;

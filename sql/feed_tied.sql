-- Keys alone, where the target checks foreign keys; and two databases that feed each other.
\set QUIET on
\i sql/include/foreign_keys.psql
\pset format unaligned
\pset tuples_only on
\set ddl 'CREATE TABLE public.customer (id int PRIMARY KEY, email text UNIQUE, boss int REFERENCES public.customer); CREATE TABLE public.bill (id int PRIMARY KEY, customer int NOT NULL REFERENCES public.customer, note text); CREATE TABLE public.item (bill int REFERENCES public.bill, no int, note text, PRIMARY KEY (bill, no));'
:ddl
\c :target regress_dbsync_keys
:ddl
\c :source :me
SET client_min_messages = warning;
SET dbsync.call_timeout = '20s';
ALTER DATABASE :source SET dbsync.batch_rows = 1;
INSERT INTO public.customer SELECT i, 'mail ' || i, nullif(i / 2, 0) FROM generate_series(1, 5) i;
INSERT INTO public.bill SELECT i, 1 + i % 5 FROM generate_series(1, 10) i;
INSERT INTO public.item SELECT b, n FROM generate_series(1, 10) b, generate_series(1, 3) n;
SELECT dbsync.create_target('feed_target', :'uri');
SELECT dbsync.create_subscription('feed', 'feed_target');
SELECT dbsync.add_table('feed', t, capture => c) FROM (VALUES ('item'::regclass, 'keys'), ('bill', 'api'), ('customer', 'keys')) v (t, c);
\set subscription feed
\i sql/include/same_tree.psql
-- what is read again references what came later
UPDATE public.item SET note = 'first' WHERE bill = 1;
UPDATE public.bill SET note = 'first' WHERE id = 1;
SELECT dbsync.record_change('bill', '{"id": 1}');
INSERT INTO public.customer VALUES (6, 'mail 6', 5);
UPDATE public.bill SET customer = 6 WHERE customer = 1;
SELECT dbsync.record_changes('bill', ARRAY(SELECT jsonb_build_object('id', id) FROM public.bill WHERE customer = 6));
INSERT INTO public.bill VALUES (11, 6);
SELECT dbsync.record_change('bill', '{"id": 11}');
UPDATE public.item SET bill = 11, no = no + 10 WHERE bill = 1;
\i sql/include/same_tree.psql
-- parents and children that go, circles, unique values that move
BEGIN;
UPDATE public.customer SET boss = 6 WHERE id IN (2, 3);
DELETE FROM public.item WHERE bill IN (SELECT id FROM public.bill WHERE customer = 3);
SELECT dbsync.record_changes('bill', ARRAY(SELECT jsonb_build_object('id', id) FROM public.bill WHERE customer = 3));
DELETE FROM public.bill WHERE customer = 3;
UPDATE public.customer SET boss = 2 WHERE id = 6;
UPDATE public.customer SET boss = NULL WHERE boss IN (1, 3);
DELETE FROM public.customer WHERE id IN (1, 3);
UPDATE public.customer SET email = 'moved ' || id;
UPDATE public.customer SET email = 'moved 2 ' WHERE id = 5;
COMMIT;
\i sql/include/same_tree.psql
ALTER DATABASE :source RESET dbsync.batch_rows;
SELECT dbsync.drop_subscription('feed');
SELECT dbsync.drop_target('feed_target');
DROP TABLE public.item, public.bill, public.customer;

\echo two ways
\i sql/include/target.psql
SELECT replace(:'uri', 'regress_dbsync_target', current_database()) AS back \gset
CREATE TABLE public.both (id int PRIMARY KEY, n int);
INSERT INTO public.both SELECT i, i FROM generate_series(1, 3) i;
\c :target
CREATE EXTENSION dbsync;
CREATE TABLE public.both (id int PRIMARY KEY, n int);
\c :source
SET client_min_messages = warning;
SELECT dbsync.create_target('there', :'uri');
SELECT dbsync.create_subscription('there', 'there');
SELECT dbsync.add_table('there', 'public.both', capture => 'keys');
SELECT dbsync.run_once('there');
\c :target
SET client_min_messages = warning;
SELECT dbsync.create_target('back', :'back');
SELECT dbsync.create_subscription('back', 'back');
SELECT dbsync.add_table('back', 'public.both', copy_data => false, capture => 'keys');
SELECT dbsync.run_once('back');
INSERT INTO public.both VALUES (100, 100);
UPDATE public.both SET n = 77 WHERE id = 1;
\c :source
INSERT INTO public.both VALUES (4, 4);
DELETE FROM public.both WHERE id = 3;
SELECT dbsync.run_once('there');
\c :target
SELECT dbsync.run_once('back');
SELECT string_agg(b::text, ' ' ORDER BY id) FROM public.both b;
\c :source
SELECT string_agg(b::text, ' ' ORDER BY id) FROM public.both b;
-- nothing goes round
SELECT dbsync.run_once('there');
\c :target
SELECT dbsync.run_once('back');
SELECT dbsync.drop_subscription('back');
SELECT dbsync.drop_target('back');
SELECT dbsync.uninstall();
DROP EXTENSION dbsync;
\c :source
SET client_min_messages = warning;
SELECT dbsync.drop_subscription('there');
SELECT dbsync.drop_target('there');
DROP TABLE public.both;
DROP DATABASE regress_dbsync_target;
DROP ROLE regress_dbsync_keys;

-- Repair where the target checks foreign keys: tables are repaired one by one, so what waits for another one takes a second call.
\set QUIET on
\i sql/include/foreign_keys.psql

\set ddl 'CREATE TABLE public.customer (id int PRIMARY KEY, boss int REFERENCES public.customer, v text); CREATE TABLE public.bill (id int PRIMARY KEY, customer int NOT NULL REFERENCES public.customer, v text); CREATE TABLE public.line (bill int REFERENCES public.bill ON DELETE CASCADE, n int, PRIMARY KEY (bill, n));'
:ddl
INSERT INTO public.customer SELECT i, nullif(i - 1, 0), 'customer ' || i FROM generate_series(1, 20) i;
INSERT INTO public.bill SELECT i, 1 + i % 20, 'bill ' || i FROM generate_series(1, 60) i;
INSERT INTO public.line SELECT b, n FROM generate_series(1, 60) b, generate_series(1, 3) n;
\c :target regress_dbsync_keys
:ddl
\c :source :me
SELECT dbsync.create_target('checks_target', :'uri');
SELECT dbsync.create_subscription('checks', 'checks_target', tables => ARRAY['public.bill', 'public.customer', 'public.line']);
SELECT dbsync.run_once('checks') > 0 AS copied;
SELECT foreign_keys FROM dbsync.status WHERE subscription = 'checks';
SELECT dbsync.start_subscription('checks');
SELECT dbsync.wait_for('checks');
SELECT "table", verdict, note FROM dbsync.verify('checks');

-- changes that the target's own keys let pass
\c :target :me
DELETE FROM public.bill WHERE id % 10 = 0;
UPDATE public.bill SET customer = 3 WHERE id = 11;
INSERT INTO public.customer VALUES (99, NULL, 'extra'), (100, 99, 'extra');
INSERT INTO public.bill VALUES (1000, 100, 'extra');
INSERT INTO public.line VALUES (1000, 1);
\c :source
SELECT "table", verdict, missing, extra, different FROM dbsync.verify('checks');
SELECT "table", verdict, note FROM dbsync.verify('checks', repair => true);
SELECT "table", verdict, missing, extra, different, note FROM dbsync.verify('checks', repair => true);
SELECT "table", verdict, missing, extra, different, note FROM dbsync.verify('checks', repair => true);

-- and some that they would not
\c :target :me
SET session_replication_role = replica;
DELETE FROM public.customer WHERE id IN (7, 8);
INSERT INTO public.bill VALUES (1001, 7, 'extra');
DELETE FROM public.bill WHERE id IN (5, 6);
\c :source
SELECT "table", verdict, missing, extra, different FROM dbsync.verify('checks');
SELECT "table", verdict, note FROM dbsync.verify('checks', repair => true);
SELECT "table", verdict, missing, extra, different, note FROM dbsync.verify('checks', repair => true);
SELECT "table", verdict, missing, extra, different, note FROM dbsync.verify('checks', repair => true);

-- the subscription goes on all the time
INSERT INTO public.bill VALUES (61, 20, 'goes on');
SELECT dbsync.wait_for('checks');
SELECT dbsync.stop_subscription('checks');
SELECT "table", verdict, note FROM dbsync.verify('checks');
SELECT count(*) FROM dbsync_internal.repair_key;
SELECT dbsync.drop_subscription('checks');
SELECT dbsync.drop_target('checks_target');
DROP TABLE public.line, public.bill, public.customer;
DROP DATABASE :target;
DROP ROLE regress_dbsync_keys;

-- Target tables that are partitioned, or partitions: what they refuse is said with the table and the
-- statement that mends it.
\set QUIET on
\i sql/include/target.psql
CREATE TABLE public.orders (id int PRIMARY KEY, k int, v text);
CREATE TABLE public.events (k int, v text);
CREATE TABLE public.logged (id int PRIMARY KEY, v text);
CREATE TABLE public.whole (id int PRIMARY KEY, v text);
CREATE TABLE public.part (id int PRIMARY KEY, v text);
CREATE TABLE public.alone (id int PRIMARY KEY, v text);
INSERT INTO public.orders VALUES (1, 1, 'first'), (2, 2, 'first');
INSERT INTO public.events VALUES (1, 'first'), (1, 'first');
INSERT INTO public.logged VALUES (1, 'first');
INSERT INTO public.part VALUES (1001, 'first');
INSERT INTO public.whole VALUES (1, 'first');
INSERT INTO public.alone VALUES (1001, 'first');
\c :target
CREATE TABLE public.orders (id int, k int, v text) PARTITION BY RANGE (id);
CREATE TABLE public.orders_0 PARTITION OF public.orders FOR VALUES FROM (0) TO (100) PARTITION BY LIST (k);
CREATE TABLE public.orders_0_1 PARTITION OF public.orders_0 FOR VALUES IN (1, 2);
CREATE TABLE public.events (k int, v text) PARTITION BY LIST (k);
CREATE TABLE public.events_1 PARTITION OF public.events FOR VALUES IN (1);
CREATE TABLE public.logged (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE public."logged_0 ""x" PARTITION OF public.logged FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
CREATE UNLOGGED TABLE public."logged_0 ""y" PARTITION OF public."logged_0 ""x" FOR VALUES FROM (0) TO (100);
CREATE TABLE public.whole (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE public.part PARTITION OF public.whole FOR VALUES FROM (1000) TO (2000);
CREATE TABLE public.whole_0 PARTITION OF public.whole FOR VALUES FROM (0) TO (1000);
CREATE TABLE public.collected (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE public.alone PARTITION OF public.collected FOR VALUES FROM (1000) TO (2000);
\c :source
SET client_min_messages = warning;
SELECT dbsync.create_target('kinds_target', :'uri');
SELECT dbsync.create_subscription('kinds', 'kinds_target', tables => '{public.orders,public.events,public.logged}');
-- a key that the target's partitions do not go by: what is suggested is what it takes
SELECT dbsync.run_once('kinds');
SELECT "table", state, note FROM dbsync.table_status ORDER BY "table"::text COLLATE "C";
SELECT last_error, next_action FROM dbsync.status;
\c :target
CREATE INDEX ON public.orders (id);
\c :source
SET client_min_messages = warning;
-- a partition further below that a crash would empty
SELECT dbsync.run_once('kinds');
SELECT last_error, next_action FROM dbsync.status;
\c :target
ALTER TABLE public."logged_0 ""y" SET LOGGED;
\c :source
SET client_min_messages = warning;
SELECT dbsync.run_once('kinds');
SELECT "table", state, note FROM dbsync.table_status ORDER BY "table"::text COLLATE "C";
-- rows for which there is no partition
INSERT INTO public.events VALUES (2, 'without');
SELECT dbsync.run_once('kinds');
SELECT state, last_error, last_error_detail, next_action FROM dbsync.status;
\c :target
CREATE TABLE public.events_rest PARTITION OF public.events DEFAULT;
\c :source
SET client_min_messages = warning;
UPDATE public.orders SET k = 3 WHERE id = 1;
INSERT INTO public.events SELECT 3, g::text FROM generate_series(1, 2000) g;
SELECT dbsync.run_once('kinds');
SELECT state, last_error, last_error_detail, next_action FROM dbsync.status;
\c :target
CREATE TABLE public.orders_0_3 PARTITION OF public.orders_0 FOR VALUES IN (3);
\c :source
SET client_min_messages = warning;
SELECT dbsync.run_once('kinds') > 0 AS sent;
SELECT state, last_error, next_action FROM dbsync.status;
\c :target
SELECT * FROM public.orders ORDER BY id;
SELECT count(*) FROM public.events;
\c :source
SET client_min_messages = warning;
SELECT dbsync.drop_subscription('kinds');
-- two tables in one: refused, whichever comes first
SELECT dbsync.create_subscription('kinds', 'kinds_target', tables => '{public.whole,public.part,public.alone}');
SELECT dbsync.run_once('kinds');
SELECT "table", state FROM dbsync.table_status ORDER BY "table"::text COLLATE "C";
SELECT last_error, next_action FROM dbsync.status;
\c :target
SELECT tableoid::regclass, * FROM public.whole ORDER BY id;
SELECT * FROM public.alone;
\c :source
SET client_min_messages = warning;
SELECT dbsync.drop_subscription('kinds');
SELECT dbsync.create_subscription('kinds', 'kinds_target');
SELECT dbsync.add_table('kinds', 'public.part');
SELECT dbsync.run_once('kinds');
SELECT dbsync.add_table('kinds', 'public.whole');
SELECT dbsync.run_once('kinds');
SELECT "table", state FROM dbsync.table_status ORDER BY "table"::text COLLATE "C";
SELECT last_error, next_action FROM dbsync.status;
SELECT dbsync.remove_table('kinds', 'public.part');
\c :target
TRUNCATE public.whole;
\c :source
SET client_min_messages = warning;
SELECT dbsync.run_once('kinds');
SELECT "table", state FROM dbsync.table_status ORDER BY "table"::text COLLATE "C";
SELECT dbsync.drop_subscription('kinds');
-- a key that changes
\c :target
CREATE TABLE public.changes (id int, other int NOT NULL, k int, v text) PARTITION BY LIST (k);
CREATE TABLE public.changes_1 PARTITION OF public.changes FOR VALUES IN (1);
CREATE INDEX ON public.changes (id);
\c :source
SET client_min_messages = warning;
CREATE TABLE public.changes (id int PRIMARY KEY, other int NOT NULL, k int, v text);
INSERT INTO public.changes VALUES (1, 11, 1, 'first'), (2, 12, 1, 'first');
SELECT dbsync.create_subscription('kinds', 'kinds_target', tables => '{public.changes}');
SELECT dbsync.run_once('kinds');
ALTER TABLE public.changes DROP CONSTRAINT changes_pkey, ADD PRIMARY KEY (other);
UPDATE public.changes SET v = 'second' WHERE id = 1;
SELECT dbsync.run_once('kinds');
SELECT state, held_for, next_action FROM dbsync.table_status;
SELECT dbsync.alter_subscription('kinds', ddl => 'apply');
SELECT dbsync.resume_table('kinds', 'public.changes');
SELECT dbsync.run_once('kinds') > 0 AS sent;
SELECT state, held_for, next_action FROM dbsync.table_status;
\c :target
SELECT * FROM public.changes ORDER BY id;
\c :source
SET client_min_messages = warning;
SELECT dbsync.drop_subscription('kinds');
DROP TABLE public.changes;
SELECT dbsync.drop_target('kinds_target');
DROP TABLE public.orders, public.events, public.logged, public.whole, public.part, public.alone;
DROP DATABASE :"target";

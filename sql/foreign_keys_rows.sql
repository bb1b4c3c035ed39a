-- Foreign keys that the target checks: rows come so that none is in the way, whatever order they had here.
\set QUIET on
\i sql/include/foreign_keys.psql
\set ddl 'CREATE TABLE public.customer (id int PRIMARY KEY, email text UNIQUE, note text); CREATE TABLE public.bill (id int PRIMARY KEY, customer int NOT NULL REFERENCES public.customer, note text); CREATE TABLE public.item (bill int REFERENCES public.bill, no int, note text, PRIMARY KEY (bill, no)); CREATE TABLE public.aside (id int PRIMARY KEY, note text);'
:ddl
\c :target regress_dbsync_keys
:ddl
\c :source :me
INSERT INTO public.customer SELECT i, 'mail ' || i FROM generate_series(1, 5) i;
INSERT INTO public.bill SELECT i, 1 + i % 5 FROM generate_series(1, 10) i;
INSERT INTO public.item SELECT b, n FROM generate_series(1, 10) b, generate_series(1, 3) n;
SELECT dbsync.create_target('keys_target', :'uri');
SELECT dbsync.create_subscription('keys', 'keys_target', tables => ARRAY['public.item', 'public.aside', 'public.bill', 'public.customer']);
SELECT foreign_keys FROM dbsync.status WHERE subscription = 'keys';
\set subscription keys
\i sql/include/same_tree.psql
SELECT foreign_keys FROM dbsync.status WHERE subscription = 'keys';

-- a child moves to a new parent, and the old one goes; in transactions of their own, in one batch
INSERT INTO public.customer VALUES (6, 'mail 6');
UPDATE public.bill SET customer = 6 WHERE customer = 1;
DELETE FROM public.customer WHERE id = 1;
INSERT INTO public.aside VALUES (1, 'x');
\i sql/include/same_tree.psql

-- all at once: inserts, changes, deletes of parents and children
BEGIN;
INSERT INTO public.customer VALUES (7, 'mail 7'), (8, 'mail 8');
INSERT INTO public.bill VALUES (11, 7), (12, 8);
INSERT INTO public.item VALUES (11, 1), (12, 1);
UPDATE public.bill SET customer = 8, note = 'moved' WHERE customer = 2;
DELETE FROM public.item WHERE bill IN (SELECT id FROM public.bill WHERE customer = 3);
DELETE FROM public.bill WHERE customer = 3;
DELETE FROM public.customer WHERE id IN (2, 3);
UPDATE public.item SET bill = 12, no = no + 10 WHERE bill = 11;
UPDATE public.aside SET note = 'y';
COMMIT;
\i sql/include/same_tree.psql

-- many
INSERT INTO public.customer SELECT i, 'mail ' || i FROM generate_series(101, 1000) i;
INSERT INTO public.bill SELECT i, i FROM generate_series(101, 1000) i;
INSERT INTO public.item SELECT b, n FROM generate_series(101, 1000) b, generate_series(1, 3) n;
\i sql/include/same_tree.psql
BEGIN;
INSERT INTO public.customer SELECT i, 'mail ' || i FROM generate_series(2001, 2500) i;
UPDATE public.bill SET customer = id + 1900 WHERE id BETWEEN 101 AND 600;
DELETE FROM public.customer WHERE id BETWEEN 101 AND 600;
DELETE FROM public.item WHERE bill BETWEEN 601 AND 1000;
DELETE FROM public.bill WHERE id BETWEEN 601 AND 1000;
UPDATE public.customer SET note = 'childless' WHERE id BETWEEN 601 AND 800;
DELETE FROM public.customer WHERE id BETWEEN 801 AND 1000;
COMMIT;
\i sql/include/same_tree.psql

-- the key of a parent changes, which is a delete and an insert
INSERT INTO public.customer VALUES (9, NULL);
UPDATE public.bill SET customer = 9 WHERE customer = 6;
UPDATE public.customer SET id = 60 WHERE id = 6;
UPDATE public.bill SET customer = 60 WHERE customer = 9;
\i sql/include/same_tree.psql

-- a unique value moves: to a new row, from one that goes; between two that stay; round and round
BEGIN;
DELETE FROM public.item WHERE bill = 11;
DELETE FROM public.bill WHERE customer = 7;
DELETE FROM public.customer WHERE id = 7;
INSERT INTO public.customer VALUES (70, 'mail 7');
INSERT INTO public.bill VALUES (70, 70);
COMMIT;
\i sql/include/same_tree.psql
BEGIN;
UPDATE public.customer SET email = NULL WHERE id = 4;
UPDATE public.customer SET email = 'mail 4' WHERE id = 5;
COMMIT;
\i sql/include/same_tree.psql
BEGIN;
UPDATE public.bill SET customer = 70 WHERE customer = 5;
INSERT INTO public.customer VALUES (50, 'mail 50');
DELETE FROM public.customer WHERE id = 5;
UPDATE public.customer SET email = 'mail 4' WHERE id = 50;
INSERT INTO public.customer VALUES (51, 'mail 50');
COMMIT;
\i sql/include/same_tree.psql

-- TRUNCATE takes the children along; then of a child alone, and with rows behind it
TRUNCATE public.customer CASCADE;
INSERT INTO public.customer VALUES (1, 'mail 1'), (2, 'mail 2');
INSERT INTO public.bill VALUES (1, 1), (2, 2);
INSERT INTO public.item VALUES (1, 1), (2, 2);
\i sql/include/same_tree.psql
TRUNCATE public.item;
INSERT INTO public.item VALUES (1, 3);
\i sql/include/same_tree.psql
BEGIN;
INSERT INTO public.item VALUES (2, 3);
TRUNCATE public.bill CASCADE;
TRUNCATE public.customer CASCADE;
INSERT INTO public.customer VALUES (3, 'mail 1');
COMMIT;
\i sql/include/same_tree.psql

-- two that stay swap a unique value, and nobody may delete them: they are referenced
INSERT INTO public.bill VALUES (1, 3);
INSERT INTO public.customer VALUES (4, 'mail 4'), (5, 'mail 5');
INSERT INTO public.bill VALUES (2, 4);
\i sql/include/same_tree.psql
BEGIN;
UPDATE public.customer SET email = NULL WHERE id = 3;
UPDATE public.customer SET email = 'mail 1' WHERE id = 4;
UPDATE public.customer SET email = 'mail 4' WHERE id = 3;
COMMIT;
\i sql/include/same_tree.psql
-- the same of a column that is never null, in a table that nothing references
\set ddl 'ALTER TABLE public.item ADD code int NOT NULL UNIQUE DEFAULT 0;'
:ddl
\c :target regress_dbsync_keys
:ddl
\c :source :me
INSERT INTO public.item VALUES (1, 1, 'x', 1), (1, 2, 'y', 2);
\i sql/include/same_tree.psql
BEGIN;
UPDATE public.item SET code = 3 WHERE no = 1;
UPDATE public.item SET code = 1 WHERE no = 2;
UPDATE public.item SET code = 2 WHERE no = 1;
INSERT INTO public.customer VALUES (6, 'mail 6');
COMMIT;
\i sql/include/same_tree.psql

-- what no order helps: the parent is no table of the subscription
\c :target regress_dbsync_keys
CREATE TABLE public.region (id int PRIMARY KEY);
INSERT INTO public.region VALUES (1);
ALTER TABLE public.customer ADD region int DEFAULT 1, ADD CONSTRAINT in_region FOREIGN KEY (region) REFERENCES public.region;
\c :source :me
INSERT INTO public.customer VALUES (7, 'mail 7');
SELECT dbsync.run_once('keys');
\c :target regress_dbsync_keys
UPDATE public.customer SET region = NULL;
DELETE FROM public.region;
\c :source :me
INSERT INTO public.customer VALUES (8, 'mail 8');
SELECT dbsync.run_once('keys');
\c :target regress_dbsync_keys
-- what is checked at the end says so in its own words, too
ALTER TABLE public.customer ALTER CONSTRAINT in_region DEFERRABLE INITIALLY DEFERRED;
\c :source :me
SELECT dbsync.run_once('keys');
\c :target regress_dbsync_keys
INSERT INTO public.region VALUES (1);
\c :source :me
\i sql/include/same_tree.psql
-- nothing is left to be checked where a table is emptied
BEGIN;
INSERT INTO public.customer VALUES (9, 'mail 9');
COMMIT;
TRUNCATE public.customer CASCADE;
INSERT INTO public.customer VALUES (9, 'mail 9');
\i sql/include/same_tree.psql

-- rows that stay, are referenced, and swap a value that is never null
ALTER TABLE public.customer ALTER email SET NOT NULL;
\c :target regress_dbsync_keys
ALTER TABLE public.customer ALTER email SET NOT NULL;
\c :source :me
INSERT INTO public.customer VALUES (10, 'mail 10');
\i sql/include/same_tree.psql
BEGIN;
UPDATE public.customer SET email = 'mail' WHERE id = 9;
UPDATE public.customer SET email = 'mail 9' WHERE id = 10;
UPDATE public.customer SET email = 'mail 10' WHERE id = 9;
COMMIT;
\set VERBOSITY default
SELECT dbsync.run_once('keys');
\set VERBOSITY terse
\c :target regress_dbsync_keys
UPDATE public.customer SET email = 'moved ' || id WHERE id IN (9, 10);
\c :source :me
\i sql/include/same_tree.psql

-- drop it
SELECT dbsync.drop_subscription('keys');
DROP TABLE public.item, public.bill, public.customer, public.aside;
SELECT dbsync.drop_target('keys_target');
DROP DATABASE :target;
DROP ROLE regress_dbsync_keys;

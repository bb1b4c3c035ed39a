-- Rows that are refused where the target checks foreign keys: what leads to them is refused with them, and nothing else.
\set QUIET on
\i sql/include/foreign_keys.psql
\set ddl 'CREATE TABLE public.customer (id int PRIMARY KEY, email text UNIQUE, note text); CREATE TABLE public.bill (id int PRIMARY KEY, customer int NOT NULL REFERENCES public.customer, note text); CREATE TABLE public.tree (id int PRIMARY KEY, above int REFERENCES public.tree, note text); CREATE TABLE public.man (id int PRIMARY KEY, wife int NOT NULL, note text); CREATE TABLE public.woman (id int PRIMARY KEY, husband int NOT NULL REFERENCES public.man); ALTER TABLE public.man ADD CONSTRAINT married FOREIGN KEY (wife) REFERENCES public.woman DEFERRABLE INITIALLY DEFERRED; CREATE TABLE public.seat (id int PRIMARY KEY, place int, UNIQUE (place) DEFERRABLE INITIALLY DEFERRED);'
:ddl
\c :target regress_dbsync_keys
:ddl
ALTER TABLE public.customer ADD CHECK (note <> 'bad');
ALTER TABLE public.tree ADD CHECK (note <> 'bad');
ALTER TABLE public.man ADD CHECK (note <> 'bad');
ALTER TABLE public.woman ADD CHECK (id <> 4);
\c :source :me
INSERT INTO public.customer SELECT i, 'mail ' || i FROM generate_series(1, 5) i;
INSERT INTO public.bill SELECT i, 1 + i % 5 FROM generate_series(1, 10) i;
SELECT dbsync.create_target('keys_target', :'uri');
SELECT dbsync.create_subscription('keys', 'keys_target', tables => ARRAY['public.bill', 'public.customer', 'public.tree', 'public.man', 'public.woman', 'public.seat'], on_error => 'quarantine');
\set subscription keys
\i sql/include/same_tree.psql
SELECT foreign_keys FROM dbsync.status WHERE subscription = 'keys';
\set parked 'SELECT "table", key, op, sqlstate, message, changes FROM dbsync.quarantine ORDER BY "table"::text, key::text'

-- a parent that is refused, with its children; a parent that goes beside them
BEGIN;
INSERT INTO public.customer VALUES (6, 'mail 6', 'bad'), (7, 'mail 7', 'good');
INSERT INTO public.bill VALUES (11, 6), (12, 7);
UPDATE public.bill SET customer = 7 WHERE customer = 1;
DELETE FROM public.customer WHERE id = 1;
UPDATE public.customer SET note = 'bad' WHERE id = 2;
INSERT INTO public.bill VALUES (13, 2);
COMMIT;
SELECT dbsync.run_once('keys');
:parked;
\c :target
TABLE public.customer ORDER BY id;
TABLE public.bill ORDER BY id;
\c :source

-- parent and child fit together
UPDATE public.customer SET note = 'good' WHERE id = 6;
UPDATE public.bill SET note = 'too' WHERE id = 11;
SELECT dbsync.run_once('keys');
:parked;
INSERT INTO public.customer VALUES (8, 'mail 8', 'bad');
INSERT INTO public.bill VALUES (14, 8);
SELECT dbsync.run_once('keys');
:parked;
\c :target
ALTER TABLE public.customer DROP CONSTRAINT customer_note_check;
\c :source
SELECT dbsync.retry('keys', 'public.bill'), dbsync.retry('keys', 'public.customer');
\i sql/include/same_tree.psql
:parked;

-- rows of one table that lead to each other, in any order, beside one that is refused
BEGIN;
INSERT INTO public.tree SELECT i, i + 1, 'good' FROM generate_series(1, 99) i UNION ALL SELECT 100, NULL, 'good';
INSERT INTO public.tree VALUES (200, NULL, 'bad');
COMMIT;
SELECT dbsync.run_once('keys');
:parked;
\c :target
SELECT count(*) FROM public.tree;
\c :source

-- a circle whose check waits for the end, beside one that is refused (review: B7), and one that the check refuses
BEGIN;
INSERT INTO public.man VALUES (1, 1, 'good'), (2, 2, 'bad'), (3, 3, 'good'), (4, 4, 'good');
INSERT INTO public.woman VALUES (1, 1), (2, 2), (3, 3), (4, 4);
COMMIT;
SELECT dbsync.run_once('keys');
:parked;
\c :target
TABLE public.man ORDER BY id;
TABLE public.woman ORDER BY id;
ALTER TABLE public.man DROP CONSTRAINT man_note_check;
ALTER TABLE public.woman DROP CONSTRAINT woman_id_check;
ALTER TABLE public.tree DROP CONSTRAINT tree_note_check;
\c :source
SELECT dbsync.retry('keys', 'public.man'), dbsync.retry('keys', 'public.woman'), dbsync.retry('keys', 'public.tree');
\i sql/include/same_tree.psql
:parked;

-- unique values that rows swap, beside one that is refused
\c :target
ALTER TABLE public.customer ADD CHECK (note <> 'worse');
\c :source
BEGIN;
UPDATE public.customer SET email = NULL WHERE id IN (3, 4);
UPDATE public.customer SET email = 'mail ' || 7 - id WHERE id IN (3, 4);
UPDATE public.customer SET note = 'worse' WHERE id = 5;
COMMIT;
SELECT dbsync.run_once('keys');
:parked;
\c :target
SELECT id, email FROM public.customer WHERE id IN (3, 4) ORDER BY id;
ALTER TABLE public.customer DROP CONSTRAINT customer_note_check;
\c :source
SELECT dbsync.retry('keys', 'public.customer');
\i sql/include/same_tree.psql

-- unique values that are checked at the end: those that fit by then, and one of a row that only the target has
INSERT INTO public.seat SELECT i, i FROM generate_series(1, 6) i;
SELECT dbsync.run_once('keys');
\c :target
INSERT INTO public.seat VALUES (1000, 1000);
\c :source
BEGIN;
UPDATE public.seat SET place = 7 - id WHERE id IN (3, 4);
UPDATE public.seat SET place = 1000 WHERE id = 5;
INSERT INTO public.seat VALUES (7, 5), (8, 8);
COMMIT;
SELECT dbsync.run_once('keys');
:parked;
\c :target
TABLE public.seat ORDER BY id;
DELETE FROM public.seat WHERE id = 1000;
\c :source
SELECT dbsync.retry('keys', 'public.seat');
\i sql/include/same_tree.psql
:parked;

SELECT dbsync.drop_subscription('keys');
SELECT dbsync.drop_target('keys_target');
DROP TABLE public.bill, public.customer, public.tree, public.seat;
ALTER TABLE public.man DROP CONSTRAINT married;
DROP TABLE public.woman, public.man;
DROP DATABASE :target;
DROP ROLE regress_dbsync_keys;

-- Parked keys that change, unique values that are checked at the end, and what else goes on beside them.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.moved (id int PRIMARY KEY, u int, v text, UNIQUE (u) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE public.spread (k int, id int, v text, PRIMARY KEY (k, id));
CREATE TABLE public.left_one (id int PRIMARY KEY, v text);
CREATE TABLE public.right_one (id int PRIMARY KEY, v text);
CREATE SEQUENCE public.numbers;
\c :target
CREATE TABLE public.moved (id int PRIMARY KEY, u int, v text CHECK (v <> 'bad'), UNIQUE (u) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE public.spread (k int, id int, v text, PRIMARY KEY (k, id)) PARTITION BY LIST (k);
CREATE TABLE public.spread_1 PARTITION OF public.spread FOR VALUES IN (1);
CREATE TABLE public.both_there (id int PRIMARY KEY, v text CHECK (v <> 'bad'));
CREATE SEQUENCE public.numbers;
\c :source
SELECT dbsync.create_target('moves_target', :'uri');
SELECT dbsync.create_subscription('moves', 'moves_target', tables => ARRAY['public.moved', 'public.spread'], on_error => 'quarantine');
SELECT dbsync.add_sequence('moves', 'public.numbers');
INSERT INTO public.moved SELECT i, i, 'good' FROM generate_series(1, 10) i;
SELECT dbsync.run_once('moves');
\set parked 'SELECT "table", key, op, "row", sqlstate, message, detail, changes FROM dbsync.quarantine ORDER BY "table"::text, key::text'

-- a key changes, and the row is refused: the old key goes, the new one is parked
UPDATE public.moved SET id = 101, v = 'bad' WHERE id = 1;
-- a good row takes the key of another, which goes elsewhere and is bad there
UPDATE public.moved SET id = 102, v = 'bad' WHERE id = 2;
UPDATE public.moved SET id = 2, v = 'other' WHERE id = 3;
SELECT setval('public.numbers', 100);
SELECT dbsync.run_once('moves');
:parked;
\c :target
TABLE public.moved ORDER BY id;
-- sequences go on
SELECT last_value >= 100 AS has_come FROM public.numbers;
\c :source
-- a parked key gets another: parked is that; it moves onto a key that the target has, whose row goes first; it becomes good as it moves
UPDATE public.moved SET id = 111 WHERE id = 101;
DELETE FROM public.moved WHERE id = 4;
UPDATE public.moved SET id = 4 WHERE id = 102;
SELECT dbsync.run_once('moves');
:parked;
\c :target
TABLE public.moved ORDER BY id;
\c :source
UPDATE public.moved SET id = 1, v = 'good' WHERE id = 111;
UPDATE public.moved SET id = 104 WHERE id = 4;
UPDATE public.moved SET v = 'good' WHERE id = 104;
SELECT dbsync.run_once('moves');
:parked;
\c :target
TABLE public.moved ORDER BY id;

-- unique values that are checked at the end: two rows swap theirs, which fit by then.  One of a row that only the target has is
-- checked by no server in this role (sql/quarantine_keys has what is said where keys are checked)
INSERT INTO public.moved VALUES (1000, 1000, 'theirs');
\c :source
BEGIN;
UPDATE public.moved SET u = 1000 WHERE id = 5;
UPDATE public.moved SET u = 13 - id WHERE id IN (6, 7);
COMMIT;
SELECT dbsync.run_once('moves');
:parked;
\c :target
TABLE public.moved ORDER BY id;
DELETE FROM public.moved WHERE id = 1000;
\c :source
SELECT dbsync.retry('moves', 'public.moved');
SELECT dbsync.run_once('moves');
:parked;

-- no partition there, until there is one; and one row moves from a partition into none
INSERT INTO public.spread VALUES (1, 1, 'a'), (1, 2, 'b'), (2, 1, 'c'), (2, 2, 'd');
SELECT dbsync.run_once('moves');
UPDATE public.spread SET k = 2, id = 3 WHERE k = 1 AND id = 1;
SELECT dbsync.run_once('moves');
:parked;
\c :target
TABLE public.spread ORDER BY k, id;
CREATE TABLE public.spread_2 PARTITION OF public.spread FOR VALUES IN (2);
\c :source
SELECT dbsync.retry('moves', 'public.spread', '{"k": 2, "id": 1}'), dbsync.retry('moves', 'public.spread', '{"k": 2, "id": 2}'), dbsync.retry('moves', 'public.spread', '{"k": 2, "id": 9}');
SELECT dbsync.run_once('moves');
:parked;
\c :target
TABLE public.spread ORDER BY k, id;
\c :source

-- two subscriptions that send to one table there: each parks and frees its own
SELECT dbsync.create_subscription('moves_left', 'moves_target', on_error => 'quarantine');
SELECT dbsync.create_subscription('moves_right', 'moves_target', on_error => 'quarantine');
SELECT dbsync.add_table('moves_left', 'public.left_one', target_table => 'both_there');
SELECT dbsync.add_table('moves_right', 'public.right_one', target_table => 'both_there', existing_rows => 'keep');
INSERT INTO public.left_one VALUES (1, 'left'), (2, 'bad');
SELECT dbsync.run_once('moves_left');
INSERT INTO public.right_one VALUES (2, 'bad'), (3, 'right'), (4, 'bad');
SELECT dbsync.run_once('moves_right');
SELECT subscription, "table", target_table, key FROM dbsync.quarantine ORDER BY 1, 4;
UPDATE public.left_one SET v = 'good' WHERE id = 2;
SELECT dbsync.run_once('moves_left');
SELECT subscription, "table", key FROM dbsync.quarantine ORDER BY 1, 3;
TRUNCATE public.left_one;
SELECT dbsync.run_once('moves_left');
SELECT subscription, "table", key FROM dbsync.quarantine ORDER BY 1, 3;
SELECT dbsync.drop_subscription('moves_left');
\c :target
SELECT relation, key FROM dbsync_ledger.quarantine ORDER BY key;
\c :source
SELECT dbsync.drop_subscription('moves_right');
SELECT dbsync.drop_subscription('moves');
\c :target
SELECT count(*) FROM dbsync_ledger.quarantine;
\c :source

-- a table that dbsync makes there; somebody adds a rule to it later
SELECT dbsync.create_subscription('made', 'moves_target', create_missing => true, on_error => 'quarantine');
CREATE TABLE public.made_there (id int PRIMARY KEY, v text, CHECK (v <> 'never'));
INSERT INTO public.made_there VALUES (1, 'good');
SELECT dbsync.add_table('made', 'public.made_there');
SELECT dbsync.run_once('made');
\c :target
ALTER TABLE public.made_there ADD CONSTRAINT later CHECK (v <> 'bad');
\c :source
INSERT INTO public.made_there VALUES (2, 'bad'), (3, 'good');
SELECT dbsync.run_once('made');
:parked;
\c :target
TABLE public.made_there ORDER BY id;
\c :source
SELECT dbsync.drop_subscription('made');
SELECT dbsync.drop_target('moves_target');
DROP TABLE public.moved, public.spread, public.left_one, public.right_one, public.made_there;
DROP SEQUENCE public.numbers;
DROP DATABASE :target;

-- What is parked and what is not: refusals that are a row's, and those that are not.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.kind (id int PRIMARY KEY, n int, t text, u int UNIQUE, c int);
CREATE TABLE public.part (k int, v text, PRIMARY KEY (k, v));
\c :target
CREATE TABLE public.kind (id int PRIMARY KEY, n smallint NOT NULL, t varchar(10), u int UNIQUE, c int CHECK (c <> 13));
CREATE TABLE public.part (k int, v text, PRIMARY KEY (k, v)) PARTITION BY LIST (k);
CREATE TABLE public.part_1 PARTITION OF public.part FOR VALUES IN (1);
\c :source
SELECT dbsync.create_target('kinds_target', :'uri');
SELECT dbsync.create_subscription('kinds', 'kinds_target', tables => ARRAY['public.kind', 'public.part'], on_error => 'quarantine');
-- rows of a first copy
INSERT INTO public.kind SELECT i, i, 'row', i FROM generate_series(1, 20) i;
INSERT INTO public.kind VALUES (21, 40000, 'too much', 21, 1), (22, 22, 'too long a text', 22, 1);
INSERT INTO public.part VALUES (1, 'a'), (2, 'b');
SELECT dbsync.run_once('kinds');
\set parked 'SELECT "table", key, op, "row", sqlstate, message, detail, changes FROM dbsync.quarantine ORDER BY "table"::text, key::text'
:parked;
\c :target
SELECT count(*) FROM public.kind;
TABLE public.part;
\c :source

-- null, a number, a length, a CHECK, a unique value of another row there; all else goes on
\c :target
INSERT INTO public.kind VALUES (1000, 1, 'theirs', 1000, 1);
\c :source
BEGIN;
INSERT INTO public.kind VALUES (31, NULL, 'null', 31, 1), (32, 32, 'fits', 32, 1), (33, 33, 'check', 33, 13), (34, 34, 'unique', 1000, 1);
UPDATE public.kind SET t = 'longer than ten' WHERE id = 3;
DELETE FROM public.kind WHERE id = 4;
COMMIT;
SELECT dbsync.run_once('kinds');
:parked;
\c :target
SELECT * FROM public.kind WHERE id > 30 OR id IN (3, 4) ORDER BY id;
\c :source

-- unique values that rows swap are no refusal, whatever else is refused beside them; nor are those that move in a row
BEGIN;
UPDATE public.kind SET u = -u WHERE id IN (5, 6);
UPDATE public.kind SET u = 11 - id WHERE id IN (5, 6);
UPDATE public.kind SET u = u + 500 WHERE id BETWEEN 7 AND 20;
UPDATE public.kind SET u = id + 1 WHERE id BETWEEN 7 AND 19;
UPDATE public.kind SET c = 13 WHERE id = 2;
COMMIT;
SELECT dbsync.run_once('kinds');
:parked;
\c :target
SELECT id, u, c FROM public.kind WHERE id BETWEEN 1 AND 20 ORDER BY id;
\c :source

-- a later change that fits frees the key; a delete does, and a change of the key
UPDATE public.kind SET c = 1 WHERE id IN (2, 33);
DELETE FROM public.kind WHERE id = 31;
UPDATE public.kind SET id = 340 WHERE id = 34;
UPDATE public.part SET k = 1 WHERE k = 2;
SELECT dbsync.run_once('kinds');
:parked;
\c :target
SELECT * FROM public.kind WHERE id IN (2, 31, 33, 34, 340) ORDER BY id;
TABLE public.part ORDER BY k, v;
SELECT count(*) FROM dbsync_ledger.quarantine;
\c :source

-- skip: what was refused does not count, and the next change is as any other
SELECT dbsync.skip('kinds', 'public.kind', NULL);
SELECT dbsync.skip('kinds', 'public.kind', '{"id": 3}');
SELECT dbsync.skip('kinds', 'public.kind', '{"id": 3, "u": 3}');
SELECT dbsync.skip('kinds', 'public.kind', '{"id": 4}');
SELECT dbsync.run_once('kinds');
SELECT key FROM dbsync.quarantine ORDER BY key::text;
UPDATE public.kind SET t = 'short' WHERE id = 3;
SELECT dbsync.run_once('kinds');
\c :target
SELECT t FROM public.kind WHERE id = 3;
\c :source

-- retry of one that is gone here: what there is of it there goes
INSERT INTO public.kind VALUES (50, 50, 'fits', 50, 1);
SELECT dbsync.run_once('kinds');
UPDATE public.kind SET t = 'longer than ten' WHERE id = 50;
SELECT dbsync.run_once('kinds');
DELETE FROM public.kind WHERE id = 50;
SELECT dbsync.retry('kinds', 'public.kind', '{"id": 50}');
SELECT dbsync.run_once('kinds');
SELECT key FROM dbsync.quarantine ORDER BY key::text;
\c :target
SELECT count(*) FROM public.kind WHERE id = 50;
\c :source

-- TRUNCATE frees all of them
SELECT count(*) > 0 AS parked FROM dbsync.quarantine;
TRUNCATE public.kind;
INSERT INTO public.kind VALUES (1, 1, 'one', 1, 13), (2, 2, 'two', 2, 1);
SELECT dbsync.run_once('kinds');
:parked;
\c :target
TABLE public.kind ORDER BY id;
SELECT key FROM dbsync_ledger.quarantine;
\c :source

-- with "stop" what is parked stays so, and what is refused stops all
SELECT dbsync.alter_subscription('kinds', on_error => 'stop');
UPDATE public.kind SET t = 'again' WHERE id = 1;
SELECT dbsync.run_once('kinds');
:parked;
UPDATE public.kind SET c = 13 WHERE id = 2;
SELECT dbsync.run_once('kinds');
SELECT dbsync.alter_subscription('kinds', on_error => 'quarantine');
SELECT dbsync.run_once('kinds');
:parked;

-- copied anew, nothing is parked of it but what is refused then
\c :target
ALTER TABLE public.kind DROP CONSTRAINT kind_c_check;
\c :source
SELECT dbsync.copy_table('kinds', 'public.kind', existing_rows => 'truncate');
SELECT count(*) FROM dbsync.quarantine;
SELECT dbsync.run_once('kinds');
\c :target
TABLE public.kind ORDER BY id;
SELECT count(*) FROM dbsync_ledger.quarantine;
\c :source
SELECT dbsync.remove_table('kinds', 'public.part');

-- words that are none
SELECT dbsync.alter_subscription('kinds', on_error => 'pass');
SELECT dbsync.create_subscription('none', 'kinds_target', on_error => NULL);
SELECT dbsync.retry('nobody', 'public.kind');
SELECT dbsync.retry('kinds', 'public.part');

SELECT dbsync.drop_subscription('kinds');
\c :target
SELECT count(*) FROM dbsync_ledger.quarantine;
\c :source
SELECT dbsync.drop_target('kinds_target');
DROP TABLE public.kind, public.part;
DROP DATABASE :target;

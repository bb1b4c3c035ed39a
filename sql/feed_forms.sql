-- What lies in the log of tables of which keys alone are captured, by triggers or by the application.
\set QUIET on
\i sql/include/target.psql
\set VERBOSITY terse
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE TABLE public.k (id int PRIMARY KEY, v text, large text);
ALTER TABLE public.k ALTER large SET STORAGE EXTERNAL;
CREATE TABLE public.pair (v text, b numeric, a text, PRIMARY KEY (a, b));
CREATE TABLE public.only_key (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE public.parted (id int, k int, v text, PRIMARY KEY (k, id)) PARTITION BY LIST (k);
CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES IN (1);
CREATE TABLE public.parted_2 (v text, k int NOT NULL, id int NOT NULL);
ALTER TABLE public.parted ATTACH PARTITION public.parted_2 FOR VALUES IN (2);
CREATE TABLE public.parent (id int PRIMARY KEY, v text);
CREATE TABLE public.child (PRIMARY KEY (id)) INHERITS (public.parent);
CREATE TABLE public.app (id bigint PRIMARY KEY, v text);
SELECT dbsync.create_target('feed_target', :'uri');
SELECT dbsync.create_subscription('feed', 'feed_target');
SELECT dbsync.add_table('feed', t, capture => 'keys')
FROM unnest('{k,pair,only_key,parted,parent,child}'::regclass[]) t;
SELECT dbsync.add_table('feed', 'public.app', capture => 'api');
-- nothing is there to be copied to yet, and capture begins all the same
SELECT dbsync.run_once('feed');
SELECT relid, state, capture, by_row FROM dbsync.captured_table ORDER BY id;

\echo one row, by header
INSERT INTO k VALUES (1, 'one', repeat('x', 3000));
UPDATE k SET v = 'uno' WHERE id = 1;
UPDATE k SET id = 2 WHERE id = 1;
UPDATE k SET v = v WHERE id = 2;
INSERT INTO k VALUES (2, 'again'), (3, 'new') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v;
MERGE INTO k USING (VALUES (2), (3), (4)) s (id) ON k.id = s.id
  WHEN MATCHED AND k.id = 2 THEN DELETE WHEN MATCHED THEN UPDATE SET v = 'merged' WHEN NOT MATCHED THEN INSERT VALUES (s.id, 'merged');
DELETE FROM k WHERE id = 3;
TRUNCATE k;
SELECT op, key, "row" FROM dbsync.changes('k');

\echo many rows, in the segment: so many bytes a row
INSERT INTO k SELECT i, repeat('v', 1000) FROM generate_series(1, 500) i;
UPDATE k SET v = repeat('w', 1000);
BEGIN;
SAVEPOINT s;
DELETE FROM k;
ROLLBACK TO s;
COMMIT;
COPY k FROM stdin;
1001	copied	\N
1002	copied	\N
1003	copied	\N
1004	copied	\N
\.
SELECT op, count(*), count(DISTINCT key), min((key->>'id')::int), max((key->>'id')::int) FROM dbsync.changes('k') GROUP BY op ORDER BY op;
SELECT rows, bytes / rows FROM dbsync_internal.header_1 WHERE rows = 500 AND xid IN (SELECT xid FROM dbsync.changes('k')) ORDER BY closing;

\echo keys that are equal, and not the same
INSERT INTO pair VALUES ('v', 1.0, 'a'), ('v', 2, 'b');
UPDATE pair SET b = 1.00 WHERE a = 'a';
UPDATE pair SET v = 'w' WHERE a = 'a';
SELECT op, key, "row" FROM dbsync.changes('pair');
INSERT INTO only_key VALUES (1, 2);
UPDATE only_key SET b = b;
UPDATE only_key SET b = 3;
SELECT op, key, "row" FROM dbsync.changes('only_key');

\echo partitions, of any layout, and one that comes with rows, is emptied, and goes
INSERT INTO parted VALUES (1, 1, 'root'), (2, 2, 'root');
INSERT INTO parted_2 VALUES ('leaf', 2, 3);
UPDATE parted SET k = 2 WHERE id = 1;
UPDATE parted_2 SET v = 'leaf' WHERE id = 2;
CREATE TABLE parted_3 (LIKE parted);
INSERT INTO parted_3 VALUES (4, 3, 'came'), (5, 3, 'came');
ALTER TABLE parted ATTACH PARTITION parted_3 FOR VALUES IN (3);
TRUNCATE parted_3;
ALTER TABLE parted DETACH PARTITION parted_3;
SELECT op, key, "row" FROM dbsync.changes('parted');
SELECT kind, bound FROM dbsync.turn ORDER BY xid, no;

\echo inheritance: row by row
INSERT INTO parent VALUES (1, 'p');
INSERT INTO child VALUES (2, 'c');
UPDATE parent SET v = v || '!';
UPDATE parent SET v = v || '!' WHERE id = 1;
SELECT c, op, key, "row" FROM unnest('{parent,child}'::regclass[]) c, dbsync.changes(c) ORDER BY c, closing, no;

\echo a row trigger that writes: what is read again at commit is a key, too
CREATE FUNCTION public.again() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE pair SET v = v || '+' WHERE a = NEW.a AND length(v) < 3; RETURN NULL; END$$;
CREATE TRIGGER again AFTER INSERT ON pair FOR EACH ROW EXECUTE FUNCTION public.again();
INSERT INTO pair VALUES ('v', 1, 'r1'), ('v', 1, 'r2');
SELECT op, key FROM dbsync.changes('pair') WHERE key->>'a' LIKE 'r%' ORDER BY 1, 2;
DROP TRIGGER again ON pair;
DROP FUNCTION public.again();

\echo logical replication and COPY, the triggers alone
SET session_replication_role = replica;
INSERT INTO only_key VALUES (7, 7);
RESET session_replication_role;
SET dbsync.direct_capture = off;
UPDATE only_key SET b = 8 WHERE a = 7;
RESET dbsync.direct_capture;
SELECT op, key FROM dbsync.changes('only_key') WHERE key->>'a' = '7';

\echo the application says what it has changed; no trigger is there
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'app'::regclass;
INSERT INTO app VALUES (1, 'one'), (2, 'two'), (3, 'three');
SELECT op, key FROM dbsync.changes('app');
SELECT dbsync.record_change('app', '{"id": 1}');
SELECT dbsync.record_changes('app', ARRAY['{"id": "2"}', '{"id": 3}', '{"id": 2}']::jsonb[]);
SELECT dbsync.record_changes('app', '{}');
BEGIN;
SELECT dbsync.record_change('app', '{"id": 3}');
SAVEPOINT s;
SELECT dbsync.record_change('app', '{"id": 4}');
ROLLBACK TO s;
COMMIT;
BEGIN;
SELECT dbsync.record_change('app', '{"id": 5}');
ROLLBACK;
SELECT op, key, "row" FROM dbsync.changes('app');
-- with the tag of its transaction, like any other
BEGIN;
SET LOCAL dbsync.tag = 'job 7';
SELECT dbsync.record_change('app', '{"id": 6}');
COMMIT;
SELECT op, key, tag, role = current_user AS mine FROM dbsync.changes('app') WHERE tag IS NOT NULL;
SELECT count(*) FROM (SELECT dbsync.record_changes('app', array_agg(jsonb_build_object('id', i))) FROM generate_series(1, 3000) i) n;
SELECT op, count(*) FROM dbsync.changes('app') GROUP BY op;

\echo headers say how many keys there are, and are what they were where there are none
SELECT count(*) FILTER (WHERE parts[10] >= 32) > 0 AS keys FROM (SELECT dbsync_internal.header_parts(h.parts) AS parts FROM dbsync_internal.header_1 h) p;

\echo from whole rows to keys and back, beside one that is open: what folds of it is read again or is whole
CREATE TABLE public.turned (id int PRIMARY KEY, v text, large text);
ALTER TABLE turned ALTER large SET STORAGE EXTERNAL;
SELECT dbsync.add_table('feed', 'public.turned');
SELECT dbsync.run_once('feed');
INSERT INTO turned VALUES (1, 'whole', repeat('x', 3000));
UPDATE turned SET v = 'marks';
UPDATE dbsync.captured_table SET capture = 'keys' WHERE relid = 'turned'::regclass;
UPDATE turned SET v = 'key';
UPDATE dbsync.captured_table SET capture = 'trigger' WHERE relid = 'turned'::regclass;
UPDATE turned SET v = 'marks again';
SELECT op, key, "row" - 'large' AS "row" FROM dbsync.changes('turned');

SET client_min_messages = warning;
SELECT dbsync.drop_subscription('feed', force => true);
SELECT dbsync.drop_target('feed_target');
SELECT relid FROM dbsync.captured_table;
DROP TABLE k, pair, only_key, parted, parted_3, parent, child, app, turned CASCADE;

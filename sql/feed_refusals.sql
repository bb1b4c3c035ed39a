-- Ways to capture: what is refused, what people are told, and who may say that something has changed.
\set QUIET on
\i sql/include/target.psql
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
CREATE TABLE public.a (id int PRIMARY KEY, v text);
CREATE TABLE public.b (id int PRIMARY KEY, v text);
CREATE TABLE public.keyless (v text);
CREATE TABLE public.typed (n numeric(4,1), t varchar(3), d date, b boolean, e int[], v text, PRIMARY KEY (n, t, d, b, e));
CREATE TABLE public.parted (id int PRIMARY KEY) PARTITION BY LIST (id);
CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES IN (1);
CREATE TABLE public.other (id int PRIMARY KEY);
SELECT dbsync.create_target('feed_target', :'uri');
SELECT dbsync.create_subscription('one', 'feed_target');
SELECT dbsync.create_subscription('two', 'feed_target');

\echo refused as it is added
SELECT dbsync.add_table('one', 'a', capture => 'magic');
SELECT dbsync.add_table('one', 'a', capture => 'keys', options => '{"scan": "daily"}');
SELECT dbsync.add_table('one', 'a', capture => 'api', options => '[]');
SELECT dbsync.add_table('one', 'keyless', capture => 'keys');
SELECT dbsync.add_table('one', 'keyless', capture => 'api');
SELECT dbsync.add_table('one', 'a', capture => 'keys', operations => '{insert,delete}');
SELECT dbsync.add_table('one', 'a', capture => 'api', operations => '{update}');

\echo what it does not see is said, and kept
SELECT dbsync.add_table('one', 'a', capture => 'keys', options => '{}');
SELECT dbsync.add_table('one', 'b', capture => 'api');
SELECT "table", note FROM dbsync.table_status ORDER BY "table"::text;
SELECT dbsync.alter_table('one', 'a', operations => '{insert}');
SELECT dbsync.alter_table('one', 'a', operations => '{delete}');
SELECT dbsync.alter_table('one', 'a', operations => '{insert,update,delete,truncate}');

\echo others of the same table: whole rows serve who asks for keys, and not the other way round
SELECT dbsync.add_table('two', 'a', 'x.a');
SELECT dbsync.add_table('two', 'a', 'x.a', capture => 'api');
SELECT dbsync.add_table('two', 'b', 'x.b', capture => 'keys');
SELECT dbsync.create_subscription('three', 'feed_target', tables => '{a}');
SELECT dbsync.alter_subscription('two', schemas => '{public}');
SELECT subscription, "table", reason, hint FROM dbsync.refused WHERE "table" IN ('a'::regclass, 'b'::regclass) ORDER BY "table"::text;
SELECT dbsync.alter_subscription('two', schemas => '{}');
SELECT dbsync.add_table('two', 'a', 'x.a', capture => 'keys');
SELECT dbsync.add_table('two', 'other');
SELECT dbsync.add_table('one', 'other', capture => 'keys');
SELECT dbsync.add_table('one', 'parted', capture => 'api');
SELECT relid, capture, capture_options FROM dbsync.captured_table ORDER BY relid::text;
-- with the last one goes the way, too
SELECT dbsync.remove_table('one', 'b');
SELECT dbsync.add_table('two', 'b', 'x.b');
SELECT relid, capture FROM dbsync.captured_table WHERE relid = 'b'::regclass;
SELECT dbsync.remove_table('two', 'b');
SELECT dbsync.add_table('one', 'b', capture => 'api');
SELECT dbsync.add_table('one', 'typed', capture => 'api');

\echo capture that has not begun takes nothing, as its copy will bring it; one that is suspended neither
SELECT dbsync.record_change('b', '{"id": 1}');
SELECT count(*) FROM dbsync.changes('b');
SET client_min_messages = error;
SELECT dbsync.run_once('one');
RESET client_min_messages;
SELECT dbsync.record_change('b', '{"id": 1}');
SELECT dbsync.suspend_table('b');
SELECT dbsync.record_change('b', '{"id": 2}');
SELECT op, key FROM dbsync.changes('b');
SELECT dbsync.copy_table('one', 'b');
SET client_min_messages = error;
SELECT dbsync.run_once('one');
RESET client_min_messages;

\echo keys that are none
SELECT dbsync.record_change('b', NULL);
SELECT dbsync.record_changes('b', NULL);
SELECT dbsync.record_changes('b', ARRAY['{"id": 2}', NULL]::jsonb[]);
SELECT dbsync.record_change(NULL, '{"id": 1}');
SELECT dbsync.record_change('b', '1');
SELECT dbsync.record_change('b', '[{"id": 1}]');
SELECT dbsync.record_change('b', '{}');
SELECT dbsync.record_change('b', '{"v": "x"}');
SELECT dbsync.record_change('b', '{"id": 1, "v": "x"}');
SELECT dbsync.record_change('b', '{"id": null}');
SELECT dbsync.record_change('b', '{"id": {"id": 1}}');
SELECT dbsync.record_change('b', '{"id": "one"}');
SELECT dbsync.record_change('b', '{"id": 12345678901}');
SELECT dbsync.record_change('b', '{"id": 1.5}');
SELECT dbsync.record_change('b', '{"id": true}');
SELECT dbsync.record_change('typed', '{"n": 12345, "t": "abc", "d": "2026-01-01", "b": true, "e": "{1}"}');
SELECT dbsync.record_change('typed', '{"n": 1, "t": "abcd", "d": "2026-01-01", "b": true, "e": "{1}"}');
SELECT dbsync.record_change('typed', '{"n": 1, "t": "abc", "d": "2026-02-30", "b": true, "e": "{1}"}');
SELECT dbsync.record_change('typed', '{"n": 1, "t": "abc", "d": "2026-01-01", "b": true, "e": [1]}');
-- one that is
SELECT dbsync.record_change('typed', '{"n": 1.25, "t": 7, "d": "2026-01-01", "b": true, "e": "{1,NULL}"}');
SELECT op, key FROM dbsync.changes('typed');
-- of several all or none
BEGIN;
SELECT dbsync.record_changes('b', ARRAY['{"id": 3}', '{"id": "x"}']::jsonb[]);
ROLLBACK;
SELECT op, key FROM dbsync.changes('b') WHERE key->>'id' = '3';

\echo tables of which applications are not to tell
SELECT dbsync.record_change('a', '{"id": 1}');
SELECT dbsync.record_change('keyless', '{"id": 1}');
SELECT dbsync.record_change('parted_1', '{"id": 1}');
SELECT dbsync.record_change('dbsync.subscription', '{"id": 1}');
SELECT dbsync.record_change('dbsync_internal.header_1', '{"xid": 1}');
SELECT dbsync.record_change(4294967295::oid, '{"id": 1}');
SELECT dbsync.record_change('pg_class', '{"oid": 1}');

\echo what programs see
\set VERBOSITY sqlstate
SELECT dbsync.record_change('b', NULL);
SELECT dbsync.record_change('b', '{}');
SELECT dbsync.record_change('b', '{"id": "one"}');
SELECT dbsync.record_change('a', '{"id": 1}');
SELECT dbsync.record_change('keyless', '{"id": 1}');
BEGIN READ ONLY;
SELECT dbsync.record_changes('b', ARRAY['{"id": 1}']::jsonb[]);
ROLLBACK;
\set VERBOSITY default

\echo who may, and when
BEGIN READ ONLY;
SELECT dbsync.record_change('b', '{"id": 1}');
ROLLBACK;
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_dbsync_app;
RESET client_min_messages;
CREATE ROLE regress_dbsync_app;
SET ROLE regress_dbsync_app;
SELECT dbsync.record_change('b', '{"id": 1}');
RESET ROLE;
GRANT USAGE ON SCHEMA dbsync TO regress_dbsync_app;
GRANT EXECUTE ON FUNCTION dbsync.record_change(regclass, jsonb), dbsync.record_changes(regclass, jsonb[]) TO regress_dbsync_app;
GRANT USAGE ON SCHEMA public TO regress_dbsync_app;
SET ROLE regress_dbsync_app;
SELECT dbsync.record_change('b', '{"id": 1}');
RESET ROLE;
GRANT SELECT (id) ON b TO regress_dbsync_app;
SET ROLE regress_dbsync_app;
SELECT dbsync.record_change('b', '{"id": 1}');
RESET ROLE;
GRANT SELECT ON b TO regress_dbsync_app;
SET ROLE regress_dbsync_app;
SELECT dbsync.record_change('b', '{"id": 11}');
SELECT dbsync.record_changes('b', ARRAY['{"id": 12}']::jsonb[]);
RESET ROLE;
SELECT role, op, key FROM dbsync.changes('b') WHERE (key->>'id')::int > 10;
ALTER TABLE b ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON b USING (id < 5);
SET ROLE regress_dbsync_app;
SELECT dbsync.record_change('b', '{"id": 1}');
SET row_security = off;
SELECT dbsync.record_change('b', '{"id": 1}');
\set VERBOSITY sqlstate
SELECT dbsync.record_changes('b', ARRAY['{"id": 1}']::jsonb[]);
\set VERBOSITY default
RESET row_security;
RESET ROLE;
SELECT dbsync.record_change('b', '{"id": 13}');

\echo no trigger is missed, whatever the guard looks at
ALTER TABLE b DISABLE TRIGGER ALL;
ALTER TABLE b ENABLE TRIGGER ALL;
CREATE TABLE b_child () INHERITS (b);
ALTER TABLE b ADD COLUMN w int;
DROP TABLE b_child;
SELECT dbsync_internal.tidy_captures(NULL) IS NOT NULL;
SELECT relid, state, by_row, (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = relid AND NOT tgisinternal) AS triggers
FROM dbsync.captured_table ORDER BY relid::text;
-- a key that goes, and comes again
ALTER TABLE b DROP CONSTRAINT b_pkey;
SELECT dbsync.record_change('b', '{"id": 1}');
ALTER TABLE a DROP CONSTRAINT a_pkey;
INSERT INTO a VALUES (1, 'whole');
ALTER TABLE a ADD PRIMARY KEY (id);
UPDATE a SET v = 'key';
SELECT op, key, "row" FROM dbsync.changes('a');

SET client_min_messages = warning;
SELECT dbsync.drop_subscription(s, force => true) FROM unnest('{one,two}'::text[]) s;
SELECT dbsync.drop_target('feed_target');
DROP TABLE a, b, keyless, typed, parted, other;
DROP OWNED BY regress_dbsync_app;
DROP ROLE regress_dbsync_app;

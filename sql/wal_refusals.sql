-- capture => 'wal': what is refused as a table is added, whatever the server's wal_level.
\set QUIET on
\i sql/include/target.psql
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
CREATE SCHEMA wal_test;
SET search_path = wal_test, public;
CREATE TABLE wal_test.a (id int PRIMARY KEY, v text);
CREATE TABLE wal_test.keyless (v text);
CREATE TABLE wal_test.parted (id int PRIMARY KEY) PARTITION BY LIST (id);
CREATE TABLE wal_test.named (x int NOT NULL, y int NOT NULL, z int NOT NULL, PRIMARY KEY (x, y));
CREATE INDEX ON wal_test.named (z);
CREATE UNIQUE INDEX named_other ON wal_test.named (y, x);
CREATE UNIQUE INDEX named_z ON wal_test.named (z);
SELECT dbsync.create_target('wal_target', :'uri');
SELECT dbsync.create_subscription('one', 'wal_target');

\echo options, keys and operations
SELECT dbsync.add_table('one', 'a', capture => 'wal', options => '{"slot": "mine"}');
SELECT dbsync.add_table('one', 'keyless', capture => 'wal');
SELECT dbsync.add_table('one', 'parted', capture => 'wal');
SELECT dbsync.add_table('one', 'named', capture => 'wal', key => '{z}');

\echo replica identities
CREATE FUNCTION pg_temp.problem(rel regclass, key name[] DEFAULT NULL) RETURNS text LANGUAGE sql
AS $$SELECT coalesce(dbsync_internal.identity_problem(rel, dbsync_internal.key_numbers(rel, key)), 'it is right')$$;
SELECT pg_temp.problem('named');
ALTER TABLE wal_test.named REPLICA IDENTITY USING INDEX named_other;
SELECT pg_temp.problem('named');
ALTER TABLE wal_test.named REPLICA IDENTITY USING INDEX named_z;
SELECT pg_temp.problem('named'), pg_temp.problem('named', '{z}');
DROP INDEX wal_test.named_z;
SELECT pg_temp.problem('named');
ALTER TABLE wal_test.named REPLICA IDENTITY NOTHING;
SELECT pg_temp.problem('named');
ALTER TABLE wal_test.named REPLICA IDENTITY FULL;
SELECT pg_temp.problem('named'), pg_temp.problem('named', '{z}');
ALTER TABLE wal_test.a REPLICA IDENTITY NOTHING;
SELECT dbsync.add_table('one', 'a', capture => 'wal');
ALTER TABLE wal_test.a REPLICA IDENTITY DEFAULT;

\echo the server, and who asks
DO $$
DECLARE
    logical boolean := current_setting('wal_level') = 'logical';
    added boolean := true;
BEGIN
    SET LOCAL client_min_messages = warning;
    BEGIN
        PERFORM dbsync.add_table('one', 'a', capture => 'wal');
    EXCEPTION WHEN object_not_in_prerequisite_state THEN
        added := false;
    END;
    SET LOCAL client_min_messages = notice;
    RAISE NOTICE '%', CASE WHEN added = logical THEN 'added if wal_level is logical' ELSE format('added: %s, wal_level: %s', added, current_setting('wal_level')) END;
    IF added THEN
        PERFORM dbsync.remove_table('one', 'a');
    END IF;
END $$;
CREATE ROLE regress_wal;
DO $$
BEGIN
    PERFORM dbsync_internal.check_wal_server('regress_wal'::regrole);
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE '%', SQLERRM;
END $$;
DROP ROLE regress_wal;

\echo whoever has it otherwise
SELECT dbsync.add_table('one', 'a');
SELECT dbsync.create_subscription('two', 'wal_target');
ALTER TABLE wal_test.a REPLICA IDENTITY FULL;
DO $$
BEGIN
    PERFORM dbsync_internal.check_same_capture('a', 'wal');
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RAISE NOTICE '%', SQLERRM;
END $$;

SELECT dbsync.drop_subscription(s) FROM unnest('{one,two}'::text[]) s;
SELECT count(*) FROM dbsync_internal.wal_slot;
SET client_min_messages = warning;
SELECT dbsync.drop_target('wal_target');
DROP SCHEMA wal_test CASCADE;

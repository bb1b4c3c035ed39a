-- The guard: one command that drops what nobody captures, and with it what a captured table, a
-- subscription or a target needs.  That other things go along hides nothing.  Hazard 16.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA guard_mixed;
CREATE SCHEMA mixed_types;
CREATE SCHEMA mixed_ops;
CREATE ROLE regress_dbsync_mixed;
CREATE TYPE mixed_types.mood AS ENUM ('good', 'bad');
CREATE TYPE mixed_types.pair AS (x int, y int);
CREATE TABLE mixed_types.other (id int PRIMARY KEY, v text);
CREATE TABLE mixed_types.row_like (x int PRIMARY KEY, y int);

-- An index on the enum is of this operator class, which makes it a key like any, and goes with
-- the class, without its column and without its table.
CREATE FUNCTION mixed_ops.lt(mixed_types.mood, mixed_types.mood) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'enum_lt';
CREATE FUNCTION mixed_ops.le(mixed_types.mood, mixed_types.mood) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'enum_le';
CREATE FUNCTION mixed_ops.eq(mixed_types.mood, mixed_types.mood) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'enum_eq';
CREATE FUNCTION mixed_ops.ge(mixed_types.mood, mixed_types.mood) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'enum_ge';
CREATE FUNCTION mixed_ops.gt(mixed_types.mood, mixed_types.mood) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'enum_gt';
CREATE FUNCTION mixed_ops.cmp(mixed_types.mood, mixed_types.mood) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'enum_cmp';
CREATE OPERATOR mixed_ops.< (FUNCTION = mixed_ops.lt, LEFTARG = mixed_types.mood, RIGHTARG = mixed_types.mood);
CREATE OPERATOR mixed_ops.<= (FUNCTION = mixed_ops.le, LEFTARG = mixed_types.mood, RIGHTARG = mixed_types.mood);
CREATE OPERATOR mixed_ops.= (FUNCTION = mixed_ops.eq, LEFTARG = mixed_types.mood, RIGHTARG = mixed_types.mood);
CREATE OPERATOR mixed_ops.>= (FUNCTION = mixed_ops.ge, LEFTARG = mixed_types.mood, RIGHTARG = mixed_types.mood);
CREATE OPERATOR mixed_ops.> (FUNCTION = mixed_ops.gt, LEFTARG = mixed_types.mood, RIGHTARG = mixed_types.mood);
CREATE OPERATOR CLASS mixed_ops.moods DEFAULT FOR TYPE mixed_types.mood USING btree AS
    OPERATOR 1 mixed_ops.<, OPERATOR 2 mixed_ops.<=, OPERATOR 3 mixed_ops.=, OPERATOR 4 mixed_ops.>=, OPERATOR 5 mixed_ops.>,
    FUNCTION 1 mixed_ops.cmp(mixed_types.mood, mixed_types.mood);
CREATE TABLE mixed_ops.other (id int PRIMARY KEY);
CREATE TABLE guard_mixed.by_mood (m mixed_types.mood CONSTRAINT by_mood_key PRIMARY KEY, v int);
CREATE TABLE guard_mixed.by_id (id int PRIMARY KEY, m mixed_types.mood, p mixed_types.pair, r mixed_types.row_like);
SELECT dbsync.create_target('guard_mixed', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('guard_mixed', 'guard_mixed', ARRAY['guard_mixed.by_id']);
-- who has named the key goes on with no other, and not without one
SELECT dbsync.add_table('guard_mixed', 'guard_mixed.by_mood', key => '{m}');
SELECT count(dbsync_internal.install_capture(id)) FROM dbsync.captured_table;
CREATE VIEW guard_mixed.followed AS
SELECT c.relid, array_agg(a.attname ORDER BY a.attnum) AS key,
    c.key_index = (SELECT i.indexrelid FROM pg_index i WHERE i.indexrelid = c.key_index AND i.indrelid = c.relid) AS is_there
FROM dbsync.captured_table c JOIN pg_attribute a ON a.attrelid = c.relid AND a.attnum = ANY (c.key_columns::int2[])
GROUP BY c.relid, c.key_index ORDER BY 1;
SELECT * FROM guard_mixed.followed;

-- the key goes with its operator class, and so does a table
DROP SCHEMA mixed_ops CASCADE;
DROP OPERATOR FAMILY mixed_ops.moods USING btree CASCADE;
-- the index is one that nobody knows yet, or has just been heard of: the words are another's
\set VERBOSITY sqlstate
REINDEX INDEX CONCURRENTLY guard_mixed.by_mood_key;
DROP SCHEMA mixed_ops CASCADE;
DROP OPERATOR FAMILY mixed_ops.moods USING btree CASCADE;
GRANT CREATE ON SCHEMA mixed_ops TO regress_dbsync_mixed;
ALTER TABLE mixed_ops.other OWNER TO regress_dbsync_mixed;
ALTER OPERATOR FAMILY mixed_ops.moods USING btree OWNER TO regress_dbsync_mixed;
ALTER OPERATOR CLASS mixed_ops.moods USING btree OWNER TO regress_dbsync_mixed;
DROP OWNED BY regress_dbsync_mixed CASCADE;
DO $$ BEGIN DROP SCHEMA mixed_ops CASCADE; END $$;

\set VERBOSITY default
-- with another key it may, if none was named
SELECT dbsync.remove_table('guard_mixed', 'guard_mixed.by_mood');
SELECT dbsync.add_table('guard_mixed', 'guard_mixed.by_mood');
SELECT count(dbsync_internal.install_capture(id)) FROM dbsync.captured_table;
ALTER TABLE guard_mixed.by_mood ALTER v SET NOT NULL, ADD UNIQUE (v);
BEGIN;
DROP SCHEMA mixed_ops CASCADE;
SELECT * FROM guard_mixed.followed;
INSERT INTO guard_mixed.by_mood VALUES ('good', 1), ('good', 2);
ROLLBACK;
SELECT * FROM guard_mixed.followed;

-- columns go with their types, and tables with them: a key that was named must not
SELECT dbsync.remove_table('guard_mixed', 'guard_mixed.by_mood');
SELECT dbsync.add_table('guard_mixed', 'guard_mixed.by_mood', key => '{m}');
SELECT count(dbsync_internal.install_capture(id)) FROM dbsync.captured_table;
ALTER TABLE guard_mixed.by_mood DROP CONSTRAINT by_mood_v_key;
\set VERBOSITY sqlstate
DROP SCHEMA mixed_types, mixed_ops CASCADE;
\set VERBOSITY default
ALTER TABLE guard_mixed.by_id DROP m;
BEGIN;
DROP TABLE mixed_types.other, mixed_types.row_like CASCADE;
SELECT attname FROM pg_attribute WHERE attrelid = 'guard_mixed.by_id'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
INSERT INTO guard_mixed.by_id VALUES (1, (2, 3));
ROLLBACK;
-- where rows wait for it, neither
INSERT INTO guard_mixed.by_id VALUES (1, (2, 3), (4, 5));
DROP TABLE mixed_types.other, mixed_types.row_like CASCADE;

-- what a subscription belongs to, and its target
GRANT CREATE ON SCHEMA guard_mixed TO regress_dbsync_mixed;
CREATE TABLE guard_mixed.mine (id int PRIMARY KEY);
ALTER TABLE guard_mixed.mine OWNER TO regress_dbsync_mixed;
GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_postgres TO regress_dbsync_mixed;
ALTER SERVER guard_mixed OWNER TO regress_dbsync_mixed;
DROP OWNED BY regress_dbsync_mixed CASCADE;
ALTER SERVER guard_mixed OWNER TO CURRENT_USER;
DO $$ BEGIN
    EXECUTE (SELECT format('ALTER FUNCTION dbsync_internal.subscription_%s() OWNER TO regress_dbsync_mixed', s.id)
             FROM dbsync.subscription s WHERE s.name = 'guard_mixed');
END $$;
DROP OWNED BY regress_dbsync_mixed CASCADE;
SELECT to_regclass('guard_mixed.mine') IS NOT NULL AS is_there;
REASSIGN OWNED BY regress_dbsync_mixed TO CURRENT_USER;
SELECT dbsync.drop_subscription('guard_mixed');
SELECT dbsync.drop_target('guard_mixed');
DROP SCHEMA guard_mixed, mixed_ops, mixed_types CASCADE;
DROP OWNED BY regress_dbsync_mixed;
DROP ROLE regress_dbsync_mixed;

-- Plain inheritance: each member of a tree is a table of its own, captured or not, and is
-- captured row by row.
--
-- A statement that names a parent fires the parent's statement triggers alone, and they would
-- be handed the rows of its children as the parent has them: without the children's own
-- columns, and without a word on whose they are.  Row triggers fire on the table that has the
-- row.  So these tables have the row trigger, in all sessions, and no statement triggers but
-- those of TRUNCATE, which fire on each member.  Who becomes a member, or is alone again, gets
-- other triggers in the command that does it.  The row trigger decides what a session takes it
-- for (DbsyncEntry.by_row): rows are captured by it, or by the others, and never by both, and
-- never by none, whatever order the triggers are changed in here.

CREATE FUNCTION dbsync_internal.is_related(rel oid) RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_is_related';
COMMENT ON FUNCTION dbsync_internal.is_related(oid) IS 'has a table inheritance children or parents, as of now, whatever the snapshot? Partitions and their roots have none';

CREATE FUNCTION dbsync_internal.guard_no_inherit() RETURNS boolean
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'dbsync_guard_no_inherit';
COMMENT ON FUNCTION dbsync_internal.guard_no_inherit() IS 'does the ALTER TABLE that is being judged say NO INHERIT?';

CREATE FUNCTION dbsync_internal.next_xid() RETURNS xid8
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'dbsync_next_xid';
COMMENT ON FUNCTION dbsync_internal.next_xid() IS 'an id that no transaction has yet';

CREATE FUNCTION dbsync_internal.is_long_ago(next_xid xid8) RETURNS boolean
    LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'dbsync_is_long_ago';
COMMENT ON FUNCTION dbsync_internal.is_long_ago(xid8) IS 'has every other session a snapshot that is younger than what next_xid() was noted in? Not in that transaction itself';

-- Of two members the one below has more.
CREATE FUNCTION dbsync_internal.ancestors(rel oid) RETURNS SETOF oid
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE up (relid) AS (
        SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = ancestors.rel
      UNION
        SELECT i.inhparent FROM up JOIN pg_inherits i ON i.inhrelid = up.relid
    )
    SELECT up.relid FROM up
$$;
COMMENT ON FUNCTION dbsync_internal.ancestors(oid) IS 'tables that a table inherits from, or is a partition of, at any distance';

CREATE FUNCTION dbsync_internal.count_ancestors(rel oid) RETURNS bigint
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT count(*) FROM dbsync_internal.ancestors(rel)
$$;
COMMENT ON FUNCTION dbsync_internal.count_ancestors(oid) IS 'how many tables a table inherits from: what is to be done for parents first goes by it';

-- What a command on these has changed with them.
CREATE FUNCTION dbsync_internal.heirs(objects oid[]) RETURNS SETOF oid
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE below (relid) AS (
        SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = ANY (objects)
      UNION
        -- partitions are none of their own
        SELECT i.inhrelid FROM below JOIN pg_class c ON c.oid = below.relid JOIN pg_inherits i ON i.inhparent = c.oid
        WHERE c.relkind <> 'p'
    )
    SELECT below.relid FROM below
$$;
COMMENT ON FUNCTION dbsync_internal.heirs(oid[]) IS 'tables that inherit from these, at any depth, or are partitions of them';

CREATE FUNCTION dbsync_internal.row_triggers_replace(captured_id int) RETURNS name[]
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT array_agg(format('dbsync_%s_%s', captured_id, e.event)::name) FROM (VALUES ('insert'), ('update'), ('delete')) e (event)
$$;
COMMENT ON FUNCTION dbsync_internal.row_triggers_replace(int) IS 'names of the triggers that a table has not which is captured by row';

-- PostgreSQL drops no trigger of a table that this transaction has a cursor on, or for which
-- something waits until it commits.
CREATE FUNCTION dbsync_internal.join_tree(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.lock_by_oid(captured.relid, 'ACCESS EXCLUSIVE');
    -- the guard looks away
    UPDATE dbsync.captured_table c SET by_row = NULL WHERE c.id = captured.id;
    EXECUTE format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %I', captured.relid::regclass, format('dbsync_%s_row', captured.id));
    PERFORM dbsync_internal.drop_triggers(captured.relid, dbsync_internal.row_triggers_replace(captured.id));
    UPDATE dbsync.captured_table c SET by_row = true WHERE c.id = captured.id;
EXCEPTION WHEN object_in_use THEN
    RAISE EXCEPTION USING ERRCODE = 'object_in_use',
        MESSAGE = format('captured table %s cannot get inheritance children or parents now', captured.relid::regclass),
        DETAIL = format('Its capture triggers have to be changed: %s.', sqlerrm),
        HINT = 'Close cursors on it, and use SET CONSTRAINTS ALL IMMEDIATE; or do it in a transaction of its own.';
END $$;
COMMENT ON FUNCTION dbsync_internal.join_tree(dbsync.captured_table) IS 'a captured table has inheritance children or parents now: it is captured by row';

-- What is captured by row is right, and dear.  So nobody who drops a child waits long for those
-- who write to its parent: workers try again (tidy_captures()).  A table that has lost a parent is
-- theirs altogether: statements that name the parent, and have seen the table below it, write to
-- it when the lock is free that NO INHERIT has, and fire its row trigger alone.
CREATE FUNCTION dbsync_internal.leave_tree(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
AS $$
BEGIN
    -- without a lock, which others would wait for
    IF NOT dbsync_internal.is_long_ago(captured.lost_parent) THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.lock_by_oid(captured.relid, 'SHARE ROW EXCLUSIVE');
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.id = captured.id FOR UPDATE;
    IF captured.by_row IS NOT TRUE OR captured.state <> 'active' OR NOT dbsync_internal.is_long_ago(captured.lost_parent) THEN
        RETURN;
    END IF;
    -- nobody gives it a child beside our lock
    IF dbsync_internal.is_related(captured.relid) THEN
        RETURN;
    END IF;
    UPDATE dbsync.captured_table c SET by_row = NULL WHERE c.id = captured.id;
    PERFORM dbsync_internal.create_triggers(captured.id, captured.relid);
    UPDATE dbsync.captured_table c SET by_row = false, lost_parent = NULL WHERE c.id = captured.id;
EXCEPTION
    -- 55006: this very transaction has a cursor open on it
    WHEN lock_not_available OR object_in_use OR deadlock_detected THEN
        RETURN;
END $$;
COMMENT ON FUNCTION dbsync_internal.leave_tree(dbsync.captured_table) IS 'a captured table has neither inheritance children nor parents any more: it gets its statement triggers back, if it is free for a moment, and nobody can still come through a parent that it has lost';

-- Its rows are what they were, so there is no turn.
CREATE FUNCTION dbsync_internal.follow_inheritance(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    related boolean := dbsync_internal.is_related(captured.relid);
BEGIN
    IF NOT dbsync_internal.has_triggers(captured) THEN
        RETURN;
    ELSIF related AND NOT captured.by_row THEN
        PERFORM dbsync_internal.join_tree(captured);
    ELSIF captured.by_row AND NOT related THEN
        PERFORM dbsync_internal.leave_tree(captured);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.follow_inheritance(dbsync.captured_table) IS 'has capture of a table go by row, or by statement, as its place in inheritance wants it';

-- No one else is told of a table that begins to hold rows which a captured one seems to have.
CREATE FUNCTION dbsync_internal.tell_of_heirs(objects oid[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    heir record;
BEGIN
    FOR heir IN
        SELECT c.oid::regclass AS rel, (
            SELECT t.relid::regclass FROM dbsync_internal.ancestors(c.oid) a JOIN dbsync.captured_table t ON t.relid = a
            WHERE t.state = 'active' ORDER BY dbsync_internal.count_ancestors(t.relid) DESC, t.id LIMIT 1) AS parent
        FROM pg_class c
        WHERE c.oid = ANY (objects) AND c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relispartition
          AND NOT EXISTS (SELECT FROM dbsync.captured_table t WHERE t.relid = c.oid AND t.state <> 'dropped')
          AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid AND dbsync_internal.guard_is_ours(i.xmin))
        ORDER BY c.oid
    LOOP
        CONTINUE WHEN heir.parent IS NULL;
        RAISE NOTICE USING MESSAGE = format('table %s inherits from captured table %s, and is not captured itself', heir.rel, heir.parent),
            HINT = 'Each table of an inheritance tree is a table of its own. To have its rows sent, use dbsync.add_table().';
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.tell_of_heirs(oid[]) IS 'notice about tables that this command, or this transaction, has made children of captured ones';

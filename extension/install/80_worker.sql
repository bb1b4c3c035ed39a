-- What workers do for people, and what people ask of workers.

-- Called by a worker that excludes other workers by a lock on dbsync.segment, and DDL of the
-- table by one on its row of captured_table.
CREATE FUNCTION dbsync_internal.rotate_segment(captured_id int) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    next_id int;
BEGIN
    SELECT s.id INTO next_id FROM dbsync.segment s
    WHERE s.captured_id = rotate_segment.captured_id AND NOT s.active
      AND pg_relation_size(s.relid) = 0
      AND s.shape_id IS NOT DISTINCT FROM (SELECT a.shape_id FROM dbsync.segment a WHERE a.captured_id = s.captured_id AND a.active)
    ORDER BY s.id LIMIT 1;
    IF next_id IS NULL THEN
        next_id := dbsync_internal.create_segment(captured_id);
    END IF;
    UPDATE dbsync.segment s SET active = false, sealed = NULL
    WHERE s.captured_id = rotate_segment.captured_id AND s.active AND s.id <> next_id;
    UPDATE dbsync.segment s SET active = true, sealed = NULL WHERE s.id = next_id;
END $$;
COMMENT ON FUNCTION dbsync_internal.rotate_segment(int) IS 'makes another, empty segment of the captured table (0: of the headers) the active one';

-- Called by a worker that has locked the captured table's row, and the segments; no header
-- that is to be read names them any more.  With the shape goes the turn that led to it.
CREATE FUNCTION dbsync_internal.drop_shape(shape_id int) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.drop_segment(s.id) FROM dbsync.segment s WHERE s.shape_id = drop_shape.shape_id;
    DELETE FROM dbsync.turn t WHERE t.shape_id = drop_shape.shape_id;
    DELETE FROM dbsync.shape h WHERE h.id = drop_shape.shape_id;
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_shape(int) IS 'removes a shape that no table has any more, its segments, and the turn that led to it';

-- What was captured of a table before it was dropped is on the target's disk, which is at
-- this position; or nobody is to have it.  The last subscription that gets so far takes
-- the table's captured changes along.
CREATE FUNCTION dbsync_internal.end_dropped(attachment uuid, reached pg_snapshot) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ended dbsync.subscription_table;
BEGIN
    DELETE FROM dbsync.subscription_table a WHERE a.uid = attachment RETURNING * INTO ended;
    UPDATE dbsync.subscription s SET left_at = reached WHERE s.id = ended.subscription_id;
    -- of two who come at once the second one sees that nobody is left
    PERFORM FROM dbsync.captured_table c WHERE c.id = ended.captured_id FOR UPDATE;
    PERFORM dbsync_internal.release_captured(ended.captured_id);
    -- a table that was made under its name may wait for that
    PERFORM dbsync_internal.retry_rules(ended.subscription_id);
END $$;
COMMENT ON FUNCTION dbsync_internal.end_dropped(uuid, pg_snapshot) IS 'takes a dropped table out of a subscription whose target has got all of it';

-- The guard sees to it that nobody switches capture off without a word.  Where
-- it could not (event triggers switched off), this finds out and says so.  The caller knows
-- which relations have changed: of ten thousand tables, the others need not be looked at.
CREATE FUNCTION dbsync_internal.tidy_captures(changed oid[] DEFAULT NULL) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    lost int;
    removed boolean := false;
    looked int[];
BEGIN
    -- what wants the table for itself comes before rows of ours are written: tables that are free, or one
    -- that is waited for, with none locked beside it
    FOR lost IN SELECT c.id FROM dbsync.captured_table c WHERE c.state = 'removing' ORDER BY c.id LIMIT dbsync_internal.tables_at_a_time() LOOP
        removed := dbsync_internal.try_remove_capture(lost, false) OR removed;
    END LOOP;
    IF NOT removed THEN
        -- whose triggers could not be changed as it was left alone
        PERFORM dbsync_internal.leave_tree(c) FROM dbsync.captured_table c
        WHERE c.state = 'active' AND c.by_row AND NOT dbsync_internal.is_related(c.relid)
          AND coalesce(dbsync_internal.is_long_ago(c.lost_parent), true) ORDER BY random() LIMIT 1;
        removed := FOUND;
    END IF;
    IF NOT removed THEN
        PERFORM dbsync_internal.try_remove_capture(c.id, true) FROM dbsync.captured_table c WHERE c.state = 'removing' ORDER BY random() LIMIT 1;
    END IF;

    SELECT array_agg(c.id) INTO looked FROM dbsync.captured_table c
    WHERE c.state = 'active' AND (changed IS NULL OR c.id IN (
        SELECT t.id FROM dbsync.captured_table t WHERE t.relid = ANY (changed)
        UNION ALL SELECT p.captured_id FROM dbsync.partition p WHERE p.relid = ANY (changed)
        UNION ALL SELECT t.id FROM pg_inherits i JOIN dbsync.captured_table t ON t.relid = i.inhparent WHERE i.inhrelid = ANY (changed)
        UNION ALL SELECT t.id FROM pg_inherits i JOIN dbsync.captured_table t ON t.relid = i.inhrelid WHERE i.inhparent = ANY (changed)));
    IF looked IS NULL THEN
        RETURN dbsync_internal.retry_rules(changed => changed) OR EXISTS (SELECT FROM dbsync.captured_table c WHERE c.state = 'removing');
    END IF;
    -- an UPDATE of nothing would still tell everybody of a change
    IF EXISTS (SELECT FROM dbsync.captured_table t WHERE t.id = ANY (looked) AND t.key_index <> 0 AND NOT EXISTS (
                   SELECT FROM pg_index i WHERE i.indexrelid = t.key_index AND i.indisvalid)) THEN
        PERFORM dbsync_internal.refresh_keys();
    END IF;
    -- what triggers() says of each, of all tables in one query
    FOR lost IN
        SELECT c.id FROM dbsync.captured_table c
        WHERE c.id = ANY (looked) AND dbsync_internal.has_triggers(c) AND EXISTS (
            SELECT FROM (SELECT c.relid::oid UNION ALL SELECT p.relid FROM dbsync.partition p WHERE p.captured_id = c.id) m (relid)
                CROSS JOIN dbsync_internal.trigger_kinds() t
                LEFT JOIN pg_class r ON r.oid = m.relid
            WHERE (t.level <> 'FOR EACH ROW' OR r.relkind IS DISTINCT FROM 'p')
              AND NOT (coalesce(c.by_row, false) AND t.replaced)
              AND NOT EXISTS (
                SELECT FROM pg_trigger g
                WHERE g.tgrelid = m.relid AND g.tgname = format('dbsync_%s_%s', c.id, t.suffix)::name
                  AND g.tgenabled = CASE WHEN c.by_row THEN 'A' ELSE t.enabled END))
    LOOP
        PERFORM dbsync_internal.note_suspended(lost, 'capture triggers were switched off or dropped');
    END LOOP;
    -- by the oid in pg_class: of tables that are not partitioned nobody asks for partitions then
    FOR lost IN
        SELECT c.id FROM dbsync.captured_table c JOIN pg_class r ON r.oid = c.relid
        WHERE c.id = ANY (looked) AND c.state = 'active' AND c.capture <> 'snapshot' AND r.relkind = 'p' AND EXISTS (
            (SELECT m.relid, m.parent FROM dbsync_internal.members(r.oid) m
             EXCEPT SELECT p.relid, p.parent FROM dbsync.partition p WHERE p.captured_id = c.id)
            UNION ALL
            (SELECT p.relid, p.parent FROM dbsync.partition p WHERE p.captured_id = c.id
             EXCEPT SELECT m.relid, m.parent FROM dbsync_internal.members(r.oid) m))
    LOOP
        PERFORM dbsync_internal.note_suspended(lost, 'partitions were added or taken away while event triggers were off');
    END LOOP;
    -- what went through its parent was captured of the wrong table, or not at all
    FOR lost IN
        SELECT c.id FROM dbsync.captured_table c JOIN pg_class r ON r.oid = c.relid
        WHERE c.id = ANY (looked) AND c.state = 'active' AND NOT c.by_row AND r.relkind = 'r' AND dbsync_internal.has_triggers(c)
          AND (EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.relid) OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.relid))
    LOOP
        PERFORM dbsync_internal.note_suspended(lost, 'it got inheritance children or parents while event triggers were off');
    END LOOP;
    -- a key that is gone fails every writer; the shape, which costs most, is looked at of those alone
    FOR lost IN
        SELECT g.id FROM (
            SELECT c.id, c.relid, c.shape FROM dbsync.captured_table c
            WHERE c.id = ANY (looked) AND c.state = 'active' AND c.key_index <> 0
              AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.key_index AND i.indisvalid) OFFSET 0) g
        WHERE dbsync_internal.table_shape(g.relid) IS DISTINCT FROM g.shape
    LOOP
        PERFORM dbsync_internal.note_suspended(lost, 'its key was dropped or altered');
    END LOOP;
    RETURN dbsync_internal.retry_rules() OR EXISTS (
        SELECT FROM dbsync.captured_table c
        WHERE c.state = 'removing' OR (c.state = 'active' AND c.by_row AND NOT dbsync_internal.is_related(c.relid)));
END $$;
COMMENT ON FUNCTION dbsync_internal.tidy_captures(oid[]) IS 'removes capture that nobody wants, and notices capture that somebody switched off, of these relations (null: of all); true: some could not be removed yet';

CREATE FUNCTION dbsync.start_subscription(subscription name) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_start_subscription';
COMMENT ON FUNCTION dbsync.start_subscription(name) IS 'starts a subscription; its worker begins when the transaction commits';

CREATE FUNCTION dbsync.stop_subscription(subscription name) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_stop_subscription';
COMMENT ON FUNCTION dbsync.stop_subscription(name) IS 'stops a subscription; returns when its worker has ended (at once, not at commit)';

CREATE FUNCTION dbsync.wait_for(subscription name, timeout interval DEFAULT '30 s') RETURNS boolean
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_wait_for';
COMMENT ON FUNCTION dbsync.wait_for(name, interval) IS 'waits until all that was committed before the call is on the target, first copies included; false on timeout, when the subscription is stopped, (with a notice, and at once) outside the hours of its policy, or (with a warning) when tables of it are suspended';

CREATE FUNCTION dbsync.run_now(subscription name) RETURNS boolean
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_run_now';
COMMENT ON FUNCTION dbsync.run_now(name) IS 'has a started subscription begin a round at once, whatever its policy says, and does not wait for it; false, with a notice: outside the hours of its policy none begins';

CREATE FUNCTION dbsync.run_once(subscription name, timeout interval DEFAULT NULL) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_run_once';
COMMENT ON FUNCTION dbsync.run_once(name, interval) IS 'works on a stopped subscription until all that was committed before the call is on the target; returns the rows sent to it; timeout: an error when it takes longer';

CREATE FUNCTION dbsync_internal.slots(
    OUT subscription_id int, OUT pid int, OUT state text, OUT batches bigint, OUT rows bigint,
    OUT lag_rows bigint, OUT lag_bytes bigint, OUT oldest timestamptz, OUT last_batch timestamptz,
    OUT rows_per_second float8, OUT sqlstate text, OUT message text, OUT detail text, OUT hint text,
    OUT failed_at timestamptz, OUT failures int, OUT retry_at timestamptz, OUT "position" text,
    OUT waits_since timestamptz, OUT foreign_keys text)
    RETURNS SETOF record
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'dbsync_slots';
COMMENT ON FUNCTION dbsync_internal.slots() IS 'what the workers of this database report about themselves';

CREATE FUNCTION dbsync_internal.forget_at_target(subscription_id int, force boolean) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_forget_at_target';
COMMENT ON FUNCTION dbsync_internal.forget_at_target(int, boolean) IS 'deletes a subscription from its target''s ledger; with force a target that cannot be reached is only a warning';

CREATE FUNCTION dbsync_internal.is_preloaded() RETURNS boolean
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'dbsync_is_preloaded';
COMMENT ON FUNCTION dbsync_internal.is_preloaded() IS 'is dbsync in shared_preload_libraries, so that workers come back after a server restart?';

-- The guard, after a drop; and the event triggers, when all that they call is there.

CREATE FUNCTION dbsync_internal.segment_was_used(segment_id int, segment oid) RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_segment_was_used';
COMMENT ON FUNCTION dbsync_internal.segment_was_used(int, oid) IS 'are there rows of a segment, in it or in headers?';

-- A column that goes with its type, of a captured table or of a segment.  The table's own
-- columns may go like any.  The segment's may be the last to remember what is still to be
-- sent, or is to be read once more; where it has never held a row nobody will look.
CREATE FUNCTION dbsync_internal.check_dropped_column(rel oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.relid = rel AND c.state = 'active';
    IF FOUND THEN
        PERFORM dbsync_internal.check_shape(captured);
        RETURN;
    END IF;
    SELECT c.* INTO captured FROM dbsync.captured_table c JOIN dbsync.segment s ON s.captured_id = c.id
    WHERE s.relid = rel AND dbsync_internal.segment_was_used(s.id, s.relid);
    IF FOUND THEN
        PERFORM dbsync_internal.refuse_ddl(captured,
            format('captured changes of table %s need what is being dropped', dbsync_internal.name_of(captured)),
            CASE captured.state WHEN 'dropped' THEN 'Drop the table alone first, and the rest when all subscriptions have got '
                'its last changes; or take it out of its subscriptions with dbsync.remove_table().'
            ELSE 'Drop the columns with ALTER TABLE, and the rest when all subscriptions have passed that; or take the table '
                'out of its subscriptions with dbsync.remove_table(), and add it again afterwards.' END);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_dropped_column(oid) IS 'a column of a captured table or of its segments was dropped: capture follows, or there is an error';

-- ---------------------------------------------------------------------------
-- A captured table
--
-- A drop is no turn, since nothing of the table comes behind it: all that was captured of it
-- is with its subscriptions when they have passed the transaction that dropped it.  The
-- columns, types and key of what is still to be sent are in its shapes.

CREATE FUNCTION dbsync_internal.guard_dropped(rel oid) RETURNS pg_class
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_guard_dropped';
COMMENT ON FUNCTION dbsync_internal.guard_dropped(oid) IS 'what pg_class said of a relation that this transaction has dropped';

-- Who had lost the right to the table does not get it now that nobody can ask any more.  USAGE
-- on its schema is not asked for where that has gone with it.
CREATE FUNCTION dbsync_internal.had_rights(role oid, rel pg_class) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.rolsuper OR coalesce(has_schema_privilege(role, rel.relnamespace, 'USAGE'), true) AND (
        (pg_has_role(role, rel.relowner, 'USAGE') AND NOT (rel.relrowsecurity AND rel.relforcerowsecurity AND NOT r.rolbypassrls))
        OR (NOT (rel.relrowsecurity AND NOT r.rolbypassrls) AND NOT EXISTS (
            SELECT FROM (VALUES ('SELECT'), ('TRIGGER')) needed (privilege)
            WHERE NOT (needed.privilege = 'SELECT' AND pg_has_role(role, 'pg_read_all_data', 'USAGE'))
              AND NOT EXISTS (SELECT FROM aclexplode(rel.relacl) g
                              WHERE g.privilege_type = needed.privilege
                                AND (g.grantee = 0 OR pg_has_role(role, g.grantee, 'USAGE'))))))
    FROM pg_roles r WHERE r.oid = role
$$;
COMMENT ON FUNCTION dbsync_internal.had_rights(oid, pg_class) IS 'might the role have had a table captured that was dropped?';

-- Subscriptions that get nothing more of a table lose it at once.
CREATE FUNCTION dbsync_internal.leave_dropped(captured dbsync.captured_table, identity text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone pg_class := dbsync_internal.guard_dropped(captured.relid);
    had text := replace(dbsync_internal.subscriptions_of(captured.id), 'is in', 'was in');
    was_added boolean := EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = captured.id AND NOT a.by_rule);
BEGIN
    DELETE FROM dbsync.subscription_table a
    WHERE a.captured_id = captured.id
      AND (captured.state <> 'active' OR a.state = 'suspended' OR a.capture = 'timestamp' OR captured.capture = 'snapshot'
           -- nothing of it is there, so what was captured has no place to go; and one that is made
           -- under its name need not wait
           OR (a.state = 'new' AND a.copy_data AND a.by_rule AND a.held IS NULL)
           OR NOT coalesce(dbsync_internal.had_rights(dbsync_internal.owner_of(a.subscription_id), gone), false));
    IF dbsync_internal.subscriptions_of(captured.id) IS NULL THEN
        IF was_added THEN
            RAISE NOTICE USING MESSAGE = format('table %s is taken out of its subscriptions', identity), DETAIL = had;
        END IF;
        -- the triggers are gone with the table
        PERFORM dbsync_internal.remove_capture(captured.id);
        RETURN;
    END IF;
    DELETE FROM dbsync.partition p WHERE p.captured_id = captured.id;
    PERFORM dbsync_internal.drop_shadow(captured.id);
    -- nobody writes to it any more: it is closed, and is emptied like any other
    UPDATE dbsync.segment s SET active = false, sealed = NULL WHERE s.captured_id = captured.id AND s.active;
    UPDATE dbsync.captured_table c
    SET state = 'dropped', name = identity, owner = gone.relowner, dropped = pg_current_xact_id()
    WHERE c.id = captured.id;
    RAISE NOTICE USING MESSAGE = format('captured table %s leaves its subscriptions', identity),
        DETAIL = dbsync_internal.subscriptions_of(captured.id),
        HINT = 'What was captured of it before is still sent. The targets keep their tables.';
END $$;
COMMENT ON FUNCTION dbsync_internal.leave_dropped(dbsync.captured_table, text) IS 'a captured table was dropped: its subscriptions get what is left, and lose it then';

-- The table is gone already; its name is known from the event only.
CREATE FUNCTION dbsync_internal.check_dropped_table(rel oid, identity text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.relid = rel AND c.state <> 'dropped';
    IF FOUND THEN
        PERFORM dbsync_internal.leave_dropped(captured, identity);
    END IF;

    -- what has its oid later is another one
    UPDATE dbsync.kept_partition k SET relid = NULL WHERE k.relid = rel;
    SELECT c.* INTO captured FROM dbsync.captured_table c JOIN dbsync.partition p ON p.captured_id = c.id
    WHERE p.relid = rel AND c.state = 'active';
    IF FOUND THEN
        PERFORM dbsync_internal.follow_members(captured);
    END IF;

    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.key_index = rel AND c.state = 'active';
    IF FOUND THEN
        IF captured.capture <> 'none' AND dbsync_internal.usable_key(captured.relid) IS NULL THEN
            PERFORM dbsync_internal.refuse_ddl(captured,
                format('cannot drop index %s, the key of captured table %s', identity, captured.relid),
                format('The key was named. Make another index first that begins with (%s).', dbsync_internal.column_list(captured.named_key)));
        ELSE
            PERFORM dbsync_internal.check_shape(captured);
        END IF;
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_dropped_table(oid, text) IS 'a captured table was dropped, or a partition of one, or the index that is its key: error if there is no other';

-- A dropped trigger is known by its name only: [schema, table, trigger].
CREATE FUNCTION dbsync_internal.check_dropped_trigger(address text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured
    FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
    LEFT JOIN dbsync.partition p ON p.relid = r.oid
    JOIN dbsync.captured_table c ON c.relid = r.oid OR c.id = p.captured_id
    WHERE c.state = 'active' AND c.by_row IS NOT NULL AND n.nspname = address[1] AND r.relname = address[2];
    IF FOUND THEN
        -- with a partition that leaves, its triggers go
        PERFORM dbsync_internal.follow_members(captured);
        PERFORM dbsync_internal.check_triggers(captured);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_dropped_trigger(text[]) IS 'error if a capture trigger was dropped';

-- DROP EXTENSION dbsync drops this trigger before it could fire.  Within one
-- command the table comes before the rest: its refusal says most.
CREATE FUNCTION dbsync_internal.judge_drop() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET standard_conforming_strings = on
AS $$
DECLARE
    dropped record;
BEGIN
    PERFORM dbsync_internal.check_target_unused(d.address_names[1]::name)
    FROM pg_event_trigger_dropped_objects() d WHERE d.object_type = 'server';
    PERFORM dbsync_internal.check_anchor(substring(d.address_names[2] FROM '^subscription_(\d{1,10})$')::bigint)
    FROM pg_event_trigger_dropped_objects() d
    WHERE d.object_type = 'function' AND d.address_names[1] = 'dbsync_internal';
    PERFORM dbsync_internal.leave_dropped_sequence(d.objid, d.object_identity)
    FROM pg_event_trigger_dropped_objects() d WHERE d.object_type = 'sequence' AND NOT d.is_temporary;
    IF NOT EXISTS (SELECT FROM dbsync.captured_table) THEN
        RETURN;
    END IF;
    FOR dropped IN
        SELECT d.* FROM pg_event_trigger_dropped_objects() d
        WHERE NOT d.is_temporary AND dbsync_internal.is_adopted()
          AND (d.classid = 'pg_class'::regclass OR d.object_type = 'trigger')
        -- and columns of parents before those of children, as in judge_command()
        ORDER BY d.objid IN (SELECT c.relid FROM dbsync.captured_table c) AND d.objsubid = 0 DESC,
            CASE WHEN d.objsubid <> 0 THEN dbsync_internal.count_ancestors(d.objid) END
    LOOP
        IF dropped.object_type = 'trigger' THEN
            PERFORM dbsync_internal.check_dropped_trigger(dropped.address_names);
        ELSIF dropped.objsubid <> 0 THEN
            PERFORM dbsync_internal.check_dropped_column(dropped.objid);
        ELSE
            PERFORM dbsync_internal.check_dropped_table(dropped.objid, dropped.object_identity);
        END IF;
    END LOOP;
    -- with a table that was dropped the last child, or parent, can have gone; one that went with it may not
    -- have been judged yet, where this is about a segment of another
    PERFORM dbsync_internal.follow_inheritance(c) FROM dbsync.captured_table c
    WHERE c.by_row AND c.capture <> 'none' AND c.state = 'active' AND dbsync_internal.is_adopted() AND NOT dbsync_internal.is_related(c.relid)
      AND EXISTS (SELECT FROM pg_class r WHERE r.oid = c.relid);
    -- a key whose index REINDEX CONCURRENTLY has put in another's place is known to nobody yet; it goes
    -- alone, or with its operator class, with which any table may go
    PERFORM dbsync_internal.check_shape(c) FROM dbsync.captured_table c
    WHERE c.state = 'active' AND dbsync_internal.is_adopted() AND c.key_index <> 0
      AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.key_index AND i.indisvalid)
      AND (SELECT bool_or(d.object_type = 'index') AND (NOT bool_or(d.object_type = 'table') OR bool_or(d.object_type = 'operator class'))
           FROM pg_event_trigger_dropped_objects() d);
    -- what else has lost a column, or an attribute, may be the type of a captured one
    PERFORM dbsync_internal.check_changed_attributes(c.reltype)
    FROM pg_event_trigger_dropped_objects() d JOIN pg_class c ON c.oid = d.objid
    WHERE d.classid = 'pg_class'::regclass AND d.objsubid <> 0 AND NOT d.is_temporary AND dbsync_internal.is_adopted()
      -- follow_attributes() has seen to that
      AND NOT (tg_tag = 'ALTER TYPE' AND c.relkind = 'c');
END $$;
COMMENT ON FUNCTION dbsync_internal.judge_drop() IS 'body of dbsync_internal.guard_drop()';

CREATE FUNCTION dbsync_internal.guard_drop() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_guard';
COMMENT ON FUNCTION dbsync_internal.guard_drop() IS 'event trigger: refuses to drop what captured tables and subscriptions need';

-- for all commands: columns of a captured table can go with whatever is dropped
CREATE EVENT TRIGGER dbsync_guard_start ON ddl_command_start
    EXECUTE FUNCTION dbsync_internal.guard_start();
ALTER EVENT TRIGGER dbsync_guard_start ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER dbsync_guard_start IS 'refuses commands whose harm could not be undone, or not be seen, when they have run';

CREATE EVENT TRIGGER dbsync_guard_rewrite ON table_rewrite EXECUTE FUNCTION dbsync_internal.guard_rewrite();
ALTER EVENT TRIGGER dbsync_guard_rewrite ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER dbsync_guard_rewrite IS 'notes that ALTER TABLE gives rows of captured tables other values';

CREATE EVENT TRIGGER dbsync_guard_command ON ddl_command_end EXECUTE FUNCTION dbsync_internal.guard_command();
ALTER EVENT TRIGGER dbsync_guard_command ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER dbsync_guard_command IS 'refuses DDL on captured tables that capture cannot follow';

CREATE EVENT TRIGGER dbsync_guard_drop ON sql_drop EXECUTE FUNCTION dbsync_internal.guard_drop();
ALTER EVENT TRIGGER dbsync_guard_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER dbsync_guard_drop IS 'refuses to drop what captured tables and subscriptions need';

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
            format('captured changes of table %s need what is being dropped', captured.relid),
            'Drop the columns with ALTER TABLE, and the rest when all subscriptions have passed that; or take the table '
            'out of its subscriptions with dbsync.remove_table(), and add it again afterwards.');
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_dropped_column(oid) IS 'a column of a captured table or of its segments was dropped: capture follows, or there is an error';

-- The table is gone already; its name is known from the event only.
CREATE FUNCTION dbsync_internal.check_dropped_table(rel oid, identity text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.relid = rel;
    -- suspended, it is its owner's to drop, whatever subscriptions it was in
    IF FOUND AND captured.state = 'suspended' AND dbsync_internal.subscriptions_of(captured.id) IS NOT NULL THEN
        RAISE NOTICE USING MESSAGE = format('suspended table %s is taken out of its subscriptions', identity),
            DETAIL = replace(dbsync_internal.subscriptions_of(captured.id), 'is in', 'was in');
        DELETE FROM dbsync.subscription_table a WHERE a.captured_id = captured.id;
    END IF;
    IF FOUND AND dbsync_internal.subscriptions_of(captured.id) IS NOT NULL THEN
        PERFORM dbsync_internal.refuse_ddl(captured, format('cannot drop captured table %s', identity),
            'Take it out of its subscriptions with dbsync.remove_table() first.');
    ELSIF FOUND THEN
        -- nobody wants it any more; the triggers are gone with the table
        PERFORM dbsync_internal.remove_capture(captured.id);
    END IF;

    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.key_index = rel AND c.state = 'active';
    IF FOUND THEN
        IF dbsync_internal.usable_key(captured.relid) IS NULL THEN
            PERFORM dbsync_internal.refuse_ddl(captured,
                format('cannot drop index %s, the key of captured table %s', identity, captured.relid));
        ELSE
            PERFORM dbsync_internal.check_shape(captured);
        END IF;
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_dropped_table(oid, text) IS 'error if a captured table, or its key index, was dropped';

-- A dropped trigger is known by its name only: [schema, table, trigger].
CREATE FUNCTION dbsync_internal.check_dropped_trigger(address text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured
    FROM dbsync.captured_table c JOIN pg_class r ON r.oid = c.relid JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE c.state = 'active' AND n.nspname = address[1] AND r.relname = address[2];
    IF FOUND THEN
        PERFORM dbsync_internal.check_triggers(captured);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_dropped_trigger(text[]) IS 'error if a capture trigger was dropped';

-- DROP EXTENSION dbsync drops this trigger before it could fire.  Within one
-- command the table comes before the rest: its refusal says most.
CREATE FUNCTION dbsync_internal.judge_drop() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    dropped record;
BEGIN
    PERFORM dbsync_internal.check_target_unused(d.address_names[1]::name)
    FROM pg_event_trigger_dropped_objects() d WHERE d.object_type = 'server';
    PERFORM dbsync_internal.check_anchor(substring(d.address_names[2] FROM '^subscription_(\d{1,10})$')::bigint)
    FROM pg_event_trigger_dropped_objects() d
    WHERE d.object_type = 'function' AND d.address_names[1] = 'dbsync_internal';
    IF NOT EXISTS (SELECT FROM dbsync.captured_table) THEN
        RETURN;
    END IF;
    FOR dropped IN
        SELECT d.* FROM pg_event_trigger_dropped_objects() d
        WHERE NOT d.is_temporary AND dbsync_internal.is_adopted()
          AND (d.classid = 'pg_class'::regclass OR d.object_type = 'trigger')
        ORDER BY d.objid IN (SELECT c.relid FROM dbsync.captured_table c) AND d.objsubid = 0 DESC
    LOOP
        IF dropped.object_type = 'trigger' THEN
            PERFORM dbsync_internal.check_dropped_trigger(dropped.address_names);
        ELSIF dropped.objsubid <> 0 THEN
            PERFORM dbsync_internal.check_dropped_column(dropped.objid);
        ELSE
            PERFORM dbsync_internal.check_dropped_table(dropped.objid, dropped.object_identity);
        END IF;
    END LOOP;
    -- a key whose index REINDEX CONCURRENTLY has put in another's place is known to nobody yet
    PERFORM dbsync_internal.check_shape(c) FROM dbsync.captured_table c
    WHERE c.state = 'active' AND dbsync_internal.is_adopted()
      AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.key_index AND i.indisvalid)
      AND (SELECT bool_or(d.object_type = 'index') AND NOT bool_or(d.object_type = 'table') FROM pg_event_trigger_dropped_objects() d);
    -- what else has lost a column, or an attribute, may be the type of a captured one
    PERFORM dbsync_internal.check_changed_attributes(c.reltype)
    FROM pg_event_trigger_dropped_objects() d JOIN pg_class c ON c.oid = d.objid
    WHERE d.classid = 'pg_class'::regclass AND d.objsubid <> 0 AND NOT d.is_temporary AND dbsync_internal.is_adopted();
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

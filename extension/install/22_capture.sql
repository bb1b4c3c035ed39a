-- Putting capture on a table and taking it off again: locks, triggers, on and off.
--
-- The functions here are called by the worker and by the admin functions, as the
-- owner of the extension; no user can call them.

CREATE FUNCTION dbsync_internal.capture() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_capture';
COMMENT ON FUNCTION dbsync_internal.capture() IS 'trigger: appends what a statement did to the active segment';

-- ---------------------------------------------------------------------------
-- Tables by their oids

-- Commands take names, and while a command waits for its lock the name can go to
-- another relation.  Once the right one is locked it keeps its name.
CREATE FUNCTION dbsync_internal.lock_by_oid(rel oid, mode text) RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_lock_by_oid';
COMMENT ON FUNCTION dbsync_internal.lock_by_oid(oid, text) IS 'locks a table by its oid, in ACCESS SHARE, ROW EXCLUSIVE, SHARE ROW EXCLUSIVE or ACCESS EXCLUSIVE mode; false: it is not there';

CREATE FUNCTION dbsync_internal.lock_at_once(rel oid, mode text) RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_lock_at_once';
COMMENT ON FUNCTION dbsync_internal.lock_at_once(oid, text) IS 'lock_by_oid() without waiting; false: it is not to be had at the moment, or not there';

-- A transaction that adds thousands of tables would fill the table of locks, which all share.
CREATE FUNCTION dbsync_internal.unlock_surplus(rel oid) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_unlock_surplus';
COMMENT ON FUNCTION dbsync_internal.unlock_surplus(oid) IS 'gives back an ACCESS SHARE lock of lock_by_oid(), if this transaction has kept a thousand';

-- As messages and views call it.
CREATE FUNCTION dbsync_internal.name_of(captured dbsync.captured_table) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(captured.name, captured.relid::text)
$$;
COMMENT ON FUNCTION dbsync_internal.name_of(dbsync.captured_table) IS 'name of a captured table; of a dropped one, which it had';

-- ---------------------------------------------------------------------------
-- Triggers

-- What must be on a captured table.  The row trigger is for rows that logical
-- replication applies: it fires no statement triggers.  A table that is captured by row has
-- no statement triggers but those of TRUNCATE (29_inheritance.sql): others are replaced.
CREATE FUNCTION dbsync_internal.trigger_kinds()
    RETURNS TABLE (suffix text, events text, level text, enabled "char", replaced boolean)
    LANGUAGE sql IMMUTABLE
AS $$
    VALUES
        ('before', 'BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE', 'FOR EACH STATEMENT', 'A'::"char", false),
        ('insert', 'AFTER INSERT', 'REFERENCING NEW TABLE AS dbsync_new FOR EACH STATEMENT', 'A', true),
        ('update', 'AFTER UPDATE', 'REFERENCING OLD TABLE AS dbsync_old NEW TABLE AS dbsync_new FOR EACH STATEMENT', 'A', true),
        ('delete', 'AFTER DELETE', 'REFERENCING OLD TABLE AS dbsync_old FOR EACH STATEMENT', 'A', true),
        ('truncate', 'AFTER TRUNCATE', 'FOR EACH STATEMENT', 'A', false),
        ('row', 'AFTER INSERT OR UPDATE OR DELETE', 'FOR EACH ROW', 'R', false)
$$;
COMMENT ON FUNCTION dbsync_internal.trigger_kinds() IS 'the triggers of captured tables: end of the name, definition, how they are enabled, whether capture by row does without';

CREATE FUNCTION dbsync_internal.triggers(captured_id int)
    RETURNS TABLE (name name, events text, level text, enabled "char", mode text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY SELECT format('dbsync_%s_%s', captured_id, t.suffix)::name, t.events, t.level, e.enabled,
        CASE e.enabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END
    FROM (SELECT coalesce((SELECT c.by_row FROM dbsync.captured_table c WHERE c.id = triggers.captured_id), false)) m (by_row),
        dbsync_internal.trigger_kinds() t,
        LATERAL (SELECT CASE WHEN m.by_row THEN 'A' ELSE t.enabled END) e (enabled)
    WHERE NOT (m.by_row AND t.replaced)
      AND NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE c.id = triggers.captured_id AND NOT dbsync_internal.has_triggers(c));
END $$;
COMMENT ON FUNCTION dbsync_internal.triggers(int) IS 'the triggers of a captured table: name, definition, how they are enabled; none where others find out what changed';

-- Of the table, or of a partition of it.  A row trigger of a partitioned table would be cloned to
-- partitions by whoever makes them, who may not use our function: each that has rows has its own.
CREATE FUNCTION dbsync_internal.triggers_of(captured_id int, rel oid)
    RETURNS TABLE (name name, events text, level text, enabled "char", mode text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY SELECT t.* FROM dbsync_internal.triggers(captured_id) t
    WHERE NOT (t.level = 'FOR EACH ROW' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = rel AND c.relkind = 'p'));
END $$;
COMMENT ON FUNCTION dbsync_internal.triggers_of(int, oid) IS 'the triggers that a captured table, or a partition of it, must have';

-- By the table's oid: a name can go to another table while nobody looks, as ALTER SCHEMA
-- RENAME takes no lock on the tables.  Not as commands, of which event triggers would hear
-- twelve times a table.
CREATE FUNCTION dbsync_internal.create_triggers(captured_id int, rel regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- last: those who fire for a whole statement are there when it leaves its rows to them
    PERFORM dbsync_internal.create_trigger(rel, format('CREATE OR REPLACE TRIGGER %I %s ON %s %s EXECUTE FUNCTION dbsync_internal.capture()',
        w.name, w.events, rel, w.level), w.enabled)
    FROM (SELECT t.* FROM dbsync_internal.triggers_of(captured_id, rel) t ORDER BY t.level = 'FOR EACH ROW' OFFSET 0) w;
    -- a dump can have brought others, which it was captured by before
    IF EXISTS (SELECT FROM dbsync.captured_table c WHERE c.id = captured_id AND c.by_row) THEN
        PERFORM dbsync_internal.drop_triggers(rel, dbsync_internal.row_triggers_replace(captured_id));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.create_triggers(int, regclass) IS 'puts the capture triggers on a table';

-- By function, not by name: also one that was renamed while the guard was off.
CREATE FUNCTION dbsync_internal.drop_triggers(rel regclass, names name[] DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_drop_triggers';
COMMENT ON FUNCTION dbsync_internal.drop_triggers(regclass, name[]) IS 'takes capture triggers off a table, all or those of these names; no event trigger sees it';

-- ---------------------------------------------------------------------------
-- On and off
--
-- Order of locks: the table, then its row of captured_table, then what belongs to
-- it.  DDL on the table, and whoever has written to it, comes with the first of
-- them; who took the row first would wait for him, and he for the row.
--
-- And nobody waits for a table who has locked another one: who waits for that one may have
-- written to this one, and it is his statement that the server would end.  Of several tables those
-- are taken that are free; waited for is one alone, at the beginning.

-- Not longer than try_remove_capture() waits.
CREATE FUNCTION dbsync_internal.try_lock(rel oid) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
AS $$
BEGIN
    RETURN dbsync_internal.lock_by_oid(rel, 'ACCESS EXCLUSIVE');
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
    RETURN false;
END $$;
COMMENT ON FUNCTION dbsync_internal.try_lock(oid) IS 'locks a table for itself, if that can be had soon';

-- A root that is captured, or not captured any more, with all that is below it.  Who comes through the
-- root waits for us meanwhile, and may have written to a partition before.  So we ask for partitions again and
-- again, which is no wait that could be part of a deadlock, and give up before long: then he goes on.
CREATE FUNCTION dbsync_internal.lock_members(root oid, mode text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    patience interval := coalesce(nullif(current_setting('lock_timeout')::interval, '0'), '1 s') / 2;
    give_up timestamptz := clock_timestamp() + patience;
    member oid;
BEGIN
    FOR member IN SELECT m.relid FROM dbsync_internal.members(root) m LOOP
        WHILE NOT dbsync_internal.lock_at_once(member, mode) LOOP
            -- one that is dropped at this moment is none any more
            EXIT WHEN NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = member);
            IF clock_timestamp() > give_up THEN
                RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
                    MESSAGE = format('partition %s of table %s is in use', member::regclass, root::regclass);
            END IF;
            PERFORM pg_sleep(0.002);
        END LOOP;
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.lock_members(oid, text) IS 'locks all partitions of a table that is locked; error if one is in use for longer than a moment';

CREATE FUNCTION dbsync_internal.lock_captured(captured_id int, mode text) RETURNS dbsync.captured_table
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    PERFORM dbsync_internal.lock_by_oid(c.relid, mode) FROM dbsync.captured_table c WHERE c.id = captured_id;
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.id = captured_id FOR UPDATE;
    RETURN captured;
END $$;
COMMENT ON FUNCTION dbsync_internal.lock_captured(int, text) IS 'locks a captured table, then its row, which is returned; nulls: there is none';

-- A table that its subscriptions have by a rule leaves them where it cannot be captured, and
-- nobody else's tables wait for that.
CREATE FUNCTION dbsync_internal.check_installable(captured dbsync.captured_table, role oid) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reason text;
    detail text;
    hint text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = captured.relid) THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table',
            MESSAGE = format('captured table %s does not exist any more', captured.relid::oid),
            HINT = 'Take it out of its subscriptions with dbsync.remove_table().';
    END IF;
    IF role IS NOT NULL THEN
        PERFORM dbsync_internal.check_rights(role, captured.relid, captured.capture IN ('none', 'shadow', 'snapshot'));
    END IF;
    IF captured.capture = 'snapshot' THEN
        PERFORM dbsync_internal.check_snapshot_kind(captured.relid);
    ELSE
        PERFORM dbsync_internal.check_supported(captured.relid);
    END IF;
    RETURN true;
EXCEPTION WHEN undefined_table OR insufficient_privilege OR feature_not_supported OR wrong_object_type OR program_limit_exceeded OR too_many_columns THEN
    GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    IF NOT dbsync_internal.refuse_by_rule(captured, role, reason, detail, hint) THEN
        RAISE;
    END IF;
    RETURN false;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_installable(dbsync.captured_table, oid) IS 'error unless capture can be installed on a table; false: it was there by a rule, and is refused now';

-- Called in a transaction of its own, one table at a time, under lock_timeout:
-- writers queue behind this lock while it waits for those before it.  Capture
-- begins when this commits: the lock says that no writer is in the table now,
-- so every later one fires the triggers.  Does nothing where all is in place.
-- The role, if given, must have the right to have it captured at this moment.
CREATE FUNCTION dbsync_internal.install_capture(captured_id int, role oid DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    mode text := dbsync_internal.install_mode(captured_id);
    captured dbsync.captured_table;
    chosen_key oid;
    described jsonb;
    current_shape int;
BEGIN
    -- most often all is in place, and then nobody has to wait for us
    IF NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE c.id = captured_id AND c.state = 'installing') THEN
        RETURN;
    END IF;
    captured := dbsync_internal.lock_captured(captured_id, mode);
    -- whether it is to be captured may have changed while we waited: then the next call has the right lock
    IF captured.id IS NULL OR captured.state <> 'installing' OR mode <> dbsync_internal.install_mode(captured_id) THEN
        RETURN;
    ELSIF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = captured.relid) THEN
        -- whoever dropped it could not see that it was being added, or event triggers were off
        DELETE FROM dbsync.subscription_table a WHERE a.captured_id = captured.id;
        PERFORM dbsync_internal.remove_capture(captured.id);
        RAISE LOG USING MESSAGE = format('table with OID %s was dropped before capture began, and is taken out of its subscriptions', captured.relid::oid);
        RETURN;
    END IF;
    IF NOT dbsync_internal.check_installable(captured, role) THEN
        RETURN;
    ELSIF captured.capture = 'none' THEN
        PERFORM dbsync_internal.install_scanned(captured);
        RETURN;
    ELSIF captured.capture = 'snapshot' THEN
        PERFORM dbsync_internal.install_snapshot(captured);
        RETURN;
    END IF;
    PERFORM dbsync_internal.lock_members(captured.relid, 'SHARE ROW EXCLUSIVE');

    -- A table that was suspended can have been altered since.  What was captured of another
    -- shape is of no use then: all its subscriptions copy the table anew.
    chosen_key := CASE WHEN captured.named_key IS NULL THEN dbsync_internal.choose_key(captured.relid)
        ELSE dbsync_internal.check_named_key(captured.relid, captured.named_key) END;
    described := dbsync_internal.describe_columns(captured.relid);
    current_shape := dbsync_internal.find_shape(captured.id, described, chosen_key);
    PERFORM dbsync_internal.drop_segment(s.id) FROM dbsync.segment s
    WHERE s.captured_id = captured.id AND s.shape_id <> current_shape;
    DELETE FROM dbsync.shape h WHERE h.captured_id = captured.id AND h.id <> current_shape;
    DELETE FROM dbsync.turn t WHERE t.captured_id = captured.id AND t.shape_id <> current_shape;
    IF NOT EXISTS (SELECT FROM dbsync.segment s WHERE s.captured_id = captured.id AND s.active) THEN
        PERFORM dbsync_internal.create_segment(captured.id);
    END IF;
    UPDATE dbsync.captured_table c SET by_row = dbsync_internal.has_triggers(c) AND dbsync_internal.is_related(c.relid) WHERE c.id = captured.id;
    PERFORM dbsync_internal.drop_unwanted_triggers(captured);
    PERFORM dbsync_internal.create_triggers(captured.id, captured.relid);
    PERFORM dbsync_internal.install_members(captured);
    PERFORM dbsync_internal.publish(captured, role);

    UPDATE dbsync.captured_table c
    SET key_index = chosen_key, key_columns = dbsync_internal.key_columns(chosen_key, cardinality(captured.named_key))
    WHERE c.id = captured.id;
    PERFORM dbsync_internal.install_shadow(captured.id);
    UPDATE dbsync.captured_table c SET state = 'active', note = NULL, since = now(),
        shape = dbsync_internal.table_shape(captured.relid, described)
    WHERE c.id = captured.id;
END $$;
COMMENT ON FUNCTION dbsync_internal.install_capture(int, oid) IS 'begins to capture a table: segment, triggers, fingerprint';

-- DROP TRIGGER wants the table for itself: call it under lock_timeout.
CREATE FUNCTION dbsync_internal.remove_capture(captured_id int) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    IF EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = remove_capture.captured_id) THEN
        RETURN false;
    END IF;
    captured := dbsync_internal.lock_captured(captured_id, 'ACCESS EXCLUSIVE');
    IF captured.id IS NULL
        OR EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = captured.id) THEN
        RETURN false;
    END IF;
    PERFORM dbsync_internal.lock_members(captured.relid, 'ACCESS EXCLUSIVE');
    PERFORM dbsync_internal.leave_wal(captured);
    -- what is being removed is no concern of the guard's
    UPDATE dbsync.captured_table c SET state = 'removing' WHERE c.id = captured.id;
    IF EXISTS (SELECT FROM pg_class c WHERE c.oid = captured.relid) THEN
        PERFORM dbsync_internal.drop_triggers(captured.relid);
        PERFORM dbsync_internal.drop_triggers(m.relid) FROM dbsync_internal.members(captured.relid) m;
    END IF;
    DELETE FROM dbsync.partition p WHERE p.captured_id = captured.id;
    DELETE FROM dbsync.kept_partition k WHERE k.captured_id = captured.id;
    PERFORM dbsync_internal.drop_shadow(captured.id);
    PERFORM dbsync_internal.drop_segment(s.id) FROM dbsync.segment s WHERE s.captured_id = captured.id;
    DELETE FROM dbsync.shape h WHERE h.captured_id = captured.id;
    DELETE FROM dbsync.turn t WHERE t.captured_id = captured.id;
    DELETE FROM dbsync.skipped k WHERE k.captured_id = captured.id;
    DELETE FROM dbsync.captured_table c WHERE c.id = captured.id;
    -- most databases have none, and no table needs to be looked into
    DELETE FROM dbsync.former_label f
    WHERE NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE dbsync_internal.has_type(c, f.type));
    DELETE FROM dbsync.former_attribute f
    WHERE NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE dbsync_internal.has_type(c, f.type));
    RETURN true;
END $$;
COMMENT ON FUNCTION dbsync_internal.remove_capture(int) IS 'takes triggers and segments off a table that no subscription wants; false: one wants it';

-- A table that is never free for a moment keeps its triggers until it is: the
-- worker, and the next call of an admin function, try again.
CREATE FUNCTION dbsync_internal.try_remove_capture(captured_id int, patiently boolean) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
AS $$
BEGIN
    -- of one that was dropped there is nothing to be locked
    IF NOT patiently AND EXISTS (SELECT FROM dbsync.captured_table c JOIN pg_class r ON r.oid = c.relid
                                 WHERE c.id = captured_id AND NOT dbsync_internal.lock_at_once(c.relid, 'ACCESS EXCLUSIVE')) THEN
        RETURN false;
    END IF;
    RETURN dbsync_internal.remove_capture(captured_id);
EXCEPTION
    -- 55006: this very transaction has written to it, or has a cursor open on it
    WHEN lock_not_available OR object_in_use OR deadlock_detected THEN
        RETURN false;
END $$;
COMMENT ON FUNCTION dbsync_internal.try_remove_capture(int, boolean) IS 'remove_capture(), or false when the table is in use; patiently: waits for a moment, which is for who has locked no other table';

-- Upkeep of what is there: changing subscriptions, copying tables anew, the ways
-- out when capture is in the way, copies of databases, uninstalling.

CREATE FUNCTION dbsync_internal.alter_subscription(caller oid, name text, policy text, new_name text, forward text, ddl text,
    on_partition_drop text, schemas text[], all_tables boolean, except_tables text[], create_missing boolean, time_zone text, backlog_limit text,
    on_error text, verify_policy text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription dbsync.subscription := dbsync_internal.find_subscription(caller, name);
    zone text := CASE WHEN time_zone IS NULL THEN subscription.time_zone ELSE nullif(time_zone, '') END;
BEGIN
    IF policy IS NOT NULL THEN
        PERFORM dbsync_internal.check_policy(policy);
    END IF;
    PERFORM dbsync_internal.check_time_zone(nullif(time_zone, ''));
    PERFORM dbsync_internal.check_backlog_limit(backlog_limit);
    PERFORM dbsync_internal.check_verify_policy(verify_policy, subscription.target);
    IF forward IS NOT NULL THEN
        PERFORM dbsync_internal.check_forward(forward);
    END IF;
    IF ddl IS NOT NULL THEN
        PERFORM dbsync_internal.check_ddl(ddl);
    END IF;
    IF on_partition_drop IS NOT NULL THEN
        PERFORM dbsync_internal.check_on_partition_drop(on_partition_drop);
    END IF;
    IF on_error IS NOT NULL THEN
        PERFORM dbsync_internal.check_on_error(on_error, subscription.target);
    END IF;
    IF on_partition_drop = 'delete' THEN
        PERFORM dbsync_internal.check_bounds_travel(c.relid)
        FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
        WHERE a.subscription_id = subscription.id AND c.state <> 'dropped';
    END IF;
    IF new_name IS NOT NULL THEN
        PERFORM dbsync_internal.checked_name('subscription', new_name);
        IF EXISTS (SELECT FROM dbsync.subscription s WHERE s.name = new_name AND s.id <> subscription.id) THEN
            RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
                MESSAGE = format('subscription "%s" already exists', new_name);
        END IF;
    END IF;
    UPDATE dbsync.subscription s
    SET policy = coalesce(alter_subscription.policy, s.policy), name = coalesce(new_name, s.name),
        forward = coalesce(alter_subscription.forward, s.forward), ddl = coalesce(alter_subscription.ddl, s.ddl),
        on_partition_drop = coalesce(alter_subscription.on_partition_drop, s.on_partition_drop),
        create_missing = coalesce(alter_subscription.create_missing, s.create_missing),
        on_error = coalesce(alter_subscription.on_error, s.on_error),
        time_zone = zone,
        backlog_limit = CASE WHEN alter_subscription.backlog_limit IS NULL THEN s.backlog_limit ELSE nullif(alter_subscription.backlog_limit, '') END,
        verify_policy = CASE WHEN alter_subscription.verify_policy IS NULL THEN s.verify_policy ELSE nullif(alter_subscription.verify_policy, '') END,
        last_verify = CASE WHEN (coalesce(alter_subscription.verify_policy, s.verify_policy), zone) IS DISTINCT FROM (s.verify_policy, s.time_zone)
            THEN dbsync_internal.policy_clock() ELSE s.last_verify END,
        -- what another policy would have done before now it has not missed
        last_run = CASE WHEN (coalesce(alter_subscription.policy, s.policy), zone)
                IS DISTINCT FROM (s.policy, s.time_zone) THEN dbsync_internal.policy_clock() ELSE s.last_run END
    WHERE s.id = subscription.id;
    -- the target may have got further than is written down here: in doubt its rows are kept
    UPDATE dbsync.kept_partition k SET kept = true
    WHERE alter_subscription.on_partition_drop = 'keep' AND k.subscription_id = subscription.id AND NOT k.kept
      AND NOT coalesce(pg_visible_in_snapshot(k.xid, subscription.position), false);
    IF schemas IS NOT NULL OR all_tables IS NOT NULL OR except_tables IS NOT NULL THEN
        PERFORM dbsync_internal.require_adopted();
        SELECT s.* INTO STRICT subscription FROM dbsync.subscription s WHERE s.id = subscription.id;
        PERFORM dbsync_internal.change_rules(subscription, schemas, all_tables, except_tables);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.alter_subscription(oid, text, text, text, text, text, text, text[], boolean, text[], boolean, text, text, text, text) IS 'body of dbsync.alter_subscription()';

CREATE FUNCTION dbsync.alter_subscription(name text, policy text DEFAULT NULL, new_name text DEFAULT NULL,
    forward text DEFAULT NULL, ddl text DEFAULT NULL, on_partition_drop text DEFAULT NULL, schemas text[] DEFAULT NULL,
    all_tables boolean DEFAULT NULL, except_tables text[] DEFAULT NULL, create_missing boolean DEFAULT NULL, time_zone text DEFAULT NULL,
    backlog_limit text DEFAULT NULL, on_error text DEFAULT NULL, verify_policy text DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.alter_subscription(text, text, text, text, text, text, text[], boolean, text[], boolean, text, text, text, text) IS 'changes a subscription''s policy, the time zone by which that goes, name, what it forwards, what becomes of changes of tables and of rows of partitions that go, by which rules it has tables (those that came by a rule and are of none any more leave it), whether tables that the target lacks are made there, how large what is kept for it may become, what becomes of rows that the target refuses, or when it is verified by itself; null: leave it';

-- The new uid makes it another attachment: what the ledger says about the copy
-- of the old one does not count.
CREATE FUNCTION dbsync_internal.copy_table(caller oid, subscription text, rel regclass, existing_rows text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_subscription dbsync.subscription;
    captured dbsync.captured_table;
BEGIN
    PERFORM dbsync_internal.require_adopted();
    found_subscription := dbsync_internal.find_subscription(caller, subscription);
    PERFORM dbsync_internal.check_existing_rows(true, existing_rows);
    captured := dbsync_internal.find_attachment(found_subscription, rel);
    IF captured.state = 'dropped' THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table',
            MESSAGE = format('table %s was dropped', captured.name),
            HINT = format('To do without what was captured of it: SELECT dbsync.remove_table(%L, %L).', subscription, rel::oid);
    END IF;
    PERFORM dbsync_internal.check_rights(dbsync_internal.owner_of(found_subscription.id), rel, EXISTS (
        SELECT FROM dbsync.subscription_table a
        WHERE a.subscription_id = found_subscription.id AND a.captured_id = captured.id AND (a.capture = 'timestamp' OR captured.capture IN ('shadow', 'snapshot'))));
    PERFORM dbsync_internal.lock_by_oid(rel, 'ACCESS SHARE');
    IF captured.capture = 'snapshot' THEN
        PERFORM dbsync_internal.check_snapshot_kind(rel);
    ELSE
        PERFORM dbsync_internal.check_supported(rel);
    END IF;
    IF captured.capture = 'shadow' THEN
        PERFORM dbsync_internal.check_shadow(rel, captured.named_key);
    END IF;
    IF captured.capture <> 'snapshot' THEN
        PERFORM dbsync_internal.check_keyless(rel, false, existing_rows);
    END IF;
    PERFORM dbsync_internal.check_moved(found_subscription, captured.id, rel);

    IF existing_rows IS DISTINCT FROM 'keep' THEN
        DELETE FROM dbsync.kept_partition k WHERE k.subscription_id = found_subscription.id AND k.captured_id = captured.id;
    END IF;
    PERFORM dbsync_internal.keep_notes(rel);
    UPDATE dbsync.captured_table c SET state = 'installing', note = NULL
    WHERE c.id = captured.id AND c.state = 'suspended';
    UPDATE dbsync.subscription_table a
    SET uid = gen_random_uuid(), state = 'new', copy_data = true, start_position = NULL, existing_rows = copy_table.existing_rows,
        rows_copied = 0, rows_expected = NULL, rows_excluded = 0, bytes_copied = 0, note = NULL, missing_rows = 0, backlog_at = NULL, parked_asked = NULL,
        held = NULL, held_mark = NULL, held_since = NULL, held_for = NULL, held_action = NULL, held_done = false, held_asked = NULL
    WHERE a.subscription_id = found_subscription.id AND a.captured_id = captured.id;
END $$;
COMMENT ON FUNCTION dbsync_internal.copy_table(oid, text, regclass, text) IS 'body of dbsync.copy_table()';

CREATE FUNCTION dbsync.copy_table(subscription text, "table" regclass, existing_rows text DEFAULT 'truncate') RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.copy_table(text, regclass, text) IS 'copies a table of a subscription anew';

-- What is at the target is what was chosen before, so the table is copied anew.
CREATE FUNCTION dbsync_internal.alter_table(caller oid, subscription text, rel regclass, columns text[], filter text, operations text[],
    existing_rows text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    found_subscription dbsync.subscription := dbsync_internal.find_subscription(caller, subscription);
    captured dbsync.captured_table := dbsync_internal.find_attachment(found_subscription, rel);
    attached dbsync.subscription_table;
    selection jsonb;
BEGIN
    IF columns IS NULL AND filter IS NULL AND operations IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'there is nothing to change',
            HINT = 'Give columns, filter or operations. What is not given stays; columns => ''{}'' is all columns, filter => '''' all rows.';
    ELSIF NOT dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(found_subscription.id)) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('must be owner of subscription "%s"', subscription);
    END IF;
    -- before any row of ours, as whoever alters the table has it
    PERFORM dbsync_internal.lock_by_oid(rel, 'ACCESS SHARE');
    SELECT a.* INTO attached FROM dbsync.subscription_table a
    WHERE a.subscription_id = found_subscription.id AND a.captured_id = captured.id;
    selection := dbsync_internal.make_selection(found_subscription, rel, columns, filter, NULL, attached.selection);
    operations := coalesce(operations, attached.operations);
    IF operations IS NOT NULL THEN
        PERFORM dbsync_internal.check_scan_operations(attached.capture);
        PERFORM dbsync_internal.check_operations(rel, operations, dbsync_internal.key_numbers(rel, NULL));
        PERFORM dbsync_internal.check_capture_operations(rel, CASE WHEN captured.reduced THEN 'trigger' ELSE captured.capture END, operations);
        PERFORM dbsync_internal.check_whole_rows(rel, selection, operations);
    END IF;
    PERFORM dbsync_internal.check_types(found_subscription, rel, selection);
    PERFORM dbsync_internal.ask_about_selection(found_subscription, rel, attached.target_schema, attached.target_table, selection,
        dbsync_internal.key_numbers(rel, NULL));
    PERFORM dbsync_internal.write_selection(found_subscription, captured.id, selection, operations);
    PERFORM dbsync_internal.copy_table(caller, subscription, rel, existing_rows);
END $$;
COMMENT ON FUNCTION dbsync_internal.alter_table(oid, text, regclass, text[], text, text[], text) IS 'body of dbsync.alter_table()';

CREATE FUNCTION dbsync.alter_table(subscription text, "table" regclass, columns text[] DEFAULT NULL, filter text DEFAULT NULL,
    operations text[] DEFAULT NULL, existing_rows text DEFAULT 'truncate') RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.alter_table(text, regclass, text[], text, text[], text) IS 'changes what a subscription sends of a table, and copies it anew; what is null stays as it is, columns => ''{}'' is all columns, filter => '''' all rows';

-- A held table is tried again by itself; this is for who does not want to wait.  With "done" the
-- worker takes somebody's word that what it is held for has been done.
CREATE FUNCTION dbsync_internal.resume_table(caller oid, subscription text, rel regclass, done boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_subscription dbsync.subscription;
    captured dbsync.captured_table;
BEGIN
    PERFORM dbsync_internal.require_adopted();
    found_subscription := dbsync_internal.find_subscription(caller, subscription);
    captured := dbsync_internal.find_attachment(found_subscription, rel);
    UPDATE dbsync.subscription_table a SET held_asked = clock_timestamp(), held_done = done
    WHERE a.subscription_id = found_subscription.id AND a.captured_id = captured.id
      AND a.held IS NOT NULL AND a.state <> 'suspended';
    IF NOT FOUND THEN
        RAISE NOTICE USING MESSAGE = format('table %s of subscription "%s" is not held', rel, subscription);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.resume_table(oid, text, regclass, boolean) IS 'body of dbsync.resume_table()';

CREATE FUNCTION dbsync.resume_table(subscription text, "table" regclass, done boolean DEFAULT false) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.resume_table(text, regclass, boolean) IS 'has a held table tried again at once; done: what table_status.next_action asks for has been done by hand, and cannot be told by looking';

-- In the catalog a table is suspended for all its subscriptions here, and nowhere else; one
-- that is being removed stays so.
CREATE FUNCTION dbsync_internal.note_suspended(captured_id int, reason text) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE dbsync.captured_table c SET state = 'suspended', note = reason
    WHERE c.id = note_suspended.captured_id AND c.state NOT IN ('removing', 'dropped');
    UPDATE dbsync.subscription_table a SET state = 'suspended' WHERE a.captured_id = note_suspended.captured_id;
$$;
COMMENT ON FUNCTION dbsync_internal.note_suspended(int, text) IS 'writes down that a table is suspended, and why';

-- The way out when capture is in the way of a user's writes.  The segments stay
-- until the table is installed again or removed: headers name them.
CREATE FUNCTION dbsync_internal.suspend_captured(captured_id int, reason text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table := dbsync_internal.lock_captured(captured_id, 'ACCESS EXCLUSIVE');
BEGIN
    PERFORM dbsync_internal.note_suspended(captured.id, reason);
    IF EXISTS (SELECT FROM pg_class c WHERE c.oid = captured.relid) THEN
        PERFORM dbsync_internal.drop_triggers(captured.relid);
        PERFORM dbsync_internal.unpublish(captured);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.suspend_captured(int, text) IS 'takes the triggers off a table; every subscription of it needs a new copy';

-- The table's owner suspends it for all.  Who has it in a subscription and does not own
-- it can do so for himself: for all only where nobody else has it.
CREATE FUNCTION dbsync_internal.suspend_table(caller oid, rel regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
    owns boolean := dbsync_internal.may_act_as(caller, (SELECT c.relowner FROM pg_class c WHERE c.oid = rel));
    reason text := format('suspended by %s; to go on: dbsync.copy_table()', pg_get_userbyid(caller));
BEGIN
    -- nothing is locked for somebody who may not
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.relid = rel AND c.state <> 'dropped';
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('table %s is not captured', rel);
    ELSIF NOT owns AND NOT EXISTS (
        SELECT FROM dbsync.subscription_table a
        WHERE a.captured_id = captured.id AND dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(a.subscription_id))) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('must be owner of table %s or of a subscription that has it', rel);
    ELSIF NOT owns AND EXISTS (
        SELECT FROM dbsync.subscription_table a
        WHERE a.captured_id = captured.id AND NOT dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(a.subscription_id))) THEN
        PERFORM dbsync_internal.suspend_attachment(a.uid, reason) FROM dbsync.subscription_table a
        WHERE a.captured_id = captured.id AND dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(a.subscription_id));
        RAISE NOTICE USING MESSAGE = format('table %s is suspended in your subscriptions only', rel),
            DETAIL = 'Others have it as well, so it is still captured.',
            HINT = 'The owner of the table can suspend it for all.';
        RETURN;
    END IF;
    captured := dbsync_internal.lock_captured(captured.id, 'ACCESS EXCLUSIVE');
    IF captured.state = 'removing' THEN
        -- nobody is left for whom it could go on; the lock that was in the way is ours now
        PERFORM dbsync_internal.remove_capture(captured.id);
        RAISE NOTICE USING MESSAGE = format('table %s is in no subscription: its capture is removed', rel);
    ELSIF captured.state <> 'suspended' THEN
        PERFORM dbsync_internal.suspend_captured(captured.id, reason);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.suspend_table(oid, regclass) IS 'body of dbsync.suspend_table()';

CREATE FUNCTION dbsync.suspend_table("table" regclass) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.suspend_table(regclass) IS 'takes the capture triggers off a table at once; until copy_table() its subscriptions get nothing from it. Who does not own the table suspends it in his own subscriptions, if others have it too';

-- One subscription cannot go on with a table: the others, of this table and of this
-- subscription, can.  What it lacks from now on a new copy brings.  The first reason
-- is kept.
CREATE FUNCTION dbsync_internal.suspend_attachment(attachment uuid, note text) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    -- one that waits to be copied anew by itself does so no more
    UPDATE dbsync.subscription_table a SET state = 'suspended', note = suspend_attachment.note, backlog_at = NULL
    WHERE a.uid = attachment AND (a.state <> 'suspended' OR a.backlog_at IS NOT NULL)
$$;
COMMENT ON FUNCTION dbsync_internal.suspend_attachment(uuid, text) IS 'takes a table out of one subscription until copy_table(), and says why in table_status';

-- ---------------------------------------------------------------------------
-- adopt

-- A copy of a database becomes a source of its own.  Nothing of what was known
-- about the other one holds: its ledgers belong to it, and a copy was not told of
-- what happened before adopt().  So all subscriptions and attachments get new
-- uids, stand stopped, have no position, and copy their tables anew; that takes
-- care of the tables in dbsync.skipped as well.  How the copy came about makes a
-- difference only to what is left over:
--
--	restored dump    triggers are there, segments are not (members of an extension
--	                 are not dumped); ids in sequences are those of a new extension
--	TEMPLATE, VM     everything is there, filled with the other database's changes
--	pg_upgrade       as TEMPLATE; the source itself under another identifier
--
-- Segments are dropped where there are any, headers emptied, and every table is
-- installed again by the worker: CREATE OR REPLACE for triggers that are there.
-- Until then those do nothing, since the table's state is not "active".
CREATE FUNCTION dbsync_internal.adopt(caller oid, existing_rows text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    header regclass;
BEGIN
    PERFORM dbsync_internal.require_superuser(caller, 'adopt');
    PERFORM dbsync_internal.check_existing_rows(true, existing_rows);
    LOCK TABLE dbsync.node IN SHARE ROW EXCLUSIVE MODE;
    IF dbsync_internal.is_adopted() THEN
        RAISE NOTICE 'this database is no copy: there is nothing to adopt';
        RETURN;
    END IF;

    -- a dump may have been restored without the functions that say who owns what
    PERFORM dbsync_internal.create_anchor(s.id, caller) FROM dbsync.subscription s
    WHERE dbsync_internal.anchor_of(s.id) IS NULL;
    PERFORM dbsync_internal.create_anchor(r.id, caller) FROM dbsync.receiver r
    WHERE dbsync_internal.anchor_of(r.id) IS NULL;
    -- their folders may be the other database's
    UPDATE dbsync.receiver r SET uid = gen_random_uuid(), enabled = false, note = NULL, receipts = 0;
    -- the rows of dropped tables were the other database's to send
    DELETE FROM dbsync.subscription_table a USING dbsync.captured_table c WHERE c.id = a.captured_id AND c.state = 'dropped';
    UPDATE dbsync.subscription s SET uid = gen_random_uuid(), enabled = false, position = NULL, note = NULL, left_at = NULL, begins_anew = false;
    UPDATE dbsync.subscription_table a
    SET uid = gen_random_uuid(), state = 'new', copy_data = true, start_position = NULL, existing_rows = adopt.existing_rows,
        rows_copied = 0, rows_expected = NULL, rows_excluded = 0, bytes_copied = 0, note = NULL, missing_rows = 0, indexes_due = false, backlog_at = NULL, parked_asked = NULL,
        held = NULL, held_mark = NULL, held_since = NULL, held_for = NULL, held_action = NULL, held_done = false, held_asked = NULL;
    PERFORM dbsync_internal.rebind_selections();
    UPDATE dbsync.captured_table c
    SET shape = NULL, discarded = NULL, note = NULL, since = NULL,
        state = CASE WHEN EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = c.id)
                     THEN 'installing' ELSE 'removing' END;
    PERFORM dbsync_internal.drop_segment(s.id) FROM dbsync.segment s WHERE s.captured_id <> 0;
    DELETE FROM dbsync.shape;
    DELETE FROM dbsync.turn;
    DELETE FROM dbsync.partition;
    DELETE FROM dbsync.kept_partition;
    DELETE FROM dbsync.former_label;
    DELETE FROM dbsync.former_attribute;
    FOR header IN SELECT s.relid::regclass FROM dbsync.segment s WHERE s.captured_id = 0 LOOP
        EXECUTE format('TRUNCATE %s', header);
    END LOOP;
    DELETE FROM dbsync.skipped;
    DELETE FROM dbsync.sequence_progress;
    DELETE FROM dbsync_internal.refused_table;
    -- publications come along; the slot that they were made for does not
    PERFORM dbsync_internal.drop_wal();
    PERFORM dbsync_internal.adopt_rules();
    -- of those nothing is left
    DELETE FROM dbsync.captured_table c WHERE c.dropped IS NOT NULL;
    PERFORM setval(pg_get_serial_sequence('dbsync.captured_table', 'id'), max(c.id)) FROM dbsync.captured_table c HAVING max(c.id) > 0;
    PERFORM setval(pg_get_serial_sequence('dbsync.subscription', 'id'), max(s.id)) FROM (SELECT b.id FROM dbsync.subscription b UNION ALL SELECT r.id FROM dbsync.receiver r) s HAVING max(s.id) > 0;

    UPDATE dbsync.node n SET system_identifier = c.system_identifier, database_oid = d.oid, headers_discarded = NULL
    FROM pg_control_system() c, pg_database d WHERE d.datname = current_database();
END $$;
COMMENT ON FUNCTION dbsync_internal.adopt(oid, text) IS 'body of dbsync.adopt()';

CREATE FUNCTION dbsync.adopt(existing_rows text DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.adopt(text) IS 'makes a copy of a database (restored dump, TEMPLATE, pg_upgrade) a source of its own: its subscriptions are new ones, stopped, and copy their tables anew';

-- ---------------------------------------------------------------------------
-- uninstall

-- Everything outside the extension that depends on it goes: triggers, and the
-- foreign servers of its wrappers.  Ledgers stay on the targets, as after
-- drop_subscription(force => true).
CREATE FUNCTION dbsync_internal.uninstall(caller oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    started text;
    gone_ids int[];
    gone_receivers int[];
BEGIN
    PERFORM dbsync_internal.require_superuser(caller, 'uninstall');
    SELECT string_agg(format('"%s"', s.name), ', ' ORDER BY s.name) INTO started
    FROM dbsync.subscription s WHERE s.enabled;
    IF started IS NULL AND EXISTS (SELECT FROM dbsync.receiver r WHERE r.enabled) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_in_use',
            MESSAGE = 'cannot uninstall while receivers are started',
            DETAIL = format('Started: %s.', (SELECT string_agg(format('"%s"', r.name), ', ' ORDER BY r.name) FROM dbsync.receiver r WHERE r.enabled)),
            HINT = 'Use dbsync.stop_receiver() for each, and dbsync.drop_receiver() to clear its ledger on the target.';
    ELSIF started IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_in_use',
            MESSAGE = 'cannot uninstall while subscriptions are started',
            DETAIL = format('Started: %s.', started),
            HINT = 'Use dbsync.stop_subscription() for each, and dbsync.drop_subscription() to clear its ledger on the target.';
    END IF;
    DELETE FROM dbsync.subscription_table;
    DELETE FROM dbsync.subscription_rule;
    DELETE FROM dbsync_internal.refused_table;
    DELETE FROM dbsync.subscription_sequence;
    DELETE FROM dbsync.sequence_progress;
    WITH gone AS (DELETE FROM dbsync.subscription s RETURNING s.id)
    SELECT coalesce(array_agg(g.id), '{}') INTO gone_ids FROM gone g;
    PERFORM dbsync_internal.drop_anchor(g.id) FROM unnest(gone_ids) g (id);
    WITH gone AS (DELETE FROM dbsync.receiver r RETURNING r.id)
    SELECT coalesce(array_agg(g.id), '{}') INTO gone_receivers FROM gone g;
    PERFORM dbsync_internal.drop_anchor(g.id) FROM unnest(gone_receivers) g (id);
    PERFORM dbsync_internal.remove_capture(c.id)
    FROM (SELECT t.id FROM dbsync.captured_table t ORDER BY t.id LIMIT dbsync_internal.tables_at_a_time()) c;
    UPDATE dbsync.captured_table c SET state = 'removing' WHERE c.state <> 'removing';
    PERFORM dbsync_internal.drop_wal();
    IF EXISTS (SELECT FROM dbsync.captured_table) THEN
        RAISE NOTICE USING MESSAGE = format('%s tables still have capture triggers, which do nothing any more', (SELECT count(*) FROM dbsync.captured_table)),
            DETAIL = 'One transaction would need too many locks.',
            HINT = 'Call dbsync.uninstall() again until it says that all are removed. A larger max_locks_per_transaction makes it more tables at a time.';
        RETURN;
    END IF;
    PERFORM dbsync_internal.drop_server(s.srvname)
    FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
    WHERE EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                  WHERE d.classid = 'pg_foreign_data_wrapper'::regclass AND d.objid = w.oid
                    AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'dbsync');
    RAISE NOTICE USING MESSAGE = format('removed all capture triggers, targets and subscriptions (%s)', cardinality(gone_ids)),
        HINT = 'DROP EXTENSION dbsync removes the rest.';
END $$;
COMMENT ON FUNCTION dbsync_internal.uninstall(oid) IS 'body of dbsync.uninstall()';

CREATE FUNCTION dbsync.uninstall() RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.uninstall() IS 'removes all subscriptions, capture triggers and targets, so that DROP EXTENSION needs no CASCADE';

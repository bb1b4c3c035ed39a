-- Subscriptions and their tables.
--
-- Nothing here touches a table of the user's, except to take its triggers off: a
-- function cannot commit, and writers would queue behind its locks until its
-- caller does.  What is added is written down in state "installing", and the
-- worker (or run_once) installs capture, one table a transaction.

-- ---------------------------------------------------------------------------
-- Looking things up

-- A table's owner is master of his table: he may act on it in any subscription that
-- has it, but on nothing else there.
CREATE FUNCTION dbsync_internal.find_subscription(caller oid, name text, rel regclass DEFAULT NULL) RETURNS dbsync.subscription
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription dbsync.subscription;
BEGIN
    PERFORM dbsync_internal.config_lock();
    SELECT s.* INTO subscription FROM dbsync.subscription s
    WHERE s.name = find_subscription.name FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('subscription "%s" does not exist', name);
    ELSIF NOT dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(subscription.id))
        AND NOT EXISTS (
            SELECT FROM dbsync.subscription_table a
            JOIN dbsync.captured_table t ON t.id = a.captured_id LEFT JOIN pg_class c ON c.oid = t.relid
            WHERE a.subscription_id = subscription.id AND t.relid = rel
              AND dbsync_internal.may_act_as(caller, coalesce(t.owner, c.relowner)))
    THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('must be owner of subscription "%s"', name);
    END IF;
    RETURN subscription;
END $$;
COMMENT ON FUNCTION dbsync_internal.find_subscription(oid, text, regclass) IS 'a subscription that the caller owns, or that has this table of his, its row locked; error if there is none';

-- The captured table behind a subscription's table.
CREATE FUNCTION dbsync_internal.find_attachment(subscription dbsync.subscription, rel regclass) RETURNS dbsync.captured_table
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured
    FROM dbsync.captured_table c JOIN dbsync.subscription_table a ON a.captured_id = c.id
    WHERE a.subscription_id = subscription.id AND c.relid = rel;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('table %s is not in subscription "%s"', rel, subscription.name);
    END IF;
    RETURN captured;
END $$;
COMMENT ON FUNCTION dbsync_internal.find_attachment(dbsync.subscription, regclass) IS 'captured table of a table that is in the subscription; error if it is not';

CREATE FUNCTION dbsync_internal.check_forward(forward text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF forward NOT IN ('all', 'local') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('forward must be "all" or "local", not "%s"', forward),
            HINT = 'With "local" only changes that were made in this database are sent.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_forward(text) IS 'error unless it says what is sent of changes that other databases made';

CREATE FUNCTION dbsync_internal.check_ddl(ddl text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF ddl IS NULL OR ddl NOT IN ('wait', 'apply', 'ignore') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('ddl must be "wait", "apply" or "ignore", not %s', coalesce('"' || ddl || '"', 'null')),
            HINT = 'With "wait" a table whose columns change stands still until its target has been changed likewise, '
                'with "apply" dbsync changes the target, with "ignore" only columns that both sides have are sent.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_ddl(text) IS 'error unless it says what becomes of changes of tables';

CREATE FUNCTION dbsync_internal.check_on_partition_drop(on_partition_drop text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF on_partition_drop IS NULL OR on_partition_drop NOT IN ('keep', 'delete') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('on_partition_drop must be "keep" or "delete", not %s', coalesce('"' || on_partition_drop || '"', 'null')),
            HINT = 'keep: rows of a partition that is detached or dropped stay at the target; delete: they are deleted there, too.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_on_partition_drop(text) IS 'error unless it says what becomes of the rows of partitions that go';

CREATE FUNCTION dbsync_internal.target_parks(target name) RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_target_parks_rows';
COMMENT ON FUNCTION dbsync_internal.target_parks(name) IS 'can the driver of a target park rows?';

CREATE FUNCTION dbsync_internal.check_on_error(on_error text, target name) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF on_error IS NULL OR on_error NOT IN ('stop', 'quarantine') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('on_error must be "stop" or "quarantine", not %s', coalesce('"' || on_error || '"', 'null')),
            DETAIL = 'stop: all waits until the cause is mended. quarantine: the key of a row that the target refuses is parked there, and all else goes on.';
    ELSIF on_error = 'quarantine' AND NOT dbsync_internal.target_parks(target) THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('on_error cannot be "quarantine" for target "%s"', target),
            DETAIL = 'Its driver lacks the feature QUARANTINE: it does not park rows.',
            HINT = 'Use on_error => ''stop''.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_on_error(text, name) IS 'error unless it says what becomes of rows that the target refuses, and the target can do it';

CREATE FUNCTION dbsync_internal.target_shows_rows(target name) RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_target_shows_rows';
COMMENT ON FUNCTION dbsync_internal.target_shows_rows(name) IS 'can the driver of a target show what is in its tables?';

-- Empty or null: it is not verified by itself.
CREATE FUNCTION dbsync_internal.check_verify_policy(verify_policy text, target name) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF coalesce(verify_policy, '') = '' THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.check_verify_policy(verify_policy);
    IF NOT dbsync_internal.target_shows_rows(target) THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('verify_policy cannot be given for target "%s"', target),
            DETAIL = 'Its driver lacks the feature COMPARE: it cannot show what is in its tables.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_verify_policy(text, name) IS 'error unless it says when a subscription is verified, by the clock alone, and the target can be';

-- Rows of a partition that has gone can be deleted at the target only by what its bound says.
CREATE FUNCTION dbsync_internal.check_bounds_travel(rel regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    partition regclass;
BEGIN
    SELECT m.relid INTO partition FROM dbsync_internal.members(rel) m WHERE dbsync_internal.bound_of(m.relid) IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('on_partition_drop cannot be "delete" for table %s', rel),
            DETAIL = format('The bound of partition %s does not mean the same in another database: it is a hash, an expression, '
                'of a type that is not the system''s own, or a range of text by a collation other than "C".', partition),
            HINT = 'Use on_partition_drop => ''keep''.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_bounds_travel(regclass) IS 'error if a partition of the table has a bound that no target can be told';

CREATE FUNCTION dbsync_internal.check_existing_rows(copy_data boolean, existing_rows text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF existing_rows NOT IN ('keep', 'truncate') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('existing_rows must be "keep" or "truncate", not "%s"', existing_rows),
            HINT = 'Without it, a target table that has rows is refused.';
    ELSIF existing_rows = 'truncate' AND NOT copy_data THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'existing_rows cannot be "truncate" without copy_data';
    END IF;
    IF NOT copy_data THEN
        RAISE NOTICE USING MESSAGE = 'changes are sent from when capture has begun, soon after the subscription is started',
            HINT = 'There is no copy that would bring what is written before. dbsync.table_status.note says when that is so.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_existing_rows(boolean, text) IS 'error unless both arguments make sense together; a notice of what no copy brings';

-- ---------------------------------------------------------------------------
-- Adding a table

-- Schema and name of the target table: as the source's, unless given, or the driver's own place.
CREATE FUNCTION dbsync_internal.target_name(target name, rel regclass, target_table text, OUT schema name, OUT name name)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parts text[] := parse_ident(target_table);
BEGIN
    SELECT coalesce(dbsync_internal.schema_of_target(target), n.nspname), c.relname INTO schema, name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = rel;
    IF cardinality(parts) > 2 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('invalid name of a target table: "%s"', target_table),
            HINT = 'Give a table, or schema.table.';
    ELSIF parts IS NOT NULL THEN
        name := dbsync_internal.checked_name('target table', parts[cardinality(parts)]);
        IF cardinality(parts) = 2 THEN
            schema := dbsync_internal.checked_name('schema', parts[1]);
        END IF;
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.target_name(name, regclass, text) IS 'schema and table that target_table means at a target';

-- When one subscription goes on with a suspended table, the others still have to know why
-- they do not.
CREATE FUNCTION dbsync_internal.keep_notes(rel regclass) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE dbsync.subscription_table a SET note = c.note FROM dbsync.captured_table c
    WHERE c.relid = rel AND c.state = 'suspended' AND a.captured_id = c.id AND a.state = 'suspended' AND a.note IS NULL
$$;
COMMENT ON FUNCTION dbsync_internal.keep_notes(regclass) IS 'before a suspended table is captured again: every subscription of it keeps the reason';

-- One captured table for all subscriptions.  One that was on its way out, or was
-- suspended, is installed again; if nobody has it any more, by the key that is asked for now.
CREATE FUNCTION dbsync_internal.capture_table(rel regclass, key name[] DEFAULT NULL, capture text DEFAULT 'trigger', options jsonb DEFAULT NULL) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured_id int;
BEGIN
    PERFORM dbsync_internal.keep_notes(rel);
    INSERT INTO dbsync.captured_table AS c (relid, key_index, named_key, capture, capture_options)
    VALUES (rel, CASE WHEN capture = 'snapshot' THEN 0 WHEN key IS NULL THEN dbsync_internal.choose_key(rel) ELSE dbsync_internal.check_named_key(rel, key) END, key,
        CASE capture WHEN 'timestamp' THEN 'none' ELSE capture END, CASE WHEN capture = 'timestamp' OR options IS NULL THEN '{}' ELSE options END)
    ON CONFLICT (relid) WHERE state <> 'dropped' DO UPDATE SET note = NULL,
        state = CASE WHEN c.state = 'active' THEN 'active' ELSE 'installing' END,
        named_key = CASE WHEN c.state = 'active' OR EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = c.id)
            THEN c.named_key ELSE EXCLUDED.named_key END,
        (capture, capture_options, reduced) = (SELECT c.capture, c.capture_options, c.reduced
            WHERE c.state = 'active' OR EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = c.id)
            UNION ALL SELECT EXCLUDED.capture, EXCLUDED.capture_options, false LIMIT 1)
    RETURNING c.id INTO captured_id;
    RETURN captured_id;
END $$;
COMMENT ON FUNCTION dbsync_internal.capture_table(regclass, name[], text, jsonb) IS 'id of the captured table, which is to be installed if it is not active';

-- A table is captured by one key, whoever subscribes it.
CREATE FUNCTION dbsync_internal.check_same_key(rel regclass, key name[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    other record;
BEGIN
    SELECT s.name AS subscription, c.named_key IS NOT NULL AS named, (
        SELECT array_agg(t.attname ORDER BY t.attname COLLATE "C") FROM pg_attribute t
        WHERE t.attrelid = rel AND t.attnum = ANY (coalesce(dbsync_internal.named_columns(rel),
            string_to_array(dbsync_internal.key_columns(c.key_index)::text, ' ')::smallint[]))) AS columns
    INTO other
    FROM dbsync.captured_table c JOIN dbsync.subscription_table a ON a.captured_id = c.id JOIN dbsync.subscription s ON s.id = a.subscription_id
    WHERE c.relid = rel AND c.state <> 'dropped' ORDER BY s.name LIMIT 1;
    IF FOUND AND other.columns IS DISTINCT FROM (SELECT array_agg(k.name ORDER BY k.name COLLATE "C") FROM unnest(key) k (name)) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('table %s is captured by another key', rel),
            DETAIL = CASE WHEN other.columns IS NULL THEN format('It is in subscription "%s", without a key.', other.subscription)
                ELSE format('It is in subscription "%s", with key (%s).', other.subscription, dbsync_internal.column_list(other.columns)) END,
            HINT = 'All subscriptions of a table have the same key. Leave out "key", or take the table out of the other one first.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_same_key(regclass, name[]) IS 'error if a subscription has the table by another key than this';

-- Rows of others could not be told from its own.
CREATE FUNCTION dbsync_internal.check_keyless(rel regclass, named boolean, existing_rows text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF existing_rows IS DISTINCT FROM 'keep' OR named THEN
        RETURN;
    ELSIF coalesce((SELECT CASE WHEN c.named_key IS NOT NULL THEN 1::oid WHEN c.state = 'active' THEN c.key_index END
                      FROM dbsync.captured_table c WHERE c.relid = rel AND c.state <> 'dropped'),
                     dbsync_internal.choose_key(rel)) = 0 THEN
        PERFORM dbsync_internal.refuse(format('existing_rows cannot be "keep": table %s has no key', rel),
            'Use existing_rows => ''truncate''; or add a primary key, or name the key: dbsync.add_table(..., key => ''{...}'').', '0A000',
            'Rows that are there already could not be told from those that are copied: they would be there twice.');
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_keyless(regclass, boolean, text) IS 'error if rows at the target are to be kept beside those of a table without a key';

-- It works, and costs more: so whoever has a key in mind is told why it is none.
CREATE FUNCTION dbsync_internal.notice_keyless(rel regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reason text;
BEGIN
    IF dbsync_internal.choose_key(rel) <> 0
        OR EXISTS (SELECT FROM dbsync.captured_table c WHERE c.relid = rel AND c.state <> 'dropped' AND c.named_key IS NOT NULL) THEN
        RETURN;
    END IF;
    SELECT format('Unique index %s %s.', k.key_index, k.problem) INTO reason
    FROM dbsync_internal.key_candidates(rel) k LIMIT 1;
    RAISE NOTICE USING MESSAGE = format('table %s has no key: its rows are known by all that is in them', rel),
        DETAIL = coalesce(reason, 'It has no primary key and no unique index.'),
        HINT = 'Updates and deletes cost more so, and its first copy is one transaction. Add a primary key, or a unique index over NOT NULL columns '
            'that is not deferrable, not partial, without expressions and with the default operator classes and collations; '
            'or name the key: dbsync.add_table(..., key => ''{...}'').';
END $$;
COMMENT ON FUNCTION dbsync_internal.notice_keyless(regclass) IS 'says so if a table has no key, and why';

-- Whoever reads a parent reads its children, too, and may take them for one table.
CREATE FUNCTION dbsync_internal.notice_heirs(subscription dbsync.subscription, rels regclass[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    left_out record;
BEGIN
    FOR left_out IN
        SELECT r.rel, string_agg(h::regclass::text, ', ' ORDER BY h::regclass::text COLLATE "C") AS heirs
        FROM unnest(rels) r (rel) JOIN pg_class c ON c.oid = r.rel, dbsync_internal.heirs(ARRAY[r.rel::oid]) h
        WHERE c.relkind = 'r' AND h NOT IN (
            SELECT t.relid FROM dbsync.captured_table t JOIN dbsync.subscription_table a ON a.captured_id = t.id
            WHERE a.subscription_id = subscription.id AND t.state <> 'dropped')
        GROUP BY r.rel ORDER BY r.rel::text COLLATE "C"
    LOOP
        RAISE NOTICE USING MESSAGE = format('table %s is sent without the rows of tables that inherit from it', left_out.rel),
            DETAIL = format('Not in subscription "%s": %s.', subscription.name, left_out.heirs),
            HINT = 'Each table of an inheritance tree is a table of its own. To have their rows sent, too, use dbsync.add_table().';
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.notice_heirs(dbsync.subscription, regclass[]) IS 'says so if a subscription has these tables, and not all that inherit from them';

-- Two tables of a subscription do not go into one; one that was dropped goes there until all
-- that was captured of it has.
CREATE FUNCTION dbsync_internal.check_place(subscription dbsync.subscription, rel regclass, target_schema name, target_table name) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    other dbsync.captured_table;
BEGIN
    IF EXISTS (SELECT FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
               WHERE a.subscription_id = subscription.id AND c.relid = rel AND c.state <> 'dropped') THEN
        RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
            MESSAGE = format('table %s is already in subscription "%s"', rel, subscription.name),
            HINT = 'To copy it anew, use dbsync.copy_table(). For another capture, key or target_table take it out first: dbsync.remove_table().';
    END IF;
    SELECT c.* INTO other FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
    WHERE a.subscription_id = subscription.id AND a.target_schema = check_place.target_schema AND a.target_table = check_place.target_table;
    IF other.state = 'dropped' THEN
        RAISE EXCEPTION USING ERRCODE = 'object_in_use',
            MESSAGE = format('dropped table %s of subscription "%s" still goes to %I.%I', other.name, subscription.name, target_schema, target_table),
            DETAIL = 'What was captured of it is not on the target yet.',
            HINT = format('Wait for that: SELECT dbsync.wait_for(%L). Or do without: SELECT dbsync.remove_table(%L, %L).',
                subscription.name, subscription.name, other.relid::oid);
    ELSIF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
            MESSAGE = format('another table of subscription "%s" goes to %I.%I', subscription.name, target_schema, target_table),
            HINT = 'Give it a target_table of its own.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_place(dbsync.subscription, regclass, name, name) IS 'error if a subscription has the table, or another one that goes to this target table';

CREATE FUNCTION dbsync_internal.write_attachment(subscription dbsync.subscription, rel regclass, target_schema name, target_table name,
    target_given boolean, copy_data boolean, existing_rows text, key name[], by_rule boolean DEFAULT false,
    capture text DEFAULT 'trigger', options jsonb DEFAULT NULL) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured_id int := dbsync_internal.capture_table(rel, key, capture, options);
BEGIN
    INSERT INTO dbsync.subscription_table (subscription_id, captured_id, target_schema, target_table, target_given,
        copy_data, existing_rows, by_rule, capture, capture_options)
    VALUES (subscription.id, captured_id, target_schema, target_table, target_given, copy_data, existing_rows, by_rule,
        -- of the captured table is what writes to its segments, of the attachment what reads the table
        CASE WHEN capture = 'timestamp' THEN capture END, CASE WHEN capture = 'timestamp' THEN options ELSE '{}' END);
    PERFORM dbsync_internal.settle_capture(captured_id, capture, options);
    RETURN captured_id;
END $$;
COMMENT ON FUNCTION dbsync_internal.write_attachment(dbsync.subscription, regclass, name, name, boolean, boolean, text, name[], boolean, text, jsonb) IS 'writes down that a subscription has a table, which has been checked; returns the captured table';

-- The lock keeps the table as it is until the guard can see our row.  Where there are so many
-- that locks are given back, install_capture() looks again, as it does in any case, and leaves
-- out what was dropped meanwhile.
CREATE FUNCTION dbsync_internal.attach_table(subscription dbsync.subscription, rel regclass, target_table text,
    copy_data boolean, existing_rows text, key name[] DEFAULT NULL, columns text[] DEFAULT NULL, filter text DEFAULT NULL,
    operations text[] DEFAULT NULL, capture text DEFAULT 'trigger', options jsonb DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target record;
    selection jsonb;
    captured_id int;
    scan jsonb := CASE WHEN capture = 'timestamp' THEN options END;
    compared boolean := capture = 'snapshot';
BEGIN
    PERFORM dbsync_internal.check_one_look(rel, capture);
    IF NOT compared THEN
        PERFORM dbsync_internal.check_kind(rel);
    END IF;
    PERFORM dbsync_internal.check_rights(dbsync_internal.owner_of(subscription.id), rel, scan IS NOT NULL OR capture = 'shadow' OR compared);
    PERFORM dbsync_internal.lock_by_oid(rel, 'ACCESS SHARE');
    IF compared THEN
        PERFORM dbsync_internal.check_snapshot_kind(rel);
        PERFORM dbsync_internal.check_snapshot(subscription, rel, options, key, copy_data);
    ELSE
        PERFORM dbsync_internal.check_supported(rel);
    END IF;
    IF subscription.on_partition_drop = 'delete' AND NOT compared THEN
        PERFORM dbsync_internal.check_bounds_travel(rel);
    END IF;
    IF key IS NOT NULL THEN
        IF NOT compared THEN
            PERFORM dbsync_internal.check_named_key(rel, key);
        END IF;
        PERFORM dbsync_internal.check_same_key(rel, key);
    END IF;
    IF scan IS NOT NULL THEN
        PERFORM dbsync_internal.check_scan(subscription, rel, scan, copy_data, key IS NOT NULL, operations);
    END IF;
    IF capture = 'shadow' THEN
        PERFORM dbsync_internal.check_compared(rel, options, key);
    END IF;
    PERFORM dbsync_internal.check_capture_key(rel, capture, key);
    PERFORM dbsync_internal.check_wal(subscription, rel, capture, key);
    IF NOT compared THEN
        PERFORM dbsync_internal.check_keyless(rel, key IS NOT NULL, existing_rows);
        IF key IS NULL THEN
            PERFORM dbsync_internal.notice_keyless(rel);
        END IF;
    END IF;
    IF columns IS NOT NULL OR filter IS NOT NULL THEN
        selection := dbsync_internal.make_selection(subscription, rel, columns, filter, key);
    END IF;
    IF operations IS NOT NULL THEN
        PERFORM dbsync_internal.check_operations(rel, operations, dbsync_internal.key_numbers(rel, key));
        PERFORM dbsync_internal.check_capture_operations(rel, capture, operations);
        PERFORM dbsync_internal.check_whole_rows(rel, selection, operations);
    END IF;
    PERFORM dbsync_internal.check_types(subscription, rel, selection, key);
    target := dbsync_internal.target_name(subscription.target, rel, target_table);
    IF selection IS NOT NULL THEN
        PERFORM dbsync_internal.ask_about_selection(subscription, rel, target.schema, target.name, selection, dbsync_internal.key_numbers(rel, key));
    END IF;
    PERFORM dbsync_internal.check_place(subscription, rel, target.schema, target.name);
    PERFORM dbsync_internal.check_same_capture(rel, capture);

    -- who drops the subscription by an older snapshot must not overlook the new row; once is
    -- enough, and each time leaves a row that the next one has to pass
    UPDATE dbsync.subscription s SET policy = s.policy WHERE s.id = subscription.id AND NOT dbsync_internal.guard_is_ours(s.xmin);
    captured_id := dbsync_internal.write_attachment(subscription, rel, target.schema, target.name, target_table IS NOT NULL,
        copy_data, existing_rows, key, false, capture, options);
    IF selection IS NOT NULL OR operations IS NOT NULL THEN
        PERFORM dbsync_internal.write_selection(subscription, captured_id, selection, operations);
    END IF;
    PERFORM dbsync_internal.unlock_surplus(rel);
END $$;
COMMENT ON FUNCTION dbsync_internal.attach_table(dbsync.subscription, regclass, text, boolean, text, name[], text[], text, text[], text, jsonb) IS 'adds a table to a subscription';

CREATE FUNCTION dbsync_internal.create_subscription(caller oid, name text, target text, tables regclass[],
    policy text, copy_data boolean, existing_rows text, forward text, ddl text, on_partition_drop text,
    schemas text[], all_tables boolean, except_tables text[], create_missing boolean, time_zone text, backlog_limit text, on_error text, verify_policy text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription dbsync.subscription;
    rel regclass;
BEGIN
    PERFORM dbsync_internal.require_adopted();
    PERFORM dbsync_internal.config_lock();
    PERFORM dbsync_internal.checked_name('subscription', name);
    PERFORM dbsync_internal.check_policy(policy);
    PERFORM dbsync_internal.check_time_zone(time_zone);
    PERFORM dbsync_internal.check_backlog_limit(backlog_limit);
    PERFORM dbsync_internal.check_existing_rows(copy_data, existing_rows);
    PERFORM dbsync_internal.check_forward(forward);
    PERFORM dbsync_internal.check_ddl(ddl);
    PERFORM dbsync_internal.check_on_partition_drop(on_partition_drop);
    PERFORM dbsync_internal.check_target(caller, target);
    PERFORM dbsync_internal.check_on_error(on_error, target);
    PERFORM dbsync_internal.check_verify_policy(verify_policy, target);

    INSERT INTO dbsync.subscription (name, target, policy, forward, ddl, on_partition_drop, rule_copy_data, rule_existing_rows, create_missing, time_zone, backlog_limit, on_error,
        verify_policy, last_verify)
    VALUES (name, target, policy, forward, ddl, on_partition_drop, copy_data, existing_rows, create_missing, time_zone, nullif(backlog_limit, ''), on_error,
        nullif(verify_policy, ''), CASE WHEN verify_policy <> '' THEN dbsync_internal.policy_clock() END)
    ON CONFLICT ON CONSTRAINT subscription_name_key DO NOTHING
    RETURNING * INTO subscription;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
            MESSAGE = format('subscription "%s" already exists', name);
    END IF;
    PERFORM dbsync_internal.create_anchor(subscription.id, caller);
    FOREACH rel IN ARRAY coalesce(tables, '{}') LOOP
        PERFORM dbsync_internal.attach_table(subscription, rel, NULL, copy_data, existing_rows);
    END LOOP;
    PERFORM dbsync_internal.write_rules(subscription, schemas, all_tables, except_tables);
    PERFORM dbsync_internal.apply_rules(subscription, copy_data);
    PERFORM dbsync_internal.notice_heirs(subscription, tables);
    PERFORM dbsync_internal.notice_sequences(subscription, tables);
    PERFORM dbsync_internal.retry_removals(caller);
END $$;
COMMENT ON FUNCTION dbsync_internal.create_subscription(oid, text, text, regclass[], text, boolean, text, text, text, text, text[], boolean, text[], boolean, text, text, text, text) IS 'body of dbsync.create_subscription()';

CREATE FUNCTION dbsync.create_subscription(name text, target text, tables text[] DEFAULT '{}', policy text DEFAULT 'immediate',
    copy_data boolean DEFAULT true, existing_rows text DEFAULT NULL, forward text DEFAULT 'all',
    ddl text DEFAULT 'wait', on_partition_drop text DEFAULT 'keep', schemas text[] DEFAULT NULL, all_tables boolean DEFAULT false,
    except_tables text[] DEFAULT NULL, create_missing boolean DEFAULT false, time_zone text DEFAULT NULL, backlog_limit text DEFAULT NULL,
    on_error text DEFAULT 'stop', verify_policy text DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.create_subscription(text, text, text[], text, boolean, text, text, text, text, text[], boolean, text[], boolean, text, text, text, text) IS 'makes a subscription of the caller''s, stopped at first; policy: when changes travel (see docs/policies.md), by the clocks of time_zone, null: UTC; existing_rows (keep, truncate): what to do with rows that a target table has before the first copy; forward (all, local): whether changes that came here from other databases go on to the target; ddl (wait, apply, ignore): what becomes of changes of tables there; on_partition_drop (keep, delete): what becomes there of the rows of a partition that is detached or dropped; schemas, all_tables: all tables of these schemas, or of all, those that are made later among them; except_tables: but these; create_missing: tables that the target lacks are made there before their first copy, and their other indexes behind it; backlog_limit: how large what is kept for it may become ("10 GB"), before tables are copied anew instead, null: as large as it does; on_error (stop, quarantine): what becomes of a row that the target refuses for what it is: all waits for it, or its key is parked there (see docs/quarantine.md); verify_policy: when it is verified by itself while it is started, by the clock ("cron 0 3 * * 0"), null: never';

CREATE FUNCTION dbsync_internal.add_table(caller oid, subscription text, rel regclass, target_table text,
    columns text[], filter text, copy_data boolean, existing_rows text, key name[], operations text[], capture text, options jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_subscription dbsync.subscription;
BEGIN
    PERFORM dbsync_internal.require_adopted();
    found_subscription := dbsync_internal.find_subscription(caller, subscription);
    PERFORM dbsync_internal.check_capture(coalesce(capture, 'trigger'), options);
    PERFORM dbsync_internal.check_existing_rows(copy_data, existing_rows);
    PERFORM dbsync_internal.attach_table(found_subscription, rel, target_table, copy_data, existing_rows, key, columns, filter, operations,
        coalesce(capture, 'trigger'), options);
    PERFORM dbsync_internal.notice_capture(rel, capture);
    PERFORM dbsync_internal.forget_exception(found_subscription.id, rel);
    PERFORM dbsync_internal.notice_heirs(found_subscription, ARRAY[rel]);
    PERFORM dbsync_internal.notice_sequences(found_subscription, ARRAY[rel]);
    PERFORM dbsync_internal.retry_removals(caller);
END $$;
COMMENT ON FUNCTION dbsync_internal.add_table(oid, text, regclass, text, text[], text, boolean, text, name[], text[], text, jsonb) IS 'body of dbsync.add_table()';

CREATE FUNCTION dbsync.add_table(subscription text, "table" regclass, target_table text DEFAULT NULL, columns text[] DEFAULT NULL,
    filter text DEFAULT NULL, copy_data boolean DEFAULT true, existing_rows text DEFAULT NULL, key name[] DEFAULT NULL,
    operations text[] DEFAULT NULL, capture text DEFAULT NULL, options jsonb DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.add_table(text, regclass, text, text[], text, boolean, text, name[], text[], text, jsonb) IS 'adds a table to a subscription; columns: those that are sent, as in the list of a SELECT; filter: condition that is true of rows that are sent; operations: which of insert, update, delete and truncate are; key: NOT NULL columns by which its rows are known, with an index that begins with them; capture: who finds out what changed (trigger, keys, api, wal, timestamp, shadow, snapshot), options: how';

-- Subscriptions and their tables.
--
-- Nothing here touches a table of the user's, except to take its triggers off: a
-- function cannot commit, and writers would queue behind its locks until its
-- caller does.  What is added is written down in state "installing", and the
-- worker (or run_once) installs capture, one table a transaction.

-- ---------------------------------------------------------------------------
-- Owners
--
-- PostgreSQL knows owners of objects, not of rows.  So for each subscription there
-- is an object, a function that does nothing, and who owns that owns the
-- subscription; its owner is written down nowhere else.  DROP ROLE is refused
-- then, REASSIGN OWNED moves the subscription, and a dump takes the owner along.
-- The guard sees to it that it is not dropped.  It is no member of the extension,
-- or a dump would lack it, but goes with it.

CREATE FUNCTION dbsync_internal.anchor_of(subscription_id int) RETURNS oid
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.oid FROM pg_proc p
    WHERE p.proname = format('subscription_%s', subscription_id)::name AND p.pronargs = 0
      AND p.pronamespace = 'dbsync_internal'::regnamespace
$$;
COMMENT ON FUNCTION dbsync_internal.anchor_of(int) IS 'the function that stands for a subscription; null: it has gone';

CREATE FUNCTION dbsync_internal.owner_of(subscription_id int) RETURNS regrole
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.proowner::regrole FROM pg_proc p
    WHERE p.proname = format('subscription_%s', subscription_id)::name AND p.pronargs = 0
      AND p.pronamespace = 'dbsync_internal'::regnamespace
$$;
COMMENT ON FUNCTION dbsync_internal.owner_of(int) IS 'the owner of a subscription; null: its anchor has gone';

CREATE FUNCTION dbsync_internal.create_anchor(subscription_id int, owner oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    anchor text := format('dbsync_internal.%I()', format('subscription_%s', subscription_id));
BEGIN
    EXECUTE format('CREATE FUNCTION %s RETURNS void LANGUAGE sql IMMUTABLE AS %L', anchor, '');
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', anchor);
    EXECUTE format('COMMENT ON FUNCTION %s IS %L', anchor,
        'stands for a subscription of dbsync: who owns this function owns the subscription');
    EXECUTE format('ALTER FUNCTION %s DEPENDS ON EXTENSION dbsync', anchor);
    EXECUTE format('ALTER FUNCTION %s OWNER TO %I', anchor, pg_get_userbyid(owner));
END $$;
COMMENT ON FUNCTION dbsync_internal.create_anchor(int, oid) IS 'makes the function that stands for a subscription';

-- The row goes first: the guard takes an anchor without one for nobody's.
CREATE FUNCTION dbsync_internal.drop_anchor(subscription_id int) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('DROP FUNCTION IF EXISTS dbsync_internal.%I()', format('subscription_%s', subscription_id));
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_anchor(int) IS 'drops the function that stood for a subscription';

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
    SELECT s.* INTO subscription FROM dbsync.subscription s
    WHERE s.name = find_subscription.name FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('subscription "%s" does not exist', name);
    ELSIF NOT dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(subscription.id))
        AND NOT EXISTS (
            SELECT FROM dbsync.subscription_table a
            JOIN dbsync.captured_table t ON t.id = a.captured_id JOIN pg_class c ON c.oid = t.relid
            WHERE a.subscription_id = subscription.id AND t.relid = rel
              AND dbsync_internal.may_act_as(caller, c.relowner))
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

CREATE FUNCTION dbsync_internal.check_policy(policy text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF policy IS DISTINCT FROM 'immediate' THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('policy "%s" is not supported', policy),
            HINT = 'The only policy so far is "immediate".';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_policy(text) IS 'error unless the policy is known';

CREATE FUNCTION dbsync_internal.check_existing_rows(copy_data boolean, existing_rows text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF copy_data IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'copy_data must not be null';
    ELSIF existing_rows NOT IN ('keep', 'truncate') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('existing_rows must be "keep" or "truncate", not "%s"', existing_rows),
            HINT = 'Without it, a target table that has rows is refused.';
    ELSIF existing_rows = 'truncate' AND NOT copy_data THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'existing_rows cannot be "truncate" without copy_data';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_existing_rows(boolean, text) IS 'error unless both arguments make sense together';

-- ---------------------------------------------------------------------------
-- Rights on tables

-- Row security as it would apply to a query of the role.
CREATE FUNCTION dbsync_internal.row_security_applies(role oid, rel regclass) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.relrowsecurity AND NOT r.rolsuper AND NOT r.rolbypassrls
        AND (c.relforcerowsecurity OR NOT pg_has_role(r.oid, c.relowner, 'USAGE'))
    FROM pg_class c, pg_roles r WHERE c.oid = rel AND r.oid = role
$$;
COMMENT ON FUNCTION dbsync_internal.row_security_applies(oid, regclass) IS 'would a query of the role on the table be filtered by row security?';

-- Which of the rights on tables the role lacks, the first that it would stumble over:
-- USAGE, SELECT, "row security", TRIGGER.  For all tables at once, as a worker asks.
CREATE FUNCTION dbsync_internal.missing_rights(role oid, tables oid[]) RETURNS TABLE (rel oid, lacks text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT * FROM (
        SELECT c.oid, CASE
            WHEN NOT has_schema_privilege(role, c.relnamespace, 'USAGE') THEN 'USAGE'
            WHEN NOT has_table_privilege(role, c.oid, 'SELECT') THEN 'SELECT'
            WHEN c.relrowsecurity AND dbsync_internal.row_security_applies(role, c.oid) THEN 'row security'
            WHEN NOT has_table_privilege(role, c.oid, 'TRIGGER')
                AND NOT pg_has_role(role, c.relowner, 'USAGE') THEN 'TRIGGER'
            END AS lacks
        FROM unnest(tables) t (oid) JOIN pg_class c ON c.oid = t.oid) x
    WHERE x.lacks IS NOT NULL
$$;
COMMENT ON FUNCTION dbsync_internal.missing_rights(oid, oid[]) IS 'tables that the role may not have captured, and what it lacks';

-- The same in words; the cure is a command, or advice.
CREATE FUNCTION dbsync_internal.describe_right(role oid, rel regclass, lacks text, OUT message text, OUT detail text, OUT cure text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schema regnamespace := (SELECT c.relnamespace FROM pg_class c WHERE c.oid = rel);
BEGIN
    IF lacks = 'USAGE' THEN
        message := format('permission denied for the schema of table %s', rel);
        detail := format('Role "%s" needs USAGE on schema %s.', pg_get_userbyid(role), schema);
        cure := format('GRANT USAGE ON SCHEMA %s TO %I', schema, pg_get_userbyid(role));
    ELSIF lacks = 'row security' THEN
        message := format('row security hides rows of table %s from role "%s"', rel, pg_get_userbyid(role));
        detail := 'A subscription sends all rows of a table, so its owner must see them all.';
        cure := 'A superuser, a role with BYPASSRLS, or the table''s owner (without FORCE ROW LEVEL SECURITY) sees all rows.';
    ELSE
        message := format('permission denied for table %s', rel);
        detail := format(CASE lacks WHEN 'SELECT' THEN 'Role "%s" needs SELECT on all of the table.'
            ELSE 'Role "%s" needs TRIGGER on the table.' END, pg_get_userbyid(role));
        cure := format('GRANT %s ON %s TO %I', lacks, rel, pg_get_userbyid(role));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.describe_right(oid, regclass, text) IS 'a missing right in words';

CREATE FUNCTION dbsync_internal.check_rights(role oid, rel regclass, to_read_only boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing text;
    words record;
BEGIN
    SELECT m.lacks INTO missing FROM dbsync_internal.missing_rights(role, ARRAY[rel::oid]) m;
    IF NOT FOUND OR (to_read_only AND missing = 'TRIGGER') THEN
        RETURN;
    END IF;
    words := dbsync_internal.describe_right(role, rel, missing);
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
        MESSAGE = words.message, DETAIL = words.detail,
        HINT = CASE missing WHEN 'USAGE' THEN 'The schema''s owner can ' || words.cure || '.'
            WHEN 'row security' THEN words.cure
            ELSE 'The table''s owner can ' || words.cure || '.' END;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_rights(oid, regclass, boolean) IS 'error unless the role may have the table captured, or read every row and column of it';

CREATE FUNCTION dbsync_internal.check_readable(role oid, rel regclass) RETURNS void
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT dbsync_internal.check_rights(role, rel, true)
$$;
COMMENT ON FUNCTION dbsync_internal.check_readable(oid, regclass) IS 'error unless the role may read every row and column of the table';

-- Tables of a subscription that its owner may not have captured any more.
CREATE FUNCTION dbsync_internal.lost_tables(subscription_id int, owner oid) RETURNS TABLE (captured_id int, rel oid, lacks text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT t.id, m.rel, m.lacks
    FROM dbsync_internal.missing_rights(owner, ARRAY(
        SELECT t.relid::oid FROM dbsync.subscription_table a JOIN dbsync.captured_table t ON t.id = a.captured_id
        WHERE a.subscription_id = lost_tables.subscription_id AND a.state <> 'suspended')) m
    JOIN dbsync.captured_table t ON t.relid = m.rel
$$;
COMMENT ON FUNCTION dbsync_internal.lost_tables(int, oid) IS 'tables of a subscription on which its owner has lost a right';

-- The target is the same for all; without it the worker stops with these words.
CREATE FUNCTION dbsync_internal.check_owner(subscription dbsync.subscription, owner oid) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF owner IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('subscription "%s" has no owner any more', subscription.name),
            DETAIL = format('Function dbsync_internal.subscription_%s(), which stands for it, was dropped.', subscription.id),
            HINT = 'A superuser can drop it with dbsync.drop_subscription() and create it again.';
    END IF;
    PERFORM dbsync_internal.check_target(owner, subscription.target);
END $$;
COMMENT ON FUNCTION dbsync_internal.check_owner(dbsync.subscription, oid) IS 'error unless a subscription has an owner who may use its target';

-- What a worker asks when rights may have changed.  Tables whose rights are gone are
-- suspended, for this subscription; copy_table() goes on when they are back, since
-- what was captured in between was not for the target.
CREATE FUNCTION dbsync_internal.ask_rights(subscription_id int, OUT suspended int, OUT owner oid)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription dbsync.subscription;
BEGIN
    suspended := 0;
    owner := dbsync_internal.owner_of(subscription_id);
    SELECT s.* INTO subscription FROM dbsync.subscription s WHERE s.id = subscription_id;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.check_owner(subscription, owner);
    -- an UPDATE of nothing would still tell everybody of a change
    IF EXISTS (SELECT FROM dbsync_internal.lost_tables(subscription_id, owner)) THEN
        UPDATE dbsync.subscription_table a SET state = 'suspended', note = format('%s: %s', w.message, w.cure)
        FROM dbsync_internal.lost_tables(ask_rights.subscription_id, ask_rights.owner) l,
            dbsync_internal.describe_right(ask_rights.owner, l.rel, l.lacks) w
        WHERE a.subscription_id = ask_rights.subscription_id AND a.captured_id = l.captured_id;
        GET DIAGNOSTICS suspended = ROW_COUNT;
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.ask_rights(int) IS 'suspends tables on which the owner has lost a right; error if he may not use the target';

CREATE FUNCTION dbsync_internal.rights_hold(subscription_id int, owner oid) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription dbsync.subscription;
BEGIN
    SELECT s.* INTO subscription FROM dbsync.subscription s WHERE s.id = subscription_id;
    IF NOT FOUND OR dbsync_internal.owner_of(subscription_id) IS DISTINCT FROM owner::regrole THEN
        RETURN false;
    END IF;
    PERFORM dbsync_internal.check_owner(subscription, owner);
    RETURN NOT EXISTS (SELECT FROM dbsync_internal.lost_tables(subscription_id, owner));
END $$;
COMMENT ON FUNCTION dbsync_internal.rights_hold(int, oid) IS 'would ask_rights() find all as it was?';

-- ---------------------------------------------------------------------------
-- Adding a table

-- Schema and name of the target table: as the source's, unless given.
CREATE FUNCTION dbsync_internal.target_name(rel regclass, target_table text, OUT schema name, OUT name name)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parts text[] := parse_ident(target_table);
BEGIN
    SELECT n.nspname, c.relname INTO schema, name
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
COMMENT ON FUNCTION dbsync_internal.target_name(regclass, text) IS 'schema and table that target_table means';

-- One captured table for all subscriptions.  One that was on its way out, or was
-- suspended, is installed again.
CREATE FUNCTION dbsync_internal.capture_table(rel regclass) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured_id int;
BEGIN
    INSERT INTO dbsync.captured_table AS c (relid, key_index)
    VALUES (rel, dbsync_internal.choose_key(rel))
    ON CONFLICT (relid) DO UPDATE SET note = NULL,
        state = CASE WHEN c.state = 'active' THEN 'active' ELSE 'installing' END
    RETURNING c.id INTO captured_id;
    RETURN captured_id;
END $$;
COMMENT ON FUNCTION dbsync_internal.capture_table(regclass) IS 'id of the captured table, which is to be installed if it is not active';

-- The lock keeps the table as it is until the guard can see our row.
CREATE FUNCTION dbsync_internal.attach_table(subscription dbsync.subscription, rel regclass, target_table text,
    copy_data boolean, existing_rows text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target record;
BEGIN
    IF rel IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'table must not be null';
    END IF;
    PERFORM dbsync_internal.check_kind(rel);
    PERFORM dbsync_internal.check_rights(dbsync_internal.owner_of(subscription.id), rel);
    PERFORM dbsync_internal.lock_table(rel, 'ACCESS SHARE');
    PERFORM dbsync_internal.check_supported(rel);
    target := dbsync_internal.target_name(rel, target_table);
    IF EXISTS (SELECT FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
               WHERE a.subscription_id = subscription.id AND c.relid = rel) THEN
        RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
            MESSAGE = format('table %s is already in subscription "%s"', rel, subscription.name),
            HINT = 'To copy it anew, use dbsync.copy_table().';
    ELSIF EXISTS (SELECT FROM dbsync.subscription_table a
                  WHERE a.subscription_id = subscription.id
                    AND a.target_schema = target.schema AND a.target_table = target.name) THEN
        RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
            MESSAGE = format('another table of subscription "%s" goes to %I.%I', subscription.name, target.schema, target.name),
            HINT = 'Give it a target_table of its own.';
    END IF;

    INSERT INTO dbsync.subscription_table (subscription_id, captured_id, target_schema, target_table, copy_data, existing_rows)
    VALUES (subscription.id, dbsync_internal.capture_table(rel), target.schema, target.name, copy_data, existing_rows);
END $$;
COMMENT ON FUNCTION dbsync_internal.attach_table(dbsync.subscription, regclass, text, boolean, text) IS 'adds a table to a subscription';

CREATE FUNCTION dbsync_internal.create_subscription(caller oid, name text, target text, tables regclass[],
    policy text, copy_data boolean, existing_rows text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription dbsync.subscription;
    rel regclass;
BEGIN
    PERFORM dbsync_internal.require_adopted();
    PERFORM dbsync_internal.checked_name('subscription', name);
    PERFORM dbsync_internal.check_policy(policy);
    PERFORM dbsync_internal.check_existing_rows(copy_data, existing_rows);
    PERFORM dbsync_internal.check_target(caller, target);

    INSERT INTO dbsync.subscription (name, target, policy) VALUES (name, target, policy)
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
    PERFORM dbsync_internal.retry_removals();
END $$;
COMMENT ON FUNCTION dbsync_internal.create_subscription(oid, text, text, regclass[], text, boolean, text) IS 'body of dbsync.create_subscription()';

CREATE FUNCTION dbsync.create_subscription(name text, target text, tables text[] DEFAULT '{}', policy text DEFAULT 'immediate',
    copy_data boolean DEFAULT true, existing_rows text DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.create_subscription(text, text, text[], text, boolean, text) IS 'makes a subscription of the caller''s, stopped at first; existing_rows (keep, truncate): what to do with rows that a target table has before the first copy';

CREATE FUNCTION dbsync_internal.add_table(caller oid, subscription text, rel regclass, target_table text,
    columns text[], filter text, copy_data boolean, existing_rows text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_subscription dbsync.subscription;
BEGIN
    PERFORM dbsync_internal.require_adopted();
    found_subscription := dbsync_internal.find_subscription(caller, subscription);
    IF columns IS NOT NULL OR filter IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('%s is not supported', CASE WHEN columns IS NULL THEN 'filter' ELSE 'columns' END),
            HINT = 'It will come with a later version. So far all columns of all rows are sent.';
    END IF;
    PERFORM dbsync_internal.check_existing_rows(copy_data, existing_rows);
    PERFORM dbsync_internal.attach_table(found_subscription, rel, target_table, copy_data, existing_rows);
    PERFORM dbsync_internal.retry_removals();
END $$;
COMMENT ON FUNCTION dbsync_internal.add_table(oid, text, regclass, text, text[], text, boolean, text) IS 'body of dbsync.add_table()';

CREATE FUNCTION dbsync.add_table(subscription text, "table" regclass, target_table text DEFAULT NULL, columns text[] DEFAULT NULL,
    filter text DEFAULT NULL, copy_data boolean DEFAULT true, existing_rows text DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.add_table(text, regclass, text, text[], text, boolean, text) IS 'adds a table to a subscription';

-- ---------------------------------------------------------------------------
-- Taking tables away

-- Tables whose triggers could not be taken off when that was asked for.
CREATE FUNCTION dbsync_internal.retry_removals() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.try_remove_capture(c.id) FROM dbsync.captured_table c WHERE c.state = 'removing';
END $$;
COMMENT ON FUNCTION dbsync_internal.retry_removals() IS 'takes triggers off tables that no subscription wants, where they are not in use';

-- A captured table that no subscription has any more is removed at once if it is
-- free, else later.
CREATE FUNCTION dbsync_internal.release_captured(captured_id int) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    UPDATE dbsync.captured_table c SET state = 'removing'
    WHERE c.id = captured_id
      AND NOT EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = c.id)
    RETURNING c.* INTO captured;
    IF FOUND AND NOT dbsync_internal.try_remove_capture(captured_id) THEN
        RAISE NOTICE USING MESSAGE = format('table %s is in use: its triggers are taken off later', captured.relid),
            HINT = 'The next call that adds or removes a table tries again.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.release_captured(int) IS 'takes triggers and segments off a table if no subscription has it any more';

CREATE FUNCTION dbsync_internal.remove_table(caller oid, subscription text, rel regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_subscription dbsync.subscription := dbsync_internal.find_subscription(caller, subscription, rel);
    captured dbsync.captured_table := dbsync_internal.find_attachment(found_subscription, rel);
BEGIN
    DELETE FROM dbsync.subscription_table a
    WHERE a.subscription_id = found_subscription.id AND a.captured_id = captured.id;
    PERFORM dbsync_internal.release_captured(captured.id);
END $$;
COMMENT ON FUNCTION dbsync_internal.remove_table(oid, text, regclass) IS 'body of dbsync.remove_table()';

CREATE FUNCTION dbsync.remove_table(subscription text, "table" regclass) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.remove_table(text, regclass) IS 'takes a table out of a subscription, which the owner of either may do; what is on the target stays there';

-- A subscription that never ran has left nothing on its target; what is in the
-- ledger under the uid of a copied database's subscription belongs to the other.
CREATE FUNCTION dbsync_internal.drop_subscription(caller oid, name text, force boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription dbsync.subscription := dbsync_internal.find_subscription(caller, name);
    captured_ids int[];
BEGIN
    IF subscription.enabled THEN
        RAISE EXCEPTION USING ERRCODE = 'object_in_use',
            MESSAGE = format('subscription "%s" is started', name),
            HINT = format('Use SELECT dbsync.stop_subscription(%L) first.', name);
    END IF;
    IF subscription.position IS NOT NULL AND dbsync_internal.is_adopted() THEN
        PERFORM dbsync_internal.forget_at_target(subscription.id, coalesce(force, false));
    END IF;
    SELECT coalesce(array_agg(a.captured_id ORDER BY a.captured_id), '{}') INTO captured_ids
    FROM dbsync.subscription_table a WHERE a.subscription_id = subscription.id;
    DELETE FROM dbsync.subscription s WHERE s.id = subscription.id;
    PERFORM dbsync_internal.drop_anchor(subscription.id);
    PERFORM dbsync_internal.release_captured(c.id) FROM unnest(captured_ids) c (id);
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_subscription(oid, text, boolean) IS 'body of dbsync.drop_subscription()';

CREATE FUNCTION dbsync.drop_subscription(name text, force boolean DEFAULT false) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.drop_subscription(text, boolean) IS 'drops a stopped subscription; force: also when its target cannot be reached, where its ledger row then stays';

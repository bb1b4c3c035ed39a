-- Taking tables out of subscriptions, and subscriptions away.

-- A table takes a dozen locks as its triggers and segments go, to the end of the transaction; the table of
-- locks is everybody's, and half of it is left to others.
CREATE FUNCTION dbsync_internal.tables_at_a_time() RETURNS int
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT greatest(10, (current_setting('max_locks_per_transaction')::bigint
        * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint) / 24)::int)
$$;
COMMENT ON FUNCTION dbsync_internal.tables_at_a_time() IS 'how many tables lose their triggers in one transaction';

-- Tables whose triggers could not be taken off when that was asked for.  The lock for
-- it lasts until the caller's transaction ends: so only tables that he might subscribe,
-- and not somebody else's.  Workers see to the rest (tidy_captures()).
CREATE FUNCTION dbsync_internal.retry_removals(caller oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.try_remove_capture(r.id, false) FROM (
        SELECT c.id FROM dbsync.captured_table c
        WHERE c.state = 'removing'
          AND NOT EXISTS (SELECT FROM dbsync_internal.missing_rights(caller, ARRAY[c.relid::oid]))
        ORDER BY c.id LIMIT dbsync_internal.tables_at_a_time()) r;
END $$;
COMMENT ON FUNCTION dbsync_internal.retry_removals(oid) IS 'takes triggers off tables that no subscription wants, where they are not in use and the caller might have subscribed them';

-- A captured table that no subscription has any more is removed at once if it is
-- free, else later.
CREATE FUNCTION dbsync_internal.release_captured(captured_id int, patiently boolean DEFAULT true) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
    locked boolean;
BEGIN
    PERFORM dbsync_internal.settle_capture(captured_id);
    -- the table is locked before the row, as everywhere (22_capture.sql)
    SELECT CASE WHEN patiently THEN dbsync_internal.try_lock(c.relid) ELSE dbsync_internal.lock_at_once(c.relid, 'ACCESS EXCLUSIVE') END INTO locked
    FROM dbsync.captured_table c JOIN pg_class r ON r.oid = c.relid
    WHERE c.id = release_captured.captured_id
      AND NOT EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = c.id);
    UPDATE dbsync.captured_table c SET state = 'removing'
    WHERE c.id = captured_id
      AND NOT EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = c.id)
    RETURNING c.* INTO captured;
    -- where the table is gone there is nothing to be locked
    IF FOUND AND NOT (locked IS NOT FALSE AND dbsync_internal.try_remove_capture(captured_id, true)) THEN
        RAISE NOTICE USING MESSAGE = format('table %s is in use: its triggers are taken off later', captured.relid),
            HINT = 'The next call that adds or removes a table tries again.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.release_captured(int, boolean) IS 'takes triggers and segments off a table if no subscription has it any more';

-- Of several tables only the first is waited for; of very many the rest is left to workers, and to later calls.
CREATE FUNCTION dbsync_internal.release_all(captured_ids int[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at_once int := dbsync_internal.tables_at_a_time();
    later int;
BEGIN
    PERFORM dbsync_internal.release_captured(c.id, c.n = 1) FROM unnest(captured_ids[:at_once]) WITH ORDINALITY c (id, n);
    UPDATE dbsync.captured_table c SET state = 'removing'
    WHERE c.id = ANY (captured_ids[at_once + 1:]) AND c.state <> 'removing'
      AND NOT EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = c.id);
    GET DIAGNOSTICS later = ROW_COUNT;
    IF later > 0 THEN
        RAISE NOTICE USING MESSAGE = format('triggers of %s tables are taken off later, and do nothing until then', later),
            DETAIL = format('One transaction would need too many locks: %s tables have lost theirs in this one.', at_once),
            HINT = 'Workers of other subscriptions see to it, and so does each call that adds or removes a table, or dbsync.uninstall(). '
                'A larger max_locks_per_transaction makes it more tables at a time.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.release_all(int[]) IS 'takes triggers and segments off tables that no subscription has any more, as many as one transaction has locks for';

CREATE FUNCTION dbsync_internal.remove_table(caller oid, subscription text, rel regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_subscription dbsync.subscription := dbsync_internal.find_subscription(caller, subscription, rel);
    captured dbsync.captured_table := dbsync_internal.find_attachment(found_subscription, rel);
BEGIN
    DELETE FROM dbsync.subscription_table a
    WHERE a.subscription_id = found_subscription.id AND a.captured_id = captured.id;
    DELETE FROM dbsync.kept_partition k WHERE k.subscription_id = found_subscription.id AND k.captured_id = captured.id;
    PERFORM dbsync_internal.forget_sequences(found_subscription.id);
    PERFORM dbsync_internal.release_captured(captured.id);
    IF captured.state = 'dropped' THEN
        -- another may have its name, and be waiting for that
        PERFORM dbsync_internal.apply_rules(found_subscription);
    ELSE
        PERFORM dbsync_internal.make_exception(found_subscription, rel);
    END IF;
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
    -- who adds a table by a rule at this moment has locked the row: his is not overlooked
    PERFORM FROM dbsync.subscription s WHERE s.id = subscription.id FOR UPDATE;
    WITH gone AS (DELETE FROM dbsync.subscription_table a WHERE a.subscription_id = subscription.id RETURNING a.captured_id)
    SELECT coalesce(array_agg(g.captured_id ORDER BY g.captured_id), '{}') INTO captured_ids FROM gone g;
    DELETE FROM dbsync.subscription_rule r WHERE r.subscription_id = subscription.id;
    DELETE FROM dbsync_internal.refused_table f WHERE f.subscription_id = subscription.id;
    DELETE FROM dbsync.subscription_sequence q WHERE q.subscription_id = subscription.id;
    DELETE FROM dbsync.sequence_progress p WHERE p.subscription_id = subscription.id;
    DELETE FROM dbsync.kept_partition k WHERE k.subscription_id = subscription.id;
    -- what was proved stays; rows of its tables do not
    DELETE FROM dbsync_internal.difference d USING dbsync_internal.verification v
    WHERE v.subscription_id = subscription.id AND d.verification = v.id;
    DELETE FROM dbsync_internal.repair_key r WHERE NOT EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.uid = r.attachment);
    DELETE FROM dbsync.subscription s WHERE s.id = subscription.id;
    PERFORM dbsync_internal.drop_anchor(subscription.id);
    PERFORM dbsync_internal.release_all(captured_ids);
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_subscription(oid, text, boolean) IS 'body of dbsync.drop_subscription()';

CREATE FUNCTION dbsync.drop_subscription(name text, force boolean DEFAULT false) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.drop_subscription(text, boolean) IS 'drops a stopped subscription; force: also when its target cannot be reached, where its ledger row then stays';

-- Subscriptions to file targets: their bundles, and chains.

CREATE FUNCTION dbsync_internal.find_file_subscription(caller oid, subscription text) RETURNS dbsync.subscription
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found dbsync.subscription := dbsync_internal.find_subscription(caller, subscription);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
                   WHERE s.srvname = found.target AND w.fdwname = 'dbsync_file') THEN
        RAISE EXCEPTION USING ERRCODE = 'wrong_object_type',
            MESSAGE = format('subscription "%s" has no bundles', subscription),
            DETAIL = format('Its target "%s" is no file target.', found.target);
    END IF;
    RETURN found;
END $$;
COMMENT ON FUNCTION dbsync_internal.find_file_subscription(oid, text) IS 'a subscription of the caller''s to a file target';

-- ---------------------------------------------------------------------------
-- Another chain

-- All tables are copied anew, into a chain of which number 1 is the first that a receiver needs.
CREATE FUNCTION dbsync_internal.begin_chain(of_subscription int, chain bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    subscription dbsync.subscription;
    attached record;
BEGIN
    SELECT s.* INTO STRICT subscription FROM dbsync.subscription s WHERE s.id = of_subscription;
    FOR attached IN
        SELECT c.relid FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
        WHERE a.subscription_id = of_subscription AND c.state <> 'dropped' ORDER BY c.id
    LOOP
        PERFORM dbsync_internal.copy_table(dbsync_internal.owner_of(of_subscription), subscription.name, attached.relid, 'truncate');
    END LOOP;
    UPDATE dbsync.subscription s
    SET position = NULL, begins_anew = false, left_at = NULL,
        chain = greatest(begin_chain.chain, extract(epoch FROM clock_timestamp())::bigint, s.chain + 1)
    WHERE s.id = of_subscription;
END $$;
COMMENT ON FUNCTION dbsync_internal.begin_chain(int, bigint) IS 'has a subscription to a file target begin another chain, with copies of all of its tables';

CREATE FUNCTION dbsync_internal.restart_chain(caller oid, subscription text, chain bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found dbsync.subscription;
BEGIN
    PERFORM dbsync_internal.require_adopted();
    found := dbsync_internal.find_file_subscription(caller, subscription);
    IF chain <= coalesce(found.chain, 0) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('chain %s is not above that of subscription "%s", which is %s', chain, subscription, coalesce(found.chain, 0)),
            HINT = 'Receivers go to higher chains only. Without a number it is the present second, or one more than the last.';
    -- nobody could begin one behind it
    ELSIF chain > 9999999999 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('chain %s lies too far ahead', chain),
            HINT = 'A chain is a second since 1970, or a few more than the last chain.';
    END IF;
    PERFORM dbsync_internal.begin_chain(found.id, chain);
END $$;
COMMENT ON FUNCTION dbsync_internal.restart_chain(oid, text, bigint) IS 'body of dbsync.restart_chain()';

CREATE FUNCTION dbsync.restart_chain(subscription text, chain bigint DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.restart_chain(text, bigint) IS 'has a subscription to a file target begin another chain of bundles, with copies of all of its tables: where a gap cannot be filled, the root was lost, or the source put back';

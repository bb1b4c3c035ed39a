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

-- All tables are copied anew, into a chain of which number 1 is the first that a receiver needs.  Those whose target
-- tables have rows of others are not emptied, as nobody has said that these may go.  One that cannot be copied is
-- suspended, and does not keep the others from it; what passes by itself, as a lock does, is left to another attempt.
CREATE FUNCTION dbsync_internal.begin_chain(of_subscription int, chain bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    subscription dbsync.subscription;
    attached record;
    begun int := 0;
    code text;
    said text;
    cure text;
BEGIN
    SELECT s.* INTO STRICT subscription FROM dbsync.subscription s WHERE s.id = of_subscription;
    FOR attached IN
        SELECT c.relid, a.captured_id, dbsync_internal.name_of(c) AS name, CASE a.existing_rows WHEN 'keep' THEN 'keep' ELSE 'truncate' END AS rows FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
        WHERE a.subscription_id = of_subscription AND c.state <> 'dropped' ORDER BY c.id
    LOOP
        BEGIN
            PERFORM dbsync_internal.copy_table(dbsync_internal.owner_of(of_subscription), subscription.name, attached.relid, attached.rows);
            begun := begun + 1;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, said = MESSAGE_TEXT, cure = PG_EXCEPTION_HINT;
            IF left(code, 2) IN ('08', '25', '40', '53', '54', '57', '58', 'XX') OR code = '55P03' THEN
                RAISE;
            END IF;
            UPDATE dbsync.subscription_table a SET state = 'suspended', note = concat_ws(' ', said || '.', nullif(cure, ''))
            WHERE a.subscription_id = of_subscription AND a.captured_id = attached.captured_id AND a.state <> 'suspended';
            RAISE WARNING USING ERRCODE = code,
                MESSAGE = format('table %s of subscription "%s" cannot be copied into another chain, and is suspended', attached.name, subscription.name),
                DETAIL = said, HINT = format('Then: SELECT dbsync.copy_table(%L, %L).', subscription.name, attached.name);
        END;
    END LOOP;
    IF begun = 0 AND code IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = code, MESSAGE = format('no table of subscription "%s" can be copied into another chain', subscription.name),
            DETAIL = said, HINT = coalesce(nullif(cure, ''), 'Mend the cause, and try again.');
    END IF;
    IF subscription.chain >= 9999999999 THEN
        RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded',
            MESSAGE = format('there is no chain above that of subscription "%s", which is %s', subscription.name, subscription.chain),
            HINT = 'Drop the subscription, and create it again; its receivers, too.';
    END IF;
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
    -- a bundle has ten digits for it, and there is to be room for others behind it
    ELSIF chain > 9000000000 THEN
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

-- ---------------------------------------------------------------------------
-- What is kept

CREATE FUNCTION dbsync_internal.file_bundles(options text[], subscription uuid, name text, present bigint)
    RETURNS TABLE (chain bigint, number bigint, batch bigint, part int, last boolean, "time" timestamptz, rows bigint, bytes bigint,
        state text, published int, acknowledged text[], note text)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_file_bundles';
COMMENT ON FUNCTION dbsync_internal.file_bundles(text[], uuid, text, bigint) IS 'what is kept of a subscription''s bundles; each is proved as it is read';

CREATE FUNCTION dbsync_internal.file_publish(options text[], subscription uuid, name text, present bigint, first bigint, last bigint) RETURNS int
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_file_publish_again';
COMMENT ON FUNCTION dbsync_internal.file_publish(text[], uuid, text, bigint, bigint, bigint) IS 'puts kept bundles into out again: how many';

CREATE FUNCTION dbsync_internal.file_acknowledge(options text[], subscription uuid, name text, present bigint, receipt text) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_file_acknowledge';
COMMENT ON FUNCTION dbsync_internal.file_acknowledge(text[], uuid, text, bigint, text) IS 'puts a receipt where receipts come in';

-- The root is looked at first, with all that is asked of whoever uses it.
CREATE FUNCTION dbsync_internal.file_options(subscription dbsync.subscription) RETURNS text[]
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.open_file_root(subscription.target, dbsync_internal.owner_of(subscription.id), false);
    RETURN (SELECT s.srvoptions FROM pg_foreign_server s WHERE s.srvname = subscription.target);
END $$;
COMMENT ON FUNCTION dbsync_internal.file_options(dbsync.subscription) IS 'options of the file target of a subscription whose owner may use it';

CREATE FUNCTION dbsync_internal.bundles(caller oid, subscription text)
    RETURNS TABLE (chain bigint, number bigint, batch bigint, part int, last boolean, "time" timestamptz, rows bigint, bytes bigint,
        state text, published int, acknowledged text[], note text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found dbsync.subscription;
BEGIN
    -- without a lock of its row: proving all of them takes its time, and the worker writes there
    SELECT s.* INTO found FROM dbsync.subscription s
    JOIN pg_foreign_server f ON f.srvname = s.target JOIN pg_foreign_data_wrapper w ON w.oid = f.srvfdw AND w.fdwname = 'dbsync_file'
    WHERE s.name = bundles.subscription AND dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(s.id));
    IF found.id IS NULL THEN
        -- which says why
        found := dbsync_internal.find_file_subscription(caller, subscription);
    END IF;
    RETURN QUERY SELECT * FROM dbsync_internal.file_bundles(dbsync_internal.file_options(found), found.uid, found.name, coalesce(found.chain, 0));
END $$;
COMMENT ON FUNCTION dbsync_internal.bundles(oid, text) IS 'body of dbsync.bundles()';

CREATE FUNCTION dbsync.bundles(subscription text)
    RETURNS TABLE (chain bigint, number bigint, batch bigint, part int, last boolean, "time" timestamptz, rows bigint, bytes bigint,
        state text, published int, acknowledged text[], note text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.bundles(text) IS 'bundles of a subscription to a file target that are kept: what became of each, who has it, and what was said of it';

CREATE FUNCTION dbsync_internal.publish(caller oid, subscription text, first bigint, last bigint) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found dbsync.subscription := dbsync_internal.find_file_subscription(caller, subscription);
    n int := dbsync_internal.file_publish(dbsync_internal.file_options(found), found.uid, found.name, coalesce(found.chain, 0),
        first, coalesce(last, first));
BEGIN
    IF n IS DISTINCT FROM coalesce(last, first) - first + 1 THEN
        RAISE WARNING USING MESSAGE = format('%s bundles of subscription "%s" were published again', coalesce(n, 0), subscription),
            DETAIL = 'The others are not kept any more, were never written, or do not prove themselves.',
            HINT = format('Look with: SELECT * FROM dbsync.bundles(%L).', subscription);
    END IF;
    RETURN n;
END $$;
COMMENT ON FUNCTION dbsync_internal.publish(oid, text, bigint, bigint) IS 'body of dbsync.publish()';

CREATE FUNCTION dbsync.publish(subscription text, first bigint, last bigint DEFAULT NULL) RETURNS int
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.publish(text, bigint, bigint) IS 'puts bundles that are kept into out once more, by their numbers in the present chain: how many';

CREATE FUNCTION dbsync_internal.acknowledge(caller oid, subscription text, receipt text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found dbsync.subscription := dbsync_internal.find_file_subscription(caller, subscription);
BEGIN
    PERFORM dbsync_internal.file_acknowledge(dbsync_internal.file_options(found), found.uid, found.name, coalesce(found.chain, 0), receipt);
END $$;
COMMENT ON FUNCTION dbsync_internal.acknowledge(oid, text, text) IS 'body of dbsync.acknowledge()';

CREATE FUNCTION dbsync.acknowledge(subscription text, receipt text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.acknowledge(text, text) IS 'takes a receipt that has come by another way than the folder for receipts, signed or not';

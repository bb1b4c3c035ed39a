-- Rows that targets have refused, whose keys are parked there: docs/quarantine.md.
--
-- The ledger at the target counts; what is here is the worker's note of it.  retry() and skip() ask the
-- worker, who looks at what somebody has asked for as it reads the configuration.

-- A key as people write it: names of the source's columns, and values as text.
CREATE FUNCTION dbsync_internal.parked_key(captured dbsync.captured_table, key text[]) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_object_agg(coalesce(t.attname::text, k.n::text), k.value)
    FROM unnest(key) WITH ORDINALITY k (value, n)
    LEFT JOIN unnest(captured.key_columns::int2[]) WITH ORDINALITY c (num, n) ON c.n = k.n
    LEFT JOIN pg_attribute t ON t.attrelid = captured.relid AND t.attnum = c.num
$$;
COMMENT ON FUNCTION dbsync_internal.parked_key(dbsync.captured_table, text[]) IS 'the key of a parked row by the names of its columns';

-- Its values are of rows that not everybody may read: those of subscriptions that the caller may act for.
CREATE FUNCTION dbsync_internal.subscription_quarantine(caller oid) RETURNS TABLE (
    subscription name, "table" regclass, target_table text, key jsonb, op text, "row" text, sqlstate text, message text,
    detail text, hint text, since timestamptz, changes bigint, asked text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT s.name, c.relid, format('%I.%I', a.target_schema, a.target_table), dbsync_internal.parked_key(c, p.key),
        CASE WHEN p.deletes THEN 'delete' ELSE 'write' END, p."row", p.sqlstate, p.message, p.detail, p.hint, p.since, p.changes, p.asked
    FROM dbsync_internal.parked_row p
    JOIN dbsync.subscription_table a ON a.uid = p.attachment
    JOIN dbsync.subscription s ON s.id = a.subscription_id
    JOIN dbsync.captured_table c ON c.id = a.captured_id
    WHERE dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(s.id));
END $$;
COMMENT ON FUNCTION dbsync_internal.subscription_quarantine(oid) IS 'body of dbsync.subscription_quarantine()';

CREATE FUNCTION dbsync.subscription_quarantine() RETURNS TABLE (
    subscription name, "table" regclass, target_table text, key jsonb, op text, "row" text, sqlstate text, message text,
    detail text, hint text, since timestamptz, changes bigint, asked text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.subscription_quarantine() IS 'what the view dbsync.quarantine shows';

CREATE VIEW dbsync.quarantine WITH (security_barrier) AS
    SELECT * FROM dbsync.subscription_quarantine();
COMMENT ON VIEW dbsync.quarantine IS 'one row per key of your subscriptions that is parked at its target, since that has refused a row';
COMMENT ON COLUMN dbsync.quarantine.key IS 'the key by the names of the table''s columns, each value as text';
COMMENT ON COLUMN dbsync.quarantine.op IS 'what was refused: write (the row was to be there, as "row" has it) or delete';
COMMENT ON COLUMN dbsync.quarantine."row" IS 'the row that was refused, as JSON by the names of the target''s columns, each value as text, long ones cut off; for people: retry() sends what the table has by then';
COMMENT ON COLUMN dbsync.quarantine.sqlstate IS 'the target''s code for it';
COMMENT ON COLUMN dbsync.quarantine.message IS 'what the target said, as detail and hint are';
COMMENT ON COLUMN dbsync.quarantine.since IS 'since when the key has been parked, whatever was refused first';
COMMENT ON COLUMN dbsync.quarantine.changes IS 'changes of the key that were refused';
COMMENT ON COLUMN dbsync.quarantine.asked IS 'retry or skip: somebody has called that, and the worker has not come to it yet';

-- The parked keys of a call; error if a key does not have the columns that it must have.
CREATE FUNCTION dbsync_internal.ask_parked(caller oid, subscription text, rel regclass, key jsonb, what text) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_subscription dbsync.subscription;
    captured dbsync.captured_table;
    n bigint;
BEGIN
    PERFORM dbsync_internal.require_adopted();
    found_subscription := dbsync_internal.find_subscription(caller, subscription);
    captured := dbsync_internal.find_attachment(found_subscription, rel);
    IF key IS NOT NULL AND (jsonb_typeof(key) <> 'object' OR (SELECT array_agg(k.name ORDER BY k.name) FROM jsonb_object_keys(key) k (name))
            IS DISTINCT FROM (SELECT array_agg(t.attname::text ORDER BY t.attname::text) FROM unnest(captured.key_columns::int2[]) c (num)
                              JOIN pg_attribute t ON t.attrelid = rel AND t.attnum = c.num)) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s is no key of table %s', key, rel),
            HINT = 'Give it as dbsync.quarantine shows it: an object with a value for each column of the key, and for no other.';
    END IF;
    UPDATE dbsync_internal.parked_row p SET asked = what
    FROM dbsync.subscription_table a
    WHERE a.subscription_id = found_subscription.id AND a.captured_id = captured.id AND p.attachment = a.uid
      AND (ask_parked.key IS NULL OR NOT EXISTS (
            SELECT FROM jsonb_each_text(dbsync_internal.parked_key(captured, p.key)) k
            WHERE k.value IS DISTINCT FROM ask_parked.key ->> k.key));
    GET DIAGNOSTICS n = ROW_COUNT;
    IF n > 0 THEN
        UPDATE dbsync.subscription_table a SET parked_asked = clock_timestamp()
        WHERE a.subscription_id = found_subscription.id AND a.captured_id = captured.id;
    ELSIF key IS NULL THEN
        RAISE NOTICE USING MESSAGE = format('no key of table %s is parked in subscription "%s"', rel, subscription);
    ELSE
        RAISE NOTICE USING MESSAGE = format('key %s of table %s is not parked in subscription "%s"', key, rel, subscription);
    END IF;
    RETURN n;
END $$;
COMMENT ON FUNCTION dbsync_internal.ask_parked(oid, text, regclass, jsonb, text) IS 'writes down what the worker is to do about parked keys';

CREATE FUNCTION dbsync_internal.retry(caller oid, subscription text, rel regclass, key jsonb) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN dbsync_internal.ask_parked(caller, subscription, rel, key, 'retry');
END $$;
COMMENT ON FUNCTION dbsync_internal.retry(oid, text, regclass, jsonb) IS 'body of dbsync.retry()';

CREATE FUNCTION dbsync.retry(subscription text, "table" regclass, key jsonb DEFAULT NULL) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.retry(text, regclass, jsonb) IS 'has parked keys looked up in the table and sent to the target once more, as they are by then: one, or all of the table; returns how many; the worker does it';

-- What is passed over stays different at the target: so there is no call for all of them.
CREATE FUNCTION dbsync_internal.skip(caller oid, subscription text, rel regclass, key jsonb) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN dbsync_internal.ask_parked(caller, subscription, rel, key, 'skip');
END $$;
COMMENT ON FUNCTION dbsync_internal.skip(oid, text, regclass, jsonb) IS 'body of dbsync.skip()';

CREATE FUNCTION dbsync.skip(subscription text, "table" regclass, key jsonb) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.skip(text, regclass, jsonb) IS 'passes over what was refused of a parked key: the target stays as it is until the key changes again; returns how many keys that were; the worker does it';

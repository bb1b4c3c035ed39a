-- Who finds out what changed: ways to capture, their options, what they leave out in words; and what
-- applications call that find out themselves.
--
-- Segments are one for all subscriptions of a table, so the way is the captured table's.  Of one that is captured
-- by its keys rows are read again as of a batch, and nobody who wants each step could be served from that.

-- Is it triggers that write to its segments?
CREATE FUNCTION dbsync_internal.has_triggers(captured dbsync.captured_table) RETURNS boolean
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT captured.capture IN ('trigger', 'keys')
$$;
COMMENT ON FUNCTION dbsync_internal.has_triggers(dbsync.captured_table) IS 'is a captured table captured by triggers?';

CREATE FUNCTION dbsync_internal.check_capture(capture text, options jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF capture = 'timestamp' THEN
        PERFORM dbsync_internal.check_scan_options(options);
        RETURN;
    ELSIF capture = 'shadow' THEN
        PERFORM dbsync_internal.shadow_options(options);
        RETURN;
    ELSIF capture = 'snapshot' THEN
        PERFORM dbsync_internal.snapshot_options(options);
        RETURN;
    ELSIF capture NOT IN ('trigger', 'keys', 'api', 'wal') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('capture "%s" is not supported', capture),
            HINT = 'There are "trigger", the default; "keys": triggers write keys alone, and rows are read again; '
                '"api": the application calls dbsync.record_change(); "wal": the worker reads keys from the WAL; '
                '"timestamp": the worker reads the table by a column of it; "shadow": the worker compares it with a copy; '
                '"snapshot": both ends are compared on a schedule.';
    ELSIF jsonb_typeof(options) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('options of capture "%s" must be an object', capture),
            HINT = 'It has none: leave "options" out.';
    END IF;
    PERFORM dbsync_internal.check_option_names(capture, options, '{}');
END $$;
COMMENT ON FUNCTION dbsync_internal.check_capture(text, jsonb) IS 'error unless it says how changes are captured, with options that this way has';

-- A row that is known by all that is in it cannot be read again.
CREATE FUNCTION dbsync_internal.check_capture_key(rel regclass, capture text, key name[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF capture NOT IN ('keys', 'api', 'wal') OR key IS NOT NULL OR dbsync_internal.choose_key(rel) <> 0
        OR EXISTS (SELECT FROM dbsync.captured_table c WHERE c.relid = rel AND c.state <> 'dropped' AND c.named_key IS NOT NULL) THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.refuse(format('capture of table %s cannot be "%s": it has no key', rel, capture),
        'Add a primary key, or name the key: dbsync.add_table(..., key => ''{...}''). With capture => ''trigger'' it needs none.', '0A000',
        'Its rows are read again by their keys.');
END $$;
COMMENT ON FUNCTION dbsync_internal.check_capture_key(regclass, text, name[]) IS 'error if rows of a table are to be read again by a key that it does not have';

CREATE FUNCTION dbsync_internal.check_capture_operations(rel regclass, capture text, operations text[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF ('insert' = ANY (operations)) = ('update' = ANY (operations)) THEN
        RETURN;
    ELSIF capture IS DISTINCT FROM 'timestamp'
        AND EXISTS (SELECT FROM dbsync.captured_table c WHERE c.relid = rel AND c.state <> 'dropped' AND c.reduced) THEN
        PERFORM dbsync_internal.refuse(format('operations of table %s must have both insert and update, or neither, for now', rel),
            'Try again when that backlog is small: see next_action in dbsync.status. Or take its backlog_limit away.', '55000',
            'Keys alone are captured of it while the backlog of a subscription is above half of its backlog_limit: nobody knows which rows are new.');
    ELSIF capture IN ('keys', 'api', 'wal') THEN
        PERFORM dbsync_internal.refuse(format('operations of table %s must have both insert and update, or neither', rel),
            'Use capture => ''trigger''.', '0A000', format('With capture "%s" nobody knows which rows are new.', capture));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_capture_operations(regclass, text, text[]) IS 'error if these operations cannot be told from others by what is captured';

-- Whoever has the table decides.  Whole rows serve those, too, who would do with keys.
CREATE FUNCTION dbsync_internal.check_same_capture(rel regclass, capture text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    other record;
BEGIN
    SELECT s.name AS subscription, CASE WHEN c.reduced THEN 'trigger' ELSE c.capture END AS capture INTO other
    FROM dbsync.captured_table c JOIN dbsync.subscription_table a ON a.captured_id = c.id JOIN dbsync.subscription s ON s.id = a.subscription_id
    WHERE c.relid = rel AND c.state <> 'dropped' AND a.capture IS NULL ORDER BY s.name LIMIT 1;
    -- who only reads the table is in nobody's way, and nobody in his
    IF NOT FOUND OR capture = 'timestamp' OR other.capture = check_same_capture.capture THEN
        RETURN;
    ELSIF other.capture = 'trigger' AND capture = 'keys' THEN
        RAISE NOTICE USING MESSAGE = format('table %s is captured with whole rows, as subscription "%s" has it', rel, other.subscription),
            DETAIL = 'Whole rows serve who asks for keys, too.';
        RETURN;
    END IF;
    PERFORM dbsync_internal.refuse(format('table %s is captured with capture "%s", not "%s"', rel, other.capture, capture),
        format('Use capture => %L, or take the table out of the other subscription first: SELECT dbsync.remove_table(%L, %L).',
            other.capture, other.subscription, rel::text), '55000',
        format('It is in subscription "%s", and all subscriptions of a table have what is captured of it once.', other.subscription));
END $$;
COMMENT ON FUNCTION dbsync_internal.check_same_capture(regclass, text) IS 'error if a subscription has the table captured in a way that does not serve this one';

-- What people who choose it are told, and find in table_status.
CREATE FUNCTION dbsync_internal.capture_in_words(captured dbsync.captured_table) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE captured.capture
        WHEN 'keys' THEN CASE WHEN captured.reduced THEN 'backlog: keys alone are captured until it is small again; ' ELSE '' END ||
            'keys: rows are read again as each batch is made, steps between are not seen'
        WHEN 'api' THEN 'api: changes that the application does not record are not sent, nor are TRUNCATE and what dbsync applies here; '
            'steps between batches are not seen'
        WHEN 'wal' THEN 'wal: rows are read again as each batch is made, steps between are not seen; nor is who wrote them, so they go on as made here'
        WHEN 'shadow' THEN 'shadow: the table is compared with a copy that is kept here; steps between two comparisons are not seen, nor who wrote a row'
            || CASE WHEN coalesce((captured.capture_options -> 'exact')::boolean, false) THEN '' ELSE ', nor values that are equal to those before (1.0 and 1.00)' END
        WHEN 'snapshot' THEN 'snapshot: both ends are compared, and what differs is sent; steps between two comparisons are not seen, nor who wrote a row' END
$$;
COMMENT ON FUNCTION dbsync_internal.capture_in_words(dbsync.captured_table) IS 'what is not seen by the way in which a table is captured; null: all is';

CREATE FUNCTION dbsync_internal.notice_capture(rel regclass, capture text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    words text;
BEGIN
    SELECT dbsync_internal.capture_in_words(c) INTO words FROM dbsync.captured_table c WHERE c.relid = rel AND c.state <> 'dropped';
    -- what a scan does not see is said as it is checked
    IF words IS NOT NULL AND capture IS DISTINCT FROM 'timestamp' THEN
        RAISE NOTICE USING MESSAGE = format('table %s is captured with limits', rel), DETAIL = words || '.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.notice_capture(regclass, text) IS 'says what is not seen by the way in which a table is captured';

-- One that was captured by triggers, and is to be captured again before they are gone.
CREATE FUNCTION dbsync_internal.drop_unwanted_triggers(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT dbsync_internal.has_triggers(captured) THEN
        PERFORM dbsync_internal.drop_triggers(r.relid) FROM (
            SELECT captured.relid::oid UNION ALL SELECT m.relid FROM dbsync_internal.members(captured.relid) m) r (relid)
        WHERE EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = r.relid AND g.tgfoid = 'dbsync_internal.capture()'::regprocedure);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_unwanted_triggers(dbsync.captured_table) IS 'takes capture triggers off a table that is to be captured without';

-- In the caller's transaction and with his rights, so not as the owner of the extension.
CREATE FUNCTION dbsync.record_change("table" regclass, key jsonb) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_record_change';
COMMENT ON FUNCTION dbsync.record_change(regclass, jsonb) IS 'records that the row with this key has come, has changed or is gone, in a table that was added with capture => ''api''; in this very transaction; you need SELECT on the table';

CREATE FUNCTION dbsync.record_changes("table" regclass, keys jsonb[]) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_record_changes';
COMMENT ON FUNCTION dbsync.record_changes(regclass, jsonb[]) IS 'record_change() of many rows';

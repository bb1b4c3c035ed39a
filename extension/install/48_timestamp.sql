-- capture => 'timestamp': the worker reads the table itself, by a column that says when each row was
-- written last.  Nothing is left at the source: no trigger, no segment.
--
-- The column is the attachment's way to find changes, not the table's: a scanned table has a row
-- of captured_table with capture "none", or shares that of a subscription that captures it.

-- ---------------------------------------------------------------------------
-- Options

-- The only place that knows how often: a policy's own grammar may take it over.
CREATE FUNCTION dbsync_internal.scan_interval(scan text) RETURNS interval
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    duration interval;
BEGIN
    BEGIN
        duration := substring(scan FROM '(?i)^\s*interval\s+(\S.*)$')::interval;
    EXCEPTION WHEN data_exception THEN
        NULL;
    END;
    IF duration IS NULL OR duration < '100 ms' OR NOT isfinite(duration) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('invalid "scan": "%s"', scan),
            HINT = 'It is "interval" and a duration of 100 ms at least, for example "interval 1 min".';
    END IF;
    RETURN duration;
END $$;
COMMENT ON FUNCTION dbsync_internal.scan_interval(text) IS 'how often a table is scanned; error unless it is "interval" and a duration';

-- Of the options of any capture, which are an object.
CREATE FUNCTION dbsync_internal.check_option_names(capture text, options jsonb, valid text[]) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong text;
BEGIN
    SELECT o.key INTO wrong FROM jsonb_object_keys(options) o (key) WHERE o.key <> ALL (valid) ORDER BY o.key COLLATE "C" LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('capture "%s" has no option "%s"', capture, wrong),
            HINT = CASE WHEN valid = '{}' THEN 'It has none.' ELSE
                format('Its options are %s and %s.', array_to_string(valid[:cardinality(valid) - 1], ', '), valid[cardinality(valid)]) END;
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_option_names(text, jsonb, text[]) IS 'error if there is an option that this capture does not have';

CREATE FUNCTION dbsync_internal.check_option_strings(capture text, options jsonb) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wrong record;
BEGIN
    SELECT o.key, o.value INTO wrong FROM jsonb_each(options) o WHERE jsonb_typeof(o.value) <> 'string' ORDER BY o.key COLLATE "C" LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('option "%s" of capture "%s" must be a string, not %s', wrong.key, capture, wrong.value);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_option_strings(text, jsonb) IS 'error if one of these options of this capture is no string';

-- For all who read them: what is not given is as documented.
CREATE FUNCTION dbsync_internal.scan_options(options jsonb, OUT "column" text, OUT overlap interval, OUT scan interval, OUT time_zone text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET "IntervalStyle" = 'postgres'
AS $$
BEGIN
    IF jsonb_typeof(options) IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'capture "timestamp" needs options, a JSON object',
            HINT = 'For example: {"column": "changed_at", "overlap": "5 s", "scan": "interval 1 min"}.';
    END IF;
    PERFORM dbsync_internal.check_option_names('timestamp', options, '{column,overlap,scan,time_zone}');
    PERFORM dbsync_internal.check_option_strings('timestamp', options);
    "column" := options ->> 'column';
    IF "column" IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'capture "timestamp" needs the option "column"',
            DETAIL = 'It is the column that says when a row was written last.';
    END IF;
    BEGIN
        overlap := coalesce(options ->> 'overlap', '5 s')::interval;
    EXCEPTION WHEN data_exception THEN
        NULL;
    END;
    IF overlap IS NULL OR overlap < '0' OR NOT isfinite(overlap) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('invalid "overlap": "%s"', options ->> 'overlap'),
            HINT = 'It is a duration, for example "5 s".';
    END IF;
    scan := dbsync_internal.scan_interval(coalesce(options ->> 'scan', 'interval 1 min'));
    time_zone := options ->> 'time_zone';
END $$;
COMMENT ON FUNCTION dbsync_internal.scan_options(jsonb) IS 'options of capture "timestamp", with what is not given; error if there is one that it does not have, or a value that is none';

-- Of options that are given: a zone that goes later stops the scans of this table, and is not to stop whoever reads them.
CREATE FUNCTION dbsync_internal.check_scan_options(options jsonb) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    zone text := (dbsync_internal.scan_options(options)).time_zone;
BEGIN
    IF zone IS NOT NULL AND NOT EXISTS (SELECT FROM pg_timezone_names z WHERE lower(z.name) = lower(zone)) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('time zone "%s" is not known', zone),
            HINT = 'The view pg_timezone_names lists those that are.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_scan_options(jsonb) IS 'error unless these can be options of capture "timestamp"';

-- ---------------------------------------------------------------------------
-- May it be scanned?

CREATE FUNCTION dbsync_internal.is_applied_into(rel oid) RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_is_applied_into';
COMMENT ON FUNCTION dbsync_internal.is_applied_into(oid) IS 'does the ledger of this database say that a subscription of dbsync applies into the table?';

-- Who sees only his own sessions, or those that tell something, would take now() for the start of the
-- oldest transaction, and lose what others commit later.  The worker could see them all; but what it sees
-- it does for the subscription's owner, who is told of it.
CREATE FUNCTION dbsync_internal.check_activity(owner oid) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'capture "timestamp" is not possible on a standby',
            DETAIL = 'Its sessions are not those that write.';
    ELSIF NOT current_setting('track_activities')::boolean THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'capture "timestamp" needs "track_activities"',
            DETAIL = 'Without it nobody can tell since when transactions have been open, and what they commit later would be lost.',
            HINT = 'Switch it on: ALTER SYSTEM SET track_activities = on, and SELECT pg_reload_conf().';
    ELSIF NOT pg_has_role(owner, 'pg_read_all_stats', 'USAGE') THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('capture "timestamp" needs role "%s" to be a member of pg_read_all_stats', pg_get_userbyid(owner)),
            DETAIL = 'Who cannot see since when others'' transactions have been open would lose what they commit later.',
            HINT = format('A superuser can GRANT pg_read_all_stats TO %I.', pg_get_userbyid(owner));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_activity(oid) IS 'error unless the start of all open transactions can be seen here, on behalf of this role';

CREATE FUNCTION dbsync_internal.has_scan_index(rel oid, num smallint) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam JOIN pg_opclass o ON o.oid = i.indclass[0]
        WHERE i.indrelid = rel AND i.indkey[0] = num AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree' AND o.opcdefault)
$$;
COMMENT ON FUNCTION dbsync_internal.has_scan_index(oid, smallint) IS 'has the table an index by which rows from some time on are found?';

-- The column, as it is now.
CREATE FUNCTION dbsync_internal.check_scan_column(rel regclass, options jsonb) RETURNS pg_attribute
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    scan record := dbsync_internal.scan_options(options);
    col pg_attribute;
    type oid;
BEGIN
    SELECT a.* INTO col FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = scan."column" AND a.attnum > 0 AND NOT a.attisdropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_column',
            MESSAGE = format('column "%s" of table %s does not exist', scan."column", rel);
    ELSIF col.attgenerated <> '' THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('table %s cannot be scanned by column "%s", which is generated', rel, scan."column");
    END IF;
    WITH RECURSIVE base (type) AS (
        SELECT col.atttypid UNION ALL SELECT t.typbasetype FROM base JOIN pg_type t ON t.oid = base.type WHERE t.typtype = 'd')
    SELECT b.type INTO type FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype <> 'd';
    IF type NOT IN ('timestamptz'::regtype, 'timestamp'::regtype) THEN
        RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch',
            MESSAGE = format('table %s cannot be scanned by column "%s" of type %s', rel, scan."column", format_type(col.atttypid, col.atttypmod)),
            HINT = 'It must be of type timestamp with time zone; or of type timestamp, with the option "time_zone" that says in which its values are.';
    ELSIF type = 'timestamp'::regtype AND scan.time_zone IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('capture "timestamp" needs the option "time_zone" for column "%s" of table %s', scan."column", rel),
            DETAIL = 'Its type is timestamp without time zone, so nothing says in which time zone its values are.',
            HINT = 'For example: {"column": "changed_at", "time_zone": "Europe/Berlin"}, if all who write use that one.';
    ELSIF type = 'timestamptz'::regtype AND scan.time_zone IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('option "time_zone" is of no use for column "%s" of table %s', scan."column", rel),
            DETAIL = 'Its type is timestamp with time zone.';
    END IF;
    RETURN col;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_scan_column(regclass, jsonb) IS 'the column that a table is scanned by; error if it cannot be';

-- A scan cannot tell who wrote a row: what is applied here would go back, as older over newer.
CREATE FUNCTION dbsync_internal.check_written_here(rel regclass, options jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF dbsync_internal.is_applied_into(rel) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('table %s cannot be scanned: a subscription of dbsync applies into it', rel),
            DETAIL = 'A scan cannot tell who wrote a row, so what comes from elsewhere would go back, as older over newer.',
            HINT = 'Use capture => ''trigger''.';
    ELSIF NOT options ? 'overlap' AND EXISTS (SELECT FROM pg_subscription_rel s WHERE s.srrelid = rel) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('table %s is filled by logical replication: capture "timestamp" needs an "overlap" of its own', rel),
            DETAIL = 'Its rows have the times of the publisher''s clock, and come later.',
            HINT = 'Give an overlap that is longer than replication ever lags behind, for example {"overlap": "1 hour"}; or use capture => ''trigger''.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_written_here(regclass, jsonb) IS 'error if rows of the table come from elsewhere, and a scan would send them back or miss them';

-- For who adds the table, and for table_status: what this way does not see.
CREATE FUNCTION dbsync_internal.scan_limits(rel regclass, options jsonb) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('scanned by column "%s": deletes, TRUNCATE and changes that leave the column as it is are not seen', options ->> 'column')
        || coalesce((SELECT format('; nor are rows in which it is null') FROM pg_attribute a
                     WHERE a.attrelid = rel AND a.attname = options ->> 'column' AND a.attnum > 0 AND NOT a.attisdropped AND NOT a.attnotnull), '')
$$;
COMMENT ON FUNCTION dbsync_internal.scan_limits(regclass, jsonb) IS 'what a scan does not see, in words';

CREATE FUNCTION dbsync_internal.scan_without_index(rel regclass, options jsonb) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('no index begins with column "%s": each scan reads the whole table', a.attname)
    FROM pg_attribute a
    WHERE a.attrelid = rel AND a.attname = options ->> 'column' AND a.attnum > 0 AND NOT a.attisdropped
      AND NOT dbsync_internal.has_scan_index(rel, a.attnum)
$$;
COMMENT ON FUNCTION dbsync_internal.scan_without_index(regclass, jsonb) IS 'says so if scans of a table cannot go by an index; null: they can';

CREATE FUNCTION dbsync_internal.check_scan_operations(capture text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF capture = 'timestamp' THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = 'capture "timestamp" cannot choose operations',
            DETAIL = 'A scan does not know whether a row is new or changed, and sees no other operations.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_scan_operations(text) IS 'error if a table is scanned, of which no operations can be chosen';

-- All that is asked when a table is added.  key: whether one was named.
CREATE FUNCTION dbsync_internal.check_scan(subscription dbsync.subscription, rel regclass, options jsonb, copy_data boolean, key boolean, operations text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.check_scan_column(rel, options);
    IF (SELECT c.relkind FROM pg_class c WHERE c.oid = rel) <> 'r' THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('partitioned table %s cannot be scanned', rel),
            HINT = 'Use capture => ''trigger''.';
    ELSIF NOT key AND dbsync_internal.choose_key(rel) = 0
        AND NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE c.relid = rel AND c.state <> 'dropped' AND c.named_key IS NOT NULL) THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('table %s has no key, and cannot be scanned', rel),
            DETAIL = 'A row that has changed could not be told from a new one.',
            HINT = 'Add a primary key, or name the key: dbsync.add_table(..., key => ''{...}'').';
    ELSIF NOT copy_data THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = 'capture "timestamp" needs the first copy',
            HINT = 'Where the target has the rows already, use existing_rows => ''keep''.';
    ELSIF operations IS NOT NULL THEN
        PERFORM dbsync_internal.check_scan_operations('timestamp');
    END IF;
    PERFORM dbsync_internal.check_activity(dbsync_internal.owner_of(subscription.id));
    PERFORM dbsync_internal.check_written_here(rel, options);
    RAISE NOTICE USING MESSAGE = format('table %s is %s', rel, dbsync_internal.scan_limits(rel, options)),
        HINT = 'capture => ''trigger'' sees all changes.';
    IF dbsync_internal.scan_without_index(rel, options) IS NOT NULL THEN
        RAISE WARNING USING MESSAGE = format('table %s: %s', rel, dbsync_internal.scan_without_index(rel, options)),
            HINT = format('CREATE INDEX CONCURRENTLY ON %s (%I).', rel, options ->> 'column');
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_scan(dbsync.subscription, regclass, jsonb, boolean, boolean, text[]) IS 'error unless a table can be added with capture "timestamp"; says what that does not see';

-- ---------------------------------------------------------------------------
-- The watermark

-- From when on may rows be written that a snapshot taken behind this does not show?  The caller runs
-- it in a transaction of its own (what sessions say is kept for the time of one), and takes S after it:
-- a transaction that ends in between is in S, and one that is open is here.
--
--	activity	since when transactions of other sessions have been open; of one that has received a
--				statement and not begun yet, since when it has that
--	prepared	these are in no session any more, and since when they were written nobody knows
--
-- Twice pg_locks, which shows all transactions to everybody: one that was there before and behind, and of
-- which no session told, is one that we cannot see.
CREATE FUNCTION dbsync_internal.scan_mark(owner oid, OUT seen timestamptz, OUT low timestamptz, OUT unsure text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own_database oid := (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
    running text[];
    silent int[];
BEGIN
    PERFORM dbsync_internal.check_activity(owner);
    seen := clock_timestamp();
    running := ARRAY(SELECT l.virtualtransaction FROM pg_locks l WHERE l.locktype = 'virtualxid' AND l.pid <> pg_backend_pid());
    PERFORM pg_stat_clear_snapshot();
    SELECT min(coalesce(a.xact_start, CASE WHEN a.state = 'active' THEN a.query_start END)),
        array_agg(a.pid) FILTER (WHERE a.xact_start IS NULL)
    INTO low, silent
    FROM pg_stat_activity a
    WHERE a.datid = own_database AND dbsync_internal.may_write(a.pid, a.backend_type);
    low := least(low, seen);
    SELECT format('process %s does not tell since when its transaction has been open', l.pid) INTO unsure
    FROM pg_locks l WHERE l.locktype = 'virtualxid' AND l.virtualtransaction = ANY (running) AND l.pid = ANY (silent) LIMIT 1;
    unsure := coalesce(unsure, (SELECT format('prepared transaction "%s"', p.gid) FROM pg_prepared_xacts p
                                WHERE p.database = current_database() ORDER BY p.prepared LIMIT 1));
END $$;
COMMENT ON FUNCTION dbsync_internal.scan_mark(oid) IS 'from when on rows can be written that a snapshot taken later does not show; unsure: why that cannot be told';

-- Sessions that write no row with a time of its own.
CREATE FUNCTION dbsync_internal.may_write(pid int, backend_type text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pid <> pg_backend_pid() AND backend_type NOT IN ('autovacuum worker', 'walsender', 'parallel worker')
        AND NOT starts_with(backend_type, 'dbsync ')
$$;
COMMENT ON FUNCTION dbsync_internal.may_write(int, text) IS 'can a process of this type have written to a table that is scanned?';

-- Who keeps scans from moving on, for people: whoever has been at it for longer than the overlap.
CREATE FUNCTION dbsync_internal.scan_holder(caller oid, overlap interval) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'scans read the same rows again, as ' || h.words
    FROM (SELECT a.xact_start AS start, format('the transaction of process %s (role %s%s) has been open since %s', a.pid, a.usename,
              ', ' || nullif(a.application_name, ''), a.xact_start::timestamptz(0)) AS words
          FROM pg_stat_activity a WHERE a.datname = current_database() AND dbsync_internal.may_write(a.pid, a.backend_type)
          UNION ALL
          SELECT '-infinity', format('process %s (role %s) does not tell since when its transaction has been open', a.pid, a.usename)
          FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND l.locktype = 'virtualxid'
          WHERE a.datname = current_database() AND dbsync_internal.may_write(a.pid, a.backend_type) AND a.state = 'disabled'
          UNION ALL
          SELECT p.prepared, format('transaction "%s" has been prepared since %s', p.gid, p.prepared::timestamptz(0))
          FROM pg_prepared_xacts p WHERE p.database = current_database()) h
    WHERE h.start < clock_timestamp() - overlap AND pg_has_role(caller, 'pg_read_all_stats', 'USAGE')
    ORDER BY h.start LIMIT 1
$$;
COMMENT ON FUNCTION dbsync_internal.scan_holder(oid, interval) IS 'the transaction that makes scans read the same rows again and again, in words; null: there is none';

CREATE FUNCTION dbsync_internal.scan_in_words(caller oid, rel regclass, attached dbsync.subscription_table) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF attached.capture IS DISTINCT FROM 'timestamp' THEN
        RETURN NULL;
    END IF;
    RETURN concat_ws('; ', dbsync_internal.scan_limits(rel, attached.capture_options), dbsync_internal.scan_without_index(rel, attached.capture_options),
        dbsync_internal.scan_holder(caller, (dbsync_internal.scan_options(attached.capture_options)).overlap));
END $$;
COMMENT ON FUNCTION dbsync_internal.scan_in_words(oid, regclass, dbsync.subscription_table) IS 'what scans of a table do not see, and who holds them up; null: it is not scanned';

-- ---------------------------------------------------------------------------
-- A captured table that nobody captures

-- Triggers are there for subscriptions that want them.  Whatever has to be done is the worker's, one
-- table a transaction: see install_capture().
CREATE FUNCTION dbsync_internal.settle_capture(captured_id int, wanted text DEFAULT 'trigger', options jsonb DEFAULT NULL) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE dbsync.captured_table c
    SET capture = CASE WHEN w.captures THEN wanted ELSE 'none' END,
        capture_options = CASE WHEN w.captures THEN coalesce(options, '{}') ELSE '{}' END, reduced = false,
        state = CASE c.state WHEN 'active' THEN 'installing' ELSE c.state END
    FROM (SELECT bool_or(a.capture IS NULL) AS captures FROM dbsync.subscription_table a
          WHERE a.captured_id = settle_capture.captured_id) w
    WHERE c.id = settle_capture.captured_id AND c.state <> 'dropped' AND w.captures <> (c.capture <> 'none')
$$;
COMMENT ON FUNCTION dbsync_internal.settle_capture(int, text, jsonb) IS 'has a table captured, or not captured any more, by what its subscriptions want';

-- What is left to install: its shape, for whoever reads it.  Triggers and segments may be there from when it was captured.
CREATE FUNCTION dbsync_internal.install_scanned(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen_key oid := CASE WHEN captured.named_key IS NULL THEN dbsync_internal.choose_key(captured.relid)
        ELSE dbsync_internal.check_named_key(captured.relid, captured.named_key) END;
    described jsonb := dbsync_internal.describe_columns(captured.relid);
    current_shape int := dbsync_internal.find_shape(captured.id, described, chosen_key);
BEGIN
    IF EXISTS (SELECT FROM dbsync.segment s WHERE s.captured_id = captured.id) THEN
        PERFORM dbsync_internal.drop_unwanted_triggers(captured);
        PERFORM dbsync_internal.drop_shadow(captured.id);
        PERFORM dbsync_internal.drop_segment(s.id) FROM dbsync.segment s WHERE s.captured_id = captured.id;
    END IF;
    DELETE FROM dbsync.turn t WHERE t.captured_id = captured.id;
    DELETE FROM dbsync.shape h WHERE h.captured_id = captured.id AND h.id <> current_shape;
    UPDATE dbsync.captured_table c
    SET key_index = chosen_key, key_columns = dbsync_internal.key_columns(chosen_key, cardinality(captured.named_key)), by_row = false
    WHERE c.id = captured.id;
    UPDATE dbsync.captured_table c SET state = 'active', note = NULL, since = now(),
        shape = dbsync_internal.table_shape(captured.relid, described)
    WHERE c.id = captured.id;
END $$;
COMMENT ON FUNCTION dbsync_internal.install_scanned(dbsync.captured_table) IS 'writes down what a table looks like that is scanned, and not captured';

CREATE FUNCTION dbsync_internal.install_mode(captured_id int) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN c.capture = 'shadow' AND NOT EXISTS (
            SELECT FROM pg_trigger g WHERE g.tgrelid = c.relid AND g.tgfoid = 'dbsync_internal.capture()'::regprocedure) THEN 'ACCESS SHARE'
        WHEN c.capture NOT IN ('none', 'snapshot') THEN 'SHARE ROW EXCLUSIVE'
        WHEN EXISTS (SELECT FROM dbsync.segment s WHERE s.captured_id = c.id) THEN 'ACCESS EXCLUSIVE' ELSE 'ACCESS SHARE' END
    FROM dbsync.captured_table c WHERE c.id = install_mode.captured_id
$$;
COMMENT ON FUNCTION dbsync_internal.install_mode(int) IS 'the lock that install_capture() takes on a table: where nothing is put on it or taken off, one that is in nobody''s way';

-- Of a table that nobody captures there is no log in which DDL could have its place among the rows.
CREATE FUNCTION dbsync_internal.follow_scanned(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before dbsync.shape;
    described jsonb;
BEGIN
    SELECT h.* INTO before FROM dbsync.shape h WHERE h.captured_id = captured.id ORDER BY h.id DESC LIMIT 1;
    described := dbsync_internal.describe_columns(captured.relid);
    IF NOT EXISTS (SELECT FROM dbsync_internal.rewritten r WHERE r.captured_id = captured.id)
        AND (SELECT c.relkind = 'r' AND NOT c.relispartition FROM pg_class c WHERE c.oid = captured.relid)
        -- defaults and NOT NULL say nothing of what is in the rows
        AND NOT EXISTS (SELECT FROM (
            (SELECT c.num, c.name, c.type, c.typmod, c."collation", c.generated FROM dbsync_internal.shape_columns(before.columns) c
             EXCEPT SELECT c.num, c.name, c.type, c.typmod, c."collation", c.generated FROM dbsync_internal.shape_columns(described) c)
            UNION ALL
            (SELECT c.num, c.name, c.type, c.typmod, c."collation", c.generated FROM dbsync_internal.shape_columns(described) c
             EXCEPT SELECT c.num, c.name, c.type, c.typmod, c."collation", c.generated FROM dbsync_internal.shape_columns(before.columns) c)) d)
        AND dbsync_internal.key_columns(dbsync_internal.current_key(captured.relid), cardinality(captured.named_key)) IS NOT DISTINCT FROM captured.key_columns THEN
        UPDATE dbsync.captured_table c SET key_index = dbsync_internal.current_key(c.relid),
            shape = dbsync_internal.table_shape(c.relid, described)
        WHERE c.id = captured.id AND (c.key_index, c.shape) IS DISTINCT FROM
            (dbsync_internal.current_key(c.relid), dbsync_internal.table_shape(c.relid, described));
        RETURN;
    END IF;
    DELETE FROM dbsync_internal.rewritten r WHERE r.captured_id = captured.id;
    PERFORM dbsync_internal.note_suspended(captured.id, 'it was altered, and is scanned; to go on, change the target table likewise, and use dbsync.copy_table()');
    RAISE NOTICE USING MESSAGE = format('table %s is suspended, as it is scanned and was altered', captured.relid),
        DETAIL = dbsync_internal.subscriptions_of(captured.id),
        HINT = 'Change the target table likewise, and use dbsync.copy_table().';
END $$;
COMMENT ON FUNCTION dbsync_internal.follow_scanned(dbsync.captured_table) IS 'suspends a table that is scanned, and not captured, if a command has altered what is sent of it';

-- A table that another subscription captures has turns; who scans it does not read them.
CREATE FUNCTION dbsync_internal.suspend_scans(captured_id int) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- an UPDATE of nothing would still wait for who has locked our tables, and tell everybody of a change
    IF NOT EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = suspend_scans.captured_id AND a.capture = 'timestamp') THEN
        RETURN;
    END IF;
    UPDATE dbsync.subscription_table a
    SET state = 'suspended', note = 'it was altered, and is scanned; to go on, change the target table likewise, and use dbsync.copy_table()'
    WHERE a.captured_id = suspend_scans.captured_id AND a.capture = 'timestamp' AND a.state <> 'suspended';
END $$;
COMMENT ON FUNCTION dbsync_internal.suspend_scans(int) IS 'suspends a table that was altered in those subscriptions that scan it';

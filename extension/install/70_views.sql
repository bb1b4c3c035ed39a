-- What people look at: status, table_status, changes.
--
-- The views are thin: each reads a function of the same name, which knows who
-- asks and shows the rows that are for him.  What workers report about
-- themselves (dbsync_internal.slots) comes from shared memory.

CREATE FUNCTION dbsync_internal.may_see(caller oid, owner oid) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT dbsync_internal.may_act_as(caller, owner) OR pg_has_role(caller, 'pg_monitor', 'USAGE')
$$;
COMMENT ON FUNCTION dbsync_internal.may_see(oid, oid) IS 'may the caller see subscriptions of the owner?';

CREATE FUNCTION dbsync_internal.is_plain(sqlstate text) RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'dbsync_is_plain';
COMMENT ON FUNCTION dbsync_internal.is_plain(text) IS 'is a message of this SQLSTATE one that quotes no values of rows?  Null: it is none of an error';

-- Notes have words of errors, which may quote values of rows: those are for who may act as the owner.  What is left for who only watches
-- is the message where its SQLSTATE is that of no data, and never a detail.
CREATE FUNCTION dbsync_internal.words_to_watch(words text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN words IS NULL THEN NULL
        WHEN words ~ ' has a row that is too large to be sent' THEN regexp_replace(words, '( has a row that is too large to be sent).*', '\1')
        WHEN NOT words ~ '\(SQLSTATE \w{5}\)' THEN words
        WHEN (SELECT bool_and(dbsync_internal.is_plain(s.state[1])) FROM regexp_matches(words, '\(SQLSTATE (\w{5})\)', 'g') s (state))
            THEN regexp_replace(words, '(\(SQLSTATE \w{5}\)).*', '\1')
        ELSE format('error %s', (regexp_match(words, '\(SQLSTATE (\w{5})\)'))[1]) END
$$;
COMMENT ON FUNCTION dbsync_internal.words_to_watch(text) IS 'what of a note may be shown to who has not the rights of the subscription''s owner';

CREATE FUNCTION dbsync_internal.log_bytes(captured_id int) RETURNS bigint
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(sum(pg_total_relation_size(s.relid)), 0)::bigint
    FROM dbsync.segment s WHERE s.captured_id = log_bytes.captured_id
$$;
COMMENT ON FUNCTION dbsync_internal.log_bytes(int) IS 'size of the segments of a captured table (0: of the headers)';

-- Tables of a subscription that stand still, and what to do about each.
CREATE FUNCTION dbsync_internal.held_tables(of_subscription int, acts boolean DEFAULT true) RETURNS TABLE (
    captured_id int, "table" text, held_since timestamptz, held_for text, next_action text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.id, dbsync_internal.name_of(c), a.held_since,
        coalesce(CASE WHEN acts THEN a.held_for ELSE dbsync_internal.words_to_watch(a.held_for) END, 'what the target refused before'),
        coalesce(a.held_action, format('Mend the cause on the target. To try at once: SELECT dbsync.resume_table(%L, %L).', s.name, c.relid::text))
    FROM dbsync.subscription s
    JOIN dbsync.subscription_table a ON a.subscription_id = s.id
    JOIN dbsync.captured_table c ON c.id = a.captured_id
    WHERE s.id = of_subscription AND a.held IS NOT NULL AND 'suspended' NOT IN (a.state, c.state)
    ORDER BY 2
$$;
COMMENT ON FUNCTION dbsync_internal.held_tables(int, boolean) IS 'tables of a subscription that are held, why, and what to do about it';

-- The same in words, for its status; null: none is.
CREATE FUNCTION dbsync_internal.held_in_words(of_subscription int, acts boolean, OUT trouble text, OUT action text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(format('table %s is held: %s', h."table", h.held_for), '; '),
        string_agg(format('Table %s has been held since %s, with %s of its changes: %s', h."table", date_trunc('second', h.held_since),
            pg_size_pretty(dbsync_internal.log_bytes(h.captured_id)), h.next_action), ' ')
    FROM dbsync_internal.held_tables(of_subscription, acts) h
$$;
COMMENT ON FUNCTION dbsync_internal.held_in_words(int, boolean) IS 'which tables of a subscription are held, in words';

-- Null: nothing is parked.
CREATE FUNCTION dbsync_internal.parked_in_words(subscription dbsync.subscription) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('Rows that the target has refused: %s. To see them: SELECT * FROM dbsync.quarantine WHERE subscription = %L. When the cause is mended: '
        'SELECT dbsync.retry(%L, ...).', count(*), subscription.name, subscription.name)
    FROM dbsync.subscription_table a JOIN dbsync_internal.parked_row p ON p.attachment = a.uid
    WHERE a.subscription_id = subscription.id HAVING count(*) > 0
$$;
COMMENT ON FUNCTION dbsync_internal.parked_in_words(dbsync.subscription) IS 'how many rows of a subscription are parked, and what to do about them; null: none is';

-- What rules have, and a subscription has not; null: all is there.
CREATE FUNCTION dbsync_internal.refused_in_words(of_subscription int, OUT refused bigint, OUT action text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT f.n, nullif(concat_ws(' ',
        CASE WHEN f.n > 0 THEN format('Tables that its rules have, and that are not in it: %s. To see why: SELECT * FROM dbsync.refused WHERE subscription = %L.',
            f.n, s.name) END,
        (SELECT format('Schemas of its rules that do not exist: %s.', string_agg(quote_ident(r.schema), ', ' ORDER BY r.schema))
         FROM dbsync.subscription_rule r
         WHERE r.subscription_id = s.id AND r.kind = 'schema' AND NOT EXISTS (SELECT FROM pg_namespace n WHERE n.oid = r.schema_oid)
         HAVING count(*) > 0)), '')
    FROM dbsync.subscription s CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM dbsync_internal.refused_table f JOIN pg_class c ON c.oid = f.relid WHERE f.subscription_id = s.id) f
    WHERE s.id = of_subscription
$$;
COMMENT ON FUNCTION dbsync_internal.refused_in_words(int) IS 'how many tables the rules of a subscription have that are not in it, and what to do about it';

-- ---------------------------------------------------------------------------
-- status

-- In words: what to do about the state a subscription is in; null: nothing.
CREATE FUNCTION dbsync_internal.next_action(subscription name, acts boolean, state text, hint text, message text, waits_since timestamptz) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    suspended text;
    notes text;
BEGIN
    IF state = 'dormant' THEN
        RETURN 'This database is a copy; to make it a source of its own: SELECT dbsync.adopt().';
    ELSIF state = 'not running' THEN
        RETURN concat_ws(' ', hint, format('Start its worker again: SELECT dbsync.start_subscription(%L).', subscription));
    ELSIF state = 'waiting for target' THEN
        RETURN format('Waiting for the target''s answer since %s. On the target, pg_stat_activity shows what its session '
            '"dbsync %s" waits for: a lock, a slow statement; or it does not answer at all.', waits_since, subscription);
    ELSIF message IS NOT NULL AND state <> 'running' THEN
        RETURN hint;
    END IF;
    SELECT string_agg(dbsync_internal.name_of(c), ', ' ORDER BY dbsync_internal.name_of(c)), string_agg(DISTINCT CASE WHEN acts THEN a.note ELSE dbsync_internal.words_to_watch(a.note) END, '; ') INTO suspended, notes
    FROM dbsync.subscription s JOIN dbsync.subscription_table a ON a.subscription_id = s.id
    JOIN dbsync.captured_table c ON c.id = a.captured_id
    -- what was given up has words of its own
    WHERE s.name = subscription AND 'suspended' IN (c.state, a.state) AND a.backlog_at IS NULL;
    IF suspended IS NOT NULL THEN
        RETURN concat_ws(' ', CASE WHEN message IS NOT NULL THEN hint END, format('Suspended: %s.', suspended), rtrim(notes, '.') || '.',
            format('To go on: SELECT dbsync.copy_table(%L, ...).', subscription));
    ELSIF state = 'stopped' THEN
        RETURN format('SELECT dbsync.start_subscription(%L).', subscription);
    ELSIF NOT dbsync_internal.is_preloaded() THEN
        RETURN 'After a server restart it must be started again: dbsync is not in shared_preload_libraries.';
    END IF;
    -- it runs, and yet there is something that does not: scans
    RETURN CASE WHEN message IS NOT NULL THEN hint END;
END $$;
COMMENT ON FUNCTION dbsync_internal.next_action(name, boolean, text, text, text, timestamptz) IS 'what to do about a subscription, in words';

-- A worker that waits to retry may have ended meanwhile; its slot outlives it.
CREATE FUNCTION dbsync_internal.subscription_state(enabled boolean, adopted boolean, pid int, state text, retry_at timestamptz) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN NOT adopted THEN 'dormant'
        WHEN pid IS NOT NULL THEN coalesce(state, 'starting')
        WHEN NOT enabled THEN 'stopped'
        WHEN retry_at IS NOT NULL THEN 'waiting to retry'
        ELSE 'not running'
    END
$$;
COMMENT ON FUNCTION dbsync_internal.subscription_state(boolean, boolean, int, text, timestamptz) IS 'state of a subscription as status shows it';

CREATE FUNCTION dbsync_internal.subscription_status(caller oid) RETURNS TABLE (
    subscription name, target name, owner regrole, state text, pid int, "position" text,
    lag_rows bigint, lag_bytes bigint, lag_seconds float8, rows_per_second float8, batches bigint, rows bigint,
    last_batch timestamptz, last_error text, last_error_detail text, next_action text,
    failures int, retry_at timestamptz, log_bytes bigint, preloaded boolean, forward text, ddl text,
    on_partition_drop text, foreign_keys text, refused bigint, policy text, next_run timestamptz, waits_for text, on_error text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT s.name, s.target, dbsync_internal.owner_of(s.id), st.state, w.pid, coalesce(w.position, s.position::text),
        w.lag_rows, w.lag_bytes, CASE WHEN w.lag_rows IS NOT NULL
            THEN greatest(extract(epoch FROM clock_timestamp() - w.oldest), 0)::float8 END,
        w.rows_per_second, w.batches, w.rows, w.last_batch,
        coalesce(n.note, CASE WHEN may.act OR dbsync_internal.is_plain(w.sqlstate) THEN w.message ELSE format('error %s', w.sqlstate) END, held.trouble),
        CASE WHEN n.note IS NULL AND may.act THEN w.detail END,
        nullif(concat_ws(' ', dbsync_internal.backlog_in_words(s),
            dbsync_internal.next_action(s.name, may.act, st.state, coalesce(n.hint, CASE WHEN may.act OR dbsync_internal.is_plain(w.sqlstate) THEN w.hint END), coalesce(n.note, w.message),
            w.waits_since), dbsync_internal.unread_wal_in_words(s.id), CASE WHEN w.pid IS NOT NULL THEN dbsync_internal.lock_in_words(s.id) END,
            held.action, dbsync_internal.parked_in_words(s), missing.action, pol.action, lack.missing,
            CASE WHEN lack.number IS NOT NULL THEN format('Begin another chain: SELECT dbsync.restart_chain(%L%s).', s.name,
                CASE WHEN lack.chain > 1 THEN format(', %s', lack.chain + 1) END) END), ''),
        w.failures, w.retry_at,
        dbsync_internal.log_bytes(0) +
        (SELECT coalesce(sum(dbsync_internal.log_bytes(a.captured_id)), 0)::bigint
         FROM dbsync.subscription_table a WHERE a.subscription_id = s.id),
        dbsync_internal.is_preloaded(), s.forward, s.ddl, s.on_partition_drop, w.foreign_keys, missing.refused,
        s.policy, pol.next_run, pol.waits_for, s.on_error
    FROM dbsync.subscription s
    LEFT JOIN dbsync_internal.slots() w ON w.subscription_id = s.id
    -- of targets that are folders: what their receivers lack, as far as receipts say
    LEFT JOIN dbsync_internal.receiver_slots() lack ON lack.receiver_id = s.id AND w.pid IS NOT NULL
    -- what was stopped without being asked says why until it is started again
    LEFT JOIN LATERAL (SELECT s.note, format('Look in the server log for what ended it. Then start it again: '
            'SELECT dbsync.start_subscription(%L).', s.name) AS hint
        WHERE NOT s.enabled AND s.note IS NOT NULL) n ON true
    CROSS JOIN LATERAL dbsync_internal.subscription_state(s.enabled, dbsync_internal.is_adopted(),
        w.pid, w.state, w.retry_at) st (state)
    CROSS JOIN LATERAL dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(s.id)) may (act)
    CROSS JOIN LATERAL dbsync_internal.held_in_words(s.id, may.act) held
    CROSS JOIN LATERAL dbsync_internal.refused_in_words(s.id) missing
    CROSS JOIN LATERAL dbsync_internal.policy_in_words(s) pol
    WHERE dbsync_internal.may_see(caller, dbsync_internal.owner_of(s.id));
END $$;
COMMENT ON FUNCTION dbsync_internal.subscription_status(oid) IS 'body of dbsync.subscription_status()';

CREATE FUNCTION dbsync.subscription_status() RETURNS TABLE (
    subscription name, target name, owner regrole, state text, pid int, "position" text,
    lag_rows bigint, lag_bytes bigint, lag_seconds float8, rows_per_second float8, batches bigint, rows bigint,
    last_batch timestamptz, last_error text, last_error_detail text, next_action text,
    failures int, retry_at timestamptz, log_bytes bigint, preloaded boolean, forward text, ddl text,
    on_partition_drop text, foreign_keys text, refused bigint, policy text, next_run timestamptz, waits_for text, on_error text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.subscription_status() IS 'what the view dbsync.status shows';

CREATE VIEW dbsync.status WITH (security_barrier) AS
    SELECT * FROM dbsync.subscription_status();
COMMENT ON VIEW dbsync.status IS 'one row per subscription of yours: state, lag, what went wrong and what to do about it';
COMMENT ON COLUMN dbsync.status.state IS 'stopped, starting, installing, copying, running, waiting for target (which has not answered for a second or longer), waiting to retry, not running (started, but there is no worker), dormant (a copied database)';
COMMENT ON COLUMN dbsync.status.position IS 'transactions visible in this snapshot are on the target';
COMMENT ON COLUMN dbsync.status.lag_rows IS 'captured rows of transactions that the target has not had yet, those of other subscriptions'' tables included';
COMMENT ON COLUMN dbsync.status.lag_seconds IS 'age of the oldest transaction that is not on the target yet';
COMMENT ON COLUMN dbsync.status.next_action IS 'what to do; null: nothing';
COMMENT ON COLUMN dbsync.status.log_bytes IS 'size of what is kept of captured changes: the headers, with rows of small transactions, and the segments of its tables; other subscriptions may share both';
COMMENT ON COLUMN dbsync.status.forward IS 'all: changes that came here from other databases go on to the target; local: only those made here do';
COMMENT ON COLUMN dbsync.status.ddl IS 'what becomes of changes of tables at the target: wait, apply or ignore';
COMMENT ON COLUMN dbsync.status.on_partition_drop IS 'what becomes at the target of the rows of a partition that is detached or dropped: keep or delete';
COMMENT ON COLUMN dbsync.status.on_error IS 'what becomes of a row that the target refuses for what it is: stop or quarantine';
COMMENT ON COLUMN dbsync.status.foreign_keys IS 'replica: the target does not check its foreign keys for dbsync; ordered: it does, and rows come in an order that they allow; null: its worker has not been connected yet';
COMMENT ON COLUMN dbsync.status.refused IS 'how many tables its rules have that are not in it: dbsync.refused says why';
COMMENT ON COLUMN dbsync.status.policy IS 'when its changes travel';
COMMENT ON COLUMN dbsync.status.next_run IS 'when its next round begins by the clock; null: by no clock, or it is stopped';
COMMENT ON COLUMN dbsync.status.waits_for IS 'what the next round waits for; null: for nothing, or it is stopped';
COMMENT ON COLUMN dbsync.status.preloaded IS 'true: its worker comes back by itself after a server restart';

-- ---------------------------------------------------------------------------
-- table_status

-- The oid of a dropped table is all that is left of it in the catalogs.
CREATE FUNCTION dbsync_internal.drop_in_words(captured dbsync.captured_table) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('table %s was dropped, and leaves the subscription when what was captured of it is on the target%s', captured.name,
        CASE WHEN to_regclass(captured.name) IS NOT NULL THEN '; the table that has its name now is another one' END)
    WHERE captured.state = 'dropped'
$$;
COMMENT ON FUNCTION dbsync_internal.drop_in_words(dbsync.captured_table) IS 'says that a table was dropped; null: it was not';

-- A table is what its worst part is: captured first, then copied.
CREATE FUNCTION dbsync_internal.subscription_table_status(caller oid) RETURNS TABLE (
    subscription name, "table" regclass, target_table text, state text, progress numeric,
    rows_copied bigint, rows_expected bigint, captured_since timestamptz, log_bytes bigint, note text,
    held_since timestamptz, held_for text, next_action text, missing_rows bigint, quarantined bigint)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    -- of ten thousand tables: once for each subscription; and functions only where they have something to say
    RETURN QUERY WITH held AS MATERIALIZED (
        SELECT s.id AS subscription_id, h.* FROM dbsync.subscription s
        CROSS JOIN LATERAL dbsync_internal.held_tables(s.id, dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(s.id))) h
    ), visible AS MATERIALIZED (
        SELECT s.id, s.name, dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(s.id)) AS acts
        FROM dbsync.subscription s WHERE dbsync_internal.may_see(caller, dbsync_internal.owner_of(s.id)))
    SELECT s.name, c.relid, format('%I.%I', a.target_schema, a.target_table),
        CASE WHEN 'suspended' IN (a.state, c.state) THEN 'suspended'
             WHEN a.held IS NOT NULL THEN 'held'
             WHEN c.state = 'active' THEN a.state
             WHEN c.note LIKE 'waiting for%' THEN c.note
             ELSE c.state END,
        CASE WHEN a.state IN ('live', 'indexing') THEN 100
             WHEN a.state = 'copying' AND a.rows_expected > 0
             THEN least(99.9, round(100.0 * a.rows_copied / a.rows_expected, 1)) END,
        a.rows_copied, a.rows_expected, c.since, dbsync_internal.log_bytes(c.id),
        nullif(concat_ws('; ', CASE WHEN c.state = 'dropped' THEN dbsync_internal.drop_in_words(c) END,
            CASE WHEN s.acts THEN coalesce(a.note, c.note) ELSE dbsync_internal.words_to_watch(coalesce(a.note, c.note)) END,
            CASE WHEN a.state = 'new' AND NOT a.copy_data AND a.start_position IS NULL AND c.state <> 'dropped'
                 THEN 'what is written now is not sent: capture has not begun, and there is no copy' END,
            CASE WHEN c.state <> 'dropped' AND a.capture = 'timestamp' THEN dbsync_internal.scan_in_words(caller, c.relid, a) END,
            CASE WHEN (SELECT EXISTS (SELECT FROM dbsync.kept_partition)) THEN dbsync_internal.kept_in_words(a) END,
            CASE WHEN a.capture IS NULL AND c.capture <> 'trigger' THEN dbsync_internal.capture_in_words(c) END,
            CASE WHEN c.state <> 'dropped' AND c.capture = 'snapshot' THEN dbsync_internal.snapshot_in_words(caller, dbsync_internal.owner_of(s.id), a.uid) END,
            CASE WHEN c.state <> 'dropped' AND NOT a.target_given AND (r.relname, n.nspname) IS DISTINCT FROM (a.target_table, a.target_schema)
                 THEN dbsync_internal.names_apart(c.relid, a) END), ''),
        h.held_since, h.held_for, h.next_action, a.missing_rows,
        (SELECT count(*) FROM dbsync_internal.parked_row p WHERE p.attachment = a.uid)
    FROM visible s
    JOIN dbsync.subscription_table a ON a.subscription_id = s.id
    JOIN dbsync.captured_table c ON c.id = a.captured_id
    LEFT JOIN pg_class r ON r.oid = c.relid LEFT JOIN pg_namespace n ON n.oid = r.relnamespace
    LEFT JOIN held h ON h.subscription_id = a.subscription_id AND h.captured_id = c.id;
END $$;
COMMENT ON FUNCTION dbsync_internal.subscription_table_status(oid) IS 'body of dbsync.subscription_table_status()';

CREATE FUNCTION dbsync.subscription_table_status() RETURNS TABLE (
    subscription name, "table" regclass, target_table text, state text, progress numeric,
    rows_copied bigint, rows_expected bigint, captured_since timestamptz, log_bytes bigint, note text,
    held_since timestamptz, held_for text, next_action text, missing_rows bigint, quarantined bigint)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.subscription_table_status() IS 'what the view dbsync.table_status shows';

CREATE VIEW dbsync.table_status WITH (security_barrier) AS
    SELECT * FROM dbsync.subscription_table_status();
COMMENT ON VIEW dbsync.table_status IS 'one row per subscription of yours and table: how far it has come';
COMMENT ON COLUMN dbsync.table_status.state IS 'installing or waiting for lock (not captured yet), new (captured, not copied yet), copying, indexing (it is live, and its other indexes are being made at the target), live, suspended (see note; copy_table() goes on), held (it stands still, the others go on: see held_for and next_action), dropped (at the source; see note)';
COMMENT ON COLUMN dbsync.table_status."table" IS 'the table; one that was dropped is known by its oid only, and its name is in the note';
COMMENT ON COLUMN dbsync.table_status.held_since IS 'since when the table has stood still, whatever it was held for first';
COMMENT ON COLUMN dbsync.table_status.held_for IS 'what the target refused when it was tried last';
COMMENT ON COLUMN dbsync.table_status.next_action IS 'what to do about a held table: a statement for the target, or in words; then it goes on by itself';
COMMENT ON COLUMN dbsync.table_status.missing_rows IS 'rows that were to be deleted at the target since the first copy and were not there, of a table without a key: copy_table() mends it';
COMMENT ON COLUMN dbsync.table_status.quarantined IS 'rows that the target has refused, and whose keys are parked there: see dbsync.quarantine';
COMMENT ON COLUMN dbsync.table_status.progress IS 'percent of the first copy';
COMMENT ON COLUMN dbsync.table_status.log_bytes IS 'size of the table''s segments; rows of small transactions are with the headers, see dbsync.status';

-- ---------------------------------------------------------------------------
-- changes

-- Values are turned to jsonb under the caller's rights: casts of user-defined
-- types run functions of their owners.
CREATE FUNCTION dbsync_internal.jsonb_as(value anyelement, role oid) RETURNS jsonb
    LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'dbsync_jsonb_as';
COMMENT ON FUNCTION dbsync_internal.jsonb_as(anyelement, oid) IS 'to_jsonb(value), as the given role';

-- All header segments as one.
CREATE FUNCTION dbsync_internal.headers_query() RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(format('SELECT * FROM %s', s.relid::regclass), ' UNION ALL ' ORDER BY s.id)
    FROM dbsync.segment s WHERE s.captured_id = 0
$$;
COMMENT ON FUNCTION dbsync_internal.headers_query() IS 'query over all transaction headers';

CREATE FUNCTION dbsync_internal.header_parts(parts bytea) RETURNS bigint[]
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'dbsync_header_parts';
COMMENT ON FUNCTION dbsync_internal.header_parts(bytea) IS 'what a transaction header says of its tables, as numbers';

-- Rows of small transactions are with the headers, not in the segment.
CREATE FUNCTION dbsync_internal.carried(segment anyelement) RETURNS SETOF anyelement
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'dbsync_carried';
COMMENT ON FUNCTION dbsync_internal.carried(anyelement) IS 'rows of a segment that transaction headers carry; the argument is a null of its row type';

-- One segment as (xid, no, op, key, row), by its shape; our columns by place, since their
-- names depend on the table's.  What an UPDATE left untouched is not in the row.
-- Casts and output functions of the values' types run as the owner: who looks did
-- not ask for them, and may have more rights than he.
CREATE FUNCTION dbsync_internal.segment_query(segment oid, shape_id int, owner oid) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH col AS (
        SELECT a.attnum, format('s.%I', a.attname) AS name,
            EXISTS (SELECT FROM dbsync.shape h, dbsync_internal.shape_columns(h.columns) c
                    WHERE h.id = shape_id AND c.num = ANY (h.key) AND c.name = a.attname) AS is_key,
            a.attname, a.attnum > 3 AND a.attnum < max(a.attnum) OVER () AS is_theirs,
            a.attnum = max(a.attnum) OVER () AS is_same
        FROM pg_attribute a WHERE a.attrelid = segment AND a.attnum > 0 AND NOT a.attisdropped
    )
    -- @row@: a column of the alias's name would be taken for it
    SELECT format(replace('SELECT %s AS xid, %s AS no, %s::text AS op, '
            '%s AS key, '
            'dbsync_internal.jsonb_as((SELECT @row@ FROM (SELECT %s WHERE %s NOT IN (''T'', ''K'', %L)) @row@), %s) '
            '- coalesce((SELECT array_agg((%L::text[])[n]) FROM unnest(%s::smallint[]) n), ''{}'') AS row '
            'FROM (SELECT * FROM %s UNION ALL SELECT * FROM dbsync_internal.carried(NULL::%s)) s',
            '@row@', dbsync_internal.free_column_name(array_agg(attname), 'dbsync_row')),
        min(name) FILTER (WHERE attnum = 2), min(name) FILTER (WHERE attnum = 3), min(name) FILTER (WHERE attnum = 1),
        CASE WHEN bool_or(is_key) THEN format(replace('dbsync_internal.jsonb_as((SELECT @row@ FROM (SELECT %s WHERE %s <> ''T'') @row@), %s)',
                '@row@', dbsync_internal.free_column_name(array_agg(attname), 'dbsync_row')),
            string_agg(name, ', ' ORDER BY attnum) FILTER (WHERE is_theirs AND is_key), min(name) FILTER (WHERE attnum = 1), owner)
        -- what is deleted is whole then
        ELSE 'NULL::jsonb' END,
        string_agg(name, ', ' ORDER BY attnum) FILTER (WHERE is_theirs), min(name) FILTER (WHERE attnum = 1),
        CASE WHEN bool_or(is_key) THEN 'D' ELSE 'T' END, owner,
        array_agg(attname::text ORDER BY attnum) FILTER (WHERE is_theirs), min(name) FILTER (WHERE is_same),
        segment::regclass, segment::regclass)
    FROM col
$$;
COMMENT ON FUNCTION dbsync_internal.segment_query(oid, int, oid) IS 'query over one segment, values as jsonb';

CREATE FUNCTION dbsync_internal.changes(caller oid, rel regclass) RETURNS TABLE (
    xid xid8, "time" timestamptz, role text, application text, tag text, origin text,
    closing pg_lsn, no bigint, op text, key jsonb, "row" jsonb)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    of_table int;
    segments text;
BEGIN
    SELECT c.id INTO of_table FROM dbsync.captured_table c WHERE c.relid = rel AND c.capture NOT IN ('none', 'snapshot');
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('table %s is not captured', rel);
    END IF;
    PERFORM dbsync_internal.check_readable(caller, rel);
    SELECT string_agg(dbsync_internal.segment_query(s.relid, s.shape_id, r.relowner), ' UNION ALL ' ORDER BY s.id)
    INTO segments
    FROM dbsync.segment s, pg_class r WHERE s.captured_id = of_table AND r.oid = rel;
    IF segments IS NOT NULL THEN
        RETURN QUERY EXECUTE format(
            'SELECT h.xid, h."time", pg_get_userbyid(h.role)::text, h.application, h.tag, split_part(h.route, '' '', 1), h.closing, '
            'c.no, c.op, c.key, c.row FROM (%s) c JOIN (%s) h ON h.xid = c.xid ORDER BY h.closing, h.xid, c.no',
            segments, dbsync_internal.headers_query());
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.changes(oid, regclass) IS 'body of dbsync.changes()';

CREATE FUNCTION dbsync.changes("table" regclass) RETURNS TABLE (
    xid xid8, "time" timestamptz, role text, application text, tag text, origin text,
    closing pg_lsn, no bigint, op text, key jsonb, "row" jsonb)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.changes(regclass) IS 'what is captured of a table and not emptied yet, in closing order; you need SELECT on the table; op: I U D T(runcate), R: state at the end of its transaction, K: it came or changed, and its key alone was captured; large values that an UPDATE left as they were are not in its row';

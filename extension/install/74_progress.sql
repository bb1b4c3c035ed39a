-- How far it has come, as one watches it: first copies row by row, and what waits behind them.
--
-- Words are those of pg_stat_progress_copy and pg_stat_progress_create_index where they have
-- one.  What is done is on the target, committed; what is processed has been sent, and is taken
-- back if it fails.  While a chunk is under way its worker knows better than the catalog.

CREATE FUNCTION dbsync_internal.slot_progress(
    OUT subscription_id int, OUT captured_id int, OUT rows_reached bigint, OUT excluded_reached bigint, OUT bytes_reached bigint,
    OUT rows_under_way bigint, OUT excluded_under_way bigint, OUT bytes_under_way bigint,
    OUT copied_rows_per_second float8, OUT copied_bytes_per_second float8,
    OUT applied_rows_per_second float8, OUT applied_bytes_per_second float8, OUT lag_transactions bigint, OUT passed boolean)
    RETURNS SETOF record
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'dbsync_slot_progress';
COMMENT ON FUNCTION dbsync_internal.slot_progress() IS 'the first copy that each worker of this database is at, and how fast it is; passed: all commits that called it are on the target';

-- Subscriptions that the caller may see, with what their workers say.
CREATE FUNCTION dbsync_internal.progress_of_subscriptions(caller oid) RETURNS TABLE (
    id int, name name, pid int, state text, works boolean, passed boolean, waits_since timestamptz, message text,
    copying int, reached bigint[], under_way bigint[], copied_per_second float8[], applied_per_second float8[],
    lag_transactions bigint, lag_rows bigint, lag_bytes bigint, lag_seconds float8)
    LANGUAGE sql ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.id, s.name, w.pid, st.state,
        w.pid IS NOT NULL AND st.state IN ('installing', 'copying', 'running', 'waiting for target'),
        coalesce(p.passed AND w.lag_rows = 0, false), w.waits_since,
        coalesce(CASE WHEN NOT s.enabled THEN s.note END,
            CASE WHEN dbsync_internal.is_plain(w.sqlstate) OR dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(s.id)) THEN w.message ELSE format('error %s', w.sqlstate) END), p.captured_id,
        ARRAY[p.rows_reached, p.excluded_reached, p.bytes_reached], ARRAY[p.rows_under_way, p.excluded_under_way, p.bytes_under_way],
        ARRAY[p.copied_rows_per_second, p.copied_bytes_per_second], ARRAY[p.applied_rows_per_second, p.applied_bytes_per_second],
        CASE WHEN w.lag_rows IS NOT NULL THEN p.lag_transactions END, w.lag_rows, w.lag_bytes,
        CASE WHEN w.lag_rows IS NOT NULL THEN greatest(extract(epoch FROM clock_timestamp() - w.oldest), 0)::float8 END
    FROM dbsync.subscription s
    LEFT JOIN dbsync_internal.slots() w ON w.subscription_id = s.id
    LEFT JOIN dbsync_internal.slot_progress() p ON p.subscription_id = s.id
    CROSS JOIN LATERAL dbsync_internal.subscription_state(s.enabled, dbsync_internal.is_adopted(), w.pid, w.state, w.retry_at) st (state)
    WHERE dbsync_internal.may_see(caller, dbsync_internal.owner_of(s.id))
$$;
COMMENT ON FUNCTION dbsync_internal.progress_of_subscriptions(oid) IS 'subscriptions of the caller, and how far and how fast their workers say they are';

-- The tables of a subscription: its line of progress_of_subscriptions() comes as arguments.  There
-- may be ten thousand: what is worked out for each is in the statement, as a function with a
-- search_path of its own takes longer than all the rest.
CREATE FUNCTION dbsync_internal.progress_of_tables(of_subscription int, acts boolean, state text, works boolean, passed boolean, waits_since timestamptz,
    copying int, reached bigint[], under_way bigint[], per_second float8[]) RETURNS TABLE (
    rel regclass, phase text, waits_for text, done boolean, total bigint, reached_rows bigint, sent_rows bigint, excluded bigint, sent_excluded bigint,
    bytes_total bigint, bytes_done bigint, bytes_processed bigint, rows_per_second float8, bytes_per_second float8)
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.relid, ph.phase,
        CASE ph.phase
            WHEN 'suspended' THEN CASE WHEN acts THEN coalesce(a.note, c.note) ELSE dbsync_internal.words_to_watch(coalesce(a.note, c.note)) END
            WHEN 'held' THEN coalesce(CASE WHEN acts THEN a.held_for ELSE dbsync_internal.words_to_watch(a.held_for) END, 'what the target refused before')
            WHEN 'installing' THEN CASE WHEN c.note LIKE 'waiting for%' THEN 'a lock on the table' END
            WHEN 'copying' THEN CASE WHEN waits_since IS NOT NULL THEN 'the target''s answer' END
            WHEN 'waiting' THEN CASE WHEN works THEN 'its turn' ELSE format('its subscription, which is: %s', progress_of_tables.state) END
        END,
        a.state = 'live' AND c.state = 'active' AND a.held IS NULL,
        n.total, n.reached, n.sent, n.excluded, n.sent_excluded,
        CASE WHEN a.state IN ('live', 'indexing') THEN n.bytes_done
             WHEN n.sent > 0 THEN (n.bytes_sent::numeric / n.sent * n.total)::bigint END,
        n.bytes_done, n.bytes_sent,
        CASE WHEN now.here THEN per_second[1] END, CASE WHEN now.here THEN per_second[2] END
    FROM dbsync.subscription_table a
    JOIN dbsync.captured_table c ON c.id = a.captured_id
    CROSS JOIN LATERAL (SELECT copying IS NOT DISTINCT FROM a.captured_id AND a.state IN ('new', 'copying')) now (here)
    CROSS JOIN LATERAL (
        SELECT t.total, r.reached, r.sent, r.excluded, r.sent_excluded, r.bytes_done, r.bytes_sent
        FROM (SELECT CASE WHEN now.here THEN progress_of_tables.reached[1] ELSE a.rows_copied END AS reached,
                CASE WHEN now.here THEN progress_of_tables.reached[1] + under_way[1] ELSE a.rows_copied END AS sent,
                CASE WHEN now.here THEN progress_of_tables.reached[2] ELSE a.rows_excluded END AS excluded,
                CASE WHEN now.here THEN progress_of_tables.reached[2] + under_way[2] ELSE a.rows_excluded END AS sent_excluded,
                CASE WHEN now.here THEN progress_of_tables.reached[3] ELSE a.bytes_copied END AS bytes_done,
                CASE WHEN now.here THEN progress_of_tables.reached[3] + under_way[3] ELSE a.bytes_copied END AS bytes_sent) r
        -- an estimate that has been reached, and is not all, was wrong: then nobody knows
        CROSS JOIN LATERAL (SELECT CASE WHEN a.state IN ('live', 'indexing') THEN a.rows_copied
            WHEN e.rows > r.sent THEN e.rows END AS total
            FROM (SELECT CASE WHEN a.state NOT IN ('live', 'indexing') AND a.copy_data
                THEN (SELECT sum(r.reltuples)::bigint
                    FROM (SELECT c.relid::oid UNION ALL SELECT p.relid FROM dbsync.partition p WHERE p.captured_id = c.id AND p.leaf) m (relid)
                    JOIN pg_class r ON r.oid = m.relid
                    -- of a table that was never analyzed it is -1
                    WHERE r.reltuples >= 0 AND r.relkind = 'r') END AS rows) e) t) n
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN 'suspended' IN (a.state, c.state) THEN 'suspended'
            WHEN a.held IS NOT NULL THEN 'held'
            WHEN NOT works THEN 'waiting'
            WHEN c.state = 'dropped' THEN 'catching up'
            WHEN c.state <> 'active' THEN 'installing'
            WHEN a.state = 'indexing' THEN 'indexing'
            WHEN a.state = 'live' AND passed THEN 'live'
            WHEN a.state = 'live' THEN 'catching up'
            WHEN now.here OR (a.state = 'copying' AND copying IS NULL) THEN 'copying'
            ELSE 'waiting'
        END) ph (phase)
    WHERE a.subscription_id = of_subscription
$$;
COMMENT ON FUNCTION dbsync_internal.progress_of_tables(int, boolean, text, boolean, boolean, timestamptz, int, bigint[], bigint[], float8[])
    IS 'the tables of a subscription, how much of their first copies is done, and what each waits for';

CREATE FUNCTION dbsync_internal.time_left(rows numeric, per_second float8) RETURNS interval
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN rows >= 0 AND per_second > 0 THEN least(ceil(rows / per_second::numeric), 3e9) * interval '1 s' END
$$;
COMMENT ON FUNCTION dbsync_internal.time_left(numeric, float8) IS 'how long so many rows take; null: nobody knows';

-- What a subscription does: as in its status, with running told apart.
CREATE FUNCTION dbsync_internal.subscription_phase(state text, passed boolean, tables bigint, done bigint, still bigint, indexing bigint) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN state <> 'running' THEN state
        WHEN indexing > 0 THEN 'indexing'
        WHEN passed AND done = tables THEN 'live'
        WHEN passed AND done + still = tables THEN 'waiting'
        ELSE 'catching up'
    END
$$;
COMMENT ON FUNCTION dbsync_internal.subscription_phase(text, boolean, bigint, bigint, bigint, bigint) IS 'the phase of a subscription in words';

-- Compiling takes seconds, and there is never so much to read that it would pay.
CREATE FUNCTION dbsync_internal.subscription_progress(caller oid) RETURNS TABLE (
    subscription name, "table" regclass, pid int, phase text, waits_for text, tables_total bigint, tables_done bigint,
    tuples_total bigint, tuples_done bigint, tuples_processed bigint, tuples_excluded bigint,
    bytes_total bigint, bytes_done bigint, bytes_processed bigint, percent numeric,
    tuples_per_second float8, bytes_per_second float8, eta interval,
    lag_transactions bigint, lag_rows bigint, lag_bytes bigint, lag_seconds float8)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH sub AS MATERIALIZED (SELECT * FROM dbsync_internal.progress_of_subscriptions(caller)),
    tab AS MATERIALIZED (
        SELECT s.id, t.* FROM sub s CROSS JOIN LATERAL dbsync_internal.progress_of_tables(s.id, dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(s.id)), s.state, s.works, s.passed, s.waits_since,
            s.copying, s.reached, s.under_way, s.copied_per_second) t),
    whole AS (
        SELECT s.id, count(t.rel) AS tables, count(*) FILTER (WHERE t.done) AS done,
            count(*) FILTER (WHERE t.phase IN ('held', 'suspended')) AS still, count(*) FILTER (WHERE t.phase = 'indexing') AS indexing,
            -- of a part nothing can be said of all
            CASE WHEN count(t.total) = count(t.rel) THEN sum(t.total) END AS total, sum(t.reached_rows) AS reached, sum(t.sent_rows) AS sent,
            sum(t.excluded) AS excluded, sum(t.sent_excluded) AS sent_excluded, CASE WHEN count(t.bytes_total) = count(t.rel) THEN sum(t.bytes_total) END AS bytes_total,
            sum(t.bytes_done) AS bytes_done, sum(t.bytes_processed) AS bytes_processed
        FROM sub s LEFT JOIN tab t ON t.id = s.id GROUP BY s.id)
    SELECT s.name, NULL::regclass, s.pid, dbsync_internal.subscription_phase(s.state, s.passed, w.tables, w.done, w.still, w.indexing),
        CASE WHEN s.state = 'waiting for target' THEN format('the target''s answer, since %s', date_trunc('second', s.waits_since))
             WHEN s.message IS NOT NULL THEN s.message
             WHEN w.still > 0 THEN format('tables that are held or suspended: %s', w.still) END,
        w.tables, w.done, w.total::bigint, (w.reached - w.excluded)::bigint, (w.sent - w.sent_excluded)::bigint, w.excluded::bigint,
        w.bytes_total::bigint, w.bytes_done::bigint, w.bytes_processed::bigint,
        CASE WHEN w.tables > 0 AND w.done = w.tables THEN 100 WHEN w.total > 0 THEN least(99.9, trunc(100 * w.reached / w.total, 1)) END,
        s.copied_per_second[1] + s.applied_per_second[1], s.copied_per_second[2] + s.applied_per_second[2],
        CASE WHEN NOT s.works THEN NULL
             WHEN w.done + w.still < w.tables THEN dbsync_internal.time_left(w.total - w.sent, s.copied_per_second[1])
             WHEN NOT s.passed THEN dbsync_internal.time_left(s.lag_rows, s.applied_per_second[1]) END,
        s.lag_transactions, s.lag_rows, s.lag_bytes, s.lag_seconds
    FROM sub s JOIN whole w ON w.id = s.id
    UNION ALL
    SELECT s.name, t.rel, s.pid, t.phase, t.waits_for, NULL, NULL, t.total, t.reached_rows - t.excluded, t.sent_rows - t.sent_excluded,
        t.excluded, t.bytes_total, t.bytes_done, t.bytes_processed,
        -- rounded down: not all of it before it is
        CASE WHEN t.done THEN 100 WHEN t.total > 0 THEN least(99.9, trunc(100 * t.reached_rows::numeric / t.total, 1)) END, t.rows_per_second, t.bytes_per_second,
        CASE WHEN t.phase = 'copying' THEN dbsync_internal.time_left(t.total - t.sent_rows, t.rows_per_second) END,
        NULL, NULL, NULL, NULL
    FROM tab t JOIN sub s ON s.id = t.id;
END $$;
COMMENT ON FUNCTION dbsync_internal.subscription_progress(oid) IS 'body of dbsync.subscription_progress()';

CREATE FUNCTION dbsync.subscription_progress() RETURNS TABLE (
    subscription name, "table" regclass, pid int, phase text, waits_for text, tables_total bigint, tables_done bigint,
    tuples_total bigint, tuples_done bigint, tuples_processed bigint, tuples_excluded bigint,
    bytes_total bigint, bytes_done bigint, bytes_processed bigint, percent numeric,
    tuples_per_second float8, bytes_per_second float8, eta interval,
    lag_transactions bigint, lag_rows bigint, lag_bytes bigint, lag_seconds float8)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.subscription_progress() IS 'what the view dbsync.progress shows';

CREATE VIEW dbsync.progress WITH (security_barrier) AS
    SELECT * FROM dbsync.subscription_progress();
COMMENT ON VIEW dbsync.progress IS 'how far first copies and changes have come: one row per subscription of yours, whose "table" is null, and one for each of its tables';
COMMENT ON COLUMN dbsync.progress."table" IS 'the table; null: the subscription as a whole';
COMMENT ON COLUMN dbsync.progress.pid IS 'process of the worker; null: there is none';
COMMENT ON COLUMN dbsync.progress.phase IS 'of a table: installing (of capture), waiting, copying, indexing, catching up (copied, but transactions wait), live, held, suspended; of a subscription: as its state in dbsync.status, but running is told apart: indexing, catching up, waiting (all that is not held or suspended is there), live';
COMMENT ON COLUMN dbsync.progress.waits_for IS 'what keeps it from going on; null: nothing';
COMMENT ON COLUMN dbsync.progress.tables_total IS 'tables of the subscription';
COMMENT ON COLUMN dbsync.progress.tables_done IS 'those of them whose first copy is done, and that flow';
COMMENT ON COLUMN dbsync.progress.tuples_total IS 'rows that the first copy goes through, as ANALYZE has estimated; null: nobody knows';
COMMENT ON COLUMN dbsync.progress.tuples_done IS 'rows of the first copy that are on the target, committed';
COMMENT ON COLUMN dbsync.progress.tuples_processed IS 'the same, and those sent since, which are taken back if the chunk fails';
COMMENT ON COLUMN dbsync.progress.tuples_excluded IS 'rows that the first copy has gone through and has not brought: the filter has left them out, or the target has refused them';
COMMENT ON COLUMN dbsync.progress.bytes_total IS 'bytes that all rows are likely to have, by those sent so far; null: nobody knows';
COMMENT ON COLUMN dbsync.progress.bytes_done IS 'bytes of the values of tuples_done, as they travelled';
COMMENT ON COLUMN dbsync.progress.bytes_processed IS 'bytes of the values of tuples_processed';
COMMENT ON COLUMN dbsync.progress.percent IS 'part of the first copy that is done; 100 only when all of it is; null: nobody knows';
COMMENT ON COLUMN dbsync.progress.tuples_per_second IS 'rows sent over the last 5 to 10 seconds; of a table, those of its first copy while it is being copied; null: it has only just begun';
COMMENT ON COLUMN dbsync.progress.bytes_per_second IS 'the same in bytes';
COMMENT ON COLUMN dbsync.progress.eta IS 'how long it is likely to take, at the present rate: the first copy; or, of a subscription that has copied all, until what waits now is there; null: nobody knows, or nothing is to be done';
COMMENT ON COLUMN dbsync.progress.lag_transactions IS 'of a subscription: transactions that the target has not had yet';
COMMENT ON COLUMN dbsync.progress.lag_rows IS 'captured rows of these transactions';
COMMENT ON COLUMN dbsync.progress.lag_bytes IS 'bytes of these rows';
COMMENT ON COLUMN dbsync.progress.lag_seconds IS 'age of the oldest of these transactions';

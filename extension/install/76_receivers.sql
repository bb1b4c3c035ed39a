-- What people look at of receivers.

CREATE FUNCTION dbsync_internal.receiver_slots() RETURNS TABLE (
    receiver_id int, state text, chain bigint, number bigint, batch bigint, "time" timestamptz, cached int, rejected bigint,
    duplicates bigint, partial int, older int, missing text, rejected_last int, waits_since timestamptz, inbox_made boolean)
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'dbsync_receiver_slots';
COMMENT ON FUNCTION dbsync_internal.receiver_slots() IS 'what receivers report about themselves';

-- What to do, in words; null: nothing.
CREATE FUNCTION dbsync_internal.receiver_action(receiver dbsync.receiver, state text, hint text, message text, missing text, missing_since timestamptz,
    partial int, older int, rejected_last int, inbox_made boolean, reached timestamptz) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    expected bigint := (SELECT o.expect_every FROM dbsync_internal.receiver_options(receiver.options) o);
    -- by the source's clock; one that is far ahead would say for as long that all is well
    late text := CASE WHEN expected IS NOT NULL AND receiver.enabled AND reached > clock_timestamp() + interval '1 hour'
        THEN format('The source''s clock is ahead: the last bundle is of %s. Whether something newer is due (expect_every) cannot be said.', reached)
        WHEN expected IS NOT NULL AND receiver.enabled
            AND clock_timestamp() - coalesce(reached, receiver.created) > expected * interval '1 microsecond'
        THEN format('Nothing newer has come than of %s, and something was expected every %s: look at the source, and the way.',
            coalesce(reached, receiver.created), expected * interval '1 microsecond') END;
BEGIN
    IF state = 'dormant' THEN
        RETURN 'This database is a copy; to make it one of its own: SELECT dbsync.adopt().';
    ELSIF message IS NOT NULL AND state <> 'idle' THEN
        -- no error is reported without a hint
        RETURN concat_ws(' ', hint, late);
    ELSIF state = 'stopped' THEN
        RETURN format('SELECT dbsync.start_receiver(%L).', receiver.name);
    ELSIF state = 'not running' THEN
        RETURN format('Start its worker again: SELECT dbsync.start_receiver(%L).', receiver.name);
    END IF;
    RETURN nullif(concat_ws(' ',
        CASE WHEN missing IS NOT NULL THEN format('Bundles are missing since %s: %s. Where receipts go back they are sent again; else at the source: '
            'SELECT dbsync.publish(...), or dbsync.restart_chain(...) where they are not kept any more.', missing_since, missing) END,
        CASE WHEN partial > 0 THEN format('Files in the inbox that have been incomplete for long: %s.', partial) END,
        CASE WHEN older > 0 THEN format('Files of an older chain that was never seen here: %s. Has the source''s clock been put back? There: '
            'SELECT dbsync.restart_chain(..., chain => %s).', older, coalesce(receiver.chain, 0) + 1) END,
        CASE WHEN rejected_last > 0 THEN format('Files were refused, and no good one has come since: %s. dbsync.inbox(%L) says why; is the source''s '
            'public key another one?', rejected_last, receiver.name) END,
        CASE WHEN inbox_made THEN 'The inbox was not there, and was made anew: see that whoever fills it may write there. Has it been moved, or is a disk not mounted?' END,
        late,
        CASE WHEN NOT dbsync_internal.is_preloaded() THEN 'After a server restart it must be started again: dbsync is not in shared_preload_libraries.' END), '');
END $$;
COMMENT ON FUNCTION dbsync_internal.receiver_action(dbsync.receiver, text, text, text, text, timestamptz, int, int, int, boolean, timestamptz) IS 'what to do about a receiver, in words';

CREATE FUNCTION dbsync_internal.receiver_status(caller oid) RETURNS TABLE (
    receiver name, subscription uuid, target name, owner regrole, state text, pid int, chain bigint, number bigint, batch bigint,
    "time" timestamptz, lag_seconds float8, missing text, missing_since timestamptz, cached int, rejected bigint, duplicates bigint, partial int,
    last_error text, last_error_detail text, next_action text, failures int, retry_at timestamptz, policy text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT r.name, r.subscription, r.target, dbsync_internal.owner_of(r.id), st.state, w.pid,
        now.chain, now.number, now.batch, now."time",
        CASE WHEN now."time" IS NOT NULL THEN greatest(extract(epoch FROM clock_timestamp() - now."time"), 0)::float8 END,
        s.missing, s.waits_since, s.cached, s.rejected, s.duplicates, s.partial,
        coalesce(n.note, CASE WHEN may.act OR dbsync_internal.is_plain(w.sqlstate) THEN w.message ELSE format('error %s', w.sqlstate) END),
        CASE WHEN n.note IS NULL AND may.act THEN w.detail END,
        dbsync_internal.receiver_action(r, st.state, coalesce(n.hint, CASE WHEN may.act OR dbsync_internal.is_plain(w.sqlstate) THEN w.hint END), coalesce(n.note, w.message), s.missing, s.waits_since, s.partial, s.older, s.rejected_last, s.inbox_made, now."time"),
        w.failures, w.retry_at, r.policy
    FROM dbsync.receiver r
    LEFT JOIN dbsync_internal.slots() w ON w.subscription_id = r.id
    CROSS JOIN LATERAL dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(r.id)) may (act)
    LEFT JOIN dbsync_internal.receiver_slots() s ON s.receiver_id = r.id
    LEFT JOIN LATERAL (SELECT r.note, format('Look in the server log for what ended it. Then start it again: '
            'SELECT dbsync.start_receiver(%L).', r.name) AS hint
        WHERE NOT r.enabled AND r.note IS NOT NULL) n ON true
    CROSS JOIN LATERAL (SELECT CASE
        WHEN NOT dbsync_internal.is_adopted() THEN 'dormant'
        WHEN w.pid IS NOT NULL THEN coalesce(s.state, 'starting')
        WHEN NOT r.enabled THEN 'stopped'
        WHEN w.retry_at IS NOT NULL THEN 'waiting to retry'
        ELSE 'not running' END) st (state)
    -- the catalog follows what the worker says
    CROSS JOIN LATERAL (SELECT CASE WHEN s.chain IS NULL OR w.pid IS NULL THEN r.chain ELSE s.chain END,
        CASE WHEN s.chain IS NULL OR w.pid IS NULL THEN r.number ELSE s.number END,
        CASE WHEN s.chain IS NULL OR w.pid IS NULL THEN r.batch ELSE s.batch END,
        CASE WHEN w.pid IS NULL THEN r."time" ELSE coalesce(s."time", r."time") END) now (chain, number, batch, "time")
    WHERE dbsync_internal.may_see(caller, dbsync_internal.owner_of(r.id));
END $$;
COMMENT ON FUNCTION dbsync_internal.receiver_status(oid) IS 'body of dbsync.receiver_status()';

CREATE FUNCTION dbsync.receiver_status() RETURNS TABLE (
    receiver name, subscription uuid, target name, owner regrole, state text, pid int, chain bigint, number bigint, batch bigint,
    "time" timestamptz, lag_seconds float8, missing text, missing_since timestamptz, cached int, rejected bigint, duplicates bigint, partial int,
    last_error text, last_error_detail text, next_action text, failures int, retry_at timestamptz, policy text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.receiver_status() IS 'what the view dbsync.receivers shows';

CREATE VIEW dbsync.receivers WITH (security_barrier) AS
    SELECT * FROM dbsync.receiver_status();
COMMENT ON VIEW dbsync.receivers IS 'one row per receiver of yours: how far its target is, what is missing, what went wrong and what to do about it';
COMMENT ON COLUMN dbsync.receivers.subscription IS 'uid, at the source, of the subscription whose bundles it plays; null: not known yet';
COMMENT ON COLUMN dbsync.receivers.state IS 'stopped, starting, receiving, copying (another chain begins), idle, waiting for number n, waiting for target, waiting to retry, stopped: fork, broken chain, missing row, format too new or no ledger (it stands still, and looks whether that is mended), not running, dormant';
COMMENT ON COLUMN dbsync.receivers.chain IS 'chain of the bundle that the target had last';
COMMENT ON COLUMN dbsync.receivers.number IS 'number of that bundle in its chain';
COMMENT ON COLUMN dbsync.receivers.batch IS 'batch that it completed';
COMMENT ON COLUMN dbsync.receivers.time IS 'what time it was at the source when that batch began: the target is as the source was then';
COMMENT ON COLUMN dbsync.receivers.lag_seconds IS 'how long ago that was';
COMMENT ON COLUMN dbsync.receivers.missing IS 'numbers that have not come, though others behind them have for gap_after';
COMMENT ON COLUMN dbsync.receivers.missing_since IS 'since when it waits for a number that has not come, be it missing yet or not';
COMMENT ON COLUMN dbsync.receivers.cached IS 'bundles that have come, and wait for one before them';
COMMENT ON COLUMN dbsync.receivers.rejected IS 'files that were refused since its worker began; dbsync.inbox() says why';
COMMENT ON COLUMN dbsync.receivers.duplicates IS 'bundles that came once more, since its worker began';
COMMENT ON COLUMN dbsync.receivers.partial IS 'files in the inbox that have been incomplete for longer than partial_after';
COMMENT ON COLUMN dbsync.receivers.next_action IS 'what to do; null: nothing';

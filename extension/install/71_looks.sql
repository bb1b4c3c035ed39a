-- Tables that workers look at of their own accord, as nobody tells them of changes: read from the WAL, scanned, or
-- compared with a shadow.  What keeps them from looking is no error of theirs: a lock, for which they do not wait, or that
-- none of them is there.  Nothing is captured meanwhile, so no lag grows either; status says it.

CREATE FUNCTION dbsync_internal.is_looked_at(attached dbsync.subscription_table, captured dbsync.captured_table) RETURNS boolean
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(attached.capture, captured.capture) IN ('timestamp', 'shadow', 'wal', 'snapshot') AND captured.state = 'active' AND attached.state <> 'suspended'
$$;
COMMENT ON FUNCTION dbsync_internal.is_looked_at(dbsync.subscription_table, dbsync.captured_table) IS 'has a worker to look at this table of its own accord?';

-- Somebody who waits for a lock keeps others out as well.  Locks of a moment, and our own, are not told of.  One table is enough
-- to keep all from being read that are read from the WAL.
CREATE FUNCTION dbsync_internal.lock_in_words(of_subscription int) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- all locks of the server are not asked for without need
    IF NOT EXISTS (SELECT FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
                   WHERE a.subscription_id = of_subscription AND dbsync_internal.is_looked_at(a, c)) THEN
        RETURN NULL;
    END IF;
    RETURN (
        WITH own AS (
            SELECT c.relid, coalesce(a.capture, c.capture) AS capture, c AS captured
            FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
            WHERE a.subscription_id = of_subscription AND dbsync_internal.is_looked_at(a, c)
        ), looked_at AS (
            SELECT o.relid, o.capture, o.captured FROM own o WHERE o.capture <> 'wal'
            UNION ALL
            SELECT c.relid, 'wal', c FROM dbsync.captured_table c
            WHERE c.capture = 'wal' AND c.state = 'active' AND EXISTS (SELECT FROM own o WHERE o.capture = 'wal')
        ), holder AS (
            SELECT DISTINCT ON (t.relid, t.capture) dbsync_internal.name_of(t.captured) AS name, t.capture,
                coalesce('process ' || l.pid, format('prepared transaction "%s"', p.gid)) AS who
            FROM looked_at t
            JOIN pg_locks l ON l.locktype = 'relation' AND l.relation = t.relid
                AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                AND l.mode = ANY (CASE WHEN t.capture IN ('timestamp', 'snapshot') THEN '{AccessExclusiveLock}'::text[]
                    ELSE '{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}' END)
            LEFT JOIN pg_stat_activity a ON a.pid = l.pid
            LEFT JOIN pg_prepared_xacts p ON l.pid IS NULL AND p.transaction = (
                SELECT x.transactionid FROM pg_locks x
                WHERE x.locktype = 'transactionid' AND x.pid IS NULL AND x.virtualtransaction = l.virtualtransaction AND x.granted LIMIT 1)
            WHERE (a.pid IS NOT NULL OR p.gid IS NOT NULL) AND NOT coalesce(starts_with(a.backend_type, 'dbsync '), false)
              AND coalesce(a.xact_start, p.prepared, '-infinity') < clock_timestamp() - '1 s'::interval
            ORDER BY t.relid, t.capture, l.granted DESC, coalesce(a.xact_start, p.prepared), l.pid)
        SELECT string_agg(format('Table %s is locked by %s, so %s.', h.name, h.who, CASE h.capture
                WHEN 'wal' THEN 'nothing is read from the WAL'
                WHEN 'shadow' THEN 'it is not compared with its shadow'
                WHEN 'snapshot' THEN 'it is not compared'
                ELSE 'it is not scanned' END), ' ' ORDER BY h.name, h.capture)
        FROM holder h);
END $$;
COMMENT ON FUNCTION dbsync_internal.lock_in_words(int) IS 'who keeps tables of a subscription from being read from the WAL, scanned or compared with their shadows, by a lock; null: nobody';

-- wal_keep is looked after by any worker of the database.
CREATE FUNCTION dbsync_internal.unread_wal_in_words(of_subscription int) RETURNS text
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM dbsync_internal.wal_slot) OR NOT EXISTS (
        SELECT FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
        WHERE a.subscription_id = of_subscription AND c.capture = 'wal' AND c.state NOT IN ('dropped', 'removing'))
    THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT format('Nobody reads from the WAL, as no subscription that has tables with capture "wal" has a worker: replication slot "%s" keeps %s of it, '
            'of the whole server%s. Start one, or take these tables out with dbsync.remove_table().',
            s.slot_name, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.restart_lsn)),
            CASE WHEN NOT EXISTS (SELECT FROM dbsync_internal.slots() k WHERE k.pid IS NOT NULL)
                THEN ', and nobody looks at dbsync.wal_keep, as none of this database has one' END)
        FROM dbsync_internal.wal_slot w JOIN pg_replication_slots s ON s.slot_name = w.name
        WHERE s.restart_lsn IS NOT NULL AND NOT pg_is_in_recovery() AND NOT EXISTS (
            SELECT FROM dbsync_internal.slots() k JOIN dbsync.subscription_table a ON a.subscription_id = k.subscription_id
            JOIN dbsync.captured_table c ON c.id = a.captured_id
            WHERE k.pid IS NOT NULL AND c.capture = 'wal'));
END $$;
COMMENT ON FUNCTION dbsync_internal.unread_wal_in_words(int) IS 'says so if no worker reads the WAL for tables of a subscription that are captured from it; null: one does, or there are none';

-- A backlog with a ceiling: what is kept for a subscription whose target is away or slow is not to
-- fill the disk.
--
-- Its backlog is what lies in closed segments that it has not come past, the headers' among them,
-- and in the active ones behind these.  Where there is none of the former the latter is not
-- counted: it is a segment at most, and may well be on the target.  Nor is what an open
-- transaction has written: giving up would not free it.
--
--	half of the limit	keys alone are captured of its largest table, and of the next one the next
--				time; whole rows again when the backlog is below a tenth
--	the limit		its largest tables are suspended, until three quarters are left: nobody keeps
--				anything for them, and they are copied anew when the target is there.  When
--				none is left headers are not kept for it either, and it begins anew
--
-- An UPDATE of nothing would be a change of the configuration to everybody, so rows are looked for before.
--
-- Called by workers, each for all subscriptions of the database, as those that are stopped or wait
-- have none, or one that sleeps.  Who calls has the lock that those have who empty segments.

CREATE FUNCTION dbsync_internal.check_backlog_limit(backlog_limit text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at_least bigint := 4 * pg_size_bytes(current_setting('dbsync.segment_size'));
    bytes bigint;
BEGIN
    IF coalesce(backlog_limit, '') = '' THEN
        RETURN;
    END IF;
    BEGIN
        bytes := pg_size_bytes(backlog_limit);
    EXCEPTION WHEN numeric_value_out_of_range OR invalid_text_representation OR invalid_parameter_value THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('backlog_limit "%s" is no size', backlog_limit),
            HINT = 'Give a number and a unit, kB, MB, GB or TB, such as "10 GB". In alter_subscription() an empty text takes the limit away.';
    END;
    IF bytes < at_least THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('backlog_limit "%s" is too small', backlog_limit),
            DETAIL = 'What is captured is emptied segment by segment.',
            HINT = format('It must be %s or more, which is four times dbsync.segment_size.', pg_size_pretty(at_least));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_backlog_limit(text) IS 'error unless it is a size that some segments have room in, empty or null';

-- ---------------------------------------------------------------------------
-- How much is kept, and why

CREATE FUNCTION dbsync_internal.snapshot_covers(wide pg_snapshot, narrow pg_snapshot) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_snapshot_covers_sql';
COMMENT ON FUNCTION dbsync_internal.snapshot_covers(pg_snapshot, pg_snapshot) IS 'is every transaction that is visible in the second visible in the first?';

-- By tables, and headers (0).  What is kept for a table is what lies behind the place where it is.
CREATE FUNCTION dbsync_internal.backlog(of_subscription int) RETURNS TABLE (captured_id int, bytes bigint)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH needs AS MATERIALIZED (
        SELECT n.id, n.place::pg_snapshot FROM (
            SELECT DISTINCT k.id, p.place FROM dbsync.subscription s
            LEFT JOIN dbsync.subscription_table a ON a.subscription_id = s.id AND a.state <> 'suspended' AND a.capture IS NULL
            CROSS JOIN LATERAL (SELECT CASE WHEN a.held IS NOT NULL THEN a.held WHEN s.position IS NULL OR s.begins_anew
                THEN a.start_position ELSE s.position END::text) p (place)
            CROSS JOIN LATERAL (VALUES (0), (a.captured_id)) k (id)
            WHERE s.id = of_subscription AND p.place IS NOT NULL AND k.id IS NOT NULL) n
    ), kept AS (
        SELECT g.captured_id, sum(pg_total_relation_size(g.relid)) AS bytes FROM dbsync.segment g
        WHERE NOT g.active AND g.sealed IS NOT NULL AND pg_relation_size(g.relid) > 0
          AND EXISTS (SELECT FROM needs n WHERE n.id = g.captured_id AND NOT dbsync_internal.snapshot_covers(n.place, g.sealed))
        GROUP BY g.captured_id)
    SELECT k.captured_id, (k.bytes + coalesce((SELECT sum(pg_total_relation_size(g.relid)) FROM dbsync.segment g
                                               WHERE g.captured_id = k.captured_id AND g.active), 0))::bigint
    FROM kept k
$$;
COMMENT ON FUNCTION dbsync_internal.backlog(int) IS 'what is kept for a subscription, by captured table (0: headers), in bytes; tables and headers of which nothing is kept are left out';

-- What is at the target was all copied from here, and so can be once more without anybody's asking.  Where others write
-- to it, too, that is not so: another subscription, or people there, of whom the target sends us what they do.
CREATE FUNCTION dbsync_internal.is_replaceable(attached dbsync.subscription_table) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT attached.copy_data AND attached.existing_rows IS DISTINCT FROM 'keep'
        AND (attached.operations IS NULL OR attached.operations @> '{insert,update,delete,truncate}')
        AND NOT EXISTS (
            SELECT FROM dbsync.subscription_table o
            JOIN dbsync.subscription os ON os.id = o.subscription_id
            JOIN dbsync.subscription s ON s.id = attached.subscription_id AND s.target = os.target
            WHERE o.uid <> attached.uid AND o.target_table = attached.target_table AND o.target_schema = attached.target_schema)
        AND NOT (SELECT dbsync_internal.is_applied_into(c.relid) FROM dbsync.captured_table c WHERE c.id = attached.captured_id)
$$;
COMMENT ON FUNCTION dbsync_internal.is_replaceable(dbsync.subscription_table) IS 'has the target nothing of this table but what a copy brings?';

CREATE FUNCTION dbsync_internal.awaits_copy(attached dbsync.subscription_table, captured dbsync.captured_table) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT attached.state = 'suspended' AND attached.backlog_at IS NOT NULL AND captured.state IN ('installing', 'active')
        AND dbsync_internal.is_replaceable(attached)
$$;
COMMENT ON FUNCTION dbsync_internal.awaits_copy(dbsync.subscription_table, dbsync.captured_table) IS 'will the worker copy this table anew by itself, since its backlog was given up?';

-- ---------------------------------------------------------------------------
-- Giving up

CREATE FUNCTION dbsync_internal.give_up_table(subscription dbsync.subscription, attached dbsync.subscription_table, captured dbsync.captured_table,
    kept bigint, total bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rest text := CASE WHEN captured.state = 'dropped' THEN 'as the table was dropped, its target stays as it is'
        WHEN dbsync_internal.is_replaceable(attached) THEN 'it is copied anew when the target is there'
        ELSE format('it is not copied anew by itself, as its target may have rows that a copy does not bring; to go on: SELECT dbsync.copy_table(%L, %L, existing_rows => ...)',
            subscription.name, dbsync_internal.name_of(captured)) END;
BEGIN
    UPDATE dbsync.subscription_table a
    SET state = 'suspended', backlog_at = now(),
        note = format('backlog: %s were kept for it, and for all of its subscription %s, more than backlog_limit; %s',
            pg_size_pretty(kept), pg_size_pretty(total), rest)
    WHERE a.uid = attached.uid AND a.state <> 'suspended';
    RAISE WARNING USING MESSAGE = format('backlog of subscription "%s" has %s: what is kept for table %s is given up',
            subscription.name, pg_size_pretty(total), dbsync_internal.name_of(captured)),
        DETAIL = format('Its backlog_limit is %s, and %s were kept for this table: %s.', subscription.backlog_limit, pg_size_pretty(kept), rest);
END $$;
COMMENT ON FUNCTION dbsync_internal.give_up_table(dbsync.subscription, dbsync.subscription_table, dbsync.captured_table, bigint, bigint) IS 'suspends a table in a subscription, until it is copied anew, so that nothing is kept for it';

-- Headers are kept for a held table alone from where it stands: where most is in these it goes first, or all others
-- would go for nothing.
--
-- Its row is locked first: who adds a table does it, too, so that we see it or he sees us.  Nobody is waited for:
-- what is locked is left to the next time.
CREATE FUNCTION dbsync_internal.give_up_backlog(of_subscription int, total bigint, goal bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription dbsync.subscription;
    next record;
    remaining bigint := total;
    by_headers boolean := coalesce((SELECT b.bytes FROM dbsync_internal.backlog(of_subscription) b WHERE b.captured_id = 0), 0) > total / 2;
BEGIN
    SELECT s.* INTO subscription FROM dbsync.subscription s WHERE s.id = of_subscription FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR next IN
        SELECT a AS attached, c AS captured, coalesce(b.bytes, 0) AS bytes
        FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
        LEFT JOIN dbsync_internal.backlog(of_subscription) b ON b.captured_id = a.captured_id
        WHERE a.subscription_id = of_subscription AND a.state <> 'suspended' AND a.capture IS NULL
        ORDER BY CASE WHEN by_headers THEN pg_snapshot_xmin(a.held) END, 3 DESC, c.id FOR UPDATE OF a SKIP LOCKED
    LOOP
        EXIT WHEN remaining <= goal;
        PERFORM dbsync_internal.give_up_table(subscription, next.attached, next.captured, next.bytes, total);
        remaining := CASE WHEN (next.attached).held IS NOT NULL
            THEN (SELECT coalesce(sum(b.bytes), 0) FROM dbsync_internal.backlog(of_subscription) b) ELSE remaining - next.bytes END;
    END LOOP;
    -- those that are scanned go by no position
    UPDATE dbsync.subscription s SET begins_anew = true
    WHERE s.id = of_subscription AND s.position IS NOT NULL AND NOT s.begins_anew AND remaining > goal
      AND NOT EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.subscription_id = s.id AND a.state <> 'suspended' AND a.capture IS NULL);
END $$;
COMMENT ON FUNCTION dbsync_internal.give_up_backlog(int, bigint, bigint) IS 'suspends tables of a subscription, largest first, until no more than so many bytes are kept for it; when none is left it begins anew';

-- ---------------------------------------------------------------------------
-- Keys instead of whole rows

-- Not of a table of which somebody has to know what is new.  Where most is in the headers, which are all
-- tables', those come first of which most is in the segment at the moment.
CREATE FUNCTION dbsync_internal.reduce_next(subscription dbsync.subscription, total bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reduced dbsync.captured_table;
BEGIN
    SELECT t.* INTO reduced FROM dbsync.captured_table t JOIN dbsync.subscription_table a ON a.captured_id = t.id
    LEFT JOIN dbsync_internal.backlog(subscription.id) b ON b.captured_id = t.id
    WHERE a.subscription_id = subscription.id AND a.state <> 'suspended' AND a.capture IS NULL
      AND t.capture = 'trigger' AND t.state = 'active' AND t.key_index <> 0
      AND NOT EXISTS (SELECT FROM dbsync.subscription_table o WHERE o.captured_id = t.id AND o.state <> 'suspended' AND o.capture IS NULL
                      AND ('insert' = ANY (o.operations)) <> ('update' = ANY (o.operations)))
      AND (b.bytes IS NOT NULL OR (SELECT h.bytes FROM dbsync_internal.backlog(subscription.id) h WHERE h.captured_id = 0) > total / 2)
    ORDER BY coalesce(b.bytes, 0) DESC, dbsync_internal.log_bytes(t.id) DESC, t.id
    LIMIT 1 FOR UPDATE OF t SKIP LOCKED;
    IF FOUND THEN
        UPDATE dbsync.captured_table c SET capture = 'keys', reduced = true WHERE c.id = reduced.id;
        RAISE WARNING USING MESSAGE = format('backlog of subscription "%s" has %s: keys alone are captured of table %s',
                subscription.name, pg_size_pretty(total), reduced.relid),
            DETAIL = format('That is more than half of its backlog_limit, %s. Whole rows are captured again when it is below a tenth.', subscription.backlog_limit);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.reduce_next(dbsync.subscription, bigint) IS 'turns the largest table of a subscription that is captured with whole rows to keys';

-- large: subscriptions that need it.  Of one that all have given up nobody reads what is captured.
CREATE FUNCTION dbsync_internal.restore_reduced(large int[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    restored dbsync.captured_table;
BEGIN
    FOR restored IN
        SELECT t.* FROM dbsync.captured_table t
        WHERE t.reduced
          AND NOT EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = t.id AND a.subscription_id = ANY (large) AND a.state <> 'suspended')
          AND (EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = t.id AND a.capture IS NULL AND a.state <> 'suspended')
               OR NOT EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = t.id AND dbsync_internal.awaits_copy(a, t)))
        ORDER BY t.id FOR UPDATE OF t SKIP LOCKED
    LOOP
        UPDATE dbsync.captured_table c SET capture = 'trigger', reduced = false WHERE c.id = restored.id;
        RAISE LOG USING MESSAGE = format('whole rows are captured again of table %s', dbsync_internal.name_of(restored)),
            DETAIL = 'No backlog is in need of less any more.';
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.restore_reduced(int[]) IS 'turns tables back from keys to whole rows, of which no subscription that has much kept for it has any';

-- ---------------------------------------------------------------------------
-- All of it

CREATE FUNCTION dbsync_internal.keep_backlogs_low() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription dbsync.subscription;
    most bigint;
    total bigint;
    large int[] := '{}';
BEGIN
    FOR subscription IN SELECT s.* FROM dbsync.subscription s WHERE s.backlog_limit IS NOT NULL ORDER BY s.id LOOP
        most := pg_size_bytes(subscription.backlog_limit);
        total := (SELECT coalesce(sum(b.bytes), 0) FROM dbsync_internal.backlog(subscription.id) b);
        IF total > most THEN
            PERFORM dbsync_internal.give_up_backlog(subscription.id, total, most / 4 * 3);
        ELSIF total > most / 2 THEN
            PERFORM dbsync_internal.reduce_next(subscription, total);
        END IF;
        IF total > most / 10 THEN
            large := large || subscription.id;
        END IF;
    END LOOP;
    PERFORM dbsync_internal.restore_reduced(large);
END $$;
COMMENT ON FUNCTION dbsync_internal.keep_backlogs_low() IS 'does what backlog_limit says, for all subscriptions of the database';

-- ---------------------------------------------------------------------------
-- And back

-- Of those in the newest segment that has one: others closed before, but for who was open for long.
CREATE FUNCTION dbsync_internal.last_header(shown pg_snapshot, OUT closing pg_lsn, OUT xid xid8)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    segment regclass;
BEGIN
    FOR segment IN SELECT s.relid::regclass FROM dbsync.segment s WHERE s.captured_id = 0 ORDER BY s.active DESC, s.id DESC LOOP
        EXECUTE format('SELECT h.closing, h.xid FROM %s h WHERE pg_visible_in_snapshot(h.xid, $1) ORDER BY h.closing DESC, h.xid DESC LIMIT 1', segment)
        INTO closing, xid USING shown;
        EXIT WHEN closing IS NOT NULL;
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.last_header(pg_snapshot) IS 'a captured transaction that this snapshot shows, of the newest; null: there is none any more';

-- What copy_table() does, of the worker's own accord, as the target is there and has all else.  One that was never
-- begun to be copied may have rows of somebody's at the target, and is copied as was said when it was added.
-- too: it does not wait itself, but references rows of one that does.
CREATE FUNCTION dbsync_internal.copy_after_backlog(attachment uuid, too boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    attached dbsync.subscription_table;
    captured dbsync.captured_table;
    subscription dbsync.subscription;
    reason text;
BEGIN
    SELECT a.* INTO attached FROM dbsync.subscription_table a WHERE a.uid = attachment;
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.id = attached.captured_id;
    SELECT s.* INTO subscription FROM dbsync.subscription s WHERE s.id = attached.subscription_id;
    IF NOT coalesce(dbsync_internal.awaits_copy(attached, captured)
        OR (too AND attached.state <> 'suspended' AND captured.state = 'active' AND dbsync_internal.is_replaceable(attached)), false) THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.copy_table(dbsync_internal.owner_of(subscription.id), subscription.name, captured.relid,
        CASE WHEN attached.rows_expected IS NULL THEN attached.existing_rows ELSE 'truncate' END);
    RAISE LOG USING MESSAGE = format('table %s of subscription "%s" is copied anew, as its backlog was given up%s', captured.relid, subscription.name,
        CASE WHEN attached.backlog_at IS NULL THEN ', or that of a table that it references' END);
EXCEPTION WHEN insufficient_privilege OR feature_not_supported OR wrong_object_type OR object_not_in_prerequisite_state
    OR invalid_parameter_value OR undefined_object OR undefined_table OR program_limit_exceeded THEN
    reason := SQLERRM;
    UPDATE dbsync.subscription_table a
    SET backlog_at = NULL, note = format('backlog: what was kept for it was given up, and it cannot be copied anew: %s', reason)
    WHERE a.uid = attachment AND a.backlog_at IS NOT NULL;
    RAISE WARNING USING MESSAGE = format('table %s of subscription "%s" cannot be copied anew: %s', captured.relid, subscription.name, reason);
END $$;
COMMENT ON FUNCTION dbsync_internal.copy_after_backlog(uuid, boolean) IS 'copies a table anew whose backlog was given up; one that cannot be says why';

-- Loudest first; null: there is nothing to say.
CREATE FUNCTION dbsync_internal.backlog_in_words(subscription dbsync.subscription) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT nullif(concat_ws(' ',
        format('Given up, as its backlog was larger than backlog_limit, and copied anew when the target is there: %s.',
            string_agg(t.name, ', ' ORDER BY t.name) FILTER (WHERE t.awaits)) || CASE WHEN bool_or(t.awaits) THEN '' END,
        format('Given up, as its backlog was larger than backlog_limit, and not copied anew by itself: %s. To go on: SELECT dbsync.copy_table(%L, ...).',
            string_agg(t.name, ', ' ORDER BY t.name) FILTER (WHERE t.given_up AND NOT t.awaits), subscription.name)
            || CASE WHEN bool_or(t.given_up AND NOT t.awaits) THEN '' END,
        format('Captured by keys alone until backlogs are below a tenth of backlog_limit: %s.',
            string_agg(t.name, ', ' ORDER BY t.name) FILTER (WHERE t.reduced)) || CASE WHEN bool_or(t.reduced) THEN '' END,
        CASE WHEN subscription.backlog_limit IS NOT NULL AND NOT subscription.enabled
            THEN 'While it is stopped its backlog_limit is seen to by workers of other subscriptions of this database alone: if none runs, its backlog grows.' END), '')
    FROM (
        SELECT dbsync_internal.name_of(c) AS name, coalesce(dbsync_internal.awaits_copy(a, c), false) AS awaits,
            a.state = 'suspended' AND a.backlog_at IS NOT NULL AS given_up, c.reduced AND a.capture IS NULL AS reduced
        FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
        WHERE a.subscription_id = subscription.id AND (a.backlog_at IS NOT NULL OR c.reduced)) t
$$;
COMMENT ON FUNCTION dbsync_internal.backlog_in_words(dbsync.subscription) IS 'what has been done about the backlog of a subscription, and what to do; null: nothing';

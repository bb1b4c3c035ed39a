-- Following DDL: from the command on, rows are of another shape and go to another segment,
-- and between the two kinds of rows there is a turn.
--
-- All of it happens in the transaction of the DDL, which has the table's lock: writers
-- under way have ended, and the next ones find the new segment.

CREATE FUNCTION dbsync_internal.turn(rel regclass, same_shape boolean DEFAULT false) RETURNS bigint
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_turn';
COMMENT ON FUNCTION dbsync_internal.turn(regclass, boolean) IS 'counts a turn of a captured table in this transaction, and says its place';

-- ALTER TABLE that wrote a captured table anew.  A table, so that ROLLBACK TO takes it
-- back; there is something in it only while such a command runs.
CREATE TABLE dbsync_internal.rewritten (
    captured_id int NOT NULL,
    -- bits, as the event gives them: 2: columns were filled; 4: types were changed
    reason int NOT NULL,
    by_expression boolean NOT NULL
);
ALTER TABLE dbsync_internal.rewritten REPLICA IDENTITY FULL;
COMMENT ON TABLE dbsync_internal.rewritten IS 'captured tables that the ALTER TABLE under way has written anew';
COMMENT ON COLUMN dbsync_internal.rewritten.captured_id IS 'the captured table';
COMMENT ON COLUMN dbsync_internal.rewritten.reason IS 'why, as pg_event_trigger_table_rewrite_reason() says it';
COMMENT ON COLUMN dbsync_internal.rewritten.by_expression IS 'whether a type was changed with USING';

-- A conversion that the server at the target makes just as this one does: none at all, or
-- one by a function of the system that heeds no settings.  Input and output functions do
-- heed some, however immutable they are called.
CREATE FUNCTION dbsync_internal.converts_alike(before oid, after oid) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE pair (before, after) AS (
        SELECT converts_alike.before, converts_alike.after
      UNION
        SELECT b.typelem, a.typelem
        FROM pair JOIN pg_type b ON b.oid = pair.before JOIN pg_type a ON a.oid = pair.after
        WHERE b.typcategory = 'A' AND a.typcategory = 'A' AND b.typelem <> 0 AND a.typelem <> 0
    ), element AS (
        SELECT pair.* FROM pair JOIN pg_type t ON t.oid = pair.before WHERE t.typcategory <> 'A' OR t.typelem = 0
    ), conversion AS (
        -- to another type, and then to its length or precision
        SELECT c.castmethod, c.castfunc FROM element JOIN pg_cast c ON c.castsource = element.before AND c.casttarget = element.after
        UNION ALL SELECT c.castmethod, c.castfunc FROM element JOIN pg_cast c ON c.castsource = element.after AND c.casttarget = element.after
        WHERE element.before <> element.after
    )
    SELECT EXISTS (SELECT FROM element WHERE element.before = element.after OR EXISTS (
            SELECT FROM pg_cast c WHERE c.castsource = element.before AND c.casttarget = element.after))
        AND NOT EXISTS (
            SELECT FROM conversion LEFT JOIN pg_proc p ON p.oid = conversion.castfunc
            -- 16384: the first oid of what is no part of the system
            WHERE conversion.castmethod <> 'b' AND NOT coalesce(conversion.castmethod = 'f' AND p.provolatile = 'i' AND p.oid < 16384, false))
$$;
COMMENT ON FUNCTION dbsync_internal.converts_alike(oid, oid) IS 'does ALTER COLUMN TYPE without USING give the same values everywhere?';

CREATE FUNCTION dbsync_internal.guard_is_ours(xmin xid) RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_guard_is_ours';
COMMENT ON FUNCTION dbsync_internal.guard_is_ours(xid) IS 'was a row of a catalog written by this transaction?';

-- Why the rows that a table has can be another's than those that were captured; null: they
-- are the same, but for columns that the target fills and converts by itself.
CREATE FUNCTION dbsync_internal.unseen_values(captured dbsync.captured_table, before jsonb, after jsonb) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rewrite dbsync_internal.rewritten;
    col record;
    plain text;
    unheard text;
    otherwise text;
    filled text;
BEGIN
    SELECT captured.id, bit_or(r.reason), bool_or(r.by_expression) INTO rewrite
    FROM dbsync_internal.rewritten r WHERE r.captured_id = captured.id;
    -- all columns once, since there may be many; of each kind the first counts
    FOR col IN
        SELECT a.name, b.num IS NULL AS added, b.generated AS was_generated, a.type, a.typmod, b.type AS old_type, b.typmod AS old_typmod,
            (a.type, a.typmod) IS DISTINCT FROM (b.type, b.typmod) AND NOT dbsync_internal.guard_is_ours(t.xmin) AS unheard,
            t.atthasdef OR t.attidentity <> '' OR y.typtype = 'd' AS has_value
        FROM dbsync_internal.shape_columns(after) a LEFT JOIN dbsync_internal.shape_columns(before) b ON b.num = a.num
        JOIN pg_attribute t ON t.attrelid = captured.relid AND t.attnum = a.num
        JOIN pg_type y ON y.oid = t.atttypid
        WHERE NOT a.generated AND (b.num IS NULL OR b.generated OR (a.type, a.typmod) <> (b.type, b.typmod))
        ORDER BY a.num
    LOOP
        IF col.was_generated THEN
            plain := coalesce(plain, format('column %I was generated, and is sent from now on', col.name));
        -- also where nothing was written: timestamp becomes timestamptz so where the time zone is UTC
        ELSIF NOT col.added AND NOT dbsync_internal.converts_alike(col.old_type, col.type) THEN
            otherwise := coalesce(otherwise, format('ALTER TABLE turned column %I from %s into %s, which another server may do otherwise',
                col.name, format_type(col.old_type, col.old_typmod), format_type(col.type, col.typmod)));
        ELSIF col.added AND col.has_value THEN
            -- if the table was written anew, what the rows got in it was written down nowhere
            filled := coalesce(filled, format('ALTER TABLE gave its rows values in column %I that no trigger saw', col.name));
        END IF;
        -- nobody was told then of what the rows got
        IF col.unheard THEN
            unheard := coalesce(unheard, format('column %I was added or altered while event triggers were off', col.name));
        END IF;
    END LOOP;
    RETURN CASE
        WHEN plain IS NOT NULL THEN plain
        WHEN unheard IS NOT NULL THEN unheard
        WHEN rewrite.by_expression THEN 'ALTER TABLE ... USING gave its rows values that no trigger saw'
        WHEN otherwise IS NOT NULL THEN otherwise
        WHEN rewrite.reason IS NOT NULL THEN filled
    END;
END $$;
COMMENT ON FUNCTION dbsync_internal.unseen_values(dbsync.captured_table, jsonb, jsonb) IS 'why a table must be copied anew after DDL, in words; null: it need not be';

-- What rows that are there already have in columns that were not: written down in the
-- table's own description, as long as nobody writes the table anew.
CREATE FUNCTION dbsync_internal.missing_values(rel oid, before jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    SET "DateStyle" = 'ISO, YMD' SET "IntervalStyle" = 'postgres' SET "TimeZone" = 'UTC' SET extra_float_digits = 3
    SET bytea_output = 'hex' SET lc_monetary = 'C' SET quote_all_identifiers = off SET standard_conforming_strings = on
AS $$
BEGIN
    -- a partitioned table has no rows of its own: all partitions were given the same value
    RETURN (SELECT coalesce(jsonb_object_agg(t.attnum::text, array_to_string(v.attmissingval, '')), '{}')
        FROM pg_attribute t CROSS JOIN LATERAL (
            SELECT l.attmissingval FROM (SELECT rel UNION ALL SELECT m.relid FROM dbsync_internal.members(rel) m) s (relid)
            JOIN pg_attribute l ON l.attrelid = s.relid AND l.attname = t.attname
            WHERE NOT l.attisdropped AND l.atthasmissing LIMIT 1) v
        WHERE t.attrelid = rel AND t.attnum > 0 AND NOT t.attisdropped AND t.attgenerated = ''
          AND NOT EXISTS (SELECT FROM dbsync_internal.shape_columns(before) b WHERE b.num = t.attnum));
END $$;
COMMENT ON FUNCTION dbsync_internal.missing_values(oid, jsonb) IS 'values that a table''s rows have in columns that were added, by number; not in it: null';

-- The caller has seen that the table can be captured as it is now.  A new segment even
-- where only a default has changed: rows that wait in the old one are of the old shape.
CREATE FUNCTION dbsync_internal.follow(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before dbsync.shape;
    after dbsync.shape;
    chosen_key oid;
    unseen text;
BEGIN
    -- most commands have more; VALIDATE CONSTRAINT lets writers go on
    PERFORM dbsync_internal.lock_by_oid(captured.relid, 'SHARE ROW EXCLUSIVE');
    chosen_key := dbsync_internal.usable_key(captured.relid);
    SELECT h.* INTO STRICT before FROM dbsync.shape h JOIN dbsync.segment s ON s.shape_id = h.id
    WHERE s.captured_id = captured.id AND s.active;
    after.columns := dbsync_internal.describe_columns(captured.relid);
    unseen := dbsync_internal.unseen_values(captured, before.columns, after.columns);
    DELETE FROM dbsync_internal.rewritten r WHERE r.captured_id = captured.id;

    after.id := dbsync_internal.find_shape(captured.id, after.columns, chosen_key, unseen IS NOT NULL);
    UPDATE dbsync.captured_table c SET key_index = chosen_key,
        key_columns = dbsync_internal.key_columns(chosen_key, cardinality(c.named_key)),
        -- a column may have got another name
        named_key = CASE WHEN c.named_key IS NOT NULL THEN ARRAY(
            SELECT a.attname FROM unnest(string_to_array(c.key_columns::text, ' ')::smallint[]) WITH ORDINALITY k (num, n)
            JOIN pg_attribute a ON a.attrelid = c.relid AND a.attnum = k.num ORDER BY k.n) END
    WHERE c.id = captured.id;
    UPDATE dbsync.captured_table c SET shape = dbsync_internal.table_shape(captured.relid, after.columns) WHERE c.id = captured.id;
    IF after.id = before.id THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.refresh_bounds(captured, true);
    UPDATE dbsync.segment s SET active = false, sealed = NULL WHERE s.captured_id = captured.id AND s.active;
    PERFORM dbsync_internal.create_segment(captured.id);
    INSERT INTO dbsync.turn (captured_id, xid, no, kind, shape_id, missing, reason)
    VALUES (captured.id, pg_current_xact_id(), dbsync_internal.turn(captured.relid),
        CASE WHEN unseen IS NULL THEN 'shape' ELSE 'recopy' END, after.id,
        dbsync_internal.missing_values(captured.relid, before.columns), unseen);
END $$;
COMMENT ON FUNCTION dbsync_internal.follow(dbsync.captured_table) IS 'lets capture go on with a table that DDL has changed';

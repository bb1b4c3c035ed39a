-- Shapes: what a captured table looks like, written down when capture begins.
--
-- Whoever reads captured rows asks the shape of their segment and never the table, which
-- may look otherwise by then.

-- A default travels if it needs nothing but what every server has: no function, type or
-- sequence of this database.  Called under the pins of the apply session.
CREATE FUNCTION dbsync_internal.default_that_travels(rel oid, num smallint) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d
    WHERE d.adrelid = rel AND d.adnum = num
      AND NOT EXISTS (SELECT FROM pg_depend p
                      WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
                        AND NOT (p.refclassid = 'pg_class'::regclass AND p.refobjid = rel))
$$;
COMMENT ON FUNCTION dbsync_internal.default_that_travels(oid, smallint) IS 'default of a column as text, if it means the same everywhere; else null';

-- A column of a segment has the type below a domain (dbsync_internal.segment_columns());
-- generated columns are in no segment, and the target is to have none of their names.
CREATE FUNCTION dbsync_internal.describe_columns(rel regclass) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE col AS (
        SELECT a.attnum, a.attname, a.atttypid AS typ, a.atttypmod AS typmod, a.attcollation AS coll, a.attgenerated, a.attnotnull
        FROM pg_attribute a
        WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL
        SELECT col.attnum, col.attname, t.typbasetype,
            CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE col.typmod END, col.coll, col.attgenerated, col.attnotnull
        FROM col JOIN pg_type t ON t.oid = col.typ
        WHERE t.typtype = 'd'
    )
    SELECT coalesce(jsonb_agg(jsonb_build_object('num', col.attnum, 'name', col.attname, 'type', col.typ::bigint,
               'typmod', col.typmod, 'collation', col.coll::bigint, 'generated', col.attgenerated <> '',
               'not_null', col.attnotnull,
               'default', CASE WHEN col.attgenerated = '' THEN dbsync_internal.default_that_travels(rel, col.attnum) END) ORDER BY col.attnum), '[]')
    FROM col JOIN pg_type t ON t.oid = col.typ
    WHERE t.typtype <> 'd'
$$;
COMMENT ON FUNCTION dbsync_internal.describe_columns(regclass) IS 'columns of a table as dbsync.shape has them';

CREATE FUNCTION dbsync_internal.shape_columns(columns jsonb)
    RETURNS TABLE (num int, name name, type oid, typmod int, "collation" oid, generated boolean, not_null boolean, "default" text)
    LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.num, c.name, c.type, c.typmod, c."collation", c.generated, c.not_null, c."default"
    FROM jsonb_to_recordset(columns)
        c (num int, name name, type oid, typmod int, "collation" oid, generated boolean, not_null boolean, "default" text)
$$;
COMMENT ON FUNCTION dbsync_internal.shape_columns(jsonb) IS 'columns of a shape as rows';

-- The shape that the table has now: the one it had last, if it is still the same.  The
-- caller keeps others from altering the table.
CREATE FUNCTION dbsync_internal.find_shape(captured_id int, rel regclass, key_index oid) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    now dbsync.shape;
    last dbsync.shape;
BEGIN
    now.columns := dbsync_internal.describe_columns(rel);
    SELECT array_agg(i.indkey[k.n] ORDER BY k.n), array_agg(i.indclass[k.n] ORDER BY k.n), array_agg(i.indcollation[k.n] ORDER BY k.n)
    INTO now.key, now.key_classes, now.key_collations
    FROM pg_index i, generate_series(0, i.indnkeyatts - 1) k (n)
    WHERE i.indexrelid = key_index;
    SELECT h.* INTO last FROM dbsync.shape h WHERE h.captured_id = find_shape.captured_id ORDER BY h.id DESC LIMIT 1;
    IF (last.columns, last.key, last.key_classes, last.key_collations)
        IS NOT DISTINCT FROM (now.columns, now.key, now.key_classes, now.key_collations) THEN
        RETURN last.id;
    END IF;
    SELECT coalesce(string_agg(c.num::text, ' ' ORDER BY c.num), '')::int2vector INTO now.captured
    FROM dbsync_internal.shape_columns(now.columns) c WHERE NOT c.generated;
    INSERT INTO dbsync.shape (captured_id, captured, columns, key, key_classes, key_collations)
    VALUES (captured_id, now.captured, now.columns, now.key, now.key_classes, now.key_collations)
    RETURNING id INTO now.id;
    RETURN now.id;
END $$;
COMMENT ON FUNCTION dbsync_internal.find_shape(int, regclass, oid) IS 'the shape that a table with this key has now; a new one, if it is not the last one it had';

CREATE FUNCTION dbsync_internal.turn(rel regclass) RETURNS bigint
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_turn';
COMMENT ON FUNCTION dbsync_internal.turn(regclass) IS 'counts a turn of a captured table in this transaction, and says its place';

-- Called when DDL has changed a captured table, in the very transaction, which has the
-- table's lock: rows from here on are of another shape, and go to a segment of that.
-- Settings are those of the apply session: what is written down here is read there.
CREATE FUNCTION dbsync_internal.follow(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    SET "DateStyle" = 'ISO, YMD' SET "IntervalStyle" = 'postgres' SET "TimeZone" = 'UTC' SET extra_float_digits = 3
    SET bytea_output = 'hex' SET lc_monetary = 'C' SET quote_all_identifiers = off
AS $$
DECLARE
    chosen_key oid := coalesce(dbsync_internal.current_key(captured.relid), dbsync_internal.choose_key(captured.relid));
    new_shape int;
BEGIN
    PERFORM dbsync_internal.check_supported(captured.relid);
    new_shape := dbsync_internal.find_shape(captured.id, captured.relid, chosen_key);
    UPDATE dbsync.captured_table c
    SET key_index = chosen_key, key_columns = dbsync_internal.key_columns(chosen_key),
        shape = dbsync_internal.table_shape(captured.relid)
    WHERE c.id = captured.id;
    IF EXISTS (SELECT FROM dbsync.segment s WHERE s.captured_id = captured.id AND s.active AND s.shape_id = new_shape) THEN
        RETURN;
    END IF;
    UPDATE dbsync.segment s SET active = false, sealed = NULL WHERE s.captured_id = captured.id AND s.active;
    PERFORM dbsync_internal.create_segment(captured.id);
    INSERT INTO dbsync.turn (captured_id, xid, no, kind, shape_id)
    VALUES (captured.id, pg_current_xact_id(), dbsync_internal.turn(captured.relid), 'shape', new_shape);
END $$;
COMMENT ON FUNCTION dbsync_internal.follow(dbsync.captured_table) IS 'lets capture go on with a table that DDL has changed';

-- Shapes: what a captured table looks like, written down when capture begins.
--
-- Whoever reads captured rows asks the shape of their segment and never the table, which
-- may look otherwise by then.

-- A column of a segment has the type below a domain (dbsync_internal.segment_columns());
-- generated columns are in no segment, and the target is to have none of their names.
-- Defaults are text that the apply session reads: settings are its own, whoever asks.
--
-- A default travels if it needs nothing but what every server has: no function, type or
-- sequence of this database.  At the target it runs as whoever inserts there, who may have
-- rights that the table's owner here has not: so it may do nothing, nor read what is not in
-- it (query_to_xml() runs any statement).  What is not in pg_depend is the system's own, and
-- the numbers of its functions are to be read in the expression only; a constant has none.
--
-- DDL waits for this, of tables with hundreds of columns: so it is one statement for all of
-- them, whose plan is kept.
CREATE FUNCTION dbsync_internal.describe_columns(rel regclass) RETURNS jsonb
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    SET "DateStyle" = 'ISO, YMD' SET "IntervalStyle" = 'postgres' SET "TimeZone" = 'UTC' SET extra_float_digits = 3
    SET bytea_output = 'hex' SET lc_monetary = 'C' SET quote_all_identifiers = off SET standard_conforming_strings = on
AS $$
BEGIN
    RETURN (WITH RECURSIVE col AS (
        SELECT a.attnum, a.attname, a.atttypid AS typ, a.atttypmod AS typmod, a.attcollation AS coll, a.attgenerated <> '' AS generated,
            a.attgenerated = '' AND a.attnotnull AND dbsync_internal.has_no_nulls(rel, a.attnum) AS not_null,
            -- no column is named in it: so it is written without regard to the table's, which are many
            CASE WHEN a.attgenerated = '' AND a.atthasdef THEN (
                SELECT pg_get_expr(d.adbin, 0) FROM pg_attrdef d
                WHERE d.adrelid = rel AND d.adnum = a.attnum
                  AND NOT EXISTS (SELECT FROM pg_depend p
                                  WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
                                    AND NOT (p.refclassid = 'pg_class'::regclass AND p.refobjid = rel))
                  AND (starts_with(d.adbin::text, '{CONST ') OR NOT EXISTS (
                      SELECT FROM regexp_matches(d.adbin::text, ':(?:func|opfunc)id ([0-9]+)', 'g') m JOIN pg_proc f ON f.oid = m[1]::oid
                      WHERE f.provolatile = 'v' AND f.proname NOT IN ('random', 'gen_random_uuid', 'uuidv4', 'uuidv7', 'clock_timestamp', 'timeofday')
                         OR f.proname ~ '_to_xml'))) END AS standard
        FROM pg_attribute a
        WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL
        SELECT col.attnum, col.attname, t.typbasetype,
            CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE col.typmod END, col.coll, col.generated, col.not_null, col.standard
        FROM col JOIN pg_type t ON t.oid = col.typ
        WHERE t.typtype = 'd'
    )
    SELECT coalesce(jsonb_agg(jsonb_build_object('num', col.attnum, 'name', col.attname, 'type', col.typ::bigint,
               'typmod', col.typmod, 'collation', col.coll::bigint, 'generated', col.generated,
               'not_null', col.not_null, 'default', col.standard) ORDER BY col.attnum), '[]')
    FROM col JOIN pg_type t ON t.oid = col.typ
    WHERE t.typtype <> 'd');
END $$;
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

-- What a segment of a shape looks like: the body of its CREATE TABLE.  The
-- last column says which of the table's columns an UPDATE left as they were (the
-- third after ours is 3); they are null in that row.  A vector is never stored out
-- of line: no segment needs a TOAST table for its sake.
CREATE FUNCTION dbsync_internal.segment_body(columns jsonb) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
BEGIN
    RETURN (WITH col AS (
        SELECT c.num, c.name, format('%I %s%s', c.name, format_type(c.type, c.typmod),
            (SELECT format(' COLLATE %I.%I', n.nspname, l.collname)
             FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace
             WHERE l.oid = c."collation")) AS definition
        FROM dbsync_internal.shape_columns(columns) c WHERE NOT c.generated
    ), taken AS (
        SELECT array_agg(col.name) AS names FROM col
    )
    SELECT format('%I "char", %I xid8, %I bigint',
            dbsync_internal.free_column_name(taken.names, 'dbsync_op'),
            dbsync_internal.free_column_name(taken.names, 'dbsync_xid'),
            dbsync_internal.free_column_name(taken.names, 'dbsync_no'))
        || coalesce((SELECT string_agg(', ' || col.definition, '' ORDER BY col.num) FROM col), '')
        || format(', %I int2vector', dbsync_internal.free_column_name(taken.names, 'dbsync_same'))
    FROM taken);
END $$;
COMMENT ON FUNCTION dbsync_internal.segment_body(jsonb) IS 'column definitions of a segment for columns as dbsync.shape has them';

-- All that capture, segments and worker rely on: what the table is, its columns and its
-- key.  Names of the table and its schema, owner, checks, other indexes, storage and
-- statistics are left out: they may change at any time.
CREATE FUNCTION dbsync_internal.table_shape(rel regclass, columns jsonb DEFAULT NULL) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    current oid := dbsync_internal.current_key(rel);
BEGIN
    RETURN (SELECT concat_ws(';',
        c.relkind, c.relpersistence, c.relispartition,
        -- who is a partition, or inherits, is followed elsewhere (follow_members(), follow_inheritance())
        coalesce(columns, dbsync_internal.describe_columns(rel))::text,
        (SELECT concat_ws(',', dbsync_internal.key_columns(key.indexrelid, cardinality(dbsync_internal.named_columns(rel)))::text, key.indisvalid, key.indimmediate, key.indclass::text, key.indcollation::text)
         FROM pg_index key WHERE key.indexrelid = current))
        FROM pg_class c WHERE c.oid = rel);
END $$;
COMMENT ON FUNCTION dbsync_internal.table_shape(regclass, jsonb) IS 'fingerprint of what capture of a table depends on; columns: as describe_columns() says they are, null: ask it';

-- The shape of a table with these columns (describe_columns()): the one it had last, if that is the same and no
-- other is asked for.  The caller keeps others from altering the table.
CREATE FUNCTION dbsync_internal.find_shape(captured_id int, columns jsonb, key_index oid, another boolean DEFAULT false) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    now dbsync.shape;
    last dbsync.shape;
BEGIN
    now.columns := columns;
    SELECT coalesce(array_agg(i.indkey[k.n] ORDER BY k.n), '{}'), coalesce(array_agg(i.indclass[k.n] ORDER BY k.n), '{}'),
        coalesce(array_agg(i.indcollation[k.n] ORDER BY k.n), '{}')
    INTO now.key, now.key_classes, now.key_collations
    FROM pg_index i, dbsync.captured_table c, generate_series(0, coalesce(cardinality(c.named_key), i.indnkeyatts) - 1) k (n)
    WHERE i.indexrelid = find_shape.key_index AND c.id = find_shape.captured_id;
    SELECT h.* INTO last FROM dbsync.shape h WHERE h.captured_id = find_shape.captured_id ORDER BY h.id DESC LIMIT 1;
    IF NOT another AND (last.columns, last.key, last.key_classes, last.key_collations)
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
COMMENT ON FUNCTION dbsync_internal.find_shape(int, jsonb, oid, boolean) IS 'the shape that a table with these columns and this key has now; a new one, if it is not the last one it had';

-- Values of the type that the table has, or that rows have that wait; null: there are none.
CREATE FUNCTION dbsync_internal.column_of_type(captured dbsync.captured_table, type oid) RETURNS name
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(
        (SELECT w.attname FROM dbsync_internal.types_within(captured.relid) w
         WHERE captured.state <> 'dropped' AND w.typ = column_of_type.type ORDER BY 1 LIMIT 1),
        (SELECT c.name FROM dbsync.shape h, dbsync_internal.shape_columns(h.columns) c
         WHERE h.captured_id = captured.id AND column_of_type.type IN (SELECT dbsync_internal.types_in(c.type)) ORDER BY 1 LIMIT 1))
$$;
COMMENT ON FUNCTION dbsync_internal.column_of_type(dbsync.captured_table, oid) IS 'a column of a captured table that has values of the type, now or in rows that were captured, however deep inside; null: none has';

-- Has the table values of the type, or rows that wait?
CREATE FUNCTION dbsync_internal.has_type(captured dbsync.captured_table, type oid) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT dbsync_internal.column_of_type(captured, type) IS NOT NULL
$$;
COMMENT ON FUNCTION dbsync_internal.has_type(dbsync.captured_table, oid) IS 'has a captured table the type in one of its columns, now or in rows that were captured, however deep inside?';

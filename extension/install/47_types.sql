-- Whether a table's columns are something at its target: asked of the table of types, not of the target.

CREATE FUNCTION dbsync_internal.target_dialect(target name) RETURNS text
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_target_dialect';
COMMENT ON FUNCTION dbsync_internal.target_dialect(name) IS 'whose SQL the target speaks, as in dbsync.types';

CREATE FUNCTION dbsync_internal.check_target_types(target name, rel text, columns text[], types oid[], typmods int[], collations oid[],
    keys int[]) RETURNS void
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_check_target_types';
COMMENT ON FUNCTION dbsync_internal.check_target_types(name, text, text[], oid[], int[], oid[], int[]) IS 'error if a column has a type that the target has no counterpart for, or not in a key; keys: places of its columns, from 0';

CREATE FUNCTION dbsync_internal.columns_sent(rel regclass, selection jsonb)
    RETURNS TABLE (place bigint, num smallint, name text, type oid, typmod int, "collation" oid)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.n, (c.o ->> 'number')::smallint, c.o ->> 'name', (c.o ->> 'type')::oid, (c.o ->> 'typmod')::int, (c.o ->> 'collation')::oid
    FROM jsonb_array_elements(CASE jsonb_typeof(selection -> 'columns') WHEN 'array' THEN selection -> 'columns' END) WITH ORDINALITY c (o, n)
  UNION ALL
    SELECT row_number() OVER (ORDER BY a.attnum), a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation
    FROM pg_attribute a
    WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
      AND jsonb_typeof(selection -> 'columns') IS DISTINCT FROM 'array'
$$;
COMMENT ON FUNCTION dbsync_internal.columns_sent(regclass, jsonb) IS 'columns of a table that are sent, by what was chosen of it';

-- What is chosen, or all columns that are captured; key: as it is named, null: the table's own.
CREATE FUNCTION dbsync_internal.check_types(subscription dbsync.subscription, rel regclass, selection jsonb, key name[] DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF dbsync_internal.target_dialect(subscription.target) = 'postgres' THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.check_target_types(subscription.target, rel::text, array_agg(c.name ORDER BY c.place), array_agg(c.type ORDER BY c.place),
        array_agg(c.typmod ORDER BY c.place), array_agg(c.collation ORDER BY c.place),
        -- one that is sent twice is the key once
        ARRAY(SELECT w.place FROM unnest(dbsync_internal.key_numbers(rel, key)) WITH ORDINALITY k (num, n)
              CROSS JOIN LATERAL (SELECT (min(d.place) - 1)::int FROM dbsync_internal.columns_sent(rel, selection) d WHERE d.num = k.num) w (place)
              WHERE w.place IS NOT NULL ORDER BY k.n))
    FROM dbsync_internal.columns_sent(rel, selection) c;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_types(dbsync.subscription, regclass, jsonb, name[]) IS 'error if a column that is sent of the table is nothing at the subscription''s target';

-- create_missing: what a table that the target lacks is made of.
--
-- All of it is read from the catalogs as they are: the worker makes the table before its first
-- copy, and people can look before anything is captured.  How it is worded for the target is the
-- driver's business.

-- Of a sequence that has no other numbers than CREATE TABLE gives it: ''.
CREATE FUNCTION dbsync_internal.identity_options(rel oid, num int) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH s AS (
        SELECT q.*, q.seqincrement > 0 AS upward, CASE q.seqtypid WHEN 'int2'::regtype THEN 32767
            WHEN 'int4'::regtype THEN 2147483647 ELSE 9223372036854775807 END AS most
        FROM pg_depend d JOIN pg_sequence q ON q.seqrelid = d.objid
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
          AND d.refobjid = rel AND d.refobjsubid = num AND d.deptype = 'i'
    ), o AS (
        SELECT concat_ws(' ',
            CASE WHEN seqincrement <> 1 THEN format('INCREMENT BY %s', seqincrement) END,
            CASE WHEN seqmin <> CASE WHEN upward THEN 1 ELSE -most - 1 END THEN format('MINVALUE %s', seqmin) END,
            CASE WHEN seqmax <> CASE WHEN upward THEN most ELSE -1 END THEN format('MAXVALUE %s', seqmax) END,
            CASE WHEN seqstart <> CASE WHEN upward THEN seqmin ELSE seqmax END THEN format('START WITH %s', seqstart) END,
            CASE WHEN seqcache <> 1 THEN format('CACHE %s', seqcache) END,
            CASE WHEN seqcycle THEN 'CYCLE' END) AS words
        FROM s
    )
    SELECT CASE words WHEN '' THEN '' ELSE format('(%s)', words) END FROM o
$$;
COMMENT ON FUNCTION dbsync_internal.identity_options(oid, int) IS 'options of the sequence of an identity column, for CREATE TABLE; null: it is none';

-- The target's columns in their order, and which of the source's goes there; num is null where an
-- expression does.
CREATE FUNCTION dbsync_internal.sent_columns(attached dbsync.subscription_table, described jsonb) RETURNS TABLE (n bigint, name name, num int)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.n, (c.o ->> 'name')::name, (c.o ->> 'number')::int
    FROM jsonb_array_elements(CASE WHEN jsonb_typeof(attached.selection -> 'columns') = 'array' THEN attached.selection -> 'columns' ELSE '[]' END)
        WITH ORDINALITY c (o, n)
    UNION ALL
    SELECT d.num, d.name, d.num FROM dbsync_internal.shape_columns(described) d
    WHERE jsonb_typeof(attached.selection -> 'columns') IS DISTINCT FROM 'array' AND NOT d.generated
    ORDER BY 1
$$;
COMMENT ON FUNCTION dbsync_internal.sent_columns(dbsync.subscription_table, jsonb) IS 'columns of the target''s table, and the number of the source''s column that each gets; null: an expression';

-- Types are those of describe_columns(), without domains, as for columns that are added later.
CREATE FUNCTION dbsync_internal.creation_columns(subscription_id int, captured_id int) RETURNS TABLE (
    name name, num int, type oid, typmod int, "collation" oid, not_null boolean, "default" text, identity text, key_place int)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    attached dbsync.subscription_table;
    rel regclass;
    described jsonb;
    key smallint[];
BEGIN
    SELECT a.* INTO attached FROM dbsync.subscription_table a
    WHERE a.subscription_id = creation_columns.subscription_id AND a.captured_id = creation_columns.captured_id;
    rel := (SELECT c.relid FROM dbsync.captured_table c WHERE c.id = attached.captured_id);
    described := dbsync_internal.describe_columns(rel);
    key := dbsync_internal.key_numbers(rel, NULL);
    RETURN QUERY
    SELECT s.name, s.num, d.type, d.typmod, d."collation", d.not_null, d."default",
        dbsync_internal.identity_options(rel, s.num),
        -- one that goes to two columns is the key in the first
        CASE WHEN s.n = min(s.n) OVER (PARTITION BY s.num) THEN array_position(key, s.num::smallint) END
    FROM dbsync_internal.sent_columns(attached, described) s
    LEFT JOIN dbsync_internal.shape_columns(described) d ON d.num = s.num
    ORDER BY s.n;
END $$;
COMMENT ON FUNCTION dbsync_internal.creation_columns(int, int) IS 'columns of the table that create_missing makes at the target; without a number: an expression';

-- An index by the names of other columns; it has neither expressions nor a condition.
CREATE FUNCTION dbsync_internal.renamed_index(index oid, names jsonb) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
    SELECT format('USING %I (%s)%s%s%s', m.amname,
        string_agg(format('%I', names ->> k.num::text) || p.rest, ', ' ORDER BY k.n) FILTER (WHERE k.n <= i.indnkeyatts),
        ' INCLUDE (' || string_agg(format('%I', names ->> k.num::text), ', ' ORDER BY k.n) FILTER (WHERE k.n > i.indnkeyatts) || ')',
        CASE WHEN i.indnullsnotdistinct THEN ' NULLS NOT DISTINCT' ELSE '' END,
        coalesce(' WITH (' || array_to_string(x.reloptions, ', ') || ')', ''))
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
    CROSS JOIN LATERAL unnest(i.indkey::smallint[]) WITH ORDINALITY k (num, n)
    CROSS JOIN LATERAL (
        SELECT concat(
            (SELECT format(' COLLATE %I.%I', z.nspname, l.collname) FROM pg_collation l JOIN pg_namespace z ON z.oid = l.collnamespace
             WHERE l.oid = i.indcollation[k.n - 1] AND l.oid <> a.attcollation),
            CASE WHEN NOT o.opcdefault OR own.attoptions IS NOT NULL THEN format(' %I.%I', oz.nspname, o.opcname) END,
            '(' || array_to_string(own.attoptions, ', ') || ')',
            CASE WHEN NOT pg_indexam_has_property(m.oid, 'can_order') THEN ''
                WHEN i.indoption[k.n - 1] & 3 = 3 THEN ' DESC' WHEN i.indoption[k.n - 1] & 3 = 1 THEN ' DESC NULLS LAST'
                WHEN i.indoption[k.n - 1] & 3 = 2 THEN ' NULLS FIRST' END) AS rest
        FROM pg_attribute a, pg_attribute own, pg_opclass o JOIN pg_namespace oz ON oz.oid = o.opcnamespace
        WHERE a.attrelid = i.indrelid AND a.attnum = k.num AND own.attrelid = i.indexrelid AND own.attnum = k.n
          AND o.oid = i.indclass[k.n - 1]
        UNION ALL SELECT '' WHERE k.n > i.indnkeyatts) p
    WHERE i.indexrelid = index
    GROUP BY m.amname, i.indexrelid, i.indnkeyatts, i.indnullsnotdistinct, x.reloptions
$$;
COMMENT ON FUNCTION dbsync_internal.renamed_index(oid, jsonb) IS 'what follows the table''s name in an index''s definition, for a table whose columns have other names; these by number';

-- Why an index is not made at the target; null: it is tried.  Its expressions run there as the role
-- that dbsync logs in as, whoever wrote them here: so they may need nothing but what every server has.
-- Operator classes are no matter, as only superusers make them.
CREATE FUNCTION dbsync_internal.index_problem(index oid, sent jsonb) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH used AS (
        SELECT k.num FROM pg_index i, unnest(i.indkey::smallint[]) k (num) WHERE i.indexrelid = index AND k.num > 0
        UNION
        SELECT d.refobjsubid::smallint FROM pg_depend d JOIN pg_index i ON i.indexrelid = d.objid AND d.refobjid = i.indrelid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = index AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
    )
    SELECT CASE
        WHEN i.indisexclusion THEN 'it belongs to an exclusion constraint'
        WHEN left_out.names IS NOT NULL THEN format('it is on columns that are not sent: %s', left_out.names)
        WHEN needs.names IS NOT NULL THEN format('it needs what is not the system''s own: %s', needs.names)
        WHEN (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND renamed.names IS NOT NULL
            THEN format('its expressions or its condition name columns that are sent under other names: %s', renamed.names)
    END
    FROM pg_index i
    CROSS JOIN LATERAL (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) FROM used u JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.num
                        WHERE NOT sent ? u.num::text) left_out (names)
    CROSS JOIN LATERAL (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) FROM used u JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.num
                        WHERE sent ->> u.num::text <> a.attname) renamed (names)
    CROSS JOIN LATERAL (SELECT string_agg(o.words, ', ' ORDER BY o.words COLLATE "C") FROM (
                            SELECT DISTINCT pg_describe_object(d.refclassid, d.refobjid, 0) FROM pg_depend d
                            WHERE d.classid = 'pg_class'::regclass AND d.objid = index
                              AND (d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass) OR (d.refclassid = 'pg_type'::regclass AND EXISTS (
                                  SELECT FROM pg_type t WHERE t.oid = d.refobjid AND t.typtype = 'd')))) o (words)) needs (names)
    WHERE i.indexrelid = index
$$;
COMMENT ON FUNCTION dbsync_internal.index_problem(oid, jsonb) IS 'why create_missing does not make an index at the target, in words; null: it does';

-- A unique one that is checked at the end of the transaction only would be stricter there; and where
-- not all operations are sent, rows stay that are no more at the source.
CREATE FUNCTION dbsync_internal.creation_indexes(subscription_id int, captured_id int) RETURNS TABLE (
    name name, is_key boolean, is_primary boolean, is_unique boolean, definition text, problem text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
#variable_conflict use_column
DECLARE
    attached dbsync.subscription_table;
    captured dbsync.captured_table;
    names jsonb;
    same_names boolean;
    key_index oid;
BEGIN
    SELECT a.* INTO attached FROM dbsync.subscription_table a
    WHERE a.subscription_id = creation_indexes.subscription_id AND a.captured_id = creation_indexes.captured_id;
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.id = attached.captured_id;
    key_index := coalesce(dbsync_internal.current_key(captured.relid), captured.key_index);
    SELECT jsonb_object_agg(s.num, s.name), bool_and(s.name = a.attname) INTO names, same_names
    FROM (SELECT DISTINCT ON (s.num) s.num, s.name FROM dbsync_internal.sent_columns(attached, dbsync_internal.describe_columns(captured.relid)) s
          WHERE s.num IS NOT NULL ORDER BY s.num, s.n) s
    JOIN pg_attribute a ON a.attrelid = captured.relid AND a.attnum = s.num;
    RETURN QUERY
    SELECT x.relname, i.indexrelid = key_index, i.indisprimary AND i.indnkeyatts = cardinality(dbsync_internal.key_numbers(captured.relid, NULL)),
        -- one that a named key is the beginning of says nothing of the key
        i.indisunique AND CASE WHEN i.indexrelid = key_index THEN i.indnkeyatts = cardinality(dbsync_internal.key_numbers(captured.relid, NULL))
            ELSE i.indimmediate AND attached.operations IS NULL END,
        CASE WHEN same_names OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
            THEN substr(pg_get_indexdef(i.indexrelid), length(format('CREATE %sINDEX %I ON %s%s ', CASE WHEN i.indisunique THEN 'UNIQUE ' END,
                x.relname, CASE x.relkind WHEN 'I' THEN 'ONLY ' END, captured.relid)) + 1)
            ELSE dbsync_internal.renamed_index(i.indexrelid, (
                SELECT jsonb_object_agg(t.attnum, t.attname) FROM pg_attribute t WHERE t.attrelid = captured.relid AND t.attnum > 0) || names) END,
        dbsync_internal.index_problem(i.indexrelid, coalesce(names, '{}'))
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = captured.relid AND i.indisvalid AND i.indislive
    ORDER BY x.relname COLLATE "C";
END $$;
COMMENT ON FUNCTION dbsync_internal.creation_indexes(int, int) IS 'indexes of a table as create_missing makes them at the target; definition: what comes behind the name of the table';

CREATE FUNCTION dbsync_internal.creation_statements(subscription_id int, captured_id int) RETURNS text[]
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_creation_statements_array';
COMMENT ON FUNCTION dbsync_internal.creation_statements(int, int) IS 'what create_missing runs at the target for a table, in the words of the worker';

CREATE FUNCTION dbsync_internal.create_statements(caller oid, subscription text, rel regclass) RETURNS TABLE (
    source_table regclass, statement text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    found_subscription dbsync.subscription;
BEGIN
    -- who looks locks nothing
    SELECT s.* INTO found_subscription FROM dbsync.subscription s WHERE s.name = create_statements.subscription;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('subscription "%s" does not exist', create_statements.subscription);
    ELSIF NOT dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(found_subscription.id)) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('must be owner of subscription "%s"', create_statements.subscription);
    END IF;
    IF rel IS NOT NULL THEN
        PERFORM dbsync_internal.find_attachment(found_subscription, rel);
    END IF;
    RETURN QUERY
    SELECT c.relid, s.statement
    FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
    CROSS JOIN LATERAL unnest(dbsync_internal.creation_statements(a.subscription_id, a.captured_id)) WITH ORDINALITY s (statement, n)
    WHERE a.subscription_id = found_subscription.id AND c.state <> 'dropped' AND (rel IS NULL OR c.relid = rel)
    ORDER BY c.relid::text COLLATE "C", s.n;
END $$;
COMMENT ON FUNCTION dbsync_internal.create_statements(oid, text, regclass) IS 'body of dbsync.create_statements()';

CREATE FUNCTION dbsync.create_statements(subscription text, "table" regclass DEFAULT NULL) RETURNS TABLE (
    source_table regclass, statement text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.create_statements(text, regclass) IS 'what create_missing => true runs at the target for tables that it lacks, in this order; the target is not asked';

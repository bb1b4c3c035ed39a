-- What can be captured.
--
-- Every refusal names the table and says what to do.  Each is a door that may be
-- opened later; until then the guard keeps captured tables from walking in.

CREATE FUNCTION dbsync_internal.default_opclass(type oid) RETURNS oid
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_default_opclass';
COMMENT ON FUNCTION dbsync_internal.default_opclass(oid) IS 'b-tree operator class that an index on this type gets by itself';

-- ---------------------------------------------------------------------------
-- Keys

-- From PostgreSQL 18 on NOT NULL may not be valid: nulls from before are still there.
CREATE FUNCTION dbsync_internal.has_no_nulls(rel oid, num smallint) RETURNS boolean
    LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT a.attnotnull AND NOT EXISTS (
        SELECT FROM pg_constraint k WHERE k.conrelid = rel AND k.contype = 'n' AND NOT k.convalidated AND num = ANY (k.conkey))
    FROM pg_attribute a WHERE a.attrelid = rel AND a.attnum = num);
END $$;
COMMENT ON FUNCTION dbsync_internal.has_no_nulls(oid, smallint) IS 'is a column NOT NULL, in all rows that there are?';

-- Why rows cannot be known by this index; null: they can.  Deferrable keys break
-- the order of changes per key.  What a column's own operators and collation call
-- equal or less, the index must, too.
CREATE FUNCTION dbsync_internal.key_problem(key_index oid) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (WITH i AS (
        SELECT x.*, c.relam, am.amname
        FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_am am ON am.oid = c.relam
        WHERE x.indexrelid = key_index
    ), col AS (
        SELECT a.attname, a.attgenerated, a.attcollation, a.atttypid,
            dbsync_internal.has_no_nulls(a.attrelid, a.attnum) AS attnotnull,
            i.indclass[k.n - 1] AS opclass, i.indcollation[k.n - 1] AS coll
        FROM i, generate_series(1, i.indnkeyatts) k (n)
        LEFT JOIN pg_attribute a ON a.attrelid = (SELECT indrelid FROM i) AND a.attnum = (SELECT indkey FROM i)[k.n - 1]
    )
    SELECT CASE
        WHEN NOT i.indisunique THEN 'is not unique'
        -- what is unique WITHOUT OVERLAPS is not
        WHEN i.amname <> 'btree' THEN 'is no b-tree'
        WHEN NOT i.indimmediate THEN 'is deferrable'
        WHEN NOT i.indisvalid OR NOT i.indisready OR NOT i.indislive THEN 'is not valid'
        WHEN i.indpred IS NOT NULL THEN 'covers only some of the rows'
        WHEN i.indexprs IS NOT NULL THEN 'contains an expression'
        -- the first bit of an option: DESC; a copy follows the index one way or the other
        WHEN (SELECT count(DISTINCT o & 1) FROM unnest(i.indoption::smallint[]) o) > 1
            THEN 'orders some columns upwards and others downwards'
        ELSE (SELECT CASE
                WHEN NOT col.attnotnull THEN format('contains column %I, which may be null', col.attname)
                WHEN col.attgenerated <> '' THEN format('contains generated column %I', col.attname)
                WHEN col.coll <> col.attcollation
                    THEN format('orders column %I by another collation than the column has', col.attname)
                WHEN col.opclass IS DISTINCT FROM dbsync_internal.default_opclass(col.atttypid)
                    THEN format('orders column %I by an operator class that is not the default', col.attname)
                WHEN EXISTS (SELECT FROM pg_collation c WHERE c.oid = col.coll AND NOT c.collisdeterministic)
                    THEN format('contains column %I, whose collation is nondeterministic', col.attname)
              END AS problem
              FROM col ORDER BY problem NULLS LAST LIMIT 1)
        END
    FROM i);
END $$;
COMMENT ON FUNCTION dbsync_internal.key_problem(oid) IS 'why an index cannot serve as key of a captured table; null: it can';

-- Indexes of a table in the order in which they are considered as its key.
CREATE FUNCTION dbsync_internal.key_candidates(rel regclass) RETURNS TABLE (key_index regclass, problem text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY SELECT i.indexrelid::regclass, dbsync_internal.key_problem(i.indexrelid)
    FROM pg_index i
    WHERE i.indrelid = rel AND i.indisunique
    ORDER BY i.indisprimary DESC, i.indisreplident DESC, i.indexrelid;
END $$;
COMMENT ON FUNCTION dbsync_internal.key_candidates(regclass) IS 'unique indexes of a table, best first, and what speaks against each';

CREATE FUNCTION dbsync_internal.choose_key(rel regclass) RETURNS oid
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT coalesce((SELECT k.key_index::oid FROM dbsync_internal.key_candidates(rel) k WHERE k.problem IS NULL LIMIT 1), 0::oid));
END $$;
COMMENT ON FUNCTION dbsync_internal.choose_key(regclass) IS 'primary key, else replica identity, else the oldest unique index that will do; 0: there is none, and rows are known by all that is in them';

-- Of indexes that begin with these columns, in any order, the best; none of them need be
-- unique.  What the columns' own operators and collations call equal or less, it must, too.
CREATE FUNCTION dbsync_internal.named_key_index(rel regclass, nums smallint[]) RETURNS oid
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT i.indexrelid
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    WHERE i.indrelid = rel AND m.amname = 'btree' AND i.indisvalid AND i.indisready AND i.indislive AND i.indpred IS NULL
      AND (SELECT array_agg(i.indkey[k.n] ORDER BY i.indkey[k.n])
                  = (SELECT array_agg(w.num ORDER BY w.num) FROM unnest(nums) w (num))
              AND count(DISTINCT i.indoption[k.n] & 1) = 1
              AND bool_and(i.indcollation[k.n] = a.attcollation AND coalesce(l.collisdeterministic, true)
                  AND i.indclass[k.n] IS NOT DISTINCT FROM dbsync_internal.default_opclass(a.atttypid))
           FROM generate_series(0, least(cardinality(nums), i.indnkeyatts) - 1) k (n)
           JOIN pg_attribute a ON a.attrelid = rel AND a.attnum = i.indkey[k.n]
           LEFT JOIN pg_collation l ON l.oid = a.attcollation)
    ORDER BY i.indisprimary DESC, i.indisunique DESC, i.indexrelid LIMIT 1
$$;
COMMENT ON FUNCTION dbsync_internal.named_key_index(regclass, smallint[]) IS 'index by which rows are found by these columns; null: none begins with them';

CREATE FUNCTION dbsync_internal.column_list(names name[]) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(format('%I', k.name), ', ' ORDER BY k.n) FROM unnest(names) WITH ORDINALITY k (name, n)
$$;
COMMENT ON FUNCTION dbsync_internal.column_list(name[]) IS 'columns as a statement has them';

-- Whoever names a key vouches for it: that no two rows have it in common is not looked at.
CREATE FUNCTION dbsync_internal.check_named_key(rel regclass, key name[]) RETURNS oid
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad name;
    named smallint[];
    chosen oid;
BEGIN
    IF cardinality(key) = 0 OR cardinality(key) > 32 OR array_ndims(key) <> 1 OR array_position(key, NULL) IS NOT NULL
        OR cardinality(key) <> (SELECT count(DISTINCT k.name) FROM unnest(key) k (name)) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('key of table %s must name 1 to 32 different columns', rel);
    END IF;
    SELECT k.name INTO bad FROM unnest(key) WITH ORDINALITY k (name, n)
    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped)
    ORDER BY k.n LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_column', MESSAGE = format('column %I of table %s does not exist', bad, rel);
    END IF;
    SELECT k.name INTO bad FROM unnest(key) WITH ORDINALITY k (name, n)
    JOIN pg_attribute a ON a.attrelid = rel AND a.attname = k.name WHERE a.attgenerated <> '' ORDER BY k.n LIMIT 1;
    IF FOUND THEN
        PERFORM dbsync_internal.refuse(format('column %I of table %s cannot be in its key', bad, rel),
            'Name columns that are not generated, or none: then rows are known by all that is in them.', '0A000',
            'It is generated, and does not travel.');
    END IF;
    SELECT k.name INTO bad FROM unnest(key) WITH ORDINALITY k (name, n)
    JOIN pg_attribute a ON a.attrelid = rel AND a.attname = k.name WHERE NOT dbsync_internal.has_no_nulls(rel, a.attnum) ORDER BY k.n LIMIT 1;
    IF FOUND THEN
        PERFORM dbsync_internal.refuse(format('column %I of table %s cannot be in its key', bad, rel),
            format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL;', rel, bad), '0A000', 'It may be null.');
    END IF;
    SELECT array_agg(a.attnum ORDER BY k.n) INTO named FROM unnest(key) WITH ORDINALITY k (name, n)
    JOIN pg_attribute a ON a.attrelid = rel AND a.attname = k.name;
    chosen := dbsync_internal.named_key_index(rel, named);
    IF chosen IS NULL THEN
        PERFORM dbsync_internal.refuse(format('table %s has no index that begins with (%s)', rel, dbsync_internal.column_list(key)),
            format('CREATE INDEX ON %s (%s);', rel, dbsync_internal.column_list(key)), '0A000',
            'Rows are looked up by their key. The index need not be unique; it must be a b-tree over all rows, with the default operator '
            'classes and the columns'' own collations.');
    END IF;
    RETURN chosen;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_named_key(regclass, name[]) IS 'index by which rows are found by a key that somebody has named; error if that cannot be a key';

-- The key that it has, as long as that will do: a better one makes no difference.
CREATE FUNCTION dbsync_internal.usable_key(rel regclass) RETURNS oid
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    current oid := dbsync_internal.current_key(rel);
    named smallint[] := dbsync_internal.named_columns(rel);
BEGIN
    IF named IS NOT NULL THEN
        RETURN CASE WHEN NOT EXISTS (SELECT FROM unnest(named) n (num)
                                     WHERE dbsync_internal.has_no_nulls(rel, n.num) IS NOT TRUE) THEN current END;
    ELSIF current IS NOT NULL AND dbsync_internal.key_problem(current) IS NULL THEN
        RETURN current;
    END IF;
    RETURN dbsync_internal.choose_key(rel);
END $$;
COMMENT ON FUNCTION dbsync_internal.usable_key(regclass) IS 'key index with which capture of a table can go on; 0: it goes on without a key; null: the key that was named is one no more';

-- What an index is unique in, as numbers of columns in its order; or the first so many of it.
CREATE FUNCTION dbsync_internal.key_columns(key_index oid, n int DEFAULT NULL) RETURNS int2vector
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT coalesce(string_agg(i.indkey[k.n]::text, ' ' ORDER BY k.n), '')::int2vector
    FROM pg_index i, generate_series(0, coalesce(key_columns.n, i.indnkeyatts) - 1) k (n)
    WHERE i.indexrelid = key_index);
END $$;
COMMENT ON FUNCTION dbsync_internal.key_columns(oid, int) IS 'key columns of an index in their order, those it includes left out; none: there is no such index';

-- By their numbers, which do not change, of an active table; of others by the names that they had.
CREATE FUNCTION dbsync_internal.named_columns(rel regclass) RETURNS smallint[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT CASE WHEN c.state = 'active' THEN string_to_array(c.key_columns::text, ' ')::smallint[]
        ELSE (SELECT array_agg(a.attnum ORDER BY k.n) FROM unnest(c.named_key) WITH ORDINALITY k (name, n)
              JOIN pg_attribute a ON a.attrelid = rel AND a.attname = k.name) END
    FROM dbsync.captured_table c WHERE c.relid = rel AND c.state <> 'dropped' AND c.named_key IS NOT NULL);
END $$;
COMMENT ON FUNCTION dbsync_internal.named_columns(regclass) IS 'numbers of the columns that were named as the key of a captured table; null: none were';

-- The stored key, or its successor: REINDEX CONCURRENTLY replaces an index by
-- another one without any event.  What was captured is known by the columns of
-- the old one, so an index over others is none, however good a key it would be.
CREATE FUNCTION dbsync_internal.current_key(rel regclass) RETURNS oid
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    current oid;
    named smallint[];
BEGIN
    SELECT c.key_index INTO current FROM dbsync.captured_table c JOIN pg_index i ON i.indexrelid = c.key_index
    WHERE c.relid = rel AND i.indrelid = rel AND i.indisvalid;
    IF FOUND THEN
        RETURN current;
    END IF;
    named := dbsync_internal.named_columns(rel);
    IF named IS NOT NULL THEN
        RETURN dbsync_internal.named_key_index(rel, named);
    ELSE
        SELECT k.key_index INTO current FROM dbsync_internal.key_candidates(rel) k
        WHERE k.problem IS NULL
          AND NOT EXISTS (
              SELECT FROM dbsync.captured_table c
              WHERE c.relid = rel AND c.state = 'active'
                -- a table that has none takes any
                AND c.key_index <> 0
                AND c.key_columns <> dbsync_internal.key_columns(k.key_index))
        LIMIT 1;
    END IF;
    RETURN current;
END $$;
COMMENT ON FUNCTION dbsync_internal.current_key(regclass) IS 'key index of a captured table, also after REINDEX CONCURRENTLY; null: none';

CREATE FUNCTION dbsync_internal.refresh_keys() RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE dbsync.captured_table c SET key_index = k.key_index
    FROM (SELECT t.id, dbsync_internal.current_key(t.relid) AS key_index
          FROM dbsync.captured_table t
          WHERE t.state = 'active' AND t.key_index <> 0
            AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = t.key_index AND i.indisvalid)) k
    WHERE k.id = c.id AND k.key_index IS NOT NULL
$$;
COMMENT ON FUNCTION dbsync_internal.refresh_keys() IS 'writes down which index a key has after REINDEX CONCURRENTLY';

-- ---------------------------------------------------------------------------
-- Refusals

CREATE FUNCTION dbsync_internal.refuse(message text, hint text, sqlstate text DEFAULT '0A000', detail text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF detail IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = sqlstate, MESSAGE = message, HINT = hint;
    END IF;
    RAISE EXCEPTION USING ERRCODE = sqlstate, MESSAGE = message, DETAIL = detail, HINT = hint;
END $$;
COMMENT ON FUNCTION dbsync_internal.refuse(text, text, text, text) IS 'raises an error with a hint';

-- Of a table, or of a partition of one, "what" being what it is called.
CREATE FUNCTION dbsync_internal.storage_problem(rel oid, what text, OUT message text, OUT hint text, OUT code text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    SELECT what || ' ' || p.message, p.hint, CASE c.relkind WHEN 'f' THEN '42809' ELSE '0A000' END
    INTO message, hint, code
    FROM pg_class c CROSS JOIN LATERAL (
        SELECT 'is a foreign table', 'Nobody is told of changes that are made where its rows are. Install dbsync in the database that has the data.'
        WHERE c.relkind = 'f'
        UNION ALL SELECT 'is temporary', 'Only permanent tables can be captured.' WHERE c.relpersistence = 't'
        UNION ALL SELECT 'is unlogged', format('A crash empties it and nobody is told. It must be LOGGED: leave UNLOGGED out, or use ALTER TABLE %s SET LOGGED.',
            c.oid::regclass) WHERE c.relpersistence = 'u') p (message, hint)
    WHERE c.oid = rel;
END $$;
COMMENT ON FUNCTION dbsync_internal.storage_problem(oid, text) IS 'why rows of a relation cannot be captured where they are; nulls: they can';

CREATE FUNCTION dbsync_internal.users_relation(rel regclass, hint text) RETURNS pg_class
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c pg_class;
BEGIN
    SELECT * INTO c FROM pg_class WHERE oid = rel;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table',
            MESSAGE = format('relation with OID %s does not exist', rel::oid);
    ELSIF rel::oid < 16384 OR c.relnamespace IN (
        'pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace,
        'dbsync'::regnamespace, 'dbsync_internal'::regnamespace) THEN
        PERFORM dbsync_internal.refuse(format('table %s belongs to the system', rel), hint, '42809');
    END IF;
    RETURN c;
END $$;
COMMENT ON FUNCTION dbsync_internal.users_relation(regclass, text) IS 'what the catalog says of a relation; error, with the hint, unless it is there and belongs to users';

CREATE FUNCTION dbsync_internal.check_kind(rel regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c pg_class;
    root regclass;
    problem record;
BEGIN
    c := dbsync_internal.users_relation(rel, 'Only tables of users can be captured.');
    IF c.relkind = 'v' THEN
        PERFORM dbsync_internal.refuse(format('%s is a view', rel),
            'Add the tables that it reads, and create the view on the target.', '42809');
    ELSIF c.relkind = 'm' THEN
        PERFORM dbsync_internal.refuse(format('%s is a materialized view', rel),
            'REFRESH changes its rows and nobody is told. Add the tables that it reads, and create and refresh it on the target.', '42809');
    ELSIF c.relkind NOT IN ('r', 'p', 'f') THEN
        PERFORM dbsync_internal.refuse(format('%s is not a table', rel),
            CASE WHEN c.relkind = 'S' THEN 'Sequences of columns come along with their tables; others are added with dbsync.add_sequence().'
                ELSE 'Only tables can be captured.' END, '42809');
    ELSIF c.relispartition THEN
        root := dbsync_internal.root_of(rel);
        PERFORM dbsync_internal.refuse(format('table %s is a partition of table %s', rel, root),
            format('Add %s: it is captured with all of its partitions. A detached partition is a table like any other.', root),
            '0A000', (SELECT dbsync_internal.subscriptions_of(t.id) FROM dbsync.captured_table t WHERE t.relid = root AND t.state <> 'dropped'));
    END IF;
    SELECT p.* INTO problem FROM dbsync_internal.storage_problem(rel, format('table %s', rel)) p;
    IF problem.message IS NOT NULL THEN
        PERFORM dbsync_internal.refuse(problem.message, problem.hint, problem.code);
    ELSIF c.relkind = 'p' THEN
        SELECT p.* INTO problem FROM dbsync_internal.members_problem(rel) p;
        IF problem.message IS NOT NULL THEN
            PERFORM dbsync_internal.refuse(problem.message, problem.hint);
        END IF;
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_kind(regclass) IS 'refuses relations that cannot be captured for what they are';

-- A type and all that are somewhere within it.
CREATE FUNCTION dbsync_internal.types_in(type oid) RETURNS SETOF oid
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE part (typ) AS (
        SELECT types_in.type
      UNION
        SELECT within.typ
        FROM part JOIN pg_type t ON t.oid = part.typ
        CROSS JOIN LATERAL (
            SELECT t.typbasetype WHERE t.typtype = 'd'
            UNION ALL SELECT t.typelem WHERE t.typelem <> 0
            UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
            UNION ALL SELECT f.atttypid FROM pg_attribute f
                WHERE f.attrelid = t.typrelid AND t.typrelid <> 0 AND f.attnum > 0 AND NOT f.attisdropped
        ) within (typ)
    )
    SELECT part.typ FROM part
$$;
COMMENT ON FUNCTION dbsync_internal.types_in(oid) IS 'a type, and what is in it: elements, attributes, bases, bounds';

-- The types of a table's columns, and all that are somewhere within them.
-- Few rows, so that who joins them looks each up: pg_type has two for each table that there is.
CREATE FUNCTION dbsync_internal.types_within(rel regclass) RETURNS TABLE (attname name, typ oid)
    LANGUAGE plpgsql STABLE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY WITH RECURSIVE part (attname, typ) AS (
        SELECT a.attname, a.atttypid FROM pg_attribute a
        WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
      UNION
        SELECT part.attname, within.typ
        FROM part JOIN pg_type t ON t.oid = part.typ
        CROSS JOIN LATERAL (
            SELECT t.typbasetype WHERE t.typtype = 'd'
            UNION ALL SELECT t.typelem WHERE t.typelem <> 0
            UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
            UNION ALL SELECT f.atttypid FROM pg_attribute f
                WHERE f.attrelid = t.typrelid AND t.typrelid <> 0 AND f.attnum > 0 AND NOT f.attisdropped
        ) within (typ)
    )
    SELECT part.attname, part.typ FROM part;
END $$;
COMMENT ON FUNCTION dbsync_internal.types_within(regclass) IS 'types of columns of a table, and of what is in them: elements, attributes, bases, bounds';

-- A column whose values have no way back from text, itself or somewhere within.
CREATE FUNCTION dbsync_internal.check_types(rel regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad record;
BEGIN
    SELECT part.attname, format_type(part.typ, NULL) AS type INTO bad
    FROM dbsync_internal.types_within(rel) part JOIN pg_type t ON t.oid = part.typ
    WHERE t.typinput IN (
        SELECT p.oid FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname IN (
            'pg_node_tree_in', 'pg_ndistinct_in', 'pg_dependencies_in', 'pg_mcv_list_in',
            'brin_bloom_summary_in', 'brin_minmax_multi_summary_in', 'gtsvectorin'))
    LIMIT 1;
    IF FOUND THEN
        PERFORM dbsync_internal.refuse(
            format('column %I of table %s has type %s, which cannot be read back from text', bad.attname, rel, bad.type),
            'Store it as another type.');
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_types(regclass) IS 'refuses columns of types that no client can write';

-- The least that any row takes in a segment: columns that may be null are null, and
-- values of variable length as short as can be.  A row may take more than the table's
-- own does, by the 24 bytes of our columns and 8 of a null bitmap that got longer;
-- where that is too much for a page, it is taken along by its header (dbsync_transaction_carry_wide()).
CREATE FUNCTION dbsync_internal.least_row_size(rel regclass) RETURNS int
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ncolumns int;
    size int := 8 + 8 + 8;
    boundary int;
    col record;
BEGIN
    FOR col IN
        SELECT a.attlen, a.attalign FROM pg_attribute a
        WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attnotnull
        ORDER BY a.attnum
    LOOP
        IF col.attlen < 0 THEN
            size := size + 1;
        ELSE
            boundary := CASE col.attalign WHEN 'd' THEN 8 WHEN 'i' THEN 4 WHEN 's' THEN 2 ELSE 1 END;
            size := (size + boundary - 1) / boundary * boundary + col.attlen;
        END IF;
    END LOOP;
    -- without a column that may be null there is no bitmap
    SELECT CASE WHEN bool_and(a.attnotnull) THEN 0 ELSE count(*) FILTER (WHERE a.attgenerated = '') END + 3 INTO ncolumns
    FROM pg_attribute a WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped;
    RETURN (23 + (ncolumns + 7) / 8 + 7) / 8 * 8 + (size + 7) / 8 * 8;
END $$;
COMMENT ON FUNCTION dbsync_internal.least_row_size(regclass) IS 'bytes of the smallest row of a segment';

CREATE FUNCTION dbsync_internal.check_width(rel regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ncolumns int := (SELECT count(*) FROM pg_attribute a
                     WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '');
    size int := dbsync_internal.least_row_size(rel);
    -- page header and one line pointer, aligned
    room int := current_setting('block_size')::int - 32;
BEGIN
    IF ncolumns = 0 THEN
        PERFORM dbsync_internal.refuse(format('table %s has no columns that could be sent', rel),
            'Add a column that is not generated.');
    ELSIF ncolumns > 1600 - 4 THEN
        PERFORM dbsync_internal.refuse(format('table %s has too many columns to be captured', rel),
            'dbsync needs room for four columns of its own. Split the table.',
            '54011', format('It has %s columns; the limit is %s.', ncolumns, 1600 - 4));
    ELSIF size > room THEN
        PERFORM dbsync_internal.refuse(format('rows of table %s are too wide to be captured', rel),
            'dbsync needs room for four columns of its own. Split the table, use narrower types, or allow nulls.',
            '54000', format('The smallest row takes %s bytes, a page has %s.', size, room));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_width(regclass) IS 'refuses tables to which our columns cannot be added';

CREATE FUNCTION dbsync_internal.check_supported(rel regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.check_kind(rel);
    PERFORM dbsync_internal.check_types(rel);
    PERFORM dbsync_internal.check_width(rel);
END $$;
COMMENT ON FUNCTION dbsync_internal.check_supported(regclass) IS 'error, with a hint, if the table cannot be captured';

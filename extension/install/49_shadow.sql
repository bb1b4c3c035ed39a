-- capture => 'shadow': a copy of the table is kept beside it, and workers compare the two.
--
-- The shadow is a member of the extension like a segment, and nobody else has a right on it.  Its
-- columns have the numbers of the table's, and their names are made of those: so names may change at any time, and
-- a row of the one is read as a row of the other.  It is filled in the transaction that begins capture, and
-- first copies read it, not the table: see extension/capture/shadow.c for why.

CREATE FUNCTION dbsync_internal.shadow_options(options jsonb, OUT scan interval, OUT exact boolean)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET "IntervalStyle" = 'postgres'
AS $$
BEGIN
    options := coalesce(options, '{}');
    IF jsonb_typeof(options) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'options of capture "shadow" must be an object',
            HINT = 'For example: {"scan": "interval 1 min", "exact": true}.';
    END IF;
    PERFORM dbsync_internal.check_option_names('shadow', options, '{scan,exact}');
    PERFORM dbsync_internal.check_option_strings('shadow', options - 'exact');
    IF jsonb_typeof(options -> 'exact') <> 'boolean' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('option "exact" of capture "shadow" must be true or false, not %s', options -> 'exact');
    END IF;
    scan := dbsync_internal.scan_interval(coalesce(options ->> 'scan', 'interval 1 min'));
    exact := coalesce((options -> 'exact')::boolean, false);
END $$;
COMMENT ON FUNCTION dbsync_internal.shadow_options(jsonb) IS 'options of capture "shadow", with what is not given; error if there is one that it does not have, or a value that is none';

-- ---------------------------------------------------------------------------
-- May it be compared?

-- The shadow's index is looked after by VACUUM, which compares keys as the shadow's owner.  An operator class takes a superuser,
-- and may call functions of others.
CREATE FUNCTION dbsync_internal.key_order_of_others(rel regclass, key name[]) RETURNS regprocedure
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT f.oid::regprocedure
    FROM pg_attribute a, LATERAL (SELECT dbsync_internal.types_in(a.atttypid)) t (type)
    JOIN LATERAL (SELECT o.opcfamily, o.opcintype FROM pg_opclass o
        WHERE o.oid = dbsync_internal.default_opclass(t.type) OR o.oid = (SELECT g.rngsubopc FROM pg_range g WHERE g.rngtypid = t.type)) o ON true
    JOIN pg_amproc p ON p.amprocfamily = o.opcfamily AND p.amproclefttype = o.opcintype
    JOIN pg_proc f ON f.oid = p.amproc JOIN pg_roles r ON r.oid = f.proowner
    WHERE a.attrelid = rel AND a.attnum = ANY (dbsync_internal.key_numbers(rel, key)) AND NOT r.rolsuper
    ORDER BY f.oid::regprocedure::text COLLATE "C" LIMIT 1
$$;
COMMENT ON FUNCTION dbsync_internal.key_order_of_others(regclass, name[]) IS 'a function by which a table''s key, or what is in it, is ordered, and which belongs to a role that is no superuser; null: there is none';

-- A comparison cannot tell who wrote a row: what is applied here would go back, as older over newer.
CREATE FUNCTION dbsync_internal.check_shadow(rel regclass, key name[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    foreign_order regprocedure;
BEGIN
    IF (SELECT c.relkind FROM pg_class c WHERE c.oid = rel) <> 'r' THEN
        PERFORM dbsync_internal.refuse(format('capture of table %s cannot be "shadow": it is partitioned', rel), 'Use capture => ''trigger''.');
    ELSIF key IS NULL AND dbsync_internal.choose_key(rel) = 0 THEN
        PERFORM dbsync_internal.refuse(format('capture of table %s cannot be "shadow": it has no key', rel),
            'Add a primary key, or name the key: dbsync.add_table(..., key => ''{...}''). With capture => ''trigger'' it needs none.', '0A000',
            'Its rows are found in the shadow by their keys.');
    ELSIF dbsync_internal.is_applied_into(rel) THEN
        PERFORM dbsync_internal.refuse(format('capture of table %s cannot be "shadow": a subscription of dbsync applies into it', rel),
            'Use capture => ''trigger''.', '55000',
            'A comparison cannot tell who wrote a row, so what comes from elsewhere would go back, as older over newer.');
    END IF;
    foreign_order := dbsync_internal.key_order_of_others(rel, key);
    IF foreign_order IS NOT NULL THEN
        PERFORM dbsync_internal.refuse(format('capture of table %s cannot be "shadow": its key is ordered by a function of role "%s"', rel,
                (SELECT pg_get_userbyid(p.proowner) FROM pg_proc p WHERE p.oid = foreign_order)),
            'Use capture => ''trigger''.', '0A000',
            format('VACUUM would run %s as the owner of the shadow, a superuser.', foreign_order));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_shadow(regclass, name[]) IS 'error unless a table can be compared with a shadow; key: as it was named, null: it was not';

-- There is one shadow for all: whoever has it decides how it is compared.
CREATE FUNCTION dbsync_internal.check_same_shadow(rel regclass, options jsonb) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    other record;
BEGIN
    SELECT s.name AS subscription, c.capture_options AS options INTO other
    FROM dbsync.captured_table c JOIN dbsync.subscription_table a ON a.captured_id = c.id JOIN dbsync.subscription s ON s.id = a.subscription_id
    WHERE c.relid = rel AND c.state <> 'dropped' AND c.capture = 'shadow' AND a.capture IS NULL ORDER BY s.name LIMIT 1;
    IF FOUND AND dbsync_internal.shadow_options(other.options) IS DISTINCT FROM dbsync_internal.shadow_options(options) THEN
        PERFORM dbsync_internal.refuse(format('table %s is compared with its shadow by other options', rel),
            format('Use options => %L, or take the table out of the other subscription first: SELECT dbsync.remove_table(%L, %L).',
                other.options, other.subscription, rel::text), '55000',
            format('It is in subscription "%s", and all subscriptions of a table have one shadow.', other.subscription));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_same_shadow(regclass, jsonb) IS 'error if a subscription has the table compared by other options';

-- All that is asked when a table is added.
CREATE FUNCTION dbsync_internal.check_compared(rel regclass, options jsonb, key name[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.check_shadow(rel, coalesce(key,
        (SELECT c.named_key FROM dbsync.captured_table c WHERE c.relid = rel AND c.state <> 'dropped')));
    PERFORM dbsync_internal.check_same_shadow(rel, options);
END $$;
COMMENT ON FUNCTION dbsync_internal.check_compared(regclass, jsonb, name[]) IS 'error unless a table can be added with capture "shadow" and these options';

-- ---------------------------------------------------------------------------
-- The shadow

CREATE FUNCTION dbsync_internal.shadow_of(captured_id int) RETURNS regclass
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_regclass(format('dbsync_internal.%I', format('shadow_%s', captured_id)))
$$;
COMMENT ON FUNCTION dbsync_internal.shadow_of(int) IS 'the shadow of a captured table; null: it has none';

CREATE FUNCTION dbsync_internal.drop_shadow(captured_id int) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    shadow regclass := dbsync_internal.shadow_of(captured_id);
BEGIN
    IF shadow IS NOT NULL THEN
        PERFORM dbsync_internal.remove_member(shadow);
        EXECUTE format('DROP TABLE %s', shadow);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_shadow(int) IS 'removes the shadow of a captured table, if it has one';

-- All columns that the table has, or had: those that are not captured are there to be dropped, so that
-- the others get their numbers.  Types are those below domains, as in segments.
CREATE FUNCTION dbsync_internal.shadow_columns(rel regclass) RETURNS TABLE (num int, captured boolean, definition text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
BEGIN
    RETURN QUERY SELECT a.attnum::int, c.num IS NOT NULL,
        format('%I %s', format('c%s', a.attnum), coalesce(format_type(c.type, c.typmod) || (
            SELECT format(' COLLATE %I.%I', n.nspname, l.collname)
            FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = c."collation"), format_type(c.type, c.typmod), 'int2'))
    FROM pg_attribute a
    LEFT JOIN dbsync_internal.shape_columns(dbsync_internal.describe_columns(rel)) c ON c.num = a.attnum AND NOT c.generated
    WHERE a.attrelid = rel AND a.attnum > 0
    ORDER BY a.attnum;
END $$;
COMMENT ON FUNCTION dbsync_internal.shadow_columns(regclass) IS 'columns of a table as its shadow has them, by their numbers; those that are not captured are dropped again';

-- No statistics: ANALYZE would run what types have of their owners' code, and nothing asks for them.
CREATE FUNCTION dbsync_internal.create_shadow(captured_id int, rel regclass, key_index oid, key_columns int2vector) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET default_tablespace = '' SET standard_conforming_strings = on
AS $$
DECLARE
    name text := format('shadow_%s', captured_id);
    shadow text := format('dbsync_internal.%I', name);
    body text;
    surplus text;
    bare text;
BEGIN
    SELECT string_agg(c.definition, ', ' ORDER BY c.num),
        string_agg(format('DROP COLUMN %I', format('c%s', c.num)), ', ' ORDER BY c.num) FILTER (WHERE NOT c.captured),
        string_agg(format('ALTER COLUMN %I SET STATISTICS 0', format('c%s', c.num)), ', ' ORDER BY c.num) FILTER (WHERE c.captured)
    INTO body, surplus, bare
    FROM dbsync_internal.shadow_columns(rel) c;
    EXECUTE format('CREATE TABLE %s (%s) USING heap', shadow, body);
    IF surplus IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s %s', shadow, surplus);
    END IF;
    EXECUTE format('ALTER TABLE %s %s, ADD CONSTRAINT %I PRIMARY KEY (%s)', shadow, bare, name || '_pkey', (
        SELECT string_agg(format('%I', format('c%s', k.num)), ', ' ORDER BY k.n)
        FROM unnest(string_to_array(key_columns::text, ' ')) WITH ORDINALITY k (num, n)));
    EXECUTE format('COMMENT ON TABLE %s IS %L', shadow, format('what a captured table was when it was compared last; it belongs to table %s', rel));
    PERFORM dbsync_internal.revoke_all(format('TABLE %s', shadow), c.relacl, c.relowner)
    FROM pg_class c WHERE c.oid = shadow::regclass;
    PERFORM dbsync_internal.add_member(shadow::regclass);
    PERFORM dbsync_internal.fill_shadow(captured_id, rel, key_index);
END $$;
COMMENT ON FUNCTION dbsync_internal.create_shadow(int, regclass, oid, int2vector) IS 'makes the shadow of a captured table that is locked, which has this key, and fills it';

CREATE FUNCTION dbsync_internal.fill_shadow(captured_id int, rel oid, key_index oid) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_fill_shadow';
COMMENT ON FUNCTION dbsync_internal.fill_shadow(int, oid, oid) IS 'has an empty shadow show what its table has';

CREATE FUNCTION dbsync_internal.compare_shadow(captured_id int, rel oid, key_index oid, exact boolean) RETURNS bigint
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_compare_shadow';
COMMENT ON FUNCTION dbsync_internal.compare_shadow(int, oid, oid, boolean) IS 'captures all in which a table differs from its shadow, and returns how many rows those are; null: another session is at it';

-- While capture begins: nobody has it yet who could rest on another shadow.
CREATE FUNCTION dbsync_internal.install_shadow(captured_id int) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    PERFORM dbsync_internal.drop_shadow(captured_id);
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.id = captured_id AND c.capture = 'shadow';
    IF FOUND THEN
        PERFORM dbsync_internal.create_shadow(captured.id, captured.relid, captured.key_index, captured.key_columns);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.install_shadow(int) IS 'makes the shadow of a captured table anew, or removes it if the table is not captured so any more';

-- What a worker calls, in a transaction of its own and on behalf of its subscription's owner.
CREATE FUNCTION dbsync_internal.compare_shadow(captured_id int, role oid) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.id = captured_id AND c.capture = 'shadow' AND c.state = 'active';
    -- who has it to himself may alter it, or wait for us
    IF NOT FOUND OR NOT dbsync_internal.lock_at_once(captured.relid, 'ROW EXCLUSIVE') THEN
        RETURN NULL;
    END IF;
    PERFORM dbsync_internal.check_readable(role, captured.relid);
    RETURN dbsync_internal.compare_shadow(captured.id, captured.relid,
        dbsync_internal.current_key(captured.relid), (dbsync_internal.shadow_options(captured.capture_options)).exact);
END $$;
COMMENT ON FUNCTION dbsync_internal.compare_shadow(int, oid) IS 'compares a table with its shadow, on behalf of a role; null: not at this moment';

-- ---------------------------------------------------------------------------
-- DDL

-- Columns that come and go do so in the shadow; all else that a command has done to values the next
-- comparison finds.  What that cannot do: know rows by another key, hold a value of one type against one of another, or against one
-- that nobody can tell.  Null: nothing of that kind.
CREATE FUNCTION dbsync_internal.shadow_obstacle(captured dbsync.captured_table, before jsonb, described jsonb) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF dbsync_internal.key_columns(dbsync_internal.current_key(captured.relid), cardinality(captured.named_key)) IS DISTINCT FROM captured.key_columns THEN
        RETURN 'its key is another';
    END IF;
    RETURN (SELECT format('column %I %s', a.name, CASE WHEN b.num IS NOT NULL THEN 'is of another type' WHEN a.generated THEN 'is generated'
                ELSE 'was filled' END)
        FROM dbsync_internal.shape_columns(described) a LEFT JOIN dbsync_internal.shape_columns(before) b ON b.num = a.num
        JOIN pg_attribute t ON t.attrelid = captured.relid AND t.attnum = a.num JOIN pg_type y ON y.oid = t.atttypid
        WHERE CASE WHEN b.num IS NOT NULL THEN (a.type, a."collation", a.generated) IS DISTINCT FROM (b.type, b."collation", b.generated)
            -- 16384: the first oid of what is no part of the system, whose input function anybody can have written
            ELSE a.generated OR ((t.atthasdef OR t.attidentity <> '' OR y.typtype = 'd') AND (a.type >= 16384
                OR EXISTS (SELECT FROM dbsync_internal.rewritten r WHERE r.captured_id = captured.id))) END
        ORDER BY a.num LIMIT 1);
END $$;
COMMENT ON FUNCTION dbsync_internal.shadow_obstacle(dbsync.captured_table, jsonb, jsonb) IS 'why a table cannot be compared with its shadow any more, by what its columns were and are; null: it can';

CREATE FUNCTION dbsync_internal.follow_shadow(captured dbsync.captured_table) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off SET standard_conforming_strings = on
    -- values are read as missing_values() writes them
    SET "DateStyle" = 'ISO, YMD' SET "IntervalStyle" = 'postgres' SET "TimeZone" = 'UTC' SET lc_monetary = 'C'
AS $$
DECLARE
    before jsonb := (SELECT h.columns FROM dbsync.shape h WHERE h.captured_id = captured.id ORDER BY h.id DESC LIMIT 1);
    described jsonb := dbsync_internal.describe_columns(captured.relid);
    obstacle text := dbsync_internal.shadow_obstacle(captured, before, described);
    shadow regclass := dbsync_internal.shadow_of(captured.id);
    filled jsonb;
    command text;
BEGIN
    IF obstacle IS NULL AND shadow IS NOT NULL THEN
        filled := dbsync_internal.missing_values(captured.relid, before);
        FOR command IN
            -- one that went with its type has gone here, too
            SELECT format('DROP COLUMN IF EXISTS %I', format('c%s', b.num)) FROM dbsync_internal.shape_columns(before) b
            WHERE NOT b.generated AND NOT EXISTS (SELECT FROM dbsync_internal.shape_columns(described) a WHERE a.num = b.num)
            UNION ALL
            SELECT v.command FROM dbsync_internal.shadow_columns(captured.relid) c CROSS JOIN LATERAL (VALUES
                (1, format('ADD COLUMN %s', c.definition) || coalesce(format(' DEFAULT %L', filled ->> c.num::text), '')),
                (2, format('ALTER COLUMN %I DROP DEFAULT, ALTER COLUMN %1$I SET STATISTICS 0', format('c%s', c.num)))) v (n, command)
            WHERE c.captured AND NOT EXISTS (SELECT FROM dbsync_internal.shape_columns(before) b WHERE b.num = c.num)
        LOOP
            EXECUTE format('ALTER TABLE %s %s', shadow, command);
        END LOOP;
        RETURN true;
    END IF;
    DELETE FROM dbsync_internal.rewritten r WHERE r.captured_id = captured.id;
    PERFORM dbsync_internal.note_suspended(captured.id, format('it was altered: %s, so it cannot be compared with its shadow; '
        'to go on, change the target table likewise, and use dbsync.copy_table()', obstacle));
    RAISE NOTICE USING MESSAGE = format('table %s is suspended, as it cannot be compared with its shadow any more: %s', captured.relid, obstacle),
        DETAIL = dbsync_internal.subscriptions_of(captured.id),
        HINT = 'Change the target table likewise, and use dbsync.copy_table().';
    RETURN false;
END $$;
COMMENT ON FUNCTION dbsync_internal.follow_shadow(dbsync.captured_table) IS 'has the shadow be what a command has made of its table; false: that cannot be, and the table is suspended';

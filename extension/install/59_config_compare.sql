-- Configuration files: what they say beside what there is.

CREATE TYPE dbsync_internal.config_step AS (
    rank int, line int, action text, object text, statement text, secrets text[], lines jsonb);
COMMENT ON TYPE dbsync_internal.config_step IS 'a statement of a plan; rank: steps of lower ones come first';

-- differs: options that are to be changed; null: it is not there.
CREATE TYPE dbsync_internal.config_compared AS (
    section dbsync_internal.config_section, object oid, present jsonb, differs text[], "there" boolean);
COMMENT ON TYPE dbsync_internal.config_compared IS 'a section of a configuration beside what there is';

-- ---------------------------------------------------------------------------
-- Statements

CREATE FUNCTION dbsync_internal.config_literal(type oid, value jsonb) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN value IS NULL OR value = 'null' THEN 'NULL'
        WHEN jsonb_typeof(value) = 'boolean' AND type = 'boolean'::regtype THEN value::text
        WHEN jsonb_typeof(value) = 'array' AND type <> 'jsonb'::regtype
            THEN quote_literal(ARRAY(SELECT e.value FROM jsonb_array_elements_text(value) WITH ORDINALITY e (value, n) ORDER BY e.n)::text)
        WHEN type = 'jsonb'::regtype THEN quote_literal(value::text)
        ELSE quote_literal(value #>> '{}') END
$$;
COMMENT ON FUNCTION dbsync_internal.config_literal(oid, jsonb) IS 'a value of an option as a literal of SQL';

-- What takes an option back where a function takes null for "leave it".
CREATE FUNCTION dbsync_internal.config_unset(key text, type oid, fallback jsonb) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN key = 'operations' THEN '["insert", "update", "delete", "truncate"]'::jsonb
        WHEN fallback IS NOT NULL THEN fallback
        WHEN type = 'jsonb'::regtype THEN '{}'
        WHEN EXISTS (SELECT FROM pg_type t WHERE t.oid = type AND t.typcategory = 'A') THEN '[]'
        ELSE '""' END
$$;
COMMENT ON FUNCTION dbsync_internal.config_unset(text, oid, jsonb) IS 'the value that says nothing, to a function that changes something';

-- Behind the names come those of the options in "keys" that are listed, by their names.
CREATE FUNCTION dbsync_internal.config_call(arguments dbsync_internal.config_argument[], function text, section dbsync_internal.config_section,
    names text[], listed text[] DEFAULT '{}') RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
BEGIN
    RETURN format('SELECT dbsync.%s(%s)', function, concat_ws(', ',
        (SELECT string_agg(quote_literal(n.name), ', ' ORDER BY n.n) FROM unnest(names) WITH ORDINALITY n (name, n)),
        (SELECT string_agg(format('%I => %s', a.key, dbsync_internal.config_literal(a.type,
                 coalesce(section.keys -> a.key, dbsync_internal.config_unset(a.key, a.type, a.fallback)))), ', ' ORDER BY a.place)
         FROM unnest(arguments) a WHERE a.kind = section.kind AND a.key = ANY (listed))));
END $$;
COMMENT ON FUNCTION dbsync_internal.config_call(dbsync_internal.config_argument[], text, dbsync_internal.config_section, text[], text[]) IS 'a call of a function of schema dbsync';

-- Options that say something, of those that a section has.
CREATE FUNCTION dbsync_internal.config_said(arguments dbsync_internal.config_argument[], section dbsync_internal.config_section) RETURNS text[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY(SELECT a.key FROM unnest(arguments) a
                 WHERE a.kind = section.kind AND section.keys ? a.key AND section.keys -> a.key IS DISTINCT FROM a.fallback
                   AND dbsync_internal.config_normal(a.key, section.keys -> a.key) IS DISTINCT FROM dbsync_internal.config_normal(a.key, a.fallback));
END $$;
COMMENT ON FUNCTION dbsync_internal.config_said(dbsync_internal.config_argument[], dbsync_internal.config_section) IS 'options of a section that are not what they are without it';

-- The line of the first of these options, or of the section.
CREATE FUNCTION dbsync_internal.config_line(section dbsync_internal.config_section, keys text[]) RETURNS int
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce((SELECT min((section.lines ->> k)::int) FROM unnest(keys) k), section.line)
$$;
COMMENT ON FUNCTION dbsync_internal.config_line(dbsync_internal.config_section, text[]) IS 'where options are in a configuration';

-- ---------------------------------------------------------------------------
-- Comparing

-- Sections about what is not there, or not the caller's.
CREATE FUNCTION dbsync_internal.config_check(caller oid, sections dbsync_internal.config_section[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad record;
BEGIN
    WITH said AS MATERIALIZED (
        SELECT s.*, (parse_ident(s.name))[1]::name AS schema, (parse_ident(s.name))[2]::name AS rel
        FROM unnest(sections) s WHERE s.kind IN ('subscription', 'table', 'sequence'))
    SELECT s.line, s.lines, s.kind, s.subscription, s.name, s.keys, u.name AS present, n.nspname AS schema, c.oid AS rel,
        u.name IS NOT NULL AND NOT dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(u.id)) AS foreign_one,
        n.oid IS NOT NULL AND NOT has_schema_privilege(caller, n.oid, 'USAGE') AS hidden
    INTO bad
    FROM said s LEFT JOIN dbsync.subscription u ON u.name = s.subscription
    LEFT JOIN unnest(sections) m ON m.kind = 'subscription' AND m.subscription = s.subscription
    LEFT JOIN pg_namespace n ON n.nspname = s.schema
    LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.rel
    WHERE (u.name IS NULL AND m.line IS NULL)
       OR (u.name IS NOT NULL AND NOT dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(u.id)))
       OR (s.kind <> 'subscription' AND (c.oid IS NULL OR NOT has_schema_privilege(caller, n.oid, 'USAGE')))
       OR (s.kind = 'subscription' AND u.name IS NULL AND NOT s.keys ? 'target')
       OR (s.kind = 'subscription' AND s.keys ? 'target' AND NOT EXISTS (SELECT FROM pg_foreign_server f WHERE f.srvname = s.keys ->> 'target')
           AND NOT EXISTS (SELECT FROM unnest(sections) t WHERE t.kind = 'target' AND t.name = s.keys ->> 'target'))
    ORDER BY s.line LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    ELSIF bad.foreign_one THEN
        PERFORM dbsync_internal.config_refuse(bad.line, format('must be owner of subscription "%s"', bad.subscription), NULL, '42501');
    ELSIF bad.kind = 'subscription' AND NOT bad.keys ? 'target' THEN
        PERFORM dbsync_internal.config_refuse(bad.line, format('subscription "%s" has no target', bad.subscription), 'Write target = name below it.', '22023');
    ELSIF bad.kind = 'subscription' THEN
        PERFORM dbsync_internal.config_refuse((bad.lines ->> 'target')::int, format('target "%s" does not exist', bad.keys ->> 'target'),
            'Write a section [target NAME], or make it with dbsync.create_target().', '42704');
    ELSIF bad.present IS NULL AND NOT EXISTS (SELECT FROM unnest(sections) m WHERE m.kind = 'subscription' AND m.subscription = bad.subscription) THEN
        PERFORM dbsync_internal.config_refuse(bad.line, format('subscription "%s" does not exist', bad.subscription),
            'Write a section [subscription NAME] for it, too.', '42704');
    ELSIF bad.schema IS NULL THEN
        PERFORM dbsync_internal.config_refuse(bad.line, format('the schema of %s %s does not exist', bad.kind, bad.name), NULL, '3F000');
    ELSIF bad.hidden THEN
        PERFORM dbsync_internal.config_refuse(bad.line, format('permission denied for schema %s', bad.schema), NULL, '42501');
    ELSE
        PERFORM dbsync_internal.config_refuse(bad.line, format('%s %s does not exist', bad.kind, bad.name), NULL, '42P01');
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_check(oid, dbsync_internal.config_section[]) IS 'error for sections about what does not exist or belongs to others';

-- As add_table() would find it.
CREATE FUNCTION dbsync_internal.config_place(given text, at text, name text, place name) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
    SELECT CASE WHEN given IS NULL THEN coalesce(at, name)
        -- of what is not there yet nobody asks, but its name may be worked out
        WHEN cardinality(parse_ident(given)) = 2 OR name IS NULL THEN given
        ELSE format('%I.%s', coalesce(place, (parse_ident(name))[1]), given) END
$$;
COMMENT ON FUNCTION dbsync_internal.config_place(text, text, text, name) IS 'the name at the target, which may have a place of its own for tables: as given, or where it is now, or as it is called here';

-- A table is captured once: who asks for less than another subscription has, or for the same in other words, is served by
-- that, as add_table() says, and has what he asked for.
CREATE FUNCTION dbsync_internal.config_is_served(subscription name, object oid, key text, wanted jsonb, present jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured FROM dbsync.captured_table c
    JOIN dbsync.subscription_table a ON a.captured_id = c.id AND a.capture IS NULL JOIN dbsync.subscription s ON s.id = a.subscription_id
    WHERE c.relid = object AND c.state <> 'dropped' AND s.name <> config_is_served.subscription LIMIT 1;
    RETURN CASE WHEN captured.id IS NULL THEN false
        WHEN key = 'capture' THEN wanted = '"keys"' AND present = 'null'
        ELSE captured.capture = 'shadow' AND dbsync_internal.shadow_options(nullif(wanted, 'null')) = dbsync_internal.shadow_options(nullif(present, 'null'))
            OR captured.capture = 'snapshot' AND dbsync_internal.snapshot_options(nullif(wanted, 'null')) = dbsync_internal.snapshot_options(nullif(present, 'null')) END;
EXCEPTION WHEN invalid_parameter_value THEN
    -- who is to take it says so
    RETURN false;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_is_served(name, oid, text, jsonb, jsonb) IS 'has a subscription by another one what it wants of how a table is captured, though that is said otherwise?';

CREATE FUNCTION dbsync_internal.config_compare(sections dbsync_internal.config_section[]) RETURNS SETOF dbsync_internal.config_compared
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH argument AS MATERIALIZED (
        SELECT a.kind, a.key, a.fallback FROM dbsync_internal.config_arguments() a WHERE a.kind <> 'target' AND NOT a.once
    ), said AS MATERIALIZED (
        SELECT s AS section, s.kind, s.line, s.subscription::name AS subscription, s.name, s.keys,
            (parse_ident(s.name))[1]::name AS schema, (parse_ident(s.name))[2]::name AS rel
        FROM unnest(sections) s WHERE s.kind IN ('subscription', 'table', 'sequence')
    ), wanted AS MATERIALIZED (
        SELECT s.*, c.oid AS object FROM said s
        LEFT JOIN pg_namespace n ON n.nspname = s.schema
        LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.rel
    ), present AS MATERIALIZED (
        SELECT p.* FROM dbsync_internal.config_present(ARRAY(SELECT DISTINCT s.kind FROM unnest(sections) s)) p
    )
    SELECT w.section, w.object, p."values", d.keys, p.kind IS NOT NULL
    FROM wanted w LEFT JOIN present p ON p.kind = w.kind AND p.subscription = w.subscription AND coalesce(p.object, 0) = coalesce(w.object, 0)
    LEFT JOIN LATERAL (
        SELECT array_agg(a.key) AS keys FROM argument a
        CROSS JOIN LATERAL (
            SELECT CASE WHEN a.key NOT IN ('target_table', 'target_sequence') THEN coalesce(w.keys -> a.key, a.fallback, 'null')
                WHEN w.keys -> a.key = p."values" -> a.key THEN to_jsonb(p.at)
                ELSE to_jsonb(dbsync_internal.config_place(w.keys ->> a.key, CASE WHEN p."values" ->> a.key IS NULL THEN p.at END, p.name,
                    CASE WHEN w.keys ->> a.key IS NOT NULL THEN dbsync_internal.schema_of_target(
                        (SELECT s.target FROM dbsync.subscription s WHERE s.name = w.subscription)) END)) END,
                CASE WHEN a.key IN ('target_table', 'target_sequence') THEN to_jsonb(p.at) ELSE coalesce(p."values" -> a.key, 'null') END) v (wanted, present)
        WHERE a.kind = w.kind AND v.wanted <> v.present
          -- said to be empty is not said
          AND NOT (p.shared AND a.key IN ('key', 'capture', 'options') AND coalesce(w.keys -> a.key, 'null') IN ('null', '[]', '""'))
          AND NOT (a.key = 'target' AND NOT w.keys ? 'target')
          AND dbsync_internal.config_normal(a.key, v.wanted) IS DISTINCT FROM dbsync_internal.config_normal(a.key, v.present)
          AND NOT (p.shared AND a.key IN ('capture', 'options')
                   AND dbsync_internal.config_is_served(w.subscription, w.object, a.key, v.wanted, v.present))) d ON p.kind IS NOT NULL
$$;
COMMENT ON FUNCTION dbsync_internal.config_compare(dbsync_internal.config_section[]) IS 'sections beside what there is, and in what they differ';

-- Columns and filters are kept as PostgreSQL writes them down, and may only look different.
CREATE FUNCTION dbsync_internal.config_really_differs(compared dbsync_internal.config_compared) RETURNS text[]
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    section dbsync_internal.config_section := compared.section;
    differs text[] := compared.differs;
    columns text[] := ARRAY(SELECT jsonb_array_elements_text(nullif(section.keys -> 'columns', 'null')));
    filter text := nullif(section.keys ->> 'filter', '');
    role oid := (SELECT dbsync_internal.selection_role(dbsync_internal.owner_of(s.id), compared.object) FROM dbsync.subscription s WHERE s.name = section.subscription);
    immutable boolean := dbsync_internal.key_numbers(compared.object, NULL) = '{}';
    doing text := 'columns';
    hint text;
BEGIN
    IF 'columns' = ANY (differs) AND columns <> '{}'
        AND dbsync_internal.define_selection(compared.object, columns, NULL, role, dbsync_internal.caller_path(), immutable) -> 'entries'
            = compared.present -> 'columns' THEN
        differs := array_remove(differs, 'columns');
    END IF;
    doing := 'filter';
    IF 'filter' = ANY (differs) AND filter IS NOT NULL
        AND dbsync_internal.define_selection(compared.object, NULL, filter, role, dbsync_internal.caller_path(), immutable) -> 'filter'
            = compared.present -> 'filter' THEN
        differs := array_remove(differs, 'filter');
    END IF;
    PERFORM dbsync_internal.unlock_surplus(compared.object);
    RETURN nullif(differs, '{}');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    PERFORM dbsync_internal.config_refuse(dbsync_internal.config_line(section, ARRAY[doing]), sqlerrm, hint, sqlstate);
END $$;
COMMENT ON FUNCTION dbsync_internal.config_really_differs(dbsync_internal.config_compared) IS 'options of a table that are to be changed, when columns and filter have been understood';

-- Configuration files: what they say, and what there is.
--
-- Which options targets, subscriptions, tables and sequences have is asked of the catalog: they
-- are the arguments of the functions that make these.  What there is comes from columns that are
-- called as the arguments; where that is not so, config_present() says what to take instead.

CREATE FUNCTION dbsync_internal.config_lock(exclusive boolean DEFAULT false) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_config_lock_sql';
COMMENT ON FUNCTION dbsync_internal.config_lock(boolean) IS 'until the transaction ends nobody loads a configuration; exclusive: nobody changes one either';

CREATE FUNCTION dbsync_internal.ini(config text) RETURNS TABLE (
    line int, section text, key text, value text, head int, uncut text, exact boolean)
    LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_ini';
COMMENT ON FUNCTION dbsync_internal.ini(text) IS 'sections (key is null) and keys of an INI file; head: line of the section; uncut: the value with what was taken for a comment, if something was; exact: its lines begin with |';

CREATE FUNCTION dbsync_internal.ini_names(names text, separator "char") RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_ini_names_array';
COMMENT ON FUNCTION dbsync_internal.ini_names(text, "char") IS 'names in SQL form, qualified or not, with the separator between them, as they are quoted; null: it is no such list';

CREATE FUNCTION dbsync_internal.ini_list(list text) RETURNS text[]
    LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_ini_list_array';
COMMENT ON FUNCTION dbsync_internal.ini_list(text) IS 'elements of a list like that of a SELECT; null: it is none';

CREATE FUNCTION dbsync_internal.nearest(name text, names text[]) RETURNS text
    LANGUAGE c IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_nearest';
COMMENT ON FUNCTION dbsync_internal.nearest(text, text[]) IS 'which of these names was probably meant; null: none of them';

CREATE FUNCTION dbsync_internal.config_read(caller oid, path text) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_config_read';
COMMENT ON FUNCTION dbsync_internal.config_read(oid, text) IS 'a file of the server, which the caller must be allowed to read';

CREATE FUNCTION dbsync_internal.config_write(caller oid, path text, content text) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_config_write';
COMMENT ON FUNCTION dbsync_internal.config_write(oid, text, text) IS 'writes a file of the server, which the caller must be allowed to do';

CREATE FUNCTION dbsync_internal.config_run(caller oid, line int, statement text, secrets text[], keys text[], lines int[]) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_config_run';
COMMENT ON FUNCTION dbsync_internal.config_run(oid, int, text, text[], text[], int[]) IS 'runs a statement of a plan as the caller; secrets are its parameters; an error that names one of the keys is of its line';

-- Of errors the line is part of the message: nothing else of them is seen in all clients.
CREATE FUNCTION dbsync_internal.config_refuse(line int, problem text, hint text DEFAULT NULL, code text DEFAULT 'F0000') RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    problem := left(problem, 500) || CASE WHEN length(problem) > 500 THEN '...' ELSE '' END;
    IF coalesce(hint, '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = code, MESSAGE = concat('line ' || line || ': ', problem);
    END IF;
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = concat('line ' || line || ': ', problem), HINT = hint;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_refuse(int, text, text, text) IS 'error about a line of a configuration';

CREATE FUNCTION dbsync_internal.config_guess(name text, names text[], what text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT concat('Perhaps you mean "' || dbsync_internal.nearest(name, names) || '". ', format('%s: %s.', what, array_to_string(names, ', ')))
$$;
COMMENT ON FUNCTION dbsync_internal.config_guess(text, text[], text) IS 'hint for a name that is not known: the nearest one, and all';

-- As the section is called in a file; names may have any character but a zero.
CREATE FUNCTION dbsync_internal.config_ident(name text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
    SELECT CASE WHEN name !~ '[\x01-\x1f\x7f]' THEN quote_ident(name)
        ELSE format('U&"%s"', (SELECT string_agg(CASE WHEN c.c ~ '[\x01-\x1f\x7f]' THEN '\' || lpad(to_hex(ascii(c.c)), 4, '0')
            WHEN c.c IN ('"', '\') THEN c.c || c.c ELSE c.c END, '' ORDER BY c.n)
            FROM regexp_split_to_table(name, '') WITH ORDINALITY c (c, n))) END
$$;
COMMENT ON FUNCTION dbsync_internal.config_ident(text) IS 'an identifier as it is written in a configuration';

CREATE FUNCTION dbsync_internal.config_title(kind text, subscription text, name text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF kind NOT IN ('table', 'sequence') THEN
        name := dbsync_internal.config_ident(name);
    ELSIF name ~ '[\x01-\x1f\x7f]' THEN
        name := (SELECT string_agg(dbsync_internal.config_ident(p.p), '.' ORDER BY p.n) FROM unnest(parse_ident(name)) WITH ORDINALITY p (p, n));
    END IF;
    RETURN concat_ws(' ', kind, concat_ws(' / ', dbsync_internal.config_ident(subscription), name));
END $$;
COMMENT ON FUNCTION dbsync_internal.config_title(text, text, text) IS 'what is between the brackets of a section';

-- ---------------------------------------------------------------------------
-- Options

-- kind: of the section.  once: it says how something comes in, and is no matter once it is.
CREATE TYPE dbsync_internal.config_argument AS (
    kind text, key text, place int, type oid, fallback jsonb, alterable boolean, once boolean);
COMMENT ON TYPE dbsync_internal.config_argument IS 'something that can be said in a section of a configuration';

CREATE FUNCTION dbsync_internal.config_arguments() RETURNS SETOF dbsync_internal.config_argument
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    fallbacks jsonb;
BEGIN
    -- what the section's name says is no option, nor are the tables, which have sections
    EXECUTE (
        SELECT format('SELECT %s', string_agg(format('jsonb_build_object(%L, to_jsonb((%s)::%s))', concat_ws('.', f.kind, p.proargnames[n]),
            coalesce(pg_get_function_arg_default(p.oid, n), 'NULL'), format_type(p.proargtypes[n - 1], NULL)), ' || '))
        FROM dbsync_internal.config_functions() f JOIN pg_proc p ON p.oid = f.makes CROSS JOIN generate_series(f.named + 1, p.pronargs) n)
    INTO fallbacks;
    RETURN QUERY
    SELECT f.kind, p.proargnames[n], n::int, p.proargtypes[n - 1], nullif(fallbacks -> concat_ws('.', f.kind, p.proargnames[n]), 'null'),
        coalesce(p.proargnames[n] = ANY (a.proargnames), false), p.proargnames[n] IN ('copy_data', 'existing_rows')
    FROM dbsync_internal.config_functions() f JOIN pg_proc p ON p.oid = f.makes LEFT JOIN pg_proc a ON a.oid = f.alters
    CROSS JOIN generate_series(f.named + 1, p.pronargs) n
    WHERE p.proargnames[n] <> 'tables';
END $$;
COMMENT ON FUNCTION dbsync_internal.config_arguments() IS 'what can be said of targets, subscriptions, tables and sequences: the arguments of the functions that make them';

-- named: how many arguments the section's name gives.
CREATE FUNCTION dbsync_internal.config_functions() RETURNS TABLE (kind text, makes oid, alters oid, named int)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT f.kind, p.oid, (SELECT a.oid FROM pg_proc a WHERE a.pronamespace = 'dbsync'::regnamespace AND a.proname = f.alters), f.named
    FROM (VALUES ('target', 'create_target', 'alter_target', 1), ('subscription', 'create_subscription', 'alter_subscription', 1),
                 ('table', 'add_table', 'alter_table', 2), ('sequence', 'add_sequence', NULL, 2)) f (kind, makes, alters, named)
    JOIN pg_proc p ON p.pronamespace = 'dbsync'::regnamespace AND p.proname = f.makes
$$;
COMMENT ON FUNCTION dbsync_internal.config_functions() IS 'functions that make and change what sections of a configuration are about';

-- What is the same thing, said in another way; null: nothing is said.
CREATE FUNCTION dbsync_internal.config_normal(key text, value jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(value) = 'array' AND key <> 'columns' THEN
        value := (SELECT coalesce(jsonb_agg(DISTINCT e.value ORDER BY e.value), '[]') FROM jsonb_array_elements(value) e);
    ELSIF key IN ('policy', 'verify_policy') THEN
        value := to_jsonb(lower(regexp_replace(value #>> '{}', '\s+', ' ', 'g')));
    END IF;
    IF value IN ('null', '""', '[]', '{}')
        OR (key = 'capture' AND value = '"trigger"')
        OR (key = 'operations' AND value = '["delete", "insert", "truncate", "update"]') THEN
        RETURN NULL;
    END IF;
    RETURN value;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_normal(text, jsonb) IS 'the value of an option in the form in which two of them can be compared';

-- What there is.  All that is in "values" under another name, or in another form, than the column
-- has is named here, and nowhere else.  at: the name at the target; shared: another subscription
-- has the table, too, so that what is said of how it is captured there holds here.
CREATE FUNCTION dbsync_internal.config_present(kinds text[] DEFAULT '{subscription,table,sequence}') RETURNS TABLE (
    kind text, subscription name, object oid, name text, at text, by_rule boolean, shared boolean, "values" jsonb)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH sub AS MATERIALIZED (
        SELECT s AS s, s.id, s.name FROM dbsync.subscription s
    ), several AS (
        SELECT a.captured_id FROM dbsync.subscription_table a GROUP BY a.captured_id HAVING count(*) > 1)
    SELECT 'subscription', u.name, NULL::oid, NULL, NULL, false, false,
        to_jsonb(u.s) || jsonb_build_object(
            'started', (u.s).enabled, 'copy_data', (u.s).rule_copy_data, 'existing_rows', (u.s).rule_existing_rows,
            'all_tables', EXISTS (SELECT FROM dbsync.subscription_rule r WHERE r.subscription_id = u.id AND r.kind = 'all'),
            'schemas', (SELECT jsonb_agg(r.schema ORDER BY r.schema COLLATE "C") FROM dbsync.subscription_rule r
                        WHERE r.subscription_id = u.id AND r.kind = 'schema'),
            'except_tables', (SELECT jsonb_agg(format('%I.%I', r.schema, r.name) ORDER BY r.schema COLLATE "C", r.name COLLATE "C")
                              FROM dbsync.subscription_rule r WHERE r.subscription_id = u.id AND r.kind = 'except'))
    FROM sub u WHERE 'subscription' = ANY (kinds)
    UNION ALL
    SELECT 'table', u.name, k.oid, format('%I.%I', n.nspname, k.relname), p.at, a.by_rule,
        a.captured_id IN (SELECT v.captured_id FROM several v),
        to_jsonb(a) || jsonb_build_object(
            'target_table', CASE WHEN a.target_given THEN p.at END,
            -- truncate was for one copy, of copy_table() perhaps: another target may have rows of somebody else
            'existing_rows', nullif(a.existing_rows, 'truncate'),
            'key', c.named_key,
            'capture', nullif(coalesce(a.capture, CASE WHEN c.reduced THEN 'trigger' ELSE c.capture END), 'trigger'),
            'options', nullif(CASE WHEN a.capture IS NULL THEN c.capture_options ELSE a.capture_options END, '{}'))
    FROM dbsync.subscription_table a JOIN sub u ON u.id = a.subscription_id
    JOIN dbsync.captured_table c ON c.id = a.captured_id AND c.state <> 'dropped'
    JOIN pg_class k ON k.oid = c.relid JOIN pg_namespace n ON n.oid = k.relnamespace
    CROSS JOIN LATERAL (SELECT format('%I.%I', a.target_schema, a.target_table)) p (at)
    WHERE 'table' = ANY (kinds)
    UNION ALL
    SELECT 'sequence', u.name, k.oid, p.name, p.at, false, false,
        jsonb_build_object('target_sequence', nullif(p.at, p.name))
    FROM dbsync.subscription_sequence q JOIN sub u ON u.id = q.subscription_id
    JOIN pg_class k ON k.oid = q.sequence JOIN pg_namespace n ON n.oid = k.relnamespace
    CROSS JOIN LATERAL (SELECT format('%I.%I', n.nspname, k.relname), format('%I.%I', q.target_schema, q.target_sequence)) p (name, at)
    WHERE 'sequence' = ANY (kinds)
$$;
COMMENT ON FUNCTION dbsync_internal.config_present(text[]) IS 'subscriptions, their tables and sequences, and what has been said of them';

CREATE FUNCTION dbsync_internal.config_own(caller oid) RETURNS SETOF name
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.name FROM dbsync.subscription s WHERE dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(s.id))
$$;
COMMENT ON FUNCTION dbsync_internal.config_own(oid) IS 'the subscriptions that a configuration of the caller''s is about';

-- Options that a driver knows; null: it does not tell.
CREATE FUNCTION dbsync_internal.config_target_options(driver name) RETURNS text[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    validator oid := (SELECT w.fdwvalidator FROM pg_foreign_data_wrapper w WHERE w.fdwname = driver);
    place regclass;
    hint text;
    known text[];
BEGIN
    IF validator = 0 THEN
        RETURN NULL;
    END IF;
    FOREACH place IN ARRAY '{pg_foreign_server,pg_user_mapping}'::regclass[] LOOP
        BEGIN
            EXECUTE format('SELECT %s(%L, %L::oid)', validator::regproc, '{dbsync_asks_for_options=1}', place::oid);
        EXCEPTION WHEN fdw_invalid_option_name THEN
            GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
            known := known || string_to_array(substring(hint FROM ': (.*)$'), ', ');
        END;
    END LOOP;
    RETURN ARRAY(SELECT DISTINCT k FROM unnest(known) k ORDER BY k);
END $$;
COMMENT ON FUNCTION dbsync_internal.config_target_options(name) IS 'options of targets and user mappings that a driver knows, as its validator lists them in a hint';

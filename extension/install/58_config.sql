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

CREATE FUNCTION dbsync_internal.config_run(caller oid, line int, statement text, secrets text[]) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_config_run';
COMMENT ON FUNCTION dbsync_internal.config_run(oid, int, text, text[]) IS 'runs a statement of a plan as the caller; secrets are its parameters';

-- Of errors the line is part of the message: nothing else of them is seen in all clients.
CREATE FUNCTION dbsync_internal.config_refuse(line int, problem text, hint text DEFAULT NULL, code text DEFAULT 'F0000') RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = code,
        MESSAGE = concat('line ' || line || ': ', problem), HINT = coalesce(hint, '');
END $$;
COMMENT ON FUNCTION dbsync_internal.config_refuse(int, text, text, text) IS 'error about a line of a configuration';

CREATE FUNCTION dbsync_internal.config_guess(name text, names text[], what text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT concat(format('Perhaps you mean "%s". ', dbsync_internal.nearest(name, names)), format('%s: %s.', what, array_to_string(names, ', ')))
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
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT concat_ws(' ', kind, nullif(concat_ws(' / ', dbsync_internal.config_ident(subscription),
        CASE WHEN kind IN ('table', 'sequence') AND name ~ '[\x01-\x1f\x7f]'
            THEN (SELECT string_agg(dbsync_internal.config_ident(p.p), '.' ORDER BY p.n) FROM unnest(parse_ident(name)) WITH ORDINALITY p (p, n))
            WHEN kind IN ('table', 'sequence') THEN name
            ELSE dbsync_internal.config_ident(name) END), ''))
$$;
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
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN n.value IN ('null', '""', '[]', '{}') THEN NULL
        WHEN key = 'capture' AND n.value = '"trigger"' THEN NULL
        WHEN key = 'operations' AND n.value = '["delete", "insert", "truncate", "update"]' THEN NULL
        ELSE n.value END
    FROM (SELECT CASE
        WHEN key = 'policy' THEN to_jsonb(lower(regexp_replace(value #>> '{}', '\s+', ' ', 'g')))
        WHEN jsonb_typeof(value) = 'array' AND key <> 'columns'
            THEN (SELECT coalesce(jsonb_agg(DISTINCT e.value ORDER BY e.value), '[]') FROM jsonb_array_elements(value) e)
        ELSE value END) n (value)
$$;
COMMENT ON FUNCTION dbsync_internal.config_normal(text, jsonb) IS 'the value of an option in the form in which two of them can be compared';

-- What there is.  All that is in "values" under another name, or in another form, than the column
-- has is named here, and nowhere else.  at: the name at the target; shared: another subscription
-- has the table, too, so that what is said of how it is captured there holds here.
CREATE FUNCTION dbsync_internal.config_present() RETURNS TABLE (
    kind text, subscription name, owner oid, object oid, name text, at text, by_rule boolean, shared boolean, "values" jsonb)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH sub AS MATERIALIZED (
        SELECT s AS s, s.id, s.name, dbsync_internal.owner_of(s.id)::oid AS owner FROM dbsync.subscription s)
    SELECT 'subscription', u.name, u.owner, NULL::oid, NULL, NULL, false, false,
        to_jsonb(u.s) || jsonb_build_object(
            'started', (u.s).enabled, 'copy_data', (u.s).rule_copy_data, 'existing_rows', (u.s).rule_existing_rows,
            'all_tables', EXISTS (SELECT FROM dbsync.subscription_rule r WHERE r.subscription_id = u.id AND r.kind = 'all'),
            'schemas', (SELECT jsonb_agg(r.schema ORDER BY r.schema COLLATE "C") FROM dbsync.subscription_rule r
                        WHERE r.subscription_id = u.id AND r.kind = 'schema'),
            'except_tables', (SELECT jsonb_agg(format('%I.%I', r.schema, r.name) ORDER BY r.schema COLLATE "C", r.name COLLATE "C")
                              FROM dbsync.subscription_rule r WHERE r.subscription_id = u.id AND r.kind = 'except'))
    FROM sub u
    UNION ALL
    SELECT 'table', u.name, u.owner, k.oid, format('%I.%I', n.nspname, k.relname), p.at, a.by_rule,
        EXISTS (SELECT FROM dbsync.subscription_table o WHERE o.captured_id = c.id AND o.subscription_id <> a.subscription_id),
        to_jsonb(a) || jsonb_build_object(
            'target_table', CASE WHEN a.target_given THEN p.at END,
            'key', c.named_key,
            'capture', coalesce(a.capture, c.capture),
            'options', CASE WHEN a.capture IS NULL THEN c.capture_options ELSE a.capture_options END)
    FROM dbsync.subscription_table a JOIN sub u ON u.id = a.subscription_id
    JOIN dbsync.captured_table c ON c.id = a.captured_id AND c.state <> 'dropped'
    JOIN pg_class k ON k.oid = c.relid JOIN pg_namespace n ON n.oid = k.relnamespace
    CROSS JOIN LATERAL (SELECT format('%I.%I', a.target_schema, a.target_table)) p (at)
    UNION ALL
    SELECT 'sequence', u.name, u.owner, k.oid, p.name, p.at, false, false,
        jsonb_build_object('target_sequence', nullif(p.at, p.name))
    FROM dbsync.subscription_sequence q JOIN sub u ON u.id = q.subscription_id
    JOIN pg_class k ON k.oid = q.sequence JOIN pg_namespace n ON n.oid = k.relnamespace
    CROSS JOIN LATERAL (SELECT format('%I.%I', n.nspname, k.relname), format('%I.%I', q.target_schema, q.target_sequence)) p (name, at)
$$;
COMMENT ON FUNCTION dbsync_internal.config_present() IS 'subscriptions, their tables and sequences, and what has been said of them';

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

-- ---------------------------------------------------------------------------
-- Reading

-- keys: values by option, of the types that these have; lines: where they are.  A line that is
-- null: the section is in no file.
CREATE TYPE dbsync_internal.config_section AS (
    line int, kind text, subscription text, name text, keys jsonb, lines jsonb);
COMMENT ON TYPE dbsync_internal.config_section IS 'a section of a configuration that was read';

CREATE FUNCTION dbsync_internal.config_heads(config text) RETURNS TABLE (line int, kind text, subscription text, name text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    forms CONSTANT jsonb := '{"dbsync": "[dbsync]", "target": "[target NAME]", "subscription": "[subscription NAME]",
        "table": "[table SUBSCRIPTION / SCHEMA.TABLE]", "sequence": "[sequence SUBSCRIPTION / SCHEMA.SEQUENCE]"}';
    bad record;
BEGIN
    SELECT h.* INTO bad FROM (
        SELECT i.line, i.section, s.kind, dbsync_internal.ini_names(s.rest, '/') AS names
        FROM dbsync_internal.ini(config) i
        CROSS JOIN LATERAL (SELECT lower(substring(i.section FROM '^[^\s]*')), substring(i.section FROM '^[^\s]*(.*)$')) s (kind, rest)
        WHERE i.key IS NULL) h
    WHERE NOT forms ? h.kind OR h.names IS NULL
       OR ARRAY(SELECT cardinality(parse_ident(n)) FROM unnest(h.names) n)
          IS DISTINCT FROM CASE h.kind WHEN 'dbsync' THEN '{}'::int[] WHEN 'table' THEN '{1,2}' WHEN 'sequence' THEN '{1,2}' ELSE '{1}' END
    ORDER BY h.line LIMIT 1;
    IF FOUND AND NOT forms ? bad.kind THEN
        PERFORM dbsync_internal.config_refuse(bad.line, format('there are no sections [%s …]', bad.kind),
            concat(format('Perhaps you mean [%s …]. ', dbsync_internal.nearest(bad.kind, ARRAY(SELECT jsonb_object_keys(forms)))),
                (SELECT format('Sections: %s.', string_agg(f.value, ', ' ORDER BY length(f.value))) FROM jsonb_each_text(forms) f)));
    ELSIF FOUND THEN
        PERFORM dbsync_internal.config_refuse(bad.line, format('section [%s] does not name what it should', bad.section),
            format('Write %s. Names have 63 bytes at most, and are quoted as in SQL.', forms ->> bad.kind));
    END IF;
    RETURN QUERY
    SELECT i.line, s.kind,
        CASE WHEN s.kind IN ('subscription', 'table', 'sequence') THEN (parse_ident(n.names[1]))[1] END,
        CASE WHEN s.kind = 'target' THEN (parse_ident(n.names[1]))[1] ELSE n.names[2] END
    FROM dbsync_internal.ini(config) i
    CROSS JOIN LATERAL (SELECT lower(substring(i.section FROM '^[^\s]*')), substring(i.section FROM '^[^\s]*(.*)$')) s (kind, rest)
    CROSS JOIN LATERAL (SELECT dbsync_internal.ini_names(s.rest, '/')) n (names)
    WHERE i.key IS NULL;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_heads(text) IS 'the sections of a configuration, and what they are about';

-- Numbers, words of JSON and what is quoted or in brackets are JSON, all else is a string.
CREATE FUNCTION dbsync_internal.config_json(line int, value text) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF value !~ '^(true|false|null|-?[0-9].*|["{\[].*)$' THEN
        RETURN to_jsonb(value);
    END IF;
    RETURN value::jsonb;
EXCEPTION WHEN invalid_text_representation THEN
    IF left(value, 1) IN ('"', '{', '[') THEN
        PERFORM dbsync_internal.config_refuse(line, 'the value is no valid JSON', 'A text that begins with ", { or [ is written as a JSON string.', '22P02');
    END IF;
    RETURN to_jsonb(value);
END $$;
COMMENT ON FUNCTION dbsync_internal.config_json(int, text) IS 'a value of an option that is JSON';

-- As names, as expressions like those of a SELECT, or as an array is written in SQL.
CREATE FUNCTION dbsync_internal.config_elements(line int, key text, value text) RETURNS text[]
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    elements text[];
    parts CONSTANT int := CASE key WHEN 'except_tables' THEN 2 ELSE 1 END;
BEGIN
    IF left(value, 1) = '{' THEN
        BEGIN
            elements := value;
        EXCEPTION WHEN invalid_text_representation THEN
            PERFORM dbsync_internal.config_refuse(line, format('%s is no valid array', key), NULL, '22P02');
        END;
        RETURN CASE WHEN parts = 1 THEN elements ELSE dbsync_internal.config_elements(line, key, array_to_string(elements, ', ')) END;
    ELSIF key = 'columns' THEN
        elements := dbsync_internal.ini_list(value);
        IF elements IS NULL THEN
            PERFORM dbsync_internal.config_refuse(line, 'columns is no list as that of a SELECT', 'A quote or a bracket does not end, or there is nothing between two commas.');
        END IF;
        RETURN elements;
    END IF;
    elements := dbsync_internal.ini_names(value, ',');
    IF elements IS NULL OR EXISTS (SELECT FROM unnest(elements) e WHERE cardinality(parse_ident(e)) <> parts) THEN
        PERFORM dbsync_internal.config_refuse(line, format('%s is no list of names', key),
            CASE parts WHEN 1 THEN 'Write a, b, "C d".' ELSE 'Write schema.table, schema."Other Table".' END);
    END IF;
    RETURN CASE WHEN parts = 2 THEN elements ELSE ARRAY(SELECT (parse_ident(e.name))[1] FROM unnest(elements) WITH ORDINALITY e (name, n) ORDER BY e.n) END;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_elements(int, text, text) IS 'the elements of a value that is a list';

-- Options that are read, and never written or shown.
CREATE FUNCTION dbsync_internal.config_is_secret(option text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT option = 'password' OR (option NOT IN ('user', 'password_required') AND dbsync_internal.is_mapping_option(option))
$$;
COMMENT ON FUNCTION dbsync_internal.config_is_secret(text) IS 'is the option of a target something that nobody else may read?';

-- What is SQL is not cut where it might have a comment.
CREATE FUNCTION dbsync_internal.config_value(line int, kind text, key text, type oid, value text, uncut text, exact boolean) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result jsonb;
    names text[];
BEGIN
    IF kind = 'target' AND uncut IS NOT NULL AND dbsync_internal.config_is_secret(key) THEN
        PERFORM dbsync_internal.config_refuse(line, format('%s may have been cut off', key),
            'A ; or # behind a blank begins a comment. Write the value behind a |, which has it taken as it is, and the comment in a line of its own.');
    END IF;
    value := CASE WHEN exact THEN value WHEN key IN ('columns', 'filter') THEN coalesce(uncut, value) ELSE replace(value, E'\n', ' ') END;
    IF type = 'boolean'::regtype THEN
        result := CASE WHEN lower(value) IN ('yes', 'true', 'on', '1') THEN 'true' WHEN lower(value) IN ('no', 'false', 'off', '0') THEN 'false' END;
        IF result IS NULL THEN
            PERFORM dbsync_internal.config_refuse(line, format('%s must be yes or no, not "%s"', key, value), NULL, '22023');
        END IF;
    ELSIF key IN ('target', 'target_table', 'target_sequence') THEN
        names := dbsync_internal.ini_names(value, ',');
        IF names IS NULL OR cardinality(names) > 1 OR cardinality(parse_ident(names[1])) > (CASE key WHEN 'target' THEN 1 ELSE 2 END) THEN
            PERFORM dbsync_internal.config_refuse(line, format('%s is no name: "%s"', key, value), 'Names have 63 bytes at most, and are quoted as in SQL.', '42602');
        END IF;
        result := to_jsonb(CASE key WHEN 'target' THEN (parse_ident(names[1]))[1] ELSE names[1] END);
    ELSIF type = 'jsonb'::regtype THEN
        result := dbsync_internal.config_json(line, value);
    ELSIF EXISTS (SELECT FROM pg_type t WHERE t.oid = type AND t.typcategory = 'A') THEN
        result := to_jsonb(dbsync_internal.config_elements(line, key, value));
    ELSIF type = 'text'::regtype THEN
        result := to_jsonb(value);
    ELSE
        BEGIN
            EXECUTE format('SELECT to_jsonb($1::%s)', format_type(type, NULL)) INTO result USING value;
        EXCEPTION WHEN data_exception THEN
            PERFORM dbsync_internal.config_refuse(line, sqlerrm, NULL, sqlstate);
        END;
    END IF;
    RETURN result;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_value(int, text, text, oid, text, text, boolean) IS 'a value as the option''s type has it; error, with its line, if it is none';

-- Keys, with their sections, and what is known of them.  Of one with a dot the first part is the
-- option, the second a member of it, which is JSON.
CREATE FUNCTION dbsync_internal.config_keys(config text) RETURNS TABLE (
    line int, head int, kind text, key text, member text, type oid, value text, uncut text, exact boolean)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    arguments CONSTANT jsonb := (
        SELECT jsonb_object_agg(concat_ws('.', a.kind, a.key), a.type) FROM dbsync_internal.config_arguments() a WHERE a.kind <> 'target'
    ) || jsonb_build_object('subscription.started', 'boolean'::regtype::oid, 'dbsync.version', 'text'::regtype::oid);
    bad record;
    valid text[];
BEGIN
    SELECT k.*, k.kind <> 'target' AND NOT arguments ? concat_ws('.', k.kind, k.key) AS unknown, k.is_json AND k.member IS NULL AS lacks
    INTO bad FROM (
        SELECT k.*, row_number() OVER (PARTITION BY k.head, k.key, k.member ORDER BY k.line) AS n
        FROM dbsync_internal.config_split(config, arguments) k) k
    WHERE k.n > 1 OR (k.is_json AND k.member IS NULL) OR (k.kind <> 'target' AND NOT arguments ? concat_ws('.', k.kind, k.key))
    ORDER BY k.line LIMIT 1;
    IF FOUND AND bad.unknown THEN
        valid := ARRAY(SELECT substring(a FROM '\.(.*)$') FROM jsonb_object_keys(arguments) a WHERE a LIKE bad.kind || '.%' ORDER BY 1);
        PERFORM dbsync_internal.config_refuse(bad.line, format('[%s] has no key "%s"', bad.kind, bad.key),
            dbsync_internal.config_guess(bad.key, valid, format('Keys of [%s]', bad.kind)));
    ELSIF FOUND AND bad.lacks THEN
        PERFORM dbsync_internal.config_refuse(bad.line, format('%s is written member by member', bad.key), format('Write %s.member = value, a line for each.', bad.key));
    ELSIF FOUND THEN
        PERFORM dbsync_internal.config_refuse(bad.line, format('key "%s" is there twice', concat_ws('.', bad.key, bad.member)), 'It may be written in another way the first time: upper and lower case are the same.');
    END IF;
    RETURN QUERY
    SELECT k.line, k.head, k.kind, k.key, k.member, coalesce((arguments ->> concat_ws('.', k.kind, k.key))::oid, 'text'::regtype), k.value, k.uncut, k.exact
    FROM dbsync_internal.config_split(config, arguments) k;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_keys(text) IS 'the keys of a configuration and their types; error if one is not known, or there twice';

CREATE FUNCTION dbsync_internal.config_split(config text, arguments jsonb) RETURNS TABLE (
    line int, head int, kind text, key text, member text, is_json boolean, value text, uncut text, exact boolean)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT i.line, i.head, s.kind, CASE WHEN j.is_json THEN s.option ELSE lower(i.key) END,
        CASE WHEN j.is_json THEN CASE WHEN i.key ~ '^[^.]*\."(.*)"$' THEN replace(substring(i.key FROM '^[^.]*\."(.*)"$'), '""', '"')
            ELSE substring(i.key FROM '^[^.]*\.(.+)$') END END,
        j.is_json, i.value, i.uncut, i.exact
    FROM dbsync_internal.ini(config) i
    CROSS JOIN LATERAL (SELECT lower(substring(i.section FROM '^[^\s]*')), lower(substring(i.key FROM '^[^.]*'))) s (kind, option)
    CROSS JOIN LATERAL (SELECT coalesce((arguments ->> concat_ws('.', s.kind, s.option))::oid = 'jsonb'::regtype, false)) j (is_json)
    WHERE i.key IS NOT NULL
$$;
COMMENT ON FUNCTION dbsync_internal.config_split(text, jsonb) IS 'keys of a configuration, those with a dot in two parts if the option is JSON';

CREATE FUNCTION dbsync_internal.config_sections(config text) RETURNS dbsync_internal.config_section[]
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    sections dbsync_internal.config_section[];
    bad record;
BEGIN
    SELECT d.* INTO bad FROM (
        SELECT h.*, row_number() OVER w AS n, first_value(h.line) OVER w AS first
        FROM dbsync_internal.config_heads(config) h WINDOW w AS (PARTITION BY h.kind, h.subscription, h.name ORDER BY h.line)) d
    WHERE d.n > 1 ORDER BY d.line LIMIT 1;
    IF FOUND THEN
        PERFORM dbsync_internal.config_refuse(bad.line,
            format('section [%s] is there twice', dbsync_internal.config_title(bad.kind, bad.subscription, bad.name)),
            format('The first one is in line %s.', bad.first));
    END IF;
    WITH typed AS MATERIALIZED (
        SELECT k.head, k.line, k.key, k.member, dbsync_internal.config_value(k.line, k.kind, k.key, k.type, k.value, k.uncut, k.exact) AS value
        FROM dbsync_internal.config_keys(config) k ORDER BY k.line
    ), options AS (
        SELECT t.head, t.key, min(t.line) AS line,
            CASE WHEN bool_or(t.member IS NOT NULL) THEN jsonb_object_agg(coalesce(t.member, ''), t.value) ELSE (array_agg(t.value))[1] END AS value
        FROM typed t GROUP BY t.head, t.key
    ), gathered AS (
        SELECT o.head, jsonb_object_agg(o.key, o.value) AS keys, jsonb_object_agg(o.key, o.line) AS lines FROM options o GROUP BY o.head
    )
    SELECT coalesce(array_agg((h.line, h.kind, h.subscription, h.name, coalesce(g.keys, '{}'), coalesce(g.lines, '{}'))::dbsync_internal.config_section
        ORDER BY h.line), '{}') INTO sections
    FROM dbsync_internal.config_heads(config) h LEFT JOIN gathered g ON g.head = h.line;
    -- a file that is cut off, or another program's, says less than it should
    SELECT s.line, s.keys ->> 'version' AS version, (s.lines ->> 'version')::int AS at INTO bad
    FROM unnest(sections) s WHERE s.kind = 'dbsync';
    IF bad.version IS DISTINCT FROM '1' THEN
        PERFORM dbsync_internal.config_refuse(coalesce(bad.at, bad.line, 1),
            CASE WHEN bad.version IS NULL THEN 'the configuration does not say its version'
                ELSE format('version "%s" of configurations is not known', bad.version) END,
            'Begin with [dbsync], and version = 1 below it.');
    END IF;
    RETURN sections;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_sections(text) IS 'what a configuration says; error, with its line, where it says nothing that is known';

-- Configuration files: reading what they say, line by line, and refusing what is nothing.

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
        PERFORM dbsync_internal.config_refuse(bad.line, format('there are no sections [%s ...]', bad.kind),
            concat('Perhaps you mean [' || dbsync_internal.nearest(bad.kind, ARRAY(SELECT jsonb_object_keys(forms))) || ' ...]. ',
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
-- Where the driver is not known yet: null.
CREATE FUNCTION dbsync_internal.config_is_secret(driver name, option text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT option = 'password' OR dbsync_internal.is_secret_option(driver, option)
$$;
COMMENT ON FUNCTION dbsync_internal.config_is_secret(name, text) IS 'is the option of a target something that nobody else may read?';

-- What is SQL is not cut where it might have a comment.
CREATE FUNCTION dbsync_internal.config_value(line int, kind text, key text, type oid, value text, uncut text, exact boolean) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    result jsonb;
    names text[];
BEGIN
    IF kind = 'target' AND uncut IS NOT NULL AND dbsync_internal.config_is_secret(NULL, key) THEN
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
            -- where somebody writes a URI there may be a password
            PERFORM dbsync_internal.config_refuse(line, concat(key, ' is no name', CASE WHEN value !~ '://' THEN format(': "%s"', value) END), 'Names have 63 bytes at most, and are quoted as in SQL.', '42602');
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
    sections dbsync_internal.config_section[] := ARRAY(
        SELECT (h.line, h.kind, h.subscription, h.name, NULL, NULL)::dbsync_internal.config_section FROM dbsync_internal.config_heads(config) h);
    bad record;
BEGIN
    SELECT d.* INTO bad FROM (
        SELECT h.*, row_number() OVER w AS n, first_value(h.line) OVER w AS first
        FROM unnest(sections) h WINDOW w AS (PARTITION BY h.kind, h.subscription, h.name ORDER BY h.line)) d
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
    FROM unnest(sections) h LEFT JOIN gathered g ON g.head = h.line;
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

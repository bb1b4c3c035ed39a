-- Configuration files: writing what there is.

-- A value that would be read as another one goes behind a |.  sql: nothing is taken for a comment in it.
CREATE FUNCTION dbsync_internal.config_pair(key text, value text, sql boolean DEFAULT false) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF value ~ '\r(\n|$)' OR key ~ '[\r\n]' THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = format('%s cannot be written in a configuration', key),
            DETAIL = 'It has a carriage return at the end of a line, or a name with a line in it.';
    END IF;
    RETURN CASE WHEN value ~ '\n|^[ \t|]|[ \t]$' OR (NOT sql AND value ~ '(^|[ \t])[;#]') THEN format(E'%s = |%s\n', key, replace(value, E'\n', E'\n    |'))
        ELSE rtrim(format('%s = %s', key, value)) || E'\n' END;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_pair(text, text, boolean) IS 'a key and its value as lines of a configuration';

-- What config_json() reads as it.
CREATE FUNCTION dbsync_internal.config_json_text(value jsonb) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN jsonb_typeof(value) = 'string' AND dbsync_internal.config_json(NULL, value #>> '{}') = value THEN value #>> '{}' ELSE value::text END;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN value::text;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_json_text(jsonb) IS 'a member of an option that is JSON as a configuration has it';

CREATE FUNCTION dbsync_internal.config_member(name text) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN name ~ '^[A-Za-z_][A-Za-z0-9_]*$' THEN name ELSE format('"%s"', replace(name, '"', '""')) END
$$;
COMMENT ON FUNCTION dbsync_internal.config_member(text) IS 'name of a member of an option that is JSON, as a key has it';

-- Lists as people write them, if they are read as the same ones.
CREATE FUNCTION dbsync_internal.config_list_text(key text, elements text[]) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
    SELECT CASE WHEN key = 'columns' AND dbsync_internal.ini_list(array_to_string(elements, ', ')) IS DISTINCT FROM elements THEN elements::text
        WHEN key IN ('columns', 'except_tables') THEN array_to_string(elements, ', ')
        ELSE (SELECT string_agg(quote_ident(e.e), ', ' ORDER BY e.n) FROM unnest(elements) WITH ORDINALITY e (e, n)) END
$$;
COMMENT ON FUNCTION dbsync_internal.config_list_text(text, text[]) IS 'a list as a configuration has it';

CREATE FUNCTION dbsync_internal.config_option_text(argument dbsync_internal.config_argument, value jsonb) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
    SELECT CASE
        WHEN argument.key IS NULL THEN NULL
        WHEN argument.type = 'jsonb'::regtype THEN (
            SELECT string_agg(dbsync_internal.config_pair(format('%s.%s', argument.key, dbsync_internal.config_member(m.key)), dbsync_internal.config_json_text(m.value)), ''
                ORDER BY m.key COLLATE "C") FROM jsonb_each(value) m)
        ELSE dbsync_internal.config_pair(argument.key, CASE
            WHEN jsonb_typeof(value) = 'boolean' THEN CASE WHEN value::boolean THEN 'yes' ELSE 'no' END
            WHEN jsonb_typeof(value) = 'array' THEN dbsync_internal.config_list_text(argument.key,
                ARRAY(SELECT e.value FROM jsonb_array_elements_text(value) WITH ORDINALITY e (value, n) ORDER BY e.n))
            WHEN argument.key = 'target' THEN quote_ident(value #>> '{}')
            ELSE value #>> '{}' END, argument.key IN ('columns', 'filter')) END
$$;
COMMENT ON FUNCTION dbsync_internal.config_option_text(dbsync_internal.config_argument, jsonb) IS 'an option as lines of a configuration';

-- The user is what its mapping may tell; the rest of it are secrets.
CREATE FUNCTION dbsync_internal.config_target_text(caller oid, server pg_foreign_server) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(E'\n[%s]\n', dbsync_internal.config_title('target', NULL, server.srvname))
        || coalesce((SELECT dbsync_internal.config_pair('driver', w.fdwname) FROM pg_foreign_data_wrapper w
                     WHERE w.oid = server.srvfdw AND w.fdwname <> 'dbsync_postgres'), '')
        || coalesce(string_agg(dbsync_internal.config_pair(o.option_name, o.option_value), '' ORDER BY o.option_name COLLATE "C"), '')
    FROM (SELECT s.option_name, s.option_value FROM pg_options_to_table(server.srvoptions) s
          UNION ALL
          SELECT u.option_name, u.option_value FROM pg_user_mappings m CROSS JOIN LATERAL pg_options_to_table(m.umoptions) u
          WHERE m.srvid = server.oid AND m.umuser = dbsync_internal.mapped_role(caller, server)
            AND dbsync_internal.config_may_read(caller, m.umuser) AND u.option_name IN ('user', 'password_required')) o
$$;
COMMENT ON FUNCTION dbsync_internal.config_target_text(oid, pg_foreign_server) IS 'a target as a section of a configuration, without passwords';

CREATE FUNCTION dbsync_internal.dump_config(caller oid, file text) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
DECLARE
    arguments dbsync_internal.config_argument[] := ARRAY(SELECT a FROM dbsync_internal.config_arguments() a)
        || ('subscription', 'started', 1000, 'boolean'::regtype, NULL, true, false)::dbsync_internal.config_argument;
    written text := E'# Written by dbsync.dump_config(): comments of the file that was loaded are not kept,\n'
        '# and passwords are not written.\n\n[dbsync]\nversion = 1\n';
BEGIN
    written := written || coalesce((
        SELECT string_agg(dbsync_internal.config_target_text(caller, f), '' ORDER BY f.srvname COLLATE "C")
        FROM pg_foreign_server f JOIN pg_foreign_data_wrapper w ON w.oid = f.srvfdw AND left(w.fdwname, 7) = 'dbsync_'
        WHERE dbsync_internal.may_act_as(caller, f.srvowner)), '');
    written := written || coalesce((
        SELECT string_agg(format(E'\n[%s]\n%s', dbsync_internal.config_title(s.kind, s.subscription, s.name), s.options), ''
            ORDER BY s.subscription COLLATE "C", array_position('{subscription,table,sequence}', s.kind), s.name COLLATE "C")
        FROM (SELECT p.kind, p.subscription, p.name, coalesce(string_agg(dbsync_internal.config_option_text(a, p."values" -> a.key), '' ORDER BY a.place), '') AS options,
                bool_or(p.by_rule) AS by_rule, bool_or(NOT a.once) AS said
            FROM dbsync_internal.config_present() p
            LEFT JOIN unnest(arguments) a ON a.kind = p.kind
             AND (a.key = 'started'
                  OR p."values" -> a.key <> coalesce(a.fallback, 'null') AND dbsync_internal.config_normal(a.key, p."values" -> a.key) IS DISTINCT FROM dbsync_internal.config_normal(a.key, a.fallback))
            WHERE p.subscription IN (SELECT dbsync_internal.config_own(caller))
            GROUP BY p.kind, p.subscription, p.name) s
        -- others come in by the rule
        WHERE NOT s.by_rule OR s.said), '');
    IF file IS NOT NULL THEN
        PERFORM dbsync_internal.config_write(caller, file, written);
    END IF;
    RETURN written;
END $$;
COMMENT ON FUNCTION dbsync_internal.dump_config(oid, text) IS 'body of dbsync.dump_config()';

CREATE FUNCTION dbsync.dump_config(file text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.dump_config(text) IS 'the configuration of what is yours (of a superuser: of all), as load_config() reads it, without passwords; file: written there, too';

-- Configuration files: targets, whose passwords are read and never written or shown.

-- Passwords are compared for whoever may read them, and set again for others.
CREATE FUNCTION dbsync_internal.config_may_read(caller oid, role oid) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT caller = role OR (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = caller)
$$;
COMMENT ON FUNCTION dbsync_internal.config_may_read(oid, oid) IS 'may the caller read the role''s user mappings?';

CREATE FUNCTION dbsync_internal.config_driver(section dbsync_internal.config_section) RETURNS name
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    scheme text := lower(substring(section.keys ->> 'uri' FROM '^([A-Za-z][A-Za-z0-9+.-]*)://'));
    driver text := coalesce(section.keys ->> 'driver', (SELECT w.wrapper FROM dbsync_internal.wrapper_of_scheme(scheme) w), 'dbsync_postgres');
    drivers text[] := ARRAY(SELECT w.fdwname::text FROM pg_foreign_data_wrapper w WHERE left(w.fdwname, 7) = 'dbsync_' ORDER BY w.fdwname);
BEGIN
    IF driver <> ALL (drivers) THEN
        PERFORM dbsync_internal.config_refuse(dbsync_internal.config_line(section, '{driver,uri}'), CASE WHEN driver ~ '://' THEN 'driver is no name' ELSE format('there is no driver "%s"', driver) END,
            dbsync_internal.config_guess(driver, drivers, 'Drivers'), '22023');
    END IF;
    RETURN driver;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_driver(dbsync_internal.config_section) IS 'the driver of a target in a configuration';

-- All that is said of it, the password among it, as options.
CREATE FUNCTION dbsync_internal.config_target_given(caller oid, section dbsync_internal.config_section) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    driver name := dbsync_internal.config_driver(section);
    known text[] := dbsync_internal.config_target_options(driver);
    given jsonb := section.keys - '{driver,uri,password_file}'::text[];
    unknown text := (SELECT k FROM jsonb_object_keys(given) k WHERE k <> ALL (known) ORDER BY (section.lines ->> k)::int LIMIT 1);
BEGIN
    IF unknown IS NOT NULL THEN
        PERFORM dbsync_internal.config_refuse((section.lines ->> unknown)::int, format('[target] has no key "%s"', unknown),
            dbsync_internal.config_guess(unknown, known || '{driver,password_file,uri}', 'Keys of [target]'));
    ELSIF section.keys ?& '{password,password_file}' THEN
        PERFORM dbsync_internal.config_refuse((section.lines ->> 'password_file')::int, 'there are both password and password_file', 'Leave one of them out.');
    END IF;
    IF section.keys ? 'uri' THEN
        BEGIN
            given := (SELECT coalesce(jsonb_object_agg(o.option, o.value), '{}') FROM dbsync_internal.parse_uri(driver, section.keys ->> 'uri') o) || given;
        EXCEPTION WHEN invalid_parameter_value THEN
            PERFORM dbsync_internal.config_refuse((section.lines ->> 'uri')::int, sqlerrm, 'Write postgresql://user@host:port/dbname?option=value.', sqlstate);
        END;
    END IF;
    IF section.keys ? 'password_file' THEN
        BEGIN
            given := given || jsonb_build_object('password', regexp_replace(dbsync_internal.config_read(caller, section.keys ->> 'password_file'), '\r?\n.*$', ''));
        EXCEPTION WHEN OTHERS THEN
            PERFORM dbsync_internal.config_refuse((section.lines ->> 'password_file')::int, sqlerrm, NULL, sqlstate);
        END;
    END IF;
    RETURN given;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_target_given(oid, dbsync_internal.config_section) IS 'the options that a configuration gives a target';

-- The statement has $1, $2 ... where a secret belongs.
CREATE FUNCTION dbsync_internal.config_target_call(function text, name text, driver name, options jsonb, given jsonb,
    OUT statement text, OUT secrets text[])
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    literal text := quote_literal(options::text);
    option text;
BEGIN
    secrets := '{}';
    FOR option IN SELECT k FROM jsonb_object_keys(given - 'password'::text) k ORDER BY k COLLATE "C" LOOP
        secrets := secrets || (given ->> option);
        literal := format('pg_catalog.jsonb_set(%s, %L, pg_catalog.to_jsonb($%s))', literal, ARRAY[option]::text, cardinality(secrets));
    END LOOP;
    IF given ? 'password' THEN
        secrets := secrets || (given ->> 'password');
    END IF;
    statement := format('SELECT dbsync.%s(%s)', function, concat_ws(', ', quote_literal(name),
        CASE WHEN driver IS NOT NULL THEN format('uri => %L', CASE driver WHEN 'dbsync_postgres' THEN 'postgresql' ELSE substr(driver, 8) END || '://') END,
        CASE WHEN given ? 'password' THEN format('password => $%s', cardinality(secrets)) END,
        CASE WHEN options <> '{}' OR literal <> quote_literal('{}') THEN format('options => %s', literal) END));
END $$;
COMMENT ON FUNCTION dbsync_internal.config_target_call(text, text, name, jsonb, jsonb) IS 'a call that makes or changes a target, and its secrets, which are parameters';

CREATE FUNCTION dbsync_internal.config_plan_target(caller oid, section dbsync_internal.config_section) RETURNS SETOF dbsync_internal.config_step
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    driver name := dbsync_internal.config_driver(section);
    given jsonb := dbsync_internal.config_target_given(caller, section);
    shown jsonb := (SELECT coalesce(jsonb_object_agg(g.key, g.value), '{}') FROM jsonb_each(given) g WHERE NOT dbsync_internal.config_is_secret(driver, g.key));
    server pg_foreign_server;
    role oid;
    own jsonb;
    mapping jsonb;
    call record;
BEGIN
    given := (SELECT coalesce(jsonb_object_agg(g.key, g.value), '{}') FROM jsonb_each(given) g WHERE dbsync_internal.config_is_secret(driver, g.key));
    SELECT s.* INTO server FROM pg_foreign_server s WHERE s.srvname = section.name;
    IF NOT FOUND THEN
        call := dbsync_internal.config_target_call('create_target', section.name, driver, shown, given);
        RETURN NEXT (10, section.line, 'create', dbsync_internal.config_title('target', NULL, section.name), call.statement, call.secrets, section.lines)::dbsync_internal.config_step;
        RETURN;
    END IF;
    PERFORM dbsync_internal.config_check_target(caller, section, server);
    role := dbsync_internal.mapped_role(caller, server);
    SELECT coalesce(jsonb_object_agg(o.option_name, o.option_value), '{}') INTO own FROM pg_options_to_table(server.srvoptions) o;
    SELECT coalesce(jsonb_object_agg(o.option_name, o.option_value), '{}') INTO mapping
    FROM pg_user_mappings m, pg_options_to_table(m.umoptions) o WHERE m.srvid = server.oid AND m.umuser = role;
    -- what is in the user mapping, and in no file, stays
    SELECT coalesce(jsonb_object_agg(o.key, o.value), '{}') INTO shown FROM (
        SELECT s.key, s.value FROM jsonb_each(shown) s
        WHERE s.value IS DISTINCT FROM CASE WHEN dbsync_internal.is_mapping_option(driver, s.key) THEN mapping ELSE own END -> s.key
        UNION ALL SELECT k, 'null' FROM jsonb_object_keys(own) k WHERE NOT shown ? k) o;
    SELECT coalesce(jsonb_object_agg(g.key, g.value), '{}') INTO given FROM jsonb_each(given) g
    WHERE NOT dbsync_internal.config_may_read(caller, role) OR g.value IS DISTINCT FROM mapping -> g.key;
    IF shown <> '{}' OR given <> '{}' THEN
        call := dbsync_internal.config_target_call('alter_target', section.name, NULL, shown, given);
        RETURN NEXT (10, dbsync_internal.config_line(section, ARRAY(SELECT jsonb_object_keys(shown || given))), 'alter',
            dbsync_internal.config_title('target', NULL, section.name), call.statement, call.secrets, section.lines)::dbsync_internal.config_step;
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_plan_target(oid, dbsync_internal.config_section) IS 'what makes a target as a configuration has it';

CREATE FUNCTION dbsync_internal.config_check_target(caller oid, section dbsync_internal.config_section, server pg_foreign_server) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    driver name := (SELECT w.fdwname FROM pg_foreign_data_wrapper w WHERE w.oid = server.srvfdw);
BEGIN
    IF left(driver, 7) <> 'dbsync_' THEN
        PERFORM dbsync_internal.config_refuse(section.line, format('foreign server "%s" is not a target of dbsync', section.name), 'Take another name.', '42809');
    ELSIF NOT dbsync_internal.may_act_as(caller, server.srvowner) THEN
        PERFORM dbsync_internal.config_refuse(section.line, format('must be owner of target "%s"', section.name),
            'To use a target of somebody else''s, leave out its section.', '42501');
    ELSIF driver <> dbsync_internal.config_driver(section) THEN
        PERFORM dbsync_internal.config_refuse(dbsync_internal.config_line(section, '{driver,uri}'), format('target "%s" cannot get another driver', section.name),
            format('It has driver = %s. Create another target.', driver), '22023');
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_check_target(oid, dbsync_internal.config_section, pg_foreign_server) IS 'error unless a target can be made what a configuration says';

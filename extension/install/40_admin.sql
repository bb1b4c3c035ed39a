-- Targets: foreign servers and user mappings, made and changed in one call.
--
-- Each function of schema dbsync is a trampoline (extension/admin.c) into the one
-- of the same name in dbsync_internal, which gets the caller as an argument before
-- the others and runs as the extension's owner: it must ask itself what the
-- caller may.

-- ---------------------------------------------------------------------------
-- Shared by all admin functions

-- A name that PostgreSQL would cut off is refused.
CREATE FUNCTION dbsync_internal.checked_name(kind text, name text) RETURNS name
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF name IS NULL OR name = '' THEN
        RAISE EXCEPTION USING ERRCODE = CASE WHEN name IS NULL THEN '22004' ELSE '42602' END,
            MESSAGE = format('%s must have a name', kind);
    ELSIF octet_length(name) > 63 THEN
        RAISE EXCEPTION USING ERRCODE = 'name_too_long',
            MESSAGE = format('name of %s "%s" is too long', kind, name),
            DETAIL = 'Names have 63 bytes at most.';
    END IF;
    RETURN name::name;
END $$;
COMMENT ON FUNCTION dbsync_internal.checked_name(text, text) IS 'the name, if it is one';

-- pg_has_role() is true for superusers.
CREATE FUNCTION dbsync_internal.may_act_as(caller oid, owner oid) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM pg_roles r WHERE r.oid = caller AND r.rolsuper)
        OR (EXISTS (SELECT FROM pg_roles r WHERE r.oid = owner) AND pg_has_role(caller, owner, 'USAGE'))
$$;
COMMENT ON FUNCTION dbsync_internal.may_act_as(oid, oid) IS 'has the caller the rights of the owner?';

CREATE FUNCTION dbsync_internal.require_superuser(caller oid, what text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- we run as the owner of the extension
    IF NOT dbsync_internal.may_act_as(caller, (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('permission denied for function %s', what),
            HINT = 'It concerns the whole database: only a superuser or the owner of the extension may call it.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.require_superuser(oid, text) IS 'error unless the caller has the rights of the extension''s owner';

CREATE FUNCTION dbsync_internal.require_adopted() RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT dbsync_internal.is_adopted() THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = 'this database is a copy of the one that dbsync was set up in',
            DETAIL = 'Nothing is captured and no subscription runs, so that the copy does not write to the other''s targets.',
            HINT = 'If it is to have subscriptions of its own, run SELECT dbsync.adopt().';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.require_adopted() IS 'error in a dormant copy of a database';

-- ---------------------------------------------------------------------------
-- Looking targets up

CREATE FUNCTION dbsync_internal.find_server(name text) RETURNS pg_foreign_server
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    server pg_foreign_server;
BEGIN
    SELECT s.* INTO server FROM pg_foreign_server s WHERE s.srvname = name;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('target "%s" does not exist', name),
            HINT = 'Make one with dbsync.create_target(name, uri, password => ...), or with CREATE SERVER and CREATE USER MAPPING.';
    ELSIF NOT EXISTS (
        SELECT FROM pg_foreign_data_wrapper w
        WHERE w.oid = server.srvfdw AND left(w.fdwname, 7) = 'dbsync_')
    THEN
        RAISE EXCEPTION USING ERRCODE = 'wrong_object_type',
            MESSAGE = format('foreign server "%s" is not a target of dbsync', name),
            HINT = 'A target''s foreign data wrapper is one of dbsync''s own, like dbsync_postgres.';
    END IF;
    RETURN server;
END $$;
COMMENT ON FUNCTION dbsync_internal.find_server(text) IS 'the foreign server of a target; error if it is none';

CREATE FUNCTION dbsync_internal.find_own_server(caller oid, name text) RETURNS pg_foreign_server
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    server pg_foreign_server := dbsync_internal.find_server(name);
BEGIN
    IF NOT dbsync_internal.may_act_as(caller, server.srvowner) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('must be owner of target "%s"', name);
    END IF;
    RETURN server;
END $$;
COMMENT ON FUNCTION dbsync_internal.find_own_server(oid, text) IS 'the foreign server of a target that the caller owns';

-- A target that a subscription of this role can use.
CREATE FUNCTION dbsync_internal.check_target(role oid, target text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    server pg_foreign_server := dbsync_internal.find_server(target);
BEGIN
    IF NOT has_server_privilege(role, server.oid, 'USAGE') THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('permission denied for target "%s"', target),
            HINT = format('Its owner can GRANT USAGE ON FOREIGN SERVER %I TO %I.', target, pg_get_userbyid(role));
    ELSIF NOT EXISTS (SELECT FROM pg_user_mappings m WHERE m.srvid = server.oid AND m.umuser IN (role, 0)) THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('target "%s" has no user mapping for role "%s"', target, pg_get_userbyid(role)),
            HINT = format('CREATE USER MAPPING FOR %I SERVER %I OPTIONS (user ..., password ...).',
                pg_get_userbyid(role), target);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_target(oid, text) IS 'error unless the role may use the target and has a user mapping there';

-- ---------------------------------------------------------------------------
-- Options

-- The scheme of a URI names the driver.
CREATE FUNCTION dbsync_internal.wrapper_of(uri text) RETURNS name
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    scheme text := lower(substring(uri FROM '^([A-Za-z][A-Za-z0-9+.-]*)://'));
    wrapper text := 'dbsync_' || CASE scheme WHEN 'postgresql' THEN 'postgres' ELSE scheme END;
BEGIN
    -- the URI is not shown: there may be a password in it
    IF wrapper IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'the address of a target must be a URI',
            HINT = 'For example: postgresql://user@host:5432/database?sslmode=require';
    ELSIF NOT EXISTS (SELECT FROM pg_foreign_data_wrapper w WHERE w.fdwname = wrapper) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no driver for targets of scheme "%s"', scheme),
            HINT = (SELECT 'Drivers: ' || string_agg(w.fdwname, ', ' ORDER BY w.fdwname) || '.'
                    FROM pg_foreign_data_wrapper w WHERE left(w.fdwname, 7) = 'dbsync_');
    END IF;
    RETURN wrapper;
END $$;
COMMENT ON FUNCTION dbsync_internal.wrapper_of(text) IS 'foreign data wrapper for a URI';

-- Options of a URI in two heaps: what the user mapping takes, and the rest.
CREATE FUNCTION dbsync_internal.split_uri(uri text, OUT server jsonb, OUT mapping jsonb)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    SELECT coalesce(jsonb_object_agg(o.option, o.value) FILTER (WHERE o.option NOT IN ('user', 'password')), '{}'),
           coalesce(jsonb_object_agg(o.option, o.value) FILTER (WHERE o.option IN ('user', 'password')), '{}')
    INTO server, mapping
    FROM dbsync_internal.parse_uri(uri) o
    WHERE o.value IS NOT NULL;
    IF mapping ? 'password' THEN
        RAISE WARNING USING MESSAGE = 'password given within a URI',
            DETAIL = 'It may have been written to logs, and to the history of your client.',
            HINT = 'Give it as password => ... of its own.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.split_uri(text) IS 'options of a URI, those of the user mapping apart';

-- The validator runs as the owner of the extension here and would let them pass.
CREATE FUNCTION dbsync_internal.check_options(caller oid, options jsonb) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    forbidden text;
BEGIN
    SELECT o.option INTO forbidden FROM jsonb_object_keys(options) o (option)
    WHERE o.option IN ('passfile', 'service', 'servicefile', 'sslcert', 'sslkey', 'password_required')
      AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = caller)
    ORDER BY o.option LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('option "%s" is superuser-only', forbidden),
            DETAIL = 'It makes the server read a file as its own operating system user, or do without a password.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_options(oid, jsonb) IS 'error if a role that is no superuser sets options of superusers';

-- OPTIONS (...) that turns the options there are into the wanted ones.
CREATE FUNCTION dbsync_internal.options_clause(present text[], wanted jsonb) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 'OPTIONS (' || string_agg(CASE
            WHEN w.value IS NULL THEN format('DROP %I', p.option_name)
            ELSE format('%s %I %L', CASE WHEN p.option_name IS NULL THEN 'ADD' ELSE 'SET' END, w.key, w.value)
        END, ', ' ORDER BY coalesce(w.key, p.option_name)) || ')'
    FROM pg_options_to_table(present) p FULL JOIN jsonb_each_text(wanted) w ON w.key = p.option_name
$$;
COMMENT ON FUNCTION dbsync_internal.options_clause(text[], jsonb) IS 'OPTIONS clause from the present to the wanted options; null: nothing to do';

-- Runs DDL that contains a password, and keeps it out of the error's context.
CREATE FUNCTION dbsync_internal.run_quietly(command text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    code text;
    message text;
    detail text;
    hint text;
BEGIN
    BEGIN
        EXECUTE command;
        RETURN;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
            detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    END;
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message, DETAIL = detail, HINT = hint;
END $$;
COMMENT ON FUNCTION dbsync_internal.run_quietly(text) IS 'EXECUTE without the command in error messages';

-- The mapping of the role, made or brought up to date.
CREATE FUNCTION dbsync_internal.set_mapping(server name, role oid, wanted jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    present text[];
    clause text;
BEGIN
    SELECT m.umoptions INTO present FROM pg_user_mappings m WHERE m.srvname = server AND m.umuser = role;
    IF NOT FOUND THEN
        EXECUTE format('CREATE USER MAPPING FOR %I SERVER %I', pg_get_userbyid(role), server);
    END IF;
    clause := dbsync_internal.options_clause(present, wanted);
    IF clause IS NOT NULL THEN
        PERFORM dbsync_internal.run_quietly(
            format('ALTER USER MAPPING FOR %I SERVER %I %s', pg_get_userbyid(role), server, clause));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.set_mapping(name, oid, jsonb) IS 'gives a role''s user mapping exactly these options';

-- ---------------------------------------------------------------------------
-- create_target

CREATE FUNCTION dbsync_internal.create_target(caller oid, name text, uri text, password text, options jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    server name := dbsync_internal.checked_name('target', name);
    wrapper name := dbsync_internal.wrapper_of(uri);
    part record;
BEGIN
    IF NOT has_foreign_data_wrapper_privilege(caller, wrapper, 'USAGE') THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('permission denied to create a target with driver "%s"', wrapper),
            HINT = format('A superuser can GRANT USAGE ON FOREIGN DATA WRAPPER %I TO %I.', wrapper, pg_get_userbyid(caller));
    ELSIF EXISTS (SELECT FROM pg_foreign_server s WHERE s.srvname = server) THEN
        RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
            MESSAGE = format('target "%s" already exists', server),
            HINT = 'Change it with dbsync.alter_target(), or take another name.';
    END IF;
    part := dbsync_internal.split_uri(uri);
    PERFORM dbsync_internal.check_options(caller, part.server || part.mapping || coalesce(options, '{}'));

    EXECUTE format('CREATE SERVER %I FOREIGN DATA WRAPPER %I', server, wrapper);
    EXECUTE coalesce(format('ALTER SERVER %I ', server)
        || dbsync_internal.options_clause(NULL, part.server || jsonb_strip_nulls(coalesce(options, '{}'))), 'SELECT');
    EXECUTE format('ALTER SERVER %I OWNER TO %I', server, pg_get_userbyid(caller));
    PERFORM dbsync_internal.set_mapping(server, caller,
        part.mapping || jsonb_strip_nulls(jsonb_build_object('password', password)));
END $$;
COMMENT ON FUNCTION dbsync_internal.create_target(oid, text, text, text, jsonb) IS 'body of dbsync.create_target()';

CREATE FUNCTION dbsync.create_target(name text, uri text, password text DEFAULT NULL, options jsonb DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.create_target(text, text, text, jsonb) IS 'makes a target: a foreign server and a user mapping for the caller; the scheme of the URI chooses the driver';

-- ---------------------------------------------------------------------------
-- alter_target

-- A new URI replaces all options that came with the old one; user and password
-- stay unless it has others.  Who has no user mapping of his own (a superuser who
-- helps) changes that of the target's owner.
CREATE FUNCTION dbsync_internal.alter_target(caller oid, name text, uri text, password text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    server pg_foreign_server := dbsync_internal.find_own_server(caller, name);
    part record;
    role oid := CASE WHEN EXISTS (SELECT FROM pg_user_mappings m WHERE m.srvid = server.oid AND m.umuser = caller)
        THEN caller ELSE server.srvowner END;
    mapping jsonb;
BEGIN
    SELECT coalesce(jsonb_object_agg(o.option_name, o.option_value), '{}') INTO mapping
    FROM pg_user_mappings m, pg_options_to_table(m.umoptions) o
    WHERE m.srvid = server.oid AND m.umuser = role;
    IF uri IS NOT NULL THEN
        IF NOT EXISTS (SELECT FROM pg_foreign_data_wrapper w
                       WHERE w.oid = server.srvfdw AND w.fdwname = dbsync_internal.wrapper_of(uri)) THEN
            RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
                MESSAGE = format('target "%s" cannot get another driver', name),
                HINT = 'Create another target.';
        END IF;
        part := dbsync_internal.split_uri(uri);
        PERFORM dbsync_internal.check_options(caller, part.server || part.mapping);
        EXECUTE coalesce(format('ALTER SERVER %I ', name)
            || dbsync_internal.options_clause(server.srvoptions, part.server), 'SELECT');
        mapping := mapping || part.mapping;
    END IF;
    PERFORM dbsync_internal.set_mapping(server.srvname, role,
        mapping || jsonb_strip_nulls(jsonb_build_object('password', password)));
END $$;
COMMENT ON FUNCTION dbsync_internal.alter_target(oid, text, text, text) IS 'body of dbsync.alter_target()';

CREATE FUNCTION dbsync.alter_target(name text, uri text DEFAULT NULL, password text DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.alter_target(text, text, text) IS 'changes the address of a target, and the caller''s user and password there';

-- ---------------------------------------------------------------------------
-- drop_target

-- Foreign tables on the server, which are none of ours, are not taken along.
CREATE FUNCTION dbsync_internal.drop_server(server name) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    role text;
BEGIN
    FOR role IN
        SELECT CASE m.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(m.usename) END
        FROM pg_user_mappings m WHERE m.srvname = server
    LOOP
        EXECUTE format('DROP USER MAPPING FOR %s SERVER %I', role, server);
    END LOOP;
    EXECUTE format('DROP SERVER %I', server);
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_server(name) IS 'drops a foreign server with its user mappings';

-- Which subscriptions stand in the way, as a detail of an error; null: none.
CREATE FUNCTION dbsync_internal.target_users(target name) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('Used by: %s.', string_agg(format('subscription "%s"', s.name), ', ' ORDER BY s.name))
    FROM dbsync.subscription s WHERE s.target = target_users.target
    HAVING count(*) > 0
$$;
COMMENT ON FUNCTION dbsync_internal.target_users(name) IS 'subscriptions to a target, in words; null: none';

CREATE FUNCTION dbsync_internal.drop_target(caller oid, name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    server pg_foreign_server := dbsync_internal.find_own_server(caller, name);
BEGIN
    IF dbsync_internal.target_users(server.srvname) IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'dependent_objects_still_exist',
            MESSAGE = format('target "%s" is in use', name),
            DETAIL = dbsync_internal.target_users(server.srvname),
            HINT = 'Use dbsync.drop_subscription() first.';
    END IF;
    PERFORM dbsync_internal.drop_server(server.srvname);
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_target(oid, text) IS 'body of dbsync.drop_target()';

CREATE FUNCTION dbsync.drop_target(name text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.drop_target(text) IS 'drops a target that no subscription uses, with its user mappings';

-- ---------------------------------------------------------------------------
-- test_target

CREATE FUNCTION dbsync_internal.test_target(caller oid, name text)
    RETURNS TABLE (version text, "user" text, database text, in_recovery boolean, replica_role boolean)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.check_target(caller, name);
    RETURN QUERY SELECT p.version_text, p."user", p.database, p.in_recovery, p.replica_role
    FROM dbsync_internal.probe_target(name::name, caller) p;
END $$;
COMMENT ON FUNCTION dbsync_internal.test_target(oid, text) IS 'body of dbsync.test_target()';

CREATE FUNCTION dbsync.test_target(name text)
    RETURNS TABLE (version text, "user" text, database text, in_recovery boolean, replica_role boolean)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.test_target(text) IS 'connects to a target as the caller''s subscriptions would: who answers, and may it set session_replication_role';

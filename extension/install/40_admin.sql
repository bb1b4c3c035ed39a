-- Targets: foreign servers and user mappings, made and changed in one call.
--
-- Each function of schema dbsync is a trampoline (C) into the one
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
    IF name = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_name',
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
    PERFORM dbsync_internal.config_lock();
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
    -- there is nothing to log in to where the target is a file or a folder
    ELSIF NOT dbsync_internal.writes_server_files((SELECT w.fdwname FROM pg_foreign_data_wrapper w WHERE w.oid = server.srvfdw))
        AND NOT EXISTS (SELECT FROM pg_user_mappings m WHERE m.srvid = server.oid AND m.umuser IN (role, 0)) THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('target "%s" has no user mapping for role "%s"', target, pg_get_userbyid(role)),
            HINT = format('CREATE USER MAPPING FOR %I SERVER %I OPTIONS (user ..., password ...).',
                pg_get_userbyid(role), target);
    END IF;
    PERFORM dbsync_internal.check_file_rights(role, server);
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
    known record := dbsync_internal.wrapper_of_scheme(scheme);
BEGIN
    -- the URI is not shown: there may be a password in it
    IF scheme IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'the address of a target must be a URI',
            HINT = 'For example: postgresql://user@host:5432/database?sslmode=require';
    ELSIF EXISTS (SELECT FROM pg_foreign_data_wrapper w WHERE w.fdwname = known.wrapper) THEN
        RETURN known.wrapper;
    ELSIF known.package IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('there is no driver for targets of scheme "%s"', scheme),
            DETAIL = format('It is in extension "%s", which this database does not have.', known.wrapper),
            HINT = CASE WHEN EXISTS (SELECT FROM pg_available_extensions e WHERE e.name = known.wrapper)
                THEN format('A superuser can CREATE EXTENSION %I.', known.wrapper)
                ELSE format('Install package %s, build and install dbsync where its headers are, and CREATE EXTENSION %I.', known.package, known.wrapper) END;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
        MESSAGE = format('there is no driver for targets of scheme "%s"', scheme),
        HINT = (SELECT 'Drivers: ' || string_agg(w.fdwname, ', ' ORDER BY w.fdwname) || '.'
                FROM pg_foreign_data_wrapper w WHERE left(w.fdwname, 7) = 'dbsync_');
END $$;
COMMENT ON FUNCTION dbsync_internal.wrapper_of(text) IS 'foreign data wrapper for a URI';

-- Options in two heaps: what the user mapping takes, where other roles cannot read
-- it, and the rest.
CREATE FUNCTION dbsync_internal.split_options(wrapper name, options jsonb, OUT server jsonb, OUT mapping jsonb)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(options) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'options must be a JSON object',
            HINT = 'For example: {"connect_timeout": "3"}';
    END IF;
    SELECT coalesce(jsonb_object_agg(o.key, o.value) FILTER (WHERE NOT dbsync_internal.is_mapping_option(wrapper, o.key)), '{}'),
           coalesce(jsonb_object_agg(o.key, o.value) FILTER (WHERE dbsync_internal.is_mapping_option(wrapper, o.key)), '{}')
    INTO server, mapping
    FROM jsonb_each_text(coalesce(options, '{}')) o
    WHERE o.value IS NOT NULL;
END $$;
COMMENT ON FUNCTION dbsync_internal.split_options(name, jsonb) IS 'options, those of the user mapping apart';

CREATE FUNCTION dbsync_internal.split_uri(wrapper name, uri text, OUT server jsonb, OUT mapping jsonb)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    secret text;
BEGIN
    SELECT p.server, p.mapping INTO server, mapping
    FROM (SELECT coalesce(jsonb_object_agg(o.option, o.value), '{}') AS all FROM dbsync_internal.parse_uri(wrapper, uri) o) u,
        dbsync_internal.split_options(wrapper, u.all) p;
    SELECT o.option INTO secret FROM jsonb_object_keys(mapping) o (option)
    WHERE o.option <> 'user' ORDER BY o.option LIMIT 1;
    IF FOUND THEN
        RAISE WARNING USING MESSAGE = format('%s given within a URI', secret),
            DETAIL = 'It may have been written to logs, and to the history of your client.',
            HINT = CASE secret WHEN 'password' THEN 'Give it as password => ... of its own.'
                ELSE 'Give it as an option of its own.' END;
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.split_uri(name, text) IS 'options of a URI, those of the user mapping apart';

-- The validator runs as the owner of the extension here and would let them pass.
-- What a superuser has set is not to be changed by others, as with ALTER USER MAPPING.
CREATE FUNCTION dbsync_internal.check_options(wrapper name, caller oid, options jsonb, present jsonb DEFAULT '{}') RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    forbidden text;
BEGIN
    SELECT o.key INTO forbidden FROM jsonb_each_text(present || options) o
    WHERE dbsync_internal.superuser_option(wrapper, o.key) IS NOT NULL
      -- which may be said by all
      AND (o.key <> 'password_required' OR NOT o.value::boolean)
      AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = caller)
    ORDER BY o.key LIMIT 1;
    IF FOUND AND options ? forbidden THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('option "%s" is superuser-only', forbidden),
            DETAIL = dbsync_internal.superuser_option(wrapper, forbidden);
    ELSIF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('a superuser has set option "%s" of the target', forbidden),
            DETAIL = 'It was given for the address and the user that are there now.',
            HINT = 'Ask a superuser to make the change, or take the option away with ALTER SERVER or ALTER USER MAPPING.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_options(name, oid, jsonb, jsonb) IS 'error if a role that is no superuser sets options of superusers, or changes others beside them';

-- Never by DDL with the options in its text: see set_options().
CREATE FUNCTION dbsync_internal.set_server(server oid, wanted jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.set_options(server, 0::oid, coalesce(array_agg(w.key), '{}'), coalesce(array_agg(w.value), '{}'))
    FROM (SELECT * FROM jsonb_each_text(wanted) ORDER BY key) w;
END $$;
COMMENT ON FUNCTION dbsync_internal.set_server(oid, jsonb) IS 'gives a foreign server exactly these options';

-- The mapping of the role, made or brought up to date.
CREATE FUNCTION dbsync_internal.set_mapping(server oid, role oid, wanted jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_user_mappings m WHERE m.srvid = server AND m.umuser = role) THEN
        EXECUTE format('CREATE USER MAPPING FOR %I SERVER %I', pg_get_userbyid(role),
            (SELECT s.srvname FROM pg_foreign_server s WHERE s.oid = server));
    END IF;
    PERFORM dbsync_internal.set_options(server, role, coalesce(array_agg(w.key), '{}'), coalesce(array_agg(w.value), '{}'))
    FROM (SELECT * FROM jsonb_each_text(wanted) ORDER BY key) w;
END $$;
COMMENT ON FUNCTION dbsync_internal.set_mapping(oid, oid, jsonb) IS 'gives a role''s user mapping exactly these options';

-- ---------------------------------------------------------------------------
-- create_target

CREATE FUNCTION dbsync_internal.create_target(caller oid, name text, uri text, password text, options jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    server name := dbsync_internal.checked_name('target', name);
    wrapper name := dbsync_internal.wrapper_of(uri);
    part record;
    option record;
    server_id oid;
BEGIN
    PERFORM dbsync_internal.config_lock();
    IF NOT has_foreign_data_wrapper_privilege(caller, wrapper, 'USAGE') THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('permission denied to create a target with driver "%s"', wrapper),
            HINT = format('A superuser can GRANT USAGE ON FOREIGN DATA WRAPPER %I TO %I.', wrapper, pg_get_userbyid(caller));
    ELSIF EXISTS (SELECT FROM pg_foreign_server s WHERE s.srvname = server) THEN
        RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
            MESSAGE = format('target "%s" already exists', server),
            HINT = 'Change it with dbsync.alter_target(), or take another name.';
    END IF;
    part := dbsync_internal.split_uri(wrapper, uri);
    option := dbsync_internal.split_options(wrapper, options);
    PERFORM dbsync_internal.check_options(wrapper, caller, part.server || part.mapping || coalesce(options, '{}'));

    EXECUTE format('CREATE SERVER %I FOREIGN DATA WRAPPER %I', server, wrapper);
    SELECT s.oid INTO STRICT server_id FROM pg_foreign_server s WHERE s.srvname = server;
    PERFORM dbsync_internal.set_server(server_id, part.server || option.server);
    EXECUTE format('ALTER SERVER %I OWNER TO %I', server, pg_get_userbyid(caller));
    PERFORM dbsync_internal.set_mapping(server_id, caller,
        part.mapping || option.mapping || jsonb_strip_nulls(jsonb_build_object('password', password)));
    -- of one that was dropped by DROP SERVER
    DELETE FROM dbsync.file_target f WHERE f.target = server;
    PERFORM dbsync_internal.pin_file_target(caller, server, false);
    PERFORM dbsync_internal.open_server_file(server, caller);
END $$;
COMMENT ON FUNCTION dbsync_internal.create_target(oid, text, text, text, jsonb) IS 'body of dbsync.create_target()';

CREATE FUNCTION dbsync.create_target(name text, uri text, password text DEFAULT NULL, options jsonb DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.create_target(text, text, text, jsonb) IS 'makes a target: a foreign server and a user mapping for the caller; the scheme of the URI chooses the driver';

-- ---------------------------------------------------------------------------
-- alter_target

-- A new URI replaces all options that came with the old one; user and password
-- stay unless it has others, and so does what no URI can say.  Options come behind it, one by
-- one: null takes one away.  Who has no user mapping of his own (a superuser who
-- helps) changes that of the target's owner.
--
-- Credentials that a superuser has lent stay with the address for which he did: see
-- check_lent() (C) for where they count, and check_options() for who may.
CREATE FUNCTION dbsync_internal.mapped_role(caller oid, server pg_foreign_server) RETURNS oid
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM pg_user_mappings m WHERE m.srvid = server.oid AND m.umuser = caller)
        THEN caller ELSE server.srvowner END
$$;
COMMENT ON FUNCTION dbsync_internal.mapped_role(oid, pg_foreign_server) IS 'whose user mapping alter_target() changes';

CREATE FUNCTION dbsync_internal.alter_target(caller oid, name text, uri text, password text, options jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    server pg_foreign_server := dbsync_internal.find_own_server(caller, name);
    wrapper name := (SELECT w.fdwname FROM pg_foreign_data_wrapper w WHERE w.oid = server.srvfdw);
    part record;
    -- it says what may become of the key, and is no option of the server's
    new_key boolean := coalesce(jsonb_typeof(options) = 'object' AND (options ->> 'new_key')::boolean, false);
    option record := dbsync_internal.split_options(wrapper, CASE WHEN jsonb_typeof(options) = 'object' THEN options - 'new_key' ELSE options END);
    role oid := dbsync_internal.mapped_role(caller, server);
    wanted jsonb;
    mapping jsonb;
    gone text[];
BEGIN
    SELECT coalesce(jsonb_object_agg(o.option_name, o.option_value), '{}') INTO mapping
    FROM pg_user_mappings m, pg_options_to_table(m.umoptions) o
    WHERE m.srvid = server.oid AND m.umuser = role;
    SELECT coalesce(jsonb_object_agg(o.option_name, o.option_value), '{}') INTO wanted
    FROM pg_options_to_table(server.srvoptions) o;
    PERFORM dbsync_internal.check_options(wrapper, caller, option.server || option.mapping, wanted || mapping);
    IF uri IS NOT NULL THEN
        IF wrapper <> dbsync_internal.wrapper_of(uri) THEN
            RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
                MESSAGE = format('target "%s" cannot get another driver', name),
                HINT = 'Create another target.';
        END IF;
        part := dbsync_internal.split_uri(wrapper, uri);
        PERFORM dbsync_internal.check_options(wrapper, caller, part.server || part.mapping);
        -- another folder is no reason to write without what else was said: to whom bundles are encrypted, whose receipts are waited for
        IF wrapper = 'dbsync_file' THEN
            wanted := wanted || part.server;
        ELSE
            SELECT part.server || coalesce(jsonb_object_agg(o.option_name, o.option_value), '{}') INTO wanted
            FROM pg_options_to_table(server.srvoptions) o WHERE o.option_name = 'before_triggers';
        END IF;
        mapping := mapping || part.mapping;
    END IF;
    SELECT coalesce(array_agg(o.key), '{}') INTO gone FROM jsonb_each_text(coalesce(options, '{}')) o WHERE o.value IS NULL;
    PERFORM dbsync_internal.set_server(server.oid, (wanted - gone) || option.server);
    PERFORM dbsync_internal.set_mapping(server.oid, role,
        (mapping - gone) || option.mapping || jsonb_strip_nulls(jsonb_build_object('password', password)));
    PERFORM dbsync_internal.pin_file_target(role, server.srvname, new_key);
    PERFORM dbsync_internal.open_server_file(server.srvname, role);
END $$;
COMMENT ON FUNCTION dbsync_internal.alter_target(oid, text, text, text, jsonb) IS 'body of dbsync.alter_target()';

CREATE FUNCTION dbsync.alter_target(name text, uri text DEFAULT NULL, password text DEFAULT NULL, options jsonb DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.alter_target(text, text, text, jsonb) IS 'changes the address of a target, single options (null takes one away), and the caller''s user and password there';

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
    DELETE FROM dbsync.file_target f WHERE f.target = server;
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_server(name) IS 'drops a foreign server with its user mappings';

-- Which subscriptions stand in the way, as a detail of an error; null: none.
CREATE FUNCTION dbsync_internal.target_users(target name) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('Used by: %s.', string_agg(format('%s "%s"', s.kind, s.name), ', ' ORDER BY s.kind DESC, s.name))
    FROM (SELECT 'subscription' AS kind, b.name, b.target FROM dbsync.subscription b
          UNION ALL SELECT 'receiver', r.name, r.target FROM dbsync.receiver r) s
    WHERE s.target = target_users.target
    HAVING count(*) > 0
$$;
COMMENT ON FUNCTION dbsync_internal.target_users(name) IS 'subscriptions and receivers that go to a target, in words; null: none';

CREATE FUNCTION dbsync_internal.target_users_hint(target name) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('Use %s first.', concat_ws(' and ',
        CASE WHEN EXISTS (SELECT FROM dbsync.subscription b WHERE b.target = target_users_hint.target) THEN 'dbsync.drop_subscription()' END,
        CASE WHEN EXISTS (SELECT FROM dbsync.receiver r WHERE r.target = target_users_hint.target) THEN 'dbsync.drop_receiver()' END))
$$;
COMMENT ON FUNCTION dbsync_internal.target_users_hint(name) IS 'what is to be dropped before a target that is in use';

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
            HINT = dbsync_internal.target_users_hint(server.srvname);
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

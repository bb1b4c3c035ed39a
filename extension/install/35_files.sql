-- File targets: folders of this server, into which batches go as bundles, for what only files get through to.
-- Who uses one must be a member of pg_write_server_files (check_files(), C).

CREATE FUNCTION dbsync_internal.file_validator(options text[], catalog oid) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_file_validator';
COMMENT ON FUNCTION dbsync_internal.file_validator(text[], oid)
    IS 'checks the options of targets of foreign data wrapper dbsync_file';

CREATE FOREIGN DATA WRAPPER dbsync_file VALIDATOR dbsync_internal.file_validator;
COMMENT ON FOREIGN DATA WRAPPER dbsync_file IS 'dbsync: targets that are folders, into which changes go as bundles';

-- Asked again where a connection is opened (check_files(), C), with whatever of the server's files is to be read.
CREATE FUNCTION dbsync_internal.check_file_rights(role oid, server pg_foreign_server) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    member oid;
    wrapper name := (SELECT w.fdwname FROM pg_foreign_data_wrapper w WHERE w.oid = server.srvfdw);
BEGIN
    IF NOT dbsync_internal.writes_server_files(wrapper) THEN
        RETURN;
    END IF;
    FOREACH member IN ARRAY ARRAY[server.srvowner, role] LOOP
        IF NOT pg_has_role(member, 'pg_write_server_files', 'USAGE') THEN
            RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
                MESSAGE = format('permission denied for target "%s"', server.srvname),
                DETAIL = format('%s of this server, and role "%s" may not have the server write files.',
                    CASE wrapper WHEN 'dbsync_file' THEN 'Its root is a folder' ELSE 'It is a file' END, pg_get_userbyid(member)),
                HINT = format('A superuser can GRANT pg_write_server_files TO %I.', pg_get_userbyid(member));
        END IF;
    END LOOP;
    IF NOT has_foreign_data_wrapper_privilege(server.srvowner, server.srvfdw, 'USAGE') THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('permission denied for target "%s"', server.srvname),
            DETAIL = format('Role "%s", which owns it, needs USAGE on its foreign data wrapper.', pg_get_userbyid(server.srvowner)),
            HINT = format('A superuser can GRANT USAGE ON FOREIGN DATA WRAPPER %I TO %I.', wrapper, pg_get_userbyid(server.srvowner));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_file_rights(oid, pg_foreign_server) IS 'error unless the role, and the owner of a target that is a file or folder of this server, may have it write files';

-- By its key a root is known: one that was lost, or was never there, as after a failover, would get
-- another by which nobody knows us.
CREATE TABLE dbsync.file_target (
    target name PRIMARY KEY,
    public_key text NOT NULL
);
COMMENT ON TABLE dbsync.file_target IS 'file targets, and the keys that their roots have';
COMMENT ON COLUMN dbsync.file_target.target IS 'name of the target, which is a foreign server';
COMMENT ON COLUMN dbsync.file_target.public_key IS 'Ed25519 public key that receivers have of it; PEM';
SELECT pg_catalog.pg_extension_config_dump('dbsync.file_target', '');

CREATE FUNCTION dbsync_internal.open_file_root(target name, owner oid, new_key boolean) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_open_file_root';
COMMENT ON FUNCTION dbsync_internal.open_file_root(name, oid, boolean)
    IS 'makes the root of a file target, or looks at it: its public key';

-- Targets that are no folders are left alone.
CREATE FUNCTION dbsync_internal.pin_file_target(role oid, server name, new_key boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
               WHERE s.srvname = server AND w.fdwname = 'dbsync_file') THEN
        INSERT INTO dbsync.file_target AS f (target, public_key)
        VALUES (server, dbsync_internal.open_file_root(server, role, new_key))
        ON CONFLICT (target) DO UPDATE SET public_key = excluded.public_key WHERE f.public_key <> excluded.public_key;
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.pin_file_target(oid, name, boolean) IS 'keeps the public key of a file target''s root';

-- Also the way for one that was made by CREATE SERVER.
CREATE FUNCTION dbsync_internal.public_key(caller oid, target text) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    server pg_foreign_server := dbsync_internal.find_server(target);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_foreign_data_wrapper w WHERE w.oid = server.srvfdw AND w.fdwname = 'dbsync_file') THEN
        RAISE EXCEPTION USING ERRCODE = 'wrong_object_type',
            MESSAGE = format('target "%s" is no file target, and has no key', target),
            HINT = 'Make one with dbsync.create_target(name, ''file:///path'').';
    END IF;
    PERFORM dbsync_internal.check_target(caller, target);
    IF NOT EXISTS (SELECT FROM dbsync.file_target f WHERE f.target = server.srvname) THEN
        PERFORM dbsync_internal.pin_file_target(caller, server.srvname, false);
    END IF;
    RETURN (SELECT f.public_key FROM dbsync.file_target f WHERE f.target = server.srvname);
END $$;
COMMENT ON FUNCTION dbsync_internal.public_key(oid, text) IS 'body of dbsync.public_key()';

CREATE FUNCTION dbsync.public_key(target text) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.public_key(text) IS 'the public key of a file target, in PEM, by which receivers know its bundles: to be carried there by a way that is trusted';

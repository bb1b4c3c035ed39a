-- Targets.  A target is a foreign server of one of dbsync's wrappers, which have
-- no handler (no foreign table can be made of them) and a validator that knows
-- the driver's options; credentials are in its user mappings.

CREATE FUNCTION dbsync_internal.postgres_validator(options text[], catalog oid) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_postgres_validator';
COMMENT ON FUNCTION dbsync_internal.postgres_validator(text[], oid)
    IS 'checks the options of targets of foreign data wrapper dbsync_postgres';

CREATE FOREIGN DATA WRAPPER dbsync_postgres VALIDATOR dbsync_internal.postgres_validator;
COMMENT ON FOREIGN DATA WRAPPER dbsync_postgres IS 'dbsync: targets that are PostgreSQL databases';

CREATE FUNCTION dbsync_internal.parse_uri(wrapper name, uri text)
    RETURNS TABLE (option text, value text)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_parse_uri';
COMMENT ON FUNCTION dbsync_internal.parse_uri(name, text)
    IS 'the options that a URI sets, as the driver of the wrapper has it; of PostgreSQL targets also a connection string';

CREATE FUNCTION dbsync_internal.wrapper_of_scheme(scheme text, OUT wrapper text, OUT package text)
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_wrapper_of_scheme';
COMMENT ON FUNCTION dbsync_internal.wrapper_of_scheme(text)
    IS 'the foreign data wrapper for URIs of a scheme, which need not be there, and the package that its library needs if it comes with dbsync';

CREATE FUNCTION dbsync_internal.probe_target(
        server name, owner oid,
        OUT version int, OUT version_text text, OUT "user" text, OUT database text,
        OUT system_identifier bigint, OUT database_oid oid,
        OUT in_recovery boolean, OUT replica_role boolean)
    RETURNS record
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_probe_target';
COMMENT ON FUNCTION dbsync_internal.probe_target(name, oid)
    IS 'connects to a target as that role''s user mapping says, and tells who answered';

CREATE FUNCTION dbsync_internal.is_mapping_option(wrapper name, option text) RETURNS boolean
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_is_mapping_option';
COMMENT ON FUNCTION dbsync_internal.is_mapping_option(name, text)
    IS 'does the option of the wrapper''s targets belong to the user mapping, where other roles cannot read it?';

CREATE FUNCTION dbsync_internal.superuser_option(wrapper name, option text) RETURNS text
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_superuser_option';
COMMENT ON FUNCTION dbsync_internal.superuser_option(name, text)
    IS 'why only superusers can set the option of the wrapper''s targets: it lends the identity of the server''s own account; null: others can';

CREATE FUNCTION dbsync_internal.is_secret_option(wrapper name, option text) RETURNS boolean
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'dbsync_is_secret_option';
COMMENT ON FUNCTION dbsync_internal.is_secret_option(name, text)
    IS 'is the option of the wrapper''s targets never to be shown?  Without a wrapper: of any that is always there';

CREATE FUNCTION dbsync_internal.writes_server_files(wrapper name) RETURNS boolean
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_writes_server_files';
COMMENT ON FUNCTION dbsync_internal.writes_server_files(name)
    IS 'are the wrapper''s targets files or folders of this server?';

CREATE FUNCTION dbsync_internal.schema_of_target(target name) RETURNS name
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_schema_of_target';
COMMENT ON FUNCTION dbsync_internal.schema_of_target(name)
    IS 'where tables go in a target that has no schemas of its own making, unless another place is named; null: to a schema that is called as the source''s';

CREATE FUNCTION dbsync_internal.open_server_file(server name, owner oid) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_open_server_file';
COMMENT ON FUNCTION dbsync_internal.open_server_file(name, oid)
    IS 'opens a target that is a file of this server, and closes it: error if it cannot be had';

CREATE FUNCTION dbsync_internal.set_options(server oid, role oid, names text[], "values" text[]) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_set_options';
COMMENT ON FUNCTION dbsync_internal.set_options(oid, oid, text[], text[])
    IS 'gives a server (role 0), or a role''s user mapping there, exactly these options; there is no statement that could be logged or shown';

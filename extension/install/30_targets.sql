-- Targets.  A target is a foreign server of one of dbsync's wrappers, which have
-- no handler (no foreign table can be made of them) and a validator that knows
-- the driver's options; credentials are in its user mappings.

CREATE FUNCTION dbsync_internal.postgres_validator(options text[], catalog oid) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_postgres_validator';
COMMENT ON FUNCTION dbsync_internal.postgres_validator(text[], oid)
    IS 'checks the options of targets of foreign data wrapper dbsync_postgres';

CREATE FOREIGN DATA WRAPPER dbsync_postgres VALIDATOR dbsync_internal.postgres_validator;
COMMENT ON FOREIGN DATA WRAPPER dbsync_postgres IS 'dbsync: targets that are PostgreSQL databases';

CREATE FUNCTION dbsync_internal.parse_uri(uri text)
    RETURNS TABLE (option text, value text)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_parse_uri';
COMMENT ON FUNCTION dbsync_internal.parse_uri(text)
    IS 'the options that a libpq URI or connection string sets';

CREATE FUNCTION dbsync_internal.probe_target(
        server name, owner oid,
        OUT version int, OUT version_text text, OUT "user" text, OUT database text,
        OUT system_identifier bigint, OUT database_oid oid,
        OUT in_recovery boolean, OUT replica_role boolean)
    RETURNS record
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_probe_target';
COMMENT ON FUNCTION dbsync_internal.probe_target(name, oid)
    IS 'connects to a target as that role''s user mapping says, and tells who answered';

CREATE FUNCTION dbsync_internal.is_mapping_option(option text) RETURNS boolean
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_is_mapping_option';
COMMENT ON FUNCTION dbsync_internal.is_mapping_option(text)
    IS 'does the option belong to the user mapping, where other roles cannot read it?';

CREATE FUNCTION dbsync_internal.is_superuser_option(option text) RETURNS boolean
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_is_superuser_option';
COMMENT ON FUNCTION dbsync_internal.is_superuser_option(text)
    IS 'does the option lend the identity of the server''s own account?';

CREATE FUNCTION dbsync_internal.set_options(server oid, role oid, names text[], "values" text[]) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_set_options';
COMMENT ON FUNCTION dbsync_internal.set_options(oid, oid, text[], text[])
    IS 'gives a server (role 0), or a role''s user mapping there, exactly these options; there is no statement that could be logged or shown';

\echo Use "CREATE EXTENSION dbsync_sqlite" to load this file. \quit

-- The validator leads dbsync to the library, in which the driver is.
CREATE FUNCTION dbsync_internal.sqlite_validator(options text[], catalog oid) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_sqlite_validator';
COMMENT ON FUNCTION dbsync_internal.sqlite_validator(text[], oid)
    IS 'checks the options of targets of foreign data wrapper dbsync_sqlite';
REVOKE ALL ON FUNCTION dbsync_internal.sqlite_validator(text[], oid) FROM PUBLIC;

CREATE FOREIGN DATA WRAPPER dbsync_sqlite VALIDATOR dbsync_internal.sqlite_validator;
COMMENT ON FOREIGN DATA WRAPPER dbsync_sqlite IS 'dbsync: targets that are SQLite files';
REVOKE ALL ON FOREIGN DATA WRAPPER dbsync_sqlite FROM PUBLIC;

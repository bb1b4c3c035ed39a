-- dbsync: the install script is built from extension/install/*.sql, in order.
\echo Use "CREATE EXTENSION dbsync" to load this file. \quit

-- Everything below is qualified; nothing may be picked up from elsewhere.
SET LOCAL search_path = pg_catalog, pg_temp;

-- Made here and not by the control file: one that somebody else has made, and
-- owns, must be in the way.
CREATE SCHEMA dbsync;
CREATE SCHEMA dbsync_internal;
COMMENT ON SCHEMA dbsync IS 'dbsync: keep databases in sync (functions and views for users)';
COMMENT ON SCHEMA dbsync_internal IS 'dbsync: tracking tables and functions that dbsync itself calls';

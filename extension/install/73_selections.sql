-- What is sent of which table, for people.

CREATE FUNCTION dbsync_internal.subscription_selections(caller oid) RETURNS TABLE (
    subscription name, "table" regclass, target_table text, columns text[], filter text, operations text[], runs_as regrole)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY SELECT s.name, c.relid, format('%I.%I', a.target_schema, a.target_table), a.columns, a.filter,
        coalesce(a.operations, '{insert,update,delete,truncate}'),
        CASE WHEN a.selection IS NOT NULL THEN dbsync_internal.selection_role(dbsync_internal.owner_of(s.id), c.relid)::regrole END
    FROM dbsync.subscription_table a JOIN dbsync.subscription s ON s.id = a.subscription_id
    JOIN dbsync.captured_table c ON c.id = a.captured_id
    WHERE dbsync_internal.may_see(caller, dbsync_internal.owner_of(s.id)) AND c.state <> 'dropped';
END $$;
COMMENT ON FUNCTION dbsync_internal.subscription_selections(oid) IS 'body of dbsync.subscription_selections()';

CREATE FUNCTION dbsync.subscription_selections() RETURNS TABLE (
    subscription name, "table" regclass, target_table text, columns text[], filter text, operations text[], runs_as regrole)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.subscription_selections() IS 'what the view dbsync.selections shows';

CREATE VIEW dbsync.selections WITH (security_barrier) AS
    SELECT * FROM dbsync.subscription_selections();
COMMENT ON VIEW dbsync.selections IS 'one row per subscription of yours and table: what is sent of it';
COMMENT ON COLUMN dbsync.selections.columns IS 'columns that are sent, and expressions with the target column that gets their value, as PostgreSQL writes them down; null: all columns';
COMMENT ON COLUMN dbsync.selections.filter IS 'condition that is true of rows that are sent; null: all are';
COMMENT ON COLUMN dbsync.selections.operations IS 'which of insert, update, delete and truncate are sent';
COMMENT ON COLUMN dbsync.selections.runs_as IS 'the role as which expressions and filter are worked out';

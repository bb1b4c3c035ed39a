-- What rules of subscriptions have, and what is not in them.

CREATE FUNCTION dbsync_internal.subscription_refused(caller oid) RETURNS TABLE (
    subscription name, "table" regclass, reason text, hint text, since timestamptz)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT s.name, f.relid::regclass, f.reason, f.hint, f.since
    FROM dbsync_internal.refused_table f JOIN dbsync.subscription s ON s.id = f.subscription_id
    -- one that was dropped is refused no more
    JOIN pg_class c ON c.oid = f.relid
    WHERE dbsync_internal.may_see(caller, dbsync_internal.owner_of(s.id));
END $$;
COMMENT ON FUNCTION dbsync_internal.subscription_refused(oid) IS 'body of dbsync.subscription_refused()';

CREATE FUNCTION dbsync.subscription_refused() RETURNS TABLE (
    subscription name, "table" regclass, reason text, hint text, since timestamptz)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.subscription_refused() IS 'what the view dbsync.refused shows';

CREATE VIEW dbsync.refused WITH (security_barrier) AS
    SELECT * FROM dbsync.subscription_refused();
COMMENT ON VIEW dbsync.refused IS 'tables that the rules of your subscriptions have, and that are not in them: why, and what to do about it';
COMMENT ON COLUMN dbsync.refused."table" IS 'the table, of which nothing is sent';
COMMENT ON COLUMN dbsync.refused.reason IS 'why it is not in the subscription';
COMMENT ON COLUMN dbsync.refused.hint IS 'what to do about it; then it is taken in when it is altered, by a worker after a while, or by refresh_subscription()';
COMMENT ON COLUMN dbsync.refused.since IS 'since when it has been refused, for whatever reason';

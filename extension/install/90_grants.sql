-- Rights: nothing for PUBLIC, nor for whom ALTER DEFAULT PRIVILEGES names.
--
-- To let a role make and run subscriptions of its own:
--
--	GRANT USAGE ON SCHEMA dbsync TO app;
--	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO app;
--	GRANT SELECT ON dbsync.status, dbsync.table_status, dbsync.sequence_status, dbsync.selections, dbsync.refused, dbsync.progress, dbsync.quarantine, dbsync.receivers, dbsync.verification, dbsync.difference, dbsync.verify_status, dbsync.types TO app;
--	GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_postgres TO app;  -- to make targets
--
-- The functions ask for themselves what their caller may: which subscriptions are
-- his, whether he may read a table.  The tables of schema dbsync need no grant.

DO $$
DECLARE
    object record;
BEGIN
    FOR object IN
        SELECT format('SCHEMA %I', n.nspname) AS name, n.nspacl AS acl, n.nspowner AS owner
        FROM pg_namespace n WHERE n.nspname IN ('dbsync', 'dbsync_internal')
      UNION ALL
        SELECT format('FUNCTION %s', p.oid::regprocedure), p.proacl, p.proowner
        FROM pg_proc p WHERE p.pronamespace IN ('dbsync'::regnamespace, 'dbsync_internal'::regnamespace)
      UNION ALL
        SELECT format('%s %s', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass), c.relacl, c.relowner
        FROM pg_class c WHERE c.relnamespace IN ('dbsync'::regnamespace, 'dbsync_internal'::regnamespace)
          AND c.relkind IN ('r', 'v', 'S')
      UNION ALL
        SELECT format('TYPE %s', t.oid::regtype), t.typacl, t.typowner
        FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid
        WHERE c.relnamespace IN ('dbsync'::regnamespace, 'dbsync_internal'::regnamespace) AND c.relkind = 'c'
      UNION ALL
        SELECT format('FOREIGN DATA WRAPPER %I', w.fdwname), w.fdwacl, w.fdwowner
        FROM pg_foreign_data_wrapper w WHERE left(w.fdwname, 7) = 'dbsync_'
    LOOP
        PERFORM dbsync_internal.revoke_all(object.name, object.acl, object.owner);
    END LOOP;
END $$;

-- whose business it is to watch
GRANT USAGE ON SCHEMA dbsync TO pg_monitor;
GRANT SELECT ON dbsync.status, dbsync.table_status, dbsync.sequence_status, dbsync.selections, dbsync.refused, dbsync.progress, dbsync.receivers, dbsync.verification, dbsync.difference, dbsync.verify_status, dbsync.types TO pg_monitor;
GRANT EXECUTE ON FUNCTION dbsync.subscription_status(), dbsync.subscription_table_status(),
    dbsync.subscription_sequence_status(), dbsync.subscription_selections(), dbsync.subscription_refused(),
    dbsync.subscription_progress(), dbsync.receiver_status(), dbsync.subscription_verifications(),
    dbsync.subscription_differences(), dbsync.subscription_verify_status(), dbsync.target_types() TO pg_monitor;

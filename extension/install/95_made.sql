-- Event triggers of the database have seen all that was made above, and may have
-- changed it.  What C writes to without looking is compared with what it should be;
-- of the other tables columns may have been added, which nobody minds.

DO $$
DECLARE
    bad record;
BEGIN
    SELECT c.oid::regclass AS name, CASE
            WHEN c.relowner <> e.extowner THEN format('Its owner is "%s".', pg_get_userbyid(c.relowner))
            WHEN c.relpersistence <> 'p' THEN 'It is unlogged.'
            ELSE 'It has triggers, rules or row security.'
        END AS problem INTO bad
    FROM pg_class c JOIN pg_extension e ON e.extname = 'dbsync'
    WHERE c.relnamespace IN ('dbsync'::regnamespace, 'dbsync_internal'::regnamespace) AND c.relkind = 'r'
      AND (c.relowner <> e.extowner OR c.relpersistence <> 'p' OR c.relrowsecurity
           OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)
           OR EXISTS (SELECT FROM pg_policy y WHERE y.polrelid = c.oid)
           OR EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
                      WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND p.pronamespace <> 'dbsync_internal'::regnamespace))
    ORDER BY c.oid LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('table %s was changed as it was made', bad.name),
            DETAIL = bad.problem,
            HINT = dbsync_internal.event_trigger_hint();
    END IF;
    PERFORM dbsync_internal.check_segment('dbsync_internal.header_1', 0, NULL);
END $$;

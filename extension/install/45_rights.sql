-- Whose a subscription is, and what he may: asked when tables are added, when
-- capture is installed, and by workers whenever it can have changed
-- (worker/rights.c).

-- ---------------------------------------------------------------------------
-- Owners
--
-- PostgreSQL knows owners of objects, not of rows.  So for each subscription there
-- is an object, a function that does nothing, and who owns that owns the
-- subscription; its owner is written down nowhere else.  DROP ROLE is refused
-- then, REASSIGN OWNED moves the subscription, and a dump takes the owner along.
-- The guard sees to it that it is not dropped.  It is no member of the extension,
-- or a dump would lack it, but goes with it.

CREATE FUNCTION dbsync_internal.anchor_of(subscription_id int) RETURNS oid
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'dbsync_anchor_of';
COMMENT ON FUNCTION dbsync_internal.anchor_of(int) IS 'the function that stands for a subscription; null: it has gone';

CREATE FUNCTION dbsync_internal.owner_of(subscription_id int) RETURNS regrole
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'dbsync_owner_of';
COMMENT ON FUNCTION dbsync_internal.owner_of(int) IS 'the owner of a subscription; null: its anchor has gone';

CREATE FUNCTION dbsync_internal.create_anchor(subscription_id int, owner oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    anchor text := format('dbsync_internal.%I()', format('subscription_%s', subscription_id));
BEGIN
    -- one may be left of a dump without data, which had no subscriptions to go with it
    EXECUTE format('CREATE OR REPLACE FUNCTION %s RETURNS void LANGUAGE sql IMMUTABLE AS %L', anchor, '');
    PERFORM dbsync_internal.revoke_all(format('FUNCTION %s', anchor), p.proacl, p.proowner)
    FROM pg_proc p WHERE p.oid = anchor::regprocedure;
    EXECUTE format('COMMENT ON FUNCTION %s IS %L', anchor,
        'stands for a subscription of dbsync: who owns this function owns the subscription');
    EXECUTE format('ALTER FUNCTION %s DEPENDS ON EXTENSION dbsync', anchor);
    EXECUTE format('ALTER FUNCTION %s OWNER TO %I', anchor, pg_get_userbyid(owner));
END $$;
COMMENT ON FUNCTION dbsync_internal.create_anchor(int, oid) IS 'makes the function that stands for a subscription';

-- The row goes first: the guard takes an anchor without one for nobody's.
CREATE FUNCTION dbsync_internal.drop_anchor(subscription_id int) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('DROP FUNCTION IF EXISTS dbsync_internal.%I()', format('subscription_%s', subscription_id));
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_anchor(int) IS 'drops the function that stood for a subscription';

-- ---------------------------------------------------------------------------
-- Rights on tables

-- Row security as it would apply to a query of the role.
CREATE FUNCTION dbsync_internal.row_security_applies(role oid, rel regclass) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.relrowsecurity AND NOT r.rolsuper AND NOT r.rolbypassrls
        AND (c.relforcerowsecurity OR NOT pg_has_role(r.oid, c.relowner, 'USAGE'))
    FROM pg_class c, pg_roles r WHERE c.oid = rel AND r.oid = role
$$;
COMMENT ON FUNCTION dbsync_internal.row_security_applies(oid, regclass) IS 'would a query of the role on the table be filtered by row security?';

-- Which of the rights on tables the role lacks, the first that it would stumble over:
-- USAGE, SELECT, "row security", TRIGGER.  For all tables at once, as a worker asks.
CREATE FUNCTION dbsync_internal.missing_rights(role oid, tables oid[]) RETURNS TABLE (rel oid, lacks text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY SELECT * FROM (
        SELECT c.oid, CASE
            WHEN NOT has_schema_privilege(role, c.relnamespace, 'USAGE') THEN 'USAGE'
            WHEN NOT has_table_privilege(role, c.oid, 'SELECT') THEN 'SELECT'
            WHEN c.relrowsecurity AND dbsync_internal.row_security_applies(role, c.oid) THEN 'row security'
            WHEN NOT has_table_privilege(role, c.oid, 'TRIGGER')
                AND NOT pg_has_role(role, c.relowner, 'USAGE') THEN 'TRIGGER'
            END AS lacks
        FROM unnest(tables) t (oid) JOIN pg_class c ON c.oid = t.oid) x
    WHERE x.lacks IS NOT NULL;
END $$;
COMMENT ON FUNCTION dbsync_internal.missing_rights(oid, oid[]) IS 'tables that the role may not have captured, and what it lacks';

-- The same in words; the cure is a command, or advice.
CREATE FUNCTION dbsync_internal.describe_right(role oid, rel regclass, lacks text, OUT message text, OUT detail text, OUT cure text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    schema regnamespace := (SELECT c.relnamespace FROM pg_class c WHERE c.oid = rel);
BEGIN
    IF lacks = 'USAGE' THEN
        message := format('permission denied for the schema of table %s', rel);
        detail := format('Role "%s" needs USAGE on schema %s.', pg_get_userbyid(role), schema);
        cure := format('GRANT USAGE ON SCHEMA %s TO %I', schema, pg_get_userbyid(role));
    ELSIF lacks = 'row security' THEN
        message := format('row security hides rows of table %s from role "%s"', rel, pg_get_userbyid(role));
        detail := 'A subscription sends all rows of a table, so its owner must see them all.';
        cure := 'A superuser, a role with BYPASSRLS, or the table''s owner (without FORCE ROW LEVEL SECURITY) sees all rows.';
    ELSIF lacks = 'REPLICATION' THEN
        message := format('capture "wal" needs role "%s" to have REPLICATION', pg_get_userbyid(role));
        detail := 'It keeps a replication slot, which can fill the disk of the server.';
        cure := format('ALTER ROLE %I REPLICATION', pg_get_userbyid(role));
    ELSE
        message := format('permission denied for table %s', rel);
        detail := format(CASE lacks WHEN 'SELECT' THEN 'Role "%s" needs SELECT on all of the table.'
            ELSE 'Role "%s" needs TRIGGER on the table.' END, pg_get_userbyid(role));
        cure := format('GRANT %s ON %s TO %I', lacks, rel, pg_get_userbyid(role));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.describe_right(oid, regclass, text) IS 'a missing right in words';

CREATE FUNCTION dbsync_internal.check_rights(role oid, rel regclass, to_read_only boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing text;
    words record;
BEGIN
    SELECT m.lacks INTO missing FROM dbsync_internal.missing_rights(role, ARRAY[rel::oid]) m;
    IF NOT FOUND OR (to_read_only AND missing = 'TRIGGER') THEN
        RETURN;
    END IF;
    words := dbsync_internal.describe_right(role, rel, missing);
    RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
        MESSAGE = words.message, DETAIL = words.detail,
        HINT = CASE missing WHEN 'USAGE' THEN 'The schema''s owner can ' || words.cure || '.'
            WHEN 'row security' THEN words.cure
            ELSE 'The table''s owner can ' || words.cure || '.' END;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_rights(oid, regclass, boolean) IS 'error unless the role may have the table captured, or read every row and column of it';

CREATE FUNCTION dbsync_internal.check_readable(role oid, rel regclass) RETURNS void
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT dbsync_internal.check_rights(role, rel, true)
$$;
COMMENT ON FUNCTION dbsync_internal.check_readable(oid, regclass) IS 'error unless the role may read every row and column of the table';

-- Tables of a subscription that its owner may not have captured any more.  Of very many only
-- those need to be asked about of which there is news.
CREATE FUNCTION dbsync_internal.lost_tables(subscription_id int, owner oid, among oid[] DEFAULT NULL) RETURNS TABLE (captured_id int, rel oid, lacks text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT t.id, m.rel, m.lacks
    FROM dbsync_internal.missing_rights(owner, CASE WHEN among IS NULL THEN ARRAY(
            SELECT t.relid::oid FROM dbsync.subscription_table a JOIN dbsync.captured_table t ON t.id = a.captured_id
            WHERE a.subscription_id = lost_tables.subscription_id AND a.state <> 'suspended')
        -- a few of ten thousand, which are looked up
        ELSE ARRAY(
            SELECT t.relid::oid FROM unnest(among) n (relid)
            JOIN dbsync.captured_table t ON t.relid = n.relid AND t.state <> 'dropped'
            JOIN dbsync.subscription_table a ON a.captured_id = t.id
            WHERE a.subscription_id = lost_tables.subscription_id AND a.state <> 'suspended') END) m
    JOIN dbsync.captured_table t ON t.relid = m.rel
    -- who scans a table, or compares it, puts no trigger on it
    WHERE NOT (m.lacks = 'TRIGGER' AND (t.capture IN ('shadow', 'snapshot') OR EXISTS (
        SELECT FROM dbsync.subscription_table a
        WHERE a.subscription_id = lost_tables.subscription_id AND a.captured_id = t.id AND a.capture = 'timestamp')))
    UNION ALL
    -- whose slot it is that a table is read from: see check_wal_server()
    SELECT t.id, t.relid::oid, 'REPLICATION'
    FROM dbsync.subscription_table a JOIN dbsync.captured_table t ON t.id = a.captured_id JOIN pg_roles r ON r.oid = lost_tables.owner
    WHERE a.subscription_id = lost_tables.subscription_id AND a.state <> 'suspended' AND a.capture IS NULL
      AND t.capture = 'wal' AND t.state <> 'dropped' AND NOT (r.rolsuper OR r.rolreplication)
      AND (among IS NULL OR t.relid = ANY (among))
$$;
COMMENT ON FUNCTION dbsync_internal.lost_tables(int, oid, oid[]) IS 'tables of a subscription, among these (null: all), on which its owner has lost a right';

-- The target is the same for all; without it the worker stops with these words.
CREATE FUNCTION dbsync_internal.check_owner(subscription dbsync.subscription, owner oid) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF owner IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('subscription "%s" has no owner any more', subscription.name),
            DETAIL = format('Function dbsync_internal.subscription_%s(), which stands for it, was dropped.', subscription.id),
            HINT = 'A superuser can drop it with dbsync.drop_subscription() and create it again.';
    END IF;
    PERFORM dbsync_internal.check_target(owner, subscription.target);
END $$;
COMMENT ON FUNCTION dbsync_internal.check_owner(dbsync.subscription, oid) IS 'error unless a subscription has an owner who may use its target';

-- Tables that no subscription gets any more, as all who had them have lost the right
-- to: capture ends, so that REVOKE is enough for a table's owner to have it to himself
-- again.  Where triggers cannot be taken off at once they stay, and do nothing.
-- Others that nobody gets at the moment, for rows too large say, stay captured.
CREATE FUNCTION dbsync_internal.suspend_unwanted(captured_ids int[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
AS $$
DECLARE
    unwanted record;
    locked boolean;
BEGIN
    FOR unwanted IN
        SELECT t.id, t.relid, row_number() OVER (ORDER BY t.id) AS n FROM dbsync.captured_table t
        WHERE t.id = ANY (captured_ids) AND t.state = 'active'
          AND NOT EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = t.id AND a.state <> 'suspended')
        ORDER BY t.id
    LOOP
        -- the table before its row, as everywhere (22_capture.sql)
        locked := CASE WHEN unwanted.n = 1 THEN dbsync_internal.try_lock(unwanted.relid)
            ELSE dbsync_internal.lock_at_once(unwanted.relid, 'ACCESS EXCLUSIVE') END;
        UPDATE dbsync.captured_table t
        SET state = 'suspended', note = 'the owners of its subscriptions have lost the right to it'
        WHERE t.id = unwanted.id AND t.state = 'active'
          AND NOT EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = t.id AND a.state <> 'suspended');
        IF FOUND AND locked THEN
            PERFORM dbsync_internal.drop_triggers(unwanted.relid);
            PERFORM dbsync_internal.unpublish(t) FROM dbsync.captured_table t WHERE t.id = unwanted.id;
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.suspend_unwanted(int[]) IS 'ends capture of those of these tables that no subscription may have any more';

-- What a worker asks when rights may have changed.  Tables whose rights are gone are
-- suspended, for this subscription; copy_table() goes on when they are back, since
-- what was captured in between was not for the target.
CREATE FUNCTION dbsync_internal.ask_rights(subscription_id int, among oid[] DEFAULT NULL, OUT suspended int, OUT owner oid)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription dbsync.subscription;
    lost int[];
BEGIN
    suspended := 0;
    owner := dbsync_internal.owner_of(subscription_id);
    SELECT s.* INTO subscription FROM dbsync.subscription s WHERE s.id = subscription_id;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.check_owner(subscription, owner);
    lost := ARRAY(SELECT l.captured_id FROM dbsync_internal.lost_tables(subscription_id, owner, among) l);
    -- an UPDATE of nothing would still tell everybody of a change
    IF cardinality(lost) > 0 THEN
        -- Workers of several subscriptions hear of the same REVOKE at the same moment: one
        -- after the other, so that the last one sees that nobody is left.
        PERFORM FROM dbsync.subscription_table a WHERE a.captured_id = ANY (lost) ORDER BY a.uid FOR UPDATE;
        UPDATE dbsync.subscription_table a SET state = 'suspended', note = format('%s: %s', w.message, w.cure)
        FROM dbsync_internal.lost_tables(ask_rights.subscription_id, ask_rights.owner, among) l,
            dbsync_internal.describe_right(ask_rights.owner, l.rel, l.lacks) w
        WHERE a.subscription_id = ask_rights.subscription_id AND a.captured_id = l.captured_id;
        GET DIAGNOSTICS suspended = ROW_COUNT;
        PERFORM dbsync_internal.suspend_unwanted(lost);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.ask_rights(int, oid[]) IS 'suspends tables on which the owner has lost a right; error if he may not use the target';

CREATE FUNCTION dbsync_internal.rights_hold(subscription_id int, owner oid, among oid[] DEFAULT NULL) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription dbsync.subscription;
BEGIN
    SELECT s.* INTO subscription FROM dbsync.subscription s WHERE s.id = subscription_id;
    IF NOT FOUND OR dbsync_internal.owner_of(subscription_id) IS DISTINCT FROM owner::regrole THEN
        RETURN false;
    END IF;
    PERFORM dbsync_internal.check_owner(subscription, owner);
    RETURN NOT EXISTS (SELECT FROM dbsync_internal.lost_tables(subscription_id, owner, among));
END $$;
COMMENT ON FUNCTION dbsync_internal.rights_hold(int, oid, oid[]) IS 'would ask_rights() find all as it was?';

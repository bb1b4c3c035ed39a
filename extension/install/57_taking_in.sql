-- Rules at work: taking in what they have, and letting go what they have no more.

CREATE FUNCTION dbsync_internal.has_to_itself(rel oid) RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_has_to_itself';
COMMENT ON FUNCTION dbsync_internal.has_to_itself(oid) IS 'has this transaction a lock on the table that keeps writers out?';

CREATE FUNCTION dbsync_internal.check_by_rule(subscription dbsync.subscription, rel regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target record := dbsync_internal.target_name(subscription.target, rel, NULL);
    owner oid := dbsync_internal.owner_of(subscription.id);
BEGIN
    IF owner IS NULL THEN
        PERFORM dbsync_internal.check_owner(subscription, owner);
    END IF;
    PERFORM dbsync_internal.check_kind(rel);
    PERFORM dbsync_internal.check_rights(owner, rel);
    PERFORM dbsync_internal.check_supported(rel);
    IF subscription.on_partition_drop = 'delete' THEN
        PERFORM dbsync_internal.check_bounds_travel(rel);
    END IF;
    PERFORM dbsync_internal.check_keyless(rel, false, subscription.rule_existing_rows);
    PERFORM dbsync_internal.check_types(subscription, rel, NULL);
    PERFORM dbsync_internal.check_place(subscription, rel, target.schema, target.name);
    PERFORM dbsync_internal.check_same_capture(rel, 'trigger');
END $$;
COMMENT ON FUNCTION dbsync_internal.check_by_rule(dbsync.subscription, regclass) IS 'error if a table cannot come into a subscription by a rule';

CREATE FUNCTION dbsync_internal.attach_by_rule(subscription dbsync.subscription, rel regclass, copy_data boolean) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target record := dbsync_internal.target_name(subscription.target, rel, NULL);
BEGIN
    DELETE FROM dbsync_internal.refused_table f WHERE f.subscription_id = subscription.id AND f.relid = rel;
    RETURN dbsync_internal.write_attachment(subscription, rel, target.schema, target.name, false, copy_data,
        subscription.rule_existing_rows, NULL, true);
END $$;
COMMENT ON FUNCTION dbsync_internal.attach_by_rule(dbsync.subscription, regclass, boolean) IS 'writes down that a table has come into a subscription by a rule; returns the captured table';

-- One that has gone meanwhile is missed by nobody.  What comes without a hint, as a lock that was not to be had, is
-- nothing that anybody could mend.
CREATE FUNCTION dbsync_internal.note_refused(of_subscription int, rel oid, reason text, detail text, hint text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    is_undecided boolean := coalesce(hint, '') = '';
BEGIN
    INSERT INTO dbsync_internal.refused_table AS f (subscription_id, relid, reason, hint, undecided)
    SELECT of_subscription, rel, note_refused.reason, concat_ws(' ', nullif(detail, ''), CASE WHEN is_undecided
            THEN 'A worker tries again. To do it now: SELECT dbsync.refresh_subscription(...).' ELSE note_refused.hint END), is_undecided
    WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = rel)
    ON CONFLICT (subscription_id, relid) DO UPDATE SET reason = EXCLUDED.reason, hint = EXCLUDED.hint, undecided = EXCLUDED.undecided
    WHERE (f.reason, f.hint, f.undecided) IS DISTINCT FROM (EXCLUDED.reason, EXCLUDED.hint, EXCLUDED.undecided);
END $$;
COMMENT ON FUNCTION dbsync_internal.note_refused(int, oid, text, text, text) IS 'writes down why a table of a rule is not in the subscription';

-- Many tables at once: each row that is written here has all sessions, this one too, plan anew what reads
-- these tables.
CREATE FUNCTION dbsync_internal.attach_all(subscription dbsync.subscription, rels oid[], copy_data boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    place name := dbsync_internal.schema_of_target(subscription.target);
BEGIN
    PERFORM dbsync_internal.keep_notes(c.relid) FROM dbsync.captured_table c WHERE c.relid = ANY (rels) AND c.state = 'suspended';
    -- as capture_table() does it
    INSERT INTO dbsync.captured_table AS c (relid, key_index)
    SELECT r.rel, dbsync_internal.choose_key(r.rel) FROM unnest(rels) r (rel)
    ON CONFLICT (relid) WHERE state <> 'dropped' DO UPDATE SET note = NULL,
        state = CASE WHEN c.state = 'active' THEN 'active' ELSE 'installing' END,
        named_key = CASE WHEN c.state = 'active' OR EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = c.id)
            THEN c.named_key END,
        -- of one that is still somebody's it is this already (check_by_rule())
        capture = EXCLUDED.capture, capture_options = EXCLUDED.capture_options, reduced = false;
    INSERT INTO dbsync.subscription_table (subscription_id, captured_id, target_schema, target_table, copy_data, existing_rows, by_rule)
    SELECT subscription.id, c.id, coalesce(place, n.nspname), r.relname, attach_all.copy_data, subscription.rule_existing_rows, true
    FROM dbsync.captured_table c JOIN pg_class r ON r.oid = c.relid JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE c.relid = ANY (rels) AND c.state <> 'dropped' ORDER BY c.id;
    PERFORM dbsync_internal.settle_capture(c.id) FROM dbsync.captured_table c WHERE c.relid = ANY (rels) AND c.capture = 'none';
    DELETE FROM dbsync_internal.refused_table f WHERE f.subscription_id = subscription.id AND f.relid = ANY (rels);
END $$;
COMMENT ON FUNCTION dbsync_internal.attach_all(dbsync.subscription, oid[], boolean) IS 'writes down that tables have come into a subscription by a rule';

-- For who makes rules.  No table is locked, as there may be thousands: what changes before capture is
-- installed is seen then.
CREATE FUNCTION dbsync_internal.apply_rules(subscription dbsync.subscription, copy_data boolean DEFAULT true) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rel regclass;
    problem record;
    rels oid[] := '{}';
    refused bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM dbsync.subscription_rule r WHERE r.subscription_id = subscription.id) THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.follow_names();
    DELETE FROM dbsync_internal.refused_table f
    WHERE f.subscription_id = subscription.id
      AND NOT EXISTS (SELECT FROM dbsync_internal.missing_table m WHERE m.subscription_id = f.subscription_id AND m.relid = f.relid);
    FOR rel IN SELECT m.relid FROM dbsync_internal.missing_table m WHERE m.subscription_id = subscription.id ORDER BY m.relid LOOP
        problem := dbsync_internal.rule_problem(subscription, rel);
        -- those that come at once do not see each other yet
        IF problem.reason IS NULL AND dbsync_internal.schema_of_target(subscription.target) IS NOT NULL
            AND EXISTS (SELECT FROM pg_class c, pg_class o WHERE c.oid = rel AND o.relname = c.relname AND o.oid = ANY (rels)) THEN
            SELECT format('another table of subscription "%s" goes to a table of that name', subscription.name) AS reason, NULL::text AS detail,
                'Add it with a target_table of its own: dbsync.add_table().' AS hint INTO problem;
        END IF;
        IF problem.reason IS NULL THEN
            rels := rels || rel::oid;
        ELSE
            PERFORM dbsync_internal.note_refused(subscription.id, rel, problem.reason, problem.detail, problem.hint);
        END IF;
    END LOOP;
    IF rels <> '{}' THEN
        -- who drops the subscription by an older snapshot must not overlook the new rows
        UPDATE dbsync.subscription s SET policy = s.policy WHERE s.id = subscription.id;
        PERFORM dbsync_internal.attach_all(subscription, rels, copy_data);
    END IF;
    SELECT count(*) INTO refused FROM dbsync_internal.refused_table f WHERE f.subscription_id = subscription.id;
    IF refused > 0 THEN
        RAISE NOTICE USING MESSAGE = format('tables that the rules of subscription "%s" have, and that cannot be in it: %s', subscription.name, refused),
            HINT = format('To see why: SELECT * FROM dbsync.refused WHERE subscription = %L.', subscription.name);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.apply_rules(dbsync.subscription, boolean) IS 'adds all tables that rules of a subscription have to it, or writes down why not';

CREATE FUNCTION dbsync_internal.rule_problem(subscription dbsync.subscription, rel regclass, OUT reason text, OUT detail text, OUT hint text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.check_by_rule(subscription, rel);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END $$;
COMMENT ON FUNCTION dbsync_internal.rule_problem(dbsync.subscription, regclass) IS 'why a table cannot come into a subscription by a rule; nulls: it can';

-- In somebody else's transaction: what goes wrong is caught, but for a cancel.  The subscription's
-- row is not written to, which its worker does all the time, nor waited for.
CREATE FUNCTION dbsync_internal.take_in(of_subscription int, rel regclass) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription dbsync.subscription;
    captured_id int;
    reason text;
    detail text;
    hint text;
BEGIN
    SELECT s.* INTO subscription FROM dbsync.subscription s WHERE s.id = of_subscription FOR KEY SHARE NOWAIT;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM dbsync_internal.check_by_rule(subscription, rel);
    captured_id := dbsync_internal.attach_by_rule(subscription, rel, true);
    IF dbsync_internal.has_to_itself(rel) THEN
        PERFORM dbsync_internal.install_capture(captured_id, dbsync_internal.owner_of(of_subscription));
    END IF;
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS reason = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    PERFORM dbsync_internal.note_refused(of_subscription, rel, reason, detail, hint);
    RETURN false;
END $$;
COMMENT ON FUNCTION dbsync_internal.take_in(int, regclass) IS 'adds a table to a subscription by its rules, and begins to capture it if this transaction has it to itself, or writes down why not';

-- Called by judge_command() with what the command has made or altered; schemas: among it may be schemas.
CREATE FUNCTION dbsync_internal.follow_rules(objects oid[], schemas boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = 0 SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    missing record;
BEGIN
    IF NOT EXISTS (SELECT FROM dbsync.subscription_rule) OR NOT dbsync_internal.is_adopted() THEN
        RETURN;
    END IF;
    PERFORM set_config('lock_timeout', current_setting('dbsync.install_lock_timeout'), true);
    IF schemas OR EXISTS (SELECT FROM dbsync.subscription_rule r WHERE r.kind = 'except' AND r.relid = ANY (objects)) THEN
        PERFORM dbsync_internal.follow_names();
    END IF;
    FOR missing IN SELECT m.* FROM dbsync_internal.missing_table m WHERE m.relid = ANY (objects) ORDER BY m.relid, m.subscription_id LOOP
        IF current_setting('transaction_isolation') = 'serializable' THEN
            -- what is read and written here would have others who make tables in such transactions fail, or this one:
            -- nobody reads what is written then, and a worker hears of the table as it is committed
            PERFORM dbsync_internal.note_refused(missing.subscription_id, missing.relid,
                format('table %s was made or altered in a serializable transaction, and not looked at', missing.relid::regclass), NULL, NULL);
        ELSE
            PERFORM dbsync_internal.take_in(missing.subscription_id, missing.relid);
        END IF;
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING USING MESSAGE = format('tables that rules of subscriptions have could not be looked for: %s', sqlerrm),
        HINT = 'A worker does that later. To do it now: SELECT dbsync.refresh_subscription(...).';
END $$;
COMMENT ON FUNCTION dbsync_internal.follow_rules(oid[], boolean) IS 'takes tables into the subscriptions that have them by a rule; no error';

-- Called by workers now and then, which see tables that were made while event triggers were off, too;
-- and when a dropped table has left its place.  A few at a time, since all of it is one transaction.  Of
-- tables for whose refusal there is a reason only those among the relations that have changed, if these are given.
CREATE FUNCTION dbsync_internal.retry_rules(of_subscription int DEFAULT NULL, changed oid[] DEFAULT NULL) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing record;
    n int := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM dbsync.subscription_rule) THEN
        -- of a subscription that was dropped at that moment
        DELETE FROM dbsync_internal.refused_table;
        RETURN false;
    END IF;
    BEGIN
        -- one worker does it for all
        LOCK TABLE dbsync_internal.refused_table IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RETURN true;
    END;
    PERFORM dbsync_internal.follow_names();
    DELETE FROM dbsync_internal.refused_table f
    WHERE NOT EXISTS (SELECT FROM dbsync_internal.missing_table m WHERE m.subscription_id = f.subscription_id AND m.relid = f.relid);
    FOR missing IN
        SELECT f.* FROM (
            SELECT m.* FROM dbsync_internal.missing_table m LEFT JOIN dbsync_internal.refused_table f USING (subscription_id, relid)
            WHERE (of_subscription IS NULL OR m.subscription_id = of_subscription)
              AND (changed IS NULL OR m.relid = ANY (changed) OR coalesce(f.undecided, true))
            ORDER BY coalesce(f.undecided, true) DESC, random() LIMIT 100) f
        ORDER BY f.relid, f.subscription_id
    LOOP
        n := n + 1;
        PERFORM dbsync_internal.take_in(missing.subscription_id, missing.relid);
    END LOOP;
    RETURN n = 100 OR EXISTS (SELECT FROM dbsync_internal.refused_table f WHERE f.undecided);
END $$;
COMMENT ON FUNCTION dbsync_internal.retry_rules(int, oid[]) IS 'tries again to take in what rules of subscriptions, or of one, have; true: there may be more';

-- Called by a worker before it says that all is there: of a table that nobody has looked at yet, nothing is.
CREATE FUNCTION dbsync_internal.take_in_unseen(of_subscription int, changed oid[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing record;
BEGIN
    IF NOT EXISTS (SELECT FROM dbsync.subscription_rule r WHERE r.subscription_id = of_subscription AND r.kind <> 'except') THEN
        RETURN;
    END IF;
    FOR missing IN
        SELECT m.relid FROM dbsync_internal.missing_table m LEFT JOIN dbsync_internal.refused_table f USING (subscription_id, relid)
        WHERE m.subscription_id = of_subscription AND (m.relid = ANY (changed) OR coalesce(f.undecided, true))
        ORDER BY m.relid LIMIT 100
    LOOP
        PERFORM dbsync_internal.take_in(of_subscription, missing.relid);
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.take_in_unseen(int, oid[]) IS 'takes in what the rules of a subscription have and nobody has looked at yet, or since these relations have changed';

-- ---------------------------------------------------------------------------
-- Tables that go

-- The table is seen to be none that could be captured, or by this owner: while capture is installed, or when a command
-- has made it one.
CREATE FUNCTION dbsync_internal.refuse_by_rule(captured dbsync.captured_table, role oid, reason text, detail text, hint text) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone dbsync.subscription_table;
    n int := 0;
BEGIN
    IF EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = captured.id AND NOT a.by_rule
               AND (role IS NULL OR dbsync_internal.owner_of(a.subscription_id) = role)) THEN
        RETURN false;
    END IF;
    FOR gone IN DELETE FROM dbsync.subscription_table a
                WHERE a.captured_id = captured.id AND a.by_rule AND (role IS NULL OR dbsync_internal.owner_of(a.subscription_id) = role) RETURNING a.* LOOP
        n := n + 1;
        PERFORM dbsync_internal.note_refused(gone.subscription_id, captured.relid, reason, detail, hint);
    END LOOP;
    IF n > 0 THEN
        PERFORM dbsync_internal.release_captured(captured.id);
    END IF;
    RETURN n > 0;
END $$;
COMMENT ON FUNCTION dbsync_internal.refuse_by_rule(dbsync.captured_table, oid, text, text, text) IS 'takes a table that cannot be captured out of subscriptions of a role, or of all, that have it by a rule; false: one has it by its name, or none has it';

-- A table that becomes a partition is no table of its own any more, which is an error for one that
-- somebody has added.  One that a rule has leaves instead: its rows come in with those of the root.
CREATE FUNCTION dbsync_internal.yield_partition(captured dbsync.captured_table) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    had text := dbsync_internal.subscriptions_of(captured.id);
BEGIN
    IF had IS NULL OR EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = captured.id AND NOT a.by_rule) THEN
        RETURN false;
    END IF;
    DELETE FROM dbsync.subscription_table a WHERE a.captured_id = captured.id;
    DELETE FROM dbsync.kept_partition k WHERE k.captured_id = captured.id;
    PERFORM dbsync_internal.remove_capture(captured.id);
    RAISE NOTICE USING MESSAGE = format('table %s is a partition of table %s now, and none of its own', captured.relid, dbsync_internal.root_of(captured.relid)::regclass),
        DETAIL = replace(had, 'is in', 'was in'), HINT = 'The targets keep the table that they have of its name.';
    RETURN true;
END $$;
COMMENT ON FUNCTION dbsync_internal.yield_partition(dbsync.captured_table) IS 'takes a table that has become a partition out of subscriptions, if all of them have it by a rule';

CREATE FUNCTION dbsync_internal.guard_partition() RETURNS oid
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'dbsync_guard_partition';
COMMENT ON FUNCTION dbsync_internal.guard_partition() IS 'the table that the ALTER TABLE being judged has attached as a partition, or detached; null: none';

-- Tables that the rules of today have, and those of tomorrow have not, leave if they came by a rule.
CREATE FUNCTION dbsync_internal.change_rules(subscription dbsync.subscription, schemas text[], all_tables boolean, except_tables text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    before oid[] := ARRAY(SELECT r.relid FROM dbsync_internal.rule_table r WHERE r.subscription_id = subscription.id);
    leaving int[];
BEGIN
    PERFORM dbsync_internal.write_rules(subscription, schemas, all_tables, except_tables);
    WITH gone AS (
        DELETE FROM dbsync.subscription_table a USING dbsync.captured_table c
        WHERE a.subscription_id = subscription.id AND a.by_rule AND c.id = a.captured_id AND c.state <> 'dropped'
          AND c.relid IN (SELECT b.relid FROM unnest(before) b (relid) EXCEPT
                          SELECT r.relid FROM dbsync_internal.rule_table r WHERE r.subscription_id = subscription.id)
        RETURNING a.captured_id)
    SELECT coalesce(array_agg(g.captured_id ORDER BY g.captured_id), '{}') INTO leaving FROM gone g;
    DELETE FROM dbsync.kept_partition k WHERE k.subscription_id = subscription.id AND k.captured_id = ANY (leaving);
    PERFORM dbsync_internal.forget_sequences(subscription.id);
    PERFORM dbsync_internal.release_all(leaving);
    DELETE FROM dbsync_internal.refused_table f WHERE f.subscription_id = subscription.id;
    PERFORM dbsync_internal.apply_rules(subscription, subscription.rule_copy_data);
END $$;
COMMENT ON FUNCTION dbsync_internal.change_rules(dbsync.subscription, text[], boolean, text[]) IS 'gives a subscription other rules, and the tables that go with them';

-- ---------------------------------------------------------------------------
-- For people

CREATE FUNCTION dbsync_internal.refresh_subscription(caller oid, name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    subscription dbsync.subscription := dbsync_internal.find_subscription(caller, name);
BEGIN
    PERFORM dbsync_internal.require_adopted();
    IF NOT EXISTS (SELECT FROM dbsync.subscription_rule r WHERE r.subscription_id = subscription.id AND r.kind <> 'except') THEN
        RAISE NOTICE USING MESSAGE = format('subscription "%s" has no rules: it has the tables that were added to it', name),
            HINT = 'alter_subscription() takes schemas, all_tables and except_tables.';
    END IF;
    PERFORM dbsync_internal.apply_rules(subscription);
END $$;
COMMENT ON FUNCTION dbsync_internal.refresh_subscription(oid, text) IS 'body of dbsync.refresh_subscription()';

CREATE FUNCTION dbsync.refresh_subscription(name text) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.refresh_subscription(text) IS 'tries at once to take in all tables that the rules of a subscription have and that are not in it, those of dbsync.refused among them';

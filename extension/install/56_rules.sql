-- Rules: a subscription has all tables of a schema, or of all schemas, but for exceptions.
--
-- What is there when a rule is made is written down like a list of tables.  What comes later is
-- taken in by the guard, in the transaction that makes it, or brings it: no one else is in the
-- table then, so capture begins at once, and its first copy brings what was written before.
-- That must never be in the way of who makes the table.  So whatever goes wrong is written
-- down, for dbsync.refused, and tried again: by the guard when the table is altered, by workers,
-- when a dropped table leaves its place, by refresh_subscription().

CREATE TABLE dbsync.subscription_rule (
    -- no foreign keys: a parallel restore of a dump loads these tables in any order
    subscription_id int NOT NULL,
    -- all: tables of all schemas; schema: those of one; except: not this table
    kind text NOT NULL CHECK (kind IN ('all', 'schema', 'except')),
    -- oids count here, as what is renamed stays what it was, and names where there is nothing that
    -- has the oid: in another database, to which a dump was restored, and when a schema or table was
    -- dropped and is made anew.  0: of all schemas; null: there is none
    schema_oid oid,
    schema name NOT NULL DEFAULT '',
    relid oid,
    name name NOT NULL DEFAULT ''
);
CREATE INDEX subscription_rule_subscription ON dbsync.subscription_rule (subscription_id);
-- C goes through it for each table that is made
CREATE INDEX subscription_rule_schema ON dbsync.subscription_rule (schema_oid) WHERE kind <> 'except';
COMMENT ON TABLE dbsync.subscription_rule IS 'which tables subscriptions have, those among them that are yet to be made';
COMMENT ON COLUMN dbsync.subscription_rule.subscription_id IS 'the subscription';
COMMENT ON COLUMN dbsync.subscription_rule.kind IS 'all: tables of all schemas; schema: those of one; except: not this table';
COMMENT ON COLUMN dbsync.subscription_rule.schema_oid IS 'the schema; 0: all; null: it is not there';
COMMENT ON COLUMN dbsync.subscription_rule.schema IS 'its name';
COMMENT ON COLUMN dbsync.subscription_rule.relid IS 'the table that is excepted; null: it is not there';
COMMENT ON COLUMN dbsync.subscription_rule.name IS 'its name';
SELECT pg_catalog.pg_extension_config_dump('dbsync.subscription_rule', '');

CREATE TABLE dbsync_internal.refused_table (
    subscription_id int NOT NULL,
    relid oid NOT NULL,
    reason text NOT NULL,
    hint text,
    since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (subscription_id, relid)
);
COMMENT ON TABLE dbsync_internal.refused_table IS 'tables that a rule of a subscription has, and that are not in it';
COMMENT ON COLUMN dbsync_internal.refused_table.subscription_id IS 'the subscription';
COMMENT ON COLUMN dbsync_internal.refused_table.relid IS 'the table';
COMMENT ON COLUMN dbsync_internal.refused_table.reason IS 'why it is not in it';
COMMENT ON COLUMN dbsync_internal.refused_table.hint IS 'what to do about it';
COMMENT ON COLUMN dbsync_internal.refused_table.since IS 'since when';

-- Partitions come with their root; what has no rows here is nothing that anybody would expect.
-- A view, so that one table is looked up by its oid.  16384: the first oid of what is no part of the system.
CREATE VIEW dbsync_internal.rule_table AS
    SELECT s.id AS subscription_id, c.oid AS relid
    FROM dbsync.subscription s CROSS JOIN pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND c.oid >= 16384
      AND left(n.nspname, 3) <> 'pg_' AND n.nspname NOT IN ('information_schema', 'dbsync', 'dbsync_internal', 'dbsync_ledger')
      AND EXISTS (SELECT FROM dbsync.subscription_rule r
                  WHERE r.subscription_id = s.id AND r.kind <> 'except' AND (r.schema_oid = 0 OR r.schema_oid = c.relnamespace))
      AND NOT EXISTS (SELECT FROM dbsync.subscription_rule x
                      WHERE x.subscription_id = s.id AND x.kind = 'except'
                        AND (x.relid = c.oid OR (x.schema_oid = c.relnamespace AND x.name = c.relname
                                                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_class o WHERE o.oid = x.relid))));
COMMENT ON VIEW dbsync_internal.rule_table IS 'the tables that rules of subscriptions have, whether they are in them or not';

CREATE VIEW dbsync_internal.missing_table AS
    SELECT r.subscription_id, r.relid FROM dbsync_internal.rule_table r
    WHERE NOT EXISTS (SELECT FROM dbsync.captured_table c JOIN dbsync.subscription_table a ON a.captured_id = c.id
                      WHERE c.relid = r.relid AND c.state <> 'dropped' AND a.subscription_id = r.subscription_id);
COMMENT ON VIEW dbsync_internal.missing_table IS 'tables that rules of subscriptions have, and that are not in them';

-- ---------------------------------------------------------------------------
-- Names

CREATE FUNCTION dbsync_internal.follow_names() RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE dbsync.subscription_rule r SET schema = n.nspname
    FROM pg_namespace n WHERE n.oid = r.schema_oid AND n.nspname <> r.schema;
    UPDATE dbsync.subscription_rule r SET schema_oid = n.oid
    FROM pg_namespace n WHERE r.kind <> 'all' AND n.nspname = r.schema AND n.oid IS DISTINCT FROM r.schema_oid
      AND NOT EXISTS (SELECT FROM pg_namespace o WHERE o.oid = r.schema_oid);
    UPDATE dbsync.subscription_rule r SET schema_oid = n.oid, schema = n.nspname, name = c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE r.kind = 'except' AND c.oid = r.relid AND (n.oid IS DISTINCT FROM r.schema_oid OR n.nspname <> r.schema OR c.relname <> r.name);
    UPDATE dbsync.subscription_rule r SET relid = c.oid
    FROM pg_class c
    WHERE r.kind = 'except' AND c.relnamespace = r.schema_oid AND c.relname = r.name AND c.relkind IN ('r', 'p') AND c.oid IS DISTINCT FROM r.relid
      AND NOT EXISTS (SELECT FROM pg_class o WHERE o.oid = r.relid);
$$;
COMMENT ON FUNCTION dbsync_internal.follow_names() IS 'writes down what schemas and tables of rules are called now, and which ones have the names of those that are gone';

-- Oids of the database that was copied mean nothing here.
CREATE FUNCTION dbsync_internal.adopt_rules() RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE dbsync.subscription_rule r SET schema_oid = NULL, relid = NULL WHERE r.kind <> 'all';
    SELECT dbsync_internal.follow_names();
$$;
COMMENT ON FUNCTION dbsync_internal.adopt_rules() IS 'has rules be about what has their names in this database';

-- As in a list of tables: by the caller's path; a table that is not there is thought of where he would make it.
CREATE FUNCTION dbsync_internal.excepted_table(entry text, OUT schema_oid oid, OUT schema name, OUT relid oid, OUT name name)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    parts text[] := parse_ident(entry);
    called oid;
BEGIN
    IF cardinality(parts) > 2 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('invalid name of a table in except_tables: "%s"', entry), HINT = 'Give a table, or schema.table.';
    END IF;
    PERFORM set_config('search_path', dbsync_internal.caller_path(), true);
    called := pg_catalog.to_regclass(entry);
    schema := pg_catalog.current_schema();
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    SELECT c.oid INTO relid FROM pg_class c WHERE c.oid = called AND c.relkind IN ('r', 'p');
    IF FOUND THEN
        SELECT n.nspname, c.relname INTO STRICT schema, name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relid;
    ELSE
        schema := coalesce(CASE WHEN cardinality(parts) = 2 THEN parts[1]::name ELSE schema END, '');
        name := parts[cardinality(parts)];
    END IF;
    SELECT n.oid INTO schema_oid FROM pg_namespace n WHERE n.nspname = excepted_table.schema;
END $$;
COMMENT ON FUNCTION dbsync_internal.excepted_table(text) IS 'the table that an entry of except_tables means; relid null: there is none, and one that gets the name is meant';

-- ---------------------------------------------------------------------------
-- Writing rules down

CREATE FUNCTION dbsync_internal.write_schemas(subscription dbsync.subscription, schemas text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    entry text;
BEGIN
    DELETE FROM dbsync.subscription_rule r WHERE r.subscription_id = subscription.id AND r.kind = 'schema';
    FOREACH entry IN ARRAY schemas LOOP
        IF entry IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'name of a schema must not be null';
        ELSIF NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = entry) THEN
            RAISE EXCEPTION USING ERRCODE = 'invalid_schema_name',
                MESSAGE = format('schema "%s" does not exist', entry),
                HINT = 'Names of schemas are taken as they are. To have schemas that are yet to be made, use all_tables => true.';
        ELSIF left(entry, 3) = 'pg_' OR entry IN ('information_schema', 'dbsync', 'dbsync_internal', 'dbsync_ledger') THEN
            PERFORM dbsync_internal.refuse(format('schema "%s" belongs to the system', entry), 'Only tables of users can be captured.', '42809');
        END IF;
        INSERT INTO dbsync.subscription_rule (subscription_id, kind, schema_oid, schema)
        SELECT subscription.id, 'schema', n.oid, n.nspname FROM pg_namespace n
        WHERE n.nspname = entry AND NOT EXISTS (
            SELECT FROM dbsync.subscription_rule r WHERE r.subscription_id = subscription.id AND r.kind = 'schema' AND r.schema_oid = n.oid);
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.write_schemas(dbsync.subscription, text[]) IS 'makes these the schemas all of whose tables a subscription has';

CREATE FUNCTION dbsync_internal.write_exceptions(subscription dbsync.subscription, except_tables text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    entry text;
    means record;
BEGIN
    DELETE FROM dbsync.subscription_rule r WHERE r.subscription_id = subscription.id AND r.kind = 'except';
    FOREACH entry IN ARRAY except_tables LOOP
        IF entry IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'name of a table must not be null';
        END IF;
        means := dbsync_internal.excepted_table(entry);
        IF NOT EXISTS (SELECT FROM dbsync_internal.rule_table r WHERE r.subscription_id = subscription.id AND r.relid = means.relid)
            AND NOT EXISTS (SELECT FROM dbsync.subscription_rule x
                            WHERE x.subscription_id = subscription.id AND x.kind = 'except' AND x.relid = means.relid) THEN
            RAISE NOTICE USING MESSAGE = format('"%s" in except_tables is no table that the subscription would have', entry),
                HINT = CASE WHEN (SELECT c.relispartition FROM pg_class c WHERE c.oid = means.relid) THEN
                    format('It is a partition of %s, which is sent with all of them.', dbsync_internal.root_of(means.relid)::regclass)
                    ELSE format('%I.%I stays out whenever it would come in.', means.schema, means.name) END;
        END IF;
        INSERT INTO dbsync.subscription_rule (subscription_id, kind, schema_oid, schema, relid, name)
        VALUES (subscription.id, 'except', means.schema_oid, means.schema, means.relid, means.name);
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.write_exceptions(dbsync.subscription, text[]) IS 'makes these the tables that rules of a subscription leave out';

CREATE FUNCTION dbsync_internal.write_rules(subscription dbsync.subscription, schemas text[], all_tables boolean, except_tables text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF all_tables IS NOT NULL THEN
        DELETE FROM dbsync.subscription_rule r WHERE r.subscription_id = subscription.id AND r.kind = 'all';
        INSERT INTO dbsync.subscription_rule (subscription_id, kind, schema_oid) SELECT subscription.id, 'all', 0 WHERE all_tables;
    END IF;
    IF schemas IS NOT NULL THEN
        PERFORM dbsync_internal.write_schemas(subscription, schemas);
    END IF;
    IF except_tables IS NOT NULL THEN
        IF cardinality(except_tables) > 0
            AND NOT EXISTS (SELECT FROM dbsync.subscription_rule r WHERE r.subscription_id = subscription.id AND r.kind <> 'except') THEN
            RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
                MESSAGE = 'except_tables makes sense with schemas or all_tables only',
                HINT = 'A subscription without them has the tables that were added to it.';
        END IF;
        PERFORM dbsync_internal.write_exceptions(subscription, except_tables);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.write_rules(dbsync.subscription, text[], boolean, text[]) IS 'writes down by which rules a subscription has tables; null: as it is';

-- Who takes a table out means it.
CREATE FUNCTION dbsync_internal.make_exception(subscription dbsync.subscription, rel regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO dbsync.subscription_rule (subscription_id, kind, schema_oid, schema, relid, name)
    SELECT subscription.id, 'except', n.oid, n.nspname, c.oid, c.relname
    FROM dbsync_internal.rule_table r JOIN pg_class c ON c.oid = r.relid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE r.subscription_id = subscription.id AND r.relid = rel;
    IF FOUND THEN
        RAISE NOTICE USING MESSAGE = format('table %s is left out by the rules of subscription "%s" from now on', rel, subscription.name),
            HINT = 'dbsync.add_table() takes it in again.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.make_exception(dbsync.subscription, regclass) IS 'a table that was taken out of a subscription is not to come back by a rule';

CREATE FUNCTION dbsync_internal.forget_exception(of_subscription int, rel regclass) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM dbsync.subscription_rule x USING pg_class c
    WHERE c.oid = rel AND x.subscription_id = of_subscription AND x.kind = 'except'
      AND (x.relid = rel OR (x.schema_oid = c.relnamespace AND x.name = c.relname));
    DELETE FROM dbsync_internal.refused_table f WHERE f.subscription_id = of_subscription AND f.relid = rel;
$$;
COMMENT ON FUNCTION dbsync_internal.forget_exception(int, regclass) IS 'a table that was added by its name is no exception of a rule any more';

-- ---------------------------------------------------------------------------
-- Taking tables in

CREATE FUNCTION dbsync_internal.has_to_itself(rel oid) RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_has_to_itself';
COMMENT ON FUNCTION dbsync_internal.has_to_itself(oid) IS 'has this transaction a lock on the table that keeps writers out?';

CREATE FUNCTION dbsync_internal.check_by_rule(subscription dbsync.subscription, rel regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target record := dbsync_internal.target_name(rel, NULL);
BEGIN
    PERFORM dbsync_internal.check_kind(rel);
    PERFORM dbsync_internal.check_rights(dbsync_internal.owner_of(subscription.id), rel);
    PERFORM dbsync_internal.check_supported(rel);
    IF subscription.on_partition_drop = 'delete' THEN
        PERFORM dbsync_internal.check_bounds_travel(rel);
    END IF;
    PERFORM dbsync_internal.check_keyless(rel, false, subscription.rule_existing_rows);
    PERFORM dbsync_internal.check_place(subscription, rel, target.schema, target.name);
END $$;
COMMENT ON FUNCTION dbsync_internal.check_by_rule(dbsync.subscription, regclass) IS 'error if a table cannot come into a subscription by a rule';

CREATE FUNCTION dbsync_internal.attach_by_rule(subscription dbsync.subscription, rel regclass, copy_data boolean) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target record := dbsync_internal.target_name(rel, NULL);
BEGIN
    DELETE FROM dbsync_internal.refused_table f WHERE f.subscription_id = subscription.id AND f.relid = rel;
    RETURN dbsync_internal.write_attachment(subscription, rel, target.schema, target.name, false, copy_data,
        subscription.rule_existing_rows, NULL, true);
END $$;
COMMENT ON FUNCTION dbsync_internal.attach_by_rule(dbsync.subscription, regclass, boolean) IS 'writes down that a table has come into a subscription by a rule; returns the captured table';

-- One that has gone meanwhile is missed by nobody.
CREATE FUNCTION dbsync_internal.note_refused(of_subscription int, rel oid, reason text, detail text, hint text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO dbsync_internal.refused_table AS f (subscription_id, relid, reason, hint)
    SELECT of_subscription, rel, note_refused.reason, nullif(concat_ws(' ', nullif(detail, ''), nullif(note_refused.hint, '')), '')
    WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = rel)
    ON CONFLICT (subscription_id, relid) DO UPDATE SET reason = EXCLUDED.reason, hint = EXCLUDED.hint
    WHERE (f.reason, f.hint) IS DISTINCT FROM (EXCLUDED.reason, EXCLUDED.hint);
END $$;
COMMENT ON FUNCTION dbsync_internal.note_refused(int, oid, text, text, text) IS 'writes down why a table of a rule is not in the subscription';

-- For who makes rules.  No table is locked, as there may be thousands: what changes before capture is
-- installed is seen then.
CREATE FUNCTION dbsync_internal.apply_rules(subscription dbsync.subscription, copy_data boolean DEFAULT true) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rel regclass;
    problem record;
    refused bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM dbsync.subscription_rule r WHERE r.subscription_id = subscription.id) THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.follow_names();
    DELETE FROM dbsync_internal.refused_table f
    WHERE f.subscription_id = subscription.id
      AND NOT EXISTS (SELECT FROM dbsync_internal.missing_table m WHERE m.subscription_id = f.subscription_id AND m.relid = f.relid);
    -- who drops the subscription by an older snapshot must not overlook the new rows
    UPDATE dbsync.subscription s SET policy = s.policy WHERE s.id = subscription.id;
    FOR rel IN SELECT m.relid FROM dbsync_internal.missing_table m WHERE m.subscription_id = subscription.id ORDER BY m.relid LOOP
        problem := dbsync_internal.rule_problem(subscription, rel);
        IF problem.reason IS NULL THEN
            PERFORM dbsync_internal.attach_by_rule(subscription, rel, copy_data);
        ELSE
            PERFORM dbsync_internal.note_refused(subscription.id, rel, problem.reason, problem.detail, problem.hint);
        END IF;
    END LOOP;
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
    PERFORM dbsync_internal.note_refused(of_subscription, rel, reason, detail,
        coalesce(nullif(hint, ''), 'A worker tries again. To do it now: SELECT dbsync.refresh_subscription(...).'));
    RETURN false;
END $$;
COMMENT ON FUNCTION dbsync_internal.take_in(int, regclass) IS 'adds a table to a subscription by its rules, and begins to capture it if this transaction has it to itself, or writes down why not';

-- Called by judge_command() with what the command has made or altered.
CREATE FUNCTION dbsync_internal.follow_rules(objects oid[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = 0 SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    missing record;
BEGIN
    IF NOT EXISTS (SELECT FROM dbsync.subscription_rule) OR NOT dbsync_internal.is_adopted() THEN
        RETURN;
    END IF;
    PERFORM set_config('lock_timeout', current_setting('dbsync.install_lock_timeout'), true);
    PERFORM dbsync_internal.follow_names();
    FOR missing IN SELECT m.* FROM dbsync_internal.missing_table m WHERE m.relid = ANY (objects) ORDER BY m.relid, m.subscription_id LOOP
        PERFORM dbsync_internal.take_in(missing.subscription_id, missing.relid);
    END LOOP;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING USING MESSAGE = format('tables that rules of subscriptions have could not be looked for: %s', sqlerrm),
        HINT = 'A worker does that later. To do it now: SELECT dbsync.refresh_subscription(...).';
END $$;
COMMENT ON FUNCTION dbsync_internal.follow_rules(oid[]) IS 'takes tables into the subscriptions that have them by a rule; no error';

-- Called by workers now and then, which see tables that were made while event triggers were off, too;
-- and when a dropped table has left its place.  A few at a time, since all of it is one transaction.
CREATE FUNCTION dbsync_internal.retry_rules(of_subscription int DEFAULT NULL) RETURNS boolean
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
            WHERE of_subscription IS NULL OR m.subscription_id = of_subscription
            ORDER BY f.relid IS NOT NULL, random() LIMIT 100) f
        ORDER BY f.relid, f.subscription_id
    LOOP
        n := n + 1;
        PERFORM dbsync_internal.take_in(missing.subscription_id, missing.relid);
    END LOOP;
    RETURN n = 100;
END $$;
COMMENT ON FUNCTION dbsync_internal.retry_rules(int) IS 'tries again to take in what rules of subscriptions, or of one, have; true: there may be more';

-- ---------------------------------------------------------------------------
-- Tables that go

-- While capture is installed the table is seen to be none that could be captured, or by this owner.
CREATE FUNCTION dbsync_internal.refuse_by_rule(captured dbsync.captured_table, role oid, reason text, detail text, hint text) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone dbsync.subscription_table;
    n int := 0;
BEGIN
    FOR gone IN DELETE FROM dbsync.subscription_table a
                WHERE a.captured_id = captured.id AND a.by_rule AND (role IS NULL OR dbsync_internal.owner_of(a.subscription_id) = role) RETURNING a.* LOOP
        n := n + 1;
        PERFORM dbsync_internal.note_refused(gone.subscription_id, captured.relid, reason, detail, hint);
    END LOOP;
    IF n = 0 OR EXISTS (SELECT FROM dbsync.subscription_table a
                        WHERE a.captured_id = captured.id AND (role IS NULL OR dbsync_internal.owner_of(a.subscription_id) = role)) THEN
        RETURN false;
    END IF;
    PERFORM dbsync_internal.release_captured(captured.id);
    RETURN true;
END $$;
COMMENT ON FUNCTION dbsync_internal.refuse_by_rule(dbsync.captured_table, oid, text, text, text) IS 'takes a table that cannot be captured out of subscriptions of a role that have it by a rule; false: they have it by its name, too';

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

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
ALTER TABLE dbsync.subscription_rule REPLICA IDENTITY FULL;
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
    undecided boolean NOT NULL DEFAULT false,
    PRIMARY KEY (subscription_id, relid)
);
COMMENT ON TABLE dbsync_internal.refused_table IS 'tables that a rule of a subscription has, and that are not in it';
COMMENT ON COLUMN dbsync_internal.refused_table.subscription_id IS 'the subscription';
COMMENT ON COLUMN dbsync_internal.refused_table.relid IS 'the table';
COMMENT ON COLUMN dbsync_internal.refused_table.reason IS 'why it is not in it';
COMMENT ON COLUMN dbsync_internal.refused_table.hint IS 'what to do about it';
COMMENT ON COLUMN dbsync_internal.refused_table.since IS 'since when';
COMMENT ON COLUMN dbsync_internal.refused_table.undecided IS 'the reason is none that somebody has to mend: workers try again without one';

-- Partitions come with their root; what has no rows here is nothing that anybody would expect.
-- A view, so that one table is looked up by its oid, and thousands by joins that hash.  16384: the first
-- oid of what is no part of the system.
CREATE VIEW dbsync_internal.rule_table AS
    SELECT r.subscription_id, c.oid AS relid
    FROM (SELECT s.subscription_id, c.oid
          FROM dbsync.subscription_rule s JOIN pg_catalog.pg_class c ON c.relnamespace = s.schema_oid
          WHERE s.kind = 'schema' AND NOT EXISTS (
              SELECT FROM dbsync.subscription_rule a WHERE a.subscription_id = s.subscription_id AND a.kind = 'all')
          UNION ALL
          SELECT s.subscription_id, c.oid FROM dbsync.subscription_rule s CROSS JOIN pg_catalog.pg_class c WHERE s.kind = 'all') r (subscription_id, oid)
    JOIN pg_catalog.pg_class c ON c.oid = r.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND c.oid >= 16384
      AND left(n.nspname, 3) <> 'pg_' AND n.nspname NOT IN ('information_schema', 'dbsync', 'dbsync_internal', 'dbsync_ledger')
      AND NOT EXISTS (SELECT FROM dbsync.subscription_rule x
                      WHERE x.subscription_id = r.subscription_id AND x.kind = 'except' AND x.relid = c.oid)
      AND NOT EXISTS (SELECT FROM dbsync.subscription_rule x
                      WHERE x.subscription_id = r.subscription_id AND x.kind = 'except' AND x.schema_oid = c.relnamespace AND x.name = c.relname
                        AND NOT EXISTS (SELECT FROM pg_catalog.pg_class o WHERE o.oid = x.relid));
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
    parts text[];
    called oid;
BEGIN
    BEGIN
        parts := parse_ident(entry);
    EXCEPTION WHEN invalid_parameter_value THEN
        -- below, with the words of where it came from
    END;
    IF parts IS NULL OR cardinality(parts) > 2 THEN
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

-- Sequences: those of captured columns flow by themselves, others by their name.
--
-- A target's sequence is kept ahead of all values that its rows have.  Workers read the
-- source's value and set the target's (worker/batch/sequences); what is there of a
-- sequence's table, column and default is looked up here.

CREATE TABLE dbsync.subscription_sequence (
    -- no foreign keys: a parallel restore of a dump loads these tables in any order
    subscription_id int NOT NULL,
    sequence regclass NOT NULL,
    target_schema name NOT NULL,
    target_sequence name NOT NULL,
    PRIMARY KEY (subscription_id, sequence)
);
CREATE INDEX subscription_sequence_sequence ON dbsync.subscription_sequence (sequence);
COMMENT ON TABLE dbsync.subscription_sequence IS 'sequences that were added to subscriptions by name';
COMMENT ON COLUMN dbsync.subscription_sequence.subscription_id IS 'the subscription';
COMMENT ON COLUMN dbsync.subscription_sequence.sequence IS 'the sequence';
COMMENT ON COLUMN dbsync.subscription_sequence.target_schema IS 'schema of the sequence on the target';
COMMENT ON COLUMN dbsync.subscription_sequence.target_sequence IS 'name of the sequence on the target';

CREATE TRIGGER config_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON dbsync.subscription_sequence
    FOR EACH STATEMENT EXECUTE FUNCTION dbsync_internal.config_changed();
ALTER TABLE dbsync.subscription_sequence ENABLE ALWAYS TRIGGER config_changed;

-- What workers have found out, for people: they ask the target themselves.  A copy of the
-- database has targets of its own.
CREATE TABLE dbsync.sequence_progress (
    subscription_id int NOT NULL,
    sequence oid NOT NULL,
    -- as it is called there; null: it was not found
    target_sequence text,
    -- where the target's stands, when we looked last
    target_value bigint,
    note text,
    PRIMARY KEY (subscription_id, sequence)
);
COMMENT ON TABLE dbsync.sequence_progress IS 'where the sequences of subscriptions stand on their targets';
COMMENT ON COLUMN dbsync.sequence_progress.subscription_id IS 'the subscription';
COMMENT ON COLUMN dbsync.sequence_progress.sequence IS 'the sequence';
COMMENT ON COLUMN dbsync.sequence_progress.target_sequence IS 'name of the sequence on the target; null: none was found';
COMMENT ON COLUMN dbsync.sequence_progress.target_value IS 'last value of the target''s sequence when it was looked at or set; null: it never was';
COMMENT ON COLUMN dbsync.sequence_progress.note IS 'why it is not set there';

SELECT pg_catalog.pg_extension_config_dump('dbsync.subscription_sequence', '');

-- ---------------------------------------------------------------------------
-- Which there are

-- What the owner of a subscription lacks for a sequence that was added by name; null: nothing.
CREATE FUNCTION dbsync_internal.missing_sequence_right(role oid, sequence oid) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN NOT coalesce(has_schema_privilege(role, c.relnamespace, 'USAGE'), false)
            THEN format('GRANT USAGE ON SCHEMA %s TO %I', c.relnamespace::regnamespace, pg_get_userbyid(role))
        WHEN NOT coalesce(has_sequence_privilege(role, c.oid, 'SELECT, USAGE'), false)
            THEN format('GRANT SELECT ON SEQUENCE %s TO %I', c.oid::regclass, pg_get_userbyid(role))
        END
    FROM pg_class c WHERE c.oid = sequence AND c.relkind = 'S'
$$;
COMMENT ON FUNCTION dbsync_internal.missing_sequence_right(oid, oid) IS 'the GRANT that a role lacks to have a sequence in a subscription; null: none';

-- The sequences that belong to columns of a subscription's tables (serial, identity, OWNED BY),
-- and those that were added.  users: its tables whose columns take values from it, by default.
CREATE FUNCTION dbsync_internal.sequences_of(of_subscription int) RETURNS TABLE (
    sequence oid, named boolean, captured_id int, attnum int, target_schema name, target_name name, target_column name,
    users int[], problem text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    -- from the sequences to the tables: of those there may be thousands that have none
    RETURN QUERY WITH owned AS MATERIALIZED (
        SELECT s.seqrelid AS sequence, d.refobjid AS relid, d.refobjsubid AS attnum
        FROM pg_sequence s JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
    ), listed AS (
        SELECT q.sequence::oid AS sequence, true AS named, NULL::int AS captured_id, NULL::int AS attnum,
            q.target_schema, q.target_sequence AS target_name, NULL::name AS target_column,
            'the owner of the subscription may not read it any more: '
                || dbsync_internal.missing_sequence_right(dbsync_internal.owner_of(of_subscription), q.sequence) AS problem
        FROM dbsync.subscription_sequence q JOIN pg_class s ON s.oid = q.sequence AND s.relkind = 'S'
        WHERE q.subscription_id = of_subscription
      UNION ALL
        SELECT o.sequence, false, c.id, r.attnum, t.target_schema, t.target_table, n.name,
            CASE WHEN 'suspended' IN (t.state, c.state) THEN format('table %s is suspended', c.relid::regclass) END
        FROM owned o
        -- a partition may have columns with sequences of its own, as one that was a table before has
        CROSS JOIN LATERAL (
            SELECT k.id FROM dbsync.captured_table k WHERE k.relid = o.relid AND k.state <> 'dropped'
            UNION ALL SELECT p.captured_id FROM dbsync.partition p WHERE p.relid = o.relid) m (captured_id)
        JOIN dbsync.captured_table c ON c.id = m.captured_id AND c.state <> 'dropped'
        JOIN dbsync.subscription_table t ON t.subscription_id = of_subscription AND t.captured_id = c.id
        JOIN pg_attribute a ON a.attrelid = o.relid AND a.attnum = o.attnum
        JOIN pg_attribute r ON r.attrelid = c.relid AND r.attname = a.attname
        -- of columns that were chosen, where they go; of one that was not, nowhere
        CROSS JOIN LATERAL (
            SELECT r.attname WHERE nullif(t.selection -> 'columns', 'null') IS NULL
            UNION ALL (SELECT h.name FROM jsonb_to_recordset(nullif(t.selection -> 'columns', 'null')) h (name name, number int)
                       WHERE h.number = r.attnum LIMIT 1)
        ) n (name)
        WHERE NOT EXISTS (SELECT FROM dbsync.subscription_sequence q
                          WHERE q.subscription_id = of_subscription AND q.sequence = o.sequence)
    )
    SELECT l.sequence, l.named, l.captured_id, l.attnum, l.target_schema, l.target_name, l.target_column,
        ARRAY(SELECT t.captured_id FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
              CROSS JOIN LATERAL (
                  SELECT k.id FROM dbsync.captured_table k WHERE k.relid = f.adrelid AND k.state <> 'dropped'
                  UNION ALL SELECT p.captured_id FROM dbsync.partition p WHERE p.relid = f.adrelid) m (captured_id)
              JOIN dbsync.captured_table c ON c.id = m.captured_id AND c.state <> 'dropped'
              JOIN dbsync.subscription_table t ON t.subscription_id = of_subscription AND t.captured_id = c.id
              WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = l.sequence AND d.classid = 'pg_attrdef'::regclass
              UNION SELECT l.captured_id WHERE l.captured_id IS NOT NULL ORDER BY 1), l.problem
    FROM listed l;
END $$;
COMMENT ON FUNCTION dbsync_internal.sequences_of(int) IS 'the sequences of a subscription, where they go, which of its tables use them, and why not';

-- Of what has left a subscription nothing is shown any more.
CREATE FUNCTION dbsync_internal.forget_sequences(of_subscription int) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM dbsync.sequence_progress p
    WHERE p.subscription_id = of_subscription
      AND NOT EXISTS (SELECT FROM dbsync_internal.sequences_of(of_subscription) q WHERE q.sequence = p.sequence)
$$;
COMMENT ON FUNCTION dbsync_internal.forget_sequences(int) IS 'removes notes on sequences that are not in the subscription any more';

CREATE FUNCTION dbsync_internal.note_sequence(of_subscription int, of_sequence oid, target text, value bigint, problem text) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO dbsync.sequence_progress AS p (subscription_id, sequence, target_sequence, target_value, note)
    SELECT of_subscription, of_sequence, target, value, problem
    WHERE EXISTS (SELECT FROM dbsync.subscription s WHERE s.id = of_subscription)
    ON CONFLICT (subscription_id, sequence) DO UPDATE
    SET target_sequence = EXCLUDED.target_sequence, target_value = EXCLUDED.target_value, note = EXCLUDED.note
    WHERE (p.target_sequence, p.target_value, p.note) IS DISTINCT FROM (EXCLUDED.target_sequence, EXCLUDED.target_value, EXCLUDED.note)
$$;
COMMENT ON FUNCTION dbsync_internal.note_sequence(int, oid, text, bigint, text) IS 'what a worker has found out of a sequence';

-- Of columns that were chosen, or of all; of some of the subscription's tables, or of all.
CREATE FUNCTION dbsync_internal.unsent_sequences(of_subscription int, rels oid[] DEFAULT NULL)
    RETURNS TABLE (sequence oid, users text, n bigint)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- one after the other: of very many tables, each is looked into once, and that only if it is asked for
    WITH asked AS MATERIALIZED (
        SELECT c.relid::oid AS relid, t.selection
        FROM dbsync.subscription_table t JOIN dbsync.captured_table c ON c.id = t.captured_id
        WHERE t.subscription_id = of_subscription AND c.state <> 'dropped' AND (rels IS NULL OR c.relid = ANY (rels))
    ), tree AS MATERIALIZED (
        SELECT k.relid AS root, k.selection, k.relid FROM asked k
        UNION ALL SELECT k.relid, k.selection, m.relid FROM asked k CROSS JOIN LATERAL dbsync_internal.members(k.relid) m
    ), used AS MATERIALIZED (
        SELECT s.seqrelid AS sequence, a.attname, tree.root
        FROM tree
        JOIN pg_attrdef f ON f.adrelid = tree.relid JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
        JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
        JOIN pg_sequence s ON s.seqrelid = d.refobjid
        WHERE a.attgenerated = ''
          AND (jsonb_typeof(tree.selection -> 'columns') IS DISTINCT FROM 'array' OR EXISTS (
              SELECT FROM jsonb_to_recordset(tree.selection -> 'columns') chosen (number int)
              JOIN pg_attribute top ON top.attrelid = tree.root AND top.attnum = chosen.number WHERE top.attname = a.attname))
    ), sent AS MATERIALIZED (
        SELECT q.sequence FROM dbsync_internal.sequences_of(of_subscription) q WHERE EXISTS (SELECT FROM used)
    )
    SELECT u.sequence, string_agg(DISTINCT format('%I of %s', u.attname, u.root::regclass), ', '), count(DISTINCT (u.attname, u.root))
    FROM used u WHERE u.sequence NOT IN (SELECT t.sequence FROM sent t)
    GROUP BY u.sequence
$$;
COMMENT ON FUNCTION dbsync_internal.unsent_sequences(int, oid[]) IS 'sequences that columns take values from by default and that do not flow, and these columns in words';

-- The target gives values of its own where nobody keeps its sequence ahead.
CREATE FUNCTION dbsync_internal.notice_sequences(subscription dbsync.subscription, rels regclass[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    left_out record;
BEGIN
    FOR left_out IN
        SELECT u.sequence::regclass AS sequence, u.users, u.n
        FROM dbsync_internal.unsent_sequences(subscription.id, coalesce(rels, '{}')::oid[]) u
        ORDER BY u.sequence::regclass::text COLLATE "C"
    LOOP
        RAISE NOTICE USING MESSAGE = format('sequence %s is not in subscription "%s"', left_out.sequence, subscription.name),
            DETAIL = format('By default column%s %s take%s values from it, and it belongs to none of the subscription''s tables. Nobody keeps the '
                'target''s ahead of them.', CASE WHEN left_out.n > 1 THEN 's' END, left_out.users, CASE WHEN left_out.n = 1 THEN 's' END),
            HINT = format('If rows are to be inserted there one day: SELECT dbsync.add_sequence(%L, %L);', subscription.name, left_out.sequence);
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.notice_sequences(dbsync.subscription, regclass[]) IS 'says so if columns of these tables take values from sequences that the subscription does not have';

-- ---------------------------------------------------------------------------
-- Adding and taking away

CREATE FUNCTION dbsync_internal.check_sequence(role oid, sequence regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    class pg_class;
    missing text;
BEGIN
    SELECT c.* INTO class FROM pg_class c WHERE c.oid = sequence;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('sequence %s does not exist', sequence);
    ELSIF class.relkind <> 'S' THEN
        RAISE EXCEPTION USING ERRCODE = 'wrong_object_type',
            MESSAGE = format('%s is not a sequence', sequence),
            HINT = 'Tables are added with dbsync.add_table(); the sequences of their columns come along.';
    ELSIF class.relpersistence = 't' THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('sequence %s is temporary', sequence),
            DETAIL = 'No other session can read it.';
    ELSIF class.relnamespace IN ('dbsync'::regnamespace, 'dbsync_internal'::regnamespace) THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('sequence %s is dbsync''s own', sequence);
    END IF;
    missing := dbsync_internal.missing_sequence_right(role, sequence);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('permission denied for sequence %s', sequence),
            DETAIL = format('Role "%s" needs SELECT or USAGE on the sequence, and USAGE on its schema.', pg_get_userbyid(role)),
            HINT = format('The owner can %s.', missing);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_sequence(oid, regclass) IS 'error unless the role may have the sequence in a subscription';

CREATE FUNCTION dbsync_internal.add_sequence(caller oid, subscription text, sequence regclass, target_sequence text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_subscription dbsync.subscription;
    target record;
BEGIN
    PERFORM dbsync_internal.require_adopted();
    found_subscription := dbsync_internal.find_subscription(caller, subscription);
    PERFORM dbsync_internal.check_sequence(dbsync_internal.owner_of(found_subscription.id), sequence);
    IF cardinality(parse_ident(target_sequence)) > 2 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('invalid name of a target sequence: "%s"', target_sequence),
            HINT = 'Give a sequence, or schema.sequence.';
    END IF;
    target := dbsync_internal.target_name(found_subscription.target, sequence, target_sequence);
    INSERT INTO dbsync.subscription_sequence (subscription_id, sequence, target_schema, target_sequence)
    VALUES (found_subscription.id, sequence, target.schema, target.name)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
            MESSAGE = format('sequence %s is already in subscription "%s"', sequence, subscription),
            HINT = format('To have it go elsewhere, use SELECT dbsync.remove_sequence(%L, %L) first.', subscription, sequence);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.add_sequence(oid, text, regclass, text) IS 'body of dbsync.add_sequence()';

CREATE FUNCTION dbsync.add_sequence(subscription text, sequence regclass, target_sequence text DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.add_sequence(text, regclass, text) IS 'adds a sequence to a subscription: the target''s is kept ahead of it; those of columns of its tables are in it without that';

-- A sequence that was dropped may have left a row behind, where event triggers were off.
CREATE FUNCTION dbsync_internal.remove_sequence(caller oid, subscription text, sequence regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found_subscription dbsync.subscription := dbsync_internal.find_subscription(caller, subscription);
BEGIN
    DELETE FROM dbsync.subscription_sequence q
    WHERE q.subscription_id = found_subscription.id AND q.sequence = remove_sequence.sequence;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('sequence %s was not added to subscription "%s"', sequence, subscription),
            HINT = CASE WHEN EXISTS (SELECT FROM dbsync_internal.sequences_of(found_subscription.id) q
                                     WHERE q.sequence = remove_sequence.sequence)
                THEN 'It belongs to a column of one of its tables, and goes with that.'
                ELSE 'Those that it has are in dbsync.sequence_status.' END;
    END IF;
    PERFORM dbsync_internal.forget_sequences(found_subscription.id);
END $$;
COMMENT ON FUNCTION dbsync_internal.remove_sequence(oid, text, regclass) IS 'body of dbsync.remove_sequence()';

CREATE FUNCTION dbsync.remove_sequence(subscription text, sequence regclass) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.remove_sequence(text, regclass) IS 'takes a sequence that was added out of a subscription; the target''s stays where it is';

-- Called for objects that are gone already.
CREATE FUNCTION dbsync_internal.leave_dropped_sequence(dropped oid, identity text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    had text := (SELECT string_agg(format('"%s"', s.name), ', ' ORDER BY s.name)
                 FROM dbsync.subscription_sequence q JOIN dbsync.subscription s ON s.id = q.subscription_id
                 WHERE q.sequence = dropped);
BEGIN
    DELETE FROM dbsync.subscription_sequence q WHERE q.sequence = dropped;
    DELETE FROM dbsync.sequence_progress p WHERE p.sequence = dropped;
    IF had IS NOT NULL THEN
        RAISE NOTICE USING MESSAGE = format('sequence %s is taken out of its subscriptions', identity),
            DETAIL = format('It was in: %s.', had),
            HINT = 'The targets keep their sequences.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.leave_dropped_sequence(oid, text) IS 'a sequence was dropped: subscriptions lose it';

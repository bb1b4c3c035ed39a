-- The guard: DDL that capture could not follow is refused, with what to do.
--
-- What capture, segments and worker rely on is in the fingerprint of the table
-- (dbsync_internal.table_shape).  The guard looks after each DDL command whether
-- it still holds, for any captured table the command can have touched; what is
-- not in the fingerprint may change.  So the list of what is refused is not a
-- list of commands, and a new one cannot slip by.
--
-- What leaves no trace in the fingerprint is judged otherwise: rows that ALTER TABLE
-- writes anew with other values, by the event of a rewrite; and by its parse tree
-- (C), before it begins, a command that commits before it ends, or
-- that changes what values say and not the values.
--
-- ENABLE ALWAYS: replica role does not switch the guard off.  In a dormant copy
-- of a database it lets everything pass, since nothing is captured there.

CREATE FUNCTION dbsync_internal.subscriptions_of(captured_id int) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('The table is in %s.', string_agg(format('subscription "%s"', s.name), ', ' ORDER BY s.name))
    FROM dbsync.subscription_table a JOIN dbsync.subscription s ON s.id = a.subscription_id
    WHERE a.captured_id = subscriptions_of.captured_id
    HAVING count(*) > 0
$$;
COMMENT ON FUNCTION dbsync_internal.subscriptions_of(int) IS 'subscriptions that have a captured table, in words; null: none';

-- The target's name is the table's as it was added, unless it was given.
CREATE FUNCTION dbsync_internal.names_apart(rel oid, attachment dbsync.subscription_table) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('target table is still %I.%I%s', attachment.target_schema, attachment.target_table,
        CASE WHEN EXISTS (SELECT FROM pg_class o JOIN pg_namespace s ON s.oid = o.relnamespace
                          WHERE s.nspname = attachment.target_schema AND o.relname = attachment.target_table)
             THEN ', a name that another table has here now' END)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = rel AND NOT attachment.target_given
      AND (n.nspname <> attachment.target_schema OR c.relname <> attachment.target_table)
$$;
COMMENT ON FUNCTION dbsync_internal.names_apart(oid, dbsync.subscription_table) IS 'says that a table was renamed since it was added, and its target was not; null: it has its name';

CREATE FUNCTION dbsync_internal.guard_role() RETURNS oid
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'dbsync_guard_role';
COMMENT ON FUNCTION dbsync_internal.guard_role() IS 'the role whose command is being judged';

-- Whoever may use a type, or a table's row type, can have a captured table made of it.  That
-- must not take the type away from its owner, who may neither know of the table nor take it
-- out: his command goes through, tells him nothing, and ends capture of the other's table.
CREATE FUNCTION dbsync_internal.refuse_ddl(captured dbsync.captured_table, message text, hint text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner oid := (SELECT c.relowner FROM pg_class c WHERE c.oid = captured.relid);
BEGIN
    IF owner IS NOT NULL AND NOT dbsync_internal.may_act_as(dbsync_internal.guard_role(), owner) THEN
        UPDATE dbsync.captured_table c
        SET state = 'suspended', note = 'what its columns are made of was changed by the owner of that; to go on, change the '
            'target table likewise, and use dbsync.copy_table()'
        WHERE c.id = captured.id AND c.state <> 'removing';
        UPDATE dbsync.subscription_table a SET state = 'suspended' WHERE a.captured_id = captured.id;
        RETURN;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = message,
        DETAIL = coalesce(dbsync_internal.subscriptions_of(captured.id), 'No subscription has the table any more.'),
        HINT = coalesce(hint, 'Take it out with dbsync.remove_table(), make the change on both sides, and add it again with dbsync.add_table().');
END $$;
COMMENT ON FUNCTION dbsync_internal.refuse_ddl(dbsync.captured_table, text, text) IS 'error that names the subscriptions of a captured table; where the command is not given by who may act as the table''s owner, the table is suspended instead';

-- ---------------------------------------------------------------------------
-- After a command

CREATE FUNCTION dbsync_internal.check_shape(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reason text := format('cannot change columns or key of captured table %s', captured.relid);
BEGIN
    IF dbsync_internal.table_shape(captured.relid) IS NOT DISTINCT FROM captured.shape THEN
        RETURN;
    END IF;
    -- what would be refused if it were added now is refused in the same words
    BEGIN
        PERFORM dbsync_internal.check_kind(captured.relid);
    EXCEPTION WHEN feature_not_supported THEN
        reason := format('cannot alter captured table %s: %s', captured.relid, sqlerrm);
    END;
    PERFORM dbsync_internal.refuse_ddl(captured, reason);
END $$;
COMMENT ON FUNCTION dbsync_internal.check_shape(dbsync.captured_table) IS 'error if the table is not any more what capture relies on';

-- Scripts that load data switch triggers off and on again; ours then would miss
-- the data, and come back without ALWAYS.  They are put back in the command
-- itself, so nothing is missed.  That is DDL again, and the guard looks again:
-- there is nothing left to do then.
CREATE FUNCTION dbsync_internal.check_triggers(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing name;
    commands text;
BEGIN
    SELECT string_agg(format('ENABLE %s TRIGGER %I', w.mode, w.name), ', ') FILTER (WHERE g.oid IS NOT NULL),
        min(w.name::text) FILTER (WHERE g.oid IS NULL)
    INTO commands, missing
    FROM dbsync_internal.triggers(captured.id) w
    LEFT JOIN pg_trigger g ON g.tgrelid = captured.relid AND g.tgname = w.name
        AND g.tgfoid = 'dbsync_internal.capture()'::regprocedure
    WHERE g.tgenabled IS DISTINCT FROM w.enabled;
    IF missing IS NOT NULL THEN
        PERFORM dbsync_internal.refuse_ddl(captured,
            format('cannot drop, rename or replace trigger %I of captured table %s', missing, captured.relid),
            'To take capture off the table use dbsync.remove_table() or dbsync.suspend_table().');
    ELSIF commands IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s %s', captured.relid, commands);
        RAISE NOTICE USING
            MESSAGE = format('capture triggers of table %s stay enabled', captured.relid),
            HINT = 'To go on without capturing the table use dbsync.suspend_table().';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_triggers(dbsync.captured_table) IS 'enables capture triggers that were disabled; error if one is missing';

-- A target that was dropped or renamed would leave its subscriptions without one.  Only
-- what the command is about counts: a subscription that has lost its target by an
-- accident must not be in the way of what others do with theirs.
CREATE FUNCTION dbsync_internal.check_target_unused(target name) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF dbsync_internal.target_users(target) IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'dependent_objects_still_exist',
            MESSAGE = format('cannot drop or rename foreign server "%s"', target),
            DETAIL = dbsync_internal.target_users(target),
            HINT = 'Use dbsync.drop_subscription() first.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_target_unused(name) IS 'error if a subscription uses the target';

-- Without its anchor a subscription would have no owner.  Only what the command is about
-- counts: a subscription that has lost its anchor by an accident, or that somebody else
-- has dropped since the caller's snapshot was taken, is not to be in the way of all
-- functions of the database.
CREATE FUNCTION dbsync_internal.check_anchor(subscription_id bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    orphan name;
BEGIN
    SELECT s.name INTO orphan FROM dbsync.subscription s
    WHERE s.id = subscription_id AND dbsync_internal.anchor_of(s.id) IS NULL;
    IF FOUND AND dbsync_internal.is_adopted() THEN
        RAISE EXCEPTION USING ERRCODE = 'dependent_objects_still_exist',
            MESSAGE = format('cannot drop or rename what subscription "%s" belongs to', orphan),
            DETAIL = 'The owner of the subscription is the owner of that function.',
            HINT = 'Use dbsync.drop_subscription(), or let a superuser REASSIGN OWNED to another role, first.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_anchor(bigint) IS 'error if a subscription has lost the function that says who owns it';

-- A function that was renamed or moved does not say what it was; that it goes with the
-- extension does, as no function of a user's should.
CREATE FUNCTION dbsync_internal.is_anchor(function oid) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                   WHERE d.classid = 'pg_proc'::regclass AND d.objid = function AND d.deptype = 'x'
                     AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'dbsync')
$$;
COMMENT ON FUNCTION dbsync_internal.is_anchor(oid) IS 'is it a function that stands, or stood, for a subscription?';

-- A segment that somebody has altered would fail writers later.
CREATE FUNCTION dbsync_internal.check_segments(objects oid[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad record;
BEGIN
    SELECT s.relid::regclass AS name, dbsync_internal.segment_problem(s.relid, s.captured_id) AS problem INTO bad
    FROM dbsync.segment s
    WHERE s.relid = ANY (ARRAY(
              SELECT o.oid FROM unnest(objects) o (oid)
              UNION SELECT x.indrelid FROM pg_index x WHERE x.indexrelid = ANY (objects)
              UNION SELECT r.ev_class FROM pg_rewrite r WHERE r.oid = ANY (objects)
              UNION SELECT y.polrelid FROM pg_policy y WHERE y.oid = ANY (objects)
              UNION SELECT t.tgrelid FROM pg_trigger t WHERE t.oid = ANY (objects)))
      -- a suspended table can have other columns than its segments
      AND (s.captured_id = 0 OR EXISTS (SELECT FROM dbsync.captured_table c WHERE c.id = s.captured_id AND c.state = 'active'))
      AND dbsync_internal.segment_problem(s.relid, s.captured_id) IS NOT NULL
    LIMIT 1;
    IF FOUND AND dbsync_internal.is_adopted() THEN
        PERFORM dbsync_internal.refuse(format('cannot alter tracking table %s', bad.name),
            'It belongs to dbsync. A command for all tables must leave out schemas dbsync and dbsync_internal.',
            '0A000', bad.problem);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_segments(oid[]) IS 'error if one of these objects has changed a segment';

-- A command can have touched the tables it names; those that an index or a trigger
-- belongs to; those above and below in inheritance, which ATTACH PARTITION and
-- INHERIT report only one of; and typed tables, of whose type only the relation is
-- reported.  Every DDL command of the database pays for the query, so it does not go
-- through all captured tables, and is not planned anew each time.
CREATE FUNCTION dbsync_internal.judge_command() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    objects oid[];
    captured dbsync.captured_table;
BEGIN
    IF tg_tag IN ('ALTER FUNCTION', 'ALTER ROUTINE') THEN
        PERFORM dbsync_internal.check_anchor(s.id) FROM dbsync.subscription s
        WHERE EXISTS (SELECT FROM pg_event_trigger_ddl_commands() e
                      WHERE e.classid = 'pg_proc'::regclass AND dbsync_internal.is_anchor(e.objid));
    END IF;
    IF NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE c.state = 'active') THEN
        RETURN;
    END IF;
    SELECT array_agg(e.objid) INTO objects FROM pg_event_trigger_ddl_commands() e
    WHERE e.classid IN ('pg_class'::regclass, 'pg_trigger'::regclass, 'pg_rewrite'::regclass, 'pg_policy'::regclass);
    IF objects IS NULL THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.check_segments(objects);
    FOR captured IN
        SELECT c.* FROM dbsync.captured_table c
        WHERE c.state = 'active' AND c.relid = ANY (ARRAY(
            SELECT o.oid FROM unnest(objects) o (oid)
            UNION SELECT x.indrelid FROM pg_index x WHERE x.indexrelid = ANY (objects)
            UNION SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = ANY (objects)
            UNION SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = ANY (objects)
            UNION SELECT t.tgrelid FROM pg_trigger t WHERE t.oid = ANY (objects)
            UNION SELECT r.oid FROM pg_class r JOIN pg_type y ON y.oid = r.reloftype
                  WHERE y.typrelid = ANY (objects)
                    AND EXISTS (SELECT FROM pg_class k WHERE k.oid = ANY (objects) AND k.relkind = 'c')))
    LOOP
        IF NOT dbsync_internal.is_adopted() THEN
            RETURN;
        END IF;
        PERFORM dbsync_internal.check_shape(captured);
        PERFORM dbsync_internal.check_triggers(captured);
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.judge_command() IS 'body of dbsync_internal.guard_command()';

CREATE FUNCTION dbsync_internal.guard_command() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_guard';
COMMENT ON FUNCTION dbsync_internal.guard_command() IS 'event trigger: refuses DDL on captured tables that capture cannot follow';

-- ---------------------------------------------------------------------------
-- While a table is written anew

-- ALTER COLUMN ... TYPE ... USING gives rows other values, and no trigger sees them.
-- Where the type stays, nor does the fingerprint.  Rewrites for other reasons (4 is
-- that of a column's type) leave values as they are, or change the fingerprint.
CREATE FUNCTION dbsync_internal.judge_rewrite() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rel oid := pg_event_trigger_table_rewrite_oid();
    captured dbsync.captured_table;
BEGIN
    IF EXISTS (SELECT FROM dbsync.segment s WHERE s.relid = rel) AND dbsync_internal.is_adopted() THEN
        PERFORM dbsync_internal.refuse(format('cannot rewrite tracking table %s', rel::regclass),
            'It belongs to dbsync, and transaction headers say where its rows are.');
    END IF;
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.relid = rel AND c.state = 'active';
    IF FOUND AND pg_event_trigger_table_rewrite_reason() & 4 <> 0 AND dbsync_internal.is_adopted() THEN
        PERFORM dbsync_internal.check_shape(captured);
        PERFORM dbsync_internal.refuse_ddl(captured,
            format('cannot change values of captured table %s by ALTER TABLE', captured.relid),
            'Triggers do not see what it writes. Change the values with UPDATE; or use dbsync.suspend_table(), make the '
            'change on both sides, and copy the table anew with dbsync.copy_table().');
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.judge_rewrite() IS 'body of dbsync_internal.guard_rewrite()';

CREATE FUNCTION dbsync_internal.guard_rewrite() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_guard';
COMMENT ON FUNCTION dbsync_internal.guard_rewrite() IS 'event trigger: refuses ALTER TABLE that gives rows of captured tables other values';

-- ---------------------------------------------------------------------------
-- Before a command

CREATE FUNCTION dbsync_internal.check_dropped_key(index oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured FROM dbsync.captured_table c JOIN pg_index i ON i.indrelid = c.relid
    WHERE i.indexrelid = index AND c.state = 'active' AND dbsync_internal.current_key(c.relid) = index;
    IF FOUND THEN
        PERFORM dbsync_internal.refuse_ddl(captured,
            format('cannot drop index %s, the key of captured table %s', index::regclass, captured.relid));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_dropped_key(oid) IS 'error if the index is the key of a captured table';

CREATE FUNCTION dbsync_internal.check_changed_type(type oid, message text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
    attname name;
BEGIN
    -- most types are in nothing else: then there is no need to go through all tables
    IF NOT EXISTS (SELECT FROM pg_type t JOIN pg_depend d ON d.refobjid IN (t.oid, t.typarray)
                   WHERE t.oid = type AND d.refclassid = 'pg_type'::regclass AND d.deptype <> 'i') THEN
        RETURN;
    END IF;
    FOR captured IN SELECT c.* FROM dbsync.captured_table c WHERE c.state = 'active' ORDER BY c.id LOOP
        SELECT w.attname INTO attname FROM dbsync_internal.types_within(captured.relid) w
        WHERE w.typ = type ORDER BY w.attname LIMIT 1;
        IF FOUND THEN
            PERFORM dbsync_internal.refuse_ddl(captured,
                format(message, format_type(type, NULL), format('%I', attname), captured.relid),
                'Rows that are on the target would say something else than here. Use dbsync.suspend_table(), make the change '
                'on both sides, and copy the table anew with dbsync.copy_table().');
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_changed_type(oid, text) IS 'error if a captured table has values of the type, however deep inside';

-- A table hands columns on to those that inherit from it, its partitions among them, and
-- a composite type to typed tables: their rows are values of types as well.
CREATE FUNCTION dbsync_internal.row_types_below(type oid) RETURNS SETOF oid
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE below (rel) AS (
        SELECT t.typrelid FROM pg_type t WHERE t.oid = type AND t.typrelid <> 0
      UNION
        SELECT heir.rel
        FROM below JOIN pg_class c ON c.oid = below.rel
        CROSS JOIN LATERAL (
            SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = c.oid
            UNION ALL SELECT t.oid FROM pg_class t WHERE c.relkind = 'c' AND t.reloftype = c.reltype
        ) heir (rel)
    )
    SELECT c.reltype FROM below JOIN pg_class c ON c.oid = below.rel WHERE c.reltype <> 0
$$;
COMMENT ON FUNCTION dbsync_internal.row_types_below(oid) IS 'a row type, and those of tables that get its attributes';

CREATE FUNCTION dbsync_internal.check_changed_attributes(type oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.check_changed_type(type,
        'cannot change attributes of type %1$s, which is in column %2$s of captured table %3$s');
END $$;
COMMENT ON FUNCTION dbsync_internal.check_changed_attributes(oid) IS 'error if a captured table has values of the row type, however deep inside';

-- No user's code may run in a command that has switched capture off: it could write to the
-- table, and the command is over when capture is switched on again (check_triggers()).
CREATE FUNCTION dbsync_internal.check_triggers_alone(rel oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.relid = rel AND c.state = 'active';
    IF FOUND THEN
        PERFORM dbsync_internal.refuse_ddl(captured,
            format('cannot switch triggers of captured table %s together with other changes', captured.relid),
            'Use an ALTER TABLE of its own for the triggers.');
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_triggers_alone(oid) IS 'error if the table is captured';

-- Who takes a table's name away should hear that its target keeps it.
CREATE FUNCTION dbsync_internal.tell_of_names(rel oid, schema oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kept text;
BEGIN
    SELECT string_agg(DISTINCT format('%s goes on to %I.%I', c.relid, a.target_schema, a.target_table), ', ') INTO kept
    FROM dbsync.captured_table c JOIN pg_class r ON r.oid = c.relid
    JOIN dbsync.subscription_table a ON a.captured_id = c.id
    WHERE (c.relid = rel OR r.relnamespace = schema) AND c.state <> 'removing'
      AND NOT a.target_given AND dbsync_internal.names_apart(c.relid, a) IS NULL;
    IF kept IS NOT NULL THEN
        RAISE NOTICE USING MESSAGE = format('the target table keeps its name: %s', kept),
            DETAIL = 'Subscriptions follow a table, not its name. Another table that gets the name is not in them.',
            HINT = 'To have it go to a table of the new name, use dbsync.remove_table(), and then dbsync.add_table().';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.tell_of_names(oid, oid) IS 'notice about captured tables that are about to get another name or schema';

-- Called by guard_start() (C), which knows the command.
CREATE FUNCTION dbsync_internal.check_start(kind text, object oid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF kind = 'server' THEN
        PERFORM dbsync_internal.check_target_unused(s.srvname) FROM pg_foreign_server s WHERE s.oid = object;
        RETURN;
    ELSIF NOT EXISTS (SELECT FROM dbsync.captured_table) OR NOT dbsync_internal.is_adopted() THEN
        RETURN;
    END IF;
    CASE kind
        WHEN 'index' THEN
            PERFORM dbsync_internal.check_dropped_key(object);
        WHEN 'enum' THEN
            PERFORM dbsync_internal.check_changed_type(object,
                'cannot rename a label of type %1$s, which is in column %2$s of captured table %3$s');
        WHEN 'triggers' THEN
            PERFORM dbsync_internal.check_triggers_alone(object);
        WHEN 'attributes' THEN
            PERFORM dbsync_internal.check_changed_attributes(t.oid) FROM dbsync_internal.row_types_below(object) t (oid);
        WHEN 'own attributes' THEN
            PERFORM dbsync_internal.check_changed_attributes(object);
        WHEN 'rename' THEN
            PERFORM dbsync_internal.tell_of_names(object, NULL);
        WHEN 'rename schema' THEN
            PERFORM dbsync_internal.tell_of_names(NULL, object);
    END CASE;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_start(text, oid) IS 'error or notice about a command that is about to run';

CREATE FUNCTION dbsync_internal.guard_start() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_guard_start';
COMMENT ON FUNCTION dbsync_internal.guard_start() IS 'event trigger: refuses commands whose harm could not be undone, or not be seen, when they have run';

-- ---------------------------------------------------------------------------
-- After a drop

-- A column that goes with its type, of a captured table or of a segment: the
-- segment's may be the last to remember what is still to be sent.
CREATE FUNCTION dbsync_internal.check_dropped_column(rel oid, type text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured FROM dbsync.captured_table c
    WHERE c.relid = rel AND c.state = 'active'
       OR c.id IN (SELECT s.captured_id FROM dbsync.segment s WHERE s.relid = rel);
    IF FOUND THEN
        PERFORM dbsync_internal.refuse_ddl(captured, CASE
            WHEN captured.relid = rel THEN format('cannot drop column %s of captured table %s', type, captured.relid)
            ELSE format('captured changes of table %s need what is being dropped', captured.relid) END,
            CASE WHEN captured.relid <> rel
                THEN 'Take the table out of its subscriptions with dbsync.remove_table(), and add it again afterwards.' END);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_dropped_column(oid, text) IS 'error if a column of a captured table or of its segments was dropped';

-- The table is gone already; its name is known from the event only.
CREATE FUNCTION dbsync_internal.check_dropped_table(rel oid, identity text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.relid = rel;
    -- suspended, it is its owner's to drop, whatever subscriptions it was in
    IF FOUND AND captured.state = 'suspended' AND dbsync_internal.subscriptions_of(captured.id) IS NOT NULL THEN
        RAISE NOTICE USING MESSAGE = format('suspended table %s is taken out of its subscriptions', identity),
            DETAIL = replace(dbsync_internal.subscriptions_of(captured.id), 'is in', 'was in');
        DELETE FROM dbsync.subscription_table a WHERE a.captured_id = captured.id;
    END IF;
    IF FOUND AND dbsync_internal.subscriptions_of(captured.id) IS NOT NULL THEN
        PERFORM dbsync_internal.refuse_ddl(captured, format('cannot drop captured table %s', identity),
            'Take it out of its subscriptions with dbsync.remove_table() first.');
    ELSIF FOUND THEN
        -- nobody wants it any more; the triggers are gone with the table
        PERFORM dbsync_internal.remove_capture(captured.id);
    END IF;

    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.key_index = rel AND c.state = 'active';
    IF FOUND THEN
        PERFORM dbsync_internal.refuse_ddl(captured,
            format('cannot drop index %s, the key of captured table %s', identity, captured.relid));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_dropped_table(oid, text) IS 'error if a captured table, or its key index, was dropped';

-- A dropped trigger is known by its name only: [schema, table, trigger].
CREATE FUNCTION dbsync_internal.check_dropped_trigger(address text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured
    FROM dbsync.captured_table c JOIN pg_class r ON r.oid = c.relid JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE c.state = 'active' AND n.nspname = address[1] AND r.relname = address[2];
    IF FOUND THEN
        PERFORM dbsync_internal.check_triggers(captured);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_dropped_trigger(text[]) IS 'error if a capture trigger was dropped';

-- DROP EXTENSION dbsync drops this trigger before it could fire.  Within one
-- command the table comes before the rest: its refusal says most.
CREATE FUNCTION dbsync_internal.judge_drop() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    dropped record;
BEGIN
    PERFORM dbsync_internal.check_target_unused(d.address_names[1]::name)
    FROM pg_event_trigger_dropped_objects() d WHERE d.object_type = 'server';
    PERFORM dbsync_internal.check_anchor(substring(d.address_names[2] FROM '^subscription_(\d{1,10})$')::bigint)
    FROM pg_event_trigger_dropped_objects() d
    WHERE d.object_type = 'function' AND d.address_names[1] = 'dbsync_internal';
    IF NOT EXISTS (SELECT FROM dbsync.captured_table) THEN
        RETURN;
    END IF;
    FOR dropped IN
        SELECT d.* FROM pg_event_trigger_dropped_objects() d
        WHERE NOT d.is_temporary AND dbsync_internal.is_adopted()
          AND (d.classid = 'pg_class'::regclass OR d.object_type = 'trigger')
        ORDER BY d.objid IN (SELECT c.relid FROM dbsync.captured_table c) AND d.objsubid = 0 DESC
    LOOP
        IF dropped.object_type = 'trigger' THEN
            PERFORM dbsync_internal.check_dropped_trigger(dropped.address_names);
        ELSIF dropped.objsubid <> 0 THEN
            PERFORM dbsync_internal.check_dropped_column(dropped.objid,
                quote_ident(dropped.address_names[cardinality(dropped.address_names)]));
        ELSE
            PERFORM dbsync_internal.check_dropped_table(dropped.objid, dropped.object_identity);
        END IF;
    END LOOP;
    -- what else has lost a column, or an attribute, may be the type of a captured one
    PERFORM dbsync_internal.check_changed_attributes(c.reltype)
    FROM pg_event_trigger_dropped_objects() d JOIN pg_class c ON c.oid = d.objid
    WHERE d.classid = 'pg_class'::regclass AND d.objsubid <> 0 AND NOT d.is_temporary AND dbsync_internal.is_adopted();
END $$;
COMMENT ON FUNCTION dbsync_internal.judge_drop() IS 'body of dbsync_internal.guard_drop()';

CREATE FUNCTION dbsync_internal.guard_drop() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_guard';
COMMENT ON FUNCTION dbsync_internal.guard_drop() IS 'event trigger: refuses to drop what captured tables and subscriptions need';

CREATE EVENT TRIGGER dbsync_guard_start ON ddl_command_start
    WHEN TAG IN ('DROP INDEX', 'ALTER TABLE', 'ALTER TYPE', 'ALTER SCHEMA', 'ALTER SERVER')
    EXECUTE FUNCTION dbsync_internal.guard_start();
ALTER EVENT TRIGGER dbsync_guard_start ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER dbsync_guard_start IS 'refuses commands whose harm could not be undone, or not be seen, when they have run';

CREATE EVENT TRIGGER dbsync_guard_rewrite ON table_rewrite EXECUTE FUNCTION dbsync_internal.guard_rewrite();
ALTER EVENT TRIGGER dbsync_guard_rewrite ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER dbsync_guard_rewrite IS 'refuses ALTER TABLE that gives rows of captured tables other values';

CREATE EVENT TRIGGER dbsync_guard_command ON ddl_command_end EXECUTE FUNCTION dbsync_internal.guard_command();
ALTER EVENT TRIGGER dbsync_guard_command ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER dbsync_guard_command IS 'refuses DDL on captured tables that capture cannot follow';

CREATE EVENT TRIGGER dbsync_guard_drop ON sql_drop EXECUTE FUNCTION dbsync_internal.guard_drop();
ALTER EVENT TRIGGER dbsync_guard_drop ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER dbsync_guard_drop IS 'refuses to drop what captured tables and subscriptions need';

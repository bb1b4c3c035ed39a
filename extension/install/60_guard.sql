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

-- The target's name is the table's as it was added, unless it was given; in targets of modules its schema may be another
-- from the beginning, and whoever looks at status is not to load their libraries.
CREATE FUNCTION dbsync_internal.names_apart(rel oid, attachment dbsync.subscription_table) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('target table is still %I.%I%s', attachment.target_schema, attachment.target_table,
        CASE WHEN EXISTS (SELECT FROM pg_class o JOIN pg_namespace s ON s.oid = o.relnamespace
                          WHERE s.nspname = attachment.target_schema AND o.relname = attachment.target_table)
             THEN ', a name that another table has here now' END)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = rel AND NOT attachment.target_given
      AND (c.relname <> attachment.target_table OR n.nspname <> attachment.target_schema AND EXISTS (
            SELECT FROM dbsync.subscription s JOIN pg_foreign_server f ON f.srvname = s.target JOIN pg_foreign_data_wrapper w ON w.oid = f.srvfdw
            WHERE s.id = attachment.subscription_id AND w.fdwname IN ('dbsync_postgres', 'dbsync_file')))
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
    owner oid := coalesce(captured.owner, (SELECT c.relowner FROM pg_class c WHERE c.oid = captured.relid));
BEGIN
    IF owner IS NOT NULL AND NOT dbsync_internal.may_act_as(dbsync_internal.guard_role(), owner) THEN
        PERFORM dbsync_internal.note_suspended(captured.id, 'what its columns are made of was changed by the owner of that;'
            ' to go on, change the target table likewise, and use dbsync.copy_table()');
        RETURN;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = message,
        DETAIL = coalesce(dbsync_internal.subscriptions_of(captured.id), 'No subscription has the table any more.'),
        HINT = coalesce(hint, 'Take it out with dbsync.remove_table(), make the change on both sides, and add it again with dbsync.add_table().');
END $$;
COMMENT ON FUNCTION dbsync_internal.refuse_ddl(dbsync.captured_table, text, text) IS 'error that names the subscriptions of a captured table; where the command is not given by who may act as the table''s owner, the table is suspended instead';

-- ---------------------------------------------------------------------------
-- After a command

-- What would be refused if the table were added now, and so cannot be got round by adding it again.
CREATE FUNCTION dbsync_internal.unsupported(rel regclass, OUT reason text, OUT hint text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.check_kind(rel);
    PERFORM dbsync_internal.check_types(rel);
    PERFORM dbsync_internal.check_width(rel);
    IF dbsync_internal.usable_key(rel) IS NULL THEN
        reason := format('cannot alter captured table %s: its key was named, and would be one no more', rel);
    END IF;
EXCEPTION WHEN feature_not_supported OR program_limit_exceeded OR too_many_columns THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    reason := format('cannot alter captured table %s: %s', rel, sqlerrm);
    hint := CASE WHEN (SELECT c.relispartition FROM pg_class c WHERE c.oid = rel)
        THEN 'Take it out with dbsync.remove_table() first: its rows are the partitioned table''s then.'
        ELSE concat_ws(' ', nullif(hint, ''), 'Or take it out with dbsync.remove_table() first.') END;
END $$;
COMMENT ON FUNCTION dbsync_internal.unsupported(regclass) IS 'why a captured table cannot be captured as it is now, and what helps; nulls: it can';

CREATE FUNCTION dbsync_internal.check_shape(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    reason text;
    hint text;
BEGIN
    IF captured.capture = 'none' THEN
        PERFORM dbsync_internal.follow_scanned(captured);
        RETURN;
    ELSIF captured.capture = 'snapshot' THEN
        -- whoever compares it looks for himself
        RETURN;
    END IF;
    IF dbsync_internal.table_shape(captured.relid) IS NOT DISTINCT FROM captured.shape
        AND NOT EXISTS (SELECT FROM dbsync_internal.rewritten r WHERE r.captured_id = captured.id) THEN
        -- an index over the same columns may have taken the place of the one that was its key
        IF captured.key_index <> 0 AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = captured.key_index AND i.indisvalid) THEN
            UPDATE dbsync.captured_table c SET key_index = dbsync_internal.current_key(c.relid) WHERE c.id = captured.id;
        END IF;
        RETURN;
    END IF;
    SELECT u.reason, u.hint INTO reason, hint FROM dbsync_internal.unsupported(captured.relid) u;
    IF reason IS NULL THEN
        PERFORM dbsync_internal.suspend_scans(captured.id);
        IF captured.capture = 'shadow' AND NOT dbsync_internal.follow_shadow(captured) THEN
            RETURN;
        END IF;
        PERFORM dbsync_internal.follow(captured);
    ELSIF dbsync_internal.refuse_by_rule(captured, NULL, reason, NULL, 'It is taken in again when that is mended.') THEN
        -- nobody has asked for this table by its name: who alters it is not held up
        RAISE NOTICE USING MESSAGE = format('table %s is out of the subscriptions that had it by a rule', captured.relid),
            DETAIL = replace(reason, format('cannot alter captured table %s: ', captured.relid), '') || '.', HINT = 'Their targets keep what they have. dbsync.refused shows it.';
    ELSE
        PERFORM dbsync_internal.refuse_ddl(captured, reason, hint);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_shape(dbsync.captured_table) IS 'has capture go on with what the table is now; error if it cannot';

-- Scripts that load data switch triggers off and on again; ours then would miss
-- the data, and come back without ALWAYS.  They are put back in the command
-- itself, so nothing is missed.  That is DDL again, and the guard looks again:
-- there is nothing left to do then.
CREATE FUNCTION dbsync_internal.check_triggers(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    rel regclass;
    missing name;
    commands text;
BEGIN
    -- one after the other: what is done for one is DDL, after which all of them are looked at
    LOOP
        SELECT m.relid, string_agg(format('ENABLE %s TRIGGER %I', w.mode, w.name), ', ') FILTER (WHERE g.oid IS NOT NULL),
            min(w.name::text) FILTER (WHERE g.oid IS NULL)
        INTO rel, commands, missing
        FROM (SELECT captured.relid::oid UNION ALL SELECT p.relid FROM dbsync.partition p WHERE p.captured_id = captured.id AND p.ready) m (relid)
        LEFT JOIN pg_class c ON c.oid = m.relid
        -- not triggers_of() for each of them, of which there may be thousands
        CROSS JOIN dbsync_internal.triggers(captured.id) w
        LEFT JOIN pg_trigger g ON g.tgrelid = m.relid AND g.tgname = w.name
            AND g.tgfoid = 'dbsync_internal.capture()'::regprocedure
        WHERE g.tgenabled IS DISTINCT FROM w.enabled AND (w.level <> 'FOR EACH ROW' OR c.relkind IS DISTINCT FROM 'p')
        GROUP BY m.relid ORDER BY m.relid LIMIT 1;
        EXIT WHEN NOT FOUND;
        IF missing IS NOT NULL THEN
            PERFORM dbsync_internal.refuse_ddl(captured,
                format('cannot drop, rename or replace trigger %I of captured table %s', missing, rel),
                'To take capture off the table use dbsync.remove_table() or dbsync.suspend_table().');
            RETURN;
        END IF;
        EXECUTE format('ALTER TABLE ONLY %s %s', rel, commands);
        RAISE NOTICE USING
            MESSAGE = format('capture triggers of table %s stay enabled', rel),
            HINT = 'To go on without capturing the table use dbsync.suspend_table().';
    END LOOP;
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
            HINT = dbsync_internal.target_users_hint(target);
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
    IF NOT FOUND THEN
        SELECT r.name INTO orphan FROM dbsync.receiver r
        WHERE r.id = subscription_id AND dbsync_internal.anchor_of(r.id) IS NULL;
        IF FOUND AND dbsync_internal.is_adopted() THEN
            RAISE EXCEPTION USING ERRCODE = 'dependent_objects_still_exist',
                MESSAGE = format('cannot drop or rename what receiver "%s" belongs to', orphan),
                DETAIL = 'The owner of the receiver is the owner of that function.',
                HINT = 'Use dbsync.drop_receiver(), or let a superuser REASSIGN OWNED to another role, first.';
        END IF;
        RETURN;
    END IF;
    IF dbsync_internal.is_adopted() THEN
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
    SELECT s.relid::regclass AS name, dbsync_internal.segment_problem(s.relid, s.captured_id, s.shape_id) AS problem INTO bad
    FROM dbsync.segment s
    WHERE s.relid = ANY (ARRAY(
              SELECT o.oid FROM unnest(objects) o (oid)
              UNION SELECT x.indrelid FROM pg_index x WHERE x.indexrelid = ANY (objects)
              UNION SELECT r.ev_class FROM pg_rewrite r WHERE r.oid = ANY (objects)
              UNION SELECT y.polrelid FROM pg_policy y WHERE y.oid = ANY (objects)
              UNION SELECT t.tgrelid FROM pg_trigger t WHERE t.oid = ANY (objects)))
      AND dbsync_internal.segment_problem(s.relid, s.captured_id, s.shape_id) IS NOT NULL
    LIMIT 1;
    IF FOUND AND dbsync_internal.is_adopted() THEN
        PERFORM dbsync_internal.refuse(format('cannot alter tracking table %s', bad.name),
            'It belongs to dbsync. A command for all tables must leave out schemas dbsync and dbsync_internal.',
            '0A000', bad.problem);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_segments(oid[]) IS 'error if one of these objects has changed a segment';

-- A composite type can get an attribute that cannot travel.
CREATE FUNCTION dbsync_internal.check_composites(objects oid[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    types oid[];
    captured dbsync.captured_table;
    reason text;
    hint text;
BEGIN
    -- most are in nothing else: then there is no need to go through all tables
    SELECT array_agg(t.oid) INTO types FROM pg_class k JOIN pg_type t ON t.oid = k.reltype
    WHERE k.oid = ANY (objects) AND k.relkind = 'c'
      AND EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray) AND d.deptype <> 'i');
    FOR captured IN
        SELECT c.* FROM dbsync.captured_table c
        WHERE types IS NOT NULL AND c.state = 'active' AND dbsync_internal.is_adopted()
          AND EXISTS (SELECT FROM dbsync_internal.types_within(c.relid) w WHERE w.typ = ANY (types))
        ORDER BY c.id
    LOOP
        SELECT u.reason, u.hint INTO reason, hint FROM dbsync_internal.unsupported(captured.relid) u;
        IF reason IS NOT NULL THEN
            PERFORM dbsync_internal.refuse_ddl(captured, reason, hint);
        END IF;
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_composites(oid[]) IS 'error if a composite type has an attribute for which captured tables with values of it would be refused';

-- A command can have touched the tables it names; those that an index or a trigger
-- belongs to; those above and below in inheritance, which ATTACH PARTITION and
-- INHERIT report only one of, and all below, which get what a parent gets; those of which NO
-- INHERIT has taken the last child or parent; and typed tables, of whose type only the relation is
-- reported.  Every DDL command of the database pays for the query, so it does not go
-- through all captured tables, and is not planned anew each time.
CREATE FUNCTION dbsync_internal.judge_command() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    objects oid[];
    captured dbsync.captured_table;
BEGIN
    IF tg_tag IN ('ALTER FUNCTION', 'ALTER ROUTINE') THEN
        PERFORM dbsync_internal.check_anchor(s.id) FROM (SELECT b.id FROM dbsync.subscription b UNION ALL SELECT r.id FROM dbsync.receiver r) s
        WHERE EXISTS (SELECT FROM pg_event_trigger_ddl_commands() e
                      WHERE e.classid = 'pg_proc'::regclass AND dbsync_internal.is_anchor(e.objid));
    END IF;
    SELECT array_agg(e.objid) INTO objects FROM pg_event_trigger_ddl_commands() e
    WHERE e.classid IN ('pg_class'::regclass, 'pg_trigger'::regclass, 'pg_rewrite'::regclass, 'pg_policy'::regclass);
    IF objects IS NULL OR NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE c.state = 'active') THEN
        PERFORM dbsync_internal.follow_rules(objects || dbsync_internal.guard_partition(), tg_tag IN ('CREATE SCHEMA', 'ALTER SCHEMA'));
        RETURN;
    END IF;
    -- triggers that are being put on a partition
    IF NOT EXISTS (SELECT FROM unnest(objects) o (oid) WHERE NOT EXISTS (
                       SELECT FROM dbsync.partition p LEFT JOIN pg_trigger t ON t.oid = o.oid
                       WHERE NOT p.ready AND p.relid IN (o.oid, t.tgrelid))) THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.check_segments(objects);
    IF tg_tag = 'ALTER TYPE' THEN
        PERFORM dbsync_internal.check_composites(objects);
    END IF;
    FOR captured IN
        SELECT c.* FROM dbsync.captured_table c
        WHERE c.state = 'active' AND c.relid = ANY (ARRAY(
            SELECT o.oid FROM unnest(objects) o (oid)
            UNION SELECT x.indrelid FROM pg_index x WHERE x.indexrelid = ANY (objects)
            UNION SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = ANY (objects)
            UNION SELECT h FROM dbsync_internal.heirs(objects) h
            UNION SELECT t.tgrelid FROM pg_trigger t WHERE t.oid = ANY (objects)
            UNION SELECT dbsync_internal.root_of(o.oid) FROM unnest(objects) o (oid)
            UNION SELECT dbsync_internal.root_of(t.tgrelid) FROM pg_trigger t WHERE t.oid = ANY (objects)
            UNION SELECT r.oid FROM pg_class r JOIN pg_type y ON y.oid = r.reloftype
                  WHERE y.typrelid = ANY (objects)
                    AND EXISTS (SELECT FROM pg_class k WHERE k.oid = ANY (objects) AND k.relkind = 'c')
            UNION SELECT t.relid FROM dbsync.captured_table t
                  WHERE dbsync_internal.guard_no_inherit() AND t.by_row AND NOT dbsync_internal.is_related(t.relid)))
          AND c.by_row IS NOT NULL
        -- parents first: at the target they may hand on what is done to them
        ORDER BY CASE WHEN c.by_row THEN dbsync_internal.count_ancestors(c.relid) END NULLS FIRST, c.id
    LOOP
        IF NOT dbsync_internal.is_adopted() THEN
            RETURN;
        END IF;
        IF captured.by_row AND captured.relid = ANY (objects) AND dbsync_internal.guard_no_inherit() THEN
            UPDATE dbsync.captured_table c SET lost_parent = dbsync_internal.next_xid() WHERE c.id = captured.id RETURNING c.* INTO captured;
        END IF;
        CONTINUE WHEN (SELECT r.relispartition FROM pg_class r WHERE r.oid = captured.relid)
            AND (NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE c.id = captured.id) OR dbsync_internal.yield_partition(captured));
        CONTINUE WHEN captured.capture = 'snapshot';
        IF captured.capture = 'none' THEN
            PERFORM dbsync_internal.follow_scanned(captured);
            CONTINUE;
        END IF;
        PERFORM dbsync_internal.follow_members(captured);
        CONTINUE WHEN NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE c.id = captured.id AND c.state = 'active');
        PERFORM dbsync_internal.follow_inheritance(captured);
        PERFORM dbsync_internal.check_shape(captured);
        CONTINUE WHEN NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE c.id = captured.id AND c.state = 'active');
        PERFORM dbsync_internal.check_triggers(captured);
        PERFORM dbsync_internal.follow_wal(captured);
    END LOOP;
    PERFORM dbsync_internal.follow_rules(objects || dbsync_internal.guard_partition(), tg_tag IN ('CREATE SCHEMA', 'ALTER SCHEMA'));
    PERFORM dbsync_internal.tell_of_heirs(objects);
END $$;
COMMENT ON FUNCTION dbsync_internal.judge_command() IS 'body of dbsync_internal.guard_command()';

CREATE FUNCTION dbsync_internal.guard_command() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_guard';
COMMENT ON FUNCTION dbsync_internal.guard_command() IS 'event trigger: refuses DDL on captured tables that capture cannot follow';

-- ---------------------------------------------------------------------------
-- While a table is written anew

CREATE FUNCTION dbsync_internal.guard_has_using() RETURNS boolean
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'dbsync_guard_has_using';
COMMENT ON FUNCTION dbsync_internal.guard_has_using() IS 'does the ALTER TABLE that is being judged say USING?';

-- No trigger sees what is written here.  What becomes of it is known when the command is
-- done (dbsync_internal.unseen_values()).  Another persistence (1) or access method (8)
-- leaves all values as they are.
CREATE FUNCTION dbsync_internal.judge_rewrite() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    rel oid := pg_event_trigger_table_rewrite_oid();
    reason int := pg_event_trigger_table_rewrite_reason();
BEGIN
    IF EXISTS (SELECT FROM dbsync.segment s WHERE s.relid = rel) AND dbsync_internal.is_adopted() THEN
        PERFORM dbsync_internal.refuse(format('cannot rewrite tracking table %s', rel::regclass),
            'It belongs to dbsync, and transaction headers say where its rows are.');
    ELSIF reason & 6 <> 0 AND dbsync_internal.is_adopted() THEN
        INSERT INTO dbsync_internal.rewritten (captured_id, reason, by_expression)
        SELECT c.id, reason, dbsync_internal.guard_has_using()
        FROM dbsync.captured_table c
        WHERE c.state = 'active' AND (c.relid = rel OR c.id = (SELECT p.captured_id FROM dbsync.partition p WHERE p.relid = rel));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.judge_rewrite() IS 'body of dbsync_internal.guard_rewrite()';

CREATE FUNCTION dbsync_internal.guard_rewrite() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_guard';
COMMENT ON FUNCTION dbsync_internal.guard_rewrite() IS 'event trigger: notes that ALTER TABLE gives rows of captured tables other values';

-- Partitioned tables: one captured table is a root with all that is below it, its members.
--
-- Statement triggers fire on the relation that a statement names, so every member has them; those
-- with rows of their own have the row trigger, too.  Members come and go in users' DDL,
-- and capture follows in the same transaction.

-- The root first, then level by level, as the server locks them.  A partition that DETACH
-- CONCURRENTLY has not let go of yet is one.
CREATE FUNCTION dbsync_internal.members(root oid) RETURNS TABLE (relid oid, parent oid, level int)
    LANGUAGE plpgsql STABLE ROWS 20 SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY WITH RECURSIVE member AS (
        SELECT i.inhrelid, i.inhparent, 1 AS level FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent
        WHERE i.inhparent = members.root AND c.relkind = 'p'
      UNION ALL
        SELECT i.inhrelid, i.inhparent, m.level + 1 FROM member m JOIN pg_inherits i ON i.inhparent = m.inhrelid
        JOIN pg_class c ON c.oid = m.inhrelid WHERE c.relkind = 'p'
    )
    SELECT m.inhrelid, m.inhparent, m.level FROM member m ORDER BY m.level, m.inhrelid;
END $$;
COMMENT ON FUNCTION dbsync_internal.members(oid) IS 'all partitions of a table, at any depth; none: it is not partitioned';

CREATE FUNCTION dbsync_internal.root_of(rel oid) RETURNS oid
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE up AS (
        SELECT root_of.rel AS relid, 0 AS level
      UNION ALL
        SELECT i.inhparent, up.level + 1 FROM up JOIN pg_class c ON c.oid = up.relid JOIN pg_inherits i ON i.inhrelid = up.relid
        WHERE c.relispartition
    )
    SELECT up.relid FROM up ORDER BY up.level DESC LIMIT 1
$$;
COMMENT ON FUNCTION dbsync_internal.root_of(oid) IS 'the topmost table that a relation is a partition of; itself, if it is none';

-- ---------------------------------------------------------------------------
-- Bounds
--
-- What a partition holds is sent as its bound where it is emptied, or leaves: a condition
-- that the target's rows are asked for.  It has to be true of the very same rows there.  A
-- hash is not, nor is the order of text but by bytes, nor what a function says.

CREATE FUNCTION dbsync_internal.bound_travels(partitioned oid) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.partstrat IN ('r', 'l') AND p.partexprs IS NULL AND NOT EXISTS (
        SELECT FROM generate_series(0, p.partnatts - 1) k (n)
        JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[k.n]
        JOIN pg_type t ON t.oid = a.atttypid
        -- 16384: the first oid of what is no part of the system
        WHERE a.atttypid >= 16384 OR t.typtype <> 'b' OR a.attgenerated <> ''
           OR NOT EXISTS (SELECT FROM pg_opclass o WHERE o.oid = p.partclass[k.n] AND o.opcdefault)
           -- jsonb orders its strings by the database's collation, and these the oids that names have in it
           OR (p.partstrat = 'r' AND EXISTS (SELECT FROM pg_type e WHERE e.oid IN (t.oid, t.typelem) AND (e.typname = 'jsonb' OR e.typname LIKE 'reg%')))
           -- 950, 951: "C" and "POSIX"
           OR (p.partcollation[k.n] <> 0 AND p.partcollation[k.n] NOT IN (950, 951)
               AND (p.partstrat = 'r' OR EXISTS (SELECT FROM pg_collation l WHERE l.oid = p.partcollation[k.n] AND NOT l.collisdeterministic))))
    FROM pg_partitioned_table p WHERE p.partrelid = partitioned
$$;
COMMENT ON FUNCTION dbsync_internal.bound_travels(oid) IS 'do bounds of a table''s own partitions mean the same in any database?';

-- Deparsed under the settings of the apply session, since a worker reads it there.
CREATE FUNCTION dbsync_internal.bound_of(member oid) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
    SET "DateStyle" = 'ISO, YMD' SET "IntervalStyle" = 'postgres' SET "TimeZone" = 'UTC' SET extra_float_digits = 3
    SET bytea_output = 'hex' SET lc_monetary = 'C' SET quote_all_identifiers = off SET standard_conforming_strings = on
AS $$
BEGIN
    RETURN (WITH RECURSIVE up AS (
            SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = member
          UNION ALL
            SELECT i.inhparent FROM up JOIN pg_class c ON c.oid = up.inhparent AND c.relispartition
            JOIN pg_inherits i ON i.inhrelid = up.inhparent
        )
        SELECT CASE WHEN bool_and(dbsync_internal.bound_travels(up.inhparent))
            -- of a default partition without others beside it there is none
            THEN coalesce(pg_get_partition_constraintdef(member), 'true') END FROM up);
END $$;
COMMENT ON FUNCTION dbsync_internal.bound_of(oid) IS 'condition that is true of a partition''s rows and of no others of the table, in any database; null: there is none';

CREATE FUNCTION dbsync_internal.forget_bound(member oid) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_member_forget';
COMMENT ON FUNCTION dbsync_internal.forget_bound(oid) IS 'has sessions work out anew what the bound of a partition is';

-- ---------------------------------------------------------------------------
-- What cannot be a member

CREATE FUNCTION dbsync_internal.member_problem(root oid, member oid, OUT message text, OUT hint text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    another dbsync.captured_table;
    what text := format('partition %s of table %s', member::regclass, root::regclass);
BEGIN
    SELECT t.* INTO another FROM dbsync.captured_table t WHERE t.relid = member AND t.state <> 'dropped';
    IF another.id IS NOT NULL THEN
        message := format('%s is captured by itself%s', what,
            rtrim(replace(dbsync_internal.subscriptions_of(another.id), 'The table is in', ', in'), '.'));
        hint := 'Take it out with dbsync.remove_table() first: its rows are the partitioned table''s then.';
        RETURN;
    END IF;
    SELECT s.message, s.hint || ' Or do without that partition.' INTO message, hint FROM dbsync_internal.storage_problem(member, what) s;
END $$;
COMMENT ON FUNCTION dbsync_internal.member_problem(oid, oid) IS 'why a partition keeps its table from being captured; nulls: it does not';

-- There may be a thousand of them.
CREATE FUNCTION dbsync_internal.members_problem(root oid, OUT message text, OUT hint text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.message, p.hint
    FROM dbsync_internal.members(root) m JOIN pg_class c ON c.oid = m.relid
    CROSS JOIN LATERAL dbsync_internal.member_problem(root, m.relid) p
    WHERE (c.relkind = 'f' OR c.relpersistence <> 'p' OR m.relid IN (SELECT t.relid FROM dbsync.captured_table t))
      AND p.message IS NOT NULL LIMIT 1
$$;
COMMENT ON FUNCTION dbsync_internal.members_problem(oid) IS 'why what is below a partitioned table keeps it from being captured; nulls: it does not';

-- ---------------------------------------------------------------------------
-- Members of captured tables

CREATE FUNCTION dbsync_internal.capture_rows(rel regclass) RETURNS bigint
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_capture_rows';
COMMENT ON FUNCTION dbsync_internal.capture_rows(regclass) IS 'captures all rows of a partition that has come, as inserted; says how many there are';

CREATE FUNCTION dbsync_internal.create_trigger(rel oid, command text, enabled "char") RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_create_trigger';
COMMENT ON FUNCTION dbsync_internal.create_trigger(oid, text, "char") IS 'does what a CREATE TRIGGER on the table says, and event triggers do not hear of it';

-- Its own triggers are what the guard finds missing while they are being made; so it does not
-- look at a member before it is ready.
CREATE FUNCTION dbsync_internal.add_partition(captured dbsync.captured_table, member oid, parent oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO dbsync.partition (relid, captured_id, parent, leaf, bound, ready)
    SELECT member, captured.id, add_partition.parent, c.relkind <> 'p', dbsync_internal.bound_of(member), false
    FROM pg_class c WHERE c.oid = member;
    -- made without a command, of which event triggers would hear: they might write to the partition
    -- while it has some of its triggers
    PERFORM dbsync_internal.create_trigger(member, format('CREATE OR REPLACE TRIGGER %I %s ON %s %s EXECUTE FUNCTION dbsync_internal.capture()',
        t.name, t.events, member::regclass, t.level), t.enabled)
    FROM dbsync_internal.triggers_of(captured.id, member) t;
    UPDATE dbsync.partition p SET ready = true WHERE p.relid = member;
END $$;
COMMENT ON FUNCTION dbsync_internal.add_partition(dbsync.captured_table, oid, oid) IS 'puts capture on a partition of a captured table';

-- All at once, as capture begins; the first copy reads what they hold.
CREATE FUNCTION dbsync_internal.install_members(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM dbsync.partition p WHERE p.captured_id = captured.id;
    PERFORM dbsync_internal.add_partition(captured, m.relid, m.parent) FROM dbsync_internal.members(captured.relid) m;
END $$;
COMMENT ON FUNCTION dbsync_internal.install_members(dbsync.captured_table) IS 'puts capture on all partitions of a table';

-- For all subscriptions, since their policy may be another by the time they get there.  One that
-- has not begun with the table, which has a key, has nothing of it there; without a key we would
-- rather be told once in vain.
CREATE FUNCTION dbsync_internal.note_kept(captured dbsync.captured_table, member oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    there boolean := EXISTS (SELECT FROM pg_class c WHERE c.oid = member);
    was pg_class;
BEGIN
    IF NOT there THEN
        was := dbsync_internal.guard_dropped(member);
    END IF;
    -- those that were to be deleted are
    DELETE FROM dbsync.kept_partition k USING dbsync.subscription s
    WHERE k.captured_id = captured.id AND s.id = k.subscription_id AND NOT k.kept AND pg_visible_in_snapshot(k.xid, s.position);
    DELETE FROM dbsync.kept_partition k WHERE k.captured_id = captured.id AND k.relid = member;
    INSERT INTO dbsync.kept_partition (subscription_id, captured_id, relid, name, xid, kept)
    SELECT s.id, captured.id, CASE WHEN there THEN member END,
        CASE WHEN there THEN member::regclass::text
             ELSE coalesce((SELECT format('%I.', n.nspname) FROM pg_namespace n WHERE n.oid = was.relnamespace), '') || quote_ident(was.relname) END,
        pg_current_xact_id(), s.on_partition_drop = 'keep'
    FROM dbsync.subscription_table a JOIN dbsync.subscription s ON s.id = a.subscription_id
    WHERE a.captured_id = captured.id AND (captured.key_index = 0 OR a.state <> 'new');
END $$;
COMMENT ON FUNCTION dbsync_internal.note_kept(dbsync.captured_table, oid) IS 'writes down that targets keep, or are to delete, the rows of a partition that has gone';

CREATE FUNCTION dbsync_internal.kept_in_words(attachment dbsync.subscription_table) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('the target has kept the rows of %s detached or dropped: %s%s',
        CASE WHEN count(*) = 1 THEN 'a partition that was' ELSE format('%s partitions that were', count(*)) END,
        string_agg(k.name, ', ' ORDER BY k.nth) FILTER (WHERE k.nth <= 3), CASE WHEN count(*) > 3 THEN ', ...' END)
    FROM (SELECT p.name, row_number() OVER (ORDER BY p.xid DESC, p.name COLLATE "C") AS nth FROM dbsync.kept_partition p
          WHERE p.captured_id = attachment.captured_id AND p.subscription_id = attachment.subscription_id AND p.kept) k
    HAVING count(*) > 0
$$;
COMMENT ON FUNCTION dbsync_internal.kept_in_words(dbsync.subscription_table) IS 'says how many partitions have gone whose rows a target has kept, and which went last; null: none';

-- Of several that go together the topmost says it for all.  A partition that was dropped is
-- known by what was written down.
CREATE FUNCTION dbsync_internal.leave_members(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone dbsync.partition;
    going oid[];
BEGIN
    SELECT array_agg(p.relid) INTO going FROM dbsync.partition p
    WHERE p.captured_id = captured.id AND NOT EXISTS (
        SELECT FROM dbsync_internal.members(captured.relid) m WHERE m.relid = p.relid AND m.parent = p.parent);
    -- to begin with what is written down: event triggers hear of triggers that are dropped, and may write
    FOR gone IN DELETE FROM dbsync.partition p WHERE p.captured_id = captured.id AND p.relid = ANY (going) RETURNING p.* LOOP
        IF gone.parent <> ALL (going) THEN
            INSERT INTO dbsync.turn (captured_id, xid, no, kind, shape_id, bound)
            SELECT captured.id, pg_current_xact_id(), dbsync_internal.turn(captured.relid, same_shape => true), 'left', s.shape_id, gone.bound
            FROM dbsync.segment s WHERE s.captured_id = captured.id AND s.active;
        END IF;
        IF gone.leaf THEN
            PERFORM dbsync_internal.note_kept(captured, gone.relid);
        END IF;
    END LOOP;
    PERFORM dbsync_internal.drop_triggers(c.oid) FROM pg_class c WHERE c.oid = ANY (going);
END $$;
COMMENT ON FUNCTION dbsync_internal.leave_members(dbsync.captured_table) IS 'notes which partitions a captured table has no more, and takes capture off them';

-- The bound of a default partition, and of all below it, changes with its neighbours; all of
-- them do as columns are renamed.
CREATE FUNCTION dbsync_internal.refresh_bounds(captured dbsync.captured_table, all_of_them boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    stale oid[];
BEGIN
    WITH RECURSIVE changed AS (
        SELECT p.relid FROM dbsync.partition p
        WHERE p.captured_id = captured.id AND (all_of_them OR p.relid IN (SELECT t.partdefid FROM pg_partitioned_table t))
      UNION
        SELECT p.relid FROM changed d JOIN dbsync.partition p ON p.parent = d.relid
    )
    SELECT array_agg(d.relid) INTO stale FROM changed d;
    IF stale IS NULL THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.forget_bound(r) FROM unnest(stale) r;
    UPDATE dbsync.partition p SET bound = b.bound
    FROM (SELECT r AS relid, dbsync_internal.bound_of(r) AS bound FROM unnest(stale) r OFFSET 0) b
    WHERE p.relid = b.relid AND p.bound IS DISTINCT FROM b.bound;
END $$;
COMMENT ON FUNCTION dbsync_internal.refresh_bounds(dbsync.captured_table, boolean) IS 'writes down the bounds of partitions that may have changed';

CREATE FUNCTION dbsync_internal.check_not_kept(captured dbsync.captured_table, member oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    keeper name;
BEGIN
    SELECT s.name INTO keeper FROM dbsync.kept_partition k JOIN dbsync.subscription s ON s.id = k.subscription_id
    JOIN dbsync.subscription_table a ON a.subscription_id = s.id AND a.captured_id = k.captured_id
    WHERE k.captured_id = captured.id AND k.relid = member AND k.kept;
    IF FOUND AND captured.key_index = 0 THEN
        PERFORM dbsync_internal.refuse_ddl(captured,
            format('cannot attach partition %s to captured table %s, which has no key', member::regclass, captured.relid),
            format('The target of subscription "%s" has kept the rows that it had when it was detached, and would have them twice. To do without '
                'those: SELECT dbsync.copy_table(%L, %L). With on_partition_drop => ''delete'' they go with the partition.',
                keeper, keeper, captured.relid));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_not_kept(dbsync.captured_table, oid) IS 'error if a partition comes back whose rows a target has kept, and cannot tell from those that come';

-- Rows that come with a partition are captured as inserted, in the transaction that brings them.
CREATE FUNCTION dbsync_internal.follow_members(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem record;
    come record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = captured.relid AND c.relkind = 'p') THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.yield_partition(t)
    FROM dbsync_internal.members(captured.relid) m JOIN dbsync.captured_table t ON t.relid = m.relid WHERE t.state <> 'dropped';
    SELECT p.* INTO problem FROM dbsync_internal.members_problem(captured.relid) p;
    IF problem.message IS NOT NULL THEN
        IF dbsync_internal.refuse_by_rule(captured, NULL, problem.message, NULL, problem.hint) THEN
            RAISE NOTICE USING MESSAGE = format('table %s is out of the subscriptions that had it by a rule', captured.relid),
                DETAIL = problem.message || '.', HINT = 'Their targets keep what they have. dbsync.refused shows it.';
        ELSE
            PERFORM dbsync_internal.refuse_ddl(captured, problem.message, problem.hint);
        END IF;
        RETURN;
    END IF;
    PERFORM dbsync_internal.leave_members(captured);
    FOR come IN SELECT m.* FROM dbsync_internal.members(captured.relid) m
                WHERE NOT EXISTS (SELECT FROM dbsync.partition p WHERE p.relid = m.relid) LOOP
        PERFORM dbsync_internal.check_not_kept(captured, come.relid);
        PERFORM dbsync_internal.add_partition(captured, come.relid, come.parent);
        IF EXISTS (SELECT FROM dbsync.partition p WHERE p.relid = come.relid AND p.leaf) THEN
            PERFORM dbsync_internal.capture_rows(come.relid);
        END IF;
    END LOOP;
    PERFORM dbsync_internal.refresh_bounds(captured, false);
    -- with a bound that does not travel its rows could not be deleted at the target
    IF EXISTS (SELECT FROM dbsync.subscription_table a JOIN dbsync.subscription s ON s.id = a.subscription_id
               WHERE a.captured_id = captured.id AND s.on_partition_drop = 'delete')
        AND EXISTS (SELECT FROM dbsync.partition p WHERE p.captured_id = captured.id AND p.bound IS NULL) THEN
        PERFORM dbsync_internal.check_bounds_travel(captured.relid);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.follow_members(dbsync.captured_table) IS 'has capture go on with the partitions that a table has now';

-- Called by C, where the guard has yet to judge the command under way.
CREATE FUNCTION dbsync_internal.follow_before(captured_id int) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
BEGIN
    PERFORM dbsync_internal.follow_members(c) FROM dbsync.captured_table c
    WHERE c.id = follow_before.captured_id AND c.state = 'active' AND dbsync_internal.is_adopted();
END $$;
COMMENT ON FUNCTION dbsync_internal.follow_before(int) IS 'follow_members(), before event triggers of others write to a table whose partitions a command has changed';

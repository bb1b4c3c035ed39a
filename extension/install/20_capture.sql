-- Putting capture on a table and taking it off again: segments and triggers.
--
-- The functions here are called by the worker and by the admin functions, as the
-- owner of the extension; no user can call them.

CREATE FUNCTION dbsync_internal.capture() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_capture';
COMMENT ON FUNCTION dbsync_internal.capture() IS 'trigger: appends what a statement did to the active segment';

CREATE FUNCTION dbsync_internal.config_changed() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_config_changed';
COMMENT ON FUNCTION dbsync_internal.config_changed() IS 'trigger: lets every backend know that dbsync''s configuration changed';

-- ENABLE ALWAYS: a session in replica role changes the configuration no less.
CREATE FUNCTION dbsync_internal.watch_config(config regclass, columns text DEFAULT '') RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER config_changed AFTER INSERT OR UPDATE %s OR DELETE OR TRUNCATE ON %s
        FOR EACH STATEMENT EXECUTE FUNCTION dbsync_internal.config_changed()', columns, config);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER config_changed', config);
END $$;

SELECT dbsync_internal.watch_config('dbsync.node');
SELECT dbsync_internal.watch_config('dbsync.captured_table');
SELECT dbsync_internal.watch_config('dbsync.segment');
SELECT dbsync_internal.watch_config('dbsync.subscription');
-- How far a copy has come is news for people only, and there is much of it.  Who
-- suspends a table changes captured_table too.
SELECT dbsync_internal.watch_config('dbsync.subscription_table',
    'OF subscription_id, captured_id, uid, target_schema, target_table, columns, filter, copy_data, existing_rows, note');
DROP FUNCTION dbsync_internal.watch_config(regclass, text);

-- Only the restore of a dump inserts into node, which then has the row of the
-- CREATE EXTENSION before it.  A restored database is dormant in any case, also
-- when it is restored in the place of the one that was dumped: its segments are
-- not in the dump.  No database has oid 0.
CREATE FUNCTION dbsync_internal.node_restored() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM dbsync.node;
    NEW.database_oid := 0;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION dbsync_internal.node_restored() IS 'trigger: a restored dump is dormant until adopt()';

CREATE TRIGGER node_restored BEFORE INSERT ON dbsync.node
    FOR EACH ROW EXECUTE FUNCTION dbsync_internal.node_restored();
ALTER TABLE dbsync.node ENABLE ALWAYS TRIGGER node_restored;

CREATE FUNCTION dbsync_internal.is_adopted() RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT FROM dbsync.node n, pg_control_system() c, pg_database d
        WHERE n.system_identifier = c.system_identifier
          AND n.database_oid = d.oid AND d.datname = current_database())
$$;
COMMENT ON FUNCTION dbsync_internal.is_adopted() IS 'is this the database that dbsync was installed in or that was adopted, and no copy of it?';

-- ---------------------------------------------------------------------------
-- Segments

-- The columns of a segment after our first three, ready for CREATE TABLE: the table's
-- live columns in their order.  Domains are stored as what is below them, since
-- an image of a row long gone must not stand in the way of a new constraint.
-- Collations stay: keys are compared by them.
CREATE FUNCTION dbsync_internal.segment_columns(rel regclass) RETURNS TABLE (num int, name name, definition text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
    WITH RECURSIVE col AS (
        SELECT a.attnum, a.attname, a.atttypid AS typ, a.atttypmod AS typmod, a.attcollation AS coll
        FROM pg_attribute a
        WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
      UNION ALL
        SELECT col.attnum, col.attname, t.typbasetype,
            CASE WHEN t.typtypmod >= 0 THEN t.typtypmod ELSE col.typmod END, col.coll
        FROM col JOIN pg_type t ON t.oid = col.typ
        WHERE t.typtype = 'd'
    )
    SELECT row_number() OVER (ORDER BY col.attnum)::int, col.attname,
        format('%I %s%s', col.attname, format_type(col.typ, col.typmod),
            (SELECT format(' COLLATE %I.%I', n.nspname, c.collname)
             FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
             WHERE c.oid = col.coll))
    FROM col JOIN pg_type t ON t.oid = col.typ
    WHERE t.typtype <> 'd'
    ORDER BY col.attnum
$$;
COMMENT ON FUNCTION dbsync_internal.segment_columns(regclass) IS 'columns of a captured table as its segments have them';

-- What a header segment looks like, where nobody alters it.  Written out: an event
-- trigger of the database may have altered header_1 already.
CREATE TYPE dbsync_internal.header_columns AS (
    xid xid8,
    closing pg_lsn,
    "time" timestamptz,
    server_start timestamptz,
    route text,
    role oid,
    application text,
    tag text,
    rows bigint,
    bytes bigint,
    parts bytea,
    carried bytea
);
COMMENT ON TYPE dbsync_internal.header_columns IS 'columns of a header segment, to compare with';

-- Our own columns yield when the table has columns of the same name.
CREATE FUNCTION dbsync_internal.free_column_name(rel regclass, wanted text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WHILE EXISTS (SELECT FROM dbsync_internal.segment_columns(rel) c WHERE c.name = wanted) LOOP
        wanted := wanted || '_';
    END LOOP;
    RETURN wanted;
END $$;
COMMENT ON FUNCTION dbsync_internal.free_column_name(regclass, text) IS 'name of a tracking column that the captured table does not use';

-- What a segment of this table looks like: the body of its CREATE TABLE.  The
-- last column says which of the table's columns an UPDATE left as they were (the
-- third after ours is 3); they are null in that row.  A vector is never stored out
-- of line: no segment needs a TOAST table for its sake.
CREATE FUNCTION dbsync_internal.segment_body(rel regclass) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('%I "char", %I xid8, %I bigint',
            dbsync_internal.free_column_name(rel, 'dbsync_op'),
            dbsync_internal.free_column_name(rel, 'dbsync_xid'),
            dbsync_internal.free_column_name(rel, 'dbsync_no'))
        || coalesce((SELECT string_agg(', ' || c.definition, '' ORDER BY c.num)
                     FROM dbsync_internal.segment_columns(rel) c), '')
        || format(', %I int2vector', dbsync_internal.free_column_name(rel, 'dbsync_same'))
$$;
COMMENT ON FUNCTION dbsync_internal.segment_body(regclass) IS 'column definitions of a segment of the captured table';

-- Event triggers of the database run when a segment is made, and may have given it
-- columns, an owner or triggers.  What is wrong with it; null: nothing.  C code
-- writes to it without looking at any of that, and keeps no indexes but the headers'.
CREATE FUNCTION dbsync_internal.segment_problem(segment oid, captured_id int) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
DECLARE
    made pg_class;
    wanted text;
    present text;
BEGIN
    SELECT c.* INTO made FROM pg_class c WHERE c.oid = segment;
    IF NOT FOUND OR made.relnamespace <> 'dbsync_internal'::regnamespace THEN
        RETURN 'It was dropped, or moved to another schema.';
    ELSIF made.relkind <> 'r' OR made.relpersistence <> 'p' OR made.relispartition
        OR (SELECT a.amname FROM pg_am a WHERE a.oid = made.relam) <> 'heap'
        OR EXISTS (SELECT FROM pg_inherits i WHERE segment IN (i.inhrelid, i.inhparent)) THEN
        RETURN 'It is no ordinary table any more.';
    -- 10: the superuser of initdb, as whom workers run
    ELSIF made.relowner NOT IN ((SELECT e.extowner FROM pg_extension e WHERE e.extname = 'dbsync'), 10) THEN
        RETURN format('Its owner is "%s".', pg_get_userbyid(made.relowner));
    ELSIF EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = segment)
        OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = segment)
        OR EXISTS (SELECT FROM pg_policy y WHERE y.polrelid = segment) OR made.relrowsecurity THEN
        RETURN 'It has triggers, rules or row security.';
    -- each index of a header gets the xid and nothing else; there are two for a moment
    -- when one is rebuilt
    ELSIF EXISTS (SELECT FROM pg_index i WHERE i.indrelid = segment
                  AND (captured_id <> 0 OR i.indnatts <> 1 OR i.indkey[0] <> 1 OR i.indisunique OR i.indpred IS NOT NULL)) THEN
        RETURN 'It has indexes of others.';
    ELSIF EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = segment AND k.contype <> 'n') THEN
        RETURN 'It has constraints of others.';
    ELSIF captured_id = 0 AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = segment) THEN
        RETURN 'It has lost its index.';
    END IF;
    SELECT CASE captured_id WHEN 0
            THEN (SELECT string_agg(h.definition, ', ' ORDER BY h.num)
                  FROM dbsync_internal.segment_columns('dbsync_internal.header_columns'::regclass) h)
            ELSE (SELECT dbsync_internal.segment_body(c.relid) FROM dbsync.captured_table c WHERE c.id = captured_id)
        END INTO wanted;
    SELECT string_agg(s.definition, ', ' ORDER BY s.num) INTO present
    FROM dbsync_internal.segment_columns(segment::regclass) s;
    IF present IS DISTINCT FROM wanted
        OR (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = segment AND a.attnum > 0)
        <> (SELECT count(*) FROM dbsync_internal.segment_columns(segment::regclass)) THEN
        RETURN 'Its columns are not those that it was made with.';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION dbsync_internal.segment_problem(oid, int) IS 'how a segment differs from what it was made as, in words; null: it does not';

-- Event triggers that others have in this database, as hint of an error.
CREATE FUNCTION dbsync_internal.event_trigger_hint() RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('An event trigger of this database seems to do that%s. Have it leave schemas dbsync and dbsync_internal '
            'and triggers named dbsync_... alone, or disable it for a while.',
            (SELECT format(': %s', string_agg(quote_ident(t.evtname), ', ' ORDER BY t.evtname))
             FROM pg_event_trigger t
             WHERE t.evtenabled <> 'D' AND t.evtevent IN ('ddl_command_start', 'ddl_command_end')
               AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass
                               AND d.objid = t.oid AND d.deptype = 'e')
             HAVING count(*) > 0))
$$;
COMMENT ON FUNCTION dbsync_internal.event_trigger_hint() IS 'hint that names the event triggers of others';

-- A segment by name, since it may be gone already.
CREATE FUNCTION dbsync_internal.check_segment(segment text, captured_id int) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text := dbsync_internal.segment_problem(to_regclass(segment), captured_id);
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('tracking table %s was changed as it was made', segment),
            DETAIL = problem,
            HINT = dbsync_internal.event_trigger_hint();
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_segment(text, int) IS 'error if a new segment is not what it was made as';

-- A default tablespace or access method of the session is none of ours (C code
-- writes to the heap), nor are rights that ALTER DEFAULT PRIVILEGES hands out.
CREATE FUNCTION dbsync_internal.create_segment(captured_id int) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET default_tablespace = ''
AS $$
DECLARE
    body text := 'LIKE dbsync_internal.header_1 INCLUDING STORAGE';
    new_id int := nextval(pg_get_serial_sequence('dbsync.segment', 'id'));
    is_first boolean;
    segment text;
BEGIN
    segment := format('dbsync_internal.%I', format('%s_%s', CASE captured_id WHEN 0 THEN 'header' ELSE 'segment' END, new_id));
    IF captured_id <> 0 THEN
        SELECT dbsync_internal.segment_body(c.relid) INTO STRICT body
        FROM dbsync.captured_table c WHERE c.id = captured_id;
    END IF;
    EXECUTE format('CREATE TABLE %s (%s) USING heap WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off,
        vacuum_truncate = off, toast.vacuum_truncate = off)', segment, body);
    IF captured_id = 0 THEN
        EXECUTE format('CREATE INDEX %I ON %s (xid)', format('header_%s_xid', new_id), segment);
    END IF;
    EXECUTE format('COMMENT ON TABLE %s IS %L', segment, CASE captured_id
        WHEN 0 THEN 'one row per captured transaction, written as it commits'
        ELSE 'captured changes; read them with dbsync.changes()' END);
    PERFORM dbsync_internal.revoke_all(format('TABLE %s', segment), c.relacl, c.relowner)
    FROM pg_class c WHERE c.oid = segment::regclass;
    EXECUTE format('ALTER EXTENSION dbsync ADD TABLE %s', segment);
    PERFORM dbsync_internal.check_segment(segment, captured_id);

    is_first := NOT EXISTS (SELECT FROM dbsync.segment s WHERE s.captured_id = create_segment.captured_id AND s.active);
    -- a spare that nobody has written to holds nothing that is not visible
    INSERT INTO dbsync.segment (id, captured_id, relid, active, sealed, shape_id)
    VALUES (new_id, captured_id, segment::regclass, is_first,
            CASE WHEN NOT is_first THEN pg_current_snapshot() END,
            (SELECT max(h.id) FROM dbsync.shape h WHERE h.captured_id = create_segment.captured_id));
    RETURN new_id;
END $$;
COMMENT ON FUNCTION dbsync_internal.create_segment(int) IS 'makes another segment for a captured table as it is now (0: for the headers), active if none is';

CREATE FUNCTION dbsync_internal.revoke_all(object text, acl aclitem[], owner oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    grantee text;
BEGIN
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', object);
    FOR grantee IN
        SELECT DISTINCT quote_ident(pg_get_userbyid(a.grantee)) FROM aclexplode(acl) a
        WHERE a.grantee NOT IN (0, owner)
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s CASCADE', object, grantee);
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.revoke_all(text, aclitem[], oid) IS 'takes away what ALTER DEFAULT PRIVILEGES may have granted on an object, named as REVOKE names it';

-- The row goes first: the guard takes a segment without one for nobody's.
CREATE FUNCTION dbsync_internal.drop_segment(segment_id int) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone oid;
    segment regclass;
BEGIN
    DELETE FROM dbsync.segment s WHERE s.id = segment_id RETURNING s.relid INTO gone;
    SELECT c.oid::regclass INTO segment FROM pg_class c WHERE c.oid = gone;
    IF FOUND THEN
        EXECUTE format('ALTER EXTENSION dbsync DROP TABLE %s', segment);
        EXECUTE format('DROP TABLE %s', segment);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_segment(int) IS 'removes one segment and what is in it';

-- ---------------------------------------------------------------------------
-- Tables by their oids

-- Commands take names, and while a command waits for its lock the name can go to
-- another relation.  Once the right one is locked it keeps its name.
CREATE FUNCTION dbsync_internal.lock_by_oid(rel oid, mode text) RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_lock_by_oid';
COMMENT ON FUNCTION dbsync_internal.lock_by_oid(oid, text) IS 'locks a table by its oid, in ACCESS SHARE, SHARE ROW EXCLUSIVE or ACCESS EXCLUSIVE mode; false: it is not there';

-- ---------------------------------------------------------------------------
-- Triggers

-- What must be on a captured table.  The row trigger is for rows that logical
-- replication applies: it fires no statement triggers.
CREATE FUNCTION dbsync_internal.triggers(captured_id int)
    RETURNS TABLE (name name, events text, level text, enabled "char", mode text)
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('dbsync_%s_%s', captured_id, t.suffix)::name, t.events, t.level, t.enabled::"char",
        CASE t.enabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END
    FROM (VALUES
        ('before', 'BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE', 'FOR EACH STATEMENT', 'A'),
        ('insert', 'AFTER INSERT', 'REFERENCING NEW TABLE AS dbsync_new FOR EACH STATEMENT', 'A'),
        ('update', 'AFTER UPDATE', 'REFERENCING OLD TABLE AS dbsync_old NEW TABLE AS dbsync_new FOR EACH STATEMENT', 'A'),
        ('delete', 'AFTER DELETE', 'REFERENCING OLD TABLE AS dbsync_old FOR EACH STATEMENT', 'A'),
        ('truncate', 'AFTER TRUNCATE', 'FOR EACH STATEMENT', 'A'),
        ('row', 'AFTER INSERT OR UPDATE OR DELETE', 'FOR EACH ROW', 'R')) t (suffix, events, level, enabled)
$$;
COMMENT ON FUNCTION dbsync_internal.triggers(int) IS 'the triggers of a captured table: name, definition, how they are enabled';

-- DDL takes names.  A name can go to another table while nobody looks: ALTER SCHEMA
-- RENAME takes no lock on the tables.  So what has been made is looked for where it
-- should be.
CREATE FUNCTION dbsync_internal.create_triggers(captured_id int, rel regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT * FROM dbsync_internal.triggers(captured_id) LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I %s ON %s %s EXECUTE FUNCTION dbsync_internal.capture()',
            t.name, t.events, rel, t.level);
        EXECUTE format('ALTER TABLE %s ENABLE %s TRIGGER %I', rel, t.mode, t.name);
    END LOOP;
    -- event triggers of the database have seen all that
    IF EXISTS (SELECT FROM dbsync_internal.triggers(captured_id) w WHERE NOT EXISTS (
                   SELECT FROM pg_trigger g
                   WHERE g.tgrelid = rel AND g.tgname = w.name AND g.tgenabled = w.enabled
                     AND g.tgfoid = 'dbsync_internal.capture()'::regprocedure)) THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('capture triggers of table %s were changed as they were made', rel),
            HINT = dbsync_internal.event_trigger_hint();
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.create_triggers(int, regclass) IS 'puts the capture triggers on a table';

-- By function, not by name: also one that was renamed while the guard was off.
CREATE FUNCTION dbsync_internal.drop_triggers(rel regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    trigger_name name;
BEGIN
    FOR trigger_name IN
        SELECT t.tgname FROM pg_trigger t
        WHERE t.tgrelid = rel AND t.tgfoid = 'dbsync_internal.capture()'::regprocedure
        ORDER BY t.tgname
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', trigger_name, rel);
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_triggers(regclass) IS 'takes the capture triggers off a table';

-- ---------------------------------------------------------------------------
-- On and off
--
-- Order of locks: the table, then its row of captured_table, then what belongs to
-- it.  DDL on the table, and whoever has written to it, comes with the first of
-- them; who took the row first would wait for him, and he for the row.

-- Not longer than try_remove_capture() waits.
CREATE FUNCTION dbsync_internal.try_lock(rel oid) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
AS $$
BEGIN
    RETURN dbsync_internal.lock_by_oid(rel, 'ACCESS EXCLUSIVE');
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
    RETURN false;
END $$;
COMMENT ON FUNCTION dbsync_internal.try_lock(oid) IS 'locks a table for itself, if that can be had soon';

CREATE FUNCTION dbsync_internal.lock_captured(captured_id int, mode text) RETURNS dbsync.captured_table
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    PERFORM dbsync_internal.lock_by_oid(c.relid, mode) FROM dbsync.captured_table c WHERE c.id = captured_id;
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.id = captured_id FOR UPDATE;
    RETURN captured;
END $$;
COMMENT ON FUNCTION dbsync_internal.lock_captured(int, text) IS 'locks a captured table, then its row, which is returned; nulls: there is none';

-- Called in a transaction of its own, one table at a time, under lock_timeout:
-- writers queue behind this lock while it waits for those before it.  Capture
-- begins when this commits: the lock says that no writer is in the table now,
-- so every later one fires the triggers.  Does nothing where all is in place.
-- The role, if given, must have the right to have it captured at this moment.
CREATE FUNCTION dbsync_internal.install_capture(captured_id int, role oid DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
    chosen_key oid;
    current_shape int;
BEGIN
    -- most often all is in place, and then nobody has to wait for us
    IF NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE c.id = captured_id AND c.state = 'installing') THEN
        RETURN;
    END IF;
    captured := dbsync_internal.lock_captured(captured_id, 'SHARE ROW EXCLUSIVE');
    IF captured.id IS NULL OR captured.state <> 'installing' THEN
        RETURN;
    ELSIF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = captured.relid) THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table',
            MESSAGE = format('captured table %s does not exist any more', captured.relid::oid),
            HINT = 'Take it out of its subscriptions with dbsync.remove_table().';
    END IF;
    IF role IS NOT NULL THEN
        PERFORM dbsync_internal.check_rights(role, captured.relid);
    END IF;
    PERFORM dbsync_internal.check_supported(captured.relid);

    -- A table that was suspended can have been altered since.  What was captured of another
    -- shape is of no use then: all its subscriptions copy the table anew.
    chosen_key := dbsync_internal.choose_key(captured.relid);
    current_shape := dbsync_internal.find_shape(captured.id, captured.relid, chosen_key);
    PERFORM dbsync_internal.drop_segment(s.id) FROM dbsync.segment s
    WHERE s.captured_id = captured.id AND s.shape_id <> current_shape;
    DELETE FROM dbsync.shape h WHERE h.captured_id = captured.id AND h.id <> current_shape;
    IF NOT EXISTS (SELECT FROM dbsync.segment s WHERE s.captured_id = captured.id AND s.active) THEN
        PERFORM dbsync_internal.create_segment(captured.id);
    END IF;
    PERFORM dbsync_internal.create_triggers(captured.id, captured.relid);

    UPDATE dbsync.captured_table c
    SET key_index = chosen_key, key_columns = dbsync_internal.key_columns(chosen_key)
    WHERE c.id = captured.id;
    UPDATE dbsync.captured_table c SET state = 'active', note = NULL, since = now(),
        shape = dbsync_internal.table_shape(captured.relid)
    WHERE c.id = captured.id;
END $$;
COMMENT ON FUNCTION dbsync_internal.install_capture(int, oid) IS 'begins to capture a table: segment, triggers, fingerprint';

-- DROP TRIGGER wants the table for itself: call it under lock_timeout.
CREATE FUNCTION dbsync_internal.remove_capture(captured_id int) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    IF EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = remove_capture.captured_id) THEN
        RETURN false;
    END IF;
    captured := dbsync_internal.lock_captured(captured_id, 'ACCESS EXCLUSIVE');
    IF captured.id IS NULL
        OR EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = captured.id) THEN
        RETURN false;
    END IF;
    -- what is being removed is no concern of the guard's
    UPDATE dbsync.captured_table c SET state = 'removing' WHERE c.id = captured.id;
    IF EXISTS (SELECT FROM pg_class c WHERE c.oid = captured.relid) THEN
        PERFORM dbsync_internal.drop_triggers(captured.relid);
    END IF;
    PERFORM dbsync_internal.drop_segment(s.id) FROM dbsync.segment s WHERE s.captured_id = captured.id;
    DELETE FROM dbsync.shape h WHERE h.captured_id = captured.id;
    DELETE FROM dbsync.skipped k WHERE k.captured_id = captured.id;
    DELETE FROM dbsync.captured_table c WHERE c.id = captured.id;
    RETURN true;
END $$;
COMMENT ON FUNCTION dbsync_internal.remove_capture(int) IS 'takes triggers and segments off a table that no subscription wants; false: one wants it';

-- A table that is never free for a moment keeps its triggers until it is: the
-- worker, and the next call of an admin function, try again.  Shorter than
-- deadlock_timeout, since writers queue behind us.
CREATE FUNCTION dbsync_internal.try_remove_capture(captured_id int) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
AS $$
BEGIN
    RETURN dbsync_internal.remove_capture(captured_id);
EXCEPTION
    -- 55006: this very transaction has written to it, or has a cursor open on it
    WHEN lock_not_available OR object_in_use OR deadlock_detected THEN
        RETURN false;
END $$;
COMMENT ON FUNCTION dbsync_internal.try_remove_capture(int) IS 'remove_capture(), or false when the table is in use';

-- Segments: what one looks like, making, checking and dropping it.
--
-- The functions here are called by the worker and by what puts capture on a table, as the
-- owner of the extension; no user can call them.

-- The columns of a table that a segment has, ready for CREATE TABLE: live ones in their order.  Domains are stored as what is below them, since
-- an image of a row long gone must not stand in the way of a new constraint.
-- Collations stay: keys are compared by them.
CREATE FUNCTION dbsync_internal.segment_columns(rel regclass) RETURNS TABLE (num int, name name, definition text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
BEGIN
    RETURN QUERY WITH RECURSIVE col AS (
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
    ORDER BY col.attnum;
END $$;
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
CREATE FUNCTION dbsync_internal.free_column_name(taken name[], wanted text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WHILE wanted = ANY (taken::text[]) LOOP
        wanted := wanted || '_';
    END LOOP;
    RETURN wanted;
END $$;
COMMENT ON FUNCTION dbsync_internal.free_column_name(name[], text) IS 'name of a tracking column that the captured table does not use';

-- Event triggers of the database run when a segment is made, and may have given it
-- columns, an owner or triggers.  What is wrong with it; null: nothing.  C code
-- writes to it without looking at any of that, and keeps no indexes but the headers'.
CREATE FUNCTION dbsync_internal.segment_problem(segment oid, captured_id int, shape_id int) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
DECLARE
    made pg_class;
    wanted text;
    present text;
    ncolumns int;
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
            ELSE (SELECT dbsync_internal.segment_body(h.columns) FROM dbsync.shape h WHERE h.id = shape_id)
        END INTO wanted;
    SELECT string_agg(s.definition, ', ' ORDER BY s.num), count(*) INTO present, ncolumns
    FROM dbsync_internal.segment_columns(segment::regclass) s;
    IF present IS DISTINCT FROM wanted
        OR ncolumns <> (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = segment AND a.attnum > 0) THEN
        RETURN 'Its columns are not those that it was made with.';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION dbsync_internal.segment_problem(oid, int, int) IS 'how a segment differs from what it was made as, in words; null: it does not';

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
CREATE FUNCTION dbsync_internal.check_segment(segment text, captured_id int, shape_id int) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text := dbsync_internal.segment_problem(to_regclass(segment), captured_id, shape_id);
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('tracking table %s was changed as it was made', segment),
            DETAIL = problem,
            HINT = dbsync_internal.event_trigger_hint();
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_segment(text, int, int) IS 'error if a new segment is not what it was made as';

CREATE FUNCTION dbsync_internal.add_member(rel regclass) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_add_member';
COMMENT ON FUNCTION dbsync_internal.add_member(regclass) IS 'ALTER EXTENSION dbsync ADD TABLE, without a lock on the extension';

CREATE FUNCTION dbsync_internal.remove_member(rel regclass) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_remove_member';
COMMENT ON FUNCTION dbsync_internal.remove_member(regclass) IS 'ALTER EXTENSION dbsync DROP TABLE, without a lock on the extension';

-- A default tablespace or access method of the session is none of ours (C code
-- writes to the heap), nor are rights that ALTER DEFAULT PRIVILEGES hands out.
CREATE FUNCTION dbsync_internal.create_segment(captured_id int) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET default_tablespace = ''
AS $$
DECLARE
    body text := 'LIKE dbsync_internal.header_1 INCLUDING STORAGE';
    new_id int := nextval(pg_get_serial_sequence('dbsync.segment', 'id'));
    last_shape int := (SELECT max(h.id) FROM dbsync.shape h WHERE h.captured_id = create_segment.captured_id);
    is_first boolean;
    segment text;
    bare text;
BEGIN
    segment := format('dbsync_internal.%I', format('%s_%s', CASE captured_id WHEN 0 THEN 'header' ELSE 'segment' END, new_id));
    IF captured_id <> 0 THEN
        SELECT dbsync_internal.segment_body(h.columns) INTO STRICT body FROM dbsync.shape h WHERE h.id = last_shape;
    END IF;
    EXECUTE format('CREATE TABLE %s (%s) USING heap WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off,
        vacuum_truncate = off, toast.vacuum_truncate = off)', segment, body);
    -- an ANALYZE of everything would run what types have of their owners' code as the owner of the segment; 16384: the
    -- first oid of what is no part of the system
    SELECT string_agg(format('ALTER COLUMN %I SET STATISTICS 0', a.attname), ', ') INTO bare
    FROM pg_attribute a WHERE a.attrelid = segment::regclass AND a.attnum > 0 AND a.atttypid >= 16384;
    IF bare IS NOT NULL THEN
        EXECUTE format('ALTER TABLE %s %s', segment, bare);
    END IF;
    IF captured_id = 0 THEN
        EXECUTE format('CREATE INDEX %I ON %s (xid)', format('header_%s_xid', new_id), segment);
    END IF;
    EXECUTE format('COMMENT ON TABLE %s IS %L', segment, CASE captured_id
        WHEN 0 THEN 'one row per captured transaction, written as it commits'
        ELSE 'captured changes; read them with dbsync.changes()' END);
    PERFORM dbsync_internal.revoke_all(format('TABLE %s', segment), c.relacl, c.relowner)
    FROM pg_class c WHERE c.oid = segment::regclass;
    PERFORM dbsync_internal.add_member(segment::regclass);
    PERFORM dbsync_internal.check_segment(segment, captured_id, last_shape);

    is_first := NOT EXISTS (SELECT FROM dbsync.segment s WHERE s.captured_id = create_segment.captured_id AND s.active);
    -- a spare that nobody has written to holds nothing that is not visible
    INSERT INTO dbsync.segment (id, captured_id, relid, active, sealed, shape_id)
    VALUES (new_id, captured_id, segment::regclass, is_first,
            CASE WHEN NOT is_first THEN pg_current_snapshot() END, last_shape);
    RETURN new_id;
END $$;
COMMENT ON FUNCTION dbsync_internal.create_segment(int) IS 'makes another segment for the last shape of a captured table (0: for the headers), active if none is';

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
        PERFORM dbsync_internal.remove_member(segment);
        EXECUTE format('DROP TABLE %s', segment);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_segment(int) IS 'removes one segment and what is in it';

-- The guard, before a command: what could not be undone, or not be seen, when it has run.

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
    FOR captured IN SELECT c.* FROM dbsync.captured_table c WHERE c.state IN ('active', 'dropped') ORDER BY c.id LOOP
        attname := dbsync_internal.column_of_type(captured, type);
        CONTINUE WHEN attname IS NULL;
        PERFORM dbsync_internal.refuse_ddl(captured,
            format(message, format_type(type, NULL), format('%I', attname), dbsync_internal.name_of(captured)),
            CASE WHEN EXISTS (SELECT FROM dbsync_internal.types_within(captured.relid) w WHERE captured.state <> 'dropped' AND w.typ = type)
            THEN 'Rows that are on the target would say something else than here. Use dbsync.suspend_table(), make the change '
                'on both sides, and copy the table anew with dbsync.copy_table().'
            ELSE 'Rows that were captured before have it, and would say something else. Wait until all subscriptions have got them; '
                'or take the table out of its subscriptions with dbsync.remove_table().' END);
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_changed_type(oid, text) IS 'error if a captured table, or what was captured of it, has values of the type, however deep inside';

CREATE FUNCTION dbsync_internal.guard_label(OUT was text, OUT becomes text) RETURNS record
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'dbsync_guard_label';
COMMENT ON FUNCTION dbsync_internal.guard_label() IS 'the label of an enum that is about to be renamed (null: to be added), and its name then';

-- What is written down of rows that have had a column since it was added is text.
CREATE FUNCTION dbsync_internal.rename_missing(captured_id int, enum oid, was text, becomes text) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE dbsync.turn t
    SET missing = (SELECT jsonb_object_agg(m.key, CASE WHEN c.type = enum AND m.value = was THEN becomes ELSE m.value END)
                   FROM jsonb_each_text(t.missing) m LEFT JOIN dbsync_internal.shape_columns(h.columns) c ON c.num = m.key::int)
    FROM dbsync.shape h
    WHERE t.captured_id = rename_missing.captured_id AND h.id = t.shape_id
      AND EXISTS (SELECT FROM jsonb_each_text(t.missing) m JOIN dbsync_internal.shape_columns(h.columns) c ON c.num = m.key::int
                  WHERE c.type = enum AND m.value = was)
$$;
COMMENT ON FUNCTION dbsync_internal.rename_missing(int, oid, text, text) IS 'a label of an enum gets another name in values of columns that were added';

-- Why a label cannot be renamed where this table has it; null: it can.
CREATE FUNCTION dbsync_internal.label_problem(captured dbsync.captured_table, enum oid, was text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on
AS $$
    SELECT CASE
        WHEN EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = captured.id AND a.state IN ('new', 'copying'))
            AND EXISTS (SELECT FROM dbsync.shape h, dbsync_internal.shape_columns(h.columns) c
                        WHERE h.captured_id = captured.id AND c.num = ANY (h.key) AND enum IN (SELECT dbsync_internal.types_in(c.type)))
        THEN 'It is in the key, and the table''s first copy has not ended.'
        WHEN EXISTS (SELECT FROM dbsync.turn t JOIN dbsync.shape h ON h.id = t.shape_id, jsonb_each_text(t.missing) m,
                         dbsync_internal.shape_columns(h.columns) c
                     WHERE t.captured_id = captured.id AND c.num = m.key::int AND c.type <> enum
                       -- however deep inside it is, and quoted there
                       AND strpos(translate(m.value, '"\', ''), translate(was, '"\', '')) > 0
                       AND enum IN (SELECT dbsync_internal.types_in(c.type)))
        THEN 'It is inside the value of a column that was added, which has yet to be sent.'
    END
$$;
COMMENT ON FUNCTION dbsync_internal.label_problem(dbsync.captured_table, oid, text) IS 'why a label of an enum cannot be renamed on account of a captured table; null: it can';

-- A label is known by its oid here and by its name at the target.  Which of them has which name
-- there can be told by looking as long as no name is given twice.
CREATE FUNCTION dbsync_internal.follow_label(enum oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
    change record := dbsync_internal.guard_label();
    renamed oid := (SELECT e.oid FROM pg_enum e WHERE e.enumtypid = enum AND e.enumlabel = change.was);
    problem text;
    used boolean := false;
BEGIN
    -- most types are in nothing else: then there is no need to go through all tables
    IF (change.was IS NOT NULL AND renamed IS NULL) OR NOT EXISTS (
        SELECT FROM pg_type t JOIN pg_depend d ON d.refobjid IN (t.oid, t.typarray)
        WHERE t.oid = enum AND d.refclassid = 'pg_type'::regclass AND d.deptype <> 'i') THEN
        RETURN;
    END IF;
    FOR captured IN SELECT c.* FROM dbsync.captured_table c WHERE dbsync_internal.has_type(c, enum) ORDER BY c.id LOOP
        used := true;
        -- those are copied anew, if they go on
        CONTINUE WHEN captured.state IN ('suspended', 'removing');
        IF EXISTS (SELECT FROM dbsync.former_label f WHERE f.type = enum AND f.name = change.becomes AND f.label IS DISTINCT FROM renamed) THEN
            problem := 'Another label had that name before, and what the target has under it cannot be told by looking.';
        ELSIF change.was IS NOT NULL THEN
            problem := dbsync_internal.label_problem(captured, enum, change.was);
        END IF;
        IF problem IS NOT NULL THEN
            PERFORM dbsync_internal.refuse_ddl(captured,
                format('cannot give a label of type %s the name "%s" while table %s is captured', format_type(enum, NULL), change.becomes,
                    dbsync_internal.name_of(captured)),
                problem || ' Take another name, or use dbsync.suspend_table(), make the change on both sides, and copy the table anew '
                'with dbsync.copy_table().');
        ELSIF change.was IS NOT NULL THEN
            PERFORM dbsync_internal.rename_missing(captured.id, enum, change.was, change.becomes);
        END IF;
    END LOOP;
    -- an UPDATE of nothing would still tell everybody of a change
    IF EXISTS (SELECT FROM dbsync.former_label f WHERE f.type = enum AND f.name = change.becomes) THEN
        DELETE FROM dbsync.former_label f WHERE f.type = enum AND f.name = change.becomes;
    END IF;
    IF used AND change.was IS NOT NULL THEN
        INSERT INTO dbsync.former_label (type, name, label) VALUES (enum, change.was, renamed)
        ON CONFLICT (type, name) DO UPDATE SET label = excluded.label;
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.follow_label(oid) IS 'writes down what a label of an enum was called; error if names were used twice';

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

CREATE FUNCTION dbsync_internal.guard_attributes(OUT was text, OUT becomes text[]) RETURNS record
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'dbsync_guard_attributes';
COMMENT ON FUNCTION dbsync_internal.guard_attributes() IS 'the attribute of a composite type that is about to be renamed (null: none), and the names that attributes get';

-- What is to be done where attributes cannot come and go on account of this table; null: they can.
CREATE FUNCTION dbsync_internal.attribute_problem(captured dbsync.captured_table, composite oid, taken name) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH why (problem) AS (
        SELECT CASE
            WHEN taken IS NOT NULL
            THEN format('Another attribute has or had the name %I, and what the target has under it cannot be told by looking.', taken)
            WHEN EXISTS (SELECT FROM dbsync.shape h, dbsync_internal.shape_columns(h.columns) c
                         WHERE h.captured_id = captured.id AND c.num = ANY (h.key) AND composite IN (SELECT dbsync_internal.types_in(c.type)))
            THEN 'It is in the key.'
            WHEN EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.captured_id = captured.id AND a.selection IS NOT NULL)
            THEN 'Columns or a filter were chosen for the table, which may look into it.'
            WHEN EXISTS (SELECT FROM dbsync.turn t JOIN dbsync.shape h ON h.id = t.shape_id, jsonb_each_text(t.missing) m,
                             dbsync_internal.shape_columns(h.columns) c
                         WHERE t.captured_id = captured.id AND c.num = m.key::int AND m.value IS NOT NULL
                           AND composite IN (SELECT dbsync_internal.types_in(c.type)))
            THEN 'A column was added with a value of it, which is written down.'
        END)
    SELECT CASE WHEN captured.state = 'dropped' OR NOT EXISTS (SELECT FROM dbsync_internal.types_within(captured.relid) w WHERE w.typ = composite)
        THEN 'Rows that were captured before have it, and would say something else. Wait until all subscriptions have got them; '
            'or take the table out of its subscriptions with dbsync.remove_table().'
        ELSE problem || CASE WHEN taken IS NULL THEN ' Use' ELSE ' Take another name, or use' END
            || ' dbsync.suspend_table(), make the change on both sides, and copy the table anew with dbsync.copy_table().'
    END FROM why
$$;
COMMENT ON FUNCTION dbsync_internal.attribute_problem(dbsync.captured_table, oid, name) IS 'hint of why attributes of a composite type cannot change on account of a captured table; null: they can. taken: a name that would be used twice';

-- An attribute is known by its number here and by its name at the target.  As with labels, which of
-- them has which name there can be told by looking as long as no name is given twice.
CREATE FUNCTION dbsync_internal.follow_attributes(composite oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
    change record := dbsync_internal.guard_attributes();
    rel oid := (SELECT t.typrelid FROM pg_type t WHERE t.oid = composite);
    taken name;
    problem text;
    used boolean := false;
BEGIN
    -- typed tables hand what they get on to values of their rows
    IF change.was IS NULL THEN
        PERFORM dbsync_internal.check_changed_attributes(t.oid) FROM dbsync_internal.row_types_below(composite) t (oid) WHERE t.oid <> composite;
    END IF;
    -- most types are in nothing else: then there is no need to go through all tables
    IF NOT EXISTS (SELECT FROM pg_type t JOIN pg_depend d ON d.refobjid IN (t.oid, t.typarray)
                   WHERE t.oid = composite AND d.refclassid = 'pg_type'::regclass AND d.deptype <> 'i') THEN
        RETURN;
    END IF;
    SELECT n.name INTO taken
    FROM (SELECT a.attname, a.attnum FROM pg_attribute a WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped
          UNION SELECT f.name, f.num FROM dbsync.former_attribute f WHERE f.type = composite) n (name, num)
    WHERE n.name = ANY (change.becomes)
      AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = rel AND a.attname = change.was AND a.attnum = n.num)
    ORDER BY 1 LIMIT 1;
    FOR captured IN SELECT c.* FROM dbsync.captured_table c WHERE dbsync_internal.has_type(c, composite) ORDER BY c.id LOOP
        used := true;
        -- those are copied anew, if they go on
        CONTINUE WHEN captured.state IN ('suspended', 'removing');
        -- text has values, and not their names
        CONTINUE WHEN change.was IS NOT NULL AND taken IS NULL;
        problem := dbsync_internal.attribute_problem(captured, composite, taken);
        IF problem IS NOT NULL THEN
            PERFORM dbsync_internal.refuse_ddl(captured,
                format('cannot change attributes of type %s, which is in column %s of captured table %s', format_type(composite, NULL),
                    quote_ident(dbsync_internal.column_of_type(captured, composite)), dbsync_internal.name_of(captured)), problem);
        END IF;
    END LOOP;
    -- twice: who alters the type beside us is waited for by the first, and seen by the second
    FOR i IN 1 .. 2 LOOP
        EXIT WHEN NOT used;
        INSERT INTO dbsync.former_attribute (type, name, num)
        SELECT composite, a.attname, a.attnum FROM pg_attribute a WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped
        ON CONFLICT (type, name) DO UPDATE SET num = excluded.num;
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.follow_attributes(oid) IS 'writes down what attributes of a composite type are called before they change; error if they cannot, or if names were used twice';

-- No user's code may run in a command that has switched capture off: it could write to the
-- table, and the command is over when capture is switched on again (check_triggers()).
CREATE FUNCTION dbsync_internal.check_triggers_alone(rel oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.relid = rel AND c.state = 'active' AND c.capture NOT IN ('none', 'snapshot');
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

-- The target generates such columns itself: rows that are there, and those to come, keep to what it has.
CREATE FUNCTION dbsync_internal.tell_of_expression(rel oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
BEGIN
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.relid = rel AND c.state = 'active';
    IF FOUND THEN
        RAISE NOTICE USING MESSAGE = format('generated columns of captured table %s are not sent: the target keeps its expression', captured.relid),
            DETAIL = coalesce(dbsync_internal.subscriptions_of(captured.id), 'No subscription has the table any more.'),
            HINT = 'Change the expression on the target, too.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.tell_of_expression(oid) IS 'notice if the table is captured: a generated column is about to get another expression';

-- Called by guard_start() (C), which knows the command.
CREATE FUNCTION dbsync_internal.check_start(kind text, object oid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off
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
        WHEN 'label' THEN
            PERFORM dbsync_internal.follow_label(object);
        WHEN 'triggers' THEN
            PERFORM dbsync_internal.check_triggers_alone(object);
        WHEN 'composite' THEN
            PERFORM dbsync_internal.follow_attributes(object);
        WHEN 'attributes' THEN
            PERFORM dbsync_internal.check_changed_attributes(t.oid) FROM dbsync_internal.row_types_below(object) t (oid);
        WHEN 'own attributes' THEN
            PERFORM dbsync_internal.check_changed_attributes(object);
        WHEN 'expression' THEN
            PERFORM dbsync_internal.tell_of_expression(object);
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

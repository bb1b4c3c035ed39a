-- Configuration files: from what they say and what there is to statements, and back.
--
-- The plan is SQL that people could have typed: calls of the functions of schema dbsync, run as
-- whoever loads the file.  So nothing can be configured that these refuse.

CREATE FUNCTION dbsync_internal.config_plan_started(compared dbsync_internal.config_compared, replaced boolean) RETURNS SETOF dbsync_internal.config_step
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    section dbsync_internal.config_section := compared.section;
    runs boolean := NOT replaced AND coalesce((compared.present ->> 'enabled')::boolean, false);
    wanted boolean := coalesce((section.keys ->> 'started')::boolean, (compared.present ->> 'enabled')::boolean, false);
    title text := dbsync_internal.config_title('subscription', section.subscription, NULL);
    line int := dbsync_internal.config_line(section, '{started}');
BEGIN
    -- what stops cannot be rolled back, so it comes behind what may be refused
    IF wanted AND NOT runs THEN
        RETURN NEXT (80, line, 'start', title, format('SELECT dbsync.start_subscription(%L)', section.subscription), '{}', section.lines)::dbsync_internal.config_step;
    ELSIF runs AND NOT wanted THEN
        RETURN NEXT (85, line, 'stop', title, format('SELECT dbsync.stop_subscription(%L)', section.subscription), '{}', section.lines)::dbsync_internal.config_step;
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_plan_started(dbsync_internal.config_compared, boolean) IS 'what starts or stops a subscription';

-- with_tables: it gets tables by their names, which come in before those of its rules.
CREATE FUNCTION dbsync_internal.config_plan_subscription(arguments dbsync_internal.config_argument[], compared dbsync_internal.config_compared,
    replaced boolean, with_tables boolean) RETURNS SETOF dbsync_internal.config_step
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    section dbsync_internal.config_section := compared.section;
    rules CONSTANT text[] := '{schemas,all_tables,except_tables}';
    title text := dbsync_internal.config_title('subscription', section.subscription, NULL);
    said text[] := array_remove(dbsync_internal.config_said(arguments, section), 'target');
    differs text[] := coalesce(compared.differs, '{}');
    early text[];
BEGIN
    IF replaced AND (compared.present ->> 'enabled')::boolean THEN
        RETURN NEXT (15, section.line, 'replace (copies all tables anew)', title, format('SELECT dbsync.stop_subscription(%L)', section.subscription), '{}', section.lines)::dbsync_internal.config_step;
    END IF;
    IF replaced THEN
        RETURN NEXT (16, dbsync_internal.config_line(section, differs), 'replace (copies all tables anew)', title, format('SELECT dbsync.drop_subscription(%L)', section.subscription), '{}', section.lines)::dbsync_internal.config_step;
    END IF;
    IF replaced OR NOT compared.there THEN
        early := ARRAY(SELECT k FROM unnest(said) k WHERE NOT (with_tables AND k = ANY (rules)));
        RETURN NEXT (20, section.line, CASE WHEN replaced THEN 'replace (copies all tables anew)' ELSE 'create' END, title,
            dbsync_internal.config_call(arguments, 'create_subscription', section, ARRAY[section.subscription, section.keys ->> 'target'], early), '{}', section.lines)::dbsync_internal.config_step;
        differs := CASE WHEN with_tables AND said && rules THEN rules ELSE '{}' END;
    ELSE
        early := ARRAY(SELECT k FROM unnest(differs) k WHERE k <> ALL (rules));
        IF early <> '{}' THEN
            RETURN NEXT (21, dbsync_internal.config_line(section, early), 'alter', title,
                dbsync_internal.config_call(arguments, 'alter_subscription', section, ARRAY[section.subscription], early), '{}', section.lines)::dbsync_internal.config_step;
        END IF;
    END IF;
    IF differs && rules THEN
        RETURN NEXT (60, dbsync_internal.config_line(section, rules), 'alter', title,
            dbsync_internal.config_call(arguments, 'alter_subscription', section, ARRAY[section.subscription], rules), '{}', section.lines)::dbsync_internal.config_step;
    END IF;
    RETURN QUERY SELECT * FROM dbsync_internal.config_plan_started(compared, replaced);
END $$;
COMMENT ON FUNCTION dbsync_internal.config_plan_subscription(dbsync_internal.config_argument[], dbsync_internal.config_compared, boolean, boolean) IS 'what makes a subscription as a configuration has it';

-- What is at the target is what was sent so far: it goes, unless it is another table there.
CREATE FUNCTION dbsync_internal.config_plan_table(arguments dbsync_internal.config_argument[], compared dbsync_internal.config_compared,
    fresh boolean) RETURNS SETOF dbsync_internal.config_step
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    section dbsync_internal.config_section := compared.section;
    title text := dbsync_internal.config_title('table', section.subscription, section.name);
    names text[] := ARRAY[section.subscription, section.name];
    said text[] := dbsync_internal.config_said(arguments, section);
    line int := dbsync_internal.config_line(section, compared.differs);
BEGIN
    IF fresh THEN
        RETURN NEXT (50, section.line, 'add', title, dbsync_internal.config_call(arguments, 'add_table', section, names, said), '{}', section.lines)::dbsync_internal.config_step;
    ELSIF NOT EXISTS (SELECT FROM unnest(arguments) a WHERE a.kind = 'table' AND a.key = ANY (compared.differs) AND NOT a.alterable) THEN
        RETURN NEXT (50, line, 'alter (copies the table anew)', title, dbsync_internal.config_call(arguments, 'alter_table', section, names,
            compared.differs || CASE WHEN 'existing_rows' = ANY (said) THEN '{existing_rows}'::text[] ELSE '{}' END), '{}', section.lines)::dbsync_internal.config_step;
    ELSE
        IF 'existing_rows' <> ALL (said) AND 'copy_data' <> ALL (said) AND 'target_table' <> ALL (compared.differs) THEN
            section.keys := section.keys || '{"existing_rows": "truncate"}';
            said := said || '{existing_rows}'::text[];
        END IF;
        RETURN NEXT (40, line, 'replace (copies the table anew)', title, dbsync_internal.config_call(arguments, 'remove_table', section, names), '{}', section.lines)::dbsync_internal.config_step;
        RETURN NEXT (50, line, 'replace (copies the table anew)', title, dbsync_internal.config_call(arguments, 'add_table', section, names, said), '{}', section.lines)::dbsync_internal.config_step;
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_plan_table(dbsync_internal.config_argument[], dbsync_internal.config_compared, boolean) IS 'what makes a table of a subscription as a configuration has it';

CREATE FUNCTION dbsync_internal.config_plan_sequence(arguments dbsync_internal.config_argument[], compared dbsync_internal.config_compared,
    fresh boolean) RETURNS SETOF dbsync_internal.config_step
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    section dbsync_internal.config_section := compared.section;
    title text := dbsync_internal.config_title('sequence', section.subscription, section.name);
    names text[] := ARRAY[section.subscription, section.name];
    action text := CASE WHEN fresh THEN 'add' ELSE 'replace' END;
BEGIN
    IF NOT fresh THEN
        RETURN NEXT (40, section.line, action, title, dbsync_internal.config_call(arguments, 'remove_sequence', section, names), '{}', section.lines)::dbsync_internal.config_step;
    END IF;
    RETURN NEXT (55, section.line, action, title,
        dbsync_internal.config_call(arguments, 'add_sequence', section, names, dbsync_internal.config_said(arguments, section)), '{}', section.lines)::dbsync_internal.config_step;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_plan_sequence(dbsync_internal.config_argument[], dbsync_internal.config_compared, boolean) IS 'what makes a sequence of a subscription as a configuration has it';

-- Tables that the file does not name, and that are to be as it has them nevertheless: of
-- subscriptions that are made anew, and with "prune" those that rules in the file have.
CREATE FUNCTION dbsync_internal.config_unnamed(caller oid, arguments dbsync_internal.config_argument[], sections dbsync_internal.config_section[],
    replaced text[], prune boolean) RETURNS dbsync_internal.config_section[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
    WITH present AS MATERIALIZED (SELECT p.* FROM dbsync_internal.config_present() p), unnamed AS (
        SELECT p.*, dbsync_internal.config_has_by_rule(coalesce(s.keys, u."values"), p.name) AS by_rules,
            p.by_rule AND NOT EXISTS (
                SELECT FROM unnest(arguments) a WHERE a.kind = p.kind AND NOT a.once
                  AND p."values" -> a.key <> 'null' AND dbsync_internal.config_normal(a.key, p."values" -> a.key) IS NOT NULL) AS plain
        FROM present p JOIN present u ON u.kind = 'subscription' AND u.subscription = p.subscription
        LEFT JOIN unnest(sections) s ON s.kind = 'subscription' AND s.subscription = p.subscription::text
        WHERE p.kind IN ('table', 'sequence') AND p.subscription IN (SELECT dbsync_internal.config_own(caller))
          AND (p.kind, p.subscription::text, p.name) NOT IN (SELECT o.kind, o.subscription, o.name FROM unnest(sections) o WHERE o.kind IN ('table', 'sequence'))
          AND (p.subscription = ANY (replaced) OR (prune AND p.subscription::text IN (SELECT o.subscription FROM unnest(sections) o))))
    SELECT coalesce(array_agg((NULL, n.kind, n.subscription, n.name, CASE WHEN prune THEN '{}' ELSE jsonb_strip_nulls((
                SELECT coalesce(jsonb_object_agg(a.key, n."values" -> a.key), '{}') FROM unnest(arguments) a WHERE a.kind = n.kind)) END,
            '{}')::dbsync_internal.config_section ORDER BY n.kind, n.subscription, n.name), '{}')
    FROM unnamed n WHERE NOT n.plain AND CASE WHEN prune THEN n.kind = 'table' AND n.by_rules ELSE true END
$$;
COMMENT ON FUNCTION dbsync_internal.config_unnamed(oid, dbsync_internal.config_argument[], dbsync_internal.config_section[], text[], boolean) IS 'sections of what a configuration does not name and that is to be as it says all the same';

CREATE FUNCTION dbsync_internal.config_has_by_rule(rules jsonb, name text) RETURNS boolean
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce((coalesce((rules ->> 'all_tables')::boolean, false)
            OR coalesce(nullif(rules -> 'schemas', 'null'), '[]') ? (parse_ident(name))[1])
        AND NOT coalesce(nullif(rules -> 'except_tables', 'null'), '[]') ? name, false)
$$;
COMMENT ON FUNCTION dbsync_internal.config_has_by_rule(jsonb, text) IS 'do rules that were said have the table?';

-- What nothing in the file names: of the caller's own.
CREATE FUNCTION dbsync_internal.config_plan_prune(caller oid, arguments dbsync_internal.config_argument[], sections dbsync_internal.config_section[],
    replaced text[]) RETURNS SETOF dbsync_internal.config_step
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT 40, NULL::int, 'remove', dbsync_internal.config_title(p.kind, p.subscription, p.name),
        format('SELECT dbsync.remove_%s(%L, %L)', p.kind, p.subscription, p.name), '{}'::text[], NULL::jsonb
    FROM dbsync_internal.config_present('{table,sequence}') p
    WHERE NOT p.by_rule AND p.subscription <> ALL (replaced) AND p.subscription IN (SELECT dbsync_internal.config_own(caller))
      AND p.subscription::text IN (SELECT s.subscription FROM unnest(sections) s)
      AND (p.kind, p.subscription::text, p.name) NOT IN (SELECT s.kind, s.subscription, s.name FROM unnest(sections) s WHERE s.kind IN ('table', 'sequence'));
    RETURN QUERY
    SELECT v.rank, NULL::int, v.action, dbsync_internal.config_title('subscription', p.subscription, NULL),
        format('SELECT dbsync.%s_subscription(%L)', v.action, p.subscription), '{}'::text[], NULL::jsonb
    FROM dbsync_internal.config_present('{subscription}') p CROSS JOIN (VALUES (90, 'stop'), (91, 'drop')) v (rank, action)
    WHERE p.kind = 'subscription' AND p.subscription IN (SELECT dbsync_internal.config_own(caller))
      AND NOT EXISTS (SELECT FROM unnest(sections) s WHERE s.subscription = p.subscription::text)
      AND (v.action = 'drop' OR (p."values" ->> 'enabled')::boolean);
    RETURN QUERY
    SELECT 95, NULL::int, 'drop', dbsync_internal.config_title('target', NULL, f.srvname), format('SELECT dbsync.drop_target(%L)', f.srvname), '{}'::text[], NULL::jsonb
    FROM pg_foreign_server f JOIN pg_foreign_data_wrapper w ON w.oid = f.srvfdw AND left(w.fdwname, 7) = 'dbsync_'
    WHERE dbsync_internal.may_act_as(caller, f.srvowner)
      AND NOT EXISTS (SELECT FROM unnest(sections) s WHERE (s.kind = 'target' AND s.name = f.srvname) OR s.keys ->> 'target' = f.srvname)
      AND NOT EXISTS (SELECT FROM dbsync_internal.config_present('{subscription}') p LEFT JOIN unnest(sections) s ON s.kind = 'subscription' AND s.subscription = p.subscription::text
                      WHERE p.kind = 'subscription' AND coalesce(s.keys ->> 'target', p."values" ->> 'target') = f.srvname
                        AND (p.subscription NOT IN (SELECT dbsync_internal.config_own(caller)) OR EXISTS (SELECT FROM unnest(sections) o WHERE o.subscription = p.subscription::text)));
END $$;
COMMENT ON FUNCTION dbsync_internal.config_plan_prune(oid, dbsync_internal.config_argument[], dbsync_internal.config_section[], text[]) IS 'what takes away all that a configuration does not name';

-- It would have no effect, which somebody may expect of it.
CREATE FUNCTION dbsync_internal.config_notice_once(arguments dbsync_internal.config_argument[], compared dbsync_internal.config_compared) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    section dbsync_internal.config_section := compared.section;
    option text;
BEGIN
    FOR option IN
        SELECT a.key FROM unnest(arguments) a
        WHERE a.kind = section.kind AND a.once AND section.keys ? a.key
          AND dbsync_internal.config_normal(a.key, section.keys -> a.key) IS DISTINCT FROM dbsync_internal.config_normal(a.key, compared.present -> a.key)
        ORDER BY a.place
    LOOP
        RAISE NOTICE USING MESSAGE = format('line %s: %s of subscription "%s" stays as it was when it was made', section.lines ->> option, option, section.subscription),
            HINT = 'To have it otherwise, drop the subscription and load the configuration again.';
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_notice_once(dbsync_internal.config_argument[], dbsync_internal.config_compared) IS 'says so if an option cannot be changed any more';

CREATE FUNCTION dbsync_internal.config_steps(caller oid, config text, prune boolean) RETURNS SETOF dbsync_internal.config_step
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    arguments dbsync_internal.config_argument[] := ARRAY(SELECT a FROM dbsync_internal.config_arguments() a);
    sections dbsync_internal.config_section[] := dbsync_internal.config_sections(config);
    section dbsync_internal.config_section;
    compared dbsync_internal.config_compared;
    replaced text[];
    known text[];
BEGIN
    FOREACH section IN ARRAY sections LOOP
        IF section.kind = 'target' THEN
            RETURN QUERY SELECT * FROM dbsync_internal.config_plan_target(caller, section);
        END IF;
    END LOOP;
    PERFORM dbsync_internal.config_check(caller, sections);
    SELECT coalesce(array_agg((c.section).subscription) FILTER (WHERE c.differs && ARRAY(
            SELECT a.key FROM unnest(arguments) a WHERE a.kind = 'subscription' AND NOT a.alterable)), '{}'),
        coalesce(array_agg((c.section).subscription) FILTER (WHERE c.there), '{}')
    INTO replaced, known
    FROM dbsync_internal.config_compare(ARRAY(SELECT s FROM unnest(sections) s WHERE s.kind = 'subscription')) c;
    sections := sections || dbsync_internal.config_unnamed(caller, arguments, sections, replaced, prune);
    FOR compared IN SELECT * FROM dbsync_internal.config_compare(sections) LOOP
        section := compared.section;
        IF section.kind = 'subscription' THEN
            RETURN QUERY SELECT * FROM dbsync_internal.config_plan_subscription(arguments, compared, section.subscription = ANY (replaced),
                EXISTS (SELECT FROM unnest(sections) s WHERE s.kind = 'table' AND s.subscription = section.subscription));
            IF compared.there THEN
                PERFORM dbsync_internal.config_notice_once(arguments, compared);
            END IF;
        ELSIF compared.there AND section.subscription <> ALL (replaced) THEN
            IF compared.differs && '{columns,filter}' THEN
                compared.differs := dbsync_internal.config_really_differs(compared);
            END IF;
            IF compared.differs IS NULL THEN
                CONTINUE;
            ELSIF section.kind = 'table' THEN
                RETURN QUERY SELECT * FROM dbsync_internal.config_plan_table(arguments, compared, false);
            ELSE
                RETURN QUERY SELECT * FROM dbsync_internal.config_plan_sequence(arguments, compared, false);
            END IF;
        ELSIF section.kind = 'table' THEN
            RETURN QUERY SELECT * FROM dbsync_internal.config_plan_table(arguments, compared, true);
        ELSE
            RETURN QUERY SELECT * FROM dbsync_internal.config_plan_sequence(arguments, compared, true);
        END IF;
    END LOOP;
    IF prune THEN
        RETURN QUERY SELECT * FROM dbsync_internal.config_plan_prune(caller, arguments, sections, replaced);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_steps(oid, text, boolean) IS 'the plan of a configuration, in no order';

CREATE FUNCTION dbsync_internal.load_config(caller oid, config text, file text, dry_run boolean, prune boolean)
    RETURNS TABLE (line int, action text, object text, statement text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
#variable_conflict use_variable
DECLARE
    step record;
BEGIN
    IF (config IS NULL) = (file IS NULL) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'either config or file must be given',
            HINT = 'SELECT * FROM dbsync.load_config(file => ''/path/on/the/server.ini''), or load_config(''[dbsync] ...'').';
    ELSIF octet_length(config) > 10 * 1024 * 1024 THEN
        RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded', MESSAGE = 'the configuration is larger than 10 MB';
    END IF;
    PERFORM dbsync_internal.require_adopted();
    config := coalesce(config, dbsync_internal.config_read(caller, file));
    IF NOT dry_run THEN
        PERFORM dbsync_internal.config_lock(true);
    END IF;
    FOR step IN
        SELECT s.* FROM dbsync_internal.config_steps(caller, config, prune) WITH ORDINALITY s (rank, line, action, object, statement, secrets, lines, n)
        ORDER BY s.rank, s.line, s.object COLLATE "C", s.n
    LOOP
        IF NOT dry_run THEN
            PERFORM dbsync_internal.config_run(caller, coalesce(step.line, 0), step.statement, step.secrets,
                coalesce(array_agg(l.key ORDER BY l.value::int), '{}'), coalesce(array_agg(l.value::int ORDER BY l.value::int), '{}'))
            FROM jsonb_each_text(step.lines) l;
        END IF;
        line := step.line;
        action := step.action;
        object := step.object;
        statement := step.statement;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.load_config(oid, text, text, boolean, boolean) IS 'body of dbsync.load_config()';

CREATE FUNCTION dbsync.load_config(config text DEFAULT NULL, file text DEFAULT NULL, dry_run boolean DEFAULT false, prune boolean DEFAULT false)
    RETURNS TABLE (line int, action text, object text, statement text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.load_config(text, text, boolean, boolean) IS 'makes targets, subscriptions, their tables and sequences what a configuration says, by the statements that it returns, all or none; dry_run: only returns them; prune: what the configuration does not name is taken away';

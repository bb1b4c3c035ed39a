-- Configuration files: from what they say and what there is to statements, and back.
--
-- The plan is SQL that people could have typed: calls of the functions of schema dbsync, run as
-- whoever loads the file.  So nothing can be configured that these refuse.

CREATE TYPE dbsync_internal.config_step AS (
    rank int, line int, action text, object text, statement text, secrets text[]);
COMMENT ON TYPE dbsync_internal.config_step IS 'a statement of a plan; rank: steps of lower ones come first';

-- differs: options that are to be changed; null: it is not there.
CREATE TYPE dbsync_internal.config_compared AS (
    section dbsync_internal.config_section, object oid, present jsonb, differs text[], "there" boolean);
COMMENT ON TYPE dbsync_internal.config_compared IS 'a section of a configuration beside what there is';

-- ---------------------------------------------------------------------------
-- Statements

CREATE FUNCTION dbsync_internal.config_literal(type oid, value jsonb) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN value IS NULL OR value = 'null' THEN 'NULL'
        WHEN jsonb_typeof(value) = 'boolean' AND type = 'boolean'::regtype THEN value::text
        WHEN jsonb_typeof(value) = 'array' AND type <> 'jsonb'::regtype
            THEN quote_literal(ARRAY(SELECT e.value FROM jsonb_array_elements_text(value) WITH ORDINALITY e (value, n) ORDER BY e.n)::text)
        WHEN type = 'jsonb'::regtype THEN quote_literal(value::text)
        ELSE quote_literal(value #>> '{}') END
$$;
COMMENT ON FUNCTION dbsync_internal.config_literal(oid, jsonb) IS 'a value of an option as a literal of SQL';

-- What takes an option back where a function takes null for "leave it".
CREATE FUNCTION dbsync_internal.config_unset(key text, type oid, fallback jsonb) RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN key = 'operations' THEN '["insert", "update", "delete", "truncate"]'::jsonb
        WHEN fallback IS NOT NULL THEN fallback
        WHEN type = 'jsonb'::regtype THEN '{}'
        WHEN EXISTS (SELECT FROM pg_type t WHERE t.oid = type AND t.typcategory = 'A') THEN '[]'
        ELSE '""' END
$$;
COMMENT ON FUNCTION dbsync_internal.config_unset(text, oid, jsonb) IS 'the value that says nothing, to a function that changes something';

-- Behind the names come those of the options in "keys" that are listed, by their names.
CREATE FUNCTION dbsync_internal.config_call(arguments dbsync_internal.config_argument[], function text, section dbsync_internal.config_section,
    names text[], listed text[] DEFAULT '{}') RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
    SELECT format('SELECT dbsync.%s(%s)', function, concat_ws(', ',
        (SELECT string_agg(quote_literal(n.name), ', ' ORDER BY n.n) FROM unnest(names) WITH ORDINALITY n (name, n)),
        (SELECT string_agg(format('%I => %s', a.key, dbsync_internal.config_literal(a.type,
                 coalesce(section.keys -> a.key, dbsync_internal.config_unset(a.key, a.type, a.fallback)))), ', ' ORDER BY a.place)
         FROM unnest(arguments) a WHERE a.kind = section.kind AND a.key = ANY (listed))))
$$;
COMMENT ON FUNCTION dbsync_internal.config_call(dbsync_internal.config_argument[], text, dbsync_internal.config_section, text[], text[]) IS 'a call of a function of schema dbsync';

-- Options that say something, of those that a section has.
CREATE FUNCTION dbsync_internal.config_said(arguments dbsync_internal.config_argument[], section dbsync_internal.config_section) RETURNS text[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT ARRAY(SELECT a.key FROM unnest(arguments) a
                 WHERE a.kind = section.kind AND section.keys ? a.key
                   AND dbsync_internal.config_normal(a.key, section.keys -> a.key) IS DISTINCT FROM dbsync_internal.config_normal(a.key, a.fallback))
$$;
COMMENT ON FUNCTION dbsync_internal.config_said(dbsync_internal.config_argument[], dbsync_internal.config_section) IS 'options of a section that are not what they are without it';

-- The line of the first of these options, or of the section.
CREATE FUNCTION dbsync_internal.config_line(section dbsync_internal.config_section, keys text[]) RETURNS int
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce((SELECT min((section.lines ->> k)::int) FROM unnest(keys) k), section.line)
$$;
COMMENT ON FUNCTION dbsync_internal.config_line(dbsync_internal.config_section, text[]) IS 'where options are in a configuration';

-- ---------------------------------------------------------------------------
-- Targets

-- Passwords are compared for whoever may read them, and set again for others.
CREATE FUNCTION dbsync_internal.config_may_read(caller oid, role oid) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT caller = role OR (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = caller)
$$;
COMMENT ON FUNCTION dbsync_internal.config_may_read(oid, oid) IS 'may the caller read the role''s user mappings?';

CREATE FUNCTION dbsync_internal.config_driver(section dbsync_internal.config_section) RETURNS name
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    driver text := coalesce(section.keys ->> 'driver', CASE WHEN section.keys ? 'uri' THEN dbsync_internal.wrapper_of(section.keys ->> 'uri') ELSE 'dbsync_postgres' END);
    drivers text[] := ARRAY(SELECT w.fdwname::text FROM pg_foreign_data_wrapper w WHERE left(w.fdwname, 7) = 'dbsync_' ORDER BY w.fdwname);
BEGIN
    IF driver <> ALL (drivers) THEN
        PERFORM dbsync_internal.config_refuse(dbsync_internal.config_line(section, '{driver}'), format('there is no driver "%s"', driver),
            dbsync_internal.config_guess(driver, drivers, 'Drivers'), '22023');
    END IF;
    RETURN driver;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_driver(dbsync_internal.config_section) IS 'the driver of a target in a configuration';

-- All that is said of it, the password among it, as options.
CREATE FUNCTION dbsync_internal.config_target_given(caller oid, section dbsync_internal.config_section) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    driver name := dbsync_internal.config_driver(section);
    known text[] := dbsync_internal.config_target_options(driver);
    given jsonb := section.keys - '{driver,uri,password_file}'::text[];
    unknown text := (SELECT k FROM jsonb_object_keys(given) k WHERE k <> ALL (known) ORDER BY (section.lines ->> k)::int LIMIT 1);
BEGIN
    IF unknown IS NOT NULL THEN
        PERFORM dbsync_internal.config_refuse((section.lines ->> unknown)::int, format('[target] has no key "%s"', unknown),
            dbsync_internal.config_guess(unknown, known || '{driver,password_file,uri}', 'Keys of [target]'));
    ELSIF section.keys ?& '{password,password_file}' THEN
        PERFORM dbsync_internal.config_refuse((section.lines ->> 'password_file')::int, 'there are both password and password_file', 'Leave one of them out.');
    END IF;
    IF section.keys ? 'uri' THEN
        BEGIN
            given := (SELECT coalesce(jsonb_object_agg(o.option, o.value), '{}') FROM dbsync_internal.parse_uri(section.keys ->> 'uri') o) || given;
        EXCEPTION WHEN invalid_parameter_value THEN
            PERFORM dbsync_internal.config_refuse((section.lines ->> 'uri')::int, sqlerrm, 'Write postgresql://user@host:port/dbname?option=value.', sqlstate);
        END;
    END IF;
    IF section.keys ? 'password_file' THEN
        given := given || jsonb_build_object('password', regexp_replace(dbsync_internal.config_read(caller, section.keys ->> 'password_file'), '\r?\n.*$', ''));
    END IF;
    RETURN given;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_target_given(oid, dbsync_internal.config_section) IS 'the options that a configuration gives a target';

-- The statement has $1, $2 … where a secret belongs.
CREATE FUNCTION dbsync_internal.config_target_call(function text, name text, driver name, options jsonb, given jsonb,
    OUT statement text, OUT secrets text[])
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    literal text := quote_literal(options::text);
    option text;
BEGIN
    secrets := '{}';
    FOR option IN SELECT k FROM jsonb_object_keys(given - 'password'::text) k ORDER BY k COLLATE "C" LOOP
        secrets := secrets || (given ->> option);
        literal := format('pg_catalog.jsonb_set(%s, %L, pg_catalog.to_jsonb($%s))', literal, ARRAY[option]::text, cardinality(secrets));
    END LOOP;
    IF given ? 'password' THEN
        secrets := secrets || (given ->> 'password');
    END IF;
    statement := format('SELECT dbsync.%s(%s)', function, concat_ws(', ', quote_literal(name),
        CASE WHEN driver IS NOT NULL THEN format('uri => %L', CASE driver WHEN 'dbsync_postgres' THEN 'postgresql' ELSE substr(driver, 8) END || '://') END,
        CASE WHEN given ? 'password' THEN format('password => $%s', cardinality(secrets)) END,
        CASE WHEN options <> '{}' OR literal <> quote_literal('{}') THEN format('options => %s', literal) END));
END $$;
COMMENT ON FUNCTION dbsync_internal.config_target_call(text, text, name, jsonb, jsonb) IS 'a call that makes or changes a target, and its secrets, which are parameters';

CREATE FUNCTION dbsync_internal.config_plan_target(caller oid, section dbsync_internal.config_section) RETURNS SETOF dbsync_internal.config_step
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given jsonb := dbsync_internal.config_target_given(caller, section);
    shown jsonb := (SELECT coalesce(jsonb_object_agg(g.key, g.value), '{}') FROM jsonb_each(given) g WHERE NOT dbsync_internal.config_is_secret(g.key));
    server pg_foreign_server;
    role oid;
    own jsonb;
    mapping jsonb;
    call record;
BEGIN
    given := (SELECT coalesce(jsonb_object_agg(g.key, g.value), '{}') FROM jsonb_each(given) g WHERE dbsync_internal.config_is_secret(g.key));
    SELECT s.* INTO server FROM pg_foreign_server s WHERE s.srvname = section.name;
    IF NOT FOUND THEN
        call := dbsync_internal.config_target_call('create_target', section.name, dbsync_internal.config_driver(section), shown, given);
        RETURN NEXT (10, section.line, 'create', dbsync_internal.config_title('target', NULL, section.name), call.statement, call.secrets)::dbsync_internal.config_step;
        RETURN;
    END IF;
    PERFORM dbsync_internal.config_check_target(caller, section, server);
    role := dbsync_internal.mapped_role(caller, server);
    SELECT coalesce(jsonb_object_agg(o.option_name, o.option_value), '{}') INTO own FROM pg_options_to_table(server.srvoptions) o;
    SELECT coalesce(jsonb_object_agg(o.option_name, o.option_value), '{}') INTO mapping
    FROM pg_user_mappings m, pg_options_to_table(m.umoptions) o WHERE m.srvid = server.oid AND m.umuser = role;
    -- what is in the user mapping, and in no file, stays
    SELECT coalesce(jsonb_object_agg(o.key, o.value), '{}') INTO shown FROM (
        SELECT s.key, s.value FROM jsonb_each(shown) s
        WHERE s.value IS DISTINCT FROM CASE WHEN dbsync_internal.is_mapping_option(s.key) THEN mapping ELSE own END -> s.key
        UNION ALL SELECT k, 'null' FROM jsonb_object_keys(own) k WHERE NOT shown ? k) o;
    SELECT coalesce(jsonb_object_agg(g.key, g.value), '{}') INTO given FROM jsonb_each(given) g
    WHERE NOT dbsync_internal.config_may_read(caller, role) OR g.value IS DISTINCT FROM mapping -> g.key;
    IF shown <> '{}' OR given <> '{}' THEN
        call := dbsync_internal.config_target_call('alter_target', section.name, NULL, shown, given);
        RETURN NEXT (10, dbsync_internal.config_line(section, ARRAY(SELECT jsonb_object_keys(shown || given))), 'alter',
            dbsync_internal.config_title('target', NULL, section.name), call.statement, call.secrets)::dbsync_internal.config_step;
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_plan_target(oid, dbsync_internal.config_section) IS 'what makes a target as a configuration has it';

CREATE FUNCTION dbsync_internal.config_check_target(caller oid, section dbsync_internal.config_section, server pg_foreign_server) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    driver name := (SELECT w.fdwname FROM pg_foreign_data_wrapper w WHERE w.oid = server.srvfdw);
BEGIN
    IF left(driver, 7) <> 'dbsync_' THEN
        PERFORM dbsync_internal.config_refuse(section.line, format('foreign server "%s" is not a target of dbsync', section.name), 'Take another name.', '42809');
    ELSIF NOT dbsync_internal.may_act_as(caller, server.srvowner) THEN
        PERFORM dbsync_internal.config_refuse(section.line, format('must be owner of target "%s"', section.name),
            'To use a target of somebody else''s, leave out its section.', '42501');
    ELSIF driver <> dbsync_internal.config_driver(section) THEN
        PERFORM dbsync_internal.config_refuse(dbsync_internal.config_line(section, '{driver,uri}'), format('target "%s" cannot get another driver', section.name),
            format('It has driver = %s. Create another target.', driver), '22023');
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_check_target(oid, dbsync_internal.config_section, pg_foreign_server) IS 'error unless a target can be made what a configuration says';

-- ---------------------------------------------------------------------------
-- Comparing

-- Sections about what is not there, or not the caller's.
CREATE FUNCTION dbsync_internal.config_check(caller oid, sections dbsync_internal.config_section[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad record;
BEGIN
    WITH said AS MATERIALIZED (
        SELECT s.*, (parse_ident(s.name))[1]::name AS schema, (parse_ident(s.name))[2]::name AS rel
        FROM unnest(sections) s WHERE s.kind IN ('subscription', 'table', 'sequence'))
    SELECT s.line, s.lines, s.kind, s.subscription, s.name, s.keys, u.name AS present, n.nspname AS schema, c.oid AS rel,
        u.name IS NOT NULL AND NOT dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(u.id)) AS foreign_one,
        n.oid IS NOT NULL AND NOT has_schema_privilege(caller, n.oid, 'USAGE') AS hidden
    INTO bad
    FROM said s LEFT JOIN dbsync.subscription u ON u.name = s.subscription
    LEFT JOIN unnest(sections) m ON m.kind = 'subscription' AND m.subscription = s.subscription
    LEFT JOIN pg_namespace n ON n.nspname = s.schema
    LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.rel
    WHERE (u.name IS NULL AND m.line IS NULL)
       OR (u.name IS NOT NULL AND NOT dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(u.id)))
       OR (s.kind <> 'subscription' AND (c.oid IS NULL OR NOT has_schema_privilege(caller, n.oid, 'USAGE')))
       OR (s.kind = 'subscription' AND u.name IS NULL AND NOT s.keys ? 'target')
       OR (s.kind = 'subscription' AND s.keys ? 'target' AND NOT EXISTS (SELECT FROM pg_foreign_server f WHERE f.srvname = s.keys ->> 'target')
           AND NOT EXISTS (SELECT FROM unnest(sections) t WHERE t.kind = 'target' AND t.name = s.keys ->> 'target'))
    ORDER BY s.line LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    ELSIF bad.foreign_one THEN
        PERFORM dbsync_internal.config_refuse(bad.line, format('must be owner of subscription "%s"', bad.subscription), NULL, '42501');
    ELSIF bad.kind = 'subscription' AND NOT bad.keys ? 'target' THEN
        PERFORM dbsync_internal.config_refuse(bad.line, format('subscription "%s" has no target', bad.subscription), 'Write target = name below it.', '22023');
    ELSIF bad.kind = 'subscription' THEN
        PERFORM dbsync_internal.config_refuse((bad.lines ->> 'target')::int, format('target "%s" does not exist', bad.keys ->> 'target'),
            'Write a section [target NAME], or make it with dbsync.create_target().', '42704');
    ELSIF bad.present IS NULL AND NOT EXISTS (SELECT FROM unnest(sections) m WHERE m.kind = 'subscription' AND m.subscription = bad.subscription) THEN
        PERFORM dbsync_internal.config_refuse(bad.line, format('subscription "%s" does not exist', bad.subscription),
            'Write a section [subscription NAME] for it, too.', '42704');
    ELSIF bad.schema IS NULL THEN
        PERFORM dbsync_internal.config_refuse(bad.line, format('the schema of %s %s does not exist', bad.kind, bad.name), NULL, '3F000');
    ELSIF bad.hidden THEN
        PERFORM dbsync_internal.config_refuse(bad.line, format('permission denied for schema %s', bad.schema), NULL, '42501');
    ELSE
        PERFORM dbsync_internal.config_refuse(bad.line, format('%s %s does not exist', bad.kind, bad.name), NULL, '42P01');
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_check(oid, dbsync_internal.config_section[]) IS 'error for sections about what does not exist or belongs to others';

-- As add_table() would find it.
CREATE FUNCTION dbsync_internal.config_place(given text, at text, name text) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
    SELECT CASE WHEN given IS NULL THEN coalesce(at, name)
        WHEN cardinality(parse_ident(given)) = 2 THEN given
        ELSE format('%I.%s', (parse_ident(name))[1], given) END
$$;
COMMENT ON FUNCTION dbsync_internal.config_place(text, text, text) IS 'the name at the target: as given, or where it is now, or as it is called here';

CREATE FUNCTION dbsync_internal.config_compare(sections dbsync_internal.config_section[]) RETURNS SETOF dbsync_internal.config_compared
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH argument AS MATERIALIZED (
        SELECT a.kind, a.key, a.fallback FROM dbsync_internal.config_arguments() a WHERE a.kind <> 'target' AND NOT a.once
    ), said AS MATERIALIZED (
        SELECT s AS section, s.kind, s.line, s.subscription::name AS subscription, s.name, s.keys,
            (parse_ident(s.name))[1]::name AS schema, (parse_ident(s.name))[2]::name AS rel
        FROM unnest(sections) s WHERE s.kind IN ('subscription', 'table', 'sequence')
    ), wanted AS MATERIALIZED (
        SELECT s.*, c.oid AS object FROM said s
        LEFT JOIN pg_namespace n ON n.nspname = s.schema
        LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.rel
    ), present AS MATERIALIZED (
        SELECT p.* FROM dbsync_internal.config_present() p
    )
    SELECT w.section, w.object, p."values", d.keys, p.kind IS NOT NULL
    FROM wanted w LEFT JOIN present p ON p.kind = w.kind AND p.subscription = w.subscription AND p.object IS NOT DISTINCT FROM w.object
    LEFT JOIN LATERAL (
        SELECT array_agg(a.key) AS keys FROM argument a
        CROSS JOIN LATERAL (
            SELECT CASE WHEN a.key IN ('target_table', 'target_sequence')
                    THEN to_jsonb(dbsync_internal.config_place(w.keys ->> a.key, CASE WHEN p."values" ->> a.key IS NULL THEN p.at END, p.name))
                    ELSE coalesce(w.keys -> a.key, a.fallback, 'null') END,
                CASE WHEN a.key IN ('target_table', 'target_sequence') THEN to_jsonb(p.at) ELSE coalesce(p."values" -> a.key, 'null') END) v (wanted, present)
        WHERE a.kind = w.kind AND v.wanted <> v.present
          AND NOT (p.shared AND a.key IN ('key', 'capture', 'options') AND NOT w.keys ? a.key)
          AND NOT (a.key = 'target' AND NOT w.keys ? 'target')
          AND dbsync_internal.config_normal(a.key, v.wanted) IS DISTINCT FROM dbsync_internal.config_normal(a.key, v.present)) d ON p.kind IS NOT NULL
$$;
COMMENT ON FUNCTION dbsync_internal.config_compare(dbsync_internal.config_section[]) IS 'sections beside what there is, and in what they differ';

-- Columns and filters are kept as PostgreSQL writes them down, and may only look different.
CREATE FUNCTION dbsync_internal.config_really_differs(compared dbsync_internal.config_compared) RETURNS text[]
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    section dbsync_internal.config_section := compared.section;
    differs text[] := compared.differs;
    columns text[] := ARRAY(SELECT jsonb_array_elements_text(nullif(section.keys -> 'columns', 'null')));
    filter text := nullif(section.keys ->> 'filter', '');
    role oid := (SELECT dbsync_internal.selection_role(dbsync_internal.owner_of(s.id), compared.object) FROM dbsync.subscription s WHERE s.name = section.subscription);
    immutable boolean := dbsync_internal.key_numbers(compared.object, NULL) = '{}';
    doing text := 'columns';
    hint text;
BEGIN
    IF 'columns' = ANY (differs) AND columns <> '{}'
        AND dbsync_internal.define_selection(compared.object, columns, NULL, role, dbsync_internal.caller_path(), immutable) -> 'entries'
            = compared.present -> 'columns' THEN
        differs := array_remove(differs, 'columns');
    END IF;
    doing := 'filter';
    IF 'filter' = ANY (differs) AND filter IS NOT NULL
        AND dbsync_internal.define_selection(compared.object, NULL, filter, role, dbsync_internal.caller_path(), immutable) -> 'filter'
            = compared.present -> 'filter' THEN
        differs := array_remove(differs, 'filter');
    END IF;
    RETURN nullif(differs, '{}');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    PERFORM dbsync_internal.config_refuse(dbsync_internal.config_line(section, ARRAY[doing]), sqlerrm, hint, sqlstate);
END $$;
COMMENT ON FUNCTION dbsync_internal.config_really_differs(dbsync_internal.config_compared) IS 'options of a table that are to be changed, when columns and filter have been understood';

-- ---------------------------------------------------------------------------
-- The plan

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
        RETURN NEXT (80, line, 'start', title, format('SELECT dbsync.start_subscription(%L)', section.subscription), '{}')::dbsync_internal.config_step;
    ELSIF runs AND NOT wanted THEN
        RETURN NEXT (85, line, 'stop', title, format('SELECT dbsync.stop_subscription(%L)', section.subscription), '{}')::dbsync_internal.config_step;
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
        RETURN NEXT (15, section.line, 'replace (copies all tables anew)', title, format('SELECT dbsync.stop_subscription(%L)', section.subscription), '{}')::dbsync_internal.config_step;
    END IF;
    IF replaced THEN
        RETURN NEXT (16, dbsync_internal.config_line(section, differs), 'replace (copies all tables anew)', title, format('SELECT dbsync.drop_subscription(%L)', section.subscription), '{}')::dbsync_internal.config_step;
    END IF;
    IF replaced OR NOT compared.there THEN
        early := ARRAY(SELECT k FROM unnest(said) k WHERE NOT (with_tables AND k = ANY (rules)));
        RETURN NEXT (20, section.line, CASE WHEN replaced THEN 'replace (copies all tables anew)' ELSE 'create' END, title,
            dbsync_internal.config_call(arguments, 'create_subscription', section, ARRAY[section.subscription, section.keys ->> 'target'], early), '{}')::dbsync_internal.config_step;
        differs := CASE WHEN with_tables AND said && rules THEN rules ELSE '{}' END;
    ELSE
        early := ARRAY(SELECT k FROM unnest(differs) k WHERE k <> ALL (rules));
        IF early <> '{}' THEN
            RETURN NEXT (21, dbsync_internal.config_line(section, early), 'alter', title,
                dbsync_internal.config_call(arguments, 'alter_subscription', section, ARRAY[section.subscription], early), '{}')::dbsync_internal.config_step;
        END IF;
    END IF;
    IF differs && rules THEN
        RETURN NEXT (60, dbsync_internal.config_line(section, rules), 'alter', title,
            dbsync_internal.config_call(arguments, 'alter_subscription', section, ARRAY[section.subscription], rules), '{}')::dbsync_internal.config_step;
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
        RETURN NEXT (50, section.line, 'add', title, dbsync_internal.config_call(arguments, 'add_table', section, names, said), '{}')::dbsync_internal.config_step;
    ELSIF NOT EXISTS (SELECT FROM unnest(arguments) a WHERE a.kind = 'table' AND a.key = ANY (compared.differs) AND NOT a.alterable) THEN
        RETURN NEXT (50, line, 'alter (copies the table anew)', title, dbsync_internal.config_call(arguments, 'alter_table', section, names,
            compared.differs || CASE WHEN 'existing_rows' = ANY (said) THEN '{existing_rows}'::text[] ELSE '{}' END), '{}')::dbsync_internal.config_step;
    ELSE
        IF 'existing_rows' <> ALL (said) AND 'copy_data' <> ALL (said) AND 'target_table' <> ALL (compared.differs) THEN
            section.keys := section.keys || '{"existing_rows": "truncate"}';
            said := said || '{existing_rows}'::text[];
        END IF;
        RETURN NEXT (40, line, 'replace (copies the table anew)', title, dbsync_internal.config_call(arguments, 'remove_table', section, names), '{}')::dbsync_internal.config_step;
        RETURN NEXT (50, line, 'replace (copies the table anew)', title, dbsync_internal.config_call(arguments, 'add_table', section, names, said), '{}')::dbsync_internal.config_step;
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
        RETURN NEXT (40, section.line, action, title, dbsync_internal.config_call(arguments, 'remove_sequence', section, names), '{}')::dbsync_internal.config_step;
    END IF;
    RETURN NEXT (55, section.line, action, title,
        dbsync_internal.config_call(arguments, 'add_sequence', section, names, dbsync_internal.config_said(arguments, section)), '{}')::dbsync_internal.config_step;
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
                  AND dbsync_internal.config_normal(a.key, p."values" -> a.key) IS NOT NULL) AS plain
        FROM present p JOIN present u ON u.kind = 'subscription' AND u.subscription = p.subscription
        LEFT JOIN unnest(sections) s ON s.kind = 'subscription' AND s.subscription = p.subscription
        WHERE p.kind IN ('table', 'sequence') AND dbsync_internal.may_act_as(caller, p.owner)
          AND NOT EXISTS (SELECT FROM unnest(sections) o WHERE o.kind = p.kind AND o.subscription = p.subscription AND o.name = p.name)
          AND (p.subscription = ANY (replaced) OR (prune AND EXISTS (SELECT FROM unnest(sections) o WHERE o.subscription = p.subscription))))
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
        format('SELECT dbsync.remove_%s(%L, %L)', p.kind, p.subscription, p.name), '{}'::text[]
    FROM dbsync_internal.config_present() p
    WHERE p.kind IN ('table', 'sequence') AND NOT p.by_rule AND p.subscription <> ALL (replaced) AND dbsync_internal.may_act_as(caller, p.owner)
      AND EXISTS (SELECT FROM unnest(sections) s WHERE s.subscription = p.subscription)
      AND NOT EXISTS (SELECT FROM unnest(sections) s WHERE s.kind = p.kind AND s.subscription = p.subscription AND s.name = p.name);
    RETURN QUERY
    SELECT v.rank, NULL::int, v.action, dbsync_internal.config_title('subscription', p.subscription, NULL),
        format('SELECT dbsync.%s_subscription(%L)', v.action, p.subscription), '{}'::text[]
    FROM dbsync_internal.config_present() p CROSS JOIN (VALUES (90, 'stop'), (91, 'drop')) v (rank, action)
    WHERE p.kind = 'subscription' AND dbsync_internal.may_act_as(caller, p.owner)
      AND NOT EXISTS (SELECT FROM unnest(sections) s WHERE s.subscription = p.subscription)
      AND (v.action = 'drop' OR (p."values" ->> 'enabled')::boolean);
    RETURN QUERY
    SELECT 95, NULL::int, 'drop', dbsync_internal.config_title('target', NULL, f.srvname), format('SELECT dbsync.drop_target(%L)', f.srvname), '{}'::text[]
    FROM pg_foreign_server f JOIN pg_foreign_data_wrapper w ON w.oid = f.srvfdw AND left(w.fdwname, 7) = 'dbsync_'
    WHERE dbsync_internal.may_act_as(caller, f.srvowner)
      AND NOT EXISTS (SELECT FROM unnest(sections) s WHERE (s.kind = 'target' AND s.name = f.srvname) OR s.keys ->> 'target' = f.srvname)
      AND NOT EXISTS (SELECT FROM dbsync_internal.config_present() p LEFT JOIN unnest(sections) s ON s.kind = 'subscription' AND s.subscription = p.subscription
                      WHERE p.kind = 'subscription' AND coalesce(s.keys ->> 'target', p."values" ->> 'target') = f.srvname
                        AND (NOT dbsync_internal.may_act_as(caller, p.owner) OR EXISTS (SELECT FROM unnest(sections) o WHERE o.subscription = p.subscription)));
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
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
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
        SELECT s.* FROM dbsync_internal.config_steps(caller, config, prune) WITH ORDINALITY s (rank, line, action, object, statement, secrets, n)
        ORDER BY s.rank, s.line, s.object COLLATE "C", s.n
    LOOP
        IF NOT dry_run THEN
            PERFORM dbsync_internal.config_run(caller, coalesce(step.line, 0), step.statement, step.secrets);
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

-- ---------------------------------------------------------------------------
-- Writing

-- A value that would be read as another one goes behind a |.
CREATE FUNCTION dbsync_internal.config_pair(key text, value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF value ~ '\r(\n|$)' OR key ~ '[\r\n]' THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = format('%s cannot be written in a configuration', key),
            DETAIL = 'It has a carriage return at the end of a line, or a name with a line in it.';
    END IF;
    RETURN CASE WHEN value ~ '\n|^[ \t|]|[ \t]$|(^|[ \t])[;#]' THEN format(E'%s = |%s\n', key, replace(value, E'\n', E'\n    |'))
        ELSE rtrim(format('%s = %s', key, value)) || E'\n' END;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_pair(text, text) IS 'a key and its value as lines of a configuration';

-- What config_json() reads as it.
CREATE FUNCTION dbsync_internal.config_json_text(value jsonb) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN CASE WHEN jsonb_typeof(value) = 'string' AND dbsync_internal.config_json(NULL, value #>> '{}') = value THEN value #>> '{}' ELSE value::text END;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN value::text;
END $$;
COMMENT ON FUNCTION dbsync_internal.config_json_text(jsonb) IS 'a member of an option that is JSON as a configuration has it';

CREATE FUNCTION dbsync_internal.config_member(name text) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN name ~ '^[A-Za-z_][A-Za-z0-9_]*$' THEN name ELSE format('"%s"', replace(name, '"', '""')) END
$$;
COMMENT ON FUNCTION dbsync_internal.config_member(text) IS 'name of a member of an option that is JSON, as a key has it';

-- Lists as people write them, if they are read as the same ones.
CREATE FUNCTION dbsync_internal.config_list_text(key text, elements text[]) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
    SELECT CASE WHEN key = 'columns' AND dbsync_internal.ini_list(array_to_string(elements, ', ')) IS DISTINCT FROM elements THEN elements::text
        WHEN key IN ('columns', 'except_tables') THEN array_to_string(elements, ', ')
        ELSE (SELECT string_agg(quote_ident(e.e), ', ' ORDER BY e.n) FROM unnest(elements) WITH ORDINALITY e (e, n)) END
$$;
COMMENT ON FUNCTION dbsync_internal.config_list_text(text, text[]) IS 'a list as a configuration has it';

CREATE FUNCTION dbsync_internal.config_option_text(argument dbsync_internal.config_argument, value jsonb) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
    SELECT CASE
        WHEN argument.key IS NULL THEN NULL
        WHEN argument.type = 'jsonb'::regtype THEN (
            SELECT string_agg(dbsync_internal.config_pair(format('%s.%s', argument.key, dbsync_internal.config_member(m.key)), dbsync_internal.config_json_text(m.value)), ''
                ORDER BY m.key COLLATE "C") FROM jsonb_each(value) m)
        ELSE dbsync_internal.config_pair(argument.key, CASE
            WHEN jsonb_typeof(value) = 'boolean' THEN CASE WHEN value::boolean THEN 'yes' ELSE 'no' END
            WHEN jsonb_typeof(value) = 'array' THEN dbsync_internal.config_list_text(argument.key,
                ARRAY(SELECT e.value FROM jsonb_array_elements_text(value) WITH ORDINALITY e (value, n) ORDER BY e.n))
            WHEN argument.key = 'target' THEN quote_ident(value #>> '{}')
            ELSE value #>> '{}' END) END
$$;
COMMENT ON FUNCTION dbsync_internal.config_option_text(dbsync_internal.config_argument, jsonb) IS 'an option as lines of a configuration';

-- The user is what its mapping may tell; the rest of it are secrets.
CREATE FUNCTION dbsync_internal.config_target_text(caller oid, server pg_foreign_server) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(E'\n[%s]\n', dbsync_internal.config_title('target', NULL, server.srvname))
        || coalesce((SELECT dbsync_internal.config_pair('driver', w.fdwname) FROM pg_foreign_data_wrapper w
                     WHERE w.oid = server.srvfdw AND w.fdwname <> 'dbsync_postgres'), '')
        || coalesce(string_agg(dbsync_internal.config_pair(o.option_name, o.option_value), '' ORDER BY o.option_name COLLATE "C"), '')
    FROM (SELECT s.option_name, s.option_value FROM pg_options_to_table(server.srvoptions) s
          UNION ALL
          SELECT u.option_name, u.option_value FROM pg_user_mappings m CROSS JOIN LATERAL pg_options_to_table(m.umoptions) u
          WHERE m.srvid = server.oid AND m.umuser = dbsync_internal.mapped_role(caller, server)
            AND dbsync_internal.config_may_read(caller, m.umuser) AND u.option_name IN ('user', 'password_required')) o
$$;
COMMENT ON FUNCTION dbsync_internal.config_target_text(oid, pg_foreign_server) IS 'a target as a section of a configuration, without passwords';

CREATE FUNCTION dbsync_internal.dump_config(caller oid, file text) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    arguments dbsync_internal.config_argument[] := ARRAY(SELECT a FROM dbsync_internal.config_arguments() a)
        || ('subscription', 'started', 1000, 'boolean'::regtype, NULL, true, false)::dbsync_internal.config_argument;
    written text := E'# Written by dbsync.dump_config(): comments of the file that was loaded are not kept,\n'
        '# and passwords are not written.\n\n[dbsync]\nversion = 1\n';
BEGIN
    written := written || coalesce((
        SELECT string_agg(dbsync_internal.config_target_text(caller, f), '' ORDER BY f.srvname COLLATE "C")
        FROM pg_foreign_server f JOIN pg_foreign_data_wrapper w ON w.oid = f.srvfdw AND left(w.fdwname, 7) = 'dbsync_'
        WHERE dbsync_internal.may_act_as(caller, f.srvowner)), '');
    written := written || coalesce((
        SELECT string_agg(format(E'\n[%s]\n%s', dbsync_internal.config_title(s.kind, s.subscription, s.name), s.options), ''
            ORDER BY s.subscription COLLATE "C", array_position('{subscription,table,sequence}', s.kind), s.name COLLATE "C")
        FROM (SELECT p.kind, p.subscription, p.name, coalesce(string_agg(dbsync_internal.config_option_text(a, p."values" -> a.key), '' ORDER BY a.place), '') AS options,
                bool_or(p.by_rule) AS by_rule, bool_or(NOT a.once) AS said
            FROM dbsync_internal.config_present() p
            LEFT JOIN unnest(arguments) a ON a.kind = p.kind
             AND (a.key = 'started'
                  OR dbsync_internal.config_normal(a.key, p."values" -> a.key) IS DISTINCT FROM dbsync_internal.config_normal(a.key, a.fallback))
            WHERE dbsync_internal.may_act_as(caller, p.owner)
            GROUP BY p.kind, p.subscription, p.name) s
        -- others come in by the rule
        WHERE NOT s.by_rule OR s.said), '');
    IF file IS NOT NULL THEN
        PERFORM dbsync_internal.config_write(caller, file, written);
    END IF;
    RETURN written;
END $$;
COMMENT ON FUNCTION dbsync_internal.dump_config(oid, text) IS 'body of dbsync.dump_config()';

CREATE FUNCTION dbsync.dump_config(file text DEFAULT NULL) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.dump_config(text) IS 'the configuration of what is yours (of a superuser: of all), as load_config() reads it, without passwords; file: written there, too';

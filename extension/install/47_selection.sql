-- What a subscription sends of a table: which columns, under which names, worked out how; which rows;
-- and which operations.  PostgreSQL itself reads it when it is given.  Kept are its words, for people, and what it
-- was understood as, a node tree (subscription_table.selection, "query"): what somebody makes later under the names in
-- it is not meant.  A tree is good in this database, for this major version: adopt() makes it anew from the words
-- (rebind_selections()).  In the catalogs nothing depends on a user's object, so no DDL of his fails for it.

CREATE FUNCTION dbsync_internal.caller_path() RETURNS text
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'dbsync_caller_path';
COMMENT ON FUNCTION dbsync_internal.caller_path() IS 'search_path of whoever has called the function of schema dbsync that is running';

CREATE FUNCTION dbsync_internal.define_selection(rel oid, columns text[], filter text, role oid, path text, immutable boolean) RETURNS jsonb
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_define_selection';
COMMENT ON FUNCTION dbsync_internal.define_selection(oid, text[], text, oid, text, boolean) IS 'columns and filter, read by the path (null: written down before) and as the role, with all names qualified; error if they cannot be had';

-- Whoever may act as the table's owner gives him what he runs; the code of others runs as
-- themselves.  So nobody's runs with rights that he has not, and a superuser's not as one.
CREATE FUNCTION dbsync_internal.selection_role(owner oid, rel oid) RETURNS oid
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN dbsync_internal.may_act_as(selection_role.owner, c.relowner) THEN c.relowner ELSE selection_role.owner END
    FROM pg_class c WHERE c.oid = rel
$$;
COMMENT ON FUNCTION dbsync_internal.selection_role(oid, oid) IS 'as whom a subscription of the owner''s works out what it sends of the table';

-- By which numbers of columns a table's rows are known, or will be; none: by all that is in them.
CREATE FUNCTION dbsync_internal.key_numbers(rel regclass, key name[]) RETURNS smallint[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    numbers smallint[] := dbsync_internal.named_columns(rel);
BEGIN
    IF key IS NOT NULL THEN
        RETURN (SELECT array_agg(a.attnum ORDER BY k.n) FROM unnest(key) WITH ORDINALITY k (name, n)
                JOIN pg_attribute a ON a.attrelid = rel AND a.attname = k.name);
    ELSIF numbers IS NULL THEN
        SELECT string_to_array(c.key_columns::text, ' ')::smallint[] INTO numbers
        FROM dbsync.captured_table c WHERE c.relid = rel AND c.state = 'active';
    END IF;
    RETURN coalesce(numbers, string_to_array(dbsync_internal.key_columns(dbsync_internal.choose_key(rel))::text, ' ')::smallint[], '{}');
END $$;
COMMENT ON FUNCTION dbsync_internal.key_numbers(regclass, name[]) IS 'columns by which rows of a table are known, if this key is asked for';

-- Partitions are told to the target by their bounds, which go by the source's names.
CREATE FUNCTION dbsync_internal.partition_columns(rel oid) RETURNS SETOF smallint
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT DISTINCT top.attnum
    FROM (SELECT rel UNION SELECT m.relid FROM dbsync_internal.members(rel) m) tree (relid)
    JOIN pg_partitioned_table p ON p.partrelid = tree.relid
    CROSS JOIN unnest(string_to_array(p.partattrs::text, ' ')::smallint[]) k (num)
    JOIN pg_attribute a ON a.attrelid = tree.relid AND a.attnum = k.num
    JOIN pg_attribute top ON top.attrelid = rel AND top.attname = a.attname
    WHERE k.num > 0
$$;
COMMENT ON FUNCTION dbsync_internal.partition_columns(oid) IS 'columns by which a table and its partitions are partitioned, as numbers of the table''s';

CREATE FUNCTION dbsync_internal.check_selected(rel regclass, selection jsonb, key smallint[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad record;
BEGIN
    IF jsonb_typeof(selection -> 'columns') <> 'array' THEN
        RETURN;
    END IF;
    SELECT a.attname, CASE WHEN n.num = ANY (key) THEN 'key' END AS part INTO bad
    FROM (SELECT unnest(key) UNION SELECT dbsync_internal.partition_columns(rel)) n (num)
    JOIN pg_attribute a ON a.attrelid = rel AND a.attnum = n.num
    WHERE NOT EXISTS (
        SELECT FROM jsonb_to_recordset(selection -> 'columns') c (name name, number smallint)
        WHERE c.number = n.num AND (n.num = ANY (key) OR c.name = a.attname))
    ORDER BY 2, 1 LIMIT 1;
    IF FOUND THEN
        PERFORM dbsync_internal.refuse(
            CASE bad.part WHEN 'key' THEN format('column %I is part of the key of table %s', bad.attname, rel)
                ELSE format('table %s is partitioned by column %I', rel, bad.attname) END,
            CASE bad.part WHEN 'key' THEN format('Send it as it is, under its own name or another one: columns => ''{%I, ...}''. A value made of it can go to another column.', bad.attname)
                ELSE format('Send it as it is, under its own name: columns => ''{%I, ...}''. A value made of it can go to another column.', bad.attname) END,
            '0A000',
            CASE bad.part WHEN 'key' THEN 'By it the target''s rows are found.' ELSE 'By it the rows of a partition are found there.' END);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_selected(regclass, jsonb, smallint[]) IS 'error if columns that the target''s rows are found by are not among those that are sent, as they are';

CREATE FUNCTION dbsync_internal.bind_selection(query text, names name[], types oid[], typmods int[], collations oid[], role oid) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_bind_selection';
COMMENT ON FUNCTION dbsync_internal.bind_selection(text, name[], oid[], int[], oid[], oid) IS 'the query as it is understood now: functions, operators and tables by their oids';

-- Names are looked up once: what somebody makes later under such a name, or a better match, is another thing.
-- The types that columns have then are kept, as it is understood for these.
CREATE FUNCTION dbsync_internal.bound_selection(rel oid, selection jsonb, role oid) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    expressions text := (
        SELECT string_agg(c.o ->> 'expression', ', ' ORDER BY c.n)
        FROM jsonb_array_elements(nullif(selection -> 'columns', 'null')) WITH ORDINALITY c (o, n) WHERE c.o ? 'expression');
    filter text := selection ->> 'filter';
    described jsonb := dbsync_internal.describe_columns(rel);
    columns jsonb := (
        SELECT coalesce(jsonb_agg(jsonb_build_object('number', r.number, 'name', r.name, 'type', d.type, 'typmod', d.typmod, 'collation', d."collation")
                                  ORDER BY r.number), '[]')
        FROM jsonb_to_recordset(selection -> 'row') r (number int, name name)
        JOIN dbsync_internal.shape_columns(described) d ON d.num = r.number);
BEGIN
    selection := selection || jsonb_build_object('row', columns);
    IF expressions IS NULL AND filter IS NULL THEN
        RETURN selection - 'query';
    END IF;
    -- IS TRUE: so that no IN or EXISTS of it becomes a join, see dbsync_selector_begin()
    RETURN selection || jsonb_build_object('query', (
        SELECT dbsync_internal.bind_selection(
            concat('SELECT ', expressions, ' FROM dbsync_row', ' WHERE (' || filter || ') IS TRUE'),
            coalesce(array_agg(r.name ORDER BY r.number), '{}'), coalesce(array_agg(r.type ORDER BY r.number), '{}'),
            coalesce(array_agg(r.typmod ORDER BY r.number), '{}'), coalesce(array_agg(r."collation" ORDER BY r.number), '{}'), role)
        FROM jsonb_to_recordset(columns) r (number int, name name, type oid, typmod int, "collation" oid)));
END $$;
COMMENT ON FUNCTION dbsync_internal.bound_selection(oid, jsonb, oid) IS 'columns and filter with the query that they are worked out by, as it is understood now';

-- Names may have changed since, and numbers in a dump that was restored.
CREATE FUNCTION dbsync_internal.selection_fits(rel oid, selection jsonb) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT NOT EXISTS (
        SELECT FROM (
            SELECT c.number, c."column" FROM jsonb_to_recordset(nullif(selection -> 'columns', 'null')) c (number smallint, "column" name)
            UNION ALL SELECT r.number, r.name FROM jsonb_to_recordset(selection -> 'row') r (number smallint, name name)
        ) n (number, name)
        WHERE n.number IS NOT NULL AND NOT EXISTS (
            SELECT FROM pg_attribute a WHERE a.attrelid = rel AND a.attnum = n.number AND a.attname = n.name AND NOT a.attisdropped))
$$;
COMMENT ON FUNCTION dbsync_internal.selection_fits(oid, jsonb) IS 'has the table the columns that the selection goes by, under the names that it knows?';

CREATE FUNCTION dbsync_internal.make_selection(subscription dbsync.subscription, rel regclass, columns text[], filter text, key name[],
    kept jsonb DEFAULT NULL) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    numbers smallint[] := dbsync_internal.key_numbers(rel, key);
    role oid := dbsync_internal.selection_role(dbsync_internal.owner_of(subscription.id), rel);
    -- what is kept says which names it means, by the system's own path
    keeps_columns boolean := columns IS NULL AND jsonb_typeof(kept -> 'columns') = 'array';
    keeps_filter boolean := filter IS NULL AND kept ->> 'filter' IS NOT NULL;
    one jsonb;
    two jsonb;
BEGIN
    IF (keeps_columns OR keeps_filter) AND NOT dbsync_internal.selection_fits(rel, kept) THEN
        PERFORM dbsync_internal.refuse(format('columns of table %s have other names than when its %s given', rel,
            CASE WHEN keeps_columns THEN 'columns were' ELSE 'filter was' END),
            'Give both columns and filter.', '55000');
    END IF;
    IF keeps_columns THEN
        columns := ARRAY(SELECT jsonb_array_elements_text(kept -> 'entries'));
    END IF;
    filter := coalesce(filter, kept ->> 'filter');
    columns := nullif(columns, '{}');
    filter := nullif(filter, '');
    IF columns IS NULL AND filter IS NULL THEN
        RETURN NULL;
    END IF;
    one := dbsync_internal.define_selection(rel, columns, NULL, role,
        CASE WHEN NOT keeps_columns THEN dbsync_internal.caller_path() END, numbers = '{}');
    two := dbsync_internal.define_selection(rel, NULL, filter, role,
        CASE WHEN NOT keeps_filter THEN dbsync_internal.caller_path() END, numbers = '{}');
    one := one || jsonb_build_object('filter', two -> 'filter', 'row', (
        SELECT coalesce(jsonb_agg(r.o ORDER BY (r.o ->> 'number')::int), '[]')
        FROM (SELECT jsonb_array_elements(one -> 'row') UNION SELECT jsonb_array_elements(two -> 'row')) r (o)));
    PERFORM dbsync_internal.check_selected(rel, one, numbers);
    RETURN dbsync_internal.bound_selection(rel, one, role);
END $$;
COMMENT ON FUNCTION dbsync_internal.make_selection(dbsync.subscription, regclass, text[], text, name[], jsonb) IS 'columns and filter of a table as they are kept; what is null is taken from those that are kept; null: all columns of all rows';

-- Rows of which something is worked out are read whole; a large value that an UPDATE has left is in the table, unless
-- the row is gone by then.  That is no matter where its deletion comes too.
CREATE FUNCTION dbsync_internal.check_whole_rows(rel regclass, selection jsonb, operations text[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    all_columns boolean := jsonb_typeof(selection -> 'columns') IS DISTINCT FROM 'array';
    large name := (SELECT a.attname FROM pg_attribute a
                   WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped AND a.attlen = -1 AND a.attstorage <> 'p'
                     AND (all_columns OR a.attnum IN (
                         SELECT c.number FROM jsonb_to_recordset(selection -> 'columns') c (number smallint)
                         UNION ALL SELECT r.number FROM jsonb_to_recordset(selection -> 'row') r (number smallint)))
                   ORDER BY a.attnum LIMIT 1);
BEGIN
    IF selection ? 'query' AND large IS NOT NULL AND NOT operations @> '{delete,truncate}' THEN
        PERFORM dbsync_internal.refuse(format('operations of table %s must have delete and truncate, as expressions or a filter are given', rel),
            'Send all operations; or leave out expressions and filter, and have the target do that.', '0A000',
            format('A large value that an UPDATE leaves as it is, as column %I may have, is read from the table for them: of a row that is gone '
                'by then it cannot be, and what the UPDATE changed would be lost.', large));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_whole_rows(regclass, jsonb, text[]) IS 'error if rows may be gone before what is sent of them can be worked out, and their going is not sent';

CREATE FUNCTION dbsync_internal.check_operations(rel regclass, operations text[], key smallint[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad text;
BEGIN
    SELECT o.name INTO bad FROM unnest(operations) WITH ORDINALITY o (name, n)
    WHERE o.name IS NULL OR o.name NOT IN ('insert', 'update', 'delete', 'truncate') ORDER BY o.n LIMIT 1;
    IF FOUND OR operations = '{}' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = CASE WHEN operations = '{}' THEN 'operations must not be empty'
                ELSE format('operations cannot have %s', coalesce('"' || bad || '"', 'null')) END,
            HINT = 'They are insert, update, delete and truncate. Without "operations" all of them are sent.';
    ELSIF key = '{}' AND NOT operations @> '{insert,update,delete}' THEN
        PERFORM dbsync_internal.refuse(format('operations of table %s must have insert, update and delete, as it has no key', rel),
            'Add a primary key, or name the key: dbsync.add_table(..., key => ''{...}'').', '0A000',
            'An UPDATE of it is captured as the old row''s deletion, and the new one''s insertion.');
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_operations(regclass, text[], smallint[]) IS 'error unless these operations can be chosen of a table with the key';

-- Is what was chosen something for the target's table, if that can be asked?
CREATE FUNCTION dbsync_internal.ask_target(target name, owner oid, rel text, schema text, name text,
    columns text[], types oid[], typmods int[], collations oid[], keys int[], create_missing boolean) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_ask_target';
COMMENT ON FUNCTION dbsync_internal.ask_target(name, oid, text, text, text, text[], oid[], int[], oid[], int[], boolean) IS 'error if the target''s table lacks these columns, generates them, or has them of other types; notice if it cannot be asked; create_missing: one that is missing will be made';

CREATE FUNCTION dbsync_internal.ask_about_selection(subscription dbsync.subscription, rel regclass, schema text, name text,
    selection jsonb, key smallint[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(selection -> 'columns') IS DISTINCT FROM 'array' THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.ask_target(subscription.target, dbsync_internal.owner_of(subscription.id), rel::text, schema, name,
        array_agg(c.o ->> 'name' ORDER BY c.n), array_agg((c.o ->> 'type')::oid ORDER BY c.n), array_agg((c.o ->> 'typmod')::int ORDER BY c.n),
        array_agg((c.o ->> 'collation')::oid ORDER BY c.n),
        ARRAY(SELECT min(k.n)::int - 1 FROM unnest(key) WITH ORDINALITY w (num, place)
              JOIN jsonb_array_elements(selection -> 'columns') WITH ORDINALITY k (o, n) ON (k.o ->> 'number')::smallint = w.num
              GROUP BY w.place ORDER BY w.place), subscription.create_missing)
    FROM jsonb_array_elements(selection -> 'columns') WITH ORDINALITY c (o, n);
END $$;
COMMENT ON FUNCTION dbsync_internal.ask_about_selection(dbsync.subscription, regclass, text, text, jsonb, smallint[]) IS 'error if what was chosen of a table is nothing for the target''s, as far as that can be asked';

-- Keeps what a table sends, which has been checked.
CREATE FUNCTION dbsync_internal.write_selection(subscription dbsync.subscription, captured_id int, selection jsonb, operations text[]) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE dbsync.subscription_table a
    SET selection = CASE WHEN jsonb_typeof(write_selection.selection -> 'columns') = 'array'
            THEN jsonb_set(write_selection.selection, '{columns}', (
                SELECT jsonb_agg(c.o - '{type,typmod,collation}'::text[] ORDER BY c.n)
                FROM jsonb_array_elements(write_selection.selection -> 'columns') WITH ORDINALITY c (o, n)))
            ELSE write_selection.selection END,
        columns = CASE WHEN jsonb_typeof(write_selection.selection -> 'columns') = 'array'
            THEN ARRAY(SELECT jsonb_array_elements_text(write_selection.selection -> 'entries')) END,
        filter = write_selection.selection ->> 'filter',
        operations = CASE WHEN NOT write_selection.operations @> '{insert,update,delete,truncate}'
            THEN ARRAY(SELECT o FROM unnest('{insert,update,delete,truncate}'::text[]) WITH ORDINALITY o (o, n)
                       WHERE o = ANY (write_selection.operations) ORDER BY n) END
    WHERE a.subscription_id = subscription.id AND a.captured_id = write_selection.captured_id
$$;
COMMENT ON FUNCTION dbsync_internal.write_selection(dbsync.subscription, int, jsonb, text[]) IS 'writes down what a subscription sends of a table; null: everything';

-- A dump that was restored has numbered columns anew, and what expressions use has other oids; another major
-- version may not even be able to read how a query was understood.
CREATE FUNCTION dbsync_internal.rebind_selections() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    attached record;
    problem text;
BEGIN
    FOR attached IN
        SELECT a.uid, a.selection, c.relid, dbsync_internal.owner_of(a.subscription_id) AS owner
        FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id WHERE a.selection IS NOT NULL
    LOOP
        problem := CASE WHEN NOT dbsync_internal.selection_fits(attached.relid, attached.selection)
            THEN 'its columns have other numbers or names than when columns and filter were given' END;
        BEGIN
            IF problem IS NULL THEN
                UPDATE dbsync.subscription_table a
                SET selection = dbsync_internal.bound_selection(attached.relid, attached.selection, dbsync_internal.selection_role(attached.owner, attached.relid))
                WHERE a.uid = attached.uid;
            END IF;
        EXCEPTION WHEN OTHERS THEN
            problem := SQLERRM;
        END;
        UPDATE dbsync.subscription_table a
        SET selection = a.selection || '{"moved": true}', state = 'suspended',
            note = problem || ': give them again, with dbsync.alter_table()'
        WHERE problem IS NOT NULL AND a.uid = attached.uid;
    END LOOP;
END $$;
COMMENT ON FUNCTION dbsync_internal.rebind_selections() IS 'in a copy of a database: has selections understood anew, and suspends tables whose selection may mean something else by now';

CREATE FUNCTION dbsync_internal.check_moved(subscription dbsync.subscription, captured_id int, rel regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.subscription_id = subscription.id
               AND a.captured_id = check_moved.captured_id AND a.selection ? 'moved') THEN
        PERFORM dbsync_internal.refuse(format('what subscription "%s" sends of table %s must be given again', subscription.name, rel),
            format('SELECT dbsync.alter_table(%L, %L, columns => ..., filter => ...).', subscription.name, rel), '55000',
            'This database is a copy, and the table''s columns have other numbers or names here.');
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_moved(dbsync.subscription, int, regclass) IS 'error if a table''s selection may mean other columns than it did';

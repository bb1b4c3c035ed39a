-- capture => 'snapshot': nobody is told of changes, and nothing is written down of them: on a schedule both ends are
-- compared, as verify() does it, and what differs is sent.  Nothing is put on the relation, so it may be a view.
--
-- The key's index is none of our business here: rows are asked for by queries, as SQL has them.  So key_index is 0, and
-- key_columns says what the key is.

-- For all who read them: what is not given is as documented.
CREATE FUNCTION dbsync_internal.snapshot_options(options jsonb, OUT scan interval, OUT "empty" text)
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET "IntervalStyle" = 'postgres'
AS $$
BEGIN
    options := coalesce(options, '{}');
    IF jsonb_typeof(options) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'options of capture "snapshot" must be an object',
            HINT = 'For example: {"scan": "interval 10 min"}.';
    END IF;
    PERFORM dbsync_internal.check_option_names('snapshot', options, '{scan,empty}');
    PERFORM dbsync_internal.check_option_strings('snapshot', options);
    IF options ->> 'empty' NOT IN ('refuse', 'allow') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('invalid "empty": "%s"', options ->> 'empty'),
            HINT = 'It is "refuse", the default, or "allow": then a source that has lost more than half of its rows takes the target''s along.';
    END IF;
    scan := dbsync_internal.scan_interval(coalesce(options ->> 'scan', 'interval 10 min'));
    "empty" := coalesce(options ->> 'empty', 'refuse');
END $$;
COMMENT ON FUNCTION dbsync_internal.snapshot_options(jsonb) IS 'options of capture "snapshot", with what is not given; error if there is one that it does not have, or a value that is none';

-- ---------------------------------------------------------------------------
-- May it be compared?

-- What can be read by a query; a partition is a table like any other here.
CREATE FUNCTION dbsync_internal.check_snapshot_kind(rel regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    c pg_class;
BEGIN
    c := dbsync_internal.users_relation(rel, 'Only tables of users can be sent.');
    IF c.relkind NOT IN ('r', 'p', 'v', 'm', 'f') THEN
        PERFORM dbsync_internal.refuse(format('%s is not a table', rel),
            'With capture => ''snapshot'' it may be a table, a view, a materialized view or a foreign table.', '42809');
    ELSIF c.relpersistence = 't' THEN
        PERFORM dbsync_internal.refuse(format('table %s is temporary', rel), 'Other sessions do not see what is in it.');
    ELSIF c.relispartition THEN
        PERFORM dbsync_internal.refuse(format('table %s is a partition of table %s', rel, dbsync_internal.root_of(rel)::regclass),
            format('Add %s: it is compared with all of its partitions.', dbsync_internal.root_of(rel)::regclass));
    END IF;
    PERFORM dbsync_internal.check_types(rel);
    PERFORM dbsync_internal.check_width(rel);
END $$;
COMMENT ON FUNCTION dbsync_internal.check_snapshot_kind(regclass) IS 'error, with a hint, unless rows of the relation can be compared';

-- Neither an index nor NOT NULL is asked for: a null, or two rows of one key, show as the relation is read.
CREATE FUNCTION dbsync_internal.snapshot_key(rel regclass, key name[]) RETURNS int2vector
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    bad record;
BEGIN
    IF key IS NULL THEN
        IF dbsync_internal.choose_key(rel) = 0 THEN
            PERFORM dbsync_internal.refuse(format('capture of %s cannot be "snapshot": it has no key', rel),
                'Name the key, which needs no index: dbsync.add_table(..., key => ''{...}'').', '0A000',
                'Rows of both ends are told apart by it.');
        END IF;
        RETURN dbsync_internal.key_columns(dbsync_internal.choose_key(rel));
    ELSIF cardinality(key) = 0 OR cardinality(key) > 32 OR array_ndims(key) <> 1 OR array_position(key, NULL) IS NOT NULL
        OR cardinality(key) <> (SELECT count(DISTINCT k.name) FROM unnest(key) k (name)) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('key of table %s must name 1 to 32 different columns', rel);
    END IF;
    SELECT k.name, a.attnum, a.attgenerated <> '' AS generated, format_type(a.atttypid, a.atttypmod) AS type,
        a.atttypid IS NOT NULL AND dbsync_internal.default_opclass(a.atttypid) IS NULL AS unordered INTO bad
    FROM unnest(key) WITH ORDINALITY k (name, n)
    LEFT JOIN pg_attribute a ON a.attrelid = rel AND a.attname = k.name AND a.attnum > 0 AND NOT a.attisdropped
    WHERE a.attnum IS NULL OR a.attgenerated <> '' OR dbsync_internal.default_opclass(a.atttypid) IS NULL ORDER BY k.n LIMIT 1;
    IF bad.attnum IS NULL AND bad.name IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_column', MESSAGE = format('column %I of table %s does not exist', bad.name, rel);
    ELSIF bad.name IS NOT NULL THEN
        PERFORM dbsync_internal.refuse(format('column %I of table %s cannot be in its key', bad.name, rel), 'Name other columns.', '0A000',
            CASE WHEN bad.generated THEN 'It is generated, and does not travel.' ELSE format('Its type %s has no order.', bad.type) END);
    END IF;
    RETURN (SELECT string_agg(a.attnum::text, ' ' ORDER BY k.n)::int2vector FROM unnest(key) WITH ORDINALITY k (name, n)
        JOIN pg_attribute a ON a.attrelid = rel AND a.attname = k.name);
END $$;
COMMENT ON FUNCTION dbsync_internal.snapshot_key(regclass, name[]) IS 'numbers of the columns by which rows are told apart; error if that cannot be a key';

-- All that is asked when a table is added.
CREATE FUNCTION dbsync_internal.check_snapshot(subscription dbsync.subscription, rel regclass, options jsonb, key name[], copy_data boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    driver name := (SELECT w.fdwname FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE s.srvname = subscription.target);
    other record;
BEGIN
    PERFORM dbsync_internal.snapshot_key(rel, coalesce(key,
        (SELECT c.named_key FROM dbsync.captured_table c WHERE c.relid = rel AND c.state <> 'dropped')));
    IF NOT dbsync_internal.target_shows_rows(subscription.target) THEN
        PERFORM dbsync_internal.refuse(format('capture of %s cannot be "snapshot"', rel), 'Use another way of capture.', '0A000',
            format('Driver "%s" of target "%s" does not have the feature COMPARE: it cannot show what is in its tables.', driver, subscription.target));
    ELSIF NOT copy_data THEN
        PERFORM dbsync_internal.refuse('capture "snapshot" needs the first copy',
            'Where the target has the rows already, they are compared, and none is copied.');
    ELSIF dbsync_internal.is_applied_into(rel) THEN
        PERFORM dbsync_internal.refuse(format('capture of %s cannot be "snapshot": a subscription of dbsync applies into it', rel),
            'Use capture => ''trigger''.', '55000',
            'A comparison cannot tell who wrote a row, so what comes from elsewhere would go back, as older over newer.');
    END IF;
    SELECT s.name AS subscription, c.capture_options AS options INTO other
    FROM dbsync.captured_table c JOIN dbsync.subscription_table a ON a.captured_id = c.id JOIN dbsync.subscription s ON s.id = a.subscription_id
    WHERE c.relid = rel AND c.state <> 'dropped' AND c.capture = 'snapshot' ORDER BY s.name LIMIT 1;
    IF FOUND AND dbsync_internal.snapshot_options(other.options) IS DISTINCT FROM dbsync_internal.snapshot_options(options) THEN
        PERFORM dbsync_internal.refuse(format('%s is compared by other options', rel),
            format('Use options => %L, or take it out of the other subscription first: SELECT dbsync.remove_table(%L, %L).',
                other.options, other.subscription, rel::text), '55000', format('It is in subscription "%s".', other.subscription));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_snapshot(dbsync.subscription, regclass, jsonb, name[], boolean) IS 'error unless a relation can be added with capture "snapshot" and these options';

-- A scan by a column suspends a table that is altered, and a comparison does not: one captured table cannot do both.
CREATE FUNCTION dbsync_internal.check_one_look(rel regclass, capture text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    other record;
BEGIN
    SELECT s.name AS subscription, coalesce(a.capture, c.capture) AS capture INTO other
    FROM dbsync.captured_table c JOIN dbsync.subscription_table a ON a.captured_id = c.id JOIN dbsync.subscription s ON s.id = a.subscription_id
    WHERE c.relid = rel AND c.state <> 'dropped' AND 'snapshot' IN (coalesce(a.capture, c.capture), check_one_look.capture)
      AND coalesce(a.capture, c.capture) <> check_one_look.capture ORDER BY s.name LIMIT 1;
    IF FOUND THEN
        PERFORM dbsync_internal.refuse(format('table %s is captured with capture "%s", not "%s"', rel, other.capture, capture),
            format('Use capture => %L, or take the table out of the other subscription first: SELECT dbsync.remove_table(%L, %L).',
                other.capture, other.subscription, rel::text), '55000', format('It is in subscription "%s".', other.subscription));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_one_look(regclass, text) IS 'error if a subscription has the table with capture "snapshot", and this one another way, or the other way round';

-- ---------------------------------------------------------------------------
-- What it looks like

-- The shape that it has now, by this key, whose order is that of its types.
CREATE FUNCTION dbsync_internal.snapshot_shape(of_captured int, described jsonb, numbers int2vector) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    now dbsync.shape;
    last dbsync.shape;
BEGIN
    SELECT array_agg(k.num ORDER BY k.n), array_agg(dbsync_internal.default_opclass(c.type) ORDER BY k.n), array_agg(c."collation" ORDER BY k.n)
    INTO now.key, now.key_classes, now.key_collations
    FROM unnest(string_to_array(numbers::text, ' ')::smallint[]) WITH ORDINALITY k (num, n)
    JOIN dbsync_internal.shape_columns(described) c ON c.num = k.num;
    SELECT h.* INTO last FROM dbsync.shape h WHERE h.captured_id = of_captured ORDER BY h.id DESC LIMIT 1;
    IF (last.columns, last.key, last.key_classes, last.key_collations)
        IS NOT DISTINCT FROM (described, now.key, now.key_classes, now.key_collations) THEN
        RETURN last.id;
    END IF;
    SELECT coalesce(string_agg(c.num::text, ' ' ORDER BY c.num), '')::int2vector INTO now.captured
    FROM dbsync_internal.shape_columns(described) c WHERE NOT c.generated;
    INSERT INTO dbsync.shape (captured_id, captured, columns, key, key_classes, key_collations)
    VALUES (of_captured, now.captured, described, now.key, now.key_classes, now.key_collations)
    RETURNING id INTO now.id;
    RETURN now.id;
END $$;
COMMENT ON FUNCTION dbsync_internal.snapshot_shape(int, jsonb, int2vector) IS 'the shape of a relation that is compared: the one it had last, if it is the same';

-- The caller has locked the captured table's row.
CREATE FUNCTION dbsync_internal.install_snapshot(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    numbers int2vector := dbsync_internal.snapshot_key(captured.relid, captured.named_key);
    current_shape int := dbsync_internal.snapshot_shape(captured.id, dbsync_internal.describe_columns(captured.relid), numbers);
BEGIN
    IF EXISTS (SELECT FROM dbsync.segment s WHERE s.captured_id = captured.id) THEN
        PERFORM dbsync_internal.drop_unwanted_triggers(captured);
        PERFORM dbsync_internal.drop_shadow(captured.id);
        PERFORM dbsync_internal.drop_segment(s.id) FROM dbsync.segment s WHERE s.captured_id = captured.id;
    END IF;
    DELETE FROM dbsync.turn t WHERE t.captured_id = captured.id;
    DELETE FROM dbsync.shape h WHERE h.captured_id = captured.id AND h.id <> current_shape;
    UPDATE dbsync.captured_table c SET key_index = 0, key_columns = numbers, by_row = false, state = 'active', note = NULL, since = now(), shape = NULL
    WHERE c.id = captured.id;
END $$;
COMMENT ON FUNCTION dbsync_internal.install_snapshot(dbsync.captured_table) IS 'writes down what a relation looks like that is compared';

-- Before each comparison.  Nobody who alters it has to tell us, and views are altered without the tables that they read.  The key is
-- known by its columns' names where it was named: CREATE OR REPLACE gives others the same numbers.
CREATE FUNCTION dbsync_internal.refresh_snapshot(of_captured int, role oid) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
    numbers int2vector;
    current_shape int;
    described jsonb;
    before int;
BEGIN
    SELECT c.* INTO captured FROM dbsync.captured_table c WHERE c.id = of_captured AND c.state = 'active' AND c.capture = 'snapshot';
    IF NOT FOUND THEN
        RETURN true;
    ELSIF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = captured.relid) THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table',
            MESSAGE = format('%s does not exist any more', dbsync_internal.name_of(captured)),
            HINT = 'Take it out of its subscriptions with dbsync.remove_table().';
    END IF;
    PERFORM dbsync_internal.check_rights(role, captured.relid, true);
    PERFORM dbsync_internal.check_snapshot_kind(captured.relid);
    numbers := dbsync_internal.snapshot_key(captured.relid, captured.named_key);
    described := dbsync_internal.describe_columns(captured.relid);
    SELECT max(h.id) INTO before FROM dbsync.shape h WHERE h.captured_id = of_captured;
    current_shape := dbsync_internal.snapshot_shape(of_captured, described, numbers);
    IF current_shape = before AND numbers = captured.key_columns THEN
        RETURN false;
    END IF;
    DELETE FROM dbsync.shape h WHERE h.captured_id = of_captured AND h.id <> current_shape;
    UPDATE dbsync.captured_table c SET key_columns = numbers WHERE c.id = of_captured;
    RETURN true;
END $$;
COMMENT ON FUNCTION dbsync_internal.refresh_snapshot(int, oid) IS 'notes what a relation that is compared looks like now; true: it is not what it was; error if it can be compared no more';

-- ---------------------------------------------------------------------------
-- What has come of it

-- One row of each attachment: the last comparison.  Written by the process that compares.
CREATE TABLE dbsync_internal.scan (
    attachment uuid PRIMARY KEY,
    run uuid NOT NULL,
    begun timestamptz NOT NULL,
    ended timestamptz,
    verdict text NOT NULL,
    note text,
    -- may have values of rows, as the example has: for who has the rights of the subscription's owner
    words text,
    example text,
    rows_here bigint,
    rows_there bigint,
    missing bigint,
    extra bigint,
    different bigint,
    repaired bigint,
    absent bigint,
    -- when both ends were equal last, or were made so
    good timestamptz,
    -- one that is due and could not begin: since when, and why
    waits_since timestamptz,
    waits_for text
);
COMMENT ON TABLE dbsync_internal.scan IS 'what the last comparison of each table with capture "snapshot" has found';
COMMENT ON COLUMN dbsync_internal.scan.attachment IS 'the table in its subscription';
COMMENT ON COLUMN dbsync_internal.scan.run IS 'which comparison it was';
COMMENT ON COLUMN dbsync_internal.scan.begun IS 'when it began';
COMMENT ON COLUMN dbsync_internal.scan.ended IS 'and when it had ended';
COMMENT ON COLUMN dbsync_internal.scan.verdict IS 'as in dbsync.verification; none: there was none yet';
COMMENT ON COLUMN dbsync_internal.scan.note IS 'why, in words; of one that is running, why the last one came to nothing';
COMMENT ON COLUMN dbsync_internal.scan.words IS 'words of an error that stand behind the note; they may quote values of rows';
COMMENT ON COLUMN dbsync_internal.scan.example IS 'where nearly all rows differ: one of them, as both ends write it';
COMMENT ON COLUMN dbsync_internal.scan.rows_here IS 'rows of the source';
COMMENT ON COLUMN dbsync_internal.scan.rows_there IS 'rows of the target';
COMMENT ON COLUMN dbsync_internal.scan.missing IS 'rows that the target lacked';
COMMENT ON COLUMN dbsync_internal.scan.extra IS 'rows that only the target had';
COMMENT ON COLUMN dbsync_internal.scan.different IS 'rows of one key that were not the same';
COMMENT ON COLUMN dbsync_internal.scan.repaired IS 'keys whose rows were sent, or deleted';
COMMENT ON COLUMN dbsync_internal.scan.absent IS 'of rows that were missing or different, so many had gone as they were to be sent';
COMMENT ON COLUMN dbsync_internal.scan.good IS 'when the target had last what the source showed';

COMMENT ON COLUMN dbsync_internal.scan.waits_since IS 'since when the next one has been due that could not begin; null: none is';
COMMENT ON COLUMN dbsync_internal.scan.waits_for IS 'what that waits for';

CREATE FUNCTION dbsync_internal.begin_scan(run uuid, of_attachment uuid) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM dbsync_internal.scan c WHERE NOT EXISTS (SELECT FROM dbsync.subscription_table a WHERE a.uid = c.attachment);
    INSERT INTO dbsync_internal.scan AS c (attachment, run, begun, verdict) VALUES (of_attachment, run, clock_timestamp(), 'running')
    -- what the last one came to is shown until this one has come to something
    ON CONFLICT (attachment) DO UPDATE SET run = EXCLUDED.run, begun = EXCLUDED.begun, ended = NULL, verdict = EXCLUDED.verdict,
        waits_since = NULL, waits_for = NULL,
        note = CASE WHEN c.verdict IN ('equal', 'repaired', 'none') THEN NULL WHEN c.verdict = 'running' THEN c.note ELSE coalesce(c.note, 'no reason was given') END,
        words = CASE WHEN c.verdict NOT IN ('equal', 'repaired') THEN c.words END,
        example = CASE WHEN c.verdict NOT IN ('equal', 'repaired') THEN c.example END
$$;
COMMENT ON FUNCTION dbsync_internal.begin_scan(uuid, uuid) IS 'writes down that a table is being compared, by its schedule';

-- Called by the worker.
CREATE FUNCTION dbsync_internal.scan_waits(of_attachment uuid, why text) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO dbsync_internal.scan AS c (attachment, run, begun, verdict, waits_since, waits_for)
    VALUES (of_attachment, gen_random_uuid(), clock_timestamp(), 'none', clock_timestamp(), why)
    ON CONFLICT (attachment) DO UPDATE SET waits_since = coalesce(c.waits_since, EXCLUDED.waits_since), waits_for = EXCLUDED.waits_for
$$;
COMMENT ON FUNCTION dbsync_internal.scan_waits(uuid, text) IS 'writes down that a comparison is due, and what it waits for';

CREATE FUNCTION dbsync_internal.end_scan(of_attachment uuid, verdict text, note text, rows bigint[], example text, words text) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE dbsync_internal.scan c SET ended = clock_timestamp(), verdict = end_scan.verdict, note = end_scan.note, words = end_scan.words, example = end_scan.example,
        rows_here = rows[1], rows_there = rows[2],
        missing = rows[3], extra = rows[4], different = rows[5], repaired = rows[7], absent = rows[9],
        good = CASE WHEN end_scan.verdict IN ('equal', 'repaired') THEN clock_timestamp() ELSE c.good END
    WHERE c.attachment = of_attachment
$$;
COMMENT ON FUNCTION dbsync_internal.end_scan(uuid, text, text, bigint[], text, text) IS 'writes down what has come of comparing a table by its schedule';

-- Is the last good comparison older than twice its interval?  Asked of those alone that go by their own clock, at any hour.
CREATE FUNCTION dbsync_internal.is_overdue(scanned dbsync_internal.scan) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT FROM dbsync.subscription_table a JOIN dbsync.subscription s ON s.id = a.subscription_id JOIN dbsync.captured_table c ON c.id = a.captured_id
        WHERE a.uid = scanned.attachment AND s.enabled AND s.policy !~* '\m(cron|interval|during|manual)\M'
          AND scanned.good < clock_timestamp() - 2 * (dbsync_internal.snapshot_options(c.capture_options)).scan)
$$;
COMMENT ON FUNCTION dbsync_internal.is_overdue(dbsync_internal.scan) IS 'is the last good comparison of a table older than twice its interval?';

-- For table_status.  Values of rows are for who has the rights of the owner, and not for those who watch.
CREATE FUNCTION dbsync_internal.snapshot_in_words(caller oid, owner regrole, of_attachment uuid) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT nullif(concat_ws('; ',
        CASE WHEN c.verdict IN ('equal', 'repaired', 'none') OR (c.verdict = 'running' AND c.note IS NULL) THEN NULL ELSE
            CASE c.verdict WHEN 'running' THEN format('the last comparison came to nothing, and the next one is under way: %s', c.note)
                ELSE format('the last comparison came to nothing (%s): %s', c.verdict, coalesce(c.note, 'no reason was given')) END
            || CASE WHEN dbsync_internal.may_act_as(caller, owner) THEN concat(': ' || c.words, '; ' || c.example) ELSE '' END END,
        CASE WHEN c.verdict = 'repaired' AND c.absent > (c.missing + c.different) / 2 THEN format(
            '%s of the %s rows that differed had gone when they were looked up to be sent: what shows other keys each time it is read cannot be compared',
            c.absent, c.missing + c.different) END,
        CASE WHEN c.waits_for IS NOT NULL THEN format('a comparison has been due since %s, and waits: %s', date_trunc('second', c.waits_since), c.waits_for) END,
        CASE WHEN dbsync_internal.is_overdue(c) THEN format('both ends were found equal, or made so, at %s for the last time: more than two intervals of its scan ago',
            date_trunc('second', c.good)) END), '')
    FROM dbsync_internal.scan c WHERE c.attachment = of_attachment
$$;
COMMENT ON FUNCTION dbsync_internal.snapshot_in_words(oid, regrole, uuid) IS 'why the last comparison of a table came to nothing, what the next one waits for, and whether the last good one is old; null: nothing to say';

-- Shared by the capture tests: put a table under capture without a subscription,
-- show what was captured, and fold it to compare with the table itself.
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS capture_test CASCADE;
CREATE SCHEMA capture_test;

CREATE FUNCTION capture_test.begin(rel regclass, key regclass DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    new_id int;
BEGIN
    INSERT INTO dbsync.captured_table (relid, key_index)
    VALUES (rel, coalesce(key, dbsync_internal.choose_key(rel))) RETURNING id INTO new_id;
    PERFORM dbsync_internal.install_capture(new_id);
END $$;

-- Takes away what begin() made; the table may be dropped then.
CREATE FUNCTION capture_test.end(rel regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM dbsync_internal.remove_capture(id) FROM dbsync.captured_table WHERE relid = rel;
END $$;

-- Every captured row: place of its transaction in closing order (null: it has
-- no header), number, operation, where it lies, and the row itself, without the
-- columns that it says are untouched.
CREATE FUNCTION capture_test.rows(rel regclass)
    RETURNS TABLE (place bigint, no bigint, op "char", key jsonb, data jsonb, xid xid8, segment int, tid tid, same text[])
    LANGUAGE plpgsql AS $$
DECLARE
    part text;
    parts text := '';
    keys text;
    s record;
BEGIN
    SELECT string_agg(format('data -> %L', a.attname), ', ' ORDER BY k.n) INTO keys
    FROM pg_index i,
         unnest(i.indkey) WITH ORDINALITY k (attnum, n)
         JOIN pg_attribute a ON a.attrelid = rel AND a.attnum = k.attnum
    WHERE i.indexrelid = dbsync_internal.current_key(rel) AND k.n <= i.indnkeyatts;
    -- without a key all that is in a row is it
    keys := coalesce(keys, 'data');
    FOR s IN SELECT g.id, g.relid FROM dbsync.segment g JOIN dbsync.captured_table c ON c.id = g.captured_id
             WHERE c.relid = rel LOOP
        SELECT string_agg(format('SELECT %I AS xid, %I AS no, %I AS op, %s AS segment, %s AS tid, to_jsonb(the_row) - ARRAY[%L, %L, %L, %L] AS data,
                (SELECT array_agg((%L::text[])[m + 3]) FROM unnest(%I::smallint[]) m) AS same FROM ' || source || ' the_row',
            n[2], n[3], n[1], s.id, sources.place, n[1], n[2], n[3], n[cardinality(n)], n, n[cardinality(n)], s.relid::regclass), ' UNION ALL ') INTO part
        FROM (VALUES ('ctid', '%s'), ('NULL', 'dbsync_internal.carried(NULL::%s)')) sources (place, source),
             (SELECT array_agg(attname::text ORDER BY attnum) n FROM pg_attribute
              WHERE attrelid = s.relid AND attnum > 0) names;
        parts := parts || CASE parts WHEN '' THEN '' ELSE ' UNION ALL ' END || part;
    END LOOP;
    RETURN QUERY EXECUTE format('SELECT h.place, r.no, r.op, jsonb_build_array(%s), r.data - coalesce(r.same, ''{}''), r.xid, r.segment, r.tid, r.same
        FROM (%s) r LEFT JOIN (SELECT xid, row_number() OVER (ORDER BY closing, xid) AS place
                               FROM capture_test.headers()) h ON h.xid = r.xid', keys, parts);
END $$;

CREATE FUNCTION capture_test.headers() RETURNS SETOF dbsync_internal.header_1 LANGUAGE plpgsql AS $$
DECLARE
    s regclass;
BEGIN
    FOR s IN SELECT relid FROM dbsync.segment WHERE captured_id = 0 LOOP
        RETURN QUERY EXECUTE format('SELECT * FROM %s', s);
    END LOOP;
END $$;

-- What was captured, transactions numbered from 1.
CREATE FUNCTION capture_test.log(rel regclass) RETURNS TABLE (tx bigint, op "char", data text)
    LANGUAGE sql AS $$
    SELECT dense_rank() OVER (ORDER BY r.place), r.op,
        CASE WHEN r.op = 'D' THEN r.key ELSE r.data END::text
    FROM capture_test.rows(rel) r ORDER BY r.place, r.no
$$;

-- The state of a row after one more change; null: there is no row.
CREATE FUNCTION capture_test.change(state jsonb, op "char", data jsonb) RETURNS jsonb
    LANGUAGE sql AS $$
    SELECT CASE op WHEN 'D' THEN NULL WHEN 'U' THEN coalesce(state, '{}') || data ELSE data END
$$;
CREATE AGGREGATE capture_test.fold("char", jsonb) (SFUNC = capture_test.change, STYPE = jsonb);

-- The last state of each key since the last TRUNCATE, against the table: no row
-- means that they agree.
CREATE FUNCTION capture_test.differences(rel regclass) RETURNS TABLE (side text, data text)
    LANGUAGE plpgsql AS $$
DECLARE
    generated text[];
    -- inheritance children are tables of their own
    source text := (SELECT CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END || rel::text FROM pg_class c WHERE c.oid = rel);
BEGIN
    SELECT coalesce(array_agg(attname::text), '{}') INTO generated
    FROM pg_attribute WHERE attrelid = rel AND attgenerated <> '';
    IF dbsync_internal.current_key(rel) IS NULL THEN
        RETURN QUERY EXECUTE format($q$
            WITH log AS MATERIALIZED (SELECT * FROM capture_test.rows(%L)),
            wiped AS (SELECT place, no FROM log WHERE op = 'T' ORDER BY place DESC, no DESC LIMIT 1),
            sums AS (
                SELECT l.data::text, sum(CASE l.op WHEN 'I' THEN 1 WHEN 'D' THEN -1 ELSE 1000 END) AS n FROM log l
                WHERE l.place IS NOT NULL AND l.op <> 'T'
                  AND NOT EXISTS (SELECT FROM wiped w WHERE (l.place, l.no) < (w.place, w.no))
                GROUP BY 1),
            real AS (SELECT (to_jsonb(the_row) - %L::text[])::text AS data, count(*) AS n FROM %s the_row GROUP BY 1)
            SELECT format('captured %%s, in the table %%s', coalesce(s.n, 0), coalesce(r.n, 0)), coalesce(s.data, r.data)
            FROM sums s FULL JOIN real r ON r.data = s.data WHERE coalesce(s.n, 0) <> coalesce(r.n, 0) ORDER BY 1, 2$q$, rel, generated, source);
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format($q$
        WITH log AS MATERIALIZED (SELECT * FROM capture_test.rows(%L)),
        wiped AS (SELECT place, no FROM log WHERE op = 'T' ORDER BY place DESC, no DESC LIMIT 1),
        last AS (
            SELECT capture_test.fold(l.op, l.data ORDER BY l.place, l.no)::text AS data FROM log l
            WHERE l.place IS NOT NULL AND l.op <> 'T'
              AND NOT EXISTS (SELECT FROM wiped w WHERE (l.place, l.no) < (w.place, w.no))
            GROUP BY l.key),
        captured AS (SELECT data FROM last WHERE data IS NOT NULL),
        real AS (SELECT (to_jsonb(the_row) - %L::text[])::text AS data FROM %s the_row)
        (SELECT 'captured only', c.data FROM captured c EXCEPT ALL SELECT 'captured only', r.data FROM real r)
        UNION ALL
        (SELECT 'table only', r.data FROM real r EXCEPT ALL SELECT 'table only', c.data FROM captured c)
        ORDER BY 1, 2$q$, rel, generated, source);
END $$;

-- Headers against rows: each row has a header that names its block, each header
-- counts its rows rightly, and what it says to be one plain statement has no key
-- twice.  No row means that all is well.
CREATE FUNCTION capture_test.header_faults(rel regclass)
    RETURNS TABLE (fault text, n bigint) LANGUAGE sql AS $$
    WITH log AS MATERIALIZED (SELECT * FROM capture_test.rows(rel)),
    -- parts have different lengths: walk from one to the next
    parts AS (
        WITH RECURSIVE walk AS (
            SELECT h.xid, dbsync_internal.header_parts(h.parts) AS parts, 1 AS at FROM capture_test.headers() h
            UNION ALL
            -- 16 more: a number of turns follows
            SELECT xid, parts, (at + 10 + 2 * (parts[at + 9] % 16) + parts[at + 9] / 16)::int FROM walk
            WHERE at + 10 + 2 * (parts[at + 9] % 16) + parts[at + 9] / 16 <= array_length(parts, 1))
        SELECT xid, parts[at + 1] AS segment, parts[at + 2] AS i, parts[at + 3] AS u, parts[at + 4] AS d,
               parts[at + 5] AS t, parts[at + 6] AS r, parts[at + 7] AS statements,
               parts[at + 8] AS marked, parts[at + 10 : (at + 9 + 2 * (parts[at + 9] % 16))::int] AS ranges, parts[at + 9] >= 16 AS turns
        FROM walk),
    counted AS (
        SELECT xid, segment, count(*) FILTER (WHERE op = 'I') AS i, count(*) FILTER (WHERE op = 'U') AS u,
               count(*) FILTER (WHERE op = 'D') AS d, count(*) FILTER (WHERE op = 'T') AS t,
               count(*) FILTER (WHERE op = 'R') AS r, count(*) FILTER (WHERE op = 'U' AND same <> '{}') AS marked
        FROM log GROUP BY xid, segment)
    SELECT 'row without header', count(*) FROM log WHERE place IS NULL HAVING count(*) > 0
    UNION ALL
    SELECT 'row outside the ranges', count(*) FROM log l JOIN parts p ON p.xid = l.xid AND p.segment = l.segment
    WHERE l.tid IS NOT NULL AND NOT EXISTS (SELECT FROM generate_series(1, array_length(p.ranges, 1), 2) g
                      WHERE (l.tid::text::point)[0] BETWEEN p.ranges[g] AND p.ranges[g + 1])
    HAVING count(*) > 0
    UNION ALL
    SELECT 'part with wrong counts', count(*) FROM parts p FULL JOIN counted c ON c.xid = p.xid AND c.segment = p.segment
    WHERE (p.i, p.u, p.d, p.t, p.r, p.marked) IS DISTINCT FROM (c.i, c.u, c.d, c.t, c.r, c.marked)
      AND NOT (c.segment IS NULL AND p.turns AND (p.i, p.u, p.d, p.t, p.r, p.marked) = (0, 0, 0, 0, 0, 0))
      AND coalesce(c.segment, p.segment) IN (SELECT g.id FROM dbsync.segment g JOIN dbsync.captured_table t ON t.id = g.captured_id WHERE t.relid = rel)
    HAVING count(*) > 0
    UNION ALL
    SELECT 'key twice in one statement', count(*) FROM (
        SELECT FROM parts p JOIN log l ON l.xid = p.xid AND l.segment = p.segment
        WHERE p.statements < 2 AND (p.i = 0)::int + (p.u = 0)::int + (p.d = 0)::int + (p.r = 0)::int >= 3
        GROUP BY l.xid, l.segment, l.key HAVING count(*) > 1 OR min(p.statements) < 1) twice
    HAVING count(*) > 0
$$;

-- Both at once, as one word.
CREATE FUNCTION capture_test.verdict(rel regclass) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((SELECT string_agg(fault || ': ' || n, '; ') FROM capture_test.header_faults(rel)),
                    (SELECT string_agg(side || ': ' || data, '; ') FROM capture_test.differences(rel)), 'right')
$$;
SET search_path = capture_test, public;
RESET client_min_messages;

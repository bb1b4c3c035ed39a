-- What people look at of sequences: sequence_status.

CREATE FUNCTION dbsync_internal.sequence_value(sequence oid) RETURNS bigint
    LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'dbsync_sequence_value';
COMMENT ON FUNCTION dbsync_internal.sequence_value(oid) IS 'the value that a sequence gave last; null: none yet, or somebody has locked it';

-- In steps of the source's sequence.  One that cycles may be ahead behind its end.
CREATE FUNCTION dbsync_internal.sequence_headroom(here bigint, there bigint, parameters pg_sequence) RETURNS bigint
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN parameters.seqcycle AND steps < 0
            THEN steps + div(parameters.seqmax::numeric - parameters.seqmin, abs(parameters.seqincrement::numeric)) + 1
            ELSE steps END::bigint
    FROM (SELECT div(there::numeric - here, parameters.seqincrement) AS steps) d
$$;
COMMENT ON FUNCTION dbsync_internal.sequence_headroom(bigint, bigint, pg_sequence) IS 'how many values the target''s sequence is ahead; below 0: it is behind';

CREATE FUNCTION dbsync_internal.describe_sequence(here bigint, parameters pg_sequence, progress dbsync.sequence_progress, problem text) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT nullif(concat_ws('; ', problem, CASE WHEN problem IS NULL THEN progress.note END,
        CASE WHEN NOT parameters.seqcycle AND parameters.seqincrement > 0 AND here = parameters.seqmax THEN 'it has reached its MAXVALUE'
             WHEN NOT parameters.seqcycle AND parameters.seqincrement < 0 AND here = parameters.seqmin THEN 'it has reached its MINVALUE'
             WHEN here IS NULL THEN 'it has not been used yet'
             WHEN progress.subscription_id IS NULL AND problem IS NULL THEN 'the target''s has not been looked at yet' END), '')
$$;
COMMENT ON FUNCTION dbsync_internal.describe_sequence(bigint, pg_sequence, dbsync.sequence_progress, text) IS 'what there is to know of a sequence, in words; null: nothing';

CREATE FUNCTION dbsync_internal.subscription_sequence_status(caller oid) RETURNS TABLE (
    subscription name, sequence regclass, target_sequence text, value_here bigint, value_there bigint, headroom bigint, note text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT s.name, q.sequence::regclass,
        coalesce(p.target_sequence, CASE WHEN q.named THEN format('%I.%I', q.target_schema, q.target_name) END),
        v.here, p.target_value, dbsync_internal.sequence_headroom(v.here, p.target_value, r),
        dbsync_internal.describe_sequence(v.here, r, p, q.problem)
    FROM dbsync.subscription s
    CROSS JOIN LATERAL dbsync_internal.sequences_of(s.id) q
    JOIN pg_sequence r ON r.seqrelid = q.sequence
    LEFT JOIN dbsync.sequence_progress p ON p.subscription_id = s.id AND p.sequence = q.sequence
    CROSS JOIN LATERAL dbsync_internal.sequence_value(q.sequence) v (here)
    WHERE dbsync_internal.may_see(caller, dbsync_internal.owner_of(s.id))
    UNION ALL
    SELECT s.name, u.sequence::regclass, NULL, NULL, NULL, NULL,
        format('it is not in the subscription, though by default %s %s values from it; to have it flow: SELECT dbsync.add_sequence(%L, %L);',
            u.users, CASE WHEN u.n > 1 THEN 'take' ELSE 'takes' END, s.name, u.sequence::regclass)
    FROM dbsync.subscription s
    CROSS JOIN LATERAL dbsync_internal.unsent_sequences(s.id) u
    WHERE dbsync_internal.may_see(caller, dbsync_internal.owner_of(s.id));
END $$;
COMMENT ON FUNCTION dbsync_internal.subscription_sequence_status(oid) IS 'body of dbsync.subscription_sequence_status()';

CREATE FUNCTION dbsync.subscription_sequence_status() RETURNS TABLE (
    subscription name, sequence regclass, target_sequence text, value_here bigint, value_there bigint, headroom bigint, note text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.subscription_sequence_status() IS 'what the view dbsync.sequence_status shows';

CREATE VIEW dbsync.sequence_status WITH (security_barrier) AS
    SELECT * FROM dbsync.subscription_sequence_status();
COMMENT ON VIEW dbsync.sequence_status IS 'one row per subscription of yours and sequence: where it stands here and on the target';
COMMENT ON COLUMN dbsync.sequence_status.subscription IS 'name of the subscription';
COMMENT ON COLUMN dbsync.sequence_status.sequence IS 'the sequence: of a column of one of its tables, or added with add_sequence()';
COMMENT ON COLUMN dbsync.sequence_status.target_sequence IS 'the one that is kept ahead on the target; null: none was found';
COMMENT ON COLUMN dbsync.sequence_status.value_here IS 'the value that it gave last; null: none yet';
COMMENT ON COLUMN dbsync.sequence_status.value_there IS 'where the target''s stood when it was looked at or set last';
COMMENT ON COLUMN dbsync.sequence_status.headroom IS 'how many more values it can give before it reaches what the target has; it is set again in time';
COMMENT ON COLUMN dbsync.sequence_status.note IS 'why the target''s is not kept ahead, or what else there is to know; null: nothing';

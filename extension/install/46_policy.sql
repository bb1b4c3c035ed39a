-- When changes travel: policies, and the time zones by which they go.

CREATE FUNCTION dbsync_internal.check_policy(policy text) RETURNS void
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_check_policy';
COMMENT ON FUNCTION dbsync_internal.check_policy(text) IS 'error unless it is the text of a policy';

CREATE FUNCTION dbsync_internal.check_time_zone(time_zone text) RETURNS void
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_check_time_zone';
COMMENT ON FUNCTION dbsync_internal.check_time_zone(text) IS 'error unless it is the name of a time zone, or null';

CREATE FUNCTION dbsync_internal.policy_clock() RETURNS timestamptz
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'dbsync_policy_clock';
COMMENT ON FUNCTION dbsync_internal.policy_clock() IS 'what time it is, for policies';

-- What the worker waits for, as its slot and the clock have it.
CREATE FUNCTION dbsync_internal.policy_state(subscription_id int, policy text, time_zone text, last_run timestamptz,
    OUT next_run timestamptz, OUT waits_for text, OUT zone_known boolean)
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'dbsync_policy_state';
COMMENT ON FUNCTION dbsync_internal.policy_state(int, text, text, timestamptz) IS 'when the next round of a started subscription begins by the clock, what it waits for, and whether its time zone is known';

-- The same in words, for its status.
CREATE FUNCTION dbsync_internal.policy_in_words(subscription dbsync.subscription, OUT next_run timestamptz, OUT waits_for text, OUT action text)
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN subscription.enabled THEN p.next_run END, CASE WHEN subscription.enabled THEN p.waits_for END,
        CASE WHEN NOT p.zone_known THEN format('Time zone "%s" is not known any more, so its policy goes by UTC. '
            'To name another one: SELECT dbsync.alter_subscription(%L, time_zone => ...).', subscription.time_zone, subscription.name) END
    FROM dbsync_internal.policy_state(subscription.id, subscription.policy, subscription.time_zone, subscription.last_run) p
$$;
COMMENT ON FUNCTION dbsync_internal.policy_in_words(dbsync.subscription) IS 'what a subscription waits for by its policy, and what to do about it';

CREATE FUNCTION dbsync.next_runs(policy text, time_zone text DEFAULT NULL, after timestamptz DEFAULT now(), n int DEFAULT 5)
    RETURNS TABLE (next_run timestamptz, local_time timestamp)
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'dbsync_next_runs';
COMMENT ON FUNCTION dbsync.next_runs(text, text, timestamptz, int) IS 'when rounds of a policy begin by the clock; time_zone: by which its times are meant, null: UTC; local_time: what clocks show there';

-- Of changes that are pending it knows nothing: it goes by the clock.
CREATE FUNCTION dbsync_internal.check_verify_policy(policy text) RETURNS void
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'dbsync_check_verify_policy';
COMMENT ON FUNCTION dbsync_internal.check_verify_policy(text) IS 'error unless it is the text of a policy by the clock alone';

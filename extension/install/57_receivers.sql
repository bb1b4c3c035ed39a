-- Receivers: making, altering, dropping, starting and stopping them.

-- Which of the two roles that lend the server's own account he lacks; null: none.
CREATE FUNCTION dbsync_internal.missing_file_role(role oid) RETURNS name
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.rolname FROM pg_roles r
    WHERE r.rolname IN ('pg_read_server_files', 'pg_write_server_files')
      AND NOT coalesce(pg_has_role(role, r.oid, 'USAGE'), false)
    ORDER BY r.rolname LIMIT 1
$$;
COMMENT ON FUNCTION dbsync_internal.missing_file_role(oid) IS 'role that a receiver''s owner must have, and has not; null: he has both';

CREATE FUNCTION dbsync_internal.check_file_roles(role oid) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    missing name := dbsync_internal.missing_file_role(role);
BEGIN
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role "%s" may not have a receiver', pg_get_userbyid(role)),
            DETAIL = format('A receiver reads and writes files as the server''s own account, and the role is no member of %s.', missing),
            HINT = format('A superuser can GRANT %s TO %I.', missing, pg_get_userbyid(role));
    ELSIF NOT has_foreign_data_wrapper_privilege(role, 'dbsync_file', 'USAGE') THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role "%s" may not have a receiver', pg_get_userbyid(role)),
            HINT = format('A superuser can GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_file TO %I.', pg_get_userbyid(role));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_file_roles(oid) IS 'error unless the role may have receivers';

-- ---------------------------------------------------------------------------
-- What is given

CREATE FUNCTION dbsync_internal.is_public_key(pem text) RETURNS boolean
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_is_public_key';
COMMENT ON FUNCTION dbsync_internal.is_public_key(text) IS 'is it an Ed25519 public key in PEM?';

CREATE FUNCTION dbsync_internal.folder_problem(path text) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_folder_problem_of';
COMMENT ON FUNCTION dbsync_internal.folder_problem(text) IS 'why a path cannot be the root of a receiver; null: it can';

CREATE FUNCTION dbsync_internal.inbox_problem(root text, inbox text) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_inbox_problem_of';
COMMENT ON FUNCTION dbsync_internal.inbox_problem(text, text) IS 'why a path cannot be the inbox of a receiver with this root; null: it can';

CREATE FUNCTION dbsync_internal.check_public_keys(keys text[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    n int;
BEGIN
    IF coalesce(cardinality(keys), 0) = 0 OR array_ndims(keys) <> 1 OR array_position(keys, NULL) IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a receiver must have a public key',
            DETAIL = 'Without one nobody could tell whose files are played.',
            HINT = 'At the source SELECT dbsync.public_key(target) shows it. Carry it here by a way that is trusted.';
    END IF;
    SELECT k.n INTO n FROM unnest(keys) WITH ORDINALITY k (pem, n) WHERE NOT dbsync_internal.is_public_key(k.pem) ORDER BY k.n LIMIT 1;
    IF FOUND THEN
        -- not shown: it may be the other half
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('number %s of the public keys is no Ed25519 public key in PEM', n),
            HINT = 'It begins with -----BEGIN PUBLIC KEY-----. At the source SELECT dbsync.public_key(target) shows it.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_public_keys(text[]) IS 'error unless each is an Ed25519 public key in PEM, and there is one at least';

-- Only the clock can tell when to look into a folder.
CREATE FUNCTION dbsync_internal.check_receiver_policy(policy text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.check_policy(policy);
    IF policy ~* '\m(rows|bytes|age|idle)\M' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a receiver cannot go by policy "%s"', policy),
            DETAIL = 'It looks into a folder, and nothing is captured that could be counted.',
            HINT = 'For example: interval 1 s; cron */5 * * * *; manual.';
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_receiver_policy(text) IS 'error unless it is a policy that a receiver can go by';

CREATE FUNCTION dbsync_internal.receiver_time(options jsonb, option text, fallback interval) RETURNS bigint
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (extract(epoch FROM coalesce((options->>option)::interval, fallback)) * 1000000)::bigint
$$;
COMMENT ON FUNCTION dbsync_internal.receiver_time(jsonb, text, interval) IS 'an option that is a time, in microseconds';

-- All options of a receiver, with what holds where nothing was said.  Times are in microseconds.
CREATE FUNCTION dbsync_internal.receiver_options(options jsonb,
    OUT remove boolean, OUT ddl text, OUT partial_after bigint, OUT gap_after bigint, OUT settle_after bigint, OUT keep_applied bigint,
    OUT receipt_every bigint, OUT cache_size bigint, OUT existing_rows text, OUT identity_file text, OUT receipt_key_file text,
    OUT expect_every bigint)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET intervalstyle = postgres
AS $$
    SELECT coalesce((options->>'remove')::boolean, true), coalesce(options->>'ddl', 'wait'),
        dbsync_internal.receiver_time(options, 'partial_after', '1 hour'), dbsync_internal.receiver_time(options, 'gap_after', '1 minute'),
        dbsync_internal.receiver_time(options, 'settle_after', '10 seconds'), dbsync_internal.receiver_time(options, 'keep_applied', '7 days'),
        dbsync_internal.receiver_time(options, 'receipt_every', '1 hour'), pg_size_bytes(coalesce(options->>'cache_size', '10 GB')),
        options->>'existing_rows', options->>'identity_file', options->>'receipt_key_file',
        dbsync_internal.receiver_time(options, 'expect_every', NULL)
$$;
COMMENT ON FUNCTION dbsync_internal.receiver_options(jsonb) IS 'options of a receiver, those included that were not given';

CREATE FUNCTION dbsync_internal.refuse_receiver_option(option text, value text, expected text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
        MESSAGE = format('invalid value for option "%s" of a receiver: "%s"', option, value),
        HINT = format('It must be %s.', expected);
END $$;
COMMENT ON FUNCTION dbsync_internal.refuse_receiver_option(text, text, text) IS 'error that says what an option must be';

CREATE FUNCTION dbsync_internal.check_receiver_option(option text, value text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET intervalstyle = postgres
AS $$
DECLARE
    expected text := CASE
        WHEN option IN ('partial_after', 'gap_after', 'settle_after', 'keep_applied', 'receipt_every', 'expect_every') THEN 'a time, like "10 min"'
        WHEN option = 'cache_size' THEN 'a size, like "10 GB"'
        WHEN option = 'remove' THEN 'true or false'
        WHEN option = 'existing_rows' THEN 'keep or truncate'
        WHEN option = 'ddl' THEN 'wait or apply'
        WHEN option = 'on_error' THEN 'stop'
        ELSE 'the absolute path of a file or folder' END;
    good boolean;
BEGIN
    good := CASE
        WHEN option IN ('partial_after', 'gap_after', 'settle_after', 'keep_applied', 'receipt_every', 'expect_every')
            THEN value::interval BETWEEN interval '0' AND interval '100 years'
        WHEN option = 'cache_size' THEN pg_size_bytes(value) > 0
        WHEN option = 'remove' THEN value::boolean IS NOT NULL
        WHEN option = 'existing_rows' THEN value IN ('keep', 'truncate')
        WHEN option = 'ddl' THEN value IN ('wait', 'apply')
        WHEN option = 'on_error' THEN value = 'stop'
        WHEN option IN ('in', 'identity_file', 'receipt_key_file') THEN left(value, 1) = '/' END;
    IF good IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a receiver has no option "%s"', option),
            HINT = 'Options: in, remove, partial_after, gap_after, settle_after, cache_size, keep_applied, receipt_every, existing_rows, ddl, '
                'on_error, identity_file, receipt_key_file, expect_every.';
    ELSIF NOT good THEN
        PERFORM dbsync_internal.refuse_receiver_option(option, value, expected);
    END IF;
EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow OR invalid_text_representation OR interval_field_overflow OR numeric_value_out_of_range THEN
    PERFORM dbsync_internal.refuse_receiver_option(option, value, expected);
END $$;
COMMENT ON FUNCTION dbsync_internal.check_receiver_option(text, text) IS 'error unless it is an option of receivers, with a value that it can have';

CREATE FUNCTION dbsync_internal.check_receiver_options(options jsonb) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF jsonb_typeof(options) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'options must be a JSON object',
            HINT = 'For example: {"existing_rows": "truncate"}';
    END IF;
    PERFORM dbsync_internal.check_receiver_option(o.key, o.value) FROM jsonb_each_text(options) o WHERE o.value IS NOT NULL ORDER BY o.key;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_receiver_options(jsonb) IS 'error unless all of them are options of receivers';

CREATE FUNCTION dbsync_internal.check_inbox(name text, root text, options jsonb) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    problem text := dbsync_internal.inbox_problem(root, options->>'in');
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('folder "%s" cannot be the inbox of receiver "%s"', options->>'in', name),
            DETAIL = problem;
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_inbox(text, text, jsonb) IS 'error if the option "in" of a receiver with this root names a folder that cannot be its inbox';

CREATE FUNCTION dbsync_internal.receiver_root(uri text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    root text;
    problem text;
BEGIN
    IF NOT coalesce(uri ~* '^file://(localhost)?/[^?#]*$', false) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'the folder of a receiver must be a URI like file:///var/spool/dbsync-in',
            HINT = 'It names an absolute path on this server, and nothing else: options are an argument of their own.';
    END IF;
    root := (SELECT regexp_replace(o.value, '(.)/+$', '\1') FROM dbsync_internal.parse_uri('dbsync_file', uri) o WHERE o.option = 'root');
    problem := dbsync_internal.folder_problem(root);
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('folder "%s" cannot be the root of a receiver', root),
            DETAIL = problem,
            HINT = 'Make one with: install -d -o postgres -g gateway -m 2711 PATH';
    END IF;
    RETURN root;
END $$;
COMMENT ON FUNCTION dbsync_internal.receiver_root(text) IS 'the folder that a URI names; error if it cannot be a receiver''s';

-- ---------------------------------------------------------------------------
-- create, alter, drop

CREATE FUNCTION dbsync_internal.find_receiver(caller oid, name text) RETURNS dbsync.receiver
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    receiver dbsync.receiver;
BEGIN
    SELECT r.* INTO receiver FROM dbsync.receiver r WHERE r.name = find_receiver.name::name;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object',
            MESSAGE = format('receiver "%s" does not exist', name),
            HINT = 'dbsync.receivers lists the receivers of this database.';
    ELSIF NOT dbsync_internal.may_act_as(caller, dbsync_internal.owner_of(receiver.id)) THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('must be owner of receiver "%s"', name);
    END IF;
    RETURN receiver;
END $$;
COMMENT ON FUNCTION dbsync_internal.find_receiver(oid, text) IS 'a receiver of the caller''s; error if there is none';

CREATE FUNCTION dbsync_internal.create_receiver(caller oid, name text, uri text, target text, public_keys text[],
    subscription uuid, policy text, options jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    receiver dbsync.receiver;
    root text;
BEGIN
    PERFORM dbsync_internal.require_adopted();
    PERFORM dbsync_internal.config_lock();
    PERFORM dbsync_internal.checked_name('receiver', name);
    PERFORM dbsync_internal.check_file_roles(caller);
    root := dbsync_internal.receiver_root(uri);
    PERFORM dbsync_internal.check_target(caller, target);
    IF EXISTS (SELECT FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
               WHERE s.srvname = create_receiver.target AND w.fdwname = 'dbsync_file') THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('target "%s" takes nothing from bundles', target),
            DETAIL = 'It is a folder, into which changes go as bundles.',
            HINT = 'A receiver plays to a database; to pass bundles on, copy their files.';
    END IF;
    PERFORM dbsync_internal.check_public_keys(public_keys);
    PERFORM dbsync_internal.check_receiver_policy(policy);
    PERFORM dbsync_internal.check_receiver_options(coalesce(options, '{}'));
    PERFORM dbsync_internal.check_inbox(name, root, options);
    INSERT INTO dbsync.receiver (name, root, target, public_keys, subscription, policy, options)
    VALUES (name, root, target, public_keys, subscription, policy, jsonb_strip_nulls(coalesce(options, '{}')))
    ON CONFLICT ON CONSTRAINT receiver_name_key DO NOTHING
    RETURNING * INTO receiver;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
            MESSAGE = format('receiver "%s" already exists', name);
    END IF;
    PERFORM dbsync_internal.create_anchor(receiver.id, caller);
END $$;
COMMENT ON FUNCTION dbsync_internal.create_receiver(oid, text, text, text, text[], uuid, text, jsonb) IS 'body of dbsync.create_receiver()';

CREATE FUNCTION dbsync.create_receiver(name text, uri text, target text, public_keys text[], subscription uuid DEFAULT NULL,
    policy text DEFAULT 'interval 1 s', options jsonb DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.create_receiver(text, text, text, text[], uuid, text, jsonb) IS 'makes a receiver of the caller''s, stopped at first: it takes bundles out of a folder of this server (file:///path: in it "in" is the inbox) and plays them to the target; public_keys: by whom they must be signed, PEM; subscription: uid, at the source, of the one whose bundles are to come, null: of the only one that is there; policy: when it looks; options: see docs/files.md';

-- A null takes an option away.
CREATE FUNCTION dbsync_internal.alter_receiver(caller oid, name text, public_keys text[], options jsonb, policy text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    receiver dbsync.receiver := dbsync_internal.find_receiver(caller, name);
BEGIN
    PERFORM dbsync_internal.config_lock();
    PERFORM dbsync_internal.check_file_roles(caller);
    IF public_keys IS NOT NULL THEN
        PERFORM dbsync_internal.check_public_keys(public_keys);
    END IF;
    IF options IS NOT NULL THEN
        PERFORM dbsync_internal.check_receiver_options(options);
        PERFORM dbsync_internal.check_inbox(name, receiver.root, options);
    END IF;
    IF policy IS NOT NULL THEN
        PERFORM dbsync_internal.check_receiver_policy(policy);
    END IF;
    UPDATE dbsync.receiver r
    SET public_keys = coalesce(alter_receiver.public_keys, r.public_keys),
        options = jsonb_strip_nulls(r.options || coalesce(alter_receiver.options, '{}')),
        policy = coalesce(alter_receiver.policy, r.policy)
    WHERE r.id = receiver.id;
END $$;
COMMENT ON FUNCTION dbsync_internal.alter_receiver(oid, text, text[], jsonb, text) IS 'body of dbsync.alter_receiver()';

CREATE FUNCTION dbsync.alter_receiver(name text, public_keys text[] DEFAULT NULL, options jsonb DEFAULT NULL, policy text DEFAULT NULL) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.alter_receiver(text, text[], jsonb, text) IS 'changes a receiver, from its next round on; null: leave as it is; options one by one, null takes one away';

CREATE FUNCTION dbsync_internal.drop_receiver(caller oid, name text, force boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    receiver dbsync.receiver := dbsync_internal.find_receiver(caller, name);
BEGIN
    PERFORM dbsync_internal.config_lock();
    IF receiver.enabled THEN
        RAISE EXCEPTION USING ERRCODE = 'object_in_use',
            MESSAGE = format('receiver "%s" is started', name),
            HINT = format('Use SELECT dbsync.stop_receiver(%L) first.', name);
    END IF;
    -- its row may be there before the catalog knows of it: a chain was begun, and its first batch refused.  One that another receiver
    -- of that target goes by stays
    IF receiver.subscription IS NOT NULL AND dbsync_internal.is_adopted() AND NOT EXISTS (SELECT FROM dbsync.receiver r
        WHERE r.target = receiver.target AND r.subscription = receiver.subscription AND r.id <> receiver.id) THEN
        PERFORM dbsync_internal.forget_at_target(receiver.id, coalesce(force, false) OR receiver.chain IS NULL);
    END IF;
    DELETE FROM dbsync.receiver r WHERE r.id = receiver.id;
    PERFORM dbsync_internal.drop_anchor(receiver.id);
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_receiver(oid, text, boolean) IS 'body of dbsync.drop_receiver()';

CREATE FUNCTION dbsync.drop_receiver(name text, force boolean DEFAULT false) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.drop_receiver(text, boolean) IS 'drops a receiver, and its row in the target''s ledger, unless another receiver of this database plays the same to that target; its folder stays; force: also if the target cannot be reached';

-- ---------------------------------------------------------------------------
-- start, stop, once

CREATE FUNCTION dbsync.start_receiver(name name) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_start_receiver';
COMMENT ON FUNCTION dbsync.start_receiver(name) IS 'starts a receiver''s worker, when this transaction commits';

CREATE FUNCTION dbsync.stop_receiver(name name) RETURNS void
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_stop_receiver';
COMMENT ON FUNCTION dbsync.stop_receiver(name) IS 'stops a receiver''s worker, at once, and waits for its end';

CREATE FUNCTION dbsync.receive_once(name name, timeout interval DEFAULT NULL) RETURNS bigint
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_receive_once';
COMMENT ON FUNCTION dbsync.receive_once(name, interval) IS 'takes what has arrived, plays what is whole, and returns how many batches that were; timeout: how long to wait, null: as long as it takes';

-- ---------------------------------------------------------------------------
-- Looking

CREATE FUNCTION dbsync_internal.receiver_inbox(root text, inbox text, public_keys text[], subscription uuid, chain bigint, number bigint,
    chains bigint[], settle_after bigint)
    RETURNS TABLE (file text, chain bigint, number bigint, batch bigint, part int, bytes bigint, state text, note text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_receiver_inbox';
COMMENT ON FUNCTION dbsync_internal.receiver_inbox(text, text, text[], uuid, bigint, bigint, bigint[], bigint) IS 'files in a receiver''s inbox, in its cache, and among those that were refused';

CREATE FUNCTION dbsync_internal.receiver_receipt(root text, subscription uuid, uid uuid) RETURNS text
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_receiver_receipt';
COMMENT ON FUNCTION dbsync_internal.receiver_receipt(text, uuid, uuid) IS 'the receipt that a receiver has written last; null: none';

CREATE FUNCTION dbsync_internal.inbox(caller oid, name text)
    RETURNS TABLE (file text, chain bigint, number bigint, batch bigint, part int, bytes bigint, state text, note text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    receiver dbsync.receiver := dbsync_internal.find_receiver(caller, name);
BEGIN
    PERFORM dbsync_internal.check_file_roles(caller);
    RETURN QUERY SELECT i.* FROM dbsync_internal.receiver_inbox(receiver.root, coalesce(receiver.options->>'in', receiver.root || '/in'),
        receiver.public_keys, receiver.subscription, coalesce(receiver.chain, 0), coalesce(receiver.number, 0), receiver.chains,
        (SELECT o.settle_after FROM dbsync_internal.receiver_options(receiver.options) o)) i;
END $$;
COMMENT ON FUNCTION dbsync_internal.inbox(oid, text) IS 'body of dbsync.inbox()';

CREATE FUNCTION dbsync.inbox(name text)
    RETURNS TABLE (file text, chain bigint, number bigint, batch bigint, part int, bytes bigint, state text, note text)
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.inbox(text) IS 'what lies in a receiver''s folders: the inbox (new, duplicate, partial, bad, unsigned, foreign, older chain, too new, left alone), what was taken (cached, applied), and what was rejected, with the reason';

CREATE FUNCTION dbsync_internal.receipt(caller oid, name text) RETURNS text
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    receiver dbsync.receiver := dbsync_internal.find_receiver(caller, name);
BEGIN
    PERFORM dbsync_internal.check_file_roles(caller);
    RETURN dbsync_internal.receiver_receipt(receiver.root, receiver.subscription, receiver.uid);
END $$;
COMMENT ON FUNCTION dbsync_internal.receipt(oid, text) IS 'body of dbsync.receipt()';

CREATE FUNCTION dbsync.receipt(name text) RETURNS text
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.receipt(text) IS 'the receipt that a receiver has written last, for the source: dbsync.acknowledge() takes it there; null: none yet';

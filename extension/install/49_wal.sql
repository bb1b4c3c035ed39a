-- capture => 'wal': a worker reads the keys of what has changed from the WAL, through one replication
-- slot and one publication for all tables of the database that are captured so, and writes them into
-- their segments (worker/upkeep/wal_feed.c).
--
-- The order of things is what it hangs on:
--
--	publication before slot		the output plugin asks for it at each change that it meets, as of then
--	slot before table			a table that joins is decoded from there on
--	table under its lock		a writer that is open as it joins would be lost: of what it wrote before nothing is
--								decoded, and nothing of it is in the first copy
--	keys on disk before slot	what the slot has passed nobody reads again
--
-- A slot is made in a transaction that has written nothing, so making it takes three of them.

-- What is known of the slot that ours is by; no row: there is none.
CREATE TABLE dbsync_internal.wal_slot (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    name name NOT NULL,
    publication oid NOT NULL,
    publication_version xid NOT NULL,
    fed pg_lsn
);
COMMENT ON TABLE dbsync_internal.wal_slot IS 'the replication slot of tables that are captured from the WAL, and its publication';
COMMENT ON COLUMN dbsync_internal.wal_slot.singleton IS 'always true: there is one row, or none';
COMMENT ON COLUMN dbsync_internal.wal_slot.name IS 'name of slot and publication';
COMMENT ON COLUMN dbsync_internal.wal_slot.publication IS 'the publication';
COMMENT ON COLUMN dbsync_internal.wal_slot.publication_version IS 'what wrote its row in pg_publication last: another one shows that it was altered';
COMMENT ON COLUMN dbsync_internal.wal_slot.fed IS 'keys of all that was committed below are in the segments; null: the slot has yet to be made';

CREATE TABLE dbsync_internal.published_table (
    captured_id int PRIMARY KEY,
    entry oid NOT NULL,
    since pg_lsn NOT NULL,
    key_names name[] NOT NULL,
    key_numbers smallint[] NOT NULL
);
COMMENT ON TABLE dbsync_internal.published_table IS 'captured tables that are in the publication';
COMMENT ON COLUMN dbsync_internal.published_table.captured_id IS 'the captured table';
COMMENT ON COLUMN dbsync_internal.published_table.entry IS 'its row of pg_publication_rel: of a table that was taken out and put back it is another one';
COMMENT ON COLUMN dbsync_internal.published_table.since IS 'where the WAL was as it was put in, locked against writers: what lies before is in its copy, or of a former life';
COMMENT ON COLUMN dbsync_internal.published_table.key_names IS 'names of the columns of its key as it was put in';
COMMENT ON COLUMN dbsync_internal.published_table.key_numbers IS 'their numbers: another key would be read from what the WAL says of this one';

CREATE FUNCTION dbsync_internal.key_names(captured dbsync.captured_table) RETURNS name[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT ARRAY(SELECT a.attname FROM pg_attribute a
                 WHERE a.attrelid = captured.relid AND a.attnum = ANY (dbsync_internal.key_numbers(captured.relid, captured.named_key)) ORDER BY a.attnum)
$$;
COMMENT ON FUNCTION dbsync_internal.key_names(dbsync.captured_table) IS 'names of the columns of a captured table''s key, as they are now';

CREATE FUNCTION dbsync_internal.sorted_key(captured dbsync.captured_table) RETURNS smallint[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT ARRAY(SELECT k.num FROM unnest(dbsync_internal.key_numbers(captured.relid, captured.named_key)) k (num) ORDER BY k.num)
$$;
COMMENT ON FUNCTION dbsync_internal.sorted_key(dbsync.captured_table) IS 'numbers of the columns of a captured table''s key, as it is now, in the order of the table';

-- A copy of the database has a slot of its own.
CREATE FUNCTION dbsync_internal.wal_name() RETURNS name
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('dbsync_%s', d.oid)::name FROM pg_database d WHERE d.datname = current_database()
$$;
COMMENT ON FUNCTION dbsync_internal.wal_name() IS 'name of the slot and the publication of this database';

-- One at a time: who reads from the slot, makes it or drops it.
CREATE FUNCTION dbsync_internal.lock_wal() RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$
    SELECT pg_advisory_xact_lock('dbsync_internal.wal_slot'::regclass::oid::int8)
$$;
COMMENT ON FUNCTION dbsync_internal.lock_wal() IS 'keeps others away from the replication slot until the transaction ends';

-- ---------------------------------------------------------------------------
-- May a table be captured from the WAL?

-- Of a row that is deleted, or gets another key, the WAL has what the replica identity says.
CREATE FUNCTION dbsync_internal.identity_problem(rel oid, key smallint[]) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN key IS NULL THEN 'it has no key'
        WHEN c.relreplident = 'f' THEN NULL
        WHEN c.relreplident = 'n' THEN 'its replica identity is nothing'
        WHEN i.columns IS NULL AND c.relreplident = 'd' THEN 'its replica identity is the primary key, and there is none'
        WHEN i.columns IS NULL THEN 'the index that was its replica identity is gone'
        WHEN i.columns <> ARRAY(SELECT k.num FROM unnest(key) k (num) ORDER BY k.num) THEN 'its replica identity is not its key' END
    FROM pg_class c
    LEFT JOIN LATERAL (
        SELECT ARRAY(SELECT x.indkey[n] FROM generate_series(0, x.indnkeyatts - 1) n ORDER BY x.indkey[n]) AS columns
        FROM pg_index x
        WHERE x.indrelid = c.oid AND x.indisvalid AND CASE c.relreplident WHEN 'd' THEN x.indisprimary ELSE x.indisreplident END
        LIMIT 1) i ON true
    WHERE c.oid = rel
$$;
COMMENT ON FUNCTION dbsync_internal.identity_problem(oid, smallint[]) IS 'why a table''s replica identity does not say the key of its rows, in words; null: it does';

CREATE FUNCTION dbsync_internal.check_identity(rel regclass, key smallint[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF (SELECT c.relkind FROM pg_class c WHERE c.oid = rel) <> 'r' THEN
        PERFORM dbsync_internal.refuse(format('capture of partitioned table %s cannot be "wal"', rel),
            'Use capture => ''keys'' or ''trigger''.', '0A000',
            'Of a partition that is emptied, attached or detached the WAL does not tell.');
    ELSIF dbsync_internal.identity_problem(rel, key) IS NOT NULL THEN
        PERFORM dbsync_internal.refuse(format('capture of table %s cannot be "wal": %s', rel, dbsync_internal.identity_problem(rel, key)),
            format('ALTER TABLE %s REPLICA IDENTITY DEFAULT, with a primary key; or USING INDEX, with an index over the key''s columns; or FULL.', rel), '0A000',
            'The WAL has of rows that are deleted what the replica identity says, and it must say the key.');
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_identity(regclass, smallint[]) IS 'error unless the WAL says which rows of a table have changed';

-- A slot keeps WAL of the whole cluster from being removed.  So the subscription's owner must be one who
-- might make slots himself; that it is the worker who makes it is no matter.
CREATE FUNCTION dbsync_internal.check_wal_server(owner oid) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    words record;
BEGIN
    IF NOT (SELECT r.rolsuper OR r.rolreplication FROM pg_roles r WHERE r.oid = owner) THEN
        words := dbsync_internal.describe_right(owner, NULL, 'REPLICATION');
        PERFORM dbsync_internal.refuse(words.message, format('A superuser can %s; or use another capture.', words.cure), '42501', words.detail);
    ELSIF current_setting('wal_level') <> 'logical' THEN
        PERFORM dbsync_internal.refuse('capture "wal" needs wal_level = logical',
            'ALTER SYSTEM SET wal_level = logical, and restart the server; or use another capture.', '55000',
            format('It is %s.', current_setting('wal_level')));
    ELSIF NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.slot_name = dbsync_internal.wal_name())
        AND (SELECT count(*) FROM pg_replication_slots) >= current_setting('max_replication_slots')::int THEN
        PERFORM dbsync_internal.refuse('capture "wal" needs a replication slot, and all are in use',
            'Drop one that nobody needs, or set max_replication_slots higher and restart the server.', '53400',
            format('max_replication_slots is %s.', current_setting('max_replication_slots')));
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.check_wal_server(oid) IS 'error unless this server and a subscription''s owner can have a replication slot';

-- All that is asked when a table is added; key: the one that was named.
CREATE FUNCTION dbsync_internal.check_wal(subscription dbsync.subscription, rel regclass, capture text, key name[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF capture <> 'wal' THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.check_identity(rel, dbsync_internal.key_numbers(rel, key));
    IF dbsync_internal.is_applied_into(rel) THEN
        PERFORM dbsync_internal.refuse(format('capture of table %s cannot be "wal": a subscription of dbsync applies into it', rel),
            'Use capture => ''trigger''.', '55000',
            'The WAL does not say who wrote a row, so what comes from elsewhere would go back, as older over newer.');
    END IF;
    PERFORM dbsync_internal.check_wal_server(dbsync_internal.owner_of(subscription.id));
END $$;
COMMENT ON FUNCTION dbsync_internal.check_wal(dbsync.subscription, regclass, text, name[]) IS 'error if a table is to be captured from the WAL and cannot be';

-- ---------------------------------------------------------------------------
-- Slot and publication: making them

-- First of three transactions of a worker; false: all is there.  What is left of a former life is of no use:
-- nobody knows what happened to it.
CREATE FUNCTION dbsync_internal.prepare_wal() RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    own name := dbsync_internal.wal_name();
BEGIN
    PERFORM dbsync_internal.lock_wal();
    IF EXISTS (SELECT FROM dbsync_internal.wal_slot w WHERE w.name = own) THEN
        RETURN (SELECT w.fed IS NULL FROM dbsync_internal.wal_slot w);
    END IF;
    PERFORM dbsync_internal.drop_wal();
    EXECUTE format('CREATE PUBLICATION %I WITH (publish = ''insert, update, delete, truncate'')', own);
    EXECUTE format('COMMENT ON PUBLICATION %I IS ''made by dbsync for tables with capture => ''''wal''''''', own);
    INSERT INTO dbsync_internal.wal_slot (name, publication, publication_version)
    SELECT p.pubname, p.oid, p.xmin FROM pg_publication p WHERE p.pubname = own;
    RETURN true;
END $$;
COMMENT ON FUNCTION dbsync_internal.prepare_wal() IS 'makes the publication, before the slot; false: slot and publication are there';

-- Second: waits for all transactions that have written, as making a slot does.  Nothing is written here.
CREATE FUNCTION dbsync_internal.create_wal_slot() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.lock_wal();
    IF EXISTS (SELECT FROM dbsync_internal.wal_slot w WHERE w.fed IS NULL)
        AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE s.slot_name = dbsync_internal.wal_name()) THEN
        PERFORM pg_create_logical_replication_slot(dbsync_internal.wal_name(), 'pgoutput');
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.create_wal_slot() IS 'makes the slot, in a transaction that has written nothing';

CREATE FUNCTION dbsync_internal.begin_wal() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.lock_wal();
    UPDATE dbsync_internal.wal_slot w SET fed = s.confirmed_flush_lsn
    FROM pg_replication_slots s WHERE s.slot_name = w.name AND w.fed IS NULL;
END $$;
COMMENT ON FUNCTION dbsync_internal.begin_wal() IS 'writes down that the slot is there';

-- Called by install_capture(), which has the table locked against writers.
CREATE FUNCTION dbsync_internal.publish(captured dbsync.captured_table, role oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    publication oid;
BEGIN
    IF captured.capture <> 'wal' THEN
        RETURN;
    END IF;
    IF role IS NOT NULL THEN
        PERFORM dbsync_internal.check_wal_server(role);
    END IF;
    PERFORM dbsync_internal.check_identity(captured.relid, dbsync_internal.key_numbers(captured.relid, captured.named_key));
    SELECT w.publication INTO publication FROM dbsync_internal.wal_slot w WHERE w.fed IS NOT NULL AND w.name = dbsync_internal.wal_name();
    IF NOT FOUND THEN
        -- somebody has dropped it since: the next attempt makes it
        RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
            MESSAGE = format('the replication slot of table %s is not there', captured.relid);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = publication AND r.prrelid = captured.relid) THEN
        EXECUTE format('ALTER PUBLICATION %I ADD TABLE ONLY %s', dbsync_internal.wal_name(), captured.relid);
    END IF;
    INSERT INTO dbsync_internal.published_table (captured_id, entry, since, key_names, key_numbers)
    SELECT captured.id, r.oid, pg_current_wal_insert_lsn(), dbsync_internal.key_names(captured), dbsync_internal.sorted_key(captured)
    FROM pg_publication_rel r WHERE r.prpubid = publication AND r.prrelid = captured.relid
    ON CONFLICT ON CONSTRAINT published_table_pkey DO UPDATE SET (entry, since, key_names, key_numbers)
        = (EXCLUDED.entry, EXCLUDED.since, EXCLUDED.key_names, EXCLUDED.key_numbers);
END $$;
COMMENT ON FUNCTION dbsync_internal.publish(dbsync.captured_table, oid) IS 'adds a table to the publication, if it is to be captured from the WAL';

-- ---------------------------------------------------------------------------
-- And dropping them

-- Without a replica identity, a published table takes no UPDATE and no DELETE.
CREATE FUNCTION dbsync_internal.unpublish(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- also one that somebody has put there in its place
    IF EXISTS (SELECT FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
               WHERE p.pubname = dbsync_internal.wal_name() AND r.prrelid = captured.relid)
        AND EXISTS (SELECT FROM dbsync_internal.published_table t WHERE t.captured_id = captured.id) THEN
        EXECUTE format('ALTER PUBLICATION %I DROP TABLE ONLY %s', dbsync_internal.wal_name(), captured.relid);
    END IF;
    DELETE FROM dbsync_internal.published_table t WHERE t.captured_id = captured.id;
END $$;
COMMENT ON FUNCTION dbsync_internal.unpublish(dbsync.captured_table) IS 'takes a table out of the publication';

-- Dropping a slot is not taken back by ROLLBACK; then the next round finds it gone, and says so.
CREATE FUNCTION dbsync_internal.drop_wal() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    publication name;
    slot record;
BEGIN
    PERFORM dbsync_internal.lock_wal();
    -- that of a database which this one is a copy of, too
    FOR publication IN
        SELECT p.pubname FROM pg_publication p LEFT JOIN pg_description d ON d.objoid = p.oid AND d.classoid = 'pg_publication'::regclass
        WHERE (p.pubname ~ '^dbsync_[0-9]+$' AND d.description LIKE 'made by dbsync for tables with capture => %')
           OR p.oid = (SELECT w.publication FROM dbsync_internal.wal_slot w WHERE w.name = dbsync_internal.wal_name())
    LOOP
        EXECUTE format('DROP PUBLICATION %I', publication);
    END LOOP;
    DELETE FROM dbsync_internal.published_table;
    DELETE FROM dbsync_internal.wal_slot;
    SELECT s.slot_name, s.active_pid INTO slot FROM pg_replication_slots s WHERE s.slot_name = dbsync_internal.wal_name();
    IF slot.active_pid IS NOT NULL THEN
        RAISE WARNING USING MESSAGE = format('replication slot "%s" is in use by process %s, and is not dropped', slot.slot_name, slot.active_pid),
            DETAIL = 'It keeps the server from removing WAL.',
            HINT = format('End that process, and SELECT pg_drop_replication_slot(%L).', slot.slot_name);
    ELSIF slot.slot_name IS NOT NULL THEN
        PERFORM pg_drop_replication_slot(slot.slot_name);
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.drop_wal() IS 'drops the replication slot and the publication of this database';

-- Of a table that nobody has any more.
CREATE FUNCTION dbsync_internal.leave_wal(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF captured.capture <> 'wal' THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.unpublish(captured);
    IF NOT EXISTS (SELECT FROM dbsync.captured_table c WHERE c.capture = 'wal' AND c.id <> captured.id AND c.state NOT IN ('dropped', 'removing')) THEN
        PERFORM dbsync_internal.drop_wal();
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.leave_wal(dbsync.captured_table) IS 'takes a table out of the publication, and drops that and the slot behind the last one';

-- ---------------------------------------------------------------------------
-- While it goes on

-- Why nothing that is read from the slot can be trusted to be all; null: it can.
CREATE FUNCTION dbsync_internal.wal_problem() RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN s.slot_name IS NULL THEN format('replication slot "%s" is gone', w.name)
        WHEN s.wal_status = 'lost' OR s.restart_lsn IS NULL OR s.confirmed_flush_lsn IS NULL
            THEN format('the server has removed WAL that replication slot "%s" needed', w.name)
        WHEN s.confirmed_flush_lsn > w.fed THEN format('somebody else has read from replication slot "%s"', w.name)
        WHEN k.bytes > 0 AND pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.restart_lsn) > k.bytes
            THEN format('replication slot "%s" kept more than dbsync.wal_keep (%s) of WAL', w.name, current_setting('dbsync.wal_keep'))
        WHEN p.xmin IS DISTINCT FROM w.publication_version THEN format('publication "%s" was altered or dropped', w.name) END
    FROM dbsync_internal.wal_slot w
    CROSS JOIN (SELECT pg_size_bytes(current_setting('dbsync.wal_keep'))) k (bytes)
    LEFT JOIN pg_replication_slots s ON s.slot_name = w.name AND s.database = current_database() AND s.plugin = 'pgoutput'
    LEFT JOIN pg_publication p ON p.oid = w.publication AND p.pubname = w.name
    WHERE w.fed IS NOT NULL
$$;
COMMENT ON FUNCTION dbsync_internal.wal_problem() IS 'why tables that are captured from the WAL must be copied anew, in words; null: they need not be';

-- The same of one of them.
CREATE FUNCTION dbsync_internal.published_problem(captured dbsync.captured_table) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN r.oid IS NULL OR r.prqual IS NOT NULL OR r.prattrs IS NOT NULL
            THEN format('it was taken out of publication "%s", or altered there', dbsync_internal.wal_name())
        -- one that was replaced within one command, too: that is seen as a drop first, and then as an ALTER that changes nothing
        WHEN t.key_numbers <> dbsync_internal.sorted_key(captured) AND dbsync_internal.sorted_key(captured) <> '{}' THEN 'it got another key'
        -- by a full replica identity columns are known by their names alone, and two may have changed theirs
        WHEN c.relreplident = 'f' AND t.key_names <> dbsync_internal.key_names(captured) THEN 'columns of its key got other names'
        ELSE dbsync_internal.identity_problem(captured.relid, dbsync_internal.key_numbers(captured.relid, captured.named_key)) END
    FROM (SELECT) one
    LEFT JOIN dbsync_internal.published_table t ON t.captured_id = captured.id
    LEFT JOIN pg_publication_rel r ON r.oid = t.entry AND r.prrelid = captured.relid
    LEFT JOIN pg_class c ON c.oid = captured.relid
$$;
COMMENT ON FUNCTION dbsync_internal.published_problem(dbsync.captured_table) IS 'why a table that is captured from the WAL must be copied anew, in words; null: it need not be';

CREATE FUNCTION dbsync_internal.suspend_wal(captured dbsync.captured_table, reason text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.unpublish(captured);
    PERFORM dbsync_internal.note_suspended(captured.id, reason || '; to go on: dbsync.copy_table()');
    RAISE LOG USING MESSAGE = format('table %s is suspended, as it is captured from the WAL and %s', captured.relid, reason),
        HINT = 'To go on use dbsync.copy_table().';
END $$;
COMMENT ON FUNCTION dbsync_internal.suspend_wal(dbsync.captured_table, text) IS 'marks a table that was captured from the WAL for a new copy, and says why';

-- A worker begins to read; null: there is nothing to be read from.
CREATE FUNCTION dbsync_internal.begin_feeding() RETURNS name
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    captured dbsync.captured_table;
    problem text;
BEGIN
    PERFORM dbsync_internal.lock_wal();
    IF NOT EXISTS (SELECT FROM dbsync_internal.wal_slot w WHERE w.name = dbsync_internal.wal_name() AND w.fed IS NOT NULL) THEN
        -- what was made of them in another life, or by another name
        PERFORM dbsync_internal.suspend_wal(c, 'its replication slot is gone') FROM dbsync.captured_table c
        WHERE c.capture = 'wal' AND c.state = 'active';
        RETURN NULL;
    END IF;
    problem := dbsync_internal.wal_problem();
    IF problem IS NOT NULL THEN
        PERFORM dbsync_internal.suspend_wal(c, problem) FROM dbsync.captured_table c WHERE c.capture = 'wal' AND c.state = 'active';
        PERFORM dbsync_internal.drop_wal();
        RETURN NULL;
    END IF;
    FOR captured IN SELECT c.* FROM dbsync.captured_table c WHERE c.capture = 'wal' AND c.state = 'active' ORDER BY c.id LOOP
        problem := dbsync_internal.published_problem(captured);
        IF problem IS NOT NULL THEN
            PERFORM dbsync_internal.suspend_wal(captured, problem);
        END IF;
    END LOOP;
    -- who has suspended others could not always lock them; if not now, then as we come again
    FOR captured IN
        SELECT c.* FROM dbsync_internal.published_table t JOIN dbsync.captured_table c ON c.id = t.captured_id
        WHERE c.state = 'suspended' ORDER BY c.id
    LOOP
        IF dbsync_internal.lock_at_once(captured.relid, 'SHARE ROW EXCLUSIVE') THEN
            PERFORM dbsync_internal.unpublish(captured);
        END IF;
    END LOOP;
    RETURN dbsync_internal.wal_name();
END $$;
COMMENT ON FUNCTION dbsync_internal.begin_feeding() IS 'name of the replication slot, if all that it shows can be trusted to be all; null: there is none, and its tables are suspended';

-- All below is in the segments as this commits; or there was nothing, and the slot would keep too much.
-- Who applies into one of the tables can have begun while it was read.
CREATE FUNCTION dbsync_internal.end_feeding(upto pg_lsn, any_read boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.suspend_wal(c, 'a subscription of dbsync applies into it')
    FROM dbsync.captured_table c WHERE c.capture = 'wal' AND c.state = 'active' AND dbsync_internal.is_applied_into(c.relid);
    UPDATE dbsync_internal.wal_slot w SET fed = upto
    WHERE upto > w.fed AND (any_read OR upto - w.fed > 16 * 1024 * 1024);
END $$;
COMMENT ON FUNCTION dbsync_internal.end_feeding(pg_lsn, boolean) IS 'writes down how far keys have been read from the WAL';

-- In a transaction behind that: what it says is on disk by then.
CREATE FUNCTION dbsync_internal.advance_wal() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM dbsync_internal.lock_wal();
    PERFORM pg_replication_slot_advance(w.name, w.fed)
    FROM dbsync_internal.wal_slot w JOIN pg_replication_slots s ON s.slot_name = w.name
    WHERE s.confirmed_flush_lsn < w.fed AND s.wal_status <> 'lost';
END $$;
COMMENT ON FUNCTION dbsync_internal.advance_wal() IS 'lets the replication slot pass what has been fed';

-- By a worker that has no such tables itself: theirs may all be stopped.
CREATE FUNCTION dbsync_internal.watch_wal() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- somebody who reads may have moved the slot between two of our looks; so it is asked again under his lock
    IF dbsync_internal.wal_problem() IS NOT NULL THEN
        PERFORM dbsync_internal.begin_feeding();
    END IF;
END $$;
COMMENT ON FUNCTION dbsync_internal.watch_wal() IS 'gives tables up that are captured from the WAL, whoever has them, if too much of it is kept for them';

-- The guard's: DDL on such a table.
CREATE FUNCTION dbsync_internal.follow_wal(captured dbsync.captured_table) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    now_captured dbsync.captured_table;
    problem text;
BEGIN
    IF captured.capture <> 'wal' THEN
        RETURN;
    END IF;
    SELECT c.* INTO now_captured FROM dbsync.captured_table c WHERE c.id = captured.id AND c.state = 'active';
    IF NOT FOUND THEN
        RETURN;
    END IF;
    problem := dbsync_internal.published_problem(now_captured);
    IF problem IS NULL AND now_captured.key_columns IS DISTINCT FROM captured.key_columns THEN
        problem := 'it got another key';
    END IF;
    IF problem IS NULL THEN
        RETURN;
    END IF;
    PERFORM dbsync_internal.suspend_wal(now_captured, problem);
    RAISE NOTICE USING MESSAGE = format('table %s is suspended, as it is captured from the WAL and %s', captured.relid, problem),
        DETAIL = dbsync_internal.subscriptions_of(captured.id),
        HINT = 'To go on give it a replica identity that is its key, and use dbsync.copy_table().';
END $$;
COMMENT ON FUNCTION dbsync_internal.follow_wal(dbsync.captured_table) IS 'suspends a table that is captured from the WAL, if a command has altered what that says of it';

-- The guard: capture triggers stay what they are.  Switched off and on by scripts
-- that load data, they are put back in the command itself, and nothing is missed
-- (hazard 9); they cannot be dropped, renamed or replaced one by one.
\set SHOW_CONTEXT never
CREATE SCHEMA guard_trg;
SET search_path = guard_trg, public;
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER own AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION own();
CREATE VIEW triggers AS
    SELECT regexp_replace(tgname, '\d+', 'N') AS name, tgenabled AS enabled
    FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal;
-- names of triggers contain an id
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE replace(command, '_N_', '_' || (SELECT id FROM dbsync.captured_table WHERE relid = 't'::regclass) || '_');
    RETURN 'done';
EXCEPTION WHEN feature_not_supported THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN regexp_replace(sqlerrm, '_\d+_', '_N_') || ' HINT: ' || hint;
END $$;
SELECT dbsync.create_target('guard_trg', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('guard_trg', 'guard_trg', ARRAY['t']);
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
SELECT * FROM triggers ORDER BY 1;

-- as pg_restore --disable-triggers and many loading scripts do
BEGIN;
ALTER TABLE t DISABLE TRIGGER ALL;
INSERT INTO t VALUES (1, 'loaded');
ALTER TABLE t ENABLE TRIGGER ALL;
COMMIT;
SELECT op, "row" FROM dbsync.changes('t');
SELECT * FROM triggers ORDER BY 1;

-- the user's own trigger is his
ALTER TABLE t DISABLE TRIGGER own;
SELECT * FROM triggers WHERE name = 'own';
ALTER TABLE t ENABLE REPLICA TRIGGER own;
ALTER TRIGGER own ON t RENAME TO mine;
DROP TRIGGER mine ON t;

-- one by one
SELECT try('ALTER TABLE t DISABLE TRIGGER dbsync_N_insert');
SELECT try('ALTER TABLE t ENABLE TRIGGER dbsync_N_update');
SELECT try('ALTER TABLE t ENABLE ALWAYS TRIGGER dbsync_N_row');
SELECT * FROM triggers ORDER BY 1;
SELECT try('ALTER TRIGGER dbsync_N_insert ON t RENAME TO theirs');
SELECT try('CREATE OR REPLACE TRIGGER dbsync_N_insert AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION own()');
SELECT try('DROP TRIGGER dbsync_N_insert ON t');
SELECT * FROM triggers ORDER BY 1;

-- also while a statement of the session has the table open: an error then, not silence
CREATE FUNCTION disable() RETURNS int LANGUAGE plpgsql AS $$ BEGIN ALTER TABLE t DISABLE TRIGGER ALL; RETURN 1; END $$;
INSERT INTO t SELECT disable() + 1, 'x';

-- nor together with what runs users' code, which would write unseen
CREATE FUNCTION sneak(id int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET v = 'unseen' WHERE t.id = 1; RETURN true; END $$;
ALTER TABLE t DISABLE TRIGGER ALL, ADD CHECK (sneak(id));
ALTER TABLE t ADD CHECK (sneak(id)), DISABLE TRIGGER USER;
SELECT try('ALTER TABLE t ENABLE REPLICA TRIGGER dbsync_N_update, ADD CHECK (sneak(id))');
SELECT count(*) FROM t WHERE v = 'unseen';
CREATE TRIGGER own AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION own();
ALTER TABLE t DISABLE TRIGGER own, ALTER v SET DEFAULT 'd';
ALTER TABLE t DISABLE TRIGGER own, DISABLE TRIGGER ALL;
DROP TRIGGER own ON t;
ALTER TABLE t ALTER v DROP DEFAULT;

-- in replica role the guard is awake too
SET session_replication_role = replica;
ALTER TABLE t DISABLE TRIGGER ALL;
RESET session_replication_role;
SELECT * FROM triggers ORDER BY 1;

SELECT dbsync.drop_subscription('guard_trg');
SELECT * FROM triggers ORDER BY 1;
SELECT dbsync.drop_target('guard_trg');
SET client_min_messages = warning;
DROP SCHEMA guard_trg CASCADE;

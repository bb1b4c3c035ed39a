-- What PostgreSQL itself does with triggers of partitioned tables, on which their capture is
-- built: a new major that differs is noticed here.  None of dbsync's triggers is involved.
\set QUIET on
\set VERBOSITY terse
\set SHOW_CONTEXT never
CREATE SCHEMA matrix;
SET search_path = matrix;
CREATE TABLE seen (n int GENERATED ALWAYS AS IDENTITY, what text);
-- each statement trigger tells how many rows its transition tables have
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    olds int;
    news int;
BEGIN
    IF tg_when = 'AFTER' AND tg_level = 'STATEMENT' AND tg_op IN ('UPDATE', 'DELETE') THEN
        EXECUTE 'SELECT count(*) FROM olds' INTO olds;
    END IF;
    IF tg_when = 'AFTER' AND tg_level = 'STATEMENT' AND tg_op IN ('UPDATE', 'INSERT') THEN
        EXECUTE 'SELECT count(*) FROM news' INTO news;
    END IF;
    INSERT INTO matrix.seen (what) VALUES (concat_ws(' ', tg_table_name, lower(tg_when), lower(tg_op), lower(tg_level),
        'old ' || olds, 'new ' || news));
    RETURN CASE WHEN tg_level = 'ROW' AND tg_when = 'BEFORE' THEN new END;
END $$;
CREATE FUNCTION watch(rel regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER b BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION matrix.note()', rel);
    EXECUTE format('CREATE TRIGGER i AFTER INSERT ON %s REFERENCING NEW TABLE AS news FOR EACH STATEMENT EXECUTE FUNCTION matrix.note()', rel);
    EXECUTE format('CREATE TRIGGER u AFTER UPDATE ON %s REFERENCING OLD TABLE AS olds NEW TABLE AS news FOR EACH STATEMENT EXECUTE FUNCTION matrix.note()', rel);
    EXECUTE format('CREATE TRIGGER d AFTER DELETE ON %s REFERENCING OLD TABLE AS olds FOR EACH STATEMENT EXECUTE FUNCTION matrix.note()', rel);
    EXECUTE format('CREATE TRIGGER t AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION matrix.note()', rel);
END $$;
CREATE FUNCTION told() RETURNS SETOF text LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM matrix.seen RETURNING *) SELECT what FROM gone ORDER BY n
$$;
CREATE TABLE root (id int, k int, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE leaf PARTITION OF root FOR VALUES IN (1);
CREATE TABLE middle PARTITION OF root FOR VALUES IN (2) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF middle FOR VALUES FROM (0) TO (100);
CREATE TABLE high (v text, k int NOT NULL, id int NOT NULL);
ALTER TABLE middle ATTACH PARTITION high FOR VALUES FROM (100) TO (200);
SELECT watch(r) FROM unnest('{root,leaf,middle,low,high}'::regclass[]) r;

-- statement triggers: of the relation that is named, and of no other
INSERT INTO root VALUES (1, 1), (2, 2), (102, 2), (103, 2);
SELECT told();
INSERT INTO middle VALUES (3, 2);
SELECT told();
INSERT INTO low VALUES (4, 2);
SELECT told();
COPY root (id, k) FROM stdin;
5	1
105	2
\.
SELECT told();
UPDATE root SET v = 'x' WHERE id IN (1, 102);
SELECT told();
DELETE FROM middle WHERE id IN (3, 103);
SELECT told();
INSERT INTO root VALUES (1, 1, 'y'), (6, 1, 'y') ON CONFLICT (id, k) DO UPDATE SET v = excluded.v;
SELECT told();
WITH changed AS (UPDATE root SET v = 'z' WHERE id = 1 RETURNING id) SELECT count(*) FROM changed;
SELECT told();

-- rows that move: in the tables of UPDATE, in pairs; of MERGE in those of DELETE and INSERT, whose
-- triggers fire only if it says DELETE and INSERT
UPDATE root SET k = 3 - k WHERE id IN (5, 102);
UPDATE root SET k = 3 - k WHERE id IN (5, 2);
SELECT told();
MERGE INTO root USING (VALUES (6)) s (id) ON root.id = s.id WHEN MATCHED THEN UPDATE SET k = 2;
SELECT told();
MERGE INTO root USING (VALUES (6), (7)) s (id) ON root.id = s.id
    WHEN MATCHED THEN UPDATE SET k = 1 WHEN NOT MATCHED THEN INSERT VALUES (s.id, 1);
SELECT told();
-- one that a trigger of the new partition drops is in the old rows only
CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER a BEFORE INSERT ON low FOR EACH ROW WHEN (new.id = 7) EXECUTE FUNCTION drop_row();
UPDATE root SET k = 2 WHERE id IN (6, 7);
SELECT told();
DROP TRIGGER a ON low;

-- foreign-key actions: on the root
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent SELECT id FROM root UNION SELECT 1;
ALTER TABLE root ADD FOREIGN KEY (id) REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE;
DELETE FROM parent WHERE id = 1;
UPDATE parent SET id = 150 WHERE id = 105;
SELECT told();
ALTER TABLE root DROP CONSTRAINT root_id_fkey;

-- TRUNCATE: of all that it empties, before and after all of it
TRUNCATE root;
SELECT told();
TRUNCATE middle;
SELECT told();
TRUNCATE low;
SELECT told();

-- a row trigger of the root is cloned, under its name and as it is enabled
CREATE TRIGGER r AFTER INSERT OR UPDATE OR DELETE ON root FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE root ENABLE REPLICA TRIGGER r;
CREATE TABLE late PARTITION OF root FOR VALUES IN (3);
CREATE TABLE later (id int NOT NULL, k int NOT NULL, v text);
ALTER TABLE root ATTACH PARTITION later FOR VALUES IN (4);
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE tgname = 'r' ORDER BY 1;
-- statement triggers are not
SELECT DISTINCT tgrelid::regclass FROM pg_trigger WHERE tgname = 'u' ORDER BY 1;
ALTER TABLE root ENABLE TRIGGER ALL;
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE tgname = 'r' ORDER BY 1;
ALTER TABLE root DETACH PARTITION later;
-- what is detached loses the clone and keeps its own
SELECT watch('late');
ALTER TABLE root DETACH PARTITION late CONCURRENTLY;
SELECT tgrelid::regclass, count(*) FROM pg_trigger WHERE tgrelid IN ('late'::regclass, 'later'::regclass) GROUP BY 1;

SET client_min_messages = warning;
DROP SCHEMA matrix CASCADE;

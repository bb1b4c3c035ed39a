-- Tables that a command writes anew.  What another server does just so is a change like
-- any; else nobody can know what the rows got, and the table is to be copied (D7, A4, A6).
\set SHOW_CONTEXT never
CREATE SCHEMA rewrites;
SET search_path = rewrites, public;
\i sql/include/follow.psql
CREATE DOMAIN checked AS int CHECK (value > 0);
CREATE DOMAIN short AS varchar(20);
CREATE TYPE mood AS ENUM ('good');
CREATE SEQUENCE s;
CREATE TABLE t (id int PRIMARY KEY, i int, v varchar(10), n numeric, ts timestamp, tz timestamptz, b bytea, f real, c "char",
    ia int[], va varchar(10)[], g int GENERATED ALWAYS AS (id * 2) STORED, m mood);
SELECT dbsync.create_target('rewrites', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('rewrites', 'rewrites', ARRAY['t']);
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table ORDER BY id;
INSERT INTO t (id, i, v, n, ts, tz, b, f, ia, va) VALUES (1, 1, 'v', 1.5, '2026-01-01', '2026-01-01', '\x01', 0.5, '{1}', '{v}');
-- what a command comes to: kinds of its turns, and why; then it is taken back
CREATE FUNCTION comes_to(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    last int := (SELECT max(h.id) FROM dbsync.shape h);
    found text;
BEGIN
    EXECUTE command;
    SELECT coalesce(string_agg(concat_ws(': ', t.kind, t.reason, nullif(t.missing, '{}')), '; ' ORDER BY t.no), 'nothing') INTO found
    FROM dbsync.turn t WHERE t.shape_id > last;
    IF EXISTS (SELECT FROM dbsync_internal.rewritten) THEN
        found := found || ', and something is left';
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'DB001', MESSAGE = found;
EXCEPTION WHEN SQLSTATE 'DB001' THEN
    RETURN sqlerrm;
END $$;

-- the same everywhere
SELECT what, comes_to('ALTER TABLE rewrites.t ' || what) FROM (VALUES
    ('ALTER i TYPE bigint'), ('ALTER i TYPE numeric(12,2)'), ('ALTER i TYPE float8'), ('ALTER i TYPE checked'),
    ('ALTER v TYPE text'), ('ALTER v TYPE varchar(5)'), ('ALTER v TYPE varchar(30)'), ('ALTER v TYPE short'), ('ALTER v TYPE char(10)'),
    ('ALTER v TYPE text COLLATE "C"'), ('ALTER n TYPE numeric(6,1)'), ('ALTER n TYPE int'), ('ALTER ts TYPE timestamp(0)'), ('ALTER ts TYPE date'),
    ('ALTER f TYPE float8'), ('ALTER ia TYPE bigint[]'), ('ALTER va TYPE varchar(5)[]'), ('ALTER va TYPE text[]'),
    ('DROP g, ALTER id TYPE bigint'), ('ALTER i TYPE bigint, ADD x int'), ('ADD x int, ADD y text'), ('ADD x int GENERATED ALWAYS AS (i + 1) STORED'),
    ('ALTER i TYPE bigint, ADD x int GENERATED ALWAYS AS (id + 1) STORED'), ('ADD x int DEFAULT 5'), ('ADD x timestamptz DEFAULT ''2026-01-01 UTC'''),
    ('ADD x mood DEFAULT ''good'''), ('DROP g'), ('ALTER i SET DEFAULT 7, ALTER i TYPE bigint'), ('ALTER i TYPE int'),
    ('SET ACCESS METHOD heap')) c (what);
-- another server may have other values
SELECT what, comes_to('ALTER TABLE rewrites.t ' || what) FROM (VALUES
    ('ALTER i TYPE int USING i + 1'), ('ALTER i TYPE bigint USING i'), ('ALTER v TYPE text USING upper(v)'), ('DROP g, ALTER id TYPE text USING id || ''x'''),
    ('ADD x float8 DEFAULT random()'), ('ADD x bigserial'), ('ADD x int GENERATED ALWAYS AS IDENTITY'), ('ADD x checked'), ('ADD x checked DEFAULT 3'),
    ('ALTER ts TYPE timestamptz'), ('ALTER tz TYPE date'), ('ALTER b TYPE text'), ('ALTER f TYPE text'), ('ALTER i TYPE text'), ('ALTER ia TYPE text[]'),
    ('ALTER i TYPE bigint, ADD x int DEFAULT 5'), ('ADD x timestamptz DEFAULT now(), ALTER i TYPE bigint'), ('ADD x int DEFAULT 5, ADD y float8 DEFAULT random()'),
    ('ADD x int DEFAULT 5, ADD y int GENERATED ALWAYS AS (i + 1) STORED'), ('ALTER g DROP EXPRESSION'), ('ALTER m TYPE text')) c (what);
-- now() is one value, and is told
SELECT comes_to('ALTER TABLE rewrites.t ADD x timestamptz DEFAULT now()') LIKE 'shape: {"14": "20%+00"}' AS told;
-- by whatever road
CREATE FUNCTION change_it() RETURNS void LANGUAGE sql AS 'ALTER TABLE rewrites.t ALTER i TYPE int USING i + 1';
SELECT comes_to('SELECT rewrites.change_it()');
SELECT comes_to('DO $d$ BEGIN EXECUTE ''ALTER TABLE rewrites.t ALTER i TYPE bigint''; ALTER TABLE rewrites.t ADD x int DEFAULT 5; END $d$');
-- functions of users are another's business there
CREATE FUNCTION to_int(mood) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
CREATE CAST (mood AS int) WITH FUNCTION to_int(mood) AS ASSIGNMENT;
SELECT comes_to('ALTER TABLE rewrites.t ALTER m TYPE int');
-- ROLLBACK forgets it
BEGIN;
SAVEPOINT a;
ALTER TABLE t ALTER i TYPE int USING i + 1;
ROLLBACK TO a;
ALTER TABLE t ALTER i SET NOT NULL;
COMMIT;
SELECT * FROM captured_log('t');
ALTER TABLE t ALTER i TYPE bigint USING i + 1;
INSERT INTO t (id, i) VALUES (2, 2);
SELECT tx, no, shape, op, "row"->>'i' AS i, kind, reason FROM captured_log('t') WHERE tx > 2;
SELECT * FROM miscounted('t');
-- one that only USING tells of gets a shape of its own as well
ALTER TABLE t ALTER i TYPE bigint USING i + 1;
SELECT columns FROM shapes('t') WHERE turn > 1;

-- what was done while event triggers were off is found out by the next command, if no writer came before
ALTER EVENT TRIGGER dbsync_guard_command DISABLE;
ALTER EVENT TRIGGER dbsync_guard_rewrite DISABLE;
ALTER TABLE t ADD sly float8 DEFAULT random();
ALTER EVENT TRIGGER dbsync_guard_command ENABLE ALWAYS;
ALTER EVENT TRIGGER dbsync_guard_rewrite ENABLE ALWAYS;
ALTER TABLE t ADD innocent int;
BEGIN;
SAVEPOINT a;
ALTER TABLE t ADD as_well int;
RELEASE a;
COMMIT;
SELECT kind, reason FROM captured_log('t') WHERE tx > (SELECT max(tx) FROM captured_log('t')) - 2;

SELECT dbsync.drop_subscription('rewrites');
SELECT dbsync.drop_target('rewrites');
SET client_min_messages = warning;
DROP SCHEMA rewrites CASCADE;

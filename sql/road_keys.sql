-- P1, P8: keys of every kind of order are copied in chunks and changed afterwards, by
-- the order of their index.
\set QUIET on
\set SHOW_CONTEXT never
\i sql/include/target.psql
ALTER DATABASE :"source" SET dbsync.copy_chunk_rows = 7;
\i sql/include/keys.psql
\c :target
\i sql/include/keys.psql
\c :source
INSERT INTO rk.k_citext SELECT CASE WHEN g % 2 = 0 THEN upper(md5(g::text)) ELSE md5(g::text) END, g FROM generate_series(1, 50) g;
INSERT INTO rk.k_ltree SELECT ('a.b' || g % 7 || '.c' || g)::ext.ltree, g FROM generate_series(1, 50) g;
INSERT INTO rk.k_hstore SELECT ext.hstore('a', g::text), g FROM generate_series(1, 50) g;
INSERT INTO rk.k_cube SELECT ext.cube(g), g FROM generate_series(1, 50) g;
INSERT INTO rk.k_seg SELECT format('%s .. %s', g, g + 7)::ext.seg, g FROM generate_series(1, 50) g;
INSERT INTO rk.k_enum SELECT (enum_range(NULL::rk.mood))[1 + g % 3], g, g FROM generate_series(1, 50) g;
INSERT INTO rk.k_domain SELECT g, g FROM generate_series(1, 50) g;
INSERT INTO rk.k_array SELECT ARRAY[g % 5, g], g FROM generate_series(1, 50) g;
INSERT INTO rk.k_pair SELECT (g % 5, 'x,"' || g)::rk.pair, g FROM generate_series(1, 50) g;
INSERT INTO rk.k_pairs SELECT ARRAY[(g % 5, 'x')::rk.pair, (1, '{"')::rk.pair], int4range(g, g + 1), g FROM generate_series(1, 50) g;
INSERT INTO rk.k_back SELECT ROW(g)::rk.back, g FROM generate_series(1, 50) g;
INSERT INTO rk.k_mixed SELECT ROW(g % 3)::rk.back, 't' || g % 2, CASE WHEN g % 4 < 2 THEN 'k' ELSE 'K' END || g / 2, g FROM generate_series(1, 50) g;
INSERT INTO rk.k_down SELECT g % 4, CASE WHEN g % 2 = 0 THEN 'b' ELSE 'B' END || g, g FROM generate_series(1, 50) g;
INSERT INTO rk.k_one_down SELECT g, g FROM generate_series(1, 50) g;
INSERT INTO rk.k_name SELECT 'n' || g, g FROM generate_series(1, 50) g;
INSERT INTO rk.k_text SELECT chr(200 - g), CASE WHEN g % 2 = 0 THEN 'a' ELSE '' END, g FROM generate_series(1, 50) g;
SELECT dbsync.create_target('keys', :'uri');
SELECT dbsync.create_subscription('keys', 'keys',
    tables => (SELECT array_agg(format('rk.%I', c.relname)) FROM pg_class c
               WHERE c.relnamespace = 'rk'::regnamespace AND c.relkind = 'r'));
SELECT dbsync.run_once('keys');
SELECT state, count(*), sum(rows_copied) FROM dbsync.table_status WHERE subscription = 'keys' GROUP BY state;
SELECT string_agg(name || n || rows, ' ') AS here FROM rk.fingerprints() \gset
\c :target
SELECT string_agg(name || n || rows, ' ') = :'here' AS same FROM rk.fingerprints();
\c :source
-- more than headers carry, keys more than once in a transaction, in one cut
SET dbsync.carry_bytes = 0;
DO $$
DECLARE t text;
BEGIN
    FOR t IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'rk'::regnamespace AND c.relkind = 'r' ORDER BY 1 LOOP
        EXECUTE format('UPDATE rk.%I SET v = -v WHERE v %% 3 = 0', t);
        EXECUTE format('UPDATE rk.%I SET v = v - 1 WHERE v < 0', t);
        EXECUTE format('DELETE FROM rk.%I WHERE v %% 5 = 0', t);
    END LOOP;
END $$;
RESET dbsync.carry_bytes;
UPDATE rk.k_citext SET k = 'x' || k WHERE v % 4 = 0;
UPDATE rk.k_back SET k.n = (k).n + 100 WHERE v % 4 = 0;
UPDATE rk.k_array SET k = k || 1 WHERE v % 4 = 0;
UPDATE rk.k_down SET a = a + 1 WHERE v % 4 = 0;
-- the same key in another spelling
UPDATE rk.k_citext SET k = upper(k::text) WHERE v % 7 = 0;
SELECT dbsync.run_once('keys') > 0 AS sent;
SELECT string_agg(name || n || rows, ' ') AS here FROM rk.fingerprints() \gset
\c :target
SELECT string_agg(name || n || rows, ' ') = :'here' AS same FROM rk.fingerprints();
\c :source
-- what goes up in one column and down in another has no way back
CREATE TABLE rk.k_updown (a int NOT NULL, b int NOT NULL);
CREATE UNIQUE INDEX k_updown_i ON rk.k_updown (a, b DESC);
SELECT dbsync.add_table('keys', 'rk.k_updown', key => '{a,b}');

-- A3: another relation in the table's place is not looked at
CREATE TABLE rk.own (k int PRIMARY KEY, v int);
INSERT INTO rk.own SELECT g, g FROM generate_series(1, 20) g;
CREATE VIEW rk.trap AS SELECT 1 / 0 AS k, 1 AS v;
SELECT dbsync.add_table('keys', 'rk.own');
ALTER TABLE rk.own RENAME TO old;
ALTER VIEW rk.trap RENAME TO own;
\c :target
CREATE TABLE rk.own (k int PRIMARY KEY, v int);
\c :source
SELECT dbsync.run_once('keys');
SELECT "table", target_table, state, rows_copied FROM dbsync.table_status WHERE target_table = 'rk.own';
UPDATE rk.old SET v = -v;
SELECT dbsync.run_once('keys');
\c :target
SELECT count(*), sum(k), sum(v) FROM rk.own;
\c :source

ALTER DATABASE :"source" RESET dbsync.copy_chunk_rows;
SELECT dbsync.drop_subscription('keys');
SELECT dbsync.drop_target('keys');
SET client_min_messages = warning;
DROP SCHEMA rk CASCADE;
DROP SCHEMA ext CASCADE;
DROP DATABASE :target;

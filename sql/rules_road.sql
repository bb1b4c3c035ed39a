-- What rules have, on its way: tables that are dropped and made anew, rights that come and go, tables that
-- change between the rule and capture, exceptions; whole tables at both ends.
\set QUIET on
\i sql/include/target.psql
\set SHOW_CONTEXT never
SELECT dbsync.create_target('rules_road', :'uri');
CREATE SCHEMA daily;
CREATE VIEW public.seen AS
    SELECT a.target_table, a.state, c.state AS captured
    FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id;
CREATE VIEW public.not_in AS SELECT "table", reason, hint FROM dbsync.refused;
CREATE TABLE daily.report AS SELECT g AS id, 'monday' AS v FROM generate_series(1, 3) g;
CREATE TABLE daily.late (id int PRIMARY KEY);
CREATE TABLE daily.lost (id int PRIMARY KEY);
INSERT INTO daily.late VALUES (1);
\c :target
CREATE SCHEMA daily;
CREATE TABLE daily.report (id int, v text);
CREATE TABLE daily.late (id int PRIMARY KEY);
CREATE TABLE daily.lost (id int PRIMARY KEY);
CREATE TABLE daily.theirs (id int PRIMARY KEY);
\c :source
SELECT dbsync.create_subscription('road', 'rules_road', schemas => '{daily}', existing_rows => 'truncate');

-- between the rule and capture a table can become one that cannot be captured, or go: the others do not wait
ALTER TABLE daily.late SET UNLOGGED;
DROP TABLE daily.lost;
SELECT dbsync.run_once('road') > 0 AS sent;
SELECT * FROM seen ORDER BY 1;
SELECT * FROM not_in;
ALTER TABLE daily.late SET LOGGED;
SELECT * FROM not_in;

-- dropped and made anew, as every night: the rows that wait come first, and then the new ones
UPDATE daily.report SET v = 'still monday' WHERE id = 1;
BEGIN;
DROP TABLE daily.report;
CREATE TABLE daily.report AS SELECT g AS id, 'tuesday' AS v FROM generate_series(1, 4) g;
INSERT INTO daily.report VALUES (5, 'tuesday, too');
COMMIT;
SELECT "table", reason, regexp_replace(hint, '\d+', 'N') AS hint FROM not_in;
SELECT refused, next_action ~ 'dbsync.refused' AS told FROM dbsync.status;
SELECT dbsync.run_once('road') > 0 AS sent;
SELECT * FROM not_in;
SELECT dbsync.run_once('road') >= 0 AS sent;
SELECT * FROM seen ORDER BY 1;
\c :target
TABLE daily.late; SELECT * FROM daily.report ORDER BY id;
\c :source

-- who does without what waits
DROP TABLE daily.report;
CREATE TABLE daily.report (id int, v text);
INSERT INTO daily.report VALUES (1, 'wednesday');
SELECT c.relid::oid AS dropped FROM dbsync.captured_table c WHERE state = 'dropped' \gset
SELECT dbsync.remove_table('road', :dropped);
SELECT * FROM not_in;
SELECT dbsync.run_once('road') > 0 AS sent;
\c :target
SELECT * FROM daily.report ORDER BY id;
\c :source

-- others' tables: only what the subscription's owner may have
CREATE ROLE regress_dbsync_rules;
CREATE ROLE regress_dbsync_maker;
GRANT USAGE ON SCHEMA dbsync TO regress_dbsync_rules;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO regress_dbsync_rules;
GRANT SELECT ON dbsync.refused, dbsync.status, dbsync.table_status TO regress_dbsync_rules;
GRANT USAGE ON FOREIGN SERVER rules_road TO regress_dbsync_rules;
CREATE USER MAPPING FOR regress_dbsync_rules SERVER rules_road OPTIONS (user 'nobody', password 'x');
GRANT CREATE, USAGE ON SCHEMA daily TO regress_dbsync_maker;
SET ROLE regress_dbsync_rules;
SELECT dbsync.create_subscription('little', 'rules_road', schemas => '{daily}');
SELECT "table", reason, hint FROM dbsync.refused ORDER BY "table"::text;
RESET ROLE;
SET ROLE regress_dbsync_maker;
CREATE TABLE daily.theirs (id int PRIMARY KEY);
INSERT INTO daily.theirs VALUES (1);
SELECT * FROM dbsync.refused;
RESET ROLE;
SELECT "table", subscription, reason, hint FROM dbsync.refused WHERE "table" = 'daily.theirs'::regclass;
SELECT s.name FROM dbsync.subscription_table a JOIN dbsync.subscription s ON s.id = a.subscription_id WHERE a.target_table = 'theirs';
-- rights that come
GRANT USAGE ON SCHEMA daily TO regress_dbsync_rules;
SET ROLE regress_dbsync_maker;
GRANT SELECT, TRIGGER ON daily.theirs TO regress_dbsync_rules;
RESET ROLE;
SELECT dbsync_internal.retry_rules();
SELECT s.name FROM dbsync.subscription_table a JOIN dbsync.subscription s ON s.id = a.subscription_id WHERE a.target_table = 'theirs' ORDER BY 1;
-- and go again before capture begins
SELECT dbsync.alter_subscription('little', except_tables => '{daily.theirs}');
SELECT dbsync.drop_subscription('road', force => true);
SELECT dbsync.alter_subscription('little', except_tables => '{}');
REVOKE SELECT ON daily.theirs FROM regress_dbsync_rules;
SELECT dbsync_internal.install_capture(c.id, 'regress_dbsync_rules'::regrole) FROM dbsync.captured_table c WHERE c.relid = 'daily.theirs'::regclass;
SELECT "table", reason FROM dbsync.refused WHERE "table" = 'daily.theirs'::regclass;
SELECT count(*) FROM dbsync.captured_table;
-- the owner of a table is its master
GRANT SELECT ON daily.theirs TO regress_dbsync_rules;
SELECT dbsync.refresh_subscription('little');
GRANT USAGE ON SCHEMA dbsync TO regress_dbsync_maker;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO regress_dbsync_maker;
SET ROLE regress_dbsync_maker;
SELECT dbsync.refresh_subscription('little');
SELECT dbsync.alter_subscription('little', schemas => '{}');
SELECT dbsync.remove_table('little', 'daily.theirs');
SELECT dbsync.refresh_subscription('little');
RESET ROLE;
SELECT dbsync_internal.retry_rules();
SELECT count(*) FROM dbsync.captured_table;

SET client_min_messages = warning;
SELECT dbsync.drop_subscription('little');
SELECT dbsync.drop_target('rules_road');
DROP VIEW seen, not_in;
DROP SCHEMA daily CASCADE;
REVOKE ALL ON SCHEMA dbsync FROM regress_dbsync_rules, regress_dbsync_maker;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA dbsync FROM regress_dbsync_rules, regress_dbsync_maker;
REVOKE ALL ON dbsync.refused, dbsync.status, dbsync.table_status FROM regress_dbsync_rules;
DROP ROLE regress_dbsync_rules;
DROP ROLE regress_dbsync_maker;
\c postgres
DROP DATABASE :target;

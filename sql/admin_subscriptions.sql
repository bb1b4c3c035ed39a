-- Subscriptions: what is written down, who shares captured tables, how tables
-- come and go.  Nothing runs here: there is no target behind the address.
\set SHOW_CONTEXT never
CREATE SCHEMA admin_sub;
SET search_path = admin_sub, public;
CREATE TABLE orders (id int PRIMARY KEY, v text);
CREATE TABLE lines (id int, no int, v text, PRIMARY KEY (id, no));
CREATE VIEW seen AS
    SELECT s.name, c.relid::text AS "table", format('%I.%I', a.target_schema, a.target_table) AS target_table,
        a.copy_data, a.existing_rows, a.state, c.state AS captured
    FROM dbsync.subscription s LEFT JOIN dbsync.subscription_table a ON a.subscription_id = s.id
    LEFT JOIN dbsync.captured_table c ON c.id = a.captured_id;
SELECT dbsync.create_target('admin_sub', 'postgresql://sync@host.invalid/db');

-- table names are read with the caller's search_path
SELECT dbsync.create_subscription('one', 'admin_sub', tables => ARRAY['orders', 'admin_sub.lines']);
SELECT dbsync.create_subscription('two', 'admin_sub');
SELECT dbsync.add_table('two', 'orders', target_table => 'crm."Client"', copy_data => false);
SELECT dbsync.add_table('two', 'lines', target_table => 'CLIENT', existing_rows => 'truncate');
SELECT * FROM seen ORDER BY name, "table";

-- a table is captured once
SELECT count(*), count(DISTINCT relid) FROM dbsync.captured_table;

-- names
SELECT dbsync.create_subscription('one', 'admin_sub');
SELECT dbsync.create_subscription('three', 'nowhere');
SELECT dbsync.create_subscription(NULL, 'admin_sub');
SELECT dbsync.create_subscription(repeat('x', 64), 'admin_sub');
SELECT dbsync.create_subscription('three', 'admin_sub', ARRAY['nothing']);
SELECT dbsync.create_subscription('three', 'admin_sub', ARRAY['no.such.table.there']);
SELECT dbsync.create_subscription('three', 'admin_sub', ARRAY['orders', NULL]);
SELECT dbsync.add_table('three', 'orders');
SELECT dbsync.add_table('one', 'orders');
SELECT dbsync.add_table('one', NULL);
SELECT dbsync.add_table('one', 'no_such_table');
SELECT dbsync.remove_table('three', 'orders');
SELECT dbsync.copy_table('three', 'orders');
SELECT dbsync.drop_subscription('three');

-- two tables of a subscription do not go into one
SELECT dbsync.create_subscription('three', 'admin_sub', ARRAY['orders']);
SELECT dbsync.add_table('three', 'lines', target_table => 'orders');
SELECT dbsync.add_table('three', 'lines', target_table => 'a.b.c');
SELECT dbsync.add_table('three', 'lines', target_table => repeat('x', 64));
SELECT dbsync.add_table('three', 'lines', target_table => '');

-- what is not there yet, and what makes no sense
SELECT dbsync.create_subscription('four', 'admin_sub', policy => 'sometimes');
SELECT dbsync.create_subscription('four', 'admin_sub', policy => NULL);
SELECT dbsync.create_subscription('four', 'admin_sub', existing_rows => 'merge');
SELECT dbsync.create_subscription('four', 'admin_sub', copy_data => NULL);
SELECT dbsync.add_table('three', 'lines', existing_rows => 'merge');
SELECT dbsync.add_table('three', 'lines', copy_data => false, existing_rows => 'truncate');
SELECT dbsync.add_table('three', 'lines', capture => 'guess');
SELECT dbsync.add_table('three', 'lines', options => '{"scan": "interval 1 min"}');
SELECT dbsync.copy_table('three', 'orders', existing_rows => 'merge');
SELECT dbsync.copy_table('three', 'lines');
SELECT dbsync.remove_table('three', 'lines');

-- renamed
SELECT dbsync.alter_subscription('three', new_name => 'one');
SELECT dbsync.alter_subscription('three', policy => 'immediate', new_name => '3');
SELECT dbsync.alter_subscription('3', policy => 'cron');
SELECT dbsync.drop_subscription('3');

-- installed, suspended, copied anew: the other subscription stays suspended
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
SELECT * FROM seen ORDER BY name, "table";
SELECT dbsync.suspend_table('orders');
SELECT * FROM seen WHERE "table" = 'orders' ORDER BY name;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'orders'::regclass;
SELECT a.uid FROM dbsync.subscription_table a JOIN dbsync.subscription s ON s.id = a.subscription_id
WHERE s.name = 'two' AND a.target_table = 'Client' \gset
SELECT dbsync.copy_table('two', 'orders');
SELECT * FROM seen WHERE "table" = 'orders' ORDER BY name;
SELECT count(*) AS same_uid FROM dbsync.subscription_table WHERE uid = :'uid';
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table WHERE state = 'installing';
SELECT * FROM seen WHERE "table" = 'orders' ORDER BY name;
-- and still says why
SELECT subscription, state, note FROM dbsync.table_status WHERE "table" = 'orders'::regclass ORDER BY 1;
SELECT dbsync.suspend_table('seen');

-- the triggers go with the last subscription
SELECT dbsync.remove_table('one', 'orders');
SELECT relid::text, state FROM dbsync.captured_table ORDER BY 1;
SELECT dbsync.remove_table('two', 'orders');
SELECT relid::text, state FROM dbsync.captured_table ORDER BY 1;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'orders'::regclass;

-- a subscription takes its tables along
SELECT dbsync.drop_subscription('one');
SELECT relid::text, state FROM dbsync.captured_table ORDER BY 1;
SELECT dbsync.drop_subscription('two');
SELECT relid::text, state FROM dbsync.captured_table ORDER BY 1;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'lines'::regclass;

-- out and in again in one transaction, together with writes
SELECT dbsync.create_subscription('one', 'admin_sub', ARRAY['lines']);
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
BEGIN;
INSERT INTO lines VALUES (1, 1, 'before');
SELECT dbsync.remove_table('one', 'lines');
INSERT INTO lines VALUES (1, 2, 'between');
SELECT dbsync.add_table('one', 'lines');
INSERT INTO lines VALUES (1, 3, 'after');
COMMIT;
SELECT * FROM seen;
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
SELECT * FROM seen;

-- started, it cannot be dropped
UPDATE dbsync.subscription SET enabled = true WHERE name = 'one';
SELECT dbsync.drop_subscription('one');
SELECT dbsync.uninstall();
UPDATE dbsync.subscription SET enabled = false WHERE name = 'one';
SELECT dbsync.drop_subscription('one');

SELECT dbsync.drop_target('admin_sub');
SELECT count(*) FROM dbsync.captured_table;
SELECT count(*) FROM dbsync.segment WHERE captured_id <> 0;
\set VERBOSITY terse
DROP SCHEMA admin_sub CASCADE;

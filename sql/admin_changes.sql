-- dbsync.changes(): what is captured, with who and why, in closing order.
\set SHOW_CONTEXT never
CREATE TABLE admin_changes (id int, v text, part int, PRIMARY KEY (part, id));
SELECT dbsync.changes('admin_changes');
SELECT dbsync.create_target('admin_changes', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('admin_changes', 'admin_changes', ARRAY['admin_changes']);
-- nothing is captured before it is installed
SELECT count(*) FROM dbsync.changes('admin_changes');
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table;
SELECT state FROM dbsync.table_status;

BEGIN;
SET LOCAL dbsync.tag = 'month end';
SET LOCAL application_name = 'admin_changes';
INSERT INTO admin_changes VALUES (1, 'one', 1), (2, NULL, 1);
UPDATE admin_changes SET v = 'two' WHERE id = 2;
UPDATE admin_changes SET id = 3 WHERE id = 1;
DELETE FROM admin_changes WHERE id = 3;
COMMIT;
-- not its own uncommitted changes, nor what was rolled back
BEGIN;
INSERT INTO admin_changes VALUES (4, 'four', 1);
SELECT count(*) FROM dbsync.changes('admin_changes');
ROLLBACK;
TRUNCATE admin_changes;
SELECT tag, application = 'admin_changes' AS application, role = current_user AS role, origin, no, op, key, "row"
FROM dbsync.changes('admin_changes');
SELECT count(DISTINCT xid), bool_and(time <= now()), bool_and(closing <= pg_current_wal_insert_lsn()) FROM dbsync.changes('admin_changes');

-- also from several segments
SELECT dbsync_internal.create_segment(id) > 0 AS created FROM dbsync.captured_table;
UPDATE dbsync.segment SET active = false WHERE captured_id <> 0 AND active;
UPDATE dbsync.segment SET active = true WHERE id = (SELECT max(id) FROM dbsync.segment WHERE captured_id <> 0);
INSERT INTO admin_changes VALUES (5, 'five', 1);
SELECT op, key, "row" FROM dbsync.changes('admin_changes');

SELECT dbsync.drop_subscription('admin_changes');
SELECT dbsync.changes('admin_changes');
SELECT dbsync.drop_target('admin_changes');
DROP TABLE admin_changes;

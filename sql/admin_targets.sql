-- Targets are foreign servers and user mappings, made in one call; passwords go
-- to the mapping, and a target in use is not dropped.
\set SHOW_CONTEXT never
CREATE TABLE admin_targets_t (id int PRIMARY KEY);
CREATE VIEW admin_targets_seen AS
    SELECT s.srvname, w.fdwname, s.srvowner = m.umuser AS mapped_to_owner,
        array(SELECT o.option_name || '=' || o.option_value FROM pg_options_to_table(s.srvoptions) o ORDER BY 1) AS server,
        array(SELECT o.option_name || '=' || o.option_value FROM pg_options_to_table(m.umoptions) o ORDER BY 1) AS mapping
    FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
    JOIN pg_user_mappings m ON m.srvid = s.oid;

-- one call makes both; the scheme chooses the driver
SELECT dbsync.create_target('admin target', 'postgresql://sync@host.invalid:5433/reporting?sslmode=require', password => 'it''s');
SELECT * FROM admin_targets_seen;

-- a password within the URI works, but is warned of
SELECT dbsync.create_target('second', 'postgres://sync:secret@host.invalid/reporting', options => '{"connect_timeout": "3"}');
SELECT * FROM admin_targets_seen WHERE srvname = 'second';

-- a name is taken once, and has 63 bytes
SELECT dbsync.create_target('second', 'postgresql://sync@host.invalid/reporting');
SELECT dbsync.create_target(repeat('x', 64), 'postgresql://sync@host.invalid/reporting');
SELECT dbsync.create_target('', 'postgresql://sync@host.invalid/reporting');
SELECT dbsync.create_target(NULL, 'postgresql://sync@host.invalid/reporting');

-- what is no URI, or of a scheme that no driver knows, is refused
SELECT dbsync.create_target('third', 'host=host.invalid password=secret');
SELECT dbsync.create_target('third', NULL);
SELECT dbsync.create_target('third', 'gopher://host.invalid/x');
SELECT dbsync.create_target('third', 'postgresql://host.invalid/x', options => '["connect_timeout"]');

-- a password alone can be changed; a URI takes the old one's place
SELECT dbsync.alter_target('admin target', password => 'new');
SELECT * FROM admin_targets_seen WHERE srvname = 'admin target';
SELECT dbsync.alter_target('admin target', 'postgresql://other@host2.invalid/db2');
SELECT * FROM admin_targets_seen WHERE srvname = 'admin target';
SELECT dbsync.alter_target('nowhere', password => 'new');
-- what no URI can say stays
ALTER SERVER "admin target" OPTIONS (ADD before_triggers 'true');
SELECT dbsync.alter_target('admin target', 'postgresql://host3.invalid/db3');
SELECT * FROM admin_targets_seen WHERE srvname = 'admin target';

-- options one by one, those of the user mapping too; null takes one away
SELECT dbsync.alter_target('admin target', options => '{"port": "5433", "dbname": "db4", "before_triggers": null, "user": "me"}');
SELECT * FROM admin_targets_seen WHERE srvname = 'admin target';
SELECT dbsync.alter_target('admin target', 'postgresql://host4.invalid:1/db5', password => 'newer', options => '{"port": "5434", "dbname": null, "user": null}');
SELECT * FROM admin_targets_seen WHERE srvname = 'admin target';
-- the hint has those of the server's libpq
\set VERBOSITY terse
SELECT dbsync.alter_target('admin target', options => '{"prot": "1"}');
\set VERBOSITY default
SELECT dbsync.alter_target('admin target', options => '["port"]');

-- a foreign server of somebody else's driver is no target
CREATE FOREIGN DATA WRAPPER admin_targets_fdw;
CREATE SERVER admin_targets_other FOREIGN DATA WRAPPER admin_targets_fdw;
SELECT dbsync.alter_target('admin_targets_other', password => 'new');
DROP FOREIGN DATA WRAPPER admin_targets_fdw CASCADE;

-- in use, it cannot be dropped or renamed, by our function or by DDL
SELECT dbsync.create_subscription('admin_targets', 'second', ARRAY['admin_targets_t']);
SELECT dbsync.drop_target('second');
SET client_min_messages = warning;
DROP SERVER second CASCADE;
RESET client_min_messages;
ALTER SERVER second RENAME TO third;
ALTER SERVER second OPTIONS (SET host 'host3.invalid');
SELECT dbsync.drop_subscription('admin_targets');
SELECT dbsync.drop_target('second');
SELECT dbsync.drop_target('admin target');
SELECT dbsync.drop_target('admin target');
SELECT * FROM admin_targets_seen;

DROP VIEW admin_targets_seen;
DROP TABLE admin_targets_t;

-- The ledger of dbsync on a PostgreSQL target, for targets whose administrator
-- does not let dbsync make it (which takes CREATE on the database).  The same
-- as in worker/driver/postgres/install.c, which adds the last two columns when
-- the first position comes in bundles.  Schema and table must belong to a
-- superuser, to the database's owner, or to the target's user: run it as one of
-- them.  Then grant, to the role that the target's user mapping names:
--
--   GRANT USAGE ON SCHEMA dbsync_ledger TO sync;
--   GRANT SELECT, INSERT, UPDATE, DELETE ON dbsync_ledger.position TO sync;

CREATE SCHEMA IF NOT EXISTS dbsync_ledger;
COMMENT ON SCHEMA dbsync_ledger IS 'dbsync: how far this target has come';
CREATE TABLE dbsync_ledger.position (
    id uuid PRIMARY KEY,
    subscription uuid NOT NULL,
    name text,
    system_identifier bigint,
    database_oid oid,
    timeline bigint,
    lsn pg_lsn,
    server_start timestamptz,
    batch bigint,
    after text,
    upto text,
    closing pg_lsn,
    closing_xid bigint,
    identities text,
    live boolean,
    boundary text[],
    rows bigint,
    checksum bigint NOT NULL,
    relation text,
    updated timestamptz NOT NULL DEFAULT now(),
    chain bigint,
    note text
) WITH (fillfactor = 10);
COMMENT ON TABLE dbsync_ledger.position IS 'dbsync: one row per subscription that writes to this database (id = subscription), and one per table of it; written in the same transaction as the data: do not touch';
COMMENT ON COLUMN dbsync_ledger.position.id IS 'the subscription, or the attachment of a table to it';
COMMENT ON COLUMN dbsync_ledger.position.system_identifier IS 'cluster of the source';
COMMENT ON COLUMN dbsync_ledger.position.database_oid IS 'database of the source';
COMMENT ON COLUMN dbsync_ledger.position.lsn IS 'WAL of the source that was on its disk before the last commit here';
COMMENT ON COLUMN dbsync_ledger.position.server_start IS 'start of the source server that wrote last';
COMMENT ON COLUMN dbsync_ledger.position.batch IS 'counts the commits of this subscription';
COMMENT ON COLUMN dbsync_ledger.position.after IS 'snapshot of the source: what is visible in it has been applied; table: only while it is held, which the next three are of then';
COMMENT ON COLUMN dbsync_ledger.position.upto IS 'snapshot of a window that is being worked off; applied up to closing';
COMMENT ON COLUMN dbsync_ledger.position.closing IS 'closing LSN reached within the window';
COMMENT ON COLUMN dbsync_ledger.position.closing_xid IS 'transaction reached at that closing LSN';
COMMENT ON COLUMN dbsync_ledger.position.identities IS 'databases that this one has been: system identifier/oid of each; changes that they made do not come back';
COMMENT ON COLUMN dbsync_ledger.position.live IS 'table: its first copy is complete';
COMMENT ON COLUMN dbsync_ledger.position.boundary IS 'table: key of the last row copied';
COMMENT ON COLUMN dbsync_ledger.position.rows IS 'table: rows copied';
COMMENT ON COLUMN dbsync_ledger.position.checksum IS 'over the row but for name, batch and updated: one that was edited is refused';
COMMENT ON COLUMN dbsync_ledger.position.relation IS 'table: which one here';
COMMENT ON COLUMN dbsync_ledger.position.chain IS 'of a position that came in bundles: in which chain of them';
COMMENT ON COLUMN dbsync_ledger.position.note IS 'of a position that came in bundles: which one was the last';

-- For subscriptions with on_error => 'quarantine' (worker/driver/postgres/quarantine.c makes the same):
--
--   GRANT SELECT, INSERT, UPDATE, DELETE ON dbsync_ledger.quarantine TO sync;

CREATE TABLE dbsync_ledger.quarantine (
    subscription uuid NOT NULL,
    attachment uuid NOT NULL,
    relation text NOT NULL,
    key text[] NOT NULL,
    op text NOT NULL,
    row text,
    sqlstate text NOT NULL,
    message text NOT NULL,
    detail text,
    hint text,
    since timestamptz NOT NULL,
    changes bigint NOT NULL
);
CREATE INDEX quarantine_attachment ON dbsync_ledger.quarantine (attachment);
CREATE INDEX quarantine_key ON dbsync_ledger.quarantine USING hash (key);
ALTER TABLE dbsync_ledger.quarantine REPLICA IDENTITY FULL;
COMMENT ON TABLE dbsync_ledger.quarantine IS 'dbsync: one row per key of which this database has refused a row, written in the transaction in which all else went on: do not touch';
COMMENT ON COLUMN dbsync_ledger.quarantine.subscription IS 'the subscription that has sent it';
COMMENT ON COLUMN dbsync_ledger.quarantine.attachment IS 'of the table to it';
COMMENT ON COLUMN dbsync_ledger.quarantine.relation IS 'the table here';
COMMENT ON COLUMN dbsync_ledger.quarantine.key IS 'columns of its key, in the key''s order';
COMMENT ON COLUMN dbsync_ledger.quarantine.op IS 'write or delete: what was refused';
COMMENT ON COLUMN dbsync_ledger.quarantine.row IS 'the row, as JSON with each value as text; long ones are cut off';
COMMENT ON COLUMN dbsync_ledger.quarantine.sqlstate IS 'what it was refused with';
COMMENT ON COLUMN dbsync_ledger.quarantine.since IS 'since when the key has been parked';
COMMENT ON COLUMN dbsync_ledger.quarantine.changes IS 'changes of the key that were refused';

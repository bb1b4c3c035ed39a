-- Receivers: folders whose bundles are played to a target.  What they do is in worker/receive/; how people
-- make them is in 57_receivers.sql.
--
-- Their numbers are of the sequence of subscriptions: workers of both are told apart by them, and
-- the function that says who owns one is called as a subscription's is.

CREATE TABLE dbsync.receiver (
    id int PRIMARY KEY DEFAULT pg_catalog.nextval('dbsync.subscription_id_seq'),
    uid uuid NOT NULL UNIQUE DEFAULT pg_catalog.gen_random_uuid(),
    name name NOT NULL UNIQUE,
    root text NOT NULL,
    target name NOT NULL,
    public_keys text[] NOT NULL,
    subscription uuid,
    policy text NOT NULL DEFAULT 'interval 1 s',
    options jsonb NOT NULL DEFAULT '{}',
    enabled boolean NOT NULL DEFAULT false,
    created timestamptz NOT NULL DEFAULT pg_catalog.now(),
    -- why it was stopped, if nobody asked for that
    note text,
    -- how far the target is known to have come: for people, and for when it was put back
    chain bigint,
    number bigint,
    batch bigint,
    "time" timestamptz,
    chains bigint[] NOT NULL DEFAULT '{}',
    receipts bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE dbsync.receiver IS 'a folder whose bundles are played to a target; its owner is that of function dbsync_internal.subscription_<id>()';
COMMENT ON COLUMN dbsync.receiver.id IS 'number of the receiver, of the same sequence as those of subscriptions';
COMMENT ON COLUMN dbsync.receiver.uid IS 'identity of the receiver in its receipts';
COMMENT ON COLUMN dbsync.receiver.name IS 'name given to create_receiver()';
COMMENT ON COLUMN dbsync.receiver.root IS 'the folder, on this server, that has inbox, cache and receipts';
COMMENT ON COLUMN dbsync.receiver.target IS 'name of the target, which is a foreign server';
COMMENT ON COLUMN dbsync.receiver.public_keys IS 'by whom bundles must be signed: Ed25519 public keys in PEM';
COMMENT ON COLUMN dbsync.receiver.subscription IS 'uid, at the source, of the subscription whose bundles it plays; null: not known yet';
COMMENT ON COLUMN dbsync.receiver.policy IS 'when it looks into the inbox: see docs/policies.md';
COMMENT ON COLUMN dbsync.receiver.options IS 'what was given besides, as it was given';
COMMENT ON COLUMN dbsync.receiver.enabled IS 'started; true also while the server is down';
COMMENT ON COLUMN dbsync.receiver.created IS 'when it was created';
COMMENT ON COLUMN dbsync.receiver.note IS 'why it was stopped, if nobody asked for that';
COMMENT ON COLUMN dbsync.receiver.chain IS 'chain of the bundle that the target had last; null: none';
COMMENT ON COLUMN dbsync.receiver.number IS 'number of that bundle';
COMMENT ON COLUMN dbsync.receiver.batch IS 'batch that it completed';
COMMENT ON COLUMN dbsync.receiver."time" IS 'what time it was at the source when that batch began';
COMMENT ON COLUMN dbsync.receiver.chains IS 'chains of which the target has had anything, as far as is remembered';
COMMENT ON COLUMN dbsync.receiver.receipts IS 'count of the last receipt';
SELECT pg_catalog.pg_extension_config_dump('dbsync.receiver', '');

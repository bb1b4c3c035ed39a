-- Bundles: batches as files that prove themselves (docs/bundles.md).

CREATE FUNCTION dbsync_internal.check_bundle(caller oid, path text, public_keys text[],
    OUT verdict text, OUT reason text, OUT subscription text, OUT chain bigint, OUT number bigint, OUT batch bigint,
    OUT part int, OUT last boolean, OUT rows bigint, OUT bytes bigint, OUT sha256 text) RETURNS SETOF record
    LANGUAGE c AS 'MODULE_PATHNAME', 'dbsync_check_bundle';
COMMENT ON FUNCTION dbsync_internal.check_bundle(oid, text, text[]) IS 'as dbsync.check_bundle()';

CREATE FUNCTION dbsync.check_bundle(path text, public_keys text[]) RETURNS TABLE (
    verdict text, reason text, subscription text, chain bigint, number bigint, batch bigint,
    part int, last boolean, rows bigint, bytes bigint, sha256 text)
    LANGUAGE c ROWS 1 AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.check_bundle(text, text[]) IS 'is a file of the server a bundle, whole and signed by one of these public keys (PEM)?';

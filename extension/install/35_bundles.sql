-- Bundles: batches as files that prove themselves (docs/bundles.md).

CREATE FUNCTION dbsync_internal.bundle_verdict(caller oid, path text, public_keys text[]) RETURNS TABLE (
    verdict text, reason text, subscription text, chain bigint, number bigint, batch bigint,
    part int, last boolean, rows bigint, bytes bigint, sha256 text)
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'dbsync_bundle_verdict';
COMMENT ON FUNCTION dbsync_internal.bundle_verdict(oid, text, text[]) IS 'what a file of the server, which the caller may read, is found to be';

CREATE FUNCTION dbsync_internal.check_bundle(caller oid, path text, public_keys text[]) RETURNS TABLE (
    verdict text, reason text, subscription text, chain bigint, number bigint, batch bigint,
    part int, last boolean, rows bigint, bytes bigint, sha256 text)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY SELECT * FROM dbsync_internal.bundle_verdict(caller, path, public_keys);
END $$;
COMMENT ON FUNCTION dbsync_internal.check_bundle(oid, text, text[]) IS 'as dbsync.check_bundle()';

CREATE FUNCTION dbsync.check_bundle(path text, public_keys text[]) RETURNS TABLE (
    verdict text, reason text, subscription text, chain bigint, number bigint, batch bigint,
    part int, last boolean, rows bigint, bytes bigint, sha256 text)
    LANGUAGE c ROWS 1 AS 'MODULE_PATHNAME', 'dbsync_as_owner';
COMMENT ON FUNCTION dbsync.check_bundle(text, text[]) IS 'is a file of the server a bundle, whole and signed by one of these public keys (PEM)?';

-- While another index is built in the place of a header segment's own, as REINDEX
-- CONCURRENTLY does, headers go into both, and either can be read.
\set ECHO none
\i sql/include/capture.sql
\set ECHO all
\pset format unaligned
\pset tuples_only on

CREATE TABLE r (id int PRIMARY KEY);
SELECT capture_test.begin('r');
SELECT relid::regclass AS header FROM dbsync.segment WHERE captured_id = 0 AND active \gset
SELECT indexrelid::regclass AS own FROM pg_index WHERE indrelid = :'header'::regclass \gset
-- a header that an index leads to
CREATE FUNCTION found(header regclass) RETURNS SETOF bigint LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    x xid8;
BEGIN
    FOR x IN SELECT DISTINCT xid FROM capture_test.rows('r') LOOP
        RETURN QUERY EXECUTE format('SELECT rows FROM %s WHERE xid = %L', header, x);
    END LOOP;
END $$;
CREATE INDEX capture_second ON :header (xid);
INSERT INTO r VALUES (1), (2);
SELECT * FROM found(:'header');
-- each of them alone has it
\set ECHO none
BEGIN;
DROP INDEX :own;
\set ECHO all
SELECT * FROM found(:'header');
ROLLBACK;
DROP INDEX dbsync_internal.capture_second;
SELECT * FROM found(:'header');
\set ECHO none
REINDEX INDEX CONCURRENTLY :own;
\set ECHO all
INSERT INTO r VALUES (3);
SELECT * FROM found(:'header') ORDER BY 1;
SELECT capture_test.verdict('r');
SELECT capture_test.end('r');

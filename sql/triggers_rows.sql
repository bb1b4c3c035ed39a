-- The same as in capture_rows with everything left to the triggers.
\set ECHO none
SET dbsync.direct_capture = off;
\i sql/capture_rows.sql

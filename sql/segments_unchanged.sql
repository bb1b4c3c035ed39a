-- The same as in capture_unchanged with all rows in segments, none with their header.
\set ECHO none
SET dbsync.carry_bytes = 0;
\i sql/capture_unchanged.sql

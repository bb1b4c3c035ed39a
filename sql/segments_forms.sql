-- The same as in capture_forms with all rows in segments, none with their header.
\set ECHO none
SET dbsync.carry_bytes = 0;
\i sql/capture_forms.sql

-- The same as in capture_forms with everything left to the triggers.
\set ECHO none
SET dbsync.direct_capture = off;
\i sql/capture_forms.sql

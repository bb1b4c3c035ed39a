-- Two databases that feed each other: changes do not travel in circles (hazard 42).
\set QUIET on
\i sql/include/target.psql
SELECT format('postgresql:///%s?host=%s&port=%s&user=%s', current_database(),
              split_part(current_setting('unix_socket_directories'), ', ', 1),
              current_setting('port'), current_user) AS uri_back \gset

CREATE TABLE public.both_ways (id int PRIMARY KEY, v text);
SELECT dbsync.create_target('there', :'uri');
SELECT dbsync.create_subscription('forth', 'there', tables => ARRAY['public.both_ways'], copy_data => false);
\c :target
CREATE EXTENSION dbsync;
CREATE TABLE public.both_ways (id int PRIMARY KEY, v text);
SELECT dbsync.create_target('here', :'uri_back');
SELECT dbsync.create_subscription('back', 'here', tables => ARRAY['public.both_ways'], copy_data => false);
SELECT dbsync.run_once('back');
\c :source
SELECT dbsync.run_once('forth');

INSERT INTO public.both_ways VALUES (1, 'made here');
SELECT dbsync.run_once('forth');
\c :target
-- captured, with its origin, and not sent back
SELECT op, row, origin IS NOT NULL AS from_elsewhere FROM dbsync.changes('public.both_ways');
SELECT dbsync.run_once('back');
INSERT INTO public.both_ways VALUES (2, 'made there');
UPDATE public.both_ways SET v = v || ', changed there' WHERE id = 1;
SELECT dbsync.run_once('back');
\c :source
SELECT op, row, origin IS NOT NULL AS from_elsewhere FROM dbsync.changes('public.both_ways');
SELECT dbsync.run_once('forth');
TABLE public.both_ways ORDER BY id;
\c :target
TABLE public.both_ways ORDER BY id;
SELECT dbsync.drop_subscription('back');
\c :source
SELECT dbsync.drop_subscription('forth');
SELECT dbsync.drop_target('there');
DROP TABLE public.both_ways;
DROP DATABASE :target;
DROP SCHEMA IF EXISTS dbsync_ledger CASCADE;

-- capture => 'snapshot': a target full of other keys is not emptied; what row security keeps from a view's owner is not read for anybody.
\set QUIET on
\set VERBOSITY default
\i sql/include/target.psql
SET client_min_messages = warning;
CREATE TABLE public.strangers (id int PRIMARY KEY, v text);
INSERT INTO public.strangers SELECT i, 'here' FROM generate_series(1, 500) i;
CREATE ROLE regress_dbsync_alice;
CREATE TABLE public.guarded (id int PRIMARY KEY, v text);
INSERT INTO public.guarded SELECT i, 'secret' FROM generate_series(1, 10) i;
ALTER TABLE public.guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY some ON public.guarded USING (id < 3);
CREATE VIEW public.seen AS SELECT id, v FROM public.guarded;
ALTER TABLE public.guarded OWNER TO regress_dbsync_alice;
ALTER VIEW public.seen OWNER TO regress_dbsync_alice;
\c :target
CREATE TABLE public.strangers (id int PRIMARY KEY, v text);
INSERT INTO public.strangers SELECT i, 'there' FROM generate_series(1001, 1500) i;
CREATE TABLE public.seen (id int PRIMARY KEY, v text);
\c :source
SET client_min_messages = warning;
SELECT dbsync.create_target('guards', :'uri');
SELECT dbsync.create_subscription('guards', 'guards');
SELECT dbsync.add_table('guards', 'public.strangers', capture => 'snapshot');
SELECT dbsync.run_once('guards');
\c :target
SELECT v, count(*) FROM public.strangers GROUP BY v;
\c :source
SET client_min_messages = warning;
SELECT dbsync.remove_table('guards', 'public.strangers');
SELECT dbsync.add_table('guards', 'public.strangers', capture => 'snapshot', options => '{"empty": "allow"}');
SELECT dbsync.run_once('guards') > 0 AS sent;
\c :target
SELECT v, count(*) FROM public.strangers GROUP BY v;
\c :source
SET client_min_messages = warning;
SELECT dbsync.remove_table('guards', 'public.strangers');
SELECT dbsync.add_table('guards', 'public.seen', key => '{id}', capture => 'snapshot');
SELECT dbsync.run_once('guards');
\c :target
SELECT count(*) FROM public.seen;
\c :source
SET client_min_messages = warning;
SELECT dbsync.drop_subscription('guards');
SELECT dbsync.drop_target('guards');
DROP VIEW public.seen;
DROP TABLE public.guarded, public.strangers;
DROP ROLE regress_dbsync_alice;

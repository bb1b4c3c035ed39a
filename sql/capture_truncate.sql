-- TRUNCATE and what triggers of others write meanwhile, to the same table or to
-- another one of the command, before it is emptied or after: the target gets what
-- is there, both ends compared whole.
\set QUIET on
\i sql/include/target.psql
\set subscription truncated
CREATE TABLE public.a (id int PRIMARY KEY, v text);
CREATE TABLE public.b (id int, k text, v text, PRIMARY KEY (k, id));
CREATE TABLE public.free (id int PRIMARY KEY);
CREATE VIEW public.state AS
    SELECT (SELECT string_agg(a::text, ',' ORDER BY id) FROM public.a) AS a, (SELECT string_agg(b::text, ',' ORDER BY id) FROM public.b) AS b;
\c :target
CREATE TABLE public.a (id int PRIMARY KEY, v text);
CREATE TABLE public.b (id int, k text, v text, PRIMARY KEY (k, id));
CREATE VIEW public.state AS
    SELECT (SELECT string_agg(a::text, ',' ORDER BY id) FROM public.a) AS a, (SELECT string_agg(b::text, ',' ORDER BY id) FROM public.b) AS b;
\c :source
SELECT dbsync.create_target('truncated', :'uri');
SELECT dbsync.create_subscription('truncated', 'truncated', tables => ARRAY['public.a', 'public.b']);
INSERT INTO public.a SELECT i, 'old' FROM generate_series(1, 5) i;
INSERT INTO public.b SELECT i, 'old', 'old' FROM generate_series(1, 5) i;
\i sql/include/same_state.psql

-- what a trigger does: its commands, with the name of the trigger for %L
CREATE TABLE public.doing (trigger_name text, command text);
CREATE FUNCTION public.do_it() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    c text;
BEGIN
    FOR c IN SELECT d.command FROM public.doing d WHERE d.trigger_name = TG_NAME LOOP
        EXECUTE format(c, TG_NAME);
    END LOOP;
    RETURN NULL;
END $$;
CREATE FUNCTION public.doing(trigger_name text, command text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO public.doing VALUES (trigger_name, command) $$;
-- before ours and behind ours in the order of names, on both tables and on one that is not captured
CREATE TRIGGER aa_before BEFORE TRUNCATE ON public.a EXECUTE FUNCTION public.do_it();
CREATE TRIGGER zz_before BEFORE TRUNCATE ON public.a EXECUTE FUNCTION public.do_it();
CREATE TRIGGER aa_after AFTER TRUNCATE ON public.a EXECUTE FUNCTION public.do_it();
CREATE TRIGGER zz_after AFTER TRUNCATE ON public.a EXECUTE FUNCTION public.do_it();
CREATE TRIGGER bb_before BEFORE TRUNCATE ON public.b EXECUTE FUNCTION public.do_it();
CREATE TRIGGER bb_after AFTER TRUNCATE ON public.b EXECUTE FUNCTION public.do_it();
CREATE TRIGGER free_before BEFORE TRUNCATE ON public.free EXECUTE FUNCTION public.do_it();
CREATE TRIGGER free_after AFTER TRUNCATE ON public.free EXECUTE FUNCTION public.do_it();

-- plain: no row is looked up again
TRUNCATE public.a;
SELECT op FROM dbsync.changes('public.a') ORDER BY closing DESC, no DESC LIMIT 1;
SELECT dbsync.run_once('truncated');
\c :target
TABLE public.state;
\c :source

-- a trigger of the user's that sorts before ours inserts after the table was emptied
SELECT public.doing('aa_after', $$INSERT INTO public.a VALUES (10, %L), (11, %1$L)$$);
TRUNCATE public.a;
\i sql/include/same_state.psql
TABLE public.state;
-- the same key as before, one by one and many at once, out of line too
SELECT public.doing('aa_after', $$INSERT INTO public.a SELECT i, %L FROM generate_series(100, 130) i$$);
SELECT public.doing('aa_after', $$UPDATE public.a SET v = %L || (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 200) i) WHERE id = 10$$);
SELECT public.doing('aa_after', $$DELETE FROM public.a WHERE id = 11$$);
TRUNCATE public.a;
\i sql/include/same_state.psql
-- and again, in a transaction that has done it before: the file stays then
BEGIN;
TRUNCATE public.a;
INSERT INTO public.a VALUES (12, 'between');
TRUNCATE public.a;
UPDATE public.a SET v = 'at last' WHERE id = 101;
DELETE FROM public.a WHERE id = 102;
COMMIT;
\i sql/include/same_state.psql
DELETE FROM public.doing WHERE command LIKE 'UPDATE%';

-- a trigger that sorts behind ours inserts before the table is emptied
SELECT public.doing('zz_before', $$INSERT INTO public.a VALUES (20, %L)$$);
SELECT public.doing('aa_before', $$INSERT INTO public.a VALUES (21, %L)$$);
SELECT public.doing('zz_after', $$INSERT INTO public.a VALUES (22, %L)$$);
TRUNCATE public.a;
\i sql/include/same_state.psql
SELECT id FROM public.a WHERE id BETWEEN 20 AND 29;

-- two tables at once: triggers of each write to the other, in both orders of the tables
SELECT public.doing('aa_after', $$INSERT INTO public.b VALUES (30, 'k', %L)$$);
SELECT public.doing('bb_before', $$INSERT INTO public.a VALUES (31, %L)$$);
SELECT public.doing('zz_before', $$INSERT INTO public.b VALUES (32, 'k', %L)$$);
SELECT public.doing('bb_after', $$INSERT INTO public.a VALUES (33, %L)$$);
TRUNCATE public.a, public.b;
\i sql/include/same_state.psql
TRUNCATE public.b, public.a;
\i sql/include/same_state.psql
SELECT (SELECT count(*) FROM public.a) AS a, (SELECT count(*) FROM public.b) AS b;
-- with one that is not captured, whose triggers write to those that are
SELECT public.doing('free_before', $$INSERT INTO public.a VALUES (40, %L)$$);
SELECT public.doing('free_after', $$INSERT INTO public.b VALUES (41, 'k', %L)$$);
TRUNCATE public.free, public.a, public.b;
\i sql/include/same_state.psql
TRUNCATE public.a, public.b, public.free;
\i sql/include/same_state.psql

-- TRUNCATE in a trigger of a TRUNCATE
DELETE FROM public.doing;
SELECT public.doing('bb_before', $$INSERT INTO public.a VALUES (50, %L)$$);
SELECT public.doing('bb_before', $$TRUNCATE public.a$$);
SELECT public.doing('bb_before', $$INSERT INTO public.b VALUES (51, 'k', %L)$$);
SELECT public.doing('aa_after', $$INSERT INTO public.a VALUES (52, %L)$$);
SELECT public.doing('aa_after', $$INSERT INTO public.b VALUES (53, 'k', %L)$$);
SELECT public.doing('bb_after', $$INSERT INTO public.b VALUES (54, 'k', %L)$$);
SELECT public.doing('bb_after', $$UPDATE public.a SET v = %L$$);
TRUNCATE public.b;
\i sql/include/same_state.psql
TABLE public.state;
SELECT public.doing('bb_after', $$TRUNCATE public.a$$);
SELECT public.doing('bb_after', $$INSERT INTO public.a VALUES (55, %L)$$);
TRUNCATE public.b;
\i sql/include/same_state.psql
TABLE public.state;
DELETE FROM public.doing;

-- savepoints: what is taken back is taken back
BEGIN;
INSERT INTO public.a VALUES (60, 'stays');
SAVEPOINT s;
TRUNCATE public.a, public.b;
ROLLBACK TO s;
INSERT INTO public.b VALUES (61, 'k', 'stays');
SAVEPOINT s;
TRUNCATE public.b;
RELEASE s;
INSERT INTO public.b VALUES (62, 'k', 'stays');
COMMIT;
\i sql/include/same_state.psql
TABLE public.state;
-- a trigger that fails, and is caught
DELETE FROM public.doing;
SELECT public.doing('aa_after', $$INSERT INTO public.a VALUES (70, %L)$$);
SELECT public.doing('zz_after', $$SELECT 1 / 0$$);
DO $$
BEGIN
    INSERT INTO public.a VALUES (71, 'stays');
    TRUNCATE public.a;
EXCEPTION WHEN division_by_zero THEN
    INSERT INTO public.a VALUES (72, 'stays');
END $$;
\i sql/include/same_state.psql
TABLE public.state;
-- prepared
DELETE FROM public.doing;
SELECT public.doing('aa_after', $$INSERT INTO public.a VALUES (80, %L)$$);
BEGIN;
TRUNCATE public.a;
PREPARE TRANSACTION 'truncated';
COMMIT PREPARED 'truncated';
\i sql/include/same_state.psql
TABLE public.state;

-- as logical replication would do it: no triggers of the user's fire
SET session_replication_role = replica;
TRUNCATE public.a, public.b;
RESET session_replication_role;
SELECT dbsync.run_once('truncated');
\c :target
TABLE public.state;
\c :source

SELECT dbsync.drop_subscription('truncated');
SELECT dbsync.drop_target('truncated');
DROP VIEW public.state;
DROP TABLE public.a, public.b, public.free, public.doing;
DROP FUNCTION public.do_it, public.doing;
DROP DATABASE :target;

-- Verify: both ends are compared as of one position, and what differs is named.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.checked (a int, b text, v text, n numeric, PRIMARY KEY (b, a));
CREATE TABLE public.other (id int PRIMARY KEY, v text);
INSERT INTO public.checked SELECT i, 'b' || i % 3, 'value ' || i, i / 7.0 FROM generate_series(1, 3000) i;
INSERT INTO public.checked VALUES (0, '', NULL, 'NaN'), (0, E'q"\\,()\t', '', -0.00), (0, 'NULL', E'two\nlines', 1e30);
INSERT INTO public.other SELECT i, repeat('x', i) FROM generate_series(1, 50) i;
\c :target
CREATE TABLE public.checked (v text, n numeric, a int, b text, PRIMARY KEY (a, b));
CREATE TABLE public.other (id int PRIMARY KEY, v text);
\c :source
SELECT dbsync.create_target('verify_target', :'uri');
SELECT dbsync.create_subscription('verify', 'verify_target', tables => ARRAY['public.checked', 'public.other']);
SELECT dbsync.run_once('verify');

-- an honest target, of a subscription that is stopped
SELECT * FROM dbsync.verify('verify');
SELECT * FROM dbsync.difference WHERE subscription = 'verify';

-- what is pending goes there first
INSERT INTO public.other VALUES (51, 'late');
SELECT * FROM dbsync.verify('verify', 'public.other');

-- falsified
\c :target
UPDATE public.checked SET v = NULL WHERE a = 0 AND b = E'q"\\,()\t';
UPDATE public.checked SET n = 0.0 WHERE a = 0 AND b = E'q"\\,()\t';
UPDATE public.checked SET v = v || ' ' WHERE a = 5;
UPDATE public.checked SET n = n + 1e-20 WHERE a = 6;
DELETE FROM public.checked WHERE a = 7;
INSERT INTO public.checked VALUES ('new', 1, 8, 'extra');
UPDATE public.other SET v = CASE id WHEN 1 THEN 'xx' ELSE 'x' END WHERE id IN (1, 2);
\c :source
SELECT * FROM dbsync.verify('verify');
SELECT * FROM dbsync.difference WHERE subscription = 'verify' ORDER BY "table", key;

-- it stays so until somebody mends it
SELECT "table", verdict, missing, extra, different FROM dbsync.verify('verify', 'public.other', max_differences => 1);
SELECT "table", key, kind FROM dbsync.difference WHERE "table" = 'public.other';
\c :target
UPDATE public.other SET v = repeat('x', id) WHERE id IN (1, 2);
\c :source
SELECT "table", verdict FROM dbsync.verify('verify', 'public.other');

-- while it runs
SELECT dbsync.start_subscription('verify');
SELECT dbsync.wait_for('verify');
INSERT INTO public.other VALUES (60, 'new'), (61, 'new');
SELECT * FROM dbsync.verify('verify', 'public.other');
SELECT dbsync.stop_subscription('verify');

-- a verdict that one can keep
SELECT subscription, "table", verdict, took > '0' AS took, role = current_user AS by_me, "position" IS NOT NULL AS has_position, sample, buckets > 0 AND buckets_compared = buckets AS all_buckets, buckets_differing > 0 AS any_differs
FROM dbsync.verification WHERE subscription = 'verify' ORDER BY begun;
SELECT * FROM dbsync.verify_status;

-- refused
SELECT * FROM dbsync.verify('nobody');
SELECT * FROM dbsync.verify('verify', 'pg_class');
SELECT * FROM dbsync.verify('verify', sample => 0);
SELECT * FROM dbsync.verify('verify', sample => 1.1);
SELECT * FROM dbsync.verify('verify', deadline => '0 s');
SELECT * FROM dbsync.verify('verify', max_differences => -1);
BEGIN;
INSERT INTO public.other VALUES (70, 'mine');
SELECT * FROM dbsync.verify('verify');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM dbsync.verify('verify');
ROLLBACK;
CREATE ROLE regress_dbsync_stranger;
GRANT USAGE ON SCHEMA dbsync TO regress_dbsync_stranger;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO regress_dbsync_stranger;
GRANT SELECT ON dbsync.verification, dbsync.difference, dbsync.verify_status TO regress_dbsync_stranger;
SET ROLE regress_dbsync_stranger;
SELECT * FROM dbsync.verify('verify');
SELECT count(*) FROM dbsync.verification;
SELECT count(*) FROM dbsync.difference;
RESET ROLE;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA dbsync FROM regress_dbsync_stranger;
REVOKE ALL ON dbsync.verification, dbsync.difference, dbsync.verify_status FROM regress_dbsync_stranger;
REVOKE ALL ON SCHEMA dbsync FROM regress_dbsync_stranger;
DROP ROLE regress_dbsync_stranger;

-- by the clock
SELECT dbsync.alter_subscription('verify', verify_policy => 'rows 5');
SELECT dbsync.alter_subscription('verify', verify_policy => 'interval 1 s');
SELECT count(*) AS before FROM dbsync.verification \gset
SELECT dbsync.start_subscription('verify');
SELECT set_config('verify.before', :'before', false) \gset
DO $$
BEGIN
    WHILE (SELECT count(*) FROM dbsync.verification WHERE verdict <> 'running') < current_setting('verify.before')::int + 2 LOOP
        PERFORM pg_sleep(0.05);
    END LOOP;
END $$;
SELECT dbsync.alter_subscription('verify', verify_policy => '');
DO $$
BEGIN
    WHILE EXISTS (SELECT FROM dbsync.verify_status) LOOP
        PERFORM pg_sleep(0.05);
    END LOOP;
END $$;
SELECT dbsync.stop_subscription('verify');
SELECT DISTINCT ON ("table") "table", verdict FROM dbsync.verification WHERE subscription = 'verify' ORDER BY "table", begun DESC;

SELECT dbsync.drop_subscription('verify');
-- what was proved stays, and rows do not
SELECT count(*) > 0 AS stays FROM dbsync.verification WHERE subscription = 'verify';
SELECT count(*) FROM dbsync.difference WHERE subscription = 'verify';
SELECT dbsync.drop_target('verify_target');
DROP TABLE public.checked, public.other;
DROP DATABASE :target;

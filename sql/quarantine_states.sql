-- By which SQLSTATE a refusal is a row's, and by which it is not: then nothing is parked, and the batch is tried again.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.judged (id int PRIMARY KEY, v text);
\c :target
CREATE TABLE public.judged (id int PRIMARY KEY, v text);
CREATE FUNCTION public.judge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.v ~ '^[0-9A-Z]{5}$' THEN
        RAISE EXCEPTION 'said with %', NEW.v USING ERRCODE = NEW.v;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER judge AFTER INSERT OR UPDATE ON public.judged FOR EACH ROW EXECUTE FUNCTION public.judge();
ALTER TABLE public.judged ENABLE ALWAYS TRIGGER judge;
\c :source
SELECT dbsync.create_target('states_target', :'uri');
SELECT dbsync.create_subscription('states', 'states_target', tables => ARRAY['public.judged'], on_error => 'quarantine');
INSERT INTO public.judged SELECT i, 'good' FROM generate_series(1, 3) i;
SELECT dbsync.run_once('states');

-- those that are not: of connections, transactions, resources, objects that are not ready, operators, the system, syntax and rights,
-- and of whoever else has made one up.  Nothing of the batch is there, and nothing is parked
SELECT format('INSERT INTO public.judged VALUES (10, %L), (11, ''good'')', c), 'SELECT dbsync.run_once(''states'')',
    'SELECT count(*) AS parked FROM dbsync.quarantine', 'DELETE FROM public.judged WHERE id >= 10'
FROM unnest('{08006,08P01,40001,40P01,40002,53000,53100,53200,53300,55000,55006,55P03,57000,57014,57P03,58000,58030,42501,42P01,0A000,25006,XX000,U0001,P0002}'::text[]) c \gexec
SELECT dbsync.run_once('states');
\c :target
TABLE public.judged ORDER BY id;
SELECT count(*) FROM dbsync_ledger.quarantine;
\c :source

-- those that are
INSERT INTO public.judged SELECT 20 + n, c FROM unnest('{22000,22001,22003,22P02,23000,23502,23503,23505,23514,23P01,44000,P0001}'::text[]) WITH ORDINALITY u (c, n);
INSERT INTO public.judged VALUES (40, 'good');
SELECT dbsync.run_once('states');
SELECT key, sqlstate, message FROM dbsync.quarantine ORDER BY (key ->> 'id')::int;
\c :target
TABLE public.judged ORDER BY id;
\c :source

-- one of each kind in a batch: nothing is parked before what passes has passed; nor is what was parked let go of
BEGIN;
INSERT INTO public.judged VALUES (50, 'P0001'), (51, '53100');
UPDATE public.judged SET v = 'good' WHERE id = 21;
COMMIT;
SELECT dbsync.run_once('states');
SELECT count(*) FROM dbsync.quarantine;
UPDATE public.judged SET v = 'good' WHERE id = 51;
SELECT dbsync.run_once('states');
SELECT key, sqlstate FROM dbsync.quarantine WHERE (key ->> 'id')::int IN (21, 50, 51) ORDER BY key::text;
-- and of a key that is parked
UPDATE public.judged SET v = '40001' WHERE id = 22;
SELECT dbsync.run_once('states');
SELECT key, sqlstate, changes FROM dbsync.quarantine WHERE (key ->> 'id')::int = 22;
UPDATE public.judged SET v = '23514' WHERE id = 22;
SELECT dbsync.run_once('states');
SELECT key, sqlstate, changes FROM dbsync.quarantine WHERE (key ->> 'id')::int = 22;

\c :target
DROP TRIGGER judge ON public.judged;
\c :source
SELECT dbsync.retry('states', 'public.judged');
SELECT dbsync.run_once('states');
SELECT md5(string_agg(j::text, ',' ORDER BY id)) AS here FROM public.judged j \gset
\c :target
SELECT md5(string_agg(j::text, ',' ORDER BY id)) = :'here' AS equal, count(*) FROM public.judged j;
SELECT count(*) FROM dbsync_ledger.quarantine;
\c :source
SELECT dbsync.drop_subscription('states');
SELECT dbsync.drop_target('states_target');
DROP TABLE public.judged;
DROP DATABASE :target;

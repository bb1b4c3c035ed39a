-- Code of the target's that refuses rows: triggers, and what is checked at the end.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.guarded (id int PRIMARY KEY, v text);
CREATE TABLE public.late (id int PRIMARY KEY, v text);
CREATE TABLE public.keyless (v int);
CREATE TABLE public.exact (id numeric PRIMARY KEY, v text);
\c :target
CREATE TABLE public.guarded (id int PRIMARY KEY, v text);
CREATE TABLE public.late (id int PRIMARY KEY, v text);
CREATE TABLE public.keyless (v int CHECK (v < 100));
CREATE TABLE public.exact (id numeric PRIMARY KEY, v text CHECK (v <> 'bad'));
CREATE FUNCTION public.guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.v = 'kept' THEN
            RAISE EXCEPTION 'row % stays', OLD.id USING HINT = 'Ask somebody.';
        END IF;
    ELSIF NEW.v = 'bad' THEN
        RAISE EXCEPTION 'row % is bad', NEW.id USING DETAIL = 'It has always been.';
    ELSIF NEW.v = 'busy' THEN
        RAISE EXCEPTION 'come again' USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER guard AFTER INSERT OR UPDATE OR DELETE ON public.guarded FOR EACH ROW EXECUTE FUNCTION public.guard();
ALTER TABLE public.guarded ENABLE ALWAYS TRIGGER guard;
CREATE CONSTRAINT TRIGGER guard AFTER INSERT OR UPDATE ON public.late DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION public.guard();
ALTER TABLE public.late ENABLE ALWAYS TRIGGER guard;
\c :source
SELECT dbsync.create_target('code_target', :'uri');
SELECT dbsync.create_subscription('code', 'code_target', tables => ARRAY['public.guarded', 'public.late', 'public.keyless', 'public.exact'], on_error => 'quarantine');
INSERT INTO public.guarded SELECT i, CASE i WHEN 2 THEN 'kept' ELSE 'good' END FROM generate_series(1, 5) i;
SELECT dbsync.run_once('code');
\set parked 'SELECT "table", key, op, "row", sqlstate, message, detail, hint, changes FROM dbsync.quarantine ORDER BY "table"::text, key::text'

-- a trigger that raises; a row that it does not let go
BEGIN;
INSERT INTO public.guarded VALUES (6, 'bad'), (7, 'good');
DELETE FROM public.guarded WHERE id IN (1, 2);
COMMIT;
SELECT dbsync.run_once('code');
:parked;
\c :target
TABLE public.guarded ORDER BY id;
\c :source

-- one that raises what is to be tried again is no row's fault (hazard 30)
INSERT INTO public.guarded VALUES (8, 'busy');
SELECT dbsync.run_once('code');
SELECT count(*) FROM dbsync.quarantine;
UPDATE public.guarded SET v = 'good' WHERE id = 8;
SELECT dbsync.run_once('code');

-- what is checked at the end is found, and only that row (hazard 29)
INSERT INTO public.late SELECT i, CASE i WHEN 1500 THEN 'bad' ELSE 'good' END FROM generate_series(1, 2500) i;
SELECT dbsync.run_once('code');
:parked;
\c :target
SELECT count(*), bool_or(v = 'bad') FROM public.late;
\c :source

-- keys that are equal and written otherwise (hazard 53; review: A15)
INSERT INTO public.exact VALUES (1.0, 'bad'), (2.0, 'bad');
SELECT dbsync.run_once('code');
SELECT key FROM dbsync.quarantine WHERE "table" = 'public.exact'::regclass ORDER BY 1;
UPDATE public.exact SET id = 1.00, v = 'good' WHERE id = 1;
UPDATE public.exact SET id = 2.00 WHERE id = 2;
SELECT dbsync.run_once('code');
SELECT key, "row" FROM dbsync.quarantine WHERE "table" = 'public.exact'::regclass ORDER BY 1;
\c :target
TABLE public.exact ORDER BY id;
ALTER TABLE public.exact DROP CONSTRAINT exact_v_check;
\c :source
SELECT dbsync.retry('code', 'public.exact');
SELECT dbsync.run_once('code');
\c :target
TABLE public.exact ORDER BY id;
\c :source

-- a table without a key is held instead; the others go on
INSERT INTO public.keyless VALUES (1), (100);
INSERT INTO public.guarded VALUES (9, 'good');
SELECT dbsync.run_once('code');
SELECT "table", state, quarantined, held_for FROM dbsync.table_status WHERE subscription = 'code' ORDER BY "table"::text;
\c :target
SELECT max(id) FROM public.guarded;
ALTER TABLE public.keyless DROP CONSTRAINT keyless_v_check;
\c :source
SELECT dbsync.resume_table('code', 'public.keyless');
SELECT dbsync.run_once('code');
SELECT "table", state FROM dbsync.table_status WHERE subscription = 'code' ORDER BY "table"::text;

-- all is mended
\c :target
DROP TRIGGER guard ON public.guarded;
DROP TRIGGER guard ON public.late;
\c :source
SELECT dbsync.retry('code', 'public.guarded'), dbsync.retry('code', 'public.late');
SELECT dbsync.run_once('code');
SELECT count(*) FROM dbsync.quarantine;
\set all 'SELECT md5(string_agg(x, $$ $$ ORDER BY x)) AS is FROM (SELECT $$g$$ || g FROM public.guarded g UNION ALL SELECT $$l$$ || l FROM public.late l UNION ALL SELECT $$k$$ || k FROM public.keyless k UNION ALL SELECT $$e$$ || e FROM public.exact e) a (x)'
:all \gset here_
\c :target
:all \gset there_
SELECT :'here_is' = :'there_is' AS equal;
\c :source

SELECT dbsync.drop_subscription('code');
SELECT dbsync.drop_target('code_target');
DROP TABLE public.guarded, public.late, public.keyless, public.exact;
DROP DATABASE :target;

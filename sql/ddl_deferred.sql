-- A change of a table at the target, behind rows of the same transaction for which triggers there wait
-- until its end: they have run by then, or the server would refuse the change.  Hazard 22.
\set QUIET on
\i sql/include/target.psql
\set subscription ddl
\set tab public.changing

CREATE TABLE public.changing (id int PRIMARY KEY, v int);
\c :target
CREATE TABLE public.changing (id int PRIMARY KEY, v int);
CREATE TABLE public.seen (n int GENERATED ALWAYS AS IDENTITY, id int, row text);
CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen (id, row) SELECT NEW.id, c::text FROM public.changing c WHERE c.id = NEW.id;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER see AFTER INSERT OR UPDATE ON public.changing DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.see();
ALTER TABLE public.changing ENABLE ALWAYS TRIGGER see;
\c :source
SELECT dbsync.create_target('ddl_target', :'uri');
SELECT dbsync.create_subscription('ddl', 'ddl_target', tables => ARRAY['public.changing'], ddl => 'apply');
SELECT dbsync.run_once('ddl');
BEGIN;
INSERT INTO public.changing VALUES (1, 1);
ALTER TABLE public.changing ADD COLUMN added int DEFAULT 5;
INSERT INTO public.changing VALUES (2, 2, 2);
ALTER TABLE public.changing ALTER COLUMN v TYPE bigint;
UPDATE public.changing SET v = 3 WHERE id = 1;
ALTER TABLE public.changing RENAME COLUMN added TO more;
INSERT INTO public.changing VALUES (3, 3, 3);
COMMIT;
\i sql/include/same_table.psql
\c :target
-- rows behind a change, those of the next one included, are deferred as ever
SELECT id, row FROM public.seen ORDER BY n;
\c :source
SELECT dbsync.drop_subscription('ddl');
SELECT dbsync.drop_target('ddl_target');
DROP TABLE public.changing;

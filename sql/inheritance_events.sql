-- Event triggers, and functions that a command calls, that write through a parent while it gets its first child.
\set QUIET on
\i sql/include/target.psql
CREATE TABLE public.parent (id int PRIMARY KEY, v text);
CREATE TABLE public.child (id int PRIMARY KEY, v text);
INSERT INTO public.parent VALUES (1, 'parent');
INSERT INTO public.child VALUES (1, 'child'), (81, 'child');
\c :target
CREATE TABLE public.parent (id int PRIMARY KEY, v text);
CREATE TABLE public.child (id int PRIMARY KEY, v text);
\c :source
SELECT dbsync.create_target('events_target', :'uri');
SELECT dbsync.create_subscription('events', 'events_target', tables => '{public.parent,public.child}', ddl => 'apply');
SELECT dbsync.run_once('events') >= 0;
CREATE FUNCTION public.meddle() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE public.parent SET v = v || '!';
END $$;
CREATE FUNCTION public.checks(id int, v text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF id = 81 AND v NOT LIKE '%?' THEN
        UPDATE public.parent p SET v = p.v || '?';
    END IF;
    RETURN true;
END $$;

-- before ours the statement is refused, as its rows would be taken for the parent's; behind it all is well
CREATE EVENT TRIGGER a_meddles ON ddl_command_end EXECUTE FUNCTION public.meddle();
ALTER TABLE public.child INHERIT public.parent;
DROP EVENT TRIGGER a_meddles;
ALTER TABLE public.child INHERIT public.parent, ADD CONSTRAINT checked CHECK (public.checks(id, v));
CREATE EVENT TRIGGER z_meddles ON ddl_command_end EXECUTE FUNCTION public.meddle();
ALTER TABLE public.child INHERIT public.parent;
DROP EVENT TRIGGER z_meddles;
-- of a table that has children already nobody is refused
CREATE EVENT TRIGGER a_meddles ON ddl_command_end EXECUTE FUNCTION public.meddle();
CREATE TABLE public.second () INHERITS (public.parent);
DROP TABLE public.second;
DROP EVENT TRIGGER a_meddles;
SELECT string_agg(p::text, ',' ORDER BY id) AS parents FROM ONLY public.parent p \gset
SELECT string_agg(c::text, ',' ORDER BY id) AS children FROM public.child c \gset
SELECT :'parents' LIKE '%!%' AND :'children' LIKE '%!%' AS meddled;
SELECT dbsync.run_once('events') >= 0;
\c :target
SELECT string_agg(p::text, ',' ORDER BY id) = :'parents' AS same FROM public.parent p;
SELECT string_agg(c::text, ',' ORDER BY id) = :'children' AS same FROM public.child c;
\c :source
SELECT dbsync.drop_subscription('events');
SELECT dbsync.drop_target('events_target');
DROP TABLE public.child, public.parent;
DROP FUNCTION public.meddle, public.checks;
DROP DATABASE :"target";

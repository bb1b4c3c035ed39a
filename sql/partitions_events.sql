-- Event triggers of the database's own that write to a partitioned table while its partitions come
-- and go: before ours and behind them, through the root and into partitions.
\set QUIET on
\i sql/include/target.psql
CREATE TABLE public.keyless (k int, v text) PARTITION BY RANGE (k);
CREATE TABLE public.keyless_0 PARTITION OF public.keyless FOR VALUES FROM (0) TO (10);
CREATE TABLE public.keyless_rest PARTITION OF public.keyless DEFAULT;
CREATE TABLE public.keyed (k int, v text, PRIMARY KEY (k, v)) PARTITION BY RANGE (k);
CREATE TABLE public.keyed_0 PARTITION OF public.keyed FOR VALUES FROM (0) TO (10);
CREATE TABLE public.keyed_rest PARTITION OF public.keyed DEFAULT PARTITION BY LIST (v);
CREATE TABLE public.keyed_rest_all PARTITION OF public.keyed_rest DEFAULT;
\c :target
CREATE TABLE public.keyless (k int, v text);
CREATE TABLE public.keyed (k int, v text, PRIMARY KEY (k, v));
\c :source
SELECT dbsync.create_target('events_target', :'uri');
SELECT dbsync.create_subscription('events', 'events_target', tables => '{public.keyless,public.keyed}', on_partition_drop => 'delete');
SELECT dbsync.run_once('events') >= 0;
-- what event triggers do then; also to answer commands of dbsync's own, if they hear of any
CREATE TABLE public.todo (what text);
CREATE SEQUENCE public.nth;
CREATE FUNCTION public.meddle() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
    command text;
BEGIN
    FOR command IN SELECT what FROM public.todo LOOP
        EXECUTE format(command, tg_event || nextval('public.nth'));
    END LOOP;
END $$;
CREATE EVENT TRIGGER a_meddles ON ddl_command_end EXECUTE FUNCTION public.meddle();
CREATE EVENT TRIGGER a_drops ON sql_drop EXECUTE FUNCTION public.meddle();
\set subscription events
\i sql/include/events.psql
-- behind ours
ALTER EVENT TRIGGER a_meddles RENAME TO z_meddles;
ALTER EVENT TRIGGER a_drops RENAME TO z_drops;
\i sql/include/events.psql
-- commands that fail, and what comes behind them in the transaction
CREATE TABLE public.comes (k int, v text);
INSERT INTO public.comes VALUES (15, 'there');
BEGIN;
INSERT INTO public.todo VALUES ('INSERT INTO public.keyless VALUES (15, ''not to be'')'), ('SELECT 1/0');
SAVEPOINT before;
ALTER TABLE public.keyless ATTACH PARTITION public.comes FOR VALUES FROM (10) TO (20);
ROLLBACK TO before;
TRUNCATE public.todo;
DO $$ BEGIN DROP TABLE public.keyless_0, public.nothing; EXCEPTION WHEN undefined_table THEN NULL; END $$;
INSERT INTO public.keyless VALUES (15, 'rest'), (5, 'first');
INSERT INTO public.keyless_rest VALUES (16, 'rest');
DELETE FROM public.keyless WHERE k = 15;
ALTER TABLE public.keyless ATTACH PARTITION public.comes FOR VALUES FROM (10) TO (16);
COMMIT;
\set tab public.keyless
\i sql/include/same_table.psql
DROP EVENT TRIGGER z_meddles;
DROP EVENT TRIGGER z_drops;
SELECT dbsync.drop_subscription('events');
SELECT dbsync.drop_target('events_target');
DROP TABLE public.keyless, public.keyed, public.todo;
DROP FUNCTION public.meddle;
DROP SEQUENCE public.nth;
DROP DATABASE :"target";

-- Who owns a partitioned table, and is no superuser, goes on making partitions of it; and the
-- sequence of a table that became a partition flows.
\set QUIET on
\i sql/include/target.psql
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_dbsync_owner;
CREATE ROLE regress_dbsync_owner;
GRANT ALL ON SCHEMA public TO regress_dbsync_owner;
RESET client_min_messages;
SET ROLE regress_dbsync_owner;
-- the table as it was before it was partitioned, with the sequence that it had
CREATE TABLE public.e_old (id bigserial, ts date NOT NULL DEFAULT '2026-01-01', v text, PRIMARY KEY (id, ts));
CREATE TABLE public.e (id bigint DEFAULT nextval('public.e_old_id_seq'), ts date NOT NULL DEFAULT '2026-01-01', v text, PRIMARY KEY (id, ts))
    PARTITION BY RANGE (ts);
ALTER TABLE public.e ATTACH PARTITION public.e_old FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
RESET ROLE;
\c :target
CREATE TABLE public.e (id bigserial, ts date NOT NULL DEFAULT '2026-01-01', v text, PRIMARY KEY (id, ts));
\c :source
SELECT dbsync.create_target('owner_target', :'uri');
SELECT dbsync.create_subscription('owned', 'owner_target', tables => '{public.e}', on_partition_drop => 'delete');
INSERT INTO public.e (v) SELECT 'first' FROM generate_series(1, 3);
SELECT dbsync.run_once('owned');

SET ROLE regress_dbsync_owner;
CREATE TABLE public.e_2 PARTITION OF public.e FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE public.e_3 (LIKE public.e);
INSERT INTO public.e_3 VALUES (100, '2026-03-05', 'came');
ALTER TABLE public.e ATTACH PARTITION public.e_3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
INSERT INTO public.e (ts, v) VALUES ('2026-02-05', 'new');
UPDATE public.e SET ts = '2026-02-06' WHERE v = 'came';
ALTER TABLE public.e ADD w int DEFAULT 3;
\c :target
ALTER TABLE public.e ADD w int DEFAULT 3;
\c :source
SET ROLE regress_dbsync_owner;
TRUNCATE public.e_3;
INSERT INTO public.e (ts, v) VALUES ('2026-03-05', 'goes');
ALTER TABLE public.e DETACH PARTITION public.e_3;
DROP TABLE public.e_3;
CREATE TABLE public.e_4 PARTITION OF public.e DEFAULT;
-- nobody makes our function capture another time what it captures
CREATE TRIGGER another AFTER INSERT ON public.e_2 FOR EACH ROW EXECUTE FUNCTION dbsync_internal.capture();
RESET ROLE;
\set subscription owned
\set tab public.e
\i sql/include/same_table.psql
SELECT sequence, target_sequence FROM dbsync.sequence_status;
\c :target
INSERT INTO public.e (v) VALUES ('taken over');
SELECT id > 1000 AS ahead FROM public.e WHERE v = 'taken over';
\c :source
SELECT dbsync.drop_subscription('owned');
SELECT dbsync.drop_target('owner_target');
DROP TABLE public.e;
DROP OWNED BY regress_dbsync_owner;
DROP ROLE regress_dbsync_owner;
DROP DATABASE :"target";

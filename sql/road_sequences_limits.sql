-- Sequences at the ends of their ranges, small rounds, and tables that change.
\set QUIET on
\i sql/include/target.psql
CREATE SEQUENCE public.highest START 9223372036854775800;
CREATE SEQUENCE public.lowest INCREMENT -3 MINVALUE -9223372036854775808 START -9223372036854775790;
CREATE SEQUENCE public.whole INCREMENT 5 MINVALUE -9223372036854775808 START -9223372036854775808 CYCLE;
CREATE SEQUENCE public.leaps INCREMENT 4000000000000000000;
CREATE SEQUENCE public.down INCREMENT -1 MINVALUE 1 MAXVALUE 1000 START 1000 CYCLE;
CREATE SEQUENCE public.tiny MAXVALUE 3 CYCLE;
CREATE SEQUENCE public.short AS smallint CACHE 30000;
\c :target
CREATE SEQUENCE public.highest;
CREATE SEQUENCE public.lowest INCREMENT -2;
CREATE SEQUENCE public.whole INCREMENT 5 MINVALUE -9223372036854775808 START -9223372036854775808 CYCLE;
CREATE SEQUENCE public.leaps INCREMENT 7;
CREATE SEQUENCE public.down INCREMENT -1 MINVALUE 1 MAXVALUE 1000 START 1000 CYCLE;
CREATE SEQUENCE public.tiny MAXVALUE 3 CYCLE;
CREATE SEQUENCE public.short AS smallint;
\c :source
SELECT dbsync.create_target('road_target', :'uri');
SELECT dbsync.create_subscription('road', 'road_target');
SELECT dbsync.add_sequence('road', s.oid) FROM pg_class s WHERE s.relkind = 'S' AND s.relnamespace = 'public'::regnamespace;
SELECT nextval('public.highest'), nextval('public.lowest'), nextval('public.whole'), nextval('public.leaps'), nextval('public.down'),
    nextval('public.tiny'), nextval('public.short');
SELECT dbsync.run_once('road');
SELECT sequence, value_here, value_there, headroom, note FROM dbsync.sequence_status ORDER BY sequence::text;
SELECT nextval('public.highest') FROM generate_series(1, 7) OFFSET 6;
SELECT nextval('public.lowest') FROM generate_series(1, 5) OFFSET 4;
SELECT setval('public.whole', 9223372036854775807), setval('public.down', 120);
SELECT nextval('public.leaps'), nextval('public.leaps'), nextval('public.tiny');
SELECT dbsync.run_once('road');
SELECT sequence, value_here, value_there, headroom, note FROM dbsync.sequence_status ORDER BY sequence::text;
SELECT nextval('public.whole'), nextval('public.tiny'), nextval('public.tiny'), nextval('public.down') FROM generate_series(1, 200) OFFSET 199;
SELECT dbsync.run_once('road');
SELECT sequence, value_here, value_there, headroom, note FROM dbsync.sequence_status
WHERE sequence::text IN ('whole', 'tiny', 'down') ORDER BY sequence::text;

-- a table that changes: the sequence is found by the column's name there, whatever waits
CREATE TABLE public.t (id serial PRIMARY KEY, v text);
INSERT INTO public.t (v) VALUES ('x');
\c :target
CREATE TABLE public.t (id serial PRIMARY KEY, v text);
\c :source
SELECT dbsync.add_table('road', 'public.t');
SELECT dbsync.alter_subscription('road', ddl => 'apply');
SELECT dbsync.run_once('road');
INSERT INTO public.t (v) SELECT 'before' FROM generate_series(1, 2000);
ALTER TABLE public.t RENAME id TO number;
INSERT INTO public.t (v) SELECT 'behind' FROM generate_series(1, 2000);
ALTER TABLE public.t RENAME number TO id2;
INSERT INTO public.t (v) SELECT 'behind' FROM generate_series(1, 2000);
SELECT dbsync.run_once('road');
SELECT sequence, target_sequence, value_here, value_there, note FROM dbsync.sequence_status WHERE sequence::text = 't_id_seq';
\c :target
SELECT count(*), max(id2) FROM public.t;
\c :source
-- one that is emptied and begins anew: the target's stays
TRUNCATE public.t RESTART IDENTITY;
INSERT INTO public.t (v) VALUES ('anew');
SELECT dbsync.run_once('road');
SELECT sequence, value_here, value_there, note FROM dbsync.sequence_status WHERE sequence::text = 't_id_seq';
-- suspended, and dropped
SELECT dbsync.suspend_table('public.t');
SELECT sequence, note FROM dbsync.sequence_status WHERE sequence::text = 't_id_seq';
SELECT dbsync.copy_table('road', 'public.t');
SELECT dbsync.run_once('road');
SELECT sequence, value_here, value_there, note FROM dbsync.sequence_status WHERE sequence::text = 't_id_seq';
DROP TABLE public.t;
SELECT dbsync.run_once('road');
SELECT count(*) FROM dbsync.sequence_status WHERE sequence::text = 't_id_seq';
SELECT dbsync.drop_subscription('road');
SELECT dbsync.drop_target('road_target');
DROP SEQUENCE public.highest, public.lowest, public.whole, public.leaps, public.down, public.tiny, public.short;
DROP DATABASE :target;

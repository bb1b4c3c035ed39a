-- A bound is asked of the target's rows only where it is true of the same ones: else the table is
-- held, rather than lose rows of other partitions or keep what should have gone.
\set QUIET on
\i sql/include/target.psql
CREATE TABLE public.dates (id int, d date, "the d" int) PARTITION BY RANGE (d);
CREATE TABLE public.padded (id int, v char(4)) PARTITION BY LIST (v);
CREATE TABLE public.words (id int, v text) PARTITION BY LIST (v);
CREATE TABLE public.numbers (id int, "a ""number""" numeric) PARTITION BY RANGE ("a ""number""");
CREATE TABLE public.fine (id int, d date, v text) PARTITION BY RANGE (d);
CREATE TABLE public.dates_1 PARTITION OF public.dates FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE public.padded_1 PARTITION OF public.padded FOR VALUES IN ('ab');
CREATE TABLE public.words_1 PARTITION OF public.words FOR VALUES IN ('abc', 'it''s "id"');
CREATE TABLE public.words_2 PARTITION OF public.words FOR VALUES IN ('ABC');
CREATE TABLE public.numbers_1 PARTITION OF public.numbers FOR VALUES FROM (0) TO (1);
CREATE TABLE public.fine_1 PARTITION OF public.fine FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
INSERT INTO public.dates VALUES (1, '2026-01-05');
INSERT INTO public.padded VALUES (1, 'ab');
INSERT INTO public.words VALUES (1, 'abc'), (2, 'ABC');
INSERT INTO public.numbers VALUES (1, 0.7);
INSERT INTO public.fine VALUES (1, '2026-01-05', 'x');
\c :target
CREATE COLLATION public.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE public.dates (id int, d text, "the d" int);
CREATE TABLE public.padded (id int, v text);
CREATE TABLE public.words (id int, v text COLLATE public.ci);
CREATE TABLE public.numbers (id int, "a ""number""" numeric(5, 0));
-- what is not in the bound may differ
CREATE TABLE public.fine (v varchar, d date, id bigint);
\c :source
SET client_min_messages = warning;
SELECT dbsync.create_target('bounds_target', :'uri');
SELECT dbsync.create_subscription('bounds', 'bounds_target', tables => '{public.dates,public.padded,public.words,public.numbers,public.fine}',
    on_partition_drop => 'delete');
SELECT dbsync.run_once('bounds');
DROP TABLE public.dates_1, public.padded_1, public.words_1, public.numbers_1, public.fine_1;
\set VERBOSITY terse
SELECT dbsync.run_once('bounds');
SELECT dbsync.run_once('bounds');
SELECT "table", state, held_for, next_action FROM dbsync.table_status ORDER BY "table"::text COLLATE "C";
\c :target
SELECT count(*) FROM public.fine;
SELECT * FROM public.words ORDER BY id;
-- the way out
ALTER TABLE public.words ALTER v TYPE text COLLATE "C";
\c :source
SET client_min_messages = warning;
SELECT dbsync.resume_table('bounds', 'public.words');
SELECT dbsync.copy_table('bounds', t) FROM unnest('{public.dates,public.padded,public.numbers}'::regclass[]) t;
SELECT dbsync.run_once('bounds');
SELECT "table", state, next_action FROM dbsync.table_status ORDER BY "table"::text COLLATE "C";
\c :target
SELECT * FROM public.words ORDER BY id;
SELECT (SELECT count(*) FROM public.dates), (SELECT count(*) FROM public.padded), (SELECT count(*) FROM public.numbers);
\c :source
SET client_min_messages = warning;
SELECT dbsync.drop_subscription('bounds');
SELECT dbsync.drop_target('bounds_target');
DROP TABLE public.dates, public.padded, public.words, public.numbers, public.fine;
DROP DATABASE :"target";

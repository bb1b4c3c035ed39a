-- Several sources in one target table: what one of them makes of its own rows leaves the others' there.
-- Hazard 60 of tables.
\set QUIET on
\i sql/include/target.psql
CREATE TABLE public.west (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE public.west_1 PARTITION OF public.west FOR VALUES IN (1);
CREATE TABLE public.west_2 PARTITION OF public.west FOR VALUES IN (2) PARTITION BY HASH (id);
CREATE TABLE public.west_2a PARTITION OF public.west_2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.west_2b PARTITION OF public.west_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE public.west_3 PARTITION OF public.west FOR VALUES IN (3);
CREATE TABLE public.east (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE public.east_all PARTITION OF public.east DEFAULT;
INSERT INTO public.west SELECT g, 1 + g % 3, 'west' FROM generate_series(1, 30) g;
INSERT INTO public.east SELECT g, 1 + g % 3, 'east' FROM generate_series(101, 130) g;
\c :target
CREATE TABLE public.whole (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k));
\c :source
SELECT dbsync.create_target('shared_target', :'uri');
SELECT dbsync.create_subscription('west', 'shared_target', ddl => 'apply');
SELECT dbsync.create_subscription('east', 'shared_target', ddl => 'apply');
SELECT dbsync.add_table('west', 'public.west', 'public.whole', existing_rows => 'keep', operations => '{insert,update,delete}');
SELECT dbsync.add_table('east', 'public.east', 'public.whole', existing_rows => 'keep', operations => '{insert,update,delete}');
SELECT dbsync.run_once('west'), dbsync.run_once('east');
\c :target
SELECT v, k, count(*) FROM public.whole GROUP BY 1, 2 ORDER BY 1, 2;
\c :source
-- a partition that is emptied counts as truncated, which is not sent; one by hash as rows that are deleted, which are
TRUNCATE public.west_1;
TRUNCATE public.west_2a;
INSERT INTO public.west VALUES (1, 2, 'west'), (2, 1, 'west');
SELECT dbsync.run_once('west') >= 0;
SELECT k, count(*) FROM public.west GROUP BY 1 ORDER BY 1;
\c :target
SELECT v, k, count(*) FROM public.whole GROUP BY 1, 2 ORDER BY 1, 2;
\c :source
TRUNCATE public.east;
INSERT INTO public.east SELECT g, 1 + g % 3, 'east' FROM generate_series(101, 130) g;
DELETE FROM public.west WHERE k = 1;
DROP TABLE public.west_3;
SELECT dbsync.run_once('east') >= 0, dbsync.run_once('west') >= 0;
\c :target
SELECT v, k, count(*) FROM public.whole GROUP BY 1, 2 ORDER BY 1, 2;
DELETE FROM public.whole WHERE v = 'west' AND k IN (1, 3);
\c :source
-- a copy anew that somebody asks for puts rows in, and takes none away; one that DDL asks for: ddl_shared
SELECT dbsync.copy_table('west', 'public.west', existing_rows => 'keep');
SELECT dbsync.run_once('west') > 0;
SELECT subscription, state, note, held_for FROM dbsync.table_status ORDER BY 1;
SELECT string_agg(format('%s', r), ',' ORDER BY r.id) AS here FROM (TABLE public.west UNION ALL TABLE public.east) r \gset
\c :target
SELECT v, k, count(*) FROM public.whole GROUP BY 1, 2 ORDER BY 1, 2;
SELECT CASE string_agg(format('%s', r), ',' ORDER BY r.id) WHEN :'here' THEN 'the same' ELSE 'different' END FROM public.whole r;
\c :source
SELECT dbsync.drop_subscription('west'), dbsync.drop_subscription('east');
SELECT dbsync.drop_target('shared_target');
DROP TABLE public.west, public.east;
DROP DATABASE :"target";

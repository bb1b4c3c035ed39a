-- Foreign keys that the target checks, and that lead back: rows of one table, and tables in a circle.
\set QUIET on
\i sql/include/foreign_keys.psql
\set ddl 'CREATE TABLE public.tree (id int PRIMARY KEY, above int REFERENCES public.tree, note text); CREATE TABLE public.man (id int PRIMARY KEY, wife int NOT NULL); CREATE TABLE public.woman (id int PRIMARY KEY, husband int NOT NULL REFERENCES public.man); ALTER TABLE public.man ADD CONSTRAINT married FOREIGN KEY (wife) REFERENCES public.woman DEFERRABLE; CREATE TABLE public.team (id int PRIMARY KEY, head int); CREATE TABLE public.player (id int PRIMARY KEY, team int NOT NULL REFERENCES public.team); ALTER TABLE public.team ADD FOREIGN KEY (head) REFERENCES public.player; CREATE TABLE public.egg (id int PRIMARY KEY, hen int NOT NULL); CREATE TABLE public.hen (id int PRIMARY KEY, egg int NOT NULL REFERENCES public.egg, note text); ALTER TABLE public.egg ADD FOREIGN KEY (hen) REFERENCES public.hen; CREATE TABLE public.feather (id int PRIMARY KEY, hen int NOT NULL REFERENCES public.hen);'
:ddl
\c :target regress_dbsync_keys
:ddl
\c :source :me
-- rows that are there before the first copy: those below come before those above
INSERT INTO public.tree SELECT i, nullif(i + 1, 101) FROM generate_series(1, 100) i;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO public.man SELECT i, 10 - i FROM generate_series(1, 9) i;
INSERT INTO public.woman SELECT i, 10 - i FROM generate_series(1, 9) i;
COMMIT;
INSERT INTO public.team SELECT i FROM generate_series(1, 5) i;
INSERT INTO public.player SELECT i, 1 + i % 5 FROM generate_series(1, 20) i;
UPDATE public.team SET head = id + 4;
WITH e AS (INSERT INTO public.egg SELECT i, i FROM generate_series(1, 10) i)
INSERT INTO public.hen SELECT i, 11 - i FROM generate_series(1, 10) i;
INSERT INTO public.feather SELECT i, 1 + i % 10 FROM generate_series(1, 50) i;
SELECT dbsync.create_target('keys_target', :'uri');
SET dbsync.copy_chunk_rows = 10;
ALTER SYSTEM SET dbsync.copy_chunk_rows = 10;
SELECT pg_reload_conf();
SELECT dbsync.create_subscription('keys', 'keys_target',
    tables => ARRAY['public.feather', 'public.tree', 'public.man', 'public.woman', 'public.player', 'public.team', 'public.egg', 'public.hen']);
\set subscription keys
\i sql/include/same_tree.psql
ALTER SYSTEM RESET dbsync.copy_chunk_rows;
SELECT pg_reload_conf();

-- a tree that is made from below, in one statement; one that is turned over; one that is felled
INSERT INTO public.tree SELECT i, nullif(i + 1, 1011) FROM generate_series(1001, 1010) i;
\i sql/include/same_tree.psql
BEGIN;
INSERT INTO public.tree SELECT i, i + 1 FROM generate_series(901, 909) i UNION ALL SELECT 910, NULL::int;
UPDATE public.tree SET above = CASE WHEN id > 1 THEN id - 1 END WHERE id <= 100;
UPDATE public.tree SET above = 905, note = 'below' WHERE id = 1005;
COMMIT;
\i sql/include/same_tree.psql
BEGIN;
UPDATE public.tree SET above = 50 WHERE id = 1;
UPDATE public.tree SET above = NULL WHERE id = 50;
DELETE FROM public.tree WHERE id BETWEEN 1001 AND 1005;
INSERT INTO public.tree VALUES (1011, 1010);
COMMIT;
\i sql/include/same_tree.psql
DELETE FROM public.tree WHERE id <= 100;
\i sql/include/same_tree.psql

-- deferrable
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO public.man VALUES (11, 12);
INSERT INTO public.woman VALUES (12, 11);
UPDATE public.woman SET husband = 9 WHERE husband = 1;
DELETE FROM public.man WHERE id = 1;
DELETE FROM public.woman WHERE id = 1;
UPDATE public.man SET wife = 9 WHERE wife = 1;
COMMIT;
\i sql/include/same_tree.psql

-- with a side that can be null
BEGIN;
INSERT INTO public.team VALUES (6);
INSERT INTO public.player VALUES (30, 6), (31, 6);
UPDATE public.team SET head = 30 WHERE id = 6;
UPDATE public.team SET head = 31 WHERE id = 1;
UPDATE public.player SET team = 1 WHERE id = 31;
COMMIT;
\i sql/include/same_tree.psql
BEGIN;
UPDATE public.team SET head = NULL WHERE id = 6;
DELETE FROM public.player WHERE team = 6;
DELETE FROM public.team WHERE id = 6;
INSERT INTO public.player VALUES (60, 2);
COMMIT;
\i sql/include/same_tree.psql

-- that is neither: one statement makes them, at both ends
WITH e AS (INSERT INTO public.egg VALUES (20, 21), (21, 20)), f AS (INSERT INTO public.feather VALUES (60, 20))
INSERT INTO public.hen VALUES (20, 20), (21, 21);
\i sql/include/same_tree.psql
WITH f AS (DELETE FROM public.feather WHERE hen = 20), e AS (DELETE FROM public.egg WHERE id = 20),
    n AS (INSERT INTO public.egg VALUES (22, 21)) UPDATE public.hen SET egg = 22, note = 'other' WHERE id = 20;
\i sql/include/same_tree.psql
WITH f AS (DELETE FROM public.feather), e AS (DELETE FROM public.egg) DELETE FROM public.hen;
\i sql/include/same_tree.psql

TRUNCATE public.team, public.player;
INSERT INTO public.team VALUES (1);
\i sql/include/same_tree.psql

SELECT dbsync.drop_subscription('keys');
SELECT dbsync.drop_target('keys_target');
DROP TABLE public.feather, public.tree, public.man, public.woman, public.player, public.team, public.egg, public.hen;
DROP DATABASE :target;
DROP ROLE regress_dbsync_keys;

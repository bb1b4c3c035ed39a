-- Keys and constraints of the target: swaps, deferrable keys, identities, equal keys that are not identical.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.swap (id int PRIMARY KEY, u int UNIQUE);
CREATE TABLE public.defer (id int PRIMARY KEY, v text);
CREATE TABLE public.ident (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, twice text GENERATED ALWAYS AS (v || v) STORED);
CREATE TABLE public.num (n numeric PRIMARY KEY, v text);
\c :target
CREATE TABLE public.swap (id int PRIMARY KEY, u int UNIQUE);
CREATE TABLE public.defer (id int PRIMARY KEY DEFERRABLE INITIALLY IMMEDIATE, v text);
CREATE TABLE public.ident (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, twice text GENERATED ALWAYS AS (v || v) STORED);
CREATE TABLE public.num (n numeric PRIMARY KEY, v text);
\c :source
SELECT dbsync.create_target('key_target', :'uri');
SELECT dbsync.create_subscription('keys', 'key_target',
    tables => ARRAY['public.swap', 'public.defer', 'public.ident', 'public.num']);
INSERT INTO public.swap VALUES (1, 10), (2, 20), (3, 30);
INSERT INTO public.ident (v) VALUES ('a'), ('b');
INSERT INTO public.num VALUES (1.0, 'one');
SELECT dbsync.run_once('keys');

-- two rows swap a unique value, through a third
BEGIN;
UPDATE public.swap SET u = -1 WHERE id = 1;
UPDATE public.swap SET u = 10 WHERE id = 2;
UPDATE public.swap SET u = 20 WHERE id = 1;
COMMIT;
SELECT dbsync.run_once('keys') > 0 AS applied;
-- the same in a large batch
INSERT INTO public.swap SELECT g, g * 10 FROM generate_series(4, 2000) g;
SELECT dbsync.run_once('keys');
BEGIN;
UPDATE public.swap SET u = -u;
UPDATE public.swap SET u = 20010 + u;
COMMIT;
SELECT dbsync.run_once('keys') > 0 AS applied;

-- a deferrable key takes no ON CONFLICT
INSERT INTO public.defer SELECT g, 'v' || g FROM generate_series(1, 3) g;
SELECT dbsync.run_once('keys');
UPDATE public.defer SET v = 'w' WHERE id = 2;
DELETE FROM public.defer WHERE id = 3;
INSERT INTO public.defer VALUES (4, 'new');
SELECT dbsync.run_once('keys') > 0 AS applied;

-- identities keep the source's values; generated columns make themselves
UPDATE public.ident SET v = 'B' WHERE v = 'b';
INSERT INTO public.ident (v) VALUES ('c');
INSERT INTO public.ident (id, v) OVERRIDING SYSTEM VALUE VALUES (70, 'seventy');
SELECT dbsync.run_once('keys') > 0 AS applied;

-- 1.0 and 1.00 are one key, and not the same value
UPDATE public.num SET n = 1.00;
SELECT dbsync.run_once('keys') > 0 AS applied;

-- REINDEX CONCURRENTLY puts another index in the key's place without a word
REINDEX TABLE CONCURRENTLY public.num;
INSERT INTO public.num VALUES (2, 'two');
UPDATE public.num SET v = 'uno' WHERE n = 1;
SELECT dbsync.run_once('keys') > 0 AS applied;

SELECT count(*), sum(u), md5(string_agg(id || ':' || u, ',' ORDER BY id)) FROM public.swap;
SELECT * FROM public.defer ORDER BY id;
SELECT * FROM public.ident ORDER BY id;
SELECT * FROM public.num ORDER BY n;
\c :target
SELECT count(*), sum(u), md5(string_agg(id || ':' || u, ',' ORDER BY id)) FROM public.swap;
SELECT * FROM public.defer ORDER BY id;
SELECT * FROM public.ident ORDER BY id;
SELECT * FROM public.num ORDER BY n;
\c :source
SELECT dbsync.drop_subscription('keys');
SELECT dbsync.drop_target('key_target');
DROP TABLE public.swap, public.defer, public.ident, public.num;
DROP DATABASE :target;

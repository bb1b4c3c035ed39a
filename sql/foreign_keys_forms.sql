-- Foreign keys that the target checks: a value stays in its row and takes another form, which is equal.  What the target does
-- ON UPDATE then is done to nothing that leads to it, also where all comes in one statement.
\set QUIET on
\i sql/include/foreign_keys.psql
\set ddl 'CREATE TABLE public.nums (id int PRIMARY KEY, code numeric UNIQUE, above numeric REFERENCES public.nums (code) ON UPDATE SET NULL, note text); CREATE TABLE public.defaults (id int PRIMARY KEY, code numeric UNIQUE, above numeric DEFAULT 2 REFERENCES public.defaults (code) ON UPDATE SET DEFAULT, note text); CREATE TABLE public.strict (id int PRIMARY KEY, code numeric UNIQUE, above numeric REFERENCES public.strict (code) ON UPDATE RESTRICT, note text); CREATE TABLE public.keys (id numeric PRIMARY KEY, above numeric REFERENCES public.keys ON UPDATE SET NULL, note text); CREATE TABLE public.follows (id int PRIMARY KEY, code numeric UNIQUE, above numeric REFERENCES public.follows (code) ON UPDATE CASCADE, below numeric NOT NULL REFERENCES public.follows (code) ON UPDATE CASCADE); CREATE TABLE public.parts (code numeric REFERENCES public.follows (code) ON UPDATE CASCADE, n int, PRIMARY KEY (code, n)); CREATE TABLE public.narrow (id int PRIMARY KEY, above numeric REFERENCES public.keys ON UPDATE RESTRICT)'
:ddl;
\c :target regress_dbsync_keys
:ddl;
\c :source :me
INSERT INTO nums VALUES (1, 1.0, NULL), (2, 2, 1.0);
INSERT INTO defaults VALUES (1, 1.0, NULL), (2, 2, 1.0);
INSERT INTO strict VALUES (1, 1.0, NULL), (2, 2, 1.0);
INSERT INTO keys VALUES (1.0, NULL), (2, 1.0);
INSERT INTO narrow VALUES (1, 1.0);
INSERT INTO follows VALUES (1, 1.0, NULL, 1.0), (2, 2, 1.0, 1.0), (3, 3, 1.0, 1.0);
INSERT INTO parts VALUES (1.0, 1), (2, 1);
SELECT dbsync.create_target('keys_target', :'uri');
SELECT dbsync.create_subscription('keys', 'keys_target', '{nums,defaults,strict,keys,narrow,follows,parts}');
\set subscription keys
\i sql/include/same_tree.psql
-- the source does it, and what leads to the value is led there again
BEGIN;
UPDATE nums SET code = 1.00 WHERE id = 1;
UPDATE nums SET above = 1.0, note = 'again' WHERE id = 2;
COMMIT;
BEGIN;
UPDATE defaults SET code = 1.00 WHERE id = 1;
UPDATE defaults SET above = 1.0, note = 'again' WHERE id = 2;
COMMIT;
\i sql/include/same_tree.psql
BEGIN;
UPDATE strict SET above = NULL WHERE id = 2;
UPDATE strict SET code = 1.00 WHERE id = 1;
UPDATE strict SET above = 1.0, note = 'again' WHERE id = 2;
COMMIT;
\i sql/include/same_tree.psql
-- CASCADE has given it the new form, and somebody another one
BEGIN;
UPDATE follows SET code = 1.00 WHERE id = 1;
UPDATE follows SET above = 1.000, below = 1.0000 WHERE id = 2;
INSERT INTO parts VALUES (1.00, 2), (1.00, 3);
COMMIT;
\i sql/include/same_tree.psql
BEGIN;
UPDATE follows SET id = 11, code = 1.000 WHERE id = 1;
UPDATE follows SET below = 1, above = 2.0 WHERE id = 3;
UPDATE follows SET code = 2.0 WHERE id = 2;
COMMIT;
\i sql/include/same_tree.psql
SELECT * FROM follows ORDER BY id;
-- the key itself
BEGIN;
UPDATE narrow SET above = NULL;
UPDATE keys SET id = 1.00 WHERE id = 1;
UPDATE keys SET above = 1.0, note = 'again' WHERE id = 2;
UPDATE narrow SET above = 1.0;
COMMIT;
\i sql/include/same_tree.psql
SELECT * FROM keys ORDER BY id;
-- and with rows that come and go, and values that move
BEGIN;
UPDATE nums SET code = 1.000 WHERE id = 1;
UPDATE nums SET above = 1.0 WHERE id = 2;
INSERT INTO nums VALUES (3, 3, 1.00), (4, 4, 3);
DELETE FROM keys WHERE id = 2;
INSERT INTO keys VALUES (3, 1.000), (2.00, 3);
COMMIT;
\i sql/include/same_tree.psql
BEGIN;
UPDATE nums SET code = 3.0 WHERE id = 3;
UPDATE nums SET code = 5, above = 3 WHERE id = 4;
UPDATE nums SET id = 33 WHERE id = 3;
COMMIT;
\i sql/include/same_tree.psql
-- where nothing at all changes but the form
UPDATE strict SET code = 2.0 WHERE id = 2;
UPDATE nums SET code = 3.00 WHERE id = 3;
\i sql/include/same_tree.psql

SELECT dbsync.drop_subscription('keys');
SELECT dbsync.drop_target('keys_target');
DROP TABLE nums, defaults, strict, narrow, keys, parts, follows;
DROP DATABASE :target;
DROP ROLE regress_dbsync_keys;

-- Rows and changes of their table in one transaction, where somebody else alters the target: he
-- does so before the transaction as a whole, and rows from before the change go where their
-- columns are by then.
\set QUIET on
\i sql/include/target.psql
\set subscription ddl
\set tab public.changing

CREATE TABLE public.changing (id int PRIMARY KEY, a int, b int, name varchar(10), gone int, flag boolean);
\c :target
CREATE TABLE public.changing (flag boolean, id int PRIMARY KEY, a int, b int, name varchar(10), gone int);
\c :source
SELECT dbsync.create_target('ddl_target', :'uri');
SELECT dbsync.create_subscription('ddl', 'ddl_target', tables => ARRAY['public.changing']);
INSERT INTO public.changing SELECT i, i, 100 * i, 'n' || i, i, true FROM generate_series(1, 5) i;
SELECT dbsync.run_once('ddl');

-- names that change places between rows
BEGIN;
UPDATE public.changing SET a = 11 WHERE id = 1;
INSERT INTO public.changing VALUES (6, 6, 600, 'n6', 6, false);
ALTER TABLE public.changing RENAME a TO z;
ALTER TABLE public.changing RENAME b TO a;
ALTER TABLE public.changing RENAME z TO b;
UPDATE public.changing SET a = 2222 WHERE id = 2;
COMMIT;
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\c :target
:next_action
\c :source
SELECT dbsync.resume_table('ddl', 'public.changing', done => true);
\i sql/include/same_table.psql

-- twice, with rows between: what is said to be done is both
BEGIN;
UPDATE public.changing SET a = 1 WHERE id = 1;
ALTER TABLE public.changing RENAME a TO z;
ALTER TABLE public.changing RENAME b TO a;
ALTER TABLE public.changing RENAME z TO b;
UPDATE public.changing SET a = 2 WHERE id = 1;
ALTER TABLE public.changing RENAME a TO z;
ALTER TABLE public.changing RENAME gone TO a;
ALTER TABLE public.changing RENAME z TO gone;
UPDATE public.changing SET a = 3 WHERE id = 2;
COMMIT;
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
\c :source
SELECT dbsync.resume_table('ddl', 'public.changing', done => true);
\i sql/include/same_table.psql

-- a name that is given up, a wider type, a column that is dropped behind its last rows
BEGIN;
UPDATE public.changing SET name = 'before', gone = 5 WHERE id = 1;
INSERT INTO public.changing (id, gone) VALUES (7, 70);
ALTER TABLE public.changing RENAME name TO label;
ALTER TABLE public.changing ALTER label TYPE text, ALTER a TYPE bigint;
UPDATE public.changing SET label = 'longer than it could be', a = 5000000000 WHERE id = 2;
DELETE FROM public.changing WHERE id = 3;
ALTER TABLE public.changing DROP gone;
UPDATE public.changing SET label = 'behind' WHERE id = 4;
COMMIT;
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
ALTER TABLE public.changing DROP gone;
\c :source
SELECT dbsync.resume_table('ddl', 'public.changing');
\i sql/include/same_table.psql

-- columns that come between rows: those of before get what they have at the source, whatever the
-- target's default is
\c :target
ALTER TABLE public.changing ADD added int DEFAULT 9, ADD more int;
UPDATE public.changing SET added = 5;
\c :source
BEGIN;
INSERT INTO public.changing (id, label) VALUES (8, 'before');
ALTER TABLE public.changing ADD added int DEFAULT 5;
INSERT INTO public.changing (id, label, added) VALUES (9, 'between', 1);
ALTER TABLE public.changing ADD late int;
ALTER TABLE public.changing RENAME late TO more;
UPDATE public.changing SET more = 3 WHERE id = 8;
COMMIT;
SELECT dbsync.run_once('ddl');
\c :target
ALTER TABLE public.changing ALTER added SET DEFAULT 5;
\c :source
\i sql/include/same_table.psql

-- a type whose text says something else in the new one: copied anew, with all of it
BEGIN;
UPDATE public.changing SET flag = false WHERE id = 1;
INSERT INTO public.changing (id, flag) VALUES (10, true);
ALTER TABLE public.changing ALTER flag TYPE text;
UPDATE public.changing SET flag = 'maybe' WHERE id = 2;
COMMIT;
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
\c :source
SELECT dbsync.resume_table('ddl', 'public.changing');
\i sql/include/same_table.psql
SELECT note FROM dbsync.table_status;

-- values that could not be written any more, before a change that copies the table
\c :target
UPDATE public.changing SET label = '' WHERE label IS NULL;
ALTER TABLE public.changing ALTER label SET NOT NULL;
\c :source
BEGIN;
UPDATE public.changing SET label = 'no number' WHERE id = 1 OR label IS NULL;
UPDATE public.changing SET label = id::text;
ALTER TABLE public.changing ALTER label TYPE int USING label::int + 1, ALTER label SET NOT NULL;
INSERT INTO public.changing (id, label) VALUES (11, 11);
COMMIT;
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
\c :source
SELECT dbsync.resume_table('ddl', 'public.changing');
\i sql/include/same_table.psql

-- a name that is given up and taken again, by a column that was filled before; what the target
-- has under the name could stay, and must not
BEGIN;
ALTER TABLE public.changing ADD b_new numeric;
UPDATE public.changing SET b_new = b + 0.5;
ALTER TABLE public.changing DROP b;
ALTER TABLE public.changing RENAME b_new TO b;
UPDATE public.changing SET b = b + 1 WHERE id < 3;
COMMIT;
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
\c :source
SELECT dbsync.resume_table('ddl', 'public.changing', done => true);
\i sql/include/same_table.psql

-- the same in transactions of their own: what could stay is in the way
\c :target
ALTER TABLE public.changing ADD spare int;
\c :source
ALTER TABLE public.changing ADD spare int;
UPDATE public.changing SET spare = id;
ALTER TABLE public.changing DROP b;
SELECT dbsync.run_once('ddl');
ALTER TABLE public.changing RENAME spare TO b;
UPDATE public.changing SET b = b + 1 WHERE id < 3;
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
ALTER TABLE public.changing DROP dbsync_aside_1;
\c :source
SELECT dbsync.resume_table('ddl', 'public.changing');
\i sql/include/same_table.psql

-- another key, and the old one's column goes
BEGIN;
UPDATE public.changing SET b = 1000 WHERE id = 1;
ALTER TABLE public.changing ADD num bigint;
UPDATE public.changing SET num = 1000 + id;
ALTER TABLE public.changing DROP CONSTRAINT changing_pkey, ADD PRIMARY KEY (num);
UPDATE public.changing SET num = 1 WHERE num = 1001;
ALTER TABLE public.changing DROP id;
DELETE FROM public.changing WHERE num = 1002;
COMMIT;
SELECT dbsync.run_once('ddl');
SELECT next_action FROM dbsync.table_status WHERE state = 'held' \gset
\echo :next_action
\c :target
:next_action
\c :source
SELECT dbsync.resume_table('ddl', 'public.changing');
SELECT dbsync.run_once('ddl');
\c :target
ALTER TABLE public.changing ALTER num SET NOT NULL;
\c :source
\i sql/include/same_table.psql
SELECT dbsync.drop_subscription('ddl');
SELECT dbsync.drop_target('ddl_target');
DROP TABLE public.changing;

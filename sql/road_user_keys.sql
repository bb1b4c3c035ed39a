-- Keys that somebody names, over indexes that need not be unique; and targets without a unique index.
\set QUIET on
\i sql/include/target.psql
\set SHOW_CONTEXT never
CREATE TABLE public.entry (a int NOT NULL, b text NOT NULL, v text, large text, n int);
CREATE INDEX entry_key ON public.entry (b, a, v);
CREATE TABLE public.plain_there (id int PRIMARY KEY, u int, large text);
CREATE TABLE public.bad (id int NOT NULL, maybe int, twice int GENERATED ALWAYS AS (id * 2) STORED, t text COLLATE "C" NOT NULL, u text NOT NULL, i int NOT NULL);
CREATE INDEX bad_expression ON public.bad ((id + 1), id);
CREATE INDEX bad_partial ON public.bad (id) WHERE id > 5;
CREATE INDEX bad_second ON public.bad (i, id);
CREATE INDEX bad_hash ON public.bad USING hash (id);
CREATE INDEX bad_collation ON public.bad (t COLLATE "POSIX");
CREATE INDEX bad_class ON public.bad (u text_pattern_ops);
INSERT INTO public.entry SELECT i / 10, 'b' || i % 10, 'v', repeat('x', 3000 + i), i FROM generate_series(0, 299) i;
INSERT INTO public.plain_there SELECT i, i, repeat('y', 3000) FROM generate_series(1, 30) i;
\c :target
CREATE TABLE public.entry (a int NOT NULL, b text NOT NULL, v text, large text, n int);
CREATE TABLE public.plain_there (id int, u int UNIQUE, large text);
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.create_target('user_keys', :'uri');
SELECT dbsync.create_subscription('keys', 'user_keys', tables => '{public.plain_there}');

-- what cannot be a key
SELECT dbsync.add_table('keys', 'public.bad', key => '{maybe}');
SELECT dbsync.add_table('keys', 'public.bad', key => '{twice}');
SELECT dbsync.add_table('keys', 'public.bad', key => '{id}');
SELECT dbsync.add_table('keys', 'public.bad', key => '{i,t}');
SELECT dbsync.add_table('keys', 'public.bad', key => '{t}');
SELECT dbsync.add_table('keys', 'public.bad', key => '{u}');
SELECT dbsync.add_table('keys', 'public.bad', key => '{gone}');
SELECT dbsync.add_table('keys', 'public.bad', key => '{ctid}');
SELECT dbsync.add_table('keys', 'public.bad', key => '{}');
SELECT dbsync.add_table('keys', 'public.bad', key => '{i,i}');
SELECT dbsync.add_table('keys', 'public.bad', key => '{NULL}');
-- any order, and no more of the index than is asked for
BEGIN;
SELECT dbsync.add_table('keys', 'public.bad', key => '{id,i}');
SELECT dbsync.remove_table('keys', 'public.bad');
SELECT dbsync.add_table('keys', 'public.bad', key => '{i}');
-- another subscription has the same key, or none of its own
SELECT dbsync.create_subscription('second', 'user_keys');
SELECT dbsync.add_table('second', 'public.bad', 'elsewhere.bad', key => '{i,id}');
ROLLBACK;
SELECT dbsync.add_table('keys', 'public.entry', key => '{a,b}');
SELECT dbsync.create_subscription('other', 'user_keys');
SELECT dbsync.add_table('other', 'public.entry', 'elsewhere.entry', key => '{a}');
SELECT dbsync.add_table('other', 'public.plain_there', 'elsewhere.there', key => '{u}');
SELECT dbsync.add_table('other', 'public.entry', 'elsewhere.entry', key => '{b,a}');
SELECT dbsync.remove_table('other', 'public.entry');
SELECT dbsync.add_table('other', 'public.entry', 'elsewhere.entry');
SELECT dbsync.drop_subscription('other');

-- the target needs an index, be it a plain one
SELECT dbsync.run_once('keys');
\c :target
CREATE INDEX ON public.entry (n, a, b);
CREATE INDEX ON public.entry ((a + 1), b, a);
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.run_once('keys');
\c :target
CREATE INDEX ON public.entry (a, b, n);
CREATE INDEX ON public.plain_there (id);
\c :source
\set SHOW_CONTEXT never
ALTER DATABASE :"source" SET dbsync.copy_chunk_rows = 64;
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.run_once('keys');
\set subscription keys
\set tab public.entry
\i sql/include/same_table.psql
SELECT c.key_index::regclass, c.named_key, c.key_columns FROM dbsync.captured_table c ORDER BY c.id;

-- small and large batches, keys that change, large values that stay as they are
UPDATE public.entry SET n = n + 1 WHERE a = 3;
UPDATE public.entry SET a = 100 + n WHERE a = 4;
DELETE FROM public.entry WHERE a = 5;
INSERT INTO public.entry VALUES (5, 'b5', 'new', 'small', 1);
UPDATE public.plain_there SET u = -id WHERE id < 5;
UPDATE public.plain_there SET u = 100 + id, large = 'small' WHERE id = 7;
DELETE FROM public.plain_there WHERE id = 9;
\i sql/include/same_table.psql
\set tab public.plain_there
\i sql/include/same_table.psql
-- a unique value that rows swap
BEGIN;
UPDATE public.plain_there SET u = 0 WHERE id = 1;
UPDATE public.plain_there SET u = -1 WHERE id = 2;
UPDATE public.plain_there SET u = -2 WHERE id = 1;
COMMIT;
\i sql/include/same_table.psql
\set tab public.entry
INSERT INTO public.entry SELECT i, 'many', 'v', NULL, i FROM generate_series(1, 3000) i;
\i sql/include/same_table.psql
UPDATE public.entry SET v = v || '!', n = n + 1;
DELETE FROM public.entry WHERE a % 7 = 0;
\i sql/include/same_table.psql
SELECT op, key, "row" ->> 'v' AS v FROM dbsync.changes('public.entry') WHERE op = 'D' ORDER BY no DESC LIMIT 1;

-- keys that are looked up again at commit, in an index that is not unique: two rows have one key
CREATE FUNCTION public.nest() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        UPDATE public.entry SET n = n + 1000 WHERE (a, b) = (new.a, new.b);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER nest AFTER INSERT OR UPDATE ON public.entry FOR EACH ROW EXECUTE FUNCTION public.nest();
WITH x AS (INSERT INTO public.entry VALUES (8000, 'once', 'v', NULL, 1) RETURNING 1) SELECT count(*) FROM x;
WITH x AS (UPDATE public.entry SET v = 'nested' WHERE a = 8000 RETURNING 1) SELECT count(*) FROM x;
\i sql/include/same_table.psql
INSERT INTO public.entry VALUES (8001, 'twice', 'v', NULL, 1), (8001, 'twice', 'v', NULL, 2);
WITH x AS (UPDATE public.entry SET v = 'nested' WHERE a = 8001 RETURNING 1) SELECT count(*) FROM x;
SELECT dbsync.run_once('keys') > 0 AS sent;
DELETE FROM public.entry WHERE a = 8001;
DROP TRIGGER nest ON public.entry;
\i sql/include/same_table.psql

-- beside rows that are there
SELECT dbsync.copy_table('keys', 'public.entry', existing_rows => 'keep');
\i sql/include/same_table.psql

-- DDL: a key that was named stays
ALTER TABLE public.entry RENAME a TO first;
SELECT named_key FROM dbsync.captured_table WHERE relid = 'public.entry'::regclass;
DROP INDEX public.entry_key;
ALTER TABLE public.entry ALTER first DROP NOT NULL;
ALTER TABLE public.entry DROP first;
ALTER TABLE public.entry ADD UNIQUE (n, first, b, v);
CREATE UNIQUE INDEX entry_better ON public.entry (first, b);
DROP INDEX public.entry_key;
SELECT c.key_index::regclass, c.named_key, c.key_columns FROM dbsync.captured_table c WHERE relid = 'public.entry'::regclass;
REINDEX TABLE CONCURRENTLY public.entry;
UPDATE public.entry SET v = 'behind' WHERE first < 4;
SELECT dbsync.alter_subscription('keys', ddl => 'apply');
\i sql/include/same_table.psql
SELECT count(*), count(*) FILTER (WHERE v = 'behind') FROM public.entry;
-- once nobody has the table, another key may be named
SELECT dbsync.remove_table('keys', 'public.entry');
SELECT dbsync.add_table('keys', 'public.entry');
SELECT named_key FROM dbsync.captured_table WHERE relid = 'public.entry'::regclass;
SELECT dbsync.drop_subscription('keys');
SELECT dbsync.drop_target('user_keys');
DROP TABLE public.entry, public.plain_there, public.bad;
DROP FUNCTION public.nest();
ALTER DATABASE :"source" RESET dbsync.copy_chunk_rows;
DROP DATABASE :target;

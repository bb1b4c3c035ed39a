-- What capture makes of plain inheritance: each row once, as its own table has it, by the row
-- trigger; doubts are settled at commit, and a table without a key has none.
\set QUIET on
\set ECHO none
\i sql/include/capture.sql
\set ECHO all
CREATE TABLE public.a (id int PRIMARY KEY, v text);
CREATE TABLE public.b (own int, v text, id int NOT NULL, PRIMARY KEY (id)) ;
ALTER TABLE public.b INHERIT public.a;
CREATE TABLE public.c (more int) INHERITS (public.b);
SELECT capture_test.begin('a');
SELECT capture_test.begin('b');
SELECT capture_test.begin('c');
INSERT INTO a VALUES (1, 'a');
INSERT INTO b (id, v, own) VALUES (1, 'b', 7);
INSERT INTO c (id, v, more) VALUES (1, 'c', 8), (1, 'c', 8);
UPDATE a SET v = v || '!';
UPDATE a SET v = v;
UPDATE b SET id = 2;
UPDATE ONLY a SET v = 'only';
BEGIN;
UPDATE a SET v = 'once';
UPDATE a SET v = 'twice';
COMMIT;
BEGIN;
SAVEPOINT s;
UPDATE a SET v = 'taken back';
ROLLBACK TO s;
DELETE FROM a WHERE id = 1;
COMMIT;
DELETE FROM b WHERE id = 2;
BEGIN;
INSERT INTO a VALUES (3, 'before');
INSERT INTO c (id) VALUES (3);
TRUNCATE a;
INSERT INTO a VALUES (3, 'behind');
INSERT INTO c (id) VALUES (3), (3);
COMMIT;
TRUNCATE ONLY a;
SELECT * FROM capture_test.log('a');
SELECT * FROM capture_test.log('b');
SELECT * FROM capture_test.log('c');
SELECT capture_test.verdict('a');
SELECT capture_test.verdict('b');
SELECT capture_test.verdict('c');
-- of large values that stay as they are nothing is captured
INSERT INTO b (id, v) VALUES (1, repeat('large', 1000));
UPDATE a SET id = id WHERE id = 1;
UPDATE b SET own = 1 WHERE id = 1;
SELECT capture_test.verdict('b');
-- while triggers are changed, no row is captured twice, or by none
CREATE FUNCTION public.meanwhile() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() d WHERE d.object_type = 'table' AND d.object_identity = 'public.a') THEN
        INSERT INTO public.a SELECT coalesce(max(id), 0) + 1, 'meanwhile' FROM ONLY public.a;
        UPDATE ONLY public.a SET v = v || '.' WHERE id % 2 = 0;
    END IF; END $$;
CREATE EVENT TRIGGER meanwhile ON ddl_command_end EXECUTE FUNCTION public.meanwhile();
ALTER TABLE public.b NO INHERIT public.a;
ALTER TABLE public.b INHERIT public.a;
SELECT count(*) > 0 AS written FROM ONLY a;
SELECT capture_test.verdict('a');
SELECT capture_test.verdict('b');
DROP EVENT TRIGGER meanwhile;
DROP FUNCTION public.meanwhile();
SELECT capture_test.end('a');
SELECT capture_test.end('b');
SELECT capture_test.end('c');
DROP TABLE public.a, public.b, public.c;

-- What PostgreSQL 19 brings: ON CONFLICT DO SELECT returns rows that it found and did not write, which are no
-- changes.  Older majors have none of it.
\set ECHO none
\i sql/include/capture.sql
SELECT current_setting('server_version_num')::int < 190000 AS older \gset
\if :older
\quit
\endif
\pset format unaligned
\pset tuples_only on
SET dbsync.direct_capture = on;
\set ECHO all

CREATE TABLE s (id int PRIMARY KEY, a int, x text DEFAULT 'x');
SELECT capture_test.begin('s');
INSERT INTO s VALUES (1, 1), (2, 2);
-- none, one, and some of the rows are new
INSERT INTO s VALUES (1, 10) ON CONFLICT (id) DO SELECT RETURNING *;
INSERT INTO s VALUES (3, 3) ON CONFLICT (id) DO SELECT RETURNING *;
INSERT INTO s VALUES (2, 20), (4, 4), (1, 10) ON CONFLICT (id) DO SELECT RETURNING *, old, new;
INSERT INTO s VALUES (1, 10), (2, 20), (5, 5) ON CONFLICT (id) DO SELECT WHERE s.a > 1 RETURNING *;
INSERT INTO s VALUES (1, 10), (6, 6) ON CONFLICT (id) DO SELECT FOR UPDATE RETURNING id, a;
-- in a CTE, in a function, by a plan that is kept
WITH found AS (INSERT INTO s VALUES (1, 10), (7, 7) ON CONFLICT (id) DO SELECT RETURNING id, a)
SELECT * FROM found ORDER BY id;
CREATE FUNCTION find_or_make(i int) RETURNS int LANGUAGE sql AS $$
    INSERT INTO s VALUES (i, i * 100) ON CONFLICT (id) DO SELECT RETURNING a $$;
SELECT find_or_make(1), find_or_make(8), find_or_make(8);
PREPARE again(int) AS INSERT INTO s VALUES ($1, 0) ON CONFLICT (id) DO SELECT RETURNING id, a;
EXECUTE again(1);
EXECUTE again(9);
EXECUTE again(9);
-- a trigger that changes what comes, and a view
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.x := NEW.x || '!'; RETURN NEW; END $$;
CREATE TRIGGER shout BEFORE INSERT OR UPDATE ON s FOR EACH ROW EXECUTE FUNCTION shout();
INSERT INTO s VALUES (1, 10), (10, 10) ON CONFLICT (id) DO SELECT RETURNING *;
CREATE VIEW sv AS SELECT id, a AS aa FROM s WHERE a < 500 WITH CHECK OPTION;
INSERT INTO sv VALUES (1, 10), (11, 11) ON CONFLICT (id) DO SELECT RETURNING *;
-- what is done to such a row by others is captured as ever
INSERT INTO s VALUES (1, 10) ON CONFLICT (id) DO UPDATE SET a = excluded.a RETURNING *;
INSERT INTO s VALUES (1, 11) ON CONFLICT (id) DO NOTHING RETURNING *;
SELECT op, data FROM capture_test.log('s');
SELECT capture_test.verdict('s');
-- by the triggers
SET dbsync.direct_capture = off;
INSERT INTO s VALUES (1, 10), (12, 12) ON CONFLICT (id) DO SELECT RETURNING *;
SELECT capture_test.verdict('s');
SELECT capture_test.end('s');

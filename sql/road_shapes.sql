-- What the worker knows of a table is what it looked like when its rows were captured, and
-- never what it looks like now.  Event triggers are off here: nobody is told of the changes.
\set QUIET on
\i sql/include/target.psql

CREATE DOMAIN public.short AS varchar(20);
CREATE TABLE public.shapes (id int, gone int, part text COLLATE "C", v public.short, twice int GENERATED ALWAYS AS (id * 2) STORED,
    PRIMARY KEY (part, id));
ALTER TABLE public.shapes DROP COLUMN gone;
\c :target
CREATE TABLE public.shapes (v text, part text, id int, PRIMARY KEY (id, part));
\c :source
SELECT dbsync.create_target('shapes_target', :'uri');
SELECT dbsync.create_subscription('shapes', 'shapes_target', tables => ARRAY['public.shapes']);
INSERT INTO public.shapes (part, id, v) SELECT 'p' || i % 3, i, 'copied' FROM generate_series(1, 6) i;
SELECT dbsync.run_once('shapes');

SELECT id AS captured FROM dbsync.captured_table WHERE relid = 'public.shapes'::regclass \gset
-- as it is written down: numbers of columns, the types below domains, the key in its order
SELECT s.captured, s.key, c.num, c.name, c.type::regtype, c.typmod, c."collation"::regcollation, c.generated
FROM dbsync.shape s, dbsync_internal.shape_columns(s.columns) c WHERE s.captured_id = :captured ORDER BY c.num;
SELECT count(*) = count(s.shape_id) AS named, count(DISTINCT s.shape_id) FROM dbsync.segment s WHERE s.captured_id = :captured;

-- Rows wait; then columns get other names, and none of what is there now is asked
UPDATE public.shapes SET v = 'changed' WHERE id < 4;
DELETE FROM public.shapes WHERE id = 5;
INSERT INTO public.shapes (part, id, v) SELECT 'q', i, 'new' FROM generate_series(10, 12) i;
ALTER EVENT TRIGGER dbsync_guard_command DISABLE;
ALTER TABLE public.shapes RENAME COLUMN v TO w;
ALTER TABLE public.shapes RENAME COLUMN part TO v;
ALTER TABLE public.shapes RENAME COLUMN w TO part;
SELECT dbsync.run_once('shapes');
SELECT id, v AS part, part AS v FROM public.shapes ORDER BY id;
\c :target
SELECT id, part, v FROM public.shapes ORDER BY id;
\c :source

-- Put right, it is copied anew; the shape is the one that it was
ALTER TABLE public.shapes RENAME COLUMN part TO w;
ALTER TABLE public.shapes RENAME COLUMN v TO part;
ALTER TABLE public.shapes RENAME COLUMN w TO v;
ALTER EVENT TRIGGER dbsync_guard_command ENABLE ALWAYS;
SELECT max(id) AS before FROM dbsync.shape WHERE captured_id = :captured \gset
SELECT dbsync.suspend_table('public.shapes');
SELECT dbsync.copy_table('shapes', 'public.shapes', existing_rows => 'truncate');
SELECT dbsync.run_once('shapes') > 0 AS copied;
SELECT max(id) = :before AS same FROM dbsync.shape WHERE captured_id = :captured;

-- Altered while it is suspended, it has another, and no segment of the old one is left
SELECT dbsync.suspend_table('public.shapes');
ALTER TABLE public.shapes ADD COLUMN more int DEFAULT 7;
\c :target
ALTER TABLE public.shapes ADD COLUMN more int;
\c :source
SELECT dbsync.copy_table('shapes', 'public.shapes', existing_rows => 'truncate');
SELECT dbsync.run_once('shapes') > 0 AS copied;
SELECT count(*), max(id) > :before AS another FROM dbsync.shape WHERE captured_id = :captured;
SELECT count(*) AS others FROM dbsync.segment s
WHERE s.captured_id = :captured AND s.shape_id IS DISTINCT FROM (SELECT max(id) FROM dbsync.shape WHERE captured_id = :captured);
UPDATE public.shapes SET more = id WHERE id > 10;
SELECT dbsync.run_once('shapes');
TABLE public.shapes ORDER BY id;
\c :target
SELECT id, part, v, more FROM public.shapes ORDER BY id;
\c :source

SELECT dbsync.drop_subscription('shapes');
SELECT count(*) AS shapes FROM dbsync.shape WHERE captured_id = :captured;
SELECT dbsync.drop_target('shapes_target');
DROP TABLE public.shapes;
DROP DOMAIN public.short;
DROP DATABASE :target;

-- DDL that reaches a captured table by way of its types: typed tables, and what goes with
-- CASCADE, of which only the drop itself tells.  Hazard 4.
\set SHOW_CONTEXT never
CREATE SCHEMA types;
CREATE SCHEMA parts;
SET search_path = types, public;
\i sql/include/follow.psql
CREATE TYPE form AS (id int, v text);
CREATE TABLE typed OF form (PRIMARY KEY (id));
CREATE TYPE parts.mood AS ENUM ('good', 'bad');
CREATE DOMAIN parts.positive AS int DEFAULT 1 CHECK (value > 0);
CREATE FUNCTION parts.one() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE t (id int PRIMARY KEY, m parts.mood, d parts.positive, n int DEFAULT parts.one());
CREATE TABLE fresh (id int PRIMARY KEY, m parts.mood, ms parts.mood[]);
CREATE TABLE waiting (id int PRIMARY KEY, m parts.mood);
SELECT dbsync.create_target('types', 'postgresql://sync@host.invalid/db');
SELECT dbsync.create_subscription('types', 'types', ARRAY['typed', 't', 'fresh', 'waiting']);
SELECT dbsync_internal.install_capture(id) FROM dbsync.captured_table ORDER BY id;

INSERT INTO typed VALUES (1, 'one');
ALTER TYPE form ADD ATTRIBUTE w text CASCADE;
INSERT INTO typed VALUES (2, 'two', 'w');
ALTER TYPE form RENAME ATTRIBUTE v TO x CASCADE;
ALTER TYPE form ALTER ATTRIBUTE x TYPE varchar(20) CASCADE, DROP ATTRIBUTE w CASCADE;
INSERT INTO typed VALUES (3, 'three');
ALTER TABLE typed NOT OF;
ALTER TABLE typed OF form;
SELECT * FROM captured_log('typed');
SELECT * FROM shapes('typed');

-- a domain leaves its base type behind in what is captured; a default goes with its function
INSERT INTO t VALUES (1, 'good', 5);
ALTER TABLE t ADD e parts.positive;
SET client_min_messages = warning;
DROP DOMAIN parts.positive CASCADE;
INSERT INTO t VALUES (2, 'bad');
DROP FUNCTION parts.one() CASCADE;
RESET client_min_messages;
SELECT * FROM captured_log('t');
SELECT * FROM shapes('t');

-- rows that are still to be sent need the type: in segments, in headers, in this very transaction
SET client_min_messages = warning;
DROP TYPE parts.mood CASCADE;
DROP SCHEMA parts CASCADE;
ALTER TABLE t DROP m;
SELECT dbsync.remove_table('types', 't');
BEGIN;
INSERT INTO waiting VALUES (1, 'good');
DROP TYPE parts.mood CASCADE;
ROLLBACK;
INSERT INTO waiting SELECT i, 'good' FROM generate_series(2, 1000) i;
DROP TYPE parts.mood CASCADE;
SELECT dbsync.remove_table('types', 'waiting');
-- where there are none it goes
DROP SCHEMA parts CASCADE;
RESET client_min_messages;
INSERT INTO fresh VALUES (1);
SELECT * FROM captured_log('fresh');
SELECT * FROM shapes('fresh');
SELECT op, key, "row" FROM dbsync.changes('fresh');

-- extensions go with all their types, and bring DDL of their own
SELECT dbsync.drop_subscription('types');
SELECT dbsync.drop_target('types');
SET client_min_messages = warning;
DROP SCHEMA types CASCADE;

-- create_missing: tables that the target lacks are made there before their first copy, and their
-- other indexes behind it.
\set QUIET on
\i sql/include/target.psql
\set subscription making
\pset format unaligned
\set SHOW_CONTEXT never

CREATE SCHEMA making;
CREATE TABLE making.plain (
    id bigint GENERATED ALWAYS AS IDENTITY (INCREMENT BY 5 START WITH 100) PRIMARY KEY,
    name varchar(20) COLLATE "C" NOT NULL, price numeric(10,2) DEFAULT 0.5, at timestamptz NOT NULL DEFAULT now(),
    twice numeric GENERATED ALWAYS AS (price * 2) STORED, n serial, tags text[] DEFAULT '{a,b}', "odd ""name" int);
CREATE INDEX plain_name ON making.plain (name DESC NULLS LAST) INCLUDE (price);
CREATE UNIQUE INDEX plain_odd ON making.plain ("odd ""name") NULLS NOT DISTINCT WHERE price > 0;
CREATE INDEX plain_lower ON making.plain (lower(name) text_pattern_ops) WITH (fillfactor = 70);
CREATE INDEX plain_tags ON making.plain USING gin (tags);
CREATE INDEX plain_twice ON making.plain (twice);
ALTER TABLE making.plain ADD CONSTRAINT plain_n UNIQUE (n) DEFERRABLE;
INSERT INTO making.plain (name, "odd ""name") SELECT 'n' || i, i FROM generate_series(1, 20) i;

SELECT dbsync.create_target('making_target', :'uri');
SELECT dbsync.create_subscription('making', 'making_target', tables => ARRAY['making.plain'], create_missing => true);
-- before anything is captured, and without the target
SELECT * FROM dbsync.create_statements('making');

-- no schema there
\set VERBOSITY terse
SELECT dbsync.run_once('making');
\set VERBOSITY default
SELECT state, note FROM dbsync.table_status;
\c :target
CREATE SCHEMA making;
\c :source
SELECT dbsync.run_once('making');
SELECT state, progress, note FROM dbsync.table_status;
\set tab making.plain
\i sql/include/made.psql
INSERT INTO making.plain (name, "odd ""name") VALUES ('more', 21);
UPDATE making.plain SET price = 3 WHERE "odd ""name" = 2;
DELETE FROM making.plain WHERE "odd ""name" = 3;
SELECT dbsync.run_once('making');
-- the same again is no news; a table that is there is left as it is
SELECT dbsync.copy_table('making', 'making.plain', existing_rows => 'truncate');
CREATE INDEX plain_later ON making.plain (at);
SELECT dbsync.run_once('making');
SELECT state, note FROM dbsync.table_status;
\i sql/include/made.psql
-- what changes later is followed, as the table is ours there
SELECT dbsync.alter_subscription('making', ddl => 'apply');
ALTER TABLE making.plain ADD COLUMN added int DEFAULT 7;
ALTER TABLE making.plain RENAME name TO title;
SELECT dbsync.run_once('making');
\c :target
SELECT count(*), sum(added), min(title) FROM making.plain;
-- one that has gone is made anew, by what the source has now
DROP TABLE making.plain;
\c :source
SELECT dbsync.copy_table('making', 'making.plain');
SELECT dbsync.run_once('making');
SELECT state FROM dbsync.table_status;
\i sql/include/made.psql
SELECT dbsync.drop_subscription('making');
DROP TABLE making.plain;

-- no key; a unique index in its place, and one that somebody names, which need not be unique
CREATE TABLE making.keyless (a int NOT NULL DEFAULT 3, b text, c json);
CREATE INDEX keyless_b ON making.keyless (b);
CREATE TABLE making.by_unique (a int NOT NULL, b int NOT NULL, c text, d text, UNIQUE (b, a));
CREATE INDEX by_unique_hash ON making.by_unique USING hash (c);
CREATE INDEX by_unique_two ON making.by_unique (c) WHERE d IS NOT NULL;
CREATE TABLE making.named (a int NOT NULL, b int NOT NULL, c text);
CREATE INDEX named_first ON making.named (a, c);
CREATE TABLE making.named_so (a int NOT NULL, b int NOT NULL, c text);
CREATE INDEX named_so_first ON making.named_so (a, upper(c));
CREATE TABLE making.bare ();
CREATE TABLE making.parent (id int PRIMARY KEY, v text);
CREATE TABLE making.child (own int, PRIMARY KEY (id)) INHERITS (making.parent);
CREATE INDEX child_own ON making.child (own);
CREATE TABLE making.parted (id int, day int, v text COLLATE "C", PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE INDEX parted_v ON making.parted (v, day);
CREATE TABLE making.parted_1 PARTITION OF making.parted FOR VALUES FROM (0) TO (10);
CREATE TABLE making.parted_2 PARTITION OF making.parted DEFAULT;
SET client_min_messages = warning;
SELECT dbsync.create_subscription('making', 'making_target', tables => ARRAY['making.keyless', 'making.by_unique', 'making.parent', 'making.child', 'making.parted']);
-- somebody thinks of it later
SELECT dbsync.alter_subscription('making', create_missing => true);
SELECT dbsync.add_table('making', 'making.named', key => '{a}');
SELECT dbsync.add_table('making', 'making.named_so', key => '{a}');
RESET client_min_messages;
INSERT INTO making.keyless SELECT i % 3, 'b', '{"a": 1}' FROM generate_series(1, 9) i;
INSERT INTO making.by_unique SELECT i, -i, 'c' || i FROM generate_series(1, 9) i;
INSERT INTO making.named SELECT i, -i, 'c' || i FROM generate_series(1, 9) i;
INSERT INTO making.named_so SELECT i, -i, 'c' || i FROM generate_series(1, 9) i;
INSERT INTO making.parent SELECT i, i FROM generate_series(1, 5) i;
INSERT INTO making.child SELECT i, i, i FROM generate_series(6, 9) i;
INSERT INTO making.parted SELECT i, i, i FROM generate_series(1, 20) i;
-- (json is a word of SQL from 18 on)
SELECT source_table, replace(statement, 'pg_catalog.json', 'json') AS statement FROM dbsync.create_statements('making');
SELECT dbsync.run_once('making');
SELECT "table", state, note FROM dbsync.table_status ORDER BY "table"::text;
DELETE FROM making.keyless WHERE ctid = '(0,1)';
UPDATE making.named SET b = 0 WHERE a = 3;
UPDATE making.named_so SET b = 0 WHERE a = 3;
UPDATE making.parent SET v = v || '!' WHERE id IN (2, 8);
TRUNCATE making.parted_1;
\set tab making.keyless
\i sql/include/same_table.psql
\i sql/include/made.psql
\set tab making.by_unique
\i sql/include/same_table.psql
\i sql/include/made.psql
\set tab making.named
\i sql/include/same_table.psql
\i sql/include/made.psql
\set tab making.named_so
\i sql/include/same_table.psql
\i sql/include/made.psql
\set tab making.child
\i sql/include/same_table.psql
\i sql/include/made.psql
\set tab making.parted
\i sql/include/same_table.psql
\i sql/include/made.psql
SELECT dbsync.drop_subscription('making');
SELECT dbsync.drop_target('making_target');
SET client_min_messages = warning;
DROP SCHEMA making CASCADE;

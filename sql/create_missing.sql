-- create_missing: tables that the target lacks are made there before their first copy, and their
-- other indexes behind it.
\set QUIET on
\i sql/include/target.psql
\set subscription making
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
SELECT dbsync.run_once('making');
SELECT state, note FROM dbsync.table_status;
\c :target
CREATE SCHEMA making;
\c :source
SELECT dbsync.run_once('making');
SELECT state, progress, note FROM dbsync.table_status;
\set tab making.plain
\i sql/include/made.psql

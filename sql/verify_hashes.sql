-- Each kind of value is hashed in a way of its own, alike at both ends: what is the same is equal, and each change is found.
\set QUIET on
\i sql/include/target.psql

CREATE SCHEMA kinds;
CREATE TYPE kinds.mood AS ENUM ('glad', 'sad');
CREATE TYPE kinds.pair AS (a int, b text);
CREATE DOMAIN kinds.small AS int2 CHECK (VALUE < 30000);
CREATE DOMAIN kinds.yes AS boolean;
CREATE TABLE kinds.one (id bigint PRIMARY KEY, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, b boolean, t text, v varchar(20), c char(5), x "char",
    nm name, d date, ts timestamp, tz timestamptz, tt timetz, iv interval, u uuid, ip inet, net cidr, bits varbit, ba bytea, j json, jb jsonb, ia int[], ta text[],
    e kinds.mood, p kinds.pair, s kinds.small, y kinds.yes, r int4range, m money, o oid, xm xml, pt point, me macaddr);
CREATE TABLE kinds.three (a int2, b text, c uuid, v text, PRIMARY KEY (a, b, c));
CREATE TABLE kinds.flag (b boolean, c char(3), v text, PRIMARY KEY (b, c));
CREATE TABLE kinds.alone (id bigint PRIMARY KEY);
SELECT 'kinds.' || t AS created FROM unnest('{one,three,flag,alone}'::text[]) t;
\c :target
CREATE SCHEMA kinds;
CREATE TYPE kinds.mood AS ENUM ('glad', 'sad');
CREATE TYPE kinds.pair AS (a int, b text);
CREATE DOMAIN kinds.small AS int2 CHECK (VALUE < 30000);
CREATE DOMAIN kinds.yes AS boolean;
CREATE TABLE kinds.one (id bigint PRIMARY KEY, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, b boolean, t text, v varchar(20), c char(5), x "char",
    nm name, d date, ts timestamp, tz timestamptz, tt timetz, iv interval, u uuid, ip inet, net cidr, bits varbit, ba bytea, j json, jb jsonb, ia int[], ta text[],
    e kinds.mood, p kinds.pair, s kinds.small, y kinds.yes, r int4range, m money, o oid, xm xml, pt point, me macaddr);
CREATE TABLE kinds.three (a int2, b text, c uuid, v text, PRIMARY KEY (a, b, c));
CREATE TABLE kinds.flag (b boolean, c char(3), v text, PRIMARY KEY (b, c));
CREATE TABLE kinds.alone (id bigint PRIMARY KEY);
\c :source
INSERT INTO kinds.one SELECT i, i, -i, i * 4294967296, i / 3.0, i / 7.0, i / 100.0, i % 2 = 0, 'text, "' || i || '" \(', 'v' || i, 'c', 'x', 'n' || i,
    '2020-01-01'::date + i, '2020-01-01 12:00'::timestamp + i * interval '1 s', '2020-01-01 12:00+00'::timestamptz + i * interval '1 us', '12:00+02', i * interval '1 day',
    md5(i::text)::uuid, '10.0.0.1', '10.0.0.0/8', B'101', '\x00ff', '{"a": 1}', '{"a": 1}', ARRAY[i, NULL], ARRAY['a', NULL, 'NULL', ''], 'glad', ROW(NULL::int, NULL::text)::kinds.pair, i, true,
    int4range(i, i + 5), i::money, i + 10, '<a/>', point(i, 1), '08:00:2b:01:02:03'
FROM generate_series(-3, 40) i;
INSERT INTO kinds.one (id) VALUES (100), (9223372036854775807), (-9223372036854775808);
INSERT INTO kinds.three SELECT i, 'k' || i, md5(i::text)::uuid, 'v' FROM generate_series(1, 50) i;
INSERT INTO kinds.flag SELECT i % 2 = 0, i::text, 'v' FROM generate_series(1, 50) i;
INSERT INTO kinds.alone SELECT i FROM generate_series(1, 50) i;
SELECT dbsync.create_target('kinds_target', :'uri');
SELECT dbsync.create_subscription('kinds', 'kinds_target',
    tables => ARRAY['kinds.one', 'kinds.three', 'kinds.flag', 'kinds.alone']);
SELECT dbsync.run_once('kinds');
SELECT "table", verdict, rows_here, rows_there, note FROM dbsync.verify('kinds');

-- each column: another value, NULL in place of one, a value in place of NULL
\c :target
DO $$
DECLARE
    columns text[] := ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = 'kinds.one'::regclass AND a.attnum > 1 ORDER BY a.attnum);
BEGIN
    FOR i IN 1 .. cardinality(columns) LOOP
        EXECUTE format('UPDATE kinds.one SET %1$I = NULL WHERE id = %2$s', columns[i], i);
    END LOOP;
END $$;
\c :source
SELECT verdict, missing, extra, different FROM dbsync.verify('kinds', 'kinds.one', repair => true);
SELECT count(*), count(DISTINCT (SELECT string_agg(h.key, ' ') FROM jsonb_each_text(d.here) h WHERE h.value IS DISTINCT FROM d.there ->> h.key))
FROM dbsync.difference d WHERE d."table" = 'kinds.one';
SELECT verdict FROM dbsync.verify('kinds', 'kinds.one');
\c :target
UPDATE kinds.one SET i2 = i2 + 1 WHERE id = 1;
UPDATE kinds.one SET i4 = -i4 WHERE id = 2;
UPDATE kinds.one SET i8 = 3 WHERE id = 3;
UPDATE kinds.one SET f8 = f8 + 1e-15 WHERE id = 4;
UPDATE kinds.one SET n = 0.050 WHERE id = 5;
UPDATE kinds.one SET b = NOT b WHERE id = 6;
UPDATE kinds.one SET t = t || ' ' WHERE id = 7;
UPDATE kinds.one SET c = 'C' WHERE id = 8;
UPDATE kinds.one SET x = '' WHERE id = 9;
UPDATE kinds.one SET ip = '10.0.0.1/8' WHERE id = 10;
UPDATE kinds.one SET j = '{"a":1}' WHERE id = 11;
UPDATE kinds.one SET ta = ARRAY['a', NULL, NULL, ''] WHERE id = 12;
UPDATE kinds.one SET p = ROW(NULL, '') WHERE id = 13;
UPDATE kinds.one SET y = false WHERE id = 14;
UPDATE kinds.one SET t = v, v = t WHERE id = 15;
UPDATE kinds.one SET tz = tz + interval '1 us' WHERE id = 16;
UPDATE kinds.one SET t = '' WHERE id = 100;
UPDATE kinds.one SET p = ROW(NULL, NULL) WHERE id = 9223372036854775807;
UPDATE kinds.one SET i8 = 0 WHERE id = -9223372036854775808;
-- keys that only half of their bits tell apart, and values that have changed places
UPDATE kinds.one SET id = id + 4294967297 WHERE id = 20;
UPDATE kinds.alone SET id = id # 4294967297 WHERE id IN (2, 4, 6, 8);
UPDATE kinds.three SET b = 'k50', a = 51 WHERE a = 50;
UPDATE kinds.flag SET b = NOT b WHERE c IN ('1', '2');
UPDATE kinds.flag SET v = '' WHERE c = '3';
\c :source
SELECT "table", verdict, missing, extra, different FROM dbsync.verify('kinds');
SELECT key ->> 'id' AS id, kind, (SELECT string_agg(h.key, ' ' ORDER BY h.key) FROM jsonb_each_text(d.here) h WHERE h.value IS DISTINCT FROM d.there ->> h.key) AS columns
FROM dbsync.difference d WHERE d."table" = 'kinds.one' AND kind = 'different' ORDER BY (key ->> 'id')::bigint;
SELECT "table", verdict, missing, extra, different FROM dbsync.verify('kinds', repair => true);
SELECT "table", verdict, rows_here, rows_there FROM dbsync.verify('kinds');

-- a key that is null is none of the source's
\c :target
ALTER TABLE kinds.three DROP CONSTRAINT three_pkey, ALTER a DROP NOT NULL, ALTER c DROP NOT NULL, ADD UNIQUE (a, b, c);
ALTER TABLE kinds.alone DROP CONSTRAINT alone_pkey, ALTER id DROP NOT NULL, ADD UNIQUE (id);
INSERT INTO kinds.three VALUES (NULL, 'x', NULL, 'nobody''s'), (NULL, 'y', NULL, 'nobody''s');
INSERT INTO kinds.alone VALUES (NULL);
DELETE FROM kinds.alone WHERE id = 1;
\c :source
SELECT "table", verdict, rows_here, rows_there, missing, extra, different FROM dbsync.verify('kinds');
SELECT "table", key, kind FROM dbsync.difference WHERE "table" = 'kinds.three' ORDER BY key::text;
SELECT "table", verdict, missing, extra, repaired, note FROM dbsync.verify('kinds', repair => true) WHERE verdict <> 'equal';
SELECT "table", verdict, missing, extra FROM dbsync.verify('kinds') WHERE verdict <> 'equal';

SELECT dbsync.drop_subscription('kinds');
SELECT dbsync.drop_target('kinds_target');
SET client_min_messages = warning;
DROP SCHEMA kinds CASCADE;
DROP DATABASE :target;

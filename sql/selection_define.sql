-- What can be chosen of a table, how it is written down, and what is refused.
\set QUIET on
\i sql/include/target.psql
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
CREATE SCHEMA other;
CREATE SCHEMA "Odd one";
CREATE TYPE public.mood AS ENUM ('low', 'even', 'high');
CREATE DOMAIN public.small AS int CHECK (VALUE < 1000);
CREATE TABLE public.customer (id int PRIMARY KEY, name text NOT NULL, email text, region text, feeling mood, size small, "Odd name" text,
    born date, gone int, twice int GENERATED ALWAYS AS (id * 2) STORED);
ALTER TABLE public.customer DROP COLUMN gone;
CREATE TABLE public.country (code text PRIMARY KEY, name text);
CREATE TABLE other.country (code text PRIMARY KEY, name text);
CREATE TABLE public.two (b int, a int, v text, PRIMARY KEY (a, b));
CREATE TABLE public.keyless (a int, b text);
CREATE TABLE public.parted (id int NOT NULL, day int, v text) PARTITION BY RANGE (day);
CREATE INDEX ON public.parted (id);
CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES FROM (0) TO (10) PARTITION BY LIST (v);
CREATE TABLE public.parted_1a PARTITION OF public.parted_1 DEFAULT;
CREATE FUNCTION public.mask(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'public ' || left($1, 1)$$;
CREATE FUNCTION other.mask(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'other ' || left($1, 1)$$;
CREATE FUNCTION public.steady(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION public.wild(text) RETURNS text LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION public.any_of(anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION public.sum_up(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
CREATE AGGREGATE public.total (int) (SFUNC = sum_up, STYPE = int);
CREATE OPERATOR public.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq);
CREATE FUNCTION public.wild_eq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT $1 = $2';
CREATE OPERATOR public.~~~~ (LEFTARG = text, RIGHTARG = text, FUNCTION = wild_eq);
CREATE SEQUENCE public.numbers;
RESET client_min_messages;
SELECT dbsync.create_target('chosen_target', :'uri');
SELECT dbsync.create_subscription('chosen', 'chosen_target');
-- what is kept of columns and filter, and undone
CREATE PROCEDURE show(columns text[], filter text DEFAULT NULL, tab regclass DEFAULT 'public.customer') LANGUAGE plpgsql AS $$
DECLARE
    kept record;
BEGIN
    PERFORM dbsync.add_table('chosen', tab, columns => columns, filter => filter);
    SELECT s.columns, s.filter INTO kept FROM dbsync.selections s;
    RAISE INFO '% where %', kept.columns, kept.filter;
    PERFORM dbsync.remove_table('chosen', tab);
END $$;

-- in canonical form, whatever the path is; the target has none of these tables yet, which is a notice
SELECT dbsync.add_table('chosen', 'public.two', columns => '{a,b}');
SELECT dbsync.remove_table('chosen', 'public.two');
SET client_min_messages = warning;
CALL show('{id, name}');
CALL show('{"  id  ", "name AS full_name", "name as \"Full Name\"", "email e"}');
CALL show('{id,"left(email, 1)||''***'' email","upper(name) as \"select\""}', 'region=''EU''  and not (size is null)');
CALL show('{*}');
CALL show('{*,"mask(name) AS masked"}', 'true');
CALL show('{customer.*}');
CALL show('{public.customer.id, customer.name}', 'customer.id > 0');
CALL show('{id,"\"Odd name\"","\"Odd name\" AS plain"}', '"Odd name" ~ ''x''');
CALL show('{id,"(SELECT c.name FROM country c WHERE c.code = region) AS country"}');
CALL show('{id}', 'EXISTS (SELECT FROM country WHERE code = customer.region)');
CALL show('{id}', 'region IN (SELECT code FROM other.country) AND name === ''x''');
CALL show('{id,"feeling::text AS feeling","CASE feeling WHEN ''low'' THEN 1 ELSE 2 END AS level","size::int AS size","size + 1 AS next"}', 'feeling > ''low''');
CALL show('{id,"name COLLATE \"C\" AS name","ARRAY[name, email] AS both","ROW(id, name)::text AS r","born::date AS born"}');
CALL show('{id,"any_of(name) AS n","steady(name) AS s","coalesce(email, name) AS c", "''constant'' AS k", "1 AS one"}', 'steady(name) <> ''x''');
CALL show('{id,"id AS again"}');
CALL show(NULL, 'id > 5');
CALL show('{}', '');
CALL show(NULL, 'id > 5 -- a remark');
CALL show('{id,"name /* a remark */ AS n"}');
-- an alias of the user's that is ours
\set VERBOSITY sqlstate
CALL show('{id,"(SELECT max(dbsync_row.code) FROM country dbsync_row WHERE dbsync_row.code = customer.region) AS c"}');
\set VERBOSITY default
-- the path is the caller's
SET search_path = other, public;
CALL public.show('{id,"mask(name) AS m","(SELECT name FROM country WHERE code = region) AS c"}');
SET search_path = '';
CALL public.show('{id,"mask(name) AS m"}');
SET search_path = "Odd one", other;
CALL public.show('{id,"mask(name) AS m"}', 'feeling = ''low''');
RESET search_path;
-- so is the standing of strings
SET DateStyle = 'SQL, DMY';
CALL show('{id,"''01/02/2020''::date AS d"}', 'born > ''01/02/2020''');
CALL show('{id}', 'born > ''01/02/2020'' AND born + interval ''1 mon -2 days'' < born AND name <> ''\x''');
SET IntervalStyle = sql_standard;
SET TimeZone = 'Asia/Tokyo';
SET quote_all_identifiers = on;
CALL show('{id,"name AS n"}', 'born + interval ''1 mon -2 days'' < timestamptz ''2020-01-01 00:00''');
RESET ALL;
SET client_min_messages = warning;

-- what does not parse, or names nothing
CALL show('{id,"name +"}');
CALL show('{id,"nome"}');
CALL show('{id,"no_such(name) AS n"}');
CALL show('{id,"name + 1 AS n"}');
CALL show('{id,"elsewhere.name AS n"}');
CALL show('{id,"(SELECT name FROM no_such) AS n"}');
CALL show('{id,""}');
CALL show('{id,NULL}');
CALL show('{id}', 'nome = 1');
CALL show('{id}', 'name');
CALL show('{id}', 'name AS n');
CALL show('{id}', '$1 = 1');
CALL show('{id,"$1 AS p"}');
CALL show('{id,"id, name"}');
CALL show('{id,"name FROM country"}');
CALL show('{id,"name WHERE true"}');
CALL show('{id,"DISTINCT name"}');
CALL show('{id,"name UNION SELECT ''x''"}');
CALL show('{id,"name; DROP TABLE public.country"}');
CALL show('{id}', 'true; DROP TABLE public.country');
CALL show('{id}', 'true) OR (true');
CALL show('{id}', 'true ORDER BY 1');
CALL show('{id}', 'true LIMIT 1');
CALL show('{id}', 'true FOR UPDATE');
CALL show('{id,"name INTO x"}');
-- what has no name
CALL show('{id,"upper(name)"}');
CALL show('{id,"1"}');
CALL show('{id,"name || ''x''"}');
CALL show('{id,"name::varchar(3)"}');
-- what would say something else another time, or of other rows
CALL show('{id,"random() AS r"}');
CALL show('{id}', 'random() < 0.5');
CALL show('{id}', 'born < now()');
CALL show('{id}', 'born < current_date');
CALL show('{id}', 'born < ''now''::text::date AND localtimestamp > born');
CALL show('{id,"clock_timestamp() AS t"}');
CALL show('{id,"statement_timestamp() AS t"}');
CALL show('{id,"transaction_timestamp() AS t"}');
CALL show('{id,"age(born) AS a"}');
CALL show('{id,"age(born, born) AS a"}');
CALL show('{id,"current_user AS u"}');
CALL show('{id,"session_user AS u"}');
CALL show('{id,"pg_catalog.\"session_user\"()::text AS u"}');
CALL show('{id,"pg_catalog.current_setting(''TimeZone'') AS u"}');
CALL show('{id}', 'txid_current() > 1 AND pg_backend_pid() > 1');
CALL show('{id,"current_database() AS origin"}');
CALL show('{id,"nextval(''numbers'') AS n"}');
CALL show('{id,"(SELECT wild(name)) AS n"}');
CALL show('{id,"coalesce(email, (SELECT max(c.name) FROM country c WHERE wild(c.code) = region)) AS n"}');
CALL show('{id}', 'name ~~~~ ''x''');
CALL show('{id}', 'name = ANY (ARRAY(SELECT wild(c.code) FROM country c))');
CALL show('{id,"max(name) AS m"}');
CALL show('{id,"total(id) AS m"}');
CALL show('{id}', 'count(*) > 1');
CALL show('{id,"row_number() OVER () AS n"}');
CALL show('{id}', 'rank() OVER (ORDER BY id) = 1');
CALL show('{id,"generate_series(1, 2) AS n"}');
CALL show('{id,"unnest(ARRAY[name]) AS n"}');
CALL show('{id}', 'generate_series(1, 2) = 1');
\set VERBOSITY sqlstate
CALL show('{id,"(WITH x AS (DELETE FROM country RETURNING name) SELECT name FROM x) AS n"}');
\set VERBOSITY default
CALL show('{id,"(SELECT name FROM country FOR UPDATE) AS n"}');
CALL show('{id,"(SELECT name FROM country WHERE code = region LIMIT 1) AS n"}');
-- what does not travel
CALL show('{id,"customer::text AS whole"}');
CALL show('{id,"customer AS whole"}');
CALL show('{id,"to_jsonb(customer.*) AS whole"}');
CALL show('{id,"(SELECT c.code FROM country c WHERE c.name = customer::text) AS whole"}');
CALL show('{id,ctid}');
CALL show('{id,"xmin::text AS x"}');
CALL show('{id}', 'tableoid = 1');
CALL show('{id,twice}');
CALL show('{id,"twice + 1 AS n"}');
CALL show('{id}', 'twice > 5');
CALL show('{id,"NULL AS n"}');
CALL show('{id,"''x''::unknown AS n"}');
-- keys, and what a table is partitioned by
CALL show('{name}');
CALL show('{"id + 0 AS id"}');
CALL show('{"id::bigint AS id",name}');
CALL show('{"id AS number",name}');
CALL show('{"lower(name) AS id","id AS number"}');
CALL show('{a,v}', NULL, 'public.two');
CALL show('{v,b,a}', NULL, 'public.two');
\set VERBOSITY terse
SELECT dbsync.add_table('chosen', 'public.parted', key => '{id}', columns => '{id,day}');
SELECT dbsync.add_table('chosen', 'public.parted', key => '{id}', columns => '{id,v}');
SELECT dbsync.add_table('chosen', 'public.parted', key => '{id}', columns => '{id,"day AS d",v}');
SELECT dbsync.add_table('chosen', 'public.parted', key => '{id}', columns => '{"v","day","id AS number"}', filter => 'v <> ''x''');
SELECT dbsync.remove_table('chosen', 'public.parted');
\set VERBOSITY default
SELECT dbsync.add_table('chosen', 'public.customer', columns => '{id}', key => '{name}');
-- twice
CALL show('{id,name,"email AS name"}');
CALL show('{id,*}');
CALL show('{id,ID}');
-- without a key
SET client_min_messages = warning;
CALL show('{b}', 'a > 5', 'public.keyless');
CALL show('{a,"mask(b) AS b"}', 'a > 5', 'public.keyless');
CALL show('{a,"steady(b) AS b"}', NULL, 'public.keyless');
CALL show('{a}', 'b IN (SELECT code FROM country)', 'public.keyless');
CALL show('{a}', 'a::text::timestamptz IS NULL', 'public.keyless');
-- what is temporary
CREATE TEMP TABLE passing (code text);
CREATE FUNCTION pg_temp.passing(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE TYPE pg_temp.kind AS ENUM ('a', 'b');
CREATE DOMAIN pg_temp.short AS text CHECK (length(VALUE) < 5);
CALL show('{id}', 'region IN (SELECT code FROM passing)');
\set VERBOSITY sqlstate
CALL show('{id,"pg_temp.passing(name) AS n"}');
\set VERBOSITY default
CALL show('{id,"region::pg_temp.kind AS n"}');
CALL show('{id,"region::pg_temp.short AS n"}');
CALL show('{id,"ARRAY[region]::pg_temp.kind[] AS n"}');
CALL show('{id}', 'region::pg_temp.kind IS NOT NULL');

-- operations
\set VERBOSITY terse
SELECT dbsync.add_table('chosen', 'public.customer', operations => '{insert,upsert}');
SELECT dbsync.add_table('chosen', 'public.customer', operations => '{}');
SELECT dbsync.add_table('chosen', 'public.customer', operations => '{insert,NULL}');
SELECT dbsync.add_table('chosen', 'public.keyless', operations => '{insert,update}');
SELECT dbsync.add_table('chosen', 'public.keyless', operations => '{insert,update,delete}');
SELECT dbsync.add_table('chosen', 'public.customer', operations => '{update,insert,update}');
SELECT dbsync.add_table('chosen', 'public.two', operations => '{truncate,delete,insert,update}');
SELECT "table", columns, filter, operations, runs_as = current_user::regrole AS mine FROM dbsync.selections ORDER BY "table"::text;

-- what is altered, and what stays
\set VERBOSITY terse
SELECT dbsync.alter_table('chosen', 'public.customer');
SELECT dbsync.alter_table('chosen', 'public.country', filter => 'true');
SELECT dbsync.alter_table('none', 'public.customer', filter => 'true');
SELECT dbsync.alter_table('chosen', 'public.customer', columns => '{name}');
SELECT dbsync.alter_table('chosen', 'public.customer', columns => '{id,"mask(name) AS name"}', filter => 'id > 1');
SELECT columns, filter, operations FROM dbsync.selections WHERE "table" = 'public.customer'::regclass;
SELECT dbsync.alter_table('chosen', 'public.customer', operations => '{insert,update,delete,truncate}');
SELECT dbsync.alter_table('chosen', 'public.customer', columns => '{id,"mask(name) AS name"}', filter => 'id > 1');
SELECT columns, filter, operations FROM dbsync.selections WHERE "table" = 'public.customer'::regclass;
-- by the path of then
SET search_path = other, public;
SELECT dbsync.alter_table('chosen', 'public.customer', filter => 'mask(name) <> ''x''');
SELECT columns, filter FROM dbsync.selections WHERE "table" = 'public.customer'::regclass;
RESET search_path;
SELECT dbsync.alter_table('chosen', 'public.customer', columns => '{}');
SELECT columns, filter FROM dbsync.selections WHERE "table" = 'public.customer'::regclass;
SELECT dbsync.alter_table('chosen', 'public.customer', columns => '{id,"name AS n"}');
SELECT dbsync.alter_table('chosen', 'public.customer', filter => '');
SELECT columns, filter FROM dbsync.selections WHERE "table" = 'public.customer'::regclass;
SELECT dbsync.alter_table('chosen', 'public.customer', columns => '{}');
SELECT columns, filter, operations, runs_as FROM dbsync.selections WHERE "table" = 'public.customer'::regclass;
SELECT selection IS NULL AS nothing_kept FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id WHERE c.relid = 'public.customer'::regclass;
-- what is kept is read as it was written down
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = sql_standard;
SELECT dbsync.alter_table('chosen', 'public.customer', filter => 'born > ''01/02/2020'' AND born + interval ''1 mon -2 days'' < born AND name <> ''\x''');
SELECT dbsync.alter_table('chosen', 'public.customer', operations => '{insert,update,delete,truncate}');
RESET ALL;
SET client_min_messages = warning;
SELECT columns, filter FROM dbsync.selections WHERE "table" = 'public.customer'::regclass;
-- columns whose names are others by now, or swapped
SELECT dbsync.alter_table('chosen', 'public.customer', columns => '{id,"name AS n"}', filter => 'email <> region');
ALTER TABLE public.customer RENAME COLUMN email TO mail;
SELECT dbsync.alter_table('chosen', 'public.customer', filter => 'id > 0');
SELECT dbsync.alter_table('chosen', 'public.customer', columns => '{id}', filter => 'mail <> region');
SELECT columns, filter FROM dbsync.selections WHERE "table" = 'public.customer'::regclass;
ALTER TABLE public.customer RENAME COLUMN mail TO swapped;
ALTER TABLE public.customer RENAME COLUMN region TO mail;
ALTER TABLE public.customer RENAME COLUMN swapped TO region;
SELECT dbsync.alter_table('chosen', 'public.customer', columns => '{id,name}');
SELECT dbsync.alter_table('chosen', 'public.customer', columns => '{id,name}', filter => 'mail <> region');
-- existing rows, as for a copy
SELECT dbsync.alter_table('chosen', 'public.customer', filter => '', existing_rows => 'none');
SELECT dbsync.alter_table('chosen', 'public.customer', filter => '', existing_rows => 'keep');
SELECT a.existing_rows, a.state FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id WHERE c.relid = 'public.customer'::regclass;

-- nothing depends on what a selection needs, nobody's DDL fails for it
SELECT dbsync.alter_table('chosen', 'public.customer', columns => '{id,"mask(name) AS n","(SELECT c.name FROM country c WHERE c.code = region) AS c"}');
DROP FUNCTION public.mask(text);
DROP TABLE public.country;
SELECT columns FROM dbsync.selections WHERE "table" = 'public.customer'::regclass;

-- the SQLSTATE and the place of each, for whoever does not read
CREATE TABLE public.country (code text PRIMARY KEY, name text);
CREATE FUNCTION public.refusal(call text, OUT code text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'SELECT ' || call;
    code := '00000';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;
SELECT r.code, r.message, regexp_replace(r.detail, '^.*(In (entry|filter))', '\1') AS detail
FROM (VALUES
    (1, ARRAY['id', 'name +'], NULL), (2, ARRAY['id', 'nome'], NULL), (3, ARRAY['id', 'name AS n', 'no_such(name) AS m'], NULL),
    (4, ARRAY['id', 'upper(name)'], NULL), (5, ARRAY['id', 'random()::text AS r'], NULL), (6, ARRAY['id', 'now() AS t'], NULL),
    (7, ARRAY['id', 'current_date AS d'], NULL), (8, ARRAY['id', 'nextval(''numbers'') AS n'], NULL), (9, ARRAY['id', 'max(name) AS m'], NULL),
    (10, ARRAY['id', 'row_number() OVER () AS n'], NULL), (11, ARRAY['id', 'generate_series(1, 2) AS n'], NULL), (12, ARRAY['id', 'id, name'], NULL),
    (13, ARRAY['id', 'name + 1 AS n'], NULL), (14, ARRAY['id', 'customer::text AS n'], NULL), (15, ARRAY['id', 'ctid'], NULL), (16, ARRAY['id', 'twice'], NULL),
    (17, ARRAY['name'], NULL), (18, ARRAY['left(id::text, 1)::int AS id', 'name'], NULL), (19, ARRAY['id', 'name', 'region AS name'], NULL),
    (20, ARRAY['id', NULL], NULL), (21, ARRAY['id', '(SELECT c.name FROM country c FOR SHARE) AS n'], NULL), (22, ARRAY['id', 'current_user::text AS n'], NULL),
    (23, ARRAY['id', 'current_setting(''TimeZone'') AS n'], NULL), (24, ARRAY['id', 'ROW(id, name) AS n'], NULL),
    (26, ARRAY['id', '"no such" AS n'], NULL), (27, ARRAY['id', 'name::no_such AS n'], NULL),
    (31, NULL, 'name >'), (32, NULL, E'name = ''x''\n AND nome'), (33, NULL, 'name'), (34, NULL, 'random() < 0.5'), (35, NULL, 'now() > born'),
    (36, NULL, 'count(*) > 1'), (37, NULL, 'generate_series(1, 2) = 1'), (38, NULL, 'name AS n'), (39, NULL, 'xmin IS NULL'), (40, NULL, 'region = 1'),
    (41, NULL, '1/0 = 1 AND name IS NULL'), (42, NULL, 'feeling = ''none'''), (43, NULL, 'id = 1; DELETE FROM country'), (44, NULL, 'customer IS NULL')
) c (n, columns, filter)
CROSS JOIN LATERAL refusal(format('dbsync.add_table(''chosen'', ''public.customer'', columns => %L::text[], filter => %L, key => ''{id}'')', c.columns, c.filter)) r ORDER BY c.n;
SELECT r.code, r.message FROM (VALUES (1, 'key => ''{id}'', columns => ''{id,day}'''), (2, 'key => ''{id}'', columns => ''{id,"day AS d",v}'''),
    (3, 'key => ''{id}'', operations => ''{insert,delete,drop}''')) c (n, arguments)
CROSS JOIN LATERAL refusal(format('dbsync.add_table(''chosen'', ''public.parted'', %s)', c.arguments)) r ORDER BY c.n;

-- what the target's table cannot take
\set VERBOSITY default
RESET client_min_messages;
\c :target
CREATE TABLE public.two (a int, b int, v text, w int, flag boolean, born date, at timestamptz, n numeric, j jsonb, many int[], x text GENERATED ALWAYS AS (v || 'x') STORED,
    PRIMARY KEY (a, b));
CREATE TABLE public.unkeyed (a int, b int);
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.remove_table('chosen', 'public.two');
SELECT dbsync.add_table('chosen', 'public.two', columns => '{a,b,"v AS missing","b AS other"}');
SELECT dbsync.add_table('chosen', 'public.two', columns => '{a,b,"v AS x"}');
SELECT dbsync.add_table('chosen', 'public.two', columns => '{a,b,"a > 1 AS w"}');
SELECT dbsync.add_table('chosen', 'public.two', columns => '{a,b,"a AS born"}');
SELECT dbsync.add_table('chosen', 'public.two', columns => '{a,b,"now() - now() AS w"}');
SELECT dbsync.add_table('chosen', 'public.two', columns => '{a,b,"ARRAY[a] AS w"}');
SELECT dbsync.add_table('chosen', 'public.two', columns => '{a,b,"a AS flag"}');
SELECT dbsync.add_table('chosen', 'public.two', target_table => 'public.unkeyed', columns => '{a,b}');
SELECT dbsync.remove_table('chosen', 'public.two');
SELECT dbsync.add_table('chosen', 'public.two', columns => '{a,b,"v AS w","v AS flag","v AS born","date ''2020-01-01'' AS at","a AS n","to_jsonb(a) AS j","ARRAY[a, b] AS many"}');
SELECT dbsync.alter_table('chosen', 'public.two', columns => '{a,b,"a > 1 AS w"}');
SELECT r.code, r.message FROM unnest('{"{a,b,\"v AS missing\"}","{a,b,\"v AS x\"}","{a,b,\"a > 1 AS w\"}"}'::text[]) WITH ORDINALITY c (columns, n)
CROSS JOIN LATERAL refusal(format('dbsync.alter_table(''chosen'', ''public.two'', columns => %L)', c.columns)) r ORDER BY c.n;
SELECT dbsync.alter_table('chosen', 'public.two', columns => '{a,b,"a AS w","a > 1 AS flag","a::text AS v"}');
-- not reached: the worker looks, and has the same words
\set VERBOSITY terse
SELECT dbsync.alter_target('chosen_target', uri => :'uri' || '&target_session_attrs=standby');
SELECT dbsync.alter_table('chosen', 'public.two', columns => '{a,b,"a > 1 AS w"}');
SELECT dbsync.alter_target('chosen_target', uri => :'uri');
SELECT dbsync.remove_table('chosen', t) FROM unnest('{public.keyless,public.customer}'::regclass[]) t;
SELECT dbsync.run_once('chosen');
SELECT dbsync.drop_subscription('chosen');
SELECT dbsync.drop_target('chosen_target');
SET client_min_messages = warning;
DROP PROCEDURE public.show;
DROP FUNCTION public.refusal;
DROP TABLE public.country, public.customer, public.two, public.keyless, public.parted;
DROP SCHEMA other, "Odd one" CASCADE;
DROP OPERATOR public.=== (text, text);
DROP AGGREGATE public.total (int);
DROP FUNCTION public.wild_eq, public.wild, public.steady, public.any_of, public.sum_up CASCADE;
DROP TYPE public.mood;
DROP DOMAIN public.small;
DROP SEQUENCE public.numbers;
DROP DATABASE :target;

-- Where types lie in others, the outer ones follow first: the way to an inner one counts the attributes that the outer
-- one has at the source, and would lead to another type as long as it has others at the target.
\set QUIET on
\i sql/include/target.psql
\set SHOW_CONTEXT never

CREATE TYPE public.cash AS (amount numeric, currency text);
CREATE TYPE public.price AS (amount numeric, currency text);
CREATE TYPE public.pair AS (m public.cash, p public.price);
CREATE TABLE public.of_pair (id int PRIMARY KEY, c1 public.price, c2 public.pair);
\c :target
CREATE TYPE public.cash AS (amount numeric, currency text);
CREATE TYPE public.price AS (amount numeric, currency text);
CREATE TYPE public.pair AS (m public.cash, p public.price);
CREATE TABLE public.of_pair (id int PRIMARY KEY, c1 public.price, c2 public.pair);
\c :source
\set SHOW_CONTEXT never
SELECT dbsync.create_target('order_target', :'uri');
SELECT dbsync.create_subscription('ordered', 'order_target', ddl => 'apply', tables => '{public.of_pair}');
INSERT INTO public.of_pair VALUES (1, (1, 'a'), ((2, 'b'), (3, 'c')));
SELECT dbsync.run_once('ordered') >= 0 AS sent;
ALTER TYPE public.price ADD ATTRIBUTE tax int;
INSERT INTO public.of_pair VALUES (2, (1, 'a', 4), ((2, 'b'), (3, 'c', 5)));
SELECT dbsync.run_once('ordered') >= 0 AS sent;
ALTER TYPE public.pair DROP ATTRIBUTE m;
INSERT INTO public.of_pair VALUES (3, (1, 'a', 4), ROW(ROW(3, 'c', 5)::public.price));
SELECT dbsync.run_once('ordered') >= 0 AS sent;
SELECT "table", state, note FROM dbsync.table_status;
SELECT * FROM public.of_pair ORDER BY id;
\c :target
SELECT * FROM public.of_pair ORDER BY id;
SELECT attname FROM pg_attribute WHERE attrelid = 'public.cash'::regclass AND NOT attisdropped ORDER BY attnum;
\c :source

SET client_min_messages = warning;
SELECT dbsync.drop_subscription('ordered');
SELECT dbsync.drop_target('order_target');
DROP TABLE public.of_pair;
DROP TYPE public.pair, public.price, public.cash;
DROP DATABASE :target;

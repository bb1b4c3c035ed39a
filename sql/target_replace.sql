-- Large updates go as deletes and inserts, but only where nobody can tell the
-- difference: a column that is the target's own keeps its value, and triggers see
-- an update.  (That the others do go so, and publications: t/010_road.pl.)
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.plain (id int PRIMARY KEY, v int, t text);
CREATE TABLE public.own (LIKE public.plain INCLUDING ALL);
CREATE TABLE public.fired (LIKE public.plain INCLUDING ALL);
CREATE TABLE public.wide_key (a text, b int, v int, PRIMARY KEY (b, a));
\c :target
CREATE TABLE public.plain (id int PRIMARY KEY, v int, t text);
CREATE TABLE public.own (LIKE public.plain INCLUDING ALL, note text DEFAULT 'new', twice int GENERATED ALWAYS AS (v * 2) STORED);
CREATE TABLE public.fired (LIKE public.plain INCLUDING ALL);
CREATE TABLE public.wide_key (v int, a text, b int, PRIMARY KEY (b, a));
CREATE TABLE public.seen (op text, n bigint);
CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen VALUES (TG_OP, 1);
    RETURN NULL;
END $$;
CREATE TRIGGER see AFTER INSERT OR UPDATE OR DELETE ON public.fired FOR EACH ROW EXECUTE FUNCTION public.see();
ALTER TABLE public.fired ENABLE ALWAYS TRIGGER see;
\c :source
SELECT dbsync.create_target('replace_target', :'uri');
SELECT dbsync.create_subscription('replace', 'replace_target',
    tables => ARRAY['public.plain', 'public.own', 'public.fired', 'public.wide_key']);
INSERT INTO public.plain SELECT g, g, 'row ' || g FROM generate_series(1, 30000) g;
INSERT INTO public.own SELECT g, g, 'row ' || g FROM generate_series(1, 30000) g;
INSERT INTO public.fired SELECT g, g, 'row ' || g FROM generate_series(1, 30000) g;
INSERT INTO public.wide_key SELECT 'a' || g % 100, g, g FROM generate_series(1, 30000) g;
SELECT dbsync.run_once('replace');
\c :target
UPDATE public.own SET note = 'ours';
TRUNCATE public.seen;
\c :source

-- one statement, so no key is in it twice
UPDATE public.plain SET v = -v;
UPDATE public.own SET v = -v;
UPDATE public.fired SET v = -v;
UPDATE public.wide_key SET v = -v;
SELECT dbsync.run_once('replace');
\c :target
SELECT count(*), min(v), max(v) FROM public.plain;
SELECT count(*), min(v), max(v), count(DISTINCT note), min(note), sum(twice) = 2 * sum(v) AS generated FROM public.own;
SELECT op, count(*) FROM public.seen GROUP BY op ORDER BY op;
SELECT count(*), min(v), max(v) FROM public.wide_key;
\c :source

-- all kinds in one window: what was deleted stays away, what came back is there once
BEGIN;
DELETE FROM public.plain WHERE id % 3 = 0;
UPDATE public.plain SET v = v + 1;
INSERT INTO public.plain SELECT g, g, 'again' FROM generate_series(3, 300, 3) g;
UPDATE public.plain SET id = id + 100000 WHERE id BETWEEN 1000 AND 2000;
COMMIT;
DELETE FROM public.plain WHERE id BETWEEN 5000 AND 6000;
UPDATE public.wide_key SET v = 1;
UPDATE public.wide_key SET a = 'moved' WHERE b % 2 = 0;
SELECT dbsync.run_once('replace') > 0 AS applied;
SELECT count(*) AS n, sum(hashtext(p::text)::bigint) AS sum FROM public.plain p \gset
SELECT count(*) AS wn, sum(hashtext((a, b, v)::text)::bigint) AS wsum FROM public.wide_key w \gset
\c :target
SELECT count(*) = :n AS rows, sum(hashtext(p::text)::bigint) = :sum AS same FROM public.plain p;
SELECT count(*) = :wn AS rows, sum(hashtext((a, b, v)::text)::bigint) = :wsum AS same FROM public.wide_key w;

\c :source
SELECT dbsync.drop_subscription('replace');
SELECT dbsync.drop_target('replace_target');
DROP TABLE public.plain, public.own, public.fired, public.wide_key;
DROP DATABASE :target;

-- Rows that are parked differ, and verify says that it is known why; repair leaves them to retry().
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.priced (id int PRIMARY KEY, price numeric, note text);
CREATE TABLE public.scaled (n numeric(5, 1) PRIMARY KEY, v text);
\c :target
CREATE TABLE public.priced (id bigint PRIMARY KEY, price numeric CHECK (price > 0), note text);
CREATE TABLE public.scaled (n numeric(10, 2) PRIMARY KEY, v varchar(5));
CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'row % stays', OLD.id; END $$;
CREATE TRIGGER keep BEFORE DELETE ON public.priced FOR EACH ROW WHEN (OLD.id = 30) EXECUTE FUNCTION public.keep();
ALTER TABLE public.priced ENABLE ALWAYS TRIGGER keep;
\c :source
INSERT INTO public.priced SELECT i, i, 'row ' || i FROM generate_series(1, 3000) i;
INSERT INTO public.scaled SELECT i, 'v' || i FROM generate_series(1, 9) i;
SELECT dbsync.create_target('parked_target', :'uri', options => '{"before_triggers": "true"}');
SELECT dbsync.create_subscription('parked', 'parked_target', tables => ARRAY['public.priced', 'public.scaled'], on_error => 'quarantine');
SELECT dbsync.run_once('parked');

-- one that is refused as an update, an insert, a deletion, and by a key that the target writes otherwise
UPDATE public.priced SET price = -1 WHERE id = 10;
INSERT INTO public.priced VALUES (5000, -5, 'new');
DELETE FROM public.priced WHERE id = 30;
UPDATE public.scaled SET v = 'too long for it' WHERE n = 5;
SELECT dbsync.run_once('parked');
SELECT "table", key, op, sqlstate FROM dbsync.quarantine ORDER BY "table"::text, key;
SELECT "table", verdict, missing, extra, different, parked, kept, repaired, note FROM dbsync.verify('parked');
SELECT "table", key, kind, here, there, parked FROM dbsync.difference ORDER BY "table", key::text;

-- repair leaves them alone; others are mended beside them
SELECT "table", verdict, missing, extra, different, parked, repaired, note FROM dbsync.verify('parked', repair => true);
SELECT count(*) FROM dbsync.quarantine;
\c :target
DELETE FROM public.priced WHERE id = 11;
UPDATE public.priced SET note = 'by hand' WHERE id IN (10, 12);
\c :source
SELECT "table", verdict, missing, extra, different, parked, note FROM dbsync.verify('parked', 'public.priced');
SELECT key, kind, parked FROM dbsync.difference WHERE "table" = 'public.priced' ORDER BY key::text;
SELECT "table", verdict, missing, extra, different, parked, repaired, note FROM dbsync.verify('parked', 'public.priced', repair => true);
SELECT "table", verdict, missing, extra, different, parked, note FROM dbsync.verify('parked', 'public.priced');
\c :target
SELECT * FROM public.priced WHERE id IN (10, 11, 12, 30, 5000) ORDER BY id;
\c :source
SELECT count(*) FROM dbsync.quarantine;
SELECT "table", verdict, parked FROM dbsync.verification WHERE subscription = 'parked' AND parked > 0 ORDER BY begun;

-- one that happens to be right is no difference; one that is passed over is an ordinary one
\c :target
UPDATE public.scaled SET v = 'same' WHERE n = 5;
\c :source
UPDATE public.scaled SET v = 'same' WHERE n = 5;
SELECT dbsync.run_once('parked');
SELECT "table", verdict, parked, note FROM dbsync.verify('parked', 'public.scaled');
SELECT dbsync.skip('parked', 'public.priced', '{"id": 30}');
SELECT dbsync.run_once('parked');
SELECT "table", verdict, missing, extra, different, parked, note FROM dbsync.verify('parked', 'public.priced');

-- what is parked stays so, with on_error => 'stop' as well
SELECT dbsync.alter_subscription('parked', on_error => 'stop');
SELECT "table", verdict, missing, extra, different, parked, note FROM dbsync.verify('parked', 'public.priced');

-- mended
\c :target
ALTER TABLE public.priced DROP CONSTRAINT priced_price_check;
DROP TRIGGER keep ON public.priced;
\c :source
SELECT dbsync.retry('parked', 'public.priced');
SELECT dbsync.run_once('parked');
SELECT "table", verdict, repaired, note FROM dbsync.verify('parked', repair => true);
SELECT "table", verdict, parked, note FROM dbsync.verify('parked');

SELECT dbsync.drop_subscription('parked');
SELECT dbsync.drop_target('parked_target');
DROP TABLE public.priced, public.scaled;
DROP DATABASE :target;

-- Trouble is said: by an error with a hint where one calls, and nothing is lost.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.troubled (id int PRIMARY KEY, v text);
INSERT INTO public.troubled VALUES (1, 'one');
SELECT dbsync.create_target('trouble_target', :'uri');
SELECT dbsync.create_subscription('trouble', 'trouble_target', tables => ARRAY['public.troubled']);

-- unknown names
SELECT dbsync.run_once('nobody');
SELECT dbsync.start_subscription('nobody');
SELECT dbsync.stop_subscription('nobody');
SELECT dbsync.wait_for('nobody');

-- what this transaction has not committed cannot be sent (hazard 18)
BEGIN;
INSERT INTO public.troubled VALUES (2, 'uncommitted');
SELECT dbsync.run_once('trouble');
ROLLBACK;

-- target table missing
SELECT dbsync.run_once('trouble');
\c :target
CREATE TABLE public.troubled (id int PRIMARY KEY);
\c :source
-- column missing
SELECT dbsync.run_once('trouble');
\c :target
ALTER TABLE public.troubled ADD v int, DROP CONSTRAINT troubled_pkey, ADD PRIMARY KEY (v);
\c :source
-- no such key; the hint can be typed in, though the target has a primary key of its own
SELECT dbsync.run_once('trouble');
\c :target
CREATE UNIQUE INDEX ON public.troubled (id);
\c :source
-- types that do not fit
SELECT dbsync.run_once('trouble');
\c :target
ALTER TABLE public.troubled ALTER v TYPE text, ADD CHECK (v <> 'bad');
\c :source
-- and all is well
SELECT dbsync.run_once('trouble');

-- a constraint of the target's
INSERT INTO public.troubled VALUES (2, 'good');
INSERT INTO public.troubled VALUES (3, 'bad');
SELECT dbsync.run_once('trouble');
SELECT last_error IS NOT NULL AS said, next_action IS NOT NULL AS hinted FROM dbsync.status WHERE subscription = 'trouble';
\c :target
ALTER TABLE public.troubled DROP CONSTRAINT troubled_v_check;
\c :source
SELECT dbsync.run_once('trouble');
\c :target
TABLE public.troubled ORDER BY id;

-- the ledger is lost
UPDATE dbsync_ledger.position SET system_identifier = 1 WHERE subscription = id;
\c :source
\set VERBOSITY terse
SELECT dbsync.run_once('trouble');
\set VERBOSITY default
\c :target
DELETE FROM dbsync_ledger.position;
\c :source
SELECT dbsync.run_once('trouble');

-- generated here, and not there: it would stay empty without a word
CREATE TABLE public.made (id int PRIMARY KEY, v int, twice int GENERATED ALWAYS AS (v * 2) STORED);
SELECT dbsync.create_subscription('made', 'trouble_target', tables => ARRAY['public.made']);
\c :target
CREATE TABLE public.made (id int PRIMARY KEY, v int, twice int);
\c :source
SELECT dbsync.run_once('made');
\c :target
ALTER TABLE public.made DROP twice;
\c :source
SELECT dbsync.run_once('made');
SELECT dbsync.drop_subscription('made');
DROP TABLE public.made;

-- types there that keep the beginning of a longer text, and would say nothing
CREATE TABLE public.narrow (id int PRIMARY KEY, c text, n text);
INSERT INTO public.narrow VALUES (1, 'a', 'b'), (2, NULL, repeat('n', 63));
SELECT dbsync.create_subscription('narrow', 'trouble_target', tables => ARRAY['public.narrow']);
\c :target
CREATE TABLE public.narrow (id int PRIMARY KEY, c "char", n name);
\c :source
SELECT dbsync.run_once('narrow');
INSERT INTO public.narrow VALUES (3, 'ab', 'b');
SELECT dbsync.run_once('narrow');
UPDATE public.narrow SET c = '\377' WHERE id = 3;
SELECT dbsync.run_once('narrow');
UPDATE public.narrow SET c = 'a', n = repeat('n', 64) WHERE id = 3;
SELECT dbsync.run_once('narrow');
\c :target
TABLE public.narrow ORDER BY id;
ALTER TABLE public.narrow ALTER c TYPE text, ALTER n TYPE text;
\c :source
SELECT dbsync.run_once('narrow');
\c :target
TABLE public.narrow ORDER BY id;
\c :source
SELECT dbsync.drop_subscription('narrow');
DROP TABLE public.narrow;

-- a table cannot be its own target
SELECT dbsync.create_target('mirror', replace(:'uri', :'target', :'source'));
SELECT dbsync.create_subscription('narcissus', 'mirror', tables => ARRAY['public.troubled']);
SELECT dbsync.run_once('narcissus');

SELECT dbsync.wait_for('trouble');
SELECT dbsync.drop_subscription('trouble', force => true);
SELECT dbsync.drop_subscription('narcissus');
SELECT dbsync.drop_target('mirror');
SELECT dbsync.drop_target('trouble_target');
DROP TABLE public.troubled;
DROP DATABASE :target;
DROP SCHEMA dbsync_ledger CASCADE;

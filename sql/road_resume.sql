-- A window that is taken up again ends where it was to end; what was committed
-- since then is worked on all the same before run_once() is done.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.resumed (id int PRIMARY KEY);
\c :target
CREATE TABLE public.resumed (id int PRIMARY KEY, CONSTRAINT not_two CHECK (id <> 2));
\c :source
SELECT dbsync.create_target('resume_target', :'uri');
SELECT dbsync.create_subscription('resume', 'resume_target', tables => ARRAY['public.resumed']);
SELECT dbsync.run_once('resume');

-- each transaction is a batch, and the second is refused
ALTER DATABASE :source SET dbsync.batch_rows = 1;
INSERT INTO public.resumed VALUES (1);
INSERT INTO public.resumed VALUES (2);
INSERT INTO public.resumed VALUES (3);
\set VERBOSITY terse
SELECT dbsync.run_once('resume');
\set VERBOSITY default
\c :target
SELECT * FROM public.resumed ORDER BY id;
ALTER TABLE public.resumed DROP CONSTRAINT not_two;
\c :source
INSERT INTO public.resumed VALUES (4);
SELECT dbsync.run_once('resume');
\c :target
SELECT * FROM public.resumed ORDER BY id;
\c :source
ALTER DATABASE :source RESET dbsync.batch_rows;
SELECT dbsync.drop_subscription('resume');
SELECT dbsync.drop_target('resume_target');
DROP TABLE public.resumed;
DROP DATABASE :target;

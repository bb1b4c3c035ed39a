-- A header is read strictly: one that somebody has edited, or a disk has, is refused and not
-- half believed.  Put right, all goes on.
\set QUIET on
\i sql/include/target.psql

CREATE TABLE public.edited (id int PRIMARY KEY, v text);
\c :target
CREATE TABLE public.edited (id int PRIMARY KEY, v text);
\c :source
SELECT dbsync.create_target('edited_target', :'uri');
SELECT dbsync.create_subscription('edited', 'edited_target', tables => ARRAY['public.edited']);
SELECT dbsync.run_once('edited');

CREATE SCHEMA edited_test;
-- How a run ends: SQLSTATE and message, without what differs from run to run.
CREATE FUNCTION edited_test.run() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM dbsync.run_once('edited');
    RETURN 'well';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '\d+|".*"', '...', 'g');
END $$;

SELECT s.relid::regclass AS header FROM dbsync.segment s WHERE s.captured_id = 0 AND s.active \gset
INSERT INTO public.edited VALUES (1, 'one');
CREATE TABLE edited_test.kept AS SELECT xid, parts, carried FROM :header ORDER BY xid DESC LIMIT 1;
CREATE FUNCTION edited_test.pack(VARIADIC numbers bigint[]) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    result bytea := '';
    n bigint;
BEGIN
    FOREACH n IN ARRAY numbers LOOP
        WHILE n >= 128 LOOP
            result := result || set_byte('\x00', 0, (n & 127)::int | 128);
            n := n >> 7;
        END LOOP;
        result := result || set_byte('\x00', 0, n::int);
    END LOOP;
    RETURN result;
END $$;

-- cut off in the middle
UPDATE :header h SET parts = substr(k.parts, 1, length(k.parts) - 1) FROM edited_test.kept k WHERE h.xid = k.xid;
SELECT edited_test.run();
-- more rows than there are, more than 64 bits hold when they are added
UPDATE :header h SET parts = edited_test.pack(p[1], p[2], 9223372036854775807, p[4], p[5], p[6], p[7], p[8], p[9], p[10])
FROM edited_test.kept k, dbsync_internal.header_parts(k.parts) p WHERE h.xid = k.xid;
SELECT edited_test.run();
-- the table's number is another's that has the same lower 32 bits
UPDATE :header h SET parts = edited_test.pack(p[1] + 4294967296, p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10])
FROM edited_test.kept k, dbsync_internal.header_parts(k.parts) p WHERE h.xid = k.xid;
SELECT edited_test.run();
-- a range of blocks that ends before it begins
UPDATE :header h SET parts = edited_test.pack(p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], 1, 5, 4)
FROM edited_test.kept k, dbsync_internal.header_parts(k.parts) p WHERE h.xid = k.xid;
SELECT edited_test.run();
-- rows: cut off, and one too many
UPDATE :header h SET parts = k.parts, carried = substr(k.carried, 1, length(k.carried) - 1) FROM edited_test.kept k WHERE h.xid = k.xid;
SELECT edited_test.run();
UPDATE :header h SET carried = k.carried || '\x01'::bytea FROM edited_test.kept k WHERE h.xid = k.xid;
SELECT edited_test.run();
-- as it was
UPDATE :header h SET carried = k.carried FROM edited_test.kept k WHERE h.xid = k.xid;
SELECT edited_test.run();
\c :target
TABLE public.edited;
\c :source

SELECT dbsync.drop_subscription('edited');
SELECT dbsync.drop_target('edited_target');
SET client_min_messages = warning;
DROP SCHEMA edited_test CASCADE;
DROP TABLE public.edited;
DROP DATABASE :target;

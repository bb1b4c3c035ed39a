# What is in the bundles that are kept in t/data/bundles: tables, and what has happened to them.
package DbsyncTest::Kept;

use strict;
use warnings;

use DbsyncTest qw(ask);

our $tables = <<'SQL';
CREATE TYPE public.mood AS ENUM ('sad', 'so "so", ok');
CREATE TYPE public.pair AS (x int, y text);
CREATE DOMAIN public.positive AS int CHECK (VALUE > 0);
CREATE TABLE public.kinds (id bigint PRIMARY KEY, b boolean, n numeric, f float8, t text, by bytea, d date, at timestamptz, i interval,
  j jsonb, u uuid, a int[], ta text[], r int4range, m public.mood, p public.pair, o public.positive);
CREATE TABLE public.seat (id int PRIMARY KEY, place int UNIQUE, note text, big text);
ALTER TABLE public.seat ALTER big SET STORAGE EXTERNAL;
CREATE TABLE public.entry (account int, amount bigint);
SQL

our $first_rows = <<'SQL';
INSERT INTO public.kinds VALUES
  (1, true, 1.50, 0.1, E'tab\tline\nback\\ \\N "q"', '\x00ff5c0a', '2024-02-03', '2024-02-03 04:05:06.123456+00', '1 mon -1 days 02:03:04',
    '{"a": [1.10, null]}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{1,NULL,3}', ARRAY['a,b', NULL, '"', '\'], '[1,5)', 'sad', (1, 'a,"b'), 7),
  (2, false, 'NaN', '-Infinity', '', '', '0044-03-15 BC', 'infinity', '0', '[]', NULL, '{}', '{}', 'empty', 'so "so", ok', (NULL, ''), NULL),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.seat SELECT i, i, 'seat ' || i, repeat(md5(i::text), 80) FROM generate_series(1, 5) i;
INSERT INTO public.entry SELECT i % 3, i FROM generate_series(1, 6) i;
INSERT INTO public.entry VALUES (0, NULL), (0, NULL);
SQL

our @changes = (
	# each kind of a change; two swap a unique value, beside large ones that stay as they are
	q{BEGIN; UPDATE public.seat SET place = -id WHERE id <= 2; UPDATE public.seat SET place = 3 - id WHERE id <= 2; DELETE FROM public.seat WHERE id = 3;
INSERT INTO public.seat VALUES (6, 6, NULL, NULL); UPDATE public.seat SET id = 40 WHERE id = 4;
UPDATE public.kinds SET t = 'changed', m = 'sad' WHERE id = 2; INSERT INTO public.kinds (id, t) VALUES (9223372036854775807, 'large'); COMMIT},
	q{DELETE FROM public.entry WHERE account = 1; UPDATE public.entry SET amount = 100 WHERE amount IS NULL},
	q{ALTER TYPE public.mood ADD VALUE 'glad' BEFORE 'so "so", ok'},
	q{ALTER TABLE public.kinds ADD COLUMN added text DEFAULT 'none'; ALTER TABLE public.kinds RENAME COLUMN t TO words;
UPDATE public.kinds SET m = 'glad', added = NULL WHERE id = 1},
	q{ALTER TABLE public.kinds DROP COLUMN by; ALTER TABLE public.entry ALTER account TYPE bigint; INSERT INTO public.entry VALUES (5000000000, 1)},
	q{BEGIN; TRUNCATE public.entry; INSERT INTO public.entry VALUES (1, 2), (1, 2); COMMIT});

# Rows of one of the tables, as lines.
sub text_of
{
	my ($node, $table, $database) = @_;
	return ask($node, "SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; SET bytea_output = 'hex'; SET client_encoding = 'UTF8';"
		. "SELECT to_jsonb(t) FROM public.$table t ORDER BY t::text COLLATE \"C\"", $database) . "\n";
}

1;

# Configuration files that were changed at random: whatever comes of it, no backend crashes, an
# error leaves everything as it was, and what is loaded is there: a second time there is nothing
# to do, and what is written of it comes to the same.  DBSYNC_TEST_MUTATIONS: how many.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(random_below);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $mutations = $ENV{DBSYNC_TEST_MUTATIONS} // 300;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nclient_min_messages = error\nlog_min_messages = fatal\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION dbsync;
	CREATE TABLE a (id int PRIMARY KEY, name text, data jsonb);
	CREATE TABLE b (id int PRIMARY KEY, "B ;]" text);
	CREATE TABLE c (x int NOT NULL, y int NOT NULL); CREATE INDEX ON c (x); CREATE INDEX ON c (y);
	CREATE SEQUENCE s;
	SELECT dbsync.create_target('t', 'postgresql://host.invalid/db');
	SELECT dbsync.create_subscription('old', 't', tables => '{b}');
	-- everything that a configuration is about
	CREATE FUNCTION state() RETURNS text LANGUAGE sql AS $$
		SELECT md5(dbsync.dump_config() || (SELECT string_agg(m::text, ';' ORDER BY m::text) FROM pg_user_mappings m)
			|| (SELECT string_agg(t::text, ';' ORDER BY t::text) FROM dbsync.subscription t)
			|| coalesce((SELECT string_agg(t::text, ';' ORDER BY t::text) FROM dbsync.subscription_table t), '')
			|| coalesce((SELECT string_agg(t::text, ';' ORDER BY t::text) FROM dbsync.captured_table t), '')) $$;
	CREATE TABLE outcome (n int, what text, detail text);
	-- a step of it that goes wrong is an outcome; what was loaded is taken back
	CREATE PROCEDURE try(n int, config text, prune boolean) LANGUAGE plpgsql AS $$
	DECLARE
		before text := state();
		what text := 'loaded';
		detail text;
		dumped text;
		steps text[];
	BEGIN
		BEGIN
			steps := ARRAY(SELECT l::text FROM dbsync.load_config(config, dry_run => true, prune => try.prune) l);
			IF steps <> ARRAY(SELECT l::text FROM dbsync.load_config(config, prune => try.prune) l) THEN
				what := 'not as the dry run said';
			END IF;
			steps := ARRAY(SELECT l::text FROM dbsync.load_config(config, prune => try.prune) l);
			IF steps <> '{}' THEN
				what := 'done again'; detail := steps;
			END IF;
			dumped := dbsync.dump_config();
			steps := ARRAY(SELECT l::text FROM dbsync.load_config(dumped) l);
			IF steps <> '{}' OR dumped <> dbsync.dump_config() THEN
				what := 'not as written'; detail := steps;
			END IF;
			RAISE EXCEPTION USING ERRCODE = 'UNDO0';
		EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
			NULL;
		WHEN OTHERS THEN
			what := CASE WHEN what <> 'loaded' THEN what WHEN sqlstate = 'XX000' THEN 'internal error' WHEN dumped IS NOT NULL THEN 'not readable'
				WHEN sqlerrm ~ '^line [0-9]+: ' THEN 'refused' ELSE 'refused without a line' END;
			detail := coalesce(detail, sqlstate || ' ' || sqlerrm);
		END;
		IF before <> state() THEN
			what := 'half applied';
		END IF;
		INSERT INTO outcome VALUES (n, what, detail);
	END $$});

my @base = (
	'# a comment', '[dbsync]', 'version = 1', '', '[target t]', 'host = host.invalid', 'dbname = db', 'user = me', 'password = |se;cret #',
	'[target "O;]"]', 'uri = postgresql://me@host.invalid:5433/x?sslmode=require', 'application_name = | two', '    |lines',
	'[subscription old]', 'target = t', 'ddl = apply', '[subscription "N ]"]  ; new', 'target = "O;]"', 'schemas = public', 'except_tables = public.a, public."no"',
	'copy_data = no', 'create_missing = yes', 'on_partition_drop = delete', 'forward = local',
	'[table old / public.a]', 'columns = id, "left"(name, 2) AS n,', '    data #>> \'{a,b}\' AS d', 'filter = name <> \'x ;]\'', '    AND id > 3', 'target_table = far."A"',
	'[table old / public.b]', 'operations = insert, update', 'existing_rows = keep', 'capture = trigger',
	'[table old / public.c]', 'key = x', '[table "N ]" / public.c]', 'key = x', '[sequence old / public.s]', 'target_sequence = far.s');
my @tokens = ('[', ']', '=', ';', '#', '"', "'", '|', ',', '.', '/', ' ', "\t", "\n", "\r\n", '{', '}', '(', ')', '\\', 'U&"\\0041"', '$x$', '-- ', '/*', 'null', 'x' x 70,
	'[subscription old]', '[table old / public.c]', 'target = t', 'filter = true', 'yes', "\xc3\xa9", 'E\'\\\'', '0', 'options.a = 1', 'columns = *', 'key = y', 'all_tables = yes');

sub mutate
{
	my @lines = @base;
	foreach (0 .. random_below(3))
	{
		my $at = random_below(scalar @lines);
		my $kind = random_below(7);
		if ($kind == 0) { splice @lines, $at, 1; }
		elsif ($kind == 1) { splice @lines, random_below(scalar @lines), 0, $lines[$at]; }
		elsif ($kind == 2) { my ($line) = splice @lines, $at, 1; splice @lines, random_below(@lines + 1), 0, $line; }
		elsif ($kind == 3) { my $place = random_below(length($lines[$at]) + 1); substr($lines[$at], $place, 0) = $tokens[ random_below(scalar @tokens) ]; }
		elsif ($kind == 4) { my $place = random_below(length($lines[$at]) + 1); substr($lines[$at], $place, random_below(4)) = ''; }
		elsif ($kind == 5) { splice @lines, $at, 0, $tokens[ random_below(scalar @tokens) ]; }
		else { $#lines = $at; }
		@lines = ('') unless @lines;
	}
	return join "\n", @lines;
}

for (my $n = 0; $n < $mutations; $n += 100)
{
	my $script = join '', map { my $text = $_ ? mutate() : join("\n", @base); sprintf "CALL try(%d, \$mutated\$%s\$mutated\$, %s);\n", $n + $_, $text, random_below(2) ? 'true' : 'false' } 0 .. 99;
	my ($status, undef, $error) = $node->psql('postgres', $script, on_error_stop => 0);
	ok($status == 0 && $error eq '', "mutations from $n: no crash") or diag(substr($error, 0, 1000));
}
# a shared table, of whose key one section says nothing, at length
my $empty = join("\n", @base) =~ s/(\[table "N \]" \/ public\.c\]\nkey =) x/$1/r;
isnt($empty, join("\n", @base), 'there is such a section');
$node->safe_psql('postgres', "CALL try(-1, \$mutated\$$empty\$mutated\$, false)");
is($node->safe_psql('postgres', 'SELECT what FROM outcome WHERE n = -1'), 'loaded', 'an empty key asks for none');
my $outcomes = $node->safe_psql('postgres', 'SELECT what, count(*) FROM outcome GROUP BY what ORDER BY what');
note($outcomes);
is($node->safe_psql('postgres', q{SELECT n, what, left(detail, 300) FROM outcome WHERE what NOT IN ('loaded', 'refused') ORDER BY n LIMIT 10}), '',
	'nothing half applied, nothing done twice, all errors with their lines');
like($outcomes, qr/^loaded\|/m, 'some were loaded');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT what) FROM outcome WHERE n % 100 = 0'), '1', 'and the file as it is');
like($outcomes, qr/^refused\|/m, 'some were refused');
$node->stop;
DbsyncTest::finish();

# A schema that nobody here has written: PostgreSQL's own regression database, with a rule for all tables
# that is made afterwards, and with one that was made before, so that all of its DDL runs through it.  Whatever can be captured
# flows, and the rest is in dbsync.refused with a reason that is right; whole tables at both ends.
#
# Its inputs come with PostgreSQL's sources and not with its packages.  DBSYNC_REGRESS_INPUTS names src/test/regress
# of the server's version, with regress.so made from regress.c (docs/testing.md).
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(becomes_true uri_of);
use File::Copy qw(copy);
use PostgreSQL::Test::Utils;
use Test::More;

my $inputs = $ENV{DBSYNC_REGRESS_INPUTS};

if (!defined $inputs || !-e "$inputs/parallel_schedule" || !-e "$inputs/regress.so")
{
	plan skip_all => 'DBSYNC_REGRESS_INPUTS names no src/test/regress with a regress.so';
}

# what a table of a rule may be refused for there
my $right = qr/ is unlogged$| has no columns that could be sent$| is a foreign table$|rows of table .* are too wide to be captured$/;

my $sums = <<'SQL';
CREATE FUNCTION public.dbsync_sums(names text[]) RETURNS SETOF text LANGUAGE plpgsql
    SET "DateStyle" = 'ISO' SET "IntervalStyle" = 'postgres' SET "TimeZone" = 'UTC' SET extra_float_digits = 3 SET lc_monetary = 'C'
    SET bytea_output = 'hex' SET search_path = '' AS $$
DECLARE
    name text;
    n text;
BEGIN
    FOREACH name IN ARRAY names LOOP
        EXECUTE format('SELECT count(*) || '' '' || coalesce(md5(string_agg(pg_catalog.to_jsonb(x)::text, '','' ORDER BY pg_catalog.to_jsonb(x)::text COLLATE "C")), '''') FROM %s %s x',
            CASE (SELECT c.relkind FROM pg_class c WHERE c.oid = name::regclass) WHEN 'r' THEN 'ONLY' ELSE '' END, name) INTO n;
        RETURN NEXT name || ' ' || n;
    END LOOP;
END $$;
SQL

sub try_with
{
	my ($when) = @_;
	my $pair = DbsyncTest->new(prefix => "${when}_",
		source_conf => "max_prepared_transactions = 10\nmax_connections = 60\ndbsync.retention_interval = 1s\n",
		target_conf => "max_connections = 60\n");
	my ($source, $target) = ($pair->source, $pair->target);
	my $dir = PostgreSQL::Test::Utils::tempdir($when);
	my @at = ('-h', $source->host, '-p', $source->port);
	my $make_rule = sub {
		my $uri = uri_of($target, database => 'regression');

		$source->safe_psql('regression', "CREATE EXTENSION dbsync; SELECT dbsync.create_target('far', '$uri');"
			  . " SELECT dbsync.create_subscription('all', 'far', all_tables => true, existing_rows => 'truncate')");
	};

	$source->safe_psql('postgres', 'CREATE DATABASE regression TEMPLATE template0');
	$source->safe_psql('postgres', "ALTER DATABASE regression SET lc_messages = 'C'; ALTER DATABASE regression SET bytea_output = 'hex'");
	$make_rule->() if $when eq 'before';

	# what its tests say differs a little by version, and by our triggers in \d: it is not looked at
	system("cp -r '$inputs' '$dir/regress'") == 0 or die 'cannot copy the inputs';
	chdir "$dir/regress" or die "cannot go there: $!";
	system($ENV{PG_REGRESS}, '--inputdir=.', '--outputdir=.', '--bindir=', '--dlpath=.', '--use-existing', '--dbname=regression',
		'--host=' . $source->host, '--port=' . $source->port, '--user=' . $source->safe_psql('postgres', 'SELECT current_user'),
		'--schedule=./parallel_schedule', '--max-connections=6');
	chdir '/';
	$make_rule->() if $when eq 'after';

	# --- the target: its tables, without what would write there, and without what they do not satisfy themselves

	my $list = `pg_dump @at -s -Fc -d regression -f '$dir/schema' && pg_restore -l '$dir/schema'`;
	append_to_file("$dir/list", join "\n",
		grep { !/ (TRIGGER|RULE|EVENT TRIGGER|PUBLICATION|SUBSCRIPTION|EXTENSION|SERVER|USER MAPPING|FOREIGN TABLE) | dbsync_internal / } split(/\n/, $list), '');
	system("pg_dumpall @at -r | grep -v 'CREATE ROLE \"\\?" . $source->safe_psql('postgres', 'SELECT current_user') . "' | psql -X -q -h "
		  . $target->host . ' -p ' . $target->port . ' -d postgres >/dev/null 2>&1');
	$target->safe_psql('postgres', 'CREATE DATABASE regression TEMPLATE template0');
	system("pg_restore -L '$dir/list' -h " . $target->host . ' -p ' . $target->port . " -d regression '$dir/schema'");
	$target->safe_psql('regression', q{DO $$ DECLARE c record; BEGIN
		FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint WHERE NOT convalidated AND conrelid <> 0 AND coninhcount = 0 LOOP
			EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', c.t, c.conname);
		END LOOP; END $$});

	$source->safe_psql('regression', "SELECT dbsync.start_subscription('all')");
	ok(becomes_true($source, "SELECT count(*) > 300 AND bool_and(state = 'live') FROM dbsync.table_status", 'regression'), "$when: all tables are live")
	  or diag($source->safe_psql('regression', "SELECT state, \"table\", held_for, note FROM dbsync.table_status WHERE state <> 'live';"
			. ' SELECT state, last_error, last_error_detail FROM dbsync.status'));
	my @refused = split /\n/, $source->safe_psql('regression', 'SELECT reason FROM dbsync.refused ORDER BY 1');
	is(join("\n", grep { !/$right/ } @refused), '', "$when: what is refused is refused for a right reason");
	note("$when: refused: $_") foreach @refused;

	$_->safe_psql('regression', $sums) foreach $source, $target;
	my $names = $source->safe_psql('regression',
		q{SET search_path = ''; SELECT array_agg(t."table"::text ORDER BY t.target_table) FROM dbsync.table_status t WHERE t.state = 'live' AND t."table"::text = t.target_table});
	(my $quoted = $names) =~ s/'/''/g;
	my $here = $source->safe_psql('regression', "SELECT public.dbsync_sums('$quoted')");
	is($target->safe_psql('regression', "SELECT public.dbsync_sums('$quoted')"), $here, "$when: whole tables are the same");
	note("$when: " . scalar(split /\n/, $here) . ' tables');
	unlike(slurp_file($source->logfile), qr/deadlock detected.*\n.*\n.*dbsync|tables that rules of subscriptions have could not/, "$when: nothing went wrong on the way");
	return;
}

try_with($_) foreach qw(after before);
DbsyncTest::finish();

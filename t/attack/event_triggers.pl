# Event triggers that are in a database before dbsync is, or before a table is added:
# they change each new table, or refuse what we make.  Capture installs right or refuses
# with words that name them; what users write does not fail, then or later (P7).
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(quoted uri_of);
use DbsyncTest::Pairs qw(both ends new_pair refused runs same source steps target);
use Test::More;

ends();
source()->safe_psql('postgres', 'CREATE ROLE other');

my $n = 0;

# SQL of an event trigger "meddle" with the body that is given.
sub meddle
{
	my ($event, $body) = @_;
	return <<"SQL";
CREATE OR REPLACE FUNCTION public.meddle() RETURNS event_trigger LANGUAGE plpgsql AS \$f\$
DECLARE r record;
BEGIN
    $body
END \$f\$;
CREATE EVENT TRIGGER meddle ON $event EXECUTE FUNCTION public.meddle();
SQL
}

# Makes an event trigger, and has a table of its own added and worked on.  Returns the
# table's name, and what run_once() said on stderr.
sub with_event_trigger
{
	my ($event, $body) = @_;
	my $table = 'public.e' . ++$n;

	both('events', "CREATE TABLE $table (id int PRIMARY KEY, v text)");
	steps('events', meddle($event, $body) . "SELECT dbsync.create_subscription('sub', 'far', tables => '{$table}')");
	my ($status, $answer, $error) = source()->psql('events', "SELECT dbsync.run_once('sub')");
	return ($table, $error);
}

# Users' statements pass, small ones and large ones, however often.
sub writers_go_on
{
	my ($table, $test, $name) = @_;
	my $sql = <<'SQL';
DELETE FROM TABLE_;
INSERT INTO TABLE_ VALUES (0, 'x');
INSERT INTO TABLE_ SELECT i, repeat('x', 100) FROM generate_series(1, 1000) i;
UPDATE TABLE_ SET v = 'y' WHERE id % 2 = 0;
DELETE FROM TABLE_ WHERE id % 3 = 0;
TRUNCATE TABLE_;
INSERT INTO TABLE_ SELECT i, repeat('x', 100) FROM generate_series(1, 50) i;
SQL

	$sql =~ s/TABLE_/$table/g;
	return runs($name // 'events', $sql, "$test: writers go on");
}

# Worked on, written to, and worked on: both ends are equal.
sub all_is_well
{
	my ($table, $test, $name) = @_;
	my $once = "SELECT dbsync.run_once('sub')";

	$name //= 'events';
	runs($name, $once, "$test: worked on");
	writers_go_on($table, $test, $name);
	runs($name, $once, "$test: sent");
	same($name, $table, "$test: the same at both ends");
	return;
}

# What a case leaves behind goes, so that each begins anew.
sub clear
{
	steps('events', "DROP EVENT TRIGGER IF EXISTS meddle; SELECT dbsync.drop_subscription('sub')");
	return;
}

my $each = "FOR r IN SELECT * FROM pg_event_trigger_ddl_commands() LOOP IF r.command_tag = 'CREATE TABLE' THEN %s END IF; END LOOP;";
my %spoils = (
	'adds a column' => 'ALTER TABLE %s ADD audited_at timestamptz DEFAULT now()',
	'adds a generated column' => 'ALTER TABLE %s ADD g int GENERATED ALWAYS AS (1) STORED',
	'adds a column and drops it' => 'ALTER TABLE %s ADD g int, ADD h int; ALTER TABLE %1$s DROP g, DROP h',
	'changes the owner' => 'ALTER TABLE %s OWNER TO other',
	'adds a trigger' => 'CREATE TRIGGER audit AFTER INSERT ON %s EXECUTE FUNCTION public.audit()',
	'adds a row trigger' => 'CREATE TRIGGER audit BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION public.audit()',
	'adds a rule' => 'CREATE RULE nothing AS ON DELETE TO %s DO INSTEAD NOTHING',
	'adds a check' => 'ALTER TABLE %s ADD CONSTRAINT never CHECK (false) NOT VALID',
	'adds an index' => 'CREATE INDEX ON %s ((tableoid + 1))',
	'switches on row security' => 'ALTER TABLE %s ENABLE ROW LEVEL SECURITY',
	'makes it unlogged' => 'ALTER TABLE %s SET UNLOGGED',
	'moves it' => 'ALTER TABLE %s SET SCHEMA public',
	'renames it' => 'ALTER TABLE %s RENAME TO renamed',
	'drops it' => 'DROP TABLE %s');

sub body_of
{
	my ($what) = @_;
	return sprintf($each, "EXECUTE format('$spoils{$what}', r.object_identity);");
}

new_pair('events');
my $audit = "CREATE FUNCTION public.audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'";
steps('events', $audit);

# --- before the subscription

my $refused = qr/table .*was changed as it was made|does not exist/;

foreach my $what (sort keys %spoils)
{
	my ($table, $error) = with_event_trigger('ddl_command_end', body_of($what));
	my $test = "P7: event trigger that $what";

	like($error, $refused, "$test: refused");
	like($error, qr/meddle/, "$test: it is named") if $error =~ /was changed/;
	writers_go_on($table, $test);
	steps('events', 'ALTER EVENT TRIGGER meddle DISABLE');
	all_is_well($table, "$test, cured");
	# later segments are looked at, too
	steps('events', 'ALTER EVENT TRIGGER meddle ENABLE');
	source()->psql('events', "SELECT dbsync.run_once('sub')");
	writers_go_on($table, "$test, later");
	steps('events', 'DROP EVENT TRIGGER meddle');
	all_is_well($table, "$test, gone");
	clear();
}

# --- of any table; or of triggers, of which they are not told

foreach my $case (
	[ 'ddl_command_end', "FOR r IN SELECT * FROM pg_event_trigger_ddl_commands() LOOP IF r.command_tag = 'CREATE TRIGGER' THEN EXECUTE format('ALTER TABLE %s DISABLE TRIGGER ALL', (SELECT t.tgrelid::regclass FROM pg_trigger t WHERE t.oid = r.objid)); END IF; END LOOP;", undef, 'switches triggers off' ],
	[ 'ddl_command_start', "IF tg_tag = 'CREATE TABLE' THEN RAISE EXCEPTION 'no tables on Fridays'; END IF;", qr/no tables on Fridays/, 'refuses tables' ],
	[ 'ddl_command_end', "IF tg_tag = 'CREATE TRIGGER' THEN RAISE EXCEPTION 'no triggers here'; END IF;", undef, 'refuses triggers' ])
{
	my ($event, $body, $words, $what) = @$case;
	my ($table, $error) = with_event_trigger($event, $body);

	if (defined $words)
	{
		like($error, $words, "P7: event trigger that $what: refused");
		writers_go_on($table, "P7: event trigger that $what");
	}
	else
	{
		all_is_well($table, "P7: event trigger that $what");
	}
	steps('events', 'DROP EVENT TRIGGER meddle');
	all_is_well($table, "P7: event trigger that $what, gone");
	clear();
}

# --- what does no harm

{
	my ($table, $error) = with_event_trigger('ddl_command_end',
		sprintf($each, "EXECUTE format('COMMENT ON TABLE %s IS %L', r.object_identity, 'seen'); EXECUTE format('GRANT SELECT ON %s TO other', r.object_identity);")
		  . " RAISE NOTICE 'seen';");

	all_is_well($table, 'P7: comments and grants');
	is(source()->safe_psql('events', "SELECT count(*) FROM dbsync.segment s JOIN pg_class c ON c.oid = s.relid WHERE s.captured_id <> 0 AND c.relacl::text LIKE '%other%'"),
		'0', 'P7: what was granted is taken away');
}

# --- before CREATE EXTENSION

$_->safe_psql('postgres', 'CREATE DATABASE before') foreach source(), target();
both('before', 'CREATE TABLE public.e (id int PRIMARY KEY, v text)');
steps('before', $audit);
foreach my $what (sort keys %spoils)
{
	my $test = "P7: CREATE EXTENSION where an event trigger $what";

	steps('before', meddle('ddl_command_end', body_of($what)));
	my $error = refused('before', 'CREATE EXTENSION dbsync',
		qr/table .*was changed as it was made|does not exist|violates check constraint "never"/, $test);
	like($error, qr/meddle/, "$test: it is named") if $error =~ /was changed/;
	steps('before', 'DROP EVENT TRIGGER meddle');
}
steps('before', meddle('ddl_command_end', body_of('adds a column')), 'ALTER EVENT TRIGGER meddle DISABLE',
	'CREATE EXTENSION dbsync',
	sprintf("SELECT dbsync.create_target('far', %s)", quoted(uri_of(target(), database => 'before'))),
	"SELECT dbsync.create_subscription('sub', 'far', tables => '{public.e}')");
all_is_well('public.e', 'P7: event trigger of before, disabled', 'before');

DbsyncTest::finish();

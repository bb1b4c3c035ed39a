# Copies of a database whose subscriptions have rules: a dump that is restored, and a TEMPLATE, know the rules by
# names, and are dormant.  adopt() has them be about what has these names there.  And tables that an
# extension's script makes: what is captured of them is none of the extension's (hazard 38).
use strict;
use warnings;

use lib 't';
use DbsyncTest ();
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new;
my $source = $pair->source;

$pair->sql(q{
	CREATE SCHEMA "My App";
	CREATE SCHEMA gone;
	CREATE TABLE "My App".item (id int PRIMARY KEY);
	CREATE TABLE "My App".log (id int PRIMARY KEY);
	CREATE UNLOGGED TABLE "My App".quick (id int PRIMARY KEY);
	SELECT dbsync.create_subscription('rules', 'far', schemas => '{My App,gone}', except_tables => ARRAY['"My App".log', '"My App".later']);
	SELECT dbsync.create_subscription('all', 'far', all_tables => true, except_tables => ARRAY['"My App".quick']);
	ALTER SCHEMA "My App" RENAME TO app;
	ALTER TABLE app.log RENAME TO journal;
	DROP SCHEMA gone});

sub tables_of
{
	my ($database, $subscription) = @_;
	return $source->safe_psql($database, "SELECT coalesce(string_agg(c.relid::regclass::text, ' ' ORDER BY c.relid::regclass::text), '') "
		  . 'FROM dbsync.subscription s JOIN dbsync.subscription_table a ON a.subscription_id = s.id '
		  . "JOIN dbsync.captured_table c ON c.id = a.captured_id WHERE s.name = '$subscription'");
}

is(tables_of('postgres', 'rules'), 'app.item', 'what the original has');
is(tables_of('postgres', 'all'), 'app.item app.journal', 'by both rules');

# --- a dump

my $file = PostgreSQL::Test::Utils::tempdir('dump') . '/dump.sql';
$source->safe_psql('postgres', 'CREATE DATABASE dumped');
command_ok([ 'pg_dump', '-h', $source->host, '-p', $source->port, '-f', $file, 'postgres' ], 'dumped');
# others have taken oids meanwhile
$source->safe_psql('dumped', "CREATE SCHEMA s$_; CREATE TABLE s$_.t (id int)") foreach 1 .. 20;
$source->safe_psql('dumped', join '', map { "DROP SCHEMA s$_ CASCADE;" } 1 .. 20);
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', $source->host, '-p', $source->port, '-d', 'dumped', '-f', $file ], 'restored');
$source->safe_psql('postgres', 'CREATE DATABASE twin TEMPLATE postgres');

foreach my $copy (qw(dumped twin))
{
	$source->safe_psql($copy, 'CREATE TABLE app.dormant (id int PRIMARY KEY); INSERT INTO app.dormant VALUES (1)');
	is(tables_of($copy, 'rules'), 'app.item', "$copy: dormant, it takes nothing in");
	$source->safe_psql($copy, 'SELECT dbsync.adopt()');
	$source->safe_psql($copy, $_) foreach (
		'CREATE TABLE app.made (id int PRIMARY KEY)',
		'CREATE TABLE app.later (id int PRIMARY KEY)',
		'CREATE SCHEMA gone CREATE TABLE back (id int PRIMARY KEY)');
	is(tables_of($copy, 'rules'), 'app.item app.made gone.back', "$copy: adopted, its rules are about its own schemas and tables");
	$source->safe_psql($copy, "SELECT dbsync.refresh_subscription('rules')");
	is(tables_of($copy, 'rules'), 'app.dormant app.item app.made gone.back', "$copy: what came meanwhile comes in");
	is($source->safe_psql($copy, "SELECT subscription, \"table\", reason FROM dbsync.refused"), 'rules|app.quick|table app.quick is unlogged',
		"$copy: what was refused is, again");
	like(tables_of($copy, 'all'), qr/app\.item app\.journal app\.later app\.made gone\.back/, "$copy: so are all tables, but for the exception");
	unlike(tables_of($copy, 'all'), qr/quick|dbsync/, "$copy: and for dbsync's own");
	$source->safe_psql($copy, 'SELECT dbsync.uninstall()');
	is($source->safe_psql($copy, 'SELECT count(*) FROM dbsync.subscription_rule'), 0, "$copy: no rule is left");
	$source->safe_psql($copy, 'DROP EXTENSION dbsync');
}
$source->safe_psql('postgres', 'CREATE TABLE app.original (id int PRIMARY KEY)');
is(tables_of('postgres', 'rules'), 'app.item app.original', 'the original goes on');

# --- an extension

SKIP:
{
	skip('pg_partman is not installed', 3) if $pair->sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_partman'") eq '0';
	$pair->sql('CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman');
	like(tables_of('postgres', 'all'), qr/partman\.part_config/, 'tables that an extension makes are in');
	is($pair->sql(q{SELECT count(*) FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
		WHERE d.refclassid = 'pg_extension'::regclass AND e.extname = 'pg_partman' AND d.classid = 'pg_class'::regclass
		  AND d.objid IN (SELECT relid FROM dbsync.segment)}), 0, 'their segments are not the extension\'s');
	$pair->sql('DROP EXTENSION pg_partman');
	unlike(tables_of('postgres', 'all'), qr/partman\./, 'and go with them');
}
$pair->finish;

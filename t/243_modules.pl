# Drivers that are modules of their own are found through the validator of their wrapper, and every way in which
# one can be missing or wrong is an error that says which; nothing of it stops a session, or a worker, of another target.
# The module is t/driver's; of those that come with dbsync it may be that none was built.
use strict;
use warnings;

use File::Copy qw(copy);
use File::Spec;

use lib 't';
use DbsyncTest qw(quoted);
use PostgreSQL::Test::Utils;
use Test::More;

my $installed = `pg_config --pkglibdir` =~ s/\n//r . '/dbsync_file_test.so';
if (!ok(-e $installed, 'the driver is installed (make -C t/driver install)'))
{
	done_testing();
	exit 1;
}

my $pair = DbsyncTest->new;
my $source = $pair->source;
my $folder = File::Spec->rel2abs(PostgreSQL::Test::Utils::tempdir('modules'));

# What a session of its own says, as it is for psql: SQLSTATE first.
sub said
{
	my ($sql) = @_;
	my (undef, $answer, $error) = $source->psql('postgres', "\\set VERBOSITY verbose\n$sql", on_error_stop => 0);

	return $error eq '' ? $answer : $error =~ s/^psql:<stdin>:\d+: //r;
}

# A wrapper that leads to a library of its own, a target of it, and a role's mapping there.
sub wrapper
{
	my ($name, $library) = @_;

	copy($installed, $library) or die "$library: $!" unless -e $library;
	$pair->sql("CREATE FUNCTION public.${name}_validator(text[], oid) RETURNS void LANGUAGE c"
		  . ' AS ' . quoted($library) . ", 'dbsync_file_test_validator'");
	$pair->sql("CREATE FOREIGN DATA WRAPPER $name VALIDATOR public.${name}_validator");
	$pair->sql("CREATE SERVER s_$name FOREIGN DATA WRAPPER $name OPTIONS (folder " . quoted($folder) . ')');
	$pair->sql("CREATE USER MAPPING FOR CURRENT_USER SERVER s_$name");
	return;
}

# --- schemes

like(said(q{SELECT dbsync.create_target('t', 'gopher://here/x')}),
	qr/^ERROR:  22023: there is no driver for targets of scheme "gopher"\nHINT:  Drivers: dbsync_file, dbsync_postgres\.$/m,
	'an unknown scheme: the drivers that there are');
like(said(q{SELECT dbsync.create_target('t', '/srv/shop.db')}), qr/^ERROR:  22023: the address of a target must be a URI/, 'no scheme');
like(said(q{SELECT dbsync.create_target('t', 'sqlite:///srv/shop.db')}),
	qr/^ERROR:  22023: there is no driver for targets of scheme "sqlite"\nDETAIL:  It is in extension "dbsync_sqlite", which this database does not have\.\nHINT:  .*CREATE EXTENSION dbsync_sqlite\.$/m,
	'a scheme whose extension is not there: how to make it');

# --- a module wherever it is

wrapper('dbsync_file_test', "$folder/elsewhere.so");
$pair->sql('CREATE TABLE public.item (id int PRIMARY KEY, name text)');
$pair->sql(q{INSERT INTO public.item SELECT n, 'item ' || n FROM generate_series(1, 100) n});
$pair->subscribe('items', ['public.item'], target => 's_dbsync_file_test');
$pair->start_subscription('items');
$pair->arrives('items', 'a module need not be among the libraries of the server');
like(slurp_file("$folder/target"), qr/item 100$/m, 'rows are there');
like(said(q{SELECT dbsync_internal.parse_uri('dbsync_file_test', 'test://x')}),
	qr/^ERROR:  22023: targets of driver "dbsync_file_test" have no URIs/, 'a driver that knows no URIs');
$pair->stop_subscription('items');

# --- a library that is not there, or not what it should be

# What a session that uses no target must go on to do, and what can be done with one whose driver is not there.
sub others_go_on
{
	my ($name) = @_;

	is(said("SELECT count(*) FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o WHERE s.srvname = 's_$name'"), '1', "$name: options are read");
	like(said('SELECT dbsync.dump_config()'), qr/^driver = $name$/m, "$name: the configuration is written");
	unlike(said(q{SELECT * FROM dbsync.status}), qr/ERROR/, "$name: status is shown");
	is(said(q{SELECT count(*) FROM dbsync.test_target('far')}), '1', "$name: other targets are used");
	return;
}

unlink("$folder/elsewhere.so") or die;
like(said(q{SELECT * FROM dbsync.test_target('s_dbsync_file_test')}),
	qr{^ERROR:  58P01: driver "dbsync_file_test" is not installed\nDETAIL:  could not access file "\Q$folder\E/elsewhere\.so": .*\nHINT:  Install the library of the driver},
	'a library that is missing');
others_go_on('dbsync_file_test');
$pair->start_subscription('items');
$pair->status_becomes('items', q{last_error = 'driver "dbsync_file_test" is not installed' AND next_action ~ '^Install the library'},
	'a worker says so in status');
append_to_file("$folder/elsewhere.so", 'no library at all');
like(said(q{SELECT * FROM dbsync.test_target('s_dbsync_file_test')}),
	qr{^ERROR:  58P01: driver "dbsync_file_test" is not installed\nDETAIL:  could not load library "\Q$folder\E/elsewhere\.so"}, 'a file that is no library');
others_go_on('dbsync_file_test');
unlink("$folder/elsewhere.so") or die;
copy($installed, "$folder/elsewhere.so") or die "elsewhere.so: $!";
$pair->sql(q{INSERT INTO public.item VALUES (101, 'behind it')});
$pair->arrives('items', 'it is installed: the worker goes on by itself');
like(slurp_file("$folder/target"), qr/behind it$/m, 'rows are there');
unlink("$folder/elsewhere.so") or die;
$pair->stop_subscription('items');
is(said(q{SELECT dbsync.drop_subscription('items', force => true)}) =~ /ERROR/, '', 'a subscription can be dropped without it');
is(said(q{SELECT dbsync.drop_target('s_dbsync_file_test')}) =~ /ERROR/, '', 'and a target');

# --- drivers that are none

wrapper('dbsync_other_version', "$folder/version.so");
like(said(q{SELECT * FROM dbsync.test_target('s_dbsync_other_version')}),
	qr/^ERROR:  0A000: driver "dbsync_other_version" was built for another dbsync\nDETAIL:  It has version \d+ of the contract, and this dbsync version \d+\.\nHINT:  Build/,
	'a module of another version');
others_go_on('dbsync_other_version');
wrapper('dbsync_nobody', "$folder/nobody.so");
like(said(q{SELECT * FROM dbsync.test_target('s_dbsync_nobody')}), qr/^ERROR:  0A000: library ".*nobody\.so" has no driver "dbsync_nobody"/, 'a library without this driver');

$pair->sql($_) foreach
  'CREATE FOREIGN DATA WRAPPER dbsync_borrowed VALIDATOR dbsync_internal.postgres_validator',
  'CREATE SERVER s_dbsync_borrowed FOREIGN DATA WRAPPER dbsync_borrowed OPTIONS (host ' . quoted($folder) . ')',
  'CREATE USER MAPPING FOR CURRENT_USER SERVER s_dbsync_borrowed',
  'CREATE FOREIGN DATA WRAPPER dbsync_bare', 'CREATE SERVER s_dbsync_bare FOREIGN DATA WRAPPER dbsync_bare',
  'CREATE USER MAPPING FOR CURRENT_USER SERVER s_dbsync_bare';
like(said(q{SELECT * FROM dbsync.test_target('s_dbsync_borrowed')}),
	qr/^ERROR:  0A000: there is no driver in the library of foreign data wrapper "dbsync_borrowed"/, 'a library without any driver');
like(said(q{SELECT * FROM dbsync.test_target('s_dbsync_bare')}), qr/^ERROR:  42809: foreign server "s_dbsync_bare" is not a target/, 'a wrapper without a library');

# one of ours: what it needs is named
wrapper('dbsync_sqlite', "$folder/lite.so");
unlink("$folder/lite.so") or die;
like(said(q{SELECT * FROM dbsync.test_target('s_dbsync_sqlite')}),
	qr/^ERROR:  58P01: driver "dbsync_sqlite" is not installed\nDETAIL:.*\nHINT:  Install package libsqlite3-0, and build and install dbsync where its headers are\./,
	'a library of ours that is missing: the package');
like(said(q{SELECT dbsync.create_target('t', 'sqlite:///srv/shop.db')}), qr/^ERROR:  58P01: driver "dbsync_sqlite" is not installed/, 'also where a target is made');
others_go_on('dbsync_sqlite');

# one after the other in a session
wrapper('dbsync_file_test_2', "$folder/two.so");
$pair->sql(q{DROP SERVER s_dbsync_other_version CASCADE});
like(said(q{SELECT * FROM dbsync.test_target('s_dbsync_nobody'); SELECT * FROM dbsync.test_target('s_dbsync_file_test_2'); SELECT count(*) AS n FROM dbsync.test_target('far')}),
	qr/no driver "dbsync_nobody".*no driver "dbsync_file_test_2"/s, 'one after the other in a session');

DbsyncTest::finish();

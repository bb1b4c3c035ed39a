# Every built-in type, an enum, domain, composite type, array and range through files, both ways, as text and in binary form, also encrypted:
# whole tables are equal, after first copies, changes, large values that nobody touches, keys that change, TRUNCATE and another column; types that
# are wider at the target, 1 596 columns (as many as can be captured), and names that need care.
use strict;
use warnings;
use utf8;

use lib 't';
use DbsyncTest qw(ask poll_until quoted uri_of);
use DbsyncTest::Bundle qw(run_tool slurp spew);
use DbsyncTest::Receiving;
use DbsyncTest::Types;
use PostgreSQL::Test::Utils;
use Test::More;

my $work = PostgreSQL::Test::Utils::tempdir_short();
my ($made, $said) = run_tool($work, qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=branch -keyout key.pem -out certificate.pem));
die $said unless $made;
my $identity = spew("$work/identity.pem", slurp("$work/key.pem") . slurp("$work/certificate.pem"));
chmod 0600, $identity;

# the way there is encrypted, the way back is not
my $pair = DbsyncTest::Receiving->new(
	gate => "recipients=$work/certificate.pem",
	receiver => { options => quoted(qq({"identity_file": "$identity", "ddl": "apply"})) });
my ($here, $there) = ($pair->source, $pair->target);
my ($back_out, $back_in) = ("$work/out", "$work/in");
my ($major) = $here->safe_psql('postgres', 'SHOW server_version_num') =~ /^(\d+)\d{4}$/;
my @odd = (
	'public."' . 'quote""d %s' . "\n" . '\\! x"',
	'public."' . 'n' x 63 . '"',
	'"odd ""schema"" %"."ta.ble"');
my @tables = ('public.types', 'public.binary', 'public.wider', 'public.wide', 'public.large', @odd);

$pair->both($DbsyncTest::Types::own . "CREATE SCHEMA \"odd \"\"schema\"\" %\";");
$pair->both(table_of_types($_, $major)) foreach 'public.types', 'public.binary';
$pair->both("CREATE TABLE $_ (\"i\"\"d %\" int PRIMARY KEY, \"v\n\\! %s\" text)") foreach @odd;
$pair->both('CREATE TABLE public.wide (c1 int PRIMARY KEY, ' . join(', ', map { "c$_ smallint" } 2 .. 1596) . ')');
$pair->both('CREATE TABLE public.large (id int PRIMARY KEY, n int, big text, other bytea); ALTER TABLE public.large ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL');
$pair->sql('CREATE TABLE public.wider (id int PRIMARY KEY, a smallint, b int, c real, d varchar(5), e date)');
$pair->target_sql('CREATE TABLE public.wider (id bigint PRIMARY KEY, a int, b bigint, c real, d text, e date)');

sub fill
{
	my ($node, $from) = @_;
	foreach my $table ('public.types', 'public.binary')
	{
		foreach my $n (0 .. 3)
		{
			my ($columns, $row) = row_of_values($table, $n, $major);
			$node->safe_psql('postgres', "SET search_path = pg_catalog; INSERT INTO $table (id, $columns" . ($table eq 'public.types' ? ", c_short" : '') . ") SELECT $from + $n, $row" . ($table eq 'public.types' ? ", 'ab'" : ''));
		}
		my $last = $table eq 'public.types' ? ", c_short" : '';
		$node->safe_psql('postgres', "INSERT INTO $table (id$last) VALUES ($from + 9" . ($last ? ", 'x'" : '') . ')');
	}
	$node->safe_psql('postgres', "INSERT INTO $_ VALUES ($from, E'a\\tb\\n\\\\!'), ($from + 1, NULL)") foreach @odd;
	$node->safe_psql('postgres', "INSERT INTO public.wide (c1, c2, c1595, c1596) SELECT $from + i, i, NULL, -i FROM generate_series(0, 5) i");
	$node->safe_psql('postgres', "INSERT INTO public.large SELECT $from + i, i, repeat(md5(i::text), 500), decode(repeat(md5(i::text), 500), 'hex') FROM generate_series(0, 5) i");
	$node->safe_psql('postgres', "INSERT INTO public.wider SELECT $from + i, i, -i, i / 3.0, 'v' || i, date '2026-01-01' + i FROM generate_series(0, 5) i");
	return;
}

sub same
{
	my ($what) = @_;
	note($what);
	foreach my $table (@tables)
	{
		DbsyncTest::Server::same_rows($here, $there, $table, "$what: " . ($table =~ s/\W/_/gr));
	}
	return;
}

fill($here, 100);
$pair->subscribe('s', \@tables, target => 'gate', ddl => "'apply'");
$pair->start_subscription('s');
$pair->start_receiver;
$pair->travels('s', 'first copies');
same('first copies');

fill($here, 200);
foreach my $table ('public.types', 'public.binary')
{
	foreach my $n (0 .. 2)
	{
		my ($columns, $row) = row_of_values($table, $n + 1, $major);
		$pair->sql("UPDATE $table SET ($columns) = ROW($row) WHERE id = 100 + $n");
	}
	$pair->sql("UPDATE $table SET id = 1000 + id WHERE id IN (103, 200); DELETE FROM $table WHERE id = 201");
}
$pair->sql("UPDATE public.large SET n = n + 1; UPDATE public.large SET id = id + 1000, other = NULL WHERE id % 2 = 0");
$pair->sql("UPDATE public.wide SET c800 = c1; UPDATE public.wide SET c1 = c1 + 1000 WHERE c2 = 3; DELETE FROM public.wide WHERE c2 = 4");
$pair->sql("UPDATE public.wider SET a = 32767, b = -2147483648, d = NULL WHERE id % 2 = 0");
$pair->sql("UPDATE $_ SET \"i\"\"d %\" = \"i\"\"d %\" + 1000 WHERE \"i\"\"d %\" = 100; DELETE FROM $_ WHERE \"i\"\"d %\" = 201") foreach @odd;
$pair->travels('s', 'changes');
same('changes');

$pair->sql("BEGIN; TRUNCATE public.types, public.binary, $odd[0]; COMMIT");
fill($here, 300);
$pair->sql('ALTER TABLE public.types ADD COLUMN added public.mood; ALTER TABLE public.large RENAME n TO m; UPDATE public.types SET added = \'sad\'; UPDATE public.large SET m = -m');
$pair->travels('s', 'TRUNCATE, and other columns');
same('TRUNCATE, and other columns');

# --- back, by another outbox, in the clear
$pair->stop_subscription('s');
$pair->stop_receiver;
$pair->target_sql("SELECT dbsync.create_target('gate', 'file://$back_out')");
my $key = $pair->target_sql("SELECT dbsync.public_key('gate')");
$pair->sql("SELECT dbsync.create_target('here', " . quoted(uri_of($here)) . ')');
$pair->sql("SELECT dbsync.create_receiver('in', 'file://$back_in', 'here', ARRAY[" . quoted($key) . ']);');
# not those that are narrower here
my @back = grep { $_ ne 'public.wider' } @tables;
$pair->target_sql("SELECT dbsync.create_subscription('back', 'gate', tables => ARRAY[" . join(', ', map { quoted($_) } @back) . '], copy_data => false, ddl => $$apply$$)');
$pair->target_sql("SELECT dbsync.start_subscription('back')");
@tables = @back;

sub travels_back
{
	my ($what) = @_;
	my (undef, $answer, $error) = DbsyncTest::Server::wait_for($there, 'back', 'postgres');
	is($answer, 't', "$what: is out") or diag($error, ask($there, 'SELECT to_json(s) FROM dbsync.status s'));
	mkdir $_ foreach $back_in, "$back_in/in";
	rename($_, "$back_in/in/" . ($_ =~ s{.*/}{}r)) or die $! foreach DbsyncTest::Receiving::files_of("$back_out/out");
	my ($status, $played, $said_back) = $here->psql('postgres', "SELECT dbsync.receive_once('in')");
	cmp_ok($played || 0, '>', 0, "$what: is played") or diag($said_back, ask($here, 'SELECT to_json(r) FROM dbsync.receivers r'));
	return;
}

# from when they are captured
is((DbsyncTest::Server::wait_for($there, 'back', 'postgres'))[1], 't', 'the way back is captured');
fill($there, 400);
$pair->target_sql("UPDATE public.large SET m = m + 7; UPDATE public.types SET added = NULL; DELETE FROM public.binary WHERE id < 302; UPDATE public.wide SET c1596 = 5; UPDATE $odd[2] SET \"i\"\"d %\" = \"i\"\"d %\" + 5000");
travels_back('back');
same('back');
$pair->target_sql('TRUNCATE public.binary; INSERT INTO public.binary (id) VALUES (1)');
travels_back('TRUNCATE back');
same('TRUNCATE back');

$pair->finish;

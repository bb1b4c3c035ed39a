# Hazards 36, 38, 46 and 54: a copy of the database, by pg_dump or by TEMPLATE,
# is dormant: it captures nothing, sends nothing, and its users can write.
# adopt() makes it a source of its own.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until uri_of);
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new;
my $source = $pair->source;

$pair->both('CREATE TABLE public.item (id int PRIMARY KEY, t text)');
$pair->both('CREATE SEQUENCE public.number');
$pair->sql("INSERT INTO public.item SELECT nextval('public.number'), 'x' FROM generate_series(1, 100) i");
$pair->subscribe('item', ['public.item']);
$pair->sql("SELECT dbsync.add_sequence('item', 'public.number')");
$pair->start_subscription('item');
$pair->arrives('item', 'the original arrives');
my $before = DbsyncTest::fingerprint($pair->target, 'public.item');

# Tests of one copy of the database: dormant, then adopted.
sub copy_is_dormant
{
	my ($name) = @_;

	$source->safe_psql($name, $_) foreach (
		"INSERT INTO public.item VALUES (1000, '$name')",
		"UPDATE public.item SET t = '$name' WHERE id < 10",
		'DELETE FROM public.item WHERE id BETWEEN 10 AND 20',
		"BEGIN; INSERT INTO public.item VALUES (1001, 'two-phase'); PREPARE TRANSACTION 'p'",
		"COMMIT PREPARED 'p'");
	pass("$name: its users can write");
	ok($source->poll_query_until($name,
			"SELECT bool_and(pid IS NULL AND next_action ~ 'adopt') FROM dbsync.status"),
		"$name: status says that it is dormant, and names adopt()");
	my ($status, undef, $error) = $source->psql($name, "SELECT dbsync.run_once('item')");
	isnt($status, 0, "$name: run_once is refused");
	like($error, qr/adopt/, "$name: with the name of the way out");
	$pair->sql('UPDATE public.item SET t = t WHERE id = 1');
	$pair->arrives('item', "$name: the original goes on");
	is(DbsyncTest::fingerprint($pair->target, 'public.item'), $before,
		"$name: nothing of the copy is at the target");
	return;
}

# After adopt() the copy is a source of its own, with a target of its own.
sub copy_is_adopted
{
	my ($name) = @_;

	$source->safe_psql($name, $_) foreach (
		'SELECT dbsync.adopt()',
		"SELECT dbsync.drop_subscription('item', force => true)");
	$pair->target->safe_psql('postgres', "CREATE DATABASE ${name}_far");
	$pair->target->safe_psql("${name}_far", 'CREATE TABLE public.item (id int PRIMARY KEY, t text)');
	my $uri = uri_of($pair->target, database => "${name}_far");
	$source->safe_psql($name, $_) foreach (
		"SELECT dbsync.create_target('mine', '$uri')",
		"SELECT dbsync.create_subscription('own', 'mine', tables => ARRAY['public.item'])",
		"SELECT dbsync.start_subscription('own')");
	is((DbsyncTest::Server::wait_for($source, 'own', $name))[1], 't',
		"$name: adopted, it has a subscription of its own");
	my $fingerprint = "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM public.item t";
	is($pair->target->safe_psql("${name}_far", $fingerprint), $source->safe_psql($name, $fingerprint),
		"$name: that arrives");
	$pair->sql('UPDATE public.item SET t = t WHERE id = 1');
	$pair->arrives('item', "$name: and the original is not disturbed");
	is(DbsyncTest::fingerprint($pair->target, 'public.item'), $before,
		"$name: nothing of the copy is at the original's target");
	return;
}

# --- a dump that is restored into the same cluster

$source->safe_psql('postgres', 'CREATE DATABASE dumped');
my $file = PostgreSQL::Test::Utils::tempdir('dump') . '/dump.sql';
command_ok([ 'pg_dump', '-h', $source->host, '-p', $source->port, '-f', $file, 'postgres' ],
	'pg_dump of a captured database');
command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-h', $source->host, '-p', $source->port,
		'-d', 'dumped', '-f', $file ], 'and its restore');
unlike(slurp_file($file), qr/COPY dbsync_internal\.(segment|header)_/,
	'what is captured is not in the dump');
copy_is_dormant('dumped');

# --- a parallel restore loads tables in any order

my $archive = PostgreSQL::Test::Utils::tempdir('archive') . '/dump';
command_ok([ 'pg_dump', '-Fc', '-h', $source->host, '-p', $source->port, '-f', $archive, 'postgres' ],
	'pg_dump, as an archive');
foreach my $round (1 .. 3)
{
	$source->safe_psql('postgres', "CREATE DATABASE parallel_$round");
	command_ok([ 'pg_restore', '-j', '4', '-h', $source->host, '-p', $source->port, '-d', "parallel_$round", $archive ],
		'its restore by four sessions');
	is($source->safe_psql("parallel_$round", 'SELECT subscription, "table" FROM dbsync.table_status'),
		'item|item', 'the subscription has its table');
	is($source->safe_psql("parallel_$round", 'SELECT subscription, sequence, value_there IS NULL FROM dbsync.sequence_status'),
		'item|number|t', 'and its sequence, of whose target nothing is known');
}

# --- a dump of the schema alone, as migration tools keep it: no subscription is in it,
# but its triggers are, and the functions that say whose the subscriptions were

$source->safe_psql('postgres', 'CREATE DATABASE bare');
my $schema = PostgreSQL::Test::Utils::tempdir('schema') . '/dump.sql';
command_ok([ 'pg_dump', '-s', '-h', $source->host, '-p', $source->port, '-f', $schema, 'postgres' ],
	'pg_dump of the schema alone');
command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-h', $source->host, '-p', $source->port,
		'-d', 'bare', '-f', $schema ], 'and its restore');
$source->safe_psql('bare', $_) foreach (
	"INSERT INTO public.item VALUES (1, 'bare')",
	'CREATE ROLE heir SUPERUSER',
	"SET ROLE heir; SELECT dbsync.create_target('his', '" . uri_of($pair->target) . "');"
	  . " SELECT dbsync.create_subscription('own', 'his', tables => ARRAY['public.item'])");
is($source->safe_psql('bare', 'SELECT subscription, owner FROM dbsync.status'), 'own|heir',
	'a subscription can be made there, and belongs to who makes it');
$source->safe_psql('bare', "SELECT dbsync.drop_subscription('own')");
is($source->safe_psql('bare',
		"SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.item'::regclass"), '0',
	'dropped, it leaves no triggers');

# --- a copy by TEMPLATE, for which the original has to be quiet

$pair->stop_subscription('item');
poll_until(
	sub {
		my ($status) = $source->psql('template1', 'CREATE DATABASE cloned TEMPLATE postgres');
		return $status == 0;
	},
	'CREATE DATABASE TEMPLATE') or BAIL_OUT('cannot copy the database');
$pair->start_subscription('item');
copy_is_dormant('cloned');

# --- neither starts anything when the server starts

$source->restart;
foreach my $name ('dumped', 'cloned')
{
	ok($source->poll_query_until($name,
			'SELECT bool_and(pid IS NULL) FROM dbsync.status'),
		"$name: dormant after a restart");
}
$pair->arrives('item', 'the original comes back');

copy_is_adopted('dumped');
copy_is_adopted('cloned');

# --- the clone goes away without CASCADE

$source->safe_psql('cloned', 'SELECT dbsync.stop_subscription($$own$$)');
$source->safe_psql('cloned', 'SELECT dbsync.uninstall()');
$source->safe_psql('cloned', 'DROP EXTENSION dbsync');
is($source->safe_psql('cloned', "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'dbsync%'"), '0',
	'uninstall and DROP EXTENSION leave nothing behind');

DbsyncTest::finish();

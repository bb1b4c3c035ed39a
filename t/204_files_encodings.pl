# A source in LATIN1 and a target in UTF-8, and the other way, by files: rows, names and keys; what the target's encoding lacks is refused in words,
# and nothing of its batch is played.
use strict;
use warnings;
use utf8;

use lib 't';
use DbsyncTest::Receiving;
use DbsyncTest::Server qw(ask becomes_true new_node uri_of);
use DbsyncTest::Bundle qw(quoted);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('here', preload => 1);
my $work = PostgreSQL::Test::Utils::tempdir_short();
my @databases = ('latin', 'unicode');
my $table = 'public."Größe %"';

sub run
{
	my ($database, $sql) = @_;
	utf8::encode($sql) if utf8::is_utf8($sql);
	return $node->safe_psql($database, "SET client_encoding = 'UTF8'; $sql");
}

foreach my $database (@databases)
{
	my $encoding = $database eq 'latin' ? 'LATIN1' : 'UTF8';
	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	run($database, "CREATE EXTENSION dbsync; CREATE TYPE public.\"Stück\" AS ENUM ('groß', 'klein');"
		. "CREATE TABLE $table (\"schlüssel\" text PRIMARY KEY, v text, n int, m public.\"Stück\", j json)");
}
foreach my $way ([ 'latin', 'unicode' ], [ 'unicode', 'latin' ])
{
	my ($from, $to) = @$way;
	# names are looked at and written between batches, too
	run($from, "SELECT dbsync.create_target('gate', 'file://$work/$from?receivers=in')");
	my $key = run($from, "SELECT dbsync.public_key('gate')");
	run($to, "SELECT dbsync.create_target('here', " . quoted(uri_of($node, database => $to)) . ')');
	run($to, "SELECT dbsync.create_receiver('in', 'file://$work/to_$to', 'here', ARRAY[" . quoted($key) . '])');
}

# What is out goes over, and is played in one round: answer and error.
sub travels
{
	my ($from, $to, $what) = @_;
	is((DbsyncTest::Server::wait_for($node, "von_$from", $from))[1], 't', "$from, $what: is out");
	mkdir $_ foreach "$work/to_$to", "$work/to_$to/in";
	rename($_, "$work/to_$to/in/" . ($_ =~ s{.*/}{}r)) or die $! foreach DbsyncTest::Receiving::files_of("$work/$from/out");
	my ($status, $played, $error) = $node->psql($to, "SET client_encoding = 'UTF8'; SELECT dbsync.receive_once('in')");
	return ($status, $error);
}

sub same
{
	my ($what) = @_;
	my @rows = map { run($_, "SELECT string_agg(t::text, E'\\n' ORDER BY convert_to(t::text, 'UTF8')) FROM $table t") } @databases;
	is($rows[1], $rows[0], $what);
	return;
}

foreach my $way ([ 'latin', 'unicode' ], [ 'unicode', 'latin' ])
{
	my ($from, $to) = @$way;
	run($_, "TRUNCATE $table") foreach $to;
	run($from, "DELETE FROM $table; INSERT INTO $table VALUES ('ä', 'ÿ\\é', 1, 'groß', '{\"ü\": 1}'), ('ö', '', 2, 'klein', NULL), ('ü', NULL, 3, NULL, NULL)");
	my $name = $table;
	my $sql = "SELECT dbsync.create_subscription('von_$from', 'gate', tables => ARRAY[" . quoted($name) . '])';
	run($from, $sql);
	run($from, "SELECT dbsync.start_subscription('von_$from')");
	my ($status, $error) = travels($from, $to, 'copy');
	is($status, 0, "$from, copy: is played") or diag($error);
	same("$from, copy: the same");
	# another life of the worker finds what is kept; silence, and one that lacks something
	$node->restart;
	ok(becomes_true($node, "SELECT state = 'running' AND last_error IS NULL FROM dbsync.status", $from), "$from: goes on after a restart");
	run($from, q{SELECT dbsync.alter_target('gate', options => '{"heartbeat": "300 ms"}')});
	my $newest = run($from, "SELECT max(number) FROM dbsync.bundles('von_$from')");
	ok(becomes_true($node, "SELECT max(number) > $newest + 1 FROM dbsync.bundles('von_$from')", $from), "$from: has heartbeats");
	run($from, q{SELECT dbsync.alter_target('gate', options => '{"heartbeat": "0"}')});
	run($from, "UPDATE $table SET v = 'é' || n WHERE n > 1; UPDATE $table SET \"schlüssel\" = 'Ä' WHERE n = 1; DELETE FROM $table WHERE n = 2; INSERT INTO $table VALUES ('ñ', 'ß', 4, 'groß')");
	($status, $error) = travels($from, $to, 'changes');
	is($status, 0, "$from, changes: are played") or diag($error);
	same("$from, changes: the same");
	if ($to eq 'latin')
	{
		my $before = run($to, "SELECT count(*), max(n) FROM $table");
		run($from, "BEGIN; INSERT INTO $table VALUES ('vor', 'x', 5); INSERT INTO $table VALUES ('本', 'y', 6); COMMIT");
		($status, $error) = travels($from, $to, 'what LATIN1 lacks');
		isnt($status, 0, 'what LATIN1 lacks is refused');
		like($error, qr/has no equivalent in encoding "LATIN1"/, 'in words');
		is(run($to, "SELECT count(*), max(n) FROM $table"), $before, 'and nothing of its batch is played');
		like(run($to, 'SELECT last_error FROM dbsync.receivers'), qr/LATIN1/, 'status says so');
	}
	run($from, "SELECT dbsync.stop_subscription('von_$from'); SELECT dbsync.drop_subscription('von_$from')");
}

# --- a database that says nothing of its encoding: a receiver whose name is no UTF-8 has its receipts written, and heard

$node->safe_psql('postgres', "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
run($_, 'CREATE TABLE public.plain (id int PRIMARY KEY, v text)') foreach 'unicode', 'ascii';
run('unicode', "INSERT INTO public.plain VALUES (1, 'ä'); SELECT dbsync.create_target('far', 'file://$work/far?receivers=caf%25E9')");
run('unicode', "SELECT dbsync.create_subscription('von_unicode', 'far', tables => '{public.plain}'); SELECT dbsync.start_subscription('von_unicode')");
is((DbsyncTest::Server::wait_for($node, 'von_unicode', 'unicode'))[1], 't', 'it is out');
my $name = q{convert_from('\x636166e9', 'SQL_ASCII')};
$node->safe_psql('ascii', 'CREATE EXTENSION dbsync');
$node->safe_psql('ascii', "SELECT dbsync.create_target('here', " . quoted(uri_of($node, database => 'ascii')) . ')');
$node->safe_psql('ascii', "SELECT dbsync.create_receiver($name, 'file://$work/to_ascii', 'here', ARRAY[" . quoted(run('unicode', "SELECT dbsync.public_key('far')")) . '])');
mkdir $_ foreach "$work/to_ascii", "$work/to_ascii/in";
rename($_, "$work/to_ascii/in/" . ($_ =~ s{.*/}{}r)) or die $! foreach DbsyncTest::Receiving::files_of("$work/far/out");
my ($status, $played, $error) = $node->psql('ascii', "SELECT dbsync.receive_once($name)");
is($status, 0, 'SQL_ASCII: is played') or diag($error);
is($node->safe_psql('ascii', "SELECT id, encode(convert_to(v, 'SQL_ASCII'), 'hex') FROM public.plain"), '1|c3a4', 'bytes are those of UTF-8');
my ($receipt) = DbsyncTest::Receiving::files_of("$work/to_ascii/receipts");
like(slurp_file($receipt // '/dev/null'), qr/^dbsync-receipt 1 \S+ \S+ caf%E9 /, 'its receipt names it by its bytes');
rename($receipt, "$work/far/receipts/1") or die $!;
ok(becomes_true($node, q{SELECT bool_or('caf%E9' = ANY (acknowledged)) FROM dbsync.bundles('von_unicode')}, 'unicode'), 'and is heard')
  or diag(run('unicode', q{SELECT to_json(b) FROM dbsync.bundles('von_unicode') b}));
run('unicode', "SELECT dbsync.stop_subscription('von_unicode'); SELECT dbsync.drop_subscription('von_unicode')");

# --- from there: what is UTF-8 travels, what is none is said, and waits until it is mended
run($_, 'CREATE TABLE public.any (id int PRIMARY KEY, v text); CREATE TABLE public.beside (id int PRIMARY KEY)') foreach 'ascii', 'unicode';
run('ascii', "INSERT INTO public.any VALUES (1, 'Grüße'); SELECT dbsync.create_target('gate', 'file://$work/ascii')");
my $ascii_key = run('ascii', "SELECT dbsync.public_key('gate')");
run('unicode', "SELECT dbsync.drop_receiver('in', force => true); SELECT dbsync.create_receiver('in', 'file://$work/of_ascii', 'here', ARRAY[" . quoted($ascii_key) . '])');
run('ascii', "SELECT dbsync.create_subscription('von_ascii', 'gate', tables => ARRAY['public.any', 'public.beside']); SELECT dbsync.start_subscription('von_ascii')");
sub over
{
	my ($from, $to, $test) = @_;
	mkdir $_ foreach "$work/of_$from", "$work/of_$from/in";
	rename($_, "$work/of_$from/in/" . ($_ =~ s{.*/}{}r)) or die $! foreach DbsyncTest::Receiving::files_of("$work/$from/out");
	my ($status, undef, $error) = $node->psql($to, "SET client_encoding = 'UTF8'; SELECT dbsync.receive_once('in')");
	return is($status, 0, "$test: is played") || diag($error);
}
is((DbsyncTest::Server::wait_for($node, 'von_ascii', 'ascii'))[1], 't', 'SQL_ASCII: is out');
over('ascii', 'unicode', 'SQL_ASCII');
is(run('unicode', 'SELECT string_agg(v, $$,$$) FROM public.any'), 'Gr\303\274\303\237e' =~ s/\\(\d{3})/chr oct $1/ger, 'SQL_ASCII: bytes that are UTF-8 are what they are');
run('ascii', q{INSERT INTO public.any VALUES (2, E'\xe9'); INSERT INTO public.beside VALUES (1)});
ok(becomes_true($node, q{SELECT state = 'waiting to retry' AND last_error ~ 'invalid byte sequence for encoding "UTF8"' AND last_error_detail = 'It is a value of table public."any".' FROM dbsync.status}, 'ascii'),
	'SQL_ASCII: what is no UTF-8 is said') or diag(run('ascii', 'SELECT to_json(s) FROM dbsync.status s'));
run('ascii', q{UPDATE public.any SET v = 'mended' WHERE id = 2});
is((DbsyncTest::Server::wait_for($node, 'von_ascii', 'ascii'))[1], 't', 'SQL_ASCII: when it is mended, it goes on');
over('ascii', 'unicode', 'SQL_ASCII, mended');
is(run('unicode', 'SELECT v FROM public.any WHERE id = 2') . run('unicode', 'SELECT count(*) FROM public.beside'), 'mended1', 'SQL_ASCII: and all is there');

ok(!(grep { /TRAP|PANIC|terminated by signal/ } split /\n/, slurp_file($node->logfile)), 'no crash');
done_testing();

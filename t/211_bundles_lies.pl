# Bundles that prove themselves, and lie: somebody has the source's key, and says what cannot be of tables, steps and rows, or names tables that are
# not the source's. Each is refused in words, nothing of it is written, and another chain is played behind it.
use strict;
use warnings;

use lib 't';
use DbsyncTest::Bundle qw(bundle_functions head_text quoted run_tool sign_again slurp spew tar_of);
use DbsyncTest::Server qw(ask becomes_true new_node uri_of);
use Cwd qw(getcwd);
use Digest::SHA ();
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('here', preload => 1);
my $folder = PostgreSQL::Test::Utils::tempdir_short();
my $uuid = '5f1c0000-1111-4222-8333-444455556666';
my $json = JSON::PP->new->canonical;
my %oid = (integer => 23, text => 25);

$node->safe_psql('postgres', 'CREATE EXTENSION dbsync');
bundle_functions($node);
my $public = $node->safe_psql('postgres', "SELECT bundle_test.make_key('$folder/key')");
$node->safe_psql('postgres', 'CREATE TABLE public.wide (id integer PRIMARY KEY, ' . join(', ', map { "c$_ text" } 1 .. 200) . ')');
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE public.t (id integer PRIMARY KEY, v text);
CREATE TABLE public.two (id integer PRIMARY KEY, v text);
CREATE TABLE public.heap (v integer);
INSERT INTO public.t VALUES (-1, 'here before');
INSERT INTO public.two VALUES (-2, 'here before');
SQL

# A table: name, columns ("name type" each), and what else contents.json says of it.
sub table
{
	my ($name, $columns, %other) = @_;
	return {
		id => '00000000-0000-4000-8000-000000000001', source => "public.$name", schema => 'public', table => $name, key => [1], fingerprint => 'ab' x 32,
		columns => [ map { my ($column, $type) = split ' '; +{ name => $column, type => $type, oid => $oid{$type} // 0, typmod => -1 } } @$columns ],
		%other };
}

# A step with rows, which are its member.
sub rows
{
	my ($do, $data, %other) = @_;
	return { do => $do, table => 1, form => 'text', rows => scalar(() = $data =~ /\n/g), bytes => length $data, member => $data, %other };
}

# The bytes of a bundle that is signed, and its hash.
sub signed_bundle
{
	my ($head, $tables, @steps) = @_;
	my $name = sprintf('%s-5f1c0000-%d-%012d', (exists $head->{subscription} ? $head->{subscription}{name} : 'orders') =~ s/[^\w-]/_/gr, $head->{chain}, $head->{number});
	my $n = 0;
	my @members = ({ name => "$name/FORMAT", content => "dbsync bundle 1\n" });
	my @told;
	foreach my $step (@steps)
	{
		my %told = %$step;
		my $data = delete $told{member};
		if (defined $data)
		{
			$told{file} = ++$n . '.copy';
			push @members, { name => "$name/$told{file}", content => $data };
		}
		push @told, \%told;
	}
	push @members, { name => "$name/contents.json", content => $json->encode({ encoding => 'UTF8', tables => $tables, steps => \@told }) };
	push @members, { name => "$name/bundle.json", content => head_text(requires => [qw(count clear change delete_where)], %$head) };
	my @all = sign_again($folder, "$folder/key", @members);
	return (tar_of(@all), Digest::SHA::sha256_hex($all[-2]{content}));
}

my $chain = 100;
my $previous;
my $number;
my $batch;

sub send_next
{
	my ($head, @bundle) = @_;
	my $bytes;

	$number++;
	($bytes, $previous) = signed_bundle({ chain => $chain, number => $number, previous => $previous, batch => $batch, %$head }, @bundle);
	$batch++ if $head->{last} // 1;
	spew("$folder/bundle.tar", $bytes);
	rename("$folder/bundle.tar", "$folder/root/in/$chain-$number.tar");
	return;
}

sub begin_chain
{
	$chain++;
	$number = 0;
	$batch = shift // 1;
	$previous = undef;
	return;
}

sub becomes
{
	my ($condition, $test) = @_;
	my $good = becomes_true($node, "SELECT coalesce(bool_and($condition), false) FROM dbsync.receivers");
	ok($good, $test) or diag(ask($node, 'SELECT to_json(r) FROM dbsync.receivers r'));
	return $good;
}

sub is_played
{
	my ($test) = @_;
	return becomes("(chain, number) = ($chain, $number) AND state = 'idle' AND last_error IS NULL", $test);
}

# All rows of the tables that lies are told about.
sub all_rows
{
	return ask($node, q{SELECT string_agg(r, E'\n' ORDER BY r) FROM (SELECT 't ' || t::text FROM t UNION ALL SELECT 'two ' || t::text FROM two t
		UNION ALL SELECT 'wide ' || md5(t::text) FROM wide t UNION ALL SELECT 'heap ' || t::text FROM heap t
		UNION ALL SELECT 'ledger ' || p.id FROM dbsync_ledger.position p) a (r)});
}

my @t = ('id integer', 'v text');
my @wide = ('id integer', map { "c$_ text" } 1 .. 200);
my $i = 1000;

# Tests that it is refused with these words, and leaves all rows as they were; in a chain of its own, behind a first bundle that is good.
sub is_refused
{
	my ($words, $test, @bundles) = @_;
	begin_chain();
	$i++;
	send_next({}, [ table('t', \@t) ], rows('append', "$i\tgood\n"));
	is_played("$test: what is before it") or return;
	my $before = all_rows();
	send_next(@$_) foreach @bundles;
	becomes("last_error ~ " . quoted($words) . " AND number = 1", "$test: is refused");
	is(all_rows(), $before, "$test: nothing is written");
	return;
}

$node->safe_psql('postgres', sprintf q{SELECT dbsync.create_target('here', %s);
	SELECT dbsync.create_receiver('lies', 'file://%s/root', 'here', ARRAY[%s], policy => 'interval 50 ms', options => '{"existing_rows": "keep", "ddl": "apply"}');
	SELECT dbsync.receive_once('lies'); SELECT dbsync.start_receiver('lies')}, quoted(uri_of($node)), $folder, quoted($public));

# --- one fingerprint, and two shapes: whoever believes it reads behind the end of a row
begin_chain();
send_next({}, [ table('wide', \@wide) ], rows('append', join("\t", 1, ('x') x 200) . "\n"));
is_played('a table of 201 columns');
send_next({}, [ table('wide', ['id integer']) ], rows('append', "2\n"), rows('merge', "U\t2\nI\t3\n"));
is_played('the same fingerprint with one column');
send_next({}, [ table('wide', ['id integer']), table('wide', \@wide) ], rows('append', "4\n"), rows('append', join("\t", 5, ('y') x 200) . "\n", table => 2),
	rows('merge', "D\t3\n"));
is_played('both in one bundle');
is(ask($node, "SELECT string_agg(id || coalesce(c1, '-') || coalesce(c200, '-'), ' ' ORDER BY id) FROM wide"), '1xx 2-- 4-- 5yy', 'each row has its own values, and no others');
is_refused('has no unique index on', 'a key of 32 times one column', [ {}, [ table('t', \@t), table('t', \@t, key => [ (1) x 32 ]) ],
	rows('append', "1\tx\n"), rows('delete', join("\t", (1) x 32) . "\n", table => 2) ]);

is_refused('in a shape that it does not have then', 'rows of a shape that is over', [ {}, [ table('wide', ['id integer']), table('wide', \@wide) ],
	rows('append', "6\n"), { do => 'change', table => 2, before => 1, changes => [] }, rows('append', "7\n") ]);

# --- a table that is emptied alone, behind a change of another one, is looked up before the batch: that is a transaction of its own, which would end the batch's
is_refused('invalid input syntax for type integer', 'what fails behind it takes all of it along', [ {}, [ table('t', \@t), table('two', \@t, id => '00000000-0000-4000-8000-000000000002') ],
	{ do => 'change', table => 1, changes => [] }, { do => 'truncate', tables => [2] }, rows('append', "none\tx\n") ]);

# --- steps that go on
my @both = (table('t', \@t), table('two', \@t, id => '00000000-0000-4000-8000-000000000002'));
is_refused('does not go on with the step', 'rows of one table go on in another', [ {}, \@both, rows('append', "1\tx\n", continues => JSON::PP::true), rows('append', "2\ty\n", table => 2) ]);
is_refused('a step without rows that is to go on', 'a truncate that goes on',
	[ {}, \@both, { do => 'truncate', tables => [1], continues => JSON::PP::true }, { do => 'truncate', tables => [2] } ]);
is_refused('completes a batch, and has a step that is to go on', 'the last step goes on', [ {}, \@both, rows('append', "1\tx\n", continues => JSON::PP::true) ]);
is_refused('does not go on with the step', 'another table in the next file',
	[ { part => 1, last => JSON::PP::false, position => undef }, [ $both[0] ], rows('append', "1\tx\n", continues => JSON::PP::true) ],
	[ { part => 2 }, [ $both[1] ], rows('append', "2\ty\n") ]);

# --- tables of the system, of dbsync, and the ledger that says how far others have come
foreach my $name (qw(dbsync_ledger.position dbsync.receiver dbsync_internal.receiver_options pg_catalog.pg_class information_schema.sql_features pg_temp.x))
{
	my ($schema, $table) = split /\./, $name;
	my @steps = ({ do => 'truncate', tables => [1] }, { do => 'delete_where', table => 1, condition => 'true' }, rows('append', "1\n"), { do => 'change', table => 1, changes => [] });
	my $step = $steps[ $i % 4 ];
	is_refused("a bundle is for table \"$name\", which belongs to the system", "$step->{do} of $name", [ {}, [ table($table, ['id integer'], schema => $schema) ], $step ]);
}
is_refused('belongs to the system', 'all of the ledger is emptied', [ {}, [ table('position', ['id uuid'], schema => 'dbsync_ledger') ], { do => 'truncate', tables => [1] } ]);

# --- rows
is_refused('found by the key, of a table without one', "$_->{do} without a key", [ {}, [ table('heap', ['v integer'], key => []) ], $_ ])
  foreach rows('merge', "U\t1\n"), rows('patch', "U\t1\t\\N\n"), rows('delete', "\n"), rows('clear', "U\t1\n", sets => [ [1] ]);
is_refused('a table without columns', 'no columns', [ {}, [ table('heap', [], key => []) ], rows('append', "\n") ]);
is_refused('has columns that cannot be', 'a key that stays as it is', [ {}, [ table('t', \@t) ], rows('patch', "U\t1\t\\N\tx\n") ]);
is_refused('has a number that cannot be', "a count of $_", [ {}, [ table('heap', ['v integer'], key => []) ], rows('count', "I\t$_\t7\n") ])
  foreach '2x', '0', '-1', '', '99999999999999999999';
is_refused('a value has a byte zero', 'a byte zero', [ {}, [ table('t', \@t) ], rows('append', "1\tabc\0def\n") ]);
is_refused('a row is too large', 'a value for which no row has room',
	[ {}, [ table('t', \@t) ], rows('append', "PGCOPY\n\377\r\n\0" . "\0" x 8 . pack('nNNN', 2, 4, 1, 0x3ffffffe), form => 'binary', rows => 1, bytes => 9223372036854775807) ]);

# --- what is said of a chain that stops names the subscription as the source calls it
begin_chain();
my %called = (subscription => { id => $uuid, name => "it's" });
send_next(\%called, [ table('t', \@t) ], rows('append', "5000\tx\n"));
is_played('a chain');
$previous = 'cd' x 32;
send_next(\%called, [ table('t', \@t) ], rows('append', "5001\tx\n"));
becomes("state = 'stopped: broken chain' AND next_action LIKE " . quoted("%restart_chain('it''s')%"), 'its hint names the subscription, and not the receiver');

# --- batches beyond 32 bits
begin_chain(3_000_000_000);
send_next({}, [ table('t', \@t) ], rows('append', "6000\tx\n"));
send_next({}, [ table('t', \@t) ], rows('append', "6001\tx\n"));
is_played('more batches than an integer has numbers');
is(ask($node, "SELECT batch FROM dbsync_ledger.position"), 3_000_000_001, 'are in the ledger');

# --- nor is scripts/receive told to write where others are remembered
spew("$folder/key.pub", $public);
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGDATABASE} = 'postgres';
my $receive = getcwd() . '/scripts/receive';
foreach my $name (qw(public.t public.dbsync_bundle dbsync_ledger.position pg_catalog.pg_class information_schema.sql_features pg_temp.dbsync_contents))
{
	my ($schema, $table) = split /\./, $name;
	begin_chain();
	my ($bytes) = signed_bundle({ chain => $chain, number => 1, batch => 1, requires => [] }, [ table($table, ['id integer'], schema => $schema) ],
		$table eq 't' ? rows('append', "7000\n") : { do => 'truncate', tables => [1] });
	spew("$folder/lie.tar", $bytes);
	my ($loaded, $said) = run_tool($folder, 'sh', $receive, 'load', '-k', 'key.pub', 'lie.tar');
	is($loaded, 1, 'what is no lie is loaded'), next if $table eq 't';
	ok(!$loaded, "and nothing into $name");
	like($said, qr/which belongs to the system/, 'it says why') or diag($said);
}
my $begun = rows('append', "7001\tx\n", continues => JSON::PP::true);
foreach my $next (rows('append', "7002\ty\n", table => 2), rows('merge', "I\t7002\ty\n"), { do => 'truncate', tables => [1] })
{
	begin_chain();
	my ($bytes) = signed_bundle({ chain => $chain, number => 1, batch => 1, requires => [] }, \@both, $begun, $next);
	spew("$folder/lie.tar", $bytes);
	my ($loaded, $said) = run_tool($folder, 'sh', $receive, 'load', '-k', 'key.pub', 'lie.tar');
	ok(!$loaded, "rows do not go on in $next->{do}");
	like($said, qr/step 2 of number 1 does not go on with the one that was begun before it/, 'it says why') or diag($said);
}
is(ask($node, 'SELECT count(*) FROM public.dbsync_bundle'), 1, 'it remembers what it has loaded');

# --- folders of its own as the inbox
foreach my $in ('/cache', '/cache/tmp', "/cache/$uuid", '/rejected', '/receipts', '/in/../rejected', '//rejected/')
{
	my (undef, undef, $error) = $node->psql('postgres', "SELECT dbsync.alter_receiver('lies', options => '{\"in\": \"$folder/root$in\"}')");
	like($error, qr/cannot be the inbox of receiver "lies"/, "no inbox: root$in");
}
is($node->psql('postgres', "SELECT dbsync.alter_receiver('lies', options => '{\"in\": \"$folder/root/in\"}')"), 0, 'its own inbox can be named');

# what leads into them shows when they are there
mkdir "$folder/real";
symlink("$folder/real", "$folder/link") or die $!;
$node->safe_psql('postgres', sprintf q{SELECT dbsync.create_receiver('linked', 'file://%s/link/root', 'here', ARRAY[%s], options => '{"in": "%s/real/root/rejected"}')}, $folder, quoted($public), $folder);
my (undef, undef, $linked) = $node->psql('postgres', "SELECT dbsync.receive_once('linked')");
like($linked, qr/cannot be the inbox of receiver "linked"/, 'no inbox: by way of a link');
$node->safe_psql('postgres', "SELECT dbsync.drop_receiver('linked')");

# --- what nobody has signed: a size, of which no byte has come, is not copied, and if none comes its reason is all that is kept
my ($bytes) = signed_bundle({ chain => $chain, number => 9, previous => 'ab' x 32, batch => 9 }, [ table('t', \@t) ], rows('append', "1\tx\n"));
spew("$folder/large.tar", substr($bytes, 0, 1024));
truncate("$folder/large.tar", 3 * 1024 ** 3);
$node->safe_psql('postgres', "SELECT dbsync.alter_receiver('lies', options => '{\"settle_after\": \"100 ms\"}')");
rename("$folder/large.tar", "$folder/root/in/large.tar");
becomes('rejected = 1', 'a file of 3 GB without bytes is refused');
is(ask($node, "SELECT bytes || ' ' || note FROM dbsync.inbox('lies') WHERE state = 'rejected'"),
	'0 its headers do not lead to its end; of its 3221225472 bytes none are kept', 'its reason is kept');
# A header of tar for so many bytes.
sub header
{
	my ($name, $size) = @_;
	my $header = substr(tar_of({ name => "orders-5f1c0000-1-000000000001/$name", content => '' }), 0, 512);
	substr($header, 124, 11) = sprintf('%011o', $size);
	substr($header, 148, 8) = ' ' x 8;
	substr($header, 148, 8) = sprintf("%06o\0 ", unpack('%32C*', $header));
	return $header;
}

spew("$folder/torn.tar", header('FORMAT', 16) . pack('a512', "dbsync bundle 1\n") . header('1.copy', 8 * 1024 ** 3 - 512));
truncate("$folder/torn.tar", 3 * 1024 ** 3);
$node->safe_psql('postgres', "SELECT dbsync.alter_receiver('lies', options => '{\"partial_after\": \"100 ms\"}')");
rename("$folder/torn.tar", "$folder/root/in/torn.tar");
becomes('partial = 1 AND rejected = 1', 'one of 3 GB whose headers lead beyond that may have more to come');
ok(-e "$folder/root/in/torn.tar", 'and stays');
unlink "$folder/root/in/torn.tar";
open(my $huge, '>', "$folder/huge.tar") or die $!;
foreach my $member (0 .. 99)
{
	# members of 8 GB, with headers that lead from one to the next
	seek($huge, $member ? 1024 + ($member - 1) * 8 * 1024 ** 3 : 0, 0);
	print $huge header($member ? ("$member.copy", 8 * 1024 ** 3 - 512) : ('FORMAT', 16));
}
truncate($huge, 1024 + 99 * 8 * 1024 ** 3 + 1024) or die "a file of 800 GB: $!";
close($huge);
rename("$folder/huge.tar", "$folder/root/in/huge.tar");
becomes("last_error ~ 'could not write file .*No space left on device'", 'a file of 800 GB is named');
is_deeply([ glob("$folder/root/cache/tmp/*") ], [], 'and no room is taken for it');
unlink "$folder/root/in/huge.tar";
begin_chain();
send_next({}, [ table('t', \@t) ], rows('append', "8000\tx\n"));
becomes("number = 1 AND chain = $chain AND last_error IS NULL", 'and when it has gone, on it goes');

$node->safe_psql('postgres', "SELECT dbsync.stop_receiver('lies'); SELECT dbsync.drop_receiver('lies')");
is(ask($node, 'SELECT count(*) FROM dbsync_ledger.position'), 0, 'it is stopped and dropped');
unlike(slurp($node->logfile), qr/PANIC|TRAP|was terminated by signal/, 'and no process has crashed');
done_testing();

# Several receivers: of one inbox, from which nothing is removed; at one target, where one wins each batch; one of an old chain that was frozen, and wakes
# behind the new chain; one that is dropped beside another.  What a receiver's root cannot be.  A target that was put back while no receiver ran.  First copies that foreign
# keys of the target refuse.  Rows that make room for each other over two files.
use strict;
use warnings;

use lib 't';
use DbsyncTest::Bundle qw(bundle_functions contents_text head_text make_bundle quoted slurp spew);
use DbsyncTest::Server qw(ask becomes_true new_node poll_until uri_of);
use File::Copy qw(copy);
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('here', preload => 1);
my $made = PostgreSQL::Test::Utils::tempdir_short();
my $folder = PostgreSQL::Test::Utils::tempdir_short();
my $in = "$folder/in";
my $false = JSON::PP::false;

mkdir $in;
$node->safe_psql('postgres', 'CREATE EXTENSION dbsync; CREATE TABLE public.t (id int PRIMARY KEY, v text UNIQUE)');
bundle_functions($node);
my $public = $node->safe_psql('postgres', "SELECT bundle_test.make_key('$made/key')");
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE TABLE public.t (id int PRIMARY KEY, v text UNIQUE)');
$node->safe_psql('postgres', "SELECT dbsync.create_target('here', '" . uri_of($node) . "'); SELECT dbsync.create_target('other', '"
	. (uri_of($node) =~ s/postgres\b(?=[^\/]*$)/other/r) . "')");
my $t = [ 't', 'id integer', 'v text' ];
my %sum;

# To the inbox.  Steps are [do, query, more].
sub bundle
{
	my ($chain, $number, $tables, $steps, %other) = @_;
	my $path = "$made/$chain-$number.tar";
	my $n = 0;
	my @steps = map { { do => $_->[0], table => 1, form => 'text', file => ++$n . '.copy', rows => 0, bytes => 0, %{ $_->[2] // {} } } } grep { $_->[0] ne 'truncate' } @$steps;

	unshift @steps, { do => 'truncate', tables => [1] } if grep { $_->[0] eq 'truncate' } @$steps;
	unlink $path;
	$sum{"$chain-$number"} = make_bundle($node, $path, "$made/key",
		head_text(chain => $chain, number => $number, previous => $number > 1 ? $sum{ $chain . '-' . ($number - 1) } : undef, batch => $number, %other),
		contents_text($tables, @steps), [ map { $_->[1] } grep { $_->[0] ne 'truncate' } @$steps ]) // die "no bundle";
	copy($path, "$in/.tmp") or die $!;
	rename("$in/.tmp", "$in/$chain-$number.tar") or die $!;
	return $path;
}

sub create
{
	my ($name, $target, %options) = @_;
	$node->safe_psql('postgres', sprintf("SELECT dbsync.create_receiver(%s, 'file://$folder/$name', %s, ARRAY[%s], options => %s)",
		quoted($name), quoted($target), quoted($public), quoted(JSON::PP->new->encode({ in => $in, remove => 'false', gap_after => '0', settle_after => '0', %options }))));
	return;
}

sub receives
{
	my ($name, $expected, $test) = @_;
	my (undef, $answer, $error) = $node->psql('postgres', "SELECT dbsync.receive_once('$name')");
	return ref $expected ? like($error, $expected, $test) : is($error ne '' ? $error : $answer, $expected, $test);
}

sub rows { my ($database) = @_; return $node->safe_psql($database // 'postgres', "SELECT coalesce(string_agg(id || v, ' ' ORDER BY id), '') FROM public.t"); }
sub names { opendir(my $h, $_[0]) or return; return grep { !/^\./ } readdir $h; }

# --- several of one inbox
create('a', 'here');
create('b', 'other');
bundle(1000, 1, [$t], [ [ 'append', "VALUES (1, 'a')" ] ]);
bundle(1000, 2, [$t], [ [ 'merge', "VALUES ('I', 2, 'b')" ] ]);
receives('a', '2', 'one receiver of an inbox');
receives('b', '2', 'and another one');
is(rows() . ' / ' . rows('other'), '1a 2b / 1a 2b', 'play the same');
is(scalar(names($in)), 2, 'and nothing leaves the inbox');
# what was played is not even read again: the first of them cannot be proved any more
my $spoilt = slurp("$in/1000-1.tar");
substr($spoilt, length($spoilt) - 1500, 1) ^= "\1";
spew("$in/1000-1.tar", $spoilt);
bundle(1000, 3, [$t], [ [ 'merge', "VALUES ('I', 3, 'c')" ] ]);
receives('a', '1', 'the next one');
is(scalar(names("$folder/a/rejected")), 0, 'what was played, and is left there, is not proved again');
is(scalar(names("$folder/a/cache/tmp")), 0, 'nor copied');

# --- two at one target
create('c', 'here');
bundle(1000, 4, [$t], [ [ 'merge', "VALUES ('I', 4, 'd')" ] ]);
receives('c', '1', 'a second one at that target goes on where the ledger is');
receives('a', '0', 'which the first one finds done');
is(rows(), '1a 2b 3c 4d', 'each batch once');
$node->safe_psql('postgres', "SELECT dbsync.alter_receiver('$_', policy => 'interval 20 ms'), dbsync.start_receiver('$_')") foreach qw(a c);
bundle(1000, $_, [$t], [ [ 'merge', "VALUES ('I', $_, 'n$_')" ] ]) foreach 5 .. 30;
ok(poll_until(sub { ask($node, 'SELECT count(*) FROM public.t') == 30 }, 'all rows'), 'both at once play all of it');
ok(becomes_true($node, "SELECT count(*) = 2 FROM dbsync.receivers WHERE receiver IN ('a', 'c') AND state = 'idle' AND last_error IS NULL AND number = 30"), 'and both go on');

# --- the zombie of the old chain
$node->safe_psql('postgres', "SELECT dbsync.stop_receiver('c')");
my $lock = $node->background_psql('postgres');
$lock->query_safe('BEGIN; LOCK TABLE public.t IN SHARE MODE');
bundle(1000, 31, [$t], [ [ 'merge', "VALUES ('I', 31, 'old')" ] ]);
ok(becomes_true($node, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'public.t'::regclass"), 'the first receiver is in a batch of the old chain');
my $zombie = ask($node, "SELECT pid FROM dbsync.receivers WHERE receiver = 'a'");
my $session = ask($node, "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'public.t'::regclass");
kill('STOP', $zombie);
# the server ends its session, which the frozen one does not hear
$node->safe_psql('postgres', "SELECT pg_terminate_backend($session, 10000)");
$lock->query_safe('COMMIT');
$lock->quit;
bundle(2000, 1, [$t], [ [ 'truncate' ], [ 'append', "VALUES (1, 'new')" ] ], batch => 31);
receives('c', '1', 'another one begins the new chain, with the batch that the old one was at') ;
is(rows(), '1new', 'and has it alone');
kill('CONT', $zombie);
ok(becomes_true($node, "SELECT state = 'idle' AND chain = 2000 AND last_error IS NULL FROM dbsync.receivers WHERE receiver = 'a'"), 'the one that wakes goes over to it');
is(rows(), '1new', 'and has changed nothing');
$node->safe_psql('postgres', "SELECT dbsync.stop_receiver('a')");

# --- one goes
$node->safe_psql('postgres', "SELECT dbsync.drop_receiver('a')");
bundle(2000, 2, [$t], [ [ 'merge', "VALUES ('I', 2, 'b')" ] ], batch => 32);
receives('c', '1', 'one that is dropped leaves the ledger to the other');

# --- over two files
bundle(2000, 3, [$t], [ [ 'clear', "VALUES ('U', 1, 'b')", { continues => JSON::PP::true, sets => [ [2] ] } ] ], batch => 33, last => $false, position => undef, requires => ['clear']);
bundle(2000, 4, [$t], [ [ 'clear', "VALUES ('U', 2, 'new')", { sets => [ [2] ] } ], [ 'merge', "VALUES ('U', 1, 'b'), ('U', 2, 'new')" ] ], batch => 33, part => 2, requires => ['clear']);
receives('c', '1', 'rows make room for each other over two files');
is(rows(), '1b 2new', 'and swap');

# --- the target goes back while nobody runs; the cache is lost, the inbox is not
my $before = ask($node, 'SELECT to_json(p) FROM dbsync_ledger.position p');
$node->safe_psql('postgres', q{SELECT dbsync.alter_receiver('c', options => '{"remove": "true"}')});
bundle(2000, 5, [$t], [ [ 'merge', "VALUES ('I', 5, 'e')" ] ], batch => 34);
copy("$in/2000-5.tar", "$made/again.tar");
receives('c', '1', 'one more');
$node->safe_psql('postgres', "DELETE FROM public.t WHERE id = 5; DELETE FROM dbsync_ledger.position;"
	. " INSERT INTO dbsync_ledger.position SELECT * FROM json_populate_record(NULL::dbsync_ledger.position, " . quoted($before) . ")");
unlink glob("$folder/c/cache/*/2000-5.tar");
copy("$made/again.tar", "$in/again.tar");
receives('c', '1', 'what the catalog takes for played is not thrown away before the target was asked');
is(rows(), '1b 2new 5e', 'and is played again');

# --- a spare one, which has played nothing
$node->safe_psql('postgres', "SELECT dbsync.create_target('same', '" . uri_of($node) . "')");
my $uid = ask($node, "SELECT subscription FROM dbsync.receiver WHERE name = 'c'");
$node->safe_psql('postgres', "SELECT dbsync.create_receiver('spare', 'file://$folder/spare', 'same', ARRAY[" . quoted($public) . "], subscription => '$uid')");
my $row = ask($node, 'SELECT p FROM dbsync_ledger.position p');
$node->safe_psql('postgres', "SELECT dbsync.drop_receiver('spare')");
is(ask($node, 'SELECT p FROM dbsync_ledger.position p'), $row, 'leaves the row that it has no part in, as it goes');

# --- a gap that stays, and the beginning of the chain that is the cure is lost, too
bundle(2000, $_, [$t], [ [ 'merge', "VALUES ('I', $_, 'g')" ] ], batch => 29 + $_) foreach 6, 7;
unlink("$in/2000-6.tar");
receives('c', '0', 'a gap');
like(ask($node, "SELECT dbsync.receipt('c')"), qr/ chain=2000 applied=5 .*missing=6( |$)/, 'is asked for');
bundle(3000, $_, [$t], [ [ 'merge', "VALUES ('I', 3$_, 'h')" ] ], batch => 36 + $_) foreach 1, 2;
unlink("$in/3000-1.tar");
receives('c', '0', 'another chain without its beginning');
like(ask($node, "SELECT dbsync.receipt('c')"), qr/ chain=3000 applied=0 .*missing=1( |$)/, 'which is asked for then');

$node->safe_psql('postgres', "SELECT dbsync.drop_receiver('c'), dbsync.drop_receiver('b')");
is(ask($node, 'SELECT count(*) FROM dbsync_ledger.position'), 0, 'the last one takes the row along');

# --- an outbox is no target
$node->safe_psql('postgres', "SELECT dbsync.create_target('gate', 'file://$folder/gate')");
my (undef, undef, $refusal) = $node->psql('postgres', "SELECT dbsync.create_receiver('o', 'file://$folder/o', 'gate', ARRAY[" . quoted($public) . '])');
like($refusal, qr/target "gate" takes nothing from bundles/, 'a file target is none for a receiver');

# --- an outbox is no root
mkdir "$folder/out";
spew("$folder/out/dbsync.json", '{}');
my (undef, undef, $error) = $node->psql('postgres', "SELECT dbsync.create_receiver('o', 'file://$folder/out', 'here', ARRAY[" . quoted($public) . '])');
like($error, qr/cannot be the root of a receiver.*outbox of a file target.*option "in" may name/s, 'the outbox of a file target is no root');

# --- a child before its parent
unlink glob("$in/*");
$node->safe_psql('postgres', 'CREATE ROLE plain LOGIN; GRANT CREATE ON DATABASE postgres TO plain; GRANT CREATE ON SCHEMA public TO plain; GRANT USAGE ON SCHEMA dbsync TO plain;'
	. ' GRANT USAGE ON SCHEMA dbsync_ledger TO plain; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA dbsync_ledger TO plain');
$node->safe_psql('postgres', "SELECT dbsync.create_target('checked', '" . uri_of($node, user => 'plain') . "')");
$node->safe_psql('postgres', 'SET ROLE plain; CREATE TABLE public.parent (id int PRIMARY KEY, v text); CREATE TABLE public.child (id int PRIMARY KEY, parent int REFERENCES public.parent)');
create('k', 'checked');
my @family = ([ 'parent', 'id integer', 'v text' ], [ 'child', 'id integer', 'parent integer' ]);
bundle(3000, 1, \@family, [ [ 'append', 'VALUES (1, 1)', { table => 2, first => JSON::PP::true } ] ]);
bundle(3000, 2, \@family, [ [ 'append', "VALUES (1, 'p')", { first => JSON::PP::true } ] ]);
receives('k', qr/violates foreign key.*First copies come table by table.*session_replication_role/s, 'a first copy that the target refuses says what to do');
$node->safe_psql('postgres', 'ALTER TABLE public.child DROP CONSTRAINT child_parent_fkey');
receives('k', '2', 'which helps');
is(ask($node, 'SELECT count(*) FROM public.child JOIN public.parent p ON p.id = parent'), 1, 'all is there');
$node->safe_psql('postgres', 'DELETE FROM public.child; DELETE FROM public.parent; ALTER TABLE public.child ADD FOREIGN KEY (parent) REFERENCES public.parent');
$node->safe_psql('postgres', "SELECT dbsync.drop_receiver('k')");
create('k2', 'checked');
receives('k2', qr/violates foreign key/, 'again');
$node->safe_psql('postgres', "SELECT dbsync.drop_receiver('k2')");
is(ask($node, 'SELECT count(*) FROM dbsync_ledger.position'), 0, 'a chain that was begun, and no more, leaves no row');

ok(!(grep { /TRAP|PANIC|terminated by signal/ } split /\n/, slurp($node->logfile)), 'no crash');
done_testing();

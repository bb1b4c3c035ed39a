# What a receiver makes of what a way may do to files, and a source to its chain: duplicates, gaps, other orders, torn and changed files,
# forgeries, forks, broken chains, chains that are older or new, formats of the future, several subscriptions, links and FIFOs.
use strict;
use warnings;

use lib 't';
use DbsyncTest::Bundle qw(bundle_functions contents_text head_text make_bundle quoted slurp spew);
use DbsyncTest::Server qw(ask becomes_true new_node poll_until uri_of);
use File::Basename qw(basename);
use File::Copy qw(copy);
use JSON::PP ();
use POSIX qw(mkfifo);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('here', preload => 1);
my $made = PostgreSQL::Test::Utils::tempdir_short();
my $root = PostgreSQL::Test::Utils::tempdir_short() . '/in';
my ($in, $rejected) = ("$root/in", "$root/rejected");

$node->safe_psql('postgres', 'CREATE EXTENSION dbsync; CREATE TABLE public.t (id int PRIMARY KEY, v text, big text)');
bundle_functions($node);
my $key = "$made/key";
my $public = $node->safe_psql('postgres', "SELECT bundle_test.make_key('$key')");
my $other_key = "$made/other";
my $other_public = $node->safe_psql('postgres', "SELECT bundle_test.make_key('$other_key')");
my $uri = uri_of($node);
$node->safe_psql('postgres', "SELECT dbsync.create_target('here', '$uri')");

my $columns = [ 't', 'id integer', 'v text', 'big text' ];
my %step = (
	append => { do => 'append', table => 1, form => 'text', file => '1.copy', rows => 0, bytes => 0 },
	merge => { do => 'merge', table => 1, form => 'text', file => '1.copy', rows => 0, bytes => 0 },
	patch => { do => 'patch', table => 1, form => 'text', file => '1.copy', rows => 0, bytes => 0 },
	delete => { do => 'delete', table => 1, form => 'text', file => '1.copy', rows => 0, bytes => 0 });
my %sums;		# of bundles, by chain and number

# A bundle of one step, a query for its rows.  Its batch is its number, unless it is said.
sub bundle
{
	my ($chain, $number, $do, $query, %other) = @_;
	my $name = delete $other{name} // "$chain-$number.tar";
	my $signer = delete $other{key} // $key;
	my $path = "$made/$name";
	my $steps = delete $other{steps} // [ { %{ $step{$do} }, %{ delete $other{step} // {} } } ];

	unlink $path;
	$sums{"$chain-$number"} = make_bundle($node, $path, $signer,
		head_text(chain => $chain, number => $number, previous => $number > 1 ? $sums{ $chain . '-' . ($number - 1) } : undef,
			batch => $number, %other),
		contents_text([$columns], @$steps), ref $query ? $query : [$query]) // die "bundle $name";
	return $path;
}

sub put
{
	my ($path, $name) = @_;
	$name //= basename($path);
	mkdir $root;
	mkdir $in;
	copy($path, "$in/.tmp") or die $!;
	rename("$in/.tmp", "$in/$name") or die $!;
	return "$in/$name";
}

sub receive
{
	my ($name) = @_;
	my (undef, $answer, $error) = $node->psql('postgres', 'SELECT dbsync.receive_once(' . quoted($name // 'r') . ')');
	return $error ne '' ? $error : $answer;
}

sub is_received
{
	my ($expected, $test) = @_;
	my $said = receive();
	return ref $expected ? like($said, $expected, $test) : is($said, $expected, $test);
}

sub rows { return ask($node, "SELECT string_agg(id || '=' || coalesce(v, '-'), ' ' ORDER BY id) FROM public.t") // ''; }
sub files { my ($folder) = @_; opendir(my $h, $folder) or return (); my @n = sort grep { !/^\./ } readdir $h; return @n; }
sub said { return ask($node, "SELECT $_[0] FROM dbsync.receivers WHERE receiver = 'r'") // ''; }
sub create
{
	my (%options) = @_;
	my $options = JSON::PP->new->canonical->encode({ settle_after => '0', gap_after => '0', %options });
	$node->safe_psql('postgres', "SELECT dbsync.create_receiver('r', 'file://$root', 'here', ARRAY[" . quoted($public) . "], options => '$options')");
	return;
}

sub insert { my ($id, $v) = @_; return "SELECT $id, '$v', NULL::text"; }
sub upsert { my ($id, $v) = @_; return "SELECT 'U', $id, '$v', NULL::text"; }

create();
my $c = 1000;

# --- whatever order, and how often
my @files = map { bundle($c, $_, $_ == 1 ? 'append' : 'merge', $_ == 1 ? insert(1, 'one') : upsert($_, "v$_")) } 1 .. 5;
put($files[2]);
put($files[0]);
is_received('1', 'the first one is played');
is(rows(), '1=one', 'and the third waits');
is(said('missing'), '2', 'the second is missing');
like(ask($node, "SELECT dbsync.receipt('r')"), qr/ chain=1000 applied=1 batch=1 sha256=[0-9a-f]{16} missing=2 refused=- /, 'and the receipt says so');
put($files[0], 'under another name');
put($files[2], 'again.tar');
is_received('0', 'duplicates are nothing');
is(scalar(files($in)), 0, 'and are removed');
put($files[1], 'x');
put($files[4]);
is_received('2', 'the second comes, and the third with it');
put($files[3]);
is_received('2', 'the fourth, and the fifth');
is(rows(), '1=one 2=v2 3=v3 4=v4 5=v5', 'in their order');
put($_) foreach reverse @files;
is_received('0', 'all of it once more changes nothing');
is(rows(), '1=one 2=v2 3=v3 4=v4 5=v5', 'at all');
is(said('missing'), '', 'nothing is missing');

# --- torn, changed, forged
my $next = bundle($c, 6, 'merge', upsert(6, 'v6'));
my $bytes = slurp($next);
foreach my $length (0, 100, 511, 512, 700, int(length($bytes) / 2), length($bytes) - 512, length($bytes) - 1)
{
	spew("$in/torn", substr($bytes, 0, $length));
	is_received('0', "the first $length bytes are not taken");
	is_deeply([ files($in) ], ['torn'], 'and left where they are');
}
unlink "$in/torn";
# whoever sets the size first shows zeros
spew("$made/zeros", substr($bytes, 0, 1024) . "\0" x (length($bytes) - 1024));
$node->safe_psql('postgres', q{SELECT dbsync.alter_receiver('r', options => '{"settle_after": "1 hour"}')});
put("$made/zeros", 'growing');
is_received('0', 'a file with an end, and nothing in it yet');
is_deeply([ files($in) ], ['growing'], 'is left for a while');
spew("$in/growing", $bytes);
is_received('1', 'and taken when it is whole');
$node->safe_psql('postgres', q{SELECT dbsync.alter_receiver('r', options => '{"settle_after": "0"}')});
$next = bundle($c, 7, 'merge', upsert(7, 'v7'));
$bytes = slurp($next);
my $count = 0;
foreach my $at (3, 120, 300, 600, int(length($bytes) / 2), length($bytes) - 1500)
{
	substr(my $changed = $bytes, $at, 1) ^= "\1";
	spew("$made/changed", $changed);
	put("$made/changed");
	is_received('0', "byte $at changed: nothing is played");
	is(scalar(grep { !/\.txt$/ } files($rejected)), ++$count, 'it is rejected');
}
my ($reason) = grep { /\.txt$/ } files($rejected);
isnt(slurp("$rejected/$reason"), '', 'with a reason');
put(bundle($c, 7, 'merge', upsert(7, 'forged'), key => $other_key, name => 'forged.tar'));
is_received('0', 'signed by somebody else');
is(rows(), '1=one 2=v2 3=v3 4=v4 5=v5 6=v6', 'nothing of that has reached the target');
is(ask($node, "SELECT count(*) FROM dbsync.inbox('r') WHERE state = 'rejected'"), $count + 1, 'inbox() shows what was rejected');
bundle($c, 7, 'merge', upsert(7, 'v7'));

# --- what is no file of ours
symlink('/etc/passwd', "$in/link");
mkfifo("$in/fifo", 0600);
mkdir "$in/folder";
spew("$in/notes.txt", "shopping list\n" x 100);
spew("$in/small.txt", "shopping list\n");
system('tar', '-C', $made, '-cf', "$in/other.tar", 'key') == 0 or die 'tar';
put($next);
is_received('1', 'links, FIFOs, folders and other files are in nobody\'s way');
is_deeply([ files($in) ], [qw(fifo folder link notes.txt other.tar small.txt)], 'and left alone');
is(ask($node, "SELECT string_agg(file, ',' ORDER BY file) FROM dbsync.inbox('r') WHERE state = 'left alone'"),
	'fifo,folder,link,notes.txt,other.tar,small.txt', 'inbox() says so');
unlink "$in/$_" foreach qw(fifo link notes.txt other.tar small.txt);
rmdir "$in/folder";

# --- another subscription's
put(bundle($c, 8, 'merge', upsert(8, 'foreign'), name => 'foreign.tar', subscription => { id => '5f1c0000-1111-4222-8333-999999999999', name => 'other' }));
is_received('0', 'bundles of another subscription');
is_deeply([ files($in) ], ['foreign.tar'], 'are left alone');
unlink "$in/foreign.tar";

# --- the future
put(bundle($c, 8, 'merge', upsert(8, 'future'), requires => ['teleport']));
is_received(qr/cannot read a bundle.*teleport/s, 'what requires what we do not know stops it');
is(said('state'), 'stopped', 'the state of one that is not started');
is_deeply([ files($in) ], ["$c-8.tar"], 'the file stays');
unlink "$in/$c-8.tar";

# --- the source's chain
put(bundle($c, 8, 'merge', upsert(8, 'v8')));
is_received('1', 'it goes on');
my $eight = $sums{"$c-8"};
put(bundle($c, 8, 'merge', upsert(8, 'other'), name => 'fork.tar'));
is_received(qr/there are two bundles 8 of chain 1000, both signed.*restart_chain\('orders'\)/s, 'a fork: the hint names the subscription as the source calls it');
unlink "$in/fork.tar";
is_received('0', 'and without it');
$sums{"$c-8"} = 'ab' x 32;
put(bundle($c, 9, 'merge', upsert(9, 'v9')));
is_received(qr/bundle 9 of chain 1000 does not go on from the one before it/, 'a broken chain');
is(rows(), '1=one 2=v2 3=v3 4=v4 5=v5 6=v6 7=v7 8=v8', 'nothing of it is played');

# an older chain, never seen; and the cure, a new one
put(bundle(500, 1, 'append', insert(1, 'old')));
is_received(qr/does not go on/, 'an older chain is no way out');
is(ask($node, "SELECT state FROM dbsync.inbox('r') WHERE file = '500-1.tar'"), 'older chain', 'it is left, and shown');
my $new = $c + 1;
my $begins = bundle($new, 1, 'append', insert(1, 'anew'), steps => [ { do => 'truncate', tables => [1] }, $step{append} ]);
put(bundle($new, 2, 'merge', upsert(2, 'w2')));
is_received(qr/does not go on/, 'the second of a new chain says nothing yet');
put($begins);
is_received('2', 'a new chain');
unlink glob("$in/*");
is(rows(), '1=anew 2=w2', 'takes the place of the old one');
put($files[0]);
put($files[4]);
is_received('0', 'files of the old chain');
is(rows(), '1=anew 2=w2', 'change nothing');

$node->safe_psql('postgres', "SELECT dbsync.drop_receiver('r')");
is(ask($node, 'SELECT count(*) FROM dbsync_ledger.position'), 0, 'the ledger is empty');

# --- whose bundles?
system('rm', '-rf', $root);
create();
put(bundle(2000, 1, 'append', insert(100, 'a')));
put(bundle(2001, 1, 'append', insert(101, 'b'), subscription => { id => '5f1c0000-1111-4222-8333-999999999999', name => 'other' }));
is_received(qr/has bundles of several subscriptions/, 'of several subscriptions none is chosen');
unlink "$in/2001-1.tar";
is_received('1', 'of one, it is that one');
is(said('subscription'), '5f1c0000-1111-4222-8333-444455556666', 'from then on');

# --- the target goes back, with its ledger and without
my $before = ask($node, "SELECT to_json(p) FROM dbsync_ledger.position p");
put(bundle(2000, 2, 'merge', upsert(102, 'c')));
put(bundle(2000, 3, 'merge', upsert(103, 'd')));
is_received('2', 'two more');
$node->safe_psql('postgres', "DELETE FROM public.t WHERE id IN (102, 103); DELETE FROM dbsync_ledger.position;"
	. " INSERT INTO dbsync_ledger.position SELECT * FROM json_populate_record(NULL::dbsync_ledger.position, " . quoted($before) . ")");
is_received('2', 'kept bundles are played again');
like(rows(), qr/102=c 103=d/, 'and all is there');
$node->safe_psql('postgres', 'DELETE FROM dbsync_ledger.position');
is_received(qr/has lost its ledger/, 'without its ledger nothing will do');
put(bundle(2002, 1, 'append', insert(200, 'n'), steps => [ { do => 'truncate', tables => [1] }, $step{append} ]));
is_received('1', 'but a new chain');
is(rows(), '200=n', 'which has all');

# somebody edits the ledger
$node->safe_psql('postgres', "UPDATE dbsync_ledger.position SET after = '10:10:'");
is_received(qr/cannot be believed: somebody has edited it/, 'an edited ledger');
is_received(qr/cannot be believed: somebody has edited it/, 'also when it is looked at again');
put(bundle(2003, 1, 'append', insert(300, 'o'), steps => [ { do => 'truncate', tables => [1] }, $step{append} ]));
is_received('1', 'gives way to a new chain');
is(rows(), '300=o', 'which has all');

# --- one file is no reason not to take others
SKIP: {
	skip 'root may read all', 3 if $> == 0;
	put(bundle(2003, 2, 'merge', upsert(301, 'p')), 'b.tar');
	chmod 0, put($files[0], 'a.tar');
	is_received(qr/could not open file .*a\.tar.*Permission denied/, 'a file that cannot be read is reported');
	is(rows(), '300=o 301=p', 'behind what can');
	is(ask($node, q{SELECT state FROM dbsync.inbox('r') WHERE file = 'a.tar'}), 'left alone', 'and inbox() shows it');
	unlink "$in/a.tar";
}
unlink glob("$root/cache/*/2003-*.tar");
put(bundle(2003, 3, 'merge', upsert(302, 'q')));
is_received('1', 'cached files that somebody has removed are no matter, if they were played');
rename($in, "$in.off") or die $!;
mkdir("$in-other") or die $!;
$node->safe_psql('postgres', qq{SELECT dbsync.alter_receiver('r', options => '{"in": "$in-other"}')});
is_received('0', 'another inbox');
rmdir("$in-other") or die $!;
is_received(qr/the inbox of receiver "r" is not there/, 'one that is not there is no empty one');

is($node->safe_psql('postgres', "SELECT count(*) FROM pg_catalog.pg_ls_dir('$root/cache/tmp')"), 0, 'nothing is left in tmp');
ok(!(grep { /TRAP|PANIC|terminated by signal/ } split /\n/, slurp($node->logfile)), 'no crash');
done_testing();

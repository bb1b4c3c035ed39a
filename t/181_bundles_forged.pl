# Bundles that somebody has changed, or made without the key: whatever he does, none is good, and the server goes on.
use strict;
use warnings;

use lib 't';
use DbsyncTest::Bundle qw(
	bundle_functions check_bundle check_forgeries contents_text head_text make_bundle members_of quoted run_tool sign_again slurp spew tar_of);
use DbsyncTest::Server qw(ask new_node);
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('here', preload => 1);
my $folder = PostgreSQL::Test::Utils::tempdir();

$node->safe_psql('postgres', 'CREATE EXTENSION dbsync');
bundle_functions($node);
my $public = $node->safe_psql('postgres', "SELECT bundle_test.make_key('$folder/key')");
my $other = $node->safe_psql('postgres', "SELECT bundle_test.make_key('$folder/other')");
my $contents = contents_text([ [ 't', 'id integer' ] ],
	{ do => 'append', table => 1, form => 'text', file => '1.copy', rows => 0, bytes => 0 });
make_bundle($node, "$folder/good.tar", "$folder/key", head_text(), $contents, ['SELECT 1']);
my $bytes = slurp("$folder/good.tar");
my $length = length $bytes;
my @members = members_of($bytes);

is_deeply([ check_bundle($node, "$folder/good.tar", $public) ], [ 'good', '' ], 'the bundle is good');
is(tar_of(@members), $bytes, 'and the archive is made as the test makes it');

# Tests that all of these got one of the verdicts.
sub all_are
{
	my ($verdicts, $test, @forgeries) = @_;
	my $n = @forgeries;
	my %found = check_forgeries($node, $folder, $public, @forgeries);
	my $right = 0;
	$right += @{ $found{$_} // [] } foreach @$verdicts;
	is($right, $n, $test);
	delete @found{@$verdicts};
	diag("$_: " . join(', ', grep { defined } @{ $found{$_} }[ 0 .. 9 ])) foreach sort keys %found;
	return;
}

# --- bytes

my @flipped;
foreach my $i (0 .. $length - 1)
{
	my $copy = $bytes;
	substr($copy, $i, 1) ^= chr(1 << ($i % 8));
	push @flipped, [ "bit of byte $i", $copy ];
}
all_are([ 'bad', 'unsigned' ], "one bit of each of $length bytes", @flipped);
all_are(['partial'], 'cut at every length', map { [ "cut at $_", substr($bytes, 0, $_) ] } 0 .. $length - 1);
all_are(['bad'], 'something behind its end', [ 'a byte', $bytes . 'x' ], [ 'a zero', "$bytes\0" ], [ 'blocks', $bytes . "\0" x 10240 ], [ 'itself', $bytes x 2 ]);
all_are(['bad'], 'a size that is set before the bytes', map { [ "zeros from $_", substr($bytes, 0, $_) . "\0" x ($length - $_) ] } map { $_ * 512 } 1 .. 6);
all_are([ 'bad', 'partial' ], 'no bundles', [ 'nothing', '' ], [ 'text', "hello\n" x 1000 ], [ 'zeros', "\0" x 2048 ], [ 'noise', join('', map { chr(int(rand(256))) } 1 .. 5000) ]);

# --- members

my @moved;
foreach my $i (0 .. $#members)
{
	foreach my $j ($i + 1 .. $#members)
	{
		my @swapped = @members;
		@swapped[ $i, $j ] = @swapped[ $j, $i ];
		push @moved, [ "$i and $j swapped", tar_of(@swapped) ];
		# contents without their headers
		my @exchanged = map { +{%$_} } @members;
		@exchanged[ $i, $j ] = ({ %{ $exchanged[$i] }, content => $exchanged[$j]{content} }, { %{ $exchanged[$j] }, content => $exchanged[$i]{content} });
		push @moved, [ "contents of $i and $j", tar_of(@exchanged) ];
	}
	my @without = @members;
	splice @without, $i, 1;
	push @moved, [ "without $i", tar_of(@without) ];
	foreach my $at (0 .. @members)
	{
		my @more = @members;
		splice @more, $at, 0, $members[$i];
		push @moved, [ "$i once more at $at", tar_of(@more) ];
		@more = @members;
		splice @more, $at, 0, { name => ($members[0]{name} =~ s/FORMAT/more/r), content => "x" };
		push @moved, [ "one more at $at", tar_of(@more) ];
	}
}
all_are([ 'bad', 'unsigned' ], scalar(@moved) . ' ways to swap, take out, double and add members', @moved);

sub renamed
{
	my ($from, $to) = @_;
	return [ "$from as $to", tar_of(map { +{ %$_, name => ($_->{name} =~ s/$from/$to/r) } } @members) ];
}
my ($directory) = $members[0]{name} =~ m{^(.*)/};
all_are(['bad'], 'names that lead elsewhere', renamed($directory, '..'), renamed($directory, '/etc'), renamed($directory, "$directory/.."), renamed('1.copy', '../1.copy'),
	renamed('1.copy', '.hidden'), renamed("$directory/", ''), renamed($directory, 'a' x 100), renamed($directory, 'other-5f1c0000-1764291234-000000000001'),
	renamed('contents.json', "con\ntents"));

# headers that other programs would take for the same
sub with_header
{
	my ($name, $change) = @_;
	my $header = $members[1]{header};
	$change->(\$header);
	substr($header, 148, 8) = ' ' x 8;
	substr($header, 148, 8) = sprintf("%06o\0 ", unpack('%32C*', $header));
	return [ $name, join('', map { ($_ == $members[1] ? $header : $_->{header}) . $_->{content} . $_->{padding} } @members) . "\0" x 1024 ];
}
all_are(['bad'], 'headers that say the same in another way',
	with_header('mode', sub { substr(${ $_[0] }, 100, 8) = "0000644\0" }),
	with_header('time', sub { substr(${ $_[0] }, 136, 12) = "00000000001\0" }),
	with_header('user', sub { substr(${ $_[0] }, 265, 4) = 'root' }),
	with_header('no type', sub { substr(${ $_[0] }, 156, 1) = "\0" }),
	with_header('symlink', sub { substr(${ $_[0] }, 156, 1) = '2' }),
	with_header('GNU', sub { substr(${ $_[0] }, 257, 8) = "ustar  \0" }),
	with_header('size with blanks', sub { substr(${ $_[0] }, 124, 12) =~ s/^0/ / }),
	with_header('size in 256', sub { substr(${ $_[0] }, 124, 12) = "\x80" . "\0" x 10 . chr(length $members[1]{content}) }),
	with_header('prefix', sub { substr(${ $_[0] }, 345, 1) = 'x' }),
	with_header('behind the name', sub { substr(${ $_[0] }, 99, 1) = 'x' }));
all_are(['partial'], 'a size beyond the end', with_header('8 GB', sub { substr(${ $_[0] }, 124, 12) = "77777777777\0" }));
run_tool($folder, 'tar', '-xf', 'good.tar');
foreach my $format ('gnu', 'pax', 'ustar', 'v7')
{
	run_tool($folder, 'tar', "--format=$format", '-cf', "$format.tar", map { $_->{name} } @members);
	isnt((check_bundle($node, "$folder/$format.tar", $public))[0], 'good', "archived anew, as $format");
}

# --- signatures

is((check_bundle($node, "$folder/good.tar", $other))[0], 'unsigned', 'by nobody whose key we have');
is((check_bundle($node, "$folder/good.tar"))[0], 'unsigned', 'no key at all');
is((check_bundle($node, "$folder/good.tar", $other, $public))[0], 'good', 'one of several keys');
spew("$folder/forged.tar", tar_of(sign_again($folder, "$folder/other", @members)));
is((check_bundle($node, "$folder/forged.tar", $public))[0], 'unsigned', 'signed by another key');
my @changed = map { +{ %$_, content => ($_->{content} =~ s/"orders"/"orderz"/r) } } @members;
spew("$folder/forged.tar", tar_of((sign_again($folder, "$folder/other", @changed))[ 0 .. $#members - 1 ], $members[-1]));
is((check_bundle($node, "$folder/forged.tar", $public))[0], 'unsigned', 'new sums under the old signature');
spew("$folder/text", "some text\n");
run_tool($folder, 'openssl', 'pkeyutl', '-sign', '-rawin', '-inkey', 'key', '-in', 'text', '-out', 'text.sig');
spew("$folder/forged.tar", tar_of(@members[ 0 .. $#members - 1 ], { %{ $members[-1] }, content => slurp("$folder/text.sig") }));
is((check_bundle($node, "$folder/forged.tar", $public))[0], 'unsigned', 'the signature of another text');

# --- what the signer himself has made wrong

# Tests what is said of the bundle with one member changed, and signed with the right key.
sub signed_is
{
	my ($verdict, $reason, $member, $change, $test) = @_;
	my @wrong = map { my %copy = %$_; $copy{content} = $change->($copy{content}) if $copy{name} =~ m{/\Q$member\E$}; \%copy } @members;
	spew("$folder/wrong.tar", tar_of(sign_again($folder, "$folder/key", @wrong)));
	my @said = check_bundle($node, "$folder/wrong.tar", $public);
	is($said[0], $verdict, $test);
	like($said[1], $reason, "$test: why") if $reason;
	return;
}

# A change of what JSON says.
sub json
{
	my ($change) = @_;
	return sub { my $value = JSON::PP::decode_json($_[0]); $change->($value); return JSON::PP::encode_json($value); };
}

signed_is('good', undef, 'none', undef, 'signed anew');
signed_is('good', undef, 'bundle.json', json(sub { $_[0]{unknown} = [ { a => [ 1, -2.5e10, undef ] } ] }), 'unknown keys are read over');
signed_is('too new', qr/^it has format 2,/, 'FORMAT', sub { "dbsync bundle 2\n" }, 'a later format');
signed_is('bad', qr/FORMAT/, 'FORMAT', sub { "dbsync bundle x\n" }, 'no format');
signed_is('bad', qr/"format"/, 'bundle.json', json(sub { $_[0]{format} = 2 }), 'two formats');
signed_is('too new', qr/^it requires "magic"/, 'bundle.json', json(sub { push @{ $_[0]{requires} }, 'magic' }), 'it requires what we do not know');
signed_is('bad', qr/folder/, 'bundle.json', json(sub { $_[0]{number} = 2; $_[0]{previous} = 'ab' x 32 }), 'another number than its folder\'s');
signed_is('bad', qr/folder/, 'bundle.json', json(sub { $_[0]{subscription}{name} = 'others' }), 'another subscription than its folder\'s');
signed_is('bad', qr/previous/, 'bundle.json', json(sub { $_[0]{previous} = 'ab' x 32 }), 'number 1 with a predecessor');
signed_is('bad', qr/position/, 'bundle.json', json(sub { delete $_[0]{position} }), 'the last part without a position');
signed_is('bad', qr/out of range/, 'bundle.json', json(sub { $_[0]{chain} = -1 }), 'a negative chain');
signed_is('bad', qr/uuid/, 'bundle.json', json(sub { $_[0]{subscription}{id} = 'x' }), 'no uuid');
signed_is('bad', qr/deeply/, 'bundle.json', sub { '{"a":' . '[' x 1_000_000 }, 'JSON a million levels deep');
signed_is('bad', qr/UTF-8/, 'bundle.json', sub { "{\"a\": \"\xff\"}" }, 'no UTF-8');
signed_is('bad', qr/backslash/, 'bundle.json', sub { '{"a": "\u0000"}' }, 'a zero in a string');
signed_is('bad', qr/./, 'bundle.json', sub { $_[0] . 'x' }, 'something behind JSON');
signed_is('bad', qr/./, 'bundle.json', sub { '' }, 'no JSON');
foreach my $cut (1 .. 20)
{
	signed_is('bad', undef, 'bundle.json', sub { substr($_[0], 0, int(length($_[0]) * $cut / 21)) }, "JSON cut off, $cut");
}

# what is found out only as it is read
sub reading_says
{
	my ($reason, $member, $change, $test) = @_;
	signed_is('good', undef, $member, $change, $test);
	my (undef, undef, $error) = $node->psql('postgres', "SELECT * FROM bundle_test.bundle_rows('$folder/wrong.tar', " . quoted($public) . ', 1, 1)');
	like($error, qr/ERROR:  .*wrong.tar.* cannot be read: .*$reason/, "$test: reading it");
	return;
}

sub zipped
{
	my ($content) = @_;
	spew("$folder/raw", $content);
	unlink "$folder/raw.zst";
	run_tool($folder, 'zstd', '-q', '--check', 'raw', '-o', 'raw.zst');
	return slurp("$folder/raw.zst");
}

reading_says(qr/table that is not there/, 'contents.json', json(sub { $_[0]{steps}[0]{table} = 2 }), 'a step of no table');
reading_says(qr/no table/, 'contents.json', json(sub { $_[0]{steps}[0]{table} = 0 }), 'a step without one');
reading_says(qr/not known/, 'contents.json', json(sub { $_[0]{steps}[0]{do} = 'dance' }), 'an unknown step');
reading_says(qr/members in their order/, 'contents.json', json(sub { $_[0]{steps}[0]{file} = '2.copy.zst' }), 'a member that is not there');
reading_says(qr/no such file/, 'contents.json', json(sub { $_[0]{steps}[0]{file} = '../1.copy.zst' }), 'a member elsewhere');
reading_says(qr/no such file/, 'contents.json', json(sub { $_[0]{steps}[0]{file} = '1.copy' }), 'a member of another kind');
reading_says(qr/members in their order/, 'contents.json', json(sub { $_[0]{steps} = [] }), 'a member of no step');
reading_says(qr/built in/, 'contents.json', json(sub { $_[0]{tables}[0]{columns}[0]{oid} = 16400 }), 'a type of the reader\'s own');
reading_says(qr/column that is not there/, 'contents.json', json(sub { $_[0]{tables}[0]{key} = [2] }), 'a key of no column');
reading_says(qr/UTF8/, 'contents.json', json(sub { $_[0]{encoding} = 'LATIN1' }), 'another encoding');
reading_says(qr/deeply/, 'contents.json', sub { '{"a":' x 100_000 }, 'deep JSON');
reading_says(qr/more bytes/, '1.copy.zst', sub { zipped("1\n" x 10_000_000) }, 'a zip bomb');
reading_says(qr/less than/, '1.copy.zst', sub { zipped('') }, 'no rows');
reading_says(qr/number of values/, '1.copy.zst', sub { zipped("\t\n") }, 'a value too many');
reading_says(qr/within a row/, '1.copy.zst', sub { zipped("12") }, 'half a row');
reading_says(qr/backslash/, '1.copy.zst', sub { zipped("\\\n") }, 'a backslash and nothing');
reading_says(qr/more rows/, '1.copy.zst', sub { zipped("\n\n") }, 'a row too many');
reading_says(qr/./, '1.copy.zst', sub { 'no zstd' }, 'not zipped');
reading_says(qr/not complete/, '1.copy.zst', sub { substr($_[0], 0, -1) }, 'a frame that is cut off');
reading_says(qr/behind its end/, '1.copy.zst', sub { $_[0] . $_[0] }, 'two frames');
reading_says(qr/./, '1.copy.zst', sub { substr($_[0], 0, -1) . (substr($_[0], -1) ^ "\1") }, 'another checksum of zstd');

# --- what is no file

symlink("$folder/good.tar", "$folder/link");
mkdir "$folder/dir";
POSIX::mkfifo("$folder/fifo", 0600);
my $socket = IO::Socket::UNIX->new(Local => "$folder/socket", Listen => 1);
foreach my $what ("$folder/link", "$folder/dir", "$folder/fifo", "$folder/socket", '/dev/zero', '/dev/null')
{
	is_deeply([ check_bundle($node, $what, $public) ], [ 'bad', 'it is no ordinary file' ], "no ordinary file: $what");
}
my (undef, undef, $error) = $node->psql('postgres', "SELECT dbsync.check_bundle('$folder/none', '{}')");
like($error, qr/could not open file .*No such file/, 'no file');

# --- whoever asks

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE nobody;
CREATE ROLE reader IN ROLE pg_read_server_files;
GRANT USAGE ON SCHEMA dbsync TO nobody, reader;
GRANT EXECUTE ON FUNCTION dbsync.check_bundle(text, text[]) TO nobody, reader;
SQL
(undef, undef, $error) = $node->psql('postgres', "SET ROLE nobody; SELECT * FROM dbsync.check_bundle('$folder/good.tar', '{}')");
like($error, qr/permission denied to read a file of the server/, 'who may not read files may not read bundles');
is(ask($node, "SET ROLE reader; SELECT verdict FROM dbsync.check_bundle('$folder/good.tar', ARRAY[" . quoted($public) . '])'), 'good', 'who may, may');
(undef, undef, $error) = $node->psql('postgres', "SELECT * FROM dbsync.check_bundle('good.tar', '{}')");
like($error, qr/must be absolute/, 'a relative path');
foreach my $key ('', 'x', slurp("$folder/key"))
{
	(undef, undef, $error) = $node->psql('postgres', "SELECT * FROM dbsync.check_bundle('$folder/good.tar', ARRAY[" . quoted($key) . '])');
	like($error, qr/public key 1 is none/, 'no public key');
	unlike($error, qr/MC4CAQ/, 'and a private one is not shown') if $key =~ /PRIVATE/;
}

is(ask($node, 'SELECT 1'), 1, 'the server goes on');
unlike(slurp($node->logfile), qr/PANIC|was terminated by signal/, 'and none of its processes has crashed');

done_testing();

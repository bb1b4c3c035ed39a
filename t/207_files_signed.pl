# Bundles that are encrypted one way, and receipts that are signed the other way, from a receiver to the source: what is not signed by a key that the source
# was given says nothing to it, be it unsigned, changed on its way, signed by somebody else, or with the signature of another one.  openssl proves each, too.
# Keys are rotated, a gap is filled, a receipt comes on paper; a key that is no secret signs nothing, and rows come all the same.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask poll_until quoted);
use DbsyncTest::Bundle qw(run_tool slurp spew);
use DbsyncTest::Receiving;
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Utils;
use Test::More;

my $work = PostgreSQL::Test::Utils::tempdir_short();

sub tool { my ($ok, $said) = run_tool($work, @_); die "@_: $said" unless $ok; return $said; }

tool(qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=branch -keyout sealing.pem -out certificate.pem));
spew("$work/identity.pem", slurp("$work/sealing.pem") . slurp("$work/certificate.pem"));
foreach my $of (qw(branch next other))
{
	tool(qw(openssl genpkey -algorithm ed25519 -out), "$of.key");
	tool(qw(openssl pkey -in), "$of.key", '-pubout', '-out', "$of.pub");
}
chmod 0600, glob("$work/*.key"), "$work/identity.pem";
# the keys that the source takes receipts by
spew("$work/receivers.pub", slurp("$work/branch.pub"));

my $pair = DbsyncTest::Receiving->new(
	source_conf => "dbsync.retention_interval = '200ms'",
	gate => "receivers=branch&recipients=$work/certificate.pem&receipt_keys=$work/receivers.pub&resend_after=1%20h",
	no_receiver => 1);
my ($source, $receipts) = ($pair->source, "$pair->{out_root}/receipts");

$pair->create_receiver('branch', options => quoted(qq({"identity_file": "$work/identity.pem", "gap_after": "0"})));
$pair->both('CREATE TABLE public.t (id int PRIMARY KEY, v text)');
$pair->sql("INSERT INTO public.t SELECT i, 'v' || i FROM generate_series(1, 50) i");
$pair->subscribe('s', ['public.t'], target => 'gate');
$pair->start_subscription('s');

# One batch more that is in out.
my $change = 0;
sub changes
{
	my ($n) = @_;
	foreach (1 .. $n)
	{
		$change++;
		$pair->sql("UPDATE public.t SET v = 'change $change' WHERE id = $change");
		$pair->arrives('s', "change $change is out");
	}
	return;
}

sub receives
{
	my ($expected, $test) = @_;
	$pair->carry;
	my ($batches, $error) = $pair->receive('branch');
	return ref $expected ? like($error, $expected, $test) : (is($batches, $expected, $test) || diag($error));
}

sub receipt_lines
{
	my (@files) = DbsyncTest::Receiving::files_of("$pair->{in_root}/receipts");
	is(scalar(@files), 1, 'there is one receipt') or return ();
	return split /\n/, slurp($files[0]);
}

# It goes back, whole; as it is, unless other lines are given.
sub goes_back
{
	my ($name, @lines) = @_;
	@lines = receipt_lines() unless @lines;
	spew("$work/receipt", join('', map { "$_\n" } @lines));
	chmod(0644, "$work/receipt");
	rename("$work/receipt", "$receipts/$name") or die $!;
	return @lines;
}

sub is_taken
{
	my ($name, $test) = @_;
	return ok(poll_until(sub { !-e "$receipts/$name" }, "receipt $name to be taken"), $test);
}

sub is_ignored
{
	my ($name, $test) = @_;
	ok(poll_until(sub { slurp($source->logfile) =~ m{receipts/\Q$name\E" is ignored: it is not signed by a key in the file that option "receipt_keys" names} }, "$name in the log"), "$test: it is ignored");
	return ok(-e "$receipts/$name", "$test: and left where it is");
}

sub kept { return $pair->sql("SELECT string_agg(number || ' ' || state || coalesce(acknowledged::text, ''), ', ' ORDER BY number) FROM dbsync.bundles('s')"); }

# Those that nobody has acknowledged: the others go in their time.
sub unacknowledged { return kept() =~ s/\d+ acknowledged\{branch\},? ?//gr; }

# All that was played is acknowledged, and gone but for the newest.
sub acknowledged
{
	my ($test) = @_;
	return ok(poll_until(sub { kept() =~ /^\d+ acknowledged\{branch\}$/ }, 'acknowledged bundles to go'), $test) || diag(kept());
}

# --- without a signature
$pair->arrives('s', 'the first copy is out');
changes(2);
receives($pair->sql("SELECT count(*) FROM dbsync.bundles('s')"), 'the receiver plays what was encrypted');
$pair->same_at_both_ends('public.t');
my $before = unacknowledged();
my @unsigned = goes_back('unsigned');
is(scalar(@unsigned), 1, 'without a key a receipt is one line');
is_ignored('unsigned', 'one without a signature');
is(unacknowledged(), $before, 'and acknowledges nothing');
like($before, qr/, /, 'of several bundles');

# --- signed
$pair->target_sql("SELECT dbsync.alter_receiver('branch', options => '{\"receipt_key_file\": \"$work/branch.key\"}')");
receives(0, 'a round with a key, and nothing that has come');
my @signed = goes_back('signed');
is(scalar(@signed), 2, 'with a key it has two lines');
is(join("\n", @signed), $pair->target_sql("SELECT dbsync.receipt('branch')"), 'which receipt() shows');

sub proves
{
	my ($signer, $line, $signature) = @_;
	spew("$work/line", $line);
	spew("$work/signature", decode_base64($signature));
	return (run_tool($work, qw(openssl pkeyutl -verify -pubin -inkey), "$signer.pub", qw(-rawin -in line -sigfile signature)))[0] ? 1 : 0;
}
is(proves('branch', @signed), 1, 'openssl proves it');
is(proves('other', @signed), 0, 'by that key, and no other');
is_taken('signed', 'the source takes it');
acknowledged('and what it names is not kept any more');
unlink "$receipts/unsigned";

# --- changed, or signed by others
changes(3);
receives(3, 'three more are played');
$before = unacknowledged();
my @honest = receipt_lines();
my ($applied) = $honest[0] =~ /applied=(\d+)/;
my %forged = (
	'another number' => [ $honest[0] =~ s/applied=\d+/'applied=' . ($applied - 1)/er, $honest[1] ],
	'what is missing' => [ $honest[0] =~ s/missing=-/missing=$applied/r, $honest[1] ],
	'a higher count' => [ $honest[0] =~ s/^((?:\S+ ){5})\d+/${1}1000000/r, $honest[1] ],
	'the signature of an older one' => [ $honest[0], $signed[1] ],
	'a signature that is cut off' => [ $honest[0], substr($honest[1], 0, 40) ],
	'no base64' => [ $honest[0], '?' x length($honest[1]) ],
	'a space more' => [ "$honest[0] ", $honest[1] ]);
foreach my $how (sort keys %forged)
{
	my $name = $how =~ s/ /_/gr;
	isnt(join("\n", @{ $forged{$how} }), join("\n", @honest), "$how: it is another one");
	goes_back($name, @{ $forged{$how} });
	is_ignored($name, $how);
	unlink "$receipts/$name";
}
$pair->target_sql("SELECT dbsync.alter_receiver('branch', options => '{\"receipt_key_file\": \"$work/other.key\"}')");
receives(0, 'a round with the key of somebody else');
goes_back('foreign');
is_ignored('foreign', 'another key');
unlink "$receipts/foreign";
is(unacknowledged(), $before, 'none of them has a bundle removed');
goes_back('again', @signed);
is_taken('again', 'an older one that was signed is taken');
is(unacknowledged(), $before, 'and says nothing new');
# what has not come to the source by then is still true
goes_back('late', @honest);
is_taken('late', 'the honest one');
acknowledged('has them removed');

# --- a gap: what is missing is said, and sent again, on the word of who signs
$pair->target_sql("SELECT dbsync.alter_receiver('branch', options => '{\"receipt_key_file\": \"$work/branch.key\"}')");
changes(1);
my ($lost) = map { s{.*/}{}r } $pair->outgoing;
unlink $pair->outgoing;
changes(1);
receives(0, 'behind a gap nothing is played');
my @lacks = receipt_lines();
my ($number) = $lost =~ /-0*(\d+)\.tar$/;
like($lacks[0], qr/ missing=$number /, 'the receipt names it');
goes_back('unsigned_gap', $lacks[0]);
is_ignored('unsigned_gap', 'who does not sign');
is(scalar(grep { m{/\Q$lost\E$} } $pair->outgoing), 0, 'has nothing sent again');
unlink "$receipts/unsigned_gap";
goes_back('gap', @lacks);
is_taken('gap', 'who signs');
ok(poll_until(sub { grep { m{/\Q$lost\E$} } $pair->outgoing }, 'the bundle to come again'), 'has');
receives(2, 'and it is played');
$pair->same_at_both_ends('public.t');
goes_back('filled');
is_taken('filled', 'which is said');
acknowledged('and acknowledged');

# --- another key: the source is given it beside the old one
changes(1);
$pair->target_sql("SELECT dbsync.alter_receiver('branch', options => '{\"receipt_key_file\": \"$work/next.key\"}')");
receives(1, 'one more, with a key that the source does not know yet');
$before = unacknowledged();
goes_back('rotated');
is_ignored('rotated', 'a new key');
is(unacknowledged(), $before, 'is no key yet');
spew("$work/both", slurp("$work/branch.pub") . slurp("$work/next.pub"));
rename("$work/both", "$work/receivers.pub") or die $!;
is_taken('rotated', 'the source has it beside the old one: what was left is taken');
acknowledged('and counts');

# --- on paper
changes(2);
receives(2, 'two more');
my $paper = $pair->target_sql("SELECT dbsync.receipt('branch')");
is(scalar(split /\n/, $paper), 2, 'a receipt on paper has its signature');
$pair->sql("SELECT dbsync.acknowledge('s', " . quoted($paper) . ')');
acknowledged('acknowledge() takes it');

# --- a key that others can read signs nothing; rows come all the same
chmod 0644, "$work/next.key";
changes(1);
receives(qr/receipt_key_file "\Q$work\E\/next\.key" can be read by others/, 'a key that others can read is refused');
$pair->same_at_both_ends('public.t');
my $said = ask($pair->target, "SELECT concat_ws(' ', last_error, last_error_detail, next_action) FROM dbsync.receivers WHERE receiver = 'branch'");
my ($secret) = slurp("$work/next.key") =~ /-----\n(\S+)/;
unlike(slurp($pair->target->logfile) . $said, qr/\Q$secret\E/, 'and never shown');
$pair->start_receiver('branch');
$pair->receiver_becomes("last_error ~ 'can be read by others'", 'a worker says so', 'branch');
changes(2);
$pair->carry;
ok(poll_until(sub { (ask($pair->target, "SELECT v FROM public.t WHERE id = $change") // '') eq "change $change" }, 'rows'), 'and plays on');
chmod 0600, "$work/next.key";
$pair->receiver_becomes("last_error IS NULL AND state = 'idle'", 'until it is mended', 'branch');
ok(poll_until(sub { my ($line) = receipt_line(); $line =~ / applied=(\d+) / && $1 == (split ' ', (split ', ', kept())[-1])[0] }, 'a receipt for the newest'), 'then there are receipts again');
$pair->same_at_both_ends('public.t');
goes_back('mended');
is_taken('mended', 'which are signed');
acknowledged('and taken');

sub receipt_line
{
	my ($file) = DbsyncTest::Receiving::files_of("$pair->{in_root}/receipts");
	return $file ? split(/\n/, slurp($file)) : ('');
}

$pair->finish;

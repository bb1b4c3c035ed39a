# Bundles of format 1 that were written once, and are kept in t/data/bundles, must always be readable: by the reader in C and by scripts/receive, which
# play them into tables whose rows are compared. Keys that are not known are read over; an unknown "requires" is refused.
use strict;
use warnings;

use lib 't';
use DbsyncTest::Bundle qw(bundle_functions check_bundle members_of quoted run_tool sign_again slurp spew tar_of);
use DbsyncTest::Kept;
use DbsyncTest::Server qw(ask becomes_true new_node uri_of);
use Cwd qw(getcwd);
use File::Copy qw(copy);
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $kept = getcwd() . '/t/data/bundles';
my $work = PostgreSQL::Test::Utils::tempdir_short();
my $node = new_node('here', preload => 1);
my @kinds = ('plain', 'sealed');
my %tables = (plain => [qw(kinds seat entry)], sealed => ['seat']);
my %bundles = map { $_ => [ sort glob("$kept/$_/*.tar") ] } @kinds;
my %public = map { $_ => slurp("$kept/$_.pub") } @kinds;
my $identity = spew("$work/identity.pem", slurp("$kept/identity.pem"));
chmod 0600, $identity;

$node->safe_psql('postgres', 'CREATE EXTENSION dbsync');
bundle_functions($node);

# --- they say all that a bundle of format 1 may say

my (%seen, %forms);
foreach my $kind (@kinds)
{
	foreach my $path (@{ $bundles{$kind} })
	{
		is_deeply([ check_bundle($node, $path, $public{$kind}) ], [ 'good', '' ], "$kind: " . ($path =~ s{.*/}{}r) . ' proves itself');
		my $key = quoted($public{$kind});
		my $contents = JSON::PP::decode_json(ask($node, "SELECT bundle_test.bundle_contents('$path', $key" . ($kind eq 'sealed' ? ", '$identity'" : '') . ')'));
		my $head = JSON::PP::decode_json(ask($node, "SELECT bundle_test.bundle_head('$path', $key)"));
		$seen{ $_->{do} } = 1, $forms{ $_->{form} // '' } = 1 foreach @{ $contents->{steps} };
		$seen{position} = 1 if $head->{position}{lsn};
		$seen{parts} = 1 if grep { defined $_->{live} } @{ $contents->{parts} // [] };
	}
}
is(join(' ', grep { !$seen{$_} } qw(append merge patch count truncate change types position parts)), '', 'all kinds of steps are in them');
ok($forms{text} && $forms{binary}, 'rows as text, and in binary form');

# --- the receiver

sub receive
{
	my ($kind) = @_;
	my $database = "by_c_$kind";
	my $options = $kind eq 'sealed' ? qq({"ddl": "apply", "identity_file": "$identity"}) : '{"ddl": "apply"}';

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "CREATE EXTENSION dbsync; $DbsyncTest::Kept::tables");
	$node->safe_psql($database, "SELECT dbsync.create_target('here', " . quoted(uri_of($node, database => $database)) . ')');
	$node->safe_psql($database, "SELECT dbsync.create_receiver('r', 'file://$work/$kind', 'here', ARRAY[" . quoted($public{$kind}) . "], options => '$options')");
	mkdir $_ foreach "$work/$kind", "$work/$kind/in";
	copy($_, "$work/$kind/in/" . ($_ =~ s{.*/}{}r)) or die $! foreach @{ $bundles{$kind} };
	my ($status, $played, $error) = $node->psql($database, "SELECT dbsync.receive_once('r')");
	is($status, 0, "$kind: the receiver plays them") or diag($error);
	is(ask($node, 'SELECT number FROM dbsync.receivers', $database), scalar(@{ $bundles{$kind} }), "$kind: all of them")
	  or diag(ask($node, 'SELECT to_json(r) FROM dbsync.receivers r', $database));
	is(DbsyncTest::Kept::text_of($node, $_, $database), slurp("$kept/$_.txt"), "$kind: $_ has what it had at the source") foreach @{ $tables{$kind} };
	return;
}

# --- scripts/receive

sub load
{
	my ($kind) = @_;
	my $database = "by_script_$kind";
	my ($key, $said) = (spew("$work/$kind.pub", $public{$kind}), '');
	my @identity = $kind eq 'sealed' ? ('-i', $identity) : ();

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, $DbsyncTest::Kept::tables);
	local %ENV = (%ENV, TMPDIR => $work, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => $database);
	ok(IPC::Run::run([ 'scripts/receive', 'verify', '-k', $key, @{ $bundles{$kind} } ], '<', \'', '>&', \$said), "$kind: the script proves them") or diag($said);
	ok(IPC::Run::run([ 'scripts/receive', 'load', '-k', $key, @identity, "$kept/$kind" ], '<', \'', '>&', \$said), "$kind: and loads them") or diag($said);
	is(DbsyncTest::Kept::text_of($node, $_, $database), slurp("$kept/$_.txt"), "$kind: $_ has by the script what it had at the source") foreach @{ $tables{$kind} };
	return;
}

foreach my $kind (@kinds)
{
	receive($kind);
	load($kind);
}

# --- keys that are not known, and what a later writer may require

my $public = $node->safe_psql('postgres', "SELECT bundle_test.make_key('$work/key')");

# A kept bundle, one of its members changed, and signed by another key.
sub changed
{
	my ($path, $change, %functions) = @_;
	my @members = members_of(slurp($path));
	foreach my $member (@members)
	{
		my ($name) = $member->{name} =~ m{/(.*)};
		next unless $functions{$name};
		my $json = JSON::PP->new->utf8->canonical->allow_bignum;
		my $value = $json->decode($member->{content});
		$functions{$name}->($value);
		$member->{content} = $json->encode($value);
	}
	return spew("$work/$change.tar", tar_of(sign_again($work, "$work/key", @members)));
}

my $strange = { future => [ 1, { deep => [ undef, JSON::PP::true, "\x{e9}\n" ] } ] };
my $unknown = sub { my ($value) = @_; $value->{zebra} = $strange; return; };
my $first = $bundles{plain}[0];
my $path = changed($first, 'unknown',
	'bundle.json' => sub { $unknown->($_) foreach $_[0], $_[0]{source}, $_[0]{subscription}, $_[0]{position} ? $_[0]{position} : (); },
	'contents.json' => sub {
		my ($contents) = @_;
		$unknown->($_) foreach $contents, map({ ($_, @{ $_->{columns} }) } @{ $contents->{tables} }), @{ $contents->{steps} }, @{ $contents->{parts} // [] };
	});
my $required = changed($first, 'required', 'bundle.json' => sub { push @{ $_[0]{requires} }, 'warp' });
is_deeply([ check_bundle($node, $path, $public) ], [ 'good', '' ], 'keys that are not known are read over');
is((check_bundle($node, $required, $public))[0], 'too new', 'what must be known and is not, is not');

$node->safe_psql('postgres', $DbsyncTest::Kept::tables . "SELECT dbsync.create_target('here', " . quoted(uri_of($node)) . ');'
	. "SELECT dbsync.create_receiver('r', 'file://$work/later', 'here', ARRAY[" . quoted($public) . q{], options => '{"settle_after": "0"}')});
mkdir $_ foreach "$work/later", "$work/later/in";
copy($required, "$work/later/in/1.tar") or die $!;
my (undef, undef, $error) = $node->psql('postgres', "SELECT dbsync.receive_once('r')");
like($error, qr/cannot read a bundle that has come.*warp/s, 'the receiver stops at it, and names what it wants');
is(ask($node, q{SELECT count(*) FROM dbsync.receivers WHERE last_error ~ 'cannot read a bundle'}), 1, 'and says so')
  or diag(ask($node, 'SELECT to_json(r) FROM dbsync.receivers r'));
is(ask($node, 'SELECT (SELECT count(*) FROM public.kinds) + (SELECT count(*) FROM public.seat)'), 0, 'nothing of it is played');

# another receiver, with keys that are not known
$node->safe_psql('postgres', "SELECT dbsync.create_receiver('q', 'file://$work/keys', 'here', ARRAY[" . quoted($public) . '])');
mkdir $_ foreach "$work/keys", "$work/keys/in";
copy($path, "$work/keys/in/1.tar") or die $!;
my ($status, $played, $said) = $node->psql('postgres', "SELECT dbsync.receive_once('q')");
is("$status $played", '0 1', 'one with keys that are not known is played') or diag($said);
ok(!(grep { /TRAP|PANIC|terminated by signal/ } split /\n/, slurp($node->logfile)), 'no crash');
done_testing();

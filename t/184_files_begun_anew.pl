# Chains that are begun anew: in mid-copy, with a clock that was put back, where the source was copied; and receipts for
# which there is no room.  Each time what is in out is a chain that can be played.  Hazards 15, 17, 22, 43 of files.
use strict;
use warnings;

use Errno qw(ENOSPC);
use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted);
use DbsyncTest::Io;
use DbsyncTest::Outbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $io = DbsyncTest::Io->new;
my $root = PostgreSQL::Test::Utils::tempdir() . '/outbox';
my $pair = $io->around(sub { DbsyncTest->new(source_only => 1, source_conf => "fsync = on\ndbsync.copy_chunk_rows = 100") });
my $source = $pair->source;
my $outbox = DbsyncTest::Outbox->new($root);
my @columns = ('binary', 'int4send(id)', 'textsend(v)');

sub chain { return $pair->sql("SELECT chain FROM dbsync.subscription WHERE name = 's'"); }

sub kept { return join ' ', map { s{.*/}{}r } sort glob("$root/keep/*/*.{tar,state}"); }

sub is_whole
{
	my ($test) = @_;
	$pair->arrives('s', "$test: it arrives");
	my @played = $outbox->play("$test: a chain");
	$outbox->same_as($source, 'public.item', @columns);
	return @played;
}

# --- in mid-copy
$pair->sql('CREATE TABLE item (id int PRIMARY KEY, v text); INSERT INTO item SELECT i, $$v$$ || i FROM generate_series(1, 10000) i');
$pair->create_target('gate', "file://$root?receivers=branch");
$pair->subscribe('s', ['item'], target => 'gate');
$pair->start_subscription('s');
ok(poll_until(sub { grep { /\.tar$/ } $outbox->files('out') }, 'a part of a copy'), 'a first copy has begun');
$io->rules('write outbox/tmp/ ' . ENOSPC);
$pair->status_becomes('s', "state = 'waiting to retry' AND last_error LIKE '%/tmp/%'", 'and stands still');
is($pair->sql('SELECT state FROM dbsync.table_status'), 'copying', 'in its midst');
my $first = chain();
$pair->sql("UPDATE item SET v = 'changed' WHERE id % 10 = 0; DELETE FROM item WHERE id % 11 = 0");
$pair->sql("SELECT dbsync.restart_chain('s')");
cmp_ok(chain(), '>', $first, 'another chain is begun');
$io->no_rules;
my @played = is_whole('in mid-copy');
my @other = grep { $_->{head}{chain} == chain() } @played;
cmp_ok(scalar(@other), '>', 1, 'it is copied from its beginning');
is($other[0]{head}{number}, 1, 'which is number 1');

# --- no room for what a receiver has said
my ($uid) = glob("$root/keep/*") =~ m{([^/]+)$};
my ($newest) = reverse $outbox->bundles;
my $line = sprintf 'dbsync-receipt 1 %s 5f1c0000-0000-4000-8000-000000000001 branch 1 2026-11-30T00:00:00Z chain=%s applied=%s batch=1 sha256=%s missing=- refused=- target=1/1',
	$uid, chain(), $newest->{head}{number}, substr($newest->{sums}, 0, 16);
$io->rules('write outbox/tmp/ ' . ENOSPC);
open(my $receipt, '>', "$root/receipts/r") or die $!;
print $receipt "$line\n";
close($receipt);
chmod(0644, "$root/receipts/r");
$pair->status_becomes('s', "state = 'waiting to retry' AND last_error LIKE '%/tmp/%'", 'no room for a receipt: status says where');
ok(-e "$root/receipts/r", 'it is left where it is');
cmp_ok(scalar(grep { /\.tar$/ } $outbox->files('out')), '>', 1, 'and nothing goes on its word');
$io->no_rules;
ok(poll_until(sub { !-e "$root/receipts/r" }, 'the receipt to be taken'), 'it is taken when there is room');
ok(poll_until(sub { $pair->sql("SELECT count(*) FROM dbsync.bundles('s')") == 1 }, 'acknowledged bundles to go'), 'and what is acknowledged goes');

# --- receipts that are to be signed
my $base = PostgreSQL::Test::Utils::tempdir();
foreach my $of (qw(receiver other))
{
	DbsyncTest::Outbox::run_on('', 'openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$base/$of.key");
	DbsyncTest::Outbox::run_on('', 'openssl', 'pkey', '-in', "$base/$of.key", '-pubout', '-out', "$base/$of.pub");
}
$pair->sql("SELECT dbsync.alter_target('gate', options => '{\"receipt_keys\": \"$base/receiver.pub\"}')");
foreach (1, 2)
{
	$pair->sql("UPDATE item SET v = v || '.' WHERE id < 10");
	$pair->arrives('s', 'a batch');
}
$outbox->play('what is to be acknowledged');
my $count = 10;
sub comes
{
	my ($name, $signer) = @_;
	my ($last) = reverse $outbox->bundles;
	my $said = sprintf 'dbsync-receipt 1 %s 5f1c0000-0000-4000-8000-000000000001 branch %d 2026-11-30T00:00:00Z chain=%s applied=%s batch=1 sha256=%s missing=- refused=- target=1/1',
		$uid, ++$count, chain(), $last->{head}{number}, substr($last->{sums}, 0, 16);
	open(my $text, '>', "$base/text") or die $!;
	print $text $said;
	close($text);
	my $signature = $signer ? DbsyncTest::Outbox::run_on(DbsyncTest::Outbox::run_on('', 'openssl', 'pkeyutl', '-sign', '-rawin', '-inkey', "$base/$signer.key", '-in', "$base/text"),
		'base64', '-w0') : '';
	open(my $out, '>', "$base/whole") or die $!;
	print $out "$said\n$signature\n";
	close($out);
	chmod(0644, "$base/whole");
	rename("$base/whole", "$root/receipts/$name") or die $!;
	return;
}
my $kept = kept();
foreach my $forged ([ 'unsigned', undef ], [ 'foreign', 'other' ])
{
	comes(@$forged);
	ok(poll_until(sub { DbsyncTest::Outbox::slurp($source->logfile) =~ m{receipts/$forged->[0]" is ignored: it is not signed by a key} }, 'a line in the log'), "$forged->[0]: it is ignored");
	ok(-e "$root/receipts/$forged->[0]", "$forged->[0]: and left where it is");
	unlink("$root/receipts/$forged->[0]");
}
like(kept(), qr/^\Q@{[(split ' ', $kept)[0]]}\E/, 'neither has a bundle removed');
comes('signed', 'receiver');
ok(poll_until(sub { !-e "$root/receipts/signed" }, 'the receipt to be taken'), 'one that is signed is taken');
ok(poll_until(sub { $pair->sql("SELECT count(*) FROM dbsync.bundles('s')") == 1 }, 'acknowledged bundles to go'), 'and has them removed');

# --- by the clock, while somebody has a lock
$pair->sql("CREATE TABLE other (id int PRIMARY KEY); SELECT dbsync.add_table('s', 'other')");
$pair->arrives('s', 'another table');
my $last = chain();
$pair->sql("BEGIN; LOCK TABLE item IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'locker'");
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"full_every": "2 s", "receipt_keys": null}')});
$pair->status_becomes('s', "last_error ~ 'lock timeout' AND state = 'running'", 'a table that is locked keeps another chain from being begun');
$pair->sql('INSERT INTO other VALUES (1)');
ok(poll_until(sub { grep { $_->{head}{rows} && ($_->{contents}{tables}[0]{table} // '') eq 'other' } $outbox->bundles }, 'the row of the other table'), 'and not changes of others from going');
is(chain(), $last, 'in the chain that there is');
is($pair->sql("SELECT string_agg(state, ',') FROM dbsync.table_status WHERE state = 'suspended'"), '', 'no table is blamed');
$pair->sql("ROLLBACK PREPARED 'locker'");
ok(poll_until(sub { chain() > $last }, 'another chain'), 'it is begun when the lock has gone');
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"full_every": null}')});
is_whole('another chain by the clock');

# --- the clock was days ahead when a chain was begun
my $ahead = chain() + 1_000_000;
$pair->sql("SELECT dbsync.restart_chain('s', $ahead)");
is_whole('a chain of days ahead');
$pair->sql("SELECT dbsync.restart_chain('s')");
is(chain(), $ahead + 1, 'with a clock that was put back a chain is still above the last');
is_whole('the next one');

# and the source is put back to before it: what its catalog says is not above what was written
$pair->stop_subscription('s');
my $before = kept();
$pair->sql("UPDATE dbsync.subscription SET chain = $first");
$pair->sql("SELECT dbsync.restart_chain('s')");
cmp_ok(chain(), '<', $ahead, 'a source that was put back does not know of the higher chain');
my ($status, undef, $error) = $source->psql('postgres', "SELECT dbsync.run_once('s')");
isnt($status, 0, 'so it is refused');
my ($cure) = $error =~ /(SELECT dbsync\.restart_chain\('s', \d+\))/;
ok($cure, 'and told which chain would do') or diag($error);
is(kept(), $before, 'nothing was written');
$pair->sql($cure // 'SELECT 1');
$pair->start_subscription('s');
is_whole('the chain that the hint names');

# --- a copy of the source
$pair->stop_subscription('s');
$before = kept();
$pair->sql("CREATE DATABASE copy TEMPLATE postgres");
my @out = $outbox->files('out');
foreach my $sql ("SELECT dbsync.start_subscription('s')", "SELECT dbsync.run_once('s')", "SELECT dbsync.restart_chain('s')")
{
	($status, undef, $error) = $source->psql('copy', $sql);
	ok($status != 0 && $error =~ /adopt/, "a copy of the source is dormant: $sql") or diag("$status: $error");
}
is(kept(), $before, 'it writes nothing');
is(join(' ', $outbox->files('out')), join(' ', @out), 'nor into out');
$pair->start_subscription('s');
$pair->sql("UPDATE item SET v = 'of the source' WHERE id < 50");
is_whole('the source goes on');

DbsyncTest::finish();

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
$pair->sql('CREATE TABLE item (id int PRIMARY KEY, v text); INSERT INTO item SELECT i, $$v$$ || i FROM generate_series(1, 20000) i');
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

# With a way back: receipts, what is sent again, what is kept no longer.  Without one: retention by age and size, repeats,
# heartbeats, another chain by the clock.  Hazards 10, 16 to 18, 22 of files.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted);
use DbsyncTest::Outbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $base = PostgreSQL::Test::Utils::tempdir();
my $root = "$base/outbox";
my $pair = DbsyncTest->new(source_only => 1, source_conf => "dbsync.retention_interval = '200ms'");
my $source = $pair->source;
my $outbox = DbsyncTest::Outbox->new($root);
my @columns = ('binary', 'int4send(id)', 'textsend(v)');
my $receiver = '5f1c0000-0000-4000-8000-000000000001';
my $count = 0;

$pair->sql('CREATE TABLE item (id int PRIMARY KEY, v text); INSERT INTO item SELECT i, $$v$$ FROM generate_series(1, 100) i');
$pair->create_target('gate', "file://$root?receivers=branch&resend_after=1%20h");
$pair->subscribe('s', ['item'], target => 'gate');
$pair->start_subscription('s');
my $uid = $pair->sql("SELECT uid FROM dbsync.subscription WHERE name = 's'");
my $keep = "$root/keep/$uid";

sub changes
{
	my ($n) = @_;
	foreach (1 .. $n)
	{
		$pair->sql("UPDATE item SET v = 'v' || clock_timestamp() WHERE id = 1");
		$pair->arrives('s', 'a batch');
	}
	return;
}

sub newest { return $pair->sql("SELECT max(number) FROM dbsync.bundles('s') b WHERE b.state <> 'given up'"); }
sub chain { return $pair->sql("SELECT chain FROM dbsync.subscription WHERE name = 's'"); }

# A receiver knows what it has played, whether the sender has it yet or not.
my %sums;

sub receipt
{
	my (%say) = @_;
	my $applied = $say{applied} // 0;
	my ($bundle) = grep { $_->{head}{number} == $applied } $outbox->bundles("keep/$uid");
	my $played = join('.', $say{chain} // chain(), $applied);
	$sums{$played} = substr($bundle->{sums}, 0, 16) if $bundle;
	my $sha256 = $say{sha256} // $sums{$played} // '-';
	# one that is told to be old says nothing of those that come behind it
	my $counted = $say{count} // ++$count;
	return sprintf 'dbsync-receipt 1 %s %s %s %d 2026-11-30T00:00:00Z chain=%s applied=%s batch=%s sha256=%s missing=%s refused=%s target=1/1',
		$say{subscription} // $uid, $say{receiver} // $receiver, $say{name} // 'branch', $counted, $say{chain} // chain(), $applied,
		$applied, $sha256, $say{missing} // '-', $say{refused} // '-';
}

# Into the folder that they come into, whole, as by a rename.
my $file = 0;
sub comes
{
	my ($text) = @_;
	my $path = "$root/receipts/r" . ++$file;
	open(my $out, '>', "$base/receipt") or die $!;
	print $out "$text\n";
	close($out);
	chmod(0644, "$base/receipt");
	rename("$base/receipt", $path) or die $!;
	return $path;
}

sub is_taken
{
	my ($path, $test) = @_;
	ok(poll_until(sub { !-e $path }, "receipt to be taken"), $test);
	return;
}

sub is_ignored
{
	my ($path, $why, $test) = @_;
	ok(poll_until(sub { DbsyncTest::Outbox::slurp($source->logfile) =~ /file "\Q$path\E" is ignored: $why/ }, 'a line in the log'), $test);
	ok(-e $path, "$test: it is left where it is");
	unlink($path);
	return;
}

$pair->arrives('s', 'the first copy is on disk');
changes(5);
my $all = newest();

# --- acknowledged
is_taken(comes(receipt(applied => $all - 2)), 'a receipt is taken');
ok(poll_until(sub { $pair->sql("SELECT min(number) FROM dbsync.bundles('s')") == $all - 1 }, 'acknowledged bundles to go'), 'what the receiver has is not kept any more');
is(join(' ', sort map { /-0*(\d+)\.tar$/ } $outbox->files('out')), join(' ', $all - 1, $all), 'nor in out');
is_taken(comes(receipt(applied => $all)), 'the next receipt');
ok(poll_until(sub { $pair->sql("SELECT string_agg(number || ' ' || state, ',') FROM dbsync.bundles('s')") eq "$all acknowledged" }, 'all but the newest to go'),
	'the newest stays: it is the ledger');
is($pair->sql("SELECT acknowledged FROM dbsync.bundles('s')"), '{branch}', 'and says who has it');
changes(3);

# --- missing, once and twice
my $first = $all + 1;
unlink(glob("$root/out/*"));
is_taken(comes(receipt(applied => $all, missing => "$first-" . ($first + 1))), 'a receipt that lacks something');
ok(poll_until(sub { 2 == grep { /\.tar$/ } $outbox->files('out') }, 'two bundles to come again'), 'that is sent again');
is($pair->sql("SELECT note FROM dbsync.bundles('s') WHERE number = $first"), 'asked for, and sent again', 'which is noted');
unlink(glob("$root/out/*"));
is_taken(comes(receipt(applied => $all, missing => "$first")), 'a later one that still lacks it');
changes(1);
is(scalar(grep { /-0*$first\.tar$/ } $outbox->files('out')), 0, 'not again at once');
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"resend_after": "1 ms"}')});
ok(poll_until(sub { grep { /-0*$first\.tar$/ } $outbox->files('out') }, 'the bundle to come a third time'), 'but after resend_after');
ok(poll_until(sub { DbsyncTest::Outbox::slurp($source->logfile) =~ /bundle $first of subscription "s" was sent again, and is asked for once more/ }, 'a warning'),
	'with a warning');
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"resend_after": "1 h"}')});

# --- refused, and by hand
$pair->sql('SELECT dbsync.acknowledge($$s$$, ' . quoted(receipt(applied => $first, refused => ($first + 1) . ':23505')) . ')');
ok(poll_until(sub { ($pair->sql("SELECT note FROM dbsync.bundles('s') WHERE number = $first + 1") // '') =~ /^refused at receiver "branch": 23505/ }, 'a note'),
	'what a target refuses is noted, of a receipt on paper');
$pair->status_becomes('s', "next_action ~ 'Receiver \"branch\" says that its target refuses a bundle: " . ($first + 1) . ":23505'", 'and status says so');

# --- forged, old, other
ok(poll_until(sub { $pair->sql("SELECT min(number) FROM dbsync.bundles('s')") > $first }, 'the acknowledged bundle to go'), 'what it has of them goes');
my $before = $pair->sql("SELECT string_agg(number || state, ',') FROM dbsync.bundles('s')");
is_ignored(comes('hello'), 'it is no receipt', 'no receipt');
is_ignored(comes(receipt(applied => newest() + 5)), 'it names a bundle that was never written', 'a number that was never sent');
is_ignored(comes(receipt(chain => chain() + 100, applied => 1)), 'it names a bundle that was never written', 'a chain that was never begun');
# status names the chain above it
is_ignored(comes(receipt(chain => '9223372036854775807', applied => 1)), 'it is no receipt', 'a chain that no bundle can have');
is_ignored(comes(receipt(applied => '9223372036854775807')), 'it is no receipt', 'a number that none can have');
is($pair->sql('SELECT count(*) FROM dbsync.status WHERE next_action IS DISTINCT FROM $$x$$'), '1', 'status can be read');
is_ignored(comes('x' x 70000), 'it is no ordinary file of 64 kB at most', 'a large file');
is_ignored(comes(receipt(applied => newest(), sha256 => '-')), 'it does not say by its hash', 'a receipt that guesses a number');
symlink('/etc/passwd', "$root/receipts/link") or die $!;
is_ignored("$root/receipts/link", 'it is no ordinary file', 'a symbolic link');
my $foreign = comes(receipt(subscription => '00000000-0000-4000-8000-000000000000', applied => 1));
is_taken(comes(receipt(count => 1, applied => newest())), 'an older count is taken, and says nothing');
is($pair->sql("SELECT string_agg(number || state, ',') FROM dbsync.bundles('s')"), $before, 'none of them removes a bundle');
ok(-e $foreign, "another subscription's receipt is left for its worker");
unlink($foreign);
my ($error) = ($source->psql('postgres', "SELECT dbsync.acknowledge('s', 'dbsync-receipt 1 nonsense')"))[2];
like($error, qr/that is no receipt/, 'no receipt on paper');

# --- what is not kept any more
is_taken(comes(receipt(applied => 0, missing => '1-2')), 'a receiver that was put back');
$pair->status_becomes('s', "next_action ~ 'Receiver \"branch\" lacks bundle 1, which is not kept any more.*restart_chain'", 'status says what cannot be sent again');
is_taken(comes(receipt(applied => newest())), 'it has all of it');
$pair->status_becomes('s', "coalesce(next_action, '') !~ 'lacks'", 'and then no more');

# --- a receiver that was dropped, and made again, has another id
my $again = '5f1c0000-0000-4000-8000-000000000002';
changes(2);
is_taken(comes(receipt(receiver => $again, applied => newest())), 'another receiver of the name');
ok(poll_until(sub { $pair->sql("SELECT count(*) FROM dbsync.bundles('s')") == 1 }, 'acknowledged bundles to go'), 'counts as that one');

# --- by a name that was another one
changes(1);
$pair->sql(q{SELECT dbsync.alter_subscription('s', new_name => 't')});
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"suffix": ".bundle"}')});
$pair->sql("UPDATE item SET v = 'other names'");
$pair->arrives('t', 'another name, and another suffix');
$pair->sql("SELECT dbsync.publish('t', 1, (SELECT max(number) FROM dbsync.bundles('t')))");
my ($both) = grep { /\.tar$/ } $outbox->files('out');
ok($both, 'what was published before has its name of then');
my $most = $pair->sql("SELECT max(number) FROM dbsync.bundles('t')");
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"suffix": ".tar"}')});
$pair->sql(q{SELECT dbsync.alter_subscription('t', new_name => 's')});
$pair->sql("UPDATE item SET v = 'and back'");
$pair->arrives('s', 'the names of before');
is_taken(comes(receipt(receiver => $again, applied => $most)), 'a receipt for what has several names');
ok(poll_until(sub { !grep { /-0*(\d+)\.(tar|bundle)$/ && $1 < $most } $outbox->files('out') }, 'bundles to go from out'), 'all names of a bundle go with it');

# --- a folder, and a link to somewhere else, that have the names of bundles
my ($last) = reverse sort grep { /\.tar$/ } $outbox->files('out');
my ($is_folder, $is_link) = map { my $more = $_; $last =~ s/(\d+)\.tar$/sprintf('%012d.tar', $1 + $more)/er } 1, 2;
mkdir("$root/out/$is_folder") or die $!;
symlink("$base/elsewhere", "$root/out/$is_link") or die $!;
changes(2);
ok(-f "$root/out/$_" && !-l "$root/out/$_", 'gives way') foreach $is_folder, $is_link;
ok(!-e "$base/elsewhere", 'and nothing is written where it leads');

# --- a fork
$count = 100;
comes(receipt(applied => newest(), sha256 => '0123456789abcdef'));
$pair->status_becomes('s', "last_error ~ 'has played another bundle'", 'a receiver that has played another bundle of the number is a fork');
like($pair->status('s')->{next_action}, qr/restart_chain/, 'which only another chain mends');

# --- another chain
my $old = chain();
unlink(glob("$root/receipts/*"));
$pair->sql("SELECT dbsync.restart_chain('s')");
$pair->arrives('s', 'another chain is begun');
@$outbox{qw(chain number)} = ($old, 1_000_000);
cmp_ok(chain(), '>', $old, 'it is higher');
is($pair->sql("SELECT min(number) FROM dbsync.bundles('s')"), '1', 'and begins with 1');
$outbox->play('what comes is a chain from its beginning');
$outbox->same_as($source, 'public.item', @columns);
$pair->sql("SELECT dbsync.restart_chain('s')");
$pair->sql("SELECT dbsync.restart_chain('s')");
$pair->arrives('s', 'and again, twice in a second');
$outbox->play('a chain once more');
$outbox->same_as($source, 'public.item', @columns);
($error) = ($source->psql('postgres', "SELECT dbsync.restart_chain('s', 17)"))[2];
like($error, qr/chain 17 is not above/, 'chains go up only');
($error) = ($source->psql('postgres', "SELECT dbsync.restart_chain('s', 9000000001)"))[2];
like($error, qr/chain 9000000001 lies too far ahead/, 'and not so far that none has room behind it');
($error) = ($source->psql('postgres', "BEGIN; UPDATE dbsync.subscription SET chain = 9999999999; SELECT dbsync.restart_chain('s')"))[2];
like($error, qr/there is no chain above that of subscription "s", which is 9999999999/, 'what has no room in a bundle is no chain');
changes(1);

# --- no way back
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"receivers": null, "keep_for": "0 s"}')});
changes(3);
ok(poll_until(sub { $pair->sql("SELECT count(*) FROM dbsync.bundles('s')") == 1 }, 'old bundles to go'), 'kept by age');
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"keep_for": "1 day", "heartbeat": "300 ms"}')});
my $number = newest();
ok(poll_until(sub { newest() > $number + 2 }, 'heartbeats'), 'silence has a heartbeat');
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"heartbeat": "0"}')});
my $lacks = newest();
unlink(glob("$root/out/*"));
is_taken(comes(receipt(applied => $lacks - 1, missing => $lacks)), 'a receipt, though none is waited for');
ok(poll_until(sub { grep { /-0*$lacks\.tar$/ } $outbox->files('out') }, 'the bundle to come again'), 'is heard');
unlink(glob("$root/out/*"));
# receipts are looked at where that is
is_taken(comes(receipt(count => 1, applied => 0)), "look $_") foreach 1 .. 3;
is(scalar(grep { /-0*$lacks\.tar$/ } $outbox->files('out')), 0, 'once, and not each second');
$outbox->{number} = 0;
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"keep_for": "1 day", "heartbeat": "0", "keep_size": "100 kB"}')});
foreach (1 .. 3)
{
	$pair->sql("UPDATE item SET v = (SELECT string_agg(md5(random()::text || item.id || i), '') FROM generate_series(1, 100) i)");
	$pair->arrives('s', 'large batches');
}
ok(poll_until(sub { $pair->sql("SELECT count(*) FROM dbsync.bundles('s')") <= 2 }, 'large bundles to go'), 'kept by size');
like(DbsyncTest::Outbox::slurp($source->logfile), qr/is removed before all have it/, 'with a warning');
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"keep_size": null, "repeats": "2", "resend_after": "4 s"}')});
changes(1);
$number = newest();
foreach my $time (1, 2)
{
	unlink(glob("$root/out/*"));
	ok(poll_until(sub { grep { /-0*$number\.tar$/ } $outbox->files('out') }, 'a repeat'), "repeat $time");
}
# what is in out is the file that is kept, and whoever takes it away may write to it
changes(2);
$number = newest() - 1;
my ($written) = grep { /-0*$number\.tar$/ } glob("$root/out/*");
my ($kept) = grep { /-0*$number\.tar$/ } glob("$keep/*.tar");
my $good = DbsyncTest::Outbox::slurp($kept);
open(my $bad, '+<', $written) or die $!;
seek($bad, 1000, 0);
print $bad 'x';
close($bad);
unlink(glob("$root/out/*"));
ok(poll_until(sub { DbsyncTest::Outbox::slurp($source->logfile) =~ /kept bundle "\Q$kept\E" does not prove itself, and is not sent again/ }, 'a warning'), 'what is damaged is not repeated, and that is said');
is(scalar(grep { /-0*$number\.tar$/ } $outbox->files('out')), 0, 'nor is it in out');
open($bad, '+<', $kept) or die $!;
print $bad $good;
close($bad);

# --- by the clock
$old = chain();
$pair->sql(<<'SQL');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no chain today'; END$$;
CREATE TRIGGER refuse BEFORE UPDATE OF chain ON dbsync.subscription FOR EACH ROW EXECUTE FUNCTION refuse();
SELECT dbsync.alter_target('gate', options => '{"full_every": "2 s"}');
SQL
$pair->status_becomes('s', "last_error = 'no chain today' AND state = 'running' AND retry_at IS NOT NULL", 'a chain that cannot be begun is said');
changes(1);
$pair->status_becomes('s', "last_error = 'no chain today' AND state = 'running' AND failures > 1", 'what there is goes on, and it is tried again');
is(chain(), $old, 'in the chain that it was');
$pair->sql('DROP TRIGGER refuse ON dbsync.subscription');
ok(poll_until(sub { chain() > $old }, 'another chain'), 'full_every begins another chain');
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"full_every": null}')});
$pair->arrives('s', 'with copies');
@$outbox{qw(chain number)} = ($old, 1_000_000);
$outbox->play('which is whole');
$outbox->same_as($source, 'public.item', @columns);

DbsyncTest::finish();

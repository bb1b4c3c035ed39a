# What can go wrong with files that no other test of them shows: a gateway that rewrites bundles in place, somebody who has an outbox open, names that would lead
# elsewhere, rows larger than a file may be, receipts that count for nothing, and a source that is put back together with its outbox, while the receiver is ahead.
# Hazards 11, 13, 14, 17, 18, 25, 27, 41, 48, 54 of files.
use strict;
use warnings;

use Fcntl qw(:flock);
use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted);
use DbsyncTest::Bundle qw(slurp spew);
use DbsyncTest::Receiving;
use File::Path qw(rmtree);
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;

# what a server makes is for its own account alone, unless it says otherwise
umask 0077;
my $pair = DbsyncTest::Receiving->new(gate => 'part_size=64kB&receivers=in&resend_after=1%20h');
my ($source, $target) = ($pair->source, $pair->target);
my $name = '../../x "y" %s';
my $s = quoted($name);

$pair->both('CREATE TABLE public.t (id int PRIMARY KEY, v text)');
$pair->sql("INSERT INTO public.t SELECT i, 'v' FROM generate_series(1, 20) i");
$pair->subscribe($name, ['public.t'], target => 'gate');
$pair->sql("SELECT dbsync.start_subscription($s)");
$pair->start_receiver;

my $change = 0;
sub changes { my ($n) = @_; foreach (1 .. $n // 1) { $change++; $pair->sql("UPDATE public.t SET v = 'change $change' WHERE id = 1"); $pair->arrives($name, "change $change"); } return; }
sub newest { return $pair->sql("SELECT max(number) FROM dbsync.bundles($s)"); }
sub out_names { return map { s{.*/}{}r } $pair->outgoing; }
sub takes_receipt
{
	my ($file) = DbsyncTest::Receiving::files_of("$pair->{in_root}/receipts");
	spew("$pair->{out_root}/receipts/.tmp", slurp($file));
	rename("$pair->{out_root}/receipts/.tmp", "$pair->{out_root}/receipts/r") or die $!;
	return ok(poll_until(sub { !-e "$pair->{out_root}/receipts/r" }, 'the receipt to be taken'), 'the receipt is taken');
}
sub all_played
{
	my ($test) = @_;
	my ($chain, $number) = split /\|/, $pair->sql("SELECT chain, number FROM dbsync.bundles($s) ORDER BY chain DESC, number DESC LIMIT 1");
	ok(poll_until(sub { $pair->carry; (ask($target, "SELECT (chain, number) >= ($chain, $number) FROM dbsync.receivers") // '') eq 't' }, "number $number"), $test)
	  or diag(ask($target, 'SELECT to_json(r) FROM dbsync.receivers r'));
	return $pair->same_at_both_ends('public.t');
}

# --- names
$pair->arrives($name, 'a subscription with a name that would lead elsewhere');
my ($first) = out_names();
like($first, qr/^______x__y___s-[0-9a-f]{8}-\d+-000000000001\.tar$/, 'has files with names that do not');
is(sprintf('%04o', (stat "$pair->{out_root}/out/$first")[2] & 07777), '0640', 'the gateway may read them, and not write to them, whatever the umask says');
all_played('and they are played');

# --- rows that are larger than a file
$pair->sql('INSERT INTO public.t SELECT 100 + i, string_agg(md5((i * j)::text), $$$$) FROM generate_series(1, 4) i, generate_series(1, 10000) j GROUP BY i');
$pair->sql('INSERT INTO public.t SELECT 200, string_agg(md5(j::text), $$$$) FROM generate_series(1, 600000) j');
$pair->arrives($name, 'rows larger than a file may be are out');
is($pair->sql("SELECT max(part) FROM dbsync.bundles($s)"), 4, 'each in a file of its own');
all_played('and are played');

# --- a gateway that rewrites in place: it is the same file as in keep
takes_receipt();
changes(3);
my $lost = newest() - 1;
my ($spoilt) = grep { /-0*$lost\.tar$/ } out_names();
my $spoilt_path = "$pair->{out_root}/out/$spoilt";
my $bytes = slurp($spoilt_path);
# as one could who has the disk, or the account
open(my $handle, '+<:raw', $spoilt_path) or die $!;
seek($handle, length($bytes) - 1500, 0);
print $handle chr(ord(substr($bytes, length($bytes) - 1500, 1)) ^ 1);
close $handle or die $!;
$pair->target_sql(q{SELECT dbsync.alter_receiver('in', options => '{"settle_after": "0", "gap_after": "0"}')});
$pair->carry;
$pair->receiver_becomes("rejected = 1 AND missing = '$lost'", 'a bundle that was rewritten is rejected, and missing');
takes_receipt();
my $damaged = qr/kept bundle ".*$lost\.tar" does not prove itself, and is not sent again/;
ok(poll_until(sub { slurp($source->logfile) =~ $damaged }, 'a warning'), 'it is asked for, and proved before it is sent again');
is_deeply([ out_names() ], [], 'which it is not');
like($pair->sql("SELECT note FROM dbsync.bundles($s) WHERE number = $lost"), qr/does not prove itself/, 'bundles() says that it is damaged');
$pair->status_becomes($name, "next_action ~ 'lacks bundle $lost, which is damaged in \"keep\"[.] .*restart_chain'", 'and so does status, and what to do');
my (undef, $published, $warning) = $source->psql('postgres', "SELECT dbsync.publish($s, $lost)");
is($published, 0, 'nor is it by hand');
like($warning, $damaged, 'which is said');
# put back as it was, it comes
my ($kept) = glob("$pair->{out_root}/keep/*/*-*$lost.tar");
open($handle, '+<:raw', $kept) or die $!;
print $handle $bytes;
close $handle or die $!;
is($pair->sql("SELECT dbsync.publish($s, $lost)"), 1, 'put back as it was, it is');
all_played('and is played');
takes_receipt();

# --- receipts that count for nothing
spew("$pair->{out_root}/receipts/$_", "nothing\n") foreach 'notes', 'more notes';
$pair->status_becomes($name, q{next_action = 'Files ignored in "receipts", see the log: 2.'}, 'what is no receipt is counted');
my @named = slurp($source->logfile) =~ /file ".*receipts\/notes" is ignored: it is no receipt/g;
is(scalar(@named), 1, 'and named once');
unlink "$pair->{out_root}/receipts/$_" foreach 'notes', 'more notes';
$pair->status_becomes($name, "next_action IS NULL", 'until it has gone');

# --- somebody else writes to the outbox
$pair->sql("SELECT dbsync.stop_subscription($s)");
my ($keep) = glob("$pair->{out_root}/keep/*-*");
open(my $lock, '+<', "$keep/lock") or die $!;
flock($lock, LOCK_EX | LOCK_NB) or die $!;
$pair->sql("SELECT dbsync.start_subscription($s)");
$pair->sql("UPDATE public.t SET v = 'behind the lock' WHERE id = 2");
$pair->status_becomes($name, "state = 'waiting to retry' AND last_error ~ 'another process writes to \"$keep\"' AND next_action ~ 'If this one was copied, give the copy a root of its own'",
	'an outbox that somebody else has open: who comes second says so');
is_deeply([ out_names() ], [], 'and writes nothing');
close $lock;
all_played('when the other one has gone, it goes on') if $pair->arrives($name, 'it is out');

# --- no dump has a private key
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
command_ok([ 'pg_dump', '-h', $source->host, '-p', $source->port, '-f', $dump, 'postgres' ], 'a dump');
my ($secret) = slurp("$pair->{out_root}/signing.key") =~ /-----\n(\S+)/;
my $text = slurp($dump);
unlike($text, qr/PRIVATE KEY|\Q$secret\E/, 'has no private key in it');
like($text, qr/BEGIN PUBLIC KEY/, 'but the public one, by which the outbox is known');

# --- the source is put back; then source and outbox together, and the receiver has more
sub put_back
{
	$source->stop;
	rmtree($source->data_dir);
	PostgreSQL::Test::RecursiveCopy::copypath($source->backup_dir . '/before', $source->data_dir);
	chmod 0700, $source->data_dir;
	return;
}
takes_receipt();
$pair->sql("SELECT dbsync.stop_subscription($s)");
$source->stop;
$source->backup_fs_cold('before');
PostgreSQL::Test::RecursiveCopy::copypath($pair->{out_root}, "$pair->{out_root}.before");
$source->start;
$pair->sql("SELECT dbsync.start_subscription($s)");
changes(3);
all_played('three more are played');
my $ahead = $pair->receiver->{number};
my $said = slurp((DbsyncTest::Receiving::files_of("$pair->{in_root}/receipts"))[0]);
my $before = DbsyncTest::fingerprint($target, 'public.t');
put_back();
$source->start;
$pair->sql("SELECT dbsync.start_subscription($s)");
$pair->sql("UPDATE public.t SET v = 'a life that is refused' WHERE id = 3");
$pair->status_becomes($name, "state = 'waiting to retry' AND last_error = 'the target is ahead of this server' AND next_action ~ 'SELECT dbsync[.]restart_chain'", 'a source that was put back is behind its outbox, and says so');
# the newest goes out again whenever a ledger is read
is_deeply([ grep { /-0*(\d+)\.tar$/ && $1 > $ahead } out_names() ], [], 'nothing of it goes out');
put_back();
rmtree($pair->{out_root});
rename("$pair->{out_root}.before", $pair->{out_root}) or die $!;
chmod 02711, $pair->{out_root};
$source->start;
$pair->sql("SELECT dbsync.start_subscription($s)");
# what the receiver says cannot be, but for this
spew("$pair->{out_root}/receipts/r", $said);
$pair->status_becomes($name, q{next_action ~ 'which was never written here.*SELECT dbsync[.]restart_chain'}, 'a receipt of what was never written is said');
$pair->sql("UPDATE public.t SET v = 'another life' WHERE id = 3");
$pair->arrives($name, 'another life of the source');
cmp_ok(newest(), '<=', $ahead, 'has numbers that were there before');
$pair->carry;
$pair->receiver_becomes("state = 'stopped: fork' AND last_error ~ 'there are two bundles' AND next_action ~ 'At the source: SELECT dbsync[.]restart_chain'", 'which the receiver does not take for what it has played');
is(DbsyncTest::fingerprint($target, 'public.t'), $before, 'nothing of it is at the target');
# as soon as it has come to that number
ok(poll_until(sub { $change++; $pair->sql("UPDATE public.t SET v = 'change $change' WHERE id = 1"); ($pair->status($name)->{last_error} // '') =~ /has played another bundle/ }, 'the receipt to be believed'), 'goes on');
$pair->status_becomes($name, "last_error ~ 'has played another bundle $ahead ' AND next_action ~ 'restart_chain'", 'and the source finds that the receiver has played another one');
$pair->sql("SELECT dbsync.restart_chain($s)");
$pair->arrives($name, 'another chain');
all_played('mends it');
$pair->receiver_becomes("state = 'idle' AND last_error IS NULL AND next_action IS NULL", 'and all is well');

$pair->finish;

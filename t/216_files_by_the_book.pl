# What docs/files.md tells people to do, and what they do instead: a gateway whose group the server is not in, files that it
# leaves unreadable, folders with odd names, receivers that are called otherwise, an outbox that moves, a source that was put back
# with its outbox: status says so on both sides, and what to do.
use strict;
use warnings;

use File::Basename qw(basename);
use File::Copy qw(copy);
use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted uri_of);
use DbsyncTest::Io;
use DbsyncTest::Outbox;
use DbsyncTest::Receiving;
use PostgreSQL::Test::Utils;
use Test::More;

my $io = DbsyncTest::Io->new;
my $base = PostgreSQL::Test::Utils::tempdir();
my $pair = $io->around(sub { DbsyncTest::Receiving->new(gate => 'receivers=branch&resend_after=1%20s', no_receiver => 1) });
my ($source, $target) = ($pair->source, $pair->target);

sub mode_of { my ($path) = @_; return sprintf '%04o', (stat($path))[2] & 07777; }

sub says
{
	my ($node, $sql) = @_;
	my (undef, undef, $error) = $node->psql('postgres', $sql);
	return $error;
}

# --- the gateway's group, which the server's account is not in: what is made in the folder is of that group all the same
mkdir("$base/spool");
chmod(02711, "$base/spool");
$io->rules('chmod spool/ 0');
$pair->create_target('group', "file://$base/spool");
is(join(' ', map { mode_of("$base/spool/$_") } qw(. tmp keep out receipts signing.key)), '2711 2700 2700 2770 2770 0600', 'folders hand their group down');
$pair->sql('CREATE TABLE public.small (id int PRIMARY KEY)');
$pair->subscribe('grouped', ['public.small'], target => 'group');
$pair->start_subscription('grouped');
$pair->arrives('grouped', 'a subscription has folders there');
is(mode_of($_), '2700', "$_ hands it down, too") foreach glob("$base/spool/tmp/* $base/spool/keep/*-*");
$io->no_rules;
$pair->stop_subscription('grouped');
$pair->sql("SELECT dbsync.drop_subscription('grouped'); SELECT dbsync.drop_target('group')");

# --- folders with odd names
my $root = "$base/in %\x{c3}\x{a4}";
my $uri = 'file://' . ($root =~ s/([^\w\/.-])/sprintf '%%%02X', ord $1/ger);
$pair->target_sql(sprintf("SELECT dbsync.create_receiver('in', %s, 'here', ARRAY[%s], policy => 'interval 50 ms', options => '%s')",
	quoted($uri), quoted($pair->public_key), '{"gap_after": "1 s", "settle_after": "1 s"}'));
$pair->{in_root} = $root;
like(says($target, "SELECT dbsync.create_receiver('other', 'file:///tmp/x?in=/tmp/y', 'here', ARRAY['x'])"), qr/options are an argument of their own/, 'options are no part of it');
like(says($target, "SELECT dbsync.create_receiver('other', 'file:///tmp/x%zz', 'here', ARRAY['x'])"), qr/percent/, 'nor is half a sign of percent');
$pair->both('CREATE TABLE public.item (id int PRIMARY KEY, v text)');
$pair->sql("INSERT INTO public.item SELECT i, 'v' FROM generate_series(1, 50) i");
$pair->subscribe('orders', ['public.item'], target => 'gate');
$pair->start_subscription('orders');
$pair->start_receiver;

# --- a file that the gateway has left unreadable
$pair->arrives('orders', 'the first copy is out');
my ($first) = $pair->outgoing;
ok(poll_until(sub { -d $pair->inbox }, 'the inbox'), 'the receiver has made its folders');
copy($first, $pair->inbox . '/.x');
SKIP:
{
	skip 'root may read all', 2 if $> == 0;
	chmod(0000, $pair->inbox . '/.x');
	rename($pair->inbox . '/.x', $pair->inbox . '/locked.tar');
	$pair->receiver_becomes("last_error LIKE '%locked.tar\": Permission denied' AND next_action LIKE '%mode 0644%'", 'a file that cannot be read: status says what to do');
	chmod(0644, $pair->inbox . '/locked.tar');
}
$pair->travels('orders', 'it is read when it can be');
$pair->same_at_both_ends('public.item');
like(says($target, "SELECT dbsync.drop_target('here')"), qr/receiver "in".*drop_receiver\(\)/s, 'a target that a receiver plays to: the hint names what to drop');

# --- receipts of one who is called otherwise than the options have it
my $receipt = sub { return $pair->target_sql("SELECT dbsync.receipt('in')"); };
my $nth = 0;
my $brings = sub {
	my ($text, $mode) = @_;
	my $path = "$pair->{out_root}/receipts/r" . ++$nth;
	open(my $file, '>', "$base/receipt") or die $!;
	print $file "$text\n";
	close($file);
	chmod($mode // 0644, "$base/receipt");
	rename("$base/receipt", $path) or die $!;
	return $path;
};
$brings->($receipt->());
$pair->status_becomes('orders', q{next_action LIKE 'Receiver "branch" has not said for long what it has; "in" has, whom option receivers does not name.'}, 'another name: status has both');

# --- a receipt that cannot be read
$pair->sql(q{SELECT dbsync.alter_target('gate', options => '{"receivers": "in", "resend_after": "1 h", "level": "2"}')});
$pair->stop_subscription('orders');
$pair->start_subscription('orders');
$pair->sql("UPDATE public.item SET v = 'w' WHERE id = 1");
$pair->travels('orders', 'another bundle');
SKIP:
{
	skip 'root may read all', 3 if $> == 0;
	my $path = $brings->($receipt->(), 0000);
	$pair->status_becomes('orders', q{next_action LIKE 'A file in "receipts" cannot be read (Permission denied)%'}, 'an unreadable receipt: status says so');
	ok(DbsyncTest::Outbox::slurp($source->logfile) =~ /file "\Q$path\E" is ignored: it cannot be read: Permission denied/, 'and the log names it');
	chmod(0644, $path);
	$pair->status_becomes('orders', 'next_action IS NULL', 'when it can be read, that is over');
}

# --- an outbox that moves keeps what was said of it
$pair->stop_subscription('orders');
DbsyncTest::Outbox::run_on('', 'cp', '-a', $pair->{out_root}, "$base/moved");
$pair->sql(sprintf('SELECT dbsync.alter_target(%s, uri => %s)', quoted('gate'), quoted("file://$base/moved?level=1")));
is($pair->sql("SELECT string_agg(o.option_name || '=' || o.option_value, ' ' ORDER BY o.option_name) FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o WHERE srvname = 'gate'"),
	"level=1 receivers=in resend_after=1 h root=$base/moved", 'another folder: what the URI does not name stays');
$pair->{out_root} = "$base/moved";
$pair->start_subscription('orders');
$pair->sql("UPDATE public.item SET v = 'moved' WHERE id = 2");
$pair->travels('orders', 'from another folder');
$pair->same_at_both_ends('public.item');

# --- a chain that is given up leaves nothing in out, also where the gateway copies only
$pair->sql("UPDATE public.item SET v = 'copied' WHERE id = 3");
$pair->arrives('orders', 'one that stays in out');
my @old = map { basename($_) } $pair->outgoing;
cmp_ok(scalar(@old), '>', 0, 'there is one');
$pair->sql("SELECT dbsync.restart_chain('orders')");
$pair->arrives('orders', 'another chain');
my %left = map { basename($_) => 1 } $pair->outgoing;
is(join(' ', grep { $left{$_} } @old), '', 'files of the chain before are no more in out');
$pair->travels('orders', 'the new chain');
$pair->same_at_both_ends('public.item');

# --- a source that was put back with its outbox: a receiver has played what was never written here
my $said = $receipt->();
my ($chain, $applied) = $said =~ /chain=(\d+) applied=(\d+)/;
my $later = sub {
	my ($chain, $number) = @_;
	return $said =~ s/chain=\d+ applied=\d+/"chain=$chain applied=$number"/er =~ s/ in (\d+) /' in ' . ($1 + 10) . ' '/er;
};
my $path = $brings->($later->($chain, $applied + 7));
$pair->status_becomes('orders', sprintf(q{next_action LIKE 'Receiver "in" says that it has played bundle %s of chain %s, which was never written here%%SELECT dbsync.restart_chain(''orders'').'},
	$applied + 7, $chain), 'what was never written: status asks whether we were put back');
is($pair->sql("SELECT count(*) FROM dbsync.bundles('orders')") > 0, 1, 'nothing is removed by its word');
unlink $path;
$path = $brings->($later->($chain + 100000, 3));
$pair->status_becomes('orders', sprintf(q{next_action LIKE '%%SELECT dbsync.restart_chain(''orders'', %s).'}, $chain + 100001), 'a chain that was never begun: it says which is higher');
$pair->sql("SELECT dbsync.restart_chain('orders', $chain + 100001)");
$pair->status_becomes('orders', 'next_action IS NULL', 'and behind that it is over');
ok(poll_until(sub { !-e $path }, 'the receipt is taken'), 'that receipt is an old one now');
$pair->travels('orders', 'the chain that was named');
$pair->same_at_both_ends('public.item');

# --- what is to be altered at the target is said once
$pair->sql('ALTER TABLE public.item ADD COLUMN extra int');
$pair->sql('UPDATE public.item SET extra = 1 WHERE id = 1');
$pair->arrives('orders', 'a change of shape');
$pair->carry;
$pair->receiver_becomes("next_action LIKE '%ADD COLUMN extra%'", 'the receiver says what is to be altered');
is($pair->target_sql("SELECT count(*) FROM dbsync.receivers, regexp_matches(next_action, 'ADD COLUMN', 'g')"), '1', 'once');
$pair->target_sql('ALTER TABLE public.item ADD COLUMN extra int');
$pair->travels('orders', 'then it goes on');
$pair->same_at_both_ends('public.item');

$pair->finish;

# A receiver is killed at each call that matters, one by one, and what it leaves behind is what the table says (docs/design.md, "Receivers"); then its
# disk is full, in each of its folders.  What comes next makes of it the same as if nothing had happened.  Hazards 13, 15 of files.
use strict;
use warnings;

use Errno qw(ENOSPC);
use lib 't';
use DbsyncTest qw(ask becomes_true poll_until);
use DbsyncTest::Io;
use DbsyncTest::Outbox;
use DbsyncTest::Receiving;
use DbsyncTest::Server qw(wait_until_up);
use PostgreSQL::Test::Utils;
use Test::More;

my $io = DbsyncTest::Io->new;
my $pair = $io->around(sub { DbsyncTest::Receiving->new(receiver => { options => q('{"receipt_every": "1 h"}') }, target_conf => "fsync = on\n") });
my $target = $pair->target;
my $root = $pair->{in_root};
my $n = 0;

$pair->both('CREATE TABLE public.item (id int PRIMARY KEY, v text)');
# a COMMIT can be held up
$pair->target_sql(<<'SQL');
CREATE FUNCTION public.hold_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER hold_up AFTER UPDATE OR INSERT ON public.item DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.hold_up();
ALTER TABLE public.item ENABLE ALWAYS TRIGGER hold_up;
SQL
$pair->sql(q{INSERT INTO public.item SELECT i, 'v' FROM generate_series(1, 50) i});
$pair->subscribe('s', ['public.item'], target => 'gate');
$pair->start_subscription('s');
$pair->start_receiver;
$pair->travels('s', 'the first copy');

sub names { my ($folder) = @_; return map { s{.*/}{}r } DbsyncTest::Receiving::files_of($folder); }
sub cached { return scalar(grep { /\.tar$/ } map { names($_) } grep { -d } glob("$root/cache/*-*")); }
sub change { $n++; $pair->sql("BEGIN; UPDATE public.item SET v = 'round $n' WHERE id % 2 = 0; DELETE FROM public.item WHERE id = $n; INSERT INTO public.item VALUES (1000 + $n, 'new'); COMMIT"); return; }
sub played { return ask($target, "SELECT count(*) FROM public.item WHERE v = 'round $n'") ? 1 : 0; }

sub is_well
{
	my ($test) = @_;
	$pair->reaches_newest('s', $test);
	$pair->same_at_both_ends('public.item');
	ok(poll_until(sub { !names("$root/cache/tmp") && !names("$root/in") }, 'folders to be empty'), "$test: nothing is left in tmp, nor in the inbox");
	return;
}

# what is left: files in tmp, one more in the cache, one in the inbox, its rows at the target
sub dies
{
	my ($where, $rule, $tmp, $kept, $inbox, $rows) = @_;
	my $before = cached();

	change();
	$pair->arrives('s', "$where: is out");
	$pair->target_sql('ALTER SYSTEM SET restart_after_crash = off');
	$pair->target_sql('SELECT pg_reload_conf()');
	my $postmaster = (split /\n/, DbsyncTest::Outbox::slurp($target->data_dir . '/postmaster.pid'))[0];
	$io->rules($rule);
	$pair->carry;
	ok(poll_until(sub { $io->has_happened }, "death $where"), "dies $where") or $io->no_rules;
	poll_until(sub { !kill(0, $postmaster) }, 'end of the server');
	is(join(' ', scalar(names("$root/cache/tmp")), cached() - $before, scalar(names("$root/in"))), "$tmp $kept $inbox", "$where: what is left in tmp, cache, inbox");
	$target->{_pid} = undef;
	# it is looked at before the receiver comes back
	$target->append_conf('postgresql.conf', "shared_preload_libraries = ''");
	$target->start;
	is(played(), $rows, "$where: " . ($rows ? 'the target has it' : 'nothing is at the target'));
	$target->stop;
	$target->append_conf('postgresql.conf', "shared_preload_libraries = 'dbsync'");
	$pair->target->append_conf('postgresql.auto.conf', "restart_after_crash = on");
	$io->around(sub { $target->start });
	is_well($where);
	return;
}

dies('while it copies', 'write /in/cache/tmp/ before', 1, 0, 1, 0);
dies('before the copy goes to the cache', 'rename .tar before', 1, 0, 1, 0);
dies('when it is in the cache', 'rename .tar behind', 0, 1, 1, 0);
dies('before the file leaves the inbox', 'unlink /in/in/ before', 0, 1, 1, 0);
dies('when it has left', 'unlink /in/in/ behind', 0, 1, 0, 0);
dies('before the receipt', 'rename .receipt before', 1, 1, 0, 1);
dies('behind it', 'rename .receipt behind', 0, 1, 0, 1);

# --- at COMMIT: nobody knows
foreach my $round (1 .. 2)
{
	my $lock = $target->background_psql('postgres');
	$lock->query_safe('SELECT pg_advisory_lock(4711)');
	change();
	$pair->arrives('s', 'is out');
	$pair->carry;
	ok(becomes_true($target, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"), 'it is in its COMMIT');
	is(played(), 0, 'nobody sees it yet');
	kill('KILL', $pair->receiver->{pid});
	eval { $lock->quit };
	wait_until_up($target);
	is_well("killed at COMMIT, $round");
}

# --- no room
sub lacks_room
{
	my ($what, $path, @rules) = @_;
	change();
	$pair->arrives('s', "$what: is out");
	$io->rules(@rules);
	$pair->carry;
	$pair->receiver_becomes("last_error LIKE '%$path%No space left%'", "$what: it is said where");
	$io->no_rules;
	is_well("$what: with room it goes on");
	$pair->receiver_becomes('last_error IS NULL', "$what: all is well");
	return;
}
lacks_room('no room for copies', '/in/cache/tmp/', 'write /in/cache/tmp/in- ' . ENOSPC);
lacks_room('no room in the cache', '.tar', 'rename .tar ' . ENOSPC);
lacks_room('no room for the receipt', '/receipts/', 'rename .receipt ' . ENOSPC);

# what is refused is kept for people, if there is room; others come all the same
$pair->target_sql(q{SELECT dbsync.alter_receiver('in', options => '{"settle_after": "0"}')});
my ($good) = map { DbsyncTest::Receiving::files_of($_) } grep { -d } glob("$root/cache/*-*");
my $spoilt = DbsyncTest::Outbox::slurp($good);
substr($spoilt, length($spoilt) - 1500, 1) ^= "\1";
open(my $file, '>:raw', "$root/spoilt") or die $!;
print $file $spoilt;
close $file or die $!;
$io->rules('rename /rejected/ ' . ENOSPC);
$pair->put("$root/spoilt");
$pair->receiver_becomes("last_error LIKE '%/rejected/%No space left%'", 'no room for what is refused: it is said where');
is(join(' ', names("$root/in")), 'spoilt', 'the file stays');
change();
$pair->reaches_newest('s', 'others come') if $pair->arrives('s', 'one more');
$pair->same_at_both_ends('public.item');
$io->no_rules;
is_well('with room it is refused');
is(scalar(grep { /spoilt/ } names("$root/rejected")), 2, 'and kept, with the reason');

# a name that the gateway uses for another file, just as the first one is taken
foreach (1, 2) { change(); $pair->arrives('s', 'two more'); }
my @two = $pair->outgoing;
$io->rules('rename .tar stops');
my $worker = $pair->receiver->{pid};
$pair->put($two[0], 'same.tar');
unlink $two[0];
ok(poll_until(sub { $io->has_happened }, 'the receiver to stop'), 'a file is taken');
$pair->put($two[-1], 'same.tar');
unlink $two[-1];
kill('CONT', $worker);
is_well('it does not go in the place of that one');

lacks_room('a file cannot leave the inbox', '/in/in/', 'unlink /in/in/ ' . ENOSPC);

$pair->finish;

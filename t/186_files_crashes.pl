# What each crash of a sender leaves behind is what the table says (worker/driver/file/batch.c), and what comes next makes of it
# the same as if nothing had happened: processes are killed at the very call.  Hazards 12 to 14, 47, 49 of files.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted);
use DbsyncTest::Io;
use DbsyncTest::Outbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $io = DbsyncTest::Io->new;
my $root = PostgreSQL::Test::Utils::tempdir() . '/outbox';
my $pair = $io->around(sub { DbsyncTest->new(source_only => 1, source_conf => "fsync = on\ndbsync.copy_chunk_rows = 200") });
my $source = $pair->source;
my $outbox = DbsyncTest::Outbox->new($root);
my @columns = ('binary', 'int4send(id)', 'textsend(v)');

$pair->sql(<<'SQL');
CREATE TABLE item (id int PRIMARY KEY, v text);
CREATE TABLE later (id int PRIMARY KEY, v text);
INSERT INTO item SELECT i, 'v' || i FROM generate_series(1, 300) i;
INSERT INTO later SELECT i, 'v' || i FROM generate_series(1, 1000) i;
SQL
# parts of 64 kB of what hardly can be zipped
$pair->create_target('gate', "file://$root?part_size=64kB&compression=none");
$pair->subscribe('s', ['item'], target => 'gate');
$pair->start_subscription('s');
$pair->arrives('s', 'the first copy is on disk');
$outbox->play;
$outbox->same_as($source, 'public.item', @columns);
my ($keep) = glob("$root/keep/*-*");

sub kept
{
	my ($suffix) = @_;
	return map { s{.*/}{}r } sort glob("$keep/*$suffix");
}

sub number_of
{
	my ($name) = @_;
	return $name =~ /-0*(\d+)\./ ? $1 : die $name;
}

# The worker is to be killed by this rule, as that is committed; then all is as it should be.  What is found
# in between is for the caller.
my $round = 0;
sub dies
{
	my ($where, $rule, $sql, $look) = @_;
	my $before = number_of((kept('.tar'))[-1]);

	$round++;
	# nobody is to come back before we have looked
	$pair->sql('ALTER SYSTEM SET restart_after_crash = off') if $look;
	$pair->sql('SELECT pg_reload_conf()') if $look;
	$io->rules($rule);
	$pair->sql($sql =~ s/ROUND/$round/gr);
	ok(poll_until(sub { $io->has_happened }, "death $where"), "dies $where") or $io->no_rules;
	if ($look)
	{
		poll_until(sub { !-e $source->data_dir . '/postmaster.pid' || !kill(0, (split /\n/, DbsyncTest::Outbox::slurp($source->data_dir . '/postmaster.pid'))[0]) }, 'end of the server');
		$look->($before);
		$source->{_pid} = undef;
		$io->around(sub { $source->start });
		$pair->sql('ALTER SYSTEM RESET restart_after_crash');
		$pair->sql('SELECT pg_reload_conf()');
	}
	DbsyncTest::wait_until_up($source);
	$pair->arrives('s', "$where: it arrives");
	my @played = $outbox->play("$where: what is in out is a chain, and nothing comes twice");
	$outbox->same_as($source, 'public.item', @columns);
	is_deeply([ $outbox->files('tmp') ], [ $keep =~ m{([^/]+)$} ], "$where: nothing else is in tmp");
	is_deeply([ glob("$root/tmp/*/*") ], [], "$where: nothing is left in tmp");
	return @played;
}

my $change = "UPDATE item SET v = 'round ROUND' WHERE id % 3 = 0";

# files in tmp, and nothing else
dies('before the file is put on disk', 'fsync outbox/tmp/ before', $change, sub {
	my ($before) = @_;
	is(number_of((kept('.tar'))[-1]), $before, 'nothing is kept of it');
	is(scalar(my @left = glob("$root/tmp/*/*.tar")), 1, 'a file is left in tmp');
});
dies('when the file is on disk', 'fsync outbox/tmp/ behind', $change);
dies('before the link that commits', 'link outbox/keep/ before', $change);
dies('behind the link that commits', 'link outbox/keep/ behind', $change, sub {
	my ($before) = @_;
	my $newest = (kept('.tar'))[-1];
	is(number_of($newest), $before + 1, 'it is kept');
	is(scalar(grep { /-0*@{[$before + 1]}\.tar$/ } $outbox->files('out')), 0, 'and not published');
});
dies('before the link into out', 'link outbox/out/ before', $change);
dies('behind the link into out', 'link outbox/out/ behind', $change);

# several parts: those before the last are nothing without it, and their numbers are used again
my $large = "UPDATE item SET v = (SELECT string_agg(md5(i::text || item.id::text || 'ROUND'), '') FROM generate_series(1, 40) i)";
my @played = dies('between the links of parts', 'link outbox/keep/ behind', $large, sub {
	my ($before) = @_;
	is(number_of((kept('.tar'))[-1]), $before + 1, 'one part has been linked');
});
my %parts;
push @{ $parts{ $_->{head}{batch} } }, $_ foreach @played;
my ($several) = grep { @$_ > 1 } values %parts;
ok($several, 'a batch goes over several files');
is(join(' ', map { ($_->{head}{last} ? 'last' : 'part') . $_->{head}{part} } @$several),
	join(' ', (map { "part$_" } 1 .. @$several - 1), 'last' . @$several), 'which are numbered, and one of which is the last');
is(scalar(grep { $_->{head}{position} } @$several), 1, 'that one has the position');
is(join(' ', map { $_->{contents}{steps}[-1]{continues} ? 1 : 0 } @$several), join(' ', (1) x (@$several - 1), 0), 'steps say that they go on');

# a state ahead of the newest bundle: a batch without parts behind it must not make it true
my $locker;
dies('between a state and its bundle', 'link .tar before', "SELECT dbsync.add_table('s', 'later')", sub {
	my ($before) = @_;
	is(number_of((kept('.state'))[-1]), $before + 1, 'a state is ahead');
	is(number_of((kept('.tar'))[-1]), $before, 'of the newest bundle');
	# no chunk in the next batch, as the table cannot be read
	$pair->{ahead} = $before + 1;
});
$outbox->same_as($source, 'public.later', @columns);
dies('before a state gets its name', 'link .state before', "SELECT dbsync.copy_table('s', 'later')");
$outbox->same_as($source, 'public.later', @columns);
dies('when a state has its name', 'link .state behind', "SELECT dbsync.copy_table('s', 'later')");
$outbox->same_as($source, 'public.later', @columns);

# --- a state ahead by hand, and a batch without parts behind it
$pair->stop_subscription('s');
my $newest = (kept('.tar'))[-1];
my $ahead = $newest =~ s/-0*(\d+)\.tar$/sprintf('-%012d.state', $1 + 1)/er;
system('cp', "$keep/" . (kept('.state'))[-1], "$keep/$ahead");
$pair->start_subscription('s');
$pair->sql("UPDATE item SET v = 'behind a state'");
$pair->arrives('s', 'a batch without parts');
ok(!-e "$keep/$ahead" || DbsyncTest::Outbox::slurp("$keep/$ahead") =~ /\x{0}/, 'the state that was ahead has gone');
$outbox->play;
$outbox->same_as($source, 'public.item', @columns);

# --- two writers, one of whom has no lock
unlink("$keep/lock");
$pair->sql("UPDATE item SET v = 'one'");
$pair->arrives('s', 'the lock file was removed by somebody');
$newest = (kept('.tar'))[-1];
my $next = $newest =~ s/-0*(\d+)\.tar$/sprintf('-%012d.tar', $1 + 1)/er;
system('cp', "$keep/$newest", "$keep/$next");
my $foreign = DbsyncTest::Outbox::slurp("$keep/$next");
my $log = -s $source->logfile;
$pair->sql("UPDATE item SET v = 'two'");
$pair->status_becomes('s', "last_error ~ 'another worker has moved|does not prove|chain|damaged|ahead|twice' OR failures > 0", 'a file of the next number is not written over');
is(DbsyncTest::Outbox::slurp("$keep/$next"), $foreign, 'it is what it was');

# the same of a state: written over, it would say of the other's bundle how far our copies are
$pair->stop_subscription('s');
unlink("$keep/$next");
$pair->start_subscription('s');
$pair->arrives('s', 'the other one has gone');
my $state = ((kept('.tar'))[-1]) =~ s/-0*(\d+)\.tar$/sprintf('-%012d.state', $1 + 1)/er;
open(my $out, '>', "$keep/$state") or die $!;
print $out "of somebody else\n";
close($out);
$pair->sql("SELECT dbsync.copy_table('s', 'item')");
ok(poll_until(sub { substr(DbsyncTest::Outbox::slurp($source->logfile), $log) =~ /There is a file ".*\Q$state\E", which is not of this one/ }, 'a line in the log'),
	'a state of the next number is not written over');
$pair->arrives('s', 'one that is ahead goes');
$outbox->play;
$outbox->same_as($source, 'public.item', @columns);

# the worker is stopped between its state and its bundle, and meanwhile somebody does as we would without a lock
sub meanwhile
{
	my ($sql, $do) = @_;
	my $number = number_of((kept('.tar'))[-1]) + 1;
	my $worker = $pair->worker_pid('s');

	$io->rules('link .tar stops');
	$pair->sql($sql);
	ok(poll_until(sub { $io->has_happened }, 'a worker that is stopped'), 'a state is there, and its bundle is not');
	my ($name) = grep { number_of($_) == $number } kept('.state');
	$do->("$keep/$name", "$keep/" . $name =~ s/state$/tar/r);
	kill 'CONT', $worker;
	return;
}

meanwhile("SELECT dbsync.copy_table('s', 'item')", sub { my ($state) = @_; unlink($state) or die $!; });
$pair->arrives('s', 'a state that somebody took for one of a batch that died');
$pair->stop_subscription('s');
$pair->start_subscription('s');
$pair->sql("UPDATE item SET v = 'behind it' WHERE id < 10");
$pair->arrives('s', 'goes on where it was');
unlike(substr(DbsyncTest::Outbox::slurp($source->logfile), $log), qr/does not belong to the bundle|no file that says how far/, 'the state was written again');
$outbox->play;
$outbox->same_as($source, 'public.item', @columns);
my ($theirs, $their_state);
meanwhile("SELECT dbsync.copy_table('s', 'item')", sub {
	($their_state, $theirs) = @_;
	unlink($their_state) or die $!;
	system('cp', "$keep/" . (kept('.tar'))[-1], $theirs);
	PostgreSQL::Test::Utils::append_to_file($their_state, "theirs\n");
});
$pair->status_becomes('s', "last_error IS NOT NULL", 'somebody else was before us');
is(DbsyncTest::Outbox::slurp($their_state), "theirs\n", 'and has his state still');
$pair->stop_subscription('s');
unlink($theirs, $their_state);
$pair->start_subscription('s');
$pair->arrives('s', 'when his files have gone');
$outbox->play;
$outbox->same_as($source, 'public.item', @columns);

# whoever begins another chain dies before the bundles of the chain before have gone
dies('when another chain is begun', 'unlink outbox/out/ before', "SELECT dbsync.restart_chain('s')");
my ($chain) = (kept('.tar'))[-1] =~ /^(\d+)-/;
ok(poll_until(sub { !grep { !/^$chain-/ } kept('.tar') }, 'bundles to go'), 'those of the chain before go all the same');
is(join(' ', grep { !/-$chain-\d+\.tar$/ } $outbox->files('out')), '', 'from out, too');

DbsyncTest::finish();

# A disk that fails, in any folder of an outbox and at any call: it is said with the path, no table is blamed, nothing is
# lost, and it goes on by itself.  Hazards 14, 15, 45, 49 of files.
use strict;
use warnings;

use Errno qw(EACCES EIO ENOSPC EROFS);
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
INSERT INTO item SELECT i, 'v' || i FROM generate_series(1, 300) i;
SQL
$pair->create_target('gate', "file://$root");
$pair->subscribe('s', ['item'], target => 'gate');
$pair->start_subscription('s');
$pair->arrives('s', 'the first copy is on disk');
$outbox->play;

my $round = 0;
sub fails
{
	my ($what, $sqlstate, $path, $sql, @rules) = @_;

	$round++;
	$io->rules(@rules);
	$pair->sql($sql =~ s/ROUND/$round/gr);
	$pair->status_becomes('s', "state = 'waiting to retry' AND last_error LIKE '%$path%'", "$what: status says where")
	  or diag($pair->sql('SELECT last_error, last_error_detail FROM dbsync.status'));
	is($pair->sql("SELECT count(*) FROM dbsync.table_status WHERE state NOT IN ('live', 'copying', 'new') OR note IS NOT NULL"), '0', "$what: no table is blamed");
	$io->no_rules;
	$pair->arrives('s', "$what: it goes on by itself");
	$outbox->play("$what: a chain");
	$outbox->same_as($source, 'public.item', @columns);
	is_deeply([ glob("$root/tmp/*/*") ], [], "$what: nothing is left in tmp");
	return;
}

my $change = "UPDATE item SET v = 'round ROUND'";
my $copy = "SELECT dbsync.copy_table('s', 'item')";
fails('the disk is full', 'x', '/tmp/', $change, 'write outbox/tmp/ ' . ENOSPC);
fails('the disk is full in a first copy', 'x', '/tmp/', $copy, 'write outbox/tmp/ ' . ENOSPC);
fails('fsync of a bundle fails', 'x', '/tmp/', $change, 'fsync outbox/tmp/ ' . EIO);
fails('a link into keep fails', 'x', '/keep/', $change, 'link outbox/keep/ ' . EROFS);
fails('fsync of keep fails, behind the link that commits', 'x', '/keep/', $change, 'fsync outbox/keep/ ' . EIO);
fails('a state cannot get its name', 'x', '/keep/', $copy, 'link .state ' . EACCES);
fails('no room for the name in keep', 'x', '/keep/', $change, 'link outbox/keep/ ' . ENOSPC);
fails('no room for a state', 'x', '/keep/', $copy, 'link .state ' . ENOSPC);
fails('no room for the name in out', 'x', '/out/', $change, 'link outbox/out/ ' . ENOSPC);
fails('out cannot be written to', 'x', '/out/', $change, 'link outbox/out/ ' . EACCES);
fails('fsync of out fails', 'x', '/out', $change, 'fsync outbox/out ' . EIO);

# what could not be put on disk is not believed because it is there: it is put on disk when the ledger is read, or that fails, too
my ($uuid) = glob("$root/keep/*-*") =~ m{([^/]+)$};
sub is_not_believed
{
	my ($what, $rule, $starts) = @_;
	my $out = join ' ', $outbox->files('out');

	$pair->stop_subscription('s') if $starts;
	$io->rules($rule);
	$pair->sql("UPDATE item SET v = '$what'");
	$pair->start_subscription('s') if $starts;
	$pair->status_becomes('s', "state = 'waiting to retry' AND failures > 2 AND last_error LIKE '%/keep/%'", "$what: the ledger is not believed, however often it is read");
	is(join(' ', $outbox->files('out')), $out, "$what: nor is anything published");
	$io->no_rules;
	$pair->arrives('s', "$what: it goes on");
	$outbox->play("$what: a chain");
	$outbox->same_as($source, 'public.item', @columns);
	return;
}
is_not_believed('a folder that cannot be put on disk', 'fsync outbox/keep/ ' . EIO);
# names of bundles begin with their chain
is_not_believed('a bundle that cannot', "fsync outbox/keep/$uuid/1 " . EIO, 1);

# where no link can be made, a whole file comes all the same
$io->rules('link outbox/out/ 18');
$pair->sql("UPDATE item SET v = 'copied'");
$pair->arrives('s', 'out is on another disk');
$io->no_rules;
$outbox->play('copies are a chain');
$outbox->same_as($source, 'public.item', @columns);
is(scalar(grep { /part$/ } $outbox->files('out')), 0, 'nothing half made is in out');

# a folder without rights, and none at all
rename("$root/out", "$root/gone") or die $!;
$pair->sql("UPDATE item SET v = 'gone'");
# a folder that has gone is made again, which is no harm
$pair->arrives('s', 'a folder that has gone is made again');
system("mv $root/gone/* $root/out/");
$outbox->play('out was away');
$outbox->same_as($source, 'public.item', @columns);

DbsyncTest::finish();

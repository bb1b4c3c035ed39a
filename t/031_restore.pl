# Hazard 37 and design D7: either side comes back as it was at an older time.
# What cannot be repaired is refused and said; what can be goes on by itself.
use strict;
use warnings;

use lib 't';
use DbsyncTest;
use File::Path qw(rmtree);
use PostgreSQL::Test::RecursiveCopy;
use Test::More;

# Put a node's files back as its cold backup has them.
sub restore
{
	my ($node, $backup) = @_;
	$node->stop;
	rmtree($node->data_dir);
	PostgreSQL::Test::RecursiveCopy::copypath($node->backup_dir . "/$backup", $node->data_dir);
	chmod(0700, $node->data_dir);
	$node->start;
	return;
}

sub back_up
{
	my ($node, $backup) = @_;
	$node->stop;
	$node->backup_fs_cold($backup);
	$node->start;
	return;
}

sub new_item_pair
{
	my ($prefix, $conf) = @_;
	my $pair = DbsyncTest->new(prefix => $prefix, source_conf => $conf);
	$pair->both('CREATE TABLE public.item (id int PRIMARY KEY, t text)');
	$pair->subscribe('item', ['public.item']);
	$pair->start_subscription('item');
	insert($pair, 1, 20);
	$pair->arrives('item', "$prefix: first rows arrive");
	return $pair;
}

sub insert
{
	my ($pair, $first, $last) = @_;
	$pair->sql("INSERT INTO public.item VALUES ($_, repeat('x', 1000))") foreach $first .. $last;
	return;
}

# --- the target is older, and the source still holds what it lacks

my $pair = new_item_pair('held', "dbsync.segment_size = '1GB'");
back_up($pair->target, 'old');
insert($pair, 21, 40);
$pair->arrives('item', 'rows arrive after the backup');
restore($pair->target, 'old');
insert($pair, 41, 42);
$pair->arrives('item', 'a target that is older gets what the source still holds');
$pair->same_at_both_ends('public.item');
$_->stop foreach $pair->source, $pair->target;

# --- the target is older, and the source has emptied its segments

$pair = new_item_pair('emptied', <<'CONF');
dbsync.segment_size = '64kB'
dbsync.retention_interval = '50ms'
CONF
back_up($pair->target, 'old');
insert($pair, 21, 300);
$pair->arrives('item', 'rows arrive after the backup');
$pair->sql("UPDATE public.item SET t = t || 'y'");
ok($pair->source->poll_query_until('postgres', <<'SQL'), 'a segment is emptied');
SELECT bool_or(discarded IS NOT NULL) FROM dbsync.captured_table
SQL
$pair->arrives('item', 'all arrives');
restore($pair->target, 'old');
my $before = DbsyncTest::fingerprint($pair->target, 'public.item');
insert($pair, 301, 302);
$pair->status_becomes('item', "last_error ~* 'behind|older' AND next_action IS NOT NULL",
	'a target that is older than what is still held is refused, with what to do');
is(DbsyncTest::fingerprint($pair->target, 'public.item'), $before,
	'nothing was written over the gap');
$_->stop foreach $pair->source, $pair->target;

# --- the source is older, on the same timeline (its files were put back), and
#     has written more than it lost before its worker reaches the target

$pair = new_item_pair('same');
back_up($pair->source, 'old');
insert($pair, 21, 40);
$pair->arrives('item', 'rows arrive after the backup');
$before = DbsyncTest::fingerprint($pair->target, 'public.item');
$pair->target->stop;
restore($pair->source, 'old');
insert($pair, 101, 140);
$pair->sql("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000000))");
$pair->target->start;
insert($pair, 141, 142);
$pair->status_becomes('item', "last_error ILIKE '%ahead%' AND next_action IS NOT NULL",
	'a source whose files were put back is refused, with what to do');
is(DbsyncTest::fingerprint($pair->target, 'public.item'), $before,
	'nothing was written to the target');
$_->stop foreach $pair->source, $pair->target;

# --- the ledger is gone

$pair = new_item_pair('forgotten');
$pair->target_sql('DROP SCHEMA dbsync_ledger CASCADE');
insert($pair, 21, 22);
$pair->status_becomes('item', "last_error ILIKE '%ledger%' AND next_action IS NOT NULL",
	'a missing ledger of a subscription that has run is refused');

DbsyncTest::finish();

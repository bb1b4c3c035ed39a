# A target that comes back as it was at an older time, where segments were emptied
# in another order than they were sealed in, or are about to be: what it lacks is
# sent, or it is refused, and nothing is lost in silence.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until);
use File::Path qw(rmtree);
use PostgreSQL::Test::RecursiveCopy;
use Test::More;

my $conf = <<'CONF';
dbsync.segment_size = '64kB'
dbsync.retention_interval = '50ms'
CONF

sub back_up
{
	my ($node) = @_;
	$node->stop;
	$node->backup_fs_cold('old');
	$node->start;
	return;
}

sub restore
{
	my ($node) = @_;
	$node->stop;
	rmtree($node->data_dir);
	PostgreSQL::Test::RecursiveCopy::copypath($node->backup_dir . '/old', $node->data_dir);
	chmod(0700, $node->data_dir);
	$node->start;
	return;
}

# A pair with a table, a subscription that runs, and one that is stopped and holds
# back all that is captured from now on.
sub new_pair
{
	my ($prefix) = @_;
	my $pair = DbsyncTest->new(prefix => $prefix, source_conf => $conf);

	$pair->both('CREATE TABLE public.item (id int PRIMARY KEY, t text)');
	$pair->target_sql('CREATE TABLE public.held (id int PRIMARY KEY, t text)');
	$pair->subscribe('item', ['public.item']);
	$pair->sql("SELECT dbsync.create_subscription('held', 'far')");
	$pair->sql("SELECT dbsync.add_table('held', 'public.item', target_table => 'public.held')");
	$pair->start_subscription($_) foreach 'item', 'held';
	$pair->arrives($_, "$prefix: $_ is live") foreach 'item', 'held';
	$pair->stop_subscription('held');
	return $pair;
}

my $next = 1;

# Fills several segments, of headers and of the table.
sub write_some
{
	my ($pair) = @_;
	my $sql = '';

	foreach (1 .. 80)
	{
		$sql .= "INSERT INTO public.item SELECT i, repeat('x', 500) FROM generate_series($next, $next + 1) i;\n";
		$sql .= "INSERT INTO public.item SELECT i, repeat('x', 500) FROM generate_series($next + 2, $next + 9) i;\n";
		$next += 10;
	}
	$pair->sql($sql);
	return;
}

my $closed = "dbsync.segment WHERE NOT active AND pg_relation_size(relid) > 0";

# --- item 8: what is noted as emptied does not get less

my $pair = new_pair('order');
my $writer = $pair->source->background_psql('postgres');
$writer->query_safe("SET dbsync.carry_bytes = 0; BEGIN; INSERT INTO public.item VALUES (-1, 'late')");
foreach (1 .. 3)
{
	write_some($pair);
	$pair->arrives('item', "all but the late writer arrives ($_)");
}
ok($pair->source->poll_query_until('postgres', <<"SQL"), 'segments that were closed later are sealed before those that the late writer is in');
SELECT count(*) = 2 FROM (
	SELECT captured_id FROM $closed GROUP BY captured_id
	HAVING min(id) FILTER (WHERE sealed IS NULL) < max(id) FILTER (WHERE sealed IS NOT NULL)) s
SQL
$pair->arrives('item', 'position behind those seals');
$pair->sql("INSERT INTO public.item VALUES (-2, 'x')");
$pair->arrives('item', 'the ledger, too');
back_up($pair->target);
$writer->query_safe('COMMIT');
$writer->quit;
$pair->arrives('item', 'the late writer arrives');
ok($pair->source->poll_query_until('postgres', "SELECT bool_and(sealed IS NOT NULL) FROM $closed"),
	'all closed segments are sealed');
$pair->sql("SELECT dbsync.drop_subscription('held', force => true)");
ok($pair->source->poll_query_until('postgres', "SELECT count(*) = 0 FROM $closed"),
	'they are emptied when nobody holds them back');
restore($pair->target);
my $before = DbsyncTest::fingerprint($pair->target, 'public.item');
$pair->sql("INSERT INTO public.item VALUES (-3, 'x')");
$pair->status_becomes('item', "last_error ~* 'behind|older' AND next_action IS NOT NULL",
	'item 8: a target that was put back between two seals is refused, with what to do');
is(DbsyncTest::fingerprint($pair->target, 'public.item'), $before, 'nothing is written over the gap');
$_->stop foreach $pair->source, $pair->target;

# --- what a target lacks is kept from the moment on at which it comes back

$pair = new_pair('hold');
$pair->source->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$pair->source->safe_psql('elsewhere', 'CREATE TABLE public.item (id int PRIMARY KEY, t text)');
$pair->create_target('near', DbsyncTest::uri_of($pair->source, database => 'elsewhere'));
$pair->subscribe('near', ['public.item'], target => 'near');
$pair->start_subscription('near');
$pair->arrives('near', 'another subscription is live');
$pair->arrives('item', 'nothing is under way');
back_up($pair->target);
write_some($pair);
$pair->arrives('item', 'rows arrive after the backup');
ok($pair->source->poll_query_until('postgres', <<"SQL"), 'the target has confirmed them');
SELECT count(*) > 0 AND bool_and(pg_snapshot_xmax(g.sealed) <= pg_snapshot_xmax(s.position))
FROM (SELECT * FROM $closed) g, dbsync.subscription s WHERE s.name = 'item'
SQL
$pair->stop_subscription('item');
restore($pair->target);
my $locker = $pair->target->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE public.item');
$pair->start_subscription('item');
ok($pair->target->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name ILIKE '%dbsync%' AND wait_event_type = 'Lock'"),
	'the target that was put back is let in, and waits for a lock');
$pair->sql("SELECT dbsync.drop_subscription('held', force => true)");
foreach my $n (1 .. 10)
{
	$pair->sql("INSERT INTO public.item VALUES (-$n, 'x')");
	$pair->arrives('near', "the other one goes on, and looks after segments ($n)");
}
$locker->quit;
$pair->arrives('item', 'the target gets what it lacked');
$pair->same_at_both_ends('public.item');

DbsyncTest::finish();

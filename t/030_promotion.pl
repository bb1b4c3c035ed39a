# Hazards 35 and 53: a standby that lacks the last commits is promoted, ids and
# LSNs are used again, and the target knows things that never were.  That is
# refused, for as long as it lasts; an honest synchronous failover is not.
use strict;
use warnings;

use lib 't';
use DbsyncTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $table = 'CREATE TABLE public.item (id int PRIMARY KEY, t text)';

sub new_pair_with_standby
{
	my ($prefix) = @_;
	my $pair = DbsyncTest->new(prefix => $prefix, streaming => 1);
	my $standby = PostgreSQL::Test::Cluster->new("${prefix}standby");

	$pair->both($table);
	$pair->subscribe('item', ['public.item']);
	$pair->start_subscription('item');
	$pair->sql("INSERT INTO public.item SELECT i, 'before' FROM generate_series(1, 20) i");
	$pair->arrives('item', "$prefix: first rows arrive");
	$pair->source->backup('base');
	$standby->init_from_backup($pair->source, 'base', has_streaming => 1);
	$standby->start;
	$pair->source->wait_for_catchup($standby, 'replay', $pair->source->lsn('insert'));
	return ($pair, $standby);
}

# --- the standby lacks commits that the target has

my ($pair, $standby) = new_pair_with_standby('async');
$standby->stop;
foreach my $i (21 .. 40)
{
	$pair->sql("INSERT INTO public.item VALUES ($i, 'lost')");
}
$pair->arrives('item', 'rows arrive that the standby has not seen');
$pair->source->kill9;
$standby->start;
$standby->promote;
$pair->{source} = $standby;
my $before = DbsyncTest::fingerprint($pair->target, 'public.item');

# the ids of the lost transactions are used again, and more
foreach my $i (101 .. 140)
{
	$pair->sql("INSERT INTO public.item VALUES ($i, 'new')");
}
$pair->status_becomes('item', "last_error ILIKE '%ahead%' AND next_action IS NOT NULL",
	'a target that is ahead of its promoted source is noticed, with what to do');
$pair->sql("INSERT INTO public.item VALUES (141, 'new')");
my $failures = $pair->status('item')->{failures};
$pair->status_becomes('item', "failures > $failures + 2 OR state IN ('stopped', 'failed', 'refused')",
	'it stays refused');
is(DbsyncTest::fingerprint($pair->target, 'public.item'), $before,
	'nothing was written to the target');
is($pair->sql("SELECT dbsync.wait_for('item', timeout => '1 s')"), 'f',
	'wait_for does not claim that the new rows are there');
$pair->source->stop;
$pair->target->stop;

# --- a synchronous standby has all that the target has

($pair, $standby) = new_pair_with_standby('sync');
$pair->sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
$pair->source->reload;
$pair->source->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
foreach my $i (21 .. 40)
{
	$pair->sql("INSERT INTO public.item VALUES ($i, 'kept')");
}
$pair->arrives('item', 'rows arrive that are on the synchronous standby too');
$pair->source->kill9;
$standby->promote;
$standby->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_standby_names');
$standby->reload;
$pair->{source} = $standby;
foreach my $i (101 .. 140)
{
	$pair->sql("INSERT INTO public.item VALUES ($i, 'new')");
}
$pair->arrives('item', 'an honest failover goes on by itself');
$pair->same_at_both_ends('public.item');

DbsyncTest::finish();

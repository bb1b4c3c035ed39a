# pg_partman makes, detaches and drops partitions of a captured table, for as long as its ids take
# to go round thirty times.  Issue "Partitions, tables without a key, sequences".
use strict;
use warnings;

use lib 't';
use DbsyncTest ();
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new;

if ($pair->sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_partman'") eq '0')
{
	plan skip_all => 'pg_partman is not installed';
}

my $rounds = 30;

$pair->sql(q{
	CREATE SCHEMA partman;
	CREATE EXTENSION pg_partman SCHEMA partman;
	CREATE SCHEMA s;
	CREATE TABLE s.dropped (id int NOT NULL PRIMARY KEY, v text) PARTITION BY RANGE (id);
	CREATE TABLE s.detached (id int NOT NULL PRIMARY KEY, v text) PARTITION BY RANGE (id)});
$pair->target_sql(q{
	CREATE SCHEMA s;
	CREATE TABLE s.dropped (id int NOT NULL PRIMARY KEY, v text);
	CREATE TABLE s.detached (id int NOT NULL PRIMARY KEY, v text);
	CREATE TABLE s.archive (id int NOT NULL PRIMARY KEY, v text)});
$pair->subscribe('moves', [ 's.dropped', 's.detached' ], on_partition_drop => "'delete'");
$pair->sql("SELECT dbsync.create_subscription('archive', 'far')");
$pair->sql("SELECT dbsync.add_table('archive', 's.dropped', target_table => 's.archive')");
# before there is a partition of it
$pair->sql("SELECT dbsync.run_once('moves')");
$pair->start_subscription('archive');

# from 5 on there is no other kind
my $kind = $pair->sql("SELECT extversion < '5' FROM pg_extension WHERE extname = 'pg_partman'") eq 't' ? ", p_type => 'native'" : '';

foreach my $table ('dropped', 'detached')
{
	$pair->sql("SELECT partman.create_parent(p_parent_table => 's.$table', p_control => 'id', p_interval => '10', p_premake => 2, p_start_partition => '0'$kind)");
	$pair->sql("UPDATE partman.part_config SET retention = '50', retention_keep_table = "
		  . ($table eq 'detached' ? 'true' : 'false') . ", infinite_time_partitions = true WHERE parent_table = 's.$table'");
}
foreach my $round (0 .. $rounds - 1)
{
	my $first = $round * 10;

	foreach my $table ('s.dropped', 's.detached')
	{
		$pair->sql("INSERT INTO $table SELECT g, 'round $round' FROM generate_series($first, $first + 9) g;"
			  . " UPDATE $table SET v = v || '!' WHERE id % 3 = 0; DELETE FROM $table WHERE id % 10 = 4");
	}
	$pair->sql('SELECT partman.run_maintenance()');
	$pair->sql("SELECT dbsync.run_once('moves')") if $round % 7 == 0;
}
$pair->sql("SELECT dbsync.run_once('moves')");
$pair->same_at_both_ends('s.dropped', 's.detached');
cmp_ok($pair->sql('SELECT min(id) FROM s.dropped'), '>', 150, 'partitions have gone');
cmp_ok($pair->sql("SELECT count(*) FROM pg_class WHERE relnamespace = 's'::regnamespace AND relkind = 'r' AND NOT relispartition"),
	'>', 15, 'and some of them are there, by themselves');
$pair->arrives('archive', 'the archive has all');
is($pair->target_sql('SELECT count(*) FROM s.archive'), $rounds * 9, 'rows of partitions that were dropped stay in the archive');
is($pair->target_sql('SELECT count(*) FROM (TABLE s.dropped EXCEPT TABLE s.archive) x'), '0', 'and it has what is left');
is($pair->sql("SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgname LIKE 'dbsync%' AND c.relkind = 'r' AND NOT c.relispartition"),
	'0', 'what was detached has no trigger of ours');

DbsyncTest::finish();

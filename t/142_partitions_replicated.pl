# What PostgreSQL's logical replication brings into partitioned tables, through the root or into
# leaves, is captured once: it fires row triggers only.  Issue "Partitions, tables without a key,
# sequences"; hazard 16 of its design.
use strict;
use warnings;

use lib 't';
use DbsyncTest ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->start;
my $pair = DbsyncTest->new;
my $source = $pair->source;

my $tables = q{
	CREATE SCHEMA s;
	CREATE TABLE s.root (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
	CREATE TABLE s.one PARTITION OF s.root FOR VALUES IN (1);
	CREATE TABLE s.two (v text, k int NOT NULL, gone int, id int NOT NULL);
	ALTER TABLE s.two DROP gone;
	ALTER TABLE s.root ATTACH PARTITION s.two FOR VALUES IN (2);
	CREATE TABLE s.three PARTITION OF s.root FOR VALUES IN (3) PARTITION BY RANGE (id);
	CREATE TABLE s.low PARTITION OF s.three FOR VALUES FROM (0) TO (100);
	CREATE TABLE s.high PARTITION OF s.three DEFAULT;
	CREATE TABLE s.bag (k int, v text) PARTITION BY LIST (k);
	CREATE TABLE s.bag1 (v text, gone int, k int);
	ALTER TABLE s.bag1 DROP gone;
	ALTER TABLE s.bag ATTACH PARTITION s.bag1 FOR VALUES IN (1);
	CREATE TABLE s.bag2 PARTITION OF s.bag DEFAULT;
	ALTER TABLE s.bag REPLICA IDENTITY FULL;
	ALTER TABLE s.bag1 REPLICA IDENTITY FULL;
	ALTER TABLE s.bag2 REPLICA IDENTITY FULL;};
$publisher->safe_psql('postgres', $tables);
$pair->sql($tables);
$pair->target_sql('CREATE SCHEMA s; CREATE TABLE s.root (id int, k int, v text, PRIMARY KEY (id, k)); CREATE TABLE s.bag (k int, v text)');
$publisher->safe_psql('postgres', "INSERT INTO s.root SELECT g, 1 + g % 3, 'first ' || g FROM generate_series(1, 200) g;"
	  . "INSERT INTO s.bag SELECT g % 3, 'first ' || g % 4 FROM generate_series(1, 60) g");
$pair->subscribe('parts', [ 's.root', 's.bag' ]);
$pair->sql("SELECT dbsync.run_once('parts')");

# of the table here, as the publisher has it, and of the target's
sub same_everywhere
{
	my ($test) = @_;
	my $rows = "SELECT (SELECT string_agg(concat_ws(',', id, k, v), ' ' ORDER BY id, k) FROM s.root) || "
	  . "(SELECT string_agg(concat_ws(',', k, v), ' ' ORDER BY k, v) FROM s.bag)";
	my $there = $publisher->safe_psql('postgres', $rows);

	$publisher->wait_for_catchup('incoming');
	is($pair->sql($rows), $there, "$test: it is here");
	$pair->sql("SELECT dbsync.run_once('parts')");
	return is($pair->target_sql($rows), $there, "$test: and at the target");
}

foreach my $through_root (1, 0)
{
	my $how = $through_root ? 'through the root' : 'into leaves';

	$publisher->safe_psql('postgres', "CREATE PUBLICATION p FOR TABLE s.root, s.bag WITH (publish_via_partition_root = "
		  . ($through_root ? 'true' : 'false') . ')');
	$source->safe_psql('postgres', sprintf(q{CREATE SUBSCRIPTION incoming CONNECTION $c$%s$c$ PUBLICATION p WITH (copy_data = %s)},
		$publisher->connstr('postgres'), $through_root ? 'true' : 'false'));
	$source->wait_for_subscription_sync($publisher, 'incoming');
	same_everywhere("$how, the first copy");
	$publisher->safe_psql('postgres', q{
		INSERT INTO s.root SELECT g, 1 + g % 3, 'new' FROM generate_series(1001, 1050) g;
		UPDATE s.root SET v = v || '!' WHERE id % 4 = 0;
		UPDATE s.root SET k = 1 + k % 3 WHERE id % 5 = 0;
		UPDATE s.root SET id = id + 3000 WHERE id % 7 = 0;
		DELETE FROM s.root WHERE id % 11 = 0;
		INSERT INTO s.bag SELECT 1 + g % 2, 'new' FROM generate_series(1, 10) g;
		UPDATE s.bag SET v = v || '!' WHERE v = 'first 1';
		UPDATE s.bag SET k = 1 - k WHERE v = 'first 2' AND k < 2;
		DELETE FROM s.bag WHERE ctid IN (SELECT min(ctid) FROM s.bag GROUP BY tableoid, k, v) AND k = 1});
	same_everywhere("$how, rows that move");
	$publisher->safe_psql('postgres', q{
		BEGIN; INSERT INTO s.root VALUES (9001, 2, 'before'); TRUNCATE s.two; INSERT INTO s.root VALUES (9002, 2, 'behind'); COMMIT});
	same_everywhere("$how, a leaf is emptied") unless $through_root;
	$publisher->safe_psql('postgres', q{
		BEGIN; INSERT INTO s.root VALUES (9003, 2, 'before'); TRUNCATE s.root;
		INSERT INTO s.root SELECT g, 1 + g % 3, 'first ' || g FROM generate_series(1, 200) g;
		TRUNCATE s.bag; INSERT INTO s.bag SELECT g % 3, 'first ' || g % 4 FROM generate_series(1, 60) g; COMMIT});
	same_everywhere("$how, all are emptied");
	$source->safe_psql('postgres', 'DROP SUBSCRIPTION incoming');
	$publisher->safe_psql('postgres', 'DROP PUBLICATION p');
}
is($pair->sql(q{SELECT count(*) FROM dbsync.table_status WHERE state <> 'live' OR missing_rows > 0}), '0', 'the tables are live, and lacked no row');

DbsyncTest::finish();

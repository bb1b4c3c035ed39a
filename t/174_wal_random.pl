# Keys are read from the WAL: under writers by chance, with TRUNCATE, changes of the table, and whatever dies
# meanwhile, for two subscriptions, of which one has a part of the table.  Whenever all has arrived both ends are equal.
# Batches are so small that most end before what they have read.  Issue "When changes travel, an INI file, and the ways to
# capture"; hazard 71 of its design.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true random_below);
use DbsyncTest::Feed;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 1;
my $pair = DbsyncTest->new(source_conf => <<'CONF');
wal_level = logical
max_replication_slots = 4
dbsync.segment_size = '64kB'
dbsync.retention_interval = '200ms'
dbsync.retry_max = '1s'
dbsync.copy_chunk_rows = 40
dbsync.batch_rows = 15
CONF
my $feed = DbsyncTest::Feed->new($pair, 'wal');
my %emptied = (
	truncate => [ 1, 'SELECT storm.write(); DO $$ BEGIN IF random() < 0.1 THEN TRUNCATE storm.k; END IF; END $$; SELECT storm.write();' ]);

# the copies go on beside the load
$feed->start_load(%emptied);
$pair->start_subscription($_) foreach 'feed', 'chosen';
$feed->goes_on(20);

my %accidents = $feed->accidents;

$feed->survives($rounds, \%accidents, %emptied);
$feed->stop_load;
$feed->failed_for_reasons('25006');

is($pair->sql("SELECT string_agg(DISTINCT op, ' ' ORDER BY op) FROM dbsync.changes('storm.k') WHERE op NOT IN ('K', 'T')"),
	'', 'nothing but keys was read');
$pair->finish;

# Keys alone are captured, and rows are read again: under writers by chance, with TRUNCATE, changes of the table,
# turns from whole rows to keys and back, and whatever dies meanwhile.  Whenever all has arrived
# both ends are equal.  Batches are so small that most end before what they have read.  Issue "When changes travel, an
# INI file, and the ways to capture"; hazard 69 and review B9 of its design.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true random_below);
use DbsyncTest::Feed;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 1;
my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.segment_size = '64kB'
dbsync.retention_interval = '200ms'
dbsync.retry_max = '1s'
dbsync.copy_chunk_rows = 40
dbsync.batch_rows = 15
CONF
my $feed = DbsyncTest::Feed->new($pair, 'keys');
my %emptied = (
	truncate => [ 1, 'SELECT storm.write(); TRUNCATE storm.p2; SELECT storm.write();' ],
	rarely => [ 1, 'SELECT storm.write(); DO $$ BEGIN IF random() < 0.1 THEN TRUNCATE storm.k; END IF; END $$; SELECT storm.write();' ]);

# the copies go on beside the load
$feed->start_load(%emptied);
$pair->start_subscription($_) foreach 'feed', 'chosen';
$feed->goes_on(20);

my %accidents = (
	$feed->accidents,
	'whole rows for a while' => sub {
		foreach my $capture ('trigger', 'keys', 'trigger', 'keys')
		{
			$pair->sql("UPDATE dbsync.captured_table SET capture = '$capture' WHERE relid = 'storm.k'::regclass");
			$feed->goes_on(10);
		}
	});

$feed->survives($rounds, \%accidents, %emptied);
$feed->stop_load;
$feed->failed_for_reasons('25006');

is($pair->sql("SELECT string_agg(DISTINCT op, ' ' ORDER BY op) FROM dbsync.changes('storm.p') WHERE op NOT IN ('K', 'D', 'T')"),
	'', 'no whole row was captured');
$pair->finish;

# The application says itself which rows it has changed: under writers by chance, rolled back savepoints, and whatever
# dies meanwhile.  Whenever all has arrived both ends are equal.  What it does not say is not sent, and
# neither is what dbsync applies here.  Issue "When changes travel, an INI file, and the ways to capture"; hazard 70 of
# its design, A3 of its review.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true random_below uri_of);
use DbsyncTest::Feed;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 1;
my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.segment_size = '64kB'
dbsync.retention_interval = '200ms'
dbsync.retry_max = '1s'
dbsync.copy_chunk_rows = 40
dbsync.batch_rows = 15
max_prepared_transactions = 5
CONF
my $feed = DbsyncTest::Feed->new($pair, 'api');

# capture begins, and copies go on, beside the load
$feed->start_load;
$pair->start_subscription($_) foreach 'feed', 'chosen';
$feed->goes_on(20);
is($pair->sql("SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('storm.k'::regclass, 'storm.p'::regclass, 'storm.p1'::regclass)"),
	'0', 'there are no triggers');

my %accidents = (
	(map { ($_->[0] => $_->[1]) } $pair->victims('feed')),
	'suspended and copied anew' => sub {
		DbsyncTest::poll_until(sub { defined ask($pair->source, "SET lock_timeout = '1s'; SELECT dbsync.suspend_table('storm.k')") }, 'suspended');
		$feed->goes_on(5);
		DbsyncTest::poll_until(sub { defined ask($pair->source, "SELECT dbsync.copy_table(s, 'storm.k') FROM unnest('{feed,chosen}'::text[]) s") }, 'copied');
	});

$feed->survives($rounds, \%accidents);
$feed->stop_load;
$feed->failed_for_reasons;

# a prepared transaction says it as it commits
$pair->sql(<<'SQL');
BEGIN;
UPDATE storm.k SET v = 'prepared' WHERE id = (SELECT min(id) FROM storm.k);
SELECT dbsync.record_change('storm.k', jsonb_build_object('id', (SELECT min(id) FROM storm.k)));
PREPARE TRANSACTION 'p';
SQL
$pair->arrives('feed', 'all but what is prepared arrives');
is($pair->target_sql("SELECT count(*) FROM storm.k WHERE v = 'prepared'"), '0', 'and that is not there');
$pair->sql("COMMIT PREPARED 'p'");
$feed->is_equal('a prepared transaction');

# what is not said is not sent, until somebody says it
$pair->sql("UPDATE storm.k SET v = 'unsaid'");
$pair->sql("INSERT INTO storm.token VALUES (nextval('storm.tokens'))");
$pair->arrives('feed', 'all that was said arrives');
is($pair->target_sql("SELECT count(*) FROM storm.k WHERE v = 'unsaid'"), '0', 'what was not said is not there');
$pair->sql("SELECT dbsync.record_changes('storm.k', array_agg(jsonb_build_object('id', id))) FROM storm.k");
$feed->is_equal('said later');

# what dbsync applies is not recorded, and so goes no further
$pair->target_sql('CREATE EXTENSION dbsync');
$pair->target_sql('CREATE DATABASE third');
$pair->target->safe_psql('third', 'CREATE SCHEMA storm; CREATE TABLE storm.p (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (k, id))');
$pair->target_sql(sprintf(q{SELECT dbsync.create_target('third', '%s')}, uri_of($pair->target, database => 'third')));
$pair->target_sql(q{SELECT dbsync.create_subscription('on', 'third')});
$pair->target_sql(q{SELECT dbsync.add_table('on', 'storm.p', capture => 'api')});
$pair->target_sql(q{SELECT dbsync.start_subscription('on')});
is($pair->target_sql(q{SELECT dbsync.wait_for('on')}), 't', 'the second sends what it has to a third');
$pair->sql(q{INSERT INTO storm.p VALUES (1000, 1, 'applied'); SELECT dbsync.record_change('storm.p', '{"id": 1000, "k": 1}')});
$pair->arrives('feed', 'it arrives at the second');
$pair->target_sql(q{INSERT INTO storm.p VALUES (1001, 1, 'made there'); SELECT dbsync.record_change('storm.p', '{"id": 1001, "k": 1}')});
is($pair->target_sql("SELECT dbsync.wait_for('on')"), 't', 'the second has sent all');
is($pair->target->safe_psql('third', 'SELECT string_agg(id::text, \' \') FROM storm.p WHERE id >= 1000'), '1001', 'the third has what was made at the second, not what was applied there');
$pair->finish;

# A table is compared with its shadow: under writers by chance, with changes of keys, rolled back savepoints, TRUNCATE
# and changes of the table, and whatever dies meanwhile; the source's worker twenty times more, at any moment.  Whenever all has arrived
# both ends are equal, of two subscriptions with one shadow.  wait_for() does not answer before a comparison that began behind
# the call.  Issue "When changes travel, an INI file, and the ways to capture"; hazard 72 of its design, A3 and B10 of its review.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until random_below);
use DbsyncTest::Feed;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 1;
my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.segment_size = '64kB'
dbsync.retention_interval = '200ms'
dbsync.retry_max = '1s'
dbsync.copy_chunk_rows = 40
dbsync.batch_rows = 15
dbsync.poll_interval = '100ms'
CONF
my $source = $pair->source;
my $feed = DbsyncTest::Feed->new($pair, 'shadow');
my %rarely = (rarely => [ 1, 'SELECT storm.write(); DO $$ BEGIN IF random() < 0.1 THEN TRUNCATE storm.k; END IF; END $$; SELECT storm.write();' ]);

# the shadow is filled, and copies go on, beside the load
$feed->start_load(%rarely);
$pair->start_subscription($_) foreach 'feed', 'chosen';
$feed->goes_on(20);
is($pair->sql("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'storm.k'::regclass"), '0', 'there are no triggers');

my $column = 0;
my $copy = sub {
	foreach my $name ('feed', 'chosen')
	{
		poll_until(sub { defined ask($source, "SELECT dbsync.copy_table('$name', 'storm.k')") }, "copy for $name");
	}
};
my $alter = sub {
	my ($change) = @_;
	poll_until(sub { defined ask($source, "SET lock_timeout = '1s'; ALTER TABLE storm.k $change") }, $change);
};
my %accidents = (
	(map { ($_->[0] => $_->[1]) } $pair->victims('feed')),
	'a column that comes, gets another name, and goes' => sub {
		my $name = 'c' . ++$column;
		foreach my $change ("ADD $name int DEFAULT $column", "RENAME $name TO r$column", "ADD $name text", "DROP r$column, DROP $name")
		{
			$alter->($change);
			$feed->goes_on(5);
		}
	},
	'a change that suspends it' => sub {
		my $name = 'd' . ++$column;
		$alter->("ADD $name int DEFAULT $column");
		$feed->goes_on(5);
		$alter->("ALTER $name TYPE bigint");
		becomes_true($source, "SELECT count(*) = 2 FROM dbsync.table_status WHERE state = 'suspended'");
		$pair->target_sql("ALTER TABLE storm.k ALTER $name TYPE bigint");
		$copy->();
		$feed->goes_on(5);
		$alter->("DROP $name");
	},
	'suspended and copied anew' => sub {
		poll_until(sub { defined ask($source, "SET lock_timeout = '1s'; SELECT dbsync.suspend_table('storm.k')") }, 'suspended');
		$feed->goes_on(5);
		$copy->();
	},
	'a copy beside the other subscription, which goes on' => sub {
		poll_until(sub { defined ask($source, "SELECT dbsync.copy_table('feed', 'storm.k')") }, 'copy');
	});

$feed->survives($rounds, \%accidents, %rarely) or goto the_end;

# between comparison and commit, or anywhere else
foreach my $n (1 .. 20)
{
	my $pid;

	# one that was killed twice before it got anywhere is left stopped
	$feed->goes_on(3) or last;
	$pid = $pair->wait_for_worker('feed');
	select(undef, undef, undef, random_below(300) / 1000);
	kill('KILL', $pid) if defined $pid;
	DbsyncTest::Server::wait_until_up($source);
	next if $n % 5 != 0;
	$feed->stop_load;
	$feed->is_equal("killed $n times") or last;
	$feed->start_load(%rarely);
}
$feed->stop_load;
$feed->is_equal('at rest');
$feed->failed_for_reasons('25006');
is($pair->sql("SELECT string_agg(DISTINCT op, ' ' ORDER BY op) FROM dbsync.changes('storm.k') WHERE op NOT IN ('I', 'U', 'D')"), '',
	'captured were rows that came, changed and went');

# somebody writes behind what was compared, and nobody may be told that it is there
$pair->sql("UPDATE storm.k SET v = 'waited for'");
is($pair->sql("SELECT dbsync.wait_for('feed')"), 't', 'wait_for() answers');
is($pair->target_sql("SELECT count(*) FROM storm.k WHERE v IS DISTINCT FROM 'waited for'"), '0', 'when it is there');
my $holder = $source->background_psql('postgres');
$pair->sql("UPDATE storm.k SET v = 'cannot be compared'");
$holder->query_safe('BEGIN');
$holder->query_safe('LOCK TABLE storm.k IN SHARE MODE');
is($pair->sql("SELECT dbsync.wait_for('feed', timeout => '1500 ms')"), 'f', 'wait_for() does not answer while it cannot be compared');
$pair->status_becomes('feed', q{next_action ~ '^Table storm\.k is locked by process [0-9]+, so it is not compared with its shadow\.$'}, 'status says who is in the way');
$holder->query_safe('COMMIT');
$holder->quit;
$pair->arrives('feed', 'and then it does');
is($pair->target_sql("SELECT count(*) FROM storm.k WHERE v IS DISTINCT FROM 'cannot be compared'"), '0', 'when it is there');
$pair->status_becomes('feed', 'next_action IS NULL', 'and nobody is in the way any more');

# policies: once a round where rounds are planned or asked for, and by its own clock otherwise
my $seen = sub {
	my ($value, $test) = @_;
	ok(becomes_true($pair->target, "SELECT count(*) > 0 AND bool_and(v = '$value') FROM storm.k"), $test) or $pair->describe_state($test);
};
$pair->stop_subscription('chosen');
$pair->sql("INSERT INTO storm.k VALUES (100000, NULL, 'there') ON CONFLICT DO NOTHING");
$pair->sql("SELECT dbsync.alter_subscription('feed', policy => 'manual')");
$pair->arrives('feed', 'manual: wait_for() has it compared');
$pair->status_becomes('feed', "waits_for = 'dbsync.run_now()'", 'manual: the worker waits');
$pair->sql("UPDATE storm.k SET v = 'by hand'");
$pair->let_poll(3);
is($pair->target_sql("SELECT count(*) FROM storm.k WHERE v = 'by hand'"), '0', 'manual: nothing is compared, whatever its own clock says');
$pair->sql("SELECT dbsync.run_now('feed')");
$seen->('by hand', 'manual: run_now()');
foreach my $policy ('interval 300 ms', 'rows 1000000 or age 1 hour', 'immediate')
{
	$pair->sql("SELECT dbsync.alter_subscription('feed', policy => '$policy')");
	$pair->sql("UPDATE storm.k SET v = '$policy'");
	$seen->($policy, "$policy: it is found without anybody's asking");
}

# nothing of it is left
$pair->sql("SELECT dbsync.stop_subscription(s), dbsync.drop_subscription(s) FROM unnest('{feed,chosen}'::text[]) s");
is($pair->sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'shadow%'"), '0', 'the shadow goes with the last subscription');
the_end:
$pair->finish;

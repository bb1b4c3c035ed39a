# What is wrong with one table, or held by one session, is no concern of the
# other tables of the same subscription: they go on meanwhile, and the one goes
# on by itself when its time has come.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(uri_of);
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.install_lock_timeout = '200ms'
dbsync.segment_size = '64kB'
dbsync.retention_interval = '50ms'
CONF
my $source = $pair->source;
my $target = $pair->target;

$pair->both('CREATE TABLE public.live (id int PRIMARY KEY, t text)');
$pair->subscribe('sub', ['public.live']);
$pair->start_subscription('sub');
$pair->arrives('sub', 'the live table is live');

# wait_for() would wait for tables that are not live yet, too
my $live = 0;

sub live_goes_on
{
	my ($when) = @_;
	my $arrived = 1;

	# more than one batch, so that upkeep and its waits come in between
	foreach (1 .. 2)
	{
		$live++;
		$pair->sql("INSERT INTO public.live VALUES ($live, " . DbsyncTest::quoted($when) . ')');
		$arrived &&= $target->poll_query_until('postgres',
			"SELECT count(*) = 1 FROM public.live WHERE id = $live");
	}
	ok($arrived, "$when: the live table goes on")
	  or $pair->describe_state("not on the target: row $live");
	return;
}

sub add_table
{
	my ($name, $options) = @_;
	$pair->sql("SELECT dbsync.add_table('sub', 'public.$name'" . ($options // '') . ')');
	return;
}

sub table_becomes
{
	my ($condition, $test) = @_;
	ok($source->poll_query_until('postgres',
			"SELECT coalesce(bool_and($condition), false) FROM dbsync.table_status"),
		$test)
	  or $pair->describe_state("table_status did not become: $condition");
	return;
}

# A session of the source that has done something and stays in its transaction.
sub open_transaction
{
	my ($node, $sql) = @_;
	my $session = $node->background_psql('postgres');
	$session->query_safe("BEGIN; $sql");
	return $session;
}

sub wait_for_blocked
{
	my ($node, $what) = @_;
	ok($node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM pg_locks WHERE NOT granted'), $what);
	return;
}

# --- several tables whose capture cannot be installed, for an open writer

my @busy = map { "busy$_" } 1 .. 4;
$pair->both("CREATE TABLE public.$_ (id int PRIMARY KEY)") foreach @busy;
my $writer = open_transaction($source, join ' ', map { "INSERT INTO public.$_ VALUES (1);" } @busy);
add_table($_) foreach @busy;
live_goes_on('locked tables are added');
table_becomes("state = CASE WHEN \"table\"::text LIKE 'busy%' THEN 'waiting for lock' ELSE 'live' END",
	'each locked table is said to wait');
live_goes_on('locked tables wait');
$writer->query_safe('COMMIT');
$writer->quit;
$pair->arrives('sub', 'they are captured and copied once the writer is gone');
$pair->same_at_both_ends(map { "public.$_" } @busy);

# --- first copies that fail

$pair->sql('CREATE TABLE public.missing (id int PRIMARY KEY)');
$pair->both('CREATE TABLE public.filled (id int PRIMARY KEY)');
$pair->sql("INSERT INTO public.$_ SELECT generate_series(1, 10)") foreach 'missing', 'filled';
$pair->target_sql('INSERT INTO public.filled VALUES (-1)');
add_table('missing');
$pair->status_becomes('sub', "last_error ~ 'missing.*does not exist' AND next_action <> ''",
	'a table that is missing on the target is said');
live_goes_on('a table is missing on the target');
$pair->status_becomes('sub', "last_error ~ 'missing' AND next_action <> ''",
	'the trouble is still said after that');
add_table('filled');
$pair->status_becomes('sub', "last_error ~ 'filled.*has rows' AND next_action <> ''",
	'a target table that has rows is said');
live_goes_on('a target table has rows');
$pair->status_becomes('sub', "last_error ~ 'missing' AND next_action <> ''",
	'the two troubles take turns');
$pair->sql('INSERT INTO public.missing VALUES (11); DELETE FROM public.missing WHERE id = 1');
$pair->sql('INSERT INTO public.filled VALUES (11)');
live_goes_on('rows of tables that cannot be copied wait');
$pair->target_sql('CREATE TABLE public.missing (id int PRIMARY KEY)');
$pair->target_sql('DELETE FROM public.filled');
$pair->arrives('sub', 'both are copied by themselves when they can be');
$pair->same_at_both_ends('public.missing', 'public.filled');
$pair->status_becomes('sub', "last_error IS NULL AND next_action IS NULL", 'nothing is said any more');

# --- a table of the source is locked, while the configuration changes

my $locker = open_transaction($source, 'LOCK TABLE public.busy1 IN ACCESS EXCLUSIVE MODE');
live_goes_on('a source table is locked');
$pair->both('CREATE TABLE public.later (id int PRIMARY KEY)');
$pair->sql('INSERT INTO public.later VALUES (1)');
add_table('later');
live_goes_on('a source table is locked and another one is added');
ok($target->poll_query_until('postgres', 'SELECT count(*) = 1 FROM public.later'),
	'the one that was added is copied');
$locker->query_safe('COMMIT');
$pair->stop_subscription('sub');
$pair->sql("SELECT dbsync.copy_table('sub', 'public.$_')") foreach 'busy1', 'busy2';
$locker->query_safe('BEGIN; LOCK TABLE public.busy1 IN ACCESS EXCLUSIVE MODE');
$pair->start_subscription('sub');
live_goes_on('a worker starts while a source table is locked');
table_becomes("(state = 'live') = (\"table\" <> 'public.busy1'::regclass)",
	'the locked one is not copied anew, the others are');
$locker->query_safe('INSERT INTO public.busy1 VALUES (100); COMMIT');
$locker->quit;
$pair->arrives('sub', 'what the locker wrote arrives');
$pair->same_at_both_ends('public.busy1', 'public.later');

# --- somebody leaves a transaction open after a word to dbsync; segments of one
#     page are closed and emptied at every occasion, which writes positions

$pair->sql("ALTER SYSTEM SET dbsync.segment_size = '8kB'");
$source->reload;
$pair->both('CREATE TABLE public.another (id int PRIMARY KEY)');
foreach my $call (
	"dbsync.alter_subscription('sub', policy => 'immediate')",
	"dbsync.add_table('sub', 'public.another')",
	"dbsync.remove_table('sub', 'public.later')",
	"dbsync.copy_table('sub', 'public.busy2')",
	"dbsync.suspend_table('public.busy3')")
{
	my $session = open_transaction($source, "SELECT $call");
	my ($name) = $call =~ /^dbsync\.(\w+)/;

	live_goes_on("$name() in an open transaction");
	$session->query_safe('ROLLBACK');
	$session->quit;
}
$pair->arrives('sub', 'nothing of it was meant');
table_becomes("state = 'live'", 'all tables are live as before');
$pair->sql('ALTER SYSTEM RESET dbsync.segment_size');
$source->reload;

# --- a table is taken out under a batch that carries it: the batch waits for
#     another table of the target before it has read the segment

my @carried = ('doomed1', 'held', 'doomed2');
$pair->both("CREATE TABLE public.$_ (id int PRIMARY KEY)") foreach @carried;
add_table($_) foreach @carried;
$pair->arrives('sub', 'tables more are live');
$locker = open_transaction($target, 'LOCK TABLE public.held');
$pair->sql(join ' ', 'BEGIN;', (map { "INSERT INTO public.$_ SELECT generate_series(1, 1000);" } @carried), 'COMMIT');
wait_for_blocked($target, 'a batch waits for a table of the target');

# one of them comes before the table that is waited for, the other behind it
$pair->sql("SELECT dbsync.remove_table('sub', 'public.$_')") foreach 'doomed1', 'doomed2';
$locker->query_safe('COMMIT');
$locker->quit;
live_goes_on('tables were removed under a batch');
$pair->arrives('sub', 'all arrives');
$pair->same_at_both_ends('public.held');
ok($source->poll_query_until('postgres', <<'SQL'), 'and their capture is taken off');
SELECT NOT EXISTS (SELECT FROM dbsync.captured_table WHERE relid::regclass::text LIKE 'doomed%')
  AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'doomed%')
SQL

# --- a table of which segments were emptied that this subscription, which lags
#     behind, has never seen

$pair->both("CREATE TABLE public.$_ (id int PRIMARY KEY, t text)") foreach 'shared', 'own';
$source->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$source->safe_psql('elsewhere', 'CREATE TABLE public.shared (id int PRIMARY KEY, t text)');
$pair->create_target('near', uri_of($source, database => 'elsewhere'));
$pair->subscribe('second', ['public.shared'], target => 'near');
$pair->subscribe('lagging', ['public.own']);
$pair->start_subscription($_) foreach 'second', 'lagging';
$pair->arrives($_, "$_ is live") foreach 'second', 'lagging';
$pair->stop_subscription('lagging');
$pair->sql("INSERT INTO public.own VALUES (1, 'while stopped')");
foreach my $i (1 .. 4)
{
	$pair->sql("INSERT INTO public.shared SELECT i, repeat('x', 500) FROM generate_series($i * 1000, $i * 1000 + 300) i");
}
$pair->arrives('second', 'a table fills segments');
ok($source->poll_query_until('postgres', <<'SQL'), 'which are emptied');
SELECT c.discarded IS NOT NULL AND NOT EXISTS (
    SELECT FROM dbsync.segment s WHERE s.captured_id = c.id AND NOT s.active AND pg_relation_size(s.relid) > 0)
FROM dbsync.captured_table c WHERE c.relid = 'public.shared'::regclass
SQL
$pair->sql("SELECT dbsync.add_table('lagging', 'public.shared', copy_data => false)");
$pair->start_subscription('lagging');
$pair->arrives('lagging', 'a table without a copy goes live in a subscription that lags behind');
$pair->sql("INSERT INTO public.shared VALUES (1, 'after')");
$pair->arrives('lagging', 'and goes on');
is($pair->target_sql('SELECT string_agg(id::text, \',\') FROM public.shared'), '1',
	'it has nothing of what was before');
$pair->same_at_both_ends('public.own');

# --- wide rows lie beside their segment, and count all the same

$pair->both('CREATE TABLE public.wide (id int PRIMARY KEY, b bytea)');
$pair->subscribe('wide', ['public.wide']);
$pair->start_subscription('wide');
$pair->arrives('wide', 'a table of wide rows is live');
$pair->stop_subscription('wide');
$pair->sql(<<'SQL');
INSERT INTO public.wide
SELECT i, (SELECT string_agg(sha512((i * 1000 + j)::text::bytea), '') FROM generate_series(1, 800) j)
FROM generate_series(1, 40) i
SQL
cmp_ok($pair->status('wide')->{log_bytes}, '>', 1_500_000, 'wide rows make a large log');
$pair->start_subscription('wide');
$pair->arrives('wide', 'wide rows arrive');
$pair->status_becomes('wide', 'log_bytes < 200000', 'and their log becomes small again');
$pair->same_at_both_ends('public.wide');

# --- the target is down: nobody looks at what is waiting, and nobody says that
#     nothing is; and a worker does not grow by trying

# many enough that a leak of 16 bytes in each is told from what is there by chance
my $many = $ENV{DBSYNC_TEST_ROUNDS} ? 400 : 100;

# What the worker has taken from the system for good, from the log.
sub one_reading
{
	my ($name) = @_;
	my $pid = $pair->worker_pid($name);
	my $from = -s $source->logfile;
	my $used;

	$pair->sql("SELECT pg_log_backend_memory_contexts($pid)");
	DbsyncTest::poll_until(
		sub {
			my $text = substr(PostgreSQL::Test::Utils::slurp_file($source->logfile), $from);
			($used) = $text =~ /\[$pid\].*TopMemoryContext: .*?(\d+) used/;
			return defined $used && $text =~ /\[$pid\].*Grand total: .*used/;
		},
		"memory contexts of $pid in the log");
	return $used;
}

# In the middle of a transaction something of it is counted, so the least of several readings.
sub top_memory
{
	my ($name) = @_;
	my ($least) = sort { $a <=> $b } map { one_reading($name) } 1 .. 5;

	return $least;
}

$pair->stop_subscription($_) foreach 'second', 'lagging', 'wide';
$pair->arrives('sub', 'all has arrived');
$pair->status_becomes('sub', 'lag_rows = 0 AND lag_bytes = 0', 'no lag is a known lag');
$pair->sql("ALTER SYSTEM SET dbsync.retry_max = '10ms'");
$source->reload;
$target->stop;
$live++;
$pair->sql("INSERT INTO public.live VALUES ($live, 'while the target is down')");
$pair->fails_often('sub', 100, 'attempts fail');
$pair->status_becomes('sub', 'lag_rows IS NULL AND lag_bytes IS NULL AND lag_seconds IS NULL',
	'an unknown lag is not said to be none');
$target->start;
$pair->arrives('sub', 'what waited arrives');
$pair->status_becomes('sub', 'lag_rows = 0', 'the lag is known again');
$pair->target_sql('ALTER TABLE public.live ADD CONSTRAINT refused CHECK (id < 0) NOT VALID');
$live++;
$pair->sql("INSERT INTO public.live VALUES ($live, 'while rows are refused')");
$pair->fails_often('sub', 100, 'batches fail');
my $worker = $pair->worker_pid('sub');
my $before = top_memory('sub');
my $failures = $pair->status('sub')->{failures};
$pair->fails_often('sub', $failures + $many, 'many more fail');
my $after = top_memory('sub');
note("used in TopMemoryContext after $failures failures: $before bytes, $many later: $after");
is($pair->worker_pid('sub'), $worker, 'it is the same worker');
cmp_ok($after, '<', $before + $many * 16, 'failing leaves nothing in what lives for ever');
$pair->target_sql('ALTER TABLE public.live DROP CONSTRAINT refused');
$pair->arrives('sub', 'what waited arrives');
$pair->same_at_both_ends('public.live');

# --- nor by trying a held table again and again

sub connections_more
{
	my ($more) = @_;
	my $sessions = q{SELECT sessions FROM pg_stat_database WHERE datname = 'postgres'};
	my $from = $pair->target_sql($sessions);

	ok($target->poll_query_until('postgres', "SELECT ($sessions) > $from + $more"), "it is tried $more times")
	  or $pair->describe_state('tried too seldom');
	return;
}

$pair->target_sql('ALTER TABLE public.live RENAME TO away');
$live++;
$pair->sql("INSERT INTO public.live VALUES ($live, 'while the table is away')");
table_becomes(q{"table" <> 'public.live'::regclass OR state = 'held'}, 'the table is held');
connections_more(100);
$before = top_memory('sub');
connections_more($many);
$after = top_memory('sub');
note("used in TopMemoryContext: $before bytes, $many attempts later: $after");
is($pair->worker_pid('sub'), $worker, 'it is the same worker');
cmp_ok($after, '<', $before + $many * 16, 'trying leaves nothing in what lives for ever');
$pair->target_sql('ALTER TABLE public.away RENAME TO live');
table_becomes(q{state = 'live'}, 'it is let go');
$pair->arrives('sub', 'what waited arrives');
$pair->same_at_both_ends('public.live');

DbsyncTest::finish();

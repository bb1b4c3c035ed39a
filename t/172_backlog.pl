# A backlog with a ceiling: targets that are away, or whose subscriptions wait or are stopped, while several tables are
# written to.  At half of the limit keys alone are captured, at the limit tables are given up; nobody who writes fails or
# waits for that, the disk is not filled, and when the target is back both ends are equal, by themselves.  Issue
# "When changes travel, an INI file, and the ways to capture", number 6.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until random_below uri_of);
use DbsyncTest::Bank;
use PostgreSQL::Test::Utils;
use Test::More;

my $limit = 512 * 1024;
my $segment = 64 * 1024;
my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.segment_size = '64kB'
dbsync.retention_interval = '50ms'
dbsync.retry_max = '500ms'
dbsync.poll_interval = '100ms'
log_lock_waits = on
deadlock_timeout = '1s'
CONF
my $source = $pair->source;
my $folder = PostgreSQL::Test::Utils::tempdir('backlog');
my ($load, $seed) = (undef, random_below(1_000_000));

$pair->both(<<'SQL');
CREATE TABLE public.wide (id int PRIMARY KEY, t text);
CREATE TABLE public.less (id int PRIMARY KEY, t text, n int);
CREATE TABLE public.keyless (id int, t text);
CREATE TABLE public.rarely (id int PRIMARY KEY, t text);
SQL
$pair->sql(<<'SQL');
INSERT INTO public.wide SELECT i, repeat('w', 300) FROM generate_series(1, 300) i;
INSERT INTO public.less SELECT i, 'less', 0 FROM generate_series(1, 300) i;
INSERT INTO public.rarely VALUES (1, 'first');
SQL
my @tables = qw(public.wide public.less public.keyless public.rarely);

# Each client has rows of his own, so that none waits for another.
sub start_load
{
	my $script = "$folder/load.sql";

	unlink($script, "$folder/load.log");
	append_to_file($script, <<'SQL');
\set mine random(0, 59) * 5 + :client_id + 1
\set n random(1, 9)
UPDATE public.wide SET t = repeat(md5(random()::text), 30 + :n * 4) WHERE id IN (:mine, :mine + 300);
UPDATE public.less SET n = n + 1, t = repeat('x', 200) WHERE id % 60 = :mine / 5 AND id % 5 = :mine % 5;
INSERT INTO public.keyless VALUES (:mine, repeat('k', 100 * :n));
DELETE FROM public.keyless WHERE id = :mine AND :n < 3;
DELETE FROM public.wide WHERE id = :mine AND :n = 1;
INSERT INTO public.wide VALUES (:mine, repeat(md5(random()::text), 20)) ON CONFLICT (id) DO NOTHING;
SQL
	my @command = ('pgbench', '-n', '-h', $source->host, '-p', $source->port, '-c', 5, '-R', 150, '-T', 1000,
		'--random-seed=' . ++$seed, '-f', $script, 'postgres');
	my $log = "$folder/load.log";

	$load = DbsyncTest::Bank::start_process(
		sub {
			$ENV{PGAPPNAME} = 'load';
			open(STDOUT, '>>', $log);
			open(STDERR, '>&', \*STDOUT);
			exec(@command);
		});
	return;
}

sub stop_load
{
	DbsyncTest::Bank::end_process($load);
	becomes_true($source, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'load'");
	return;
}

# Whatever happened to the target, nobody who writes has noticed.
sub load_was_undisturbed
{
	my ($test) = @_;
	my $log = slurp_file("$folder/load.log");
	my @waits = grep { /load .*still waiting/ } split /\n/, slurp_file($source->logfile);

	unlike($log, qr/ERROR|aborted/, "$test: no writer has failed");
	is(scalar(@waits), 0, "$test: no writer has waited") or diag($waits[0]);
	return;
}

# What dbsync has on the disk, when segments have been seen to: the limit, and of each table and the headers an
# active segment; of what is empty some pages are left.
sub disk_is_small
{
	my ($test) = @_;
	my $bound = $limit + $segment * (1 + @tables);
	my $ok = ok(becomes_true($source, "SELECT sum(pg_total_relation_size(s.relid)) < $bound + 24576 * count(*) FROM dbsync.segment s"),
		"$test: the log is no larger than the limit and a segment of each table");

	$pair->describe_state($pair->sql('SELECT json_agg(s) FROM (SELECT *, pg_total_relation_size(relid) FROM dbsync.segment) s')) unless $ok;
	return $ok;
}

sub becomes
{
	my ($query, $test) = @_;
	my $ok = ok(becomes_true($source, $query), $test);

	$pair->describe_state("not so: $query") unless $ok;
	return $ok;
}

my $given_up = q{FROM dbsync.subscription_table WHERE backlog_at IS NOT NULL};

sub is_equal
{
	my ($test, @subscriptions) = @_;

	$pair->arrives($_, "$test: all of $_ arrives") foreach @subscriptions;
	$pair->same_at_both_ends(@tables);
	becomes(q{SELECT bool_and(state = 'live') FROM dbsync.table_status}, "$test: all tables are live");
	becomes(q{SELECT NOT bool_or(reduced) FROM dbsync.captured_table}, "$test: whole rows are captured again");
	return becomes(q{SELECT bool_and(next_action IS NULL) FROM dbsync.status}, "$test: there is nothing to do");
}

$pair->subscribe('item', \@tables, backlog_limit => "'512 kB'");
$pair->start_subscription('item');
start_load();
$pair->arrives('item', 'all arrives under load');
is($pair->sql("SELECT count(*) $given_up"), '0', 'nothing was given up');

# --- away, twice

foreach my $time ('first', 'second')
{
	$pair->target->stop('fast');
	becomes(q{SELECT bool_or(reduced AND capture = 'keys') FROM dbsync.captured_table}, "$time time: keys alone are captured of a table");
	disk_is_small("$time time, reduced");
	becomes("SELECT count(*) > 0 $given_up AND state = 'suspended'", "$time time: a table is given up");
	disk_is_small("$time time, given up");
	like($pair->status('item')->{next_action}, qr/^Its backlog was larger than backlog_limit, 512 kB: table .* copied anew/, "$time time: status says so first");
	like($pair->sql("SELECT string_agg(note, ' ') FROM dbsync.table_status WHERE state = 'suspended'"), qr/backlog: .* more than backlog_limit; it is copied anew/,
		"$time time: and so does table_status");
	becomes('SELECT begins_anew FROM dbsync.subscription', "$time time: all is given up in the end");
	is($pair->sql("SELECT count(*) $given_up"), '4', "$time time: with all tables");
	disk_is_small("$time time, all given up");
	my $before = $pair->sql('SELECT sum(pg_current_wal_lsn() - \'0/0\')');
	ok(poll_until(sub { $pair->sql("SELECT pg_current_wal_lsn() - '0/0'") > $before + 1_000_000 }, 'more WAL'), "$time time: much more is written");
	disk_is_small("$time time, long afterwards");
	load_was_undisturbed("$time time");
	$pair->sql(q{INSERT INTO public.rarely VALUES (2, 'away') ON CONFLICT (id) DO UPDATE SET t = rarely.t || '!'});
	$pair->target->start;
	$pair->arrives('item', "$time time: all arrives under load");
	stop_load();
	is_equal("$time time", 'item');
	load_was_undisturbed("$time time, back");
	start_load();
}
stop_load();

DbsyncTest::finish();

# A backlog with a ceiling: targets that are away, or whose subscriptions wait or are stopped, while several tables are
# written to.  At half of the limit keys alone are captured, at the limit tables are given up; nobody who writes fails or
# waits for that, the disk is not filled, and when the target is back both ends are equal, by themselves.  Issue
# "When changes travel, an INI file, and the ways to capture", number 6.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until random_below uri_of);
use DbsyncTest::Bank;
use File::Path qw(rmtree);
use PostgreSQL::Test::RecursiveCopy;
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
UPDATE public.wide SET t = repeat(md5(random()::text), 15 + :n * 4) WHERE id IN (:mine, :mine + 300);
UPDATE public.less SET n = n + 1, t = repeat('x', 200) WHERE id % 60 = :mine / 5 AND id % 5 = :mine % 5;
INSERT INTO public.keyless VALUES (:mine, repeat('k', 100 * :n));
DELETE FROM public.keyless WHERE id = :mine AND :n < 3;
DELETE FROM public.wide WHERE id = :mine AND :n = 1;
INSERT INTO public.wide VALUES (:mine, repeat(md5(random()::text), 20)) ON CONFLICT (id) DO NOTHING;
SQL
	my @command = ('pgbench', '-n', '-h', $source->host, '-p', $source->port, '-c', 5, '-R', 70, '-T', 1000,
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
$pair->arrives('item', 'all is copied');
is($pair->sql("SELECT count(*) $given_up"), '0', 'nothing was given up');
start_load();
$pair->arrives('item', 'all arrives under load');

# --- away, twice

foreach my $time ('first', 'second')
{
	$pair->target->stop('fast');
	# one step may be passed over between two looks, where writers are fast
	becomes("SELECT bool_or(reduced) OR (SELECT count(*) > 0 $given_up) FROM dbsync.captured_table", "$time time: something is done about it");
	becomes("SELECT count(*) > 0 $given_up AND state = 'suspended'", "$time time: a table is given up");
	disk_is_small("$time time, given up");
	like($pair->status('item')->{next_action}, qr/^Given up, as its backlog was larger than backlog_limit, and copied anew when the target is there: public/, "$time time: status says so first");
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

# --- the largest table alone; what happens to it meanwhile

# Of one transaction, so that segments have it, and not headers.
sub write_bulk
{
	my ($table, $kilobytes, $column) = @_;
	$pair->sql("INSERT INTO $table (id, t) SELECT i, repeat('b', 1000) FROM generate_series((SELECT coalesce(max(id), 0) + 1 FROM $table), "
		  . "(SELECT coalesce(max(id), 0) + $kilobytes FROM $table)) i");
	return;
}

sub state_of
{
	my ($table) = @_;
	return "SELECT state FROM dbsync.table_status WHERE subscription = 'item' AND \"table\" = '$table'::regclass";
}

$pair->target->stop('fast');
write_bulk('public.keyless', 100);
write_bulk('public.less', 100);
becomes("SELECT state = 'live' FROM (" . state_of($_) . ') s', "$_ is as it was, below the limit") foreach @tables;
write_bulk('public.keyless', 500);
becomes("SELECT state = 'suspended' FROM (" . state_of('public.keyless') . ') s', 'a table without a key is given up straight away');
is($pair->sql("SELECT string_agg(c.relid::text, ' ') FROM dbsync.captured_table c WHERE c.reduced AND c.relid = 'public.keyless'::regclass"), '', 'and is never captured by keys');
disk_is_small('the largest table is given up');
is($pair->sql("SELECT count(*) $given_up"), '1', 'the largest table alone is given up');
is($pair->sql('SELECT begins_anew FROM dbsync.subscription'), 'f', 'the others go on where they are');
$pair->sql('TRUNCATE public.keyless');
write_bulk('public.keyless', 10);
$pair->sql('ALTER TABLE public.keyless ADD more int DEFAULT 7');
write_bulk('public.keyless', 10);
$pair->sql("UPDATE public.less SET t = 'after'");
$pair->target->start;
$pair->target_sql('ALTER TABLE public.keyless ADD more int');
is_equal('one table, truncated and altered', 'item');

# --- a limit that is taken away, and comes back, while there is more

$pair->target->stop('fast');
$pair->sql("SELECT dbsync.alter_subscription('item', backlog_limit => '')");
write_bulk($_, 400) foreach 'public.wide', 'public.less';
disk_grows();
sub disk_grows
{
	return becomes("SELECT sum(pg_total_relation_size(s.relid)) > 800000 AND bool_and(s.sealed IS NOT NULL OR s.active) FROM dbsync.segment s", 'without a limit all is kept');
}
is($pair->sql("SELECT count(*) $given_up"), '0', 'and nothing is given up');
$pair->sql("SELECT dbsync.alter_subscription('item', backlog_limit => '1 GB')");
$pair->sql("SELECT dbsync.alter_subscription('item', backlog_limit => '512 kB')");
becomes("SELECT count(*) > 0 $given_up", 'a limit that comes back is kept at once');
disk_is_small('with a limit again');
$pair->sql("SELECT dbsync.alter_subscription('item', backlog_limit => '')");
is($pair->sql("SELECT count(*) > 0 $given_up"), 't', 'what is given up stays so when the limit goes');
$pair->target->start;
is_equal('a limit that is altered', 'item');
$pair->sql("SELECT dbsync.alter_subscription('item', backlog_limit => '512 kB')");

# --- one subscription is away, another one of the same table is not, and stays equal

$source->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$source->safe_psql('elsewhere', 'CREATE TABLE public.wide (id int PRIMARY KEY, t text)');
$pair->create_target('near', uri_of($source, database => 'elsewhere'));
$pair->subscribe('second', ['public.wide'], target => 'near');
$pair->start_subscription('second');
$pair->arrives('second', 'a second subscription of a table is copied');

sub second_is_equal
{
	my ($test) = @_;
	$pair->arrives('second', "$test: all of the second arrives");
	return is(DbsyncTest::Server::fingerprint($source, 'public.wide', 'elsewhere'), DbsyncTest::Server::fingerprint($source, 'public.wide'), $test);
}

$pair->target->stop('fast');
write_bulk('public.wide', 270);
becomes(q{SELECT reduced AND capture = 'keys' FROM dbsync.captured_table WHERE relid = 'public.wide'::regclass}, 'keys alone are captured, for both');
like($pair->status('item')->{next_action}, qr/^Captured by keys alone until backlogs are below a tenth of backlog_limit: public.wide\./, 'status says so first');
disk_is_small('reduced');
foreach (1 .. 3)
{
	$pair->sql("UPDATE public.wide SET t = repeat(md5(random()::text), 20) WHERE id % 10 = $_");
	write_bulk('public.wide', 60);
	second_is_equal("away, step $_");
}
is($pair->sql("SELECT count(*) $given_up"), '0', 'by keys the backlog hardly grows');
like($pair->sql(q{SELECT note FROM dbsync.table_status WHERE subscription = 'second'}), qr/^backlog: keys alone/, 'the other one says so, too');
start_load();
becomes("SELECT count(*) > 0 $given_up", 'the one that is away gives up');
$pair->arrives('second', 'the other one goes on');
stop_load();
second_is_equal('given up by another, at rest');
load_was_undisturbed('given up by another');
disk_is_small('given up by one of two');
$pair->target->start;
is_equal('both are there', 'item', 'second');
second_is_equal('both are there');
is($pair->sql(q{SELECT count(*) FROM dbsync.subscription_table a JOIN dbsync.subscription s ON s.id = a.subscription_id WHERE s.name = 'second' AND a.note IS NOT NULL}), '0',
	'the other one was never copied anew');

# --- no worker at all: others of the same database see to it

$pair->stop_subscription('item');
like($pair->status('item')->{next_action}, qr/While it is stopped .* by workers of other subscriptions/, 'status says what holds the limit of one that is stopped');
start_load();
becomes('SELECT begins_anew FROM dbsync.subscription WHERE name = \'item\'', 'one that is stopped is given up by another one\'s worker');
disk_is_small('stopped');
$pair->arrives('second', 'the other one goes on beside it');
stop_load();
second_is_equal('beside one that is stopped');
becomes(q{SELECT NOT reduced FROM dbsync.captured_table WHERE relid = 'public.wide'::regclass}, 'whole rows are captured again for who is there');
$pair->sql("SELECT dbsync.run_once('item')");
$pair->same_at_both_ends(@tables);
$pair->start_subscription('item');
is_equal('started again', 'item', 'second');
$pair->stop_subscription('second');
$pair->sql("SELECT dbsync.drop_subscription('second')");

# --- a policy that lets much become pending

$pair->sql("SELECT dbsync.alter_subscription('item', policy => 'manual')");
start_load();
becomes("SELECT count(*) > 0 $given_up", 'between rounds a table is given up');
becomes("SELECT count(*) = 4 $given_up", 'and all of them in the end');
disk_is_small('between rounds');
stop_load();
$pair->arrives('item', 'a round brings all');
$pair->sql("SELECT dbsync.alter_subscription('item', policy => 'immediate')");
is_equal('after a round', 'item');

# --- a table that is held, while the target is there

$pair->target_sql('ALTER TABLE public.rarely RENAME TO away');
write_bulk('public.rarely', 10);
becomes("SELECT state = 'held' FROM (" . state_of('public.rarely') . ') s', 'a table is held');
write_bulk('public.rarely', 700);
becomes('SELECT held IS NULL AND state <> \'live\' FROM dbsync.subscription_table WHERE captured_id = (SELECT c.id FROM dbsync.captured_table c WHERE c.relid = \'public.rarely\'::regclass)',
	'at the limit it is to be copied anew instead');
write_bulk($_, 30) foreach @tables;
disk_is_small('a table that cannot be copied');
is($pair->sql("SELECT string_agg(state, ' ') FROM dbsync.table_status WHERE \"table\" <> 'public.rarely'::regclass"), 'live live live', 'the others go on');
$pair->target_sql('ALTER TABLE public.away RENAME TO rarely');
is_equal('there again', 'item');

# --- a table that is held, and to which hardly anything comes: headers are kept for it alone, and it alone goes

$pair->target_sql('ALTER TABLE public.rarely RENAME TO away');
$pair->sql("UPDATE public.rarely SET t = 'held' WHERE id = 1");
becomes("SELECT state = 'held' FROM (" . state_of('public.rarely') . ') s', 'a table is held to which hardly anything comes');
foreach (1 .. 400)
{
	$pair->sql(join("\n", map { "UPDATE public.less SET t = repeat(md5(random()::text), 4) WHERE id = $_;" } 1 .. 40));
	last if $pair->sql("SELECT state <> 'held' FROM (" . state_of('public.rarely') . ') s') eq 't';
}
becomes("SELECT state NOT IN ('held', 'live') FROM (" . state_of('public.rarely') . ') s', 'headers are kept for it: it is to be copied anew');
is($pair->sql("SELECT string_agg(state, ' ') FROM dbsync.table_status WHERE \"table\" <> 'public.rarely'::regclass"), 'live live live', 'the others are not');
$pair->target_sql('ALTER TABLE public.away RENAME TO rarely');
is_equal('there again, with headers', 'item');

# --- what has rows at the target that no copy brings is not replaced without being asked

$pair->both('CREATE TABLE public.archive (id int PRIMARY KEY, t text); CREATE TABLE public.kept (id int PRIMARY KEY, t text); CREATE TABLE public.uncopied (id int PRIMARY KEY, t text)');
$pair->target_sql("INSERT INTO public.kept VALUES (-1, 'theirs')");
$pair->sql(q{SELECT dbsync.add_table('item', 'public.archive', operations => '{insert,update}')});
$pair->sql(q{SELECT dbsync.add_table('item', 'public.kept', existing_rows => 'keep')});
$pair->sql(q{SELECT dbsync.add_table('item', 'public.uncopied', copy_data => false)});
$pair->arrives('item', 'three tables more');
$pair->sql("INSERT INTO public.archive VALUES (-1, 'to be deleted'); DELETE FROM public.archive");
$pair->arrives('item', 'a row that is deleted here');
$pair->target->stop('fast');
foreach my $table (qw(public.archive public.kept public.uncopied))
{
	write_bulk($table, 700);
	becomes("SELECT state = 'suspended' FROM (" . state_of($table) . ') s', "$table is given up");
}
like($pair->status('item')->{next_action}, qr/^Given up, .* not copied anew by itself: public.archive, public.kept, public.uncopied\. To go on: SELECT dbsync.copy_table\('item', \.\.\.\)/,
	'status says that somebody has to decide');
$pair->target->start;
$pair->rest_arrives('item', 'the others go on');
is($pair->target_sql('SELECT (SELECT count(*) FROM public.archive), (SELECT count(*) FROM public.kept), (SELECT count(*) FROM public.uncopied)'), '1|1|0',
	'what the target has stays');
$pair->sql(q{SELECT dbsync.copy_table('item', t, existing_rows => 'keep') FROM unnest('{public.archive,public.kept,public.uncopied}'::regclass[]) t});
$pair->arrives('item', 'and they are copied when somebody says so');
is($pair->target_sql('SELECT (SELECT count(*) FROM public.archive), (SELECT count(*) FROM public.kept), (SELECT count(*) FROM public.uncopied)'), '701|701|700',
	'beside what was there');
is_equal('copied beside what was there', 'item');
$pair->sql(q{SELECT dbsync.remove_table('item', t) FROM unnest('{public.archive,public.kept,public.uncopied}'::regclass[]) t});

# --- tables that come in while all others are given up: what is written to one without a copy is kept

$pair->both('CREATE TABLE public.late (id int PRIMARY KEY, t text); CREATE TABLE public.later (id int PRIMARY KEY, t text)');
$pair->target->stop('fast');
start_load();
becomes('SELECT begins_anew FROM dbsync.subscription', 'all are given up before tables come in');
stop_load();
$pair->sql("SELECT dbsync.add_table('item', 'public.late', copy_data => false), dbsync.add_table('item', 'public.later')");
becomes(q{SELECT count(*) = 1 FROM dbsync.subscription_table WHERE start_position IS NOT NULL}, 'one without a copy has begun');
$pair->sql("INSERT INTO public.$_ SELECT i, 'late' FROM generate_series(1, 50) i") foreach 'late', 'later';
$pair->target->start;
is_equal('tables that came in', 'item');
$pair->same_at_both_ends('public.late', 'public.later');
$pair->sql("SELECT dbsync.remove_table('item', t) FROM unnest('{public.late,public.later}'::regclass[]) t");

# --- a source that is put back to before it began anew is not believed

$pair->target->stop('fast');
$source->stop('fast');
$source->backup_fs_cold('old');
$source->start;
start_load();
becomes('SELECT begins_anew FROM dbsync.subscription', 'given up behind the backup');
stop_load();
$pair->target->start;
becomes('SELECT NOT begins_anew FROM dbsync.subscription', 'it begins anew');
$pair->arrives('item', 'and all arrives');
$source->stop('fast');
rmtree($source->data_dir . '.new');
rename($source->data_dir, $source->data_dir . '.new');
PostgreSQL::Test::RecursiveCopy::copypath($source->backup_dir . '/old', $source->data_dir);
chmod(0700, $source->data_dir);
$source->start;
$pair->status_becomes('item', "last_error = 'the target is ahead of this server'", 'a source that was put back to before that is refused');
$source->stop('fast');
rmtree($source->data_dir);
rename($source->data_dir . '.new', $source->data_dir);
$source->start;
is_equal('the source as it was', 'item');

# --- whatever dies on the way there and back

foreach my $victim (sort { rand() <=> 0.5 } $pair->victims('item'))
{
	my ($name, $kill) = @$victim;

	next if $name eq 'its backend at the target' || $name eq 'the target';
	$pair->target->stop('fast');
	start_load();
	becomes("SELECT bool_or(reduced) OR (SELECT count(*) > 0 $given_up) FROM dbsync.captured_table", "$name: reduced, or given up");
	$kill->();
	stop_load();
	start_load();
	becomes("SELECT count(*) > 0 $given_up", "$name: given up");
	$kill->();
	stop_load();
	start_load();
	becomes('SELECT begins_anew FROM dbsync.subscription', "$name: begins anew");
	stop_load();
	disk_is_small("$name, before it dies once more");
	$pair->target->start;
	$kill->();
	is_equal("$name has died", 'item');
}
foreach my $victim (sort { rand() <=> 0.5 } $pair->victims('item'))
{
	my ($name, $kill) = @$victim;

	$pair->target->stop('fast');
	start_load();
	becomes('SELECT begins_anew FROM dbsync.subscription', "$name: begins anew, and comes back");
	stop_load();
	$pair->target->start;
	poll_until(sub { (ask($source, 'SELECT begins_anew FROM dbsync.subscription') // '') eq 'f' }, 'a new position') if random_below(2);
	$kill->();
	is_equal("$name has died on the way back", 'item');
}

DbsyncTest::finish();

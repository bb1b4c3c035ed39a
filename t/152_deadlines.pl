# No call and no batch waits without end: for each thing that can be waited for there is a time, an
# error when it is over, and somebody who can break it off before.
#
# Each call below has a statement_timeout far beyond its own deadline, so what fails would not hang.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted);
use DbsyncTest::Bank;
use DbsyncTest::Slow;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $wire;
my $pair = DbsyncTest->new(
	streaming => 1,
	source_conf => "dbsync.retry_max = '500ms'\n",
	uri => sub {
		my ($self) = @_;
		$wire = DbsyncTest::Slow->new($self->target);
		return sprintf('postgresql://127.0.0.1:%d/postgres?user=%s&connect_timeout=2', $wire->port, scalar(getpwuid($<)));
	});
my $source = $pair->source;

$pair->both('CREATE TABLE public.a (id int PRIMARY KEY, t text); CREATE TABLE public.b (id int PRIMARY KEY, t text)');
$pair->subscribe('s', ['public.a']);
$pair->start_subscription('s');
$pair->arrives('s', 'all is well');

# A call that is not to take long: its deadline is a second.
sub call
{
	my ($sql, $before) = @_;
	my (undef, $answer, $error) = $source->psql('postgres', join("\n", '\set VERBOSITY verbose',
		"SET statement_timeout = '60s';", "SET dbsync.call_timeout = '1s';", defined $before ? "$before;" : (), $sql));
	return wantarray ? ($answer, $error) : $error;
}

# --- a target that does not get on, met by a session

foreach my $case (
	[ mute => qr/08006: target "far" has not answered for \d+ s\n.*HINT: .*dbsync\.call_timeout/s ],
	[ mute_later => qr/08006: target "far" has not answered for \d+ s\n.*HINT: .*dbsync\.call_timeout/s ],
	[ drip => qr/08001: could not connect to target "far"\nDETAIL:  timeout expired|08006: target "far" has not answered for \d+ s/ ])
{
	my ($mode, $expected) = @$case;
	$wire->order($mode);
	like(scalar(call("SELECT * FROM dbsync.test_target('far')", 'SET dbsync.target_timeout = 0')), $expected,
		"test_target: $mode has an end");
	# and whoever does not want to wait so long can break it off
	my $cancelled = $source->psql('postgres',
		"SET dbsync.call_timeout = 0; SET dbsync.target_timeout = 0; SET statement_timeout = '500ms'; SELECT * FROM dbsync.test_target('far')",
		stderr => \my $error);
	like($error, qr/canceling statement due to statement timeout/, "test_target: $mode can be cancelled");
}
$wire->order('mute');
my (undef, undef, $late) = $source->psql('postgres', "SET statement_timeout = '60s'; SELECT * FROM dbsync.test_target('far')");
like($late, qr/could not connect to target "far"\nDETAIL:  timeout expired/, 'test_target: connect_timeout counts where it is shorter');
$wire->order('mute_later');
my ($answer, $notice) = call("SELECT dbsync.add_table('s', 'public.b', columns => '{id}')");
like($notice, qr/NOTICE: .*has not answered/s, 'add_table: what cannot be asked is a notice');
$wire->order('pass');
$pair->sql("SELECT dbsync.remove_table('s', 'public.b')");

# --- a drop tells the target as it commits

$pair->subscribe('d', ['public.b']);
$pair->sql("SELECT dbsync.run_once('d')");
$wire->order('mute_later');
like(scalar(call("SELECT dbsync.drop_subscription('d')")), qr/08006: target "far" has not answered/, 'drop_subscription: silence has an end');
# COMMIT, in which it waits, knows no statement_timeout
my $dropping = $source->background_psql('postgres', on_error_stop => 0);
$dropping->query_until(qr/^now/m, "\\echo now\nSELECT dbsync.drop_subscription('d', force => true);\n");
ok(becomes_true($source, "SELECT count(pg_cancel_backend(pid)) > 0 FROM pg_stat_activity
	WHERE query LIKE '%drop_subscription%' AND state = 'active' AND wait_event = 'Extension'"), 'a drop waits, and is cancelled');
$dropping->query('SELECT 1');
like($dropping->{stderr}, qr/canceling statement due to user request/, 'drop_subscription: it can be cancelled');
$dropping->quit;
is($pair->sql("SELECT count(*) FROM dbsync.status WHERE subscription = 'd'"), '1', 'it is still there');
like(scalar(call("SELECT dbsync.drop_subscription('d', force => true)")), qr/WARNING: .*has not answered/s, 'force: a warning');
is($pair->sql("SELECT count(*) FROM dbsync.status WHERE subscription = 'd'"), '0', 'and it is gone');
$wire->order('pass');

# --- locks of others: on a table, and on what an open transaction has written

sub while_open
{
	my ($sql, $test) = @_;
	my $session = $source->background_psql('postgres', on_error_stop => 0);
	$session->query_safe("BEGIN; $sql");
	$test->();
	$session->query_safe('ROLLBACK');
	$session->quit;
	return;
}

my $lock_error = qr/55P03: canceling statement due to lock timeout\n.*HINT: .*dbsync\.call_timeout/s;
while_open('LOCK TABLE public.b IN ACCESS EXCLUSIVE MODE', sub {
	like(scalar(call("SELECT dbsync.add_table('s', 'public.b')")), $lock_error, 'add_table: a lock on the table');
	like(scalar(call("SELECT dbsync.create_subscription('n', 'far', ARRAY['public.b'])")), $lock_error, 'create_subscription: a lock on the table');
	like(scalar(call("SELECT dbsync.add_table('s', 'public.b')", "SET lock_timeout = '10ms'")), qr/55P03: canceling statement due to lock timeout/,
		'a shorter lock_timeout counts');
	is((call("SELECT dbsync.wait_for('s', '0'); SELECT current_setting('lock_timeout')"))[0] =~ s/^.*\n//r, '0', 'and the setting is the session\'s own');
});
while_open("SELECT dbsync.add_table('s', 'public.b')", sub {
	foreach my $call (
		"dbsync.add_table('s', 'public.b')", "dbsync.alter_subscription('s', forward => 'local')",
		"dbsync.start_subscription('s')")
	{
		like(scalar(call("SELECT $call")), $lock_error, "$call: another transaction is open");
	}
});
while_open("SELECT dbsync.copy_table('s', 'public.a')", sub {
	foreach my $call (
		"dbsync.copy_table('s', 'public.a')", "dbsync.suspend_table('public.a')", "dbsync.remove_table('s', 'public.a')",
		"dbsync.resume_table('s', 'public.a')")
	{
		like(scalar(call("SELECT $call")), $lock_error, "$call: another transaction is open");
	}
});
while_open("SELECT dbsync.alter_target('far', 'postgresql://127.0.0.1/nowhere')", sub {
	like(scalar(call("SELECT dbsync.alter_target('far', 'postgresql://127.0.0.1/elsewhere')")), qr/55P03|tuple concurrently updated/,
		'alter_target: another transaction is open');
});

# --- a worker that does not end

my $worker = $pair->wait_for_worker('s');
kill('STOP', $worker);
like(scalar(call("SELECT dbsync.stop_subscription('s')")),
	qr/57014: worker of subscription "s" has not ended\nDETAIL:  .*process $worker.*\nHINT: .*dbsync\.call_timeout/s,
	'stop_subscription: a frozen worker has an end');
my (undef, undef, $stop) = $source->psql('postgres', "SET statement_timeout = '500ms'; SELECT dbsync.stop_subscription('s')");
like($stop, qr/canceling statement due to statement timeout/, 'stop_subscription: it can be cancelled');
is((call("SELECT dbsync.wait_for('s', '200ms')"))[0], 'f', 'wait_for: it has a time of its own');
kill('CONT', $worker);
poll_until(sub { !kill(0, $worker) }, 'end of the worker');
$pair->stop_subscription('s');
$pair->status_becomes('s', "state = 'stopped'", 'it ends when it wakes up, and can be stopped then');

# --- run_once: its worker may be frozen, and its time is the caller's to say

$wire->order('mute_later');
like(scalar(call("SELECT dbsync.run_once('s', timeout => '1s')", 'SET dbsync.target_timeout = 0')),
	qr/57014: run_once\(\) has not come to an end in time/, 'run_once: it can have a time');
my (undef, undef, $run) = $source->psql('postgres', "SET statement_timeout = '500ms'; SELECT dbsync.run_once('s')");
like($run, qr/canceling statement due to statement timeout/, 'run_once: it can be cancelled');
ok(becomes_true($source, "SELECT pid IS NULL FROM dbsync.status WHERE subscription = 's'"), 'and takes its worker along');
$wire->order('pass');

# who writes on and on does not keep it: a run is for what there was when it was called
my @writers = map { my $id = $_; DbsyncTest::Bank::start_process(sub {
	system('psql', '-X', '-q', '-d', $source->connstr('postgres'), '-c', <<"SQL");
DO \$\$ BEGIN
	LOOP
		INSERT INTO public.a VALUES ($id, '1') ON CONFLICT (id) DO UPDATE SET t = public.a.t::int + 1;
		COMMIT;
	END LOOP;
END \$\$
SQL
}) } -2, -1;

sub written { return $pair->sql('SELECT coalesce(sum(t::int), 0) FROM public.a WHERE id < 0'); }

ok(poll_until(sub { written() > 100 }, 'writers'), 'others write without a pause');
foreach my $round (1 .. 3)
{
	my $before = written();
	is((call("SELECT dbsync.run_once('s') > 0"))[0], 't', "round $round: run_once comes to an end");
	my $there = $pair->target_sql('SELECT sum(t::int) FROM public.a WHERE id < 0');
	cmp_ok($there, '>=', $before, "round $round: all is there that was written before the call");
	cmp_ok(written(), '>', $there, "round $round: and it did not wait for what has come since");
}
DbsyncTest::Bank::end_process($_) foreach @writers;
ask($source, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO %' AND pid <> pg_backend_pid()");

# --- a batch: a target that drips, and one that takes nothing

$pair->sql("ALTER SYSTEM SET dbsync.target_timeout = '1s'");
$pair->sql('SELECT pg_reload_conf()');
$pair->start_subscription('s');
$pair->arrives('s', 'all is well again');
$wire->order('drip');
$pair->sql("INSERT INTO public.a VALUES (1, 'dripping') ON CONFLICT DO NOTHING");
$pair->status_becomes('s', "last_error LIKE 'target \"far\" has not answered for % s' OR last_error LIKE 'could not connect%'",
	'a batch whose answer comes byte by byte has an end');
$wire->order('pass');
$pair->arrives('s', 'what it brought comes all the same');
$wire->order('sip');
$pair->sql("INSERT INTO public.a SELECT i, repeat(md5(i::text), 100) FROM generate_series(2, 5000) i");
$pair->status_becomes('s', "last_error LIKE 'target \"far\" has not answered for % s'", 'a batch that is not taken has an end');
$wire->order('pass');
$pair->arrives('s', 'it comes all the same');
$pair->same_at_both_ends('public.a');

# --- a batch: the source's own synchronous standby, which is not there

$pair->sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
$pair->sql('SELECT pg_reload_conf()');
ok(becomes_true($source, "SELECT current_setting('synchronous_standby_names') = 'nobody'"), 'a standby that is not there');
$source->psql('postgres', "SET synchronous_commit = local; INSERT INTO public.a VALUES (5001, 'no standby')");
$pair->status_becomes('s', "last_error LIKE 'no synchronous standby has%'", 'a batch that waits for it has an end');
is($pair->target_sql('SELECT count(*) FROM public.a WHERE id = 5001'), '0', 'and nothing of it is at the target');
$pair->sql('SET synchronous_commit = local; ALTER SYSTEM RESET synchronous_standby_names');
$pair->sql('SET synchronous_commit = local; SELECT pg_reload_conf()');
$pair->arrives('s', 'until the standby is not asked any more');

DbsyncTest::finish();

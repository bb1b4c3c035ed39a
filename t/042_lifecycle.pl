# Beginnings and ends: what is started in a transaction, beside others, or with
# too few worker slots; what is dropped, rolled back, or cut off while it waits.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until uri_of);
use Test::More;

my $pair = DbsyncTest->new(streaming => 1);
my $source = $pair->source;
my $target = $pair->target;

foreach my $name ('one', 'two', 'three')
{
	$pair->both("CREATE TABLE public.$name (id int PRIMARY KEY, t text)");
	$pair->subscribe($name, ["public.$name"]);
}

# A database with a subscription "item" to one of the same name at the target.
sub make_database
{
	my ($name, $uri) = @_;

	$source->safe_psql('postgres', "CREATE DATABASE $name");
	$source->safe_psql($name, $_) foreach (
		'CREATE EXTENSION dbsync',
		'CREATE TABLE public.item (id int PRIMARY KEY)',
		"SELECT dbsync.create_target('far', '$uri')",
		"SELECT dbsync.create_subscription('item', 'far', tables => ARRAY['public.item'])");
	return;
}

# A worker that fails from the beginning, and pauses longer and longer; it is
# looked at below.
make_database('failing', 'postgresql://nobody@127.0.0.1:1/nowhere');
$source->safe_psql('postgres', "ALTER DATABASE failing SET dbsync.retry_max = '1h'");
$source->safe_psql('failing', "SELECT dbsync.start_subscription('item')");

# --- started and waited for in one transaction

my ($status, undef, $error) = $source->psql('postgres', <<'SQL');
BEGIN;
SELECT dbsync.start_subscription('one');
SELECT dbsync.wait_for('one');
SQL
isnt($status, 0, 'wait_for in the transaction that starts is an error');
like($error, qr/starts when this transaction commits/, 'which says why');
$pair->status_becomes('one', "state = 'stopped'", 'and nothing was started');
$pair->sql("INSERT INTO public.one VALUES (1, 'before')");
is($source->safe_psql('postgres', <<"SQL"), "\nt", 'wait_for in the next transaction is none');
SELECT dbsync.start_subscription('one');
SELECT dbsync.wait_for('one', timeout => '$PostgreSQL::Test::Utils::timeout_default s');
SQL
$pair->same_at_both_ends('public.one');

# --- started while somebody's run_once is at work

$pair->sql("INSERT INTO public.two VALUES (1, 'before')");
my $locker = $target->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE public.two');
my $runner = $source->background_psql('postgres');
$runner->query_until(qr/begun/, "\\echo begun\nSELECT dbsync.run_once('two');\n");
ok($target->poll_query_until('postgres', 'SELECT count(*) > 0 FROM pg_locks WHERE NOT granted'),
	'a run_once is at work');
my $once = $pair->wait_for_worker('two');
$pair->start_subscription('two');
is($pair->worker_pid('two'), $once, 'it goes on while the subscription is started');
$locker->query_safe('COMMIT');
$locker->quit;
$runner->quit;
$pair->status_becomes('two', "state = 'running' AND pid <> $once", 'then a worker of its own runs');
$pair->sql("INSERT INTO public.two VALUES (2, 'after')");
$pair->arrives('two', 'and works');
$pair->same_at_both_ends('public.two');

# --- suspended before it could be noted that its copy is complete

$pair->both('CREATE TABLE public.four (id int PRIMARY KEY, v text)');
$pair->sql("INSERT INTO public.four VALUES (1, 'before')");
$pair->subscribe('four', ['public.four']);
my $holder = $source->background_psql('postgres');
$holder->query_safe(<<'SQL');
BEGIN;
SELECT FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
WHERE c.relid = 'public.four'::regclass FOR UPDATE OF a;
SQL
$pair->start_subscription('four');
ok($target->poll_query_until('postgres', 'SELECT count(*) = 1 FROM public.four'), 'a table is copied');
$holder->query_safe("SELECT dbsync.suspend_table('public.four'); COMMIT");
$holder->quit;
my (undef, undef, $told) = $pair->asked_once('four');
like($told, qr/suspended: public\.four/, 'the worker has looked around since');
is($pair->sql(<<'SQL'), 'suspended', 'a table stays suspended');
SELECT a.state FROM dbsync.subscription_table a JOIN dbsync.captured_table c ON c.id = a.captured_id
WHERE c.relid = 'public.four'::regclass
SQL
$pair->sql("SELECT dbsync.copy_table('four', 'public.four', existing_rows => 'truncate')");
$pair->arrives('four', 'and is copied anew');
$pair->same_at_both_ends('public.four');
$pair->stop_subscription('four');
$pair->sql("SELECT dbsync.drop_subscription('four')");

# --- dropped, and not dropped

sub in_ledger
{
	my ($name) = @_;
	return $pair->target_sql("SELECT count(*) FROM dbsync_ledger.position p JOIN dbsync_ledger.position s"
		  . " ON s.id = p.subscription WHERE s.name = '$name'");
}

# Tests that the subscription, stopped before, is as it was.
sub still_works
{
	my ($when) = @_;
	my $id = $pair->sql('SELECT coalesce(max(id), 0) + 1 FROM public.three');

	is(in_ledger('three'), '2', "$when: the ledger knows the subscription and its table");
	$pair->sql("INSERT INTO public.three VALUES ($id, '$when')");
	$pair->start_subscription('three');
	$pair->arrives('three', "$when: the subscription works");
	$pair->same_at_both_ends('public.three');
	$pair->stop_subscription('three');
	return;
}

$pair->start_subscription('three');
$pair->arrives('three', 'a subscription has run');
$pair->stop_subscription('three');
$pair->sql("BEGIN; SELECT dbsync.drop_subscription('three'); ROLLBACK");
still_works('drop rolled back');
$pair->sql("BEGIN; SAVEPOINT s; SELECT dbsync.drop_subscription('three'); ROLLBACK TO s; COMMIT");
still_works('drop rolled back to a savepoint');
($status) = $source->psql('postgres',
	"BEGIN; SELECT dbsync.drop_subscription('three'); SELECT 1 / 0; COMMIT");
isnt($status, 0, 'an error after a drop');
still_works('drop before an error');

$pair->create_target('second', uri_of($target));
$pair->both('CREATE TABLE public.dropped (id int PRIMARY KEY)');
$pair->subscribe('dropped', ['public.dropped'], target => 'second');
$pair->start_subscription('dropped');
$pair->arrives('dropped', 'a subscription to another target has run');
$pair->stop_subscription('dropped');
is(in_ledger('dropped'), '2', 'the ledger knows it');
$pair->sql("BEGIN; SELECT dbsync.drop_subscription('dropped'); SELECT dbsync.drop_target('second'); COMMIT");
is(in_ledger('dropped'), '0', 'dropped together with its target: the ledger has forgotten it');
is(in_ledger('three'), '2', 'and only it');

# --- a database is dropped under its running worker

# Tests that the postmaster has started workers again since: it does so for all
# that are due.
sub workers_were_started_again
{
	foreach (1 .. 2)
	{
		my $pid = $pair->wait_for_worker('one');

		$pair->sql("SELECT pg_terminate_backend($pid)");
		$pair->status_becomes('one', "state = 'running' AND pid <> $pid",
			'a worker that was ended is started again');
	}
	return;
}

sub fatal_errors
{
	my @lines = PostgreSQL::Test::Utils::slurp_file($source->logfile) =~ /FATAL: .*database .* does not exist/g;
	return scalar(@lines);
}

# autovacuum says the same when it comes too late
$pair->sql('ALTER SYSTEM SET autovacuum = off');
$pair->sql('SELECT pg_reload_conf()');
$target->safe_psql('postgres', 'CREATE DATABASE doomed');
$target->safe_psql('doomed', 'CREATE TABLE public.item (id int PRIMARY KEY)');
make_database('doomed', uri_of($target, database => 'doomed'));
$source->safe_psql('doomed', "SELECT dbsync.start_subscription('item')");
is((DbsyncTest::Server::wait_for($source, 'item', 'doomed'))[1], 't',
	'a worker runs in another database');
$pair->sql('DROP DATABASE doomed WITH (FORCE)');
workers_were_started_again();
my $fatal = fatal_errors();
cmp_ok($fatal, '<=', 1, 'a worker whose database was dropped tries once at most');
workers_were_started_again();
is(fatal_errors(), $fatal, 'and not again');

# --- a cancelled wait for a synchronous standby

# Everything that commits here must not wait itself.
sub local_sql
{
	my ($sql) = @_;
	return $source->safe_psql('postgres', "SET synchronous_commit = local;\n$sql");
}

sub waits_for_standby
{
	my ($test) = @_;
	ok($source->poll_query_until('postgres',
			"SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"), $test)
	  or $pair->describe_state('no process waits for a standby');
	return;
}

sub not_on_target
{
	my ($test) = @_;
	is($pair->target_sql('SELECT count(*) FROM public.three'), $pair->{rows}, $test);
	return;
}

$pair->{rows} = $pair->target_sql('SELECT count(*) FROM public.three');
$pair->sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
$source->restart;
local_sql("INSERT INTO public.three VALUES (1000, 'while the standby is away')");
local_sql("SELECT dbsync.start_subscription('three')");
waits_for_standby('a batch waits for the standby');
local_sql('SELECT pg_cancel_backend(' . $pair->worker_pid('three') . ')');
$pair->status_becomes('three', "failures > 0 AND last_error ~ 'standby'", 'a cancelled wait is an error');
waits_for_standby('and it waits again');
not_on_target('a cancelled wait has let nothing through');
local_sql('SELECT pg_terminate_backend(' . $pair->worker_pid('three') . ')');
waits_for_standby('it waits in its next life');
not_on_target('a worker that was ended has let nothing through');
local_sql("SELECT dbsync.stop_subscription('three')");
not_on_target('a worker that was stopped has let nothing through');
local_sql("SELECT dbsync.start_subscription('three')");
waits_for_standby('started again, it waits again');
local_sql('ALTER SYSTEM RESET synchronous_standby_names');
$source->reload;
$pair->arrives('three', 'without standbys to wait for, the row arrives');
$pair->same_at_both_ends('public.three');

# --- who waits is told of tables that do not come

$pair->both('CREATE TABLE public.parked (id int PRIMARY KEY)');
$pair->sql("SELECT dbsync.add_table('one', 'public.parked')");
$pair->arrives('one', 'a table more arrives');
$pair->sql("SELECT dbsync.suspend_table('public.parked')");
$pair->sql('INSERT INTO public.parked VALUES (1)');
my (undef, $answer, $warning) = $pair->asked_once('one');
is($answer, 'f', 'wait_for does not say that all is there while a table is suspended');
like($warning, qr/WARNING.*suspended: public\.parked/, 'but which one is not');
$pair->sql("SELECT dbsync.copy_table('one', 'public.parked')");
$pair->arrives('one', 'copied again, all is there');
is($pair->target->safe_psql('postgres', 'SELECT count(*) FROM public.parked'), '1', 'that row too');
$pair->sql("SELECT dbsync.remove_table('one', 'public.parked')");

# --- dropping a database concerns all processes, those too that wait to retry

# Long enough that it is not over by itself meanwhile.
sub pauses_long
{
	my ($retry_at) = @_;
	return poll_until(
		sub {
			$$retry_at = $source->safe_psql('failing',
				"SELECT retry_at FROM dbsync.status WHERE retry_at > clock_timestamp() + interval '4 s'");
			return $$retry_at ne '';
		},
		'a long pause');
}

my ($retry_at, $retry_later);
$pair->sql('CREATE DATABASE unloved');
ok(pauses_long(\$retry_at), 'a worker waits to try again');
$pair->sql('DROP DATABASE unloved');
is($source->safe_psql('failing', 'SELECT retry_at FROM dbsync.status'), $retry_at,
	'a database is dropped before that wait is over');
$source->safe_psql('failing', "SELECT dbsync.stop_subscription('item')");

# --- too few worker slots when the server starts: two for workers, besides
#     PostgreSQL's own launcher, ours, and its scout

$pair->sql('ALTER SYSTEM SET max_worker_processes = 5');
$source->restart;
ok($source->poll_query_until('postgres', 'SELECT count(pid) = 2 FROM dbsync.status'),
	'as many workers come back as there are slots')
  or $pair->describe_state('not two workers');
my $without = $pair->sql('SELECT subscription FROM dbsync.status WHERE pid IS NULL');
my $stopped = $pair->sql('SELECT max(subscription) FROM dbsync.status WHERE pid IS NOT NULL');
$pair->status_becomes($without, "next_action <> ''", 'status says what to do about the one without');
$pair->stop_subscription($stopped);
$pair->status_becomes($without, "state = 'running'", 'it gets a worker by itself when there is a slot');
$pair->sql("INSERT INTO public.$without VALUES (2000, 'in time')");
$pair->arrives($without, 'which works');

DbsyncTest::finish();

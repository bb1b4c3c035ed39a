# Hazard 45: each trouble is said, in dbsync.status with what to do about it; it
# ends by itself once the cause is gone; and nobody else is held up meanwhile.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask poll_until uri_of);
use Test::More;

my $pair = DbsyncTest->new;
my $source = $pair->source;
my $target = $pair->target;

# a subscription that nothing is wrong with, to another target
$source->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$source->safe_psql('elsewhere', 'CREATE TABLE public.sound (id int PRIMARY KEY)');
$pair->sql('CREATE TABLE public.sound (id int PRIMARY KEY)');
$pair->create_target('near', uri_of($source, database => 'elsewhere'));
$pair->subscribe('sound', ['public.sound'], target => 'near');
$pair->start_subscription('sound');

my $sound = 0;
my $said = "concat_ws(' ', last_error, last_error_detail)";
# what the target refuses of one table holds that table; attempts go on, and are no failures
my $held = "EXISTS (SELECT FROM dbsync.table_status t WHERE t.subscription = 'sick' AND t.state = 'held')";

# Tests that a trouble is said, that the other subscription does not mind, and
# that all is well again after the cure.
sub trouble
{
	my ($name, $error, $cure) = @_;

	$pair->status_becomes('sick', "$said ~* '$error' AND state <> 'stopped' AND (failures > 0 OR $held)",
		"$name: status says so");
	$pair->status_becomes('sick', "next_action <> '' AND (failures > 2 OR $held)",
		"$name: status says what comes next, and tries go on");
	$sound++;
	$pair->sql("INSERT INTO public.sound VALUES ($sound)");
	$pair->arrives('sound', "$name: another subscription is not held up");
	$cure->();
	$pair->arrives('sick', "$name: recovers by itself");
	$pair->same_at_both_ends('public.sick');
	$pair->status_becomes('sick', 'failures = 0 AND retry_at IS NULL',
		"$name: status is well again");
	return;
}

$pair->both('CREATE TABLE public.sick (id int PRIMARY KEY, t text, n int)');
$pair->sql("INSERT INTO public.sick VALUES (1, 'one', 1)");
$pair->subscribe('sick', ['public.sick']);
$pair->start_subscription('sick');
$pair->arrives('sick', 'first copy');

# --- the server is down

$target->stop;
$pair->sql("INSERT INTO public.sick VALUES (2, 'two', 2)");
trouble('target down', 'could not connect|connection', sub { $target->start });

# --- the password is wrong

$pair->target_sql("CREATE ROLE careful SUPERUSER LOGIN PASSWORD 'right'");
my $hba = $target->data_dir . '/pg_hba.conf';
PostgreSQL::Test::Utils::append_to_file("$hba.new", "local all careful scram-sha-256\n"
	  . PostgreSQL::Test::Utils::slurp_file($hba));
rename("$hba.new", $hba);
$target->reload;
$pair->stop_subscription('sick');
$pair->create_target('guarded', uri_of($target, user => 'careful'), password => "'wrong'");
$pair->both('CREATE TABLE public.sick2 (id int PRIMARY KEY)');
$pair->subscribe('guarded', ['public.sick2'], target => 'guarded');
$pair->start_subscription('guarded');
$pair->status_becomes('guarded', "$said ~* 'password' AND next_action <> ''",
	'wrong password: status says so');
unlike(join(' ', map { $_ // '' } values %{ $pair->status('guarded') }), qr/'wrong'|password=/,
	'wrong password: and does not tell it');
$pair->sql("SELECT dbsync.alter_target('guarded', password => 'right')");
$pair->arrives('guarded', 'wrong password: recovers by itself');
$pair->start_subscription('sick');
$pair->arrives('sick', 'started again');

# --- the table is missing

$pair->target_sql('ALTER TABLE public.sick RENAME TO away');
$pair->sql("INSERT INTO public.sick VALUES (3, 'three', 3)");
trouble('table missing', 'sick.* does not exist',
	sub { $pair->target_sql('ALTER TABLE public.away RENAME TO sick') });

# --- a column is missing

$pair->target_sql('ALTER TABLE public.sick RENAME COLUMN n TO m');
$pair->sql("INSERT INTO public.sick VALUES (4, 'four', 4)");
trouble('column missing', 'column.* does not exist|lacks column',
	sub { $pair->target_sql('ALTER TABLE public.sick RENAME COLUMN m TO n') });

# --- a type does not fit

$pair->target_sql('ALTER TABLE public.sick ALTER COLUMN t TYPE varchar(3) USING left(t, 3)');
$pair->sql("UPDATE public.sick SET t = 'too long for three' WHERE id > 0");
trouble('type mismatch', 'too long',
	sub { $pair->target_sql('ALTER TABLE public.sick ALTER COLUMN t TYPE text') });

# --- a constraint of the target's own

$pair->target_sql('ALTER TABLE public.sick ADD CONSTRAINT small CHECK (n < 100)');
$pair->sql("INSERT INTO public.sick VALUES (5, 'five', 500)");
trouble('constraint violated', 'small',
	sub { $pair->target_sql('ALTER TABLE public.sick DROP CONSTRAINT small') });

# --- the key's index is gone

$pair->target_sql('ALTER TABLE public.sick DROP CONSTRAINT sick_pkey');
$pair->sql("UPDATE public.sick SET n = n + 1 WHERE id > 0");
trouble('no unique index', 'unique',
	sub { $pair->target_sql('ALTER TABLE public.sick ADD PRIMARY KEY (id)') });

# --- what is found out only at the commit

my $batch = "SELECT batch FROM dbsync_ledger.position WHERE name = 'sick'";
my $before = $pair->target_sql($batch);
$pair->target_sql(q(
	CREATE FUNCTION public.object() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN RAISE EXCEPTION 'objection at the last moment'; END $$;
	CREATE CONSTRAINT TRIGGER object AFTER INSERT ON public.sick
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.object();
	ALTER TABLE public.sick ENABLE ALWAYS TRIGGER object));
$pair->sql("INSERT INTO public.sick VALUES (50, 'fifty', 50)");
trouble('refused at commit', 'objection', sub {
	is($pair->target_sql($batch), $before, 'refused at commit: so is the ledger');
	$pair->target_sql('DROP TRIGGER object ON public.sick');
});

# --- the ledger's row goes, or moves, while a worker is connected

$pair->target_sql("CREATE TABLE public.kept AS SELECT * FROM dbsync_ledger.position;
	DELETE FROM dbsync_ledger.position");
$pair->sql("INSERT INTO public.sick VALUES (51, 'fifty-one', 51)");
trouble('no row in the ledger', 'ledger', sub {
	is($pair->target_sql('SELECT count(*) FROM public.sick WHERE id = 51'), '0',
		'no row in the ledger: nothing is applied');
	$pair->target_sql('INSERT INTO dbsync_ledger.position SELECT * FROM public.kept');
});
$pair->target_sql("UPDATE dbsync_ledger.position SET batch = batch + 1");
$pair->sql("INSERT INTO public.sick VALUES (52, 'fifty-two', 52)");
$pair->arrives('sick', 'ledger moved: read again');
like(PostgreSQL::Test::Utils::slurp_file($source->logfile),
	qr/another worker has moved the ledger/, 'ledger moved: and first refused');

# --- somebody holds a lock on the target's table

my $holder = $target->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE public.sick');
$pair->sql("INSERT INTO public.sick VALUES (6, 'six', 6)");
$sound++;
$pair->sql("INSERT INTO public.sound VALUES ($sound)");
$pair->arrives('sound', 'table locked: another subscription is not held up');
$holder->query_safe('COMMIT');
$holder->quit;
$pair->arrives('sick', 'table locked: goes on when the lock is gone');
$pair->same_at_both_ends('public.sick');

# --- transactions here may not take long, and there are some that must (PostgreSQL 17 and newer)

if ($source->pg_version->major >= 17)
{
	local $ENV{PGOPTIONS} = '-c transaction_timeout=0';
	my $waits = q{SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dbsync%'}
	  . q{ AND wait_event_type = 'Lock' AND pg_catalog.clock_timestamp() - query_start > interval '3 s'};

	$pair->sql("ALTER DATABASE postgres SET transaction_timeout = '1s'");
	$pair->stop_subscription('sick');
	$pair->start_subscription('sick');
	$pair->arrives('sick', 'transaction_timeout: started with it');
	my $pid = $pair->wait_for_worker('sick');
	$holder = $target->background_psql('postgres');
	$holder->query_safe('BEGIN; LOCK TABLE public.sick');
	$pair->sql('UPDATE public.sick SET n = 66 WHERE id = 6');
	ok(poll_until(sub { (ask($target, $waits) // '') eq '1' }, 'a long transaction'),
		'transaction_timeout: a batch takes longer');
	is($pair->worker_pid('sick'), $pid, 'transaction_timeout: its worker lives on');
	$holder->query_safe('COMMIT');
	$holder->quit;
	$pair->arrives('sick', 'transaction_timeout: and goes on');
	$pair->same_at_both_ends('public.sick');
	$pair->sql('ALTER DATABASE postgres RESET transaction_timeout');
}

# --- a stop is prompt while the worker waits to try again

$target->stop;
$pair->sql("INSERT INTO public.sick VALUES (7, 'seven', 7)");
$pair->status_becomes('sick', 'failures > 1', 'the worker waits between tries');
$pair->stop_subscription('sick');
$pair->status_becomes('sick', "state = 'stopped' AND pid IS NULL", 'and can be stopped');
is($pair->sql("SELECT dbsync.wait_for('sick')"), 'f', 'wait_for of a stopped subscription is false');
$target->start;
$pair->start_subscription('sick');
$pair->arrives('sick', 'and started');

# --- the number of the ledger is another's

$pair->stop_subscription('sick');
$pair->target_sql('UPDATE dbsync_ledger.position SET system_identifier = 42');
$pair->start_subscription('sick');
$pair->status_becomes('sick', "$said ~* 'another|other' AND next_action <> ''",
	'ledger of another source: status says so');
$_->stop foreach $source, $target;

# --- no worker slot is free

$pair = DbsyncTest->new(prefix => 'few', preload => 0,
	source_conf => 'max_worker_processes = 2');
$pair->both('CREATE TABLE public.a (id int PRIMARY KEY); CREATE TABLE public.b (id int PRIMARY KEY)');
foreach my $name ('a', 'b')
{
	$pair->subscribe($name, ["public.$name"]);
	$pair->sql("INSERT INTO public.$name VALUES (1)");
}
$pair->start_subscription('a');
$pair->arrives('a', 'no slot: the first subscription finds one');
my ($status, undef, $error) = $pair->source->psql('postgres',
	"SELECT dbsync.start_subscription('b')");
ok($error =~ /max_worker_processes/
	  || ($pair->status('b')->{last_error} // '') =~ /worker/
	  && ($pair->status('b')->{next_action} // '') =~ /max_worker_processes/,
	'no slot: said with the name of the setting')
  or $pair->describe_state($error);
$pair->arrives('a', 'no slot: the first is not disturbed');

DbsyncTest::finish();

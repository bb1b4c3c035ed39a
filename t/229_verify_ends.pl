# How verify() ends: its process that cannot begin, or is ended; who called it has gone; what it compares goes away meanwhile.
# Each time a place, and nothing else, is given back.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until);
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(source_conf => 'autovacuum = off', target_conf => 'autovacuum = off');
my $source = $pair->source;
my $target = $pair->target;

$pair->both("CREATE TABLE public.$_ (id int PRIMARY KEY, v text)") foreach 'one', 'two';
$pair->sql("INSERT INTO public.$_ SELECT i, repeat('v', 20) FROM generate_series(1, 200000) i") foreach 'one', 'two';
$pair->subscribe('sub', [ 'public.one', 'public.two' ]);
$pair->start_subscription('sub');
$pair->arrives('sub');
$pair->both('ANALYZE');

sub start_psql
{
	my ($sql, $database) = @_;
	my %said = (out => '', err => '');
	$said{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $source->connstr($database // 'postgres'), '-c', $sql ],
		'<', File::Spec->devnull, '>', \$said{out}, '2>', \$said{err});
	return \%said;
}

sub finish_psql
{
	my ($started) = @_;
	eval { IPC::Run::finish($started->{run}); };
	return $started;
}

# A verify whose process is stopped while it compares: the call, and the process.
sub start_and_stop
{
	foreach my $try (1 .. 50)
	{
		my $done = 'SELECT count(*) FROM dbsync.verification WHERE verdict <> \'running\'';
		my $before = $pair->sql($done);
		my $started = start_psql('SELECT "table", verdict FROM dbsync.verify(\'sub\')');
		my $pid;

		poll_until(sub {
				$pid = ask($source, "SELECT pid FROM dbsync.verify_status WHERE phase = 'comparing' AND pid IS NOT NULL");
				return $pid || (ask($source, $done) // 0) > $before;
			}, 'a verify that compares');
		return ($started, $pid) if $pid && kill('STOP', $pid);
		finish_psql($started);
	}
	return;
}

sub nothing_is_left
{
	my ($test) = @_;
	return ok(becomes_true($source, "SELECT NOT EXISTS (SELECT FROM dbsync.verify_status)"
			  . " AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'dbsync verify')"), "$test: nothing is left");
}

# --- a process that cannot begin, of a call and by the clock

sub let_in
{
	my ($whether) = @_;
	$source->safe_psql('template1', "ALTER DATABASE postgres ALLOW_CONNECTIONS $whether");
	return;
}

my $caller = $source->background_psql('postgres', on_error_stop => 0);
let_in('false');
$caller->query_safe('SELECT 1');
my (undef, $error) = ('', '');
{
	my $out = $caller->query("SELECT count(*) FROM dbsync.verify('sub')");
	is($out // '', '', 'a process that does not come in: no rows that look like an answer');
	like($caller->{stderr}, qr/the process that was to verify has ended before it began/, 'but an error');
	$caller->{stderr} = '';
}
$caller->query("SELECT dbsync.alter_subscription('sub', verify_policy => 'interval 1 s')");
poll_until(sub { PostgreSQL::Test::Utils::slurp_file($source->logfile) =~ /LOG:  the process that was to verify has ended before it began/ },
	'one by the clock that does not come in');
$caller->query("SELECT dbsync.alter_subscription('sub', verify_policy => '')");
let_in('true');
$caller->quit;
nothing_is_left('by the clock');
is($pair->sql("SELECT string_agg(verdict, ' ') FROM dbsync.verify('sub')"), 'equal equal', 'the next call has its place');

# --- a process that is ended, a caller that goes

my ($started, $pid) = start_and_stop();
$source->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
kill('CONT', $pid);
finish_psql($started);
like($started->{out}, qr/\|broken off$/m, 'a process that is ended');
like($started->{err}, qr/WARNING:  the process that verifies was ended: [01] of 2 tables were done/, 'says how far it came');
nothing_is_left('ended');

($started, $pid) = start_and_stop();
$source->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%dbsync.verify(%' AND pid <> pg_backend_pid() AND backend_type = 'client backend'");
finish_psql($started);
kill('CONT', $pid);
nothing_is_left('its caller was ended');
is($pair->sql("SELECT string_agg(verdict, ' ') FROM dbsync.verify('sub')"), 'equal equal', 'and the next one goes on');

# --- somebody puts a view of his in the target table's place, between the look at it and its lock

$pair->both('CREATE TABLE public.swapped (id int PRIMARY KEY, v text)');
$pair->target_sql('CREATE ROLE owner LOGIN; GRANT CREATE ON SCHEMA public TO owner; ALTER TABLE public.swapped OWNER TO owner');
$pair->sql("INSERT INTO public.swapped VALUES (1, 'x'); SELECT dbsync.add_table('sub', 'public.swapped')");
$pair->arrives('sub');
my $worker = $pair->worker_pid('sub');
kill('STOP', $worker);
$started = start_psql("SELECT verdict FROM dbsync.verify('sub', 'public.swapped')");
ok(becomes_true($target, "SELECT count(*) = 2 FROM pg_stat_activity WHERE application_name LIKE '% verify%' AND state = 'idle'")
	  && becomes_true($source, "SELECT phase = 'waiting for the worker' FROM dbsync.verify_status"), 'a verify waits for the worker');
$target->safe_psql('postgres', <<'SQL', extra_params => [ '-U', 'owner' ]);
CREATE FUNCTION public.says(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'somebody''s code runs as %', current_user; RETURN i; END $$;
ALTER TABLE public.swapped RENAME TO swapped_away;
CREATE VIEW public.swapped AS SELECT public.says(id) AS id, v FROM public.swapped_away;
GRANT ALL ON public.swapped TO PUBLIC;
SQL
kill('CONT', $worker);
finish_psql($started);
unlike($started->{out}, qr/equal/, 'a view is not compared') or diag($started->{err});
unlike(PostgreSQL::Test::Utils::slurp_file($target->logfile), qr/LOG:  somebody's code runs/, 'and runs nothing');
$target->safe_psql('postgres', 'DROP VIEW public.swapped; ALTER TABLE public.swapped_away RENAME TO swapped', extra_params => [ '-U', 'owner' ]);
is($pair->sql("SELECT verdict FROM dbsync.verify('sub', 'public.swapped')"), 'equal', 'the table itself is');
$pair->sql("SELECT dbsync.remove_table('sub', 'public.swapped')");

# --- the subscription goes meanwhile

$pair->target_sql("UPDATE public.one SET v = 'secret' WHERE id < 10; UPDATE public.two SET v = 'secret' WHERE id < 10");
($started, $pid) = start_and_stop();
$pair->stop_subscription('sub');
$pair->sql("SELECT dbsync.drop_subscription('sub')");
kill('CONT', $pid);
finish_psql($started);
unlike($started->{out}, qr/equal/, 'a subscription that is dropped meanwhile is not proved') or diag($started->{err});
nothing_is_left('dropped');
is($pair->sql('SELECT count(*) FROM dbsync_internal.difference'), '0', 'no values of rows stay behind');
is($pair->sql("SELECT count(*) FROM dbsync.verification WHERE verdict = 'running'"), '0', 'and nothing runs');

# --- rows that are too long to come together, or to be shown

$pair->both('CREATE TABLE public.long (id int PRIMARY KEY, v text); CREATE TABLE public.keyless (v text)');
$pair->sql("INSERT INTO public.long SELECT i, repeat(chr(64 + i), 3000000) FROM generate_series(1, 25) i; INSERT INTO public.keyless SELECT repeat('v', 50000) || i FROM generate_series(1, 1500) i");
$pair->subscribe('long', [ 'public.long', 'public.keyless' ]);
$pair->start_subscription('long');
$pair->arrives('long');
$pair->target_sql("UPDATE public.long SET v = v || 'x'; INSERT INTO public.long VALUES (99, repeat('w', 52000000)); UPDATE public.keyless SET v = v || 'x' WHERE v LIKE '%7'");
is($pair->sql(q{SELECT "table", verdict, missing, extra, different, note FROM dbsync.verify('long') ORDER BY 1}),
	"public.keyless|different|150|150|0|\npublic.long|different|0|1|25|", 'long rows are named');
is($pair->sql(q{SELECT kind, key->>'id', right(here->>'v', 40) LIKE '%(3000000 bytes%', right(there->>'v', 40) LIKE '%(3000001 bytes%', there::text = key::text
FROM dbsync.difference WHERE "table" = 'public.long' AND key->>'id' IN ('1', '99') ORDER BY 1}),
	"different|1|t|t|f\nextra|99|||t", 'cut; and of one that is longer still the key');

# --- the database

$source->safe_psql('postgres', "CREATE DATABASE other");
$source->safe_psql('other', "CREATE EXTENSION dbsync; CREATE TABLE public.one (id int PRIMARY KEY, v text); INSERT INTO public.one SELECT i, 'x' FROM generate_series(1, 100) i");
$target->safe_psql('postgres', 'CREATE SCHEMA o; CREATE TABLE o.one (id int PRIMARY KEY, v text)');
$source->safe_psql('other', 'SELECT dbsync.create_target(\'far\', ' . DbsyncTest::quoted(DbsyncTest::uri_of($target)) . ')');
$source->safe_psql('other', "SELECT dbsync.create_subscription('o', 'far'); SELECT dbsync.add_table('o', 'public.one', target_table => 'o.one')");
$source->safe_psql('other', "SELECT dbsync.run_once('o')");
my $locker = $target->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE o.one');
$started = start_psql("SELECT verdict FROM dbsync.verify('o')", 'other');
poll_until(sub { (ask($source, "SELECT count(*) FROM pg_stat_activity WHERE datname = 'other' AND backend_type LIKE 'dbsync%'") // 0) > 0 }, 'it begins');
my ($status, $out, $err) = $source->psql('postgres', 'DROP DATABASE other WITH (FORCE)', timeout => 60);
is($err, '', 'a database that is dropped by force in the middle');
finish_psql($started);
$locker->query_safe('COMMIT');
$locker->quit;
nothing_is_left('database dropped');

DbsyncTest::finish();

# Whatever dies while both ends are compared or repaired, at any moment: it is "broken off" at worst, applying was not touched, an
# honest table is never called different, a falsified one never equal; called again it is proved; and nothing is left behind at
# either end: no process, lock, snapshot, place or key.  Then who alters, empties or copies a table in the middle of
# it does not wait (hazards 58, 61; reviews B6), and calls that meet each other.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until random_below);
use DbsyncTest::Verifying qw(finish_psql is_over start_and_stop start_psql verify);
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 1;
my $pair = DbsyncTest->new(source_conf => <<'CONF', target_conf => "autovacuum = off");
dbsync.segment_size = '64kB'
dbsync.retention_interval = '50ms'
dbsync.poll_interval = '100ms'
dbsync.retry_max = '500ms'
autovacuum = off
CONF
my $source = $pair->source;
my $target = $pair->target;

$pair->both("CREATE TABLE public.$_ (id int PRIMARY KEY, v text, w int)") foreach 'large', 'busy', 'wrong';
$pair->both('CREATE TABLE public.emptied (id int PRIMARY KEY, v text)');
$pair->both('CREATE TABLE public.heap (a int, b text)');
$pair->sql(<<'SQL');
CREATE TABLE public.load_stops (i int);
INSERT INTO public.large SELECT i, repeat('v', 20), i FROM generate_series(1, 150000) i;
INSERT INTO public.busy SELECT i, repeat('v', i % 50), i FROM generate_series(1, 3000) i;
INSERT INTO public.wrong SELECT i, repeat('w', 30), i FROM generate_series(1, 20000) i;
INSERT INTO public.heap SELECT i % 100, 'x' FROM generate_series(1, 2000) i;
CREATE PROCEDURE public.load() LANGUAGE plpgsql AS $$
DECLARE
    n int := 0;
    k int;
BEGIN
    WHILE NOT EXISTS (SELECT FROM public.load_stops) LOOP
        n := n + 1;
        k := (random() * 3000)::int;
        INSERT INTO public.busy VALUES (k, 'new ' || n, 1) ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v || public.busy.w, w = public.busy.w + 1;
        UPDATE public.wrong SET w = w + 1 WHERE id = k;
        UPDATE public.large SET w = w + 1 WHERE id BETWEEN k AND k + 3;
        COMMIT;
        INSERT INTO public.heap VALUES (k % 100, 'x');
        DELETE FROM public.heap WHERE ctid = (SELECT min(ctid) FROM public.heap WHERE a = k % 100);
        IF n % 20 = 0 THEN TRUNCATE public.emptied; INSERT INTO public.emptied SELECT i, 'x' FROM generate_series(1, 20) i; END IF;
        IF n % 50 = 0 THEN EXECUTE format('ALTER TABLE public.busy ADD COLUMN IF NOT EXISTS c%s int DEFAULT %1$s', n / 50 % 10); END IF;
        COMMIT;
        PERFORM pg_sleep(0.005);
    END LOOP;
END $$;
SQL
$pair->subscribe('sub', [ map { "public.$_" } 'large', 'busy', 'wrong', 'emptied', 'heap' ], ddl => "'apply'");
$pair->start_subscription('sub');
$pair->arrives('sub', 'the first copies arrive');
$pair->both('ANALYZE');

my $load;

# the source may have died since
sub start_load
{
	return if $load && !is_over($load);
	finish_psql($load) if $load;
	$load = start_psql($source, 'CALL public.load()');
	return;
}

sub stop_load
{
	$pair->sql('INSERT INTO public.load_stops VALUES (1)');
	finish_psql($load);
	return;
}

# --- what is left, at either end

sub nothing_left
{
	my ($what) = @_;
	my $here = becomes_true($source, <<'SQL');
SELECT NOT EXISTS (SELECT FROM dbsync.verify_status)
   AND NOT EXISTS (SELECT FROM dbsync.verification WHERE verdict = 'running')
   AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type ~ 'verify')
   AND NOT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE a.backend_type ~ 'verify')
   AND NOT EXISTS (SELECT FROM pg_ls_dir('pg_snapshots'))
SQL
	my $there = becomes_true($target, <<'SQL');
SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name ~ '^dbsync .*verify')
SQL
	ok($here, "$what: nothing is left at the source")
	  or diag(ask($source, "SELECT string_agg(a::text, E'\\n') FROM pg_stat_activity a WHERE backend_type ~ 'dbsync'") // '');
	ok($there, "$what: nothing is left at the target");
	return;
}

# --- kills, at random moments

my $kill = sub {
	my ($node, $pid) = @_;
	return 0 unless $pid;
	kill('KILL', $pid);
	poll_until(sub { !kill(0, $pid) }, "end of process $pid");
	DbsyncTest::wait_until_up($node);
	return 1;
};
my $pid_of = sub { my ($node, $sql) = @_; return ask($node, $sql); };
my %victims = (
	'the process' => sub { $kill->($source, $pid_of->($source, 'SELECT pid FROM dbsync.verify_status')) },
	'the process, in order' => sub { ask($source, 'SELECT pg_terminate_backend(pid) FROM dbsync.verify_status') },
	'its session at the target' => sub { $kill->($target, $pid_of->($target, "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'dbsync % verify' LIMIT 1")) },
	'its session at the target, in order' => sub { ask($target, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '^dbsync .*verify'") },
	'who called' => sub { $kill->($source, $pid_of->($source, "SELECT pid FROM pg_stat_activity WHERE query LIKE '%dbsync.verify(%' AND pid <> pg_backend_pid() LIMIT 1")) },
	'who called, in order' => sub { ask($source, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%dbsync.verify(%' AND pid <> pg_backend_pid()") },
	'the worker' => sub { $kill->($source, $pair->worker_pid('sub')) },
	'the worker, in order' => sub { ask($source, "SELECT pg_terminate_backend(pid) FROM dbsync.status WHERE subscription = 'sub' AND pid IS NOT NULL") },
	'the worker\'s session at the target' => sub { ask($target, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'dbsync %' AND application_name !~ 'verify'") },
	'the source' => sub { DbsyncTest::crash_and_restart($source); 1 },
	'the target' => sub { DbsyncTest::crash_and_restart($target); 1 },
	'the source, in order' => sub { $source->restart('fast'); 1 });
my @phases = ('waiting for the worker', 'comparing', 'listing', 'looking at rows', 'repairing');

# What the table whose rows were falsified may be said to be, and the others.
sub check_verdicts
{
	my ($what) = @_;
	my $rows = ask($source, <<'SQL') // '';
SELECT "table", verdict, replace(note, E'\n', ' ') FROM dbsync.verification v WHERE run = (SELECT run FROM dbsync.verification ORDER BY begun DESC LIMIT 1) ORDER BY 1
SQL
	foreach my $row (split /\n/, $rows)
	{
		my ($table, $verdict, $note) = split /\|/, $row, 3;
		my $allowed = $table eq 'public.wrong' ? qr/^(different|repaired|unfinished|broken off)$/ : qr/^(equal|unfinished|broken off)$/;
		like($verdict, $allowed, "$what: $table is $verdict") or diag($note);
	}
	return;
}

sub falsify
{
	$pair->target_sql("DELETE FROM public.wrong WHERE id % 100 = 1; UPDATE public.wrong SET v = v || '!' WHERE id % 100 = 2;"
		  . " INSERT INTO public.wrong SELECT i, 'extra', 0 FROM generate_series(50001, 50050) i ON CONFLICT DO NOTHING");
	return;
}

my $seen = 0;
foreach my $round (1 .. $rounds)
{
	foreach my $victim (sort { random_below(2) ? 1 : -1 } sort keys %victims)
	{
		my $repair = random_below(2) ? 'true' : 'false';
		my $phase = $phases[ random_below($repair eq 'true' ? 5 : 4) ];
		my $what = "$victim, $phase";

		start_load();
		falsify();
		my $before = $pair->sql('SELECT count(*) FROM dbsync.verification');
		my $started = start_psql($source, "SELECT verdict FROM dbsync.verify('sub', repair => $repair)");
		my $met;
		poll_until(sub {
				$met = (ask($source, "SELECT count(*) > 0 FROM dbsync.verify_status WHERE phase = '$phase'") // '') eq 't';
				return $met || is_over($started);
			}, "phase $phase");
		$seen++ if $met && $victims{$victim}->();
		finish_psql($started);
		DbsyncTest::wait_until_up($source);
		DbsyncTest::wait_until_up($target);
		nothing_left($what);
		check_verdicts($what);
		start_load();
		$pair->arrives('sub', "$what: applying goes on");
		# called again, it works: also where keys were left
		my $again = verify($pair, "'sub', repair => true");
		my @wrong = map { "$_: $again->{$_}[0] $again->{$_}[2]" } grep { $again->{$_}[0] !~ /^(equal|unfinished)$/ && $_ ne 'wrong' } sort keys %$again;
		is(join(', ', @wrong), '', "$what: called again it says nothing false");
		like($again->{wrong}[0], qr/^(repaired|equal|unfinished)$/, "$what: called again it repairs") or diag($again->{wrong}[2]);
	}
}
cmp_ok($seen, '>', $rounds * 3, 'most of them died in the middle');
stop_load();
$pair->arrives('sub', 'all arrives');
verify($pair, "'sub', repair => true");
my $end = verify($pair, "'sub'");
is(join(', ', map { "$_: $end->{$_}[0] $end->{$_}[2]" } grep { $end->{$_}[0] ne 'equal' } sort keys %$end), '', 'at the end all is equal');
$pair->same_at_both_ends(map { "public.$_" } 'large', 'wrong', 'emptied', 'heap');
is($pair->sql('SELECT count(*) FROM dbsync_internal.repair_key'), '0', 'no key is left to be repaired');
nothing_left('at the end');

# --- who does something to a table in the middle of it

# Starts a verify, stops it in the middle, lets "do" begin, which may have to wait, and lets verify go on.
sub beside
{
	my ($what, $node, $sql) = @_;
	my ($started, $pid) = start_and_stop($pair, 'verdict, note');

	ok($pid, "$what: a verify is stopped in the middle") or return '';
	my $other = start_psql($node, $sql);
	ok(becomes_true($node, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'public.large'::regclass"), "$what waits for it");
	kill('CONT', $pid);
	finish_psql($other);
	is($other->{err}, '', "$what: it gives way");
	finish_psql($started);
	return $started->{out};
}

like(beside('ALTER TABLE here', $source, 'ALTER TABLE public.large ADD COLUMN x int DEFAULT 5'), qr/^equal/, 'and what was altered is proved');
like(beside('TRUNCATE here', $source, 'TRUNCATE public.large; INSERT INTO public.large SELECT i, repeat(\'v\', 20), i FROM generate_series(1, 150000) i'),
	qr/^equal/, 'and what was emptied is proved');
like(beside('ALTER TABLE there', $target, 'ALTER TABLE public.large ADD COLUMN theirs int'), qr/^equal/, 'a column of the target\'s is no matter');
$pair->arrives('sub', 'all arrives after that');
$pair->sql('ANALYZE public.large');

# the worker's own command waits for verify, and with it all of the subscription
{
	my ($started, $pid) = start_and_stop($pair, 'verdict, note');

	ok($pid, 'a verify is stopped in the middle');
	$pair->sql("SELECT dbsync.copy_table('sub', 'public.large', 'truncate')");
	ok(becomes_true($target, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'public.large'::regclass"),
		'the worker\'s TRUNCATE waits for it');
	kill('CONT', $pid);
	finish_psql($started);
	like($started->{out}, qr/^(equal|skipped\|it is being copied|unfinished)/, 'it gives way to the worker') or diag($started->{err});
	$pair->arrives('sub', 'and the copy arrives');
	is(verify($pair, "'sub', 'public.large'")->{large}[0], 'equal', 'which is proved');
}

# --- calls that meet each other

{
	my ($started, $pid) = start_and_stop($pair, 'verdict');

	ok($pid, 'a verify is stopped in the middle');
	my ($status, $out, $error) = $source->psql('postgres', "SELECT * FROM dbsync.verify('sub')");
	like($error, qr/subscription "sub" is being verified already/, 'a second one is refused');
	kill('CONT', $pid);
	finish_psql($started);
	like($started->{out}, qr/^equal/, 'the first one is done');
	is(verify($pair, "'sub', 'public.heap'")->{heap}[0], 'equal', 'and then the next is not refused');
}

# so many at a time, in all databases: each is stopped in the middle
foreach my $n (1 .. 5)
{
	$pair->both("CREATE TABLE public.many$n (id int PRIMARY KEY, v text)");
	$pair->sql("INSERT INTO public.many$n SELECT i, repeat('v', 20) FROM generate_series(1, 300000) i") if $n < 5;
	$pair->subscribe("many$n", ["public.many$n"]);
	$pair->start_subscription("many$n");
	$pair->arrives("many$n");
}
my (@started, @stopped);
foreach my $n (1 .. 4)
{
	my $pid;
	push @started, start_psql($source, "SELECT verdict FROM dbsync.verify('many$n')");
	poll_until(sub {
			$pid = ask($source, "SELECT pid FROM dbsync.verify_status WHERE subscription = 'many$n' AND pid IS NOT NULL");
			return $pid || is_over($started[-1]);
		}, "many$n is verified");
	push @stopped, $pid if $pid && kill('STOP', $pid);
}
SKIP:
{
	skip('they were too fast to be there at once', 1) if ask($source, 'SELECT count(*) FROM dbsync.verify_status') < 4;
	my ($status, $out, $error) = $source->psql('postgres', "SELECT * FROM dbsync.verify('many5')");
	like($error, qr/too many subscriptions are being verified/, 'a fifth one is refused');
}
kill('CONT', $_) foreach @stopped;
finish_psql($_) foreach @started;
is(join('', map { $_->{out} } @started), "equal\n" x 4, 'the four are done');
is($pair->sql("SELECT verdict FROM dbsync.verify('many5')"), 'equal', 'and the fifth may then');
nothing_left('at last');

DbsyncTest::finish();

# verify() beside everything that can go on: no false alarm, no difference overlooked, nobody waits for it, and what dies
# leaves "broken off" behind (hazards 33 to 35, 58, 61; reviews A12, B6).  Repair while the very keys change.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted uri_of);
use DbsyncTest::Verifying qw(finish_psql start_and_stop start_psql verify);
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} ? 10 * $ENV{DBSYNC_TEST_ROUNDS} : 15;
my $pair = DbsyncTest->new(source_conf => <<'CONF', target_conf => "autovacuum = off");
dbsync.segment_size = '64kB'
dbsync.retention_interval = '50ms'
autovacuum = off
CONF
my $source = $pair->source;
my $target = $pair->target;

# --- under a load of all kinds, with segments that rotate

$pair->both("CREATE TABLE public.$_ (id int PRIMARY KEY, v text, w int)") foreach 'busy', 'emptied', 'altered';
$pair->both('CREATE TABLE public.heap (a int, b text)');
$pair->both('CREATE TABLE public.parted (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);'
	  . ' CREATE TABLE public.parted_1 PARTITION OF public.parted FOR VALUES FROM (0) TO (500);'
	  . ' CREATE TABLE public.parted_2 PARTITION OF public.parted FOR VALUES FROM (500) TO (5000)');
$pair->sql(<<'SQL');
CREATE TABLE public.load_stops (i int);
INSERT INTO public.busy SELECT i, repeat('v', i % 50), i FROM generate_series(1, 5000) i;
CREATE PROCEDURE public.load(worker int) LANGUAGE plpgsql AS $$
DECLARE
    n int := 0;
    k int;
BEGIN
    WHILE NOT EXISTS (SELECT FROM public.load_stops) LOOP
        n := n + 1;
        k := (random() * 1000)::int;
        INSERT INTO public.busy VALUES (k, 'new ' || n, worker) ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v || public.busy.w, w = public.busy.w + 1;
        -- one of them alone, or each would wait for the other
        IF worker = 1 THEN UPDATE public.busy SET w = w + 1 WHERE id % 500 = k % 500; END IF;
        IF n % 3 = 0 THEN DELETE FROM public.busy WHERE id = k; END IF;
        COMMIT;
        INSERT INTO public.heap VALUES (k % 5, 'x'), (k % 5, 'x');
        IF worker = 1 THEN DELETE FROM public.heap WHERE ctid = (SELECT min(ctid) FROM public.heap WHERE a = k % 7); END IF;
        COMMIT;
        BEGIN
            INSERT INTO public.parted VALUES (k, 'x') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v || n;
        EXCEPTION WHEN check_violation THEN
            NULL; -- its partition is away
        END;
        COMMIT;
        INSERT INTO public.altered (id, v) VALUES (k, 'x') ON CONFLICT (id) DO UPDATE SET v = 'y' || n;
        COMMIT;
        IF n % 20 = worker THEN TRUNCATE public.emptied; INSERT INTO public.emptied SELECT i, 'x', n FROM generate_series(1, 20) i; COMMIT; END IF;
        IF n % 50 = 49 AND worker = 1 THEN EXECUTE format('ALTER TABLE public.altered ADD COLUMN c%s int DEFAULT %s', n, n); COMMIT; END IF;
        IF n % 50 = 10 AND worker = 1 THEN
            ALTER TABLE public.parted DETACH PARTITION public.parted_1; COMMIT;
            DELETE FROM public.parted_1 WHERE id % 3 = 0; COMMIT;
            ALTER TABLE public.parted ATTACH PARTITION public.parted_1 FOR VALUES FROM (0) TO (500); COMMIT;
        END IF;
        PERFORM pg_sleep(0.005);
    END LOOP;
END $$;
SQL
$pair->subscribe('sub', [ map { "public.$_" } 'busy', 'emptied', 'altered', 'heap', 'parted' ], ddl => "'apply'", on_partition_drop => "'delete'");
$pair->start_subscription('sub');
$pair->arrives('sub', 'the first copies arrive');

my @load = map { start_psql($source, "CALL public.load($_)") } 1, 2;
my (%seen, @wrong);
foreach my $round (1 .. $rounds)
{
	my $verdict = verify($pair, "'sub'");
	foreach my $table (sort keys %$verdict)
	{
		my ($what, $counts, $note) = @{ $verdict->{$table} };
		$seen{$table}{$what}++;
		push @wrong, "$table: $what $counts $note" if $what ne 'equal' && $what ne 'unfinished';
	}
}
is(join("\n", @wrong), '', "no false alarm in $rounds rounds beside writers, TRUNCATE, DDL and partitions that come and go");
ok($seen{$_}{equal}, "$_ was proved equal") foreach 'busy', 'emptied', 'altered', 'heap', 'parted';
note(join ', ', map { my $t = $_; "$t: " . join(' ', map { "$_ $seen{$t}{$_}" } sort keys %{ $seen{$t} }) } sort keys %seen);

# --- the same keys are changed while they are repaired

foreach my $round (1 .. 3)
{
	$pair->target_sql('DELETE FROM public.busy WHERE id % 3 = 0; INSERT INTO public.busy SELECT i, \'extra\', 0 FROM generate_series(90001, 90050) i;'
		  . ' UPDATE public.busy SET v = v || \'!\' WHERE id % 7 = 0');
	my $verdict = verify($pair, "'sub', 'public.busy', repair => true")->{busy};
	like($verdict->[0], qr/^(repaired|unfinished)$/, "repaired beside writers, round $round") or diag(join ' ', @$verdict);
}
$pair->sql('INSERT INTO public.load_stops VALUES (1)');
finish_psql($_) foreach @load;
$pair->arrives('sub', 'the load arrives');
my $rest = verify($pair, "'sub', 'public.busy', repair => true")->{busy};
note("what was left: @$rest");
is(verify($pair, "'sub', 'public.busy'")->{busy}[0], 'equal', 'and then they are the same');
$pair->same_at_both_ends('public.busy', 'public.emptied', 'public.heap');

# --- nobody waits for it, at either end

$pair->both('CREATE TABLE public.large (id int PRIMARY KEY, v text)');
$pair->sql("INSERT INTO public.large SELECT i, repeat('v', 20) FROM generate_series(1, 300000) i");
$pair->sql("SELECT dbsync.add_table('sub', 'public.large')");
$pair->arrives('sub', 'a larger table arrives');
$pair->both('ANALYZE public.large');

foreach my $end ([ source => $source ], [ target => $target ])
{
	my ($name, $node) = @$end;
	my ($started, $pid) = start_and_stop($pair, 'verdict');

	ok($pid, "a verify is stopped in the middle ($name)") or next;
	my $altering = start_psql($node, 'BEGIN; LOCK TABLE public.large; COMMIT');
	ok(becomes_true($node, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'public.large'::regclass"), "LOCK TABLE waits for it ($name)");
	kill('CONT', $pid);
	finish_psql($altering);
	is($altering->{err}, '', "it gives way ($name)");
	finish_psql($started);
	like($started->{out}, qr/^equal$/, "and comes back to it ($name)") or diag($started->{err});
}

# --- what dies, what is stopped

sub broken_off
{
	my ($what, $do) = @_;
	my ($started, $pid) = start_and_stop($pair, 'verdict, note');

	ok($pid, "a verify is stopped in the middle ($what)") or return;
	$do->($pid);
	kill('CONT', $pid);
	finish_psql($started);
	ok(becomes_true($source, "SELECT NOT EXISTS (SELECT FROM dbsync.verification WHERE verdict = 'running') AND NOT EXISTS (SELECT FROM dbsync.verify_status)"),
		"$what: nothing goes on");
	return ask($source, 'SELECT verdict FROM dbsync.verification ORDER BY begun DESC LIMIT 1');
}

is(broken_off('its call is cancelled', sub {
		$source->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%dbsync.verify(%' AND pid <> pg_backend_pid()"); }),
	'broken off', 'a call that is cancelled');
is(broken_off('kill -9 of the process', sub { my ($pid) = @_; kill('KILL', $pid); poll_until(sub { !kill(0, $pid) }, 'its end'); DbsyncTest::wait_until_up($source); }),
	'broken off', 'kill -9 of the process');
$pair->arrives('sub', 'applying goes on');
is(broken_off('kill -9 of the target', sub { DbsyncTest::crash_and_restart($target); }), 'broken off', 'kill -9 of the target');
$pair->arrives('sub', 'applying goes on after that');
is(verify($pair, "'sub', 'public.large'")->{large}[0], 'equal', 'called again, it is proved');

# --- a deadline

my $started = start_psql($source, "SELECT verdict, note FROM dbsync.verify('sub', deadline => '1 ms')");
finish_psql($started);
like($started->{out}, qr/^unfinished\|the deadline came first/m, 'a deadline that comes first');
unlike($started->{out}, qr/different/, 'is no difference');

# --- another encoding

$source->safe_psql('postgres', "CREATE DATABASE utf ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
$target->safe_psql('postgres', "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");

sub utf_sql { my ($sql) = @_; return $source->safe_psql('utf', "SET client_encoding = 'UTF8'; $sql"); }

sub words { my ($more) = @_; return utf_sql("SELECT verdict, missing, extra, different FROM dbsync.verify('words'" . ($more // '') . ')'); }

utf_sql('CREATE EXTENSION dbsync; SELECT dbsync.create_target(\'latin\', ' . quoted(uri_of($target, database => 'latin')) . ')');
utf_sql("CREATE TABLE public.words (id text PRIMARY KEY, v text); INSERT INTO public.words VALUES (U&'\\00e4', U&'\\00f6 \\00fc'), ('b', NULL), (U&'\\00df', '')");
$target->safe_psql('latin', 'CREATE TABLE public.words (id text PRIMARY KEY, v text)');
utf_sql("SELECT dbsync.create_subscription('words', 'latin', tables => ARRAY['public.words']); SELECT dbsync.start_subscription('words')");
utf_sql("SELECT dbsync.wait_for('words')");
is(words(), 'equal|0|0|0', 'a target in LATIN1');
$target->safe_psql('latin', "SET client_encoding = 'UTF8'; UPDATE public.words SET v = v || U&'\\00a0' WHERE id = U&'\\00e4'");
is(words(), 'different|0|0|1', 'and one that differs');
is(utf_sql("SELECT here->>'v' = U&'\\00f6 \\00fc' AND there->>'v' = U&'\\00f6 \\00fc\\00a0' AND key->>'id' = U&'\\00e4' FROM dbsync.difference"), 't', 'is shown as it is');
is(words(', repair => true'), 'repaired|0|0|1', 'and repaired');
is(words(), 'equal|0|0|0', 'so that it is the same');

# --- both ways

$target->safe_psql('postgres', 'CREATE EXTENSION dbsync');
$target->safe_psql('postgres', 'SELECT dbsync.create_target(\'back\', ' . quoted(uri_of($source)) . ')');
$pair->both('CREATE TABLE public.ring (id int PRIMARY KEY, v text)');
$pair->sql("INSERT INTO public.ring VALUES (1, 'one'); SELECT dbsync.add_table('sub', 'public.ring')");
$pair->arrives('sub');
$target->safe_psql('postgres', "SELECT dbsync.create_subscription('ring', 'back', tables => ARRAY['public.ring'], copy_data => false); SELECT dbsync.start_subscription('ring')");
is($target->safe_psql('postgres', "SELECT dbsync.wait_for('ring')"), 't', 'a table flows both ways');
my $ring = verify($pair, "'sub', 'public.ring'")->{ring};
is($ring->[0], 'skipped', 'it is not compared while the other way runs');
like($ring->[2], qr/it flows both ways, and the other way is running/, 'with the reason');
$target->safe_psql('postgres', "SELECT dbsync.stop_subscription('ring')");
is(verify($pair, "'sub', 'public.ring'")->{ring}[0], 'equal', 'at rest it is');

DbsyncTest::finish();

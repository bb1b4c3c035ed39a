# Policies and the clock: cron, hours, what was missed, and clocks that are set. dbsync.test_clock makes the
# clock of policies stand; everything else goes by the server's.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until);
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.poll_interval = '100ms'
dbsync.batch_rows = 10
dbsync.copy_chunk_rows = 10
dbsync.test_clock = '2026-03-28 12:00:00+01'
CONF
my $source = $pair->source;
my $next = 1;

sub clock
{
	my ($time) = @_;
	$pair->sql("ALTER SYSTEM SET dbsync.test_clock = '$time'");
	$source->reload;
	return ok(poll_until(sub { $pair->sql('SHOW dbsync.test_clock') eq $time }, 'clock'), "it is $time");
}

sub policy
{
	my ($policy) = @_;
	$pair->sql("SELECT dbsync.alter_subscription('item', policy => '$policy')");
	return;
}

sub write_rows
{
	my ($rows) = @_;
	$pair->sql("INSERT INTO public.item SELECT i, 'row' FROM generate_series($next, $next + $rows - 1) i");
	$next += $rows;
	return;
}

sub count_at_target
{
	return $pair->target_sql('SELECT count(*) FROM public.item');
}

sub nothing_travels
{
	my ($test) = @_;
	my $before = count_at_target();

	$pair->let_poll(4);
	return is(count_at_target(), $before, "$test: nothing travels");
}

sub travels
{
	my ($test) = @_;
	my $rows = $pair->sql('SELECT count(*) FROM public.item');

	return ok(poll_until(sub { count_at_target() == $rows }, $test), "$test: it travels by itself")
	  && $pair->same_at_both_ends('public.item');
}

sub waits_for
{
	my ($words, $test) = @_;
	return $pair->status_becomes('item', "waits_for = '$words'", $test // "it waits for $words");
}

sub last_run
{
	return $pair->sql("SET timezone = 'Europe/Berlin'; SELECT last_run FROM dbsync.subscription");
}

sub last_run_becomes
{
	my ($time, $test) = @_;
	my $last;

	poll_until(sub { ($last = last_run()) eq $time }, 'last_run');
	return is($last, $time, $test);
}

# --- a first copy, by cron: at its time, and not before

$pair->both('CREATE TABLE public.item (id int PRIMARY KEY, t text)');
write_rows(25);
$pair->subscribe('item', ['public.item'], policy => "'cron 30 2 * * *'", time_zone => "'Europe/Berlin'");
$pair->start_subscription('item');
waits_for('2026-03-29 03:00:00 Europe/Berlin, its next run', 'cron: the hour that the clocks skip');
nothing_travels('cron, first copy');
clock('2026-03-29 02:59:59+02');
nothing_travels('cron, a second before');
clock('2026-03-29 03:00:00+02');
travels('cron, first copy');
waits_for('2026-03-30 02:30:00 Europe/Berlin, its next run');
last_run_becomes('2026-03-29 03:00:00+02', 'cron: the run is noted');

# --- a clock that is set back: none twice

write_rows(3);
clock('2026-03-29 01:10:00+01');
nothing_travels('the clock is set back by an hour');
waits_for('2026-03-30 02:30:00 Europe/Berlin, its next run', 'the clock is set back by an hour: what was planned has been');
clock('2026-03-29 03:00:01+02');
nothing_travels('and comes there again');
$pair->arrives('item', 'wait_for() does not wait for the clock');

# --- what was missed is one run: forward over two of them

clock('2026-03-31 10:00:00+02');
waits_for('2026-04-01 02:30:00 Europe/Berlin, its next run', 'two were missed, and are one');
last_run_becomes('2026-03-31 10:00:00+02', 'it is noted when it began');

# --- the hour that comes twice

clock('2026-10-25 02:29:00+02');
waits_for('2026-10-25 02:30:00 Europe/Berlin, its next run');
write_rows(3);
clock('2026-10-25 02:30:00+02');
travels('the first 02:30');
write_rows(3);
clock('2026-10-25 02:30:00+01');
nothing_travels('the second 02:30');
waits_for('2026-10-26 02:30:00 Europe/Berlin, its next run');

# --- a server that is down over a run: one, as it comes up

$source->stop('fast');
$source->append_conf('postgresql.auto.conf', "dbsync.test_clock = '2026-10-28 12:00:00+01'");
$source->start;
travels('a run was missed while the server was down');
waits_for('2026-10-29 02:30:00 Europe/Berlin, its next run');
write_rows(3);
$source->restart('fast');
waits_for('2026-10-29 02:30:00 Europe/Berlin, its next run', 'none was missed over another restart');
nothing_travels('none was missed');

# --- a clock that was wrong by months, and is set right: planned from there on

clock('2026-06-01 12:00:00+02');
waits_for('2026-06-02 02:30:00 Europe/Berlin, its next run', 'a clock that was wrong');
clock('2026-06-02 02:30:00+02');
travels('and is right now');
last_run_becomes('2026-06-02 02:30:00+02', 'the run is noted');

# --- what another policy would have done before is not missed

policy('cron 0 1 * * *');
write_rows(3);
waits_for('2026-06-03 01:00:00 Europe/Berlin, its next run', 'an altered policy counts from there');
nothing_travels('an altered policy');

# --- hours: closed, nothing goes, and wait_for() says so at once

policy('immediate during Mon-Fri 20:00-06:00');
clock('2026-06-05 12:00:00+02');
waits_for('2026-06-05 20:00:00 Europe/Berlin, when its hours begin');
is($pair->status('item')->{next_run}, '2026-06-05T18:00:00+00:00', 'and it is the next run') or diag($pair->status('item')->{next_run});
nothing_travels('outside the hours');
my ($status, $answer, $error) = $source->psql('postgres', "SELECT dbsync.wait_for('item', timeout => '1 day')");
is($answer, 'f', 'wait_for() outside the hours is false, at once');
like($error, qr/NOTICE:  nothing of subscription "item" travels now: its hours are over\nDETAIL:  Its policy is "immediate during Mon-Fri 20:00-06:00".\nHINT:  They begin again at 2026-06-05 20:00:00 Europe\/Berlin\./, 'and says when they begin');
(undef, $answer, $error) = $source->psql('postgres', "SELECT dbsync.run_now('item')");
is($answer, 'f', 'so does run_now()');
like($error, qr/They begin again at/, 'with the same notice');
clock('2026-06-05 20:00:00+02');
travels('in the hours');
write_rows(3);
travels('in the hours, at once');
is($pair->status('item')->{waits_for}, undef, 'in the hours nothing is waited for');
$pair->arrives('item', 'wait_for() in the hours');
clock('2026-06-06 05:59:00+02');
write_rows(3);
travels('in the hours, behind midnight');
clock('2026-06-06 06:00:00+02');
waits_for('2026-06-08 20:00:00 Europe/Berlin, when its hours begin', 'they end on Saturday');

# --- the hours end in the middle of a backlog: the batch under way ends, no other begins

policy('immediate during 20:00-06:00');
clock('2026-06-08 12:00:00+02');
waits_for('2026-06-08 20:00:00 Europe/Berlin, when its hours begin');
write_rows(10) for 1 .. 30;
my $before = count_at_target();
$pair->target_sql(<<'SQL');
CREATE TABLE public.gate (open boolean);
CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id % 10 = 0 AND NOT EXISTS (SELECT FROM public.gate) THEN PERFORM pg_sleep(0.1); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER slow AFTER INSERT ON public.item FOR EACH ROW EXECUTE FUNCTION public.slow();
ALTER TABLE public.item ENABLE ALWAYS TRIGGER slow;
SQL
clock('2026-06-08 20:00:00+02');
ok(poll_until(sub { count_at_target() > $before }, 'first batches'), 'a backlog begins to travel');
clock('2026-06-09 06:00:00+02');
waits_for('2026-06-09 20:00:00 Europe/Berlin, when its hours begin', 'the hours end in the middle of it');
my $middle = count_at_target();
cmp_ok($middle, '<', $before + 300, 'not all of it has travelled');
nothing_travels('the rest of it');
cmp_ok($pair->status('item')->{lag_rows}, '>=', $before + 300 - $middle, 'status counts the rest');
$pair->target_sql('INSERT INTO public.gate VALUES (true)');
clock('2026-06-09 20:00:00+02');
travels('the rest of it, when they begin again');

# --- the same in a planned round: it goes on, and is one run

$pair->target_sql('DELETE FROM public.gate');
policy('cron 0 20 * * * during 20:00-06:00');
waits_for('2026-06-10 20:00:00 Europe/Berlin, its next run');
write_rows(10) for 1 .. 30;
$before = count_at_target();
clock('2026-06-10 20:00:00+02');
ok(poll_until(sub { count_at_target() > $before }, 'first batches'), 'a planned round begins');
clock('2026-06-11 06:00:00+02');
waits_for('2026-06-11 20:00:00 Europe/Berlin, when its hours begin', 'and breaks off');
cmp_ok(count_at_target(), '<', $before + 300, 'before all has travelled');
$pair->target_sql('INSERT INTO public.gate VALUES (true)');
$source->restart('fast');
nothing_travels('the rest, over a restart');
clock('2026-06-11 21:00:00+02');
travels('the rest of a planned round');
waits_for('2026-06-12 20:00:00 Europe/Berlin, its next run');

# --- and of a first copy

$pair->target_sql('DELETE FROM public.gate');
policy('immediate during 20:00-06:00');
clock('2026-06-12 12:00:00+02');
$pair->sql("SELECT dbsync.copy_table('item', 'public.item')");
waits_for('2026-06-12 20:00:00 Europe/Berlin, when its hours begin', 'a copy waits for the hours');
$before = count_at_target();
nothing_travels('a copy outside the hours');
clock('2026-06-12 20:00:00+02');
ok(poll_until(sub { my $n = $pair->sql('SELECT rows_copied FROM dbsync.table_status'); $n > 0 && $n < $before }, 'first chunks'), 'a copy begins');
clock('2026-06-13 06:00:00+02');
waits_for('2026-06-13 20:00:00 Europe/Berlin, when its hours begin', 'and breaks off');
$middle = count_at_target();
cmp_ok($middle, '<', $before, 'in the middle');
nothing_travels('the rest of a copy');
write_rows(5);
$pair->sql('UPDATE public.item SET t = t || id WHERE id % 3 = 0');
$pair->target_sql('INSERT INTO public.gate VALUES (true)');
clock('2026-06-13 20:00:00+02');
$pair->arrives('item', 'the copy goes on in the hours');
$pair->same_at_both_ends('public.item');

# --- an error does not end a round

policy('cron 0 2 * * *');
$pair->target_sql("ALTER TABLE public.item ADD CONSTRAINT small CHECK (id < $next)");
write_rows(3);
clock('2026-06-14 02:00:00+02');
$pair->status_becomes('item', 'failures > 0', 'a planned round fails');
clock('2026-06-14 05:00:00+02');
$pair->target_sql('ALTER TABLE public.item DROP CONSTRAINT small');
travels('and is tried again until it succeeds');
waits_for('2026-06-15 02:00:00 Europe/Berlin, its next run');
last_run_becomes('2026-06-14 02:00:00+02', 'it is the round of its beginning');

# --- a worker that is killed with something pending

policy('rows 20');
clock('');
$pair->arrives('item');
write_rows(15);
waits_for('15 of 20 rows');
my $pid = $pair->wait_for_worker('item');
kill 'KILL', $pid;
poll_until(sub { !kill(0, $pid) }, 'its end');
DbsyncTest::Server::wait_until_up($source);
$pair->wait_for_worker('item');
waits_for('15 of 20 rows', 'what was pending is counted anew');
write_rows(5);
travels('the threshold, over a crash');

$pair->finish;

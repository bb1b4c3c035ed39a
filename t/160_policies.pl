# Policies: thresholds, the age of changes, intervals, manual runs, and prepared transactions. Nothing
# travels before its time; and when it has come, all that was committed does.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until);
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.poll_interval = '100ms'
max_prepared_transactions = 10
CONF
my $next = 1;

sub policy
{
	my ($policy) = @_;
	$pair->sql("SELECT dbsync.alter_subscription('item', policy => '$policy')");
	$pair->arrives('item', "$policy: all is there before");
	return $pair->status_becomes('item', 'waits_for IS NOT NULL', "$policy: its worker waits");
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

# Tests that the worker has looked, and let it lie: it counts what is pending.
sub nothing_travels
{
	my ($test) = @_;
	my $before = count_at_target();
	my $batches = $pair->status('item')->{batches};

	$pair->let_poll(5);
	return is(count_at_target(), $before, "$test: nothing travels")
	  && is($pair->status('item')->{batches}, $batches, "$test: no batch is run");
}

sub travels
{
	my ($test) = @_;
	my $rows = $pair->sql('SELECT count(*) FROM public.item');

	return ok(poll_until(sub { count_at_target() == $rows }, $test), "$test: it travels by itself")
	  && $pair->same_at_both_ends('public.item');
}

# --- a first copy obeys, and capture is installed at once

$pair->both('CREATE TABLE public.item (id int PRIMARY KEY, t text)');
write_rows(10);
$pair->subscribe('item', ['public.item'], policy => "'manual'");
$pair->start_subscription('item');
ok(poll_until(sub { $pair->sql("SELECT state FROM dbsync.captured_table") eq 'active' }, 'capture'),
	'manual: capture is installed at the start');
write_rows(10);
nothing_travels('manual, first copy');
is($pair->status('item')->{waits_for}, 'dbsync.run_now()', 'manual: status says what it waits for');
is($pair->sql("SELECT dbsync.run_now('item')"), 't', 'run_now() is accepted');
travels('manual, first copy');
$pair->status_becomes('item', "waits_for = 'dbsync.run_now()'", 'manual: the round ends');

write_rows(10);
nothing_travels('manual, changes');
cmp_ok($pair->status('item')->{lag_rows}, '>=', 10, 'manual: the lag counts what waits');
is($pair->sql("SELECT caught_up FROM dbsync.progress WHERE subscription = 'item'"), 'f', 'manual: progress does not say that all is there')
  if $pair->sql("SELECT count(*) FROM information_schema.columns WHERE table_schema = 'dbsync' AND table_name = 'progress' AND column_name = 'caught_up'");
$pair->sql("SELECT dbsync.run_now('item')");
travels('manual, changes');
write_rows(10);
$pair->arrives('item', 'wait_for() begins a round whatever the policy says');
$pair->same_at_both_ends('public.item');

# --- rows: by one large commit, and by many small ones

policy('rows 50');
write_rows(49);
nothing_travels('rows 50, 49 of them');
$pair->status_becomes('item', "waits_for = '49 of 50 rows'", 'rows 50: status counts them');
write_rows(1);
travels('rows 50, one more');
write_rows(500);
travels('rows 50, one large commit');
$pair->status_becomes('item', "waits_for = '0 of 50 rows'", 'rows 50: counted anew');
write_rows(1) for 1 .. 49;
nothing_travels('rows 50, 49 small commits');
write_rows(1);
travels('rows 50, the fiftieth');

# a worker that waits for more is left alone by those who commit
SKIP:
{
	my $pid = $pair->wait_for_worker('item');
	my $switches = sub { open(my $file, '<', "/proc/$pid/status") or return; return (join('', <$file>) =~ /^voluntary_ctxt_switches:\s*(\d+)/m)[0]; };

	skip 'the system does not say how often a process has slept', 1 if !defined $switches->();
	policy('rows 1000000');
	my $slept = $switches->();
	$pair->sql(q{DO $$ BEGIN FOR i IN 1 .. 3000 LOOP UPDATE public.item SET t = 'again' WHERE id = 1; COMMIT; END LOOP; END $$});
	cmp_ok($switches->() - $slept, '<', 1000, 'rows: of 3000 commits most have not called the worker');
	$pair->sql("SELECT dbsync.run_now('item')");
	$pair->arrives('item');
	policy('rows 50');
}

# a TRUNCATE, DDL and a rollback are what they are
$pair->sql('BEGIN; INSERT INTO public.item SELECT -i FROM generate_series(1, 100) i; ROLLBACK');
nothing_travels('rows 50, what was rolled back');

# --- bytes

policy('bytes 100 kB');
$pair->sql("INSERT INTO public.item SELECT $next, repeat('x', 50000)");
$next++;
nothing_travels('bytes, half of them');
$pair->sql("INSERT INTO public.item SELECT $next, repeat('x', 60000)");
$next++;
travels('bytes, the rest');

# --- age alone: one commit, and nobody else writes

policy('age 300 ms');
write_rows(1);
travels('age');
policy('rows 1000 or age 1 day');
write_rows(1);
$pair->status_becomes('item', "waits_for LIKE '1 of 1000 rows or % UTC, by the age of the oldest change'", 'age: when it will be old enough is in status');
$pair->status_becomes('item', "next_run BETWEEN now() + interval '23 hours' AND now() + interval '1 day'", 'age: and as the next run');
nothing_travels('age, too young');

# --- COMMIT PREPARED tells nobody

policy('age 300 ms');
$pair->sql("BEGIN; INSERT INTO public.item VALUES ($next); PREPARE TRANSACTION 'p'");
$next++;
nothing_travels('prepared');
$pair->sql("COMMIT PREPARED 'p'");
travels('age, a prepared transaction');
policy('rows 50');
$pair->sql("BEGIN; INSERT INTO public.item SELECT i FROM generate_series($next, $next + 59) i; PREPARE TRANSACTION 'p'");
$next += 60;
$pair->sql("COMMIT PREPARED 'p'");
travels('rows, a prepared transaction');

# --- interval

policy('interval 200 ms');
write_rows(3);
travels('interval');
write_rows(3);
travels('interval, again');
$pair->sql("SELECT dbsync.alter_subscription('item', policy => 'interval 1 day')");
$pair->status_becomes('item', "next_run BETWEEN now() + interval '23 hours' AND now() + interval '1 day'", 'interval: the next run');
write_rows(3);
nothing_travels('interval 1 day');
$pair->sql("SELECT dbsync.alter_subscription('item', policy => 'immediate')");
travels('immediate again');
is($pair->status('item')->{waits_for}, undef, 'immediate: waits for nothing');

# --- idle: under load, and after it

policy('idle 400 ms');
my $load = $pair->source->background_psql('postgres');
$load->query_safe('SELECT 1');
my $until = time() + 2;
my $before = count_at_target();
while (time() < $until)
{
	$load->query_safe("DO \$\$ BEGIN FOR i IN 1 .. 50 LOOP INSERT INTO public.item SELECT max(id) + 1 FROM public.item; COMMIT; END LOOP; END \$\$");
}
is(count_at_target(), $before, 'idle: nothing travels under load');
$load->quit;
$next = 1000000;
travels('idle, after the load');

# --- what a policy that was edited by hand cannot be read is said

$pair->sql("UPDATE dbsync.subscription SET policy = 'sometimes'");
$pair->status_becomes('item', "last_error = 'invalid policy \"sometimes\"' AND waits_for = 'a policy that can be read'", 'status says that a policy cannot be read');
$pair->sql("SELECT dbsync.alter_subscription('item', policy => 'manual', time_zone => 'Europe/Berlin')");
$pair->status_becomes('item', 'last_error IS NULL', 'and goes on when it can');
$pair->sql("UPDATE dbsync.subscription SET time_zone = 'Mars/Olympus'");
$pair->status_becomes('item', "next_action LIKE 'Time zone \"Mars/Olympus\" is not known any more%'", 'a time zone that is not known any more is in status');
write_rows(3);
$pair->arrives('item', 'rounds go on in UTC');
$pair->same_at_both_ends('public.item');

# --- run_once() knows no policy

$pair->stop_subscription('item');
write_rows(3);
$pair->sql("SELECT dbsync.run_once('item')");
$pair->same_at_both_ends('public.item');
my ($status, undef, $error) = $pair->source->psql('postgres', "SELECT dbsync.run_now('item')");
like($error, qr/subscription "item" is stopped/, 'run_now() of a stopped one is refused');

$pair->finish;

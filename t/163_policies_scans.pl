# Policies, and tables that are scanned by a column: once a round where rounds are planned or asked for; by
# their own clock where a policy goes by what was captured, which knows nothing of them; and a round that
# nothing captured would begin is begun for them.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until);
use Test::More;

my $pair = DbsyncTest->new(source_conf => "dbsync.poll_interval = '100ms'\n");
my $next = 1;

sub write_rows
{
	$pair->sql("INSERT INTO public.note SELECT $next, now(); INSERT INTO public.other VALUES ($next)");
	$next++;
	return;
}

sub travels
{
	my ($test) = @_;
	my $rows = $pair->sql('SELECT count(*) FROM public.note');

	return ok(poll_until(sub { $pair->target_sql('SELECT count(*) FROM public.note') == $rows }, $test), "$test: it is found")
	  && $pair->same_at_both_ends('public.note');
}

# How many rows are there, when a transaction that the worker hears of has gone through all it looks at.
sub stays
{
	my ($policy, $test) = @_;
	my $before = $pair->target_sql('SELECT count(*) FROM public.note');

	write_rows();
	$pair->status_becomes('note', 'lag_rows > 0', "$policy: what was captured beside it is pending");
	return is($pair->target_sql('SELECT count(*) FROM public.note'), $before, "$policy: $test");
}

$pair->both('CREATE TABLE public.note (id int PRIMARY KEY, at timestamptz NOT NULL); CREATE TABLE public.other (id int PRIMARY KEY)');
$pair->sql('CREATE INDEX ON public.note (at)');
$pair->subscribe('note', ['public.other']);
$pair->sql(q{SELECT dbsync.add_table('note', 'public.note', capture => 'timestamp', options => '{"column": "at", "overlap": "100 ms", "scan": "interval 200 ms"}')});
$pair->start_subscription('note');
write_rows();
$pair->arrives('note');
write_rows();
travels('immediate, by its own clock');

$pair->sql("SELECT dbsync.alter_subscription('note', policy => 'manual')");
$pair->arrives('note');
$pair->status_becomes('note', "waits_for = 'dbsync.run_now()'", 'manual: the worker waits');
stays('manual', 'what is scanned waits, too, whatever its own clock says');
$pair->sql("SELECT dbsync.run_now('note')");
travels('manual, run_now()');
write_rows();
$pair->arrives('note', 'manual: wait_for() has it scanned');
$pair->same_at_both_ends('public.note');

$pair->sql("SELECT dbsync.alter_subscription('note', policy => 'interval 300 ms')");
$pair->sql("INSERT INTO public.note SELECT $next, now()");
$next++;
travels('interval, with nothing captured');

$pair->sql("SELECT dbsync.alter_subscription('note', policy => 'rows 1000000')");
$pair->arrives('note');
$pair->sql("INSERT INTO public.note SELECT $next, now()");
$next++;
travels('rows, by its own clock');

$pair->sql("SELECT dbsync.alter_subscription('note', policy => 'immediate')");
$pair->sql("INSERT INTO public.note SELECT $next, now()");
travels('immediate again');
$pair->finish;

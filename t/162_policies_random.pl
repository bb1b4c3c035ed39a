# Policies under load and trouble: writers commit large and small, prepare, roll back, TRUNCATE and alter tables, while
# policies change, hours end, processes are killed and tables are copied anew. Nobody waits for anything by wait_for():
# what is committed travels by itself when its policy says so, or one of the counts has lost something.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until random_below);
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.poll_interval = '100ms'
dbsync.retry_max = '500ms'
dbsync.batch_rows = 50
dbsync.copy_chunk_rows = 50
dbsync.retention_interval = '100ms'
dbsync.segment_size = '64kB'
max_prepared_transactions = 10
max_worker_processes = 20
CONF
my $source = $pair->source;
my @policies = ('age 150 ms', 'rows 20 or age 300 ms', 'bytes 5 kB or age 300 ms', 'interval 150 ms', 'rows 1', 'interval 10 ms or rows 100',
	'cron * * * * * or age 200 ms', 'idle 200 ms or age 1 s', 'immediate', 'immediate during 00:00-12:00, 12:00-24:00', 'age 10 ms during 00:00-24:00');
my @tables = map { "public.t$_" } 1 .. 4;

$pair->both("CREATE TABLE $_ (id int PRIMARY KEY, v int, t text)") foreach @tables;
foreach my $n (1 .. 4)
{
	$pair->sql("INSERT INTO public.t$n SELECT i, 0, 'x' FROM generate_series(1, 120) i");
	$pair->subscribe("s$n", ["public.t$n"], policy => DbsyncTest::quoted($policies[ random_below(scalar @policies) ]), ddl => "'apply'");
	$pair->start_subscription("s$n");
}

# Tests that all is there without anybody asking for it.
sub all_travels
{
	my ($test) = @_;
	my $sums = 'SELECT string_agg(format($f$%s %s %s$f$, n, s, c), $f$;$f$) FROM ('
	  . join(' UNION ALL ', map { "SELECT $_ AS n, count(*) AS c, sum(hashtext(to_jsonb(t)::text)) AS s FROM public.t$_ t" } 1 .. 4) . ') x';
	my $here = $pair->sql($sums);

	ok(poll_until(sub { $pair->target_sql($sums) eq $here }, $test), $test) or $pair->describe_state($test);
	return $pair->same_at_both_ends(@tables);
}

all_travels('first copies, each by its policy');

sub write_something
{
	my $n = 1 + random_below(4);
	my $what = random_below(12);
	my $id = 1 + random_below(400);

	return $pair->sql("INSERT INTO public.t$n SELECT i, 1, 'y' FROM generate_series($id, $id + 99) i ON CONFLICT (id) DO UPDATE SET v = t$n.v + 1") if $what < 2;
	return $pair->sql("BEGIN; UPDATE public.t$n SET v = v + 1 WHERE id % 7 = 0; PREPARE TRANSACTION 'p$n'; COMMIT PREPARED 'p$n'") if $what == 2;
	return $pair->sql("BEGIN; DELETE FROM public.t$n; ROLLBACK") if $what == 3;
	return $pair->sql("DELETE FROM public.t$n WHERE id % 5 = 0") if $what == 4;
	return $pair->sql("TRUNCATE public.t$n") if $what == 5 && random_below(3) == 0;
	return $pair->sql("INSERT INTO public.t$n VALUES ($id, 2, 'z') ON CONFLICT (id) DO UPDATE SET t = 'z'");
}

my @kinds = (
	[ 'policies change' => sub {
		my $n = 1 + random_below(4);
		$pair->sql("SELECT dbsync.alter_subscription('s$n', policy => " . DbsyncTest::quoted($policies[ random_below(scalar @policies) ]) . ")");
	} ],
	[ 'hours end and begin' => sub {
		my $n = 1 + random_below(4);
		$pair->sql("SELECT dbsync.alter_subscription('s$n', policy => 'immediate during ' || to_char(now() + interval '5 h', 'HH24:00') || '-' || to_char(now() + interval '6 h', 'HH24:00'))");
		write_something() for 1 .. 5;
		$pair->sql("SELECT dbsync.alter_subscription('s$n', policy => 'age 50 ms')");
	} ],
	[ 'a copy' => sub { my $n = 1 + random_below(4); $pair->sql("SELECT dbsync.copy_table('s$n', 'public.t$n')"); } ],
	[ 'a column' => sub { my $n = 1 + random_below(4); $pair->sql("ALTER TABLE public.t$n ADD c" . random_below(1000000) . ' int DEFAULT ' . random_below(100)); } ],
	[ 'stop and start' => sub {
		my $n = 1 + random_below(4);
		$pair->stop_subscription("s$n");
		write_something();
		$pair->start_subscription("s$n");
	} ],
	[ 'run_now()' => sub { my $n = 1 + random_below(4); $pair->sql("SELECT dbsync.run_now('s$n')"); } ],
	($pair->victims('s1')));

foreach my $round (1 .. 20)
{
	my ($name, $trouble) = @{ $kinds[ ($round - 1) % @kinds ] };

	write_something() for 1 .. 10;
	$trouble->();
	write_something() for 1 .. 10;
	all_travels("round $round, $name");
}

# what was captured is emptied, whatever the policies
foreach my $n (1 .. 4)
{
	$pair->sql("SELECT dbsync.alter_subscription('s$n', policy => 'rows 2000 or cron 0 0 1 1 *')");
}
$pair->sql("UPDATE public.t$_ SET v = 7, t = repeat('w', 1000)") foreach (1 .. 4, 1 .. 4);
$pair->sql("SELECT dbsync.run_now('s$_')") foreach 1 .. 4;
all_travels('rounds that were asked for');
$pair->status_becomes('s1', 'log_bytes < 150000 + 8192 * (SELECT count(*) FROM dbsync.segment)', 'segments are emptied between rounds');

$pair->finish;

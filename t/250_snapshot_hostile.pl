# capture => 'snapshot' with unique values that go round at both ends, in two tables of the same values, a view over one of them, and
# sixty thousand rows that differ, while whoever takes part in it is killed, stopped or restarted at random: both ends are equal behind each group.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask poll_until random_below);
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 2;
my $pair = DbsyncTest->new(source_conf => "dbsync.batch_rows = 300\ndbsync.copy_chunk_rows = 500\n");
my ($source, $target) = ($pair->source, $pair->target);

foreach my $name ('one', 'two')
{
	$pair->sql("CREATE TABLE public.$name (id int PRIMARY KEY, u int, s text, w int, UNIQUE (u) DEFERRABLE INITIALLY DEFERRED, UNIQUE (s, w) DEFERRABLE INITIALLY DEFERRED)");
	$pair->target_sql("CREATE TABLE public.$name (id int PRIMARY KEY, u int UNIQUE, s text, w int, UNIQUE (s, w)); CREATE UNIQUE INDEX ON public.$name ((u * 2), lower(s)); CREATE UNIQUE INDEX ON public.$name (u) WHERE w > 3");
	$pair->sql("INSERT INTO public.$name SELECT i, i, 's' || i % 50, i FROM generate_series(1, 3000) i");
}
$pair->sql('CREATE TABLE public.big (id int PRIMARY KEY, v text); INSERT INTO public.big SELECT i, i::text FROM generate_series(1, 60000) i;'
	. ' CREATE VIEW public.agg AS SELECT u % 100 AS k, count(*) AS n, sum(w) AS w, string_agg(s, \',\' ORDER BY id) AS s FROM public.one GROUP BY 1');
$pair->target_sql('CREATE TABLE public.big (id int PRIMARY KEY, v text); CREATE TABLE public.agg (k int PRIMARY KEY, n bigint, w bigint, s text)');
my @tables = map { "public.$_" } 'one', 'two', 'big', 'agg';
$pair->sql("SELECT dbsync.create_subscription('snap', 'far')");
foreach my $table (@tables)
{
	my $key = $table eq 'public.agg' ? ", key => '{k}'" : '';
	$pair->sql(qq(SELECT dbsync.add_table('snap', '$table', capture => 'snapshot', options => '{"scan": "interval 200 ms"}'$key)));
}
$pair->start_subscription('snap');

my @here = (
	'UPDATE public.%T SET u = (u + %d) %% 3000 + 1', 'UPDATE public.%T SET u = 3001 - u, w = w + 1', 'DELETE FROM public.%T WHERE id %% 37 = %d',
	'INSERT INTO public.%T SELECT i, i, \'n\', i FROM generate_series(1, 3000) i ON CONFLICT DO NOTHING', 'UPDATE public.%T SET w = w # 1',
	'UPDATE public.%T a SET s = b.s FROM public.%T b WHERE b.id = a.id + 1 AND b.w = a.w', 'UPDATE public.%T SET id = -id WHERE id %% 11 = %d',
	'UPDATE public.%T SET id = CASE WHEN id %% 2 = 0 THEN id + 1 ELSE id - 1 END', 'UPDATE public.big SET v = v || %d', 'TRUNCATE public.big; INSERT INTO public.big SELECT i, %d FROM generate_series(%d, 60000) i',
	'BEGIN; CREATE TEMP TABLE x AS SELECT * FROM public.%T; TRUNCATE public.%T; INSERT INTO public.%T SELECT id, u, s, w + 1 FROM x; COMMIT',
	'ALTER TABLE public.%T ALTER s TYPE varchar(20)', 'CREATE OR REPLACE VIEW public.agg AS SELECT u %% 100 AS k, count(*) AS n, sum(w) + %d AS w, string_agg(s, \',\' ORDER BY id) AS s FROM public.one GROUP BY 1');
my @there = ('DELETE FROM public.%T WHERE id %% 41 = %d', 'UPDATE public.%T SET w = -w WHERE id %% 43 = %d', 'UPDATE public.%T SET u = -u', 'TRUNCATE public.agg', 'UPDATE public.big SET v = %d WHERE id < 10000',
	'INSERT INTO public.%T SELECT i, i, \'theirs\', i FROM generate_series(4000, 4100) i', 'DELETE FROM public.big WHERE id %% 1000 < 900', 'UPDATE public.%T SET id = id + 100000 WHERE id %% 9 = %d', 'VACUUM FULL public.%T', 'REINDEX TABLE public.%T', 'ANALYZE');

sub change
{
	my ($node, $sql) = @_;
	my $name = ('one', 'two')[ random_below(2) ];
	$sql =~ s/%T/$name/g;
	$sql = sprintf($sql, map { random_below(7) + 1 } 1 .. 4);
	my ($status, undef, $error) = $node->psql('postgres', "SET statement_timeout = '20 s'; $sql");
	note(($node == $source ? 'here ' : 'there ') . $sql . ': ' . $error);
	return;
}

sub kill_and_wait
{
	my ($node, $signal, $pid) = @_;
	return if !defined $pid || $pid !~ /^\d+$/;
	kill($signal, $pid);
	if ($signal eq 'STOP')
	{
		usleep(300_000 + random_below(700_000));
		kill('CONT', $pid);
		return;
	}
	poll_until(sub { !kill(0, $pid) }, "end of process $pid");
	DbsyncTest::wait_until_up($node);
	return;
}

sub process_pid
{
	my ($pid) = split /\n/, ask($source, "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'dbsync verify%'") // '';
	return $pid;
}

my @accidents = ($pair->victims('snap'),
	[ 'process' => sub { kill_and_wait($source, 'KILL', process_pid()) } ],
	[ 'process stopped' => sub { kill_and_wait($source, 'STOP', process_pid()) } ],
	[ 'worker stopped' => sub { kill_and_wait($source, 'STOP', $pair->worker_pid('snap')) } ],
	[ 'a backend there stopped' => sub { my @p = $pair->applying_pids; kill_and_wait($target, 'STOP', $p[random_below(scalar @p)]) if @p; } ],
	[ 'target fast' => sub { $target->restart('fast') } ], [ 'source fast' => sub { $source->restart('fast') } ],
	[ 'stop/start' => sub { $source->psql('postgres', "SELECT dbsync.stop_subscription('snap')"); $source->psql('postgres', "SELECT dbsync.start_subscription('snap')"); } ]);

foreach my $round (1 .. $rounds)
{
	foreach (1 .. 4)
	{
		change($source, $here[ random_below(scalar @here) ]) foreach 0 .. random_below(3);
		change($target, $there[ random_below(scalar @there) ]) foreach 0 .. random_below(2);
		usleep(random_below(900_000));
		my $a = $accidents[ random_below(scalar @accidents) ];
		note("accident: $a->[0]");
		$a->[1]->();
	}
	$source->psql('postgres', "SELECT dbsync.start_subscription('snap')");
	$pair->arrives('snap', "round $round");
	$pair->same_at_both_ends(@tables) or last;
	is($pair->sql("SELECT string_agg(verdict, ' ') FROM dbsync.verify('snap')"), join(' ', ('equal') x 4), 'verify');
}
DbsyncTest::finish();

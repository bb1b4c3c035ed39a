# What others do while tables are compared, and their rows sent: a source that loses its rows between the two takes nothing along; who locks a
# table has it, and the table has its turn soon, also where rounds are rare; what another table meets is none of a comparison's concern.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(becomes_true poll_until);
use DbsyncTest::Verifying qw(start_psql finish_psql);
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(source_conf => "dbsync.batch_rows = 100\ndbsync.test_clock = '2026-03-01 12:00:00+00'\n");
my $source = $pair->source;
my $target = $pair->target;

# Whoever writes such a row at the target waits for who holds the lock.
$pair->target_sql('CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NEW; END $$');

sub is_stopped
{
	return becomes_true($target, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted");
}

sub stop_sending
{
	my $holder = $target->background_psql('postgres');
	$holder->query_safe('SELECT pg_advisory_lock(77)');
	return $holder;
}

sub note_of
{
	my ($table) = @_;
	return $pair->sql("SELECT note FROM dbsync.table_status WHERE \"table\" = '$table'::regclass");
}

# --- a source that loses its rows between the comparison and the sending

$pair->both('CREATE TABLE public.losing (id int PRIMARY KEY, v text); CREATE TABLE public.beside (id int PRIMARY KEY, v text)');
$pair->target_sql("CREATE TRIGGER stop AFTER INSERT OR UPDATE ON public.losing FOR EACH ROW WHEN (NEW.id = 50 AND NEW.v = 'stop') EXECUTE FUNCTION public.wait();"
	  . ' ALTER TABLE public.losing ENABLE ALWAYS TRIGGER stop');
$pair->sql("INSERT INTO public.losing SELECT i, 'v' FROM generate_series(1, 1500) i; SELECT dbsync.create_subscription('snap', 'far')");
$pair->sql("SELECT dbsync.add_table('snap', 'public.losing', capture => 'snapshot')");
$pair->start_subscription('snap');
$pair->arrives('snap');

sub change_in_the_middle
{
	my ($what, $sql) = @_;
	my $holder = stop_sending();
	$pair->sql("UPDATE public.losing SET v = 'stop' WHERE id <= 1000");
	my $waiting = start_psql($source, "SELECT dbsync.wait_for('snap', timeout => '4 s')");
	ok(is_stopped(), "sending is stopped in the middle ($what)");
	$pair->sql($sql);
	$holder->quit;
	finish_psql($waiting);
	return;
}

# what is gone by then goes there, too, as long as it is not most of the table
change_in_the_middle('some rows go', 'DELETE FROM public.losing WHERE id BETWEEN 401 AND 900');
$pair->arrives('snap', 'rows that have gone since they were compared');
$pair->same_at_both_ends('public.losing');
$pair->sql("INSERT INTO public.losing SELECT i, 'v' FROM generate_series(401, 900) i; UPDATE public.losing SET v = 'v'");
$pair->arrives('snap');

change_in_the_middle('nearly all rows go', 'DELETE FROM public.losing WHERE id > 20');
like(note_of('public.losing'), qr/the source has 20 rows, less than half of the target's 1500: nothing (more )?is sent or deleted/, 'a source that has lost its rows since is told of');
is($pair->target_sql('SELECT count(*) FROM public.losing'), 1500, 'and takes none of the target\'s along');
$pair->sql("INSERT INTO public.losing SELECT i, 'again' FROM generate_series(21, 1500) i");
$pair->arrives('snap', 'when they are back it goes on');
$pair->same_at_both_ends('public.losing');

# --- who locks what a view reads has it, though it shows no row for long

$pair->sql(<<'SQL');
CREATE TABLE public.speed (pause float8);
INSERT INTO public.speed VALUES (0);
CREATE TABLE public.base (id int, v int);
INSERT INTO public.base SELECT i % 100, i FROM generate_series(1, 2000) i;
CREATE VIEW public.slow AS SELECT id, sum(v + CASE WHEN p.s IS NULL THEN 1 ELSE 0 END) AS v
    FROM public.base CROSS JOIN LATERAL (SELECT pg_sleep(s.pause + 0 * base.v)::text AS s FROM public.speed s) p GROUP BY id;
SQL
$pair->target_sql('CREATE TABLE public.slow (id int PRIMARY KEY, v bigint)');
$pair->sql("SELECT dbsync.add_table('snap', 'public.slow', key => '{id}', capture => 'snapshot')");
$pair->arrives('snap');
$pair->sql('UPDATE public.speed SET pause = 0.03');
my $waiting = start_psql($source, "SELECT dbsync.wait_for('snap', timeout => '1 s')");
ok(becomes_true($source, "SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.relation = 'public.base'::regclass AND a.backend_type LIKE 'dbsync verify%'"), 'a view works that shows no row for a minute');
my ($status, undef, $error) = $source->psql('postgres', "SET lock_timeout = '20 s'; BEGIN; LOCK TABLE public.base; UPDATE public.speed SET pause = 0; UPDATE public.base SET v = v + 1; COMMIT");
is($status, 0, 'who wants a table that it reads for himself has it') or diag($error);
finish_psql($waiting);
$pair->arrives('snap', 'then it is compared again');
is($pair->target_sql('SELECT id, v FROM public.slow ORDER BY id'), $pair->sql('SELECT id, v FROM public.slow ORDER BY id'), 'and is there');
is($pair->sql("SELECT dbsync.remove_table('snap', 'public.slow')"), '', 'it is taken out');

# --- others that fail one after the other keep no comparison from its turn

$pair->sql("CREATE VIEW public.broken$_ AS SELECT id, v FROM public.beside") foreach 1 .. 12;
$pair->target_sql("CREATE TABLE public.broken$_ (id int PRIMARY KEY, v text)") foreach 1 .. 12;
$pair->sql("SELECT dbsync.add_table('snap', 'public.broken$_', key => '{id}', capture => 'snapshot')") foreach 1 .. 12;
$pair->arrives('snap');
$pair->stop_subscription('snap');
$pair->sql("ALTER VIEW public.broken$_ RENAME id TO other") foreach 1 .. 12;
$pair->start_subscription('snap');
is($pair->sql("SELECT verdict, note FROM dbsync.verify('snap', 'public.losing')"), 'equal|', 'what other tables meet is no reason to give a comparison up');
$pair->status_becomes('snap', 'failures > 3', 'though there was much of it');
$pair->sql("SELECT dbsync.remove_table('snap', 'public.broken$_'); DROP VIEW public.broken$_") foreach 1 .. 12;
$pair->arrives('snap');

# --- by rounds that are rare: what was locked in one has its turn soon

$pair->both('CREATE TABLE public.stamped (id int PRIMARY KEY, v text, at timestamptz DEFAULT now()); CREATE TABLE public.shadowed (id int PRIMARY KEY, v text)');
$pair->sql("SELECT dbsync.add_table('snap', 'public.beside'); SELECT dbsync.add_table('snap', 'public.shadowed', capture => 'shadow')");
$pair->sql(q(SELECT dbsync.add_table('snap', 'public.stamped', capture => 'timestamp', options => '{"column": "at"}')));
$pair->sql("SELECT dbsync.alter_subscription('snap', policy => 'cron 0 3 * * *', time_zone => 'UTC')");
$pair->arrives('snap');
my $day = 1;
$pair->sql("INSERT INTO public.beside VALUES (1, 'first')");
foreach my $table ('losing', 'stamped', 'shadowed')
{
	$pair->sql("INSERT INTO public.$table VALUES (2001, 'locked')");
	my $locker = $source->background_psql('postgres');
	$locker->query_safe("BEGIN; LOCK TABLE public.$table IN ACCESS EXCLUSIVE MODE");
	my $n = $pair->sql("INSERT INTO public.beside VALUES ((SELECT max(id) + 1 FROM public.beside), '$table') RETURNING id");
	$day++;
	$pair->sql("ALTER SYSTEM SET dbsync.test_clock = '2026-03-0$day 03:00:00+00'");
	$pair->sql('SELECT pg_reload_conf()');
	ok(becomes_true($target, "SELECT count(*) = 1 FROM public.beside WHERE id = $n"), "others' rows come while $table is locked");
	$pair->status_becomes('snap', "waits_for LIKE '%, its next run'", 'the round is over') or diag($pair->sql('SELECT waits_for FROM dbsync.status'));
	is($pair->target_sql("SELECT count(*) FROM public.$table WHERE v = 'locked'"), 0, "and $table has not been looked at");
	$locker->query_safe('COMMIT');
	$locker->quit;
	ok(becomes_true($target, "SELECT count(*) > 0 FROM public.$table WHERE v = 'locked'"), "$table has its turn before the next round");
}
$pair->arrives('snap');
$pair->same_at_both_ends('public.losing', 'public.stamped', 'public.shadowed', 'public.beside');

DbsyncTest::finish();

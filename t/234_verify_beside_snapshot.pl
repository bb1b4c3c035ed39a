# verify() beside tables with capture => 'snapshot': run_once() compares them whoever else has the subscription verified, and verify() has
# none of them compared anew, by itself or in the round that it has begin.  And what is written down of errors shows no values of rows
# to who only watches (pg_monitor).
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until);
use DbsyncTest::Verifying qw(finish_psql start_and_stop start_psql verify);
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(source_conf => "dbsync.poll_interval = '100ms'\ndbsync.retry_max = '500ms'");
my $source = $pair->source;
my $target = $pair->target;
my @tables = ('public.large', 'public.compared');

$pair->both('CREATE TABLE public.large (id int PRIMARY KEY, v text); CREATE TABLE public.compared (id int PRIMARY KEY, v text)');
$pair->sql("INSERT INTO public.large SELECT i, repeat('v', 20) FROM generate_series(1, 150000) i;"
	  . " INSERT INTO public.compared SELECT i, 'v' || i FROM generate_series(1, 100) i");
$pair->subscribe('sub', ['public.large']);
$pair->sql(q(SELECT dbsync.add_table('sub', 'public.compared', capture => 'snapshot', options => '{"scan": "interval 1 day"}')));
$pair->sql("SELECT dbsync.run_once('sub')");
$pair->same_at_both_ends(@tables);

# --- run_once() compares, also where a process of verify()'s is about

$pair->target_sql("UPDATE public.compared SET v = 'theirs' WHERE id < 10");
my ($verifying, $process) = start_and_stop($pair, 'verdict');
ok($process, 'a verify() of a stopped subscription is stopped in the middle');
my $first = $pair->worker_pid('sub');
ask($source, "SELECT pg_terminate_backend($first)") if $first;
ok(poll_until(sub { ($pair->worker_pid('sub') // '') eq '' }, 'end of the worker that was there for it'), 'the worker that was there for it has ended');
my $run = start_psql($source, "SELECT dbsync.run_once('sub') > 0");
ok(poll_until(sub { ($pair->worker_pid('sub') // '') ne '' }, 'a worker of run_once()'), 'run_once() has another one');
ok(becomes_true($target, "SELECT count(*) = 0 FROM public.compared WHERE v = 'theirs'"), 'which compares');
kill('CONT', $process);
finish_psql($verifying);
finish_psql($run);
is($run->{out}, "t\n", 'run_once() has sent what differed') or diag($run->{err});
$pair->same_at_both_ends(@tables);

# the other way round: a worker that is there for verify() compares nothing by itself
$pair->target_sql("UPDATE public.compared SET v = 'theirs' WHERE id < 10");
is_deeply(verify($pair, "'sub', 'public.compared'")->{compared}[0], 'different', 'verify() of a stopped subscription says what differs');
is($pair->target_sql("SELECT count(*) FROM public.compared WHERE v = 'theirs'"), 9, 'and has nothing sent');

# --- verify() has nothing compared anew

my $last_run = 'SELECT s.run FROM dbsync_internal.scan s';

sub nothing_compared
{
	my ($id, $what) = @_;
	my $before = $pair->sql($last_run);

	$pair->sql("INSERT INTO public.large VALUES ($id, 'new')");
	my $verdicts = verify($pair, "'sub'");
	is($verdicts->{large}[0], 'equal', "$what: what is captured is sent, and equal");
	is($verdicts->{compared}[0], 'equal', "$what: what is compared is looked at");
	# whatever the worker was to begin it has begun before it sends this
	$pair->sql("UPDATE public.large SET v = 'newer' WHERE id = $id");
	is(verify($pair, "'sub', 'public.large'")->{large}[0], 'equal', "$what: once more");
	is($pair->sql("SELECT ($last_run) = '$before' AND NOT EXISTS (SELECT FROM dbsync.verify_status)"), 't', "$what: and not compared anew");
	return;
}

$pair->start_subscription('sub');
$pair->arrives('sub');
nothing_compared(200001, 'at once');
$pair->sql("SELECT dbsync.alter_subscription('sub', policy => 'interval 1 day')");
$pair->arrives('sub');
nothing_compared(200002, 'in rounds');
$pair->sql("INSERT INTO public.large VALUES (200003, 'x'); UPDATE public.compared SET v = 'mine' WHERE id = 5");
$pair->arrives('sub', 'who waits has them compared');
$pair->same_at_both_ends(@tables);

# --- what errors quote of rows is for who has the rights of the owner

$pair->sql('CREATE ROLE watcher LOGIN IN ROLE pg_monitor');

# What somebody is shown by the views that who watches may read.
sub seen_by
{
	my ($role) = @_;
	return $pair->sql("SET ROLE $role; " . join ' UNION ALL ', map { "SELECT to_jsonb(x)::text FROM dbsync.$_ x" }
		  qw(status table_status progress verification difference verify_status));
}

# The owner reads the secret, and who only watches sees that there is something.
sub for_the_owner
{
	my ($what, $column, $said) = @_;
	my $owner = $pair->sql('SELECT current_user');

	like(seen_by(qq("$owner")), qr/secret/, "$what: the owner is shown the values");
	unlike(seen_by('watcher'), qr/secret/, "$what: pg_monitor is not");
	like($pair->sql("SET ROLE watcher; SELECT $column"), $said, "$what: but that there was an error");
	return;
}

# a function of a view that fails, by its message, as a table is compared
$pair->sql("SELECT dbsync.alter_subscription('sub', policy => 'immediate')");
$pair->sql(<<'SQL');
CREATE TABLE public.numbers (id int PRIMARY KEY, v text);
INSERT INTO public.numbers VALUES (1, '1');
CREATE VIEW public.numbered AS SELECT id, v::int AS n FROM public.numbers;
CREATE TABLE public.doubles (id int, v text);
INSERT INTO public.doubles VALUES (1, 'secret key');
CREATE VIEW public.doubled AS SELECT v, id FROM public.doubles;
SQL
$pair->target_sql('CREATE TABLE public.numbered (id int PRIMARY KEY, n int); CREATE TABLE public.doubled (v text PRIMARY KEY, id int)');
$pair->sql(qq(SELECT dbsync.add_table('sub', 'public.$_->[0]', key => '{$_->[1]}', capture => 'snapshot', options => '{"scan": "interval 200 ms"}')))
  foreach [ 'numbered', 'id' ], [ 'doubled', 'v' ];
$pair->arrives('sub');
$pair->sql("UPDATE public.numbers SET v = 'secret'");
$pair->status_becomes('sub', "last_error LIKE 'comparing table public.numbered%'", 'a comparison fails by a value');
for_the_owner('a comparison', q(note FROM dbsync.table_status WHERE "table" = 'public.numbered'::regclass), qr/came to nothing.*error 22P02/);
is(verify($pair, "'sub', 'public.numbered'")->{numbered}[0], 'broken off', 'verify() fails by it, too');
for_the_owner('a verification', q(note FROM dbsync.verification WHERE verdict = 'broken off'), qr/^error 22P02$/);
$pair->sql("UPDATE public.numbers SET v = '2'");
$pair->arrives('sub');

# two rows of one key, as they are looked up
$pair->sql("INSERT INTO public.doubles VALUES (2, 'secret key')");
$pair->status_becomes('sub', "last_error LIKE '%public.doubled%'", 'two rows have one key');
for_the_owner('two rows of one key', q(note FROM dbsync.table_status WHERE "table" = 'public.doubled'::regclass), qr/came to nothing/);
$pair->sql('DELETE FROM public.doubles WHERE id = 2');
$pair->arrives('sub');
$pair->status_becomes('sub', 'last_error IS NULL', 'and it is forgotten');
$pair->sql("SELECT dbsync.remove_table('sub', 'public.$_')") foreach 'numbered', 'doubled';

# the target refuses a row: by a CHECK, whose detail has it, and by a function's own words
$pair->target_sql("ALTER TABLE public.large ADD CONSTRAINT clean CHECK (v <> 'the secret')");
$pair->sql("UPDATE public.large SET v = 'the secret' WHERE id = 1");
$pair->status_becomes('sub', 'last_error IS NOT NULL', 'the target refuses a row');
for_the_owner('a row that is refused', 'last_error FROM dbsync.status', qr/error 23514/);
$pair->target_sql(<<'SQL');
ALTER TABLE public.large DROP CONSTRAINT clean;
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not %', NEW.v; END $$;
CREATE TRIGGER refuse AFTER INSERT OR UPDATE ON public.large FOR EACH ROW WHEN (NEW.v LIKE '%secret%') EXECUTE FUNCTION public.refuse();
ALTER TABLE public.large ENABLE ALWAYS TRIGGER refuse;
SQL
$pair->status_becomes('sub', "last_error LIKE 'not the secret%'", 'by words of its own');
for_the_owner('words of a function', 'last_error FROM dbsync.status', qr/error P0001/);
$pair->target_sql('DROP TRIGGER refuse ON public.large');
$pair->arrives('sub');

# repair that the target refuses
$pair->target_sql("DELETE FROM public.large WHERE id = 1; CREATE TRIGGER refuse AFTER INSERT OR UPDATE ON public.large FOR EACH ROW WHEN (NEW.v LIKE '%secret%') EXECUTE FUNCTION public.refuse();"
	  . ' ALTER TABLE public.large ENABLE ALWAYS TRIGGER refuse');
my $repaired = verify($pair, "'sub', 'public.large', repair => true")->{large};
like($repaired->[2], qr/^not repaired: not the secret/, 'who repairs is told what the target said') or diag(explain($repaired));
for_the_owner('a repair', q(note FROM dbsync.verification ORDER BY begun DESC LIMIT 1), qr/^not repaired$/);

DbsyncTest::finish();

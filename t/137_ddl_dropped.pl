# A table is dropped at the source: its last rows are applied once, then it leaves the
# subscription, whatever is killed between the two.  The moment is made sure of by a lock that
# keeps anybody from noting that it has left.  And while workers run: a table that is being
# written to, one whose drop is prepared first, one whose subscription is stopped meanwhile, one
# that is being copied; a target that comes back from before it left.  Design of tables, D9.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until);
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new;
my ($source, $target) = ($pair->source, $pair->target);
my @victims = $pair->victims('sub');
my @tables = map { "public.t$_" } 0 .. $#victims;
my $from = 0;

$pair->both("CREATE TABLE $_ (id int PRIMARY KEY, v text)") foreach @tables, map { "public.$_" } qw(beside busy prepared stopped copied);
$pair->sql("INSERT INTO $_ SELECT i, 'first' FROM generate_series(1, 10) i") foreach @tables;
$pair->subscribe('sub', [ @tables, map { "public.$_" } qw(beside busy prepared stopped) ]);
$pair->start_subscription('sub');
$pair->arrives('sub', 'the first copies arrive');

# What the log says since the last call; the whole line must come in time.
sub is_logged
{
	my ($pattern, $test) = @_;
	my $found = poll_until(sub { slurp_file($source->logfile, $from) =~ $pattern }, "$pattern in the log");

	$from = -s $source->logfile;
	return ok($found, $test);
}

sub is_gone
{
	my ($table, $test) = @_;

	ok(becomes_true($source, "SELECT count(*) = 0 FROM dbsync.table_status WHERE target_table = '$table'"), "$test: it has left");
	ok(becomes_true($source, "SELECT count(*) = 0 FROM dbsync.captured_table WHERE name = '$table'"), "$test: nothing is kept of it");
	return;
}

sub target_has
{
	my ($table, $expected, $test) = @_;
	return is($pair->target_sql("SELECT string_agg(id || v, ',' ORDER BY id) FROM $table"), $expected, $test);
}

foreach my $i (0 .. $#victims)
{
	my ($who, $kill) = @{ $victims[$i] };
	my $table = $tables[$i];
	my $locker = $source->background_psql('postgres', on_error_stop => 0);

	$pair->sql("DELETE FROM $table WHERE id > 2");
	$pair->arrives('sub', "$table is there");
	$locker->query_safe("BEGIN; SELECT uid FROM dbsync.subscription_table WHERE format('%s.%s', target_schema, target_table) = '$table' FOR UPDATE");
	$pair->sql("UPDATE $table SET v = 'second' WHERE id = 1");
	$pair->sql("BEGIN; INSERT INTO $table VALUES (3, 'last'); INSERT INTO public.beside VALUES ($i, 'beside'); DROP TABLE $table; COMMIT");
	ok(becomes_true($target, "SELECT count(*) = 1 FROM $table WHERE id = 3"), "the last rows of $table are there");
	is($pair->sql("SELECT state FROM dbsync.table_status WHERE target_table = '$table'"), 'dropped', 'and nobody can note that it leaves');
	$kill->();
	target_has($table, '1second,2first,3last', "$who is killed before $table leaves: its rows are there");
	# one that comes now is behind
	$pair->sql("INSERT INTO public.beside VALUES (10 + $i, 'behind')");
	eval { $locker->query('ROLLBACK'); $locker->quit; };
	$pair->arrives('sub', "$who was killed: nothing is left to come");
	is_gone($table, "$who was killed");
	target_has($table, '1second,2first,3last', "$who was killed: the rows of $table are there once");
}
is($pair->target_sql('SELECT count(*) FROM public.beside'), 2 * @victims, 'those of another table, too');
is_logged(qr/LOG:.*table public\.t3 was dropped, and has left subscription "sub"/, 'the log says so');

# --- in the middle of a load

my $load = $source->background_psql('postgres');
my $n = 0;
while ($n < 40)
{
	$n++;
	$load->query_safe("INSERT INTO public.busy SELECT i, 'load' FROM generate_series(" . 1000 * $n . ', ' . (1000 * $n + 499) . ') i');
}
$pair->sql('DROP TABLE public.busy');
$load->quit;
$pair->arrives('sub', 'a table is dropped behind a load');
is_gone('public.busy', 'a load');
is($pair->target_sql('SELECT count(*) FROM public.busy'), 500 * $n, 'all of its rows are there');

# --- prepared: it goes on as long as nobody has committed that

$pair->sql("INSERT INTO public.prepared VALUES (1, 'before')");
$pair->sql("BEGIN; INSERT INTO public.prepared VALUES (2, 'with it'); DROP TABLE public.prepared; PREPARE TRANSACTION 'drop'");
$pair->sql("INSERT INTO public.beside VALUES (100, 'while it is prepared')");
$pair->arrives('sub', 'others go on while a drop is prepared');
target_has('public.prepared', '1before', 'its rows are not there yet');
is($pair->sql(q{SELECT state FROM dbsync.table_status WHERE target_table = 'public.prepared'}), 'live', 'and it is live');
$pair->sql("COMMIT PREPARED 'drop'");
ok(becomes_true($target, 'SELECT count(*) = 2 FROM public.prepared'), 'then they come');
is_gone('public.prepared', 'a prepared drop');

# --- stopped meanwhile; what comes of that name is another table

$pair->stop_subscription('sub');
$pair->sql("INSERT INTO public.stopped VALUES (1, 'before'); DROP TABLE public.stopped;"
	  . " CREATE TABLE public.stopped (id int PRIMARY KEY, v text); INSERT INTO public.stopped VALUES (2, 'another')");
$pair->start_subscription('sub');
$pair->arrives('sub', 'a subscription that was stopped goes on');
is_gone('public.stopped', 'dropped while the subscription was stopped');
target_has('public.stopped', '1before', 'the target has what was captured, and nothing of the other table');

# --- in its first copy, which its target holds up

$pair->target_sql(<<'SQL');
CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_sleep(0.002);
	RETURN NULL;
END $$;
CREATE TRIGGER dawdle AFTER INSERT ON public.copied FOR EACH ROW EXECUTE FUNCTION public.dawdle();
ALTER TABLE public.copied ENABLE ALWAYS TRIGGER dawdle;
SQL
$pair->sql('ALTER SYSTEM SET dbsync.copy_chunk_rows = 100');
$pair->sql('SELECT pg_reload_conf()');
$pair->sql("INSERT INTO public.copied SELECT i, 'copied' FROM generate_series(1, 20000) i");
$pair->sql("SELECT dbsync.add_table('sub', 'public.copied')");
ok(becomes_true($target, 'SELECT count(*) > 0 FROM public.copied'), 'a copy has begun');
$pair->sql('DROP TABLE public.copied');
$pair->arrives('sub', 'the others go on');
is_gone('public.copied', 'dropped in its first copy');
cmp_ok($pair->target_sql('SELECT count(*) FROM public.copied'), '<', 20000, 'the copy has ended in the middle');
is_logged(qr/Its first copy was not finished: target table "public\.copied" has \d+ rows of it, and stays/, 'and the log says so');

# --- a target that is back from before a table left is told of, and goes on

$pair->sql("UPDATE dbsync.subscription SET left_at = '999999999:999999999:'");
$pair->stop_subscription('sub');
$pair->start_subscription('sub');
is_logged(qr/WARNING:.*target "far" may lack changes of tables that were dropped here/, 'a target may lack what nobody can send again');
$pair->sql("INSERT INTO public.beside VALUES (200, 'goes on')");
$pair->arrives('sub', 'the others go on');
$pair->same_at_both_ends('public.beside');

DbsyncTest::finish();

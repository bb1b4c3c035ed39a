# Tables that are made at the target, and their indexes behind the first copy: whoever dies in the
# middle of one, all of them are there afterwards, whole, and rows are the same at both ends.
# Others go on beside a table that cannot be made, or an index that cannot be had just now; and an
# index may take as long as it likes.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until);
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.copy_chunk_rows = 1000
dbsync.target_timeout = '1s'
dbsync.retry_max = '2s'
CONF
my ($source, $target) = ($pair->source, $pair->target);

# --- whoever makes an index at the target waits when it is built, and before it is committed,
#     while there is a row in public.halts
$pair->target_sql(<<'SQL');
CREATE TABLE public.halts (tag text);
CREATE FUNCTION public.halt() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	WHILE EXISTS (SELECT FROM public.halts h WHERE tg_tag LIKE h.tag) LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;
ALTER FUNCTION public.halt() SET search_path = pg_catalog;
CREATE EVENT TRIGGER halt ON ddl_command_end EXECUTE FUNCTION public.halt();
ALTER EVENT TRIGGER halt ENABLE ALWAYS;
SQL

sub halt
{
	my ($tag) = @_;
	$pair->target_sql("INSERT INTO public.halts VALUES ('$tag')");
	return;
}

sub go_on
{
	$pair->target_sql('DELETE FROM public.halts');
	return;
}

# A table with four indexes besides its key's, and rows.
sub make_table
{
	my ($name) = @_;

	$pair->sql(<<"SQL");
CREATE TABLE public.$name (id int PRIMARY KEY, a int NOT NULL, b text, c text[]);
CREATE UNIQUE INDEX ${name}_a ON public.$name (a);
CREATE INDEX ${name}_b ON public.$name (lower(b)) WHERE b IS NOT NULL;
CREATE INDEX ${name}_c ON public.$name USING gin (c);
CREATE INDEX ${name}_d ON public.$name (b DESC) INCLUDE (a);
INSERT INTO public.$name SELECT i, -i, 'b' || i, ARRAY['c' || i % 7] FROM generate_series(1, 3000) i;
SQL
	return;
}

sub state_of
{
	my ($name) = @_;
	return ask($source, "SELECT state FROM dbsync.table_status WHERE \"table\" = 'public.$name'::regclass") // '';
}

sub becomes_live
{
	my ($name, $test) = @_;
	my $live = ok(poll_until(sub { state_of($name) eq 'live' }, "$name live"), $test);

	$pair->describe_state("$name is " . state_of($name)) unless $live;
	return $live;
}

# Definitions of a table's indexes; those that are not whole say so.
sub indexes_of
{
	my ($node, $name) = @_;
	return ask($node, <<"SQL");
SELECT string_agg(pg_get_indexdef(indexrelid) || CASE WHEN indisvalid AND indisready AND indislive THEN '' ELSE ' invalid' END, E'\\n' ORDER BY indexrelid::regclass::text)
FROM pg_index WHERE indrelid = 'public.$name'::regclass
SQL
}

sub is_whole
{
	my ($name, $what) = @_;

	is(indexes_of($target, $name), indexes_of($source, $name), "$what: all indexes are there");
	is(ask($target, "SELECT obj_description('public.$name'::regclass)"), '', "$what: the comment is gone");
	return $pair->same_at_both_ends("public.$name");
}

# The backend that makes an index of the table, and waits
sub building_pid
{
	my ($name) = @_;
	my $pid;

	poll_until(
		sub {
			$pid = ask($target, "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE%INDEX%public.$name %' AND wait_event = 'PgSleep'");
			return $pid;
		},
		"an index of $name is being built") or $pair->describe_state("no index of $name is being built");
	return $pid;
}

# --- whoever dies

$pair->sql('CREATE TABLE public.first (id int PRIMARY KEY)');
$pair->subscribe('s', ['public.first'], create_missing => 'true', ddl => "'apply'");
$pair->start_subscription('s');
my $round = 0;

foreach my $victim ($pair->victims('s'))
{
	my ($who, $kill) = @$victim;
	my $name = 'killed_' . ++$round;

	# the last two when some indexes are there already
	halt($round > 2 ? 'CREATE INDEX' : '%INDEX');
	make_table($name);
	$pair->sql("SELECT dbsync.add_table('s', 'public.$name')");
	ok(building_pid($name), "$who: an index is being built");
	is(state_of($name), 'indexing', "$who: and the table says so");
	is(ask($target, "SELECT count(*) FROM public.$name"), 3000, "$who: its rows are there");
	like(ask($target, "SELECT obj_description('public.$name'::regclass)"), qr/^made by dbsync/, "$who: it says who made it");
	$pair->sql("UPDATE public.$name SET b = NULL WHERE id % 10 = 0; DELETE FROM public.$name WHERE id % 17 = 0");
	$kill->();
	go_on();
	becomes_live($name, "$who: it is live");
	$pair->arrives('s', "$who: all arrives");
	is_whole($name, $who);
}

# --- in the transaction that makes the table: it is made again

halt('COMMENT');
make_table('early');
$pair->sql("SELECT dbsync.add_table('s', 'public.early')");
ok(poll_until(sub { ask($target, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COMMENT ON TABLE public.early%' AND wait_event = 'PgSleep'") },
		'the table is being made'), 'the table is being made');
kill('KILL', $pair->worker_pid('s'));
go_on();
becomes_live('early', 'killed while the table is made: it is live');
is_whole('early', 'killed while the table is made');

# --- longer than the target may be silent otherwise

halt('%INDEX');
make_table('slow');
$pair->sql("SELECT dbsync.add_table('s', 'public.slow')");
my $pid = building_pid('slow');
ok(becomes_true($target, "SELECT clock_timestamp() - xact_start > '4 s' FROM pg_stat_activity WHERE pid = $pid"), 'an index takes longer than dbsync.target_timeout');
$pair->status_becomes('s', "state = 'waiting for target'", 'status says that the target is waited for');
is(building_pid('slow'), $pid, 'it is still the same that makes it');
go_on();
becomes_live('slow', 'a slow index is made');
is_whole('slow', 'slow');

# --- the source's table has changed when its indexes are made

halt('CREATE INDEX');
make_table('changing');
$pair->sql("SELECT dbsync.add_table('s', 'public.changing')");
building_pid('changing');
$pair->sql(<<'SQL');
ALTER TABLE public.changing ADD COLUMN z int DEFAULT 3;
CREATE INDEX changing_z ON public.changing (z);
DROP INDEX public.changing_d;
SQL
go_on();
becomes_live('changing', 'a table that changes meanwhile is live');
$pair->arrives('s', 'its changes arrive');
is_whole('changing', 'changing');

# --- one that cannot be made, and one whose index cannot be had: the others go on

$pair->sql('CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.lost (id int PRIMARY KEY, v text); CREATE INDEX lost_v ON elsewhere.lost (v)');
$pair->sql("INSERT INTO elsewhere.lost VALUES (1, 'one')");
make_table('locked');
$pair->sql("SELECT dbsync.add_table('s', 'elsewhere.lost')");
ok(becomes_true($source, "SELECT note LIKE '%target schema \"elsewhere\" does not exist; the statement was: CREATE TABLE elsewhere.lost (%' FROM dbsync.table_status WHERE \"table\" = 'elsewhere.lost'::regclass"),
	'a table that cannot be made says why');
halt('%INDEX');
$pair->sql("SELECT dbsync.add_table('s', 'public.locked')");
building_pid('locked');
my $session = $target->background_psql('postgres');
# behind the SHARE lock of the index that is being built comes this one, and then the next index
$session->query_safe('SET lock_timeout = 0');
kill('KILL', $pair->worker_pid('s'));
$pair->target_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE%INDEX%public.locked %'");
$session->query_safe("BEGIN; LOCK TABLE public.locked IN ROW EXCLUSIVE MODE");
go_on();
ok(poll_until(sub { slurp_log($source) =~ /index locked_a of target table "public\.locked" could not be made, and is tried again: canceling statement due to lock timeout/ },
		'an index is tried again'), 'an index whose lock is not to be had is tried again');
is(state_of('locked'), 'indexing', 'meanwhile the table is indexing');
$pair->sql("UPDATE public.locked SET b = 'new' WHERE id < 10; UPDATE public.slow SET b = 'new' WHERE id < 10");
ok(becomes_true($target, "SELECT count(*) = 9 FROM public.locked WHERE b = 'new'"), 'its rows flow');
ok(becomes_true($target, "SELECT count(*) = 9 FROM public.slow WHERE b = 'new'"), 'and those of others');
$session->query_safe('COMMIT');
$session->quit;
becomes_live('locked', 'it is live when the lock is free');
is_whole('locked', 'locked');
$pair->target_sql('CREATE SCHEMA elsewhere');
ok(becomes_true($source, "SELECT state = 'live' AND note IS NULL FROM dbsync.table_status WHERE \"table\" = 'elsewhere.lost'::regclass"),
	'a table whose schema has been made is made');
is(ask($target, "SELECT count(*) FROM pg_indexes WHERE schemaname = 'elsewhere'"), 2, 'with its indexes');

sub slurp_log
{
	my ($node) = @_;
	return PostgreSQL::Test::Utils::slurp_file($node->logfile);
}

DbsyncTest::finish();

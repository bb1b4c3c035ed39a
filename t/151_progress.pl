# How far it has come: dbsync.progress tells what is on the target, exactly, while a first copy
# stands still in the middle of a chunk, and says that all is there only when it is.  scripts/watch
# shows the same.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted);
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.copy_chunk_rows = 1000
autovacuum = off
CONF

# --- a gate at the target: who writes these rows of the ledger waits in its transaction

$pair->both('CREATE TABLE public.first (id int PRIMARY KEY)');
$pair->subscribe('gate', ['public.first']);
$pair->start_subscription('gate');
$pair->arrives('gate', 'a ledger is made');
$pair->target_sql(<<'SQL');
CREATE TABLE public.gates (rows bigint, side boolean);
CREATE FUNCTION public.wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	WHILE EXISTS (SELECT FROM public.gates g WHERE g.rows = NEW.rows
		AND g.side IN (false, current_setting('application_name') LIKE '%copy%')) LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN NEW;
END $$;
ALTER FUNCTION public.wait_at_gate() SET search_path = pg_catalog;
CREATE TRIGGER wait_at_gate BEFORE INSERT OR UPDATE ON dbsync_ledger.position
	FOR EACH ROW EXECUTE FUNCTION public.wait_at_gate();
ALTER TABLE dbsync_ledger.position ENABLE ALWAYS TRIGGER wait_at_gate;
SQL
$pair->stop_subscription('gate');
$pair->sql("SELECT dbsync.drop_subscription('gate')");

# The line of a table, or of the subscription, as a hash.
sub progress
{
	my ($subscription, $table) = @_;
	my $row = $pair->sql(sprintf(
		'SELECT to_json(p) FROM dbsync.progress p WHERE subscription = %s AND "table" IS NOT DISTINCT FROM %s',
		quoted($subscription), defined $table ? quoted($table) . '::regclass' : 'NULL'));
	return $row eq '' ? {} : JSON::PP::decode_json($row);
}

sub progress_becomes
{
	my ($subscription, $table, $condition, $test) = @_;
	my $reached = ok(becomes_true($pair->source, sprintf(
		'SELECT coalesce(bool_and(%s), false) FROM dbsync.progress WHERE subscription = %s AND "table" IS NOT DISTINCT FROM %s',
		"($condition)", quoted($subscription), defined $table ? quoted($table) . '::regclass' : 'NULL')), $test);

	$pair->describe_state('progress is ' . JSON::PP::encode_json(progress($subscription, $table))) unless $reached;
	return $reached;
}

# What is at the target, and how many bytes its values had as they travelled: a number of 4, and the text.
sub at_target
{
	my ($table) = @_;
	return split /\|/, $pair->target_sql("SELECT count(*), coalesce(sum(4 + octet_length(t)), 0) FROM $table");
}

sub is_as_at_target
{
	my ($subscription, $table, $test) = @_;
	my ($rows, $bytes) = at_target($table);
	my $line = progress($subscription, $table);

	is($line->{tuples_done}, $rows, "$test: rows that are done are those at the target");
	is($line->{bytes_done}, $bytes, "$test: and so are bytes");
	return $line;
}

# What scripts/watch says, once.
sub watched
{
	my (@options) = @_;
	my ($out, $err) = run_command([ $^X, 'scripts/watch', '--once', @options, $pair->source->connstr('postgres') ]);

	is($err, '', 'scripts/watch complains of nothing');
	return $out;
}

# --- nothing runs yet

$pair->both("CREATE TABLE public.$_ (id int PRIMARY KEY, t text)") foreach qw(items others parts);
$pair->sql("INSERT INTO public.items SELECT i, 'row ' || i FROM generate_series(1, 10000) i");
$pair->sql("INSERT INTO public.others SELECT i, 'row ' || i FROM generate_series(1, 10) i");
$pair->subscribe('s', [ 'public.items', 'public.others' ]);
my $line = progress('s', 'public.items');
is($line->{phase}, 'waiting', 'a table of a stopped subscription waits');
is($line->{waits_for}, 'its subscription, which is: stopped', 'and says for what');
is($line->{tuples_total}, undef, 'nobody knows how many rows a table has that was never analyzed');
is($line->{percent}, undef, 'nor how much of them is done');
$pair->sql('ANALYZE public.items; ANALYZE public.others');
is(progress('s', 'public.items')->{percent}, 0, 'of one that was analyzed nothing is done');

# --- a copy that stands still in the fourth of ten chunks

$pair->target_sql('INSERT INTO public.gates VALUES (4000, false)');
$pair->start_subscription('s');
progress_becomes('s', 'public.items', "tuples_processed = 4000 AND waits_for = 'the target''s answer'",
	'the fourth chunk has been sent, and is waited for');
$line = is_as_at_target('s', 'public.items', 'in the middle of a copy');
is($line->{tuples_done}, 3000, 'three chunks are there');
is($line->{phase}, 'copying', 'the table is being copied');
is($line->{tuples_total}, 10000, 'the rows that there are');
is($line->{percent}, 30, 'percent are of what is there, not of what was sent');
cmp_ok($line->{bytes_processed}, '>', $line->{bytes_done}, 'bytes of the fourth chunk are under way');
cmp_ok($line->{bytes_total}, '>', $line->{bytes_processed}, 'and more are to come');
is(progress('s', 'public.others')->{phase}, 'waiting', 'another table waits for its turn');
is(progress('s', 'public.others')->{waits_for}, 'its turn', 'and says so');
$line = progress('s');
is($line->{phase}, 'waiting for target', 'the subscription waits for its target');
like($line->{waits_for}, qr/^the target's answer, since /, 'and says so');
is("$line->{tables_done} of $line->{tables_total}", '0 of 2', 'no table is done');
is("$line->{tuples_done} of $line->{tuples_total}", '3000 of 10010', 'rows of all tables are counted');
is($line->{percent}, 29.9, 'and percent are rounded down');

# --- and so it is drawn

my $picture = watched();
like($picture, qr/^s: waiting for target, 0 of 2 tables$/m, 'the subscription is drawn');
like($picture, qr/^  \[[#]+-+\.+\]  29\.9 % 3 000 of 10 010 rows, /m, 'with a bar of what is there, what is under way, and what is left');
like($picture, qr/^  waits for: the target's answer, since /m, 'and what it waits for');
like($picture, qr/^  items: copying, waits for: the target's answer$|^  public\.items: copying, waits for: the target's answer$/m,
	'the table is drawn');
like($picture, qr/^    \[#{6}-{2}\.{12}\]  30\.0 % 3 000 of 10 000 rows, .* 1 000 under way/m, 'with the same figures');
unlike($picture, qr/[^\n\x20-\x7e]/, 'in plain text');
like(watched('--tables', '1'), qr/^  1 more table: 1 waiting$/m, 'tables for which there is no room are counted');

# --- whoever dies: what was under way is taken back

my $worker = $pair->worker_pid('s');
$pair->target_sql(<<'SQL');
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'dbsync s%';
SQL
progress_becomes('s', 'public.items', "tuples_processed = 4000 AND waits_for = 'the target''s answer'",
	'the fourth chunk is sent once more');
is_as_at_target('s', 'public.items', 'after the connection was lost');
kill('KILL', $worker);
poll_until(sub { !kill(0, $worker) }, 'end of the worker');
DbsyncTest::wait_until_up($pair->source);
progress_becomes('s', 'public.items', "tuples_processed = 4000 AND waits_for = 'the target''s answer'",
	'and by another worker');
is_as_at_target('s', 'public.items', 'after a crash');

# --- changes that come meanwhile wait

$pair->sql("UPDATE public.items SET t = t WHERE id = $_") foreach 1 .. 3;
progress_becomes('s', undef, 'lag_transactions = 3 AND lag_rows = 3', 'what waits is counted');
is($pair->sql("SELECT count(*) FROM dbsync.progress WHERE phase = 'live' OR percent = 100"), '0', 'nothing is live');

# --- all of it

$pair->target_sql('DELETE FROM public.gates');
$pair->arrives('s', 'the copy is complete');
progress_becomes('s', undef, "phase = 'live'", 'the subscription is live');
$line = is_as_at_target('s', 'public.items', 'when all is there');
is($line->{phase}, 'live', 'the table is live');
is($line->{percent}, 100, 'all of it is there');
is($line->{tuples_total}, 10000, 'and it is known how much that was');
is($line->{bytes_total}, $line->{bytes_done}, 'in bytes, too');
is(progress('s')->{percent}, 100, 'of the subscription as well');

# --- never live while something is missing: not even when the worker says nothing

$worker = $pair->worker_pid('s');
kill('STOP', $worker);
$pair->sql("INSERT INTO public.others VALUES (11, 'new')");
is(progress('s', 'public.others')->{phase}, 'catching up', 'a row waits, though the worker is frozen');
is(progress('s')->{phase}, 'catching up', 'and so its subscription is not live');
kill('CONT', $worker);
progress_becomes('s', 'public.others', "phase = 'live'", 'it is when the row is there');
$pair->same_at_both_ends('public.items', 'public.others');

# --- over two connections: between two commits the first chunk counts, the second does not

$pair->source->append_conf('postgresql.conf', 'dbsync.copy_connections = 2');
$pair->source->reload;
$pair->sql("INSERT INTO public.parts SELECT i, 'row ' || i FROM generate_series(1, 5000) i; ANALYZE public.parts");
$pair->subscribe('p', ['public.parts']);
$pair->target_sql('INSERT INTO public.gates VALUES (2600, true)');
$pair->start_subscription('p');
progress_becomes('p', 'public.parts', "tuples_done = 1600 AND waits_for = 'the target''s answer'",
	'the main connection has committed, the other has not');
$line = is_as_at_target('p', 'public.parts', 'between two commits');
is($line->{tuples_processed}, 2600, 'what the other one has sent is under way');
$pair->target_sql('DELETE FROM public.gates');
$pair->arrives('p', 'both are there');
progress_becomes('p', 'public.parts', "phase = 'live'", 'the table is live');
is_as_at_target('p', 'public.parts', 'over two connections');

$pair->source->append_conf('postgresql.conf', 'dbsync.copy_connections = 1');
$pair->source->reload;

# --- what a filter leaves out is not on the target, and is not missing

$pair->both("CREATE TABLE public.chosen (id int PRIMARY KEY, t text)");
$pair->sql("INSERT INTO public.chosen SELECT i, 'row ' || i FROM generate_series(1, 4000) i; ANALYZE public.chosen");
$pair->subscribe('f', ['public.first']);
$pair->sql("SELECT dbsync.add_table('f', 'public.chosen', filter => 'id % 4 = 0')");
$pair->target_sql('INSERT INTO public.gates VALUES (2000, false)');
$pair->start_subscription('f');
progress_becomes('f', 'public.chosen', "tuples_processed = 500 AND waits_for = 'the target''s answer'", 'half of it has been looked at');
$line = is_as_at_target('f', 'public.chosen', 'of a table with a filter');
is($line->{tuples_done}, 250, 'a quarter of a thousand rows was wanted');
is($line->{tuples_excluded}, 750, 'the others were left out');
is($line->{percent}, 25, 'and count as done');
$pair->target_sql('DELETE FROM public.gates');
$pair->arrives('f', 'the rest');
progress_becomes('f', 'public.chosen', "phase = 'live'", 'it is live');
is_as_at_target('f', 'public.chosen', 'when it is');
is(progress('f')->{phase}, 'live', 'and the subscription, though nothing is written any more');

# --- a wrong estimate is no estimate

$pair->both('CREATE TABLE public.grown (id int PRIMARY KEY, t text)');
$pair->sql("INSERT INTO public.grown SELECT i, 'x' FROM generate_series(1, 100) i; ANALYZE public.grown");
$pair->sql("INSERT INTO public.grown SELECT i, 'x' FROM generate_series(101, 5000) i");
$pair->subscribe('g', ['public.grown']);
is(progress('g', 'public.grown')->{tuples_total}, 100, 'an estimate of long ago');
$pair->target_sql('INSERT INTO public.gates VALUES (3000, false)');
$pair->start_subscription('g');
progress_becomes('g', 'public.grown', 'tuples_done >= 1000', 'more than that is there');
is(progress('g', 'public.grown')->{tuples_total}, undef, 'how many there are nobody knows then');
is(progress('g', 'public.grown')->{percent}, undef, 'nor how much is done');
$pair->target_sql('DELETE FROM public.gates');
$pair->arrives('g', 'all of it is there');

# --- a table that is held

$pair->target_sql('ALTER TABLE public.others RENAME t TO u');
$pair->sql("INSERT INTO public.others VALUES (12, 'refused')");
progress_becomes('s', 'public.others', "phase = 'held' AND waits_for IS NOT NULL", 'a held table says so');
progress_becomes('s', undef, "phase = 'waiting' AND waits_for LIKE '%held%'", 'and its subscription is not live');
$pair->target_sql('ALTER TABLE public.others RENAME u TO t');
$pair->sql("SELECT dbsync.resume_table('s', 'public.others')");
progress_becomes('s', undef, "phase = 'live'", 'until it goes on');

# --- a name is no command for a terminal

my $evil = qq{"e\e]0;title\a\x{c2}\x{9b}2J\n\tx"};
$pair->both("CREATE TABLE public.$evil (id int PRIMARY KEY)");
$pair->subscribe('evil', ["public.$evil"]);
$picture = watched();
like($picture, qr/public\."e\\x\{1b\}\]0;title\\x\{7\}\\x\{9b\}2J\\x\{a\}\\x\{9\}x"/, 'what is no letter is spelled out');
unlike($picture, qr/[^\n\x20-\x7e]/, 'and nothing of it reaches the terminal');

# --- it goes on where the server does not

my ($out, $in) = ('', '');
my $watch = IPC::Run::start([ $^X, 'scripts/watch', '--interval', '0.2', $pair->source->connstr('postgres') ],
	'<', \undef, '>', \$out, '2>&1', IPC::Run::timer(4 * $PostgreSQL::Test::Utils::timeout_default));
ok(poll_until(sub { $watch->pump_nb; $out =~ /^s: live/m }, 'a picture'), 'pictures are drawn');
$pair->source->stop('immediate');
ok(poll_until(sub { $watch->pump_nb; $out =~ /^No answer from the server for/m }, 'no answer'), 'it says that the server is gone');
$pair->source->start;
ok(poll_until(sub { $watch->pump_nb; $out =~ /^The server is back, after .*^s: live/ms }, 'the server is back'),
	'and that it is back');
$watch->signal('INT');
$watch->finish;
is($watch->full_result(0) >> 8, 130, 'it ends when it is told to');

SKIP:
{
	skip 'there is no script (of util-linux)', 4 if system('script --version >/dev/null 2>&1') != 0;
	local $ENV{TERM} = 'xterm';
	local $ENV{CONNSTR} = $pair->source->connstr('postgres');
	($out, $in) = ('', '');
	my $terminal = IPC::Run::start([ 'script', '-qefc', qq{exec $^X scripts/watch --interval 0.2 "\$CONNSTR"}, '/dev/null' ],
		'<', \$in, '>', \$out, '2>&1', IPC::Run::timer(4 * $PostgreSQL::Test::Utils::timeout_default));
	ok(poll_until(sub { $terminal->pump_nb; $out =~ /s: live/ }, 'a picture'), 'in a terminal');
	like($out, qr/^\e\[\?1049h\e\[\?25l/, 'it takes another screen');
	$in = "\x03";
	$terminal->finish;
	like($out, qr/\e\[\?25h\e\[\?1049l[^\e]*$/, 'and gives it back at Ctrl-C');
	unlike($out, qr/\a|\e\]|\x9b/, 'and no name has reached it');
}

# --- who may look

$pair->sql('CREATE ROLE stranger; CREATE ROLE watcher IN ROLE pg_monitor');
my ($status, undef, $error) = $pair->source->psql('postgres', 'SET ROLE stranger; TABLE dbsync.progress');
isnt($status, 0, 'a stranger sees nothing');
like($error, qr/permission denied/, 'and is told so');
$pair->sql('GRANT USAGE ON SCHEMA dbsync TO stranger; GRANT SELECT ON dbsync.progress TO stranger;
	GRANT EXECUTE ON FUNCTION dbsync.subscription_progress() TO stranger');
is($pair->sql('SET ROLE stranger; SELECT count(*) FROM dbsync.progress'), '0', 'nor what is not his');
is($pair->sql('SET ROLE watcher; SELECT count(*) > 5 FROM dbsync.progress'), 't', 'a monitor sees all');

DbsyncTest::finish();

# A first copy over two connections: each range of keys is a batch of its own, so
# whatever dies between the two commits leaves nothing that has to be taken back;
# rows of others stay, and what cannot go over two connections goes over one.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until random_below);
use DbsyncTest::Bank;
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.copy_chunk_rows = 2000
dbsync.copy_connections = 2
dbsync.segment_size = '512kB'
dbsync.retention_interval = '200ms'
CONF

# --- the ledger on the target notes who writes to it, and who is halted waits
#     there, in its transaction, with COMMIT behind it in the socket

$pair->both('CREATE TABLE public.small (id int PRIMARY KEY)');
$pair->subscribe('s', ['public.small']);
$pair->start_subscription('s');
$pair->arrives('s', 'a ledger is made');
$pair->target_sql(<<'SQL');
CREATE TABLE public.halts (who text, round int);
CREATE TABLE public.writers (who text);
CREATE FUNCTION public.note_writer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	me text := CASE WHEN current_setting('application_name') LIKE '%copy%' THEN 'side' ELSE 'main' END;
	now int;
BEGIN
	INSERT INTO public.writers VALUES (me);
	-- the moments meant are those of two connections
	IF NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'dbsync%copy%') THEN
		RETURN NEW;
	END IF;
	SELECT h.round INTO now FROM public.halts h WHERE h.who = me;
	WHILE EXISTS (SELECT FROM public.halts h WHERE h.who = me AND h.round = now) LOOP
		-- the halted backend itself waits here until the next round begins, or none is
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN NEW;
END $$;
ALTER FUNCTION public.note_writer() SET search_path = pg_catalog;
CREATE TRIGGER note_writer BEFORE UPDATE ON dbsync_ledger.position
	FOR EACH ROW EXECUTE FUNCTION public.note_writer();
ALTER TABLE dbsync_ledger.position ENABLE ALWAYS TRIGGER note_writer;
SQL

my %application = (main => "NOT LIKE '%copy%'", side => "LIKE '%copy%'");

sub pids_of
{
	my ($who, $condition) = @_;
	return split /\n/, ask($pair->target, <<"SQL") // '';
SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'dbsync s%'
AND application_name $application{$who} AND backend_type = 'client backend' AND $condition
SQL
}

sub all_live
{
	my $live = ask($pair->source, "SELECT bool_and(state = 'live') FROM dbsync.table_status");
	return ($live // '') eq 't';
}

sub copied
{
	return ask($pair->target, 'SELECT coalesce(sum(rows), 0) FROM dbsync_ledger.position');
}

# how often a side connection has written since it was last asked
sub written_by_sides
{
	return $pair->target_sql(
		"WITH w AS (DELETE FROM public.writers RETURNING who) SELECT count(*) FROM w WHERE who = 'side'");
}

sub kill_pid
{
	my ($node, $pid) = @_;
	kill('KILL', $pid);
	poll_until(sub { !kill(0, $pid) }, "end of process $pid");
	DbsyncTest::wait_until_up($node);
	return;
}

sub kill_one
{
	my ($who) = @_;
	my ($pid) = pids_of($who, 'true') or return;
	kill_pid($pair->target, $pid);
	return;
}

my @accidents = (
	[ 'the worker' => sub { kill_pid($pair->source, $pair->worker_pid('s') // return) } ],
	[ 'the side connection' => sub { kill_one('side') } ],
	[ 'the main connection' => sub { kill_one('main') } ],
	[ 'the target' => sub { DbsyncTest::crash_and_restart($pair->target) } ],
	[ 'the source' => sub { DbsyncTest::crash_and_restart($pair->source) } ]);

# --- tables whose keys the two ends may order differently, and writers that move
#     rows across all boundaries

my $rows = 90_000;
my $icu = $pair->sql("SELECT count(*) FROM pg_collation WHERE collname = 'en-x-icu'");
my $collation = $icu ? 'COLLATE "en-x-icu"' : '';
$pair->sql("CREATE TABLE public.words (a text $collation, b int, v int, PRIMARY KEY (a, b))");
$pair->target_sql('CREATE TABLE public.words (a text COLLATE "C", b int, v int, PRIMARY KEY (a, b))');
$pair->both('CREATE TABLE public.numbers (id int PRIMARY KEY, v int, t text)');
$pair->sql(<<"SQL");
INSERT INTO public.words
SELECT CASE WHEN i % 2 = 0 THEN upper(md5(i::text)) ELSE md5(i::text) END, i % 7, 0 FROM generate_series(1, $rows) i;
INSERT INTO public.numbers SELECT i, 0, 'row ' || i FROM generate_series(1, $rows) i;
SQL

my $bank = DbsyncTest::Bank->open_bank($pair);
my @tables = (@DbsyncTest::Bank::tables, 'public.words', 'public.numbers');
sub load
{
	my ($command) = @_;

	push @{ $bank->{loads} }, DbsyncTest::Bank::start_process(
		sub {
			my @psql = ('psql', '-Xq', '-h', $pair->source->host, '-p', $pair->source->port, 'postgres');
			# whose sessions stop_load waits for
			$ENV{PGAPPNAME} = 'bank';
			open(my $in, '|-', @psql) or return;
			print $in $command x 20;
			close($in);
		});
	return;
}
$bank->start_load(rate => 50);
load(<<'SQL');
UPDATE public.words SET b = 6 - b, v = v + 1 WHERE lower(a) LIKE substr(md5(random()::text), 1, 2) || '%';
DELETE FROM public.words WHERE lower(a) LIKE substr(md5(random()::text), 1, 3) || '%';
INSERT INTO public.words SELECT md5(random()::text), 1, 1 FROM generate_series(1, 20) ON CONFLICT DO NOTHING;
UPDATE public.numbers SET id = -id, v = v + 1 WHERE abs(id) % 500 = (random() * 499)::int;
DELETE FROM public.numbers WHERE abs(id) % 2000 = (random() * 1999)::int;
SQL
$pair->sql("SELECT dbsync.add_table('s', '$_')") foreach @tables;
ok(becomes_true($pair->target, "SELECT count(*) > 0 FROM public.words"), 'a copy begins');

# a row of the target's own, behind all that is copied
$pair->target_sql("INSERT INTO public.words VALUES ('~', 0, -1)");

# --- halt one of the two within its transaction, at its ledger write, and let an
#     accident happen: before the first commit, and between the two

my $copied = 0;
my $precise = 0;
my $round = 0;
my %was_halted;
foreach my $who ('side', 'main')
{
	foreach (@accidents)
	{
		my ($name, $accident) = @$_;
		my $halted;

		# in one go, so that the copy does not run to its end in between
		$round++;
		$pair->target_sql("BEGIN; DELETE FROM public.halts; INSERT INTO public.halts VALUES ('$who', $round); COMMIT");
		poll_until(
			sub {
				($halted) = grep { !$was_halted{$_} } pids_of($who, "wait_event = 'PgSleep'");
				return $halted || all_live();
			},
			"$who waits at the ledger")
		  or $pair->describe_state("$who does not come to its ledger write");
		if ($halted)
		{
			$precise++;
			$was_halted{$halted} = 1;
			my $before = copied();
			$accident->();
			DbsyncTest::wait_until_up($pair->target);
			cmp_ok(copied(), '>=', $before, "$who at its commit, end of $name: nothing copied is lost");
		}
	}
}
$pair->target_sql('DELETE FROM public.halts');
is($precise, 10, 'all accidents came at their moments');

# --- the same at any moment

foreach my $i (0 .. 9)
{
	last if all_live();
	my ($name, $accident) = @{ $accidents[ $i % @accidents ] };
	my $before = copied();
	my $goal = $before + 1 + random_below(3000);
	poll_until(sub { (copied() // 0) >= $goal || all_live() }, "$goal copied rows")
	  or $pair->describe_state('the copy does not move on');
	$accident->();
	DbsyncTest::wait_until_up($pair->target);
	cmp_ok(copied(), '>=', $before, "end of $name: nothing copied is lost");
}
ok(poll_until(\&all_live, 'end of the copies'), 'the copies end under load')
  or $pair->describe_state('still copying');
cmp_ok(written_by_sides(), '>', 0, 'two connections were at work');
ok(poll_until(sub { !pids_of('side', 'true') }, 'end of the side connection'),
	'the second connection ends with the last copy');
is($pair->target_sql("DELETE FROM public.words WHERE a = '~' RETURNING v"), '-1',
	"the target's own row is still there");
$bank->stop_load;
$pair->arrives('s', 'all changes arrive');
$pair->same_at_both_ends(@tables);

# --- a subscription that is stopped in between, and started again

sub other_table
{
	my ($name, $more, $rows) = @_;

	$rows //= 10_000;
	$pair->both("CREATE TABLE public.$name (id int PRIMARY KEY, v int, t text)");
	$pair->target_sql($more) if $more;
	$pair->sql("INSERT INTO public.$name SELECT i, -i, 'x' FROM generate_series(1, $rows) i");
	$pair->sql("SELECT dbsync.add_table('s', 'public.$name')");
	return;
}

written_by_sides();
$pair->target_sql("INSERT INTO public.halts VALUES ('side', 0)");
# (many, so that the main connection has not done all before another is there)
other_table('stopped', undef, 60_000);
ok(poll_until(sub { pids_of('side', "wait_event = 'PgSleep'") }, 'a halted side'), 'a side connection is at its commit');
$pair->stop_subscription('s');
$pair->target_sql('DELETE FROM public.halts');
$pair->sql("UPDATE public.stopped SET t = 'y' WHERE id % 3 = 0");
$pair->sql('DELETE FROM public.stopped WHERE id % 5 = 0');
$pair->start_subscription('s');
$pair->arrives('s', 'stopped in the middle, it goes on');
$pair->same_at_both_ends('public.stopped');
cmp_ok(written_by_sides(), '>', 0, 'over two connections');

# --- of which something was chosen: what is sent is worked out on the way to each connection; long
#     ranges of keys of which the filter leaves nothing, and rows that enter and leave it meanwhile

sub chosen_at
{
	my ($node, $query) = @_;
	return ask($node, "SELECT count(*) || ' ' || md5(string_agg(r::text, ',' ORDER BY number)) FROM ($query) r");
}

$pair->sql(<<'SQL');
CREATE TABLE public.chosen (id int PRIMARY KEY, k int, v text, large text);
ALTER TABLE public.chosen ALTER large SET STORAGE EXTERNAL;
CREATE TABLE public.looked_up (k int PRIMARY KEY, name text);
INSERT INTO public.looked_up SELECT i, 'name ' || i FROM generate_series(0, 9) i;
INSERT INTO public.chosen SELECT i, CASE WHEN i BETWEEN 8000 AND 32000 THEN 3 ELSE i % 10 END, 'v' || i, repeat(md5(i::text), 70)
FROM generate_series(1, 60000) i;
SQL
$pair->target_sql('CREATE TABLE public.chosen (number int PRIMARY KEY, v text, name text, tail text)');
my $chosen = <<'SQL';
SELECT id AS number, upper(v) AS v, (SELECT l.name FROM looked_up l WHERE l.k = c.k) AS name, right(large, 5) AS tail
FROM public.chosen c WHERE k <> 3 AND left(large, 1) < 'c'
SQL
written_by_sides();
$pair->target_sql("INSERT INTO public.halts VALUES ('side', 0)");
$pair->sql(<<'SQL');
SELECT dbsync.add_table('s', 'public.chosen',
	columns => ARRAY['id AS number', 'upper(v) AS v', '(SELECT l.name FROM looked_up l WHERE l.k = chosen.k) AS name', 'right(large, 5) AS tail'],
	filter => $$k <> 3 AND left(large, 1) < 'c'$$)
SQL
ok(poll_until(sub { pids_of('side', "wait_event = 'PgSleep'") }, 'a halted side'), 'a side connection is at its commit');
# some of it where chunks have been, some where they come, one row across
$pair->sql(<<'SQL');
UPDATE public.chosen SET k = 4 WHERE id % 50 = 0;
UPDATE public.chosen SET k = 3 WHERE id % 50 = 1;
UPDATE public.chosen SET v = 'changed' WHERE id % 50 = 2;
UPDATE public.chosen SET large = 'd' || large WHERE id % 50 = 3;
UPDATE public.chosen SET large = 'a' || large WHERE id % 50 = 4;
UPDATE public.chosen SET id = id + 100000 WHERE id % 500 = 5;
UPDATE public.chosen SET id = -id WHERE id % 500 = 6;
DELETE FROM public.chosen WHERE id % 50 = 7;
SQL
kill_one('side');
$pair->target_sql('DELETE FROM public.halts');
$pair->sql("UPDATE public.chosen SET k = 3 - k WHERE k IN (0, 3) AND id % 3 = 0");
kill_one('main');
$pair->arrives('s', 'what was chosen of a table is copied over two connections');
is(chosen_at($pair->target, 'TABLE public.chosen'), chosen_at($pair->source, $chosen), 'it is what its own query gives');
cmp_ok(written_by_sides(), '>', 0, 'over two connections');
# once more, with another choice, while it flows
$pair->sql(<<'SQL');
BEGIN;
SELECT dbsync.alter_table('s', 'public.chosen', filter => 'k <> 4 OR id % 2 = 0');
UPDATE public.chosen SET k = 4 WHERE id % 40 = 9;
COMMIT;
SQL
$pair->arrives('s', 'another choice is copied, too');
$chosen =~ s/WHERE k <> 3.*/WHERE k <> 4 OR id % 2 = 0/;
is(chosen_at($pair->target, 'TABLE public.chosen'), chosen_at($pair->source, $chosen), 'it is what its own query gives');
cmp_ok(written_by_sides(), '>', 0, 'over two connections');

# --- where one could wait for the other, one does it all

other_table('twice', 'ALTER TABLE public.twice ADD UNIQUE (v)');
$pair->arrives('s', 'a table with another unique index is copied');
$pair->same_at_both_ends('public.twice');
is(written_by_sides(), '0', 'over one connection');

$pair->target_sql(<<'SQL');
CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
SQL
$pair->sql("ALTER SERVER far OPTIONS (ADD before_triggers 'true')");
other_table('fires', <<'SQL');
CREATE TRIGGER t BEFORE INSERT ON public.fires FOR EACH ROW EXECUTE FUNCTION public.nothing();
ALTER TABLE public.fires ENABLE ALWAYS TRIGGER t;
SQL
$pair->arrives('s', 'a table with a trigger that fires is copied');
$pair->same_at_both_ends('public.fires');
is(written_by_sides(), '0', 'over one connection');

# --- rows of a range that somebody is about to insert: the side connection does
#     not wait for them, the main one meets them and says so, and it ends with them

$pair->target_sql("INSERT INTO public.halts VALUES ('side', 0)");
other_table('taken');
ok(poll_until(sub { pids_of('side', "wait_event = 'PgSleep'") }, 'a halted side'), 'a copy is under way');
$pair->target_sql("INSERT INTO public.taken VALUES (9000, 0, 'theirs')");
$pair->target_sql('DELETE FROM public.halts');
$pair->arrives('s', 'a row that is in the way is replaced');
$pair->same_at_both_ends('public.taken');

# --- one connection by choice

$pair->sql("ALTER SYSTEM SET dbsync.copy_connections = 1");
$pair->sql('SELECT pg_reload_conf()');
becomes_true($pair->source, "SELECT setting = '1' FROM pg_settings WHERE name = 'dbsync.copy_connections'");
$pair->stop_subscription('s');
$pair->start_subscription('s');
written_by_sides();
other_table('alone');
$pair->arrives('s', 'a table is copied over one connection');
$pair->same_at_both_ends('public.alone');
is(written_by_sides(), '0', 'no other has written');
$pair->sql("ALTER SYSTEM RESET dbsync.copy_connections");
$pair->sql("ALTER SYSTEM SET dbsync.copy_connections = 3");
$pair->sql('SELECT pg_reload_conf()');

# --- three, and a target that gives but one

$pair->stop_subscription('s');
$pair->start_subscription('s');
other_table('three', undef, 60_000);
$pair->arrives('s', 'a table is copied over three connections');
$pair->same_at_both_ends('public.three');
cmp_ok(written_by_sides(), '>', 0, 'others have written');

$pair->target_sql(<<'SQL');
CREATE ROLE poor LOGIN CONNECTION LIMIT 1;
CREATE TABLE public.rationed (id int PRIMARY KEY, t text);
ALTER TABLE public.rationed OWNER TO poor;
GRANT USAGE ON SCHEMA dbsync_ledger TO poor;
GRANT SELECT, INSERT, UPDATE, DELETE ON dbsync_ledger.position TO poor;
GRANT SELECT ON public.halts TO poor;
GRANT SELECT, INSERT ON public.writers TO poor;
SQL
$pair->sql('CREATE TABLE public.rationed (id int PRIMARY KEY, t text)');
$pair->sql("INSERT INTO public.rationed SELECT i, 'x' FROM generate_series(1, 10000) i");
$pair->create_target('narrow', DbsyncTest::uri_of($pair->target, user => 'poor'));
$pair->subscribe('rationed', ['public.rationed'], target => 'narrow');
my $log_before = -s $pair->source->logfile;
$pair->start_subscription('rationed');
$pair->arrives('rationed', 'a target that gives one connection only gets all rows');
$pair->same_at_both_ends('public.rationed');
like(substr(slurp_file($pair->source->logfile), $log_before), qr/goes on over one connection.*too many connections/s,
	'and the log says why');

DbsyncTest::finish();

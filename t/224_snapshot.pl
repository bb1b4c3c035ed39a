# capture => 'snapshot': random changes at both ends between comparisons, of tables, views with joins and materialized views, with odd
# settings at both ends, while the worker, the process that compares, and both servers are killed in the middle and between groups: in
# the end both ends are equal.  Others' changes do not wait, nor does anybody for it.  Hazards 61 to 63.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted random_below uri_of);
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 1;
my $pair = DbsyncTest->new(source_conf => "dbsync.batch_rows = 200\ndbsync.copy_chunk_rows = 700\n");
my $source = $pair->source;
my $target = $pair->target;

# --- hazard 61: what either end writes otherwise by itself is no difference

foreach my $node ($source, $target)
{
	my $here = $node == $source;
	my @odd = (
		"datestyle = '" . ($here ? 'German, DMY' : 'SQL, MDY') . "'", 'extra_float_digits = ' . ($here ? -10 : 0),
		"bytea_output = '" . ($here ? 'escape' : 'hex') . "'", "IntervalStyle = '" . ($here ? 'sql_standard' : 'iso_8601') . "'",
		"TimeZone = '" . ($here ? 'Asia/Kathmandu' : 'America/Caracas') . "'", "search_path = 'nowhere'", 'row_security = on',
		"standard_conforming_strings = " . ($here ? 'off' : 'on'), "xmloption = " . ($here ? 'document' : 'content'));
	$node->safe_psql('postgres', "ALTER DATABASE postgres SET $_") foreach @odd;
	$node->safe_psql('postgres', "ALTER ROLE CURRENT_USER SET $_") foreach @odd[ 0, 4 ];
}

$pair->both('CREATE TABLE public.plain (id int PRIMARY KEY, v text, f float8, b bytea, i interval, t timestamptz, d date, n numeric)'
	  . '; CREATE TABLE public.lines (a text COLLATE "C", b numeric, v text, PRIMARY KEY (a, b)); CREATE TABLE public.captured (id int PRIMARY KEY, v text)'
	  . '; CREATE TABLE public.moving (id int PRIMARY KEY, u int, v text)');
$pair->sql(<<'SQL');
CREATE TABLE public.customer (id int PRIMARY KEY, name text);
CREATE TABLE public.purchase (id int PRIMARY KEY, customer int, at timestamptz, amount float8, span interval, raw bytea);
CREATE VIEW public.bought AS SELECT p.id AS purchase, c.name, p.at, p.amount, p.span, p.raw FROM public.purchase p JOIN public.customer c ON c.id = p.customer;
CREATE VIEW public.outer_view AS SELECT name, count(*) AS n, sum(amount::numeric) AS amount FROM public.bought GROUP BY name;
CREATE MATERIALIZED VIEW public.totals AS SELECT customer, count(*) AS n, max(at) AS latest FROM public.purchase GROUP BY customer;
INSERT INTO public.customer SELECT i, 'customer ' || i FROM generate_series(1, 50) i;
INSERT INTO public.plain SELECT i, 'v' || i, random() / 3, decode(md5(i::text), 'hex'), i * interval '1 day 00:00:01.5', now() - i * interval '1 s', current_date - i, random()::numeric
    FROM generate_series(1, 3000) i;
INSERT INTO public.lines SELECT 'a' || i % 20, i / 10.0, 'v' || i FROM generate_series(1, 1000) i;
INSERT INTO public.purchase SELECT i, i % 50 + 1, now() - i * interval '1 minute', random() / 7, i * interval '1 month 1 s', decode(md5(i::text), 'hex') FROM generate_series(1, 2000) i;
REFRESH MATERIALIZED VIEW public.totals;
ALTER TABLE public.moving ADD UNIQUE (u) DEFERRABLE INITIALLY DEFERRED;
INSERT INTO public.moving SELECT i, i, 'v' FROM generate_series(0, 1999) i;
SQL
$pair->target_sql('ALTER TABLE public.moving ADD UNIQUE (u); CREATE TABLE public.bought (purchase int PRIMARY KEY, name text, at timestamptz, amount float8, span interval, raw bytea);'
	  . ' CREATE TABLE public.outer_view (name text PRIMARY KEY, n bigint, amount numeric); CREATE TABLE public.totals (customer int PRIMARY KEY, n bigint, latest timestamptz)');

my @tables = map { "public.$_" } 'plain', 'lines', 'bought', 'outer_view', 'totals', 'moving';
my %key = ('public.bought' => '{purchase}', 'public.outer_view' => '{name}', 'public.totals' => '{customer}');

$pair->subscribe('snap', ['public.captured']);
foreach my $table (@tables)
{
	my $key = $key{$table} ? ", key => '$key{$table}'" : '';
	$pair->sql(qq(SELECT dbsync.add_table('snap', '$table', capture => 'snapshot', options => '{"scan": "interval 200 ms"}'$key)));
}
$pair->start_subscription('snap');
$pair->arrives('snap', 'empty targets are copied, in chunks');
$pair->same_at_both_ends(@tables);

sub worked_out
{
	my ($what) = @_;
	return ask($source, "SELECT $what FROM dbsync_internal.scan s JOIN dbsync.subscription_table a ON a.uid = s.attachment"
		  . " JOIN dbsync.captured_table c ON c.id = a.captured_id WHERE c.relid = 'public.plain'::regclass");
}

my $began = worked_out('s.begun');
ok(poll_until(sub { (worked_out('s.begun') // '') ne $began }, 'another comparison'), 'they are compared on their schedule');
is(ask($source, "SELECT string_agg(DISTINCT s.verdict, ' ') FROM dbsync_internal.scan s WHERE s.verdict <> 'running'"), 'equal', 'hazard 61: and what is only written otherwise is equal');
is($pair->sql("SELECT string_agg(verdict, ' ') FROM dbsync.verify('snap')"), join(' ', ('equal') x 7), 'verify() says so, too');

# --- random changes at both ends; accidents between groups, and in the middle

my %change_here = (
	'public.plain' => [
		'UPDATE public.plain SET v = v || 1, f = random() / 3, t = now() WHERE id % 7 = %d', 'DELETE FROM public.plain WHERE id % 11 = %d',
		'INSERT INTO public.plain (id, v, f, i) SELECT i, NULL, random(), i * interval \'1 us\' FROM generate_series(%d * 100, %d * 100 + 500) i ON CONFLICT DO NOTHING',
		'UPDATE public.plain SET id = -id WHERE id % 13 = %d' ],
	'public.lines' => [ 'UPDATE public.lines SET b = b + 1000, v = \'moved\' WHERE ctid IN (SELECT ctid FROM public.lines ORDER BY random() LIMIT 50)',
		'INSERT INTO public.lines SELECT \'a%d\', 100000 + i + random()::numeric, \'new\' FROM generate_series(1, 100) i', 'UPDATE public.lines SET v = v || %d' ],
	'public.bought' => [ 'UPDATE public.customer SET name = \'renamed \' || id || \' \' || txid_current() WHERE id %% 10 = %d', 'DELETE FROM public.purchase WHERE id %% 17 = %d',
		'UPDATE public.purchase SET amount = random(), span = span * 2 WHERE id %% 5 = %d' ],
	'public.moving' => [ 'UPDATE public.moving SET u = (u + 137 * %d) %% 2000', 'UPDATE public.moving SET u = 1999 - u', 'UPDATE public.moving SET v = v || %d WHERE id %% 3 = %d' ],
	'public.totals' => ['REFRESH MATERIALIZED VIEW public.totals']);
$_ =~ s/(?<!%)% (?=\d)/%% /g foreach map { @$_ } values %change_here;

# hazard 62: others write at the target, and the next comparison takes that back
my @change_there = ('UPDATE public.plain SET v = \'theirs\' WHERE id %% 19 = %d', 'DELETE FROM public.bought WHERE purchase %% 23 = %d',
	'INSERT INTO public.lines SELECT \'theirs\', 5000000 + i + random()::numeric, \'x\' FROM generate_series(1, 60) i', 'UPDATE public.totals SET n = n + %d',
	'DELETE FROM public.outer_view WHERE n %% 2 = %d', 'DELETE FROM public.moving WHERE id %% 29 = %d');

sub change
{
	my ($node, $sql) = @_;
	my ($status, undef, $error) = $node->psql('postgres', sprintf($sql, map { random_below(7) } 1 .. 3));
	diag($error) if $status != 0 && $error !~ /duplicate key|terminating|server closed|starting up|shut(ting)? down/;
	return;
}

sub change_much
{
	change($source, $_) foreach map { @$_ } map { $change_here{$_} } sort keys %change_here;
	change($target, $_) foreach @change_there;
	return;
}

# The process that compares, if there is one.
sub process_pid
{
	my ($pid) = split /\n/, ask($source, "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'dbsync verify%'") // '';
	return $pid;
}

sub kill_and_wait
{
	my ($pid) = @_;
	return if !defined $pid || $pid !~ /^\d+$/;
	kill('KILL', $pid);
	poll_until(sub { !kill(0, $pid) }, "end of process $pid");
	DbsyncTest::wait_until_up($source);
	return;
}

my @accidents = (
	$pair->victims('snap'),
	[ 'the process that compares' => sub { kill_and_wait(process_pid()) } ],
	[ 'the process that compares, ended' => sub { my $pid = process_pid(); ask($source, "SELECT pg_terminate_backend($pid)") if $pid; } ]);

# Keys are written down, and their rows are on the way.
sub in_the_middle { return poll_until(sub { (ask($source, 'SELECT count(*) > 0 FROM dbsync_internal.repair_key') // '') eq 't' }, 'keys on their way'); }

foreach my $round (1 .. $rounds)
{
	foreach my $accident (@accidents)
	{
		my ($name, $do) = @$accident;

		change_much();
		ok(in_the_middle(), "keys of what differs are on their way ($name)");
		$do->();
		change_much();
		$do->() if random_below(2);
		$pair->sql("INSERT INTO public.captured VALUES ($round * 100 + " . random_below(100) . ", 'x') ON CONFLICT DO NOTHING");
		$pair->arrives('snap', "all arrives after the death of $name");
		$pair->same_at_both_ends(@tables, 'public.captured');
	}
}
is($pair->sql('SELECT count(*) FROM dbsync_internal.repair_key'), 0, 'no keys are left over');
is($pair->sql("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'dbsync%' AND tgrelid <> 'public.captured'::regclass"), 0, 'no trigger is on what is compared');

# --- nobody waits

# one that is stopped in the middle: others' changes travel on
$pair->sql("UPDATE public.plain SET v = v || 'y'");
my $pid;
ok(poll_until(sub { $pid = process_pid(); defined $pid && $pid =~ /^\d+$/ && kill('STOP', $pid) }, 'a process that compares'), 'a comparison is stopped in the middle');
$pair->sql("INSERT INTO public.captured VALUES (1000001, 'beside')");
ok(becomes_true($target, 'SELECT count(*) = 1 FROM public.captured WHERE id = 1000001'), 'others\' changes do not wait for a comparison');
kill('CONT', $pid);

# somebody who has locked a table that a view reads keeps that one from being compared, and nothing else
my $locker = $source->background_psql('postgres', on_error_stop => 0);
$locker->query_safe("SET lock_timeout = '60s'");
$locker->query('BEGIN; LOCK TABLE public.purchase');
is($pair->sql("SELECT count(*) FROM pg_locks WHERE relation = 'public.purchase'::regclass AND mode = 'AccessExclusiveLock' AND granted"), 1,
	'hazard 63: who wants a table for himself has it');
$pair->sql("INSERT INTO public.captured VALUES (1000002, 'beside')");
$pair->sql("INSERT INTO public.plain (id, v) VALUES (1000000, 'z')");
ok(becomes_true($target, 'SELECT count(*) = 1 FROM public.captured WHERE id = 1000002'), 'others\' changes do not wait for who has locked what a view reads');
ok(becomes_true($target, 'SELECT count(*) = 1 FROM public.plain WHERE id = 1000000'), 'nor are other tables kept from being compared');
$locker->query_safe('COMMIT');
$locker->quit;
$pair->arrives('snap', 'then it is');
$pair->same_at_both_ends(@tables);

# --- what comes to nothing is seen, the others go on, and each later comparison tries again

$pair->sql('CREATE TABLE public.saved AS SELECT * FROM public.plain; TRUNCATE public.plain; UPDATE public.purchase SET amount = 1 WHERE id = 1');
$pair->status_becomes('snap', "last_error LIKE 'comparing table public.plain with its target came to nothing%'", 'a source that shows no rows is told of in status')
  or diag($pair->sql('SELECT * FROM dbsync.status'));
like($pair->sql("SELECT note FROM dbsync.table_status WHERE \"table\" = 'public.plain'::regclass"), qr/the source has 0 rows, less than half/, 'and in table_status');
isnt($pair->target_sql('SELECT count(*) FROM public.plain'), 0, 'it does not empty the target');
is($pair->sql("SELECT dbsync.wait_for('snap', timeout => '1 s')"), 'f', 'who waits is not told that all is there');
$pair->sql("UPDATE public.customer SET name = 'beside' WHERE id = 7");
ok(becomes_true($target, "SELECT count(*) > 0 FROM public.bought WHERE name = 'beside'"), 'others are compared');
$pair->sql('INSERT INTO public.plain SELECT * FROM public.saved');
$pair->arrives('snap', 'when the rows are back it goes on by itself');
$pair->same_at_both_ends(@tables);
$pair->status_becomes('snap', 'last_error IS NULL', 'and status says so');

# --- what a view runs, it runs as its owner

$pair->sql(<<'SQL');
CREATE ROLE alice;
CREATE TABLE public.said (id int PRIMARY KEY);
INSERT INTO public.said SELECT generate_series(1, 3);
CREATE FUNCTION public.who() RETURNS text LANGUAGE sql AS 'SELECT current_user::text';
CREATE VIEW public.run_as AS SELECT id, public.who() AS who FROM public.said;
GRANT SELECT ON public.said TO alice;
ALTER VIEW public.run_as OWNER TO alice;
SQL
$pair->target_sql('CREATE TABLE public.run_as (id int PRIMARY KEY, who text)');
$pair->sql("SELECT dbsync.add_table('snap', 'public.run_as', key => '{id}', capture => 'snapshot')");
$pair->arrives('snap');
is($pair->target_sql("SELECT string_agg(DISTINCT who, ' ') FROM public.run_as"), 'alice', 'a view is read as its owner');
$pair->sql("INSERT INTO public.said VALUES (4)");
$pair->arrives('snap');
is($pair->target_sql("SELECT string_agg(who, ' ') FROM public.run_as"), 'alice alice alice alice', 'also as rows are looked up');

# --- by the rounds of a policy, and by run_once()

$pair->sql("SELECT dbsync.alter_subscription('snap', policy => 'interval 1 day')");
$pair->arrives('snap');
$pair->sql("UPDATE public.said SET id = id + 100");
$pair->arrives('snap', 'who waits has a round begin, in which tables are compared');
$pair->target_sql('UPDATE public.lines SET v = 1');
$pair->sql("SELECT dbsync.run_now('snap')");
ok(becomes_true($target, "SELECT count(*) = 0 FROM public.lines WHERE v = '1'"), 'so does run_now()');
$pair->stop_subscription('snap');
$pair->target_sql('DELETE FROM public.lines WHERE b < 50');
$pair->sql("SELECT dbsync.run_once('snap')");
$pair->same_at_both_ends(@tables, 'public.captured');

# --- one way only

$target->safe_psql('postgres', 'CREATE EXTENSION dbsync');
$target->safe_psql('postgres', 'SELECT dbsync.create_target(\'back\', ' . quoted(uri_of($source)) . '); SELECT dbsync.create_subscription(\'back\', \'back\')');
my (undef, undef, $error) = $target->psql('postgres', "SELECT dbsync.add_table('back', 'public.plain', target_table => 'public.elsewhere', capture => 'snapshot')");
like($error, qr/a subscription of dbsync applies into it/, 'a table that is applied into is not compared with another target');

DbsyncTest::finish();

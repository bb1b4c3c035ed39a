# capture => 'snapshot' says what it does not do: a comparison that is due and cannot begin, as no process or no place is to be had, or
# that takes for ever, is seen; a failure is shown until another comparison has come to something.  Slow tables do not starve others; the worker
# waits for nobody's lock; what is compared goes one way; folders are refused; a million rows that differ take no memory.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted uri_of);
use DbsyncTest::Verifying qw(finish_psql start_psql verify);
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(source_conf => "dbsync.retry_max = '500ms'\nmax_worker_processes = 16");
my $source = $pair->source;
my $target = $pair->target;

# --- a gate: while somebody has the lock, who reads public.gated waits, for no lock that anybody would see

$pair->sql(<<'SQL');
CREATE FUNCTION public.gate() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    WHILE NOT pg_try_advisory_lock_shared(7) LOOP PERFORM pg_sleep(0.05); END LOOP;
    RETURN pg_advisory_unlock_shared(7);
END $$;
CREATE TABLE public.base (id int PRIMARY KEY, v text);
INSERT INTO public.base SELECT i, 'v' || i FROM generate_series(1, 20) i;
CREATE VIEW public.gated AS SELECT id, v FROM public.base WHERE public.gate();
CREATE TABLE public.quick (id int PRIMARY KEY, v text);
INSERT INTO public.quick SELECT i, 'v' || i FROM generate_series(1, 20) i;
SQL
my $gate = $source->background_psql('postgres', on_error_stop => 0);
sub close_gate { return $gate->query_safe('SELECT pg_advisory_lock(7)'); }
sub open_gate { return $gate->query_safe('SELECT pg_advisory_unlock(7)'); }

sub note_of
{
	my ($name, $table) = @_;
	return ask($source, "SELECT note FROM dbsync.table_status WHERE subscription = '$name' AND \"table\" = 'public.$table'::regclass") // '';
}

sub note_becomes
{
	my ($name, $table, $wanted, $what) = @_;
	return ok(poll_until(sub { note_of($name, $table) =~ $wanted }, $what), $what) || diag(note_of($name, $table));
}

# Subscription and target table of its own; one more of public.gated.
sub compare_gated
{
	my ($name) = @_;
	$pair->target_sql("CREATE TABLE public.$name (id int PRIMARY KEY, v text)");
	$pair->sql("SELECT dbsync.create_subscription('$name', 'far')");
	$pair->sql(qq(SELECT dbsync.add_table('$name', 'public.gated', target_table => 'public.$name', key => '{id}', capture => 'snapshot', options => '{"scan": "interval 200 ms"}')));
	$pair->start_subscription($name);
	return $pair->arrives($name);
}

# --- one that takes for ever, and others that have no place meanwhile

compare_gated("gated$_") foreach 1 .. 5;
is(note_of('gated5', 'gated'), 'snapshot: both ends are compared, and what differs is sent; steps between two comparisons are not seen, nor who wrote a row', 'all is well');
close_gate();
ok(becomes_true($source, 'SELECT count(*) = 4 FROM dbsync.verify_status'), 'four comparisons are under way, and take for ever');
my $without = ask($source, 'SELECT s.name FROM dbsync.subscription s WHERE NOT EXISTS (SELECT FROM dbsync.verify_status v WHERE v.subscription = s.name)');
note_becomes($without, 'gated', qr/a comparison has been due since .*, and waits: all places for comparisons are taken/, 'a fifth one that is due waits, and its table says for what');
note_becomes($_, 'gated', qr/more than two intervals of its scan ago/, "$_: that the last good comparison is old is said") foreach $without, grep { $_ ne $without } 'gated1', 'gated2';
$pair->status_becomes($without, "last_error LIKE 'comparing table public.gated with its target could not begin'", 'after a while status says so, too');
open_gate();
$pair->arrives($_, "$_ goes on by itself") foreach map { "gated$_" } 1 .. 5;
$pair->status_becomes($without, 'last_error IS NULL', 'and status says so');
unlike(note_of($without, 'gated'), qr/and waits/, 'nor is anything awaited');
$pair->stop_subscription("gated$_"), $pair->sql("SELECT dbsync.drop_subscription('gated$_')") foreach 2 .. 5;

# --- a failure is shown while the next attempt is under way

$pair->sql('CREATE TABLE public.saved AS SELECT * FROM public.base; DELETE FROM public.base WHERE id > 2');
$pair->status_becomes('gated1', "last_error LIKE '%came to nothing'", 'a comparison comes to nothing');
close_gate();
ok(becomes_true($source, "SELECT count(*) = 1 FROM dbsync_internal.scan WHERE verdict = 'running'"), 'the next one is under way');
is($pair->sql("SELECT last_error FROM dbsync.status WHERE subscription = 'gated1'"), 'comparing table public.gated with its target came to nothing', 'status still says that');
like($pair->sql("SELECT last_error_detail FROM dbsync.status WHERE subscription = 'gated1'"), qr/less than half of the target/, 'and why');
like(note_of('gated1', 'gated'), qr/came to nothing, and the next one is under way: the source has 2 rows, less than half/, 'and so does the table');
open_gate();
$pair->sql('INSERT INTO public.base SELECT * FROM public.saved ON CONFLICT DO NOTHING');
$pair->arrives('gated1');

# --- one that is slow does not starve others of its subscription

$pair->target_sql('CREATE TABLE public.quick (id int PRIMARY KEY, v text); CREATE TABLE public.quick2 (id int PRIMARY KEY, v text); CREATE TABLE public.slow (id int PRIMARY KEY, v text)');
$pair->sql('CREATE VIEW public.slow AS SELECT id, v FROM public.base WHERE pg_sleep(0.02) IS NOT NULL; CREATE VIEW public.quick2 AS SELECT * FROM public.quick');
$pair->sql(qq(SELECT dbsync.add_table('gated1', 'public.$_', key => '{id}', capture => 'snapshot', options => '{"scan": "interval 100 ms"}'))) foreach 'slow', 'quick', 'quick2';
$pair->arrives('gated1');
foreach my $round (1 .. 5)
{
	$pair->sql("UPDATE public.quick SET v = 'round $round'; UPDATE public.base SET v = 'round $round' WHERE id <= 10");
	ok(becomes_true($target, "SELECT (SELECT count(*) FROM public.quick WHERE v = 'round $round') + (SELECT count(*) FROM public.quick2 WHERE v = 'round $round') = 40"),
		"round $round: two quick tables beside a slow one");
	ok(becomes_true($target, "SELECT count(*) = 10 FROM public.slow WHERE v = 'round $round'"), 'and the slow one');
}

# --- the worker waits for no lock behind a view

$pair->both('CREATE TABLE public.captured (id int PRIMARY KEY)');
$pair->sql("SELECT dbsync.add_table('gated1', 'public.captured')");
$pair->arrives('gated1');
my $locker = $source->background_psql('postgres', on_error_stop => 0);
$locker->query_safe('BEGIN; LOCK TABLE public.base');
foreach my $id (1 .. 20)
{
	$pair->sql("INSERT INTO public.captured VALUES ($id)");
	ok(becomes_true($target, "SELECT count(*) = 1 FROM public.captured WHERE id = $id"), "change $id passes a table that a view reads, and somebody has locked");
	is($pair->sql("SELECT count(*) FROM pg_locks WHERE relation = 'public.base'::regclass AND NOT granted"), 0, 'nobody waits for it');
}
$locker->query_safe('ROLLBACK');
$locker->quit;
$pair->arrives('gated1');

# --- one way only: a subscription that begins to apply into what is compared

$target->safe_psql('postgres', 'CREATE EXTENSION dbsync; CREATE TABLE public.theirs (id int PRIMARY KEY, v text); INSERT INTO public.theirs VALUES (1000, \'theirs\')');
$target->safe_psql('postgres', 'SELECT dbsync.create_target(\'back\', ' . quoted(uri_of($source)) . '); SELECT dbsync.create_subscription(\'back\', \'back\')');
$target->safe_psql('postgres', "SELECT dbsync.add_table('back', 'public.theirs', target_table => 'public.quick', existing_rows => 'keep'); SELECT dbsync.start_subscription('back')");
ok(becomes_true($source, 'SELECT count(*) = 1 FROM public.quick WHERE id = 1000'), 'somebody applies into a table that is compared');
$pair->status_becomes('gated1', "last_error LIKE 'table public.quick cannot be compared with its target: a subscription of dbsync applies into it'", 'it is compared no more, and says why');
$pair->sql("UPDATE public.base SET v = 'beside'");
ok(becomes_true($target, "SELECT count(*) = 20 FROM public.slow WHERE v = 'beside'"), 'other tables are');
is($pair->target_sql('SELECT count(*) FROM public.quick WHERE id = 1000'), 0, 'what has come from there does not go back');
$target->safe_psql('postgres', "SELECT dbsync.stop_subscription('back'); SELECT dbsync.drop_subscription('back')");
$pair->sql("SELECT dbsync.stop_subscription('gated1'); SELECT dbsync.drop_subscription('gated1')");

# --- what cannot be compared any more, and what cannot be mended: the table says so

$pair->sql('CREATE TABLE public.odd (id int, v text); INSERT INTO public.odd SELECT i, \'v\' FROM generate_series(1, 20) i');
$pair->target_sql('CREATE TABLE public.odd (id text, v text); CREATE INDEX ON public.odd (id)');
$pair->sql(q(SELECT dbsync.create_subscription('odd', 'far');
SELECT dbsync.add_table('odd', 'public.odd', key => '{id}', capture => 'snapshot', options => '{"scan": "interval 200 ms"}')));
$pair->start_subscription('odd');
$pair->arrives('odd');
$pair->sql('ALTER TABLE public.odd RENAME id TO number');
$pair->status_becomes('odd', "last_error LIKE 'column id of table %odd does not exist'", 'a key that is gone is an error');
note_becomes('odd', 'odd', qr/a comparison has been due since .*, and waits: column id of table (public\.)?odd does not exist/, 'of which the table tells');
$pair->sql('ALTER TABLE public.odd RENAME number TO id');
$pair->arrives('odd');
unlike(note_of('odd', 'odd'), qr/waits/, 'as long as it is gone');
foreach my $key ('007', undef)
{
	my ($value, $name) = defined $key ? ("'$key'", "key $key") : ('NULL', 'a null key');
	$pair->target_sql("INSERT INTO public.odd VALUES ($value, 'foreign')");
	note_becomes('odd', 'odd', qr/not repaired: 1 of the target's rows have keys that the source's columns cannot have; delete them there/, "$name at the target stays, and is told of");
	is($pair->target_sql("SELECT count(*) FROM public.odd WHERE v = 'foreign'"), 1, 'and never deleted');
	$pair->target_sql("DELETE FROM public.odd WHERE v = 'foreign'");
	$pair->arrives('odd');
}
$pair->sql("SELECT dbsync.stop_subscription('odd'); SELECT dbsync.drop_subscription('odd')");

# --- no process is to be had

{
	# the server's own and two workers take all of them, once the launcher has gone
	my $few = DbsyncTest->new(prefix => 'few_', source_conf => "dbsync.retry_max = '500ms'\nmax_worker_processes = 3");
	$few->both('CREATE TABLE public.t (id int PRIMARY KEY)');
	$few->sql('INSERT INTO public.t SELECT generate_series(1, 10)');
	$few->sql("SELECT dbsync.create_subscription('few', 'far'); SELECT dbsync.add_table('few', 'public.t', capture => 'snapshot')");
	$few->sql("SELECT dbsync.create_subscription('other', 'far')");
	foreach my $name ('other', 'few')
	{
		ok(poll_until(sub { ($few->source->psql('postgres', "SELECT dbsync.start_subscription('$name')"))[0] == 0 }, "a slot for $name"), "subscription $name has a slot");
	}
	$few->status_becomes('few', "last_error = 'comparing table public.t with its target could not begin'", 'without a background worker slot nothing is compared, and status says so');
	like($few->sql('SELECT last_error_detail FROM dbsync.status WHERE subscription = \'few\''), qr/waits: no background worker slot is free\.$/, 'and why');
	like($few->sql('SELECT next_action FROM dbsync.status WHERE subscription = \'few\''), qr/Raise max_worker_processes/, 'and what to do');
	like($few->sql('SELECT note FROM dbsync.table_status'), qr/a comparison has been due since .*, and waits: no background worker slot is free$/, 'the table says it, too');
	is($few->sql("SELECT dbsync.wait_for('few', timeout => '1 s')"), 'f', 'who waits is not told that all is there');
	$few->source->append_conf('postgresql.conf', 'max_worker_processes = 8');
	$few->source->restart;
	$few->arrives('few', 'with one all is well');
	$few->status_becomes('few', 'last_error IS NULL', 'as status says');
	unlike($few->sql('SELECT note FROM dbsync.table_status'), qr/waits/, 'and the table');
}

# --- a folder cannot show what is in it

$pair->create_target('gate', 'file://' . PostgreSQL::Test::Utils::tempdir() . '/outbox');
$pair->sql("SELECT dbsync.create_subscription('files', 'gate')");
my (undef, undef, $error) = $source->psql('postgres', "SELECT dbsync.add_table('files', 'public.base', capture => 'snapshot')", extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($error, qr/ERROR:  0A000: capture of (public\.)?base cannot be "snapshot"/, 'a folder is refused');
like($error, qr/DETAIL:  Driver "\w+" of target "gate" does not have the feature COMPARE/, 'by the feature\'s name');
is($pair->sql('SELECT count(*) FROM dbsync.subscription_table'), 0, 'and nothing is left of it');

# --- a million rows that differ

$pair->both('CREATE TABLE public.many (id int PRIMARY KEY, v int)');
$pair->both('INSERT INTO public.many SELECT i, i FROM generate_series(1, 1200000) i; ANALYZE public.many');
$pair->sql("SELECT dbsync.create_subscription('many', 'far'); SELECT dbsync.add_table('many', 'public.many', capture => 'snapshot', options => '{\"scan\": \"interval 1 day\"}')");
$pair->start_subscription('many');
$pair->arrives('many');
$pair->sql('UPDATE public.many SET v = -v WHERE id <= 1000000');

# What a process has for itself, in kB.
sub private_memory
{
	my ($pid) = @_;
	open(my $status, '<', "/proc/$pid/status") or return;
	my ($kilobytes) = map { /^RssAnon:\s+(\d+)/ ? $1 : () } <$status>;
	close($status);
	return $kilobytes;
}

# The least and the most of the process that is at it, until something has ended.
sub memory_used
{
	my ($is_over) = @_;
	my ($pid, $least, $most);
	poll_until(sub {
			$pid ||= ask($source, "SELECT pid FROM dbsync.verify_status WHERE subscription = 'many' AND pid IS NOT NULL");
			my $now = $pid ? private_memory($pid) : undef;
			if (defined $now)
			{
				$least = $now if !defined $least || $now < $least;
				$most = $now if !defined $most || $now > $most;
			}
			return $is_over->();
		}, 'the end of a comparison');
	return ($least, $most);
}

my $verifying = start_psql($source, "SELECT verdict, different FROM dbsync.verify('many')");
my ($least, $most) = memory_used(sub { DbsyncTest::Verifying::is_over($verifying) });
finish_psql($verifying);
is($verifying->{out}, "different|1000000\n", 'a million rows differ') or diag($verifying->{err});
cmp_ok($most - $least, '<', 64 * 1024, 'verify() has them counted in 64 MB') or diag("$least to $most kB");
my $waiting = start_psql($source, "SELECT dbsync.wait_for('many', timeout => '10 min')");
($least, $most) = memory_used(sub { DbsyncTest::Verifying::is_over($waiting) });
finish_psql($waiting);
is($waiting->{out}, "t\n", 'they are sent') or diag($waiting->{err});
cmp_ok($most - $least, '<', 64 * 1024, 'and written down as keys in 64 MB') or diag("$least to $most kB");
$pair->same_at_both_ends('public.many');
$gate->quit;

DbsyncTest::finish();

# Tables that begin without a copy: what is written from the moment on when the note in
# table_status is gone arrives, whenever the target can first be reached, and nothing
# that was written before.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(uri_of);
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF', target_conf => 'fsync = off');
dbsync.segment_size = '64kB'
dbsync.retention_interval = '50ms'
dbsync.batch_rows = 100
CONF
my $source = $pair->source;
my $target = $pair->target;

sub in_late
{
	my ($sql) = @_;
	return $target->safe_psql('late', $sql);
}

sub table_becomes
{
	my ($subscription, $table, $condition, $test) = @_;
	ok( DbsyncTest::becomes_true($source, sprintf(
				'SELECT coalesce(bool_and(%s), false) FROM dbsync.table_status'
				  . " WHERE subscription = '%s' AND \"table\" = '%s'::regclass",
				"($condition)", $subscription, $table)),
		$test)
	  or $pair->describe_state("table_status did not become: $condition");
	return;
}

sub same_in_late
{
	my ($table, $test) = @_;
	is(DbsyncTest::fingerprint($target, $table, 'late'), DbsyncTest::fingerprint($source, $table), $test);
	return;
}

sub fill
{
	my ($table, $from) = @_;
	$pair->sql("INSERT INTO $table SELECT i, repeat('x', 500) FROM generate_series($from, $from + 300) i");
	return;
}

# --- a target that cannot be reached yet; another subscription of the table empties what
#     it has passed

my $ddl = 'CREATE TABLE public.item (id int PRIMARY KEY, t text);'
  . 'CREATE TABLE public.copied (id int PRIMARY KEY, t text);';
$pair->sql($ddl);
$source->safe_psql('postgres', 'CREATE DATABASE beside');
$source->safe_psql('beside', $ddl);
$pair->create_target('beside', uri_of($source, database => 'beside'));
$pair->create_target('late', uri_of($target, database => 'late'));
$pair->sql("INSERT INTO public.item SELECT i, 'before' FROM generate_series(1, 10) i");
$pair->sql("INSERT INTO public.copied VALUES (1, 'before')");

$pair->subscribe('late', ['public.item'], target => 'late', copy_data => 'false');
$pair->sql(q{SELECT dbsync.add_table('late', 'public.copied')});
table_becomes('late', 'public.item', q{note LIKE 'what is written now is not sent%'},
	'until capture has begun, what is written is not sent, and said to be not');
$pair->sql('DELETE FROM public.item WHERE id = 1');
$pair->start_subscription('late');
table_becomes('late', 'public.item', q{note IS NULL AND state = 'new'}, 'capture begins without the target');
table_becomes('late', 'public.copied', q{state = 'installing'}, 'a table with a copy has time until the target is there');
$pair->subscribe('beside', ['public.item'], target => 'beside');
$pair->start_subscription('beside');
$pair->arrives('beside', 'another subscription has the table too');

# what the target is to have then, before its worker begins
my $begun = $pair->sql(q{SELECT string_agg(format('(%s, %L)', id, t), ', ') FROM public.item});
$pair->sql("UPDATE public.item SET t = 'changed' WHERE id < 5; DELETE FROM public.item WHERE id = 5");
fill('public.item', $_ * 1000) foreach 1 .. 4;
$pair->arrives('beside', 'segments fill');
# all of it may have gone into the one that was being written to when the worker looked
my $sealed = q{SELECT count(*) > 1 FROM dbsync.segment s JOIN dbsync.captured_table c ON c.id = s.captured_id
WHERE c.relid = 'public.item'::regclass AND s.sealed IS NOT NULL AND pg_relation_size(s.relid) > 0};
foreach my $more (5 .. 50)
{
	last if $pair->sql($sealed) eq 't';
	fill('public.item', $more * 1000);
	$pair->sql("SELECT dbsync.wait_for('beside', timeout => '60 s')");
}
ok(DbsyncTest::becomes_true($source, $sealed), 'are sealed, and are kept');
is($pair->sql(q{SELECT discarded IS NULL FROM dbsync.captured_table WHERE relid = 'public.item'::regclass}), 't',
	'nothing of the table has been emptied');
DbsyncTest::crash_and_restart($source);
$pair->sql("INSERT INTO public.item VALUES (20, 'behind a crash')");
$pair->fails_often('late', 3, 'the target is still not there');

$target->safe_psql('postgres', 'CREATE DATABASE late');
in_late("$ddl INSERT INTO public.item VALUES $begun");
$pair->arrives('late', 'the target is there, and gets all');
same_in_late('public.item', 'what was written since capture began is there, and nothing twice');
same_in_late('public.copied', 'the table with a copy is copied');
$pair->arrives('beside', 'the other subscription goes on');
ok(DbsyncTest::becomes_true($source, <<'SQL'), 'and the segments can be emptied');
SELECT c.discarded IS NOT NULL AND NOT EXISTS (
    SELECT FROM dbsync.segment s WHERE s.captured_id = c.id AND NOT s.active AND pg_relation_size(s.relid) > 0)
FROM dbsync.captured_table c WHERE c.relid = 'public.item'::regclass
SQL

# --- a subscription that lags behind gets a table that is captured already; one
#     transaction is open meanwhile

$pair->both('CREATE TABLE public.own (id int PRIMARY KEY, t text)');
$target->safe_psql('postgres', 'CREATE TABLE public.item (id int PRIMARY KEY, t text)');
$pair->subscribe('lagging', ['public.own']);
$pair->start_subscription('lagging');
$pair->arrives('lagging', 'a subscription of another table');
$pair->stop_subscription('lagging');
$pair->sql("INSERT INTO public.own SELECT i, 'while stopped' FROM generate_series(1, 500) i");
$pair->sql(q{INSERT INTO public.item VALUES (30, 'before'); DELETE FROM public.item WHERE id = 2});
$pair->sql("INSERT INTO public.own SELECT i, 'while stopped' FROM generate_series(501, 1000) i");
$target->safe_psql('postgres', q{INSERT INTO public.item VALUES (2, 'kept'), (3, 'kept')});
my $across = $source->background_psql('postgres', on_error_stop => 1);
$across->query_safe(q{BEGIN; INSERT INTO public.item VALUES (31, 'begun before')});
$pair->sql(q{SELECT dbsync.add_table('lagging', 'public.item', copy_data => false)});
$pair->start_subscription('lagging');
$pair->arrives('lagging', 'it is live there too');
is($pair->target_sql('SELECT string_agg(id::text, \',\' ORDER BY id) FROM public.item'), '2,3',
	'nothing is sent of what was written before it was added');
$across->query_safe(q{INSERT INTO public.item VALUES (32, 'and ended behind'); COMMIT});
$across->quit;
$pair->sql(q{DELETE FROM public.item WHERE id = 3});
$pair->arrives('lagging', 'it goes on');
is($pair->target_sql('SELECT string_agg(id::text, \',\' ORDER BY id) FROM public.item'), '2,31,32',
	'a transaction that was open then is sent as a whole');
$pair->same_at_both_ends('public.own');

# --- a target table that is missing: nothing of it is passed over, and the others go on

$pair->sql('CREATE TABLE public.missing (id int PRIMARY KEY, t text)');
$pair->sql(q{SELECT dbsync.add_table('lagging', 'public.missing', copy_data => false)});
table_becomes('lagging', 'public.missing', q{state = 'held' AND held_for ~ 'target table "public.missing" does not exist'}, 'a table without a target is held');
$pair->sql(q{INSERT INTO public.missing VALUES (1, 'kept'); INSERT INTO public.own VALUES (2000, 'goes on')});
ok(DbsyncTest::becomes_true($pair->target, 'SELECT count(*) = 1 FROM public.own WHERE id = 2000'), 'the others go on');
$pair->status_becomes('lagging', q{last_error ~ 'public.missing.*does not exist'}, 'and it is named');
table_becomes('lagging', 'public.missing', q{state = 'held'}, 'while it is held');
$pair->target_sql('CREATE TABLE public.missing (id int PRIMARY KEY, t text)');
$pair->arrives('lagging', 'the table is made');
$pair->same_at_both_ends('public.missing', 'public.own');

# --- several at different times, and none of them any more

$pair->sql('CREATE TABLE public.first (id int PRIMARY KEY, t text); CREATE TABLE public.second (id int PRIMARY KEY, t text)');
$pair->create_target('nowhere', uri_of($target, database => 'nowhere'));
$pair->subscribe('nowhere', [ 'public.first', 'public.item' ], target => 'nowhere', copy_data => 'false');
$pair->start_subscription('nowhere');
table_becomes('nowhere', 'public.first', q{note IS NULL}, 'the first is captured');
fill('public.first', 1);
$pair->sql(q{SELECT dbsync.add_table('nowhere', 'public.second', copy_data => false)});
table_becomes('nowhere', 'public.second', q{note IS NULL}, 'the second is captured');
$pair->sql(q{SELECT dbsync.remove_table('nowhere', 'public.first')});
$pair->sql(q{SELECT dbsync.suspend_table('public.item')});
fill('public.second', 1);
$pair->sql(q{SELECT dbsync.remove_table('nowhere', 'public.item')});

# somebody waits already when it begins, and is not answered by that: a row is in the way
$pair->stop_subscription('nowhere');
$target->safe_psql('postgres', 'CREATE DATABASE nowhere');
$target->safe_psql('nowhere', 'CREATE TABLE public.second (id int PRIMARY KEY, t text)');
my $holder = $target->background_psql('nowhere', on_error_stop => 1);
$holder->query_safe('BEGIN; INSERT INTO public.second VALUES (301)');
$target->safe_psql('postgres', 'ALTER DATABASE nowhere ALLOW_CONNECTIONS false');
$pair->start_subscription('nowhere');
my $waiter = $source->background_psql('postgres', on_error_stop => 1);
$waiter->query_until(qr/begun/, "\\echo begun\nSELECT 'answer ' || dbsync.wait_for('nowhere', '1 h');\n");
ok( DbsyncTest::becomes_true($source,
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%answer%wait_for%' AND wait_event = 'Extension'"),
	'somebody waits');
$target->safe_psql('postgres', 'ALTER DATABASE nowhere ALLOW_CONNECTIONS true');
ok( DbsyncTest::becomes_true($target,
		"SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = 'nowhere' AND wait_event_type = 'Lock'"),
	'what is left of them begins where it was captured');
table_becomes('nowhere', 'public.second', q{state = 'live'}, 'and is live');
is($source->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%answer%wait_for%' AND state = 'active' AND pid <> pg_backend_pid()"),
	'1', 'who waits for all of it waits still');
$holder->query_safe('ROLLBACK');
$holder->quit;
like($waiter->query("SELECT 'done'"), qr/answer t/, 'until it is there');
$waiter->quit;
is(DbsyncTest::fingerprint($target, 'public.second', 'nowhere'), DbsyncTest::fingerprint($source, 'public.second'),
	'as a whole');

# --- run_once() alone

$pair->sql('CREATE TABLE public.daily (id int PRIMARY KEY, t text)');
$pair->create_target('soon', uri_of($target, database => 'soon'));
$pair->subscribe('daily', ['public.daily'], target => 'soon', copy_data => 'false');
my ($status, undef, $error) = $source->psql('postgres', q{SELECT dbsync.run_once('daily')});
like($error, qr/database "soon" does not exist/, 'run_once() does not reach the target');
$pair->sql(q{INSERT INTO public.daily VALUES (1, 'kept')});
$target->safe_psql('postgres', 'CREATE DATABASE soon');
$target->safe_psql('soon', 'CREATE TABLE public.daily (id int PRIMARY KEY, t text)');
is($pair->sql(q{SELECT dbsync.run_once('daily')}), '1', 'the next one sends what was written since');
is($target->safe_psql('soon', 'SELECT t FROM public.daily'), 'kept', 'and it is there');

DbsyncTest::finish();

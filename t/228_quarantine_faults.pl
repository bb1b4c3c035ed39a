# What is no row's fault parks nothing, beside a row that is refused: a deadlock, a full disk.  Parked keys of a table that is held, of one
# that is read from the WAL, of rows that came from another database, of two that feed each other.
use strict;
use warnings;

use Errno qw(ENOSPC);
use lib 't';
use DbsyncTest qw(ask becomes_true uri_of);
use DbsyncTest::Io;
use Test::More;

my $io = DbsyncTest::Io->new;
my $pair = $io->around(sub { DbsyncTest->new(source_conf => "wal_level = logical\ndbsync.retry_max = '1s'") });
my ($source, $target) = ($pair->source, $pair->target);

$pair->sql('CREATE TABLE a_item (id int PRIMARY KEY, v text, big text); CREATE TABLE b_item (id int PRIMARY KEY, v text); CREATE TABLE fed (id int PRIMARY KEY, v text)');
$pair->target_sql(<<'SQL');
CREATE TABLE a_item (id int PRIMARY KEY, v text CHECK (v <> 'bad'), big text);
CREATE TABLE b_item (id int PRIMARY KEY, v text CHECK (v <> 'bad'));
CREATE TABLE fed (id int PRIMARY KEY, v text CHECK (v <> 'bad'));
CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_catalog.pg_advisory_xact_lock_shared(4711);
	RETURN NULL;
END $$;
CREATE TRIGGER wait AFTER INSERT OR UPDATE ON b_item EXECUTE FUNCTION hold_up();
ALTER TABLE b_item ENABLE ALWAYS TRIGGER wait;
SQL
$pair->sql(q{INSERT INTO a_item SELECT i, 'good' FROM generate_series(1, 5) i; INSERT INTO b_item SELECT i, 'good' FROM generate_series(1, 5) i});
$pair->subscribe('q', [ 'a_item', 'b_item' ], on_error => "'quarantine'");
$pair->sql(q{SELECT dbsync.add_table('q', 'fed', capture => 'wal')});
$pair->start_subscription('q');
$pair->arrives('q', 'the first copy arrives');

sub parked { return ask($source, q{SELECT coalesce(string_agg("table"::text || ' ' || (key ->> 'id'), ', ' ORDER BY "table"::text, key ->> 'id'), '') FROM dbsync.quarantine}) // '?'; }

# --- a deadlock: who is killed for it is the worker's backend

my $waits = "SELECT count(*) > 0 FROM pg_stat_activity a JOIN pg_locks l USING (pid) WHERE NOT l.granted AND a.application_name ILIKE '%dbsync%'";
my $gate = $target->background_psql('postgres', on_error_stop => 0);
my $rival = $target->background_psql('postgres', on_error_stop => 0);

$gate->query_safe('BEGIN; SELECT pg_advisory_xact_lock(4711)');
$rival->query_safe("SET deadlock_timeout = '1h'; BEGIN; UPDATE a_item SET v = 'mine' WHERE id = 1");
$pair->sql(q{BEGIN; UPDATE a_item SET v = 'new' WHERE id = 1; UPDATE a_item SET v = 'bad' WHERE id = 3; UPDATE b_item SET v = 'new' WHERE id = 2; COMMIT});
ok(becomes_true($target, "$waits AND l.locktype = 'advisory'"), 'a batch has written a row, and stands') or $pair->describe_state('it does not stand');
$rival->query_until(qr/asked/, "\\echo asked\nUPDATE b_item SET v = 'mine' WHERE id = 2;\n");
ok(becomes_true($target, q{SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'}), 'somebody waits for that row, and has another');
$gate->query_safe('COMMIT');
$pair->status_becomes('q', q{last_error LIKE '%deadlock%'}, 'the batch meets a deadlock');
is(parked(), '', 'and parks nothing for that');
eval { $rival->query('ROLLBACK'); $rival->quit; };
$gate->quit;
$pair->arrives('q', 'it is tried again');
is(parked(), 'a_item 3', 'and parks the row that is refused');
is($pair->target_sql(q{SELECT string_agg(id || v, ' ' ORDER BY id) FROM a_item}), '1new 2good 3good 4good 5good', 'the others are there');
is($pair->target_sql('SELECT v FROM b_item WHERE id = 2'), 'new', 'in the other table, too');

# --- a full disk

$pair->target_sql('ALTER TABLE a_item ALTER big SET STORAGE PLAIN');
my $path = $target->data_dir . '/' . $pair->target_sql(q{SELECT pg_relation_filepath('a_item')});
$io->rules("write $path " . ENOSPC);
$pair->sql(q{INSERT INTO a_item SELECT i, CASE i WHEN 150 THEN 'bad' ELSE 'good' END, repeat('x', 2000) FROM generate_series(100, 200) i});
$pair->status_becomes('q', q{last_error LIKE '%No space left%'}, 'the disk is full');
is(parked(), 'a_item 3', 'nothing is parked for that');
is($pair->target_sql('SELECT count(*) FROM a_item'), '5', 'nor is a part of it there');
$io->no_rules;
$pair->arrives('q', 'there is room again');
is(parked(), 'a_item 150, a_item 3', 'what is refused is parked');
is($pair->target_sql('SELECT count(*) FROM a_item'), '105', 'the rest is there');

# --- a table that is held

$pair->target_sql('ALTER TABLE a_item RENAME big TO large');
$pair->sql(q{UPDATE a_item SET v = 'good' WHERE id = 150; UPDATE b_item SET v = 'bad' WHERE id = 4});
ok(becomes_true($source, q{SELECT state = 'held' FROM dbsync.table_status WHERE "table" = 'a_item'::regclass}), 'a table of which keys are parked is held') or $pair->describe_state('not held');
is($pair->sql(q{SELECT dbsync.retry('q', 'a_item')}), '2', 'what is asked for of it');
ok(becomes_true($source, q{SELECT count(*) = 1 FROM dbsync.quarantine WHERE "table" = 'b_item'::regclass}), 'others park');
is($pair->sql(q{SELECT count(*) FROM dbsync.quarantine WHERE asked = 'retry'}), '2', 'waits until it goes on');
like($pair->sql(q{SELECT next_action FROM dbsync.status}), qr/has been held.*Rows that the target has refused: 3\./s, 'both are said');
$pair->target_sql('ALTER TABLE a_item RENAME large TO big; ALTER TABLE a_item DROP CONSTRAINT a_item_v_check');
$pair->sql(q{SELECT dbsync.resume_table('q', 'a_item')});
$pair->arrives('q', 'it goes on');
is(parked(), 'b_item 4', 'and nothing of it is parked any more');
$pair->same_at_both_ends('public.a_item');

# --- a table that is read from the WAL

$pair->sql(q{INSERT INTO fed VALUES (1, 'bad'), (2, 'good'), (3, 'bad')});
$pair->arrives('q', 'rows from the WAL');
is(parked(), 'b_item 4, fed 1, fed 3', 'of which two are refused');
$pair->sql(q{UPDATE fed SET v = 'good' WHERE id = 1; UPDATE fed SET id = 30 WHERE id = 3});
$pair->arrives('q', 'they change');
is(parked(), 'b_item 4, fed 30', 'and one of them fits, and the other has another key');
is($pair->target_sql(q{SELECT string_agg(id || v, ' ' ORDER BY id) FROM fed}), '1good 2good', 'as is there');
$pair->target_sql('ALTER TABLE fed DROP CONSTRAINT fed_v_check; ALTER TABLE b_item DROP CONSTRAINT b_item_v_check');
$pair->sql(q{SELECT dbsync.retry('q', 'fed'), dbsync.retry('q', 'b_item')});
$pair->arrives('q', 'all are sent once more');
is(parked(), '', 'and taken');
$pair->same_at_both_ends('public.fed', 'public.b_item');

# --- somebody has called retry() and does not commit; the worker comes anew meanwhile

$pair->target_sql(q{ALTER TABLE b_item ADD CONSTRAINT rule CHECK (v <> 'worse')});
$pair->sql(q{UPDATE b_item SET v = 'worse' WHERE id = 1});
$pair->arrives('q', 'one more');
my $caller = $source->background_psql('postgres');
$caller->query_safe(q{BEGIN; SELECT dbsync.retry('q', 'b_item')});
kill('KILL', $pair->worker_pid('q'));
DbsyncTest::Server::wait_until_up($source);
$pair->sql(q{INSERT INTO b_item VALUES (50, 'good')});
ok(becomes_true($target, 'SELECT EXISTS (SELECT FROM b_item WHERE id = 50)'), 'nobody waits for who has called retry() in a transaction') or $pair->describe_state('it does');
eval { $caller->query('COMMIT'); $caller->quit; };
$pair->stop_subscription('q');

# --- rows that come from elsewhere, and go on; two that feed each other

my %sub = (n1 => ['n2'], n2 => [ 'n1', 'n3' ]);
$source->safe_psql('postgres', "CREATE DATABASE $_") foreach qw(n1 n2 n3);
$source->safe_psql($_, q{CREATE EXTENSION dbsync; CREATE TABLE item (id int PRIMARY KEY, v text)}) foreach qw(n1 n2 n3);
$source->safe_psql($_, q{ALTER TABLE item ADD CONSTRAINT rule CHECK (v <> 'not in ' || current_database())}) foreach qw(n2 n3);
foreach my $from (sort keys %sub)
{
	foreach my $to (@{ $sub{$from} })
	{
		$source->safe_psql($from, "SELECT dbsync.create_target('$to', '" . uri_of($source, database => $to) . "');"
			  . "SELECT dbsync.create_subscription('to_$to', '$to', ARRAY['public.item'], copy_data => false, on_error => 'quarantine')");
	}
}

sub go { my ($from, $to) = @_; return $source->safe_psql($from, "SELECT dbsync.run_once('to_$to')"); }
sub rows { my ($in) = @_; return $source->safe_psql($in, q{SELECT string_agg(id || ' ' || v, ', ' ORDER BY id) FROM item}); }
sub parked_in { my ($in) = @_; return $source->safe_psql($in, q{SELECT coalesce(string_agg(subscription || ' ' || (key ->> 'id'), ', ' ORDER BY 1), '') FROM dbsync.quarantine}); }
sub rest { foreach (1 .. 3) { go('n1', 'n2'); go('n2', 'n1'); go('n2', 'n3'); } return; }

rest();
$source->safe_psql('n1', q{INSERT INTO item VALUES (1, 'not in n2'), (2, 'not in n3'), (3, 'anywhere')});
rest();
is(rows('n1'), '1 not in n2, 2 not in n3, 3 anywhere', 'of two that feed each other the first has all');
is(rows('n2'), '2 not in n3, 3 anywhere', 'the second what it takes');
is(rows('n3'), '3 anywhere', 'and who gets it from there what that has, and it takes');
is(parked_in('n1'), 'to_n2 1', 'one is parked here');
is(parked_in('n2'), 'to_n3 2', 'one there, though it has come from elsewhere');
$source->safe_psql('n2', q{INSERT INTO item VALUES (1, 'its own')});
rest();
is(rows($_), '1 its own, 2 not in n3, 3 anywhere', "a row of its own in the place of the parked one goes around: $_") foreach qw(n1 n2);
is(parked_in('n1'), 'to_n2 1', 'the key is parked until somebody says so');
$source->safe_psql('n1', q{SELECT dbsync.retry('to_n2', 'item')});
$source->safe_psql('n3', q{ALTER TABLE item DROP CONSTRAINT rule});
$source->safe_psql('n2', q{SELECT dbsync.retry('to_n3', 'item')});
rest();
is(rows($_), '1 its own, 2 not in n3, 3 anywhere', "all is everywhere: $_") foreach qw(n1 n2 n3);
is(parked_in('n1') . parked_in('n2'), '', 'nothing is parked');
is(go('n1', 'n2') . go('n2', 'n1') . go('n2', 'n3'), '000', 'and nothing goes around any more');

DbsyncTest::finish();

# The contract between worker and driver (worker/driver/driver.h) holds over all drivers: what
# is asked of PostgreSQL targets is asked of files, whose driver is a module of its own
# (t/driver) that can do the least that a driver must, and of SQLite's, where that was built.
# And drivers that break the contract are refused with a reason.
use strict;
use warnings;

use File::Spec;

use lib 't';
use DbsyncTest qw(ask poll_until quoted);
use DbsyncTest::Ends;
use DbsyncTest::Sqlite;
use Test::More;

# scripts/check has installed it
my $library = `pg_config --pkglibdir` =~ s/\n//r . '/dbsync_file_test.so';
if (!ok(-e $library, 'the driver is installed (make -C t/driver install)'))
{
	done_testing();
	exit 1;
}

my $postgres = DbsyncTest::Ends::Postgres->new;
my $pair = DbsyncTest->new(
	uri => sub { $postgres->uri($_[0]) },
	source_conf => <<'CONF');
dbsync.copy_chunk_rows = 100
dbsync.retention_interval = '1h'
CONF
my $source = $pair->source;
my $file = DbsyncTest::Ends::File->new($pair);
my $lite = DbsyncTest::Sqlite::is_there() ? DbsyncTest::Ends::Sqlite->new($pair) : undef;
note('without the driver for SQLite, or its client') unless $lite;

# Tests that the target has the tables' rows, and no others.
sub same
{
	my ($end, $test, @tables) = @_;
	my %here = map { $_ => DbsyncTest::Ends::lines_of($source, $_) } @tables;
	my %there = map { $_ => $end->lines($_) } @tables;

	is_deeply(\%there, \%here, $end->name . ": $test");
	return;
}

sub uid
{
	my ($name) = @_;
	return $pair->sql('SELECT uid FROM dbsync.subscription WHERE name = ' . quoted($name));
}

sub error_of
{
	my ($sql) = @_;
	my (undef, undef, $error) = $source->psql('postgres', $sql);
	return $error;
}

sub kill_worker
{
	my ($name) = @_;
	my $pid = $pair->wait_for_worker($name);

	kill('KILL', $pid);
	poll_until(sub { !kill(0, $pid) }, 'end of the worker');
	DbsyncTest::wait_until_up($source);
	return;
}

# What a text must survive, as SQL of rows (number, text).
my $texts = <<'SQL';
SELECT n, t FROM unnest(ARRAY['', 'null', '\N', E'\\', E'a\\\\b', E'tab\there', E'line\nfeed', E'return\rfeed',
    E'\b\f\v', '''single'' "double"', '{1,2}', 'Größe, 文字, 🐘', NULL, repeat('long ', 3000)]) WITH ORDINALITY x (t, n)
SQL

sub fill
{
	my ($schema) = @_;
	$pair->sql("INSERT INTO $schema.item SELECT n % 7, 'p' || n, n / 3.0, '2026-01-01'::timestamptz + n * interval '1 hour' FROM generate_series(1, 450) n");
	$pair->sql("INSERT INTO $schema.word $texts");
	$pair->sql("INSERT INTO $schema.doc SELECT n, 0, (SELECT string_agg(md5((n * i)::text), '') FROM generate_series(1, 400) i) FROM generate_series(1, 20) n");
	return;
}

my $ddl = <<'SQL';
CREATE SCHEMA %1$s;
CREATE TABLE %1$s.item (part int, name text, amount numeric, at timestamptz, PRIMARY KEY (name, part));
CREATE TABLE %1$s.word (id int PRIMARY KEY, t text);
CREATE TABLE %1$s.doc (id int PRIMARY KEY, seen int, body text);
CREATE TABLE %1$s.log (id int PRIMARY KEY, t text);
CREATE TABLE %1$s.other (id int PRIMARY KEY, t text);
SQL

# One round of the contract, in a schema of its own.
sub keeps_the_contract
{
	my ($end) = @_;
	my $name = $end->name;
	my $schema = "of_$name";
	my @tables = map { "$schema.$_" } qw(item word doc log);

	$pair->sql(sprintf($ddl, $schema));
	$end->create_table(sprintf($ddl, $schema));
	$pair->sql("CREATE TABLE $schema.refused (id int PRIMARY KEY)");
	fill($schema);
	$pair->subscribe($name, \@tables, target => $name);
	$pair->start_subscription($name);
	$pair->arrives($name, "$name: the first copy arrives");
	same($end, 'it is copied', @tables);
	cmp_ok($end->ledger->{ uid($name) }, '>=', 5, "$name: in several chunks, each a batch");
	is(scalar(grep { $_ eq uid($name) } values %{ $end->ledger }), 4, "$name: the ledger knows its tables");

	changes($end, $schema, \@tables);
	dies($end, $schema, \@tables);
	fence_holds($end, $schema, \@tables);
	waits_for_the_end($end, $schema);
	times_out($end, $schema);
	second_subscription($end, $schema, \@tables);
	refusal($end, $schema);
	keyless($end, $schema);
	is($end->clashes, 0, "$name: no row was ever sent twice");
	ends($end, $schema, \@tables);
	return;
}

sub changes
{
	my ($end, $schema, $tables) = @_;
	my $name = $end->name;
	my %changes = (
		'inserts' => "INSERT INTO $schema.log SELECT n, 'new' FROM generate_series(1, 50) n",
		'updates' => "UPDATE $schema.item SET amount = -amount, at = NULL WHERE part < 3",
		'deletes' => "DELETE FROM $schema.item WHERE part = 4",
		'new keys' => "UPDATE $schema.item SET part = part + 100, name = E'a\\tb ' || name WHERE part = 5",
		'texts in keys' => "INSERT INTO $schema.item SELECT 1000 + n, coalesce(t, 'nothing'), n FROM ($texts) x WHERE length(t) < 1000",
		'texts out of the way' => "DELETE FROM $schema.item WHERE part > 1010",
		'texts that change' => "UPDATE $schema.word SET t = CASE WHEN t IS NULL THEN E'\\n' WHEN id % 2 = 0 THEN t || '\\' END",
		'documents left as they are' => "UPDATE $schema.doc SET seen = seen + 1",
		'documents that move' => "UPDATE $schema.doc SET id = id + 100 WHERE id > 10",
		'all at once' => <<"SQL");
BEGIN;
INSERT INTO $schema.log SELECT n, E'it''s\\nnew' FROM generate_series(100, 400) n;
UPDATE $schema.log SET t = t || '!' WHERE id % 3 = 0;
DELETE FROM $schema.log WHERE id % 5 = 0;
INSERT INTO $schema.log VALUES (105, 'back');
UPDATE $schema.doc SET seen = 7, body = body || 'x' WHERE id < 5;
UPDATE $schema.doc SET seen = 8 WHERE id < 8;
DELETE FROM $schema.word WHERE id = 1;
INSERT INTO $schema.word VALUES (1, 'one'), (500, NULL);
UPDATE $schema.word SET id = -id WHERE id > 10;
COMMIT;
SQL

	# one by one, and each on top of the others
	foreach my $what (sort keys %changes)
	{
		$pair->sql($changes{$what});
		$pair->arrives($name, "$name: $what arrive");
		same($end, $what, @$tables);
	}
	$pair->stop_subscription($name);
	$pair->sql($changes{$_}) foreach ('updates', 'documents left as they are');
	$pair->sql("TRUNCATE $schema.log, $schema.doc; INSERT INTO $schema.log VALUES (1, 'behind')");
	$pair->sql("BEGIN; DELETE FROM $schema.word; INSERT INTO $schema.word $texts; TRUNCATE $schema.item; COMMIT");
	$pair->start_subscription($name);
	$pair->arrives($name, "$name: it is stopped, and started again");
	same($end, 'TRUNCATE among others, as a backlog', @$tables);
	$pair->sql("TRUNCATE $schema.word");
	fill($schema);
	$pair->arrives($name, "$name: all anew");
	same($end, 'all anew', @$tables);
	return;
}

# kill -9 of the worker at the two moments that matter.
sub dies
{
	my ($end, $schema, $tables) = @_;
	my $name = $end->name;
	my $before = $end->lines("$schema.word");
	my $more = "BEGIN; INSERT INTO $schema.log SELECT n, 'FROM' FROM generate_series(FIRST, FIRST + 400) n;"
	  . " INSERT INTO $schema.word VALUES (FIRST, 'FROM'); COMMIT";

	$end->hold_rows("$schema.log");
	$pair->sql($more =~ s/FIRST/1000/gr =~ s/FROM'/rows'/gr);
	ok(poll_until(sub { $end->is_held }, 'rows are held'), "$name: the worker stops with a batch open");
	is_deeply($end->lines("$schema.word"), $before, "$name: nothing of it is to be seen");
	kill_worker($name);
	$end->let_go;
	$pair->arrives($name, "$name: its successor sends it");
	same($end, 'a worker died within a batch', @$tables);

	return unless $end->can('hold_answer');
	$end->hold_answer;
	$pair->sql($more =~ s/FIRST/2000/gr =~ s/FROM'/answer'/gr);
	ok(poll_until(sub { $end->is_held }, 'the answer is held'), "$name: the worker has committed, and does not know");
	same($end, 'it is committed', @$tables);
	my $batch = $end->ledger->{ uid($name) };
	kill_worker($name);
	$end->let_go;
	$pair->arrives($name, "$name: its successor asks the ledger");
	same($end, 'a worker died behind a commit', @$tables);
	is($end->ledger->{ uid($name) }, $batch, "$name: what is committed is not sent again");
	return;
}

sub times_moved
{
	return DbsyncTest::Ends::count_in_log($source, qr/another worker has moved the ledger of this subscription/);
}

# A worker that was cut off, and has a successor, commits nothing more.
sub fence_holds
{
	my ($end, $schema, $tables) = @_;
	my $name = $end->name;
	my $moved = times_moved();
	my $pid = $pair->wait_for_worker($name);

	$pair->arrives($name, "$name: the worker has nothing to do");
	$end->move_fence(uid($name));
	$pair->sql("INSERT INTO $schema.log VALUES (3000, 'behind the fence')");
	$pair->arrives($name, "$name: it finds another batch number, and asks the ledger");
	cmp_ok(times_moved(), '>', $moved, "$name: the log says so");
	is($pair->worker_pid($name), $pid, "$name: it lives on");
	same($end, 'the fence has held', @$tables);
	return;
}

sub waits_for_the_end
{
	my ($end, $schema) = @_;
	my $name = $end->name;

	$end->hold_rows("$schema.log");
	$pair->sql("INSERT INTO $schema.log VALUES (3001, 'waits')");
	$pair->status_becomes($name, q{state = 'waiting for target'}, "$name: status says that the target is waited for");
	is($pair->sql("SELECT dbsync.wait_for('$name', '10 ms')"), 'f', "$name: wait_for says that it is not there");
	$end->let_go;
	$pair->arrives($name, "$name: it goes on");
	same($end, 'after a wait', "$schema.log");
	$pair->status_becomes($name, q{state = 'running'}, "$name: and status says so");
	return;
}

# A target that says nothing at all is given up.
sub times_out
{
	my ($end, $schema) = @_;
	my $name = $end->name;

	$pair->stop_subscription($name);
	$pair->sql("ALTER SYSTEM SET dbsync.target_timeout = '1500ms'; SELECT pg_reload_conf()");
	ok(DbsyncTest::becomes_true($source, q{SELECT current_setting('dbsync.target_timeout') = '1500ms'}),
		"$name: a target is given little time");
	$pair->start_subscription($name);
	$pair->arrives($name, "$name: it answers in time");
	$end->hold_rows("$schema.log");
	$pair->sql("INSERT INTO $schema.log VALUES (3002, 'times out')");
	$pair->status_becomes($name, "last_error ~ '" . $end->silent . "'", "$name: a silent target is given up");
	$pair->sql('ALTER SYSTEM RESET dbsync.target_timeout; SELECT pg_reload_conf()');
	$end->let_go;
	$pair->arrives($name, "$name: and tried again");
	same($end, 'after silence', "$schema.log");
	return;
}

sub second_subscription
{
	my ($end, $schema, $tables) = @_;
	my $name = $end->name;

	$pair->sql("INSERT INTO $schema.other SELECT n, 'old' FROM generate_series(1, 250) n");
	$pair->subscribe("second $name", ["$schema.other"], target => $name);
	$pair->start_subscription("second $name");
	foreach my $round (1 .. 20)
	{
		$pair->sql("INSERT INTO $schema.other SELECT $round * 1000 + n, 'new' FROM generate_series(1, 5) n");
		$pair->sql("INSERT INTO $schema.log SELECT $round * 10000 + n, 'new' FROM generate_series(1, 5) n");
	}
	$pair->arrives("second $name", "$name: two subscriptions into one target");
	$pair->arrives($name, "$name: the other of them");
	same($end, 'both at the same time', @$tables, "$schema.other");
	is(scalar(grep { exists $end->ledger->{$_} } uid($name), uid("second $name")), 2, "$name: each has a position");
	return;
}

# One table is refused; it says so, and the others go on.
sub refusal
{
	my ($end, $schema) = @_;
	my $name = $end->name;

	$pair->sql("SELECT dbsync.add_table('second $name', '$schema.refused')");
	$pair->status_becomes("second $name", q{last_error LIKE '%refused%'}, "$name: a table is refused");
	my $status = $pair->status("second $name");
	like($status->{last_error}, $end->refused, "$name: in the driver's words");
	like($status->{next_action}, qr/Give it another name|Create it on the target/, "$name: with its hint");
	$pair->sql("INSERT INTO $schema.other VALUES (-1, 'meanwhile')");
	ok(poll_until(sub { grep { /meanwhile/ } @{ $end->lines("$schema.other") } }, 'a row'),
		"$name: the other table goes on");
	$pair->sql("SELECT dbsync.remove_table('second $name', '$schema.refused')");
	$pair->arrives("second $name", "$name: the table is taken out");
	same($end, 'without it', "$schema.other");
	return;
}

# Tables without a key are for drivers that count rows; others say so.
sub keyless
{
	my ($end, $schema) = @_;
	my $name = $end->name;

	$pair->sql("CREATE TABLE $schema.keyless (v int)");
	$end->create_table("CREATE TABLE $schema.keyless (v int)");
	$pair->sql("INSERT INTO $schema.keyless VALUES (1), (1), (2)");
	$pair->subscribe("keyless $name", ["$schema.keyless"], target => $name);
	$pair->start_subscription("keyless $name");
	if ($name eq 'far')
	{
		$pair->arrives("keyless $name", "$name: a table without a key is copied");
		$pair->sql("UPDATE $schema.keyless SET v = 3 WHERE ctid = (SELECT min(ctid) FROM $schema.keyless)");
		$pair->arrives("keyless $name", "$name: and changes");
		same($end, 'without a key', "$schema.keyless");
	}
	else
	{
		$pair->status_becomes("keyless $name", q{last_error LIKE '%does not take tables without a key%'},
			"$name: a table without a key is refused");
	}
	$pair->stop_subscription("keyless $name");
	$pair->sql("SELECT dbsync.drop_subscription('keyless $name', force => true)");
	return;
}

# The ledger forgets what is dropped; the rows stay, and are found by who comes next.
sub ends
{
	my ($end, $schema, $tables) = @_;
	my $name = $end->name;
	my $second = uid("second $name");
	my $uid = uid($name);

	$pair->stop_subscription($name);
	$pair->sql("SELECT dbsync.drop_subscription('$name')");
	my $ledger = $end->ledger;
	ok(!exists $ledger->{$uid}, "$name: a subscription is dropped, and forgotten");
	is_deeply([ sort grep { !/^\d+$/ } values %$ledger ], [$second], "$name: with its tables, and none of the others'");
	same($end, 'rows stay', @$tables);

	$pair->sql("DELETE FROM $schema.log WHERE id > 100");
	$pair->subscribe($name, [ "$schema.log", "$schema.word" ], target => $name);
	$pair->start_subscription($name);
	$pair->status_becomes($name, q{last_error LIKE '%has rows%'}, "$name: a table that has rows is not copied to");
	$pair->sql("SELECT dbsync.copy_table('$name', '$schema.log', existing_rows => 'truncate')");
	$pair->sql("SELECT dbsync.copy_table('$name', '$schema.word', existing_rows => 'keep')");
	$pair->arrives($name, "$name: unless that is wanted");
	same($end, 'over rows of others', "$schema.log", "$schema.word");
	$pair->stop_subscription($_) foreach ($name, "second $name");
	$pair->sql("SELECT dbsync.drop_subscription('$_')") foreach ($name, "second $name");
	is_deeply($end->ledger, {}, "$name: the ledger is empty");
	return;
}

keeps_the_contract($_) foreach ($postgres, $file, $lite ? $lite : ());

# --- what a driver tells of itself

is($pair->sql(q{SELECT version ~ '^a file in /', "user" IS NULL, database IS NULL FROM dbsync.test_target('files')}),
	't|t|t', 'test_target() asks a driver that knows no users');
like(error_of(q{SELECT * FROM dbsync.alter_target('files', 'postgresql://localhost/x')}),
	qr/target "files" cannot get another driver/, 'a URI is of another driver');
$pair->sql(q{ALTER SERVER files OPTIONS (SET folder '/nowhere at all')});
like(error_of(q{SELECT * FROM dbsync.test_target('files')}),
	qr{could not open target "files"\nDETAIL:.*/nowhere at all/lock}, 'a target that cannot be opened says why');

# --- drivers that are none

# What test_target() says of a target of this wrapper.
sub refused_driver
{
	my ($wrapper, $error) = @_;
	$pair->sql("CREATE FOREIGN DATA WRAPPER $wrapper VALIDATOR public.file_test_validator; CREATE SERVER s_$wrapper FOREIGN DATA WRAPPER $wrapper;"
		  . "CREATE USER MAPPING FOR CURRENT_USER SERVER s_$wrapper");
	like(error_of("SELECT * FROM dbsync.test_target('s_$wrapper')"), $error, "driver $wrapper is refused");
	return;
}

refused_driver($_, qr/driver "$_" lacks a function that goes with its features/)
  foreach qw(dbsync_no_begin dbsync_no_ledger_move dbsync_no_has_rows dbsync_no_takes_unchanged dbsync_no_fence dbsync_no_create);
refused_driver($_, qr/driver "$_" cannot be used yet\nDETAIL:  Its targets keep no ledger, or cannot be read back/)
  foreach qw(dbsync_without_ledger dbsync_without_read_back);
refused_driver('dbsync_no_target', qr/driver "dbsync_no_target" has made no target of "s_dbsync_no_target"/);
refused_driver('dbsync_unknown', qr/library "dbsync_file_test" has no driver "dbsync_unknown"/);
refused_driver($_, qr/the driver of foreign data wrapper "$_" has another name/) foreach qw(dbsync_other_name dbsync_nameless);
refused_driver('dbsync_other_version',
	qr/driver "dbsync_other_version" was built for another dbsync\nDETAIL:  It has version (\d+) of the contract, and this dbsync version \d+/);
is($pair->sql(q{SELECT count(*) FROM dbsync.test_target('far')}), '1', 'those that are built in stay');

# What a driver calls its target is written into the ledger, and read from there: it must be read.
my $odd = File::Spec->rel2abs(PostgreSQL::Test::Utils::tempdir('odd'));
$pair->sql($_) foreach
  'CREATE FOREIGN DATA WRAPPER dbsync_odd_origin VALIDATOR public.file_test_validator',
  "CREATE SERVER odd FOREIGN DATA WRAPPER dbsync_odd_origin OPTIONS (folder '$odd')",
  'CREATE USER MAPPING FOR CURRENT_USER SERVER odd',
  'CREATE TABLE public.odd (id int PRIMARY KEY)';
$pair->subscribe('odd', ['public.odd'], target => 'odd');
like(error_of(q{SELECT dbsync.run_once('odd')}),
	qr/target "odd" has an origin that cannot be part of a route.*"dbsync_odd_origin"/s, 'an origin that is none is refused');
ok(!-e "$odd/target", 'and not written down');

# Nobody catches a FATAL error, and the next worker may die of it, too: status says of what.
$pair->sql($_) foreach
  'CREATE FOREIGN DATA WRAPPER dbsync_fatal VALIDATOR public.file_test_validator',
  'CREATE SERVER fatal FOREIGN DATA WRAPPER dbsync_fatal',
  'CREATE USER MAPPING FOR CURRENT_USER SERVER fatal',
  'CREATE TABLE public.fatal (id int PRIMARY KEY)';
$pair->subscribe('fatal', ['public.fatal'], target => 'fatal');
$pair->start_subscription('fatal');
$pair->status_becomes('fatal', q{last_error = 'target "fatal" has taken the process along' AND next_action ~ '^Take another driver' AND failures > 1},
	'what a worker has died of is in status');
$pair->stop_subscription('fatal');
$pair->sql(q{SELECT dbsync.drop_subscription('fatal', force => true)});

DbsyncTest::finish();

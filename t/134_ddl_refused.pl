# What a target refuses of a change, with ddl => 'apply', and locks of others there: nothing of
# the batch stays, that table alone is held, status has the statement and the refusal, nobody
# queues for long behind a change that waits, and the table catches up when the obstacle is
# gone.  Hazards 22, 23, 39; review B8.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true quoted uri_of);
use DbsyncTest::Changing;
use Test::More;

my $pair = DbsyncTest->new;
my $target = $pair->target;
my @tables = ('storm.changing', 'storm.quiet');

DbsyncTest::Changing::create_state($pair);
$pair->target_sql('CREATE ROLE weak LOGIN; GRANT CREATE ON DATABASE postgres TO weak; GRANT USAGE ON SCHEMA storm TO weak');
$pair->both("CREATE TABLE $_ (id int PRIMARY KEY, v int, w text, x int)") foreach @tables;
$pair->target_sql("GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA storm TO weak");
$pair->sql("INSERT INTO $_ SELECT i, i, 'w', i FROM generate_series(1, 10) i") foreach @tables;
$pair->subscribe('storm', \@tables, ddl => "'apply'");
$pair->start_subscription('storm');
$pair->arrives('storm', 'the first copy arrives');

my $quiet = 100;

sub state_of
{
	my ($node) = @_;
	return ask($node, DbsyncTest::Changing::state_sql('storm.changing'));
}

# Rows, a change and rows in one transaction; and a row of another table, alone.
sub change
{
	my ($sql) = @_;

	$quiet++;
	$pair->sql("BEGIN; UPDATE storm.changing SET w = w || '<'; $sql; UPDATE storm.changing SET w = w || '>' WHERE id % 2 = 0; COMMIT");
	$pair->sql("INSERT INTO storm.quiet VALUES ($quiet)");
	return;
}

sub is_held
{
	my ($what, $reason, $action) = @_;

	ok(becomes_true($pair->source, 'SELECT coalesce(bool_or(held_for ~ ' . quoted($reason) . ' AND next_action ~ ' . quoted($action)
				. "), false) FROM dbsync.table_status WHERE \"table\" = 'storm.changing'::regclass"),
		"$what: the table is held, with refusal and statement")
	  or $pair->describe_state('it is not');
	ok(becomes_true($target, "SELECT count(*) = 1 FROM storm.quiet WHERE id = $quiet"), "$what: the other table goes on");
	return;
}

sub catches_up
{
	my ($what) = @_;

	$pair->sql("SELECT dbsync.resume_table('storm', 'storm.changing')");
	$pair->arrives('storm', "$what: it catches up when that is gone");
	return is(state_of($target), state_of($pair->source), "$what: both ends are equal");
}

# --- refusals

foreach my $case (
	[ 'a row of the target\'s own that is null', "INSERT INTO storm.changing VALUES (1000, NULL, 'own', 1)",
		'DELETE FROM storm.changing WHERE id = 1000', 'ALTER TABLE storm.changing ALTER v SET NOT NULL',
		'contains null values.*23502', 'ALTER COLUMN v SET NOT NULL' ],
	[ 'a view that needs the column', 'CREATE VIEW storm.needs AS SELECT v FROM storm.changing',
		'DROP VIEW storm.needs', 'ALTER TABLE storm.changing DROP v', '2BP01', 'DROP COLUMN v' ],
	[ 'a view that needs the type', 'CREATE VIEW storm.needs AS SELECT x FROM storm.changing',
		'DROP VIEW storm.needs', 'ALTER TABLE storm.changing ALTER x TYPE bigint', '0A000', 'ALTER COLUMN x TYPE' ],
	[ 'a type that is not there', 'SELECT', 'CREATE TYPE storm.hue AS ENUM (\'red\')',
		"CREATE TYPE storm.hue AS ENUM ('red'); ALTER TABLE storm.changing ADD h storm.hue", '42704', 'ADD COLUMN h storm.hue' ])
{
	my ($what, $obstacle, $cure, $sql, $reason, $action) = @$case;

	$pair->target_sql($obstacle);
	my $before = state_of($target);
	change($sql);
	is_held($what, $reason, $action);
	is(state_of($target), $before, "$what: nothing of the batch stays");
	$pair->target_sql($cure);
	catches_up($what);
}

# --- locks

my $locker = $target->background_psql('postgres');
my $reader = 0;

$locker->query_safe('BEGIN; SELECT FROM storm.changing LIMIT 1');
change('ALTER TABLE storm.changing ADD locked int DEFAULT 1');
# who comes behind the change is served before a much longer time than it waits
until (ask($pair->source, 'SELECT count(*) FROM dbsync.table_status WHERE held_for IS NOT NULL'))
{
	my $rows = ask($target, "SET lock_timeout = '20s'; SELECT count(*) FROM storm.changing");

	last if !defined $rows || $reader++ > 10_000;
}
ok($reader <= 10_000, 'a change that waits for a reader: others are served meanwhile');
is_held('a lock', '55P03', 'ADD COLUMN locked');
$locker->query_safe('COMMIT');
$locker->quit;
$pair->arrives('storm', 'a lock: the table catches up by itself when it is gone');
is(state_of($target), state_of($pair->source), 'a lock: both ends are equal');

# --- a role that does not own the table

$pair->stop_subscription('storm');
$pair->sql("SELECT dbsync.drop_subscription('storm')");
$pair->create_target('weak', uri_of($target, user => 'weak'));
$pair->target_sql('GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA storm, dbsync_ledger TO weak;'
	  . 'GRANT USAGE ON SCHEMA dbsync_ledger TO weak');
$pair->subscribe('storm', \@tables, ddl => "'apply'", target => 'weak', existing_rows => "'truncate'");
$pair->start_subscription('storm');
$pair->arrives('storm', 'a role that does not own the tables copies them');
my $before = state_of($target);
change('ALTER TABLE storm.changing ADD owned int');
is_held('a table of somebody else', 'must be owner.*42501', 'ADD COLUMN owned');
is(state_of($target), $before, 'a table of somebody else: nothing of the batch stays');
$pair->target_sql('ALTER TABLE storm.changing OWNER TO weak; GRANT ALL ON SCHEMA storm TO weak');
catches_up('a table of somebody else');

# --- another policy, while the worker runs: what was left out is left out no more

my $log = -s $pair->source->logfile;
$pair->sql("SELECT dbsync.alter_subscription('storm', ddl => 'ignore')");
$pair->sql('ALTER TABLE storm.changing ADD late int; INSERT INTO storm.changing (id, x, late) VALUES (500, 5, 5)');
$pair->arrives('storm', 'a column that is ignored: rows arrive without it');
$pair->sql('UPDATE storm.changing SET late = 6 WHERE id = 500');
$pair->arrives('storm', 'a column that is ignored: further rows, too');
my @said = PostgreSQL::Test::Utils::slurp_file($pair->source->logfile, $log) =~ /columns of table storm\.changing are left out, as target table "storm\.changing" does not have them: late/g;
is(scalar(@said), 1, 'a column that is ignored: the log says so once');
$pair->sql("SELECT dbsync.alter_subscription('storm', ddl => 'apply')");
$quiet++;
$pair->sql("INSERT INTO storm.changing (id, x, late) VALUES (501, 5, 6); INSERT INTO storm.quiet VALUES ($quiet)");
is_held('a column that was ignored', 'lacks columns: late', 'Add them');
$pair->target_sql('ALTER TABLE storm.changing ADD late int');
$pair->sql("SELECT dbsync.resume_table('storm', 'storm.changing')");
$pair->arrives('storm', 'a column that was ignored: the table goes on when it is there');
is(ask($target, 'SELECT id, late FROM storm.changing WHERE id IN (500, 501) ORDER BY id'), "500|\n501|6",
	'a column that was ignored: rows of before have a hole');
$pair->sql("SELECT dbsync.copy_table('storm', 'storm.changing', existing_rows => 'truncate')");
$pair->arrives('storm', 'a column that was ignored: a copy arrives');
is(state_of($target), state_of($pair->source), 'a column that was ignored: both ends are equal behind it');

DbsyncTest::finish();

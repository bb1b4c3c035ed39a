# A batch that changes tables is there as a whole or not at all: whatever is killed while it
# sends the rows before a change, makes the change, sends the rows behind it, commits, or notes
# that it did.  Each place is made sure of by a lock that the batch must wait for.  Design of
# tables, section 11.  And: a change waits for others' locks for two seconds at most, so that
# nobody queues behind it for longer; what the target refuses leaves nothing of its batch.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until);
use DbsyncTest::Changing;
use Test::More;

my $pair = DbsyncTest->new;
my $target = $pair->target;
my @tables = map { "storm.p$_" } 1 .. 3;
my $rounds = 0;

DbsyncTest::Changing::create_state($pair);
$pair->both("CREATE TABLE $_ (id int PRIMARY KEY, v int)") foreach @tables;
# the last one's trigger holds up a COMMIT for as long as somebody has that lock
$pair->target_sql(<<'SQL');
CREATE FUNCTION storm.hold_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_advisory_xact_lock_shared(4711);
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER hold_up AFTER INSERT ON storm.p3 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION storm.hold_up();
ALTER TABLE storm.p3 ENABLE ALWAYS TRIGGER hold_up;
SQL
$pair->sql("INSERT INTO $_ SELECT i, i FROM generate_series(1, 10) i") foreach @tables;
$pair->subscribe('storm', \@tables, ddl => "'apply'");
$pair->start_subscription('storm');
$pair->arrives('storm', 'the first copy arrives');

sub state_of
{
	my ($node) = @_;
	return ask($node, DbsyncTest::Changing::state_sql(@tables)) // '';
}

sub is_equal
{
	my ($test) = @_;
	return is(state_of($target), state_of($pair->source), $test);
}

# One transaction: rows before, a change, rows behind it; another table's change and rows; a
# third table's rows, last.
sub change_tables
{
	$rounds++;
	$pair->sql(<<"SQL");
BEGIN;
INSERT INTO storm.p1 SELECT max(id) + 1, $rounds FROM storm.p1;
UPDATE storm.p1 SET v = v + 1;
ALTER TABLE storm.p1 ADD COLUMN added$rounds int DEFAULT $rounds;
UPDATE storm.p1 SET added$rounds = id WHERE id % 2 = 0;
INSERT INTO storm.p1 SELECT max(id) + 1, $rounds FROM storm.p1;
ALTER TABLE storm.p2 ADD COLUMN added$rounds timestamptz NOT NULL DEFAULT now();
DELETE FROM storm.p2 WHERE id = (SELECT min(id) FROM storm.p2);
INSERT INTO storm.p2 SELECT max(id) + 1, $rounds FROM storm.p2;
ALTER TABLE storm.p3 ADD COLUMN added$rounds text;
INSERT INTO storm.p3 SELECT max(id) + 1, $rounds FROM storm.p3;
COMMIT;
SQL
	return;
}

my $waits = "SELECT count(*) > 0 FROM pg_stat_activity a JOIN pg_locks l USING (pid) WHERE NOT l.granted"
  . " AND a.application_name ILIKE '%dbsync%'";

# where a batch can be stopped: a lock of somebody else's at the target, and what waits for it
my @places = (
	[ 'before the rows before the change', 'LOCK TABLE storm.p1 IN SHARE MODE', "$waits AND l.relation = 'storm.p1'::regclass" ],
	[ 'at the change', 'LOCK TABLE storm.p1 IN ACCESS SHARE MODE', "$waits AND l.relation = 'storm.p1'::regclass" ],
	[ 'behind the rows behind it', 'LOCK TABLE storm.p2 IN ACCESS SHARE MODE', "$waits AND l.relation = 'storm.p2'::regclass" ],
	[ 'in its COMMIT', 'SELECT pg_advisory_xact_lock(4711)', "$waits AND l.locktype = 'advisory'" ]);

my @victims = $pair->victims('storm');

# All of them die once of each, and each place is one where the ends die.
foreach my $place (@places)
{
	my ($where, $lock, $waiting) = @$place;

	foreach my $victim ($where eq 'at the change' ? @victims : @victims[ 0, 3 ])
	{
		my ($who, $kill) = @$victim;
		my $before = state_of($target);
		my $locker = $target->background_psql('postgres', on_error_stop => 0);

		$locker->query_safe("BEGIN; $lock");
		change_tables();
		ok(becomes_true($target, $waiting), "a batch waits $where")
		  or $pair->describe_state('it does not wait');
		$kill->();
		my $after = state_of($target);
		# with the target's processes the lock has gone, and the batch may be there by now
		$after = $before if $who =~ /target/ && $after eq state_of($pair->source);
		is($after, $before, "$who is killed $where: nothing of the batch is there");
		eval { $locker->query('ROLLBACK'); $locker->quit; };
		$pair->arrives('storm', "$who was killed $where: all arrives");
		is_equal("$who was killed $where: both ends are equal");
	}
}

# --- between COMMIT there and the note here

foreach my $victim (@victims)
{
	my ($who, $kill) = @$victim;
	my $before = state_of($target);
	my $locker = $pair->source->background_psql('postgres', on_error_stop => 0);

	$locker->query_safe('BEGIN; LOCK TABLE dbsync.subscription, dbsync.subscription_table IN SHARE MODE');
	change_tables();
	my $here = state_of($pair->source);
	ok(poll_until(sub { state_of($target) eq $here }, 'the batch'), 'the batch is committed, and no note can be made');
	$kill->();
	eval { $locker->query('ROLLBACK'); $locker->quit; };
	my $after = state_of($target);
	# it commits there with synchronous_commit off, and what was not flushed goes with its processes
	$after = $here if $who =~ /target/ && $after eq $before;
	is($after, $here, "$who is killed before the note: the batch stays, or has gone as a whole");
	$pair->arrives('storm', "$who was killed before the note: nothing is left to come");
	change_tables();
	$pair->arrives('storm', "$who was killed before the note: the next change arrives");
	is_equal("$who was killed before the note: both ends are equal");
}

DbsyncTest::finish();

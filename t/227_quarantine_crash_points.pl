# Workers, backends and servers are killed at each step of parking a row, of retry() and of skip().  Each step is made sure of by a lock
# that must be waited for.  Whatever was killed: the target and what is parked there are the source, the note here says the
# same, what was asked for is done once, and in the end, mended, both ends are equal.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until);
use Test::More;

my $pair = DbsyncTest->new;
my ($source, $target) = ($pair->source, $pair->target);
my $last = 0;

# rows that say "wait" are written for as long as somebody has a lock; those that say "late" keep the last check
$pair->sql('CREATE TABLE item (id int PRIMARY KEY, v text, n int); CREATE TABLE other (id int PRIMARY KEY)');
$pair->target_sql(<<'SQL');
CREATE TABLE item (id int PRIMARY KEY, v text CHECK (v <> 'bad'), n int);
CREATE TABLE other (id int PRIMARY KEY);
CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.v = TG_ARGV[0] THEN
		PERFORM pg_catalog.pg_advisory_xact_lock_shared(TG_ARGV[1]::int);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER wait AFTER INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION hold_up('wait', 4711);
CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON item DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold_up('late', 4712);
ALTER TABLE item ENABLE ALWAYS TRIGGER wait, ENABLE ALWAYS TRIGGER late;
SQL
$pair->sql(q{INSERT INTO item SELECT i, 'good', 0 FROM generate_series(1, 50) i});
$pair->subscribe('q', [ 'item', 'other' ], on_error => "'quarantine'");
$pair->start_subscription('q');
$pair->arrives('q', 'the first copy arrives');

sub parked_there { return ask($target, q{SELECT coalesce(string_agg(key[1], ' ' ORDER BY key[1]::int), '') FROM dbsync_ledger.quarantine}) // '?'; }
sub parked_here { return ask($source, q{SELECT coalesce(string_agg(key[1], ' ' ORDER BY key[1]::int), '') FROM dbsync_internal.parked_row}) // '?'; }

# What is not parked is the same; of what is parked the target has what it had.
sub adds_up
{
	my ($test, $parked) = @_;
	my $rows = "SELECT coalesce(md5(string_agg(i::text, ',' ORDER BY id)), '') FROM item i";

	is(parked_there(), $parked, "$test: what must be is parked, and nothing else");
	is(parked_here(), $parked, "$test: it is noted");
	my $except = $parked eq '' ? '' : ' WHERE id NOT IN (' . join(', ', split / /, $parked) . ')';
	is($pair->target_sql("$rows$except"), $pair->sql("$rows$except"), "$test: the rest is the same");
	is($pair->target_sql('SELECT count(*) FROM other'), $pair->sql('SELECT count(*) FROM other'), "$test: the other table, too");
	is($pair->sql('SELECT count(*) FROM dbsync.quarantine WHERE asked IS NOT NULL'), '0', "$test: nothing is left to be done");
	is($pair->sql(q{SELECT string_agg(state, ' ') FROM dbsync.table_status}), 'live live', "$test: no table is held");
	return;
}

# A transaction with a bad row; it is the next one that is parked.
sub write_rows
{
	$last++;
	$pair->sql(<<"SQL");
BEGIN;
UPDATE item SET n = n + 1, v = CASE WHEN id = $last THEN 'bad' ELSE v END WHERE id <= 50;
INSERT INTO item SELECT 1000 * $last + i, 'good', $last FROM generate_series(1, 900) i;
INSERT INTO item VALUES (1000 * $last + 998, 'wait', 0), (1000 * $last + 999, 'late', 0);
INSERT INTO other SELECT coalesce(max(id), 0) + 1 FROM other;
COMMIT;
SQL
	return;
}

sub lock_at
{
	my ($node, $lock) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$session->query_safe("BEGIN; $lock");
	return $session;
}

sub let_go
{
	my ($session) = @_;
	eval { $session->query('ROLLBACK'); $session->quit; };
	return;
}

my $waits = "SELECT count(*) > 0 FROM pg_stat_activity a JOIN pg_locks l USING (pid) WHERE NOT l.granted AND a.application_name ILIKE '%dbsync%'";
my @victims = $pair->victims('q');
my @parked;

# --- until a row is parked

my @places = (
	[ 'before all of it', 'LOCK TABLE item IN SHARE MODE', "$waits AND l.relation = 'item'::regclass" ],
	[ 'behind the row that is parked, in another slice', 'SELECT pg_advisory_xact_lock(4711)', "$waits AND l.locktype = 'advisory' AND l.objid = 4711" ],
	[ 'at the last check', 'SELECT pg_advisory_xact_lock(4712)', "$waits AND l.locktype = 'advisory' AND l.objid = 4712" ]);
foreach my $place (@places)
{
	my ($where, $lock, $waiting) = @$place;

	foreach my $victim (@victims)
	{
		my ($who, $kill) = @$victim;
		my $before = parked_there();
		my $session = lock_at($target, $lock);

		write_rows();
		ok(becomes_true($target, $waiting), "a batch waits $where") or $pair->describe_state('it does not wait');
		is(parked_there(), $before, 'nobody sees yet that anything is parked') if $who ne 'the target';
		$kill->();
		let_go($session);
		push @parked, $last;
		$pair->arrives('q', "$who was killed $where: all arrives");
		adds_up("$who was killed $where", join ' ', @parked);
	}
}

# --- between the commit there and the note here

foreach my $victim (@victims)
{
	my ($who, $kill) = @$victim;
	my $session = lock_at($source, 'LOCK TABLE dbsync_internal.parked_row IN SHARE MODE');

	write_rows();
	push @parked, $last;
	ok(poll_until(sub { parked_there() eq join ' ', @parked }, 'the batch'), 'the batch is committed, and cannot be noted');
	$kill->();
	let_go($session);
	# one more change, which finds the key parked, whoever has noted it
	$pair->sql("UPDATE item SET n = n + 1 WHERE id = $last");
	$pair->arrives('q', "$who was killed before the note: all arrives");
	adds_up("$who was killed before the note", join ' ', @parked);
	is($pair->sql("SELECT changes FROM dbsync.quarantine WHERE key = '{\"id\": \"$last\"}'"), '2', 'and what changed later is with what is parked') if $who !~ /target/;
}

# --- what is asked for: keys of rows that are good by now, one that is not, and one that is passed over

foreach my $step ('before it is done', 'while it is done', 'before it is noted')
{
	foreach my $victim (@victims)
	{
		my ($who, $kill) = @$victim;
		my ($good, $skipped) = splice(@parked, 0, 2);

		if (!defined $skipped)
		{
			# there are no more of them
			($good, $skipped) = map { write_rows(); 0 + $last } 1 .. 2;
			$pair->arrives('q', 'more are parked');
		}
		# asked of a stopped one, so that all of it is one batch
		$pair->stop_subscription('q');
		my $there = lock_at($target, 'LOCK TABLE item IN SHARE MODE');
		$pair->sql("SELECT dbsync.skip('q', 'item', '{\"id\": $skipped}')");
		$pair->sql("UPDATE item SET v = 'mended' WHERE id = $good");
		$pair->sql("SELECT dbsync.retry('q', 'item', '{\"id\": $_}')") foreach ($good, @parked ? $parked[0] + 0 : ());
		my $asked = $pair->sql('SELECT count(*) FROM dbsync.quarantine WHERE asked IS NOT NULL');
		is($asked, 2 + (@parked ? 1 : 0), 'it is written down');
		my $here;
		if ($step eq 'before it is noted')
		{
			$here = lock_at($source, 'LOCK TABLE dbsync_internal.parked_row IN SHARE MODE');
		}
		$pair->start_subscription('q');
		ok(becomes_true($target, "$waits AND l.relation = 'item'::regclass"), "$step: it waits there") or $pair->describe_state('it does not wait');
		if ($step eq 'before it is noted')
		{
			let_go($there);
			ok(poll_until(sub { parked_there() eq join ' ', @parked }, 'the batch'), 'it is done there');
		}
		$kill->();
		let_go($there) if $step ne 'before it is noted';
		let_go($here) if defined $here;
		$pair->arrives('q', "$who was killed $step: all arrives");
		# what was passed over is as it was there, until it changes
		my $v = $pair->target_sql("SELECT v FROM item WHERE id = $skipped");
		is($v, 'good', 'what was passed over has not come');
		$pair->sql("UPDATE item SET v = 'mended' WHERE id = $skipped");
		$pair->arrives('q', 'and comes when it changes');
		adds_up("$who was killed $step", join ' ', @parked);
	}
}

# --- mended

$pair->target_sql('ALTER TABLE item DROP CONSTRAINT item_v_check');
$pair->sql(q{SELECT dbsync.retry('q', 'item')}) if @parked;
$pair->arrives('q', 'mended');
adds_up('mended', '');
$pair->same_at_both_ends('public.item', 'public.other');

DbsyncTest::finish();

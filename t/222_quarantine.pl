# Rows that the target refuses, for whatever a row can be refused, in random transactions, while workers, backends and servers are
# killed: once at a target that does not check foreign keys for dbsync, once at one that does.  At any time when all has arrived the
# target and what is parked are the source; what is parked is just what the target's rules are against; and when the cause is
# mended, retry() makes both ends equal.  Issue "Quarantine", hazards 29, 31.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask poll_until random_below uri_of);
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 3;

my $tables = <<'SQL';
CREATE SCHEMA q;
CREATE TABLE q.parent (id int PRIMARY KEY, n int, t text, u int, c int, body text);
CREATE TABLE q.child (id int PRIMARY KEY, parent int NOT NULL REFERENCES q.parent, t text);
CREATE TABLE q.free (a numeric, b text COLLATE "C", v text, PRIMARY KEY (a, b));
SQL

# What the target is against, and what the source says of it.
my $rules = <<'SQL';
ALTER TABLE q.parent ALTER n TYPE smallint, ALTER n SET NOT NULL, ALTER t TYPE varchar(8), ADD CHECK (c <> 13), ADD UNIQUE (u);
INSERT INTO q.parent SELECT -i, 1, 'theirs', -i, 1 FROM generate_series(1, 5) i;
CREATE FUNCTION q.judge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.v = 'bad' THEN
		RAISE EXCEPTION 'row (%, %) is bad', NEW.a, NEW.b;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER judge AFTER INSERT OR UPDATE ON q.free FOR EACH ROW EXECUTE FUNCTION q.judge();
ALTER TABLE q.free ENABLE ALWAYS TRIGGER judge;
CREATE FUNCTION q.judge_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.v = 'late' THEN
		RAISE EXCEPTION 'row (%, %) is late', NEW.a, NEW.b;
	END IF;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON q.free DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION q.judge_late();
ALTER TABLE q.free ENABLE ALWAYS TRIGGER late;
SQL
my $bad_parent = 'n IS NULL OR abs(n) > 32767 OR length(t) > 8 OR c = 13 OR u < 0';
my %bad = (
	'q.parent' => "SELECT id::text FROM q.parent WHERE $bad_parent",
	'q.child' => 'SELECT id::text FROM q.child WHERE false',
	'q.free' => "SELECT concat_ws(',', a, b) FROM q.free WHERE v IN ('bad', 'late')");
my $mended = <<'SQL';
DELETE FROM q.parent WHERE id < 0;
ALTER TABLE q.parent ALTER n TYPE int, ALTER n DROP NOT NULL, ALTER t TYPE text, DROP CONSTRAINT parent_c_check, DROP CONSTRAINT parent_u_key;
DROP TRIGGER judge ON q.free;
DROP TRIGGER late ON q.free;
SQL

sub value
{
	my ($good, @bad) = @_;
	return random_below(12) ? $good : $bad[ random_below(scalar @bad) ];
}

# A transaction; ids are few, so keys are parked, changed, freed and parked again.
sub transaction
{
	my @statements;

	foreach (0 .. random_below(6))
	{
		my $id = 1 + random_below(60);
		my $n = value(random_below(100), 'NULL', 31000, -32000, 70000);
		my $t = value("'t$id'", "'much too long'");
		my $c = value(random_below(10), 13);
		my $u = value($id, -1 - random_below(5));
		my $v = value("'v'", "'bad'", "'late'");
		my $kind = random_below(9);

		push @statements, (
			"INSERT INTO q.parent VALUES ($id, $n, $t, $u, $c, repeat('b', 3000)) ON CONFLICT (id) DO UPDATE SET n = EXCLUDED.n, t = EXCLUDED.t, c = EXCLUDED.c",
			"UPDATE q.parent SET c = $c WHERE id = $id",
			"UPDATE q.parent SET n = $n, t = $t WHERE id BETWEEN $id AND $id + 3",
			"DELETE FROM q.child WHERE parent = $id; DELETE FROM q.parent WHERE id = $id",
			"INSERT INTO q.child SELECT $id, id, $t FROM q.parent WHERE id BETWEEN $id AND $id + 5 ORDER BY id LIMIT 1 ON CONFLICT (id) DO UPDATE SET parent = EXCLUDED.parent",
			"DELETE FROM q.child WHERE id BETWEEN $id AND $id + 2",
			"INSERT INTO q.free VALUES ($id % 7, 'b$id', $v) ON CONFLICT (a, b) DO UPDATE SET v = EXCLUDED.v",
			"UPDATE q.free SET v = $v, a = a + 0.0 WHERE b = 'b$id'",
			"DELETE FROM q.free WHERE b = 'b$id'")[$kind];
	}
	push @statements, 'TRUNCATE q.free' if random_below(60) == 0;
	push @statements, "INSERT INTO q.free SELECT g, 'many', CASE g % 700 WHEN 5 THEN 'bad' ELSE 'v' END FROM generate_series(100, 2100) g ON CONFLICT (a, b) DO UPDATE SET v = EXCLUDED.v"
	  if random_below(25) == 0;
	return 'BEGIN; ' . join('; ', @statements) . '; COMMIT;';
}

sub key_columns
{
	my ($table) = @_;
	return $table eq 'q.free' ? "concat_ws(',', a, b)" : 'id::text';
}

sub lines
{
	my ($node, $query) = @_;
	return split /\n/, ($node->safe_psql('postgres', $query) // '');
}

# The target and what is parked are the source; and only that is parked which must be.
sub adds_up
{
	my ($pair, $checks, $test) = @_;
	my $right = 1;

	foreach my $table (sort keys %bad)
	{
		my $key = key_columns($table);
		my $columns = $table eq 'q.parent' ? 'id, n, t, u, c, body' : $table eq 'q.child' ? 'id, parent, t' : 'a, b, v';
		my $rows = "SELECT $key || '|' || ROW($columns)::text FROM $table";
		my %here = map { split /\|/, $_, 2 } lines($pair->source, $rows);
		my %there = map { split /\|/, $_, 2 } lines($pair->target, $rows . ($table eq 'q.parent' ? ' WHERE id > 0' : ''));
		my %parked = map { $_ => 1 } lines($pair->target, "SELECT array_to_string(key, ',') FROM dbsync_ledger.quarantine WHERE relation = '$table'");
		my %noted = map { $_ => 1 } lines($pair->source, "SELECT array_to_string(p.key, ',') FROM dbsync_internal.parked_row p JOIN dbsync.subscription_table a ON a.uid = p.attachment"
			  . " JOIN dbsync.captured_table c ON c.id = a.captured_id WHERE c.relid = '$table'::regclass");
		my %wanted = map { $_ => 1 } lines($pair->source, $bad{$table});
		# equal numbers are written otherwise here than they were parked
		my $same = sub { my ($k) = @_; $k =~ s/^(-?\d+)\.0+,/$1,/; return $k; };

		%$_ = map { $same->($_) => 1 } keys %$_ foreach (\%parked, \%noted, \%wanted);
		%here = map { $same->($_) => $here{$_} } keys %here;
		%there = map { $same->($_) => $there{$_} } keys %there;
		my @wrong = grep { !$parked{$_} && ($here{$_} // '') ne ($there{$_} // '') } sort keys %{ { %here, %there } };
		$right &= is(join(' ', map { "$_: " . ($here{$_} // 'nothing') . ' / ' . ($there{$_} // 'nothing') } splice(@wrong, 0, 3)), '', "$test: what is not parked of $table is the same");
		$right &= is(join(' ', sort keys %noted), join(' ', sort keys %parked), "$test: the note of $table is what is parked");
		$right &= is(join(' ', grep { !$parked{$_} } sort keys %wanted), '', "$test: what $table is against is parked");
		# a child, a parent that a child keeps there, may be parked with others
		$right &= is(join(' ', grep { !$wanted{$_} } sort keys %parked), '', "$test: nothing else of $table is") unless $checks && $table ne 'q.free';
	}
	return $right;
}

sub storm
{
	my ($name, $checks) = @_;
	my $pair = DbsyncTest->new(
		prefix => $name,
		source_conf => "dbsync.retention_interval = '200ms'",
		($checks ? (uri => \&DbsyncTest::uri_that_checks_keys) : ()));
	my @names = sort keys %bad;

	$pair->sql($tables);
	$pair->target->safe_psql('postgres', $tables . $rules, extra_params => $checks ? [ '-U', 'plain' ] : []);
	# rows of the first copy are refused, too
	$pair->sql(transaction()) foreach 1 .. 40;
	$pair->subscribe('q', \@names, existing_rows => "'keep'", on_error => "'quarantine'");
	$pair->start_subscription('q');
	return $pair->describe_state('no first copy') unless $pair->arrives('q', "$name: the first copy arrives");
	adds_up($pair, $checks, "$name: first copy");

	my @victims = $pair->victims('q');
	foreach my $round (1 .. $rounds)
	{
		foreach my $victim (@victims)
		{
			my ($who, $kill) = @$victim;

			$pair->sql(join "\n", map { transaction() } 0 .. random_below(30));
			$kill->();
			$pair->sql(join "\n", map { transaction() } 0 .. random_below(30));
			$pair->arrives('q', "$name, round $round: all arrives behind the death of $who") or return $pair->describe_state("after the death of $who");
			adds_up($pair, $checks, "$name, round $round, $who") or return;
		}
		# some are asked for again, and refused again
		$pair->sql("SELECT dbsync.retry('q', '$_')") foreach @names;
		$pair->arrives('q', "$name, round $round: retries are answered");
		adds_up($pair, $checks, "$name, round $round, retried") or return;
		is($pair->sql('SELECT count(*) FROM dbsync.quarantine WHERE asked IS NOT NULL'), '0', "$name, round $round: nothing is left to be done");
	}
	is($pair->sql("SELECT string_agg(state || coalesce(held_for, ''), ' ') FROM dbsync.table_status WHERE state <> 'live'"), '', "$name: no table is held");
	note($pair->sql('SELECT count(*) FROM dbsync.quarantine') . ' keys are parked');

	$pair->target_sql($mended);
	$pair->sql("SELECT dbsync.retry('q', '$_')") foreach @names;
	$pair->arrives('q', "$name: mended");
	# a child may have been in the way of its parent, and that of others
	for (my $i = 0; $i < 3 && $pair->sql('SELECT count(*) FROM dbsync.quarantine') ne '0'; $i++)
	{
		$pair->sql("SELECT dbsync.retry('q', '$_')") foreach @names;
		$pair->arrives('q', "$name: retried once more");
	}
	is($pair->sql('SELECT count(*) FROM dbsync.quarantine'), '0', "$name: nothing is parked any more");
	is($pair->target_sql('SELECT count(*) FROM dbsync_ledger.quarantine'), '0', "$name: nor at the target");
	$pair->same_at_both_ends('(SELECT id, n, t, u, c, body FROM q.parent)', 'q.child', 'q.free') or $pair->describe_state("$name: not equal");
	$pair->stop_subscription('q');
	return;
}

storm('replica', 0);
storm('ordered', 1);

DbsyncTest::finish();

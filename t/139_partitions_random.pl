# Partitioned tables by chance: rows through the root, middles and leaves, rows that move, and
# partitions that come, go and are emptied, in transactions with savepoints.  At every batch
# boundary the target, which is partitioned otherwise, is what the source was.  Issue
# "Partitions, tables without a key, sequences"; hazards 11 to 14, 17, 18, 40 of its design.
#
# Every transaction leaves a token; what the target is when a token arrives is written down there
# in the batch's own transaction, by a trigger.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(random_below);
use DbsyncTest::Changing qw(chance one_of);
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 2;
my $transactions = 60;

my $pair = DbsyncTest->new(source_conf => "dbsync.segment_size = '64kB'\ndbsync.retention_interval = '200ms'");

$pair->sql(<<'SQL');
CREATE SCHEMA storm;
CREATE TABLE storm.p (id int NOT NULL, k int NOT NULL, v text, w text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
ALTER TABLE storm.p ALTER w SET STORAGE EXTERNAL;
CREATE TABLE storm.token (n int PRIMARY KEY);
SQL
$pair->target_sql(<<'SQL');
CREATE SCHEMA storm;
CREATE TABLE storm.p (w text, id int NOT NULL, v text, k int NOT NULL, PRIMARY KEY (k, id)) PARTITION BY HASH (id);
CREATE TABLE storm.h0 PARTITION OF storm.p FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE storm.h1 PARTITION OF storm.p FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE storm.kept (id int, k int, v text, w text, PRIMARY KEY (id, k));
CREATE TABLE storm.token (n int PRIMARY KEY);
SQL
my $state = "SELECT coalesce(string_agg(concat_ws(',', id, k, v, md5(w)), ' ' ORDER BY id, k), '') FROM storm.p";
$pair->target_sql(<<"SQL");
CREATE TABLE storm.seen (n int PRIMARY KEY, state text);
CREATE FUNCTION storm.see() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	-- the last token of a batch is the one that its state belongs to
	IF new.n = (SELECT max(n) FROM storm.token) THEN
		INSERT INTO storm.seen SELECT new.n, ($state);
	END IF;
	RETURN NULL;
END \$\$;
CREATE CONSTRAINT TRIGGER see AFTER INSERT ON storm.token DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION storm.see();
ALTER TABLE storm.token ENABLE ALWAYS TRIGGER see;
SQL
$pair->subscribe('storm', [ 'storm.p', 'storm.token' ], on_partition_drop => "'delete'");
$pair->sql("SELECT dbsync.create_subscription('keeps', 'far')");
$pair->sql("SELECT dbsync.add_table('keeps', 'storm.p', target_table => 'storm.kept')");

# What chance brings about may fail for these reasons; whatever else is said is a failure.
my %may_fail = map { $_ => 1 } (
	'23505',    # the key is there already
	'23514',    # no partition for the row, or its default has rows of another's
	'42P17',    # partitions would overlap
	'0A000',    # the row would leave its leaf in ON CONFLICT
	'42P16');    # it is attached already
my %failed;
my @unexpected;

{
	no warnings 'redefine';
	*PostgreSQL::Test::BackgroundPsql::note = sub { };
}
my $psql = $pair->source->background_psql('postgres', on_error_stop => 0);
$psql->query("\\set VERBOSITY verbose\nSET client_min_messages = 'error'");
$psql->{stderr} = '';

sub try
{
	my ($sql) = @_;
	my ($answer) = $psql->query($sql);
	my $error = $psql->{stderr};

	$psql->{stderr} = '';
	my ($code, $message) = $error =~ /ERROR:  (\w{5}): (.*)/;
	note("$sql;" . ($code ? " -- $code: $message" : '')) if length $sql < 300;
	return (1, $answer) unless $code;
	$failed{$code}++;
	push @unexpected, "$sql: $code: $message" unless $may_fail{$code};
	return (0, '');
}

sub ask
{
	my ($done, $answer) = try(@_);

	return $answer;
}

sub members
{
	my ($kind) = @_;

	return split /\n/, ask("SELECT relid FROM pg_partition_tree('storm.p') WHERE $kind ORDER BY 1");
}

# Tables that were detached, or have yet to be attached.
sub loose
{
	return split /\n/, ask("SELECT oid::regclass FROM pg_class WHERE relnamespace = 'storm'::regnamespace"
		  . " AND relkind IN ('r', 'p') AND NOT relispartition AND relname LIKE 'l%' ORDER BY 1");
}

my $made = 0;
my $ids = 1;

sub row
{
	my $k = 1 + random_below(9);
	my $large = chance(20) ? "repeat(md5('" . random_below(100) . "'), 100)" : "'small'";

	return '(' . (1 + random_below(60)) . ", $k, 'v" . random_below(1000) . "', $large)";
}

sub rows { return join ', ', map { row() } 1 .. 1 + random_below(8); }

sub writes
{
	my $where = one_of('id % ' . (2 + random_below(5)) . ' = 0', 'id < ' . random_below(60), 'k = ' . (1 + random_below(9)));
	my $member = one_of('storm.p', 'storm.p', members('true'));
	my $set = one_of("v = v || 'x'", "v = 'set'", "w = 'w'", 'k = 1 + k % 9', 'id = id + 100', 'k = 1 + (k + 3) % 9, v = NULL');

	return one_of(
		"INSERT INTO storm.p VALUES " . rows() . " ON CONFLICT DO NOTHING",
		"INSERT INTO storm.p VALUES " . rows() . " ON CONFLICT DO NOTHING",
		"INSERT INTO storm.p VALUES " . row() . " ON CONFLICT (id, k) DO UPDATE SET v = excluded.v",
		"INSERT INTO $member (id, k, v, w) VALUES " . row(),
		"UPDATE $member SET $set WHERE $where",
		"UPDATE storm.p SET $set WHERE $where",
		"DELETE FROM $member WHERE $where AND id % 3 = 0",
		"MERGE INTO storm.p USING (SELECT id, k FROM storm.p WHERE $where) s ON storm.p.id = s.id AND storm.p.k = s.k"
		  . " WHEN MATCHED THEN UPDATE SET k = 1 + s.k % 9",
		"MERGE INTO storm.p USING (VALUES " . row() . ") s (id, k, v, w) ON storm.p.id = s.id"
		  . " WHEN MATCHED AND storm.p.id % 5 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET k = s.k, v = s.v"
		  . " WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.k, s.v, s.w)",
		"WITH gone AS (DELETE FROM storm.p WHERE $where RETURNING *) INSERT INTO storm.p SELECT id + 200, k, v, w FROM gone");
}

# Statements that change which partitions there are, or what is in one.
sub changes
{
	my $name = 'storm.l' . ++$made;
	my $value = 1 + random_below(9);
	my $bound = chance(12) ? 'DEFAULT' : "FOR VALUES IN ($value)";
	my @members = members('true');
	my @tops = members("parentrelid = 'storm.p'::regclass");
	my @loose = loose();
	my @can = (
		[ "CREATE TABLE $name PARTITION OF storm.p $bound" ],
		[ "CREATE TABLE $name PARTITION OF storm.p $bound PARTITION BY RANGE (id)",
		  "CREATE TABLE ${name}a PARTITION OF $name FOR VALUES FROM (MINVALUE) TO (" . (10 + random_below(40)) . ")",
		  "CREATE TABLE ${name}b PARTITION OF $name DEFAULT" ],
		[ "CREATE TABLE $name (v text, gone int, k int NOT NULL, id int NOT NULL, w text)",
		  "ALTER TABLE $name DROP gone",
		  "INSERT INTO $name (id, k, v) SELECT g, $value, 'came ' || g FROM generate_series(1, " . random_below(9) . ") g",
		  "ALTER TABLE storm.p ATTACH PARTITION $name FOR VALUES IN ($value)" ],
		[ 'TRUNCATE ' . one_of(@members) ],
		[ 'TRUNCATE ' . join(', ', one_of(@members), one_of(@members)) ]);

	push @can, [ 'ALTER TABLE storm.p DETACH PARTITION ' . one_of(@tops) ], [ 'DROP TABLE ' . one_of(@tops) ] if @tops > 2;
	if (@loose)
	{
		my $loose = one_of(@loose);

		push @can, [ "UPDATE $loose SET v = 'loose'", "ALTER TABLE storm.p ATTACH PARTITION $loose FOR VALUES IN ($value)" ],
		  [ "UPDATE $loose SET k = $value", "ALTER TABLE storm.p ATTACH PARTITION $loose FOR VALUES IN ($value)" ];
		push @can, [ "DROP TABLE $loose" ] if @loose > 3;
	}
	return @{ one_of(@can) };
}

my $token = 0;
my %was;    # what the source was, by token

sub transaction
{
	my $savepoint = 0;

	try('BEGIN');
	foreach (1 .. 1 + random_below(6))
	{
		try('SAVEPOINT s');
		my $done = 1;

		foreach my $sql (chance(35) ? changes() : writes())
		{
			($done) = try($sql);
			last unless $done;
		}
		try('ROLLBACK TO s') if !$done || chance(8);
		try('RELEASE s') if $done && chance(50);
	}
	if (chance(10))
	{
		try('ROLLBACK');
		return;
	}
	try('INSERT INTO storm.token VALUES (' . ++$token . ')');
	try('COMMIT');
	$was{$token} = ask($state);
	return;
}

my $seen = 0;

sub catch_up
{
	my ($running) = @_;
	my $bad = '';

	if ($running)
	{
		$pair->arrives('storm', 'all arrives') or return 0;
	}
	else
	{
		my $rows = one_of(1, 1, 20, 1000);
		my (undef, undef, $error) = $pair->source->psql('postgres', "SET dbsync.batch_rows = $rows; SELECT dbsync.run_once('storm')");

		return is($error, '', 'run_once') if $error ne '';
	}
	foreach my $line (split /\x{1}/, $pair->target_sql("SELECT string_agg(n || '|' || state, E'\\x01' ORDER BY n) FROM storm.seen WHERE n > $seen"))
	{
		my ($n, $there) = split /\|/, $line, 2;

		$seen = $n;
		next if $there eq $was{$n};
		return is($there, $was{$n}, "a batch leaves what the source was, with token $n");
	}
	my $there = $pair->target_sql($state);

	return $there eq $was{$token} || is($there, $was{$token}, "the target is what the source is, with token $token");
}

foreach my $value (1 .. 5)
{
	ask("CREATE TABLE storm.first$value PARTITION OF storm.p FOR VALUES IN ($value)");
}
ask('INSERT INTO storm.p VALUES ' . join(', ', map { "($_, " . (1 + $_ % 5) . ", 'first', 'w')" } 1 .. 40));
$was{0} = ask($state);
ok(catch_up(0), 'the first copy arrives');
foreach my $round (1 .. $rounds)
{
	my $running = $round % 2 == 0;
	my $right = 1;

	$pair->start_subscription('storm') if $running;
	foreach (1 .. $transactions)
	{
		transaction();
		last if @unexpected;
		$right &&= !chance(12) || catch_up($running);
		last unless $right;
	}
	ok($right && catch_up($running), "round $round: at every batch boundary the target is what the source was");
	$pair->stop_subscription('storm') if $running;
	last unless $right;
}
is(join("\n", @unexpected), '', 'no statement fails but for a reason of its own');
note("statements that failed: $_, $failed{$_} times") foreach sort keys %failed;

# Rows of partitions that went are kept there; all others are the same.
$pair->sql("SELECT dbsync.run_once('keeps')");
my %here = map { $_ => 1 } split / /, ask($state);
my %there = map { $_ => 1 } split / /, $pair->target_sql($state =~ s/storm\.p/storm.kept/r);
is(join(' ', grep { !$there{$_} } sort keys %here), '', 'who keeps has all rows that are there');
is($pair->sql("SELECT count(*) FROM dbsync.partition p FULL JOIN (SELECT relid::oid FROM pg_partition_tree('storm.p') WHERE level > 0) t USING (relid) WHERE p.relid IS NULL OR t.relid IS NULL"),
	'0', 'dbsync.partition says which partitions there are');
$psql->quit;

DbsyncTest::finish();

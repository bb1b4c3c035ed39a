# Foreign keys by chance: graphs of three to eight tables, with tables that reference themselves,
# circles, CASCADE, SET NULL, keys that are deferred, and unique values that move, under changes by chance.  The
# target checks its keys, as dbsync's role there may not set session_replication_role.  For a while it
# lacks a column of one table, which is held then with all that is tied to it; and its sessions end.  In
# the end whole tables are equal, and no row that was there all the time was ever gone.  Issue
# "What flows"; review B1, hazards 24, 28 and 29 of its design.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until random_below);
use DbsyncTest::Changing qw(chance one_of);
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 2;
my $transactions = 60;
my $kept = 5;    # rows with ids up to here are never deleted

my $pair = DbsyncTest->new(
	source_conf => "dbsync.copy_chunk_rows = 10\ndbsync.retention_interval = '200ms'\ndbsync.retry_max = '1s'",
	uri => \&DbsyncTest::uri_that_checks_keys);

# What chance brings about may fail for these reasons; whatever else is said is a failure.
my %may_fail = map { $_ => 1 } (
	'23502',    # SET NULL of what may not be null
	'23503',    # a row is referenced, or its parent is not there
	'23505',    # the key or the value is there already
	'23001',    # RESTRICT, as later majors say it
	'P0001');   # a row that stays
my %failed;
my @unexpected;
my $refused = 0;

{
	no warnings 'redefine';
	*PostgreSQL::Test::BackgroundPsql::note = sub { };
}
my $psql = $pair->source->background_psql('postgres', on_error_stop => 0);
$psql->query("\\set VERBOSITY verbose\n\\set ON_ERROR_ROLLBACK on\nSET client_min_messages = 'error'");
$psql->{stderr} = '';
my $looks = $pair->target->background_psql('postgres', on_error_stop => 0);

sub try
{
	my ($sql) = @_;

	$psql->query($sql);
	while ($psql->{stderr} =~ /ERROR:  (\w{5}): (.*)/g)
	{
		$failed{$1}++;
		push @unexpected, "$sql: $1: $2" unless $may_fail{$1};
	}
	$psql->{stderr} = '';
	return;
}

my @tables;    # each a list of keys: { parent, column, to, not_null, deferrable }

sub column_of
{
	my ($key) = @_;

	return "$key->{column} int DEFAULT 1" . ($key->{not_null} ? ' NOT NULL' : '');
}

sub constraint_of
{
	my ($i, $key) = @_;
	my $action = $key->{not_null} ? one_of('', 'ON DELETE CASCADE', 'ON DELETE RESTRICT', 'ON DELETE SET DEFAULT')
	  : one_of('', 'ON DELETE CASCADE', 'ON DELETE SET NULL', 'ON DELETE RESTRICT', 'ON DELETE SET DEFAULT');

	$action .= chance(70) ? ' ON UPDATE CASCADE' : chance(50) && !$key->{not_null} ? ' ON UPDATE SET NULL' : ' ON UPDATE SET DEFAULT'
	  if chance(40);
	$action .= $key->{deferrable} ? ' DEFERRABLE' . (chance(50) ? ' INITIALLY DEFERRED' : '') : '';
	return "ALTER TABLE storm.t$i ADD FOREIGN KEY ($key->{column}) REFERENCES storm.t$key->{parent} ($key->{to}) $action";
}

# Up to two keys a table, to any table: circles have a side that can be null, or is deferred.
sub make_graph
{
	my $n = 3 + random_below(6);
	my @ddl = ('DROP SCHEMA IF EXISTS storm CASCADE', 'CREATE SCHEMA storm');
	my @constraints;

	@tables = ();
	for my $i (0 .. $n - 1)
	{
		my @keys;

		for my $k (0 .. random_below(3) - 1)
		{
			my $parent = random_below($n);
			my $deferrable = chance(25);

			push @keys,
			  {
				parent => $parent,
				column => "r$k",
				to => chance(40) ? 'code' : 'id',
				deferrable => $deferrable,
				not_null => ($deferrable || $parent < $i) && chance(40)
			  };
			push @constraints, constraint_of($i, $keys[-1]);
		}
		push @tables, \@keys;
		push @ddl, "CREATE TABLE storm.t$i (" . join(', ', 'id int PRIMARY KEY', 'u int UNIQUE', 'code int UNIQUE', 'v text', map { column_of($_) } @keys) . ')';
	}
	push @ddl, 'CREATE TABLE storm.keyless (r int REFERENCES storm.t0, v int)';
	return join(";\n", @ddl, @constraints);
}

# Rows that must stay: nothing that the source does, by whatever key, deletes them.
sub guard
{
	return join(";\n", (map { "ALTER TABLE storm.t$_ ALTER v SET STORAGE EXTERNAL" } 0 .. $#tables), 'CREATE FUNCTION storm.stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION \'it stays\'; END $$',
		map { "CREATE TRIGGER stays BEFORE DELETE OR UPDATE OF id ON storm.t$_ FOR EACH ROW WHEN (OLD.id <= $kept) EXECUTE FUNCTION storm.stays()" } 0 .. $#tables);
}

# Seen by each commit, and not only by who happens to look: a row that stays and is gone as one ends.
sub alarm_there
{
	return join(";\n", 'CREATE TABLE storm.gone (tab text, id int)',
		'CREATE FUNCTION storm.look() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE there bool; BEGIN
			EXECUTE format(\'SELECT EXISTS (SELECT FROM storm.%I WHERE id = $1)\', TG_TABLE_NAME) INTO there USING OLD.id;
			IF NOT there THEN INSERT INTO storm.gone VALUES (TG_TABLE_NAME, OLD.id); END IF;
			RETURN NULL; END $$',
		map { "CREATE CONSTRAINT TRIGGER look AFTER DELETE ON storm.t$_ DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.id <= $kept) EXECUTE FUNCTION storm.look()" } 0 .. $#tables);
}

sub id { return $kept + 1 + random_below(40); }
sub any_id { return 1 + random_below($kept + 40); }

sub reference
{
	my ($key) = @_;

	return 'NULL' if !$key->{not_null} && chance(25);
	return chance(40) ? 1 + random_below($kept) : any_id();
}

sub values_of
{
	my ($i, $id) = @_;
	my $u = chance(50) ? 'NULL' : random_below(60);

	# what keys lead to is there for as many rows as have an id
	# a large one, which other changes leave untouched
	my $v = chance(30) ? "repeat(md5('" . random_below(100) . "'), 100)" : "'" . random_below(1000) . "'";

	return '(' . join(', ', $id, $u, $id, $v, map { reference($_) } @{ $tables[$i] }) . ')';
}

sub fill
{
	my @sql = ('BEGIN', 'SET CONSTRAINTS ALL DEFERRED', "SET session_replication_role = 'replica'");

	for my $i (0 .. $#tables)
	{
		my $columns = join(', ', map { 'least(i, ' . $kept . ')' } @{ $tables[$i] });

		push @sql, "INSERT INTO storm.t$i SELECT i, NULL, i, 'first'" . ($columns ? ", $columns" : '') . ' FROM generate_series(1, 25) i';
	}
	push @sql, 'INSERT INTO storm.keyless SELECT i % 5 + 1, i FROM generate_series(1, 20) i', 'COMMIT', 'RESET session_replication_role';
	return join(";\n", @sql);
}

# A tree below others, or a few rows that may reference each other, in one statement.
sub inserts
{
	my ($i) = @_;
	my %ids = map { id() => 1 } 1 .. 1 + random_below(6);

	return "INSERT INTO storm.t$i VALUES " . join(', ', map { values_of($i, $_) } keys %ids) . (chance(30) ? ' ON CONFLICT DO NOTHING' : '');
}

sub moves
{
	my ($i) = @_;
	my $key = one_of(@{ $tables[$i] }) or return changes($i);

	return "UPDATE storm.t$i SET $key->{column} = " . reference($key) . ' WHERE ' . (chance(50) ? "$key->{column} = " . any_id() : 'id % 7 = ' . random_below(7));
}

sub changes
{
	my ($i) = @_;

	return "UPDATE storm.t$i SET v = 'v" . random_below(1000) . "' WHERE id % 5 = " . random_below(5);
}

# A value goes from one row to another, which may be new.
sub passes_on
{
	my ($i) = @_;
	my ($from, $to, $u) = (any_id(), any_id(), random_below(60));

	return "UPDATE storm.t$i SET u = NULL WHERE u = $u; UPDATE storm.t$i SET u = $u WHERE id = $to" if chance(50);
	return "UPDATE storm.t$i SET u = CASE WHEN id = $to THEN $u END WHERE id IN ($from, $to)";
}

# All that references a row leaves it, and it goes; perhaps another takes its value.
sub leaves
{
	my ($i) = @_;
	my $id = id();
	my @sql = let_go($i, $id, 1);

	push @sql, "DELETE FROM storm.t$i WHERE id = $id";
	push @sql, "INSERT INTO storm.t$i VALUES " . values_of($i, chance(30) ? $id : id()) if chance(60);
	return join('; ', @sql);
}

sub deletes
{
	my ($i) = @_;

	return "DELETE FROM storm.t$i WHERE id > $kept AND " . (chance(70) ? 'id = ' . id() : 'id % 9 = ' . random_below(9));
}

sub new_key
{
	my ($i) = @_;

	return "UPDATE storm.t$i SET id = " . id() . ' WHERE id = ' . id() if chance(60);
	return "UPDATE storm.t$i SET code = " . (100 + random_below(50)) . ' WHERE code = ' . id();
}

# What leads to a row by its key, or in any way, leads elsewhere.
sub let_go
{
	my ($i, $id, $any) = @_;
	my @sql;

	for my $j (0 .. $#tables)
	{
		push @sql, map { "UPDATE storm.t$j SET $_->{column} = " . (1 + random_below($kept)) . " WHERE $_->{column} = $id" }
		  grep { $_->{parent} == $i && ($any || $_->{to} eq 'id') } @{ $tables[$j] };
	}
	push @sql, "UPDATE storm.keyless SET r = 1 WHERE r = $id" if $i == 0;
	return @sql;
}

# A row takes the key of another, which goes; or another one takes the value that it leaves.  What leads to the value stays, and
# some more does then.
sub takes_over
{
	my ($i) = @_;
	my ($from, $to) = (id(), id());
	my @sql = let_go($i, $from, 0);

	if (chance(60))
	{
		push @sql, let_go($i, $to, 1), "DELETE FROM storm.t$i WHERE id = $to", "UPDATE storm.t$i SET id = $to WHERE id = $from";
	}
	else
	{
		push @sql, "UPDATE storm.t$i SET code = " . (200 + random_below(50)) . " WHERE id = $from",
		  "INSERT INTO storm.t$i (id, code, v) VALUES ($to, $from, 'has its code')";
	}
	for my $j (0 .. $#tables)
	{
		push @sql, map { "UPDATE storm.t$j SET $_->{column} = $from WHERE id % 9 = " . random_below(9) }
		  grep { $_->{parent} == $i && $_->{to} eq 'code' && chance(40) } @{ $tables[$j] };
	}
	return join('; ', @sql);
}

sub keyless
{
	return one_of('INSERT INTO storm.keyless VALUES (' . any_id() . ', ' . random_below(9) . ')',
		'DELETE FROM storm.keyless WHERE v = ' . random_below(9),
		'UPDATE storm.keyless SET r = ' . any_id() . ' WHERE v = ' . random_below(9));
}

sub transaction
{
	my @sql = ('BEGIN');

	push @sql, 'SET CONSTRAINTS ALL DEFERRED' if chance(50);
	for (1 .. 1 + random_below(6))
	{
		my $i = random_below(scalar @tables);
		my $what = one_of(\&inserts, \&inserts, \&moves, \&moves, \&changes, \&passes_on, \&leaves, \&leaves, \&deletes, \&new_key, \&takes_over, \&takes_over, \&keyless);

		push @sql, $what->($i);
	}
	return join(";\n", @sql, 'COMMIT');
}

# Tables as they are, whole.
sub state_of
{
	my ($node) = @_;

	return $node->safe_psql('postgres', join(' UNION ALL ', map { "SELECT '$_', to_jsonb(t)::text FROM storm.$_ t" } 'keyless', map { "t$_" } 0 .. $#tables) . ' ORDER BY 1, 2');
}

# Are they equal?  Else which rows has one end alone?
sub is_equal
{
	my ($test) = @_;
	my @ends = map { [ split /\n/, state_of($_) ] } $pair->source, $pair->target;
	my @lines = map {
		my $i = $_;
		my %other = map { $_ => 1 } @{ $ends[ 1 - $i ] };
		map { ('at the source alone: ', 'at the target alone: ')[$i] . substr($_, 0, 300) } grep { !$other{$_} } @{ $ends[$i] };
	} 0, 1;

	ok("@{$ends[0]}" eq "@{$ends[1]}", $test) and return 1;
	diag(join("\n", @lines));
	return 0;
}

# One snapshot: are all rows there that stay?
sub is_anything_gone
{
	my $sum = join(' + ', map { "(SELECT count(*) FROM storm.t$_ WHERE id <= $kept)" } 0 .. $#tables);
	my ($there) = $looks->query("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT $sum;\nCOMMIT");

	return $there != $kept * @tables;
}

# It has no room for one table's rows any more.
sub fall_sick
{
	my ($n, $sick) = @_;

	$pair->target_sql("ALTER TABLE $sick RENAME v TO away");
	$pair->sql("UPDATE $sick SET v = 'cannot arrive' WHERE id = 1");
	return $pair->status_becomes("storm$n", "last_error LIKE '%table $sick is held: target table%lacks columns: v%'", "round $n: a table is held");
}

# Rows that cannot be kept from what a key does are refused, and the error says what to do: NO ACTION.
sub follow_hint
{
	my ($n) = @_;
	my $error = $pair->status("storm$n")->{last_error} // '';
	my ($table, $key) = $error =~ /rows of table "(storm\.\w+)" at the target cannot be kept from what foreign key (\w+) does there/ or return;
	my ($definition) = $pair->target_sql("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '$table'::regclass AND conname = '$key'");

	$definition =~ s/ ON (DELETE|UPDATE) (CASCADE|RESTRICT|SET NULL|SET DEFAULT)//g or return;
	note("round $n: $error");
	$refused++;
	$pair->target_sql("ALTER TABLE $table DROP CONSTRAINT $key, ADD CONSTRAINT $key $definition");
	return;
}

sub arrives
{
	my ($n, $test) = @_;
	my $arrived = poll_until(
		sub {
			my (undef, $answer) = $pair->source->psql('postgres', "SELECT dbsync.wait_for('storm$n', timeout => '2 s')");
			return 1 if ($answer // '') eq 't';
			follow_hint($n);
			return 0;
		},
		$test);

	ok($arrived, $test) and return 1;
	$pair->describe_state($test);
	return 0;
}

sub run_round
{
	my ($n) = @_;
	my $ddl = make_graph();
	my $gone = 0;
	my $sick = 'storm.t' . random_below(scalar @tables);

	note($ddl);
	$pair->sql($ddl);
	$pair->target_sql("SET ROLE plain; $ddl; " . alarm_there());
	try(fill());
	$pair->sql(guard());
	$pair->subscribe("storm$n", [ 'storm.keyless', reverse map { "storm.t$_" } 0 .. $#tables ]);
	$pair->start_subscription("storm$n");
	arrives($n, "round $n: the first copy arrives") or return 0;
	is($pair->status("storm$n")->{foreign_keys}, 'ordered', "round $n: the target checks its keys");
	for my $t (1 .. $transactions)
	{
		# so that one batch has several
		$pair->stop_subscription("storm$n") if $t % 40 == 5;
		try(transaction());
		$gone += is_anything_gone();
		$pair->start_subscription("storm$n") if $t % 40 == 15;
		fall_sick($n, $sick) if $t == 22;
		$pair->target_sql("ALTER TABLE $sick RENAME away TO v") if $t == 38;
		$pair->target_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'dbsync %'") if $t % 20 == 17;
		next if $t % 10 != 0 || $t % 20 == 10;
		arrives($n, "round $n: $t transactions arrive") or return 0;
		is_equal("round $n: tables are equal after $t transactions") or return 0;
	}
	is($gone, 0, "round $n: no snapshot lacked a row that stays");
	is($pair->target_sql('SELECT count(*) FROM storm.gone'), 0, "round $n: nor did any commit");
	$pair->stop_subscription("storm$n");
	$pair->sql("SELECT dbsync.drop_subscription('storm$n')");
	return 1;
}

for my $n (1 .. $rounds)
{
	run_round($n) or last;
}
$psql->quit;
$looks->quit;
note(join(', ', map { "$_: $failed{$_}" } sort keys %failed) . "; refused at the target: $refused");
is(join("\n", @unexpected), '', 'no statement fails but for a reason of its own');
done_testing();

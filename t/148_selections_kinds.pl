# Selections by chance of tables of every kind: altered ones, partitioned ones, whose partitions come
# and go, one without a key, members of an inheritance tree, and one of which some operations are not sent.
# Under random changes with savepoints, DDL, and ends of workers and of the source.  When all has arrived the target is what
# the selections' own queries give over the source; where no large value is needed that is so at every batch
# boundary.  A column that a selection needs is dropped: its table is held, and goes on with another choice.
# Issue "What flows: filters, columns, expressions", item 1; hazards 25, 27, 52, 59 of its design.
#
# Every transaction leaves a token; what the target's tables are when a token arrives is written down there
# in the batch's own transaction, by a trigger.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until random_below);
use DbsyncTest::Changing qw(chance one_of);
use DbsyncTest::Selecting qw(%columns %name arguments arrive_all as_named choose definition has_large now_has reads texts);
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 3;
my $transactions = 30;
my @subscriptions = ('one', 'two');
my @tables = ('plain', 'parted', 'keyless', 'parent', 'child', 'archive');

my $pair = DbsyncTest->new(
	source_conf => "dbsync.segment_size = '64kB'\ndbsync.retention_interval = '200ms'\ndbsync.copy_chunk_rows = 50");

$pair->sql(<<'SQL');
CREATE SCHEMA storm;
CREATE TABLE storm.place (place int PRIMARY KEY, label text);
INSERT INTO storm.place SELECT i, 'place ' || i FROM generate_series(0, 6) i;
CREATE FUNCTION storm.mask(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT left($1, 2) || '*'$$;
CREATE TABLE storm.token (n int PRIMARY KEY);
CREATE TABLE storm.plain (gone int, id int PRIMARY KEY, k int, v text, w text, u text, t int);
ALTER TABLE storm.plain DROP gone, ALTER w SET STORAGE EXTERNAL;
CREATE TABLE storm.parted (id int NOT NULL, k int NOT NULL, v text, w text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
ALTER TABLE storm.parted ALTER w SET STORAGE EXTERNAL;
CREATE TABLE storm.keyless (k int, v text, u text);
CREATE TABLE storm.parent (id int PRIMARY KEY, k int, v text);
CREATE TABLE storm.child (more int, PRIMARY KEY (id)) INHERITS (storm.parent);
CREATE TABLE storm.archive (id int PRIMARY KEY, k int);
-- what an archive has got depends on what was done, and not on what there is
CREATE TABLE storm.model (who text, id int, k int, PRIMARY KEY (who, id));
CREATE TABLE storm.choice (who text PRIMARY KEY, operations text[], remainder int);
CREATE FUNCTION storm.note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	c storm.choice;
BEGIN
	FOR c IN SELECT * FROM storm.choice LOOP
		IF TG_OP = 'TRUNCATE' THEN
			DELETE FROM storm.model m WHERE m.who = c.who AND 'truncate' = ANY (c.operations);
			CONTINUE;
		END IF;
		IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND old.id <> new.id THEN
			DELETE FROM storm.model m WHERE m.who = c.who AND m.id = old.id AND 'delete' = ANY (c.operations);
		END IF;
		IF TG_OP <> 'DELETE' THEN
			DELETE FROM storm.model m WHERE m.who = c.who AND m.id = new.id;
			INSERT INTO storm.model SELECT c.who, new.id, new.k WHERE new.k % 4 <> c.remainder;
		END IF;
	END LOOP;
	RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON storm.archive FOR EACH ROW EXECUTE FUNCTION storm.note();
CREATE TRIGGER note_truncate AFTER TRUNCATE ON storm.archive EXECUTE FUNCTION storm.note();
SQL

my %chosen;    # by subscription and table; with valid_from, the first token that is surely behind its copy

# What the target's table is to be, made of what there is here; and what it is.
sub state_here
{
	my ($who, $table) = @_;
	my $chosen = $chosen{$who}{$table};
	return "SELECT coalesce(string_agg(md5(ROW(m.id, m.k)::text), ' ' ORDER BY md5(ROW(m.id, m.k)::text) COLLATE \"C\"), '') FROM storm.model m WHERE m.who = '$who'"
	  if $table eq 'archive';
	my @texts = map { as_named($table, $_) } texts($table, $chosen);
	my $row = 'md5(ROW(' . join(', ', @texts) . ')::text)';
	return "SELECT coalesce(string_agg($row, ' ' ORDER BY $row COLLATE \"C\"), '') FROM "
	  . ($table eq 'parted' ? '' : 'ONLY ') . "storm.$table WHERE " . as_named($table, $chosen->{filter} // 'true');
}

sub states_here
{
	my ($who) = @_;
	return "SELECT concat_ws('|', " . join(', ', map { '(' . state_here($who, $_) . ')' } @tables) . ')';
}

sub take_choice
{
	my ($who, $table, $function) = @_;
	my $chosen = $chosen{$who}{$table};

	note("$who.$table: " . join(', ', @{ $chosen->{columns} // ['all'] }) . ' where ' . ($chosen->{filter} // 'true'));
	$pair->target_sql("DROP TABLE IF EXISTS $who.$table; CREATE TABLE $who.$table " . definition($table, $chosen));
	my $target = $function eq 'add_table' ? ", '$who.$table'" : '';
	$pair->sql("SELECT dbsync.$function('$who', 'storm.$table'$target" . arguments($table, $chosen) . ')');
	return;
}

sub subscribe
{
	my ($who) = @_;
	my @operations = ('insert', 'update', grep { chance(40) } ('delete', 'truncate'));
	my $remainder = random_below(5);

	pop @operations if @operations == 4;
	$pair->target_sql(<<"SQL");
CREATE SCHEMA $who;
CREATE TABLE $who.token (n int PRIMARY KEY);
CREATE TABLE $who.seen (n int PRIMARY KEY, state text);
CREATE TABLE $who.archive (id int PRIMARY KEY, k int);
CREATE FUNCTION $who.states() RETURNS text LANGUAGE plpgsql AS \$body\$
DECLARE
	name text;
	state text;
	states text[];
BEGIN
	FOREACH name IN ARRAY '{@{[ join(',', @tables) ]}}'::text[] LOOP
		EXECUTE format('SELECT coalesce(string_agg(md5("row"::text), '' '' ORDER BY md5("row"::text) COLLATE "C"), '''') FROM $who.%I AS "row"', name) INTO state;
		states := states || state;
	END LOOP;
	RETURN array_to_string(states, '|');
END \$body\$;
CREATE FUNCTION $who.see() RETURNS trigger LANGUAGE plpgsql AS \$body\$
BEGIN
	-- the last token of a batch is the one that its state belongs to
	IF new.n = (SELECT max(n) FROM $who.token) THEN
		INSERT INTO $who.seen SELECT new.n, $who.states();
	END IF;
	RETURN NULL;
END \$body\$;
CREATE CONSTRAINT TRIGGER see AFTER INSERT ON $who.token DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION $who.see();
ALTER TABLE $who.token ENABLE ALWAYS TRIGGER see;
SQL
	$pair->sql("SELECT dbsync.create_subscription('$who', 'far', ddl => 'apply', on_partition_drop => 'delete')");
	foreach my $table (grep { $_ ne 'archive' } @tables)
	{
		$chosen{$who}{$table} = choose($table);
		take_choice($who, $table, 'add_table');
	}
	note("$who.archive: @operations, where k % 4 <> $remainder");
	$pair->sql("INSERT INTO storm.choice VALUES ('$who', '{" . join(',', @operations) . "}', $remainder)");
	$pair->sql("SELECT dbsync.add_table('$who', 'storm.archive', '$who.archive', operations => '{" . join(',', @operations) . "}', filter => 'k % 4 <> $remainder')");
	$pair->sql("SELECT dbsync.add_table('$who', 'storm.token', '$who.token')");
	return;
}

# --- changes

my %may_fail = map { $_ => 1 } ('23505', '23514', '42P17', '0A000', '42P16');
my @unexpected;
my $psql;

sub connect_psql
{
	no warnings 'redefine';
	*PostgreSQL::Test::BackgroundPsql::note = sub { };
	$psql = $pair->source->background_psql('postgres', on_error_stop => 0);
	$psql->query("\\set VERBOSITY verbose\nSET client_min_messages = 'error'");
	$psql->{stderr} = '';
	return;
}

sub try
{
	my ($sql) = @_;
	my ($answer) = $psql->query($sql);
	my $error = $psql->{stderr};

	$psql->{stderr} = '';
	my ($code, $message) = $error =~ /ERROR:  (\w{5}): (.*)/;
	return (1, $answer) unless $code;
	push @unexpected, "$sql: $code: $message" unless $may_fail{$code};
	return (0, '');
}

sub ask
{
	my ($done, $answer) = try(@_);
	return $answer;
}

sub value_of
{
	my ($column) = @_;

	return 'NULL' if chance(10);
	return random_below(12) if $column =~ /^(k|t|more)$/;
	return "repeat(md5('" . random_below(1000) . "'), 80)" if $column eq 'w' && chance(60);
	return "'v" . random_below(10) . "'";
}

sub assignments
{
	my ($table) = @_;
	my @columns = grep { $_ ne 'id' && !($table eq 'parted' && $_ eq 'k') && !($table eq 'parent' && $_ eq 'more') } now_has($table);
	my %set = map { $_ => 1 } one_of(@columns), grep { chance(20) } @columns;

	return join ', ', map { "$name{$table}{$_} = " . value_of($_) } sort keys %set;
}

sub values_for
{
	my ($table, $id) = @_;
	my @columns = now_has($table);
	my $k = 1 + random_below(9);

	return '(' . join(', ', map { $name{$table}{$_} } @columns) . ') VALUES ('
	  . join(', ', map { $_ eq 'id' ? $id : $table eq 'parted' && $_ eq 'k' ? $k : value_of($_) } @columns) . ')';
}

sub write_to
{
	my ($table) = @_;
	my $id = 1 + random_below(60);

	return one_of(
		"INSERT INTO storm.keyless " . values_for('keyless', 0), "INSERT INTO storm.keyless " . values_for('keyless', 0),
		'INSERT INTO storm.keyless SELECT * FROM storm.keyless WHERE ctid = (SELECT min(ctid) FROM storm.keyless)',
		'UPDATE storm.keyless SET ' . assignments('keyless') . " WHERE $name{keyless}{k} = " . random_below(12),
		"DELETE FROM storm.keyless WHERE ctid = (SELECT max(ctid) FROM storm.keyless)",
		"DELETE FROM storm.keyless WHERE $name{keyless}{k} = " . random_below(12)) if $table eq 'keyless';
	return one_of(
		"INSERT INTO storm.archive VALUES ($id, " . random_below(12) . ") ON CONFLICT (id) DO UPDATE SET k = excluded.k",
		"INSERT INTO storm.archive VALUES ($id, " . random_below(12) . ')', "UPDATE storm.archive SET k = k + 1 WHERE id % 5 = " . random_below(5),
		"UPDATE storm.archive SET id = id + 60 WHERE id = $id", "DELETE FROM storm.archive WHERE id % 7 = " . random_below(7)) if $table eq 'archive';
	my $where = one_of("$name{$table}{id} = $id", "$name{$table}{id} % 7 = " . random_below(7), "$name{$table}{v} = 'v" . random_below(10) . "'");
	my $only = $table eq 'parted' ? '' : one_of('', 'ONLY ');
	my @more = $table eq 'parted' ? ("UPDATE storm.parted SET k = 1 + (k + 2) % 9 WHERE $where", "UPDATE storm.parted SET k = 1 + k % 9, v = 'moved' WHERE $where") : ();

	return one_of(@more,
		"INSERT INTO storm.$table " . values_for($table, $id) . ' ON CONFLICT DO NOTHING',
		"INSERT INTO storm.$table " . values_for($table, $id) . ' ON CONFLICT DO NOTHING',
		"UPDATE ${only}storm.$table SET " . assignments($table) . " WHERE $where",
		"UPDATE ${only}storm.$table SET " . assignments($table) . " WHERE $where",
		"UPDATE ${only}storm.$table SET $name{$table}{id} = $name{$table}{id} + 60 WHERE $name{$table}{id} = $id",
		"DELETE FROM ${only}storm.$table WHERE $name{$table}{id} = $id");
}

# Statements that empty a table, or change which partitions there are.
my $made = 0;
sub empties
{
	my @members = split /\n/, ask("SELECT relid FROM pg_partition_tree('storm.parted') WHERE level > 0 ORDER BY 1");
	my $new = 'storm.l' . ++$made;
	my $value = 1 + random_below(9);

	return @{ one_of(
		[ 'TRUNCATE ' . one_of('storm.plain', 'storm.keyless', 'storm.parent', 'ONLY storm.parent', 'storm.child', 'storm.archive', 'storm.plain, storm.keyless') ],
		[ 'TRUNCATE storm.archive', 'INSERT INTO storm.archive SELECT i, i FROM generate_series(1, 20, 3) i' ],
		[ 'TRUNCATE ' . one_of('storm.parted', @members) ], [ 'TRUNCATE ' . one_of(@members) ],
		[ "CREATE TABLE $new PARTITION OF storm.parted FOR VALUES IN ($value)" ],
		[ "CREATE TABLE $new PARTITION OF storm.parted DEFAULT" ],
		[ "CREATE TABLE $new (w text, v text, k int NOT NULL, id int NOT NULL)",
		  "INSERT INTO $new (id, k, v) SELECT g, $value, 'came ' || g FROM generate_series(1, " . random_below(9) . ') g',
		  "ALTER TABLE storm.parted ATTACH PARTITION $new FOR VALUES IN ($value)" ],
		@members > 2 ? ([ 'ALTER TABLE storm.parted DETACH PARTITION ' . one_of(@members) ], [ 'DROP TABLE ' . one_of(@members) ]) : ()) };
}

# Changes of columns that nobody's choice is in the way of.  Made in a transaction of their own, which is never rolled back, as what a
# table looks like is remembered here.
my %left = (plain => [], keyless => [], parent => []);
my $added = 0;
sub alter
{
	my $table = one_of(qw(plain plain keyless parent));
	my @heirs = $table eq 'parent' ? ('parent', 'child') : ($table);
	my %used = map { $_ => 1 } map { my $who = $_; map { my $c = $chosen{$who}{$_}; reads(join ' ', $c->{filter} // '', @{ $c->{columns} // [] }) } @heirs } @subscriptions;
	my @names = grep { $_ ne 'more' } now_has($table);
	my @extra = grep { /^m\d/ && !$used{$_} } @names;
	my $what = one_of('add', 'add', 'drop', 'rename', 'rename', 'swap');

	if ($what eq 'add')
	{
		my $new = 'm' . ++$added;
		try("ALTER TABLE storm.$table ADD COLUMN $new text DEFAULT 'v" . random_below(10) . "'");
		foreach (@heirs)
		{
			push @{ $columns{$_} }, $new;
			$name{$_}{$new} = $new;
		}
	}
	elsif ($what eq 'drop' && @extra)
	{
		my $gone = one_of(@extra);
		try("ALTER TABLE storm.$table DROP COLUMN $name{$table}{$gone}");
		push @{ $left{$table} }, $name{$table}{$gone};
		$columns{$_} = [ grep { $_ ne $gone } @{ $columns{$_} } ] foreach @heirs;
	}
	elsif ($what eq 'rename')
	{
		my $column = one_of(@names);
		my $new = shift @{ $left{$table} } // 'r' . ++$added;
		try("ALTER TABLE storm.$table RENAME COLUMN $name{$table}{$column} TO $new");
		push @{ $left{$table} }, $name{$table}{$column};
		$name{$_}{$column} = $new foreach @heirs;
	}
	elsif ($what eq 'swap')
	{
		my ($x, $y) = (one_of(@names), one_of(@names));
		return if $x eq $y;
		my ($was_x, $was_y) = @{ $name{$table} }{ $x, $y };
		try($_) foreach ("ALTER TABLE storm.$table RENAME COLUMN $was_x TO between", "ALTER TABLE storm.$table RENAME COLUMN $was_y TO $was_x",
			"ALTER TABLE storm.$table RENAME COLUMN between TO $was_y");
		@{ $name{$_} }{ $x, $y } = ($was_y, $was_x) foreach @heirs;
	}
	return;
}

my $token = 0;
my %was;    # what the source's own queries gave, by name and token

# Ends the transaction that is open.
sub note_token
{
	try('INSERT INTO storm.token VALUES (' . ++$token . ')');
	try('COMMIT');
	$was{$_}{$token} = ask(states_here($_)) foreach @subscriptions;
	return;
}

sub transaction
{
	if (chance(20))
	{
		try('BEGIN');
		alter();
		note_token();
		return;
	}
	try('BEGIN');
	foreach (1 .. 2 + random_below(8))
	{
		try('SAVEPOINT s');
		my $done = 1;
		foreach my $sql (chance(12) ? empties() : write_to(one_of(@tables)))
		{
			($done) = try($sql);
			last unless $done;
		}
		try('ROLLBACK TO s') if !$done || chance(10);
		try('RELEASE s') if $done && chance(50);
	}
	if (chance(10))
	{
		try('ROLLBACK');
		return;
	}
	note_token();
	return;
}

# --- the comparison

my %seen = map { $_ => 0 } @subscriptions;

sub differ
{
	my ($who, $n, $there, $boundary) = @_;
	my @there = split /\|/, $there, -1;
	my @here = split /\|/, $was{$who}{$n}, -1;

	foreach my $i (0 .. $#tables)
	{
		my $table = $tables[$i];
		next if $boundary && ($n < ($chosen{$who}{$table}{valid_from} // 0) || ($table ne 'archive' && has_large($table, $chosen{$who}{$table})));
		next if $there[$i] eq $here[$i];
		fail("$who.$table " . ($boundary ? "as a batch leaves it" : 'when all has arrived') . ", with token $n");
		my $query = state_here($who, $table) =~ s/SELECT coalesce\(string_agg\(md5\((.*?)::text\), .*?\), ''\) FROM/SELECT left($1::text, 200) FROM/r;
		diag("here: $query\n" . ask("$query ORDER BY 1"));
		diag("there:\n" . $pair->target_sql("SELECT left(\"row\"::text, 200) FROM $who.$table AS \"row\" ORDER BY 1"));
		return 1;
	}
	return 0;
}

sub is_right
{
	my ($who) = @_;

	foreach my $line (split /\x{1}/, $pair->target_sql("SELECT string_agg(n || ':' || state, E'\\x01' ORDER BY n) FROM $who.seen WHERE n > $seen{$who}"))
	{
		my ($n, $there) = split /:/, $line, 2;

		$seen{$who} = $n;
		return 0 if differ($who, $n, $there, 1);
	}
	return !differ($who, $token, $pair->target_sql("SELECT $who.states()"), 0);
}

sub kill_something
{
	my ($name, $accident) = @{ one_of($pair->victims(one_of(@subscriptions))) };

	note("end of $name");
	$psql->{run}->kill_kill;
	$accident->();
	connect_psql();
	return;
}

# A column goes that somebody needs: who does is held, and nobody else.  Nobody else's copy is begun again.
sub drop_needed
{
	my ($table, $column) = @_;
	my @needs = grep {
		my $c = $chosen{$_}{$table};
		my $text = join ' ', $c->{filter} // '', @{ $c->{columns} // [] };
		grep { $_ eq $column } reads($text)
	} @subscriptions;

	try("UPDATE storm.$table SET " . assignments($table));
	try("ALTER TABLE storm.$table DROP COLUMN $name{$table}{$column}");
	$columns{$table} = [ grep { $_ ne $column } @{ $columns{$table} } ];
	try("UPDATE storm.$table SET " . assignments($table));
	$pair->source->psql('postgres', "SELECT dbsync.run_once('$_')") foreach @subscriptions;
	is($pair->sql("SELECT coalesce(string_agg(subscription || ' ' || \"table\", ', ' ORDER BY subscription), '') FROM dbsync.table_status WHERE state <> 'live'"),
		join(', ', map { "$_ storm.$table" } @needs), "$table loses $column: held is what needs it");
	is($pair->sql("SELECT bool_and(next_action ~ 'alter_table') FROM dbsync.table_status WHERE state = 'held'"), @needs ? 't' : '', 'with what to do')
	  if @needs;
	foreach my $who (@needs)
	{
		$chosen{$who}{$table} = choose($table);
		take_choice($who, $table, 'alter_table');
		# behind its copy
		$chosen{$who}{$table}{valid_from} = $token + 2;
	}
	try('BEGIN');
	note_token();
	return ok(arrive_all($pair, 0, \&is_right, @subscriptions), "and goes on with another choice");
}

# --- rounds

connect_psql();
foreach my $value (1 .. 5)
{
	try("CREATE TABLE storm.first$value PARTITION OF storm.parted FOR VALUES IN ($value)");
}
subscribe($_) foreach @subscriptions;
try($_) foreach (
	"INSERT INTO storm.plain SELECT i, i % 12, 'v' || i % 10, repeat(md5(i::text), 80), 'u' || i % 4, i % 7 FROM generate_series(1, 120) i",
	"INSERT INTO storm.parted SELECT i, 1 + i % 5, 'v' || i % 10, repeat(md5(i::text), 80) FROM generate_series(1, 120) i",
	"INSERT INTO storm.keyless SELECT i % 12, 'v' || i % 10, nullif('u' || i % 3, 'u1') FROM generate_series(1, 60) i",
	"INSERT INTO storm.parent SELECT i, i % 12, 'v' || i % 10 FROM generate_series(1, 60) i",
	"INSERT INTO storm.child SELECT i, i % 12, 'v' || i % 10, i % 5 FROM generate_series(31, 90) i",
	'INSERT INTO storm.archive SELECT i, i FROM generate_series(1, 60) i');
try('BEGIN');
note_token();
ok(arrive_all($pair, 0, \&is_right, @subscriptions), 'the first copies arrive');
foreach my $round (1 .. $rounds)
{
	my $running = $round % 2 == 0;
	my $right = 1;

	if ($running)
	{
		$pair->start_subscription($_) foreach @subscriptions;
	}
	foreach (1 .. $transactions)
	{
		transaction();
		last if @unexpected;
		kill_something() if $running && chance(8);
		$right &&= !chance(12) || arrive_all($pair, $running, \&is_right, @subscriptions);
		last unless $right;
	}
	ok($right && arrive_all($pair, $running, \&is_right, @subscriptions), "round $round: the target is what the selections' own queries give");
	if ($running)
	{
		$pair->stop_subscription($_) foreach @subscriptions;
	}
	last unless $right && !@unexpected;
	next if $running;
	my ($table, $column) = @{ one_of([ 'plain', 't' ], [ 'plain', 'u' ], [ 'keyless', 'u' ], [ 'plain', 'w' ]) };
	drop_needed($table, $column) if grep { $_ eq $column } now_has($table);
}
is(join("\n", @unexpected), '', 'no statement fails but for a reason of its own');
is($pair->sql("SELECT string_agg(subscription || ' ' || state, ', ') FROM dbsync.table_status WHERE state <> 'live'"), '', 'no table is held');
is($pair->sql("SELECT coalesce(sum(missing_rows), 0) FROM dbsync.table_status"), '0', 'no row without a key was missing');
$psql->quit;

DbsyncTest::finish();

# Selections by chance: columns left out, renamed and worked out, filters over any columns, large
# untouched ones too, under random changes with savepoints, while workers are killed and the source
# crashes.  When all has arrived the target is what the selection's own query gives over the source; where
# no large value is needed that is so at every batch boundary.  (Such values, if an UPDATE left them, are read
# from the table as of the snapshot that batches work up to, which may be later than a batch.)  Then a dump is restored in which columns have other numbers.  Issue "What flows:
# filters, columns, expressions", item 1; hazards 25, 27.
#
# Every transaction leaves a token; what the target is when a token arrives is written down there
# in the batch's own transaction, by a trigger.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until random_below);
use DbsyncTest::Changing qw(chance one_of);
use DbsyncTest::Selecting qw(arrive_all);
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 3;
my $transactions = 40;
my @names = ('one', 'two', 'three', 'small');

my $pair = DbsyncTest->new(
	source_conf => "dbsync.segment_size = '64kB'\ndbsync.retention_interval = '200ms'\ndbsync.copy_chunk_rows = 64");

$pair->sql(<<'SQL');
CREATE SCHEMA storm;
CREATE TYPE storm.kind AS ENUM ('a', 'b', 'c');
CREATE TABLE storm.place (k int PRIMARY KEY, name text);
INSERT INTO storm.place SELECT i, 'place ' || i FROM generate_series(0, 6) i;
CREATE TABLE storm.p (gone int, id int PRIMARY KEY, k int, v text, kind storm.kind, w text, x text);
ALTER TABLE storm.p DROP gone, ALTER w SET STORAGE EXTERNAL, ALTER x SET STORAGE EXTERNAL;
CREATE TABLE storm.token (n int PRIMARY KEY);
CREATE FUNCTION storm.mask(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT left($1, 2) || '*'$$;
CREATE FUNCTION storm.odd(text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$BEGIN RETURN length($1) % 2 = 1; END$$;
SQL

# --- what is chosen

my @filters = ('k % 3 <> 0', "v < 'v5'", 'length(w) > 100', "left(x, 1) < 'a'", 'storm.odd(x)', 'w IS NOT NULL', "kind <> 'b'",
	'k IN (SELECT p.k FROM storm.place p)', 'EXISTS (SELECT FROM storm.place p WHERE p.k = dbsync_row.k AND p.name <> v)', 'id % 4 <> 1', 'storm.odd(v)');
my @expressions = ('k + 1 AS e1', 'k::text AS e1', 'storm.mask(w) AS e2', 'length(x) AS e2',
	'(SELECT p.name FROM storm.place p WHERE p.k = dbsync_row.k) AS e3', 'coalesce(v, kind::text) AS e3', "md5(w || x) AS e4", 'kind AS e4');

# Usage: ($columns, $filter) = selection(); either may be undef
sub selection
{
	my @columns = ('id');
	my %seen;
	my $filter = join(one_of(' AND ', ' OR '), map { one_of(@filters) } 1 .. 1 + random_below(3));

	return (undef, $filter) if chance(20);
	push @columns, grep { chance(60) } ('k', 'v', 'kind AS sort', 'w', 'x AS y');
	foreach my $expression (map { one_of(@expressions) } 1 .. random_below(4))
	{
		push @columns, $expression unless $seen{ (split / AS /, $expression)[1] }++;
	}
	return (\@columns, chance(75) ? $filter : undef);
}

my %state_here;
my %state_there;
my %needs_large;

sub choose
{
	my ($name) = @_;
	my ($columns, $filter) = selection();

	# one that needs no large value
	($columns, $filter) = selection() while $name eq 'small' && (!$columns || grep { /\b[wx]\b/ } @$columns, $filter // '');
	my @columns = $columns ? @$columns : ('id', 'k', 'v', 'kind', 'w', 'x');
	my @there = map { / AS (\w+)$/ ? $1 : $_ } @columns;

	$needs_large{$name} = grep { /\b[wx]\b/ } @columns, $filter // '';
	note("$name: " . join(', ', @columns) . ' where ' . ($filter // 'true'));
	my $all = 'concat_ws($$,$$, ' . join(', ', map { "md5($_\::text)" } @there) . ')';
	$state_here{$name} = "SELECT coalesce(string_agg(id || ':' || $all, ' ' ORDER BY id), '') FROM (SELECT "
	  . join(', ', @columns) . ' FROM storm.p AS dbsync_row WHERE ' . ($filter // 'true') . ') q';
	$state_there{$name} = "SELECT coalesce(string_agg(id || ':' || $all, ' ' ORDER BY id), '') FROM $name.p";
	$pair->target_sql(<<"SQL");
CREATE SCHEMA $name;
CREATE TABLE $name.p (id int PRIMARY KEY@{[ join('', map { ", $_ text" } grep { $_ ne 'id' } @there) ]});
CREATE TABLE $name.token (n int PRIMARY KEY);
CREATE TABLE $name.seen (n int PRIMARY KEY, state text);
CREATE FUNCTION $name.see() RETURNS trigger LANGUAGE plpgsql AS \$body\$
BEGIN
	-- the last token of a batch is the one that its state belongs to
	IF new.n = (SELECT max(n) FROM $name.token) THEN
		INSERT INTO $name.seen SELECT new.n, ($state_there{$name});
	END IF;
	RETURN NULL;
END \$body\$;
CREATE CONSTRAINT TRIGGER see AFTER INSERT ON $name.token DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION $name.see();
ALTER TABLE $name.token ENABLE ALWAYS TRIGGER see;
SQL
	$pair->sql("SELECT dbsync.create_subscription('$name', 'far')");
	$pair->sql("SELECT dbsync.add_table('$name', 'storm.p', '$name.p'"
		  . ($columns ? ', columns => ARRAY[' . join(', ', map { "\$c\$$_\$c\$" } @$columns) . ']' : '')
		  . ($filter ? ", filter => \$f\$$filter\$f\$" : '') . ')');
	$pair->sql("SELECT dbsync.add_table('$name', 'storm.token', '$name.token')");
	return;
}

# --- changes

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

my @unexpected;

sub try
{
	my ($sql) = @_;
	my ($answer) = $psql->query($sql);
	my $error = $psql->{stderr};

	$psql->{stderr} = '';
	my ($code, $message) = $error =~ /ERROR:  (\w{5}): (.*)/;
	return (1, $answer) unless $code;
	push @unexpected, "$sql: $code: $message" unless $code eq '23505';
	return (0, '');
}

sub value_of
{
	my ($column) = @_;

	return 'NULL' if chance(10);
	return random_below(12) if $column eq 'k';
	return "'" . one_of('a', 'b', 'c') . "'" if $column eq 'kind';
	return "'v" . random_below(10) . "'" if $column eq 'v' || chance(30);
	return "repeat(md5('" . random_below(1000) . "'), 80)";
}

sub statement
{
	my $id = 1 + random_below(80);
	my $where = one_of("id = $id", "id = $id", "id % 7 = " . random_below(7), 'k = ' . random_below(12), "kind = 'a' AND id < $id");
	my @columns = grep { chance(30) } ('k', 'v', 'kind', 'w', 'x');

	@columns = ('v') unless @columns;
	return one_of(
		"INSERT INTO storm.p VALUES ($id, " . join(', ', map { value_of($_) } ('k', 'v', 'kind', 'w', 'x')) . ') ON CONFLICT DO NOTHING',
		"INSERT INTO storm.p (id, v, w) VALUES ($id, 'v1', " . value_of('w') . ') ON CONFLICT (id) DO UPDATE SET w = excluded.w, k = 3',
		"UPDATE storm.p SET " . join(', ', map { "$_ = " . value_of($_) } @columns) . " WHERE $where",
		"UPDATE storm.p SET " . join(', ', map { "$_ = " . value_of($_) } @columns) . " WHERE $where",
		"UPDATE storm.p SET id = id + 100 WHERE id = $id",
		"UPDATE storm.p SET id = $id WHERE id = 100 + $id",
		"DELETE FROM storm.p WHERE id = $id",
		"WITH gone AS (DELETE FROM storm.p WHERE id = $id RETURNING *) INSERT INTO storm.p SELECT id + 200, k, v, kind, w, x FROM gone");
}

my $token = 0;
my %was;    # what the source's own queries gave, by name and token

sub transaction
{
	try('BEGIN');
	try('TRUNCATE storm.p') if chance(2);
	foreach (1 .. 1 + random_below(6))
	{
		try('SAVEPOINT s');
		my ($done) = try(statement());
		try('ROLLBACK TO s') if !$done || chance(10);
		try('RELEASE s') if $done && chance(50);
	}
	if (chance(10))
	{
		try('ROLLBACK');
		return;
	}
	try('INSERT INTO storm.token VALUES (' . ++$token . ')');
	try('COMMIT');
	(undef, $was{$_}{$token}) = try($state_here{$_}) foreach @names;
	return;
}

my %seen = map { $_ => 0 } @names;

# Says of which rows two states differ, if they do.
sub same
{
	my ($there, $here, $test) = @_;

	return 1 if $there eq $here;
	my %there = map { split /:/, $_, 2 } split / /, $there;
	my %here = map { split /:/, $_, 2 } split / /, $here;

	fail($test);
	foreach my $id (sort { $a <=> $b } keys %{ { %there, %here } })
	{
		my ($got, $expected) = map { $_ // 'no row' } $there{$id}, $here{$id};

		diag("row $id: $got there, $expected here") if $got ne $expected;
	}
	return 0;
}

# Has everything arrived, and was the target right all the way?
sub is_right
{
	my ($name) = @_;

	foreach my $line (split /\x{1}/, $pair->target_sql("SELECT string_agg(n || '|' || state, E'\\x01' ORDER BY n) FROM $name.seen WHERE n > $seen{$name}"))
	{
		my ($n, $there) = split /\|/, $line, 2;

		$seen{$name} = $n;
		next if $needs_large{$name};
		return 0 if !same($there, $was{$name}{$n}, "$name: a batch leaves what its own query gave, with token $n");
	}
	my $there = $pair->target_sql($state_there{$name});

	return same($there, $was{$name}{$token}, "$name: the target is what its own query gives, with token $token");
}

sub kill_something
{
	if (chance(30))
	{
		$psql->quit;
		DbsyncTest::crash_and_restart($pair->source);
		connect_psql();
		return;
	}
	my $pid = $pair->worker_pid(one_of(@names));

	return unless $pid;
	kill('KILL', $pid);
	poll_until(sub { !kill(0, $pid) }, 'end of the worker');
	# the server restarts, as after any crash of a process of its own
	$psql->{run}->kill_kill;
	DbsyncTest::wait_until_up($pair->source);
	connect_psql();
	return;
}

connect_psql();
choose($_) foreach @names;
try("INSERT INTO storm.p SELECT i, i % 12, 'v' || i % 10, (ARRAY['a', 'b', 'c'])[1 + i % 3]::storm.kind, repeat(md5(i::text), 80), repeat(md5('x' || i), 80) FROM generate_series(1, 150) i");
(undef, $was{$_}{0}) = try($state_here{$_}) foreach @names;
ok(arrive_all($pair, 0, \&is_right, @names), 'the first copies arrive');
foreach my $round (1 .. $rounds)
{
	my $running = $round % 2 == 0;
	my $right = 1;

	if ($running)
	{
		$pair->start_subscription($_) foreach @names;
	}
	foreach (1 .. $transactions)
	{
		transaction();
		last if @unexpected;
		kill_something() if $running && chance(8);
		$right &&= !chance(10) || arrive_all($pair, $running, \&is_right, @names);
		last unless $right;
	}
	ok($right && arrive_all($pair, $running, \&is_right, @names), "round $round: the target is what the selections' own queries give");
	if ($running)
	{
		$pair->stop_subscription($_) foreach @names;
	}
	last unless $right;
}
is(join("\n", @unexpected), '', 'no statement fails but for a key that is there');
is($pair->sql("SELECT string_agg(subscription || ' ' || state, ', ') FROM dbsync.table_status WHERE state <> 'live'"), '', 'no table is held');
$psql->quit;

# --- a target that cannot be asked when something is chosen: the worker looks, and has the same words

$pair->create_target('away', DbsyncTest::uri_of($pair->target) =~ s/&port=\d+/&port=1/r);
$pair->sql("SELECT dbsync.create_subscription('later', 'away')");
$pair->both('CREATE SCHEMA later');
$pair->sql('CREATE TABLE later.p (id int PRIMARY KEY, v text)');
$pair->sql("INSERT INTO later.p VALUES (1, 'one')");
$pair->target_sql('CREATE TABLE later.p (id int PRIMARY KEY, long date)');
my $columns = q(columns => ARRAY['id', 'length(v) > 2 AS long']);
my (undef, undef, $notice) = $pair->source->psql('postgres', "SELECT dbsync.add_table('later', 'later.p', $columns)");
like($notice, qr/NOTICE:  target "away" does not say yet whether it takes what is sent of table later\.p/, 'it is a notice then');
$pair->start_subscription('later');
$pair->status_becomes('later', q{state = 'waiting to retry' AND last_error ~ 'connect'}, 'it waits for the target');
$pair->sql("SELECT dbsync.alter_target('away', uri => '" . DbsyncTest::uri_of($pair->target) . "')");
my $words = 'column long of target table "later.p" is of type date, and what is sent to it of type boolean';
$pair->status_becomes('later', "state = 'copying' AND last_error ~ '$words'", 'it says what the target does not take');
my (undef, undef, $said) = $pair->source->psql('postgres', "\\set VERBOSITY verbose\nSELECT dbsync.alter_table('later', 'later.p', $columns)");
like($said, qr/ERROR:  42804: \Q$words\E/, 'which is an error when it can be asked');
$pair->target_sql('ALTER TABLE later.p DROP long, ADD long boolean');
$pair->arrives('later', 'and goes on when it does');
is($pair->target_sql('SELECT id, long FROM later.p'), '1|t', 'with what was chosen');
$pair->stop_subscription('later');
$pair->sql("SELECT dbsync.drop_subscription('later')");

# --- a copy of the database in which columns have other numbers, as a dump has no dropped ones

my $source = $pair->source;
$source->safe_psql('postgres', 'CREATE DATABASE dumped');
my $file = PostgreSQL::Test::Utils::tempdir('dump') . '/dump.sql';
command_ok([ 'pg_dump', '-h', $source->host, '-p', $source->port, '-f', $file, 'postgres' ], 'pg_dump');
command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-h', $source->host, '-p', $source->port, '-d', 'dumped', '-f', $file ], 'and its restore');
$source->safe_psql('dumped', "SELECT dbsync.adopt(existing_rows => 'truncate')");
is($source->safe_psql('dumped', "SELECT count(*) FROM dbsync.table_status WHERE \"table\" = 'storm.p'::regclass AND state <> 'suspended'"),
	'0', 'what was chosen by numbers that are others now is suspended');
is($source->safe_psql('dumped', "SELECT count(*) FROM dbsync.table_status WHERE \"table\" = 'storm.p'::regclass AND note ~ 'alter_table'"),
	'4', 'with a note that says what to do');
is($source->safe_psql('dumped', "SELECT count(*) FROM dbsync.table_status WHERE \"table\" = 'storm.token'::regclass AND state = 'suspended'"),
	'0', 'tables of which nothing was chosen are not');
my (undef, undef, $refused) = $source->psql('dumped', "SELECT dbsync.copy_table('one', 'storm.p')");
like($refused, qr/must be given again/, 'it cannot be copied as it is');
(undef, undef, $refused) = $source->psql('dumped', "SELECT dbsync.alter_table('one', 'storm.p', operations => '{insert}')");
like($refused, qr/Give both columns and filter/, 'nor can half of it be kept');
$pair->target_sql('DROP TRIGGER see ON one.token');
$source->safe_psql('dumped', $_) foreach (
	"SELECT dbsync.alter_table('one', 'storm.p', columns => '{id}', filter => 'k > 3')", "SELECT dbsync.run_once('one')");
is($pair->target_sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM one.p"),
	$source->safe_psql('dumped', "SELECT string_agg(id::text, ' ' ORDER BY id) FROM storm.p WHERE k > 3"),
	'given again, it flows');

DbsyncTest::finish();

# Tables that change while they run, by chance: sessions mix rows and DDL, in transactions with
# savepoints, rolled back, prepared, in functions.  At every batch boundary the target is what
# the source was as of the position, columns, key and rows.  Issue "Tables that change while
# they run"; hazards 2, 3, 8; D1 to D4 of its design.
#
# Statements come one at a time, so that what is committed has an order that the test knows.
# Most transactions leave a token, and so does a batch: what all tables are then is written
# down at the target in the batch's own transaction, by a trigger of the token's table.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(random_below);
use DbsyncTest::Changing qw(chance one_of);
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 2;
my $steps = 400;

my $pair = DbsyncTest->new(source_conf => "dbsync.segment_size = '64kB'\ndbsync.retention_interval = '200ms'");
my @tables = (@DbsyncTest::Changing::tables, 'storm.token');

DbsyncTest::Changing::create_tables($pair);
$pair->both('CREATE TABLE storm.token (n int PRIMARY KEY)');
$pair->target_sql(<<'SQL');
CREATE TABLE storm.seen (id int GENERATED ALWAYS AS IDENTITY, tokens int, state text);
CREATE FUNCTION storm.see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO storm.seen (tokens, state)
	SELECT (SELECT count(*) FROM storm.token), string_agg(storm.state(t), E'\n' ORDER BY t)
	FROM unnest(ARRAY['storm.t1', 'storm.t2', 'storm.t3', 'storm.t4', 'storm.token']) t
	WHERE (SELECT count(*) FROM storm.token) IS DISTINCT FROM (SELECT s.tokens FROM storm.seen s ORDER BY s.id DESC LIMIT 1);
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER see AFTER INSERT ON storm.token DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION storm.see();
ALTER TABLE storm.token ENABLE ALWAYS TRIGGER see;
DELETE FROM storm.seen;
SQL
$pair->subscribe('storm', \@tables, ddl => "'apply'");

# What chance brings about may fail for these reasons; whatever else is said is a failure.
my %may_fail = map { $_ => 1 } (
	'55P03',    # the table is another session's
	'23505', '23502', '22001', '22003',    # the rows do not fit
	'42P10',    # ON CONFLICT, and no such key any more
	'42701', '42703', '42804', '42611', '54000',    # columns are others than before the statement's first part
	'42P16', '0A000');    # the key's columns are needed

my @unexpected;
my %failed;

# one line for each statement, instead of a page
{
	no warnings 'redefine';
	*PostgreSQL::Test::BackgroundPsql::note = sub { };
}

# --- sessions

my $observer = session('observer');
my @sessions = map { session("session $_") } 1 .. 3;
$_->{table} = one_of(@DbsyncTest::Changing::tables) foreach @sessions;
my %now;
$now{$_} = state_of($_) foreach @tables;
my @past;    # what all tables were together, by number of tokens
my $tokens = 0;
my $given = 0;
my $prepared = 0;
my %prepared;
my $seen = 0;

sub session
{
	my ($name) = @_;
	my $psql = $pair->source->background_psql('postgres', on_error_stop => 0);

	$psql->query("\\set VERBOSITY verbose\nSET client_min_messages = 'error'; SET lock_timeout = '20ms'");
	$psql->{stderr} = '';
	return { name => $name, psql => $psql, touched => {}, savepoints => 0, left => 0 };
}

# What the server says of an error, or nothing.
sub try
{
	my ($session, $sql) = @_;
	my ($answer) = $session->{psql}->query($sql);
	my $error = $session->{psql}{stderr};

	$session->{psql}{stderr} = '';
	$session->{answer} = $answer;
	my ($code, $message) = $error =~ /ERROR:  (\w{5}): (.*)/;
	note("$session->{name}: $sql;" . ($code ? " -- $code: $message" : '')) if $sql !~ /^SELECT (quote_ident|storm.state)/;
	return undef unless $code;

	$failed{$code}++;
	push @unexpected, "$session->{name}: $sql: $code: $message" unless $may_fail{$code};
	return $message;
}

sub must
{
	my ($session, $sql) = @_;
	my $error = try($session, $sql);

	push @unexpected, "$session->{name}: $sql: $error" if defined $error;
	return $session->{answer};
}

# A table that another session has locked is what it was: who touched it had it until now.
sub state_of
{
	my ($table) = @_;

	return defined try($observer, "SELECT storm.state('$table')") ? $now{$table} : $observer->{answer};
}

sub remember
{
	my (@touched) = @_;

	$now{$_} = state_of($_) foreach @touched;
	push @{ $past[$tokens] }, join "\n", map { $now{$_} } sort keys %now;
	return;
}

sub leave_token
{
	my ($session) = @_;

	must($session, 'INSERT INTO storm.token VALUES (' . ++$given . ')');
	$session->{touched}{'storm.token'} = 1;
	return;
}

sub committed
{
	my ($touched) = @_;

	$tokens++ if delete $touched->{'storm.token'} and $now{'storm.token'} = state_of('storm.token');
	remember(keys %$touched);
	return;
}

sub end_transaction
{
	my ($session) = @_;
	my $touched = $session->{touched};

	$session->{touched} = {};
	$session->{savepoints} = $session->{left} = 0;
	if (chance(15))
	{
		must($session, 'ROLLBACK');
	}
	elsif (chance(15) && keys %prepared < 3)
	{
		$prepared++;
		leave_token($session);
		$session->{touched} = {};
		$touched->{'storm.token'} = 1;
		$prepared{"p$prepared"} = $touched unless defined try($session, "PREPARE TRANSACTION 'p$prepared'");
	}
	else
	{
		$session->{touched} = $touched;
		leave_token($session) if chance(90);
		$session->{touched} = {};
		must($session, 'COMMIT');
		committed($touched);
	}
	return;
}

# What was prepared stands in closing order before what was committed since: which has to be
# at the target by then, if states are to come in the order in which the source had them.
sub end_prepared
{
	my ($session) = @_;
	my $name = one_of(sort keys %prepared);
	my $touched = delete $prepared{$name};

	if (chance(30))
	{
		must($session, "ROLLBACK PREPARED '$name'");
		return;
	}
	catch_up('before COMMIT PREPARED');
	must($session, "COMMIT PREPARED '$name'");
	committed($touched);
	return;
}

sub run_statements
{
	my ($session) = @_;
	my $table = chance(60) ? $session->{table} : one_of(@DbsyncTest::Changing::tables);
	my @columns = DbsyncTest::Changing::columns(must($session, DbsyncTest::Changing::columns_sql($table)));

	$session->{touched}{$table} = 1;
	foreach my $statement (DbsyncTest::Changing::statements_for(45, $table, @columns))
	{
		next unless defined try($session, $statement);
		return 0;
	}
	return 1;
}

sub step
{
	my ($session) = @_;

	if ($session->{left} == 0)
	{
		return end_prepared($session) if %prepared && chance(20);
		if (chance(25))
		{
			# without a transaction around them, and without a token
			run_statements($session);
			committed($session->{touched});
			$session->{touched} = {};
			return;
		}
		must($session, '\\set ON_ERROR_ROLLBACK ' . ($session->{each_saved} = chance(30) ? 'on' : 'off'));
		must($session, 'BEGIN' . (chance(10) ? "; SET LOCAL dbsync.carry_bytes = 0" : ''));
		$session->{left} = 1 + random_below(7);
		return;
	}
	if (chance(12))
	{
		must($session, 'SAVEPOINT s' . ++$session->{savepoints});
	}
	elsif ($session->{savepoints} && chance(15))
	{
		must($session, "ROLLBACK TO s$session->{savepoints}");
	}
	elsif (!run_statements($session) && $session->{each_saved} eq 'off')
	{
		if ($session->{savepoints})
		{
			must($session, "ROLLBACK TO s$session->{savepoints}");
		}
		else
		{
			must($session, 'ROLLBACK');
			$session->{touched} = {};
			$session->{left} = 0;
			return;
		}
	}
	end_transaction($session) if --$session->{left} <= 0;
	return;
}

# --- the target

my $running = 0;

sub compare_with_target
{
	my ($when) = @_;
	my $there = $pair->target_sql(DbsyncTest::Changing::state_sql(sort @tables));
	my $here = join "\n", map { $now{$_} } sort @tables;

	return 1 if $there eq $here;
	is($there, $here, "$when: the target is what the source is");
	return 0;
}

# All that is committed, the target's states on the way to it, and what it is then.
sub catch_up
{
	my ($when) = @_;
	my @order;

	if ($running)
	{
		$pair->arrives('storm', "$when: all arrives") or return 0;
	}
	else
	{
		my $rows = one_of(1, 1, 1, 5, 1000);
		my (undef, undef, $error) = $pair->source->psql('postgres', "SET dbsync.batch_rows = $rows; SELECT dbsync.run_once('storm')");

		# a session in the middle of its DDL keeps us from reading large values
		return 1 if $error =~ /could not obtain lock on table/;
		is($error, '', "$when: run_once") or return 0 if $error ne '';
	}
	foreach my $line (split /\x{1}/, $pair->target_sql(
			"SELECT string_agg(id || '|' || tokens || '|' || state, E'\\x01' ORDER BY id) FROM storm.seen WHERE id > $seen"))
	{
		my ($id, $number, $state) = split /\|/, $line, 3;

		$seen = $id;
		next if grep { $_ eq $state } @{ $past[$number] };
		is($state, join("\n or \n", @{ $past[$number] // [] }), "$when: a batch leaves what the source was, with $number tokens");
		return 0;
	}
	return compare_with_target($when);
}

sub storm
{
	my ($name) = @_;

	foreach my $step (1 .. $steps)
	{
		step(one_of(@sessions));
		return 0 if @unexpected;
		return 0 if chance(6) && !catch_up("$name, step $step");
	}
	foreach my $session (@sessions)
	{
		end_transaction($session) if $session->{left} > 0;
	}
	end_prepared($sessions[0]) while %prepared;
	return catch_up("$name, at the end");
}

# the first copy, and states from there on
remember();
ok(catch_up('first copy'), 'the first copy arrives');
foreach my $round (1 .. $rounds)
{
	$running = $round % 2 == 0;
	$pair->start_subscription('storm') if $running;
	ok(storm("round $round"), "round $round: at every batch boundary the target is what the source was")
	  or last;
	$pair->stop_subscription('storm') if $running;
}
is(join("\n", @unexpected), '', 'no statement fails but for a reason of its own');
note("statements that failed: $_, $failed{$_} times") foreach sort keys %failed;
note("$tokens tokens; states seen at the target: $seen");
ok($seen > $steps / 20, 'the target was seen at many boundaries');
$_->{psql}->quit foreach $observer, @sessions;

DbsyncTest::finish();

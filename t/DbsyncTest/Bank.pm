# The bank: money moves between two tables and a journal notes it, so that in
# every consistent state two sums hold.  A load that never gives up, and a reader
# of the target that never forgives.
package DbsyncTest::Bank;

use strict;
use warnings;

use DbsyncTest qw(ask becomes_true poll_until random_below);
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @tables = qw(public.checking public.savings public.journal);

my $schema = <<'SQL';
CREATE TABLE checking (id int PRIMARY KEY, balance bigint NOT NULL, note text);
CREATE TABLE savings (id int PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE journal (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	amount bigint NOT NULL, remark text);
SQL

# What clients do; weights follow the names.  An id of savings changes its sign
# now and then, which is a change of key.  Some headers take no rows along, some few,
# some all.
my %scripts = (
	transfer => [ 6, <<'SQL' ],
\set c random(1, 100)
\set s random(1, 100)
\set d random(-500, 500)
\set k random(0, 600)
BEGIN;
SET LOCAL dbsync.carry_bytes = :k;
UPDATE checking SET balance = balance - :d, note = 'moved ' || :d WHERE id = :c;
UPDATE savings SET balance = balance + :d WHERE id IN (:s, -:s);
INSERT INTO journal (amount, remark) VALUES (:d, repeat('x', :c));
COMMIT;
SQL
	many => [ 1, <<'SQL' ],
\set c random(1, 80)
\set s random(1, 100)
WITH taken AS (UPDATE checking SET balance = balance - 1
	WHERE id BETWEEN :c AND :c + 20 RETURNING 1),
given AS (UPDATE savings SET balance = balance + (SELECT count(*) FROM taken)
	WHERE id IN (:s, -:s))
INSERT INTO journal (amount, remark) SELECT 1, 'many' FROM taken;
SQL
	savepoint => [ 1, <<'SQL' ],
\set c random(1, 100)
\set s random(1, 100)
\set k random(0, 200)
BEGIN;
SET LOCAL dbsync.carry_bytes = :k;
INSERT INTO journal (amount, remark) VALUES (3, 'kept');
SAVEPOINT a;
UPDATE checking SET balance = balance - 1000000 WHERE id = :c;
DELETE FROM journal WHERE id > (SELECT max(id) - 20 FROM journal);
ROLLBACK TO a;
UPDATE checking SET balance = balance - 3 WHERE id = :c;
UPDATE savings SET balance = balance + 3 WHERE id IN (:s, -:s);
COMMIT;
SQL
	fold => [ 1, <<'SQL' ],
WITH gone AS (DELETE FROM journal WHERE id IN (
	SELECT id FROM journal ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED)
	RETURNING amount)
INSERT INTO journal (amount, remark)
SELECT sum(amount), 'folded' FROM gone HAVING count(*) > 0;
SQL
	rename => [ 1, <<'SQL' ],
\set s random(1, 100)
UPDATE savings SET id = -id WHERE id IN (:s, -:s);
SQL
);

# Make the bank's tables at both ends, and its accounts at the source.
sub open_bank
{
	my ($class, $pair) = @_;
	my $self = bless { pair => $pair, loads => [] }, $class;

	$self->{folder} = PostgreSQL::Test::Utils::tempdir('bank');
	$pair->both($schema);
	$pair->sql(<<'SQL');
INSERT INTO checking SELECT i, 0, 'new' FROM generate_series(1, 100) i;
INSERT INTO savings SELECT i, 0 FROM generate_series(1, 100) i;
SQL
	foreach my $name (keys %scripts)
	{
		append_to_file("$self->{folder}/$name.sql", $scripts{$name}[1]);
	}
	return $self;
}

# Run a function again and again in a process group of its own, that end_process
# can end; it also ends when the test does, so it should not take long.
sub start_process
{
	my ($function) = @_;
	my $parent = $$;
	my $pid = fork();

	die "cannot fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		# no END blocks here: they would stop the parent's servers
		$SIG{$_} = 'DEFAULT' foreach qw(TERM INT PIPE);
		setpgrp(0, 0);
		while (getppid() == $parent)
		{
			eval { $function->() };
			# whoever is to be spoken to is down: do not spin
			usleep(100_000);
		}
		POSIX::_exit(0);
	}
	setpgrp($pid, $pid);
	return $pid;
}

sub end_process
{
	my ($pid) = @_;
	kill('KILL', -$pid);
	waitpid($pid, 0);
	return;
}

# Clients that work until stop_load, also across crashes of the source.
# Options: clients, rate (transactions a second), synchronous_commit.
sub start_load
{
	my ($self, %options) = @_;
	my $source = $self->{pair}->source;
	my @command = (
		'pgbench', '-n', '-h', $source->host, '-p', $source->port,
		'-c', $options{clients} // 3, '-R', $options{rate} // 200,
		'-T', 20, '--max-tries=1000');

	foreach my $name (sort keys %scripts)
	{
		push @command, '-f', "$self->{folder}/$name.sql\@$scripts{$name}[0]";
	}
	push @command, 'postgres';
	push @{ $self->{loads} }, start_process(
		sub {
			$ENV{PGOPTIONS} =
			  '-c synchronous_commit=' . ($options{synchronous_commit} // 'on');
			$ENV{PGAPPNAME} = 'bank';
			system(@command);
		});
	return;
}

sub stop_clients
{
	my ($self) = @_;
	end_process($_) foreach splice(@{ $self->{loads} });
	return;
}

# End the clients, and see their sessions out: what they had in flight may
# still commit.
sub stop_load
{
	my ($self) = @_;
	$self->stop_clients;
	becomes_true($self->{pair}->source,
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'bank'")
	  or die 'sessions of the load do not end';
	return;
}

# One reading of the two sums, which a consistent state makes 0|0, in one
# snapshot over several statements.  The pause leaves some of the machine to
# those who are watched.
my $reading = <<'SQL';
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT coalesce(sum(balance), 0) AS checking FROM checking \gset
SELECT coalesce(sum(balance), 0) AS savings FROM savings \gset
SELECT :checking + :savings, coalesce(sum(amount), 0) - :savings FROM journal;
COMMIT;
SELECT FROM pg_sleep(0.01);
SQL

# Watch the target until stop_reader.  With with_ddl, tables are locked before the snapshot is
# taken: to one from before an ALTER TABLE that rewrites, a table is empty afterwards.
sub start_reader
{
	my ($self, %options) = @_;
	my $target = $self->{pair}->target;
	my $folder = $self->{folder};

	my $one = $options{with_ddl} ? $reading =~ s/;\n/;\nLOCK TABLE checking, savings, journal IN ACCESS SHARE MODE;\n/r : $reading;

	append_to_file("$folder/reading.sql", $one x 1000);
	$self->{reader} = start_process(
		sub {
			open(my $seen, '>>', "$folder/seen") or die;
			$seen->autoflush(1);
			open(my $lines, '-|', 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1',
				'-h', $target->host, '-p', $target->port,
				'-f', "$folder/reading.sql", 'postgres') or die;
			while (my $line = <$lines>)
			{
				# not a piece of a line of a psql that was killed
				print $seen $line if $line =~ /\S\n/;
			}
			close($lines);
		});
	return;
}

# Tests that the reader has read, and never saw sums that disagree.
sub stop_reader
{
	my ($self, $test) = @_;
	end_process(delete $self->{reader});
	my @seen = split /\n/, slurp_file("$self->{folder}/seen");
	my @wrong = grep { $_ ne '0|0' } @seen;

	note(scalar(@seen) . ' readings of the target');
	ok(@seen > 0, 'the target was read');
	is(scalar(@wrong), 0, $test // 'no reader of the target saw sums that disagree');
	diag("saw $wrong[0]") if @wrong;
	return;
}

# Newest number of the journal at one end.
sub newest
{
	my ($node) = @_;
	return ask($node, 'SELECT max(id) FROM journal') || 0;
}

# Wait until the journal of one end has grown by so many.
sub newest_moves
{
	my ($self, $node, $by) = @_;
	my $goal = newest($node) + $by;
	return poll_until(sub { newest($node) >= $goal }, "journal $goal");
}

# Wait until the target has what the source has now and some more: a moment that
# is random, but reached only if things go on.
sub make_progress
{
	my ($self, $atmost) = @_;
	my $pair = $self->{pair};
	my $goal = newest($pair->source) + 1 + random_below($atmost // 100);
	my $reached = poll_until(sub { newest($pair->target) >= $goal }, "journal $goal at the target");

	$pair->describe_state('no progress under load') unless $reached;
	return $reached;
}

# Tests that both ends are equal and that the money is all there.
sub balances
{
	my ($self, $name) = @_;
	my $pair = $self->{pair};

	$pair->arrives($name, 'all of the load arrives');
	$pair->same_at_both_ends(@tables);
	is($pair->target_sql('SELECT (SELECT sum(balance) FROM checking) + (SELECT sum(balance) FROM savings)'),
		'0', 'no money was made or lost');
	return;
}

sub DESTROY
{
	my ($self) = @_;
	my $status = $?;
	end_process($_) foreach @{ $self->{loads} }, grep { defined } $self->{reader};
	$? = $status;
	return;
}

1;

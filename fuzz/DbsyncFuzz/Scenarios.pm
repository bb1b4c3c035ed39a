# What is done to a pair, one round at a time.  A round dies with "crash: ..." when the
# server does what it never may.
package DbsyncFuzz::Scenarios;

use strict;
use warnings;

use DbsyncFuzz::Checksum qw(checksum_rows);
use DbsyncFuzz::Values qw(below one_of chance quoted value_of mutated mutated_bytes bytea_of number_of);

our %scenarios = (
	functions => { begin => \&functions_begin, round => \&functions_round },
	ledger => { begin => \&ledger_begin, round => \&ledger_round },
	headers => { begin => sub { }, round => \&headers_round },
	answers => { begin => sub { }, round => \&answers_round });

# --- every function of ours, with whatever its arguments can be ---

my @functions;
my @known = ('s', 't', 's2', 'public.t1', 'public.t2', 't1', 'immediate', 'truncate', 'keep', 'target', 'tenant', 'dbsync_postgres', '1:1:', 'public."T"');

sub functions_begin
{
	my ($pair) = @_;
	my $answer = $pair->must('source', <<'SQL');
SELECT concat_ws('|', p.oid::regproc, (SELECT string_agg(concat(t.typname, ' ', format_type(t.oid, NULL)), ',' ORDER BY a.i)
    FROM unnest(p.proargtypes) WITH ORDINALITY a (type, i) JOIN pg_type t ON t.oid = a.type))
FROM pg_proc p WHERE p.pronamespace IN ('dbsync'::regnamespace, 'dbsync_internal'::regnamespace)
  AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
ORDER BY 1
SQL
	@functions = ();
	foreach my $line (split /\n/, $answer)
	{
		my ($name, $arguments) = split /\|/, $line;

		push @functions, [ $name, map { [ split / /, $_, 2 ] } split /,/, $arguments // '' ];
	}
	die "setup: no functions\n" unless @functions;
	$pair->fresh();
	return;
}

sub argument
{
	my ($name, $cast) = @{ $_[0] };

	return one_of('NULL::public.t1', 'NULL::dbsync_internal.header_1', '1', "'x'::text", 'ROW(1, 2)', 'ARRAY[1]',
		'(SELECT t FROM public.t1 t LIMIT 1)', "'{\"a\": 1}'::jsonb", "'NaN'::numeric", 'NULL::dbsync_internal.segment_2')
	  if $name eq 'anyelement';
	return one_of("NULL::$cast", "(SELECT x FROM $cast x LIMIT 1)") if $cast =~ /^dbsync\./;
	return value_of($name, \@known) . "::$cast";
}

sub functions_round
{
	my ($pair) = @_;

	foreach my $n (1 .. 50)
	{
		my ($name, @arguments) = @{ one_of(@functions) };
		my $call = sprintf('SELECT * FROM %s(%s)', $name, join(', ', map { argument($_) } @arguments));
		my $who = chance(0.3) ? "SET LOCAL SESSION AUTHORIZATION tenant;" : '';

		# a transaction that fails does no harm, nor does one that is rolled back
		$pair->source("BEGIN;\nSET LOCAL statement_timeout = '2s';\n$who\n$call;\nROLLBACK");
		$pair->count();
	}
	$pair->settle();
	return;
}

# --- a ledger that somebody has edited ---

# A checksum of ours that differs from the server's would keep every edit from what is tested.
sub ledger_begin
{
	my ($pair) = @_;

	$pair->fresh();
	stop_copy($pair);
	die "setup: the checksum of a ledger is computed otherwise here than by dbsync\n" if checksum_rows($pair);
	return;
}

# The columns of the ledger as they are now: names and types.
sub ledger_columns
{
	my ($pair) = @_;

	return map { [ split /\|/ ] } split /\n/, $pair->target(<<'SQL');
SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = 'dbsync_ledger.position'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
SQL
}

sub edit_ledger
{
	my ($pair) = @_;
	my ($column, $type) = @{ one_of(ledger_columns($pair)) };
	my $row = '(SELECT ctid FROM dbsync_ledger.position ORDER BY random() LIMIT 1)';
	my $now = $pair->target("SELECT $column FROM dbsync_ledger.position WHERE $column IS NOT NULL ORDER BY id LIMIT 1");
	my $value = chance(0.5) ? quoted(mutated($now)) : value_of($type, [ $now, '1:1:', '{"1"}' ]);

	if (chance(0.1))
	{
		$pair->target(one_of(
				"ALTER TABLE dbsync_ledger.position ALTER $column TYPE text USING $column\::text",
				"ALTER TABLE dbsync_ledger.position DROP COLUMN $column CASCADE",
				"ALTER TABLE dbsync_ledger.position RENAME $column TO other",
				"DELETE FROM dbsync_ledger.position WHERE ctid = $row",
				"UPDATE dbsync_ledger.position SET id = gen_random_uuid() WHERE ctid = $row",
				"TRUNCATE dbsync_ledger.position"));
		return;
	}
	$pair->target("ALTER TABLE dbsync_ledger.position ALTER $column DROP NOT NULL") if $value eq 'NULL';
	$pair->target("UPDATE dbsync_ledger.position SET $column = $value WHERE ctid = $row");
	return;
}

# Stop a first copy half way: the ledger has a boundary then.
sub stop_copy
{
	my ($pair) = @_;

	$pair->must('target', $_) foreach
	  "CREATE OR REPLACE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE 'not now'; END \$\$",
	  "CREATE TRIGGER stop BEFORE INSERT ON public.t2 FOR EACH ROW WHEN (NEW.n > 600) EXECUTE FUNCTION public.stop()",
	  "ALTER TABLE public.t2 ENABLE ALWAYS TRIGGER stop";
	$pair->must('source', "INSERT INTO public.t2 SELECT 'k' || i % 10 || '\"', i FROM generate_series(1, 1000) i ON CONFLICT DO NOTHING");
	$pair->must('source', "SELECT dbsync.copy_table('s', 'public.t2')");
	$pair->run();
	$pair->must('target', "DROP TRIGGER stop ON public.t2");
	return;
}

sub ledger_round
{
	my ($pair) = @_;

	$pair->fresh();
	stop_copy($pair) if chance(0.4);
	foreach (0 .. below(3))
	{
		$pair->change_rows() if chance(0.7);
		edit_ledger($pair) foreach 0 .. below(2);
		checksum_rows($pair) if chance(0.8);
		$pair->run();
		$pair->source("SELECT * FROM dbsync.status") if chance(0.2);
		last unless ledger_columns($pair);
	}
	return;
}

# --- headers and segments with other bytes than were written ---

# The columns of a header as they are now, but for the bytes that edit_header() knows.
sub header_columns
{
	my ($pair) = @_;
	my @columns = map { [ split /\|/ ] } split /\n/, $pair->must('source', <<'SQL');
SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = 'dbsync_internal.header_1'::regclass AND a.attnum > 0 AND NOT a.attisdropped
  AND a.attname NOT IN ('parts', 'carried') ORDER BY a.attnum
SQL

	die "setup: a header has no columns\n" unless @columns;
	return @columns;
}

# Rows that a header carries are a table's rows, which are trusted as those of any page are:
# only where they begin and end is changed.
sub edit_header
{
	my ($pair) = @_;
	my $header = one_of(split /\n/, $pair->source("SELECT relid::regclass FROM dbsync.segment WHERE captured_id = 0"));
	my ($ctid, $parts, $carried) = split /\|/, $pair->source("SELECT ctid, encode(parts, 'hex'), encode(carried, 'hex') FROM $header ORDER BY xid DESC LIMIT 1 OFFSET " . below(3));
	my $value;

	return unless defined $ctid && $ctid =~ /^\(/;
	($parts, $carried) = map { pack('H*', $_ // '') } $parts, $carried;
	if (chance(0.7))
	{
		$value = 'parts = ' . bytea_of(mutated_bytes($parts));
	}
	elsif (chance(0.5))
	{
		my $cut = substr($carried, 0, below(length($carried) + 1));

		$value = 'carried = ' . bytea_of(one_of($cut, $carried . $cut, $carried . mutated_bytes(number_of(below(1000)))));
	}
	else
	{
		my ($column, $type) = @{ one_of(header_columns($pair)) };
		my $now = $pair->source("SELECT \"$column\" FROM $header WHERE ctid = '$ctid'");

		$value = "\"$column\" = " . (chance(0.3) ? quoted(mutated($now)) : value_of($type, [ $now, '1/1', '7000/1' ]));
	}
	$pair->source("UPDATE $header SET $value WHERE ctid = '$ctid'");
	return;
}

sub edit_segment
{
	my ($pair) = @_;
	my $segment = one_of(split /\n/, $pair->source("SELECT relid::regclass FROM dbsync.segment WHERE captured_id <> 0"));
	my $value = one_of(
		'dbsync_op = ' . quoted(one_of(qw(I U D T R X), "\x01")),
		'dbsync_no = ' . value_of('int8', []),
		'dbsync_xid = ' . value_of('xid8', []),
		'dbsync_same = ' . one_of('NULL', quoted(join ' ', map { one_of(-1, 0, 1 .. 6, 32767) } 0 .. below(6)), "''"));

	return unless $segment;
	$pair->source("UPDATE $segment SET $value WHERE ctid = (SELECT ctid FROM $segment ORDER BY random() LIMIT 1)");
	return;
}

sub headers_round
{
	my ($pair) = @_;

	$pair->fresh();
	foreach (0 .. below(3))
	{
		$pair->source(one_of('SET dbsync.carry_bytes = 0', 'RESET dbsync.carry_bytes'));
		$pair->change_rows();
		chance(0.7) ? edit_header($pair) : edit_segment($pair) foreach 0 .. below(2);
		$pair->source("SELECT count(*) FROM dbsync.changes('public.t1')") if chance(0.3);
		$pair->run();
	}
	return;
}

# --- a target that answers what it likes ---

sub answers_round
{
	my ($pair, $seed) = @_;

	$pair->{wire}->lie(0);
	$pair->fresh();
	foreach my $n (0 .. 4)
	{
		$pair->change_rows();
		stop_copy($pair) if chance(0.1);
		$pair->{wire}->lie($seed * 10 + $n + 1);
		chance(0.3) ? $pair->source("SELECT * FROM dbsync.test_target('t')") : $pair->run();
		$pair->{wire}->lie(0);
	}
	# what it has said is shown to people
	$pair->source("SELECT upper(last_error), upper(last_error_detail) FROM dbsync.status");
	return;
}

1;

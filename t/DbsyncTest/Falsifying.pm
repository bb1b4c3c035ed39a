# Targets that somebody has falsified, in every way there is (hazard 32): values that are easily taken for one another, in a
# column of each type; and tables of every kind, of which rows are missing, extra, changed, swapped, doubled or given
# another key.  verify() has to find just these.
#
# Both ends are functions that run SQL there, so that they can be any databases.
package DbsyncTest::Falsifying;

use strict;
use warnings;

use DbsyncTest;
use Test::More;

# Two values of a type, of which one is at the source and the other at the target.  No text outside of ASCII: both ends
# have it in their own encodings.
my @confused = (
	[ 'text', q(''), 'NULL' ],
	[ 'text', q('NULL'), 'NULL' ],
	[ 'text', q('a'), q('a ') ],
	[ 'text', q('a'), q('A') ],
	[ 'text', q('a,b'), q('"a,b"') ],
	[ 'text', q('()'), q('') ],
	[ 'text', q(E'a\nb'), q(E'a\r\nb') ],
	[ 'text', q(E'\\\\'), q(E'\\\\\\\\') ],
	[ 'text', q(U&'\00e9'), q('e') ],
	[ 'text', q(U&'a\00a0'), q('a ') ],
	[ 'text', q(repeat('x', 100000)), q(repeat('x', 99999) || 'y') ],
	[ 'varchar(10)', q('ab'), q('ab ') ],
	[ 'char(5)', q('ab'), q('b') ],
	[ 'bpchar', q('ab'), q('ab ') ],
	[ '"char"', q('a'), q('') ],
	[ 'name', q('n'), q('N') ],
	[ 'numeric', '1.0', '1.00' ],
	[ 'numeric', '1', '1.00000000000000000001' ],
	[ 'numeric', q('NaN'), 'NULL' ],
	[ 'numeric', '1e-30', '0' ],
	[ 'numeric(10,2)', '1.10', '1.11' ],
	[ 'float8', q('0'), q('-0') ],
	[ 'float8', q('NaN'), q('Infinity') ],
	[ 'float8', '0.1', '0.10000000000000002' ],
	[ 'float8', '0', '5e-324' ],
	[ 'float4', q('0'), q('-0') ],
	[ 'float4', '0.1', '0.10000001' ],
	[ 'int2', '1', '-1' ],
	[ 'int4', '0', 'NULL' ],
	[ 'int8', '9223372036854775807', '9223372036854775806' ],
	[ 'bool', 'true', 'false' ],
	[ 'bool', 'false', 'NULL' ],
	[ 'oid', '0', '4294967295' ],
	[ 'money', q('0.01'), q('0.02') ],
	[ 'bytea', q('\x'), q('\x00') ],
	[ 'bytea', q('\x61'), q('\x41') ],
	[ 'bytea', q('\x'), 'NULL' ],
	[ 'date', q('2026-01-01'), q('2026-01-02') ],
	[ 'date', q('infinity'), q('-infinity') ],
	[ 'date', q('0001-01-01'), q('0001-01-01 BC') ],
	[ 'timestamp', q('2026-01-01 00:00'), q('2026-01-01 00:00:00.000001') ],
	[ 'timestamptz', q('2026-01-01 00:00+00'), q('2026-01-01 00:00+01') ],
	[ 'timestamptz', q('2026-01-01 00:00+00'), q('2026-01-01 00:00:00.000001+00') ],
	[ 'time', q('24:00'), q('00:00') ],
	[ 'timetz', q('12:00+01'), q('11:00+00') ],
	[ 'interval', q('24:00:00'), q('1 day') ],
	[ 'interval', q('30 days'), q('1 mon') ],
	[ 'json', q('{"a": 1}'), q('{"a":1}') ],
	[ 'json', q('{"a":1,"a":2}'), q('{"a":2}') ],
	[ 'jsonb', q('{"a": 1}'), q('{"a": 1.0}') ],
	[ 'jsonb', q('null'), 'NULL' ],
	[ 'jsonb', q('"1"'), q('1') ],
	[ 'xml', q('<a/>'), q('<a></a>') ],
	[ 'uuid', q('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'), q('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12') ],
	[ 'inet', q('10.0.0.1'), q('10.0.0.1/24') ],
	[ 'cidr', q('10.0.0.0/8'), q('10.0.0.0/16') ],
	[ 'macaddr', q('08:00:2b:01:02:03'), q('08:00:2b:01:02:04') ],
	[ 'varbit', q(B'1'), q(B'10') ],
	[ 'bit(2)', q(B'10'), q(B'01') ],
	[ 'point', q('(0,1)'), q('(-0,1)') ],
	[ 'box', q('(3,4),(0,0)'), q('(3,4),(0,1)') ],
	[ 'tsvector', q('a:1'), q('a:2') ],
	[ 'tsvector', q('a:1'), q('a:1A') ],
	[ 'tsquery', q('a & b'), q('a | b') ],
	[ 'int4range', q{'[1,5)'}, q{'[1,6)'} ],
	[ 'int4range', q{'empty'}, 'NULL' ],
	[ 'numrange', q{'[1,2]'}, q{'[1,2)'} ],
	[ 'numrange', q{'[1.0,2]'}, q{'[1,2]'} ],
	[ 'tstzrange', q{'[2026-01-01 00:00+00,)'}, q{'(,2026-01-01 00:00+00]'} ],
	[ 'text[]', q('{NULL}'), q('{"NULL"}') ],
	[ 'text[]', q('{}'), 'NULL' ],
	[ 'text[]', q('{""}'), q('{NULL}') ],
	[ 'text[]', q('{a,b}'), q('{"a,b"}') ],
	[ 'int4[]', q('{1,2}'), q('[0:1]={1,2}') ],
	[ 'int4[]', q('{{1,2}}'), q('{1,2}') ],
	[ 'int4[]', q('{1,2}'), q('{2,1}') ],
	[ 'numeric[]', q('{1.0}'), q('{1.00}') ],
	[ 'public.feeling', q('sad'), q('so "so", ok') ],
	[ 'public.couple', q{'(1,)'}, q{'(1,"")'} ],
	[ 'public.couple', q{'(,)'}, 'NULL' ],
	[ 'public.couple', q{'(1,a)'}, q{'(1,"a ")'} ],
	[ 'public.couple[]', q{'{"(1,a)"}'}, q{'{"(1,b)"}'} ],
	[ 'public.few', '1', '2' ]);

# Options: source, target (functions that run SQL), subscription, target_name.
sub new
{
	my ($class, %options) = @_;
	return bless {%options}, $class;
}

sub source { my ($self, $sql) = @_; return $self->{source}->($sql); }
sub target { my ($self, $sql) = @_; return $self->{target}->($sql); }

sub both
{
	my ($self, $sql) = @_;
	$self->source($sql);
	$self->target($sql);
	return;
}

# --- what verify() says

# table => "verdict missing/extra/different", and all of what it says.
sub verify
{
	my ($self, $arguments) = @_;
	my $called = join ', ', grep { defined } "'$self->{subscription}'", $arguments;
	my %verdict;

	foreach my $row (split /\n/, $self->source("SELECT \"table\", verdict, concat_ws('/', missing, extra, different), note FROM dbsync.verify($called)"))
	{
		my ($table, $verdict, $counts, $note) = split /\|/, $row, 4;
		$verdict{ $table =~ s/^public\.//r } = { verdict => $verdict, counts => $counts, note => $note };
	}
	return \%verdict;
}

# Tests that all tables have this verdict.
sub all_are
{
	my ($self, $verdict, $arguments, $test) = @_;
	my $found = $self->verify($arguments);
	my @others = map { "$_: $found->{$_}{verdict} $found->{$_}{counts} $found->{$_}{note}" } grep { $found->{$_}{verdict} ne $verdict } sort keys %$found;

	ok(%$found && !@others, $test) or diag(join "\n", @others, 'differences:', $self->differences);
	return;
}

# "table kind key" of each row; of one without a key its values.
sub differences
{
	my ($self) = @_;
	my $rows = $self->source(<<"SQL");
SELECT concat_ws(' ', substr("table", 8), kind, coalesce(key::text, CASE count WHEN 1 THEN '' ELSE count || ' ' END || coalesce(here, there)::text))
FROM dbsync.difference WHERE subscription = '$self->{subscription}'
SQL
	return sort split /\n/, $rows;
}

# --- a column of each type

sub make_types
{
	my ($self) = @_;
	my $n = 0;
	my $columns = join '', map { ', c' . ++$n . " $_->[0]" } @confused;

	$self->both(q(CREATE TYPE public.feeling AS ENUM ('sad', 'so "so", ok'); CREATE TYPE public.couple AS (n int, t text);)
		  . " CREATE DOMAIN public.few AS int CHECK (VALUE < 10); CREATE TABLE public.confused (id int PRIMARY KEY$columns)");
	$n = 0;
	foreach my $pair (@confused)
	{
		my ($type, @values) = @$pair;
		$n++;
		$self->source("INSERT INTO public.confused (id, c$n) VALUES ($n, $values[0]), (1000 + $n, $values[1]), (2000 + $n, $values[0])");
	}
	return;
}

# Tests that each pair of values is told apart, either way round.
sub falsify_types
{
	my ($self) = @_;
	my %expected;
	my $n = 0;

	foreach my $pair (@confused)
	{
		my ($type, @values) = @$pair;
		$n++;
		$self->target("UPDATE public.confused SET c$n = $values[1] WHERE id = $n; UPDATE public.confused SET c$n = $values[0] WHERE id = 1000 + $n");
		$expected{$_} = "c$n" foreach $n, 1000 + $n;
	}
	my $found = $self->verify("'public.confused'")->{confused};
	is($found->{counts}, '0/0/' . 2 * @confused, 'values of each type that differ are counted');
	my %named = map { split /\|/, $_, 2 } split /\n/, $self->source(<<"SQL");
SELECT d.key->>'id', coalesce((SELECT string_agg(h.key, ',') FROM jsonb_each(d.here) h WHERE h.value IS DISTINCT FROM d.there->h.key), '')
FROM dbsync.difference d WHERE d.subscription = '$self->{subscription}' AND "table" = 'public.confused' AND kind = 'different'
SQL
	foreach my $id (sort { $a <=> $b } keys %expected)
	{
		my $pair = $confused[ $id % 1000 - 1 ];
		next if ($named{$id} // '') eq $expected{$id};
		fail("$pair->[0]: $pair->[1] and $pair->[2] are told apart") or diag($named{$id} // 'not named');
	}
	is_deeply([ sort keys %named ], [ sort keys %expected ], 'each of them is named');
	is($self->verify("'public.confused', repair => true")->{confused}{verdict}, 'repaired', 'they are repaired');
	is($self->verify("'public.confused'")->{confused}{verdict}, 'equal', 'and equal then');
	return;
}

# --- tables of each kind

my $rows = 300;

# keys: numbers of rows; json, where: of a number's key; insert: makes a row of a number at the target; v: the column that is changed;
# move: gives a row another number
my @keyed = (
	{ name => 'plain', here => '(id int PRIMARY KEY, v text, n numeric)' },
	{ name => 'parted', here => '(id int PRIMARY KEY, v text, n numeric) PARTITION BY RANGE (id)', partitions => 'here', there => '(n numeric, id int PRIMARY KEY, v text)' },
	{ name => 'spread', here => '(id int PRIMARY KEY, v text, n numeric)', partitions => 'there',
		there => '(v varchar(50), n numeric, id int PRIMARY KEY) PARTITION BY RANGE (id)' },
	{ name => 'doubled', here => '(id int PRIMARY KEY, v text, n numeric)', there => '(id int, v text, n numeric); CREATE INDEX ON public.doubled (id)', doubles => 1 },
	{ name => 'widened', here => '(id int PRIMARY KEY, v text, n int)', there => '(id numeric(20,2) PRIMARY KEY, v varchar(80), n numeric(12,2))',
		json => sub { sprintf '{"id": "%d.00"}', @_ } },
	{ name => 'named', here => '(a numeric, b text, v text, n numeric, PRIMARY KEY (b, a))', there => '(v text, a numeric, n numeric, b text COLLATE "C", PRIMARY KEY (a, b))',
		json => sub { sprintf '{"a": "%.1f", "b": "k%d"}', $_[0] * 1.5, $_[0] % 7 },
		where => sub { "a = $_[0] * 1.5" },
		columns => 'a, b, v, n', values => sub { "$_[0] * 1.5, 'k' || $_[0] % 7" },
		move => sub { "a = $_[0] * 1.5, b = 'k' || $_[0] % 7" } },
	{ name => 'chosen', here => '(id int PRIMARY KEY, v text, n numeric, region text)', at => 'client',
		there => '(id int PRIMARY KEY, initial text, n numeric)', v => 'initial', fixed => "left(v, 5)",
		selection => q(columns => ARRAY['id', 'left(v, 5) AS initial', 'n'], filter => 'id % 2 = 0'),
		keys => [ map { $_ * 2 } 1 .. $rows / 2 ] });

sub complete
{
	my ($table) = @_;

	$table->{there} //= $table->{here};
	$table->{at} //= $table->{name};
	$table->{v} //= 'v';
	$table->{keys} //= [ 1 .. $rows ];
	$table->{json} //= sub { qq({"id": "$_[0]"}) };
	$table->{where} //= sub { "id = $_[0]" };
	$table->{columns} //= "id, $table->{v}, n";
	$table->{values} //= sub { $_[0] };
	$table->{move} //= sub { "id = $_[0]" };
	return;
}
complete($_) foreach @keyed;

sub partitions
{
	my ($table) = @_;
	return join '', map { sprintf('; CREATE TABLE public.%s_%d PARTITION OF public.%1$s FOR VALUES FROM (%s) TO (%s)', $table->{name}, $_->[0], $_->[1], $_->[2]) }
	  ([ 1, 'MINVALUE', 100 ], [ 2, 100, 1000 ], [ 3, 1000, 'MAXVALUE' ]);
}

my @keyless = ('heap', 'bits');

sub make_tables
{
	my ($self) = @_;

	foreach my $table (@keyed)
	{
		my $partitioned = $table->{partitions} // '';
		my $key = $table->{name} eq 'named' ? "i * 1.5, 'k' || i % 7" : 'i';
		my $rest = $table->{name} eq 'chosen' ? ", 'region'" : '';

		$self->source("CREATE TABLE public.$table->{name} $table->{here}" . ($partitioned eq 'here' ? partitions($table) : ''));
		$self->target("CREATE TABLE public.$table->{at} $table->{there}" . ($partitioned eq 'there' ? partitions($table) : ''));
		$self->source("INSERT INTO public.$table->{name} SELECT $key, CASE i % 11 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'row ' || i END, i$rest FROM generate_series(1, $rows) i");
	}
	$self->both('CREATE TABLE public.heap (a int, b text)');
	$self->source('CREATE TABLE public.bits (a int, b text)');
	$self->target('CREATE TABLE public.bits (b text, a int) PARTITION BY HASH (a)'
		  . join '', map { "; CREATE TABLE public.bits_$_ PARTITION OF public.bits FOR VALUES WITH (MODULUS 2, REMAINDER $_)" } 0, 1);
	$self->source("INSERT INTO public.$_ SELECT i % 20, CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'x' END FROM generate_series(1, 200) i") foreach @keyless;
	return;
}

sub subscribe
{
	my ($self, %options) = @_;
	my @plain = map { "public.$_" } (map { $_->{name} } grep { !$_->{selection} } @keyed), @keyless, 'confused';

	$self->source("SET client_min_messages = warning; SELECT dbsync.create_subscription('$self->{subscription}', '$self->{target_name}', tables => ARRAY["
		  . join(', ', map { "'$_'" } @plain) . '])');
	$self->source("SELECT dbsync.add_table('$self->{subscription}', 'public.$_->{name}', target_table => 'public.$_->{at}', $_->{selection})") foreach grep { $_->{selection} } @keyed;
	return;
}

my $changed = {
	'to null' => sub { "CASE WHEN $_[0] IS NULL THEN '' END" },
	'to nothing' => sub { "CASE WHEN $_[0] = '' THEN NULL ELSE '' END" },
	'by a blank' => sub { "concat($_[0], ' ')" },
	'to capitals' => sub { "coalesce(upper(nullif($_[0], '')), 'X')" },
	'by one letter' => sub { "concat('X', substr($_[0], 2))" } };

# One way to falsify a row of a number, or two; "taken" are the numbers that have been.  Returns SQL and what is to be found.
sub falsify_row
{
	my ($table, $taken) = @_;
	my @free = grep { !$taken->{$_} } @{ $table->{keys} };
	my ($i, $j) = map { splice @free, DbsyncTest::random_below(scalar @free), 1 } 1, 2;
	my $new = 1000 + $i + ($table->{name} eq 'chosen' ? 1 : 0);
	my ($at, $v, $key) = ("public.$table->{at}", $table->{v}, $table->{json});
	my $where = $table->{where}->($i);
	my %ways = (
		missing => sub { ("DELETE FROM $at WHERE $where", 'missing ' . $key->($i)) },
		extra => sub { ("INSERT INTO $at ($table->{columns}) VALUES (" . $table->{values}->($new) . ", 'extra', 1)", 'extra ' . $key->($new)) },
		move => sub { ("UPDATE $at SET " . $table->{move}->($new) . " WHERE $where", 'missing ' . $key->($i), 'extra ' . $key->($new)) },
		number => sub { ("UPDATE $at SET n = n + 0.01 WHERE $where", 'different ' . $key->($i)) },
		scale => sub { ("UPDATE $at SET n = n - 1 WHERE $where", 'different ' . $key->($i)) },
		change => sub {
			my ($how) = (sort keys %$changed)[ DbsyncTest::random_below(scalar keys %$changed) ];
			("UPDATE $at SET $v = " . $changed->{$how}->($v) . " WHERE $where", 'different ' . $key->($i)) },
		swap => sub {
			# a row and another one have each other's values
			my $other = $table->{where}->($j);
			$taken->{$j} = 1;
			("UPDATE $at SET n = CASE WHEN $where THEN $j ELSE $i END WHERE $where OR $other", map { 'different ' . $key->($_) } $i, $j) });
	$ways{twice} = sub { ("INSERT INTO $at SELECT * FROM $at WHERE $where", 'extra ' . $key->($i)) } if $table->{doubles};
	my ($way) = (sort keys %ways)[ DbsyncTest::random_below(scalar keys %ways) ];

	$taken->{$i} = 1;
	my ($sql, @found) = $ways{$way}->();
	return ($sql, map { "$table->{name} $_" } @found);
}

sub row_json
{
	my ($a, $b) = @_;
	return sprintf '{"a": "%s", "b": %s}', $a, defined $b ? "\"$b\"" : 'null';
}

# Rows without a key: numbers of a are used once each, and all rows of one are 10, of three kinds.
sub falsify_keyless
{
	my ($table, $a) = @_;
	my @ways = (
		sub { ("DELETE FROM public.$table WHERE (tableoid, ctid) = (SELECT tableoid, ctid FROM public.$table WHERE a = $a AND b = 'x' LIMIT 1)", 'missing ' . row_json($a, 'x')) },
		sub { ("INSERT INTO public.$table (a, b) VALUES ($a, 'x')", 'extra ' . row_json($a, 'x')) },
		sub { ("INSERT INTO public.$table (a, b) VALUES ($a, NULL), ($a, NULL)", 'extra 2 ' . row_json($a, undef)) },
		sub { ("INSERT INTO public.$table (a, b) VALUES ($a, 'new')", 'extra ' . row_json($a, 'new')) },
		sub { ("UPDATE public.$table SET b = '' WHERE (tableoid, ctid) = (SELECT tableoid, ctid FROM public.$table WHERE a = $a AND b IS NULL LIMIT 1)",
				'missing ' . row_json($a, undef), 'extra ' . row_json($a, '')) },
		sub { ("UPDATE public.$table SET b = 'x ' WHERE (tableoid, ctid) = (SELECT tableoid, ctid FROM public.$table WHERE a = $a AND b = 'x' LIMIT 1)",
				'missing ' . row_json($a, 'x'), 'extra ' . row_json($a, 'x ')) });
	my ($sql, @found) = $ways[ DbsyncTest::random_below(scalar @ways) ]->();
	return ($sql, map { "$table $_" } @found);
}

# Tests that what is falsified at random is found, and nothing else; and that it is repaired.
sub falsify_rows
{
	my ($self, $round) = @_;
	my (@sql, @expected);

	foreach my $table (@keyed)
	{
		my %taken;
		foreach (1 .. DbsyncTest::random_below(6))
		{
			my ($sql, @found) = falsify_row($table, \%taken);
			push @sql, $sql;
			push @expected, @found;
		}
	}
	foreach my $table (@keyless)
	{
		my %numbers = map { DbsyncTest::random_below(20) => 1 } 1 .. DbsyncTest::random_below(4);
		foreach my $a (sort keys %numbers)
		{
			my ($sql, @found) = falsify_keyless($table, $a);
			push @sql, $sql;
			push @expected, @found;
		}
	}
	$self->target("BEGIN; $_; COMMIT") foreach join('; ', @sql) || 'SELECT 1';
	$self->verify(DbsyncTest::random_below(2) ? 'sample => 1.0' : undef);
	my $found = join "\n", $self->differences;
	is($found, join("\n", sort @expected), "round $round: " . @expected . ' differences are found, and no other') or diag(join "\n", 'falsified by:', @sql);
	my $verdicts = $self->verify('repair => true');
	my %wanted = map { (split / /)[0] => 'repaired' } @expected;
	my @wrong = grep { $verdicts->{$_}{verdict} ne ($wanted{$_} // 'equal') } sort keys %$verdicts;
	is(join(', ', map { "$_: $verdicts->{$_}{verdict} $verdicts->{$_}{note}" } @wrong), '', "round $round: what differs is repaired");
	# those without a key are copied anew
	$self->source("SELECT dbsync.wait_for('$self->{subscription}')");
	$self->all_are('equal', undef, "round $round: and all is equal then");
	return;
}

1;

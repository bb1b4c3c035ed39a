# Tables that change: statements by chance, of rows and of the tables themselves, that fit what
# a table looks like at the moment; and what a table is, columns and rows, as text that is the
# same at both ends.
package DbsyncTest::Changing;

use strict;
use warnings;

use DbsyncTest qw(quoted random_below);
use Exporter 'import';

our @EXPORT_OK = qw(chance one_of);

our @tables = map { "storm.t$_" } 1 .. 4;

# names are few, so that they are left and taken
my @names = ('a', 'b', 'c', 'd', '"E e"', 'f');

# types of columns that are added, and values for them: SQL for a number
my %values = (
	'smallint' => sub { $_[0] % 30000 },
	'integer' => sub { $_[0] },
	'bigint' => sub { $_[0] * 3_000_000 },
	'numeric' => sub { ($_[0] % 1000) . '.' . $_[0] % 10 },
	'text' => sub { $_[0] % 5 == 0 ? large($_[0]) : "'t$_[0]'" },
	'character varying' => sub { "'v" . $_[0] % 1000 . "'" },
	'boolean' => sub { $_[0] % 2 ? 'true' : 'false' },
	'date' => sub { "date '2020-01-01' + " . $_[0] % 1000 },
	'timestamp without time zone' => sub { "timestamp '2020-01-01' + interval '$_[0] s'" },
	'timestamp with time zone' => sub { "timestamptz '2020-01-01 UTC' + interval '$_[0] s'" },
	'jsonb' => sub { "'{\"n\": $_[0]}'::jsonb" },
	'text[]' => sub { "ARRAY['x', '$_[0]', NULL]" },
	'bytea' => sub { "decode(md5('$_[0]'), 'hex')" },
	'storm.mood' => sub { $_[0] % 2 ? "'sad'::storm.mood" : "'ok'::storm.mood" });

my @added = ('smallint', 'integer', 'bigint', 'numeric(10,2)', 'text', 'varchar(8)', 'boolean', 'date',
	'timestamptz', 'jsonb', 'text[]', 'bytea', 'storm.mood');

# what the server at the target converts just as that of the source
my %wider = (
	'smallint' => [ 'integer', 'bigint' ],
	'integer' => ['bigint'],
	'numeric(10,2)' => [ 'numeric(14,2)', 'numeric' ],
	'character varying(8)' => [ 'varchar(12)', 'text' ],
	'character varying(12)' => ['text'],
	'text' => ['varchar(5000)'],
	'date' => ['timestamp']);

sub chance
{
	my ($percent) = @_;
	return random_below(100) < $percent;
}

sub one_of
{
	return $_[ random_below(scalar @_) ];
}

# of several kilobytes, and not compressed to less
sub large
{
	my ($number) = @_;
	return "(SELECT string_agg(md5((i + $number)::text), '') FROM generate_series(1, 80) i)";
}

sub value_for
{
	my ($column) = @_;
	my $type = $column->{type} =~ s/\(.*\)//r;

	return 'NULL' if !$column->{not_null} && chance(15);
	return $values{$type}->(1 + random_below($column->{key} ? 60 : 30_000));
}

# For both ends: storm.state(), which says what a table is.
sub create_state
{
	my ($pair) = @_;

	$pair->both(<<'SQL');
CREATE SCHEMA storm;
CREATE TYPE storm.mood AS ENUM ('sad', 'ok');
CREATE FUNCTION storm.state(name text) RETURNS text LANGUAGE plpgsql
	SET search_path = pg_catalog SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO, YMD' SET bytea_output = 'hex' AS $$
DECLARE
	rel regclass := name;
	columns text;
	keys text;
	names text;
	rows text;
BEGIN
	SELECT string_agg(format('%I %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
			CASE WHEN a.attnotnull THEN ' not null' END,
			-- that of a type of this database does not travel
			CASE WHEN a.atttypid <> 'storm.mood'::regtype THEN ' default ' || pg_get_expr(d.adbin, d.adrelid) END),
			', ' ORDER BY a.attname COLLATE "C"),
		string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname COLLATE "C") INTO columns, names
	FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE a.attrelid = rel AND a.attnum > 0 AND NOT a.attisdropped;
	SELECT string_agg((SELECT string_agg(quote_ident(a.attname), ' ' ORDER BY a.attname COLLATE "C") FROM pg_attribute a
		WHERE a.attrelid = rel AND a.attnum = ANY (i.indkey)), ', ' ORDER BY i.indkey::text) INTO keys
	FROM pg_index i WHERE i.indrelid = rel AND i.indisunique;
	EXECUTE format('SELECT count(*) || '' rows '' || md5(coalesce(string_agg(md5(r::text), '''' ORDER BY md5(r::text)), ''''))
		FROM (SELECT %s FROM %s) r', names, rel) INTO rows;
	RETURN format('%s (%s) key (%s) %s', name, columns, keys, rows);
END $$;
SQL
	return;
}

# What tables are, all of them at one time: nobody changes them between one and the next.
sub state_sql
{
	my (@names) = @_;

	return 'BEGIN; LOCK TABLE ' . join(', ', @names) . ' IN ACCESS SHARE MODE; '
	  . 'SELECT storm.state(t) FROM unnest(ARRAY[' . join(', ', map { quoted($_) } @names) . ']) t ORDER BY t; COMMIT';
}

# The tables, which have their columns in another order at the target.
sub create_tables
{
	my ($pair) = @_;

	create_state($pair);
	$pair->sql(<<'SQL');
CREATE FUNCTION storm.run(statements text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	statement text;
BEGIN
	FOREACH statement IN ARRAY statements LOOP EXECUTE statement; END LOOP;
END $$;
SQL
	foreach my $table (@tables)
	{
		my $name = $table =~ s/.*\.//r;

		$pair->sql("CREATE TABLE $table (id int CONSTRAINT ${name}_pkey PRIMARY KEY, a int DEFAULT 7, big text, b varchar(8) NOT NULL DEFAULT 'x');"
			  . "ALTER TABLE $table ALTER big SET STORAGE EXTERNAL;"
			  . "INSERT INTO $table SELECT i, i, CASE WHEN i % 2 = 0 THEN " . large(0) . " END FROM generate_series(1, 20) i");
		$pair->target_sql("CREATE TABLE $table (b varchar(8) NOT NULL DEFAULT 'x', big text, a int DEFAULT 7, id int PRIMARY KEY)");
	}
	return;
}

# A query for what columns() reads; whoever runs it sees the table as it is for him.
sub columns_sql
{
	my ($table) = @_;

	return <<"SQL";
SELECT quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull, coalesce(a.attnum = ANY (i.indkey), false), k.conname
FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid
WHERE a.attrelid = '$table'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname COLLATE "C"
SQL
}

sub columns
{
	my ($answer) = @_;

	return map {
		my ($name, $type, $not_null, $key, $constraint) = split /\|/;
		{ name => $name, type => $type, not_null => $not_null eq 't', key => $key eq 't', constraint => $constraint };
	} split /\n/, $answer;
}

# --- rows

sub rows_of
{
	my ($n, @columns) = @_;
	return join ', ', map { '(' . join(', ', map { value_for($_) } @columns) . ')' } 1 .. $n;
}

sub names_of
{
	return join ', ', map { $_->{name} } @_;
}

sub key_condition
{
	my (@columns) = @_;
	my ($key) = grep { $_->{key} } @columns;

	return 'abs(hashtext(' . $key->{name} . '::text)) % ' . (2 + random_below(12)) . ' = 0';
}

my @row_statements = (
	[ 30, sub {
			my ($table, @columns) = @_;
			my @given = grep { $_->{not_null} || $_->{key} || chance(60) } @columns;
			my $conflict = 'DO NOTHING';

			if (chance(40))
			{
				my @set = grep { !$_->{key} } @given;
				my $key = names_of(grep { $_->{key} } @columns);

				$conflict = "($key) DO UPDATE SET " . join ', ', map { "$_->{name} = excluded.$_->{name}" } @set if @set;
				# one statement cannot touch a row twice
				return "INSERT INTO $table (" . names_of(@given) . ') VALUES ' . rows_of(1, @given) . " ON CONFLICT $conflict";
			}
			return "INSERT INTO $table (" . names_of(@given) . ') VALUES ' . rows_of(1 + random_below(12), @given)
			  . " ON CONFLICT $conflict";
		} ],
	[ 30, sub {
			my ($table, @columns) = @_;
			my @set = grep { !$_->{key} && chance(30) } @columns;

			@set = one_of(@columns) unless @set;
			return "UPDATE $table SET " . join(', ', map { "$_->{name} = " . (chance(20) ? $_->{name} : value_for($_)) } @set)
			  . ' WHERE ' . key_condition(@columns);
		} ],
	[ 6, sub {
			my ($table, @columns) = @_;
			my @key = grep { $_->{key} && $_->{type} =~ /^(integer|bigint)$/ } @columns or return undef;

			return "UPDATE $table SET $key[0]{name} = $key[0]{name} + " . (1 + random_below(100)) . ' WHERE ' . key_condition(@columns);
		} ],
	[ 14, sub { my ($table, @columns) = @_; return "DELETE FROM $table WHERE " . key_condition(@columns) } ],
	[ 3, sub { return "TRUNCATE $_[0]" } ],
	[ 6, sub {
			my ($table, @columns) = @_;
			my @given = grep { $_->{key} || $_->{not_null} } @columns;
			my $lines = join '\\n', map { my $id = 1000 + random_below(100_000); join '\\t', map { $id } @given } 1 .. 5;

			return undef if grep { $_->{type} !~ /^(integer|bigint|text|character varying.*)$/ } @given;
			return "COPY $table (" . names_of(@given) . ") FROM PROGRAM 'printf ''$lines\\n'''";
		} ]);

# --- the tables themselves

sub rename_column
{
	my ($table, $from, $to) = @_;
	return "ALTER TABLE $table RENAME COLUMN $from TO $to";
}

my @table_statements = (
	[ 30, sub {
			my ($table, @columns) = @_;
			my @free = free_names(@columns) or return undef;
			my $type = one_of(@added);
			my $add = "ALTER TABLE $table ADD COLUMN " . one_of(@free) . " $type";

			return chance(30) ? "$add DEFAULT now()" . (chance(50) ? ' NOT NULL' : '') : $add if $type eq 'timestamptz';
			return $add if chance(40);
			# what is no literal would have the table written anew
			return $add . ' DEFAULT ' . literal_for($type) . (chance(50) ? ' NOT NULL' : '');
		} ],
	[ 14, sub {
			my ($table, @columns) = @_;
			my @others = grep { !$_->{key} } @columns;

			# not the key's, without which there would be no key to tell rows by (sql/ddl_keyless)
			return @others > 1 || (@others && chance(10)) ? "ALTER TABLE $table DROP COLUMN " . one_of(@others)->{name} : undef;
		} ],
	[ 14, sub {
			my ($table, @columns) = @_;
			my @free = free_names(@columns) or return undef;

			return rename_column($table, one_of(@columns)->{name}, one_of(@free));
		} ],
	# names that change places
	[ 8, sub {
			my ($table, @columns) = @_;
			my $one = one_of(@columns)->{name};
			my $other = one_of(grep { $_->{name} ne $one } @columns)->{name};

			return (rename_column($table, $one, 'aside'), rename_column($table, $other, $one), rename_column($table, 'aside', $other));
		} ],
	# one that is dropped and its name taken
	[ 6, sub {
			my ($table, @columns) = @_;
			my @others = grep { !$_->{key} } @columns;
			return undef if @others < 2;
			my $gone = one_of(@others)->{name};

			return ("ALTER TABLE $table DROP COLUMN $gone", rename_column($table, one_of(grep { $_->{name} ne $gone } @columns)->{name}, $gone));
		} ],
	[ 12, sub {
			my ($table, @columns) = @_;
			my @can = grep { $wider{ $_->{type} } } @columns or return undef;
			my $column = one_of(@can);

			return "ALTER TABLE $table ALTER COLUMN $column->{name} TYPE " . one_of(@{ $wider{ $column->{type} } });
		} ],
	[ 10, sub {
			my ($table, @columns) = @_;
			my $column = one_of(@columns);

			return "ALTER TABLE $table ALTER COLUMN $column->{name} " . ($column->{not_null} ? 'DROP' : 'SET') . ' NOT NULL';
		} ],
	[ 8, sub {
			my ($table, @columns) = @_;
			my $column = one_of(@columns);

			return "ALTER TABLE $table ALTER COLUMN $column->{name} "
			  . (chance(40) || !$values{ $column->{type} } ? 'DROP DEFAULT' : 'SET DEFAULT ' . literal_for($column->{type}));
		} ],
	[ 10, sub {
			my ($table, @columns) = @_;
			my @can = grep { $_->{not_null} && $_->{type} !~ /jsonb|bytea|\[\]|text/ } @columns;
			my ($key) = grep { $_->{key} } @columns;
			my @new = grep { chance(50) } @can;

			@new = $key unless @new;
			return "ALTER TABLE $table DROP CONSTRAINT $key->{constraint}, ADD CONSTRAINT $key->{constraint} PRIMARY KEY ("
			  . names_of(sort { rand() <=> 0.5 } @new) . ')';
		} ]);

sub free_names
{
	my %taken = map { $_->{name} => 1 } @_;
	return grep { !$taken{$_} } @names;
}

sub literal_for
{
	my ($type) = @_;
	my $plain = $type =~ s/\(.*\)//r;

	$plain = 'character varying' if $plain eq 'varchar';
	return {
		'text' => "'of the default'", 'date' => "'2001-02-03'", 'timestamp without time zone' => "'2001-02-03 04:05'",
		'timestamp with time zone' => "'2001-02-03 04:05:06 UTC'", 'timestamptz' => "'2001-02-03 04:05:06 UTC'",
		'text[]' => "'{x,\"y z\"}'", 'bytea' => "'\\xdeadbeef'" }->{$plain} // $values{$plain}->(1 + random_below(100));
}

sub pick
{
	my ($kinds, $table, @columns) = @_;
	my $sum = 0;
	my @statements;

	$sum += $_->[0] foreach @$kinds;
	until (@statements)
	{
		my $at = random_below($sum);
		my ($kind) = grep { ($at -= $_->[0]) < 0 } @$kinds;

		@statements = grep { defined } $kind->[1]->($table, @columns);
	}
	return @statements;
}

# Statements by chance: of rows or of the table; beside each other, in a DO block, or in a function.
sub statements_for
{
	my ($percent, $table, @columns) = @_;

	return pick(\@row_statements, $table, @columns) unless chance($percent);
	my @statements = pick(\@table_statements, $table, @columns);

	return @statements if chance(60);
	return 'DO $do$ BEGIN ' . join(' ', map { "EXECUTE \$x\$$_\$x\$;" } @statements) . ' END $do$' if chance(50);
	return 'SELECT storm.run(ARRAY[' . join(', ', map { quoted($_) } @statements, pick(\@row_statements, $table, grep { !$_->{gone} } @columns)) . '])'
	  if @statements == 1 && $statements[0] =~ /ADD COLUMN|SET DEFAULT|DROP DEFAULT/;
	return 'SELECT storm.run(ARRAY[' . join(', ', map { quoted($_) } @statements) . '])';
}

1;

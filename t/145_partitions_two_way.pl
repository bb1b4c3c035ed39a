# Databases that feed each other, one and two and three in a chain, with tables that are partitioned
# otherwise in each: rows that move, and partitions that come with rows, are emptied, detached and
# dropped at one end, arrive at the others, do not come back, and bend nothing beside them.
# Issue "Partitions, tables without a key, sequences"; the rules of t/033 and t/133.
#
# Each value of k belongs to one database, which alone writes its rows and changes its partitions.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(random_below uri_of);
use DbsyncTest::Changing qw(chance one_of);
use Test::More;

my $rounds = 3 * ($ENV{DBSYNC_TEST_ROUNDS} // 1);
my $node = DbsyncTest::new_node('ring', preload => 1, conf => "dbsync.segment_size = '64kB'\ndbsync.retention_interval = '200ms'");
my @names = ('one', 'two', 'three');
my %links = (one => ['two'], two => [ 'one', 'three' ], three => ['two']);
my @tables = ('public.p', 'public.q');

sub sql
{
	my ($name, $sql) = @_;
	return $node->safe_psql($name, $sql);
}

# one: a list for each value; two: ranges, with another level below; three: a plain table, as all may be
foreach my $name (@names)
{
	my $k = $name eq 'three' ? '' : $name eq 'one' ? 'PARTITION BY LIST (k)' : 'PARTITION BY RANGE (k)';

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	sql($name, "CREATE EXTENSION dbsync; CREATE TABLE public.p (id int NOT NULL, k int NOT NULL, v text, w text, PRIMARY KEY (id, k)) $k;"
		  . "CREATE TABLE public.q (v text, k int NOT NULL, id int NOT NULL, w text) $k");
	sql($name, "SELECT dbsync.create_target('$_', '" . uri_of($node, database => $_) . "')") foreach @{ $links{$name} };
}
foreach my $table ('p', 'q')
{
	sql('one', join ';', map { "CREATE TABLE public.${table}_$_ PARTITION OF public.$table " . ($_ ? "FOR VALUES IN ($_)" : 'DEFAULT') } 0 .. 5);
	sql('two', join ';', "CREATE TABLE public.${table}_old PARTITION OF public.$table FOR VALUES FROM (MINVALUE) TO (4)",
		"CREATE TABLE public.${table}_mid PARTITION OF public.$table FOR VALUES FROM (4) TO (12) PARTITION BY LIST (k)",
		"CREATE TABLE public.${table}_mid_six PARTITION OF public.${table}_mid FOR VALUES IN (6, 7)",
		"CREATE TABLE public.${table}_mid_other PARTITION OF public.${table}_mid DEFAULT",
		"CREATE TABLE public.${table}_12 PARTITION OF public.$table FOR VALUES FROM (12) TO (14)",
		"CREATE TABLE public.${table}_rest PARTITION OF public.$table DEFAULT");
}
# which values are whose; three has no partitions, but rows
my %values = (one => [ 1 .. 5 ], two => [ 12 .. 19 ], three => [ 7, 9 ]);

foreach my $name (@names)
{
	sql($name, "SELECT dbsync.create_subscription('to_$_', '$_', ARRAY['public.p', 'public.q'], copy_data => false, ddl => 'apply', on_partition_drop => 'delete')")
	  foreach @{ $links{$name} };
}

sub run_once
{
	my ($name) = @_;
	my $sent = 0;

	foreach my $there (@{ $links{$name} })
	{
		my ($status, $rows, $error) = $node->psql($name, "SELECT dbsync.run_once('to_$there')");

		is($error, '', "$name to $there: nothing is in the way") if $error ne '';
		$sent += $rows || 0;
	}
	return $sent;
}

sub rows_of
{
	my ($name, $table) = @_;
	my $more = sql($name, "SELECT string_agg(attname, ', ' ORDER BY attname) FROM pg_attribute WHERE attrelid = '$table'::regclass AND attnum > 0 AND NOT attisdropped");

	return sql($name, "SELECT $more FROM $table ORDER BY id, k, v COLLATE \"C\", w COLLATE \"C\"");
}

sub comes_to_rest
{
	my ($test) = @_;
	my $sent;
	my $right = 1;

	foreach my $round (1 .. 5)
	{
		$sent = 0;
		$sent += run_once($_) foreach sort { rand() <=> 0.5 } @names;
		last if $sent == 0;
	}
	$right &= is($sent, 0, "$test: it comes to rest");
	foreach my $table (@tables)
	{
		my $here = rows_of('one', $table);

		foreach my $there ('two', 'three')
		{
			my $equal = rows_of($there, $table) eq $here;

			$right &= ok($equal, "$test: $table is the same in one and $there");
			next if $equal;
			my %one = map { $_ => 1 } split /\n/, $here;
			my %two = map { $_ => 1 } split /\n/, rows_of($there, $table);
			diag('only in one: ' . join ' ', (grep { !$two{$_} } sort keys %one)[ 0 .. 4 ]);
			diag("only in $there: " . join ' ', (grep { !$one{$_} } sort keys %two)[ 0 .. 4 ]);
		}
	}
	return $right;
}

# from now on all are captured
run_once($_) foreach @names;

my $made = 0;
# What chance brings about may fail for these reasons; 42P01: the transaction has dropped it itself.
my %may_fail = map { $_ => 1 } ('23505', '23514', '42P17', '21000', '0A000', '42P01');
my @unexpected;

# Statements that are one transaction; what failed left nothing.
sub try
{
	my ($name, @statements) = @_;
	my $sql = join ";\n", @statements;
	my ($status, $answer, $error) = $node->psql($name, "\\set VERBOSITY verbose\nBEGIN;\n$sql;\nCOMMIT;");
	my ($code, $message) = $error =~ /ERROR:  (\w{5}): (.*)/;

	note("$name: $sql" . ($code ? " -- $code: $message" : ''));
	push @unexpected, "$name: $sql: $code: $message" if $code && !$may_fail{$code};
	return;
}

sub write_rows
{
	my ($name, $table) = @_;
	my @own = @{ $values{$name} };
	my $k = one_of(@own);
	my $where = one_of("k = $k", 'id % ' . (2 + random_below(4)) . ' = 0 AND k IN (' . join(', ', @own) . ')');
	my $set = one_of("v = v || 'x'", "v = 'set'", "k = $k", "w = repeat(md5(id::text), 100)", "id = 100 + id, k = $k", 'v = NULL');
	my $ids = random_below(50);
	my $clash = $table eq 'public.p' ? 'ON CONFLICT (id, k) DO UPDATE SET v = excluded.v' : '';

	return one_of(
		"INSERT INTO $table (id, k, v) SELECT g, $k, 'new' FROM generate_series($ids, $ids + " . random_below(9) . ") g $clash",
		"INSERT INTO $table (id, k, v) SELECT g, $k, 'new' FROM generate_series($ids, $ids + " . random_below(9) . ") g $clash",
		"UPDATE $table SET $set WHERE $where",
		"UPDATE $table SET $set WHERE $where",
		"DELETE FROM $table WHERE $where AND id % 3 = 0",
		"MERGE INTO $table t USING (VALUES ($ids, $k)) s (id, k) ON t.id = s.id AND t.k IN (" . join(', ', @own) . ') WHEN MATCHED THEN UPDATE SET k = s.k'
		  . " WHEN NOT MATCHED THEN INSERT (id, k, v) VALUES (s.id, s.k, 'merged')");
}

sub members
{
	my ($name, $table, $kind) = @_;
	return split /\n/, sql($name, "SELECT relid FROM pg_partition_tree('$table') WHERE relid::text ~ '_(m\\d|[1-9])' AND $kind ORDER BY 1");
}

# Partitions of its own values alone: of a list in one, of ranges in two.
sub change_partitions
{
	my ($name, $table) = @_;
	my $new = "${table}_m" . ++$made;
	my $value = one_of(@{ $values{$name} });
	my $bound = $name eq 'one' ? "IN ($value)" : "FROM ($value) TO (" . ($value + 1 + random_below(2)) . ')';
	my @members = members($name, $table, 'level > 0');
	my @tops = members($name, $table, 'level = 1');
	my @can = (
		[ "CREATE TABLE $new PARTITION OF $table FOR VALUES $bound" ],
		[ "CREATE TABLE $new PARTITION OF $table FOR VALUES $bound PARTITION BY RANGE (id)",
		  "CREATE TABLE ${new}a PARTITION OF $new FOR VALUES FROM (MINVALUE) TO (30)", "CREATE TABLE ${new}b PARTITION OF $new DEFAULT" ],
		map { [ "CREATE TABLE $new (LIKE $table)",
		  "INSERT INTO $new (id, k, v) SELECT g, $value, 'came' FROM generate_series(1, " . random_below(30) . ") g",
		  "ALTER TABLE $table ATTACH PARTITION $new FOR VALUES $bound",
		  "UPDATE $table SET v = v || ' and changed' WHERE id % 4 = 0 AND k = $value" ] } 1, 2);

	push @can, [ 'TRUNCATE ' . one_of(@members) ] if @members;
	push @can, [ 'DROP TABLE ' . one_of(@tops) ], map { [ "ALTER TABLE $table DETACH PARTITION $_", "DROP TABLE $_" ], ["ALTER TABLE $table DETACH PARTITION $_"] } one_of(@tops)
	  if @tops;
	return @{ one_of(@can) };
}

foreach my $round (1 .. $rounds)
{
	foreach (1 .. 25)
	{
		my $name = one_of(@names);
		my @statements = map { my $table = one_of(@tables); $name ne 'three' && chance(40) ? change_partitions($name, $table) : write_rows($name, $table) } 0 .. random_below(3);

		try($name, @statements);
		run_once(one_of(@names)) if chance(25);
	}
	last unless comes_to_rest("round $round");
}
is(join("\n", @unexpected), '', 'no statement failed but for a reason of its own');

# --- what takes all rows with it, and columns

sql('one', "INSERT INTO public.$_ (id, k, v) SELECT g, 1 + g % 19, 'before' FROM generate_series(1001, 1040) g") foreach 'p', 'q';
comes_to_rest('rows of all values');
sql('two', "BEGIN; INSERT INTO public.$_ (id, k, v) SELECT g, 1 + g % 19, 'lost' FROM generate_series(2001, 2040) g; TRUNCATE public.$_;"
	  . "INSERT INTO public.$_ (id, k, v) SELECT g, 1 + g % 19, 'behind' FROM generate_series(2001, 2040) g; COMMIT") foreach 'p', 'q';
comes_to_rest('TRUNCATE of all');
sql('one', "ALTER TABLE public.$_ ADD COLUMN more int DEFAULT 4; UPDATE public.$_ SET more = id WHERE k = 3") foreach 'p', 'q';
comes_to_rest('ADD COLUMN');
sql('two', "BEGIN; ALTER TABLE public.$_ RENAME more TO less; UPDATE public.$_ SET less = -id WHERE k > 10;"
	  . "CREATE TABLE public.${_}_last (LIKE public.$_); INSERT INTO public.${_}_last (id, k, v, less) SELECT g, 30, 'last', 1 FROM generate_series(1, 9) g;"
	  . "ALTER TABLE public.$_ ATTACH PARTITION public.${_}_last FOR VALUES FROM (30) TO (31); COMMIT") foreach 'p', 'q';
comes_to_rest('RENAME COLUMN, and a partition that comes with rows');
sql('two', "BEGIN; ALTER TABLE public.$_ DROP less; DROP TABLE public.${_}_last; COMMIT") foreach 'p', 'q';
comes_to_rest('DROP COLUMN, and a partition that goes');
foreach my $name (@names)
{
	is(sql($name, "SELECT string_agg(state || coalesce(held_for, ''), ', ') FROM dbsync.table_status WHERE held_for IS NOT NULL OR state <> 'live'"), '', "$name: nothing is held");
	is(sql($name, 'SELECT coalesce(sum(missing_rows), 0) FROM dbsync.table_status'), '0', "$name: no row was missing");
}

DbsyncTest::finish();

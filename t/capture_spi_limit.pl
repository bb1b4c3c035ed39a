# A statement that SPI stops by a row limit ("INSERT ... RETURNING" and a limit,
# the ordinary idiom of PL/Perl and PL/Python) never reaches its AFTER STATEMENT
# triggers by itself; it is captured all the same (hazard 1).
use strict;
use warnings;

use lib 't';
use DbsyncTest ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('source');
$node->init;
$node->start;

if ($node->psql('postgres', 'CREATE EXTENSION plperl') != 0)
{
	$node->stop;
	plan skip_all => 'PL/Perl is not installed';
}

$node->safe_psql('postgres', 'CREATE EXTENSION dbsync');
$node->safe_psql('postgres', slurp_file('sql/include/capture.sql'));
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET search_path = capture_test, public');
$node->safe_psql(
	'postgres', q{
	CREATE TABLE t (id int PRIMARY KEY, v int);
	CREATE TABLE users_log (what text);
	CREATE FUNCTION users_trigger() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN INSERT INTO users_log VALUES (TG_OP); RETURN NULL; END$$;
	CREATE TRIGGER users_trigger AFTER INSERT OR UPDATE OR DELETE ON t
		FOR EACH STATEMENT EXECUTE FUNCTION users_trigger();
	SELECT capture_test.begin('t');
	CREATE FUNCTION limited(text, int) RETURNS int LANGUAGE plperl AS
		$$return spi_exec_query($_[0], $_[1])->{processed};$$;
});

# Run the statement, say how many rows SPI saw, and what was captured of it.
sub captured_by
{
	my ($statement, $limit) = @_;
	my $seen = $node->safe_psql('postgres', "SELECT limited(\$q\$$statement\$q\$, $limit)");
	my $log = $node->safe_psql('postgres',
		q{SELECT string_agg(op::text || data, ' ' ORDER BY tx, n) FROM (SELECT *, row_number() OVER () AS n FROM capture_test.log('t')) l
		  WHERE tx = (SELECT max(tx) FROM capture_test.log('t'))});
	return "$seen: $log";
}

is(captured_by('INSERT INTO t VALUES (1, 1) RETURNING id', 1),
	'1: I{"v": 1, "id": 1}', 'INSERT of one row');
is(captured_by('INSERT INTO t SELECT i, i FROM generate_series(2, 5) i RETURNING id', 2),
	'2: I{"v": 2, "id": 2} I{"v": 3, "id": 3}', 'INSERT stopped half-way');
is(captured_by('UPDATE t SET v = v + 10 WHERE id = 1 RETURNING id', 1),
	'1: U{"v": 11, "id": 1}', 'UPDATE');
is(captured_by('UPDATE t SET id = id + 100 WHERE id = 1 RETURNING id', 1),
	'1: D[1] I{"v": 11, "id": 101}', 'UPDATE of the key');
is(captured_by('INSERT INTO t VALUES (2, 20), (6, 6) ON CONFLICT (id) DO UPDATE SET v = excluded.v RETURNING id', 1),
	'1: U{"v": 20, "id": 2}', 'upsert');
is(captured_by('DELETE FROM t WHERE id = 2 RETURNING id', 1), '1: D[2]', 'DELETE');
is($node->safe_psql('postgres', q{SELECT verdict('t')}), 'right', 'all in all');

# The user's own AFTER STATEMENT triggers do not fire then, as without us.
is($node->safe_psql('postgres', 'SELECT count(*) FROM users_log'), '0', "the user's triggers are left alone");
$node->safe_psql('postgres', q{SELECT limited('INSERT INTO t VALUES (70, 7)', 0)});
is($node->safe_psql('postgres', 'SELECT count(*) FROM users_log'), '1', 'and fire as ever without a limit');

# the CTE runs to its end as ever; only the main statement is stopped
is(captured_by('WITH d AS (DELETE FROM t WHERE id = 3 RETURNING id) INSERT INTO t SELECT id + 50, 0 FROM d RETURNING id', 1),
	'1: I{"v": 0, "id": 53} D[3]', 'with a sibling CTE');

# Without our hook the statement would stay open: nothing does here.
$node->safe_psql('postgres',
	q{BEGIN; SELECT limited('INSERT INTO t VALUES (80, 8) RETURNING id', 1); SAVEPOINT s;
	  SELECT limited('DELETE FROM t RETURNING id', 1); ROLLBACK TO s; UPDATE t SET v = 0 WHERE id = 80; COMMIT});
is($node->safe_psql('postgres', q{SELECT verdict('t')}), 'right', 'in a transaction with others');

# MERGE returns from PostgreSQL 17 on, and stops like the others; old rows are told of from 18 on
if ($node->pg_version >= 17)
{
	my $merge = 'MERGE INTO t USING generate_series(201, 206) n ON t.id = n WHEN MATCHED AND n = 201 THEN DELETE '
	  . 'WHEN MATCHED THEN UPDATE SET v = t.v + 1 WHEN NOT MATCHED THEN INSERT VALUES (n, 0) RETURNING t.id';

	$node->safe_psql('postgres', 'INSERT INTO t SELECT i, 0 FROM generate_series(200, 203) i');
	for my $limit (1 .. 5)
	{
		like(captured_by($merge, $limit), qr/^$limit: [IUD]/, "MERGE, stopped after $limit");
		is($node->safe_psql('postgres', q{SELECT verdict('t')}), 'right', "MERGE, stopped after $limit: right");
	}
}
if ($node->pg_version >= 18)
{
	is(captured_by('UPDATE t SET v = v + 10 WHERE id = 200 RETURNING old.v', 1),
		'1: U{"v": 10, "id": 200}', 'UPDATE that returns the old row');
	is(captured_by('DELETE FROM t WHERE id = 200 RETURNING old.v, new.v', 1), '1: D[200]', 'DELETE likewise');
}

$node->stop;
DbsyncTest::finish();

# REINDEX CONCURRENTLY puts another index in the place of a key, and no event tells.
# What was captured, and how far a copy has come, is known by the columns of the key
# in their order.  So its successor has the same ones, whatever other unique index the
# table has by then: a primary key that came later, or the same columns in another
# order.  Else deletes find nothing, a boundary means other rows, and nobody says so.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(uri_of);
use Test::More;

my $source = DbsyncTest::new_node('source', preload => 1);
my $target = DbsyncTest::new_node('target');
my $timeout = $PostgreSQL::Test::Utils::timeout_default;

sub both
{
	my ($sql) = @_;
	$_->safe_psql('postgres', $sql) foreach $source, $target;
	return;
}

sub same
{
	my ($table, $test) = @_;
	my @rows = map { DbsyncTest::ask($_, "SELECT string_agg(t::text, ';' ORDER BY t::text) FROM $table t") // 'error' } $source, $target;

	is($rows[1], $rows[0], $test);
	return;
}

sub arrives
{
	my ($name, $test) = @_;
	is($source->safe_psql('postgres', "SELECT dbsync.wait_for('$name', timeout => '$timeout s')"), 't', $test);
	return;
}

sub key_of
{
	my ($table) = @_;
	return $source->safe_psql('postgres', "SELECT indkey FROM pg_index WHERE indexrelid = dbsync_internal.current_key('$table')");
}

$source->safe_psql('postgres', 'CREATE EXTENSION dbsync');
$source->safe_psql('postgres', sprintf("SELECT dbsync.create_target('far', %s)",
		DbsyncTest::quoted(uri_of($target))));

# A better key comes while a table is captured; rows captured by the old one wait.
both(<<'SQL');
CREATE TABLE later (a int NOT NULL, b int NOT NULL, v text);
CREATE UNIQUE INDEX later_a ON later (a) INCLUDE (v);
SQL
$source->safe_psql('postgres', <<'SQL');
INSERT INTO later SELECT g, 1000 - g, 'x' FROM generate_series(1, 50) g;
SELECT dbsync.create_subscription('later', 'far', tables => ARRAY['public.later']);
SELECT dbsync.start_subscription('later');
SQL
arrives('later', 'a table with one unique index is copied');
both('ALTER TABLE later ADD PRIMARY KEY (b)');
$source->safe_psql('postgres', <<'SQL');
SELECT dbsync.stop_subscription('later');
DELETE FROM later WHERE a < 20;
REINDEX INDEX CONCURRENTLY later_a;
DELETE FROM later WHERE a < 30;
UPDATE later SET a = a + 100 WHERE a > 40;
SELECT dbsync.start_subscription('later');
SQL
is(key_of('later'), '1 3', 'rebuilt beside a primary key, the key has its columns');
arrives('later', 'rows captured before the key was rebuilt are applied');
same('later', 'both ends are equal');
$source->safe_psql('postgres', 'ALTER TABLE later SET (fillfactor = 90)');
pass('the guard knows the table again');

# The same columns in another order, in the middle of a copy.
both(<<'SQL');
CREATE TABLE turned (a int NOT NULL, b int NOT NULL, v text);
CREATE UNIQUE INDEX turned_ab ON turned (a, b);
SQL
$target->safe_psql('postgres', <<'SQL');
CREATE FUNCTION half() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.a > 500 THEN RAISE 'not now'; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER half AFTER INSERT ON turned FOR EACH ROW EXECUTE FUNCTION half();
ALTER TABLE turned ENABLE ALWAYS TRIGGER half;
SQL
$source->safe_psql('postgres', <<'SQL');
ALTER SYSTEM SET dbsync.copy_chunk_rows = 100;
SELECT pg_reload_conf();
INSERT INTO turned SELECT g, 10000 - g, 'x' FROM generate_series(1, 1000) g;
SELECT dbsync.create_subscription('turned', 'far', tables => ARRAY['public.turned']);
SELECT dbsync.start_subscription('turned');
SQL
ok(DbsyncTest::becomes_true($source, "SELECT s.last_error LIKE '%not now%' FROM dbsync.status s WHERE s.subscription = 'turned'"),
	'a copy stands half way');
$source->safe_psql('postgres', <<'SQL');
CREATE UNIQUE INDEX turned_ba ON turned (b, a);
SELECT dbsync.stop_subscription('turned');
REINDEX INDEX CONCURRENTLY turned_ab;
SQL
$target->safe_psql('postgres', 'DROP TRIGGER half ON turned');
$source->safe_psql('postgres', <<'SQL');
UPDATE turned SET v = 'y' WHERE a % 3 = 0;
DELETE FROM turned WHERE a % 7 = 0;
SELECT dbsync.start_subscription('turned');
SQL
is(key_of('turned'), '1 2', 'rebuilt beside an index over the same columns, the key keeps their order');
arrives('turned', 'the copy goes on');
ok(DbsyncTest::becomes_true($source, q{SELECT state = 'live' FROM dbsync.table_status WHERE "table" = 'turned'::regclass}),
	'and ends');
arrives('turned', 'all has arrived');
same('turned', 'both ends are equal');

done_testing();

# A backlog with a ceiling, where the target checks foreign keys: a table that is given up, and copied anew, takes along
# those that reference it there, or it could not be emptied.  Issue "When changes travel, an INI file, and the ways to
# capture", number 6.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(becomes_true);
use Test::More;

my $pair = DbsyncTest->new(
	source_conf => <<'CONF',
dbsync.segment_size = '64kB'
dbsync.retention_interval = '50ms'
dbsync.retry_max = '500ms'
CONF
	uri => \&DbsyncTest::uri_that_checks_keys);
my @tables = map { "public.$_" } qw(land town street free);
my $ddl = <<'SQL';
CREATE TABLE land (id int PRIMARY KEY, v text);
CREATE TABLE town (id int PRIMARY KEY, land int NOT NULL REFERENCES land, v text);
CREATE TABLE street (id int PRIMARY KEY, town int NOT NULL REFERENCES town);
CREATE TABLE free (id int PRIMARY KEY, v text);
SQL

sub given_up
{
	my ($tables, $test) = @_;
	my $ok = ok(becomes_true($pair->source, q{SELECT coalesce(string_agg("table"::text, ' ' ORDER BY "table"::text), '') = '} . $tables
		. q{' FROM dbsync.table_status WHERE state = 'suspended'}), $test);

	$pair->describe_state($test) unless $ok;
	return $ok;
}

sub is_equal
{
	my ($test) = @_;

	$pair->arrives('keys', "$test: all arrives");
	$pair->same_at_both_ends(@tables);
	return is($pair->sql(q{SELECT string_agg(DISTINCT state, ' ') FROM dbsync.table_status}), 'live', "$test: all tables are live");
}

$pair->sql($ddl);
$pair->target_sql("SET ROLE plain; $ddl");
$pair->sql(<<'SQL');
INSERT INTO land SELECT i FROM generate_series(1, 20) i;
INSERT INTO town SELECT i, i FROM generate_series(1, 20) i;
INSERT INTO street SELECT i, i FROM generate_series(1, 20) i;
SQL
$pair->subscribe('keys', \@tables, backlog_limit => "'512 kB'");
$pair->start_subscription('keys');
is_equal('the first copy');
is($pair->status('keys')->{foreign_keys}, 'ordered', 'the target checks its foreign keys');

foreach my $table (qw(land town))
{
	$pair->target->stop('fast');
	$pair->sql("INSERT INTO land SELECT i, CASE '$table' WHEN 'land' THEN repeat('x', 1000) END FROM generate_series((SELECT max(id) + 1 FROM land), (SELECT max(id) + 700 FROM land)) i");
	$pair->sql("INSERT INTO town SELECT i, i, CASE '$table' WHEN 'town' THEN repeat('x', 1000) END FROM generate_series((SELECT max(id) + 1 FROM town), (SELECT max(id) + 690 FROM town)) i");
	given_up($table, "$table is given up alone");
	$pair->sql('INSERT INTO street SELECT max(id) + 1, max(id) + 600 FROM street; DELETE FROM street WHERE id < 5; DELETE FROM town WHERE id < 4; DELETE FROM land WHERE id < 3');
	$pair->sql('UPDATE town SET land = land + 1 WHERE id % 3 = 0');
	$pair->target->start;
	is_equal("$table, and what references it");
	ok(becomes_true($pair->source, 'SELECT bool_and(next_action IS NULL) FROM dbsync.status'), 'there is nothing to do');
}

DbsyncTest::finish();

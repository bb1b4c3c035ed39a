# Databases of the same name at both ends, one pair for each thing that is tried: what
# is in a database beside dbsync, and what its settings are, differs from pair to pair.
package DbsyncTest::Pairs;

use strict;
use warnings;

use DbsyncTest qw(ask quoted uri_of);
use Exporter 'import';
use Test::More;

our @EXPORT_OK = qw(arrives both ends new_pair refused runs same source steps target);

my ($source, $target);

# Start the two servers that have all pairs; once in a file.
sub ends
{
	$source = DbsyncTest::new_node('source', preload => 1, conf => <<'CONF');
dbsync.segment_size = '64kB'
dbsync.retention_interval = '50ms'
CONF
	$target = DbsyncTest::new_node('target');
	return;
}

sub source { return $source; }
sub target { return $target; }

# Databases "name" at both ends, with a target "far".  Options: before, SQL that is run
# at the source before CREATE EXTENSION; there, SQL that is run at the target.
sub new_pair
{
	my ($name, %options) = @_;

	$_->safe_psql('postgres', "CREATE DATABASE $name") foreach $source, $target;
	$source->safe_psql($name, $options{before}) if $options{before};
	$target->safe_psql($name, $options{there}) if $options{there};
	steps($name, 'CREATE EXTENSION dbsync',
		sprintf("SELECT dbsync.create_target('far', %s)", quoted(uri_of($target, database => $name))));
	return;
}

sub both
{
	my ($name, $sql) = @_;
	$_->safe_psql($name, $sql) foreach $source, $target;
	return;
}

# Statements at the source, each in a session of its own.
sub steps
{
	my ($name, @statements) = @_;
	$source->safe_psql($name, $_) foreach @statements;
	return;
}

# Tests that a statement passes at the source.
sub runs
{
	my ($name, $sql, $test) = @_;
	my ($status, $answer, $error) = $source->psql($name, $sql);
	my $passed = is($status, 0, $test);

	diag($error) unless $passed;
	return $passed;
}

# Tests that a statement fails with words that match.
sub refused
{
	my ($name, $sql, $words, $test) = @_;
	my ($status, $answer, $error) = $source->psql($name, $sql);

	isnt($status, 0, $test);
	like($error, $words, "$test: in words");
	return $error;
}

# Tests that all committed so far arrives.
sub arrives
{
	my ($name, $test) = @_;
	my ($status, $answer, $error) = DbsyncTest::Server::wait_for($source, 'sub', $name);
	my $arrived = ok($status == 0 && $answer eq 't', $test);

	diag(ask($source, 'SELECT to_json(s) FROM dbsync.status s', $name) // '', $error) unless $arrived;
	return $arrived;
}

# Tests that a table has the same rows at both ends, under settings of the test's own.
sub same
{
	my ($name, $table, $test) = @_;
	return DbsyncTest::same_rows($source, $target, $table, $test, $name);
}

1;

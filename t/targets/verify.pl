# Targets of other majors than the source's are compared: an honest one is equal, and of a falsified one each row is named, and repaired
# (hazard 32). Each server runs these in turn; one that could not be had is named, with the reason. Not all of them unless
# DBSYNC_TEST_ROUNDS (scripts/check --long) or CHECK_TARGETS is set.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(random_below);
use DbsyncTest::Falsifying;
use DbsyncTest::Installed;
use DbsyncTest::Types;
use Test::More;
use Time::HiRes qw(time);

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 2;
my %wanted = map { $_ => 1 } split ' ', $ENV{CHECK_TARGETS} // '';

# Every type there is, as values of it come from the source.
sub types
{
	my ($pair, $all, $major) = @_;
	my $source = $pair->source->pg_version->major;
	my $both = $source < $major ? $source : $major;
	my @tables = sort keys %types;

	$pair->both($DbsyncTest::Types::own);
	foreach my $table (@tables)
	{
		$pair->sql(table_of_types($table, $source));
		$pair->target_sql(table_of_types($table, $major));
		$pair->sql("SELECT dbsync.add_table('sub', '$table')");
		foreach my $n (0 .. 4)
		{
			my ($columns, $values) = row_of_values($table, $n, $both);
			$pair->source->safe_psql('postgres', "SET client_encoding = 'UTF8'; SET xmloption = 'content'; INSERT INTO $table (id, $columns) SELECT $n, $values");
		}
	}
	$pair->arrives('sub', 'a row of all types arrives');
	foreach my $table (@tables)
	{
		$all->all_are('equal', "'$table'", "$table is the same");
		$pair->target_sql("UPDATE $table SET c_text = c_text || '!' WHERE id = 1; DELETE FROM $table WHERE id = 2");
		my ($found) = values %{ $all->verify("'$table', repair => true") };
		is("$found->{verdict} $found->{counts}", 'repaired 1/0/1', "$table is falsified and repaired") or diag($found->{note});
		$all->all_are('equal', "'$table'", "$table is the same again");
	}
	return;
}

sub compare_with
{
	my ($server) = @_;
	my $pair = DbsyncTest->new(
		prefix => "verify_$server->{major}_",
		target_path => $server->{path},
		target_conf => 'max_locks_per_transaction = 128');
	my $all = DbsyncTest::Falsifying->new(source => sub { $pair->sql($_[0]) }, target => sub { $pair->target_sql($_[0]) },
		subscription => 'sub', target_name => 'far');

	is($pair->target_sql('SHOW server_version') =~ s/\..*//r, $server->{major}, 'the target is what it should be');
	$all->make_types;
	$all->make_tables;
	$all->subscribe;
	$pair->start_subscription('sub');
	$pair->arrives('sub', 'the first copies arrive');
	$all->all_are('equal', undef, 'an honest target');
	$all->falsify_types;
	$all->falsify_rows($_) foreach 1 .. $rounds;
	types($pair, $all, $server->{major});
	$pair->stop_subscription('sub');
	$_->stop foreach $pair->source, $pair->target;
	return;
}

my @servers = grep { $_->{major} >= 12 } DbsyncTest::Installed::brought();
@servers = @servers[ 0, 1 + random_below(@servers - 2), -1 ] unless @servers < 4 || %wanted || $ENV{DBSYNC_TEST_ROUNDS};

foreach my $server (@servers)
{
	my ($major, $version, $reason) = @$server{qw(major version reason)};

	if ($reason)
	{
		fail("a target of $major, which CHECK_TARGETS names") if $wanted{$major};
	  SKIP: { skip("a target of $major ($version): $reason", 1) }
		next;
	}
	my $since = time();
	subtest("with $version", sub { eval { compare_with($server); 1 } or fail("dies: $@") });
	note(sprintf('with %s: %.0f s', $version, time() - $since));
}

DbsyncTest::finish();

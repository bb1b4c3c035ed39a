# Workers come back after a restart of the server, in all databases, when dbsync
# is preloaded; when it is not, status says that they will not.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(becomes_true uri_of);
use Test::More;

my @databases = qw(one two three);

# Three databases, each with a subscription to one of the same name at the target.
sub set_up
{
	my ($pair) = @_;
	foreach my $database (@databases)
	{
		foreach my $node ($pair->source, $pair->target)
		{
			$node->safe_psql('postgres', "CREATE DATABASE $database");
			$node->safe_psql($database, 'CREATE TABLE public.item (id int PRIMARY KEY)');
		}
		my $uri = uri_of($pair->target, database => $database);
		$pair->source->safe_psql($database, $_) foreach (
			'CREATE EXTENSION dbsync',
			"SELECT dbsync.create_target('far', '$uri')",
			"SELECT dbsync.create_subscription('item', 'far', tables => ARRAY['public.item'])",
			"SELECT dbsync.start_subscription('item')");
	}
	return;
}

sub all_arrive
{
	my ($pair, $id, $when) = @_;
	foreach my $database (@databases)
	{
		$pair->source->safe_psql($database, "INSERT INTO public.item VALUES ($id)");
		is((DbsyncTest::Server::wait_for($pair->source, 'item', $database))[1], 't', "$when: $database arrives");
		is($pair->target->safe_psql($database, 'SELECT max(id) FROM public.item'), $id,
			"$when: $database is there");
	}
	return;
}

sub said_in_all
{
	my ($pair, $condition, $test) = @_;
	foreach my $database (@databases)
	{
		ok(becomes_true($pair->source,
				"SELECT coalesce(bool_and($condition), false) FROM dbsync.status", $database),
			"$test ($database)");
	}
	return;
}

# --- preloaded

my $pair = DbsyncTest->new(prefix => 'pre');
set_up($pair);
# a database that cannot be connected to must not stop the launcher
$pair->sql('CREATE DATABASE closed ALLOW_CONNECTIONS false');
all_arrive($pair, 1, 'before');
said_in_all($pair, 'preloaded', 'status says that workers come back');
$pair->source->safe_psql('two', "SELECT dbsync.stop_subscription('item')");
$pair->source->restart;
said_in_all($pair, "CASE current_database() WHEN 'two' THEN pid IS NULL ELSE pid IS NOT NULL END",
	'those that were running come back after a restart');
$pair->source->safe_psql('two', "SELECT dbsync.start_subscription('item')");
all_arrive($pair, 2, 'after a restart');
DbsyncTest::crash_and_restart($pair->source);
all_arrive($pair, 3, 'after a crash');
$pair->source->stop('immediate');
$pair->source->start;
all_arrive($pair, 4, 'after an immediate shutdown');

# a database with a running worker can be dropped when it is stopped
$pair->source->safe_psql('three', "SELECT dbsync.stop_subscription('item')");
$pair->sql('DROP DATABASE three');
@databases = qw(one two);
$pair->source->restart;
all_arrive($pair, 5, 'after a database was dropped');
$_->stop foreach $pair->source, $pair->target;

# --- not preloaded

@databases = qw(one two);
$pair = DbsyncTest->new(prefix => 'plain', preload => 0);
set_up($pair);
all_arrive($pair, 1, 'not preloaded');
said_in_all($pair, 'NOT preloaded', 'status says that workers will not come back by themselves');
$pair->source->restart;
said_in_all($pair, "pid IS NULL AND next_action <> ''", 'after a restart status says what to do');
foreach my $database (@databases)
{
	$pair->source->safe_psql($database, 'INSERT INTO public.item VALUES (2)');
	$pair->source->safe_psql($database, "SELECT dbsync.start_subscription('item')");
}
all_arrive($pair, 3, 'started by hand');
is($pair->target->safe_psql('one', 'SELECT count(*) FROM public.item'), '3',
	'what was written meanwhile is there');

DbsyncTest::finish();

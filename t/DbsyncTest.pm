# Harness of dbsync's TAP tests: a source, a target, and what tests say to them.  What is said
# to one server alone is DbsyncTest::Server's.
#
# Rules: a test waits for a state, by a function of ours or by polling a query,
# and never for a time; what it waits for may take as long as
# PG_TEST_TIMEOUT_DEFAULT.  Random choices come from a seed that the log shows
# and DBSYNC_TEST_SEED sets.
package DbsyncTest;

use strict;
use warnings;

use DbsyncTest::Server ':all';
use Exporter 'import';
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

our @EXPORT_OK = qw(ask becomes_true poll_until quoted random_below rss_of socket_holds_input uri_of);

my $database = 'postgres';

INIT
{
	my $seed = $ENV{DBSYNC_TEST_SEED} // int(time() * 1000) % 1_000_000_000;
	srand($seed);
	note("DBSYNC_TEST_SEED=$seed");
}

sub random_below
{
	my ($limit) = @_;
	return int(rand($limit));
}

sub quoted
{
	my ($text) = @_;
	$text =~ s/'/''/g;
	return "'$text'";
}

# A pair of servers; the source has the extension and a target "far".  Options:
# preload (default 1), source_conf, target_conf, streaming (source can have
# standbys), uri (of the target; a function of the pair is called for it),
# prefix (of the nodes' names), target_path (of the target's PostgreSQL, if it is not ours), source_only (there is
# no target, and no server for one).
sub new
{
	my ($class, %options) = @_;
	my $prefix = $options{prefix} // '';
	my $self = bless {}, $class;

	$self->{source} = new_node("${prefix}source",
		conf => $options{source_conf},
		streaming => $options{streaming},
		preload => $options{preload} // 1);
	if ($options{source_only})
	{
		$self->sql('CREATE EXTENSION dbsync');
		return $self;
	}
	$self->{target} = new_node("${prefix}target",
		conf => $options{target_conf},
		path => $options{target_path});
	$self->sql('CREATE EXTENSION dbsync');
	my $uri = $options{uri} // uri_of($self->{target});
	$uri = $uri->($self) if ref $uri;
	$self->create_target('far', $uri);
	return $self;
}

sub source { return $_[0]{source}; }
sub target { return $_[0]{target}; }

sub sql
{
	my ($self, $sql) = @_;
	return $self->{source}->safe_psql($database, $sql);
}

sub target_sql
{
	my ($self, $sql) = @_;
	return $self->{target}->safe_psql($database, $sql);
}

sub both
{
	my ($self, $sql) = @_;
	$self->sql($sql);
	$self->target_sql($sql);
	return;
}

sub create_target
{
	my ($self, $name, $uri, %options) = @_;
	$self->sql(sprintf('SELECT dbsync.create_target(%s, %s%s)',
		quoted($name), quoted($uri), named_arguments(%options)));
	return;
}

# Options are SQL text by argument name: existing_rows => "'keep'".
sub named_arguments
{
	my (%options) = @_;
	return join '', map { ", $_ => $options{$_}" } sort keys %options;
}

# Usage: subscribe('name', [tables], option => SQL text ...), target => name.
sub subscribe
{
	my ($self, $name, $tables, %options) = @_;
	my $target = delete $options{target} // 'far';

	$self->sql(sprintf(
		'SELECT dbsync.create_subscription(%s, %s, tables => ARRAY[%s]%s)',
		quoted($name), quoted($target),
		join(', ', map { quoted($_) } @$tables),
		named_arguments(%options)));
	return;
}

sub start_subscription
{
	my ($self, $name) = @_;
	$self->sql('SELECT dbsync.start_subscription(' . quoted($name) . ')');
	return;
}

sub stop_subscription
{
	my ($self, $name) = @_;
	$self->sql('SELECT dbsync.stop_subscription(' . quoted($name) . ')');
	return;
}

# Tests that all committed so far arrives.
sub arrives
{
	my ($self, $name, $test) = @_;
	my ($status, $answer, $error) = DbsyncTest::Server::wait_for($self->{source}, $name, $database);
	my $arrived = ok($status == 0 && $answer eq 't', $test // "$name arrives");

	$self->describe_state("wait_for said: $answer $error") unless $arrived;
	return $arrived;
}

# What wait_for says at once where something does not come: status, answer, error.  Where a table is
# held because of what is there no more, arrives() asks again.
sub asked_once
{
	my ($self, $name) = @_;
	my $timeout = $PostgreSQL::Test::Utils::timeout_default;

	return $self->{source}->psql($database, sprintf(
		"SELECT dbsync.wait_for(%s, timeout => '%d s')", quoted($name), $timeout));
}

# The same where tables are suspended: wait_for does not say that all is there, but
# names them when the rest is.
sub rest_arrives
{
	my ($self, $name, $test) = @_;
	my (undef, $answer, $error) = $self->asked_once($name);
	my $arrived = ok($answer eq 'f' && $error =~ /goes on without tables that are suspended/,
		$test // "all of $name arrives that is not suspended");

	$self->describe_state("wait_for said: $answer $error") unless $arrived;
	return $arrived;
}

# What dbsync says of a subscription, as a hash by column; undef if nothing.
sub status
{
	my ($self, $name) = @_;
	my $row = $self->sql('SELECT to_json(s) FROM dbsync.status s WHERE subscription = '
		  . quoted($name));
	return $row eq '' ? undef : JSON::PP::decode_json($row);
}

# For new(uri => ...): of a role that owns the target's database and is nothing else, so that its sessions
# cannot be in replica role, and foreign keys are checked there.
sub uri_that_checks_keys
{
	my ($self) = @_;

	$self->target_sql('CREATE ROLE plain LOGIN; ALTER DATABASE postgres OWNER TO plain');
	return uri_of($self->target, user => 'plain');
}

# Where nothing is to happen there is no state to wait for: a worker with a poll_interval of 100 ms is given
# the time to look so often, while transactions end that it could hear of.
sub let_poll
{
	my ($self, $times) = @_;

	for (1 .. $times)
	{
		$self->sql('SELECT txid_current()');
		$self->sql('SELECT pg_sleep(0.1)');
	}
	return;
}

# Tests that the subscription's status comes to satisfy a condition in SQL.
sub status_becomes
{
	my ($self, $name, $condition, $test) = @_;
	my $reached = ok(
		becomes_true($self->{source}, sprintf(
			'SELECT coalesce(bool_and(%s), false) FROM dbsync.status WHERE subscription = %s',
			"($condition)", quoted($name))),
		$test);

	$self->describe_state("status did not become: $condition") unless $reached;
	return $reached;
}

# More than so many attempts in a row are to fail.  In steps, each of which has as long as
# any wait: an attempt takes a login and a look at all.
sub fails_often
{
	my ($self, $name, $times, $test) = @_;
	my $failures = $self->status($name)->{failures} // 0;

	while (($failures += 50) < $times)
	{
		return 0 unless $self->status_becomes($name, "failures >= $failures", "$test: $failures");
	}
	return $self->status_becomes($name, "failures > $times", $test);
}

# Everything a reader of a failed test wants to see.
sub describe_state
{
	my ($self, $why) = @_;
	diag($why);
	foreach my $view (qw(status table_status))
	{
		my $rows = ask($self->{source}, "SELECT to_json(s) FROM dbsync.$view s");
		diag("dbsync.$view: " . ($rows // ''));
	}
	return;
}

sub worker_pid
{
	my ($self, $name) = @_;
	my $pid = ask($self->{source},
		'SELECT pid FROM dbsync.status WHERE subscription = ' . quoted($name));
	return defined $pid && $pid =~ /^\d+$/ ? $pid : undef;
}

# The worker's process, once there is one.
sub wait_for_worker
{
	my ($self, $name) = @_;
	my $pid;

	poll_until(sub { $pid = $self->worker_pid($name) }, "worker of $name")
	  or $self->describe_state("no worker of $name");
	return $pid;
}

# Backends of the target in which dbsync writes.
sub applying_pids
{
	my ($self) = @_;
	my $pids = ask($self->{target}, <<'SQL');
SELECT pid FROM pg_stat_activity
WHERE application_name ILIKE '%dbsync%' AND backend_type = 'client backend'
  AND pid <> pg_backend_pid() ORDER BY pid
SQL
	return split /\n/, ($pids // '');
}

# Whom to kill while a subscription runs, and how: pairs of a name and what does it.  All are up
# again when that returns.
sub victims
{
	my ($self, $subscription) = @_;
	my $kill = sub {
		my ($node, @pids) = @_;
		my ($pid) = grep { defined } @pids or return;

		kill('KILL', $pid);
		poll_until(sub { !kill(0, $pid) }, "end of process $pid");
		wait_until_up($node);
	};

	return (
		[ 'the worker' => sub { $kill->($self->{source}, $self->worker_pid($subscription)) } ],
		[ 'its backend at the target' => sub { $kill->($self->{target}, $self->applying_pids) } ],
		[ 'the source' => sub { crash_and_restart($self->{source}) } ],
		[ 'the target' => sub { crash_and_restart($self->{target}) } ]);
}

# The last call of every test: no process of any server may have crashed by
# itself (those that a test kills die of signal 9).
sub finish
{
	foreach my $node (@PostgreSQL::Test::Cluster::all_nodes)
	{
		my @crashes = grep { /terminated by signal (?!9\b)|PANIC: |TRAP: |stuck spinlock/ }
		  map { split /\n/ } map { slurp_file($_) } glob($node->logfile);

		is(scalar(@crashes), 0, 'no crash of its own: server ' . $node->name);
		diag($crashes[0]) if @crashes;
	}
	done_testing();
	return;
}

# Tests that whole tables are the same at both ends.  Schema-qualify the names.
sub same_at_both_ends
{
	my ($self, @tables) = @_;
	my @differ = grep { !same_rows($self->{source}, $self->{target}, $_, "$_ is the same at both ends") } @tables;

	return !@differ;
}

1;

# Harness of dbsync's TAP tests: a source, a target, and what tests say to them.
#
# Rules: a test waits for a state, by a function of ours or by polling a query,
# and never for a time; what it waits for may take as long as
# PG_TEST_TIMEOUT_DEFAULT.  Random choices come from a seed that the log shows
# and DBSYNC_TEST_SEED sets.
package DbsyncTest;

use strict;
use warnings;

use DbsyncTest::Installed;
use Exporter 'import';
use File::Spec;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT_OK = qw(ask becomes_true poll_until quoted random_below rss_of socket_holds_input uri_of);

my $database = 'postgres';

# A session in the background has so long for each of its statements, not for its life:
# on a slow machine that of a whole file does not fit into it.
{
	no warnings 'redefine';
	my $make = \&PostgreSQL::Test::Cluster::background_psql;

	*PostgreSQL::Test::Cluster::background_psql = sub {
		my $session = $make->(@_);

		$session->set_query_timer_restart;
		return $session;
	};
}

# Text of rows must not depend on what a test does to roles and databases.
my $plain_text = join '', map { "SET $_;\n" } (
	"DateStyle = 'ISO, YMD'",
	"IntervalStyle = 'postgres'",
	"TimeZone = 'UTC'",
	"extra_float_digits = 3",
	"bytea_output = 'hex'",
	"lc_monetary = 'C'",
	"xmloption = 'content'",
	"array_nulls = on",
	"search_path = 'pg_catalog'",
	"quote_all_identifiers = off",
	"client_encoding = 'UTF8'",
	"row_security = off");

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

# Call the function until it returns true; false after the usual timeout.
sub poll_until
{
	my ($condition, $what) = @_;
	my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;

	while (time() < $deadline)
	{
		return 1 if $condition->();
		usleep(50_000);
	}
	diag("gave up waiting for: $what");
	return 0;
}

# What a server answers to a query; undef if it refuses, or is down.  (psql()
# of the cluster dies of a broken pipe if the server goes down just then.)
sub ask
{
	my ($node, $query, $name) = @_;
	my ($answer, $error);
	my $answered = IPC::Run::run(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1',
			'-d', $node->connstr($name // $database), '-c', $query ],
		'<', File::Spec->devnull, '>', \$answer, '2>', \$error);

	chomp($answer);
	return $answered ? $answer : undef;
}

# Wait until a query, perhaps of a server that has to come up first, says t.
sub becomes_true
{
	my ($node, $query, $name) = @_;
	return poll_until(sub { (ask($node, $query, $name) // '') eq 't' },
		$node->name . ": $query");
}

# Anonymous resident memory of a process, in kB: what it has allocated, without
# the shared buffers it has touched.
sub rss_of
{
	my ($pid) = @_;
	open(my $file, '<', "/proc/$pid/status") or return undef;
	my ($size) = map { /^RssAnon:\s+(\d+)/ ? $1 : () } <$file>;
	close($file);
	return $size;
}

# Does an accepted connection on this local TCP port hold input that its server
# process has not read?
sub socket_holds_input
{
	my ($port) = @_;
	my $local = sprintf('0100007F:%04X', $port);

	open(my $file, '<', '/proc/net/tcp') or die "no /proc/net/tcp: $!";
	while (my $line = <$file>)
	{
		my (undef, $here, undef, $state, $queues) = split ' ', $line;
		next unless $here eq $local && $state eq '01';
		return 1 if hex((split /:/, $queues)[1]) > 0;
	}
	return 0;
}

# Connection URI of a node's database; over TCP if a port is given.
sub uri_of
{
	my ($node, %options) = @_;
	my $user = $options{user} // getpwuid($<);
	my $name = $options{database} // $database;
	my $host = $node->host;

	return "postgresql://$user\@127.0.0.1:$options{tcp_port}/$name"
	  if $options{tcp_port};
	$host =~ s/([^A-Za-z0-9._-])/sprintf('%%%02X', ord($1))/ge;
	return "postgresql://$user\@/$name?host=$host&port=" . $node->port;
}

# A pair of servers; the source has the extension and a target "far".  Options:
# preload (default 1), source_conf, target_conf, streaming (source can have
# standbys), uri (of the target; a function of the pair is called for it),
# prefix (of the nodes' names), target_path (of the target's PostgreSQL, if it is not ours).
sub new
{
	my ($class, %options) = @_;
	my $prefix = $options{prefix} // '';
	my $self = bless {}, $class;

	$self->{source} = new_node("${prefix}source",
		conf => $options{source_conf},
		streaming => $options{streaming},
		preload => $options{preload} // 1);
	$self->{target} = new_node("${prefix}target",
		conf => $options{target_conf},
		path => $options{target_path});
	$self->sql('CREATE EXTENSION dbsync');
	my $uri = $options{uri} // uri_of($self->{target});
	$uri = $uri->($self) if ref $uri;
	$self->create_target('far', $uri);
	return $self;
}

# A running server with the settings that all tests share.
sub new_node
{
	my ($name, %options) = @_;
	my $node = $options{path}
	  ? DbsyncTest::Installed->new($name, install_path => $options{path})
	  : PostgreSQL::Test::Cluster->new($name);

	$node->init(
		extra => [ '--locale=C', '--encoding=UTF8' ],
		allows_streaming => $options{streaming} // 0);
	$node->append_conf('postgresql.conf', <<'CONF');
restart_after_crash = on
log_statement = none
max_connections = 40
max_worker_processes = 32
max_prepared_transactions = 10
max_wal_size = 2GB
shared_buffers = 64MB
autovacuum_naptime = 5s
dbsync.retry_max = '300ms'
dbsync.poll_interval = '1h'
CONF
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'dbsync'")
	  if $options{preload};
	$node->append_conf('postgresql.conf', $options{conf}) if $options{conf};
	$node->start;
	return $node;
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
	my $timeout = $PostgreSQL::Test::Utils::timeout_default;
	my ($status, $answer, $error) = $self->{source}->psql($database, sprintf(
		"SELECT dbsync.wait_for(%s, timeout => '%d s')", quoted($name), $timeout));
	my $arrived = ok($status == 0 && $answer eq 't', $test // "$name arrives");

	$self->describe_state("wait_for said: $answer $error") unless $arrived;
	return $arrived;
}

# The same where tables are suspended: wait_for does not say that all is there, but
# names them when the rest is.
sub rest_arrives
{
	my ($self, $name, $test) = @_;
	my $timeout = $PostgreSQL::Test::Utils::timeout_default;
	my (undef, $answer, $error) = $self->{source}->psql($database, sprintf(
		"SELECT dbsync.wait_for(%s, timeout => '%d s')", quoted($name), $timeout));
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

# Wait until the server answers again, after one of its processes was killed.
sub wait_until_up
{
	my ($node) = @_;
	becomes_true($node, 'SELECT NOT pg_is_in_recovery()')
	  or BAIL_OUT($node->name . ' does not come back');
	return;
}

# kill -9 the postmaster and start the server again.  What is left of the old
# one keeps its shared memory for a moment, during which a start is refused.
sub crash_and_restart
{
	my ($node) = @_;
	$node->kill9;
	poll_until(
		sub {
			# a start that failed leaves the dead one's pid here
			$node->{_pid} = undef;
			return $node->start(fail_ok => 1);
		},
		'start after a crash')
	  or BAIL_OUT($node->name . ' does not start after kill -9');
	return;
}

# Stop the server's WAL writer, so that nothing reaches the disk but by a flush that
# somebody waits for.  Returns its pid: it must be killed by hand with the postmaster,
# whose end it does not see.
sub freeze_wal_writer
{
	my ($node) = @_;
	my $pid = ask($node, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");

	kill('STOP', $pid);
	return $pid;
}

# Is there WAL that is not on the server's disk?  "t" or "f".
sub has_unflushed_wal
{
	my ($node) = @_;
	return ask($node, 'SELECT pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()');
}

# Let a session of its own write until there is WAL that is not on the server's disk: what
# else commits in between may take the first of it there.  The WAL writer is to be frozen.
sub leave_wal_unflushed
{
	my ($node, $writer, $statement, $test) = @_;

	return ok(
		poll_until(
			sub { $writer->query_safe($statement); has_unflushed_wal($node) eq 't' }, 'WAL that is not on disk'),
		$test);
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

# All rows of a table at one end, in an order and a form that both ends share.  The
# database is the usual one unless it is named.
sub fingerprint
{
	my ($node, $table, $name) = @_;
	return ask($node, $plain_text . <<"SQL", $name) // "cannot read $table of " . $node->name;
SELECT format('%s rows, %s', count(*), md5(coalesce(string_agg(md5(t::text), '' ORDER BY md5(t::text)), '')))
FROM $table t
SQL
}

sub rows_of
{
	my ($node, $table, $name) = @_;
	my $rows = ask($node,
		$plain_text . "SELECT t::text FROM $table t ORDER BY t::text COLLATE \"C\"", $name);
	return split /\n/, ($rows // '');
}

# Tests that a table has the same rows at two nodes; names the rows that are not.
sub same_rows
{
	my ($source, $target, $table, $test, $name) = @_;

	return 1 if is(fingerprint($target, $table, $name), fingerprint($source, $table, $name), $test);
	my %here = map { $_ => 1 } rows_of($source, $table, $name);
	my %there = map { $_ => 1 } rows_of($target, $table, $name);
	my @missing = sort grep { !$there{$_} } keys %here;
	my @extra = sort grep { !$here{$_} } keys %there;
	diag(scalar(@missing) . " rows only at the source, such as $_") foreach grep { defined } @missing[ 0 .. 4 ];
	diag(scalar(@extra) . " rows only at the target, such as $_") foreach grep { defined } @extra[ 0 .. 4 ];
	return 0;
}

# Tests that whole tables are the same at both ends.  Schema-qualify the names.
sub same_at_both_ends
{
	my ($self, @tables) = @_;
	my @differ = grep { !same_rows($self->{source}, $self->{target}, $_, "$_ is the same at both ends") } @tables;

	return !@differ;
}

1;

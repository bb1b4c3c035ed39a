# One server, whatever it is an end of: making it, asking it and its processes, crashing it, and
# the rows that it has.  Tests find all this in DbsyncTest, too.
package DbsyncTest::Server;

use strict;
use warnings;

use DbsyncTest::Installed;
use Exporter 'import';
use File::Spec;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT_OK = qw(
	ask becomes_true crash_and_restart fingerprint freeze_wal_writer has_unflushed_wal
	leave_wal_unflushed new_node poll_until rss_of same_rows socket_holds_input uri_of
	wait_until_up);
our %EXPORT_TAGS = (all => \@EXPORT_OK);

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

# What wait_for() says: status, answer, error.  A table that was held, and whose obstacle is gone, is
# tried again by and by: until then wait_for() names it, and is asked again.
sub wait_for
{
	my ($node, $subscription, $database) = @_;
	my $timeout = $PostgreSQL::Test::Utils::timeout_default;
	my @said;

	poll_until(
		sub {
			@said = $node->psql($database, "SELECT dbsync.wait_for('$subscription', timeout => '$timeout s')");
			return $said[2] !~ /is held/;
		},
		"wait_for of $subscription");
	return @said;
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
	diag(scalar(@missing) . ' rows only at the source, such as ' . join(' ', grep { defined } @missing[ 0 .. 4 ])) if @missing;
	diag(scalar(@extra) . ' rows only at the target, such as ' . join(' ', grep { defined } @extra[ 0 .. 4 ])) if @extra;
	return 0;
}

1;

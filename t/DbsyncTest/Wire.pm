# A process of a test's own between a worker and its target: listens on a TCP port of
# 127.0.0.1, may connect to a server's Unix socket, takes orders and notes what happens.
# What it does with the bytes is up to the class that inherits from it.
package DbsyncTest::Wire;

use strict;
use warnings;

use DbsyncTest::Bank ();
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

# The class's function serve(listener, orders, path of the socket, file of events) is the
# process; it does not return.  An order is a line.
sub new
{
	my ($class, $node) = @_;
	my $self = bless { port => PostgreSQL::Test::Cluster::get_free_port() }, $class;
	my $path = $node->host . '/.s.PGSQL.' . $node->port;
	my $serve = $class->can('serve');

	$self->{events} = PostgreSQL::Test::Utils::tempdir('wire') . '/events';
	append_to_file($self->{events}, '');
	my $listener = IO::Socket::INET->new(
		LocalAddr => '127.0.0.1', LocalPort => $self->{port},
		Listen => 20, ReuseAddr => 1) or die "cannot listen: $!";
	pipe(my $orders, $self->{orders}) or die "no pipe: $!";
	$self->{orders}->autoflush(1);
	$self->{pid} = DbsyncTest::Bank::start_process(
		sub {
			# a process forked from the same parent starts with the same numbers
			srand($$);
			local $SIG{PIPE} = 'IGNORE';
			eval { $serve->($listener, $orders, $path, $self->{events}) };
			append_to_file($self->{events}, "died $@\n");
			POSIX::_exit(1);
		});
	close($listener);
	close($orders);
	return $self;
}

sub port { return $_[0]{port}; }

sub order
{
	my ($self, @words) = @_;
	die 'the process between worker and target is gone' if waitpid($self->{pid}, WNOHANG) != 0;
	print { $self->{orders} } "@words\n";
	return;
}

# Lines of what has happened.
sub events
{
	my ($self) = @_;
	return split /\n/, slurp_file($self->{events});
}

# For the process: all of it, or 0 if the other end has gone.
sub write_all
{
	my ($socket, $data) = @_;
	my $done = 0;

	while ($done < length($data))
	{
		my $written = syswrite($socket, $data, length($data) - $done, $done);
		return 0 unless defined $written;
		$done += $written;
	}
	return 1;
}

sub DESTROY
{
	my ($self) = @_;
	my $status = $?;
	DbsyncTest::Bank::end_process($self->{pid});
	$? = $status;
	return;
}

1;

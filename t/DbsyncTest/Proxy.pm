# A wire between worker and target that can be cut at the worst moment.
#
# Listens on a TCP port of 127.0.0.1 and passes bytes to a server's Unix socket.
#	pass              as if it were not there
#	lose_answers(n)   the next n times the server says that it has committed,
#	                  that answer is dropped and the connection cut
#	cut_anywhere(p)   at each piece of data, with probability 1/p, pass a random
#	                  part of it and cut
#	refuse            cut what there is and what comes
# Every cut is one line in the file of events.
package DbsyncTest::Proxy;

use strict;
use warnings;

use DbsyncTest::Bank ();
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(WNOHANG);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

# CommandComplete with tag COMMIT
my $committed = "C\0\0\0\x0bCOMMIT\0";

sub new
{
	my ($class, $node) = @_;
	my $self = bless { port => PostgreSQL::Test::Cluster::get_free_port() }, $class;
	my $path = $node->host . '/.s.PGSQL.' . $node->port;

	$self->{events} = PostgreSQL::Test::Utils::tempdir('proxy') . '/events';
	append_to_file($self->{events}, '');
	my $listener = IO::Socket::INET->new(
		LocalAddr => '127.0.0.1', LocalPort => $self->{port},
		Listen => 20, ReuseAddr => 1) or die "cannot listen: $!";
	pipe(my $orders, $self->{orders}) or die "no pipe: $!";
	$self->{orders}->autoflush(1);
	$self->{pid} = DbsyncTest::Bank::start_process(
		sub { serve($listener, $orders, $path, $self->{events}) });
	close($listener);
	close($orders);
	return $self;
}

sub port { return $_[0]{port}; }

sub order
{
	my ($self, @words) = @_;
	die "the proxy is gone" if waitpid($self->{pid}, WNOHANG) != 0;
	print { $self->{orders} } "@words\n";
	return;
}

sub pass { return $_[0]->order('pass'); }
sub refuse { return $_[0]->order('refuse'); }
sub lose_answers { return $_[0]->order('lose', $_[1]); }
sub cut_anywhere { return $_[0]->order('cut', $_[1]); }

# How many connections were cut so far.
sub cuts
{
	my ($self) = @_;
	return scalar(split /\n/, slurp_file($self->{events}));
}

sub DESTROY
{
	my ($self) = @_;
	my $status = $?;
	DbsyncTest::Bank::end_process($self->{pid});
	$? = $status;
	return;
}

# The child's loop.  Each connection is known under both its ends.
sub serve
{
	my ($listener, $orders, $path, $file) = @_;
	my $state = {
		select => IO::Select->new($listener, $orders),
		peer => {}, tail => {}, from_server => {},
		mode => 'pass', argument => 0, file => $file };

	# a process forked from the same parent starts with the same numbers
	srand($$);
	local $SIG{PIPE} = 'IGNORE';
	while (1)
	{
		foreach my $ready ($state->{select}->can_read)
		{
			if ($ready == $listener) { admit($state, $listener, $path); }
			elsif ($ready == $orders) { obey($state, $orders); }
			elsif ($state->{peer}{$ready}) { relay($state, $ready); }
		}
	}
}

sub admit
{
	my ($state, $listener, $path) = @_;
	my $client = $listener->accept or return;
	my $server = $state->{mode} eq 'refuse' ? undef : IO::Socket::UNIX->new(Peer => $path);

	if (!$server)
	{
		close($client);
		return;
	}
	$state->{peer}{$client} = $server;
	$state->{peer}{$server} = $client;
	$state->{from_server}{$server} = 1;
	$state->{tail}{$server} = '';
	$state->{select}->add($client, $server);
	return;
}

sub obey
{
	my ($state, $orders) = @_;
	# the parent is gone
	POSIX::_exit(0) unless sysread($orders, my $text, 1000);
	foreach my $line (split /\n/, $text)
	{
		($state->{mode}, $state->{argument}) = split / /, $line;
		next unless $state->{mode} eq 'refuse';
		foreach my $socket ($state->{select}->handles)
		{
			cut($state, $socket, 'refused') if $state->{from_server}{$socket};
		}
	}
	return;
}

sub disconnect
{
	my ($state, $socket) = @_;
	my $peer = $state->{peer}{$socket};

	foreach my $end ($socket, $peer)
	{
		$state->{select}->remove($end);
		delete $state->{$_}{$end} foreach qw(peer tail from_server);
		close($end);
	}
	return;
}

sub cut
{
	my ($state, $socket, $event) = @_;
	disconnect($state, $socket);
	append_to_file($state->{file}, "$event\n");
	return;
}

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

sub relay
{
	my ($state, $socket) = @_;
	my $peer = $state->{peer}{$socket};
	my $size = sysread($socket, my $data, 65536);

	return disconnect($state, $socket) unless $size;
	if ($state->{mode} eq 'lose' && $state->{argument} > 0 && $state->{from_server}{$socket})
	{
		# the answer may come in two pieces
		my $seen = $state->{tail}{$socket} . $data;
		if (index($seen, $committed) >= 0)
		{
			$state->{argument}--;
			return cut($state, $socket, 'answer lost');
		}
		$state->{tail}{$socket} = substr($seen, -length($committed)) // $seen;
	}
	elsif ($state->{mode} eq 'cut' && rand($state->{argument}) < 1)
	{
		write_all($peer, substr($data, 0, int(rand(length($data)))));
		return cut($state, $socket, 'cut');
	}
	disconnect($state, $socket) unless write_all($peer, $data);
	return;
}

1;

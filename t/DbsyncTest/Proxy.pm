# A wire between worker and target that can be cut at the worst moment.
#
# Listens on a TCP port of 127.0.0.1 and passes bytes to a server's Unix socket.
#	pass              as if it were not there
#	lose_answers(n)   the next n times the server says that it has committed,
#	                  that answer is dropped and the connection cut
#	keep_answer       the next time it says so, that answer and what follows is kept back,
#	                  over a connection that stays
#	cut_anywhere(p)   at each piece of data, with probability 1/p, pass a random
#	                  part of it and cut
#	refuse            cut what there is and what comes
# Every cut, and every answer that is kept, is one line in the file of events.
package DbsyncTest::Proxy;

use strict;
use warnings;

use parent -norequire, 'DbsyncTest::Wire';

use DbsyncTest::Wire;
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use PostgreSQL::Test::Utils;

# ReadyForQuery, outside of a transaction
my $idle = "Z\0\0\0\x05I";
# CommandComplete with tag COMMIT; or those of rows, and no transaction is open behind them: that of small batches is
# committed by their end
my $committed = qr/C\0\0\0\x0bCOMMIT\0|C\0\0\0.(?:INSERT|UPDATE|DELETE|MERGE) [0-9 ]+\0.*\Q$idle\E/s;
# of what comes before that
my $enough = 64 * 1024;

sub pass { return $_[0]->order('pass'); }
sub refuse { return $_[0]->order('refuse'); }
sub lose_answers { return $_[0]->order('lose', $_[1]); }
sub keep_answer { return $_[0]->order('keep', 1); }
sub cut_anywhere { return $_[0]->order('cut', $_[1]); }

# How many connections were cut, or silenced, so far.
sub cuts
{
	my ($self) = @_;
	my @cuts = $self->events;

	return scalar(@cuts);
}

# The child's loop.  Each connection is known under both its ends.
sub serve
{
	my ($listener, $orders, $path, $file) = @_;
	my $state = {
		select => IO::Select->new($listener, $orders),
		peer => {}, tail => {}, from_server => {},
		mode => 'pass', argument => 0, file => $file };

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

# Nothing of this server is passed on any more.
sub silence
{
	my ($state, $socket) = @_;
	$state->{select}->remove($socket);
	append_to_file($state->{file}, "answer kept\n");
	return;
}

sub relay
{
	my ($state, $socket) = @_;
	my $peer = $state->{peer}{$socket};
	my $size = sysread($socket, my $data, 65536);

	return disconnect($state, $socket) unless $size;
	if ($state->{mode} =~ /^(lose|keep)$/ && $state->{argument} > 0 && $state->{from_server}{$socket})
	{
		# the answer may come in two pieces
		my $seen = $state->{tail}{$socket} . $data;
		if ($seen =~ $committed)
		{
			$state->{argument}--;
			return silence($state, $socket) if $state->{mode} eq 'keep';
			return cut($state, $socket, 'answer lost');
		}
		my $ended = rindex($seen, $idle);
		$seen = substr($seen, $ended + length($idle)) if $ended >= 0;
		$state->{tail}{$socket} = length($seen) > $enough ? substr($seen, -$enough) : $seen;
	}
	elsif ($state->{mode} eq 'cut' && rand($state->{argument}) < 1)
	{
		DbsyncTest::Wire::write_all($peer, substr($data, 0, int(rand(length($data)))));
		return cut($state, $socket, 'cut');
	}
	disconnect($state, $socket) unless DbsyncTest::Wire::write_all($peer, $data);
	return;
}

1;

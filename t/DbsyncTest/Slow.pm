# A target at the other end of a slow wire: it is there, and does not get on.
#
# Listens on a TCP port of 127.0.0.1 and passes bytes to a server's Unix socket.
#	pass          as if it were not there
#	mute          whoever connects is let in, and hears nothing
#	mute_later    a login goes through; what comes behind it is not answered
#	drip          what the server says comes byte by byte, five a second
#	sip           what is said to the server is not taken
# Connections that there are obey, too, but for "mute_later".
package DbsyncTest::Slow;

use strict;
use warnings;

use parent -norequire, 'DbsyncTest::Wire';

use DbsyncTest::Wire;
use IO::Select;
use IO::Socket::UNIX;
use Time::HiRes qw(time);

# between two bytes, in seconds
my $pause = 0.2;

# ReadyForQuery, outside of a transaction
my $ready = "Z\0\0\0\x05I";

# The child's loop.
sub serve
{
	my ($listener, $orders, $path, $file) = @_;
	my $state = { mode => 'pass', sessions => [] };

	while (1)
	{
		my $select = IO::Select->new($listener, $orders, map { wanted($state, $_) } @{ $state->{sessions} });

		foreach my $socket ($select->can_read($pause))
		{
			if ($socket == $listener) { admit($state, $listener, $path); }
			elsif ($socket == $orders) { obey($state, $orders); }
			else { pass_on($state, $socket); }
		}
		drip($state, $_) foreach @{ $state->{sessions} };
		@{ $state->{sessions} } = grep { !$_->{ended} } @{ $state->{sessions} };
	}
}

# Whom of a session we listen to.  Where nobody is heard we do not hear that he goes, either.
sub wanted
{
	my ($state, $session) = @_;
	return () if $session->{ended};
	return ($session->{server}) if $state->{mode} eq 'sip';
	return ($session->{client}, $session->{server});
}

sub admit
{
	my ($state, $listener, $path) = @_;
	my $client = $listener->accept or return;
	my $server = IO::Socket::UNIX->new(Peer => $path);

	if (!$server)
	{
		close($client);
		return;
	}
	push @{ $state->{sessions} }, {
		client => $client, server => $server, drops => '', tail => '',
		mute => $state->{mode} eq 'mute', later => $state->{mode} eq 'mute_later' };
	return;
}

sub obey
{
	my ($state, $orders) = @_;
	my $line = <$orders>;

	exit 0 if !defined $line;
	chomp $line;
	$state->{mode} = $line;
	return if $line ne 'pass';
	# what has been kept is not to come in pieces any more
	foreach my $session (@{ $state->{sessions} })
	{
		end($session) if $session->{mute};
		DbsyncTest::Wire::write_all($session->{client}, $session->{drops}) if !$session->{ended};
		$session->{drops} = '';
	}
	return;
}

sub end
{
	my ($session) = @_;
	close($session->{$_}) foreach qw(client server);
	$session->{ended} = 1;
	return;
}

sub pass_on
{
	my ($state, $socket) = @_;
	my ($session) = grep { !$_->{ended} && ($_->{client} == $socket || $_->{server} == $socket) } @{ $state->{sessions} };
	return if !$session;
	my $from_server = $session->{server} == $socket;
	my $size = sysread($socket, my $data, 65536);

	return end($session) if !$size;
	return if $session->{mute};
	if (!$from_server)
	{
		DbsyncTest::Wire::write_all($session->{server}, $data) or end($session);
		return;
	}
	if ($state->{mode} eq 'drip') { $session->{drops} .= $data; return; }
	DbsyncTest::Wire::write_all($session->{client}, $data) or return end($session);
	$session->{tail} = substr($session->{tail} . $data, -6);
	$session->{mute} = 1 if $session->{later} && $session->{tail} eq $ready;
	return;
}

sub drip
{
	my ($state, $session) = @_;
	return if $session->{ended} || $session->{drops} eq '' || time() < ($session->{next} // 0);
	my $drop = substr($session->{drops}, 0, 1, '');

	$session->{next} = time() + $pause;
	DbsyncTest::Wire::write_all($session->{client}, $drop) or end($session);
	return;
}

1;

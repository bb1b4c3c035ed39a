#!/usr/bin/perl
# A wire that counts: relay.pl LISTEN_PATH SERVER_PATH COUNT_FILE
#
# Listens on a Unix socket, passes all bytes to a server's socket and back, and
# keeps the number of bytes, both ways together, in a file.
use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;

my ($listen, $server, $file) = @ARGV;
my $bytes = 0;
my %peer;

$SIG{PIPE} = 'IGNORE';
unlink $listen;
my $listener = IO::Socket::UNIX->new(Local => $listen, Listen => 20) or die "$listen: $!\n";
my $select = IO::Select->new($listener);
open(my $count, '>', $file) or die "$file: $!\n";

sub tell_count
{
	sysseek($count, 0, 0);
	syswrite($count, sprintf("%020d\n", $bytes));
	return;
}

sub hang_up
{
	my ($socket) = @_;
	foreach my $end ($socket, delete $peer{$socket})
	{
		$select->remove($end);
		delete $peer{$end};
		close($end);
	}
	return;
}

sub pass_on
{
	my ($from) = @_;
	my $to = $peer{$from};
	my $size = sysread($from, my $data, 262144);
	my $done = 0;

	return hang_up($from) unless $size;
	while ($done < $size)
	{
		my $written = syswrite($to, $data, $size - $done, $done);
		return hang_up($from) unless defined $written;
		$done += $written;
	}
	$bytes += $size;
	return tell_count();
}

tell_count();
while (my @ready = $select->can_read)
{
	foreach my $socket (@ready)
	{
		if ($socket == $listener)
		{
			my $client = $listener->accept or next;
			my $other = IO::Socket::UNIX->new(Peer => $server);
			if (!$other)
			{
				close($client);
				next;
			}
			@peer{ $client, $other } = ($other, $client);
			$select->add($client, $other);
		}
		elsif ($peer{$socket})
		{
			pass_on($socket);
		}
	}
}

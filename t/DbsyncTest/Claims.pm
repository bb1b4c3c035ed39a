# A server that says of itself what a test wants, lets everybody in, and does nothing else: it is
# asked for nothing, or the test fails.  Usage: DbsyncTest::Claims->new($node, server_version => '11.22').
package DbsyncTest::Claims;

use strict;
use warnings;

use parent -norequire, 'DbsyncTest::Wire';

use DbsyncTest::Hostile;
use DbsyncTest::Wire;
use PostgreSQL::Test::Utils;

my %claims;

sub new
{
	my ($class, $node, %parameters) = @_;

	%claims = (client_encoding => 'UTF8', %parameters);
	return $class->SUPER::new($node);
}

sub read_all
{
	my ($socket, $size) = @_;
	my $data = '';

	while (length($data) < $size)
	{
		sysread($socket, $data, $size - length($data), length($data)) or return undef;
	}
	return $data;
}

# what comes before a session: requests for encryption, which there is none of, then the login
sub let_in
{
	my ($client) = @_;

	while (defined(my $head = read_all($client, 8)))
	{
		my ($length, $code) = unpack('NN', $head);

		if ($code == 196608)
		{
			read_all($client, $length - 8);
			return DbsyncTest::Wire::write_all($client,
				DbsyncTest::Hostile::message('R', pack('N', 0))
				  . join('', map { DbsyncTest::Hostile::message('S', "$_\0$claims{$_}\0") } sort keys %claims)
				  . DbsyncTest::Hostile::message('K', pack('NN', 7, 7))
				  . DbsyncTest::Hostile::message('Z', 'I'));
		}
		DbsyncTest::Wire::write_all($client, 'N') or return 0;
	}
	return 0;
}

# The child's loop: one session after the other.  X is the client's farewell.
sub serve
{
	my ($listener, undef, undef, $file) = @_;

	while (my $client = $listener->accept)
	{
		append_to_file($file, "let in\n") if let_in($client);
		my $type = read_all($client, 1);
		append_to_file($file, "asked $type\n") if defined $type && $type ne 'X';
		close($client);
	}
	return;
}

1;

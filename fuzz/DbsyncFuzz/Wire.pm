# A wire on which the target's answers are changed.
#
# Listens on a Unix socket and passes what comes to a server's.  Of each connection some
# messages of the server, chosen by the seed, arrive changed, twice, too late, or not at all.
# A process of its own; what it has changed is one line each in a file.
package DbsyncFuzz::Wire;

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use POSIX ();

use DbsyncFuzz::Values qw(below one_of chance mutated mutated_bytes);

# Usage: new(listen => socket's path, server => socket's path, log => file)
sub new
{
	my ($class, %options) = @_;
	my $self = bless {%options}, $class;
	my $listener;

	unlink($self->{listen});
	$listener = IO::Socket::UNIX->new(Local => $self->{listen}, Listen => 20)
	  or die "cannot listen on $self->{listen}: $!";
	pipe(my $orders, $self->{orders}) or die "no pipe: $!";
	pipe($self->{done}, my $done) or die "no pipe: $!";
	$self->{orders}->autoflush(1);
	$self->{pid} = fork() // die "no process: $!";
	if ($self->{pid} == 0)
	{
		# who asks is the only one who holds the other ends: it ends with him
		CORE::close($self->{$_}) foreach qw(orders done);
		$done->autoflush(1);
		$SIG{PIPE} = 'IGNORE';
		$self->serve($listener, $orders, $done);
		POSIX::_exit(0);
	}
	CORE::close($_) foreach $listener, $orders, $done;
	return $self;
}

sub close
{
	my ($self) = @_;

	kill('KILL', $self->{pid});
	waitpid($self->{pid}, 0);
	return;
}

# From now on, for connections to come: lie with this seed; 0: pass all as it is.
sub lie
{
	my ($self, $seed) = @_;
	my $answer;

	print { $self->{orders} } "$seed\n";
	sysread($self->{done}, $answer, 1);
	return;
}

sub serve
{
	my ($self, $listener, $orders, $done) = @_;
	my $select = IO::Select->new($listener, $orders);
	my %wires;

	for (;;)
	{
		foreach my $ready ($select->can_read())
		{
			# its other end was cut a moment ago
			next unless defined fileno($ready);
			if ($ready == $listener)
			{
				my $client = $listener->accept() or next;
				my $server = IO::Socket::UNIX->new(Peer => $self->{server}) or next;
				my $wire = { client => $client, server => $server, n => 0, held => '' };

				$wire->{lies} = { map { below(one_of(20, 60, 200)) => 1 } 0 .. below(3) } if $self->{seed};
				$wires{ fileno($_) } = $wire foreach $client, $server;
				$select->add($client, $server);
			}
			elsif ($ready == $orders)
			{
				my $order;

				# who asked has gone
				POSIX::_exit(0) unless sysread($orders, $order, 100);
				($self->{seed}) = $order =~ /(\d+)\s*$/;
				srand($self->{seed});
				syswrite($done, '.');
			}
			elsif (my $wire = $wires{ fileno($ready) })
			{
				next if $self->pass($wire, $ready);
				foreach my $end (@$wire{qw(client server)})
				{
					$select->remove($end);
					delete $wires{ fileno($end) };
				}
				CORE::close($_) foreach @$wire{qw(client server)};
			}
		}
	}
}

# Pass on what is there.  False: this wire is cut.
sub pass
{
	my ($self, $wire, $from) = @_;
	my $bytes;

	return 0 unless sysread($from, $bytes, 65536);
	return all_written($wire->{server}, $bytes) if $from == $wire->{client};
	return all_written($wire->{client}, $bytes) unless $wire->{lies};
	$wire->{held} .= $bytes;
	while (length($wire->{held}) >= 5)
	{
		my ($type, $length) = unpack('aN', $wire->{held});
		my $message;

		last if length($wire->{held}) < $length + 1;
		$message = substr($wire->{held}, 0, $length + 1, '');
		if ($wire->{lies}{ $wire->{n}++ })
		{
			my $told = told_wrongly($message, $wire);

			$self->note($wire->{n}, $message, $told);
			return 0 unless defined $told;
			$message = $told;
		}
		return 0 unless all_written($wire->{client}, $message);
	}
	return 1;
}

sub all_written
{
	my ($to, $bytes) = @_;

	while (length($bytes) > 0)
	{
		my $n = syswrite($to, $bytes) or return 0;
		substr($bytes, 0, $n) = '';
	}
	return 1;
}

sub note
{
	my ($self, $n, $before, $after) = @_;
	my $shown = sub { join '', map { /[ -~]/ ? $_ : sprintf('\\x%02x', ord($_)) } split //, substr($_[0], 0, 200) };

	open(my $log, '>>', $self->{log}) or return;
	printf $log "seed %s, message %d: %s  =>  %s\n", $self->{seed}, $n, $shown->($before),
	  defined $after ? $shown->($after) : 'cut';
	CORE::close($log);
	return;
}

sub message { return $_[0] . pack('N', length($_[1]) + 4) . $_[1]; }

# Fields of a row: undef is null.
sub row_of
{
	return message('D', pack('n', scalar @_) . join '', map { defined $_ ? pack('N', length($_)) . $_ : pack('N', 0xffffffff) } @_);
}

sub fields_of
{
	my ($body) = @_;
	my ($n) = unpack('n', $body);
	my $at = 2;
	my @fields;

	foreach (1 .. $n)
	{
		my $length = unpack('N', substr($body, $at, 4));

		push @fields, $length == 0xffffffff ? undef : substr($body, $at + 4, $length);
		$at += 4 + ($length == 0xffffffff ? 0 : $length);
	}
	return @fields;
}

# A row of which one field, or their number, is not what it should be.
sub wrong_row
{
	my ($body) = @_;
	my @fields = fields_of($body);
	my $at = below(scalar @fields || 1);
	my $what = below(5);

	return row_of(map { undef } @fields) if $what == 0;
	return row_of(@fields[ 0 .. $#fields - 1 ]) if $what == 1 && @fields;
	return row_of(@fields, 'x') if $what == 2;
	$fields[$at] = $what == 3 ? undef : mutated($fields[$at] // '');
	return row_of(@fields);
}

# An error with some fields only, in bytes that are no text.
sub wrong_error
{
	my @fields = ("SERROR", "VERROR", "C" . one_of('XX001', '22P02', '40001', '57P01', '23505', '', '1234567'),
		"M" . one_of('', "\xff\xfe", 'x' x 100_000, 'dbsync: the ledger has moved'), "D\xc3", "Hhint", "Wcontext");

	return message('E', join('', map { chance(0.7) ? "$_\0" : () } @fields) . "\0");
}

# What arrives instead of a message; undef: the wire is cut.
sub told_wrongly
{
	my ($message, $wire) = @_;
	my $type = substr($message, 0, 1);
	my $body = substr($message, 5);
	my $what = below(14);

	return wrong_row($body) if $type eq 'D' && $what < 7;
	return $message . wrong_row($body) if $type eq 'D' && $what == 7;
	return message($type, mutated_bytes($body)) if $what < 3;
	return message(one_of(split //, 'TDCZ123nsEGHWEtNAKSRdcIv'), $body) if $what == 3;
	return '' if $what == 4;
	return $message . $message if $what == 5;
	return $message x one_of(2, 50, 2000) if $what == 6;
	return wrong_error() if $what == 7 || $what == 8;
	return $message . message(one_of('G', 'H', 'W'), pack('Cn', one_of(0, 1, 255), one_of(0, 1, 65535))) if $what == 9;
	return message('T', pack('n', 1) . "x\0" . pack('NnNnNn', 0, 0, 25, 65535, 0, 0)) . row_of('x') . $message if $what == 10;
	return $type . pack('N', one_of(0, 3, 4, 5, 65536, 0x7fffffff, 0xffffffff)) . $body if $what == 11;
	return undef if $what == 12;
	return message(one_of('N', 'A', 'S'), one_of('', "x\0y\0", "SNOTICE\0M\xff\0\0", "server_version\0" . "x\0", pack('N', 1) . "a\0b\0")) . $message;
}

1;

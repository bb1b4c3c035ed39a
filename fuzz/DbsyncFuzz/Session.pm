# A psql that one statement after the other is given to.
package DbsyncFuzz::Session;

use strict;
use warnings;

use IO::Select;
use IPC::Open3 ();
use Time::HiRes qw(time);

sub new
{
	my ($class, %options) = @_;
	my $self = bless { options => \%options, n => 0 }, $class;

	$self->open();
	return $self;
}

sub open
{
	my ($self) = @_;
	my $options = $self->{options};

	# errors go where answers go, with SQLSTATE and place
	$self->{pid} = IPC::Open3::open3($self->{in}, $self->{out}, undef,
		$options->{psql}, '-XAtq', '-v', 'VERBOSITY=verbose',
		'-h', $options->{host}, '-p', $options->{port}, '-U', 'postgres', '-d', $options->{database});
	$self->{in}->autoflush(1);
	binmode($self->{$_}) foreach qw(in out);
	return;
}

sub close
{
	my ($self) = @_;

	return unless $self->{pid};
	CORE::close($self->{in});
	CORE::close($self->{out});
	kill('KILL', $self->{pid});
	waitpid($self->{pid}, 0);
	$self->{pid} = undef;
	return;
}

# What the server says to a statement, errors included.  undef: the connection is lost, or
# nothing has come for so many seconds; why() tells.  The session is new then.  (psql ends with
# its connection.)
sub ask
{
	my ($self, $sql, $timeout) = @_;
	my $marker = sprintf('-- answered %d --', ++$self->{n});
	my $deadline = time() + ($timeout // 60);
	my $select = IO::Select->new($self->{out});
	my $answer = '';

	local $SIG{PIPE} = 'IGNORE';
	print { $self->{in} } "$sql\n;\n\\echo '$marker'\n";
	while (index($answer, "$marker\n") < 0)
	{
		my $left = $deadline - time();
		my $got = $left > 0 && $select->can_read($left)
		  ? sysread($self->{out}, $answer, 65536, length($answer)) : undef;

		next if $got;
		$self->{why} = defined $got ? 'the connection was lost' : "no answer for $timeout seconds";
		$self->close();
		$self->open();
		return undef;
	}
	substr($answer, index($answer, $marker)) = '';
	chomp($answer);
	return $answer;
}

sub why { return $_[0]{why}; }

1;

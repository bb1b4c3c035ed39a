# A target that answers wrongly.  It is a wire in front of a real server: what the
# client asks is passed on, so every step of a session is reached, and what the
# server answers is passed on too, but for one answer of a session, which is spoiled.
#
# Listens on a TCP port of 127.0.0.1, without TLS.  A plan is a list of pairs: kind of
# spoiling, and which answer of the session (0: the login; then what ends with
# CommandComplete or an error is counted).  Every new session takes the next pair;
# when there is none left, sessions are honest.  A session that survives its spoiled
# answer is cut a few answers later, so that the plan goes on.
#
# A line is written to the file of events for each answer that has been spoiled.
package DbsyncTest::Hostile;

use strict;
use warnings;

use parent -norequire, 'DbsyncTest::Wire';

use DbsyncTest::Wire;
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use PostgreSQL::Test::Utils;

sub message
{
	my ($type, $body) = @_;
	return $type . pack('N', length($body) + 4) . $body;
}

# an error of these fields: S and V are added where there is a message
sub error
{
	my (%fields) = @_;
	%fields = (S => 'ERROR', V => 'ERROR', %fields) if defined $fields{M};
	return message('E', join('', map { "$_$fields{$_}\0" } sort keys %fields) . "\0");
}

# values of a row; undef is NULL
sub values_of
{
	my ($body) = @_;
	my $n = unpack('n', $body);
	my @values;
	my $at = 2;

	foreach (1 .. $n)
	{
		my $length = unpack('N', substr($body, $at, 4));
		$at += 4;
		push @values, $length == 0xFFFFFFFF ? undef : substr($body, $at, $length);
		$at += $length unless $length == 0xFFFFFFFF;
	}
	return @values;
}

sub row
{
	my (@values) = @_;
	return message('D', pack('n', scalar @values)
		  . join('', map { defined $_ ? pack('N', length) . $_ : "\xff\xff\xff\xff" } @values));
}

# columns of a row description
sub columns_of
{
	my ($body) = @_;
	my $n = unpack('n', $body);
	my @columns;
	my $at = 2;

	foreach (1 .. $n)
	{
		my $end = index($body, "\0", $at) + 19;
		push @columns, substr($body, $at, $end - $at);
		$at = $end;
	}
	return @columns;
}

sub description
{
	return message('T', pack('n', scalar @_) . join('', @_));
}

my $column = "more\0" . pack('NnNnNn', 0, 0, 25, 0xFFFF, 0xFFFFFFFF, 0);
my $ready = message('Z', 'I');

# Each of these is called for every message of the answer in question, type and body,
# and says what is sent in its place.  What is not named is sent as it is.  "last"
# is called with the message that ends the answer.  CLOSE at the end cuts the wire.
my %of_rows = (
	zero_rows => { D => sub { '' } },
	three_rows => { D => sub { row(values_of($_[0])) x 3 } },
	nulls => { D => sub { row(map { undef } values_of($_[0])) } },
	garbage_values => { D => sub { row(map { "\xff\xfe'%s" } values_of($_[0])) } },
	zero_bytes => { D => sub { row(map { "t\0" . ($_ // '') } values_of($_[0])) } },
	long_values => { D => sub { row(map { '9' x 100_000 } values_of($_[0])) } },
	empty_values => { D => sub { row(map { '' } values_of($_[0])) } },
	fewer_columns => {
		T => sub { my @c = columns_of($_[0]); pop @c; description(@c) },
		D => sub { my @v = values_of($_[0]); pop @v; row(@v) } },
	more_columns => {
		T => sub { description(columns_of($_[0]), $column) },
		D => sub { row(values_of($_[0]), 'more') } },
	row_of_other_width => { D => sub { row(values_of($_[0]), 'more') } },
	many_columns => { T => sub { description(columns_of($_[0]), ($column) x 1600) } },
	binary => {
		T => sub { description(map { substr($_, 0, -2) . "\0\x01" } columns_of($_[0])) } },
	no_data => { T => sub { message('n', '') }, D => sub { '' } },
	second_description => { T => sub { message('T', $_[0]) x 2 } },
	row_without_description => { T => sub { '' } },
);
my %of_all = (
	two_results => { last => sub { description($column) . row('x') . "$_[0]$_[0]" } },
	copy_in => { last => sub { message('G', "\0\0\0") } },
	copy_out => { last => sub { message('H', "\0\0\0") } },
	copy_both => { last => sub { message('W', "\0\0\0") } },
	copy_data => { last => sub { message('d', "1\t2\n") . message('c', '') . $_[0] } },
	empty_query => { last => sub { message('I', '') } },
	suspended => { last => sub { message('s', '') } },
	early_ready => { last => sub { $ready . $_[0] } },
	strange_tag => { last => sub { message('C', "INSERT 0 -7\0") } },
	no_tag => { last => sub { message('C', "\0") } },
	other_tag => { last => sub { message('C', "MOVE 3\0") } },
	empty_error => { last => sub { message('E', "\0") } },
	error_without_message => { last => sub { error(S => 'ERROR', V => 'ERROR', C => '22P02') } },
	error_without_code => { last => sub { error(M => 'nothing') } },
	error_of_bad_code => { last => sub { error(M => 'odd', C => '12') } },
	error_of_odd_code => { last => sub { error(M => 'odd', C => "\x80\x81-!\x01") } },
	error_of_success => { last => sub { error(M => 'odd', C => '00000') } },
	error_of_bad_bytes => { last => sub {
		error(M => "\xff\xfe\xc3", D => "\xf0\x9f", H => "\xed\xa0\x80", W => "\x80", C => '42501') } },
	error_long => { last => sub { error(M => 'long ' x 200_000, D => 'x' x 500_000, C => 'XX000') } },
	error_formats => { last => sub { error(M => '%s%n%99999d', D => '%s', H => '%n', C => 'XX000') } },
	fatal => { last => sub { error(S => 'FATAL', V => 'FATAL', C => '57P01', M => 'go away') . 'CLOSE' } },
	fatal_and_on => { last => sub { error(S => 'FATAL', V => 'FATAL', C => '57P01', M => 'go away') } },
	unique_clash => { last => sub { error(C => '23505', M => 'duplicate key') } },
	half => { last => sub { substr($_[0], 0, 3) . 'CLOSE' } },
	close => { last => sub { 'CLOSE' } },
	garbage => { last => sub { join('', map { chr(int(rand(256))) } 1 .. 300) . 'CLOSE' } },
	negative_length => { last => sub { "D\xff\xff\xff\xf0" . 'x' x 100 } },
	huge_length => { last => sub { "D\x7f\xff\xff\xff" . 'x' x 100 . 'CLOSE' } },
	short_length => { last => sub { "C\0\0\0\x01" } },
	login_again => { last => sub { message('R', pack('N', 3)) . $_[0] } },
	key_again => { last => sub { message('K', 'x' x 8) . $_[0] } },
	function_result => { last => sub { message('V', pack('N', 4) . 'xxxx') . $_[0] } },
	parse_again => { last => sub { message('1', '') . message('2', '') . $_[0] } },
	talk => { last => sub {
		(error(M => 'notice', C => '01000') =~ s/^E/N/r) x 200
		  . message('A', pack('N', 1) . "c\0p\0") x 200
		  . message('S', "x\0y\0") x 200 . $_[0] } },
	encoding => { last => sub { message('S', "client_encoding\0WIN1252\0") . $_[0] } },
	version => { last => sub { message('S', "server_version\0nonsense\0") . $_[0] } },
);
# these take long, or much: some MB that have no end, and silence
my %slow = (
	endless_rows => { last => sub { 'ENDLESS' . row('x' x 60_000) } },
	endless_notices => { last => sub { 'ENDLESS' . (error(M => 'n' x 20_000, C => '01000') =~ s/^E/N/r) } },
	endless_parameters => { last => sub { 'ENDLESS' . message('S', 'p' x 10_000 . "\0v\0") } },
	endless_error => { last => sub { 'ENDLESS' . "E\x3f\xff\xff\xff" . 'SERROR' . "\0C42501\0M" . 'x' x 100_000 } },
	silence => { last => sub { 'SILENCE' } },
	half_and_silence => { last => sub { substr($_[0], 0, 4) . 'SILENCE' } },
	no_complete => { last => sub { '' } },
	no_ready => { last => sub { "$_[0]SILENCE" } },
);
my %login = (
	garbage => 'x' x 3000, close => '', half => "R\0\0", odd_request => message('R', pack('N', 77)),
	no_mechanism => message('R', pack('N', 10) . "\0"), odd_mechanism => message('R', pack('N', 10) . "X\0\0"),
	long_request => message('R', pack('N', 5) . 'x' x 20_000),
	negative_length => "R\xff\xff\xff\x00", huge_length => "E\x7f\xff\xff\xff" . 'x' x 100,
	error_of_bad_bytes => error(S => 'FATAL', V => 'FATAL', C => '28000', M => "\xff\xfe\xc3"),
	empty_error => message('E', "\0"), error_long => error(M => 'y' x 900_000, C => '28000'),
	old_error => "Eold protocol \xff\0", no_key => message('R', pack('N', 0)) . $ready,
	nothing_known => message('R', pack('N', 0)) . message('K', "\0" x 8) . $ready,
	odd_version => message('R', pack('N', 0)) . message('S', "server_version\0" . 'z' x 9000 . "\0")
	  . message('K', "\0" x 8) . $ready,
	in_a_transaction => message('R', pack('N', 0)) . message('S', "server_version\00015.1\0") . message('Z', 'E'),
	endless_parameters => message('R', pack('N', 0)) . join('', map { message('S', "p$_\0" . 'v' x 900 . "\0") } 1 .. 3000),
	notices => message('R', pack('N', 0)) . (error(M => 'n' x 20_000, C => '01000') =~ s/^E/N/r) x 100,
);

sub kinds_of_rows { return sort keys %of_rows; }
sub kinds_of_all { return sort keys %of_all; }
sub slow_kinds { return sort keys %slow; }
sub kinds_of_login { return sort keys %login; }

# Usage: plan([kind, answer], ...).  Without any: honest from now on.
sub plan
{
	my ($self, @pairs) = @_;
	return $self->order('plan', map { "$_->[0]:$_->[1]" } @pairs);
}

# The child's loop.
sub serve
{
	my ($listener, $orders, $path, $file) = @_;
	my $state = {
		select => IO::Select->new($listener, $orders), sessions => {},
		plan => [], told => 1, file => $file, unread => '' };

	while (1)
	{
		foreach my $ready ($state->{select}->can_read)
		{
			my $session = $state->{sessions}{$ready};

			if ($ready == $listener) { admit($state, $listener, $path); }
			elsif ($ready == $orders) { obey($state, $orders); }
			elsif (!$session) { next; }
			elsif ($ready == $session->{client}) { pass_on($state, $session); }
			else { answer($state, $session); }
		}
	}
}

sub say_event
{
	my ($state, $event) = @_;
	append_to_file($state->{file}, "$event\n");
	return;
}

sub obey
{
	my ($state, $orders) = @_;
	# the parent is gone
	POSIX::_exit(0) unless sysread($orders, my $text, 1_000_000);
	$state->{unread} .= $text;
	while ($state->{unread} =~ s/^([^\n]*)\n//)
	{
		my (undef, @pairs) = split / /, $1;
		$state->{plan} = [ map { [ split /:/ ] } @pairs ];
		$state->{told} = 0;
		# what is connected is of the plan before
		my %connected = map { $_->{client} => $_ } values %{ $state->{sessions} };
		end($state, $_) foreach values %connected;
	}
	return;
}

sub admit
{
	my ($state, $listener, $path) = @_;
	my $client = $listener->accept or return;
	my $server = IO::Socket::UNIX->new(Peer => $path);
	my $pair = shift @{ $state->{plan} };

	if (!$pair && !$state->{told})
	{
		say_event($state, 'done');
		$state->{told} = 1;
	}
	return close($client) unless $server;
	my $session = { client => $client, server => $server, buffer => '', answers => 0 };
	@$session{qw(kind at)} = @$pair if $pair;
	$state->{sessions}{$client} = $state->{sessions}{$server} = $session;
	$state->{select}->add($client, $server);
	return;
}

sub end
{
	my ($state, $session) = @_;
	foreach my $socket (grep { defined } @$session{qw(client server)})
	{
		$state->{select}->remove($socket);
		delete $state->{sessions}{$socket};
		close($socket);
	}
	return;
}

sub pass_on
{
	my ($state, $session) = @_;
	my $size = sysread($session->{client}, my $data, 65536);

	return end($state, $session) unless $size;
	return if $session->{silent};
	if (defined $session->{at} && $session->{at} == 0 && !$session->{fired})
	{
		$session->{fired} = 1;
		say_event($state, "spoiled $session->{kind} 0");
		DbsyncTest::Wire::write_all($session->{client}, $login{ $session->{kind} });
		# what else there is to be said may be waited for, or not
		return end($state, $session) unless $session->{kind} =~ /^huge|^half/;
		$session->{silent} = 1;
		return;
	}
	return DbsyncTest::Wire::write_all($session->{server}, $data) ? undef : end($state, $session);
}

sub answer
{
	my ($state, $session) = @_;
	my $size = sysread($session->{server}, my $data, 65536);

	return end($state, $session) unless $size;
	return if $session->{silent};
	$session->{buffer} .= $data;
	my $out = '';
	while (length($session->{buffer}) >= 5)
	{
		my ($type, $length) = unpack('aN', $session->{buffer});
		last if length($session->{buffer}) < $length + 1;
		my $whole = substr($session->{buffer}, 0, $length + 1, '');
		my $sent = spoil($state, $session, $type, substr($whole, 5), $whole);

		if ($sent =~ /^ENDLESS(.*)/s) { return go_on_for_ever($state, $session, "$out$1"); }
		if ($sent =~ s/SILENCE$//)
		{
			$session->{silent} = 1;
			return DbsyncTest::Wire::write_all($session->{client}, $out . $sent);
		}
		if ($sent =~ s/CLOSE$//)
		{
			DbsyncTest::Wire::write_all($session->{client}, $out . $sent);
			return end($state, $session);
		}
		$out .= $sent;
	}
	return end($state, $session) unless DbsyncTest::Wire::write_all($session->{client}, $out);
	return;
}

# What is sent in place of this message.
sub spoil
{
	my ($state, $session, $type, $body, $whole) = @_;
	my $is_last = $type eq 'C' || ($type eq 'E' && $session->{answers} > 0);
	my $kind = $session->{kind};
	my $sent = $whole;

	$session->{answers}++ if $is_last;
	return $whole unless defined $kind;
	if ($session->{fired})
	{
		# it has survived
		return $session->{fired}++ > 40 || ($is_last && $session->{answers} > $session->{at} + 3)
		  ? "${whole}CLOSE" : $whole;
	}
	my $now = $session->{answers} + ($is_last ? 0 : 1);
	return $whole if $now != $session->{at};
	my $how = $of_rows{$kind} // $of_all{$kind} // $slow{$kind};
	if ($how->{$type} && !$is_last) { $sent = $how->{$type}->($body); }
	if ($is_last)
	{
		$sent = $how->{last}->($whole) if $how->{last};
		$session->{fired} = 1;
		say_event($state, "spoiled $kind $now");
	}
	return $sent;
}

# The same again and again, until the client has had enough, or after half a GB.
sub go_on_for_ever
{
	my ($state, $session, $piece) = @_;
	my ($again) = $piece =~ /(E\x3f\xff\xff\xff)/ ? 'x' x 100_000 : $piece;
	my $sent = length($piece);

	DbsyncTest::Wire::write_all($session->{client}, $piece) or return end($state, $session);
	while ($sent < 500_000_000)
	{
		DbsyncTest::Wire::write_all($session->{client}, $again) or last;
		$sent += length($again);
	}
	say_event($state, "sent $sent");
	return end($state, $session);
}

1;

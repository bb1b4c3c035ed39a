# A source that writes bundles, a gateway that moves files, and a server that receives them: the pair of
# DbsyncTest with a file target "gate", and a receiver "in" at the other end, which plays to that very database.
package DbsyncTest::Receiving;

use strict;
use warnings;

use parent -norequire, 'DbsyncTest';

use DbsyncTest qw(ask becomes_true poll_until quoted uri_of);
use File::Basename qw(basename);
use File::Copy qw(copy);
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $database = 'postgres';

# Options: those of DbsyncTest; gate (options of the file target, as query of its URI), receiver (arguments of create_receiver()
# as SQL text, by name), no_receiver, target_uri (as whom the receiver plays).
sub new
{
	my ($class, %options) = @_;
	my ($gate, $receiver, $none, $uri) = delete @options{qw(gate receiver no_receiver target_uri)};
	my $target_conf = "shared_preload_libraries = 'dbsync'\n" . ($options{target_conf} // '');
	my $self = DbsyncTest::new($class, %options, target_conf => $target_conf);

	$self->{out_root} = PostgreSQL::Test::Utils::tempdir_short() . '/out';
	$self->{in_root} = PostgreSQL::Test::Utils::tempdir_short() . '/in';
	$self->create_target('gate', "file://$self->{out_root}" . ($gate ? "?$gate" : ''));
	$self->target_sql('CREATE EXTENSION dbsync');
	$uri = $uri->($self) if ref $uri;
	$self->target_sql(sprintf("SELECT dbsync.create_target('here', %s)", quoted($uri // uri_of($self->target))));
	$self->create_receiver('in', %{ $receiver // {} }) unless $none;
	return $self;
}

sub public_key { return $_[0]->sql("SELECT dbsync.public_key('gate')"); }

sub create_receiver
{
	my ($self, $name, %arguments) = @_;
	my $root = delete $arguments{root} // $self->{in_root};

	$arguments{policy} //= "'interval 50 ms'";
	$self->target_sql(sprintf("SELECT dbsync.create_receiver(%s, %s, 'here', ARRAY[%s]%s)",
		quoted($name), quoted("file://$root"), quoted($self->public_key),
		DbsyncTest::named_arguments(%arguments)));
	return;
}

sub out { return "$_[0]{out_root}/out"; }
sub inbox { return "$_[0]{in_root}/in"; }

sub files_of
{
	my ($folder) = @_;
	opendir(my $handle, $folder) or return;
	my @names = sort grep { !/^\./ } readdir($handle);
	closedir($handle);
	return map { "$folder/$_" } @names;
}

sub outgoing { return files_of($_[0]->out); }

# Put a file into the inbox at once, under this name. One that its sender has taken out of the outbox meanwhile, because another chain began, does not go; nothing
# is returned then.
sub put
{
	my ($self, $file, $name) = @_;
	my $there = $self->inbox . '/' . ($name // basename($file));

	mkdir $self->{in_root};
	mkdir $self->inbox;
	unless (copy($file, $self->inbox . '/.tmp'))
	{
		my $why = $!;
		return unless -e $file;
		die "copy $file: $why";
	}
	rename($self->inbox . '/.tmp', $there) or die "rename: $!";
	return $there;
}

# The gateway: all that is out goes in.
sub carry
{
	my ($self) = @_;
	my @files = $self->outgoing;

	foreach my $file (@files)
	{
		$self->put($file);
		unlink $file;
	}
	return scalar @files;
}

# One round; returns what receive_once() says, and its error.
sub receive
{
	my ($self, $name) = @_;
	my ($status, $answer, $error) =
	  $self->target->psql($database, sprintf('SELECT dbsync.receive_once(%s)', quoted($name // 'in')));

	return wantarray ? ($answer, $error) : $answer;
}

sub start_receiver { my ($self, $name) = @_; $self->target_sql(sprintf('SELECT dbsync.start_receiver(%s)', quoted($name // 'in'))); return; }
sub stop_receiver { my ($self, $name) = @_; $self->target_sql(sprintf('SELECT dbsync.stop_receiver(%s)', quoted($name // 'in'))); return; }

# What is said of it, by column.
sub receiver
{
	my ($self, $name) = @_;
	my $row = ask($self->target, 'SELECT to_json(r) FROM dbsync.receivers r WHERE receiver = ' . quoted($name // 'in'));

	return defined $row && $row ne '' ? JSON::PP::decode_json($row) : {};
}

sub receiver_becomes
{
	my ($self, $condition, $test, $name) = @_;
	my $reached = ok(becomes_true($self->target, sprintf(
		'SELECT coalesce(bool_and(%s), false) FROM dbsync.receivers WHERE receiver = %s', "($condition)", quoted($name // 'in'))),
		$test // $condition);

	diag(ask($self->target, 'SELECT to_json(r) FROM dbsync.receivers r') // '') unless $reached;
	return $reached;
}

# All that is committed at the source is in the outbox, and goes over; then the receiver, which is started, plays it.
sub travels
{
	my ($self, $subscription, $test) = @_;

	$self->arrives($subscription, ($test // $subscription) . ': is out') or return 0;
	return $self->reaches_newest($subscription, $test);
}

sub reaches_newest
{
	my ($self, $subscription, $test) = @_;
	my ($chain, $number) = split /\|/,
	  $self->sql("SELECT chain, number FROM dbsync.bundles('$subscription') ORDER BY chain DESC, number DESC LIMIT 1");
	my $reached = ok(poll_until(
		sub {
			# there may be more by then
			$self->carry;
			return (ask($self->target, "SELECT (chain, number) >= ($chain, $number) FROM dbsync.receivers WHERE receiver = 'in'") // '') eq 't';
		},
		"bundle $number of chain $chain"), ($test // $subscription) . ': is played');

	diag(ask($self->target, 'SELECT to_json(r) FROM dbsync.receivers r') // '') unless $reached;
	return $reached;
}

1;

# Databases of one server that feed each other over links, some live and some by files.  A link is {from, to, by: "live" or
# "files", copy: with a first copy}; its subscription is "<from>_<to>", and what it plays files with at the other end "from_<from>".
# Nothing runs unless it is started: who tests says when a link sends, when the gateway carries, and when files are played.
package DbsyncTest::Links;

use strict;
use warnings;

use DbsyncTest::Server qw(ask poll_until uri_of);
use File::Copy qw(copy);
use PostgreSQL::Test::Utils;
use Test::More;

# make: SQL that each database begins with.
sub new
{
	my ($class, $node, $make, @databases) = @_;
	my $self = bless { node => $node, databases => \@databases, root => PostgreSQL::Test::Utils::tempdir_short(), graph => 0 }, $class;

	foreach my $database (@databases)
	{
		$node->safe_psql('postgres', "CREATE DATABASE $database");
		$self->sql($database, "CREATE EXTENSION dbsync; $make");
		$self->sql($database, "SELECT dbsync.create_target('gate', 'file://$self->{root}/$database')");
		$self->sql($database, "SELECT dbsync.create_target('$_', '" . uri_of($node, database => $_) . "')") foreach @databases;
	}
	return $self;
}

sub sql { my ($self, $database, $sql) = @_; return $self->{node}->safe_psql($database, $sql); }
sub links { return @{ $_[0]{links} }; }
sub from { my ($self, $database) = @_; return grep { $_->{from} eq $database } $self->links; }
sub name_of { return "$_[0]{from}_$_[0]{to}"; }
sub by_files { return $_[0]{by} eq 'files'; }

# One after the other, each until it rests: what a first copy brings is there before the next link is made.
sub connect_all
{
	my ($self, @links) = @_;

	$self->{graph}++;
	$self->{links} = \@links;
	foreach my $link (@links)
	{
		my ($name, $copy) = (name_of($link), $link->{copy} ? 'true' : 'false');
		my $target = by_files($link) ? 'gate' : $link->{to};

		if (by_files($link))
		{
			my $key = $self->sql($link->{from}, "SELECT dbsync.public_key('gate')");
			$link->{in} = "$self->{root}/$self->{graph}_$name";
			$self->sql($link->{to}, "SELECT dbsync.create_receiver('from_$link->{from}', 'file://$link->{in}', '$link->{to}', ARRAY['$key'], policy => 'interval 50 ms')");
			mkdir $_ foreach $link->{in}, "$link->{in}/in";
		}
		$self->sql($link->{from}, "SELECT dbsync.create_subscription('$name', '$target', tables => ARRAY['public.item'], copy_data => $copy)");
		$self->comes_to_rest("$name is made", $link);
	}
	return;
}

sub disconnect_all
{
	my ($self) = @_;

	$self->sql($_->{from}, "SELECT dbsync.drop_subscription('" . name_of($_) . "')") foreach $self->links;
	$self->sql($_->{to}, "SELECT dbsync.drop_receiver('from_$_->{from}')") foreach grep { by_files($_) } $self->links;
	$self->{links} = [];
	return;
}

# --- by hand

sub asked
{
	my ($self, $database, $call) = @_;
	my ($status, $answer, $error) = $self->{node}->psql($database, "SELECT $call");

	is($error, '', "$database: $call") if $status != 0;
	return $answer || 0;
}

# How many rows the link sends.
sub send_over { my ($self, $link) = @_; return $self->asked($link->{from}, "dbsync.run_once('" . name_of($link) . "')"); }

# How many files the gateway carries; each twice, if it is a bad one.
sub carry
{
	my ($self, $link, $twice) = @_;
	my $name = name_of($link);
	my $n = 0;

	return 0 unless by_files($link);
	foreach my $file (sort glob("$self->{root}/$link->{from}/out/$name-*.tar"))
	{
		my ($tail) = $file =~ m{([^/]+)$};
		if ($twice)
		{
			copy($file, "$link->{in}/in/.tmp") or die "$file: $!";
			rename("$link->{in}/in/.tmp", "$link->{in}/in/twin-$tail") or die $!;
		}
		rename($file, "$link->{in}/in/$tail") or die "$file: $!";
		$n++;
	}
	$link->{carried} += $n;
	return $n;
}

# How many batches are played of what was carried.
sub play
{
	my ($self, $link) = @_;

	return by_files($link) && $link->{carried} ? $self->asked($link->{to}, "dbsync.receive_once('from_$link->{from}')") : 0;
}

# All of it, once: rows that were sent, and batches that were played.  Files are not counted: each session that sends puts the newest into out again.
sub go
{
	my ($self, @links) = @_;
	my ($rows, $batches) = (0, 0);

	foreach my $link (@links)
	{
		$rows += $self->send_over($link);
		$self->carry($link);
		$batches += $self->play($link);
	}
	return ($rows, $batches);
}

# Tests that after some rounds nothing is sent or played any more; returns how many rows were sent until then.
sub comes_to_rest
{
	my ($self, $test, @links) = @_;
	my $sent = 0;

	@links = $self->links unless @links;
	foreach my $round (1 .. 15)
	{
		my ($rows, $batches) = $self->go(@links);

		return $sent if $rows + $batches == 0;
		$sent += $rows;
	}
	fail("$test: it comes to rest");
	return $sent;
}

# --- by workers

sub start_all
{
	my ($self) = @_;
	foreach my $link ($self->links)
	{
		$self->sql($link->{to}, "SELECT dbsync.start_receiver('from_$link->{from}')") if by_files($link);
		$self->sql($link->{from}, "SELECT dbsync.start_subscription('" . name_of($link) . "')");
	}
	return;
}

sub stop_all
{
	my ($self) = @_;
	foreach my $link ($self->links)
	{
		$self->sql($link->{from}, "SELECT dbsync.stop_subscription('" . name_of($link) . "')");
		$self->sql($link->{to}, "SELECT dbsync.stop_receiver('from_$link->{from}')") if by_files($link);
	}
	return;
}

# How far a link is, if all of it is over; undef: it is not.
sub how_far
{
	my ($self, $link) = @_;
	my $name = name_of($link);
	my @said = DbsyncTest::Server::wait_for($self->{node}, $name, $link->{from});

	return undef unless $said[1] eq 't';
	return '' unless by_files($link);
	return undef if $self->carry($link);
	my $newest = ask($self->{node}, "SELECT chain, number FROM dbsync.bundles('$name') ORDER BY chain DESC, number DESC LIMIT 1", $link->{from}) // '';
	my $played = ask($self->{node}, "SELECT chain, number FROM dbsync.receivers WHERE receiver = 'from_$link->{from}'", $link->{to}) // '';
	return $newest =~ /^(\||)$/ || $newest eq $played ? $newest : undef;
}

# Waits until all links are over, and look so twice while nothing has changed in any database: more_of($database) says of that.
sub falls_silent
{
	my ($self, $more_of) = @_;
	my $before = '';

	return poll_until(
		sub {
			my @far = map { $self->how_far($_) } $self->links;
			my $now = join ' ', (map { $_ // return 0 } @far), map { $more_of->($_) } @{ $self->{databases} };
			my $same = $now eq $before;

			$before = $now;
			return $same;
		},
		'silence');
}

1;

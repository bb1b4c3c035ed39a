# A server of another installation than the one that the tests run with: one of those that
# scripts/lib/targets.sh brings, which has initdb, pg_ctl and postgres, and nothing else.  Clients are ours.
package DbsyncTest::Installed;

use strict;
use warnings;

use parent -norequire, 'PostgreSQL::Test::Cluster';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PostgreSQL::Version;

# What was brought: hashes of major, version, path, and reason, why it is not there.
sub brought
{
	my $folder = $ENV{DBSYNC_TEST_TARGETS}
	  or die 'these tests are run by "scripts/check targets", which brings the servers';

	return map {
		my ($major, $version, $reason) = split /\t/;
		{ major => $major, version => $version, path => "$folder/$major", reason => $reason }
	} split /\n/, slurp_file("$folder/list");
}

# the version is asked of pg_config, of which there is none
sub _set_pg_version
{
	my ($self) = @_;
	my ($version) = qx("$self->{_install_path}/bin/postgres" --version) =~ /(\d+(?:\.\d+)*)/
	  or die "no server in $self->{_install_path}";

	$self->{_pg_version} = PostgreSQL::Version->new($version);
	return;
}

# Its programs find their libraries by themselves; ours must not find them.
sub _get_env
{
	my ($self, @changes) = @_;
	my %env = $self->SUPER::_get_env(@changes);

	delete $env{LD_LIBRARY_PATH};
	return %env;
}

sub installed_command
{
	my ($self, $command) = @_;
	my $path = $self->SUPER::installed_command($command);

	return -x $path ? $path : $command;
}

1;

# Modules with functions in C that only tests call, built where they lie.
package DbsyncTest::Module;

use strict;
use warnings;

use Cwd qw(getcwd);
use Exporter qw(import);
use Fcntl qw(LOCK_EX);
use IPC::Run ();

our @EXPORT_OK = qw(build_module);

# The module of folder t/NAME: its path, without the suffix, as CREATE FUNCTION takes it.
sub build_module
{
	my ($name) = @_;
	my $folder = getcwd() . "/t/$name";
	my $log = '';

	# files of tests run side by side, and the first of them build it
	open(my $lock, '>', "$folder/.lock") or die "$folder/.lock: $!";
	flock($lock, LOCK_EX) or die "$folder/.lock: $!";
	IPC::Run::run([ 'make', '-s', '-C', $folder, "PG_CONFIG=$ENV{PG_CONFIG}", 'all' ], '&>', \$log)
	  or die "t/$name does not build:\n$log";
	close($lock);
	return "$folder/dbsync_${name}_test";
}

1;

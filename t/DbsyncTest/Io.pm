# A disk that fails, and processes that die at a place of a test's choosing: t/io/io.c.
package DbsyncTest::Io;

use strict;
use warnings;

use PostgreSQL::Test::Utils;

# To be called before servers are started: the library is built, and loaded by all of them.
sub new
{
	my ($class) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my $library = "$folder/io.so";
	my ($compiler) = split ' ', ($ENV{CC} // 'cc');

	system($compiler, '-shared', '-fPIC', '-O1', '-o', $library, 't/io/io.c') == 0
	  or die "could not build t/io/io.c";
	$ENV{DBSYNC_TEST_IO} = "$folder/rules";
	$ENV{LD_PRELOAD} = $library;
	return bless { rules => "$folder/rules" }, $class;
}

# For programs that are not to be troubled.
sub leave_others_alone
{
	delete $ENV{LD_PRELOAD};
	return;
}

# Lines of rules, from now on.
sub rules
{
	my ($self, @rules) = @_;
	open(my $file, '>', "$self->{rules}.new") or die $!;
	print $file "$_\n" foreach @rules;
	close($file);
	rename("$self->{rules}.new", $self->{rules}) or die $!;
	return;
}

sub no_rules
{
	my ($self) = @_;
	unlink($self->{rules});
	return;
}

# Has the rule been met that kills?
sub has_happened
{
	my ($self) = @_;
	return !-e $self->{rules};
}

1;

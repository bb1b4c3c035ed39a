# A disk that fails, and processes that die at a place of a test's choosing: t/io/io.c.
package DbsyncTest::Io;

use strict;
use warnings;

use PostgreSQL::Test::Utils;

# The library is built.
sub new
{
	my ($class) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir();
	my $library = "$folder/io.so";
	my ($compiler) = split ' ', ($ENV{CC} // 'cc');

	system($compiler, '-shared', '-fPIC', '-O1', '-o', $library, 't/io/io.c') == 0
	  or die "could not build t/io/io.c";
	$ENV{DBSYNC_TEST_IO} = "$folder/rules";
	return bless { rules => "$folder/rules", library => $library }, $class;
}

# Do this, which starts servers: they are in for it, and nobody else is.
sub around
{
	my ($self, $start) = @_;
	local $ENV{LD_PRELOAD} = $self->{library};
	return $start->();
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

# Has the rule been met that kills or stops?
sub has_happened
{
	my ($self) = @_;
	return !-e $self->{rules};
}

1;

# An SQLite file as a target: made, read and locked by SQLite's own client, sqlite3.
package DbsyncTest::Sqlite;

use strict;
use warnings;

use File::Spec;
use IPC::Run ();
use PostgreSQL::Test::Utils;

# Was the driver built, and is there a client?
sub is_there
{
	my $libraries = `pg_config --pkglibdir` =~ s/\n//r;

	return -e "$libraries/dbsync_sqlite.so" && system('sqlite3 --version >/dev/null 2>&1') == 0;
}

# An empty file in a folder of its own.
sub new
{
	my ($class) = @_;
	my $folder = File::Spec->rel2abs(PostgreSQL::Test::Utils::tempdir('sqlite'));
	my $self = bless { path => "$folder/target.db" }, $class;

	append_to_file($self->path, '');
	return $self;
}

sub path { return $_[0]{path}; }
sub uri { return 'sqlite://' . $_[0]->path; }

# What the client says; it waits for locks.
sub run
{
	my ($self, $sql) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'sqlite3', '-batch', '-bail', '-noheader', '-list', $self->path ], '<', \".timeout 60000\n$sql\n;", '>', \$out, '2>', \$err)
	  or die "sqlite3: $err$sql";
	return $out;
}

# Fields of all rows of a query whose values have no bar and no newline, one behind the other.
sub rows
{
	my ($self, $sql) = @_;
	return map { split /\|/, $_, -1 } split /\n/, $self->run($sql);
}

# PostgreSQL's DDL as SQLite takes it: tables without their schema, and types by what they are to keep.
sub create
{
	my ($self, $sql) = @_;

	$sql =~ s/CREATE SCHEMA \w+;//g;
	$sql =~ s/CREATE TABLE \w+\./CREATE TABLE /g;
	$sql =~ s/\bnumeric\b(\([0-9, ]+\))?/text/g;
	$sql =~ s/\bbytea\b/blob/g;
	$self->run($sql);
	return;
}

# A value, of which the client has shown type and bytes, as COPY writes it.
sub copied
{
	my ($shown, $declared) = @_;
	my ($type, $hex) = split /:/, $shown;
	my %letters = ("\\" => '\\\\', "\b" => '\b', "\f" => '\f', "\n" => '\n', "\r" => '\r', "\t" => '\t', "\x0b" => '\v');
	my $value = pack('H*', $hex // '');

	return '\N' if $type eq 'null';
	return '\\\\x' . lc($hex // '') if $type eq 'blob';
	return $value ? 't' : 'f' if $declared =~ /^bool/i;
	$value .= '+00' if $declared =~ /^timestamptz/i;
	$value =~ s/([\\\x08\x0c\n\r\t\x0b])/$letters{$1}/g;
	return $value;
}

# All rows of a table, as COPY writes them from PostgreSQL's, sorted.  Doubles are not exact.
sub lines
{
	my ($self, $table) = @_;
	my $name = $table =~ s/^\w+\.//r;
	my @columns = map { [ split /\|/, $_, -1 ] } split /\n/, $self->run("SELECT name, type FROM pragma_table_info('$name')");
	my $shown = join q{ || '|' || }, map { qq{typeof("$_->[0]") || ':' || hex("$_->[0]")} } @columns;
	my @lines;

	return ['no such table'] unless @columns;
	foreach my $line (split /\n/, $self->run(qq{SELECT $shown FROM "$name"}))
	{
		my @values = split /\|/, $line, -1;
		push @lines, join("\t", map { copied($values[$_], $columns[$_][1]) } 0 .. $#columns);
	}
	return [ sort @lines ];
}

# Another process that has run this, and has the file open until what this returns is called.
sub hold
{
	my ($self, $sql) = @_;
	my ($in, $out, $err) = (".timeout 60000\n$sql;\nSELECT 'held';\n", '', '');
	my $client = IPC::Run::start([ 'sqlite3', '-batch', '-bail', '-noheader', '-list', $self->path ], '<', \$in, '>', \$out, '2>', \$err);

	$client->pump until $out =~ /held/ || $err ne '';
	die "sqlite3: $err" if $err ne '';
	return sub {
		$in .= ".quit\n";
		$client->finish;
	};
}

1;

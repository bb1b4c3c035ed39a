# What the contract tests ask of a target, whatever its driver: its rows, its ledger, and to
# make the worker stop where it hurts.
#
# Every end answers:
#	name              of the target
#	create_table(sql) a table is to be there
#	lines(table)      all rows of a table, as COPY writes them, sorted
#	ledger            subscription id => batch number; table's id => its subscription's
#	move_fence(id)    another worker, as it were, commits batches of the subscription
#	hold_rows(table)  the worker stops with a batch open, in the middle of its rows;
#	hold_answer       or when it has committed, before it hears of it; not every end can
#	is_held           whether it has stopped there
#	let_go            it goes on
#	clashes           how often a row was to be inserted twice
#	refused           what status says of the table "refused"
#	silent            and of a target that is waited for in vain
package DbsyncTest::Ends;

use strict;
use warnings;

use File::Spec;

use DbsyncTest qw(ask quoted);
use PostgreSQL::Test::Utils;

my $plain = "SET DateStyle = 'ISO, YMD'; SET TimeZone = 'UTC'; SET bytea_output = 'hex';"
  . "SET client_encoding = 'UTF8';";

# The rows of a table of a server; rows that cannot be read are none that there could be.
sub lines_of
{
	my ($node, $table) = @_;
	my $rows = ask($node, "$plain COPY (SELECT * FROM $table) TO STDOUT");

	return [ sort split /\n/, $rows // 'cannot be read' ];
}

sub count_in_log
{
	my ($node, $pattern) = @_;
	my @found = slurp_file($node->logfile) =~ /$pattern/g;

	return scalar(@found);
}

# A server, behind a wire.
package DbsyncTest::Ends::Postgres;

use strict;
use warnings;

use DbsyncTest qw(ask quoted uri_of);
use DbsyncTest::Proxy;

# The pair's target "far" is this one.
sub new
{
	my ($class) = @_;
	return bless {}, $class;
}

sub uri
{
	my ($self, $pair) = @_;
	$self->{pair} = $pair;
	$self->{proxy} = DbsyncTest::Proxy->new($pair->target);
	return uri_of($pair->target, tcp_port => $self->{proxy}->port);
}

sub name { return 'far'; }

sub create_table
{
	my ($self, $sql) = @_;
	$self->{pair}->target_sql($sql);
	return;
}

sub lines
{
	my ($self, $table) = @_;
	return DbsyncTest::Ends::lines_of($self->{pair}->target, $table);
}

sub ledger
{
	my ($self) = @_;
	my $rows = $self->{pair}->target_sql(
		'SELECT id, CASE WHEN id = subscription THEN batch::text ELSE subscription::text END'
		  . ' FROM dbsync_ledger.position');
	return { map { split /\|/ } split /\n/, $rows };
}

sub move_fence
{
	my ($self, $id) = @_;
	$self->{pair}->target_sql(
		'UPDATE dbsync_ledger.position SET batch = batch + 7 WHERE id = ' . quoted($id));
	return;
}

sub hold_rows
{
	my ($self, $table) = @_;
	$self->{locker} = $self->{pair}->target->background_psql('postgres', on_error_stop => 1);
	$self->{locker}->query_safe("BEGIN; LOCK TABLE $table");
	return;
}

sub hold_answer
{
	my ($self) = @_;
	$self->{kept} = $self->{proxy}->cuts;
	$self->{proxy}->keep_answer;
	return;
}

sub is_held
{
	my ($self) = @_;
	return $self->{proxy}->cuts > $self->{kept} if defined $self->{kept};
	return (ask($self->{pair}->target,
			q{SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'dbsync%' AND wait_event_type = 'Lock'})
		  // '') eq 't';
}

sub let_go
{
	my ($self) = @_;
	$self->{proxy}->pass;
	delete $self->{kept};
	if (my $locker = delete $self->{locker})
	{
		$locker->query_safe('ROLLBACK');
		$locker->quit;
	}
	return;
}

sub clashes
{
	my ($self) = @_;
	return DbsyncTest::Ends::count_in_log($self->{pair}->target, qr/duplicate key value/);
}

sub refused { return qr/^target table "\w+\.refused" does not exist$/; }
sub silent { return '^target "\w+" has not answered'; }

# A file, by the driver in t/driver.
package DbsyncTest::Ends::File;

use strict;
use warnings;

use DbsyncTest qw(quoted);
use PostgreSQL::Test::Utils;

sub new
{
	my ($class, $pair) = @_;
	# (where TESTDIR is not set the folder's name is relative, and the server stands elsewhere)
	my $folder = File::Spec->rel2abs(PostgreSQL::Test::Utils::tempdir('file'));
	my $self = bless { pair => $pair, folder => $folder }, $class;

	$pair->sql(q{CREATE FUNCTION public.file_test_validator(text[], oid) RETURNS void LANGUAGE c AS 'dbsync_file_test', 'dbsync_file_test_validator'});
	$pair->sql('CREATE FOREIGN DATA WRAPPER dbsync_file_test VALIDATOR public.file_test_validator');
	$pair->sql('CREATE SERVER files FOREIGN DATA WRAPPER dbsync_file_test OPTIONS (folder '
		  . quoted($self->{folder}) . ')');
	$pair->sql('CREATE USER MAPPING FOR CURRENT_USER SERVER files');
	return $self;
}

sub name { return 'files'; }

# A table is there as soon as it has rows.
sub create_table { return; }

sub path { return "$_[0]{folder}/target"; }

# Lines of the file as lists of fields; what begins with the word alone, if it is given.
sub records
{
	my ($self, $word) = @_;
	my $path = $self->path;
	my @records = -e $path ? map { [ split /\t/, $_, -1 ] } split /\n/, slurp_file($path) : ();

	return grep { !$word || $_->[0] eq $word } @records;
}

sub lines
{
	my ($self, $table) = @_;
	my @lines;
	my $inside = 0;

	foreach my $record ($self->records)
	{
		my ($word, @fields) = @$record;

		$inside = "$fields[0].$fields[1]" eq $table if $word eq 'table';
		push @lines, join("\t", @fields[ 1 .. $#fields ]) if $word eq 'row' && $inside;
	}
	return [ sort @lines ];
}

sub uuid
{
	my ($digits) = @_;
	return join '-', $digits =~ /^(.{8})(.{4})(.{4})(.{4})(.{12})$/;
}

sub ledger
{
	my ($self) = @_;
	return {
		(map { (uuid($_->[1]) => $_->[8]) } $self->records('position')),
		(map { (uuid($_->[1]) => uuid($_->[2])) } $self->records('part')) };
}

sub move_fence
{
	my ($self, $id) = @_;
	my $path = $self->path;
	my @records = $self->records;

	foreach my $record (@records)
	{
		$record->[8] += 7 if $record->[0] eq 'position' && uuid($record->[1]) eq $id;
	}
	open(my $file, '>', "$path.moved") or die "$path.moved: $!";
	print $file map { join("\t", @$_) . "\n" } @records;
	close($file) or die "$path.moved: $!";
	rename("$path.moved", $path) or die "$path: $!";
	return;
}

sub hold
{
	my ($self, $where) = @_;
	$self->{where} = $where;
	unlink("$self->{folder}/held_$where");
	append_to_file("$self->{folder}/hold_$where", '');
	return;
}

sub hold_rows { return $_[0]->hold('rows'); }
sub hold_answer { return $_[0]->hold('answer'); }
sub is_held { return -e "$_[0]{folder}/held_$_[0]{where}"; }

sub let_go
{
	my ($self) = @_;
	unlink("$self->{folder}/hold_$self->{where}", "$self->{folder}/held_$self->{where}");
	return;
}

sub clashes
{
	my ($self) = @_;
	return DbsyncTest::Ends::count_in_log($self->{pair}->source, qr/duplicate key value in target "files"/);
}

sub refused { return qr/^target "files" takes no table "\w+\.refused"$/; }
sub silent { return '^target "\w+" has not answered'; }

# An SQLite file, read and locked by SQLite's own client.
package DbsyncTest::Ends::Sqlite;

use strict;
use warnings;

use DbsyncTest qw(ask quoted);
use DbsyncTest::Sqlite;

sub new
{
	my ($class, $pair) = @_;
	my $self = bless { pair => $pair, file => DbsyncTest::Sqlite->new }, $class;

	$pair->sql('CREATE EXTENSION IF NOT EXISTS dbsync_sqlite');
	$pair->create_target('lite', $self->{file}->uri);
	return $self;
}

sub name { return 'lite'; }

sub create_table { return $_[0]{file}->create($_[1]); }
sub lines { return $_[0]{file}->lines($_[1]); }

sub ledger
{
	my ($self) = @_;
	return { $self->{file}->rows('SELECT id, CASE WHEN id = subscription THEN batch ELSE subscription END FROM dbsync_position') };
}

sub move_fence
{
	my ($self, $id) = @_;
	$self->{file}->run('UPDATE dbsync_position SET batch = batch + 7 WHERE id = ' . quoted($id));
	return;
}

# Somebody else is about to write: the worker waits at the beginning of its batch.
sub hold_rows
{
	my ($self) = @_;
	$self->{holder} = $self->{file}->hold('BEGIN IMMEDIATE');
	return;
}

sub is_held
{
	my ($self) = @_;
	return (ask($self->{pair}->source, q{SELECT count(*) > 0 FROM dbsync.status WHERE subscription = 'lite' AND state = 'waiting for target'}) // '') eq 't';
}

sub let_go
{
	my ($self) = @_;
	my $holder = delete $self->{holder};
	$holder->() if $holder;
	return;
}

sub clashes
{
	my ($self) = @_;
	return DbsyncTest::Ends::count_in_log($self->{pair}->source, qr/UNIQUE constraint failed/);
}

sub refused { return qr/^target table "main\.refused" does not exist$/; }
sub silent { return '^file ".*" is locked'; }

1;

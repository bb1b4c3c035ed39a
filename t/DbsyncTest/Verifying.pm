# Calls of verify() that are under way: begun in the background, looked at, stopped in the middle.
package DbsyncTest::Verifying;

use strict;
use warnings;

use DbsyncTest;
use Exporter 'import';
use File::Spec;
use IPC::Run ();

our @EXPORT_OK = qw(finish_psql is_over start_and_stop start_psql verify);

# Rows of verify(): table => verdict, "missing/extra/different", note.
sub verify
{
	my ($pair, $arguments) = @_;
	my %verdict;
	my $rows = $pair->sql("SELECT \"table\", verdict, concat_ws('/', missing, extra, different), note FROM dbsync.verify($arguments)");

	foreach my $row (split /\n/, $rows)
	{
		my ($table, $verdict, $counts, $note) = split /\|/, $row, 4;
		$verdict{ $table =~ s/^public\.//r } = [ $verdict, $counts, $note ];
	}
	return \%verdict;
}

# A session in the background; finish_psql() returns what it has said, as {out} and {err}.
sub start_psql
{
	my ($node, $sql) = @_;
	my %said = (out => '', err => '');
	$said{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $sql ],
		'<', File::Spec->devnull, '>', \$said{out}, '2>', \$said{err});
	return \%said;
}

# Has it ended?  It may have by an error.
sub is_over
{
	my ($started) = @_;
	eval { $started->{run}->pump_nb; };
	return !$started->{run}->pumpable;
}

sub finish_psql
{
	my ($started) = @_;
	eval { IPC::Run::finish($started->{run}); };
	return $started;
}

# A verify of public.large in subscription "sub" that is under way, and its process, stopped in the middle of comparing.  It may be too
# fast: then another one.
sub start_and_stop
{
	my ($pair, $columns) = @_;
	my ($source, $target) = ($pair->source, $pair->target);

	foreach my $try (1 .. 50)
	{
		my $done = 'SELECT count(*) FROM dbsync.verification WHERE verdict <> \'running\'';
		my $before = $pair->sql($done);
		my $started = start_psql($source, "SELECT $columns FROM dbsync.verify('sub', 'public.large')");
		my $pid;

		DbsyncTest::poll_until(sub {
				$pid = DbsyncTest::ask($source, "SELECT pid FROM dbsync.verify_status WHERE phase = 'comparing' AND pid IS NOT NULL");
				return $pid || (DbsyncTest::ask($source, $done) // 0) > $before;
			}, 'a verify that compares');
		if ($pid && kill('STOP', $pid))
		{
			my $has = DbsyncTest::ask($target, "SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
				  . " WHERE l.relation = 'public.large'::regclass AND l.granted AND a.application_name LIKE '% verify'");
			return ($started, $pid) if ($has // '') eq 't';
			kill('CONT', $pid);
		}
		finish_psql($started);
	}
	return;
}

1;

# Exactly once into an SQLite file, whatever dies: under a load of bank transfers worker and source are killed, the file is locked,
# and the worker is frozen past its successor's start; then it dies at each place of a commit. No reader of the file sees half a
# transaction, and in the end whole tables are the same. A file that is full, replaced, put back or gone is said with its path.
use strict;
use warnings;

use Errno qw(EACCES EIO ENOSPC);
use File::Copy qw(copy);

use lib 't';
use DbsyncTest qw(ask poll_until quoted random_below);
use DbsyncTest::Bank;
use DbsyncTest::Ends;
use DbsyncTest::Io;
use DbsyncTest::Sqlite;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the driver for SQLite was not built, or there is no sqlite3' unless DbsyncTest::Sqlite::is_there();

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 3;
my $io = DbsyncTest::Io->new;
# the second server is of no use but to the bank, which makes its tables there
my $pair = $io->around(sub { DbsyncTest->new(source_conf => "dbsync.segment_size = '512kB'\ndbsync.retention_interval = '200ms'\ndbsync.retry_max = '500ms'") });
my $bank = DbsyncTest::Bank->open_bank($pair);
my $file = DbsyncTest::Sqlite->new;
my @tables = @DbsyncTest::Bank::tables;

$pair->sql('CREATE EXTENSION dbsync_sqlite');
$file->run(<<'SQL');
CREATE TABLE checking (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, note TEXT);
CREATE TABLE savings (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);
CREATE TABLE journal (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, remark TEXT);
SQL
$pair->create_target('lite', $file->uri);
$pair->subscribe('bank', \@tables, target => 'lite');
$pair->start_subscription('bank');
$pair->arrives('bank', 'the first copy arrives');

sub same
{
	my ($test) = @_;
	my %here = map { $_ => DbsyncTest::Ends::lines_of($pair->source, $_) } @tables;
	my %there = map { $_ => $file->lines($_) } @tables;

	is_deeply(\%there, \%here, $test) or $pair->describe_state($test);
	return;
}

# --- a reader of the file

my $seen = PostgreSQL::Test::Utils::tempdir() . '/seen';
my $sums = <<'SQL';
SELECT ((SELECT coalesce(sum(balance), 0) FROM checking) + (SELECT coalesce(sum(balance), 0) FROM savings)) || '|' ||
	((SELECT coalesce(sum(amount), 0) FROM journal) - (SELECT coalesce(sum(balance), 0) FROM savings)) || '.'
SQL
my $reader = DbsyncTest::Bank::start_process(
	sub {
		my $said = $file->run($sums);
		append_to_file($seen, $said) if $said =~ /\.\n\z/;
		select(undef, undef, undef, 0.02);
	});

sub newest { return $file->run('SELECT coalesce(max(id), 0) FROM journal') + 0; }

sub goes_on
{
	my ($test) = @_;
	my $goal = (ask($pair->source, 'SELECT max(id) FROM journal') || 0) + 1 + random_below(60);

	ok(poll_until(sub { newest() >= $goal }, "journal $goal in the file"), "$test: it goes on") or $pair->describe_state($test);
	return;
}

sub kill_worker
{
	my $pid = $pair->wait_for_worker('bank') or return;

	kill('KILL', $pid);
	poll_until(sub { !kill(0, $pid) }, 'end of the worker');
	DbsyncTest::wait_until_up($pair->source);
	return;
}

# --- accidents under load

my %accidents = (
	'kill -9 of the worker' => \&kill_worker,
	'termination of the worker' => sub {
		my $pid = $pair->wait_for_worker('bank') or return;
		ask($pair->source, "SELECT pg_terminate_backend($pid)");
	},
	'kill -9 of the source' => sub { $io->around(sub { DbsyncTest::crash_and_restart($pair->source) }); },
	'somebody else who writes' => sub {
		my $writer = $file->hold('BEGIN IMMEDIATE');
		$bank->newest_moves($pair->source, random_below(60));
		$writer->();
	},
	'somebody else who reads' => sub {
		my $other = $file->hold('BEGIN; SELECT count(*) FROM journal');
		$bank->newest_moves($pair->source, random_below(60));
		$other->();
	},
	'kill -9 of a worker that waits for a lock' => sub {
		my $other = $file->hold(random_below(2) ? 'BEGIN IMMEDIATE' : 'BEGIN; SELECT count(*) FROM journal');
		$bank->newest_moves($pair->source, random_below(20));
		kill_worker();
		$other->();
	});

foreach my $mode (qw(delete wal))
{
	# the mode is changed by whoever is alone
	$pair->stop_subscription('bank');
	is($file->run("PRAGMA journal_mode = $mode"), "$mode\n", "$mode: the journal is such");
	$pair->start_subscription('bank');
	$bank->start_load(rate => 150);
	foreach my $round (1 .. $rounds)
	{
		foreach my $what (sort keys %accidents)
		{
			$bank->newest_moves($pair->source, random_below(20));
			$accidents{$what}->();
			goes_on("$mode, round $round: $what");
		}
	}
	$bank->stop_load;
	$pair->arrives('bank', "$mode: all of the load arrives");
	same("$mode: whole tables are the same");
}

# --- frozen past its successor's start

foreach my $round (1 .. 2)
{
	my $old = $pair->source;
	my $worker = $pair->wait_for_worker('bank');
	my $successor = PostgreSQL::Test::Cluster->new("successor$round");

	$bank->start_load(rate => 150);
	$bank->newest_moves($old, 5 + random_below(60));
	kill('STOP', $worker);
	$old->kill9;
	$bank->stop_clients;
	$old->backup_fs_cold('frozen');
	$successor->init_from_backup($old, 'frozen');
	$io->around(sub { $successor->start });
	$pair->{source} = $successor;
	isnt($pair->wait_for_worker('bank'), $worker, "round $round: a successor starts");
	$pair->sql(q{INSERT INTO journal (amount, remark) VALUES (0, 'of the successor')});
	kill('CONT', $worker);
	ok(poll_until(sub { !kill(0, $worker) }, 'end of the frozen worker'), "round $round: the frozen one ends when it wakes up");
	$pair->arrives('bank', "round $round: the successor goes on");
	same("round $round: what was frozen has written nothing behind it");
}
DbsyncTest::Bank::end_process($reader);
my @seen = split /\n/, slurp_file($seen);
note(scalar(@seen) . ' readings of the file');
cmp_ok(scalar(@seen), '>', 10, 'the file was read all the time');
is_deeply([ grep { $_ ne '0|0.' } @seen ], [], 'no reader saw half a transaction');

# --- death at each place of a commit

$pair->stop_subscription('bank');
is($file->run('PRAGMA journal_mode = delete'), "delete\n", 'a journal that is deleted');
$pair->start_subscription('bank');
$pair->arrives('bank', 'nothing to do');

my $n = 0;

sub change
{
	$n++;
	$pair->sql("BEGIN; UPDATE checking SET balance = balance + $n, note = repeat('$n ', 300) WHERE id <= 40; UPDATE checking SET balance = balance - $n WHERE id > 60; COMMIT");
	return;
}

foreach my $point (
	'write target.db-journal before', 'write target.db-journal behind', 'fsync target.db-journal before', 'fsync target.db-journal behind',
	'write target.db before', 'write target.db behind', 'fsync target.db before', 'fsync target.db behind',
	'unlink target.db-journal before', 'unlink target.db-journal behind')
{
	$io->rules($point);
	change();
	ok(poll_until(sub { $io->has_happened }, $point), "$point: the worker dies");
	DbsyncTest::wait_until_up($pair->source);
	is($file->run($sums), "0|0.\n", "$point: a reader sees a whole transaction");
	$pair->arrives('bank', "$point: its successor goes on");
	same("$point: once");
}

# --- a disk that fails

sub fails
{
	my ($what, $words, @rules) = @_;

	$io->rules(@rules);
	change();
	$pair->status_becomes('bank', "state = 'waiting to retry' AND last_error ~ '$words' AND concat(last_error, last_error_detail) LIKE '%/target.db%'", "$what: status says what, and where");
	is($pair->sql("SELECT count(*) FROM dbsync.table_status WHERE state <> 'live' OR note IS NOT NULL"), '0', "$what: no table is blamed");
	$io->no_rules;
	$pair->arrives('bank', "$what: it goes on by itself");
	same("$what: once");
	return;
}

fails('the disk is full', 'could not .*full', 'write target.db-journal ' . ENOSPC, 'write target.db ' . ENOSPC);
fails('fsync fails', 'could not commit: disk I/O error', 'fsync target.db ' . EIO);
fails('the journal cannot be deleted', 'could not commit: disk I/O error', 'unlink target.db-journal ' . EACCES);

$pair->stop_subscription('bank');
is($file->run('PRAGMA journal_mode = wal'), "wal\n", 'a WAL');
$pair->start_subscription('bank');
$pair->arrives('bank', 'nothing to do');
fails('the disk is full in the commit', 'could not commit: .*full', 'write target.db-wal ' . ENOSPC);
$pair->stop_subscription('bank');
is($file->run('PRAGMA journal_mode = delete'), "delete\n", 'a journal again');
$pair->start_subscription('bank');

# --- a file that is not what it was

$pair->arrives('bank', 'nothing to do');
my $path = $file->path;

# gone, and back
rename($path, "$path.away") or die;
change();
$pair->status_becomes('bank', q{last_error ~ '^file ".*target.db" (does not exist|was replaced, or has gone)'}, 'a file that has gone: status says which');
rename("$path.away", $path) or die;
$pair->arrives('bank', 'it is back: it goes on');
same('a file that was away');

# An older state of it, with its ledger, takes its place, while there is nothing to do, and nobody says so: what has come since is sent
# once more, while the source has it; else it is refused.
sub is_same
{
	return !grep { join("\n", @{ $file->lines($_) }) ne join("\n", @{ DbsyncTest::Ends::lines_of($pair->source, $_) }) } @tables;
}

sub put_back
{
	my ($test, $how) = @_;

	$pair->arrives('bank', 'nothing to do');
	copy($path, "$path.older") or die;
	change();
	$pair->arrives('bank', 'what the older state does not have');
	$how->();
	my $refused = qr/older|behind|restored|put back/;
	ok(poll_until(sub { is_same() || ($pair->status('bank')->{last_error} // '') =~ $refused }, $test),
		"$test: what is missing comes once more, or is missed") or $pair->describe_state($test);
	note($pair->status('bank')->{last_error} // 'it has come');
	if (($pair->status('bank')->{last_error} // '') !~ $refused)
	{
		$pair->arrives('bank', "$test: it goes on");
		same("$test: what is missing comes once more");
		return;
	}
	$pair->sql(qq{SELECT dbsync.copy_table('bank', '$_', existing_rows => 'truncate')}) foreach @tables;
	$pair->arrives('bank', "$test: all is copied anew");
	same("$test: a copy anew");
	return;
}

put_back('another file', sub { chmod(0600, "$path.older"); rename("$path.older", $path) or die; });
put_back('in its place', sub { copy("$path.older", $path) or die; });

# another one, without a ledger
rename($path, "$path.newest") or die;
append_to_file($path, '');
chmod(0600, $path);
change();
ok(poll_until(sub { my $s = $pair->status('bank'); ($s->{last_error} // '') ne '' && $s->{last_error} !~ /was replaced/ && $s->{state} eq 'waiting to retry' }, 'an error'), 'an empty file is refused')
  or $pair->describe_state('empty');
note($pair->status('bank')->{last_error});
rename("$path.newest", $path) or die;
$pair->arrives('bank', 'the right one is back again');
same('the right file again');

# others may write to it from now on
chmod(0666, $path);
kill_worker();
$pair->status_becomes('bank', q{last_error LIKE 'file "%target.db" cannot be a target' AND last_error_detail LIKE '%can be written to by others%'}, 'a file that others may write to is not opened');
chmod(0600, $path);
$pair->arrives('bank', 'it is ours alone: it goes on');

# rubbish in the middle of it
$pair->stop_subscription('bank');
copy($path, "$path.good") or die;
open(my $handle, '+<', $path) or die;
binmode($handle);
seek($handle, 4096, 0);
print $handle join('', map { chr(random_below(256)) } 1 .. 4096 * 3);
close($handle);
change();
$pair->start_subscription('bank');
$pair->status_becomes('bank', q{last_error ~ 'malformed|is not the ledger|lost' AND concat(last_error, last_error_detail) LIKE '%target.db%'}, 'a damaged file is an error, and no crash');
$pair->stop_subscription('bank');
copy("$path.good", $path) or die;
$pair->start_subscription('bank');
$pair->arrives('bank', 'a good copy of it: it goes on');
same('in the end');

DbsyncTest::finish();

# The road into targets of each major that can be one, 12 to 18, from the one that the tests run with:
# first copy, every built-in type, merge, patch, replace, deletes, TRUNCATE, and the ledger.  Both ends
# are the same after each.  Servers come from outside (scripts/lib/targets.sh); one that could not be had
# is named, with the reason.  Not all of them unless DBSYNC_TEST_ROUNDS (scripts/check --long) or CHECK_TARGETS is set.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until random_below uri_of);
use DbsyncTest::Bank;
use DbsyncTest::Proxy;
use DbsyncTest::Types;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# Where dbsync sends rows in other ways: of SMALL_ROWS in rows.c, and of REPLACE_ROWS.
my ($merged, $replaced) = (2_000, 25_000);

# A value of each type that has got some, or is written in another way: older servers can say them as
# text only.
my @newer = (
	{ column => 'c_numeric', value => q('-Infinity'), since => 14 },
	{ column => 'c_interval', value => q('infinity'), since => 17 },
	{ column => 'c_char', value => 'CAST(-1 AS "char")', since => 15, says => 'a "char" that is not ASCII' },
	{ column => 'c_chars', value => 'ARRAY[CAST(-1 AS "char")]', since => 15, says => 'a "char" that is not ASCII' },
	{ column => 'c_inside', value => 'ROW(1, ARRAY[CAST(-1 AS "char")])', since => 15, says => 'a "char" that is not ASCII' });

my %wanted = map { $_ => 1 } split ' ', $ENV{CHECK_TARGETS} // '';
my $proxy;

sub pair_with
{
	my ($server) = @_;
	my $pair = DbsyncTest->new(
		prefix => "to_$server->{major}_",
		target_path => $server->{path},
		source_conf => "dbsync.copy_chunk_rows = 5000",
		target_conf => "max_locks_per_transaction = 128",
		uri => sub {
			$proxy = DbsyncTest::Proxy->new($_[0]->target);
			return uri_of($_[0]->target, user => 'sync', tcp_port => $proxy->port);
		});

	is($pair->target_sql('SHOW server_version') =~ s/\..*//r, $server->{major}, 'the target is what it should be');
	return $pair;
}

my @statements = (
	# a name that newer majors reserve, a value that is out of line, one that both ends work out
	'CREATE TABLE public.rows (id int8 PRIMARY KEY, a int, large text, "system_user" text, twice int GENERATED ALWAYS AS (a * 2) STORED)',
	'ALTER TABLE public.rows ALTER large SET STORAGE EXTERNAL',
	'CREATE TABLE public.keyed (b text, a numeric, v int, PRIMARY KEY (b, a))',
	'CREATE TABLE public.parent (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE)',
	'CREATE TABLE public.child (id int PRIMARY KEY, parent int NOT NULL REFERENCES public.parent)',
	'CREATE TYPE public.inside AS (n int, c "char"[])',
	'CREATE TABLE public.newer (id int PRIMARY KEY, c_numeric numeric, c_interval interval,
		c_char "char", c_chars "char"[], c_inside public.inside, c_xml xml)');

# Before 15 nobody can be given the right to keep triggers silent, but a superuser has it.
sub make_tables
{
	my ($pair, $major) = @_;

	$pair->both($_) foreach $DbsyncTest::Types::own, @statements;
	foreach my $table (sort keys %types)
	{
		$pair->sql(table_of_types($table, $pair->source->pg_version->major));
		$pair->target_sql(table_of_types($table, $major));
	}
	$pair->target_sql($_) foreach $major < 15
	  ? 'CREATE ROLE sync LOGIN SUPERUSER'
	  : ('CREATE ROLE sync LOGIN',
		'GRANT CREATE ON DATABASE postgres TO sync',
		'GRANT SET ON PARAMETER session_replication_role TO sync');
	$pair->target_sql("ALTER ROLE sync SET log_statement = 'all'");
	$pair->sql(<<'SQL');
INSERT INTO public.rows SELECT i, i % 100, CASE WHEN i % 10 = 0 THEN repeat('large ' || i, 500) END, 'user ' || i
FROM generate_series(1, 30000) i;
INSERT INTO public.keyed SELECT 'key ' || i % 50, i, 0 FROM generate_series(1, 3000) i;
INSERT INTO public.parent (name) SELECT 'parent ' || i FROM generate_series(1, 100) i;
INSERT INTO public.child SELECT i, 1 + i % 100 FROM generate_series(1, 1000) i;
SQL
	return;
}

my @tables = (qw(public.rows public.keyed public.parent public.child), sort keys %types);

# The writer's statements, each in a transaction of its own unless they say otherwise; then whole tables
# of both ends are compared.
sub writes
{
	my ($pair, $what, $compared, @sql) = @_;

	$pair->source->safe_psql('postgres',
		join '', map { "$_;\n" } "SET client_encoding = 'UTF8'", "SET xmloption = 'content'", @sql);
	$pair->arrives('road', "$what: arrives") && $pair->same_at_both_ends(@$compared);
	return;
}

# What the target has been told since.
sub told
{
	my ($pair, $function) = @_;
	my $from = -s $pair->target->logfile;

	$function->();
	return slurp_file($pair->target->logfile, $from);
}

sub grant_tables
{
	my ($pair, $major) = @_;

	$pair->target_sql('GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO sync') if $major >= 15;
	return;
}

sub first_copy
{
	my ($pair) = @_;
	my $log = told($pair, sub {
		$pair->subscribe('road', \@tables);
		$pair->start_subscription('road');
		$pair->arrives('road', 'the first copy arrives');
	});
	my @chunks = $log =~ /COPY public\.rows /g;

	cmp_ok(scalar(@chunks), '>=', 6, 'in chunks');
	$pair->same_at_both_ends(@tables);
	return;
}

sub types
{
	my ($pair, $major) = @_;
	my $source = $pair->source->pg_version->major;
	my $both = $source < $major ? $source : $major;

	foreach my $table (sort keys %types)
	{
		my @rows = map { [ row_of_values($table, $_, $both) ] } 0 .. 5;
		my $insert = sub { "INSERT INTO $table (id, $rows[$_[0]][0]) SELECT $_[0], $rows[$_[0]][1]" };

		writes($pair, "each type, row by row ($table)", [$table], (map { $insert->($_) } 0 .. 4),
			"UPDATE $table SET ($rows[5][0]) = ROW($rows[5][1]) WHERE id = 1",
			"UPDATE $table SET id = 11 WHERE id = 3", "DELETE FROM $table WHERE id = 2");
		writes($pair, "each type, appended ($table)", [$table],
			"INSERT INTO $table (id, $rows[1][0]) SELECT i, $rows[1][1] FROM generate_series(1000, 1400) i");
		writes($pair, "each type, merged ($table)", [$table],
			"UPDATE $table SET c_text = c_text || 'x', c_int4 = 5 WHERE id >= 1000");
	}
	return;
}

sub small
{
	my ($pair) = @_;
	my $log = told($pair, sub {
		writes($pair, 'few rows', [@tables[0 .. 3]],
			"INSERT INTO public.rows (id, a, large) VALUES (100001, 1, repeat('l', 9000)), (100002, 2, NULL)",
			'UPDATE public.rows SET a = a + 1 WHERE id IN (1, 2, 3, 10, 20, 100001)',
			"UPDATE public.rows SET large = 'small now', \"system_user\" = NULL WHERE id = 30",
			'DELETE FROM public.rows WHERE id IN (4, 5)', 'UPDATE public.rows SET id = -id WHERE id IN (6, 40)',
			"UPDATE public.keyed SET b = 'other ' || a WHERE a < 10",
			"INSERT INTO public.parent (name) VALUES ('last')", 'INSERT INTO public.child VALUES (5000, 101)',
			"UPDATE public.parent SET name = name || '!' WHERE id < 5", 'DELETE FROM public.child WHERE id < 20');
	});

	like($log, qr/WITH patched AS \(UPDATE ONLY public\.rows/, 'values that stay as they are stay where they are');
	like($log, qr/ ON CONFLICT /, 'others are written over');
	return;
}

sub merge
{
	my ($pair) = @_;
	my $log = told($pair, sub {
		writes($pair, 'many rows', [qw(public.rows public.keyed)],
			"INSERT INTO public.rows (id, a) SELECT i, 0 FROM generate_series(200001, 200000 + $merged) i",
			"UPDATE public.rows SET a = a + 1, \"system_user\" = 'new ' || id WHERE id % 10 > 4 AND id < 2 * $merged",
			"DELETE FROM public.rows WHERE id % 7 = 0 AND id < 3 * $merged",
			"UPDATE public.rows SET id = -id WHERE id % 11 = 1 AND id < $merged",
			'UPDATE public.keyed SET v = v + 1, a = a + 0.5 WHERE a % 3 <> 1');
	});

	like($log, qr/UPDATE ONLY public\.rows AS \w+ SET .* FROM pg_temp\.dbsync_(stage|patch)/, 'by a merge');
	$log = told($pair, sub {
		writes($pair, 'many rows with large values that stay', ['public.rows'],
			'UPDATE public.rows SET a = a + 3 WHERE id % 10 = 0 AND id > 0');
	});
	like($log, qr/UPDATE ONLY public\.rows AS \w+ SET .* FROM pg_temp\.dbsync_patch/, 'by a patch');
	return;
}

sub replace
{
	my ($pair) = @_;
	my $count = $pair->sql('SELECT count(*) FROM public.rows');
	my $log = told($pair, sub {
		writes($pair, 'nearly all rows', ['public.rows'], q(UPDATE public.rows SET large = 'row ' || id, a = -a));
	});

	cmp_ok($count, '>', $replaced, 'so many rows are replaced');
	like($log, qr/DELETE FROM ONLY public\.rows (AS \w+ USING pg_temp\.dbsync_keys|WHERE id OPERATOR)/, 'by deletes and inserts');
	unlike($log, qr/UPDATE ONLY public\.rows/, 'and by no update');
	return;
}

sub deletes
{
	my ($pair) = @_;
	my $log = told($pair, sub {
		writes($pair, 'deletes', ['public.rows'], 'DELETE FROM public.rows WHERE id BETWEEN 10000 AND 20000');
	});

	like($log, qr/DELETE FROM ONLY public\.rows WHERE id OPERATOR/, 'of ranges of keys');
	writes($pair, 'deletes of other keys', [qw(public.rows public.keyed)], 'DELETE FROM public.keyed WHERE v = 0', 'DELETE FROM public.rows WHERE id % 5 = 1');
	$log = told($pair, sub {
		writes($pair, 'TRUNCATE, and rows behind it', \@tables, 'BEGIN', 'TRUNCATE public.parent CASCADE',
			"INSERT INTO public.parent (name) VALUES ('again')", 'COMMIT', 'TRUNCATE public.rows, public.keyed',
			"INSERT INTO public.rows (id, a) SELECT i, i FROM generate_series(1, $merged) i");
	});
	like($log, qr/TRUNCATE /, 'as TRUNCATE');
	return;
}

# Values that came with a major are refused by older ones, with words; never taken for others.
sub newer
{
	my ($pair, $major) = @_;
	my $id = 0;

	$pair->sql("SELECT dbsync.add_table('road', 'public.newer')");
	foreach my $one (@newer)
	{
		my ($column, $value) = @$one{qw(column value)};

		next if $pair->source->pg_version->major < $one->{since};
		$pair->sql("INSERT INTO public.newer (id, $column) VALUES (" . ++$id . ", $value)");
		if ($major < $one->{since})
		{
			$pair->status_becomes('road',
				sprintf("failures > 0 AND last_error LIKE '%%%s%%'", $one->{says} // ''),
				"$value, as $one->{since} has it, is refused");
			note($pair->status('road')->{last_error});
			$pair->target_sql("ALTER TABLE public.newer ALTER $column TYPE " . ($column eq 'c_chars' ? 'text[]' : 'text'));
		}
		$pair->arrives('road', "$value arrives");
		$pair->same_at_both_ends('public.newer');
	}
	return;
}

# Something dies while a batch is under way: it waits for a lock at the target.
sub within_a_batch
{
	my ($pair, $what, $accident) = @_;
	my $locker = $pair->target->background_psql('postgres');

	$locker->query_safe('BEGIN; LOCK TABLE public.rows IN SHARE MODE');
	$pair->sql("UPDATE public.rows SET a = a + 1; INSERT INTO public.keyed VALUES ('$what', 1, 1)");
	ok(becomes_true($pair->target, "SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = 'sync' AND wait_event_type = 'Lock'"),
		"$what: a batch is under way");
	$accident->();
	$locker->query_safe('COMMIT');
	$locker->quit;
	$pair->arrives('road', "$what: it arrives all the same");
	$pair->same_at_both_ends('public.rows', 'public.keyed');
	return;
}

# The target has committed, and nobody hears of it.
sub lost_answer
{
	my ($pair) = @_;
	my $before = $proxy->cuts;

	$proxy->lose_answers(1);
	$pair->sql('UPDATE public.rows SET a = a + 7');
	ok(poll_until(sub { $proxy->cuts > $before }, 'an answer that is lost'), 'the answer to a COMMIT is lost');
	$proxy->pass;
	$pair->arrives('road', 'and its batch arrives once');
	$pair->same_at_both_ends('public.rows');
	return;
}

sub exactly_once
{
	my ($pair, $major) = @_;
	my $bank = DbsyncTest::Bank->open_bank($pair);
	my $kill_worker = sub {
		my $pid = $pair->wait_for_worker('road') or return;
		kill('KILL', $pid);
		poll_until(sub { !kill(0, $pid) }, 'end of the worker');
		DbsyncTest::wait_until_up($pair->source);
	};
	my %accidents = (
		'kill -9 of the worker' => $kill_worker,
		'kill -9 of the target' => sub { DbsyncTest::crash_and_restart($pair->target) });

	within_a_batch($pair, 'kill -9 of the worker', $kill_worker);
	within_a_batch($pair, 'loss of its connection',
		sub { ask($pair->target, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sync'") });
	lost_answer($pair);
	grant_tables($pair, $major);
	$pair->sql("SELECT dbsync.add_table('road', '$_')") foreach @DbsyncTest::Bank::tables;
	# table by table, so sums disagree until all are there
	$pair->arrives('road', 'the first copy of the bank');
	$bank->start_reader;
	$bank->start_load(rate => 100);
	foreach my $accident (sort keys %accidents)
	{
		$accidents{$accident}->();
		ok($bank->make_progress(30), "goes on after $accident");
	}
	$bank->stop_load;
	$bank->balances('road');
	$bank->stop_reader;
	return;
}

sub road
{
	my ($server) = @_;
	my $major = $server->{major};
	my $pair = pair_with($server);

	make_tables($pair, $major);
	grant_tables($pair, $major);
	first_copy($pair);
	types($pair, $major);
	small($pair);
	merge($pair);
	replace($pair);
	deletes($pair);
	newer($pair, $major);
	exactly_once($pair, $major);
	$pair->same_at_both_ends(@tables, 'public.newer');
	$pair->stop_subscription('road');
	$_->stop foreach $pair->source, $pair->target;
	return;
}

# The oldest, the newest, and one of those between: all of them take long.
my @servers = grep { $_->{major} >= 12 } DbsyncTest::Installed::brought();
@servers = @servers[ 0, 1 + random_below(@servers - 2), -1 ] unless @servers < 4 || %wanted || $ENV{DBSYNC_TEST_ROUNDS};

foreach my $server (@servers)
{
	my ($major, $version, $reason) = @$server{qw(major version reason)};

	if ($reason)
	{
		fail("a target of $major, which CHECK_TARGETS names") if $wanted{$major};
	  SKIP: { skip("a target of $major ($version): $reason", 1) }
		next;
	}
	my $since = time();
	# what one dies of is not the next one's fault
	subtest("into $version", sub { eval { road($server); 1 } or fail("dies: $@") });
	note(sprintf('into %s: %.0f s', $version, time() - $since));
}

DbsyncTest::finish();

# Partitions that come and go, and trees of tables, under a load of rows, and whatever dies meanwhile:
# the worker, its backend at the target, a backend in the middle of ATTACH or DETACH, both servers.
# Behind each, when all has arrived, whole tables are equal at both ends, with a key and without,
# whose target is partitioned otherwise.  Issue "Partitions, tables without a key, sequences".
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until random_below);
use DbsyncTest::Bank;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 1;
my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.segment_size = '64kB'
dbsync.retention_interval = '200ms'
dbsync.copy_chunk_rows = 200
deadlock_timeout = '100ms'
CONF
my ($source, $target) = ($pair->source, $pair->target);

# storm.p has a key, storm.q none; base and its children are a tree
$pair->sql(<<'SQL');
CREATE SCHEMA storm;
CREATE TABLE storm.p (id int NOT NULL, k int NOT NULL, v text, w text, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE storm.q (id int, k int, v text, w text) PARTITION BY LIST (k);
ALTER TABLE storm.p ALTER w SET STORAGE EXTERNAL;
CREATE TABLE storm.base (id int PRIMARY KEY, v text);
CREATE TABLE storm.keyed (more int, PRIMARY KEY (id)) INHERITS (storm.base);
CREATE TABLE storm.keyless (other text) INHERITS (storm.base);
CREATE TABLE storm.token (n bigint PRIMARY KEY);
SQL
$pair->target_sql(<<'SQL');
CREATE SCHEMA storm;
CREATE TABLE storm.p (w text, id int NOT NULL, v text, k int NOT NULL, PRIMARY KEY (k, id)) PARTITION BY HASH (id);
CREATE TABLE storm.p0 PARTITION OF storm.p FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE storm.p1 PARTITION OF storm.p FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE storm.kept (id int, k int, v text, w text, PRIMARY KEY (id, k));
CREATE TABLE storm.q (w text, id int, v text, k int) PARTITION BY HASH (id);
CREATE TABLE storm.q0 PARTITION OF storm.q FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE storm.q1 PARTITION OF storm.q FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE storm.base (id int PRIMARY KEY, v text);
CREATE TABLE storm.keyed (id int PRIMARY KEY, v text, more int);
CREATE TABLE storm.keyless (id int, v text, other text);
CREATE TABLE storm.token (n bigint PRIMARY KEY);
SQL

# --- the load: functions that choose by chance, of what is there just then

$pair->sql(<<'SQL');
CREATE SEQUENCE storm.names;
CREATE SEQUENCE storm.tokens;
CREATE TABLE storm.failed (code text, message text, sql text);

CREATE FUNCTION storm.below(n int) RETURNS int LANGUAGE sql AS 'SELECT floor(random() * n)::int';

CREATE FUNCTION storm.one_of(choices text[]) RETURNS text LANGUAGE sql AS 'SELECT choices[1 + storm.below(cardinality(choices))]';

-- what chance brings about may fail, and is looked at in the end
CREATE FUNCTION storm.try(VARIADIC steps text[]) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	step text;
BEGIN
	FOREACH step IN ARRAY steps
	LOOP
		EXECUTE step;
	END LOOP;
	RETURN true;
EXCEPTION WHEN OTHERS THEN
	INSERT INTO storm.failed VALUES (SQLSTATE, SQLERRM, step);
	RETURN false;
END $$;

CREATE FUNCTION storm.member(root regclass, condition text DEFAULT 'true') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	EXECUTE format('SELECT relid FROM pg_partition_tree(%L) WHERE %s ORDER BY random() LIMIT 1', root, condition) INTO found;
	RETURN found;
END $$;

CREATE FUNCTION storm.rows(n int) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(format('(%s, %s, ''v%s'', %s)', 1 + storm.below(80), 1 + storm.below(9), storm.below(1000),
		CASE WHEN random() < 0.15 THEN format('repeat(md5(''%s''), 100)', storm.below(50)) ELSE '''small''' END), ', ')
	FROM generate_series(1, n)
$$;

CREATE FUNCTION storm.write() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	root text := storm.one_of('{storm.p,storm.q}');
	into_any text := CASE WHEN random() < 0.6 THEN root ELSE coalesce(storm.member(root), root) END;
	part text := storm.one_of(ARRAY['id % 5 = ' || storm.below(5), 'id < ' || storm.below(40), 'k = ' || 1 + storm.below(9)]);
	change text := storm.one_of(ARRAY['v = v || ''x''', 'v = NULL', 'w = ''w''', 'k = 1 + k % 9', 'id = 1 + (id + 40) % 80', 'k = 1 + (k + 3) % 9, v = ''moved''']);
BEGIN
	IF random() < 0.3 THEN
		PERFORM storm.try(storm.one_of(ARRAY[
			format('INSERT INTO storm.base SELECT g, ''new'' FROM generate_series(%s, %1$s + 3) g ON CONFLICT DO NOTHING', storm.below(100)),
			format('INSERT INTO storm.keyed SELECT g, ''new'', %s FROM generate_series(%s, %2$s + 3) g ON CONFLICT (id) DO UPDATE SET v = excluded.v', storm.below(9), storm.below(100)),
			format('INSERT INTO storm.keyless SELECT g %% 3, ''new'', ''other'' FROM generate_series(1, %s) g', storm.below(9)),
			format('UPDATE storm.base SET v = %L WHERE id %% 7 = %s', 'v' || storm.below(100), storm.below(7)),
			format('UPDATE ONLY storm.base SET v = ''only'' WHERE id %% 7 = %s', storm.below(7)),
			format('UPDATE storm.base SET id = id + 100 WHERE id %% 17 = %s', storm.below(17)),
			format('DELETE FROM storm.base WHERE id %% 11 = %s', storm.below(11)),
			'DELETE FROM storm.base WHERE id > 150']));
		RETURN;
	END IF;
	PERFORM storm.try(storm.one_of(ARRAY[
		format('INSERT INTO %s (id, k, v, w) VALUES %s ON CONFLICT DO NOTHING', root, storm.rows(1 + storm.below(8))),
		format('INSERT INTO %s (id, k, v, w) VALUES %s ON CONFLICT DO NOTHING', root, storm.rows(1 + storm.below(8))),
		format('INSERT INTO %s (id, k, v, w) VALUES %s', into_any, storm.rows(1)),
		format('UPDATE %s SET %s WHERE %s', into_any, change, part),
		format('UPDATE %s SET %s WHERE %s', root, change, part),
		format('DELETE FROM %s WHERE %s AND id %% 3 = 0', into_any, part),
		format('MERGE INTO %s t USING (VALUES %s) s (id, k, v, w) ON t.id = s.id AND t.k = s.k WHEN MATCHED AND t.id %% 5 = 0 THEN DELETE'
			|| ' WHEN MATCHED THEN UPDATE SET k = 1 + t.k %% 9, v = s.v WHEN NOT MATCHED THEN INSERT (id, k, v, w) VALUES (s.id, s.k, s.v, s.w)', root, storm.rows(1)),
		format('WITH gone AS (DELETE FROM %s WHERE %s AND id < 20 RETURNING *) INSERT INTO %1$s (id, k, v, w) SELECT id, k, ''again'', w FROM gone', root, part)]));
	-- chance makes more and more of equal rows
	IF root = 'storm.q' AND random() < 0.1 THEN
		PERFORM storm.try('DELETE FROM storm.q WHERE ctid IN (SELECT ctid FROM storm.q ORDER BY random() LIMIT 200)');
	END IF;
END $$;

CREATE FUNCTION storm.change() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	root text := storm.one_of('{storm.p,storm.q}');
	number int := nextval('storm.names');
	name text := 'storm.l' || number;
	value int := 1 + storm.below(9);
	bound text := CASE WHEN random() < 0.1 THEN 'DEFAULT' ELSE format('FOR VALUES IN (%s)', value) END;
	top text := storm.member(root, format('parentrelid = %L::regclass AND (SELECT count(*) FROM pg_partition_tree(%1$L) WHERE level = 1) > 2', root));
	loose text := (SELECT oid::regclass FROM pg_class c WHERE relnamespace = 'storm'::regnamespace AND relkind IN ('r', 'p')
		AND NOT relispartition AND relname LIKE 'l%' ORDER BY random() LIMIT 1);
BEGIN
	SET LOCAL lock_timeout = '2s';
	CASE storm.below(9)
		WHEN 0 THEN
			PERFORM storm.try(format('CREATE TABLE %s PARTITION OF %s %s', name, root, bound));
		WHEN 1 THEN
			PERFORM storm.try(format('CREATE TABLE %s PARTITION OF %s %s PARTITION BY RANGE (id)', name, root, bound),
				format('CREATE TABLE %sa PARTITION OF %1$s FOR VALUES FROM (MINVALUE) TO (%s)', name, 10 + storm.below(40)),
				format('CREATE TABLE %sb PARTITION OF %1$s DEFAULT', name));
		WHEN 2, 3 THEN
			PERFORM storm.try(format('CREATE TABLE %s (v text, gone int, k int NOT NULL, id int NOT NULL, w text)', name),
				format('ALTER TABLE %s DROP gone', name),
				format('INSERT INTO %s (id, k, v) SELECT g, %s, ''came '' || g FROM generate_series(1, %s) g', name, value, storm.below(60)),
				format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%s)', root, name, value));
		WHEN 4 THEN
			PERFORM storm.try('TRUNCATE ' || storm.member(root, CASE WHEN random() < 0.1 THEN 'true' ELSE 'level > 0' END));
		WHEN 5 THEN
			IF top IS NOT NULL THEN
				PERFORM storm.try(format('ALTER TABLE %s DETACH PARTITION %s', root, top));
			END IF;
		WHEN 6 THEN
			IF top IS NOT NULL THEN
				PERFORM storm.try('DROP TABLE ' || top);
			END IF;
		WHEN 7 THEN
			IF loose IS NOT NULL THEN
				PERFORM storm.try(format('UPDATE %s SET k = %s, v = ''was loose''', loose, value),
					format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES IN (%s)', root, loose, value));
				PERFORM storm.try('DROP TABLE ' || loose) FROM pg_class WHERE oid = to_regclass(loose) AND NOT relispartition AND random() < 0.5;
			END IF;
		WHEN 8 THEN
			PERFORM storm.try(storm.one_of(ARRAY['TRUNCATE ONLY storm.base', 'TRUNCATE storm.base', 'TRUNCATE storm.keyless',
				'ALTER TABLE storm.keyless NO INHERIT storm.base', 'ALTER TABLE storm.keyless INHERIT storm.base',
				'ALTER TABLE storm.keyed NO INHERIT storm.base', 'ALTER TABLE storm.keyed INHERIT storm.base']));
	END CASE;
END $$;
SQL
foreach my $root ('p', 'q')
{
	$pair->sql("CREATE TABLE storm.l_$root$_ PARTITION OF storm.$root FOR VALUES IN ($_)") foreach 1 .. 6;
	$pair->sql("INSERT INTO storm.$root SELECT g, 1 + g % 6, 'first', 'w' FROM generate_series(1, 80) g");
}

my %scripts = (
	write => [ 6, <<'SQL' ],
SELECT setseed(:n / 1000000000.0);
BEGIN;
SELECT storm.write();
SELECT storm.write();
INSERT INTO storm.token VALUES (nextval('storm.tokens'));
COMMIT;
SQL
	savepoint => [ 2, <<'SQL' ],
SELECT setseed(:n / 1000000000.0);
BEGIN;
SELECT storm.write();
SAVEPOINT s;
SELECT storm.change();
SELECT storm.write();
ROLLBACK TO s;
SELECT storm.write();
COMMIT;
SQL
	change => [ 2, <<'SQL' ],
SELECT setseed(:n / 1000000000.0);
BEGIN;
SELECT storm.write();
SELECT storm.change();
SELECT storm.write();
COMMIT;
SQL
);
my $folder = PostgreSQL::Test::Utils::tempdir('storm');
my @load = (
	'pgbench', '-n', '-h', $source->host, '-p', $source->port, '-c', 3, '-R', 60, '-T', 20, '--max-tries=1000',
	'--random-seed=' . random_below(1_000_000_000));
foreach my $name (sort keys %scripts)
{
	append_to_file("$folder/$name.sql", "\\set n random(0, 1000000000)\n$scripts{$name}[1]");
	push @load, '-f', "$folder/$name.sql\@$scripts{$name}[0]";
}
my $load;

sub start_load
{
	my $seed = 0;

	$load = DbsyncTest::Bank::start_process(
		sub {
			$ENV{PGAPPNAME} = 'load';
			# not the same choices again and again
			my @command = map { /^--random-seed=(\d+)/ ? '--random-seed=' . ($1 + ++$seed) : $_ } @load;
			IPC::Run::run([ @command, 'postgres' ], '>', '/dev/null', '2>>', "$folder/errors");
		});
	return;
}

sub stop_load
{
	DbsyncTest::Bank::end_process($load);
	undef $load;
	return becomes_true($source, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'load'");
}

sub token_of
{
	my ($node) = @_;
	return ask($node, 'SELECT max(n) FROM storm.token') || 0;
}

# Until the target has what the source has now, and some more: a moment by chance.
sub goes_on
{
	my ($atmost) = @_;
	my $goal = token_of($source) + 1 + random_below($atmost);
	my $reached = poll_until(sub { token_of($target) >= $goal }, "token $goal at the target");

	$pair->describe_state('no progress') unless $reached;
	return $reached;
}

# --- what is equal

sub is_equal
{
	my ($test) = @_;
	my $right = 1;

	foreach my $table ('(SELECT id, k, v, w FROM storm.p)', '(SELECT id, k, v, w FROM storm.q)',
		'ONLY storm.base', 'ONLY storm.keyed', 'ONLY storm.keyless', 'storm.token')
	{
		$right &= DbsyncTest::Server::same_rows($source, $target, $table, "$test: $table");
	}
	my $rows = 'SELECT (id, k, v, w)::text FROM ';
	my %kept = map { $_ => 1 } split /\n/, ask($target, "$rows storm.kept");
	my @lacks = grep { !$kept{$_} } split /\n/, ask($source, "$rows storm.p");
	$right &= is(join(' ', @lacks), '', "$test: who keeps has all rows that are there");
	$right &= is(ask($source, <<'SQL'), '', "$test: dbsync.partition says which partitions there are");
SELECT string_agg(DISTINCT coalesce(there.relid, p.relid)::regclass::text, ' ')
FROM (SELECT c.id, t.relid::oid, t.isleaf FROM dbsync.captured_table c, pg_partition_tree(c.relid) t WHERE t.level > 0) there
	FULL JOIN dbsync.partition p ON p.captured_id = there.id AND p.relid = there.relid AND p.leaf = there.isleaf
WHERE there.relid IS NULL OR p.relid IS NULL
SQL
	$right &= is(ask($source, "SELECT string_agg(t.state || coalesce(t.held_for, ''), '; ') FROM dbsync.table_status t WHERE t.held_for IS NOT NULL OR t.state <> 'live'"),
		'', "$test: no table is held");
	$right &= is(ask($source, 'SELECT coalesce(sum(missing_rows), 0) FROM dbsync.table_status'), '0', "$test: no row was missing");
	return $right;
}

sub all_arrives
{
	my ($test) = @_;

	return $pair->arrives('storm', $test) && $pair->arrives('keeps', "$test, where rows are kept");
}

# --- who dies

sub kill_backend
{
	my ($node, $pid) = @_;

	kill('KILL', $pid);
	poll_until(sub { !kill(0, $pid) }, "end of process $pid");
	DbsyncTest::wait_until_up($node);
	return;
}

my $large = 0;

# A table with many rows, and a backend that attaches it: what it does is given the session, which
# says nothing any more when it is dead.
sub with_attach
{
	my ($function) = @_;
	my $root = random_below(2) ? 'storm.p' : 'storm.q';
	my $name = 'storm.large' . ++$large;
	my $value = 100 + $large;

	$pair->sql("CREATE TABLE $name (v text, k int NOT NULL, id int NOT NULL, w text);"
		  . "INSERT INTO $name SELECT 'large', $value, g, 'w' FROM generate_series(1, 20000) g");
	my $session = $source->background_psql('postgres', on_error_stop => 0);
	my ($pid) = $session->query('SELECT pg_backend_pid()');

	$function->($session, $pid, "ALTER TABLE $root ATTACH PARTITION $name FOR VALUES IN ($value)");
	kill_backend($source, $pid);
	eval { $session->quit };
	my $is_there = ask($source, "SELECT relispartition FROM pg_class WHERE oid = '$name'::regclass");

	note("$name of $root is " . ($is_there eq 't' ? '' : 'not ') . 'there');
	# it makes all that follows slower, so it goes again, sooner or later
	poll_until(sub { defined ask($source, "DROP TABLE $name") }, "DROP TABLE $name") if random_below(3);
	return;
}

my %accidents = (
	(map { ($_->[0] => $_->[1]) } $pair->victims('storm')),
	'the source, by immediate shutdown' => sub {
		$source->stop('immediate');
		$source->start;
	},
	'a backend in the middle of ATTACH' => sub {
		with_attach(
			sub {
				my ($session, $pid, $attach) = @_;

				$session->query_until(qr/begins/, "\\echo begins\n$attach;\n");
				poll_until(sub { ask($source, "SELECT query LIKE 'ALTER%' FROM pg_stat_activity WHERE pid = $pid") eq 't' }, $attach);
				# at a moment by chance
				ask($source, 'SELECT 1') foreach 1 .. random_below(30);
			});
	},
	'a backend that has attached and not committed' => sub {
		with_attach(
			sub {
				my ($session, $pid, $attach) = @_;

				$session->query("BEGIN; SET LOCAL lock_timeout = '10s'; $attach");
			});
	},
	'a backend in the middle of DETACH CONCURRENTLY' => sub {
		my ($root, $name) = ('storm.p', 'storm.slow' . ++$large);
		my $value = 100 + $large;

		# a default partition is in the way of it, so the table is another's for now
		stop_load();
		$pair->sql("DO \$\$ DECLARE t text; BEGIN FOR t IN SELECT c.oid::regclass FROM pg_class c JOIN pg_inherits ON inhrelid = c.oid"
			  . " WHERE inhparent = '$root'::regclass AND pg_get_expr(relpartbound, c.oid) = 'DEFAULT' LOOP EXECUTE 'DROP TABLE ' || t; END LOOP; END \$\$");
		$pair->sql("CREATE TABLE $name PARTITION OF $root FOR VALUES IN ($value); INSERT INTO $root SELECT g, $value, 'slow' FROM generate_series(1, 500) g");
		my $reader = $source->background_psql('postgres', on_error_stop => 0);
		my $session = $source->background_psql('postgres', on_error_stop => 0);
		my ($pid) = $session->query('SELECT pg_backend_pid()');
		$reader->query("BEGIN; SELECT count(*) FROM $root");
		$session->query_until(qr/begins/, "\\echo begins\nALTER TABLE $root DETACH PARTITION $name CONCURRENTLY;\n");
		becomes_true($source, "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = '$name'::regclass");
		kill_backend($source, $pid);
		eval { $_->quit } foreach $reader, $session;
		is(ask($source, "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = '$name'::regclass"), 't', 'it is half detached');
		# by its own name it is still there
		$pair->sql("UPDATE $name SET v = 'half' WHERE id % 2 = 0");
		start_load();
		goes_on(20);
		poll_until(sub { defined ask($source, "ALTER TABLE $root DETACH PARTITION $name FINALIZE") }, "FINALIZE of $name");
		poll_until(sub { defined ask($source, "DROP TABLE $name") }, "DROP TABLE $name");
	},
	'the worker in a first copy' => sub {
		# what has not arrived yet need not, then
		foreach my $table ('storm.p', 'storm.q', 'storm.keyless')
		{
			poll_until(sub { defined ask($source, "SELECT dbsync.copy_table('storm', '$table', existing_rows => 'truncate')") }, "copy of $table");
		}
		ask($source, 'SELECT 1') foreach 1 .. random_below(20);
		my $pid = $pair->wait_for_worker('storm') or return;

		kill('KILL', $pid);
		poll_until(sub { !kill(0, $pid) }, 'end of the worker');
		DbsyncTest::wait_until_up($source);
	});

$pair->subscribe('storm', [ map { "storm.$_" } qw(p q base keyed keyless token) ], on_partition_drop => "'delete'");
$pair->sql("SELECT dbsync.create_subscription('keeps', 'far')");
$pair->sql("SELECT dbsync.add_table('keeps', 'storm.p', target_table => 'storm.kept')");
# the copies go on beside the load
start_load();
$pair->start_subscription($_) foreach 'storm', 'keeps';
goes_on(20);

ROUND:
foreach my $round (1 .. $rounds)
{
	my $number = 0;

	foreach my $accident (sort { rand() <=> 0.5 } sort keys %accidents)
	{
		goes_on(30);
		note("round $round: $accident");
		$accidents{$accident}->();
		ok(goes_on(30), "round $round: goes on after the end of $accident") or last ROUND;
		# between some of them it comes to rest
		next if ++$number % 3 && $number < keys %accidents;
		stop_load();
		all_arrives("round $round, $accident: all arrives") or last ROUND;
		is_equal("round $round, $accident") or last ROUND;
		start_load();
	}
}
stop_load() if $load;

# --- what failed did so for a reason

my %may_fail = map { $_ => 1 } (
	'23505',    # the key is there already
	'23514',    # no partition for the row, or its default has rows of another's
	'42P17',    # partitions would overlap
	'42P16',    # it is attached already; it is half detached
	'21000',    # MERGE meets a row twice
	'0A000',    # the row would leave its leaf in ON CONFLICT
	'42804',    # it was the other's, and has no NOT NULL
	'42P01',    # it has gone meanwhile
	'42P07',    # it inherits already
	'55P03', '40P01', '40001',    # others are in the way
	'55006');    # the transaction has not done with it
my @failed = split /\n/, $pair->sql('SELECT code, count(*), min(message), min(sql) FROM storm.failed GROUP BY code ORDER BY code');
my @unexpected = grep { my ($code) = split /\|/; !$may_fail{$code} } @failed;

note("failed: $_") foreach @failed;
is(join("\n", grep { !/XX000.*(could not open relation with OID|concurrently)/ } @unexpected), '', 'no statement failed but for a reason of its own');
my @errors = grep { /ERROR:/ } split /\n/, -e "$folder/errors" ? slurp_file("$folder/errors") : '';
is(join("\n", @errors), '', 'no transaction of the load failed as a whole');
note(token_of($source) . ' tokens, ' . $pair->sql("SELECT last_value FROM storm.names") . ' changes');

END
{
	my $status = $?;
	DbsyncTest::Bank::end_process($load) if $load;
	$? = $status;
}

DbsyncTest::finish();

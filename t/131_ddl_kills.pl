# DDL every second, beside a load of bank transfers, and whatever dies meanwhile: worker, its
# backend at the target, both postmasters.  Both ends are equal behind it, columns and rows, and
# no reader of the target ever sees half a transaction.  Meanwhile a table that changes as well is held, and let
# go, with each of them in between.  A second subscription, stopped through
# ten shapes and more, catches up.  First copies go on beside DDL, and begin anew where the key
# that they go by changes (review A17, hazards 7, 54).
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until random_below uri_of);
use DbsyncTest::Bank;
use DbsyncTest::Changing;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 1;
my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.segment_size = '256kB'
dbsync.retention_interval = '200ms'
dbsync.copy_chunk_rows = 500
CONF
my ($source, $target) = ($pair->source, $pair->target);
my $bank = DbsyncTest::Bank->open_bank($pair);
my @tables = @DbsyncTest::Bank::tables;

DbsyncTest::Changing::create_state($pair);
$target->safe_psql('postgres', 'CREATE DATABASE later TEMPLATE postgres');
$pair->create_target('later', uri_of($target, database => 'later'));

# One change of one of the bank's tables: columns that its clients do not ask for come, go, and
# change in every way, and so does a key.
$pair->sql(<<'SQL');
CREATE SEQUENCE storm.changes;
CREATE FUNCTION storm.change() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n bigint := nextval('storm.changes');
	tab text := (ARRAY['public.checking', 'public.savings', 'public.journal'])[n % 3 + 1];
	names text[] := ARRAY(SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = tab::regclass AND NOT attisdropped
		AND attname LIKE 'extra%' ORDER BY attnum);
	name text := names[n % greatest(cardinality(names), 1) + 1];
	key text := (SELECT conname FROM pg_constraint WHERE conrelid = tab::regclass AND contype = 'p');
BEGIN
	SET LOCAL lock_timeout = '2s';
	IF cardinality(names) < 3 THEN
		EXECUTE format('ALTER TABLE %s ADD COLUMN extra%s %s', tab, n, (ARRAY['int DEFAULT 5 NOT NULL', 'text', 'timestamptz DEFAULT now()', 'varchar(20) DEFAULT ''d'''])[n % 4 + 1]);
		EXECUTE format('UPDATE %s SET extra%s = DEFAULT WHERE id %% 5 = 0', tab, n);
	ELSIF n % 7 = 0 THEN
		EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I PRIMARY KEY (%s)', tab, key, (ARRAY['id', 'part, id'])[1 + (n / 7) % 2]);
	ELSIF n % 5 = 0 THEN
		EXECUTE format('ALTER TABLE %s RENAME COLUMN %s TO extra%s', tab, name, n);
	ELSIF n % 5 = 1 AND cardinality(names) > 1 THEN
		-- rows between two changes, in one transaction
		EXECUTE format('ALTER TABLE %s DROP COLUMN %s', tab, names[1]);
		EXECUTE format('UPDATE %s SET part = part WHERE id %% 3 = 0', tab);
		EXECUTE format('ALTER TABLE %s ADD COLUMN extra%s numeric DEFAULT 1.5', tab, n);
	ELSIF n % 5 = 2 THEN
		EXECUTE format('ALTER TABLE %s ALTER COLUMN part TYPE bigint', tab);
		EXECUTE format('ALTER TABLE %s ALTER COLUMN part SET DEFAULT %s', tab, n % 10);
	ELSE
		EXECUTE format('ALTER TABLE %s DROP COLUMN %s', tab, name);
	END IF;
	-- and of one that is held now and then
	SELECT quote_ident(attname) INTO name FROM pg_attribute WHERE attrelid = 'public.beside'::regclass AND NOT attisdropped
		AND attname LIKE 'extra%' ORDER BY attnum LIMIT 1;
	EXECUTE format('INSERT INTO public.beside (id, v) VALUES (%s, %1$s)', n);
	IF name IS NULL OR n % 3 = 1 THEN
		EXECUTE format('ALTER TABLE public.beside ADD COLUMN extra%s int DEFAULT %1$s', n);
	ELSIF n % 3 = 2 THEN
		EXECUTE format('ALTER TABLE public.beside RENAME COLUMN %s TO extra%s', name, n);
	ELSE
		EXECUTE format('ALTER TABLE public.beside DROP COLUMN %s', name);
	END IF;
	EXECUTE format('UPDATE public.beside SET v = v + 1 WHERE id %% 5 = %s', n % 5);
END $$;
CREATE TABLE public.beside (id int PRIMARY KEY, v int);
SQL
$pair->target_sql('CREATE TABLE public.beside (id int PRIMARY KEY, v int)');
$pair->both("ALTER TABLE $_ ADD COLUMN part int NOT NULL DEFAULT 0") foreach @tables;
$target->safe_psql('later', "ALTER TABLE $_ ADD COLUMN part int NOT NULL DEFAULT 0") foreach @tables;

foreach my $name ('bank', 'later')
{
	$pair->subscribe($name, [ @tables, $name eq 'bank' ? 'public.beside' : () ], ddl => "'apply'", target => $name eq 'bank' ? 'far' : 'later');
	$pair->start_subscription($name);
	$pair->arrives($name, "$name: the first copy arrives");
}
$pair->stop_subscription('later');

sub changes
{
	return ask($source, 'SELECT last_value FROM storm.changes') || 0;
}

sub shapes
{
	return ask($source, 'SELECT count(*) FROM dbsync.shape') || 0;
}

# Columns, keys and rows of tables at both ends.
sub is_equal
{
	my ($database, $test, @names) = @_;
	my $state = DbsyncTest::Changing::state_sql(@names);

	return is(ask($target, $state, $database), ask($source, $state), $test);
}

sub beside_becomes
{
	my ($state, $test) = @_;
	my $reached = ok(becomes_true($source,
			"SELECT state = '$state' FROM dbsync.table_status WHERE subscription = 'bank' AND \"table\" = 'public.beside'::regclass"), $test);

	$pair->describe_state("it is not $state") unless $reached;
	return $reached;
}

# --- kills

my $folder = PostgreSQL::Test::Utils::tempdir('changes');
PostgreSQL::Test::Utils::append_to_file("$folder/change.sql", "SELECT storm.change();\n");
$bank->start_reader(with_ddl => 1);
$bank->start_load(rate => 60);
$bank->start_load(rate => 40, synchronous_commit => 'off');
push @{ $bank->{loads} }, DbsyncTest::Bank::start_process(
	sub {
		$ENV{PGAPPNAME} = 'bank';
		system('pgbench', '-n', '-h', $source->host, '-p', $source->port, '-R', 1.5, '-T', 20, '--max-tries=10',
			'-f', "$folder/change.sql", 'postgres');
	});

my %accidents = (
	'kill -9 of the worker' => sub {
		my $pid = $pair->wait_for_worker('bank') or return;
		kill('KILL', $pid);
		poll_until(sub { !kill(0, $pid) }, 'end of the worker');
		DbsyncTest::wait_until_up($source);
	},
	'kill -9 of a backend of the target' => sub {
		my @pids;
		poll_until(sub { @pids = $pair->applying_pids }, 'a backend of the worker') or return;
		kill('KILL', $pids[0]);
		poll_until(sub { !kill(0, $pids[0]) }, 'end of the backend');
		DbsyncTest::wait_until_up($target);
	},
	'kill -9 of the source' => sub { DbsyncTest::crash_and_restart($source) },
	'kill -9 of the target' => sub { DbsyncTest::crash_and_restart($target) });

ROUND:
foreach my $round (1 .. $rounds)
{
	my $number = 0;

	foreach my $accident (sort { rand() <=> 0.5 } sort keys %accidents)
	{
		my $changes = changes() + 2 + random_below(2);

		poll_until(sub { changes() >= $changes }, "$changes changes");
		if ($number++ == 0)
		{
			beside_becomes('live', "round $round: a table is not held") or last ROUND;
			$pair->target_sql('ALTER TABLE public.beside RENAME v TO v_away');
			beside_becomes('held', "round $round: it is held before $accident") or last ROUND;
		}
		$accidents{$accident}->();
		ok($bank->make_progress(60), "round $round: goes on after $accident") or last ROUND;
		beside_becomes('held', "round $round: the table is held after it") or last ROUND if $number <= 2;
		next if $number != 2;
		# it catches up between windows, so under a load that outruns the worker it may be held until that ends
		$pair->target_sql('ALTER TABLE public.beside RENAME v_away TO v');
		$pair->sql(q{SELECT dbsync.resume_table('bank', 'public.beside')});
	}
}
my $enough = shapes() + 10;
poll_until(sub { shapes() >= $enough }, 'ten more shapes');
$bank->stop_load;
$bank->balances('bank');
is_equal('postgres', 'both ends are equal, columns and keys, too', @tables, 'public.beside');
$bank->stop_reader;
is(ask($source, "SELECT string_agg(held_for, '; ') FROM dbsync.table_status WHERE subscription = 'bank'"), '', 'no table is held');

# --- the one that stood still

$pair->start_subscription('later');
$pair->arrives('later', 'a subscription that was stopped through many shapes catches up');
is_equal('later', 'and its target is what the source is', @tables);
note(shapes() . ' shapes, ' . changes() . ' changes');

# --- first copies: a trigger at the target stops them behind so many rows

$pair->both('CREATE TABLE public.copied (a int, b int NOT NULL, t text, PRIMARY KEY (a))');
$pair->target_sql(<<'SQL');
CREATE TABLE storm.gate (rows bigint);
INSERT INTO storm.gate VALUES (0);
CREATE FUNCTION storm.gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT count(*) FROM public.copied) >= (SELECT rows FROM storm.gate) THEN
		PERFORM pg_advisory_xact_lock_shared(4712);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER gate AFTER INSERT ON public.copied FOR EACH STATEMENT EXECUTE FUNCTION storm.gate();
ALTER TABLE public.copied ENABLE ALWAYS TRIGGER gate;
SQL
my $total = 6000;

sub gate_waits
{
	return becomes_true($target, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
}

# what comes while the copy is held up, what may be killed then, and is the copy to begin anew?
my @interruptions = (
	[ 'ADD COLUMN', 'ALTER TABLE public.copied ADD COLUMN c1 int DEFAULT 4; UPDATE public.copied SET c1 = a WHERE a % 10 = 0', 0 ],
	[ 'another key', 'ALTER TABLE public.copied DROP CONSTRAINT copied_pkey, ADD PRIMARY KEY (b, a); UPDATE public.copied SET b = -b WHERE a % 7 = 0; DELETE FROM public.copied WHERE a % 11 = 0', 1 ],
	[ 'another type of the key', 'BEGIN; UPDATE public.copied SET t = $$x$$ WHERE a % 13 = 0; ALTER TABLE public.copied ALTER b TYPE bigint; INSERT INTO public.copied (a, b) VALUES (-1, 5000000000), (-2, -6000000000); COMMIT', 1 ],
	[ 'RENAME and DROP COLUMN', 'ALTER TABLE public.copied RENAME COLUMN a TO aa; ALTER TABLE public.copied DROP COLUMN t; INSERT INTO public.copied (aa, b) SELECT i, i FROM generate_series(-50, -30) i', 0 ]);

$pair->sql("INSERT INTO public.copied SELECT i, $total - i, 't' || i FROM generate_series(1, $total) i");
my $adding = "SELECT dbsync.add_table('bank', 'public.copied')";
foreach my $interruption (@interruptions)
{
	my ($what, $sql, $anew) = @$interruption;
	my $log = -s $source->logfile;
	my $guard = $target->background_psql('postgres', on_error_stop => 0);

	$guard->query_safe('BEGIN; SELECT pg_advisory_xact_lock(4712)');
	$pair->target_sql('UPDATE storm.gate SET rows = ' . int($total / 2));
	$pair->sql($adding);
	ok(gate_waits(), "$what: the copy is held up on its way");
	# while a chunk is read the table is locked: the change comes behind it, before the next one
	my $changer = $source->background_psql('postgres');
	$changer->query_until(qr/begins/, "\\echo begins\n$sql;\n\\echo done\n");
	ok(becomes_true($source, "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'public.copied'::regclass AND NOT granted"),
		"$what: it waits for a chunk");
	$guard->query('ROLLBACK');
	$guard->quit;
	$changer->query_until(qr/done/, '');
	$changer->quit;
	if (random_below(2))
	{
		my $pid = $pair->worker_pid('bank');
		kill('KILL', $pid) if $pid;
		DbsyncTest::wait_until_up($source);
		note('and the worker is killed');
	}
	$pair->arrives('bank', "$what in the middle of a copy: it arrives");
	is_equal('postgres', "$what in the middle of a copy: both ends are equal", 'public.copied');
	is(scalar(PostgreSQL::Test::Utils::slurp_file($source->logfile, $log) =~ /table public.copied is copied anew/), $anew ? 1 : '',
		"$what: the copy begins anew" . ($anew ? '' : ' not at all'));
	$adding = "SELECT dbsync.copy_table('bank', 'public.copied', existing_rows => 'truncate')";
}

DbsyncTest::finish();

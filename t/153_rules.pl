# Many tables by a rule, while clients write to some of them, and others come and go: capture is put
# on, taken off, and put on again.  Nobody is the victim of a deadlock, and whoever writes waits no
# longer than for one attempt to install: the server looks for deadlocks much sooner than it would, and
# the clients' lock_timeout ends them if anything holds them up.  Whole tables at both ends.
# Design of tables, D26, hazards 9 and 10.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(becomes_true poll_until random_below);
use IPC::Run qw(start);
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 1;
my $ntables = 100 * ($rounds < 3 ? $rounds : 3);
my $nlive = 50;
my $nnew = 10 * $rounds;
srand(my $seed = $ENV{DBSYNC_TEST_SEED} // time);
note("seed $seed");

my $conf = "deadlock_timeout = 30ms\nlog_lock_waits = off\nmax_connections = 50\n";
my $pair = DbsyncTest->new(
	source_conf => $conf . "dbsync.install_lock_timeout = 200ms\ndbsync.retention_interval = 200ms\ndbsync.retry_max = 1s\n",
	target_conf => $conf);
my ($source, $target) = ($pair->source, $pair->target);

$pair->both(<<"SQL");
CREATE SCHEMA many;
DO \$\$
BEGIN
    FOR i IN 1 .. $ntables LOOP
        EXECUTE format('CREATE TABLE many.t%s (id bigint PRIMARY KEY, v text)', i);
    END LOOP;
END \$\$;
CREATE TABLE many.root (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE many.leaf_1 PARTITION OF many.root FOR VALUES FROM (0) TO (1000000);
CREATE TABLE many.leaf_2 PARTITION OF many.root FOR VALUES FROM (1000000) TO (2000000);
CREATE SEQUENCE public.ids;
CREATE FUNCTION public.sums(names text[]) RETURNS SETOF text LANGUAGE plpgsql AS \$\$
DECLARE
    name text;
    n text;
BEGIN
    FOREACH name IN ARRAY names LOOP
        EXECUTE format('SELECT count(*) || '' '' || coalesce(md5(string_agg(x::text, '','' ORDER BY x::text COLLATE "C")), '''') FROM %s x', name) INTO n;
        RETURN NEXT name || ' ' || n;
    END LOOP;
END \$\$;
SQL
$pair->target_sql("CREATE TABLE many.n$_ (id bigint " . ($_ % 4 == 1 ? "PRIMARY KEY" : "") . ", v text)") foreach 1 .. $nnew;
$pair->sql("INSERT INTO many.t$_ SELECT -i, 'there before' FROM generate_series(1, 20) i") foreach 1 .. $ntables;

# --- clients

my $script = PostgreSQL::Test::Utils::tempdir() . '/live.sql';
append_to_file($script, <<"SQL");
\\set a random(1, $nlive)
\\set b random(1, $nlive)
\\set c random(1, $nlive)
\\set r random(1, 1000000)
BEGIN;
INSERT INTO many.t:a SELECT nextval('public.ids'), 'live';
INSERT INTO many.leaf_1 VALUES (:r, 'leaf') ON CONFLICT DO NOTHING;
INSERT INTO many.t:b SELECT nextval('public.ids'), 'live';
INSERT INTO many.root VALUES (:r + 999999, 'root') ON CONFLICT DO NOTHING;
DELETE FROM many.t:c WHERE id = (SELECT max(id) FROM many.t:c WHERE id % 4 = :client_id) AND id % 4 = :client_id;
END;
SQL
# rows of their own, so that what they wait for is never each other: a quarter of the keys each
my ($said, $complained) = ('', '');
my $clients;
{
	local $ENV{PGOPTIONS} = '-c lock_timeout=3s -c deadlock_timeout=30ms';
	$clients = start([ 'pgbench', '-n', '-h', $source->host, '-p', $source->port, '-c', 4, '-j', 1, '-R', 100, '-T', 3600,
			'-f', $script, 'postgres' ], '>', \$said, '2>', \$complained);
}
becomes_true($source, "SELECT last_value > 100 FROM public.ids") or die 'no traffic';

sub goes_on
{
	my ($test) = @_;
	my $from = $pair->sql('SELECT last_value FROM public.ids');

	return ok(becomes_true($source, "SELECT last_value > $from + 50 FROM public.ids") && $clients->pumpable, $test);
}

# --- on

$pair->sql("SELECT dbsync.create_subscription('sub', 'far', schemas => '{many}', existing_rows => 'truncate')");
$pair->start_subscription('sub');

my @there;
foreach my $i (1 .. $nnew)
{
	my $live = 1 + random_below($nlive);

	# what comes and goes meanwhile, with writes to others in the same transactions
	if ($i % 4 == 0)
	{
		$pair->sql("CREATE TABLE many.n$i AS SELECT g::bigint AS id, 'as' AS v FROM generate_series(1, 5) g");
	}
	elsif ($i % 4 == 1)
	{
		$pair->sql("BEGIN; INSERT INTO many.t$live VALUES (nextval('public.ids'), 'beside'); "
			  . "CREATE TABLE many.n$i (id bigint PRIMARY KEY, v text); INSERT INTO many.n$i VALUES (1, 'same transaction'); COMMIT");
	}
	else
	{
		$pair->sql("CREATE TABLE many.n$i (id bigint, v text)");
	}
	$pair->sql("INSERT INTO many.n$i VALUES (10, 'later')");
	push @there, $i;
	if ($i % 3 == 0)
	{
		my $n = splice(@there, random_below(scalar @there), 1);
		$pair->sql("BEGIN; DROP TABLE many.n$n; INSERT INTO many.t$live VALUES (nextval('public.ids'), 'beside'); COMMIT");
		next if $i % 2;
		$pair->sql("CREATE TABLE many.n$n (id bigint, v text); INSERT INTO many.n$n VALUES ($n, 'anew')");
		push @there, $n;
	}
}
goes_on('clients go on while capture is put on');
is($pair->sql("SELECT count(*) FROM dbsync.table_status WHERE state = 'suspended'"), 0, 'nothing is suspended');
ok(becomes_true($source, "SELECT count(*) = 0 FROM dbsync.table_status WHERE state <> 'live'"), 'all tables are live')
  or $pair->describe_state('not all are live');
is($pair->sql("SELECT string_agg(\"table\"::text || ': ' || reason, ', ') FROM dbsync.refused"), '', 'no table is refused');

# --- off, with the clients in the tables, and on again

my $half = join ',', map { "many.t$_" } grep { $_ % 2 } 1 .. $ntables;
$pair->sql("SELECT dbsync.alter_subscription('sub', except_tables => '{$half,many.root}')");
goes_on('clients go on while capture is taken off');
ok(becomes_true($source, "SELECT count(*) = 0 FROM dbsync.captured_table WHERE state = 'removing'"), 'capture is off the tables that were left out');
$pair->sql("SELECT dbsync.alter_subscription('sub', except_tables => '{}')");
ok(becomes_true($source, "SELECT count(*) = 0 FROM dbsync.table_status WHERE state <> 'live'"), 'all tables are live again')
  or $pair->describe_state('not all are live');
goes_on('clients go on');

# --- whole tables

ok($clients->pumpable, 'no client has been ended') or diag($complained);
$clients->signal('TERM');
eval { $clients->finish };
unlike($complained, qr/ERROR|aborted/, 'no client has met an error');
becomes_true($source, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgbench'") or die 'clients do not end';
$pair->arrives('sub', 'all arrives');
my $names = $pair->sql("SELECT array_agg(c.oid::regclass::text ORDER BY c.oid::regclass::text COLLATE \"C\") FROM pg_class c WHERE c.relnamespace = 'many'::regnamespace AND c.relkind IN ('r', 'p')");
my $here = $pair->sql("SELECT string_agg(s, E'\\n') FROM public.sums('$names') s");
is($pair->target_sql("SELECT string_agg(s, E'\\n') FROM public.sums('$names') s"), $here, 'all tables are the same at both ends');
cmp_ok(scalar(split /\n/, $here), '>', $ntables, 'which are many');
note("rows here: " . $pair->sql("SELECT sum(split_part(s, ' ', 2)::int) FROM public.sums('$names') s"));

$pair->stop_subscription('sub');
$pair->sql("SELECT dbsync.drop_subscription('sub')");
is($pair->sql("SELECT count(*) FROM pg_trigger WHERE tgfoid = 'dbsync_internal.capture'::regproc"), 0, 'nothing is left of it');
foreach my $node ($source, $target)
{
	unlike(slurp_file($node->logfile), qr/deadlock detected/, 'no deadlock in the log of the ' . $node->name);
}
$pair->finish;

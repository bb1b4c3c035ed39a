# What verify() refuses, and how it says so: targets that cannot show their rows (folders), by the feature's name; transactions that it
# could not be right in; tables that are held, suspended or being copied; hours that are over; a subscription that is stopped gets a
# worker for the time, and is stopped again.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true);
use DbsyncTest::Verifying qw(verify);
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(source_conf => "dbsync.poll_interval = '100ms'");
my $source = $pair->source;

sub error_of
{
	my ($sql) = @_;
	my (undef, undef, $error) = $source->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $error;
}

# --- a folder

my $root = PostgreSQL::Test::Utils::tempdir() . '/outbox';
$pair->sql('CREATE TABLE public.filed (id int PRIMARY KEY, v text); INSERT INTO public.filed VALUES (1, \'one\')');
$pair->create_target('gate', "file://$root");
$pair->subscribe('files', ['public.filed'], target => 'gate');
foreach my $how ('stopped', 'running')
{
	$pair->start_subscription('files'), $pair->arrives('files') if $how eq 'running';
	foreach my $more ('', ", 'public.filed', repair => true", ', sample => 0.1')
	{
		my $error = error_of("SELECT * FROM dbsync.verify('files'$more)");
		like($error, qr/ERROR:  0A000: target "gate" cannot be compared/, "a $how subscription to a folder is refused ($more)");
		like($error, qr/driver "\w+" does not have the feature COMPARE/, 'by the feature\'s name');
	}
}
like(error_of("SELECT dbsync.alter_subscription('files', verify_policy => 'interval 1 h')"), qr/0A000: verify_policy cannot be given for target "gate".*COMPARE/s,
	'nor is it verified by the clock');
like(error_of("SELECT dbsync.create_subscription('files2', 'gate', verify_policy => 'interval 1 h')"), qr/0A000: verify_policy cannot be given.*COMPARE/s, 'nor made so');
$pair->sql("INSERT INTO public.filed VALUES (2, 'two')");
$pair->arrives('files', 'it goes on');
is($pair->sql('SELECT count(*) FROM dbsync.verify_status'), '0', 'and nothing is under way');
is($pair->sql("SELECT count(*) FROM dbsync.verification WHERE verdict = 'equal'"), '0', 'nor was anything proved');

# --- transactions

$pair->both("CREATE TABLE public.$_ (id int PRIMARY KEY, v text)") foreach 'a', 'b', 'c';
$pair->sql("INSERT INTO public.$_ SELECT i, 'v' FROM generate_series(1, 100) i") foreach 'a', 'b', 'c';
$pair->subscribe('sub', [ 'public.a', 'public.b', 'public.c' ]);
like(error_of("BEGIN; INSERT INTO public.a VALUES (0, 'x'); SELECT * FROM dbsync.verify('sub')"), qr/25001: .* in a transaction that has written/, 'one that has written');
like(error_of("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM dbsync.verify('sub')"), qr/25001: .*REPEATABLE READ/, 'REPEATABLE READ');
like(error_of("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1; SELECT * FROM dbsync.verify('sub')"), qr/25001: .*SERIALIZABLE/, 'SERIALIZABLE');
like(error_of("BEGIN; SAVEPOINT s; DELETE FROM public.a WHERE id = -1; ROLLBACK TO s; SELECT * FROM dbsync.verify('sub')"), qr/^$/, 'one that has written nothing is none of them');

# --- a subscription that is stopped

is(join(' ', map { $_->[0] } values %{ verify($pair, "'sub'") }), 'skipped skipped skipped', 'before its first copy there is nothing to compare');
$pair->start_subscription('sub');
$pair->arrives('sub', 'the first copies arrive');
$pair->stop_subscription('sub');
$pair->sql("UPDATE public.a SET v = 'pending' WHERE id < 10; DELETE FROM public.b WHERE id = 5");
my $verdict = verify($pair, "'sub'");
is(join(' ', map { "$_ $verdict->{$_}[0]" } sort keys %$verdict), 'a equal b equal c equal', 'of one that is stopped, what is pending goes there first');
is($pair->sql("SELECT state FROM dbsync.status WHERE subscription = 'sub'"), 'stopped', 'and it is stopped then');
$pair->same_at_both_ends('public.a', 'public.b');
# a change of the table that is pending is one of them: verify waits until it is there
$pair->sql("SELECT dbsync.alter_subscription('sub', ddl => 'apply'); ALTER TABLE public.a ADD COLUMN x int DEFAULT 3; UPDATE public.a SET x = 4 WHERE id = 1");
$verdict = verify($pair, "'sub', 'public.a'")->{a};
is($verdict->[0], 'equal', 'and where it takes a change of the target\'s table') or diag($verdict->[2]);
$pair->sql("SELECT dbsync.alter_subscription('sub', ddl => 'wait')");
# and no worker is left behind a call that has failed, or been cancelled
$pair->target->stop;
like(error_of("SELECT * FROM dbsync.verify('sub')"), qr/could not connect|lost/i, 'a target that is not there');
like(error_of("SET statement_timeout = '500ms'; SELECT * FROM dbsync.verify('sub')"), qr/57014|could not connect/, 'a call that is cancelled');
$pair->target->start;
ok(becomes_true($source, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type ~ 'dbsync (worker|verify)' AND backend_type !~ 'launcher' AND datname = 'postgres'"
	  . " AND pid NOT IN (SELECT pid FROM dbsync.status WHERE pid IS NOT NULL)"), 'no process is left of these');
is(verify($pair, "'sub'")->{a}[0], 'equal', 'with the target it works');

# --- tables that cannot be compared are named, with the reason; the others are

$pair->start_subscription('sub');
$pair->arrives('sub');
$pair->sql("SELECT dbsync.suspend_table('public.b')");
$pair->sql('ALTER TABLE public.c ADD COLUMN w int; INSERT INTO public.c VALUES (200, \'v\', 1)');
ok(becomes_true($source, "SELECT state = 'held' FROM dbsync.table_status WHERE \"table\" = 'public.c'::regclass"), 'a table is held');
$verdict = verify($pair, "'sub'");
is(join(', ', map { "$_ $verdict->{$_}[0] $verdict->{$_}[2]" } sort keys %$verdict), 'a equal , b skipped it is suspended, c skipped it is held', 'each by its name');
is(verify($pair, "'sub', 'public.c', repair => true")->{c}[0], 'skipped', 'also with repair');
$pair->target_sql('ALTER TABLE public.c ADD COLUMN w int');
$pair->sql("SELECT dbsync.copy_table('sub', 'public.b', 'truncate')");
$pair->arrives('sub', 'they go on');
$verdict = verify($pair, "'sub'");
is(join(' ', map { "$_ $verdict->{$_}[0]" } sort keys %$verdict), 'a equal b equal c equal', 'and are proved then');

# --- a table that leaves meanwhile; one that is not in

like(error_of("SELECT * FROM dbsync.verify('sub', 'public.filed')"), qr/not in|does not/, 'a table that is in another subscription');
$pair->sql("SELECT dbsync.remove_table('sub', 'public.c')");
like(error_of("SELECT * FROM dbsync.verify('sub', 'public.c')"), qr/not in|does not/, 'a table that has left');

# --- hours

$pair->sql("SELECT dbsync.alter_subscription('sub', policy => 'interval 1 s during ' || CASE WHEN extract(hour FROM now() AT TIME ZONE 'UTC') BETWEEN 1 AND 11"
	  . " THEN 'Mon-Sun 14:00-15:00' ELSE 'Mon-Sun 06:00-07:00' END)");
like(error_of("SELECT * FROM dbsync.verify('sub')"), qr/55000: the hours of subscription "sub" are over/, 'outside of its hours it is refused');
$pair->sql("SELECT dbsync.alter_subscription('sub', policy => 'manual')");
is(verify($pair, "'sub'")->{a}[0], 'equal', 'where changes travel when somebody says so, a round begins');
is($pair->sql('SELECT count(*) FROM dbsync.verify_status'), '0', 'nothing is under way at the end');

DbsyncTest::finish();

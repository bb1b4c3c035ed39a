# capture => 'snapshot' with on_error => 'quarantine': values that the target's types do not hold, and what a CHECK of its own refuses, beside
# unique values that move on over the bounds of batches.  All that the target can have arrives, the rest is parked, and while the worker
# and both servers die; when the cause is mended both ends are equal.  On a standby, functions refuse clearly.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(becomes_true poll_until random_below);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 4;
my $pair = DbsyncTest->new(source_conf => "dbsync.batch_rows = 60\ndbsync.copy_chunk_rows = 100\n", streaming => 1);
my $source = $pair->source;

$pair->sql('CREATE TABLE public.moving (id int PRIMARY KEY, u int, n numeric, v text); INSERT INTO public.moving SELECT i, i, i, \'v\' || i FROM generate_series(1, 400) i');
$pair->target_sql('CREATE TABLE public.moving (id int PRIMARY KEY, u int UNIQUE, n numeric(6, 0) CHECK (n <> 13131), v varchar(12))');
$pair->sql(q(SELECT dbsync.create_subscription('snap', 'far', on_error => 'quarantine')));
$pair->sql(q(SELECT dbsync.add_table('snap', 'public.moving', capture => 'snapshot', options => '{"scan": "interval 200 ms"}')));
$pair->start_subscription('snap');
$pair->arrives('snap');
$pair->same_at_both_ends('public.moving');

# Rows that are parked are as they were; all others are the source's.
sub others_are_the_same
{
	my ($test) = @_;
	my $parked = $pair->sql("SELECT coalesce(string_agg(key ->> 'id', ',' ORDER BY (key ->> 'id')::int), '0') FROM dbsync.quarantine");
	my $rows = "SELECT coalesce(string_agg(m::text, ' ' ORDER BY id), '') FROM public.moving m WHERE id NOT IN ($parked)";

	return is($pair->target_sql($rows), $pair->sql($rows), "$test, but for $parked");
}

my @refused = ("v = 'far too long for it'", 'n = 12345678', 'n = 13131');
my @victims = $pair->victims('snap');

foreach my $round (1 .. $rounds)
{
	my $by = 1 + random_below(399);
	my %bad = map { 1 + random_below(400) => $refused[ random_below(scalar(@refused)) ] } 1 .. 8;
	my ($name, $kill) = @{ $victims[ random_below(scalar(@victims)) ] };

	$pair->sql("UPDATE public.moving SET u = (u - 1 + $by) % 400 + 1");
	$pair->sql("UPDATE public.moving SET $bad{$_} WHERE id = $_") foreach keys %bad;
	$pair->sql('UPDATE public.moving SET v = v || \'x\' WHERE id % 7 = 0 AND length(v) < 10');
	$kill->();
	$pair->arrives('snap', "round $round arrives, by $by, after the death of $name");
	others_are_the_same("round $round");
	cmp_ok($pair->sql('SELECT count(*) FROM dbsync.quarantine'), '>=', 1, 'what is refused is parked');
	$pair->sql("UPDATE public.moving SET v = 'v' || id, n = id WHERE length(v) > 12 OR n > 1000");
	$pair->sql("SELECT dbsync.retry('snap', 'public.moving')");
	$pair->arrives('snap');
	$pair->sql("SELECT dbsync.retry('snap', 'public.moving')");
	$pair->arrives('snap');
	$pair->same_at_both_ends('public.moving');
	is($pair->sql('SELECT count(*) FROM dbsync.quarantine'), 0, 'nothing is parked when the cause is mended');
}

# --- a standby shows what there is, and writes nothing

$source->backup('standby');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($source, 'standby', has_streaming => 1);
$standby->start;
$source->wait_for_catchup($standby);
foreach my $call (
	"SELECT * FROM dbsync.verify('snap')", "SELECT dbsync.retry('snap', 'public.moving')", "SELECT dbsync.skip('snap', 'public.moving', '{\"id\": 1}')",
	"SELECT dbsync.run_once('snap')", "SELECT dbsync.run_now('snap')", "SELECT dbsync.start_subscription('snap')", "SELECT dbsync.wait_for('snap', timeout => '1 s')",
	"SELECT dbsync.copy_table('snap', 'public.moving')", "SELECT dbsync.remove_table('snap', 'public.moving')", "SELECT dbsync.alter_subscription('snap', verify_policy => 'interval 1 day')")
{
	my (undef, $answer, $error) = $standby->psql('postgres', "\\set VERBOSITY verbose\nSET statement_timeout = '60s';\n$call");

	like($error, qr/ERROR:  (25006)/, "on a standby: $call");
	note("$answer $error");
}
is($standby->safe_psql('postgres', "SELECT count(*) FROM dbsync.table_status"), 1, 'table_status is to be read there');
is($standby->safe_psql('postgres', "SELECT state FROM dbsync.status") =~ /^(stopped|not running|dormant)$/ ? 1 : 0, 1, 'and status')
  or diag($standby->safe_psql('postgres', 'SELECT * FROM dbsync.status'));

DbsyncTest::finish();

# Two databases that feed each other by files, with workers at both ends and a gateway between them, do not loop.  (More than two, and live links
# among them: t/205.)
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted uri_of);
use DbsyncTest::Receiving;
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest::Receiving->new;
my ($one, $two) = ($pair->source, $pair->target);
my $back_root = PostgreSQL::Test::Utils::tempdir_short();

$pair->both('CREATE TABLE public.t (id int PRIMARY KEY, v text)');

# the way back, by files as well
$pair->target_sql("SELECT dbsync.create_target('gate', 'file://$back_root/out')");
my $key = $pair->target_sql("SELECT dbsync.public_key('gate')");
$pair->sql("SELECT dbsync.create_target('here', " . quoted(uri_of($one)) . ')');
$pair->sql("SELECT dbsync.create_receiver('in', 'file://$back_root/in', 'here', ARRAY[" . quoted($key) . "], policy => 'interval 50 ms')");

$pair->subscribe('there', ['public.t'], target => 'gate', copy_data => 'false');
$pair->target_sql("SELECT dbsync.create_subscription('back', 'gate', tables => ARRAY['public.t'], copy_data => false)");
$pair->start_subscription('there');
$pair->target_sql("SELECT dbsync.start_subscription('back')");
$pair->start_receiver;
$pair->sql("SELECT dbsync.start_receiver('in')");

sub carry_all
{
	my $n = $pair->carry;

	mkdir "$back_root/in";
	mkdir "$back_root/in/in";
	foreach my $file (DbsyncTest::Receiving::files_of("$back_root/out/out"))
	{
		rename($file, "$back_root/in/in/" . File::Basename::basename($file)) or die $!;
		$n++;
	}
	return $n;
}

sub rows_everywhere
{
	my ($expected) = @_;
	return poll_until(
		sub {
			carry_all();
			return (ask($one, 'SELECT count(*) FROM public.t') // '') eq $expected && (ask($two, 'SELECT count(*) FROM public.t') // '') eq $expected;
		},
		"$expected rows at both ends");
}

# how many rows bundles have carried, both ways
sub rows_sent
{
	return $one->safe_psql('postgres', "SELECT coalesce(sum(rows), 0) FROM dbsync.bundles('there')")
	  + $two->safe_psql('postgres', "SELECT coalesce(sum(rows), 0) FROM dbsync.bundles('back')");
}

foreach my $i (1 .. 10)
{
	$one->safe_psql('postgres', "INSERT INTO public.t VALUES ($i, 'one')");
	$two->safe_psql('postgres', "INSERT INTO public.t VALUES (100 + $i, 'two')");
}
ok(rows_everywhere(20), 'both have all');
$one->safe_psql('postgres', "UPDATE public.t SET v = v || '!' WHERE id > 100");
$one->safe_psql('postgres', "SELECT dbsync.wait_for('there', timeout => '60 s')");
ok(poll_until(sub { carry_all(); (ask($two, "SELECT count(*) FROM public.t WHERE v = 'two!'") // '') eq '10' }, 'updates'), 'what came from there goes back when it has changed here');

# all that is under way comes to rest: as often as it is carried, nothing is sent any more
my $sent = -1;
my $quiet = 0;
ok(poll_until(
	sub {
		$one->safe_psql('postgres', "SELECT dbsync.wait_for('there', timeout => '60 s')");
		$two->safe_psql('postgres', "SELECT dbsync.wait_for('back', timeout => '60 s')");
		carry_all();
		$pair->target_sql('SELECT txid_current()');
		my $now = rows_sent();
		$quiet = $now == $sent ? $quiet + 1 : 0;
		$sent = $now;
		return $quiet >= 3;
	},
	'silence'), 'then there is silence');
# a folder does not say who is behind it: so each goes there and back, where it is known again
is($sent, 60, 'each change has gone there and back, and no further');
$pair->same_at_both_ends('public.t');

$pair->finish;

# A19, P14: a row that can be stored and not be sent puts its table off, in words that
# name table, row, column and the way out; the other tables of the subscription go on.
# The value is a bit string: 170 MB that are stored in 2, and 1.3 GB as text.  The enum
# makes rows travel as text.
use strict;
use warnings;

use lib 't';
use DbsyncTest;
use Test::More;

my $pair = DbsyncTest->new(source_conf => "dbsync.copy_connections = 1");

$pair->both(<<'SQL');
CREATE TYPE public.e AS ENUM ('x', 'y');
CREATE TABLE public.big (k int PRIMARY KEY, e public.e, v varbit);
CREATE TABLE public.copied (k int PRIMARY KEY, e public.e, v varbit);
CREATE TABLE public.small (k int PRIMARY KEY);
SQL

# The largest value that a bit string can be made of at once, 16 times.
sub make_large
{
	my ($table) = @_;
	$pair->sql("INSERT INTO $table VALUES (7, 'x', B'0'::bit(80000000))");
	$pair->sql("UPDATE $table SET v = v || v WHERE k = 7") foreach 1 .. 4;
	return;
}

my $names_it = "note ~ 'too large to be sent' AND note ~ 'key \\(7\\)' AND note ~ 'Column \"v\"' AND note ~ 'copy_table' AND note ~ 'remove_table'";

sub is_put_off
{
	my ($table, $test) = @_;
	ok($pair->source->poll_query_until('postgres',
			"SELECT state = 'suspended' AND $names_it AND note ~ '$table' FROM dbsync.table_status WHERE \"table\" = '$table'::regclass"),
		$test)
	  or $pair->describe_state("$table is not put off");
	return;
}

# --- a first copy meets the row

make_large('public.copied');
$pair->subscribe('sub', [ 'public.big', 'public.copied', 'public.small' ]);
$pair->start_subscription('sub');
is_put_off('public.copied', 'A19: a first copy that meets such a row is put off');
$pair->sql('INSERT INTO public.small VALUES (1)');
$pair->rest_arrives('sub', 'A19: the other tables are copied');
$pair->same_at_both_ends('public.small', 'public.big');
$pair->status_becomes('sub', "next_action ~ 'Suspended: .*copied.*copy_table'", 'A19: status says what to do');

# --- a table that is live gets one

$pair->sql("INSERT INTO public.big VALUES (1, 'y', B'1')");
make_large('public.big');
$pair->sql('INSERT INTO public.small VALUES (2)');
is_put_off('public.big', 'P14: a live table that gets such a row is put off');
$pair->rest_arrives('sub', 'P14: the others go on');
$pair->sql('INSERT INTO public.small VALUES (3)');
$pair->rest_arrives('sub', 'P14: and on');
$pair->same_at_both_ends('public.small');

# --- the cure

$pair->sql("UPDATE public.big SET v = B'101' WHERE k = 7; DELETE FROM public.copied");
$pair->sql("SELECT dbsync.copy_table('sub', 'public.$_')") foreach 'big', 'copied';
$pair->arrives('sub', 'A19: copied anew they go on');
$pair->sql("INSERT INTO public.copied VALUES (1, 'y', B'1'); UPDATE public.big SET e = 'y'");
$pair->arrives('sub', 'and are live');
$pair->same_at_both_ends('public.small', 'public.big', 'public.copied');
is($pair->sql("SELECT count(*) FROM dbsync.table_status WHERE state = 'live' AND note IS NULL"), '3', 'nothing is noted any more');

# --- by run_once

$pair->stop_subscription('sub');
make_large('public.big') if $pair->sql('DELETE FROM public.big') eq '';
$pair->sql('INSERT INTO public.small VALUES (4)');
my ($status, undef, $error) = $pair->source->psql('postgres', "SELECT dbsync.run_once('sub')");
ok($status != 0 && $error =~ /table public\.big has a row that is too large/, 'A19: run_once says so, too')
  or diag($error);
$pair->same_at_both_ends('public.small');
is_put_off('public.big', 'A19: after it has done the rest');

DbsyncTest::finish();

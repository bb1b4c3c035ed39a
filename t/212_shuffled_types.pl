# A target's type that has the source's attributes in another order holds, or puts off, the tables that have it, and nothing else.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true);
use Test::More;

my $pair = DbsyncTest->new(source_conf => "dbsync.retry_max = '500ms'\n");
my ($source, $target) = ($pair->source, $pair->target);

$pair->both('CREATE TYPE public.mixed AS (x text, y text); CREATE TABLE public.plain (id int PRIMARY KEY, v text)');
$pair->sql('CREATE TYPE public.early AS (x text, y text)');
$pair->target_sql('CREATE TYPE public.early AS (y text, x text)');
$pair->both("CREATE TABLE public.$_ (id int PRIMARY KEY, v public.mixed)") foreach 'live', 'deep';
$pair->both('ALTER TABLE public.deep ADD w public.mixed[]');
$pair->both('CREATE TABLE public.early_one (id int PRIMARY KEY, v public.early)');
$pair->sql(q{INSERT INTO public.live VALUES (1, ('x', 'y')); INSERT INTO public.early_one VALUES (1, ('x', 'y'))});
my $rows = 0;

sub others_go_on
{
	my ($when) = @_;
	foreach (1 .. 2)
	{
		$rows++;
		$pair->sql("INSERT INTO public.plain VALUES ($rows, 'v')");
		ok(becomes_true($target, "SELECT count(*) = 1 FROM public.plain WHERE id = $rows"), "$when: others go on") or $pair->describe_state('not there');
	}
	return;
}

$pair->subscribe('s', [qw(public.plain public.live public.deep public.early_one)]);
$pair->start_subscription('s');
others_go_on('one cannot be copied');
$pair->status_becomes('s', "last_error ~ 'type public.early at the target has other attributes'", 'which is said');
is($pair->target_sql('SELECT count(*) FROM public.early_one'), 0, 'nothing of it is copied');
$pair->target_sql('ALTER TABLE public.early_one DROP v; DROP TYPE public.early; CREATE TYPE public.early AS (x text, y text); ALTER TABLE public.early_one ADD v public.early');
$pair->arrives('s', 'it is copied when it can be');
$pair->same_at_both_ends('public.early_one', 'public.live', 'public.plain');

# somebody makes the type anew at the target, in another order
$pair->stop_subscription('s');
$pair->target_sql('CREATE TYPE public.other AS (y text, x text); ALTER TABLE public.live ALTER v TYPE public.other USING ((v).y, (v).x)::public.other');
$pair->sql(q{INSERT INTO public.live VALUES (2, ('x', 'y')); INSERT INTO public.deep VALUES (1, ('x', 'y'), NULL)});
$pair->start_subscription('s');
others_go_on('one is held');
ok(becomes_true($source, q{SELECT count(*) = 1 FROM dbsync.table_status WHERE "table"::text ~ 'live' AND state = 'held' AND held_for ~ 'type public.other at the target has other attributes' AND next_action ~ 'ALTER TYPE public.other'}), 'it is held')
	or $pair->describe_state('not held');
is($pair->target_sql('SELECT count(*) FROM public.deep'), 1, 'and only it');
is($pair->target_sql('SELECT count(*) FROM public.live'), 1, 'nothing of it is read for another');
$pair->target_sql('ALTER TABLE public.live ALTER v TYPE public.mixed USING ((v).x, (v).y)::public.mixed');
$pair->arrives('s', 'it goes on');
$pair->same_at_both_ends('public.live', 'public.deep', 'public.plain');

# while the worker runs
$pair->target_sql('ALTER TABLE public.deep ALTER w TYPE public.other[] USING NULL');
$pair->sql(q{INSERT INTO public.deep VALUES (2, ('x', 'y'), '{"(x,y)"}')});
others_go_on('one is held while the worker runs');
ok(becomes_true($source, q{SELECT count(*) = 1 FROM dbsync.table_status WHERE state = 'held' AND held_for ~ 'type public.other at the target has other attributes'}), 'it is held')
	or $pair->describe_state('not held');
$pair->target_sql('ALTER TABLE public.deep ALTER w TYPE public.mixed[] USING NULL');
$pair->arrives('s', 'it goes on');
$pair->same_at_both_ends('public.live', 'public.deep', 'public.plain');

# without a copy
$pair->both('CREATE TABLE public.uncopied (id int PRIMARY KEY, v public.mixed)');
$pair->target_sql('ALTER TABLE public.uncopied ALTER v TYPE public.other USING NULL');
$pair->sql("SELECT dbsync.add_table('s', 'public.uncopied', copy_data => false)");
sub uncopied_is_held
{
	my ($when) = @_;
	ok(becomes_true($source, q{SELECT count(*) = 1 FROM dbsync.table_status WHERE state = 'held' AND "table"::text ~ 'uncopied' AND held_for ~ 'type public.other at the target has other attributes'}), "$when: it is held")
		or $pair->describe_state('not held');
	return;
}

uncopied_is_held('before its first row');
others_go_on('one without a copy');
$pair->sql(q{INSERT INTO public.uncopied VALUES (2, ('x', 'y'))});
others_go_on('one without a copy, with rows');
uncopied_is_held('with rows');
is($pair->target_sql('SELECT count(*) FROM public.uncopied'), 0, 'nothing of it is read for another');
$pair->target_sql('ALTER TABLE public.uncopied ALTER v TYPE public.mixed USING NULL');
$pair->arrives('s', 'it goes on');
$pair->same_at_both_ends('public.uncopied');
$pair->finish;

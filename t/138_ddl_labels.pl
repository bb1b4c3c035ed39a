# Labels of an enum are renamed while rows with them are written, captured, and on their way: to a
# target that is altered by the worker, and to one that is altered by somebody when a table waits for
# that.  Both ends are equal then, and no label was taken for one that is new.  Review of tables, B5.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until);
use Test::More;

my $pair = DbsyncTest->new;
my ($source, $target) = ($pair->source, $pair->target);
my @subscriptions = ([ 'applies', 'one', 'apply' ], [ 'waits', 'two', 'wait' ]);
my $renames = 25;

# each table has a type of its own: what one of the subscriptions does to it is not the other's
foreach my $subscription (@subscriptions)
{
	my ($name, $table, $ddl) = @$subscription;

	$pair->both("CREATE TYPE public.${table}_mood AS ENUM ('a0', 'b', 'c')");
	$pair->both("CREATE TABLE public.$table (id int PRIMARY KEY, m public.${table}_mood, all_of public.${table}_mood[])");
	$pair->sql("INSERT INTO public.$table SELECT i, (enum_range(NULL::public.${table}_mood))[1 + i % 3], enum_range(NULL::public.${table}_mood) FROM generate_series(1, 300) i");
	$pair->subscribe($name, ["public.$table"], ddl => "'$ddl'");
	$pair->start_subscription($name);
	$pair->arrives($name, "$name: the first copy arrives");
}

my $load = $source->background_psql('postgres');
$load->query_until(qr/loaded/, <<'SQL');
\echo loaded
CREATE PROCEDURE public.load() LANGUAGE plpgsql AS $$
DECLARE
	t text;
BEGIN
	WHILE NOT EXISTS (SELECT FROM public.stop) LOOP
		FOREACH t IN ARRAY '{one,two}'::text[] LOOP
			EXECUTE format('UPDATE public.%1$s SET m = (enum_range(NULL::public.%1$s_mood))[1 + floor(random() * 3)::int], all_of = enum_range(NULL::public.%1$s_mood)'
				' WHERE id BETWEEN $1 AND $1 + 20', t) USING floor(random() * 300)::int;
			COMMIT;
		END LOOP;
		PERFORM pg_sleep(0.002);
	END LOOP;
END $$;
CREATE TABLE public.stop (n int);
CALL public.load();
SQL

# One is renamed on, again and again; of those of the other table somebody tells the target.
foreach my $i (1 .. $renames)
{
	$pair->sql("ALTER TYPE public.one_mood RENAME VALUE 'a" . ($i - 1) . "' TO 'a$i'");
	next if $i % 5 != 0;
	$pair->sql("ALTER TYPE public.two_mood RENAME VALUE 'a" . ($i < 6 ? 0 : $i - 5) . "' TO 'a$i'");
	ok(becomes_true($source, "SELECT state = 'held' AND next_action LIKE 'ALTER TYPE public.two_mood RENAME VALUE %' FROM dbsync.table_status WHERE subscription = 'waits'"),
		"waits: the table stands still before rename $i is made there");
	my $statement = $pair->sql("SELECT next_action FROM dbsync.table_status WHERE subscription = 'waits'");
	$pair->target_sql($statement);
	ok(becomes_true($source, "SELECT state = 'live' FROM dbsync.table_status WHERE subscription = 'waits'"),
		"waits: behind that it goes on by itself: $statement");
}
$pair->sql('INSERT INTO public.stop VALUES (1)');
$load->quit;

foreach my $subscription (@subscriptions)
{
	my ($name, $table) = @$subscription;

	ok(becomes_true($source, "SELECT state = 'live' FROM dbsync.table_status WHERE subscription = '$name'"), "$name: it is not held in the end");
	$pair->arrives($name, "$name: all arrives");
	$pair->same_at_both_ends("public.$table");
	is($pair->target_sql("SELECT enum_range(NULL::public.${table}_mood)"), "{a$renames,b,c}", "$name: the target has the label once");
}

# One more rename, while the worker looks at what the target calls its labels: what it knows of names
# that labels had is older than that, and must not make the new name a label that is new.
#
# Who connects while pg_enum is locked may have to read it, and would wait as long as it is: so it is looked by a
# session that was there before.
my $looks = $target->background_psql('postgres');
my $locks = sub { my ($what) = @_; return $looks->query("SELECT count(*) FROM pg_locks WHERE relation = 3501 AND $what") };
my $blocker = $target->background_psql('postgres');
$blocker->query("SET idle_in_transaction_session_timeout = '5min'");
$blocker->query("BEGIN; LOCK TABLE pg_catalog.pg_enum IN ACCESS EXCLUSIVE MODE");
is($locks->("mode = 'AccessExclusiveLock' AND granted"), 1, 'the target\'s labels cannot be looked at');
my $next = $renames + 1;
$pair->sql("ALTER TYPE public.one_mood RENAME VALUE 'a$renames' TO 'a$next'");
$pair->sql("UPDATE public.one SET m = 'a$next' WHERE id = 1");
ok(poll_until(sub { $locks->('NOT granted') > 0 }, 'the worker waits for them'), 'the worker waits for them');
$pair->sql("ALTER TYPE public.one_mood RENAME VALUE 'a$next' TO 'a" . ++$next . "'");
$blocker->quit;
$looks->quit;
ok(becomes_true($source, "SELECT state = 'live' FROM dbsync.table_status WHERE subscription = 'applies'"), 'renamed while it looks: it is not held');
$pair->arrives('applies', 'renamed while it looks: all arrives');
$pair->same_at_both_ends('public.one');
is($pair->target_sql('SELECT enum_range(NULL::public.one_mood)'), "{a$next,b,c}", 'renamed while it looks: the target has the label once');

DbsyncTest::finish();

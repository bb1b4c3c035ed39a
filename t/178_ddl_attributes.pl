# Attributes of composite types come, go and are renamed while rows with them are written, captured, and on
# their way: to a target that is altered by the worker, and to one that is altered by somebody when a table
# waits for that.  Often there are as many attributes behind a change as before, so that nothing is refused
# where one is taken for the other; both ends are equal then.  Review of tables, B5; hazard 55.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until);
use Test::More;

my $pair = DbsyncTest->new(source_conf => "dbsync.copy_chunk_rows = 20\n");
my ($source, $target) = ($pair->source, $pair->target);
my @subscriptions = ([ 'applies', 'one', 'apply' ], [ 'waits', 'two', 'wait' ]);
my $changes = 25;

# each table has a type of its own: what one of the subscriptions does to it is not the other's
foreach my $subscription (@subscriptions)
{
	my ($name, $table, $ddl) = @$subscription;

	$pair->both("CREATE TYPE public.${table}_parts AS (a0 int, b0 int, c text)");
	$pair->both("CREATE TABLE public.$table (id int PRIMARY KEY, n int, p public.${table}_parts, all_of public.${table}_parts[])");
	$pair->sql("INSERT INTO public.$table SELECT i, i, ROW(i, -i, 'c' || i)::public.${table}_parts, ARRAY[ROW(1, i, NULL)::public.${table}_parts, NULL] FROM generate_series(1, 300) i");
	$pair->subscribe($name, ["public.$table"], ddl => "'$ddl'");
	$pair->start_subscription($name);
	$pair->arrives($name, "$name: the first copy arrives");
}

# Rows with whatever attributes there are: all of them are texts of numbers.
my $load = $source->background_psql('postgres');
$load->query_until(qr/loaded/, <<'SQL');
\echo loaded
CREATE PROCEDURE public.load() LANGUAGE plpgsql AS $$
DECLARE
	t text;
	value text;
	start int;
BEGIN
	WHILE NOT EXISTS (SELECT FROM public.stop) LOOP
		FOREACH t IN ARRAY '{one,two}'::text[] LOOP
			BEGIN
				start := floor(random() * 280)::int;
				SELECT '(' || string_agg(CASE WHEN random() < 0.9 THEN floor(random() * 1000)::int::text ELSE '' END, ',') || ')' INTO value
				FROM pg_attribute WHERE attrelid = format('public.%s_parts', t)::regclass AND attnum > 0 AND NOT attisdropped;
				EXECUTE format('UPDATE public.%1$s SET n = n + 1, p = $1::public.%1$s_parts, all_of = ARRAY[$1, NULL, $1]::public.%1$s_parts[] WHERE id BETWEEN $2 AND $2 + 20', t)
				USING value, start;
				EXECUTE format('UPDATE public.%1$s SET n = n + 1 WHERE id %% 50 = $1', t) USING start % 50;
				EXECUTE format('DELETE FROM public.%1$s WHERE id = $1', t) USING start;
				EXECUTE format('INSERT INTO public.%1$s VALUES ($1, 0, $2::public.%1$s_parts, NULL) ON CONFLICT DO NOTHING', t) USING start, value;
			EXCEPTION
				-- the type was altered between two of them
				WHEN invalid_text_representation THEN NULL;
			END;
			COMMIT;
		END LOOP;
		PERFORM pg_sleep(0.002);
	END LOOP;
END $$;
CREATE TABLE public.stop (n int);
CALL public.load();
SQL

# Changes number $i of a type: attribute a goes and another one comes, behind all others; one is renamed, one more comes.
sub alter_type
{
	my ($type, $i) = @_;
	my $before = $i - 1;

	$pair->sql("ALTER TYPE public.$type DROP ATTRIBUTE a$before, ADD ATTRIBUTE a$i int");
	$pair->sql("ALTER TYPE public.$type RENAME ATTRIBUTE b$before TO b$i");
	$pair->sql("ALTER TYPE public.$type ADD ATTRIBUTE extra$i text") if $i % 6 == 0;
	$pair->sql("ALTER TYPE public.$type DROP ATTRIBUTE extra" . ($i - 3)) if $i % 6 == 3 && $i > 6;
	return;
}

my $made = 0;
foreach my $i (1 .. $changes)
{
	alter_type('one_parts', $i);
	# beside a copy, now and then
	$pair->sql(q{SELECT dbsync.copy_table('applies', 'public.one', existing_rows => 'truncate')}) if $i % 8 == 0;
	next if $i % 5 != 0;
	alter_type('two_parts', ++$made);
	ok(becomes_true($source, "SELECT state = 'held' AND next_action LIKE 'ALTER TYPE public.two_parts DROP ATTRIBUTE a% ADD ATTRIBUTE %' FROM dbsync.table_status WHERE subscription = 'waits'"),
		"waits: the table stands still before change $made is made there") or $pair->describe_state('it does not');
	my $statement = $pair->sql("SELECT next_action FROM dbsync.table_status WHERE subscription = 'waits'");
	$pair->target_sql($statement);
	ok(becomes_true($source, "SELECT state = 'live' FROM dbsync.table_status WHERE subscription = 'waits'"),
		"waits: behind that it goes on by itself: $statement") or $pair->describe_state('it does not');
}
$pair->sql('INSERT INTO public.stop VALUES (1)');
$load->quit;

my $attributes = q{SELECT string_agg(attname || ' ' || atttypid::regtype, ', ' ORDER BY attnum) FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped AND attrelid = };
foreach my $subscription (@subscriptions)
{
	my ($name, $table) = @$subscription;

	ok(becomes_true($source, "SELECT state = 'live' FROM dbsync.table_status WHERE subscription = '$name'"), "$name: it is not held in the end")
	  or $pair->describe_state('it is');
	$pair->arrives($name, "$name: all arrives");
	$pair->same_at_both_ends("public.$table");
}
is($pair->target_sql("$attributes 'public.one_parts'::regclass"), $pair->sql("$attributes 'public.one_parts'::regclass"), 'applies: attributes are called the same');

# A change between the look at the target's type and the reading of rows, which a lock on the ledger's row makes
# room for: rows are written out with as many attributes as the target has, and others.
my $now = $changes;
my $met = 0;
foreach my $round (1 .. 5)
{
	my $before = $now++;
	my $log = -s $source->logfile;

	$pair->stop_subscription('applies');
	$pair->sql("UPDATE public.one SET n = n + 1, p.a$before = 1000 + id, p.b$changes = 2000 + id");
	my $locker = $target->background_psql('postgres');
	$locker->query_safe("BEGIN; SELECT FROM dbsync_ledger.position WHERE id = subscription AND name = 'applies' FOR UPDATE");
	$pair->start_subscription('applies');
	ok(becomes_true($target, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted"), "round $round: the worker has looked at the target, and waits");
	$pair->sql("ALTER TYPE public.one_parts DROP ATTRIBUTE a$before, ADD ATTRIBUTE a$now int");
	$locker->query_safe('COMMIT');
	$locker->quit;
	$pair->arrives('applies', "round $round: all arrives");
	$pair->same_at_both_ends('public.one');
	my $as_it_was = "SELECT count(*) FROM public.one WHERE (p).b$changes = 2000 + id AND (p).a$now IS NULL";
	is($pair->target_sql($as_it_was), $pair->sql('SELECT count(*) FROM public.one'), "round $round: each attribute is what it was");
	$met++ if PostgreSQL::Test::Utils::slurp_file($source->logfile, $log) =~ /attributes of type public\.one_parts have just changed/;
}
note("$met of 5 rounds were given up before their commit");

# A change between the look-ups of two tables of one batch, whose type the target has by two names: the first was looked at for what
# the type was, and its rows are written out by what it is.
my @shared = ('a', 'b');
$pair->sql('CREATE TYPE public.shared AS (a int, b int)');
foreach my $table ('first', 'second')
{
	$pair->sql("CREATE TABLE public.$table (id int PRIMARY KEY, p public.shared); INSERT INTO public.$table VALUES (1, (1, 2))");
	$pair->target_sql("CREATE TYPE public.${table}_type AS (a int, b int); CREATE TABLE public.$table (id int PRIMARY KEY, p public.${table}_type)");
}
$pair->subscribe('both', [ 'public.first', 'public.second' ], ddl => "'apply'");
$pair->start_subscription('both');
$pair->arrives('both', 'both are copied');
$pair->sql('ALTER TYPE public.shared ADD ATTRIBUTE c0 int');
push @shared, 'c0';
$pair->arrives('both', 'the type is followed');
foreach my $round (1 .. 3)
{
	# the first of them, so that all others would be read for each other
	my $first = shift @shared;

	push @shared, "c$round";
	$pair->stop_subscription('both');
	$pair->sql("INSERT INTO public.first VALUES (10 + $round, (1, 2, 3)); INSERT INTO public.second VALUES (10 + $round, (1, 2, 3))");
	my $locker = $target->background_psql('postgres');
	$locker->query_safe('BEGIN; LOCK TABLE public.first IN ACCESS EXCLUSIVE MODE');
	$pair->start_subscription('both');
	ok(becomes_true($target, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"), "two tables, round $round: the first is being looked up");
	$pair->sql("ALTER TYPE public.shared DROP ATTRIBUTE $first, ADD ATTRIBUTE c$round int");
	$locker->query_safe('COMMIT');
	$locker->quit;
	$pair->arrives('both', "two tables, round $round: all arrives");
	$pair->same_at_both_ends('public.first', 'public.second');
}

DbsyncTest::finish();

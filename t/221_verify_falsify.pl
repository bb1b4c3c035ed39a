# A target is falsified in every way there is (hazard 32), at random: verify() names each row and nothing else, beside writers of
# other rows; repair makes it equal; and there is no false alarm at an honest one.  Values of each type that are easily taken for
# one another; tables with selections, partitioned at one end, without a key, with other types, without a unique index
# at the target; rows that triggers of the target change; a target in LATIN1; each run has a seed of its own.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(quoted uri_of);
use DbsyncTest::Falsifying;
use File::Spec;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} ? 10 * $ENV{DBSYNC_TEST_ROUNDS} : 5;
my $pair = DbsyncTest->new(source_conf => <<'CONF', target_conf => "log_statement = 'all'");
dbsync.segment_size = '64kB'
dbsync.retention_interval = '50ms'
CONF
my $source = $pair->source;
my $target = $pair->target;
my $all = DbsyncTest::Falsifying->new(source => sub { $pair->sql($_[0]) }, target => sub { $pair->target_sql($_[0]) },
	subscription => 'sub', target_name => 'far');

$all->make_types;
$all->make_tables;
$all->subscribe;
$pair->start_subscription('sub');
$pair->arrives('sub', 'the first copies arrive');
$all->all_are('equal', undef, 'an honest target');

# --- a seed of its own: somebody who knows one run's hashes knows nothing of the next

my $from = -s $target->logfile;
$all->verify("'public.plain'") foreach 1 .. 3;
my %seeds = map { $_ => 1 } slurp_file($target->logfile, $from) =~ /hashtextextended\((?:(?!hashtextextended)[^\n])*?COLLATE pg_catalog\."C", (\d+)\)/g;
delete $seeds{4711};
is(scalar(keys %seeds), 3, 'three runs, three seeds');
$pair->target_sql("ALTER SYSTEM SET log_statement = 'none'; SELECT pg_reload_conf()");

# --- a column of each type

$all->falsify_types;

# --- rows, while others are written

$pair->sql(<<'SQL');
CREATE TABLE public.load_stops (i int);
CREATE PROCEDURE public.load() LANGUAGE plpgsql AS $$
DECLARE
    step int := 0;
BEGIN
    WHILE NOT EXISTS (SELECT FROM public.load_stops) LOOP
        step := step + 1;
        INSERT INTO public.plain VALUES (100000 + step % 100, 'load ' || step, step) ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v;
        INSERT INTO public.parted VALUES (100000 + step % 100, 'load ' || step, step) ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v;
        COMMIT;
        DELETE FROM public.plain WHERE id = 100000 + step % 70;
        INSERT INTO public.bits VALUES (1000 + step % 7, 'load');
        COMMIT;
        DELETE FROM public.bits WHERE a = 1000 + step % 5;
        UPDATE public.chosen SET v = 'load ' || step WHERE id = 2 + step % 2 AND region = 'none';
        COMMIT;
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SQL
my $load = IPC::Run::start([ 'psql', '-XAtq', '-d', $source->connstr('postgres'), '-c', 'CALL public.load()' ], '<', File::Spec->devnull);
$all->falsify_rows($_) foreach 1 .. $rounds;
$pair->sql('INSERT INTO public.load_stops VALUES (1)');
ok(IPC::Run::finish($load), 'the load ends');
$pair->arrives('sub', 'the load arrives');
$all->all_are('equal', undef, 'and then all is equal');
$pair->same_at_both_ends(map { "public.$_" } qw(plain doubled heap));

# --- few are named, all are counted

$pair->target_sql("UPDATE public.plain SET v = 'few' WHERE id <= 20");
is($all->verify("'public.plain', max_differences => 3")->{plain}{counts}, '0/0/20', 'all are counted');
is(scalar(my @few = $all->differences), 3, 'and a few of them named');
is($all->verify("'public.plain', max_differences => 0, repair => true")->{plain}{verdict}, 'repaired', 'and all are repaired');
$all->all_are('equal', "'public.plain'", 'so that they are equal');

# --- code of the target's

$pair->target_sql(<<'SQL');
CREATE FUNCTION public.bend() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() > 1 THEN RETURN NULL; END IF;
    IF NEW.id % 2 = 0 THEN
        DELETE FROM public.plain WHERE id = NEW.id;
    ELSE
        UPDATE public.plain SET v = v || ' bent' WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER bend AFTER INSERT OR UPDATE ON public.plain FOR EACH ROW EXECUTE FUNCTION public.bend();
ALTER TABLE public.plain ENABLE ALWAYS TRIGGER bend;
SQL
$pair->sql("INSERT INTO public.plain VALUES (201001, 'one', 1), (201002, 'two', 2); UPDATE public.plain SET v = 'again' WHERE id IN (7, 8)");
$pair->arrives('sub', 'rows arrive where a trigger bends them');
$all->verify("'public.plain'");
is_deeply([ $all->differences ],
	[ map { "plain $_" } 'different {"id": "201001"}', 'different {"id": "7"}', 'missing {"id": "201002"}', 'missing {"id": "8"}' ],
	'what a trigger of the target has bent or taken out is found');
$all->verify("'public.plain', repair => true");
is($all->verify("'public.plain'")->{plain}{verdict}, 'different', 'repair goes by the same trigger, so it is found again');
$pair->target_sql('DROP TRIGGER bend ON public.plain');
is($all->verify("'public.plain', repair => true")->{plain}{verdict}, 'repaired', 'without it');
$all->all_are('equal', "'public.plain'", 'it is repaired');
$pair->stop_subscription('sub');

# --- a target in another encoding

$source->safe_psql('postgres', "CREATE DATABASE utf ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
$target->safe_psql('postgres', "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
my $latin = DbsyncTest::Falsifying->new(source => sub { $source->safe_psql('utf', "SET client_encoding = 'UTF8'; $_[0]") },
	target => sub { $target->safe_psql('latin', "SET client_encoding = 'UTF8'; $_[0]") }, subscription => 'latin', target_name => 'latin');
$latin->source("CREATE EXTENSION dbsync");
$latin->source("SELECT dbsync.create_target('latin', " . quoted(uri_of($target, database => 'latin')) . ')');
$latin->make_types;
$latin->make_tables;
$latin->subscribe;
$latin->source("SELECT dbsync.start_subscription('latin')");
is($latin->source("SELECT dbsync.wait_for('latin')"), 't', 'the first copies arrive in LATIN1');
$latin->all_are('equal', undef, 'an honest target in LATIN1');
$latin->falsify_types;
$latin->falsify_rows("$_, LATIN1") foreach 1 .. ($rounds + 1) / 2;

DbsyncTest::finish();

# Unique values beside the key move between the chunks of a first copy, and between the batches of a repair: nothing wedges, nothing is
# missing in the end, and two rows that do have one value are refused, with all that was there left in place.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(becomes_true poll_until random_below);
use DbsyncTest::Verifying qw(start_psql finish_psql);
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(source_conf => "dbsync.batch_rows = 100\ndbsync.copy_chunk_rows = 100\n");
my $source = $pair->source;
my $target = $pair->target;

# A target's row that is waited for: who holds the lock keeps whoever writes it, and what comes with it, from going on.
$pair->target_sql(<<'SQL');
CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NEW; END $$;
SQL

sub stop_at
{
	my ($table, $condition) = @_;
	my $holder = $target->background_psql('postgres');
	$holder->query_safe('SELECT pg_advisory_lock(77)');
	$pair->target_sql("DROP TRIGGER IF EXISTS stop ON $table; CREATE TRIGGER stop AFTER INSERT OR UPDATE ON $table FOR EACH ROW WHEN ($condition) EXECUTE FUNCTION public.wait();"
		  . " ALTER TABLE $table ENABLE ALWAYS TRIGGER stop");
	return $holder;
}

sub is_stopped
{
	return becomes_true($target, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted");
}

sub let_go
{
	my ($holder) = @_;
	$holder->quit;
	return;
}

sub add
{
	my ($table, $more) = @_;
	$pair->sql("SELECT dbsync.add_table('snap', '$table', capture => 'snapshot'" . ($more // '') . ')');
	return;
}

# Values go round among all rows, so that each batch finds those of others in its way.
sub rotate
{
	my ($by) = @_;
	return "UPDATE public.moving SET u = CASE WHEN u + $by <= 1000 THEN u + $by ELSE u + $by - 1000 END";
}

$pair->sql(<<'SQL');
CREATE TABLE public.moving (id int PRIMARY KEY, u int, v text, UNIQUE (u) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO public.moving SELECT i, i, 'v' || i FROM generate_series(1, 1000) i;
CREATE VIEW public.shown AS SELECT id, u, v FROM public.moving;
CREATE TABLE public.mails (id int PRIMARY KEY, mail text, gone boolean NOT NULL DEFAULT false, a int, b int);
INSERT INTO public.mails SELECT i, 'Mail' || i, false, i, i FROM generate_series(1, 500) i;
CREATE TABLE public.captured (id int PRIMARY KEY, u int, v text, UNIQUE (u) DEFERRABLE);
INSERT INTO public.captured SELECT i, i, 'v' || i FROM generate_series(1, 1000) i;
SQL
$pair->target_sql("CREATE TABLE public.$_ (id int PRIMARY KEY, u int UNIQUE, v text)") foreach 'moving', 'shown', 'captured';
$pair->target_sql(<<'SQL');
CREATE TABLE public.mails (id int PRIMARY KEY, mail text, gone boolean NOT NULL DEFAULT false, a int, b int, note text);
CREATE UNIQUE INDEX ON public.mails (lower(mail));
CREATE UNIQUE INDEX ON public.mails (a) WHERE NOT gone;
CREATE UNIQUE INDEX ON public.mails (b, (a % 2));
CREATE UNIQUE INDEX ON public.mails (note);
SQL

# --- between the chunks of a first copy

$pair->sql("SELECT dbsync.create_subscription('snap', 'far')");
my $holder = stop_at('public.moving', 'NEW.id = 150');
add('public.moving');
$pair->start_subscription('snap');
ok(is_stopped(), 'a first copy is stopped in its second chunk');
# from the first chunk into later ones, and from one that comes to one that comes even later
$pair->sql('UPDATE public.moving SET u = CASE WHEN id <= 50 THEN u + 800 WHEN id > 800 AND id <= 850 THEN u - 800 WHEN id = 300 THEN 990 WHEN id = 990 THEN 300 ELSE u END');
let_go($holder);
$pair->arrives('snap', 'values that have moved to chunks behind do not keep it from ending');
$pair->same_at_both_ends('public.moving');

# --- between batches of a comparison

foreach my $by (1, 50, 500)
{
	$pair->sql(rotate($by));
	$pair->arrives('snap', "values have moved by $by rows, over all batches");
	$pair->same_at_both_ends('public.moving');
}
$pair->sql('UPDATE public.moving SET u = 1001 - u; DELETE FROM public.moving WHERE id % 7 = 0');
$pair->arrives('snap', 'values that change places, and rows that go');
$pair->same_at_both_ends('public.moving');

# --- and while these are under way, also to rows that did not differ

$pair->sql('TRUNCATE public.moving; INSERT INTO public.moving SELECT i, i, \'w\' || i FROM generate_series(1, 1000) i');
$pair->arrives('snap');
$holder = stop_at('public.moving', "NEW.id = 150 AND NEW.v = 'stop'");
$pair->sql("UPDATE public.moving SET v = 'stop' WHERE id <= 600");
my $waiting = start_psql($source, "SELECT dbsync.wait_for('snap')");
ok(is_stopped(), 'a difference is stopped in the middle');
$pair->sql('UPDATE public.moving SET u = CASE WHEN id <= 100 THEN u + 400 WHEN id > 400 AND id <= 500 THEN u - 400'
	  . ' WHEN id = 590 THEN 900 WHEN id = 900 THEN 901 WHEN id = 901 THEN 590 ELSE u END');
let_go($holder);
finish_psql($waiting);
$pair->arrives('snap', 'values that have moved since they were compared');
$pair->same_at_both_ends('public.moving');

# --- a view, of which nobody says what is unique

add('public.shown', ", key => '{id}'");
$pair->arrives('snap');
$pair->sql(rotate(30));
$pair->arrives('snap', 'a view whose target has something unique');
$pair->same_at_both_ends('public.moving', 'public.shown');

# two rows that do have one value are nobody's to choose from
$pair->sql('ALTER TABLE public.moving DROP CONSTRAINT moving_u_key; CREATE TABLE public.before AS SELECT * FROM public.moving;'
	  . ' UPDATE public.moving SET u = 7 WHERE id IN (3, 800)');
my $there = $pair->target_sql('SELECT count(*) FROM public.shown');
is($pair->sql("SELECT dbsync.wait_for('snap', timeout => '2 s')"), 'f', 'two rows of one value do not arrive');
ok(becomes_true($source, "SELECT count(*) = 2 FROM dbsync.table_status WHERE note LIKE '%duplicate key value violates unique constraint%'"), 'which is said')
  or diag($pair->sql('SELECT note FROM dbsync.table_status'));
is($pair->target_sql('SELECT count(*) FROM public.shown'), $there, 'and nothing is gone at the target');
is($pair->target_sql('SELECT count(*) FROM public.shown WHERE u = 7'), 1, 'nor has one of them taken the place of the other');
$pair->sql('UPDATE public.moving m SET u = b.u FROM public.before b WHERE b.id = m.id');
$pair->arrives('snap', 'when the source has it once, it goes on');
$pair->same_at_both_ends('public.moving', 'public.shown');

# --- unique indexes of other kinds

add('public.mails');
$pair->arrives('snap');
$pair->sql("UPDATE public.mails SET mail = CASE WHEN id % 2 = 0 THEN upper('mail' || id % 500 + 1) ELSE 'mail' || id % 500 + 1 END, a = a % 500 + 1, b = (b + 250) % 500 + 1");
$pair->arrives('snap', 'by expressions, of some rows, over several columns');
is($pair->target_sql('SELECT id, mail, gone, a, b FROM public.mails ORDER BY id'), $pair->sql('SELECT id, mail, gone, a, b FROM public.mails ORDER BY id'), 'and all is there');
$pair->sql('UPDATE public.mails SET gone = id > 250, a = CASE WHEN id > 250 THEN 1 ELSE a END');
$pair->arrives('snap', 'rows that an index does not have are in nobody\'s way');
is($pair->target_sql('SELECT id, mail, gone, a, b FROM public.mails ORDER BY id'), $pair->sql('SELECT id, mail, gone, a, b FROM public.mails ORDER BY id'), 'and are there');
is($pair->sql('SELECT count(*) FROM dbsync_internal.repair_key'), 0, 'no keys are left over');

# --- verify() that repairs what is captured

$pair->subscribe('capt', ['public.captured']);
$pair->start_subscription('capt');
$pair->arrives('capt');
$pair->target_sql('ALTER TABLE public.captured DROP CONSTRAINT captured_u_key; UPDATE public.captured SET u = u % 1000 + 1; ALTER TABLE public.captured ADD UNIQUE (u)');
is($pair->sql("SELECT verdict, different FROM dbsync.verify('capt', 'public.captured', repair => true)"), 'repaired|1000', 'verify() repairs values that have gone round');
$pair->same_at_both_ends('public.captured');
is($pair->sql("SELECT verdict FROM dbsync.verify('capt')"), 'equal', 'and says so');

# --- where rows that are refused are parked

$pair->sql("SELECT dbsync.alter_subscription('capt', on_error => 'quarantine')");
$pair->target_sql('UPDATE public.captured SET u = u + 2000 WHERE id > 900; ALTER TABLE public.captured ADD CHECK (id <> 5 OR v <> \'bad\')');
$pair->sql("UPDATE public.captured SET v = 'bad' WHERE id = 5");
$pair->arrives('capt');
is($pair->sql("SELECT count(*) FROM dbsync.quarantine WHERE subscription = 'capt'"), 1, 'one row is parked');
$pair->target_sql('UPDATE public.captured SET u = u - 1 WHERE id = 1; UPDATE public.captured SET u = CASE WHEN id > 900 THEN u ELSE -u END; UPDATE public.captured SET u = CASE WHEN u < 0 THEN 895 + u ELSE u END WHERE id <= 894');
is($pair->sql("SELECT verdict FROM dbsync.verify('capt', 'public.captured', repair => true)"), 'repaired', 'others are repaired');
is($pair->sql("SELECT verdict, different, parked FROM dbsync.verify('capt')"), 'different|0|1', 'and are not parked, too');
is($pair->sql("SELECT count(*) FROM dbsync.quarantine WHERE subscription = 'capt'"), 1, 'as they have only been in each other\'s way');

DbsyncTest::finish();

# What the target refuses of a comparison for what it is, before it could be written at all (a type that is too short, a character that the
# target's encoding lacks): its key is parked, also where unique values move at the same time, and the others arrive.  Batches of
# one comparison follow each other at once.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(becomes_true);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $pair = DbsyncTest->new(source_conf => "dbsync.batch_rows = 100\n");
my $source = $pair->source;
my $target = $pair->target;

sub parked
{
	return $pair->sql('SELECT string_agg("table" || \' \' || (key::json->>\'id\') || \' \' || sqlstate, \', \' ORDER BY "table"::text, (key::json->>\'id\')::int) FROM dbsync.quarantine');
}

# --- a type that is too short, with and without unique values that move

$pair->sql("CREATE TABLE public.$_ (id int PRIMARY KEY, v text, u int, w numeric(8, 1)); INSERT INTO public.$_ SELECT i, 'v', i, 1 FROM generate_series(1, 500) i") foreach 'plain', 'moving', 'captured';
$pair->target_sql('CREATE TABLE public.plain (id int PRIMARY KEY, v varchar(3), u int, w numeric(5, 1)); CREATE TABLE public.moving (id int PRIMARY KEY, v varchar(3), u int UNIQUE, w numeric(5, 1));'
	  . ' CREATE TABLE public.captured (id int PRIMARY KEY, v varchar(3), u int UNIQUE, w numeric(5, 1))');
$pair->sql("SELECT dbsync.create_subscription('snap', 'far', on_error => 'quarantine')");
$pair->sql("SELECT dbsync.add_table('snap', 'public.$_', capture => 'snapshot')") foreach 'plain', 'moving';
$pair->start_subscription('snap');
$pair->arrives('snap');
foreach my $table ('plain', 'moving')
{
	$pair->sql("UPDATE public.$table SET v = 'too long' WHERE id = 7; UPDATE public.$table SET w = 1000000 WHERE id = 307; UPDATE public.$table SET v = 'new' WHERE id % 50 = 8");
}
$pair->arrives('snap', 'rows that do not fit their types keep no others from arriving');
is(parked(), 'moving 7 22001, moving 307 22003, plain 7 22001, plain 307 22003', 'their keys are parked');
$pair->same_at_both_ends("(SELECT * FROM public.$_ WHERE id NOT IN (7, 307))") foreach 'plain', 'moving';
is($pair->target_sql("SELECT string_agg(v || w, ' ' ORDER BY id) FROM public.$_ WHERE id IN (7, 307)"), 'v1.0 v1.0', "$_: their rows stay as they were") foreach 'plain', 'moving';
$pair->sql('UPDATE public.moving SET u = (u + 130) % 500 + 1');
$pair->arrives('snap', 'unique values go round, past rows that are refused');
is(parked(), 'moving 7 22001, moving 307 22003, plain 7 22001, plain 307 22003', 'nobody else is parked for that');
$pair->same_at_both_ends('(SELECT * FROM public.moving WHERE id NOT IN (7, 307))');
$pair->sql("UPDATE public.$_ SET v = 'fit' WHERE id = 7; UPDATE public.$_ SET w = 2 WHERE id = 307") foreach 'plain', 'moving';
$pair->arrives('snap', 'they fit');
is(parked(), '', 'and are free');
$pair->same_at_both_ends('public.plain', 'public.moving');

# --- verify() that repairs what is captured

$pair->subscribe('capt', ['public.captured'], on_error => "'quarantine'");
$pair->start_subscription('capt');
$pair->arrives('capt');
$pair->target_sql('ALTER TABLE public.captured ALTER v TYPE text');
$pair->sql("UPDATE public.captured SET v = 'long enough' WHERE id = 9");
$pair->arrives('capt');
# whatever batch it is in
$pair->target_sql("UPDATE public.captured SET v = 'x', u = -u; ALTER TABLE public.captured ALTER v TYPE varchar(3)");
is($pair->sql("SELECT verdict FROM dbsync.verify('capt', 'public.captured', repair => true)"), 'repaired', 'the others are repaired');
is(parked(), 'captured 9 22001', 'and one is parked');
is($pair->sql("SELECT verdict, different, parked FROM dbsync.verify('capt')"), 'different|0|1', 'as the next one says');
$pair->same_at_both_ends('(SELECT * FROM public.captured WHERE id <> 9)');

# --- characters that the target's encoding lacks

$target->safe_psql('postgres', "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
$target->safe_psql('latin', "CREATE TABLE public.$_ (id int PRIMARY KEY, v text)") foreach 'words', 'told';
$pair->create_target('latin', DbsyncTest::uri_of($target, database => 'latin'));
$pair->sql("CREATE TABLE public.$_ (id int PRIMARY KEY, v text); INSERT INTO public.$_ SELECT i, U&'\\00E9' || i FROM generate_series(1, 100) i") foreach 'words', 'told';
$pair->sql("SELECT dbsync.create_subscription('latin', 'latin', on_error => 'quarantine'); SELECT dbsync.add_table('latin', 'public.words', capture => 'snapshot')");
$pair->sql("SELECT dbsync.add_table('latin', 'public.told')");
$pair->start_subscription('latin');
$pair->arrives('latin');
$pair->sql("UPDATE public.$_ SET v = U&'\"\\20AC\\+01F600\\00E9' WHERE id = 5; UPDATE public.$_ SET v = 'new' WHERE id = 6") foreach 'words', 'told';
$pair->arrives('latin', 'a character that the target cannot write keeps nobody else from arriving');
is(parked(), 'captured 9 22001, told 5 22P05, words 5 22P05', 'its key is parked, told or compared');
is($pair->sql('SELECT bool_and(("row"::json ->> \'v\') = (SELECT v FROM public.words WHERE id = 5)) FROM dbsync.quarantine WHERE sqlstate = \'22P05\''), 't', 'with all of its characters, in JSON\'s way');
is($target->safe_psql('latin', "SELECT v FROM public.$_ WHERE id = 6"), 'new', "$_: others have arrived") foreach 'words', 'told';
$pair->sql("UPDATE public.$_ SET v = 'fits' WHERE id = 5") foreach 'words', 'told';
$pair->arrives('latin', 'what is mended at the source comes');
is(parked(), 'captured 9 22001', 'and is free');
my $words = "SELECT md5(string_agg(convert_to(t::text, 'UTF8'), '' ORDER BY id)) FROM public.words t";
is($target->safe_psql('latin', $words), $pair->sql($words), 'all is there');

# --- so many batches of one comparison do not wait for anybody to call for the next one, which is every half second

$pair->both('CREATE TABLE public.many (id int PRIMARY KEY, v text)');
$pair->sql("INSERT INTO public.many SELECT i, 'v' FROM generate_series(1, 20000) i; SELECT dbsync.create_subscription('many', 'far'); SELECT dbsync.add_table('many', 'public.many', capture => 'snapshot')");
$pair->start_subscription('many');
$pair->arrives('many');
$pair->sql("UPDATE public.many SET v = 'w'");
my $begun = time();
$pair->arrives('many', '200 batches arrive');
cmp_ok(time() - $begun, '<', 50, 'sooner than by half a second each');
$pair->same_at_both_ends('public.many');

DbsyncTest::finish();

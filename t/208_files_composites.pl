# Composite types that the receiver's target has by another name, in another schema, or with its attributes in another order: what
# becomes of them through files is what becomes of them live. The same source feeds a target by files, and one live; types are altered, however deep
# inside columns, between rows and beside changes of tables, and rows and attributes are the same at all three ends.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask quoted uri_of);
use DbsyncTest::Bundle qw(spew);
use DbsyncTest::Receiving;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest::Receiving->new(receiver => { options => q('{"ddl": "apply", "existing_rows": "truncate"}') });
my ($here, $there) = ($pair->source, $pair->target);
my $other = q("Other 'one'");

$pair->sql(<<'SQL');
CREATE TYPE public.code AS (a int, b text);
CREATE TYPE public.pair AS (x int, y text);
CREATE DOMAIN public.pair_domain AS public.pair;
CREATE TYPE public.around AS (n int, m public.pair[], p public.pair_domain);
CREATE TYPE public.outmost AS (w text, i public.around);
CREATE TYPE public.mixed AS (x text, y text);
CREATE TABLE public.t (id int PRIMARY KEY, p public.pair, l public.pair_domain[], o public.around, u public.outmost[], t public.pair);
CREATE TABLE public.keyed (k public.code PRIMARY KEY, v public.pair);
CREATE TABLE public.mixed_up (id int PRIMARY KEY, v public.mixed);
CREATE TABLE public.keyless (v public.pair, l public.pair[]);
SQL
my $types = <<"SQL";
CREATE SCHEMA $other;
CREATE TYPE $other.code AS (a int, b text);
CREATE TYPE $other."%pair" AS (x int, y text);
CREATE TYPE $other.around AS (n int, m $other."%pair"[], p $other."%pair");
CREATE TYPE $other."out\nmost" AS (w text, i $other.around);
CREATE TYPE $other.mixed AS (y text, x text);
CREATE TABLE public.t (id int PRIMARY KEY, p $other."%pair", l $other."%pair"[], o $other.around, u $other."out\nmost"[], t text);
CREATE TABLE public.keyed (k $other.code PRIMARY KEY, v $other."%pair");
CREATE TABLE public.mixed_up (id int PRIMARY KEY, v $other.mixed);
CREATE TABLE public.keyless (v $other."%pair", l $other."%pair"[]);
SQL
$there->safe_psql('postgres', 'CREATE DATABASE live');
$there->safe_psql($_, $types) foreach 'postgres', 'live';
$pair->create_target('live', uri_of($there, database => 'live'));

my @tables = qw(public.t public.keyed public.keyless);
my @mixed = ('public.mixed_up');
$pair->subscribe('l', \@tables, target => 'live', ddl => "'apply'");
$pair->subscribe('s', [ @tables, @mixed ], target => 'gate', ddl => "'apply'");

# rows of the columns that are made of types, as text
my %row_of = ('public.t' => "(id, p, l, o, u)", 'public.keyed' => '(k, v)', 'public.keyless' => '(v, l)', 'public.mixed_up' => '(id, v)');

sub rows
{
	my ($node, $table, $database) = @_;
	my $row = $row_of{$table};
	return ask($node, "SELECT ROW$row FROM $table ORDER BY ROW${row}::text COLLATE \"C\"", $database) // 'cannot read ' . $node->name;
}

# What types of one end look like.
sub attributes
{
	my ($node, $database, @names) = @_;
	my $names = join ', ', map { quoted($_) } @names;
	return ask($node, <<"SQL", $database);
SELECT string_agg(format('%s (%s)', translate(t.typname, E'%\\n', ''), (SELECT string_agg(a.attname, ' ' ORDER BY a.attnum) FROM pg_attribute a
	WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)), ', ' ORDER BY translate(t.typname, E'%\\n', ''))
FROM pg_type t WHERE t.typname IN ($names) AND t.typtype = 'c'
SQL
}

sub same
{
	my ($what, @more) = @_;
	$pair->travels('s', $what);
	$pair->arrives('l', "$what: live") if $pair->sql("SELECT count(*) FROM dbsync.status WHERE subscription = 'l'");
	foreach my $table (@tables, @more)
	{
		is(rows($there, $table), rows($here, $table), "$what: $table by files");
		is(rows($there, $table, 'live'), rows($here, $table), "$what: $table live") unless grep { $_ eq $table } @more;
	}
	is(attributes($there, 'postgres', 'code', '%pair', 'around', "out\nmost"), attributes($here, 'postgres', 'code', 'pair', 'around', 'outmost'), "$what: attributes by files");
	is(attributes($there, 'live', 'code', '%pair', 'around', "out\nmost"), attributes($here, 'postgres', 'code', 'pair', 'around', 'outmost'), "$what: attributes live");
	return;
}

# --- the same attributes in another order: not read for each other

$pair->sql(<<'SQL');
INSERT INTO public.t VALUES (1, (1, 'one'), '{"(2,two)"}', (3, '{"(4,four)"}', (5, 'five')), '{"(six,\"(7,\"\"{\"\"\"\"(8,eight)\"\"\"\"}\"\",)\")"}', (9, 'nine'));
INSERT INTO public.keyed VALUES ((1, 'a'), (1, 'one')), ((2, 'b'), NULL);
INSERT INTO public.keyless SELECT (1, 'same')::public.pair, NULL FROM generate_series(1, 3);
INSERT INTO public.mixed_up VALUES (1, ('of x', 'of y'));
SQL
$pair->start_subscription($_) foreach 's', 'l';
$pair->start_receiver;
$pair->arrives('s', 'first copies are out');
$pair->carry;
$pair->receiver_becomes(q(last_error LIKE 'type %mixed at the target has other attributes than at the source%'), 'a type with its attributes in another order stops the receiver');
like($pair->receiver->{next_action} // '', qr/ALTER TYPE "Other 'one'"\.mixed/, 'and it says what to do');
is($pair->target_sql('SELECT count(*) FROM public.mixed_up'), 0, 'nothing was read for another');
$pair->target_sql("DROP TABLE public.mixed_up; DROP TYPE $other.mixed; CREATE TYPE $other.mixed AS (x text, y text); CREATE TABLE public.mixed_up (id int PRIMARY KEY, v $other.mixed)");
same('first copies', @mixed);

# the other reader
my $work = PostgreSQL::Test::Utils::tempdir_short();
my $key = spew("$work/public.pem", $pair->public_key . "\n");
my ($kept) = glob("$pair->{out_root}/keep/*-*");

sub load
{
	my $said = '';
	local %ENV = (%ENV, TMPDIR => $work, PGHOST => $there->host, PGPORT => $there->port, PGDATABASE => 'by_script');
	my $loaded = IPC::Run::run([ 'scripts/receive', 'load', '-k', $key, $kept ], '<', \'', '>&', \$said);
	return ($loaded, $said);
}

$there->safe_psql('postgres', 'CREATE DATABASE by_script');
$there->safe_psql('by_script', $types);
my ($loaded, $said) = load();
ok(!$loaded, 'scripts/receive stops at it, too');
like($said, qr/mixed has attributes \(y, x\), and at the source \(x, y\)/, 'and says why');
$there->safe_psql('by_script', "DROP TABLE public.mixed_up; DROP TYPE $other.mixed; CREATE TYPE $other.mixed AS (x text, y text); CREATE TABLE public.mixed_up (id int PRIMARY KEY, v $other.mixed)");
($loaded, $said) = load();
ok($loaded, 'and loads the same when it is in order') or diag($said);
is(rows($there, $_, 'by_script'), rows($here, $_), "$_ by the script") foreach @tables, @mixed;

# --- attributes come, go, and get other names; as many as before, so that nothing would be refused

$pair->sql('ALTER TYPE public.pair ADD ATTRIBUTE z text');
$pair->sql(q{UPDATE public.t SET p = (1, 'more', 'z'), l = ARRAY[ROW(1, 'l', 'm')::public.pair]; INSERT INTO public.keyed VALUES ((3, 'c'), (3, 'three', 'z'))});
$pair->sql(q{UPDATE public.keyed SET v = (4, 'four', 'key') WHERE (k).a = 1; INSERT INTO public.keyless VALUES (NULL, ARRAY[ROW(1, 'k', 'z')::public.pair])});
same('an attribute more', @mixed);
$pair->sql('ALTER TYPE public.pair DROP ATTRIBUTE y, ADD ATTRIBUTE q text');
$pair->sql(q{UPDATE public.t SET o.m = ARRAY[ROW(10, 'zz', 'qq')::public.pair]; INSERT INTO public.t (id, p) VALUES (2, (2, 'z', 'q')); UPDATE public.keyed SET v = (5, 'Z', 'Q') WHERE (k).a < 3});
$pair->sql(q{DELETE FROM public.keyless WHERE l IS NULL; INSERT INTO public.keyless VALUES ((7, 'z', 'q'), NULL)});
same('one goes and another comes', @mixed);
$pair->sql('ALTER TYPE public.pair RENAME ATTRIBUTE q TO "Q"; ALTER TYPE public.mixed RENAME ATTRIBUTE x TO xx');
$pair->sql(q{INSERT INTO public.mixed_up VALUES (2, ('of xx', 'of y')); UPDATE public.t SET p = (3, 'z', 'Q'), id = id + 100; UPDATE public.keyed SET k = (9, 'moved') WHERE (k).a = 2; DELETE FROM public.keyless});
same('one is renamed, and keys move', @mixed);

# --- outer and inner types between two batches, and a column that gets another name with them
$pair->sql('ALTER TYPE public.around DROP ATTRIBUTE n; ALTER TYPE public.pair ADD ATTRIBUTE h int; ALTER TYPE public.outmost ADD ATTRIBUTE e int');
$pair->sql(q{INSERT INTO public.t VALUES (3, (1, 'z', 'q', 4), NULL, ROW(ARRAY[ROW(1, 'z', 'q', 5)::public.pair], NULL), ARRAY[ROW('w', NULL, NULL)::public.outmost], NULL)});
$pair->sql(q{INSERT INTO public.keyless VALUES ((8, 'z', 'q', 9), NULL); UPDATE public.keyed SET v.h = 6});
same('types within types', @mixed);

$pair->sql('ALTER TYPE public.pair DROP ATTRIBUTE z, ADD ATTRIBUTE g text; ALTER TABLE public.keyed RENAME v TO w');
$pair->sql('BEGIN; ALTER TABLE public.keyless RENAME v TO o; ALTER TABLE public.keyless RENAME l TO v; ALTER TABLE public.keyless RENAME o TO l; COMMIT');
$row_of{'public.keyed'} = '(k, w)';
$pair->sql(q{INSERT INTO public.keyed VALUES ((10, 'j'), (1, 'q', 2, 'g')); UPDATE public.keyed SET w.g = 'G' WHERE (k).a = 1});
$pair->sql(q{INSERT INTO public.keyless (l, v) VALUES ((9, 'q', 3, 'g'), ARRAY[ROW(10, 'q', 4, 'g')::public.pair])});
same('columns get other names', @mixed);

# --- made by somebody: the statement has the name that the type has there
$pair->stop_receiver;
$pair->target_sql(q{SELECT dbsync.alter_receiver('in', options => '{"ddl": "wait"}')});
$pair->start_receiver;
$pair->sql('ALTER TYPE public.pair DROP ATTRIBUTE g, ADD ATTRIBUTE f int');
$pair->sql(q{INSERT INTO public.t (id, p) VALUES (4, (1, 'q', 2, 3))});
$pair->arrives('s', 'by hand: it is out');
$pair->carry;
my $statement = qq(ALTER TYPE $other."%pair" DROP ATTRIBUTE g, ADD ATTRIBUTE f integer;);
$pair->receiver_becomes('next_action LIKE ' . quoted('%' . ($statement =~ s/%/\\%/r)), 'the receiver waits, and has the statement');
$pair->target_sql($statement);
same('by hand', @mixed);

$pair->finish;

# Rows that clash, and rows that lack columns, where there is no source to ask: unique values that swap beside large ones that
# were left untouched, within a file and over two; a row that is missing; batches of several files, larger than the cache; first copies into tables
# that have rows; foreign keys that the target checks; tables that take no upsert; columns of other types.
use strict;
use warnings;

use lib 't';
use DbsyncTest::Bundle qw(bundle_functions contents_text head_text make_bundle quoted);
use DbsyncTest::Server qw(ask new_node uri_of);
use File::Basename qw(basename);
use File::Copy qw(copy);
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('here', preload => 1);
my $made = PostgreSQL::Test::Utils::tempdir_short();
my $root = PostgreSQL::Test::Utils::tempdir_short() . '/in';
my $in = "$root/in";
my ($true, $false) = (JSON::PP::true, JSON::PP::false);

$node->safe_psql('postgres', 'CREATE EXTENSION dbsync');
bundle_functions($node);
my $public = $node->safe_psql('postgres', "SELECT bundle_test.make_key('$made/key')");
my $uri = uri_of($node);
# as whom keys are checked
$node->safe_psql('postgres', 'CREATE ROLE plain LOGIN; GRANT CREATE ON DATABASE postgres TO plain; GRANT CREATE ON SCHEMA public TO plain;'
	. ' GRANT USAGE ON SCHEMA dbsync TO plain');
my $plain = uri_of($node, user => 'plain');
$node->safe_psql('postgres', "SELECT dbsync.create_target('here', '$uri'); SELECT dbsync.create_target('checked', '$plain')");

my (%last, %sum);

# Usage: bundle(chain, number, [tables], [steps], [queries], head => ..., alters => 1: the second table is the first one, in another shape)
sub bundle
{
	my ($chain, $number, $tables, $steps, $queries, %other) = @_;
	my $path = "$made/$chain-$number.tar";
	my $alters = delete $other{alters};
	my $n = 0;

	foreach my $step (@$steps)
	{
		next if $step->{do} eq 'truncate' || $step->{do} eq 'change';
		$step->{file} = ++$n . '.copy';
		$step->{form} //= 'text';
		$step->{rows} = $step->{bytes} = 0;
	}
	my $contents = contents_text($tables, @$steps);
	if ($alters)
	{
		my $read = JSON::PP->new->decode($contents);
		$read->{tables}[1]{id} = $read->{tables}[0]{id};
		$read->{tables}[1]{fingerprint} = 'cd' x 32;
		$contents = JSON::PP->new->canonical->encode($read);
	}
	unlink $path;
	$sum{"$chain-$number"} = make_bundle($node, $path, "$made/key",
		head_text(chain => $chain, number => $number, previous => $number > 1 ? $sum{ $chain . '-' . ($number - 1) } : undef, batch => $number, %other),
		$contents, $queries) // die "no bundle";
	mkdir $root;
	mkdir $in;
	copy($path, "$in/.tmp") or die $!;
	rename("$in/.tmp", "$in/$chain-$number.tar") or die $!;
	return;
}

sub create
{
	my ($target, %options) = @_;
	system('rm', '-rf', $root);
	$node->safe_psql('postgres', sprintf("SELECT dbsync.create_receiver('r', 'file://$root', %s, ARRAY[%s], options => %s)",
		quoted($target), quoted($public), quoted(JSON::PP->new->encode({ gap_after => '0', %options }))));
	return;
}

sub drop { $node->safe_psql('postgres', "SELECT dbsync.drop_receiver('r')"); return; }

sub receives
{
	my ($expected, $test) = @_;
	my (undef, $answer, $error) = $node->psql('postgres', "SELECT dbsync.receive_once('r')");
	return ref $expected ? like($error, $expected, $test) : is($error ne '' ? $error : $answer, $expected, $test);
}

sub rows { return ask($node, $_[0]) // ''; }

# --- swaps
$node->safe_psql('postgres', 'CREATE TABLE public.u (id int PRIMARY KEY, v text UNIQUE, big text)');
my $u = [ 'u', 'id integer', 'v text', 'big text' ];
my $all = "SELECT string_agg(id || v || length(big), ' ' ORDER BY id) FROM public.u";
my $chain = 1000;

create('here');
bundle($chain, 1, [$u], [ { do => 'append', table => 1 } ], [q{SELECT i, chr(96 + i), repeat('x', 100000 * i) FROM generate_series(1, 4) i}]);
receives('1', 'rows with large values');
is(rows($all), '1a100000 2b200000 3c300000 4d400000', 'are there');
bundle($chain, 2, [$u], [ { do => 'patch', table => 1 } ], [q{VALUES ('U', '3', 1, 'b', NULL::text), ('U', '3', 2, 'a', NULL)}]);
receives('1', 'two rows swap a unique value, and leave the large one untouched');
is(rows($all), '1b100000 2a200000 3c300000 4d400000', 'each has its own still');

# over two files, of which neither could be written alone
bundle($chain, 3, [$u], [ { do => 'patch', table => 1, continues => $true } ], [q{VALUES ('U', '3', 1, 'a', NULL::text), ('U', NULL, 3, 'd', 'new')}],
	last => $false, position => undef, batch => 3, part => 1);
receives('0', 'the first half of a batch is not played');
is(rows($all), '1b100000 2a200000 3c300000 4d400000', 'nothing of it is there');
is(rows("SELECT missing FROM dbsync.receivers"), '4', 'the other half is missing');
bundle($chain, 4, [$u], [ { do => 'patch', table => 1 } ], [q{VALUES ('U', '3', 2, 'b', NULL::text), ('U', '3', 4, 'c', NULL)}], batch => 3, part => 2);
receives('1', 'and with the other half');
is(rows($all), '1a100000 2b200000 3d3 4c400000', 'both have swapped');
bundle($chain, 5, [$u], [ { do => 'merge', table => 1 } ], [q{VALUES ('U', 1, 'b', 'p'), ('U', 2, 'a', 'q'), ('D', 3, NULL, NULL), ('I', 5, 'd', 'r')}], batch => 4);
receives('1', 'whole rows swap, and one takes the value of one that goes');
is(rows($all), '1b1 2a1 4c400000 5d1', 'all are right');

# a row that is not there
bundle($chain, 6, [$u], [ { do => 'patch', table => 1 } ], [q{VALUES ('U', '3', 99, 'z', NULL::text)}], batch => 5);
receives(qr/a row of target table "public.u" is missing: id = 99/, 'a row that lacks columns, and is not there, is named');
$node->safe_psql('postgres', "INSERT INTO public.u VALUES (99, 'y', 'kept')");
receives('1', 'with it, it goes on by itself');
is(rows('SELECT v || big FROM public.u WHERE id = 99'), 'zkept', 'and has what it had');

# a copy meets rows that are there
bundle($chain, 7, [$u], [ { do => 'append', table => 1 } ], [q{VALUES (5, 'd', 'again'), (6, 'f', 'six')}], batch => 6);
receives('1', 'a piece of a copy over rows that are there');
is(rows('SELECT big FROM public.u WHERE id = 5'), 'again', 'takes their place');
drop();

# --- first copies
$node->safe_psql('postgres', 'TRUNCATE public.u; INSERT INTO public.u VALUES (1000, $$mine$$, NULL)');
create('here');
bundle(2000, 1, [$u], [ { do => 'append', table => 1, first => $true } ], [q{VALUES (1, 'a', 'x')}]);
receives(qr/target table "public.u" has rows already/, 'a first copy into a table that has rows is refused');
$node->safe_psql('postgres', q{SELECT dbsync.alter_receiver('r', options => '{"existing_rows": "keep"}')});
receives('1', 'unless somebody has said keep');
is(rows('SELECT count(*) FROM public.u'), '2', 'they are kept');
drop();
create('here', existing_rows => 'truncate');
bundle(2001, 1, [$u], [ { do => 'append', table => 1, first => $true } ], [q{VALUES (1, 'a', 'x')}]);
receives('1', 'or truncate');
is(rows('SELECT count(*) FROM public.u'), '1', 'they are gone');
drop();

# --- a batch that is larger than the cache
create('here', cache_size => '1 kB');
bundle(3000, 1, [$u], [ { do => 'truncate', tables => [1] }, { do => 'append', table => 1, continues => $true } ],
	[q{SELECT i, 'p' || i, md5(i::text) FROM generate_series(1, 300) i}], last => $false, position => undef, batch => 1, part => 1);
bundle(3000, 2, [$u], [ { do => 'append', table => 1, continues => $true } ],
	[q{SELECT i, 'p' || i, md5(i::text) FROM generate_series(301, 600) i}], last => $false, position => undef, batch => 1, part => 2);
bundle(3000, 3, [$u], [ { do => 'append', table => 1 } ], [q{SELECT i, 'p' || i, md5(i::text) FROM generate_series(601, 700) i}], batch => 1, part => 3);
bundle(3000, 4, [$u], [ { do => 'delete', table => 1 } ], [q{SELECT i FROM generate_series(1, 10) i}], batch => 2);
receives('2', 'a batch of three files, each larger than the cache, and one behind it');
is(rows('SELECT count(*)::text || min(id) FROM public.u'), '69011', 'is played as a whole');
drop();

# --- foreign keys that are checked
$node->safe_psql('postgres', <<'SQL');
SET ROLE plain;
CREATE TABLE public.parent (id int PRIMARY KEY, v text UNIQUE, big text);
CREATE TABLE public.child (id int PRIMARY KEY, parent int REFERENCES public.parent, big text);
SQL
my @family = ([ 'parent', 'id integer', 'v text', 'big text' ], [ 'child', 'id integer', 'parent integer', 'big text' ]);
my $family = q{SELECT (SELECT string_agg(id || v || big, ' ' ORDER BY id) FROM public.parent) || ' / ' || coalesce((SELECT string_agg(id || '>' || parent || big, ' ' ORDER BY id) FROM public.child), '')};

$node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA dbsync_ledger TO plain; GRANT SELECT, INSERT, UPDATE, DELETE ON dbsync_ledger.position TO plain');
create('checked');
# children first, as no source knows of these keys
bundle(4000, 1, \@family, [ { do => 'append', table => 2 }, { do => 'append', table => 1 } ],
	[ q{VALUES (1, 1, 'c'), (2, 2, 'c')}, q{VALUES (1, 'a', 'p'), (2, 'b', 'p')} ]);
receives('1', 'children come before their parents');
is(rows($family), '1ap 2bp / 1>1c 2>2c', 'and all is there');
bundle(4000, 2, \@family, [ { do => 'merge', table => 1 }, { do => 'patch', table => 2 } ],
	[ q{VALUES ('D', 2, NULL, NULL), ('I', 3, 'b', 'p3')}, q{VALUES ('U', '3', 2, 3, NULL::text)} ]);
receives('1', 'a parent goes before its child has left it, which lacks a column');
is(rows($family), '1ap 3bp3 / 1>1c 2>3c', 'all is right');
bundle(4000, 3, \@family, [ { do => 'patch', table => 1 } ], [ q{VALUES ('U', '3', 1, 'b', NULL::text), ('U', '3', 3, 'a', NULL)} ]);
receives('1', 'rows that are referenced swap a unique value');
is(rows($family), '1bp 3ap3 / 1>1c 2>3c', 'and keep the rest');
# behind the change nothing of the parent is known before the batch: its rows go together with others all the same
$node->safe_psql('postgres', q{SELECT dbsync.alter_receiver('r', options => '{"ddl": "apply"}')});
bundle(4000, 4, [ $family[0], [ 'parent', 'id integer', 'v text', 'big text', 'x text' ], $family[1] ],
	[ { do => 'change', table => 2, before => 1, how => [], changes => [ { kind => 'add', column => 'x', type => 'text', oid => 25, typmod => -1, collation => 100 } ] },
		{ do => 'merge', table => 3 }, { do => 'patch', table => 2 } ],
	[ q{VALUES ('I', 3, 4, 'c')}, q{VALUES ('U', '3', 1, 'e', NULL::text, 'x1'), ('I', NULL, 4, 'd', 'p4', NULL)} ], requires => ['change'], alters => 1);
receives('1', 'a parent changes its shape, and its rows lack a column');
is(rows($family), '1ep 3ap3 4dp4 / 1>1c 2>3c 3>4c', 'children stay, and one comes before its parent');
drop();

# --- tables that take no upsert, and columns of other types
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE public.always (id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, v text);
CREATE TABLE public.wide (id bigint PRIMARY KEY, n text, t text);
CREATE TYPE public.mood AS ENUM ('sad', 'glad');
CREATE TABLE public.moods (m public.mood PRIMARY KEY, ms public.mood[], r text);
SQL
create('here');
bundle(5000, 1, [ [ 'always', 'id integer', 'n integer', 'v text' ] ], [ { do => 'append', table => 1 }, { do => 'merge', table => 1 }, { do => 'patch', table => 1 } ],
	[ q{VALUES (1, 10, 'a'), (2, 20, 'b')}, q{VALUES ('U', 1, 11, 'c'), ('D', 2, NULL, NULL)}, q{VALUES ('U', '3', 1, 12, NULL::text)} ]);
receives('1', 'a table that takes no upsert');
is(rows('SELECT id || n::text || v FROM public.always'), '112c', 'gets its rows all the same');
bundle(5000, 2, [ [ 'moods', 'm public.mood', 'ms public.mood[]', 'r text' ] ], [ { do => 'append', table => 1 }, { do => 'merge', table => 1 } ],
	[ q{VALUES ('sad', '{sad,glad}', 'x')}, q{VALUES ('U', 'sad', '{glad}', 'y'), ('I', 'glad', NULL, NULL)} ]);
receives('1', 'types that nobody here has an oid of');
is(rows(q{SELECT string_agg(m || coalesce(ms::text, '-'), ' ' ORDER BY m) FROM public.moods}), 'sad{glad} glad-', 'an enum is the key');
drop();

# --- more files than a process may have open
$node->append_conf('postgresql.conf', 'max_files_per_process = 100');
$node->restart;
$node->safe_psql('postgres', 'TRUNCATE public.u');
create('here');
bundle(6000, $_, [$u], [ { do => 'append', table => 1 } ], ["SELECT $_, 'p$_', 'x'"], batch => 1, part => $_,
	$_ < 60 ? (last => $false, position => undef) : ()) foreach 1 .. 60;
receives('1', 'a batch of more files than a process may have open');
is(rows('SELECT count(*) FROM public.u'), '60', 'is played as a whole');
drop();

ok(!(grep { /TRAP|PANIC|terminated by signal/ } split /\n/, PostgreSQL::Test::Utils::slurp_file($node->logfile)), 'no crash');
done_testing();

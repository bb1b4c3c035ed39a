# What people are told of a receiver, and when: each row of what may come (docs/files.md), by the words of dbsync.receivers and dbsync.inbox(),
# of one that runs.  What the target refuses stays in the cache, and goes on by itself.  Hazards 2, 3, 5, 7, 8, 10, 19, 20, 42, 43, 50 of files.
use strict;
use warnings;

use lib 't';
use DbsyncTest::Bundle qw(bundle_functions check_bundle contents_text head_text make_bundle members_of quoted sign_again slurp spew tar_of);
use DbsyncTest::Server qw(ask becomes_true new_node poll_until uri_of);
use File::Basename qw(basename);
use File::Copy qw(copy);
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('here', preload => 1);
my $made = PostgreSQL::Test::Utils::tempdir_short();
my $root = PostgreSQL::Test::Utils::tempdir_short() . '/in';
my $in = "$root/in";

# as a user of few rights, of whom the target can refuse something
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION dbsync;
CREATE ROLE plain LOGIN;
GRANT CREATE ON DATABASE postgres TO plain;
GRANT USAGE ON SCHEMA dbsync TO plain;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO plain;
CREATE TABLE public.t (id int PRIMARY KEY, v text, big text);
GRANT ALL ON public.t TO plain;
SQL
bundle_functions($node);
my $key = "$made/key";
my $public = $node->safe_psql('postgres', "SELECT bundle_test.make_key('$key')");
$node->safe_psql('postgres', "SELECT dbsync.create_target('here', '" . uri_of($node, user => 'plain') . "')");

my $columns = [ 't', 'id integer', 'v text', 'big text' ];
my %sums;		# of bundles, by chain and number

# A bundle of one step, a query for its rows.  Its batch is its number, unless it is said.
sub bundle
{
	my ($chain, $number, $do, $query, %other) = @_;
	my $path = "$made/" . (delete $other{name} // "$chain-$number.tar");
	my @steps = { do => $do, table => 1, form => 'text', file => '1.copy', rows => 0, bytes => 0 };

	unshift @steps, { do => 'truncate', tables => [1] } if delete $other{empties};
	unlink $path;
	$sums{"$chain-$number"} = make_bundle($node, $path, $key,
		head_text(chain => $chain, number => $number, previous => $number > 1 ? $sums{ $chain . '-' . ($number - 1) } : undef, batch => $number, %other),
		contents_text([$columns], @steps), [$query]) // die "bundle $path";
	return $path;
}

sub upsert { my ($id, $v) = @_; return "SELECT 'U', $id, '$v', NULL::text"; }

sub put
{
	my ($path, $name) = @_;
	copy($path, "$in/.tmp") or die $!;
	rename("$in/.tmp", "$in/" . ($name // basename($path))) or die $!;
	return;
}

sub rows { return ask($node, "SELECT string_agg(id || '=' || coalesce(v, '-'), ' ' ORDER BY id) FROM public.t") // ''; }
sub files { my ($folder) = @_; opendir(my $h, $folder) or return (); my @n = sort grep { !/^\./ } readdir $h; return @n; }
sub alter { my (%options) = @_; $node->safe_psql('postgres', "SELECT dbsync.alter_receiver('r', options => '" . JSON::PP->new->encode(\%options) . "')"); return; }
sub inbox_says { my ($file) = @_; return ask($node, 'SELECT state FROM dbsync.inbox($$r$$) WHERE file = ' . quoted($file)) // ''; }

sub says
{
	my ($condition, $test) = @_;
	my $said = ok(becomes_true($node, "SELECT coalesce(bool_and($condition), false) FROM dbsync.receivers WHERE receiver = 'r'"), $test);
	diag(ask($node, "SELECT to_json(r) FROM dbsync.receivers r WHERE receiver = 'r'") // '') unless $said;
	return $said;
}

sub refused
{
	my ($sql, $words, $test) = @_;
	my (undef, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");
	return like($error, $words, $test);
}

my $well = "state = 'idle' AND last_error IS NULL AND next_action IS NULL AND missing IS NULL AND missing_since IS NULL";

# --- where it can be
sub create { my ($path) = @_; return "SELECT dbsync.create_receiver('r', 'file://$path', 'here', ARRAY[" . quoted($public) . "], policy => 'interval 50 ms')"; }
my $hint = qr/HINT:  Make one with: install -d/;
mkdir "$made/locked";
chmod 0500, "$made/locked";
refused(create("$made/locked"), qr/22023: folder ".*" cannot be the root of a receiver.*cannot write to it: Permission denied.*$hint/s, 'a root that cannot be written to');
refused(create("$made/locked/in"), qr/22023: folder ".*" cannot be the root.*cannot make it: Permission denied.*$hint/s, 'nor made');
refused("SELECT dbsync.create_target('gate', 'file://$made/locked')", qr/22023: .*cannot be the root of a file target: .*cannot write to it.*$hint/s, 'nor that of a target');
refused(create($node->data_dir . '/in'), qr/22023: .*data directory.*$hint/s, 'in the data directory');
$node->safe_psql('postgres', create($root));
# what was right then is looked at again
symlink($made, $root) or die $!;
refused("SELECT dbsync.receive_once('r')", qr/22023: folder ".*" cannot be the root of a receiver.*symbolic link.*$hint/s, 'a root that has become a link');
unlink $root;
$node->safe_psql('postgres', "SELECT dbsync.start_receiver('r')");
alter(settle_after => '0', gap_after => '1 h');
ok(poll_until(sub { -d $in }, 'the inbox'), 'it runs');

# --- a gap
my $c = 1000;
my @first = map { bundle($c, $_, $_ == 1 ? 'append' : 'merge', $_ == 1 ? "SELECT 1, 'one', 'large'" : upsert($_, "v$_")) } 1 .. 3;
put($first[0]);
says("number = 1 AND $well", 'number 1');
put($first[2]);
says("state = 'waiting for number 2' AND missing IS NULL AND missing_since < now() AND cached = 1 AND next_action IS NULL", 'a gap: it says what it waits for, and since when');
alter(gap_after => '0');
says("state = 'waiting for number 2' AND missing = '2' AND next_action ~ 'Bundles are missing since 20.*: 2[.] ' AND last_error IS NULL", 'behind gap_after it is missing');
put($first[1]);
says("number = 3 AND $well", 'and goes on by itself');

# --- what is not right
my $bytes = slurp(bundle($c, 4, 'merge', upsert(4, 'v4')));
substr(my $changed = $bytes, length($bytes) - 1500, 1) ^= "\1";
put(spew("$made/changed", $changed), 'changed.tar');
put(bundle($c, 5, 'merge', upsert(5, 'v5')));
says("state = 'waiting for number 4' AND missing = '4' AND rejected = 1", 'what was rejected is missing');
like(ask($node, "SELECT dbsync.receipt('r')"), qr/ applied=3 .* missing=4 /, 'which the receipt says');
is(ask($node, "SELECT count(*) FROM dbsync.inbox('r') WHERE state = 'rejected' AND note <> ''"), 1, 'inbox() says why');
is(rows(), '1=one 2=v2 3=v3', 'nothing of it is at the target');
alter(settle_after => '1 h', partial_after => '0');
put(spew("$made/torn", substr($bytes, 0, 1500)), 'torn.tar');
put(spew("$made/zeros", substr($bytes, 0, 1024) . "\0" x (length($bytes) - 1024)), 'zeros.tar');
says("partial = 1 AND next_action ~ 'incomplete for long: 1'", 'what has no end is reported behind partial_after');
is(inbox_says($_), 'partial', "$_ is partial") foreach 'torn.tar', 'zeros.tar';
alter(partial_after => '1 h', settle_after => '0');
says('rejected = 2', 'one that has its end, and nothing in it, is rejected when it has stood still');
is_deeply([ files($in) ], ['torn.tar'], 'the other one stays');
spew("$in/torn.tar", $bytes);
says("number = 5 AND partial = 0 AND $well", 'and is taken when it is whole');
put($first[0], 'twice.tar');
says("duplicates > 0 AND $well", 'duplicates are counted');
is_deeply([ files($in) ], [], 'and removed');
link($node->data_dir . '/PG_VERSION', "$in/hard") or diag("no hard link: $!");

# who holds a file open that is taken can write to it still
my $six = bundle($c, 6, 'merge', upsert(6, 'v6'));
my $seven = slurp(bundle($c, 7, 'merge', upsert(7, 'v7')));
spew("$in/.tmp", $seven);
open(my $handle, '+<:raw', "$in/.tmp") or die $!;
rename("$in/.tmp", "$in/seven.tar") or die $!;
says("state = 'waiting for number 6' AND cached = 1", 'a file is taken, which somebody has open');
seek($handle, 0, 0);
print $handle 'x' x length $seven;
close $handle or die $!;
put($six);
says("number = 7 AND $well", 'and writes to');
is(rows(), '1=one 2=v2 3=v3 4=v4 5=v5 6=v6 7=v7', 'which changes nothing');
is(inbox_says('hard'), 'left alone', 'a hard link to a file of the server is left alone');
ok(-s $node->data_dir . '/PG_VERSION', 'and so is the file');
unlink "$in/hard";

# --- what the target refuses
my $number = 7;
sub target_refuses
{
	my ($what, $break, $words, $mend) = @_;

	$number++;
	$node->safe_psql('postgres', $break);
	put(bundle($c, $number, 'merge', upsert($number, "v$number")));
	says("state = 'waiting to retry' AND last_error ~ " . quoted($words) . " AND next_action <> '' AND retry_at IS NOT NULL AND cached = 1 AND failures > 1 AND number = $number - 1",
		"$what: its words, what to do, and another attempt");
	is_deeply([ files($in) ], [], "$what: the batch stays in the cache");
	$node->safe_psql('postgres', $mend);
	says("number = $number AND $well", "$what: it goes on by itself");
	return;
}
target_refuses('no table', 'ALTER TABLE public.t RENAME TO gone', 'does not exist', 'ALTER TABLE public.gone RENAME TO t');
target_refuses('no column', 'ALTER TABLE public.t RENAME v TO w', 'lacks columns: v', 'ALTER TABLE public.t RENAME w TO v');
target_refuses('no right', 'REVOKE ALL ON public.t FROM plain', 'permission denied', 'GRANT ALL ON public.t TO plain');
target_refuses('a constraint', "ALTER TABLE public.t ADD CONSTRAINT never CHECK (v <> 'v11')", 'violates check constraint "never"', 'ALTER TABLE public.t DROP CONSTRAINT never');
target_refuses('another type', 'ALTER TABLE public.t RENAME v TO was; ALTER TABLE public.t ADD v int', 'invalid input syntax|type', 'ALTER TABLE public.t DROP v; ALTER TABLE public.t RENAME was TO v');
is(rows(), join(' ', '1=one', map { "$_=v$_" } 2 .. $number), 'all is there');

# --- where it stands still
$number++;
put(bundle($c, $number, 'patch', "SELECT 'U', '3', 99, 'z', NULL::text"));
says("state = 'stopped: missing row' AND last_error ~ 'public[.]t.*id = 99' AND next_action ~ 'Put the row back.*copy_table.*whole_rows'", 'a row that is not there: which, and what to do');
$node->safe_psql('postgres', "INSERT INTO public.t VALUES (99, 'y', 'kept')");
says("number = $number AND $well", 'with it, it goes on');
my $at_source = q{At the source: SELECT dbsync[.]restart_chain\('orders'\)};
put(bundle($c, $number, 'merge', upsert(98, 'other'), name => 'fork.tar'));
says("state = 'stopped: fork' AND next_action ~ " . quoted($at_source), 'a fork: by the name that the source knows');
unlink "$in/fork.tar";
says($well, 'without it all is well');
$sums{"$c-$number"} = 'ab' x 32;
put(bundle($c, $number + 1, 'merge', upsert(98, 'broken')));
says("state = 'stopped: broken chain' AND next_action ~ " . quoted($at_source), 'a broken chain');
put(bundle(500, 1, 'append', "SELECT 98, 'old', NULL"));
put(bundle($c + 1, 1, 'append', "SELECT 1, 'anew', 'large'", empties => 1));
says("state = 'idle' AND chain = $c + 1 AND next_action ~ 'older chain that was never seen here: 1[.].*chain => " . ($c + 2) . "'", 'a new chain mends it; one that is older, and not known, is said');
is(inbox_says('500-1.tar'), 'older chain', 'and left');
unlink "$in/500-1.tar";
says($well, 'until it has gone');
my @members = members_of(slurp(bundle($c + 1, 2, 'merge', upsert(2, 'future'))));
$_->{content} =~ s/^dbsync bundle 1$/dbsync bundle 2/m foreach @members;
put(spew("$made/future", tar_of(sign_again($made, $key, @members))), 'future.tar');
says("state = 'stopped: format too new' AND last_error_detail ~ 'has format 2, and this dbsync reads format 1' AND next_action ~ 'Update dbsync'", 'a later format: which');
is_deeply([ files($in) ], ['future.tar'], 'the file stays');
unlink "$in/future.tar";
put(bundle($c + 1, 2, 'merge', upsert(2, 'w2')));
says("number = 2 AND $well", 'nothing was left out');
alter(expect_every => '1 ms');
says("state = 'idle' AND next_action ~ 'Nothing newer has come than of .*expected every'", 'silence is said, where something was expected');
alter(expect_every => undef);
my $ledger = ask($node, 'SELECT to_json(p) FROM dbsync_ledger.position p');
$node->safe_psql('postgres', "SELECT dbsync.stop_receiver('r'); DELETE FROM dbsync_ledger.position");
put($first[1], 'late.tar');
is(inbox_says('late.tar'), 'duplicate', 'a file of a chain that was known is no older chain');
$node->safe_psql('postgres', "SELECT dbsync.start_receiver('r')");
put(bundle($c + 1, 3, 'merge', upsert(3, 'w3')));
says("state = 'stopped: no ledger' AND next_action ~ 'only a new chain will do. At the source'", 'a target without its ledger');
$node->safe_psql('postgres', 'INSERT INTO dbsync_ledger.position SELECT * FROM json_populate_record(NULL::dbsync_ledger.position, ' . quoted($ledger) . ')');
says("number = 3 AND $well", 'with it, it goes on');
is(rows(), '1=anew 2=w2 3=w3', 'and has played each once');

# --- bombs
my ($directory) = $members[0]{name} =~ m{(.*)/};
spew("$made/many", tar_of($members[0], map { +{ name => "$directory/$_", content => '' } } 1 .. 100_002));
is_deeply([ check_bundle($node, "$made/many", $public) ], [ 'bad', 'it has too many members' ], 'a hundred thousand empty members');
unlink "$made/many";
my @large = map { +{ %$_, content => $_->{name} =~ m{/bundle\.json$} ? $_->{content} =~ s/\{/'{' . ' ' x 68_000_000/er : $_->{content} } } members_of($bytes);
spew("$made/large", tar_of(sign_again($made, $key, @large)));
is_deeply([ check_bundle($node, "$made/large", $public) ], [ 'bad', 'bundle.json is larger than 64 MB' ], 'JSON without an end');
unlink "$made/large";

# --- a copy of this database
$node->safe_psql('postgres', "SELECT dbsync.stop_receiver('r')");
ok(poll_until(sub { ($node->psql('template1', 'CREATE DATABASE copy TEMPLATE postgres'))[0] == 0 }, 'the copy'), 'the database is copied');
is($node->safe_psql('copy', "SELECT state FROM dbsync.receivers WHERE next_action ~ 'adopt'"), 'dormant', 'its receiver is dormant');
foreach my $sql ("SELECT dbsync.start_receiver('r')", "SELECT dbsync.receive_once('r')")
{
	my ($status, undef, $error) = $node->psql('copy', $sql);
	ok($status != 0 && $error =~ /adopt/, "and stays so: $sql") or diag($error);
}

# --- whoever runs as one who may not
my $gate = "file://$made/gate";
$node->safe_psql('postgres', <<"SQL");
GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_file TO plain;
CREATE FUNCTION public.target_detour() RETURNS void LANGUAGE sql SECURITY DEFINER AS \$\$ SELECT dbsync.create_target('gate', '$gate') \$\$;
CREATE FUNCTION public.receiver_detour() RETURNS void LANGUAGE sql SECURITY DEFINER AS \$\$ SELECT dbsync.create_receiver('d', '$gate', 'here', ARRAY[@{[ quoted($public) ]}]) \$\$;
ALTER FUNCTION public.target_detour() OWNER TO plain;
ALTER FUNCTION public.receiver_detour() OWNER TO plain;
SQL
refused('SELECT public.target_detour()', qr/42501: permission denied for target "gate".*pg_write_server_files TO plain/s, 'a function of his, that somebody else calls who may, has no target made');
refused('SELECT public.receiver_detour()', qr/42501: role "plain" may not have a receiver.*HINT:  A superuser can GRANT/s, 'nor a receiver');
ok(!-e "$made/gate", 'nor a folder');
$node->safe_psql('postgres', 'CREATE ROLE filer; GRANT pg_read_server_files, pg_write_server_files TO filer; GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_file TO filer;'
	. ' GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_postgres TO filer; GRANT USAGE ON SCHEMA dbsync TO filer; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO filer');
$node->safe_psql('postgres', "SET ROLE filer; SELECT dbsync.create_target('there', '" . uri_of($node, user => 'plain') . "'); "
	. (create("$made/given") =~ s/'r'/'given'/r =~ s/'here'/'there'/r));
$node->safe_psql('postgres', 'REASSIGN OWNED BY filer TO plain');
refused("SELECT dbsync.receive_once('given')", qr/the owner of receiver "given" may not read and write files of the server.*HINT:  A superuser can GRANT/s, 'a receiver that is given to one who may not, does nothing');
ok(!-e "$made/given", 'and makes no folder');

ok(!(grep { /TRAP|PANIC|terminated by signal/ } split /\n/, slurp($node->logfile)), 'no crash');
done_testing();

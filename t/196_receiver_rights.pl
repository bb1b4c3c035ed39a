# Who may have a receiver, and what becomes of one whose owner loses his rights; what it is told that cannot be; what others may not do to it.
use strict;
use warnings;

use lib 't';
use DbsyncTest::Bundle qw(bundle_functions contents_text head_text make_bundle quoted spew);
use DbsyncTest::Server qw(ask becomes_true new_node uri_of);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('here', preload => 1);
my $folder = PostgreSQL::Test::Utils::tempdir_short();
my $root = "$folder/root";

$node->safe_psql('postgres', 'CREATE EXTENSION dbsync; CREATE TABLE public.t (id int PRIMARY KEY)');
bundle_functions($node);
my $public = $node->safe_psql('postgres', "SELECT bundle_test.make_key('$folder/key')");
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE app LOGIN; CREATE ROLE other LOGIN;
GRANT USAGE ON SCHEMA dbsync TO app, other;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO app, other;
GRANT SELECT ON dbsync.receivers TO app, other;
GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_postgres TO app;
GRANT ALL ON public.t TO app; GRANT CREATE ON DATABASE postgres TO app;
SQL

sub as
{
	my ($role, $sql) = @_;
	my (undef, $answer, $error) = $node->psql('postgres', "SET ROLE $role; $sql");
	return $error ne '' ? $error : $answer;
}

my $keys = 'ARRAY[' . quoted($public) . ']';
as('app', 'SELECT dbsync.create_target($$here$$, ' . quoted(uri_of($node, user => 'app')) . ')');
my $create = "SELECT dbsync.create_receiver('r', 'file://$root', 'here', $keys)";

like(as('app', $create), qr/role "app" may not have a receiver.*pg_read_server_files/s, 'without the roles nobody has a receiver');
$node->safe_psql('postgres', 'GRANT pg_read_server_files TO app');
like(as('app', $create), qr/role "app" may not have a receiver.*pg_write_server_files/s, 'one of them is not enough');
$node->safe_psql('postgres', 'GRANT pg_write_server_files TO app');
like(as('app', $create), qr/GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_file/, 'nor both without the wrapper');
$node->safe_psql('postgres', 'GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_file TO app');

# --- what cannot be
my $data = $node->data_dir;
symlink($folder, "$folder/link");
spew("$folder/file", 'x');
foreach my $case (
	[ "'relative'", qr/must be a URI like file/ ],
	[ "'file://relative/x'", qr/must be a URI like file/ ],
	[ "'file:///x?y=z'", qr/must be a URI like file/ ],
	[ "'file://$data/x'", qr/cannot be the root of a receiver/ ],
	[ "'file://$folder/link'", qr/cannot be the root of a receiver/ ],
	[ "'file://$folder/file'", qr/cannot be the root of a receiver/ ])
{
	my ($uri, $error) = @$case;
	like(as('app', "SELECT dbsync.create_receiver('r', $uri, 'here', $keys)"), $error, "root $uri");
}
my $private = PostgreSQL::Test::Utils::slurp_file("$folder/key");
foreach my $case ('ARRAY[]::text[]', "ARRAY['nonsense']", 'ARRAY[' . quoted($private) . ']', "ARRAY[NULL]::text[]")
{
	my $said = as('app', "SELECT dbsync.create_receiver('r', 'file://$root', 'here', $case)");
	like($said, qr/public key/, 'what is no public key');
	my ($secret) = $private =~ /\n([A-Za-z0-9+\/=]{20,})\n/;
	unlike($said =~ s/^LINE.*//msr, qr/\Q$secret\E/, 'is not shown');
}
foreach my $case (
	[ '{"nonsense": 1}', qr/has no option "nonsense"/ ],
	[ '{"gap_after": "soon"}', qr/invalid value for option "gap_after"/ ],
	[ '{"cache_size": "huge"}', qr/invalid/ ],
	[ '{"existing_rows": "burn"}', qr/It must be keep or truncate/ ],
	[ '{"remove": "perhaps"}', qr/It must be true or false/ ],
	[ '{"in": "in"}', qr/absolute path/ ],
	[ '{"on_error": "quarantine"}', qr/It must be stop/ ],
	[ '[]', qr/options must be a JSON object/ ])
{
	like(as('app', "SELECT dbsync.create_receiver('r', 'file://$root', 'here', $keys, options => '$case->[0]')"), $case->[1], "options $case->[0]");
}
like(as('app', "SELECT dbsync.create_receiver('r', 'file://$root', 'here', $keys, policy => 'rows 10')"), qr/cannot go by policy/, 'it goes by the clock');
like(as('app', "SELECT dbsync.create_receiver('r', 'file://$root', 'nowhere', $keys)"), qr/target "nowhere" does not exist/, 'no such target');

# --- whose it is
is(as('app', $create), '', 'with all of it he may');
like(as('app', $create), qr/receiver "r" already exists/, 'once');
like(as('other', $_), qr/must be owner of receiver "r"/, $_) foreach
  "SELECT dbsync.alter_receiver('r')", "SELECT dbsync.drop_receiver('r')", "SELECT dbsync.start_receiver('r')",
  "SELECT dbsync.stop_receiver('r')", "SELECT dbsync.receive_once('r')", "SELECT * FROM dbsync.inbox('r')", "SELECT dbsync.receipt('r')";
is(as('other', 'SELECT count(*) FROM dbsync.receivers'), '0', 'nor does anybody else see it');
is(as('app', 'SELECT owner FROM dbsync.receivers'), 'app', 'he does');
like(as('app', "SELECT dbsync.receive_once('nobody')"), qr/receiver "nobody" does not exist/, 'one that is not there');
like(as('app', "SELECT dbsync.drop_target('here')"), qr/Used by: receiver "r".*drop_receiver\(\) first/s, 'its target stays');
like(as('postgres', 'DROP OWNED BY app CASCADE'), qr/what receiver "r" belongs to|receiver "r"/, 'and so does the function that says whose it is');
like(as('app', "BEGIN; CREATE TABLE public.x (); SELECT dbsync.receive_once('r')"), qr/receive_once\(\) cannot be called in a transaction that has written|permission denied/, 'not in a transaction that has written');
is(as('app', "SELECT dbsync.receive_once('r')"), '0', 'a round');
is((stat "$root/cache")[2] & 07777, 0700, 'nobody else sees the cache');

# --- rights that are lost
as('app', "SELECT dbsync.start_receiver('r')");
ok(becomes_true($node, "SELECT state = 'idle' FROM dbsync.receivers"), 'it runs');
like(as('app', "SELECT dbsync.receive_once('r')"), qr/receiver "r" is running/, 'so it is not run by hand');
like(as('app', "SELECT dbsync.drop_receiver('r')"), qr/receiver "r" is started/, 'nor dropped');
$node->safe_psql('postgres', 'REVOKE pg_write_server_files FROM app');
ok(becomes_true($node, "SELECT coalesce(bool_and(last_error LIKE '%may not read and write files%'), false) FROM dbsync.receivers"), 'without its rights it stands still');
$node->safe_psql('postgres', 'GRANT pg_write_server_files TO app');
ok(becomes_true($node, "SELECT coalesce(bool_and(last_error IS NULL AND state = 'idle'), false) FROM dbsync.receivers"), 'with them it goes on');
$node->safe_psql('postgres', 'REVOKE USAGE ON FOREIGN DATA WRAPPER dbsync_file FROM app');
ok(becomes_true($node, "SELECT coalesce(bool_and(last_error LIKE '%may not have receivers any more%'), false) FROM dbsync.receivers"), 'nor without the wrapper');
$node->safe_psql('postgres', 'GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_file TO app');
ok(becomes_true($node, "SELECT coalesce(bool_and(last_error IS NULL AND state = 'idle'), false) FROM dbsync.receivers"), 'with it, too');
# another one on the same folder
as('app', "SELECT dbsync.create_receiver('r2', 'file://$root', 'here', $keys)");
like(as('app', "SELECT dbsync.receive_once('r2')"), qr/another receiver works on folder/, 'two receivers do not share a folder');
is(as('app', "SELECT dbsync.drop_receiver('r2')"), '', 'one goes');
as('app', "SELECT dbsync.stop_receiver('r')");
is(as('app', 'SELECT state FROM dbsync.receivers'), 'stopped', 'it is stopped');
is(as('app', "SELECT dbsync.drop_receiver('r')"), '', 'and goes');
is(ask($node, "SELECT count(*) FROM pg_proc WHERE proname LIKE 'subscription\\_%' AND pronamespace = 'dbsync_internal'::regnamespace AND proname ~ '\\d'"), '0',
	'nothing of it is left');
ok(!(grep { /TRAP|PANIC|terminated by signal/ } split /\n/, PostgreSQL::Test::Utils::slurp_file($node->logfile)), 'no crash');
done_testing();

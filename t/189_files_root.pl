# Who may have the server write files, and where: roots, rights and keys of file targets; outboxes that are lost, or put
# back.  Hazards 13, 16, 17, 41, 42, 55 of files.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted);
use DbsyncTest::Outbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $base = PostgreSQL::Test::Utils::tempdir();
my $pair = DbsyncTest->new(source_only => 1);
my $source = $pair->source;
my $n = 0;

sub refused
{
	my ($sql, $words, $test) = @_;
	my ($status, undef, $error) = $source->psql('postgres', $sql);
	ok($status != 0 && $error =~ $words, $test) or diag($error);
	return $error;
}

# --- roots
sub refused_root
{
	my ($path, $words, $test) = @_;
	refused("SELECT dbsync.create_target('bad', 'file://$path')", $words, $test);
	return;
}
refused_root('relative', qr/Behind file:\/\/ stands the absolute path/, 'relative');
refused_root($source->data_dir . '/outbox', qr/data directory/, 'in the data directory');
mkdir("$base/real");
symlink("$base/real", "$base/link");
refused_root("$base/link", qr/symbolic link/, 'a symbolic link');
DbsyncTest::Outbox::run_on('', 'touch', "$base/real/something");
refused_root("$base/real", qr/not empty/, 'a folder with something in it');
refused_root('/root/outbox', qr/could not|cannot|denied|not there/i, 'not ours') if $> != 0;
refused_root("$base/nowhere/outbox", qr/not there/, 'below nothing');
refused_root("$base/file%zz", qr/percent/, 'no URI');
refused_root("$base/o?no_such=1", qr/invalid option "no_such"/, 'an unknown option');
refused_root("$base/o?part_size=1kB", qr/part_size/, 'a value that does not go');
refused_root("$base/o?recipients=relative", qr/absolute path/, 'a relative file');
refused_root("$base/o?format=sql", qr/no other yet/, 'equivalent SQL is not there yet');
refused_root("$base/o?recipients=$base/none", qr/none/, 'recipients that are not there');
refused("SELECT dbsync.create_target('bad', 'file://$base/o', password => 'x')", qr/invalid option "password"/, 'there is nothing to log in to');
is($pair->sql('SELECT count(*) FROM pg_foreign_server'), '0', 'nothing of them is left');

# --- rights
$pair->sql(<<'SQL');
CREATE ROLE app LOGIN;
CREATE SCHEMA app AUTHORIZATION app;
GRANT USAGE ON SCHEMA dbsync TO app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO app;
GRANT SELECT ON dbsync.status TO app;
SET ROLE app;
CREATE TABLE app.item (id int PRIMARY KEY, v text);
INSERT INTO app.item SELECT i, 'v' FROM generate_series(1, 10) i;
SQL
my $make = "SET ROLE app; SELECT dbsync.create_target('gate', 'file://$base/outbox')";
refused($make, qr/permission denied to create a target/, 'without USAGE on the wrapper');
$pair->sql('GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_file TO app');
like(refused($make, qr/permission denied for target/, 'without the role'), qr/GRANT pg_write_server_files TO app/, 'which the hint names');
ok(!-e "$base/outbox", 'nothing was made');
refused("SET ROLE app; CREATE SERVER other FOREIGN DATA WRAPPER dbsync_file OPTIONS (root '$base/outbox'); CREATE USER MAPPING FOR app SERVER other; SELECT dbsync.public_key('other')",
	qr/permission denied for target/, 'nor by SQL');
ok(!-e "$base/outbox", 'nothing was made');
$pair->sql('DROP SERVER IF EXISTS other CASCADE; GRANT pg_write_server_files TO app');
$pair->sql($make);
refused("SET ROLE app; SELECT dbsync.alter_target('gate', options => '{\"recipients\": \"/etc/passwd\"}')", qr/pg_read_server_files/, 'files of the server are not read for everybody');
$pair->sql("SET ROLE app; SELECT dbsync.create_subscription('s', 'gate', tables => ARRAY['app.item']); SELECT dbsync.start_subscription('s')");
$pair->arrives('s', 'a role with the rights has its bundles');
$pair->sql('REVOKE pg_write_server_files FROM app; INSERT INTO app.item VALUES (11, $$secret$$)');
$pair->status_becomes('s', "last_error ~ 'permission denied for target'", 'whose rights are revoked, has no more');
my $outbox = DbsyncTest::Outbox->new("$base/outbox");
my $written = join ' ', $outbox->files('out');
$pair->stop_subscription('s');
refused("SET ROLE app; SELECT dbsync.run_once('s')", qr/permission denied for target/, 'nor by run_once');
refused("SET ROLE app; SELECT * FROM dbsync.bundles('s')", qr/permission denied/, 'nor may look');
refused("SET ROLE app; SELECT dbsync.publish('s', 1)", qr/permission denied/, 'nor publish');
is(join(' ', $outbox->files('out')), $written, 'nothing was written');
$pair->sql('GRANT pg_write_server_files TO app');
$pair->start_subscription('s');
$pair->arrives('s', 'and has, when they are back');
$outbox->play;
$outbox->same_as($source, 'app.item', 'binary', 'int4send(id)', 'textsend(v)');

# --- keys
chmod(0644, "$base/outbox/signing.key");
$pair->stop_subscription('s');
my $leak = refused("SELECT dbsync.run_once('s')", qr/can be read by others/, 'a key that others can read');
my $key = DbsyncTest::Outbox::slurp("$base/outbox/signing.key");
my ($body) = $key =~ /\n(.+)\n/;
unlike($leak, qr/\Q$body\E/, 'is not shown');
chmod(0600, "$base/outbox/signing.key");
rename("$base/outbox/signing.key", "$base/key");
refused("SELECT dbsync.run_once('s')", qr/another key than it had/, 'a key that was lost');
ok(!-e "$base/outbox/signing.key", 'another one is not made in silence');
DbsyncTest::Outbox::run_on('', 'openssl', 'genpkey', '-algorithm', 'ed25519', '-out', "$base/outbox/signing.key");
chmod(0600, "$base/outbox/signing.key");
refused("SELECT dbsync.run_once('s')", qr/another key than it had/, 'another key');
refused("SELECT dbsync.alter_target('gate', options => '{\"level\": \"2\"}')", qr/another key than it had/, 'nor with other options');
my $old = $pair->sql("SELECT dbsync.public_key('gate')");
$pair->sql("SELECT dbsync.alter_target('gate', options => '{\"new_key\": true}')");
isnt($pair->sql("SELECT dbsync.public_key('gate')"), $old, 'but with new_key');
$pair->sql("INSERT INTO app.item VALUES (12, 'x'); SELECT dbsync.start_subscription('s')");
$pair->arrives('s', 'what was signed with the key before is the ledger still');
$outbox->play;
$outbox->same_as($source, 'app.item', 'binary', 'int4send(id)', 'textsend(v)');
is($pair->sql("SELECT option_name FROM pg_foreign_server, pg_options_to_table(srvoptions) WHERE option_name = 'new_key'"), '', 'new_key stays nowhere');

# --- one that has lost what says whose it is, and is known by its key
$pair->sql("SELECT dbsync.stop_subscription('s')");
$old = $pair->sql("SELECT dbsync.public_key('gate')");
$key = DbsyncTest::Outbox::slurp("$base/outbox/signing.key");
unlink("$base/outbox/dbsync.json", "$base/outbox/signing.pub");
$pair->sql("SELECT dbsync.run_once('s')");
ok(-e "$base/outbox/dbsync.json", 'it says so again');
is(DbsyncTest::Outbox::slurp("$base/outbox/signing.key"), $key, 'and has the key that it had');
is($pair->sql("SELECT dbsync.public_key('gate')"), $old, 'as receivers know it');

# --- a root that is lost
system('cp', '-a', "$base/outbox", "$base/older");
system('mv', "$base/outbox", "$base/lost");
refused("SELECT dbsync.run_once('s')", qr/another key than it had/, 'an outbox that was lost');
ok(!-e "$base/outbox", 'is not made anew in silence');
$pair->sql("SELECT dbsync.alter_target('gate', options => '{\"new_key\": true}')");
refused("SELECT dbsync.run_once('s')", qr/has lost its ledger/, 'its ledger is gone');
$pair->sql("SELECT dbsync.restart_chain('s'); SELECT dbsync.start_subscription('s')");
$pair->arrives('s', 'another chain mends it');
$outbox->play;
$outbox->same_as($source, 'app.item', 'binary', 'int4send(id)', 'textsend(v)');

# --- one that was put back
$pair->stop_subscription('s');
system('cp', '-a', "$base/outbox", "$base/backup");
$pair->sql("INSERT INTO app.item VALUES (13, 'x')");
$pair->sql("SELECT dbsync.run_once('s')");
$pair->sql("INSERT INTO app.item SELECT i, 'x' FROM generate_series(100, 200) i");
$pair->sql("SELECT dbsync.run_once('s')");
ok(1, 'segments are emptied on its word');
system('rm', '-rf', "$base/outbox");
system('mv', "$base/backup", "$base/outbox");
$pair->sql("INSERT INTO app.item VALUES (14, 'x')");
my ($status, undef, $error) = $source->psql('postgres', "SELECT dbsync.run_once('s')");
ok($status == 0 || $error =~ /restart_chain/, 'one that was put back is refused, or has all it lacks') or diag($error);
$pair->sql("SELECT dbsync.restart_chain('s')");
$pair->sql("SELECT dbsync.run_once('s')");
$outbox->play;
$outbox->same_as($source, 'app.item', 'binary', 'int4send(id)', 'textsend(v)');

# --- a catalog that was put back
$pair->sql("UPDATE dbsync.subscription SET chain = chain - 1");
refused("SELECT dbsync.run_once('s')", qr/newer chain of bundles than this database knows/, 'a catalog that knows an older chain');
$pair->sql("SELECT dbsync.restart_chain('s')");
$pair->sql("SELECT dbsync.run_once('s')");
$outbox->play;
$outbox->same_as($source, 'app.item', 'binary', 'int4send(id)', 'textsend(v)');

# --- a table that cannot be copied does not keep the others from another chain
$pair->sql("SET ROLE app; CREATE TABLE app.lost (id int PRIMARY KEY); SELECT dbsync.add_table('s', 'app.lost'); SELECT dbsync.run_once('s')");
my $owner = $pair->sql('SELECT current_user');
$pair->sql("ALTER TABLE app.lost OWNER TO $owner");
my (undef, undef, $warning) = $source->psql('postgres', "SELECT dbsync.restart_chain('s')");
like($warning, qr/table app.lost of subscription "s" cannot be copied into another chain, and is suspended/, 'a table that cannot be copied anew is named');
is($pair->sql("SELECT string_agg(\"table\"::text || ' ' || state, ', ' ORDER BY 1) FROM dbsync.table_status WHERE subscription = 's'"), 'app.item new, app.lost suspended', 'and suspended');
$source->psql('postgres', "SELECT dbsync.run_once('s')");
$outbox->play('the others are in another chain');
$outbox->same_as($source, 'app.item', 'binary', 'int4send(id)', 'textsend(v)');
$pair->sql("ALTER TABLE app.item OWNER TO $owner");
refused("SELECT dbsync.restart_chain('s')", qr/no table of subscription "s" can be copied/, 'none that can be is no chain');
$pair->sql("ALTER TABLE app.item OWNER TO app; ALTER TABLE app.lost OWNER TO app; SELECT dbsync.copy_table('s', 'app.lost'); SELECT dbsync.run_once('s')");
$pair->sql("SELECT dbsync.remove_table('s', 'app.lost'); SELECT dbsync.run_once('s')");

# --- what is in keep is believed when it is proved
my ($newest) = reverse sort glob("$base/outbox/keep/*/*.tar");
my $good = DbsyncTest::Outbox::slurp($newest);
my $bad = $good;
substr($bad, 1000, 1) = chr(ord(substr($bad, 1000, 1)) ^ 1);
unlink($newest);
open(my $file, '>:raw', $newest) or die $!;
print $file $bad;
close($file);
# the gateway has taken what was out: it is not the file that is kept any more, and would be left there
unlink(glob("$base/outbox/out/*"));
refused("SELECT dbsync.run_once('s')", qr/does not prove itself/, 'a changed bundle is no ledger');
$pair->sql("SELECT dbsync.restart_chain('s')");
$pair->sql("SELECT dbsync.run_once('s')");
$outbox->play('and does not stand in the way of another chain');
$outbox->same_as($source, 'app.item', 'binary', 'int4send(id)', 'textsend(v)');

# --- encrypted: what the sender must read again is not, and nothing else can be read
foreach my $of (1, 2)
{
	DbsyncTest::Outbox::run_on('', 'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '10',
		'-subj', "/CN=receiver $of", '-keyout', "$base/receiver$of.key", '-out', "$base/receiver$of.crt");
}
open($file, '>', "$base/recipients.pem") or die $!;
print $file DbsyncTest::Outbox::slurp("$base/receiver$_.crt") foreach 1, 2;
close($file);
$pair->sql("SELECT dbsync.create_target('sealed', 'file://$base/sealed?recipients=$base/recipients.pem&part_size=64kB')");
$pair->sql("CREATE TABLE app.secret (id int PRIMARY KEY, v text); INSERT INTO app.secret SELECT i, 'topsecret' || i FROM generate_series(1, 5000) i");
$pair->sql("SELECT dbsync.create_subscription('sealed', 'sealed', tables => ARRAY['app.secret'])");
foreach my $round (1 .. 3)
{
	$pair->sql("UPDATE app.secret SET v = 'topsecret ' || $round WHERE id % 3 = 0");
	$pair->sql("SELECT dbsync.run_once('sealed')");
}
is($pair->sql("SELECT max(batch) >= 3 AND bool_and(note IS NULL) FROM dbsync.bundles('sealed')"), 't', 'encrypted, it goes on after each start');
my $sealed = DbsyncTest::Outbox->new("$base/sealed");
my @sealed = $sealed->bundles;
ok(!grep({ DbsyncTest::Outbox::slurp($_->{path}) =~ /topsecret|app\.secret/ } @sealed), 'neither rows nor names of tables can be read');
is_deeply([ sort grep { !/^\d|load/ } keys %{ $sealed[0]{members} } ], [ sort qw(FORMAT bundle.json contents.json.cms SHA256SUMS SHA256SUMS.sig) ], 'what is sealed is called so');
is_deeply($sealed[0]{head}{requires}, ['cms'], 'and required');
open($file, '>:raw', "$base/contents.cms") or die $!;
print $file $sealed[0]{members}{'contents.json.cms'};
close($file);
like(DbsyncTest::Outbox::run_on('', 'openssl', 'cms', '-decrypt', '-inform', 'DER', '-in', "$base/contents.cms", '-inkey', "$base/receiver$_.key", '-recip', "$base/receiver$_.crt"),
	qr/"steps"/, "receiver $_ opens it by openssl alone") foreach 1, 2;

DbsyncTest::finish();

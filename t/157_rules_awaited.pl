# Tables of a rule that are not in its subscription as their maker commits: made in a serializable transaction, or
# while event triggers were off.  wait_for() is not true before they are at the target, though workers look for them
# as good as never; and what somebody's lock kept out comes in when it is gone, though nothing tells of that.
use strict;
use warnings;

use lib 't';
use DbsyncTest ();
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(source_conf => "dbsync.retention_interval = 1h\n");
my $source = $pair->source;

$pair->both('CREATE SCHEMA app');
$pair->sql(q{
	SELECT dbsync.create_subscription('rules', 'far', schemas => '{app}', create_missing => true);
	SELECT dbsync.start_subscription('rules')});
$pair->arrives('rules');

# --- serializable transactions

$pair->sql(qq{
	BEGIN ISOLATION LEVEL SERIALIZABLE;
	CREATE TABLE app.serializable_$_ (id int PRIMARY KEY, v text);
	INSERT INTO app.serializable_$_ SELECT g, 'row ' || g FROM generate_series(1, 100) g;
	COMMIT;
	INSERT INTO app.serializable_$_ VALUES (0, 'behind it')}) foreach 1 .. 3;
$pair->arrives('rules');
$pair->same_at_both_ends(map { "app.serializable_$_" } 1 .. 3);
is($pair->sql('SELECT count(*) FROM dbsync.refused'), 0, 'none is refused any more');

# --- no event triggers

sub make_unseen
{
	my ($table) = @_;
	$pair->sql("ALTER EVENT TRIGGER dbsync_guard_command DISABLE; CREATE TABLE $table (id int PRIMARY KEY);"
		  . "INSERT INTO $table VALUES (1); ALTER EVENT TRIGGER dbsync_guard_command ENABLE ALWAYS");
	return;
}

make_unseen('app.unseen');
$pair->arrives('rules');
$pair->same_at_both_ends('app.unseen');

# --- a lock that is given back

$source->append_conf('postgresql.conf', 'dbsync.retention_interval = 200ms');
$source->reload;
# the worker has made up its mind to look in an hour
$pair->stop_subscription('rules');
$pair->start_subscription('rules');
$pair->arrives('rules');
$pair->sql(q{SELECT dbsync.create_subscription('other', 'far')});
$pair->sql(q{ALTER EVENT TRIGGER dbsync_guard_command DISABLE});
my $other = $source->background_psql('postgres');
$other->query_safe('BEGIN; CREATE TABLE app.locked (id int PRIMARY KEY); INSERT INTO app.locked VALUES (1); COMMIT;'
	  . q{BEGIN; SELECT dbsync.add_table('other', 'app.locked')});
ok($source->poll_query_until('postgres', 'SELECT EXISTS (SELECT FROM dbsync.refused)'), 'a table cannot be taken in at the moment');
like($pair->sql('SELECT reason || hint FROM dbsync.refused'), qr/lock timeout.*A worker tries again/s, 'and it is said why');
$other->query_safe('ROLLBACK');
$other->quit;
ok($source->poll_query_until('postgres', 'SELECT NOT EXISTS (SELECT FROM dbsync.refused)'), 'it is, a moment later');
$pair->sql(q{ALTER EVENT TRIGGER dbsync_guard_command ENABLE ALWAYS});
$pair->arrives('rules');
$pair->same_at_both_ends('app.locked');
$pair->finish;

# Capture where a server needs special settings: prepared transactions (hazard 48),
# and rows that PostgreSQL's own logical replication applies (hazards 10, 52).
use strict;
use warnings;

use lib 't';
use DbsyncTest ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('source');
$node->init;
$node->append_conf('postgresql.conf', "max_prepared_transactions = 10\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION dbsync');
$node->safe_psql('postgres', slurp_file('sql/include/capture.sql'));
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET search_path = capture_test, public');
$node->safe_psql('postgres', q{
	CREATE TABLE t (id int PRIMARY KEY, v int);
	SELECT begin('t')});

sub value_of
{
	my ($query) = @_;
	return $node->safe_psql('postgres', $query);
}

# The header is written at PREPARE, and nothing of it is left for the session's
# next transaction.
$node->safe_psql('postgres', q{
	BEGIN; INSERT INTO t VALUES (1, 1), (2, 2); SAVEPOINT s; INSERT INTO t VALUES (3, 3); ROLLBACK TO s; PREPARE TRANSACTION 'one';
	INSERT INTO t VALUES (4, 4);
	BEGIN; DELETE FROM t WHERE id = 4; PREPARE TRANSACTION 'two';
	SELECT 1;
	BEGIN; INSERT INTO t VALUES (5, 5); COMMIT});
is(value_of(q{SELECT string_agg(op::text || key::text, ' ' ORDER BY key) FROM rows('t')}), 'I[4] I[5]',
	'a prepared transaction is not visible yet');
is(value_of(q{SELECT string_agg(rows::text, ' ' ORDER BY closing) FROM headers()}), '1 1', 'neither is its header');
$node->restart;
$node->safe_psql('postgres', q{COMMIT PREPARED 'one'});
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'two'});
is(value_of(q{SELECT string_agg(op::text || key::text, ' ' ORDER BY key) FROM rows('t')}), 'I[1] I[2] I[4] I[5]',
	'what was prepared is there after a restart');
is(value_of(q{SELECT string_agg(rows::text, ' ' ORDER BY closing) FROM headers()}), '2 1 1', 'with one header each');
is(value_of(q{SELECT verdict('t')}), 'right', 'prepared transactions');

# Doubted keys are settled at PREPARE.
$node->safe_psql('postgres', q{
	CREATE FUNCTION add_next() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN UPDATE capture_test.t SET v = v + 100 WHERE id = NEW.id + 1; RETURN NULL; END$$;
	CREATE TRIGGER add_next AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION add_next();
	BEGIN; INSERT INTO t VALUES (11, 1), (12, 2); PREPARE TRANSACTION 'three';
	COMMIT PREPARED 'three';
	DROP TRIGGER add_next ON t});
is(value_of(q{SELECT verdict('t')}), 'right', 'nested triggers in a prepared transaction');

# Logical replication into a captured table: its apply fires row triggers only,
# its first copy fires both.
my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->start;
$publisher->safe_psql('postgres', q{
	CREATE SCHEMA capture_test;
	CREATE TABLE capture_test.l (id int PRIMARY KEY, v int, big text);
	INSERT INTO capture_test.l SELECT i, i FROM generate_series(1, 50) i;
	CREATE PUBLICATION p FOR TABLE capture_test.l});
$node->safe_psql('postgres', q{
	CREATE TABLE l (id int PRIMARY KEY, v int, big text);
	SELECT begin('l');
	CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN UPDATE capture_test.l SET v = v + 100 WHERE id = NEW.id AND pg_trigger_depth() = 1; RETURN NULL; END$$;
	CREATE TRIGGER audit AFTER INSERT ON l FOR EACH ROW WHEN (NEW.v < 0) EXECUTE FUNCTION audit();
	ALTER TABLE l ENABLE ALWAYS TRIGGER audit});
$node->safe_psql('postgres', sprintf(q{CREATE SUBSCRIPTION s CONNECTION $c$%s$c$ PUBLICATION p}, $publisher->connstr('postgres')));
$node->wait_for_subscription_sync($publisher, 's');
is(value_of(q{SELECT count(*) || verdict('l') FROM rows('l')}), '50right', 'first copy of a subscription, once each');

# our trigger's name sorts after "audit", so its image of the row is the older
$publisher->safe_psql('postgres', q{
	SET search_path = capture_test;
	UPDATE l SET v = 0 WHERE id < 5;
	UPDATE l SET id = 101 WHERE id = 1;
	DELETE FROM l WHERE id IN (2, 3);
	BEGIN;
	INSERT INTO l VALUES (201, -1), (202, -2);
	UPDATE l SET v = 5 WHERE id = 202;
	INSERT INTO l VALUES (203, 3, repeat('x', 100000));
	SAVEPOINT s;
	INSERT INTO l VALUES (204, -4);
	ROLLBACK TO s;
	DELETE FROM l WHERE id = 50;
	COMMIT;
	UPDATE l SET v = v + 1 WHERE id = 203;
	INSERT INTO l SELECT i, -i FROM generate_series(1000, 1200) i});
$publisher->wait_for_catchup('s');
is(value_of('SELECT v FROM l WHERE id = 201'), '99', "the user's trigger has worked");
is(value_of(q{SELECT verdict('l')}), 'right', 'rows applied by logical replication');
cmp_ok(value_of(q{SELECT count(*) FROM rows('l') WHERE op = 'R'}), '>=', 200, 'the doubted ones were looked up');

$publisher->safe_psql('postgres', 'TRUNCATE capture_test.l; INSERT INTO capture_test.l VALUES (1, 1)');
$publisher->wait_for_catchup('s');
is(value_of(q{SELECT verdict('l')}), 'right', 'TRUNCATE applied by logical replication');

$node->safe_psql('postgres', 'DROP SUBSCRIPTION s');
$publisher->stop;
$node->stop;
DbsyncTest::finish();

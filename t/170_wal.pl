# Keys are read from the WAL: under writers by chance, with changes of keys, TRUNCATE, rolled back savepoints, prepared
# transactions, DDL, and whatever dies meanwhile, also between feeding and passing.  Whenever all has arrived both ends
# are equal.  Issue "When changes travel, an INI file, and the ways to capture"; hazard 71 of its design, A3, A4, B10 of its review.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until uri_of);
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
wal_level = logical
max_replication_slots = 2
dbsync.segment_size = '64kB'
dbsync.retention_interval = '200ms'
dbsync.retry_max = '1s'
CONF

$pair->both(<<'SQL');
CREATE TABLE public.t (id int PRIMARY KEY, u int UNIQUE, v text);
CREATE TABLE public.pair (a text, v text, b int, PRIMARY KEY (b, a));
CREATE TABLE public.plain (id int PRIMARY KEY, v text);
SQL
$pair->sql('ALTER TABLE public.pair REPLICA IDENTITY FULL');
$pair->sql(q{INSERT INTO t SELECT g, g, 'first' FROM generate_series(1, 100) g; INSERT INTO pair SELECT g::text, 'first', g FROM generate_series(1, 50) g});

sub equal
{
	my ($test) = @_;
	$pair->arrives('s', "$test: all arrives") or return 0;
	return DbsyncTest::Server::same_rows($pair->source, $pair->target, 'public.t', "$test: t is equal")
	  & DbsyncTest::Server::same_rows($pair->source, $pair->target, 'public.pair', "$test: pair is equal");
}

sub slots { return $pair->sql(q{SELECT string_agg(slot_name, ' ') FROM pg_replication_slots WHERE slot_name ~ '^dbsync_'}); }

sub copy_all
{
	$pair->sql(q{SELECT dbsync.copy_table('s', t) FROM unnest('{t,pair}'::regclass[]) t});
	return equal($_[0]);
}

sub note_becomes
{
	my ($pattern, $test, $table) = @_;
	return ok(becomes_true($pair->source, sprintf(
		q{SELECT bool_or(state = 'suspended' AND note ~ '%s') FROM dbsync.table_status WHERE subscription = 's' AND "table" = '%s'::regclass}, $pattern, $table // 't')), $test);
}

# --- a writer that is open as its table joins

my $writer = $pair->source->background_psql('postgres');
$writer->query_safe(q{BEGIN; INSERT INTO plain VALUES (1, 'open'); UPDATE t SET v = 'before' WHERE id = 1});
$pair->sql(q{SELECT dbsync.create_subscription('s', 'far', ddl => 'apply'); SELECT dbsync.add_table('s', t, capture => 'wal') FROM unnest('{t,pair}'::regclass[]) t});
$pair->start_subscription('s');
ok(becomes_true($pair->source, q{SELECT bool_or(state = 'waiting for lock') FROM dbsync.table_status}), 'the table waits for its writer');
$writer->query_safe(q{UPDATE t SET v = 'behind' WHERE id = 2; COMMIT});
equal('a writer that was open');
is(slots(), 'dbsync_' . $pair->sql(q{SELECT oid FROM pg_database WHERE datname = 'postgres'}), 'there is one slot');
is($pair->sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('t'::regclass, 'pair'::regclass)}), '0', 'and no trigger');

# --- one by one, and wait_for() tells the truth each time

$pair->sql($_), equal($_) foreach
	q{UPDATE t SET v = v || '!' WHERE id < 10},
	q{UPDATE t SET id = -id WHERE id % 7 = 0; UPDATE pair SET a = a || 'x', b = -b WHERE b % 5 = 0},
	q{UPDATE pair SET v = 'w'},
	q{DELETE FROM t WHERE id % 9 = 0; DELETE FROM pair WHERE b % 9 = 0},
	q{TRUNCATE t; INSERT INTO t SELECT g, g, 'new' FROM generate_series(1, 60) g},
	q{BEGIN; UPDATE t SET v = 'kept' WHERE id = 1; SAVEPOINT a; UPDATE t SET v = 'lost'; DELETE FROM pair; ROLLBACK TO a; UPDATE t SET v = 'kept' WHERE id = 3; COMMIT},
	q{UPDATE t SET u = -u; UPDATE t SET u = 61 + u},
	q{BEGIN; INSERT INTO t VALUES (5000); TRUNCATE t; INSERT INTO t VALUES (5001); COMMIT},
	q{INSERT INTO t SELECT g, g, repeat(md5(g::text), 200) FROM generate_series(1, 2000) g},
	q{SET synchronous_commit = off; UPDATE t SET v = 'not on disk' WHERE id = 1},
	q{UPDATE pair SET a = repeat(md5(b::text), 60)},
	q{UPDATE pair SET v = v || '.'; UPDATE pair SET b = b + 1000 WHERE b % 2 = 0};
$pair->sql(q{BEGIN; UPDATE t SET v = 'prepared' WHERE id = 7; PREPARE TRANSACTION 'p'});
equal('prepared');
isnt($pair->target_sql('SELECT v FROM t WHERE id = 7'), 'prepared', 'and is not there');
$pair->sql(q{COMMIT PREPARED 'p'});
equal('committed');


# --- a writer that is open as its table joins those that are read already

$pair->both('CREATE TABLE public.late (id int PRIMARY KEY, v text)');
$pair->sql(q{INSERT INTO late SELECT g, 'first' FROM generate_series(1, 10) g});
$writer->query_safe(q{BEGIN; UPDATE t SET v = 'of a writer' WHERE id = 1; UPDATE late SET v = 'before' WHERE id = 1});
$pair->sql(q{SELECT dbsync.add_table('s', 'late', capture => 'wal')});
ok(becomes_true($pair->source, q{SELECT bool_or(state = 'waiting for lock') FROM dbsync.table_status WHERE "table" = 'late'::regclass}), 'a table that joins waits for its writer');
$writer->query_safe(q{UPDATE late SET v = 'behind' WHERE id = 2; COMMIT});
equal('a writer that was open');
DbsyncTest::Server::same_rows($pair->source, $pair->target, 'public.late', 'nothing of it is lost');

# --- what is in the WAL and not read yet, as tables change

my $key = q{'dbsync_internal.wal_slot'::regclass::oid::int8};
my $holder = $pair->source->background_psql('postgres');

# All of it is read behind this, and not before.
sub unread
{
	my ($do) = @_;
	$holder->query_safe("SELECT pg_advisory_lock($key)");
	$do->();
	$holder->query_safe("SELECT pg_advisory_unlock($key)");
	return;
}

sub unread_sql
{
	my (@sql) = @_;
	return unread(sub { $pair->sql($_) foreach @sql });
}

unread_sql(q{UPDATE t SET v = 'soon gone' WHERE id = 2; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (70000); DELETE FROM t WHERE id = 70000});
equal('rows that are gone as they are read');
unread_sql(q{UPDATE t SET v = 'more' WHERE id < 9}, q{ALTER TABLE t ADD c int DEFAULT 7}, q{UPDATE t SET c = 8 WHERE id < 5; UPDATE t SET id = -3 WHERE id = 3});
equal('a column more');
unread_sql(q{UPDATE t SET v = 'type' WHERE id = 9; DELETE FROM t WHERE id = 8}, q{ALTER TABLE t ALTER c TYPE bigint}, q{ALTER TABLE t DROP u});
equal('a column of another type, and one less');
unread_sql(q{UPDATE t SET v = 'names' WHERE id = 9; DELETE FROM t WHERE id = 10},
	q{ALTER TABLE t RENAME id TO x}, q{ALTER TABLE t RENAME c TO id}, q{ALTER TABLE t RENAME x TO c}, q{DELETE FROM t WHERE c = 11});
equal('names that were exchanged, by the primary key');
$pair->sql('ALTER TABLE t RENAME c TO x; ALTER TABLE t RENAME id TO c; ALTER TABLE t RENAME x TO id');
equal('and back');
unread_sql(q{DELETE FROM pair WHERE b = 3}, q{ALTER TABLE pair RENAME a TO aa});
note_becomes('columns of its key got other names', 'by a full replica identity they are not known any more', 'pair');
$pair->sql(q{ALTER TABLE pair RENAME aa TO a});
copy_all('names of a full replica identity');
unread_sql(q{DELETE FROM t WHERE id = 12}, q{ALTER TABLE t ALTER id TYPE bigint});
note_becomes('columns of its key were altered', 'a key of another type is not guessed');
copy_all('another type of the key');
unread_sql(q{DELETE FROM t WHERE id = 13}, q{DROP TABLE late});
equal('a table that was dropped');

unread(sub { $pair->sql(q{UPDATE t SET v = 'behind a lock' WHERE id = 30}); $writer->query_safe('BEGIN; LOCK TABLE t IN SHARE MODE') });
is($pair->sql(q{SELECT dbsync.wait_for('s', '1 s')}), 'f', 'wait_for() does not say that all is there while it cannot be read');
$pair->status_becomes('s', q{next_action ~ '^Table public\.t is locked by process [0-9]+, so nothing is read from the WAL\.$'}, 'status says who is in the way');
$writer->query_safe('COMMIT');
equal('a lock');
$pair->status_becomes('s', 'next_action IS NULL', 'and that he is not any more');

# --- what was written before a table joined is read behind its copy

unread(sub { $pair->sql(q{UPDATE pair SET v = 'behind a lock'}); $writer->query_safe('BEGIN; LOCK TABLE pair IN SHARE MODE') });
$pair->sql($_) foreach q{TRUNCATE t; INSERT INTO t SELECT g, 'published' FROM generate_series(1, 50) g}, q{SELECT dbsync.suspend_table('t')},
	q{INSERT INTO t SELECT g, 'not published' FROM generate_series(51, 100) g}, q{SELECT dbsync.copy_table('s', 't')};
ok(becomes_true($pair->target, q{SELECT count(*) = 100 AND bool_and(v LIKE '%published') FROM t}), 'a copy of a table that was emptied before');
$writer->query_safe('COMMIT');
equal('a TRUNCATE of a former life');

# --- a table that is suspended for another reason, as a right was lost; in the publication it could not be written without a key

$pair->sql(q{SELECT dbsync_internal.note_suspended(id, 'for a test') FROM dbsync.captured_table WHERE relid = 't'::regclass});
ok(becomes_true($pair->source, q{SELECT NOT EXISTS (SELECT FROM pg_publication_rel WHERE prrelid = 't'::regclass)}), 'who is suspended leaves the publication');
copy_all('suspended for another reason');

# --- a table that others inherit from, which are in no publication

$pair->sql(q{CREATE TABLE heir () INHERITS (t); SELECT dbsync.suspend_table('t')});
copy_all('out and in again, with a table that inherits from it');
$pair->sql(q{DROP TABLE heir});

# --- another key, which is its replica identity at once

$pair->both('CREATE TABLE public.keyed (id int PRIMARY KEY, other int NOT NULL UNIQUE)');
$pair->sql(q{INSERT INTO keyed SELECT g, g FROM generate_series(1, 10) g; SELECT dbsync.add_table('s', 'keyed', capture => 'wal')});
$pair->arrives('s', 'one more');
$pair->sql('BEGIN; ALTER TABLE keyed DROP CONSTRAINT keyed_pkey, ADD PRIMARY KEY (other); COMMIT');
note_becomes('it got another key', 'another key suspends it', 'keyed');
$pair->sql(q{UPDATE keyed SET id = -id; SELECT dbsync.copy_table('s', 'keyed')});
$pair->arrives('s', 'copied anew by it');
$pair->sql('UPDATE keyed SET other = -other; DELETE FROM keyed WHERE id = -5');
$pair->arrives('s', 'by the other key');
DbsyncTest::Server::same_rows($pair->source, $pair->target, 'public.keyed', 'by the other key both ends are equal');
$pair->sql(q{SELECT dbsync.remove_table('s', 'keyed')});

# --- a replica identity that is none

$pair->sql('ALTER TABLE t REPLICA IDENTITY NOTHING');
note_becomes('its replica identity is nothing', 'a replica identity that is none suspends the table');
$pair->sql(q{UPDATE t SET v = 'can be written' WHERE id = 20});
is((ask($pair->source, q{SELECT dbsync.wait_for('s')}) // 'f'), 'f', 'wait_for() does not say that all is there');
$pair->sql(q{ALTER TABLE t REPLICA IDENTITY DEFAULT});
copy_all('a replica identity again');
$pair->sql(q{CREATE UNIQUE INDEX t_other ON t (id); ALTER TABLE t REPLICA IDENTITY USING INDEX t_other; UPDATE t SET id = id + 100000 WHERE id = 20});
equal('by an index');
$pair->sql('DROP INDEX t_other');
note_becomes('the index that was its replica identity is gone', 'an index that is gone suspends it');
$pair->sql('ALTER TABLE t REPLICA IDENTITY DEFAULT');
copy_all('without that index');

# --- whatever somebody does to the publication or the slot, tables are copied anew

my $slot = slots();

# The server's own limit: what is not read by then is lost, and the slot with it.
sub outrun_slot
{
	$pair->sql($_) foreach q{ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'}, 'SELECT pg_reload_conf()', 'DELETE FROM t WHERE id = 26';
	$pair->sql(q{INSERT INTO plain SELECT 100000 + $_, 'more WAL'; SELECT pg_switch_wal()} =~ s/\$_/$_/r) foreach 1 .. 4;
	$pair->sql('CHECKPOINT');
	is($pair->sql("SELECT wal_status FROM pg_replication_slots WHERE slot_name = '$slot'"), 'lost', 'WAL that the slot needed is gone');
	$pair->sql($_) foreach 'ALTER SYSTEM RESET max_slot_wal_keep_size', 'SELECT pg_reload_conf()';
	return;
}

my %accidents = (
	'WAL removed by the server' => [ 'has removed WAL', sub { unread(\&outrun_slot) } ],
	'ALTER PUBLICATION ... SET' => [ 'was altered or dropped', sub { $pair->sql("ALTER PUBLICATION $slot SET (publish = 'insert')") } ],
	'and back at once' => [ 'was altered or dropped', sub { unread_sql("ALTER PUBLICATION $slot SET (publish = 'insert')", 'DELETE FROM t WHERE id = 21', "ALTER PUBLICATION $slot SET (publish = 'insert, update, delete, truncate')") } ],
	'DROP PUBLICATION' => [ 'was altered or dropped', sub { $pair->sql("DROP PUBLICATION $slot") } ],
	'out of it' => [ 'it was taken out of publication', sub { $pair->sql("ALTER PUBLICATION $slot DROP TABLE t") } ],
	'out and in again' => [ 'it was taken out of publication', sub { unread_sql("ALTER PUBLICATION $slot DROP TABLE t", 'DELETE FROM t WHERE id = 22', "ALTER PUBLICATION $slot ADD TABLE t") } ],
	'a filter' => [ 'or altered there', sub { $pair->sql("ALTER PUBLICATION $slot SET TABLE t WHERE (id > 5), pair") } ],
	'the slot dropped' => [ 'is gone', sub { unread_sql('DELETE FROM t WHERE id = 23', "SELECT pg_drop_replication_slot('$slot')") } ],
	'another in its place' => [ 'somebody else has read', sub { unread_sql('DELETE FROM t WHERE id = 24', "SELECT pg_drop_replication_slot('$slot')", "SELECT pg_create_logical_replication_slot('$slot', 'pgoutput')") } ],
	'read by somebody else' => [ 'somebody else has read', sub { unread_sql('DELETE FROM t WHERE id = 25', "SELECT count(*) FROM pg_logical_slot_get_binary_changes('$slot', NULL, NULL, 'proto_version', '1', 'publication_names', '$slot')") } ]);

foreach my $accident (sort keys %accidents)
{
	my ($note, $do) = @{ $accidents{$accident} };

	$do->();
	note_becomes($note, "$accident: the table is suspended");
	copy_all($accident);
}

# --- more WAL than may be kept, while the target is away

$pair->source->append_conf('postgresql.conf', "dbsync.wal_keep = '1MB'");
$pair->source->reload;
$pair->target->stop('immediate');
$writer->query_safe(q{BEGIN; INSERT INTO plain VALUES (2, 'pins WAL')});
$pair->sql(q{INSERT INTO plain SELECT g, repeat(md5(g::text), 50) FROM generate_series(10, 3000) g});
note_becomes('dbsync.wal_keep', 'a transaction that keeps too much WAL costs the slot');
is(slots(), '', 'the slot is gone');
$writer->query_safe('COMMIT');
$pair->source->append_conf('postgresql.conf', "dbsync.wal_keep = '1GB'");
$pair->source->reload;
$pair->target->start;
copy_all('too much WAL');

# --- nobody reads, as nobody is started

$pair->both('CREATE TABLE public.watched (id int PRIMARY KEY)');
$pair->status_becomes('s', 'next_action IS NULL', 'there is nothing to do');
$pair->stop_subscription('s');
$pair->sql(q{INSERT INTO plain SELECT g, repeat(md5(g::text), 50) FROM generate_series(20000, 23000) g});
like($pair->status('s')->{next_action},
	qr/Nobody reads from the WAL, .*: replication slot "dbsync_\d+" keeps \d+ \w+ of it, of the whole server, and nobody looks at dbsync\.wal_keep, as none of this database has one\./,
	'who is stopped keeps WAL, and status says how much');
$pair->subscribe('other', ['public.watched']);
$pair->start_subscription('other');
$pair->arrives('other', 'somebody else');
like($pair->status('s')->{next_action}, qr/keeps \d+ \w+ of it, of the whole server\. Start one/, 'and that it is looked at');
$pair->source->append_conf('postgresql.conf', "dbsync.wal_keep = '1MB'");
$pair->source->reload;
$pair->sql(q{INSERT INTO plain SELECT g, 'more' FROM generate_series(30000, 30010) g});
note_becomes('dbsync.wal_keep', 'a worker of somebody else looks at it');
is(slots(), '', 'and drops the slot');
$pair->source->append_conf('postgresql.conf', "dbsync.wal_keep = '1GB'");
$pair->source->reload;
$pair->start_subscription('s');
copy_all('nobody had read');
$pair->stop_subscription('other');
$pair->sql(q{SELECT dbsync.drop_subscription('other')});

# --- fed, and not passed: whatever dies then

$writer->quit;
$holder->quit;

$pair->sql(<<'SQL');
-- the worker waits there for as long as there is a row; it dies meanwhile, so nobody could hold a lock for it
CREATE TABLE public.hold (n int);
ALTER FUNCTION dbsync_internal.advance_wal() RENAME TO advance_wal_really;
CREATE FUNCTION dbsync_internal.advance_wal() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	WHILE EXISTS (SELECT FROM public.hold) AND EXISTS (
		SELECT FROM pg_replication_slots s JOIN dbsync_internal.wal_slot w ON w.name = s.slot_name WHERE s.confirmed_flush_lsn < w.fed) LOOP
		PERFORM pg_sleep(0.01);
	END LOOP;
	PERFORM dbsync_internal.advance_wal_really();
END $$;
SQL
foreach my $n (1 .. 20)
{
	$pair->sql('INSERT INTO hold VALUES (1)');
	$pair->sql("UPDATE t SET v = 'crash $n' WHERE id % 3 = $n % 3; UPDATE pair SET a = a || '.' WHERE b % 5 = $n % 5; DELETE FROM t WHERE id = 2000 - $n; "
		. ($n % 7 ? '' : "TRUNCATE t; INSERT INTO t SELECT g, 'again' FROM generate_series(1, 2000) g"));
	ok(becomes_true($pair->source, q{SELECT bool_or(a.query = 'passing WAL that was read') AND bool_and(s.confirmed_flush_lsn < w.fed)
		FROM pg_stat_activity a, pg_replication_slots s JOIN dbsync_internal.wal_slot w ON w.name = s.slot_name
		WHERE a.backend_type = 'dbsync worker'}), "$n: keys are fed, and not passed");
	if ($n % 4 == 0) { DbsyncTest::Server::crash_and_restart($pair->source); }
	else
	{
		kill('KILL', $pair->worker_pid('s'));
		poll_until(sub { defined ask($pair->source, 'SELECT 1') }, 'server up');
		DbsyncTest::Server::wait_until_up($pair->source);
	}
	poll_until(sub { defined ask($pair->source, 'DELETE FROM hold') }, 'nothing is held');
	equal("$n: killed between feeding and passing") or last;
}
$pair->sql('DROP FUNCTION dbsync_internal.advance_wal(); ALTER FUNCTION dbsync_internal.advance_wal_really() RENAME TO advance_wal');

# --- who is behind somebody else's changes

$pair->target_sql('CREATE EXTENSION dbsync');
$pair->target_sql(sprintf(q{SELECT dbsync.create_target('back', '%s'); SELECT dbsync.create_subscription('back', 'back', tables => '{plain}', existing_rows => 'truncate')}, uri_of($pair->source)));
$pair->sql(q{SELECT dbsync.add_table('s', 'plain', capture => 'wal', copy_data => false)});
equal('a table more');
$pair->target_sql(q{SELECT dbsync.start_subscription('back')});
note_becomes('a subscription of dbsync applies into it', 'a table that somebody applies into is read no more', 'plain');
$pair->sql(q{SELECT dbsync.remove_table('s', 'plain')});
like(($pair->source->psql('postgres', q{SELECT dbsync.add_table('s', 'plain', capture => 'wal', copy_data => false)}))[2],
	qr/capture of table public\.plain cannot be "wal": a subscription of dbsync applies into it/, 'and is not added again');

# --- what is refused

$pair->sql(q{CREATE ROLE simple; GRANT USAGE ON SCHEMA dbsync TO simple; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO simple; GRANT USAGE ON FOREIGN SERVER far TO simple; CREATE USER MAPPING FOR simple SERVER far OPTIONS (user 'x', password 'y');
CREATE TABLE own (id int PRIMARY KEY); ALTER TABLE own OWNER TO simple; CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE bare (id int PRIMARY KEY); ALTER TABLE bare REPLICA IDENTITY NOTHING});
$pair->sql(q{SET ROLE simple; SELECT dbsync.create_subscription('mine', 'far')});
like(($pair->source->psql('postgres', q{SET ROLE simple; SELECT dbsync.add_table('mine', 'own', capture => 'wal')}))[2],
	qr/capture "wal" needs role "simple" to have REPLICATION/, 'who might not make a slot does not get one');
$pair->sql('ALTER ROLE simple REPLICATION');
$pair->sql(q{SET ROLE simple; SELECT dbsync.add_table('mine', 'own', capture => 'wal')});
$pair->sql('ALTER ROLE simple NOREPLICATION');
is($pair->sql(q{SELECT lacks FROM dbsync.subscription s, dbsync_internal.lost_tables(s.id, 'simple'::regrole) WHERE s.name = 'mine'}), 'REPLICATION', 'and who may no longer loses it');
$pair->sql(q{SET ROLE simple; SELECT dbsync.drop_subscription('mine')});
like(($pair->source->psql('postgres', q{SELECT dbsync.add_table('s', 'parts', capture => 'wal')}))[2], qr/capture of partitioned table public\.parts cannot be "wal"/, 'partitioned tables');
like(($pair->source->psql('postgres', q{SELECT dbsync.add_table('s', 'bare', capture => 'wal')}))[2], qr/capture of table public\.bare cannot be "wal": its replica identity is nothing/, 'no identity');

# --- and an end

$pair->sql(q{SELECT dbsync.remove_table('s', 't')});
isnt(slots(), '', 'the slot is there as long as a table is');
$pair->sql(q{SELECT dbsync.remove_table('s', 'pair')});
ok(becomes_true($pair->source, q{SELECT NOT EXISTS (SELECT FROM pg_replication_slots) AND NOT EXISTS (SELECT FROM pg_publication)}), 'slot and publication go with the last');
$pair->sql(q{SELECT pg_create_physical_replication_slot(s) FROM unnest('{a,b}'::text[]) s});
like(($pair->source->psql('postgres', q{SELECT dbsync.add_table('s', 't', capture => 'wal')}))[2], qr/capture "wal" needs a replication slot, and all are in use/, 'no slot is left');
$pair->sql(q{SELECT pg_drop_replication_slot(s) FROM unnest('{a,b}'::text[]) s});

# without a word dbsync would leave the slot behind
$pair->sql(q{SELECT dbsync.add_table('s', 't', capture => 'wal', existing_rows => 'truncate')});
$pair->arrives('s', 'once more');
isnt(slots(), '', 'the slot is there again');
like(($pair->source->psql('postgres', 'DROP EXTENSION dbsync'))[2], qr/cannot drop extension dbsync because other objects depend on it/, 'the extension is not dropped before');
$pair->target_sql(q{SELECT dbsync.stop_subscription('back')});
$pair->stop_subscription('s');
$pair->sql('SELECT dbsync.uninstall()');
is(slots(), '', 'uninstall() drops it');
$pair->sql('DROP EXTENSION dbsync');

# --- who drops the extension without it leaves slot and publication behind; a next one begins anew

sub begin_anew
{
	my ($test) = @_;

	$pair->sql('CREATE EXTENSION dbsync');
	$pair->create_target('far', uri_of($pair->target));
	$pair->sql(q{SELECT dbsync.create_subscription('s', 'far'); SELECT dbsync.add_table('s', 't', capture => 'wal', existing_rows => 'truncate')});
	$pair->start_subscription('s');
	$pair->arrives('s', "$test: the copy arrives");
	$pair->sql(q{UPDATE t SET v = 'anew'; DELETE FROM t WHERE id % 2 = 0});
	$pair->arrives('s', "$test: changes arrive");
	DbsyncTest::Server::same_rows($pair->source, $pair->target, 'public.t', "$test: t is equal");
	$pair->stop_subscription('s');
	return;
}

begin_anew('another life');
$pair->sql('DROP EXTENSION dbsync CASCADE');
isnt(slots(), '', 'DROP EXTENSION leaves the slot behind');
$pair->sql(q{INSERT INTO t SELECT g, 'meanwhile' FROM generate_series(30000, 30010) g});
begin_anew('with what was left behind');
$pair->sql('DROP EXTENSION dbsync CASCADE');
$pair->sql(q{SELECT pg_drop_replication_slot('dbsync_' || oid) FROM pg_database WHERE datname = current_database()});
is(slots(), '', 'as documented it goes');

# --- a server that does not write what is needed

$pair->source->append_conf('postgresql.conf', 'wal_level = replica');
$pair->source->restart;
$pair->sql('CREATE EXTENSION dbsync');
$pair->create_target('far', uri_of($pair->target));
$pair->sql(q{SELECT dbsync.create_subscription('s', 'far')});
like(($pair->source->psql('postgres', q{SELECT dbsync.add_table('s', 't', capture => 'wal')}))[2],
	qr/ERROR:  capture "wal" needs wal_level = logical\nDETAIL:  It is replica\.\nHINT:  ALTER SYSTEM SET wal_level = logical, and restart the server/, 'another wal_level is refused, with the setting');

$pair->finish;

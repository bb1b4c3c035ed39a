# Users' code (domains, casts, operator classes, views) that dbsync meets runs as the
# owner of its table, and as nobody else: not as the worker's superuser, not as a
# superuser who looks.  A table is read as what it is, whatever has its name.
#
# Whoever is not a superuser here has just the rights that README grants.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true quoted uri_of);
use Test::More;

my $pair = DbsyncTest->new(source_conf => 'dbsync.copy_chunk_rows = 200');
my ($source, $target) = ($pair->source, $pair->target);

# --- the intruder, on both ends

my $hba = $target->data_dir . '/pg_hba.conf';
my $rules = PostgreSQL::Test::Utils::slurp_file($hba);
open(my $file, '>', $hba) or die "cannot write $hba: $!";
print $file "local all sync scram-sha-256\n$rules";
close($file);
$target->reload;
$pair->target_sql(<<'SQL');
CREATE ROLE sync LOGIN PASSWORD 'secret';
GRANT CREATE ON DATABASE postgres TO sync;
CREATE SCHEMA intruder AUTHORIZATION sync;
SQL
$pair->sql(<<'SQL');
CREATE ROLE intruder LOGIN;
CREATE SCHEMA intruder AUTHORIZATION intruder;
GRANT USAGE ON SCHEMA dbsync TO intruder;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO intruder;
GRANT SELECT ON dbsync.status, dbsync.table_status TO intruder;
GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_postgres TO intruder;
SQL

# Usage: as_intruder($sql); as_sync($sql) at the target
sub as_intruder
{
	my ($sql) = @_;
	return $source->safe_psql('postgres', $sql, extra_params => [ '-U', 'intruder' ]);
}

sub as_sync
{
	my ($sql) = @_;
	local $ENV{PGPASSWORD} = 'secret';
	return $target->safe_psql('postgres', $sql, extra_params => [ '-U', 'sync' ]);
}

# What the traps call: who runs here?  Whoever has more rights is made use of.
as_intruder(<<'SQL');
CREATE TABLE intruder.ran (as_role name, what text);
CREATE FUNCTION intruder.trap(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) current_user) THEN
		EXECUTE 'ALTER ROLE intruder SUPERUSER';
	END IF;
	INSERT INTO intruder.ran VALUES (current_user, what);
	RETURN true;
END $$;
SQL

# Tests that this trap was sprung, and that it caught nobody.
sub caught_nobody
{
	my ($what, $test) = @_;
	is($pair->sql('SELECT DISTINCT as_role FROM intruder.ran WHERE what = ' . quoted($what)),
		'intruder', "$test: ran as its owner");
	is($pair->sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'intruder'"),
		'f', "$test: the intruder is no superuser");
	return;
}

my $uri = uri_of($target, user => 'sync');
as_intruder("SELECT dbsync.create_target('m', '$uri', password => 'secret')");
as_intruder("SELECT dbsync.create_subscription('m', 'm')");
as_intruder("SELECT dbsync.start_subscription('m')");

# A copy that gets no further than its first chunk, until let_go().
sub hold_back
{
	my ($table) = @_;
	as_sync(<<"SQL");
CREATE OR REPLACE FUNCTION intruder.stop() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN IF new.v > 300 THEN RAISE ''not now''; END IF; RETURN new; END';
CREATE TRIGGER stop AFTER INSERT ON $table FOR EACH ROW EXECUTE FUNCTION intruder.stop();
SQL
	return;
}

sub let_go
{
	my ($table) = @_;
	as_sync("DROP TRIGGER stop ON $table");
	return;
}

sub copied_in_part
{
	my ($subscription, $table, $test) = @_;
	ok(becomes_true($source, sprintf(
			'SELECT rows_copied = 200 FROM dbsync.table_status WHERE subscription = %s AND "table" = %s::regclass',
			quoted($subscription), quoted($table))), "$test: half copied");
	return;
}

# --- A1: a domain within the key, while the copy is half done

as_intruder(<<'SQL');
CREATE DOMAIN intruder.d AS int CHECK (intruder.trap('domain'));
CREATE TABLE intruder.t (k intruder.d[] PRIMARY KEY, v int);
INSERT INTO intruder.t SELECT ARRAY[g], g FROM generate_series(1, 600) g;
SQL
as_sync('CREATE TABLE intruder.t (k int[] PRIMARY KEY, v int)');
hold_back('intruder.t');
as_intruder('TRUNCATE intruder.ran');
as_intruder("SELECT dbsync.add_table('m', 'intruder.t')");
copied_in_part('m', 'intruder.t', 'A1');
as_intruder('UPDATE intruder.t SET v = v WHERE v = 5');
as_intruder('UPDATE intruder.t SET v = v + 0 WHERE v IN (5, 6); DELETE FROM intruder.t WHERE v = 7');
ok(becomes_true($target, 'SELECT NOT EXISTS (SELECT FROM intruder.t WHERE v = 7)'),
	'A1: changes of the copied part flow meanwhile');
let_go('intruder.t');
$pair->arrives('m', 'A1: the copy goes on');
caught_nobody('domain', 'A1: domain within a key');
$pair->same_at_both_ends('intruder.t');

# --- A2: code that runs as its owner leaves nothing behind in the worker's session

as_intruder(<<'SQL');
CREATE FUNCTION intruder.pwn(int, int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM intruder.trap('operator');
	RETURN $1 OPERATOR(pg_catalog.=) $2;
END $$;
CREATE OPERATOR intruder.= (LEFTARG = int, RIGHTARG = int, FUNCTION = intruder.pwn);
CREATE FUNCTION intruder.try(command text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	INSERT INTO intruder.ran VALUES (current_user, command);
EXCEPTION WHEN OTHERS THEN
	NULL;
END $$;
CREATE FUNCTION intruder.leak(int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM intruder.trap('leak');
	-- only where there is something to be gained
	IF session_user OPERATOR(pg_catalog.=) current_user THEN
		RETURN true;
	END IF;
	PERFORM pg_catalog.set_config('search_path', 'intruder, pg_catalog', false);
	PERFORM pg_catalog.set_config('application_name', 'leaked', false);
	PERFORM intruder.try('SET ROLE NONE');
	PERFORM intruder.try('RESET ROLE');
	PERFORM intruder.try('RESET SESSION AUTHORIZATION');
	PERFORM intruder.try('SET SESSION AUTHORIZATION DEFAULT');
	PERFORM intruder.try('CREATE TEMPORARY TABLE subscription (id int)');
	PERFORM intruder.try('PREPARE p AS SELECT 1');
	PERFORM intruder.try('LISTEN l');
	PERFORM intruder.try('DECLARE c CURSOR WITH HOLD FOR SELECT 1');
	RETURN true;
END $$;
CREATE DOMAIN intruder.leaky AS int CHECK (intruder.leak(value));
CREATE TABLE intruder.t2 (k intruder.leaky[] PRIMARY KEY, v int);
INSERT INTO intruder.t2 SELECT ARRAY[g], g FROM generate_series(1, 600) g;
TRUNCATE intruder.ran;
SQL
as_sync('CREATE TABLE intruder.t2 (k int[] PRIMARY KEY, v int)');
as_intruder("SELECT dbsync.add_table('m', 'intruder.t2')");
$pair->arrives('m', 'A2: copied');
as_intruder('UPDATE intruder.t2 SET v = v + 1');
$pair->arrives('m', 'A2: changes flow');
as_intruder("SELECT dbsync.copy_table('m', 'intruder.t2', existing_rows => 'truncate')");
$pair->arrives('m', 'A2: copied anew');
caught_nobody('leak', 'A2');
is($pair->sql("SELECT string_agg(DISTINCT what, ', ') FROM intruder.ran WHERE what <> 'leak'"),
	'', 'A2: no role is taken, nothing is left in the session, no operator is put in the way');
is($pair->sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'leaked'"),
	'0', 'A2: settings are undone');
$pair->same_at_both_ends('intruder.t2');

# --- A3: a view in the place of a table that a superuser's subscription copies

as_intruder(<<'SQL');
CREATE TABLE intruder.r (k int PRIMARY KEY, v int);
INSERT INTO intruder.r SELECT g, g FROM generate_series(1, 600) g;
CREATE FUNCTION intruder.evil() RETURNS int LANGUAGE plpgsql AS
  'BEGIN PERFORM intruder.trap(''view''); RETURN 1; END';
SQL
as_sync('CREATE TABLE intruder.r (k int PRIMARY KEY, v int)');
hold_back('intruder.r');
$pair->create_target('dba', $uri, password => "'secret'");
$pair->subscribe('dba', ['intruder.r'], target => 'dba');
$pair->start_subscription('dba');
copied_in_part('dba', 'intruder.r', 'A3');
as_intruder(<<'SQL');
ALTER TABLE intruder.r RENAME TO r_old;
CREATE VIEW intruder.r AS SELECT 300000 + k AS k, intruder.evil() AS v FROM intruder.r_old WHERE k <= 7;
UPDATE intruder.r_old SET v = -v WHERE k IN (1, 600);
SQL
let_go('intruder.r');
$pair->arrives('dba', 'A3: the copy goes on');
is($pair->sql("SELECT count(*) FROM intruder.ran WHERE what = 'view'"), '0',
	'A3: the view is not read');
is(DbsyncTest::fingerprint($target, 'intruder.r'), DbsyncTest::fingerprint($source, 'intruder.r_old'),
	'A3: the target has the table that is captured, all of it');

# --- A4: the same by accident, and with the key's index replaced as well

as_intruder(<<'SQL');
CREATE TABLE intruder.a (k int PRIMARY KEY, v int);
INSERT INTO intruder.a SELECT g, g FROM generate_series(1, 600) g;
SQL
as_sync('CREATE TABLE intruder.a (k int PRIMARY KEY, v int)');
hold_back('intruder.a');
as_intruder("SELECT dbsync.add_table('m', 'intruder.a')");
copied_in_part('m', 'intruder.a', 'A4');
as_intruder(<<'SQL');
BEGIN;
ALTER TABLE intruder.a RENAME TO a_old;
CREATE TABLE intruder.a (k int PRIMARY KEY, v int);
INSERT INTO intruder.a SELECT g, -g FROM generate_series(1, 1000) g;
COMMIT;
UPDATE intruder.a_old SET v = -v WHERE k IN (1, 600);
SQL
as_intruder('REINDEX TABLE CONCURRENTLY intruder.a_old');
let_go('intruder.a');
$pair->arrives('m', 'A4: the copy goes on');
is(DbsyncTest::fingerprint($target, 'intruder.a'), DbsyncTest::fingerprint($source, 'intruder.a_old'),
	'A4: the target has the table that is captured, all of it');
is($pair->sql(q{SELECT "table" || ' ' || state FROM dbsync.table_status WHERE target_table = 'intruder.a'}),
	'intruder.a_old live', 'A4: and status says which that is');

# --- A8: a superuser looks at what was captured

as_intruder(<<'SQL');
CREATE TYPE intruder.ce AS ENUM ('a', 'b');
CREATE FUNCTION intruder.cj(intruder.ce) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
	PERFORM intruder.trap('cast');
	PERFORM pg_catalog.set_config('application_name', 'leaked', false);
	RETURN '"of the cast"'::json;
END $$;
CREATE CAST (intruder.ce AS json) WITH FUNCTION intruder.cj(intruder.ce);
CREATE TABLE intruder.cc (k int PRIMARY KEY, c intruder.ce);
SQL
as_sync("CREATE TYPE intruder.ce AS ENUM ('a', 'b'); CREATE TABLE intruder.cc (k int PRIMARY KEY, c intruder.ce)");
as_intruder("SELECT dbsync.add_table('m', 'intruder.cc')");
$pair->arrives('m', 'A8: captured');
as_intruder("INSERT INTO intruder.cc VALUES (1, 'a')");
is($pair->sql(q{SELECT "row"->>'c' FROM dbsync.changes('intruder.cc') WHERE op = 'I'}),
	'of the cast', 'A8: changes() shows values as their type says');
is($pair->sql(q{SELECT count(*) FROM dbsync.changes('intruder.cc');
SELECT current_setting('application_name') = 'leaked'}), "1\nf", 'A8: settings are undone');
# what the cast has written went with the transaction only if it failed
caught_nobody('cast', 'A8: cast of a column');
$pair->arrives('m', 'A8: sent');
$pair->same_at_both_ends('intruder.cc');

# --- keys settled at commit: who commits is not who wrote

$pair->sql('CREATE TYPE intruder.pt AS (x int)');
$pair->sql('ALTER TYPE intruder.pt OWNER TO intruder');
as_intruder(<<'SQL');
CREATE FUNCTION intruder.pt_cmp(intruder.pt, intruder.pt) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	PERFORM intruder.trap('comparison');
	RETURN pg_catalog.btint4cmp(($1).x, ($2).x);
END $$;
CREATE FUNCTION intruder.pt_lt(intruder.pt, intruder.pt) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT intruder.pt_cmp($1, $2) < 0';
CREATE FUNCTION intruder.pt_le(intruder.pt, intruder.pt) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT intruder.pt_cmp($1, $2) <= 0';
CREATE FUNCTION intruder.pt_eq(intruder.pt, intruder.pt) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT intruder.pt_cmp($1, $2) = 0';
CREATE FUNCTION intruder.pt_ge(intruder.pt, intruder.pt) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT intruder.pt_cmp($1, $2) >= 0';
CREATE FUNCTION intruder.pt_gt(intruder.pt, intruder.pt) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT intruder.pt_cmp($1, $2) > 0';
CREATE OPERATOR intruder.< (LEFTARG = intruder.pt, RIGHTARG = intruder.pt, FUNCTION = intruder.pt_lt);
CREATE OPERATOR intruder.<= (LEFTARG = intruder.pt, RIGHTARG = intruder.pt, FUNCTION = intruder.pt_le);
CREATE OPERATOR intruder.= (LEFTARG = intruder.pt, RIGHTARG = intruder.pt, FUNCTION = intruder.pt_eq);
CREATE OPERATOR intruder.>= (LEFTARG = intruder.pt, RIGHTARG = intruder.pt, FUNCTION = intruder.pt_ge);
CREATE OPERATOR intruder.> (LEFTARG = intruder.pt, RIGHTARG = intruder.pt, FUNCTION = intruder.pt_gt);
SQL
# only a superuser can make an operator class; its functions stay their owner's
$pair->sql(<<'SQL');
CREATE OPERATOR CLASS intruder.pt_ops DEFAULT FOR TYPE intruder.pt USING btree AS
  OPERATOR 1 intruder.<, OPERATOR 2 intruder.<=, OPERATOR 3 intruder.=, OPERATOR 4 intruder.>=,
  OPERATOR 5 intruder.>, FUNCTION 1 intruder.pt_cmp(intruder.pt, intruder.pt);
SQL
as_intruder(<<'SQL');
CREATE TABLE intruder.p (k intruder.pt PRIMARY KEY, v int);
INSERT INTO intruder.p SELECT ROW(g)::intruder.pt, g FROM generate_series(1, 500) g;
CREATE FUNCTION intruder.again() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN IF new.v < 0 AND old.v > 0 THEN UPDATE intruder.p SET v = new.v - 1000 WHERE v = new.v; END IF; RETURN NULL; END';
CREATE TRIGGER again AFTER UPDATE ON intruder.p FOR EACH ROW EXECUTE FUNCTION intruder.again();
CREATE FUNCTION intruder.harmless(change int) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
  AS 'UPDATE intruder.p SET v = -v WHERE v = change';
SQL
as_sync('CREATE TYPE intruder.pt AS (x int); CREATE TABLE intruder.p (k intruder.pt PRIMARY KEY, v int)');
as_intruder("SELECT dbsync.add_table('m', 'intruder.p')");
$pair->arrives('m', 'operator class: copied');
as_intruder('TRUNCATE intruder.ran');
$pair->sql('SELECT intruder.harmless(5)');
$pair->sql('SELECT intruder.harmless(6)');
as_intruder('UPDATE intruder.p SET v = v + 5000 WHERE v > 300; DELETE FROM intruder.p WHERE v = 100');
$pair->arrives('m', 'operator class: changes flow');
caught_nobody('comparison', 'operator class of a key, at commit and in the worker');
is($pair->sql('SELECT string_agg(v::text, \',\' ORDER BY v) FROM intruder.p WHERE v < 0'), '-1006,-1005',
	'rows were changed twice in one transaction');
$pair->same_at_both_ends('intruder.p');

# --- a shadow: VACUUM would order its key as its owner; all other values are compared as the table's

my (undef, undef, $refusal) = $source->psql('postgres', q{SELECT dbsync.remove_table('m', 'intruder.p'); SELECT dbsync.add_table('m', 'intruder.p', capture => 'shadow')},
	extra_params => [ '-U', 'intruder' ]);
like($refusal, qr/cannot be "shadow": its key is ordered by a function of role "intruder"/, 'shadow: such a key is refused');
as_intruder(<<'SQL');
CREATE TYPE intruder.pts AS RANGE (subtype = intruder.pt);
CREATE TABLE intruder.s (id int PRIMARY KEY, v intruder.pt, r intruder.pts, a intruder.d[]);
INSERT INTO intruder.s SELECT g, ROW(g)::intruder.pt, intruder.pts(ROW(1)::intruder.pt, ROW(g)::intruder.pt), ARRAY[g] FROM generate_series(1, 100) g;
SQL
as_sync('CREATE TYPE intruder.pts AS RANGE (subtype = intruder.pt)');
as_sync('CREATE TABLE intruder.s (id int PRIMARY KEY, v intruder.pt, r text, a int[])');
as_intruder('TRUNCATE intruder.ran');
as_intruder(q{SELECT dbsync.add_table('m', 'intruder.s', columns => '{id, v, r::text AS r, a}', capture => 'shadow')});
$pair->arrives('m', 'shadow: copied');
as_intruder('UPDATE intruder.s SET v = ROW(1000)::intruder.pt WHERE id % 3 = 0; UPDATE intruder.s SET r = NULL WHERE id % 3 = 1; DELETE FROM intruder.s WHERE id = 7');
$pair->arrives('m', 'shadow: changes flow');
# of segments, too
$pair->sql('VACUUM ANALYZE');
caught_nobody('comparison', 'a shadow is filled, compared, and looked after');
is($pair->target_sql('SELECT string_agg(s::text, chr(10) ORDER BY id) FROM intruder.s'), $pair->sql('SELECT string_agg(s::text, chr(10) ORDER BY id) FROM intruder.s'),
	'shadow: the same at both ends');

# --- P1: a key whose operators are not in the path, cut by a window while it is copied

$pair->sql('CREATE EXTENSION citext');
$pair->target_sql('CREATE EXTENSION citext');
as_intruder(<<'SQL');
CREATE TABLE intruder.c (k public.citext PRIMARY KEY, v int);
INSERT INTO intruder.c SELECT CASE WHEN g % 2 = 0 THEN upper(k) ELSE k END, 1
  FROM generate_series(1, 600) g, translate(md5(g::text), '0123456789', 'ghijklmnop') k;
UPDATE intruder.c SET v = n FROM (SELECT k AS key, row_number() OVER (ORDER BY k) AS n FROM intruder.c) o WHERE k = key;
SQL
as_sync('CREATE TABLE intruder.c (k public.citext PRIMARY KEY, v int)');
hold_back('intruder.c');
as_intruder("SELECT dbsync.add_table('m', 'intruder.c')");
copied_in_part('m', 'intruder.c', 'P1');
as_intruder(<<'SQL');
UPDATE intruder.c SET v = -v WHERE v % 10 = 0;
DELETE FROM intruder.c WHERE v % 10 = 1;
UPDATE intruder.c SET k = 'g' || k WHERE v % 50 = 2;
INSERT INTO intruder.c VALUES ('0', 0), ('F', 0), ('ffffffffffffffffffffffffffffffffff', 0);
SQL
ok(becomes_true($target, 'SELECT count(*) = 20 FROM intruder.c WHERE v < 0'),
	'P1: changes of the copied part flow meanwhile');
let_go('intruder.c');
$pair->arrives('m', 'P1: the copy goes on');
$pair->same_at_both_ends('intruder.c');

DbsyncTest::finish();

# What attackers found of rows that are refused: keys that a batch has twice, since their table is altered in between, or gets another key; rows that
# cannot be moved out of one another's way; checks that name what is not there; rows that are large, and many; and a
# ledger that somebody has edited.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(poll_until rss_of);
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new;
my ($source, $target) = ($pair->source, $pair->target);
my $parked = q{SELECT string_agg("table" || ' ' || key::text || ' ' || sqlstate, ', ' ORDER BY "table"::text, key::text) FROM dbsync.quarantine WHERE subscription = };

sub begin
{
	my ($name, $columns, $theirs, $code, %options) = @_;

	$pair->sql("CREATE TABLE $name ($columns)");
	$pair->target_sql("CREATE TABLE $name ($theirs); $code");
	$pair->subscribe($name, [$name], on_error => "'quarantine'", %options);
	$pair->start_subscription($name);
	$pair->arrives($name, "$name: the first copy");
	return;
}

sub parked_are
{
	my ($name, $keys, $test) = @_;
	return is($pair->sql("$parked '$name'"), $keys, "$name: $test");
}

# --- a row is refused, its table is altered, and the row changes: all in one transaction

begin('altered', 'id numeric PRIMARY KEY, v text', q{id numeric PRIMARY KEY, v text CHECK (v <> 'bad')}, '', ddl => "'apply'");
$pair->sql(<<'SQL');
BEGIN;
INSERT INTO altered VALUES (1.0, 'bad'), (2, 'good'), (3, 'bad'), (4.0, 'bad');
ALTER TABLE altered ADD x int DEFAULT 3;
UPDATE altered SET v = 'good', id = 1.00 WHERE id = 1;
UPDATE altered SET v = 'bad' WHERE id = 2;
DELETE FROM altered WHERE id = 3;
UPDATE altered SET id = 4.00 WHERE id = 4;
COMMIT;
SQL
$pair->arrives('altered', 'altered: its rows arrive, and it is not held');
parked_are('altered', 'altered {"id": "2"} 23514, altered {"id": "4.0"} 23514', 'what fits in the end is not parked');
is($pair->target_sql('SELECT string_agg(concat_ws(chr(32), id, v, x), chr(44) ORDER BY id) FROM altered'), '1.00 good 3,2 good 3', 'altered: the target has the rest');

# --- the key has other columns: what is parked would be taken for another row

begin('keyed', 'id int PRIMARY KEY, code int NOT NULL UNIQUE, v text', q{id int PRIMARY KEY, code int NOT NULL UNIQUE, v text CHECK (v <> 'bad')}, '', ddl => "'apply'");
$pair->sql("INSERT INTO keyed SELECT i, i + 2, 'good' FROM generate_series(1, 5) i");
$pair->arrives('keyed');
$pair->sql("UPDATE keyed SET v = 'bad' WHERE id = 3");
$pair->arrives('keyed', 'keyed: one is parked');
$pair->sql(q{ALTER TABLE keyed DROP CONSTRAINT keyed_pkey; ALTER TABLE keyed ADD PRIMARY KEY (code); UPDATE keyed SET v = 'better' WHERE code = 3});
my (undef, $answer, $error) = $pair->asked_once('keyed');
like($error, qr/table public\.keyed of subscription "keyed" is held\nDETAIL: .* has got another key, while 1 rows are parked/, 'keyed: the table is held');
like($pair->sql(q{SELECT next_action FROM dbsync.table_status WHERE "table" = 'keyed'::regclass}), qr/copy_table\('keyed', 'public\.keyed', existing_rows => 'truncate'\)/, 'keyed: and what to do is said');
parked_are('keyed', 'keyed {"code": "3"} 23514', 'it is parked still');
$pair->target_sql('ALTER TABLE keyed DROP CONSTRAINT keyed_v_check');
$pair->sql(q{SELECT dbsync.copy_table('keyed', 'public.keyed', existing_rows => 'truncate')});
$pair->arrives('keyed', 'keyed: copied anew');
is($pair->sql(q{SELECT count(*) FROM dbsync.quarantine WHERE subscription = 'keyed'}), '0', 'keyed: nothing is parked');
$pair->same_at_both_ends('public.keyed');

# --- rows clash, and a trigger does not let them go out of the way

begin('firm', 'id int PRIMARY KEY, u int UNIQUE, v text', 'id int PRIMARY KEY, u int UNIQUE, v text', <<'SQL', existing_rows => "'keep'");
INSERT INTO firm VALUES (-1, 100, 'theirs');
CREATE FUNCTION firm_stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'row % stays', OLD.id; END $$;
CREATE TRIGGER stays AFTER DELETE ON firm FOR EACH ROW EXECUTE FUNCTION firm_stays();
ALTER TABLE firm ENABLE ALWAYS TRIGGER stays;
SQL
$pair->sql("INSERT INTO firm SELECT i, i, 'x' FROM generate_series(1, 5) i");
$pair->arrives('firm');
$pair->sql("BEGIN; UPDATE firm SET u = 100 WHERE id = 1; UPDATE firm SET v = 'y' WHERE id = 2; COMMIT");
$pair->arrives('firm', 'firm: what does not clash arrives, and the table is not held');
parked_are('firm', 'firm {"id": "1"} 23505', 'what clashes is parked');
is($pair->target_sql('SELECT string_agg(concat_ws(chr(32), id, u, v), chr(44) ORDER BY id) FROM firm WHERE id BETWEEN 1 AND 2'), '1 1 x,2 2 y', 'firm: as it was');

# --- a check that waits for the end says what it likes

begin('late', 'id int PRIMARY KEY, v text', 'id int PRIMARY KEY, v text', <<'SQL');
CREATE FUNCTION late_says() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.v = 'nothing' THEN
		RAISE EXCEPTION 'bad' USING CONSTRAINT = 'no"thing; --', SCHEMA = 'no"where';
	ELSIF NEW.v = 'key' THEN
		RAISE EXCEPTION 'bad' USING CONSTRAINT = 'late_pkey', SCHEMA = 'public';
	END IF;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER "says;" AFTER INSERT OR UPDATE ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late_says();
ALTER TABLE late ENABLE ALWAYS TRIGGER "says;";
SQL
$pair->sql("INSERT INTO late SELECT i, CASE i WHEN 3 THEN 'nothing' WHEN 7 THEN 'key' ELSE 'good' END FROM generate_series(1, 10) i");
$pair->arrives('late', 'late: a constraint that is not there, or is checked at once, is passed over');
parked_are('late', 'late {"id": "3"} P0001, late {"id": "7"} P0001', 'the rows are found');
is($pair->target_sql('SELECT count(*) FROM late'), '8', 'late: all others are there');

# --- large rows, all of which are parked, change together; and all of which clash

begin('large', 'id int PRIMARY KEY, n int, v text', 'id int PRIMARY KEY, n int CHECK (n > 0), v text', '');
begin('crowd', 'id int PRIMARY KEY, u int, v text', 'id int PRIMARY KEY, u int UNIQUE, v text', 'INSERT INTO crowd SELECT -i, i FROM generate_series(1, 60) i', existing_rows => "'keep'");
foreach (
	[ 'large', 'are refused', "INSERT INTO large SELECT i, -1, repeat('x', 2000000) FROM generate_series(1, 60) i" ],
	[ 'large', 'are refused again', "UPDATE large SET n = -2, v = v || 'x'" ],
	[ 'large', 'are tried once more', q{SELECT dbsync.retry('large', 'large')} ],
	[ 'crowd', 'clash', "INSERT INTO crowd SELECT i, i, repeat('x', 2000000) FROM generate_series(1, 60) i" ])
{
	my ($name, $what, $sql) = @$_;
	my $worker = $pair->wait_for_worker($name);
	my $most = 0;

	$pair->sql($sql);
	poll_until(
		sub {
			$most = (rss_of($worker) // 0) if (rss_of($worker) // 0) > $most;
			return $pair->sql("SELECT dbsync.wait_for('$name', timeout => '20 ms')") eq 't';
		},
		"$name $what") or $pair->describe_state("$name $what");
	cmp_ok($most, '<', 80 * 1024, "$name: 60 rows of 2 MB that $what take no memory");
	is($pair->sql("SELECT count(*) FROM dbsync.quarantine WHERE subscription = '$name'"), '60', "$name: all are parked");
}
$pair->target_sql('ALTER TABLE large DROP CONSTRAINT large_n_check; DELETE FROM crowd WHERE id < 0');
$pair->sql(q{SELECT dbsync.retry('large', 'large'), dbsync.retry('crowd', 'crowd')});
$pair->arrives('large', 'large: mended');
$pair->arrives('crowd', 'crowd: mended');
is($pair->sql(q{SELECT count(*) FROM dbsync.quarantine WHERE subscription IN ('large', 'crowd')}), '0', 'none is parked any more');
$pair->same_at_both_ends('public.large', 'public.crowd');

# --- a ledger with what dbsync does not write

begin('edited', 'id int PRIMARY KEY, v text', q{id int PRIMARY KEY, v text CHECK (v <> 'bad')}, '');
$pair->sql("INSERT INTO edited VALUES (1, 'bad'), (2, 'good')");
$pair->arrives('edited');
$pair->stop_subscription('edited');
$pair->target_sql(q{UPDATE dbsync_ledger.quarantine SET since = 'infinity', message = repeat('x', 100000000), hint = message, sqlstate = message WHERE relation = 'public.edited'});
$pair->start_subscription('edited');
$pair->sql("UPDATE edited SET v = 'better' WHERE id = 2");
$pair->arrives('edited', 'edited: endless words and times do not stop it');
cmp_ok($pair->sql(q{SELECT length(message) FROM dbsync.quarantine WHERE subscription = 'edited'}), '<', 10000, 'edited: words are cut off');
$pair->sql("UPDATE edited SET v = 'bad' WHERE id IN (1, 2)");
$pair->arrives('edited', 'edited: it takes the place of what was edited');
parked_are('edited', 'edited {"id": "1"} 23514, edited {"id": "2"} 23514', 'both are parked');

DbsyncTest::finish();

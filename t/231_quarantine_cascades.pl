# A target that checks foreign keys, which delete along with a row what leads to it: a row that is refused, and stays as it was, would be
# taken along by its old parent, and take along rows that nobody has parked.  So it is not parked: its table is held.  A row that
# is not there yet leads nowhere, and is parked.
use strict;
use warnings;

use lib 't';
use DbsyncTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(uri => \&DbsyncTest::uri_that_checks_keys);
my $tables = 'CREATE TABLE parent (id int PRIMARY KEY, v text);'
  . ' CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE);'
  . ' CREATE TABLE leaf (id int PRIMARY KEY, child int REFERENCES child ON DELETE CASCADE);';
my $retried = q{SELECT dbsync.retry('q', 'parent'), dbsync.retry('q', 'child'), dbsync.retry('q', 'leaf')};

$pair->sql($tables =~ s/child \(id int/child (id bigint/r);
$pair->target_sql('GRANT ALL ON SCHEMA public TO plain');
$pair->target->safe_psql('postgres', "$tables ALTER TABLE parent ADD CHECK (v <> 'bad')", extra_params => [ '-U', 'plain' ]);
$pair->sql("INSERT INTO parent SELECT i, 'good' FROM generate_series(1, 4) i; INSERT INTO child SELECT i, i FROM generate_series(1, 4) i; INSERT INTO leaf SELECT i, i FROM generate_series(1, 4) i");
$pair->subscribe('q', [ 'parent', 'child', 'leaf' ], on_error => "'quarantine'");
$pair->start_subscription('q');
$pair->arrives('q', 'the first copy');

# rows that come anew
$pair->sql("INSERT INTO parent VALUES (10, 'bad'); INSERT INTO child VALUES (10, 10); INSERT INTO leaf VALUES (10, 10)");
$pair->arrives('q', 'new rows that are refused, with what leads to them');
is($pair->sql(q{SELECT string_agg("table" || ' ' || (key ->> 'id'), ', ' ORDER BY "table"::text) FROM dbsync.quarantine}), 'child 10, leaf 10, parent 10', 'are parked');

# a row that is there, and moves to one that is refused; and what it led to goes
$pair->sql("INSERT INTO parent VALUES (11, 'bad'); UPDATE child SET parent = 11 WHERE id = 1; DELETE FROM parent WHERE id = 1");
my (undef, undef, $error) = $pair->asked_once('q');
like($error, qr/is held/, 'a row that could be deleted with its old parent holds its table');
is($pair->sql(q{SELECT held_for ~ 'is refused, and foreign keys could delete what it was' FROM dbsync.table_status WHERE "table" = 'child'::regclass}), 't', 'and it is said why');
is($pair->target_sql('SELECT count(*) FROM leaf WHERE id = 1'), '1', 'nothing is taken along');

$pair->target_sql('ALTER TABLE parent DROP CONSTRAINT parent_v_check');
$pair->sql(q{SELECT dbsync.resume_table('q', "table") FROM dbsync.table_status WHERE state = 'held'});
$pair->arrives('q', 'mended, it goes on');
$pair->sql($retried);
$pair->arrives('q', 'what is parked is sent');
is($pair->sql('SELECT count(*) FROM dbsync.quarantine'), '0', 'nothing is parked');
$pair->same_at_both_ends('public.parent', 'public.child', 'public.leaf');

# the same of a row that went and came again, with what leads to it, which for a batch is one that comes
$pair->target->safe_psql('postgres', "ALTER TABLE parent ADD CHECK (v <> 'bad') NOT VALID", extra_params => [ '-U', 'plain' ]);
$pair->sql("BEGIN; INSERT INTO parent VALUES (12, 'bad'); DELETE FROM child WHERE id = 2; INSERT INTO child VALUES (2, 12);"
	  . ' INSERT INTO leaf VALUES (2, 2); DELETE FROM parent WHERE id = 2; COMMIT');
(undef, undef, $error) = $pair->asked_once('q');
like($error, qr/is held/, 'a row that went, came again and could be deleted with its old parent holds its table');
is($pair->target_sql('SELECT count(*) FROM leaf WHERE id = 2'), '1', 'nothing is taken along');
$pair->target_sql('ALTER TABLE parent DROP CONSTRAINT parent_v_check');
$pair->sql(q{SELECT dbsync.resume_table('q', "table") FROM dbsync.table_status WHERE state = 'held'});
$pair->arrives('q', 'mended, it goes on');
$pair->sql($retried);
$pair->arrives('q', 'what is parked is sent');
$pair->same_at_both_ends('public.parent', 'public.child', 'public.leaf');

# a key that the target cannot have cannot be there
$pair->sql('INSERT INTO child VALUES (3000000000, 3); INSERT INTO leaf VALUES (20, 3)');
$pair->arrives('q', 'a key that is too large there');
is($pair->sql(q{SELECT string_agg(sqlstate || ' ' || (key ->> 'id'), ', ') FROM dbsync.quarantine}), '22003 3000000000', 'is parked');

DbsyncTest::finish();

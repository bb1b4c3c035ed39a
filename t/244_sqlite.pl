# SQLite files as targets: which files are taken, which tables and values, and that what flows into them is, to the last
# byte, what the source has.  What every driver must do, 120_second_driver asks.
use strict;
use warnings;

use File::Basename qw(dirname);
use File::Spec;
use IPC::Run ();

use lib 't';
use DbsyncTest qw(poll_until quoted);
use DbsyncTest::Ends;
use DbsyncTest::Sqlite;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the driver for SQLite was not built, or there is no sqlite3' unless DbsyncTest::Sqlite::is_there();

my $pair = DbsyncTest->new(
	source_only => 1,
	source_conf => <<'CONF');
dbsync.copy_chunk_rows = 100
CONF
my $source = $pair->source;
my $file = DbsyncTest::Sqlite->new;

# What a session says that calls this: SQLSTATE first.  "role": as another one.
sub said
{
	my ($sql, $role) = @_;
	my $begin = $role ? "SET SESSION AUTHORIZATION $role;\n" : '';
	my (undef, $answer, $error) = $source->psql('postgres', "\\set VERBOSITY verbose\n$begin$sql");

	return $error =~ /ERROR/ ? $error =~ s/^psql:<stdin>:\d+: //r : $answer;
}

sub same
{
	my ($test, @tables) = @_;
	my %here = map { $_ => DbsyncTest::Ends::lines_of($source, $_) } @tables;
	my %there = map { $_ => $file->lines($_) } @tables;

	is_deeply(\%there, \%here, $test);
	return;
}

# --- the extension, and whose files they may be

like(said(q{SELECT dbsync.create_target('lite', 'sqlite:///srv/shop.db')}),
	qr/^ERROR:  22023: there is no driver for targets of scheme "sqlite"\nDETAIL:.*\nHINT:  A superuser can CREATE EXTENSION dbsync_sqlite\.$/m,
	'without the extension');
$pair->sql('CREATE EXTENSION dbsync_sqlite');
is($pair->sql(q{SELECT count(*) FROM pg_proc p WHERE p.proname = 'sqlite_validator' AND has_function_privilege('pg_monitor', p.oid, 'EXECUTE')}),
	'0', 'nothing of it is for everybody');

my $folder = dirname($file->path);

sub refused_uri
{
	my ($uri, $error, $test, $role) = @_;
	like(said('SELECT dbsync.create_target(' . quoted('refused') . ', ' . quoted($uri) . ')', $role), $error, $test);
	return;
}

refused_uri('sqlite://shop.db', qr/^ERROR:  22023: invalid address of a target of driver "dbsync_sqlite"\nDETAIL:  Such targets have no host/, 'a relative path is a host');
refused_uri('sqlite://me:secret@/srv/x.db', qr/^(?!.*secret)ERROR:  (22023|HV00D)/s, 'user and password');
refused_uri('sqlite:///srv/x%2.db', qr/^ERROR:  22023: invalid address/, 'a percent sign');
refused_uri("sqlite://$folder/target.db?mode=memory", qr/^ERROR:  HV00D: invalid option "mode"\nHINT:  Valid options in this context are: path, writers/, 'an option of SQLite\'s URIs');
like(said("SELECT dbsync.create_target('refused', 'sqlite://$folder/target.db', password => 'x')"),
	qr/^ERROR:  HV00D: invalid option "password"\nHINT:  There are no valid options/, 'a password');
refused_uri("sqlite://$folder/nothing.db", qr/^ERROR:  58P01: file ".*nothing\.db" does not exist/, 'a file that is not there');
refused_uri("sqlite://$folder/../x.db", qr/^ERROR:  22023: file ".*" cannot be a target\nDETAIL:  Its path has a part/, 'a path with ..');
symlink($file->path, "$folder/link.db") or die;
refused_uri("sqlite://$folder/link.db", qr/^ERROR:  22023: .*\nDETAIL:  ".*link\.db" is a symbolic link/, 'a symbolic link');
my $other = File::Spec->rel2abs(PostgreSQL::Test::Utils::tempdir('links'));
symlink($folder, "$other/way") or die;
refused_uri("sqlite://$other/way/target.db", qr/^ERROR:  22023: .*\nDETAIL:  ".*way" is a symbolic link/, 'a folder that is one');
link($file->path, "$folder/second.db") or die;
refused_uri($file->uri, qr/^ERROR:  22023: .*\nDETAIL:  ".*target\.db" has more names/, 'a hard link');
unlink("$folder/second.db", "$folder/link.db");
my $inside = $source->data_dir . '/inside.db';
append_to_file($inside, '');
refused_uri("sqlite://$inside", qr/^ERROR:  22023: .*\nDETAIL:  It lies in the server's own data directory/, 'the data directory');
unlink($inside);
chmod(0666, $file->path);
refused_uri($file->uri, qr/^ERROR:  42501: .*\nDETAIL:  File ".*target\.db" can be written to by others/, 'a file that others may write to');
chmod(0644, $file->path);
chmod(0777, $folder);
refused_uri($file->uri, qr/^ERROR:  42501: .*\nDETAIL:  Folder ".*" can be written to by others/, 'a folder that others may write to');
chmod(0755, $folder);
chmod(0555, $folder);
refused_uri($file->uri, qr/^ERROR:  42501: file ".*target\.db" cannot be written to\nDETAIL:  Folder ".*": Permission denied/, 'a folder in which there can be no journal');
chmod(0755, $folder);
chmod(0444, $file->path);
refused_uri($file->uri, qr/^ERROR:  42501: file ".*target\.db" cannot be written to\nDETAIL:  File ".*": Permission denied/, 'a file that is for reading');
chmod(0644, $file->path);
append_to_file($file->path . '-wal', '');
chmod(0666, $file->path . '-wal');
refused_uri($file->uri, qr/^ERROR:  42501: .*\nDETAIL:  File ".*target\.db-wal" can be written to by others/, 'a WAL that others may write to');
is(said("SELECT dbsync.create_target('trusted', " . quoted($file->uri . '?writers=trusted') . ')') =~ /ERROR/, '', 'unless a superuser says that they are trusted');
unlink($file->path . '-wal');
$pair->sql(q{SELECT dbsync.drop_target('trusted')});
append_to_file("$folder/text.db", 'This is no database of SQLite\'s, but a text that goes on for a while, so that there is a header to be read.' x 20);
refused_uri("sqlite://$folder/text.db", qr/^ERROR:  XX001: could not .*: file is not a database\nDETAIL:  File ".*text\.db", SQLite error 26/, 'a file that is none');

# --- roles

$pair->sql($_) foreach
  'CREATE ROLE app LOGIN', 'GRANT USAGE ON SCHEMA dbsync TO app', 'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO app',
  'GRANT CREATE, USAGE ON SCHEMA public TO app';
refused_uri($file->uri, qr/^ERROR:  42501: permission denied to create a target with driver "dbsync_sqlite"/, 'a role without USAGE on the wrapper', 'app');
$pair->sql('GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_sqlite TO app');
refused_uri($file->uri, qr/^ERROR:  42501: permission denied for target "refused"\nDETAIL:  It is a file of this server, and role "app" may not have the server write files/,
	'a role that may not write files', 'app');
$pair->sql('GRANT pg_write_server_files TO app');
refused_uri($file->uri . '?writers=trusted', qr/^ERROR:  42501: option "writers" is superuser-only\nDETAIL:  It has the server read and map/, 'an option of superusers', 'app');
is(said("SELECT dbsync.create_target('apps', " . quoted($file->uri) . ')', 'app') =~ /ERROR/, '', 'a role that may');
like(said(q{ALTER SERVER apps OPTIONS (ADD writers 'trusted')}, 'app'), qr/^ERROR:  42501: option "writers" is superuser-only/, 'nor by ALTER SERVER');
$pair->sql(q{ALTER SERVER apps OPTIONS (ADD writers 'trusted')});
like(said(q{SELECT * FROM dbsync.test_target('apps')}, 'app'), qr/^ERROR:  42501: option "writers" is for targets that a superuser owns/, 'and what a superuser has set counts on his own');
like(said(qq{SELECT dbsync.alter_target('apps', 'sqlite://$folder/text.db')}, 'app'), qr/^ERROR:  42501: a superuser has set option "writers"/, 'where nobody moves the path');
$pair->sql(q{SELECT dbsync.drop_target('apps')});

# --- the road

my $ddl = <<'SQL';
CREATE TABLE public.kinds (id bigint PRIMARY KEY, i2 smallint, i4 int, o int, n text, d numeric(20,5), t text, v text, b bytea,
	da date, ts timestamp, tz timestamptz, ti time, u text, ok boolean, j text, e text, r text);
CREATE TABLE public.two (a text, b int, t text, PRIMARY KEY (b, a));
CREATE TABLE public.swap (id int PRIMARY KEY, name text UNIQUE, n int);
CREATE TABLE public.only_key (id text PRIMARY KEY);
CREATE TABLE public.wide (id int PRIMARY KEY, body text);
SQL

$file->create($ddl);
$pair->sql("CREATE TYPE mood AS ENUM ('sad', 'glad')");
$pair->sql($ddl =~ s/d numeric/d numeric/r =~ s/o int, n text/o oid, n name/r =~ s/v text/v varchar(20)/r =~ s/u text/u uuid/r
	  =~ s/j text/j jsonb/r =~ s/e text/e mood/r =~ s/r text\)/r int4range)/r);
$pair->create_target('lite', $file->uri);
is($pair->sql(q{SELECT version ~ '^SQLite 3', database FROM dbsync.test_target('lite')}), 't|' . $file->path, 'test_target() says what it is');

my $fill = <<'SQL';
INSERT INTO kinds SELECT n, n, -n, n, 'n' || n, n / 7.0, repeat('x', n % 40), 'v' || n, decode(md5(n::text), 'hex'), date '2000-02-29' + n::int, timestamp '1999-12-31 23:59:59.5' + n * interval '1.000001 s',
	timestamptz '2024-02-29 12:00:00.123456+00' + n * interval '1 hour', time '23:59:59.999999' - n * interval '1 s', md5(n::text)::uuid, n % 2 = 0, jsonb_build_object('n', n), CASE n % 3 WHEN 0 THEN 'sad' WHEN 1 THEN 'glad' END::mood,
	int4range(n::int, n::int + 5) FROM generate_series(1, 450) n;
INSERT INTO kinds (id) VALUES (9223372036854775807), (-9223372036854775808), (0);
INSERT INTO kinds (id, t, v, b, d, da, tz, ti) VALUES (-1, '', '', '', 0, '0001-01-01', '9999-12-31 23:59:59.999999+00', '24:00:00'),
	(-2, E'a\\tb\n\r\b\f\v''"', '\N', '\x00', -999999999999999.99999, '9999-12-31', '0001-01-01 00:00:00+00', '00:00'),
	(-3, 'Größe 文字 🐘 U+10FFFF: 􏿿', 'e' || U&'\0301', '\xff00ff', 12345678901234.10000, NULL, NULL, NULL),
	(-4, '12345678901234567.10', '0x10', decode(repeat('ab', 100000), 'hex'), 1.10000, NULL, NULL, NULL);
INSERT INTO two SELECT E'k\\' || n, n % 5, NULLIF(n % 3, 0)::text FROM generate_series(1, 450) n;
INSERT INTO swap SELECT n, 'name ' || n, n FROM generate_series(1, 450) n;
INSERT INTO only_key SELECT E'''"\n' || n FROM generate_series(1, 450) n;
INSERT INTO wide SELECT n, repeat(md5(n::text), 20000) FROM generate_series(1, 5) n;
SQL
$pair->sql($fill);
my @tables = map { "public.$_" } qw(kinds two swap only_key wide);
$pair->subscribe('lite', \@tables, target => 'lite');
is($pair->sql(q{SELECT string_agg(target_table, ' ' ORDER BY target_table) FROM dbsync.table_status WHERE subscription = 'lite' AND note IS NULL}),
	'main.kinds main.only_key main.swap main.two main.wide', 'a file has one schema, in which tables are');
$pair->start_subscription('lite');
$pair->arrives('lite', 'first copies arrive');
same('first copies', @tables);
is($file->run(q{SELECT group_concat(x, ' ') FROM (SELECT DISTINCT typeof(id) || typeof(d) || typeof(b) || typeof(ok) AS x FROM kinds WHERE id BETWEEN 1 AND 450)}),
	"integertextblobinteger\n", 'values have the types of SQLite that are meant');

my @changes = (
	['inserts, updates, deletes' => q{UPDATE kinds SET t = t || '!', b = NULL WHERE id % 3 = 0; DELETE FROM kinds WHERE id % 5 = 0; INSERT INTO kinds (id, t) SELECT n, 'new' FROM generate_series(1000, 1500) n}],
	['keys that change' => q{UPDATE kinds SET id = id + 100000 WHERE id BETWEEN 1 AND 200; UPDATE two SET a = a || '.', b = b + 1; UPDATE only_key SET id = id || 'x'}],
	['unique values that change places' => q{UPDATE swap a SET name = b.name || '~' FROM swap b WHERE b.id = 451 - a.id; UPDATE swap SET name = rtrim(name, '~')}],
	['and move on' => q{UPDATE swap SET name = 'gone' WHERE id = 7; INSERT INTO swap VALUES (8000, 'name 444', 1)}],
	['large values left as they are' => q{UPDATE wide SET id = id + 10; UPDATE wide SET body = body || 'x' WHERE id = 12}],
	['all at once' => q{BEGIN; TRUNCATE two; INSERT INTO two SELECT n::text, n FROM generate_series(1, 250) n; UPDATE two SET t = a; DELETE FROM two WHERE b > 200; DELETE FROM only_key; INSERT INTO only_key VALUES ('one'); COMMIT}],
	['many' => q{UPDATE kinds SET o = coalesce(o, 0::oid); INSERT INTO kinds (id) SELECT n FROM generate_series(200000, 215000) n}]);

foreach my $change (@changes)
{
	my ($what, $sql) = @$change;
	$pair->sql($_) foreach split /; (?![^;]*COMMIT)/, $what eq 'all at once' ? '' : $sql;
	$pair->sql($sql) if $what eq 'all at once';
	$pair->arrives('lite', "$what: arrive");
	same($what, @tables);
}
$pair->stop_subscription('lite');
$pair->sql('DELETE FROM kinds; DELETE FROM two; DELETE FROM swap; DELETE FROM only_key; DELETE FROM wide');
$pair->sql($fill);
$pair->sql(q{TRUNCATE swap; INSERT INTO swap VALUES (1, 'one', 1)});
is($pair->sql(q{SELECT dbsync.run_once('lite') > 0}), 't', 'run_once() works off a backlog');
same('a backlog', @tables);
$pair->sql(q{SELECT dbsync.copy_table('lite', 'two', existing_rows => 'truncate')});
$pair->start_subscription('lite');
$pair->arrives('lite', 'copy_table() copies anew');
same('a copy anew', @tables);

# doubles: by their bits, as SQLite's own text of them is not exact
$pair->sql(q{CREATE TABLE public.doubles (id int PRIMARY KEY, x float8, y float4)});
$file->run('CREATE TABLE doubles (id INTEGER PRIMARY KEY, x REAL, y DOUBLE)');
$pair->sql(q{INSERT INTO doubles SELECT n, (random() - 0.5) * 10.0 ^ (random() * 300 - 150), (random() - 0.5) * 1e30 FROM generate_series(1, 1000) n});
$pair->sql(q{INSERT INTO doubles VALUES (-1, 'infinity', '-infinity'), (-2, 5e-324, 1e-45), (-3, 1.7976931348623157e308, 3.4028235e38), (-4, NULL, NULL), (-5, 3, 0.1)});
$pair->sql(q{SELECT dbsync.add_table('lite', 'doubles')});
$pair->arrives('lite', 'doubles arrive');
# what arrives goes back as text with 17 digits, which say it all
my $bits = sub { my ($sql) = @_; return $pair->sql("SELECT string_agg(id || ' ' || encode(float8send(x), 'hex') || encode(float8send(y), 'hex'), ',' ORDER BY id) FROM ($sql) v (id, x, y) WHERE x IS NOT NULL"); };
my $there = join ', ', map { my ($id, $x, $y) = split /\|/; "($id, '$x'::float8, '$y'::float8)" }
  split /\n/, $file->run(q{SELECT id, printf('%!.20e', x), printf('%!.20e', y) FROM doubles WHERE abs(x) BETWEEN 1e-150 AND 1e150 ORDER BY id});
is($bits->("VALUES $there"), $bits->('SELECT id, x, y::float8 FROM doubles WHERE abs(x) BETWEEN 1e-150 AND 1e150'), 'doubles are the same, bit for bit');
is($file->run(q{SELECT x = 9e999, y = -9e999 FROM doubles WHERE id = -1}), "1|1\n", 'infinite ones too');
is($file->run(q{SELECT x IS NULL, y IS NULL FROM doubles WHERE id = -4}), "1|1\n", 'and nulls');

# --- selections

$pair->sql(q{CREATE TABLE public.chosen (id int PRIMARY KEY, price numeric, secret text, area text)});
$file->run('CREATE TABLE chosen (id INTEGER PRIMARY KEY, cents INTEGER, own TEXT DEFAULT \'mine\')');
$pair->sql(q{INSERT INTO chosen SELECT n, n / 100.0, 'secret', CASE n % 2 WHEN 0 THEN 'north' ELSE 'south' END FROM generate_series(1, 300) n});
$pair->sql(q{SELECT dbsync.add_table('lite', 'chosen', columns => '{id,"(price * 100)::int AS cents"}', filter => 'area = ''north''')});
$pair->arrives('lite', 'columns and rows that were chosen arrive');
my $chosen = q{SELECT string_agg(id || ' ' || (price * 100)::int, ',' ORDER BY id) FROM chosen WHERE area = 'north'};
my $arrived = q{SELECT group_concat(id || ' ' || cents, ',') FROM (SELECT * FROM chosen ORDER BY id)};
is($file->run($arrived), $pair->sql($chosen) . "\n", 'as they were chosen');
$file->run(q{UPDATE chosen SET own = 'changed here' WHERE id = 4});
$pair->sql(q{UPDATE chosen SET area = 'north' WHERE id < 10; UPDATE chosen SET area = 'south' WHERE id > 290; UPDATE chosen SET price = -1 WHERE id IN (4, 6)});
$pair->arrives('lite', 'rows that come and go');
is($file->run($arrived), $pair->sql($chosen) . "\n", 'as they are now');
is($file->run('SELECT own FROM chosen WHERE id IN (4, 6) ORDER BY id'), "changed here\nmine\n", 'columns of the target\'s own stay as they are');

# --- DDL: refused by name, and mended by hand

$pair->sql(q{ALTER TABLE only_key ADD COLUMN more int});
$pair->sql(q{INSERT INTO only_key VALUES ('after', 1)});
ok(poll_until(sub { $pair->sql(q{SELECT count(*) FROM dbsync.table_status WHERE "table" = 'only_key'::regclass AND state = 'held'}) eq '1' }, 'a held table'), 'a table that changes is held');
like($pair->sql(q{SELECT held_for || ' / ' || next_action FROM dbsync.table_status WHERE "table" = 'only_key'::regclass}),
	qr/target "lite" cannot follow changes of tables.*copy_table/s, 'with what cannot be done, and what can');
$pair->sql(q{INSERT INTO swap VALUES (9000, 'meanwhile', 1)});
ok(poll_until(sub { $file->run(q{SELECT count(*) FROM swap WHERE id = 9000}) eq "1\n" }, 'a row'), 'the others go on');
$file->run('ALTER TABLE only_key ADD COLUMN more INTEGER');
$pair->sql(q{SELECT dbsync.copy_table('lite', 'only_key', existing_rows => 'truncate')});
$pair->arrives('lite', 'it goes on when the target was altered, and it is copied anew');
same('a table that was altered', @tables);

# --- what no target of this kind does

like(said(q{SELECT dbsync.verify('lite')}), qr/^ERROR:  0A000: .*lite.*/, 'verify() is refused');
like(said(q{SELECT dbsync.alter_subscription('lite', on_error => 'quarantine')}), qr/^ERROR:  0A000: /, 'quarantine is refused');
like(said(q{SELECT * FROM dbsync.create_statements('lite', 'two')}), qr/^ERROR:  0A000: target "lite" cannot make tables/, 'tables are not made');
$pair->sql('CREATE TABLE public.keyless (v int)');
$file->run('CREATE TABLE keyless (v INTEGER)');
$pair->sql(q{SELECT dbsync.add_table('lite', 'keyless')});
ok(poll_until(sub { ($pair->status('lite')->{last_error} // '') =~ /does not take tables without a key/ }, 'an error'), 'tables without a key are refused');
$pair->sql(q{SELECT dbsync.remove_table('lite', 'keyless')});
$pair->arrives('lite', 'without it');

# --- tables and columns that would lose something

my $number = 0;

# Both ends of a table of its own, and what status says of it.
sub refused_table
{
	my ($here, $there, $error, $test) = @_;
	my $name = 'odd' . ++$number;

	$pair->sql("CREATE TABLE public.$name ($here)");
	$file->run($there =~ s/NAME/$name/gr);
	$pair->sql("SELECT dbsync.add_table('lite', 'public.$name')");
	ok(poll_until(sub { ($pair->status('lite')->{last_error} // '') =~ $error }, $test), "refused: $test")
	  or diag($pair->status('lite')->{last_error});
	$pair->sql("SELECT dbsync.remove_table('lite', 'public.$name')");
	$pair->arrives('lite', "$test: without it");
	return;
}

refused_table('id int PRIMARY KEY, v text', 'CREATE TABLE NAME (id INTEGER PRIMARY KEY)', qr/column "v" of target table "main\.\w+" does not exist/, 'a column is missing');
refused_table('id int PRIMARY KEY', 'CREATE VIEW NAME AS SELECT 1 AS id', qr/is a view/, 'a view');
refused_table('id int PRIMARY KEY', 'CREATE VIRTUAL TABLE NAME USING fts5(id)', qr/is a virtual table/, 'a virtual table');
refused_table('id int PRIMARY KEY, v int', 'CREATE TABLE NAME (id INTEGER PRIMARY KEY, v AS (id + 1))', qr/column "v" of target table .* is generated/, 'a generated column');
refused_table('id int PRIMARY KEY, v int GENERATED ALWAYS AS (id + 1) STORED', 'CREATE TABLE NAME (id INTEGER PRIMARY KEY, v INTEGER)', qr/column "v" of target table .* is not generated/, 'a column that the source generates');
refused_table('id int PRIMARY KEY', 'CREATE TABLE NAME (id INTEGER PRIMARY KEY, own TEXT NOT NULL)', qr/column "own" of target table .* must have a default/, 'an own column without a default');
refused_table('id int PRIMARY KEY, v text', 'CREATE TABLE NAME (id INTEGER PRIMARY KEY, v NUMERIC)', qr/column "v" of target table .* is declared NUMERIC/, 'text in a numeric column');
refused_table('id int PRIMARY KEY, v numeric(20,2)', 'CREATE TABLE NAME (id INTEGER PRIMARY KEY, v DECIMAL(20,2))', qr/column "v" of target table .* is declared DECIMAL/, 'numeric in a column that makes doubles of it');
refused_table('id int PRIMARY KEY, v bigint', 'CREATE TABLE NAME (id INTEGER PRIMARY KEY, v REAL)', qr/column "v" of target table .* is declared REAL/, 'integers in a column of doubles');
refused_table('id int PRIMARY KEY', 'CREATE TABLE NAME (id INTEGER)', qr/has no unique index on the key/, 'no key');
refused_table('id int PRIMARY KEY', 'CREATE TABLE NAME (id INTEGER); CREATE UNIQUE INDEX NAME_i ON NAME (id) WHERE id > 0', qr/has no unique index on the key/, 'a partial one');
refused_table('id text PRIMARY KEY', 'CREATE TABLE NAME (id TEXT COLLATE NOCASE PRIMARY KEY)', qr/column "id" of target table .* has collation NOCASE/, 'a key that does not tell letters apart');
refused_table('id text PRIMARY KEY', 'CREATE TABLE NAME (id TEXT COLLATE NOCASE); CREATE UNIQUE INDEX NAME_i ON NAME (id COLLATE BINARY)', qr/column "id" of target table .* has collation NOCASE/, 'the same under an index that does');
refused_table('id int PRIMARY KEY, "a" int, "A" int', 'CREATE TABLE NAME (id INTEGER PRIMARY KEY, a INTEGER)', qr/columns "a" and "A" of target table .* are one to SQLite/, 'names that are one');
refused_table('id int PRIMARY KEY, v int', 'CREATE TABLE NAME (id INTEGER PRIMARY KEY, v INTEGER UNIQUE, own INTEGER)', qr/has columns of its own, and unique indexes beside the key/, 'own columns that would be lost');

# in another schema, and the ledger itself
$pair->sql('CREATE TABLE public.dbsync_position (id int PRIMARY KEY)');
$pair->sql(q{SELECT dbsync.add_table('lite', 'dbsync_position')});
ok(poll_until(sub { ($pair->status('lite')->{last_error} // '') =~ /target table "main.dbsync_position" is the ledger/ }, 'the ledger'), 'refused: the ledger');
$pair->sql(q{SELECT dbsync.remove_table('lite', 'dbsync_position')});
$pair->sql(q{SELECT dbsync.add_table('lite', 'dbsync_position', target_table => 'public.item')});
ok(poll_until(sub { ($pair->status('lite')->{last_error} // '') =~ /target table "public.item" cannot be there/ }, 'a schema'), 'refused: another schema');
$pair->sql(q{SELECT dbsync.remove_table('lite', 'dbsync_position')});
$pair->arrives('lite', 'without these');

# --- clauses, names and collations that would have SQLite do something else without a word

$pair->sql('CREATE TABLE public.clauses (id int PRIMARY KEY, v text, w text)');
$file->run('CREATE TABLE clauses (id INTEGER PRIMARY KEY ON CONFLICT IGNORE, v TEXT UNIQUE ON CONFLICT REPLACE, w TEXT NOT NULL ON CONFLICT IGNORE); INSERT INTO clauses VALUES (100, \'theirs\', \'here\')');
$pair->sql(q{INSERT INTO clauses VALUES (1, 'a', 'x'), (2, 'b', 'x')});
$pair->sql(q{SELECT dbsync.add_table('lite', 'clauses', existing_rows => 'keep')});
$pair->arrives('lite', 'a table with conflict clauses');
$pair->sql(q{INSERT INTO clauses VALUES (3, 'theirs', 'x')});
ok(poll_until(sub { ($pair->status('lite')->{last_error} // '') =~ /UNIQUE constraint failed: clauses\.v/ }, 'a clash'), 'a clash with a row of the target\'s own is an error');
like($pair->status('lite')->{last_error_detail}, qr/Row of target table "main\.clauses" with key \(3\)\. File ".*target\.db", SQLite error 2067/, 'that names the row and the file');
is($file->run(q{SELECT id, v FROM clauses ORDER BY id}), "1|a\n2|b\n100|theirs\n", 'and no other row was touched');
$pair->sql(q{UPDATE clauses SET v = 'ours' WHERE id = 3});
$pair->arrives('lite', 'it goes on when that is mended');
$pair->sql(q{UPDATE clauses SET w = NULL WHERE id = 2});
ok(poll_until(sub { ($pair->status('lite')->{last_error} // '') =~ /NOT NULL constraint failed: clauses\.w/ }, 'a null'), 'a null that must not be there is an error');
$pair->sql(q{UPDATE clauses SET w = 'y' WHERE id = 2});
$pair->arrives('lite', 'that can be mended, too');
is($file->run(q{SELECT id, v, w FROM clauses ORDER BY id}), "1|a|x\n2|b|y\n3|ours|x\n100|theirs|here\n", 'rows are what they should be');

# triggers are silent, and foreign keys do not cascade
$pair->sql('CREATE TABLE public.parent (id int PRIMARY KEY, v int)');
$file->run('CREATE TABLE parent (id INTEGER PRIMARY KEY, v INTEGER); CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent ON DELETE CASCADE);'
	  . ' CREATE TRIGGER t AFTER INSERT ON parent BEGIN DELETE FROM child; END');
$pair->sql('INSERT INTO parent VALUES (1, 1), (2, 2)');
$pair->sql(q{SELECT dbsync.add_table('lite', 'parent')});
$pair->arrives('lite', 'a table with a trigger');
$file->run('INSERT INTO child VALUES (10, 1), (20, 2)');
$pair->sql('DELETE FROM parent WHERE id = 1; UPDATE parent SET v = 7; INSERT INTO parent VALUES (3, 3)');
$pair->arrives('lite', 'its changes');
is($file->run('SELECT group_concat(id) FROM child'), "10,20\n", 'rows of others stay');
same('a table with a trigger', 'public.parent');

# a table that is altered while the worker has it open
$file->run('ALTER TABLE parent RENAME COLUMN id TO id2');
$pair->sql('DELETE FROM parent WHERE id = 2; INSERT INTO parent VALUES (4, 4)');
ok(poll_until(sub { ($pair->status('lite')->{last_error} // '') =~ /column "id" of target table "main\.parent" does not exist/ }, 'a renamed key'), 'a key column that was renamed is noticed');
is($file->run('SELECT count(*) FROM parent'), "2\n", 'before anything was written');
$file->run('ALTER TABLE parent RENAME COLUMN id2 TO id');
$pair->arrives('lite', 'it is called as it was');
same('a table that was altered there', 'public.parent');

# --- tables that a rule takes in, of which two would be one there

$pair->sql('CREATE SCHEMA one; CREATE SCHEMA other; CREATE TABLE one.ruled (id int PRIMARY KEY); CREATE TABLE other.ruled (id int PRIMARY KEY)');
$file->run('CREATE TABLE ruled (id INTEGER PRIMARY KEY)');
$pair->sql('INSERT INTO one.ruled VALUES (1); INSERT INTO other.ruled VALUES (2)');
$pair->sql(q{SELECT dbsync.create_subscription('ruled', 'lite', schemas => '{one,other}')});
is($pair->sql(q{SELECT count(*) FROM dbsync.table_status WHERE subscription = 'ruled' AND target_table = 'main.ruled'}), '1', 'one of them is taken in');
is($pair->sql(q{SELECT count(*) FROM dbsync.refused WHERE subscription = 'ruled' AND reason ~ 'another table'}), '1', 'and the other is not');
is($pair->sql(q{SELECT dbsync.run_once('ruled')}), '1', 'which flows');
$pair->sql(q{SELECT dbsync.drop_subscription('ruled')});

# --- a source in another encoding

$pair->sql(q{CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0});
$file->run('CREATE TABLE "größe" (id INTEGER PRIMARY KEY, "straße" TEXT)');
$source->safe_psql('latin', $_) foreach
  'CREATE EXTENSION dbsync', 'CREATE EXTENSION dbsync_sqlite', "SET client_encoding = 'UTF8'; CREATE TABLE public.\"größe\" (id int PRIMARY KEY, \"straße\" text)",
  "SET client_encoding = 'UTF8'; INSERT INTO \"größe\" VALUES (1, 'Übergröße'), (2, 'plain')", "SELECT dbsync.create_target('lite', " . quoted($file->uri) . ')',
  "SET client_encoding = 'UTF8'; SELECT dbsync.create_subscription('latin', 'lite', tables => '{größe}')", q{SELECT dbsync.run_once('latin')};
is($file->run('SELECT "straße" FROM "größe" ORDER BY id'), "Übergröße\nplain\n", 'text is UTF-8 there, names too');
$source->safe_psql('latin', q{SELECT dbsync.drop_subscription('latin')});

# --- WAL, configuration, the end

$pair->stop_subscription('lite');
is($file->run('PRAGMA journal_mode = WAL'), "wal\n", 'the owner chooses WAL');
$pair->sql(q{INSERT INTO two SELECT 'wal' || n, n FROM generate_series(1, 1000) n});
$pair->start_subscription('lite');
$pair->arrives('lite', 'with a WAL');
my $reader = $file->hold('BEGIN; SELECT count(*) FROM two');
$pair->sql(q{UPDATE two SET t = 'read on'});
$pair->arrives('lite', 'a reader is in nobody\'s way then');
$reader->();
same('with a WAL', 'public.two');

$pair->sql(qq{SELECT dbsync.create_target('folder', 'file://$other/bundles')});
my $config = $pair->sql('SELECT dbsync.dump_config()');
like($config, qr/^\[target lite\]\ndriver = dbsync_sqlite\npath = \Q@{[$file->path]}\E$/m, 'a configuration has the target');
like($config, qr{^\[table lite / public\.two\]$}m, 'and its tables');
unlike($config, qr/target_table/, 'without a place that nobody has named');
$pair->stop_subscription('lite');
my $ledger_before = $file->run('SELECT count(*) FROM dbsync_position');
cmp_ok($ledger_before, '>', 5, 'the ledger knows subscription and tables');
$pair->sql(q{SELECT dbsync.drop_subscription('lite')});
is($file->run('SELECT count(*) FROM dbsync_position'), "0\n", 'and forgets them');
$pair->sql(q{SELECT dbsync.drop_target('lite')});
$pair->sql(q{SELECT dbsync.drop_target('folder')});
append_to_file($source->data_dir . '/written.ini', $config);
$pair->sql(q{SELECT dbsync.load_config(file => '} . $source->data_dir . q{/written.ini')});
my $named = "$config\n[table lite / public.only_key]\n" =~ s{^\[table lite / public\.only_key\]\n\n}{}mr . "target_table = only_key\n";
append_to_file($source->data_dir . '/named.ini', $named);
$pair->sql(q{SELECT dbsync.load_config(file => '} . $source->data_dir . q{/named.ini')});
is($pair->sql(q{SELECT count(*) FROM dbsync.load_config(file => '} . $source->data_dir . q{/named.ini')}), '0', 'a table whose place is named without the schema is where it is');
is($pair->sql(q{SELECT string_agg(s.srvname, ' ' ORDER BY s.srvname) FROM pg_foreign_server s}), 'folder lite', 'both targets can be made from it');

# the ledger as docs/ledger.sqlite.sql has it, for a file whose owner makes it
my $made = DbsyncTest::Sqlite->new;
$made->run(slurp_file('docs/ledger.sqlite.sql'));
my $columns = q{SELECT group_concat(name || ' ' || type || "notnull" || pk, ', ') FROM pragma_table_info('dbsync_position')};
is($made->run($columns), $file->run($columns), 'docs/ledger.sqlite.sql is what dbsync makes');

# --- README can be typed in

my ($block) = slurp_file('README.md') =~ /^## Into an SQLite file.*?^```sh\n(.*?)^```/ms;
my $readme = DbsyncTest::Sqlite->new;
my ($there_ddl) = $block =~ m{sqlite3 /srv/shop/shop\.db '(.*?)'};
my ($typed) = $block =~ /<<'SQL'\n(.*?)^SQL$/ms;

$readme->run($there_ddl);
ok($typed =~ s{/srv/shop/shop\.db}{$readme->path}e, 'README makes a target');
$pair->sql('CREATE DATABASE shop');
$source->safe_psql('shop', q{CREATE EXTENSION dbsync; CREATE TABLE orders (id bigint PRIMARY KEY, customer text, total numeric); INSERT INTO orders SELECT n, 'customer ' || n, n % 500 FROM generate_series(1, 10000) n});
$source->safe_psql('shop', $typed);
is($readme->run('SELECT count(*), sum(total) FROM orders'), $source->safe_psql('shop', 'SELECT count(*), sum(total) FROM orders') . "\n", 'to which orders flow');
$source->safe_psql('shop', q{SELECT dbsync.stop_subscription('to_file')});

DbsyncTest::finish();

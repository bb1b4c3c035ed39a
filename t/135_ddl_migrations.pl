# Migrations that people really run, up and down, while writers write: scripts of one
# transaction each, as frameworks run them; expand and contract, with triggers that keep the old
# column and the new one in step; tables that are rebuilt beside and renamed into place.  One
# subscription follows alone (apply), one has an operator who runs what table_status asks for
# (wait), and both ends are equal in the end.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted uri_of);
use DbsyncTest::Bank;
use DbsyncTest::Changing;
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.segment_size = '256kB'
dbsync.retention_interval = '200ms'
CONF
my ($source, $target) = ($pair->source, $pair->target);
my @tables = ('shop.plain', 'shop.step', 'shop.rebuilt', 'shop.version');

# who follows, and in which database
my %follower = (alone => 'postgres', asked => 'later');

DbsyncTest::Changing::create_state($pair);
$pair->both(<<'SQL');
CREATE SCHEMA shop;
CREATE TABLE shop.version (version int PRIMARY KEY, name text NOT NULL);
CREATE TABLE shop.plain (id int PRIMARY KEY, amount int NOT NULL DEFAULT 0, name text, note varchar(20));
CREATE TABLE shop.step (id int CONSTRAINT step_pkey PRIMARY KEY, amount int NOT NULL DEFAULT 0, name text);
CREATE TABLE shop.rebuilt (id int PRIMARY KEY, amount int NOT NULL DEFAULT 0, name text);
SQL
$target->safe_psql('postgres', 'CREATE DATABASE later TEMPLATE postgres');
$pair->create_target('later', uri_of($target, database => 'later'));
$pair->sql('CREATE SEQUENCE shop.written');
$pair->sql("INSERT INTO $_ SELECT i, i, 'n' || i FROM generate_series(1, 300) i") foreach @tables[ 0 .. 2 ];
$pair->subscribe('alone', \@tables, ddl => "'apply'");
$pair->subscribe('asked', \@tables, ddl => "'wait'", target => 'later');
foreach my $name (sort keys %follower)
{
	$pair->start_subscription($name);
	$pair->arrives($name, "$name: the first copy arrives");
}

# --- writers, who know id, amount and name, and do not get into each other's way

my $folder = PostgreSQL::Test::Utils::tempdir('writers');
my @writers;

sub start_writers
{
	foreach my $table (@tables[ 0 .. 2 ])
	{
		my $file = "$folder/$table.sql";

		unlink($file);
		PostgreSQL::Test::Utils::append_to_file($file, <<"SQL");
\\set id 2 * random(0, 149) + 1 + :client_id
\\set gone 2 * random(0, 149) + 1 + :client_id
\\set part random(0, 4) * 2 + 1 + :client_id
\\set amount random(1, 1000000)
BEGIN;
INSERT INTO $table (id, amount, name) VALUES (:id, :amount, 'w' || :amount) ON CONFLICT (id) DO UPDATE SET amount = excluded.amount;
UPDATE $table SET amount = amount + 1 WHERE id % 10 = :part % 10;
DELETE FROM $table WHERE id = :gone;
COMMIT;
INSERT INTO $table (id, name) VALUES (:gone, 'back') ON CONFLICT (id) DO NOTHING;
SELECT nextval('shop.written');
SQL
		push @writers, DbsyncTest::Bank::start_process(
			sub {
				$ENV{PGAPPNAME} = 'writer';
				system('pgbench', '-n', '-h', $source->host, '-p', $source->port, '-c', 2, '-R', 30, '-T', 600,
					'--max-tries=1000', '-f', $file, 'postgres');
			});
	}
	return;
}

# What they had in flight may still commit.
sub stop_writers
{
	DbsyncTest::Bank::end_process($_) foreach splice(@writers);
	becomes_true($source, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'writer'")
	  or die 'sessions of writers do not end';
	return;
}

# All three of them, as the same time passes for each.
sub writers_go_on
{
	my $enough = ask($source, 'SELECT last_value FROM shop.written') + 15;

	return poll_until(sub { ask($source, 'SELECT last_value FROM shop.written') >= $enough }, 'writers')
	  || die 'nobody writes';
}

# --- the operator, and migrations

my %asked_for;
my $refused = 0;

# Runs what is asked for.  True if there was something.
sub operate
{
	my $held = ask($source, q{SELECT "table" || E'\t' || next_action FROM dbsync.table_status WHERE subscription = 'asked' AND next_action IS NOT NULL});

	foreach my $line (split /\n/, $held // '')
	{
		my ($table, $statement) = split /\t/, $line;
		my ($status, undef, $error) = $target->psql('later', $statement, extra_params => ['-1'], on_error_stop => 1);
		my $done = $statement =~ /done => true\) at the source$/ ? ', done => true' : '';

		if ($status != 0)
		{
			die "$table: $statement: $error" if ++$refused > 3;
			next;
		}
		$asked_for{$statement}++;
		$pair->sql("SELECT dbsync.resume_table('asked', " . quoted($table) . "$done)");
		# nobody runs it twice
		becomes_true($source, "SELECT count(*) = 0 FROM dbsync.table_status WHERE subscription = 'asked' AND \"table\" = "
			  . quoted($table) . '::regclass AND next_action = ' . quoted($statement));
	}
	return $held;
}

sub all_arrive
{
	my ($what) = @_;
	my $now = poll_until(
		sub {
			return !operate() && (ask($source, q{SELECT dbsync.wait_for('asked', timeout => '500 ms')}) // '') eq 't';
		},
		"$what: the asked");

	ok($now, "$what: the one that asks arrives") or $pair->describe_state('it does not');
	$pair->arrives('alone', "$what: the one that follows alone arrives");
	return;
}

# As a migration tool does it: it does not wait for long with all others behind it, and tries again.
sub migrate
{
	my ($sql) = @_;
	my $timeout = $sql =~ /CONCURRENTLY/ ? 0 : '300ms';
	my $error;

	return poll_until(
		sub {
			(my $status, undef, $error) =
			  $source->psql('postgres', "SET lock_timeout = '$timeout';\n$sql", on_error_stop => 1);
			die "$sql: $error" if $status != 0 && $error !~ /lock timeout|deadlock detected/;
			return $status == 0;
		},
		$sql)
	  || die "$sql: $error";
}

my $version = 0;

# Statements that are one transaction with the note that they have been run.
sub script
{
	my (@statements) = @_;

	$version++;
	migrate(join(";\n", 'BEGIN', @statements, "INSERT INTO shop.version VALUES ($version, 'script $version')", 'COMMIT') . ';');
	writers_go_on();
	operate();
	return;
}

sub script_down
{
	my (@statements) = @_;

	migrate(join(";\n", 'BEGIN', @statements, "DELETE FROM shop.version WHERE version = $version", 'COMMIT') . ';');
	$version--;
	writers_go_on();
	operate();
	return;
}

sub steps
{
	foreach my $sql (@_)
	{
		migrate($sql);
		operate();
	}
	return writers_go_on();
}

# What rows can do without the operator does when he likes.
sub tidy
{
	my ($table) = @_;
	my $columns = "SELECT quote_ident(a.attname), a.attnotnull, coalesce(pg_get_expr(d.adbin, d.adrelid), '') FROM pg_attribute a"
	  . ' LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum'
	  . " WHERE a.attrelid = '$table'::regclass AND a.attnum > 0 AND NOT a.attisdropped";
	my %here = map { my @c = split /\|/, $_, -1; $c[0] => \@c } split /\n/, ask($source, $columns);
	my @there = map { [ split /\|/, $_, -1 ] } split /\n/, ask($target, $columns, 'later');

	foreach my $column (@there)
	{
		my ($name, $not_null, $default) = @$column;
		my @wanted = @{ $here{$name} // [] };
		my $alter = "ALTER TABLE $table ALTER COLUMN $name";
		my @due;

		push @due, "ALTER TABLE $table DROP COLUMN $name" if !@wanted;
		push @due, "$alter " . ($wanted[1] eq 't' ? 'SET' : 'DROP') . ' NOT NULL' if @wanted && $wanted[1] ne $not_null;
		push @due, $wanted[2] eq '' ? "$alter DROP DEFAULT" : "$alter SET DEFAULT $wanted[2]" if @wanted && $wanted[2] ne $default;
		$target->safe_psql('later', $_) foreach @due;
	}
	return;
}

sub all_equal
{
	my ($what) = @_;

	stop_writers();
	all_arrive($what);
	tidy($_) foreach @tables;
	my $state = DbsyncTest::Changing::state_sql(@tables);
	my $wanted = ask($source, $state);

	like($wanted, qr/shop\.step.* [1-9]\d* rows/, "$what: there are rows");
	is(ask($target, $state, $follower{$_}), $wanted, "$what: $_: all tables are equal, columns, keys and rows") foreach sort keys %follower;
	start_writers();
	return;
}

start_writers();
writers_go_on();

# --- one transaction per script

script('ALTER TABLE shop.plain ADD COLUMN email text',
	"UPDATE shop.plain SET email = name || '\@x' WHERE id % 2 = 0");
script("UPDATE shop.plain SET email = upper(email), note = 'last words'", 'ALTER TABLE shop.plain RENAME COLUMN email TO contact',
	"UPDATE shop.plain SET contact = 'none' WHERE contact IS NULL", "ALTER TABLE shop.plain ALTER contact SET DEFAULT 'none', ALTER contact SET NOT NULL",
	'ALTER TABLE shop.plain DROP COLUMN note');
script('ALTER TABLE shop.plain ALTER amount TYPE bigint, ALTER amount SET DEFAULT 1, ADD CHECK (amount >= 0)',
	'CREATE INDEX ON shop.plain (amount)');
script('ALTER TABLE shop.plain ADD COLUMN amount_new numeric', 'UPDATE shop.plain SET amount_new = amount + 0.5',
	'ALTER TABLE shop.plain ALTER amount_new SET NOT NULL', 'ALTER TABLE shop.plain ALTER amount_new SET DEFAULT 0',
	'ALTER TABLE shop.plain RENAME amount TO amount_old', 'ALTER TABLE shop.plain RENAME amount_new TO amount',
	'UPDATE shop.plain SET amount = amount + 1 WHERE id % 3 = 0', 'ALTER TABLE shop.plain DROP COLUMN amount_old');
all_equal('scripts, up');
script_down('ALTER TABLE shop.plain ADD COLUMN amount_new bigint', 'UPDATE shop.plain SET amount_new = floor(amount)',
	'ALTER TABLE shop.plain RENAME amount TO amount_old', 'ALTER TABLE shop.plain RENAME amount_new TO amount',
	'ALTER TABLE shop.plain DROP COLUMN amount_old', 'ALTER TABLE shop.plain ALTER amount SET NOT NULL, ALTER amount SET DEFAULT 1');
script_down('ALTER TABLE shop.plain ALTER amount TYPE int, ALTER amount SET DEFAULT 0');
script_down('ALTER TABLE shop.plain ADD COLUMN note varchar(20)', "UPDATE shop.plain SET note = 'back' WHERE id % 4 = 0",
	'ALTER TABLE shop.plain RENAME COLUMN contact TO email', 'ALTER TABLE shop.plain ALTER email DROP NOT NULL, ALTER email DROP DEFAULT');
script_down("UPDATE shop.plain SET name = email WHERE id % 5 = 0", 'ALTER TABLE shop.plain DROP COLUMN email');

# --- expand and contract: id and amount get another type

sub expand_and_contract
{
	my ($type) = @_;

	# target first: nothing is asked for
	$target->safe_psql('later', "ALTER TABLE shop.step ADD COLUMN amount_new $type");
	steps("ALTER TABLE shop.step ADD COLUMN amount_new $type", "ALTER TABLE shop.step ADD COLUMN id_new $type",
		<<"SQL", map { my $from = $_ * 100 + 1; "UPDATE shop.step SET amount_new = amount, id_new = id WHERE id BETWEEN $from AND $from + 99 AND id_new IS NULL" } 0 .. 2);
CREATE OR REPLACE FUNCTION shop.in_step() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	NEW.amount_new := NEW.amount;
	NEW.id_new := NEW.id;
	RETURN NEW;
END \$\$;
CREATE OR REPLACE TRIGGER in_step BEFORE INSERT OR UPDATE ON shop.step FOR EACH ROW EXECUTE FUNCTION shop.in_step();
SQL
	foreach my $column ('amount_new', 'id_new')
	{
		steps("ALTER TABLE shop.step ADD CONSTRAINT filled CHECK ($column IS NOT NULL) NOT VALID",
			'ALTER TABLE shop.step VALIDATE CONSTRAINT filled',
			"ALTER TABLE shop.step ALTER COLUMN $column SET NOT NULL",
			'ALTER TABLE shop.step DROP CONSTRAINT filled');
	}
	steps('CREATE UNIQUE INDEX CONCURRENTLY step_new ON shop.step (id_new)', <<'SQL',
BEGIN;
LOCK TABLE shop.step;
DROP TRIGGER in_step ON shop.step;
ALTER TABLE shop.step RENAME COLUMN amount TO amount_old;
ALTER TABLE shop.step RENAME COLUMN amount_new TO amount;
ALTER TABLE shop.step ALTER amount SET DEFAULT 0, ALTER amount_old DROP DEFAULT, ALTER amount_old DROP NOT NULL;
ALTER TABLE shop.step DROP CONSTRAINT step_pkey;
ALTER TABLE shop.step RENAME COLUMN id TO id_old;
ALTER TABLE shop.step RENAME COLUMN id_new TO id;
ALTER TABLE shop.step ADD CONSTRAINT step_pkey PRIMARY KEY USING INDEX step_new;
ALTER TABLE shop.step ALTER id_old DROP NOT NULL;
CREATE FUNCTION shop.still_in_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.amount_old := NEW.amount;
	NEW.id_old := NEW.id;
	RETURN NEW;
END $$;
CREATE TRIGGER still_in_step BEFORE INSERT OR UPDATE ON shop.step FOR EACH ROW EXECUTE FUNCTION shop.still_in_step();
COMMIT;
SQL
		'BEGIN; DROP FUNCTION shop.still_in_step() CASCADE; ALTER TABLE shop.step DROP COLUMN amount_old, DROP COLUMN id_old; COMMIT');
	return;
}

expand_and_contract('bigint');
$pair->sql('INSERT INTO shop.step (id, amount) VALUES (5000000000, 6000000000)');
all_equal('expand and contract, up; scripts, down');
$pair->sql('DELETE FROM shop.step WHERE id = 5000000000');
expand_and_contract('int');

# --- rebuilt beside, and renamed into place

# What docs/ddl.md says of following the name, with the columns that the new one has.
sub rebuild
{
	my ($columns, $align, $read) = @_;

	steps("CREATE TABLE shop.rebuilt_new ($columns)", <<"SQL",
CREATE OR REPLACE FUNCTION shop.beside() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	IF TG_OP <> 'INSERT' THEN
		DELETE FROM shop.rebuilt_new n WHERE n.id = OLD.id;
	END IF;
	IF TG_OP <> 'DELETE' THEN
		INSERT INTO shop.rebuilt_new (id, amount, name) VALUES (NEW.id, NEW.amount, NEW.name)
		ON CONFLICT (id) DO UPDATE SET amount = excluded.amount, name = excluded.name;
	END IF;
	RETURN NULL;
END \$\$;
CREATE OR REPLACE TRIGGER beside AFTER INSERT OR UPDATE OR DELETE ON shop.rebuilt FOR EACH ROW EXECUTE FUNCTION shop.beside();
SQL
		(map { my $from = $_ * 100 + 1; "INSERT INTO shop.rebuilt_new (id, amount, name) SELECT id, amount, name FROM shop.rebuilt"
			  . " WHERE id BETWEEN $from AND $from + 99 FOR UPDATE ON CONFLICT (id) DO NOTHING" } 0 .. 2),
		<<'SQL');
BEGIN;
LOCK TABLE shop.rebuilt;
DROP TRIGGER beside ON shop.rebuilt;
ALTER TABLE shop.rebuilt RENAME TO rebuilt_old;
ALTER TABLE shop.rebuilt_new RENAME TO rebuilt;
COMMIT;
SQL
	like(ask($source, q{SELECT string_agg(note, '; ') FROM dbsync.table_status WHERE "table" = 'shop.rebuilt_old'::regclass}),
		qr/^(target table is still shop\.rebuilt, a name that another table has here now(; )?){2}$/, 'rebuilt: status says that names went apart');
	foreach my $name (sort keys %follower)
	{
		$pair->sql("SELECT dbsync.remove_table('$name', 'shop.rebuilt_old')");
		$target->safe_psql($follower{$name}, $align);
		$pair->sql("SELECT dbsync.add_table('$name', 'shop.rebuilt', existing_rows => 'truncate')");
	}
	steps('DROP TABLE shop.rebuilt_old');
	is(ask($source, q{SELECT count(*) FROM dbsync.table_status WHERE note IS NOT NULL}), 0, 'rebuilt: the name is followed');
	return;
}

rebuild("id bigint PRIMARY KEY, amount bigint NOT NULL DEFAULT 0, name text, extra text DEFAULT 'e'",
	"ALTER TABLE shop.rebuilt ALTER id TYPE bigint, ALTER amount TYPE bigint, ADD extra text DEFAULT 'e'");
all_equal('rebuilt, up; expand and contract, down');
rebuild('id int PRIMARY KEY, amount int NOT NULL DEFAULT 0, name text',
	'ALTER TABLE shop.rebuilt DROP extra, ALTER id TYPE int, ALTER amount TYPE int');
all_equal('rebuilt, down');
stop_writers();

is(ask($source, q{SELECT count(*) FROM dbsync.table_status WHERE held_for IS NOT NULL OR state <> 'live'}), 0, 'no table is held, or copied');
cmp_ok(scalar(keys %asked_for), '>=', 10, 'the operator was asked for this and that');
is(scalar(grep { /amount_new/ && /ADD COLUMN/ } keys %asked_for), 0, 'but not for what he had made before');
note($_) foreach sort keys %asked_for;

DbsyncTest::finish();

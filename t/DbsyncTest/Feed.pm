# Tables whose keys alone are captured, under writers by chance, until whole tables are equal at
# both ends.  The writers are functions at the source; with "api" they say themselves
# which rows they have changed.
package DbsyncTest::Feed;

use strict;
use warnings;

use DbsyncTest qw(ask becomes_true poll_until random_below);
use DbsyncTest::Bank;
use PostgreSQL::Test::Utils;
use Test::More;

# Makes the tables at both ends, a subscription "feed" of them, one "chosen" of a part of storm.k, and
# starts both.  "capture" is keys, api, wal or shadow; a partitioned table has keys where it cannot be read from the
# WAL, and triggers where it can have no shadow.
sub new
{
	my ($class, $pair, $capture) = @_;
	my $self = bless { pair => $pair, capture => $capture, folder => PostgreSQL::Test::Utils::tempdir('feed'), seed => 0 }, $class;

	$pair->sql(<<'SQL');
CREATE SCHEMA storm;
CREATE TABLE storm.k (id int PRIMARY KEY, u int UNIQUE, v text, w text);
ALTER TABLE storm.k ALTER w SET STORAGE EXTERNAL;
CREATE TABLE storm.p (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (k, id)) PARTITION BY LIST (k);
CREATE TABLE storm.p1 PARTITION OF storm.p FOR VALUES IN (1);
CREATE TABLE storm.p2 (v text, k int NOT NULL, id int NOT NULL);
ALTER TABLE storm.p ATTACH PARTITION storm.p2 FOR VALUES IN (2);
CREATE TABLE storm.p3 PARTITION OF storm.p DEFAULT;
-- what it says is captured whole
CREATE TABLE storm.token (n bigint PRIMARY KEY);
CREATE SEQUENCE storm.tokens;
CREATE TABLE storm.failed (code text, message text, sql text);
INSERT INTO storm.k SELECT g, g, 'first', repeat(md5(g::text), 100) FROM generate_series(1, 150) g;
INSERT INTO storm.p SELECT g, 1 + g % 4, 'first' FROM generate_series(1, 100) g;
SQL
	$pair->target_sql(<<'SQL');
CREATE SCHEMA storm;
CREATE TABLE storm.k (w text, v text, u int UNIQUE, id int PRIMARY KEY);
CREATE TABLE storm.p (id int NOT NULL, k int NOT NULL, v text, PRIMARY KEY (k, id));
CREATE TABLE storm.token (n bigint PRIMARY KEY);
CREATE TABLE storm.chosen (id int PRIMARY KEY, upper text, size int);
SQL
	$pair->sql($capture eq 'api' ? 'CREATE FUNCTION storm.changed(rel regclass, keys jsonb[]) RETURNS void LANGUAGE sql AS $$SELECT dbsync.record_changes(rel, keys)$$'
		: 'CREATE FUNCTION storm.changed(rel regclass, keys jsonb[]) RETURNS void LANGUAGE sql AS $$SELECT NULL$$');
	$pair->sql(<<'SQL');
CREATE FUNCTION storm.below(n int) RETURNS int LANGUAGE sql AS 'SELECT floor(random() * n)::int';
CREATE FUNCTION storm.one_of(choices text[]) RETURNS text LANGUAGE sql AS 'SELECT choices[1 + storm.below(cardinality(choices))]';
-- a statement that returns the keys of what it has changed; it may fail, and is looked at in the end
CREATE FUNCTION storm.try(rel regclass, statement text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	keys jsonb[];
BEGIN
	EXECUTE format('WITH changed (keys) AS (%s) SELECT array_agg(keys) FROM changed', statement) INTO keys;
	IF keys IS NOT NULL THEN
		PERFORM storm.changed(rel, keys);
	END IF;
EXCEPTION WHEN OTHERS THEN
	INSERT INTO storm.failed VALUES (SQLSTATE, SQLERRM, statement);
END $$;
CREATE FUNCTION storm.write() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	a int := storm.below(200);
	k text := 'RETURNING ARRAY[jsonb_build_object(''id'', id)]';
	kk text := 'RETURNING ARRAY[jsonb_build_object(''id'', t.id), jsonb_build_object(''id'', o.id)]';
	p text := 'RETURNING ARRAY[jsonb_build_object(''id'', id, ''k'', k)]';
	pp text := 'RETURNING ARRAY[jsonb_build_object(''id'', t.id, ''k'', t.k), jsonb_build_object(''id'', o.id, ''k'', o.k)]';
BEGIN
	IF random() < 0.7 THEN
		PERFORM storm.try('storm.k', storm.one_of(ARRAY[
			format('INSERT INTO storm.k SELECT g, storm.below(300), ''new'', repeat(''w'', 3000) FROM generate_series(%s, %1$s + 5) g ON CONFLICT DO NOTHING %s', a, k),
			format('INSERT INTO storm.k VALUES (%s, NULL, ''put'') ON CONFLICT (id) DO UPDATE SET v = k.v || EXCLUDED.v %s', a, k),
			format('UPDATE storm.k SET v = ''v%s'' WHERE id %% 9 = %s %s', a, a % 9, k),
			format('UPDATE storm.k SET w = repeat(md5(''%s''), 100) WHERE id = %1$s %s', a, k),
			format('UPDATE storm.k SET u = NULL WHERE id %% 7 = %s %s', a % 7, k),
			format('UPDATE storm.k SET u = %s WHERE id = %s %s', storm.below(300), a, k),
			format('UPDATE storm.k SET u = %s WHERE id = %s %s', storm.below(300), a, k),
			format('UPDATE storm.k t SET id = 200 - t.id FROM (SELECT id FROM storm.k WHERE id = %s FOR UPDATE) o WHERE t.id = o.id %s', a, kk),
			format('DELETE FROM storm.k WHERE id %% 13 = %s %s', a % 13, k),
			format('DELETE FROM storm.k WHERE id = %s %s', a, k)]));
	ELSE
		PERFORM storm.try('storm.p', storm.one_of(ARRAY[
			format('INSERT INTO storm.p SELECT g, 1 + storm.below(5), ''new'' FROM generate_series(%s, %1$s + 5) g ON CONFLICT DO NOTHING %s', a, p),
			format('INSERT INTO storm.p2 SELECT ''leaf'', 2, %s ON CONFLICT DO NOTHING %s', a, p),
			format('UPDATE storm.p SET v = ''v%s'' WHERE id %% 9 = %s %s', a, a % 9, p),
			format('UPDATE storm.p t SET k = 1 + t.k %% 4 FROM (SELECT id, k FROM storm.p WHERE id = %s FOR UPDATE) o WHERE t.id = o.id AND t.k = o.k %s', a, pp),
			format('DELETE FROM storm.p WHERE id %% 13 = %s %s', a % 13, p)]));
	END IF;
END $$;
SQL
	$pair->sql(q{SELECT dbsync.create_subscription(s, 'far', ddl => 'apply') FROM unnest('{feed,chosen}'::text[]) s});
	my $how = "capture => '$capture'" . ($capture eq 'shadow' ? q{, options => '{"scan": "interval 100 ms"}'} : '');
	my %of_partitioned = (shadow => 'trigger', wal => 'keys');

	$pair->sql("SELECT dbsync.add_table('feed', 'storm.k', $how)");
	$pair->sql("SELECT dbsync.add_table('feed', 'storm.p', capture => '" . ($of_partitioned{$capture} // $capture) . "')");
	$pair->sql("SELECT dbsync.add_table('feed', 'storm.token')");
	$pair->sql("SELECT dbsync.add_table('chosen', 'storm.k', 'storm.chosen', columns => '{id,upper(v) AS upper,length(w) AS size}', "
		  . "filter => 'id % 2 = 0 AND v <> ''first''', $how)");
	return $self;
}

# Further scripts, by name: a weight and SQL.
sub start_load
{
	my ($self, %more) = @_;
	my $source = $self->{pair}->source;
	my %scripts = (
		write => [ 6, 'SELECT storm.write(); SELECT storm.write(); INSERT INTO storm.token VALUES (nextval(\'storm.tokens\'));' ],
		savepoint => [ 2, 'SELECT storm.write(); SAVEPOINT s; SELECT storm.write(); SELECT storm.write(); ROLLBACK TO s; SELECT storm.write();' ],
		%more);
	my @command = ('pgbench', '-n', '-h', $source->host, '-p', $source->port, '-c', 3, '-R', 60, '-T', 20, '--max-tries=1000');
	my $seed = random_below(1_000_000_000);

	foreach my $name (sort keys %scripts)
	{
		my $file = "$self->{folder}/$name.sql";
		unlink($file);
		append_to_file($file, "\\set n random(0, 1000000000)\nSELECT setseed(:n / 1000000000.0);\nBEGIN;\n$scripts{$name}[1]\nCOMMIT;\n");
		push @command, '-f', "$file\@$scripts{$name}[0]";
	}
	$self->{load} = DbsyncTest::Bank::start_process(
		sub {
			$ENV{PGAPPNAME} = 'load';
			system(@command, '--random-seed=' . ++$seed, 'postgres');
		});
	return;
}

sub stop_load
{
	my ($self) = @_;

	DbsyncTest::Bank::end_process(delete $self->{load});
	return becomes_true($self->{pair}->source, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'load'");
}

sub token_of
{
	my ($node) = @_;
	return ask($node, 'SELECT max(n) FROM storm.token') || 0;
}

# Until the target has what the source has now, and some more: a moment by chance.
sub goes_on
{
	my ($self, $atmost) = @_;
	my $goal = token_of($self->{pair}->source) + 1 + random_below($atmost);
	my $reached = poll_until(sub { token_of($self->{pair}->target) >= $goal }, "token $goal at the target");

	$self->{pair}->describe_state('no progress') unless $reached;
	return $reached;
}

# Tests that all arrives, and that both ends are equal then.
sub is_equal
{
	my ($self, $test) = @_;
	my $pair = $self->{pair};
	my $chosen = q{(SELECT id, upper(v) AS upper, length(w) AS size FROM storm.k WHERE id % 2 = 0 AND v <> 'first')};
	my $right = $pair->arrives('feed', "$test: all arrives") && $pair->arrives('chosen', "$test: what was chosen arrives");
	my $columns = ask($pair->source, q{SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute
		WHERE attrelid = 'storm.k'::regclass AND attnum > 0 AND NOT attisdropped});

	return 0 unless $right;
	$right &= DbsyncTest::Server::same_rows($pair->source, $pair->target, $_, "$test: $_")
	  foreach "(SELECT $columns FROM storm.k)", 'storm.p', 'storm.token';
	$right &= is(ask($pair->target, q{SELECT string_agg(t::text, ' ' ORDER BY id) FROM storm.chosen t}),
		ask($pair->source, "SELECT string_agg(t::text, ' ' ORDER BY id) FROM $chosen t"), "$test: what was chosen");
	$right &= is(ask($pair->source, "SELECT string_agg(concat_ws(' ', t.state, t.held_for), '; ') FROM dbsync.table_status t WHERE t.state <> 'live'"),
		'', "$test: every table is live");
	return $right;
}

# Tests that statements have failed for reasons of their own alone.
sub failed_for_reasons
{
	my ($self, @codes) = @_;
	my $codes = join ',', '23505', '40P01', '40001', '55P03', @codes;

	is($self->{pair}->sql("SELECT code, min(message), min(sql) FROM storm.failed WHERE code <> ALL ('{$codes}') GROUP BY code"),
		'', 'no statement failed but for a reason of its own');
	return;
}

# What a captured table, a worker and a target meet with, whatever the way to capture; by name, as survives() takes them.
sub accidents
{
	my ($self) = @_;
	my $pair = $self->{pair};
	my $column = 0;

	return (
		(map { ($_->[0] => $_->[1]) } $pair->victims('feed')),
		'a column that comes, changes its type, and goes' => sub {
			my $name = 'c' . ++$column;
			foreach my $change ("ADD $name int DEFAULT $column", "ALTER $name TYPE bigint", "DROP $name")
			{
				poll_until(sub { defined ask($pair->source, "SET lock_timeout = '1s'; ALTER TABLE storm.k $change") }, $change);
				$self->goes_on(10);
			}
		},
		'copies anew' => sub {
			poll_until(sub { defined ask($pair->source, "SELECT dbsync.copy_table('feed', '$_')") }, "copy of $_")
			  foreach 'storm.k', 'storm.p';
		},
		'a target that is away' => sub {
			$pair->target->stop('fast');
			$pair->sql('SELECT storm.write() FROM generate_series(1, 300)');
			$pair->target->start;
		});
}

# Each of these accidents once a round, in an order by chance, under load ("load": as for start_load);
# behind each, at rest, both ends are equal.  False as soon as they are not.
sub survives
{
	my ($self, $rounds, $accidents, @load) = @_;

	foreach my $round (1 .. $rounds)
	{
		foreach my $accident (sort { rand() <=> 0.5 } sort keys %$accidents)
		{
			$self->goes_on(20);
			note("round $round: $accident");
			$accidents->{$accident}->();
			ok($self->goes_on(20), "round $round: goes on after $accident") or return 0;
			$self->stop_load;
			$self->is_equal("round $round, $accident") or return 0;
			$self->start_load(@load);
		}
	}
	return 1;
}

1;

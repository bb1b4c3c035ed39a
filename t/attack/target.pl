# Tables of the target that are not what they seem: a ledger that somebody else has made
# (A16), keys that take two rows for one (P3), rules and triggers that swallow rows
# (P4, P11), names (P10), types (P13), functions that count on a search_path
# (P18, P19), labels that are missing (P16); and a target that is there and does not
# answer (A18).
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask poll_until quoted uri_of);
use DbsyncTest::Claims;
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(source_conf => "dbsync.target_timeout = '1h'\n");
my ($source, $target) = ($pair->source, $pair->target);
my $count = 0;

# Words of the error that run_once() ends with; "" when it goes well.
sub run_once
{
	my ($name) = @_;
	my ($status, undef, $error) = $source->psql('postgres', 'SELECT dbsync.run_once(' . quoted($name) . ')');
	return $status == 0 ? '' : $error;
}

sub refused
{
	my ($name, $expected, $test) = @_;
	return like(run_once($name), qr/$expected/s, $test);
}

sub goes_well
{
	my ($name, $test) = @_;
	return is(run_once($name), '', $test);
}

sub drop
{
	my ($name) = @_;
	$pair->sql('SELECT dbsync.drop_subscription(' . quoted($name) . ', force => true)');
	return;
}

# --- A16: whose ledger it is, and what is on it

$pair->target_sql(<<'SQL');
CREATE ROLE low LOGIN;
CREATE ROLE sync LOGIN;
SQL
my $ledger = slurp_file('docs/ledger.sql');
my $grants = 'GRANT USAGE ON SCHEMA dbsync_ledger TO PUBLIC; GRANT ALL ON dbsync_ledger.position TO PUBLIC;';
my $code = <<'SQL';
CREATE TABLE public.ran (who text);
GRANT ALL ON public.ran TO PUBLIC;
CREATE FUNCTION public.evil(anyelement) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN INSERT INTO public.ran VALUES (current_user); RETURN true; END $$;
CREATE FUNCTION public.evil() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO public.ran VALUES (current_user); RETURN NEW; END $$;
ALTER FUNCTION public.evil(anyelement) OWNER TO low;
ALTER FUNCTION public.evil() OWNER TO low;
SQL
$pair->sql('CREATE TABLE public.plain (id int PRIMARY KEY, v text)');
$pair->sql("INSERT INTO public.plain VALUES (1, 'one')");

$pair->target_sql('CREATE DATABASE ledgers');
$target->safe_psql('ledgers', <<"SQL");
GRANT CREATE ON DATABASE ledgers TO low;
$code
CREATE FUNCTION public.evil2(bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS 'SELECT 1::bigint';
CREATE TABLE public.plain (id int PRIMARY KEY, v text);
SQL
$pair->create_target('ledgers', uri_of($target, database => 'ledgers'));
$pair->subscribe('ledgers', ['public.plain'], target => 'ledgers');
foreach my $case (
	[ 'another role has made it', "SET ROLE low; $ledger RESET ROLE;"
		. 'ALTER TABLE dbsync_ledger.position ADD CHECK (public.evil(batch));', 'schema dbsync_ledger on the target belongs to role "low"' ],
	[ 'another role owns the table', "$ledger ALTER TABLE dbsync_ledger.position OWNER TO low;", 'belongs to role "low"' ],
	[ 'another role owns the schema alone', 'CREATE SCHEMA dbsync_ledger AUTHORIZATION low;', 'belongs to role "low"' ],
	[ 'a check', "$ledger ALTER TABLE dbsync_ledger.position ADD CHECK (public.evil(batch));", "not dbsync's: constraint" ],
	[ 'a trigger', "$ledger CREATE TRIGGER t BEFORE INSERT OR UPDATE ON dbsync_ledger.position"
		. ' FOR EACH ROW EXECUTE FUNCTION public.evil(); ALTER TABLE dbsync_ledger.position ENABLE ALWAYS TRIGGER t;',
		"not dbsync's: trigger" ],
	[ 'a rule', "$ledger CREATE RULE r AS ON UPDATE TO dbsync_ledger.position DO INSTEAD NOTHING;", "not dbsync's: rule" ],
	[ 'a default', "$ledger ALTER TABLE dbsync_ledger.position ALTER live SET DEFAULT public.evil(1);", "not dbsync's: default" ],
	[ 'row security', "$ledger ALTER TABLE dbsync_ledger.position ENABLE ROW LEVEL SECURITY;", 'no ordinary table' ],
	[ 'one column more', "$ledger ALTER TABLE dbsync_ledger.position ADD more int;", 'Its columns are' ],
	[ 'another type', "$ledger ALTER TABLE dbsync_ledger.position ALTER batch TYPE int;", 'Its columns are' ],
	[ 'null in its key', "$ledger ALTER TABLE dbsync_ledger.position ALTER subscription DROP NOT NULL;", 'Its columns are' ],
	[ 'no key', "$ledger ALTER TABLE dbsync_ledger.position DROP CONSTRAINT position_pkey;", 'only index' ],
	[ 'one index more', "$ledger CREATE INDEX ON dbsync_ledger.position ((public.evil2(batch)));", 'only index' ],
	[ 'a child', "$ledger CREATE TABLE public.child () INHERITS (dbsync_ledger.position);", 'no ordinary table' ],
	[ 'a view', 'CREATE SCHEMA dbsync_ledger; CREATE VIEW dbsync_ledger.position AS SELECT 1 AS id;', 'no ordinary table' ])
{
	my ($what, $setup, $expected) = @$case;
	$setup .= $grants if $setup =~ /position/ && $setup !~ /VIEW/;
	$setup .= 'GRANT ALL ON SCHEMA dbsync_ledger TO PUBLIC;' if $setup !~ /position/;
	$target->safe_psql('ledgers', "DROP SCHEMA IF EXISTS dbsync_ledger CASCADE; $setup");
	refused('ledgers', $expected, "A16: a ledger is refused: $what");
	is($target->safe_psql('ledgers', 'SELECT count(*) FROM public.ran'), '0', "A16: nobody's code has run: $what");
}
drop('ledgers');
# an administrator's, for a user who may do nothing else
$pair->target_sql('CREATE DATABASE right_one');
$target->safe_psql('right_one', "$ledger $grants CREATE TABLE public.plain (id int PRIMARY KEY, v text); GRANT ALL ON public.plain TO sync");
$pair->create_target('right_one', uri_of($target, database => 'right_one', user => 'sync'));
$pair->subscribe('right_one', ['public.plain'], target => 'right_one');
goes_well('right_one', "A16: an administrator's ledger is taken");
is($target->safe_psql('right_one', 'SELECT v FROM public.plain'), 'one', 'A16: and used');
drop('right_one');

# --- P3: may different keys of the source be one at the target?

$pair->both(<<'SQL');
CREATE TYPE public.mood AS ENUM ('a', 'b');
CREATE COLLATION public.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DOMAIN public.whole AS int CHECK (VALUE IS NOT NULL);
SQL
my $citext = $pair->sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'");
$pair->both('CREATE EXTENSION citext') if $citext;
$pair->sql("SELECT dbsync.create_subscription('taken', 'far')");
foreach my $case (
	[ 'text', 'citext', 0 ], [ 'citext', 'citext', 1 ], [ 'citext', 'text', 1 ],
	[ 'text', 'char(5)', 0 ], [ 'char(5)', 'char(5)', 1 ], [ 'char(5)', 'text', 1 ],
	[ 'text', 'text COLLATE public.nocase', 0 ],
	[ 'text', 'text COLLATE "C"', 1 ], [ 'text', 'varchar', 1 ], [ 'varchar(5)', 'varchar(9)', 1 ],
	[ 'text', 'varchar(3)', 0 ], [ 'int', 'varchar(20)', 1 ], [ 'text', 'name', 0 ],
	[ 'int', 'bigint', 1 ], [ 'bigint', 'int', 1 ], [ 'int', 'numeric', 1 ], [ 'int', 'public.whole', 1 ],
	[ 'numeric', 'numeric(5,0)', 0 ], [ 'numeric(5,2)', 'numeric(7,2)', 1 ], [ 'text', 'int', 0 ],
	[ 'numeric', 'int', 1 ], [ 'float8', 'float4', 0 ], [ 'float4', 'float8', 1 ], [ 'bigint', 'float8', 0 ],
	[ 'timestamptz', 'timestamptz(0)', 0 ], [ 'timestamptz', 'date', 0 ], [ 'date', 'timestamptz', 1 ],
	[ 'timestamp(0)', 'timestamp(3)', 1 ], [ 'interval', 'interval(0)', 0 ],
	[ 'uuid', 'uuid', 1 ], [ 'text', 'uuid', 0 ], [ 'text', 'bytea', 0 ], [ 'public.mood', 'public.mood', 1 ],
	[ 'public.mood', 'text', 1 ], [ 'text', 'public.mood', 1 ], [ 'int[]', 'bigint[]', 1 ],
	[ 'text[]', 'citext[]', 0 ], [ 'text[]', 'text[]', 1 ], [ 'int[]', 'text', 1 ], [ 'int4range', 'int4range', 1 ],
	[ 'timetz', 'timetz(2)', 0 ], [ 'bit(3)', 'bit(3)', 1 ], [ 'inet', 'cidr', 0 ], [ 'cidr', 'inet', 1 ])
{
	my ($ours, $theirs, $taken) = @$case;
	next if !$citext && "$ours $theirs" =~ /citext/;
	my $name = 'key_' . ++$count;

	$pair->sql("CREATE TABLE public.$name (n int, k $ours, PRIMARY KEY (n, k))");
	$pair->target_sql("CREATE TABLE public.$name (n int, k $theirs, PRIMARY KEY (k, n))");
	if ($taken)
	{
		$pair->sql("SELECT dbsync.add_table('taken', 'public.$name')");
		note("$name: a key of $ours in $theirs");
		next;
	}
	$pair->subscribe($name, ["public.$name"]);
	refused($name, 'different keys of the source for one: k', "P3: a key of $ours does not fit in $theirs");
	drop($name);
}
goes_well('taken', 'P3: all other keys fit in');
drop('taken');

# --- P4, P11: rules and triggers that would leave rows out

my $weak = uri_of($target, user => 'sync');
$pair->create_target('weak', $weak);
$pair->create_target('weak_served', $weak, options => q('{"before_triggers": "true"}'));
# the ledger of this database is the administrator's, as two users write here
$pair->target_sql($grants);
$pair->target_sql(<<'SQL');
GRANT CREATE ON DATABASE postgres TO sync;
GRANT CREATE ON SCHEMA public TO sync;
CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION public.pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN coalesce(NEW, OLD); END';
SQL

sub table_with
{
	my ($extra, $rows) = @_;
	my $name = 'rows_' . ++$count;
	$pair->both("CREATE TABLE public.$name (id int PRIMARY KEY, v text)");
	$pair->sql("INSERT INTO public.$name SELECT g, 'v' || g FROM generate_series(1, $rows) g");
	$extra =~ s/%s/public.$name/g;
	$pair->target_sql("ALTER TABLE public.$name OWNER TO sync; $extra");
	return $name;
}

foreach my $case (
	[ 'weak', 'CREATE RULE gone AS ON DELETE TO %s DO INSTEAD NOTHING', 'has rules: gone' ],
	[ 'weak', 'CREATE RULE log AS ON UPDATE TO %s DO ALSO NOTHING', 'has rules: log' ],
	[ 'far', 'CREATE RULE gone AS ON DELETE TO %s DO INSTEAD NOTHING; ALTER TABLE %s ENABLE ALWAYS RULE gone', 'has rules: gone' ],
	[ 'far', 'CREATE RULE gone AS ON DELETE TO %s DO INSTEAD NOTHING; ALTER TABLE %s ENABLE REPLICA RULE gone', 'has rules: gone' ],
	[ 'weak', 'CREATE TRIGGER t BEFORE DELETE ON %s FOR EACH ROW EXECUTE FUNCTION public.swallow()', 'fire before each row: t' ],
	[ 'far', 'CREATE TRIGGER t BEFORE DELETE ON %s FOR EACH ROW EXECUTE FUNCTION public.swallow();'
		. ' ALTER TABLE %s ENABLE REPLICA TRIGGER t', 'fire before each row: t' ])
{
	my ($to, $extra, $expected) = @$case;
	my $name = table_with($extra, 3);
	$pair->subscribe($name, ["public.$name"], target => $to);
	refused($name, $expected, "P4: refused: $extra");
	drop($name);
}
# what does not fire is no harm, nor a trigger for statements, nor one behind each row
foreach my $case (
	[ 'far', 'CREATE RULE gone AS ON DELETE TO %s DO INSTEAD NOTHING; CREATE RULE log AS ON UPDATE TO %s DO INSTEAD NOTHING;'
		. ' CREATE RULE more AS ON INSERT TO %s DO INSTEAD NOTHING' ],
	[ 'weak', 'CREATE RULE log AS ON UPDATE TO %s DO INSTEAD NOTHING; ALTER TABLE %s DISABLE RULE log' ],
	[ 'far', 'CREATE TRIGGER t BEFORE UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION public.swallow()' ],
	[ 'weak', 'CREATE TRIGGER t AFTER UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION public.swallow()' ],
	[ 'weak', 'CREATE TRIGGER t BEFORE UPDATE OR DELETE ON %s FOR EACH STATEMENT EXECUTE FUNCTION public.swallow()' ],
	[ 'weak_served', 'CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION public.pass()' ])
{
	my ($to, $extra) = @$case;
	my $name = table_with($extra, 400);
	$pair->subscribe($name, ["public.$name"], target => $to);
	goes_well($name, "P4, P11: served: $extra");
	# few, then many
	foreach my $limit (3, 300)
	{
		$pair->sql("UPDATE public.$name SET v = 'few' WHERE id < $limit; DELETE FROM public.$name WHERE id % 7 = 2 AND id < $limit;"
			  . " INSERT INTO public.$name SELECT g, 'new' FROM generate_series(1000 + $limit, 1000 + 2 * $limit) g");
		goes_well($name, "P4, P11: changes go on");
		$pair->same_at_both_ends("public.$name");
	}
	drop($name);
}
# where such a trigger is served and does leave a row out, that is an error
foreach my $event ('INSERT', 'UPDATE', 'DELETE')
{
	my $name = table_with('', 400);
	$pair->subscribe($name, ["public.$name"], target => 'weak_served');
	goes_well($name, 'a table is copied');
	$pair->target_sql("CREATE TRIGGER t BEFORE $event ON public.$name FOR EACH ROW EXECUTE FUNCTION public.swallow()");
	foreach my $limit (3, 390)
	{
		my $change = {
			INSERT => "INSERT INTO public.$name SELECT g, 'new' FROM generate_series(1000 * $limit, 1001 * $limit) g",
			UPDATE => "UPDATE public.$name SET v = 'new' WHERE id < $limit",
			DELETE => "DELETE FROM public.$name WHERE id < $limit" }->{$event};
		$pair->sql($change);
		refused($name, 'has not taken all rows', "P4: a trigger swallows rows of $event: below $limit");
	}
	$pair->target_sql("DROP TRIGGER t ON public.$name");
	goes_well($name, 'P4: without it all goes on');
	$pair->same_at_both_ends("public.$name");
	drop($name);
}

# a rule that comes later, on a table whose triggers are served: rows written elsewhere count as well
$pair->both('CREATE TABLE public.led (id int PRIMARY KEY, v text)');
$pair->target_sql('GRANT ALL ON public.led TO sync; CREATE TABLE public.away (id int, v text); GRANT ALL ON public.away TO sync;'
	  . ' CREATE TRIGGER t BEFORE INSERT ON public.led FOR EACH ROW EXECUTE FUNCTION public.pass()');
$pair->subscribe('led', ['public.led'], target => 'weak_served');
$pair->start_subscription('led');
$pair->arrives('led', 'a table with a trigger is served');
$pair->target_sql('CREATE RULE lead AS ON INSERT TO public.led DO INSTEAD INSERT INTO public.away VALUES (NEW.id, NEW.v);'
	  . ' ALTER TABLE public.led ENABLE ALWAYS RULE lead');
$pair->sql("INSERT INTO public.led VALUES (1, 'one')");
$pair->status_becomes('led', "last_error ~ 'has rules'", 'P4: a rule that leads rows away is refused, by its name');
is($pair->target_sql('SELECT count(*) FROM public.away'), '0', 'P4: and nothing has gone there');
$pair->target_sql('DROP RULE lead ON public.led');
$pair->arrives('led', 'P4: without it all arrives');
$pair->same_at_both_ends('public.led');
$pair->stop_subscription('led');
drop('led');

# --- P4: the same on a table that a worker has looked at long ago

$pair->both('CREATE TABLE public.late (id int PRIMARY KEY, v text); CREATE TABLE public.beside (id int PRIMARY KEY)');
$pair->sql("INSERT INTO public.late SELECT g, 'first' FROM generate_series(1, 2000) g");
$pair->subscribe('late', [ 'public.late', 'public.beside' ]);
$pair->start_subscription('late');
$pair->arrives('late', 'a subscription runs');
my $key = 10_000;
foreach my $event (qw(INSERT UPDATE DELETE))
{
	foreach my $kind ('trigger', 'rule')
	{
		my ($make, $drop) = $kind eq 'rule'
		  ? ("CREATE RULE swallow AS ON $event TO public.late DO INSTEAD NOTHING; ALTER TABLE public.late ENABLE ALWAYS RULE swallow",
			'DROP RULE swallow ON public.late')
		  : ("CREATE TRIGGER t BEFORE $event ON public.late FOR EACH ROW EXECUTE FUNCTION public.swallow();"
			  . 'ALTER TABLE public.late ENABLE ALWAYS TRIGGER t', 'DROP TRIGGER t ON public.late');

		foreach my $rows (1, 390)
		{
			my $test = "P4: a $kind that came later, $event of $rows rows";
			my $before = DbsyncTest::fingerprint($pair->target, 'public.late');

			$key += 1000;
			$pair->target_sql($make);
			$pair->sql({
				INSERT => "INSERT INTO public.late SELECT g, 'new' FROM generate_series($key, $key + $rows - 1) g",
				UPDATE => "UPDATE public.late SET v = v || '.' WHERE id <= $rows",
				DELETE => "DELETE FROM public.late WHERE id > 2000 - $rows AND id <= 2000" }->{$event}
				  . '; INSERT INTO public.beside VALUES (' . $key . ')');
			$pair->status_becomes('late', "last_error ~ 'fire before each row|has rules'", "$test: refused, by its name");
			is(DbsyncTest::fingerprint($pair->target, 'public.late'), $before, "$test: nothing of it is there");
			ok($pair->target->poll_query_until('postgres', "SELECT count(*) = 1 FROM public.beside WHERE id = $key"),
				"$test: what came with it goes on");
			$pair->target_sql($drop);
			$pair->arrives('late', "$test: without it all arrives");
			$pair->same_at_both_ends('public.late', 'public.beside');
			$pair->sql("INSERT INTO public.late SELECT g, 'again' FROM generate_series(1600, 2000) g ON CONFLICT DO NOTHING");
			$pair->arrives('late', "$test: and goes on");
		}
	}
}
# A rule that has gone leaves a flag behind, which VACUUM takes away: that is no change.
my $changed = () = slurp_file($source->logfile) =~ /target table "public.late" has changed/g;
$pair->target_sql('VACUUM public.late');
$pair->sql('DELETE FROM public.late WHERE id > 1600 AND id <= 2000');
$pair->arrives('late', 'P4: with the flag of a rule taken away, it goes on');
is(scalar(() = slurp_file($source->logfile) =~ /target table "public.late" has changed/g), $changed, 'P4: without an error');
$pair->same_at_both_ends('public.late');

# Another table under the name, after the connection at hand has looked the table up.
$pair->sql('INSERT INTO public.beside VALUES (-3)');
$pair->arrives('late', 'P4: a table is looked up');
$pair->target_sql('ALTER TABLE public.beside RENAME TO old; CREATE TABLE public.beside (id int PRIMARY KEY)');
$pair->sql('INSERT INTO public.beside VALUES (-1)');
ok( poll_until(
		sub { slurp_file($source->logfile) =~ /target table "public.beside" has changed since it was looked up/ },
		'a word in the log'),
	'P4: another table under the name of one is noticed');
$pair->arrives('late', 'P4: looked up anew, it is the target');
is($pair->target_sql('TABLE public.beside'), '-1', 'P4: which gets the row');
$pair->sql('DELETE FROM public.beside WHERE id = -1');
$pair->arrives('late', 'P4: and what comes behind it');
$pair->target_sql('DROP TABLE public.beside; ALTER TABLE public.old RENAME TO beside');
$pair->sql('INSERT INTO public.beside VALUES (-2)');
$pair->arrives('late', 'P4: the old one is it again');
$pair->same_at_both_ends('public.beside');
$pair->stop_subscription('late');
drop('late');

# --- P10: tables called like what our statements call things; P13: empty vectors

my @names = qw(s t stage excluded EXCLUDED k n old new moved patched dbsync_target);
$pair->both(join '', map { "CREATE TABLE public.\"$_\" (id int PRIMARY KEY, \"$_\" int, long text, short text);" } @names);
$pair->both('CREATE TABLE public.vectors (id int PRIMARY KEY, o oidvector, i int2vector)');
$pair->sql(join '', map { "INSERT INTO public.\"$_\" SELECT g, g, repeat('t', 900), 's' FROM generate_series(1, 400) g;" } @names);
$pair->sql("INSERT INTO public.vectors VALUES (1, '1 2', '3 4'), (2, '', ''), (3, NULL, NULL)");
$pair->subscribe('names', [ (map { "public.\"$_\"" } @names), 'public.vectors' ]);
goes_well('names', 'P10, P13: the first copy');
foreach my $limit (2, 300)
{
	$pair->sql(join '', map { "UPDATE public.\"$_\" SET \"$_\" = -1, short = 'x' WHERE id < $limit; DELETE FROM public.\"$_\" WHERE id = $limit;"
			  . "INSERT INTO public.\"$_\" VALUES (1000 + $limit, 1, 't', 's');" } @names);
	$pair->sql("UPDATE public.vectors SET i = CASE WHEN i::text = '' THEN '5' ELSE '' END::int2vector WHERE id < $limit");
	goes_well('names', 'P10, P13: changes');
	$pair->same_at_both_ends((map { "public.\"$_\"" } @names), 'public.vectors');
}
drop('names');

# --- P16, P18, P19: hints that say the cure

$pair->both(<<'SQL');
CREATE FUNCTION public.helper(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper(t)';
CREATE FUNCTION public.slug(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN helper(t); END';
CREATE TABLE public.gc (id int PRIMARY KEY, t text, s text GENERATED ALWAYS AS (public.slug(t)) STORED);
CREATE DOMAIN public.place AS text;
CREATE FUNCTION public.typed(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'DECLARE p place; BEGIN RETURN t; END';
CREATE TABLE public.ix (id int PRIMARY KEY, t text);
CREATE INDEX ON public.ix (public.typed(t));
CREATE TABLE public.label (id int PRIMARY KEY, m public.mood);
-- from 17 on no index is made by a path of the session's: the function gets its body afterwards
CREATE FUNCTION public.inlined(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT t';
CREATE TABLE public.inl (id int PRIMARY KEY, t text);
CREATE INDEX ON public.inl (public.inlined(t));
CREATE OR REPLACE FUNCTION public.inlined(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT t::place::text';
SQL
$pair->sql("INSERT INTO public.gc VALUES (1, 'x'); INSERT INTO public.ix VALUES (1, 'x'); INSERT INTO public.inl VALUES (1, 'x')");
$pair->sql("ALTER TYPE public.mood ADD VALUE 'c'");
$pair->sql("INSERT INTO public.label VALUES (1, 'c')");
foreach my $case (
	[ 'gc', 'P18', 'ALTER FUNCTION .* SET search_path' ],
	[ 'ix', 'P19', 'ALTER FUNCTION .* SET search_path' ],
	# this one strikes as soon as somebody plans a query of the target table
	[ 'inl', 'P19', 'ALTER FUNCTION .* SET search_path' ],
	[ 'label', 'P16', 'ALTER TYPE .* ADD VALUE' ])
{
	my ($table, $number, $hint) = @$case;
	$pair->subscribe($table, ["public.$table"]);
	refused($table, "HINT: .*$hint", "$number: the hint says the cure");
}
refused('inl', 'target table "public.inl"', 'P19: and names the table');
$pair->target_sql("ALTER FUNCTION public.$_ SET search_path = public") foreach qw(slug typed);
# here we look at the table with a path that does not lead to the type either
$pair->both('ALTER FUNCTION public.inlined SET search_path = public');
$pair->target_sql("ALTER TYPE public.mood ADD VALUE 'c'");
goes_well($_, 'P16, P18, P19: and it is one') foreach qw(gc ix inl label);
$pair->same_at_both_ends('public.gc', 'public.ix', 'public.inl', 'public.label');

# --- A18: a target that is there, and does not answer

$pair->both('CREATE TABLE public.waits (id int PRIMARY KEY)');
$pair->subscribe('waits', ['public.waits']);
$pair->start_subscription('waits');
$pair->arrives('waits', 'the first copy arrives');
my @pids = grep { $pair->target_sql("SELECT application_name FROM pg_stat_activity WHERE pid = $_") eq 'dbsync waits' }
  $pair->applying_pids;
is(scalar @pids, 1, 'one session applies');
kill('STOP', $pids[0]);
$pair->sql('INSERT INTO public.waits VALUES (0)');
$pair->sql('INSERT INTO public.waits SELECT generate_series(1, 5000)');
$pair->status_becomes('waits', "state = 'waiting for target' AND next_action ~ 'since' AND lag_rows >= 5001 AND lag_seconds > 0",
	'A18: a wait for a frozen target is shown, with all that waits');
kill('CONT', $pids[0]);
$pair->arrives('waits', 'A18: when it answers again all arrives');
$pair->sql("ALTER SYSTEM SET dbsync.target_timeout = '1s'");
$pair->sql('SELECT pg_reload_conf()');
$pair->sql('INSERT INTO public.waits VALUES (-1)');
$pair->arrives('waits', 'the worker knows the setting');
kill('STOP', $pids[0]);
$pair->sql('INSERT INTO public.waits VALUES (-2)');
ok(poll_until(sub { slurp_file($source->logfile) =~ /target "far" has not answered for \d+ s/ }, 'the end of a wait'),
	'A18: a wait has an end');
$pair->arrives('waits', 'A18: over another connection all arrives');
kill('CONT', $pids[0]);
$pair->same_at_both_ends('public.waits');
$pair->status_becomes('waits', "state = 'running'", 'A18: and nothing waits');

# --- a target that is too old, or says so, is asked for nothing

foreach my $version ('11.22', '9.6.24')
{
	my $claims = DbsyncTest::Claims->new($target, server_version => $version);

	$pair->create_target("claims_$version", uri_of($target, tcp_port => $claims->port));
	my (undef, undef, $error) = $source->psql('postgres', "SELECT * FROM dbsync.test_target('claims_$version')");
	like($error, qr/ERROR:  target "claims_$version" runs PostgreSQL $version, which is too old\nHINT:  Targets from PostgreSQL 12 on are supported\.$/,
		"a target of $version is refused, with words");
	is(join(', ', $claims->events), 'let in', 'and is asked for nothing');
}

DbsyncTest::finish();

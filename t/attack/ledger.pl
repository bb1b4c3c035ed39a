# A6, A15: whatever somebody does to the rows of the ledger, the server stays up, and
# the next run either refuses, says so, and writes nothing, or both ends are equal
# behind it.  When the row is put back, it goes on.
use strict;
use warnings;

use lib 't';
use DbsyncTest;
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.copy_chunk_rows = 100
dbsync.copy_connections = 1
CONF
my $source = $pair->source;
my $target = $pair->target;

# "whole" has two live tables, "half" one that is copied half way and stays so
$pair->both(<<'SQL');
CREATE TABLE public.one (k int PRIMARY KEY, v text);
CREATE TABLE public.two (a int, b text, v int, PRIMARY KEY (a, b));
CREATE TABLE public.half (a int, b int, v int, PRIMARY KEY (a, b));
SQL
$pair->sql(<<'SQL');
INSERT INTO public.one SELECT i, 'first ' || i FROM generate_series(1, 250) i;
INSERT INTO public.two SELECT i, 'first', i FROM generate_series(1, 10) i;
INSERT INTO public.half SELECT i, i, i FROM generate_series(1, 500) i;
SQL
$pair->target_sql(<<'SQL');
CREATE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN IF new.v > 250 THEN RAISE 'not any further'; END IF; RETURN new; END $$;
CREATE TRIGGER stop AFTER INSERT ON public.half FOR EACH ROW EXECUTE FUNCTION public.stop();
ALTER TABLE public.half ENABLE ALWAYS TRIGGER stop;
SQL
$pair->subscribe('whole', [ 'public.one', 'public.two' ]);
$pair->subscribe('half', ['public.half']);

# A session of each end for the many short questions: the answer, and the error if there
# was one.
my %session = map { $_->name => $_->background_psql('postgres', on_error_stop => 0) } $source, $target;

sub say_to
{
	my ($node, $sql) = @_;
	my $session = $session{ $node->name };
	my $answer = $session->query($sql);
	my $error = $session->{stderr};

	$session->{stderr} = '';
	return ($answer, $error);
}

# Error of a run, undef if it went well.
sub run_once
{
	my ($name) = @_;
	my (undef, $error) = say_to($source, "SELECT dbsync.run_once('$name')");
	return $error eq '' ? undef : $error;
}

# All rows of tables, as text; short.
sub content
{
	my ($node, @tables) = @_;
	my ($content) = say_to($node, join ' UNION ALL ',
		map { "SELECT '$_', count(*), md5(string_agg(t::text, '|' ORDER BY t::text COLLATE \"C\")) FROM $_ t" } @tables);
	return $content;
}

is(run_once('whole'), undef, 'a subscription is copied');
like(run_once('half'), qr/not any further/, 'another one half way');

my %uid = map { split /\|/ } split /\n/,
  $pair->sql('SELECT name, uid FROM dbsync.subscription');
my %part = map { split /\|/ } split /\n/, $pair->sql(<<'SQL');
SELECT c.relid::regclass, a.uid FROM dbsync.subscription_table a
JOIN dbsync.captured_table c ON c.id = a.captured_id
SQL
my $rows = 1000;

# Commit what is to be sent, over several transactions.
sub write_something
{
	$rows++;
	say_to($source, "INSERT INTO public.one VALUES ($rows, 'new');
		BEGIN; UPDATE public.one SET v = v || '.' WHERE k = $rows OR k <= 3;
		INSERT INTO public.two VALUES ($rows, 'x', 1); DELETE FROM public.two WHERE a = $rows - 2; COMMIT;");
	return;
}

# Edit the row "id" (SQL that may name it as $1), run the subscription, and see.
# Returns the error of the refusal, if it was one.
sub attack
{
	my ($name, $id, $what, $sql) = @_;
	my @tables = $name eq 'whole' ? ('public.one', 'public.two') : ('public.half');

	write_something() if $name eq 'whole';
	my $before = content($target, @tables);
	say_to($target, 'DROP TABLE IF EXISTS public.kept;
		CREATE TABLE public.kept AS SELECT * FROM dbsync_ledger.position;');
	$sql = "UPDATE dbsync_ledger.position SET $sql WHERE id = \$1" unless $sql =~ /^(DELETE|TRUNCATE|BEGIN)/;
	$sql =~ s/\$1/'$id'/g;
	my (undef, $objection) = say_to($target, "SET client_min_messages = error; $sql");
	if ($objection ne '')
	{
		# the target may know better than to take it: only where it has constraints
		say_to($target, 'ROLLBACK');
		like($objection, qr/violates|out of range/, "A6: $what: the ledger does not take it");
		return '';
	}
	my $error = run_once($name);
	if (!defined $error)
	{
		is(content($target, @tables), content($source, @tables),
			"A6: $what: goes on, and both ends are equal");
		return;
	}
	my ($said) = say_to($source,
		"SELECT last_error <> '' AND next_action <> '' FROM dbsync.status WHERE subscription = '$name'");
	my $after = content($target, @tables);
	ok($after eq $before && $said eq 't' && $error =~ /ledger|ahead|timeline|bigint/
		  && $error !~ /not any further|crash|broken off|server closed/,
		"A6: $what: is refused, status says so, and nothing is written")
	  or diag("$error\n" . ($after eq $before ? '' : 'the target has changed'));
	say_to($target, 'BEGIN; DELETE FROM dbsync_ledger.position;
		INSERT INTO dbsync_ledger.position SELECT * FROM public.kept; COMMIT;');
	return $error;
}

# --- the subscription's row

my $old_row = $target->safe_psql('postgres',
	"SELECT quote_literal(p) FROM dbsync_ledger.position p WHERE id = '$uid{whole}'");
write_something();
is(run_once('whole'), undef, 'more is sent');

my @garbage = ("''", "'x'", "'1'", "'5:4'", "'3:3'", "'::'", "' 3:4:'", "'+3:4:'", "'-3:4:'",
	"'3:4:,'", "'3:9:5,4'", "'3:9:4,4'", "'3:9:4,'", "'3:9:2'", "'3:9:9'", "'9:3:'", "'0:3:'",
	"'3:99999999999999999999999:'", "'3:9:4' || E'\\n'", "after || 'x'",
	"repeat('1', 1000000)", "'3:9000000:' || (SELECT string_agg(i::text, ',') FROM generate_series(3, 800000) i)");

foreach my $value ('NULL', @garbage)
{
	my $short = length($value) > 40 ? substr($value, 0, 40) . '...' : $value;

	attack('whole', $uid{whole}, "after = $short", "after = $value");
}
attack('whole', $uid{whole}, "upto = $_", "upto = $_")
  foreach @garbage[ 0 .. 5 ], "'3:3:'", 'after', "'9999999:9999999:'";
like(attack('whole', $uid{whole}, 'after of the future', "after = '9999999:9999999:'"),
	qr/target is ahead/, 'A15: a position beyond the next id is ahead');
like(attack('whole', $uid{whole}, 'after of the future, with a list',
		"after = split_part(after, ':', 1) || ':9999999:9999998'"),
	qr/target is ahead/, 'A15: and so is one with a list');
attack('whole', $uid{whole}, "after $_->[0]", "after = $_->[1]") foreach
  [ 'of the far past', "'3:3:'" ],
  [ 'a little earlier', "(split_part(after, ':', 2)::bigint - 1) || ':' || (split_part(after, ':', 2)::bigint - 1) || ':'" ],
  [ 'a little later', "(split_part(after, ':', 2)::bigint + 1) || ':' || (split_part(after, ':', 2)::bigint + 1) || ':'" ],
  [ 'with a transaction taken out', "(split_part(after, ':', 2)::bigint - 1) || ':' || split_part(after, ':', 2) || ':' || (split_part(after, ':', 2)::bigint - 1)" ],
  [ 'of another subscription', "(SELECT p.after FROM dbsync_ledger.position p WHERE p.id = '$uid{half}')" ];
attack('whole', $uid{whole}, "$_", $_) foreach
  'system_identifier = NULL', 'system_identifier = 0', 'system_identifier = -1',
  'database_oid = NULL', 'database_oid = 1', 'timeline = NULL', 'timeline = 0', 'timeline = 7',
  'timeline = -1', 'timeline = timeline + 4294967296', 'lsn = NULL', "lsn = '0/0'", "lsn = '0/1'", "lsn = 'FFFFFFFF/FFFFFFFF'",
  'server_start = NULL', "server_start = 'infinity'", "server_start = '-infinity'",
  "server_start = '2000-01-01'", "server_start = '2900-01-01'",
  'batch = NULL', 'batch = 0', 'batch = -1', 'batch = batch - 1', 'batch = batch + 100', 'batch = 9223372036854775807',
  'closing = NULL', "closing = '0/0'", "closing = '0/1'", "closing = 'FFFFFFFF/FFFFFFFF'",
  'closing_xid = NULL', 'closing_xid = 0', 'closing_xid = -1', 'closing_xid = closing_xid - 1', 'closing_xid = 9223372036854775807',
  'identities = NULL', "identities = ''", "identities = '1/1'", "identities = identities || ' 5/5'",
  'name = NULL', "name = 'other'", 'checksum = NULL', 'checksum = 0', 'checksum = -1',
  "live = true, boundary = '{7}', rows = -1", 'id = gen_random_uuid()', 'subscription = gen_random_uuid()',
  "subscription = '$uid{half}'", 'DELETE FROM dbsync_ledger.position', 'DELETE FROM dbsync_ledger.position WHERE id = $1',
  'TRUNCATE dbsync_ledger.position';
attack('whole', $uid{whole}, 'all columns of another subscription',
	"(lsn, batch, after, upto, closing, closing_xid, checksum) = (SELECT p.lsn, p.batch, p.after, p.upto, p.closing, p.closing_xid, p.checksum FROM dbsync_ledger.position p WHERE p.id = '$uid{half}')");
attack('whole', $uid{whole}, 'the row as it was earlier',
	"BEGIN; DELETE FROM dbsync_ledger.position WHERE id = \$1; INSERT INTO dbsync_ledger.position SELECT (${old_row}::dbsync_ledger.position).*; COMMIT");

# --- rows of tables

attack('whole', $part{one}, "table that is live: $_", $_) foreach
  'live = NULL', 'live = false', "boundary = '{7}'", "boundary = '{7,8}'", "boundary = '{}'", 'boundary = NULL', "boundary = '{NULL}'",
  'rows = NULL', 'rows = -1', 'rows = 0', 'rows = rows + 1', 'rows = 9223372036854775807', 'checksum = 1',
  'id = gen_random_uuid()', "subscription = '$uid{half}'", 'DELETE FROM dbsync_ledger.position WHERE id = $1',
  "BEGIN; DELETE FROM dbsync_ledger.position WHERE id = '$part{two}'; UPDATE dbsync_ledger.position SET id = '$part{two}' WHERE id = \$1; COMMIT",
  'closing_xid = 5, after = \'x\', batch = -1, system_identifier = 7', "after = '3:3:'", "after = '3:3:', checksum = NULL",
  "(after, closing, closing_xid) = (SELECT p.after, p.closing, p.closing_xid FROM dbsync_ledger.position p WHERE p.id = '$uid{whole}')",
  "upto = '3:3:'", "closing = '0/1'", 'closing_xid = 7', "after = 'x'", "after = '3:9999999999:'";
attack('half', $part{half}, "table that is half copied: $_", $_) foreach
  'live = NULL', 'live = true', "boundary = '{7}'", "boundary = '{7,NULL}'", "boundary = '{NULL,NULL}'", "boundary = '{x,y}'",
  "boundary = '{}'", "boundary = '{1,2,3,4,5,6,7}'", "boundary = '{{7},{8}}'", "boundary = '{50,50}'", "boundary = '{240,240}'",
  "boundary = '{\"\",\"\"}'", "boundary = array[repeat('9', 1000000), '1']", 'boundary = NULL', 'boundary = NULL, rows = 0', 'boundary = NULL, rows = 0, live = true',
  'rows = NULL', 'rows = 7', 'rows = -1', 'DELETE FROM dbsync_ledger.position WHERE id = $1';

is(run_once('whole'), undef, 'A6: with all rows as they were, it goes on');
$pair->same_at_both_ends('public.one', 'public.two');
$pair->target_sql('DROP TRIGGER stop ON public.half');
is(run_once('half'), undef, 'A6: and so does the copy');
$pair->same_at_both_ends('public.half');

# --- under a worker that is connected

$pair->start_subscription('whole');
write_something();
$pair->arrives('whole', 'a worker is connected');
$pair->target_sql("UPDATE dbsync_ledger.position SET after = '3:3:', closing = NULL WHERE id = '$uid{whole}'");
write_something();
$pair->arrives('whole', 'A6: an edit under a worker is written over');
$pair->same_at_both_ends('public.one', 'public.two');
$pair->target_sql("CREATE TABLE public.gone AS SELECT * FROM dbsync_ledger.position WHERE id = '$uid{whole}';
	DELETE FROM dbsync_ledger.position WHERE id = '$uid{whole}'");
write_something();
$pair->status_becomes('whole', "last_error ~ 'lost its ledger' AND next_action <> ''",
	'A6: a row that goes under a worker is missed');
$pair->target_sql('INSERT INTO dbsync_ledger.position SELECT * FROM public.gone');
$pair->arrives('whole', 'A6: and it goes on when it is back');
$pair->target_sql("UPDATE dbsync_ledger.position SET batch = batch - 1 WHERE id = '$uid{whole}'");
write_something();
$pair->arrives('whole', 'A6: a batch number that was put back is read again');
$pair->same_at_both_ends('public.one', 'public.two');

# a table whose row is damaged can be copied anew
$pair->stop_subscription('whole');
$pair->target_sql("UPDATE dbsync_ledger.position SET boundary = '{1,2}' WHERE id = '$part{two}'");
write_something();
like(run_once('whole'), qr/ledger of table public\.two in subscription "whole".*damaged.*copy_table/s,
	'A6: the refusal names the table and the cure');
$pair->sql("SELECT dbsync.copy_table('whole', 'public.two')");
is(run_once('whole'), undef, 'A6: which cures it');
$pair->same_at_both_ends('public.one', 'public.two');

$_->quit foreach values %session;
DbsyncTest::finish();

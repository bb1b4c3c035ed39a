# P20: databases of other encodings at the two ends.  What both can say arrives, in values,
# in keys and in names; what one of them cannot say is refused with the name of the table,
# nothing else is lost, and all goes on once it is mended.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(uri_of);
use Test::More;

my %encoding_of = (utf => 'UTF8', latin => 'LATIN1', win => 'WIN1252', euc => 'EUC_JP', ascii => 'SQL_ASCII');
my $node = DbsyncTest::new_node('one', preload => 1);
my $count = 0;

# Statements are ASCII: \N is the client's own business.
sub sql { my ($name, $sql) = @_; return $node->safe_psql($name, "SET client_encoding = 'UTF8'; $sql"); }

sub run_once
{
	my ($name, $subscription) = @_;
	my ($status, undef, $error) = $node->psql($name, "SELECT dbsync.run_once('$subscription')");
	return $status == 0 ? '' : $error;
}

# All of a table, as bytes of UTF8; those of SQL_ASCII are UTF8 as they are.
sub rows_of
{
	my ($name, $table) = @_;
	return sql($name, "SELECT string_agg(t.id || ' ' || t.n || ' ' || coalesce(encode("
		  . ($name eq 'ascii' ? 'textsend(t.v)' : "convert_to(t.v, 'UTF8')") . ", 'hex'), '-'), chr(10) ORDER BY t.n) FROM $table t");
}

sub same
{
	my ($from, $to, $table, $test) = @_;
	my $rows = rows_of($from, $table);

	isnt($rows, '', "$test: there are rows");
	return is(rows_of($to, $table), $rows, "$test: both ends are the same");
}

sub subscribe
{
	my ($from, $to, $table) = @_;
	my $subscription = 's' . ++$count;

	sql($from, "SELECT dbsync.create_subscription('$subscription', 'to_$to', ARRAY['$table'])");
	return $subscription;
}

foreach my $name (sort keys %encoding_of)
{
	sql('postgres', "CREATE DATABASE $name ENCODING '$encoding_of{$name}' LOCALE 'C' TEMPLATE template0");
	sql($name, 'CREATE EXTENSION dbsync');
}
foreach my $from (sort keys %encoding_of)
{
	sql($from, "SELECT dbsync.create_target('to_$_', '" . uri_of($node, database => $_) . "')")
	  foreach grep { $_ ne $from } sort keys %encoding_of;
}

# --- what both can say: (bytes as UTF8) a letter of each, in a key, a value and a name

foreach my $case (
	[ 'utf', 'latin', "\xc3\xa9" ], [ 'latin', 'utf', "\xc3\x9f" ], [ 'utf', 'win', "\xe2\x82\xac" ],
	[ 'win', 'utf', "\xc5\x93" ], [ 'utf', 'euc', "\xe6\xbc\xa2" ], [ 'euc', 'utf', "\xe5\xad\x97" ],
	[ 'ascii', 'utf', "\xc3\xa9" ], [ 'utf', 'ascii', "\xc3\xa9" ])
{
	my ($from, $to, $letter) = @$case;
	my $test = "P20: $encoding_of{$from} to $encoding_of{$to}";
	my $table = "public.\"$from $to $letter\"";

	sql($_, "CREATE TABLE $table (id text PRIMARY KEY, n int, v text, \"$letter\" text)") foreach $from, $to;
	sql($from, "INSERT INTO $table SELECT '$letter' || g, g, repeat('$letter', g), '$letter' FROM generate_series(1, 600) g");
	my $subscription = subscribe($from, $to, $table);
	is(run_once($from, $subscription), '', "$test: the first copy");
	same($from, $to, $table, "$test: the first copy");
	sql($from, "INSERT INTO $table VALUES ('few$letter', 1000, '$letter', '$letter'); DELETE FROM $table WHERE id = '${letter}1'");
	is(run_once($from, $subscription), '', "$test: few rows");
	sql($from, "UPDATE $table SET v = v || '$letter', id = '$letter' || id; DELETE FROM $table WHERE n % 2 = 0");
	is(run_once($from, $subscription), '', "$test: many rows");
	same($from, $to, $table, "$test: changes");
	is(sql($from, "SELECT count(*) FROM dbsync.status WHERE last_error IS NOT NULL"), 0, "$test: status has no error");
}

# --- what the other end cannot say; bytes that are no text there

foreach my $case (
	[ 'utf', 'latin', "'\xe4\xb8\xad'", 'no equivalent in encoding "LATIN1"' ],
	[ 'utf', 'euc', "'\xe2\x82\xac'", 'no equivalent in encoding "EUC_JP"' ],
	[ 'ascii', 'utf', "convert_from('\\xe9', 'SQL_ASCII')", 'invalid byte sequence for encoding "UTF8"' ])
{
	my ($from, $to, $value, $expected) = @$case;
	my $test = "P20: $encoding_of{$from} to $encoding_of{$to}, what cannot be said there";
	my $table = "public.bad_${from}_$to";

	sql($_, "CREATE TABLE $table (id text PRIMARY KEY, n int, v text)") foreach $from, $to;
	my $subscription = subscribe($from, $to, $table);
	is(run_once($from, $subscription), '', "$test: before");
	foreach my $rows (1, 500)
	{
		sql($from, "INSERT INTO $table SELECT 'x' || g, g, $value FROM generate_series(1, $rows) g");
		like(run_once($from, $subscription), qr/$expected/, "$test: refused in words, $rows rows");
		like(sql($from, "SELECT last_error || last_error_detail FROM dbsync.status WHERE subscription = '$subscription'"),
			qr/$expected.*bad_${from}_$to/s, "$test: status says which table");
		is(sql($to, "SELECT count(*) FROM $table"), 0, "$test: nothing of it is there");
		sql($from, "UPDATE $table SET v = 'mended'");
		is(run_once($from, $subscription), '', "$test: once it is mended it goes on");
		same($from, $to, $table, "$test: mended");
		sql($from, "DELETE FROM $table");
		is(run_once($from, $subscription), '', "$test: and on");
	}
}

# --- encodings between which the server converts nothing

sql($_, 'CREATE TABLE public.apart (id int PRIMARY KEY)') foreach 'latin', 'win';
subscribe('latin', 'win', 'public.apart');
like(run_once('latin', "s$count"), qr/conversion between LATIN1 and WIN1252 is not supported/,
	'P20: encodings between which there is no conversion: refused in words');

DbsyncTest::finish();

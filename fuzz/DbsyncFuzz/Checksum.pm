# The checksum of a ledger's rows, as worker/batch/ledger_check.c computes it: a row that was edited
# and has a matching one is judged by what it says.
package DbsyncFuzz::Checksum;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(checksum_rows);

# Polynomial of CRC-32C, its bits reversed.
my @table = map {
	my $crc = $_;

	$crc = $crc & 1 ? ($crc >> 1) ^ 0x82F63B78 : $crc >> 1 foreach 1 .. 8;
	$crc;
} 0 .. 255;

sub crc32c
{
	my ($bytes) = @_;
	my $crc = 0xFFFFFFFF;

	$crc = $table[ ($crc ^ $_) & 255 ] ^ ($crc >> 8) foreach unpack('C*', $bytes);
	return $crc ^ 0xFFFFFFFF;
}

# A text with its end, or none.
sub text_of { return "coalesce('t'::bytea || convert_to($_[0], 'UTF8') || '\\x00'::bytea, 'n'::bytea)"; }

# A number without sign, of so many bits.
sub number_of
{
	my ($number, $bits) = @_;

	return text_of(sprintf('mod(coalesce(%s, 0)::numeric + 2::numeric ^ %d, 2::numeric ^ %d)::numeric(30, 0)::text', $number, $bits, $bits));
}

my $zero = "'0/0'::pg_lsn";
my $closing = "coalesce(closing, $zero) - $zero";
my @row = (
	number_of('system_identifier', 64), number_of('database_oid::bigint', 32), number_of('timeline', 32), number_of("lsn - $zero", 64),
	number_of('coalesce(CAST(extract(epoch FROM server_start) * 1000000 AS bigint), 0) - 946684800000000', 64),
	text_of('"after"'), text_of('upto'), number_of($closing, 64),
	number_of("CASE WHEN $closing <> 0 THEN closing_xid END", 64), text_of('identities'));
my @part = (
	number_of('CASE WHEN live THEN 1 END', 64), number_of('cardinality(boundary)', 64),
	"coalesce((SELECT string_agg(" . text_of('x.v') . ", ''::bytea ORDER BY x.i) FROM unnest(boundary) WITH ORDINALITY x (v, i)), ''::bytea)",
	number_of('"rows"', 64),
	"CASE WHEN \"after\" IS NULL THEN ''::bytea ELSE "
	  . join(' || ', text_of('"after"'), text_of('upto'), number_of($closing, 64), number_of("CASE WHEN $closing <> 0 THEN closing_xid END", 64)) . ' END');
my $query = sprintf(
	"SELECT ctid, checksum, encode(uuid_send(id) || CASE WHEN id = subscription THEN %s ELSE %s END, 'hex') FROM dbsync_ledger.position",
	join(' || ', @row), join(' || ', @part));

# Usage: checksum_rows(PAIR).  Give each row of the target's ledger the checksum of what it says
# now, and return how many had another.  A ledger whose columns are not what they were keeps its.
sub checksum_rows
{
	my ($pair) = @_;
	my $changed = 0;

	foreach my $line (split /\n/, $pair->target($query))
	{
		my ($ctid, $is, $bytes) = $line =~ /^(\([0-9,]+\))\|(-?[0-9]*)\|([0-9a-f]+)$/ or next;
		my $crc = crc32c(pack('H*', $bytes));

		next if $is eq $crc;
		$pair->target("UPDATE dbsync_ledger.position SET checksum = $crc WHERE ctid = '$ctid'");
		$changed++;
	}
	return $changed;
}

1;

# Values that nobody expects: for arguments, for columns, for bytes on a wire.
package DbsyncFuzz::Values;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(below one_of chance quoted value_of mutated mutated_bytes bytea_of number_of);

sub below { return int(rand($_[0])); }
sub one_of { return $_[below(scalar @_)]; }
sub chance { return rand() < $_[0]; }

# SQL literal of any bytes but zero.
sub quoted
{
	my ($text) = @_;

	return 'NULL' unless defined $text;
	$text =~ tr/\0//d;
	if ($text =~ /^[ -~]*$/ && $text !~ /\\/)
	{
		$text =~ s/'/''/g;
		return "'$text'";
	}
	$text =~ s/([^A-Za-z0-9 _])/sprintf('\\x%02x', ord($1))/ge;
	return "E'$text'";
}

sub bytea_of { return "'\\x" . unpack('H*', $_[0]) . "'"; }

# A number as headers hold it: seven bits a byte.
sub number_of
{
	my ($number) = @_;
	my $bytes = '';

	while ($number >= 128)
	{
		$bytes .= chr(($number & 127) | 128);
		$number >>= 7;
	}
	return $bytes . chr($number);
}

my @integers = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2147483647,
	2147483648, 4294967295, 4294967296, 9007199254740993);
my @integer_texts = ((map { ("$_", "-$_") } @integers), '9223372036854775807', '-9223372036854775808');

# Bytes that differ from the given ones in a place or a few.
sub mutated_bytes
{
	my ($bytes) = @_;

	foreach (0 .. below(3))
	{
		my $size = length($bytes);
		my $at = below($size + 1);
		my $n = below($size - $at + 1);
		my $what = below(9);

		if ($what == 0 && $at < $size) { substr($bytes, $at, 1) = chr(below(256)); }
		elsif ($what == 1 && $at < $size) { substr($bytes, $at, 1) ^= chr(1 << below(8)); }
		elsif ($what == 2) { substr($bytes, $at) = ''; }
		elsif ($what == 3) { substr($bytes, $at, $n) = ''; }
		elsif ($what == 4) { substr($bytes, $at, 0) = substr($bytes, below($size + 1), below(20)); }
		elsif ($what == 5) { substr($bytes, $at, 0) = join '', map { chr(below(256)) } 0 .. below(8); }
		elsif ($what == 6) { substr($bytes, $at, 0) = number_of(one_of(@integers)); }
		elsif ($what == 7 && $at + 4 <= $size) { substr($bytes, $at, 4) = pack('N', one_of(@integers)); }
		elsif ($what == 8 && $at + 2 <= $size) { substr($bytes, $at, 2) = pack('n', one_of(@integers)); }
	}
	return $bytes;
}

# Text that differs from the given one.
sub mutated
{
	my ($text) = @_;
	my $what = below(6);

	return mutated_bytes($text) if $what < 2;
	if ($what == 2 && $text =~ /\d/)
	{
		my @places;
		push @places, [ $-[0], $+[0] - $-[0] ] while $text =~ /\d+/g;
		my $place = one_of(@places);
		substr($text, $place->[0], $place->[1]) = one_of(@integer_texts, '', ' 1', '1e9', 'NaN');
		return $text;
	}
	if ($what == 3)
	{
		my @words = split /([:,\/{}"=&?@])/, $text, -1;
		my $n = below(scalar @words || 1);
		splice(@words, $n, 1, one_of('', ':', ',', '{', '}', '"', '\\', 'NULL', '%00', '%zz', "\xff",
				($words[below(scalar @words || 1)] // '')));
		return join '', @words;
	}
	return $text . $text if $what == 4;
	return $text . one_of(' ', ':', ',', "\n", "\xc3", 'x', '1');
}

my @uris = (
	'postgresql://u@h:5432/d', 'postgresql:///d?host=/tmp&port=5432', 'postgresql://u:p@[::1]:5432/d?sslmode=require',
	'postgres://a,b:1,2/d', 'postgresql://%2Ftmp/d', 'host=h port=1', "host='a b' dbname=\\'x", 'sqlite:///x', 'http://x/',
	'postgresql://u@h/d?password=x&options=-c%20a%3Db&connect_timeout=99999999999');
my @jsons = (
	'{}', '[]', 'null', '1', '"x"', '{"host": "h"}', '{"host": null}', '{"password": "x", "user": 1}', '{"service": "x"}',
	'{"": ""}', '{"connect_timeout": 1e400}', '{"host": {"a": [1]}}', '{"sslmode": true, "x y\"z": "1"}');
my @odd = (
	'', ' ', 'x', 'NULL', '%s%n%d', "a'b\"c", '$$', '$1', "line\nline", "tab\t", '\\', '\\.', "\xff\xfe", "\xe2\x82", "caf\xc3\xa9",
	'x' x 63, 'x' x 64, 'x' x 10000, 'public.', '.', '"', '""', 'pg_catalog.pg_class', '0', '-1', '{}', 'now', 'infinity');

# Values of types, as SQL.  "known" are texts that mean something here: names.
my %makers = (
	bool => sub { one_of(qw(true false)) },
	int2 => sub { quoted(one_of(grep { abs($_) < 32768 } @integer_texts)) },
	int4 => sub { quoted(one_of(1 .. 8, grep { abs($_) < 2147483648 } @integer_texts)) },
	int8 => sub { quoted(one_of(1 .. 8, @integer_texts)) },
	oid => sub { quoted(one_of(0, 1, 10, 1259, 16384, 4294967295)) },
	xid8 => sub { quoted(one_of(0, 1, 3, 700, 4294967296, '18446744073709551615')) },
	float8 => sub { quoted(one_of(qw(0 -0 1 -1 1e308 1e-308 NaN Infinity -Infinity))) },
	numeric => sub { quoted(one_of(qw(0 -1 1e300 NaN Infinity 0.1))) },
	bytea => sub { bytea_of(mutated_bytes(join '', map { chr(below(256)) } 0 .. below(60))) },
	interval => sub { quoted(one_of('0', '1 s', '10 ms', '-1 s', '178000000 years', '-178000000 years', '1 month', '300000 years')) },
	timestamptz => sub { quoted(one_of('now', 'infinity', '-infinity', 'epoch', '294276-12-31', '4713-01-01 BC')) },
	uuid => sub { one_of('gen_random_uuid()', quoted('00000000-0000-0000-0000-000000000000')) },
	pg_lsn => sub { quoted(one_of('0/0', '0/1', 'FFFFFFFF/FFFFFFFF', '1/0', '0/1500000')) },
	pg_snapshot => sub { quoted(one_of('1:1:', '10:20:10,15', '1:9223372036854775807:', '700:800:')) },
	regclass => sub {
		quoted(one_of(qw(public.t1 public.t2 public.v public.part public.seq public.t1_pkey pg_class
					pg_catalog.pg_stat_activity dbsync.subscription information_schema.tables 0 1 4294967295))) },
	regrole => sub { quoted(one_of(qw(postgres tenant pg_monitor 0 1))) },
	jsonb => sub { quoted(one_of(@jsons)) },
);
$makers{$_} = $makers{oid} foreach qw(regtype regproc regprocedure regcollation);
$makers{json} = $makers{jsonb};

sub text_of
{
	my ($known) = @_;
	my $what = below(10);

	return one_of(@$known) if $what < 5;
	return mutated(one_of(@$known)) if $what == 5;
	return one_of(@uris) if $what == 6;
	return mutated(one_of(@uris)) if $what == 7;
	return one_of(@jsons) if $what == 8;
	return one_of(@odd);
}

# An array with whatever shape arrays can have.
sub array_of
{
	my ($element, $known) = @_;
	my @values = map { value_of($element, $known) } 1 .. below(4);
	my $what = below(6);

	return "'{}'::$element\[]" if $what == 0;
	return sprintf('ARRAY[%s]::%s[]', join(', ', @values), $element) if $what < 4;
	return sprintf('ARRAY[[%s], [%s]]::%s[]', (value_of($element, $known)) x 2, $element) if $what == 4;
	return sprintf("array_fill(%s::%s, ARRAY[%d], ARRAY[%d])",
		value_of($element, $known), $element, 1 + below(3), one_of(-5, 0, 2, 2147483600));
}

# A value of a type, as SQL that needs a cast to it.
sub value_of
{
	my ($type, $known) = @_;

	return 'NULL' if chance(0.08);
	return array_of($1, $known) if $type =~ /^_(.*)/ || $type =~ /^(.*)\[\]$/;
	return $makers{$type}->() if $makers{$type};
	return quoted(text_of($known)) if $type =~ /^(text|name|varchar|bpchar|cstring)$/;
	return 'NULL';
}

1;

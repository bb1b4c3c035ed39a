# Bundles without a driver: made of JSON texts and queries, and told, by a module of the tests' own
# (t/bundle); and what tests do to bytes of files.
package DbsyncTest::Bundle;

use strict;
use warnings;

use DbsyncTest::Module qw(build_module);
use DbsyncTest::Server qw(ask);
use Digest::SHA ();
use Exporter 'import';
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT_OK = qw(
	bundle_functions check_bundle check_forgeries contents_text head_text make_bundle members_of quoted run_tool sign_again slurp spew tar_of);

my $database = 'postgres';

sub quoted
{
	my ($text) = @_;
	return 'NULL' if !defined $text;
	$text =~ s/'/''/g;
	return $text =~ /\\/ ? 'E\'' . ($text =~ s/\\/\\\\/gr) . "'" : "'$text'";
}

sub slurp
{
	my ($path) = @_;
	open my $fh, '<:raw', $path or die "$path: $!\n";
	local $/;
	return scalar <$fh>;
}

sub spew
{
	my ($path, $bytes) = @_;
	open my $fh, '>:raw', $path or die "$path: $!\n";
	print $fh $bytes;
	close $fh or die "$path: $!\n";
	return $path;
}

# The functions of t/bundle in a node's database, in schema bundle_test.  The module is built where it lies.
sub bundle_functions
{
	my ($node, $in) = @_;
	my $c = "LANGUAGE c AS '@{[ build_module('bundle') ]}'";
	$node->safe_psql($in // $database, <<"SQL");
CREATE SCHEMA bundle_test;
CREATE FUNCTION bundle_test.make_key(path text) RETURNS text STRICT $c;
CREATE FUNCTION bundle_test.make_bundle(path text, key text, head text, contents text, queries text[] DEFAULT '{}',
	level int DEFAULT 1, recipients text DEFAULT NULL, load_sql text DEFAULT NULL) RETURNS text $c;
CREATE FUNCTION bundle_test.bundle_head(path text, public_key text) RETURNS text STRICT $c;
CREATE FUNCTION bundle_test.bundle_contents(path text, public_key text, identity text DEFAULT NULL) RETURNS text $c;
CREATE FUNCTION bundle_test.bundle_rows(path text, public_key text, step int, fields int, identity text DEFAULT NULL)
	RETURNS TABLE (r text[]) $c;
CREATE FUNCTION bundle_test.bundle_digest(path text, public_key text, step int, fields int, identity text DEFAULT NULL)
	RETURNS text $c;
SQL
	return;
}

my $json = JSON::PP->new->canonical;

# bundle.json with these values in the place of its own.
sub head_text
{
	my (%other) = @_;
	my %head = (
		format => 1,
		requires => [],
		subscription => { id => '5f1c0000-1111-4222-8333-444455556666', name => 'orders' },
		source => { system => '7301234567890123456', database => 5, timeline => 1, postgresql => 150020, dbsync => '0.1' },
		chain => 1764291234,
		number => 1,
		previous => undef,
		time => '2026-11-28T00:52:39.123456Z',
		batch => 17,
		part => 1,
		last => JSON::PP::true,
		position => {
			lsn => '0/16B3748', server_start => '2026-11-27T10:00:00.000000Z', after => '740:740:', upto => undef,
			closing => '0/16B3700', closing_xid => 739, checksum => -5123456789012345678, identities => undef },
		%other);
	return $json->encode(\%head);
}

# contents.json of these steps, over tables of which each is a name and columns, "name type" each; the first is the key.
sub contents_text
{
	my ($tables, @steps) = @_;
	my $n = 0;
	my @tables = map {
		my ($name, @columns) = @$_;
		+{
			id => sprintf('00000000-0000-4000-8000-%012x', ++$n), source => "public.$name", schema => 'public', table => $name,
			columns => [ map { my ($column, $type) = split ' ', $_, 2; +{ name => $column, type => $type, oid => 0, typmod => -1, not_null => JSON::PP::false } } @columns ],
			key => [1], generated => [], chosen => JSON::PP::false, fingerprint => 'ab' x 32 }
	} @$tables;
	return $json->encode({ encoding => 'UTF8', route => '7301234567890123456/5', tables => \@tables, steps => \@steps, parts => [] });
}

# Usage: make_bundle($node, path, key, head, contents, [queries], level => n, recipients => file, load_sql => text)
sub make_bundle
{
	my ($node, $path, $key, $head, $contents, $queries, %options) = @_;
	my $options = join '', map { ", $_ => " . quoted($options{$_}) } sort keys %options;
	return ask($node, 'SELECT bundle_test.make_bundle(' . join(', ', map { quoted($_) } $path, $key, $head, $contents) .
		', ARRAY[' . join(', ', map { quoted($_) } @$queries) . "]::text[]$options)");
}

# What dbsync.check_bundle() says: verdict and reason.
sub check_bundle
{
	my ($node, $path, @keys) = @_;
	my $keys = join ', ', map { quoted($_) } @keys;
	return split /\|/, ask($node, 'SELECT verdict, reason FROM dbsync.check_bundle(' . quoted($path) . ", ARRAY[$keys]::text[])"), 2;
}

# What it says of many files' bytes: a hash of verdicts, each with the names of the forgeries that got it.
sub check_forgeries
{
	my ($node, $folder, $key, @forgeries) = @_;
	my %found;
	while (my @some = splice @forgeries, 0, 1000)
	{
		my $n = 0;
		spew("$folder/forged-" . $n++, $_->[1]) foreach @some;
		my $last = $n - 1;
		my $said = ask($node, "SELECT i || ' ' || verdict FROM generate_series(0, $last) i, dbsync.check_bundle('$folder/forged-' || i, ARRAY[" .
			quoted($key) . ']) c ORDER BY i');
		foreach (split /\n/, $said)
		{
			my ($i, $verdict) = split ' ', $_, 2;
			push @{ $found{$verdict} }, $some[$i][0];
		}
		unlink "$folder/forged-$_" foreach 0 .. $last;
	}
	return %found;
}

# Run a program of others in a folder: did it succeed, and what did it say?
sub run_tool
{
	my ($folder, @command) = @_;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run(\@command, '<', '/dev/null', '>', \$out, '2>', \$err, init => sub { chdir $folder or die $!; });
	return ($ok, $out . $err);
}

# Members with sums and signature made anew, as somebody who has the key would.
sub sign_again
{
	my ($folder, $key, @members) = @_;
	my $sums = '';

	@members = grep { $_->{name} !~ m{/SHA256SUMS} } @members;
	my ($directory) = $members[0]{name} =~ m{^(.*)/};
	foreach my $member (@members)
	{
		my ($name) = $member->{name} =~ m{^.*/(.*)};
		$sums .= Digest::SHA::sha256_hex($member->{content}) . "  $name\n";
	}
	spew("$folder/sums", $sums);
	my ($ok, $said) = run_tool($folder, 'openssl', 'pkeyutl', '-sign', '-rawin', '-inkey', $key, '-in', 'sums', '-out', 'sums.sig');
	die $said if !$ok;
	return (@members, { name => "$directory/SHA256SUMS", content => $sums },
		{ name => "$directory/SHA256SUMS.sig", content => slurp("$folder/sums.sig") });
}

# The bytes of a bundle, taken apart: members, each its path, header, content, padding.
sub members_of
{
	my ($bytes) = @_;
	my @members;
	my $at = 0;
	while (substr($bytes, $at, 512) ne "\0" x 512)
	{
		my $header = substr($bytes, $at, 512);
		my ($name) = $header =~ /^([^\0]+)/;
		my $size = oct(substr($header, 124, 11));
		my $padding = -$size % 512;
		push @members, {
			name => $name, header => $header, content => substr($bytes, $at + 512, $size),
			padding => substr($bytes, $at + 512 + $size, $padding) };
		$at += 512 + $size + $padding;
	}
	return @members;
}

# And together again, with headers that fit.
sub tar_of
{
	my (@members) = @_;
	my $bytes = '';
	foreach my $member (@members)
	{
		my $size = length $member->{content};
		my $header = pack('a100 a8 a8 a8 a12 a12 A8 a1 a100 a6 a2 a247', $member->{name}, '0000640', '0000000', '0000000',
			sprintf('%011o', $size), '00000000000', '', '0', '', "ustar", '00', '');
		substr($header, 148, 8) = sprintf("%06o\0 ", unpack('%32C*', $header));
		$bytes .= $header . $member->{content} . "\0" x (-$size % 512);
	}
	return $bytes . "\0" x 1024;
}

1;

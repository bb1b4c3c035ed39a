# The outbox of a file target, read by tar and zstd, and played in memory: no code of ours but what writes it.
package DbsyncTest::Outbox;

use strict;
use warnings;

use DbsyncTest::Server qw(ask);
use Exporter 'import';
use IPC::Run ();
use JSON::PP ();
use Test::More;

our @EXPORT_OK = qw(slurp);

# root: the target's folder
sub new
{
	my ($class, $root) = @_;
	return bless { root => $root, tables => {}, number => 0, chain => 0 }, $class;
}

sub root { return $_[0]{root}; }

sub slurp
{
	my ($path) = @_;
	open(my $file, '<:raw', $path) or die "$path: $!";
	local $/ = undef;
	my $data = <$file>;
	close($file);
	return $data;
}

sub run_on
{
	my ($input, @command) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run(\@command, '<', \$input, '>', \$out, '2>', \$err) or die "@command: $err";
	return $out;
}

# Files in a folder of the root, in their order.
sub files
{
	my ($self, $folder) = @_;
	opendir(my $dir, "$self->{root}/$folder") or die "$self->{root}/$folder: $!";
	my @files = sort grep { !/^\./ } readdir($dir);
	closedir($dir);
	return @files;
}

# Members of a bundle by name, without the folder that they are in.
sub members
{
	my ($path) = @_;
	my $tar = slurp($path);
	my %members;
	my $at = 0;

	while ($at < length($tar) && substr($tar, $at, 1) ne "\0")
	{
		my ($name, $size) = unpack('Z100 x24 Z12', substr($tar, $at, 512));
		$size = oct($size);
		$name =~ s{.*/}{};
		$members{$name} = substr($tar, $at + 512, $size);
		$at += 512 + 512 * int(($size + 511) / 512);
	}
	return \%members;
}

# One bundle: head, contents, sums, members.
sub bundle
{
	my ($self, $path) = @_;
	my $members = members($path);
	my $json = JSON::PP->new->utf8->allow_bignum(0);

	return {
		path => $path,
		members => $members,
		head => $json->decode($members->{'bundle.json'}),
		contents => $members->{'contents.json'} ? $json->decode($members->{'contents.json'}) : undef,
		sums => substr(run_on($members->{SHA256SUMS}, 'sha256sum'), 0, 64) };
}

# All that are in out, by chain and number.
sub bundles
{
	my ($self, $folder) = @_;
	$folder //= 'out';
	my @bundles = map { $self->bundle("$self->{root}/$folder/$_") } grep { /\.tar$/ } $self->files($folder);

	return sort { $a->{head}{chain} <=> $b->{head}{chain} || $a->{head}{number} <=> $b->{head}{number} } @bundles;
}

# Rows of a step: lists of fields, undef for null.
sub rows
{
	my ($bundle, $step) = @_;
	my $data = $bundle->{members}{ $step->{file} };
	my @rows;

	$data = run_on($data, 'zstd', '-qdc') if $step->{file} =~ /\.zst$/;
	if ($step->{form} eq 'text')
	{
		my %escapes = (t => "\t", n => "\n", r => "\r", b => "\b", f => "\f", v => "\013");
		foreach my $line (split /\n/, $data)
		{
			push @rows, [ map { $_ eq '\N' ? undef : s/\\(.)/$escapes{$1} \/\/ $1/ger } split /\t/, $line, -1 ];
		}
		return @rows;
	}
	my $at = 19;
	while ((my $n = unpack('s>', substr($data, $at, 2))) != -1)
	{
		my @fields;
		$at += 2;
		foreach (1 .. $n)
		{
			my $length = unpack('l>', substr($data, $at, 4));
			push @fields, $length < 0 ? undef : substr($data, $at + 4, $length);
			$at += 4 + ($length < 0 ? 0 : $length);
		}
		push @rows, \@fields;
	}
	return @rows;
}

# --- played

sub key_of
{
	my ($table, @fields) = @_;
	my @key = @{ $table->{key} // [] };
	return join '|', map { unpack('H*', $_ // '') } @key ? map { $fields[ $_ - 1 ] } @key : map { $_ // 'NULL' } @fields;
}

# What the target would have, by schema and name.
sub contents_of
{
	my ($self, $table) = @_;
	return $self->{tables}{"$table->{schema}.$table->{table}"} //= {};
}

sub play_rows
{
	my ($self, $bundle, $step, $table) = @_;
	my $rows = $self->contents_of($table);
	my @key = @{ $table->{key} // [] };

	foreach my $fields (rows($bundle, $step))
	{
		my @fields = @$fields;
		if ($step->{do} eq 'append')
		{
			my $key = key_of($table, @fields);
			die "row is there already in $table->{table}" if @key && $rows->{$key};
			push @{ $rows->{$key} }, \@fields;
		}
		elsif ($step->{do} eq 'delete')
		{
			delete $rows->{ join '|', map { unpack('H*', $_) } @fields };
		}
		elsif ($step->{do} eq 'merge')
		{
			my $op = shift @fields;
			my $key = key_of($table, @fields);
			if ($op eq 'D') { delete $rows->{$key}; }
			else { $rows->{$key} = [ \@fields ]; }
		}
		elsif ($step->{do} eq 'patch')
		{
			my ($op, $same) = splice @fields, 0, 2;
			my $key = key_of($table, @fields);
			if ($op eq 'D') { delete $rows->{$key}; next; }
			foreach my $n (split /,/, $same // '')
			{
				die "a row to patch is not there in $table->{table}" unless $rows->{$key};
				$fields[ $n - 1 ] = $rows->{$key}[0][ $n - 1 ];
			}
			$rows->{$key} = [ \@fields ];
		}
		elsif ($step->{do} eq 'count')
		{
			my ($op, $count) = splice @fields, 0, 2;
			my $key = key_of($table, @fields);
			$count = unpack('q>', $count) if $step->{form} eq 'binary';
			if ($op eq 'I') { push @{ $rows->{$key} }, (\@fields) x $count; }
			else { splice @{ $rows->{$key} }, 0, $count; }
		}
	}
	return;
}

# A change of shape: values are carried over by what happened to columns.
sub play_change
{
	my ($self, $bundle, $step) = @_;
	my $before = $step->{before} ? $bundle->{contents}{tables}[ $step->{before} - 1 ] : undef;
	my $after = $bundle->{contents}{tables}[ $step->{table} - 1 ];
	my $old = $self->contents_of($before // $after);
	my %how = map { $_ => 1 } @{ $step->{how} // [] };
	my %rows;

	die 'a change of an unknown table' unless $before;
	die 'rows are of another form' if %$old && !$how{empty} && ($self->{forms}{"$before->{schema}.$before->{table}"} // '') eq 'mixed';
	foreach my $row ($how{empty} ? () : map { @$_ } values %$old)
	{
		my %values;
		@values{ map { $_->{name} } @{ $before->{columns} } } = @$row;
		foreach my $change (@{ $step->{changes} // [] })
		{
			delete $values{ $change->{column} } if $change->{kind} eq 'drop';
			$values{ $change->{new_name} } = delete $values{ $change->{column} } if $change->{kind} eq 'rename';
			$values{ $change->{column} } = $change->{missing} if $change->{kind} eq 'add';
		}
		my @fields = map { $values{ $_->{name} } } @{ $after->{columns} };
		push @{ $rows{ key_of($after, @fields) } }, \@fields;
	}
	delete $self->{tables}{"$before->{schema}.$before->{table}"};
	$self->{tables}{"$after->{schema}.$after->{table}"} = \%rows;
	return;
}

sub play_step
{
	my ($self, $bundle, $step) = @_;
	my @tables = @{ $bundle->{contents}{tables} // [] };

	if ($step->{do} eq 'truncate')
	{
		%{ $self->contents_of($tables[ $_ - 1 ]) } = () foreach @{ $step->{tables} };
	}
	elsif ($step->{do} =~ /^(append|delete|merge|patch|count)$/)
	{
		$self->play_rows($bundle, $step, $tables[ $step->{table} - 1 ]);
	}
	elsif ($step->{do} eq 'change')
	{
		$self->play_change($bundle, $step);
	}
	elsif ($step->{do} !~ /^(clear|types|sequences)$/)
	{
		die "no such step here: $step->{do}";
	}
	return;
}

# All that is in out and was not played yet; it must be a chain without a gap.  Tests that, and returns the bundles.
sub play
{
	my ($self, $test) = @_;
	my @played;
	my $wrong = '';

	foreach my $bundle ($self->bundles)
	{
		my $head = $bundle->{head};
		next if $head->{chain} < $self->{chain} || ($head->{chain} == $self->{chain} && $head->{number} <= $self->{number});
		if ($head->{chain} > $self->{chain})
		{
			%$self = (%$self, chain => $head->{chain}, number => 0, sums => undef);
		}
		$wrong ||= "number $head->{number} comes behind $self->{number}" unless $head->{number} == $self->{number} + 1;
		$wrong ||= "number $head->{number} has another predecessor" unless ($head->{previous} // '') eq ($self->{sums} // '');
		@$self{qw(number sums batch)} = (@$head{qw(number)}, $bundle->{sums}, $head->{batch});
		eval { $self->play_step($bundle, $_) foreach @{ $bundle->{contents}{steps} // [] }; 1; } or $wrong ||= $@;
		push @played, $bundle;
	}
	is($wrong, '', $test // 'bundles are a chain, and can be played') or diag($wrong);
	return @played;
}

# What has been played, as lines of text, each of a row whose fields are in hexadecimal digits.
sub lines
{
	my ($self, $table) = @_;
	return join "\n", sort map { join ',', map { defined $_ ? unpack('H*', $_) : '-' } @$_ } map { @$_ } values %{ $self->{tables}{$table} // {} };
}

# Tests that what has been played is what the source has, column by column; form: of the table in bundles.
sub same_as
{
	my ($self, $node, $table, $form, @columns) = @_;
	my $type = $form eq 'binary' ? 'send' : 'text';
	my $fields = join " || ',' || ", map {
		$form eq 'binary'
		  ? "coalesce(encode($_, 'hex'), '-')"
		  : "coalesce(encode(convert_to(($_)::text, 'UTF8'), 'hex'), '-')"
	} @columns;
	my $lines = ask($node, "SET TimeZone = 'UTC'; SET extra_float_digits = 3; SELECT coalesce(string_agg(line, E'\\n' ORDER BY line COLLATE \"C\"), '') FROM (SELECT $fields AS line FROM $table) l");

	return is($self->lines($table), $lines, "$table is what its bundles make of it");
}

1;

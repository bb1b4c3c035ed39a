# docs/reference.md and docs/settings.md say what there is: every function with its
# arguments, defaults and result, every column of the views, every setting, every
# option of a target, and nothing else.  And README's ten minutes can be typed in.
#
# The documents are read by their form: headings, ```sql blocks, tables, and lists of
# arguments.  Signatures are not compared as text: PostgreSQL reads them, by making
# functions of them in another schema, and the catalog is compared with itself.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(quoted);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION dbsync');

sub lines_of
{
	my ($query) = @_;
	return split /\n/, $node->safe_psql('postgres', $query);
}

# Two lists are to be the same; what one of them lacks is named.
sub same
{
	my ($document, $what, $documented, $there) = @_;
	my %documented = map { $_ => 1 } @$documented;
	my %there = map { $_ => 1 } @$there;
	my @unknown = grep { !$there{$_} } sort keys %documented;
	my @missing = grep { !$documented{$_} } sort keys %there;

	ok(@$there > 0 && !@unknown && !@missing, "$document: $what");
	diag("$what that $document has and the server has not: $_") foreach @unknown;
	diag("$what that the server has and $document has not: $_") foreach @missing;
	return;
}

# --- reading documents

# Text below each heading, by name; what is formatted as code in it is the name.
sub sections
{
	my ($file, $under) = @_;
	my (%section, $inside, $name);

	foreach my $line (split /\n/, slurp_file($file))
	{
		if ($line =~ /^##? (.*)/)
		{
			$inside = $1 =~ $under;
			undef $name;
		}
		elsif ($line =~ /^### (.*)/)
		{
			$name = $1;
			die "$file has \"$name\" twice\n" if $inside && defined $section{$name};
			$section{$name} = '' if $inside;
		}
		elsif ($inside && defined $name)
		{
			$section{$name} .= "$line\n";
		}
	}
	return %section;
}

# Rows of tables that begin with such a header, cells without spaces and backticks.
sub tables
{
	my ($text, @header) = @_;
	my ($in, @rows);

	foreach my $line (split /\n/, $text)
	{
		my @cells = $line =~ /^\|/ ? map { s/^ *`?|`? *$//gr } split(/\|/, substr($line, 1), -1) : ();

		if (!@cells) { $in = 0; }
		elsif (@cells >= @header && join('|', @cells[ 0 .. $#header ]) eq join('|', @header)) { $in = 1; }
		elsif ($in && $cells[0] !~ /^-+$/) { push @rows, \@cells; }
	}
	return @rows;
}

sub types
{
	my (@names) = @_;
	my %type = map { split /\t/ } lines_of("SELECT t || E'\\t' || t::regtype FROM unnest(ARRAY["
			. join(', ', map { quoted($_) } @names) . ']) t');
	return map { $type{$_} } @names;
}

# Lines like "3 key jsonb": columns that a section's table explains.
sub explained_columns
{
	my ($text) = @_;
	my @rows = tables($text, 'column', 'type', 'meaning');
	my @types = @rows ? types(map { $_->[1] } @rows) : ();

	return map { ($_ + 1) . " $rows[$_][0] $types[$_]" } 0 .. $#rows;
}

# --- functions

my $reference = 'docs/reference.md';
my %function = sections($reference, qr/^Functions/);

my $making = "CREATE SCHEMA documented;\n";
foreach my $name (sort keys %function)
{
	my ($signature) = $function{$name} =~ /^```sql\ndbsync\.(\w+\(.*?)\n```/ms;
	my ($of) = ($signature // '') =~ /^(\w+)/;

	is($of, $name, "$reference: what is below \"$name\" is its signature") or next;
	$making .= "CREATE FUNCTION documented.$signature LANGUAGE internal AS 'pg_backend_pid';\n";
}
my ($result, $out, $err) = $node->psql('postgres', $making, on_error_stop => 0);
is($err, '', "$reference: PostgreSQL can read the signatures");

sub catalog
{
	my ($schema, $expression, $from) = @_;
	return lines_of("SELECT $expression FROM pg_proc p " . ($from // '') . "
		WHERE p.pronamespace = " . quoted($schema) . "::regnamespace");
}

my $arguments = q{CROSS JOIN LATERAL generate_series(1, p.pronargs) n};
my $argument = q{format('%s: argument %s %s %s %s', p.proname, n, p.proargnames[n],
	format_type(p.proargtypes[n - 1], NULL), 'DEFAULT ' || pg_get_function_arg_default(p.oid, n))};
foreach my $what (
	[ 'functions', 'p.proname' ],
	[ 'arguments', $argument, $arguments ],
	[ 'results', q{format('%s: %s', p.proname, pg_get_function_result(p.oid))} ])
{
	my ($kind, @from) = @$what;
	same($reference, $kind, [ catalog('documented', @from) ], [ catalog('dbsync', @from) ]);
}

# lists of arguments, and tables of columns
my (@listed, @explained);
foreach my $name (sort keys %function)
{
	foreach my $bullet ($function{$name} =~ /^- ((?:`\w+`(?:, )?)+):/gm)
	{
		push @listed, map { "$name: $_" } $bullet =~ /`(\w+)`/g;
	}
	push @explained, map { "$name: $_" } explained_columns($function{$name});
}
same($reference, 'explained arguments', \@listed,
	[ catalog('dbsync', q{format('%s: %s', p.proname, p.proargnames[n])}, $arguments) ]);

# what the views show is explained with the views
same($reference, 'explained columns of results', \@explained, [
	grep { !/^(subscription_((table_|sequence_|verify_)?status|selections|refused|progress|quarantine|verifications|differences)|receiver_status|target_types): / }
	catalog('dbsync', q{format('%s: %s %s %s', p.proname, c.n - p.pronargs, p.proargnames[c.n], format_type(c.type, NULL))},
		q{JOIN LATERAL unnest(p.proallargtypes) WITH ORDINALITY c (type, n) ON p.proargmodes[c.n] = 't'}) ]);

# --- views

my %view = sections($reference, qr/^Views/);
same($reference, 'views and their columns',
	[ map { my $name = $_; map { "$name: $_" } explained_columns($view{$name}) } sort keys %view ],
	[ lines_of(q{
		SELECT format('%s: %s %s %s', c.oid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod))
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relnamespace = 'dbsync'::regnamespace AND c.relkind = 'v'}) ]);

# --- settings

my $settings = 'docs/settings.md';
my %unit = ('' => 1, B => 1, kB => 1, MB => 1024, GB => 1024 * 1024, ms => 1, s => 1000, min => 60_000, h => 3_600_000);

# "1 min" as the server counts it
sub value_of
{
	my ($text) = @_;
	my ($number, $unit) = ($text // '') =~ /^(\d+) ?(\w*)$/;

	return $text eq 'empty' ? '' : $text unless defined $number;
	return $number * ($unit{$unit} // die "$settings has the unit $unit\n");
}

my @documented;
foreach my $row (tables(slurp_file($settings), 'setting', 'type', 'default', 'range', 'context'))
{
	my ($name, $type, $default, $range, $context) = @$row;
	my ($least, $most) = $range =~ /^(\S.*?) …(?: (.*))?$/;

	push @documented, sprintf('%s: %s, default %s, %s to %s, context %s', $name, $type, value_of($default),
		map({ defined $_ ? value_of($_) : '-' } $least, defined $least ? $most // 2147483647 : undef), $context);
}
same($settings, 'settings', \@documented, [ lines_of(q{
	LOAD 'dbsync';
	SELECT format('%s: %s, default %s, %s to %s, context %s', name, CASE vartype WHEN 'bool' THEN 'boolean' ELSE vartype END,
		boot_val, coalesce(min_val, '-'), coalesce(max_val, '-'), context)
	FROM pg_settings WHERE name LIKE 'dbsync.%'}) ]);

# a unit of another kind than the setting's would not be seen in the number
same($settings, 'units', [
	map { my ($unit) = $_->[2] =~ /^\d+ ([A-Za-z]+)$/; "$_->[0] " . (!$unit ? '-' : $unit =~ /B$/ ? 'bytes' : 'time') }
	tables(slurp_file($settings), 'setting', 'type', 'default', 'range', 'context') ],
	[ lines_of(q{
		LOAD 'dbsync';
		SELECT name || ' ' || CASE WHEN unit IS NULL THEN '-' WHEN right(unit, 1) = 'B' THEN 'bytes' ELSE 'time' END
		FROM pg_settings WHERE name LIKE 'dbsync.%'}) ]);

my %explained = sections($settings, qr/./);
same($settings, 'explained settings', [ keys %explained ],
	[ lines_of(q{LOAD 'dbsync'; SELECT name FROM pg_settings WHERE name LIKE 'dbsync.%'}) ]);

# --- options of targets

# What libpq knows depends on its version, which only has to be one that the table tells:
# of the options that came with a version it has all or none.
my $text = slurp_file($reference);
my @options = (
	(map { [ @$_[ 0 .. 2 ], '' ] } tables($text, 'option', 'in', 'who', 'meaning')),
	(map { [ @$_[ 0 .. 3 ] ] } tables($text, 'option', 'in', 'who', 'libpq')));
my %accepted;

# takes(): is such an option accepted?  The list is what the error's hint has.
$node->safe_psql('postgres', q{
	CREATE FUNCTION takes(option text, catalog regclass, OUT taken boolean, OUT list text) LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM dbsync_internal.postgres_validator(ARRAY[option || '=1'], catalog);
		taken := true;
	EXCEPTION WHEN fdw_invalid_option_name THEN
		GET STACKED DIAGNOSTICS list = PG_EXCEPTION_HINT;
		taken := false;
	-- known, but of another type
	WHEN OTHERS THEN
		taken := true;
	END $$});
foreach my $of ([ 'server', 'pg_foreign_server' ], [ 'user mapping', 'pg_user_mapping' ])
{
	my ($hint) = lines_of("SELECT list FROM takes('no_such_option', '$of->[1]')");
	my @names = split /, /, $hint =~ s/.*: //r;
	my @taken = lines_of("SELECT DISTINCT o FROM unnest(ARRAY["
			. join(', ', map { quoted($_) } @names, map { $_->[0] } @options)
			. "]) o WHERE (takes(o, '$of->[1]')).taken");

	push @{ $accepted{$_} }, $of->[0] foreach @taken;
	same('the hint', "options of a $of->[0]", \@names, \@taken);
}

# those of file targets, as the hint has them
my ($out_of, undef, $said) = $node->psql('postgres', q{SELECT dbsync_internal.file_validator(ARRAY['no_such_option=1'], 'pg_foreign_server'::regclass)});
my ($file_options) = $said =~ /context are: (.*)/;
same($reference, 'options of file targets', [ map { $_->[0] } tables($text, 'file option', 'default', 'what it says') ],
	[ split /, /, $file_options // '' ]);

# and of SQLite's, where the driver was built
if (-e (`pg_config --pkglibdir` =~ s/\n//r) . '/dbsync_sqlite.so')
{
	$node->safe_psql('postgres', 'CREATE EXTENSION dbsync_sqlite');
	(undef, undef, $said) = $node->psql('postgres', q{SELECT dbsync_internal.sqlite_validator(ARRAY['no_such_option=1'], 'pg_foreign_server'::regclass)});
	same($reference, 'options of SQLite targets', [ map { $_->[0] } tables($text, 'SQLite option', 'default', 'what it says') ],
		[ split /, /, ($said =~ /context are: (.*)/)[0] // '' ]);
	$node->safe_psql('postgres', 'DROP EXTENSION dbsync_sqlite');
}

my %known;
$known{ $_->[3] }{ defined $accepted{ $_->[0] } ? 'known' : 'unknown' } = 1 foreach grep { $_->[3] ne '' } @options;
my @of_this_libpq = grep { $_->[3] eq '' || $known{ $_->[3] }{known} } @options;
note('libpq is older than ' . join(', ', grep { !$known{$_}{known} } sort keys %known));

my %superusers = map { $_ => 1 } lines_of(q{
	SELECT o FROM unnest(ARRAY[} . join(', ', map { quoted($_) } keys %accepted) . q{]) o
	WHERE dbsync_internal.superuser_option('dbsync_postgres', o) IS NOT NULL});
same($reference, 'options',
	[ map { "$_->[0] of " . ($_->[1] eq 'either' ? 'server or user mapping' : $_->[1])
		. ($_->[2] eq 'superuser' ? ', for superusers' : '') } @of_this_libpq ],
	[ map { "$_ of " . join(' or ', @{ $accepted{$_} }) . ($superusers{$_} ? ', for superusers' : '') } keys %accepted ]);

# --- README

# What README has people type, but for where this server is.
my ($minutes) = slurp_file('README.md') =~ /^## Ten minutes.*?\n(.*?)^## /ms;
my $script = join("\n", $minutes =~ /^```sql\n(.*?)^```/gms);
my $file = $node->basedir . '/ten_minutes.sql';

ok($script =~ s{host=/var/run/postgresql}{'host=' . $node->host . '&port=' . $node->port}e, 'README connects to a target');
append_to_file($file, $script);
$node->safe_psql('postgres', "CREATE DATABASE $_") foreach qw(shop reporting);
$node->command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', 'shop', '-f', $file ], "README's ten minutes can be typed in");
is($node->safe_psql('shop', "SELECT dbsync.wait_for('orders', '$PostgreSQL::Test::Utils::timeout_default s')"), 't',
	'what was mended goes on');
my $orders = q{SELECT count(*) || md5(string_agg(o::text, ';' ORDER BY o.id)) FROM orders o};
is($node->safe_psql('reporting', $orders), $node->safe_psql('shop', $orders), 'and both sides have the same then');

$node->stop;
done_testing();

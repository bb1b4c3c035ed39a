# A change of a table's shape that waits for somebody at the target, or is made: as the receiver's option says at that moment.
use strict;
use warnings;

use lib 't';
use DbsyncTest::Bundle qw(bundle_functions head_text make_bundle quoted);
use DbsyncTest::Server qw(ask becomes_true new_node uri_of);
use File::Copy qw(copy);
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('here', preload => 1);
my $made = PostgreSQL::Test::Utils::tempdir_short();
my $root = PostgreSQL::Test::Utils::tempdir_short() . '/in';
my $in = "$root/in";
my ($true, $false) = (JSON::PP::true, JSON::PP::false);

$node->safe_psql('postgres', 'CREATE EXTENSION dbsync; CREATE TABLE public.t (id int PRIMARY KEY, v text)');
bundle_functions($node);
my $public = $node->safe_psql('postgres', "SELECT bundle_test.make_key('$made/key')");
$node->safe_psql('postgres', 'SELECT dbsync.create_target($$here$$, ' . quoted(uri_of($node)) . ')');
$node->safe_psql('postgres', "SELECT dbsync.create_receiver('r', 'file://$root', 'here', ARRAY[" . quoted($public) . "], policy => 'interval 50 ms')");

sub table
{
	my ($letter, @columns) = @_;
	return { id => '00000000-0000-4000-8000-000000000001', source => 'public.t', schema => 'public', table => 't',
		columns => [ map { my ($name, $type) = split ' '; +{ name => $name, type => $type, oid => 0, typmod => -1, not_null => $false } } @columns ],
		key => [1], generated => [], chosen => $false, fingerprint => "a$letter" x 32 };
}

my $previous;
my $number = 0;
sub put
{
	my ($tables, $steps, @queries) = @_;
	my $path = "$made/" . ++$number . '.tar';
	$previous = make_bundle($node, $path, "$made/key",
		head_text(chain => 100, number => $number, previous => $previous, batch => $number, requires => [ grep { $_ eq 'change' } map { $_->{do} } @$steps ]),
		JSON::PP->new->canonical->encode({ encoding => 'UTF8', route => '1/1', tables => $tables, steps => $steps, parts => [] }), \@queries) // die;
	mkdir $root;
	mkdir $in;
	copy($path, "$in/.tmp") or die $!;
	rename("$in/.tmp", "$in/$number.tar") or die $!;
	return;
}

sub added
{
	my ($column) = @_;
	return { do => 'change', table => 2, before => 1, how => [], changes => [ { kind => 'add', column => $column, new_name => undef, type => 'text', oid => 25,
		typmod => -1, collation => 100, old_oid => 0, old_typmod => 0, not_null => $false, value => undef, missing => undef, key => [], identity => undef } ] };
}

my %rows = (form => 'text', file => '1.copy', rows => 0, bytes => 0);
$node->safe_psql('postgres', "SELECT dbsync.start_receiver('r')");
put([ table('a', 'id integer', 'v text') ], [ { do => 'append', table => 1, %rows } ], q{SELECT 1, 'a'});
put([ table('a', 'id integer', 'v text'), table('b', 'id integer', 'v text', 'x text') ], [ added('x') ]);
ok(becomes_true($node, q{SELECT coalesce(bool_and(number = 1 AND next_action LIKE '%ADD COLUMN x%'), false) FROM dbsync.receivers}), 'it waits, and says for what')
  or diag(ask($node, 'SELECT to_json(r) FROM dbsync.receivers r'));
$node->safe_psql('postgres', 'ALTER TABLE public.t ADD COLUMN x text');
ok(becomes_true($node, 'SELECT coalesce(bool_and(number = 2), false) FROM dbsync.receivers'), 'and goes on when it is made');
$node->safe_psql('postgres', q{SELECT dbsync.alter_receiver('r', options => '{"ddl": "apply"}')});
put([ table('b', 'id integer', 'v text', 'x text'), table('c', 'id integer', 'v text', 'x text', 'y text') ], [ added('y'), { do => 'append', table => 2, %rows } ],
	q{SELECT 2, 'b', 'x', 'y'});
ok(becomes_true($node, 'SELECT coalesce(bool_and(number = 3), false) FROM dbsync.receivers'), 'it is made, where that was said');
is(ask($node, 'SELECT string_agg(t::text, $$ $$ ORDER BY id) FROM public.t t'), '(1,a,,) (2,b,x,y)', 'rows have the new column');
$node->safe_psql('postgres', q{SELECT dbsync.alter_receiver('r', options => '{"ddl": "wait"}')});
put([ table('c', 'id integer', 'v text', 'x text', 'y text'), table('d', 'id integer', 'v text', 'x text', 'y text', 'z text') ], [ added('z') ]);
ok(becomes_true($node, q{SELECT coalesce(bool_and(number = 3 AND next_action LIKE '%ADD COLUMN z%'), false) FROM dbsync.receivers}), 'and not any more')
  or diag(ask($node, 'SELECT to_json(r) FROM dbsync.receivers r'));
ok(!(grep { /TRAP|PANIC|terminated by signal/ } split /\n/, PostgreSQL::Test::Utils::slurp_file($node->logfile)), 'no crash');
done_testing();

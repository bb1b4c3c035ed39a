# First copies over several connections, and in the middle of each the table changes: columns,
# names, the type of the key, the key itself, values that only a new copy brings.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask poll_until);
use DbsyncTest::Changing;
use Test::More;

my $pair = DbsyncTest->new(source_conf => <<'CONF');
dbsync.copy_chunk_rows = 1000
dbsync.copy_connections = 3
dbsync.segment_size = '256kB'
dbsync.retention_interval = '200ms'
CONF
my ($source, $target) = ($pair->source, $pair->target);
DbsyncTest::Changing::create_state($pair);
$pair->both('CREATE TABLE public.big (a int PRIMARY KEY, b int NOT NULL, t text)');
$pair->sql("INSERT INTO public.big SELECT i, -i, 't' || i FROM generate_series(1, 60000) i");
$pair->subscribe('s', ['public.big'], ddl => "'apply'");
$pair->start_subscription('s');

my @cases = (
	'ALTER TABLE public.big ADD c1 int DEFAULT 4; UPDATE public.big SET c1 = b WHERE b % 10 = 0',
	"ALTER TABLE public.big ADD c2 int; ALTER TABLE public.big RENAME t TO tt; UPDATE public.big SET tt = 'x' WHERE b % 7 = 0",
	'BEGIN; UPDATE public.big SET tt = NULL WHERE b % 3 = 0; ALTER TABLE public.big DROP tt; ALTER TABLE public.big RENAME a TO id; UPDATE public.big SET c1 = 3 WHERE b % 4 = 0; COMMIT',
	'ALTER TABLE public.big ALTER id TYPE bigint; INSERT INTO public.big (id, b) VALUES (7000000000, 1), (-7000000000, 2)',
	'ALTER TABLE public.big DROP CONSTRAINT big_pkey, ADD PRIMARY KEY (b, id); DELETE FROM public.big WHERE id % 11 = 0',
	'ALTER TABLE public.big ALTER c1 TYPE text USING c1::text || 1; DELETE FROM public.big WHERE id % 13 = 0',
	'ALTER TABLE public.big ADD c3 timestamptz DEFAULT clock_timestamp(); UPDATE public.big SET c2 = 3 WHERE b % 4 = 0');
my $state = DbsyncTest::Changing::state_sql('public.big');

# Begins a copy, anew if it is over before anybody looks.
sub is_on_its_way
{
	return poll_until(
		sub {
			my ($state, $rows) = split /\|/, ask($source, 'SELECT state, rows_copied FROM dbsync.table_status');

			$pair->sql("SELECT dbsync.copy_table('s', 'public.big', existing_rows => 'truncate')") if $state eq 'live';
			return $state eq 'copying' && $rows >= 2000 && $rows <= 50000;
		},
		'a copy');
}

foreach my $number (0 .. $#cases)
{
	my $what = "case $number";

	note($cases[$number]);
	ok(is_on_its_way(), "$what: the copy is on its way");
	$pair->sql($cases[$number]);
	$pair->arrives('s', "$what: all arrives");
	my $wanted = ask($source, $state);
	like($wanted, qr/ \d{5} rows/, "$what: there are rows");
	is(ask($target, $state), $wanted, "$what: both ends are equal, columns, keys and rows");
}
DbsyncTest::finish();

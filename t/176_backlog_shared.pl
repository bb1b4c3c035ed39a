# A backlog with a ceiling, where the target has rows that no copy brings, though nobody has said so: of another
# subscription that writes to the same table, or of its own, as both ends feed each other.  These are not replaced
# without being asked.  Issue "When changes travel, an INI file, and the ways to capture", number 6.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(becomes_true uri_of);
use Test::More;

my $settings = <<'CONF';
shared_preload_libraries = 'dbsync'
dbsync.segment_size = '64kB'
dbsync.retention_interval = '50ms'
dbsync.retry_max = '500ms'
CONF
my $pair = DbsyncTest->new(source_conf => $settings, target_conf => $settings);
my $asks = qr/^Given up, .* not copied anew by itself: public\.(\w+)\. To go on: SELECT dbsync\.copy_table/;

sub given_up
{
	my ($subscription, $test) = @_;

	return $pair->status_becomes($subscription, "next_action LIKE 'Given up, %'", $test);
}

sub write_bulk
{
	my ($table, $from) = @_;

	return $pair->sql("INSERT INTO public.$table SELECT i, repeat('x', 1000) FROM generate_series($from, $from + 700) i");
}

# --- two subscriptions of one target table

$pair->both('CREATE TABLE public.east (id int PRIMARY KEY, t text)');
$pair->sql(<<'SQL');
CREATE TABLE public.west (id int PRIMARY KEY, t text);
INSERT INTO public.east SELECT i, 'east' FROM generate_series(1, 10) i;
INSERT INTO public.west SELECT -i, 'west' FROM generate_series(1, 10) i;
SQL
$pair->subscribe('east', ['public.east'], backlog_limit => "'256 kB'");
$pair->start_subscription('east');
$pair->arrives('east');
$pair->sql(q{SELECT dbsync.create_subscription('west', 'far')});
$pair->sql(q{SELECT dbsync.add_table('west', 'public.west', target_table => 'public.east', existing_rows => 'keep')});
$pair->start_subscription('west');
$pair->arrives('west');
$pair->target->stop('fast');
write_bulk('east', 11);
given_up('east', 'one of two is given up');
like($pair->status('east')->{next_action}, $asks, 'somebody has to decide');
$pair->target->start;
$pair->arrives('west');
$pair->rest_arrives('east');
is($pair->target_sql('SELECT count(*) FILTER (WHERE id < 0), count(*) FILTER (WHERE id > 0) FROM public.east'), '10|10', 'what the other has brought stays');
$pair->sql(q{SELECT dbsync.copy_table('east', 'public.east', existing_rows => 'keep')});
$pair->arrives('east');
is($pair->target_sql('SELECT count(*) FILTER (WHERE id < 0), count(*) FILTER (WHERE id > 0) FROM public.east'), '10|711', 'and as somebody has said so it is copied beside it');
$pair->stop_subscription($_), $pair->sql("SELECT dbsync.drop_subscription('$_')") foreach qw(east west);

# --- both ends feed each other

$pair->both('CREATE TABLE public.both_ways (id int PRIMARY KEY, t text)');
$pair->target_sql('CREATE EXTENSION dbsync');
$pair->target_sql(sprintf('SELECT dbsync.create_target(%s, %s)', map { DbsyncTest::quoted($_) } 'far', uri_of($pair->source)));
$pair->subscribe('there', ['public.both_ways'], backlog_limit => "'256 kB'");
$pair->start_subscription('there');
$pair->arrives('there');
$pair->target_sql(q{SELECT dbsync.create_subscription('back', 'far', '{public.both_ways}', copy_data => false); SELECT dbsync.start_subscription('back')});
ok(becomes_true($pair->target, 'SELECT bool_and(note IS NULL) FROM dbsync.table_status'), 'the other way is captured');
$pair->target_sql("INSERT INTO public.both_ways VALUES (-1, 'there')");
ok(becomes_true($pair->source, 'SELECT count(*) = 1 FROM public.both_ways'), 'it arrives');

# the way back is closed: what the target writes has not come here as the table is given up
$pair->target_sql(q{SELECT dbsync.stop_subscription('back')});
$pair->target_sql("INSERT INTO public.both_ways VALUES (-2, 'there, and not here yet')");
$pair->stop_subscription('there');
$pair->sql("SELECT dbsync.create_subscription('looks', 'far'), dbsync.start_subscription('looks')");
write_bulk('both_ways', 1);
given_up('there', 'it is given up');
like($pair->status('there')->{next_action}, $asks, 'somebody has to decide of the two ways, too');
$pair->start_subscription('there');
$pair->target_sql(q{SELECT dbsync.start_subscription('back')});
$pair->rest_arrives('there');
ok(becomes_true($pair->source, 'SELECT count(*) = 2 FROM public.both_ways WHERE id < 0'), 'what the target has written comes here');
is($pair->target_sql('SELECT count(*) FROM public.both_ways WHERE id < 0'), '2', 'and is still there');
$pair->sql(q{SELECT dbsync.copy_table('there', 'public.both_ways')});
$pair->arrives('there');
$pair->same_at_both_ends('public.both_ways');

DbsyncTest::finish();

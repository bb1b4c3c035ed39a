# What targets lack that are older than the source: before 15 nobody but a superuser can keep triggers and
# foreign keys silent: rows come in an order that they allow.  And 11 is
# refused as a whole.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(quoted uri_of);
use Test::More;

my %brought = map { $_->{major} => $_ } DbsyncTest::Installed::brought();

# Skips what a server is needed for that could not be had.
sub with_server
{
	my ($major, $test) = @_;
	my $server = $brought{$major};

  SKIP:
	{
		# CHECK_TARGETS wants others only
		skip("a target of $major: not wanted", 1) if !$server;
		skip("a target of $major ($server->{version}): $server->{reason}", 1) if $server->{reason};
		subtest("a target of $server->{version}", sub { eval { $test->($major, $server->{path}); 1 } or fail("dies: $@") });
	}
	return;
}

sub lets_no_parameter_be_granted
{
	my ($major, $path) = @_;
	my $pair = DbsyncTest->new(
		prefix => "on_${major}_",
		target_path => $path,
		uri => sub { uri_of($_[0]->target, user => 'sync') });
	my ($source, $target) = ($pair->source, $pair->target);
	# an error of run_once(), or nothing
	my $run = sub { ($source->psql('postgres', "SELECT dbsync.run_once('old')"))[2] };

	$pair->target_sql('CREATE ROLE sync LOGIN; GRANT CREATE ON DATABASE postgres TO sync');
	my ($version) = split / /, $pair->target_sql('SHOW server_version');
	is($pair->sql("SELECT version, \"user\", replica_role FROM dbsync.test_target('far')"), "PostgreSQL $version|sync|f",
		'test_target says that the role may not set session_replication_role');

	$pair->both($_) foreach
	  'CREATE TABLE public.plain (id int PRIMARY KEY, v int)',
	  'CREATE TABLE public.parent (id int PRIMARY KEY)',
	  'CREATE TABLE public.child (id int PRIMARY KEY, parent int REFERENCES public.parent)';
	$pair->target_sql('GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO sync');
	$pair->sql('INSERT INTO public.plain SELECT i, i FROM generate_series(1, 3000) i');
	$pair->subscribe('old', ['public.plain']);
	is($run->(), '', 'a table that nothing fires on is copied');
	$pair->sql('UPDATE public.plain SET v = -v WHERE id % 2 = 0; DELETE FROM public.plain WHERE id < 100');
	$pair->sql('UPDATE public.plain SET v = 0 WHERE id = 1000');
	is($run->(), '', 'and its changes arrive');
	$pair->same_at_both_ends('public.plain');

	$pair->sql('INSERT INTO public.parent VALUES (1), (2); INSERT INTO public.child VALUES (1, 1), (2, 2)');
	$pair->sql("SELECT dbsync.add_table('old', 'public.$_')") foreach qw(child parent);
	is($run->(), '', 'tables with foreign keys are copied, parents first');
	is($pair->status('old')->{foreign_keys}, 'ordered', 'as the target checks them');
	$pair->same_at_both_ends(qw(public.child public.parent));
	$pair->sql('INSERT INTO public.parent VALUES (3); UPDATE public.child SET parent = 3 WHERE id = 1; DELETE FROM public.parent WHERE id = 1');
	is($run->(), '', 'and their changes arrive');
	$pair->same_at_both_ends(qw(public.child public.parent));

	$pair->target_sql('CREATE RULE nothing AS ON INSERT TO public.plain DO INSTEAD NOTHING');
	$pair->sql('INSERT INTO public.plain VALUES (9000, 1)');
	like($run->(), qr/target table "public\.plain" has rules: nothing.*under which rules do not fire/s, 'rules are refused');
	$pair->target_sql('DROP RULE nothing ON public.plain');
	$pair->target_sql($_) foreach
	  'CREATE TABLE public.seen (id int)', 'GRANT INSERT ON public.seen TO sync',
	  'CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen VALUES (NEW.id); RETURN NEW; END $$',
	  'CREATE TRIGGER see BEFORE INSERT ON public.plain FOR EACH ROW EXECUTE FUNCTION public.see()';
	like($run->(), qr/target table "public\.plain" has triggers that fire before each row: see/, 'so are triggers before each row');
	$pair->target_sql('DROP TRIGGER see ON public.plain; CREATE TRIGGER see AFTER INSERT ON public.plain FOR EACH ROW EXECUTE FUNCTION public.see()');
	is($run->(), '', 'what fires behind it is not');
	$pair->same_at_both_ends('public.plain');
	is($pair->target_sql('SELECT string_agg(id::text, \',\') FROM public.seen'), '9000', 'and fires');

	$pair->target_sql('ALTER ROLE sync SUPERUSER');
	$pair->sql('INSERT INTO public.plain VALUES (9001, 1)');
	is($run->(), '', 'a superuser writes all the same');
	$pair->same_at_both_ends('public.plain');
	is($pair->target_sql('SELECT count(*) FROM public.seen'), '1', 'and nothing fires');
	$_->stop foreach $source, $target;
	return;
}

sub is_too_old
{
	my ($major, $path) = @_;
	my $pair = DbsyncTest->new(prefix => "on_${major}_", target_path => $path);
	my ($version) = split / /, $pair->target_sql('SHOW server_version');

	$pair->both('CREATE TABLE public.plain (id int PRIMARY KEY)');
	$pair->sql('INSERT INTO public.plain VALUES (1)');
	my (undef, undef, $error) = $pair->source->psql('postgres', "SELECT * FROM dbsync.test_target('far')");
	like($error, qr/target "far" runs PostgreSQL \Q$version\E, which is too old.*HINT:  Targets from PostgreSQL 12 on are supported\./s,
		'is refused by test_target');
	$pair->subscribe('old', ['public.plain']);
	$pair->start_subscription('old');
	$pair->status_becomes('old', "last_error LIKE '%PostgreSQL $version, which is too old'"
		  . " AND next_action = 'Targets from PostgreSQL 12 on are supported.'", 'status says so');
	is($pair->target_sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'dbsync_ledger'"), '0', 'nothing was made there');
	is($pair->target_sql('SELECT count(*) FROM public.plain'), '0', 'and nothing written');
	$_->stop foreach $pair->source, $pair->target;
	return;
}

with_server(14, \&lets_no_parameter_be_granted);
with_server(12, \&lets_no_parameter_be_granted);
with_server(11, \&is_too_old);

DbsyncTest::finish();

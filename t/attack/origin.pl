# A11, A12, A13: what a role that may write can do with dbsync.origin and dbsync.tag
# to changes of its own and to those of others; and what an apply role needs where the
# target is a source as well.  With the library preloaded, and loaded by the
# first captured change.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(uri_of);
use Test::More;

my $node;

sub sql { my ($name, $sql) = @_; return $node->safe_psql($name, $sql); }

# What the role gets for its statements, which go on after an error.
sub as_role
{
	my ($role, $name, $sql) = @_;
	my (undef, $out, $error) = $node->psql($name, $sql, extra_params => [ '-U', $role ], on_error_stop => 0);
	return "$out$error";
}

# What run_once() says, be it an error.
sub run_once
{
	my ($name, $subscription) = @_;
	my (undef, $out, $error) = $node->psql($name, "SELECT dbsync.run_once('$subscription')");
	return "$out$error";
}

sub identity_of
{
	my ($name) = @_;
	return sql('here', "SELECT system_identifier || '/' || oid FROM pg_control_system(), pg_database WHERE datname = '$name'");
}

# Sends what there is and tests that both ends are the same.
sub arrives
{
	my ($subscription, $target, $test) = @_;
	my $said = run_once('here', $subscription);
	my $rows = "SELECT string_agg(i::text, ' ' ORDER BY i) FROM public.item i";

	return is("$said: " . sql($target, $rows), ($said =~ /^\d+$/ ? $said : 'no error') . ': ' . sql('here', $rows), $test);
}

sub start_server
{
	my ($kind) = @_;

	$node = DbsyncTest::new_node($kind, preload => $kind eq 'preloaded');
	sql('postgres', $_) foreach 'CREATE ROLE writer LOGIN', 'CREATE ROLE sync LOGIN',
	  'CREATE DATABASE here', 'CREATE DATABASE there',
	  "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0";
	foreach my $name ('here', 'there', 'latin')
	{
		sql($name, 'CREATE TABLE public.item (id int PRIMARY KEY); GRANT SELECT, INSERT ON public.item TO writer;'
			  . 'GRANT ALL ON public.item TO sync');
		sql('postgres', "GRANT CREATE ON DATABASE $name TO sync");
		sql($name, 'CREATE EXTENSION dbsync') if $name ne 'latin';
	}
	sql('here', "SELECT dbsync.create_target('$_', '" . uri_of($node, database => $_, user => 'sync') . "');"
		  . "SELECT dbsync.create_subscription('to_$_', '$_', ARRAY['public.item'])") foreach 'there', 'latin';
	sql('there', "SELECT dbsync.create_target('here', '" . uri_of($node, database => 'here', user => 'sync') . "');"
		  . "SELECT dbsync.create_subscription('back', 'here', ARRAY['public.item'], copy_data => false)");
	run_once('here', $_) foreach 'to_there', 'to_latin';
	return;
}

foreach my $kind ('preloaded', 'lazy')
{
	start_server($kind);

	# --- what a writer says of his changes

	my $there = identity_of('there');
	my $said = as_role('writer', 'here', "SET dbsync.origin = '$there'; INSERT INTO public.item VALUES (1)");
	like($said, qr/permission denied to set parameter "dbsync.origin"/, "$kind, A11: a writer may not set dbsync.origin");
	arrives('to_there', 'there', "$kind, A11: his rows go where they belong");

	as_role('writer', 'here', "SET client_encoding = 'UTF8'; SET dbsync.origin = '\x{e2}\x{82}\x{ac} poison'; "
		  . "SET dbsync.tag = '\x{e2}\x{82}\x{ac}'; SET application_name = '\x{e2}\x{82}\x{ac}'; "
		  . 'INSERT INTO public.item VALUES (2)');
	arrives('to_latin', 'latin', "$kind, A12: nothing that a header says stops a target of another encoding");

	$said = as_role('writer', 'here', "SELECT length(set_config('dbsync.origin', repeat('y', 1000000), false)); "
		  . "SELECT length(set_config('dbsync.tag', repeat('y', 1000000), false)); INSERT INTO public.item VALUES (3)");
	like($said, qr/permission denied to set parameter "dbsync.origin"/, "$kind, A13: no origin of a million bytes");
	like($said, qr/invalid value for parameter "dbsync.tag"\n.*1024 is the most/, "$kind, A13: no tag of a million bytes");
	cmp_ok(length($said), '<', 10_000, "$kind, A13: nor does the refusal repeat them");
	is(sql('here', "SELECT max(pg_column_size(c)) < 3000 FROM dbsync.changes('public.item') c"), 't',
		"$kind, A13: headers stay small");
	arrives('to_there', 'there', "$kind, A13: the row is sent");
	as_role('writer', 'here', "SET dbsync.tag = '" . ('t' x 1024) . "'; INSERT INTO public.item VALUES (4)");
	is(sql('here', "SELECT max(length(tag)) FROM dbsync.changes('public.item')"), 1024, "$kind, A13: 1 kB is taken whole");

	# --- what the form is, for those who may

	foreach my $wrong ('x', '1/', '/1', '1/2 ', ' 1/2', '1/2  3/4', '1/2,3/4', '-1/2', ('1' x 39) . '/1',
		join(' ', map { "1/$_" } 1 .. 33))
	{
		my (undef, undef, $error) = $node->psql('here', "SELECT dbsync_internal.is_preloaded(); SET dbsync.origin = '$wrong'");
		like($error, qr/invalid value for parameter "dbsync.origin"/, "$kind: \"" . substr($wrong, 0, 40) . '" is no origin');
	}
	sql('here', "SELECT dbsync_internal.is_preloaded(); SET dbsync.origin = '" . join(' ', map { "1/$_" } 1 .. 32) . "'; SET dbsync.origin = ''");
	pass("$kind: 32 databases are one, and so is none");

	# --- an apply role where the target is a source as well

	run_once('here', $_) foreach 'to_there', 'to_latin';
	sql('here', "SELECT dbsync.start_subscription('to_there')");
	sql('here', "INSERT INTO public.item VALUES (5)");
	is((DbsyncTest::Server::wait_for($node, 'to_there', 'here'))[1], 't', "$kind: where the target captures nothing no right is asked for");
	sql('postgres', 'GRANT SET ON PARAMETER dbsync.origin TO writer');
	like(run_once('there', 'back'), qr/is captured there, and user "sync" may not set dbsync.origin/,
		"$kind, A11: the way back wants the right as well; but capture has begun there while we are connected");
	sql('here', 'INSERT INTO public.item VALUES (6)');
	ok($node->poll_query_until('here', q{SELECT last_error ~ 'may not set dbsync.origin'
		AND next_action LIKE '%GRANT SET ON PARAMETER dbsync.origin TO sync;%' FROM dbsync.status WHERE subscription = 'to_there'}),
		"$kind, A11: without its origin a change is not captured there, and status says what to grant");
	sql('here', "SELECT dbsync.stop_subscription('to_there')");
	like(run_once('here', 'to_there'), qr/is captured there, and user "sync" may not set dbsync.origin.*GRANT SET ON PARAMETER dbsync.origin TO sync;/s,
		"$kind, A11: nor is the table opened");
	is(sql('there', 'SELECT max(id) FROM public.item'), 5, "$kind: nothing was applied");
	sql('postgres', 'GRANT SET ON PARAMETER dbsync.origin TO sync');
	arrives('to_there', 'there', "$kind: with that right it flows");
	is(sql('there', "SELECT string_agg(DISTINCT origin, ' ') FROM dbsync.changes('public.item')"), identity_of('here'),
		"$kind: is captured with its origin");
	is(run_once('there', 'back'), '0', "$kind: and is not sent back");
	$node->stop;
}

DbsyncTest::finish();

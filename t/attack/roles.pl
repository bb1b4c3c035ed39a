# What roles with few rights can do to others: credentials that were lent stay with
# their address, rights that were taken away count, a table's owner is master of it,
# nobody takes all workers, no secret is shown, and a subscription has an owner.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask becomes_true poll_until quoted uri_of);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# the client's own statements are not what is looked for in the log
my $pair = DbsyncTest->new(source_conf => <<'CONF');
log_min_error_statement = panic
dbsync.max_subscriptions_per_role = 2
CONF
my $source = $pair->source;
my $target = $pair->target;
my $superuser = getpwuid($<);

# --- roles with the grants of README, and a target that asks for passwords

foreach my $role (qw(app tenant owner stranger heir crowd))
{
	$pair->sql("CREATE ROLE $role LOGIN");
	$pair->sql("GRANT $_ TO $role") foreach (
		'USAGE ON SCHEMA dbsync', 'EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync',
		'USAGE ON FOREIGN DATA WRAPPER dbsync_postgres');
	$pair->sql("GRANT SELECT ON dbsync.status, dbsync.table_status TO $role");
}
$pair->target_sql($_) foreach (
	q{CREATE ROLE sync LOGIN SUPERUSER PASSWORD 'hunter2'},
	q{CREATE ROLE easy LOGIN});
my $hba = $target->data_dir . '/pg_hba.conf';
my $rules = slurp_file($hba);
unlink($hba);
append_to_file($hba, "local all sync scram-sha-256\n$rules");
$target->reload;

my $uri = uri_of($target, user => 'sync');
my $easy_uri = uri_of($target, user => 'easy');
my $home_uri = uri_of($source, user => $superuser);

# What a role gets for a statement: (did it succeed, what it says).
sub as_role
{
	my ($role, $sql) = @_;
	my ($status, $out, $error) = $source->psql('postgres', "\\set VERBOSITY verbose\n$sql",
		extra_params => [ '-U', $role ]);
	return ($status == 0 && $error !~ /ERROR/, $out . $error);
}

sub may
{
	my ($role, $sql, $test) = @_;
	my ($did, $said) = as_role($role, $sql);
	ok($did, $test) or diag($said);
	return $said;
}

sub may_not
{
	my ($role, $sql, $words, $test) = @_;
	my ($did, $said) = as_role($role, $sql);
	ok(!$did && $said =~ $words, $test) or diag($said);
	return $said;
}

# Does a role get to a server without a password?
sub gets_nowhere
{
	my ($role, $name, $words, $test) = @_;
	may_not($role, "SELECT * FROM dbsync.test_target('$name')", $words, $test);
	return;
}

# --- A9: what a superuser lends stays with the address

my $lent = qr/42501.*is for targets that a superuser owns/s;
my $home = $source->host;

may('tenant', "SELECT dbsync.create_target('bt', '$easy_uri')", 'A9: a target without password can be made');
gets_nowhere('tenant', 'bt', qr/password is required/, 'A9: but needs one to connect');
$pair->sql("ALTER USER MAPPING FOR tenant SERVER bt OPTIONS (ADD password_required 'false')");
may_not('tenant', "SELECT dbsync.alter_target('bt', '$home_uri')",
	qr/42501.*a superuser has set option "password_required"/s, 'A9: alter_target() is refused then');
may_not('tenant', "ALTER USER MAPPING FOR tenant SERVER bt OPTIONS (SET user '$superuser')",
	qr/superuser-only/, 'A9: ALTER USER MAPPING is refused');
gets_nowhere('tenant', 'bt', $lent, 'A9: on a target that tenant owns the waiver does not count');
may('tenant', "ALTER SERVER bt OPTIONS (SET host '$home', SET port '" . $source->port . q{')},
	'A9: its owner can move the address, as he can with any server');
gets_nowhere('tenant', 'bt', $lent, 'A9: which gets him nowhere');
$pair->sql("CREATE USER MAPPING FOR PUBLIC SERVER bt OPTIONS (user '$superuser', password_required 'false')");
may('tenant', 'GRANT USAGE ON FOREIGN SERVER bt TO app', 'A9: he lets another role use it');
gets_nowhere('app', 'bt', $lent, 'A9: nor does a mapping of PUBLIC');
gets_nowhere($superuser, 'bt', $lent, 'A9: nor is a superuser led astray by it');
$pair->sql('DROP USER MAPPING FOR PUBLIC SERVER bt');
$pair->sql("CREATE USER MAPPING FOR $superuser SERVER bt OPTIONS (user '$superuser')");
gets_nowhere($superuser, 'bt', qr/password is required/,
	'A9: without password not even a superuser goes where tenant leads him');
may('tenant', 'DROP USER MAPPING FOR tenant SERVER bt; '
	  . "CREATE USER MAPPING FOR tenant SERVER bt OPTIONS (user '$superuser')", 'A9: dropped and made again ...');
gets_nowhere('tenant', 'bt', qr/password is required/, 'A9: ... it is gone');
$pair->sql("ALTER SERVER bt OPTIONS (ADD sslcert '/x')");
may_not('tenant', "SELECT dbsync.alter_target('bt', '$home_uri')", qr/a superuser has set option "sslcert"/,
	'A9: a certificate in the server: alter_target() is refused');
gets_nowhere('tenant', 'bt', $lent, 'A9: and it does not count');

$pair->create_target('lent', $easy_uri);
$pair->sql('GRANT USAGE ON FOREIGN SERVER lent TO tenant');
$pair->sql("CREATE USER MAPPING FOR tenant SERVER lent OPTIONS (user 'easy', password_required 'false')");
like(may('tenant', "SELECT * FROM dbsync.test_target('lent')", 'A9: a superuser\'s target is lent'),
	qr/easy/, 'A9: and leads where he said');
may_not('tenant', $_, qr/42501/, "A9: refused: $_") foreach (
	"SELECT dbsync.alter_target('lent', '$home_uri')",
	"ALTER SERVER lent OPTIONS (SET host '$home')",
	"ALTER USER MAPPING FOR tenant SERVER lent OPTIONS (SET user '$superuser')",
	"ALTER SERVER lent RENAME TO mine");
may_not('stranger', "SELECT * FROM dbsync.test_target('lent')", qr/42501/, 'A9: refused: others\' use of it');
$pair->sql('ALTER SERVER lent OWNER TO tenant');
gets_nowhere('tenant', 'lent', $lent, 'A9: given away, it lends nothing');

# --- A23: no secret is shown

sub log_holds
{
	my ($secret) = @_;
	return slurp_file($source->logfile) =~ /$secret/;
}

foreach my $call (
	"SELECT dbsync.create_target('s', 'postgresql://u\@h/db?sslpassword=hunter2', options => '{\"bogus\": \"1\"}')",
	"SELECT dbsync.create_target('s', 'postgresql://u\@h/db', password => 'hunter2', options => '{\"bogus\": \"1\"}')",
	"SELECT dbsync.create_target('s', 'postgresql://u\@h/db', options => '{\"bogus\": \"1\", \"password\": \"hunter2\"}')",
	"SELECT dbsync.create_target('s', 'postgresql://u\@h/db', options => '{\"client_encoding\": \"hunter2\"}')",
	"SELECT dbsync.create_target('s', 'postgresql://u:hunter2/db')",
	"SELECT dbsync.create_target('s', 'postgresql://u:hunter2%zz\@h/db')",
	"SELECT dbsync.create_target('s', 'postgresql://u:[hunter2/db')",
	"SELECT dbsync.create_target('s', 'postgresql://u:p?hunter2/db')",
	"SELECT dbsync.create_target('s', 'postgresql://h/db?%70assword=hunter2%zz')",
	"SELECT dbsync.alter_target('bt', 'postgresql://u\@h/db?sslpassword=hunter2&bogus=1')")
{
	my ($did, $said) = as_role($superuser, $call);
	ok(!$did && $said !~ /hunter2/, "A23: refused without the secret: $call") or diag($said);
}
may('app', "SELECT dbsync.create_target('secret', 'postgresql://sync\@h/db?sslpassword=hunter2', "
	  . q{options => '{"password": "hunter2", "connect_timeout": "3"}')}, 'A23: secrets among the options');
unlike($pair->sql("SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'secret'"), qr/hunter2/,
	'A23: they are not where everybody can read them');
like($pair->sql("SELECT umoptions FROM pg_user_mappings WHERE srvname = 'secret'"),
	qr/password=hunter2.*sslpassword=hunter2|sslpassword=hunter2.*password=hunter2/,
	'A23: but in the user mapping');
may('app', "SELECT dbsync.alter_target('secret', password => 'hunter2')", 'A23: a password is changed');
ok(!log_holds('hunter2'), 'A23: the server log has no secret');
may('app', "SELECT dbsync.drop_target('secret')", 'A23: the target goes');

# --- A10: rights are asked again

my @lost = qw(s_select s_trigger s_usage s_rls s_group s_owner s_database);
$pair->both('CREATE SCHEMA shut; CREATE ROLE readers');
my %table = map { $_ => "public.$_" } @lost, qw(kept late gap);
$table{s_usage} = 'shut.s_usage';
foreach my $table (values %table)
{
	$pair->both("CREATE TABLE $table (id int PRIMARY KEY, t text)");
	$pair->sql("INSERT INTO $table VALUES (0, 'first'); GRANT SELECT, TRIGGER ON $table TO app");
}
$pair->sql('GRANT USAGE ON SCHEMA shut TO app; GRANT readers TO app; '
	  . 'REVOKE SELECT ON public.s_group FROM app; GRANT SELECT ON public.s_group TO readers; '
	  . 'REVOKE ALL ON public.s_owner FROM app; ALTER TABLE public.s_owner OWNER TO app; '
	  . 'REVOKE SELECT ON public.s_database FROM app; GRANT SELECT ON public.s_database TO pg_database_owner; '
	  . 'ALTER DATABASE postgres OWNER TO app');
may('app', "SELECT dbsync.create_target('a', '$uri', password => 'hunter2')", 'A10: a target');
may('app', "SELECT dbsync.create_subscription('a', 'a', tables => ARRAY["
	  . join(', ', map { quoted($_) } @table{ @lost, 'kept', 'late' }) . '])', 'A10: a subscription');
may('app', "SELECT dbsync.start_subscription('a')", 'A10: it is started');
$pair->arrives('a', 'A10: all arrives while the rights are there');

my %loss = (
	s_select => [ 'REVOKE SELECT ON public.s_select FROM app', 'GRANT SELECT ON public.s_select TO app' ],
	s_trigger => [ 'REVOKE TRIGGER ON public.s_trigger FROM app', 'GRANT TRIGGER ON public.s_trigger TO app' ],
	s_usage => [ 'REVOKE USAGE ON SCHEMA shut FROM app', 'GRANT USAGE ON SCHEMA shut TO app' ],
	s_rls => [ 'ALTER TABLE public.s_rls ENABLE ROW LEVEL SECURITY', 'ALTER TABLE public.s_rls DISABLE ROW LEVEL SECURITY' ],
	s_group => [ 'REVOKE readers FROM app', 'GRANT readers TO app' ],
	s_owner => [ "ALTER TABLE public.s_owner OWNER TO $superuser", 'ALTER TABLE public.s_owner OWNER TO app' ],
	s_database => [ "ALTER DATABASE postgres OWNER TO $superuser", 'ALTER DATABASE postgres OWNER TO app' ]);

sub is_suspended
{
	my ($table, $test) = @_;
	my $state = $pair->sql('SELECT state, note FROM dbsync.table_status '
		  . "WHERE subscription = 'a' AND \"table\" = '$table'::regclass");
	like($state, qr/^suspended\|.*(permission denied|row security)/, $test);
	return;
}

# The row that is written after the loss must stay where it is.
sub stays_away
{
	my ($name, $value, $test) = @_;
	is($pair->target_sql("SELECT count(*) FROM $table{$name} WHERE t = '$value'"), '0', $test);
	return;
}

sub comes_back
{
	my ($name) = @_;
	may_not('app', "SELECT dbsync.copy_table('a', '$table{$name}')", qr/42501/, "A10: $name: no copy without the right");
	$pair->sql($loss{$name}[1]);
	may('app', "SELECT dbsync.copy_table('a', '$table{$name}')", "A10: $name: with the right it is copied anew");
	# others may be suspended still
	ok($source->poll_query_until('postgres',
			"SELECT state = 'live' FROM dbsync.table_status WHERE \"table\" = '$table{$name}'::regclass AND subscription = 'a'"),
		"A10: $name: which arrives");
	$pair->same_at_both_ends($table{$name});
	return;
}

foreach my $name (@lost)
{
	$pair->sql($loss{$name}[0]);
	$pair->sql("INSERT INTO $table{$name} VALUES (1, 'running')");
	$pair->sql("INSERT INTO public.kept SELECT max(id) + 1, '$name' FROM public.kept");
	$pair->rest_arrives('a', "A10: $name: lost while it runs; the others go on");
	$pair->same_at_both_ends('public.kept');
	stays_away($name, 'running', "A10: $name: what was written after the loss stays away");
	is_suspended($table{$name}, "A10: $name: the table is suspended, with a note");
	like($pair->status('a')->{next_action}, qr/Suspended: \S*$name.*copy_table/,
		"A10: $name: status says what to do");
	is($pair->sql("SELECT count(*) FROM pg_trigger WHERE tgrelid = '$table{$name}'::regclass"), '0',
		"A20: $name: no subscription may have it any more, so nothing is captured either");
	$pair->sql("ALTER TABLE $table{$name} ADD COLUMN x int");
	$pair->sql("ALTER TABLE $table{$name} DROP COLUMN x");
	pass("A20: $name: and its owner may alter it");
	comes_back($name);
}
like(do { $pair->sql($loss{s_select}[0]); $pair->rest_arrives('a', 'A10: once more'); $pair->status('a')->{next_action} },
	qr/GRANT SELECT ON (public\.)?s_select TO app/, 'A10: the words name the GRANT');
comes_back('s_select');

# what the worker did not see because there was none
may('app', "SELECT dbsync.stop_subscription('a')", 'A10: stopped');
$pair->sql($loss{$_}[0]) foreach @lost;
$pair->sql("INSERT INTO $table{$_} VALUES (2, 'stopped')") foreach @lost;
may('app', "SELECT dbsync.start_subscription('a')", 'A10: started again');
$pair->rest_arrives('a', 'A10: after a restart');
foreach my $name (@lost)
{
	stays_away($name, 'stopped', "A10: $name: lost while it was stopped: nothing is sent");
	is_suspended($table{$name}, "A10: $name: suspended");
}
comes_back($_) foreach @lost;

# between creation and start
$pair->sql("SELECT dbsync.stop_subscription('a')");
may('app', "SELECT dbsync.add_table('a', 'public.gap', copy_data => false)", 'A10: added');
$pair->sql('REVOKE SELECT ON public.gap FROM app');
may('app', "SELECT dbsync.start_subscription('a')", 'A10: the right is gone at the start');
$pair->rest_arrives('a', 'A10: the others go on');
$pair->sql("INSERT INTO public.gap VALUES (1, 'gap')");
$pair->rest_arrives('a', 'A10: and on');
stays_away('gap', 'gap', 'A10: nothing of a table whose right was lost before the start');
is($pair->sql("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.gap'::regclass"), '0',
	'A10: no trigger was put on it');
is_suspended('public.gap', 'A10: it is suspended');
may('app', "SELECT dbsync.remove_table('a', 'public.gap')", 'A10: it is taken out');

# the right to the target
foreach my $loss (
	[ 'REVOKE USAGE ON FOREIGN SERVER a FROM app', 'GRANT USAGE ON FOREIGN SERVER a TO app',
		'permission denied for target', 'USAGE on the server' ],
	[ 'DROP USER MAPPING FOR app SERVER a',
		"CREATE USER MAPPING FOR app SERVER a OPTIONS (user 'sync', password 'hunter2')",
		'no user mapping', 'the user mapping' ])
{
	my ($take, $give, $words, $what) = @$loss;

	# the owner has all rights on his own server
	$pair->sql("ALTER SERVER a OWNER TO $superuser; GRANT USAGE ON FOREIGN SERVER a TO app");
	$pair->arrives('a', "A10: $what: there");
	$pair->sql($take);
	$pair->sql("INSERT INTO public.kept SELECT max(id) + 1, 'target' FROM public.kept");
	$pair->status_becomes('a', "last_error ~ '$words' AND state = 'waiting to retry' AND next_action IS NOT NULL",
		"A10: $what: lost, it stops with words");
	isnt($pair->target_sql('SELECT max(id) FROM public.kept'), $pair->sql('SELECT max(id) FROM public.kept'),
		"A10: $what: nothing is sent");
	$pair->sql($give);
	$pair->arrives('a', "A10: $what: back, it goes on by itself");
	$pair->same_at_both_ends('public.kept');
}

# run_once asks too
$pair->sql("SELECT dbsync.stop_subscription('a')");
$pair->sql('REVOKE SELECT ON public.late FROM app');
$pair->sql("INSERT INTO public.late VALUES (3, 'once')");
may('app', "SELECT dbsync.run_once('a')", 'A10: run_once() runs');
stays_away('late', 'once', 'A10: and sends nothing of a table whose right is gone');
is_suspended('public.late', 'A10: which is suspended');

# --- A20: a table's owner is master of his table

$pair->both('CREATE SCHEMA own');
$pair->sql('ALTER SCHEMA own OWNER TO owner; GRANT USAGE ON SCHEMA own TO tenant');
foreach my $name (qw(kept dropped altered))
{
	$pair->both("CREATE TABLE own.$name (id int PRIMARY KEY, t text)");
	$pair->sql("ALTER TABLE own.$name OWNER TO owner; GRANT SELECT, TRIGGER ON own.$name TO tenant");
}
may('tenant', "SELECT dbsync.create_target('t', '$uri', password => 'hunter2')", 'A20: a target');
may('tenant', "SELECT dbsync.create_subscription('t', 't', tables => ARRAY['own.kept', 'own.dropped', 'own.altered'])",
	'A20: another role subscribes the owner\'s tables');
may('tenant', "SELECT dbsync.start_subscription('t')", 'A20: which starts');
$pair->arrives('t', 'A20: and arrives');
may_not('owner', 'ALTER TABLE own.altered SET UNLOGGED', qr/subscription "t"/, 'A20: the guard names the subscription');
may_not('stranger', "SELECT dbsync.remove_table('t', 'own.altered')", qr/42501/, 'A20: strangers cannot take it out');
may_not('owner', "SELECT dbsync.$_", qr/42501/, "A20: nor can the owner do else there: $_") foreach (
	"remove_table('t', 'public.kept')", "copy_table('t', 'own.altered')", "stop_subscription('t')",
	"add_table('t', 'public.late')", "drop_subscription('t')");
may('owner', "SELECT dbsync.remove_table('t', 'own.altered')", 'A20: the owner takes his table out');
may('owner', 'ALTER TABLE own.altered DROP COLUMN t; DROP TABLE own.altered', 'A20: and does with it as he likes');
may('owner', "SELECT dbsync.suspend_table('own.dropped')", 'A20: the owner suspends his table');
may('owner', 'ALTER TABLE own.dropped DROP COLUMN t; DROP TABLE own.dropped', 'A20: and does with it as he likes');
is($pair->sql("SELECT string_agg(\"table\"::text, ' ') FROM dbsync.table_status WHERE subscription = 't'"),
	'own.kept', 'A20: what was dropped is in no subscription any more');
may('owner', "INSERT INTO own.kept VALUES (1, 'goes on')", 'A20: his other table');
$pair->arrives('t', 'A20: flows on');
$pair->same_at_both_ends('own.kept');

# --- what a role does with its own subscription harms nobody else's

$pair->create_target('all', $uri, password => "'hunter2'");
$pair->sql(q{SELECT dbsync.create_subscription('all', 'all'); SELECT dbsync.add_table('all', 'own.kept', target_table => 'own.kept2')});
$pair->target_sql('CREATE TABLE own.kept2 (id int PRIMARY KEY, t text)');
$pair->start_subscription('all');
$pair->arrives('all', 'another subscription of the same table');
like(may('tenant', "SELECT dbsync.suspend_table('own.kept')", 'a role that does not own a table suspends it'),
	qr/in your subscriptions only/, '... and is told for whom');
is($pair->sql(q{SELECT string_agg(subscription || ' ' || state, ', ' ORDER BY subscription) FROM dbsync.table_status WHERE "table" = 'own.kept'::regclass}),
	'all live, t suspended', '... in its own subscriptions only');
may('tenant', "SELECT dbsync.copy_table('t', 'own.kept')", '... and copies it anew');
$pair->arrives('t', '... which goes on');

# triggers that are still to be taken off a table of somebody else's
$pair->sql("UPDATE dbsync.captured_table SET state = 'removing' WHERE relid = 'public.late'::regclass;"
	  . " DELETE FROM dbsync.subscription_table a USING dbsync.captured_table c WHERE c.id = a.captured_id AND c.state = 'removing'");
$pair->sql("SELECT dbsync.stop_subscription('$_')") foreach (qw(t all));
$pair->sql('REVOKE ALL ON public.late FROM tenant');
my $sleeper = $source->background_psql('postgres', extra_params => [ '-U', 'tenant' ]);
$sleeper->query_safe("BEGIN; SELECT dbsync.create_subscription('sleeper', 't')");
is($pair->sql(q{SELECT count(*) FROM pg_locks WHERE relation = 'public.late'::regclass}), '0',
	'a role locks no table on which it has no rights');
$sleeper->query_safe('ROLLBACK');
$sleeper->quit;
$pair->sql("SELECT dbsync.start_subscription('t')");

# a subscription whose target was dropped while it was being made
may('tenant', "SELECT dbsync.create_target('gone', '$uri', password => 'x')", 'a target');
$sleeper = $source->background_psql('postgres', extra_params => [ '-U', 'tenant' ]);
$sleeper->query_safe("BEGIN; SELECT dbsync.create_subscription('orphan', 'gone')");
may('tenant', "SELECT dbsync.drop_target('gone')", 'is dropped behind an open transaction');
$sleeper->query_safe('COMMIT');
$sleeper->quit;
$pair->sql("CREATE SERVER other FOREIGN DATA WRAPPER dbsync_postgres; ALTER SERVER other RENAME TO another; DROP SERVER another");
pass('others can still alter, rename and drop their servers');
my (undef, undef, $renamed) = $source->psql('postgres', 'ALTER SERVER t RENAME TO u');
like($renamed, qr/cannot drop or rename foreign server "t"/, 'one that is in use cannot be renamed');
may('tenant', "SELECT dbsync.drop_subscription('orphan')", 'and who has lost his target drops the subscription');

# --- a target's "options" do nothing before a password was asked for

may('tenant', "SELECT dbsync.create_target('early', '$home_uri&options=-c%20session_preload_libraries%3Dno_such_file', password => 'x')",
	'a target that would have a file loaded');
my $said = may_not('tenant', "SELECT * FROM dbsync.test_target('early')", qr/password is required/,
	'does not get as far');
unlike($said, qr/no_such_file/, 'and nothing was loaded');
may('tenant', "SELECT dbsync.create_target('late_options', '$uri&options=-c%20work_mem%3D7MB%20--lock-timeout%3D7s', password => 'hunter2')",
	'ordinary options');
may('tenant', "SELECT * FROM dbsync.test_target('late_options')", 'are set');
may('tenant', "SELECT dbsync.alter_target('late_options', '$uri&options=-W%207')", 'switches of other kinds');
may_not('tenant', "SELECT * FROM dbsync.test_target('late_options')", qr/invalid "options"/, 'are refused');

# nor do they, or code of the target, say in what encoding the rows are
$pair->sql('CREATE TABLE public.letters (id int PRIMARY KEY, v text); GRANT SELECT, TRIGGER ON public.letters TO tenant');
$pair->target_sql(q{CREATE FUNCTION public.speak(text) RETURNS boolean LANGUAGE plpgsql AS
	$$ BEGIN IF $1 = 'latin' THEN PERFORM set_config('client_encoding', 'LATIN1', false); END IF;
	IF $1 = 'nulls' THEN PERFORM set_config('array_nulls', 'off', false); END IF; RETURN true; END $$;
	CREATE TABLE public.letters (id int PRIMARY KEY, v text CHECK (public.speak(v)))});
$pair->sql("INSERT INTO public.letters VALUES (1, U&'\\00e9')");
may('tenant', "SELECT dbsync.alter_target('late_options', '$uri&options=-c%20client_encoding%3DLATIN1');"
	  . " SELECT dbsync.create_subscription('letters', 'late_options', ARRAY['public.letters']);"
	  . " SELECT dbsync.run_once('letters')", 'options with an encoding');
$pair->sql("INSERT INTO public.letters VALUES (2, U&'\\00e9')");
may('tenant', "SELECT dbsync.start_subscription('letters')", 'which is not that of the rows');
$pair->arrives('letters', 'a few more');
# what comes behind it in one batch would be in the other encoding
$pair->sql("INSERT INTO public.letters VALUES (3, 'latin'), (4, U&'\\00e9')");
$pair->status_becomes('letters', "last_error ~ 'has changed settings' AND next_action ~ 'convert_to'",
	'code that changes the encoding is an error');
is($pair->target_sql('SELECT max(id) FROM public.letters'), '2', 'and nothing of the batch is there');
$pair->sql("UPDATE public.letters SET v = 'nulls' WHERE id = 3");
$pair->status_becomes('letters', "failures > 2 AND last_error ~ 'has changed settings'", 'so is code that changes how arrays are read');
is($pair->target_sql('SELECT max(id) FROM public.letters'), '2', 'and nothing is there');
$pair->target_sql('CREATE OR REPLACE FUNCTION public.speak(text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$');
$pair->arrives('letters', 'without it, all arrives');
my $letters = "SELECT string_agg(id || ' ' || encode(convert_to(v, 'UTF8'), 'hex'), ',' ORDER BY id) FROM public.letters";
is($pair->target_sql($letters), $pair->sql($letters), 'rows are in the encoding of the source, whatever the target says');
may('tenant', "SELECT dbsync.stop_subscription('letters'); SELECT dbsync.drop_subscription('letters')", 'and away');

# --- A21: nobody takes all workers

may('crowd', "SELECT dbsync.create_target('dead', 'postgresql://u\@127.0.0.1:1/db', password => 'x')", 'A21: a dead target');
may('crowd', join('; ', map { "SELECT dbsync.create_subscription('c$_', 'dead')" } 1 .. 3), 'A21: three subscriptions');
may('crowd', "SELECT dbsync.start_subscription('c$_')", "A21: number $_ is started") foreach (1, 2);
may_not('crowd', "SELECT dbsync.start_subscription('c3')", qr/53400.*HINT.*max_subscriptions_per_role/s,
	'A21: one more is refused, with a hint');
may_not('crowd', "SELECT dbsync.run_once('c3')", qr/53400/, 'A21: for run_once() too');
may_not('crowd', 'SET dbsync.max_subscriptions_per_role = 0', qr/cannot be changed now/, 'A21: the limit is not his to set');
may('crowd', "SELECT dbsync.stop_subscription('c1'); SELECT dbsync.start_subscription('c3')", 'A21: when one has stopped, another starts');
$pair->wait_for_worker($_) foreach qw(c2 c3);
$pair->sql("SELECT dbsync.create_subscription('many$_', 'far')") foreach (1 .. 3);
$pair->start_subscription("many$_") foreach (1 .. 3);
$pair->arrives("many$_", 'A21: superusers have no limit') foreach (1 .. 3);

# somebody lowered the limit, or was quicker: what counts is asked when a worker comes
$pair->sql("UPDATE dbsync.subscription SET enabled = true WHERE name = 'c1'");
$source->restart;
becomes_true($source, "SELECT count(pid) = 2 AND count(*) FILTER (WHERE state = 'not running' AND last_error ~ 'too many subscriptions'"
	  . " AND next_action ~ 'max_subscriptions_per_role') = 1 FROM dbsync.status WHERE subscription ~ '^c'")
  or $pair->describe_state('limit after a restart');
is($pair->sql("SELECT count(pid) FROM dbsync.status WHERE subscription ~ '^c'"), '2',
	'A21: the launcher starts no more than the limit either');
like($pair->sql("SELECT state || ' ' || last_error FROM dbsync.status WHERE subscription ~ '^c' AND pid IS NULL"),
	qr/^not running too many/, 'A21: status says why');
$pair->sql("SELECT dbsync.stop_subscription('c$_')") foreach (1 .. 3);

# --- A24, P15: a subscription has an owner

may('tenant', "SELECT dbsync.stop_subscription('t'); SELECT dbsync.start_subscription('t')", 'A24: running');
$pair->arrives('t', 'A24: with its first owner');
my (undef, undef, $refusal) = $source->psql('postgres', 'DROP ROLE tenant');
like($refusal, qr/cannot be dropped.*function dbsync_internal\.subscription_\d+/s, 'A24: DROP ROLE is refused');
$pair->sql('DROP SERVER bt CASCADE; DROP SERVER lent CASCADE');
(undef, undef, $refusal) = $source->psql('postgres', 'DROP OWNED BY tenant');
like($refusal, qr/foreign server "t".*subscription "t".*HINT.*drop_subscription/s,
	'A24: DROP OWNED is refused, with words, for the target');
$pair->sql("ALTER SERVER t OWNER TO $superuser; GRANT USAGE ON FOREIGN SERVER t TO tenant, heir");
(undef, undef, $refusal) = $source->psql('postgres', 'DROP OWNED BY tenant');
like($refusal, qr/subscription "t" belongs to.*HINT.*drop_subscription/s,
	'A24: and for the subscription');
$pair->sql('GRANT USAGE ON SCHEMA own TO heir; GRANT SELECT, TRIGGER ON own.kept TO heir');
$pair->sql('REASSIGN OWNED BY tenant TO heir');
is($pair->status('t')->{owner}, 'heir', 'P15: REASSIGN OWNED moves the subscription');
may_not('tenant', "SELECT dbsync.stop_subscription('t')", qr/42501/, 'P15: the old owner has no say any more');
$pair->sql("INSERT INTO own.kept VALUES (2, 'heir')");
$pair->status_becomes('t', "last_error ~ 'no user mapping for role \"heir\"' AND next_action ~ 'CREATE USER MAPPING'",
	'P15: the running worker notices, and says what is missing');
is($pair->target_sql('SELECT count(*) FROM own.kept'), '1', 'P15: nothing is sent with the old owner\'s credentials');
$pair->sql("CREATE USER MAPPING FOR heir SERVER t OPTIONS (user 'sync', password 'hunter2')");
$pair->arrives('t', 'P15: with the new owner\'s it goes on');
$pair->same_at_both_ends('own.kept');
$pair->sql('DROP OWNED BY tenant; DROP ROLE tenant');
pass('P15: the old owner can go');

# a copy of the database knows the owners, also where they are not known
my $file = PostgreSQL::Test::Utils::tempdir('dump') . '/dump.sql';
command_ok([ 'pg_dump', '-h', $source->host, '-p', $source->port, '-f', $file, 'postgres' ], 'A24: a dump');
$source->safe_psql('postgres', 'CREATE DATABASE copy; CREATE DATABASE bare');
command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-h', $source->host, '-p', $source->port, '-d', 'copy', '-f', $file ],
	'A24: its restore');
is($source->safe_psql('copy', "SELECT owner FROM dbsync.status WHERE subscription = 't'"), 'heir',
	'A24: in a restored dump the owner is the same');
$source->safe_psql('copy', 'SELECT dbsync.adopt()');
is($source->safe_psql('copy', "SELECT owner FROM dbsync.status WHERE subscription = 't'"), 'heir', 'A24: and after adopt()');
my $without = slurp_file($file);
$without =~ s/CREATE FUNCTION dbsync_internal\.subscription_\d+\(\).*?;\n//sg;
$without =~ s/^(ALTER|COMMENT ON|REVOKE ALL ON|GRANT ALL ON) FUNCTION dbsync_internal\.subscription_\d+\(\).*\n//mg;
append_to_file("$file.without", $without);
command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-h', $source->host, '-p', $source->port, '-d', 'bare', '-f', "$file.without" ],
	'A24: a restore without them');
$source->safe_psql('bare', 'SELECT dbsync.adopt()');
is($source->safe_psql('bare', "SELECT string_agg(DISTINCT owner::text, ' ') FROM dbsync.status"), $superuser,
	'A24: then all belongs to who calls adopt()');
$source->safe_psql('bare', 'SELECT dbsync.uninstall(); DROP EXTENSION dbsync');
is($source->safe_psql('bare', "SELECT count(*) FROM pg_proc WHERE proname LIKE 'subscription\\_%'"), '0',
	'A24: DROP EXTENSION leaves nothing behind');

may('heir', "SELECT dbsync.stop_subscription('t'); SELECT dbsync.drop_subscription('t')", 'A24: the new owner drops it');
is($pair->sql("SELECT count(*) FROM pg_proc p WHERE p.proname ~ '^subscription_[0-9]+\$' AND p.proowner = 'heir'::regrole"), '0',
	'A24: with what stood for it');

DbsyncTest::finish();

# Configuration files: files of the server, the rights that they take, whose what is; a running
# subscription that a file starts, leaves alone, changes and stops; 2 000 tables with nothing to
# do; passwords that are nowhere to be seen; a dormant copy.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(quoted uri_of);
use PostgreSQL::Test::Utils;
use Test::More;

my $pair = DbsyncTest->new(source_conf => "log_statement = 'all'\nlog_min_duration_statement = 0\nlog_error_verbosity = verbose\n");
my $source = $pair->source;
my $folder = $source->basedir;
my $head = "[dbsync]\nversion = 1\n";

# What loading a text, or a file, says: rows, and the error.
sub load
{
	my ($from, %options) = @_;
	my $user = delete $options{user};
	my $what = $from =~ m{^/} ? 'file => ' : '';
	my $more = join '', map { ", $_ => $options{$_}" } sort keys %options;
	my (undef, $rows, $error) = $source->psql('postgres',
		"SELECT concat_ws('|', line, action, object) FROM dbsync.load_config($what" . quoted($from) . "$more)",
		$user ? (extra_params => [ '-U', $user ]) : ());
	return ($rows, $error);
}

sub write_file
{
	my ($name, $content) = @_;
	open my $fh, '>:raw', "$folder/$name" or die "$name: $!";
	print $fh $content;
	close $fh;
	return "$folder/$name";
}

$pair->both("CREATE TABLE public.item (id int PRIMARY KEY, t text); CREATE TABLE public.other (id int PRIMARY KEY, t text)");
$pair->sql("INSERT INTO public.item SELECT i, 'x' FROM generate_series(1, 100) i");

# --- a road that a file lays

my $running = "$head
[subscription item]
target = far
started = yes
[table item / public.item]
";
my ($rows, $error) = load(write_file('item.ini', $running));
is($rows, "4|create|subscription item\n7|add|table item / public.item\n6|start|subscription item", 'a file makes a subscription and starts it');
$pair->arrives('item', 'and it runs');
$pair->same_at_both_ends('public.item');
my $pid = $pair->wait_for_worker('item');
is(join('', load("$folder/item.ini")), '', 'a second time there is nothing to do');
is(join('', load($pair->sql('SELECT dbsync.dump_config()'))), '', 'nor for what is there, written down');
is($pair->worker_pid('item'), $pid, 'and nobody noticed');
# what cannot be stopped while somebody loads is not half stopped
my $loading = $source->background_psql('postgres', on_error_stop => 1);
$loading->query_safe("BEGIN; SELECT count(*) FROM dbsync.load_config(" . quoted($running) . ')');
(undef, undef, $error) = $source->psql('postgres', "SET lock_timeout = '100 ms'; SELECT dbsync.stop_subscription('item')");
like($error, qr/lock timeout.*pg_blocking_pids/s, 'nobody stops a subscription while a configuration is loaded');
$loading->query_safe('COMMIT');
$loading->quit;
is($pair->worker_pid('item'), $pid, 'and it goes on');

$pair->sql("UPDATE public.item SET t = 'y' WHERE id > 50");
($rows) = load("$running filter =\nfilter = id > 10\n[table item / public.other]\n");
is($rows, '', 'an indented key is none');
($rows) = load("${running}filter = id > 10\n[table item / public.other]\n");
is($rows, "8|alter (copies the table anew)|table item / public.item\n9|add|table item / public.other", 'a filter, and another table');
$pair->arrives('item', 'they arrive');
is($pair->target_sql('SELECT count(*), min(id) FROM public.item'), '90|11', 'as the filter says');
($rows) = load("${head}[subscription item]\ntarget = far\nstarted = no\n[table item / public.other]\n", prune => 'true');
is($rows, "remove|table item / public.item\n5|stop|subscription item", 'pruned and stopped');
is($pair->status('item')->{state}, 'stopped', 'it is stopped');
is($pair->target_sql('SELECT count(*) FROM public.item'), '90', "what is at the target stays there");

# --- files

my $dumped = $pair->sql("SELECT dbsync.dump_config(file => '$folder/dumped.ini')");
is(slurp_file("$folder/dumped.ini") =~ s/\n*\z//r, $dumped =~ s/\n*\z//r, 'a configuration is written to a file');
is(sprintf('%o', (stat "$folder/dumped.ini")[2] & 07777), '600', 'that nobody else can read');
is(join('', glob("$folder/*.tmp")), '', 'no other file is left');
is(join('', load("$folder/dumped.ini")), '', 'and is read again');
chmod 0644, "$folder/dumped.ini";
$pair->sql("SELECT dbsync.dump_config(file => '$folder/dumped.ini')");
is(sprintf('%o', (stat "$folder/dumped.ini")[2] & 07777), '600', 'one that is there is replaced');

mkdir "$folder/folder.ini";
write_file('latin1.ini', "$head# \xfc\n[target x]\nhost = ok\n\xe4=x");
write_file('utf8.ini', "\xef\xbb\xbf${head}\r\n[target x]\r\nhost = h\xc3\xb6st.invalid\r\n");
write_file('cut.ini', "$head\[target x]\nhost = h\xc3");
write_file('zero.ini', "$head\[target x]\nhost = h\0\n");
write_file('large.ini', $head . ('#' x (10 * 1024 * 1024)));
system('mkfifo', "$folder/fifo.ini");
foreach my $bad (
	[ 'missing.ini', qr/could not open file ".*" for reading: No such file/ ],
	[ 'folder.ini', qr/is no ordinary file/ ],
	[ 'fifo.ini', qr/is no ordinary file/ ],
	[ 'large.ini', qr/is larger than 10 MB/ ],
	[ 'latin1.ini', qr/line 3: file ".*" is not valid UTF-8/ ],
	[ 'cut.ini', qr/line 4: file ".*" is not valid UTF-8/ ],
	[ 'zero.ini', qr/line 4: file ".*" is not valid UTF-8/ ])
{
	my ($name, $expected) = @$bad;
	(undef, $error) = load("$folder/$name");
	like($error, $expected, "$name is refused");
}
(undef, undef, $error) = $source->psql('postgres', "SELECT * FROM dbsync.load_config(file => 'item.ini')");
like($error, qr/path of a file must be absolute/, 'a relative path is refused');
($rows) = load("$folder/utf8.ini", dry_run => 'true');
is($rows, '4|create|target x', 'UTF-8 with a mark, and lines as Windows has them');
foreach my $bad ([ "$folder/no/such.ini", qr/could not write file/ ], [ "$folder/folder.ini", qr/is no ordinary file/ ], [ 'x.ini', qr/must be absolute/ ])
{
	(undef, undef, $error) = $source->psql('postgres', "SELECT dbsync.dump_config(file => '$bad->[0]')");
	like($error, $bad->[1], "no writing to $bad->[0]");
}
is(join('', glob("$folder/*.tmp")), '', 'no other file is left');

# --- rights

$pair->sql(q{
	CREATE ROLE app LOGIN; CREATE ROLE watcher LOGIN;
	GRANT USAGE ON SCHEMA dbsync TO app, watcher; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO app, watcher;
	GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_postgres TO app;
	CREATE SCHEMA secret; CREATE TABLE secret.t (id int PRIMARY KEY);
	CREATE TABLE public.mine (id int PRIMARY KEY); ALTER TABLE public.mine OWNER TO app; GRANT CREATE ON SCHEMA public TO app});
my $mine = "$head\[target mine]\nhost = host.invalid\nuser = app\npassword = app's secret\n[subscription mine]\ntarget = mine\n";
foreach my $file ("$folder/item.ini", "$folder/missing.ini")
{
	(undef, $error) = load($file, user => 'app');
	like($error, qr/permission denied to read a file of the server/, 'no right to read files: nothing is said of them');
}
(undef, $error) = load("$head\[target t]\npassword_file = $folder/item.ini\n", user => 'app');
like($error, qr/line 4: permission denied to read a file of the server/, 'nor for password_file');
(undef, undef, $error) = $source->psql('postgres', "SELECT dbsync.dump_config(file => '$folder/app.ini')", extra_params => [ '-U', 'app' ]);
like($error, qr/permission denied to write a file of the server/, 'no right to write them');
ok(!-e "$folder/app.ini", 'no file');
is((load("$mine\[table mine / public.mine]\n", user => 'app'))[0], "3|create|target mine\n7|create|subscription mine\n9|add|table mine / public.mine", 'what is his');
is(join('', load("$mine\[table mine / public.mine]\n", user => 'app')), '', 'twice');
is($pair->sql("SELECT dbsync_internal.owner_of(id), (SELECT srvowner::regrole FROM pg_foreign_server WHERE srvname = 'mine') FROM dbsync.subscription WHERE name = 'mine'"),
	'app|app', 'belongs to him, as if he had typed it');
foreach my $bad (
	[ "$mine\[table mine / secret.t]", qr/line 9: permission denied for schema secret/ ],
	[ "$mine\[table mine / public.item]", qr/line 9: permission denied for table (public\.)?item/ ],
	[ "$head\[subscription item]\nddl = apply", qr/line 3: must be owner of subscription "item"/ ],
	[ "$head\[table item / public.other]\n", qr/line 3: must be owner of subscription "item"/ ],
	[ "$head\[target far]\nhost = x\n", qr/line 3: must be owner of target "far"/ ],
	[ "$head\[subscription more]\ntarget = far", qr/line 4: permission denied for target "far"/ ],
	[ "$head\[target lent]\npassword_required = false", qr/line 4: .*password_required.* is superuser-only/ ])
{
	(undef, $error) = load($bad->[0], user => 'app');
	like($error, $bad->[1], 'he may not: ' . ($error =~ /line \d+: (.*)/)[0]);
}
(undef, $error) = load("$head\[target t]\nhost = x", user => 'watcher');
like($error, qr/line 3: permission denied to create a target/, 'nor may who has no driver');
my $his = $source->safe_psql('postgres', 'SELECT dbsync.dump_config()', extra_params => [ '-U', 'app' ]);
like($his, qr/\[target mine\].*user = app.*\[table mine \/ public\.mine\]/s, 'he sees what is his');
unlike($his, qr/item|far|secret/, 'and nothing else, and no password');
is($source->safe_psql('postgres', 'SELECT dbsync.dump_config()', extra_params => [ '-U', 'watcher' ]) =~ s/^#.*\n//gmr =~ s/\n*\z//r, "\n[dbsync]\nversion = 1", 'who has nothing sees nothing');
my ($pruned) = load($head, user => 'app', prune => 'true', dry_run => 'true');
is($pruned, "drop|subscription mine\ndrop|target mine", 'he prunes what is his');
$pair->sql('GRANT pg_read_server_files, pg_write_server_files TO app');
is($source->safe_psql('postgres', "SELECT dbsync.dump_config('$folder/app.ini') IS NOT NULL", extra_params => [ '-U', 'app' ]), 't', 'with the right he writes a file');
is(join('', load("$folder/app.ini", user => 'app')), '', 'and reads it');
# what the path of the caller has first is not what is called
$source->safe_psql('postgres', q{
	CREATE SCHEMA app AUTHORIZATION app; ALTER ROLE app SET search_path = app, public;
	SET ROLE app;
	CREATE FUNCTION app.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'mine is called'; END $$;
	CREATE FUNCTION app.is_five(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = 5'});
($rows, $error) = load("$mine\[table mine / public.mine]\nfilter = is_five(id)", user => 'app');
note($error);
is($rows, '10|alter (copies the table anew)|table mine / public.mine', 'his path is for his expressions');
is((load("$mine\[table mine / public.mine]\nfilter = app.is_five(id)"))[0], '', 'which are the same by another path');

# --- passwords

my $password = write_file('password', "in a file\r\nof two lines\n");
load(write_file('secrets.ini', "$head\[target far]\n" . join("\n", map { "$_->[0] = $_->[1]" } @{ options_of('far') }) . "\nuser = me\npassword_file = $password\n"));
is($pair->sql("SELECT umoptions FROM pg_user_mappings WHERE srvname = 'far'") =~ /"password=in a file"/ ? 1 : 0, 1, 'a password comes from a file');
is(join('', load("$folder/secrets.ini")), '', 'and is not set again');
write_file('password', 'another one');
is((load("$folder/secrets.ini"))[0], '3|alter|target far', 'unless it is another one');
unlike($pair->sql('SELECT dbsync.dump_config()'), qr/another one|password[ _]/, 'it is not written');
my $log = slurp_file($source->logfile);
unlike($log, qr/in a file|another one/, 'nor is it in the log');
unlike($log, qr/STATEMENT:.*another one/, 'of no statement');

sub options_of
{
	my ($target) = @_;
	return [ map { [ split /\|/ ] } split /\n/, $pair->sql(
		"SELECT option_name || '|' || option_value FROM pg_foreign_server, pg_options_to_table(srvoptions) WHERE srvname = " . quoted($target)) ];
}

# --- many tables

$pair->sql(q{
	SELECT dbsync.create_subscription('many', 'far');
	DO $$ BEGIN FOR i IN 1..2000 LOOP EXECUTE format('CREATE TABLE public.many_%s (id int PRIMARY KEY)', i); END LOOP; END $$});
my $many = "$head\[subscription many]\ntarget = far\n" . join('', map { "[table many / public.many_$_]\ntarget_table = \"Far\".many_$_\n" } 1 .. 2000);
write_file('many.ini', $many);
is($pair->sql("SELECT count(*) FROM dbsync.load_config(file => '$folder/many.ini', dry_run => true)"), '2000', '2 000 tables are planned');
# written down as add_table() would have done, in one go
$pair->sql(q{
	SELECT dbsync.alter_subscription('many', schemas => '{public}', except_tables => '{public.item,public.other,public.mine}');
	UPDATE dbsync.subscription_table a SET by_rule = false, target_given = true, target_schema = 'Far'
	FROM dbsync.subscription s WHERE s.id = a.subscription_id AND s.name = 'many';
	SELECT dbsync.alter_subscription('many', schemas => '{}', except_tables => '{}')});
is($pair->sql("SELECT count(*) FROM dbsync.load_config(file => '$folder/many.ini')"), '0', 'once they are there, there is nothing to do');
is($pair->sql("SELECT count(*) FROM dbsync.load_config(dbsync.dump_config(), prune => true)"), '0', 'nor for what is written of them');
is($pair->sql("SELECT string_agg(action || object || statement, ';') FROM dbsync.load_config(replace(pg_read_file('$folder/many.ini'), '\"Far\".many_77' || chr(10), 'far.many_77' || chr(10)), dry_run => true)"),
	"replace (copies the table anew)table many / public.many_77SELECT dbsync.remove_table('many', 'public.many_77');"
	. "replace (copies the table anew)table many / public.many_77SELECT dbsync.add_table('many', 'public.many_77', target_table => 'far.many_77')",
	'one of them changes, and no other');

# --- a copy

$source->safe_psql('template1', 'CREATE DATABASE copied TEMPLATE postgres');
(undef, undef, $error) = $source->psql('copied', "SELECT * FROM dbsync.load_config(" . quoted($running) . ')');
like($error, qr/this database is a copy/, 'a dormant copy loads nothing');
like($source->safe_psql('copied', 'SELECT dbsync.dump_config()'), qr/\[subscription item\]/, 'but tells what it was');

$pair->finish;

# scripts/receive, the second reader of bundles, which shares no code with the one in C: of whatever files there are both
# say the same; and in dash, bash and busybox it loads all that a source has sent into a server without dbsync, once, in order,
# whatever is torn, forged, doubled, renamed or missing beside it.
use strict;
use warnings;

use lib 't';
use DbsyncTest qw(ask quoted random_below);
use DbsyncTest::Bundle qw(members_of slurp spew tar_of);
use Digest::SHA qw(sha256_hex);
use File::Copy qw(copy);
use IPC::Run ();
use List::Util qw(shuffle);
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{DBSYNC_TEST_ROUNDS} // 1;
my $work = PostgreSQL::Test::Utils::tempdir_short();
my $spool = "$work/spool";
my $pair = DbsyncTest->new(uri => "file://$spool?part_size=64kB");
my ($source, $target) = ($pair->source, $pair->target);
my $public = ask($source, "SELECT dbsync.public_key('far')") . "\n";
my $key = spew("$work/public.pem", $public);

# --- shells that there are

sub has
{
	my ($program) = @_;
	return (grep { -x "$_/$program" } split /:/, $ENV{PATH}) > 0;
}

my @shells = map { [ $_, $ENV{PATH}, $_ ] } grep { has($_) } 'dash', 'bash';
if (has('busybox'))
{
	# with its own tar, dd, awk, grep, sed, tr, cmp, sha256sum, head ... before all others
	my $applets = "$work/applets";
	my ($list, $busybox) = ('', grep { -x } map { "$_/busybox" } split /:/, $ENV{PATH});

	mkdir $applets or die;
	IPC::Run::run([ $busybox, '--list' ], '>', \$list) or die "busybox --list";
	symlink $busybox, "$applets/$_" foreach grep { !/^(busybox|ar|dpkg|dpkg-deb|rpm)$/ } split ' ', $list;
	push @shells, [ 'busybox', "$applets:$ENV{PATH}", "$applets/sh" ];
}
cmp_ok(scalar(@shells), '>', 0, 'shells: ' . join(' ', map { $_->[0] } @shells));

# Usage: receive(shell, command, arguments ...): whether it was content, and what it said
sub receive
{
	my ($shell, @arguments) = @_;
	my $said = '';
	local %ENV = (%ENV, PATH => $shell->[1], TMPDIR => $work,
		PGHOST => $target->host, PGPORT => $target->port, PGDATABASE => "by_$shell->[0]");
	my $ok = IPC::Run::run([ $shell->[2], 'scripts/receive', @arguments ], '<', \'', '>&', \$said);
	return ($ok, $said);
}

# --- what is sent: rows that swap unique values within a file and over several, documents that stay as they are,
#     rows without a key, enums, changes of columns

my @tables = qw(public.account public.seat public.entry public.document);
$pair->sql(<<'SQL');
CREATE TYPE public.colour AS ENUM ('red', 'green');
CREATE TABLE public.account (id int PRIMARY KEY, balance bigint NOT NULL, c public.colour);
CREATE TABLE public.seat (id int PRIMARY KEY, place int UNIQUE, note text, big text);
ALTER TABLE public.seat ALTER big SET STORAGE EXTERNAL;
CREATE TABLE public.entry (account int, amount bigint, at date);
CREATE TABLE public.document (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), body text);
INSERT INTO public.account SELECT i, 1000, 'red' FROM generate_series(1, 100) i;
INSERT INTO public.seat SELECT i, i, repeat(md5(i::text), 10), repeat(md5((-i)::text), 20) FROM generate_series(1, 2000) i;
INSERT INTO public.document (body) SELECT string_agg(md5((i * j)::text), '') FROM generate_series(1, 100) i, generate_series(1, 100) j GROUP BY i;
SQL
$pair->subscribe('s', \@tables);
$pair->start_subscription('s');
$pair->arrives('s', 'copies');
my @stages;
my $stage = sub {
	$pair->arrives('s', $_[1]) if $_[1];
	push @stages, $_[0];
	return [ sort glob("$spool/out/*.tar") ];
};
my @sent = ($stage->('copy'));
for my $round (1 .. 3)
{
	$pair->sql("BEGIN; UPDATE public.account SET balance = balance - 10 * id WHERE id <= 5; UPDATE public.account SET balance = balance + 10 * (id - 50) WHERE id BETWEEN 51 AND 55;"
		. "INSERT INTO public.entry SELECT i, -10 * i, '2026-11-30' FROM generate_series(1, 5) i; INSERT INTO public.entry VALUES (0, $round, NULL), (0, $round, NULL); COMMIT");
	$pair->arrives('s', "round $round");
}
# two seats; then all of them, over several files, beside values that nobody touches
$pair->sql('BEGIN; UPDATE public.seat SET place = -id WHERE id <= 2; UPDATE public.seat SET place = 3 - id WHERE id <= 2; COMMIT');
$pair->arrives('s', 'a swap');
$pair->sql("BEGIN; UPDATE public.seat SET place = -place, note = md5(note) || note; UPDATE public.seat SET place = 2001 + place; COMMIT");
$pair->sql("DELETE FROM public.entry WHERE account = 0; DELETE FROM public.document WHERE body < '5'");
push @sent, $stage->('changes', 'changes are sent');
$pair->sql(<<'SQL');
ALTER TYPE public.colour ADD VALUE 'amber' BEFORE 'green';
ALTER TYPE public.colour RENAME VALUE 'red' TO 'dark red';
SQL
$pair->sql(<<'SQL');
ALTER TABLE public.account ADD note text DEFAULT 'none';
ALTER TABLE public.document RENAME body TO content;
ALTER TABLE public.seat ALTER place TYPE bigint;
UPDATE public.account SET c = 'amber', note = NULL WHERE id < 10;
TRUNCATE public.entry;
INSERT INTO public.entry VALUES (1, 1, '2026-12-01');
SQL
push @sent, $stage->('other columns', 'changes of columns are sent');
my @bundles = @{ $sent[-1] };
note(scalar(@bundles) . ' bundles');

# What the reader in C says of files, by their names
sub verdicts_of
{
	my (@files) = @_;
	my $list = join ', ', map { quoted($_) } @files;
	my %verdicts = map { split /=/, $_, 2 } split /\n/,
		ask($source, "SELECT f || '=' || verdict || CASE WHEN NOT last THEN ', and goes on' ELSE '' END FROM unnest(ARRAY[$list]) f, dbsync.check_bundle(f, ARRAY[" . quoted($public) . '])');
	return %verdicts;
}

my %of_bundles = verdicts_of(@bundles);
is((grep { $of_bundles{$_} !~ /^good/ } @bundles), 0, 'all of them are good');
cmp_ok((grep { $of_bundles{$_} =~ /goes on/ } @bundles), '>', 0, 'and there are batches of several files');
# what was looked at may have been published in part
foreach my $list (@sent)
{
	pop @$list while $of_bundles{ $list->[-1] } =~ /goes on/;
}

# --- one that is encrypted

sub openssl
{
	my (@arguments) = @_;
	my $said = '';
	IPC::Run::run([ 'openssl', @arguments ], '&>', \$said) or die "openssl @arguments: $said";
	return;
}

openssl(qw(req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=branch -keyout), "$work/own.key", '-out', "$work/own.pem");
spew("$work/identity.pem", slurp("$work/own.key") . slurp("$work/own.pem"));
$pair->create_target('sealed', "file://$work/sealed?recipients=$work/own.pem");
spew("$work/sealed.pem", ask($source, "SELECT dbsync.public_key('sealed')") . "\n");
$pair->sql("CREATE TABLE public.secret (id int PRIMARY KEY, words text); INSERT INTO public.secret SELECT i, string_agg(md5((i * j)::text), '') FROM generate_series(1, 1500) i, generate_series(1, 100) j GROUP BY i");
$pair->subscribe('t', ['public.secret'], target => 'sealed');
$pair->start_subscription('t');
$pair->arrives('t', 'encrypted bundles are on disk');

# --- verdicts

sub signed_by
{
	my ($private, @members) = @_;
	my ($folder) = $members[0]{name} =~ m{^(.*?)/};
	my $sums = join '', map { my $name = $_->{name} =~ s{^[^/]*/}{}r; sha256_hex($_->{content}) . "  $name\n" } @members;

	spew("$work/sums", $sums);
	openssl('pkeyutl', '-sign', '-inkey', $private, '-rawin', '-in', "$work/sums", '-out', "$work/sums.sig");
	return (@members, { name => "$folder/SHA256SUMS", content => $sums }, { name => "$folder/SHA256SUMS.sig", content => slurp("$work/sums.sig") });
}

# The members but for sums and signature, one of them changed by a function
sub changed
{
	my ($name, $function, @members) = @_;
	pop @members for 1, 2;
	return map { my %member = %$_; if ($member{name} =~ m{/\Q$name\E$}) { local $_ = $member{content}; $function->(); $member{content} = $_; } \%member } @members;
}

my $bytes = slurp($bundles[1]);
my @members = members_of($bytes);
my $own = "$spool/signing.key";
my $other = "$work/other.key";
openssl('genpkey', '-algorithm', 'ed25519', '-out', $other);
my %forged = (
	'nothing' => '',
	'a block' => "\0" x 512,
	'text' => "hello\n" x 1000,
	'as it is' => $bytes,
	'a byte more' => "$bytes\0",
	'a block more' => $bytes . "\0" x 512,
	'rubbish behind' => $bytes . 'x' x 512,
	'zeros for its second half' => substr($bytes, 0, 2048) . "\0" x (length($bytes) - 2048),
	'signed by another' => tar_of(signed_by($other, changed('', sub {}, @members))),
	'signed again' => tar_of(signed_by($own, changed('', sub {}, @members))),
	'a later format' => tar_of(signed_by($own, changed('FORMAT', sub { s/1/2/ }, @members))),
	'no format' => tar_of(signed_by($own, changed('FORMAT', sub { s/bundle/bungle/ }, @members))),
	'a requirement' => tar_of(signed_by($own, changed('bundle.json', sub { s/"requires":\s*\[/"requires":["warp",/; s/,\s*\]/]/ }, @members))),
	'no JSON' => tar_of(signed_by($own, changed('bundle.json', sub { s/\}\s*$// }, @members))),
	'another number' => tar_of(signed_by($own, changed('bundle.json', sub { s/"number":\s*2\b/"number": 3/ }, @members))),
	'no previous one' => tar_of(signed_by($own, changed('bundle.json', sub { s/"previous":\s*"[^"]*"/"previous": null/ }, @members))),
	'no position' => tar_of(signed_by($own, changed('bundle.json', sub { s/"last":\s*true/"last": false/ }, @members))),
	'unknown keys' => tar_of(signed_by($own, changed('bundle.json', sub { s/^\{/{"colour": {"a": [1, {"b": null}]}, / }, @members))),
	'renamed member' => tar_of(signed_by($own, map { +{ %$_, name => $_->{name} =~ s/contents/content/r } } changed('', sub {}, @members))),
	'two folders' => tar_of(map { +{ %$_, name => $_->{name} =~ s{^.*/(SHA.*)}{elsewhere/$1}r } } @members),
	'no folder' => tar_of(map { +{ %$_, name => $_->{name} =~ s{^.*/}{}r } } @members),
	'a way out' => tar_of(signed_by($own, map { +{ %$_, name => $_->{name} =~ s{^.*/}{../}r } } changed('', sub {}, @members))),
	'a member of no name' => tar_of($members[0], { name => "$members[0]{name}.d/x", content => 'x' }, @members[ 1 .. $#members ]),
	'sums that end early' => tar_of(@members[ 0 .. $#members - 2 ], { %{ $members[-2] }, content => substr($members[-2]{content}, 0, -1) }, $members[-1]),
	'a short signature' => tar_of(@members[ 0 .. $#members - 1 ], { %{ $members[-1] }, content => substr($members[-1]{content}, 0, 63) }),
	'a member behind' => tar_of(@members, { name => $members[0]{name} =~ s/FORMAT/x/r, content => '' }));
foreach my $i (0 .. $#members)
{
	$forged{"without $i"} = tar_of(@members[ grep { $_ != $i } 0 .. $#members ]);
	$forged{"$i twice"} = tar_of(@members[ 0 .. $i, $i .. $#members ]);
	$forged{"$i before the one before"} = tar_of(@members[ 0 .. $i - 2, $i, $i - 1, $i + 1 .. $#members ]) if $i > 0;
	$forged{"$i signed without"} = tar_of(signed_by($own, @members[ grep { $_ != $i && $_ < @members - 2 } 0 .. $#members ])) if $i > 0 && $i < @members - 2;
}
for (1 .. 40 * $rounds)
{
	my $at = random_below(length $bytes);
	my $flipped = $bytes;
	substr($flipped, $at, 1) ^= chr(1 << random_below(8));
	$forged{"flipped at $at"} = $flipped;
	$at = random_below(length $bytes);
	$forged{"cut at $at"} = substr($bytes, 0, $at);
}
# in headers, too, of which there are few bytes
for (1 .. 20 * $rounds)
{
	my $at = random_below(512);
	my $flipped = $bytes;
	substr($flipped, $at, 1) ^= chr(1 << random_below(8));
	$forged{"flipped at $at"} = $flipped;
}

# Under names of which none is a word of any shell, or a host
my (%files, %name_of);
my $folder = "$work/forged";
mkdir $folder or die;
foreach my $what (sort keys %forged)
{
	my $path = sprintf "%s/h:%03d %s.tar", $folder, scalar(keys %files), $what =~ s/ /_/gr;
	$files{$what} = spew($path, $forged{$what});
	$name_of{$path} = $what;
}
symlink $bundles[1], "$folder/link.tar" or die;
$name_of{"$folder/link.tar"} = 'a link';
my %said_of = verdicts_of(keys %name_of);
my %verdict_of = map { $name_of{$_} => $said_of{$_} =~ s/, and goes on//r } keys %name_of;
is($verdict_of{'as it is'}, 'good', 'a good one');
is($verdict_of{'signed again'}, 'good', 'signatures are our own');
is($verdict_of{'unknown keys'}, 'good', 'keys that are not known are read over');
is($verdict_of{$_}, 'too new', "too new: $_") foreach 'a later format', 'a requirement';
is($verdict_of{'signed by another'}, 'unsigned', 'unsigned');
is_deeply([ grep { /^(flipped|cut|without)|twice|before/ && $verdict_of{$_} !~ /^(bad|partial)$/ } sort keys %verdict_of ], [], 'nothing that was changed is good');
# one of the shells looks at all of them, by the folder, the others at some
foreach my $shell (@shells)
{
	my @looked_at = $shell == $shells[0] ? sort keys %name_of : (shuffle(keys %name_of))[ 0 .. 29 ];
	my ($ok, $said) = receive($shell, 'verify', '-k', $key, $shell == $shells[0] ? $folder : @looked_at);
	my %said = map { my $line = $_; map { $name_of{$_} => $line =~ s/: .*//r } grep { index($line, ": $_") >= 0 } keys %name_of } split /\n/, $said;
	my @differ = grep { ($said{$_} // '') ne $verdict_of{$_} } map { $name_of{$_} } @looked_at;

	ok(!$ok, "$shell->[0] is not content");
	is(scalar(@differ), 0, "$shell->[0] says the same of " . scalar(@looked_at) . ' files');
	diag("$_: $verdict_of{$_}, and $shell->[0] says " . ($said{$_} // 'nothing')) foreach @differ;
	($ok, $said) = receive($shell, 'list', '-k', $key, @bundles[ 0, -1 ]);
	ok($ok && $said =~ /append "public"."account"/, "$shell->[0] lists bundles") or diag($said);
}

# --- loading: by one of them, if there is no time for all

foreach my $shell ($rounds > 1 ? @shells : $shells[ random_below(scalar(@shells)) ])
{
	my $name = $shell->[0];
	my $inbox = "$work/in_$name";
	my $database = "by_$name";
	my $same = sub {
		my ($what) = @_;
		is(ask($target, "SELECT count(*) || ' ' || sum(hashtext(t::text)::bigint) FROM $_ t", $database),
			ask($source, "SELECT count(*) || ' ' || sum(hashtext(t::text)::bigint) FROM $_ t"), "$name, $what: $_") foreach @tables;
	};
	my %there;
	my $deliver = sub {
		copy($_, "$inbox/" . ($there{$_} = sprintf('%06d.bin', random_below(1_000_000)))) or die foreach @_;
	};

	mkdir $inbox or die;
	$target->safe_psql('postgres', "CREATE DATABASE $database");
	$target->safe_psql($database, "CREATE TYPE public.colour AS ENUM ('red', 'green'); CREATE TABLE public.seat (id int PRIMARY KEY, place int UNIQUE, note text, big text, ours text DEFAULT 'ours')");

	# in any order, some twice, and all that was forged beside them; one is missing
	copy($files{$_}, "$inbox/$_") or die foreach grep { $verdict_of{$_} eq 'bad' || $verdict_of{$_} eq 'unsigned' } keys %files;
	# whoever can write to the folder must not be able to have the script ask whose bundles it is to load
	my $alien = PostgreSQL::Test::Utils::slurp_file($bundles[0]);
	my ($id) = $alien =~ m{\A[^/]*-([0-9a-f]{8})-\d+-\d{12}/} or die;
	$alien =~ s/-\Q$id\E-/-00000000-/g;
	open(my $forged, '>:raw', "$inbox/alien") or die;
	print $forged $alien;
	close($forged);
	my $late = $bundles[3];
	$deliver->(grep { $_ ne $late } shuffle(@{ $sent[1] }, @{ $sent[0] }[0, 1]));
	my ($ok, $said) = receive($shell, 'load', '-k', $key, '-c', $inbox);
	ok(!$ok && $said =~ /^loaded: batch/m && $said =~ /^waiting: for number 4 /m, "$name waits for one that is missing") or diag($said);
	$deliver->($late);
	($ok, $said) = receive($shell, 'load', '-k', $key, '-c', $inbox);
	like($said, qr/^loaded: batch/m, "$name goes on when it is there");
	unlike($said, qr/^waiting/m, "$name has all");
	is(ask($target, "SELECT count(*) FROM public.seat WHERE ours = 'ours'", $database), 2000, "$name: columns of the target's own stay");
	$target->safe_psql($database, 'ALTER TABLE public.seat DROP ours');

	my $before = ask($target, 'TABLE public.dbsync_bundle', $database);
	($ok, $said) = receive($shell, 'load', '-k', $key, '-c', $inbox);
	unlike($said, qr/^loaded/m, "$name loads nothing twice");
	is(ask($target, 'TABLE public.dbsync_bundle', $database), $before, "$name remembers");

	$deliver->(@bundles);
	unlink grep { !/[.]bin$/ } glob("$inbox/*");
	($ok, $said) = receive($shell, 'load', '-k', $key, '-c', $inbox);
	ok($ok, "$name follows changes of columns and labels") or diag($said);
	$same->('all');

	# a fork: the number that was loaded last, signed, and another one
	my @last = members_of(slurp($bundles[-1]));
	spew("$inbox/fork.tar", tar_of(signed_by($own, changed('bundle.json', sub { s/"rows":\s*(\d+)/'"rows": ' . ($1 + 1)/e }, @last))));
	($ok, $said) = receive($shell, 'load', '-k', $key, "$inbox/fork.tar");
	ok(!$ok && $said =~ /^receive: fork: number \d+ /m, "$name finds a fork") or diag($said);
	# what does not fit behind it
	my ($number) = $last[0]{name} =~ /-0*(\d+)\//;
	my ($next, $padded) = ($number + 1, sprintf('%012d', $number + 1));
	spew("$inbox/fork.tar", tar_of(signed_by($own, map { +{ %$_, name => $_->{name} =~ s/\d{12}(?=\/)/$padded/r } }
		changed('bundle.json', sub { s/"number":\s*\d+/"number": $next/ }, @last))));
	($ok, $said) = receive($shell, 'load', '-k', $key, "$inbox/fork.tar");
	ok(!$ok && $said =~ /^receive: broken chain: number $next /m, "$name finds a broken chain") or diag($said);
	is(ask($target, 'SELECT number FROM public.dbsync_bundle', $database), $number, "$name stays where it was");

	my @sealed = ('-k', "$work/sealed.pem", '-c', "$work/sealed/out");
	($ok, $said) = receive($shell, 'load', @sealed);
	ok(!$ok && $said =~ /^receive: number 1 is encrypted/m, "$name cannot open what is encrypted without a key") or diag($said);
	($ok, $said) = receive($shell, 'load', '-i', "$work/identity.pem", @sealed);
	ok($ok, "$name opens what is encrypted") or diag($said);
	is(ask($target, "SELECT count(*) || ' ' || sum(hashtext(t::text)::bigint) FROM public.secret t", $database),
		ask($source, "SELECT count(*) || ' ' || sum(hashtext(t::text)::bigint) FROM public.secret t"), "$name has what was in it");
}
$pair->finish;

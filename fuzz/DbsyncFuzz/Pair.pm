# Two databases of a throwaway server, a subscription from one to the other, and what is
# known of the server's health.
package DbsyncFuzz::Pair;

use strict;
use warnings;

use Time::HiRes qw(sleep time);

use DbsyncFuzz::Session;
use DbsyncFuzz::Values qw(below quoted);

# What a server says that has crashed, or has met what cannot be.
my $crash = qr/terminated by signal|PANIC:|TRAP:|stuck spinlock|ERROR:.*XX000|\[XX000\]|runtime error:|AddressSanitizer/;

# Usage: new(psql =>, host =>, port =>, log => the server's, reports => folder of sanitizers)
sub new
{
	my ($class, %options) = @_;
	my $self = bless { %options, runs => 0, history => [], seen => {} }, $class;

	$self->{$_} = DbsyncFuzz::Session->new(%options, database => $_) foreach qw(postgres);
	$self->skip_log();
	$self->build();
	return $self;
}

sub close
{
	my ($self) = @_;

	foreach my $name (qw(source target postgres))
	{
		$self->{$name}->close() if $self->{$name};
	}
	return;
}

# One more thing was tried.
sub count { $_[0]{runs}++; return; }

# Say something to a database; undef: it did not survive.
sub ask
{
	my ($self, $where, $sql, $timeout) = @_;
	my $answer;

	push @{ $self->{history} }, "-- $where\n$sql;\n";
	$answer = $self->{$where}->ask($sql, $timeout // 60);
	die "crash: $self->{$where}{why}\n" unless defined $answer;
	die "crash: internal error\n$answer\n" if $answer =~ /(ERROR|FATAL|PANIC):  XX000/;
	return $answer;
}

sub source { my ($self, @rest) = @_; return $self->ask('source', @rest); }
sub target { my ($self, @rest) = @_; return $self->ask('target', @rest); }

# Say what has to succeed.
sub must
{
	my ($self, $where, $sql) = @_;
	my $answer = $self->ask($where, $sql);

	die "setup: $answer\n" if $answer =~ /^(psql:.*)?(ERROR|FATAL):/m;
	return $answer;
}

sub skip_log
{
	my ($self) = @_;

	$self->{at} = -s $self->{log} // 0;
	$self->{seen}{$_} = 1 foreach glob("$self->{reports}/*");
	return;
}

# What the server's log and the sanitizers tell since the last time; undef: nothing.
sub trouble
{
	my ($self) = @_;
	my @found;

	if (open(my $log, '<', $self->{log}))
	{
		seek($log, $self->{at}, 0);
		push @found, grep { /$crash/ } <$log>;
		$self->{at} = tell($log);
		CORE::close($log);
	}
	foreach my $report (grep { !$self->{seen}{$_} && -s $_ } glob("$self->{reports}/*"))
	{
		$self->{seen}{$report} = 1;
		open(my $file, '<', $report) or next;
		push @found, grep { defined } (<$file>)[ 0 .. 30 ];
		CORE::close($file);
	}
	return @found ? join('', @found) : undef;
}

# Wait until a server that has crashed is there again.
sub revive
{
	my ($self) = @_;
	my $deadline = time() + 60;

	while (time() < $deadline)
	{
		my $answer = $self->{postgres}->ask('SELECT 1', 5);

		return 1 if defined $answer && $answer eq '1';
		$self->{postgres}->close();
		sleep(0.2);
		$self->{postgres}->open();
	}
	return 0;
}

# Both databases anew.
sub build
{
	my ($self) = @_;

	foreach my $name (qw(source target))
	{
		$self->{$name}->close() if $self->{$name};
		$self->must('postgres', "DROP DATABASE IF EXISTS $name WITH (FORCE)");
		$self->must('postgres', "CREATE DATABASE $name");
		$self->{$name} = DbsyncFuzz::Session->new(%$self, database => $name);
		$self->must($name, $_) foreach
		  "SET client_min_messages = error",
		  "CREATE TABLE public.t1 (id int PRIMARY KEY, a text, b numeric, c jsonb)",
		  "CREATE TABLE public.t2 (k text, n int, v bytea, l int[], PRIMARY KEY (k, n))",
		  "ALTER TABLE public.t1 ALTER a SET STORAGE EXTERNAL";
	}
	$self->must('source', $_) foreach
	  "CREATE VIEW public.v AS SELECT * FROM public.t1",
	  "CREATE TABLE public.part (id int PRIMARY KEY) PARTITION BY RANGE (id)",
	  "CREATE SEQUENCE public.seq",
	  "CREATE EXTENSION dbsync",
	  "SELECT dbsync.create_target('t', " . quoted($self->{uri}) . ")",
	  "DO \$\$ BEGIN CREATE ROLE tenant LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END \$\$",
	  "GRANT USAGE ON SCHEMA dbsync TO tenant",
	  "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dbsync TO tenant",
	  "GRANT SELECT ON dbsync.status, dbsync.table_status TO tenant",
	  "GRANT USAGE ON FOREIGN DATA WRAPPER dbsync_postgres TO tenant",
	  "SET statement_timeout = '10s'";
	return;
}

# Rows come, change and go at the source.
sub change_rows
{
	my ($self) = @_;
	my $n = below(2000);
	my @changes = (
		"INSERT INTO public.t1 SELECT i, repeat('x', i % 700), i, '{\"a\": 1}' FROM generate_series($n, $n + 20) i"
		  . " ON CONFLICT (id) DO UPDATE SET b = t1.b + 1",
		"UPDATE public.t1 SET b = b + 1 WHERE id % 3 = 0",
		"UPDATE public.t1 SET a = repeat('y', 3000), id = id + 10000 WHERE id BETWEEN $n AND $n + 3"
		  . " AND NOT EXISTS (SELECT FROM public.t1 o WHERE o.id = t1.id + 10000)",
		"DELETE FROM public.t1 WHERE id BETWEEN $n AND $n + 5",
		"INSERT INTO public.t2 SELECT chr(65 + i % 26) || '\"{,\\', i, '\\x00ff', ARRAY[i, NULL]"
		  . " FROM generate_series($n, $n + 10) i ON CONFLICT DO NOTHING",
		"UPDATE public.t2 SET v = v || '\\x01' WHERE n % 2 = 0",
		"DELETE FROM public.t2 WHERE n % 7 = 0",
		"INSERT INTO public.t1 VALUES ($n, 'one') ON CONFLICT DO NOTHING");

	push @changes, "TRUNCATE public.t2" if below(20) == 0;
	$self->must('source', $changes[ below(scalar @changes) ]) foreach 0 .. below(4);
	return;
}

# A subscription that has just come as far as its source, whatever was before.
sub fresh
{
	my ($self) = @_;
	my $start = sub {
		$self->must('source', "SELECT dbsync.drop_subscription(s.name, force => true) FROM dbsync.subscription s");
		$self->must('target', $_) foreach "DROP SCHEMA IF EXISTS dbsync_ledger CASCADE", "TRUNCATE public.t1, public.t2";
		$self->must('source', "SELECT dbsync.create_subscription('s', 't', tables => ARRAY['public.t1', 'public.t2'])");
		$self->change_rows();
		$self->must('source', "SELECT dbsync.run_once('s')");
	};

	eval { $start->(); 1 } and return;
	die $@ if $@ =~ /^crash/;
	$self->build();
	$start->();
	return;
}

# No worker outlives what it was to do.
sub settle
{
	my ($self) = @_;
	my $workers = "SELECT pid FROM pg_stat_activity WHERE backend_type ~ 'dbsync' AND backend_type !~ 'launcher' AND datname IS NOT NULL";
	my $left = '';

	foreach my $try (1 .. 400)
	{
		$left = $self->ask('postgres', $workers);
		return if $left eq '';
		$self->ask('postgres', "SELECT pg_terminate_backend(pid) FROM ($workers) w") if $try == 200;
		sleep(0.05);
	}
	kill('KILL', $_) foreach grep { /^\d+$/ } split /\n/, $left;
	die "crash: a worker does not end\n";
}

# Run the subscription once, or as long as ten seconds allow.
sub run
{
	my ($self) = @_;
	my $answer = $self->source("SELECT dbsync.run_once('s')");

	$self->count();
	$self->settle();
	return $answer;
}

1;

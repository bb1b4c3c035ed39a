# What must be reached, part by part, computed from the measurements.
#
# A check is { work, what, values of the rounds, value (their median), limit,
# at_least or not, ok, shown: the line of measurements it belongs to }.
package Requirements;

use strict;
use warnings;
use utf8;
use Measurements;

my @parts = (
	[ capture_bulk => 'What capturing costs statements that write many rows.', \&capture_bulk ],
	[ capture_oltp => 'What capturing costs short transactions (pgbench, TPC-B-like).', \&capture_oltp ],
	[ drain => 'How fast a backlog reaches the target.', \&drain ],
	[ sustained => 'Does the target keep up with pgbench at full speed?', \&sustained ],
	[ latency => 'From the client having its COMMIT until the row can be seen on the target.', \&latency ],
	[ first_copy => 'How fast an existing table reaches the target.', \&first_copy ],
	[ idle => '1000 captured tables, 20 subscriptions, nothing written.', \&idle ],
	[ growth => 'What gets slower, or larger, as something else grows.', \&growth ],
	[ wide_rows => 'A document of 100 kB beside the column that changes.', \&wide_rows ],
	[ many_writers => 'One-row transactions of many clients.', \&many_writers ],
	[ policies => 'Changes that do not travel at once.', \&policies ],
	[ tables => 'Tables that change while they are captured.', \&tables ],
	[ partitions => 'Partitioned tables.', \&partitions ],
	[ keyless => 'Tables without a key.', \&keyless ],
	[ selection => 'Columns, expressions and rows that are chosen.', \&selection ],
	[ create_missing => 'Tables that are made at the target, and their indexes behind the copy.', \&create_missing ],
	[ ordered => 'A target that checks its foreign keys.', \&ordered ],
	[ many_tables => 'Ten thousand tables in one subscription.', \&many_tables ],
	[ timestamp => 'Few new rows in a large table that is scanned.', \&timestamp ],
	[ shadow => 'Few differences between a table and its shadow.', \&shadow ],
	[ verify => 'Are both ends equal?', \&verify ],
	[ snapshot => 'A table that is kept equal by comparisons.', \&snapshot ],
	[ config => 'A configuration of two thousand tables.', \&config ],
	[ quarantine => 'Rows that the target refuses.', \&quarantine ],
	[ keys => 'Keys captured alone, beside whole rows.', \&keys_alone ],
	[ files => 'Bundles, written and received.', \&files ]);
my %part = map { $_->[0] => $_ } @parts;

my %peers = (
	capture_bulk => [qw(slony pgq)], capture_oltp => [qw(slony pgq)], drain => [qw(native pglogical)],
	latency => [qw(native pglogical)], first_copy => [ 'native', 'pgcopydb', 'dbsync, 2 connections' ]);

sub parts { return map { $_->[0] } @parts; }
sub title { return $part{ $_[0] }[1]; }
sub peers { return @{ $peers{ $_[0] } // [] }; }

# Checks for which nothing was measured are left out.
sub of
{
	my ($data, $name) = @_;
	return grep { defined } $part{$name}[2]->($data, $name);
}

# Usage: check(work, what, op, limit, [values], more)
sub check
{
	my ($work, $what, $op, $limit, $values, %more) = @_;
	return unless @$values && defined $limit;
	my $value = Measurements::median(@$values);
	my $at_least = $op eq '>=';

	return {
		work => $work, what => $what, values => $values, value => $value, limit => $limit,
		at_least => $at_least, ok => ($at_least ? $value >= $limit : $value <= $limit), %more };
}

# In each round, system a's value of a work divided by system b's.
sub ratios
{
	my ($data, $name, $work, $a, $b) = @_;
	return [ $data->each_round(sub {
		my $over = $data->at($name, $work, $a, $_[0]);
		my $under = $data->at($name, $work, $b, $_[0]);
		return defined $over && $under ? $over / $under : undef;
	}) ];
}

# Like ratios, of what each needs more than uncaptured.
sub extra_ratios
{
	my ($data, $name, $work, $a, $b) = @_;
	return [ $data->each_round(sub {
		my ($over, $under, $bare) = map { scalar $data->at($name, $work, $_, $_[0]) } $a, $b, 'uncaptured';
		return unless defined $over && defined $under && defined $bare;
		return $under > $bare ? ($over - $bare) / ($under - $bare) : undef;
	}) ];
}

sub config
{
	my ($data, $name) = @_;

	return map {
		check($_, 'it takes', '<=', 1, [ $data->values($name, $_, 'dbsync') ], unit => ' s')
	} 'load, nothing to do', 'dump';
}

# Per table, with all of them; and with all against a tenth, or against ten.
sub many_tables
{
	my ($data, $name) = @_;
	my $tables = $ENV{BENCH_MANY_TABLES} // 10_000;
	my $all = sub { return [ $data->values($name, $_[0], 'all tables') ] };
	my $memory = sub {
		return [ $data->each_round(sub {
			my $round = $_[0];
			my ($over, $under) = map { scalar $data->at($name, 'memory of the worker', $_, $round) } 'all tables', '10 tables';
			return defined $over && defined $under ? ($over - $under) / $tables : undef;
		}) ];
	};
	return (
		check('create', 'a table', '<=', 6, $all->('create, a table'), unit => ' ms'),
		check('create', 'all ÷ a tenth', '<=', 1.3, ratios($data, $name, 'create, a table', 'all tables', 'a tenth')),
		check('until all are live', 'a table', '<=', 20, $all->('until all are live, a table'), unit => ' ms'),
		check('until all are live', 'all ÷ a tenth', '<=', 1.3, ratios($data, $name, 'until all are live, a table', 'all tables', 'a tenth')),
		check('memory of the worker', 'a table above that with 10', '<=', 20, $memory->(), unit => ' kB'),
		check('change of the subscription', 'cpu', '<=', 20, $all->('change of the subscription, cpu'), unit => ' ms'),
		check('one-row commit', 'p50, all ÷ 10 tables', '<=', 1.2, ratios($data, $name, 'one-row commit and wait, p50', 'all tables', '10 tables')),
		check('idle cpu', 'of a core', '<=', 1, $all->('idle cpu'), unit => ' %'));
}

sub capture_bulk
{
	my ($data, $name) = @_;
	my %whole = (insert => 1.6, update => 1.2, delete => 2.0);
	my @checks;

	foreach my $shape ('narrow', 'wide')
	{
		my $updates = ratios($data, $name, "$shape update", 'dbsync', 'uncaptured');
		foreach my $kind ('insert', 'update', 'delete', 'upsert')
		{
			my $work = "$shape $kind";
			my $limit = $whole{$kind} // (@$updates ? Measurements::median(@$updates) : undef);
			push @checks,
				check($work, 'extra ÷ Slony-I\'s extra', '<=', 0.125,
					extra_ratios($data, $name, $work, 'dbsync', 'slony')),
				check($work, 'whole ÷ uncaptured', '<=', $limit,
					ratios($data, $name, $work, 'dbsync', 'uncaptured'));
		}
	}
	return @checks;
}

sub capture_oltp
{
	my ($data, $name) = @_;
	return map {
		my $limit = /sync on/ ? 0.98 : 0.92;
		check($_, 'dbsync ÷ uncaptured', '>=', $limit, ratios($data, $name, $_, 'dbsync', 'uncaptured'))
	} grep { /^tps/ } $data->works($name);
}

sub drain
{
	my ($data, $name) = @_;
	my %limit = (inserts => 4, updates => 3, deletes => 4, 'one-row updates' => 4);
	return map {
		check($_, 'native ÷ dbsync', '>=', $limit{$_}, ratios($data, $name, $_, 'native', 'dbsync'))
	} sort keys %limit;
}

# The most seconds behind among the looks of one third of the run.
sub worst_lag
{
	my ($data, $third, $round) = @_;
	my %at = map { /^lag seconds at (\d+) s$/ ? ($1 => $_) : () } $data->works('sustained');
	my @times = grep { defined $data->at('sustained', $at{$_}, 'dbsync', $round) } sort { $a <=> $b } keys %at;
	my $end = @times ? $times[-1] : 0;
	my @lags = map { $data->at('sustained', $at{$_}, 'dbsync', $round) }
		grep { $_ > $end * ($third - 1) / 3 && $_ <= $end * $third / 3 } @times;
	return @lags ? Measurements::most(@lags) : undef;
}

sub sustained
{
	my ($data, $name) = @_;
	my @second = $data->each_round(sub { return worst_lag($data, 2, $_[0]) });
	my @third = $data->each_round(sub { return worst_lag($data, 3, $_[0]) });

	return (
		check('tps', 'dbsync ÷ uncaptured', '>=', 0.8, ratios($data, $name, 'tps', 'dbsync', 'uncaptured')),
		check('lag', 'worst of the last third (limit: 2 × the worst of the second + 1 s)', '<=',
			@second ? 2 * Measurements::median(@second) + 1 : undef, \@third, unit => ' s'),
		check('drained after', 'the target has all, after the end', '<=', 2,
			[ $data->values($name, 'drained after', 'dbsync') ], unit => ' s'));
}

sub latency
{
	my ($data, $name) = @_;
	my %limit = ('p50, sync on' => 1, 'p99, sync on' => 1.5, 'p50, sync off' => 0.05);
	return map {
		check($_, 'dbsync ÷ native', '<=', $limit{$_}, ratios($data, $name, $_, 'dbsync', 'native'))
	} sort { $b cmp $a } keys %limit;
}

sub first_copy
{
	my ($data, $name) = @_;
	return (
		check('1 connection', 'bare text ÷ dbsync', '>=', 0.95, ratios($data, $name, '1 connection', 'bare text', 'dbsync')),
		check('1 connection', 'pgcopydb ÷ dbsync', '>=', 1.2, ratios($data, $name, '1 connection', 'pgcopydb', 'dbsync')));
}

# Source and target together.
sub idle
{
	my ($data, $name) = @_;
	my $sum = sub {
		my ($what) = @_;
		return [ $data->each_round(sub {
			my @both = map { scalar $data->at($name, "$what of the $_", 'dbsync', $_[0]) } 'source', 'target';
			return defined $both[0] && defined $both[1] ? $both[0] + $both[1] : undef;
		}) ];
	};
	my @own = $data->values($name, 'WAL of the source', 'uncaptured');
	return (
		check('cpu of the source', 'source and target', '<=', 0.5, $sum->('cpu'), unit => ' % of a core'),
		check('WAL of the source', 'source and target (limit: what two idle servers write)', '<=',
			@own ? 2 * Measurements::median(@own) : undef, $sum->('WAL'), unit => ' bytes'));
}

# Sizes that were measured, from the smallest.
sub sizes
{
	my ($data, $pattern) = @_;
	return sort { $a <=> $b } map { /$pattern/ ? $1 : () } $data->works('growth');
}

# In each round, one work's value divided by another's.
sub growth_ratios
{
	my ($data, $a, $b) = @_;
	return [ $data->each_round(sub {
		my ($over, $under) = map { scalar $data->at('growth', $_, 'dbsync', $_[0]) } $a, $b;
		return defined $over && $under ? $over / $under : undef;
	}) ];
}

sub growth
{
	my ($data) = @_;
	my @consumed = sizes($data, qr/^batch after (\d+) consumed rows$/);
	my @drained = sizes($data, qr/^drain of (\d+) rows$/);
	my ($old) = grep { /^batch beside a transaction/ } $data->works('growth');
	my @checks;

	foreach my $work ((map { "batch after $_ consumed rows" } @consumed[ 1 .. $#consumed ]), $old // ())
	{
		push @checks, check($work, '÷ after 0 rows', '<=', 1.1,
			growth_ratios($data, $work, 'batch after 0 consumed rows'));
	}
	push @checks, check("drain of $drained[2] rows", 'seconds a row more ÷ that of the step before', '<=', 1.15,
		[ $data->each_round(sub {
			my @t = map { scalar $data->at('growth', "drain of $_ rows", 'dbsync', $_[0]) } @drained;
			return if grep { !defined } @t;
			my $first = ($t[1] - $t[0]) / ($drained[1] - $drained[0]);
			return $first > 0 ? ($t[2] - $t[1]) / ($drained[2] - $drained[1]) / $first : undef;
		}) ]) if @drained == 3;
	foreach my $size (@drained)
	{
		my $work = "memory while draining $size rows";
		push @checks, check($work, 'above idle', '<=', 64, [ $data->values('growth', $work, 'dbsync') ], unit => ' MB');
	}
	return @checks;
}

sub wide_rows
{
	my ($data, $name) = @_;
	my @checks;

	foreach my $statement ('update', 'delete')
	{
		my ($with, $without) = map { "$statement, $_ document" } 'with', 'without';
		my $extra = sub {
			my ($work, $round) = @_;
			my ($ours, $bare) = map { scalar $data->at($name, "WAL of $work", $_, $round) } 'dbsync', 'native';
			return defined $ours && defined $bare ? $ours - $bare : undef;
		};
		push @checks,
			check("WAL of $with", 'capture\'s WAL ÷ that without document', '<=', 2, [ $data->each_round(sub {
				my ($over, $under) = map { $extra->($_, $_[0]) } $with, $without;
				return defined $over && $under ? $over / $under : undef;
			}) ]),
			check("wire of $with", '÷ without document', '<=', 2, [ $data->each_round(sub {
				my ($over, $under) = map { scalar $data->at($name, "wire of $_", 'dbsync', $_[0]) } $with, $without;
				return defined $over && $under ? $over / $under : undef;
			}) ]);
	}
	return @checks;
}

sub keys_alone
{
	my ($data, $name) = @_;

	return map {
		my ($work, $limit) = @$_;
		check("$work, keys", 'of that of whole rows', '<=', $limit, [ $data->each_round(sub {
			my ($keys, $rows) = map { scalar $data->at($name, "$work, $_", 'dbsync', $_[0]) } 'keys', 'whole rows';
			return $keys && $rows ? $keys / $rows : undef;
		}) ])
	} [ 'captured bytes', 0.125 ], [ 'update', 1 ];
}

sub many_writers
{
	my ($data, $name) = @_;
	return map {
		my $work = "$_ clients";
		check($work, '(captured ÷ uncaptured) ÷ that with 4 clients', '>=', 0.9, [ $data->each_round(sub {
			my ($a, $b, $c, $d) = map { scalar $data->at($name, $_->[0], $_->[1], $_[0]) }
				[ $work, 'dbsync' ], [ $work, 'uncaptured' ], [ '4 clients', 'dbsync' ], [ '4 clients', 'uncaptured' ];
			return $b && $c && $d && defined $a ? ($a / $b) / ($c / $d) : undef;
		}) ])
	} 32, 64;
}

sub policies
{
	my ($data, $name) = @_;
	my $all = sub { return [ $data->values($name, @_) ] };
	return (
		(map {
			check('idle worker', "$_, of a core", '<=', 0.1, $all->('idle worker', $_), unit => ' %'),
			check('idle WAL', $_, '<=', 0, $all->('idle WAL', $_), unit => ' bytes')
		} 'thresholds', 'cron'),
		check('8 writers', 'ten thresholds ÷ one immediate', '>=', 1, ratios($data, $name, '8 writers', 'thresholds', 'immediate')),
		check('pgbench', 'interval 1 s ÷ immediate', '>=', 1.1, ratios($data, $name, 'pgbench', 'interval', 'immediate')),
		check('greatest lag', 'interval 1 s', '<=', 2, $all->('greatest lag', 'interval'), unit => ' s'));
}

sub tables
{
	my ($data, $name) = @_;
	return (
		check('ADD COLUMN', 'more than uncaptured', '<=', 15, [ $data->each_round(sub {
			my ($ours, $bare) = map { scalar $data->at($name, 'ADD COLUMN', $_, $_[0]) } 'dbsync', 'uncaptured';
			return defined $ours && defined $bare ? $ours - $bare : undef;
		}) ], unit => ' ms'),
		check('CREATE and DROP', '÷ without event triggers', '<=', 1.6,
			ratios($data, $name, 'CREATE and DROP', 'dbsync', 'without')),
		check('drain of 101 shapes', '÷ of one shape', '<=', 1.3, [ $data->each_round(sub {
			my ($many, $one) = map { scalar $data->at($name, "drain of $_", 'dbsync', $_[0]) } '101 shapes', 'one shape';
			return $many && $one ? $many / $one : undef;
		}) ]));
}

sub partitions
{
	my ($data, $name) = @_;
	my %most = (insert => 1.35, update => 1.4, delete => 2.5, move => 1.7, 'COPY into the root' => 2.0, 'COPY into a leaf' => 1.6,
		DETACH => 1.5, DROP => 1.5);
	my ($single) = grep { /^one-row inserts/ } $data->works($name);

	return (
		(map { check($_, '÷ uncaptured', '<=', $most{$_}, ratios($data, $name, $_, 'dbsync', 'uncaptured')) } sort keys %most),
		check($single // '', 'of uncaptured', '>=', 0.88, ratios($data, $name, $single // '', 'dbsync', 'uncaptured')),
		check('ATTACH', '÷ bare COPY', '<=', 0.7, [ $data->each_round(sub {
			my ($attach, $copy) = map { scalar $data->at($name, $_, 'dbsync', $_[0]) } 'ATTACH', 'COPY, bare';
			return $attach && $copy ? $attach / $copy : undef;
		}) ]),
		map {
			my $work = $_;
			check("drain of $work, partitioned", '÷ plain', '<=', 1.1, [ $data->each_round(sub {
				my ($parts, $plain) = map { scalar $data->at($name, "drain of $work, $_", 'dbsync', $_[0]) } 'partitioned', 'plain';
				return $parts && $plain ? $parts / $plain : undef;
			}) ])
		} 'inserts', 'updates');
}

sub keyless
{
	my ($data, $name) = @_;
	my ($few, $some) = sort { $a <=> $b } map { /^(\d+) updates, keyless/ ? $1 : () } $data->works($name);

	return (
		check('update of all', '÷ uncaptured', '<=', 1.6, ratios($data, $name, 'update of all', 'dbsync', 'uncaptured')),
		check("$some updates, keyless", '÷ with a key', '<=', 6, [ $data->each_round(sub {
			my ($keyless, $keyed) = map { scalar $data->at($name, "$some updates, $_", 'dbsync', $_[0]) } 'keyless', 'keyed';
			return $keyless && $keyed ? $keyless / $keyed : undef;
		}) ]),
		check("$few updates, keyless", 'native ÷ dbsync', '>=', 5, ratios($data, $name, "$few updates, keyless", 'native', 'dbsync')));
}

sub selection
{
	my ($data, $name) = @_;
	my %most = ('columns chosen' => 1.05, 'filter and expression' => 1.6);

	return map {
		my $what = $_;
		check("drain of updates, $what", '÷ everything', '<=', $most{$what}, [ $data->each_round(sub {
			my ($chosen, $all) = map { scalar $data->at($name, "drain of updates, $_", 'dbsync', $_[0]) } $what, 'everything';
			return $chosen && $all ? $chosen / $all : undef;
		}) ])
	} 'columns chosen', 'filter and expression';
}

sub quarantine
{
	my ($data, $name) = @_;
	my %most = ('three refused' => 3, 'a hundred parked' => 1.05);

	return map {
		my $what = $_;
		check("drain of updates, $what", '÷ none refused', '<=', $most{$what}, [ $data->each_round(sub {
			my ($some, $none) = map { scalar $data->at($name, "drain of updates, $_", 'dbsync', $_[0]) } $what, 'none refused';
			return $some && $none ? $some / $none : undef;
		}) ])
	} 'three refused', 'a hundred parked';
}

sub create_missing
{
	my ($data, $name) = @_;

	return check('copy with two indexes', 'made ÷ indexes first', '<=', 0.9,
		ratios($data, $name, 'copy with two indexes', 'made', 'indexes first'));
}

sub ordered
{
	my ($data, $name) = @_;

	my $price = sub {
		my ($what, $round) = @_;
		my ($ordered, $replica) = map { scalar $data->at($name, "$what, $_", 'dbsync', $round) } 'ordered', 'replica';

		return $ordered && $replica ? $ordered / $replica : undef;
	};

	return (
		(map {
			my $what = $_;
			check($what, 'ordered ÷ replica', '<=', 2.0, [ $data->each_round(sub { $price->($what, $_[0]) }) ])
		} 'inserts', 'moves', 'deletes'),
		# where PostgreSQL's own checks cost more than that: no more than they do
		map {
			my $what = $_;
			check($what, 'ordered ÷ replica, ÷ the same by hand', '<=', 1.2, [ $data->each_round(sub {
				my ($ours, $own) = ($price->($what, $_[0]), $price->("$what by hand", $_[0]));
				return $ours && $own ? $ours / $own : undef;
			}) ])
		} 'inserts', 'deletes');
}

sub timestamp
{
	my ($data, $name) = @_;

	return check('scan of 1 000 new rows', 'CPU of the source, ms', '<=', 50, [ $data->each_round(sub {
		return scalar $data->at($name, 'scan of 1 000 new rows, CPU of the source', 'dbsync', $_[0]);
	}) ]);
}

sub shadow
{
	my ($data, $name) = @_;
	my $ratio = sub {
		my ($over, $under) = @_;
		return [ $data->each_round(sub {
			my ($x, $y) = map { scalar $data->at($name, $_, 'dbsync', $_[0]) } $over, $under;
			return $x && $y ? $x / $y : undef;
		}) ];
	};

	return (
		check('comparison that finds 100', '÷ the bare FULL JOIN', '<=', 2, $ratio->('comparison that finds 100', 'FULL JOIN that finds 100')),
		check('comparison that finds 1000, WAL', '÷ that of 100', '<=', 12,
			$ratio->('comparison that finds 1000, WAL', 'comparison that finds 100, WAL')));
}

sub verify
{
	my ($data, $name) = @_;
	my $figure = sub { return scalar $data->at($name, $_[0], 'dbsync', $_[1]); };
	my $ratio = sub {
		my ($over, $under) = @_;
		return [ $data->each_round(sub {
			my ($x, $y) = map { $figure->($_, $_[0]) } $over, $under;
			return $x && $y ? $x / $y : undef;
		}) ];
	};

	return (
		check('an honest target', '÷ count and hash at both ends', '<=', 1.5, $ratio->('an honest target', 'count and hash at both ends')),
		check('100 rows differ', '÷ an honest target', '<=', 1.5, $ratio->('100 rows differ', 'an honest target')),
		check('a hundredth of it', '÷ all', '<=', 0.25, $ratio->('a hundredth of it', 'an honest target')),
		check('commits beside verify, p99', '÷ without verify', '<=', 1.5, $ratio->('commits beside verify, p99', 'commits without verify, p99')),
		check('commits beside verify, p99', '÷ beside count and hash', '<=', 1.5, $ratio->('commits beside verify, p99', 'commits beside count and hash, p99')),
		check('many rows, memory', 'above idle, MB', '<=', 64, [ $data->each_round(sub { return $figure->('many rows, memory above idle', $_[0]); }) ]),
		check('many rows', '÷ pgcopydb compare data', '<=', 0.5, ratios($data, $name, 'many rows', 'dbsync', 'pgcopydb')),
		check('1 000 rows repaired', 'beyond finding them, s', '<=', 1, [ $data->each_round(sub {
			my ($x, $y) = map { $figure->($_, $_[0]) } '1 000 rows repaired', '1 000 rows differ';
			return $x && $y ? $x - $y : undef;
		}) ]));
}

sub snapshot
{
	my ($data, $name) = @_;
	my $plain = 'count and hash at both ends';

	return map {
		my ($work, $most) = @$_;
		check($work, '÷ count and hash at both ends', '<=', $most, [ $data->each_round(sub {
			my ($x, $y) = map { scalar $data->at($name, $_, 'dbsync', $_[0]) } $work, $plain;
			return $x && $y ? $x / $y : undef;
		}) ])
	} [ 'nothing differs', 1.5 ], [ '100 rows differ', 2 ], [ 'a tenth of the rows differs', 5 ];
}

sub files
{
	my ($data, $name) = @_;
	my $ratio = sub { return ratios($data, $name, @_) };

	return (
		check('first copy', 'bundles ÷ COPY TO', '<=', 1.25, $ratio->('first copy', 'dbsync', 'bare COPY TO')),
		check('bytes of the first copy', 'bundles ÷ zstd -1', '<=', 1.05, $ratio->('bytes of the first copy', 'dbsync', 'zstd -1')),
		(map {
			check($_, 'into bundles ÷ live', '<=', 1, $ratio->($_, 'into bundles', 'live')),
			check($_, 'received ÷ live', '<=', 1.15, $ratio->($_, 'received', 'live'))
		} 'inserts', 'updates', 'deletes'),
		check('inserts', 'received ÷ zstd and psql', '<=', 1.1, $ratio->('inserts', 'received', 'zstd and psql')),
		check('one-row commit, p50', 'until it is in out ÷ fsync, rename, fsync', '<=', 1.5,
			$ratio->('one-row commit, p50', 'into bundles', 'fsync and rename')),
		check('proving', 'openssl ÷ dbsync', '>=', 0.8, $ratio->('proving', 'openssl', 'dbsync')),
		(map {
			my $work = "cpu of $_, a GB";
			check($work, 'more when encrypted', '<=', 3, [ $data->each_round(sub {
				my ($over, $under) = map { scalar $data->at($name, $work, $_, $_[0]) } 'encrypted', 'plain';
				return defined $over && defined $under ? $over - $under : undef;
			}) ], unit => ' s')
		} 'writing', 'receiving'),
		(map {
			my $work = $_;
			map { check($work, $_, '<=', 64, [ $data->values($name, $work, $_) ], unit => ' MB') } 'sender', 'receiver'
		} grep { /^memory, / } $data->works($name)),
		check('pgbench', 'beside files ÷ alone', '>=', 0.95, $ratio->('pgbench', 'beside files', 'alone')));
}

1;

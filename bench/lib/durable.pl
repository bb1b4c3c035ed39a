#!/usr/bin/perl
# What it takes to put a file where it survives a crash: durable.pl FOLDER BYTES COUNT PER_SECOND
#
# So many files of so many bytes, that many a second: fsync, rename, fsync of the
# folder.  The clock starts when the file is written.  Prints p50 and p99 in ms.
use strict;
use warnings;
use IO::Handle;
use Time::HiRes qw(time sleep);

my ($folder, $bytes, $count, $per_second) = @ARGV;
my $data = join '', map { chr(int(rand(256))) } 1 .. $bytes;
my $begun = time;
my @took;

open(my $directory, '<', $folder) or die "$folder: $!\n";
foreach my $n (1 .. $count)
{
	my $pause = $begun + $n / $per_second - time;
	sleep($pause) if $pause > 0;
	open(my $file, '>:raw', "$folder/new") or die "$folder/new: $!\n";
	print $file $data;
	$file->flush or die "write: $!\n";
	my $start = time;
	$file->sync or die "fsync of a file: $!\n";
	rename("$folder/new", "$folder/$n") or die "rename: $!\n";
	$directory->sync or die "fsync of the folder: $!\n";
	push @took, (time - $start) * 1000;
	close($file) or die "close: $!\n";
}
@took = sort { $a <=> $b } @took;
printf "%.3f %.3f\n", map { $took[int($_ * $#took)] } 0.5, 0.99;

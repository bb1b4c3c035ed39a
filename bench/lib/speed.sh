# How fast the machine is while it is measured.  On a virtual machine the other thread
# of a core may belong to somebody else: what runs beside it is then slower by a half,
# for seconds or for hours, and no load average tells.  So before each measurement a
# loop of fixed length runs on each processor, and each part notes how long it took.

# shellcheck disable=SC2016
speed_loop='use Time::HiRes "time";
	my $begun = time;
	my $sum = 0;
	$sum += $_ & 3 for 1 .. 500_000;
	printf "%.1f\n", (time - $begun) * 1000;'

# One after the other: a processor is not to be slowed down by our own loop.
look_at_speed()
{
	local core

	for core in $(our_cores); do
		taskset -c "$core" perl -e "$speed_loop" >>"$work/speed"
	done
}

# Usage: note_speed PART
note_speed()
{
	[ -s "$work/speed" ] || return 0
	note "speed, $1" "$(sort -n "$work/speed" | perl -e '
		my @ms = map { $_ + 0 } <STDIN>;
		my $slow = grep { $_ > 1.2 * $ms[0] } @ms;
		printf "a fixed loop took %.0f ms at best, %.0f at the median, %.0f at worst; %.0f %% of %d looks were slower than the best by a fifth",
			$ms[0], $ms[@ms / 2], $ms[-1], 100 * $slow / @ms, scalar @ms;')"
	rm -f "$work/speed"
}

# Clocks, and the order of turns.

now()
{
	date +%s.%N
}

# Usage: since START.  Seconds, to the tenth of a millisecond.
since()
{
	perl -e 'printf "%.4f", $ARGV[1] - $ARGV[0]' "$1" "$(now)"
}

# Usage: calc EXPRESSION
calc()
{
	perl -e "printf '%.6g', $1"
}

# Usage: timed_sql SERVER DATABASE STATEMENT.  Seconds, as psql times the last
# statement: what a client of that server waits.  The first statement makes the
# session load what its triggers need, as a session that has lived for a while has.
timed_sql()
{
	local answer

	answer=$(sql "$1" "$2" -o /dev/null <<<"UPDATE t SET a = a WHERE id = -1;
		\\timing on
		$3;") || die "failed: $3"
	sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' <<<"$answer" | tail -n 1 |
		perl -ne 'printf "%.4f", $_ / 1000'
}

# Usage: in_turn SYSTEM ...  The systems in the order of this round: each round
# begins with another one, so that none always has the same place.
in_turn()
{
	local systems=("$@")
	local count=$#
	local i

	for ((i = 0; i < count; i++)); do
		echo "${systems[$(((i + round - 1) % count))]}"
	done
}

# Usage: poll SECONDS COMMAND ...  Every 10 ms until it succeeds.
poll()
{
	local until=$((SECONDS + $1))

	shift
	until "$@"; do
		[ "$SECONDS" -lt "$until" ] || return 1
		sleep 0.01
	done
}

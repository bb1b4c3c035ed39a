# pgbench, and what it says.

# Usage: run_pgbench SERVER DATABASE [pgbench options].  Its output goes to
# $work/pgbench.log; a run in which a client failed is no measurement.
run_pgbench()
{
	local server=$1
	local database=$2

	shift 2
	as_server "$bindir/pgbench" -n -h "$work" -p "${port[$server]}" -U postgres "$@" "$database" \
		>"$work/pgbench.log" 2>&1 </dev/null || { tail -n 20 "$work/pgbench.log"; die "pgbench failed"; }
	if grep -q 'aborted' "$work/pgbench.log"; then
		cat "$work/pgbench.log"
		die "a client of pgbench was aborted"
	fi
}

pgbench_tps()
{
	sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$work/pgbench.log"
}

pgbench_transactions()
{
	sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$work/pgbench.log"
}

# What take_turns has measured, by system.
declare -A tps_of cpu_of

# Usage: take_turns SERVER CLIENTS SECONDS "SYSTEM ..." [pgbench options].  Runs
# pgbench that long in the database of each of the systems, in slices of a fifth and
# in turn: what disturbs the machine for some seconds then disturbs all of them.
# Sets tps_of[SYSTEM], and cpu_of[SYSTEM], the server's CPU time in microseconds per
# transaction.  One client and its backend are held on one core (see on_cores).
take_turns()
{
	local server=$1
	local clients=$2
	local length
	local systems=$4
	local system
	local place=()
	local slice
	local before
	local used
	declare -A count=() time=() cpu=()

	length=$((($3 + 4) / 5))
	shift 4
	[ "$clients" != 1 ] || place=(on_cores "$(our_cores | sed -n 1p)" "$(postmaster_of "$server")")
	for system in $systems; do
		tidy "bench_$system" "$server"
		count[$system]=0 time[$system]=0 cpu[$system]=0
	done
	for ((slice = 0; slice < 5; slice++)); do
		# shellcheck disable=SC2046,SC2086
		for system in $(in_turn $systems); do
			before=$(cpu_seconds "$server")
			"${place[@]}" run_pgbench "$server" "bench_$system" -M prepared -c "$clients" \
				-j "$(threads "$clients")" -T "$length" "$@"
			used=$(cpu_seconds "$server")
			cpu[$system]=$(calc "${cpu[$system]} + $used - $before")
			time[$system]=$(calc "${time[$system]} + $(pgbench_transactions) / $(pgbench_tps)")
			count[$system]=$((count[$system] + $(pgbench_transactions)))
		done
	done
	for system in $systems; do
		tps_of[$system]=$(calc "${count[$system]} / ${time[$system]}")
		cpu_of[$system]=$(calc "${cpu[$system]} * 1e6 / ${count[$system]}")
	done
}

# Usage: script NAME, text on standard input.  Prints the file's name.
script()
{
	cat >"$work/$1.sql"
	chmod a+r "$work/$1.sql"
	echo "$work/$1.sql"
}

# Usage: one_row_updates ROWS.  The file of a script: an update of one row of so many, by chance.
one_row_updates()
{
	script one_row <<-SQL
		\\set id random(1, $1)
		UPDATE t SET a = a + 1 WHERE id = :id;
	SQL
}

# Threads of pgbench for so many clients: more than cores only get in the way.
threads()
{
	local cores

	cores=$(nproc)
	echo $(($1 < cores ? $1 : cores))
}

# The processors that we may use, a line each: in a container they need not begin with 0.
our_cores()
{
	local first
	local last

	taskset -cp "$BASHPID" | sed 's/.*: //' | tr ',' '\n' | while IFS=- read -r first last; do
		seq "$first" "${last:-$first}"
	done
}

# Usage: on_cores CORES "PROCESS ..." COMMAND ...  Those processes, children that they
# have meanwhile, and the command run on those cores only.  One client and its backend
# take turns; whether the scheduler has them on one core or on two, where each turn
# wakes up a sleeping one, can make more of a difference than anything that is
# measured here.
on_cores()
{
	local cores=$1
	local processes="$2 $BASHPID"
	local all
	local process

	shift 2
	all=$(taskset -cp "$BASHPID" | sed 's/.*: //')
	for process in $processes; do
		taskset -cp "$cores" "$process" >/dev/null
	done
	"$@"
	for process in $processes; do
		taskset -cp "$all" "$process" >/dev/null
	done
}

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

# Usage: script NAME, text on standard input.  Prints the file's name.
script()
{
	cat >"$work/$1.sql"
	chmod a+r "$work/$1.sql"
	echo "$work/$1.sql"
}

# Threads of pgbench for so many clients: more than cores only get in the way.
threads()
{
	local cores

	cores=$(nproc)
	echo $(($1 < cores ? $1 : cores))
}

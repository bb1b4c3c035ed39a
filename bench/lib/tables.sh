# The tables that are written, copied and compared.

# Usage: narrow_table SERVER DATABASE
narrow_table()
{
	quietly "$1" "$2" <<<"CREATE TABLE t (id bigint PRIMARY KEY, a int, b text, c timestamptz, d numeric);"
}

# Rows of about 1 kB: too short to be compressed or to leave the row.
wide_table()
{
	quietly "$1" "$2" <<<"CREATE TABLE t (id bigint PRIMARY KEY, a int, b text, c timestamptz, d numeric, e text);"
}

# Usage: row_source narrow|wide ROWS.  The SELECT that makes the rows.
row_source()
{
	local more=

	if [ "$1" = wide ]; then
		more=", repeat(md5(i::text), 28)"
	fi
	echo "SELECT i, (i % 1000)::int, 'row number ' || lpad(i::text, 9, '0'), now() + i * interval '1 ms', i * 1.1$more
		FROM generate_series(1, $2) i"
}

# Usage: fill_table SERVER DATABASE narrow|wide ROWS
fill_table()
{
	quietly "$1" "$2" <<<"INSERT INTO t $(row_source "$3" "$4");"
}

# Rows, and a sum over all of them that does not depend on their order.
fingerprint()
{
	value "$1" "$2" "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM $3 t"
}

# Usage: must_agree SYSTEM DATABASE TABLE ...  A system that does not carry
# everything has no time worth writing down.
must_agree()
{
	local system=$1
	local database=$2
	local table
	local source
	local target

	shift 2
	for table in "$@"; do
		source=$(fingerprint "${system}_source" "$database" "$table")
		target=$(fingerprint "${system}_target" "$database" "$table")
		[ "$source" = "$target" ] ||
			die "$system: $table differs: $source at the source, $target at the target"
	done
}

# What a run has left is cleared away before the next one.
tidy()
{
	local database=$1
	local server

	shift
	for server in "$@"; do
		quietly "$server" "$database" <<<"VACUUM ANALYZE;"
	done
	checkpoint "$@"
}

# Usage: pgbench_tables SERVER DATABASE SCALE.  pgbench_history gets a key, since
# rows are known by a key; for all systems, the uncaptured one included.
pgbench_tables()
{
	as_server "$bindir/pgbench" -i -q -s "$3" -h "$work" -p "${port[$1]}" -U postgres "$2" \
		>"$work/pgbench-init.log" 2>&1 || { cat "$work/pgbench-init.log"; die "pgbench -i failed"; }
	quietly "$1" "$2" <<<"ALTER TABLE pgbench_history
		ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;"
}

pgbench_table_names="pgbench_accounts pgbench_branches pgbench_tellers pgbench_history"

# Usage: copy_definitions SERVER DATABASE TO_SERVER TO_DATABASE
copy_definitions()
{
	as_server "$bindir/pg_dump" -s -h "$work" -p "${port[$1]}" -U postgres "$2" | quietly "$3" "$4"
}

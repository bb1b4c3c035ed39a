# Where measurements go: one file per part with one line per measurement, and one
# file about the machine and the servers.

results=
results_file=
part=
round=0

# BENCH_QUICK is a test of the harness, not of dbsync: its numbers stay away from
# the repository.
choose_results_folder()
{
	if [ -n "$bench_quick" ]; then
		results=${BENCH_RESULTS:-$work/results}
	else
		results=${BENCH_RESULTS:-$bench/results}
	fi
	mkdir -p "$results"
}

# Usage: begin_part NAME
begin_part()
{
	part=$1
	results_file=$results/$part.tsv
	printf 'part\twork\tsystem\tround\tvalue\tunit\n' >"$results_file"
	note "part $part" "began $(date -u '+%Y-%m-%d %H:%M') UTC, load average $(cut -d' ' -f1-3 /proc/loadavg)"
}

# Usage: record WORK SYSTEM VALUE UNIT
record()
{
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$part" "$1" "$2" "$round" "$3" "$4" >>"$results_file"
	say "$part, round $round: $1, $2: $3 $4"
}

# Usage: note KEY TEXT.  A line of machine.txt; the newest of each key stays.
note()
{
	local file=$results/machine.txt

	touch "$file"
	awk -F '\t' -v key="$1" '$1 != key' "$file" >"$work/machine.new"
	printf '%s\t%s\n' "$1" "$2" >>"$work/machine.new"
	cat "$work/machine.new" >"$file"
}

# What apt says, for the peers that come as packages.
version_of_package()
{
	dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo "not installed"
}

note_machine()
{
	note "date" "$(date -u '+%Y-%m-%d')"
	note "CPU" "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
	note "cores" "$(nproc)"
	note "memory" "$(awk '/^MemTotal/ { printf "%.1f GB", $2 / 1048576 }' /proc/meminfo)"
	note "kernel" "$(uname -sr)"
	note "system" "$(. /etc/os-release && echo "$PRETTY_NAME")"
	note "file system" "$(df --output=fstype "$work" | tail -n 1)"
	note "PostgreSQL" "$("$bindir/postgres" --version)"
	note "dbsync" "$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$repo/dbsync.control") $(git -C "$repo" describe --always --dirty 2>/dev/null || true)"
	note "Slony-I" "$(version_of_package "postgresql-$major-slony1-2")"
	note "PgQ" "$(version_of_package "postgresql-$major-pgq3")"
	note "pglogical" "$(version_of_package "postgresql-$major-pglogical")"
	note "pgcopydb" "$(version_of_package pgcopydb)"
	note "settings, all servers" "$(common_settings | paste -sd";" | sed "s/;/; /g")"
	note "knobs" "rounds $bench_rounds, rows $bench_rows, seconds $bench_seconds, rows of the first copy $bench_copy_rows, wide rows $bench_wide_rows"
}

# What a part's server has been told besides.
note_settings()
{
	[ -z "$part" ] ||
		note "settings, $part" "$(sed -n '/^log_checkpoints/,$p' "$work/$1/postgresql.conf" |
			grep -vE '^(log_checkpoints|shared_preload_libraries)' | paste -sd";" | sed "s/;/; /g")"
}

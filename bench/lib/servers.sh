# The servers that are measured: made, started, asked, and their CPU counted.
# Sourced by scripts/bench; each server has a name, and port[NAME] its port.

declare -A port
next_port=26440

# The same for all systems.  wal_level is logical everywhere because native
# replication and pglogical need it and it cannot be changed in between.
# wal_retrieve_retry_interval is short, or native replication would wait up to 5 s
# before it starts a worker that was there a moment ago.
# Autovacuum is off, so that it does not start in the middle of somebody's turn:
# the parts vacuum between their runs themselves.
common_settings()
{
	cat <<-CONF
		shared_buffers = $bench_buffers
		wal_level = logical
		max_wal_size = 8GB
		min_wal_size = 2GB
		checkpoint_timeout = 30min
		max_connections = 200
		max_wal_senders = 60
		max_replication_slots = 60
		max_worker_processes = 64
		max_logical_replication_workers = 30
		wal_retrieve_retry_interval = 50ms
		max_locks_per_transaction = 1024
		autovacuum = off
		jit = off
		log_checkpoints = off
	CONF
}

# From 15.20 on a server may name the output plugins that it lets in.
knows_setting()
{
	as_server "$bindir/postgres" -D "$work/$1" -C "$2" >/dev/null 2>&1
}

# Usage: server_up NAME [setting ...].  Creates it and starts it.
server_up()
{
	local name=$1
	local setting
	local settings=()

	shift
	while read -r setting; do
		settings+=("$setting")
	done < <(common_settings)
	next_port=$(free_port $((next_port + 1)))
	port[$name]=$next_port
	server_create "$name" "$next_port" "${settings[@]}" "$@"
	if knows_setting "$name" output_plugin_libraries; then
		echo "output_plugin_libraries = 'pgoutput, pglogical_output'" |
			as_server tee -a "$work/$name/postgresql.conf" >/dev/null
	fi
	server_start "$name"
	note_settings "$name"
	ripen "$name"
}

# Usage: ripen SERVER.  As after some days of work: all of shared_buffers has been
# written once, and as much WAL, whose files are used again from then on.  Otherwise
# each round would be measured together with the first touch of new memory and new
# files, of which a system that writes more WAL needs more; and where the host of a
# virtual machine hands it out, a page of it can cost as much as a row.
ripen()
{
	local pages

	pages=$(value "$1" postgres "SELECT setting FROM pg_settings WHERE name = 'shared_buffers'")
	[ -z "$bench_quick" ] || pages=1000
	quietly "$1" postgres <<-SQL
		CREATE TABLE ripe (page text);
		ALTER TABLE ripe ALTER page SET STORAGE PLAIN;
		INSERT INTO ripe SELECT repeat('x', 8000) FROM generate_series(1, $pages);
		DROP TABLE ripe;
	SQL
	checkpoint "$1"
}

# Usage: pair_up SYSTEM [setting ...].  A source and a target of its own for each
# system that replicates: no system's worker then reads or decodes what another
# one's run has written, and only pglogical's servers have pglogical preloaded.
pair_up()
{
	local system=$1
	local side

	shift
	for side in source target; do
		server_up "${system}_$side" "shared_preload_libraries = '$(preloaded_by "$system")'" "$@"
	done
}

preloaded_by()
{
	case $1 in
		dbsync | pglogical) echo "$1" ;;
	esac
}

# Immediate: what is in them is of no use any more.
server_down()
{
	as_server "$bindir/pg_ctl" -D "$work/$1" -m immediate -w -t 60 stop >/dev/null
	rm -rf "${work:?}/$1"
}

pair_down()
{
	server_down "$1_source"
	server_down "$1_target"
}

postmaster_of()
{
	head -n 1 "$work/$1/postmaster.pid"
}

# Usage: sql SERVER DATABASE [psql options], SQL on standard input.
sql()
{
	local server=$1
	local database=$2

	shift 2
	as_server "$bindir/psql" -X -q -v ON_ERROR_STOP=1 -h "$work" -p "${port[$server]}" \
		-U postgres -d "$database" "$@"
}

# Usage: value SERVER DATABASE SQL
value()
{
	sql "$1" "$2" -A -t -F ' ' <<<"$3"
}

# Like sql, for statements whose answers nobody wants to see.
quietly()
{
	sql "$1" "$2" -o /dev/null -c 'SET client_min_messages = warning' -f -
}

# Usage: conninfo SERVER DATABASE [HOST]
conninfo()
{
	echo "host=${3:-$work} port=${port[$1]} user=postgres dbname=$2"
}

# Usage: uri SERVER DATABASE [HOST]
uri()
{
	echo "postgresql://postgres@/$2?host=${3:-$work}&port=${port[$1]}"
}

# Usage: fresh_database SERVER DATABASE.  Nothing of an earlier run is left.
fresh_database()
{
	quietly "$1" postgres <<<"DROP DATABASE IF EXISTS $2 WITH (FORCE); CREATE DATABASE $2;"
}

drop_database()
{
	quietly "$1" postgres <<<"DROP DATABASE IF EXISTS $2 WITH (FORCE);"
}

# Usage: checkpoint SERVER ...  The next work begins with images of all pages, and
# with WAL files that are in memory: in a turn of other servers, the system may
# have dropped those that were not written for a while.  As this goes before each
# measurement, it also looks at how fast the machine is (speed.sh).
checkpoint()
{
	local server

	for server in "$@"; do
		value "$server" postgres "CHECKPOINT" >/dev/null
		cat "$work/$server"/pg_wal/0* >/dev/null
	done
	look_at_speed
}

# Usage: set_server SERVER "setting = value" ...  Without a restart.
set_server()
{
	local server=$1
	local setting

	shift
	{
		for setting in "$@"; do
			echo "ALTER SYSTEM SET $setting;"
		done
		echo "SELECT pg_reload_conf();"
	} | quietly "$server" postgres
	# the postmaster passes it on to processes that are busy with other things
	sleep 0.3
}

# Usage: cpu_seconds SERVER ...  User and system time of all their processes so
# far, those that have ended included.
cpu_seconds()
{
	local server
	local folders=()

	for server in "$@"; do
		folders+=("$work/$server")
	done
	perl "$bench/lib/cpu.pl" "${folders[@]}"
}

wal_position()
{
	value "$1" postgres "SELECT pg_current_wal_insert_lsn() - '0/0'"
}

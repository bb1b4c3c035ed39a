# Throwaway servers: each has its own folder below $work and a socket there, and
# listens nowhere else.

# The port is only a part of the socket's name, but take one that nobody
# listens on, so that no TCP client is led astray.
free_port()
{
	local port

	for ((port = ${1:-26040}; port < 32000; port++)); do
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			echo "$port"
			return 0
		fi
	done
	die "no free port"
}

# Usage: server_create NAME PORT [setting=value ...]
server_create()
{
	local name=$1
	local port=$2
	local data=$work/$name
	local setting

	shift 2
	as_server "$bindir/initdb" -D "$data" -U postgres -A trust -N \
		--locale=C --encoding=UTF8 >"$work/$name.initdb" 2>&1 ||
		{ cat "$work/$name.initdb"; die "initdb failed"; }
	{
		cat <<-CONF
			port = $port
			listen_addresses = ''
			unix_socket_directories = '$work'
			unix_socket_permissions = 0700
			max_worker_processes = 32
			max_prepared_transactions = 10
			max_locks_per_transaction = 128
			log_line_prefix = '%m [%p] %q%a '
		CONF
		for setting in "$@"; do
			echo "$setting"
		done
	} | as_server tee -a "$data/postgresql.conf" >/dev/null
}

server_start()
{
	as_server "$bindir/pg_ctl" -D "$work/$1" -l "$work/$1.log" -w -t 60 start >/dev/null ||
		{ tail -n 20 "$work/$1.log"; die "server \"$1\" did not start"; }
}

server_stop()
{
	as_server "$bindir/pg_ctl" -D "$work/$1" -m fast -w -t 60 stop >/dev/null
}

# A server that crashed under a test has failed, whatever the test saw.
server_crashed()
{
	grep -E 'terminated by signal|PANIC:|TRAP:|stuck spinlock' "$work/$1.log"
}

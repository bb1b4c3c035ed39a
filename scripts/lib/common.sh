# Shared by scripts/check, scripts/demo and scripts/bench: messages, who we are, a private work
# folder, and cleaning up.  Sourced, not run; the caller has set -euo pipefail.

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say()
{
	printf '== %s\n' "$*"
}

die()
{
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# Usage: outside FILE.  Where a file below /tmp is for who called us: scripts that run in a
# root of their own (root.sh) have a /tmp of their own.
outside()
{
	echo "${DBSYNC_OUTSIDE:-/tmp}${1#/tmp}"
}

# PostgreSQL does not run as root: root hands everything that touches a server
# to user postgres; anybody else runs it as himself.
am_root()
{
	[ "$(id -u)" = 0 ]
}

as_server()
{
	if am_root; then
		runuser -u postgres -- "$@"
	else
		"$@"
	fi
}

# What the caller's session says about PostgreSQL must not reach the tests.
forget_environment()
{
	local name

	for name in $(compgen -e); do
		case $name in
			PG_CONFIG | PG_TEST_*) ;;
			PG* | MAKEFLAGS | MAKELEVEL | PROVE_* | TESTDIR | TEMP_CONFIG) unset "$name" ;;
		esac
	done
	export LC_ALL=C.UTF-8
}

# The folder everything happens in.  Its path is short, since sockets live below
# it, and everybody may pass, since root builds and postgres runs.
make_work_folder()
{
	umask 022
	work=$(mktemp -d "/tmp/dbsync-$1.XXXXXX")
	chmod 755 "$work"
	if am_root; then
		chown postgres "$work"
	fi
	cd "$work"
}

# Stop every server whose data directory lies in the work folder: those are the
# ones we started, by whatever test, and no others.
stop_servers()
{
	local pidfile

	[ -n "${work:-}" ] && [ -n "${bindir:-}" ] && [ -d "$work" ] || return 0
	find "$work" -name postmaster.pid 2>/dev/null | while read -r pidfile; do
		as_server "$bindir/pg_ctl" -D "$(dirname "$pidfile")" \
			-m immediate -w -t 30 stop >/dev/null 2>&1 || true
	done
}

# Jobs in the background are started as process groups of their own (set -m), so
# that a whole test with its children can be ended.
stop_jobs()
{
	local pid

	for pid in $(jobs -p); do
		kill -TERM -- "-$pid" 2>/dev/null || true
	done
	wait 2>/dev/null || true
}

remove_work_folder()
{
	[ -n "${work:-}" ] && [ -d "$work" ] || return 0
	cd /
	rm -rf "$work"
}

# Usage: on_exit FUNCTION.  It runs once, however the script ends.
on_exit()
{
	trap "$1" EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# Run a script of ours with a major of PostgreSQL that this machine does not have: inside
# a root of its own, a small Debian that has it.  Roots are made with debootstrap, from where
# this machine's apt gets its packages, and kept for the next time.  Sourced by scripts/check
# and scripts/demo, for their option --major, and by scripts/root; needs common.sh and packages.sh.
#
# What runs inside has mounts, processes and shared memory of its own, in namespaces that
# the kernel takes away with their first process, however that ends: nothing is left mounted
# or running.  The root is read-only meanwhile, the tree is, and /tmp is a folder of ours.
#
# DBSYNC_ROOTS   where roots are kept (default: ${XDG_CACHE_HOME:-$HOME/.cache}/dbsync)
# DBSYNC_MIRROR  Debian's packages are to be had here (default: as this machine's apt does)

# Usage: suite_of MAJOR.  Which Debian has it?
suite_of()
{
	case $1 in
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo forky ;;
		*) return 1 ;;
	esac
}

# Usage: take_major ARGUMENT ...  Sets wanted_major (empty: none was asked for), and
# arguments to all the others.
take_major()
{
	wanted_major=
	arguments=()
	while [ $# -gt 0 ]; do
		case $1 in
			--major)
				[ $# -ge 2 ] || die "--major takes a number, as in --major 18"
				wanted_major=$2
				shift
				;;
			--major=*) wanted_major=${1#--major=} ;;
			*) arguments+=("$1") ;;
		esac
		shift
	done
}

# Where roots are kept, and what else was fetched once (targets.sh).
roots_folder()
{
	echo "${DBSYNC_ROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/dbsync}"
}

# Usage: find_major MAJOR ARGUMENT ...  Sets PG_CONFIG if this machine has that PostgreSQL,
# and root to nothing; else root and box, as have_root does.  The arguments are the calling
# script's, which may have to be started anew.
find_major()
{
	local wanted=$1

	shift
	root=
	case " $supported_majors " in
		*" $wanted "*) ;;
		*) die "PostgreSQL $wanted is not supported, --major takes one of: $supported_majors" ;;
	esac
	if PG_CONFIG=$(pg_config_of "$wanted") && is_complete "$PG_CONFIG"; then
		export PG_CONFIG
		return 0
	fi
	unset PG_CONFIG
	suite_of "$wanted" >/dev/null ||
		die "no Debian has PostgreSQL $wanted: please install it, and set PG_CONFIG"
	become_root "$@"
	on_exit leave_root
	have_root "$wanted"
}

# Usage: use_major MAJOR ARGUMENT ...  Does nothing but set PG_CONFIG if this machine has
# that PostgreSQL; else runs the calling script inside a root, and exits as that does.  If it has
# a function bring_along, that is called before, with the folder that is to be /tmp inside.
use_major()
{
	local wanted=$1
	local status=0

	shift
	find_major "$wanted" --major "$wanted" "$@"
	[ -n "$root" ] || return 0
	if declare -F bring_along >/dev/null; then
		bring_along "$box"
	fi
	start_inside "$root" "$box" "/mnt/scripts/$(basename "$0")" "$@"
	wait "$inside" || status=$?
	inside=
	exit "$status"
}

# Mounting takes root.  Does not return to anybody else.
become_root()
{
	local names=()
	local name

	am_root && return
	command -v sudo >/dev/null || { echo "--major takes root, or sudo" >&2; exit 2; }
	for name in $(our_variables) HOME XDG_CACHE_HOME; do
		[ -z "${!name+set}" ] || names+=("$name=${!name}")
	done
	exec sudo env "${names[@]}" "$repo/scripts/$(basename "$0")" "$@"
}

# Names of what the caller may have said to our scripts and to the tests.
our_variables()
{
	compgen -e | grep -E '^(CHECK_|DEMO_|DBSYNC_|PG_TEST_|CI$|http_proxy$|https_proxy$)' || true
}

# However the script ends: whatever is inside is killed, and what was not finished goes.
leave_root()
{
	local status=$?

	trap - EXIT
	trap '' HUP INT TERM
	if [ -n "${inside:-}" ]; then
		# (in braces: the shell says itself that a job was killed)
		{ kill -KILL "$inside" && wait "$inside"; } 2>/dev/null || true
	fi
	[ -z "${unfinished:-}" ] || rm -rf --one-file-system "$unfinished"
	if [ -n "${box:-}" ] && [ -z "${CHECK_KEEP:-}" ]; then
		# processes of the namespace may need a moment to die
		rm -rf "$box" 2>/dev/null || { sleep 1; rm -rf "$box"; }
	fi
	exit "$status"
}

# Usage: have_root MAJOR.  Sets root: the folder of a root that works, made now if there is
# none; and box, which is to be its /tmp.  Others may use it meanwhile, but not make it.
have_root()
{
	local roots
	local recipe
	local tools=

	command -v unshare >/dev/null && command -v setpriv >/dev/null && command -v flock >/dev/null ||
		tools=util-linux
	command -v debootstrap >/dev/null || tools+=" debootstrap"
	[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || tools+=" debian-archive-keyring"
	if [ -n "$tools" ]; then
		command -v apt-get >/dev/null || { echo "--major takes debootstrap, and a system with apt" >&2; exit 2; }
		say "missing: ${tools# }"
		apt_quietly update
		# shellcheck disable=SC2086
		apt_quietly install --no-install-recommends $tools
	fi
	unshare --mount --pid --ipc --fork true ||
		die "no namespaces of our own are to be had: a container must be privileged for --major"

	umask 022
	roots=$(roots_folder)
	box=$(mktemp -d /tmp/dbsync-root.XXXXXX)
	chmod 1777 "$box"
	mkdir -p "$roots"
	root=$(cd "$roots" && pwd)/postgresql-$1
	recipe="$(suite_of "$1"): $(package_list "$1" tests | paste -sd' ')"
	exec {root_lock}>"$root.lock"
	# who only uses it does not wait for others who do
	flock --shared "$root_lock"
	if ! root_works "$1" "$recipe"; then
		flock "$root_lock"
		if ! root_works "$1" "$recipe"; then
			rm -rf --one-file-system "$root" "$root".new.*
			make_root "$1" "$recipe"
			root_works "$1" "$recipe" || die "the root that was made does not work: $root"
		fi
		flock --shared "$root_lock"
	fi
}

# Usage: root_works MAJOR RECIPE.  Is it there, was it finished, and does it start what we need?
root_works()
{
	local status=0

	[ "$(cat "$root/etc/dbsync-root" 2>/dev/null)" = "$2" ] || return 1
	start_inside "$root" "$box" sh -c '
		"$1/bin/postgres" --version && test -e "$1/lib/plperl.so" && make --version && gcc --version &&
		perl -MIPC::Run -MTest::More -e 1 && id postgres' sh "/usr/lib/postgresql/$1" >/dev/null 2>&1
	wait "$inside" || status=$?
	inside=
	return "$status"
}

# Usage: make_root MAJOR RECIPE.  Finished it is moved to its place.
make_root()
{
	local suite
	local mirror
	local log=$box/root.log
	local from=
	local more=

	suite=$(suite_of "$1")
	mirror=$(debian_mirror)
	case $mirror in
		https:*) more=--include=ca-certificates ;;
	esac
	# older ones have not heard of newer suites, which are made like any other
	[ -e "/usr/share/debootstrap/scripts/$suite" ] || from=/usr/share/debootstrap/scripts/sid
	unfinished=$(mktemp -d "$root.new.XXXXXX")
	say "making a root with PostgreSQL $1 ($suite) in $root; some five minutes, once"
	# shellcheck disable=SC2086
	finish_inside "$log" "" "$box" debootstrap --variant=minbase $more "$suite" "$unfinished" "$mirror" $from
	chmod 755 "$unfinished"
	cp -L /etc/resolv.conf "$unfinished/etc/resolv.conf"
	[ -s "$unfinished/etc/hosts" ] || printf '127.0.0.1 localhost\n::1 localhost\n' >"$unfinished/etc/hosts"
	# it never starts servers by itself, and has nothing that a power cut could take
	printf '#!/bin/sh\nexit 101\n' >"$unfinished/usr/sbin/policy-rc.d"
	chmod 755 "$unfinished/usr/sbin/policy-rc.d"
	mkdir -p "$unfinished/etc/postgresql-common"
	echo "create_main_cluster = false" >"$unfinished/etc/postgresql-common/createcluster.conf"
	echo force-unsafe-io >"$unfinished/etc/dpkg/dpkg.cfg.d/dbsync"
	# shellcheck disable=SC2046
	finish_inside "$log" "$unfinished" "$box" apt-get install -y -q --no-install-recommends \
		$(package_list "$1" tests)
	rm -rf "$unfinished"/var/cache/apt/archives/*.deb
	echo "$2" >"$unfinished/etc/dbsync-root"
	mv "$unfinished" "$root"
	unfinished=
}

# Where this machine's apt gets Debian's own packages from.
debian_mirror()
{
	local found

	if [ -n "${DBSYNC_MIRROR:-}" ]; then
		echo "$DBSYNC_MIRROR"
		return
	fi
	found=$(apt_mirror)
	if [ -z "$found" ]; then
		apt_quietly update >&2
		found=$(apt_mirror)
	fi
	case $found in
		mirror+file:*) found=$(grep -om1 '^[^#[:space:]]*' "${found#mirror+file:}") ;;
	esac
	[ -n "$found" ] || die "this machine's apt does not have Debian's packages: please set DBSYNC_MIRROR"
	echo "$found"
}

apt_mirror()
{
	apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | head -n 1
}

# Usage: finish_inside LOG ROOT FOLDER COMMAND ...  All its output goes to the log, which is
# shown if it fails.  An empty ROOT is this machine's own, with mounts that vanish.
finish_inside()
{
	local log=$1
	local proxy=
	local http_proxy=${http_proxy:-}

	shift
	# what apt has been told of a proxy, others should know
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	export http_proxy=${http_proxy:-$proxy}
	[ -n "$http_proxy" ] || unset http_proxy
	writable=1 start_inside "$@" >>"$log" 2>&1
	wait "$inside" || { tail -n 40 "$log"; die "a root with this PostgreSQL cannot be made"; }
	inside=
}

# Usage: start_inside ROOT FOLDER COMMAND ...  Starts it in the background, as the first
# process of its namespaces, with the FOLDER as /tmp and the tree at /mnt.  Sets inside.
#
# A process group of its own: Ctrl-C is for us alone, who kill it.  And should we be killed,
# it is, too (setpriv).
start_inside()
{
	local folder=$1
	local tmp=$2
	local variables=()
	local name

	shift 2
	for name in $(our_variables); do
		variables+=("$name=${!name}")
	done
	set -m
	(
		# how somebody outside gets to the servers inside
		variables+=("DBSYNC_OUTSIDE=$tmp" "DBSYNC_ENTER=nsenter --target $BASHPID --mount chroot $folder")
		exec setpriv --pdeathsig KILL unshare --mount --pid --ipc --fork --kill-child \
			"$BASH" -c "$(declare -f mount_inside); mount_inside \"\$@\"" mount_inside \
			"$folder" "$tmp" "$repo" "${writable:-}" \
			env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp TERM="${TERM:-dumb}" \
			LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive ${variables[@]+"${variables[@]}"} "$@" </dev/null
	) &
	inside=$!
	set +m
}

# Usage: mount_inside ROOT FOLDER TREE WRITABLE COMMAND ...  Run in namespaces of its own.
mount_inside()
{
	local root=$1
	local tmp=$2
	local tree=$3
	local writable=$4

	set -e
	shift 4
	if [ -z "$root" ]; then
		mount -t proc proc /proc
		exec "$@"
	fi
	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
	mount -t tmpfs -o mode=755 tmpfs "$root/run"
	mount --bind "$tmp" "$root/tmp"
	mount --bind "$tree" "$root/mnt"
	mount -o remount,bind,ro "$root/mnt"
	[ -n "$writable" ] || mount -o remount,bind,ro "$root"
	cd "$root"
	exec chroot "$root" "$@"
}

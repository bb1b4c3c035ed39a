# Find a supported PostgreSQL and what is needed to build and test against it;
# install what is missing where there is apt.  Sets pg_config and major.

supported_majors="18 17 16 15"

# Where packages put pg_config: Debian's and Ubuntu's, and the PGDG's for
# Red Hat's family.
pg_config_of()
{
	local path

	for path in "/usr/lib/postgresql/$1/bin/pg_config" "/usr/pgsql-$1/bin/pg_config"; do
		if [ -x "$path" ]; then
			echo "$path"
			return 0
		fi
	done
	return 1
}

major_of()
{
	"$1" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/'
}

# A server that can be run, built against, and tested with.
is_complete()
{
	local config=$1
	local include

	include=$("$config" --includedir)
	[ -x "$("$config" --bindir)/postgres" ] &&
		[ -f "$("$config" --pgxs)" ] &&
		[ -f "$("$config" --includedir-server)/postgres.h" ] &&
		[ -f "$include/libpq-fe.h" ]
}

# PG_CONFIG decides if it is set; else the newest supported complete server.
find_postgres()
{
	local candidate

	if [ -n "${PG_CONFIG:-}" ]; then
		pg_config=$(command -v "$PG_CONFIG") || die "PG_CONFIG=$PG_CONFIG is not there"
		major=$(major_of "$pg_config")
		case " $supported_majors " in
			*" $major "*) is_complete "$pg_config" && return 0 ;;
			*) die "PostgreSQL $major is not supported, it takes one of: $supported_majors" ;;
		esac
		return 1
	fi
	for candidate in $supported_majors; do
		if pg_config=$(pg_config_of "$candidate") && is_complete "$pg_config"; then
			major=$candidate
			return 0
		fi
	done
	# libpq-dev has a pg_config of its own that knows of no server
	if pg_config=$(command -v pg_config) && is_complete "$pg_config"; then
		major=$(major_of "$pg_config")
		case " $supported_majors " in
			*" $major "*) return 0 ;;
		esac
	fi
	return 1
}

has_perl_module()
{
	command -v perl >/dev/null && perl -M"$1" -e 1 2>/dev/null
}

# The major to ask apt for: the one of the server that is there already, else
# the newest that the distribution has.
choose_major()
{
	local candidate

	for candidate in $supported_majors; do
		if [ -x "/usr/lib/postgresql/$candidate/bin/postgres" ]; then
			echo "$candidate"
			return 0
		fi
	done
	for candidate in $supported_majors; do
		if apt-cache show "postgresql-server-dev-$candidate" >/dev/null 2>&1; then
			echo "$candidate"
			return 0
		fi
	done
	return 1
}

# Fuzzers of parsers are built with it: gcc has none.
find_clang()
{
	local candidate

	for candidate in clang clang-21 clang-20 clang-19 clang-18 clang-17 clang-16 clang-15 clang-14; do
		if clang=$(command -v "$candidate") && has_libfuzzer "$clang"; then
			return 0
		fi
	done
	return 1
}

has_libfuzzer()
{
	[ -n "$(find "$("$1" --print-resource-dir)/" -name 'libclang_rt.fuzzer*.a' -print -quit 2>/dev/null)" ]
}

# The packages for one major; all kinds but "demo" add what only they need.
package_list()
{
	echo "postgresql-$1 postgresql-server-dev-$1 libpq-dev libzstd-dev libssl-dev build-essential"
	if [ "$2" = tests ]; then
		echo "perl libipc-run-perl postgresql-plperl-$1 openssl zstd"
		echo "pkg-config libsqlite3-dev sqlite3"
	elif [ "$2" = bench ]; then
		echo "perl gnuplot-nox openssl zstd"
	elif [ "$2" = fuzz ]; then
		echo "perl clang libclang-rt-dev"
	elif [ "$2" = sanitize ]; then
		echo "perl libipc-run-perl postgresql-plperl-$1 openssl zstd pkg-config"
		echo "libsqlite3-dev sqlite3"
		echo "zlib1g-dev libicu-dev libxml2-dev libperl-dev"
	fi
}

# What bundles are made with: zipped, hashed, signed, encrypted (libzstd-dev and libssl-dev, or
# libzstd-devel and openssl-devel).
missing_libraries()
{
	local compiler

	compiler=$(command -v cc || command -v gcc) || return 0
	echo '#include <zstd.h>' | "$compiler" -E - >/dev/null 2>&1 || echo "the headers of libzstd"
	printf '#include <openssl/opensslv.h>\n#if OPENSSL_VERSION_NUMBER < 0x30000000L\n#error\n#endif\n' |
		"$compiler" -E - >/dev/null 2>&1 || echo "the headers of OpenSSL 3.0 or newer"
}

# Anything missing?  Says what, for the message on systems without apt.
missing_things()
{
	command -v make >/dev/null || echo "make"
	command -v gcc >/dev/null || command -v cc >/dev/null || echo "a C compiler"
	find_postgres || echo "PostgreSQL 15 or newer, with its server headers and libpq's"
	missing_libraries
	if [ "$1" = bench ]; then
		command -v perl >/dev/null || echo "perl"
		command -v gnuplot >/dev/null || echo "gnuplot"
		command -v openssl >/dev/null || echo "openssl"
		command -v zstd >/dev/null || echo "zstd"
	fi
	if [ "$1" = fuzz ]; then
		command -v perl >/dev/null || echo "perl"
		find_clang || echo "clang with libFuzzer"
	fi
	if [ "$1" = sanitize ]; then
		missing_for_server
	fi
	[ "$1" = tests ] || [ "$1" = sanitize ] || return 0
	command -v prove >/dev/null || echo "perl with Test::More and prove"
	command -v openssl >/dev/null || echo "openssl"
	command -v zstd >/dev/null || echo "zstd"
	has_perl_module IPC::Run || echo "perl's IPC::Run"
	if find_postgres && [ ! -e "$("$pg_config" --pkglibdir)/plperl.so" ]; then
		echo "PostgreSQL's PL/Perl"
	fi
}

# A server with all that the tests use is built from these.
missing_for_server()
{
	local header

	for header in zlib.h unicode/ucol.h libxml2/libxml/tree.h; do
		[ -e "/usr/include/$header" ] || echo "$header"
	done
	has_perl_module ExtUtils::Embed || echo "perl's ExtUtils::Embed"
	[ -e "$(perl -MConfig -e 'print $Config{archlibexp}' 2>/dev/null)/CORE/perl.h" ] || echo "perl.h"
}

as_admin()
{
	if am_root; then
		env DEBIAN_FRONTEND=noninteractive "$@"
	else
		sudo env DEBIAN_FRONTEND=noninteractive "$@"
	fi
}

# apt with no questions, no terminal, and patience with somebody else's lock
apt_quietly()
{
	as_admin apt-get -y -q -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# Distributions older than ours have no supported PostgreSQL; the project's own
# repository has, and postgresql-common knows how to add it.
add_postgres_repository()
{
	say "this distribution has no PostgreSQL 15 or newer: adding apt.postgresql.org"
	apt_quietly install --no-install-recommends postgresql-common ca-certificates
	as_admin /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y </dev/null
}

install_with_apt()
{
	local want

	apt_quietly update
	if ! want=$(choose_major); then
		add_postgres_repository
		want=$(choose_major) || die "apt offers none of PostgreSQL $supported_majors"
	fi
	# shellcheck disable=SC2046
	apt_quietly install --no-install-recommends --no-upgrade $(package_list "$want" "$1")
}

# Usage: need_packages tests|demo|bench|fuzz|sanitize.  Exit status 2: something must be installed
# by hand first.
need_packages()
{
	local missing

	missing=$(missing_things "$1")
	if [ -n "$missing" ]; then
		say "missing: $(echo "$missing" | paste -sd, | sed 's/,/, /g')"
		if ! command -v apt-get >/dev/null; then
			echo "This script installs packages with apt only. Please install the above" >&2
			echo "with this system's own tools, and set PG_CONFIG if pg_config is not in PATH." >&2
			exit 2
		fi
		if ! am_root && ! command -v sudo >/dev/null; then
			echo "Please install, as root: $(package_list 15 "$1" | paste -sd' ')" >&2
			exit 2
		fi
		install_with_apt "$1"
		missing=$(missing_things "$1")
		[ -z "$missing" ] || die "still missing after installation: $missing"
	fi
	find_postgres
	say "$("$pg_config" --version), $pg_config"
}

# Drivers that are modules are built where their libraries are, and tested where there is a client, too.
has_sqlite()
{
	command -v pkg-config >/dev/null && pkg-config --exists sqlite3 && command -v sqlite3 >/dev/null
}

# What single tests use, and are skipped without: pg_partman, busybox, another set of tools for scripts/receive, and SQLite.  A
# root is not written to.
offer_extras()
{
	[ -n "${DBSYNC_OUTSIDE:-}" ] || has_sqlite || offer_packages pkg-config libsqlite3-dev sqlite3
	[ -n "${DBSYNC_OUTSIDE:-}" ] || command -v busybox >/dev/null || offer_packages busybox
	[ -n "${DBSYNC_OUTSIDE:-}" ] || [ -e "$("$pg_config" --sharedir)/extension/pg_partman.control" ] || offer_packages "postgresql-$major-partman"
}

# Usage: offer_packages PACKAGE ...  Installs them if apt has them and we may; to
# go without them is no failure.
offer_packages()
{
	command -v apt-get >/dev/null || return 0
	am_root || command -v sudo >/dev/null || return 0
	say "installing $*"
	if ! apt-cache show "$@" >/dev/null 2>&1; then
		apt_quietly update >/dev/null 2>&1 || true
	fi
	apt_quietly install --no-install-recommends --no-upgrade "$@" >/dev/null 2>&1 || true
}

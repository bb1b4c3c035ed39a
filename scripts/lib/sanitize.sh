# Compiler sanitizers for dbsync, and a PostgreSQL that is built with one.  Sourced by
# scripts/check (which CHECK_SANITIZE tells what to do), scripts/sanitize and scripts/fuzz.

# Usage: sanitizer_flags undefined|address.  Compiler flags for dbsync.  What is undefined
# ends the process at once: who goes on after it shows nothing but what follows from it.
sanitizer_flags()
{
	case $1 in
		undefined) echo "-fsanitize=undefined -fno-sanitize-recover=undefined" ;;
		address) echo "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" ;;
		*) die "unknown sanitizer \"$1\": undefined, address" ;;
	esac
}

# Was this PostgreSQL built with AddressSanitizer?  Only then can dbsync be.
has_address_sanitizer()
{
	"$1" --configure | grep -q 'fsanitize=address'
}

# Usage: sanitizer_environment FOLDER.  Reports go into files there, whosever process it
# is that has one: what backends and workers say ends up in a dozen logs else.
#
# Leaks are none: a server's process frees nothing as it ends.  Its stack must be one
# piece, or its own check of the depth is wrong.  What is freed waits for less memory than
# usual (8 MB for each process), as there are many processes.
sanitizer_environment()
{
	mkdir -p "$1"
	chmod 1777 "$1"
	export UBSAN_OPTIONS="log_path=$1/undefined:print_stacktrace=1:abort_on_error=1"
	export ASAN_OPTIONS="log_path=$1/address:detect_leaks=0:abort_on_error=1:disable_coredump=1"
	ASAN_OPTIONS+=":detect_stack_use_after_return=0:quarantine_size_mb=8:allocator_may_return_null=1"
}

# Usage: show_reports FOLDER.  Says what the sanitizers have found; exit status 1 if anything.
show_reports()
{
	local file
	local found=0

	for file in "$1"/*; do
		[ -s "$file" ] || continue
		found=$((found + 1))
		[ "$found" -le 10 ] || continue
		echo "--- sanitizer report $(basename "$file")"
		head -n 60 "$file"
	done
	[ "$found" = 0 ] || say "$found sanitizer reports"
	[ "$found" = 0 ]
}

# Sources of packages from where the packages themselves come from: a copy of apt's own
# list of hosts, in which "deb" reads "deb-src".  Nothing of the machine's is changed.
make_source_lists()
{
	local lists=$1
	local file

	mkdir -p "$lists/parts" "$lists/state/lists/partial" "$lists/cache/archives/partial"
	chmod -R a+rX "$lists"
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$file" ] || continue
		sed -nE 's/^deb(-src)?[[:space:]]/deb-src /p' "$file" >"$lists/parts/$(basename "$file" .list).list"
	done
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -f "$file" ] || continue
		sed -E 's/^Types:.*/Types: deb-src/' "$file" >"$lists/parts/$(basename "$file")"
	done
}

# Usage: fetch_source FOLDER MAJOR.  The upstream part of the distribution's source package
# is unpacked to FOLDER/source: the newest one that is to be had, as lists of packages can
# name what has been replaced already.
fetch_source()
{
	local folder=$1
	local package=postgresql-$2
	local lists=$folder/lists
	local options=(-o "Dir::Etc::SourceList=/dev/null" -o "Dir::Etc::SourceParts=$lists/parts"
		-o "Dir::State::Lists=$lists/state/lists" -o "Dir::Cache=$lists/cache")
	local version
	local archive=

	if am_root; then
		options+=(-o "APT::Sandbox::User=root")
	fi
	make_source_lists "$lists"
	# a repository that has no sources is none of our concern; one that lacks ours fails below
	apt-get -q "${options[@]}" update >"$lists/log" 2>&1 || true
	for version in $(apt-cache "${options[@]}" showsrc "$package" 2>>"$lists/log" |
		sed -n 's/^Version: //p' | sort -rVu); do
		if (cd "$lists" && apt-get -q "${options[@]}" source --download-only "$package=$version") \
			>>"$lists/log" 2>&1; then
			archive=$(find "$lists" -maxdepth 1 -name "postgresql-*.orig.tar.*" ! -name '*.asc')
			break
		fi
	done
	[ -n "$archive" ] || { tail -n 20 "$lists/log"; die "no source package $package"; }
	mkdir -p "$folder/source"
	tar -C "$folder/source" --strip-components=1 -xf "$archive"
	rm -rf "$lists"
}

# Usage: build_server FOLDER.  Configures, builds and installs FOLDER/source into FOLDER/server,
# or goes on where that was broken off.
#
# A preloaded AddressSanitizer hangs in PostgreSQL, so the server is built with it.  What is
# undefined in the server's own code is not ours to judge; assertions are, where we call it.
build_server()
{
	local folder=$1
	local log=$folder/build.log
	local flags="-O1 -g -fno-omit-frame-pointer -fsanitize=address"
	local module

	(
		set -e
		cd "$folder/source"
		if [ ! -e src/Makefile.global ]; then
			./configure --prefix="$folder/server" --enable-debug --enable-cassert --enable-tap-tests \
				--without-readline --with-openssl --with-perl --with-icu --with-libxml \
				CFLAGS="$flags" LDFLAGS="-fsanitize=address"
		fi
		nice -n 10 make -s -j"${SANITIZE_JOBS:-2}"
		make -s install
		# what the tests use of contrib
		for module in auto_explain citext cube hstore ltree seg; do
			make -s -C "contrib/$module" install
		done
		touch "$folder/server/complete"
	) >>"$log" 2>&1 &
	wait $! || { tail -n 40 "$log"; die "building PostgreSQL failed, see $log"; }
}

# Usage: sanitized_postgres FOLDER MAJOR.  Sees to it that FOLDER/server is a PostgreSQL that
# is built with AddressSanitizer.
sanitized_postgres()
{
	local folder=$1

	# its programs are run while it is built, and asked things before scripts/check knows
	# where reports are to go
	export ASAN_OPTIONS=detect_leaks=0
	if [ ! -e "$folder/server/complete" ]; then
		say "building PostgreSQL $2 with AddressSanitizer in $folder (some ten minutes)"
		mkdir -p "$folder"
		[ -e "$folder/source/configure" ] || fetch_source "$folder" "$2"
		build_server "$folder"
	fi
	chmod -R a+rX "$folder/server"
}

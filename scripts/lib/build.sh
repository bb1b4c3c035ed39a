# Build a copy of the tree and install it into a copy of PostgreSQL: neither the
# clone nor the machine's own server is written to.  Sets bindir, pg_config.

. "$repo/scripts/lib/sanitize.sh"

# Usage: copy_files FOLDER PATTERN ...  Copies what there is of that into the
# same place below $work/postgres.
copy_files()
{
	local from=$1
	local to=$work/postgres$1
	local pattern
	local path

	shift
	mkdir -p "$to"
	for pattern in "$@"; do
		for path in "$from"/$pattern; do
			if [ -e "$path" ]; then
				cp -a "$path" "$to/"
			fi
		done
	done
}

# PostgreSQL finds its files relative to its own place, so a copy that keeps the
# folders' layout works wherever it stands.  Named file by file, since the
# folders can be the system's own (/usr/bin, /usr/include).
copy_postgres()
{
	copy_files "$("$pg_config" --bindir)" 'pg*' 'postgres' 'postmaster' 'initdb' 'psql' \
		'createdb' 'createuser' 'dropdb' 'vacuumdb'
	copy_files "$("$pg_config" --pkglibdir)" '*.so' '*.bc' 'pgxs'
	copy_files "$("$pg_config" --sharedir)" '*'
	copy_files "$("$pg_config" --includedir)" 'libpq*' 'pg_config*' 'postgres_ext.h'
	copy_files "$("$pg_config" --includedir-server)" '*'
	copy_files "$("$pg_config" --libdir)" 'libpq.*' 'libpgport*' 'libpgcommon*'

	bindir=$work/postgres$("$pg_config" --bindir)
	pg_config=$bindir/pg_config
	chmod -R a+rX "$work/postgres"
}

# The working tree as it is, without what was built in it.
copy_tree()
{
	tree=$work/tree
	mkdir "$tree"
	tar -C "$repo" --exclude=./.git --exclude='*.o' --exclude='*.so' --exclude='*.bc' \
		--exclude='./dbsync--*.sql' --exclude=./results --exclude=./output_iso \
		--exclude=./tmp_check --exclude=./fuzz/found --exclude=./regression.* -cf - . |
		tar -C "$tree" --no-same-owner -xf -
	if am_root; then
		chown -R postgres "$tree"
	fi
}

# Warnings are errors, but for those that a sanitizer's code provokes.  Says which drivers are left out, and nothing else
# unless it fails.
build_and_install()
{
	local log=$work/build.log
	local flags=WERROR=-Werror

	if [ -n "${CHECK_SANITIZE:-}" ]; then
		flags=COPT=$(sanitizer_flags "$CHECK_SANITIZE")
	fi
	if ! as_server make -s -j"$(nproc)" -C "$tree" PG_CONFIG="$pg_config" \
		"$flags" all >"$log" 2>&1; then
		cat "$log"
		return 1
	fi
	if ! make -s -C "$tree" PG_CONFIG="$pg_config" "$flags" \
		install >"$log" 2>&1; then
		cat "$log"
		return 1
	fi
	sed -n 's/^dbsync: without/built without/p' "$log" | while read -r left_out; do
		say "$left_out"
	done
	chmod -R a+rX "$work/postgres"
}

# The tests' own driver, a module beside ours (t/driver).  Says nothing unless it fails.
build_test_driver()
{
	local log=$work/build.log
	local flags=WERROR=-Werror

	if [ -n "${CHECK_SANITIZE:-}" ]; then
		flags=COPT=$(sanitizer_flags "$CHECK_SANITIZE")
	fi
	if ! as_server make -s -C "$tree/t/driver" PG_CONFIG="$pg_config" "$flags" all >"$log" 2>&1 ||
		! make -s -C "$tree/t/driver" PG_CONFIG="$pg_config" "$flags" install >"$log" 2>&1; then
		cat "$log"
		return 1
	fi
	chmod -R a+rX "$work/postgres"
}

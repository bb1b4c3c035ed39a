# pgcopydb, which copies a database and nothing more.

pgcopydb_available()
{
	command -v pgcopydb >/dev/null
}

# Usage: pgcopydb_clone SOURCE_SERVER TARGET_SERVER DATABASE.  Into an empty
# database: it makes the table, copies, and builds the primary key afterwards.
pgcopydb_clone()
{
	rm -rf "$work/pgcopydb"
	as_server env PATH="$bindir:$PATH" TMPDIR="$work" pgcopydb clone \
		--source "$(conninfo "$1" "$3")" --target "$(conninfo "$2" "$3")" \
		--dir "$work/pgcopydb" --table-jobs 1 --index-jobs 1 --skip-large-objects \
		>"$work/pgcopydb.log" 2>&1 || { tail -n 20 "$work/pgcopydb.log"; die "pgcopydb failed"; }
}

/*-------------------------------------------------------------------------
 *
 * worker/driver/sqlite/options.c
 *	  SQLite driver: which options a target takes, and what they say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"

#include "worker/driver/sqlite/check_options.h"
#include "worker/driver/module/options.h"
#include "worker/driver/sqlite/options.h"

PG_FUNCTION_INFO_V1(dbsync_sqlite_validator);

#define PATH	"path"
#define WRITERS	"writers"

static const DbsyncOption options[] = {
	{PATH, DBSYNC_OPTION_SERVER, NULL, false},
	{WRITERS, DBSYNC_OPTION_SERVER,
		"It has the server read and map what other operating system users write, who can end it by that.", false},
	{NULL}
};

static const char *const schemes[] = {"sqlite", NULL};

const DbsyncAddress dbsync_sqlite_address = {
	.schemes = schemes,
	.example = "sqlite:///srv/data/shop.db",
	.path = PATH,
	.path_is_whole = true,
};

const DbsyncOption *
dbsync_sqlite_options(void)
{
	return options;
}

/* Whatever else is wrong with it is found where it is looked at. */
static const char *
read_path(DefElem *def)
{
	const char *path = defGetString(def);

	if (!is_absolute_path(path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be an absolute path", PATH),
				 errhint("Write %s.", dbsync_sqlite_address.example)));
	return path;
}

static bool
read_writers(DefElem *def)
{
	const char *writers = defGetString(def);

	if (strcmp(writers, "trusted") != 0 && strcmp(writers, "server") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be \"server\" or \"trusted\"", WRITERS)));
	return writers[0] == 't';
}

void
dbsync_sqlite_options_read(List *given, SqliteOptions *read)
{
	ListCell   *lc;

	memset(read, 0, sizeof(SqliteOptions));
	foreach(lc, given)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, PATH) == 0)
			read->path = pstrdup(read_path(def));
		else if (strcmp(def->defname, WRITERS) == 0)
			read->trusted = read_writers(def);
	}
}

Datum
dbsync_sqlite_validator(PG_FUNCTION_ARGS)
{
	SqliteOptions read;

	dbsync_sqlite_options_read(MODULE_CHECK_OPTIONS(PG_GETARG_DATUM(0), PG_GETARG_OID(1), options), &read);
	PG_RETURN_VOID();
}

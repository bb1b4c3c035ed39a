/*-------------------------------------------------------------------------
 *
 * worker/modules.c
 *	  Drivers that are modules of their own: finding their libraries.
 *
 * A module is an extension: a foreign data wrapper, its validator, and the library that
 * the validator is in.  So the wrapper leads to the library, wherever that is, and whoever makes wrappers,
 * which takes a superuser, says what is loaded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "worker/modules.h"
#include "worker/types/fit.h"

#define PREFIX	"dbsync_"

/* those that come with dbsync, and what their libraries need beside the server */
static const struct
{
	const char *scheme;
	const char *wrapper;
	const char *package;
}			ours[] = {
	{"sqlite", "dbsync_sqlite", "libsqlite3-0"},
};

/* what has been found; never freed, as libraries stay loaded */
typedef struct Module
{
	char	   *wrapper;
	char	   *library;
	const DbsyncDriver *driver;
} Module;

static List *modules = NIL;

bool
dbsync_module_of_scheme(const char *scheme, const char **wrapper, const char **package)
{
	for (int i = 0; i < lengthof(ours); i++)
	{
		if (strcmp(ours[i].scheme, scheme) != 0)
			continue;
		*wrapper = ours[i].wrapper;
		*package = ours[i].package;
		return true;
	}
	return false;
}

static const char *
package_of(const char *wrapper)
{
	for (int i = 0; i < lengthof(ours); i++)
	{
		if (strcmp(ours[i].wrapper, wrapper) == 0)
			return ours[i].package;
	}
	return NULL;
}

/* Of a function in C, as pg_proc has it; NULL: it is in no library. */
static char *
library_of_function(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	char	   *library = NULL;
	Datum		probin;
	bool		isnull;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	probin = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_probin, &isnull);
	if (!isnull && ((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId)
		library = TextDatumGetCString(probin);
	ReleaseSysCache(tuple);
	return library;
}

static char *
library_of_wrapper(const char *wrapper)
{
	ForeignDataWrapper *found;

	if (strncmp(wrapper, PREFIX, strlen(PREFIX)) != 0)
		return NULL;
	found = GetForeignDataWrapperByName(wrapper, true);
	return found != NULL && OidIsValid(found->fdwvalidator) ? library_of_function(found->fdwvalidator) : NULL;
}

static Module *
find_module(const char *wrapper, const char *library)
{
	ListCell   *lc;

	foreach(lc, modules)
	{
		Module	   *module = lfirst(lc);

		if (strcmp(module->wrapper, wrapper) == 0 &&
			(library == NULL || strcmp(module->library, library) == 0))
			return module;
	}
	return NULL;
}

static const DbsyncDriver *
keep(const char *wrapper, const char *library, const DbsyncDriver *driver)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	Module	   *module = palloc(sizeof(Module));

	module->wrapper = pstrdup(wrapper);
	module->library = pstrdup(library);
	module->driver = driver;
	/* in front: outside of transactions the last one counts */
	modules = lcons(module, modules);
	MemoryContextSwitchTo(old);
	return driver;
}

/* It is not there, or something that it needs is not; the server's own words say which. */
static void
raise_not_installed(const char *wrapper, const ErrorData *error)
{
	const char *package = package_of(wrapper);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 errmsg("driver \"%s\" is not installed", wrapper),
			 errdetail_internal("%s", error->message),
			 package
			 ? errhint("Install package %s, and build and install dbsync where its headers are.", package)
			 : errhint("Install the library of the driver, and all that it needs.")));
}

static DbsyncDriverFunction
load_function(const char *wrapper, const char *library)
{
	MemoryContext context = CurrentMemoryContext;
	DbsyncDriverFunction function = NULL;

	PG_TRY();
	{
		function = (DbsyncDriverFunction) load_external_function(library, DBSYNC_DRIVER_FUNCTION, false, NULL);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
			PG_RE_THROW();
		FlushErrorState();
		raise_not_installed(wrapper, error);
	}
	PG_END_TRY();
	if (function == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("there is no driver in the library of foreign data wrapper \"%s\"", wrapper),
				 errdetail("Library \"%s\" has no function " DBSYNC_DRIVER_FUNCTION "().", library)));
	return function;
}

const DbsyncDriver *
dbsync_module_driver(const char *wrapper)
{
	DbsyncHost	host = {DBSYNC_DRIVER_VERSION, wrapper, dbsync_type_fits};
	const char *library = NULL;
	const DbsyncDriver *driver;
	Module	   *module;

	if (IsTransactionState())
	{
		library = library_of_wrapper(wrapper);
		if (library == NULL)
			return NULL;
	}
	module = find_module(wrapper, library);
	if (module != NULL)
		return module->driver;
	if (library == NULL)
		elog(ERROR, "driver \"%s\" is asked for outside of a transaction", wrapper);
	driver = load_function(wrapper, library) (&host);
	if (driver == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("library \"%s\" has no driver \"%s\"", library, wrapper)));
	return keep(wrapper, library, driver);
}

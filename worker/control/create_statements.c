/*-------------------------------------------------------------------------
 *
 * worker/control/create_statements.c
 *	  What create_missing runs at a target, for people to see.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "foreign/foreign.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "worker/control/create_statements.h"
#include "worker/control/lookup.h"
#include "worker/creation.h"
#include "worker/drivers.h"

PG_FUNCTION_INFO_V1(dbsync_creation_statements_array);

static const DbsyncDriver *
find_driver(const char *target)
{
	ForeignServer *server = GetForeignServerByName(target, false);
	const DbsyncDriver *driver = dbsync_target_driver(GetForeignDataWrapper(server->fdwid)->fdwname);

	if (driver == NULL || (driver->features & DBSYNC_FEATURE_CREATE) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("target \"%s\" cannot make tables", target),
				 errhint("Create them there, with the columns and the keys of the source tables.")));
	return driver;
}

/* Called by the extension's owner only, who has asked for the rights. */
Datum
dbsync_creation_statements_array(PG_FUNCTION_ARGS)
{
	DbsyncFound found = dbsync_lookup_id(PG_GETARG_INT32(0));
	List	   *statements;
	Datum	   *values;
	int			n = 0;
	ListCell   *lc;

	statements = dbsync_creation_statements(find_driver(found.target),
											dbsync_creation_read(found.id, PG_GETARG_INT32(1)));
	values = palloc(sizeof(Datum) * list_length(statements));
	foreach(lc, statements)
		values[n++] = CStringGetTextDatum(lfirst(lc));
	PG_RETURN_ARRAYTYPE_P(construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT));
}

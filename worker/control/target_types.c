/*-------------------------------------------------------------------------
 *
 * worker/control/target_types.c
 *	  Whether columns are something at a target, by the table of types alone: nobody has to be asked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "utils/builtins.h"

#include "extension/array.h"
#include "worker/drivers.h"
#include "worker/types/resolve.h"

PG_FUNCTION_INFO_V1(dbsync_target_dialect);
PG_FUNCTION_INFO_V1(dbsync_check_target_types);

/* What is wrong with a target is said elsewhere. */
static DbsyncDialect
dialect_of(const char *target)
{
	ForeignServer *server = GetForeignServerByName(target, true);
	const DbsyncDriver *driver = server ? dbsync_target_driver(GetForeignDataWrapper(server->fdwid)->fdwname) : NULL;

	return driver ? driver->dialect : DBSYNC_DIALECT_POSTGRES;
}

Datum
dbsync_target_dialect(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(dbsync_dialect_names[dialect_of(NameStr(*PG_GETARG_NAME(0)))]));
}

Datum
dbsync_check_target_types(PG_FUNCTION_ARGS)
{
	int			n;
	int			nkeys;
	Datum	   *names = dbsync_array_values(PG_GETARG_DATUM(2), TEXTOID, &n);
	Datum	   *types = dbsync_array_values(PG_GETARG_DATUM(3), OIDOID, &n);
	Datum	   *typmods = dbsync_array_values(PG_GETARG_DATUM(4), INT4OID, &n);
	Datum	   *collations = dbsync_array_values(PG_GETARG_DATUM(5), OIDOID, &n);
	Datum	   *keys = dbsync_array_values(PG_GETARG_DATUM(6), INT4OID, &nkeys);
	DbsyncColumn *columns = palloc0(sizeof(DbsyncColumn) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		columns[i].name = TextDatumGetCString(names[i]);
		columns[i].type = DatumGetObjectId(types[i]);
		columns[i].typmod = DatumGetInt32(typmods[i]);
		columns[i].collation = DatumGetObjectId(collations[i]);
	}
	for (int k = 0; k < nkeys; k++)
		columns[DatumGetInt32(keys[k])].key = k + 1;
	dbsync_types_resolve(dialect_of(NameStr(*PG_GETARG_NAME(0))), text_to_cstring(PG_GETARG_TEXT_PP(1)), columns, n);
	PG_RETURN_VOID();
}

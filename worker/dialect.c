/*-------------------------------------------------------------------------
 *
 * worker/dialect.c
 *	  A table's columns as the SQL of a driver's targets has them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/dialect.h"
#include "worker/types/resolve.h"

DbsyncTableSpec
dbsync_dialect_spec(const DbsyncDriver *driver, const DbsyncTableSpec *spec)
{
	DbsyncTableSpec resolved = *spec;
	DbsyncColumn *columns;

	if (driver->dialect == DBSYNC_DIALECT_POSTGRES)
		return resolved;
	columns = palloc(sizeof(DbsyncColumn) * Max(spec->ncolumns, 1));
	for (int i = 0; i < spec->ncolumns; i++)
		columns[i] = spec->columns[i];
	dbsync_types_resolve(driver->dialect, spec->source ? spec->source : psprintf("%s.%s", spec->schema, spec->table),
						 columns, spec->ncolumns);
	resolved.columns = columns;
	return resolved;
}

/*-------------------------------------------------------------------------
 *
 * worker/driver/postgres/binary.c
 *	  PostgreSQL driver: which values may travel in binary form.
 *
 * What dbsync_binary_type_is_stable() knows, and interval where both ends take it for the same.  All
 * columns of a table, or none: so COPY wants it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"

#include "worker/driver/binary_types.h"
#include "worker/driver/driver.h"
#include "worker/driver/postgres/binary.h"
#include "worker/driver/postgres/internal.h"

static bool
is_stable(const PostgresTarget *target, Oid type)
{
	/* 17 made some of its values infinite; older ones would take them for finite */
	if (type == INTERVALOID)
		return (PG_VERSION_NUM >= 170000) == (target->base.identity.version >= 170000);
	return dbsync_binary_type_is_stable(type);
}

bool
dbsync_postgres_is_binary_type(const PostgresTarget *target, Oid type)
{
	Oid			element;

	if (is_stable(target, type))
		return true;
	element = dbsync_binary_type_element(type);
	return OidIsValid(element) && is_stable(target, element);
}

const DbsyncForm *
dbsync_postgres_table_forms(const DbsyncTargetTable *table)
{
	return table->binary ? table->forms : NULL;
}

/*-------------------------------------------------------------------------
 *
 * extension/anchor.c
 *	  The function that stands for a subscription, and says who owns it.
 *
 * A row of ours has no owner that DROP ROLE and REASSIGN OWNED would know of; a
 * function dbsync_internal.subscription_<id>() has one.  Found through the system
 * caches, as every call of wait_for() asks for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "extension/catalog.h"

PG_FUNCTION_INFO_V1(dbsync_anchor_of);
PG_FUNCTION_INFO_V1(dbsync_owner_of);

/* A column of its row in pg_proc, of type oid; InvalidOid: it has gone. */
static Oid
oid_of_anchor(int subscription, AttrNumber column)
{
	char		name[NAMEDATALEN];

	snprintf(name, sizeof(name), "subscription_%d", subscription);
	return GetSysCacheOid3(PROCNAMEARGSNSP, column, CStringGetDatum(name),
						   PointerGetDatum(buildoidvector(NULL, 0)),
						   ObjectIdGetDatum(dbsync_catalog_internal_schema()));
}

Datum
dbsync_anchor_of(PG_FUNCTION_ARGS)
{
	Oid			function = oid_of_anchor(PG_GETARG_INT32(0), Anum_pg_proc_oid);

	if (!OidIsValid(function))
		PG_RETURN_NULL();
	PG_RETURN_OID(function);
}

Datum
dbsync_owner_of(PG_FUNCTION_ARGS)
{
	Oid			owner = oid_of_anchor(PG_GETARG_INT32(0), Anum_pg_proc_proowner);

	if (!OidIsValid(owner))
		PG_RETURN_NULL();
	PG_RETURN_OID(owner);
}

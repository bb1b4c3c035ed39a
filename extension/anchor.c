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

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(dbsync_anchor_of);
PG_FUNCTION_INFO_V1(dbsync_owner_of);

/* its row in pg_proc, to be released; NULL: it has gone */
static HeapTuple
find_anchor(int subscription)
{
	Oid			namespace = get_namespace_oid("dbsync_internal", true);
	oidvector  *no_arguments = buildoidvector(NULL, 0);
	char		name[NAMEDATALEN];

	if (!OidIsValid(namespace))
		return NULL;
	snprintf(name, sizeof(name), "subscription_%d", subscription);
	return SearchSysCache3(PROCNAMEARGSNSP, CStringGetDatum(name),
						   PointerGetDatum(no_arguments), ObjectIdGetDatum(namespace));
}

Datum
dbsync_anchor_of(PG_FUNCTION_ARGS)
{
	HeapTuple	anchor = find_anchor(PG_GETARG_INT32(0));
	Oid			function;

	if (!HeapTupleIsValid(anchor))
		PG_RETURN_NULL();
	function = ((Form_pg_proc) GETSTRUCT(anchor))->oid;
	ReleaseSysCache(anchor);
	PG_RETURN_OID(function);
}

Datum
dbsync_owner_of(PG_FUNCTION_ARGS)
{
	HeapTuple	anchor = find_anchor(PG_GETARG_INT32(0));
	Oid			owner;

	if (!HeapTupleIsValid(anchor))
		PG_RETURN_NULL();
	owner = ((Form_pg_proc) GETSTRUCT(anchor))->proowner;
	ReleaseSysCache(anchor);
	PG_RETURN_OID(owner);
}

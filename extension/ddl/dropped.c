/*-------------------------------------------------------------------------
 *
 * extension/ddl/dropped.c
 *	  What the catalogs said of a table that has just been dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(dbsync_guard_dropped);

/* Was it deleted by this transaction, and not updated? */
static bool
is_deleted(HeapTuple tuple)
{
	uint16		infomask = tuple->t_data->t_infomask;

	return !(infomask & HEAP_XMAX_INVALID) && !HEAP_XMAX_IS_LOCKED_ONLY(infomask) &&
		ItemPointerEquals(&tuple->t_self, &tuple->t_data->t_ctid) &&
		TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetUpdateXid(tuple->t_data));
}

/*
 * guard_dropped(oid): the row of pg_class of a relation that this transaction has dropped; null
 * if it has not.  Who owned it, and who had which rights to it, nobody tells otherwise.
 */
Datum
dbsync_guard_dropped(PG_FUNCTION_ARGS)
{
	Relation	rel = table_open(RelationRelationId, AccessShareLock);
	HeapTuple	tuple;
	SysScanDesc scan;
	ScanKeyData key;
	Datum		row = (Datum) 0;
	bool		found = false;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(PG_GETARG_OID(0)));
	scan = systable_beginscan(rel, ClassOidIndexId, true, SnapshotAny, 1, &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		found = is_deleted(tuple);
		if (found)
			row = heap_copy_tuple_as_datum(tuple, RelationGetDescr(rel));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (!found)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(row);
}

/*-------------------------------------------------------------------------
 *
 * extension/log/inspect.c
 *	  Headers and the rows that they carry, shown to people through SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "extension/catalog.h"
#include "extension/log/carried.h"
#include "extension/log/header.h"
#include "extension/log/packed.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "extension/compat.h"

PG_FUNCTION_INFO_V1(dbsync_header_parts);

/* What a header says of its tables, as numbers: for people. */
Datum
dbsync_header_parts(PG_FUNCTION_ARGS)
{
	DbsyncPacked packed = dbsync_packed_open(PG_GETARG_DATUM(0), 0);
	Datum	   *numbers = palloc(sizeof(Datum) * Max(packed.end - packed.at, 1));
	int			n = 0;

	while (packed.at < packed.end)
		numbers[n++] = Int64GetDatum((int64) dbsync_packed_number(&packed));
	PG_RETURN_ARRAYTYPE_P(construct_array(numbers, n, INT8OID, sizeof(int64),
										  FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* The rows of one segment that a header segment's headers carry. */
static void
show_headers(Oid header_segment, int segment_id, ReturnSetInfo *result)
{
	Relation	rel = table_open(header_segment, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = dbsync_table_beginscan_compat(rel, GetActiveSnapshot(), 0, NULL);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dbsync header",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, NULL);
		DbsyncHeader header;
		DbsyncCarriedRow row;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(context);
		dbsync_header_decode(tuple, RelationGetDescr(rel), &header);
		while (dbsync_carried_next(&header.carried, &row))
		{
			if (row.segment_id == segment_id)
				tuplestore_puttuple(result->setResult, dbsync_carried_tuple(&row));
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
}

PG_FUNCTION_INFO_V1(dbsync_carried);

/*
 * carried(NULL::dbsync_internal.segment_n): for people.  Nobody looks at what may
 * be a great many headers but who asks.
 */
Datum
dbsync_carried(PG_FUNCTION_ARGS)
{
	Oid			segment = typeidTypeRelid(get_fn_expr_argtype(fcinfo->flinfo, 0));
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			segment_id;
	ListCell   *lc;

	/* rows of another table must not be taken for its */
	if (!OidIsValid(segment) || !dbsync_catalog_segment_id(segment, &segment_id))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("type %s is not that of a segment",
						format_type_be(get_fn_expr_argtype(fcinfo->flinfo, 0)))));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	foreach(lc, dbsync_catalog_header_segments(GetActiveSnapshot()))
		show_headers(lfirst_oid(lc), segment_id, result);
	return (Datum) 0;
}

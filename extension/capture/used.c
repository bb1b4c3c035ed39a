/*-------------------------------------------------------------------------
 *
 * extension/capture/used.c
 *	  Whether rows were ever captured for a segment that are still to be had.
 *
 * A segment without a block is not one without rows: those of small transactions are with
 * the headers, and need its columns to be read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "extension/capture/transaction.h"
#include "extension/catalog.h"
#include "extension/log/header.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "extension/compat.h"

PG_FUNCTION_INFO_V1(dbsync_segment_was_used);

static bool
has_rows_of(const DbsyncPart *part, int segment_id)
{
	return part->segment_id == segment_id && dbsync_transaction_part_rows(part) > 0;
}

static bool
written_by_us(int segment_id)
{
	if (!dbsync_transaction.begun)
		return false;
	for (DbsyncTouched *t = dbsync_transaction.touched; t != NULL; t = t->next)
	{
		for (DbsyncWritten *w = t->written; w != NULL; w = w->next)
		{
			if (has_rows_of(&w->part, segment_id))
				return true;
		}
	}
	return false;
}

/* Does a header of this segment of headers tell of its rows? */
static bool
told_of(Oid header_segment, int segment_id)
{
	Relation	rel = table_open(header_segment, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = dbsync_table_beginscan_compat(rel, GetActiveSnapshot(), 0, NULL);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "dbsync header",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		found = false;

	while (!found && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, NULL);
		DbsyncHeader header;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(context);
		dbsync_header_decode(tuple, RelationGetDescr(rel), &header);
		for (int i = 0; i < header.nparts; i++)
			found |= has_rows_of(&header.parts[i], segment_id);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return found;
}

/*
 * dbsync_internal.segment_was_used(id, segment): are there rows of it, in it or in headers,
 * or will there be when this transaction commits?  The caller keeps writers out.
 */
Datum
dbsync_segment_was_used(PG_FUNCTION_ARGS)
{
	int			segment_id = PG_GETARG_INT32(0);
	Relation	segment = table_open(PG_GETARG_OID(1), AccessShareLock);
	bool		used = RelationGetNumberOfBlocks(segment) > 0 || written_by_us(segment_id);
	ListCell   *lc;

	table_close(segment, AccessShareLock);
	/* others may have committed since the transaction's own snapshot was taken */
	PushActiveSnapshot(GetLatestSnapshot());
	foreach(lc, dbsync_catalog_header_segments(GetActiveSnapshot()))
		used = used || told_of(lfirst_oid(lc), segment_id);
	PopActiveSnapshot();
	PG_RETURN_BOOL(used);
}

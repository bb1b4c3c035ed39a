/*-------------------------------------------------------------------------
 *
 * extension/capture/rescan.c
 *	  Capturing rows that a relation has, and not what a statement does to them.
 *
 * Rows are read with SnapshotSelf, whatever the transaction's snapshot is: that one may be
 * older than the lock that the caller has, and miss rows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "extension/capture/append.h"
#include "extension/capture/rescan.h"
#include "extension/leaves.h"
#include "extension/log/segment.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(dbsync_capture_rows);

int64
dbsync_rescan_capture(Relation rel, char op)
{
	/* nobody knows how many there are */
	const int64 unknown = 0;
	DbsyncAppend append;
	TableScanDesc scan;
	TupleTableSlot *slot;
	bool		begun = false;
	int64		rows = 0;

	slot = table_slot_create(rel, NULL);
	scan = table_beginscan_strat(rel, SnapshotSelf, 0, NULL, true, false);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		if (!begun && !dbsync_append_begin(&append, rel, unknown))
			break;
		/* their keys may have been captured before in this transaction */
		if (!begun)
			append.active.written->part.statements++;
		begun = true;
		dbsync_append_put(&append, op, slot);
		rows++;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	if (begun)
		dbsync_append_end(&append);
	return rows;
}

/*
 * dbsync_internal.capture_rows(regclass): the rows of a partition that has come, as inserted
 * into the captured table; the caller has locked it, and it has our triggers.
 */
Datum
dbsync_capture_rows(PG_FUNCTION_ARGS)
{
	Relation	rel = table_open(PG_GETARG_OID(0), NoLock);
	int64		rows = dbsync_rescan_capture(rel, DBSYNC_OP_INSERT);

	table_close(rel, NoLock);
	PG_RETURN_INT64(rows);
}

int64
dbsync_rescan_leaves(Relation rel)
{
	DbsyncLeaves *leaves = dbsync_leaves_begin(rel, InvalidOid);
	int64		rows = 0;

	for (int i = 0; i < leaves->n; i++)
		rows += dbsync_rescan_capture(dbsync_leaves_open(leaves, i)->rel, DBSYNC_OP_INSERT);
	dbsync_leaves_end(leaves);
	return rows;
}

/*-------------------------------------------------------------------------
 *
 * worker/source/headers.c
 *	  Reading header segments: what may be of a window, and one header after the other.
 *
 * Of a window are the headers visible in "upto" and not in "after".  Looking
 * from xmin(after) on would read everything since the oldest open transaction
 * again and again; exact and cheap is: all ids from xmax(after) on, and one
 * look-up for each id that "after" lists as running (the two steps of PgQ's
 * batch query).  Either goes by the segment's only index.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "extension/log/header.h"
#include "worker/snapshot.h"
#include "worker/source/headers.h"
#include "worker/source/source.h"

#include "extension/compat.h"

Datum
dbsync_headers_field(TupleTableSlot *slot, int attno)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attno, &isnull);

	if (isnull)
		elog(ERROR, "unexpected null in a transaction header");
	return value;
}

/* The segment's index; there are two while one is built in the other's place. */
static Relation
open_index(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;

	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (index->rd_index->indisvalid)
		{
			list_free(indexes);
			return index;
		}
		index_close(index, AccessShareLock);
	}
	elog(ERROR, "header segment \"%s\" has lost its index",
		 RelationGetRelationName(rel));
}

static void
scan_headers(Relation rel, Relation index, StrategyNumber strategy, RegProcedure procedure,
			 uint64 xid, DbsyncHeaderLook look, void *arg)
{
	ScanKeyData key;
	IndexScanDesc scan;
	TupleTableSlot *slot = table_slot_create(rel, NULL);

	ScanKeyInit(&key, DBSYNC_HEADER_XID, strategy, procedure,
				FullTransactionIdGetDatum(FullTransactionIdFromU64(xid)));
	scan = dbsync_index_beginscan_compat(rel, index, GetActiveSnapshot(), NULL, 1, 0);
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		look(slot, arg);
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

void
dbsync_headers_scan(Oid segment, const DbsyncSnapshot *after, DbsyncHeaderLook look, void *arg)
{
	Relation	rel = table_open(segment, AccessShareLock);
	Relation	index = open_index(rel);

	scan_headers(rel, index, BTGreaterEqualStrategyNumber, F_XID8GE, after->xmax, look, arg);
	for (int x = 0; x < after->nxip; x++)
		scan_headers(rel, index, BTEqualStrategyNumber, F_XID8EQ, after->xip[x], look, arg);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
}

static bool
segment_knows(Relation rel, Relation index, uint64 xid, XLogRecPtr closing,
			  TimestampTz start)
{
	ScanKeyData key;
	IndexScanDesc scan;
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	bool		found = false;

	ScanKeyInit(&key, DBSYNC_HEADER_XID, BTEqualStrategyNumber, F_XID8EQ,
				FullTransactionIdGetDatum(FullTransactionIdFromU64(xid)));
	scan = dbsync_index_beginscan_compat(rel, index, GetActiveSnapshot(), NULL, 1, 0);
	index_rescan(scan, &key, 1, NULL, 0);
	while (!found && index_getnext_slot(scan, ForwardScanDirection, slot))
		found = DatumGetLSN(dbsync_headers_field(slot, DBSYNC_HEADER_CLOSING)) == closing &&
			DatumGetTimestampTz(dbsync_headers_field(slot, DBSYNC_HEADER_SERVER_START)) <= start;
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return found;
}

bool
dbsync_headers_know(List *header_segments, uint64 xid, XLogRecPtr closing,
					TimestampTz start)
{
	bool		found = false;
	ListCell   *lc;

	foreach(lc, header_segments)
	{
		Relation	rel = table_open(lfirst_oid(lc), AccessShareLock);
		Relation	index = open_index(rel);

		found |= segment_knows(rel, index, xid, closing, start);
		index_close(index, AccessShareLock);
		table_close(rel, AccessShareLock);
	}
	return found;
}

void
dbsync_headers_open(DbsyncHeaders *headers, int nsegments, const Oid *segments)
{
	headers->nsegments = nsegments;
	headers->segments = segments;
	headers->rels = palloc0(sizeof(Relation) * nsegments);
	headers->slots = palloc0(sizeof(TupleTableSlot *) * nsegments);
}

void
dbsync_headers_close(DbsyncHeaders *headers)
{
	for (int i = 0; i < headers->nsegments; i++)
	{
		if (headers->rels[i] == NULL)
			continue;
		ExecDropSingleTupleTableSlot(headers->slots[i]);
		table_close(headers->rels[i], AccessShareLock);
	}
}

void
dbsync_headers_fetch(DbsyncHeaders *headers, int segment, ItemPointerData tid, uint64 xid,
					 DbsyncHeader *header)
{
	Relation	rel;
	TupleTableSlot *slot;
	bool		free_tuple;
	HeapTuple	tuple;

	if (headers->rels[segment] == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(headers->rels));

		headers->rels[segment] = table_open(headers->segments[segment], AccessShareLock);
		headers->slots[segment] = table_slot_create(headers->rels[segment], NULL);
		MemoryContextSwitchTo(old);
	}
	rel = headers->rels[segment];
	slot = headers->slots[segment];
	if (!table_tuple_fetch_row_version(rel, &tid, GetActiveSnapshot(), slot))
		elog(ERROR, "header of transaction " UINT64_FORMAT " has gone", xid);
	tuple = ExecFetchSlotHeapTuple(slot, false, &free_tuple);
	dbsync_header_decode(tuple, RelationGetDescr(rel), header);
	if (free_tuple)
		heap_freetuple(tuple);
	ExecClearTuple(slot);
}

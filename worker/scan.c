/*-------------------------------------------------------------------------
 *
 * worker/scan.c
 *	  A cut's rows of one table, straight from their blocks or headers.
 *
 * A cut that has nothing to fold and nothing to leave out needs no query: its rows
 * go to the relay as they lie, which is most of the time that a batch of one row
 * spends on this side, and a third of it for a million.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "extension/header.h"
#include "extension/members.h"
#include "worker/scan.h"

/* where the table's columns are in a slot of a segment */
#define FIRST_COLUMN	(DBSYNC_SEGMENT_FIRST_COLUMN - 1)

/* Are the segment's columns the table's, in their order? */
static bool
segment_matches(Oid segment, const DbsyncTable *table)
{
	Relation	rel = table_open(segment, NoLock);	/* has been locked */
	TupleDesc	desc = RelationGetDescr(rel);
	bool		same = desc->natts >= FIRST_COLUMN + table->ncolumns;

	for (int i = 0; same && i < table->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, FIRST_COLUMN + i);

		same = !att->attisdropped && att->atttypid == table->types[i] &&
			strcmp(NameStr(att->attname), table->columns[i]) == 0;
	}
	table_close(rel, NoLock);
	return same;
}

bool
dbsync_scan_can_copy(DbsyncSubscription *subscription, const DbsyncTable *table,
					 const DbsyncCutTable *cut, const DbsyncReadCut *how)
{
	ListCell   *lc;

	if (how->marks || how->after != 0 || cut->truncates > 0 || !table->part.live)
		return false;
	foreach(lc, cut->segments)
	{
		const DbsyncCutSegment *segment = lfirst(lc);

		if (!segment_matches(dbsync_subscription_segment(subscription, segment->segment_id)->relid,
							 table))
			return false;
	}
	return true;
}

bool
dbsync_scan_applies(DbsyncSubscription *subscription, const DbsyncTable *table,
					const DbsyncCutTable *cut, const DbsyncReadCut *how)
{
	return !how->fold && dbsync_scan_can_copy(subscription, table, cut, how);
}

void
dbsync_scan_place_columns(const DbsyncTable *table, const DbsyncReadCut *how, DbsyncRelay *relay)
{
	bool		keys = how->what == DBSYNC_RELAY_KEYS;
	int			n = keys ? table->nkeys : table->ncolumns;
	int		   *at = palloc(sizeof(int) * Max(n, 1));

	for (int i = 0; i < n; i++)
		at[i] = FIRST_COLUMN + (keys ? table->keys[i] : i);
	dbsync_relay_place(relay, at);
}

/* Returns false when the relay wants no more. */
static bool
scan_segment(Relation rel, const DbsyncCutSegment *segment, DestReceiver *receiver)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = NULL;
	bool		more = true;

	for (int r = 0; more && r < segment->n; r++)
	{
		ItemPointerData first;
		ItemPointerData last;

		ItemPointerSet(&first, segment->first[r], FirstOffsetNumber);
		ItemPointerSet(&last, segment->last[r], MaxOffsetNumber);
		if (scan == NULL)
			scan = table_beginscan_tidrange(rel, GetActiveSnapshot(), &first, &last);
		else
			table_rescan_tidrange(scan, &first, &last);
		while (more && table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
		{
			bool		isnull;
			Datum		xid = slot_getattr(slot, DBSYNC_SEGMENT_XID, &isnull);

			if (dbsync_members_has(U64FromFullTransactionId(DatumGetFullTransactionId(xid))))
				more = receiver->receiveSlot(slot, receiver);
		}
	}
	if (scan != NULL)
		table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return more;
}

/* The same for the rows that headers carry. */
static bool
scan_carried(Relation rel, const DbsyncCutSegment *segment, DestReceiver *receiver)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	bool		more = true;

	tuplestore_select_read_pointer(segment->carried, 0);
	tuplestore_rescan(segment->carried);
	while (more && tuplestore_gettupleslot(segment->carried, true, false, slot))
		more = receiver->receiveSlot(slot, receiver);
	ExecDropSingleTupleTableSlot(slot);
	return more;
}

void
dbsync_scan_cut(DbsyncSubscription *subscription, const DbsyncTable *table,
				const DbsyncCutTable *cut, const DbsyncReadCut *how, DbsyncRelay *relay)
{
	DestReceiver *receiver = dbsync_relay_receiver(relay);
	bool		more = true;
	ListCell   *lc;

	dbsync_scan_place_columns(table, how, relay);
	foreach(lc, cut->segments)
	{
		const DbsyncCutSegment *segment = lfirst(lc);
		Relation	rel = table_open(dbsync_subscription_segment(subscription, segment->segment_id)->relid,
									 AccessShareLock);

		if (foreach_current_index(lc) == 0)
			receiver->rStartup(receiver, CMD_SELECT, RelationGetDescr(rel));
		if (more && segment->n > 0)
			more = scan_segment(rel, segment, receiver);
		if (more && segment->carried != NULL)
			more = scan_carried(rel, segment, receiver);
		table_close(rel, NoLock);
	}
}

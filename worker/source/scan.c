/*-------------------------------------------------------------------------
 *
 * worker/source/scan.c
 *	  A cut's rows of one table, straight from their blocks or headers.
 *
 * Segments are read by their oids and blocks, without a query: no name, no operator
 * and no plan stands between what the headers announce and what is read.  Rows of
 * which nothing is to be folded or left out go to the relay as they lie, which is
 * most of the time that a batch of one row spends on this side.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "extension/log/segment.h"
#include "worker/relay.h"
#include "worker/shape.h"
#include "worker/source/members.h"
#include "worker/source/reader.h"
#include "worker/source/scan.h"
#include "worker/source/source.h"
#include "worker/subscription.h"

#include "extension/compat.h"

/* where the table's columns are in a slot of a segment */
#define FIRST_COLUMN	(DBSYNC_SEGMENT_FIRST_COLUMN - 1)

/* Are the segment's columns the shape's, in their order, between ours? */
static bool
fits(TupleDesc desc, const DbsyncTableShape *shape)
{
	bool		same = desc->natts == FIRST_COLUMN + shape->ncolumns + 1;

	for (int i = 0; same && i < shape->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, FIRST_COLUMN + i);

		same = !att->attisdropped && att->atttypid == shape->types[i] &&
			strcmp(NameStr(att->attname), shape->columns[i]) == 0;
	}
	return same;
}

Relation
dbsync_scan_open(const DbsyncReading *reading, int segment_id)
{
	const DbsyncSegmentInfo *info = dbsync_subscription_segment(reading->subscription, segment_id);
	Relation	rel = table_open(info->relid, AccessShareLock);

	if (!fits(RelationGetDescr(rel), reading->shape))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("tracking table \"%s\" does not fit captured table %s",
						RelationGetRelationName(rel), reading->table->qualified),
				 errhint("Copy the table anew with dbsync.copy_table().")));
	return rel;
}

bool
dbsync_scan_can_copy(const DbsyncReading *reading)
{
	const DbsyncReadCut *how = reading->how;

	return !how->marks && how->after == 0 && how->before == 0 && reading->cut_table->truncates == 0 &&
		reading->table->part.live;
}

void
dbsync_scan_place_columns(const DbsyncReading *reading, DbsyncRelay *relay)
{
	const DbsyncTableShape *shape = reading->shape;
	bool		keys = reading->how->what == DBSYNC_RELAY_KEYS;
	int			n = keys ? shape->nkeys : shape->ncolumns;
	int		   *at = palloc(sizeof(int) * Max(n, 1));

	for (int i = 0; i < n; i++)
		at[i] = FIRST_COLUMN + (keys ? shape->keys[i] : i);
	dbsync_relay_place(relay, at);
}

/* Is it of an operation that the subscription sends? */
static bool
is_sent(const DbsyncReading *reading, TupleTableSlot *slot)
{
	int			operations = reading->table->operations;
	bool		isnull;

	if (operations == DBSYNC_SENDS_ALL)
		return true;
	switch (DatumGetChar(slot_getattr(slot, DBSYNC_SEGMENT_OP, &isnull)))
	{
		case DBSYNC_OP_INSERT:
			return operations & DBSYNC_SENDS_INSERT;
		case DBSYNC_OP_UPDATE:
			return operations & DBSYNC_SENDS_UPDATE;
		case DBSYNC_OP_DELETE:
			return operations & DBSYNC_SENDS_DELETE;
		case DBSYNC_OP_TRUNCATE:
			return operations & DBSYNC_SENDS_TRUNCATE;
		default:
			return operations & (DBSYNC_SENDS_INSERT | DBSYNC_SENDS_UPDATE);
	}
}

/* Adds the rows to *found.  Returns false when no more are wanted. */
static bool
scan_blocks(const DbsyncReading *reading, Relation rel, const DbsyncCutSegment *segment, DbsyncMembers *members,
			const DbsyncScanSink *sink, int64 *found)
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
			scan = dbsync_tidrange_beginscan_compat(rel, GetActiveSnapshot(), &first, &last);
		else
			table_rescan_tidrange(scan, &first, &last);
		while (more && table_scan_getnextslot_tidrange(scan, ForwardScanDirection, slot))
		{
			bool		isnull;
			Datum		xid = slot_getattr(slot, DBSYNC_SEGMENT_XID, &isnull);
			int			rank = dbsync_members_rank(members,
												   U64FromFullTransactionId(DatumGetFullTransactionId(xid)));

			CHECK_FOR_INTERRUPTS();
			if (rank < 0)
				continue;
			(*found)++;
			if (is_sent(reading, slot))
				more = sink->row(slot, rank, sink->arg);
		}
	}
	if (scan != NULL)
		table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return more;
}

/* The same for the rows that headers carry, whose numbers are places already. */
static bool
scan_carried(const DbsyncReading *reading, Relation rel, const DbsyncCutSegment *segment, const DbsyncScanSink *sink,
			 int64 *found)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	bool		more = true;

	tuplestore_select_read_pointer(segment->carried, 0);
	tuplestore_rescan(segment->carried);
	while (more && tuplestore_gettupleslot(segment->carried, true, false, slot))
	{
		(*found)++;
		if (is_sent(reading, slot))
			more = sink->row(slot, -1, sink->arg);
	}
	ExecDropSingleTupleTableSlot(slot);
	return more;
}

int64
dbsync_scan_rows(const DbsyncReading *reading, const DbsyncScanSink *sink)
{
	const List *segments = reading->cut_table->segments;
	int64		found = 0;
	bool		more = true;
	ListCell   *lc;

	foreach(lc, segments)
	{
		const DbsyncCutSegment *segment = lfirst(lc);
		Relation	rel = dbsync_scan_open(reading, segment->segment_id);

		if (foreach_current_index(lc) == 0)
			sink->begin(RelationGetDescr(rel), sink->arg);
		if (more && segment->n > 0)
			more = scan_blocks(reading, rel, segment, reading->cut->members, sink, &found);
		if (more && segment->carried != NULL)
			more = scan_carried(reading, rel, segment, sink, &found);
		table_close(rel, NoLock);
	}
	return found;
}

static void
begin_relay(TupleDesc desc, void *arg)
{
	DestReceiver *receiver = arg;

	receiver->rStartup(receiver, CMD_SELECT, desc);
}

static bool
to_relay(TupleTableSlot *slot, int rank, void *arg)
{
	DestReceiver *receiver = arg;

	return receiver->receiveSlot(slot, receiver);
}

bool
dbsync_scan_applies(const DbsyncReading *reading)
{
	return !reading->how->fold && dbsync_scan_can_copy(reading);
}

int64
dbsync_scan_read(const DbsyncReading *reading, DbsyncRelay *relay)
{
	DbsyncScanSink sink = {begin_relay, to_relay, dbsync_relay_receiver(relay)};

	dbsync_scan_place_columns(reading, relay);
	return dbsync_scan_rows(reading, &sink);
}

/*-------------------------------------------------------------------------
 *
 * extension/track.c
 *	  Appending captured rows to the active segment of a table.
 *
 * One row goes by heap_insert, a set by heap_multi_insert, both without an
 * index and without going through the executor.  Values stored out of line are
 * fetched and stored again by those functions.
 *
 * The writer's side of rotation: lock the segment believed to be active, then
 * look whether it still is, else start again; the lock stays to the end of the
 * transaction.  Whoever empties a segment makes it inactive first, and waits for
 * its writers afterwards; so either he waits for us, or we have heard of him,
 * because taking a lock reads the invalidations sent before it was free.  The
 * lock is taken every time, since ROLLBACK TO lets go of one that was first
 * taken in the savepoint.  The header segment is locked together with it and not
 * first inside COMMIT, where no timeout would reach.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "extension/track.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/xid8.h"

/* from so many rows on, forming a batch costs less than it saves */
#define FEW_ROWS			4

/* as much as COPY lets wait */
#define MAX_WAITING			1000
#define MAX_WAITING_BYTES	65535

/* more than this would crowd others out of the buffers: use a small ring */
#define MANY_ROWS			50000

static void
note_block(DbsyncTrack *track, ItemPointer tid)
{
	DbsyncRanges *ranges = &track->written->part.ranges;
	BlockNumber block = ItemPointerGetBlockNumber(tid);

	if (ranges->n == 0 || ranges->last[ranges->n - 1] != block)
		dbsync_ranges_add(ranges, block);
}

/*
 * Lock the active segment; false if the table is not captured any more.  What
 * was believed before the lock is looked at again after it.
 */
static bool
lock_active(DbsyncTrack *track, Relation rel)
{
	Oid			locked = InvalidOid;

	for (;;)
	{
		DbsyncEntry *entry = dbsync_captured_find(rel);

		if (entry->mode != DBSYNC_MODE_CAPTURE)
			return false;
		track->entry = entry;
		if (entry->segment == locked)
			return true;
		CHECK_FOR_INTERRUPTS();
		dbsync_header_lock();
		LockRelationOid(entry->segment, RowExclusiveLock);
		locked = entry->segment;
	}
}

bool
dbsync_track_begin(DbsyncTrack *track, Relation rel, int64 expected)
{
	DbsyncEntry *entry;

	if (dbsync_transaction.closed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot change captured table \"%s\" this late in a transaction",
						RelationGetRelationName(rel)),
				 errdetail("Another module writes to it as the transaction commits, "
						   "after dbsync has closed what it captured.")));
	if (!lock_active(track, rel))
		return false;
	entry = track->entry;
	track->segment = table_open(entry->segment, NoLock);
	if (!entry->segment_checked)
		dbsync_captured_check_segment(entry, track->segment);
	track->written = dbsync_transaction_written(dbsync_captured_touch(entry),
												entry->captured.id,
												entry->segment_id, entry->segment);
	dbsync_transaction_save(track->written);
	track->written->part.statements++;
	track->cid = GetCurrentCommandId(true);
	track->rows = 0;
	entry->values[DBSYNC_SEGMENT_XID - 1] =
		FullTransactionIdGetDatum(GetTopFullTransactionId());
	entry->nulls[DBSYNC_SEGMENT_XID - 1] = false;
	entry->nulls[DBSYNC_SEGMENT_NO - 1] = false;
	entry->nulls[DBSYNC_SEGMENT_OP - 1] = false;

	track->context = NULL;
	if (expected >= FEW_ROWS)
	{
		track->context = AllocSetContextCreate(CurrentMemoryContext, "dbsync track",
											   ALLOCSET_DEFAULT_SIZES);
		track->slots = palloc(MAX_WAITING * sizeof(TupleTableSlot *));
		track->nslots = 0;
		track->nwaiting = 0;
		track->waiting = 0;
		track->bulk = expected >= MANY_ROWS ? GetBulkInsertState() : NULL;
	}
	return true;
}

static void
copy_values(DbsyncEntry *entry, TupleTableSlot *slot)
{
	Datum	   *values = entry->values + DBSYNC_SEGMENT_FIRST_COLUMN - 1;
	bool	   *nulls = entry->nulls + DBSYNC_SEGMENT_FIRST_COLUMN - 1;

	slot_getallattrs(slot);
	for (int i = 0; i < entry->ncolumns; i++)
	{
		int			from = entry->columns[i] - 1;

		values[i] = slot->tts_values[from];
		nulls[i] = slot->tts_isnull[from];
	}
}

static void
copy_key(DbsyncEntry *entry, TupleTableSlot *slot)
{
	Datum	   *values = entry->values + DBSYNC_SEGMENT_FIRST_COLUMN - 1;
	bool	   *nulls = entry->nulls + DBSYNC_SEGMENT_FIRST_COLUMN - 1;

	memset(nulls, true, entry->ncolumns * sizeof(bool));
	if (slot == NULL)
		return;
	slot_getsomeattrs(slot, entry->last_key);
	for (int i = 0; i < entry->nkeys; i++)
	{
		int			to = entry->keys[i];
		int			from = entry->columns[to] - 1;

		values[to] = slot->tts_values[from];
		nulls[to] = slot->tts_isnull[from];
	}
}

static void
count_row(DbsyncPart *part, char op)
{
	switch (op)
	{
		case DBSYNC_OP_INSERT:
			part->inserts++;
			break;
		case DBSYNC_OP_UPDATE:
			part->updates++;
			break;
		case DBSYNC_OP_DELETE:
			part->deletes++;
			break;
		case DBSYNC_OP_TRUNCATE:
			part->truncates++;
			break;
		default:
			Assert(op == DBSYNC_OP_RESOLVED);
			part->resolved++;
			break;
	}
}

/* Bytes of a row, with what it has out of line. */
static Size
size_of(HeapTuple tuple, DbsyncEntry *entry)
{
	Size		size = tuple->t_len;

	if (!HeapTupleHasExternal(tuple))
		return size;
	for (int i = 0; i < entry->ncolumns; i++)
	{
		int			to = DBSYNC_SEGMENT_FIRST_COLUMN - 1 + i;
		Form_pg_attribute att = TupleDescAttr(entry->desc, entry->columns[i] - 1);
		struct varlena *value = (struct varlena *) DatumGetPointer(entry->values[to]);

		if (!entry->nulls[to] && att->attlen == -1 && VARATT_IS_EXTERNAL_ONDISK(value))
		{
			struct varatt_external pointer;

			VARATT_EXTERNAL_GET_POINTER(pointer, value);
			size += VARATT_EXTERNAL_GET_EXTSIZE(pointer);
		}
	}
	return size;
}

static void
write_waiting(DbsyncTrack *track)
{
	MemoryContext old;

	if (track->nwaiting == 0)
		return;
	CHECK_FOR_INTERRUPTS();
	old = MemoryContextSwitchTo(track->context);
	heap_multi_insert(track->segment, track->slots, track->nwaiting,
					  track->cid, 0, track->bulk);
	MemoryContextSwitchTo(old);

	/* pages come from anywhere, so first and last row are not the bounds */
	for (int i = 0; i < track->nwaiting; i++)
	{
		note_block(track, &track->slots[i]->tts_tid);
		ExecClearTuple(track->slots[i]);
	}
	MemoryContextReset(track->context);
	track->nwaiting = 0;
	track->waiting = 0;
}

static void
let_wait(DbsyncTrack *track, HeapTuple tuple)
{
	if (track->nwaiting == track->nslots)
	{
		/* slots outlive the rows, and whatever context the caller is in */
		MemoryContext old = MemoryContextSwitchTo(MemoryContextGetParent(track->context));

		track->slots[track->nslots++] =
			MakeSingleTupleTableSlot(RelationGetDescr(track->segment),
									 &TTSOpsHeapTuple);
		MemoryContextSwitchTo(old);
	}
	ExecStoreHeapTuple(tuple, track->slots[track->nwaiting], false);
	track->nwaiting++;
	track->waiting += tuple->t_len;
	if (track->nwaiting == MAX_WAITING || track->waiting >= MAX_WAITING_BYTES)
		write_waiting(track);
}

void
dbsync_track_put(DbsyncTrack *track, char op, TupleTableSlot *slot)
{
	DbsyncEntry *entry = track->entry;
	TupleDesc	desc = RelationGetDescr(track->segment);
	HeapTuple	tuple;

	entry->values[DBSYNC_SEGMENT_NO - 1] = Int64GetDatum(dbsync_transaction.next_no++);
	entry->values[DBSYNC_SEGMENT_OP - 1] = CharGetDatum(op);
	if (op == DBSYNC_OP_DELETE || op == DBSYNC_OP_TRUNCATE)
		copy_key(entry, slot);
	else
		copy_values(entry, slot);
	count_row(&track->written->part, op);
	track->rows++;

	if (track->context == NULL)
	{
		tuple = heap_form_tuple(desc, entry->values, entry->nulls);
		track->written->bytes += size_of(tuple, entry);
		heap_insert(track->segment, tuple, track->cid, 0, NULL);
		note_block(track, &tuple->t_self);
		heap_freetuple(tuple);
	}
	else
	{
		MemoryContext old = MemoryContextSwitchTo(track->context);

		tuple = heap_form_tuple(desc, entry->values, entry->nulls);
		MemoryContextSwitchTo(old);
		track->written->bytes += size_of(tuple, entry);
		let_wait(track, tuple);
	}
}

void
dbsync_track_end(DbsyncTrack *track)
{
	if (track->context != NULL)
	{
		write_waiting(track);
		for (int i = 0; i < track->nslots; i++)
			ExecDropSingleTupleTableSlot(track->slots[i]);
		pfree(track->slots);
		if (track->bulk != NULL)
			FreeBulkInsertState(track->bulk);
		MemoryContextDelete(track->context);
	}
	table_close(track->segment, NoLock);
}

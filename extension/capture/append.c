/*-------------------------------------------------------------------------
 *
 * extension/capture/append.c
 *	  Appending captured rows to the active segment of a table.
 *
 * A few rows go into the header, if it has room for them (dbsync_transaction_carry()), as do rows that
 * would not fit on a page; else one row goes
 * by heap_insert, a set by heap_multi_insert, both without an index and without going
 * through the executor.  Values stored out of line are
 * fetched and stored again by those functions.  No ring of buffers is used, since
 * the statement uses none for the table, the worker will want these very pages
 * next, and a ring would have the session write them and wait for their WAL.
 *
 * The writer's side of rotation: lock the segment believed to be active, then
 * look whether it still is, else start again; the lock stays to the end of the
 * transaction.  Whoever empties a segment makes it inactive first, and waits for
 * its writers afterwards; so either he waits for us, or we have heard of him,
 * because taking a lock reads the invalidations sent before it was free.  A lock
 * that we have is not taken again; that we have it is forgotten with the savepoint
 * in which it was taken, since ROLLBACK TO lets go of it.  The header segment is
 * locked together with it and not first inside COMMIT, where no timeout would
 * reach.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "extension/capture/append.h"
#include "extension/capture/transaction.h"
#include "extension/capture/unchanged.h"
#include "extension/log/header.h"
#include "extension/log/ranges.h"
#include "extension/log/segment.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"

/* from so many rows on, a statement's go to the segment, and in batches */
#define FEW_ROWS			4

/* as much as COPY lets wait */
#define MAX_WAITING			1000
#define MAX_WAITING_BYTES	65536

/*
 * Rows are handed to heap_multi_insert in slots of our own: it would have the
 * usual ones copy the row once more, to make it theirs.
 */
static HeapTuple
row_tuple(TupleTableSlot *slot)
{
	return &((DbsyncTrackRow *) slot)->tuple;
}

static void
row_materialize(TupleTableSlot *slot)
{
	/* it lives as long as it must */
}

static const TupleTableSlotOps row_ops = {
	.base_slot_size = sizeof(DbsyncTrackRow),
	.materialize = row_materialize,
	.get_heap_tuple = row_tuple
};

static void
note_block(DbsyncTrack *track, ItemPointer tid)
{
	DbsyncRanges *ranges = &track->written->part.ranges;
	BlockNumber block = ItemPointerGetBlockNumber(tid);

	if (ranges->n == 0 || ranges->last[ranges->n - 1] != block)
		dbsync_ranges_add(ranges, block);
}

static void
lock_header(void)
{
	DbsyncHeaderLock *lock = &dbsync_transaction.header_lock;

	if (lock->held)
		return;
	dbsync_header_lock();
	dbsync_transaction_save(lock);
	lock->held = true;
}

/* What is believed to be the active segment; false if the table is not captured any more. */
static bool
find_active(DbsyncTrack *track)
{
	DbsyncEntry *entry = dbsync_captured_find(track->rel);

	if (entry->mode != DBSYNC_MODE_CAPTURE)
		return false;
	track->entry = entry;
	track->written = dbsync_transaction_written(dbsync_captured_touch(entry),
												entry->captured.id,
												entry->segment_id, entry->segment);
	return true;
}

/* Lock the active segment.  What was believed before the lock is looked at again after it. */
static bool
lock_active(DbsyncTrack *track)
{
	Oid			locked = InvalidOid;

	while (find_active(track))
	{
		if (track->entry->segment == locked || track->written->locked)
			return true;
		CHECK_FOR_INTERRUPTS();
		lock_header();
		LockRelationOid(track->entry->segment, RowExclusiveLock);
		locked = track->entry->segment;
	}
	return false;
}

/* So many captures that may have the same keys write to the segment, or into the header. */
static void
count_statements(DbsyncTrack *track, int n)
{
	dbsync_transaction_save(track->written);
	track->written->part.statements += n;
}

static bool
open_segment(DbsyncTrack *track)
{
	DbsyncEntry *entry;

	if (!lock_active(track))
		return false;
	entry = track->entry;
	if (entry->segment_checked)
		track->segment = RelationIdGetRelation(entry->segment);
	if (track->segment == NULL)
	{
		track->segment = table_open(entry->segment, NoLock);
		dbsync_captured_check_segment(entry, track->segment);
	}
	dbsync_transaction_save(track->written);
	track->written->locked = true;
	track->cid = GetCurrentCommandId(true);
	return true;
}

/* The header has no room for the next row: from now on the segment takes them. */
static void
leave_header(DbsyncTrack *track)
{
	DbsyncWritten *before = track->written;

	if (track->segment != NULL)
		return;
	if (!open_segment(track))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("capture of table \"%s\" ended in the middle of a statement",
						RelationGetRelationName(track->rel))));
	/* another segment knows nothing of this statement, which may be several captures */
	if (track->written != before)
		count_statements(track, 2);
}

/* Get ready to have rows taken along by the header. */
static bool
begin_carried(DbsyncTrack *track)
{
	DbsyncEntry *entry;

	if (!find_active(track))
		return false;
	if (!dbsync_transaction.header_lock.held)
	{
		/* waiting may have brought news */
		lock_header();
		if (!find_active(track))
			return false;
	}
	entry = track->entry;
	if (!entry->segment_checked)
	{
		Relation	segment = table_open(entry->segment, AccessShareLock);

		dbsync_captured_check_segment(entry, segment);
		table_close(segment, AccessShareLock);
	}
	return true;
}

/* Room for a batch: as many rows as are expected, or as may wait. */
static void
make_batch(DbsyncTrack *track, int64 expected)
{
	int			n = Min(expected, MAX_WAITING);
	MemoryContext old;

	track->context = AllocSetContextCreate(track->parent, "dbsync track",
										   ALLOCSET_DEFAULT_SIZES);
	track->large = AllocSetContextCreate(track->context, "dbsync track rows",
										 ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(track->context);
	track->rows = palloc0(n * sizeof(DbsyncTrackRow));
	track->slots = palloc(n * sizeof(TupleTableSlot *));
	for (int i = 0; i < n; i++)
	{
		track->rows[i].slot.type = T_TupleTableSlot;
		*((const TupleTableSlotOps **) &track->rows[i].slot.tts_ops) = &row_ops;
		track->slots[i] = &track->rows[i].slot;
	}
	track->arena = palloc(MAX_WAITING_BYTES);
	track->max = n;
	track->nwaiting = 0;
	track->waiting = track->used = 0;
	MemoryContextSwitchTo(old);
}

bool
dbsync_track_begin(DbsyncTrack *track, Relation rel, int64 expected)
{
	bool		carried;

	if (dbsync_transaction.closed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot change captured table \"%s\" this late in a transaction",
						RelationGetRelationName(rel)),
				 errdetail("Another module writes to it as the transaction commits, "
						   "after dbsync has closed what it captured.")));
	track->rel = rel;
	track->segment = NULL;
	carried = expected < FEW_ROWS && dbsync_transaction_can_carry();
	if (carried ? !begin_carried(track) : !open_segment(track))
		return false;
	count_statements(track, 1);
	track->nrows = 0;
	track->stamp.xid = GetTopFullTransactionId();
	track->stamp.same = NULL;
	track->assigned = NIL;
	track->parent = CurrentMemoryContext;
	track->context = NULL;
	track->grows = (expected == 0);
	if (expected >= FEW_ROWS)
		make_batch(track, expected);
	return true;
}

static void
count_row(DbsyncTrack *track)
{
	DbsyncPart *part = &track->written->part;

	if (track->stamp.same != NULL)
		part->marked++;
	switch (track->stamp.op)
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
			Assert(track->stamp.op == DBSYNC_OP_RESOLVED);
			part->resolved++;
			break;
	}
}

/* Bytes of a row's values out of line. */
static Size
bytes_outside(HeapTuple tuple, DbsyncEntry *entry)
{
	Size		size = 0;

	if (!HeapTupleHasExternal(tuple))
		return 0;
	for (int i = 0; i < entry->shape.ncolumns; i++)
	{
		int			to = DBSYNC_SEGMENT_FIRST_COLUMN - 1 + i;
		Form_pg_attribute att = TupleDescAttr(entry->shape.desc, entry->shape.columns[i] - 1);
		struct varlena *value = (struct varlena *) DatumGetPointer(entry->shape.values[to]);

		if (!entry->shape.nulls[to] && att->attlen == -1 && VARATT_IS_EXTERNAL_ONDISK(value))
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
	old = MemoryContextSwitchTo(track->large);
	heap_multi_insert(track->segment, track->slots, track->nwaiting,
					  track->cid, 0, NULL);
	MemoryContextSwitchTo(old);

	/* pages come from anywhere, so first and last row are not the bounds */
	for (int i = 0; i < track->nwaiting; i++)
		note_block(track, &track->slots[i]->tts_tid);
	MemoryContextReset(track->large);
	track->nwaiting = 0;
	track->waiting = track->used = 0;
}

/* Room for a row of the batch; a large one gets its own. */
static void *
room_in_batch(DbsyncTrack *track, Size size)
{
	void	   *room;

	if (track->used + MAXALIGN(size) > MAX_WAITING_BYTES)
		write_waiting(track);
	if (size > MAX_WAITING_BYTES)
		return MemoryContextAlloc(track->large, size);
	room = track->arena + track->used;
	track->used += MAXALIGN(size);
	return room;
}

/*
 * A row that fits on a page of the table may not fit on one of the segment, whose rows
 * are a little longer.  The user's statement must not fail for that: the header takes
 * it along.
 */
static void
put_wide(DbsyncTrack *track, TupleTableSlot *slot)
{
	DbsyncEntry *entry = track->entry;
	HeapTuple	formed;
	HeapTuple	tuple;

	/* a whole row, whatever could have been left out of it */
	track->stamp.same = NULL;
	tuple = formed = dbsync_form_values(&entry->shape, &track->stamp, slot, NULL);
	if (HeapTupleHasExternal(formed))
		tuple = toast_flatten_tuple(formed, entry->shape.unmarked);
	dbsync_transaction_carry_wide(track->written->part.segment_id, tuple,
							RelationGetRelationName(track->rel));
	track->written->bytes += tuple->t_len;
	if (tuple != formed)
		heap_freetuple(tuple);
	heap_freetuple(formed);
}

static void
put_waiting(DbsyncTrack *track, DbsyncSource source, TupleTableSlot *slot)
{
	DbsyncEntry *entry = track->entry;
	HeapTuple	tuple;

	if (source.header != NULL)
	{
		Size		size = dbsync_form_size(&entry->shape, &track->stamp, source);
		void	   *room = room_in_batch(track, size);

		tuple = &track->rows[track->nwaiting].tuple;
		dbsync_form_copy(&entry->shape, &track->stamp, source, tuple, room);
	}
	else
	{
		MemoryContext old = MemoryContextSwitchTo(track->large);

		tuple = &track->rows[track->nwaiting].tuple;
		*tuple = *dbsync_form_values(&entry->shape, &track->stamp, slot,
									 RelationGetDescr(track->segment));
		MemoryContextSwitchTo(old);
	}
	if (!dbsync_form_fits(tuple, RelationGetDescr(track->segment)))
	{
		put_wide(track, slot);
		if (track->nwaiting == 0)
		{
			/* nobody needs what it took to find out */
			MemoryContextReset(track->large);
			track->used = 0;
		}
		return;
	}
	if (source.header == NULL)
		track->written->bytes += bytes_outside(tuple, entry);
	track->written->bytes += tuple->t_len;
	track->waiting += tuple->t_len;
	track->nwaiting++;
	/* a value out of line may be another table's, which need not live on */
	if (track->nwaiting == track->max || track->waiting >= MAX_WAITING_BYTES ||
		HeapTupleHasExternal(tuple))
		write_waiting(track);
}

static void
put_single(DbsyncTrack *track, DbsyncSource source, TupleTableSlot *slot)
{
	DbsyncEntry *entry = track->entry;
	union
	{
		int64		align;
		char		bytes[1024];
	}			room;
	HeapTupleData copied;
	HeapTuple	tuple = &copied;
	void	   *allocated = NULL;
	Size		outside = 0;

	if (source.header != NULL)
	{
		Size		size = dbsync_form_size(&entry->shape, &track->stamp, source);

		if (size > sizeof(room))
			allocated = palloc(size);
		dbsync_form_copy(&entry->shape, &track->stamp, source, tuple,
						 allocated != NULL ? allocated : &room);
	}
	else
	{
		/* a row with marks is formed by the segment's description */
		if (track->stamp.same != NULL)
			leave_header(track);
		tuple = dbsync_form_values(&entry->shape, &track->stamp, slot,
								   track->segment ? RelationGetDescr(track->segment) : NULL);
		allocated = tuple;
		outside = bytes_outside(tuple, entry);
	}
	if (track->segment != NULL || !dbsync_transaction_carry(track->written->part.segment_id, tuple))
	{
		leave_header(track);
		if (!dbsync_form_fits(tuple, RelationGetDescr(track->segment)))
		{
			put_wide(track, slot);
			if (allocated != NULL)
				pfree(allocated);
			return;
		}
		heap_insert(track->segment, tuple, track->cid, 0, NULL);
		note_block(track, &tuple->t_self);
	}
	track->written->bytes += tuple->t_len + outside;
	if (allocated != NULL)
		pfree(allocated);
}

/*
 * Between two rows of a statement its functions may have had the entry filled anew,
 * perhaps with another segment than ours.
 */
static void
refresh(DbsyncTrack *track)
{
	DbsyncEntry *entry = track->entry;

	if (entry->segment_checked)
		return;
	if (track->segment == NULL)
	{
		leave_header(track);
		return;
	}
	dbsync_captured_check_segment(entry, track->segment);
	entry->segment_checked = (entry->segment == RelationGetRelid(track->segment));
}

void
dbsync_track_put(DbsyncTrack *track, char op, TupleTableSlot *slot)
{
	DbsyncSource source;

	refresh(track);
	track->stamp.op = op;
	track->stamp.no = dbsync_transaction.next_no++;
	source = dbsync_form_source(&track->entry->shape, &track->stamp, slot);
	track->nrows++;
	if (track->grows && track->nrows == FEW_ROWS)
	{
		leave_header(track);
		make_batch(track, MAX_WAITING);
	}
	if (track->context == NULL)
		put_single(track, source, slot);
	else
		put_waiting(track, source, slot);
	count_row(track);
}

void
dbsync_track_put_update(DbsyncTrack *track, TupleTableSlot *old, TupleTableSlot *new)
{
	refresh(track);
	if (!dbsync_form_same_key(&track->entry->shape, old, new))
	{
		dbsync_track_put(track, DBSYNC_OP_DELETE, old);
		dbsync_track_put(track, DBSYNC_OP_INSERT, new);
		return;
	}
	track->stamp.same = dbsync_unchanged_find(&track->entry->shape, track->assigned, old, new);
	dbsync_track_put(track, DBSYNC_OP_UPDATE, new);
	track->stamp.same = NULL;
}

void
dbsync_track_end(DbsyncTrack *track)
{
	if (track->context != NULL)
	{
		write_waiting(track);
		MemoryContextDelete(track->context);
	}
	if (track->segment != NULL)
		RelationClose(track->segment);
}

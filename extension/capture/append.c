/*-------------------------------------------------------------------------
 *
 * extension/capture/append.c
 *	  Appending captured rows to the active segment of a table.
 *
 * A few rows go into the header, if it has room for them (dbsync_transaction_carry()), as
 * do rows that would not fit on a page; else one row goes by heap_insert, a set by
 * heap_multi_insert, both without an index and without going through the executor.  Values
 * stored out of line are fetched and stored again by those functions.  No ring of
 * buffers is used, since the statement uses none for the table, the worker will want these
 * very pages next, and a ring would have the session write them and wait for their WAL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "extension/capture/active.h"
#include "extension/capture/append.h"
#include "extension/capture/cache.h"
#include "extension/capture/form.h"
#include "extension/capture/form_source.h"
#include "extension/capture/form_values.h"
#include "extension/capture/transaction.h"
#include "extension/capture/unchanged.h"
#include "extension/log/header.h"
#include "extension/log/ranges.h"
#include "extension/log/segment.h"
#include "miscadmin.h"
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
	return &((DbsyncAppendRow *) slot)->tuple;
}

static void
row_materialize(TupleTableSlot *slot)
{
	/* it lives as long as it must */
}

static const TupleTableSlotOps row_ops = {
	.base_slot_size = sizeof(DbsyncAppendRow),
	.materialize = row_materialize,
	.get_heap_tuple = row_tuple
};

static void
note_block(DbsyncAppend *append, ItemPointer tid)
{
	DbsyncRanges *ranges = &append->active.written->part.ranges;
	BlockNumber block = ItemPointerGetBlockNumber(tid);

	if (ranges->n == 0 || ranges->last[ranges->n - 1] != block)
		dbsync_ranges_add(ranges, block);
}

/* So many captures that may have the same keys write to the segment, or into the header. */
static void
count_statements(DbsyncAppend *append, int n)
{
	dbsync_transaction_save(append->active.written);
	append->active.written->part.statements += n;
}

/* The header has no room for the next row: from now on the segment takes them. */
static void
leave_header(DbsyncAppend *append)
{
	DbsyncWritten *before = append->active.written;

	if (append->active.segment != NULL)
		return;
	if (!dbsync_active_open(&append->active))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("capture of table \"%s\" ended in the middle of a statement",
						RelationGetRelationName(append->active.rel))));
	/* another segment knows nothing of this statement, which may be several captures */
	if (append->active.written != before)
		count_statements(append, 2);
}

/* Room for a batch: as many rows as are expected, or as may wait. */
static void
make_batch(DbsyncAppend *append, int64 expected)
{
	int			n = Min(expected, MAX_WAITING);
	MemoryContext old;

	append->context = AllocSetContextCreate(append->parent, "dbsync append",
										   ALLOCSET_DEFAULT_SIZES);
	append->large = AllocSetContextCreate(append->context, "dbsync append rows",
										 ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(append->context);
	append->rows = palloc0(n * sizeof(DbsyncAppendRow));
	append->slots = palloc(n * sizeof(TupleTableSlot *));
	for (int i = 0; i < n; i++)
	{
		append->rows[i].slot.type = T_TupleTableSlot;
		*((const TupleTableSlotOps **) &append->rows[i].slot.tts_ops) = &row_ops;
		append->slots[i] = &append->rows[i].slot;
	}
	append->arena = palloc(MAX_WAITING_BYTES);
	append->max = n;
	append->nwaiting = 0;
	append->waiting = append->used = 0;
	MemoryContextSwitchTo(old);
}

bool
dbsync_append_begin(DbsyncAppend *append, Relation rel, int64 expected)
{
	bool		carried;

	if (dbsync_transaction.closed)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot change captured table \"%s\" this late in a transaction",
						RelationGetRelationName(rel)),
				 errdetail("Another module writes to it as the transaction commits, "
						   "after dbsync has closed what it captured.")));
	append->active.rel = rel;
	append->active.segment = NULL;
	carried = expected < FEW_ROWS && dbsync_transaction_can_carry();
	if (carried ? !dbsync_active_prepare(&append->active) : !dbsync_active_open(&append->active))
		return false;
	/* without a key any two of its rows may be the same */
	count_statements(append, append->active.entry->shape.nkeys > 0 ? 1 : 2);
	append->nrows = 0;
	append->stamp.xid = GetTopFullTransactionId();
	append->stamp.same = NULL;
	append->assigned = NIL;
	append->parent = CurrentMemoryContext;
	append->context = NULL;
	append->grows = (expected == 0);
	if (expected >= FEW_ROWS)
		make_batch(append, expected);
	return true;
}

static void
count_row(DbsyncAppend *append)
{
	DbsyncPart *part = &append->active.written->part;

	if (append->stamp.same != NULL)
		part->marked++;
	switch (append->stamp.op)
	{
		case DBSYNC_OP_INSERT:
			part->inserts++;
			break;
		case DBSYNC_OP_UPDATE:
			part->updates++;
			break;
		case DBSYNC_OP_KEY:
			part->updates++;
			part->marked++;
			part->keys++;
			break;
		case DBSYNC_OP_DELETE:
			part->deletes++;
			break;
		case DBSYNC_OP_TRUNCATE:
			part->truncates++;
			break;
		default:
			Assert(append->stamp.op == DBSYNC_OP_RESOLVED);
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
write_waiting(DbsyncAppend *append)
{
	MemoryContext old;

	if (append->nwaiting == 0)
		return;
	CHECK_FOR_INTERRUPTS();
	old = MemoryContextSwitchTo(append->large);
	heap_multi_insert(append->active.segment, append->slots, append->nwaiting,
					  append->active.cid, 0, NULL);
	MemoryContextSwitchTo(old);

	/* pages come from anywhere, so first and last row are not the bounds */
	for (int i = 0; i < append->nwaiting; i++)
		note_block(append, &append->slots[i]->tts_tid);
	MemoryContextReset(append->large);
	append->nwaiting = 0;
	append->waiting = append->used = 0;
}

/* Room for a row of the batch; a large one gets its own. */
static void *
room_in_batch(DbsyncAppend *append, Size size)
{
	void	   *room;

	if (append->used + MAXALIGN(size) > MAX_WAITING_BYTES)
		write_waiting(append);
	if (size > MAX_WAITING_BYTES)
		return MemoryContextAlloc(append->large, size);
	room = append->arena + append->used;
	append->used += MAXALIGN(size);
	return room;
}

/*
 * A row that fits on a page of the table may not fit on one of the segment, whose rows
 * are a little longer.  The user's statement must not fail for that: the header takes
 * it along.
 */
static void
put_wide(DbsyncAppend *append, TupleTableSlot *slot)
{
	DbsyncEntry *entry = append->active.entry;
	HeapTuple	formed;
	HeapTuple	tuple;

	/* a whole row, whatever could have been left out of it */
	append->stamp.same = NULL;
	tuple = formed = dbsync_form_values(&entry->shape, &append->stamp, slot, NULL);
	if (HeapTupleHasExternal(formed))
		tuple = toast_flatten_tuple(formed, entry->shape.unmarked);
	dbsync_transaction_carry_wide(append->active.written->part.segment_id, tuple,
							RelationGetRelationName(append->active.rel));
	append->active.written->bytes += tuple->t_len;
	if (tuple != formed)
		heap_freetuple(tuple);
	heap_freetuple(formed);
}

static void
put_waiting(DbsyncAppend *append, DbsyncSource source, TupleTableSlot *slot)
{
	DbsyncEntry *entry = append->active.entry;
	HeapTuple	tuple;

	if (source.header != NULL)
	{
		Size		size = dbsync_form_size(&entry->shape, &append->stamp, source);
		void	   *room = room_in_batch(append, size);

		tuple = &append->rows[append->nwaiting].tuple;
		dbsync_form_copy(&entry->shape, &append->stamp, source, tuple, room);
	}
	else
	{
		MemoryContext old = MemoryContextSwitchTo(append->large);

		tuple = &append->rows[append->nwaiting].tuple;
		*tuple = *dbsync_form_values(&entry->shape, &append->stamp, slot,
									 RelationGetDescr(append->active.segment));
		MemoryContextSwitchTo(old);
	}
	if (!dbsync_form_values_fit(tuple, RelationGetDescr(append->active.segment)))
	{
		put_wide(append, slot);
		if (append->nwaiting == 0)
		{
			/* nobody needs what it took to find out */
			MemoryContextReset(append->large);
			append->used = 0;
		}
		return;
	}
	if (source.header == NULL)
		append->active.written->bytes += bytes_outside(tuple, entry);
	append->active.written->bytes += tuple->t_len;
	append->waiting += tuple->t_len;
	append->nwaiting++;
	/* a value out of line may be another table's, which need not live on */
	if (append->nwaiting == append->max || append->waiting >= MAX_WAITING_BYTES ||
		HeapTupleHasExternal(tuple))
		write_waiting(append);
}

static void
put_single(DbsyncAppend *append, DbsyncSource source, TupleTableSlot *slot)
{
	DbsyncEntry *entry = append->active.entry;
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
		Size		size = dbsync_form_size(&entry->shape, &append->stamp, source);

		if (size > sizeof(room))
			allocated = palloc(size);
		dbsync_form_copy(&entry->shape, &append->stamp, source, tuple,
						 allocated != NULL ? allocated : &room);
	}
	else
	{
		/* a row with marks is formed by the segment's description */
		if (append->stamp.same != NULL)
			leave_header(append);
		tuple = dbsync_form_values(&entry->shape, &append->stamp, slot,
								   append->active.segment ?
								   RelationGetDescr(append->active.segment) : NULL);
		allocated = tuple;
		outside = bytes_outside(tuple, entry);
	}
	if (append->active.segment != NULL ||
		!dbsync_transaction_carry(append->active.written->part.segment_id, tuple))
	{
		leave_header(append);
		if (!dbsync_form_values_fit(tuple, RelationGetDescr(append->active.segment)))
		{
			put_wide(append, slot);
			if (allocated != NULL)
				pfree(allocated);
			return;
		}
		heap_insert(append->active.segment, tuple, append->active.cid, 0, NULL);
		note_block(append, &tuple->t_self);
	}
	append->active.written->bytes += tuple->t_len + outside;
	if (allocated != NULL)
		pfree(allocated);
}

/*
 * Between two rows of a statement its functions may have had the entry filled anew,
 * perhaps with another segment than ours.
 */
static void
refresh(DbsyncAppend *append)
{
	DbsyncEntry *entry = append->active.entry;

	if (entry->segment_checked)
		return;
	if (append->active.segment == NULL)
	{
		leave_header(append);
		return;
	}
	dbsync_cache_check_segment(entry, append->active.segment);
	entry->segment_checked = (entry->segment == RelationGetRelid(append->active.segment));
}

/* Is what comes, or changes, to be read from the table, where it is by then?  That takes a key. */
static bool
takes_keys_only(const DbsyncAppend *append)
{
	const DbsyncEntry *entry = append->active.entry;

	return (entry->captured.by == DBSYNC_BY_KEYS || entry->captured.by == DBSYNC_BY_API) &&
		entry->shape.nkeys > 0;
}

void
dbsync_append_put(DbsyncAppend *append, char op, TupleTableSlot *slot)
{
	DbsyncSource source;

	refresh(append);
	if (takes_keys_only(append) && op != DBSYNC_OP_DELETE && op != DBSYNC_OP_TRUNCATE)
		op = DBSYNC_OP_KEY;
	append->stamp.op = op;
	append->stamp.no = dbsync_transaction.next_no++;
	source = dbsync_form_source(&append->active.entry->shape, &append->stamp, slot);
	append->nrows++;
	if (append->grows && append->nrows == FEW_ROWS)
	{
		leave_header(append);
		make_batch(append, MAX_WAITING);
	}
	if (append->context == NULL)
		put_single(append, source, slot);
	else
		put_waiting(append, source, slot);
	count_row(append);
}

void
dbsync_append_put_update(DbsyncAppend *append, TupleTableSlot *old, TupleTableSlot *new)
{
	refresh(append);
	if (append->active.entry->shape.nkeys == 0)
	{
		if (dbsync_form_same_row(&append->active.entry->shape, old, new))
			return;
		dbsync_append_put(append, DBSYNC_OP_DELETE, old);
		dbsync_append_put(append, DBSYNC_OP_INSERT, new);
		return;
	}
	if (!dbsync_form_same_key(&append->active.entry->shape, old, new))
	{
		dbsync_append_put(append, DBSYNC_OP_DELETE, old);
		dbsync_append_put(append, DBSYNC_OP_INSERT, new);
		return;
	}
	if (!takes_keys_only(append))
		append->stamp.same = dbsync_unchanged_find(&append->active.entry->shape, append->assigned, old, new);
	dbsync_append_put(append, DBSYNC_OP_UPDATE, new);
	append->stamp.same = NULL;
}

void
dbsync_append_end(DbsyncAppend *append)
{
	if (append->context != NULL)
	{
		write_waiting(append);
		MemoryContextDelete(append->context);
	}
	if (append->active.segment != NULL)
		RelationClose(append->active.segment);
}

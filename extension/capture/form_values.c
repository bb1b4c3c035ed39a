/*-------------------------------------------------------------------------
 *
 * extension/capture/form_values.c
 *	  Forming a segment's row value by value: the slow road.
 *
 * Rows are taken apart and formed anew that cannot be copied in one piece
 * (dbsync_form_source()): tables with dropped or generated columns, rows from before a
 * column was added, rows with values out of line (they are counted, and stored anew by
 * heap_insert), rows that are not stored in one piece.  A formed row may be too long for a
 * page of the segment, which is found out by its values as well.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "extension/capture/form.h"
#include "extension/capture/form_values.h"
#include "extension/capture/shape.h"
#include "extension/log/segment.h"
#include "utils/xid8.h"

#define OURS			(DBSYNC_SEGMENT_FIRST_COLUMN - 1)

/*
 * INSERT ... SELECT may hand on the row of another table as it is stored there.  If
 * it is short, what is missing is what it is in the table that it now belongs to.
 */
static void
take_values(DbsyncShape *shape, TupleTableSlot *slot)
{
	DbsyncSource source = dbsync_form_stored(slot);
	int			natts = shape->desc->natts;
	bool		is_short = source.header != NULL &&
		HeapTupleHeaderGetNatts(source.header) < natts;
	Datum	   *values;
	bool	   *nulls;

	if (is_short)
	{
		HeapTupleData row = {.t_data = source.header};

		row.t_len = source.header->t_hoff + source.data;
		values = palloc(natts * sizeof(Datum));
		nulls = palloc(natts * sizeof(bool));
		heap_deform_tuple(&row, shape->desc, values, nulls);
	}
	else
	{
		slot_getallattrs(slot);
		values = slot->tts_values;
		nulls = slot->tts_isnull;
	}
	for (int i = 0; i < shape->ncolumns; i++)
	{
		shape->values[OURS + i] = values[shape->columns[i] - 1];
		shape->nulls[OURS + i] = nulls[shape->columns[i] - 1];
	}
	if (is_short)
	{
		pfree(values);
		pfree(nulls);
	}
}

static void
take_key(DbsyncShape *shape, TupleTableSlot *slot)
{
	Datum	   *values = shape->values + OURS;
	bool	   *nulls = shape->nulls + OURS;

	memset(nulls, true, shape->ncolumns * sizeof(bool));
	if (slot == NULL)
		return;
	slot_getsomeattrs(slot, shape->last_key);
	for (int i = 0; i < shape->nkeys; i++)
	{
		int			to = shape->keys[i];
		int			from = shape->columns[to] - 1;

		values[to] = slot->tts_values[from];
		nulls[to] = slot->tts_isnull[from];
	}
}

HeapTuple
dbsync_form_values(DbsyncShape *shape, const DbsyncStamp *stamp,
				   TupleTableSlot *slot, TupleDesc segment)
{
	shape->values[DBSYNC_SEGMENT_OP - 1] = CharGetDatum(stamp->op);
	shape->values[DBSYNC_SEGMENT_XID - 1] = FullTransactionIdGetDatum(stamp->xid);
	shape->values[DBSYNC_SEGMENT_NO - 1] = Int64GetDatum(stamp->no);
	memset(shape->nulls, false, OURS * sizeof(bool));
	if (dbsync_form_has_key_only(shape, stamp) || stamp->op == DBSYNC_OP_TRUNCATE)
		take_key(shape, slot);
	else
		take_values(shape, slot);
	if (stamp->same == NULL)
		return heap_form_tuple(shape->unmarked, shape->values, shape->nulls);
	for (int i = 0; i < stamp->same->dim1; i++)
		shape->nulls[OURS + stamp->same->values[i] - 1] = true;
	shape->values[OURS + shape->ncolumns] = PointerGetDatum(stamp->same);
	shape->nulls[OURS + shape->ncolumns] = false;
	return heap_form_tuple(segment, shape->values, shape->nulls);
}

/* Bytes that the values of a row take at least, behind its header. */
static Size
least_size(HeapTuple tuple, TupleDesc desc)
{
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *nulls = palloc(desc->natts * sizeof(bool));
	Size		size = 0;

	heap_deform_tuple(tuple, desc, values, nulls);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (nulls[i])
			continue;
		/* as the server does it: shorter ones stay where they are */
		if (att->attlen == -1 && att->attstorage != TYPSTORAGE_PLAIN &&
			VARSIZE_ANY(DatumGetPointer(values[i])) > MAXALIGN(TOAST_POINTER_SIZE))
			size += TOAST_POINTER_SIZE;
		else
		{
			size = att_align_datum(size, att->attalign, att->attlen, values[i]);
			size = att_addlength_datum(size, att->attlen, values[i]);
		}
	}
	pfree(values);
	pfree(nulls);
	return size;
}

bool
dbsync_form_values_fit(HeapTuple tuple, TupleDesc segment)
{
	/* nearly always */
	if (tuple->t_len <= MaxHeapTupleSize)
		return true;
	return tuple->t_data->t_hoff + MAXALIGN(least_size(tuple, segment)) <= MaxHeapTupleSize;
}

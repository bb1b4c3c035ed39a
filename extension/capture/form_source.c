/*-------------------------------------------------------------------------
 *
 * extension/capture/form_source.c
 *	  What a segment's row is copied from: a row as it is stored, or its key alone.
 *
 * Where the key's columns have fixed widths its bytes are put together from where they are,
 * or, where these are the table's first columns, are already there.  Other keys are formed
 * value by value (dbsync_form_values()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "extension/capture/form_source.h"
#include "extension/log/segment.h"
#include "utils/datum.h"

#define OURS			(DBSYNC_SEGMENT_FIRST_COLUMN - 1)

DbsyncSource
dbsync_form_stored(TupleTableSlot *slot)
{
	DbsyncSource source = {NULL, 0};

	if (TTS_IS_MINIMALTUPLE(slot))
	{
		MinimalTuple row = ((MinimalTupleTableSlot *) slot)->mintuple;

		/* it lacks the first bytes of a heap tuple, which nobody here reads */
		if (row != NULL)
		{
			source.header = (HeapTupleHeader) ((char *) row - MINIMAL_TUPLE_OFFSET);
			source.data = row->t_len + MINIMAL_TUPLE_OFFSET - row->t_hoff;
		}
	}
	else if (TTS_IS_HEAPTUPLE(slot) || TTS_IS_BUFFERTUPLE(slot))
	{
		HeapTuple	row = ((HeapTupleTableSlot *) slot)->tuple;

		if (row != NULL)
		{
			source.header = row->t_data;
			source.data = row->t_len - row->t_data->t_hoff;
		}
	}
	return source;
}

bool
dbsync_form_same_layout(Form_pg_attribute theirs, Form_pg_attribute ours)
{
	/* a column that is never packed must not get values that are */
	if (ours->attstorage == TYPSTORAGE_PLAIN && theirs->attstorage != TYPSTORAGE_PLAIN)
		return false;
	return ours->attlen == theirs->attlen && ours->attbyval == theirs->attbyval &&
		ours->attalign == theirs->attalign;
}

static int
find_key(const DbsyncShape *shape, int column)
{
	for (int i = 0; i < shape->nkeys; i++)
	{
		if (shape->keys[i] == column)
			return i;
	}
	return -1;
}

/* Bytes of a key of fixed width, and where in them its columns begin; 0: not that simple. */
static int
measure_key(DbsyncShape *shape, TupleDesc segment)
{
	int			end = 0;

	for (int i = 0; i < shape->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(shape->desc, shape->columns[i] - 1);
		int			key = find_key(shape, i);

		if (key < 0)
			continue;
		if (att->attlen <= 0 || !dbsync_form_same_layout(att, TupleDescAttr(segment, i + OURS)))
			return 0;
		shape->key_offsets[key] = att_align_nominal(end, att->attalign);
		end = shape->key_offsets[key] + att->attlen;
	}
	return end;
}

void
dbsync_form_key_learn(DbsyncShape *shape, TupleDesc segment)
{
	shape->key_offsets = palloc0((shape->nkeys + 1) * sizeof(int));
	shape->key_nulls = palloc0(BITMAPLEN(shape->ncolumns + OURS));
	for (int i = 0; i < OURS + shape->ncolumns; i++)
	{
		if (i < OURS || find_key(shape, i - OURS) >= 0)
			shape->key_nulls[i / BITS_PER_BYTE] |= 1 << (i % BITS_PER_BYTE);
	}
	shape->key_bytes = measure_key(shape, segment);
	/* what lies between two columns stays zero */
	shape->key_row = palloc0(shape->head + shape->key_bytes);
	shape->key_row->t_hoff = shape->head;
}

static bool
key_has_null(const DbsyncShape *shape, HeapTupleHeader row)
{
	int			all = (1 << shape->nkeys) - 1;

	return (row->t_infomask & HEAP_HASNULL) && (row->t_bits[0] & all) != all;
}

/* Is the key at the beginning of the row, without nulls? */
static bool
key_is_first(const DbsyncShape *shape, HeapTupleHeader row)
{
	return shape->key_first && shape->key_bytes > 0 &&
		HeapTupleHeaderGetNatts(row) >= shape->nkeys &&
		!key_has_null(shape, row);
}

/* The key put together from where its columns are. */
static DbsyncSource
gather_key(const DbsyncShape *shape, TupleTableSlot *slot)
{
	DbsyncSource source = {shape->key_row, shape->key_bytes};

	slot_getsomeattrs(slot, shape->last_key);
	for (int i = 0; i < shape->nkeys; i++)
	{
		int			at = shape->columns[shape->keys[i]] - 1;
		Form_pg_attribute att = TupleDescAttr(shape->desc, at);
		char	   *to = dbsync_form_data(source) + shape->key_offsets[i];

		if (slot->tts_isnull[at])
		{
			source.header = NULL;
			break;
		}
		if (att->attbyval)
			store_att_byval(to, slot->tts_values[at], att->attlen);
		else
			memcpy(to, DatumGetPointer(slot->tts_values[at]), att->attlen);
	}
	return source;
}

DbsyncSource
dbsync_form_key_source(const DbsyncShape *shape, TupleTableSlot *slot)
{
	DbsyncSource source = dbsync_form_stored(slot);

	source.data = shape->key_bytes;
	if (shape->key_bytes == 0)
		source.header = NULL;
	else if (source.header == NULL || !key_is_first(shape, source.header))
		source = gather_key(shape, slot);
	return source;
}

/* The same, as they lie there?  False says nothing: they may be stored differently. */
static bool
same_key_bytes(const DbsyncShape *shape, TupleTableSlot *a, TupleTableSlot *b)
{
	DbsyncSource old = dbsync_form_stored(a);
	DbsyncSource new = dbsync_form_stored(b);

	return old.header != NULL && new.header != NULL &&
		key_is_first(shape, old.header) && key_is_first(shape, new.header) &&
		memcmp(dbsync_form_data(old), dbsync_form_data(new), shape->key_bytes) == 0;
}

bool
dbsync_form_same_key(const DbsyncShape *shape, TupleTableSlot *old, TupleTableSlot *new)
{
	if (same_key_bytes(shape, old, new))
		return true;
	slot_getsomeattrs(old, shape->last_key);
	slot_getsomeattrs(new, shape->last_key);
	for (int i = 0; i < shape->nkeys; i++)
	{
		int			at = shape->columns[shape->keys[i]] - 1;
		Form_pg_attribute att = TupleDescAttr(shape->desc, at);

		if (old->tts_isnull[at] != new->tts_isnull[at])
			return false;
		/* compares values, not how they are stored */
		if (!old->tts_isnull[at] &&
			!datum_image_eq(old->tts_values[at], new->tts_values[at],
							att->attbyval, att->attlen))
			return false;
	}
	return true;
}

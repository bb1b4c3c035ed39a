/*-------------------------------------------------------------------------
 *
 * extension/form.c
 *	  Forming a segment's row from a row of the captured table.
 *
 * A segment's own columns take 24 bytes, so the values of a row lie behind them
 * just as in the table, and a row of a transition table is copied in one piece:
 * the null bitmap moved up by three, the values as they are.  Of a deleted row
 * only the key stays; it is copied in one piece where the key's columns are the
 * table's first ones and have fixed widths, so that it lies at the beginning.
 *
 * Where that does not hold, rows are taken apart and formed anew: tables with
 * dropped or generated columns, rows from before a column was added, rows with
 * values out of line (they are counted, and stored anew by heap_insert), rows
 * that do not come from a transition table.
 *
 * A row ends before the segment's last column, unless it is of an UPDATE that left
 * large values untouched (unchanged.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "extension/form.h"
#include "extension/track.h"
#include "utils/memutils.h"
#include "utils/xid8.h"

#define OURS			(DBSYNC_SEGMENT_FIRST_COLUMN - 1)

/* our columns as they lie in a row */
typedef struct Ours
{
	char		op;
	char		pad[7];
	uint64		xid;
	int64		no;
} Ours;

StaticAssertDecl(sizeof(Ours) == MAXALIGN(sizeof(Ours)), "what follows must be aligned");
StaticAssertDecl(OURS == 3, "the null bitmap is moved by three");

/* Do values lie in both columns in the same way? */
static bool
same_layout(Form_pg_attribute theirs, Form_pg_attribute ours)
{
	/* a column that is never packed must not get values that are */
	if (ours->attstorage == TYPSTORAGE_PLAIN && theirs->attstorage != TYPSTORAGE_PLAIN)
		return false;
	return ours->attlen == theirs->attlen && ours->attbyval == theirs->attbyval &&
		ours->attalign == theirs->attalign;
}

static bool
can_copy(const DbsyncEntry *entry, TupleDesc segment)
{
	int			natts = entry->desc->natts;

	/* a column left out, or a row without values */
	if (entry->ncolumns != natts || segment->natts != natts + OURS + 1 || natts == 0)
		return false;
	for (int i = 0; i < natts; i++)
	{
		if (!same_layout(TupleDescAttr(entry->desc, i), TupleDescAttr(segment, i + OURS)))
			return false;
	}
	return true;
}

/* Bytes from the beginning of a row to the end of its key; 0: not that simple. */
static int
measure_key(const DbsyncEntry *entry)
{
	int			end = 0;

	/* then no other column lies between them, and one byte of nulls tells */
	if (entry->last_key != entry->nkeys || entry->nkeys > BITS_PER_BYTE)
		return 0;
	for (int i = 0; i < entry->nkeys; i++)
	{
		Form_pg_attribute att = TupleDescAttr(entry->desc, i);

		if (att->attlen <= 0)
			return 0;
		end = att_align_nominal(end, att->attalign) + att->attlen;
	}
	return end;
}

void
dbsync_form_learn(DbsyncEntry *entry, TupleDesc segment)
{
	int			nulls = BITMAPLEN(entry->ncolumns + OURS);

	entry->copies = can_copy(entry, segment);
	entry->key_bytes = entry->copies ? measure_key(entry) : 0;
	entry->head = MAXALIGN(SizeofHeapTupleHeader);
	entry->head_nulls = MAXALIGN(SizeofHeapTupleHeader + nulls);
	if (entry->unmarked == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(entry->context);
		TupleDesc	desc = CreateTemplateTupleDesc(segment->natts - 1);

		for (int i = 1; i < segment->natts; i++)
			TupleDescCopyEntry(desc, i, segment, i);
		entry->unmarked = desc;
		MemoryContextSwitchTo(old);
	}
}

static char *
data_of(MinimalTuple source)
{
	return (char *) source + source->t_hoff - MINIMAL_TUPLE_OFFSET;
}

static Size
data_length(MinimalTuple source)
{
	return source->t_len - (source->t_hoff - MINIMAL_TUPLE_OFFSET);
}

static bool
key_has_null(const DbsyncEntry *entry, MinimalTuple source)
{
	int			all = (1 << entry->nkeys) - 1;

	return (source->t_infomask & HEAP_HASNULL) && (source->t_bits[0] & all) != all;
}

/* Is the key at the beginning of the row, without nulls? */
static bool
key_is_first(const DbsyncEntry *entry, MinimalTuple source)
{
	return entry->key_bytes > 0 &&
		HeapTupleHeaderGetNatts(source) >= entry->nkeys &&
		!key_has_null(entry, source);
}

MinimalTuple
dbsync_form_source(const DbsyncEntry *entry, char op, TupleTableSlot *slot)
{
	MinimalTuple source;

	if (!entry->copies || slot == NULL || !TTS_IS_MINIMALTUPLE(slot))
		return NULL;
	source = ((MinimalTupleTableSlot *) slot)->mintuple;
	if (source == NULL)
		return NULL;
	if (op == DBSYNC_OP_DELETE)
		return key_is_first(entry, source) ? source : NULL;
	if (HeapTupleHeaderGetNatts(source) != entry->desc->natts ||
		(source->t_infomask & (HEAP_HASEXTERNAL | HEAP_HASOID_OLD)))
		return NULL;
	return source;
}

Size
dbsync_form_size(const DbsyncEntry *entry, char op, MinimalTuple source)
{
	bool		nulls;

	if (op == DBSYNC_OP_DELETE)
	{
		nulls = entry->nkeys < entry->ncolumns;
		return (nulls ? entry->head_nulls : entry->head) + sizeof(Ours) + entry->key_bytes;
	}
	nulls = (source->t_infomask & HEAP_HASNULL) != 0;
	return (nulls ? entry->head_nulls : entry->head) + sizeof(Ours) + data_length(source);
}

/* Our columns are never null; theirs follow, three bits further up. */
static void
move_nulls(bits8 *to, const bits8 *from, int natts)
{
	int			n = BITMAPLEN(natts);
	bits8		carried = (1 << OURS) - 1;

	for (int i = 0; i < n; i++)
	{
		to[i] = (bits8) (from[i] << OURS) | carried;
		carried = from[i] >> (BITS_PER_BYTE - OURS);
	}
	if (BITMAPLEN(natts + OURS) > n)
		to[n] = carried;
}

/* Of the columns only the first ones, the key, are not null. */
static void
set_key_only(bits8 *bits, int nkeys)
{
	for (int i = 0; i < OURS + nkeys; i++)
		bits[i / BITS_PER_BYTE] |= 1 << (i % BITS_PER_BYTE);
}

void
dbsync_form_copy(const DbsyncEntry *entry, const DbsyncStamp *stamp,
				 MinimalTuple source, HeapTuple tuple, void *room)
{
	HeapTupleHeader header = room;
	bool		key_only = (stamp->op == DBSYNC_OP_DELETE);
	bool		nulls = key_only ? entry->nkeys < entry->ncolumns
		: (source->t_infomask & HEAP_HASNULL) != 0;
	int			head = nulls ? entry->head_nulls : entry->head;
	Size		length = key_only ? entry->key_bytes : data_length(source);
	Ours	   *ours = (Ours *) ((char *) room + head);

	/* no byte may be left as it was found: they go to disk */
	memset(header, 0, head);
	header->t_hoff = head;
	HeapTupleHeaderSetNatts(header, entry->ncolumns + OURS);
	if (!key_only)
		header->t_infomask = source->t_infomask & (HEAP_HASNULL | HEAP_HASVARWIDTH);
	else if (nulls)
		header->t_infomask = HEAP_HASNULL;
	if (nulls && key_only)
		set_key_only(header->t_bits, entry->nkeys);
	else if (nulls)
		move_nulls(header->t_bits, source->t_bits, entry->ncolumns);

	memset(ours, 0, sizeof(Ours));
	ours->op = stamp->op;
	ours->xid = U64FromFullTransactionId(stamp->xid);
	ours->no = stamp->no;
	memcpy(ours + 1, data_of(source), length);

	tuple->t_len = head + sizeof(Ours) + length;
	tuple->t_data = header;
	tuple->t_tableOid = InvalidOid;
	ItemPointerSetInvalid(&tuple->t_self);
}

static void
take_values(DbsyncEntry *entry, TupleTableSlot *slot)
{
	Datum	   *values = entry->values + OURS;
	bool	   *nulls = entry->nulls + OURS;

	slot_getallattrs(slot);
	for (int i = 0; i < entry->ncolumns; i++)
	{
		int			from = entry->columns[i] - 1;

		values[i] = slot->tts_values[from];
		nulls[i] = slot->tts_isnull[from];
	}
}

static void
take_key(DbsyncEntry *entry, TupleTableSlot *slot)
{
	Datum	   *values = entry->values + OURS;
	bool	   *nulls = entry->nulls + OURS;

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

HeapTuple
dbsync_form_values(DbsyncEntry *entry, const DbsyncStamp *stamp,
				   TupleTableSlot *slot, TupleDesc segment)
{
	entry->values[DBSYNC_SEGMENT_OP - 1] = CharGetDatum(stamp->op);
	entry->values[DBSYNC_SEGMENT_XID - 1] = FullTransactionIdGetDatum(stamp->xid);
	entry->values[DBSYNC_SEGMENT_NO - 1] = Int64GetDatum(stamp->no);
	memset(entry->nulls, false, OURS * sizeof(bool));
	if (stamp->op == DBSYNC_OP_DELETE || stamp->op == DBSYNC_OP_TRUNCATE)
		take_key(entry, slot);
	else
		take_values(entry, slot);
	if (stamp->same == NULL)
		return heap_form_tuple(entry->unmarked, entry->values, entry->nulls);
	for (int i = 0; i < stamp->same->dim1; i++)
		entry->nulls[OURS + stamp->same->values[i] - 1] = true;
	entry->values[OURS + entry->ncolumns] = PointerGetDatum(stamp->same);
	entry->nulls[OURS + entry->ncolumns] = false;
	return heap_form_tuple(segment, entry->values, entry->nulls);
}

bool
dbsync_form_same_key(const DbsyncEntry *entry, TupleTableSlot *a, TupleTableSlot *b)
{
	MinimalTuple old;
	MinimalTuple new;

	if (!TTS_IS_MINIMALTUPLE(a) || !TTS_IS_MINIMALTUPLE(b))
		return false;
	old = ((MinimalTupleTableSlot *) a)->mintuple;
	new = ((MinimalTupleTableSlot *) b)->mintuple;
	return old != NULL && new != NULL &&
		key_is_first(entry, old) && key_is_first(entry, new) &&
		memcmp(data_of(old), data_of(new), entry->key_bytes) == 0;
}

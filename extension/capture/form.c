/*-------------------------------------------------------------------------
 *
 * extension/capture/form.c
 *	  Forming a segment's row from a row of the captured table: the short road.
 *
 * A segment's own columns take 24 bytes, so the values of a row lie behind them
 * just as in the table, and a row, of a transition table or fresh from the executor
 * (DbsyncDirect), is copied in one piece:
 * the null bitmap moved up by three, the values as they are.  Of a deleted row
 * only the key stays; where its columns have fixed widths they are put one behind the other,
 * and copied in one piece where they are the table's first ones.  Where the
 * table has no key, all of it stays.
 *
 * A row ends before the segment's last column, unless it is of an UPDATE that left
 * large values untouched (dbsync_unchanged_find()): these are left out, and where they are the
 * row's last ones, what comes before them is still copied in one piece.
 *
 * Where that does not hold, rows are formed value by value (dbsync_form_values()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "extension/capture/form.h"
#include "extension/capture/form_source.h"
#include "extension/log/segment.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "extension/compat.h"

#define OURS			(DBSYNC_SEGMENT_FIRST_COLUMN - 1)

StaticAssertDecl(OURS == 3, "the null bitmap is moved by three");

static bool
can_copy(const DbsyncShape *shape, TupleDesc segment)
{
	int			natts = shape->desc->natts;

	/* a column left out, or a row without values */
	if (shape->ncolumns != natts || segment->natts != natts + OURS + 1 || natts == 0)
		return false;
	for (int i = 0; i < natts; i++)
	{
		/* a partition may have its columns in another order */
		if (shape->columns[i] != i + 1 ||
			!dbsync_form_same_layout(TupleDescAttr(shape->desc, i), TupleDescAttr(segment, i + OURS)))
			return false;
	}
	return true;
}

void
dbsync_form_learn(DbsyncShape *shape, TupleDesc segment)
{
	int			nulls = BITMAPLEN(shape->ncolumns + OURS);

	shape->copies = can_copy(shape, segment);
	/* then no other column lies between them, and one byte of nulls tells */
	shape->key_first = shape->copies && shape->last_key == shape->nkeys && shape->nkeys <= BITS_PER_BYTE;
	shape->head = MAXALIGN(SizeofHeapTupleHeader);
	shape->head_nulls = MAXALIGN(SizeofHeapTupleHeader + nulls);
	shape->head_marked = MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN(segment->natts));
	if (shape->unmarked == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(shape->context);
		TupleDesc	desc = CreateTemplateTupleDesc(segment->natts - 1);

		for (int i = 1; i < segment->natts; i++)
			TupleDescCopyEntry(desc, i, segment, i);
		dbsync_finish_desc_compat(desc);
		shape->unmarked = desc;
		dbsync_form_key_learn(shape, segment);
		MemoryContextSwitchTo(old);
	}
}

/*
 * Bytes of data before the first marked column, if all columns from there on are
 * marked and our vector can take the place of the first; else 0.
 */
static Size
data_before_marks(const DbsyncShape *shape, const int2vector *same, DbsyncSource source,
				  TupleTableSlot *slot)
{
	int			first = same->values[0] - 1;
	const char *value;

	/* both lie at the next multiple of 4, as long values without packing do */
	if (same->dim1 != shape->ncolumns - first ||
		TupleDescAttr(shape->desc, first)->attalign != TYPALIGN_INT)
		return 0;
	slot_getsomeattrs(slot, first + 1);
	value = DatumGetPointer(slot->tts_values[first]);
	if (value <= dbsync_form_data(source) || value >= dbsync_form_data(source) + source.data)
		return 0;
	return value - dbsync_form_data(source);
}

DbsyncSource
dbsync_form_source(const DbsyncShape *shape, const DbsyncStamp *stamp, TupleTableSlot *slot)
{
	const DbsyncSource none = {NULL, 0};
	DbsyncSource source;

	if (slot == NULL)
		return none;
	if (dbsync_form_has_key_only(shape, stamp))
		return dbsync_form_key_source(shape, slot);
	if (!shape->copies)
		return none;
	source = dbsync_form_stored(slot);
	if (source.header == NULL)
		return none;
	if (HeapTupleHeaderGetNatts(source.header) != shape->desc->natts ||
		(source.header->t_infomask & (HEAP_HASEXTERNAL | HEAP_HASOID_OLD)))
		return none;
	if (stamp->same != NULL)
	{
		source.data = data_before_marks(shape, stamp->same, source, slot);
		return source.data > 0 ? source : none;
	}
	return source;
}

/* The row's header, with a null bitmap if the row to be made needs one. */
static int
head_size(const DbsyncShape *shape, const DbsyncStamp *stamp, DbsyncSource source)
{
	bool		nulls;

	if (stamp->same != NULL)
		return shape->head_marked;
	if (dbsync_form_has_key_only(shape, stamp))
		nulls = shape->nkeys < shape->ncolumns;
	else
		nulls = (source.header->t_infomask & HEAP_HASNULL) != 0;
	return nulls ? shape->head_nulls : shape->head;
}

Size
dbsync_form_size(const DbsyncShape *shape, const DbsyncStamp *stamp, DbsyncSource source)
{
	Size		size = head_size(shape, stamp, source) + sizeof(DbsyncOurs) + source.data;

	return stamp->same == NULL ? size : size + VARSIZE(stamp->same);
}

/* Our columns are never null; theirs follow, three bits further up. */
static void
move_nulls(uint8 *to, const uint8 *from, int natts)
{
	int			n = BITMAPLEN(natts);
	uint8		carried = (1 << OURS) - 1;

	for (int i = 0; i < n; i++)
	{
		to[i] = (uint8) (from[i] << OURS) | carried;
		carried = from[i] >> (BITS_PER_BYTE - OURS);
	}
	if (BITMAPLEN(natts + OURS) > n)
		to[n] = carried;
}

/* Of so many columns of the table, from the first on, none is null. */
static void
set_not_null(uint8 *bits, int ncolumns)
{
	for (int i = 0; i < OURS + ncolumns; i++)
		bits[i / BITS_PER_BYTE] |= 1 << (i % BITS_PER_BYTE);
}

/* The columns from the first marked one on are null, but for our vector. */
static void
set_marked(uint8 *bits, int first, int ncolumns)
{
	for (int i = OURS + first; i < OURS + ncolumns; i++)
		bits[i / BITS_PER_BYTE] &= ~(1 << (i % BITS_PER_BYTE));
	bits[(OURS + ncolumns) / BITS_PER_BYTE] |= 1 << ((OURS + ncolumns) % BITS_PER_BYTE);
}

static void
fill_header(const DbsyncShape *shape, const DbsyncStamp *stamp, DbsyncSource source,
			HeapTupleHeader header, int head)
{
	const int2vector *same = stamp->same;
	bool		key_only = dbsync_form_has_key_only(shape, stamp);
	bool		nulls = (source.header->t_infomask & HEAP_HASNULL) != 0;

	/* no byte may be left as it was found: they go to disk */
	memset(header, 0, head);
	header->t_hoff = head;
	HeapTupleHeaderSetNatts(header, shape->ncolumns + OURS + (same != NULL ? 1 : 0));
	if (key_only && shape->nkeys < shape->ncolumns)
	{
		header->t_infomask = HEAP_HASNULL;
		memcpy(header->t_bits, shape->key_nulls, BITMAPLEN(shape->ncolumns + OURS));
	}
	else if (!key_only)
		header->t_infomask = source.header->t_infomask & (HEAP_HASNULL | HEAP_HASVARWIDTH);
	if (!key_only && nulls)
		move_nulls(header->t_bits, source.header->t_bits, shape->ncolumns);
	else if (same != NULL)
		set_not_null(header->t_bits, shape->ncolumns);
	if (same != NULL)
	{
		header->t_infomask = HEAP_HASNULL | HEAP_HASVARWIDTH;
		set_marked(header->t_bits, same->values[0] - 1, shape->ncolumns);
	}
}

void
dbsync_form_copy(const DbsyncShape *shape, const DbsyncStamp *stamp,
				 DbsyncSource source, HeapTuple tuple, void *room)
{
	int			head = head_size(shape, stamp, source);
	DbsyncOurs	   *ours = (DbsyncOurs *) ((char *) room + head);
	char	   *end = (char *) (ours + 1) + source.data;

	fill_header(shape, stamp, source, room, head);
	memset(ours, 0, sizeof(DbsyncOurs));
	ours->op = stamp->op;
	ours->xid = U64FromFullTransactionId(stamp->xid);
	ours->no = stamp->no;
	memcpy(ours + 1, dbsync_form_data(source), source.data);
	if (stamp->same != NULL)
	{
		memcpy(end, stamp->same, VARSIZE(stamp->same));
		end += VARSIZE(stamp->same);
	}
	tuple->t_len = end - (char *) room;
	tuple->t_data = room;
	tuple->t_tableOid = InvalidOid;
	ItemPointerSetInvalid(&tuple->t_self);
}

/* Two rows of which every byte is the same say the same, whatever they are made of. */
static bool
same_bytes(DbsyncSource a, DbsyncSource b)
{
	return a.header != NULL && b.header != NULL && a.data == b.data &&
		a.header->t_hoff == b.header->t_hoff &&
		HeapTupleHeaderGetNatts(a.header) == HeapTupleHeaderGetNatts(b.header) &&
		((a.header->t_infomask ^ b.header->t_infomask) & HEAP_HASNULL) == 0 &&
		((a.header->t_infomask & HEAP_HASNULL) == 0 ||
		 memcmp(a.header->t_bits, b.header->t_bits, BITMAPLEN(HeapTupleHeaderGetNatts(a.header))) == 0) &&
		memcmp(dbsync_form_data(a), dbsync_form_data(b), a.data) == 0;
}

/* Values that lie out of line in one place are not fetched. */
static bool
same_value(Datum a, Datum b, Form_pg_attribute att)
{
	if (att->attlen == -1)
	{
		const char *x = DatumGetPointer(a);
		const char *y = DatumGetPointer(b);

		if (VARATT_IS_EXTERNAL_ONDISK(x) && VARATT_IS_EXTERNAL_ONDISK(y) &&
			memcmp(VARDATA_EXTERNAL(x), VARDATA_EXTERNAL(y), sizeof(varatt_external)) == 0)
			return true;
	}
	return datum_image_eq(a, b, att->attbyval, att->attlen);
}

bool
dbsync_form_same_row(const DbsyncShape *shape, TupleTableSlot *old, TupleTableSlot *new)
{
	if (same_bytes(dbsync_form_stored(old), dbsync_form_stored(new)))
		return true;
	for (int i = 0; i < shape->ncolumns; i++)
	{
		AttrNumber	attno = shape->columns[i];
		bool		was_null;
		bool		is_null;
		Datum		was = slot_getattr(old, attno, &was_null);
		Datum		is = slot_getattr(new, attno, &is_null);

		if (was_null != is_null ||
			(!is_null && !same_value(was, is, TupleDescAttr(shape->desc, attno - 1))))
			return false;
	}
	return true;
}

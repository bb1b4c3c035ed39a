/*-------------------------------------------------------------------------
 *
 * worker/source/tally.c
 *	  A cut's rows of a table without a key: how many of each come and go.
 *
 * Rows are the same if all of their values are, byte for byte.  Each that was inserted
 * counts one, each that was deleted one less; the order in which that happened does not
 * matter.  Rows are sorted by a hash of their values, on disk if there are many, so equal
 * ones come together.  What has the same hash is compared value by value, whatever type it
 * is of: no operator of a type is asked.
 *
 * Left out are rows before the last TRUNCATE.  There is no boundary: such a table is copied
 * as a whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "extension/log/segment.h"
#include "worker/relay.h"
#include "worker/shape.h"
#include "worker/source/reader.h"
#include "worker/source/scan.h"
#include "worker/source/source.h"
#include "worker/source/tally.h"

#include "extension/compat.h"

/* the rows that are sorted have dbsync_op and the hash, then the table's columns */
#define OP			0
#define HASH		1
#define FIRST		2

/* a row, and how many more of it there are */
typedef struct Image
{
	TupleTableSlot *slot;
	int64		count;
} Image;

typedef struct Tally
{
	const DbsyncTableShape *shape;
	int64		after;			/* only rows between these places count; before: 0 for no end */
	int64		before;
	DbsyncRelay *relay;
	TupleDesc	desc;			/* of the rows that are sorted */
	TupleTableSlot *row;
	uint64		seed;			/* nobody is to write rows with one hash on purpose */
	MemoryContext per_row;		/* values fetched to be hashed or compared */
	Tuplesortstate *sort;

	/* rows of the hash under way: one most often */
	int			nimages;
	int			maximages;
	Image	   *images;
} Tally;

bool
dbsync_tally_applies(const DbsyncReading *reading)
{
	return reading->how->fold && reading->shape->nkeys == 0;
}

static TupleDesc
row_desc(const Tally *t, TupleDesc segment)
{
	TupleDesc	desc = CreateTemplateTupleDesc(FIRST + t->shape->ncolumns);

	TupleDescCopyEntry(desc, OP + 1, segment, DBSYNC_SEGMENT_OP);
	TupleDescInitEntry(desc, HASH + 1, "hash", INT8OID, -1, 0);
	for (int i = 0; i < t->shape->ncolumns; i++)
		TupleDescCopyEntry(desc, FIRST + i + 1, segment, DBSYNC_SEGMENT_FIRST_COLUMN + i);
	dbsync_finish_desc_compat(desc);
	return desc;
}

static void
begin(TupleDesc segment, void *arg)
{
	Tally	   *t = arg;
	TypeCacheEntry *hash = lookup_type_cache(INT8OID, TYPECACHE_LT_OPR);
	AttrNumber	column = HASH + 1;
	Oid			collation = InvalidOid;
	bool		nulls_first = false;
	DestReceiver *next = dbsync_relay_receiver(t->relay);

	t->desc = row_desc(t, segment);
	t->row = MakeSingleTupleTableSlot(t->desc, &TTSOpsVirtual);
	t->per_row = AllocSetContextCreate(CurrentMemoryContext, "dbsync tally", ALLOCSET_SMALL_SIZES);
	t->sort = tuplesort_begin_heap(t->desc, 1, &column, &hash->lt_opr, &collation, &nulls_first,
								   work_mem, NULL, TUPLESORT_NONE);
	next->rStartup(next, CMD_SELECT, t->desc);
}

/* Of values that datum_image_eq() calls equal it is the same. */
static uint64
hash_value(const Tally *t, Datum value, Form_pg_attribute att)
{
	const unsigned char *bytes;
	struct varlena *varlena;

	if (att->attbyval)
		return hash_bytes_extended((const unsigned char *) &value, sizeof(Datum), t->seed);
	if (att->attlen == -1)
	{
		varlena = PG_DETOAST_DATUM_PACKED(value);
		return hash_bytes_extended((const unsigned char *) VARDATA_ANY(varlena),
								   VARSIZE_ANY_EXHDR(varlena), t->seed);
	}
	bytes = (const unsigned char *) DatumGetPointer(value);
	return hash_bytes_extended(bytes, att->attlen > 0 ? att->attlen : (int) strlen((const char *) bytes),
							   t->seed);
}

static uint64
hash_row(const Tally *t, const TupleTableSlot *row)
{
	uint64		hash = t->seed;

	for (int i = 0; i < t->shape->ncolumns; i++)
		hash = hash_combine64(hash, row->tts_isnull[FIRST + i] ? 0
							  : hash_value(t, row->tts_values[FIRST + i], TupleDescAttr(t->desc, FIRST + i)));
	return hash;
}

static bool
take(TupleTableSlot *slot, int rank, void *arg)
{
	Tally	   *t = arg;
	TupleTableSlot *row = t->row;
	MemoryContext old;
	int64		place;

	CHECK_FOR_INTERRUPTS();
	slot_getsomeattrs(slot, DBSYNC_SEGMENT_FIRST_COLUMN - 1 + t->shape->ncolumns);
	place = dbsync_scan_place(slot, rank);
	if (place <= t->after || (t->before != 0 && place >= t->before) ||
		DatumGetChar(slot->tts_values[DBSYNC_SEGMENT_OP - 1]) == DBSYNC_OP_TRUNCATE)
		return true;
	ExecClearTuple(row);
	row->tts_values[OP] = slot->tts_values[DBSYNC_SEGMENT_OP - 1];
	row->tts_isnull[OP] = row->tts_isnull[HASH] = false;
	memcpy(row->tts_values + FIRST, slot->tts_values + DBSYNC_SEGMENT_FIRST_COLUMN - 1,
		   sizeof(Datum) * t->shape->ncolumns);
	memcpy(row->tts_isnull + FIRST, slot->tts_isnull + DBSYNC_SEGMENT_FIRST_COLUMN - 1,
		   sizeof(bool) * t->shape->ncolumns);
	old = MemoryContextSwitchTo(t->per_row);
	row->tts_values[HASH] = Int64GetDatum((int64) hash_row(t, row));
	MemoryContextSwitchTo(old);
	MemoryContextReset(t->per_row);
	ExecStoreVirtualTuple(row);
	tuplesort_puttupleslot(t->sort, row);
	return true;
}

static bool
same_row(Tally *t, TupleTableSlot *a, TupleTableSlot *b)
{
	MemoryContext old = MemoryContextSwitchTo(t->per_row);
	bool		same = true;

	slot_getallattrs(a);
	slot_getallattrs(b);
	for (int i = FIRST; same && i < t->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(t->desc, i);

		same = a->tts_isnull[i] == b->tts_isnull[i] &&
			(a->tts_isnull[i] || datum_image_eq(a->tts_values[i], b->tts_values[i], att->attbyval, att->attlen));
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(t->per_row);
	return same;
}

/* Another row with this hash; slots are kept for the next one. */
static Image *
add_image(Tally *t, TupleTableSlot *slot)
{
	Image	   *image;

	if (t->nimages == t->maximages)
	{
		t->maximages = t->maximages == 0 ? 1 : t->maximages * 2;
		t->images = t->images == NULL ? palloc0(sizeof(Image) * t->maximages)
			: repalloc(t->images, sizeof(Image) * t->maximages);
		for (int i = t->nimages; i < t->maximages; i++)
			t->images[i].slot = MakeSingleTupleTableSlot(t->desc, &TTSOpsMinimalTuple);
	}
	image = &t->images[t->nimages++];
	image->count = 0;
	ExecCopySlot(image->slot, slot);
	return image;
}

static void
count_row(Tally *t, TupleTableSlot *slot)
{
	Image	   *image = NULL;
	bool		isnull;
	char		op = DatumGetChar(slot_getattr(slot, OP + 1, &isnull));

	if (op != DBSYNC_OP_INSERT && op != DBSYNC_OP_DELETE)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("unexpected operation %d in the tracking table of a table without a key", op)));
	for (int i = 0; image == NULL && i < t->nimages; i++)
	{
		if (same_row(t, t->images[i].slot, slot))
			image = &t->images[i];
	}
	if (image == NULL)
		image = add_image(t, slot);
	image->count += op == DBSYNC_OP_INSERT ? 1 : -1;
}

/* Hand on what has come of the rows with this hash.  False if no more are wanted. */
static bool
send_images(Tally *t)
{
	DestReceiver *next = dbsync_relay_receiver(t->relay);
	bool		more = true;

	for (int i = 0; more && i < t->nimages; i++)
	{
		Image	   *image = &t->images[i];

		if (image->count == 0)
			continue;
		slot_getallattrs(image->slot);
		ExecClearTuple(t->row);
		memcpy(t->row->tts_values, image->slot->tts_values, sizeof(Datum) * t->desc->natts);
		memcpy(t->row->tts_isnull, image->slot->tts_isnull, sizeof(bool) * t->desc->natts);
		t->row->tts_values[OP] = CharGetDatum(image->count > 0 ? DBSYNC_OP_INSERT : DBSYNC_OP_DELETE);
		ExecStoreVirtualTuple(t->row);
		dbsync_relay_set_count(t->relay, image->count > 0 ? image->count : -image->count);
		more = next->receiveSlot(t->row, next);
	}
	t->nimages = 0;
	return more;
}

static void
send_sorted(Tally *t)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(t->desc, &TTSOpsMinimalTuple);
	int64		before = 0;
	bool		more = true;

	tuplesort_performsort(t->sort);
	while (more && tuplesort_gettupleslot(t->sort, true, false, slot, NULL))
	{
		bool		isnull;
		int64		hash = DatumGetInt64(slot_getattr(slot, HASH + 1, &isnull));

		CHECK_FOR_INTERRUPTS();
		if (t->nimages > 0 && hash != before)
			more = send_images(t);
		before = hash;
		count_row(t, slot);
	}
	if (more)
		(void) send_images(t);
	ExecDropSingleTupleTableSlot(slot);
	for (int i = 0; i < t->maximages; i++)
		ExecDropSingleTupleTableSlot(t->images[i].slot);
	tuplesort_end(t->sort);
}

int64
dbsync_tally_read(const DbsyncReading *reading, DbsyncRelay *relay)
{
	const DbsyncTableShape *shape = reading->shape;
	DbsyncScanSink sink = {begin, take, NULL};
	DestReceiver *next = dbsync_relay_receiver(relay);
	Tally		t = {0};
	int		   *at = palloc(sizeof(int) * Max(shape->ncolumns, 1));
	int64		found;

	for (int i = 0; i < shape->ncolumns; i++)
		at[i] = FIRST + i;
	dbsync_relay_place(relay, at);
	t.shape = shape;
	t.after = reading->how->after;
	t.before = reading->how->before;
	t.relay = relay;
	t.seed = pg_prng_uint64(&pg_global_prng_state);
	sink.arg = &t;
	found = dbsync_scan_rows(reading, &sink);
	send_sorted(&t);
	next->rShutdown(next);
	ExecDropSingleTupleTableSlot(t.row);
	return found;
}

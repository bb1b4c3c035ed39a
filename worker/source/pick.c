/*-------------------------------------------------------------------------
 *
 * worker/source/pick.c
 *	  A cut's rows of one table that are not all wanted, or not as they lie.
 *
 * Left out are rows before the last TRUNCATE, and behind what has been copied.  What is
 * to be folded is sorted by key and place, on disk if there is much of it; then the last
 * of each key is kept, or all of its rows are made one (DbsyncFold).
 *
 * There is no query.  Keys are compared by the order of their index
 * (dbsync_keys_compare()), so a window is cut exactly where the chunk before it ended.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "extension/log/segment.h"
#include "worker/relay.h"
#include "worker/shape.h"
#include "worker/source/completion.h"
#include "worker/source/fold.h"
#include "worker/source/keys.h"
#include "worker/source/pick.h"
#include "worker/source/reader.h"
#include "worker/source/scan.h"
#include "worker/source/source.h"
#include "worker/table.h"

#include "extension/compat.h"

/*
 * The rows that are sorted or handed on have dbsync_op and dbsync_same as DbsyncFold wants them,
 * then the columns that are wanted, then the place.
 */
#define OP			0
#define SAME		1
#define FIRST		2

typedef struct Picker
{
	const DbsyncTable *table;
	const DbsyncTableShape *shape;
	const DbsyncReadCut *how;
	bool		truncated;		/* there are rows that say so */
	DestReceiver *next;

	int			ncolumns;		/* wanted; the key comes first where only it is */
	AttrNumber *from;			/* of each, in the segment */
	AttrNumber	same;			/* dbsync_same there */
	AttrNumber	needed;			/* the last one that is looked at there */
	TupleTableSlot *row;

	int		   *keys;			/* as columns of the row */
	SortSupport order;
	Datum	   *boundary;		/* only rows up to this key; NULL: all */
	Datum	   *key;			/* room for one */
	Datum	   *last;			/* of what is sorted: the key before it */
	bool		has_last;
	MemoryContext last_context;
	MemoryContext per_row;		/* what comparisons leave */
	Tuplesortstate *sort;		/* NULL: rows are handed on as they come */
} Picker;

static int
place_column(const Picker *p)
{
	return FIRST + p->ncolumns;
}

/* Which columns there are, and where they come from. */
static TupleDesc
choose_columns(Picker *p, TupleDesc segment)
{
	bool		keys = p->how->what == DBSYNC_RELAY_KEYS;
	const DbsyncTableShape *shape = p->shape;
	TupleDesc	desc;

	p->ncolumns = keys ? shape->nkeys : shape->ncolumns;
	p->from = palloc(sizeof(AttrNumber) * Max(p->ncolumns, 1));
	p->keys = palloc(sizeof(int) * shape->nkeys);
	p->same = segment->natts;
	p->needed = DBSYNC_SEGMENT_NO;
	desc = CreateTemplateTupleDesc(FIRST + p->ncolumns + 1);
	TupleDescCopyEntry(desc, OP + 1, segment, DBSYNC_SEGMENT_OP);
	TupleDescCopyEntry(desc, SAME + 1, segment, p->same);
	for (int i = 0; i < p->ncolumns; i++)
	{
		p->from[i] = DBSYNC_SEGMENT_FIRST_COLUMN + (keys ? shape->keys[i] : i);
		p->needed = Max(p->needed, p->from[i]);
		TupleDescCopyEntry(desc, FIRST + i + 1, segment, p->from[i]);
	}
	TupleDescInitEntry(desc, place_column(p) + 1, "place", INT8OID, -1, 0);
	dbsync_finish_desc_compat(desc);
	for (int k = 0; k < shape->nkeys; k++)
		p->keys[k] = FIRST + (keys ? k : shape->keys[k]);
	if (p->how->marks)
		p->needed = p->same;
	return desc;
}

/* By key, and of each key the last one first, or, to be folded by the receiver, last. */
static void
begin_sort(Picker *p, TupleDesc desc)
{
	const DbsyncTableShape *shape = p->shape;
	TypeCacheEntry *place = lookup_type_cache(INT8OID, TYPECACHE_LT_OPR | TYPECACHE_GT_OPR);
	AttrNumber	columns[INDEX_MAX_KEYS + 1];
	Oid			before[INDEX_MAX_KEYS + 1];
	Oid			collations[INDEX_MAX_KEYS + 1];
	bool		nulls_first[INDEX_MAX_KEYS + 1] = {false};

	for (int k = 0; k < shape->nkeys; k++)
	{
		columns[k] = p->keys[k] + 1;
		before[k] = shape->key_before[k];
		collations[k] = shape->key_collations[k];
	}
	columns[shape->nkeys] = place_column(p) + 1;
	before[shape->nkeys] = p->how->marks ? place->lt_opr : place->gt_opr;
	collations[shape->nkeys] = InvalidOid;
	p->sort = tuplesort_begin_heap(desc, shape->nkeys + 1, columns, before, collations,
								   nulls_first, work_mem, NULL, TUPLESORT_NONE);
}

static void
begin(TupleDesc segment, void *arg)
{
	Picker	   *p = arg;
	TupleDesc	desc = choose_columns(p, segment);

	p->row = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	p->per_row = AllocSetContextCreate(CurrentMemoryContext, "dbsync reading",
									   ALLOCSET_SMALL_SIZES);
	p->order = dbsync_keys_order(p->shape);
	p->key = palloc0(sizeof(Datum) * p->shape->nkeys);
	if (!p->table->part.live)
		p->boundary = dbsync_keys_read(p->shape, p->table->part.boundary);
	if (p->how->fold)
		begin_sort(p, desc);
	p->next->rStartup(p->next, CMD_SELECT, desc);
}

static bool
is_behind_boundary(Picker *p, const TupleTableSlot *row)
{
	MemoryContext old = MemoryContextSwitchTo(p->per_row);
	bool		behind;

	for (int k = 0; k < p->shape->nkeys; k++)
		p->key[k] = row->tts_values[p->keys[k]];
	behind = dbsync_keys_compare(p->shape, p->order, p->key, p->boundary) > 0;
	MemoryContextSwitchTo(old);
	MemoryContextReset(p->per_row);
	return behind;
}

/* The segment's row as ours; its values stay where they are. */
static void
make_row(Picker *p, const TupleTableSlot *slot, int64 place)
{
	TupleTableSlot *row = p->row;

	ExecClearTuple(row);
	row->tts_values[OP] = slot->tts_values[DBSYNC_SEGMENT_OP - 1];
	row->tts_isnull[OP] = false;
	row->tts_isnull[SAME] = !p->how->marks || slot->tts_isnull[p->same - 1];
	row->tts_values[SAME] = row->tts_isnull[SAME] ? (Datum) 0 : slot->tts_values[p->same - 1];
	for (int i = 0; i < p->ncolumns; i++)
	{
		row->tts_values[FIRST + i] = slot->tts_values[p->from[i] - 1];
		row->tts_isnull[FIRST + i] = slot->tts_isnull[p->from[i] - 1];
	}
	row->tts_values[place_column(p)] = Int64GetDatum(place);
	row->tts_isnull[place_column(p)] = false;
	ExecStoreVirtualTuple(row);
}

static bool
take(TupleTableSlot *slot, int rank, void *arg)
{
	Picker	   *p = arg;
	int64		place;

	CHECK_FOR_INTERRUPTS();
	slot_getsomeattrs(slot, p->needed);
	place = dbsync_scan_place(slot, rank);
	if (place <= p->how->after || (p->how->before != 0 && place >= p->how->before) ||
		(p->truncated && DatumGetChar(slot->tts_values[DBSYNC_SEGMENT_OP - 1]) == DBSYNC_OP_TRUNCATE))
		return true;
	make_row(p, slot, place);
	if (p->boundary != NULL && is_behind_boundary(p, p->row))
		return true;
	if (p->sort == NULL)
		return p->next->receiveSlot(p->row, p->next);
	tuplesort_puttupleslot(p->sort, p->row);
	return true;
}

/* Is it a further row of the key before it?  If not, its own is kept. */
static bool
is_repeated(Picker *p, TupleTableSlot *row)
{
	const DbsyncTableShape *shape = p->shape;
	MemoryContext old;
	bool		same;

	slot_getsomeattrs(row, place_column(p) + 1);
	for (int k = 0; k < shape->nkeys; k++)
		p->key[k] = row->tts_values[p->keys[k]];
	old = MemoryContextSwitchTo(p->per_row);
	same = p->has_last && dbsync_keys_compare(shape, p->order, p->key, p->last) == 0;
	MemoryContextReset(p->per_row);
	if (!same)
	{
		MemoryContextReset(p->last_context);
		MemoryContextSwitchTo(p->last_context);
		for (int k = 0; k < shape->nkeys; k++)
		{
			Form_pg_attribute att = TupleDescAttr(row->tts_tupleDescriptor, p->keys[k]);

			p->last[k] = datumCopy(p->key[k], att->attbyval, att->attlen);
		}
		p->has_last = true;
	}
	MemoryContextSwitchTo(old);
	return same;
}

static void
send_sorted(Picker *p)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(p->row->tts_tupleDescriptor,
													&TTSOpsMinimalTuple);
	bool		more = true;

	p->last = palloc0(sizeof(Datum) * p->shape->nkeys);
	p->last_context = AllocSetContextCreate(CurrentMemoryContext, "dbsync last key",
											ALLOCSET_SMALL_SIZES);
	tuplesort_performsort(p->sort);
	while (more && tuplesort_gettupleslot(p->sort, true, false, slot, NULL))
	{
		if (p->how->marks || !is_repeated(p, slot))
			more = p->next->receiveSlot(slot, p->next);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplesort_end(p->sort);
}

/* Rows that come as a Picker makes them: which of their columns the relay takes. */
static void
place_columns(const DbsyncReading *reading, DbsyncRelay *relay)
{
	const DbsyncTableShape *shape = reading->shape;
	int			n = reading->how->what == DBSYNC_RELAY_KEYS ? shape->nkeys : shape->ncolumns;
	int		   *at = palloc(sizeof(int) * Max(n, 1));

	for (int i = 0; i < n; i++)
		at[i] = FIRST + i;
	dbsync_relay_place(relay, at);
}

int64
dbsync_pick_read(const DbsyncReading *reading, DbsyncRelay *relay)
{
	const DbsyncTable *table = reading->table;
	const DbsyncReadCut *how = reading->how;
	Picker		p = {0};
	DbsyncScanSink sink = {begin, take, &p};
	DbsyncCompletion *completion = NULL;
	int64		found;

	p.table = table;
	p.shape = reading->shape;
	p.how = how;
	p.truncated = reading->cut_table->truncates > 0;
	p.next = dbsync_relay_receiver(relay);
	if (how->complete)
		completion = dbsync_completion_begin(table, reading->shape);
	if (how->marks)
		p.next = dbsync_fold_receiver(dbsync_fold_create(reading->shape, how->fold, completion, relay));
	else
		place_columns(reading, relay);
	found = dbsync_scan_rows(reading, &sink);
	if (p.sort != NULL)
		send_sorted(&p);
	p.next->rShutdown(p.next);
	if (completion != NULL)
		dbsync_completion_end(completion);
	ExecDropSingleTupleTableSlot(p.row);
	return found;
}

/*-------------------------------------------------------------------------
 *
 * worker/source/read.c
 *	  Reading a cut of one table.
 *
 * Rows come from their blocks and headers (scan.c).  Those that are neither folded nor
 * filtered go on as they lie, and those that are all in memory are folded there
 * (order.c).  Here are the others: before the last TRUNCATE, behind what has been
 * copied, to be sorted by key and place so that the last of each key is kept, or its
 * rows are made one (fold.c).
 *
 * There is no query.  Keys are compared by the order of their index (keys.c), so a
 * window is cut exactly where the chunk before it ended.
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
#include "extension/owner.h"
#include "worker/source/completion.h"
#include "worker/source/fold.h"
#include "worker/source/keys.h"
#include "worker/source/members.h"
#include "worker/source/read.h"
#include "worker/source/scan.h"
#include "worker/source/sort.h"

#include "extension/compat.h"

/*
 * The rows that are sorted or handed on have dbsync_op and dbsync_same as fold.h says,
 * then the columns that are wanted, then the place.
 */
#define OP			0
#define SAME		1
#define FIRST		2

typedef struct Reader
{
	const DbsyncTable *table;
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
} Reader;

static int
place_column(const Reader *r)
{
	return FIRST + r->ncolumns;
}

/* Which columns there are, and where they come from. */
static TupleDesc
choose_columns(Reader *r, TupleDesc segment)
{
	bool		keys = r->how->what == DBSYNC_RELAY_KEYS;
	const DbsyncTable *table = r->table;
	TupleDesc	desc;

	r->ncolumns = keys ? table->nkeys : table->ncolumns;
	r->from = palloc(sizeof(AttrNumber) * Max(r->ncolumns, 1));
	r->keys = palloc(sizeof(int) * table->nkeys);
	r->same = segment->natts;
	r->needed = DBSYNC_SEGMENT_NO;
	desc = CreateTemplateTupleDesc(FIRST + r->ncolumns + 1);
	TupleDescCopyEntry(desc, OP + 1, segment, DBSYNC_SEGMENT_OP);
	TupleDescCopyEntry(desc, SAME + 1, segment, r->same);
	for (int i = 0; i < r->ncolumns; i++)
	{
		r->from[i] = DBSYNC_SEGMENT_FIRST_COLUMN + (keys ? table->keys[i] : i);
		r->needed = Max(r->needed, r->from[i]);
		TupleDescCopyEntry(desc, FIRST + i + 1, segment, r->from[i]);
	}
	TupleDescInitEntry(desc, place_column(r) + 1, "place", INT8OID, -1, 0);
	dbsync_finish_desc_compat(desc);
	for (int k = 0; k < table->nkeys; k++)
		r->keys[k] = FIRST + (keys ? k : table->keys[k]);
	if (r->how->marks)
		r->needed = r->same;
	return desc;
}

/* By key, and of each key the last one first, or, to be folded by the receiver, last. */
static void
begin_sort(Reader *r, TupleDesc desc)
{
	const DbsyncTable *table = r->table;
	TypeCacheEntry *place = lookup_type_cache(INT8OID, TYPECACHE_LT_OPR | TYPECACHE_GT_OPR);
	AttrNumber	columns[INDEX_MAX_KEYS + 1];
	Oid			before[INDEX_MAX_KEYS + 1];
	Oid			collations[INDEX_MAX_KEYS + 1];
	bool		nulls_first[INDEX_MAX_KEYS + 1] = {false};

	for (int k = 0; k < table->nkeys; k++)
	{
		columns[k] = r->keys[k] + 1;
		before[k] = table->key_before[k];
		collations[k] = table->key_collations[k];
	}
	columns[table->nkeys] = place_column(r) + 1;
	before[table->nkeys] = r->how->marks ? place->lt_opr : place->gt_opr;
	collations[table->nkeys] = InvalidOid;
	r->sort = tuplesort_begin_heap(desc, table->nkeys + 1, columns, before, collations,
								   nulls_first, work_mem, NULL, TUPLESORT_NONE);
}

static void
begin(TupleDesc segment, void *arg)
{
	Reader	   *r = arg;
	TupleDesc	desc = choose_columns(r, segment);

	r->row = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	r->per_row = AllocSetContextCreate(CurrentMemoryContext, "dbsync reading",
									   ALLOCSET_SMALL_SIZES);
	r->order = dbsync_keys_order(r->table);
	r->key = palloc0(sizeof(Datum) * r->table->nkeys);
	if (!r->table->part.live)
		r->boundary = dbsync_keys_read(r->table, r->table->part.boundary);
	if (r->how->fold)
		begin_sort(r, desc);
	r->next->rStartup(r->next, CMD_SELECT, desc);
}

static bool
is_behind_boundary(Reader *r, const TupleTableSlot *row)
{
	MemoryContext old = MemoryContextSwitchTo(r->per_row);
	bool		behind;

	for (int k = 0; k < r->table->nkeys; k++)
		r->key[k] = row->tts_values[r->keys[k]];
	behind = dbsync_keys_compare(r->table, r->order, r->key, r->boundary) > 0;
	MemoryContextSwitchTo(old);
	MemoryContextReset(r->per_row);
	return behind;
}

/* The segment's row as ours; its values stay where they are. */
static void
make_row(Reader *r, const TupleTableSlot *slot, int64 place)
{
	TupleTableSlot *row = r->row;

	ExecClearTuple(row);
	row->tts_values[OP] = slot->tts_values[DBSYNC_SEGMENT_OP - 1];
	row->tts_isnull[OP] = false;
	row->tts_isnull[SAME] = !r->how->marks || slot->tts_isnull[r->same - 1];
	row->tts_values[SAME] = row->tts_isnull[SAME] ? (Datum) 0 : slot->tts_values[r->same - 1];
	for (int i = 0; i < r->ncolumns; i++)
	{
		row->tts_values[FIRST + i] = slot->tts_values[r->from[i] - 1];
		row->tts_isnull[FIRST + i] = slot->tts_isnull[r->from[i] - 1];
	}
	row->tts_values[place_column(r)] = Int64GetDatum(place);
	row->tts_isnull[place_column(r)] = false;
	ExecStoreVirtualTuple(row);
}

static int64
place_of(const TupleTableSlot *slot, int rank)
{
	int64		no = DatumGetInt64(slot->tts_values[DBSYNC_SEGMENT_NO - 1]);

	return rank < 0 ? no : dbsync_members_place(rank, no);
}

static bool
take(TupleTableSlot *slot, int rank, void *arg)
{
	Reader	   *r = arg;
	int64		place;

	CHECK_FOR_INTERRUPTS();
	slot_getsomeattrs(slot, r->needed);
	place = place_of(slot, rank);
	if (place <= r->how->after ||
		(r->truncated && DatumGetChar(slot->tts_values[DBSYNC_SEGMENT_OP - 1]) == 'T'))
		return true;
	make_row(r, slot, place);
	if (r->boundary != NULL && is_behind_boundary(r, r->row))
		return true;
	if (r->sort == NULL)
		return r->next->receiveSlot(r->row, r->next);
	tuplesort_puttupleslot(r->sort, r->row);
	return true;
}

/* Is it a further row of the key before it?  If not, its own is kept. */
static bool
is_repeated(Reader *r, TupleTableSlot *row)
{
	const DbsyncTable *table = r->table;
	MemoryContext old;
	bool		same;

	slot_getsomeattrs(row, place_column(r) + 1);
	for (int k = 0; k < table->nkeys; k++)
		r->key[k] = row->tts_values[r->keys[k]];
	old = MemoryContextSwitchTo(r->per_row);
	same = r->has_last && dbsync_keys_compare(table, r->order, r->key, r->last) == 0;
	MemoryContextReset(r->per_row);
	if (!same)
	{
		MemoryContextReset(r->last_context);
		MemoryContextSwitchTo(r->last_context);
		for (int k = 0; k < table->nkeys; k++)
		{
			Form_pg_attribute att = TupleDescAttr(row->tts_tupleDescriptor, r->keys[k]);

			r->last[k] = datumCopy(r->key[k], att->attbyval, att->attlen);
		}
		r->has_last = true;
	}
	MemoryContextSwitchTo(old);
	return same;
}

static void
send_sorted(Reader *r)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(r->row->tts_tupleDescriptor,
													&TTSOpsMinimalTuple);
	bool		more = true;

	r->last = palloc0(sizeof(Datum) * r->table->nkeys);
	r->last_context = AllocSetContextCreate(CurrentMemoryContext, "dbsync last key",
											ALLOCSET_SMALL_SIZES);
	tuplesort_performsort(r->sort);
	while (more && tuplesort_gettupleslot(r->sort, true, false, slot, NULL))
	{
		if (r->how->marks || !is_repeated(r, slot))
			more = r->next->receiveSlot(slot, r->next);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplesort_end(r->sort);
}

/* Rows that come as a Reader makes them: which of their columns the relay takes. */
static void
place_columns(const DbsyncTable *table, const DbsyncReadCut *how, DbsyncRelay *relay)
{
	int			n = how->what == DBSYNC_RELAY_KEYS ? table->nkeys : table->ncolumns;
	int		   *at = palloc(sizeof(int) * Max(n, 1));

	for (int i = 0; i < n; i++)
		at[i] = FIRST + i;
	dbsync_relay_place(relay, at);
}

static void
sort_cut(DbsyncSubscription *subscription, const DbsyncTable *table, const DbsyncCutTable *cut,
		 const DbsyncReadCut *how, DbsyncRelay *relay)
{
	Reader		r = {0};
	DbsyncScanSink sink = {begin, take, &r};
	DbsyncCompletion *completion = NULL;

	r.table = table;
	r.how = how;
	r.truncated = cut->truncates > 0;
	r.next = dbsync_relay_receiver(relay);
	if (how->complete)
		completion = dbsync_complete_begin(table);
	if (how->marks)
		r.next = dbsync_fold_receiver(dbsync_fold_create(table, how->fold, completion, relay));
	else
		place_columns(table, how, relay);
	dbsync_scan_rows(subscription, table, cut, &sink);
	if (r.sort != NULL)
		send_sorted(&r);
	r.next->rShutdown(r.next);
	if (completion != NULL)
		dbsync_complete_end(completion);
	ExecDropSingleTupleTableSlot(r.row);
}

static void
begin_truncates(TupleDesc desc, void *arg)
{
}

static bool
note_truncate(TupleTableSlot *slot, int rank, void *arg)
{
	int64	   *last = arg;

	slot_getsomeattrs(slot, DBSYNC_SEGMENT_NO);
	if (DatumGetChar(slot->tts_values[DBSYNC_SEGMENT_OP - 1]) == 'T')
		*last = Max(*last, place_of(slot, rank));
	return true;
}

bool
dbsync_read_last_truncate(DbsyncSubscription *subscription, const DbsyncTable *table,
						  const DbsyncCutTable *cut, int64 *place)
{
	DbsyncScanSink sink = {begin_truncates, note_truncate, place};

	*place = 0;
	dbsync_scan_rows(subscription, table, cut, &sink);
	return *place != 0;
}

static void
check_hits(const DbsyncTable *table, const DbsyncCutTable *cut)
{
	int64		expected = cut->inserts + cut->updates + cut->deletes +
	cut->truncates + cut->resolved;
	int64		found = dbsync_members_hits() + dbsync_cut_table_carried(cut);

	if (found != expected)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("tracking data of table %s is incomplete", table->qualified),
				 errdetail("Transaction headers announce " INT64_FORMAT " rows, " INT64_FORMAT " were found.",
						   expected, found),
				 errhint("Copy the table anew with dbsync.copy_table().")));
}

void
dbsync_read_cut(DbsyncSubscription *subscription, DbsyncTable *table,
				const DbsyncCutTable *cut, const DbsyncReadCut *how, DbsyncRelay *relay)
{
	DbsyncOwner saved;
	int64		rows;

	dbsync_owner_begin(&saved, dbsync_table_owner(table));
	dbsync_members_reset_hits();
	if (dbsync_scan_applies(table, cut, how))
		dbsync_scan_cut(subscription, table, cut, how, relay);
	else if (dbsync_order_applies(table, cut, how))
		dbsync_order_cut(subscription, table, cut, how, relay);
	else
		sort_cut(subscription, table, cut, how, relay);
	dbsync_owner_end(&saved);
	if (dbsync_relay_result(relay, &rows))
		check_hits(table, cut);
}

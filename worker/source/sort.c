/*-------------------------------------------------------------------------
 *
 * worker/source/sort.c
 *	  A cut's rows of one table that headers carry, folded in memory.
 *
 * Sorting them as dbsync_pick_read() does would copy every row once more, which is most of
 * what reading many short transactions costs.  Here the rows stay where the cut has put
 * them, and only pointers to them are sorted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "miscadmin.h"
#include "utils/rel.h"

#include "extension/log/segment.h"
#include "worker/relay.h"
#include "worker/shape.h"
#include "worker/source/cut.h"
#include "worker/source/keys.h"
#include "worker/source/reader.h"
#include "worker/source/scan.h"
#include "worker/source/sort.h"
#include "worker/source/source.h"

/* so many rows at most: what is known of each of them takes 32 bytes */
#define MAX_ROWS		300000

typedef struct SortedRow
{
	Datum		key;			/* the first key column; points into the row */
	bool		isnull;
	int64		place;
	MinimalTuple tuple;			/* in the cut's tuplestore */
} SortedRow;

typedef struct Sort
{
	TupleDesc	desc;			/* of the segment */
	int			nkeys;
	AttrNumber *keys;
	SortSupport by;				/* per key column */
	int			n;
	SortedRow *rows;
} Sort;

bool
dbsync_sort_applies(const DbsyncReading *reading)
{
	ListCell   *lc;

	if (!reading->how->fold || !dbsync_scan_can_copy(reading) || reading->table->operations != DBSYNC_SENDS_ALL)
		return false;
	foreach(lc, reading->cut_table->segments)
	{
		const DbsyncCutSegment *segment = lfirst(lc);

		if (segment->n > 0 || segment->carried == NULL ||
			!tuplestore_in_memory(segment->carried))
			return false;
	}
	return dbsync_cut_table_carried(reading->cut_table) <= MAX_ROWS;
}

static void
begin_sort(Sort *sort, TupleDesc desc, const DbsyncTableShape *shape)
{
	sort->desc = desc;
	sort->nkeys = shape->nkeys;
	sort->keys = palloc(sizeof(AttrNumber) * shape->nkeys);
	sort->by = dbsync_keys_order(shape);
	for (int k = 0; k < shape->nkeys; k++)
		sort->keys[k] = DBSYNC_SEGMENT_FIRST_COLUMN + shape->keys[k];
}

static void
collect(Sort *sort, const DbsyncCutSegment *segment, TupleTableSlot *slot)
{
	tuplestore_select_read_pointer(segment->carried, 0);
	tuplestore_rescan(segment->carried);
	while (tuplestore_gettupleslot(segment->carried, true, false, slot))
	{
		SortedRow *row = &sort->rows[sort->n++];
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		row->key = slot_getattr(slot, sort->keys[0], &row->isnull);
		row->place = DatumGetInt64(slot_getattr(slot, DBSYNC_SEGMENT_NO, &isnull));
		row->tuple = ((MinimalTupleTableSlot *) slot)->mintuple;
	}
}

static Datum
further_key(const Sort *sort, const SortedRow *row, int k, bool *isnull)
{
	HeapTupleData tuple;

	tuple.t_len = row->tuple->t_len + MINIMAL_TUPLE_OFFSET;
	tuple.t_data = (HeapTupleHeader) ((char *) row->tuple - MINIMAL_TUPLE_OFFSET);
	return heap_getattr(&tuple, sort->keys[k], sort->desc, isnull);
}

static int
compare_keys(const SortedRow *a, const SortedRow *b, Sort *sort)
{
	int			result = ApplySortComparator(a->key, a->isnull, b->key, b->isnull, &sort->by[0]);

	for (int k = 1; result == 0 && k < sort->nkeys; k++)
	{
		bool		null_a;
		bool		null_b;
		Datum		key_a = further_key(sort, a, k, &null_a);
		Datum		key_b = further_key(sort, b, k, &null_b);

		result = ApplySortComparator(key_a, null_a, key_b, null_b, &sort->by[k]);
	}
	return result;
}

static int
compare_rows(const void *a, const void *b, void *sort)
{
	const SortedRow *x = a;
	const SortedRow *y = b;
	int			result = compare_keys(x, y, sort);

	if (result != 0)
		return result;
	return x->place < y->place ? -1 : (x->place > y->place ? 1 : 0);
}

/* Of rows with one key the last one. */
static void
send_last(Sort *sort, TupleTableSlot *slot, DestReceiver *receiver)
{
	for (int i = 0; i < sort->n; i++)
	{
		if (i + 1 < sort->n && compare_keys(&sort->rows[i], &sort->rows[i + 1], sort) == 0)
			continue;
		ExecStoreMinimalTuple(sort->rows[i].tuple, slot, false);
		if (!receiver->receiveSlot(slot, receiver))
			break;
	}
}

int64
dbsync_sort_read(const DbsyncReading *reading, DbsyncRelay *relay)
{
	const DbsyncCutTable *cut_table = reading->cut_table;
	const DbsyncCutSegment *first = linitial(cut_table->segments);
	Relation	rel = dbsync_scan_open(reading, first->segment_id);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	DestReceiver *receiver = dbsync_relay_receiver(relay);
	Sort		sort = {0};
	ListCell   *lc;

	sort.rows = palloc(sizeof(SortedRow) * dbsync_cut_table_carried(cut_table));
	begin_sort(&sort, RelationGetDescr(rel), reading->shape);
	foreach(lc, cut_table->segments)
		collect(&sort, lfirst(lc), slot);
	qsort_arg(sort.rows, sort.n, sizeof(SortedRow), compare_rows, &sort);

	dbsync_scan_place_columns(reading, relay);
	receiver->rStartup(receiver, CMD_SELECT, RelationGetDescr(rel));
	send_last(&sort, slot, receiver);
	ExecDropSingleTupleTableSlot(slot);
	pfree(sort.rows);
	table_close(rel, NoLock);
	return sort.n;
}

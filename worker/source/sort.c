/*-------------------------------------------------------------------------
 *
 * worker/source/sort.c
 *	  A cut's rows of one table that headers carry, folded in memory.
 *
 * Sorting them as read.c does would copy every row once more, which is most of what
 * reading many short transactions costs.  Here the rows stay where the cut has put
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
#include "worker/source/keys.h"
#include "worker/source/scan.h"
#include "worker/source/sort.h"

/* so many rows at most: what is known of each of them takes 32 bytes */
#define MAX_ROWS		300000

typedef struct OrderedRow
{
	Datum		key;			/* the first key column; points into the row */
	bool		isnull;
	int64		place;
	MinimalTuple tuple;			/* in the cut's tuplestore */
} OrderedRow;

typedef struct Order
{
	TupleDesc	desc;			/* of the segment */
	int			nkeys;
	AttrNumber *keys;
	SortSupport by;				/* per key column */
	int			n;
	OrderedRow *rows;
} Order;

bool
dbsync_order_applies(const DbsyncTable *table, const DbsyncCutTable *cut,
					 const DbsyncReadCut *how)
{
	ListCell   *lc;

	if (!how->fold || !dbsync_scan_can_copy(table, cut, how))
		return false;
	foreach(lc, cut->segments)
	{
		const DbsyncCutSegment *segment = lfirst(lc);

		if (segment->n > 0 || segment->carried == NULL ||
			!tuplestore_in_memory(segment->carried))
			return false;
	}
	return dbsync_cut_table_carried(cut) <= MAX_ROWS;
}

static void
begin_order(Order *order, TupleDesc desc, const DbsyncTable *table)
{
	order->desc = desc;
	order->nkeys = table->nkeys;
	order->keys = palloc(sizeof(AttrNumber) * table->nkeys);
	order->by = dbsync_keys_order(table);
	for (int k = 0; k < table->nkeys; k++)
		order->keys[k] = DBSYNC_SEGMENT_FIRST_COLUMN + table->keys[k];
}

static void
collect(Order *order, const DbsyncCutSegment *segment, TupleTableSlot *slot)
{
	tuplestore_select_read_pointer(segment->carried, 0);
	tuplestore_rescan(segment->carried);
	while (tuplestore_gettupleslot(segment->carried, true, false, slot))
	{
		OrderedRow *row = &order->rows[order->n++];
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		row->key = slot_getattr(slot, order->keys[0], &row->isnull);
		row->place = DatumGetInt64(slot_getattr(slot, DBSYNC_SEGMENT_NO, &isnull));
		row->tuple = ((MinimalTupleTableSlot *) slot)->mintuple;
	}
}

static Datum
further_key(const Order *order, const OrderedRow *row, int k, bool *isnull)
{
	HeapTupleData tuple;

	tuple.t_len = row->tuple->t_len + MINIMAL_TUPLE_OFFSET;
	tuple.t_data = (HeapTupleHeader) ((char *) row->tuple - MINIMAL_TUPLE_OFFSET);
	return heap_getattr(&tuple, order->keys[k], order->desc, isnull);
}

static int
compare_keys(const OrderedRow *a, const OrderedRow *b, Order *order)
{
	int			result = ApplySortComparator(a->key, a->isnull, b->key, b->isnull, &order->by[0]);

	for (int k = 1; result == 0 && k < order->nkeys; k++)
	{
		bool		null_a;
		bool		null_b;
		Datum		key_a = further_key(order, a, k, &null_a);
		Datum		key_b = further_key(order, b, k, &null_b);

		result = ApplySortComparator(key_a, null_a, key_b, null_b, &order->by[k]);
	}
	return result;
}

static int
compare_rows(const void *a, const void *b, void *order)
{
	const OrderedRow *x = a;
	const OrderedRow *y = b;
	int			result = compare_keys(x, y, order);

	if (result != 0)
		return result;
	return x->place < y->place ? -1 : (x->place > y->place ? 1 : 0);
}

/* Of rows with one key the last one. */
static void
send_last(Order *order, TupleTableSlot *slot, DestReceiver *receiver)
{
	for (int i = 0; i < order->n; i++)
	{
		if (i + 1 < order->n && compare_keys(&order->rows[i], &order->rows[i + 1], order) == 0)
			continue;
		ExecStoreMinimalTuple(order->rows[i].tuple, slot, false);
		if (!receiver->receiveSlot(slot, receiver))
			break;
	}
}

void
dbsync_order_cut(DbsyncSubscription *subscription, const DbsyncTable *table,
				 const DbsyncCutTable *cut, const DbsyncReadCut *how, DbsyncRelay *relay)
{
	const DbsyncCutSegment *first = linitial(cut->segments);
	Relation	rel = dbsync_scan_open(subscription, table, first->segment_id);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	DestReceiver *receiver = dbsync_relay_receiver(relay);
	Order		order = {0};
	ListCell   *lc;

	order.rows = palloc(sizeof(OrderedRow) * dbsync_cut_table_carried(cut));
	begin_order(&order, RelationGetDescr(rel), table);
	foreach(lc, cut->segments)
		collect(&order, lfirst(lc), slot);
	qsort_arg(order.rows, order.n, sizeof(OrderedRow), compare_rows, &order);

	dbsync_scan_place_columns(table, how, relay);
	receiver->rStartup(receiver, CMD_SELECT, RelationGetDescr(rel));
	send_last(&order, slot, receiver);
	ExecDropSingleTupleTableSlot(slot);
	pfree(order.rows);
	table_close(rel, NoLock);
}

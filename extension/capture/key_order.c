/*-------------------------------------------------------------------------
 *
 * extension/capture/key_order.c
 *	  The rows of a table in the order of its key.
 *
 * By its index, where rows lie about in that order, or the table is small.  A large one that lies otherwise (keys
 * drawn by chance) would have its pages fetched again and again: it is read as it lies, and sorted,
 * which takes work_mem and files.  No operator is found by a name: the index says which ones order it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/tableam.h"
#include "catalog/pg_index.h"
#include "catalog/pg_statistic.h"
#include "extension/capture/key_order.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/tuplesort.h"

#include "extension/compat.h"

/* blocks of a table that are read again and again without harm */
#define FEW_BLOCKS		1000

/* correlation of a column with where rows lie, from which on they lie in its order */
#define IN_ORDER		0.9

/* As ANALYZE has found; in doubt they do. */
static bool
lies_in_order(Relation rel, AttrNumber column)
{
	HeapTuple	statistics = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(RelationGetRelid(rel)),
											 Int16GetDatum(column), BoolGetDatum(false));
	AttStatsSlot slot;
	bool		in_order = true;

	if (!HeapTupleIsValid(statistics))
		return true;
	if (get_attstatsslot(&slot, statistics, STATISTIC_KIND_CORRELATION, InvalidOid, ATTSTATSSLOT_NUMBERS))
	{
		in_order = slot.nnumbers != 1 || fabs(slot.numbers[0]) >= IN_ORDER;
		free_attstatsslot(&slot);
	}
	ReleaseSysCache(statistics);
	return in_order;
}

static void
begin_scan(DbsyncKeyOrder *order, Snapshot snapshot)
{
	/* key_problem() refuses those of which some columns go upwards and others downwards */
	order->direction = (order->index->rd_indoption[0] & INDOPTION_DESC) ? BackwardScanDirection : ForwardScanDirection;
	order->slot = table_slot_create(order->rel, NULL);
	order->scan = dbsync_index_beginscan_compat(order->rel, order->index, snapshot, NULL, 0, 0);
	index_rescan(order->scan, NULL, 0, NULL, 0);
}

static struct Tuplesortstate *
make_sort(const DbsyncKeyOrder *order)
{
	AttrNumber	columns[INDEX_MAX_KEYS];
	Oid			operators[INDEX_MAX_KEYS];
	bool		nulls_first[INDEX_MAX_KEYS] = {0};

	for (int k = 0; k < order->nkeys; k++)
	{
		Oid			type = order->index->rd_opcintype[k];

		columns[k] = order->index->rd_index->indkey.values[k];
		operators[k] = get_opfamily_member(order->index->rd_opfamily[k], type, type, BTLessStrategyNumber);
		if (!OidIsValid(operators[k]))
			elog(ERROR, "missing operator in operator family %u", order->index->rd_opfamily[k]);
	}
	return tuplesort_begin_heap(RelationGetDescr(order->rel), order->nkeys, columns, operators,
								order->index->rd_indcollation, nulls_first, work_mem, NULL, TUPLESORT_NONE);
}

static void
sort_rows(DbsyncKeyOrder *order, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(order->rel, NULL);
	TableScanDesc scan = dbsync_table_beginscan_compat(order->rel, snapshot, 0, NULL);

	order->sort = make_sort(order);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		tuplesort_puttupleslot(order->sort, slot);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	tuplesort_performsort(order->sort);
	order->slot = MakeSingleTupleTableSlot(RelationGetDescr(order->rel), &TTSOpsMinimalTuple);
}

void
dbsync_key_order_begin(DbsyncKeyOrder *order, Relation rel, Oid index, int nkeys, Snapshot snapshot)
{
	memset(order, 0, sizeof(DbsyncKeyOrder));
	order->rel = rel;
	order->index = index_open(index, AccessShareLock);
	order->nkeys = nkeys > 0 ? nkeys : IndexRelationGetNumberOfKeyAttributes(order->index);
	order->context = CurrentMemoryContext;
	if (RelationGetNumberOfBlocks(rel) <= FEW_BLOCKS || lies_in_order(rel, order->index->rd_index->indkey.values[0]))
		begin_scan(order, snapshot);
	else
		sort_rows(order, snapshot);
}

bool
dbsync_key_order_next(DbsyncKeyOrder *order)
{
	MemoryContext old = MemoryContextSwitchTo(order->context);

	if (order->scan != NULL)
		order->has_row = index_getnext_slot(order->scan, order->direction, order->slot);
	else
		order->has_row = tuplesort_gettupleslot(order->sort, true, false, order->slot, NULL);
	MemoryContextSwitchTo(old);
	return order->has_row;
}

void
dbsync_key_order_end(DbsyncKeyOrder *order)
{
	if (order->scan != NULL)
		index_endscan(order->scan);
	ExecDropSingleTupleTableSlot(order->slot);
	if (order->sort != NULL)
		tuplesort_end(order->sort);
	index_close(order->index, NoLock);
}

/*-------------------------------------------------------------------------
 *
 * extension/capture/recheck.c
 *	  Settling what is true of keys whose captured order is in doubt.
 *
 * Capture remembers no keys.  The rows of flagged periods (DbsyncPeriods) are read
 * back from the blocks that this transaction wrote and from what its header is to
 * take along, their keys are sorted, and a
 * key that comes twice or more, or once in the middle of a TRUNCATE, is looked up in
 * the table through its key index:
 *
 *		a version of ours is found		append it as R
 *		nothing is found				append a D
 *		another's version is found		nothing: then we hold no write on that
 *										key (a savepoint was rolled back), and
 *										whoever does will say what it is
 *
 * Everything is read with SnapshotSelf.  It sees our own latest work at any
 * isolation level and without a new command, leaves out what subtransactions
 * rolled back, and it is not an MVCC snapshot: with one, two serializable
 * transactions that both re-read a segment would abort each other.  What we have
 * written nobody else can change before we end, so what it finds of ours stays.
 *
 * Keys are compared as the table's owner (dbsync_owner_begin()): whoever commits need not be who
 * wrote, as in a SECURITY DEFINER function, and did not ask for that code.
 *
 * Rows of a table without a key are summed up, whatever their order.  What matters is on which
 * side of a TRUNCATE they are: where some were captured in the middle of one, the table is
 * captured as emptied once more at commit, and all of its rows as inserted.  They are ours,
 * as the table has been ours alone since the TRUNCATE.
 *
 * Memory is bounded by work_mem: the sort spills, the rest is row by row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_index.h"
#include "extension/capture/append.h"
#include "extension/capture/cache.h"
#include "extension/capture/find.h"
#include "extension/capture/recheck.h"
#include "extension/capture/rescan.h"
#include "extension/log/carried.h"
#include "extension/log/packed.h"
#include "extension/log/ranges.h"
#include "extension/log/segment.h"
#include "extension/owner.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/sortsupport.h"
#include "utils/syscache.h"
#include "utils/tuplesort.h"
#include "utils/xid8.h"

#include "extension/compat.h"

/* the settling of one table; key columns are numbered in the index's order */
typedef struct Settling
{
	DbsyncTouched *touched;
	DbsyncPeriods periods;		/* those that are settled */
	DbsyncEntry *entry;
	Relation	rel;
	Relation	index;
	int			nkeys;
	TupleDesc	key_desc;
	Oid			less[INDEX_MAX_KEYS];
	Oid			equal[INDEX_MAX_KEYS];	/* functions */
	Tuplesortstate *sort;
	TupleTableSlot *key;		/* what the sort returns */
	TupleTableSlot *suspect;	/* the key before it */
	DbsyncFind	find;
	TupleTableSlot *gone;		/* a row with the key only */
	MemoryContext per_key;
} Settling;

static void
find_operators(Settling *s)
{
	for (int i = 0; i < s->nkeys; i++)
	{
		Oid			family = s->index->rd_opfamily[i];
		Oid			type = s->index->rd_opcintype[i];
		Oid			equal;

		s->less[i] = get_opfamily_member(family, type, type, BTLessStrategyNumber);
		equal = get_opfamily_member(family, type, type, BTEqualStrategyNumber);
		if (!OidIsValid(s->less[i]) || !OidIsValid(equal))
			elog(ERROR, "missing operators in operator family %u", family);
		s->equal[i] = get_opcode(equal);
	}
}

static void
begin_sort(Settling *s)
{
	AttrNumber	attnos[INDEX_MAX_KEYS];
	bool		nulls_first[INDEX_MAX_KEYS] = {false};

	s->key_desc = CreateTemplateTupleDesc(s->nkeys);
	for (int i = 0; i < s->nkeys; i++)
	{
		TupleDescCopyEntry(s->key_desc, i + 1, s->entry->shape.desc,
						   s->entry->shape.columns[s->entry->shape.keys[i]]);
		attnos[i] = i + 1;
	}
	dbsync_finish_desc_compat(s->key_desc);
	s->sort = tuplesort_begin_heap(s->key_desc, s->nkeys, attnos, s->less,
								   s->index->rd_indcollation, nulls_first,
								   work_mem, NULL, TUPLESORT_NONE);
	s->key = MakeSingleTupleTableSlot(s->key_desc, &TTSOpsMinimalTuple);
	s->suspect = MakeSingleTupleTableSlot(s->key_desc, &TTSOpsVirtual);
}

static bool
is_flagged(const DbsyncPeriods *periods, int64 no)
{
	for (int i = 0; i < periods->nintervals; i++)
	{
		if (no >= periods->from[i] && no <= periods->to[i])
			return true;
	}
	return false;
}

/* Was it captured in the middle of a TRUNCATE? */
static bool
is_truncated(const DbsyncPeriods *periods, int64 no)
{
	return no >= periods->truncated_from && no <= periods->truncated_to;
}

/* Sort in the key of a row, if it is our own and flagged. */
static void
collect_row(Settling *s, TupleTableSlot *row, TupleTableSlot *key)
{
	uint64		mine = U64FromFullTransactionId(GetTopFullTransactionId());
	FullTransactionId xid;
	int64		no;
	bool		truncated;

	slot_getsomeattrs(row, DBSYNC_SEGMENT_FIRST_COLUMN - 1);
	xid = DatumGetFullTransactionId(row->tts_values[DBSYNC_SEGMENT_XID - 1]);
	no = DatumGetInt64(row->tts_values[DBSYNC_SEGMENT_NO - 1]);
	truncated = is_truncated(&s->periods, no);
	if (U64FromFullTransactionId(xid) != mine ||
		(!truncated && !is_flagged(&s->periods, no)) ||
		DatumGetChar(row->tts_values[DBSYNC_SEGMENT_OP - 1]) == DBSYNC_OP_TRUNCATE)
		return;
	slot_getallattrs(row);
	ExecClearTuple(key);
	for (int i = 0; i < s->nkeys; i++)
	{
		int			from = DBSYNC_SEGMENT_FIRST_COLUMN - 1 + s->entry->shape.keys[i];

		key->tts_values[i] = row->tts_values[from];
		key->tts_isnull[i] = row->tts_isnull[from];
	}
	ExecStoreVirtualTuple(key);
	tuplesort_puttupleslot(s->sort, key);
	/* what comes once is left alone, so it comes twice */
	if (truncated)
		tuplesort_puttupleslot(s->sort, key);
}

/* The same for all in some blocks of a segment. */
static void
collect_blocks(Settling *s, Relation segment, BlockNumber first, BlockNumber last,
			   TupleTableSlot *row, TupleTableSlot *key)
{
	TableScanDesc scan;

	scan = table_beginscan_strat(segment, SnapshotSelf, 0, NULL, true, false);
	heap_setscanlimits(scan, first, last - first + 1);
	while (table_scan_getnextslot(scan, ForwardScanDirection, row))
	{
		CHECK_FOR_INTERRUPTS();
		collect_row(s, row, key);
	}
	table_endscan(scan);
}

/* And for those that wait for the header. */
static void
collect_carried(Settling *s, Relation segment, int segment_id, TupleTableSlot *key)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(segment), &TTSOpsHeapTuple);
	DbsyncPacked packed = dbsync_transaction_carried();
	DbsyncCarriedRow row;

	while (dbsync_carried_next(&packed, &row))
	{
		if (row.segment_id != segment_id)
			continue;
		ExecStoreHeapTuple(dbsync_carried_tuple(&row), slot, true);
		collect_row(s, slot, key);
	}
	ExecDropSingleTupleTableSlot(slot);
}

/*
 * Nothing if the segment is gone: the table's capture ended in this transaction.  Nor if
 * it is of another shape: what was in doubt there was settled before the table changed.
 */
static void
collect_segment(Settling *s, const DbsyncWritten *written)
{
	const DbsyncRanges *ranges = &written->part.ranges;
	Relation	segment;
	BlockNumber nblocks;
	TupleTableSlot *row;
	TupleTableSlot *key;

	if (written->shape_id != s->entry->shape_id)
		return;
	segment = try_table_open(written->segment, AccessShareLock);
	if (segment == NULL)
		return;
	dbsync_cache_check_segment(s->entry, segment);
	nblocks = RelationGetNumberOfBlocks(segment);
	row = table_slot_create(segment, NULL);
	key = MakeSingleTupleTableSlot(s->key_desc, &TTSOpsVirtual);
	for (int i = 0; i < ranges->n; i++)
	{
		/* an aborted tail may have been cut off by VACUUM */
		if (ranges->first[i] < nblocks)
			collect_blocks(s, segment, ranges->first[i],
						   Min(ranges->last[i], nblocks - 1), row, key);
	}
	collect_carried(s, segment, written->part.segment_id, key);
	ExecDropSingleTupleTableSlot(key);
	ExecDropSingleTupleTableSlot(row);
	table_close(segment, NoLock);
}

/* Put the suspect key into a row that has nothing else. */
static TupleTableSlot *
row_of_key(Settling *s)
{
	TupleTableSlot *row = s->gone;

	ExecClearTuple(row);
	memset(row->tts_isnull, true, row->tts_tupleDescriptor->natts * sizeof(bool));
	for (int i = 0; i < s->nkeys; i++)
	{
		int			to = s->entry->shape.columns[s->entry->shape.keys[i]] - 1;

		row->tts_values[to] = s->suspect->tts_values[i];
		row->tts_isnull[to] = s->suspect->tts_isnull[i];
	}
	return ExecStoreVirtualTuple(row);
}

static void
settle_suspect(Settling *s, DbsyncAppend *append)
{
	MemoryContext old = MemoryContextSwitchTo(s->per_key);
	TupleTableSlot *row;

	switch (dbsync_find_key(&s->find, s->suspect, &row))
	{
		case DBSYNC_FOUND_OURS:
			dbsync_append_put(append, DBSYNC_OP_RESOLVED, row);
			break;
		case DBSYNC_FOUND_NOTHING:
			dbsync_append_put(append, DBSYNC_OP_DELETE, row_of_key(s));
			break;
		case DBSYNC_FOUND_ANOTHERS:
			break;
	}
	dbsync_find_forget(&s->find);
	MemoryContextSwitchTo(old);
	MemoryContextReset(s->per_key);
}

static bool
same_key(Settling *s, SortSupport order)
{
	slot_getallattrs(s->key);
	for (int i = 0; i < s->nkeys; i++)
	{
		if (ApplySortComparator(s->suspect->tts_values[i], s->suspect->tts_isnull[i],
								s->key->tts_values[i], s->key->tts_isnull[i],
								&order[i]) != 0)
			return false;
	}
	return true;
}

static SortSupport
prepare_order(Settling *s)
{
	SortSupport order = palloc0(sizeof(SortSupportData) * s->nkeys);

	for (int i = 0; i < s->nkeys; i++)
	{
		order[i].ssup_cxt = CurrentMemoryContext;
		order[i].ssup_collation = s->index->rd_indcollation[i];
		order[i].ssup_attno = i + 1;
		PrepareSortSupportFromOrderingOp(s->less[i], &order[i]);
	}
	return order;
}

/* Go through the sorted keys and settle each that comes more than once. */
static void
settle_suspects(Settling *s)
{
	/* the sort cannot say how many are suspect */
	const int64 unknown = 0;
	SortSupport order = prepare_order(s);
	DbsyncAppend append;
	bool		tracking = false;
	bool		settled = false;

	while (tuplesort_gettupleslot(s->sort, true, false, s->key, NULL))
	{
		CHECK_FOR_INTERRUPTS();
		if (TTS_EMPTY(s->suspect) || !same_key(s, order))
		{
			ExecCopySlot(s->suspect, s->key);
			settled = false;
			continue;
		}
		if (settled)
			continue;
		if (!tracking && !dbsync_append_begin(&append, s->rel, unknown))
			break;
		if (!tracking)
			append.active.written->part.statements++;	/* its keys are there already */
		tracking = true;
		settle_suspect(s, &append);
		settled = true;
	}
	if (tracking)
		dbsync_append_end(&append);
}

static void
settle_table(Settling *s)
{
	s->nkeys = s->entry->shape.nkeys;
	find_operators(s);
	begin_sort(s);
	dbsync_find_begin(&s->find, s->rel, s->entry, s->equal);
	/* not the entry's descriptor, which may be made anew as we begin to append */
	s->gone = MakeSingleTupleTableSlot(RelationGetDescr(s->rel), &TTSOpsVirtual);
	for (DbsyncWritten *w = s->touched->written; w != NULL; w = w->next)
		collect_segment(s, w);
	tuplesort_performsort(s->sort);
	settle_suspects(s);
	ExecDropSingleTupleTableSlot(s->gone);
	dbsync_find_end(&s->find);
	ExecDropSingleTupleTableSlot(s->suspect);
	ExecDropSingleTupleTableSlot(s->key);
	tuplesort_end(s->sort);
}

/* What was captured of a table without a key up to now does not count; what is in it does. */
static void
recapture_rows(Relation rel)
{
	DbsyncAppend append;

	if (!dbsync_append_begin(&append, rel, 1))
		return;
	dbsync_append_put(&append, DBSYNC_OP_TRUNCATE, NULL);
	dbsync_append_end(&append);
	(void) dbsync_rescan_leaves(rel);
}

static void
recheck_table(DbsyncTouched *touched, const DbsyncPeriods *periods)
{
	Settling	s = {0};
	MemoryContext context;
	MemoryContext old;
	DbsyncOwner saved;

	s.touched = touched;
	s.periods = *periods;
	s.rel = try_table_open(touched->relid, AccessShareLock);
	if (s.rel == NULL)
		return;					/* dropped: the guard has seen to its end */
	s.entry = dbsync_cache_find(s.rel);
	if (s.entry->mode != DBSYNC_MODE_CAPTURE)
		 /* nothing of it is wanted any more */ ;
	else if (s.entry->shape.nkeys == 0)
	{
		if (periods->truncated_from != 0)
			recapture_rows(s.rel);
	}
	else
	{
		context = AllocSetContextCreate(CurrentMemoryContext, "dbsync truth",
										ALLOCSET_DEFAULT_SIZES);
		old = MemoryContextSwitchTo(context);
		s.per_key = AllocSetContextCreate(context, "dbsync truth key",
										  ALLOCSET_DEFAULT_SIZES);
		s.index = index_open(s.entry->captured.key_index, AccessShareLock);
		dbsync_owner_begin(&saved, s.rel->rd_rel->relowner);
		settle_table(&s);
		dbsync_owner_end(&saved);
		index_close(s.index, NoLock);
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
	}
	table_close(s.rel, NoLock);
}

bool
dbsync_recheck_is_due(const DbsyncPeriods *periods)
{
	return periods->nintervals > 0 || periods->truncated_from != 0;
}

void
dbsync_recheck_doubts(void)
{
	if (!dbsync_transaction.begun)
		return;
	for (DbsyncTouched *t = dbsync_transaction.touched; t != NULL; t = t->next)
	{
		DbsyncPeriods periods = t->periods;

		if (!dbsync_recheck_is_due(&periods) || periods.open > 0 || periods.truncating > 0)
			continue;
		/* first: what compares the keys may be anybody's code, and run commands */
		dbsync_transaction_save(&t->periods);
		t->periods.nintervals = 0;
		t->periods.truncated_from = t->periods.truncated_to = 0;
		/* at commit none is active, and values stored out of line want one */
		PushActiveSnapshot(GetLatestSnapshot());
		recheck_table(t, &periods);
		PopActiveSnapshot();
	}
}

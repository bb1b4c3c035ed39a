/*-------------------------------------------------------------------------
 *
 * extension/capture/comparison.c
 *	  Comparing a captured table with its shadow, and making the shadow the same.
 *
 * Both are read in the order of their keys, row beside row: that takes the memory of two
 * rows (or of a sort: DbsyncKeyOrder), and no right is asked for on the shadow, which nobody has.  A key's order and a type's
 * equality may be anybody's code; so they run as the table's owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/nbtree.h"
#include "catalog/pg_index.h"
#include "executor/executor.h"
#include "extension/capture/comparison.h"
#include "extension/capture/key_order.h"
#include "extension/log/segment.h"
#include "extension/owner.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "extension/compat.h"

/* a captured column */
typedef struct Column
{
	AttrNumber	number;			/* in both */
	bool		by_value;
	int16		length;
	Oid			collation;
	FmgrInfo	equal;			/* no fn_oid: its type has no equality */
} Column;

typedef struct Comparison
{
	DbsyncKeyOrder table;
	DbsyncKeyOrder shadow;
	int			nkeys;
	AttrNumber	keys[INDEX_MAX_KEYS];
	FmgrInfo	order[INDEX_MAX_KEYS];
	int			ncolumns;
	Column	   *columns;
	bool		exact;			/* what is equal and has other bytes is another value, too */
	DbsyncFeed *feed;			/* NULL: nobody is told */
	EState	   *estate;			/* for writing to the shadow */
	ResultRelInfo *written;
	TupleTableSlot *row;		/* room for a row of the shadow, */
	TupleTableSlot *key;		/* for a key, as a row of the table, */
	TupleTableSlot *previous;	/* and for the table's row before; NULL: its index lets no two have one key */
	MemoryContext lasting;		/* what the feed makes for itself is in it */
	MemoryContext context;		/* of one row */
	int64		differences;
} Comparison;

/* Which columns are compared, and how. */
static void
learn_columns(Comparison *c)
{
	TupleDesc	desc = RelationGetDescr(c->table.rel);

	c->columns = palloc0(sizeof(Column) * Max(desc->natts, 1));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Column	   *column = &c->columns[c->ncolumns];
		TypeCacheEntry *type;

		if (TupleDescAttr(RelationGetDescr(c->shadow.rel), i)->attisdropped)
			continue;
		column->number = att->attnum;
		column->by_value = att->attbyval;
		column->length = att->attlen;
		column->collation = att->attcollation;
		type = lookup_type_cache(getBaseType(att->atttypid), TYPECACHE_EQ_OPR_FINFO);
		if (OidIsValid(type->eq_opr_finfo.fn_oid))
			fmgr_info(type->eq_opr_finfo.fn_oid, &column->equal);
		c->ncolumns++;
	}
}

/* Both indexes have the same columns, of the same order: see create_shadow(). */
static void
learn_key(Comparison *c)
{
	Relation	index = c->shadow.index;
	Relation	other = c->table.index;

	c->nkeys = c->shadow.nkeys;
	for (int k = 0; k < c->nkeys; k++)
	{
		c->keys[k] = index->rd_index->indkey.values[k];
		if (k >= IndexRelationGetNumberOfKeyAttributes(other) || other->rd_index->indkey.values[k] != c->keys[k] ||
			other->rd_opfamily[k] != index->rd_opfamily[k] || other->rd_indcollation[k] != index->rd_indcollation[k])
			elog(ERROR, "index \"%s\" has another order than the shadow's", RelationGetRelationName(other));
		fmgr_info_copy(&c->order[k], index_getprocinfo(index, k + 1, BTORDER_PROC), CurrentMemoryContext);
	}
	/* of a key that was named nobody but its user says that it is one */
	if (!other->rd_index->indisunique || IndexRelationGetNumberOfKeyAttributes(other) != c->nkeys)
		c->previous = MakeSingleTupleTableSlot(RelationGetDescr(c->table.rel), &TTSOpsHeapTuple);
}

static void
begin_writing(Comparison *c, Snapshot snapshot)
{
	c->estate = CreateExecutorState();
	c->estate->es_snapshot = snapshot;
	c->written = makeNode(ResultRelInfo);
	InitResultRelInfo(c->written, c->shadow.rel, 0, NULL, 0);
	ExecOpenIndices(c->written, false);
	c->row = MakeSingleTupleTableSlot(RelationGetDescr(c->shadow.rel), &TTSOpsVirtual);
	c->key = MakeSingleTupleTableSlot(RelationGetDescr(c->table.rel), &TTSOpsVirtual);
}

static void
end_writing(Comparison *c)
{
	ExecDropSingleTupleTableSlot(c->row);
	ExecDropSingleTupleTableSlot(c->key);
	if (c->previous != NULL)
		ExecDropSingleTupleTableSlot(c->previous);
	ExecCloseIndices(c->written);
	FreeExecutorState(c->estate);
}

/* Of two rows, which comes first by their keys? */
static int
compare_keys(Comparison *c, TupleTableSlot *a, TupleTableSlot *b)
{
	for (int k = 0; k < c->nkeys; k++)
	{
		bool		isnull;
		Datum		x = slot_getattr(a, c->keys[k], &isnull);
		Datum		y = slot_getattr(b, c->keys[k], &isnull);
		int			order = DatumGetInt32(FunctionCall2Coll(&c->order[k], c->shadow.index->rd_indcollation[k], x, y));

		if (order != 0)
			return order;
	}
	return 0;
}

/* Are two rows the same, byte for byte?  Most are, and need not be taken apart for that.  False: they may be. */
static bool
have_same_bytes(TupleTableSlot *a, TupleTableSlot *b)
{
	bool		is_copy;
	HeapTuple	x;
	HeapTuple	y;

	if (!TTS_IS_BUFFERTUPLE(a) || !TTS_IS_BUFFERTUPLE(b))
		return false;
	x = ExecFetchSlotHeapTuple(a, false, &is_copy);
	y = ExecFetchSlotHeapTuple(b, false, &is_copy);
	return x->t_len == y->t_len && !HeapTupleHasExternal(x) &&
		HeapTupleHasNulls(x) == HeapTupleHasNulls(y) &&
		HeapTupleHeaderGetNatts(x->t_data) == HeapTupleHeaderGetNatts(y->t_data) &&
		x->t_data->t_hoff == y->t_data->t_hoff &&
		memcmp(x->t_data->t_bits, y->t_data->t_bits, x->t_len - SizeofHeapTupleHeader) == 0;
}

static bool
is_same_value(const Comparison *c, Column *column, bool exact)
{
	int			at = column->number - 1;
	Datum		x = c->table.slot->tts_values[at];
	Datum		y = c->shadow.slot->tts_values[at];
	bool		isnull = c->table.slot->tts_isnull[at];

	if (isnull || c->shadow.slot->tts_isnull[at])
		return isnull == c->shadow.slot->tts_isnull[at];
	if (datum_image_eq(x, y, column->by_value, column->length))
		return true;
	return !exact && OidIsValid(column->equal.fn_oid) &&
		DatumGetBool(FunctionCall2Coll(&column->equal, column->collation, x, y));
}

static bool
differ(Comparison *c)
{
	if (have_same_bytes(c->table.slot, c->shadow.slot))
		return false;
	slot_getallattrs(c->table.slot);
	slot_getallattrs(c->shadow.slot);
	for (int i = 0; i < c->ncolumns; i++)
	{
		if (!is_same_value(c, &c->columns[i], c->exact))
			return true;
	}
	return false;
}

/* Of rows that differ: have their keys, which are equal, the same bytes? */
static bool
have_same_key(Comparison *c)
{
	for (int k = 0; k < c->nkeys; k++)
	{
		for (int i = 0; i < c->ncolumns; i++)
		{
			if (c->columns[i].number == c->keys[k] && !is_same_value(c, &c->columns[i], true))
				return false;
		}
	}
	return true;
}

/* The table's row, as the shadow has it. */
static TupleTableSlot *
shadow_row(Comparison *c)
{
	TupleTableSlot *row = ExecClearTuple(c->row);

	slot_getallattrs(c->table.slot);
	memset(row->tts_isnull, true, row->tts_tupleDescriptor->natts * sizeof(bool));
	for (int i = 0; i < c->ncolumns; i++)
	{
		int			at = c->columns[i].number - 1;

		row->tts_values[at] = c->table.slot->tts_values[at];
		row->tts_isnull[at] = c->table.slot->tts_isnull[at];
	}
	return ExecStoreVirtualTuple(row);
}

static void
tell(Comparison *c, char op, TupleTableSlot *slot)
{
	MemoryContext old;

	if (c->feed == NULL)
		return;
	old = MemoryContextSwitchTo(c->lasting);
	if (!dbsync_feed_put(c->feed, op, slot))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not captured any more", RelationGetRelationName(c->table.rel))));
	MemoryContextSwitchTo(old);
}

/* The key that the shadow has is no more. */
static void
tell_deleted(Comparison *c)
{
	TupleTableSlot *key = ExecClearTuple(c->key);

	memset(key->tts_isnull, true, key->tts_tupleDescriptor->natts * sizeof(bool));
	for (int k = 0; k < c->nkeys; k++)
		key->tts_values[c->keys[k] - 1] = slot_getattr(c->shadow.slot, c->keys[k], &key->tts_isnull[c->keys[k] - 1]);
	tell(c, DBSYNC_OP_DELETE, ExecStoreVirtualTuple(key));
}

static void
take_inserted(Comparison *c)
{
	tell(c, DBSYNC_OP_INSERT, c->table.slot);
	ExecSimpleRelationInsert(c->written, c->estate, shadow_row(c));
}

static void
take_updated(Comparison *c)
{
	/* as triggers have it: a key that is written otherwise is another one */
	if (have_same_key(c))
		tell(c, DBSYNC_OP_UPDATE, c->table.slot);
	else
	{
		tell_deleted(c);
		tell(c, DBSYNC_OP_INSERT, c->table.slot);
	}
	ExecSimpleRelationUpdate(c->written, c->estate, NULL, c->shadow.slot, shadow_row(c));
}

static void
take_deleted(Comparison *c)
{
	tell_deleted(c);
	ExecSimpleRelationDelete(c->written, c->estate, NULL, c->shadow.slot);
}

static void
check_previous(Comparison *c)
{
	if (c->previous == NULL || !c->table.has_row)
		return;
	if (!TTS_EMPTY(c->previous) && compare_keys(c, c->previous, c->table.slot) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("several rows of table \"%s\" have the same key", RelationGetRelationName(c->table.rel)),
				 errdetail("The key was named, and index \"%s\" lets that happen.", RelationGetRelationName(c->table.index)),
				 errhint("Delete all but one of them, or take the table out with dbsync.remove_table() and name another key.")));
	ExecCopySlot(c->previous, c->table.slot);
}

/* One row of either, or of both. */
static void
compare_next(Comparison *c)
{
	int			order = !c->table.has_row ? 1 : !c->shadow.has_row ? -1
		: compare_keys(c, c->table.slot, c->shadow.slot);

	if (order < 0)
		take_inserted(c);
	else if (order > 0)
		take_deleted(c);
	else if (differ(c))
		take_updated(c);
	else
		c->differences--;
	c->differences++;
	if (order <= 0)
	{
		(void) dbsync_key_order_next(&c->table);
		check_previous(c);
	}
	if (order >= 0)
		(void) dbsync_key_order_next(&c->shadow);
}

/* Until there is no more of either; returns how many rows differed. */
static int64
compare_all(Comparison *c)
{
	MemoryContext old = MemoryContextSwitchTo(c->context);

	(void) dbsync_key_order_next(&c->table);
	check_previous(c);
	(void) dbsync_key_order_next(&c->shadow);
	while (c->table.has_row || c->shadow.has_row)
	{
		CHECK_FOR_INTERRUPTS();
		compare_next(c);
		ResetPerTupleExprContext(c->estate);
		MemoryContextReset(c->context);
	}
	MemoryContextSwitchTo(old);
	return c->differences;
}

int64
dbsync_comparison_run(Relation rel, Relation shadow, Oid key_index, Oid shadow_index, bool exact, DbsyncFeed *feed)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	Comparison	c = {.exact = exact,.feed = feed,.lasting = CurrentMemoryContext};
	DbsyncOwner saved;
	int64		differences;

	PushActiveSnapshot(snapshot);
	dbsync_owner_begin(&saved, rel->rd_rel->relowner);
	dbsync_key_order_begin(&c.shadow, shadow, shadow_index, 0, snapshot);
	dbsync_key_order_begin(&c.table, rel, key_index, c.shadow.nkeys, snapshot);
	c.context = AllocSetContextCreate(CurrentMemoryContext, "dbsync comparison", ALLOCSET_DEFAULT_SIZES);
	learn_columns(&c);
	learn_key(&c);
	begin_writing(&c, snapshot);
	differences = compare_all(&c);
	end_writing(&c);
	dbsync_key_order_end(&c.shadow);
	dbsync_key_order_end(&c.table);
	MemoryContextDelete(c.context);
	dbsync_owner_end(&saved);
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	return differences;
}

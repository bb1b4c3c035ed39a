/*-------------------------------------------------------------------------
 *
 * extension/capture/shadow.c
 *	  The shadow of a captured table: a copy that is kept beside it, and compared with it.
 *
 * Where nobody tells of changes, they are what the table has by now and its shadow has not.  All of
 * them go into the log and into the shadow in one transaction, so the log is to the shadow what it is
 * to a table that is captured by triggers: whoever takes a snapshot sees both as they belong together.  First copies
 * read the shadow for that reason, and never the table.  A copy of the table would have what
 * the shadow does not know of yet: a row that came since, is copied, and goes before the two are compared, would
 * stay at the target for ever, as no comparison would ever find it gone.
 *
 * Both are read in the order of their keys, by the index of each, row beside row: that takes the memory of two
 * rows, no operator is found by a name, and no right is asked for on the shadow, which nobody has.
 * A key's order and a type's equality may be anybody's code; so they run as the table's owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "executor/executor.h"
#include "extension/capture/cache.h"
#include "extension/capture/feed.h"
#include "extension/capture/shadow.h"
#include "extension/catalog.h"
#include "extension/log/segment.h"
#include "extension/owner.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

#include "extension/compat.h"

PG_FUNCTION_INFO_V1(dbsync_fill_shadow);
PG_FUNCTION_INFO_V1(dbsync_compare_shadow);

/* the table, or its shadow, read in the order of the key */
typedef struct Side
{
	Relation	rel;
	Relation	index;
	IndexScanDesc scan;
	ScanDirection direction;
	TupleTableSlot *slot;
	bool		has_row;		/* it is in the slot; else there are no more */
} Side;

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
	Side		table;
	Side		shadow;
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
	MemoryContext lasting;		/* what scans and the feed make for themselves is in it */
	MemoryContext context;		/* of one row */
	int64		differences;
} Comparison;

static bool
is_captured(Form_pg_attribute att)
{
	return !att->attisdropped && att->attgenerated == '\0';
}

/* Is it as it was made: see dbsync_internal.create_shadow()? */
static bool
fits(Relation shadow, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	TupleDesc	own = RelationGetDescr(shadow);

	if (shadow->rd_rel->relkind != RELKIND_RELATION || shadow->rd_rel->relam != HEAP_TABLE_AM_OID ||
		shadow->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT ||
		shadow->trigdesc != NULL || shadow->rd_rules != NULL || own->natts != desc->natts)
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Form_pg_attribute its = TupleDescAttr(own, i);

		if (its->attisdropped == is_captured(att) ||
			(!its->attisdropped && (its->atttypid != getBaseType(att->atttypid) || its->attcollation != att->attcollation ||
									its->attgenerated != '\0')))
			return false;
	}
	return true;
}

Relation
dbsync_shadow_open(Relation rel, int captured_id, LOCKMODE mode, Oid *key_index)
{
	char		name[NAMEDATALEN];
	Oid			relid;
	Relation	shadow;
	List	   *indexes;

	snprintf(name, sizeof(name), "shadow_%d", captured_id);
	relid = get_relname_relid(name, dbsync_catalog_internal_schema());
	shadow = OidIsValid(relid) ? try_table_open(relid, mode) : NULL;
	if (shadow != NULL && fits(shadow, rel))
	{
		indexes = RelationGetIndexList(shadow);
		if (list_length(indexes) == 1)
		{
			*key_index = linitial_oid(indexes);
			return shadow;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the shadow of table \"%s\" is not what it was made as", RelationGetRelationName(rel)),
			 errdetail("Somebody has altered or dropped table dbsync_internal.%s, which belongs to dbsync.", name),
			 errhint("SELECT dbsync.suspend_table('%s'), and dbsync.copy_table() in each of its subscriptions, make it anew.",
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)), RelationGetRelationName(rel)))));
}

static void
begin_side(Side *side, Relation rel, Oid index, Snapshot snapshot)
{
	side->rel = rel;
	side->index = index_open(index, AccessShareLock);
	/* key_problem() refuses those of which some columns go upwards and others downwards */
	side->direction = (side->index->rd_indoption[0] & INDOPTION_DESC) ? BackwardScanDirection : ForwardScanDirection;
	side->slot = table_slot_create(rel, NULL);
	side->scan = dbsync_index_beginscan_compat(rel, side->index, snapshot, NULL, 0, 0);
	index_rescan(side->scan, NULL, 0, NULL, 0);
}

static void
end_side(Side *side)
{
	index_endscan(side->scan);
	ExecDropSingleTupleTableSlot(side->slot);
	index_close(side->index, NoLock);
}

static void
advance(Comparison *c, Side *side)
{
	MemoryContext old = MemoryContextSwitchTo(c->lasting);

	side->has_row = index_getnext_slot(side->scan, side->direction, side->slot);
	MemoryContextSwitchTo(old);
}

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

		if (!is_captured(att))
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

	c->nkeys = IndexRelationGetNumberOfKeyAttributes(index);
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
		advance(c, &c->table);
		check_previous(c);
	}
	if (order >= 0)
		advance(c, &c->shadow);
}

/* Until there is no more of either; returns how many rows differed. */
static int64
compare_all(Comparison *c)
{
	MemoryContext old = MemoryContextSwitchTo(c->context);

	advance(c, &c->table);
	check_previous(c);
	advance(c, &c->shadow);
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

/* The caller has both locked. */
static int64
compare(Relation rel, Relation shadow, Oid key_index, Oid shadow_index, bool exact, DbsyncFeed *feed)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	Comparison	c = {.exact = exact,.feed = feed,.lasting = CurrentMemoryContext};
	DbsyncOwner saved;
	int64		differences;

	PushActiveSnapshot(snapshot);
	dbsync_owner_begin(&saved, rel->rd_rel->relowner);
	begin_side(&c.table, rel, key_index, snapshot);
	begin_side(&c.shadow, shadow, shadow_index, snapshot);
	c.context = AllocSetContextCreate(CurrentMemoryContext, "dbsync comparison", ALLOCSET_DEFAULT_SIZES);
	learn_columns(&c);
	learn_key(&c);
	begin_writing(&c, snapshot);
	differences = compare_all(&c);
	end_writing(&c);
	end_side(&c.shadow);
	end_side(&c.table);
	MemoryContextDelete(c.context);
	dbsync_owner_end(&saved);
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	return differences;
}

/*
 * fill_shadow(captured_id, table, key_index): have a shadow that was made a moment ago show what the
 * table has.  The table is locked.
 */
Datum
dbsync_fill_shadow(PG_FUNCTION_ARGS)
{
	Relation	rel = table_open(PG_GETARG_OID(1), AccessShareLock);
	Oid			shadow_index;
	Relation	shadow = dbsync_shadow_open(rel, PG_GETARG_INT32(0), RowExclusiveLock, &shadow_index);

	(void) compare(rel, shadow, PG_GETARG_OID(2), shadow_index, false, NULL);
	table_close(shadow, NoLock);
	table_close(rel, NoLock);
	PG_RETURN_VOID();
}

/* One at a time, to the end of the transaction; false: another one is at it. */
static bool
try_lock(Oid shadow)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, shadow, 0);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * compare_shadow(captured_id, table, key_index, exact): put all in which the table differs from its shadow into the log and into the
 * shadow.  The table is locked as writers lock it.  Returns how many rows; null: it is not captured any more, or another session
 * is at it.
 */
Datum
dbsync_compare_shadow(PG_FUNCTION_ARGS)
{
	Relation	rel = table_open(PG_GETARG_OID(1), RowExclusiveLock);
	DbsyncEntry *entry = dbsync_cache_find(rel);
	Oid			shadow_index;
	Relation	shadow;
	DbsyncFeed	feed;
	int64		differences = 0;
	bool		done = false;

	if (entry->mode == DBSYNC_MODE_CAPTURE && entry->captured.by == DBSYNC_BY_SHADOW)
	{
		shadow = dbsync_shadow_open(rel, PG_GETARG_INT32(0), RowExclusiveLock, &shadow_index);
		if (try_lock(RelationGetRelid(shadow)))
		{
			dbsync_feed_begin(&feed, rel);
			differences = compare(rel, shadow, PG_GETARG_OID(2), shadow_index, PG_GETARG_BOOL(3), &feed);
			dbsync_feed_end(&feed);
			done = true;
		}
		table_close(shadow, NoLock);
	}
	table_close(rel, NoLock);
	if (!done)
		PG_RETURN_NULL();
	PG_RETURN_INT64(differences);
}

/*-------------------------------------------------------------------------
 *
 * worker/copy/chunk.c
 *	  Reading a range of a table itself, in the order of its key.
 *
 * A chunk is a scan of the key's index that can be left and taken up again, because
 * several of them may be read in turn: two ranges of one snapshot, a few rows of each
 * at a time, for two connections.
 *
 * The table and its index are opened by their oids, and keys are compared by the index
 * itself.  A query would go by names and operators, and each of them can come to mean
 * something else (the table's name goes to another, citext > citext is text > text
 * where the path does not lead to citext's).
 *
 * A table without a key has one chunk, as its rows lie.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/tableam.h"
#include "access/visibilitymap.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "fmgr.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/sortsupport.h"

#include "worker/copy/chunk.h"
#include "worker/source/asked.h"
#include "worker/source/captured_table.h"
#include "worker/source/keys.h"
#include "worker/table.h"

#include "extension/compat.h"

/* a scan of the key's index, from behind a key on, of one of the tables that rows lie in */
typedef struct LeafScan
{
	DbsyncLeaf *leaf;			/* NULL: it is not read */
	IndexScanDesc scan;			/* NULL: the table has no key */
	TableScanDesc rows;			/* then this is it */
	ScanDirection direction;
	ScanKeyData behind;			/* for keys of one column, or the head of ... */
	ScanKeyData columns[INDEX_MAX_KEYS];	/* ... a row comparison */
	TupleTableSlot *slot;
	TupleTableSlot *row;		/* the same, as the captured table has its columns */
} LeafScan;

/* all of them, merged: what they come to is in the order of the key */
typedef struct KeyScan
{
	DbsyncCapturedTable source;
	MemoryContext context;		/* as long as this; the scans keep things there */
	const DbsyncTableShape *shape;
	SortSupport order;
	AttrNumber	keys[INDEX_MAX_KEYS];	/* key columns in the captured table */
	int			n;
	LeafScan   *leaf;
	bool		lying;			/* rows come leaf by leaf, as they lie; */
	binaryheap *heap;			/* of those that have a row; NULL: there is one leaf */
	bool		begun;			/* the first of the heap has been handed on */
	int			at;				/* then: the leaf that is being read */
} KeyScan;

struct DbsyncChunk
{
	DbsyncAsked *asked;			/* it is read by a query; NULL: by ... */
	KeyScan		scan;			/* ... this */
	int64		left;			/* rows that it has at most */
	DbsyncRelay *relay;
};

/* Rights are asked for here, as no query does it; what a policy hides would be missing. */
static void
check_rights(Oid relid, Oid role)
{
	Oid			schema = get_rel_namespace(relid);
	AclResult	result = dbsync_schema_aclcheck_compat(schema, role, ACL_USAGE);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_SCHEMA, get_namespace_name(schema));
	result = pg_class_aclcheck(relid, role, ACL_SELECT);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, get_rel_name(relid));
	/* row_security is off in workers: it raises the error itself */
	if (check_enable_rls(relid, role, false) == RLS_ENABLED)
		elog(ERROR, "row_security is not off");
}

void
dbsync_chunk_begin_reading(DbsyncOwner *saved, DbsyncTable *table, Oid role)
{
	Oid			owner = dbsync_table_owner(table);

	check_rights(table->relid, role);
	dbsync_owner_begin(saved, owner);
}

/* Do all of the index's columns go the same way, and which? */
static ScanDirection
direction_of(Relation index, int nkeys)
{
	for (int k = 1; k < nkeys; k++)
	{
		if ((index->rd_indoption[k] ^ index->rd_indoption[0]) & INDOPTION_DESC)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("index \"%s\" orders some columns upwards and others downwards",
							RelationGetRelationName(index))));
	}
	return (index->rd_indoption[0] & INDOPTION_DESC) ? BackwardScanDirection : ForwardScanDirection;
}

/* "column > $1" by the index's own operator, or by its comparison where it is one of several */
static void
compare_column(LeafScan *s, ScanKey key, int k, int flags, Datum value)
{
	Relation	index = s->leaf->index;
	Oid			family = index->rd_opfamily[k];
	Oid			type = index->rd_opcintype[k];
	Oid			function = (flags & SK_ROW_MEMBER)
	? get_opfamily_proc(family, type, type, BTORDER_PROC)
	: get_opcode(get_opfamily_member(family, type, type, BTGreaterStrategyNumber));

	if (!OidIsValid(function))
		elog(ERROR, "missing function in operator family %u", family);
	ScanKeyEntryInitialize(key, flags, k + 1, BTGreaterStrategyNumber, type,
						   index->rd_indcollation[k], function, value);
}

/* All that is behind the key, in upward order: the index finds its place by all columns. */
static void
go_behind(LeafScan *s, int nkeys, const Datum *key)
{
	if (nkeys == 1)
	{
		compare_column(s, &s->behind, 0, 0, key[0]);
		return;
	}
	for (int k = 0; k < nkeys; k++)
		compare_column(s, &s->columns[k], k,
					   SK_ROW_MEMBER | (k == nkeys - 1 ? SK_ROW_END : 0), key[k]);
	memset(&s->behind, 0, sizeof(s->behind));
	s->behind.sk_flags = SK_ROW_HEADER;
	s->behind.sk_attno = s->columns[0].sk_attno;
	s->behind.sk_strategy = BTGreaterStrategyNumber;
	s->behind.sk_argument = PointerGetDatum(s->columns);
}

static void
begin_leaf(KeyScan *s, int i, const Datum *after, bool keys_only)
{
	LeafScan   *l = &s->leaf[i];
	int			n = after != NULL ? 1 : 0;

	l->leaf = dbsync_leaves_open(s->source.leaves, i);
	l->slot = table_slot_create(l->leaf->rel, NULL);
	if (s->lying)
	{
		l->rows = dbsync_table_beginscan_compat(l->leaf->rel, GetActiveSnapshot(), 0, NULL);
		return;
	}
	l->direction = direction_of(l->leaf->index, s->shape->nkeys);
	if (after != NULL)
		go_behind(l, s->shape->nkeys, after);
	l->scan = dbsync_index_beginscan_compat(l->leaf->rel, l->leaf->index, GetActiveSnapshot(), NULL, n, 0);
	/* keeps VACUUM from giving a row's place away while only the index is looked at */
	l->scan->xs_want_itup = keys_only;
	index_rescan(l->scan, n > 0 ? &l->behind : NULL, n, NULL, 0);
}

/* The leaf's next row; false: it has no more. */
static bool
advance_leaf(LeafScan *l)
{
	if (!index_getnext_slot(l->scan, l->direction, l->slot))
		return false;
	l->row = l->slot;
	if (l->leaf->map != NULL)
		l->row = dbsync_leaves_row(l->leaf, l->slot);
	else
		slot_getallattrs(l->slot);
	return true;
}

/* For a heap, whose first is the greatest: the leaf with the least key comes first. */
static int
compare_leaves(Datum a, Datum b, void *arg)
{
	KeyScan    *s = arg;
	const TupleTableSlot *x = s->leaf[DatumGetInt32(a)].row;
	const TupleTableSlot *y = s->leaf[DatumGetInt32(b)].row;

	for (int k = 0; k < s->shape->nkeys; k++)
	{
		int			at = s->keys[k] - 1;
		int			order = ApplySortComparator(x->tts_values[at], x->tts_isnull[at],
												y->tts_values[at], y->tts_isnull[at], &s->order[k]);

		if (order != 0)
			return -order;
	}
	return 0;
}

static void
begin_scan(KeyScan *s, const DbsyncTable *table, char **after, bool keys_only, bool lying)
{
	const DbsyncTableShape *shape = table->shape;
	const Datum *key = after != NULL ? dbsync_keys_read(shape, after) : NULL;

	dbsync_owner_check();
	s->context = CurrentMemoryContext;
	s->shape = shape;
	s->lying = lying || shape->nkeys == 0;
	dbsync_captured_table_open(&s->source, table, shape, true);
	for (int k = 0; k < shape->nkeys; k++)
		s->keys[k] = s->source.entry->shape.columns[shape->keys[k]];
	s->n = s->source.leaves->n;
	s->leaf = palloc0(sizeof(LeafScan) * Max(s->n, 1));
	/* one that has come since S is no concern of S's */
	for (int i = 0; i < s->n; i++)
	{
		if (s->source.rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE ||
			list_member_oid(table->leaves, s->source.leaves->leaf[i].relid))
			begin_leaf(s, i, key, keys_only);
	}
	if (s->source.rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE || s->lying)
		return;
	s->order = dbsync_keys_order(shape);
	s->heap = binaryheap_allocate(Max(s->n, 1), compare_leaves, s);
	for (int i = 0; i < s->n; i++)
	{
		if (s->leaf[i].leaf != NULL && advance_leaf(&s->leaf[i]))
			binaryheap_add_unordered(s->heap, Int32GetDatum(i));
	}
	binaryheap_build(s->heap);
}

/* Leaf by leaf, as the rows lie. */
static TupleTableSlot *
next_lying(KeyScan *s)
{
	for (; s->at < s->n; s->at++)
	{
		LeafScan   *l = &s->leaf[s->at];

		if (l->leaf != NULL && table_scan_getnextslot(l->rows, ForwardScanDirection, l->slot))
			return dbsync_leaves_row(l->leaf, l->slot);
	}
	return NULL;
}

/* The next row of all in the order of the key, as the captured table has its columns; NULL: no more. */
static TupleTableSlot *
next_row(KeyScan *s)
{
	int			first;

	if (s->lying)
		return next_lying(s);
	if (s->heap == NULL)
	{
		LeafScan   *only = &s->leaf[0];

		return index_getnext_slot(only->scan, only->direction, only->slot) ? only->slot : NULL;
	}
	/* the one that was handed on last is still needed until now */
	if (s->begun && !binaryheap_empty(s->heap))
	{
		first = DatumGetInt32(binaryheap_first(s->heap));
		if (advance_leaf(&s->leaf[first]))
			binaryheap_replace_first(s->heap, Int32GetDatum(first));
		else
			(void) binaryheap_remove_first(s->heap);
	}
	s->begun = true;
	if (binaryheap_empty(s->heap))
		return NULL;
	return s->leaf[DatumGetInt32(binaryheap_first(s->heap))].row;
}

static void
end_scan(KeyScan *s)
{
	for (int i = 0; i < s->n; i++)
	{
		if (s->leaf[i].leaf == NULL)
			continue;
		if (s->leaf[i].rows != NULL)
			table_endscan(s->leaf[i].rows);
		else
			index_endscan(s->leaf[i].scan);
		ExecDropSingleTupleTableSlot(s->leaf[i].slot);
	}
	dbsync_captured_table_close(&s->source);
}

/* Tell the relay where the table's own rows have the columns. */
static void
place_columns(const KeyScan *s, const DbsyncTable *table, DbsyncRelayWhat what, DbsyncRelay *relay)
{
	bool		keys = what == DBSYNC_RELAY_KEYS;
	int			n = keys ? table->shape->nkeys : table->shape->ncolumns;
	int		   *at = palloc(sizeof(int) * Max(n, 1));

	for (int i = 0; i < n; i++)
		at[i] = s->source.entry->shape.columns[keys ? table->shape->keys[i] : i] - 1;
	dbsync_relay_place(relay, at);
}

static DbsyncChunk *
open_chunk(const DbsyncTable *table, char **after, int64 limit, bool lying,
		   DbsyncRelayWhat what, DbsyncRelay *relay)
{
	DbsyncChunk *chunk = palloc0(sizeof(DbsyncChunk));
	DestReceiver *receiver = dbsync_relay_receiver(relay);

	chunk->left = limit;
	chunk->relay = relay;
	if (table->snapshot != NULL)
		chunk->asked = dbsync_asked_open(table, after, limit, lying, what, relay);
	if (table->snapshot != NULL)
		return chunk;
	begin_scan(&chunk->scan, table, after, false, lying);
	place_columns(&chunk->scan, table, what, relay);
	receiver->rStartup(receiver, CMD_SELECT, RelationGetDescr(chunk->scan.source.rel));
	return chunk;
}

DbsyncChunk *
dbsync_chunk_open(const DbsyncTable *table, char **after, int64 limit,
				  DbsyncRelayWhat what, DbsyncRelay *relay)
{
	return open_chunk(table, after, limit, false, what, relay);
}

DbsyncChunk *
dbsync_chunk_open_whole(const DbsyncTable *table, DbsyncRelayWhat what, DbsyncRelay *relay)
{
	return open_chunk(table, NULL, PG_INT64_MAX, true, what, relay);
}

bool
dbsync_chunk_read(DbsyncChunk *chunk, int64 rows)
{
	DestReceiver *receiver = dbsync_relay_receiver(chunk->relay);
	KeyScan    *s = &chunk->scan;

	if (chunk->asked != NULL)
		return dbsync_asked_read(chunk->asked, rows);
	for (int64 i = 0; chunk->left > 0 && (rows == 0 || i < rows); i++)
	{
		MemoryContext old = MemoryContextSwitchTo(s->context);
		TupleTableSlot *row = next_row(s);

		MemoryContextSwitchTo(old);
		if (row == NULL)
			chunk->left = 0;
		else if (!receiver->receiveSlot(row, receiver))
			return false;
		else
			chunk->left--;
	}
	return chunk->left > 0;
}

void
dbsync_chunk_close(DbsyncChunk *chunk)
{
	dbsync_relay_end(chunk->relay);
	if (chunk->asked != NULL)
		dbsync_asked_close(chunk->asked);
	else
		end_scan(&chunk->scan);
	pfree(chunk);
}

/* Go past so many rows of the only leaf that the snapshot shows; the last of them is in the slot then. */
static bool
skip_rows(LeafScan *s, int64 rows)
{
	Buffer		map = InvalidBuffer;
	ItemPointer tid;

	while (rows > 0 && (tid = index_getnext_tid(s->scan, s->direction)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (rows > 1 &&
			VM_ALL_VISIBLE(s->leaf->rel, ItemPointerGetBlockNumber(tid), &map))
			rows--;
		else if (index_fetch_heap(s->scan, s->slot))
			rows--;
	}
	if (map != InvalidBuffer)
		ReleaseBuffer(map);
	return rows == 0;
}

char **
dbsync_chunk_find_end(const DbsyncTable *table, char **after, int64 limit)
{
	KeyScan		s = {{0}};
	char	  **end = NULL;

	/* of several leaves it would have to be found by reading them all */
	if (get_rel_relkind(table->relid) == RELKIND_PARTITIONED_TABLE)
		return NULL;
	begin_scan(&s, table, after, true, false);
	if (skip_rows(&s.leaf[0], limit))
	{
		TupleTableSlot *slot = s.leaf[0].slot;

		end = palloc(sizeof(char *) * table->shape->nkeys);
		slot_getallattrs(slot);
		for (int k = 0; k < table->shape->nkeys; k++)
		{
			int			column = s.source.entry->shape.columns[table->shape->keys[k]] - 1;
			Oid			function;
			bool		varlena;

			getTypeOutputInfo(table->shape->types[table->shape->keys[k]], &function, &varlena);
			end[k] = OidOutputFunctionCall(function, slot->tts_values[column]);
		}
	}
	end_scan(&s);
	return end;
}

char **
dbsync_chunk_last_key(DbsyncTable *table, DbsyncRelay *relay)
{
	DbsyncOwner saved;
	char	  **key;

	dbsync_owner_begin(&saved, dbsync_table_owner(table));
	key = dbsync_relay_last_key(relay);
	dbsync_owner_end(&saved);
	return key;
}

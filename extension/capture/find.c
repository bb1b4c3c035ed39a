/*-------------------------------------------------------------------------
 *
 * extension/capture/find.c
 *	  Looking the key of a captured table up, as it is at this moment.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "extension/capture/find.h"
#include "utils/snapmgr.h"

#include "extension/compat.h"

void
dbsync_find_begin(DbsyncFind *find, Relation rel, const DbsyncEntry *entry, const Oid *equal)
{
	find->leaves = dbsync_leaves_begin(rel, entry->captured.key_index);
	find->nkeys = entry->shape.nkeys;
	for (int k = 0; k < find->nkeys; k++)
	{
		find->numbers[k] = entry->shape.numbers[entry->shape.keys[k]];
		find->equal[k] = equal[k];
	}
	find->at = -1;
	find->slot = NULL;
}

/* A slot of the kind that the leaf's rows come in. */
static DbsyncLeaf *
open_leaf(DbsyncFind *find, int at)
{
	DbsyncLeaf *leaf = dbsync_leaves_open(find->leaves, at);
	MemoryContext old;

	if (find->at == at)
		return leaf;
	if (find->slot != NULL)
		ExecDropSingleTupleTableSlot(find->slot);
	old = MemoryContextSwitchTo(find->leaves->context);
	find->slot = table_slot_create(leaf->rel, NULL);
	MemoryContextSwitchTo(old);
	find->at = at;
	return leaf;
}

static DbsyncFinding
find_in_leaf(DbsyncFind *find, int at, const TupleTableSlot *key, TupleTableSlot **row)
{
	DbsyncLeaf *leaf = open_leaf(find, at);
	DbsyncFinding finding = DBSYNC_FOUND_NOTHING;
	ScanKeyData keys[INDEX_MAX_KEYS];
	IndexScanDesc scan;

	for (int i = 0; i < find->nkeys; i++)
		ScanKeyEntryInitialize(&keys[i], 0, i + 1, BTEqualStrategyNumber,
							   InvalidOid, leaf->index->rd_indcollation[i],
							   find->equal[i], key->tts_values[i]);
	scan = dbsync_index_beginscan_compat(leaf->rel, leaf->index, SnapshotSelf, NULL, find->nkeys, 0);
	index_rescan(scan, keys, find->nkeys, NULL, 0);
	while (finding != DBSYNC_FOUND_OURS &&
		   index_getnext_slot(scan, ForwardScanDirection, find->slot))
	{
		bool		isnull;
		Datum		xmin = slot_getsysattr(find->slot, MinTransactionIdAttributeNumber, &isnull);

		finding = TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin))
			? DBSYNC_FOUND_OURS : DBSYNC_FOUND_ANOTHERS;
	}
	if (finding == DBSYNC_FOUND_OURS)
		ExecMaterializeSlot(find->slot);
	index_endscan(scan);
	if (finding == DBSYNC_FOUND_OURS)
		*row = dbsync_leaves_row(leaf, find->slot);
	return finding;
}

DbsyncFinding
dbsync_find_key(DbsyncFind *find, const TupleTableSlot *key, TupleTableSlot **row)
{
	int			at = dbsync_leaves_route(find->leaves, find->numbers, key->tts_values,
										 key->tts_isnull, find->nkeys);
	DbsyncFinding best = DBSYNC_FOUND_NOTHING;

	if (at >= 0)
		return find_in_leaf(find, at, key, row);
	for (int i = 0; i < find->leaves->n && best != DBSYNC_FOUND_OURS; i++)
	{
		DbsyncFinding finding = find_in_leaf(find, i, key, row);

		if (finding != DBSYNC_FOUND_NOTHING)
			best = finding;
	}
	return best;
}

void
dbsync_find_forget(DbsyncFind *find)
{
	if (find->slot != NULL)
		ExecClearTuple(find->slot);
}

void
dbsync_find_end(DbsyncFind *find)
{
	if (find->slot != NULL)
		ExecDropSingleTupleTableSlot(find->slot);
	dbsync_leaves_end(find->leaves);
}

/*-------------------------------------------------------------------------
 *
 * worker/source/completion.c
 *	  Large values that were not captured, from the captured table itself.
 *
 * A target that lacks the row, or a way of writing that needs all of it, is sent
 * what the batch's snapshot S shows of the columns that an UPDATE left untouched.
 * S may be later than the change: the value is then of a later change, which
 * follows and says the same; a row that S does not show is about to be deleted, by
 * a change that follows too.
 *
 * Rows are found as dbsync_recheck_doubts() finds them, straight by the key's index.  That
 * asks for no rights and minds no policies, like the capture of all other values.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "access/tableam.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "extension/capture/cache.h"
#include "extension/owner.h"
#include "worker/shape.h"
#include "worker/source/captured_table.h"
#include "worker/source/completion.h"
#include "worker/source/source.h"
#include "worker/table.h"

#include "extension/compat.h"

struct DbsyncCompletion
{
	DbsyncCapturedTable source;
	MemoryContext context;		/* as long as this; the scan keeps things there */
	int			ncolumns;
	int			nkeys;
	const int  *keys_at;		/* of the shape's columns */
	ScanKeyData keys[INDEX_MAX_KEYS];
	IndexScanDesc scan;
	TupleTableSlot *found;
};

void
dbsync_completion_lock(DbsyncTable *table)
{
	table->lock = ConditionalLockRelationOid(table->relid, AccessShareLock)
		? DBSYNC_LOCK_HELD : DBSYNC_LOCK_NOT_HAD;
}

static void
find_operators(DbsyncCompletion *completion)
{
	Relation	index = completion->source.index;

	for (int k = 0; k < completion->nkeys; k++)
	{
		Oid			type = index->rd_opcintype[k];
		Oid			equal = get_opfamily_member(index->rd_opfamily[k], type, type,
												BTEqualStrategyNumber);

		if (!OidIsValid(equal))
			elog(ERROR, "missing operator in operator family %u", index->rd_opfamily[k]);
		ScanKeyEntryInitialize(&completion->keys[k], 0, k + 1, BTEqualStrategyNumber,
							   InvalidOid, index->rd_indcollation[k],
							   get_opcode(equal), (Datum) 0);
	}
}

DbsyncCompletion *
dbsync_completion_begin(const DbsyncTable *table, const DbsyncTableShape *shape)
{
	DbsyncCompletion *completion = palloc0(sizeof(DbsyncCompletion));

	Assert(table->lock == DBSYNC_LOCK_HELD);
	dbsync_owner_check();
	dbsync_captured_table_open(&completion->source, table, shape, false);
	completion->context = CurrentMemoryContext;
	completion->ncolumns = shape->ncolumns;
	completion->nkeys = shape->nkeys;
	completion->keys_at = shape->keys;
	find_operators(completion);
	completion->found = table_slot_create(completion->source.rel, NULL);
	completion->scan = dbsync_index_beginscan_compat(completion->source.rel,
													 completion->source.index,
													 GetActiveSnapshot(), NULL,
													 completion->nkeys, 0);
	return completion;
}

bool
dbsync_completion_row(DbsyncCompletion *completion, Datum *values, bool *nulls, bool *unchanged)
{
	MemoryContext old = MemoryContextSwitchTo(completion->context);
	bool		there;

	for (int k = 0; k < completion->nkeys; k++)
		completion->keys[k].sk_argument = values[completion->keys_at[k]];
	index_rescan(completion->scan, completion->keys, completion->nkeys, NULL, 0);
	there = index_getnext_slot(completion->scan, ForwardScanDirection, completion->found);
	if (there)
		slot_getallattrs(completion->found);
	MemoryContextSwitchTo(old);
	for (int i = 0; there && i < completion->ncolumns; i++)
	{
		AttrNumber	from = completion->source.columns[i];

		if (!unchanged[i])
			continue;
		unchanged[i] = false;
		/* one that has been dropped since is dropped at the target, too, by and by */
		nulls[i] = from == 0 || completion->found->tts_isnull[from - 1];
		values[i] = nulls[i] ? (Datum) 0 : completion->found->tts_values[from - 1];
	}
	return there;
}

void
dbsync_completion_end(DbsyncCompletion *completion)
{
	index_endscan(completion->scan);
	ExecDropSingleTupleTableSlot(completion->found);
	dbsync_captured_table_close(&completion->source);
}

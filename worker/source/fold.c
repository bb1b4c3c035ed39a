/*-------------------------------------------------------------------------
 *
 * worker/source/fold.c
 *	  Changes of a key become one, where some say that a column stays as it was.
 *
 * Where all rows are whole, the last one of each key is all that is kept
 * (dbsync_pick_read()).  An UPDATE that left large values untouched
 * (dbsync_unchanged_find()) says nothing of them, so what an earlier row of the cut said
 * counts; where none did, the target has the value, or it is looked up (DbsyncCompletion).
 *
 * Of a key that was captured alone (DBSYNC_OP_KEY) nothing before it counts, as S may show what came later: its
 * row is looked up, and is gone if it is not there.  A whole row behind it counts again.
 *
 * One key's state is kept at a time.  Values out of line are kept as what they are
 * in the segment, pointers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "extension/log/segment.h"
#include "worker/shape.h"
#include "worker/source/fold.h"
#include "worker/source/keys.h"

#include "extension/compat.h"

/* columns of the rows before the table's own */
#define OP			0
#define SAME		1
#define FIRST		2

struct DbsyncFold
{
	DestReceiver receiver;		/* first: the executor knows us by it */
	const DbsyncTableShape *shape;
	bool		folds;
	DbsyncCompletion *completion;
	DbsyncRelay *relay;
	MemoryContext context;		/* lives as long as the fold */
	TupleDesc	desc;			/* of the table's columns */
	SortSupport order;			/* of keys, as they come */
	TupleTableSlot *out;		/* op and columns, as the relay wants them */

	/* the key under way */
	bool		begun;
	char		op;				/* of its last row */
	Datum	   *values;
	bool	   *nulls;
	bool	   *unchanged;
	bool	   *marked;			/* of the row that is being added */
	MemoryContext kept[2];		/* values are in one of them by turns */
	int			turn;
};

static void
startup(DestReceiver *self, int operation, TupleDesc desc)
{
	DbsyncFold *fold = (DbsyncFold *) self;
	MemoryContext old = MemoryContextSwitchTo(fold->context);
	DestReceiver *next = dbsync_relay_receiver(fold->relay);
	int			n = fold->shape->ncolumns;
	TupleDesc	out = CreateTemplateTupleDesc(n + 1);

	if (desc->natts < n + FIRST)
		elog(ERROR, "rows have %d columns, %d are expected", desc->natts, n + FIRST);
	fold->desc = CreateTemplateTupleDesc(n);
	TupleDescCopyEntry(out, 1, desc, OP + 1);
	for (int i = 0; i < n; i++)
	{
		TupleDescCopyEntry(fold->desc, i + 1, desc, FIRST + i + 1);
		TupleDescCopyEntry(out, i + 2, desc, FIRST + i + 1);
	}
	dbsync_finish_desc_compat(fold->desc);
	dbsync_finish_desc_compat(out);
	fold->out = MakeSingleTupleTableSlot(out, &TTSOpsVirtual);
	fold->order = dbsync_keys_order(fold->shape);
	MemoryContextSwitchTo(old);
	next->rStartup(next, operation, out);
}

static bool
same_key(DbsyncFold *fold, const TupleTableSlot *slot)
{
	/* a place that is empty now: what the functions leave goes with the next row */
	MemoryContext old = MemoryContextSwitchTo(fold->kept[1 - fold->turn]);
	bool		same = true;

	for (int k = 0; same && k < fold->shape->nkeys; k++)
	{
		int			i = fold->shape->keys[k];

		same = !fold->nulls[i] && !slot->tts_isnull[FIRST + i] &&
			ApplySortComparator(fold->values[i], false,
								slot->tts_values[FIRST + i], false, &fold->order[k]) == 0;
	}
	MemoryContextSwitchTo(old);
	return same;
}

static char
op_of(const TupleTableSlot *slot)
{
	return DatumGetChar(slot->tts_values[OP]);
}

static void
read_marks(DbsyncFold *fold, const TupleTableSlot *slot)
{
	const int2vector *same;
	bool		key_only = op_of(slot) == DBSYNC_OP_KEY;

	memset(fold->marked, key_only, fold->shape->ncolumns * sizeof(bool));
	for (int k = 0; k < fold->shape->nkeys; k++)
		fold->marked[fold->shape->keys[k]] = false;
	if (key_only || slot->tts_isnull[SAME])
		return;
	same = (const int2vector *) PG_DETOAST_DATUM(slot->tts_values[SAME]);
	for (int i = 0; i < same->dim1; i++)
	{
		if (same->values[i] < 1 || same->values[i] > fold->shape->ncolumns)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("unexpected column %d in a tracking table", same->values[i])));
		fold->marked[same->values[i] - 1] = true;
	}
}

/* What the key's row is after this one.  Known: it has a state before it. */
static void
add_row(DbsyncFold *fold, const TupleTableSlot *slot, bool known)
{
	MemoryContext mine = fold->kept[1 - fold->turn];
	MemoryContext old = MemoryContextSwitchTo(mine);

	read_marks(fold, slot);
	for (int i = 0; i < fold->shape->ncolumns; i++)
	{
		Form_pg_attribute att = TupleDescAttr(fold->desc, i);

		if (!fold->marked[i])
		{
			fold->values[i] = slot->tts_values[FIRST + i];
			fold->nulls[i] = slot->tts_isnull[FIRST + i];
			fold->unchanged[i] = false;
		}
		else if (!known)
		{
			fold->nulls[i] = true;
			fold->unchanged[i] = true;
		}
		/* copied also when it is ours already: the place where it is goes */
		if (fold->folds && !fold->nulls[i])
			fold->values[i] = datumCopy(fold->values[i], att->attbyval, att->attlen);
	}
	fold->op = op_of(slot);
	fold->begun = true;
	MemoryContextSwitchTo(old);
	MemoryContextReset(fold->kept[fold->turn]);
	fold->turn = 1 - fold->turn;
}

static bool
has_unchanged(const DbsyncFold *fold)
{
	for (int i = 0; i < fold->shape->ncolumns; i++)
	{
		if (fold->unchanged[i])
			return true;
	}
	return false;
}

/* The row of a key that was captured alone.  False if there is nothing to be sent of it. */
static bool
find_row(DbsyncFold *fold)
{
	if (fold->completion == NULL)
		elog(ERROR, "rows of a table that was not locked before are to be read from it");
	fold->op = DBSYNC_OP_UPDATE;
	if (dbsync_completion_find(fold->completion, fold->values, fold->nulls, fold->unchanged))
		return true;
	fold->op = DBSYNC_OP_DELETE;
	return dbsync_completion_sends_gone(fold->completion);
}

/* The key is done: hand its row on.  False if no more are wanted. */
static bool
hand_on(DbsyncFold *fold)
{
	DestReceiver *next = dbsync_relay_receiver(fold->relay);
	int			n = fold->shape->ncolumns;
	bool		open = has_unchanged(fold);

	fold->begun = false;
	if (fold->op == DBSYNC_OP_KEY)
	{
		if (!find_row(fold))
			return true;
		open = false;
	}
	else if (open && fold->completion != NULL)
	{
		/* one that has gone meanwhile: a later change of it says so */
		if (!dbsync_completion_row(fold->completion, fold->values, fold->nulls, fold->unchanged))
			return true;
		open = false;
	}
	ExecClearTuple(fold->out);
	fold->out->tts_values[0] = CharGetDatum(fold->op);
	fold->out->tts_isnull[0] = false;
	memcpy(fold->out->tts_values + 1, fold->values, n * sizeof(Datum));
	memcpy(fold->out->tts_isnull + 1, fold->nulls, n * sizeof(bool));
	ExecStoreVirtualTuple(fold->out);
	dbsync_relay_set_unchanged(fold->relay, open ? fold->unchanged : NULL);
	return next->receiveSlot(fold->out, next);
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	DbsyncFold *fold = (DbsyncFold *) self;
	bool		known;

	slot_getallattrs(slot);
	CHECK_FOR_INTERRUPTS();
	known = fold->begun && same_key(fold, slot);
	if (fold->begun && !known && !hand_on(fold))
		return false;
	/* of a row that was deleted nothing stays */
	add_row(fold, slot, known && fold->op != DBSYNC_OP_DELETE && op_of(slot) != DBSYNC_OP_KEY);
	return fold->folds || hand_on(fold);
}

static void
end_of_query(DestReceiver *self)
{
	DbsyncFold *fold = (DbsyncFold *) self;
	DestReceiver *next = dbsync_relay_receiver(fold->relay);
	int64		rows;

	if (fold->begun && dbsync_relay_result(fold->relay, &rows))
		(void) hand_on(fold);
	next->rShutdown(next);
}

static void
destroy(DestReceiver *self)
{
}

DbsyncFold *
dbsync_fold_create(const DbsyncTableShape *shape, bool folds, DbsyncCompletion *completion,
				   DbsyncRelay *relay)
{
	DbsyncFold *fold = palloc0(sizeof(DbsyncFold));
	int			n = Max(shape->ncolumns, 1);

	fold->receiver.receiveSlot = receive;
	fold->receiver.rStartup = startup;
	fold->receiver.rShutdown = end_of_query;
	fold->receiver.rDestroy = destroy;
	fold->receiver.mydest = DestNone;
	fold->shape = shape;
	fold->folds = folds;
	fold->completion = completion;
	fold->relay = relay;
	fold->context = CurrentMemoryContext;
	fold->values = palloc(sizeof(Datum) * n);
	fold->nulls = palloc(sizeof(bool) * n);
	fold->unchanged = palloc(sizeof(bool) * n);
	fold->marked = palloc(sizeof(bool) * n);
	for (int i = 0; i < 2; i++)
		fold->kept[i] = AllocSetContextCreate(CurrentMemoryContext, "dbsync fold",
											  ALLOCSET_DEFAULT_SIZES);
	return fold;
}

DestReceiver *
dbsync_fold_receiver(DbsyncFold *fold)
{
	return &fold->receiver;
}

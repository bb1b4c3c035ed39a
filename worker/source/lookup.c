/*-------------------------------------------------------------------------
 *
 * worker/source/lookup.c
 *	  Rows of a captured table by their keys, as of now.
 *
 * For who knows keys from elsewhere than the log: from a comparison with the target.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "extension/log/segment.h"
#include "extension/owner.h"
#include "worker/relay.h"
#include "worker/shape.h"
#include "worker/source/completion.h"
#include "worker/source/keys.h"
#include "worker/source/source.h"
#include "worker/table.h"

#include "extension/compat.h"

struct DbsyncLookup
{
	const DbsyncTableShape *shape;
	bool		gone;			/* rows that are not there are sent as deletions */
	DbsyncCompletion *completion;
	DestReceiver *receiver;
	DbsyncRelay *relay;
	TupleTableSlot *slot;		/* dbsync_op, and the shape's columns */
	bool	   *unchanged;
	MemoryContext per_key;
};

static TupleDesc
describe(const DbsyncTableShape *shape)
{
	TupleDesc	desc = CreateTemplateTupleDesc(shape->ncolumns + 1);

	TupleDescInitEntry(desc, 1, "dbsync_op", CHAROID, -1, 0);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		TupleDescInitEntry(desc, i + 2, shape->columns[i], shape->types[i], shape->typmods[i], 0);
		TupleDescInitEntryCollation(desc, i + 2, shape->collations[i]);
	}
	dbsync_finish_desc_compat(desc);
	return desc;
}

DbsyncLookup *
dbsync_lookup_begin(const DbsyncTable *table, const DbsyncTableShape *shape, bool gone, DbsyncRelay *relay)
{
	DbsyncLookup *lookup = palloc0(sizeof(DbsyncLookup));
	TupleDesc	desc = describe(shape);

	lookup->shape = shape;
	lookup->gone = gone;
	lookup->completion = dbsync_completion_begin(table, shape);
	lookup->relay = relay;
	lookup->receiver = dbsync_relay_receiver(relay);
	lookup->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	lookup->unchanged = palloc(sizeof(bool) * Max(shape->ncolumns, 1));
	lookup->per_key = AllocSetContextCreate(CurrentMemoryContext, "dbsync lookup", ALLOCSET_SMALL_SIZES);
	lookup->receiver->rStartup(lookup->receiver, CMD_SELECT, desc);
	return lookup;
}

/* NULL: the types of the key cannot read it. */
static Datum *
read_key(const DbsyncTableShape *shape, char *const *key)
{
	MemoryContext context = CurrentMemoryContext;
	Datum	   *volatile values = NULL;

	PG_TRY();
	{
		values = dbsync_keys_read(shape, key);
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	return values;
}

static bool
send_row(DbsyncLookup *lookup, const Datum *key)
{
	const DbsyncTableShape *shape = lookup->shape;
	TupleTableSlot *slot = lookup->slot;
	bool		found;

	ExecClearTuple(slot);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		slot->tts_values[i + 1] = (Datum) 0;
		slot->tts_isnull[i + 1] = true;
		lookup->unchanged[i] = true;
	}
	for (int k = 0; k < shape->nkeys; k++)
	{
		slot->tts_values[shape->keys[k] + 1] = key[k];
		slot->tts_isnull[shape->keys[k] + 1] = false;
	}
	found = dbsync_completion_find(lookup->completion, slot->tts_values + 1, slot->tts_isnull + 1, lookup->unchanged);
	if (!found && !lookup->gone)
		return false;
	slot->tts_values[0] = CharGetDatum(found ? DBSYNC_OP_RESOLVED : DBSYNC_OP_DELETE);
	slot->tts_isnull[0] = false;
	ExecStoreVirtualTuple(slot);
	return lookup->receiver->receiveSlot(slot, lookup->receiver);
}

bool
dbsync_lookup_key(DbsyncLookup *lookup, char *const *key)
{
	MemoryContext old;
	Datum	   *values;
	bool		sent;

	CHECK_FOR_INTERRUPTS();
	MemoryContextReset(lookup->per_key);
	old = MemoryContextSwitchTo(lookup->per_key);
	values = read_key(lookup->shape, key);
	sent = values != NULL && send_row(lookup, values);
	MemoryContextSwitchTo(old);
	return sent;
}

/* a key, as it came and as it is compared */
typedef struct Key
{
	char	  **text;
	Datum	   *values;
} Key;

typedef struct Order
{
	const DbsyncTableShape *shape;
	SortSupport order;
} Order;

static int
compare_keys(const void *a, const void *b, void *arg)
{
	const Order *order = arg;

	return dbsync_keys_compare(order->shape, order->order, ((const Key *) a)->values, ((const Key *) b)->values);
}

List *
dbsync_lookup_distinct(const DbsyncTableShape *shape, List *keys)
{
	Order		order = {shape, dbsync_keys_order(shape)};
	Key		   *sorted = palloc(sizeof(Key) * Max(list_length(keys), 1));
	List	   *distinct = NIL;
	int			n = 0;
	ListCell   *lc;

	dbsync_owner_check();
	foreach(lc, keys)
	{
		sorted[n].text = lfirst(lc);
		sorted[n].values = read_key(shape, sorted[n].text);
		if (sorted[n].values != NULL)
			n++;
	}
	qsort_arg(sorted, n, sizeof(Key), compare_keys, &order);
	for (int i = 0; i < n; i++)
	{
		if (i == 0 || compare_keys(&sorted[i - 1], &sorted[i], &order) != 0)
			distinct = lappend(distinct, sorted[i].text);
	}
	return distinct;
}

void
dbsync_lookup_end(DbsyncLookup *lookup)
{
	dbsync_relay_end(lookup->relay);
	dbsync_completion_end(lookup->completion);
	ExecDropSingleTupleTableSlot(lookup->slot);
	MemoryContextDelete(lookup->per_key);
}

/*-------------------------------------------------------------------------
 *
 * worker/relay.c
 *	  From the source's executor to the driver, row by row, nothing kept.
 *
 * Values become text here, under the settings that the worker has pinned
 * (worker.c), so that neither end's taste in dates or floats matters.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "worker/relay.h"

struct DbsyncRelay
{
	DestReceiver receiver;		/* first: the executor knows us by it */
	DbsyncTarget *target;
	const DbsyncTable *table;
	bool		with_op;
	bool		refused;
	int64		rows;
	MemoryContext context;		/* lives as long as the relay */
	MemoryContext row_context;	/* reset for each row */
	FmgrInfo   *output;
	DbsyncRow	row;
	char	  **last_key;
};

static void
startup(DestReceiver *self, int operation, TupleDesc desc)
{
	DbsyncRelay *relay = (DbsyncRelay *) self;
	int			skip = relay->with_op ? 1 : 0;
	int			n = desc->natts - skip;
	MemoryContext old = MemoryContextSwitchTo(relay->context);

	if (n != relay->table->ncolumns)
		elog(ERROR, "query yields %d columns, table has %d", n, relay->table->ncolumns);
	relay->output = palloc(sizeof(FmgrInfo) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		Oid			function;
		bool		varlena;

		getTypeOutputInfo(TupleDescAttr(desc, i + skip)->atttypid, &function, &varlena);
		fmgr_info(function, &relay->output[i]);
	}
	relay->row.values = palloc(sizeof(char *) * Max(n, 1));
	relay->row.lengths = palloc(sizeof(int) * Max(n, 1));
	MemoryContextSwitchTo(old);
}

static DbsyncRowKind
kind_of(char op)
{
	switch (op)
	{
		case 'I':
			return DBSYNC_ROW_INSERT;
		case 'U':
		case 'R':
			return DBSYNC_ROW_UPDATE;
		case 'D':
			return DBSYNC_ROW_DELETE;
		default:
			elog(ERROR, "unexpected operation \"%c\" in a tracking table", op);
	}
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	DbsyncRelay *relay = (DbsyncRelay *) self;
	int			skip = relay->with_op ? 1 : 0;
	MemoryContext old;
	char		op = 'I';

	CHECK_FOR_INTERRUPTS();
	slot_getallattrs(slot);
	if (relay->with_op)
		op = DatumGetChar(slot->tts_values[0]);
	if (op == 'T')
		return true;			/* batch.c has seen to it already */

	MemoryContextReset(relay->row_context);
	old = MemoryContextSwitchTo(relay->row_context);
	relay->row.kind = kind_of(op);
	for (int i = 0; i < relay->table->ncolumns; i++)
	{
		if (slot->tts_isnull[i + skip])
		{
			relay->row.values[i] = NULL;
			relay->row.lengths[i] = 0;
			continue;
		}
		relay->row.values[i] = OutputFunctionCall(&relay->output[i],
												  slot->tts_values[i + skip]);
		relay->row.lengths[i] = strlen(relay->row.values[i]);
	}
	relay->rows++;
	relay->refused = !relay->target->driver->rows_put(relay->target, &relay->row);
	MemoryContextSwitchTo(old);
	return !relay->refused;
}

static void
end_of_query(DestReceiver *self)
{
	DbsyncRelay *relay = (DbsyncRelay *) self;
	MemoryContext old = MemoryContextSwitchTo(relay->context);

	/* the last row's values live until the next row, which will not come */
	if (relay->rows > 0)
	{
		relay->last_key = palloc(sizeof(char *) * relay->table->nkeys);
		for (int k = 0; k < relay->table->nkeys; k++)
		{
			char	   *value = relay->row.values[relay->table->keys[k]];

			relay->last_key[k] = value ? pstrdup(value) : NULL;
		}
	}
	MemoryContextSwitchTo(old);
}

static void
destroy(DestReceiver *self)
{
}

DbsyncRelay *
dbsync_relay_create(DbsyncTarget *target, const DbsyncTable *table, bool with_op)
{
	DbsyncRelay *relay = palloc0(sizeof(DbsyncRelay));

	relay->receiver.receiveSlot = receive;
	relay->receiver.rStartup = startup;
	relay->receiver.rShutdown = end_of_query;
	relay->receiver.rDestroy = destroy;
	relay->receiver.mydest = DestNone;
	relay->target = target;
	relay->table = table;
	relay->with_op = with_op;
	relay->context = CurrentMemoryContext;
	relay->row_context = AllocSetContextCreate(CurrentMemoryContext, "dbsync row",
											   ALLOCSET_DEFAULT_SIZES);
	return relay;
}

DestReceiver *
dbsync_relay_receiver(DbsyncRelay *relay)
{
	return &relay->receiver;
}

bool
dbsync_relay_result(DbsyncRelay *relay, int64 *rows)
{
	*rows = relay->rows;
	return !relay->refused;
}

char **
dbsync_relay_last_key(DbsyncRelay *relay)
{
	return relay->last_key;
}

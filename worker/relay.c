/*-------------------------------------------------------------------------
 *
 * worker/relay.c
 *	  From the source's tables to the driver, row by row, nothing kept.
 *
 * Values are encoded as the driver takes them for the table (encode.c).  Most of
 * them go to the driver from where they lie, without being copied here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "extension/owner.h"
#include "worker/encode.h"
#include "worker/relay.h"

struct DbsyncRelay
{
	DestReceiver receiver;		/* first: who reads knows us by it */
	DbsyncTarget *target;
	const DbsyncTargetTable *handle;
	const DbsyncTable *table;
	DbsyncRelayWhat what;
	bool		refused;
	int64		rows;
	int64		bytes;			/* of their values */
	MemoryContext context;		/* lives as long as the relay */
	MemoryContext row_context;	/* reset for each row */
	const int  *at;				/* where the row that comes has our columns */
	int			needed;			/* columns of it that we look at */
	int			ncolumns;
	DbsyncEncoder *encoder;
	DbsyncRow	row;

	/* of chunks: the key of the last row, per key column */
	TupleDesc	desc;
	Datum	   *last_key;
	MemoryContext key_context;	/* of its values; reset for each row */
};

/* The rows have our columns and nothing else, behind dbsync_op in those of changes. */
static void
take_all(DbsyncRelay *relay, TupleDesc desc)
{
	bool		with_op = relay->what == DBSYNC_RELAY_CHANGES || relay->what == DBSYNC_RELAY_REMAINING;
	int			first = with_op ? 1 : 0;
	int		   *at = palloc(sizeof(int) * Max(relay->ncolumns, 1));

	if (desc->natts - first != relay->ncolumns)
		elog(ERROR, "rows have %d columns, %d are expected",
			 desc->natts - first, relay->ncolumns);
	for (int i = 0; i < relay->ncolumns; i++)
		at[i] = first + i;
	relay->at = at;
}

static void
startup(DestReceiver *self, int operation, TupleDesc desc)
{
	DbsyncRelay *relay = (DbsyncRelay *) self;
	const DbsyncDriver *driver = relay->target->driver;
	bool		binary = driver->table_is_binary && driver->table_is_binary(relay->handle);
	MemoryContext old;

	dbsync_owner_check();
	old = MemoryContextSwitchTo(relay->context);
	if (relay->at == NULL)
		take_all(relay, desc);
	relay->needed = 1;			/* dbsync_op comes first */
	for (int i = 0; i < relay->ncolumns; i++)
		relay->needed = Max(relay->needed, relay->at[i] + 1);
	relay->needed = Min(relay->needed, desc->natts);
	for (int i = 0; binary && i < relay->ncolumns; i++)
	{
		int			column = relay->what == DBSYNC_RELAY_KEYS ? relay->table->keys[i] : i;

		/* the driver has judged by these types */
		if (getBaseType(TupleDescAttr(desc, relay->at[i])->atttypid) != relay->table->types[column])
			elog(ERROR, "column %d of table %s has changed its type", column + 1,
				 relay->table->qualified);
	}
	relay->encoder = dbsync_encoder_create(desc, relay->at, relay->ncolumns, binary);
	relay->row.values = palloc(sizeof(char *) * Max(relay->ncolumns, 1));
	relay->row.lengths = palloc(sizeof(int) * Max(relay->ncolumns, 1));
	if (relay->what == DBSYNC_RELAY_CHUNK)
	{
		relay->desc = CreateTupleDescCopy(desc);
		relay->last_key = palloc(sizeof(Datum) * relay->table->nkeys);
		relay->key_context = AllocSetContextCreate(relay->context, "dbsync key",
												   ALLOCSET_SMALL_SIZES);
	}
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
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("unexpected operation %d in a tracking table", op)));
	}
}

static DbsyncRowKind
kind_of_row(const DbsyncRelay *relay, const TupleTableSlot *slot)
{
	switch (relay->what)
	{
		case DBSYNC_RELAY_CHUNK:
			return DBSYNC_ROW_INSERT;
		case DBSYNC_RELAY_KEYS:
			return DBSYNC_ROW_DELETE;
		default:
			return kind_of(DatumGetChar(slot->tts_values[0]));
	}
}

/* A chunk's next one begins behind the key of its last row. */
static void
remember_key(DbsyncRelay *relay, TupleTableSlot *slot)
{
	MemoryContext old = MemoryContextSwitchTo(relay->key_context);

	MemoryContextReset(relay->key_context);
	for (int k = 0; k < relay->table->nkeys; k++)
	{
		int			column = relay->at[relay->table->keys[k]];
		Form_pg_attribute att = TupleDescAttr(relay->desc, column);

		relay->last_key[k] = att->attbyval ? slot->tts_values[column] :
			datumCopy(slot->tts_values[column], false, att->attlen);
	}
	MemoryContextSwitchTo(old);
}

static void
encode_row(DbsyncRelay *relay, TupleTableSlot *slot)
{
	DbsyncRow  *row = &relay->row;

	for (int i = 0; i < relay->ncolumns; i++)
	{
		if (slot->tts_isnull[relay->at[i]] || (row->unchanged && row->unchanged[i]))
		{
			row->values[i] = NULL;
			row->lengths[i] = 0;
		}
		else
		{
			row->values[i] = dbsync_encoder_value(relay->encoder, i,
												  slot->tts_values[relay->at[i]],
												  &row->lengths[i]);
			relay->bytes += row->lengths[i];
		}
	}
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	DbsyncRelay *relay = (DbsyncRelay *) self;
	MemoryContext old;

	CHECK_FOR_INTERRUPTS();
	slot_getsomeattrs(slot, relay->needed);
	relay->rows++;
	relay->row.kind = kind_of_row(relay, slot);
	if (relay->what == DBSYNC_RELAY_REMAINING && relay->row.kind == DBSYNC_ROW_DELETE)
		return true;
	MemoryContextReset(relay->row_context);
	old = MemoryContextSwitchTo(relay->row_context);
	encode_row(relay, slot);
	if (relay->what == DBSYNC_RELAY_CHUNK)
		remember_key(relay, slot);
	relay->refused = !relay->target->driver->rows_put(relay->target, &relay->row);
	MemoryContextSwitchTo(old);
	return !relay->refused;
}

static void
end_of_query(DestReceiver *self)
{
}

static void
destroy(DestReceiver *self)
{
}

DbsyncRelay *
dbsync_relay_create(DbsyncTarget *target, const DbsyncTargetTable *handle,
					const DbsyncTable *table, DbsyncRelayWhat what)
{
	DbsyncRelay *relay = palloc0(sizeof(DbsyncRelay));

	relay->receiver.receiveSlot = receive;
	relay->receiver.rStartup = startup;
	relay->receiver.rShutdown = end_of_query;
	relay->receiver.rDestroy = destroy;
	relay->receiver.mydest = DestNone;
	relay->target = target;
	relay->handle = handle;
	relay->table = table;
	relay->what = what;
	relay->ncolumns = (what == DBSYNC_RELAY_KEYS) ? table->nkeys : table->ncolumns;
	relay->context = CurrentMemoryContext;
	relay->row_context = AllocSetContextCreate(CurrentMemoryContext, "dbsync row",
											   ALLOCSET_DEFAULT_SIZES);
	return relay;
}

void
dbsync_relay_place(DbsyncRelay *relay, const int *at)
{
	relay->at = at;
}

DestReceiver *
dbsync_relay_receiver(DbsyncRelay *relay)
{
	return &relay->receiver;
}

void
dbsync_relay_set_unchanged(DbsyncRelay *relay, const bool *unchanged)
{
	relay->row.unchanged = unchanged;
}

bool
dbsync_relay_result(DbsyncRelay *relay, int64 *rows)
{
	*rows = relay->rows;
	return !relay->refused;
}

int64
dbsync_relay_row_size(const DbsyncRelay *relay)
{
	return relay->rows > 0 ? relay->bytes / relay->rows + 1 : 1;
}

char **
dbsync_relay_last_key(DbsyncRelay *relay)
{
	char	  **key;

	dbsync_owner_check();
	if (relay->rows == 0)
		return NULL;
	key = palloc(sizeof(char *) * relay->table->nkeys);
	for (int k = 0; k < relay->table->nkeys; k++)
	{
		int			column = relay->at[relay->table->keys[k]];
		Oid			type = TupleDescAttr(relay->desc, column)->atttypid;
		Oid			function;
		bool		varlena;

		getTypeOutputInfo(type, &function, &varlena);
		key[k] = OidOutputFunctionCall(function, relay->last_key[k]);
	}
	return key;
}

/*-------------------------------------------------------------------------
 *
 * worker/relay.c
 *	  From the source's tables to the driver, row by row, nothing kept.
 *
 * Values are encoded as the driver takes them for the table (dbsync_encoder_value()).  Most of
 * them go to the driver from where they lie, without being copied here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "extension/log/segment.h"
#include "extension/owner.h"
#include "worker/relay.h"
#include "worker/relay_row.h"
#include "worker/shape.h"
#include "worker/table.h"
#include "worker/target.h"

#include "extension/compat.h"

/* The rows have our columns and nothing else, behind dbsync_op in those of changes. */
static void
take_all(DbsyncRelay *relay, TupleDesc desc)
{
	bool		with_op = relay->what == DBSYNC_RELAY_CHANGES || relay->what == DBSYNC_RELAY_REMAINING;
	int			first = with_op ? 1 : 0;
	int			ncolumns = relay->what == DBSYNC_RELAY_KEYS ? relay->shape->nkeys : relay->shape->ncolumns;
	int		   *place = palloc(sizeof(int) * Max(ncolumns, 1));

	if (desc->natts - first != ncolumns)
		elog(ERROR, "rows have %d columns, %d are expected", desc->natts - first, ncolumns);
	for (int i = 0; i < ncolumns; i++)
		place[i] = first + i;
	relay->place = place;
}

/* Columns that the target does not have are passed by. */
static void
choose_sent(DbsyncRelay *relay)
{
	int		   *at;

	if (relay->sent == NULL)
	{
		relay->at = relay->place;
		return;
	}
	at = palloc(sizeof(int) * Max(relay->ncolumns, 1));
	for (int i = 0; i < relay->ncolumns; i++)
		at[i] = relay->place[relay->sent[i]];
	relay->at = at;
	relay->unchanged = palloc(sizeof(bool) * Max(relay->ncolumns, 1));
}

/* Rows are made of those that come, column by column. */
static void
begin_selecting(DbsyncRelay *relay, TupleDesc desc)
{
	int		   *at = palloc(sizeof(int) * Max(relay->ncolumns, 1));

	relay->selecting = dbsync_selecting_begin(relay->table->selection, relay->shape, relay->table->qualified,
											  desc, relay->place, relay->sent, relay->ncolumns);
	relay->sent_desc = dbsync_selecting_desc(relay->selecting);
	for (int i = 0; i < relay->ncolumns; i++)
		at[i] = i;
	relay->at = at;
}

/* How many columns of rows that come have to be taken out of them. */
static int
count_needed(const DbsyncRelay *relay, TupleDesc desc)
{
	int			needed = 1;		/* dbsync_op comes first */

	if (relay->selecting != NULL)
		return desc->natts;
	for (int i = 0; i < relay->ncolumns; i++)
		needed = Max(needed, relay->at[i] + 1);
	if (relay->what == DBSYNC_RELAY_CHUNK)
		for (int k = 0; k < relay->shape->nkeys; k++)
			needed = Max(needed, relay->place[relay->shape->keys[k]] + 1);
	return Min(needed, desc->natts);
}

/* The driver has judged by types. */
static void
check_types(const DbsyncRelay *relay)
{
	int			n = 0;

	for (int i = 0; i < relay->ncolumns; i++)
	{
		int			column = dbsync_relay_column(relay, i);
		Oid			type = column >= 0 ? relay->shape->types[column]
			: getBaseType(TupleDescAttr(relay->table->expressions, n++)->atttypid);

		if (getBaseType(TupleDescAttr(relay->sent_desc, relay->at[i])->atttypid) != type)
			elog(ERROR, "column %d of table %s has changed its type", i + 1, relay->table->qualified);
	}
}

static void
startup(DestReceiver *self, int operation, TupleDesc desc)
{
	DbsyncRelay *relay = (DbsyncRelay *) self;
	bool		binary = dbsync_target_table_encoding(relay->target, relay->handle) == DBSYNC_ENCODING_BINARY;
	MemoryContext old;

	dbsync_owner_check();
	old = MemoryContextSwitchTo(relay->context);
	if (relay->place == NULL)
		take_all(relay, desc);
	relay->sent_desc = desc;
	if (relay->selects)
		begin_selecting(relay, desc);
	else
		choose_sent(relay);
	relay->needed = count_needed(relay, desc);
	if (binary)
		check_types(relay);
	relay->varlena = palloc(sizeof(bool) * Max(relay->ncolumns, 1));
	for (int i = 0; i < relay->ncolumns; i++)
		relay->varlena[i] = TupleDescAttr(relay->sent_desc, relay->at[i])->attlen == -1;
	relay->encoder = dbsync_encoder_create(relay->sent_desc, relay->at, relay->ncolumns, binary);
	relay->row.values = palloc(sizeof(char *) * Max(relay->ncolumns, 1));
	relay->row.lengths = palloc(sizeof(int) * Max(relay->ncolumns, 1));
	if (relay->what == DBSYNC_RELAY_CHUNK)
	{
		relay->desc = CreateTupleDescCopy(desc);
		relay->last_key = palloc(sizeof(Datum) * relay->shape->nkeys);
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
		case DBSYNC_OP_INSERT:
			return DBSYNC_ROW_INSERT;
		case DBSYNC_OP_UPDATE:
		case DBSYNC_OP_RESOLVED:
			return DBSYNC_ROW_UPDATE;
		case DBSYNC_OP_DELETE:
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
	for (int k = 0; k < relay->shape->nkeys; k++)
	{
		int			column = relay->place[relay->shape->keys[k]];
		Form_pg_attribute att = TupleDescAttr(relay->desc, column);

		relay->last_key[k] = att->attbyval ? slot->tts_values[column] :
			datumCopy(slot->tts_values[column], false, att->attlen);
	}
	MemoryContextSwitchTo(old);
}

/* What was worked out has failed: say of which row. */
pg_noreturn static void
raise_of_row(DbsyncRelay *relay, TupleTableSlot *slot, MemoryContext context)
{
	ErrorData  *edata;
	const char *row;

	MemoryContextSwitchTo(context);
	edata = CopyErrorData();
	FlushErrorState();
	row = psprintf("In what is sent of table %s, of %s.", relay->table->qualified, dbsync_relay_describe_row(relay, slot));
	edata->detail = edata->detail ? psprintf("%s %s", edata->detail, row) : pstrdup(row);
	if (edata->hint == NULL)
		edata->hint = psprintf("Change columns or filter, which copies the table anew: SELECT dbsync.alter_table(..., %s, ...). Or mend what they need.",
							   quote_literal_cstr(relay->table->qualified));
	ReThrowError(edata);
}

/*
 * The row as it is sent, of rows of which something is worked out; NULL: it is none.  Of a table without a
 * key the rows that go are known by all that was sent of them; of others the key is enough.
 */
static TupleTableSlot *
select_row(DbsyncRelay *relay, TupleTableSlot *slot)
{
	MemoryContext context = CurrentMemoryContext;
	TupleTableSlot *volatile sent = NULL;

	if (relay->row.kind == DBSYNC_ROW_DELETE && relay->shape->nkeys > 0)
		return dbsync_selecting_key(relay->selecting, slot);
	PG_TRY();
	{
		sent = dbsync_selecting_row(relay->selecting, slot);
	}
	PG_CATCH();
	{
		raise_of_row(relay, slot, context);
	}
	PG_END_TRY();
	if (sent != NULL || !relay->deletes)
		return sent;
	relay->row.kind = DBSYNC_ROW_DELETE;
	return dbsync_selecting_key(relay->selecting, slot);
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	DbsyncRelay *relay = (DbsyncRelay *) self;
	TupleTableSlot *sent = slot;
	MemoryContext old;

	CHECK_FOR_INTERRUPTS();
	slot_getsomeattrs(slot, relay->needed);
	relay->rows++;
	relay->row.kind = kind_of_row(relay, slot);
	if (relay->what == DBSYNC_RELAY_REMAINING && relay->row.kind == DBSYNC_ROW_DELETE)
		return true;
	MemoryContextReset(relay->row_context);
	old = MemoryContextSwitchTo(relay->row_context);
	if (relay->what == DBSYNC_RELAY_CHUNK)
		remember_key(relay, slot);
	if (relay->selecting != NULL)
		sent = select_row(relay, slot);
	if (sent != NULL)
	{
		dbsync_relay_encode_row(relay, slot, sent);
		relay->refused = !dbsync_target_try_rows_put(relay->target, &relay->row);
	}
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
					const DbsyncTable *table, const DbsyncTableShape *shape,
					DbsyncRelayWhat what)
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
	relay->shape = shape;
	relay->what = what;
	relay->ncolumns = (what == DBSYNC_RELAY_KEYS) ? shape->nkeys : shape->ncolumns;
	if (what != DBSYNC_RELAY_KEYS && table->sent != NULL)
	{
		relay->sent = table->sent;
		relay->ncolumns = table->nsent;
	}
	relay->selects = what != DBSYNC_RELAY_KEYS && table->selection != NULL && dbsync_selection_runs(table->selection);
	relay->row.count = 1;
	relay->context = CurrentMemoryContext;
	relay->row_context = AllocSetContextCreate(CurrentMemoryContext, "dbsync row",
											   ALLOCSET_DEFAULT_SIZES);
	return relay;
}

void
dbsync_relay_place(DbsyncRelay *relay, const int *at)
{
	relay->place = at;
}

DestReceiver *
dbsync_relay_receiver(DbsyncRelay *relay)
{
	return &relay->receiver;
}

void
dbsync_relay_delete_filtered(DbsyncRelay *relay)
{
	relay->deletes = true;
}

void
dbsync_relay_set_unchanged(DbsyncRelay *relay, const bool *unchanged)
{
	relay->row.unchanged = unchanged;
	if (unchanged == NULL || relay->unchanged == NULL)
		return;
	for (int i = 0; i < relay->ncolumns; i++)
		relay->unchanged[i] = unchanged[relay->sent[i]];
	relay->row.unchanged = relay->unchanged;
}

void
dbsync_relay_set_count(DbsyncRelay *relay, int64 count)
{
	relay->row.count = count;
}

void
dbsync_relay_end(DbsyncRelay *relay)
{
	if (relay->selecting != NULL)
		dbsync_selecting_end(relay->selecting);
	relay->selecting = NULL;
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
	key = palloc(sizeof(char *) * relay->shape->nkeys);
	for (int k = 0; k < relay->shape->nkeys; k++)
	{
		int			column = relay->place[relay->shape->keys[k]];
		Oid			type = TupleDescAttr(relay->desc, column)->atttypid;
		Oid			function;
		bool		varlena;

		getTypeOutputInfo(type, &function, &varlena);
		key[k] = OidOutputFunctionCall(function, relay->last_key[k]);
	}
	return key;
}

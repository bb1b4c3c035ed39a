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

#include "access/detoast.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "mb/pg_wchar.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "extension/log/segment.h"
#include "extension/owner.h"
#include "worker/encode.h"
#include "worker/relay.h"
#include "worker/row_size.h"
#include "worker/shape.h"
#include "worker/table.h"
#include "worker/target.h"

/* values of so many bytes are not encoded without thinking of what may come of it */
#define LARGE_VALUE		(1024 * 1024)

/* a row of so many may be too much for a target; of so many it is, by far */
#define HEAVY_ROW		(128 * 1024 * 1024)
#define ROW_LIMIT		(MaxAllocSize - 64 * 1024)

/* of a key in a message */
#define KEY_SHOWN		100

struct DbsyncRelay
{
	DestReceiver receiver;		/* first: who reads knows us by it */
	DbsyncTarget *target;
	const DbsyncTargetTable *handle;
	const DbsyncTable *table;
	const DbsyncTableShape *shape;	/* of the rows that come */
	DbsyncRelayWhat what;
	bool		refused;
	int64		rows;
	int64		bytes;			/* of their values */
	MemoryContext context;		/* lives as long as the relay */
	MemoryContext row_context;	/* reset for each row */
	const int  *sent;			/* the shape's columns that are sent; NULL: all, or the key's */
	const int  *place;			/* where the row that comes has the shape's columns */
	const int  *at;				/* where it has those that are sent */
	bool	   *unchanged;		/* of them; NULL: none is left out, and they are the shape's own */
	bool	   *varlena;		/* columns that can be large */
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
	int			ncolumns = relay->what == DBSYNC_RELAY_KEYS ? relay->shape->nkeys : relay->shape->ncolumns;
	int		   *place = palloc(sizeof(int) * Max(ncolumns, 1));

	if (desc->natts - first != ncolumns)
		elog(ERROR, "rows have %d columns, %d are expected", desc->natts - first, ncolumns);
	for (int i = 0; i < ncolumns; i++)
		place[i] = first + i;
	relay->place = place;
}

/* The column of the shape that is sent as number i. */
static int
column_of(const DbsyncRelay *relay, int i)
{
	if (relay->what == DBSYNC_RELAY_KEYS)
		return relay->shape->keys[i];
	return relay->sent ? relay->sent[i] : i;
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
	choose_sent(relay);
	relay->needed = 1;			/* dbsync_op comes first */
	for (int i = 0; i < relay->ncolumns; i++)
		relay->needed = Max(relay->needed, relay->at[i] + 1);
	if (relay->what == DBSYNC_RELAY_CHUNK)
		for (int k = 0; k < relay->shape->nkeys; k++)
			relay->needed = Max(relay->needed, relay->place[relay->shape->keys[k]] + 1);
	relay->needed = Min(relay->needed, desc->natts);
	for (int i = 0; binary && i < relay->ncolumns; i++)
	{
		int			column = column_of(relay, i);

		/* the driver has judged by these types */
		if (getBaseType(TupleDescAttr(desc, relay->at[i])->atttypid) != relay->shape->types[column])
			elog(ERROR, "column %d of table %s has changed its type", column + 1,
				 relay->table->qualified);
	}
	relay->varlena = palloc(sizeof(bool) * Max(relay->ncolumns, 1));
	for (int i = 0; i < relay->ncolumns; i++)
		relay->varlena[i] = TupleDescAttr(desc, relay->at[i])->attlen == -1;
	relay->encoder = dbsync_encoder_create(desc, relay->at, relay->ncolumns, binary);
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

/* The row's key for a message, cut short; its own functions make the text. */
static char *
describe_row(DbsyncRelay *relay, TupleTableSlot *slot)
{
	StringInfoData key;

	if (relay->shape->nkeys == 0)
		return "a row";
	initStringInfo(&key);
	appendStringInfoString(&key, "the row with key (");
	for (int k = 0; k < relay->shape->nkeys; k++)
	{
		int			at = relay->place[relay->what == DBSYNC_RELAY_KEYS ? k : relay->shape->keys[k]];
		char	   *text = "null";

		if (!slot->tts_isnull[at])
		{
			Oid			function;
			bool		varlena;

			getTypeOutputInfo(TupleDescAttr(slot->tts_tupleDescriptor, at)->atttypid, &function, &varlena);
			text = OidOutputFunctionCall(function, slot->tts_values[at]);
		}
		appendStringInfo(&key, "%s%.*s%s", k > 0 ? ", " : "",
						 pg_mbcliplen(text, strlen(text), KEY_SHOWN), text,
						 strlen(text) > KEY_SHOWN ? "..." : "");
	}
	appendStringInfoChar(&key, ')');
	return key.data;
}

static void
refuse_row(DbsyncRelay *relay, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("table %s has a row that is too large to be sent", relay->table->qualified),
			 errdetail("%s", detail),
			 errhint("Make the row smaller or delete it, and copy the table anew with dbsync.copy_table();"
					 " or take the table out with dbsync.remove_table().")));
}

/* The text of what is stored in 500 MB may be longer than a text can be. */
static const char *
encode_large(DbsyncRelay *relay, TupleTableSlot *slot, int i, int *length)
{
	Datum		value = slot->tts_values[relay->at[i]];
	Size		size = toast_raw_datum_size(value);
	char	   *row = describe_row(relay, slot);
	MemoryContext context = CurrentMemoryContext;
	const char *volatile result = NULL;

	PG_TRY();
	{
		result = dbsync_encoder_value(relay->encoder, i, value, length);
	}
	PG_CATCH();
	{
		ErrorData  *edata;
		int			column = column_of(relay, i);

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		if (!dbsync_row_size_is_too_large(edata->sqlerrcode, edata->message))
			PG_RE_THROW();
		FlushErrorState();
		refuse_row(relay, psprintf("Column \"%s\" of %s has %zu bytes, too many for the form in which it travels: %s.",
								   relay->shape->columns[column], row, size, edata->message));
	}
	PG_END_TRY();
	return result;
}

/* Cheap for all that is in a row as it is, and small. */
static bool
is_large(const DbsyncRelay *relay, int i, Datum value)
{
	struct varlena *varlena = (struct varlena *) DatumGetPointer(value);

	return relay->varlena[i] &&
		(VARATT_IS_EXTERNAL(varlena) || !VARATT_IS_SHORT(varlena)) &&
		toast_raw_datum_size(value) >= LARGE_VALUE;
}

/* What the driver gets of the row must be in memory at the same time there, too. */
static void
check_size(DbsyncRelay *relay, TupleTableSlot *slot, int64 bytes)
{
	relay->bytes += bytes;
	if (bytes < HEAVY_ROW)
		return;
	dbsync_row_size_note_heavy(relay->table->captured_id);
	if (bytes > ROW_LIMIT)
		refuse_row(relay, psprintf("All values together of %s have " INT64_FORMAT " bytes as they travel, the most is %zu.",
								   describe_row(relay, slot), bytes, (Size) ROW_LIMIT));
}

static void
encode_row(DbsyncRelay *relay, TupleTableSlot *slot)
{
	DbsyncRow  *row = &relay->row;
	int64		bytes = 0;

	for (int i = 0; i < relay->ncolumns; i++)
	{
		if (slot->tts_isnull[relay->at[i]] || (row->unchanged && row->unchanged[i]))
		{
			row->values[i] = NULL;
			row->lengths[i] = 0;
		}
		else
		{
			Datum		value = slot->tts_values[relay->at[i]];

			row->values[i] = is_large(relay, i, value)
				? encode_large(relay, slot, i, &row->lengths[i])
				: dbsync_encoder_value(relay->encoder, i, value, &row->lengths[i]);
			bytes += row->lengths[i];
		}
	}
	check_size(relay, slot, bytes);
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
	relay->refused = !dbsync_target_try_rows_put(relay->target, &relay->row);
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

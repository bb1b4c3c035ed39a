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
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "extension/log/segment.h"
#include "extension/owner.h"
#include "worker/catcher.h"
#include "worker/encode.h"
#include "worker/last_key.h"
#include "worker/progress.h"
#include "worker/relay.h"
#include "worker/row_describe.h"
#include "worker/row_size.h"
#include "worker/selection.h"
#include "worker/shape.h"
#include "worker/table.h"
#include "worker/target.h"

/* values of so many bytes are not encoded without thinking of what may come of it */
#define LARGE_VALUE		(1024 * 1024)

/* a row of so many may be too much for a target; of so many it is, by far */
#define HEAVY_ROW		(128 * 1024 * 1024)
#define ROW_LIMIT		(MaxAllocSize - 64 * 1024)

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
	int64		excluded;		/* of them, by the filter */
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
	bool		selects;		/* expressions or a filter are to be worked out: then ... */
	DbsyncSelecting *selecting; /* ... so; NULL: rows are sent as they come */
	bool		deletes;		/* rows that the filter is not true of */
	bool		sends_text;
	TupleDesc	sent_desc;		/* of rows as they are sent */
	DbsyncEncoder *encoder;
	bool		catches;		/* rows of keys that are parked: then ... */
	DbsyncCatcher *catcher;		/* ... so; NULL: none are */
	DbsyncRow	row;
	DbsyncLastKey *last_key;	/* of chunks: that of the last row */
};

/* The rows have our columns and nothing else, behind dbsync_op in those of changes. */
static void
take_all(DbsyncRelay *relay, TupleDesc desc)
{
	bool		with_op = relay->what != DBSYNC_RELAY_CHUNK && relay->what != DBSYNC_RELAY_KEYS &&
		relay->what != DBSYNC_RELAY_ROWS;
	int			first = with_op ? 1 : 0;
	int			ncolumns = relay->what == DBSYNC_RELAY_KEYS ? relay->shape->nkeys : relay->shape->ncolumns;
	int		   *place = palloc(sizeof(int) * Max(ncolumns, 1));

	if (desc->natts - first != ncolumns)
		elog(ERROR, "rows have %d columns, %d are expected", desc->natts - first, ncolumns);
	for (int i = 0; i < ncolumns; i++)
		place[i] = first + i;
	relay->place = place;
}

/* The column of the shape that is sent as number i; -1: an expression is. */
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
		int			column = column_of(relay, i);
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
	bool		binary = !relay->sends_text &&
		dbsync_target_table_encoding(relay->target, relay->handle) == DBSYNC_ENCODING_BINARY;
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
		relay->last_key = dbsync_last_key_create(relay->shape, relay->place, desc);
	if (relay->catches && relay->table->parked != NULL)
		relay->catcher = dbsync_catcher_create(relay->table, relay->shape, relay->what == DBSYNC_RELAY_KEYS, relay->place,
											   relay->sent_desc, relay->at, relay->ncolumns);
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
		case DBSYNC_RELAY_ROWS:
			return DBSYNC_ROW_INSERT;
		case DBSYNC_RELAY_KEYS:
			return DBSYNC_ROW_DELETE;
		default:
			return kind_of(DatumGetChar(slot->tts_values[0]));
	}
}

static char *
describe_row(const DbsyncRelay *relay, TupleTableSlot *slot)
{
	return dbsync_row_describe(relay->shape, relay->place, relay->what == DBSYNC_RELAY_KEYS, slot);
}

/* The text of what is stored in 500 MB may be longer than a text can be. */
static const char *
encode_large(DbsyncRelay *relay, TupleTableSlot *slot, Datum value, int i, int *length)
{
	const char *problem;
	const char *result = dbsync_encoder_try_value(relay->encoder, i, value, length, &problem);
	int			column = column_of(relay, i);

	if (result == NULL)
		dbsync_row_refuse(relay->table->qualified, psprintf("Column \"%s\" of %s has %zu bytes, too many for the form in which it travels: %s.",
								   column >= 0 ? relay->shape->columns[column] : relay->table->selection->columns[i].name,
								   describe_row(relay, slot), toast_raw_datum_size(value), problem));
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
		dbsync_row_refuse(relay->table->qualified, psprintf("All values together of %s have " INT64_FORMAT " bytes as they travel, the most is %zu.",
								   describe_row(relay, slot), bytes, (Size) ROW_LIMIT));
}

/* slot: the row that came; sent: as it is sent */
static void
encode_row(DbsyncRelay *relay, TupleTableSlot *slot, const TupleTableSlot *sent)
{
	DbsyncRow  *row = &relay->row;
	int64		bytes = 0;

	for (int i = 0; i < relay->ncolumns; i++)
	{
		if (sent->tts_isnull[relay->at[i]] || (row->unchanged && row->unchanged[i]))
		{
			row->values[i] = NULL;
			row->lengths[i] = 0;
		}
		else
		{
			Datum		value = sent->tts_values[relay->at[i]];

			row->values[i] = is_large(relay, i, value)
				? encode_large(relay, slot, value, i, &row->lengths[i])
				: dbsync_encoder_value(relay->encoder, i, value, &row->lengths[i]);
			bytes += row->lengths[i];
		}
	}
	check_size(relay, slot, bytes);
}

/*
 * The row as it is sent, of rows of which something is worked out; NULL: it is none.  Of a table without a
 * key the rows that go are known by all that was sent of them; of others the key is enough.
 */
static TupleTableSlot *
select_row(DbsyncRelay *relay, TupleTableSlot *slot)
{
	TupleTableSlot *sent;

	if (relay->row.kind == DBSYNC_ROW_DELETE && relay->shape->nkeys > 0)
		return dbsync_selecting_key(relay->selecting, slot);
	sent = dbsync_selecting_row(relay->selecting, slot);
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
	int64		before = relay->bytes;
	bool		caught;
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
		dbsync_last_key_remember(relay->last_key, slot);
	if (relay->selecting != NULL)
		sent = select_row(relay, slot);
	if (relay->what == DBSYNC_RELAY_GONE && relay->row.kind != DBSYNC_ROW_DELETE)
		sent = NULL;
	caught = relay->catcher != NULL && sent != NULL && dbsync_catcher_catch(relay->catcher, relay->row.kind, slot, sent);
	if (sent != NULL && !caught)
	{
		encode_row(relay, slot, sent);
		relay->refused = !dbsync_target_try_rows_put(relay->target, &relay->row);
	}
	MemoryContextSwitchTo(old);
	relay->excluded += sent == NULL;
	dbsync_progress_count(relay->what == DBSYNC_RELAY_CHUNK, sent == NULL, relay->bytes - before);
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
dbsync_relay_send_text(DbsyncRelay *relay)
{
	relay->sends_text = true;
}

void
dbsync_relay_catch_parked(DbsyncRelay *relay)
{
	relay->catches = true;
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

DbsyncFlow
dbsync_relay_flow(const DbsyncRelay *relay)
{
	DbsyncFlow	flow = {.rows = relay->rows, .excluded = relay->excluded, .bytes = relay->bytes};

	return flow;
}

int64
dbsync_relay_row_size(const DbsyncRelay *relay)
{
	return relay->rows > 0 ? relay->bytes / relay->rows + 1 : 1;
}

char **
dbsync_relay_last_key(DbsyncRelay *relay)
{
	dbsync_owner_check();
	return relay->rows > 0 ? dbsync_last_key_text(relay->last_key) : NULL;
}

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
#include "utils/memutils.h"

#include "extension/log/segment.h"
#include "extension/owner.h"
#include "worker/catcher.h"
#include "worker/encode.h"
#include "worker/last_key.h"
#include "worker/progress.h"
#include "worker/relay.h"
#include "worker/relay_state.h"
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

/* The driver asked for a form that does not have it. */
pg_noreturn static void
refuse_value(const DbsyncRelay *relay, TupleTableSlot *slot, int i)
{
	int			column = dbsync_relay_column(relay, i);
	const char *name = column >= 0 ? relay->shape->columns[column] : NULL;
	const char *sent = name;
	bool		is_key = false;

	if (relay->what != DBSYNC_RELAY_KEYS && dbsync_table_has_chosen_columns(relay->table))
		sent = relay->table->selection->columns[i].name;
	for (int k = 0; k < relay->shape->nkeys; k++)
		is_key = is_key || relay->shape->keys[k] == column;
	dbsync_row_refuse_value(relay->table->captured_id, relay->table->qualified, sent, describe_row(relay, slot),
							name != NULL && !is_key ? quote_identifier(name) : NULL, dbsync_encoder_problem(relay->encoder));
}

/* The text of what is stored in 500 MB may be longer than a text can be. */
static const char *
encode_large(DbsyncRelay *relay, TupleTableSlot *slot, Datum value, int i, int *length)
{
	const char *problem;
	const char *result = dbsync_encoder_try_value(relay->encoder, i, value, length, &problem);
	int			column = dbsync_relay_column(relay, i);

	if (result == NULL && problem != NULL)
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

/* slot: the row that came; sent: as it is sent.  Returns its bytes. */
static int
encode_column(DbsyncRelay *relay, TupleTableSlot *slot, const TupleTableSlot *sent, int i)
{
	DbsyncRow  *row = &relay->row;
	Datum		value = sent->tts_values[relay->at[i]];

	row->lengths[i] = 0;
	row->values[i] = NULL;
	if (sent->tts_isnull[relay->at[i]] || (row->unchanged && row->unchanged[i]))
		return 0;
	if (is_large(relay, i, value))
		row->values[i] = encode_large(relay, slot, value, i, &row->lengths[i]);
	else
		row->values[i] = dbsync_encoder_value(relay->encoder, i, value, &row->lengths[i]);
	if (row->values[i] == NULL)
		refuse_value(relay, slot, i);
	return row->lengths[i];
}

/* Is the row wanted, by columns that are encoded for that?  *bytes grows by theirs. */
static bool
passes(DbsyncRelay *relay, TupleTableSlot *slot, const TupleTableSlot *sent, int64 *bytes)
{
	const DbsyncRowScreen *screen = relay->screen;

	if (screen->number != NULL && !dbsync_row_screen_wants_number(screen, sent, relay->at))
		return false;
	for (int i = 0; i < screen->n; i++)
		*bytes += encode_column(relay, slot, sent, screen->columns[i]);
	if (screen->values != NULL && !screen->values(screen->arg, relay->row.values))
		return false;
	slot_getsomeattrs(slot, relay->needed);
	return true;
}

/* False: the row is not wanted. */
static bool
encode_row(DbsyncRelay *relay, TupleTableSlot *slot, const TupleTableSlot *sent)
{
	const DbsyncRowScreen *screen = relay->screen;
	int64		bytes = 0;

	if (screen != NULL && !passes(relay, slot, sent, &bytes))
		return false;
	for (int i = 0; i < relay->ncolumns; i++)
	{
		if (screen == NULL || !dbsync_row_screen_has(screen, i))
			bytes += encode_column(relay, slot, sent, i);
	}
	check_size(relay, slot, bytes);
	return true;
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
	slot_getsomeattrs(slot, relay->needed_first);
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
	if (sent != NULL && !caught && encode_row(relay, slot, sent))
		relay->refused = !dbsync_target_try_rows_put(relay->target, &relay->row);
	MemoryContextSwitchTo(old);
	relay->excluded += sent == NULL;
	relay->written += sent != NULL && relay->row.kind != DBSYNC_ROW_DELETE;
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
	relay->receiver.rStartup = dbsync_relay_startup;
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
dbsync_relay_screen(DbsyncRelay *relay, const DbsyncRowScreen *screen)
{
	relay->screen = screen;
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
dbsync_relay_written(const DbsyncRelay *relay)
{
	return relay->written;
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

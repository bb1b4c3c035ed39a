/*-------------------------------------------------------------------------
 *
 * worker/batch/repair.c
 *	  Rows that a verify process has found to differ are sent anew.
 *
 * Where they clash at the target, in whatever is unique there beside the key, all keys of the batch are deleted and inserted, and room is
 * made for them: what is in the way has a key that is behind the batch, or has got its value since it was compared.  It is sent with
 * the batch, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "extension/owner.h"
#include "extension/settings.h"
#include "worker/batch/repair.h"
#include "worker/catcher.h"
#include "worker/copy/left.h"
#include "worker/copy/room.h"
#include "worker/kept.h"
#include "worker/query.h"
#include "worker/relay.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/target.h"
#include "worker/text.h"
#include "worker/work.h"

/* keys of one batch, at most: they are in memory */
#define BATCH_KEYS		50000

static int
at_a_time(void)
{
	return Min(dbsync_batch_rows, BATCH_KEYS);
}

static char *
attachment_text(const DbsyncTable *table)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&table->uid)));
}

bool
dbsync_repair_begin(DbsyncBatch *batch, DbsyncTable *table)
{
	dbsync_completion_lock(table);
	if (table->lock != DBSYNC_LOCK_HELD)
		return false;
	batch->repairing = table;
	return true;
}

/* The values of a key, none of which is null. */
static char **
read_key(Datum array, int nkeys)
{
	Datum	   *elements;
	int			n;
	char	  **key = palloc(sizeof(char *) * nkeys);

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &n);
	if (n != nkeys)
		return NULL;
	for (int k = 0; k < n; k++)
		key[k] = TextDatumGetCString(elements[k]);
	return key;
}

/* The next of them, in the order in which they came; in CurrentMemoryContext.  *extra: of so many the source had no row. */
static List *
read_keys(DbsyncBatch *batch, int64 *extra)
{
	const DbsyncTable *table = batch->repairing;
	MemoryContext context = CurrentMemoryContext;
	const char *args[3] = {attachment_text(table), psprintf(INT64_FORMAT, batch->repair_last), psprintf("%d", at_a_time())};
	List	   *keys = NIL;
	uint64		n;

	SPI_connect();
	n = dbsync_query("SELECT r.id, r.key, r.extra FROM dbsync_internal.repair_key r WHERE r.attachment = $1::pg_catalog.uuid"
					 " AND r.id > $2::pg_catalog.int8 ORDER BY r.id LIMIT $3::pg_catalog.int4", 3, args);
	for (uint64 row = 0; row < n; row++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		bool		isnull;
		Datum		array = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2, &isnull);
		char	  **key = read_key(array, table->shape->nkeys);

		/* of a key that the table does not have any more nothing can be said */
		if (key != NULL)
		{
			keys = lappend(keys, key);
			*extra += dbsync_query_bool(row, 3);
		}
		MemoryContextSwitchTo(old);
		batch->repair_last = dbsync_query_int(row, 1);
	}
	batch->repair_over = n < (uint64) at_a_time();
	SPI_finish();
	return keys;
}

/* Look these keys up, and send what comes of it in this mode.  Returns how many rows the source has. */
static int64
send_keys(DbsyncBatch *batch, List *keys, DbsyncRowsMode mode, DbsyncRelayWhat what, bool gone)
{
	const DbsyncTable *table = batch->repairing;
	const DbsyncTableShape *shape = table->shape;
	DbsyncRelay *relay = dbsync_relay_create(batch->target, table->handle, table, shape, what);
	DbsyncOwner saved;
	int64		sent;

	if (((mode == DBSYNC_ROWS_MERGE || mode == DBSYNC_ROWS_TOGETHER) && gone) || what == DBSYNC_RELAY_GONE)
		dbsync_relay_delete_filtered(relay);
	if (mode == DBSYNC_ROWS_DOUBTED)
	{
		dbsync_relay_send_text(relay);
		dbsync_relay_catch_parked(relay);
	}
	/* where keys are checked all rows go at once: one may lead to another of the same table */
	dbsync_target_rows_begin(batch->target, table->handle, mode,
							 table->ties.checked && mode != DBSYNC_ROWS_DOUBTED ? -1 : list_length(keys), "repairing rows");
	dbsync_owner_begin(&saved, dbsync_table_owner(batch->repairing));
	dbsync_lookup(table, shape, dbsync_lookup_distinct(shape, keys), gone, what, relay, NULL, NULL);
	dbsync_owner_end(&saved);
	if (!dbsync_relay_result(relay, &sent) || !dbsync_target_try_rows_end(batch->target))
		dbsync_target_raise(batch->target, "repairing rows");
	return dbsync_relay_written(relay);
}

/* The target lacks them by now: they are sent behind all others, where they do not come anyway. */
static void
put_behind(DbsyncBatch *batch, const List *keys)
{
	const DbsyncTable *table = batch->repairing;
	const char *args[3] = {attachment_text(table), psprintf(INT64_FORMAT, batch->repair_last)};
	StringInfoData array;
	ListCell   *lc;

	if (keys == NIL)
		return;
	initStringInfo(&array);
	foreach(lc, keys)
		dbsync_text_append_element(&array, dbsync_text_array(table->shape->nkeys, lfirst(lc)));
	appendStringInfoChar(&array, '}');
	args[2] = array.data;
	SPI_connect();
	if (dbsync_query("INSERT INTO dbsync_internal.repair_key (attachment, key, extra)"
					 " SELECT $1::pg_catalog.uuid, k.key::pg_catalog.text[], true FROM pg_catalog.unnest($3::pg_catalog.text[]) k (key)"
					 " WHERE NOT EXISTS (SELECT FROM dbsync_internal.repair_key r WHERE r.attachment = $1::pg_catalog.uuid"
					 "  AND r.id > $2::pg_catalog.int8 AND r.key = k.key::pg_catalog.text[]) RETURNING 1", 3, args) > 0)
		batch->repair_over = false;
	SPI_finish();
}

/* Keys of rows that were in the way, to be sent with the others. */
static List *
make_room(DbsyncBatch *batch, const List *keys, bool doubted)
{
	List	   *left;
	List	   *more;

	if (!dbsync_room_is_to_be_had(batch->work, batch->repairing))
		return NIL;
	more = dbsync_room_make(batch->work, batch->repairing, keys, doubted, &left);
	put_behind(batch, left);
	return more;
}

/* Some may be refused, or are parked: as retry() sends them.  Nobody hears of a clash there. */
static int64
send_doubted(DbsyncBatch *batch, List *keys, bool gone)
{
	int64		written;

	batch->work->sending = batch->repairing->captured_id;
	written = send_keys(batch, keys, DBSYNC_ROWS_DOUBTED, DBSYNC_RELAY_REMAINING, false);
	dbsync_catcher_send(batch->target, batch->repairing);
	if (gone)
	{
		(void) send_keys(batch, keys, DBSYNC_ROWS_DOUBTED, DBSYNC_RELAY_GONE, true);
		dbsync_catcher_send(batch->target, batch->repairing);
	}
	/* it may have been in the way of others, or they in its */
	if (batch->work->subscription->tied)
		dbsync_target_rows_together(batch->target, false, "repairing rows");
	batch->work->sending = 0;
	return written;
}

/* Rows clashed.  Where keys are checked, to delete them would take rows of other tables along: so it takes one statement. */
static bool
is_put_together(const DbsyncBatch *batch)
{
	return batch->work->send_as == DBSYNC_SEND_REPLACE_ALL && batch->repairing->ties.checked;
}

/* Is every row to be deleted and inserted, rather than merged? */
static bool
is_to_be_replaced(const DbsyncBatch *batch, int64 rows)
{
	return batch->work->crowded == batch->repairing->captured_id ||
		dbsync_target_table_wants_replace(batch->target, batch->repairing->handle, rows);
}

/* All of them; returns how many rows the source has, and in *more those that it was asked for besides. */
static int64
send_all(DbsyncBatch *batch, List *keys, bool gone, int64 *more)
{
	DbsyncWork *work = batch->work;
	DbsyncTable *table = batch->repairing;
	int64		written;
	List	   *others = NIL;

	*more = 0;
	if (work->send_as == DBSYNC_SEND_DOUBTED || table->parked != NULL)
	{
		others = make_room(batch, keys, true);
		*more = list_length(others);
		return send_doubted(batch, list_concat_copy(keys, others), gone);
	}
	if (is_put_together(batch))
	{
		written = send_keys(batch, keys, DBSYNC_ROWS_TOGETHER, DBSYNC_RELAY_CHANGES, gone);
		dbsync_target_rows_together(batch->target, true, "repairing rows");
		return written;
	}
	if (!is_to_be_replaced(batch, list_length(keys)))
		return send_keys(batch, keys, DBSYNC_ROWS_MERGE, DBSYNC_RELAY_CHANGES, gone);
	(void) send_keys(batch, keys, DBSYNC_ROWS_DELETE, DBSYNC_RELAY_KEYS, gone);
	if (work->crowded == table->captured_id)
		others = make_room(batch, keys, false);
	written = send_keys(batch, keys, DBSYNC_ROWS_APPEND, DBSYNC_RELAY_REMAINING, false);
	*more = list_length(others);
	return written + dbsync_room_fill(work, table, others);
}

/*
 * Rows that were there as both ends were compared are not any more.  If most of what is sent is of that kind the source may have been emptied
 * since, and is asked anew whether it has lost its rows.
 */
static void
check_left(DbsyncBatch *batch, int64 expected, int64 written)
{
	DbsyncTable *table = batch->repairing;
	int64		there = batch->meeting->rows_there;
	int64		here;

	if (there == 0 || expected - written <= expected / 2)
		return;
	here = dbsync_left_count(batch->work, table, there / 2 + there % 2);
	if (!dbsync_repair_is_too_little(here, there))
		return;
	if (batch->meeting->order.scan)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the source has " INT64_FORMAT " rows, less than half of the target's " INT64_FORMAT ": nothing more is sent or deleted. "
						"Where that is right, take the table out, and add it again with options => '{\"empty\": \"allow\"}'", here, there),
				 errdetail("Table %s has lost them since it was compared.", table->qualified)));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the source has less than half of the target's rows; to do it all the same, name the table"),
			 errdetail("Table %s has lost them since it was compared.", table->qualified)));
}

void
dbsync_repair_send(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	DbsyncTable *table = batch->repairing;
	int64		extra = 0;
	List	   *keys = read_keys(batch, &extra);
	bool		gone = !dbsync_kept_rows(work->subscription, table);
	int64		expected;
	int64		written;
	int64		more;

	if (keys == NIL)
		return;
	batch->current = table;
	/* until the batch has gone through: what is refused may show as it commits */
	work->repairing = table->captured_id;
	batch->repair_doubted = work->send_as == DBSYNC_SEND_DOUBTED;
	if (work->send_as == DBSYNC_SEND_REPLACE_ALL)
		work->crowded = table->captured_id;
	written = send_all(batch, keys, gone, &more);
	expected = list_length(keys) - extra + more;
	check_left(batch, expected, written);
	batch->rows += list_length(keys);
	batch->repair_rows += list_length(keys);
	batch->repair_absent += Max(expected - written, 0);
	batch->current = NULL;
}

void
dbsync_repair_note(DbsyncBatch *batch)
{
	const char *args[2];

	if (batch->repairing == NULL || batch->repair_last == 0)
	{
		if (batch->repairing != NULL && batch->repair_over)
			dbsync_meeting_repaired(batch->meeting, 0, 0, true);
		return;
	}
	args[0] = attachment_text(batch->repairing);
	args[1] = psprintf(INT64_FORMAT, batch->repair_last);
	dbsync_query_begin(false, "forgetting keys that were repaired");
	dbsync_query_run("DELETE FROM dbsync_internal.repair_key r WHERE r.attachment = $1::pg_catalog.uuid"
					 " AND r.id <= $2::pg_catalog.int8", 2, args);
	dbsync_query_commit();
	if (batch->repair_over)
		batch->work->crowded = 0;
	dbsync_meeting_repaired(batch->meeting, batch->repair_rows, batch->repair_absent, batch->repair_over);
}

void
dbsync_repair_failed(DbsyncWork *work, const ErrorData *edata)
{
	DbsyncMeeting asked;
	const DbsyncTable *table;

	if (work->repairing == 0)
		return;
	/* of one that is compared on a schedule that is a comparison which has failed */
	table = dbsync_subscription_table(work->subscription, work->repairing);
	if (table != NULL && table->snapshot != NULL)
		work->comparing = work->repairing;
	work->repairing = work->crowded = 0;
	if (dbsync_meeting_is_wanted(work->subscription_id, &asked) && asked.wish == DBSYNC_WISH_REPAIR)
		dbsync_meeting_refuse(&asked, edata->message);
}

/*-------------------------------------------------------------------------
 *
 * worker/batch/repair.c
 *	  Rows that a verify process has found to differ are sent anew.
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
#include "worker/kept.h"
#include "worker/query.h"
#include "worker/relay.h"
#include "worker/source/source.h"
#include "worker/subscription.h"
#include "worker/target.h"
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

/* The next of them, in the order in which they came; in CurrentMemoryContext. */
static List *
read_keys(DbsyncBatch *batch)
{
	const DbsyncTable *table = batch->repairing;
	MemoryContext context = CurrentMemoryContext;
	const char *args[3] = {attachment_text(table), psprintf(INT64_FORMAT, batch->repair_last), psprintf("%d", at_a_time())};
	List	   *keys = NIL;
	uint64		n;

	SPI_connect();
	n = dbsync_query("SELECT r.id, r.key FROM dbsync_internal.repair_key r WHERE r.attachment = $1::pg_catalog.uuid"
					 " AND r.id > $2::pg_catalog.int8 ORDER BY r.id LIMIT $3::pg_catalog.int4", 3, args);
	for (uint64 row = 0; row < n; row++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);
		bool		isnull;
		Datum		array = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2, &isnull);
		char	  **key = read_key(array, table->shape->nkeys);

		/* of a key that the table does not have any more nothing can be said */
		if (key != NULL)
			keys = lappend(keys, key);
		MemoryContextSwitchTo(old);
		batch->repair_last = dbsync_query_int(row, 1);
	}
	batch->repair_over = n < (uint64) at_a_time();
	SPI_finish();
	return keys;
}

/* Look these keys up, and send what comes of it in this mode. */
static void
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
}

/* Some may be refused, or are parked: as retry() sends them. */
static void
send_doubted(DbsyncBatch *batch, List *keys, bool gone)
{
	batch->work->sending = batch->repairing->captured_id;
	send_keys(batch, keys, DBSYNC_ROWS_DOUBTED, DBSYNC_RELAY_REMAINING, false);
	dbsync_catcher_send(batch->target, batch->repairing);
	if (gone)
	{
		send_keys(batch, keys, DBSYNC_ROWS_DOUBTED, DBSYNC_RELAY_GONE, true);
		dbsync_catcher_send(batch->target, batch->repairing);
	}
	/* it may have been in the way of others, or they in its */
	if (batch->work->subscription->tied)
		dbsync_target_rows_together(batch->target, false, "repairing rows");
	batch->work->sending = 0;
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
	return batch->work->send_as == DBSYNC_SEND_REPLACE_ALL ||
		dbsync_target_table_wants_replace(batch->target, batch->repairing->handle, rows);
}

void
dbsync_repair_send(DbsyncBatch *batch)
{
	DbsyncWork *work = batch->work;
	DbsyncTable *table = batch->repairing;
	List	   *keys = read_keys(batch);
	bool		gone = !dbsync_kept_rows(work->subscription, table);

	if (keys == NIL)
		return;
	batch->current = table;
	/* until the batch has gone through: what is refused may show as it commits */
	work->repairing = table->captured_id;
	if (work->send_as == DBSYNC_SEND_DOUBTED || table->parked != NULL)
		send_doubted(batch, keys, gone);
	else if (is_put_together(batch))
	{
		send_keys(batch, keys, DBSYNC_ROWS_TOGETHER, DBSYNC_RELAY_CHANGES, gone);
		dbsync_target_rows_together(batch->target, true, "repairing rows");
	}
	else if (is_to_be_replaced(batch, list_length(keys)))
	{
		send_keys(batch, keys, DBSYNC_ROWS_DELETE, DBSYNC_RELAY_KEYS, gone);
		send_keys(batch, keys, DBSYNC_ROWS_APPEND, DBSYNC_RELAY_REMAINING, false);
	}
	else
		send_keys(batch, keys, DBSYNC_ROWS_MERGE, DBSYNC_RELAY_CHANGES, gone);
	batch->rows += list_length(keys);
	batch->repair_rows += list_length(keys);
	batch->current = NULL;
}

void
dbsync_repair_note(DbsyncBatch *batch)
{
	const char *args[2];

	if (batch->repairing == NULL || batch->repair_last == 0)
	{
		if (batch->repairing != NULL && batch->repair_over)
			dbsync_meeting_repaired(batch->meeting, 0, true);
		return;
	}
	args[0] = attachment_text(batch->repairing);
	args[1] = psprintf(INT64_FORMAT, batch->repair_last);
	dbsync_query_begin(false, "forgetting keys that were repaired");
	dbsync_query_run("DELETE FROM dbsync_internal.repair_key r WHERE r.attachment = $1::pg_catalog.uuid"
					 " AND r.id <= $2::pg_catalog.int8", 2, args);
	dbsync_query_commit();
	dbsync_meeting_repaired(batch->meeting, batch->repair_rows, batch->repair_over);
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
	work->repairing = 0;
	if (dbsync_meeting_is_wanted(work->subscription_id, &asked) && asked.wish == DBSYNC_WISH_REPAIR)
		dbsync_meeting_refuse(&asked, edata->message);
}
